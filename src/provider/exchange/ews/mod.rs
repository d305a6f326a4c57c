//! Mailboxes on an Exchange server, read over Exchange Web Services (EWS), logged in to by Basic, NTLM or Negotiate, whatever
//! the server offers, or by access tokens.
//!
//! | module | holds |
//! |---|---|
//! | `transport` | requests over HTTP: login, connections that stay logged in, cookies, limits |
//! | `ntlm` | the messages of NTLM and Negotiate |
//! | `requests`, `responses`, `soap` | SOAP both ways; the errors in answers |
//! | `xml` | answers as a tree |
//! | `folders` | which folders are read |
//! | `fetch` | messages in batches |
//! | `send` | sending, and connection checks |
//! | `notifications` | notifications of changes, over streams that mailboxes of a login share |
//! | `discovery` | where the service is, by what the servers of a domain say (Autodiscover) |
//! | `errors`, `codes` | what faults mean, in words for an administrator |

mod codes;
mod discovery;
mod errors;
mod fetch;
mod folders;
mod notifications;
mod ntlm;
mod requests;
mod responses;
mod send;
mod soap;
#[cfg(test)]
mod tests;
mod transport;
mod xml;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use url::Url;
use zeroize::Zeroizing;

pub use self::{
    discovery::{Discovered, DiscoveryRules, Finder, discovery_domain},
    notifications::{EwsStreams, LoginStreams, SharedLogin, StreamLimits},
};
use self::{fetch::Memory, notifications::Subscriber, transport::Transport};
use super::folders::FolderRoles;
use crate::{
    net::{EndpointRules, Network, ProviderError},
    provider::{AccessTokens, ChangePage, CheckSchedule, Fetched, Folder, ItemId, MailSource, Newest, budget::Budget},
};

/// How to log in to a mailbox, wherever its service is.
#[derive(Clone)]
pub struct EwsConfig {
    /// User name of the login: `DOMAIN\user`, `user@domain` or `user`. Without a colon.
    pub username: String,
    /// Proves the login.
    pub proof: EwsProof,
    /// Address of a mailbox to read instead of the login's own.
    pub mailbox: Option<String>,
    /// Whether the login is a maintenance account that acts for that mailbox (ExchangeImpersonation).
    pub impersonate: bool,
    /// How long to wait for what.
    pub timeouts: EwsTimeouts,
    /// Longest answer that is read, in bytes once decompressed. Messages travel as base64, which takes a third more.
    pub max_response_bytes: u64,
    /// The server's limits, shared by everything that works with the mailbox. By default 4 requests at once, and not shared.
    pub budget: Arc<Budget>,
    /// The notification streams that mailboxes of this login share. By default this mailbox has its own.
    pub streams: Arc<LoginStreams>,
    /// Most messages in one request for whole messages. 10 by default: more is slowed or fails half-way.
    pub batch: usize,
    /// Makes the connections.
    pub network: Network,
    /// What may be called.
    pub rules: EndpointRules,
}

/// What proves a login.
#[derive(Clone)]
pub enum EwsProof {
    /// A password, by Basic, NTLM or Negotiate.
    Password(Zeroizing<String>),
    /// Access tokens, as bearer tokens.
    Tokens(Arc<dyn AccessTokens>),
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EwsTimeouts {
    /// For a whole request, up to the last byte of its response. 5 min by default.
    pub request: Duration,
    /// For a sign of life in a notification stream; servers give one about every 45 s. 100 s by default.
    pub stream: Duration,
    /// For finding out what happened to a message whose response was lost.
    pub looks: CheckSchedule,
}

impl Default for EwsTimeouts {
    fn default() -> Self {
        Self {
            request: Duration::from_mins(5),
            stream: Duration::from_secs(100),
            looks: CheckSchedule::default(),
        }
    }
}

impl EwsConfig {
    /// The login's own mailbox, with the default limits.
    pub fn new(network: Network, username: impl Into<String>, password: Zeroizing<String>) -> Self {
        Self {
            username: username.into(),
            proof: EwsProof::Password(password),
            mailbox: None,
            impersonate: false,
            timeouts: EwsTimeouts::default(),
            max_response_bytes: 192 << 20,
            budget: Budget::alone(4),
            streams: LoginStreams::new(StreamLimits::default()),
            batch: 10,
            network,
            rules: EndpointRules::default(),
        }
    }
}

impl fmt::Debug for EwsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EwsConfig")
            .field("username", &self.username)
            .field("mailbox", &self.mailbox)
            .finish_non_exhaustive()
    }
}

/// A mailbox on an Exchange server.
///
/// It keeps connections, affinity cookies and a share of a notification stream: keep one per mailbox, and let one task at a time [wait].
///
/// [wait]: MailSource::wait
pub struct EwsSource {
    transport: Arc<Transport>,
    places: FolderRoles,
    memory: Memory,
    subscriber: Subscriber,
}

impl EwsSource {
    /// Prepares the connection to the service at this address, such as `https://mail.corp.test/EWS/Exchange.asmx`. Over `http` the password
    /// goes in the clear: only for servers on the same machine. Nothing is sent yet.
    ///
    /// # Errors
    /// When the address, the user name or the certificates are not usable.
    pub fn new(endpoint: Url, config: EwsConfig) -> Result<Self, ProviderError> {
        let (batch, subscriber) = (config.batch, Subscriber::new(config.streams.clone()));
        Ok(Self {
            transport: Arc::new(Transport::new(endpoint, config)?),
            places: FolderRoles::default(),
            memory: Memory::new(batch),
            subscriber,
        })
    }
}

impl fmt::Debug for EwsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EwsSource")
            .field("host", &self.transport.judge.host)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl MailSource for EwsSource {
    async fn folders(&self) -> Result<Vec<Folder>, ProviderError> {
        let transport = &self.transport;
        let found = self
            .places
            .folders(|| folders::named(transport), |known| folders::list(transport, known));
        Ok(found.await?)
    }

    async fn changes(&self, folder: &Folder, state: Option<&str>) -> Result<ChangePage, ProviderError> {
        let body = self.transport.call(requests::sync_folder_items(folder, state)).await?;
        let (mut page, sizes) = responses::changes(&self.transport.judge, state, &body)?;
        page.sizes = sizes.iter().cloned().collect();
        self.memory.sizes.remember(sizes.into_iter());
        Ok(page)
    }

    async fn newest(&self, folder: &Folder, most: u32) -> Result<Newest, ProviderError> {
        let body = self.transport.call(requests::find_newest(folder, most)).await?;
        let newest = responses::newest(&self.transport.judge, &body)?;
        self.memory.sizes.remember(newest.sizes.clone().into_iter());
        Ok(newest)
    }

    async fn fetch(&self, ids: &[ItemId], max_bytes: u64) -> Result<Vec<Fetched>, ProviderError> {
        Ok(fetch::fetch(&self.transport, &self.memory, ids, max_bytes).await?)
    }

    async fn former_ids(&self, ids: &[ItemId]) -> Result<Vec<Option<ItemId>>, ProviderError> {
        Ok(vec![None; ids.len()])
    }

    /// Subscribes first if need be and then comes back at once, as things may have happened before. A subscription and its stream, which
    /// other mailboxes of the login share, are kept for the next call, also when this one is dropped.
    async fn wait(&self, folders: &[Folder], limit: Duration) -> Result<(), ProviderError> {
        notifications::wait(&self.transport, &self.subscriber, folders, limit).await
    }
}
