//! Signals that something happened in a mailbox that another replica reads.

use sea_orm_migration::prelude::*;

/// 0: nothing; 1: check the mailbox; 2: check its subscriptions too.
const COLUMN: &str = "ALTER TABLE mailbox_lease ADD COLUMN woken INTEGER NOT NULL DEFAULT 0";

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, COLUMN).await
    }
}
