//! Who is told of what happens in a mailbox, and what waits for them until they come back.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use tokio::sync::Notify;

use super::world::FolderKind;
use crate::domain::Timestamp;

/// What a subscriber is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Notice {
    pub(super) event: EventKind,
    pub(super) time: Timestamp,
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
    /// `None`: all folders.
    pub(super) folders: Option<HashSet<FolderKind>>,
    pub(super) events: Vec<EventKind>,
    pub(super) waiting: VecDeque<Notice>,
    /// Wakes the stream that serves it.
    pub(super) wake: Arc<Notify>,
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
