//! Work that is too large for the transaction that makes it necessary: archived mail that is to be linked to a contact, and what a deleted
//! agent has left behind.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, include_str!("m20261130_002_linking.sql")).await
    }
}
