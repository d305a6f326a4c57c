//! Messages that were in preparation when a process died.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

const TABLE: &str = "CREATE TABLE suspect (
    tenant_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    source_key {bytes} NOT NULL,
    deaths INTEGER NOT NULL,
    update_time BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, agent_id, source_key)
)";

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let bytes = match manager.get_database_backend() {
            DbBackend::Postgres => "BYTEA",
            _ => "BLOB",
        };
        let table = TABLE.replace("{bytes}", bytes);
        manager.get_connection().execute_unprepared(&table).await?;
        Ok(())
    }
}
