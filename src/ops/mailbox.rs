//! Reading one mailbox to its end: list the changes, fetch what is new, handle it, remember the position.

use std::{collections::HashMap, sync::Arc};

use futures::{StreamExt, stream};
use tokio::sync::mpsc;

use super::{
    Ops, accounts,
    connect::{self, Opened},
    health::{self, Subject, Tried},
    intake::{self, Batch, Purpose, place_large, prepare_all, source_key},
};
use crate::{
    domain::{Agent, Error, OutcomeResult, Result},
    provider::{ErrorClass, Folder, FolderRole, ItemId, MailSource, ProviderError},
    store::{FolderPosition, MailboxItem, retrying},
};

/// Messages that are fetched at once.
const FETCH: usize = 20;
/// Bytes that are fetched at once, as far as sizes are known. One message may be larger.
const FETCH_BYTES: u64 = 8 << 20;
/// Fetches under way at once, so that the next one runs while this one is stored.
const FETCHES: usize = 2;
/// Fetches whose messages are stored in one transaction, when that many have arrived.
const GATHERED: usize = 5;

/// What reading a mailbox did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Messages handled.
    pub handled: u64,
    /// Of these, messages that became notes.
    pub matched: u64,
    /// Of these, newly archived.
    pub archived: u64,
}

/// Why reading a mailbox ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The mailbox's server.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// Our side: the database, or another replica that was faster.
    #[error(transparent)]
    Service(#[from] Error),
}

/// Reads a mailbox to its end and keeps the agent's health up to date. Within this process one at a time per mailbox. May be dropped
/// at any time: what is committed stays, the rest is done by the next call.
///
/// # Errors
/// What ended it early; the health has it too.
pub async fn read(
    ops: &Ops,
    tenant: &str,
    agent: &Agent,
    opened: &Opened,
    report: &mut (dyn FnMut(Progress) + Send),
) -> Result<Progress, ReadError> {
    let _lock = ops.mailbox_locks.lock(tenant, &agent.id).await;
    let mut progress = Progress::default();
    let subject = Subject {
        agent,
        account: opened.account.as_ref(),
        since: ops.now(),
    };
    let mut turn = accounts::turn(ops, tenant, subject.account).await?;
    let result = match turn.log_in(&*opened.mailbox).await {
        Ok(folders) => read_folders(ops, tenant, agent, &*opened.mailbox, folders, &mut progress, report).await,
        Err(error) => Err(error.into()),
    };
    health::record(ops, tenant, subject, Tried::Read, result.as_ref().err()).await?;
    // Only now does the next one see whether the account's login was refused.
    drop(turn);
    result.map(|()| progress)
}

async fn read_folders(
    ops: &Ops,
    tenant: &str,
    agent: &Agent,
    source: &dyn MailSource,
    folders: Vec<Folder>,
    progress: &mut Progress,
    report: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), ReadError> {
    for folder in folders {
        let sweep = agent.settings.exchange.case_sweep && folder.role == FolderRole::Inbox;
        if !sweep && !agent.settings.exchange.archive {
            continue;
        }
        let matcher = if sweep {
            let settings = ops.store.tenant(tenant).settings().await?;
            Some(
                settings
                    .choices
                    .case_reference_format
                    .matcher()
                    .map_err(|error| ReadError::Service(Error::internal(error)))?,
            )
        } else {
            None
        };
        let purpose = Arc::new(Purpose {
            sweep: matcher,
            archive: agent.settings.exchange.archive,
        });
        let mut reader = FolderReader {
            ops,
            tenant,
            agent,
            source,
            folder: &folder,
            purpose,
            position: ops.store.tenant(tenant).folder_position(&agent.id, folder.role.as_str()).await?,
            listed_anew: false,
        };
        while !reader.page(progress, report).await? {}
    }
    Ok(())
}

struct FolderReader<'a> {
    ops: &'a Ops,
    tenant: &'a str,
    agent: &'a Agent,
    source: &'a dyn MailSource,
    folder: &'a Folder,
    purpose: Arc<Purpose>,
    position: FolderPosition,
    /// Whether the server lost the state in this read already.
    listed_anew: bool,
}

impl FolderReader<'_> {
    /// Handles a page of changes. Returns whether it was the last.
    async fn page(&mut self, progress: &mut Progress, report: &mut (dyn FnMut(Progress) + Send)) -> Result<bool, ReadError> {
        let page = match self.source.changes(self.folder, self.position.state.as_deref()).await {
            Ok(page) => page,
            Err(error) if error.class == ErrorClass::StateLost && self.position.state.is_some() && !self.listed_anew => {
                // The server no longer knows where we stood: list anew. What was handled is known by its ids and identities.
                tracing::warn!(agent = %self.agent.id, folder = self.folder.role.as_str(), "the server lost the sync state, listing the folder anew");
                self.commit(Vec::new(), None, progress).await?;
                // Once in a while: a server that forgets again at once is given a rest.
                self.listed_anew = true;
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        let mut fresh = self.not_handled(page.upserts).await?;
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
                    "The server lists the same changes over and over. Look into the event log of the Exchange server.",
                )));
            }
            return Ok(page.last);
        }
        let chunks = chunks(fresh, &page.sizes, self.ops.limits.max_message_bytes);
        let last = chunks.len() - 1;
        let (ops, tenant, source, purpose) = (self.ops, self.tenant, self.source, self.purpose.clone());
        let mut fetches = stream::iter(chunks)
            .map(move |ids| fetch(ops, tenant, source, ids, purpose.clone()))
            .buffered(FETCHES)
            .enumerate();
        let (sender, mut receiver) = mpsc::channel(GATHERED);
        let fetching = async move {
            while let Some(fetched) = fetches.next().await {
                // An error means that nothing more is wanted.
                if sender.send(fetched).await.is_err() {
                    break;
                }
            }
            Ok(())
        };
        // What arrives while a transaction runs goes into the next one together: small ones cost the most of a long history.
        let storing = async {
            let mut arrived = Vec::new();
            while receiver.recv_many(&mut arrived, GATHERED).await > 0 {
                let (mut items, mut state, mut fault) = (Vec::new(), self.position.state.clone(), None);
                for (index, fetched) in arrived.drain(..) {
                    match fetched {
                        Ok(more) => items.extend(more),
                        Err(error) => {
                            fault = Some(error);
                            break;
                        }
                    }
                    // The position moves only with the last message of the page.
                    if index == last {
                        state = Some(page.state.clone());
                    }
                }
                if !items.is_empty() {
                    self.commit(items, state, progress).await?;
                    report(*progress);
                }
                if let Some(fault) = fault {
                    return Err(fault);
                }
            }
            Ok(())
        };
        tokio::try_join!(fetching, storing)?;
        Ok(page.last)
    }

    async fn commit(&mut self, items: Vec<intake::Item>, next_state: Option<String>, progress: &mut Progress) -> Result<(), ReadError> {
        let batch = Batch {
            agent: self.agent,
            folder: self.folder.role,
            position: &self.position,
            next_state,
            items: &items,
        };
        let result = intake::commit(self.ops, self.tenant, &batch).await?;
        self.position = result.position;
        progress.handled += result.handled;
        progress.archived += result.archived;
        progress.matched += result.results.iter().filter(|result| **result == OutcomeResult::Matched).count() as u64;
        Ok(())
    }

    async fn not_handled(&self, ids: Vec<ItemId>) -> Result<Vec<ItemId>> {
        let keys: Vec<Vec<u8>> = ids.iter().map(source_key).collect();
        let handled = self.handled(&keys).await?;
        let fresh = ids.into_iter().zip(&keys).filter(|(_, key)| !handled.contains_key(*key));
        Ok(fresh.map(|(id, _)| id).collect())
    }

    /// Leaves out what the agent handled over another protocol, before it was moved to this one, and remembers it by its new ids.
    async fn not_handled_before(&self, ids: Vec<ItemId>) -> Result<Vec<ItemId>, ReadError> {
        let (agent, folder) = (&self.agent.id, self.folder.role.as_str());
        if !self.ops.store.tenant(self.tenant).has_handled(agent, folder).await? {
            return Ok(ids);
        }
        let former = self.source.former_ids(&ids).await?;
        let former: Vec<Option<Vec<u8>>> = former.iter().map(|id| id.as_ref().map(source_key)).collect();
        let handled = self.handled(&former.iter().flatten().cloned().collect::<Vec<_>>()).await?;
        let (mut fresh, mut known) = (Vec::new(), Vec::new());
        for (id, former) in ids.into_iter().zip(former) {
            match former.and_then(|former| handled.get(&former)) {
                Some(message_number) => known.push(MailboxItem {
                    source_key: source_key(&id),
                    message_number: *message_number,
                }),
                None => fresh.push(id),
            }
        }
        if !known.is_empty() {
            retrying(|| async {
                let mut writer = self.ops.store.begin(self.tenant).await?;
                writer.insert_items(agent, folder, known.clone()).await?;
                writer.commit().await
            })
            .await?;
        }
        Ok(fresh)
    }

    /// What of these needs nothing more, with where it is archived.
    async fn handled(&self, keys: &[Vec<u8>]) -> Result<HashMap<Vec<u8>, Option<i64>>> {
        let reader = self.ops.store.tenant(self.tenant);
        let handled = reader.handled_items(&self.agent.id, self.folder.role.as_str(), keys).await?;
        // What was handled before the agent began to archive is archived now.
        let done = |item: &MailboxItem| item.message_number.is_some() || !self.purpose.archive;
        Ok(handled
            .into_iter()
            .filter(done)
            .map(|item| (item.source_key, item.message_number))
            .collect())
    }
}

/// Divides messages into what is fetched at once. Those over the limit are not loaded, so they weigh nothing.
fn chunks(ids: Vec<ItemId>, sizes: &HashMap<ItemId, u64>, max_bytes: u64) -> Vec<Vec<ItemId>> {
    let mut chunks: Vec<Vec<ItemId>> = Vec::new();
    let mut weight = 0;
    for id in ids {
        let size = sizes.get(&id).copied().filter(|size| *size <= max_bytes).unwrap_or(0);
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < FETCH && weight + size <= FETCH_BYTES => {
                weight += size;
                chunk.push(id);
            }
            _ => {
                weight = size;
                chunks.push(vec![id]);
            }
        }
    }
    chunks
}

/// Fetches messages and gets them ready to be stored.
async fn fetch(
    ops: &Ops,
    tenant: &str,
    source: &dyn MailSource,
    ids: Vec<ItemId>,
    purpose: Arc<Purpose>,
) -> Result<Vec<intake::Item>, ReadError> {
    let fetched = source.fetch(&ids, ops.limits.max_message_bytes).await?;
    let mut items = prepare_all(ids.into_iter().zip(fetched).collect(), purpose).await?;
    let blobs = items.iter_mut().filter_map(|item| item.content.as_mut()?.blob.as_mut());
    place_large(ops, tenant, blobs).await?;
    Ok(items)
}

/// Opens an agent's mailbox, see [`connect::open`], or keeps in its health why not.
///
/// # Errors
/// As [`connect::open`]'s, and the database's.
pub async fn open(ops: &Ops, tenant: &str, agent: &Agent) -> Result<Opened, ReadError> {
    match connect::open(ops, tenant, agent).await {
        Ok(opened) => Ok(opened),
        Err(error) => {
            health::record_unopened(ops, tenant, agent, &error).await?;
            Err(error)
        }
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
            let lengths: Vec<usize> = chunks(ids, &known, 64 << 20).iter().map(Vec::len).collect();
            assert_eq!(lengths, expected, "{sizes:?}");
        };
        check(&[], &[]);
        check(&[1; 45], &[20, 20, 5]);
        check(&[5 << 20, 5 << 20, 1, 60 << 20, 1], &[1, 2, 1, 1]);
        check(&[1, 1 << 30, 1], &[3]);
    }
}
