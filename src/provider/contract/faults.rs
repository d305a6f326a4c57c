//! What faults of a server are taken for.

use std::{sync::Arc, time::Duration};

use mailagent_sim::exchange::{Fault, FaultKind, FolderKind};

use super::{ANNA, Bench, LIMIT, by_anna};
use crate::{
    domain::Timestamp,
    net::ErrorClass,
    provider::{ExchangeProtocol, Fetched, FolderRole},
};

#[tokio::test]
async fn a_message_that_always_fails_is_broken_in_the_end() {
    for (status, code) in [
        (500, "ErrorInternalServerError"),
        (400, "ErrorNobodyKnows"),
        (500, "ErrorNotEnoughMemory"),
    ] {
        broken_in_the_end(status, code).await;
    }
}

async fn broken_in_the_end(status: u16, code: &'static str) {
    Bench::each(async |bench| {
        bench.deliver(1);
        let inbox = bench.folder(FolderRole::Inbox).await;
        let ids = bench.changes(&inbox, None).await.upserts;
        let kind = match bench.protocol {
            ExchangeProtocol::Ews => FaultKind::ItemError(code),
            ExchangeProtocol::Graph => FaultKind::Graph {
                status,
                code,
                retry_after: None,
            },
        };
        bench
            .exchange
            .script(Fault::next(bench.operation("GetItem", "graph/value"), 1000, kind));
        let mut passing = 0;
        let broken = loop {
            match bench.mailbox.fetch(&ids, LIMIT).await {
                Ok(fetched) => break fetched,
                Err(error) => {
                    assert!(matches!(error.class, ErrorClass::Retry { .. }), "{error:?}");
                    passing += 1;
                }
            }
        };
        assert_eq!(passing, 4);
        let Fetched::Broken { server_reply, .. } = &broken[0] else {
            panic!("{broken:?}")
        };
        assert!(server_reply.contains(code), "{server_reply}");
        // For good, and one only.
        bench.exchange.clear_script();
        assert!(matches!(bench.fetch(&ids).await[0], Fetched::Message { .. }));
    })
    .await;
}

/// Success, and not the message: it is asked for again, and is broken when that does not help.
#[tokio::test]
async fn content_that_is_not_whole_is_no_message() {
    Bench::each(async |bench| {
        let raw = "Message-ID: <whole@oak.test>\r\nSubject: Whole\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nText\r\n\
                   --b--\r\n";
        bench
            .exchange
            .deliver(ANNA, FolderKind::Inbox, raw.as_bytes().to_vec(), Timestamp::from_seconds(1000));
        bench.deliver(1);
        let inbox = bench.folder(FolderRole::Inbox).await;
        let ids = bench.changes(&inbox, None).await.upserts;
        let operation = bench.operation("GetItem", "graph/value");
        for most in [0, 20, 60, raw.len() - 6] {
            bench.exchange.script(Fault::next(operation, 1000, FaultKind::CutContent(most)));
            let mut passing = 0;
            let fetched = loop {
                match bench.mailbox.fetch(&ids, LIMIT).await {
                    Ok(fetched) => break fetched,
                    Err(error) => {
                        assert!(matches!(error.class, ErrorClass::Retry { .. }), "{error:?}");
                        assert!(error.problem.contains("not the message it lists"), "{error:?}");
                        passing += 1;
                    }
                }
            };
            assert!(passing >= 4, "{most}: {passing}");
            let broken = fetched.iter().find_map(|one| match one {
                Fetched::Broken { server_reply, listed } if listed.subject == "Whole" => Some((server_reply, &listed.message_id)),
                _ => None,
            });
            let (server_reply, message_id) = broken.unwrap_or_else(|| panic!("{most}: {fetched:?}"));
            assert!(
                server_reply.starts_with(if most == 0 { "The" } else { "The content" }),
                "{server_reply}"
            );
            assert_eq!(message_id, "<whole@oak.test>");
            bench.exchange.clear_script();
        }
        bench.exchange.script(Fault::next(operation, 1, FaultKind::CutContent(60)));
        let fetched = match bench.mailbox.fetch(&ids, LIMIT).await {
            Ok(fetched) => fetched,
            Err(_) => bench.fetch(&ids).await,
        };
        assert!(fetched.iter().all(|one| matches!(one, Fetched::Message { .. })), "{fetched:?}");
    })
    .await;
}

#[tokio::test]
async fn a_message_that_is_denied_stops_no_other() {
    Bench::each_with_push(async |bench| {
        for number in 0..3 {
            bench.deliver(number);
        }
        let inbox = bench.folder(FolderRole::Inbox).await;
        let ids = bench.changes(&inbox, None).await.upserts;
        let (operation, kind) = match bench.protocol {
            ExchangeProtocol::Ews => ("GetItem", FaultKind::HalfFailedBatch("ErrorAccessDenied")),
            ExchangeProtocol::Graph => (
                "graph/value",
                FaultKind::Graph {
                    status: 403,
                    code: "ErrorAccessDenied",
                    retry_after: None,
                },
            ),
        };
        bench.exchange.script(Fault::next(operation, 1, kind));
        let fetched = bench.fetch(&ids).await;
        let broken = fetched.iter().filter(|one| matches!(one, Fetched::Broken { .. })).count();
        let whole = fetched.iter().filter(|one| matches!(one, Fetched::Message { .. })).count();
        assert!(broken > 0 && whole > 0 && broken + whole == 3, "{fetched:?}");
        // Where the whole mailbox is closed, nothing is broken.
        let kind = match bench.protocol {
            ExchangeProtocol::Ews => FaultKind::ItemError("ErrorAccessDenied"),
            ExchangeProtocol::Graph => FaultKind::Graph {
                status: 403,
                code: "ErrorAccessDenied",
                retry_after: None,
            },
        };
        bench.exchange.script(Fault::next("*", 1000, kind));
        let error = bench.mailbox.fetch(&ids, LIMIT).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Refused, "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn faults_have_their_classes_and_pass() {
    let pause = Duration::from_secs(7);
    let later = |after| ErrorClass::Retry { after };
    Bench::each_with_push(async |bench| {
        bench.deliver(1);
        let inbox = bench.folder(FolderRole::Inbox).await;
        let http = |status, retry_after| FaultKind::Http { status, retry_after };
        let mut faults = vec![
            (http(503, Some(pause)), later(Some(pause))),
            (http(503, None), later(None)),
            (http(429, Some(pause)), later(Some(pause))),
            (http(429, None), later(None)),
            (http(502, None), later(None)),
            (http(403, None), ErrorClass::Refused),
            (http(302, None), ErrorClass::Unreachable),
            (FaultKind::DropBeforeAnswer, ErrorClass::Unreachable),
            (FaultKind::TruncateBody, ErrorClass::Unreachable),
            (FaultKind::WrongContentLength, ErrorClass::Unreachable),
            (FaultKind::Slow(Duration::from_secs(5)), ErrorClass::Unreachable),
            (FaultKind::Garbage, ErrorClass::Malformed),
            (FaultKind::Html, ErrorClass::Unreachable),
        ];
        match bench.protocol {
            ExchangeProtocol::Ews => faults.extend([
                (FaultKind::SoapFaultBusy { backoff: Some(pause) }, later(Some(pause))),
                (FaultKind::MessageBusy { backoff: Some(pause) }, later(Some(pause))),
            ]),
            ExchangeProtocol::Graph => {
                let graph = |status, code| FaultKind::Graph {
                    status,
                    code,
                    retry_after: None,
                };
                faults.extend([
                    (graph(429, "ApplicationThrottled"), later(None)),
                    (graph(404, "MailboxNotEnabledForRESTAPI"), ErrorClass::Refused),
                    (graph(410, "resyncRequired"), ErrorClass::StateLost),
                    (graph(400, "SyncStateNotFound"), ErrorClass::StateLost),
                ]);
            }
        }
        let operation = bench.operation("SyncFolderItems", "graph/delta");
        for (kind, class) in faults {
            // Idle connections may be replaced once, so more than one request may fail.
            let count = if kind == FaultKind::DropBeforeAnswer { 2 } else { 1 };
            bench.exchange.script(Fault::next(operation, count, kind.clone()));
            let error = bench.mailbox.changes(&inbox, None).await.unwrap_err();
            assert_eq!(error.class, class, "{kind:?}: {error:?}");
            assert!(!error.problem.is_empty() && !error.problem.contains('{'), "{error:?}");
            bench.exchange.clear_script();
            bench.changes(&inbox, None).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once() {
    Bench::each_with_push(async |bench| {
        bench.exchange.set_tokens(Some(Arc::new(|token| by_anna(token, false))));
        assert_eq!(bench.mailbox.folders().await.unwrap().len(), 3);
        bench.exchange.set_tokens(Some(Arc::new(|_| None)));
        let error = bench.mailbox.folders().await.unwrap_err();
        assert_eq!(error.class, ErrorClass::LoginRequired, "{error:?}");
    })
    .await;
}
