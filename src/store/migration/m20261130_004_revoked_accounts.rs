//! Whose refresh token is to be revoked: another login of the same account must not end with it.

use sea_orm_migration::prelude::*;

const COLUMN: &str = "ALTER TABLE token_revocation ADD COLUMN account TEXT NOT NULL DEFAULT ''";

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, COLUMN).await
    }
}
