//! Streams: where they begin, that nothing is skipped whatever breaks, and how they end.

use std::time::{Duration, Instant};

use mailagent::testing::domain::Scope;
use mailagent_client::tonic_types::StatusExt;
use mailagent_client::{
    Clients, EARLIEST, LATEST,
    v1::{
        MatchFilter, StreamMessagesRequest, StreamMessagesResponse, TenantSettings, WatchChangesRequest, WatchChangesResponse,
        WatchMatchesRequest, WatchMatchesResponse,
    },
};
use tokio::time::timeout;
use tonic::{Code, Status, Streaming};

use crate::harness::{Choices, Engine, Harness, Mail, PATIENCE, TENANT, events, metadata, on_both_engines, reason, take};

const ANNA: &str = "anna@example.com";

async fn matches(client: &Clients, cursor: &str) -> Result<Streaming<WatchMatchesResponse>, Status> {
    let request = WatchMatchesRequest {
        cursor: cursor.to_owned(),
        filter: None,
    };
    Ok(client.clone().sweep.watch_matches(request).await?.into_inner())
}

async fn changes(client: &Clients, cursor: &str) -> Result<Streaming<WatchChangesResponse>, Status> {
    let cursor = cursor.to_owned();
    Ok(client
        .clone()
        .directory
        .watch_changes(WatchChangesRequest { cursor })
        .await?
        .into_inner())
}

async fn messages(client: &Clients, cursor: &str) -> Result<Streaming<StreamMessagesResponse>, Status> {
    let request = StreamMessagesRequest {
        cursor: cursor.to_owned(),
        filter: None,
    };
    Ok(client.clone().archive.stream_messages(request).await?.into_inner())
}

async fn next<T>(stream: &mut Streaming<T>) -> T {
    take(stream).await.expect("the stream goes on").expect("the stream is well")
}

/// The Message-ID of the next match, and its cursor.
async fn next_match(stream: &mut Streaming<WatchMatchesResponse>) -> (String, String) {
    loop {
        let response = next(stream).await;
        if let Some(matched) = response.r#match {
            return (matched.note.unwrap().message_id, response.cursor);
        }
    }
}

fn about_oak() -> Mail {
    Mail::new("eva@oak.example", "CS-0000001")
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_say_where_a_stream_begins() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        h.agent(&client, ANNA).await;
        let mails = [about_oak(), about_oak(), about_oak()];
        for mail in &mails[..2] {
            h.sweep_one(&client, mail).await;
        }
        let mut earliest = matches(&client, EARLIEST).await.unwrap();
        let mut empty = matches(&client, "").await.unwrap();
        let mut latest = matches(&client, LATEST).await.unwrap();
        let (first, after_first) = next_match(&mut earliest).await;
        assert_eq!(first, mails[0].id());
        let mut resumed = matches(&client, &after_first).await.unwrap();
        for stream in [&mut earliest, &mut resumed] {
            assert_eq!(next_match(stream).await.0, mails[1].id());
        }
        // A bookmark tells where they stand before anything is new.
        for stream in [&mut empty, &mut latest] {
            assert_eq!(next(stream).await.r#match, None);
        }
        h.sweep_one(&client, &mails[2]).await;
        for stream in [&mut earliest, &mut empty, &mut latest, &mut resumed] {
            assert_eq!(next_match(stream).await.0, mails[2].id());
        }
        // Event ids stay the same.
        let mut ids = Vec::new();
        for _ in 0..2 {
            let mut stream = client.watch_matches(WatchMatchesRequest {
                cursor: EARLIEST.to_owned(),
                filter: None,
            });
            ids.push(
                events(&mut stream, 3)
                    .await
                    .into_iter()
                    .map(|matched| matched.event_id)
                    .collect::<Vec<_>>(),
            );
        }
        assert_eq!(ids[0], ids[1]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_history_is_told_at_once() {
    let h = Harness::with(Choices {
        // So seldom that none of those is seen here.
        configure: Box::new(|config| config.events.bookmark_interval = Duration::from_hours(1)),
        ..Choices::of(Engine::Sqlite)
    })
    .await;
    let client = h.seed().await;
    h.agent(&client, ANNA).await;
    for _ in 0..2 {
        h.sweep_one(&client, &about_oak()).await;
    }
    let mut stream = matches(&client, EARLIEST).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(next(&mut stream).await);
    }
    let entries: Vec<bool> = seen.iter().map(|response| response.r#match.is_some()).collect();
    assert_eq!(
        entries,
        [false, true, true, false],
        "it begins with a bookmark, and has one behind the history"
    );
    // Afterwards entries come without one each.
    for _ in 0..2 {
        h.sweep_one(&client, &about_oak()).await;
        assert!(next(&mut stream).await.r#match.is_some());
    }
    // From a cursor at the end, the two bookmarks come one after the other.
    let mut stream = matches(&client, LATEST).await.unwrap();
    for _ in 0..2 {
        assert_eq!(next(&mut stream).await.r#match, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_of_others_are_refused() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let other = h.client_as("other", "anna", Scope::ALL).await;
        let of_matches = next(&mut matches(&client, "").await.unwrap()).await.cursor;
        let of_changes = next(&mut changes(&client, "").await.unwrap()).await.cursor;
        let of_messages = next(&mut messages(&client, LATEST).await.unwrap()).await.cursor;
        let mut changed = of_matches.clone().into_bytes();
        let last = changed.len() - 1;
        changed[last / 2] ^= 1;
        let changed = String::from_utf8(changed).unwrap();
        let long = "x".repeat(10_000);
        let mut refused = Vec::new();
        for wrong in [&of_changes, &of_messages, &changed, "rubbish", "earliest", long.as_str()] {
            refused.push((wrong, matches(&client, wrong).await.err()));
        }
        refused.push(("foreign", matches(&other, &of_matches).await.err()));
        refused.push(("foreign", changes(&other, &of_changes).await.err()));
        refused.push(("foreign", messages(&other, &of_messages).await.err()));
        refused.push((&of_matches, changes(&client, &of_matches).await.err()));
        refused.push((&of_matches, messages(&client, &of_matches).await.err()));
        for (cursor, status) in refused {
            let status = status.unwrap_or_else(|| panic!("{cursor} was taken"));
            assert_eq!(
                (status.code(), reason(&status).as_str()),
                (Code::InvalidArgument, "CURSOR_INVALID"),
                "{cursor}"
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_cursors_name_the_oldest() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        h.agent(&client, ANNA).await;
        let begin = next(&mut matches(&client, "").await.unwrap()).await.cursor;
        let of_messages = next(&mut messages(&client, LATEST).await.unwrap()).await.cursor;
        let old = about_oak();
        h.sweep_one(&client, &old).await;
        h.clock.advance(h.config.events.keep + Duration::from_secs(1));
        let new = about_oak();
        h.sweep_one(&client, &new).await;
        // Old events are dropped when the service starts, and every hour.
        h.restart().await;
        let client = h.client().await;
        let expired = crate::harness::eventually(PATIENCE, "old events are dropped", async || match matches(&client, &begin).await {
            Err(status) => Ok(status),
            Ok(_) => Err("they are still there"),
        })
        .await;
        assert_eq!((expired.code(), reason(&expired).as_str()), (Code::OutOfRange, "CURSOR_EXPIRED"));
        for cursor in [metadata(&expired, "oldestCursor").as_str(), EARLIEST] {
            let (id, _) = next_match(&mut matches(&client, cursor).await.unwrap()).await;
            assert_eq!(id, new.id(), "what is kept begins there");
        }
        // Messages are kept, however old.
        let mut stream = client.stream_messages(StreamMessagesRequest {
            cursor: of_messages,
            filter: None,
        });
        let ids: Vec<String> = events(&mut stream, 2).await.into_iter().map(|message| message.message_id).collect();
        assert_eq!(ids, [old.id(), new.id()]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bookmarks_come_though_everything_is_filtered_out() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let agent = h.agent(&client, ANNA).await;
        let filter = |filter: MatchFilter| WatchMatchesRequest {
            cursor: EARLIEST.to_owned(),
            filter: Some(filter),
        };
        let elm = MatchFilter {
            customer: "customers/elm".to_owned(),
            ..MatchFilter::default()
        };
        let mut stream = client.clone().sweep.watch_matches(filter(elm)).await.unwrap().into_inner();
        let before = next(&mut stream).await;
        assert_eq!(before.r#match, None);
        h.sweep_one(&client, &about_oak()).await;
        // A bookmark behind the match: who goes on from there does not get it, without any filter.
        let bookmark = crate::harness::eventually(PATIENCE, "a bookmark behind the match", async || {
            let response = next(&mut stream).await;
            assert_eq!(response.r#match, None);
            let mut rest = matches(&client, &response.cursor).await.unwrap();
            match (next(&mut rest).await.r#match, next(&mut rest).await.r#match) {
                (None, None) => Ok(response.cursor),
                other => Err(other),
            }
        })
        .await;
        let later = about_oak();
        h.sweep_one(&client, &later).await;
        assert_eq!(next_match(&mut matches(&client, &bookmark).await.unwrap()).await.0, later.id());

        let own = |case: &str, agent: &str| MatchFilter {
            case: case.to_owned(),
            agent: agent.to_owned(),
            customer: "customers/oak".to_owned(),
        };
        let mut passing = client.watch_matches(filter(own("cases/case-oak", &agent.name)));
        assert_eq!(events(&mut passing, 2).await.len(), 2);
        let malformed = client.clone().sweep.watch_matches(filter(own("case-oak", ""))).await.unwrap_err();
        assert_eq!(crate::harness::violations(&malformed), ["filter.case"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_is_not_noticed_by_who_resumes() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        h.agent(&client, ANNA).await;
        let mut watch = client.watch_matches(WatchMatchesRequest {
            cursor: EARLIEST.to_owned(),
            filter: None,
        });
        let mut expected = Vec::new();
        let mut seen = Vec::new();
        for round in 0..3 {
            for _ in 0..3 {
                let mail = about_oak();
                h.deliver(ANNA, &mail);
                expected.push(mail.id());
            }
            // Some are read before the stop, some are made while nobody reads, some while the service is away.
            if round != 1 {
                seen.extend(events(&mut watch, 1).await);
            }
            h.stop().await;
            let mail = about_oak();
            h.deliver(ANNA, &mail);
            expected.push(mail.id());
            h.start().await;
        }
        seen.extend(events(&mut watch, expected.len() - seen.len()).await);
        let mut seen: Vec<String> = seen.into_iter().map(|matched| matched.note.unwrap().message_id).collect();
        seen.sort();
        expected.sort();
        assert_eq!(seen, expected, "each once: this client reads all that is sent");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_streams_after_what_was_committed() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let unlimited = TenantSettings {
            loop_limit_per_sender_and_case: Some(0),
            ..TenantSettings::default()
        };
        h.change_settings(&client, unlimited).await;
        let agent = h.agent(&client, ANNA).await;
        let mut watches = Vec::new();
        for _ in 0..3 {
            watches.push(matches(&client, EARLIEST).await.unwrap());
        }
        let mut changes = changes(&client, EARLIEST).await.unwrap();
        let mut messages = messages(&client, EARLIEST).await.unwrap();
        for _ in 0..30 {
            h.deliver(ANNA, &about_oak());
        }
        h.handled(&client, &agent.name, 30).await;
        let began = Instant::now();
        h.begin_stop();
        let check = |status: Status| {
            assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "SHUTTING_DOWN"));
            assert!(
                status.get_details_retry_info().and_then(|info| info.retry_delay).is_some(),
                "{status:?}"
            );
        };
        macro_rules! drain {
            ($stream:expr, $event:ident) => {{
                let mut count = 0;
                loop {
                    match take($stream).await.expect("a stream ends with a status") {
                        Ok(response) => count += usize::from(response.$event.is_some()),
                        Err(status) => {
                            check(status);
                            break count;
                        }
                    }
                }
            }};
        }
        for watch in &mut watches {
            assert_eq!(drain!(watch, r#match), 30);
        }
        assert_eq!((drain!(&mut changes, change), drain!(&mut messages, message)), (30, 30));
        let stopped = h.stop().await;
        assert_eq!((stopped.cut_off, stopped.died), (Vec::new(), None));
        assert!(began.elapsed() < h.config.server.shutdown_grace, "{:?}", began.elapsed());
        h.start().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_holds_up_nobody() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let agent = h.agent(&client, ANNA).await;
        // On connections of their own, as HTTP/2 lets what is not read of one stream hold up the others of its connection.
        let mut idle = Vec::new();
        for _ in 0..5 {
            idle.push(messages(&h.client().await, EARLIEST).await.unwrap());
        }
        let mut eager = client.stream_messages(StreamMessagesRequest::default());
        let names = "Recipient With A Long Name <somebody@example.org>, ".repeat(99) + "last@example.org";
        for _ in 0..300 {
            h.deliver(ANNA, &about_oak().header("To", &names));
        }
        assert_eq!(events(&mut eager, 300).await.len(), 300);
        h.handled(&client, &agent.name, 300).await;
        // What waited was not lost.
        let mut count = 0;
        while count < 300 {
            count += usize::from(next(&mut idle[0]).await.message.is_some());
        }
        // Nor does it hold up a stop, with streams full of what is not read.
        let stopped = timeout(h.config.server.shutdown_grace + Duration::from_secs(2), h.stop())
            .await
            .expect("it stops in time");
        assert_eq!(stopped.died, None);
        h.start().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_has_a_number_of_streams() {
    let mut choices = Choices::of(Engine::Sqlite);
    choices.configure = Box::new(|config| config.server.max_streams_per_caller = 3);
    let h = Harness::with(choices).await;
    let client = h.seed().await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(matches(&client, "").await.unwrap());
    }
    let refused = matches(&client, "").await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::ResourceExhausted, "TOO_MANY_STREAMS")
    );
    assert_eq!(metadata(&refused, "limit"), "3");
    assert!(refused.get_details_quota_failure().is_some(), "{refused:?}");
    // Another caller has a number of its own, and a closed stream makes room.
    matches(&h.client_as(TENANT, "bert", Scope::ALL).await, "").await.unwrap();
    open.pop();
    crate::harness::eventually(PATIENCE, "there is room again", async || matches(&client, "").await.map(drop)).await;
}
