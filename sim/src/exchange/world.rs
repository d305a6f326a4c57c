//! What the server holds: mailboxes, folders with their change logs, items, logins. Plain data behind one mutex; nothing
//! here waits, reads files or knows XML.
//!
//! Every change of a folder is appended to its log; a sync state is a position in it, so a page of changes costs as much as its length.

mod folder_kind;
#[cfg(test)]
mod tests;

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap, HashSet},
};

use bytes::Bytes;
use time::OffsetDateTime;

pub use self::folder_kind::FolderKind;
use super::{
    calendar::Appointment,
    graph::{Composing, Hook},
    ids::{Place, SyncState},
    raw::Raw,
    send::Transport,
    subscriptions::{EventKind, Notice, Subscription},
};

/// A message in a folder.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) serial: u64,
    /// The serial that it had first, which stays through all moves.
    pub(super) origin: u64,
    pub(super) folder: FolderKind,
    pub(super) received: OffsetDateTime,
    pub(super) raw: Raw,
    pub(super) version: u64,
    pub(super) read: bool,
    pub(super) draft: bool,
    /// Whether it waits for the transport.
    pub(super) submitted: bool,
    /// Recipients that are not in the MIME.
    pub(super) bcc: Vec<String>,
    /// Positions in the folder's log of its creation and of its last change.
    created: u64,
    changed: u64,
    /// Whether the log does not tell of its creation.
    untold: bool,
}

impl Item {
    fn place(&self) -> Place {
        place_of(self.received, self.serial)
    }
}

fn place_of(received: OffsetDateTime, serial: u64) -> Place {
    let micros = received.unix_timestamp_nanos().div_euclid(1_000);
    (i64::try_from(micros).unwrap_or(i64::MAX), serial)
}

/// Marks of an item.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    pub(super) read: bool,
    pub(super) draft: bool,
}

/// An item that comes into a folder.
#[derive(Debug)]
pub(super) struct NewItem {
    raw: Raw,
    received: OffsetDateTime,
    flags: Flags,
    /// Recipients that are not in the MIME.
    bcc: Vec<String>,
    /// The serial that it had first. `None`: it is new in the mailbox.
    origin: Option<u64>,
}

impl NewItem {
    /// One that was never in the mailbox.
    pub(super) fn new(raw: Raw, received: OffsetDateTime, flags: Flags) -> Self {
        Self {
            raw,
            received,
            flags,
            bcc: Vec::new(),
            origin: None,
        }
    }
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

#[derive(Debug)]
struct Folder {
    name: String,
    parent: Option<FolderKind>,
    newest_first: BTreeSet<Reverse<Place>>,
    log: Vec<Change>,
    unread: usize,
}

impl Folder {
    fn new(name: &str, parent: Option<FolderKind>) -> Self {
        Self {
            name: name.to_owned(),
            parent,
            newest_first: BTreeSet::new(),
            log: Vec::new(),
            unread: 0,
        }
    }
}

#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) address: String,
    folders: Vec<Folder>,
    items: HashMap<u64, Item>,
    /// Serials by what they were first.
    by_origin: HashMap<u64, u64>,
    /// What the items are that are appointments, by what their serials were first.
    pub(super) appointments: HashMap<u64, Appointment>,
    last_serial: u64,
    /// The mailbox in whose place it is, and whose sync states it takes for its own, as some servers do.
    pub(super) stands_for: Option<u32>,
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
            folders: FolderKind::ALL
                .iter()
                .map(|kind| Folder::new(kind.usual_name(), kind.usual_parent()))
                .collect(),
            items: HashMap::new(),
            by_origin: HashMap::new(),
            appointments: HashMap::new(),
            last_serial: 0,
            stands_for: None,
            epoch: 0,
            subscriptions: HashMap::new(),
            last_subscription: 0,
            running: 0,
            streams: 0,
        }
    }

    /// Makes a folder.
    pub(super) fn make_folder(&mut self, parent: FolderKind, name: &str) -> FolderKind {
        self.folders.push(Folder::new(name, Some(parent)));
        FolderKind::from_index(u32::try_from(self.folders.len() - 1).unwrap_or(u32::MAX))
    }

    /// All folders.
    pub(super) fn folders(&self) -> impl Iterator<Item = FolderKind> {
        (0..).zip(&self.folders).map(|(index, _)| FolderKind::from_index(index))
    }

    /// The folder with that index.
    pub(super) fn folder_at(&self, index: u32) -> Option<FolderKind> {
        self.folders.get(index as usize).map(|_| FolderKind::from_index(index))
    }

    pub(super) fn name(&self, folder: FolderKind) -> &str {
        &self.folder(folder).name
    }

    pub(super) fn parent(&self, folder: FolderKind) -> Option<FolderKind> {
        self.folder(folder).parent
    }

    pub(super) fn children(&self, folder: FolderKind) -> impl Iterator<Item = FolderKind> {
        self.folders().filter(move |child| self.parent(*child) == Some(folder))
    }

    /// The folders below a folder, at any depth.
    pub(super) fn below(&self, folder: FolderKind) -> Vec<FolderKind> {
        let mut found: Vec<FolderKind> = self.children(folder).collect();
        let mut next = 0;
        while let Some(child) = found.get(next).copied() {
            found.extend(self.children(child));
            next += 1;
        }
        found
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

    pub(super) fn add(&mut self, folder: FolderKind, item: NewItem, now: OffsetDateTime) -> u64 {
        let draft = item.flags.draft;
        let serial = self.insert(folder, item);
        let created = Notice {
            event: EventKind::Created,
            time: now,
            serial,
            folder,
            old: None,
        };
        self.tell(created);
        if folder == FolderKind::Inbox && !draft {
            self.tell(Notice {
                event: EventKind::NewMail,
                ..created
            });
        }
        serial
    }

    /// Puts an item where only a new listing finds it: its folder's log does not tell of it.
    pub(super) fn restore(&mut self, folder: FolderKind, raw: Raw, received: OffsetDateTime) -> u64 {
        let serial = self.insert(folder, NewItem::new(raw, received, Flags::default()));
        self.folder_mut(folder).log.pop();
        if let Some(item) = self.items.get_mut(&serial) {
            item.untold = true;
        }
        serial
    }

    /// Keeps recipients beside the MIME of a draft.
    pub(super) fn set_bcc(&mut self, serial: u64, bcc: Vec<String>) {
        if let Some(item) = self.items.get_mut(&serial) {
            item.bcc = bcc;
        }
    }

    /// Writes a draft again.
    pub(super) fn set_raw(&mut self, serial: u64, raw: Raw) {
        if let Some(item) = self.items.get_mut(&serial) {
            item.raw = raw;
        }
    }

    /// Marks a draft as submitted, if it is there.
    pub(super) fn submit(&mut self, serial: u64) -> Option<()> {
        self.items.get_mut(&serial)?.submitted = true;
        Some(())
    }

    /// Turns a draft into the copy of what was sent; its origin stays.
    pub(super) fn keep_sent(&mut self, serial: u64, raw: Raw, now: OffsetDateTime) {
        if let Some(draft) = self.take(serial) {
            let flags = Flags {
                read: true,
                ..Flags::default()
            };
            let copy = NewItem {
                origin: Some(draft.origin),
                ..NewItem::new(raw, now, flags)
            };
            let sent = self.insert(FolderKind::Sent, copy);
            self.tell(Notice {
                event: EventKind::Moved,
                time: now,
                serial: sent,
                folder: FolderKind::Sent,
                old: Some((serial, draft.folder)),
            });
        }
    }

    /// Takes an item out. `false` when it is not there.
    pub(super) fn remove(&mut self, serial: u64, now: OffsetDateTime) -> bool {
        match self.take(serial) {
            Some(item) => {
                self.tell(Notice {
                    event: EventKind::Deleted,
                    time: now,
                    serial,
                    folder: item.folder,
                    old: None,
                });
                true
            }
            None => false,
        }
    }

    /// Moves an item, which gets a new serial.
    pub(super) fn relocate(&mut self, serial: u64, to: FolderKind, now: OffsetDateTime) -> Option<u64> {
        let item = self.take(serial)?;
        let flags = Flags {
            read: item.read,
            draft: item.draft,
        };
        let copy = NewItem {
            raw: item.raw,
            received: item.received,
            flags,
            bcc: item.bcc,
            origin: Some(item.origin),
        };
        let moved = self.insert(to, copy);
        self.tell(Notice {
            event: EventKind::Moved,
            time: now,
            serial: moved,
            folder: to,
            old: Some((serial, item.folder)),
        });
        Some(moved)
    }

    /// Marks an item as read or unread, or with `None` as changed in some other way. The item's new version.
    pub(super) fn change(&mut self, serial: u64, read: Option<bool>, now: OffsetDateTime) -> Option<u64> {
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
        self.tell(Notice {
            event: EventKind::Modified,
            time: now,
            serial,
            folder,
            old: None,
        });
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
            .filter(|item| item.untold || item.created < position)
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

    /// Adds a subscription. Returns its number.
    pub(super) fn subscribe(&mut self, subscription: Subscription) -> u64 {
        self.last_subscription += 1;
        self.subscriptions.insert(self.last_subscription, subscription);
        self.last_subscription
    }

    fn folder(&self, kind: FolderKind) -> &Folder {
        self.folders.get(kind.index() as usize).expect("a folder that was given out stays")
    }

    fn folder_mut(&mut self, kind: FolderKind) -> &mut Folder {
        self.folders
            .get_mut(kind.index() as usize)
            .expect("a folder that was given out stays")
    }

    fn insert(&mut self, folder: FolderKind, item: NewItem) -> u64 {
        let NewItem {
            raw,
            received,
            flags: Flags { read, draft },
            bcc,
            origin,
        } = item;
        self.last_serial += 1;
        let serial = self.last_serial;
        let origin = origin.unwrap_or(serial);
        self.by_origin.insert(origin, serial);
        let place = self.folder_mut(folder);
        let created = place.log.len() as u64;
        place.unread += usize::from(!read);
        place.newest_first.insert(Reverse(place_of(received, serial)));
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
            submitted: false,
            bcc,
            created,
            changed: created,
            untold: false,
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

    fn tell(&mut self, notice: Notice) {
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
    pub(super) transport: Transport,
    /// Subscriptions over Graph, by id.
    pub(super) hooks: HashMap<String, Hook>,
    /// Drafts that are made of parts over Graph.
    pub(super) composing: Composing,
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

    /// Recreates the mailbox of that address: an empty one, with ids of its own.
    pub(super) fn replace_mailbox(&mut self, address: &str) {
        let before = self.by_address.remove(&address.to_lowercase());
        let now = self.add_mailbox(address);
        if let Some(mailbox) = self.mailbox_mut(now) {
            mailbox.stands_for = before;
        }
        for login in self.logins.values_mut() {
            if login.mailbox.is_some() && login.mailbox == before {
                login.mailbox = Some(now);
            }
            if before.is_some_and(|before| login.granted.remove(&before)) {
                login.granted.insert(now);
            }
        }
    }

    /// Whether a mailbox takes a sync state for its own.
    pub(super) fn takes(&self, mailbox: u32, state: SyncState) -> bool {
        let held = self.mailbox(mailbox);
        held.is_some_and(|held| state.epoch == held.epoch && (state.mailbox == mailbox || held.stands_for == Some(state.mailbox)))
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
