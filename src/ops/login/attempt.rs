//! What lies between the beginning of a login and its end: a row that is taken once, and the state that leads to it.
//!
//! The state goes through browsers and provider. It names tenant and row, concealed, so that nobody can make or read one; the row knows who
//! began, and holds what the login is completed by, sealed as well.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::{ATTEMPT_LIFE, Ops, subject::AllowedAccounts};
use crate::{
    crypto::{Place, Secret},
    domain::{Caller, Error, LoginSource, Reason, Result, TenantId},
    store::{LoginAttempt, retrying},
};

/// What the state is concealed for.
const PURPOSE: &str = "login.state";
/// Longest id of a tenant, in bytes. Shorter ones are filled up, so that all states are of one length.
const TENANT_LEN: usize = 64;

/// Who hands over what a provider sent with the browser.
#[derive(Clone, Copy, Debug)]
pub(super) enum Completer<'a> {
    /// The front end, for the user who began.
    Caller(&'a Caller),
    /// A browser that nobody is known in, at the service's own page.
    Browser,
}

/// How a completed login was confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConfirmedBy {
    /// The user who began it came back to the CRM, which vouches for them.
    FrontEnd,
    /// Whoever logged in at the provider pressed the button of the service's own page.
    Button,
}

/// What the provider sent with the browser.
#[derive(Debug)]
pub enum CallbackResult {
    /// An authorisation code.
    Code(Secret),
    /// That an administrator consented.
    Consent,
    /// What went wrong, and the provider's words.
    Error(String, String),
}

/// What a login is completed by.
#[derive(Serialize, Deserialize)]
pub(super) struct Secrets {
    /// RFC 7636 §4.1.
    pub verifier: String,
    /// What the ID token must say.
    pub nonce: String,
    /// Whose accounts may log in, by what the user who began it might do then.
    #[serde(default)]
    pub reach: AllowedAccounts,
}

impl Secrets {
    /// Of a consent, whose end needs none.
    pub(super) fn none() -> Self {
        Self {
            verifier: String::new(),
            nonce: String::new(),
            reach: AllowedAccounts::Anyone,
        }
    }
}

impl Drop for Secrets {
    fn drop(&mut self) {
        use zeroize::Zeroize;
        self.verifier.zeroize();
        self.nonce.zeroize();
    }
}

/// An attempt that was found, with its tenant.
pub(super) struct FoundAttempt {
    pub tenant: TenantId,
    pub attempt: LoginAttempt,
    pub secrets: Secrets,
    pub confirmed: ConfirmedBy,
}

impl FoundAttempt {
    /// Who began it.
    pub(super) fn beginner(&self) -> Caller {
        Caller {
            tenant: self.tenant.clone(),
            user: self.attempt.user.clone(),
            scopes: Vec::new(),
        }
    }

    async fn open(ops: &Ops, completer: Completer<'_>, tenant: &TenantId, attempt: LoginAttempt) -> Result<Self> {
        let secrets = ops.vault.open(&ops.store, tenant, place(&attempt.id), &attempt.secrets).await?;
        Ok(Self {
            tenant: tenant.to_owned(),
            secrets: serde_json::from_str(secrets.expose())
                .map_err(|_| Error::internal("the data that completes a login cannot be read"))?,
            attempt,
            confirmed: match completer {
                Completer::Caller(_) => ConfirmedBy::FrontEnd,
                Completer::Browser => ConfirmedBy::Button,
            },
        })
    }
}

/// Where an attempt is.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Key {
    pub tenant: TenantId,
    pub id: String,
}

impl Key {
    /// A new attempt's.
    pub(super) fn new(ops: &Ops, tenant: &TenantId) -> Self {
        Self {
            tenant: tenant.to_owned(),
            id: ops.ids.next(),
        }
    }

    /// The state that leads to it, in which nothing can be read, also not how long the tenant's name is.
    pub(super) fn to_state(&self, ops: &Ops) -> String {
        let Self { tenant, id } = self;
        ops.sealer.conceal(PURPOSE, format!("{tenant:<TENANT_LEN$}/{id}").as_bytes())
    }

    /// The attempt that a state leads to.
    ///
    /// # Errors
    /// [`Reason::LoginStateInvalid`] for what is no state of this service's.
    pub(super) fn of_state(ops: &Ops, state: &str) -> Result<Self> {
        let opened = ops.sealer.reveal(PURPOSE, state).map_err(|_| invalid())?;
        let opened = opened.into_text().ok_or_else(invalid)?;
        let (tenant, id) = opened.expose().split_once('/').ok_or_else(invalid)?;
        Ok(Self {
            tenant: tenant.trim_end().into(),
            id: id.to_owned(),
        })
    }
}

/// Something that nobody can guess.
pub(super) fn nonce() -> String {
    let mut bytes = [0; 24];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has randomness");
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What is begun.
pub(super) struct NewAttempt<'a> {
    pub id: String,
    pub source: LoginSource,
    pub provider: &'a str,
    pub redirect_url: &'a str,
    pub secrets: Secrets,
}

/// Remembers an attempt. Earlier ones of this user for the same login are over with that.
pub(super) async fn remember(ops: &Ops, caller: &Caller, beginning: NewAttempt<'_>) -> Result<LoginAttempt> {
    let plain = Secret::new(serde_json::to_string(&beginning.secrets).expect("plain data always has a JSON form"));
    let place = place(&beginning.id);
    let attempt = LoginAttempt {
        secrets: ops.vault.seal(&ops.store, &caller.tenant, place, &plain).await?,
        id: beginning.id,
        user: caller.user.clone(),
        source: beginning.source,
        provider: beginning.provider.to_owned(),
        redirect_url: beginning.redirect_url.to_owned(),
        expires: ops.now().after(ATTEMPT_LIFE),
    };
    retrying(|| async {
        let mut writer = ops.store.begin(&caller.tenant).await?;
        writer.put_attempt(&attempt).await?;
        writer.commit().await
    })
    .await?;
    Ok(attempt)
}

/// Takes an attempt. Whatever comes of it, nobody takes it again.
///
/// # Errors
/// [`Reason::LoginStateInvalid`] when there is none, or not for this completer: then it stays for the one that it is for.
pub(super) async fn take(ops: &Ops, completer: Completer<'_>, key: &Key) -> Result<FoundAttempt> {
    let attempt = retrying(|| async {
        let mut writer = ops.store.begin(&key.tenant).await?;
        let attempt = writer.take_attempt(&key.id).await?.ok_or_else(invalid)?;
        judge(ops, completer, key, &attempt)?;
        writer.commit().await?;
        Ok(attempt)
    })
    .await?;
    if attempt.expires <= ops.now() {
        return Err(invalid());
    }
    FoundAttempt::open(ops, completer, &key.tenant, attempt).await
}

/// Looks at an attempt that a browser came back from, and leaves it.
///
/// # Errors
/// As [`take`].
pub(super) async fn look_at(ops: &Ops, key: &Key) -> Result<FoundAttempt> {
    let attempt = ops.store.tenant(&key.tenant).attempt(&key.id).await?.ok_or_else(invalid)?;
    judge(ops, Completer::Browser, key, &attempt)?;
    if attempt.expires <= ops.now() {
        return Err(invalid());
    }
    FoundAttempt::open(ops, Completer::Browser, &key.tenant, attempt).await
}

/// Whether the attempt is for this completer.
fn judge(ops: &Ops, completer: Completer<'_>, key: &Key, attempt: &LoginAttempt) -> Result<()> {
    let right = match completer {
        Completer::Caller(caller) => caller.tenant == key.tenant && caller.user == attempt.user,
        Completer::Browser => attempt.redirect_url == ops.logins.callback_url,
    };
    if right { Ok(()) } else { Err(invalid()) }
}

/// The state is none that the completer may use.
pub(super) fn invalid() -> Error {
    let text = "the login was not begun by this user, was already completed, or was begun more than 10 minutes ago. Begin it again.";
    Error::invalid_handle(Reason::LoginStateInvalid, "state", text)
}

fn place(attempt: &str) -> Place<'_> {
    Place {
        table: "login_attempt",
        row: attempt,
        column: "secrets_sealed",
    }
}
