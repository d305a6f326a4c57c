//! Reading the archive: lists, search, one message in parts, its bytes.

use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;

use super::{
    Ops,
    intake::blob_key,
    page_limit,
    watch::{Cursors, Followed, follow_messages},
};
use crate::{
    blobs::{BlobReader, Container},
    domain::{ArchiveStatistics, Caller, Error, Kind, Message, MessageFilter, Reason, Result, Scope},
    mime::{self, AttachmentInfo, Content},
    store::{MessageAfter, SearchTerm},
};

/// Most bytes of one piece of a download.
pub const CHUNK: usize = 64 * 1024;

/// Lists messages by the time they were sent, newest first. The second value is where the next page begins, if there may be one.
///
/// # Errors
/// [`Kind::Denied`] without `archive.read`.
pub async fn list(
    ops: &Ops,
    caller: &Caller,
    filter: &MessageFilter,
    after: Option<MessageAfter>,
    page_size: i32,
) -> Result<(Vec<Message>, Option<MessageAfter>)> {
    caller.need(Scope::ArchiveRead)?;
    let limit = page_limit(page_size)?;
    let rows = ops.store.tenant(&caller.tenant).messages(filter, after, limit).await?;
    Ok(page(rows, limit))
}

/// Finds messages by words, newest first.
///
/// # Errors
/// [`Kind::Invalid`] when the query has no word.
pub async fn search(
    ops: &Ops,
    caller: &Caller,
    query: &str,
    filter: &MessageFilter,
    after: Option<MessageAfter>,
    page_size: i32,
) -> Result<(Vec<Message>, Option<MessageAfter>)> {
    caller.need(Scope::ArchiveRead)?;
    let limit = page_limit(page_size)?;
    let terms = parse_query(query)?;
    let rows = ops
        .store
        .tenant(&caller.tenant)
        .search_messages(&terms, filter, after, limit)
        .await?;
    Ok(page(rows, limit))
}

fn page(rows: Vec<(MessageAfter, Message)>, limit: u64) -> (Vec<Message>, Option<MessageAfter>) {
    let next = if rows.len() as u64 == limit {
        rows.last().map(|(after, _)| *after)
    } else {
        None
    };
    (rows.into_iter().map(|(_, message)| message).collect(), next)
}

/// Returns a message.
///
/// # Errors
/// [`Kind::NotFound`].
pub async fn get(ops: &Ops, caller: &Caller, id: &str) -> Result<Message> {
    caller.need(Scope::ArchiveRead)?;
    let message = ops.store.tenant(&caller.tenant).message(id).await?;
    message.ok_or_else(|| Error::not_found(format!("messages/{id}")))
}

/// Returns a message in parts. Such reads are written to the log with who read what.
///
/// # Errors
/// [`Kind::NotFound`]; [`Kind::Internal`] when its bytes are damaged.
pub async fn get_content(ops: &Ops, caller: &Caller, id: &str) -> Result<(Message, Content)> {
    let message = get(ops, caller, id).await?;
    audit_read(caller, id);
    let raw = raw_bytes(ops, &caller.tenant, &message.hash).await?;
    let content = tokio::task::spawn_blocking(move || mime::content(&raw))
        .await
        .map_err(Error::internal)?;
    Ok((message, content))
}

/// Opens a message's own bytes for download.
///
/// # Errors
/// [`Kind::NotFound`]; [`Kind::OutOfRange`] for an offset beyond the end.
pub async fn download(ops: &Ops, caller: &Caller, id: &str, offset: i64) -> Result<Download> {
    let message = get(ops, caller, id).await?;
    audit_read(caller, id);
    Download::of_message(ops, &caller.tenant, &message.hash, id, offset).await
}

/// Opens an attachment for download.
///
/// # Errors
/// [`Kind::NotFound`]; [`Kind::OutOfRange`] for an offset beyond the end.
pub async fn download_attachment(ops: &Ops, caller: &Caller, id: &str, index: i32, offset: i64) -> Result<Download> {
    let message = get(ops, caller, id).await?;
    audit_read(caller, id);
    let missing = || Error::not_found(format!("messages/{id} attachment {index}"));
    let index = usize::try_from(index).map_err(|_| missing())?;
    let raw = raw_bytes(ops, &caller.tenant, &message.hash).await?;
    let found = tokio::task::spawn_blocking(move || mime::attachment(&raw, index))
        .await
        .map_err(Error::internal)?;
    let (info, bytes) = found.ok_or_else(missing)?;
    Download::of_attachment(info, bytes, offset)
}

/// Says how much is archived.
///
/// # Errors
/// [`Kind::Denied`] without `archive.read`.
pub async fn statistics(ops: &Ops, caller: &Caller) -> Result<ArchiveStatistics> {
    caller.need(Scope::ArchiveRead)?;
    ops.store.tenant(&caller.tenant).archive_statistics().await
}

/// Follows messages: history, then what is new.
///
/// # Errors
/// As of `ArchiveService.StreamMessages`.
pub async fn stream(
    ops: &Ops,
    caller: &Caller,
    cursors: &Cursors,
    cursor: &str,
    filter: MessageFilter,
) -> Result<impl Stream<Item = Result<Followed<Message>>> + Send + 'static> {
    caller.need(Scope::ArchiveRead)?;
    follow_messages(ops, &caller.tenant, cursors, cursor, filter).await
}

/// Who read a message's body is kept, also when it was only a part of it.
fn audit_read(caller: &Caller, id: &str) {
    tracing::info!(target: "mailagent::audit", tenant = caller.tenant, user = caller.user, message = id, "message read");
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
    /// Packed, from the database.
    Inline(Arc<[u8]>),
    /// Packed, in the blob store.
    Stored(Box<BlobReader>),
    /// As it is.
    Plain(Bytes),
}

impl Download {
    /// Opens the bytes of a message that are kept under `hash`.
    pub(super) async fn of_message(ops: &Ops, tenant: &str, hash: &[u8], name: &str, offset: i64) -> Result<Self> {
        let row = ops.store.tenant(tenant).blob(hash).await?;
        let row = row.ok_or_else(|| Error::internal(format!("the bytes of {name} are missing")))?;
        let size = u64::try_from(row.size).unwrap_or(0);
        let source = match row.data {
            Some(data) => Source::Inline(data.into()),
            None => {
                let reader = BlobReader::open(ops.blobs.clone(), blob_key(tenant, hash)).await;
                Source::Stored(Box::new(reader.map_err(Error::internal)?))
            }
        };
        Ok(Self {
            size,
            sha256: hash.to_vec(),
            media_type: "message/rfc822".to_owned(),
            file_name: format!("{name}.eml"),
            source,
            offset: check_offset(offset, size)?,
        })
    }

    fn of_attachment(info: AttachmentInfo, bytes: Vec<u8>, offset: i64) -> Result<Self> {
        let size = bytes.len() as u64;
        Ok(Self {
            size,
            sha256: aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes).as_ref().to_vec(),
            media_type: info.media_type,
            file_name: if info.file_name.is_empty() {
                "attachment".to_owned()
            } else {
                info.file_name
            },
            source: Source::Plain(bytes.into()),
            offset: check_offset(offset, size)?,
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
            Source::Plain(bytes) => {
                let from = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                bytes.slice(from..bytes.len().min(from + CHUNK))
            }
            Source::Inline(data) => {
                let container = Container::open(data).map_err(Error::internal)?;
                container.read_range(at, CHUNK as u64).map_err(Error::internal)?.into()
            }
            Source::Stored(reader) => reader.read_range(at, CHUNK as u64).await.map_err(Error::internal)?,
        };
        if piece.is_empty() {
            return Err(Error::internal("stored bytes end before their size"));
        }
        self.offset += piece.len() as u64;
        Ok(Some((at, piece)))
    }
}

fn check_offset(offset: i64, size: u64) -> Result<u64> {
    match u64::try_from(offset) {
        Ok(offset) if offset <= size => Ok(offset),
        Ok(_) => Err(Error::new(
            Kind::OutOfRange,
            Reason::OffsetOutOfRange,
            format!("offset_bytes lies beyond the end: the content has {size} bytes."),
        )
        .with("sizeBytes", size.to_string())),
        Err(_) => Err(Error::invalid_field("offset_bytes", "must not be negative.")),
    }
}

/// A message's own bytes.
///
/// # Errors
/// [`Kind::Internal`] when they are missing or damaged.
pub async fn raw_bytes(ops: &Ops, tenant: &str, hash: &[u8]) -> Result<Vec<u8>> {
    let row = ops.store.tenant(tenant).blob(hash).await?;
    let row = row.ok_or_else(|| Error::internal("the bytes of a message are missing"))?;
    let data = match row.data {
        Some(data) => data,
        None => ops.blobs.get(&blob_key(tenant, hash)).await.map_err(Error::internal)?.to_vec(),
    };
    let container = Container::open(&data).map_err(Error::internal)?;
    container.read_all().map_err(Error::internal)
}

/// Reads a query: words that must all occur, `word*` for a beginning, `"a phrase"` for words in a row.
fn parse_query(query: &str) -> Result<Vec<SearchTerm>> {
    let mut terms = Vec::new();
    for (index, part) in query.split('"').enumerate() {
        // Every second part stands within quotes.
        let pieces: Vec<&str> = if index % 2 == 1 {
            vec![part]
        } else {
            part.split_whitespace().collect()
        };
        for piece in pieces {
            let words = piece.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
            let words: Vec<String> = words.map(str::to_owned).collect();
            if !words.is_empty() {
                let prefix = piece.ends_with('*');
                terms.push(SearchTerm { words, prefix });
            }
        }
    }
    if terms.is_empty() || query.chars().count() > 500 {
        return Err(Error::invalid_field(
            "query",
            "must have 1 to 500 characters and at least one word, such as: invoice \"water pump\" oakf*",
        ));
    }
    Ok(terms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_words_beginnings_and_phrases() {
        let term = |words: &[&str], prefix| SearchTerm {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            prefix,
        };
        let check = |query: &str, expected: &[SearchTerm]| assert_eq!(parse_query(query).unwrap(), expected, "{query}");
        check("invoice", &[term(&["invoice"], false)]);
        check("oakf* pump", &[term(&["oakf"], true), term(&["pump"], false)]);
        check(
            "\"water pump\" eva@a.example",
            &[term(&["water", "pump"], false), term(&["eva", "a", "example"], false)],
        );
        check(
            "a OR NOT:b^(",
            &[term(&["a"], false), term(&["OR"], false), term(&["NOT", "b"], false)],
        );
        assert!(parse_query(" \"\" *").is_err());
        assert!(parse_query(&"a ".repeat(251)).is_err());
    }
}
