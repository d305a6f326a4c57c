//! Creates that may be repeated safely (AIP-155).

use super::{Ops, Violations};
use crate::{
    domain::{Caller, Detail, Error, Kind, Reason, Result},
    store::{NewRequest, Writer},
};

/// Whether an id has the right form; an empty one says that there is none.
fn is_well_formed(id: &str) -> bool {
    id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The request id of a create. One without an id protects from nothing.
pub(super) struct RequestId {
    method: &'static str,
    id: String,
    content_hash: Vec<u8>,
}

impl RequestId {
    /// Tells about a request id of a wrong form.
    pub(super) fn check(violations: &mut Violations, id: &str) {
        violations.check(
            is_well_formed(id),
            "request_id",
            "must have 1 to 64 printable ASCII characters, ideally a UUID.",
        );
    }

    /// The request id of a request that `parts` tell apart from others, with its secrets.
    ///
    /// # Errors
    /// When the tenant's key cannot be read or made.
    pub(super) async fn new(ops: &Ops, caller: &Caller, method: &'static str, id: &str, parts: &[&[u8]]) -> Result<Self> {
        let content_hash = if id.is_empty() {
            Vec::new()
        } else {
            ops.vault.fingerprint(&ops.store, &caller.tenant, parts).await?
        };
        Ok(Self {
            method,
            id: id.to_owned(),
            content_hash,
        })
    }

    /// The id of what the same request made before.
    ///
    /// # Errors
    /// REQUEST_ID_REUSED when it was another request.
    pub(super) async fn earlier(&self, writer: &Writer) -> Result<Option<String>> {
        // One of a wrong form made nothing, and databases do not take all characters.
        if self.id.is_empty() || !is_well_formed(&self.id) {
            return Ok(None);
        }
        match writer.request(self.method, &self.id).await? {
            Some((resource, hash)) if hash == self.content_hash => Ok(Some(resource)),
            None => Ok(None),
            Some(_) => {
                let text = "The request id was used before with different content. Use a new one.";
                Err(Error::new(Kind::Exists, Reason::RequestIdReused, text).with(Detail::RequestId, &self.id))
            }
        }
    }

    /// Remembers what the request makes, within the transaction that makes it.
    ///
    /// # Errors
    /// [`Kind::Stale`] when the same request is being handled at this moment.
    pub(super) async fn remember(&self, ops: &Ops, writer: &mut Writer, resource_id: &str) -> Result<()> {
        if self.id.is_empty() {
            return Ok(());
        }
        let request = NewRequest {
            method: self.method,
            request_id: self.id.clone(),
            content_hash: self.content_hash.clone(),
            resource_id: resource_id.to_owned(),
        };
        if writer.insert_request(request, ops.now()).await? {
            return Ok(());
        }
        // Another call with this id was faster; what it made is seen once its transaction is over.
        let text = "The same request is currently being handled. Retry it.";
        Err(Error::new(Kind::Stale, Reason::EtagMismatch, text))
    }
}
