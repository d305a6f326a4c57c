//! Microsoft Graph on the same mailboxes, as Exchange Online has it: mail to read and to send, `$batch`, ids that survive moves.
//!
//! | module | holds |
//! |---|---|
//! | `ask` | requests taken apart: paths in all the forms that clients write, options, preferences |
//! | `callers` | access tokens, and which mailboxes they open |
//! | `resources` | folders and messages in JSON, ids |
//! | `reading` | folders, lists, one message, delta |
//! | `calendar` | appointments, to be read |
//! | `writing` | drafts, sending, changes |
//! | `composing` | drafts in parts: attachments, uploads |
//! | `subscriptions` | calls to those who want to know of changes |
//!
//! <https://learn.microsoft.com/graph/api/resources/mail-api-overview>

mod ask;
mod calendar;
mod callers;
mod composing;
mod reading;
mod resources;
mod subscriptions;
mod writing;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request as HttpRequest, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};

use self::{ask::Ask, callers::Caller, resources::random_id};
pub(super) use self::{
    composing::Composing,
    resources::immutable_id,
    subscriptions::{Hook, tell_lifecycle},
};
use super::{
    FaultKind, FolderKind, Request, Shared, lock,
    operations::Failure,
    serving::{Running, blocking, short},
};
use crate::{clock::write_time, listener::Switch};

/// Where Graph has the version that this is.
pub(super) const PATH: &str = "/v1.0";
/// Where Outlook takes uploads, which is no part of Graph.
pub(super) const UPLOADS: &str = "/api/v2.0";
/// Longest request body, in bytes: the real one's limit.
const MAX_BODY: usize = 4 << 20;
/// Most requests in a batch.
const MAX_BATCH: usize = 20;

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new().fallback(handle)
}

/// An answer.
#[derive(Debug, Default)]
struct Reply {
    status: u16,
    headers: Vec<(HeaderName, HeaderValue)>,
    content_type: &'static str,
    body: Bytes,
}

impl Reply {
    fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            content_type: "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8",
            body: body.to_string().into(),
            ..Self::default()
        }
    }

    fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    fn with(mut self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Self {
        self.headers.extend(value.try_into().ok().map(|value| (name, value)));
        self
    }

    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if !self.content_type.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        }
        headers.extend(self.headers);
        response
    }

    /// As it stands in the answer to a batch: JSON as it is, all else in base64.
    fn in_batch(&self, id: &Value) -> Value {
        let body = match serde_json::from_slice(&self.body) {
            Ok(body) if self.content_type.starts_with("application/json") => body,
            _ => Value::from(STANDARD.encode(&self.body)),
        };
        let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let headers = self.headers.iter().map(|(name, value)| (name.to_string(), text(value).into()));
        let mut headers: serde_json::Map<String, Value> = headers.collect();
        headers.insert("Content-Type".to_owned(), self.content_type.into());
        let mut answer = json!({ "id": id, "status": self.status, "headers": headers });
        if !self.body.is_empty() {
            answer["body"] = body;
        }
        answer
    }
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refusal {
    status: u16,
    code: String,
    text: String,
    retry_after: Option<Duration>,
}

impl Refusal {
    fn new(status: u16, code: &str, text: &str) -> Self {
        Self {
            status,
            code: code.to_owned(),
            text: text.to_owned(),
            retry_after: None,
        }
    }

    fn bad_request(text: &str) -> Self {
        Self::new(400, "ErrorInvalidRequest", text)
    }

    fn not_found() -> Self {
        Self::new(404, "ErrorItemNotFound", "The specified object was not found in the store.")
    }

    fn throttled(retry_after: Option<Duration>) -> Self {
        Self {
            retry_after,
            ..Self::new(429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.")
        }
    }

    fn reply(&self, shared: &Shared) -> Reply {
        let body = json!({ "error": {
            "code": self.code,
            "message": self.text,
            "innerError": { "date": write_time(shared.now()), "request-id": random_id(shared), "client-request-id": random_id(shared) },
        }});
        let reply = Reply::json(self.status, &body);
        match self.retry_after {
            Some(span) => reply.with(header::RETRY_AFTER, span.as_secs()),
            None if self.status == 401 => reply.with(header::WWW_AUTHENTICATE, "Bearer realm=\"\""),
            None => reply,
        }
    }
}

/// What EWS refuses too.
impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let status = match &*failure.code {
            "ErrorSendAsDenied" | "ErrorAccessDenied" => 403,
            "ErrorItemNotFound" => 404,
            "ErrorMessageSizeExceeded" => 413,
            _ => 400,
        };
        Self::new(status, &failure.code, &failure.text)
    }
}

enum Outcome {
    Reply(Reply),
    /// The whole response, made already.
    Raw(Response),
    /// The connection closes instead.
    Cut,
}

async fn handle(State(shared): State<Arc<Shared>>, ConnectInfo(switch): ConnectInfo<Switch>, request: HttpRequest) -> Response {
    let (parts, body) = request.into_parts();
    let outcome = match to_bytes(body, MAX_BODY).await {
        Ok(body) => {
            let ask = Ask::new(&parts.method, &parts.uri.to_string(), &parts.headers, body);
            serve(&shared, ask).await
        }
        Err(_) => {
            let refusal = Refusal::new(
                413,
                "RequestEntityTooLarge",
                "The request entity is larger than the server is able to process.",
            );
            Outcome::Reply(refusal.reply(&shared))
        }
    };
    match outcome {
        Outcome::Reply(reply) => reply.into_response(),
        Outcome::Raw(response) => response,
        Outcome::Cut => {
            switch.cut();
            Response::default()
        }
    }
}

async fn serve(shared: &Arc<Shared>, ask: Ask) -> Outcome {
    let caller = match ask.upload() {
        Some(_) => Ok(Caller::default()),
        None => Caller::known(shared, &ask),
    };
    let caller = match caller {
        Ok(caller) => caller,
        Err(refusal) => return Outcome::Reply(refusal.reply(shared)),
    };
    if ask.path() != ["$batch"] {
        return one(shared, &caller, ask).await;
    }
    let answer = match ask.batch(MAX_BATCH) {
        Ok(asks) => {
            let mut answers = Vec::new();
            for (id, ask) in asks {
                match one(shared, &caller, ask).await {
                    Outcome::Reply(reply) => answers.push(reply.in_batch(&id)),
                    Outcome::Raw(_) | Outcome::Cut => return Outcome::Cut,
                }
            }
            Reply::json(200, &json!({ "responses": answers }))
        }
        Err(refusal) => refusal.reply(shared),
    };
    Outcome::Reply(answer)
}

/// Answers a request of its own, or one of a batch.
async fn one(shared: &Arc<Shared>, caller: &Caller, ask: Ask) -> Outcome {
    let begin = shared.started.elapsed();
    let operation = ask.operation();
    let target = caller.target(shared, &ask);
    let running = Running::new(shared.clone(), target.as_ref().ok().copied().flatten());
    let concurrent = running.as_ref().map_or(0, |running| running.concurrent);
    let mailbox = target.as_ref().ok().copied().flatten();
    let mailbox = mailbox.and_then(|mailbox| Some(shared.world().mailbox(mailbox)?.address.clone()));
    let entries = ask.entries();
    let mut faulty = false;
    let outcome = match target {
        Err(refusal) => Outcome::Reply(refusal.reply(shared)),
        Ok(_) if concurrent > shared.limits.concurrency => Outcome::Reply(Refusal::throttled(Some(shared.limits.backoff)).reply(shared)),
        Ok(target) => {
            let call = Call {
                shared: shared.clone(),
                caller: caller.clone(),
                mailbox: target,
                fault: None,
            };
            let folder = call.synchronised_folder(&ask);
            let struck = lock(&shared.script).strike(&operation, mailbox.as_deref(), folder);
            faulty = struck.is_some();
            carry_out(shared, caller, target, ask, struck).await
        }
    };
    drop(running);
    let status = match &outcome {
        Outcome::Reply(reply) => Some(reply.status),
        Outcome::Raw(response) => Some(response.status().as_u16()),
        Outcome::Cut => None,
    };
    lock(&shared.record).push(Request {
        operation,
        login: caller.name.clone(),
        mailbox,
        begin,
        end: shared.started.elapsed(),
        entries,
        concurrent,
        status,
        faulty,
    });
    outcome
}

async fn carry_out(shared: &Arc<Shared>, caller: &Caller, target: Option<u32>, ask: Ask, struck: Option<FaultKind>) -> Outcome {
    let reply = |refusal: Refusal| Outcome::Reply(refusal.reply(shared));
    let text = |content_type, body: &'static [u8]| {
        Outcome::Reply(Reply {
            status: 200,
            content_type,
            body: Bytes::from_static(body),
            ..Reply::default()
        })
    };
    match struck {
        Some(FaultKind::Graph { status, code, retry_after }) => {
            return reply(Refusal {
                retry_after,
                ..Refusal::new(status, code, "A fault as scripted.")
            });
        }
        Some(FaultKind::Http { status, retry_after }) => {
            let answer = Reply::empty(status);
            return Outcome::Reply(match retry_after {
                Some(span) => answer.with(header::RETRY_AFTER, span.as_secs()),
                None => answer,
            });
        }
        Some(FaultKind::DropBeforeAnswer) => return Outcome::Cut,
        Some(FaultKind::Garbage) => return text("application/json", b"{\"value\": \xff\x00"),
        Some(FaultKind::Html) => return text("text/html", b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>"),
        Some(FaultKind::Slow(span)) => {
            tokio::select! {
                () = tokio::time::sleep(span) => {}
                () = shared.stop.cancelled() => return Outcome::Cut,
            }
        }
        _ => {}
    }
    let done = if ask.path().first().is_some_and(|first| first == "subscriptions") {
        subscriptions::serve(shared, caller, &ask).await
    } else {
        let call = Call {
            shared: shared.clone(),
            caller: caller.clone(),
            mailbox: target,
            fault: struck.clone(),
        };
        blocking(move || call.execute(&ask)).await
    };
    let done = done.unwrap_or_else(|refusal| refusal.reply(shared));
    match struck {
        Some(FaultKind::DropAfterWrite) => Outcome::Cut,
        Some(FaultKind::TruncateBody) => Outcome::Raw(short(done.content_type, &done.body.slice(..done.body.len() / 2), done.body.len())),
        Some(FaultKind::WrongContentLength) => Outcome::Raw(short(done.content_type, &done.body, done.body.len() + 100)),
        _ => Outcome::Reply(done),
    }
}

/// A request that may be carried out.
struct Call {
    shared: Arc<Shared>,
    caller: Caller,
    mailbox: Option<u32>,
    /// The scripted fault that is left to the operation.
    fault: Option<FaultKind>,
}

impl Call {
    /// The folder whose changes are asked for.
    fn synchronised_folder(&self, ask: &Ask) -> Option<FolderKind> {
        match ask.below_user().iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["mailFolders", folder, "messages", "delta"] => self.find_folder(self.mailbox?, folder).ok(),
            _ => None,
        }
    }

    fn execute(&self, ask: &Ask) -> Result<Reply, Refusal> {
        let Some(mailbox) = self.mailbox else {
            return Err(Refusal::new(400, "BadRequest", "Resource not found for the segment."));
        };
        if let Some(secret) = ask.upload() {
            return self.upload(mailbox, secret, ask);
        }
        let path: Vec<&str> = ask.below_user().iter().map(String::as_str).collect();
        match (ask.method.as_str(), path.as_slice()) {
            ("GET", []) => self.user(mailbox),
            ("GET", ["mailFolders"]) => self.folders(mailbox, None),
            ("GET", ["mailFolders", "delta"]) => self.folders_delta(mailbox, ask),
            ("GET", ["mailFolders", folder]) => self.folder(mailbox, folder),
            ("GET", ["mailFolders", folder, "childFolders"]) => self.folders(mailbox, Some(folder)),
            ("GET", ["mailFolders", folder, "messages", "delta"]) => self.delta(mailbox, folder, ask),
            ("GET", ["mailFolders", folder, "messages"]) => self.list(mailbox, Some(folder), ask),
            ("GET", ["messages"]) => self.list(mailbox, None, ask),
            ("GET", ["messages", id] | ["mailFolders", _, "messages", id]) => self.message(mailbox, id, ask),
            ("GET", ["messages", id, "$value"] | ["mailFolders", _, "messages", id, "$value"]) => self.value(mailbox, id),
            ("POST", ["messages"]) => self.create(mailbox, ask),
            ("PATCH", ["messages", id]) => self.update(mailbox, id, ask),
            ("DELETE", ["messages", id]) => self.delete(mailbox, id),
            ("POST", ["messages", id, "move"]) => self.relocate(mailbox, id, ask),
            ("POST", ["messages", id, "attachments"]) => self.attach(mailbox, id, ask),
            ("POST", ["messages", id, "attachments", "createUploadSession"]) => self.begin_upload(mailbox, id, ask),
            ("POST", ["messages", id, "send"]) => self.send_draft(mailbox, id),
            ("POST", ["sendMail"]) => self.send_mail(mailbox, ask),
            ("POST", ["translateExchangeIds"]) => self.translate(mailbox, ask),
            ("GET", ["calendar"]) => Ok(Reply::json(200, &json!({ "id": "calendar", "name": "Calendar", "canEdit": true }))),
            ("GET", ["calendars"]) => Ok(Reply::json(
                200,
                &json!({ "value": [{ "id": "calendar", "name": "Calendar", "canEdit": true }] }),
            )),
            ("GET", ["events"] | ["calendar", "events"]) => self.events(mailbox, ask),
            ("GET", ["calendarView"] | ["calendar", "calendarView"]) => self.calendar_view(mailbox, ask),
            _ => Err(Refusal::new(
                400,
                "BadRequest",
                "Resource not found for the segment, or not known to the simulator.",
            )),
        }
    }
}
