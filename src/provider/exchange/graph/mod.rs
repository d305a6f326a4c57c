//! Mailboxes in Exchange Online, over Microsoft Graph: read, sent from, checked.
//!
//! | module | holds |
//! |---|---|
//! | `transport` | requests over HTTP: tokens, limits, links that the server gave |
//! | `changes` | delta queries |
//! | `folders` | which folders are read |
//! | `fetch` | whole messages |
//! | `former` | the ids of the messages over EWS |
//! | `push` | notifications from the server |
//! | `send` | sending, and connection checks |
//! | `parts`, `upload` | those that are too long for MIME, and their large attachments |
//! | `errors`, `codes` | what faults mean, in words for an administrator |
//!
//! Ids are immutable ones: they survive moves within the mailbox. <https://learn.microsoft.com/graph/outlook-immutable-id>

mod changes;
mod codes;
mod errors;
mod fetch;
mod folders;
mod former;
mod parts;
mod push;
mod send;
#[cfg(test)]
mod tests;
mod transport;
mod upload;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use url::Url;

pub use self::push::{GraphPush, Waker};
use self::{changes::Memory, push::Subscriptions, transport::Transport};
use super::folders::FolderRoles;
use crate::{
    net::{EndpointRules, Network, ProviderError},
    provider::{AccessTokens, ChangePage, CheckSchedule, Fetched, Folder, ItemId, MailSource, Newest, budget::Budget},
};

/// How to reach a mailbox.
pub struct GraphConfig {
    /// Address of Graph with its version, such as `https://graph.microsoft.com/v1.0`.
    pub endpoint: Url,
    /// Where access tokens come from.
    pub tokens: Arc<dyn AccessTokens>,
    /// Address of the mailbox. `None`: that of the account that logged in.
    pub mailbox: Option<String>,
    /// For a whole request, up to the last byte of its response.
    pub timeout: Duration,
    /// For finding out what happened to a message whose response was lost.
    pub looks: CheckSchedule,
    /// The server's limits, shared by everything that works with the mailbox.
    pub budget: Arc<Budget>,
    /// Makes the connections.
    pub network: Network,
    /// What may be called.
    pub rules: EndpointRules,
    /// How it is notified of changes. `None`: not at all.
    pub push: Option<GraphPush>,
}

/// A mailbox in Exchange Online.
pub struct GraphSource {
    transport: Arc<Transport>,
    places: FolderRoles,
    memory: Memory,
    looks: CheckSchedule,
    push: Option<GraphPush>,
    subscriptions: Subscriptions,
}

impl GraphSource {
    /// Prepares the connection. Nothing is sent yet.
    ///
    /// # Errors
    /// When the address or the certificates are not usable.
    pub fn new(config: GraphConfig) -> Result<Self, ProviderError> {
        Ok(Self {
            looks: config.looks,
            push: config.push.clone(),
            transport: Arc::new(Transport::new(config)?),
            places: FolderRoles::default(),
            memory: Memory::default(),
            subscriptions: Subscriptions::default(),
        })
    }
}

impl Drop for GraphSource {
    fn drop(&mut self) {
        self.subscriptions.end(&self.transport);
    }
}

impl fmt::Debug for GraphSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphSource")
            .field("host", &self.transport.judge.host)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl MailSource for GraphSource {
    async fn folders(&self) -> Result<Vec<Folder>, ProviderError> {
        let transport = &*self.transport;
        let found = self
            .places
            .folders(|| folders::named(transport), |known| folders::list(transport, known));
        found.await
    }

    async fn changes(&self, folder: &Folder, state: Option<&str>) -> Result<ChangePage, ProviderError> {
        Ok(changes::changes(&self.transport, &self.memory, folder, state).await?)
    }

    async fn newest(&self, folder: &Folder, most: u32) -> Result<Newest, ProviderError> {
        Ok(changes::newest(&self.transport, &self.memory, folder, most).await?)
    }

    async fn fetch(&self, ids: &[ItemId], max_bytes: u64) -> Result<Vec<Fetched>, ProviderError> {
        Ok(fetch::fetch(&self.transport, &self.memory, ids, max_bytes).await?)
    }

    async fn former_ids(&self, ids: &[ItemId]) -> Result<Vec<Option<ItemId>>, ProviderError> {
        Ok(former::former_ids(&self.transport, ids).await?)
    }

    /// Subscribes first if necessary, and then returns at once, as something may have happened before. Without a public address there is no
    /// push: this waits until the time limit.
    async fn wait(&self, folders: &[Folder], limit: Duration) -> Result<(), ProviderError> {
        match &self.push {
            Some(push) => push::wait(&self.transport, &self.subscriptions, push, folders, limit).await,
            None => {
                tokio::time::sleep(limit).await;
                Ok(())
            }
        }
    }
}
