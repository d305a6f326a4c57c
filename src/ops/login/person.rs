//! A person's login: begun by a caller, completed in a browser or by the front end, given up.

use std::time::Duration;

use super::{
    Ops, append,
    attempt::{self, Answered, Attempted, Beginning, Completer, Confirmed, Secrets},
    confirm::{self, About},
    consent, reassess,
    subject::{Behalf, Reach, Subject},
    tokens, told,
    view::{AuthenticationView, view_of},
};
use crate::{
    crypto::Secret,
    domain::{
        AuditAction, Caller, Detail, Error, Kind, Login, LoginSource, LoginState, LoginUse, Reason, Result, Timestamp, TokenEventKind,
    },
    idp::oauth::{Begin, LoginProvider, Redeem, Tokens},
    ops::audit::Changes,
    store::{SealedTokens, Writer, retrying},
};

/// A login that was begun.
#[derive(Debug)]
pub struct Begun {
    /// The page to open in a browser.
    pub url: String,
    /// The account that must log in there.
    pub account: String,
    /// Until when.
    pub expires: Timestamp,
}

/// Begins a login.
///
/// # Errors
/// See `AgentService.BeginLogin`.
pub async fn begin(ops: &Ops, caller: &Caller, source: &LoginSource, provider: &str, redirect_url: &str) -> Result<Begun> {
    let subject = Subject::find(&ops.store.tenant(&caller.tenant), Behalf::Caller(caller), source).await?;
    let account = subject.suggested()?.to_owned();
    let provider = subject.provider(ops, provider)?;
    let redirect_url = match redirect_url {
        "" => &ops.logins.callback_url,
        url if ops.logins.redirect_urls.iter().any(|allowed| allowed == url) => url,
        _ => {
            let text = "must be empty, or exactly one of the URLs that the operator allows (oauth.redirect_urls).";
            return Err(Error::invalid_field("redirect_url", text));
        }
    };
    let key = attempt::Key::new(ops, &caller.tenant);
    let nonce = attempt::nonce();
    let begun = Begin {
        redirect_url,
        usage: subject.usage,
        state: key.to_state(ops),
        nonce: &nonce,
        account: &account,
    };
    let (url, verifier) = provider.begin(begun).await.map_err(|fault| told(provider.name(), fault))?;
    let beginning = Beginning {
        id: key.id,
        source: subject.source,
        provider: provider.name(),
        redirect_url,
        secrets: Secrets {
            verifier: verifier.expose().clone(),
            nonce,
            reach: Reach::of(caller),
        },
    };
    let attempt = attempt::remember(ops, caller, beginning).await?;
    Ok(Begun {
        url: url.into(),
        account,
        expires: attempt.expires,
    })
}

/// Completes a login that came back to the front end, for the user who began it. It runs to its end also when the caller goes away.
///
/// # Errors
/// See `AgentService.CompleteLogin`.
pub async fn complete(ops: &Ops, caller: &Caller, state: &str, answered: Answered) -> Result<AuthenticationView> {
    let key = attempt::Key::of_state(ops, state)?;
    let attempted = attempt::take(ops, Completer::Caller(caller), &key).await?;
    finish(ops, attempted, answered, None).await
}

/// Brings an attempt that was taken to its end. `shown` is what a person was asked about, and agreed to.
///
/// # Errors
/// As [`complete`].
pub(super) async fn finish(ops: &Ops, attempted: Attempted, answered: Answered, shown: Option<About>) -> Result<AuthenticationView> {
    let work = {
        let ops = ops.clone();
        async move {
            match (&attempted.attempt.source, answered) {
                (_, Answered::Error(error, words)) => Err(refused(&attempted, &error, &words)),
                (LoginSource::AdminConsent(domain), Answered::Consent) => consent::complete(&ops, &attempted, domain).await,
                (LoginSource::AdminConsent(_), Answered::Code(_)) | (_, Answered::Consent) => Err(attempt::invalid()),
                (_, Answered::Code(code)) => redeem(&ops, &attempted, &code, shown.as_ref()).await,
            }
        }
    };
    tokens::detached(ops, work).await
}

/// The provider, or the person there, declined.
fn refused(attempted: &Attempted, error: &str, words: &str) -> Error {
    let provider = &attempted.attempt.provider;
    let what = match error {
        "access_denied" => format!("The login at {provider} was declined."),
        _ => format!("{provider} rejected the login."),
    };
    let reply = crate::idp::oauth::words(error, words);
    let text = format!("{what} Nothing was stored; begin again to retry. Its reply: {reply}");
    Error::new(Kind::Precondition, Reason::LoginRefused, text)
        .with(Detail::Provider, provider)
        .with(Detail::ProviderReply, reply)
}

async fn redeem(ops: &Ops, attempted: &Attempted, code: &Secret, shown: Option<&About>) -> Result<AuthenticationView> {
    let attempt = &attempted.attempt;
    let reader = ops.store.tenant(&attempted.tenant);
    let subject = Subject::find(&reader, Behalf::Attempt(attempted.secrets.reach), &attempt.source).await?;
    let provider = subject.provider(ops, &attempt.provider)?;
    confirm::unchanged(&reader, attempted, shown).await?;
    let verifier = Secret::new(attempted.secrets.verifier.clone());
    let redeem = Redeem {
        code,
        verifier: &verifier,
        redirect_url: &attempt.redirect_url,
        usage: subject.usage,
    };
    let fault = |fault| told(provider.name(), fault);
    let got = provider.redeem(redeem, ops.now()).await.map_err(fault)?;
    let missing = provider.missing_scopes(subject.usage, &got);
    if !missing.is_empty() {
        return Err(scopes_missing(provider.name(), &missing));
    }
    let wanted: Vec<&str> = subject.accounts.iter().map(String::as_str).collect();
    let names = provider
        .account(&got, subject.usage, &attempted.secrets.nonce, &wanted, ops.now())
        .await
        .map_err(fault)?;
    let account = subject.accepted(&names)?.to_owned();
    let login = new_login(
        ops,
        attempt.source.clone(),
        subject.usage,
        (&provider, &attempt.user),
        account,
        &got,
    );
    let sealed = tokens::seal(ops, &attempted.tenant, &login.id, &got).await?;
    store(ops, attempted, shown, (&login, &sealed)).await?;
    ops.agents_changed.notify_one();
    Ok(view_of(ops, login.source.clone(), login.usage, Some(login)))
}

fn scopes_missing(provider: &str, missing: &[String]) -> Error {
    let missing = missing.join(" ");
    let text = format!(
        "{provider} did not grant all required permissions, so nothing was stored. Missing: {missing}. Begin again and accept all of them, \
         or have an administrator allow them."
    );
    Error::new(Kind::Precondition, Reason::LoginScopesMissing, text).with(Detail::Missing, missing)
}

/// A login with these tokens, as of now.
pub(super) fn new_login(
    ops: &Ops,
    source: LoginSource,
    usage: LoginUse,
    (provider, user): (&LoginProvider, &str),
    account: String,
    got: &Tokens,
) -> Login {
    let now = ops.now();
    let life = got.refresh_expires_in.unwrap_or(provider.settings().lifetime);
    let access_expires = now.after(got.expires_in);
    Login {
        id: ops.ids.next(),
        expires: (!matches!(source, LoginSource::AdminConsent(_))).then(|| now.after(life)),
        source,
        usage,
        provider: provider.name().to_owned(),
        account,
        user: user.to_owned(),
        state: LoginState::Active,
        problem: String::new(),
        provider_reply: String::new(),
        made: now,
        renewed: now,
        warned: None,
        access_expires: Some(access_expires),
        renew_at: tokens::renew_at(got.expires_in, access_expires),
        failures: 0,
        failing: None,
        version: 1,
    }
}

/// Writes a login down, if what it is for still wants it.
async fn store(ops: &Ops, attempted: &Attempted, shown: Option<&About>, (login, sealed): (&Login, &SealedTokens)) -> Result<()> {
    let by = attempted.beginner();
    retrying(|| async {
        let mut writer = ops.store.begin_alone(&attempted.tenant).await?;
        let subject = Subject::find(&writer, Behalf::Attempt(attempted.secrets.reach), &login.source).await?;
        subject.accepted(std::slice::from_ref(&login.account))?;
        subject.provider(ops, &login.provider)?;
        confirm::unchanged(&writer, attempted, shown).await?;
        let before = writer.login(&login.source).await?;
        writer.put_login(login, sealed.clone()).await?;
        if let LoginSource::MaintenanceAccount(id) = &login.source
            && let Some(account) = writer.maintenance_account(id).await?
        {
            // What the server refused before was another login.
            writer.set_maintenance_problem(id, account.version, "").await?;
        }
        let choices = writer.settings().await?.choices;
        reassess(ops, &mut writer, &login.source, &choices).await?;
        let change = Change::made(before.as_ref(), login, attempted.confirmed);
        change.record(ops, &mut writer, &by).await?;
        append(ops, &mut writer, TokenEventKind::Renewed, login).await?;
        writer.commit().await
    })
    .await?;
    ops.logins_changed.notify_one();
    Ok(())
}

/// Who logged in in whose place, for the audit log.
pub(super) struct Change<'a> {
    before: Option<&'a Login>,
    after: Option<&'a Login>,
    confirmed: String,
}

impl<'a> Change<'a> {
    /// Somebody logged in.
    pub(super) fn made(before: Option<&'a Login>, after: &'a Login, confirmed: Confirmed) -> Self {
        Self {
            before,
            after: Some(after),
            confirmed: match confirmed {
                Confirmed::FrontEnd => format!("users/{} in the CRM, logged in as {}", after.user, after.account),
                Confirmed::Button => format!("whoever logged in as {}, with the button on the service's page", after.account),
            },
        }
    }

    /// A login was given up.
    pub(super) fn ended(before: &'a Login) -> Self {
        Self {
            before: Some(before),
            after: None,
            confirmed: String::new(),
        }
    }

    /// Writes it down.
    pub(super) async fn record(&self, ops: &Ops, writer: &mut Writer, by: &Caller) -> Result<()> {
        let Some(source) = self.after.or(self.before).map(|login| login.source.to_string()) else {
            return Ok(());
        };
        // A renewed login of the same account is an event too.
        let text = |login: Option<&Login>| {
            let text = login.map(|login| format!("{} at {} since {}", login.account, login.provider, login.made));
            text.unwrap_or_default()
        };
        let changes = Changes::default()
            .value("authentication", text(self.before), text(self.after))
            .value("authentication.confirmed_by", "", self.confirmed.as_str());
        changes.record(ops, writer, by, AuditAction::Updated, source).await
    }
}

/// Gives a login up: its tokens are wiped, and the provider is told, where it takes that. Returns whether it is.
///
/// # Errors
/// See `AgentService.RevokeLogin`.
pub async fn revoke(ops: &Ops, caller: &Caller, source: &LoginSource) -> Result<bool> {
    let told = retrying(|| async {
        let mut writer = ops.store.begin_alone(&caller.tenant).await?;
        Subject::find(&writer, Behalf::Caller(caller), source).await?;
        let Some((login, told)) = give_up(ops, &mut writer, source).await? else {
            return Ok(false);
        };
        let choices = writer.settings().await?.choices;
        reassess(ops, &mut writer, source, &choices).await?;
        Change::ended(&login).record(ops, &mut writer, caller).await?;
        append(ops, &mut writer, TokenEventKind::LoginRevoked, &login).await?;
        writer.commit().await?;
        Ok(told)
    })
    .await?;
    ops.agents_changed.notify_one();
    ops.logins_changed.notify_one();
    Ok(told)
}

/// Removes a login with its tokens, and remembers what the provider is to be told. Returns what it was, and whether the provider will be told.
async fn give_up(ops: &Ops, writer: &mut Writer, source: &LoginSource) -> Result<Option<(Login, bool)>> {
    let Some((login, sealed)) = writer.take_login(source).await? else {
        return Ok(None);
    };
    // Some providers have one grant for all logins of an account here, which would end with it (RFC 7009 §2.1 lets them): also those of other
    // tenants, as they all see one application. Then only our copy is wiped.
    let shared = writer.account_is_logged_in(&login.provider, &login.account).await?;
    let takes_it = ops
        .logins
        .providers
        .get(&login.provider)
        .is_some_and(|provider| provider.may_know_revocation());
    let told = match sealed.refresh {
        Some(token) if !shared && takes_it => {
            writer.insert_revocation(&login, token, ops.now()).await?;
            true
        }
        _ => false,
    };
    Ok(Some((login, told)))
}

/// Ends a login because what it was for is gone or another now: as [`revoke`], but within the transaction that changes that.
pub(in crate::ops) async fn end(ops: &Ops, writer: &mut Writer, caller: &Caller, source: &LoginSource) -> Result<()> {
    if let Some((login, _)) = give_up(ops, writer, source).await? {
        Change::ended(&login).record(ops, writer, caller).await?;
        append(ops, writer, TokenEventKind::LoginRevoked, &login).await?;
    }
    Ok(())
}

/// The longest that what is told to a provider is tried.
pub(super) const REVOCATION_LIFE: Duration = Duration::from_hours(7 * 24);
