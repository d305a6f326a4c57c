//! Reading one mailbox to its end, folder by folder.

use std::sync::Arc;

use tokio::sync::SemaphorePermit;

use super::{
    error::ReadError,
    folder::FolderReader,
    health::{self, AccessKind, AccessResult, HealthSubject},
    inbox::{self, Inbox, ReadingSlots},
    memory::Write,
    pulse::ELSEWHERE,
    turn,
    work::{MailboxWork, Progress, Purposes},
};
use crate::{
    domain::{Result, error_chain},
    ops::{LockKey, intake::Purpose},
    provider::{Folder, FolderRole},
};

/// What is read of a mailbox.
#[derive(Clone, Copy)]
pub enum Reading<'a> {
    /// All folders, at once: somebody waits for it.
    Everything,
    /// The folders in which something happened, as far as the server tells, once there is a place.
    News(&'a ReadingSlots),
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
    let _lock = ops.locks.lock(tenant, LockKey::Mailbox(agent.id.clone())).await;
    let mut progress = Progress::default();
    let subject = HealthSubject {
        agent,
        account: opened.account.as_ref(),
        since: ops.now(),
    };
    lane.wait(ELSEWHERE);
    let mut turn = turn::turn(ops, tenant, subject.account).await?;
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
    let access = match &result {
        Err(error) => AccessResult::Failed(error),
        Ok(()) if faults.is_empty() => AccessResult::Well,
        Ok(()) => AccessResult::WithFolderFaults(&faults),
    };
    health::record(ops, tenant, subject, AccessKind::Read, access).await?;
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

    fn places(self) -> Option<&'a ReadingSlots> {
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
            memory.load(&work.ops.store, work.tenant, &work.agent.id).await?;
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
            fault = Some(work.own_fault(error, folder, self.folders).await?);
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
        let (lane, of) = (&work.opened.lane, (work.tenant, &work.agent.id));
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
                    let error = work.own_fault(error, folder, self.folders).await?;
                    tracing::warn!(agent = %work.agent.id, folder = folder.label(), error = %error_chain(&error), "a folder cannot be read");
                    memory.failed(folder, &error, work.ops.now(), work.ops.limits.max_backoff);
                }
            }
            memory.write(&work.ops.store, of, Write::Some).await?;
        }
        Ok(memory.write(&work.ops.store, of, Write::All).await?)
    }
}
