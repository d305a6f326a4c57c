//! Which folder at the server a position is about, and when each folder was last read to its end.

use sea_orm_migration::prelude::*;

const COLUMNS: &str = "ALTER TABLE folder_position ADD COLUMN source TEXT; \
    ALTER TABLE folder_position ADD COLUMN total BIGINT; \
    ALTER TABLE folder_position ADD COLUMN look_time BIGINT";

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, COLUMNS).await
    }
}
