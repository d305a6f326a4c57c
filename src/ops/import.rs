//! Archiving messages that come from files.

use std::sync::Arc;

use super::{
    Ops,
    intake::{self, Origin, Purpose, place_large, prepare_all},
};
use crate::{
    domain::{AgentId, Result, TenantId},
    provider::{Fetched, ItemId},
};

pub use super::intake::{BatchResult, try_message};

/// Messages that were read and packed, ready for their transaction.
pub struct PreparedImport(Vec<intake::Item>);

/// Reads and packs messages. Each comes with a name that tells where it is from.
///
/// # Errors
/// [`crate::domain::Kind::Unavailable`] when the blob store does not take a large one.
pub async fn prepare(ops: &Ops, tenant: &TenantId, messages: Vec<(String, Vec<u8>)>) -> Result<PreparedImport> {
    let purpose = Arc::new(Purpose {
        sweep: None,
        archive: true,
        since: None,
    });
    let fetched = messages.into_iter().map(|(origin, raw)| {
        let message = Fetched::Message {
            raw: raw.into(),
            received: None,
        };
        (ItemId(origin), message)
    });
    let agent = AgentId::from(Origin::IMPORT);
    let deaths = ops.store.tenant(tenant).suspects(&agent).await?;
    let origin = Origin {
        tenant,
        agent: &agent,
        deaths: &deaths,
    };
    let mut items = prepare_all(ops, origin, fetched.collect(), purpose).await?;
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
