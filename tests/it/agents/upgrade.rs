//! A database of the first version opens with this one, with the agents in it.

use std::collections::BTreeMap;

use mailagent_client::v1::{AgentHealthState, ConnectionType, ExchangeSettings, SweepOptions, TriageOptions};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use super::{exchange, get, named, set_licences, update};
use crate::harness::{Engine, Harness, Mail, PATIENCE, eventually, on_both_engines};

/// The first version's tables, but for those of the search, which are the same still.
const FIRST: &str = include_str!("../../../src/store/migration/m20261123_001_main_job.sql");

/// Settings as the first version wrote them.
const OLD_SETTINGS: &str = r#"{"case_reference":{"prefix":{"prefix":"CS-","digits":7}},"internal_domains":["example.com"],"trusted_authserv_ids":["mx.example.com"],"sender_check":"warn","skip_automatic":true,"loop_limit_per_case":7,"loop_limit_per_sender":70}"#;

/// The first version's tables with the names of their columns, in one line.
fn first_tables() -> BTreeMap<&'static str, String> {
    let tables = FIRST.split("CREATE TABLE ").skip(1).map(|table| {
        let (name, rest) = table.split_once(" (").expect("a table has a name");
        let rows = rest.split(");").next().unwrap_or_default().lines();
        let columns = rows
            .filter_map(|row| row.split_whitespace().next())
            .filter(|word| *word != "PRIMARY");
        (name, columns.collect::<Vec<_>>().join(", "))
    });
    tables.collect()
}

async fn names(database: &DatabaseConnection, sql: &str) -> Vec<String> {
    let statement = Statement::from_string(database.get_database_backend(), sql.to_owned());
    let rows = database.query_all_raw(statement).await.unwrap();
    rows.iter().map(|row| row.try_get("", "name").unwrap()).collect()
}

/// Makes the database anew as the first version made it, with all rows that it had a place for.
async fn to_first_version(h: &Harness) {
    let database = h.database().await;
    let run = async |sql: String| {
        let done = database.execute_unprepared(&sql).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    };
    let tables = first_tables();
    let all = match h.engine {
        Engine::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        Engine::Postgres => "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'",
    };
    let all = names(&database, all).await;
    // Of some tables nothing is left to keep.
    let kept: Vec<_> = tables
        .iter()
        .filter(|(table, _)| all.iter().any(|name| name.as_str() == **table))
        .collect();
    for (table, columns) in &kept {
        run(format!("CREATE TABLE kept_{table} AS SELECT {columns} FROM {table}")).await;
    }
    for table in &all {
        if !["seaql_migrations"].contains(&table.as_str()) && !table.starts_with("message_search") && !table.starts_with("kept_") {
            run(format!("DROP TABLE {table}")).await;
        }
    }
    let (bytes, serial) = match database.get_database_backend() {
        DbBackend::Postgres => ("BYTEA", "BIGSERIAL PRIMARY KEY"),
        _ => ("BLOB", "INTEGER PRIMARY KEY AUTOINCREMENT"),
    };
    run(FIRST.replace("{bytes}", bytes).replace("{serial}", serial)).await;
    for (table, columns) in &kept {
        run(format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM kept_{table}")).await;
        run(format!("DROP TABLE kept_{table}")).await;
    }
    // It looked agents' addresses up in their own table.
    run("DELETE FROM address WHERE owner_kind = 'agent'".to_owned()).await;
    run(format!("UPDATE tenant_settings SET choices = '{OLD_SETTINGS}'")).await;
    run("DELETE FROM seaql_migrations WHERE version <> 'm20261123_001_main_job'".to_owned()).await;
    let left = names(&database, "SELECT version AS name FROM seaql_migrations").await;
    assert_eq!(left, ["m20261123_001_main_job"], "it has run as the first one");
    database.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_the_first_version_keeps_its_agents() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let only_sweep = |settings: &mut ExchangeSettings| settings.archive = Some(false);
        let made = h.agent_with(&client, "anna@example.com", only_sweep).await;
        let mail = || Mail::new("eva@oak.example", "Re: CS-0000001");
        h.deliver("anna@example.com", &mail());
        h.handled(&client, &made.name, 1).await;
        h.stop().await;
        to_first_version(h).await;
        h.start().await;

        let client = h.client().await;
        let kept = get(&client, &made.name).await.unwrap();
        let expected = ExchangeSettings {
            password_set: true,
            connection_type: ConnectionType::UserCredentials.into(),
            triage_options: Some(TriageOptions::default()),
            sweep_options: Some(SweepOptions {
                create_non_matching_contacts: true,
                keep_full_message: true,
            }),
            ..made.exchange.clone().unwrap()
        };
        assert_eq!(kept.exchange, Some(expected));
        assert_eq!((kept.etag, kept.campaign_compatible, kept.smtp), (made.etag.clone(), false, None));
        let health = kept.health.unwrap();
        assert_eq!((health.state(), health.handled_count), (AgentHealthState::Ok, 1));

        // It goes on where it was, with the password that it had.
        h.deliver("anna@example.com", &mail());
        h.handled(&client, &made.name, 2).await;
        assert_eq!(h.notes(&client).await.len(), 2, "and no second note");
        set_licences(&client, 1).await.unwrap();
        let mut changed = named(&made);
        changed.exchange = Some(ExchangeSettings::default());
        exchange(&mut changed).triage = true;
        changed.campaign_compatible = true;
        changed.etag.clone_from(&made.etag);
        let changed = update(&client, changed, None).await.unwrap();
        assert!(changed.campaign_compatible && changed.exchange.unwrap().triage);

        let request = mailagent_client::v1::GetTenantSettingsRequest {};
        let settings = client.clone().settings.get_tenant_settings(request).await.unwrap().into_inner();
        let limits = (settings.loop_limit_per_sender_and_case, settings.loop_limit_per_sender);
        assert_eq!((limits, settings.skip_automatic_mail), ((Some(7), Some(70)), true));
        assert_eq!(settings.storage_acknowledgement.unwrap().user, "users/anna");
        assert_eq!(settings.triage_licence_count, 1);
        eventually(PATIENCE, "the mailbox is read after the change", async || {
            let health = get(&client, &made.name).await.unwrap().health.unwrap();
            if health.state() == AgentHealthState::Ok && health.problem.is_empty() {
                Ok(())
            } else {
                Err(health)
            }
        })
        .await;
    })
    .await;
}
