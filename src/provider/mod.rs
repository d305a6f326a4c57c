//! Mailbox servers, behind one trait. The meaning of a server's responses is decided here, in one table per protocol; callers never
//! parse texts.

mod budget;
mod connector;
#[cfg(test)]
mod contract;
pub mod exchange;
mod outgoing;
mod scrub;
pub mod smtp;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_lc_rs::digest;
use bytes::Bytes;

use crate::{
    crypto::Secret,
    domain::{Mailbox, SmtpSecurity, Timestamp},
    net::{EndpointRules, ProviderError, StageReport},
};

use outgoing::{SubmissionState, handed_over, hidden_recipients, in_doubt, message_id, sent_as};

pub use budget::{BudgetLimits, Budgets};
pub use connector::NetworkConnector;
pub use exchange::ews::{DiscoveryRules, discovery_domain};
pub use outgoing::CheckSchedule;
#[cfg(feature = "testing")]
pub use scrub::{LoginScrub, Scrubbed};
pub use smtp::SmtpConfig;

/// A mailbox that messages are read from.
///
/// Every call has its own timeout and size limit, retries only after a dead idle connection, and may be dropped at any time.
#[async_trait]
pub trait MailSource: Send + Sync {
    /// Logs in and finds the folders with received or sent mail: the inbox, Sent Items, and where people and rules file mail, including
    /// Deleted Items. Drafts, junk and similar folders are omitted. If the login may not list folders, only the first two.
    ///
    /// # Errors
    /// See [`ErrorClass`](crate::net::ErrorClass).
    async fn folders(&self) -> Result<Vec<Folder>, ProviderError>;

    /// Returns the next page of changes of a folder. `state` is the one from the last page, `None` for a full listing.
    ///
    /// # Errors
    /// `ErrorClass::StateLost` when the server rejects the state: list again; everything already handled is returned again.
    async fn changes(&self, folder: &Folder, state: Option<&str>) -> Result<ChangePage, ProviderError>;

    /// The messages that a folder received last, at most `most`, newest first: what is urgent while there is much to read.
    ///
    /// # Errors
    /// See [`ErrorClass`](crate::net::ErrorClass).
    async fn newest(&self, folder: &Folder, most: u32) -> Result<Newest, ProviderError>;

    /// Fetches whole messages. The result has one entry per id, in the order of `ids`; an entry's own fault does not fail the others.
    /// Messages over `max_bytes` are not loaded if the server reports the size beforehand.
    ///
    /// # Errors
    /// Only for faults of the whole call.
    async fn fetch(&self, ids: &[ItemId], max_bytes: u64) -> Result<Vec<Fetched>, ProviderError>;

    /// The ids of the same messages over the protocol that was used before. One entry per id, in the order of `ids`; `None` for
    /// messages without such an id, and always if there was no protocol before.
    ///
    /// # Errors
    /// As for the other calls.
    async fn former_ids(&self, ids: &[ItemId]) -> Result<Vec<Option<ItemId>>, ProviderError>;

    /// Waits until the server says that one of `folders` changed, or that it may have, or until `limit` has passed. Only wakes: the caller
    /// reads changes in any case.
    ///
    /// # Errors
    /// As for the other calls; the caller then continues by polling.
    async fn wait(&self, folders: &[Folder], limit: Duration) -> Result<(), ProviderError>;
}

/// A way to send mail, whose connection can be checked.
///
/// Every call has its own timeout and size limit and may be dropped at any time; a message that was submitted by then is sent.
#[async_trait]
pub trait MailSink: Send + Sync {
    /// Submits a message. A success means that the server has taken responsibility for it.
    ///
    /// # Errors
    /// `ErrorClass::Refused` and `ErrorClass::TooLarge` are permanent, the others may be temporary. Nothing was sent, except for
    /// `ErrorClass::Unreachable`, after which that is unknown.
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, ProviderError>;

    /// Goes through the stages of a connection, reports each as it ends, and stops after the first that fails. With `test`, that message
    /// is sent in the last stage; without, nothing is. Uses a separate connection.
    async fn check(&self, test: Option<&OutgoingMessage>, report: StageReport<'_>);
}

/// An Exchange mailbox: read, and sent from.
pub trait ExchangeMailbox: MailSource + MailSink {}

impl<T: MailSource + MailSink> ExchangeMailbox for T {}

/// Prepares access to mailboxes. This alone sends nothing.
pub trait MailConnector: Send + Sync {
    /// Prepares access to an Exchange mailbox.
    ///
    /// # Errors
    /// When the address of the service or the login is invalid.
    fn exchange(&self, login: ExchangeLogin) -> Result<Arc<dyn ExchangeMailbox>, ProviderError>;

    /// Prepares sending over SMTP. The result keeps connections open for a while; share it between messages.
    ///
    /// # Errors
    /// When the server's name or the login is invalid.
    fn smtp(&self, login: SmtpLogin) -> Result<Arc<dyn MailSink>, ProviderError>;
}

/// How a login authenticates.
#[derive(Debug)]
pub enum Credentials {
    /// Not at all: the server accepts mail without a login. SMTP only.
    None,
    /// With user name and password.
    Password {
        /// Login name, such as `CORP\anna` or `anna@example.com`.
        username: String,
        /// Its password.
        password: Secret,
    },
    /// With an OAuth 2.0 access token: a bearer token (RFC 6750) over HTTP, XOAUTH2 over SMTP.
    Token {
        /// Login name; usually the address of the mailbox.
        username: String,
        /// Where access tokens come from.
        tokens: Arc<dyn AccessTokens>,
    },
}

/// The access tokens of a login, one after the other, as each is short-lived.
#[async_trait]
pub trait AccessTokens: fmt::Debug + Send + Sync {
    /// The token to use now.
    ///
    /// # Errors
    /// `ErrorClass::LoginRequired` when somebody has to log in; other classes when the login provider currently cannot issue one.
    async fn current(&self) -> Result<Secret, ProviderError>;

    /// The token to use after a server rejected one that seemed valid: another one, if necessary from the login provider.
    ///
    /// # Errors
    /// As [`AccessTokens::current`].
    async fn instead_of(&self, refused: &Secret) -> Result<Secret, ProviderError>;

    /// Tokens that were issued recently, to be scrubbed from servers' replies.
    fn given(&self) -> Vec<Secret>;
}

/// The protocol for Exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeProtocol {
    /// Exchange Web Services.
    Ews,
    /// Microsoft Graph.
    Graph,
}

/// What is needed to open an Exchange mailbox.
#[derive(Debug)]
pub struct ExchangeLogin {
    /// The protocol.
    pub protocol: ExchangeProtocol,
    /// Where the service is.
    pub endpoint: Endpoint,
    /// The login. Never [`Credentials::None`]; for Graph always [`Credentials::Token`].
    pub credentials: Credentials,
    /// Whose login it is. Mailboxes of the same login may share notification streams; those of different owners share nothing.
    pub owner: String,
    /// The mailbox, when it is not the login's own.
    pub mailbox: Option<String>,
    /// Over EWS, whether a maintenance account impersonates the mailbox (ExchangeImpersonation) rather than opening it with its own permissions.
    pub impersonate: bool,
    /// What may be called.
    pub rules: EndpointRules,
    /// Over Graph, how the mailbox is notified of changes.
    pub push: Option<exchange::graph::GraphPush>,
}

/// Where the service of an Exchange mailbox is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// URL of the EWS service, or of Graph with its version.
    Url(String),
    /// It is discovered when it is needed, by Autodiscover. EWS only.
    Discovered(EwsDiscovery),
}

/// What is needed to discover an EWS service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EwsDiscovery {
    /// An address of the mailbox, whose domain is queried.
    pub address: String,
    /// For a login with tokens, the servers that may receive them, as in the login provider's settings. `None` for one with a password.
    pub tokens_to: Option<Vec<String>>,
}

/// What is needed to send over SMTP.
#[derive(Debug)]
pub struct SmtpLogin {
    /// Name or address of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is secured.
    pub security: SmtpSecurity,
    /// The login.
    pub credentials: Credentials,
    /// What may be called.
    pub rules: EndpointRules,
}

/// A message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// Who sends it (RFC 5321 reverse-path): one address.
    pub sender: String,
    /// The recipients: one to 500 addresses, including those in Bcc.
    pub recipients: Vec<String>,
    /// The message (RFC 5322) with CRLF line ends, without a Bcc field.
    pub raw: Bytes,
}

/// A message that was submitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The server's reply, such as `250 2.0.0 Ok: queued as 4D2F`. Possibly empty.
    pub server_reply: String,
}

/// A folder of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Folder {
    /// What it is for.
    pub role: FolderRole,
    /// Opaque id at the server.
    pub id: String,
    /// Its name after those of the folders that contain it, such as `Inbox/Customers`. Possibly empty.
    pub path: String,
    /// Messages in it, when the server said so.
    pub total: Option<u64>,
}

/// The [`Folder::key`] of the inbox.
pub const INBOX: &str = "inbox";

impl Folder {
    /// What it is called in the database: the same over every protocol.
    pub fn key(&self) -> String {
        match self.role {
            FolderRole::Inbox => INBOX.to_owned(),
            FolderRole::Sent => "sent".to_owned(),
            FolderRole::Other => format!("other-{}", self.digest()),
        }
    }

    /// A digest of its id at the server: 32 hexadecimal digits, the same over every protocol.
    pub fn digest(&self) -> String {
        // Graph writes the ids of EWS in the alphabet for URLs.
        let id = self.id.replace('/', "_").replace('+', "-");
        let digest = digest::digest(&digest::SHA256, id.as_bytes());
        let halves = digest.as_ref().iter().take(16).flat_map(|byte| [byte >> 4, byte & 15]);
        halves.filter_map(|half| char::from_digit(half.into(), 16)).collect()
    }

    /// Its name for people.
    pub fn label(&self) -> String {
        match self.role {
            FolderRole::Inbox | FolderRole::Sent => self.key(),
            FolderRole::Other => self.path.clone(),
        }
    }
}

/// What a folder is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FolderRole {
    /// Where new mail arrives.
    Inbox,
    /// Copies of what was sent.
    Sent,
    /// Where people or rules file received or sent mail.
    Other,
}

/// Opaque id of a message at its server. Case matters; up to some hundred bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemId(pub String);

/// Messages that a folder received last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Newest {
    /// Newest first.
    pub ids: Vec<ItemId>,
    /// Sizes in bytes, as far as the server reports them.
    pub sizes: HashMap<ItemId, u64>,
}

/// A page of changes.
#[derive(Clone, Debug, Default)]
pub struct ChangePage {
    /// Messages that are new or changed, in the server's order.
    pub upserts: Vec<ItemId>,
    /// Sizes of messages in bytes, as far as the server reports them here.
    pub sizes: HashMap<ItemId, u64>,
    /// When the mailbox received messages, as far as the server reports it here. It does in folders of the role [`FolderRole::Other`].
    pub received: HashMap<ItemId, Timestamp>,
    /// Messages that left the folder.
    pub removals: Vec<ItemId>,
    /// Where the next page begins. Store it only together with the work of this page.
    pub state: String,
    /// Whether the folder has been read to its end.
    pub last: bool,
    /// Whether this is part of a listing, as far as is known: messages that were there before may be among it.
    pub listing: bool,
}

/// The outcome of fetching one message.
#[derive(Clone, Debug)]
pub enum Fetched {
    /// The whole message.
    Message {
        /// Its bytes, as the server returns them.
        raw: Bytes,
        /// When the mailbox received it.
        received: Option<Timestamp>,
    },
    /// Over the size limit.
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// What else the server reports of it.
        listed: ListedMessage,
    },
    /// No longer there.
    Gone,
    /// The server cannot return it, and a retry would not help.
    Broken {
        /// The server's reply.
        server_reply: String,
        /// What the server reports of it all the same.
        listed: ListedMessage,
    },
}

/// What a server reports of a message without its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedMessage {
    /// Its subject. Possibly empty.
    pub subject: String,
    /// Its From.
    pub from: Option<Mailbox>,
    /// Its Message-ID, in angle brackets as a rule. Possibly empty.
    pub message_id: String,
    /// When the mailbox received it.
    pub received: Option<Timestamp>,
    /// The size in bytes of what the server stores, which is not quite that of what it returns.
    pub size: Option<u64>,
}

impl ListedMessage {
    /// Its Message-ID without angle brackets and white space around it. Possibly empty.
    pub fn bare_id(&self) -> &str {
        let is_around = |c: char| c.is_whitespace() || matches!(c, '<' | '>');
        self.message_id.trim_matches(is_around)
    }
}
