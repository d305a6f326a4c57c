//! Secrets at rest: every tenant has a data key, which a master key wraps.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    crypto::{DataKey, KeyId, KeyRing, KeySource, KeySourceError, MissingMasterKey, OpenError, Place, Sealer, Secret, wrapped_by},
    domain::{Clock, Error, Kind, Reason, Result, TenantId},
    store::{INSTALLATION, Store, retrying},
};

/// How long a master key that was looked for in vain is not looked for again.
const PAUSE: Duration = Duration::from_secs(5);

/// What is made from the master keys.
pub struct Keys {
    /// Opens and seals secrets.
    pub vault: Arc<Vault>,
    /// Seals cursors and page tokens.
    pub sealer: Sealer,
}

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The source gives no master key.
    #[error(transparent)]
    Source(#[from] KeySourceError),
    /// It gives others than are needed.
    #[error(transparent)]
    Missing(#[from] MissingMasterKey),
    /// It gives one, and a second is needed to change to.
    #[error(
        "all keys are under the only master key of {0}, so there is none to rotate to. Create one with `openssl rand -base64 32`, put it \
         before the other there, for every replica, and run this again"
    )]
    NoNewKey(String),
    /// The database.
    #[error(transparent)]
    Service(#[from] Error),
}

impl Keys {
    /// Reads the master keys and opens what the installation seals positions with. In a database without any keys, it is made, as is the
    /// file that the master keys come from.
    ///
    /// # Errors
    /// When there is no master key or not the right one, or the database cannot be read.
    pub async fn open(store: &Store, source: KeySource, clock: Arc<dyn Clock>) -> Result<Self, KeysError> {
        // A file that is gone must not be replaced by one with a key that opens nothing.
        let ring = if store.has_keys().await? {
            source.load().await?
        } else {
            source.load_or_create().await?
        };
        let vault = Vault {
            source,
            clock,
            ring: Mutex::new(Arc::new(ring)),
            keys: Mutex::default(),
            misses: tokio::sync::Mutex::default(),
        };
        let sealing_key = match store.tenant(&INSTALLATION).data_key().await? {
            Some(wrapped) => wrapped,
            None => vault.make_installation_key(store).await?,
        };
        let sealing_key = vault.unwrap(&sealing_key, &INSTALLATION).await?;
        Ok(Self {
            sealer: Sealer::new(&sealing_key),
            vault: Arc::new(vault),
        })
    }
}

/// Opens and seals secrets of all tenants.
///
/// Data keys never change, only how they are wrapped: a rotation of the master key does not touch anything that they sealed.
pub struct Vault {
    source: KeySource,
    clock: Arc<dyn Clock>,
    // Held for a moment only.
    ring: Mutex<Arc<KeyRing>>,
    // Held for a map look-up only.
    keys: Mutex<HashMap<TenantId, Arc<DataKey>>>,
    /// When master keys were last looked for in vain. Held while the source is read, so that many calls read it once.
    misses: tokio::sync::Mutex<HashMap<KeyId, Instant>>,
}

impl Vault {
    /// Seals a tenant's secret for the column that keeps it.
    ///
    /// # Errors
    /// When the tenant's key cannot be read or made.
    pub async fn seal(&self, store: &Store, tenant: &TenantId, place: Place<'_>, secret: &Secret) -> Result<Vec<u8>> {
        let key = self.data_key(store, tenant).await?;
        Ok(key.seal(secret.expose().as_bytes(), tenant, place))
    }

    /// Opens what [`Vault::seal`] sealed for the same place.
    ///
    /// # Errors
    /// [`crate::domain::Kind::Internal`] when it was sealed for another place or under another key, or was changed.
    pub async fn open(&self, store: &Store, tenant: &TenantId, place: Place<'_>, sealed: &[u8]) -> Result<Secret> {
        let key = self.data_key(store, tenant).await?;
        let secret = key.open(sealed, tenant, place).map_err(Error::internal)?;
        secret.into_text().ok_or_else(|| Error::internal("a stored secret is not text"))
    }

    /// Tells a tenant's contents apart, such as requests with the same id, without giving anything of them away: see
    /// [`DataKey::fingerprint`]. It never changes for the same parts, whatever becomes of the master key.
    ///
    /// # Errors
    /// When the tenant's key cannot be read or made.
    pub async fn fingerprint(&self, store: &Store, tenant: &TenantId, parts: &[&[u8]]) -> Result<Vec<u8>> {
        Ok(self.data_key(store, tenant).await?.fingerprint(parts))
    }

    async fn data_key(&self, store: &Store, tenant: &TenantId) -> Result<Arc<DataKey>> {
        let known = self.keys.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).cloned();
        if let Some(key) = known {
            return Ok(key);
        }
        let wrapped = match store.tenant(tenant).data_key().await? {
            Some(wrapped) => wrapped,
            None => self.make_data_key(store, tenant).await.map_err(told)?,
        };
        let key = Arc::new(self.unwrap(&wrapped, tenant).await.map_err(told)?);
        self.keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(tenant.to_owned(), key.clone());
        Ok(key)
    }

    /// Makes the tenant's key under the master key that the installation's own key is under; where another replica was first, its key
    /// is the one.
    async fn make_data_key(&self, store: &Store, tenant: &TenantId) -> Result<Vec<u8>, KeysError> {
        let key = DataKey::generate();
        loop {
            let ring = self.ring();
            let made = retrying(|| async {
                let mut writer = store.begin(tenant).await?;
                let current = writer.installation_key().await?;
                let current = current.ok_or_else(|| Error::internal("the installation has no key"))?;
                let current = wrapped_by(&current).map_err(Error::internal)?;
                let Some(master) = ring.get(current) else {
                    return Ok(Err(current));
                };
                writer.insert_data_key(master.wrap(&key, tenant), self.clock.now()).await?;
                let stored = writer.data_key().await?;
                writer.commit().await?;
                stored
                    .map(Ok)
                    .ok_or_else(|| Error::internal("the tenant's data key was not stored"))
            })
            .await?;
            match made {
                Ok(wrapped) => return Ok(wrapped),
                Err(unknown) => self.find(unknown).await?,
            }
        }
    }

    /// Makes the key that positions are sealed with. Callers of an installation that is older than this key hold positions that were
    /// sealed with one derived from its only master key: there that one goes on.
    async fn make_installation_key(&self, store: &Store) -> Result<Vec<u8>> {
        let ring = self.ring();
        let key = if store.has_positions().await? {
            ring.oldest().first_sealing_key()
        } else {
            DataKey::generate()
        };
        retrying(|| async {
            let mut writer = store.begin(&INSTALLATION).await?;
            let wrapped = ring.current().wrap(&key, &INSTALLATION);
            writer.insert_data_key(wrapped, self.clock.now()).await?;
            let stored = writer.data_key().await?;
            writer.commit().await?;
            stored.ok_or_else(|| Error::internal("the installation's key was not stored"))
        })
        .await
    }

    /// Unwraps a key, if need be by a master key that the source has only now.
    async fn unwrap(&self, wrapped: &[u8], owner: &TenantId) -> Result<DataKey, KeysError> {
        loop {
            match self.ring().unwrap(wrapped, owner) {
                Ok(key) => return Ok(key),
                Err(OpenError::UnknownMasterKey(id)) => self.find(id).await?,
                Err(error) => return Err(Error::internal(error).into()),
            }
        }
    }

    /// Reads the source again for a master key that somebody else has begun to use.
    async fn find(&self, id: KeyId) -> Result<(), KeysError> {
        let mut misses = self.misses.lock().await;
        if self.ring().get(id).is_some() {
            return Ok(());
        }
        let missing = MissingMasterKey::new(id, &self.source);
        if misses.get(&id).is_some_and(|looked| looked.elapsed() < PAUSE) {
            return Err(missing.into());
        }
        misses.insert(id, Instant::now());
        let ring = self.source.load().await?;
        if ring.get(id).is_none() {
            return Err(missing.into());
        }
        misses.remove(&id);
        *self.ring.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
        tracing::info!(master_key = %id, "the current master key has changed");
        Ok(())
    }

    fn ring(&self) -> Arc<KeyRing> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a caller is told: an operator has to act, and then the same call will do.
fn told(error: KeysError) -> Error {
    match error {
        KeysError::Service(error) => error,
        error => {
            let kind = Kind::Unavailable { retry_after: PAUSE };
            let text = "The tenant's secrets currently cannot be decrypted. Retry later; the service's log says what is needed.";
            Error::new(kind, Reason::StoreUnavailable, text).because(error)
        }
    }
}
