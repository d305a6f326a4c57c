//! Reading one mailbox to its end, folder by folder.

use std::{
    collections::HashMap,
    ops::AddAssign,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Ops, accounts,
    connect::{self, Opened},
    folder::FolderReader,
    health::{self, Subject, Tried},
    intake::Purpose,
};
use crate::{
    domain::{Agent, CaseReferenceMatcher, Error, Result, Timestamp, error_chain},
    provider::{ErrorClass, Folder, FolderRole, ProviderError},
};

/// How long a folder in which nothing seems to happen is left alone.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);

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
        Ok(folders) => read_folders(ops, tenant, agent, opened, folders, &mut progress, report).await,
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
    opened: &Opened,
    folders: Vec<Folder>,
    progress: &mut Progress,
    report: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), ReadError> {
    let purposes = Purposes::of(ops, tenant, agent).await?;
    for folder in &folders {
        if !opened.glance.is_news(folder) {
            continue;
        }
        let Some(purpose) = purposes.of_folder(folder) else {
            continue;
        };
        let mut reader = FolderReader::new(ops, tenant, agent, opened, folder, purpose).await?;
        match reader.read(progress, report).await {
            Ok(()) => opened.glance.seen(folder),
            // One that somebody deletes or locks stops no other.
            Err(ReadError::Provider(error)) if folder.role == FolderRole::Other && is_about_the_folder(error.class) => {
                tracing::warn!(agent = %agent.id, error = %error_chain(&error), "a folder is passed over");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_about_the_folder(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::Refused | ErrorClass::StateLost | ErrorClass::Malformed)
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

/// What a look at a mailbox's folders told, so that those in which nothing happens are left alone for a while. A server says of all folders
/// at once how many messages they hold; one that came while another went is found by the look once in an hour.
#[derive(Debug, Default)]
pub struct Glance {
    // Held for a look-up only.
    totals: Mutex<HashMap<String, (u64, Instant)>>,
}

impl Glance {
    fn is_news(&self, folder: &Folder) -> bool {
        let (FolderRole::Other, Some(total)) = (folder.role, folder.total) else {
            return true;
        };
        let totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        totals
            .get(&folder.id)
            .is_none_or(|(before, at)| *before != total || at.elapsed() > LOOK_AGAIN)
    }

    fn seen(&self, folder: &Folder) {
        if let (FolderRole::Other, Some(total)) = (folder.role, folder.total) {
            let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
            totals.insert(folder.id.clone(), (total, Instant::now()));
        }
    }
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
