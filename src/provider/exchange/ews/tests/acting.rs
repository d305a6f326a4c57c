//! Acting for mailboxes, and sending.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use axum::response::{IntoResponse, Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::StatusCode;

use super::{Call, Server, answer, between, check, file, ids, inbox, source, xml};
use crate::{
    net::{ErrorClass, ProviderError},
    provider::{MailSink, MailSource, OutgoingMessage, exchange::ews::EwsSource},
};

const ADDRESS: &str = "anna&co@corp.test";

/// Answers whatever is asked.
pub(super) fn obliging(call: &Call) -> Response {
    match call.operation.split(' ').next() {
        Some("GetFolder") => {
            // Of the folders with names, this mailbox has five.
            let names = ["inbox", "sentitems", "drafts", "outbox", "junkemail"];
            let asked = call.body.matches("<t:DistinguishedFolderId ").count();
            let known = names.iter().map(|name| {
                (
                    "NoError",
                    format!("<Folders><y:Folder><y:FolderId Id='{name}'/></y:Folder></Folders>"),
                )
            });
            let unknown = std::iter::repeat(("ErrorFolderNotFound", String::new()));
            let all: Vec<_> = known.chain(unknown).take(asked).collect();
            xml(answer("GetFolder", &all))
        }
        Some("FindFolder") => {
            let folder = |id: &str, parent: &str, name: &str| {
                format!(
                    "<y:Folder><y:FolderId Id='{id}'/><y:ParentFolderId Id='{parent}'/><y:FolderClass>IPF.Note</y:FolderClass>\
                     <y:DisplayName>{name}</y:DisplayName><y:TotalCount>1</y:TotalCount></y:Folder>"
                )
            };
            let all = [
                folder("junkemail", "top", "Junk"),
                folder("junk in it", "junkemail", "J"),
                folder("old", "top", "Old"),
                folder("acme", "inbox", "Acme"),
                folder("inbox", "top", "Inbox"),
                folder("sentitems", "top", "Sent Items"),
            ];
            let root = format!(
                "<RootFolder IncludesLastItemInRange='true'><y:Folders>{}</y:Folders></RootFolder>",
                all.concat()
            );
            xml(answer("FindFolder", &[("NoError", root)]))
        }
        Some("SyncFolderItems") => xml(file("changes")),
        Some("GetItem") => super::get_item(call, super::plain),
        Some("Subscribe") => xml(file("subscribed")),
        Some("GetStreamingEvents") => xml(file("stream")),
        Some("CreateItem") => {
            let stored = "<Items><y:Message><y:ItemId Id='draft' ChangeKey='k'/></y:Message></Items>";
            let items = if call.body.contains("SaveOnly") { stored } else { "<Items/>" };
            xml(answer("CreateItem", &[("NoError", items.to_owned())]))
        }
        Some(operation @ ("SendItem" | "DeleteItem")) => xml(answer(operation, &[("NoError", String::new())])),
        other => panic!("{other:?}"),
    }
}

fn message() -> OutgoingMessage {
    OutgoingMessage {
        sender: ADDRESS.to_owned(),
        recipients: vec!["bert@corp.test".to_owned(), "d&d@corp.test".to_owned()],
        raw: "From: anna&co@corp.test\r\nTo: Bert <BERT@corp.test>\r\nSubject: \u{fc}\r\n\r\nx\r\n".into(),
    }
}

fn for_mailbox(server: &Server, impersonate: bool) -> EwsSource {
    source(server.url.clone(), |config| {
        config.mailbox = Some(ADDRESS.to_owned());
        config.impersonate = impersonate;
    })
}

#[tokio::test]
async fn every_request_names_the_mailbox_that_it_acts_for() {
    for impersonate in [true, false] {
        let server = Server::start(|_, call| obliging(call)).await;
        let source = for_mailbox(&server, impersonate);
        source.inbox().await.unwrap();
        source.changes(&inbox(), None).await.unwrap();
        source.fetch(&ids(["a"]), 1000).await.unwrap();
        source.send(&message()).await.unwrap();
        source.wait(&[inbox()], Duration::from_secs(5)).await.unwrap();
        let operations = server.operations();
        for operation in ["GetFolder", "SyncFolderItems", "GetItem", "Subscribe", "GetStreamingEvents"] {
            assert!(operations.iter().any(|seen| seen == operation), "{operation}: {operations:?}");
        }
        for call in server.calls() {
            assert_eq!(call.headers["x-anchormailbox"], ADDRESS, "{}", call.operation);
            let header = between(&call.body, "<s:Header>", "</s:Header>");
            let sid = "<t:ExchangeImpersonation><t:ConnectingSID><t:PrimarySmtpAddress>anna&amp;co@corp.test</t:PrimarySmtpAddress>\
                       </t:ConnectingSID></t:ExchangeImpersonation>";
            // The header comes in the order of the schema: the version before.
            assert_eq!(header.ends_with(&format!("/>{sid}")), impersonate, "{}: {header}", call.operation);
            assert_eq!(header.contains("Impersonation"), impersonate, "{}", call.operation);
            // Who acts for a mailbox is at home in it; who has rights to it names it beside the folder.
            let beside_folder = matches!(call.operation.split(' ').next(), Some("GetFolder" | "CreateItem" | "SendItem"));
            let named = call
                .body
                .contains("<t:Mailbox><t:EmailAddress>anna&amp;co@corp.test</t:EmailAddress></t:Mailbox>");
            assert_eq!(named, beside_folder && !impersonate, "{}", call.operation);
        }
    }
}

/// A code in each of the shapes in which servers tell it: in the response, as a fault with a status of its own, and as a bare fault.
fn shapes(operation: &str, code: &str) -> [Response; 3] {
    let fault = file("fault-plain").replace("ErrorSchemaValidation", code);
    let one = answer(operation, &[(code, "<Items/>".to_owned())]);
    [
        xml(one),
        (StatusCode::INTERNAL_SERVER_ERROR, fault.clone()).into_response(),
        xml(fault),
    ]
}

/// What comes of a call when the server answers with this code, in each shape.
async fn refusals(operation: &'static str, code: &'static str) -> Vec<ProviderError> {
    let refused = AtomicUsize::new(0);
    let server = Server::start(move |_, call| {
        if !call.operation.starts_with(operation) {
            return obliging(call);
        }
        let [a, b, c] = shapes(operation, code);
        let number = refused.fetch_add(1, Ordering::Relaxed);
        [a, b, c].into_iter().nth(number).unwrap()
    })
    .await;
    let source = for_mailbox(&server, true);
    let mut errors = Vec::new();
    for _ in 0..3 {
        errors.push(match operation {
            "SendItem" => source.send(&message()).await.unwrap_err(),
            _ => source.inbox().await.unwrap_err(),
        });
    }
    errors
}

#[tokio::test]
async fn refusals_to_act_for_a_mailbox_are_told_apart() {
    let mut told = Vec::new();
    for (code, words) in [
        ("ErrorImpersonateUserDenied", "Grant it the role ApplicationImpersonation"),
        (
            "ErrorImpersonationFailed",
            "Check the mailbox's address and the role ApplicationImpersonation",
        ),
        ("ErrorNonExistentMailbox", "has no mailbox with this address"),
        ("ErrorAccessDenied", "The login has no permission to read this mailbox"),
    ] {
        for error in refusals("GetFolder", code).await {
            check(&error, ErrorClass::Refused, words);
            assert!(error.server_reply.starts_with(code), "{error:?}");
            told.push(error.problem);
        }
    }
    told.dedup();
    assert_eq!(told.len(), 4, "{told:#?}");
    for (status, class, words) in [
        (StatusCode::UNAUTHORIZED, ErrorClass::LoginRequired, "the user name or the password"),
        (StatusCode::FORBIDDEN, ErrorClass::Refused, "The login is valid, but"),
    ] {
        let server = Server::start(move |_, _| status.into_response()).await;
        check(&for_mailbox(&server, true).inbox().await.unwrap_err(), class, words);
    }
}

#[tokio::test]
async fn a_message_is_handed_over_with_its_hidden_recipients() {
    let server = Server::start(|_, call| obliging(call)).await;
    let sent = server.source().send(&message()).await.unwrap();
    assert_eq!(sent.server_reply, "NoError");
    let calls = server.calls();
    let [call, send] = calls.as_slice() else { panic!("{calls:?}") };
    assert!(
        call.body.contains(r#"<m:CreateItem MessageDisposition="SaveOnly">"#),
        "{}",
        call.body
    );
    assert!(
        call.body
            .contains(r#"<t:DistinguishedFolderId Id="drafts"></t:DistinguishedFolderId>"#)
    );
    assert!(send.body.contains(r#"<t:ItemId Id="draft" ChangeKey="k"/>"#), "{}", send.body);
    assert!(
        send.body
            .contains(r#"<t:DistinguishedFolderId Id="sentitems"></t:DistinguishedFolderId>"#)
    );
    let mime = between(&call.body, "<t:MimeContent CharacterSet=\"UTF-8\">", "<");
    assert_eq!(STANDARD.decode(mime).unwrap(), message().raw);
    assert_eq!(
        between(&call.body, "</t:MimeContent>", "</t:Message>"),
        "<t:BccRecipients><t:Mailbox><t:EmailAddress>d&amp;d@corp.test</t:EmailAddress></t:Mailbox></t:BccRecipients>"
    );
}

#[tokio::test]
async fn refusals_of_a_message_are_told_apart() {
    for (code, class, words) in [
        ("ErrorSendAsDenied", ErrorClass::Refused, "Grant it Send As"),
        ("ErrorMessageSizeExceeded", ErrorClass::TooLarge, "over the size limit"),
        ("ErrorQuotaExceeded", ErrorClass::Refused, "The mailbox is full"),
        ("ErrorInvalidRecipients", ErrorClass::Refused, "rejects the recipients"),
        ("ErrorServerBusy", ErrorClass::Retry { after: None }, "requested a pause"),
        ("ErrorImpersonateUserDenied", ErrorClass::Refused, "ApplicationImpersonation"),
    ] {
        for error in refusals("SendItem", code).await {
            check(&error, class, words);
            assert!(error.server_reply.starts_with(code), "{error:?}");
        }
    }
    let server = Server::start(|_, _| StatusCode::PAYLOAD_TOO_LARGE.into_response()).await;
    let error = server.source().send(&message()).await.unwrap_err();
    check(&error, ErrorClass::TooLarge, "too large");
}

/// An answer that breaks off.
fn cut() -> Response {
    Response::builder().header("content-length", "9").body("x".into()).unwrap()
}

#[tokio::test]
async fn a_draft_tells_whether_it_was_sent() {
    let told = |submitted| {
        let items = format!("<Items><y:Message><y:ItemId Id='draft'/>{submitted}</y:Message></Items>");
        answer("GetItem", &[("NoError", items)])
    };
    let failed = answer("SendItem", &[("ErrorInternalServerError", String::new())]);
    let slow = answer("SendItem", &[("ErrorTimeoutExpired", String::new())]);
    let unsubmitted = told("<y:IsSubmitted>false</y:IsSubmitted>");
    for (lost, fate, expected) in [
        (None, answer("GetItem", &[("ErrorItemNotFound", String::new())]), "sent"),
        (None, told("<y:IsSubmitted>true</y:IsSubmitted>"), "sent"),
        // The request may be under way still.
        (None, unsubmitted.clone(), "not known"),
        (None, told(""), "not known"),
        (None, answer("GetItem", &[("ErrorServerBusy", String::new())]), "not known"),
        // It is over, by the server's own word.
        (Some(failed.clone()), unsubmitted.clone(), "not sent"),
        (Some(failed), told("<y:IsSubmitted>true</y:IsSubmitted>"), "sent"),
        (Some(slow), unsubmitted, "not known"),
    ] {
        let server = Server::start(move |_, call| match call.operation.split(' ').next() {
            Some("SendItem") => lost.clone().map_or_else(cut, xml),
            Some("GetItem") => xml(fate.clone()),
            _ => obliging(call),
        })
        .await;
        let outcome = server.source().send(&message()).await;
        let operations = server.operations();
        let sends = operations.iter().filter(|operation| operation.starts_with("SendItem")).count();
        assert_eq!(sends, 1, "it is not sent a second time: {operations:?}");
        let discarded = operations.iter().any(|operation| operation.starts_with("DeleteItem"));
        assert_eq!(discarded, expected == "not sent", "{operations:?}");
        match outcome {
            Ok(_) => assert_eq!(expected, "sent"),
            Err(error) => {
                assert_eq!(error.class == ErrorClass::Unreachable, expected == "not known", "{error:?}");
                let unknown = error.problem.contains("unknown whether the message was sent");
                assert_eq!(unknown, expected == "not known", "{error:?}");
            }
        }
    }
}

/// As who may send in the name of a mailbox in which it has no other rights.
#[tokio::test]
async fn where_no_draft_may_be_stored_the_message_is_sent_at_once() {
    for (lost, found) in [(false, false), (true, true), (true, false)] {
        let server = Server::start(move |_, call| {
            let at_once = call.body.contains("SendAndSaveCopy");
            match call.operation.split(' ').next() {
                Some("CreateItem") if !at_once => xml(answer("CreateItem", &[("ErrorAccessDenied", "<Items/>".to_owned())])),
                Some("CreateItem") if lost => cut(),
                Some("FindItem") => {
                    let items = if found {
                        "<y:Message><y:ItemId Id='copy'/></y:Message>"
                    } else {
                        ""
                    };
                    xml(answer(
                        "FindItem",
                        &[("NoError", format!("<RootFolder><y:Items>{items}</y:Items></RootFolder>"))],
                    ))
                }
                _ => obliging(call),
            }
        })
        .await;
        let mut message = message();
        message.raw = [b"Message-ID: <1@corp.test>\r\n", message.raw.as_ref()].concat().into();
        let outcome = server.source().send(&message).await;
        assert_eq!(outcome.is_ok(), !lost || found, "{outcome:?}");
        if let Err(error) = outcome {
            assert!(error.problem.contains("unknown whether the message was sent"), "{error:?}");
        }
        let creations = server
            .operations()
            .iter()
            .filter(|operation| operation.starts_with("CreateItem"))
            .count();
        assert_eq!(creations, 2);
    }
}
