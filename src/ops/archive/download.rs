//! The bytes of stored messages and attachments, in pieces. However long they are, a download that nobody reads holds some hundred
//! kilobytes: what is read next is unpacked and decoded when it is wanted.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    blobs::{BlobReader, Container, Corrupt, unpack},
    domain::{Detail, Error, Kind, Reason, Result, TenantId},
    mime::{Located, PartReader},
    ops::{
        Ops,
        intake::blob_key,
        processor::{Worker, memory_for},
    },
};

/// Most bytes of one piece of a download.
const CHUNK: usize = 64 * 1024;

/// A message's own bytes.
///
/// # Errors
/// [`Kind::Internal`] when they are missing or damaged.
#[cfg(feature = "testing")]
pub async fn raw_bytes(ops: &Ops, tenant: &TenantId, hash: &[u8]) -> Result<Vec<u8>> {
    let packed = Stored::find(ops, tenant, hash).await?.packed(ops).await?;
    unpack(&packed).map_err(Error::internal)
}

/// A message or attachment that is being downloaded.
pub struct Download {
    /// Size of the whole, whatever the offset.
    pub size: u64,
    /// SHA-256 of the whole.
    pub sha256: Vec<u8>,
    /// Media type.
    pub media_type: String,
    /// A file name that is safe to use.
    pub file_name: String,
    source: Source,
    offset: u64,
}

enum Source {
    /// The message itself.
    Message(Packed),
    /// A part of it, and what is decoded of it already.
    Part {
        message: Packed,
        reader: PartReader,
        decoded: Bytes,
    },
}

impl Download {
    /// Opens the bytes of a message that are kept under `hash`.
    pub(in crate::ops) async fn of_message(ops: &Ops, tenant: &TenantId, hash: &[u8], name: &str, offset: i64) -> Result<Self> {
        let stored = Stored::find(ops, tenant, hash).await?;
        Ok(Self {
            size: stored.size,
            sha256: hash.to_vec(),
            media_type: "message/rfc822".to_owned(),
            file_name: format!("{name}.eml"),
            offset: check_offset(offset, stored.size)?,
            source: Source::Message(stored.open(ops).await?),
        })
    }

    /// Opens an attachment of a message. It was located for this offset.
    pub(super) fn of_attachment(message: Packed, located: Located, offset: i64) -> Result<Self> {
        let Located { info, sha256, content } = located;
        Ok(Self {
            size: info.size,
            sha256: sha256.to_vec(),
            media_type: info.media_type,
            file_name: if info.file_name.is_empty() {
                "attachment".to_owned()
            } else {
                info.file_name
            },
            source: Source::Part {
                message,
                reader: content,
                decoded: Bytes::new(),
            },
            offset: check_offset(offset, info.size)?,
        })
    }

    /// The next piece, at most 64 KiB, with its offset. `None` at the end.
    ///
    /// # Errors
    /// [`Kind::Internal`] when the bytes are damaged.
    pub async fn next(&mut self) -> Result<Option<(u64, Bytes)>> {
        if self.offset >= self.size {
            return Ok(None);
        }
        let at = self.offset;
        let piece = match &mut self.source {
            Source::Message(message) => message.read_range(at).await?,
            Source::Part { message, reader, decoded } => {
                while decoded.is_empty() {
                    *decoded = decode_next(message, reader).await?;
                }
                decoded.split_to(decoded.len().min(CHUNK))
            }
        };
        if piece.is_empty() {
            return Err(too_short());
        }
        self.offset += piece.len() as u64;
        Ok(Some((at, piece)))
    }
}

/// Decodes a bit more. Possibly nothing, as of the beginning of a line.
async fn decode_next(message: &mut Packed, reader: &mut PartReader) -> Result<Bytes> {
    let mut out = Vec::new();
    let wanted = reader.wanted();
    if wanted.is_empty() {
        reader.finish(&mut out);
        return if out.is_empty() { Err(too_short()) } else { Ok(out.into()) };
    }
    let mut bytes = message.read_range(wanted.start).await?;
    if bytes.is_empty() {
        return Err(too_short());
    }
    let length = usize::try_from(wanted.end - wanted.start).unwrap_or(usize::MAX);
    bytes.truncate(length);
    reader.push(&bytes, &mut out);
    Ok(out.into())
}

fn too_short() -> Error {
    Error::internal("stored bytes end before their size")
}

fn check_offset(offset: i64, size: u64) -> Result<u64> {
    match u64::try_from(offset) {
        Ok(offset) if offset <= size => Ok(offset),
        Ok(_) => Err(Error::new(
            Kind::OutOfRange,
            Reason::OffsetOutOfRange,
            format!("offset_bytes is beyond the end: the content has {size} bytes."),
        )
        .with(Detail::SizeBytes, size.to_string())),
        Err(_) => Err(Error::invalid_field("offset_bytes", "must not be negative.")),
    }
}

/// A message in the store, not loaded but for small ones.
pub(super) struct Stored {
    size: u64,
    key: String,
    /// The packed bytes, when they are in the database.
    inline: Option<Arc<[u8]>>,
}

impl Stored {
    /// Looks a message up.
    ///
    /// # Errors
    /// [`Kind::Internal`] when its bytes are missing.
    pub(super) async fn find(ops: &Ops, tenant: &TenantId, hash: &[u8]) -> Result<Self> {
        let row = ops.store.tenant(tenant).blob(hash).await?;
        let row = row.ok_or_else(|| Error::internal("the bytes of a message are missing"))?;
        Ok(Self {
            size: u64::try_from(row.size).unwrap_or(0),
            key: blob_key(tenant, hash),
            inline: row.data.map(Arc::from),
        })
    }

    /// Reads the whole message when it is the worker's turn, away from the async threads.
    ///
    /// # Errors
    /// As [`crate::ops::Processor::turn`], and [`Kind::Internal`] when the bytes are damaged.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        ops: &Ops,
        worker: Worker,
        work: impl FnOnce(&[u8]) -> T + Send + 'static,
    ) -> Result<T> {
        let turn = ops.processor.turn(worker, memory_for(self.size)).await?;
        let packed = self.packed(ops).await?;
        let work = move || -> Result<T, Corrupt> {
            let raw = unpack(&packed)?;
            drop(packed);
            Ok(work(&raw))
        };
        turn.run(work).await?.map_err(Error::internal)
    }

    /// Opens it to be read in pieces.
    ///
    /// # Errors
    /// [`Kind::Internal`] when it is damaged; [`Kind::Unavailable`] when its folder is away.
    pub(super) async fn open(self, ops: &Ops) -> Result<Packed> {
        match self.inline {
            Some(data) => Ok(Packed::Inline(data)),
            None => {
                let reader = BlobReader::open(ops.blobs.clone(), self.key).await?;
                Ok(Packed::Stored(Box::new(reader)))
            }
        }
    }

    async fn packed(&self, ops: &Ops) -> Result<Bytes> {
        match &self.inline {
            Some(data) => Ok(Bytes::from_owner(data.clone())),
            None => Ok(ops.blobs.get(&self.key).await?),
        }
    }
}

/// A message that is read in pieces.
pub(super) enum Packed {
    /// From the database.
    Inline(Arc<[u8]>),
    /// In the blob store.
    Stored(Box<BlobReader>),
}

impl Packed {
    /// The bytes of the message from `at` on, at most 64 KiB. Unpacking them takes about a millisecond, so it needs no turn.
    async fn read_range(&mut self, at: u64) -> Result<Bytes> {
        match self {
            Self::Inline(data) => {
                let container = Container::open(data).map_err(Error::internal)?;
                Ok(container.read_range(at, CHUNK as u64).map_err(Error::internal)?.into())
            }
            Self::Stored(reader) => Ok(reader.read_range(at, CHUNK as u64).await?),
        }
    }
}
