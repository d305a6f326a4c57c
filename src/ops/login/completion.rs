//! The end of an attempt: its code is redeemed, the account judged, and the login stored with everything that follows from it.

use super::{
    Ops,
    about::{self, About},
    append,
    attempt::{self, CallbackResult, FoundAttempt},
    change::Change,
    consent, reassess,
    subject::{Requester, Subject},
    tokens::{self, Granted},
    told,
    view::{AuthenticationView, view_of},
};
use crate::{
    crypto::Secret,
    domain::{Detail, Error, Kind, Login, LoginSource, Reason, Result, TokenEventKind},
    idp::oauth::{CodeExchange, Identify},
    store::{SealedTokens, retrying},
};

/// Brings an attempt that was taken to its end. `shown` is what a person was asked about, and agreed to.
///
/// # Errors
/// See `AgentService.CompleteLogin`.
pub(super) async fn finish(
    ops: &Ops,
    attempted: FoundAttempt,
    answered: CallbackResult,
    shown: Option<About>,
) -> Result<AuthenticationView> {
    let work = {
        let ops = ops.clone();
        async move {
            match (&attempted.attempt.source, answered) {
                (_, CallbackResult::Error(error, words)) => Err(refused(&attempted, &error, &words)),
                (LoginSource::AdminConsent(domain), CallbackResult::Consent) => consent::complete(&ops, &attempted, domain).await,
                (LoginSource::AdminConsent(_), CallbackResult::Code(_)) | (_, CallbackResult::Consent) => Err(attempt::invalid()),
                (_, CallbackResult::Code(code)) => redeem(&ops, &attempted, &code, shown.as_ref()).await,
            }
        }
    };
    tokens::detached(ops, work).await
}

/// The provider, or the person there, declined.
fn refused(attempted: &FoundAttempt, error: &str, words: &str) -> Error {
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

async fn redeem(ops: &Ops, attempted: &FoundAttempt, code: &Secret, shown: Option<&About>) -> Result<AuthenticationView> {
    let attempt = &attempted.attempt;
    let reader = ops.store.tenant(&attempted.tenant);
    let subject = Subject::find(&reader, Requester::Attempt(attempted.secrets.reach), &attempt.source).await?;
    let provider = subject.provider(ops, &attempt.provider)?;
    about::unchanged(&reader, attempted, shown).await?;
    let verifier = Secret::new(attempted.secrets.verifier.clone());
    let redeem = CodeExchange {
        code,
        verifier: &verifier,
        redirect_url: &attempt.redirect_url,
    };
    let fault = |fault| told(provider.name(), fault);
    let got = provider.redeem(redeem, ops.now()).await.map_err(fault)?;
    let missing = provider.missing_scopes(subject.usage, &got);
    if !missing.is_empty() {
        return Err(scopes_missing(provider.name(), &missing));
    }
    let wanted: Vec<&str> = subject.accounts.iter().map(String::as_str).collect();
    let identify = Identify {
        usage: subject.usage,
        nonce: &attempted.secrets.nonce,
        accounts: &wanted,
    };
    let names = provider.account(&got, identify, ops.now()).await.map_err(fault)?;
    let granted = Granted {
        source: attempt.source.clone(),
        usage: subject.usage,
        provider: &provider,
        user: &attempt.user,
        account: subject.accepted(&names)?.to_owned(),
        tokens: &got,
    };
    let login = granted.into_login(ops);
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

/// Writes a login down, if what it is for still wants it.
async fn store(ops: &Ops, attempted: &FoundAttempt, shown: Option<&About>, (login, sealed): (&Login, &SealedTokens)) -> Result<()> {
    let by = attempted.beginner();
    retrying(|| async {
        let mut writer = ops.store.begin_alone(&attempted.tenant).await?;
        let subject = Subject::find(&writer, Requester::Attempt(attempted.secrets.reach), &login.source).await?;
        subject.accepted(std::slice::from_ref(&login.account))?;
        subject.provider(ops, &login.provider)?;
        about::unchanged(&writer, attempted, shown).await?;
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
