//! Requests over HTTP: login, affinity cookies, limits of time, size and number.

mod pinned;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use reqwest::{Client, RequestBuilder, Response};
use url::Url;
use zeroize::Zeroizing;

use self::pinned::{PinnedConnection, PinnedConnections, SendError, Server};
use super::{
    EwsConfig, EwsProof, EwsTimeouts,
    errors::{Fault, Judge},
    ntlm::{self, Handshake, Scheme},
    requests::{MAX_ANSWER_BYTES, Request},
};
use crate::{
    crypto::Secret,
    net::{
        EndpointRules, ErrorClass, Network, ProviderError, StageReport,
        replies::{self, Unread, is_web_page},
    },
    provider::{AccessTokens, budget::Budget},
};

/// Limit of bytes that are read of an error response.
const FAULT_BYTES: u64 = 256 * 1024;
/// Most cookies kept, and the longest, in bytes.
const COOKIES: (usize, usize) = (32, 4096);
/// The cookie that names the server behind the address.
const BACK_END: &str = "X-BackEndOverrideCookie";

/// Logins that are begun for one request, when connections are closed in the middle.
const HANDSHAKES: usize = 3;

/// How a server is logged in to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By the password with each request (RFC 7617).
    Basic,
    /// By a proof that binds a connection.
    Bound(Scheme),
}

impl Way {
    /// The best of those that an answer offers: one in which the password itself does not travel, if there is one.
    fn offered(headers: &HeaderMap) -> Option<Self> {
        let basic = || ntlm::offers_basic(headers).then_some(Self::Basic);
        Scheme::offered(headers).map(Self::Bound).or_else(basic)
    }

    fn is_offered(self, headers: &HeaderMap) -> bool {
        match self {
            Self::Basic => ntlm::offers_basic(headers),
            Self::Bound(scheme) => scheme.is_offered(headers),
        }
    }
}

/// An answer to a request that was sent with a login.
struct Answer {
    response: Response,
    /// What it keeps busy until it is read.
    pinned: Option<PinnedConnection>,
    /// Whether the server has judged the password.
    judged: bool,
}

/// An answer without an end, with the connection that it keeps busy.
pub(super) struct LongAnswer {
    pub(super) response: Response,
    _pinned: Option<PinnedConnection>,
}

/// Which server behind the address keeps subscriptions that share a stream. What is about these goes there, whichever mailbox it is about.
#[derive(Default)]
pub(super) struct Affinity(Mutex<Leaning>);

/// Locked only briefly.
#[derive(Default)]
struct Leaning {
    /// The mailbox that it began with.
    anchor: Option<HeaderValue>,
    known: bool,
    /// What the server said how to find it. Servers without others beside them say nothing.
    cookie: Option<String>,
}

impl Affinity {
    fn lock(&self) -> MutexGuard<'_, Leaning> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there are subscriptions.
    pub(super) fn is_known(&self) -> bool {
        self.lock().known
    }

    /// In whose name a server is looked for.
    pub(super) fn set_anchor(&self, anchor: Option<HeaderValue>) {
        self.lock().anchor = anchor;
    }

    /// A subscription was made through this connection.
    pub(super) fn found(&self, through: &Transport) {
        let mut leaning = self.lock();
        if !leaning.known {
            leaning.known = true;
            let kept = || {
                through
                    .cookies
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get(BACK_END)
                    .cloned()
            };
            leaning.cookie = leaning.cookie.take().or_else(kept);
        }
    }

    /// There are no subscriptions any more.
    pub(super) fn forget(&self) {
        *self.lock() = Leaning::default();
    }
}

/// The credentials.
enum Login {
    Password {
        username: String,
        password: Zeroizing<String>,
        /// Both by basic authentication.
        authorization: HeaderValue,
    },
    Tokens(Arc<dyn AccessTokens>),
}

/// The connection of one login to one server.
pub(super) struct Transport {
    /// Puts faults into words.
    pub judge: Judge,
    pub timeouts: EwsTimeouts,
    network: Network,
    rules: EndpointRules,
    http: Client,
    endpoint: Url,
    login: Login,
    /// How to log in, once the server has told. Locked only briefly.
    way: Mutex<Option<Way>>,
    pinned: PinnedConnections,
    anchor: Option<HeaderValue>,
    /// A shared mailbox, which the login opens by its own rights.
    mailbox: Option<String>,
    /// The mailbox that the login, a maintenance account, acts for.
    impersonated: Option<String>,
    /// Cookies by name. They lead to the server behind a load balancer that knows the mailbox and its subscriptions. Locked only briefly.
    cookies: Mutex<BTreeMap<String, String>>,
    budget: Arc<Budget>,
    max_response_bytes: u64,
    /// Whether the login was refused once.
    refused: AtomicBool,
}

impl Transport {
    pub(super) fn new(endpoint: Url, config: EwsConfig) -> Result<Self, Fault> {
        let judge = Judge {
            host: match (endpoint.host_str(), endpoint.port()) {
                (Some(host), Some(port)) => format!("{host}:{port}").into(),
                (Some(host), None) => host.into(),
                (None, _) => endpoint.as_str().into(),
            },
        };
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
        let http = client(&endpoint, &config)?;
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
            network: config.network,
            rules: config.rules,
            http,
            login: match config.proof {
                EwsProof::Password(password) => Login::Password {
                    authorization: basic(&config.username, &password),
                    username: config.username,
                    password,
                },
                EwsProof::Tokens(tokens) => Login::Tokens(tokens),
            },
            way: Mutex::default(),
            pinned: PinnedConnections::default(),
            anchor,
            mailbox: config.mailbox.clone().filter(|_| !config.impersonate),
            impersonated: config.mailbox.filter(|_| config.impersonate),
            cookies: Mutex::default(),
            budget: config.budget,
            max_response_bytes: config.max_response_bytes,
            refused: AtomicBool::new(false),
            endpoint,
        })
    }

    /// Sends a request and reads the whole answer, which is EWS's own but may report a fault.
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
            let (response, _pinned) = self.send(&make).await?;
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

    /// Sends a document that is no request of EWS, and reads the whole answer, whatever its status.
    pub(super) async fn post(&self, document: &str) -> Result<(StatusCode, HeaderMap, Bytes), Fault> {
        let _place = self.budget.enter(1, 0).await?;
        let make = |client: &Client| self.build(client, document.to_owned(), None).timeout(self.timeouts.request);
        let answer = self.in_time(async {
            let (response, _pinned) = self.send(&make).await?;
            let (status, headers) = (response.status(), response.headers().clone());
            Ok((
                status,
                headers,
                self.body(response, self.max_response_bytes.min(MAX_ANSWER_BYTES)).await?,
            ))
        });
        answer.await
    }

    /// What a refused login means.
    pub(super) fn login_refused(&self, headers: &HeaderMap) -> Fault {
        match self.login {
            Login::Tokens(_) => self.judge.token_refused(headers),
            Login::Password { .. } => self.judge.status(StatusCode::UNAUTHORIZED, headers, b""),
        }
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

    /// Sends a request whose answer has no end; there is no time limit on reading it, and it holds no place of the mailbox.
    pub(super) async fn stream(&self, request: Request, affinity: &Affinity) -> Result<LongAnswer, Fault> {
        let _place = self.budget.enter(1, 0).await?;
        // Compression would hold pieces back.
        let make = |client: &Client| {
            let request = self.build(client, request.envelope(self.impersonated.as_deref()), Some(affinity));
            request.header(header::ACCEPT_ENCODING, "identity")
        };
        let sent = tokio::time::timeout(self.timeouts.stream, self.send(&make)).await;
        let (response, pinned) = sent.unwrap_or_else(|_| {
            let words = "{host} did not begin its response in time.";
            Err(self.judge.fault(ErrorClass::Unreachable, words, ""))
        })?;
        let response = self.check(response, Some(affinity)).await?;
        if is_web_page(response.headers(), b"") {
            return Err(self.judge.web_page(b""));
        }
        Ok(LongAnswer { response, _pinned: pinned })
    }

    /// Sends a request with the login that the server takes. A password that is refused is not tried in another way, which could lock the
    /// account. The connection is to be kept until the answer is read.
    async fn send(&self, make: &(dyn Fn(&Client) -> RequestBuilder + Sync)) -> Result<(Response, Option<PinnedConnection>), Fault> {
        if let Login::Tokens(tokens) = &self.login {
            return Ok((self.send_with_token(&**tokens, make).await?, None));
        }
        let known = *self.way.lock().unwrap_or_else(PoisonError::into_inner);
        let way = match known {
            Some(way) => way,
            None => match self.ask().await? {
                Ok(way) => way,
                Err(response) => return Ok((response, None)),
            },
        };
        let answer = self.send_by(way, make).await?;
        if known.is_none() && answer.response.status() != StatusCode::UNAUTHORIZED {
            self.remember(way);
        }
        let headers = answer.response.headers();
        let changed = answer.response.status() == StatusCode::UNAUTHORIZED && !answer.judged && !way.is_offered(headers);
        // The server was reconfigured since it was queried.
        let Some(way) = Way::offered(headers).filter(|_| changed) else {
            return Ok((answer.response, answer.pinned));
        };
        drop(answer);
        self.remember(way);
        let answer = self.send_by(way, make).await?;
        Ok((answer.response, answer.pinned))
    }

    /// Sends a request with the current access token; if that is rejected before it expires, once more with another one.
    async fn send_with_token(
        &self,
        tokens: &dyn AccessTokens,
        make: &(dyn Fn(&Client) -> RequestBuilder + Sync),
    ) -> Result<Response, Fault> {
        let send = async |token: &Secret| {
            let value = Zeroizing::new(format!("Bearer {}", token.expose()));
            let mut value = HeaderValue::from_str(&value).map_err(|_| self.judge.malformed_token())?;
            value.set_sensitive(true);
            let request = make(&self.http).header(header::AUTHORIZATION, value);
            self.network.send(request).await.map_err(|error| self.connection_fault(error))
        };
        let token = tokens.current().await?;
        let response = send(&token).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let other = tokens.instead_of(&token).await?;
        if other.expose() == token.expose() {
            return Ok(response);
        }
        // Read to its end, so that the connection can be used again; it does not matter whether it can.
        let _ = self.body(response, FAULT_BYTES).await;
        send(&other).await
    }

    fn remember(&self, way: Way) {
        *self.way.lock().unwrap_or_else(PoisonError::into_inner) = Some(way);
    }

    /// Finds out how to log in with a request without a login, so that no password is sent to a server that accepts something better. The error is a
    /// response that says what is wrong without one.
    async fn ask(&self) -> Result<Result<Way, Response>, Fault> {
        let asked = self.http.post(self.endpoint.clone()).timeout(self.timeouts.request);
        let asked = self.network.send(asked).await;
        let response = asked.map_err(|error| self.connection_fault(error))?;
        match response.status().as_u16() {
            401 => {
                let way = Way::offered(response.headers());
                // Read to its end, so that the connection can be used again; it does not matter whether it can.
                let _ = self.body(response, FAULT_BYTES).await;
                if let Some(way) = way {
                    self.remember(way);
                }
                Ok(Ok(way.unwrap_or(Way::Basic)))
            }
            // It takes requests of everybody, or stumbles over one without content: the real one will show.
            200..=299 | 400 | 405 | 411 | 415 | 500 | 501 => Ok(Ok(Way::Basic)),
            _ => Ok(Err(response)),
        }
    }

    async fn send_by(&self, way: Way, make: &(dyn Fn(&Client) -> RequestBuilder + Sync)) -> Result<Answer, Fault> {
        let Login::Password {
            username,
            password,
            authorization,
        } = &self.login
        else {
            unreachable!("tokens go another way");
        };
        let scheme = match way {
            Way::Bound(scheme) => scheme,
            Way::Basic => {
                let request = make(&self.http).header(header::AUTHORIZATION, authorization.clone());
                let response = self.network.send(request).await.map_err(|error| self.connection_fault(error))?;
                // Where basic authentication is not offered, what it carries is not looked at.
                let judged = response.status() != StatusCode::UNAUTHORIZED || Way::Basic.is_offered(response.headers());
                return Ok(Answer {
                    response,
                    pinned: None,
                    judged,
                });
            }
        };
        self.send_logged_in(scheme, (username, password), make).await
    }

    /// Sends a request on a connection that is logged in, or logs it in first.
    async fn send_logged_in(
        &self,
        scheme: Scheme,
        (username, password): (&str, &str),
        make: &(dyn Fn(&Client) -> RequestBuilder + Sync),
    ) -> Result<Answer, Fault> {
        let server = Server {
            network: &self.network,
            endpoint: &self.endpoint,
            rules: &self.rules,
        };
        let request =
            |builder: RequestBuilder| server.prepare(builder.build().map_err(|error| self.network.fault(&self.judge.host, error))?);
        let broken = |error| Fault {
            unclear: true,
            ..server.fault(error).into()
        };
        let answer = |response, pinned, judged| Answer {
            response,
            pinned: Some(pinned),
            judged,
        };
        let mut pinned = self.pinned.take();
        for _ in 0..HANDSHAKES {
            let connection = pinned.open(&server).await?;
            if connection.logged_in {
                match connection.send(request(make(&self.http))?).await {
                    Ok(response) if response.status() == StatusCode::UNAUTHORIZED => {
                        // The server has forgotten the login.
                        connection.logged_in = false;
                        self.body(response, FAULT_BYTES).await?;
                    }
                    Ok(response) => return Ok(answer(response, pinned, true)),
                    Err(SendError::NotSent) => {
                        pinned.connection = None;
                        continue;
                    }
                    Err(SendError::Broken(error)) => return Err(broken(error)),
                }
            }
            let connection = pinned.open(&server).await?;
            let handshake = Handshake::begin(scheme);
            let first = self.http.post(self.endpoint.clone()).header(header::CONTENT_LENGTH, 0);
            let first = request(first.header(header::AUTHORIZATION, handshake.first()))?;
            let challenged = match connection.send(first).await {
                Ok(challenged) if challenged.status() == StatusCode::UNAUTHORIZED => challenged,
                // Not the answer to the request, which was never sent.
                Ok(other) if other.status().is_success() => {
                    let words = "{host} answered the first step of a login as if it were a request, although it requires a login. Check \
                                 that anonymous access is off for the EWS address, and what is between this service and the server.";
                    return Err(self.judge.fault(ErrorClass::Malformed, words, &format!("HTTP {}", other.status())));
                }
                Ok(other) => return Ok(answer(other, pinned, false)),
                Err(_) => {
                    pinned.connection = None;
                    continue;
                }
            };
            let (host, binding) = (self.endpoint.host_str().unwrap_or_default(), connection.binding.as_deref());
            let proof = handshake.second(challenged.headers(), username, password, host, binding);
            let Some(proof) = proof else {
                return Ok(answer(challenged, pinned, false));
            };
            // Read to its end, as the next request has to wait for that.
            self.body(challenged, FAULT_BYTES).await?;
            let second = request(make(&self.http).header(header::AUTHORIZATION, proof))?;
            match connection.send(second).await {
                Ok(response) => {
                    connection.logged_in = response.status() != StatusCode::UNAUTHORIZED;
                    return Ok(answer(response, pinned, true));
                }
                // Closed in between: the challenge is gone with it.
                Err(SendError::NotSent) => pinned.connection = None,
                Err(SendError::Broken(error)) => return Err(broken(error)),
            }
        }
        let words = "{host} closes its connections during login. Check what is between this service and the server: NTLM needs persistent \
                     connections.";
        Err(self.judge.fault(ErrorClass::Unreachable, words, ""))
    }

    /// Goes through the stages up to the TLS handshake, on a separate connection.
    pub(super) async fn probe(&self, report: StageReport<'_>) -> bool {
        let host = self.endpoint.host_str().unwrap_or_default();
        let tls = self.endpoint.scheme() == "https";
        let port = self.endpoint.port_or_known_default().unwrap_or(443);
        self.network.probe(host, port, tls, &self.rules, report).await
    }

    /// The shared mailbox that is read instead of the login's own.
    pub(super) fn mailbox(&self) -> Option<&str> {
        self.mailbox.as_deref()
    }

    /// What a fault of the connection means. Once there is one, whatever was asked may have been done.
    pub(super) fn connection_fault(&self, error: reqwest::Error) -> Fault {
        let unclear = !error.is_connect() && !error.is_builder();
        Fault {
            unclear,
            ..self.network.fault(&self.judge.host, error).into()
        }
    }

    /// Whether the mailbox could be asked something at once: no pause requested by the server, no slow requests.
    pub(super) fn is_free(&self) -> bool {
        self.budget.is_free()
    }

    /// What leads to the server behind the address that holds the mailbox.
    pub(super) fn anchor(&self) -> Option<HeaderValue> {
        self.anchor.clone()
    }

    fn build(&self, client: &Client, document: String, affinity: Option<&Affinity>) -> RequestBuilder {
        let (anchor, back_end) = affinity.map_or_else(
            || (self.anchor.clone(), None),
            |affinity| {
                let leaning = affinity.lock();
                (leaning.anchor.clone(), leaning.cookie.clone())
            },
        );
        let mut builder = client
            .post(self.endpoint.clone())
            .header(header::CONTENT_TYPE, "text/xml; charset=utf-8")
            .header(header::ACCEPT, "text/xml")
            .header(HeaderName::from_static("x-preferserveraffinity"), "true");
        if let Some(anchor) = anchor {
            builder = builder.header(HeaderName::from_static("x-anchormailbox"), anchor);
        }
        if let Some(cookies) = self.cookies(back_end) {
            builder = builder.header(header::COOKIE, cookies);
        }
        builder.body(document)
    }

    /// Keeps the cookies of an answer, and turns any status but 200 into a fault.
    async fn check(&self, response: Response, affinity: Option<&Affinity>) -> Result<Response, Fault> {
        self.keep_cookies(response.headers(), affinity);
        let status = response.status();
        if status == StatusCode::OK {
            return Ok(response);
        }
        let headers = response.headers().clone();
        // The status is enough if the rest does not arrive.
        let body = self.body(response, FAULT_BYTES).await.unwrap_or_default();
        if status == StatusCode::UNAUTHORIZED && matches!(self.login, Login::Tokens(_)) {
            return Err(self.login_refused(&headers));
        }
        Err(self.judge.status(status, &headers, &body))
    }

    async fn body(&self, response: Response, limit: u64) -> Result<Bytes, Fault> {
        replies::body(response, limit).await.map_err(|unread| match unread {
            Unread::TooLong => self.judge.too_large(limit),
            Unread::Broken(error) => self.connection_fault(error),
        })
    }

    fn keep_cookies(&self, headers: &HeaderMap, affinity: Option<&Affinity>) {
        let mut set = headers
            .get_all(header::SET_COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .peekable();
        if set.peek().is_none() {
            return;
        }
        let mut kept = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        for cookie in set {
            let Some((name, value)) = cookie.split(';').next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            let (name, value) = (name.trim(), value.trim());
            if let Some(affinity) = affinity.filter(|_| name == BACK_END) {
                let mut leaning = affinity.lock();
                let is_own = leaning.anchor == self.anchor;
                if leaning.cookie.is_none() && (1..=COOKIES.1).contains(&value.len()) {
                    leaning.cookie = Some(value.to_owned());
                }
                if !is_own {
                    continue;
                }
            }
            if value.is_empty() {
                kept.remove(name);
            } else if !name.is_empty() && name.len() + value.len() <= COOKIES.1 && (kept.len() < COOKIES.0 || kept.contains_key(name)) {
                kept.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// All cookies; `back_end` replaces the one that was kept.
    fn cookies(&self, back_end: Option<String>) -> Option<HeaderValue> {
        let mut kept = self.cookies.lock().unwrap_or_else(PoisonError::into_inner).clone();
        kept.extend(back_end.map(|back_end| (BACK_END.to_owned(), back_end)));
        let all: Vec<String> = kept.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut value = HeaderValue::try_from(all.join("; ")).ok().filter(|_| !all.is_empty())?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// A client that keeps so many connections. Each has one request at a time, with its own flow: what Exchange is used to.
fn client(endpoint: &Url, config: &EwsConfig) -> Result<Client, ProviderError> {
    let host = endpoint.host_str().unwrap_or_default();
    let builder = config.network.http(host, endpoint.scheme() == "https", &config.rules)?;
    let client = builder.pool_max_idle_per_host(config.budget.at_once()).build();
    client.map_err(|error| config.network.fault(host, error))
}

/// The credentials of basic authentication (RFC 7617), in UTF-8.
fn basic(username: &str, password: &str) -> HeaderValue {
    let pair = Zeroizing::new(format!("{username}:{password}"));
    let value = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    let mut value = HeaderValue::from_str(&value).expect("base64 is visible ASCII");
    value.set_sensitive(true);
    value
}
