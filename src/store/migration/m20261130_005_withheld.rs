//! Which messages their servers did not return, so that they are gaps for every agent and are retried.

use sea_orm_migration::prelude::*;

/// 1: the server did not return it.
const COLUMN: &str = "ALTER TABLE mailbox_item ADD COLUMN withheld INTEGER NOT NULL DEFAULT 0";

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, COLUMN).await
    }
}
