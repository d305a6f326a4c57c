//! What lies between the beginning of a login and its end: a row that is taken once, and the state that leads to it.
//!
//! The state goes through browsers and provider. It names tenant and row, and is sealed, so that nobody can make one; the row knows who
//! began, and holds what the login is completed by, sealed as well.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::{ATTEMPT_LIFE, Ops};
use crate::{
    crypto::{Place, Secret},
    domain::{Caller, Error, Kind, LoginSource, Reason, Result},
    store::{INSTALLATION, LoginAttempt, retrying},
};

/// What the state is sealed for.
const PURPOSE: &str = "login.state";

/// Who hands over what a provider sent with the browser.
#[derive(Clone, Copy, Debug)]
pub enum Completer<'a> {
    /// The front end, for the user who began.
    Caller(&'a Caller),
    /// A browser that nobody is known in, at the service's own page.
    Browser,
}

/// What the provider sent with the browser.
#[derive(Debug)]
pub enum Answered {
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
}

impl Secrets {
    /// Of a consent, whose end needs none.
    pub(super) fn none() -> Self {
        Self {
            verifier: String::new(),
            nonce: String::new(),
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

/// An attempt that was taken, with its tenant.
pub(super) struct Taken {
    pub tenant: String,
    pub attempt: LoginAttempt,
    pub secrets: Secrets,
}

impl Taken {
    /// Who began it.
    pub(super) fn beginner(&self) -> Caller {
        Caller {
            tenant: self.tenant.clone(),
            user: self.attempt.user.clone(),
            scopes: Vec::new(),
        }
    }
}

/// A new attempt's id, and the state that leads to it.
pub(super) fn new_state(ops: &Ops, tenant: &str) -> (String, String) {
    let id = ops.ids.next();
    let state = ops.sealer.seal(PURPOSE, INSTALLATION, format!("{tenant}/{id}").as_bytes());
    (id, state)
}

/// Something that nobody can guess.
pub(super) fn nonce() -> String {
    let mut bytes = [0; 24];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has randomness");
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What is begun.
pub(super) struct Beginning<'a> {
    pub id: String,
    pub source: LoginSource,
    pub provider: &'a str,
    pub redirect_url: &'a str,
    pub secrets: Secrets,
}

/// Remembers an attempt. Earlier ones of this user for the same login are over with that.
///
/// # Errors
/// As the database's.
pub(super) async fn remember(ops: &Ops, caller: &Caller, beginning: Beginning<'_>) -> Result<LoginAttempt> {
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

/// Takes the attempt that a state leads to. Whatever comes of it, nobody takes it again.
///
/// # Errors
/// [`Reason::LoginStateInvalid`] when there is none, or not for this completer: then it stays for the one that it is for.
pub(super) async fn take(ops: &Ops, completer: Completer<'_>, state: &str) -> Result<Taken> {
    let opened = ops.sealer.open(PURPOSE, INSTALLATION, state).map_err(|_| invalid())?;
    let opened = String::from_utf8(opened).map_err(|_| invalid())?;
    let (tenant, id) = opened.split_once('/').ok_or_else(invalid)?;
    let attempt = retrying(|| async {
        let mut writer = ops.store.begin(tenant).await?;
        let attempt = writer.take_attempt(id).await?.ok_or_else(invalid)?;
        let right = match completer {
            Completer::Caller(caller) => caller.tenant == tenant && caller.user == attempt.user,
            Completer::Browser => attempt.redirect_url == ops.logins.callback_url,
        };
        if !right {
            return Err(invalid());
        }
        writer.commit().await?;
        Ok(attempt)
    })
    .await?;
    if attempt.expires <= ops.now() {
        return Err(invalid());
    }
    let secrets = ops.vault.open(&ops.store, tenant, place(id), &attempt.secrets).await?;
    Ok(Taken {
        tenant: tenant.to_owned(),
        secrets: serde_json::from_str(secrets.expose()).map_err(|_| Error::internal("what a login is completed by cannot be read"))?,
        attempt,
    })
}

/// The state is none that the completer may use.
pub(super) fn invalid() -> Error {
    let text = "state: the login was not begun by this user, was completed already, or was begun more than 10 minutes ago. Begin it again.";
    Error::new(Kind::Invalid, Reason::LoginStateInvalid, text)
}

fn place(attempt: &str) -> Place<'_> {
    Place {
        table: "login_attempt",
        row: attempt,
        column: "secrets_sealed",
    }
}
