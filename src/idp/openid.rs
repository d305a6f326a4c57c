//! The keys of an OpenID issuer, found through its discovery document (OpenID Connect Discovery 1.0 §4) or at a known URL.
//!
//! What is fetched is small, comes over TLS unless it comes from this machine, and follows no redirects: it decides who may call.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use url::{Host, Url};

use crate::{
    crypto::{KeySet, MAX_KEY_SET_BYTES, PublishedKeys, PublishedKeysError, from_strict_json},
    net::{Network, ProviderError, web::Web},
};

/// How long a document may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Where the keys of an issuer are.
pub struct OpenIdKeys {
    web: Web,
    issuer: String,
    place: Place,
}

enum Place {
    Discovery(Url),
    KeySet(Url),
}

/// The part of a discovery document that matters here.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl OpenIdKeys {
    /// The keys of the issuer with this name, which is compared exactly, and this URL, which is the same; at `key_set`, or else
    /// where its discovery document says. `network` must allow what the operator does, who named the issuer.
    pub fn new(network: Network, issuer: &str, url: &Url, key_set: Option<Url>) -> Self {
        let discovery = || {
            let mut page = url.clone();
            page.set_path(&format!("{}/.well-known/openid-configuration", url.path().trim_end_matches('/')));
            page
        };
        Self {
            web: Web::new(network, TIMEOUT),
            issuer: issuer.to_owned(),
            place: key_set.map_or_else(|| Place::Discovery(discovery()), Place::KeySet),
        }
    }

    /// Where the issuer says that its keys are.
    async fn discover(&self, page: &Url) -> Result<Url, PublishedKeysError> {
        let document = self.get(page).await?;
        let document: Discovery = from_strict_json(&document).map_err(|error| {
            let problem = format!("{page} is not a discovery document of an OpenID issuer: it needs `issuer` and `jwks_uri`");
            PublishedKeysError::new(problem).because(error)
        })?;
        // Else it would speak for somebody else (§4.3).
        if document.issuer != self.issuer {
            let problem = format!(
                "{page} says that its issuer is {:?}, not {:?}: set auth.issuer to what it says, or correct it there",
                shortened(&document.issuer),
                self.issuer
            );
            return Err(PublishedKeysError::new(problem));
        }
        let url = Url::parse(&document.jwks_uri).ok().filter(|url| may_be_fetched(url, page));
        url.ok_or_else(|| {
            let said = shortened(&document.jwks_uri);
            PublishedKeysError::new(format!("{page} says that its keys are at {said:?}, which is not an https URL"))
        })
    }

    async fn get(&self, url: &Url) -> Result<Bytes, PublishedKeysError> {
        let answer = self.web.get(url, None).await.map_err(unreachable)?;
        if answer.status != StatusCode::OK {
            return Err(PublishedKeysError::new(format!("{url} returns {}, not 200", answer.status)));
        }
        if answer.body.len() > MAX_KEY_SET_BYTES {
            return Err(PublishedKeysError::new(format!("{url} has more than {MAX_KEY_SET_BYTES} bytes")));
        }
        Ok(answer.body)
    }
}

#[async_trait]
impl PublishedKeys for OpenIdKeys {
    async fn fetch(&self) -> Result<KeySet, PublishedKeysError> {
        // Fetched each time, since an issuer may move its keys.
        let url = match &self.place {
            Place::Discovery(page) => self.discover(page).await?,
            Place::KeySet(url) => url.clone(),
        };
        let json = self.get(&url).await?;
        KeySet::parse(&json).map_err(|error| PublishedKeysError::new(format!("{url} cannot be used")).because(error))
    }
}

/// Whether keys may come from there: over TLS, or from this machine when the issuer is on it too.
fn may_be_fetched(url: &Url, page: &Url) -> bool {
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || url.scheme() == "http" && loopback && page.scheme() == "http"
}

fn unreachable(error: ProviderError) -> PublishedKeysError {
    let fault = PublishedKeysError::new(error.problem);
    match error.source {
        Some(source) => fault.because(source),
        None => fault,
    }
}

/// What somebody else wrote, for a message.
fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}
