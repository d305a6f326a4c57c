//! One message, read and packed: parsing, identity, case reference candidates, note text. Needs no database.

use aws_lc_rs::digest;
use bytes::Bytes;

use crate::{
    blobs,
    domain::{CaseReferenceMatcher, Timestamp},
    mime::{self, NoteText, ParsedMail},
    provider::{Fetched, ItemId, ListedMessage},
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

impl Prepared {
    /// Whether the server did not give it out: there is neither a message nor a size.
    pub(super) fn is_withheld(&self) -> bool {
        self.unparsable.is_some() && self.blob.is_none() && self.too_large.is_none()
    }
}

/// First half of the SHA-256 of a message's id at its server, by which handled messages are known.
pub fn source_key(id: &ItemId) -> Vec<u8> {
    digest::digest(&digest::SHA256, id.0.as_bytes()).as_ref()[..16].to_vec()
}

/// The name of a variable with a text that ends the process when a message has it: for tests of what happens then.
#[cfg(debug_assertions)]
pub(super) const ABORT: &str = "TEST_ABORT_IN_PREPARATION";

#[cfg(debug_assertions)]
fn abort_if_asked(raw: &[u8]) {
    if let Some(text) = std::env::var_os(ABORT)
        && memchr::memmem::find(raw, text.as_encoded_bytes()).is_some()
    {
        std::process::abort();
    }
}

/// Does all that preparing a message can do. Finding references is linear; what a reference leads to is the text.
pub(super) fn rehearse(raw: &[u8]) {
    #[cfg(debug_assertions)]
    abort_if_asked(raw);
    drop(mime::parse_with_note(raw, |_| true));
    drop(pack(raw));
}

/// What is kept of a message that must not be read: its bytes.
pub(super) fn set_aside(raw: &Bytes, received: Option<Timestamp>, reason: String) -> Prepared {
    let blob = pack(raw);
    Prepared {
        parsed: ParsedMail {
            identity: mime::Identity(blob.hash),
            ..ParsedMail::default()
        },
        unparsable: Some(reason),
        size: raw.len() as u64,
        blob: Some(blob),
        ..empty(received)
    }
}

/// Reads what the server returned for a message. `None`: it is no longer there.
pub(super) fn prepare(source: &ItemId, fetched: Fetched, purpose: &Purpose) -> Option<Prepared> {
    match fetched {
        Fetched::Message { raw, received } => Some(prepare_message(&raw, received, purpose)),
        Fetched::TooLarge { size, listed } => Some(stub(size, listed)),
        Fetched::Gone => None,
        Fetched::Broken { server_reply, listed } => Some(Prepared {
            // Nothing else tells it from the next one that the server cannot give out.
            parsed: known_of(&listed, hash(source.0.as_bytes())),
            unparsable: Some(format!("The server cannot return it: {server_reply}")),
            ..empty(listed.received)
        }),
    }
}

fn prepare_message(raw: &Bytes, received: Option<Timestamp>, purpose: &Purpose) -> Prepared {
    #[cfg(debug_assertions)]
    abort_if_asked(raw);
    let too_old = purpose.since.zip(received).is_some_and(|(since, received)| received < since);
    let mut candidates = Vec::new();
    let read = mime::parse_with_note(raw, |mail| {
        if let Some(matcher) = purpose.sweep.as_ref().filter(|_| !too_old) {
            candidates = matcher.candidates(&mime::normalise_subject(&mail.subject));
        }
        !candidates.is_empty()
    });
    let (mut parsed, note, unparsable) = match read {
        Ok((parsed, note)) => (parsed, note, None),
        Err(reason) => {
            candidates.clear();
            (ParsedMail::default(), None, Some(reason.to_string()))
        }
    };
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
fn stub(size: u64, listed: ListedMessage) -> Prepared {
    let message_id = listed.bare_id();
    let address = listed.from.as_ref().map_or("", |from| from.address.as_str());
    let digest = hash(format!("{message_id}\n{}\n{address}\n{size}", listed.subject).as_bytes());
    Prepared {
        parsed: known_of(&listed, digest),
        too_large: Some(size),
        size,
        ..empty(listed.received)
    }
}

/// What a server reports of a message in place of what it says itself.
fn known_of(listed: &ListedMessage, identity: [u8; 32]) -> ParsedMail {
    let message_id = listed.bare_id();
    ParsedMail {
        identity: mime::Identity(identity),
        message_id: (!message_id.is_empty()).then(|| message_id.to_owned()),
        subject: listed.subject.clone(),
        from: listed.from.clone(),
        ..ParsedMail::default()
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
