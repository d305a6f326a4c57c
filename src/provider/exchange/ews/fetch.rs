//! Fetching messages in batches that neither the server nor our memory minds.

use std::{
    mem,
    sync::atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use futures::future::try_join_all;

use super::{
    codes::{Hint, Meaning, ServerError},
    errors::{Fault, Judge},
    folders,
    requests::{self, Content},
    responses,
    responses::Item,
    transport::Transport,
};
use crate::{
    mime,
    net::ErrorClass,
    provider::{
        Fetched, ItemId, ListedMessage,
        exchange::{memory::MessageMemory, whole},
    },
};

/// Most bytes in such a request, as far as sizes are known. One message may be larger.
const BATCH_BYTES: u64 = 8 << 20;
/// Answers over this many bytes are read on a thread that may block.
const READ_ASIDE: usize = 1 << 20;
/// What an answer may hold beside the messages themselves.
const ENVELOPE_BYTES: u64 = 1 << 20;

/// What is remembered between calls.
pub(super) struct Memory {
    /// Sizes of messages that changes told, in bytes.
    pub(super) sizes: MessageMemory<u64>,
    /// Messages per request; fewer after a server found it too much, then slowly more again.
    batch: AtomicUsize,
    /// Most messages per request.
    most: usize,
}

impl Memory {
    /// Nothing yet; `most` is the number of messages that a request may ask for.
    pub(super) fn new(most: usize) -> Self {
        Self {
            sizes: MessageMemory::default(),
            batch: AtomicUsize::new(most.max(1)),
            most: most.max(1),
        }
    }

    fn batch(&self) -> usize {
        self.batch.load(Ordering::Relaxed)
    }

    /// A request was too large. Lost updates between concurrent requests do no harm.
    fn shrink_batch(&self) {
        self.batch.store((self.batch() / 2).max(1), Ordering::Relaxed);
    }

    /// A request succeeded.
    fn grow_batch(&self) {
        self.batch.store((self.batch() + 1).min(self.most), Ordering::Relaxed);
    }
}

/// A fetch at work.
struct Fetch<'a> {
    transport: &'a Transport,
    memory: &'a Memory,
    ids: &'a [ItemId],
    max_bytes: u64,
}

/// A message by its place in the list that is fetched, with its size as far as known.
type WantedItem = (usize, Option<u64>);
/// What one brought, by the same place.
type Answer = (usize, Result<Fetched, ItemFault>);

/// Why a message was not returned.
enum ItemFault {
    /// The server says so.
    Server(ServerError),
    /// What it returned is not what it lists.
    NotWhole { problem: &'static str, listed: Box<ListedMessage> },
}

/// Fetches messages; see [`crate::provider::MailSource::fetch`].
pub(super) async fn fetch(transport: &Transport, memory: &Memory, ids: &[ItemId], max_bytes: u64) -> Result<Vec<Fetched>, Fault> {
    let fetch = Fetch {
        transport,
        memory,
        ids,
        max_bytes,
    };
    let fetched = fetch.run().await;
    match &fetched {
        Ok(_) => memory.sizes.forget(ids),
        Err(fault) if fault.hint == Hint::AskForLess => memory.shrink_batch(),
        Err(_) => {}
    }
    fetched
}

impl Fetch<'_> {
    async fn run(&self) -> Result<Vec<Fetched>, Fault> {
        let known = self.ids.iter().map(|id| self.memory.sizes.of(id)).enumerate();
        let (mut load, describe): (Vec<WantedItem>, Vec<WantedItem>) =
            known.partition(|(_, size)| size.is_some_and(|size| size <= self.max_bytes));
        let mut answers: Vec<Answer> = Vec::with_capacity(self.ids.len());

        // Ten times as many without their bytes; squared, so that both come down to one.
        let most = self.memory.batch().pow(2);
        let described = describe.chunks(most).map(|batch| self.get(batch, Content::Description));
        for (place, outcome) in try_join_all(described).await?.into_iter().flatten() {
            match outcome {
                Ok(item) if item.listed.size.is_some_and(|size| size > self.max_bytes) => {
                    answers.push((place, Ok(too_large(item.listed, self.max_bytes))));
                }
                Ok(item) => load.push((place, item.listed.size)),
                Err(error) => answers.push((place, Err(ItemFault::Server(error)))),
            }
        }
        // Requests follow the order of the ids, so that a fetch is the same each time.
        load.sort_unstable();
        let loaded = plan(&load, self.memory.batch()).into_iter().map(|batch| self.load(batch));
        answers.extend(try_join_all(loaded).await?.into_iter().flatten());
        self.settle(answers).await
    }

    /// Loads whole messages, in smaller batches when an answer gets too large.
    async fn load(&self, batch: Vec<WantedItem>) -> Result<Vec<Answer>, Fault> {
        let mut answers = Vec::with_capacity(batch.len());
        let mut todo = vec![batch];
        while let Some(mut batch) = todo.pop() {
            match self.get(&batch, Content::Mime).await {
                Ok(outcomes) => {
                    self.memory.grow_batch();
                    answers.extend(outcomes.into_iter().map(|(place, outcome)| (place, self.message(outcome))));
                }
                Err(fault) if fault.hint == Hint::AnswerTooLarge && batch.len() > 1 => {
                    let second = batch.split_off(batch.len() / 2);
                    todo.extend([second, batch]);
                }
                Err(fault) if fault.hint == Hint::AnswerTooLarge => {
                    let described = self.get(&batch, Content::Description).await?;
                    answers.extend(described.into_iter().map(|(place, outcome)| {
                        let outcome = outcome.map(|item| too_large(item.listed, self.max_bytes));
                        (place, outcome.map_err(ItemFault::Server))
                    }));
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(answers)
    }

    /// One request for messages.
    async fn get(&self, batch: &[WantedItem], content: Content) -> Result<Vec<(usize, Result<Item, ServerError>)>, Fault> {
        let mut request = requests::get_items(batch.iter().map(|(place, _)| &self.ids[*place]), content);
        if content == Content::Mime {
            request.max_answer_bytes = self.most_for(batch);
        }
        let body = self.transport.call(request).await?;
        let judge = self.transport.judge.clone();
        let outcomes = aside(judge, body, responses::items).await?;
        // A fault of the whole request may come as a single response.
        if let Some(fault) = outcomes.iter().find_map(|outcome| self.of_whole_call(outcome)) {
            return Err(fault);
        }
        match outcomes.as_slice() {
            _ if outcomes.len() == batch.len() => Ok(batch.iter().map(|(place, _)| *place).zip(outcomes).collect()),
            [Err(error)] => Err(self.transport.judge.code(error)),
            _ => Err(self.transport.judge.malformed("does not have one response per message")),
        }
    }

    /// Longest answer with these messages that is read: twice what the server reported, as base64 takes a third more and what it stores
    /// is not quite what it returns; for a message alone, twice the largest that is wanted.
    fn most_for(&self, batch: &[WantedItem]) -> u64 {
        let reported = match batch {
            [_] => self.max_bytes,
            _ => batch.iter().filter_map(|(_, size)| *size).sum(),
        };
        reported.saturating_mul(2).saturating_add(ENVELOPE_BYTES)
    }

    /// The fault of a whole call that an outcome stands for, if it does.
    fn of_whole_call(&self, outcome: &Result<Item, ServerError>) -> Option<Fault> {
        let error = outcome.as_ref().err()?;
        match error.meaning() {
            Meaning::Wait
            | Meaning::WaitAndAskForLess
            | Meaning::LoginRequired
            | Meaning::Refused
            | Meaning::StateLost
            | Meaning::SubscriptionLost
            | Meaning::TooManyStreams => Some(self.transport.judge.code(error)),
            Meaning::WaitAFewTimes
            | Meaning::Denied
            | Meaning::Gone
            | Meaning::Broken
            | Meaning::TooLarge
            | Meaning::BadRequest
            | Meaning::Unknown => None,
        }
    }

    /// The message that a response has, if it is what the server lists.
    fn message(&self, outcome: Result<Item, ServerError>) -> Result<Fetched, ItemFault> {
        let Item { listed, mime } = outcome.map_err(ItemFault::Server)?;
        let Some(raw) = mime else {
            let problem = "The response has no MIME content, or MIME content that is not base64.";
            return Err(not_whole(problem, listed));
        };
        if raw.len() as u64 > self.max_bytes {
            let size = Some(raw.len() as u64);
            return Ok(too_large(ListedMessage { size, ..listed }, self.max_bytes));
        }
        match whole::problem(&mime::outline(&raw), raw.len(), &listed) {
            Some(problem) => Err(not_whole(problem, listed)),
            None => Ok(Fetched::Message {
                raw,
                received: listed.received,
            }),
        }
    }

    /// Makes the final list. What an item's fault means may hang on the other items.
    async fn settle(&self, answers: Vec<Answer>) -> Result<Vec<Fetched>, Fault> {
        let some_good = answers.iter().any(|(_, answer)| answer.is_ok());
        let mut denied = false;
        let mut passing = None;
        let mut undescribed: Vec<WantedItem> = Vec::new();
        let mut fetched: Vec<Option<Fetched>> = vec![None; self.ids.len()];
        for (place, answer) in answers {
            let worn_out = || self.memory.sizes.faults.worn_out(&self.ids[place]);
            fetched[place] = Some(match answer {
                Ok(one) => one,
                Err(ItemFault::NotWhole { problem, .. }) if !worn_out() => {
                    passing = Some(
                        self.transport
                            .judge
                            .fault(ErrorClass::Retry { after: None }, whole::NOT_WHOLE, problem),
                    );
                    continue;
                }
                Err(ItemFault::NotWhole { problem, listed }) => broken(problem.to_owned(), *listed),
                Err(ItemFault::Server(error)) => match error.meaning() {
                    Meaning::Gone => Fetched::Gone,
                    // One that nobody has told us of may be as passing as these.
                    Meaning::WaitAFewTimes | Meaning::Unknown if !worn_out() => {
                        passing = Some(self.transport.judge.code(&error));
                        continue;
                    }
                    meaning => {
                        denied |= meaning == Meaning::Denied;
                        undescribed.push((place, None));
                        broken(error.reply(), ListedMessage::default())
                    }
                },
            });
        }
        if let Some(fault) = passing {
            return Err(fault);
        }
        // A single private message may be denied; when all are, the right to the mailbox may be gone, and then nothing is broken.
        if denied && !some_good {
            folders::inbox(self.transport).await?;
        }
        // What the server reports of a message is more than nothing; that it does not is no further fault.
        for batch in undescribed.chunks(self.memory.batch()) {
            for (place, outcome) in self.get(batch, Content::Description).await.unwrap_or_default() {
                if let (Some(Fetched::Broken { listed, .. }), Ok(item)) = (&mut fetched[place], outcome) {
                    *listed = item.listed;
                }
            }
        }
        let judge = &self.transport.judge;
        fetched
            .into_iter()
            .map(|one| one.ok_or_else(|| judge.malformed("lacks a message")))
            .collect()
    }
}

fn too_large(listed: ListedMessage, max_bytes: u64) -> Fetched {
    Fetched::TooLarge {
        // Without a size, all that is known is that it was too much.
        size: listed.size.unwrap_or(max_bytes.saturating_add(1)),
        listed,
    }
}

fn not_whole(problem: &'static str, listed: ListedMessage) -> ItemFault {
    ItemFault::NotWhole {
        problem,
        listed: Box::new(listed),
    }
}

fn broken(server_reply: String, listed: ListedMessage) -> Fetched {
    Fetched::Broken { server_reply, listed }
}

/// Batches of at most `most` messages and [`BATCH_BYTES`], in order.
fn plan(wanted: &[WantedItem], most: usize) -> Vec<Vec<WantedItem>> {
    let mut batches = Vec::new();
    let mut batch: Vec<WantedItem> = Vec::new();
    let mut bytes = 0_u64;
    for &(place, size) in wanted {
        let size_or_zero = size.unwrap_or_default();
        if !batch.is_empty() && (batch.len() >= most || bytes.saturating_add(size_or_zero) > BATCH_BYTES) {
            batches.push(mem::take(&mut batch));
            bytes = 0;
        }
        bytes = bytes.saturating_add(size_or_zero);
        batch.push((place, size));
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}

/// Reads an answer, aside from the threads that must not block when it is a large one.
async fn aside<T: Send + 'static>(judge: Judge, body: Bytes, read: fn(&Judge, &[u8]) -> Result<T, Fault>) -> Result<T, Fault> {
    if body.len() < READ_ASIDE {
        return read(&judge, &body);
    }
    let at_work = judge.clone();
    match tokio::task::spawn_blocking(move || read(&at_work, &body)).await {
        Ok(outcome) => outcome,
        Err(error) => {
            let mut fault = judge.fault(ErrorClass::Malformed, "The response of {host} could not be read.", "");
            fault.error.source = Some(Box::new(error));
            Err(fault)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_to_number_and_bytes() {
        let check = |sizes: &[u64], most: usize, expected: &[usize]| {
            let wanted: Vec<WantedItem> = sizes.iter().map(|size| Some(*size)).enumerate().collect();
            let batches = plan(&wanted, most);
            assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), expected, "{sizes:?}");
            assert_eq!(batches.concat(), wanted);
        };
        check(&[], 10, &[]);
        check(&[1; 25], 10, &[10, 10, 5]);
        check(&[1; 3], 1, &[1, 1, 1]);
        check(&[BATCH_BYTES, 1, BATCH_BYTES * 3, 1], 10, &[1, 1, 1, 1]);
        check(&[BATCH_BYTES / 2, BATCH_BYTES / 2, 1], 10, &[2, 1]);
        check(&[u64::MAX, u64::MAX], 10, &[1, 1]);
    }

    #[test]
    fn batches_follow_what_the_server_takes() {
        let memory = Memory::new(10);
        for expected in [5, 2, 1, 1] {
            memory.shrink_batch();
            assert_eq!(memory.batch(), expected);
        }
        for _ in 0..20 {
            memory.grow_batch();
        }
        assert_eq!(memory.batch(), 10);
    }
}
