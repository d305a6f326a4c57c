//! Whether everything is there: after outages, after restores, for mail that people and rules file; reports of gaps, and closing them.

use std::{collections::BTreeMap, time::Duration};

use mailagent::testing::{config::ByteSize, domain::Clock};
use mailagent_client::v1::{
    Agent, AgentKind, BackfillAgentRequest, BackfillAgentResponse, CheckCompletenessRequest, CheckCompletenessResponse, FolderReport, Gap,
    GapKind, ListMessagesRequest, SweepAgentRequest,
};
use mailagent_sim::{
    MimeMode,
    exchange::{Fault, FaultKind, FolderKind},
};

use crate::{
    harness::{Engine, Mail, PATIENCE, eventually, take},
    login::{ANNA, Place},
};

const DAY: Duration = Duration::from_hours(24);

/// Runs a test over both protocols, engines and MIME modes, with an agent that is not logged in yet.
async fn over_both(change: impl Fn(&mut Agent), test: impl AsyncFn(&mut Place, &str, bool)) {
    for (graph, engine, mode) in [
        (false, Engine::Sqlite, MimeMode::KeepBytes),
        (true, Engine::Postgres, MimeMode::Rebuild),
    ] {
        println!("Graph: {graph}, {engine:?}, {mode:?}");
        let mut p = Place::in_mode(engine, mode).await;
        let mut agent = p.h.agent_for(ANNA);
        let exchange = agent.exchange.as_mut().expect("it has them");
        exchange.username.clear();
        exchange.password.clear();
        if graph {
            exchange.endpoint = p.h.exchange.graph().into();
            agent.kind = AgentKind::ExchangeGraph.into();
        }
        change(&mut agent);
        let agent = p.create(agent).await;
        test(&mut p, &agent.name, graph).await;
    }
}

/// What a comparison found: gaps, folders, and what ended it early.
#[derive(Debug, Default)]
struct Report {
    gaps: Vec<Gap>,
    folders: BTreeMap<String, FolderReport>,
    problem: String,
}

impl Report {
    fn sum(&self, of: impl Fn(&FolderReport) -> i64) -> i64 {
        self.folders.values().map(of).sum()
    }
}

async fn check(p: &Place, agent: &str) -> Report {
    let request = CheckCompletenessRequest { name: agent.to_owned() };
    let mut answers = p.client.clone().sweep.check_completeness(request).await.unwrap().into_inner();
    let mut report = Report::default();
    loop {
        let CheckCompletenessResponse {
            gap,
            folder,
            done,
            problem,
        } = take(&mut answers).await.expect("it says how it ends").unwrap();
        let last = done || !problem.is_empty();
        report.gaps.extend(gap);
        report.folders.extend(folder.map(|folder| (folder.folder.clone(), folder)));
        report.problem = problem;
        if last {
            assert!(take(&mut answers).await.is_none());
            return report;
        }
    }
}

async fn backfill(p: &Place, agent: &str) -> Vec<BackfillAgentResponse> {
    let request = BackfillAgentRequest { name: agent.to_owned() };
    let mut answers = p.client.clone().sweep.backfill_agent(request).await.unwrap().into_inner();
    let mut all = Vec::new();
    while let Some(answer) = take(&mut answers).await {
        all.push(answer.unwrap());
    }
    all
}

/// Reads the mailbox to its end.
async fn sweep(p: &Place, agent: &str) {
    let request = SweepAgentRequest { name: agent.to_owned() };
    let mut answers = p.client.clone().sweep.sweep_agent(request).await.unwrap().into_inner();
    while let Some(answer) = take(&mut answers).await {
        assert_eq!(answer.unwrap().problem, "");
    }
}

/// Waits until nothing is missing.
async fn complete(p: &Place, agent: &str) -> Report {
    eventually(PATIENCE, "nothing is missing", async || {
        let report = check(p, agent).await;
        let whole = report.problem.is_empty() && report.gaps.is_empty();
        if whole { Ok(report) } else { Err(report) }
    })
    .await
}

async fn archived(p: &Place) -> usize {
    let request = ListMessagesRequest {
        page_size: 500,
        ..ListMessagesRequest::default()
    };
    let page = p.client.clone().archive.list_messages(request).await.unwrap().into_inner();
    page.messages.len()
}

fn about_oak(number: usize) -> Mail {
    Mail::new(&format!("Eva <eva{number}@oak.example>"), &format!("Re: CS-0000001 {number}")).body(&format!("Text {number}"))
}

fn about_nothing(number: usize) -> Mail {
    Mail::new("Eva <eva@oak.example>", &format!("Hello {number}")).body(&format!("Text {number}"))
}

fn sent(number: usize) -> Mail {
    Mail::new(ANNA, &format!("Re: CS-0000001 sent {number}")).header("To", "eva@oak.example")
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_month_without_the_service_nothing_is_missing() {
    over_both(
        |_| {},
        async |p, agent, _| {
            let customers = p.h.exchange.make_folder(ANNA, FolderKind::Inbox, "Customers");
            let deliver = |p: &Place, folder, mail: Mail| p.h.deliver_raw(ANNA, folder, mail.bytes());
            // Filed before there was the agent, which is told by the time of receipt: no case is concerned by it.
            for number in 0..5 {
                let long_ago = p.h.clock.now().before(100 * DAY);
                p.h.exchange.deliver(ANNA, customers, about_oak(number).bytes(), long_ago);
            }
            for number in 10..20 {
                deliver(p, FolderKind::Inbox, about_oak(number));
                deliver(p, FolderKind::Sent, sent(number));
            }
            p.log_in(agent).await;
            p.h.handled(&p.client, agent, 25).await;
            assert_eq!(p.h.notes(&p.client).await.len(), 10);

            let stopped = p.h.stop().await;
            assert_eq!(stopped.died, None);
            let done = p.h.exchange.make_folder(ANNA, FolderKind::Top, "Done");
            for day in 0..30 {
                p.h.clock.advance(DAY);
                // One stays, one is filed by a person, one goes to the bin, one is filed by a rule, one is deleted for good.
                deliver(p, FolderKind::Inbox, about_oak(100 + day));
                let filed = deliver(p, FolderKind::Inbox, about_oak(200 + day));
                p.h.exchange.move_item(ANNA, &filed, done).unwrap();
                let thrown = deliver(p, FolderKind::Inbox, about_oak(300 + day));
                p.h.exchange.move_item(ANNA, &thrown, FolderKind::Deleted).unwrap();
                deliver(p, customers, about_oak(400 + day));
                let gone = deliver(p, FolderKind::Inbox, about_nothing(500 + day));
                assert!(p.h.exchange.delete_item(ANNA, &gone));
                deliver(p, FolderKind::Sent, sent(600 + day));
                deliver(p, FolderKind::Junk, about_oak(700 + day));
            }
            // Where the service stood is forgotten at the server, as are its subscriptions; what it knew is put elsewhere.
            for known in p.h.exchange.items(ANNA, FolderKind::Inbox).iter().rev().take(5) {
                p.h.exchange.move_item(ANNA, &known.id, done).unwrap();
            }
            p.h.exchange.reset_sync_state(ANNA);
            p.h.exchange.forget_subscriptions(ANNA);
            p.h.start().await;
            p.client = p.h.client().await;

            let report = complete(p, agent).await;
            let folders = [
                ("inbox", 35),
                ("sent", 40),
                ("Deleted Items", 30),
                ("Done", 35),
                ("Inbox/Customers", 35),
            ];
            for (folder, count) in folders {
                let expected = FolderReport {
                    folder: folder.to_owned(),
                    server_count: Some(count),
                    listed_count: count,
                    handled_count: count,
                    archived_count: count,
                    ..FolderReport::default()
                };
                assert_eq!(report.folders.get(folder), Some(&expected), "{report:#?}");
            }
            assert_eq!(report.folders.len(), folders.len(), "{report:#?}");
            // One copy of what is in several folders, one note of each message that came since the agent is there.
            assert_eq!(archived(p).await, 5 + 10 + 10 + 5 * 30);
            let notes = p.h.notes(&p.client).await;
            assert_eq!(notes.len(), 10 + 4 * 30);
            let outcomes = p.h.outcomes(&p.client).await;
            assert_eq!(outcomes.len(), 10 + 4 * 30, "nothing is said twice of a message");
            let filed = outcomes.iter().filter(|outcome| outcome.folder == "Inbox/Customers").count();
            assert_eq!(filed, 30);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_did_not_tell_of_is_named_and_closed() {
    over_both(
        |_| {},
        async |p, agent, graph| {
            let customers = p.h.exchange.make_folder(ANNA, FolderKind::Inbox, "Customers");
            p.h.deliver(ANNA, &about_nothing(0));
            p.log_in(agent).await;
            p.h.handled(&p.client, agent, 1).await;
            let complete = check(p, agent).await;
            assert_eq!((complete.gaps.len(), complete.problem.as_str()), (0, ""));
            assert_eq!(complete.sum(|folder| folder.archived_count), 1);

            // A restore of the mailbox, once every folder has been read.
            sweep(p, agent).await;
            let now = p.h.clock.now();
            for number in 1..=60 {
                p.h.exchange.restore(ANNA, FolderKind::Inbox, about_oak(number).bytes(), now);
            }
            let lost = about_oak(61);
            let source = p.h.exchange.restore(ANNA, customers, lost.bytes(), now);
            // The sweep reads on from where it was, and sees the next message only.
            p.h.deliver(ANNA, &about_nothing(62));
            p.h.handled(&p.client, agent, 2).await;
            let report = check(p, agent).await;
            assert_eq!(report.gaps.len(), 61, "{report:#?}");
            let named = report.gaps.iter().find(|gap| gap.folder == "Inbox/Customers").unwrap();
            let sender = named.sender.clone().unwrap();
            assert_eq!(named.kind(), GapKind::NotHandled);
            assert_eq!(
                (sender.display_name.as_str(), sender.address.as_str()),
                ("Eva", "eva61@oak.example")
            );
            assert_eq!(
                (named.subject.as_str(), named.message_id.as_str()),
                ("Re: CS-0000001 61", lost.id().as_str())
            );
            assert!(
                named.size_bytes > 100 && named.received_time.is_some() && named.problem.is_empty(),
                "{named:?}"
            );
            assert_eq!(named.source_id == source, !graph, "over Graph the id is the one that stays");
            let inbox = &report.folders["inbox"];
            assert_eq!((inbox.listed_count, inbox.handled_count, inbox.gap_count), (62, 2, 60));

            // Interrupted in the middle.
            // A connection may be replaced once, so twice.
            let (fetches, nth) = if graph { ("graph/value", 51) } else { ("GetItem", 6) };
            for _ in 0..2 {
                p.h.exchange.script(Fault::nth(fetches, nth, FaultKind::DropBeforeAnswer));
            }
            let broken = backfill(p, agent).await;
            let last = broken.last().unwrap();
            assert!(!last.done && !last.problem.is_empty() && last.gap_count == 61, "{broken:#?}");
            assert!((1..61).contains(&last.closed_count), "{broken:#?}");
            p.h.exchange.clear_script();
            p.h.clock.advance(Duration::from_hours(1));
            let rest = backfill(p, agent).await;
            let end = rest.last().unwrap();
            assert!(end.done && end.problem.is_empty(), "{rest:#?}");
            assert_eq!(
                (end.gap_count, end.closed_count, end.remaining_count),
                (61 - last.closed_count, end.gap_count, 0)
            );
            assert_eq!(last.matched_count + end.matched_count, 61);
            assert_eq!(last.archived_count + end.archived_count, 61);
            assert!(rest.is_sorted_by_key(|answer| answer.closed_count));
            let report = check(p, agent).await;
            assert_eq!((report.gaps.len(), report.sum(|folder| folder.archived_count)), (0, 63));
            assert_eq!(p.h.notes(&p.client).await.len(), 61);
            let again = backfill(p, agent).await;
            let nothing = BackfillAgentResponse {
                done: true,
                ..BackfillAgentResponse::default()
            };
            assert_eq!(again.last(), Some(&nothing));
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mailboxes_are_compared_by_themselves_now_and_then() {
    over_both(
        |_| {},
        async |p, agent, _| {
            p.h.deliver(ANNA, &about_nothing(0));
            p.log_in(agent).await;
            p.h.handled(&p.client, agent, 1).await;
            let now = p.h.clock.now();
            for number in 1..=3 {
                p.h.exchange.restore(ANNA, FolderKind::Inbox, about_oak(number).bytes(), now);
            }
            sweep(p, agent).await;
            assert_eq!(check(p, agent).await.gaps.len(), 3);
            p.h.config.exchange.completeness_interval = Duration::from_secs(1);
            p.h.restart().await;
            p.client = p.h.client().await;
            complete(p, agent).await;
            assert_eq!(p.h.notes(&p.client).await.len(), 3);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_had_stays_a_named_gap() {
    over_both(
        |_| {},
        async |p, agent, _| {
            p.h.config.mail.max_message_size = ByteSize(100_000);
            p.h.restart().await;
            p.client = p.h.client().await;
            p.h.deliver(ANNA, &about_nothing(0).body(&"A line of text.\r\n".repeat(10_000)));
            p.h.deliver(ANNA, &about_nothing(1));
            p.log_in(agent).await;
            p.h.handled(&p.client, agent, 2).await;
            let report = check(p, agent).await;
            let [gap] = report.gaps.as_slice() else { panic!("{report:#?}") };
            assert_eq!(
                (gap.kind(), gap.subject.as_str(), gap.folder.as_str()),
                (GapKind::NotArchived, "Hello 0", "inbox")
            );
            assert!(gap.size_bytes > 100_000, "{gap:?}");
            let inbox = &report.folders["inbox"];
            assert_eq!((inbox.handled_count, inbox.archived_count, inbox.gap_count), (2, 1, 1));
            let filled = backfill(p, agent).await;
            let end = filled.last().unwrap();
            assert!(end.done, "{filled:#?}");
            assert_eq!((end.gap_count, end.closed_count, end.remaining_count), (1, 0, 1));
            assert_eq!(p.h.outcomes(&p.client).await.len(), 2, "it is no news");
            // With a larger limit it can be had.
            p.h.config.mail.max_message_size = ByteSize(1_000_000);
            p.h.restart().await;
            p.client = p.h.client().await;
            let filled = backfill(p, agent).await;
            assert_eq!(filled.last().unwrap().closed_count, 1, "{filled:#?}");
            assert!(check(p, agent).await.gaps.is_empty());
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_does_not_give_out_is_a_gap_for_agents_that_only_sweep() {
    over_both(
        |agent| agent.exchange.as_mut().expect("it has them").archive = Some(false),
        async |p, agent, graph| {
            let fault = if graph {
                let kind = FaultKind::Graph {
                    status: 500,
                    code: "ErrorItemCorrupt",
                    retry_after: None,
                };
                Fault::next("graph/value", 1000, kind)
            } else {
                Fault::next("GetItem", 1000, FaultKind::ItemError("ErrorItemCorrupt"))
            };
            p.h.exchange.script(fault);
            p.h.deliver(ANNA, &about_oak(1));
            p.log_in(agent).await;
            p.h.handled(&p.client, agent, 1).await;
            let report = check(p, agent).await;
            let [gap] = report.gaps.as_slice() else { panic!("{report:#?}") };
            assert_eq!((gap.kind(), gap.folder.as_str()), (GapKind::NotHandled, "inbox"));
            assert!(graph || gap.problem.contains("ErrorItemCorrupt"), "{gap:?}");
            let filled = backfill(p, agent).await;
            let end = filled.last().unwrap();
            assert_eq!((end.done, end.gap_count, end.remaining_count), (true, 1, 1), "{filled:#?}");
            assert_eq!(p.h.outcomes(&p.client).await.len(), 1, "it is no news");
            p.h.exchange.clear_script();
            let filled = backfill(p, agent).await;
            assert_eq!(filled.last().unwrap().closed_count, 1, "{filled:#?}");
            assert_eq!(p.h.notes(&p.client).await.len(), 1);
            assert!(check(p, agent).await.gaps.is_empty());
        },
    )
    .await;
}

/// A server that returns nothing, or half a message, and calls it success.
#[tokio::test(flavor = "multi_thread")]
async fn content_that_is_not_whole_is_a_named_gap_and_no_message() {
    over_both(
        |_| {},
        async |p, agent, graph| {
            let operation = if graph { "graph/value" } else { "GetItem" };
            p.h.exchange.script(Fault::next(operation, 1000, FaultKind::CutContent(0)));
            p.h.deliver(ANNA, &about_oak(1));
            p.log_in(agent).await;
            // It is asked for a few times, with a rest after each.
            eventually(PATIENCE, "the message is given up", async || {
                p.h.clock.advance(Duration::from_secs(1));
                let health = p.h.get_agent(&p.client, agent).await.health.expect("agents have a health");
                if health.handled_count == 1 { Ok(()) } else { Err(health) }
            })
            .await;
            assert!(archived(p).await == 0);
            let [outcome] = &p.h.outcomes(&p.client).await[..] else {
                panic!("one outcome")
            };
            assert!(outcome.subject.contains("CS-"), "{outcome:?}");
            assert!(!outcome.message_id.is_empty() && outcome.sender.is_some(), "{outcome:?}");
            assert!(outcome.detail.contains("cannot return it"), "{outcome:?}");
            let report = check(p, agent).await;
            let [gap] = report.gaps.as_slice() else { panic!("{report:#?}") };
            assert_eq!((gap.kind(), &gap.subject), (GapKind::NotArchived, &outcome.subject));
            p.h.exchange.clear_script();
            let filled = backfill(p, agent).await;
            assert_eq!(filled.last().unwrap().closed_count, 1, "{filled:#?}");
            assert_eq!(archived(p).await, 1);
            assert!(check(p, agent).await.gaps.is_empty());
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_just_come_is_not_missing() {
    over_both(
        |_| {},
        async |p, agent, _| {
            p.h.deliver(ANNA, &about_oak(1));
            p.log_in(agent).await;
            p.h.handled(&p.client, agent, 1).await;
            p.h.config.exchange.push = false;
            p.h.config.exchange.poll_interval = DAY;
            p.h.restart().await;
            p.client = p.h.client().await;
            sweep(p, agent).await;
            p.h.deliver(ANNA, &about_oak(2));
            let report = check(p, agent).await;
            assert!(report.problem.is_empty() && report.gaps.is_empty(), "{report:#?}");
            sweep(p, agent).await;
            p.h.handled(&p.client, agent, 2).await;
            assert!(check(p, agent).await.gaps.is_empty());
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_only_sweeps_looks_at_filed_mail_of_its_time() {
    over_both(
        |agent| agent.exchange.as_mut().expect("it has them").archive = Some(false),
        async |p, agent, graph| {
            let customers = p.h.exchange.make_folder(ANNA, FolderKind::Inbox, "Customers");
            for number in 0..30 {
                let long_ago = p.h.clock.now().before(100 * DAY);
                p.h.exchange.deliver(ANNA, customers, about_oak(number).bytes(), long_ago);
            }
            p.h.deliver_raw(ANNA, customers, about_oak(31).bytes());
            p.h.deliver_raw(ANNA, FolderKind::Sent, sent(32).bytes());
            p.log_in(agent).await;
            p.h.handled(&p.client, agent, 1).await;
            let fetches = if graph { "graph/value" } else { "GetItem" };
            assert!(p.h.exchange.count(fetches) <= 1, "what is old is not fetched");
            let report = complete(p, agent).await;
            let filed = &report.folders["Inbox/Customers"];
            assert_eq!((filed.listed_count, filed.skipped_count, filed.handled_count), (31, 30, 1));
            assert!(!report.folders.contains_key("sent"), "{report:#?}");
            assert_eq!(p.h.notes(&p.client).await.len(), 1);
            // What a person files after it was swept is the same message.
            let id = p.h.deliver(ANNA, &about_oak(33));
            p.h.handled(&p.client, agent, 2).await;
            let fetched = p.h.exchange.count(fetches);
            p.h.exchange.move_item(ANNA, &id, customers).unwrap();
            sweep(p, agent).await;
            let filed = complete(p, agent).await;
            assert_eq!(filed.folders["Inbox/Customers"].handled_count, 2);
            assert_eq!(
                p.h.exchange.count(fetches) == fetched,
                graph,
                "where ids stay it is not fetched again"
            );
            assert_eq!((p.h.notes(&p.client).await.len(), p.h.outcomes(&p.client).await.len()), (2, 2));
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_says_what_ends_it_early() {
    over_both(
        |_| {},
        async |p, agent, graph| {
            let report = check(p, agent).await;
            assert!(
                report.problem.starts_with("Nobody has logged in to this mailbox yet."),
                "{report:?}"
            );
            let last = backfill(p, agent).await.pop().unwrap();
            assert!(!last.done && last.problem == report.problem, "{last:?}");
            p.log_in(agent).await;
            p.h.deliver(ANNA, &about_nothing(0));
            p.h.handled(&p.client, agent, 1).await;
            let denied = if graph {
                Fault::next(
                    "graph/delta",
                    5,
                    FaultKind::Graph {
                        status: 403,
                        code: "ErrorAccessDenied",
                        retry_after: None,
                    },
                )
            } else {
                Fault::next("SyncFolderItems", 5, FaultKind::ItemError("ErrorAccessDenied"))
            };
            p.h.exchange.script(denied);
            let report = check(p, agent).await;
            assert!(!report.problem.is_empty() && report.folders.is_empty(), "{report:?}");
        },
    )
    .await;
}
