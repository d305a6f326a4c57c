//! From an HTTP request to an answer: authentication, sizes, who acts for whom, limits, scripted faults.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request as HttpRequest, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use bytes::Bytes;

use super::super::listener::Switch;
use super::{
    FaultKind, Request, Shared, autodiscover, graph, lock,
    operations::{Answer, Call, Failure},
    schema,
    serving::{Running, authenticate, blocking, ok, plain, short, unauthorized},
    streaming,
    xml::{self, Element},
};

/// Where Exchange has its web services.
pub(super) const PATH: &str = "/EWS/Exchange.asmx";

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .nest(graph::PATH, graph::router())
        .nest(graph::UPLOADS, graph::router())
        .fallback(handle)
        .with_state(shared)
}

/// What is known of a request by the time it is answered, for the record.
struct Seen {
    operation: String,
    login: String,
    mailbox: Option<String>,
    entries: usize,
    concurrent: usize,
    begin: Duration,
    faulty: bool,
    /// The server behind the address that it came to.
    back_end: Option<u32>,
}

async fn handle(State(shared): State<Arc<Shared>>, ConnectInfo(switch): ConnectInfo<Switch>, request: HttpRequest) -> Response {
    if autodiscover::is_meant(&request) {
        return autodiscover::answer(&shared, request).await;
    }
    let mut seen = Seen {
        operation: String::new(),
        login: String::new(),
        mailbox: None,
        entries: 0,
        concurrent: 0,
        begin: shared.started.elapsed(),
        faulty: false,
        back_end: None,
    };
    let affinity = request.headers().get("x-preferserveraffinity").is_some();
    let asks = !request.headers().contains_key(header::AUTHORIZATION);
    let outcome = answer(&shared, request, &mut seen).await;
    let (status, mut response) = match outcome {
        Outcome::Answer(response) => (Some(response.status().as_u16()), response),
        Outcome::Cut => {
            switch.cut();
            (None, Response::default())
        }
    };
    if let Some(back_end) = seen.back_end.filter(|_| affinity)
        && let Ok(cookie) = HeaderValue::try_from(format!("{BACK_END}=simulator~{back_end}; path=/; HttpOnly"))
    {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    // Without a login, a client only asks how to log in.
    if asks {
        return response;
    }
    lock(&shared.record).push(Request {
        operation: seen.operation,
        login: seen.login,
        mailbox: seen.mailbox,
        begin: seen.begin,
        end: shared.started.elapsed(),
        entries: seen.entries,
        concurrent: seen.concurrent,
        status,
        faulty: seen.faulty,
    });
    response
}

enum Outcome {
    Answer(Response),
    /// The connection closes instead.
    Cut,
}

impl From<Response> for Outcome {
    fn from(response: Response) -> Self {
        Self::Answer(response)
    }
}

async fn answer(shared: &Arc<Shared>, request: HttpRequest, seen: &mut Seen) -> Outcome {
    if !request.uri().path().eq_ignore_ascii_case(PATH) {
        return plain(StatusCode::NOT_FOUND).into();
    }
    match authenticate(shared, &request) {
        Some(login) => seen.login = login,
        None => return unauthorized(shared).into(),
    }
    if request.method() != Method::POST {
        return plain(StatusCode::METHOD_NOT_ALLOWED).into();
    }
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !content_type.is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("text/xml")) {
        return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE).into();
    }
    let wish = Wish::of(request.headers());
    let Ok(body) = to_bytes(request.into_body(), shared.limits.body_bytes).await else {
        return plain(StatusCode::PAYLOAD_TOO_LARGE).into();
    };
    let (login, owner) = (seen.login.clone(), shared.clone());
    let prepared = match blocking(move || prepare(owner, login, &body)).await {
        Ok(prepared) => prepared,
        Err(failure) => return fault(&failure).into(),
    };
    let Prepared { mut call, entries } = prepared;
    call.back_end = wish.back_end(shared, call.target);
    seen.back_end = Some(call.back_end);
    call.operation().name.clone_into(&mut seen.operation);
    seen.entries = entries;

    let is_stream = call.operation().name == "GetStreamingEvents";
    let running = (!is_stream).then(|| Running::new(shared.clone(), call.target)).flatten();
    seen.concurrent = running.as_ref().map_or(0, |running| running.concurrent);
    seen.mailbox = call.target.and_then(|target| Some(shared.world().mailbox(target)?.address.clone()));

    if seen.concurrent > shared.limits.concurrency {
        return fault(&Failure::busy(Some(shared.limits.backoff))).into();
    }
    let folder = call.synchronised_folder();
    let struck = lock(&shared.script).strike(&seen.operation, seen.mailbox.as_deref(), folder);
    seen.faulty = struck.is_some();
    match struck {
        Some(FaultKind::SoapFaultBusy { backoff }) => return fault(&Failure::busy(backoff)).into(),
        Some(FaultKind::SoapFault(code)) => return fault(&Failure::new(code, "A fault as scripted.")).into(),
        Some(FaultKind::Http { status: 401, .. }) => return unauthorized(shared).into(),
        Some(FaultKind::Http { status, retry_after }) => return refused(status, retry_after).into(),
        Some(FaultKind::DropBeforeAnswer) => return Outcome::Cut,
        Some(FaultKind::Garbage) => return ok("text/xml; charset=utf-8", Body::from(&b"\x00\xff<\x1b]]>garbage"[..])).into(),
        Some(FaultKind::Html) => {
            let page = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><form action=/owa/auth.owa></form></body></html>";
            return ok("text/html", Body::from(page)).into();
        }
        Some(FaultKind::Slow(span)) => {
            tokio::select! {
                () = tokio::time::sleep(span) => {}
                () = shared.stop.cancelled() => return Outcome::Cut,
            }
        }
        other => call.fault = other,
    }

    if is_stream {
        return streaming::get_streaming_events(call).map_or_else(
            |failure| ok(XML, Body::from(xml::envelope(&failure))).into(),
            |stream| ok(XML, Body::from_stream(stream)).into(),
        );
    }
    let after = match call.fault {
        Some(FaultKind::DropAfterWrite | FaultKind::TruncateBody | FaultKind::WrongContentLength) => call.fault.take(),
        _ => None,
    };
    let answer = blocking(move || call.execute()).await;
    drop(running);
    let document = match answer {
        Answer::Fault(failure) => return fault(&failure).into(),
        Answer::Document(document) => Bytes::from(document),
    };
    match after {
        Some(FaultKind::DropAfterWrite) => Outcome::Cut,
        Some(FaultKind::TruncateBody) => short(XML, &document.slice(..document.len() / 2), document.len()).into(),
        Some(FaultKind::WrongContentLength) => short(XML, &document, document.len() + 100).into(),
        _ => ok(XML, Body::from(document)).into(),
    }
}

const XML: &str = "text/xml; charset=utf-8";
/// The cookie that names a server behind the address.
const BACK_END: &str = "X-BackEndOverrideCookie";

/// Which of the servers behind the address a request wants.
struct Wish {
    back_end: Option<u32>,
    anchor: Option<String>,
}

impl Wish {
    fn of(headers: &HeaderMap) -> Self {
        let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
        let cookies = headers.get(header::COOKIE).and_then(text).unwrap_or_default();
        let named = cookies.split(';').find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == BACK_END).then(|| value.strip_prefix("simulator~")?.parse().ok()).flatten()
        });
        Self {
            back_end: named,
            anchor: headers.get("x-anchormailbox").and_then(text),
        }
    }

    /// The server that it comes to: the one of the cookie, else the one that holds the mailbox of the anchor, else the mailbox's own.
    fn back_end(&self, shared: &Shared, target: Option<u32>) -> u32 {
        let named = self.back_end.filter(|back_end| *back_end < shared.back_ends);
        let anchor = self.anchor.as_ref().and_then(|anchor| shared.world().find(anchor));
        let home = anchor.or(target).unwrap_or_default() % shared.back_ends;
        named.unwrap_or(home)
    }
}

struct Prepared {
    call: Call,
    entries: usize,
}

/// Reads a request, checks it, and finds out on whose behalf it is made.
fn prepare(shared: Arc<Shared>, login: String, body: &[u8]) -> Result<Prepared, Failure> {
    let invalid = |text: &str| Failure::new("ErrorSchemaValidation", &format!("The request failed schema validation: {text}"));
    let text = std::str::from_utf8(body).map_err(|_| invalid("The body is not UTF-8."))?;
    let envelope = Element::parse(text.trim_start_matches('\u{feff}')).map_err(|e| invalid(&e))?;
    if envelope.name != "Envelope" || envelope.space != xml::Space::Soap {
        return Err(invalid("There is no SOAP 1.1 envelope."));
    }
    let operation = envelope
        .child("Body")
        .and_then(|body| body.children.first())
        .ok_or_else(|| invalid("The body is empty."))?;
    if !schema::knows(&operation.name) {
        return Err(Failure::new("ErrorInvalidRequest", "The simulator does not know this operation."));
    }
    schema::check(operation).map_err(|e| invalid(&e))?;
    let containers = ["ItemIds", "FolderIds", "Items", "ItemChanges", "ParentFolderIds", "SubscriptionIds"];
    let entries = containers
        .iter()
        .filter_map(|name| operation.child(name))
        .map(|list| list.children.len())
        .sum();
    Ok(Prepared {
        call: Call::new(shared, login, envelope)?,
        entries,
    })
}

fn refused(status: u16, retry_after: Option<Duration>) -> Response {
    let mut response = plain(StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE));
    if let Some(span) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, span.as_secs().into());
    }
    response
}

fn fault(failure: &Failure) -> Response {
    let mut response = ok(XML, Body::from(failure.soap_fault()));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}
