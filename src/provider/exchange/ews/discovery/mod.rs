//! Discovery of a mailbox's EWS through the servers of its domain: Autodiscover.
//!
//! | module | holds |
//! |---|---|
//! | `answers` | what servers answer |
//! | `rules` | which servers are queried, and which of them are sent credentials |
//! | `mailbox` | a mailbox whose service is found when it is first needed |
//!
//! Asked are, until one of them answers:
//!
//! 1. `https://autodiscover.DOMAIN` and `https://DOMAIN` at once, by Autodiscover v2, which needs no login;
//! 2. those of them that could be reached, in turn, by the older form (POX), with the login;
//! 3. the server that `http://autodiscover.DOMAIN` sends on to, in both ways;
//! 4. the servers of the record `_autodiscover._tcp.DOMAIN`, in both ways.
//!
//! The domain is that of the address, never one above it. Only servers within the domain, and those that the operator lists, are asked and
//! believed, wherever an answer sends: a name service or a web server that lies cannot make the login go elsewhere. The login goes over TLS
//! only, only to a server that asks for one, and a refused one is not tried at the next server, which could lock the account.
//!
//! <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/autodiscover-for-exchange>, \[MS-OXDISCO\], \[MS-OXDSCLI\].

mod answers;
mod mailbox;
mod rules;
#[cfg(test)]
mod tests;

use std::{collections::HashSet, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};
use http::{HeaderMap, Method, StatusCode, header};
use url::Url;

use self::{
    answers::Answer,
    rules::{Servers, origin},
};
use super::{EwsConfig, transport::Transport};
use crate::{
    net::{
        Encryption, ErrorClass, Network, ProviderError,
        replies::{self, BodyError, clean, text},
        web,
    },
    provider::EwsDiscovery,
};

pub use mailbox::Discovered;
pub use rules::discovery_domain;

/// Most times that one answer leads to another.
const MAX_REDIRECTS: usize = 10;
/// Most servers of a service record that are asked.
const MAX_SERVICES: usize = 3;
/// Longest answer that is read, in bytes. Settings have some 10 KiB.
const MAX_ANSWER_BYTES: u64 = 256 * 1024;

const POX_PATH: &str = "/autodiscover/autodiscover.xml";
const JSON_PATH: &str = "/autodiscover/autodiscover.json";
const REMEDY: &str = "Enter the address of the EWS service (exchange.endpoint, or endpoint of the maintenance account).";

/// What the operator decides about Autodiscover.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscoveryRules {
    /// Servers beyond those of a mailbox's domain that may be asked, given the login, and found. With a dot in front, all below a name.
    pub hosts: Vec<String>,
    /// For all of it together.
    pub timeout: Duration,
}

/// Finds the EWS of a mailbox.
pub struct Finder {
    /// The login and its limits.
    config: EwsConfig,
    address: String,
    servers: Servers,
    timeout: Duration,
}

/// The EWS of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its address.
    pub endpoint: Url,
    /// The address at which the way to it began.
    pub told_by: String,
}

/// What came of asking somebody.
#[derive(Debug)]
struct SearchFailure {
    /// Who was asked.
    place: String,
    /// What the answer was.
    what: String,
    /// The server's reply. Possibly empty.
    reply: String,
    class: ErrorClass,
    /// Whether the server could be talked to.
    reached: bool,
    /// Whether nobody else is to be asked.
    last: bool,
}

impl SearchFailure {
    fn new(place: &str, what: impl Into<String>) -> Self {
        Self {
            place: place.to_owned(),
            what: what.into(),
            reply: String::new(),
            class: ErrorClass::Unreachable,
            reached: true,
            last: false,
        }
    }

    fn refused(place: &str, what: impl Into<String>) -> Self {
        Self {
            class: ErrorClass::Refused,
            ..Self::new(place, what)
        }
    }

    fn of(place: &str, error: ProviderError) -> Self {
        // What can be done about it is told once, for all.
        let brief = error.class == ErrorClass::Unreachable && error.certificate.is_none();
        let what = match error.problem.split_once(". ") {
            Some((first, _)) if brief => first.to_owned(),
            _ => error.problem,
        };
        Self {
            reply: error.server_reply,
            class: error.class,
            reached: false,
            last: error.class == ErrorClass::LoginRequired,
            ..Self::new(place, what)
        }
    }

    /// For when nobody else is asked.
    fn into_error(self) -> ProviderError {
        ProviderError {
            server_reply: clean(&self.reply),
            ..ProviderError::new(self.class, format!("Autodiscover at {}: {}", self.place, sentence(&self.what)))
        }
    }
}

/// A server's response.
struct Page {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Page {
    /// Where it sends, if it does.
    fn target(&self) -> Option<&str> {
        self.status
            .is_redirection()
            .then(|| text(&self.headers, header::LOCATION))
            .flatten()
    }

    fn nothing(&self) -> Answer {
        Answer::Nothing {
            what: format!("answered with HTTP {}, not with Autodiscover", self.status.as_u16()),
            reply: String::new(),
        }
    }
}

impl Finder {
    /// Prepares to find the service. `config` has the login and its limits.
    ///
    /// # Errors
    /// [`ErrorClass::Refused`] when the domain of the address is no name that can be asked.
    pub fn new(config: EwsConfig, discovery: EwsDiscovery, rules: DiscoveryRules) -> Result<Self, ProviderError> {
        let EwsDiscovery { address, tokens_to } = discovery;
        let domain = discovery_domain(&address).ok_or_else(|| {
            let text = format!("The domain of {address} is not a name that can be queried for the EWS address. {REMEDY}");
            ProviderError::new(ErrorClass::Refused, text)
        })?;
        Ok(Self {
            config,
            address,
            servers: Servers {
                domain,
                named: rules.hosts,
                tokens_to,
            },
            timeout: rules.timeout,
        })
    }

    /// Finds the service. May be dropped at any time.
    ///
    /// # Errors
    /// [`ErrorClass::Unreachable`] with what everybody answered; [`ErrorClass::Refused`] when an answer led where nothing may be sent;
    /// [`ErrorClass::LoginRequired`] when a server refused the login, or there is none.
    pub async fn find(&self) -> Result<Found, ProviderError> {
        let mut search = Search {
            finder: self,
            missed: Vec::new(),
            asked: HashSet::new(),
        };
        let outcome = tokio::time::timeout(self.timeout, search.run()).await;
        match outcome {
            Ok(Ok(Some(found))) => {
                tracing::info!(host = found.endpoint.host_str(), "autodiscover found the service");
                Ok(found)
            }
            Ok(Err(last)) => Err(last.into_error()),
            Ok(Ok(None)) => Err(self.nothing(&search.missed)),
            Err(_) => {
                let what = format!("not queried completely, as the time limit of {:?} was reached", self.timeout);
                search.missed.push(SearchFailure::new("The rest", what));
                Err(self.nothing(&search.missed))
            }
        }
    }

    /// Nobody knew.
    fn nothing(&self, missed: &[SearchFailure]) -> ProviderError {
        let refused = missed.iter().any(|miss| miss.class == ErrorClass::Refused);
        let class = if refused { ErrorClass::Refused } else { ErrorClass::Unreachable };
        let failures: Vec<String> = missed
            .iter()
            .map(|miss| format!("{}: {}", miss.place, sentence(&miss.what)))
            .collect();
        let words: Vec<&str> = missed
            .iter()
            .map(|miss| miss.reply.as_str())
            .filter(|reply| !reply.is_empty())
            .collect();
        let text = format!(
            "Autodiscover found no EWS address for {}. {} {REMEDY}",
            self.address,
            failures.join(" ")
        );
        ProviderError {
            server_reply: clean(&words.join("; ")),
            ..ProviderError::new(class, text)
        }
    }

    /// For one request: a dead server leaves time for those behind it.
    fn patience(&self) -> Duration {
        (self.timeout / 4).min(self.config.timeouts.request)
    }

    /// Asks a server by Autodiscover v2, without the login.
    async fn ask_v2(&self, server: &Url) -> Result<Found, SearchFailure> {
        let place = format!("{}{JSON_PATH}", origin(server));
        let start = answers::json_url(server, &self.address);
        let mut url = start.ok_or_else(|| SearchFailure::new(&place, "has no such address"))?;
        let mut seen = HashSet::new();
        loop {
            step(&place, seen.insert(url.clone()), seen.len())?;
            let page = self
                .fetch(Method::GET, &url)
                .await
                .map_err(|error| SearchFailure::of(&place, error))?;
            if let Some(target) = page.target() {
                url = self.follow(&place, &url, target)?;
                continue;
            }
            return match answers::json(&page.body).unwrap_or_else(|| page.nothing()) {
                Answer::Service(service) => self.believe(&place, &service),
                Answer::Nothing { what, reply } => Err(SearchFailure {
                    reply,
                    ..SearchFailure::new(&place, what)
                }),
                Answer::Elsewhere(_) | Answer::Address(_) => Err(SearchFailure::new(&place, "answered in an unexpected form")),
            };
        }
    }

    /// Asks a server by the older form, with the login. `asked` holds all that were asked so about an address.
    async fn ask_pox(&self, start: Url, asked: &mut HashSet<(Url, String)>) -> Result<Found, SearchFailure> {
        let place = format!("{}{}", origin(&start), start.path());
        let (mut url, mut address) = (start, self.address.clone());
        let mut steps = 0;
        loop {
            steps += 1;
            step(&place, asked.insert((url.clone(), address.to_lowercase())), steps)?;
            self.servers.may_log_in(&url).map_err(|what| SearchFailure::refused(&place, what))?;
            match self.post(&place, &url, &address).await? {
                Answer::Service(service) => return self.believe(&place, &service),
                Answer::Elsewhere(target) => url = self.follow(&place, &url, &target)?,
                Answer::Address(other) => {
                    let domain =
                        discovery_domain(&other).ok_or_else(|| SearchFailure::new(&place, "names another address that is invalid"))?;
                    if domain != self.servers.domain {
                        let server = Url::parse(&format!("https://autodiscover.{domain}{POX_PATH}"));
                        let server = server.map_err(|_| SearchFailure::new(&place, "names another address that is invalid"))?;
                        self.servers
                            .may_be_asked_about(&other, &server)
                            .map_err(|what| SearchFailure::refused(&place, what))?;
                        url = server;
                    }
                    address = other;
                }
                Answer::Nothing { what, reply } => {
                    return Err(SearchFailure {
                        reply,
                        ..SearchFailure::new(&place, what)
                    });
                }
            }
        }
    }

    /// Asks a server with the login, if it wants one.
    async fn post(&self, place: &str, url: &Url, address: &str) -> Result<Answer, SearchFailure> {
        let page = self
            .fetch(Method::POST, url)
            .await
            .map_err(|error| SearchFailure::of(place, error))?;
        if let Some(target) = page.target() {
            return Ok(Answer::Elsewhere(target.to_owned()));
        }
        // Web servers of all kinds stand at the domain itself. Who asks for no login gets none.
        if page.status != StatusCode::UNAUTHORIZED {
            return Ok(page.nothing());
        }
        let mut config = EwsConfig {
            max_response_bytes: MAX_ANSWER_BYTES,
            ..self.config.clone()
        };
        config.timeouts.request = self.patience();
        let error = |fault: super::errors::Fault| SearchFailure::of(place, fault.into());
        let transport = Transport::new(url.clone(), config).map_err(error)?;
        let web::Answer { status, headers, body } = transport.post(&answers::pox_request(address)).await.map_err(error)?;
        if status == StatusCode::UNAUTHORIZED {
            return Err(error(transport.login_refused(&headers)));
        }
        let page = Page { status, headers, body };
        Ok(match page.target() {
            Some(target) => Answer::Elsewhere(target.to_owned()),
            None if status == StatusCode::OK => answers::pox(&page.body),
            None => page.nothing(),
        })
    }

    /// Where the server for those without TLS sends. Nothing else that it says counts, as anybody on the way could have said it.
    async fn ask_for_redirect(&self) -> Result<Url, SearchFailure> {
        let place = format!("http://autodiscover.{}{POX_PATH}", self.servers.domain);
        let url = Url::parse(&place).map_err(|_| SearchFailure::new(&place, "has no such address"))?;
        let page = self
            .fetch(Method::GET, &url)
            .await
            .map_err(|error| SearchFailure::of(&place, error))?;
        match page.target() {
            Some(target) => self.follow(&place, &url, target),
            None => Err(SearchFailure::new(
                &place,
                format!("answered with HTTP {}, not with a redirect", page.status.as_u16()),
            )),
        }
    }

    /// Where the name service sends.
    async fn ask_name_service(&self) -> Vec<Result<Url, SearchFailure>> {
        let place = format!("_autodiscover._tcp.{}", self.servers.domain);
        let services = match tokio::time::timeout(self.patience(), self.config.network.services(&place)).await {
            Ok(Ok(services)) => services,
            Ok(Err(error)) => return vec![Err(SearchFailure::of(&place, error))],
            Err(_) => return vec![Err(SearchFailure::new(&place, "DNS did not answer in time"))],
        };
        if services.is_empty() {
            return vec![Err(SearchFailure::new(&place, "there is no such record"))];
        }
        let url = |service: &crate::net::Service| {
            let text = format!("https://{}:{}{POX_PATH}", service.host, service.port);
            let url = Url::parse(&text).map_err(|_| SearchFailure::new(&place, "names no server"))?;
            self.servers
                .may_be_asked(&url)
                .map_err(|what| SearchFailure::refused(&place, what))?;
            Ok(url)
        };
        services.iter().take(MAX_SERVICES).map(url).collect()
    }

    /// The address that an answer of `from` leads to, if it may be asked.
    fn follow(&self, place: &str, from: &Url, target: &str) -> Result<Url, SearchFailure> {
        let url = from
            .join(target)
            .map_err(|_| SearchFailure::new(place, "redirects to an invalid address"))?;
        self.servers
            .may_be_asked(&url)
            .map_err(|what| SearchFailure::refused(place, what))?;
        Ok(url)
    }

    /// Takes an address for that of the service.
    fn believe(&self, place: &str, service: &str) -> Result<Found, SearchFailure> {
        let endpoint = self.servers.may_be_used(service).map_err(|what| SearchFailure {
            last: true,
            ..SearchFailure::refused(place, what)
        })?;
        Ok(Found {
            endpoint,
            told_by: place.to_owned(),
        })
    }

    /// Sends a request without content and without the login.
    async fn fetch(&self, method: Method, url: &Url) -> Result<Page, ProviderError> {
        let _place = self.config.budget.enter(1, 0).await?;
        let (network, host) = (&self.config.network, url.host_str().unwrap_or_default());
        let fault = |error| Network::fault(host, error);
        let client = network.http(host, Encryption::of_scheme(url.scheme()), &self.config.rules)?;
        let client = client.timeout(self.patience()).build().map_err(fault)?;
        let response = self.config.network.send(client.request(method, url.clone())).await.map_err(fault)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = replies::body(response, MAX_ANSWER_BYTES).await.map_err(|unread| match unread {
            BodyError::TooLong => {
                let text = format!("The response of {host} is over the limit of {MAX_ANSWER_BYTES} bytes.");
                ProviderError::new(ErrorClass::Malformed, text)
            }
            BodyError::Broken(error) => fault(error),
        })?;
        Ok(Page { status, headers, body })
    }
}

/// One go through all that can be asked.
struct Search<'a> {
    finder: &'a Finder,
    missed: Vec<SearchFailure>,
    /// Who was asked by the older form, and about which address.
    asked: HashSet<(Url, String)>,
}

impl Search<'_> {
    /// The error is the last word.
    async fn run(&mut self) -> Result<Option<Found>, SearchFailure> {
        let finder = self.finder;
        let domain = &finder.servers.domain;
        let servers = [format!("https://autodiscover.{domain}"), format!("https://{domain}")];
        let servers: Vec<Url> = servers.iter().filter_map(|server| Url::parse(server).ok()).collect();
        let numbered = servers.iter().enumerate();
        let mut asked: FuturesUnordered<_> = numbered
            .map(|(at, server)| async move { (at, finder.ask_v2(server).await) })
            .collect();
        let mut missed = Vec::new();
        while let Some((at, answer)) = asked.next().await {
            match answer {
                Ok(found) => return Ok(Some(found)),
                Err(miss) => missed.push((at, miss)),
            }
        }
        missed.sort_by_key(|(at, _)| *at);
        let mut reached = Vec::new();
        for (at, miss) in missed {
            if miss.reached {
                reached.push(servers[at].clone());
            }
            self.note(miss)?;
        }
        for server in reached {
            if let Ok(url) = server.join(POX_PATH)
                && let Some(found) = self.ask_pox(url).await?
            {
                return Ok(Some(found));
            }
        }
        let (redirect, services) = tokio::join!(finder.ask_for_redirect(), finder.ask_name_service());
        for named in std::iter::once(redirect).chain(services) {
            match named {
                Err(miss) => self.note(miss)?,
                Ok(url) => {
                    if let Some(found) = self.ask_both(url, &servers).await? {
                        return Ok(Some(found));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Asks a server that somebody named, in the way that needs no login unless that was done before, then in the other.
    async fn ask_both(&mut self, url: Url, known: &[Url]) -> Result<Option<Found>, SearchFailure> {
        if !known.iter().any(|server| origin(server) == origin(&url)) {
            match self.finder.ask_v2(&url).await {
                Ok(found) => return Ok(Some(found)),
                Err(miss) => {
                    let reached = miss.reached;
                    self.note(miss)?;
                    if !reached {
                        return Ok(None);
                    }
                }
            }
        }
        self.ask_pox(url).await
    }

    async fn ask_pox(&mut self, url: Url) -> Result<Option<Found>, SearchFailure> {
        match self.finder.ask_pox(url, &mut self.asked).await {
            Ok(found) => Ok(Some(found)),
            Err(miss) => {
                self.note(miss)?;
                Ok(None)
            }
        }
    }

    fn note(&mut self, miss: SearchFailure) -> Result<(), SearchFailure> {
        if miss.last {
            return Err(miss);
        }
        self.missed.push(miss);
        Ok(())
    }
}

/// Ends a way that goes in a circle or does not end. `number` counts the steps from 1.
fn step(place: &str, new: bool, number: usize) -> Result<(), SearchFailure> {
    if !new {
        return Err(SearchFailure::new(place, "redirects back to where it was queried before"));
    }
    if number > MAX_REDIRECTS + 1 {
        return Err(SearchFailure::new(place, format!("redirects more than {MAX_REDIRECTS} times")));
    }
    Ok(())
}

fn sentence(text: &str) -> String {
    if text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}
