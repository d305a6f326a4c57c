//! OAuth logins, how they are begun and ended, and the events about them.

use sea_orm_migration::prelude::*;

/// The same for both databases, but for the name of a type.
const TABLES: &str = include_str!("m20261125_003_logins.sql");

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, TABLES).await
    }
}
