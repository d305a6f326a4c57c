//! Archiving messages that come from files.

use std::sync::Arc;

use super::{
    Ops,
    intake::{self, Origin, Purpose, place_large, prepare_all},
};
use crate::{
    domain::{AgentId, Result, TenantId, Timestamp},
    provider::{Fetched, ItemId},
};

pub use super::intake::{BatchResult, try_message};

/// Messages that were read and packed, ready for their transaction.
pub struct PreparedImport(Vec<intake::Item>);

/// A message that comes from a file.
#[derive(Clone, Debug)]
pub struct ImportedMessage {
    /// Tells where it is from.
    pub origin: String,
    /// Its bytes.
    pub raw: Vec<u8>,
    /// When it was received, as far as the file tells.
    pub time: Option<Timestamp>,
}

/// Reads and packs messages.
///
/// A message that does not say when it was sent counts as received and sent when its file says, never when it is imported; without that, or
/// with a time that is still to come, on 1 January 1970.
///
/// # Errors
/// [`crate::domain::Kind::Unavailable`] when the blob store does not take a large one.
pub async fn prepare(ops: &Ops, tenant: &TenantId, messages: Vec<ImportedMessage>) -> Result<PreparedImport> {
    let purpose = Arc::new(Purpose {
        sweep: None,
        archive: true,
        since: None,
    });
    let now = ops.now();
    let time_of = |message: &ImportedMessage| message.time.filter(|time| *time <= now).unwrap_or_default();
    let times: Vec<Timestamp> = messages.iter().map(time_of).collect();
    let fetched = messages.into_iter().map(|message| {
        let fetched = Fetched::Message {
            raw: message.raw.into(),
            received: None,
        };
        (ItemId(message.origin), fetched)
    });
    let agent = AgentId::from(Origin::IMPORT);
    let deaths = ops.store.tenant(tenant).suspects(&agent).await?;
    let origin = Origin {
        tenant,
        agent: &agent,
        deaths: &deaths,
    };
    let mut items = prepare_all(ops, origin, fetched.collect(), purpose).await?;
    for (content, time) in items.iter_mut().map(|item| &mut item.content).zip(times) {
        if let Some(content) = content.as_mut().filter(|content| content.parsed.sent_time.is_none()) {
            content.received = Some(time);
        }
    }
    let blobs = items.iter_mut().filter_map(|item| item.content.as_mut()?.blob.as_mut());
    place_large(ops, tenant, blobs).await?;
    Ok(PreparedImport(items))
}

/// Archives prepared messages; those that are archived already are passed over.
///
/// # Errors
/// [`crate::domain::Kind::Unavailable`] when the database is away.
pub async fn store(ops: &Ops, tenant: &TenantId, prepared: PreparedImport) -> Result<BatchResult> {
    intake::commit_import(ops, tenant, &prepared.0).await
}
