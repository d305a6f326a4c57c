//! Everything about a message that needs no database: parsing, identity, packing. Processor work, done away from the async threads.

use std::sync::Arc;

use aws_lc_rs::digest;
use bytes::Bytes;

use crate::{
    blobs,
    domain::{CaseReferenceMatcher, Error, Result, Timestamp},
    mime::{self, NoteText, ParsedMail},
    ops::Ops,
    provider::{Fetched, ItemId},
    store::NewBlob,
};

/// What a message is read for.
#[derive(Clone, Debug)]
pub struct Purpose {
    /// Finds case references, when the folder is swept.
    pub sweep: Option<CaseReferenceMatcher>,
    /// Whether the message is archived.
    pub archive: bool,
    /// Messages received before are not swept.
    pub since: Option<Timestamp>,
}

/// One message of a mailbox, ready for its transaction.
#[derive(Debug)]
pub struct Item {
    /// Id at the server.
    pub source: ItemId,
    /// Its [`source_key`].
    pub key: Vec<u8>,
    /// What came of it. `None`: it is no longer there.
    pub content: Option<Prepared>,
}

impl Item {
    /// How many bytes it was made of.
    pub fn weight(&self) -> u64 {
        self.content.as_ref().map_or(0, |content| content.size)
    }
}

/// A message that was read.
#[derive(Debug)]
pub struct Prepared {
    /// What is known of it; the text says why there is nothing more to know.
    pub parsed: ParsedMail,
    /// Why it could not be read: set aside as UNPARSABLE.
    pub unparsable: Option<String>,
    /// Its size when it was over the limit: set aside as TOO_LARGE, without its bytes.
    pub too_large: Option<u64>,
    /// Candidates for case references, in the form in which they are compared.
    pub candidates: Vec<String>,
    /// The text for a note, when there are candidates.
    pub note: Option<NoteText>,
    /// When the mailbox received it.
    pub received: Option<Timestamp>,
    /// Size in bytes.
    pub size: u64,
    /// The packed bytes, when there is a use for them.
    pub blob: Option<NewBlob>,
}

/// First half of the SHA-256 of a message's id at its server, by which handled messages are known.
pub fn source_key(id: &ItemId) -> Vec<u8> {
    digest::digest(&digest::SHA256, id.0.as_bytes()).as_ref()[..16].to_vec()
}

/// Prepares messages on a thread for processor work.
///
/// # Errors
/// [`crate::domain::Kind::Internal`] when that thread died, which no message can bring about.
pub async fn prepare_all(items: Vec<(ItemId, Fetched)>, purpose: Arc<Purpose>) -> Result<Vec<Item>> {
    let work = move || {
        items
            .into_iter()
            .map(|(source, fetched)| Item {
                content: prepare(&source, fetched, &purpose),
                key: source_key(&source),
                source,
            })
            .collect()
    };
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)
}

fn prepare(source: &ItemId, fetched: Fetched, purpose: &Purpose) -> Option<Prepared> {
    match fetched {
        Fetched::Message { raw, received } => Some(prepare_message(&raw, received, purpose)),
        Fetched::TooLarge {
            size,
            subject,
            from,
            message_id,
            received,
        } => Some(stub(size, subject, from, &message_id, received)),
        Fetched::Gone => None,
        Fetched::Broken { server_reply } => Some(Prepared {
            parsed: ParsedMail {
                // Nothing else tells it from the next one that the server cannot give out.
                identity: mime::Identity(hash(source.0.as_bytes())),
                ..ParsedMail::default()
            },
            unparsable: Some(format!("The server cannot give it out: {server_reply}")),
            ..empty(None)
        }),
    }
}

fn prepare_message(raw: &Bytes, received: Option<Timestamp>, purpose: &Purpose) -> Prepared {
    let (mut parsed, unparsable) = match mime::parse(raw) {
        Ok(parsed) => (parsed, None),
        Err(reason) => (ParsedMail::default(), Some(reason.to_string())),
    };
    let too_old = purpose.since.zip(received).is_some_and(|(since, received)| received < since);
    let candidates = match &purpose.sweep {
        Some(matcher) if unparsable.is_none() && !too_old => matcher.candidates(&mime::normalise_subject(&parsed.subject)),
        _ => Vec::new(),
    };
    let note = (!candidates.is_empty()).then(|| mime::note_text(raw));
    // A message with a reference may be set aside as a loop, so its bytes are wanted in any case.
    let wanted = purpose.archive || !candidates.is_empty() || unparsable.is_some();
    let blob = wanted.then(|| pack(raw));
    if let (Some(_), Some(blob)) = (&unparsable, &blob) {
        // Nothing survives but the bytes themselves.
        parsed.identity = mime::Identity(blob.hash);
    }
    Prepared {
        parsed,
        unparsable,
        too_large: None,
        candidates,
        note,
        received,
        size: raw.len() as u64,
        blob,
    }
}

/// What is left visible of a message over the limit.
fn stub(size: u64, subject: String, (display_name, address): (String, String), message_id: &str, received: Option<Timestamp>) -> Prepared {
    let message_id = message_id.trim().trim_start_matches('<').trim_end_matches('>');
    let digest = hash(format!("{message_id}\n{subject}\n{address}\n{size}").as_bytes());
    let parsed = ParsedMail {
        identity: mime::Identity(digest),
        message_id: (!message_id.is_empty()).then(|| message_id.to_owned()),
        subject,
        from: (!address.is_empty()).then_some(crate::domain::Mailbox { display_name, address }),
        ..ParsedMail::default()
    };
    Prepared {
        parsed,
        too_large: Some(size),
        size,
        ..empty(received)
    }
}

fn empty(received: Option<Timestamp>) -> Prepared {
    Prepared {
        parsed: ParsedMail::default(),
        unparsable: None,
        too_large: None,
        candidates: Vec::new(),
        note: None,
        received,
        size: 0,
        blob: None,
    }
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

fn pack(raw: &[u8]) -> NewBlob {
    let packed = blobs::pack(raw);
    NewBlob {
        hash: packed.hash,
        size: i64::try_from(packed.size).unwrap_or(i64::MAX),
        stored_size: i64::try_from(packed.data.len()).unwrap_or(i64::MAX),
        data: Some(packed.data.into()),
    }
}

/// Puts packed messages over the inline limit into the blob store, before the transaction that names them. What a crash leaves behind
/// there is found again under the same key by the next try.
///
/// # Errors
/// [`crate::domain::Kind::Unavailable`] when the blob store does not take one.
pub async fn place_large(ops: &Ops, tenant: &str, blobs: impl Iterator<Item = &mut NewBlob>) -> Result<()> {
    for blob in blobs {
        if blob.data.as_ref().is_some_and(|data| data.len() > ops.limits.inline_bytes) {
            let data = blob.data.take().unwrap_or_default();
            ops.blobs
                .put(&blob_key(tenant, &blob.hash), data.into())
                .await
                .map_err(Error::store_unavailable)?;
        }
    }
    Ok(())
}

/// The key of a large message in the blob store.
pub fn blob_key(tenant: &str, hash: &[u8]) -> String {
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{tenant}/{hex}")
}
