//! Trouble at the mail server: each mailbox gets over its own, politely, and delays no other.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mailagent::testing::domain::Clock;
use mailagent_sim::exchange::{Exchange, Fault, FaultKind, FolderKind};
use tokio::{task::AbortHandle, time::sleep};

use super::sample::{self, Sample};
use crate::harness::{Harness, PATIENCE, TestClock, eventually};

/// The pause that a busy server asks for. Less than the longest that the tests' service makes.
const ASKED: Duration = Duration::from_millis(150);

/// What goes wrong, by the local part of the mailbox where it does.
fn troubles() -> Vec<(&'static str, Vec<Fault>)> {
    use FaultKind::*;
    let backoff = Some(ASKED);
    let next = Fault::next;
    vec![
        ("healthy", vec![]),
        ("busy-fault", vec![next("GetItem", 3, SoapFaultBusy { backoff })]),
        ("busy-message", vec![next("GetItem", 3, MessageBusy { backoff })]),
        (
            "busy-http",
            vec![next(
                "SyncFolderItems",
                3,
                Http {
                    status: 503,
                    retry_after: Some(Duration::from_secs(1)),
                },
            )],
        ),
        (
            "too-many",
            vec![next(
                "GetItem",
                3,
                Http {
                    status: 429,
                    retry_after: None,
                },
            )],
        ),
        ("dropped", vec![next("GetItem", 4, DropBeforeAnswer)]),
        ("dropped-late", vec![next("SyncFolderItems", 3, DropAfterWrite)]),
        (
            "truncated",
            vec![next("GetItem", 4, TruncateBody), next("SyncFolderItems", 2, TruncateBody)],
        ),
        ("wrong-length", vec![next("GetItem", 4, WrongContentLength)]),
        ("half-busy", vec![next("GetItem", 4, HalfFailedBatch("ErrorServerBusy"))]),
        (
            "half-passing",
            vec![next("GetItem", 4, HalfFailedBatch("ErrorInternalServerTransientError"))],
        ),
        ("garbage", vec![next("SyncFolderItems", 2, Garbage), next("GetItem", 2, Garbage)]),
        ("web-page", vec![next("GetFolder", 2, Html), next("GetItem", 2, Html)]),
        ("stream-cut-inside", vec![next("GetStreamingEvents", 3, StreamCutInsideEnvelope)]),
        ("stream-cut-between", vec![next("GetStreamingEvents", 3, StreamCutBetween)]),
        ("stream-silent", vec![next("GetStreamingEvents", 3, StreamSilent)]),
        (
            "lists-again",
            vec![
                Fault::nth("SyncFolderItems", 3, StaleSyncStateFullListing),
                Fault::nth("SyncFolderItems", 5, StaleSyncStateFullListing),
            ],
        ),
        (
            "forgets",
            vec![
                Fault::nth("SyncFolderItems", 3, InvalidSyncState),
                Fault::nth("SyncFolderItems", 6, InvalidSyncState),
            ],
        ),
        ("slow", vec![next("*", 4, Slow(Duration::from_secs(2)))]),
        (
            "unlucky",
            vec![
                Fault::sometimes("*", 0.2, DropBeforeAnswer),
                Fault::sometimes("*", 0.1, TruncateBody),
            ],
        ),
    ]
}

/// Moves the test's clock as time passes, since pauses end by it.
struct Ticking(AbortHandle);

impl Ticking {
    fn start(clock: &Arc<TestClock>) -> Self {
        let clock = clock.clone();
        let ticking = tokio::spawn(async move {
            loop {
                let began = Instant::now();
                sleep(Duration::from_millis(10)).await;
                clock.advance(began.elapsed());
            }
        });
        Self(ticking.abort_handle())
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn deliver(h: &Harness, address: &str, samples: &[Sample]) {
    for sample in samples {
        h.exchange.deliver(address, FolderKind::Inbox, sample.raw.clone(), h.clock.now());
    }
}

async fn handled(h: &Harness, address: &str, patience: Duration) {
    let done = async || match sample::missing(h.ops(), &h.exchange, address).await {
        0 => Ok(()),
        missing => Err(missing),
    };
    eventually(patience, &format!("{address} is read to its end"), done).await;
}

/// Requests about a mailbox so far.
fn requests(exchange: &Exchange, address: &str) -> usize {
    exchange
        .requests()
        .iter()
        .filter(|request| request.mailbox.as_deref() == Some(address))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mailbox_gets_over_its_own_trouble() {
    let h = Harness::new().await;
    let _ticking = Ticking::start(&h.clock);
    sample::fill(h.ops()).await;
    let troubles = troubles();
    let mut all = Vec::new();
    let mut mailboxes = Vec::new();
    for (number, (name, faults)) in troubles.into_iter().enumerate() {
        let address = format!("{name}@example.com");
        let seed = 31 + number as u64;
        let samples = sample::samples(45, name, seed);
        h.exchange.add_mailbox(&address, &address, "password");
        deliver(&h, &address, &samples[..30]);
        let troubled = !faults.is_empty();
        for fault in faults {
            h.exchange.script(fault.in_mailbox(&address));
        }
        sample::create_agent(h.ops(), &h.exchange, &address).await;
        all.extend(samples.clone());
        mailboxes.push((address, samples, troubled));
    }
    // The healthy one is done while the slow one still waits for its first answers.
    handled(&h, &mailboxes[0].0, PATIENCE).await;
    assert!(
        sample::missing(h.ops(), &h.exchange, "slow@example.com").await > 0,
        "the slow one was not slow"
    );
    for (address, ..) in &mailboxes {
        handled(&h, address, PATIENCE).await;
    }
    for portion in [30..35, 35..45] {
        for (address, samples, _) in &mailboxes {
            deliver(&h, address, &samples[portion.clone()]);
        }
        for (address, ..) in &mailboxes {
            handled(&h, address, PATIENCE).await;
        }
    }
    h.exchange.clear_script();
    sample::check_end_state(h.ops(), &all, &[], true).await;

    let log = h.exchange.requests();
    let usual = requests(&h.exchange, &mailboxes[0].0);
    for (address, _, troubled) in &mailboxes {
        let struck = log
            .iter()
            .filter(|request| request.faulty && request.mailbox.as_ref() == Some(address))
            .count();
        assert_eq!(struck > 0, *troubled, "{address}: {struck} faults struck");
        let count = requests(&h.exchange, address);
        println!(
            "{address}: {struck} faults, {count} requests, {} at once",
            h.exchange.peak_concurrency(address)
        );
        assert!(count <= 2 * usual + 60, "{address}: {count} requests, where {usual} are usual");
        assert!(h.exchange.peak_concurrency(address) <= 4, "{address}: too many requests at once");
    }
    for address in ["busy-fault@example.com", "busy-message@example.com"] {
        let of_mailbox = || log.iter().filter(|request| request.mailbox.as_deref() == Some(address));
        // The first thirty messages take three requests at once: one of them may still set out when another is told to wait.
        let busy = of_mailbox().filter(|request| request.faulty).map(|request| request.end).max();
        let busy = busy.expect("it was busy");
        let next = of_mailbox()
            .filter(|request| request.begin > busy + ASKED / 4)
            .map(|request| request.begin)
            .min();
        let pause = next.expect("it went on").checked_sub(busy).unwrap();
        assert!(
            pause >= ASKED.checked_sub(Duration::from_millis(50)).unwrap(),
            "{address} asked for a pause, and then came a request after {pause:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_the_server_never_gives_out_block_no_others() {
    let h = Harness::new().await;
    let _ticking = Ticking::start(&h.clock);
    sample::fill(h.ops()).await;
    let address = "broken@example.com";
    let samples = sample::samples(40, "broken", 51);
    h.exchange.add_mailbox(address, address, "password");
    deliver(&h, address, &samples);
    // A fault that mostly passes, so it is asked for again, but here it stays.
    h.exchange.script(Fault::sometimes(
        "GetItem",
        1.0,
        FaultKind::HalfFailedBatch("ErrorInternalServerError"),
    ));
    sample::create_agent(h.ops(), &h.exchange, address).await;
    handled(&h, address, PATIENCE).await;
    let outcomes = sample::outcomes(h.ops()).await;
    // One that was set aside is tried again when its page is listed again, and may then be handled beside.
    let sources: std::collections::HashSet<&str> = outcomes.iter().map(|outcome| outcome.source_id.as_str()).collect();
    assert_eq!(sources.len(), 40);
    let set_aside = outcomes.iter().filter(|outcome| outcome.result.is_set_aside()).count();
    assert!((10..=30).contains(&set_aside), "{set_aside} are set aside");
}

/// A server that is broken for good is asked at a bearable pace, whatever the break.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_gets_on_is_not_hammered() {
    for kind in [FaultKind::InvalidSyncState, FaultKind::StaleSyncStateFullListing] {
        println!("{kind:?}");
        let h = Harness::new().await;
        let _ticking = Ticking::start(&h.clock);
        sample::fill(h.ops()).await;
        let address = "stuck@example.com";
        // More than a page.
        let samples = sample::samples(700, "stuck", 52);
        h.exchange.add_mailbox(address, address, "password");
        deliver(&h, address, &samples);
        h.exchange.script(Fault::sometimes("SyncFolderItems", 1.0, kind));
        sample::create_agent(h.ops(), &h.exchange, address).await;
        let begun = async || match sample::outcomes(h.ops()).await.len() {
            count if count >= 500 => Ok(()),
            count => Err(count),
        };
        eventually(PATIENCE, "its first page is read", begun).await;
        sleep(Duration::from_secs(1)).await;
        let before = h.exchange.count("SyncFolderItems");
        sleep(Duration::from_secs(2)).await;
        let count = h.exchange.count("SyncFolderItems") - before;
        println!("{count} listings in two seconds");
        // The pauses of the tests' service last 200 ms, and at most five listings come between two: another folder tells whose fault it is.
        assert!(count <= 60, "{count} listings in two seconds");
        // It is right again by itself as soon as the server is.
        h.exchange.clear_script();
        handled(&h, address, PATIENCE).await;
        sample::check_end_state(h.ops(), &samples, &[], true).await;
    }
}
