//! Whole messages: many small ones per request (`$batch`), which saves both sides most of the work.

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    changes::{Memory, Row, SIZE},
    codes::{Meaning, UNLISTED},
    errors::Fault,
    transport::{IMMUTABLE, Request, Transport, may_be_message},
};
use crate::{
    domain::{Mailbox, Timestamp},
    net::ErrorClass,
    provider::{Fetched, ItemId, ListedMessage, exchange::whole},
};

/// Limits of messages and bytes in one request; larger ones are requested individually.
/// <https://learn.microsoft.com/graph/json-batching>
const BATCH: usize = 20;
const BATCH_BYTES: u64 = 2 << 20;
const SMALL: u64 = 256 << 10;
/// Longest response to such a request that is read: twice that, as base64 takes a third more, and some envelope.
const BATCH_ANSWER: u64 = 2 * BATCH_BYTES + (1 << 20);

/// A message in text form.
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

/// The response to a batch.
#[derive(Deserialize)]
struct Parts {
    responses: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    id: String,
    status: u16,
    #[serde(default)]
    headers: HashMap<String, String>,
    #[serde(default)]
    body: Value,
}

impl Part {
    /// Whether its type allows that it is a message.
    fn may_be_message(&self) -> bool {
        let mut headers = self.headers.iter();
        headers.all(|(name, kind)| !name.eq_ignore_ascii_case("content-type") || may_be_message(kind))
    }
}

impl Described {
    fn listed(self) -> ListedMessage {
        let known = self.row.remembered();
        let from = self.from.map(|from| from.email_address);
        ListedMessage {
            subject: self.subject.unwrap_or_default(),
            from: from.and_then(|from| Mailbox::reported(from.name.unwrap_or_default(), from.address.unwrap_or_default())),
            message_id: self.internet_message_id.unwrap_or_default(),
            received: known.received,
            size: known.size,
        }
    }
}

const NO_MESSAGE: &str = "has something else in place of a message";

/// Fetches messages; see [`crate::provider::MailSource::fetch`].
pub(super) async fn fetch(transport: &Transport, memory: &Memory, ids: &[ItemId], max_bytes: u64) -> Result<Vec<Fetched>, Fault> {
    let fetch = Fetch {
        transport,
        memory,
        max_bytes,
    };
    let mut works = Vec::new();
    for places in fetch.plan(ids) {
        works.push(fetch.work(ids, places));
    }
    let done: Vec<Vec<(usize, Fetched)>> = stream::iter(works).buffered(transport.at_once()).try_collect().await?;
    let mut done: Vec<(usize, Fetched)> = done.into_iter().flatten().collect();
    done.sort_unstable_by_key(|(place, _)| *place);
    let fetched = done.into_iter().map(|(_, fetched)| fetched).collect();
    memory.forget(ids);
    Ok(fetched)
}

struct Fetch<'a> {
    transport: &'a Transport,
    memory: &'a Memory,
    max_bytes: u64,
}

impl Fetch<'_> {
    /// Which messages are requested together, by their indexes: small ones, as far as sizes are known.
    fn plan(&self, ids: &[ItemId]) -> Vec<Vec<usize>> {
        let (mut plan, mut batch, mut bytes): (Vec<Vec<usize>>, Vec<usize>, u64) = Default::default();
        for (place, id) in ids.iter().enumerate() {
            let size = self.memory.of(id).and_then(|known| known.size);
            let Some(size) = size.filter(|size| *size <= SMALL.min(self.max_bytes)) else {
                plan.push(vec![place]);
                continue;
            };
            if batch.len() == BATCH || bytes + size > BATCH_BYTES {
                plan.push(std::mem::take(&mut batch));
                bytes = 0;
            }
            batch.push(place);
            bytes += size;
        }
        plan.push(batch);
        plan.retain(|places| !places.is_empty());
        plan
    }

    async fn work(&self, ids: &[ItemId], places: Vec<usize>) -> Result<Vec<(usize, Fetched)>, Fault> {
        let wanted: Vec<&ItemId> = places.iter().map(|place| &ids[*place]).collect();
        let fetched = match wanted.as_slice() {
            [one] => vec![self.one(one).await?],
            many => self.together(many).await?,
        };
        Ok(places.into_iter().zip(fetched).collect())
    }

    /// Messages in one request. Those that were rejected temporarily or with the token, or whose part is invalid, are requested again
    /// individually.
    async fn together(&self, ids: &[&ItemId]) -> Result<Vec<Fetched>, Fault> {
        let user = self.transport.user_path();
        let requests = ids.iter().enumerate().map(|(number, id)| {
            let url = format!("/{user}/messages/{}/$value", id.0);
            json!({ "id": number.to_string(), "method": "GET", "url": url, "headers": { "Prefer": IMMUTABLE } })
        });
        let body = json!({ "requests": requests.collect::<Vec<Value>>() });
        let request = Request {
            parts: u32::try_from(ids.len()).unwrap_or(u32::MAX),
            max_bytes: BATCH_ANSWER,
            ..Request::json(Method::POST, self.transport.absolute(["$batch"]), &body)
        };
        let answer = match self.transport.call(request).await {
            // A proxy that does not support batches, or wrong sizes: it also works one by one.
            Err(fault) if fault.too_long || matches!(fault.meaning, Some(Meaning::BadRequest | Meaning::Gone)) => {
                let mut fetched = Vec::with_capacity(ids.len());
                for id in ids {
                    fetched.push(self.one(id).await?);
                }
                return Ok(fetched);
            }
            answer => answer?,
        };
        let Parts { responses } = self.transport.read(&answer.body)?;
        let mut parts: HashMap<String, Part> = responses.into_iter().map(|part| (part.id.clone(), part)).collect();
        let mut fetched = Vec::with_capacity(ids.len());
        for (number, id) in ids.iter().enumerate() {
            let part = parts.remove(&number.to_string());
            fetched.push(match part.map(|part| self.part(id, part)) {
                Some(Ok(message)) => message,
                Some(Err(fault)) if !matches!(fault.meaning, None | Some(Meaning::Wait | Meaning::TokenRefused)) => {
                    self.settle(id, fault).await?
                }
                Some(Err(_)) | None => self.one(id).await?,
            });
        }
        Ok(fetched)
    }

    /// The outcome of a message in a batch, where MIME is in base64.
    fn part(&self, id: &ItemId, part: Part) -> Result<Fetched, Fault> {
        let status = StatusCode::from_u16(part.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let message = part.may_be_message();
        match part.body {
            Value::String(_) if status == StatusCode::OK && !message => Err(self.transport.judge.malformed(NO_MESSAGE)),
            Value::String(text) if status == StatusCode::OK => {
                if text.len() as u64 / 4 * 3 > self.max_bytes {
                    return Err(self.transport.judge.too_long(self.max_bytes));
                }
                let raw = STANDARD
                    .decode(text)
                    .map_err(|_| self.transport.judge.malformed("has a message that is not in base64"))?;
                if whole::doubtful(&raw).is_some() {
                    return Err(self.transport.judge.malformed("has a message that may not be whole"));
                }
                Ok(Fetched::Message {
                    raw: raw.into(),
                    received: self.memory.of(id).and_then(|known| known.received),
                })
            }
            // Such as none at all.
            _ if status == StatusCode::OK => Err(self.transport.judge.malformed(NO_MESSAGE)),
            body => Err(self.transport.judge.status(status, &HeaderMap::new(), body.to_string().as_bytes())),
        }
    }

    async fn one(&self, id: &ItemId) -> Result<Fetched, Fault> {
        match self.load(id).await {
            Ok(fetched) => Ok(fetched),
            Err(fault) => self.settle(id, fault).await,
        }
    }

    /// A fault of the message alone becomes its outcome; any other concerns the whole call.
    async fn settle(&self, id: &ItemId, fault: Fault) -> Result<Fetched, Fault> {
        match fault.meaning {
            Some(Meaning::Gone) => Ok(Fetched::Gone),
            Some(Meaning::WaitAFewTimes) if !self.memory.faults.worn_out(id) => Err(fault),
            // Most likely an error that is not in the table, which may be temporary too.
            Some(Meaning::BadRequest) if !self.memory.faults.worn_out(id) => {
                let passing = ErrorClass::Retry { after: None };
                let reply = fault.error.server_reply;
                Err(self.transport.judge.fault(passing, UNLISTED, &reply))
            }
            Some(Meaning::Broken | Meaning::WaitAFewTimes | Meaning::BadRequest | Meaning::TooLarge) => Ok(self.broken(id, &fault).await),
            // A single message may be denied; but permission for the mailbox may be gone, and then nothing is broken.
            Some(Meaning::Refused) => {
                let inbox = self.transport.url(&["mailFolders", "inbox"]);
                self.transport.get::<Value>(inbox, &[]).await?;
                Ok(self.broken(id, &fault).await)
            }
            _ => Err(fault),
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
            Ok(answer) if !answer.message => Err(self.transport.judge.malformed(NO_MESSAGE)),
            Ok(answer) => self.whole(id, answer.body, known.received).await,
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
        let listed = self.describe(id).await?.listed();
        Ok(Fetched::TooLarge {
            // Exchange counts what it stores; what it returns may be larger.
            size: listed.size.unwrap_or_default().max(self.max_bytes.saturating_add(1)),
            listed,
        })
    }

    /// The message, if it is what the server lists.
    async fn whole(&self, id: &ItemId, raw: Bytes, received: Option<Timestamp>) -> Result<Fetched, Fault> {
        if let Some(outline) = whole::doubtful(&raw) {
            let listed = self.describe(id).await?.listed();
            if let Some(problem) = whole::problem(&outline, raw.len(), &listed) {
                let passing = ErrorClass::Retry { after: None };
                return Err(Fault {
                    meaning: Some(Meaning::WaitAFewTimes),
                    ..self.transport.judge.fault(passing, whole::NOT_WHOLE, problem)
                });
            }
        }
        Ok(Fetched::Message { raw, received })
    }

    /// A message that the server does not return, with what it reports of it, if it does.
    async fn broken(&self, id: &ItemId, fault: &Fault) -> Fetched {
        let described = self.describe(id).await;
        Fetched::Broken {
            server_reply: fault.error.server_reply.clone(),
            listed: described.map(Described::listed).unwrap_or_default(),
        }
    }
}
