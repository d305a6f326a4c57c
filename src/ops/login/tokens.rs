//! Access tokens: the one of the moment, and its renewal.
//!
//! A renewal has four steps: the login's lease is taken, which only one of all replicas gets; the provider is asked; what it gave is stored, the
//! refresh token before anything is done with the access token; waiting callers read it from the database. It runs to its end even if nobody
//! waits any more. Killed before it asks, or after it stored, it loses nothing: the lease ends by itself and the next one goes on from what
//! is stored. Killed in between, what the provider gave is gone: the old refresh token is shown once more, which most providers take
//! (Microsoft keeps old ones good, others for a while). One that takes it for theft ends the login, and a person is told to log in.

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use super::{Ops, append, reassess};
use crate::{
    crypto::{Place, Secret},
    domain::{
        Backoff, Error, Kind, Login, LoginSource, LoginState, LoginUse, Result, TenantId, Timestamp, TokenEventKind, UserId, error_chain,
    },
    idp::oauth::{LoginProvider, Tokens},
    lifecycle::OnError,
    net::{ErrorClass, ProviderError},
    ops::ReadError,
    provider::AccessTokens,
    store::{LeaseKey, LeaseKind, LeaseTerms, SealedTokens, retrying},
};

/// An access token with less than this left is not used: requests take their time.
const LEAST_LEFT: Duration = Duration::from_millis(500);
/// An access token is renewed so long before its end, and up to half as long again earlier, so that many do not come at once. At most a fifth
/// of its life.
const EARLY: Duration = Duration::from_mins(5);
/// How often somebody looks who waits for another's renewal.
const LOOK: Duration = Duration::from_millis(50);
/// Rests after renewals that failed.
const RESTS: Backoff = Backoff {
    first: Duration::from_secs(5),
    longest: Duration::from_mins(15),
};
/// Access tokens that are remembered, to be taken out of what servers say.
const REMEMBERED: usize = 4;
/// How long a token is used before the database is asked for it again: a mailbox that is read makes hundreds of requests a second, and a login
/// that ends is noticed soon enough.
const FRESH: Duration = Duration::from_secs(1);

/// The access tokens of one login.
pub struct LoginTokens {
    ops: Ops,
    tenant: TenantId,
    source: LoginSource,
    // Held for a moment only, as the next one.
    given: Mutex<VecDeque<Secret>>,
    fresh: Mutex<Option<RecentToken>>,
}

/// A token that the database was asked for a moment ago.
#[derive(Clone)]
struct RecentToken {
    token: Secret,
    ends: Timestamp,
    since: tokio::time::Instant,
}

impl LoginTokens {
    /// The access tokens of whatever login there is for this source.
    pub fn new(ops: &Ops, tenant: &TenantId, source: LoginSource) -> Arc<Self> {
        Arc::new(Self {
            ops: ops.clone(),
            tenant: tenant.to_owned(),
            source,
            given: Mutex::default(),
            fresh: Mutex::default(),
        })
    }

    /// The token that was used a moment ago, if it is still good.
    fn fresh(&self) -> Option<Secret> {
        let fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let good = |fresh: &RecentToken| fresh.since.elapsed() < FRESH && fresh.ends > self.ops.now().after(LEAST_LEFT);
        fresh.filter(good).map(|fresh| fresh.token)
    }

    async fn get(&self, refused: Option<&Secret>) -> Result<Secret, ProviderError> {
        let since = tokio::time::Instant::now();
        let (token, ends) = access_until(&self.ops, &self.tenant, &self.source, refused)
            .await
            .map_err(|error| match error {
                ReadError::Provider(fault) => fault,
                ReadError::Service(error) => {
                    let text = "The service currently cannot read its own database. It retries automatically.";
                    ProviderError::new(ErrorClass::Retry { after: None }, text).because(error)
                }
            })?;
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if given.iter().all(|known| known.expose() != token.expose()) {
            given.truncate(REMEMBERED - 1);
            given.push_front(token.clone());
        }
        drop(given);
        let fresh = RecentToken {
            token: token.clone(),
            ends,
            since,
        };
        *self.fresh.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh);
        Ok(token)
    }
}

#[async_trait]
impl AccessTokens for LoginTokens {
    async fn current(&self) -> Result<Secret, ProviderError> {
        match self.fresh() {
            Some(token) => Ok(token),
            None => self.get(None).await,
        }
    }

    async fn instead_of(&self, refused: &Secret) -> Result<Secret, ProviderError> {
        self.get(Some(refused)).await
    }

    fn given(&self) -> Vec<Secret> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl fmt::Debug for LoginTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LoginTokens({})", self.source)
    }
}

/// The access token to use now, renewed if need be; not the one that a server refused. Cancel safe: a renewal goes on without its caller.
///
/// # Errors
/// [`ErrorClass::LoginRequired`] when somebody has to log in; other classes when the provider cannot give one now.
#[cfg(feature = "testing")]
pub async fn access(ops: &Ops, tenant: &TenantId, source: &LoginSource, refused: Option<&Secret>) -> Result<Secret, ReadError> {
    access_until(ops, tenant, source, refused).await.map(|(token, _)| token)
}

/// The same, with when it ends.
async fn access_until(
    ops: &Ops,
    tenant: &TenantId,
    source: &LoginSource,
    refused: Option<&Secret>,
) -> Result<(Secret, Timestamp), ReadError> {
    let deadline = tokio::time::Instant::now() + ops.logins.renewal_limit;
    let mut asked = false;
    loop {
        let found = ops.store.tenant(tenant).login_with_tokens(source).await?;
        let Some((login, sealed)) = found else {
            let text = "Nobody has logged in to this mailbox yet.";
            return Err(ProviderError::new(ErrorClass::LoginRequired, text).into());
        };
        if login.state != LoginState::Active {
            return Err(required(&login).into());
        }
        let now = ops.now();
        if let (Some(sealed), Some(ends)) = (&sealed.access, login.access_expires)
            && ends > now.after(LEAST_LEFT)
        {
            let token = ops.vault.open(&ops.store, tenant, place(&login.id, ACCESS), sealed).await?;
            // Who renewed it on request and got the same again has no other.
            if asked || refused.is_none_or(|refused| refused.expose() != token.expose()) {
                return Ok((token, ends));
            }
        }
        if let Some((_, problem)) = login.failing.as_ref().filter(|_| login.renew_at > now) {
            let after = Some(login.renew_at.since(now));
            return Err(ProviderError::new(ErrorClass::Retry { after }, problem.clone()).into());
        }
        if tokio::time::Instant::now() >= deadline {
            let text = format!("Renewing the access token of {source} takes too long. It is retried automatically.");
            return Err(ProviderError::new(ErrorClass::Retry { after: None }, text).into());
        }
        match renew(ops, tenant, login).await? {
            Renewal::Done => asked = true,
            // Another replica, or another task, is at it.
            Renewal::Busy => tokio::time::sleep(LOOK).await,
        }
    }
}

/// What came of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// It was tried; the login says how that went.
    Done,
    /// Somebody else is at it, or was faster.
    Busy,
}

/// Renews a login's access token, if nobody else is at it. Goes on to its end when it is dropped.
///
/// # Errors
/// The database's. A fault of the provider is recorded with the login.
pub async fn renew(ops: &Ops, tenant: &TenantId, login: Login) -> Result<Renewal> {
    let work = {
        let (ops, tenant) = (ops.clone(), tenant.to_owned());
        async move { renew_to_the_end(&ops, &tenant, &login).await }
    };
    detached(ops, work).await
}

/// Runs what must not end with its caller.
///
/// # Errors
/// The work's own; UNAVAILABLE when the service stops before its end.
pub(super) async fn detached<T: Send + 'static>(ops: &Ops, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    ops.lifecycle.spawn("login", OnError::Log, async move {
        // Nobody waits any more: what was done is in the database.
        let _ = sender.send(work.await);
        Ok::<(), std::convert::Infallible>(())
    });
    receiver.await.unwrap_or_else(|_| Err(Error::shutting_down()))
}

async fn renew_to_the_end(ops: &Ops, tenant: &TenantId, login: &Login) -> Result<Renewal> {
    let holder = ops.ids.next();
    let key = lease_of(tenant, login);
    let terms = LeaseTerms {
        holder: &holder,
        span: ops.logins.renewal_limit,
        grace: Duration::ZERO,
    };
    let Some(fence) = ops.store.take_lease(key, terms).await? else {
        return Ok(Renewal::Busy);
    };
    let renewal = LeasedRenewal { ops, tenant, login, fence };
    let renewed = renewal.run().await;
    // What fails here ends by itself.
    if let Err(error) = ops.store.release_lease(key, &holder).await {
        tracing::warn!(source = %login.source, error = error.chain(), "releasing the lease of a login failed");
    }
    renewed
}

/// What is leased to renew a login.
fn lease_of<'a>(tenant: &'a TenantId, login: &'a Login) -> LeaseKey<'a> {
    LeaseKey {
        kind: LeaseKind::Login,
        tenant: Some(tenant),
        id: &login.id,
    }
}

/// A renewal of a login under its lease.
#[derive(Clone, Copy)]
struct LeasedRenewal<'a> {
    ops: &'a Ops,
    tenant: &'a TenantId,
    login: &'a Login,
    fence: i64,
}

impl LeasedRenewal<'_> {
    async fn run(&self) -> Result<Renewal> {
        let Self { ops, tenant, login, .. } = *self;
        let now = ops.store.tenant(tenant).login(&login.source).await?;
        if !now.is_some_and(|now| now.is_unchanged_since(login)) {
            // Somebody was faster, whether the provider gave tokens, refused them or did not answer.
            return Ok(Renewal::Busy);
        }
        let now = ops.now();
        let began = tokio::time::Instant::now();
        let result = ask(ops, tenant, login).await;
        let fault = match &result {
            Ok(_) => None,
            Err(ReadError::Provider(fault)) => Some(fault.class.name()),
            Err(ReadError::Service(_)) => Some("service"),
        };
        ops.metrics.token_refreshed(fault, began.elapsed());
        match result {
            Ok((provider, got)) => {
                let gained = Renewed { tokens: &got, asked: now };
                self.store(&provider, gained).await?;
            }
            Err(ReadError::Provider(fault)) => {
                tracing::warn!(
                    source = %login.source,
                    error = %error_chain(&fault),
                    reply = fault.server_reply,
                    "renewing an access token failed"
                );
                note_fault(ops, tenant, login, &fault).await?;
            }
            Err(ReadError::Service(error)) => return Err(error),
        }
        Ok(Renewal::Done)
    }

    /// Stores what a renewal brought. What the provider gave may be the only refresh token that is still good, so a database that is away is
    /// waited for as long as the lease lasts.
    async fn store(&self, provider: &LoginProvider, gained: Renewed<'_>) -> Result<()> {
        let Self { ops, tenant, login, .. } = *self;
        let deadline = tokio::time::Instant::now() + ops.logins.renewal_limit;
        let sealed = loop {
            let stored = async {
                let sealed = seal(ops, tenant, &login.id, gained.tokens).await?;
                retrying(|| async { self.write(provider, gained, &sealed).await }).await
            };
            match stored.await {
                Ok(stored) => break stored,
                Err(error) if tokio::time::Instant::now() < deadline => {
                    tracing::error!(source = %login.source, error = error.chain(), "storing a renewed login failed, trying again");
                    tokio::time::sleep(Duration::from_millis(250)).await;
                }
                Err(error) => return Err(error),
            }
        };
        if !sealed {
            tracing::info!(source = %login.source, "a renewed login was replaced or revoked in the meantime");
        }
        Ok(())
    }

    /// Returns whether the login is still there as it was.
    async fn write(&self, provider: &LoginProvider, gained: Renewed<'_>, sealed: &SealedTokens) -> Result<bool> {
        let Self { ops, tenant, login, fence } = *self;
        let mut writer = ops.store.begin_alone(tenant).await?;
        match writer.check_lease(lease_of(tenant, login), fence).await {
            Ok(()) => {}
            // It took longer than the lease, and somebody else is at it.
            Err(error) if error.kind == Kind::Stale => return Ok(false),
            Err(error) => return Err(error),
        }
        // What was told of it meanwhile must stay told.
        let now = writer.login(&login.source).await?;
        let Some(mut login) = now.filter(|now| now.id == login.id && now.version == login.version) else {
            return Ok(false);
        };
        let warned = login.warned.is_some();
        let recovered = renewed(&mut login, provider, gained) && warned;
        login.version += 1;
        if !writer.renew_login(&login, sealed.clone()).await? {
            return Ok(false);
        }
        if recovered {
            append(ops, &mut writer, TokenEventKind::Renewed, &login).await?;
        }
        writer.commit().await?;
        Ok(true)
    }
}

/// Asks the provider for new tokens.
async fn ask(ops: &Ops, tenant: &TenantId, login: &Login) -> Result<(Arc<LoginProvider>, Tokens), ReadError> {
    let Some(provider) = ops.logins.providers.get(&login.provider) else {
        let text = format!(
            "The operator has removed the login provider {} from this service's settings. Have them restore it, or log in again.",
            login.provider
        );
        return Err(ProviderError::new(ErrorClass::Refused, text).into());
    };
    if matches!(login.source, LoginSource::AdminConsent(_)) {
        return Ok((provider.clone(), provider.application(&login.account, ops.now()).await?));
    }
    // Read now that nobody else renews it.
    let found = ops.store.tenant(tenant).login_with_tokens(&login.source).await?;
    let sealed = found.filter(|(now, _)| now.version == login.version && now.id == login.id);
    let sealed = sealed.and_then(|(_, sealed)| sealed.refresh);
    let sealed = sealed.ok_or_else(|| Error::stale(login.source.to_string()))?;
    let token = ops.vault.open(&ops.store, tenant, place(&login.id, REFRESH), &sealed).await?;
    Ok((provider.clone(), provider.refresh(&token, login.usage, ops.now()).await?))
}

/// What a renewal brought, and when it was asked for: from then on it lives.
#[derive(Clone, Copy)]
struct Renewed<'a> {
    tokens: &'a Tokens,
    asked: Timestamp,
}

/// Changes a login as new tokens say. Returns whether a new life began.
fn renewed(login: &mut Login, provider: &LoginProvider, gained: Renewed<'_>) -> bool {
    let Renewed { tokens: got, asked: now } = gained;
    let access_expires = now.after(got.expires_in);
    login.access_expires = Some(access_expires);
    login.renew_at = renew_at(got.expires_in, access_expires);
    login.failures = 0;
    login.failing = None;
    let settings = provider.settings();
    let life = match (got.refresh_expires_in, settings.sliding) {
        // What the provider says is so, also of a login that does not slide.
        (Some(life), _) => life,
        (None, true) => settings.lifetime,
        (None, false) => return false,
    };
    let Some(expires) = login.expires else { return false };
    let new_expires = now.after(life);
    if new_expires <= expires {
        return false;
    }
    login.expires = Some(new_expires);
    login.renewed = now;
    login.warned = None;
    true
}

/// Writes down why a renewal failed: the login is over, or it is tried again.
async fn note_fault(ops: &Ops, tenant: &TenantId, login: &Login, fault: &ProviderError) -> Result<()> {
    retrying(|| async {
        let mut writer = ops.store.begin_alone(tenant).await?;
        let now = writer.login(&login.source).await?;
        let Some(mut login) = now.filter(|now| now.is_unchanged_since(login)) else {
            return Ok(());
        };
        login.provider_reply.clone_from(&fault.server_reply);
        if fault.class != ErrorClass::LoginRequired {
            login.failures = login.failures.saturating_add(1);
            let since = login.failing.as_ref().map_or(ops.now(), |(since, _)| *since);
            login.failing = Some((since, fault.problem.clone()));
            login.renew_at = ops.now().after(pause(login.failures, fault.class));
            writer.update_login(&login).await?;
            return writer.commit().await;
        }
        login.state = LoginState::Required;
        login.problem.clone_from(&fault.problem);
        login.failing = None;
        writer.update_login(&login).await?;
        let choices = writer.settings().await?.choices;
        reassess(ops, &mut writer, &login.source, &choices).await?;
        let kind = match login.source {
            LoginSource::AdminConsent(_) => TokenEventKind::ConsentRevoked,
            LoginSource::Agent(_) | LoginSource::MaintenanceAccount(_) => TokenEventKind::LoginRequired,
        };
        append(ops, &mut writer, kind, &login).await?;
        writer.commit().await
    })
    .await
}

/// The rest after so many failures, or what the provider asks for.
pub(super) fn pause(failures: i32, class: ErrorClass) -> Duration {
    match class {
        ErrorClass::Retry { after: Some(after) } => RESTS.asked(after),
        _ => RESTS.after(failures.unsigned_abs()),
    }
}

/// When an access token of this life that ends then is to be renewed.
pub(super) fn renew_at(life: Duration, end: Timestamp) -> Timestamp {
    let early = EARLY.min(life / 5);
    end.before(early.mul_f64(1.0 + fastrand::f64() / 2.0))
}

/// What a provider granted.
pub(super) struct Granted<'a> {
    pub(super) source: LoginSource,
    pub(super) usage: LoginUse,
    pub(super) provider: &'a LoginProvider,
    /// The user who began the login.
    pub(super) user: &'a UserId,
    /// The account that logged in, or the directory that consented.
    pub(super) account: String,
    pub(super) tokens: &'a Tokens,
}

impl Granted<'_> {
    /// A login with its tokens, as of now.
    pub(super) fn into_login(self, ops: &Ops) -> Login {
        let (now, tokens) = (ops.now(), self.tokens);
        let life = tokens.refresh_expires_in.unwrap_or(self.provider.settings().lifetime);
        let access_expires = now.after(tokens.expires_in);
        Login {
            id: ops.ids.next(),
            expires: (!matches!(self.source, LoginSource::AdminConsent(_))).then(|| now.after(life)),
            source: self.source,
            usage: self.usage,
            provider: self.provider.name().to_owned(),
            account: self.account,
            user: self.user.to_owned(),
            state: LoginState::Active,
            problem: String::new(),
            provider_reply: String::new(),
            made: now,
            renewed: now,
            warned: None,
            access_expires: Some(access_expires),
            renew_at: renew_at(tokens.expires_in, access_expires),
            failures: 0,
            failing: None,
            version: 1,
        }
    }
}

/// Seals tokens for a login.
///
/// # Errors
/// When the tenant's key cannot be read or made.
pub(super) async fn seal(ops: &Ops, tenant: &TenantId, login: &str, got: &Tokens) -> Result<SealedTokens> {
    let refresh = match &got.refresh {
        Some(token) => Some(ops.vault.seal(&ops.store, tenant, place(login, REFRESH), token).await?),
        None => None,
    };
    Ok(SealedTokens {
        access: Some(ops.vault.seal(&ops.store, tenant, place(login, ACCESS), &got.access).await?),
        refresh,
    })
}

/// The refresh token of a login that was given up.
///
/// # Errors
/// When it cannot be opened.
pub(super) async fn open_refresh(ops: &Ops, tenant: &TenantId, login: &str, sealed: &[u8]) -> Result<Secret> {
    ops.vault.open(&ops.store, tenant, place(login, REFRESH), sealed).await
}

const ACCESS: &str = "access_sealed";
const REFRESH: &str = "refresh_sealed";

fn place<'a>(login: &'a str, column: &'static str) -> Place<'a> {
    Place {
        table: "login",
        row: login,
        column,
    }
}

/// Somebody has to log in.
fn required(login: &Login) -> ProviderError {
    ProviderError {
        server_reply: login.provider_reply.clone(),
        ..ProviderError::new(ErrorClass::LoginRequired, login.problem.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_renewed_early_but_not_all_the_time() {
        let end = Timestamp::from_seconds(1_000_000);
        let check = |life: u64, range: std::ops::RangeInclusive<f64>| {
            for _ in 0..100 {
                let early = end.since(renew_at(Duration::from_secs(life), end)).as_secs_f64();
                assert!(range.contains(&early), "{life}: {early}");
            }
        };
        check(3600, 300.0..=450.0);
        check(60, 12.0..=18.0);
        check(3, 0.6..=0.9);
    }

    #[test]
    fn pauses_grow_and_heed_the_provider() {
        let check = |failures, class, range: std::ops::RangeInclusive<f64>| {
            let pause = pause(failures, class).as_secs_f64();
            assert!(range.contains(&pause), "{failures} {class:?}: {pause}");
        };
        check(1, ErrorClass::Unreachable, 5.0..=6.25);
        check(3, ErrorClass::Refused, 20.0..=25.0);
        check(1000, ErrorClass::Unreachable, 900.0..=1125.0);
        let asked = |seconds| ErrorClass::Retry {
            after: Some(Duration::from_secs(seconds)),
        };
        check(1, asked(60), 60.0..=75.0);
        check(1, asked(100_000), 900.0..=1125.0);
    }
}
