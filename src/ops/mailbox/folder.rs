//! Reading a folder of a mailbox: list the changes, fetch what is new, handle it, remember the position.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use tokio::sync::{OwnedMutexGuard, mpsc};

use super::{
    error::ReadError,
    pulse::ELSEWHERE,
    work::{MailboxWork, Progress},
};
use crate::{
    domain::{Kind, OutcomeResult, Result, Timestamp, error_chain},
    net::{ErrorClass, ProviderError},
    ops::{
        LockKey, Ops,
        intake::{self, Batch, Origin, Purpose, place_large, prepare_all, source_key},
    },
    provider::{Fetched, Folder, FolderRole, INBOX, ItemId, MailSource, Newest},
    store::{FolderPosition, MailboxItem, retrying},
};

/// Messages that are fetched at once.
const FETCH: usize = 20;
/// Bytes that are fetched at once, as far as sizes are known. One message may be larger.
const FETCH_BYTES: u64 = 8 << 20;
/// Messages up to this size are loaded whatever the server told of them.
const SMALLEST_LIMIT: u64 = 1 << 20;
/// Fetches under way at once, so that the next one runs while this one is stored.
const FETCHES: usize = 2;
/// Messages that are stored in one transaction, and bytes of them, as far as there are so many: small transactions cost the most of a long
/// history.
const STORED: usize = 200;
const STORED_BYTES: u64 = 8 << 20;
/// Fetches that are waiting for it.
const WAITING: usize = 5;

/// While there is much to read in an inbox: messages that are handled before its newest ones are looked at, how often they are at most, and how
/// many of them.
const BETWEEN_LOOKS: usize = 100;
const LOOK_EVERY: Duration = Duration::from_secs(5);
const NEWEST: u32 = 100;

/// Pages of changes that are looked through for what has just come.
const PAGES_TO_COME: usize = 4;

/// Reads one folder of a mailbox.
pub(super) struct FolderReader<'a> {
    work: MailboxWork<'a>,
    folder: &'a Folder,
    purpose: Arc<Purpose>,
    position: FolderPosition,
    /// Whether the server lost the state in this read already.
    listed_anew: bool,
    /// When its newest messages were last looked at, ahead of the rest.
    looked_ahead: Option<Instant>,
}

/// How it stands with a message of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MessageState {
    /// It was never handled.
    Unknown,
    /// It was handled, by an agent that does not archive.
    Handled,
    /// It was set aside, by an agent that does not archive, as the server did not give it out.
    Withheld,
    /// It was handled, but an agent that archives has it not in the archive: it began to archive later, or the message is unavailable.
    NotArchived,
    /// It is in the archive.
    Archived,
}

/// Messages that are to be fetched.
pub(super) struct FetchList<'a> {
    pub(super) ids: Vec<ItemId>,
    /// Their sizes in bytes, as far as the server told them.
    pub(super) sizes: &'a HashMap<ItemId, u64>,
    /// Where the folder's position moves with the last of them. `None`: it stays.
    pub(super) state: Option<String>,
}

impl<'a> FolderReader<'a> {
    /// A reader that does not know the folder's position yet.
    pub(super) fn new(work: MailboxWork<'a>, folder: &'a Folder, purpose: Arc<Purpose>) -> Self {
        Self {
            work,
            folder,
            purpose,
            position: FolderPosition::default(),
            listed_anew: false,
            looked_ahead: None,
        }
    }

    pub(super) fn source(&self) -> &'a dyn MailSource {
        &*self.work.opened.mailbox
    }

    /// Reads what is new. Within this process one at a time per folder; when another replica is faster, it goes on from where that one
    /// is.
    ///
    /// # Errors
    /// What ended it early.
    pub(super) async fn read(&mut self, progress: &mut Progress, report: &mut (dyn FnMut(Progress) + Send)) -> Result<(), ReadError> {
        let _lock = self.lock().await;
        self.find_position(progress).await?;
        loop {
            let version = self.position.version;
            // Boxed, as all that is beneath would lie in the futures of all who read folders.
            match Box::pin(self.page(progress, report)).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(ReadError::Service(error)) if error.kind == Kind::Stale => {
                    self.find_position(progress).await?;
                    if self.position.version == version {
                        // It was not about the position: the agent was changed or is gone.
                        return Err(error.into());
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Keeps others in this process from the folder. Cancel safe.
    pub(super) async fn lock(&self) -> OwnedMutexGuard<()> {
        let MailboxWork { ops, tenant, agent, .. } = self.work;
        self.work.opened.lane.wait(ELSEWHERE);
        // Agents' ids have no `/`, so this is no mailbox's lock.
        let lock = ops.locks.lock(tenant, LockKey::Folder(agent.id.clone(), self.folder.key())).await;
        self.work.opened.lane.work();
        lock
    }

    /// Finds out how far the folder was read. A position of another folder, because the mailbox was created again, does not count.
    pub(super) async fn find_position(&mut self, progress: &mut Progress) -> Result<(), ReadError> {
        let MailboxWork { ops, tenant, agent, .. } = self.work;
        let digest = self.folder.digest();
        let mut position = ops.store.tenant(tenant).folder_position(&agent.id, &self.folder.key()).await?;
        let source = position.source.replace(digest.clone());
        match source {
            Some(source) if source != digest => {
                tracing::warn!(agent = %agent.id, folder = ?self.folder.role, "the folder is not the same as before, listing it from the \
                                                                               beginning");
                position.state = None;
                self.position = position;
            }
            Some(_) => self.position = position,
            None => {
                let state = position.state.clone();
                self.position = position;
                if self.position.version > 0 {
                    // A position from before this was kept: it is taken for this folder's from now on.
                    self.commit(Vec::new(), state, progress).await?;
                }
            }
        }
        Ok(())
    }

    /// Handles a page of changes. Returns whether it was the last.
    async fn page(&mut self, progress: &mut Progress, report: &mut (dyn FnMut(Progress) + Send)) -> Result<bool, ReadError> {
        let page = match self.source().changes(self.folder, self.position.state.as_deref()).await {
            Ok(page) => page,
            Err(error) if error.class == ErrorClass::StateLost && self.position.state.is_some() && !self.listed_anew => {
                // The server no longer knows the position: list again. What was handled is recognised by its ids and identities.
                tracing::warn!(agent = %self.work.agent.id, folder = ?self.folder.role, "the server lost the sync state, listing the \
                                                                                         folder again");
                self.commit(Vec::new(), None, progress).await?;
                // Once in a while: a server that forgets again at once is given a rest.
                self.listed_anew = true;
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        let wanted = self.of_interest(page.upserts, &page.received);
        let mut fresh = self.not_handled(wanted).await?;
        if self.folder.role == FolderRole::Other {
            fresh = self.not_from_the_inbox(fresh).await?;
        }
        if page.listing && !fresh.is_empty() {
            fresh = self.not_handled_before(fresh).await?;
        }
        let stale = self.position.state == Some(page.state.clone());
        if fresh.is_empty() {
            if !stale {
                self.commit(Vec::new(), Some(page.state), progress).await?;
            } else if !page.last {
                return Err(ReadError::Provider(ProviderError::new(
                    ErrorClass::Malformed,
                    "The server keeps listing the same changes. Check the event log of the Exchange server.",
                )));
            }
            return Ok(page.last);
        }
        // What comes while there is much to read stands at the end of it, which may be hours away.
        let looks_ahead = self.folder.role == FolderRole::Inbox;
        while looks_ahead && fresh.len() > BETWEEN_LOOKS {
            let some = fresh.drain(..BETWEEN_LOOKS).collect();
            let some = FetchList {
                ids: some,
                sizes: &page.sizes,
                state: None,
            };
            self.handle(some, progress, report).await?;
            let ahead = self.look_ahead(progress, report).await?;
            fresh.retain(|id| !ahead.contains(id));
        }
        if fresh.is_empty() {
            self.commit(Vec::new(), Some(page.state), progress).await?;
        } else {
            let rest = FetchList {
                ids: fresh,
                sizes: &page.sizes,
                state: Some(page.state),
            };
            self.handle(rest, progress, report).await?;
        }
        if looks_ahead && !page.last {
            self.look_ahead(progress, report).await?;
        }
        Ok(page.last)
    }

    /// Handles what the folder received last, while there is much to read; unless that was done just before. Returns what was
    /// handled.
    async fn look_ahead(&mut self, progress: &mut Progress, report: &mut (dyn FnMut(Progress) + Send)) -> Result<Vec<ItemId>, ReadError> {
        if self.looked_ahead.is_some_and(|last| last.elapsed() < LOOK_EVERY) {
            return Ok(Vec::new());
        }
        let newest = match self.source().newest(self.folder, NEWEST).await {
            Ok(newest) => newest,
            // The listing brings it too, and says what is wrong with the server.
            Err(error) => {
                tracing::debug!(agent = %self.work.agent.id, error = %error_chain(&error), "checking for the newest messages failed");
                Newest::default()
            }
        };
        let mut fresh = self.not_handled(newest.ids).await?;
        if !fresh.is_empty() {
            fresh = self.not_handled_before(fresh).await?;
            let newest = FetchList {
                ids: fresh.clone(),
                sizes: &newest.sizes,
                state: None,
            };
            self.handle(newest, progress, report).await?;
        }
        self.looked_ahead = Some(Instant::now());
        Ok(fresh)
    }

    /// Fetches messages and handles them.
    ///
    /// # Errors
    /// What ended it early.
    pub(super) async fn handle(
        &mut self,
        messages: FetchList<'_>,
        progress: &mut Progress,
        report: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), ReadError> {
        let FetchList { ids, sizes, state } = messages;
        let end = state.or_else(|| self.position.state.clone());
        let MailboxWork { ops, tenant, agent, .. } = self.work;
        let chunks = chunks(ids, sizes, ops.limits.max_message_bytes);
        let (source, purpose) = (self.source(), self.purpose.clone());
        let deaths = ops.store.tenant(tenant).suspects(&agent.id).await?;
        let origin = Origin {
            tenant,
            agent: &agent.id,
            deaths: &deaths,
        };
        let count = chunks.len();
        let mut fetches = stream::iter(chunks)
            .map(move |chunk| fetch(ops, origin, source, chunk, purpose.clone()))
            .buffered(FETCHES);
        let (sender, mut receiver) = mpsc::channel(WAITING);
        let fetching = async move {
            while let Some(fetched) = fetches.next().await {
                // An error means that nothing more is wanted.
                if sender.send(fetched).await.is_err() {
                    break;
                }
            }
            Ok(())
        };
        let storing = async {
            let (mut gathered, mut weight, mut done) = (Vec::new(), 0, 0);
            loop {
                let over = match receiver.recv().await {
                    Some(Ok(items)) => {
                        done += 1;
                        weight += items.iter().map(intake::Item::weight).sum::<u64>();
                        gathered.extend(items);
                        None
                    }
                    Some(Err(fault)) => Some(Err(fault)),
                    None => Some(Ok(())),
                };
                if !gathered.is_empty() && (over.is_some() || gathered.len() >= STORED || weight >= STORED_BYTES) {
                    // The position moves only with the last message.
                    let state = if done == count { end.clone() } else { self.position.state.clone() };
                    self.commit(std::mem::take(&mut gathered), state, progress).await?;
                    report(*progress);
                    weight = 0;
                }
                if let Some(over) = over {
                    return over;
                }
            }
        };
        tokio::try_join!(fetching, storing)?;
        Ok(())
    }

    /// The messages that the next read of the folder is going to find, as far as a few pages tell. Reads ids, and changes nothing.
    ///
    /// # Errors
    /// Those of the server, and of the database.
    pub(super) async fn to_come(&self) -> Result<HashSet<ItemId>, ReadError> {
        let MailboxWork { ops, tenant, agent, .. } = self.work;
        let position = ops.store.tenant(tenant).folder_position(&agent.id, &self.folder.key()).await?;
        let (mut state, mut coming) = (position.state, HashSet::new());
        for _ in 0..PAGES_TO_COME {
            let Some(since) = &state else { break };
            let page = self.source().changes(self.folder, Some(since)).await?;
            coming.extend(page.upserts);
            state = (!page.last).then_some(page.state);
        }
        Ok(coming)
    }

    async fn commit(&mut self, items: Vec<intake::Item>, next_state: Option<String>, progress: &mut Progress) -> Result<(), ReadError> {
        let batch = Batch {
            agent: self.work.agent,
            fence: self.work.opened.pulse.fence(),
            folder: self.folder,
            position: &self.position,
            next_state,
            items: &items,
        };
        let result = intake::commit(self.work.ops, self.work.tenant, &batch).await?;
        self.position = result.position;
        progress.handled += result.handled;
        progress.archived += result.archived;
        progress.gone += items.iter().filter(|item| item.content.is_none()).count() as u64;
        progress.matched += result.results.iter().filter(|result| **result == OutcomeResult::Matched).count() as u64;
        Ok(())
    }

    /// Those of some messages that are read at all.
    pub(super) fn of_interest(&self, mut ids: Vec<ItemId>, received: &HashMap<ItemId, Timestamp>) -> Vec<ItemId> {
        if let Some(since) = self.purpose.since.filter(|_| !self.purpose.archive) {
            ids.retain(|id| received.get(id).is_none_or(|received| *received >= since));
        }
        ids
    }

    /// How it stands with messages.
    pub(super) async fn standings(&self, ids: Vec<ItemId>) -> Result<Vec<(ItemId, MessageState)>> {
        let keys: Vec<Vec<u8>> = ids.iter().map(source_key).collect();
        let known = self.known_in(&self.folder.key(), &keys).await?;
        let standing = |key| match known.get(key) {
            None => MessageState::Unknown,
            Some(item) if item.message_number.is_some() => MessageState::Archived,
            Some(_) if self.purpose.archive => MessageState::NotArchived,
            Some(item) if item.withheld => MessageState::Withheld,
            Some(_) => MessageState::Handled,
        };
        Ok(ids.into_iter().zip(&keys).map(|(id, key)| (id, standing(key))).collect())
    }

    /// Those of some messages that there is something to do about.
    pub(super) async fn not_handled(&self, ids: Vec<ItemId>) -> Result<Vec<ItemId>> {
        let open = |standing| matches!(standing, MessageState::Unknown | MessageState::Withheld | MessageState::NotArchived);
        let standings = self.standings(ids).await?;
        Ok(standings
            .into_iter()
            .filter(|(_, standing)| open(*standing))
            .map(|(id, _)| id)
            .collect())
    }

    /// Leaves out what was filed after it was handled in the inbox, where ids stay, and remembers it here too.
    async fn not_from_the_inbox(&self, ids: Vec<ItemId>) -> Result<Vec<ItemId>> {
        let keys: Vec<Vec<u8>> = ids.iter().map(source_key).collect();
        let inbox = self.known_in(INBOX, &keys).await?;
        self.not_among(ids, &inbox, keys.into_iter().map(Some)).await
    }

    /// Leaves out what the agent handled over another protocol, before it was moved to this one, and remembers it by its new ids.
    async fn not_handled_before(&self, ids: Vec<ItemId>) -> Result<Vec<ItemId>, ReadError> {
        let MailboxWork { ops, tenant, agent, .. } = self.work;
        if !ops.store.tenant(tenant).has_handled(&agent.id, &self.folder.key()).await? {
            return Ok(ids);
        }
        let former = self.source().former_ids(&ids).await?;
        let former: Vec<Option<Vec<u8>>> = former.iter().map(|id| id.as_ref().map(source_key)).collect();
        let keys: Vec<Vec<u8>> = former.iter().flatten().cloned().collect();
        let handled = self.known_in(&self.folder.key(), &keys).await?;
        Ok(self.not_among(ids, &handled, former.into_iter()).await?)
    }

    /// Leaves out the messages whose other keys are known, and remembers them by their own.
    async fn not_among(
        &self,
        ids: Vec<ItemId>,
        known: &HashMap<Vec<u8>, MailboxItem>,
        others: impl Iterator<Item = Option<Vec<u8>>>,
    ) -> Result<Vec<ItemId>> {
        let (mut fresh, mut remembered) = (Vec::new(), Vec::new());
        for (id, other) in ids.into_iter().zip(others) {
            match other.and_then(|other| known.get(&other)) {
                // What was handled before the agent began to archive is archived now.
                Some(item) if item.message_number.is_some() || !(item.withheld || self.purpose.archive) => remembered.push(MailboxItem {
                    source_key: source_key(&id),
                    ..item.clone()
                }),
                Some(_) | None => fresh.push(id),
            }
        }
        if !remembered.is_empty() {
            let folder = self.folder.key();
            let MailboxWork { ops, tenant, agent, .. } = self.work;
            retrying(|| async {
                let mut writer = ops.store.begin(tenant).await?;
                writer.insert_items(&agent.id, &folder, remembered.clone()).await?;
                writer.commit().await
            })
            .await?;
        }
        Ok(fresh)
    }

    /// The messages that were handled in a folder, by their keys.
    async fn known_in(&self, folder: &str, keys: &[Vec<u8>]) -> Result<HashMap<Vec<u8>, MailboxItem>> {
        let reader = self.work.ops.store.tenant(self.work.tenant);
        let handled = reader.handled_items(&self.work.agent.id, folder, keys).await?;
        Ok(handled.into_iter().map(|item| (item.source_key.clone(), item)).collect())
    }
}

/// Messages that are fetched at once.
#[derive(Default)]
struct Chunk {
    ids: Vec<ItemId>,
    /// What they weigh, as far as sizes are known. Those over the limit are not loaded, so they weigh nothing.
    bytes: u64,
}

impl Chunk {
    /// Largest message that is loaded when these are fetched: twice what the server told of them, as it often tells less than it gives out.
    fn largest(&self, max_bytes: u64) -> u64 {
        self.bytes.saturating_mul(2).max(SMALLEST_LIMIT).min(max_bytes)
    }
}

/// Divides messages into what is fetched at once.
fn chunks(ids: Vec<ItemId>, sizes: &HashMap<ItemId, u64>, max_bytes: u64) -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = Vec::new();
    for id in ids {
        let size = sizes.get(&id).copied().filter(|size| *size <= max_bytes).unwrap_or(0);
        match chunks.last_mut() {
            Some(chunk) if chunk.ids.len() < FETCH && chunk.bytes + size <= FETCH_BYTES => {
                chunk.bytes += size;
                chunk.ids.push(id);
            }
            _ => chunks.push(Chunk {
                ids: vec![id],
                bytes: size,
            }),
        }
    }
    chunks
}

/// Fetches messages and gets them ready to be stored. Memory is held for what the server told of them; a message that is larger than that
/// is fetched once more, alone.
async fn fetch(
    ops: &Ops,
    origin: Origin<'_>,
    source: &dyn MailSource,
    chunk: Chunk,
    purpose: Arc<Purpose>,
) -> Result<Vec<intake::Item>, ReadError> {
    let max_bytes = ops.limits.max_message_bytes;
    let largest = chunk.largest(max_bytes);
    let loading = Loader {
        ops,
        origin,
        source,
        purpose,
    };
    let (mut items, larger) = loading.load(chunk.ids, largest, max_bytes).await?;
    for (place, id) in larger {
        let (alone, _) = loading.load(vec![id], max_bytes, max_bytes).await?;
        items.splice(place..=place, alone);
    }
    Ok(items)
}

/// Loads messages of a mailbox.
struct Loader<'a> {
    ops: &'a Ops,
    origin: Origin<'a>,
    source: &'a dyn MailSource,
    purpose: Arc<Purpose>,
}

impl Loader<'_> {
    /// Loads messages up to `largest` bytes. Returns them in order, and the places of those that are larger, yet within `max_bytes`.
    async fn load(&self, ids: Vec<ItemId>, largest: u64, max_bytes: u64) -> Result<(Vec<intake::Item>, Vec<(usize, ItemId)>), ReadError> {
        // The answers, twice as long as the messages at most, and what is unpacked from them.
        let _memory = self.ops.answers.hold(largest.saturating_mul(3)).await;
        let fetched = self.source.fetch(&ids, largest).await?;
        let is_larger = |fetched: &Fetched| matches!(fetched, Fetched::TooLarge { size, .. } if largest < max_bytes && *size <= max_bytes);
        let larger = fetched.iter().enumerate().filter(|(_, fetched)| is_larger(fetched));
        let larger = larger.map(|(place, _)| (place, ids[place].clone())).collect();
        let fetched = ids.into_iter().zip(fetched).collect();
        let mut items = prepare_all(self.ops, self.origin, fetched, self.purpose.clone()).await?;
        let blobs = items.iter_mut().filter_map(|item| item.content.as_mut()?.blob.as_mut());
        place_large(self.ops, self.origin.tenant, blobs).await?;
        Ok((items, larger))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_bounded_by_number_and_by_weight() {
        let check = |sizes: &[u64], expected: &[usize]| {
            let ids: Vec<ItemId> = (0..sizes.len()).map(|index| ItemId(index.to_string())).collect();
            let known = ids.iter().cloned().zip(sizes.iter().copied()).collect();
            let lengths: Vec<usize> = chunks(ids, &known, 64 << 20).iter().map(|chunk| chunk.ids.len()).collect();
            assert_eq!(lengths, expected, "{sizes:?}");
        };
        check(&[], &[]);
        check(&[1; 45], &[20, 20, 5]);
        check(&[5 << 20, 5 << 20, 1, 60 << 20, 1], &[1, 2, 1, 1]);
        check(&[1, 1 << 30, 1], &[3]);
    }
}
