//! Reading the archive: lists, search, one message in parts, its bytes.

mod download;

use futures::Stream;
use unicode_normalization::char::is_combining_mark;

use self::download::Stored;
use super::{
    Ops, page_limit,
    processor::Worker,
    reads::record,
    watch::{Cursors, Followed, follow_messages},
};
use crate::{
    domain::{ArchiveStatistics, Caller, Error, Message, MessageAfter, MessageFilter, MessageId, Page, Result, Scope, topic},
    mime::{self, Content},
    store::SearchTerm,
};

pub use self::download::Download;
#[cfg(feature = "testing")]
pub use self::download::raw_bytes;

/// Lists messages by the time they were sent, newest first.
///
/// # Errors
/// [`crate::domain::Kind::Denied`] without `archive.read`.
pub async fn list(
    ops: &Ops,
    caller: &Caller,
    filter: &MessageFilter,
    after: Option<MessageAfter>,
    page_size: i32,
) -> Result<Page<Message, MessageAfter>> {
    caller.need(Scope::ArchiveRead)?;
    let limit = page_limit(page_size)?;
    let rows = ops.store.tenant(&caller.tenant).messages(filter, after, limit).await?;
    Ok(Page::new(rows, limit, |(after, _)| *after).map(|(_, message)| message))
}

/// What is searched for.
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    /// Words, as callers write them.
    pub query: &'a str,
    /// Among which messages.
    pub filter: &'a MessageFilter,
}

/// Finds messages by words, newest first.
///
/// # Errors
/// [`crate::domain::Kind::Invalid`] when the query has no word.
pub async fn search(
    ops: &Ops,
    caller: &Caller,
    search: Search<'_>,
    after: Option<MessageAfter>,
    page_size: i32,
) -> Result<Page<Message, MessageAfter>> {
    caller.need(Scope::ArchiveRead)?;
    let limit = page_limit(page_size)?;
    let terms = parse_query(search.query)?;
    let rows = ops
        .store
        .tenant(&caller.tenant)
        .search_messages(&terms, search.filter, after, limit)
        .await?;
    Ok(Page::new(rows, limit, |(after, _)| *after).map(|(_, message)| message))
}

/// Returns a message.
///
/// # Errors
/// [`crate::domain::Kind::NotFound`].
pub async fn get(ops: &Ops, caller: &Caller, id: &MessageId) -> Result<Message> {
    caller.need(Scope::ArchiveRead)?;
    let message = ops.store.tenant(&caller.tenant).message(id).await?;
    message.ok_or_else(|| Error::not_found(id.name()))
}

/// Returns a message in parts. The audit log has who read it.
///
/// # Errors
/// [`crate::domain::Kind::NotFound`]; [`crate::domain::Kind::Internal`] when its bytes are damaged.
pub async fn get_content(ops: &Ops, caller: &Caller, id: &MessageId) -> Result<(Message, Content)> {
    let message = get(ops, caller, id).await?;
    record(ops, caller, "GetMessage", id.name()).await?;
    let stored = Stored::find(ops, &caller.tenant, &message.hash).await?;
    let content = stored.read(ops, Worker::caller(caller), mime::content).await?;
    Ok((message, content))
}

/// Opens a message's own bytes for download.
///
/// # Errors
/// [`crate::domain::Kind::NotFound`]; [`crate::domain::Kind::OutOfRange`] for an offset beyond the end.
pub async fn download(ops: &Ops, caller: &Caller, id: &MessageId, offset: i64) -> Result<Download> {
    let message = get(ops, caller, id).await?;
    record(ops, caller, "DownloadMessage", id.name()).await?;
    Download::of_message(ops, &caller.tenant, &message.hash, id.as_str(), offset).await
}

/// Opens an attachment for download.
///
/// # Errors
/// [`crate::domain::Kind::NotFound`]; [`crate::domain::Kind::OutOfRange`] for an offset beyond the end.
pub async fn download_attachment(ops: &Ops, caller: &Caller, id: &MessageId, index: i32, offset: i64) -> Result<Download> {
    let message = get(ops, caller, id).await?;
    record(ops, caller, "DownloadAttachment", id.name()).await?;
    let missing = || Error::not_found(format!("messages/{id} attachment {index}"));
    let index = usize::try_from(index).map_err(|_| missing())?;
    let from = u64::try_from(offset).unwrap_or(0);
    let stored = Stored::find(ops, &caller.tenant, &message.hash).await?;
    let located = stored.read(ops, Worker::caller(caller), move |raw| mime::locate(raw, index, from));
    let located = located.await?.ok_or_else(missing)?;
    Download::of_attachment(stored.open(ops).await?, located, offset)
}

/// Says how much is archived.
///
/// # Errors
/// [`crate::domain::Kind::Denied`] without `archive.read`.
pub async fn statistics(ops: &Ops, caller: &Caller) -> Result<ArchiveStatistics> {
    caller.need(Scope::ArchiveRead)?;
    ops.store.tenant(&caller.tenant).archive_statistics().await
}

/// Follows messages: history, then what is new.
///
/// # Errors
/// See `ArchiveService.StreamMessages`.
pub async fn stream(
    ops: &Ops,
    caller: &Caller,
    cursors: &Cursors,
    cursor: &str,
    filter: MessageFilter,
) -> Result<impl Stream<Item = Result<Followed<Message>>> + Send + 'static> {
    caller.need_any(topic::MESSAGES.scopes)?;
    follow_messages(ops, &caller.tenant, cursors, cursor, filter).await
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
            let words = piece.split(|c: char| !c.is_alphanumeric() && !is_combining_mark(c));
            let words = words.filter(|word| word.contains(char::is_alphanumeric));
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
        check(
            "\u{e17}\u{e35}\u{e48} cafe\u{301}",
            &[term(&["\u{e17}\u{e35}\u{e48}"], false), term(&["cafe\u{301}"], false)],
        );
        assert!(parse_query(" \"\" *").is_err());
        assert!(parse_query(&"a ".repeat(251)).is_err());
    }
}
