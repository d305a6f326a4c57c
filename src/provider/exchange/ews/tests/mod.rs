//! The whole client against canned answers on loopback. Here are the server and its answers; the tests lie by topic below.
//!
//! | module | tests |
//! |---|---|
//! | `reading` | settings, folders, pages of changes, messages one by one |
//! | `limits` | sizes of answers, requests at once |
//! | `faults` | what servers answer instead |
//! | `connection` | connections that fail, TLS |
//! | `login` | how it is logged in, and what is not sent before that |
//! | `acting` | acting for mailboxes, sending |
//! | `checking` | checks of a connection |
//! | `streaming`, `sharing` | notifications; streams of several mailboxes |

mod acting;
mod checking;
mod connection;
mod faults;
mod limits;
mod login;
mod reading;
mod sharing;
mod streaming;

use std::{
    fmt::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, StatusCode, header};
use rustls::pki_types::CertificateDer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};
use url::Url;
use zeroize::Zeroizing;

use super::{EwsConfig, EwsSource};
use crate::{
    domain::{Mailbox, Timestamp},
    net::{ErrorClass, Network, NetworkConfig, ProviderError},
    provider::{Fetched, Folder, FolderRole, ItemId, ListedMessage},
};

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
            // Without a login, a client only asks how to log in.
            if !headers.contains_key(header::AUTHORIZATION) {
                assert!(body.is_empty(), "nothing is said before the login");
                let offer = (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=\"mail\"")]);
                return futures::future::Either::Left(async move { offer.into_response() });
            }
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
            futures::future::Either::Right(async move { script(number, &call) })
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

impl EwsSource {
    /// One request for one thing.
    async fn inbox(&self) -> Result<Folder, ProviderError> {
        Ok(super::folders::inbox(&self.transport).await?)
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let rest = text.split_once(start).unwrap().1;
    &rest[..rest.find(end).unwrap()]
}

fn endpoint(scheme: &str, port: u16) -> Url {
    Url::parse(&format!("{scheme}://127.0.0.1:{port}/EWS/Exchange.asmx")).unwrap()
}

/// Connections that trust these authorities too.
fn network(root_certificates: Vec<CertificateDer<'static>>, connect_timeout: Duration) -> Network {
    Network::new(NetworkConfig {
        allow_loopback: true,
        connect_timeout,
        root_certificates,
        ..NetworkConfig::default()
    })
}

fn source(url: Url, change: impl FnOnce(&mut EwsConfig)) -> EwsSource {
    let network = network(Vec::new(), Duration::from_secs(5));
    let mut config = EwsConfig::new(network, "CORP\\crm", Zeroizing::new("pässword".to_owned()));
    config.timeouts.looks.pause = Duration::from_millis(10);
    change(&mut config);
    EwsSource::new(url, config).unwrap()
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

/// The header of every message.
const HEAD: &[u8] = b"Message-ID: <m@x.test>\r\n\r\n";

/// An item with this size, and with this body when asked for it.
fn item(size: u64, body: Option<&[u8]>) -> String {
    let mime = body.map_or_else(String::new, |body| {
        format!("<y:MimeContent>{}</y:MimeContent>", STANDARD.encode([HEAD, body].concat()))
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
        path: String::new(),
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
                let body = raw.strip_prefix(HEAD).unwrap();
                format!("message {}", String::from_utf8_lossy(&body[..body.len().min(20)]))
            }
            Fetched::TooLarge {
                size,
                listed:
                    ListedMessage {
                        subject,
                        from,
                        message_id,
                        received,
                        ..
                    },
            } => {
                assert_eq!((subject.as_str(), message_id.as_str()), ("S", "<m@x.test>"));
                assert_eq!(*from, Mailbox::reported("N".to_owned(), "n@x.test".to_owned()));
                assert!(received.is_some());
                format!("too large {size}")
            }
            Fetched::Gone => "gone".to_owned(),
            Fetched::Broken { server_reply, .. } => format!("broken {server_reply}"),
        })
        .collect()
}

#[track_caller]
fn check(error: &ProviderError, class: ErrorClass, words: &str) {
    assert_eq!(error.class, class, "{error:?}");
    assert!(error.problem.contains(words), "{error:?}");
    assert!(!format!("{error:?}").contains("pässword"));
}
