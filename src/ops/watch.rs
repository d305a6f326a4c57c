//! Following a tenant's log: what is there, then what comes, at the subscriber's own pace.

use std::future::Future;

use futures::Stream;

use super::Ops;
use crate::{
    crypto::BoundSealer,
    domain::{Detail, Error, EventKind, Kind, Message, MessageFilter, Reason, Result, TenantId, Topic},
    store::Reader,
};

/// Entries that are read at once.
const PAGE: u64 = 256;

/// From the oldest entry that is kept.
pub const EARLIEST: &str = "EARLIEST";
/// Only what is committed from now on.
pub const LATEST: &str = "LATEST";

/// An entry that passed the filter, or a bookmark.
#[derive(Clone, Debug)]
pub struct Followed<T> {
    /// Everything up to here that passes the filter has been delivered.
    pub position: i64,
    /// Absent in a bookmark.
    pub entry: Option<T>,
}

/// A stretch of a log.
pub struct Page<T> {
    /// What passed the filter, with its positions, in order.
    pub entries: Vec<(i64, T)>,
    /// Everything up to here has been looked at.
    pub read_to: i64,
    /// Whether there is more behind it already.
    pub more: bool,
}

/// Seals and opens the cursors of one stream for one tenant.
#[derive(Clone)]
pub struct Cursors(BoundSealer);

impl Cursors {
    /// A cursor of another stream is refused.
    pub fn new(ops: &Ops, topic: &Topic, tenant: &TenantId) -> Self {
        Self(ops.sealer.bind(topic.cursor_purpose(), tenant))
    }

    /// Makes a cursor.
    pub fn seal(&self, position: i64) -> String {
        self.0.seal(&position.to_be_bytes())
    }

    fn open(&self, cursor: &str) -> Result<i64> {
        let opened = self
            .0
            .open(cursor)
            .ok()
            .and_then(|payload| payload.try_into().ok())
            .map(i64::from_be_bytes);
        opened.ok_or_else(|| {
            Error::invalid_handle(
                Reason::CursorInvalid,
                "cursor",
                "it is malformed, of another stream or of another tenant. Use the cursor of the last response handled.",
            )
        })
    }

    fn expired(&self, oldest: i64) -> Error {
        Error::new(
            Kind::OutOfRange,
            Reason::CursorExpired,
            "Events after the cursor are no longer kept. Resume from oldestCursor, and list what was missed.",
        )
        .with(Detail::OldestCursor, self.seal(oldest))
    }
}

/// What a stream reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The event log, of which old entries are deleted. An empty cursor means what is committed from now on.
    EventLog,
    /// The archive, which keeps everything. An empty cursor means from the oldest entry.
    Archive,
}

/// Finds the position that a request's cursor means. `oldest` is the position behind which nothing is missing.
async fn start(reader: &Reader, cursors: &Cursors, cursor: &str, source: Source) -> Result<i64> {
    let (last, oldest) = reader.log_bounds().await?;
    let oldest = match source {
        Source::EventLog => oldest,
        Source::Archive => 0,
    };
    match (cursor, source) {
        (LATEST, _) | ("", Source::EventLog) => Ok(last),
        (EARLIEST, _) | ("", Source::Archive) => Ok(oldest),
        (cursor, _) => match cursors.open(cursor)? {
            position if position < oldest => Err(cursors.expired(oldest)),
            position => Ok(position),
        },
    }
}

/// Follows the events of a stream for which `pick` gives something.
///
/// # Errors
/// Of the cursor: INVALID_ARGUMENT or OUT_OF_RANGE. The stream itself ends with an error when the service stops, when the log was
/// pruned ahead of a slow reader, or when the database stays away.
pub async fn follow_events<T: Send + 'static>(
    ops: &Ops,
    topic: &'static Topic,
    tenant: &TenantId,
    (cursors, cursor): (Cursors, &str),
    pick: impl Fn(String, crate::domain::Timestamp, EventKind) -> Option<T> + Send + Sync + Clone + 'static,
) -> Result<impl Stream<Item = Result<Followed<T>>> + Send + 'static> {
    let reader = ops.store.tenant(tenant);
    let from = start(&reader, &cursors, cursor, Source::EventLog).await?;
    let pages = {
        let reader = ops.store.tenant(tenant);
        move |after: i64| {
            let (reader, cursors, pick) = (reader.clone(), cursors.clone(), pick.clone());
            async move {
                let page = reader.events_after(after, topic.events, PAGE).await?;
                if after < page.oldest {
                    return Err(cursors.expired(page.oldest));
                }
                let more = page.events.len() as u64 == PAGE;
                let entries = page
                    .events
                    .into_iter()
                    .filter_map(|event| Some((event.position, pick(event.id, event.time, event.what)?)));
                Ok(Page {
                    entries: entries.collect(),
                    read_to: page.read_to,
                    more,
                })
            }
        }
    };
    Ok(follow(ops.clone(), reader, from, pages))
}

/// Follows archived messages: the history in the order in which it was archived or linked, then what is new.
///
/// # Errors
/// As [`follow_events`], but that messages are not pruned with the log.
pub async fn follow_messages(
    ops: &Ops,
    tenant: &TenantId,
    cursors: &Cursors,
    cursor: &str,
    filter: MessageFilter,
) -> Result<impl Stream<Item = Result<Followed<Message>>> + Send + 'static> {
    let reader = ops.store.tenant(tenant);
    let from = start(&reader, cursors, cursor, Source::Archive).await?;
    let pages = {
        let reader = ops.store.tenant(tenant);
        move |after: i64| {
            let (reader, filter) = (reader.clone(), filter.clone());
            async move {
                let (messages, read_to) = reader.messages_after(after, filter.customer.as_ref(), PAGE).await?;
                let more = messages.len() as u64 == PAGE;
                let entries = messages
                    .into_iter()
                    .filter(|message| filter.passes(message))
                    .map(|message| (message.position, message));
                Ok(Page {
                    entries: entries.collect(),
                    read_to,
                    more,
                })
            }
        }
    };
    Ok(follow(ops.clone(), reader, from, pages))
}

/// Reads page after page, waits at the end of the log, and sends a bookmark when nothing passed for a while. While a page is sent the next
/// one is read. It holds these two in memory, and no connection while the subscriber takes its time.
fn follow<T, F>(
    ops: Ops,
    reader: Reader,
    from: i64,
    pages: impl Fn(i64) -> F + Send + 'static,
) -> impl Stream<Item = Result<Followed<T>>> + Send + 'static
where
    T: Send + 'static,
    F: Future<Output = Result<Page<T>>> + Send + 'static,
{
    let interval = ops.limits.bookmark_interval;
    async_stream::try_stream! {
        let mut position = from;
        let mut bookmarked = tokio::time::Instant::now();
        // The first bookmark comes at once: a subscriber has a cursor to go on with before anything happens.
        yield Followed { position, entry: None };
        // The end of the history is reported at once, whatever comes or does not come then.
        let mut is_behind = true;
        let mut ahead: Option<tokio::task::JoinHandle<Result<Page<T>>>> = None;
        loop {
            let stopping = ops.stopping.is_cancelled();
            let page = match ahead.take() {
                Some(read) => read.await.map_err(Error::internal)??,
                None => pages(position).await?,
            };
            if page.more {
                ahead = Some(tokio::spawn(pages(page.read_to)));
            }
            let advanced = page.read_to > position;
            for (at, entry) in page.entries {
                yield Followed { position: at, entry: Some(entry) };
                position = at;
                bookmarked = tokio::time::Instant::now();
            }
            position = position.max(page.read_to);
            let caught_up = is_behind && !page.more;
            is_behind = page.more;
            // A page may have ended with entries that did not pass.
            if caught_up || (advanced && bookmarked.elapsed() >= interval) {
                yield Followed { position, entry: None };
                bookmarked = tokio::time::Instant::now();
            }
            if advanced {
                continue;
            }
            // What was committed before the stop has been delivered.
            if stopping {
                Err(Error::shutting_down())?;
            }
            let rest = interval.saturating_sub(bookmarked.elapsed());
            tokio::select! {
                () = reader.wait_past(position, rest) => {}
                () = ops.stopping.cancelled() => {}
            }
            if bookmarked.elapsed() >= interval {
                yield Followed { position, entry: None };
                bookmarked = tokio::time::Instant::now();
            }
        }
    }
}
