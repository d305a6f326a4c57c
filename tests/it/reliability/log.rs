//! The event log and the message stream against a model: whatever writers do, every reader sees what was committed, all of it, in order.

use std::{
    collections::{BTreeMap, HashSet},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::StreamExt;
use mailagent::testing::{
    app::{self, Environment},
    blobs,
    domain::{Contact, Detail, Direction, EventKind, Kind, Message, MessageFilter, MessageId, Result, topic},
    lifecycle::Lifecycle,
    ops::{
        Ops, archive, directory, sweep,
        watch::{Cursors, EARLIEST},
    },
    store::{NewBlob, NewMessage, SearchWords, retrying},
};
use tokio::time::{Instant, sleep, timeout};

use super::sample::{self, admin};
use crate::harness::{Engine, Harness, PATIENCE, TENANT};

/// Transactions of each writer.
const TRANSACTIONS: usize = 60;
/// Writers, and readers of each kind.
const EACH: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_what_was_committed_on_sqlite() {
    check(Engine::Sqlite, 11).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_what_was_committed_on_postgresql() {
    check(Engine::Postgres, 12).await;
}

/// What is known of the transactions: the ids of their events and messages.
#[derive(Default)]
struct Model {
    committed: Vec<Vec<String>>,
    rolled_back: Vec<Vec<String>>,
    /// Dropped in the middle: all or nothing.
    unknown: Vec<Vec<String>>,
}

impl Model {
    /// Notes how a transaction ended; `None`: it was dropped.
    fn note(&mut self, result: Option<Result<bool>>, never_commits: bool, ids: Vec<String>) {
        match result {
            Some(Ok(true)) => self.committed.push(ids),
            Some(Ok(false)) => self.rolled_back.push(ids),
            None if never_commits => self.rolled_back.push(ids),
            None => self.unknown.push(ids),
            Some(Err(error)) => panic!("a transaction failed: {error:?}"),
        }
    }
}

async fn check(engine: Engine, seed: u64) {
    println!("seed {seed}");
    let h = Harness::on(engine).await;
    sample::fill(h.ops()).await;
    // As many services with pools of their own on the one database.
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(replica(&h).await);
    }
    let model: Arc<Mutex<Model>> = Arc::default();
    let done = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..EACH)
        .map(|number| tokio::spawn(write(replicas[number % 3].clone(), number, seed, model.clone())))
        .collect();
    let event_readers: Vec<_> = (0..EACH)
        .map(|number| tokio::spawn(read_events(replicas[(number + 1) % 3].clone(), seed + number as u64, done.clone())))
        .collect();
    let message_readers: Vec<_> = (0..EACH)
        .map(|number| {
            tokio::spawn(read_messages(
                replicas[(number + 2) % 3].clone(),
                seed + number as u64,
                done.clone(),
            ))
        })
        .collect();
    for writer in writers {
        writer.await.expect("no writer panics");
    }
    // Links what waits to be linked, so before the readers come to their end.
    let messages: BTreeMap<MessageId, Message> = sample::archived(h.ops())
        .await
        .into_iter()
        .map(|one| (one.id.clone(), one))
        .collect();
    done.store(true, Ordering::SeqCst);

    let log = whole_log(h.ops()).await;
    check_model(&model.lock().expect("no writer panics"), &log, &messages);
    for reader in event_readers {
        let read = reader.await.expect("no reader panics");
        assert_eq!(read.events, log, "a reader of events");
        for (position, count) in read.bookmarks {
            let before = log.iter().filter(|(at, _)| *at <= position).count();
            assert_eq!(count, before, "a bookmark at {position} promised too much");
        }
    }
    let expected: BTreeMap<&MessageId, (i64, usize)> = messages.iter().map(|(id, one)| (id, (one.position, one.links.len()))).collect();
    for reader in message_readers {
        let read = reader.await.expect("no reader panics");
        assert_eq!(
            read.iter().map(|(id, state)| (id, *state)).collect::<BTreeMap<_, _>>(),
            expected,
            "a reader of messages"
        );
    }
    for ops in replicas {
        ops.store.close().await;
    }
}

async fn replica(h: &Harness) -> Ops {
    let environment = Environment {
        clock: h.clock.clone(),
        ..Environment::default()
    };
    app::build_ops(&h.config, environment, &Lifecycle::new())
        .await
        .expect("the database opens again")
}

/// Every event with its position, in order.
async fn whole_log(ops: &Ops) -> Vec<(i64, String)> {
    let mut log: Vec<(i64, String)> = Vec::new();
    let mut after = 0;
    loop {
        let page = ops
            .store
            .tenant(&TENANT.into())
            .events_after(after, topic::CHANGES.events, 100)
            .await;
        let page = page.expect("the log is read");
        log.extend(page.events.into_iter().map(|event| (event.position, event.id)));
        if page.read_to == after {
            return log;
        }
        after = page.read_to;
    }
}

fn check_model(model: &Model, log: &[(i64, String)], messages: &BTreeMap<MessageId, Message>) {
    let positions: BTreeMap<&str, i64> = log.iter().map(|(position, id)| (id.as_str(), *position)).collect();
    assert_eq!(positions.len(), log.len(), "an event is there twice");
    let present = |id: &String| positions.contains_key(id.as_str()) || messages.contains_key(&MessageId::from(id.as_str()));
    for ids in &model.committed {
        assert!(ids.iter().all(present), "committed, yet not there: {ids:?}");
        let events: Vec<i64> = ids.iter().filter_map(|id| positions.get(id.as_str()).copied()).collect();
        assert!(
            events.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "a transaction's events are not in a row: {events:?}"
        );
    }
    for ids in &model.rolled_back {
        assert!(!ids.iter().any(present), "rolled back, yet there: {ids:?}");
    }
    let mut known = model.committed.iter().flatten().count();
    let mut survived = 0;
    for ids in &model.unknown {
        let there = ids.iter().filter(|id| present(id)).count();
        assert!(there == 0 || there == ids.len(), "half of a transaction is there: {ids:?}");
        known += there;
        survived += usize::from(there > 0);
    }
    assert_eq!(log.len() + messages.len(), known, "there is more than was written");
    let all = model.committed.len() + model.rolled_back.len() + model.unknown.len();
    println!(
        "{all} transactions: {} committed, {} rolled back, {} dropped half-way, of which {survived} had committed",
        model.committed.len(),
        model.rolled_back.len(),
        model.unknown.len()
    );
    assert!(model.committed.len() * 4 > all, "the model is not fair");
}

/// Writes transactions with events, messages or both; some are rolled back, some dropped at any moment, some link older messages anew.
async fn write(ops: Ops, number: usize, seed: u64, model: Arc<Mutex<Model>>) {
    let mut chance = fastrand::Rng::with_seed(seed * 1000 + number as u64);
    for transaction in 0..TRANSACTIONS {
        let name = format!("w{number}-{transaction}");
        let events: Vec<(String, EventKind)> = (0..chance.usize(..4)).map(|_| (ops.ids.next(), event(&name))).collect();
        let least = usize::from(events.is_empty());
        let messages: Vec<NewMessage> = (0..chance.usize(least..4)).map(|index| message(&ops, &name, index)).collect();
        let ids: Vec<String> = events
            .iter()
            .map(|(id, _)| id.clone())
            .chain(messages.iter().map(|new| new.message.id.to_string()))
            .collect();
        let fate = chance.u8(..8);
        let pause = Duration::from_micros(chance.u64(..2000));
        let work = retrying(|| async {
            let mut writer = ops.store.begin(&TENANT.into()).await?;
            if fate.is_multiple_of(2) {
                writer.lock_tenant().await?;
            }
            writer.insert_messages(messages.clone()).await?;
            sleep(pause).await;
            writer.append_events(events.clone(), ops.now()).await?;
            if fate == 0 {
                return Ok(false);
            }
            writer.commit().await?;
            Ok(true)
        });
        let result: Option<Result<bool>> = if fate <= 2 {
            timeout(Duration::from_micros(chance.u64(..12_000)), work).await.ok()
        } else {
            Some(work.await)
        };
        model.lock().expect("no writer panics").note(result, fate == 0, ids);
        if chance.u8(..5) == 0 {
            // The messages of an earlier transaction find their customer: they go through the stream again.
            let earlier = format!("w{number}-{}", chance.usize(..=transaction));
            let contact = Contact {
                id: earlier.as_str().into(),
                customer: "oak".into(),
                display_name: String::new(),
                addresses: vec![format!("{earlier}@outside.example")],
                revision: 1,
                created_by_service: false,
            };
            let linked = directory::upsert_contacts(&ops, &admin(), vec![contact]).await;
            linked.expect("the contact is written");
        }
    }
}

fn event(name: &str) -> EventKind {
    EventKind::ContactCreated(Contact {
        id: name.into(),
        customer: "oak".into(),
        display_name: String::new(),
        addresses: Vec::new(),
        revision: Contact::UNREVISED,
        created_by_service: true,
    })
}

/// A message of an address that nobody is known for, the same for all messages of a transaction.
fn message(ops: &Ops, name: &str, index: usize) -> NewMessage {
    let id = ops.ids.next();
    let packed = blobs::pack(format!("{name} {index}").as_bytes());
    let mut identity = [0; 32];
    identity[..26].copy_from_slice(id.as_bytes());
    let now = ops.now();
    NewMessage {
        message: Message {
            id: id.into(),
            position: 0,
            message_id: format!("{name}.{index}@outside.example"),
            direction: Direction::Incoming,
            subject: name.to_owned(),
            from: None,
            to: Vec::new(),
            cc: Vec::new(),
            preview: String::new(),
            links: Vec::new(),
            agents: Vec::new(),
            sent: now,
            received: now,
            archived: now,
            size: 1,
            stored_size: 1,
            hash: packed.hash.to_vec(),
            attachment_count: 0,
            automatic: None,
        },
        identity,
        parties: vec![format!("{name}@outside.example")],
        words: SearchWords::default(),
        blob: NewBlob {
            hash: packed.hash,
            size: 1,
            stored_size: 1,
            data: Some(packed.data.into()),
        },
    }
}

/// What a reader of events saw over all its reads.
#[derive(Default)]
struct Read {
    events: Vec<(i64, String)>,
    /// Bookmarks, with the number of events seen before each.
    bookmarks: Vec<(i64, usize)>,
}

/// Whether a reader has come to the end of a log that no longer grows.
async fn at_end(ops: &Ops, done: &AtomicBool, position: i64) -> bool {
    // Asked before the log, which must not grow in between.
    let done = done.load(Ordering::SeqCst);
    let (last, _) = ops.store.tenant(&TENANT.into()).log_bounds().await.expect("the counter is read");
    assert!(position <= last, "position {position} is ahead of what is committed, {last}");
    done && position == last
}

async fn read_events(ops: Ops, seed: u64, done: Arc<AtomicBool>) -> Read {
    let mut chance = fastrand::Rng::with_seed(seed);
    let cursors = Cursors::new(&ops, &topic::CHANGES, &TENANT.into());
    let mut cursor = EARLIEST.to_owned();
    let mut read = Read::default();
    let mut position = 0;
    let began = Instant::now();
    while !at_end(&ops, &done, position).await {
        assert!(began.elapsed() < 4 * PATIENCE, "a reader does not come to the end");
        let stream = sweep::watch_changes(&ops, &admin(), cursors.clone(), &cursor)
            .await
            .expect("the cursor is good");
        let mut stream = pin!(stream);
        for _ in 0..chance.usize(1..25) {
            let patience = Duration::from_millis(chance.u64(1..400));
            // Giving up in the middle is one way to break off.
            let Ok(followed) = timeout(patience, stream.next()).await else {
                break;
            };
            let followed = followed.expect("it does not end").expect("it goes on");
            match followed.entry {
                Some(change) => {
                    assert!(followed.position > position, "{} comes again", followed.position);
                    read.events.push((followed.position, change.event_id));
                }
                None => {
                    assert!(followed.position >= position, "a bookmark goes back");
                    read.bookmarks.push((followed.position, read.events.len()));
                }
            }
            position = followed.position;
            cursor = cursors.seal(position);
        }
    }
    read
}

/// Reads messages, and returns position and number of links of each as it was seen last.
async fn read_messages(ops: Ops, seed: u64, done: Arc<AtomicBool>) -> BTreeMap<MessageId, (i64, usize)> {
    let mut chance = fastrand::Rng::with_seed(seed);
    let cursors = Cursors::new(&ops, &topic::MESSAGES, &TENANT.into());
    let mut cursor = EARLIEST.to_owned();
    let mut seen = BTreeMap::new();
    let mut position = 0;
    let began = Instant::now();
    while !at_end(&ops, &done, position).await {
        assert!(began.elapsed() < 4 * PATIENCE, "a reader does not come to the end");
        let stream = archive::stream(&ops, &admin(), &cursors, &cursor, MessageFilter::default()).await;
        let mut stream = pin!(stream.expect("the cursor is good"));
        let mut once = HashSet::new();
        for _ in 0..chance.usize(1..25) {
            let patience = Duration::from_millis(chance.u64(1..400));
            let Ok(followed) = timeout(patience, stream.next()).await else {
                break;
            };
            let followed = followed.expect("it does not end").expect("it goes on");
            if let Some(message) = followed.entry {
                assert!(followed.position > position, "{} comes again", followed.position);
                assert!(once.insert((message.id.clone(), message.position)), "twice in one read");
                seen.insert(message.id, (message.position, message.links.len()));
            }
            assert!(followed.position >= position, "a position goes back");
            position = followed.position;
            cursor = cursors.seal(position);
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pruned_log_refuses_older_cursors_and_skips_nothing() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        println!("on {engine:?}");
        check_pruning(&Harness::on(engine).await).await;
    }
}

async fn check_pruning(h: &Harness) {
    let ops = h.ops();
    let append = async |count: usize| {
        let events = (0..count).map(|_| (ops.ids.next(), event("pruned"))).collect();
        let mut writer = ops.store.begin(&TENANT.into()).await.expect("a transaction begins");
        writer.append_events(events, ops.now()).await.expect("events are appended");
        writer.commit().await.expect("it commits");
    };
    append(600).await;
    let cursors = Cursors::new(ops, &topic::CHANGES, &TENANT.into());
    let admin = admin();

    let slow = sweep::watch_changes(ops, &admin, cursors.clone(), EARLIEST).await;
    let mut slow = Box::pin(slow.expect("the log is there"));
    let mut delivered = Vec::new();
    while delivered.len() < 10 {
        let followed = slow.next().await.expect("it goes on").expect("it goes on");
        delivered.extend(followed.entry.map(|_| followed.position));
    }
    h.clock.advance(Duration::from_hours(1));
    append(50).await;
    let limit = ops.now().before(Duration::from_mins(30));
    assert_eq!(ops.store.prune_events(limit).await.expect("the log is pruned"), 600);
    assert_eq!(
        ops.store.prune_events(limit).await.expect("the log is pruned"),
        0,
        "there is nothing left to prune"
    );

    let expired = loop {
        match timeout(PATIENCE, slow.next())
            .await
            .expect("it is not silent")
            .expect("it does not just end")
        {
            Ok(followed) => delivered.extend(followed.entry.map(|_| followed.position)),
            Err(error) => break error,
        }
    };
    assert_eq!(expired.kind, Kind::OutOfRange, "{expired:?}");
    assert!(
        delivered.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "nothing is skipped before the end: {delivered:?}"
    );
    assert!(delivered.len() < 600, "the reader was no slow one");

    let before = cursors.seal(599);
    let refused = sweep::watch_changes(ops, &admin, cursors.clone(), &before).await;
    let refused = refused.err().expect("599 is before what is kept");
    assert_eq!(refused.kind, Kind::OutOfRange, "{refused:?}");
    let oldest = refused.detail(Detail::OldestCursor).expect("it says where to go on");
    for cursor in [oldest, EARLIEST, &cursors.seal(600)] {
        let stream = sweep::watch_changes(ops, &admin, cursors.clone(), cursor).await;
        let positions = stream.expect("this is kept").filter_map(async |followed| {
            let followed = followed.expect("it goes on");
            followed.entry.map(|_| followed.position)
        });
        let positions: Vec<i64> = timeout(PATIENCE, positions.take(50).collect()).await.expect("50 events come");
        assert_eq!(positions, (601..=650).collect::<Vec<_>>());
    }
}
