//! Agents whose health is still to follow from a change of their logins.

use sea_orm_migration::prelude::*;

const TABLE: &str = "CREATE TABLE agent_review (tenant_id TEXT NOT NULL, change TEXT NOT NULL, done_to TEXT NOT NULL, \
    PRIMARY KEY (tenant_id, change))";

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, TABLE).await
    }
}
