//! `[database]`.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use url::Url;
use zeroize::Zeroizing;

use super::{reader::section, source::Raw, value::Value};

section! {
    /// The database.
    pub struct Database {
        /// Which one.
        pub url: DatabaseUrl => like("postgres://mailagent@localhost/mailagent"),
        /// Limit of open connections. SQLite always has one writer.
        pub max_connections: u32 => within("1", "10000"),
        /// PostgreSQL's timeout for a statement.
        pub statement_timeout: Duration => within("100ms", "1h"),
        /// PostgreSQL's timeout for a lock.
        pub lock_timeout: Duration => within("100ms", "1h"),
        /// PostgreSQL's timeout for an idle transaction.
        pub idle_in_transaction_timeout: Duration => within("100ms", "1h"),
        /// How long PostgreSQL keeps a connection whose other end is silent.
        pub silence_timeout: Duration => within("6s", "1h"),
    }
}

/// Which database it is. Displayed without its password.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A SQLite file. It need not exist yet, nor its folder.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres(PostgresUrl),
}

/// The URL of a PostgreSQL database. Displayed without its user, password and parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    whole: Zeroizing<String>,
    shown: String,
}

impl PostgresUrl {
    /// The URL with its password, for the connection.
    pub fn expose(&self) -> &str {
        &self.whole
    }

    fn new(url: Url) -> Self {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let shown = format!("postgres://{}{port}{}", url.host_str().unwrap_or_default(), url.path());
        Self {
            shown,
            whole: Zeroizing::new(url.into()),
        }
    }
}

impl Value for DatabaseUrl {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = raw.text()?;
        if let Some(path) = text.strip_prefix("sqlite:") {
            return sqlite(path);
        }
        // What cannot be parsed is not shown: it may be a password with a character that needs escaping.
        match Url::parse(text) {
            Ok(url) if !matches!(url.scheme(), "postgres" | "postgresql") => Err("begins with neither sqlite: nor postgres://".to_owned()),
            Ok(url) if url.host().is_some() || url.query_pairs().any(|(name, _)| name == "host") => {
                Ok(Self::Postgres(PostgresUrl::new(url)))
            }
            Ok(_) => Err("has no host".to_owned()),
            Err(error) if text.starts_with("postgres") => Err(format!(
                "is not a URL: {error} (characters such as @ : / # in a password must be written as %40 %3A %2F %23)"
            )),
            Err(_) => Err("begins with neither sqlite: nor postgres://".to_owned()),
        }
    }

    fn within_data(self, data_dir: &Path) -> Self {
        match self {
            Self::Sqlite(path) => Self::Sqlite(path.within_data(data_dir)),
            Self::Postgres(url) => Self::Postgres(url),
        }
    }
}

fn sqlite(path: &str) -> Result<DatabaseUrl, String> {
    let path = path.strip_prefix("//").unwrap_or(path);
    match path {
        "" => Err("names no file".to_owned()),
        ":memory:" => Err(
            "is an in-memory database: it would be lost at shutdown, and every connection would have its own; use a file in a temporary \
             folder"
                .to_owned(),
        ),
        _ if path.contains('?') => Err("must not have parameters".to_owned()),
        _ => Ok(DatabaseUrl::Sqlite(path.into())),
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
