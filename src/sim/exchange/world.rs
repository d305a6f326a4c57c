//! What the server holds: mailboxes, folders with their change logs, items, logins. Plain data behind one mutex; nothing
//! here waits, reads files or knows XML.
//!
//! Every change of a folder is appended to its log; a sync state is a position in it, so a page of changes costs as much as its length.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap, HashSet},
};

use bytes::Bytes;

use super::{
    graph::Hook,
    ids::{Place, SyncState},
    raw::Raw,
    subscriptions::{EventKind, Notice, Subscription},
};
use crate::domain::Timestamp;

/// The folders that every mailbox has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FolderKind {
    /// Root of everything.
    Root,
    /// Root of what the user sees.
    Top,
    /// Where new mail arrives.
    Inbox,
    /// Copies of what was sent.
    Sent,
    /// Not yet sent.
    Drafts,
    /// Waiting to be sent; always empty here.
    Outbox,
    /// The bin.
    Deleted,
    /// Junk mail.
    Junk,
    /// Appointments; always empty here.
    Calendar,
}

impl FolderKind {
    pub(super) const ALL: [Self; 9] = [
        Self::Root,
        Self::Top,
        Self::Inbox,
        Self::Sent,
        Self::Drafts,
        Self::Outbox,
        Self::Deleted,
        Self::Junk,
        Self::Calendar,
    ];

    pub(super) fn index(self) -> u32 {
        self as u32
    }

    pub(super) fn from_index(index: u32) -> Option<Self> {
        Self::ALL.get(index as usize).copied()
    }

    /// Name of the distinguished folder.
    pub(super) fn distinguished(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Top => "msgfolderroot",
            Self::Inbox => "inbox",
            Self::Sent => "sentitems",
            Self::Drafts => "drafts",
            Self::Outbox => "outbox",
            Self::Deleted => "deleteditems",
            Self::Junk => "junkemail",
            Self::Calendar => "calendar",
        }
    }

    pub(super) fn display_name(self) -> &'static str {
        match self {
            Self::Root => "",
            Self::Top => "Top of Information Store",
            Self::Inbox => "Inbox",
            Self::Sent => "Sent Items",
            Self::Drafts => "Drafts",
            Self::Outbox => "Outbox",
            Self::Deleted => "Deleted Items",
            Self::Junk => "Junk Email",
            Self::Calendar => "Calendar",
        }
    }

    pub(super) fn parent(self) -> Option<Self> {
        match self {
            Self::Root => None,
            Self::Top => Some(Self::Root),
            _ => Some(Self::Top),
        }
    }

    pub(super) fn children(self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |folder| folder.parent() == Some(self))
    }
}

/// A message in a folder.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) serial: u64,
    /// The serial that it had first, which stays through all moves.
    pub(super) origin: u64,
    pub(super) folder: FolderKind,
    pub(super) received: Timestamp,
    pub(super) raw: Raw,
    pub(super) version: u64,
    pub(super) read: bool,
    pub(super) draft: bool,
    /// Recipients that are not in the MIME.
    pub(super) bcc: Vec<String>,
    /// Positions in the folder's log of its creation and of its last change.
    created: u64,
    changed: u64,
}

impl Item {
    fn place(&self) -> Place {
        (self.received.0, self.serial)
    }
}

/// What a new item is like.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    pub(super) read: bool,
    pub(super) draft: bool,
}

/// What happened to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChangeKind {
    Create,
    Update,
    ReadFlag,
    Delete,
}

/// An entry of a folder's log, or of a page of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) kind: ChangeKind,
    pub(super) serial: u64,
    pub(super) origin: u64,
    pub(super) version: u64,
    pub(super) read: bool,
    /// Position at which the item came into the folder.
    created: u64,
}

/// A page of changes.
#[derive(Debug)]
pub(super) struct ChangePage {
    pub(super) changes: Vec<Change>,
    pub(super) state: SyncState,
    pub(super) last: bool,
}

#[derive(Debug, Default)]
struct Folder {
    newest_first: BTreeSet<Reverse<Place>>,
    log: Vec<Change>,
    unread: usize,
}

#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) address: String,
    folders: Vec<Folder>,
    items: HashMap<u64, Item>,
    /// Serials by what they were first.
    by_origin: HashMap<u64, u64>,
    last_serial: u64,
    pub(super) epoch: u32,
    pub(super) subscriptions: HashMap<u64, Subscription>,
    last_subscription: u64,
    /// Requests and streams that run now.
    pub(super) running: usize,
    pub(super) streams: usize,
}

impl Mailbox {
    fn new(address: &str) -> Self {
        Self {
            address: address.to_lowercase(),
            folders: FolderKind::ALL.iter().map(|_| Folder::default()).collect(),
            items: HashMap::new(),
            by_origin: HashMap::new(),
            last_serial: 0,
            epoch: 0,
            subscriptions: HashMap::new(),
            last_subscription: 0,
            running: 0,
            streams: 0,
        }
    }

    pub(super) fn item(&self, serial: u64) -> Option<&Item> {
        self.items.get(&serial)
    }

    /// The serial that an item has now.
    pub(super) fn now(&self, origin: u64) -> Option<u64> {
        self.by_origin.get(&origin).copied()
    }

    /// Number of items, and of unread ones.
    pub(super) fn counts(&self, folder: FolderKind) -> (usize, usize) {
        let folder = self.folder(folder);
        (folder.newest_first.len(), folder.unread)
    }

    /// Serials in a folder, newest first.
    pub(super) fn newest_first(&self, folder: FolderKind) -> impl DoubleEndedIterator<Item = u64> {
        self.folder(folder).newest_first.iter().map(|Reverse((_, serial))| *serial)
    }

    pub(super) fn add(&mut self, folder: FolderKind, raw: Raw, received: Timestamp, flags: Flags, now: Timestamp) -> u64 {
        let serial = self.insert(folder, raw, received, flags, Vec::new(), None);
        self.tell(EventKind::Created, serial, folder, None, now);
        if folder == FolderKind::Inbox && !flags.draft {
            self.tell(EventKind::NewMail, serial, folder, None, now);
        }
        serial
    }

    /// Keeps recipients beside the MIME of a draft.
    pub(super) fn set_bcc(&mut self, serial: u64, bcc: Vec<String>) {
        if let Some(item) = self.items.get_mut(&serial) {
            item.bcc = bcc;
        }
    }

    /// Turns a draft into the copy of what was sent; its origin stays.
    pub(super) fn keep_sent(&mut self, serial: u64, raw: Raw, now: Timestamp) {
        if let Some(draft) = self.take(serial) {
            let flags = Flags {
                read: true,
                ..Flags::default()
            };
            let sent = self.insert(FolderKind::Sent, raw, now, flags, Vec::new(), Some(draft.origin));
            self.tell(EventKind::Moved, sent, FolderKind::Sent, Some((serial, draft.folder)), now);
        }
    }

    /// Takes an item out. `false` when it is not there.
    pub(super) fn remove(&mut self, serial: u64, now: Timestamp) -> bool {
        match self.take(serial) {
            Some(item) => {
                self.tell(EventKind::Deleted, serial, item.folder, None, now);
                true
            }
            None => false,
        }
    }

    /// Moves an item, which gets a new serial.
    pub(super) fn relocate(&mut self, serial: u64, to: FolderKind, now: Timestamp) -> Option<u64> {
        let item = self.take(serial)?;
        let flags = Flags {
            read: item.read,
            draft: item.draft,
        };
        let moved = self.insert(to, item.raw, item.received, flags, item.bcc, Some(item.origin));
        self.tell(EventKind::Moved, moved, to, Some((serial, item.folder)), now);
        Some(moved)
    }

    /// Marks an item as read or unread, or with `None` as changed in some other way. The item's new version.
    pub(super) fn change(&mut self, serial: u64, read: Option<bool>, now: Timestamp) -> Option<u64> {
        let item = self.items.get_mut(&serial)?;
        let folder = self.folders.get_mut(item.folder.index() as usize)?;
        item.version += 1;
        item.changed = folder.log.len() as u64;
        if let Some(read) = read {
            folder.unread = folder.unread + usize::from(!read) - usize::from(!item.read);
            item.read = read;
        }
        let kind = if read.is_some() { ChangeKind::ReadFlag } else { ChangeKind::Update };
        folder.log.push(Change {
            kind,
            serial,
            origin: item.origin,
            version: item.version,
            read: item.read,
            created: item.created,
        });
        let (version, folder) = (item.version, item.folder);
        self.tell(EventKind::Modified, serial, folder, None, now);
        Some(version)
    }

    /// The next page of changes of a folder. Without a state: from the beginning, newest first.
    pub(super) fn changes(&self, state: SyncState, fresh: bool, max: usize) -> Option<ChangePage> {
        let folder = self.folders.get(state.folder as usize)?;
        if fresh || state.after.is_some() {
            return Some(self.listing(folder, state, max));
        }
        let mut position = usize::try_from(state.position)
            .ok()
            .filter(|position| *position <= folder.log.len())?;
        let mut changes = Vec::new();
        while let Some(change) = folder.log.get(position)
            && changes.len() < max
        {
            changes.extend(self.still_news(*change, position as u64, state.position));
            position += 1;
        }
        let last = position == folder.log.len();
        Some(ChangePage {
            changes,
            state: SyncState {
                position: position as u64,
                ..state
            },
            last,
        })
    }

    /// What an entry of the log still means. An item's changes are told once, with its present state; what came and went is not told.
    fn still_news(&self, change: Change, position: u64, since: u64) -> Option<Change> {
        if change.kind == ChangeKind::Delete {
            return (change.created < since).then_some(change);
        }
        let item = self.items.get(&change.serial)?;
        let told = match change.kind {
            ChangeKind::Create => true,
            _ => item.changed == position && item.created < since,
        };
        told.then_some(Change {
            version: item.version,
            read: item.read,
            ..change
        })
    }

    fn listing(&self, folder: &Folder, state: SyncState, max: usize) -> ChangePage {
        // What changes from here on is told from the log, once the listing is over.
        let position = if state.after.is_some() {
            state.position
        } else {
            folder.log.len() as u64
        };
        let all = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
        let rest = state
            .after
            .map_or(all, |after| (std::ops::Bound::Excluded(Reverse(after)), std::ops::Bound::Unbounded));
        let mut items = folder
            .newest_first
            .range(rest)
            .filter_map(|Reverse((_, serial))| self.items.get(serial))
            .filter(|item| item.created < position)
            .peekable();
        let mut after = None;
        let mut changes = Vec::new();
        while let Some(item) = items.next_if(|_| changes.len() < max) {
            after = Some(item.place());
            changes.push(Change {
                kind: ChangeKind::Create,
                serial: item.serial,
                origin: item.origin,
                version: item.version,
                read: item.read,
                created: item.created,
            });
        }
        let more = items.peek().is_some();
        let state = SyncState {
            position,
            after: after.filter(|_| more),
            ..state
        };
        ChangePage {
            changes,
            state,
            last: !more && position == folder.log.len() as u64,
        }
    }

    /// Adds a subscription, `None` when there are `limit` already.
    pub(super) fn subscribe(&mut self, subscription: Subscription, limit: usize) -> Option<u64> {
        if self.subscriptions.len() >= limit {
            return None;
        }
        self.last_subscription += 1;
        self.subscriptions.insert(self.last_subscription, subscription);
        Some(self.last_subscription)
    }

    fn folder(&self, kind: FolderKind) -> &Folder {
        self.folders
            .get(kind.index() as usize)
            .expect("every mailbox has all kinds of folders")
    }

    fn folder_mut(&mut self, kind: FolderKind) -> &mut Folder {
        self.folders
            .get_mut(kind.index() as usize)
            .expect("every mailbox has all kinds of folders")
    }

    fn insert(&mut self, folder: FolderKind, raw: Raw, received: Timestamp, flags: Flags, bcc: Vec<String>, origin: Option<u64>) -> u64 {
        self.last_serial += 1;
        let serial = self.last_serial;
        let origin = origin.unwrap_or(serial);
        self.by_origin.insert(origin, serial);
        let Flags { read, draft } = flags;
        let place = self.folder_mut(folder);
        let created = place.log.len() as u64;
        place.unread += usize::from(!read);
        place.newest_first.insert(Reverse((received.0, serial)));
        place.log.push(Change {
            kind: ChangeKind::Create,
            serial,
            origin,
            version: 1,
            read,
            created,
        });
        let item = Item {
            serial,
            origin,
            folder,
            received,
            raw,
            version: 1,
            read,
            draft,
            bcc,
            created,
            changed: created,
        };
        self.items.insert(serial, item);
        serial
    }

    fn take(&mut self, serial: u64) -> Option<Item> {
        let item = self.items.remove(&serial)?;
        self.by_origin.remove(&item.origin);
        let folder = self.folder_mut(item.folder);
        folder.newest_first.remove(&Reverse(item.place()));
        folder.unread -= usize::from(!item.read);
        folder.log.push(Change {
            kind: ChangeKind::Delete,
            serial,
            origin: item.origin,
            version: item.version,
            read: item.read,
            created: item.created,
        });
        Some(item)
    }

    fn tell(&mut self, event: EventKind, serial: u64, folder: FolderKind, old: Option<(u64, FolderKind)>, time: Timestamp) {
        let notice = Notice {
            event,
            time,
            serial,
            folder,
            old,
        };
        for subscription in self.subscriptions.values_mut() {
            subscription.tell(notice);
        }
    }
}

/// Who may log in.
#[derive(Debug, Default)]
pub(super) struct Login {
    pub(super) password: String,
    /// Its own mailbox, if it has one.
    pub(super) mailbox: Option<u32>,
    /// Mailboxes of others that it may use.
    pub(super) granted: HashSet<u32>,
    /// Whether it may impersonate anyone.
    pub(super) impersonates: bool,
}

/// A message that was sent.
#[derive(Clone, Debug)]
pub struct SentMessage {
    /// The mailbox that sent it.
    pub mailbox: String,
    /// All recipients in lower case, also those outside.
    pub recipients: Vec<String>,
    /// Its bytes as submitted, with Message-ID and Date added when they were missing.
    pub raw: Bytes,
}

/// Everything.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) mailboxes: Vec<Mailbox>,
    by_address: HashMap<String, u32>,
    /// By login in lower case.
    pub(super) logins: HashMap<String, Login>,
    pub(super) sent: Vec<SentMessage>,
    /// Subscriptions over Graph, by id.
    pub(super) hooks: HashMap<String, Hook>,
    /// Addresses of the mailboxes that applications may open, in lower case; `None`: all.
    pub(super) applications_may: Option<HashSet<String>>,
}

impl World {
    /// The mailbox of that address, created if need be.
    pub(super) fn add_mailbox(&mut self, address: &str) -> u32 {
        let next = u32::try_from(self.mailboxes.len()).unwrap_or(u32::MAX);
        let index = *self.by_address.entry(address.to_lowercase()).or_insert(next);
        if index == next {
            self.mailboxes.push(Mailbox::new(address));
        }
        index
    }

    pub(super) fn find(&self, address: &str) -> Option<u32> {
        self.by_address.get(&address.to_lowercase()).copied()
    }

    pub(super) fn mailbox(&self, index: u32) -> Option<&Mailbox> {
        self.mailboxes.get(index as usize)
    }

    pub(super) fn mailbox_mut(&mut self, index: u32) -> Option<&mut Mailbox> {
        self.mailboxes.get_mut(index as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INBOX: FolderKind = FolderKind::Inbox;

    fn add(mailbox: &mut Mailbox, second: i64) -> u64 {
        mailbox.add(
            INBOX,
            Raw::from(Vec::new()),
            Timestamp::from_seconds(second),
            Flags::default(),
            Timestamp(0),
        )
    }

    fn start() -> SyncState {
        SyncState {
            mailbox: 0,
            folder: INBOX.index(),
            epoch: 0,
            position: 0,
            after: None,
        }
    }

    /// Reads pages until the last; kinds and serials.
    fn read(mailbox: &Mailbox, state: &mut SyncState, fresh: bool, max: usize) -> Vec<(ChangeKind, u64)> {
        let (mut all, mut fresh) = (Vec::new(), fresh);
        loop {
            let page = mailbox.changes(*state, fresh, max).unwrap();
            assert!(page.changes.len() <= max);
            all.extend(page.changes.iter().map(|change| (change.kind, change.serial)));
            *state = page.state;
            fresh = false;
            if page.last {
                return all;
            }
        }
    }

    #[test]
    fn a_folder_is_listed_newest_first_in_pages_of_any_length() {
        let mut mailbox = Mailbox::new("a@x");
        let serials: Vec<u64> = [30, 10, 20, 20].into_iter().map(|second| add(&mut mailbox, second)).collect();
        let expected: Vec<_> = [0, 3, 2, 1].map(|n| (ChangeKind::Create, serials[n])).into();
        for max in 1..6 {
            let mut state = start();
            assert_eq!(read(&mailbox, &mut state, true, max), expected, "pages of {max}");
            assert_eq!(read(&mailbox, &mut state, false, max), []);
        }
    }

    #[test]
    fn changes_during_the_listing_come_after_it() {
        let mut mailbox = Mailbox::new("a@x");
        let old: Vec<u64> = (0..4).map(|second| add(&mut mailbox, second)).collect();
        let page = mailbox.changes(start(), true, 2).unwrap();
        assert!(!page.last);
        let mut state = page.state;
        // One in the past and one in the future of where the listing stands, one gone that was listed, one read.
        let past = add(&mut mailbox, -5);
        let future = add(&mut mailbox, 50);
        assert!(mailbox.remove(old[3], Timestamp(0)));
        mailbox.change(old[2], Some(true), Timestamp(0)).unwrap();
        let rest = read(&mailbox, &mut state, false, 3);
        let expected = [
            (ChangeKind::Create, old[1]),
            (ChangeKind::Create, old[0]),
            (ChangeKind::Create, past),
            (ChangeKind::Create, future),
            (ChangeKind::Delete, old[3]),
            (ChangeKind::ReadFlag, old[2]),
        ];
        assert_eq!(rest, expected);
    }

    #[test]
    fn an_items_changes_are_told_once() {
        let mut mailbox = Mailbox::new("a@x");
        let kept = add(&mut mailbox, 1);
        let mut state = start();
        read(&mailbox, &mut state, true, 10);
        let (new, brief) = (add(&mut mailbox, 2), add(&mut mailbox, 3));
        mailbox.change(new, None, Timestamp(0)).unwrap();
        mailbox.change(kept, Some(true), Timestamp(0)).unwrap();
        mailbox.change(kept, None, Timestamp(0)).unwrap();
        assert!(mailbox.remove(brief, Timestamp(0)));
        assert_eq!(
            read(&mailbox, &mut state, false, 10),
            [(ChangeKind::Create, new), (ChangeKind::Update, kept)]
        );
    }

    #[test]
    fn a_move_changes_the_serial_and_both_folders() {
        let mut mailbox = Mailbox::new("a@x");
        let serial = add(&mut mailbox, 1);
        let mut state = start();
        read(&mailbox, &mut state, true, 10);
        let moved = mailbox.relocate(serial, FolderKind::Deleted, Timestamp(0)).unwrap();
        assert_ne!(moved, serial);
        assert!(mailbox.item(serial).is_none());
        assert_eq!(read(&mailbox, &mut state, false, 10), [(ChangeKind::Delete, serial)]);
        let mut bin = SyncState {
            folder: FolderKind::Deleted.index(),
            ..start()
        };
        assert_eq!(read(&mailbox, &mut bin, true, 10), [(ChangeKind::Create, moved)]);
        assert_eq!(mailbox.counts(FolderKind::Deleted), (1, 1));
        assert_eq!(mailbox.counts(INBOX), (0, 0));
    }

    #[test]
    fn a_position_beyond_the_log_is_refused() {
        let mailbox = Mailbox::new("a@x");
        assert!(mailbox.changes(SyncState { position: 5, ..start() }, false, 10).is_none());
    }
}
