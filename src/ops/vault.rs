//! Secrets at rest: every tenant has a data key, which the master key wraps.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    crypto::{Aad, DataKey, MasterKey, Secret},
    domain::{Error, Result, Timestamp},
    store::{Store, retrying},
};

/// Opens and seals secrets of all tenants.
pub struct Vault {
    master: MasterKey,
    // Held for a map look-up only.
    keys: Mutex<HashMap<String, Arc<DataKey>>>,
}

impl Vault {
    /// A vault under this master key.
    pub fn new(master: MasterKey) -> Self {
        Self {
            master,
            keys: Mutex::default(),
        }
    }

    /// Seals an agent's password, for the column that keeps it.
    ///
    /// # Errors
    /// When the tenant's key cannot be read or made.
    pub async fn seal_password(&self, store: &Store, tenant: &str, agent: &str, password: &str, now: Timestamp) -> Result<Vec<u8>> {
        let key = self.data_key(store, tenant, now).await?;
        Ok(key.seal(password.as_bytes(), &password_aad(tenant, agent)))
    }

    /// Opens an agent's password.
    ///
    /// # Errors
    /// [`crate::domain::Kind::Internal`] when it was sealed under another key or changed.
    pub async fn open_password(&self, store: &Store, tenant: &str, agent: &str, sealed: &[u8], now: Timestamp) -> Result<Secret> {
        let key = self.data_key(store, tenant, now).await?;
        let password = key.open(sealed, &password_aad(tenant, agent)).map_err(Error::internal)?;
        password.into_text().ok_or_else(|| Error::internal("a stored password is no text"))
    }

    async fn data_key(&self, store: &Store, tenant: &str, now: Timestamp) -> Result<Arc<DataKey>> {
        let known = self.keys.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).cloned();
        if let Some(key) = known {
            return Ok(key);
        }
        let wrapped = match store.tenant(tenant).data_key().await? {
            Some(wrapped) => wrapped,
            None => self.make_data_key(store, tenant, now).await?,
        };
        let key = Arc::new(self.master.unwrap(&wrapped, tenant).map_err(Error::internal)?);
        self.keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(tenant.to_owned(), key.clone());
        Ok(key)
    }

    /// Makes the tenant's key; where another replica was first, its key is the one.
    async fn make_data_key(&self, store: &Store, tenant: &str, now: Timestamp) -> Result<Vec<u8>> {
        let wrapped = self.master.wrap(&DataKey::generate(), tenant);
        retrying(|| async {
            let mut writer = store.begin(tenant).await?;
            writer.insert_data_key(wrapped.clone(), now).await?;
            let stored = writer.data_key().await?;
            writer.commit().await?;
            stored.ok_or_else(|| Error::internal("the tenant's data key was not stored"))
        })
        .await
    }
}

fn password_aad<'a>(tenant: &'a str, agent: &'a str) -> Aad<'a> {
    Aad {
        tenant,
        table: "agent",
        row: agent,
        column: "password_sealed",
    }
}
