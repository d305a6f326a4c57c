//! The meaning of the databases' errors.

use sea_orm::{DbErr, RuntimeErr};

/// Whether the database is currently unavailable for any request: the disk is full or gone, connections are refused, a limit of
/// time ended the work, or a standby answers.
pub(super) fn is_away(error: &DbErr) -> bool {
    let Some(code) = code(error) else { return false };
    match sqlite_kind(&code) {
        // NOMEM, INTERRUPT, IOERR, FULL, CANTOPEN.
        Some(kind) => matches!(kind, 7 | 9 | 10 | 13 | 14),
        // Connection exceptions, insufficient resources, operator intervention (also a statement that was cancelled or took too long),
        // system errors; no lock in time, a transaction that may only read, one that was idle for too long.
        None => ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)) || ["55P03", "25006", "25P03"].contains(&&*code),
    }
}

/// Whether the database can be read but not written, until somebody fixes it: SQLite's PERM, READONLY and AUTH. PostgreSQL says
/// so for a standby, which may end in a moment.
pub(super) fn is_read_only(error: &DbErr) -> bool {
    code(error)
        .and_then(|code| sqlite_kind(&code))
        .is_some_and(|kind| matches!(kind, 3 | 8 | 23))
}

/// Whether SQLite may have ended the transaction on its own: NOMEM, INTERRUPT, IOERR, FULL, see <https://sqlite.org/lang_transaction.html>.
pub(super) fn ends_transaction(error: &DbErr) -> bool {
    code(error)
        .and_then(|code| sqlite_kind(&code))
        .is_some_and(|kind| matches!(kind, 7 | 9 | 10 | 13))
}

/// The database's code of an error.
fn code(error: &DbErr) -> Option<String> {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause))
    | DbErr::Query(RuntimeErr::SqlxError(cause))
    | DbErr::Conn(RuntimeErr::SqlxError(cause))) = error
    else {
        return None;
    };
    Some(cause.as_database_error()?.code()?.into_owned())
}

/// The kind of an error of SQLite, whose codes are numbers of at most four digits with the kind in the lowest byte. PostgreSQL's have five
/// characters.
fn sqlite_kind(code: &str) -> Option<u32> {
    code.parse::<u32>().ok().filter(|_| code.len() < 5).map(|number| number & 0xff)
}

/// Whether the same transaction may succeed when it is retried.
pub(super) fn is_transient(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause))
    | DbErr::Query(RuntimeErr::SqlxError(cause))
    | DbErr::Conn(RuntimeErr::SqlxError(cause))) = error
    else {
        return false;
    };
    let Some(code) = cause
        .as_database_error()
        .and_then(|database| database.code().map(|code| code.into_owned()))
    else {
        return matches!(
            &**cause,
            sqlx::Error::Io(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
                | sqlx::Error::BeginFailed
        );
    };
    // PostgreSQL: serialization failure, deadlock, shutdowns. SQLite: BUSY and LOCKED with their extended codes.
    matches!(
        code.as_str(),
        "40001" | "40P01" | "57P01" | "57P02" | "57P03" | "5" | "6" | "261" | "517" | "773" | "262"
    )
}

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectionTrait, Database};

    use super::*;
    use crate::{
        domain::Reason,
        store::{DatabaseLimits, DatabaseLocation, Store, store_error},
        telemetry::Metrics,
    };

    #[tokio::test]
    async fn a_database_that_may_not_be_written_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mailagent.db");
        let location = DatabaseLocation::Sqlite(path.clone());
        let store = Store::open(&location, &DatabaseLimits::default(), Metrics::default())
            .await
            .unwrap();
        store.close().await;
        let database = Database::connect(format!("sqlite:{}?mode=ro", path.display())).await.unwrap();
        let error = database.execute_unprepared("CREATE TABLE t (x TEXT)").await.unwrap_err();
        assert!(is_read_only(&error) && !is_away(&error) && !is_transient(&error), "{error:?}");
        let error = store_error(error);
        assert_eq!(error.reason, Reason::StoreReadOnly);
        assert!(error.public.contains("write access") && !error.public.contains("Retry"), "{error}");
    }
}
