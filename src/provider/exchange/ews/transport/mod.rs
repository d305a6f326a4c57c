//! Requests over HTTP: login, affinity cookies, limits of time, size and number.
//!
//! | part | holds |
//! |---|---|
//! | `login` | how requests are authenticated |
//! | `handshake`, `pinned` | requests on connections that are logged in by NTLM, and these connections |
//! | `affinity` | what leads to the right server behind a load balancer |
//! | `reading` | how responses are read |

mod affinity;
mod handshake;
mod login;
mod pinned;
mod reading;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use http::{HeaderValue, header};
use reqwest::{Client, RequestBuilder, Response};
use url::Url;

pub(super) use self::affinity::Affinity;
use self::{
    affinity::Route,
    login::Login,
    pinned::{PinnedConnection, PinnedConnections},
};
use super::{
    EwsConfig, EwsTimeouts,
    errors::{Fault, Judge},
    requests::{MAX_ANSWER_BYTES, Request},
};
use crate::{
    net::{ErrorClass, replies::is_web_page, web},
    provider::{
        budget::Budget,
        exchange::server::{Server, name_of},
    },
};

/// A response without an end, with the connection that it keeps busy.
pub(super) struct LongAnswer {
    pub(super) response: Response,
    _connection: Option<PinnedConnection>,
}

/// The connection of one login to one server.
pub(super) struct Transport {
    /// Puts faults into words.
    pub judge: Judge,
    pub timeouts: EwsTimeouts,
    pub server: Server,
    login: Login,
    pinned: PinnedConnections,
    route: Route,
    /// A shared mailbox, which the login opens by its own rights.
    mailbox: Option<String>,
    /// The mailbox that the login, a maintenance account, acts for.
    impersonated: Option<String>,
    budget: Arc<Budget>,
    max_response_bytes: u64,
    /// Whether the login was refused once.
    refused: AtomicBool,
}

impl Transport {
    pub(super) fn new(endpoint: Url, config: EwsConfig) -> Result<Self, Fault> {
        let judge = Judge { host: name_of(&endpoint) };
        if !matches!(endpoint.scheme(), "https" | "http") || !endpoint.username().is_empty() || endpoint.password().is_some() {
            return Err(judge.fault(
                ErrorClass::Unreachable,
                "The EWS address must be like https://{host}/EWS/Exchange.asmx, without a user name or password in it.",
                "",
            ));
        }
        if config.username.is_empty() || config.username.contains(':') || config.username.chars().any(char::is_control) {
            return Err(judge.fault(
                ErrorClass::LoginRequired,
                "The user name must not be empty or contain a colon or control characters (RFC 7617).",
                "",
            ));
        }
        let server = Server::new(config.network, endpoint, config.rules, config.budget.at_once())?;
        let anchor = config
            .mailbox
            .as_deref()
            .or(Some(config.username.as_str()).filter(|name| name.contains('@')));
        let anchor = anchor
            .map(|address| HeaderValue::from_bytes(address.as_bytes()))
            .transpose()
            .map_err(|_| {
                judge.fault(
                    ErrorClass::Refused,
                    "The mailbox's address contains control characters. Check the address.",
                    "",
                )
            })?;
        Ok(Self {
            judge,
            timeouts: config.timeouts,
            server,
            login: Login::new(config.username, config.proof),
            pinned: PinnedConnections::default(),
            route: Route::new(anchor),
            mailbox: config.mailbox.clone().filter(|_| !config.impersonate),
            impersonated: config.mailbox.filter(|_| config.impersonate),
            budget: config.budget,
            max_response_bytes: config.max_response_bytes,
            refused: AtomicBool::new(false),
        })
    }

    /// Sends a request and reads the whole response, which is EWS's own but may report a fault.
    pub(super) async fn call(&self, request: Request) -> Result<Bytes, Fault> {
        self.exchange(request, self.impersonated.as_deref(), None).await
    }

    /// The same on behalf of another mailbox, or of none.
    pub(super) async fn call_as(&self, request: Request, impersonated: Option<&str>) -> Result<Bytes, Fault> {
        self.exchange(request, impersonated, None).await
    }

    /// The same at the server behind the address that keeps certain subscriptions.
    pub(super) async fn call_in(&self, request: Request, affinity: &Affinity) -> Result<Bytes, Fault> {
        self.exchange(request, self.impersonated.as_deref(), Some(affinity)).await
    }

    async fn exchange(&self, request: Request, impersonated: Option<&str>, affinity: Option<&Affinity>) -> Result<Bytes, Fault> {
        let _place = self.budget.enter(1, 0).await?;
        let limit = request.max_answer_bytes.min(self.max_response_bytes);
        let operation = request.operation;
        let make = |client: &Client| {
            let envelope = request.envelope(impersonated);
            self.build(client, envelope, affinity).timeout(self.timeouts.request)
        };
        let answer = self.in_time(async {
            let (response, _connection) = self.send(&make).await?;
            let response = self.check(response, affinity).await?;
            let headers = response.headers().clone();
            Ok((headers, self.body(response, limit).await?))
        });
        let answer = answer.await;
        if answer.as_ref().is_err_and(|fault| fault.error.class == ErrorClass::LoginRequired) {
            self.refused.store(true, Ordering::Relaxed);
        }
        let (headers, body) = answer?;
        tracing::debug!(host = %self.judge.host, operation, bytes = body.len(), "exchange server answered");
        if is_web_page(&headers, &body) {
            return Err(self.judge.web_page(&body));
        }
        Ok(body)
    }

    /// Whether a request that nobody waits for may try the login: not one that was refused, and not that of an account which many use, as every
    /// try that fails brings its lock nearer.
    pub(super) fn may_be_tried(&self) -> bool {
        self.impersonated.is_none() && !self.refused.load(Ordering::Relaxed)
    }

    /// Sends a document that is no request of EWS, and reads the whole response, whatever its status.
    pub(super) async fn post(&self, document: &str) -> Result<web::Answer, Fault> {
        let _place = self.budget.enter(1, 0).await?;
        let make = |client: &Client| self.build(client, document.to_owned(), None).timeout(self.timeouts.request);
        let answer = self.in_time(async {
            let (response, _connection) = self.send(&make).await?;
            Ok(web::Answer {
                status: response.status(),
                headers: response.headers().clone(),
                body: self.body(response, self.max_response_bytes.min(MAX_ANSWER_BYTES)).await?,
            })
        });
        answer.await
    }

    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let answer = tokio::time::timeout(self.timeouts.request, answer).await;
        answer.unwrap_or_else(|_| {
            let words = "{host} did not finish its response in time. It may be overloaded, or the network slow.";
            Err(Fault {
                unclear: true,
                ..self.judge.fault(ErrorClass::Unreachable, words, "")
            })
        })
    }

    /// Sends a request whose response has no end; there is no time limit on reading it, and it holds no place of the mailbox.
    pub(super) async fn stream(&self, request: Request, affinity: &Affinity) -> Result<LongAnswer, Fault> {
        let _place = self.budget.enter(1, 0).await?;
        // Compression would hold pieces back.
        let make = |client: &Client| {
            let request = self.build(client, request.envelope(self.impersonated.as_deref()), Some(affinity));
            request.header(header::ACCEPT_ENCODING, "identity")
        };
        let sent = tokio::time::timeout(self.timeouts.stream, self.send(&make)).await;
        let (response, connection) = sent.unwrap_or_else(|_| {
            let words = "{host} did not begin its response in time.";
            Err(self.judge.fault(ErrorClass::Unreachable, words, ""))
        })?;
        let response = self.check(response, Some(affinity)).await?;
        if is_web_page(response.headers(), b"") {
            return Err(self.judge.web_page(b""));
        }
        Ok(LongAnswer {
            response,
            _connection: connection,
        })
    }

    /// The shared mailbox that is read instead of the login's own.
    pub(super) fn mailbox(&self) -> Option<&str> {
        self.mailbox.as_deref()
    }

    /// Whether the mailbox could be asked something at once: no pause requested by the server, no slow requests.
    pub(super) fn is_free(&self) -> bool {
        self.budget.is_free()
    }

    /// What leads to the server behind the address that holds the mailbox.
    pub(super) fn anchor(&self) -> Option<HeaderValue> {
        self.route.anchor.clone()
    }

    fn build(&self, client: &Client, document: String, affinity: Option<&Affinity>) -> RequestBuilder {
        let request = client
            .post(self.server.endpoint.clone())
            .header(header::CONTENT_TYPE, "text/xml; charset=utf-8")
            .header(header::ACCEPT, "text/xml");
        self.route.add_to(request, affinity).body(document)
    }
}
