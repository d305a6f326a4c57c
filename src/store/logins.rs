//! OAuth logins: the logins with their sealed tokens, login attempts, refresh tokens that are to be revoked.
//!
//! One refresher at a time: whoever renews a token takes the login's lease first (`leases.rs`), and the result is stored only while it holds that lease.

use std::time::Duration;

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set,
    sea_query::{Expr, ExprTrait, Func, OnConflict},
};

use super::{
    Cell, Store, TenantStore, Writer, corrupt,
    entity::{directory_claim, login, login_attempt, secret_warning, token_revocation},
    from_name, store_error, to_name,
};
use crate::domain::{Agent, AuthenticationMethod, Login, LoginSource, Result, TenantId, Timestamp, UserId};

/// The value of `renew_at` for a login whose tokens are not renewed.
const NEVER: i64 = i64::MAX;

/// A login's tokens, sealed.
#[derive(Clone, Debug, Default)]
pub struct SealedTokens {
    /// The refresh token. `None` for an admin consent.
    pub refresh: Option<Vec<u8>>,
    /// The access token.
    pub access: Option<Vec<u8>>,
}

/// A login or consent that was begun.
#[derive(Clone, Debug)]
pub struct LoginAttempt {
    /// A ULID.
    pub id: String,
    /// CRM's id of the user who began it.
    pub user: UserId,
    /// What is logged in to.
    pub source: LoginSource,
    /// Name of the provider.
    pub provider: String,
    /// Where the provider redirects the browser.
    pub redirect_url: String,
    /// The data that completes it, sealed.
    pub secrets: Vec<u8>,
    /// Until when.
    pub expires: Timestamp,
}

/// A refresh token that is to be revoked at the provider.
#[derive(Clone, Debug)]
pub struct Revocation {
    /// The tenant that had it.
    pub tenant: TenantId,
    /// The id of the login that it was for.
    pub id: String,
    /// Name of the provider.
    pub provider: String,
    /// The account that had logged in. Empty for one that was revoked under an earlier release.
    pub account: String,
    /// The token, sealed for the login.
    pub token: Vec<u8>,
    /// When the login was revoked.
    pub created: Timestamp,
    /// Failed attempts.
    pub failures: i32,
}

impl<C: ConnectionTrait> TenantStore<C> {
    /// Finds a login.
    pub async fn login(&self, source: &LoginSource) -> Result<Option<Login>> {
        Ok(self.login_with_tokens(source).await?.map(|(login, _)| login))
    }

    /// Finds a login with its tokens, both as they were at one time.
    pub async fn login_with_tokens(&self, source: &LoginSource) -> Result<Option<(Login, SealedTokens)>> {
        let row = login::Entity::find_by_id((self.tenant.to_string(), source.to_string()))
            .one(&self.conn)
            .await
            .map_err(store_error)?;
        row.map(to_login).transpose()
    }

    /// The login that opens an agent's mailbox. `None` when none is used, or nobody has logged in.
    pub async fn login_of(&self, agent: &Agent, method: AuthenticationMethod) -> Result<Option<Login>> {
        match LoginSource::of(agent, method) {
            Some(source) => self.login(&source).await,
            None => Ok(None),
        }
    }

    /// Finds logins, in no order.
    pub async fn logins(&self, sources: &[LoginSource]) -> Result<Vec<Login>> {
        if sources.is_empty() {
            return Ok(Vec::new());
        }
        let rows = login::Entity::find()
            .filter(login::Column::TenantId.eq(self.tenant.as_str()))
            .filter(login::Column::Source.is_in(sources.iter().map(ToString::to_string)))
            .all(&self.conn)
            .await
            .map_err(store_error)?;
        rows.into_iter().map(|row| Ok(to_login(row)?.0)).collect()
    }

    /// Lists admin consents after this domain, by domain.
    pub async fn admin_consents(&self, after: &str, limit: u64) -> Result<Vec<Login>> {
        let prefix = LoginSource::AdminConsent(String::new()).to_string();
        let rows = login::Entity::find()
            .filter(login::Column::TenantId.eq(self.tenant.as_str()))
            .filter(login::Column::Source.starts_with(&prefix))
            .filter(login::Column::Source.gt(format!("{prefix}{after}")))
            .order_by_asc(login::Column::Source)
            .limit(limit)
            .all(&self.conn)
            .await
            .map_err(store_error)?;
        rows.into_iter().map(|row| Ok(to_login(row)?.0)).collect()
    }

    /// Finds a login attempt without consuming it.
    pub async fn attempt(&self, id: &str) -> Result<Option<LoginAttempt>> {
        let row = login_attempt::Entity::find_by_id((self.tenant.to_string(), id.to_owned()))
            .one(&self.conn)
            .await
            .map_err(store_error)?;
        row.map(to_attempt).transpose()
    }

    /// The lowest threshold that was reported to the tenant for a provider's secret that expires then.
    pub async fn secret_warning(&self, provider: &str, expires: Timestamp) -> Result<Option<Duration>> {
        let row = secret_warning::Entity::find_by_id((self.tenant.to_string(), provider.to_owned()))
            .one(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(row
            .filter(|row| row.expire_time == expires.0)
            .map(|row| seconds(row.warned_seconds)))
    }
}

impl Writer {
    /// Writes a new login, replacing the previous one.
    pub async fn put_login(&mut self, login: &Login, tokens: SealedTokens) -> Result<()> {
        self.remove_login(&login.source).await?;
        let row = login::ActiveModel {
            tenant_id: Set(self.tenant.to_string()),
            source: Set(login.source.to_string()),
            id: Set(login.id.clone()),
            usage: Set(to_name(&login.usage)),
            provider: Set(login.provider.clone()),
            account: Set(login.account.clone()),
            user_id: Set(login.user.to_string()),
            made_time: Set(login.made.0),
            refresh_sealed: Set(tokens.refresh),
            access_sealed: Set(tokens.access),
            ..columns(login)
        };
        login::Entity::insert(row)
            .exec_without_returning(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(())
    }

    /// Writes the state of a login without its tokens, if it is still this one and its tokens have not changed. Returns whether it did.
    pub async fn update_login(&mut self, login: &Login) -> Result<bool> {
        let result = login::Entity::update_many()
            .set(columns(login))
            .filter(login::Column::TenantId.eq(self.tenant.as_str()))
            .filter(login::Column::Source.eq(login.source.to_string()))
            .filter(login::Column::Id.eq(&login.id))
            .filter(login::Column::Version.eq(login.version))
            .exec(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(result.rows_affected == 1)
    }

    /// Writes a login with new tokens, if it is still this login, `login.version - 1`. A refresh token that is `None` stays as it is. Returns
    /// whether it did. Only for the holder of the login's lease, see [`Writer::check_lease`].
    pub async fn renew_login(&mut self, login: &Login, tokens: SealedTokens) -> Result<bool> {
        let mut row = columns(login);
        row.access_sealed = Set(tokens.access);
        if let Some(refresh) = tokens.refresh {
            row.refresh_sealed = Set(Some(refresh));
        }
        let result = login::Entity::update_many()
            .set(row)
            .filter(login::Column::TenantId.eq(self.tenant.as_str()))
            .filter(login::Column::Source.eq(login.source.to_string()))
            .filter(login::Column::Id.eq(&login.id))
            .filter(login::Column::Version.eq(login.version - 1))
            .exec(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(result.rows_affected == 1)
    }

    /// Removes a login and its tokens. Returns what it was.
    pub async fn take_login(&mut self, source: &LoginSource) -> Result<Option<(Login, SealedTokens)>> {
        let taken = self.login_with_tokens(source).await?;
        if taken.is_some() {
            self.remove_login(source).await?;
        }
        Ok(taken)
    }

    async fn remove_login(&mut self, source: &LoginSource) -> Result<()> {
        login::Entity::delete_by_id((self.tenant.to_string(), source.to_string()))
            .exec(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(())
    }

    /// Stores an attempt, replacing earlier ones for the same source by the same user.
    pub async fn put_attempt(&mut self, attempt: &LoginAttempt) -> Result<()> {
        use login_attempt::Column;
        login_attempt::Entity::delete_many()
            .filter(Column::TenantId.eq(self.tenant.as_str()))
            .filter(Column::Source.eq(attempt.source.to_string()))
            .filter(Column::UserId.eq(attempt.user.as_str()))
            .exec(&self.conn)
            .await
            .map_err(store_error)?;
        let row = login_attempt::ActiveModel {
            tenant_id: Set(self.tenant.to_string()),
            id: Set(attempt.id.clone()),
            user_id: Set(attempt.user.to_string()),
            source: Set(attempt.source.to_string()),
            provider: Set(attempt.provider.clone()),
            redirect_url: Set(attempt.redirect_url.clone()),
            secrets_sealed: Set(attempt.secrets.clone()),
            expire_time: Set(attempt.expires.0),
        };
        login_attempt::Entity::insert(row)
            .exec_without_returning(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(())
    }

    /// Consumes an attempt: only one of several calls gets it. `None` when there is none with this id.
    pub async fn take_attempt(&mut self, id: &str) -> Result<Option<LoginAttempt>> {
        let key = (self.tenant.to_string(), id.to_owned());
        let row = login_attempt::Entity::find_by_id(key.clone())
            .one(&self.conn)
            .await
            .map_err(store_error)?;
        let Some(row) = row else { return Ok(None) };
        let deleted = login_attempt::Entity::delete_by_id(key)
            .exec(&self.conn)
            .await
            .map_err(store_error)?;
        if deleted.rows_affected == 0 {
            return Ok(None);
        }
        Ok(Some(to_attempt(row)?))
    }

    /// As [`Store::account_is_logged_in`], with what this transaction wrote.
    pub async fn account_is_logged_in(&self, provider: &str, account: &str) -> Result<bool> {
        has_login(&self.conn, provider, account).await
    }

    /// Records that the provider is to be notified of a revoked login.
    pub async fn insert_revocation(&mut self, login: &Login, token: Vec<u8>, now: Timestamp) -> Result<()> {
        let row = token_revocation::ActiveModel {
            tenant_id: Set(self.tenant.to_string()),
            id: Set(login.id.clone()),
            provider: Set(login.provider.clone()),
            account: Set(login.account.clone()),
            token_sealed: Set(token),
            create_time: Set(now.0),
            retry_at: Set(now.0),
            failures: Set(0),
        };
        token_revocation::Entity::insert(row)
            .exec_without_returning(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(())
    }

    /// Claims a directory of a provider for the tenant. Returns false when it is another's.
    pub async fn claim_directory(&mut self, provider: &str, directory: &str, now: Timestamp) -> Result<bool> {
        let row = directory_claim::ActiveModel {
            provider: Set(provider.to_owned()),
            directory: Set(directory.to_owned()),
            tenant_id: Set(self.tenant.to_string()),
            create_time: Set(now.0),
        };
        let key = [directory_claim::Column::Provider, directory_claim::Column::Directory];
        directory_claim::Entity::insert_many([row])
            .on_conflict(OnConflict::columns(key).do_nothing().to_owned())
            .exec_without_returning(&self.conn)
            .await
            .map_err(store_error)?;
        let row = directory_claim::Entity::find_by_id((provider.to_owned(), directory.to_owned()))
            .one(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(row.is_some_and(|row| self.tenant == *row.tenant_id))
    }

    /// Records the lowest threshold that was reported to the tenant for a provider's secret that expires then.
    pub async fn set_secret_warning(&mut self, provider: &str, expires: Timestamp, told: Duration) -> Result<()> {
        use secret_warning::Column;
        let row = secret_warning::ActiveModel {
            tenant_id: Set(self.tenant.to_string()),
            provider: Set(provider.to_owned()),
            expire_time: Set(expires.0),
            warned_seconds: Set(whole_seconds(told)),
        };
        let replace = OnConflict::columns([Column::TenantId, Column::Provider])
            .update_columns([Column::ExpireTime, Column::WarnedSeconds])
            .to_owned();
        secret_warning::Entity::insert_many([row])
            .on_conflict(replace)
            .exec_without_returning(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(())
    }
}

/// Logins of all tenants, for the job that maintains them.
impl Store {
    /// Logins of all tenants whose tokens are due to be renewed, those that have waited longest first.
    pub async fn logins_to_renew(&self, now: Timestamp, limit: u64) -> Result<Vec<(TenantId, Login)>> {
        let rows = login::Entity::find()
            .filter(login::Column::RenewAt.lte(now.0))
            .order_by_asc(login::Column::RenewAt)
            .limit(limit)
            .all(&self.inner.read)
            .await
            .map_err(store_error)?;
        Ok(readable(rows))
    }

    /// Logins of all tenants with due events.
    pub async fn logins_to_tell(&self, now: Timestamp, limit: u64) -> Result<Vec<(TenantId, Login)>> {
        let rows = login::Entity::find()
            .filter(login::Column::WarnAt.lte(now.0))
            .order_by_asc(login::Column::WarnAt)
            .limit(limit)
            .all(&self.inner.read)
            .await
            .map_err(store_error)?;
        Ok(readable(rows))
    }

    /// Tenants that have logins with a provider.
    pub async fn tenants_of_provider(&self, provider: &str) -> Result<Vec<TenantId>> {
        let tenants: Vec<String> = login::Entity::find()
            .select_only()
            .column(login::Column::TenantId)
            .distinct()
            .filter(login::Column::Provider.eq(provider))
            .into_tuple()
            .all(&self.inner.read)
            .await
            .map_err(store_error)?;
        Ok(tenants.into_iter().map(TenantId::from).collect())
    }

    /// Whether there is a login of this account at this provider, of whichever tenant.
    pub async fn account_is_logged_in(&self, provider: &str, account: &str) -> Result<bool> {
        has_login(&self.inner.read, provider, account).await
    }

    /// Refresh tokens of all tenants that are to be revoked now.
    pub async fn revocations(&self, now: Timestamp, limit: u64) -> Result<Vec<Revocation>> {
        let rows = token_revocation::Entity::find()
            .filter(token_revocation::Column::RetryAt.lte(now.0))
            .order_by_asc(token_revocation::Column::RetryAt)
            .limit(limit)
            .all(&self.inner.read)
            .await
            .map_err(store_error)?;
        let revocation = |row: token_revocation::Model| Revocation {
            tenant: row.tenant_id.into(),
            id: row.id,
            provider: row.provider,
            account: row.account,
            token: row.token_sealed,
            created: Timestamp(row.create_time),
            failures: row.failures,
        };
        Ok(rows.into_iter().map(revocation).collect())
    }

    /// Postpones a revocation.
    pub async fn put_off_revocation(&self, revocation: &Revocation, retry_at: Timestamp) -> Result<()> {
        let row = token_revocation::ActiveModel {
            retry_at: Set(retry_at.0),
            failures: Set(revocation.failures.saturating_add(1)),
            ..Default::default()
        };
        token_revocation::Entity::update_many()
            .set(row)
            .filter(token_revocation::Column::TenantId.eq(revocation.tenant.as_str()))
            .filter(token_revocation::Column::Id.eq(&revocation.id))
            .exec(&self.inner.write)
            .await
            .map_err(store_error)?;
        Ok(())
    }

    /// Deletes a revocation with its token.
    pub async fn drop_revocation(&self, revocation: &Revocation) -> Result<()> {
        token_revocation::Entity::delete_by_id((revocation.tenant.to_string(), revocation.id.clone()))
            .exec(&self.inner.write)
            .await
            .map_err(store_error)?;
        Ok(())
    }
}

/// The columns of every write of a login.
fn columns(login: &Login) -> login::ActiveModel {
    let (failing_since, failing_problem) = login.failing.clone().unzip();
    login::ActiveModel {
        state: Set(to_name(&login.state)),
        problem: Set(login.problem.clone()),
        provider_reply: Set(login.provider_reply.clone()),
        renew_time: Set(login.renewed.0),
        expire_time: Set(login.expires.map(|time| time.0)),
        warned_seconds: Set(login.warned.map(whole_seconds)),
        warn_at: Set(login.next_warning().map(|time| time.0)),
        access_expire_time: Set(login.access_expires.map(|time| time.0)),
        renew_at: Set(if login.state == crate::domain::LoginState::Active {
            login.renew_at.0
        } else {
            NEVER
        }),
        failures: Set(login.failures),
        failing_since: Set(failing_since.map(|time| time.0)),
        failing_problem: Set(failing_problem.unwrap_or_default()),
        version: Set(login.version),
        ..Default::default()
    }
}

fn to_attempt(row: login_attempt::Model) -> Result<LoginAttempt> {
    Ok(LoginAttempt {
        source: LoginSource::parse(&row.source).ok_or_else(|| corrupt("login_attempt", "source", &row.id))?,
        id: row.id,
        user: row.user_id.into(),
        provider: row.provider,
        redirect_url: row.redirect_url,
        secrets: row.secrets_sealed,
        expires: Timestamp(row.expire_time),
    })
}

/// Whether any tenant has a login of this account at the provider. Names of accounts are compared as providers do, without case.
async fn has_login(conn: &impl ConnectionTrait, provider: &str, account: &str) -> Result<bool> {
    let row = login::Entity::find()
        .filter(login::Column::Provider.eq(provider))
        .filter(Expr::expr(Func::lower(Expr::col(login::Column::Account))).eq(account.to_lowercase()))
        .one(conn)
        .await
        .map_err(store_error)?;
    Ok(row.is_some())
}

fn to_login(row: login::Model) -> Result<(Login, SealedTokens)> {
    let tokens = SealedTokens {
        refresh: row.refresh_sealed,
        access: row.access_sealed,
    };
    let login = Login {
        source: LoginSource::parse(&row.source).ok_or_else(|| corrupt("login", "source", &row.id))?,
        usage: from_name(&row.usage, Cell::new("login", "usage", &row.id))?,
        state: from_name(&row.state, Cell::new("login", "state", &row.id))?,
        provider: row.provider,
        account: row.account,
        user: row.user_id.into(),
        problem: row.problem,
        provider_reply: row.provider_reply,
        made: Timestamp(row.made_time),
        renewed: Timestamp(row.renew_time),
        expires: row.expire_time.map(Timestamp),
        warned: row.warned_seconds.map(seconds),
        access_expires: row.access_expire_time.map(Timestamp),
        renew_at: Timestamp(row.renew_at),
        failures: row.failures,
        failing: row.failing_since.map(|since| (Timestamp(since), row.failing_problem)),
        version: row.version,
        id: row.id,
    };
    Ok((login, tokens))
}

/// Logins with their tenants. One whose row cannot be read is logged and omitted.
fn readable(rows: Vec<login::Model>) -> Vec<(TenantId, Login)> {
    let read = |row: login::Model| {
        let tenant = TenantId::from(row.tenant_id.as_str());
        match to_login(row) {
            Ok((login, _)) => Some((tenant, login)),
            Err(error) => {
                tracing::error!(error = error.chain(), "a login is left out");
                None
            }
        }
    };
    rows.into_iter().filter_map(read).collect()
}

fn whole_seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
