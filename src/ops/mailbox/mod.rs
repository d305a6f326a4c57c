//! Reading one mailbox to its end, folder by folder.

mod inbox;
mod memory;
mod pulse;

use std::{ops::AddAssign, sync::Arc, time::Duration};

use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};

use self::{inbox::Inbox, memory::Write};
pub use self::{
    inbox::beside_inbox,
    memory::{FolderFault, FolderMemory},
    pulse::{Lane, OWN_WORK, Pulse},
};
use super::{
    Ops, accounts,
    connect::{self, Opened},
    folder::FolderReader,
    health::{self, Subject, Tried, Went},
    intake::Purpose,
};
use crate::{
    domain::{Agent, CaseReferenceMatcher, Error, Result, Timestamp, error_chain},
    provider::{ErrorClass, Folder, FolderRole, ProviderError},
};
pub(super) use {memory::with_reply, pulse::Moving};

/// Longest wait for what others in this process do with a mailbox or its login, which is bounded by their requests.
pub(super) const ELSEWHERE: Duration = Duration::from_secs(30 * 60);

/// What reading a mailbox did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Messages handled.
    pub handled: u64,
    /// Of these, messages that became notes.
    pub matched: u64,
    /// Of these, newly archived.
    pub archived: u64,
    /// Messages that were listed and were gone when they were to be fetched.
    pub gone: u64,
}

impl AddAssign for Progress {
    fn add_assign(&mut self, more: Self) {
        self.handled += more.handled;
        self.matched += more.matched;
        self.archived += more.archived;
        self.gone += more.gone;
    }
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

/// A mailbox that is worked on.
#[derive(Clone, Copy)]
pub struct MailboxWork<'a> {
    /// What operations work with.
    pub ops: &'a Ops,
    /// Its tenant.
    pub tenant: &'a str,
    /// Its agent.
    pub agent: &'a Agent,
    /// The way to it.
    pub opened: &'a Opened,
}

/// How many mailboxes are read at once: inboxes apart from everything else, which may take hours.
#[derive(Debug)]
pub struct Places {
    pub(super) inboxes: Semaphore,
    others: Semaphore,
}

impl Places {
    /// So many of each.
    pub fn new(mailboxes: usize) -> Self {
        Self {
            inboxes: Semaphore::new(mailboxes),
            others: Semaphore::new(mailboxes),
        }
    }

    /// Waits for the right to do with a mailbox what may take long.
    ///
    /// # Errors
    /// Never: the places are not closed.
    pub async fn other(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.others.acquire().await
    }
}

/// What is read of a mailbox.
#[derive(Clone, Copy)]
pub enum Reading<'a> {
    /// All folders, at once: somebody waits for it.
    Everything,
    /// The folders in which something happened, as far as the server tells, once there is a place.
    News(&'a Places),
}

/// Reads a mailbox to its end and keeps the agent's health up to date. Within this process one at a time per mailbox; the inbox is read
/// first, and looked at all the time while other folders are read. A folder that cannot be read while others can is passed over, retried
/// at intervals, and named in the health. May be dropped at any time: what is committed stays, the rest is done by the next call.
///
/// # Errors
/// What ended it early; the health has it too.
pub async fn read(work: MailboxWork<'_>, reading: Reading<'_>, report: &mut (dyn FnMut(Progress) + Send)) -> Result<Progress, ReadError> {
    let MailboxWork {
        ops,
        tenant,
        agent,
        opened,
    } = work;
    let lane = &opened.lane;
    // Whoever has the mailbox looks after its inbox.
    lane.rest();
    let _lock = ops.mailbox_locks.lock(tenant, &agent.id).await;
    let mut progress = Progress::default();
    let subject = Subject {
        agent,
        account: opened.account.as_ref(),
        since: ops.now(),
    };
    lane.wait(ELSEWHERE);
    let mut turn = accounts::turn(ops, tenant, subject.account).await?;
    let result = async {
        lane.rest();
        let place = reading.inbox_place().await;
        lane.work();
        let folders = turn.log_in(&*opened.mailbox).await?;
        let reading = FoldersRead {
            work,
            reading,
            folders: &folders,
        };
        Box::pin(reading.run(place, &mut progress, report)).await
    };
    let result = result.await;
    lane.work();
    let faults = opened.memory.faults();
    let went = match &result {
        Err(error) => Went::Failed(error),
        Ok(()) if faults.is_empty() => Went::Well,
        Ok(()) => Went::WithFolderFaults(&faults),
    };
    health::record(ops, tenant, subject, Tried::Read, went).await?;
    // Only now does the next one see whether the account's login was refused.
    drop(turn);
    result.map(|()| progress)
}

impl<'a> Reading<'a> {
    async fn inbox_place(self) -> Option<SemaphorePermit<'a>> {
        match self {
            Self::Everything => None,
            Self::News(places) => places.inboxes.acquire().await.ok(),
        }
    }

    fn places(self) -> Option<&'a Places> {
        match self {
            Self::Everything => None,
            Self::News(places) => Some(places),
        }
    }
}

/// A read of a mailbox's folders.
struct FoldersRead<'a> {
    work: MailboxWork<'a>,
    reading: Reading<'a>,
    folders: &'a [Folder],
}

impl FoldersRead<'_> {
    async fn run(
        &self,
        place: Option<SemaphorePermit<'_>>,
        progress: &mut Progress,
        report: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), ReadError> {
        let (work, memory) = (self.work, &self.work.opened.memory);
        let purposes = Purposes::of(work.ops, work.tenant, work.agent).await?;
        memory.keep(self.folders);
        if matches!(self.reading, Reading::News(_)) {
            memory.load(work).await?;
        }
        let now = work.ops.now();
        let is_due = |folder: &Folder| matches!(self.reading, Reading::Everything) || memory.is_due(folder, now);
        let read_at_all = self.folders.iter().filter_map(|folder| Some((folder, purposes.of_folder(folder)?)));
        let (inbox, mut others): (Vec<_>, Vec<_>) = read_at_all.partition(|(folder, _)| folder.role == FolderRole::Inbox);
        others.retain(|(folder, _)| is_due(folder));
        // Those that could not be read the last time hold up none.
        others.sort_by_key(|(folder, _)| memory.has_fault(folder));

        let mut inbox = inbox.into_iter().next();
        let mut fault = None;
        if let Some((folder, purpose)) = &inbox
            && let Err(error) = FolderReader::new(work, folder, purpose.clone()).read(progress, report).await
        {
            // The others are read all the same, if the server lets them.
            fault = Some(own_fault(work, error, folder, self.folders).await?);
            inbox = None;
        }
        drop(place);
        if !others.is_empty() {
            let inbox = inbox.map(|(folder, purpose)| Inbox {
                work,
                folder,
                purpose,
                places: self.reading.places(),
            });
            let ((), looked) = Box::pin(inbox::beside(inbox, self.others(others, progress, report))).await?;
            *progress += looked;
        }
        fault.map_or(Ok(()), |fault| Err(fault.into()))
    }

    async fn others(
        &self,
        folders: Vec<(&Folder, Arc<Purpose>)>,
        progress: &mut Progress,
        report: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), ReadError> {
        let (work, memory) = (self.work, &self.work.opened.memory);
        let lane = &work.opened.lane;
        lane.rest();
        let _place = match self.reading.places() {
            Some(places) => places.other().await.ok(),
            None => None,
        };
        lane.work();
        for (folder, purpose) in folders {
            memory.begin(folder);
            match FolderReader::new(work, folder, purpose).read(progress, report).await {
                Ok(()) => memory.done(folder, work.ops.now()),
                Err(error) => {
                    let error = own_fault(work, error, folder, self.folders).await?;
                    tracing::warn!(agent = %work.agent.id, folder = folder.label(), error = %error_chain(&error), "a folder cannot be read");
                    memory.failed(folder, &error, work.ops.now(), work.ops.limits.max_backoff);
                }
            }
            memory.write(work, Write::Some).await?;
        }
        Ok(memory.write(work, Write::All).await?)
    }
}

/// Tells what is wrong with one folder from what is wrong with the mailbox, its login or its server: if the server answers, and another
/// folder can be read, the inbox where possible, it is the folder's own fault, whatever the server calls it.
///
/// # Errors
/// What is wrong with the mailbox.
pub(super) async fn own_fault(
    work: MailboxWork<'_>,
    error: ReadError,
    folder: &Folder,
    folders: &[Folder],
) -> Result<ProviderError, ReadError> {
    let error = match error {
        ReadError::Provider(error) if !matches!(error.class, ErrorClass::LoginRequired | ErrorClass::Unreachable) => error,
        error => return Err(error),
    };
    let mut witnesses = folders
        .iter()
        .filter(|other| *other != folder && !work.opened.memory.has_fault(other));
    let Some(witness) = witnesses.next() else {
        return Err(error.into());
    };
    let position = work
        .ops
        .store
        .tenant(work.tenant)
        .folder_position(&work.agent.id, &witness.key())
        .await?;
    match work.opened.mailbox.changes(witness, position.state.as_deref()).await {
        Ok(_) => Ok(error),
        Err(refused) if refused.class == ErrorClass::StateLost => Ok(error),
        // The first one has more to say about what was wrong.
        Err(other) if other.class == error.class => Err(error.into()),
        Err(other) => Err(other.into()),
    }
}

/// What an agent's folders are read for.
pub(super) struct Purposes {
    /// `None`: it does not sweep.
    matcher: Option<CaseReferenceMatcher>,
    archive: bool,
    created: Timestamp,
}

impl Purposes {
    /// By the agent's and its tenant's settings at this moment.
    ///
    /// # Errors
    /// As the database's.
    pub(super) async fn of(ops: &Ops, tenant: &str, agent: &Agent) -> Result<Self> {
        let matcher = if agent.settings.exchange.case_sweep {
            let settings = ops.store.tenant(tenant).settings().await?;
            Some(settings.choices.case_reference_format.matcher().map_err(Error::internal)?)
        } else {
            None
        };
        Ok(Self {
            matcher,
            archive: agent.settings.exchange.archive,
            created: agent.created,
        })
    }

    /// What a folder is read for. `None`: for nothing.
    pub(super) fn of_folder(&self, folder: &Folder) -> Option<Arc<Purpose>> {
        let sweep = self.matcher.clone().filter(|_| folder.role != FolderRole::Sent);
        (sweep.is_some() || self.archive).then(|| {
            Arc::new(Purpose {
                sweep,
                archive: self.archive,
                // What was filed before the agent came is nobody's new mail.
                since: (folder.role == FolderRole::Other).then_some(self.created),
            })
        })
    }
}

/// Opens an agent's mailbox, see [`connect::open`], or keeps in its health why not.
///
/// # Errors
/// As [`connect::open`]'s, and the database's.
pub async fn open(ops: &Ops, tenant: &str, agent: &Agent, pulse: Arc<Pulse>) -> Result<Opened, ReadError> {
    match connect::open(ops, tenant, agent, pulse).await {
        Ok(opened) => Ok(opened),
        Err(error) => {
            health::record_unopened(ops, tenant, agent, &error).await?;
            Err(error)
        }
    }
}
