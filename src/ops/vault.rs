//! Secrets at rest: every tenant has a data key, which the master key wraps.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    crypto::{DataKey, MasterKey, Place, Secret},
    domain::{Clock, Error, Result},
    store::{Store, retrying},
};

/// Opens and seals secrets of all tenants.
pub struct Vault {
    master: MasterKey,
    clock: Arc<dyn Clock>,
    // Held for a map look-up only.
    keys: Mutex<HashMap<String, Arc<DataKey>>>,
}

impl Vault {
    /// A vault under this master key.
    pub fn new(master: MasterKey, clock: Arc<dyn Clock>) -> Self {
        Self {
            master,
            clock,
            keys: Mutex::default(),
        }
    }

    /// Seals a tenant's secret for the column that keeps it.
    ///
    /// # Errors
    /// When the tenant's key cannot be read or made.
    pub async fn seal(&self, store: &Store, tenant: &str, place: Place<'_>, secret: &Secret) -> Result<Vec<u8>> {
        let key = self.data_key(store, tenant).await?;
        Ok(key.seal(secret.expose().as_bytes(), tenant, place))
    }

    /// Opens what [`Vault::seal`] sealed for the same place.
    ///
    /// # Errors
    /// [`crate::domain::Kind::Internal`] when it was sealed for another place or under another key, or was changed.
    pub async fn open(&self, store: &Store, tenant: &str, place: Place<'_>, sealed: &[u8]) -> Result<Secret> {
        let key = self.data_key(store, tenant).await?;
        let secret = key.open(sealed, tenant, place).map_err(Error::internal)?;
        secret.into_text().ok_or_else(|| Error::internal("a stored secret is no text"))
    }

    /// Tells a tenant's contents apart, such as requests with the same id, without giving anything of them away: see
    /// [`DataKey::fingerprint`]. It never changes for the same parts, whatever becomes of the master key.
    ///
    /// # Errors
    /// When the tenant's key cannot be read or made.
    pub async fn fingerprint(&self, store: &Store, tenant: &str, parts: &[&[u8]]) -> Result<Vec<u8>> {
        Ok(self.data_key(store, tenant).await?.fingerprint(parts))
    }

    async fn data_key(&self, store: &Store, tenant: &str) -> Result<Arc<DataKey>> {
        let known = self.keys.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).cloned();
        if let Some(key) = known {
            return Ok(key);
        }
        let wrapped = match store.tenant(tenant).data_key().await? {
            Some(wrapped) => wrapped,
            None => self.make_data_key(store, tenant).await?,
        };
        let key = Arc::new(self.master.unwrap(&wrapped, tenant).map_err(Error::internal)?);
        self.keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(tenant.to_owned(), key.clone());
        Ok(key)
    }

    /// Makes the tenant's key; where another replica was first, its key is the one.
    async fn make_data_key(&self, store: &Store, tenant: &str) -> Result<Vec<u8>> {
        let wrapped = self.master.wrap(&DataKey::generate(), tenant);
        retrying(|| async {
            let mut writer = store.begin(tenant).await?;
            writer.insert_data_key(wrapped.clone(), self.clock.now()).await?;
            let stored = writer.data_key().await?;
            writer.commit().await?;
            stored.ok_or_else(|| Error::internal("the tenant's data key was not stored"))
        })
        .await
    }
}
