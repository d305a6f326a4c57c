//! Who tries the login of a maintenance account.
//!
//! Hundreds of mailboxes may be opened by one login. If each of them tried a password that was changed or mistyped, the server would lock
//! the account for everybody. So as long as a login is not known to be good, one agent at a time tries it; the first refusal is written
//! down at the account and keeps all others from trying.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::OwnedMutexGuard, time::Instant};

use super::error::ReadError;
use crate::{
    domain::{Error, MaintenanceAccount, MaintenanceAccountId, TenantId},
    net::{ErrorClass, ProviderError},
    ops::{LockKey, Ops},
    provider::{Folder, MailSource},
};

/// What this process knows of the logins of maintenance accounts, by tenant and account.
#[derive(Default)]
pub(crate) struct KnownLogins {
    // Held for a map look-up only.
    known: Mutex<HashMap<(TenantId, MaintenanceAccountId), AccountLogin>>,
}

struct AccountLogin {
    /// The account's version that this is about.
    version: i64,
    /// When it was tried without an answer to whether it is good; `None` once it proved so.
    tried: Option<Instant>,
}

impl KnownLogins {
    /// Whether this version of the account was logged in with, and not refused since.
    fn is_good(&self, tenant: &TenantId, account: &MaintenanceAccount) -> bool {
        self.find(tenant, account, |known| known.tried.is_none())
    }

    /// Whether somebody tried it since then, and could not find out.
    fn was_tried(&self, tenant: &TenantId, account: &MaintenanceAccount, since: Instant) -> bool {
        self.find(tenant, account, |known| known.tried.is_some_and(|tried| tried >= since))
    }

    fn find(&self, tenant: &TenantId, account: &MaintenanceAccount, what: impl Fn(&AccountLogin) -> bool) -> bool {
        let known = self.lock();
        let found = known.get(&(tenant.to_owned(), account.id.clone()));
        found.is_some_and(|known| known.version == account.version && what(known))
    }

    fn learn(&self, (tenant, account): (&TenantId, &MaintenanceAccount), tried: Option<Instant>) {
        let version = account.version;
        self.lock()
            .insert((tenant.to_owned(), account.id.clone()), AccountLogin { version, tried });
    }

    /// Whoever comes next tries it alone.
    pub(super) fn forget(&self, tenant: &TenantId, account: &MaintenanceAccountId) {
        self.lock().remove(&(tenant.to_owned(), account.to_owned()));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(TenantId, MaintenanceAccountId), AccountLogin>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to log in. Keep it until it is written down how that went.
pub(super) struct Turn<'a> {
    logins: &'a KnownLogins,
    through: Option<(&'a TenantId, &'a MaintenanceAccount)>,
    /// Nobody else tries the account as long as this is kept.
    alone: Option<OwnedMutexGuard<()>>,
}

/// Waits until a login may be tried: at once where it is not a maintenance account's, or where that is known to be good. Otherwise as long
/// as somebody else tries it; if they could not find out, as the server was not there, all who waited try at the same time. Cancel safe.
///
/// # Errors
/// [`ErrorClass::LoginRequired`] when the account's login was refused meanwhile; [`crate::domain::Kind::Stale`] when the account was changed.
pub(super) async fn turn<'a>(ops: &'a Ops, tenant: &'a TenantId, account: Option<&'a MaintenanceAccount>) -> Result<Turn<'a>, ReadError> {
    let logins = &ops.known_logins;
    let mut turn = Turn {
        logins,
        through: account.map(|account| (tenant, account)),
        alone: None,
    };
    let Some(account) = account.filter(|account| !logins.is_good(tenant, account)) else {
        return Ok(turn);
    };
    let name = account.id.name();
    let came = Instant::now();
    let alone = ops.locks.lock(tenant, LockKey::Account(account.id.clone())).await;
    let settled = logins.is_good(tenant, account) || logins.was_tried(tenant, account, came);
    turn.alone = (!settled).then_some(alone);
    let now = ops.store.tenant(tenant).maintenance_account(&account.id).await?;
    let now = now.filter(|now| now.version == account.version).ok_or_else(|| Error::stale(name))?;
    if now.problem.is_empty() {
        Ok(turn)
    } else {
        Err(ProviderError::new(ErrorClass::LoginRequired, now.problem).into())
    }
}

impl Turn<'_> {
    /// Logs in and finds the mailbox's folders.
    ///
    /// # Errors
    /// The server's.
    pub(super) async fn log_in(&mut self, mailbox: &dyn MailSource) -> Result<Vec<Folder>, ProviderError> {
        let result = mailbox.folders().await;
        if let Some(through) = self.through {
            match &result {
                // Others wait until this is written down.
                Err(error) if error.class == ErrorClass::LoginRequired => {}
                // A login that may not open this mailbox is good all the same.
                Ok(_)
                | Err(ProviderError {
                    class: ErrorClass::Refused,
                    ..
                }) => {
                    self.logins.learn(through, None);
                    self.alone = None;
                }
                Err(_) => {
                    if !self.logins.is_good(through.0, through.1) {
                        self.logins.learn(through, Some(Instant::now()));
                    }
                    self.alone = None;
                }
            }
        }
        result
    }
}
