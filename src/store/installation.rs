//! What all replicas on a database must agree on.

use sea_orm::{ConnectionTrait, Statement};

use super::{Store, store_error};
use crate::domain::{Error, Result};

impl Store {
    /// The identity of the blob store whose blobs this database names: that of the first one that was used with it, which is `first` if
    /// there was none before.
    ///
    /// # Errors
    /// [`crate::domain::Kind::Unavailable`] when the database cannot be used.
    pub async fn blob_store_identity(&self, first: &str) -> Result<String> {
        let write = &self.inner.write;
        let backend = write.get_database_backend();
        let value = |sql: &str, values: Vec<sea_orm::Value>| Statement::from_sql_and_values(backend, sql, values);
        let insert = value(
            "INSERT INTO installation (name, value) VALUES ('blobs', $1) ON CONFLICT (name) DO NOTHING",
            vec![first.into()],
        );
        write.execute_raw(insert).await.map_err(store_error)?;
        let read = value("SELECT value FROM installation WHERE name = 'blobs'", Vec::new());
        let row = write.query_one_raw(read).await.map_err(store_error)?;
        row.ok_or_else(|| Error::internal("the identity of the blob store is missing"))?
            .try_get("", "value")
            .map_err(store_error)
    }
}
