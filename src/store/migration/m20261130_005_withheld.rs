//! Which messages their servers did not give out, so that they are gaps for every agent and are tried again.

use sea_orm_migration::prelude::*;

/// 1: the server did not give it out.
const COLUMN: &str = "ALTER TABLE mailbox_item ADD COLUMN withheld INTEGER NOT NULL DEFAULT 0";

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, COLUMN).await
    }
}
