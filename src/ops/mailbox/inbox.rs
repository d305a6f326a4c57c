//! The inbox is looked at beside everything that may take long: what is urgent does not wait for what is not.

use std::{sync::Arc, time::Duration};

use futures::future::{Either, select};
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};

use super::{
    error::ReadError,
    folder::FolderReader,
    work::{MailboxWork, Progress, Purposes},
};
use crate::{
    ops::intake::Purpose,
    provider::{Folder, FolderRole},
};

/// How long other work on a mailbox goes on before its inbox is looked at.
const EVERY: Duration = Duration::from_secs(5);

/// How many mailboxes are read at once: inboxes apart from everything else, which may take hours.
#[derive(Debug)]
pub struct ReadingSlots {
    pub(super) inboxes: Semaphore,
    others: Semaphore,
}

impl ReadingSlots {
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

/// The inbox of a mailbox on which other work is done.
pub(super) struct Inbox<'a> {
    pub work: MailboxWork<'a>,
    pub folder: &'a Folder,
    pub purpose: Arc<Purpose>,
    pub places: Option<&'a ReadingSlots>,
}

impl Inbox<'_> {
    /// Does other work on the mailbox, and looks at the inbox meanwhile. Returns what the looks did too.
    ///
    /// # Errors
    /// What ended either early.
    async fn beside<T>(&self, other: impl Future<Output = Result<T, ReadError>>) -> Result<(T, Progress), ReadError> {
        let mut other = Box::pin(other);
        let mut progress = Progress::default();
        loop {
            if let Ok(done) = tokio::time::timeout(EVERY, &mut other).await {
                return Ok((done?, progress));
            }
            let look = Box::pin(self.look());
            match select(&mut other, look).await {
                Either::Left((done, look)) => {
                    let done = done?;
                    // What it has found is not left for the next time.
                    progress += look.await?;
                    return Ok((done, progress));
                }
                Either::Right((looked, _)) => progress += looked?,
            }
        }
    }

    async fn look(&self) -> Result<Progress, ReadError> {
        let mut progress = Progress::default();
        let _place = match self.places {
            Some(places) => Some(places.inboxes.acquire().await),
            None => None,
        };
        let opened = self.work.opened.for_inbox();
        let work = MailboxWork {
            opened: &opened,
            ..self.work
        };
        opened.lane.work();
        let looked = FolderReader::new(work, self.folder, self.purpose.clone())
            .read(&mut progress, &mut |_| {})
            .await;
        opened.lane.rest();
        looked.map(|()| progress)
    }
}

/// Does other work on a mailbox, and looks at its inbox meanwhile: at once where there is none, as far as is known.
///
/// # Errors
/// What ended either early.
pub(super) async fn beside<T>(
    inbox: Option<Inbox<'_>>,
    other: impl Future<Output = Result<T, ReadError>>,
) -> Result<(T, Progress), ReadError> {
    match inbox {
        Some(inbox) => {
            let done = inbox.beside(other).await;
            // A look may have been dropped.
            inbox.work.opened.pulse.inbox.rest();
            done
        }
        None => Ok((other.await?, Progress::default())),
    }
}

/// The same for work that does not know the mailbox's folders; the inbox is the one that was read last.
///
/// # Errors
/// What ended either early.
pub async fn beside_inbox<T>(
    work: MailboxWork<'_>,
    places: &ReadingSlots,
    other: impl Future<Output = Result<T, ReadError>>,
) -> Result<T, ReadError> {
    let purposes = Purposes::of(work.ops, work.tenant, work.agent).await?;
    let folders = work.opened.memory.usual();
    let folder = folders.iter().find(|folder| folder.role == FolderRole::Inbox);
    let inbox = folder.and_then(|folder| {
        Some(Inbox {
            work,
            folder,
            purpose: purposes.of_folder(folder)?,
            places: Some(places),
        })
    });
    Ok(beside(inbox, other).await?.0)
}
