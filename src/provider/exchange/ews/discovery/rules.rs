//! Which servers are asked, and which of them are given the login. One rule for all that answers say: within the domain of the mailbox, or
//! named by the operator.

use url::{Host, Url};

use super::{
    super::errors::{TO_GRAPH, is_cloud},
    REMEDY,
};
use crate::{domain::domain_of, net::is_named};

/// The servers that may be asked, found, and given the login.
#[derive(Debug)]
pub(super) struct Servers {
    /// The domain of the mailbox, in the form in which names are looked up.
    pub domain: String,
    /// Servers that the operator named.
    pub named: Vec<String>,
    /// For a login by tokens, the only servers that may have them.
    pub tokens_to: Option<Vec<String>>,
}

impl Servers {
    fn are_known(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_lowercase();
        let within = host
            .strip_suffix(&self.domain)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        within || is_named(&self.named, &host) || self.tokens_to.as_ref().is_some_and(|hosts| is_named(hosts, &host))
    }

    /// Whether a server may be asked that an answer leads to.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn may_be_asked(&self, url: &Url) -> Result<(), String> {
        if url.scheme() != "https" {
            return Err(format!("redirects to {}, which is not https, so it is not followed", origin(url)));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("redirects to an address that contains credentials, so it is not followed".to_owned());
        }
        if self.are_known(url.host_str().unwrap_or_default()) {
            return Ok(());
        }
        Err(format!(
            "redirects to {}, which is not in the domain {} and is not listed, so it is not queried. If it is the right one, have the \
             operator list it (exchange.autodiscover_hosts)",
            origin(url),
            self.domain
        ))
    }

    /// Whether a server may be asked about another address that an answer gives for the mailbox.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn may_be_asked_about(&self, address: &str, server: &Url) -> Result<(), String> {
        let host = server.host_str().unwrap_or_default();
        if self.are_known(host) {
            return Ok(());
        }
        if is_cloud(host) {
            return Err(format!("says that the mailbox is in Exchange Online.{TO_GRAPH}"));
        }
        Err(format!(
            "returns another address for the mailbox, in the domain {}, whose servers are not listed, so they are not queried. If that is \
             correct, have the operator list {host} (exchange.autodiscover_hosts), or enter that address as the mailbox",
            discovery_domain(address).unwrap_or_default()
        ))
    }

    /// Whether a server may be given the login.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn may_log_in(&self, url: &Url) -> Result<(), String> {
        self.may_be_asked(url)?;
        let host = url.host_str().unwrap_or_default();
        match &self.tokens_to {
            Some(hosts) if !is_named(hosts, host) => Err(format!(
                "not queried with the login, whose tokens may only be sent to {}. If it is the right one, have the operator add {host} \
                 (oauth.providers, hosts)",
                hosts.join(", ")
            )),
            _ => Ok(()),
        }
    }

    /// Takes an address for that of the service.
    ///
    /// # Errors
    /// Why it is not used.
    pub(super) fn may_be_used(&self, service: &str) -> Result<Url, String> {
        let mut url = Url::parse(service.trim()).map_err(|_| format!("names an invalid EWS address. {REMEDY}"))?;
        url.set_query(None);
        url.set_fragment(None);
        let login = !url.username().is_empty() || url.password().is_some();
        if url.scheme() != "https" || !url.has_host() || login || url.as_str().len() > 2048 {
            return Err(format!(
                "names an EWS address at {} that is not used, as it must be https and must not contain credentials. {REMEDY}",
                origin(&url)
            ));
        }
        let host = url.host_str().unwrap_or_default();
        if !self.are_known(host) {
            return Err(format!(
                "names the EWS address {url}, whose server is not in the domain {} and is not listed, so nothing is sent to it. If it is \
                 correct, enter it (exchange.endpoint, or endpoint of the maintenance account), or have the operator list {host} \
                 (exchange.autodiscover_hosts)",
                self.domain
            ));
        }
        match &self.tokens_to {
            Some(hosts) if !is_named(hosts, host) => Err(format!(
                "names the EWS address {url}, but the tokens of this login may only be sent to {}. If it is correct, have the operator add \
                 {host} (oauth.providers, hosts)",
                hosts.join(", ")
            )),
            _ => Ok(url),
        }
    }
}

/// The domain of an address by whose servers the EWS service is discovered, in the form in which names are looked up. `None` when it is no
/// name with a dot in it.
pub fn discovery_domain(address: &str) -> Option<String> {
    match Host::parse(domain_of(address)?).ok()? {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.').to_lowercase();
            (name.contains('.') && name.len() <= 240).then_some(name)
        }
        Host::Ipv4(_) | Host::Ipv6(_) => None,
    }
}

/// Scheme, host and port of an address; what else it holds is not repeated.
pub(super) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}
