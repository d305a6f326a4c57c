//! Notifications: one subscription and one stream, kept open between calls.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, timeout};

use super::{
    errors::{Fault, Hint},
    requests, responses,
    responses::Signal,
    splitter::Splitter,
    transport::{LongAnswer, Transport},
};
use crate::provider::{ErrorClass, Folder};

/// Longest envelope in the stream, in bytes.
const MAX_ENVELOPE: usize = 1 << 20;
/// A stream that ends sooner than this was never any good: the caller polls, lest both sides spin.
const SHORT_STREAM: Duration = Duration::from_secs(10);
/// The same for subscriptions. Servers keep them for half an hour.
const SHORT_SUBSCRIPTION: Duration = Duration::from_secs(60);

/// What is kept between calls. Locked only briefly.
#[derive(Default)]
pub(super) struct Watch(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    subscription: Option<Subscription>,
    stream: Option<Stream>,
}

struct Subscription {
    id: String,
    folders: Vec<String>,
    since: Instant,
}

struct Stream {
    answer: LongAnswer,
    splitter: Splitter,
    since: Instant,
}

/// What is kept, taken out for one call. It goes back however the call ends, so that events are neither lost nor asked for twice.
struct Taken<'a> {
    watch: &'a Watch,
    kept: Kept,
}

impl Watch {
    fn take(&self) -> Taken<'_> {
        let kept = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        Taken { watch: self, kept }
    }

    /// Makes what is kept look older.
    #[cfg(test)]
    pub(super) fn age(&self, by: Duration) {
        let mut taken = self.take();
        let Kept { subscription, stream } = &mut taken.kept;
        let since = subscription.iter_mut().map(|one| &mut one.since);
        for since in since.chain(stream.iter_mut().map(|one| &mut one.since)) {
            *since -= by;
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let kept = std::mem::take(&mut self.kept);
        *self.watch.0.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }
}

/// Waits for something to happen; see [`crate::provider::MailSource::wait`].
///
/// Comes back at once after a new subscription, as things may have happened before it.
pub(super) async fn wait(transport: &Transport, watch: &Watch, folders: &[Folder], limit: Duration) -> Result<(), Fault> {
    timeout(limit, listen(transport, watch, folders)).await.unwrap_or(Ok(()))
}

/// May be dropped at any time: nothing that has arrived is lost.
async fn listen(transport: &Transport, watch: &Watch, folders: &[Folder]) -> Result<(), Fault> {
    let mut taken = watch.take();
    let kept = &mut taken.kept;
    let wanted: Vec<String> = folders.iter().map(|folder| folder.id.clone()).collect();
    if kept
        .subscription
        .as_ref()
        .is_some_and(|subscription| subscription.folders != wanted)
    {
        *kept = Kept::default();
    }
    loop {
        let Some(stream) = &mut kept.stream else {
            let is_new = kept.subscription.is_none();
            let subscription = match &mut kept.subscription {
                Some(subscription) => subscription,
                none => none.insert(subscribe(transport, folders, &wanted).await?),
            };
            kept.stream = Some(open(transport, &subscription.id).await?);
            if is_new {
                return Ok(());
            }
            continue;
        };
        let short = stream.since.elapsed() < SHORT_STREAM;
        let fault = match next(transport, stream).await {
            Ok(Signal::Alive) => continue,
            Ok(Signal::Changed) => return Ok(()),
            Ok(Signal::Closed) => transport.judge.fault(
                ErrorClass::Retry { after: None },
                "{host} ended the notifications right after their beginning. The mailbox is read at intervals instead.",
                "",
            ),
            Err(fault) => fault,
        };
        kept.stream = None;
        if fault.hint == Hint::SubscriptionLost {
            let lost = kept.subscription.take();
            if lost.is_some_and(|lost| lost.since.elapsed() >= SHORT_SUBSCRIPTION) {
                continue;
            }
            return Err(fault);
        }
        return if short { Err(fault) } else { Ok(()) };
    }
}

async fn subscribe(transport: &Transport, folders: &[Folder], wanted: &[String]) -> Result<Subscription, Fault> {
    let body = transport.call(requests::subscribe(folders)).await?;
    Ok(Subscription {
        id: responses::subscription(&transport.judge, &body)?,
        folders: wanted.to_vec(),
        since: Instant::now(),
    })
}

async fn open(transport: &Transport, subscription: &str) -> Result<Stream, Fault> {
    Ok(Stream {
        answer: transport.stream(requests::get_streaming_events(subscription)).await?,
        splitter: Splitter::new(MAX_ENVELOPE),
        since: Instant::now(),
    })
}

/// The next thing that the stream says; its end and a long silence are [`Signal::Closed`].
async fn next(transport: &Transport, stream: &mut Stream) -> Result<Signal, Fault> {
    let said = timeout(transport.timeouts.stream, async {
        loop {
            match stream.splitter.next() {
                Ok(Some(envelope)) => return responses::signal(&transport.judge, &envelope),
                Ok(None) => {}
                Err(error) => {
                    let mut fault = transport.judge.too_large(MAX_ENVELOPE as u64);
                    fault.error.source = Some(Box::new(error));
                    return Err(fault);
                }
            }
            match stream.answer.response.chunk().await {
                Ok(Some(piece)) => stream.splitter.push(&piece),
                Ok(None) => return Ok(Signal::Closed),
                Err(error) => return Err(transport.connection_fault(error)),
            }
        }
    });
    said.await.unwrap_or(Ok(Signal::Closed))
}
