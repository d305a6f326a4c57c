//! What is reported of logins as their time goes by: that they end soon, that they ended, and the same of the operator's secrets. Each is
//! reported once, whatever restarts and replicas there are: what was reported is written down in the transaction that reports it.

use std::time::Duration;

use futures::Stream;

use super::{Ops, append, reassess, tokens};
use crate::{
    domain::{
        Caller, EventKind, LoginSource, LoginState, Result, Scope, TenantId, Timestamp, TokenEvent, TokenEventKind, TokenFilter, UserId,
        error_chain, passed, topic,
    },
    idp::oauth::LoginProvider,
    ops::watch::{Cursors, Followed, follow_events},
    store::{Revocation, retrying},
};

/// Thresholds of a secret count for one that lives so long.
const SECRET_LIFE: Duration = Duration::from_hours(365 * 24);
/// How long notifying a provider is attempted.
const REVOCATION_LIFE: Duration = Duration::from_hours(7 * 24);

/// An event, as subscribers get it.
#[derive(Clone, Debug)]
pub struct LoginEvent {
    /// The same at every delivery.
    pub id: String,
    /// When it was committed.
    pub time: Timestamp,
    /// What happened.
    pub event: TokenEvent,
}

/// Follows what happens to logins. Without `agent.write`, to those of the caller's own agents.
///
/// # Errors
/// See `AgentService.WatchTokens`.
pub async fn watch(
    ops: &Ops,
    caller: &Caller,
    cursors: Cursors,
    cursor: &str,
    filter: TokenFilter,
) -> Result<impl Stream<Item = Result<Followed<LoginEvent>>> + Send + 'static> {
    caller.need_any(topic::TOKENS.scopes)?;
    let owner = (!caller.may(Scope::AgentWrite)).then(|| caller.user.clone());
    let pick = move |id, time, what| {
        let EventKind::Token(event) = what else { return None };
        let passes = owner.as_ref().is_none_or(|owner| event.owner_user == *owner)
            && filter.source.as_ref().is_none_or(|source| event.source == *source)
            && (filter.kinds.is_empty() || filter.kinds.contains(&event.kind));
        passes.then_some(LoginEvent { id, time, event: *event })
    };
    follow_events(ops, &topic::TOKENS, &caller.tenant, (cursors, cursor), pick).await
}

/// Reports what is due of a login by now: that a threshold was passed, or that its time is over.
pub async fn notify(ops: &Ops, tenant: &TenantId, source: &LoginSource) -> Result<()> {
    retrying(|| async {
        let mut writer = ops.store.begin_alone(tenant).await?;
        let Some(mut login) = writer.login(source).await? else {
            return Ok(());
        };
        let now = ops.now();
        let Some(expires) = login.expires.filter(|_| login.state == LoginState::Active) else {
            return Ok(());
        };
        if expires <= now {
            login.state = LoginState::Expired;
            login.problem = format!("The login of {} at {} has expired. Log in again.", login.account, login.provider);
            writer.update_login(&login).await?;
            let choices = writer.settings().await?.choices;
            reassess(ops, &mut writer, source, &choices).await?;
            append(ops, &mut writer, TokenEventKind::Expired, &login).await?;
        } else if let Some(threshold) = login.passed(now) {
            login.warned = Some(threshold);
            writer.update_login(&login).await?;
            append(ops, &mut writer, TokenEventKind::Expiring, &login).await?;
        }
        writer.commit().await
    })
    .await
}

/// Tells the tenants that have logins with a provider that the operator's secret for it ends soon, and the operator in the log.
pub async fn notify_of_secret(ops: &Ops, provider: &LoginProvider) -> Result<()> {
    let Some(expires) = provider.settings().proof_expires else {
        return Ok(());
    };
    if passed(SECRET_LIFE, expires.since(ops.now()), None).is_none() {
        return Ok(());
    }
    for tenant in ops.store.tenants_of_provider(provider.name()).await? {
        retrying(|| tell_tenant_of_secret(ops, &tenant, provider.name(), expires)).await?;
    }
    Ok(())
}

async fn tell_tenant_of_secret(ops: &Ops, tenant: &TenantId, provider: &str, expires: Timestamp) -> Result<()> {
    let mut writer = ops.store.begin_alone(tenant).await?;
    let reported = writer.secret_warning(provider, expires).await?;
    let Some(threshold) = passed(SECRET_LIFE, expires.since(ops.now()), reported) else {
        return Ok(());
    };
    writer.set_secret_warning(provider, expires, threshold).await?;
    let event = TokenEvent {
        kind: TokenEventKind::SecretExpiring,
        source: format!("providers/{provider}"),
        owner_user: UserId::default(),
        account: String::new(),
        provider: provider.to_owned(),
        expires: Some(expires),
        threshold: Some(threshold),
        problem: format!(
            "This service's own secret or certificate at {provider} expires at {expires}. Have the operator create a new one; otherwise no \
             login there can be renewed."
        ),
        provider_reply: String::new(),
    };
    tracing::warn!(tenant = tenant.as_str(), provider, %expires, "the secret of a login provider expires soon");
    let event = EventKind::Token(Box::new(event));
    writer.append_events(vec![(ops.ids.next(), event)], ops.now()).await?;
    writer.commit().await
}

/// Tells a provider that a refresh token is no longer wanted. What fails is tried again later, for a week.
pub async fn notify_provider(ops: &Ops, revocation: &Revocation) -> Result<()> {
    let Some(provider) = ops.logins.providers.get(&revocation.provider) else {
        return ops.store.drop_revocation(revocation).await;
    };
    let token = match tokens::open_refresh(ops, &revocation.tenant, &revocation.id, &revocation.token).await {
        Ok(token) => token,
        Err(error) => {
            tracing::error!(
                error = error.chain(),
                "a refresh token that is to be revoked cannot be decrypted, discarding it"
            );
            return ops.store.drop_revocation(revocation).await;
        }
    };
    // Somebody may have logged in again since, or in another tenant: providers may keep one grant for all logins of an account here.
    let account = &revocation.account;
    if !account.is_empty() && ops.store.account_is_logged_in(&revocation.provider, account).await? {
        tracing::info!(
            tenant = revocation.tenant.as_str(),
            "a refresh token is not revoked, as its account is logged in again"
        );
        return ops.store.drop_revocation(revocation).await;
    }
    // Of several replicas that try at the same time, both tell the same.
    match provider.revoke(&token, ops.now()).await {
        Ok(_) => ops.store.drop_revocation(revocation).await,
        Err(fault) if ops.now() >= revocation.created.after(REVOCATION_LIFE) => {
            tracing::warn!(error = %error_chain(&fault), "a provider could not be notified of a revoked login, not trying again");
            ops.store.drop_revocation(revocation).await
        }
        Err(fault) => {
            tracing::warn!(error = %error_chain(&fault), "notifying a provider of a revoked login failed");
            let wait = tokens::pause(revocation.failures.saturating_add(1), fault.class);
            ops.store.put_off_revocation(revocation, ops.now().after(wait)).await
        }
    }
}
