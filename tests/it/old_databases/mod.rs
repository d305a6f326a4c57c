//! Databases of earlier versions open with this one, with everything that is in them.
//!
//! `tests/data/old-databases` keeps a database of each version that changed what is stored, for both engines, as its tables and rows were:
//! every later migration is tried on all of them. Secrets in them are sealed, so their keys lie beside them. CONTRIBUTING.md says how to
//! make the next one.
//!
//! | file | holds |
//! |---|---|
//! | `make` | fills a database as the present version does, with rows in all tables |
//! | `read` | what must be found again in a database that `make` filled |
//! | `dump` | databases as SQL that people can review, and back |

mod dump;
mod make;
mod read;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use mailagent::testing::{
    app::{self, Environment},
    lifecycle::Lifecycle,
};

use self::dump::Dump;
use crate::{
    harness::{Engine, files_below},
    login::Place,
};

/// With it, the database that is made is kept under its value.
const KEEP: &str = "MAILAGENT_KEEP_DATABASE";
/// Of the kept files, the one that has the statements.
const SQL: &str = "database.sql";
/// A cursor of `WatchMatches` behind the first match.
const CURSOR: &str = "cursor.txt";
/// What of a data folder is kept beside the database: the key of its secrets, and which blobs belong to it.
const FILES: [&str; 2] = ["master.key", "blobs"];

/// A database with what belongs to it, as in a folder of `tests/data/old-databases`.
struct Kept {
    /// Statements, with names in place of addresses that differ between runs.
    sql: String,
    cursor: String,
    /// Files of the data folder by their paths in it.
    files: BTreeMap<PathBuf, Vec<u8>>,
}

fn kept_databases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/old-databases")
}

fn engine_name(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "sqlite",
        Engine::Postgres => "postgres",
    }
}

/// Files in a folder and below it, by their paths from there.
fn files_in(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).expect("it can be read");
        (path.strip_prefix(folder).expect("it is in there").to_owned(), bytes)
    };
    files_below(folder).into_iter().map(read).collect()
}

impl Kept {
    /// What a service that was stopped leaves behind.
    fn of(p: &Place, dump: &Dump, cursor: String) -> Self {
        let data = &p.h.config.data_dir;
        let mut files = files_in(data);
        files.retain(|path, _| FILES.iter().any(|kept| path.starts_with(kept)));
        let mut sql = dump.sql.clone();
        for (name, address) in addresses(p) {
            sql = sql.replace(&address, name);
        }
        Self { sql, cursor, files }
    }

    fn read(folder: &Path) -> Self {
        let mut files = files_in(folder);
        let mut text = |name: &str| {
            let bytes = files
                .remove(Path::new(name))
                .unwrap_or_else(|| panic!("{name} is in {}", folder.display()));
            String::from_utf8(bytes).expect("it is text")
        };
        let (sql, cursor) = (text(SQL), text(CURSOR).trim_end().to_owned());
        Self { sql, cursor, files }
    }

    fn write(&self, folder: &Path) {
        let put = |path: &Path, bytes: &[u8]| {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().expect("it is in the folder")).expect("folders can be made");
            fs::write(path, bytes).expect("it can be written");
        };
        put(Path::new(SQL), self.sql.as_bytes());
        put(Path::new(CURSOR), format!("{}\n", self.cursor).as_bytes());
        for (path, bytes) in &self.files {
            put(path, bytes);
        }
    }

    /// Puts it in the place of what the service had, which must have stopped.
    async fn restore(&self, p: &Place) {
        let data = &p.h.config.data_dir;
        for kept in FILES {
            let path = data.join(kept);
            // Some are made when they are first needed.
            let _ = if path.is_dir() {
                fs::remove_dir_all(path)
            } else {
                fs::remove_file(path)
            };
        }
        for (path, bytes) in &self.files {
            let path = data.join(path);
            fs::create_dir_all(path.parent().expect("it is in the folder")).expect("folders can be made");
            fs::write(&path, bytes).expect("it can be written");
            // The service takes no key that others may read.
            let rights = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            fs::set_permissions(&path, rights).expect("it is ours");
        }
        let mut sql = self.sql.clone();
        for (name, address) in addresses(p) {
            sql = sql.replace(name, &address);
        }
        dump::load(&p.h, &sql).await;
    }
}

/// Names that stand in kept databases for what has another address in each run.
fn addresses(p: &Place) -> [(&'static str, String); 3] {
    let authority = |url: &str| url.split('/').nth(2).expect("it is a URL").to_owned();
    [
        ("{mail-server}", authority(p.h.exchange.endpoint().as_str())),
        ("{login-provider}", authority(p.entra.authority().as_str())),
        ("{service}", authority(&p.h.url())),
    ]
}

/// Opens a kept database with this version, and looks whether everything is still there.
async fn check(mut p: Place, kept: &Kept) {
    if p.h.is_running() {
        p.h.stop().await;
    }
    // Later than whatever is in there.
    p.h.clock.advance(Duration::from_mins(5));
    kept.restore(&p).await;
    let before = dump::rows(&p.h).await;
    let environment = Environment {
        clock: p.h.clock.clone(),
        ..Environment::default()
    };
    let ops = app::build_ops(&p.h.config, environment, &Lifecycle::new()).await;
    ops.expect("the migrations run").store.close().await;
    let after = dump::rows(&p.h).await;
    for (table, count) in before {
        // A migration that gives rows another place says here where.
        let now = after.get(&table).copied().unwrap_or_default();
        assert!(now >= count, "{table} had {count} rows and has {now}");
    }
    read::check(&mut p, &kept.cursor).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_database_has_rows_in_all_tables_and_is_read_again() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        println!("on {engine:?}");
        let mut p = make::place(engine).await;
        let cursor = make::fill(&p).await;
        p.h.stop().await;
        make::leave_behind(&p.h).await;
        let dump = dump::write(&p.h).await;
        let empty: Vec<&String> = dump.rows.iter().filter(|(_, rows)| **rows == 0).map(|(table, _)| table).collect();
        assert!(empty.is_empty(), "old_databases/make.rs puts no row into {empty:?}");
        let kept = Kept::of(&p, &dump, cursor);
        kept.restore(&p).await;
        assert_eq!(dump::write(&p.h).await.sql, dump.sql, "what was loaded is what was there");
        if let Ok(name) = std::env::var(KEEP) {
            kept.write(&kept_databases().join(name).join(engine_name(engine)));
        }
        check(p, &kept).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_of_earlier_versions_keep_everything() {
    let mut names: Vec<PathBuf> = fs::read_dir(kept_databases())
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    names.sort();
    assert!(!names.is_empty());
    for folder in names {
        for engine in [Engine::Sqlite, Engine::Postgres] {
            println!("{} on {engine:?}", folder.display());
            let kept = Kept::read(&folder.join(engine_name(engine)));
            check(make::place(engine).await, &kept).await;
        }
    }
}
