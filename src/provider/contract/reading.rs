//! Folders, changes, whole messages.

use std::collections::HashSet;

use mailagent_sim::exchange::{Fault, FaultKind, FolderKind};

use super::{ANNA, Bench, Changed, LIMIT, message, open};
use crate::{
    domain::{Mailbox, Timestamp},
    net::ErrorClass,
    provider::{Fetched, FolderRole, ListedMessage},
};

#[tokio::test]
async fn folders_are_found() {
    Bench::each_with_push(async |bench| {
        bench.deliver(1);
        let made = |parent, name| bench.exchange.make_folder(ANNA, parent, name);
        let acme = made(made(FolderKind::Inbox, "Customers"), "Acme & Söhne");
        made(FolderKind::Drafts, "Templates");
        bench.exchange.deliver(ANNA, acme, message(7), Timestamp::from_seconds(7));
        // What is not known yet and what is.
        for _ in 0..2 {
            let folders = bench.mailbox.folders().await.unwrap();
            let seen: Vec<_> = folders
                .iter()
                .map(|folder| (folder.role, folder.path.as_str(), folder.total))
                .collect();
            let expected = [
                (FolderRole::Inbox, "Inbox", Some(1)),
                (FolderRole::Sent, "Sent Items", Some(0)),
                (FolderRole::Other, "Deleted Items", Some(0)),
                (FolderRole::Other, "Inbox/Customers", Some(0)),
                (FolderRole::Other, "Inbox/Customers/Acme & Söhne", Some(1)),
            ];
            assert_eq!(seen, expected);
            let filed = bench.mailbox.changes(&folders[4], None).await.unwrap();
            assert_eq!(filed.upserts.len(), 1);
            assert_eq!(filed.received.get(&filed.upserts[0]), Some(&Timestamp::from_seconds(7)));
        }
    })
    .await;
}

#[tokio::test]
async fn each_message_is_listed_once_and_then_what_changed() {
    Bench::each_with_push(async |bench| {
        let keys: Vec<String> = (0..700).map(|number| bench.deliver(number)).collect();
        let inbox = bench.folder(FolderRole::Inbox).await;
        let first = bench.changes(&inbox, None).await;
        let listed = first.upserts;
        assert_eq!(listed.iter().collect::<HashSet<_>>().len(), 700);
        assert_eq!((listed.len(), first.removals.len()), (700, 0));
        // Nothing new, as often as it is asked.
        let none = bench.changes(&inbox, Some(first.state)).await;
        assert_eq!((none.upserts.len(), none.removals.len()), (0, 0));

        let new = bench.deliver(700);
        assert!(bench.exchange.touch_item(ANNA, &keys[3]));
        assert!(bench.exchange.delete_item(ANNA, &keys[4]));
        bench.exchange.move_item(ANNA, &keys[5], FolderKind::Deleted).unwrap();
        let later = bench.changes(&inbox, Some(none.state.clone())).await;
        let changed = later.upserts;
        assert_eq!((changed.len(), later.removals.len()), (2, 2), "{new}");
        assert!(
            later.removals.iter().all(|id| listed.contains(id)),
            "they are known by the same ids"
        );
        assert_eq!(changed.iter().filter(|id| listed.contains(id)).count(), 1);
        // The older position is still good.
        let again = bench.changes(&inbox, Some(none.state)).await.upserts;
        assert_eq!(again, changed);
        let none = bench.changes(&inbox, Some(later.state)).await.upserts;
        assert_eq!(none, []);
    })
    .await;
}

#[tokio::test]
async fn the_newest_messages_are_found_without_a_listing() {
    Bench::each_with_push(async |bench| {
        for number in 0..30 {
            bench.deliver(number);
        }
        let inbox = bench.folder(FolderRole::Inbox).await;
        let listed = bench.changes(&inbox, None).await.upserts;
        let newest = bench.mailbox.newest(&inbox, 3).await.unwrap();
        assert_eq!(newest.ids, listed[..3], "by the same ids as in a listing, newest first");
        assert!(newest.ids.iter().all(|id| newest.sizes[id] > 0));
        assert_eq!(bench.mailbox.newest(&inbox, 100).await.unwrap().ids.len(), 30);
        let sent = bench.folder(FolderRole::Sent).await;
        assert_eq!(bench.mailbox.newest(&sent, 100).await.unwrap(), Default::default());
    })
    .await;
}

#[tokio::test]
async fn messages_come_whole_with_the_time_of_their_arrival() {
    Bench::each_with_push(async |bench| {
        for number in 0..25 {
            bench.deliver(number);
        }
        let inbox = bench.folder(FolderRole::Inbox).await;
        let ids = bench.changes(&inbox, None).await.upserts;
        // Also where nothing is remembered of them, as after a restart.
        for bench in [
            bench,
            &Bench {
                exchange: bench.exchange.clone(),
                mailbox: open(&bench.exchange, bench.protocol, None, None),
                protocol: bench.protocol,
                receiver: None,
                waiting: None,
            },
        ] {
            for (place, fetched) in bench.fetch(&ids).await.into_iter().enumerate() {
                // Newest first.
                let number = 24 - place;
                let Fetched::Message { raw, received } = fetched else {
                    panic!("{fetched:?}")
                };
                assert_eq!(received, Some(Timestamp::from_seconds(1000 + number as i64)));
                let text = String::from_utf8_lossy(&raw);
                assert!(text.contains(&format!("<{number}@oak.test>")), "{text}");
                let kept = raw == message(number);
                let rebuilt = !text.contains("X-Own");
                assert!(kept != rebuilt, "{text}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn each_message_has_its_own_outcome() {
    Bench::each_with_push(async |bench| {
        bench.deliver(1);
        let large = [message(2), vec![b'x'; 2 * LIMIT as usize]].concat();
        bench.exchange.deliver(ANNA, FolderKind::Inbox, large, Timestamp::from_seconds(2));
        let gone = bench.deliver(3);
        let inbox = bench.folder(FolderRole::Inbox).await;
        let ids = bench.changes(&inbox, None).await.upserts;
        assert!(bench.exchange.delete_item(ANNA, &gone));
        let fetched = bench.fetch(&ids).await;
        assert!(matches!(fetched[0], Fetched::Gone), "{fetched:?}");
        assert!(matches!(fetched[1], Fetched::Message { .. }), "{fetched:?}");
        let Fetched::TooLarge {
            size,
            listed:
                ListedMessage {
                    subject,
                    from,
                    message_id,
                    received,
                    ..
                },
        } = &fetched[2]
        else {
            panic!("{fetched:?}")
        };
        assert!(*size > LIMIT);
        assert_eq!((subject.as_str(), message_id.as_str()), ("Number 2", "<2@oak.test>"));
        assert_eq!(*from, Mailbox::reported("Eva".to_owned(), "eva@oak.test".to_owned()));
        assert_eq!(*received, Some(Timestamp::from_seconds(2)));
    })
    .await;
}

#[tokio::test]
async fn a_lost_position_is_told_apart_and_everything_can_be_listed_anew() {
    Bench::each_with_push(async |bench| {
        for number in 0..5 {
            bench.deliver(number);
        }
        let inbox = bench.folder(FolderRole::Inbox).await;
        let Changed {
            upserts: listed, state, ..
        } = bench.changes(&inbox, None).await;
        bench.exchange.reset_sync_state(ANNA);
        for lost in [state.as_str(), "no position at all"] {
            let error = bench.mailbox.changes(&inbox, Some(lost)).await.unwrap_err();
            assert_eq!(error.class, ErrorClass::StateLost, "{error:?}");
        }
        let Changed { upserts: again, state, .. } = bench.changes(&inbox, None).await;
        assert_eq!(again, listed, "by the same ids");
        // A server that has forgotten and does not say so lists everything again.
        let operation = bench.operation("SyncFolderItems", "graph/delta");
        bench
            .exchange
            .script(Fault::next(operation, 1, FaultKind::StaleSyncStateFullListing));
        let all = bench.changes(&inbox, Some(state)).await.upserts;
        assert_eq!(all, listed);
    })
    .await;
}

#[tokio::test]
async fn no_more_requests_run_at_once_than_servers_allow() {
    Bench::each_with_push(async |bench| {
        for number in 0..60 {
            bench.deliver(number);
        }
        let inbox = bench.folder(FolderRole::Inbox).await;
        let ids = bench.changes(&inbox, None).await.upserts;
        bench.exchange.clear_requests();
        let (first, rest) = ids.split_at(20);
        let (second, third) = rest.split_at(20);
        tokio::join!(bench.fetch(first), bench.fetch(second), bench.fetch(third));
        assert!(bench.exchange.peak_concurrency(ANNA) <= 4);
        let done = |status: Option<u16>| matches!(status, Some(200 | 201));
        assert!(bench.exchange.requests().iter().all(|request| done(request.status)));
    })
    .await;
}

#[tokio::test]
async fn a_shared_mailbox_opens_for_who_may() {
    Bench::each_with_push(async |bench| {
        let shared = "cases@corp.test";
        bench.exchange.add_mailbox(shared, "nobody", "no password");
        bench
            .exchange
            .deliver(shared, FolderKind::Inbox, message(1), Timestamp::from_seconds(1));
        let mailbox = open(&bench.exchange, bench.protocol, Some(shared), None);
        let error = mailbox.folders().await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Refused, "{error:?}");
        bench.exchange.grant(ANNA, shared);
        let folders = mailbox.folders().await.unwrap();
        assert_eq!(folders[0].total, Some(1));
        let unknown = open(&bench.exchange, bench.protocol, Some("nobody@corp.test"), None);
        let error = unknown.folders().await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Refused, "{error:?}");
    })
    .await;
}
