//! Listings and change logs.

use super::*;

fn at(second: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(second).unwrap()
}

const INBOX: FolderKind = FolderKind::Inbox;

fn add(mailbox: &mut Mailbox, second: i64) -> u64 {
    mailbox.add(INBOX, NewItem::new(Raw::from(Vec::new()), at(second), Flags::default()), at(0))
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
    assert!(mailbox.remove(old[3], at(0)));
    mailbox.change(old[2], Some(true), at(0)).unwrap();
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
    mailbox.change(new, None, at(0)).unwrap();
    mailbox.change(kept, Some(true), at(0)).unwrap();
    mailbox.change(kept, None, at(0)).unwrap();
    assert!(mailbox.remove(brief, at(0)));
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
    let moved = mailbox.relocate(serial, FolderKind::Deleted, at(0)).unwrap();
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
