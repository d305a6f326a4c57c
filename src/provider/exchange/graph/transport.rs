//! Requests over HTTP: access tokens, limits of time, size and number, and links from the server.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use reqwest::{Client, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use url::Url;

use super::{
    GraphConfig,
    errors::{Fault, Judge},
};
use crate::{
    net::{
        ErrorClass, ProviderError,
        replies::{self, BodyError, is_web_page, text},
    },
    provider::{
        AccessTokens,
        budget::Budget,
        exchange::server::{FAULT_BYTES, Server, name_of},
    },
};

/// Longest response in JSON that is read, in bytes.
const MAX_JSON: u64 = 16 << 20;
/// Where Graph accepts uploads of large attachments. The URLs contain their permission, and no token is sent there.
/// <https://learn.microsoft.com/microsoft-365/enterprise/urls-and-ip-address-ranges> has the names.
const UPLOAD_HOSTS: [(&str, &[&str]); 4] = [
    ("graph.microsoft.com", &["outlook.office.com", "outlook.office365.com"]),
    ("graph.microsoft.us", &["outlook.office365.us"]),
    ("dod-graph.microsoft.us", &["outlook-dod.office365.us", "webmail.apps.mil"]),
    ("microsoftgraph.chinacloudapi.cn", &["partner.outlook.cn"]),
];
const PREFER: HeaderName = HeaderName::from_static("prefer");
/// Ids that survive moves. Graph does not remember this preference, so it is sent with each request.
pub(super) const IMMUTABLE: &str = "IdType=\"ImmutableId\"";

/// A request.
pub(super) struct Request {
    pub method: Method,
    pub url: Url,
    /// Further preferences, besides that for immutable ids.
    pub prefer: Vec<String>,
    /// Content type and body.
    pub body: Option<(&'static str, Bytes)>,
    /// Longest answer that is read, in bytes.
    pub max_bytes: u64,
    /// How many requests it counts as: more than one for a batch, which the server executes in parallel.
    pub parts: u32,
}

impl Request {
    pub(super) fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            prefer: Vec::new(),
            body: None,
            max_bytes: MAX_JSON,
            parts: 1,
        }
    }

    /// With a body in JSON.
    pub(super) fn json(method: Method, url: Url, body: &serde_json::Value) -> Self {
        Self {
            body: Some(("application/json", body.to_string().into())),
            ..Self::new(method, url)
        }
    }
}

/// A response with a success status.
pub(super) struct Answer {
    pub status: StatusCode,
    /// Whether its type allows that it is a message.
    pub message: bool,
    pub body: Bytes,
}

/// Whether this may be the content type of a message, rather than of something about it.
pub(super) fn may_be_message(kind: &str) -> bool {
    let kind = kind.trim_start().to_ascii_lowercase();
    !["application/json", "text/html"].iter().any(|other| kind.starts_with(other))
}

/// Calls Graph for one mailbox.
pub(super) struct Transport {
    pub(super) server: Server,
    mailbox: Option<String>,
    pub(super) tokens: Arc<dyn AccessTokens>,
    pub(super) judge: Judge,
    timeout: Duration,
    budget: Arc<Budget>,
}

impl Transport {
    pub(super) fn new(config: GraphConfig) -> Result<Self, ProviderError> {
        let server = Server::new(config.network, config.endpoint, config.rules, config.budget.at_once())?;
        Ok(Self {
            judge: Judge {
                host: name_of(&server.endpoint),
            },
            server,
            mailbox: config.mailbox,
            tokens: config.tokens,
            timeout: config.timeout,
            budget: config.budget,
        })
    }

    /// Limit of concurrent requests.
    pub(super) fn at_once(&self) -> usize {
        self.budget.at_once()
    }

    /// The address of something in the mailbox.
    pub(super) fn url(&self, below: &[&str]) -> Url {
        let user: &[&str] = match &self.mailbox {
            Some(mailbox) => &["users", mailbox],
            None => &["me"],
        };
        self.absolute(user.iter().chain(below).copied())
    }

    /// The mailbox as the resource of a subscription names it.
    pub(super) fn user_path(&self) -> String {
        match &self.mailbox {
            Some(mailbox) => format!("users/{mailbox}"),
            None => "me".to_owned(),
        }
    }

    /// The URL of something below the version.
    pub(super) fn absolute<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.server.endpoint.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// A link from the server: called as it is, but only at this server, as the access token is sent along.
    pub(super) fn link(&self, link: &str) -> Result<Url, Fault> {
        let url = Url::parse(link).ok().filter(|url| {
            let same = |of: fn(&Url) -> String| of(url) == of(&self.server.endpoint);
            same(|url| url.scheme().to_owned())
                && same(|url| url.host_str().unwrap_or_default().to_owned())
                && same(|url| url.port_or_known_default().unwrap_or(0).to_string())
                && url.username().is_empty()
                && url.password().is_none()
        });
        url.ok_or_else(|| self.judge.malformed("points to another server"))
    }

    /// Requests something in JSON.
    pub(super) async fn get<T: DeserializeOwned>(&self, url: Url, prefer: &[String]) -> Result<T, Fault> {
        let request = Request {
            prefer: prefer.to_vec(),
            ..Request::new(Method::GET, url)
        };
        let answer = self.call(request).await?;
        self.read(&answer.body)
    }

    /// Reads a response in JSON.
    pub(super) fn read<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, Fault> {
        serde_json::from_slice(body).map_err(|error| {
            let mut fault = self.judge.malformed("is not as expected");
            fault.error.source = Some(Box::new(error));
            fault
        })
    }

    /// A client for the server of a link that needs no access token: this one, or one that is known to belong to it.
    ///
    /// # Errors
    /// When the link points anywhere else.
    pub(super) fn client_for(&self, link: &str) -> Result<(Client, Url), Fault> {
        if let Ok(url) = self.link(link) {
            return Ok((self.server.client().clone(), url));
        }
        let host = self.server.host();
        let belongs = |url: &Url| {
            let usual = url.scheme() == "https" && url.port().is_none() && url.username().is_empty() && url.password().is_none();
            let known = UPLOAD_HOSTS.iter().find(|(graph, _)| *graph == host);
            usual && known.is_some_and(|(_, hosts)| hosts.contains(&url.host_str().unwrap_or_default()))
        };
        let url = Url::parse(link).ok().filter(belongs);
        let url = url.ok_or_else(|| self.judge.malformed("points to another server"))?;
        Ok((self.server.client_of(url.host_str().unwrap_or_default())?, url))
    }

    /// Sends a request with an access token and reads the response. Not cancel safe: when it is dropped, the server may have
    /// executed it.
    pub(super) async fn call(&self, request: Request) -> Result<Answer, Fault> {
        let bytes = request.body.as_ref().map_or(0, |(_, body)| body.len());
        self.answer(request.parts, bytes, request.max_bytes, self.send(&request)).await
    }

    /// The same for a request to a URL that contains its permission: no token is sent. `bytes` is the length of its body.
    pub(super) async fn call_openly(&self, request: RequestBuilder, bytes: usize) -> Result<Answer, Fault> {
        let sent = async { Ok(self.server.send(request).await?) };
        self.answer(1, bytes, MAX_JSON, sent).await
    }

    async fn answer(
        &self,
        parts: u32,
        bytes: usize,
        max_bytes: u64,
        sent: impl Future<Output = Result<Response, Fault>>,
    ) -> Result<Answer, Fault> {
        let _place = self.budget.enter(parts, bytes).await?;
        let work = async {
            let response = sent.await?;
            let (status, headers) = (response.status(), response.headers().clone());
            if status.is_success() {
                let body = self.body(response, max_bytes).await?;
                if !body.is_empty() && is_web_page(&headers, b"") {
                    return Err(self.judge.status(StatusCode::BAD_GATEWAY, &headers, &body));
                }
                let message = text(&headers, header::CONTENT_TYPE).is_none_or(may_be_message);
                return Ok(Answer { status, message, body });
            }
            // The status is enough if the rest does not arrive.
            let body = self.body(response, FAULT_BYTES).await.unwrap_or_default();
            Err(self.judge.status(status, &headers, &body))
        };
        tokio::time::timeout(self.timeout, work).await.unwrap_or_else(|_| {
            let words = "{host} did not answer in time. It may be overloaded, or the network slow.";
            Err(Fault {
                unclear: true,
                ..self.judge.fault(ErrorClass::Unreachable, words, "")
            })
        })
    }

    /// Sends a request with an access token.
    async fn send(&self, request: &Request) -> Result<Response, Fault> {
        let wishes = std::iter::once(IMMUTABLE.to_owned()).chain(request.prefer.iter().cloned());
        let wishes = wishes.collect::<Vec<_>>().join(", ");
        let wishes = HeaderValue::from_str(&wishes).ok();
        let make = |authorization| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, authorization);
            headers.extend(wishes.clone().map(|value| (PREFER, value)));
            let builder = self
                .server
                .client()
                .request(request.method.clone(), request.url.clone())
                .headers(headers);
            match &request.body {
                Some((kind, body)) => builder.header(header::CONTENT_TYPE, *kind).body(body.clone()),
                None if request.method == Method::POST => builder.header(header::CONTENT_LENGTH, 0),
                None => builder,
            }
        };
        Ok(self.server.send_with_token(&*self.tokens, make).await?)
    }

    async fn body(&self, response: Response, limit: u64) -> Result<Bytes, Fault> {
        replies::body(response, limit).await.map_err(|unread| match unread {
            BodyError::TooLong => self.judge.too_long(limit),
            BodyError::Broken(error) => self.server.unanswered(error).into(),
        })
    }
}
