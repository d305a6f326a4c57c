//! Messages the other way.

use mailagent_sim::{
    MimeMode,
    exchange::{Fault, FaultKind, FolderKind},
};

use super::{ANNA, Bench, outgoing};
use crate::{
    mime,
    net::ErrorClass,
    provider::{ExchangeProtocol, OutgoingMessage},
};

#[tokio::test]
async fn a_message_is_sent_once_to_all_and_kept() {
    Bench::each(async |bench| {
        for other in ["bert@corp.test", "cara@corp.test"] {
            bench.exchange.add_mailbox(other, other, "no password");
        }
        let sent = bench
            .mailbox
            .send(&outgoing(ANNA, &["bert@corp.test", "cara@corp.test"]))
            .await
            .unwrap();
        assert!(!sent.server_reply.is_empty());
        for reader in ["bert@corp.test", "cara@corp.test"] {
            let inbox = bench.exchange.items(reader, FolderKind::Inbox);
            assert_eq!(inbox.len(), 1, "{reader}");
            let raw = bench.exchange.raw(reader, &inbox[0].id).unwrap().unwrap();
            assert!(!String::from_utf8_lossy(&raw).contains("cara"), "she is hidden");
        }
        assert_eq!(bench.exchange.items(ANNA, FolderKind::Sent).len(), 1);
        assert_eq!(bench.exchange.items(ANNA, FolderKind::Drafts).len(), 0);

        let refused = bench
            .mailbox
            .send(&outgoing("bert@corp.test", &["cara@corp.test"]))
            .await
            .unwrap_err();
        assert_eq!(refused.class, ErrorClass::Refused, "{refused:?}");
        assert!(refused.problem.contains("Send As"), "{refused:?}");
        assert_eq!(bench.exchange.sent_messages().len(), 1);
        assert_eq!(bench.exchange.items(ANNA, FolderKind::Drafts).len(), 0, "nothing is left behind");
    })
    .await;
}

#[tokio::test]
async fn what_became_of_a_message_is_known_or_said_not_to_be() {
    Bench::each(async |bench| {
        let send = bench.operation("SendItem", "graph/send");
        let message = outgoing(ANNA, &["bert@corp.test"]);
        bench.exchange.script(Fault::next(send, 1, FaultKind::DropAfterWrite));
        // A draft can be asked what became of it.
        let outcome = bench.mailbox.send(&message).await;
        assert!(outcome.is_ok(), "{outcome:?}");
        assert_eq!(bench.exchange.sent_messages().len(), 1);
        // Nor can it be found out.
        let ask = bench.operation("GetItem", "graph/message");
        bench.exchange.script(Fault::next(send, 1, FaultKind::DropAfterWrite));
        bench.exchange.script(Fault::next(ask, 1000, FaultKind::DropBeforeAnswer));
        let error = bench.mailbox.send(&message).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Unreachable);
        assert!(error.problem.contains("unknown whether"), "{error:?}");
        assert_eq!(bench.exchange.sent_messages().len(), 2);
        bench.exchange.clear_script();
        // Nothing was done, and nothing is left behind.
        bench.exchange.script(Fault::next(
            send,
            1,
            FaultKind::Http {
                status: 503,
                retry_after: None,
            },
        ));
        let error = bench.mailbox.send(&message).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Retry { after: None }, "{error:?}");
        assert_eq!(bench.exchange.sent_messages().len(), 2);
        assert_eq!(bench.exchange.items(ANNA, FolderKind::Drafts).len(), 0);
    })
    .await;
}

#[tokio::test]
async fn what_was_submitted_is_sent_though_it_is_a_draft_still() {
    Bench::each(async |bench| {
        bench.exchange.add_mailbox("bert@corp.test", "bert@corp.test", "no password");
        let send = bench.operation("SendItem", "graph/send");
        let ask = bench.operation("GetItem", "graph/message");
        let busy = FaultKind::Http {
            status: 503,
            retry_after: None,
        };
        for (number, kind) in [FaultKind::DropAfterWrite, FaultKind::TruncateBody, FaultKind::WrongContentLength]
            .into_iter()
            .enumerate()
        {
            bench.exchange.hold_transport();
            bench.exchange.script(Fault::next(send, 1, kind.clone()));
            bench.exchange.script(Fault::next(ask, 2, busy.clone()));
            let outcome = bench.mailbox.send(&outgoing(ANNA, &["bert@corp.test"])).await;
            assert!(outcome.is_ok(), "{kind:?}: {outcome:?}");
            assert_eq!(
                bench.exchange.items(ANNA, FolderKind::Drafts).len(),
                1,
                "{kind:?}: it is not taken back"
            );
            assert!(bench.exchange.count(ask) >= 3, "{kind:?}: it is looked at several times");
            bench.exchange.clear_script();
            bench.exchange.release_transport();
            assert_eq!(bench.exchange.sent_messages().len(), number + 1, "{kind:?}");
            assert_eq!(bench.exchange.items("bert@corp.test", FolderKind::Inbox).len(), number + 1);
            assert_eq!(bench.exchange.items(ANNA, FolderKind::Drafts).len(), 0);
            assert_eq!(bench.exchange.items(ANNA, FolderKind::Sent).len(), number + 1);
        }
    })
    .await;
}

#[tokio::test]
async fn a_draft_whose_answer_was_lost_is_neither_failed_nor_deleted() {
    Bench::each(async |bench| {
        let send = bench.operation("SendItem", "graph/send");
        for (number, kind) in [
            FaultKind::DropBeforeAnswer,
            FaultKind::Garbage,
            FaultKind::Html,
            FaultKind::Http {
                status: 502,
                retry_after: None,
            },
        ]
        .into_iter()
        .enumerate()
        {
            bench.exchange.script(Fault::next(send, 1000, kind.clone()));
            let error = bench.mailbox.send(&outgoing(ANNA, &["bert@corp.test"])).await.unwrap_err();
            assert_eq!(error.class, ErrorClass::Unreachable, "{kind:?}: {error:?}");
            assert!(error.problem.contains("unknown whether"), "{kind:?}: {error:?}");
            assert_eq!(bench.exchange.items(ANNA, FolderKind::Drafts).len(), number + 1, "{kind:?}");
            bench.exchange.clear_script();
        }
        assert_eq!(bench.exchange.count("DeleteItem") + bench.exchange.count("graph/delete"), 0);
    })
    .await;
}

/// Bytes without a pattern.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut chance = fastrand::Rng::with_seed(seed);
    (0..length).map(|_| chance.u8(..)).collect()
}

/// An answer with text and HTML, an image in it and two files, together over 5 MB.
fn long_message() -> OutgoingMessage {
    let html = "<p>Gr\u{fc}\u{df}e <img src=\"cid:logo@corp.test\"></p>";
    let mut builder = mail_builder::MessageBuilder::new()
        .from(("Anna M\u{fc}ller", ANNA))
        .to(vec![("Bert", "bert@corp.test")])
        .cc("dora@corp.test")
        .subject("Re: Angebot f\u{fc}r Herrn M\u{fc}ller")
        .message_id("out@corp.test")
        .in_reply_to("2@oak.test")
        .references(vec!["0@oak.test", "1@oak.test", "2@oak.test"])
        .header("X-Mailagent-Id", mail_builder::headers::raw::Raw::new("mark-1"))
        .header("Auto-Submitted", mail_builder::headers::raw::Raw::new("auto-replied"))
        .header("Importance", mail_builder::headers::raw::Raw::new("high"))
        .text_body("Gr\u{fc}\u{df}e")
        .html_body(html)
        .inline("image/png", "logo@corp.test", noise(30_000, 1))
        .attachment("application/pdf", "offer.pdf", noise(4_100_000, 2))
        .attachment("text/csv", "pr\u{e4}mie.csv", b"a;b\n1;2\n".to_vec());
    // More than a draft takes as what they are.
    for number in 0..6 {
        let value = mail_builder::headers::raw::Raw::new(format!("{number}"));
        builder = builder.header(format!("X-Trace-{number}"), value);
    }
    OutgoingMessage {
        sender: ANNA.to_owned(),
        recipients: ["bert@corp.test", "dora@corp.test", "cara@corp.test"].map(str::to_owned).to_vec(),
        raw: builder.write_to_vec().unwrap().into(),
    }
}

/// What was sent last is the long message: fields, text and every file.
fn check_arrived(bench: &Bench) {
    let sent = long_message();
    let expected = mime::take_apart(&sent.raw).unwrap();
    for reader in ["bert@corp.test", "cara@corp.test", "dora@corp.test"] {
        let inbox = bench.exchange.items(reader, FolderKind::Inbox);
        let raw = bench.exchange.raw(reader, &inbox[0].id).unwrap().unwrap();
        assert!(!raw.windows(4).any(|word| word == b"cara"), "she is hidden");
        let found = mime::take_apart(&raw).unwrap();
        assert_eq!((&found.from, &found.to, &found.cc), (&expected.from, &expected.to, &expected.cc));
        assert_eq!((&found.subject, &found.message_id), (&expected.subject, &expected.message_id));
        assert_eq!((found.importance, found.html), ("high", true));
        assert_eq!(found.text.trim_end(), expected.text.trim_end());
        let sorted = |apart: &mime::MessageParts| {
            let mut fields = apart.fields.clone();
            fields.sort_unstable();
            fields
        };
        assert_eq!(sorted(&found), sorted(&expected));
        assert_eq!(found.files.len(), 3);
        for (found, expected) in found.files.iter().zip(&expected.files) {
            assert_eq!((&found.media_type, &found.content_id), (&expected.media_type, &expected.content_id));
            assert_eq!((&found.name, found.inline), (&expected.name, expected.inline));
            assert!(found.content == expected.content, "{} is the same byte for byte", expected.name);
        }
    }
    let copies = bench.exchange.items(ANNA, FolderKind::Sent);
    let copy = bench.exchange.raw(ANNA, &copies[0].id).unwrap().unwrap();
    assert_eq!(mime::parse(&copy).unwrap().message_id.as_deref(), Some("out@corp.test"));
    assert_eq!(bench.exchange.items(ANNA, FolderKind::Drafts).len(), 0);
}

#[tokio::test]
async fn a_long_message_arrives_complete() {
    Bench::each(async |bench| {
        for reader in ["bert@corp.test", "cara@corp.test", "dora@corp.test"] {
            bench.exchange.add_mailbox(reader, reader, "no password");
        }
        bench.mailbox.send(&long_message()).await.unwrap();
        assert_eq!(bench.exchange.sent_messages().len(), 1);
        check_arrived(bench);
    })
    .await;
}

/// Only Graph takes long messages in parts.
async fn over_graph(test: impl AsyncFn(&Bench)) {
    let bench = Bench::new(ExchangeProtocol::Graph, MimeMode::KeepBytes, false).await;
    for reader in ["bert@corp.test", "cara@corp.test", "dora@corp.test"] {
        bench.exchange.add_mailbox(reader, reader, "no password");
    }
    test(&bench).await;
    bench.exchange.stop().await;
}

#[tokio::test]
async fn an_upload_that_breaks_goes_on_where_the_server_is() {
    over_graph(async |bench| {
        let http = |status| FaultKind::Http { status, retry_after: None };
        for (number, kind) in [
            FaultKind::DropBeforeAnswer,
            FaultKind::DropAfterWrite,
            FaultKind::TruncateBody,
            http(500),
            http(416),
        ]
        .into_iter()
        .enumerate()
        {
            bench.exchange.script(Fault::nth("graph/put upload", 1, kind.clone()));
            let sent = bench.mailbox.send(&long_message()).await;
            assert!(sent.is_ok(), "{kind:?}: {sent:?}");
            assert_eq!(bench.exchange.sent_messages().len(), number + 1, "{kind:?}");
            check_arrived(bench);
        }
        assert!(bench.exchange.count("graph/get upload") >= 5);
    })
    .await;
}

#[tokio::test]
async fn an_upload_that_fails_leaves_nothing_behind() {
    over_graph(async |bench| {
        let http = |status| FaultKind::Http { status, retry_after: None };
        for (operation, kind) in [
            ("graph/put upload", FaultKind::DropBeforeAnswer),
            ("graph/put upload", http(429)),
            ("graph/put upload", FaultKind::Garbage),
            ("graph/post upload", http(503)),
            ("graph/attach", FaultKind::Html),
            ("graph/message", http(503)),
        ] {
            bench.exchange.script(Fault::next(operation, 100, kind.clone()));
            let error = bench.mailbox.send(&long_message()).await.unwrap_err();
            assert!(!error.problem.contains("unknown whether"), "{operation}, {kind:?}: {error:?}");
            assert!(
                !format!("{error:?}").contains("AttachmentSessions"),
                "{operation}, {kind:?}: {error:?}"
            );
            assert_eq!(bench.exchange.items(ANNA, FolderKind::Drafts).len(), 0, "{operation}, {kind:?}");
            bench.exchange.clear_script();
        }
        assert_eq!(bench.exchange.sent_messages().len(), 0);
        bench.mailbox.send(&long_message()).await.unwrap();
        check_arrived(bench);
    })
    .await;
}

#[tokio::test]
async fn a_long_message_that_would_be_altered_is_refused_with_the_reason() {
    over_graph(async |bench| {
        let refused = async |message: &OutgoingMessage, reason: &str| {
            let error = bench.mailbox.send(message).await.unwrap_err();
            assert_eq!(error.class, ErrorClass::TooLarge, "{error:?}");
            assert!(error.problem.contains(reason) && error.problem.contains("over SMTP"), "{error:?}");
            assert_eq!(bench.exchange.items(ANNA, FolderKind::Drafts).len(), 0, "{reason}");
        };
        // The server loses what an answer finds its conversation by.
        bench
            .exchange
            .script(Fault::next("graph/create", 1, FaultKind::ForgottenProperties));
        refused(&long_message(), "does not keep all header fields").await;
        let of_type = |kind: &str, begin: &str| OutgoingMessage {
            raw: format!(
                "From: {ANNA}\r\nTo: bert@corp.test\r\nContent-Type: {kind}\r\n\r\n{begin}{}",
                "x".repeat(3_000_000)
            )
            .into(),
            ..long_message()
        };
        let signed = "--m\r\n\r\nT\r\n--m\r\nContent-Type: application/pkcs7-signature\r\n\r\n";
        refused(&of_type("multipart/signed; boundary=m", signed), "signed or encrypted").await;
        refused(&of_type("multipart/report; boundary=m", signed), "report").await;
        refused(&of_type("text/calendar", ""), "calendar item").await;
        refused(&of_type("text/plain", &"y".repeat(2_000_000)), "text of the message alone").await;
        assert_eq!(bench.exchange.sent_messages().len(), 0);
    })
    .await;
}
