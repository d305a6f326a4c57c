//! Prepares messages for their transaction, on threads for CPU-bound work. Those that were in preparation when a process died are tried first.

use std::{collections::HashMap, sync::Arc};

use super::{
    content::{Item, Purpose, prepare, set_aside, source_key},
    hex,
    journal::Suspect,
    rehearsal::{CrashCounts, acquit, convict},
};
use crate::{
    domain::{AgentId, Result, TenantId},
    ops::{
        Ops,
        processor::{Worker, memory_for},
    },
    provider::{Fetched, ItemId},
    store::NewBlob,
};

/// Where messages come from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Whose they are.
    pub tenant: &'a TenantId,
    /// The agent that reads them, or [`Origin::IMPORT`].
    pub agent: &'a AgentId,
    /// Those that were in preparation when a process died.
    pub deaths: &'a CrashCounts,
}

impl Origin<'_> {
    /// Stands for an agent where messages come from files.
    pub const IMPORT: &'static str = "";
}

/// Prepares messages of a tenant when it is their turn. What was in preparation when a process died is tried in another one before, and set
/// aside if it kills that too.
///
/// # Errors
/// [`crate::domain::Kind::Internal`] when that thread died, which no message can bring about; [`crate::domain::Kind::Unavailable`] when the
/// database is away.
pub async fn prepare_all(ops: &Ops, origin: Origin<'_>, items: Vec<(ItemId, Fetched)>, purpose: Arc<Purpose>) -> Result<Vec<Item>> {
    let (convicted, acquitted) = try_suspects(ops, &origin, &items).await;
    let (tenant, agent) = (origin.tenant.to_owned(), origin.agent.to_owned());
    let preparation = ops.preparation.clone();
    let size = |(_, fetched): &(ItemId, Fetched)| match fetched {
        Fetched::Message { raw, .. } => raw.len() as u64,
        Fetched::TooLarge { .. } | Fetched::Gone | Fetched::Broken { .. } => 0,
    };
    let bytes = memory_for(items.iter().map(size).sum());
    let work = move || {
        let prepare_one = |(source, fetched): (ItemId, Fetched)| {
            let key = source_key(&source);
            let content = match (fetched, convicted.get(&key)) {
                (Fetched::Message { raw, received }, Some(reason)) => Some(set_aside(&raw, received, reason.clone())),
                (fetched, _) => {
                    let suspect = Suspect {
                        tenant: tenant.clone(),
                        agent: agent.clone(),
                        key: key.clone(),
                    };
                    let _entry = preparation.journal.enter(&suspect);
                    prepare(&source, fetched, &purpose)
                }
            };
            Item { source, key, content }
        };
        items.into_iter().map(prepare_one).collect()
    };
    let prepared = ops.processor.run(Worker::intake(origin.tenant), bytes, work).await?;
    acquit(ops, origin.tenant, origin.agent, &acquitted).await?;
    Ok(prepared)
}

/// Tries the suspects among some messages apart. Returns why some must not be prepared, by key, and which may be.
async fn try_suspects(ops: &Ops, origin: &Origin<'_>, items: &[(ItemId, Fetched)]) -> (HashMap<Vec<u8>, String>, Vec<Vec<u8>>) {
    let (mut convicted, mut acquitted) = (HashMap::new(), Vec::new());
    if origin.deaths.is_empty() {
        return (convicted, acquitted);
    }
    for (source, fetched) in items {
        let key = source_key(source);
        let (Fetched::Message { raw, .. }, Some(deaths)) = (fetched, origin.deaths.get(&key)) else {
            continue;
        };
        match convict(ops, raw, *deaths).await {
            Some(reason) => {
                tracing::warn!(
                    agent = origin.agent.as_str(),
                    "a message that crashes the process that reads it is set aside"
                );
                convicted.insert(key, reason);
            }
            None => acquitted.push(key),
        }
    }
    (convicted, acquitted)
}

/// Puts packed messages over the inline limit into the blob store, before the transaction that names them. What a crash leaves behind
/// there is found again under the same key by the next try.
///
/// # Errors
/// [`crate::domain::Kind::Unavailable`] when the blob store does not take one.
pub async fn place_large(ops: &Ops, tenant: &TenantId, blobs: impl Iterator<Item = &mut NewBlob>) -> Result<()> {
    for blob in blobs {
        if blob.data.as_ref().is_some_and(|data| data.len() > ops.limits.inline_bytes) {
            let data = blob.data.take().unwrap_or_default();
            ops.blobs.put(&blob_key(tenant, &blob.hash), data.into()).await?;
        }
    }
    Ok(())
}

/// The key of a large message in the blob store.
pub fn blob_key(tenant: &TenantId, hash: &[u8]) -> String {
    format!("{tenant}/{}", hex(hash))
}
