//! The URLs of a provider: by Microsoft's layout, or from the provider's own discovery document (OpenID Connect Discovery 1.0 §4).

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use tokio::{sync::Mutex, time::Instant};
use url::{Host, Url};

use super::ProviderSettings;
use crate::net::{ErrorClass, ProviderError, web::Web};

/// How long a discovery document is cached.
const FRESH: Duration = Duration::from_hours(1);

/// What kind of provider it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Microsoft's identity platform (Entra ID), also of a national cloud.
    Microsoft {
        /// Where it is, such as `https://login.microsoftonline.com`.
        authority: Url,
        /// Whose accounts log in: `organizations`, or the id or a domain of one directory.
        directory: String,
    },
    /// Any provider of OpenID Connect.
    OpenId {
        /// Its issuer, compared exactly.
        issuer: String,
        /// The same as a URL.
        url: Url,
        /// Whether it is Google, which issues refresh tokens under different conditions.
        google: bool,
    },
}

impl Preset {
    /// Parameters of the login page: so that there is a refresh token, and so that nobody who is already logged in there is passed
    /// through without having seen as whom.
    pub(super) fn login_parameters(&self) -> &'static [(&'static str, &'static str)] {
        match self {
            // <https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-auth-code-flow>
            Self::Microsoft { .. } => &[("prompt", "select_account")],
            // OpenID Connect Core §11. Not every provider supports `select_account`; all ask for consent.
            Self::OpenId { google: false, .. } => &[("prompt", "consent")],
            // <https://developers.google.com/identity/protocols/oauth2/web-server>
            Self::OpenId { google: true, .. } => &[("access_type", "offline"), ("prompt", "consent select_account")],
        }
    }

    /// The page for administrators' consent, without its parameters.
    pub(super) fn consent_page(&self, domain: &str) -> Option<Url> {
        match self {
            Self::Microsoft { authority, .. } => Some(below(authority, &[domain, "v2.0", "adminconsent"])),
            Self::OpenId { .. } => None,
        }
    }
}

/// A provider's pages.
#[derive(Clone, Debug)]
pub(super) struct Endpoints {
    /// As ID tokens name it; `{tenantid}` in it stands for the directory.
    pub issuer: String,
    pub authorization: Url,
    pub token: Url,
    pub userinfo: Option<Url>,
    pub revocation: Option<Url>,
    /// Whether the client secret is sent in the form rather than in a header.
    pub secret_in_body: bool,
}

/// A provider's discovery document.
#[derive(Debug, Deserialize)]
struct Discovery {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

/// What was found, for a while.
#[derive(Default)]
pub(super) struct EndpointCache(Mutex<Option<(Instant, Endpoints)>>);

impl EndpointCache {
    /// The pages; those of one directory where the provider has several.
    pub(super) async fn find(&self, settings: &ProviderSettings, web: &Web, directory: Option<&str>) -> Result<Endpoints, ProviderError> {
        let (issuer, url) = match &settings.preset {
            Preset::Microsoft {
                authority,
                directory: usual,
            } => return Ok(microsoft(authority, directory.unwrap_or(usual))),
            Preset::OpenId { issuer, url, .. } => (issuer, url),
        };
        // Held during a request, so that concurrent callers share one.
        let mut known = self.0.lock().await;
        if let Some((asked, endpoints)) = &*known
            && asked.elapsed() < FRESH
        {
            return Ok(endpoints.clone());
        }
        match discover(&settings.name, issuer, url, web).await {
            Ok(endpoints) => {
                *known = Some((Instant::now(), endpoints.clone()));
                Ok(endpoints)
            }
            // Its earlier document is better than nothing.
            Err(fault) => known.as_ref().map(|(_, endpoints)| endpoints.clone()).ok_or(fault),
        }
    }
}

/// <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow>
fn microsoft(authority: &Url, directory: &str) -> Endpoints {
    Endpoints {
        issuer: below(authority, &["{tenantid}", "v2.0"])
            .as_str()
            .replace("%7Btenantid%7D", "{tenantid}"),
        authorization: below(authority, &[directory, "oauth2", "v2.0", "authorize"]),
        token: below(authority, &[directory, "oauth2", "v2.0", "token"]),
        userinfo: None,
        revocation: None,
        secret_in_body: true,
    }
}

async fn discover(name: &str, issuer: &str, url: &Url, web: &Web) -> Result<Endpoints, ProviderError> {
    let page = below(url, &[".well-known", "openid-configuration"]);
    let found: Discovery = document(name, &page, web).await?;
    let fault = |problem: String| {
        let text = format!("{name} cannot be used: {page} {problem}. Have the operator check its issuer.");
        ProviderError::new(ErrorClass::Refused, text)
    };
    // Else it would speak for somebody else (§4.3).
    if found.issuer != issuer {
        let said: String = found.issuer.chars().take(200).collect();
        return Err(fault(format!("says that its issuer is {said:?}, not {issuer:?}")));
    }
    let place = |text: &str| {
        let place = Url::parse(text).ok().filter(|place| may_be_called(place, url));
        place.ok_or_else(|| {
            fault(format!(
                "names a page that is not an https URL: {:?}",
                text.chars().take(200).collect::<String>()
            ))
        })
    };
    let methods = &found.token_endpoint_auth_methods_supported;
    Ok(Endpoints {
        authorization: place(&found.authorization_endpoint)?,
        token: place(&found.token_endpoint)?,
        userinfo: found.userinfo_endpoint.as_deref().map(place).transpose()?,
        revocation: found.revocation_endpoint.as_deref().map(place).transpose()?,
        // By default, the header is used (§3).
        secret_in_body: !methods.is_empty() && !methods.iter().any(|method| method == "client_secret_basic"),
        issuer: found.issuer,
    })
}

/// The directory of a domain: Microsoft describes each directory by its id, also when it is asked for by a domain.
pub(super) async fn directory_of(settings: &ProviderSettings, web: &Web, domain: &str) -> Result<String, ProviderError> {
    let name = &settings.name;
    let Preset::Microsoft { authority, .. } = &settings.preset else {
        let text = format!("{name} does not support directories.");
        return Err(ProviderError::new(ErrorClass::Refused, text));
    };
    let page = below(authority, &[domain, "v2.0", ".well-known", "openid-configuration"]);
    let found: Discovery = document(name, &page, web).await?;
    let issuer = Url::parse(&found.issuer).ok();
    let directory = issuer
        .as_ref()
        .and_then(|issuer| issuer.path_segments()?.next())
        .unwrap_or_default();
    let is_id = directory.len() == 36 && directory.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if is_id {
        return Ok(directory.to_lowercase());
    }
    Err(super::answers::nonsense(name))
}

async fn document<T: serde::de::DeserializeOwned>(name: &str, page: &Url, web: &Web) -> Result<T, ProviderError> {
    let answer = web.get(page, None).await?;
    if let Some(fault) = super::answers::outage(name, answer.status, &answer.headers) {
        return Err(fault);
    }
    if answer.status != StatusCode::OK {
        let text = format!(
            "{name} cannot be used: {page} returns {}. Check the domain, and have the operator check the provider.",
            answer.status
        );
        return Err(ProviderError::new(ErrorClass::Refused, text));
    }
    serde_json::from_slice(&answer.body).map_err(|_| super::answers::nonsense(name))
}

/// Whether tokens may go there: over TLS, or to this machine when the provider is on it too.
fn may_be_called(url: &Url, provider: &Url) -> bool {
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || url.scheme() == "http" && loopback && provider.scheme() == "http"
}

/// The URL with these parts appended to its path.
fn below(url: &Url, parts: &[&str]) -> Url {
    let mut page = url.clone();
    if let Ok(mut path) = page.path_segments_mut() {
        path.pop_if_empty().extend(parts);
    }
    page
}
