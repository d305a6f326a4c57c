//! A mailbox that is worked on, what each of its folders is read for, and what that did.

use std::{ops::AddAssign, sync::Arc};

use super::{connect::Opened, error::ReadError};
use crate::{
    domain::{Agent, CaseReferenceMatcher, Error, Result, TenantId, Timestamp},
    net::{ErrorClass, ProviderError},
    ops::{Ops, intake::Purpose},
    provider::{Folder, FolderRole},
};

/// A mailbox that is worked on.
#[derive(Clone, Copy)]
pub struct MailboxWork<'a> {
    /// What operations work with.
    pub ops: &'a Ops,
    /// Its tenant.
    pub tenant: &'a TenantId,
    /// Its agent.
    pub agent: &'a Agent,
    /// The way to it.
    pub opened: &'a Opened,
}

impl MailboxWork<'_> {
    /// Tells what is wrong with one folder from what is wrong with the mailbox, its login or its server: if the server answers, and another
    /// folder can be read, the inbox where possible, it is the folder's own fault, whatever the server calls it.
    ///
    /// # Errors
    /// What is wrong with the mailbox.
    pub(super) async fn own_fault(self, error: ReadError, folder: &Folder, folders: &[Folder]) -> Result<ProviderError, ReadError> {
        let error = match error {
            ReadError::Provider(error) if !matches!(error.class, ErrorClass::LoginRequired | ErrorClass::Unreachable) => error,
            error => return Err(error),
        };
        let mut witnesses = folders
            .iter()
            .filter(|other| *other != folder && !self.opened.memory.has_fault(other));
        let Some(witness) = witnesses.next() else {
            return Err(error.into());
        };
        let position = self
            .ops
            .store
            .tenant(self.tenant)
            .folder_position(&self.agent.id, &witness.key())
            .await?;
        match self.opened.mailbox.changes(witness, position.state.as_deref()).await {
            Ok(_) => Ok(error),
            Err(refused) if refused.class == ErrorClass::StateLost => Ok(error),
            // The first one has more to say about what was wrong.
            Err(other) if other.class == error.class => Err(error.into()),
            Err(other) => Err(other.into()),
        }
    }
}

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

/// What an agent's folders are read for.
pub(super) struct Purposes {
    /// `None`: it does not sweep.
    matcher: Option<CaseReferenceMatcher>,
    archive: bool,
    created: Timestamp,
}

impl Purposes {
    /// By the agent's and its tenant's settings at this moment.
    pub(super) async fn of(ops: &Ops, tenant: &TenantId, agent: &Agent) -> Result<Self> {
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
