//! Who is told of what happens in a mailbox, and what waits for them until they come back.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use time::OffsetDateTime;
use tokio::sync::Notify;

use super::world::{FolderKind, World};

/// What a subscriber is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Notice {
    pub(super) event: EventKind,
    pub(super) time: OffsetDateTime,
    pub(super) serial: u64,
    pub(super) folder: FolderKind,
    /// Where a moved item was: its former serial and folder.
    pub(super) old: Option<(u64, FolderKind)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventKind {
    NewMail,
    Created,
    Modified,
    Moved,
    Deleted,
}

impl EventKind {
    /// Name of the event in requests and answers.
    pub(super) fn element(self) -> &'static str {
        match self {
            Self::NewMail => "NewMailEvent",
            Self::Created => "CreatedEvent",
            Self::Modified => "ModifiedEvent",
            Self::Moved => "MovedEvent",
            Self::Deleted => "DeletedEvent",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::NewMail, Self::Created, Self::Modified, Self::Moved, Self::Deleted]
            .into_iter()
            .find(|kind| kind.element() == name)
    }
}

/// Notices that wait for a subscriber to come back; beyond, the oldest are lost.
const MAX_NOTICES: usize = 10_000;

#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) owner: String,
    /// The mailbox whose limits it counts against: the impersonated one, or else the login's own.
    pub(super) payer: u32,
    /// The server behind the address that has it.
    pub(super) back_end: u32,
    /// `None`: all folders.
    pub(super) folders: Option<HashSet<FolderKind>>,
    pub(super) events: Vec<EventKind>,
    pub(super) waiting: VecDeque<Notice>,
    /// Wakes the stream that serves it.
    pub(super) wake: Arc<Notify>,
}

impl World {
    /// Adds a subscription to a mailbox. Returns its number, `None` when as many as `limit` count against its payer already.
    pub(super) fn subscribe(&mut self, mailbox: u32, subscription: Subscription, limit: usize) -> Option<u64> {
        let mailboxes = (0..).map_while(|index| self.mailbox(index));
        let all = mailboxes.flat_map(|mailbox| mailbox.subscriptions.values());
        if all.filter(|other| other.payer == subscription.payer).count() >= limit {
            return None;
        }
        Some(self.mailbox_mut(mailbox)?.subscribe(subscription))
    }

    /// Streams that are open, of all mailboxes.
    pub(super) fn streams(&self) -> usize {
        (0..).map_while(|index| self.mailbox(index)).map(|mailbox| mailbox.streams).sum()
    }
}

impl Subscription {
    /// Keeps a notice that it asked for, and wakes its stream.
    pub(super) fn tell(&mut self, notice: Notice) {
        let here = |kind| self.folders.as_ref().is_none_or(|folders| folders.contains(&kind));
        if self.events.contains(&notice.event) && (here(notice.folder) || notice.old.is_some_and(|(_, from)| here(from))) {
            if self.waiting.len() == MAX_NOTICES {
                self.waiting.pop_front();
            }
            self.waiting.push_back(notice);
            self.wake.notify_one();
        }
    }
}
