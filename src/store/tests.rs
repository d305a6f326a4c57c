//! What SQLite does on its own, as seen from another connection.

use std::{
    path::{Path, PathBuf},
    task::Poll,
    time::Duration,
};

use futures::FutureExt;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbBackend, DbErr, Statement};
use tokio::time::Instant;

use super::*;
use crate::domain::{Contact, Kind, Reason, Timestamp};

async fn open(path: &Path) -> Store {
    let location = DatabaseLocation::Sqlite(path.to_owned());
    Store::open(&location, &DatabaseLimits::default(), Metrics::default())
        .await
        .unwrap()
}

fn file(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("mailagent.db")
}

/// Writes a row with so many bytes.
async fn insert(writer: &Writer, name: &str, bytes: usize) -> std::result::Result<(), DbErr> {
    let sql = "INSERT INTO installation (name, value) VALUES (?1, ?2)";
    let values = [name.into(), "x".repeat(bytes).into()];
    let statement = Statement::from_sql_and_values(DbBackend::Sqlite, sql, values);
    writer.conn.execute_raw(statement).await.map(drop)
}

/// The rows as another process sees them.
async fn seen(path: &Path) -> Vec<String> {
    let other = Database::connect(ConnectOptions::new(format!("sqlite:{}", path.display())))
        .await
        .unwrap();
    let sql = "SELECT name FROM installation ORDER BY name";
    let rows = other.query_all_raw(Statement::from_string(DbBackend::Sqlite, sql)).await.unwrap();
    other.close().await.unwrap();
    rows.iter().map(|row| row.try_get("", "name").unwrap()).collect()
}

#[track_caller]
fn assert_unavailable(error: Error) {
    assert!(matches!(error.kind, Kind::Unavailable { .. }), "{}", error.chain());
}

#[tokio::test]
async fn commits_after_a_full_disk_are_durable() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&file(&folder)).await;
    let write = &store.inner.write;
    let count = Statement::from_string(DbBackend::Sqlite, "PRAGMA page_count");
    let pages: i64 = write.query_one_raw(count).await.unwrap().unwrap().try_get_by_index(0).unwrap();
    write
        .execute_unprepared(&format!("PRAGMA max_page_count = {}", pages + 2))
        .await
        .unwrap();

    let writer = store.begin(&"acme".into()).await.unwrap();
    let error = insert(&writer, "great", 1 << 20).await.unwrap_err();
    assert!(faults::ends_transaction(&error), "{error}");
    assert_unavailable(store_error(error));
    drop(writer);
    // The disk is enlarged.
    write.execute_unprepared("PRAGMA max_page_count = 1073741823").await.unwrap();
    // An ordinary rollback, then a commit.
    let writer = store.begin(&"acme".into()).await.unwrap();
    insert(&writer, "rolled back", 1).await.unwrap();
    drop(writer);
    let writer = store.begin(&"acme".into()).await.unwrap();
    insert(&writer, "kept", 1).await.unwrap();
    writer.commit().await.unwrap();
    assert_eq!(seen(&file(&folder)).await, ["kept"]);
}

#[tokio::test]
async fn nothing_follows_a_statement_that_failed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&file(&folder)).await;
    let writer = store.begin(&"acme".into()).await.unwrap();
    insert(&writer, "before", 1).await.unwrap();
    insert(&writer, "before", 1).await.unwrap_err();
    // A caller that ignores the error gets it again.
    insert(&writer, "behind", 1).await.unwrap_err();
    assert_unavailable(writer.commit().await.unwrap_err());

    // Of a statement that is dropped, nobody knows whether it succeeded.
    let writer = store.begin(&"acme".into()).await.unwrap();
    insert(&writer, "given up", 1).await.unwrap();
    // It counts for so long that its answer cannot be there at once.
    let slow = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 5000000) SELECT count(*) FROM c";
    let mut statement = Box::pin(writer.conn.query_one_raw(Statement::from_string(DbBackend::Sqlite, slow)));
    assert!(matches!(futures::poll!(statement.as_mut()), Poll::Pending));
    drop(statement);
    assert_unavailable(writer.commit().await.unwrap_err());
    assert_eq!(seen(&file(&folder)).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_database_that_only_reads_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&file(&folder)).await;
    store.inner.write.execute_unprepared("PRAGMA query_only = 1").await.unwrap();
    for _ in ["found", "remembered"] {
        assert_eq!(store.check_ready().await.unwrap_err().reason, Reason::StoreReadOnly);
    }
    store.inner.write.execute_unprepared("PRAGMA query_only = 0").await.unwrap();
    let began = Instant::now();
    while let Err(error) = store.check_ready().await {
        assert!(began.elapsed() < Duration::from_secs(30), "{}", error.chain());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(seen(&file(&folder)).await, ["ready"]);
    // Proven for a while.
    store.inner.write.execute_unprepared("PRAGMA query_only = 1").await.unwrap();
    store.inner.readiness.written();
    assert!(
        store.check_ready().now_or_never().unwrap().is_ok(),
        "nothing is written so soon after"
    );
}

#[tokio::test]
async fn streams_notice_what_another_process_commits() {
    let folder = tempfile::tempdir().unwrap();
    // Both have connections of their own, as two processes have.
    let (ours, others) = (open(&file(&folder)).await, open(&file(&folder)).await);
    let reader = ours.tenant(&"acme".into());
    let limit = Duration::from_mins(5);
    let began = Instant::now();
    let waiting = reader.wait_past(0, limit);
    let writing = async {
        let mut writer = others.begin(&"acme".into()).await.unwrap();
        writer.allocate_positions(1).await.unwrap();
        writer.commit().await.unwrap();
    };
    tokio::join!(waiting, writing);
    assert!(began.elapsed() < limit / 2, "it was woken, after {:?}", began.elapsed());
    assert_eq!(reader.log_bounds().await.unwrap().0, 1);
}

#[tokio::test]
async fn the_first_blob_store_is_the_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&file(&folder)).await;
    for found in ["one", "two"] {
        assert_eq!(store.blob_store_identity(found).await.unwrap(), "one");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_and_its_log_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let _store = open(&file(&folder)).await;
    for end in ["", "-wal", "-shm"] {
        let path = folder.path().join(format!("mailagent.db{end}"));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
}

fn contact(id: &str, customer: &str, addresses: &[&str], revision: i64) -> Contact {
    Contact {
        id: id.into(),
        customer: customer.into(),
        display_name: String::new(),
        addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
        revision,
        created_by_service: false,
    }
}

#[tokio::test]
async fn addresses_that_stay_are_not_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&file(&folder)).await;
    let mut writer = store.begin(&"acme".into()).await.unwrap();
    let changes = async |writer: &Writer| -> i64 {
        let count = Statement::from_string(DbBackend::Sqlite, "SELECT total_changes()");
        let row = writer.conn.query_one_raw(count).await.unwrap().unwrap();
        row.try_get_by_index(0).unwrap()
    };
    let mut check = async |contact: Contact, is_written: bool, expected: &[(&str, &str)]| {
        let before = changes(&writer).await;
        writer.upsert_contacts(std::slice::from_ref(&contact)).await.unwrap();
        // One is the contact's own row.
        assert_eq!(changes(&writer).await - before > 1, is_written, "{contact:?}");
        let keys = ["a@oak.example", "b@oak.example"].map(str::to_owned).into();
        let known = writer.known_addresses(&keys).await.unwrap();
        let mut found: Vec<(&str, &str)> = known
            .iter()
            .flat_map(|(key, who)| who.iter().map(move |who| (key.as_str(), who)))
            .map(|(key, who)| match who {
                KnownAddress::Contact { customer, .. } => (key, customer.as_str()),
                other => panic!("{other:?}"),
            })
            .collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{contact:?}");
    };
    let (a, b) = ("a@oak.example", "b@oak.example");
    check(contact("eva", "oak", &["A@oak.example", a], 1), true, &[(a, "oak")]).await;
    check(contact("eva", "oak", &[a], 2), false, &[(a, "oak")]).await;
    check(contact("eva", "oak", &[b, a], 3), true, &[(a, "oak"), (b, "oak")]).await;
    check(contact("eva", "elm", &[b, a], 4), true, &[(a, "elm"), (b, "elm")]).await;
    check(contact("eva", "elm", &[b], 5), true, &[(b, "elm")]).await;
    check(contact("eva", "elm", &[], 6), true, &[]).await;
    check(contact("eva", "elm", &[], 7), false, &[]).await;
}

#[tokio::test]
async fn all_attempts_whose_time_is_over_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&file(&folder)).await;
    let attempts = "INSERT INTO login_attempt (tenant_id, id, user_id, source, provider, redirect_url, secrets_sealed, expire_time) \
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1300) \
        SELECT 'tenant ' || (i % 7), 'attempt ' || i, '', '', '', '', x'00', i FROM n";
    store.inner.write.execute_unprepared(attempts).await.unwrap();
    assert_eq!(store.drop_attempts(Timestamp(1201)).await.unwrap(), 1200);
    assert_eq!(store.drop_attempts(Timestamp(1201)).await.unwrap(), 0);
}
