//! What all replicas on a database share: the identity of the blob store, and a row that shows whether writes are durable.

use sea_orm_migration::prelude::*;

const TABLE: &str = "CREATE TABLE installation (name TEXT PRIMARY KEY, value TEXT NOT NULL)";

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, TABLE).await
    }
}
