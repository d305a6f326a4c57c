//! Whole messages.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use futures::{StreamExt, TryStreamExt, stream};
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use super::{
    changes::{Row, SIZE},
    codes::Meaning,
    errors::Fault,
    transport::{AT_ONCE, Request, Transport},
};
use crate::{
    domain::Timestamp,
    provider::{Fetched, ItemId, patience::ItemFaults},
};

/// Most messages of which something is remembered.
const REMEMBERED: usize = 4096;

/// What is remembered between calls.
#[derive(Default)]
pub(super) struct Memory {
    /// What changes told. Locked only briefly.
    known: Mutex<HashMap<ItemId, Remembered>>,
    faults: ItemFaults,
}

/// What is known of a message before it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Remembered {
    /// Its size in bytes, about.
    pub size: Option<u64>,
    /// When the mailbox received it.
    pub received: Option<Timestamp>,
}

impl Memory {
    /// Remembers for a fetch soon.
    pub(super) fn remember(&self, id: ItemId, known: Remembered) {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED {
            all.clear();
        }
        all.insert(id, known);
    }

    fn of(&self, id: &ItemId) -> Option<Remembered> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied()
    }

    fn forget(&self, ids: &[ItemId]) {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            all.remove(id);
        }
        self.faults.forget(ids);
    }
}

/// A message in words.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    #[serde(flatten)]
    row: Row,
    subject: Option<String>,
    internet_message_id: Option<String>,
    from: Option<Recipient>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipient {
    email_address: EmailAddress,
}

#[derive(Deserialize)]
struct EmailAddress {
    name: Option<String>,
    address: Option<String>,
}

/// Fetches messages; see [`crate::provider::MailSource::fetch`].
pub(super) async fn fetch(transport: &Transport, memory: &Memory, ids: &[ItemId], max_bytes: u64) -> Result<Vec<Fetched>, Fault> {
    let fetch = Fetch {
        transport,
        memory,
        max_bytes,
    };
    let loads: Vec<_> = ids.iter().map(|id| fetch.one(id)).collect();
    let fetched = stream::iter(loads).buffered(AT_ONCE).try_collect().await?;
    memory.forget(ids);
    Ok(fetched)
}

struct Fetch<'a> {
    transport: &'a Transport,
    memory: &'a Memory,
    max_bytes: u64,
}

impl Fetch<'_> {
    /// A fault of the message alone becomes what came of it; any other one is of the whole call.
    async fn one(&self, id: &ItemId) -> Result<Fetched, Fault> {
        match self.load(id).await {
            Ok(fetched) => Ok(fetched),
            Err(fault) => match fault.meaning {
                Some(Meaning::Gone) => Ok(Fetched::Gone),
                Some(Meaning::WaitAFewTimes) if !self.memory.faults.worn_out(id) => Err(fault),
                Some(Meaning::Broken | Meaning::WaitAFewTimes | Meaning::BadRequest | Meaning::TooLarge) => Ok(broken(&fault)),
                // A single message may be denied; but the right to the mailbox may be gone, and then nothing is broken.
                Some(Meaning::Refused) => self
                    .transport
                    .get::<Value>(self.transport.url(&["mailFolders", "inbox"]), &[])
                    .await
                    .map(|_| broken(&fault)),
                _ => Err(fault),
            },
        }
    }

    async fn load(&self, id: &ItemId) -> Result<Fetched, Fault> {
        let known = match self.memory.of(id) {
            Some(known) => known,
            None => self.describe(id).await?.row.remembered(),
        };
        if known.size.is_some_and(|size| size > self.max_bytes) {
            return self.too_large(id).await;
        }
        let request = Request {
            max_bytes: self.max_bytes,
            ..Request::new(Method::GET, self.transport.url(&["messages", &id.0, "$value"]))
        };
        match self.transport.call(request).await {
            Ok(answer) => Ok(Fetched::Message {
                raw: answer.body,
                received: known.received,
            }),
            Err(fault) if fault.too_long => self.too_large(id).await,
            Err(fault) => Err(fault),
        }
    }

    async fn describe(&self, id: &ItemId) -> Result<Described, Fault> {
        let mut url = self.transport.url(&["messages", &id.0]);
        url.query_pairs_mut()
            .append_pair("$select", "id,receivedDateTime,subject,from,internetMessageId")
            .append_pair("$expand", SIZE);
        self.transport.get(url, &[]).await
    }

    async fn too_large(&self, id: &ItemId) -> Result<Fetched, Fault> {
        let described = self.describe(id).await?;
        let known = described.row.remembered();
        let from = described.from.map(|from| from.email_address);
        let from = from.map(|from| (from.name.unwrap_or_default(), from.address.unwrap_or_default()));
        Ok(Fetched::TooLarge {
            // Exchange counts what it stores; what it gives out may be larger.
            size: known.size.unwrap_or_default().max(self.max_bytes.saturating_add(1)),
            subject: described.subject.unwrap_or_default(),
            from: from.unwrap_or_default(),
            message_id: described.internet_message_id.unwrap_or_default(),
            received: known.received,
        })
    }
}

fn broken(fault: &Fault) -> Fetched {
    Fetched::Broken {
        server_reply: fault.error.server_reply.clone(),
    }
}
