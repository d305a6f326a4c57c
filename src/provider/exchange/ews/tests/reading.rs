//! Settings, folders, pages of changes, and what becomes of each message.

use std::{fmt::Write, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::header;
use url::Url;
use zeroize::Zeroizing;

use super::{Call, HEAD, Server, acting::obliging, answer, check, file, get_item, ids, inbox, item, network, plain, short, source, xml};
use crate::{
    net::ErrorClass,
    provider::{
        FolderRole, MailSource,
        exchange::ews::{EwsConfig, EwsSource},
    },
};

#[tokio::test]
async fn folders_are_found_with_login_version_and_mailbox() {
    let server = Server::start(|_, call| obliging(call)).await;
    let source = source(server.url.clone(), |config| config.mailbox = Some("cases@corp.test".to_owned()));
    let folders = source.folders().await.unwrap();
    let found: Vec<(FolderRole, &str)> = folders.iter().map(|folder| (folder.role, folder.path.as_str())).collect();
    let expected = [
        (FolderRole::Inbox, "Inbox"),
        (FolderRole::Sent, "Sent Items"),
        (FolderRole::Other, "Inbox/Acme"),
        (FolderRole::Other, "Old"),
    ];
    assert_eq!(found, expected);
    assert_eq!(source.folders().await.unwrap(), folders);
    let deep = "FindFolder Traversal=\"Deep\"";
    assert_eq!(server.operations(), ["GetFolder", deep, deep], "what they are is asked once");
    let call = &server.calls()[0];
    let head = |name: &str| call.headers[name].to_str().unwrap();
    assert_eq!(head("authorization"), format!("Basic {}", STANDARD.encode("CORP\\crm:pässword")));
    assert_eq!(head("content-type"), "text/xml; charset=utf-8");
    assert_eq!(head("user-agent"), concat!("mailagent/", env!("CARGO_PKG_VERSION")));
    assert_eq!(head("x-anchormailbox"), "cases@corp.test");
    assert_eq!(call.body.matches("<t:EmailAddress>cases@corp.test</t:EmailAddress>").count(), 7);
    let shown = format!("{source:?}");
    assert!(shown.contains("127.0.0.1") && !shown.contains("pässword"), "{shown}");
}

#[tokio::test]
async fn who_is_not_shown_the_list_reads_inbox_and_sent_items() {
    for code in ["ErrorAccessDenied", "ErrorFolderNotFound"] {
        let server = Server::start(move |_, call| match call.operation.split(' ').next() {
            Some("FindFolder") => xml(answer("FindFolder", &[(code, String::new())])),
            _ => obliging(call),
        })
        .await;
        let folders = server.source().folders().await.unwrap();
        let roles: Vec<FolderRole> = folders.iter().map(|folder| folder.role).collect();
        assert_eq!(roles, [FolderRole::Inbox, FolderRole::Sent], "{code}");
    }
    let server = Server::start(|_, call| match call.operation.split(' ').next() {
        Some("FindFolder") => xml(answer("FindFolder", &[("ErrorServerBusy", String::new())])),
        _ => obliging(call),
    })
    .await;
    let error = server.source().folders().await.unwrap_err();
    assert_eq!(
        error.class,
        ErrorClass::Retry { after: None },
        "a busy server is no reason to read less"
    );
}

#[test]
fn a_configuration_never_shows_its_password() {
    let config = EwsConfig::new(network(Vec::new(), Duration::ZERO), "crm", Zeroizing::new("secret".to_owned()));
    assert!(!format!("{config:?}").contains("secret"));
}

#[test]
fn unusable_settings_are_refused() {
    let check = |url: &str, user: &str, class: ErrorClass| {
        let config = EwsConfig::new(network(Vec::new(), Duration::ZERO), user, Zeroizing::new(String::new()));
        assert_eq!(
            EwsSource::new(Url::parse(url).unwrap(), config).unwrap_err().class,
            class,
            "{url} {user}"
        );
    };
    check("ftp://mail.corp.test/", "crm", ErrorClass::Unreachable);
    check("https://crm:pw@mail.corp.test/EWS/Exchange.asmx", "crm", ErrorClass::Unreachable);
    check("http://mail.corp.test/EWS/Exchange.asmx", "a:b", ErrorClass::LoginRequired);
    check("http://mail.corp.test/EWS/Exchange.asmx", "", ErrorClass::LoginRequired);
}

#[tokio::test]
async fn changes_come_in_pages() {
    let server = Server::start(|number, _| {
        let last = number == 1;
        let page = format!(
            "<SyncState>state {number}</SyncState><IncludesLastItemInRange>{last}</IncludesLastItemInRange>\
             <Changes><y:Create><y:Message><y:ItemId Id='i{number}'/></y:Message></y:Create></Changes>"
        );
        xml(answer("SyncFolderItems", &[("NoError", page)]))
    })
    .await;
    let source = server.source();
    let first = source.changes(&inbox(), None).await.unwrap();
    let second = source.changes(&inbox(), Some(&first.state)).await.unwrap();
    assert_eq!(
        (first.upserts, first.last, second.upserts, second.last),
        (ids(["i0"]), false, ids(["i1"]), true)
    );
    let calls = server.calls();
    assert!(!calls[0].body.contains("SyncState"));
    assert!(calls[1].body.contains("<m:SyncState>state 0</m:SyncState>"));
}

#[tokio::test]
async fn a_refused_state_is_told_apart() {
    let server = Server::start(|_, _| xml(answer("SyncFolderItems", &[("ErrorInvalidSyncStateData", String::new())]))).await;
    let error = server.source().changes(&inbox(), Some("old")).await.unwrap_err();
    check(&error, ErrorClass::StateLost, "listed again");
}

#[tokio::test]
async fn affinity_cookies_are_sent_back() {
    let server = Server::start(|number, _| {
        let mut response = xml(file("inbox"));
        let cookies: &[&str] = match number {
            0 => &[
                "exchangecookie=abc; path=/; HttpOnly",
                "X-BackEndOverrideCookie=srv1~7; secure",
                "junk",
            ],
            1 => &["exchangecookie=; expires=Thu, 01 Jan 1970 00:00:00 GMT"],
            _ => &[],
        };
        for cookie in cookies {
            response.headers_mut().append(header::SET_COOKIE, cookie.parse().unwrap());
        }
        response
    })
    .await;
    let source = server.source();
    for _ in 0..3 {
        source.inbox().await.unwrap();
    }
    let sent: Vec<_> = server
        .calls()
        .iter()
        .map(|call| call.headers.get("cookie").map(|value| value.to_str().unwrap().to_owned()))
        .collect();
    assert_eq!(
        sent,
        [
            None,
            Some("X-BackEndOverrideCookie=srv1~7; exchangecookie=abc".to_owned()),
            Some("X-BackEndOverrideCookie=srv1~7".to_owned())
        ]
    );
}

#[tokio::test]
async fn sizes_from_changes_spare_a_question() {
    let server = Server::start(|_, call| match call.operation.as_str() {
        "SyncFolderItems" => {
            let mut page = "<SyncState>s</SyncState><IncludesLastItemInRange>true</IncludesLastItemInRange><Changes>".to_owned();
            for n in 0..25 {
                write!(
                    page,
                    "<y:Create><y:Message><y:ItemId Id='{n}'/><y:Size>100</y:Size></y:Message></y:Create>"
                )
                .unwrap();
            }
            xml(answer("SyncFolderItems", &[("NoError", page + "</Changes>")]))
        }
        _ => get_item(call, plain),
    })
    .await;
    let source = server.source();
    let page = source.changes(&inbox(), None).await.unwrap();
    let fetched = source.fetch(&page.upserts, 1000).await.unwrap();
    let expected: Vec<String> = (0..25).map(|n| format!("message {n}")).collect();
    assert_eq!(short(&fetched), expected);
    let mut batches: Vec<usize> = server.calls()[1..].iter().map(|call| call.ids.len()).collect();
    batches.sort_unstable();
    assert_eq!(batches, [5, 10, 10]);
    assert!(server.calls()[1..].iter().all(|call| call.body.contains("IncludeMimeContent")));
}

#[tokio::test]
async fn each_item_has_its_own_outcome() {
    let server = Server::start(|_, call| {
        get_item(call, |id, mime| match id {
            "gone" => ("ErrorItemNotFound", "<Items/>".to_owned()),
            "odd" => (
                "ErrorMimeContentConversionFailed",
                "<MessageText>no way</MessageText><Items/>".to_owned(),
            ),
            "corrupt" => ("ErrorItemCorrupt", String::new()),
            "content" => ("ErrorContentConversionFailed", String::new()),
            "huge" => ("ErrorMessageSizeExceeded", String::new()),
            "private" => ("ErrorAccessDenied", String::new()),
            "large" => {
                assert!(!mime, "a large message is not loaded");
                ("NoError", item(5000, None))
            }
            "liar" => ("NoError", item(10, mime.then_some(&[b'x'; 2000 - HEAD.len()]))),
            "empty" => ("NoError", item(10, None)),
            _ => plain(id, mime),
        })
    })
    .await;
    let names = [
        "a", "gone", "odd", "large", "corrupt", "content", "huge", "private", "liar", "empty", "a",
    ];
    let source = server.source();
    // The empty one may be whole the next time.
    for _ in 0..4 {
        let error = source.fetch(&ids(names), 1000).await.unwrap_err();
        check(&error, ErrorClass::Retry { after: None }, "not the message it lists");
    }
    let fetched = source.fetch(&ids(names), 1000).await.unwrap();
    assert_eq!(
        short(&fetched),
        [
            "message a",
            "gone",
            "broken ErrorMimeContentConversionFailed: no way",
            "too large 5000",
            "broken ErrorItemCorrupt:",
            "broken ErrorContentConversionFailed:",
            "broken ErrorMessageSizeExceeded:",
            "broken ErrorAccessDenied:",
            "too large 2000",
            "broken The response has no MIME content, or MIME content that is not base64.",
            "message a",
        ]
    );
}

#[tokio::test]
async fn an_empty_fetch_asks_nothing() {
    let server = Server::start(|_, call| get_item(call, plain)).await;
    assert!(server.source().fetch(&[], 1000).await.unwrap().is_empty());
    assert!(server.calls().is_empty());
}

#[tokio::test]
async fn when_all_is_denied_the_mailbox_is_asked() {
    let refuse = |denied: bool| {
        move |_: usize, call: &Call| match call.operation.as_str() {
            "GetFolder" if denied => xml(file("folders-denied")),
            "GetFolder" => xml(answer(
                "GetFolder",
                &[(
                    "NoError",
                    "<Folders><y:Folder><y:FolderId Id='in'/></y:Folder></Folders>".to_owned(),
                )],
            )),
            _ => get_item(call, |_, _| ("ErrorAccessDenied", String::new())),
        }
    };
    let server = Server::start(refuse(true)).await;
    let error = server.source().fetch(&ids(["a", "b"]), 1000).await.unwrap_err();
    check(&error, ErrorClass::Refused, "has no permission to read this mailbox");
    let server = Server::start(refuse(false)).await;
    let fetched = server.source().fetch(&ids(["a", "b"]), 1000).await.unwrap();
    assert_eq!(short(&fetched), ["broken ErrorAccessDenied:", "broken ErrorAccessDenied:"]);
}
