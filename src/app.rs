//! The one place that builds everything and knows every concrete type.

mod callers;
mod files;
mod logins;
mod preparation;
mod replica;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio::{net::TcpListener, sync::Notify};

use crate::{
    api,
    blobs::{self, BlobStore, FileStore},
    config::{BlobsUrl, Config, ConfigErrors, DatabaseUrl},
    crypto::{Ids, KeySource, LocalIssuer},
    domain::{Clock, SystemClock},
    jobs::{
        Jobs,
        linking::Linking,
        logins::Logins,
        mailboxes::{self, Mailboxes},
        pruning::Pruning,
        reads::Reads,
    },
    lifecycle::{Lifecycle, OnError, ShutdownSignals, Stopped},
    net::{Names, Network, NetworkConfig, SystemNames},
    ops::{
        AnswerMemory, Keys, KeysError, Limits, Ops, Processor, ProcessorLimits,
        push::{NOTIFICATIONS, Wakers},
    },
    private,
    provider::{
        BudgetLimits, Budgets, CheckSchedule, DiscoveryRules, NetworkConnector, SmtpConfig,
        exchange::ews::{EwsStreams, StreamLimits},
    },
    store::{DatabaseLimits, DatabaseLocation, OpenError, Store},
    telemetry::Metrics,
};

pub use files::check_files;

/// Name of the file with the key of the local issuer in the data folder.
const ISSUER_KEY: &str = "issuer.pem";

/// How long a shutdown waits for the last audit entries about reads.
const LAST_READS: std::time::Duration = std::time::Duration::from_secs(5);

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The files that settings name.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// A folder or file of its own.
    #[error("cannot use {path}")]
    Folder {
        /// Which one.
        path: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A key file.
    #[error("cannot use a key file")]
    Key(#[from] crate::crypto::KeyFileError),
    /// The master key.
    #[error("cannot use the master key (keys.master)")]
    Keys(#[from] KeysError),
    /// The database.
    #[error("cannot open the database {location}")]
    Database {
        /// Where it is, without credentials.
        location: String,
        /// Why not.
        #[source]
        source: OpenError,
    },
    /// The identity of the installation in the database or the blob store.
    #[error("cannot use the blob store {folder} (blobs.url)")]
    Blobs {
        /// Where it is.
        folder: String,
        /// What one of them says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The blob store is not the one that the database knows.
    #[error(
        "the folder {folder} (blobs.url) does not belong to this database: its id is {found}, and the database expects {known}. \
         All replicas must share one folder. If that folder was lost and this one replaces it, write {known} into {folder}/{file}",
        file = blobs::IDENTITY
    )]
    OtherBlobs {
        /// The folder.
        folder: String,
        /// Its identity.
        found: String,
        /// The identity that is in the database.
        known: String,
    },
    /// The file with further certificate authorities.
    #[error("cannot read network.root_certificates_file {path}: {problem}")]
    Roots {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// The port.
    #[error("cannot serve on {address}")]
    Listen {
        /// Where.
        address: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

/// What a test may substitute for the machine's.
pub struct Environment {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Counts what happens.
    pub metrics: Metrics,
    /// Resolves the names of mailbox servers.
    pub names: Arc<dyn Names>,
    /// The program in which messages that crashed a process are tried separately.
    pub program: Option<PathBuf>,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            metrics: Metrics::default(),
            names: Arc::new(SystemNames),
            program: None,
        }
    }
}

/// A running service.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it does, for callers in the same process.
    pub ops: Ops,
    lifecycle: Lifecycle,
    grace: std::time::Duration,
    /// Keeps the replica's name exclusive.
    _name: Option<std::fs::File>,
}

impl Running {
    /// Runs until a signal arrives or a task dies, then stops within the grace period.
    pub async fn run(self, signals: &mut ShutdownSignals) -> Stopped {
        let stopped = self.lifecycle.run(signals, self.grace).await;
        self.close().await;
        stopped
    }

    /// Stops within the grace period.
    #[cfg(feature = "testing")]
    pub async fn stop(self) -> Stopped {
        let stopped = self.lifecycle.stop(self.grace).await;
        self.close().await;
        stopped
    }

    async fn close(&self) {
        let reads = &self.ops.reads;
        let flushed = tokio::time::timeout(LAST_READS, reads.flush(&self.ops.store)).await;
        if !matches!(flushed, Ok(Ok(_))) {
            tracing::error!(lost = reads.waiting_count(), "reads could not be written to the audit log");
        }
        self.ops.store.close().await;
    }
}

/// Starts the service on a port that is already open.
///
/// # Errors
/// [`StartError`] says what is missing; nothing runs then.
#[cfg(feature = "testing")]
pub async fn start(config: Config, listener: TcpListener) -> Result<Running, StartError> {
    start_in(config, listener, Environment::default()).await
}

/// Starts the service in the given environment.
///
/// # Errors
/// As [`start`].
pub async fn start_in(config: Config, listener: TcpListener, environment: Environment) -> Result<Running, StartError> {
    let lifecycle = Lifecycle::new();
    let address = listener.local_addr().map_err(|source| StartError::Listen {
        address: config.server.listen.to_string(),
        source,
    })?;
    check_files(&config)?;
    let ops = build_ops_at(address, &config, environment, &lifecycle).await?;
    let callers = callers::build(&config, &lifecycle)?;
    let replica = match config.database.url {
        DatabaseUrl::Sqlite(_) => None,
        DatabaseUrl::Postgres(_) => Some(replica::replica_id(&config.data_dir, &ops.ids)),
    };
    let schedule = mailboxes::Schedule {
        poll_interval: config.exchange.poll_interval,
        completeness_interval: config.exchange.completeness_interval,
        push: config.exchange.push,
        concurrent: config.exchange.concurrent_mailboxes,
        holder: replica.as_ref().map(|(name, _)| name.clone()),
    };
    let jobs = Jobs::new(lifecycle.clone(), ops.clock.clone(), ops.metrics.clone());
    jobs.start(Mailboxes::new(ops.clone(), lifecycle.clone(), schedule));
    jobs.start(Pruning {
        ops: ops.clone(),
        keep: config.events.keep,
    });
    jobs.start(Linking { ops: ops.clone() });
    jobs.start(Reads { ops: ops.clone() });
    jobs.start(Logins::new(ops.clone(), config.oauth.check_interval));
    let edge = api::Edge {
        ops: ops.clone(),
        callers: Arc::new(callers),
        server: config.server.clone(),
        lifecycle: lifecycle.clone(),
    };
    lifecycle.spawn("edge", OnError::Stop, api::serve(edge, listener));
    Ok(Running {
        address,
        ops,
        lifecycle,
        grace: config.server.shutdown_grace,
        _name: replica.and_then(|(_, lock)| lock),
    })
}

/// Opens the data folder's issuer of tokens; it and its folder are made when missing.
///
/// # Errors
/// When the folder or the key cannot be used.
pub fn open_issuer(data: &Path) -> Result<LocalIssuer, StartError> {
    make_folder(data)?;
    Ok(LocalIssuer::load_or_create(&data.join(ISSUER_KEY))?)
}

/// Makes both keys of a new data folder, as the first start does: whoever gives the folder to a further machine then gives it whole. Where
/// the service has run, or shares its database with others, a missing key is to be restored instead, and stays missing.
///
/// # Errors
/// When the folder or a key cannot be used.
pub async fn prepare_keys(config: &Config) -> Result<(), StartError> {
    let is_new = config.auth.takes_local_tokens() && !config.data_dir.join(ISSUER_KEY).exists();
    let DatabaseUrl::Sqlite(database) = &config.database.url else {
        return Ok(());
    };
    if is_new && !database.exists() && matches!(config.keys.master, KeySource::File(_)) {
        make_folder(&config.data_dir)?;
        config.keys.master.load_or_create().await.map_err(KeysError::from)?;
    }
    Ok(())
}

/// Builds what operations work with, without any task or port: for the commands that work on the data themselves.
///
/// # Errors
/// As [`start`].
pub async fn build_ops(config: &Config, environment: Environment, lifecycle: &Lifecycle) -> Result<Ops, StartError> {
    build_ops_at(config.server.listen, config, environment, lifecycle).await
}

/// The same for a service that listens on this address.
async fn build_ops_at(address: SocketAddr, config: &Config, environment: Environment, lifecycle: &Lifecycle) -> Result<Ops, StartError> {
    make_folder(&config.data_dir)?;
    private::warn_if_shared(&config.data_dir);
    let store = open_store(config, environment.metrics.clone()).await?;
    let keys = Keys::open(&store, config.keys.master.clone(), environment.clock.clone()).await?;
    let BlobsUrl::File(folder) = config.blobs.url.clone();
    let blobs = open_blobs(&folder, &store).await?;
    let max_message_bytes = config.mail.max_message_size.0;
    let root_certificates = config
        .network
        .root_certificates_file
        .as_deref()
        .map_or(Ok(Vec::new()), read_roots)?;
    let network = NetworkConfig {
        allow_loopback: config.network.allow_loopback,
        connect_timeout: config.network.connect_timeout,
        root_certificates,
        metrics: environment.metrics.clone(),
    };
    let network = Network::with_names(network, environment.names);
    let connector = NetworkConnector {
        network,
        request_timeout: config.exchange.request_timeout,
        looks: CheckSchedule::default(),
        max_message_bytes,
        budgets: Arc::new(Budgets::new(BudgetLimits {
            per_mailbox: config.exchange.requests_per_mailbox,
            per_application: config.exchange.requests_per_application,
            graph_in_ten_minutes: config.exchange.graph_requests_per_ten_minutes,
            longest_pause: config.exchange.max_backoff,
        })),
        streams: Arc::new(EwsStreams::new(StreamLimits {
            mailboxes: config.exchange.mailboxes_per_stream,
            ..StreamLimits::default()
        })),
        fetch_batch: config.exchange.fetch_batch,
        discovery: DiscoveryRules {
            hosts: config.exchange.autodiscover_hosts.0.clone(),
            timeout: config.exchange.autodiscover_timeout,
        },
        smtp: SmtpConfig {
            request_timeout: config.smtp.request_timeout,
            delivery_timeout: config.smtp.delivery_timeout,
            max_connections: config.smtp.max_connections,
        },
    };
    let processor = ProcessorLimits {
        at_once: ProcessorLimits::at_once_here(),
        bytes: config.server.processor_memory.0,
        waiting: config.server.max_calls_per_caller,
    };
    let ids = Arc::new(Ids::new(environment.clock.clone()));
    let preparation = preparation::open(&config.data_dir, &ids.next(), environment.program)?;
    let ops = Ops {
        store,
        blobs: Arc::new(blobs),
        vault: keys.vault,
        sealer: keys.sealer,
        ids,
        clock: environment.clock,
        connector: Arc::new(connector),
        limits: Arc::new(Limits {
            max_message_bytes,
            inline_bytes: config.blobs.inline_limit.as_usize(),
            allow_http: config.exchange.allow_http,
            allow_loopback: config.network.allow_loopback,
            max_backoff: config.exchange.max_backoff,
            bookmark_interval: config.events.bookmark_interval,
        }),
        processor: Processor::new(processor, environment.metrics.clone()),
        answers: Arc::new(AnswerMemory::new(config.exchange.answer_memory.0)),
        metrics: environment.metrics,
        stopping: lifecycle.soft().clone(),
        locks: Arc::default(),
        known_logins: Arc::default(),
        agents_changed: Arc::new(Notify::new()),
        logins: Arc::new(logins::build(config, address)?),
        wakers: Arc::new(Wakers::new(notifications_url(config))),
        logins_changed: Arc::new(Notify::new()),
        mail_to_link: Arc::new(Notify::new()),
        reads: Arc::default(),
        lifecycle: lifecycle.clone(),
        preparation: Arc::new(preparation),
    };
    preparation::accuse_leftovers(&ops, config).await?;
    Ok(ops)
}

/// Where Microsoft Graph may call this service, if it may.
fn notifications_url(config: &Config) -> Option<String> {
    let public = config.oauth.public_url.as_ref().filter(|_| config.exchange.push)?;
    Some(format!("{}{NOTIFICATIONS}", public.url().as_str().trim_end_matches('/')))
}

/// Opens the database and brings it up to date. `metrics` measures its transactions.
///
/// # Errors
/// When its folder cannot be made, or it cannot be reached or refuses.
pub async fn open_store(config: &Config, metrics: Metrics) -> Result<Store, StartError> {
    let database = &config.database;
    let (location, shown) = match &database.url {
        DatabaseUrl::Sqlite(path) => {
            path.parent().map_or(Ok(()), make_folder)?;
            (DatabaseLocation::Sqlite(path.clone()), path.display().to_string())
        }
        DatabaseUrl::Postgres(url) => (DatabaseLocation::Postgres(url.expose().into()), url.to_string()),
    };
    let limits = DatabaseLimits {
        max_connections: database.max_connections,
        statement: database.statement_timeout,
        lock: database.lock_timeout,
        idle_in_transaction: database.idle_in_transaction_timeout,
        silence: database.silence_timeout,
    };
    let opened = Store::open(&location, &limits, metrics).await;
    let store = opened.map_err(|source| StartError::Database { location: shown, source })?;
    if let DatabaseLocation::Sqlite(path) = &location {
        for end in ["", "-wal", "-shm"] {
            let mut path = path.clone().into_os_string();
            path.push(end);
            private::warn_if_shared(Path::new(&path));
        }
    }
    Ok(store)
}

/// Opens the blob store, which must be the one that the database knows.
async fn open_blobs(folder: &Path, store: &Store) -> Result<FileStore, StartError> {
    let shown = || folder.display().to_string();
    let fault = |source: Box<dyn std::error::Error + Send + Sync>| StartError::Blobs { folder: shown(), source };
    let blobs = FileStore::open(folder).map_err(|source| StartError::Folder { path: shown(), source })?;
    private::warn_if_shared(folder);
    // Used when the store has none yet.
    let new = Ids::new(Arc::new(SystemClock)).next();
    let found = blobs.identity(&new).await.map_err(|error| fault(error.into()))?;
    let known = store.blob_store_identity(&found).await.map_err(|error| fault(error.into()))?;
    if found == known {
        Ok(blobs)
    } else {
        Err(StartError::OtherBlobs {
            folder: shown(),
            found,
            known,
        })
    }
}

fn make_folder(path: &Path) -> Result<(), StartError> {
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    private::make_folder(path).map_err(|source| StartError::Folder {
        path: path.display().to_string(),
        source,
    })
}

fn read_roots(path: &Path) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let fault = |problem: String| StartError::Roots {
        path: path.display().to_string(),
        problem,
    };
    let roots = CertificateDer::pem_file_iter(path).map_err(|error| fault(error.to_string()))?;
    let roots: Vec<_> = roots.collect::<Result<_, _>>().map_err(|error| fault(error.to_string()))?;
    if roots.is_empty() {
        return Err(fault("it has no certificate in PEM form".to_owned()));
    }
    let mut store = RootCertStore::empty();
    for (index, root) in roots.iter().enumerate() {
        let added = store.add(root.clone());
        added.map_err(|error| {
            fault(format!(
                "its certificate {} cannot be used as a certificate authority: {error}",
                index + 1
            ))
        })?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_authorities_are_looked_at_when_the_service_starts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roots.pem");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read_roots(&path).map_err(|error| error.to_string())
        };
        let good = rcgen::generate_simple_self_signed(vec!["mail.example.com".to_owned()])
            .unwrap()
            .cert
            .pem();
        let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(read(&good).unwrap().len(), 1);
        let problem = read(&(good + bad)).unwrap_err();
        assert!(
            problem.contains("certificate 2 cannot be used as a certificate authority"),
            "{problem}"
        );
        let problem = read("nothing").unwrap_err();
        assert!(problem.contains("no certificate in PEM form"), "{problem}");
    }
}
