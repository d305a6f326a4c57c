//! One table for leases of all kinds. Those of earlier releases are over: a replica that still runs one takes none any more.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, include_str!("m20261130_011_leases.sql")).await
    }
}
