//! A fresh PostgreSQL database for each test that needs one.

use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{ConnectionTrait, Database};
use url::Url;

/// Names the server; its user must be allowed to make databases.
const VARIABLE: &str = "MAILAGENT_TEST_POSTGRES_URL";

/// A database, dropped with this value.
pub struct PostgresDatabase {
    server: Url,
    name: String,
    url: String,
}

impl PostgresDatabase {
    /// Makes an empty database.
    ///
    /// # Panics
    /// Without a server: a test that cannot run must not look as if it had.
    pub async fn create() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = std::env::var(VARIABLE)
            .unwrap_or_else(|_| panic!("{VARIABLE} is not set: this test needs a PostgreSQL server; run `make test`, which starts one"));
        let server = Url::parse(&server).unwrap_or_else(|error| panic!("{VARIABLE} is not a URL: {error}"));
        let name = format!("mailagent_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut url = server.clone();
        url.set_path(&name);
        execute(&server, &format!("CREATE DATABASE {name}")).await;
        Self {
            server,
            name,
            url: url.into(),
        }
    }

    /// How the service reaches it.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // A thread of its own, as the test's runtime may be busy ending.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            runtime.expect("a runtime can be made").block_on(execute(&server, &statement));
        });
        if dropping.join().is_err() {
            eprintln!("the database {} is left behind", self.name);
        }
    }
}

async fn execute(server: &Url, statement: &str) {
    let connection = Database::connect(server.as_str())
        .await
        .unwrap_or_else(|error| panic!("the PostgreSQL server of {VARIABLE} cannot be reached: {error}"));
    let done = connection.execute_unprepared(statement).await;
    done.unwrap_or_else(|error| panic!("{statement}: {error}"));
    connection.close().await.expect("the connection closes");
}
