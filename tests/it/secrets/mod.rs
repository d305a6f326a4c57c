//! Secrets are planted, the service is taken through all that it does, and whatever comes out of it is searched for them: logs of every
//! level, traces, metrics, responses, statuses, streams, the audit log, files, every column of the database, the command line.
//!
//! | file | holds |
//! |---|---|
//! | `plant` | what is planted, every form in which it could come out, and the search |
//! | `evidence` | the channels, each with something that must be found there |
//! | `tour` | what the service is taken through. To add a kind of secret: take it from [`plant::Planted`] where it is used |
//! | `wire` | calls whose answers are evidence, and requests with a secret in every field |
//! | `service` | the program, a collector of traces, a platform to log in at, servers that repeat logins |
//! | `print` | what `Debug` shows of everything that holds a secret |

mod evidence;
mod plant;
mod print;
mod service;
mod tour;
mod wire;

use std::{fs, path::Path, sync::Arc};

use mailagent::testing::{
    crypto::{KeyRing, KeySource, MasterKey},
    domain::Scope,
};
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use url::Url;

use self::{
    evidence::Evidence,
    plant::Planted,
    service::{Collector, Platform, Service, Settings, program},
};
use crate::harness::{Engine, PostgresDatabase, files_below, free_address, local_token};

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_comes_out_on_sqlite_with_logs_as_text() {
    whole_tour(Engine::Sqlite, "text").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_comes_out_on_postgresql_with_logs_as_json() {
    whole_tour(Engine::Postgres, "json").await;
}

async fn whole_tour(engine: Engine, log_format: &str) {
    let (planted, evidence, beacon) = (Arc::new(Planted::default()), Arc::new(Evidence::default()), plant::word());
    let root = tempfile::tempdir().expect("a temporary folder can be made");
    let folder = root.path();
    let data = folder.join(format!("data-{beacon}"));
    let (database, database_url) = match engine {
        Engine::Sqlite => (None, None),
        Engine::Postgres => {
            let database = PostgresDatabase::create().await;
            let url = with_password(database.url(), &planted);
            (Some(database), Some(url))
        }
    };
    let collector = Collector::start(&evidence).await;
    let platform = Platform::start(&planted).await;
    let address = free_address();
    let mut settings: Settings = vec![
        ("data", data.to_str().expect("it is plain").to_owned()),
        ("server.listen", address.to_string()),
        ("exchange.allow_http", "true".to_owned()),
        ("network.allow_loopback", "true".to_owned()),
        ("exchange.poll_interval", "200ms".to_owned()),
        ("exchange.max_backoff", "200ms".to_owned()),
        ("events.bookmark_interval", "200ms".to_owned()),
        ("telemetry.log", "trace".to_owned()),
        ("telemetry.log_format", log_format.to_owned()),
        ("telemetry.otlp_endpoint", collector.url.clone()),
    ];
    settings.extend(platform.settings());
    settings.extend(database_url.clone().map(|url| ("database.url", url)));

    let service = Service::start(folder, &settings, address).await;
    watch_keys(&data, &planted);
    let visited = tour::Visited {
        address,
        data: &data,
        beacon: &beacon,
    };
    let tour = tour::Tour::new(visited, platform, &planted, &evidence).await;
    tour.walk().await;
    let running = program_says(folder, &settings, &["keys", "rotate"], &evidence);
    assert!(running.contains("None is left under another key"), "{running}");
    watch_keys(&data, &planted);
    tour.walk_again().await;
    keep_files(&data, "while it runs", &evidence);
    if let Some(url) = &database_url {
        keep_database(url, &evidence).await;
    }
    service.stop(&evidence, "the first life");

    // All once more from what is stored, with the new key only.
    program_says(folder, &settings, &["keys", "list"], &evidence);
    program_says(folder, &settings, &["keys", "prune", "--yes"], &evidence);
    let service = Service::start(folder, &settings, address).await;
    tour.walk_again().await;
    service.stop(&evidence, "the second life");
    keep_files(&data, "at the end", &evidence);
    keep_faults(folder, &settings, &planted, &evidence).await;
    print::all(&beacon, &planted, &evidence);
    let without: &[&str] = match engine {
        // Its files are evidence, byte for byte.
        Engine::Sqlite => &["database"],
        Engine::Postgres => &[],
    };
    evidence.check(&planted, &beacon, without);
    drop(database);
}

/// The database's URL with a password; where its server asks for none, it may be any.
fn with_password(url: &str, planted: &Planted) -> String {
    let mut url = Url::parse(url).expect("it is a URL");
    match url.password() {
        Some(password) => planted.watch("database password", password.as_bytes()),
        None => url.set_password(Some(&planted.word("database password"))).expect("it has a host"),
    }
    url.into()
}

/// Everything in the key files is a secret.
fn watch_keys(data: &Path, planted: &Planted) {
    for line in fs::read_to_string(data.join("master.key")).expect("the key file is there").lines() {
        planted.watch("text of a master key", line.trim_end_matches('=').as_bytes());
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, line).expect("it is base64");
        planted.watch("master key", &bytes);
    }
    watch_issuer(data, planted);
}

fn watch_issuer(data: &Path, planted: &Planted) {
    let pem = fs::read_to_string(data.join("issuer.pem")).expect("the key file is there");
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    planted.watch("signing key", body.trim_end_matches('=').as_bytes());
    let der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).expect("it is base64");
    // The seed stands at the end (RFC 8410 §7).
    planted.watch("seed of the signing key", &der[der.len() - 32..]);
}

/// A token of the service's own issuer. Its signature is a secret; the rest says who calls.
fn token(data: &Path, tenant: &str, scopes: &[Scope], planted: &Planted) -> String {
    let token = local_token(data, tenant, "anna", scopes);
    let signature = token.rsplit('.').next().expect("it has three parts");
    planted.watch("signature of a bearer token", signature.as_bytes());
    token
}

/// Runs a command to its end. What it says is evidence.
fn program_says(folder: &Path, settings: &Settings, arguments: &[&str], evidence: &Evidence) -> String {
    let output = program(folder, settings).args(arguments).output().expect("the program starts");
    let label = arguments.join(" ");
    let said = [output.stdout, output.stderr].concat();
    evidence.add("command line", &label, said.clone());
    String::from_utf8(said).expect("it is UTF-8")
}

/// Faults of settings, keys and databases at the start.
async fn keep_faults(folder: &Path, settings: &Settings, planted: &Planted, evidence: &Evidence) {
    let fault = |key: &'static str, value: String, arguments: &[&str]| {
        let mut settings = settings.clone();
        settings.retain(|(known, _)| *known != key);
        settings.push((key, value));
        let said = program_says(folder, &settings, arguments, evidence);
        assert!(said.contains("error") || said.contains("fault"), "{key} is not refused: {said}");
    };
    let away = format!(
        "postgres://mail:{}@127.0.0.1:1/mail",
        planted.word("password of a database that is away")
    );
    fault("database.url", away.clone(), &["serve"]);
    fault(
        "database.url",
        format!("mysql://mail:{}@db/mail", planted.word("password of a wrong URL")),
        &["serve"],
    );
    fault("server.listen", away, &["serve", "--check"]);
    fault("keys.master", planted.word("master key in the wrong place"), &["serve", "--check"]);
    let other = KeyRing::of(MasterKey::generate()).to_text();
    let text = String::from_utf8(other.expose().clone()).expect("it is base64");
    planted.watch("other master key", text.trim().trim_end_matches('=').as_bytes());
    let file = folder.join("other.key");
    fs::write(&file, &text).expect("it can be written");
    let shown = file.display();
    // A key that opens nothing here; a file that is open to all; programs that fail and say what they must not.
    fault("keys.master", format!("command:/bin/cat {shown}"), &["serve"]);
    fault("keys.master", format!("command:/bin/cat {shown}"), &["keys", "rotate"]);
    fault("keys.master", format!("file:{shown}"), &["serve"]);
    fault("keys.master", format!("command:/bin/sh {shown}"), &["serve"]);
    fault("keys.master", format!("command:/bin/grep -H . {shown} /nowhere"), &["serve"]);
    fault(
        "keys.master",
        format!("command:/bin/ls --token={}", planted.word("argument of a program")),
        &["serve"],
    );
    let (port, login) = (free_address().port(), planted.word("password of a collector"));
    fault(
        "telemetry.otlp_endpoint",
        format!("http://mail:{login}@127.0.0.1:{port}"),
        &["serve"],
    );
    assert!(KeySource::File(file).load().await.is_err(), "a file that is open to all is refused");
}

/// Every file of the data folder but those that hold the keys.
fn keep_files(folder: &Path, label: &str, evidence: &Evidence) {
    for path in files_below(folder) {
        if !path.ends_with("master.key") && !path.ends_with("issuer.pem") {
            let shown = format!("{} {label}", path.display());
            evidence.add("data folder", &shown, path.to_string_lossy().into_owned());
            evidence.add("data folder", &shown, fs::read(&path).expect("it can be read"));
        }
    }
}

/// Every column of every table, as text or as the bytes that it holds.
async fn keep_database(url: &str, evidence: &Evidence) {
    let connection = Database::connect(url).await.expect("the database answers");
    let query = async |sql: String| {
        let rows = connection.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await;
        rows.expect("the database can be read")
    };
    let columns = query(
        "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns WHERE table_schema = 'public'"
            .to_owned(),
    )
    .await;
    assert!(columns.len() > 100, "{} columns", columns.len());
    for column in columns {
        let text = |name: &str| -> String { column.try_get("", name).expect("it is text") };
        let (table, name) = (text("table_name"), text("column_name"));
        let label = format!("{table}.{name}");
        let bytes = text("data_type") == "bytea";
        let kind = if bytes { "bytea" } else { "text" };
        for row in query(format!(
            "SELECT \"{name}\"::{kind} AS value FROM \"{table}\" WHERE \"{name}\" IS NOT NULL"
        ))
        .await
        {
            if bytes {
                let value: Vec<u8> = row.try_get("", "value").expect("it is bytes");
                evidence.add("database", &label, value);
            } else {
                let value: String = row.try_get("", "value").expect("it is text");
                evidence.add("database", &label, value);
            }
        }
    }
    connection.close().await.expect("the connection closes");
}
