//! Mailbox servers, seen through one trait. What a server's answers mean is decided here, in one table per protocol; callers never
//! read texts.

mod connector;
pub mod ews;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{crypto::Secret, domain::Timestamp};

pub use connector::NetworkConnector;

/// A mailbox that messages are read from.
///
/// Every call has a timeout and a size limit of its own, retries nothing but a dead idle connection, and may be dropped at any time.
#[async_trait]
pub trait MailSource: Send + Sync {
    /// Logs in and finds the folders that are read.
    ///
    /// # Errors
    /// See [`ErrorClass`].
    async fn folders(&self) -> Result<Vec<Folder>, ProviderError>;

    /// Returns the next page of changes of a folder. `state` is the one that the last page brought, `None` for a full listing.
    ///
    /// # Errors
    /// [`ErrorClass::StateLost`] when the server refuses the state: list anew, everything already handled comes again.
    async fn changes(&self, folder: &Folder, state: Option<&str>) -> Result<ChangePage, ProviderError>;

    /// Fetches whole messages. The answer has one entry per id, in the order of `ids`; an entry's own fault does not fail the others.
    /// Messages over `max_bytes` are not loaded when the server tells the size beforehand.
    ///
    /// # Errors
    /// Only for faults of the whole call.
    async fn fetch(&self, ids: &[ItemId], max_bytes: u64) -> Result<Vec<Fetched>, ProviderError>;

    /// Waits until the server says that one of `folders` changed, or that it may have, or until `limit` is over. Only wakes: the caller
    /// reads changes in any case.
    ///
    /// # Errors
    /// As for the other calls; the caller then goes on by polling.
    async fn wait(&self, folders: &[Folder], limit: Duration) -> Result<(), ProviderError>;
}

/// Makes a source for a mailbox. Nothing is sent by this alone.
pub trait MailConnector: Send + Sync {
    /// Prepares access to an Exchange mailbox over EWS with a login of its own.
    ///
    /// # Errors
    /// When the address of the service makes no sense.
    fn exchange(&self, login: ExchangeLogin) -> Result<Arc<dyn MailSource>, ProviderError>;
}

/// What it takes to open an Exchange mailbox.
#[derive(Debug)]
pub struct ExchangeLogin {
    /// URL of the EWS service.
    pub endpoint: String,
    /// Login name.
    pub username: String,
    /// Its password.
    pub password: Secret,
    /// The mailbox, when it is not the login's own.
    pub mailbox: Option<String>,
}

/// A folder of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Folder {
    /// What it is for.
    pub role: FolderRole,
    /// Opaque id at the server.
    pub id: String,
    /// Messages in it, when the server said so.
    pub total: Option<u64>,
}

/// What a folder is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FolderRole {
    /// Where new mail arrives.
    Inbox,
    /// Copies of what was sent.
    Sent,
}

impl FolderRole {
    /// The name in the database, in logs and towards callers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Sent => "sent",
        }
    }
}

/// Opaque id of a message at its server. Case matters; up to some hundred bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemId(pub String);

/// A page of changes.
#[derive(Clone, Debug, Default)]
pub struct ChangePage {
    /// Messages that are new or changed, in the server's order.
    pub upserts: Vec<ItemId>,
    /// Sizes of messages in bytes, as far as the server tells them here.
    pub sizes: HashMap<ItemId, u64>,
    /// Messages that left the folder.
    pub removals: Vec<ItemId>,
    /// Where the next page begins. Store it only together with the work of this page.
    pub state: String,
    /// Whether the folder has been read to its end.
    pub last: bool,
}

/// What came of one message.
#[derive(Clone, Debug)]
pub enum Fetched {
    /// The whole message.
    Message {
        /// Its bytes, as the server gives them out.
        raw: Bytes,
        /// When the mailbox received it.
        received: Option<Timestamp>,
    },
    /// Over the size limit.
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// Its subject as the server tells it.
        subject: String,
        /// From as the server tells it: display name and address. Possibly empty.
        from: (String, String),
        /// Message-ID as the server tells it.
        message_id: String,
        /// When the mailbox received it.
        received: Option<Timestamp>,
    },
    /// No longer there.
    Gone,
    /// The server cannot give it out, and will not when asked again.
    Broken {
        /// The server's own words.
        server_reply: String,
    },
}

/// Why a server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub struct ProviderError {
    /// What to do about it.
    pub class: ErrorClass,
    /// What is wrong and what to do, in plain words for an administrator. Holds no secret.
    pub problem: String,
    /// The server's own words, at most 1,024 characters, without control characters. Possibly empty.
    pub server_reply: String,
    /// What lies beneath.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

/// What to do about a server's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Wait, then try again; `after` is the server's own wish. The server was reached and asked for patience or had a passing fault.
    Retry {
        /// How long the server wants to be left alone.
        after: Option<Duration>,
    },
    /// The server cannot be reached or talked to (name, connection, TLS, time-out, not an Exchange server). Try again later.
    Unreachable,
    /// The login is refused: a person must act. Nothing is tried until then.
    LoginRequired,
    /// The login is good but may not do this, or the mailbox does not exist: a person must act.
    Refused,
    /// The sync state is no longer accepted: list anew.
    StateLost,
    /// The server's answer makes no sense, or breaks a limit.
    Malformed,
}
