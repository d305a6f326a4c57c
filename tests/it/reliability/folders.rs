//! Folders of a mailbox that take long, that cannot be read, or that are others than before: none of them keeps the rest waiting.

use std::{collections::BTreeMap, time::Duration};

use futures::TryStreamExt;
use mailagent::testing::{
    domain::{AgentHealth, AgentId, AgentKind, Clock, HealthState, OutcomeResult},
    ops::{
        mailbox::completeness::{self, FolderReport, Found},
        sweep,
    },
};
use mailagent_sim::{
    MimeMode,
    exchange::{Fault, FaultKind, FolderKind, Raw},
};
use sea_orm::ConnectionTrait;

use super::sample::{self, admin};
use crate::{
    harness::{Engine, Harness, PATIENCE, TENANT, eventually},
    login::{ANNA, Place},
};

/// Folders of the large mailbox.
const FOLDERS: usize = 300;
/// How long its server takes over each request.
const SLOW: Duration = Duration::from_millis(60);

/// A service with an agent that is not logged in yet.
async fn place(kind: AgentKind) -> (Place, AgentId) {
    println!("{kind:?}");
    let p = Place::unfilled(Engine::Sqlite, MimeMode::KeepBytes, |platform| platform, "").await;
    sample::fill(p.h.ops()).await;
    let agent = sample::create_agent_over(p.h.ops(), &p.h.exchange, ANNA, kind).await;
    (p, agent)
}

/// What a request for the changes of a folder is called.
fn listing(kind: AgentKind) -> &'static str {
    match kind {
        AgentKind::ExchangeGraph => "graph/delta",
        AgentKind::ExchangeEws | AgentKind::Smtp => "SyncFolderItems",
    }
}

fn deliver(h: &Harness, folder: FolderKind, id: &str) {
    let raw = format!("From: eva@oak.example\r\nMessage-ID: <{id}@oak.example>\r\nSubject: [CS-9000001] {id}\r\n\r\nHello.\r\n");
    h.exchange.deliver(ANNA, folder, raw.into_bytes(), h.clock.now());
}

/// Waits until these messages are handled, and nothing else.
async fn handled(h: &Harness, count: usize) {
    eventually(
        PATIENCE * 2,
        &format!("{count} messages are handled"),
        async || match sample::outcomes(h.ops()).await.len() {
            found if found == count => Ok(()),
            found => Err(found),
        },
    )
    .await;
}

async fn noted(h: &Harness, id: &str) {
    let id = format!("{id}@oak.example");
    eventually(PATIENCE, &format!("{id} is handled"), async || {
        let outcomes = sample::outcomes(h.ops()).await;
        if outcomes.iter().any(|outcome| outcome.message_id == id) {
            Ok(())
        } else {
            Err(outcomes.len())
        }
    })
    .await;
}

async fn health(h: &Harness, agent: &AgentId) -> AgentHealth {
    let health = h.ops().store.tenant(&TENANT.into()).agent_health(std::slice::from_ref(agent)).await;
    health.expect("the database answers").pop().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn new_mail_is_noted_while_many_folders_are_read() {
    for kind in [AgentKind::ExchangeEws, AgentKind::ExchangeGraph] {
        let (mut p, agent) = place(kind).await;
        for number in 0..FOLDERS {
            let folder = p.h.exchange.make_folder(ANNA, FolderKind::Top, &format!("Folder {number:03}"));
            deliver(&p.h, folder, &format!("old{number}"));
        }
        p.h.exchange.script(Fault::sometimes("*", 1.0, FaultKind::Slow(SLOW)));
        p.log_in(&format!("agents/{agent}")).await;
        for round in ["first", "restarted"] {
            eventually(PATIENCE, "other folders are being read", async || {
                match p.h.exchange.count(listing(kind)) {
                    listed if listed > 10 => Ok(()),
                    listed => Err(listed),
                }
            })
            .await;
            deliver(&p.h, FolderKind::Inbox, round);
            noted(&p.h, round).await;
            let handled = sample::outcomes(p.h.ops()).await.len();
            println!("{handled} messages are handled when that of the {round} read is");
            assert!(handled < FOLDERS, "the others are still being read");
            if round == "first" {
                let stopped = p.h.stop().await;
                assert_eq!(stopped.died, None);
                p.h.exchange.clear_requests();
                p.h.start().await;
            }
        }
        p.h.exchange.clear_script();
        handled(&p.h, FOLDERS + 2).await;

        // Another start reads none of the folders in which nothing happened, though their mail was handled only now.
        eventually(PATIENCE, "the mailbox was read to its end", async || {
            health(&p.h, &agent).await.last_success.ok_or("not yet")
        })
        .await;
        let stopped = p.h.stop().await;
        assert_eq!(stopped.died, None);
        p.h.exchange.clear_requests();
        p.h.start().await;
        deliver(&p.h, FolderKind::Inbox, "again");
        noted(&p.h, "again").await;
        deliver(&p.h, FolderKind::Inbox, "once-more");
        noted(&p.h, "once-more").await;
        let listed = p.h.exchange.requests().iter().filter(|one| one.operation == listing(kind)).count();
        assert!(listed < FOLDERS, "{listed} folders were listed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_mail_goes_ahead_of_a_long_inbox() {
    const OLD: usize = 2_500;
    for kind in [AgentKind::ExchangeEws, AgentKind::ExchangeGraph] {
        let (p, agent) = place(kind).await;
        for number in 0..OLD {
            deliver(&p.h, FolderKind::Inbox, &format!("old{number}"));
        }
        p.h.exchange.script(Fault::sometimes("*", 1.0, FaultKind::Slow(SLOW * 3)));
        p.log_in(&format!("agents/{agent}")).await;
        eventually(PATIENCE, "old mail is being read", async || {
            match sample::outcomes(p.h.ops()).await.len() {
                0 => Err("nothing yet"),
                _ => Ok(()),
            }
        })
        .await;
        deliver(&p.h, FolderKind::Inbox, "new");
        noted(&p.h, "new").await;
        let read = sample::outcomes(p.h.ops()).await.len();
        println!("{read} messages are handled when the new one is");
        assert!(read < OLD, "the old ones are still being read");
        // The listing comes to what was handled ahead of it, and handles nothing twice.
        p.h.exchange.clear_script();
        handled(&p.h, OLD + 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_larger_than_their_server_says_are_read_whole() {
    for kind in [AgentKind::ExchangeEws, AgentKind::ExchangeGraph] {
        let (p, agent) = place(kind).await;
        for number in 0..6 {
            let text = "All of it. ".repeat(300_000);
            let raw =
                format!("From: eva@oak.example\r\nMessage-ID: <{number}@oak.example>\r\nSubject: [CS-9000001] {number}\r\n\r\n{text}\r\n");
            let raw = Raw::Misjudged {
                bytes: raw.into(),
                told: 100,
            };
            p.h.exchange.deliver(ANNA, FolderKind::Inbox, raw, p.h.clock.now());
            deliver(&p.h, FolderKind::Inbox, &format!("small{number}"));
        }
        p.log_in(&format!("agents/{agent}")).await;
        handled(&p.h, 12).await;
        for outcome in sample::outcomes(p.h.ops()).await {
            assert_eq!(outcome.result, OutcomeResult::Matched, "{outcome:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_read_keeps_no_other_waiting() {
    for kind in [AgentKind::ExchangeEws, AgentKind::ExchangeGraph] {
        let (p, agent) = place(kind).await;
        let make = |name: &str| p.h.exchange.make_folder(ANNA, FolderKind::Top, name);
        let [first, broken, last] = ["First", "Broken", "Last"].map(make);
        let fault = match kind {
            AgentKind::ExchangeGraph => FaultKind::Graph {
                status: 500,
                code: "ErrorInternalServerError",
                retry_after: None,
            },
            AgentKind::ExchangeEws | AgentKind::Smtp => FaultKind::ItemError("ErrorInternalServerError"),
        };
        p.h.exchange.script(Fault::sometimes(listing(kind), 1.0, fault).in_folder(broken));
        for (folder, id) in [(first, "first"), (broken, "broken"), (last, "last"), (FolderKind::Inbox, "inbox")] {
            deliver(&p.h, folder, id);
        }
        p.log_in(&format!("agents/{agent}")).await;
        handled(&p.h, 3).await;
        let named = eventually(PATIENCE, "the health names the folder", async || {
            let health = health(&p.h, &agent).await;
            if health.problem.contains("\"Broken\"") {
                Ok(health)
            } else {
                Err(health)
            }
        })
        .await;
        assert_eq!((named.state, named.failures), (HealthState::Degraded, 0), "{named:?}");
        assert!(named.problem.contains("all other folders are read"), "{named:?}");
        assert!(named.server_reply.contains("ErrorInternalServerError"), "{named:?}");
        // The rest goes on meanwhile.
        deliver(&p.h, last, "last again");
        deliver(&p.h, FolderKind::Inbox, "inbox again");
        handled(&p.h, 5).await;

        let admin = admin();
        let (known, opened) = sweep::prepare_sweep(p.h.ops(), &admin, &agent).await.expect("it is active");
        let found = completeness::check(p.h.ops().clone(), TENANT.into(), known, opened);
        let found: Vec<Found> = found.try_collect().await.expect("the comparison comes to its end");
        let folders: BTreeMap<String, FolderReport> = found
            .into_iter()
            .filter_map(|found| match found {
                Found::Folder(report) => Some((report.folder.clone(), report)),
                Found::Gap(_) => None,
            })
            .collect();
        let with_problem: Vec<&str> = folders
            .values()
            .filter(|report| !report.problem.is_empty())
            .map(|report| report.folder.as_str())
            .collect();
        assert_eq!(with_problem, ["Broken"], "{folders:#?}");
        assert!(folders["Broken"].problem.contains("ErrorInternalServerError"), "{folders:#?}");
        assert_eq!(folders["Last"].handled, 2, "{folders:#?}");
        let (known, opened) = sweep::prepare_sweep(p.h.ops(), &admin, &agent).await.expect("it is active");
        let filled = completeness::backfill(p.h.ops(), &TENANT.into(), &known, opened, &mut |_| {}).await;
        let filled = filled.expect("the backfill comes to its end");
        let problems: Vec<&String> = filled.folder_problems.keys().collect();
        assert_eq!(problems, ["Broken"], "{filled:?}");
        let (known, opened) = sweep::prepare_sweep(p.h.ops(), &admin, &agent).await.expect("it is active");
        let swept = sweep::run_sweep(p.h.ops(), &TENANT.into(), &known, opened, &mut |_| {}).await;
        let swept = swept.expect("the sweep comes to its end");
        let problems: Vec<&String> = swept.folder_problems.keys().collect();
        assert_eq!(problems, ["Broken"], "{swept:?}");
        assert!(swept.folder_problems["Broken"].contains("ErrorInternalServerError"), "{swept:?}");

        // It is retried, and the health is well again.
        p.h.exchange.clear_script();
        p.h.clock.advance(Duration::from_secs(1));
        handled(&p.h, 6).await;
        eventually(PATIENCE, "all is well", async || {
            let health = health(&p.h, &agent).await;
            if health.state == HealthState::Ok { Ok(()) } else { Err(health) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_made_anew_is_listed_anew() {
    for kind in [AgentKind::ExchangeEws, AgentKind::ExchangeGraph] {
        let (p, agent) = place(kind).await;
        for number in 0..5 {
            deliver(&p.h, FolderKind::Inbox, &format!("before{number}"));
        }
        p.log_in(&format!("agents/{agent}")).await;
        handled(&p.h, 5).await;
        if kind == AgentKind::ExchangeEws {
            // As rows from before the server's id was kept.
            let database = p.h.database().await;
            let forget = "UPDATE folder_position SET source = NULL";
            database.execute_unprepared(forget).await.expect("the row is there");
            let known = "SELECT folder FROM folder_position WHERE folder = 'inbox' AND source IS NOT NULL";
            eventually(PATIENCE, "the id is kept at first sight", async || {
                let row = database
                    .query_one_raw(sea_orm::Statement::from_string(database.get_database_backend(), known))
                    .await;
                row.expect("the database answers").map(|_| ()).ok_or("not yet")
            })
            .await;
        }
        p.h.exchange.replace_mailbox(ANNA);
        for number in 0..20 {
            deliver(&p.h, FolderKind::Inbox, &format!("after{number}"));
        }
        eventually(PATIENCE, "all messages of the new mailbox are handled", async || {
            // A read that was under way met folders that are gone, and is tried again after a wait.
            p.h.clock.advance(Duration::from_millis(100));
            match sample::outcomes(p.h.ops()).await.len() {
                25 => Ok(()),
                found => Err((found, health(&p.h, &agent).await)),
            }
        })
        .await;
    }
}
