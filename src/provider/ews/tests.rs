//! The whole client against canned answers on loopback.

use std::{
    fmt::Write,
    io::ErrorKind,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
    time::Instant,
};
use tokio_stream::wrappers::ReceiverStream;

use super::*;
use crate::{domain::Timestamp, provider::ErrorClass};

/// A request as it arrived.
#[derive(Clone, Debug)]
struct Call {
    operation: String,
    ids: Vec<String>,
    body: String,
    headers: HeaderMap,
}

/// A server that answers by script; it stops when dropped.
struct Server {
    url: Url,
    calls: Arc<Mutex<Vec<Call>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Answers each request with what `script` makes of it and of the number of requests before.
    async fn start(script: impl Fn(usize, &Call) -> Response + Send + Sync + 'static) -> Self {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let seen = calls.clone();
        let script = Arc::new(script);
        let app = Router::new().fallback(move |headers: HeaderMap, body: String| {
            let call = Call {
                operation: between(&body, "<s:Body><m:", ">").to_owned(),
                ids: body
                    .split("<t:ItemId Id=\"")
                    .skip(1)
                    .map(|rest| rest[..rest.find('"').unwrap()].to_owned())
                    .collect(),
                headers,
                body,
            };
            let number = {
                let mut seen = seen.lock().unwrap();
                seen.push(call.clone());
                seen.len() - 1
            };
            let script = script.clone();
            async move { script(number, &call) }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = endpoint("http", listener.local_addr().unwrap().port());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, calls, task }
    }

    /// Writes these bytes at any request, whatever it is, and closes.
    async fn raw(answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = endpoint("http", listener.local_addr().unwrap().port());
        let task = tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = [0; 16_384];
                let _ = socket.read(&mut request).await;
                let _ = socket.write_all(answer).await;
                let _ = socket.shutdown().await;
                // Until the client closes, so that what was written is not lost to a reset.
                while socket.read(&mut request).await.is_ok_and(|count| count > 0) {}
            }
        });
        Self {
            url,
            calls: Arc::default(),
            task,
        }
    }

    fn source(&self) -> EwsSource {
        source(self.url.clone(), |_| {})
    }

    fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    fn operations(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.operation).collect()
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let rest = text.split_once(start).unwrap().1;
    &rest[..rest.find(end).unwrap()]
}

fn endpoint(scheme: &str, port: u16) -> Url {
    Url::parse(&format!("{scheme}://127.0.0.1:{port}/EWS/Exchange.asmx")).unwrap()
}

fn source(url: Url, change: impl FnOnce(&mut EwsConfig)) -> EwsSource {
    let mut config = EwsConfig::new(url, "CORP\\crm", Zeroizing::new("pässword".to_owned()));
    change(&mut config);
    EwsSource::new(config).unwrap()
}

fn file(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/data/wire/ews/{name}.xml", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn xml(body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, "text/xml; charset=utf-8")], body.into()).into_response()
}

/// An answer to `operation` with these response messages: code, and what follows it.
fn answer(operation: &str, messages: &[(&str, String)]) -> String {
    let mut out = format!(
        "<E:Envelope xmlns:E='http://schemas.xmlsoap.org/soap/envelope/'><E:Body><{operation}Response \
         xmlns='http://schemas.microsoft.com/exchange/services/2006/messages' \
         xmlns:y='http://schemas.microsoft.com/exchange/services/2006/types'><ResponseMessages>"
    );
    for (code, rest) in messages {
        let class = if *code == "NoError" { "Success" } else { "Error" };
        write!(
            out,
            "<{operation}ResponseMessage ResponseClass='{class}'><ResponseCode>{code}</ResponseCode>{rest}</{operation}ResponseMessage>"
        )
        .unwrap();
    }
    out + &format!("</ResponseMessages></{operation}Response></E:Body></E:Envelope>")
}

/// An item with this size, and with these bytes when asked for them.
fn item(size: u64, raw: Option<&[u8]>) -> String {
    let mime = raw.map_or_else(String::new, |raw| {
        format!("<y:MimeContent>{}</y:MimeContent>", STANDARD.encode(raw))
    });
    format!(
        "<Items><y:Message>{mime}<y:ItemId Id='x'/><y:Subject>S</y:Subject><y:DateTimeReceived>2026-11-23T15:00:00Z</y:DateTimeReceived>\
         <y:Size>{size}</y:Size><y:From><y:Mailbox><y:Name>N</y:Name><y:EmailAddress>n@x.test</y:EmailAddress></y:Mailbox></y:From>\
         <y:InternetMessageId>&lt;m@x.test&gt;</y:InternetMessageId></y:Message></Items>"
    )
}

/// Answers GetItem: `one` makes a response message of each id, with or without MIME.
fn get_item(call: &Call, one: impl Fn(&str, bool) -> (&'static str, String)) -> Response {
    let mime = call.body.contains("IncludeMimeContent");
    let messages: Vec<_> = call.ids.iter().map(|id| one(id, mime)).collect();
    xml(answer("GetItem", &messages))
}

fn plain(id: &str, mime: bool) -> (&'static str, String) {
    ("NoError", item(100, mime.then_some(id.as_bytes())))
}

fn ids(names: impl IntoIterator<Item = impl ToString>) -> Vec<ItemId> {
    names.into_iter().map(|name| ItemId(name.to_string())).collect()
}

fn inbox() -> Folder {
    Folder {
        role: FolderRole::Inbox,
        id: "in".to_owned(),
        total: None,
    }
}

/// What was fetched, in short.
fn short(fetched: &[Fetched]) -> Vec<String> {
    fetched
        .iter()
        .map(|one| match one {
            Fetched::Message { raw, received } => {
                assert_eq!(*received, Some(Timestamp(1_795_446_000_000_000)));
                format!("message {}", String::from_utf8_lossy(&raw[..raw.len().min(20)]))
            }
            Fetched::TooLarge {
                size,
                subject,
                from,
                message_id,
                received,
            } => {
                assert_eq!((subject.as_str(), message_id.as_str()), ("S", "<m@x.test>"));
                assert_eq!((from.0.as_str(), from.1.as_str()), ("N", "n@x.test"));
                assert!(received.is_some());
                format!("too large {size}")
            }
            Fetched::Gone => "gone".to_owned(),
            Fetched::Broken { server_reply } => format!("broken {server_reply}"),
        })
        .collect()
}

#[track_caller]
fn check(error: &ProviderError, class: ErrorClass, words: &str) {
    assert_eq!(error.class, class, "{error:?}");
    assert!(error.problem.contains(words), "{error:?}");
    assert!(!format!("{error:?}").contains("pässword"));
}

#[tokio::test]
async fn folders_are_found_with_login_version_and_mailbox() {
    let server = Server::start(|_, _| xml(file("folders"))).await;
    let source = source(server.url.clone(), |config| config.mailbox = Some("cases@corp.test".to_owned()));
    let folders = source.folders().await.unwrap();
    assert_eq!(folders.len(), 2);
    let call = &server.calls()[0];
    let head = |name: &str| call.headers[name].to_str().unwrap();
    assert_eq!(head("authorization"), format!("Basic {}", STANDARD.encode("CORP\\crm:pässword")));
    assert_eq!(head("content-type"), "text/xml; charset=utf-8");
    assert_eq!(head("user-agent"), concat!("mailagent/", env!("CARGO_PKG_VERSION")));
    assert_eq!(head("x-anchormailbox"), "cases@corp.test");
    assert_eq!(call.body.matches("<t:EmailAddress>cases@corp.test</t:EmailAddress>").count(), 2);
    let shown = format!("{source:?}");
    assert!(shown.contains("127.0.0.1") && !shown.contains("pässword"), "{shown}");
}

#[test]
fn a_configuration_never_shows_its_password() {
    let config = EwsConfig::new(endpoint("https", 443), "crm", Zeroizing::new("secret".to_owned()));
    assert!(!format!("{config:?}").contains("secret"));
}

#[test]
fn unusable_settings_are_refused() {
    let check = |url: &str, user: &str, class: ErrorClass| {
        let config = EwsConfig::new(Url::parse(url).unwrap(), user, Zeroizing::new(String::new()));
        assert_eq!(EwsSource::new(config).unwrap_err().class, class, "{url} {user}");
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
    check(&error, ErrorClass::StateLost, "listed anew");
}

#[tokio::test]
async fn affinity_cookies_are_sent_back() {
    let server = Server::start(|number, _| {
        let mut response = xml(file("folders"));
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
        source.folders().await.unwrap();
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
            "strange" => ("ErrorNobodyKnows", String::new()),
            "large" => {
                assert!(!mime, "a large message is not loaded");
                ("NoError", item(5000, None))
            }
            "liar" => ("NoError", item(10, mime.then_some(&[b'x'; 2000]))),
            "empty" => ("NoError", item(10, None)),
            _ => plain(id, mime),
        })
    })
    .await;
    let names = [
        "a", "gone", "odd", "large", "corrupt", "content", "huge", "private", "strange", "liar", "empty", "a",
    ];
    let fetched = server.source().fetch(&ids(names), 1000).await.unwrap();
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
            "broken ErrorNobodyKnows:",
            "too large 2000",
            "broken The answer holds no MIME content, or MIME content that is not base64.",
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
    check(&error, ErrorClass::Refused, "may not read this mailbox");
    let server = Server::start(refuse(false)).await;
    let fetched = server.source().fetch(&ids(["a", "b"]), 1000).await.unwrap();
    assert_eq!(short(&fetched), ["broken ErrorAccessDenied:", "broken ErrorAccessDenied:"]);
}

#[tokio::test]
async fn busy_is_seen_in_each_of_its_shapes() {
    let busy = |response: fn() -> Response| async move {
        let server = Server::start(move |_, _| response()).await;
        server.source().fetch(&ids(["a"]), 1000).await.unwrap_err().class
    };
    let after = |milliseconds| ErrorClass::Retry {
        after: Some(Duration::from_millis(milliseconds)),
    };
    assert_eq!(
        busy(|| (StatusCode::INTERNAL_SERVER_ERROR, file("fault-busy")).into_response()).await,
        after(297_749)
    );
    assert_eq!(busy(|| xml(file("fault-busy"))).await, after(297_749));
    let message = || {
        let wait = "<MessageXml><y:Value Name='BackOffMilliseconds'>2500</y:Value></MessageXml><Items/>";
        xml(answer("GetItem", &[("ErrorServerBusy", wait.to_owned())]))
    };
    assert_eq!(busy(message).await, after(2500));
    assert_eq!(
        busy(|| (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "30")]).into_response()).await,
        after(30_000)
    );
    assert_eq!(
        busy(|| StatusCode::SERVICE_UNAVAILABLE.into_response()).await,
        ErrorClass::Retry { after: None }
    );
}

#[tokio::test]
async fn one_busy_item_makes_the_whole_call_wait() {
    let server = Server::start(|_, call| {
        get_item(call, |id, mime| match id {
            "b" if mime => (
                "ErrorServerBusy",
                "<MessageXml><y:Value Name='BackOffMilliseconds'>700</y:Value></MessageXml>".to_owned(),
            ),
            _ => plain(id, mime),
        })
    })
    .await;
    let error = server.source().fetch(&ids(["a", "b", "c"]), 1000).await.unwrap_err();
    let class = ErrorClass::Retry {
        after: Some(Duration::from_millis(700)),
    };
    check(&error, class, "asked for a pause");
}

#[tokio::test]
async fn a_server_that_takes_too_long_is_asked_for_less() {
    let server = Server::start(|_, call| {
        let slow = call.ids.len() > 3 && call.body.contains("IncludeMimeContent");
        get_item(call, |id, mime| {
            if slow && id != "0" {
                ("ErrorBatchProcessingStopped", String::new())
            } else {
                plain(id, mime)
            }
        })
    })
    .await;
    let source = server.source();
    let wanted = ids(0..10);
    for _ in 0..2 {
        let error = source.fetch(&wanted, 1000).await.unwrap_err();
        check(&error, ErrorClass::Retry { after: None }, "halfway");
    }
    assert_eq!(source.fetch(&wanted, 1000).await.unwrap().len(), 10);
}

#[tokio::test]
async fn an_item_that_always_faults_is_given_up() {
    let server = Server::start(|_, call| {
        get_item(call, |id, mime| {
            if id == "bad" {
                ("ErrorInternalServerError", String::new())
            } else {
                plain(id, mime)
            }
        })
    })
    .await;
    let source = server.source();
    let wanted = ids(["a", "bad"]);
    for _ in 0..4 {
        let error = source.fetch(&wanted, 1000).await.unwrap_err();
        check(&error, ErrorClass::Retry { after: None }, "event log");
    }
    let fetched = source.fetch(&wanted, 1000).await.unwrap();
    assert_eq!(short(&fetched), ["message a", "broken ErrorInternalServerError:"]);
}

#[tokio::test]
async fn too_large_answers_are_split_until_one_message_is_too_large() {
    let server = Server::start(|_, call| {
        get_item(call, |id, mime| {
            let raw = vec![b'a'; if id == "3" { 40_000 } else { 4_000 }];
            ("NoError", item(100, mime.then_some(&raw)))
        })
    })
    .await;
    let source = source(server.url.clone(), |config| config.max_response_bytes = 20_000);
    let fetched = source.fetch(&ids(0..6), 1_000_000).await.unwrap();
    let sizes: Vec<usize> = fetched
        .iter()
        .map(|one| match one {
            Fetched::Message { raw, .. } => raw.len(),
            Fetched::TooLarge { .. } => 0,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(sizes, [4_000, 4_000, 4_000, 0, 4_000, 4_000]);
}

#[tokio::test]
async fn no_more_than_four_requests_run_at_once() {
    let running = Arc::new(Mutex::new((0_usize, 0_usize)));
    let seen = running.clone();
    let server = Server::start(move |_, call| {
        let running = running.clone();
        {
            let mut now = running.lock().unwrap();
            now.0 += 1;
            now.1 = now.1.max(now.0);
        }
        let body = get_item(call, plain).into_body();
        xml(Body::from_stream(async_stream::stream! {
            tokio::time::sleep(Duration::from_millis(30)).await;
            running.lock().unwrap().0 -= 1;
            yield axum::body::to_bytes(body, usize::MAX).await;
        }))
    })
    .await;
    let fetched = server.source().fetch(&ids(0..95), 1000).await.unwrap();
    assert_eq!(fetched.len(), 95);
    assert_eq!(*seen.lock().unwrap(), (0, 4));
}

#[tokio::test]
async fn a_large_answer_is_read_whole() {
    let raw: Vec<u8> = (0..3_000_000_u32).map(|n| (n * 7 % 251) as u8).collect();
    let sent = raw.clone();
    let server = Server::start(move |_, call| get_item(call, |_, mime| ("NoError", item(100, mime.then_some(&sent[..]))))).await;
    let fetched = server.source().fetch(&ids(["a"]), 10_000_000).await.unwrap();
    assert!(matches!(&fetched[0], Fetched::Message { raw: got, .. } if *got == raw));
}

#[tokio::test]
async fn answers_that_are_not_ews_are_put_into_words() {
    let refused = |response: fn() -> Response| async move {
        let server = Server::start(move |_, _| response()).await;
        server.source().folders().await.unwrap_err()
    };
    let error = refused(|| (StatusCode::UNAUTHORIZED, [("www-authenticate", "Basic realm=\"mail\"")]).into_response()).await;
    check(&error, ErrorClass::LoginRequired, "user name or the password");
    let error = refused(|| (StatusCode::FOUND, [("location", "https://login.else.test/owa/auth/logon.aspx")]).into_response()).await;
    check(&error, ErrorClass::Unreachable, "login.else.test");
    let page = || ([("content-type", "text/html")], "<html><head><title>Sign in</title></head></html>").into_response();
    let error = refused(page).await;
    check(&error, ErrorClass::Unreachable, "web page");
    assert_eq!(error.server_reply, "Sign in");
    let error = refused(|| xml("\r\n<!DOCTYPE html><html><body>Welcome")).await;
    check(&error, ErrorClass::Unreachable, "web page");
    let error = refused(|| xml("")).await;
    check(&error, ErrorClass::Malformed, "not usable XML");
    let error = refused(|| {
        let whole = file("folders");
        xml(whole[..whole.len() - 30].to_owned())
    })
    .await;
    check(&error, ErrorClass::Malformed, "not usable XML");
    let error = refused(|| xml(file("items"))).await;
    check(&error, ErrorClass::Malformed, "does not belong to the request GetFolder");
    let error = refused(|| (StatusCode::INTERNAL_SERVER_ERROR, file("fault-plain")).into_response()).await;
    check(&error, ErrorClass::Malformed, "does not understand a request");
}

#[tokio::test]
async fn compressed_answers_are_read_within_the_limit() {
    let packed = |name: &str| std::fs::read(format!("{}/tests/data/wire/ews/{name}.gz", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let (folders, spaces) = (packed("folders.xml"), packed("spaces"));
    assert!(spaces.len() < 5_000, "a small file that unpacks to a million spaces");
    let server = Server::start(move |number, call| {
        assert!(call.headers["accept-encoding"].to_str().unwrap().contains("gzip"));
        let body = if number == 0 { folders.clone() } else { spaces.clone() };
        ([(header::CONTENT_ENCODING, "gzip")], body).into_response()
    })
    .await;
    let source = source(server.url.clone(), |config| config.max_response_bytes = 100_000);
    assert_eq!(source.folders().await.unwrap().len(), 2);
    check(&source.folders().await.unwrap_err(), ErrorClass::Malformed, "over the limit");
}

#[tokio::test]
async fn an_oversized_answer_is_not_read_to_its_end() {
    let server = Server::start(|_, _| {
        let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 8192])));
        xml(Body::from_stream(endless))
    })
    .await;
    let limited = source(server.url.clone(), |config| config.max_response_bytes = 100_000);
    check(
        &limited.folders().await.unwrap_err(),
        ErrorClass::Malformed,
        "over the limit of 100000 bytes",
    );

    let server = Server::raw(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n").await;
    let limited = source(server.url.clone(), |config| config.max_response_bytes = 100_000);
    check(&limited.folders().await.unwrap_err(), ErrorClass::Malformed, "over the limit");
}

#[tokio::test]
async fn a_broken_connection_is_put_into_words() {
    for (answer, words) in [
        (
            &b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 500\r\n\r\n<s:Envelope"[..],
            "closed the connection in the middle",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n<s:Envelope",
            "closed the connection in the middle",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\noops",
            "damaged compressed answer",
        ),
        (b"", "without an answer"),
        (b"220 mail.corp.test ESMTP\r\n", "does not speak HTTP"),
    ] {
        let server = Server::raw(answer).await;
        let error = server.source().folders().await.unwrap_err();
        check(&error, ErrorClass::Unreachable, words);
        assert!(error.source.is_some());
    }
}

#[tokio::test]
async fn a_closed_port_and_an_unknown_name_are_put_into_words() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let error = source(endpoint("http", port), |_| {}).folders().await.unwrap_err();
    check(&error, ErrorClass::Unreachable, "nothing listens on that port");
    // A label over 63 bytes is no name, so that nobody is asked about it.
    let name = "a".repeat(64) + ".invalid";
    let url = Url::parse(&format!("http://{name}/EWS/Exchange.asmx")).unwrap();
    let error = source(url, |_| {}).folders().await.unwrap_err();
    check(&error, ErrorClass::Unreachable, &format!("name {name} is not known"));
}

#[tokio::test]
async fn a_silent_server_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let hasty = |config: &mut EwsConfig| {
        config.timeouts.connect = Duration::from_millis(150);
        config.timeouts.request = Duration::from_millis(150);
        config.root_certificates.push(certificate("127.0.0.1").0);
    };
    let error = source(endpoint("http", port), hasty).folders().await.unwrap_err();
    check(&error, ErrorClass::Unreachable, "did not finish its answer within 0.15 s");
    let error = source(endpoint("https", port), hasty).folders().await.unwrap_err();
    check(&error, ErrorClass::Unreachable, "did not");
}

/// A self-signed certificate for this name, for the client, and its key with it for a server.
fn certificate(name: &str) -> (Certificate, Arc<rustls::ServerConfig>) {
    certificate_with(name, |_| {})
}

fn certificate_with(name: &str, change: impl FnOnce(&mut rcgen::CertificateParams)) -> (Certificate, Arc<rustls::ServerConfig>) {
    let mut parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    change(&mut parameters);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    let server = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.serialize_der().try_into().unwrap())
        .unwrap();
    (Certificate::from_der(certificate.der()).unwrap(), Arc::new(server))
}

/// A server behind TLS that gives out its folders.
async fn tls_server(config: Arc<rustls::ServerConfig>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = endpoint("https", listener.local_addr().unwrap().port());
    let task = tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            // A client that does not trust the certificate leaves here.
            if let Ok(mut socket) = tokio_rustls::TlsAcceptor::from(config.clone()).accept(socket).await {
                let mut request = [0; 16_384];
                let _ = socket.read(&mut request).await;
                let body = file("folders");
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                socket.write_all((head + &body).as_bytes()).await.unwrap();
                let _ = socket.shutdown().await;
            }
        }
    });
    Server {
        url,
        calls: Arc::default(),
        task,
    }
}

#[tokio::test]
async fn certificates_are_checked_and_their_faults_told_apart() {
    let (own, config) = certificate("127.0.0.1");
    let server = tls_server(config).await;
    // Some root is given each time, so that this works where the system has none.
    let trusting = |certificate: Certificate| move |config: &mut EwsConfig| config.root_certificates.push(certificate);
    let error = source(server.url.clone(), trusting(certificate("else").0))
        .folders()
        .await
        .unwrap_err();
    check(
        &error,
        ErrorClass::Unreachable,
        "issuer that is not trusted here, or it is self-signed",
    );
    let folders = source(server.url.clone(), trusting(own)).folders().await.unwrap();
    assert_eq!(folders.len(), 2);

    let (other, config) = certificate("mail.corp.test");
    let server = tls_server(config).await;
    let error = source(server.url.clone(), trusting(other)).folders().await.unwrap_err();
    check(&error, ErrorClass::Unreachable, "another name");

    let (authority, config) = certificate_with("127.0.0.1", |parameters| {
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained)
    });
    let server = tls_server(config).await;
    let error = source(server.url.clone(), trusting(authority)).folders().await.unwrap_err();
    check(&error, ErrorClass::Unreachable, "self-signed");

    let (old, config) = certificate_with("127.0.0.1", |parameters| parameters.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let server = tls_server(config).await;
    let error = source(server.url.clone(), trusting(old)).folders().await.unwrap_err();
    check(&error, ErrorClass::Unreachable, "expired");
}

#[tokio::test]
async fn tls_and_plain_ports_are_not_mixed_up() {
    let plain = Server::raw(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    let (root, config) = certificate("127.0.0.1");
    let url = endpoint("https", plain.url.port().unwrap());
    let error = source(url, |config| config.root_certificates.push(root))
        .folders()
        .await
        .unwrap_err();
    check(&error, ErrorClass::Unreachable, "does not speak TLS on this port");

    let secure = tls_server(config).await;
    let error = source(endpoint("http", secure.url.port().unwrap()), |_| {})
        .folders()
        .await
        .unwrap_err();
    check(&error, ErrorClass::Unreachable, "whether it wants TLS");
}

/// A server whose notification streams are fed by hand: each opened stream takes the next of these channels.
async fn stream_server(streams: Vec<tokio::sync::mpsc::Receiver<Result<Bytes, std::io::Error>>>) -> Server {
    let streams = Mutex::new(streams.into_iter());
    Server::start(move |_, call| match call.operation.as_str() {
        "Subscribe" => xml(file("subscribed")),
        _ => match streams.lock().unwrap().next() {
            Some(stream) => xml(Body::from_stream(ReceiverStream::new(stream))),
            None => xml(answer("GetStreamingEvents", &[("ErrorExceededConnectionCount", String::new())])),
        },
    })
    .await
}

/// The envelopes of the canned stream: alive, changed, alive, closed, lost.
fn envelopes() -> Vec<String> {
    let stream = file("stream");
    stream
        .split_inclusive("</s:Envelope>")
        .map(ToOwned::to_owned)
        .filter(|piece| piece.contains("Envelope"))
        .collect()
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn an_event_wakes_though_it_arrives_in_pieces() {
    let (feed, stream) = tokio::sync::mpsc::channel(100);
    let server = stream_server(vec![stream]).await;
    let source = server.source();
    let folders = [inbox()];
    let start = Instant::now();
    source.wait(&folders, LONG).await.unwrap();
    assert!(start.elapsed() < LONG / 2, "a new subscription wakes at once");
    assert_eq!(server.operations(), ["Subscribe", "GetStreamingEvents"]);

    let envelopes = envelopes();
    // Only signs of life: the wait lasts to its limit, and cuts the next envelope in two.
    feed.send(Ok(Bytes::from(envelopes[0].clone() + &envelopes[1][..200])))
        .await
        .unwrap();
    let start = Instant::now();
    source.wait(&folders, Duration::from_millis(200)).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(200));
    // The rest, byte by byte, wakes the next wait.
    let rest = envelopes[1][200..].to_owned();
    let feeder = tokio::spawn(async move {
        for byte in rest.into_bytes() {
            feed.send(Ok(Bytes::from(vec![byte]))).await.unwrap();
        }
        feed
    });
    let start = Instant::now();
    source.wait(&folders, LONG).await.unwrap();
    assert!(start.elapsed() < LONG / 2);
    drop(feeder.await.unwrap());
    assert_eq!(
        server.operations(),
        ["Subscribe", "GetStreamingEvents"],
        "subscription and stream are kept"
    );
}

#[tokio::test]
async fn a_stream_that_ends_at_once_makes_the_caller_poll() {
    let envelopes = envelopes();
    for (said, words) in [
        (Some(Ok(Bytes::from(envelopes[3].clone()))), "ended the notifications"),
        (None, "ended the notifications"),
        (
            Some(Err(std::io::Error::from(ErrorKind::BrokenPipe))),
            "closed the connection in the middle",
        ),
        (Some(Ok(Bytes::from(envelopes[4].clone()))), "A new one is made"),
        (Some(Ok(Bytes::from_static(b"<a></b>"))), "not usable XML"),
        (Some(Ok(Bytes::from(vec![b'<'; 2 << 20]))), "over the limit"),
    ] {
        let (feed, stream) = tokio::sync::mpsc::channel(10);
        let server = stream_server(vec![stream]).await;
        let source = server.source();
        source.wait(&[inbox()], LONG).await.unwrap();
        if let Some(said) = said {
            feed.send(said).await.unwrap();
        }
        drop(feed);
        let error = source.wait(&[inbox()], LONG).await.unwrap_err();
        assert!(error.problem.contains(words), "{error:?}");
        // The next time there is no stream to be had.
        let error = source.wait(&[inbox()], LONG).await;
        if words == "A new one is made" {
            assert_eq!(server.operations()[2..], ["Subscribe", "GetStreamingEvents"]);
            error.unwrap();
        } else {
            check(
                &error.unwrap_err(),
                ErrorClass::Retry { after: None },
                "too many notification streams",
            );
            assert_eq!(server.operations(), ["Subscribe", "GetStreamingEvents", "GetStreamingEvents"]);
        }
    }
}

#[tokio::test]
async fn the_end_of_an_old_stream_only_wakes() {
    let (feed_1, first) = tokio::sync::mpsc::channel(10);
    let (feed_2, second) = tokio::sync::mpsc::channel(10);
    let server = stream_server(vec![first, second]).await;
    let source = server.source();
    source.wait(&[inbox()], LONG).await.unwrap();
    source.watch.age(Duration::from_secs(11));
    drop(feed_1);
    source.wait(&[inbox()], LONG).await.unwrap();
    feed_2.send(Ok(Bytes::from(envelopes()[1].clone()))).await.unwrap();
    source.wait(&[inbox()], LONG).await.unwrap();
    assert_eq!(server.operations(), ["Subscribe", "GetStreamingEvents", "GetStreamingEvents"]);
}

#[tokio::test]
async fn an_old_subscription_that_is_lost_is_made_anew() {
    let (feed_1, first) = tokio::sync::mpsc::channel(10);
    let (feed_2, second) = tokio::sync::mpsc::channel(10);
    let server = stream_server(vec![first, second]).await;
    let source = server.source();
    source.wait(&[inbox()], LONG).await.unwrap();
    source.watch.age(Duration::from_secs(61));
    feed_1.send(Ok(Bytes::from(envelopes()[4].clone()))).await.unwrap();
    source.wait(&[inbox()], LONG).await.unwrap();
    assert_eq!(
        server.operations(),
        ["Subscribe", "GetStreamingEvents", "Subscribe", "GetStreamingEvents"]
    );
    drop(feed_2);
}

#[tokio::test]
async fn a_silent_stream_only_wakes() {
    let (feed, stream) = tokio::sync::mpsc::channel(10);
    let server = stream_server(vec![stream]).await;
    let source = source(server.url.clone(), |config| config.timeouts.stream = Duration::from_millis(300));
    source.wait(&[inbox()], LONG).await.unwrap();
    let start = Instant::now();
    // This stream is young yet: the caller polls.
    let error = source.wait(&[inbox()], LONG).await.unwrap_err();
    check(&error, ErrorClass::Retry { after: None }, "ended the notifications");
    assert!(start.elapsed() >= Duration::from_millis(300) && start.elapsed() < LONG / 2);
    drop(feed);
}

#[tokio::test]
async fn other_folders_get_another_subscription() {
    let (feed_1, first) = tokio::sync::mpsc::channel(10);
    let (feed_2, second) = tokio::sync::mpsc::channel(10);
    let server = stream_server(vec![first, second]).await;
    let source = server.source();
    source.wait(&[inbox()], LONG).await.unwrap();
    let other = Folder {
        id: "out".to_owned(),
        ..inbox()
    };
    source.wait(&[inbox(), other], LONG).await.unwrap();
    assert_eq!(
        server.operations(),
        ["Subscribe", "GetStreamingEvents", "Subscribe", "GetStreamingEvents"]
    );
    assert!(server.calls()[2].body.contains(r#"<t:FolderId Id="in"/><t:FolderId Id="out"/>"#));
    drop((feed_1, feed_2));
}
