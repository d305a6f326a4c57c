//! ArchiveService: lists, search, one message in parts, its bytes, and the stream of all.

use mailagent_client::{
    Clients, LATEST,
    v1::{
        DownloadAttachmentRequest, DownloadMessageRequest, GetArchiveStatisticsRequest, GetMessageRequest, ListMessagesRequest, Message,
        MessageDirection, MessageFilter, MessageView, SearchMessagesRequest, StreamMessagesRequest, UpdateAgentRequest,
    },
};
use mailagent_sim::exchange::FolderKind;
use prost_types::{FieldMask, Timestamp};
use tonic::{Code, Status};

use crate::harness::{
    Harness, Mail, PATIENCE, contact, download, events, eventually, metadata, on_both_engines, raw, reason, take, violations,
};

const ANNA: &str = "anna@example.com";
const BERT: &str = "bert@example.com";
const NOBODY: &str = "messages/01ARZ3NDEKTSV4RRFFQ69G5FAV";

async fn list(client: &Clients, page_size: i32, filter: MessageFilter) -> Vec<Message> {
    let (mut messages, mut request) = (
        Vec::new(),
        ListMessagesRequest {
            page_size,
            page_token: String::new(),
            filter: Some(filter),
        },
    );
    loop {
        let page = client.clone().archive.list_messages(request.clone()).await.unwrap().into_inner();
        assert!(page_size == 0 || page.messages.len() <= usize::try_from(page_size).unwrap());
        messages.extend(page.messages);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return messages;
        }
    }
}

fn subjects(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.subject.as_str()).collect()
}

async fn search(client: &Clients, query: &str, page_size: i32, filter: Option<MessageFilter>) -> Result<Vec<Message>, Status> {
    let mut request = SearchMessagesRequest {
        query: query.to_owned(),
        page_size,
        page_token: String::new(),
        filter,
    };
    let mut messages = Vec::new();
    loop {
        let page = client.clone().archive.search_messages(request.clone()).await?.into_inner();
        messages.extend(page.messages);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(messages);
        }
    }
}

/// The time of the n-th sample message, which is in its Date as well.
fn at(minute: i64) -> Option<Timestamp> {
    let seconds = 1_795_424_400 + 60 * minute;
    Some(Timestamp { seconds, nanos: 0 })
}

fn sample(minute: u32, from: &str, to: &str, subject: &str) -> Mail {
    Mail::new(from, subject)
        .header("To", to)
        .header("Date", &format!("Mon, 23 Nov 2026 09:{minute:02}:00 +0000"))
}

/// Mail of all directions in two mailboxes. Returns the caller and the agents' names.
async fn fill(h: &Harness) -> (Clients, [String; 2]) {
    let client = h.seed().await;
    let agents = [h.agent(&client, ANNA).await.name, h.agent(&client, BERT).await.name];
    let attached =
        "--b\r\n\r\ntext\r\n--b\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename=values.csv\r\n\r\n1,2\r\n--b--\r\n";
    let mail = [
        (ANNA, FolderKind::Inbox, sample(0, "eva@oak.example", ANNA, "oak to anna")),
        (ANNA, FolderKind::Inbox, sample(1, "stranger@ash.example", ANNA, "ash to anna")),
        (
            ANNA,
            FolderKind::Sent,
            sample(2, ANNA, "eva@oak.example, tom@elm.example", "anna to both"),
        ),
        (ANNA, FolderKind::Sent, sample(3, ANNA, BERT, "anna to bert")),
        (
            BERT,
            FolderKind::Inbox,
            sample(4, "tom@elm.example", BERT, "elm to bert")
                .header("Content-Type", "multipart/mixed; boundary=b")
                .body(attached),
        ),
    ];
    for (address, folder, mail) in mail {
        h.deliver_raw(address, folder, mail.bytes());
    }
    h.handled(&client, &agents[0], 4).await;
    h.handled(&client, &agents[1], 1).await;
    (client, agents)
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_have_filters_and_pages() {
    on_both_engines(async |h| {
        let (client, agents) = fill(h).await;
        let any = MessageFilter::default;
        let all = ["elm to bert", "anna to bert", "anna to both", "ash to anna", "oak to anna"];
        let direction = |direction: MessageDirection| MessageFilter {
            direction: direction.into(),
            ..any()
        };
        let customer = |id: &str| MessageFilter {
            customer: format!("customers/{id}"),
            ..any()
        };
        let rows = [
            (any(), all.to_vec()),
            (customer("oak"), vec!["anna to both", "oak to anna"]),
            (customer("elm"), vec!["elm to bert", "anna to both"]),
            (customer("ash"), vec![]),
            (
                MessageFilter {
                    contact: "contacts/eva".into(),
                    ..any()
                },
                vec!["anna to both", "oak to anna"],
            ),
            (
                MessageFilter {
                    agent: agents[1].clone(),
                    ..any()
                },
                vec!["elm to bert"],
            ),
            (
                direction(MessageDirection::Incoming),
                vec!["elm to bert", "ash to anna", "oak to anna"],
            ),
            (direction(MessageDirection::Outgoing), vec!["anna to both"]),
            (direction(MessageDirection::Internal), vec!["anna to bert"]),
            (
                MessageFilter {
                    has_attachments: Some(true),
                    ..any()
                },
                vec!["elm to bert"],
            ),
            (
                MessageFilter {
                    has_attachments: Some(false),
                    ..any()
                },
                all[1..].to_vec(),
            ),
            (
                MessageFilter {
                    sent_after: at(3),
                    ..any()
                },
                all[..2].to_vec(),
            ),
            (
                MessageFilter {
                    sent_before: at(3),
                    ..any()
                },
                all[2..].to_vec(),
            ),
            (
                MessageFilter {
                    sent_after: at(1),
                    sent_before: at(2),
                    ..any()
                },
                vec!["ash to anna"],
            ),
            (MessageFilter { unlinked: true, ..any() }, vec!["anna to bert", "ash to anna"]),
            (
                MessageFilter {
                    direction: MessageDirection::Incoming.into(),
                    agent: agents[0].clone(),
                    ..customer("oak")
                },
                vec!["oak to anna"],
            ),
        ];
        for (filter, expected) in rows {
            for page_size in [0, 1, 2] {
                let messages = list(&client, page_size, filter.clone()).await;
                assert_eq!(subjects(&messages), expected, "{filter:?}");
            }
            // The stream has the same filter, oldest first.
            let mut stream = client.stream_messages(StreamMessagesRequest {
                cursor: String::new(),
                filter: Some(filter.clone()),
            });
            let mut streamed: Vec<String> = events(&mut stream, expected.len())
                .await
                .into_iter()
                .map(|message| message.subject)
                .collect();
            streamed.sort();
            let mut expected: Vec<&str> = expected;
            expected.sort_unstable();
            assert_eq!(streamed, expected, "{filter:?}");
        }
        let request = |page_size: i32, token: &str, filter: MessageFilter| ListMessagesRequest {
            page_size,
            page_token: token.to_owned(),
            filter: Some(filter),
        };
        let mut archive = client.archive.clone();
        let page = archive.list_messages(request(2, "", any())).await.unwrap().into_inner();
        let foreign = archive
            .list_messages(request(2, &page.next_page_token, customer("oak")))
            .await
            .unwrap_err();
        assert_eq!(reason(&foreign), "PAGE_TOKEN_INVALID");
        assert_eq!(
            violations(&archive.list_messages(request(-1, "", any())).await.unwrap_err()),
            ["page_size"]
        );
        let malformed = archive
            .list_messages(request(
                0,
                "",
                MessageFilter {
                    customer: "oak".into(),
                    ..any()
                },
            ))
            .await
            .unwrap_err();
        assert_eq!(violations(&malformed), ["filter.customer"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_has_its_facts() {
    on_both_engines(async |h| {
        let (client, agents) = fill(h).await;
        let message = list(
            &client,
            0,
            MessageFilter {
                customer: "customers/elm".into(),
                ..MessageFilter::default()
            },
        )
        .await
        .remove(1);
        assert_eq!(message.subject, "anna to both");
        assert_eq!((message.direction(), message.attachment_count), (MessageDirection::Outgoing, 0));
        assert_eq!(message.from.as_ref().unwrap().address, ANNA);
        let to: Vec<&str> = message.to.iter().map(|to| to.address.as_str()).collect();
        assert_eq!(to, ["eva@oak.example", "tom@elm.example"]);
        assert_eq!((message.sent_time, &message.agents), (at(2), &vec![agents[0].clone()]));
        assert!(message.preview.starts_with("This is message"), "{}", message.preview);
        let mut links: Vec<_> = message
            .customers
            .iter()
            .map(|link| (link.customer.as_str(), link.contact.as_str(), link.address.as_str()))
            .collect();
        links.sort_unstable();
        assert_eq!(
            links,
            [
                ("customers/elm", "contacts/tom", "tom@elm.example"),
                ("customers/oak", "contacts/eva", "eva@oak.example")
            ]
        );

        let statistics = client
            .clone()
            .archive
            .get_archive_statistics(GetArchiveStatisticsRequest {})
            .await
            .unwrap()
            .into_inner();
        let all = list(&client, 0, MessageFilter::default()).await;
        assert_eq!((statistics.message_count, statistics.unlinked_count), (5, 2));
        assert_eq!(statistics.size_bytes, all.iter().map(|message| message.size_bytes).sum::<i64>());
        assert_eq!(statistics.stored_bytes, all.iter().map(|message| message.stored_bytes).sum::<i64>());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn words_beginnings_phrases_and_accents_are_found() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let agent = h.agent(&client, ANNA).await;
        let mail = |minute: u32, from: &str, subject: &str, body: &str| {
            sample(minute, from, ANNA, subject)
                .header("Content-Type", "text/plain; charset=utf-8")
                .body(body)
        };
        let attachment = "--b\r\nContent-Type: text/plain\r\n\r\nsee there\r\n--b\r\nContent-Type: application/pdf\r\n\
            Content-Disposition: attachment; filename=\"Wartungsplan_2026.pdf\"\r\n\r\nx\r\n--b--\r\n";
        let mails = [
            mail(0, "Eva Oak <eva@oak.example>", "The water pump leaks", "It drips on the floor."),
            mail(
                1,
                "tom@elm.example",
                "=?utf-8?q?Schl=C3=BCssel_f=C3=BCr_die_T=C3=BCr?=",
                "Der Schlüssel ist weg. Señor Muñoz weiß mehr.",
            ),
            mail(2, "ina@oak.example", "pump, water", "Nothing about the first. Leaking!"),
            mail(3, "ina@oak.example", "values", attachment).header("Content-Type", "multipart/mixed; boundary=b"),
            mail(4, "zoe@ash.example", "<b>html</b>", "<p>invisible<b>word</b> &amp; more</p>").header("Content-Type", "text/html"),
        ];
        for mail in &mails {
            h.deliver(ANNA, mail);
        }
        h.handled(&client, &agent.name, 5).await;
        let rows: [(&str, &[&str]); 24] = [
            ("pump", &["2", "0"]),
            ("PUMP water", &["2", "0"]),
            ("\"water pump\"", &["0"]),
            ("\"pump water\"", &["2"]),
            ("leak", &[]),
            ("leak*", &["2", "0"]),
            ("leaks", &["0"]),
            ("schlussel", &["1"]),
            ("Schlüssel", &["1"]),
            ("SCHLÜSSEL tür", &["1"]),
            ("senor munoz", &["1"]),
            ("schlü*", &["1"]),
            ("eva@oak.example", &["0"]),
            ("Oak", &["3", "2", "0"]),
            ("eva pump", &["0"]),
            ("wartungsplan*", &["3"]),
            ("invisibleword", &["4"]),
            ("strong", &[]),
            ("pump -water", &["2", "0"]),
            ("pump OR values", &[]),
            ("a:b", &[]),
            ("pump & ! | ( ) <-> '", &["2", "0"]),
            ("\"water", &["2", "0"]),
            ("nowhere", &[]),
        ];
        let subjects = [
            "The water pump leaks",
            "Schlüssel für die Tür",
            "pump, water",
            "values",
            "<b>html</b>",
        ];
        for (query, expected) in rows {
            for page_size in [0, 1] {
                let found = search(&client, query, page_size, None)
                    .await
                    .unwrap_or_else(|error| panic!("{query}: {error:?}"));
                let found: Vec<&str> = found.iter().map(|message| message.subject.as_str()).collect();
                let expected: Vec<&str> = expected.iter().map(|index| subjects[index.parse::<usize>().unwrap()]).collect();
                assert_eq!(found, expected, "{query}");
            }
        }
        let of_oak = MessageFilter {
            customer: "customers/oak".to_owned(),
            ..MessageFilter::default()
        };
        let found = search(&client, "pump", 0, Some(of_oak)).await.unwrap();
        assert_eq!(self::subjects(&found), ["The water pump leaks"]);
        for query in ["", "  ", "\"\"", "*", &"a ".repeat(251)] {
            assert_eq!(
                violations(&search(&client, query, 0, None).await.unwrap_err()),
                ["query"],
                "{query:?}"
            );
        }
        let other = h.client_as("other", "anna", mailagent::testing::domain::Scope::ALL).await;
        assert_eq!(search(&other, "pump", 0, None).await.unwrap(), []);
    })
    .await;
}

/// A message with everything that the parsed view shows.
fn rich() -> Vec<u8> {
    raw(r#"From: =?utf-8?q?Z=C3=B6e?= <eva@oak.example>
To: anna@example.com
Subject: All
 of it
X-Twice: one
X-Twice: two
Message-ID: <rich@oak.example>
Date: Mon, 23 Nov 2026 09:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=outer

--outer
Content-Type: multipart/related; boundary=inner

--inner
Content-Type: text/html; charset=utf-8

<html><head><script>alert(1)</script></head><body onload="x()"><p>Hello <b>Anna</b></p>
<img src="cid:logo@x"><img src="https://tracker.example/pixel.gif"><a href="javascript:x()">bad</a><form action="/x"><input name="y"></form></body></html>
--inner
Content-Type: image/png
Content-ID: <logo@x>
Content-Disposition: inline; filename=logo.png
Content-Transfer-Encoding: base64

iVBORw0KGgo=
--inner--
--outer
Content-Type: application/octet-stream
Content-Disposition: attachment; filename="../../etc/m=?utf-8?q?=C3=BC?=ll.bin"
Content-Transfer-Encoding: base64

AAECAwQFBgcICQ==
--outer--
"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_shown_in_safe_parts() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let agent = h.agent(&client, ANNA).await;
        h.deliver_raw(ANNA, FolderKind::Inbox, rich());
        h.handled(&client, &agent.name, 1).await;
        let listed = list(&client, 0, MessageFilter::default()).await.remove(0);
        assert_eq!((listed.attachment_count, listed.content.as_ref()), (1, None));
        let get = async |view: MessageView| {
            let request = GetMessageRequest {
                name: listed.name.clone(),
                view: view.into(),
            };
            client.clone().archive.get_message(request).await.unwrap().into_inner()
        };
        for view in [MessageView::Unspecified, MessageView::Basic] {
            assert_eq!(get(view).await, listed);
        }
        let mut full = get(MessageView::Full).await;
        let content = full.content.take().unwrap();
        assert_eq!(full, listed);
        let headers: Vec<(&str, &str)> = content
            .headers
            .iter()
            .map(|field| (field.name.as_str(), field.value.as_str()))
            .collect();
        assert_eq!(headers[0], ("From", "Zöe <eva@oak.example>"));
        assert_eq!(headers[2..5], [("Subject", "All of it"), ("X-Twice", "one"), ("X-Twice", "two")]);
        assert!(content.text.contains("Hello") && content.text.contains("Anna"), "{}", content.text);
        assert!(content.html.contains("<b>Anna</b>"), "{}", content.html);
        for bad in ["script", "alert", "onload", "tracker", "javascript", "<form", "<input"] {
            assert!(!content.html.contains(bad), "{bad}: {}", content.html);
        }
        assert!(content.remote_content_blocked);
        let attachments: Vec<_> = content
            .attachments
            .iter()
            .map(|part| {
                (
                    part.index,
                    part.media_type.as_str(),
                    part.size_bytes,
                    part.content_id.as_str(),
                    part.inline,
                )
            })
            .collect();
        assert_eq!(
            attachments,
            [(0, "image/png", 8, "logo@x", true), (1, "application/octet-stream", 10, "", false)]
        );
        assert_eq!(content.attachments[0].file_name, "logo.png");
        let name = &content.attachments[1].file_name;
        assert!(name.ends_with("ll.bin") && !name.contains(['/', '\\']), "{name}");

        let expected: [&[u8]; 2] = [b"\x89PNG\r\n\x1a\n", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]];
        for (index, bytes) in (0..).zip(expected) {
            for offset in 0..=bytes.len() {
                let request = DownloadAttachmentRequest {
                    name: listed.name.clone(),
                    index,
                    offset_bytes: i64::try_from(offset).unwrap(),
                };
                let pieces = client.clone().archive.download_attachment(request).await.unwrap().into_inner();
                let (header, got) = download(pieces, offset).await;
                assert_eq!(got, bytes[offset..]);
                assert_eq!(header.media_type, content.attachments[usize::try_from(index).unwrap()].media_type);
            }
        }
        let refused = async |index: i32, offset_bytes: i64| {
            let request = DownloadAttachmentRequest {
                name: listed.name.clone(),
                index,
                offset_bytes,
            };
            client.clone().archive.download_attachment(request).await.unwrap_err()
        };
        assert_eq!(refused(2, 0).await.code(), Code::NotFound);
        assert_eq!(refused(-1, 0).await.code(), Code::NotFound);
        assert_eq!(reason(&refused(0, 9).await), "OFFSET_OUT_OF_RANGE");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_resume_at_any_offset() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let agent = h.agent(&client, ANNA).await;
        let mut random = fastrand::Rng::with_seed(2);
        // One that lies in the database, one that lies beside it.
        let sizes = [1_000, 900_000];
        let mut expected = Vec::new();
        for size in sizes {
            let body: String = (0..size).map(|_| random.alphanumeric()).collect();
            let mail = Mail::new("eva@oak.example", "download")
                .header("Content-Type", "application/octet-stream")
                .body(&body);
            h.deliver(ANNA, &mail);
            expected.push((mail.id(), mail.bytes()));
        }
        h.handled(&client, &agent.name, 2).await;
        for message in list(&client, 0, MessageFilter::default()).await {
            let (_, bytes) = expected.iter().find(|(id, _)| *id == message.message_id).unwrap();
            assert_eq!(usize::try_from(message.size_bytes), Ok(bytes.len()));
            let ask = async |name: &str, offset_bytes: i64| {
                let name = name.to_owned();
                client
                    .clone()
                    .archive
                    .download_message(DownloadMessageRequest { name, offset_bytes })
                    .await
            };
            let half = bytes.len() / 2;
            for offset in [0, 1, half, 65_536.min(half), bytes.len() - 1, bytes.len()] {
                let pieces = ask(&message.name, i64::try_from(offset).unwrap()).await.unwrap().into_inner();
                let (header, got) = download(pieces, offset).await;
                assert!(got == bytes[offset..], "from {offset} of {}", bytes.len());
                assert_eq!(header.sha256, message.sha256);
            }
            let beyond = ask(&message.name, message.size_bytes + 1).await.unwrap_err();
            assert_eq!(
                (beyond.code(), metadata(&beyond, "sizeBytes")),
                (Code::OutOfRange, message.size_bytes.to_string())
            );
            assert_eq!(violations(&ask(&message.name, -1).await.unwrap_err()), ["offset_bytes"]);
            assert_eq!(ask(NOBODY, 0).await.unwrap_err().code(), Code::NotFound);
            assert_eq!(violations(&ask("messages", 0).await.unwrap_err()), ["name"]);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_is_linked_when_its_contact_appears() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let agent = h.agent(&client, ANNA).await;
        let mut all = client.stream_messages(StreamMessagesRequest::default());
        let mut of_oak = client.stream_messages(StreamMessagesRequest {
            cursor: String::new(),
            filter: Some(MessageFilter {
                customer: "customers/oak".to_owned(),
                ..MessageFilter::default()
            }),
        });
        let mut latest = client.stream_messages(StreamMessagesRequest {
            cursor: LATEST.to_owned(),
            filter: None,
        });
        assert_eq!(take(&mut latest).await.unwrap().unwrap().event, None);
        let mail = sample(0, "Late <Late@oak.example>", ANNA, "from somebody unknown");
        h.deliver(ANNA, &mail);
        h.handled(&client, &agent.name, 1).await;
        let first = events(&mut all, 1).await.remove(0);
        assert_eq!((first.subject.as_str(), first.customers.len()), ("from somebody unknown", 0));
        let unlinked = MessageFilter {
            unlinked: true,
            ..MessageFilter::default()
        };
        assert_eq!(list(&client, 0, unlinked.clone()).await, std::slice::from_ref(&first));

        h.add_contacts(&client, vec![contact("late", "oak", &["late@oak.example"])]).await;
        let again = events(&mut all, 1).await.remove(0);
        assert_eq!(again.name, first.name, "it comes again");
        assert_eq!(
            (again.customers[0].customer.as_str(), again.customers[0].contact.as_str()),
            ("customers/oak", "contacts/late")
        );
        assert_eq!(
            events(&mut of_oak, 1).await,
            std::slice::from_ref(&again),
            "now it passes the filter"
        );
        let both: Vec<String> = events(&mut latest, 2).await.into_iter().map(|message| message.name).collect();
        assert_eq!(both, [first.name.clone(), first.name.clone()]);
        assert_eq!(list(&client, 0, unlinked).await, []);
        // From the beginning it comes once, as it is now.
        let mut history = client.stream_messages(StreamMessagesRequest::default());
        assert_eq!(events(&mut history, 1).await, [again]);
        let next = Mail::new("eva@oak.example", "next");
        h.deliver(ANNA, &next);
        assert_eq!(events(&mut history, 1).await[0].message_id, next.id());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_begins_to_archive_archives_what_it_swept_before() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let agent = h.agent_with(&client, ANNA, |exchange| exchange.archive = Some(false)).await;
        for number in 1..=25 {
            h.deliver(ANNA, &Mail::new("Eva <eva@oak.example>", &format!("CS-0000001 part {number}")));
        }
        h.handled(&client, &agent.name, 25).await;
        assert_eq!(list(&client, 0, MessageFilter::default()).await.len(), 0);
        assert_eq!(h.notes(&client).await.len(), 20, "the loop limit sets the rest aside");

        let mut changed = agent.clone();
        changed.exchange.as_mut().unwrap().archive = Some(true);
        let request = UpdateAgentRequest {
            agent: Some(changed),
            update_mask: Some(FieldMask {
                paths: vec!["exchange.archive".to_owned()],
            }),
        };
        client.clone().agents.update_agent(request).await.unwrap();
        h.deliver(ANNA, &Mail::new("Tom <tom@elm.example>", "CS-0000002 new"));
        h.handled(&client, &agent.name, 26).await;
        eventually(PATIENCE, "all mail is archived", async || {
            let archived = list(&client, 0, MessageFilter::default()).await.len();
            if archived == 26 { Ok(()) } else { Err(archived) }
        })
        .await;
        assert_eq!(h.outcomes(&client).await.len(), 26, "what was swept is not swept again");
        assert_eq!(h.notes(&client).await.len(), 21);
    })
    .await;
}
