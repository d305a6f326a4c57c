//! A person's login: begun by a caller, completed in a browser or by the front end, given up.

use super::{
    Ops, append,
    attempt::{self, CallbackResult, Completer, NewAttempt, Secrets},
    change::Change,
    completion::finish,
    reassess,
    subject::{AllowedAccounts, Requester, Subject},
    told,
    view::AuthenticationView,
};
use crate::{
    domain::{Caller, Error, Login, LoginSource, Result, Timestamp, TokenEventKind},
    idp::oauth::LoginRequest,
    store::{Writer, retrying},
};

/// A login that was begun.
#[derive(Debug)]
pub struct StartedLogin {
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
pub async fn begin(ops: &Ops, caller: &Caller, source: &LoginSource, provider: &str, redirect_url: &str) -> Result<StartedLogin> {
    let subject = Subject::find(&ops.store.tenant(&caller.tenant), Requester::Caller(caller), source).await?;
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
    let begun = LoginRequest {
        redirect_url,
        usage: subject.usage,
        state: key.to_state(ops),
        nonce: &nonce,
        account: &account,
    };
    let (url, verifier) = provider.begin(begun).await.map_err(|fault| told(provider.name(), fault))?;
    let beginning = NewAttempt {
        id: key.id,
        source: subject.source,
        provider: provider.name(),
        redirect_url,
        secrets: Secrets {
            verifier: verifier.expose().clone(),
            nonce,
            reach: AllowedAccounts::of(caller),
        },
    };
    let attempt = attempt::remember(ops, caller, beginning).await?;
    Ok(StartedLogin {
        url: url.into(),
        account,
        expires: attempt.expires,
    })
}

/// Completes a login that came back to the front end, for the user who began it. It runs to its end also when the caller goes away.
///
/// # Errors
/// See `AgentService.CompleteLogin`.
pub async fn complete(ops: &Ops, caller: &Caller, state: &str, answered: CallbackResult) -> Result<AuthenticationView> {
    let key = attempt::Key::of_state(ops, state)?;
    let attempted = attempt::take(ops, Completer::Caller(caller), &key).await?;
    finish(ops, attempted, answered, None).await
}

/// Gives a login up: its tokens are wiped, and the provider is notified, where it accepts that. Returns whether it is.
///
/// # Errors
/// See `AgentService.RevokeLogin`.
pub async fn revoke(ops: &Ops, caller: &Caller, source: &LoginSource) -> Result<bool> {
    let notified = retrying(|| async {
        let mut writer = ops.store.begin_alone(&caller.tenant).await?;
        Subject::find(&writer, Requester::Caller(caller), source).await?;
        let Some((login, notified)) = give_up(ops, &mut writer, source).await? else {
            return Ok(false);
        };
        let choices = writer.settings().await?.choices;
        reassess(ops, &mut writer, source, &choices).await?;
        Change::ended(&login).record(ops, &mut writer, caller).await?;
        append(ops, &mut writer, TokenEventKind::LoginRevoked, &login).await?;
        writer.commit().await?;
        Ok(notified)
    })
    .await?;
    ops.agents_changed.notify_one();
    ops.logins_changed.notify_one();
    Ok(notified)
}

/// Removes a login with its tokens, and remembers what the provider is to be notified of. Returns what it was, and whether the provider will
/// be notified.
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
    let notified = match sealed.refresh {
        Some(token) if !shared && takes_it => {
            writer.insert_revocation(&login, token, ops.now()).await?;
            true
        }
        _ => false,
    };
    Ok(Some((login, notified)))
}

/// Ends a login because what it was for is gone or another now: as [`revoke`], but within the transaction that changes that.
pub(in crate::ops) async fn end(ops: &Ops, writer: &mut Writer, caller: &Caller, source: &LoginSource) -> Result<()> {
    if let Some((login, _)) = give_up(ops, writer, source).await? {
        Change::ended(&login).record(ops, writer, caller).await?;
        append(ops, writer, TokenEventKind::LoginRevoked, &login).await?;
    }
    Ok(())
}
