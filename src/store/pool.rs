//! Pools whose every statement ends in time, and which say why they have no connection.

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use sea_orm::{ConnAcquireErr, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use sqlx::postgres::PgConnectOptions;
use tokio::{
    net::TcpStream,
    sync::Mutex,
    time::{Instant, timeout},
};

/// A pool of connections. Cheap to clone.
#[derive(Clone)]
pub struct Pool {
    connection: DatabaseConnection,
    /// How long to wait for a statement. `None` within this process, where responses do not get lost.
    patience: Option<Duration>,
    reach: Option<Arc<ConnectProbe>>,
}

impl Pool {
    /// Connections within this process.
    pub(super) fn local(connection: DatabaseConnection) -> Self {
        Self {
            connection,
            patience: None,
            reach: None,
        }
    }

    /// Connections over the network.
    pub(super) fn remote(connection: DatabaseConnection, patience: Duration, reach: Arc<ConnectProbe>) -> Self {
        Self {
            connection,
            patience: Some(patience),
            reach: Some(reach),
        }
    }

    /// The connections themselves.
    pub(super) fn connection(&self) -> &DatabaseConnection {
        &self.connection
    }

    /// How long to wait for a statement.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.patience
    }

    /// Says why there is no connection, if that can be found out.
    pub(super) async fn explain(&self, error: DbErr) -> DbErr {
        match (&error, &self.reach) {
            (DbErr::ConnectionAcquire(ConnAcquireErr::Timeout), Some(reach)) => match reach.problem().await {
                Some(problem) => DbErr::Conn(RuntimeErr::Internal(problem)),
                None => error,
            },
            _ => error,
        }
    }

    async fn run<T>(&self, work: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
        match bounded(self.patience, work).await {
            Ok(value) => Ok(value),
            Err(error) => Err(self.explain(error).await),
        }
    }
}

/// Waits for a response of the database, but not for ever. A dropped statement returns its connection to the pool, where it is checked.
pub(super) async fn bounded<T>(patience: Option<Duration>, work: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
    let Some(patience) = patience else { return work.await };
    let silent = |_| DbErr::Conn(RuntimeErr::Internal(format!("the database did not answer within {patience:?}")));
    timeout(patience, work).await.unwrap_or_else(|elapsed| Err(silent(elapsed)))
}

#[async_trait]
impl ConnectionTrait for Pool {
    fn get_database_backend(&self) -> DbBackend {
        self.connection.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.run(self.connection.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.run(self.connection.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.run(self.connection.query_one_raw(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.run(self.connection.query_all_raw(statement)).await
    }
}

/// Finds out why connections cannot be made: a pool that keeps retrying only reports in the end that it timed out.
pub(super) struct ConnectProbe {
    address: Option<(String, u16)>,
    /// The last finding. Held during a check, so that one checks for all.
    last: Mutex<Option<(Instant, Option<String>)>>,
}

impl ConnectProbe {
    /// How long a finding is valid, and the longest that a check takes.
    const FRESH: Duration = Duration::from_secs(2);

    pub(super) fn new(url: &str) -> Self {
        let options = url.parse::<PgConnectOptions>().ok();
        // A socket of this machine has no address.
        let options = options.filter(|options| options.get_socket().is_none() && !options.get_host().starts_with('/'));
        Self {
            address: options.map(|options| (options.get_host().to_owned(), options.get_port())),
            last: Mutex::new(None),
        }
    }

    /// What prevents connections. `None` if nothing does.
    async fn problem(&self) -> Option<String> {
        let (host, port) = self.address.as_ref()?;
        let mut last = self.last.lock().await;
        if let Some((when, problem)) = &*last
            && when.elapsed() < Self::FRESH
        {
            return problem.clone();
        }
        let problem = match timeout(Self::FRESH, TcpStream::connect((host.as_str(), *port))).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(format!("{host}:{port}: {error}")),
            Err(_) => Some(format!("{host}:{port} does not answer")),
        };
        *last = Some((Instant::now(), problem.clone()));
        problem
    }
}
