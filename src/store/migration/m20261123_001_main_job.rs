//! Agents, directory, sweep, archive and event log.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

/// The same tables for both databases, but for the names of two types.
const TABLES: &str = include_str!("m20261123_001_main_job.sql");

/// `number` is `message.number`. Without content: the words are found, the texts stay in the blobs.
const SQLITE_SEARCH: &str = "CREATE VIRTUAL TABLE message_search USING fts5(\
     subject, participants, body, names, content='', contentless_delete=1, tokenize='unicode61 remove_diacritics 2')";

const POSTGRES_SEARCH: &str = "CREATE TABLE message_search (number BIGINT PRIMARY KEY, words TSVECTOR NOT NULL);\
     CREATE INDEX message_search_words ON message_search USING GIN (words);";

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let (bytes, serial, search) = match backend {
            DbBackend::Postgres => ("BYTEA", "BIGSERIAL PRIMARY KEY", POSTGRES_SEARCH),
            _ => ("BLOB", "INTEGER PRIMARY KEY AUTOINCREMENT", SQLITE_SEARCH),
        };
        let tables = TABLES.replace("{bytes}", bytes).replace("{serial}", serial);
        let connection = manager.get_connection();
        connection.execute_unprepared(&tables).await?;
        connection.execute_unprepared(search).await?;
        Ok(())
    }
}
