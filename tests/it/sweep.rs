//! SweepService: what becomes of each message, exactly one note for each, and the answer to why a mail did not show up.

use std::time::Duration;

use mailagent_client::{
    Clients,
    v1::{
        AutomaticKind, DeleteAgentRequest, DownloadNoteMessageRequest, GetArchiveStatisticsRequest, GetContactRequest, GetNoteRequest,
        GetOutcomeRequest, ListNotesRequest, ListOutcomesRequest, NoteFilter, Outcome, OutcomeFilter, OutcomeResult, SenderCheck,
        SweepAgentRequest, SweepAgentResponse, SweepOptions, TenantSettings,
    },
};
use mailagent_sim::exchange::{Fault, FaultKind, FolderKind};
use tonic::{Code, Status};

use crate::harness::{
    Choices, Engine, Harness, Mail, PATIENCE, TENANT, download, eventually, metadata, on_both_engines, reason, take, violations,
};

const ANNA: &str = "anna@example.com";
const BERT: &str = "bert@example.com";

fn options(contacts: bool, full: bool) -> Option<SweepOptions> {
    Some(SweepOptions {
        create_non_matching_contacts: contacts,
        keep_full_message: full,
    })
}

async fn archived(client: &Clients) -> i64 {
    let statistics = client.clone().archive.get_archive_statistics(GetArchiveStatisticsRequest {}).await;
    statistics.unwrap().into_inner().message_count
}

async fn outcomes(client: &Clients, filter: OutcomeFilter) -> Result<Vec<Outcome>, Status> {
    let request = ListOutcomesRequest {
        filter: Some(filter),
        ..ListOutcomesRequest::default()
    };
    Ok(client.clone().sweep.list_outcomes(request).await?.into_inner().outcomes)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_result_is_reached() {
    use OutcomeResult::{
        Automatic, Duplicate, Loop, Matched, NoReference, NonMatchingContact, OwnMessage, SenderNotAuthentic, TooLarge, UnknownReference,
        Unparsable,
    };
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let mut choices = Choices::of(engine);
        choices.configure = Box::new(|config| config.mail.max_message_size = mailagent::testing::config::ByteSize(64 << 10));
        let h = Harness::with(choices).await;
        let client = h.seed().await;
        let settings = TenantSettings {
            trusted_authserv_ids: vec!["mx.example.com".to_owned()],
            skip_automatic_mail: true,
            loop_limit_per_sender_and_case: Some(2),
            ..TenantSettings::default()
        };
        h.change_settings(&client, settings).await;
        let agent = h
            .agent_with(&client, ANNA, |settings| settings.sweep_options = options(false, false))
            .await;
        let mark = h.ops().sealer.bind("own-mail", &TENANT.into()).seal(b"sent by us");
        let eva = || Mail::new("Eva <eva@oak.example>", "Re: CS-0000001");
        let first = eva();
        let rows: Vec<(Mail, OutcomeResult, &str, &str)> = vec![
            (first.clone(), Matched, "a contact of the customer", "cases/case-oak"),
            (eva().header("Subject", "Hello"), NoReference, "contains no case reference", ""),
            (
                eva().header("Subject", "CS-0099999"),
                UnknownReference,
                "There is no case CS-0099999",
                "",
            ),
            (
                eva().header("From", "tom@elm.example"),
                NonMatchingContact,
                "tom@elm.example is not a contact",
                "cases/case-oak",
            ),
            (
                eva().header("From", "nobody at all"),
                NonMatchingContact,
                "no valid address",
                "cases/case-oak",
            ),
            (eva().header("Auto-Submitted", "auto-replied"), Automatic, "skips", ""),
            (
                eva().header("Authentication-Results", "mx.example.com; dmarc=fail header.from=oak.example"),
                SenderNotAuthentic,
                "could not confirm",
                "cases/case-oak",
            ),
            (eva().body(&"long ".repeat(20_000)), TooLarge, "over the limit", ""),
            (eva().header("X-Mailagent-Id", &mark), OwnMessage, "This service sent it", ""),
            (
                eva().header("From", "Anna <Anna@Example.com>"),
                OwnMessage,
                "The agent itself sent it",
                "",
            ),
            (eva(), Matched, "a contact of the customer", "cases/case-oak"),
            (eva(), Loop, "too many messages", "cases/case-oak"),
        ];
        for (mail, expected, detail, case) in &rows {
            let (result, outcome) = h.sweep_one(&client, mail).await;
            assert_eq!(result, *expected, "{outcome:#?}");
            assert!(outcome.detail.contains(detail), "{outcome:#?}");
            assert_eq!(outcome.case, *case, "{outcome:#?}");
            assert_eq!(outcome.note.is_empty(), *expected != Matched, "{outcome:#?}");
            assert_eq!((outcome.agent.as_str(), outcome.folder.as_str()), (agent.name.as_str(), "inbox"));
            assert_eq!(outcome.received_time.unwrap().seconds, crate::harness::NOW.seconds());
            let sized = usize::try_from(outcome.size_bytes).unwrap();
            assert_eq!(sized, mail.bytes().len(), "{outcome:#?}");
            // Only a stub is kept of what is too large.
            assert_eq!(outcome.message.is_empty(), *expected == TooLarge, "{outcome:#?}");
            let request = GetOutcomeRequest {
                name: outcome.name.clone(),
            };
            assert_eq!(client.clone().sweep.get_outcome(request).await.unwrap().into_inner(), outcome);
        }
        let count = i64::try_from(rows.len()).unwrap();

        // What has no Message-ID to look for.
        h.deliver(ANNA, &first);
        h.deliver_raw(ANNA, FolderKind::Inbox, b"no header here".to_vec());
        h.handled(&client, &agent.name, count + 2).await;
        let repeated = outcomes(
            &client,
            OutcomeFilter {
                message_id: format!("<{}>", first.id()),
                ..OutcomeFilter::default()
            },
        );
        let repeated: Vec<OutcomeResult> = repeated.await.unwrap().iter().map(Outcome::result).collect();
        assert_eq!(repeated, [Duplicate, Matched], "newest first");
        let broken = OutcomeFilter {
            results: vec![Unparsable.into()],
            ..OutcomeFilter::default()
        };
        let broken = outcomes(&client, broken).await.unwrap();
        assert_eq!(broken.len(), 1);
        assert!(
            broken[0].detail.contains("no header") && !broken[0].message.is_empty(),
            "{broken:#?}"
        );

        let health = h.get_agent(&client, &agent.name).await.health.unwrap();
        assert_eq!(
            (health.handled_count, health.matched_count, health.set_aside_count),
            (count + 2, 2, 3)
        );
        assert_eq!(h.notes(&client).await.len(), 2);
        let wrong = OutcomeFilter {
            results: vec![99],
            agent: "agent".to_owned(),
            ..OutcomeFilter::default()
        };
        assert!(violations(&outcomes(&client, wrong).await.unwrap_err())[0].starts_with("filter."));
        let nobodys = OutcomeFilter {
            agent: "agents/01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
            ..OutcomeFilter::default()
        };
        assert_eq!(outcomes(&client, nobodys).await.unwrap(), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_senders_become_contacts_when_wanted() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let on = h.agent(&client, ANNA).await;
        let about_oak = |from: &str| Mail::new(from, "CS-0000001");
        let (_, outcome) = h.sweep_one(&client, &about_oak("\"New, Ina\" <ina@oak.example>")).await;
        assert_eq!(outcome.result(), OutcomeResult::Matched);
        let request = GetContactRequest {
            name: outcome.contact.clone(),
        };
        let made = client.clone().directory.get_contact(request).await.unwrap().into_inner();
        assert_eq!((made.display_name.as_str(), made.customer.as_str()), ("New, Ina", "customers/oak"));
        // The next one is known; somebody of another customer becomes a contact of this one too.
        let (_, again) = h.sweep_one(&client, &about_oak("INA@oak.example")).await;
        assert_eq!(again.contact, outcome.contact);
        let (_, other) = h.sweep_one(&client, &about_oak("Tom <tom@elm.example>")).await;
        assert_ne!(other.contact, "contacts/tom");
        let (_, unnamed) = h.sweep_one(&client, &about_oak("unnamed@oak.example")).await;
        let request = GetContactRequest { name: unnamed.contact };
        assert_eq!(
            client
                .clone()
                .directory
                .get_contact(request)
                .await
                .unwrap()
                .into_inner()
                .display_name,
            "unnamed"
        );
        // Machines and our own people do not, but the note is made.
        for from in [
            "noreply@oak.example",
            "Mailer <mailer-daemon@oak.example>",
            "Bert <bert@example.com>",
            "not an address",
        ] {
            let (result, outcome) = h.sweep_one(&client, &about_oak(from)).await;
            assert_eq!((result, outcome.contact.as_str()), (OutcomeResult::Matched, ""), "{outcome:#?}");
        }
        let notes = h.notes(&client).await;
        let created: Vec<bool> = notes.iter().map(|note| note.contact_created).collect();
        assert_eq!(created, [true, false, true, true, false, false, false, false]);
        assert!(notes.iter().all(|note| note.agent == on.name && note.customer == "customers/oak"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_message_is_kept_with_the_note_when_wanted() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let keeps = h.agent_with(&client, ANNA, |settings| settings.archive = Some(false)).await;
        let leaves = h
            .agent_with(&client, BERT, |settings| settings.sweep_options = options(true, false))
            .await;
        // Large, and nothing that packs well.
        let mut random = fastrand::Rng::with_seed(1);
        let body: String = (0..600_000)
            .map(|n| if n % 76 == 75 { '\n' } else { random.alphanumeric() })
            .collect();
        let mail = Mail::new("eva@oak.example", "CS-0000001").body(&body.replace('\n', "\r\n"));
        let (_, outcome) = h.sweep_one(&client, &mail).await;
        assert_eq!((outcome.agent.as_str(), outcome.message.as_str()), (keeps.name.as_str(), ""));
        let bytes = mail.bytes();
        for offset in [0, 1, 64 * 1024, 100_000, bytes.len() - 1, bytes.len()] {
            let request = DownloadNoteMessageRequest {
                name: outcome.note.clone(),
                offset_bytes: i64::try_from(offset).unwrap(),
            };
            let pieces = client.clone().sweep.download_note_message(request).await.unwrap().into_inner();
            let (header, got) = download(pieces, offset).await;
            assert!(got == bytes[offset..], "from {offset}");
            assert_eq!(header.media_type, "message/rfc822");
            assert!(header.file_name.ends_with(".eml"), "{}", header.file_name);
        }
        let refused = async |name: &str, offset_bytes: i64| {
            let name = name.to_owned();
            let request = DownloadNoteMessageRequest { name, offset_bytes };
            client.clone().sweep.download_note_message(request).await.unwrap_err()
        };
        let beyond = refused(&outcome.note, i64::try_from(bytes.len()).unwrap() + 1).await;
        assert_eq!((beyond.code(), reason(&beyond).as_str()), (Code::OutOfRange, "OFFSET_OUT_OF_RANGE"));
        assert_eq!(metadata(&beyond, "sizeBytes"), bytes.len().to_string());
        assert_eq!(violations(&refused(&outcome.note, -1).await), ["offset_bytes"]);

        let small = Mail::new("eva@oak.example", "CS-0000001");
        h.deliver(BERT, &small);
        let outcome = h.outcome_of(&client, &small.id()).await;
        assert_eq!(outcome.agent, leaves.name);
        let none = refused(&outcome.note, 0).await;
        assert_eq!(
            (none.code(), reason(&none).as_str()),
            (Code::FailedPrecondition, "FULL_MESSAGE_NOT_KEPT")
        );
        let kept: Vec<bool> = h.notes(&client).await.iter().map(|note| note.full_message_kept).collect();
        assert_eq!(kept, [true, false]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_have_text_history_and_pages() {
    let h = Harness::new().await;
    let client = h.seed().await;
    let agent = h.agent(&client, ANNA).await;
    let history = "> the old text\r\n".repeat(30);
    let answer = format!("{}\r\n\r\nOn Mon, Anna wrote:\r\n{history}", "The new text. ".repeat(100));
    let mail = Mail::new("eva@oak.example", "Re: CS-0000001").body(&answer);
    let (_, outcome) = h.sweep_one(&client, &mail).await;
    let request = GetNoteRequest {
        name: outcome.note.clone(),
    };
    let note = client.clone().sweep.get_note(request).await.unwrap().into_inner();
    assert!(note.text.len() > 1300 && !note.text.contains("old text"), "{note:#?}");
    assert!(
        note.quoted_text.len() > 400 && note.quoted_text.contains("the old text"),
        "{note:#?}"
    );
    assert!(!note.quoted_text_truncated);
    assert_eq!(note.message, outcome.message);
    let listed = &h.notes(&client).await[0];
    assert_eq!((listed.text.chars().count(), listed.quoted_text.chars().count()), (1024, 256));
    assert!(note.quoted_text.starts_with(&listed.quoted_text) && listed.quoted_text_truncated);
    for index in 0..4 {
        let case = if index % 2 == 0 { "CS-0000001" } else { "CS-0000002" };
        h.deliver(ANNA, &Mail::new("eva@oak.example", case));
    }
    h.handled(&client, &agent.name, 5).await;
    let list = async |case: &str, agent: &str| {
        let (mut cases, mut token) = (Vec::new(), String::new());
        loop {
            let request = ListNotesRequest {
                page_size: 2,
                page_token: token,
                filter: Some(NoteFilter {
                    case: case.to_owned(),
                    agent: agent.to_owned(),
                }),
            };
            let page = client.clone().sweep.list_notes(request).await.unwrap().into_inner();
            assert!(page.notes.len() <= 2);
            cases.extend(page.notes.into_iter().map(|note| note.case));
            token = page.next_page_token;
            if token.is_empty() {
                return cases;
            }
        }
    };
    assert_eq!(list("", "").await.len(), 5);
    assert_eq!(list("cases/case-oak", "").await, ["cases/case-oak"; 3]);
    assert_eq!(list("cases/case-elm", &agent.name).await, ["cases/case-elm"; 2]);
    assert_eq!(list("", "agents/01ARZ3NDEKTSV4RRFFQ69G5FAV").await, Vec::<String>::new());
}

/// Lists and servers add footers and banners to what they pass on.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_to_which_something_was_added_makes_no_second_note() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let agents = [h.agent(&client, ANNA).await, h.agent(&client, BERT).await];
        let said = Mail::new("eva@oak.example", "CS-0000001").body("The pump is dry.\r\n");
        let with_footer = said
            .clone()
            .header("Subject", "[EXTERNAL] CS-0000001")
            .body("The pump is\r\ndry.\r\n____\r\nTo leave the list of Oak, write to us.\r\n");
        let another = said.clone().body("The pump is wet.\r\n");
        h.deliver(ANNA, &with_footer);
        h.handled(&client, &agents[0].name, 1).await;
        h.deliver(BERT, &said);
        h.deliver(BERT, &another);
        h.handled(&client, &agents[1].name, 2).await;
        let mut texts: Vec<String> = h.notes(&client).await.into_iter().map(|note| note.text).collect();
        texts.sort();
        assert_eq!(texts.len(), 2, "{texts:?}");
        assert!(texts[0].contains("leave the list") && texts[1].contains("wet"), "{texts:?}");
        assert_eq!(archived(&client).await, 3, "every copy is kept");
        let outcomes = h.outcomes(&client).await;
        let copy = outcomes
            .iter()
            .find(|outcome| outcome.result() == OutcomeResult::Duplicate)
            .unwrap();
        assert_eq!(copy.case, "cases/case-oak");
        assert!(copy.detail.contains("added on the way") && !copy.message.is_empty(), "{copy:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_mail_in_two_mailboxes_makes_one_note() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let agents = [h.agent(&client, ANNA).await, h.agent(&client, BERT).await];
        for _ in 0..10 {
            let mail = Mail::new("eva@oak.example", "CS-0000001").header("To", "anna@example.com, bert@example.com");
            h.deliver(ANNA, &mail);
            h.deliver(BERT, &mail);
        }
        for agent in &agents {
            h.handled(&client, &agent.name, 10).await;
        }
        let mut results: Vec<OutcomeResult> = h.outcomes(&client).await.iter().map(Outcome::result).collect();
        results.sort_unstable_by_key(|result| *result as i32);
        assert_eq!(results, [[OutcomeResult::Matched; 10], [OutcomeResult::Duplicate; 10]].concat());
        assert_eq!((h.notes(&client).await.len(), archived(&client).await), (10, 10));
        let messages = client
            .clone()
            .archive
            .list_messages(mailagent_client::v1::ListMessagesRequest::default())
            .await
            .unwrap();
        for message in messages.into_inner().messages {
            let mut found = message.agents;
            found.sort();
            assert_eq!(found, agents.clone().map(|agent| agent.name), "both mailboxes are named");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moved_and_listed_again_mail_is_not_handled_twice() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let agent = h.agent(&client, ANNA).await;
        let mails: Vec<Mail> = (0..12).map(|_| Mail::new("eva@oak.example", "CS-0000001")).collect();
        let ids: Vec<String> = mails.iter().map(|mail| h.deliver(ANNA, mail)).collect();
        h.handled(&client, &agent.name, 12).await;
        // To another folder and back: new ids each time.
        for id in &ids[..4] {
            let moved = h.exchange.move_item(ANNA, id, FolderKind::Sent).unwrap();
            h.exchange.move_item(ANNA, &moved, FolderKind::Inbox).unwrap();
        }
        h.exchange.touch_item(ANNA, &ids[5]);
        // The server forgets where we stood, then lists everything again.
        h.exchange.reset_sync_state(ANNA);
        h.exchange
            .script(Fault::next("SyncFolderItems", 3, FaultKind::StaleSyncStateFullListing));
        let last = Mail::new("eva@oak.example", "CS-0000001");
        let (result, _) = h.sweep_one(&client, &last).await;
        assert_eq!(result, OutcomeResult::Matched);
        h.restart().await;
        let client = h.client().await;
        h.exchange.reset_sync_state(ANNA);
        let (result, _) = h.sweep_one(&client, &Mail::new("eva@oak.example", "CS-0000001")).await;
        assert_eq!(result, OutcomeResult::Matched);
        assert_eq!(h.notes(&client).await.len(), 14);
        assert_eq!(archived(&client).await, 14);
    })
    .await;
}

async fn sweep(client: &Clients, agent: &str) -> Result<Vec<SweepAgentResponse>, Status> {
    let request = SweepAgentRequest { name: agent.to_owned() };
    let mut stream = client.clone().sweep.sweep_agent(request).await?.into_inner();
    let mut progress = Vec::new();
    while let Some(response) = take(&mut stream).await {
        progress.push(response?);
    }
    Ok(progress)
}

#[tokio::test(flavor = "multi_thread")]
async fn sweeping_now_tells_its_progress() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let mut made = h.agent_for(ANNA);
        made.disabled = true;
        h.exchange.add_mailbox(ANNA, ANNA, "password of anna@example.com");
        let agent = h.create(&client, made).await;
        let paused = sweep(&client, &agent.name).await.unwrap_err();
        assert_eq!(
            (paused.code(), reason(&paused).as_str()),
            (Code::FailedPrecondition, "AGENT_NOT_ACTIVE")
        );
        assert_eq!(metadata(&paused, "resource"), agent.name);
        for index in 0..50 {
            let case = if index % 10 == 0 { "CS-0000001" } else { "none" };
            h.deliver(ANNA, &Mail::new("eva@oak.example", case));
        }
        let switch_on = mailagent_client::v1::UpdateAgentRequest {
            agent: Some(mailagent_client::v1::Agent {
                name: agent.name.clone(),
                ..mailagent_client::v1::Agent::default()
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["disabled".to_owned()],
            }),
        };
        client.clone().agents.update_agent(switch_on).await.unwrap();
        let progress = sweep(&client, &agent.name).await.unwrap();
        let (last, before) = progress.split_last().unwrap();
        assert!(last.done && last.problem.is_empty(), "{progress:?}");
        assert!(before.iter().all(|response| !response.done), "{progress:?}");
        assert!(progress.is_sorted_by_key(|response| response.handled_count), "{progress:?}");
        // The job may have been faster with a part of them, but none is left.
        h.handled(&client, &agent.name, 50).await;
        assert!(
            last.handled_count <= 50 && last.matched_count <= 5 && last.archived_count <= 50,
            "{progress:?}"
        );
        assert_eq!(h.notes(&client).await.len(), 5);
        let again = sweep(&client, &agent.name).await.unwrap();
        let nothing = SweepAgentResponse {
            done: true,
            ..SweepAgentResponse::default()
        };
        assert_eq!(again, [nothing]);

        h.exchange.set_password(ANNA, "another");
        let failed = sweep(&client, &agent.name).await.unwrap();
        let last = failed.last().unwrap();
        assert!(
            !last.done && last.problem.contains("rejects the user name or the password"),
            "{failed:?}"
        );
        let unknown = sweep(&client, "agents/01ARZ3NDEKTSV4RRFFQ69G5FAV").await.unwrap_err();
        assert_eq!(unknown.code(), Code::NotFound);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn automatic_mail_is_marked() {
    let h = Harness::new().await;
    let client = h.seed().await;
    h.agent(&client, ANNA).await;
    let mail = || Mail::new("eva@oak.example", "CS-0000001");
    let rows = [
        (mail(), AutomaticKind::Unspecified),
        (mail().header("Auto-Submitted", "auto-replied"), AutomaticKind::AutoReply),
        (mail().header("Return-Path", "<>"), AutomaticKind::Bounce),
        (mail().header("Precedence", "bulk"), AutomaticKind::List),
        (
            mail()
                .header("Content-Type", "multipart/report; report-type=disposition-notification; boundary=b")
                .body(
                    "--b\r\n\r\nIt was read.\r\n--b\r\nContent-Type: message/disposition-notification\r\n\r\nDisposition: x\r\n--b--\r\n",
                ),
            AutomaticKind::Report,
        ),
    ];
    for (mail, expected) in rows {
        let (result, outcome) = h.sweep_one(&client, &mail).await;
        assert_eq!((result, outcome.automatic_kind()), (OutcomeResult::Matched, expected));
        let request = GetNoteRequest { name: outcome.note };
        let note = client.clone().sweep.get_note(request).await.unwrap().into_inner();
        assert_eq!(note.automatic_kind(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn loops_are_cut_off_by_time_of_receipt() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let limits = |per_case: i32, per_sender: i32| TenantSettings {
            loop_limit_per_sender_and_case: Some(per_case),
            loop_limit_per_sender: Some(per_sender),
            ..TenantSettings::default()
        };
        h.change_settings(&client, limits(3, 5)).await;
        let agent = h.agent(&client, ANNA).await;
        let send = async |from: &str, case: &str| h.sweep_one(&client, &Mail::new(from, case)).await.0;
        use OutcomeResult::{Loop, Matched};
        for expected in [Matched, Matched, Matched, Loop, Loop] {
            assert_eq!(send("eva@oak.example", "CS-0000001").await, expected);
        }
        for expected in [Matched, Matched, Loop] {
            assert_eq!(send("eva@oak.example", "CS-0000002").await, expected, "five in all");
        }
        assert_eq!(send("other@oak.example", "CS-0000001").await, Matched, "another sender");
        h.clock.advance(Duration::from_secs(3601));
        assert_eq!(send("eva@oak.example", "CS-0000001").await, Matched, "an hour later");
        h.change_settings(&client, limits(0, 0)).await;
        for _ in 0..6 {
            assert_eq!(send("eva@oak.example", "CS-0000001").await, Matched, "without limits");
        }
        let health = h.get_agent(&client, &agent.name).await.health.unwrap();
        assert_eq!(health.set_aside_count, 3);
        // In one batch as well.
        h.change_settings(&client, limits(20, 0)).await;
        h.clock.advance(Duration::from_hours(2));
        for _ in 0..30 {
            h.deliver(ANNA, &Mail::new("eva@oak.example", "CS-0000001"));
        }
        h.handled(&client, &agent.name, 46).await;
        let health = h.get_agent(&client, &agent.name).await.health.unwrap();
        assert_eq!(health.set_aside_count, 13);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_senders_are_refused_or_marked() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        h.agent(&client, ANNA).await;
        let forged = |from: &str| Mail::new(from, "CS-0000001").header("Authentication-Results", "mx.example.com; dmarc=fail");
        let settings = |check: SenderCheck| TenantSettings {
            trusted_authserv_ids: vec!["mx.example.com".to_owned()],
            sender_check: check.into(),
            ..TenantSettings::default()
        };
        let (result, _) = h.sweep_one(&client, &forged("eva@oak.example")).await;
        assert_eq!(result, OutcomeResult::Matched, "nobody is trusted to say so");
        h.change_settings(&client, settings(SenderCheck::Refuse)).await;
        let (result, outcome) = h.sweep_one(&client, &forged("eva@oak.example")).await;
        assert_eq!((result, outcome.note.as_str()), (OutcomeResult::SenderNotAuthentic, ""));
        let below = forged("eva@oak.example").header("Authentication-Results", "other.example.org; dmarc=fail");
        assert_eq!(
            h.sweep_one(&client, &below).await.0,
            OutcomeResult::Matched,
            "of a server that is not trusted"
        );
        let proven = forged("eva@oak.example").header("Authentication-Results", "mx.example.com; dmarc=pass");
        assert_eq!(h.sweep_one(&client, &proven).await.1.contact, "contacts/eva");
        h.change_settings(&client, settings(SenderCheck::Warn)).await;
        for from in ["eva@oak.example", "stranger@oak.example"] {
            let (result, outcome) = h.sweep_one(&client, &forged(from)).await;
            assert_eq!(
                (result, outcome.contact.as_str()),
                (OutcomeResult::Matched, ""),
                "{from} is nobody's contact"
            );
            let request = GetNoteRequest { name: outcome.note };
            assert!(
                client
                    .clone()
                    .sweep
                    .get_note(request)
                    .await
                    .unwrap()
                    .into_inner()
                    .sender_not_authentic
            );
        }
        assert_eq!(h.notes(&client).await.iter().filter(|note| note.contact_created).count(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_agent_leaves_what_it_made() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let agent = h.agent(&client, ANNA).await;
        let (_, outcome) = h.sweep_one(&client, &Mail::new("eva@oak.example", "CS-0000001")).await;
        let request = DeleteAgentRequest {
            name: agent.name.clone(),
            etag: String::new(),
        };
        client.clone().agents.delete_agent(request).await.unwrap();
        assert_eq!(archived(&client).await, 1);
        assert_eq!(h.outcomes(&client).await, std::slice::from_ref(&outcome));
        let request = DownloadNoteMessageRequest {
            name: outcome.note,
            offset_bytes: 0,
        };
        download(client.clone().sweep.download_note_message(request).await.unwrap().into_inner(), 0).await;
        // Its work has stopped: nothing is asked of the server any more while another mailbox is read again and again.
        h.agent(&client, BERT).await;
        let requests = |address: &str| h.exchange.requests().iter().filter(|request| request.login == address).count();
        eventually(PATIENCE, "the mailbox is left alone", async || {
            let before = requests(ANNA);
            let goal = requests(BERT) + 10;
            eventually(PATIENCE, "the other mailbox is read", async || {
                if requests(BERT) < goal { Err(goal) } else { Ok(()) }
            })
            .await;
            let after = requests(ANNA);
            if before == after { Ok(()) } else { Err(after - before) }
        })
        .await;
        h.deliver(ANNA, &Mail::new("eva@oak.example", "CS-0000001"));
        // A new agent for the same mailbox repeats nothing.
        let again = h.agent(&client, ANNA).await;
        h.handled(&client, &again.name, 2).await;
        assert_eq!((h.notes(&client).await.len(), archived(&client).await), (2, 2));
        let results: Vec<OutcomeResult> = h.outcomes(&client).await.iter().map(Outcome::result).collect();
        assert_eq!(
            results.iter().filter(|result| **result == OutcomeResult::Duplicate).count(),
            1,
            "{results:?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_agent_is_for_is_read() {
    let h = Harness::new().await;
    let client = h.seed().await;
    // Sweeps only: nothing of other folders.
    let sweeps = h.agent_with(&client, ANNA, |settings| settings.archive = Some(false)).await;
    // Archives only: no outcomes, all folders of interest.
    let archives = h
        .agent_with(&client, BERT, |settings| {
            settings.case_sweep = false;
            settings.sweep_options = None;
        })
        .await;
    for address in [ANNA, BERT] {
        h.deliver_raw(address, FolderKind::Inbox, Mail::new("eva@oak.example", "CS-0000001").bytes());
        h.deliver_raw(
            address,
            FolderKind::Sent,
            Mail::new(address, "CS-0000001").header("To", "eva@oak.example").bytes(),
        );
        h.deliver_raw(address, FolderKind::Drafts, Mail::new(address, "CS-0000001").bytes());
    }
    h.handled(&client, &sweeps.name, 1).await;
    h.handled(&client, &archives.name, 2).await;
    let outcomes = h.outcomes(&client).await;
    assert_eq!(outcomes.len(), 1);
    assert_eq!(
        (outcomes[0].agent.as_str(), outcomes[0].result()),
        (sweeps.name.as_str(), OutcomeResult::Matched)
    );
    assert_eq!(archived(&client).await, 2);
}
