//! Which notes are of copies of the same message, to which lists and servers add their own on the way.

use sea_orm_migration::prelude::*;

const COLUMN: &str = "ALTER TABLE note ADD COLUMN copy_key {bytes}";
const INDEX: &str = "CREATE INDEX note_copy ON note (tenant_id, copy_key) WHERE copy_key IS NOT NULL";

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, COLUMN).await?;
        super::run(manager, INDEX).await
    }
}
