//! The schema, one file per change, never edited after a release.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

mod m20261123_001_main_job;
mod m20261125_002_agents;
mod m20261125_003_logins;
mod m20261128_004_wakes;
mod m20261130_001_installation;
mod m20261130_002_linking;
mod m20261130_003_reads;
mod m20261130_004_revoked_accounts;
mod m20261130_005_withheld;
mod m20261130_006_folder_looks;
mod m20261130_008_suspects;
mod m20261130_009_agent_addresses;
mod m20261130_010_agent_methods;
mod m20261130_011_leases;
mod m20261201_001_agent_reviews;
mod m20261201_002_copies;

pub struct Migrator;

/// Runs statements that are the same for both databases, but for the name of the type that stands for `{bytes}`.
async fn run(manager: &SchemaManager<'_>, statements: &str) -> Result<(), DbErr> {
    let bytes = match manager.get_database_backend() {
        DbBackend::Postgres => "BYTEA",
        _ => "BLOB",
    };
    let statements = statements.replace("{bytes}", bytes);
    manager.get_connection().execute_unprepared(&statements).await?;
    Ok(())
}

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_001_main_job::Migration),
            Box::new(m20261125_002_agents::Migration),
            Box::new(m20261125_003_logins::Migration),
            Box::new(m20261128_004_wakes::Migration),
            Box::new(m20261130_001_installation::Migration),
            Box::new(m20261130_002_linking::Migration),
            Box::new(m20261130_003_reads::Migration),
            Box::new(m20261130_004_revoked_accounts::Migration),
            Box::new(m20261130_005_withheld::Migration),
            Box::new(m20261130_006_folder_looks::Migration),
            Box::new(m20261130_008_suspects::Migration),
            Box::new(m20261130_009_agent_addresses::Migration),
            Box::new(m20261130_010_agent_methods::Migration),
            Box::new(m20261130_011_leases::Migration),
            Box::new(m20261201_001_agent_reviews::Migration),
            Box::new(m20261201_002_copies::Migration),
        ]
    }
}
