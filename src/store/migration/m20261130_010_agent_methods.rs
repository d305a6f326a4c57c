//! Agents that log in with a method of their own.

use sea_orm_migration::prelude::*;

const COLUMN: &str = "ALTER TABLE agent ADD COLUMN authentication_method TEXT";

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, COLUMN).await
    }
}
