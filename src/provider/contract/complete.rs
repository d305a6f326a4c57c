//! After any fault at any operation, the mailbox is read completely in the end: nothing is lost, nothing comes twice, and what is wrong with
//! one message stops no other.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use mailagent_sim::exchange::{Fault, FaultKind, FolderKind};

use super::{ANNA, Bench, LIMIT};
use crate::{
    net::{ErrorClass, ProviderError},
    provider::{ExchangeProtocol, Fetched, Folder, FolderRole, ItemId},
};

/// Faults in a row that no fault here explains.
const TRIES: usize = 12;

/// What a fault leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaves {
    /// Nothing: everything comes whole.
    Nothing,
    /// Messages that the server does not return; the others are complete.
    Broken,
}

/// Everything that may go wrong, and what it leaves behind.
fn faults(protocol: ExchangeProtocol) -> Vec<(FaultKind, Leaves)> {
    let http = |status| FaultKind::Http { status, retry_after: None };
    let mut faults: Vec<(FaultKind, Leaves)> = [
        http(401),
        http(429),
        http(500),
        http(502),
        http(503),
        FaultKind::DropBeforeAnswer,
        FaultKind::DropAfterWrite,
        FaultKind::TruncateBody,
        FaultKind::WrongContentLength,
        FaultKind::Slow(Duration::from_millis(50)),
        FaultKind::Garbage,
        FaultKind::Html,
        FaultKind::StaleSyncStateFullListing,
        FaultKind::InvalidSyncState,
    ]
    .map(|kind| (kind, Leaves::Nothing))
    .to_vec();
    match protocol {
        ExchangeProtocol::Ews => faults.extend([
            (FaultKind::SoapFaultBusy { backoff: None }, Leaves::Nothing),
            (FaultKind::MessageBusy { backoff: None }, Leaves::Nothing),
            (FaultKind::SoapFault("ErrorInternalServerTransientError"), Leaves::Nothing),
            (FaultKind::SoapFault("ErrorMailboxStoreUnavailable"), Leaves::Nothing),
            (FaultKind::HalfFailedBatch("ErrorServerBusy"), Leaves::Nothing),
            (FaultKind::ItemError("ErrorMailboxStoreUnavailable"), Leaves::Nothing),
            (FaultKind::HalfFailedBatch("ErrorItemCorrupt"), Leaves::Broken),
            (FaultKind::StreamCutInsideEnvelope, Leaves::Nothing),
            (FaultKind::StreamCutBetween, Leaves::Nothing),
            (FaultKind::StreamSilent, Leaves::Nothing),
        ]),
        ExchangeProtocol::Graph => {
            let graph = |status, code| FaultKind::Graph {
                status,
                code,
                retry_after: None,
            };
            faults.extend([
                (graph(429, "ApplicationThrottled"), Leaves::Nothing),
                (graph(503, "ServiceUnavailable"), Leaves::Nothing),
                (graph(500, "ErrorInternalServerError"), Leaves::Nothing),
                (graph(404, "MailboxInfoStale"), Leaves::Nothing),
                (graph(500, "ErrorItemCorrupt"), Leaves::Broken),
            ]);
        }
    }
    faults
}

/// The operations by which a mailbox is read; the last ones only with push.
fn operations(protocol: ExchangeProtocol) -> &'static [&'static str] {
    match protocol {
        ExchangeProtocol::Ews => &["FindFolder", "SyncFolderItems", "GetItem", "Subscribe", "GetStreamingEvents"],
        ExchangeProtocol::Graph => &["graph/folders", "graph/delta", "graph/value", "graph/post subscription"],
    }
}

/// Faults that do not apply to an operation.
fn applies(operation: &str, kind: &FaultKind) -> bool {
    let listing = matches!(operation, "SyncFolderItems" | "graph/delta");
    let fetching = matches!(operation, "GetItem" | "graph/value");
    match kind {
        FaultKind::StaleSyncStateFullListing | FaultKind::InvalidSyncState => listing,
        FaultKind::StreamCutInsideEnvelope | FaultKind::StreamCutBetween | FaultKind::StreamSilent => operation == "GetStreamingEvents",
        FaultKind::HalfFailedBatch(_) | FaultKind::ItemError(_) => fetching,
        FaultKind::Graph {
            code: "ErrorItemCorrupt", ..
        } => fetching,
        _ => true,
    }
}

/// Reads a folder as the service does: what a page brought is handled before the next one is asked for, and what is known is left out.
#[derive(Default)]
struct Reader {
    state: Option<String>,
    /// By id: the message, or what is known instead of it.
    handled: BTreeMap<ItemId, String>,
}

impl Reader {
    /// One attempt to read all that is there.
    async fn read(&mut self, bench: &Bench) -> Result<(), ProviderError> {
        let folders = bench.mailbox.folders().await?;
        let inbox: &Folder = folders.iter().find(|folder| folder.role == FolderRole::Inbox).unwrap();
        loop {
            let page = bench.mailbox.changes(inbox, self.state.as_deref()).await?;
            let new: Vec<ItemId> = page.upserts.into_iter().filter(|id| !self.handled.contains_key(id)).collect();
            let fetched = bench.mailbox.fetch(&new, LIMIT).await?;
            for (id, fetched) in new.into_iter().zip(fetched) {
                let outcome = match fetched {
                    Fetched::Message { raw, .. } => String::from_utf8_lossy(&raw).into_owned(),
                    other => format!("{other:?}"),
                };
                self.handled.insert(id, outcome);
            }
            self.state = Some(page.state);
            if page.last {
                return Ok(());
            }
        }
    }

    /// Tries until it succeeds.
    async fn read_in_the_end(&mut self, bench: &Bench, what: &str) {
        for _ in 0..TRIES {
            match self.read(bench).await {
                Ok(()) => return,
                Err(error) if error.class == ErrorClass::StateLost => self.state = None,
                // A person would have to act, and nobody would try again.
                Err(error) => assert!(
                    !matches!(error.class, ErrorClass::LoginRequired | ErrorClass::Refused | ErrorClass::TooLarge),
                    "{what}: {error:?}"
                ),
            }
        }
        panic!("{what}: it is not read in the end");
    }

    /// Messages by their Message-IDs, each once, and how many did not come whole.
    fn judge(&self, what: &str) -> (BTreeSet<String>, usize) {
        let mut seen = BTreeSet::new();
        let mut broken = 0;
        for outcome in self.handled.values() {
            let id = outcome.split("Message-ID: <").nth(1).and_then(|rest| rest.split('>').next());
            match id {
                Some(id) => assert!(seen.insert(id.to_owned()), "{what}: {id} came twice"),
                None => {
                    assert!(outcome.starts_with("Broken"), "{what}: {outcome}");
                    broken += 1;
                }
            }
        }
        (seen, broken)
    }
}

#[tokio::test]
async fn all_is_read_in_the_end_whatever_goes_wrong_wherever() {
    Bench::each_with_push(async |bench| {
        let (mut reader, mut number) = (Reader::default(), 0);
        let mut expected = BTreeSet::new();
        let mut broken = 0;
        let mut deliver = |expected: &mut BTreeSet<String>| {
            number += 1;
            expected.insert(format!("{number}@oak.test"));
            bench.deliver(number)
        };
        for operation in operations(bench.protocol) {
            let by_push = matches!(*operation, "Subscribe" | "GetStreamingEvents" | "graph/post subscription");
            if by_push && bench.waiting.is_none() {
                continue;
            }
            for (kind, leaves) in faults(bench.protocol).into_iter().filter(|(kind, _)| applies(operation, kind)) {
                let what = format!("{operation}, {kind:?}");
                // Some that are known, new ones, and one that goes away again.
                let gone = deliver(&mut expected);
                for _ in 0..4 {
                    deliver(&mut expected);
                }
                reader.read_in_the_end(bench, &what).await;
                assert!(bench.exchange.delete_item(ANNA, &gone));
                for _ in 0..4 {
                    deliver(&mut expected);
                }
                bench.exchange.clear_requests();
                // An idle connection may be replaced once, which a fault that cuts it must outlast.
                let times = if kind == FaultKind::DropBeforeAnswer { 2 } else { 1 };
                bench.exchange.script(Fault::next(operation, times, kind));
                if by_push {
                    bench.exchange.forget_subscriptions(ANNA);
                }
                reader.read_in_the_end(bench, &what).await;
                if !by_push {
                    let struck = bench.exchange.requests().iter().any(|request| request.faulty);
                    assert!(struck, "{what}: the fault strikes");
                }
                bench.exchange.clear_script();
                reader.read_in_the_end(bench, &what).await;
                let (seen, broken_now) = reader.judge(&what);
                let missing = expected.difference(&seen).count();
                match leaves {
                    Leaves::Nothing => assert_eq!(broken_now, broken, "{what}"),
                    Leaves::Broken => assert!(broken_now > broken && broken_now < broken + 4, "{what}: {broken_now}"),
                }
                broken = broken_now;
                assert_eq!(missing, broken, "{what}: all others are there");
            }
        }
        assert_eq!(bench.exchange.items(ANNA, FolderKind::Sent).len(), 0);
    })
    .await;
}
