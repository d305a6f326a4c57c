//! Messages that were in preparation when a process died.

use sea_orm_migration::prelude::*;

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
        super::run(manager, TABLE).await
    }
}
