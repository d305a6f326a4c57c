//! The settings of a process: from the embedded defaults, a file, the environment and the command line to domain types.
//!
//! Each layer overrides the one before it: `default.toml`, which documents every setting, the file given by `--config`, variables
//! named `MAILAGENT_SECTION__KEY`, flags. All errors of all layers are reported at once, also in values that a later layer overrides.
//! Nothing here touches the network or a file other than the one it is given, and no secret is ever printed.
//!
//! To add a setting: a field in its section's file, a commented entry in `default.toml`, a line in `tests/config/`.

mod auth;
mod blobs;
mod database;
mod errors;
mod events;
mod exchange;
mod keys;
mod mail;
mod network;
mod oauth;
mod reader;
mod server;
mod smtp;
mod source;
mod telemetry;
mod url;
mod value;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use zeroize::Zeroize;

pub use auth::{Auth, Id, Identity, Service};
pub use blobs::{Blobs, BlobsUrl};
pub use database::{Database, DatabaseUrl};
pub use errors::{ConfigErrors, Fault};
pub use events::Events;
pub use exchange::Exchange;
pub use keys::Keys;
pub use mail::Mail;
pub use network::Network;
pub use oauth::{LoginProvider, OAuth, PresetName};
#[cfg(feature = "testing")]
pub use server::AllowedOrigins;
pub use server::{ClientCertificate, Server, Tls};
pub use smtp::Smtp;
pub use telemetry::{LogFormat, OtlpEndpoint, Telemetry};
pub use value::{ByteSize, Words};

use reader::{Field, Reader, Rule};

/// The commented default file. The documentation is the default.
pub const DEFAULT_FILE: &str = include_str!("default.toml");

/// All settings of a process. The default is what [`DEFAULT_FILE`] says.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Folder for everything that the service stores itself. Its key is `data`.
    pub data_dir: PathBuf,
    /// The port for callers.
    pub server: Server,
    /// The database.
    pub database: Database,
    /// Where the bytes of messages are stored.
    pub blobs: Blobs,
    /// Keys of secrets at rest.
    pub keys: Keys,
    /// Who may call.
    pub auth: Auth,
    /// Where people log in to their mailboxes.
    pub oauth: OAuth,
    /// Connections to mailbox servers.
    pub network: Network,
    /// Exchange servers and how they are read.
    pub exchange: Exchange,
    /// Servers that mail is sent over.
    pub smtp: Smtp,
    /// What messages are accepted, by sweep and archive alike.
    pub mail: Mail,
    /// The event log.
    pub events: Events,
    /// Logs, traces and metrics.
    pub telemetry: Telemetry,
}

/// A setting given on the command line. Its value is never printed, and is erased when dropped, as it may contain a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Flag {
    /// Dotted key of the setting, such as `server.listen`.
    pub key: &'static str,
    /// Its value, written as in a variable.
    pub value: String,
    /// What the person typed, such as `--listen`. Only for messages.
    pub name: &'static str,
}

impl Drop for Flag {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

impl fmt::Debug for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flag({})", self.name)
    }
}

/// Reads the settings of a process: defaults, then `file`, then `environment`, then `flags`.
///
/// Only names in `environment` that begin with `MAILAGENT_` matter, and an empty value counts as absent. [`environment`] returns that of
/// the process.
///
/// # Errors
/// Every error of every layer, with its place: values that do not parse or are out of range, settings that do not exist, a file
/// that cannot be read. The text never contains a secret.
pub fn load(file: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>, flags: &[Flag]) -> Result<Config, ConfigErrors> {
    let mut reader = Reader::new(source::embedded());
    match file.map(source::file) {
        Some(Ok(entries)) => reader.add(entries),
        Some(Err(fault)) => reader.fault(fault),
        None => {}
    }
    reader.add(source::environment(environment));
    reader.add(source::flags(flags));
    Config::read(reader)
}

/// The variables of the process that begin with `MAILAGENT_`, except the one that may contain the master key. Bytes that are not UTF-8 become replacement characters, so that the
/// value is rejected with its name instead of ending the process.
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter(|(name, _)| name.to_string_lossy().starts_with(source::PREFIX) && name != source::MASTER_KEY_VARIABLE)
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect()
}

impl Config {
    /// The defaults, with `data` as the data folder.
    ///
    /// # Errors
    /// When `data` is empty or not UTF-8.
    #[cfg(feature = "testing")]
    pub fn in_folder(data: &Path) -> Result<Self, ConfigErrors> {
        let value = data.to_str().unwrap_or_default().to_owned();
        load(
            None,
            [],
            &[Flag {
                key: "data",
                value,
                name: "--data",
            }],
        )
    }

    fn read(mut reader: Reader) -> Result<Self, ConfigErrors> {
        // First, since other values name files in it.
        let data_dir = PathBuf::read(&mut reader, "data", Rule::default());
        if let Some(folder) = &data_dir {
            reader.data_dir.clone_from(folder);
        }
        let server = Server::read(&mut reader, "server", Rule::default());
        let database = Database::read(&mut reader, "database", Rule::default());
        let blobs = Blobs::read(&mut reader, "blobs", Rule::default());
        let keys = Keys::read(&mut reader, "keys", Rule::default());
        let auth = Auth::read(&mut reader, "auth", Rule::default());
        let oauth = OAuth::read(&mut reader, "oauth", Rule::default());
        let network = Network::read(&mut reader, "network", Rule::default());
        let exchange = Exchange::read(&mut reader, "exchange", Rule::default());
        let smtp = Smtp::read(&mut reader, "smtp", Rule::default());
        let mail = Mail::read(&mut reader, "mail", Rule::default());
        let events = Events::read(&mut reader, "events", Rule::default());
        let telemetry = Telemetry::read(&mut reader, "telemetry", Rule::default());
        if let (Some(auth), Some(server)) = (&auth, &server) {
            auth.check(server, &mut reader);
        }
        if let (Some(oauth), Some(server)) = (&oauth, &server) {
            oauth.check(server, &mut reader);
        }
        reader.finish(|| {
            Some(Self {
                data_dir: data_dir?,
                server: server?,
                database: database?,
                blobs: blobs?,
                keys: keys?,
                auth: auth?,
                oauth: oauth?,
                network: network?,
                exchange: exchange?,
                smtp: smtp?,
                mail: mail?,
                events: events?,
                telemetry: telemetry?,
            })
        })
    }
}

impl Default for Config {
    fn default() -> Self {
        load(None, [], &[]).expect("the embedded file is read by every test, so it has no fault")
    }
}
