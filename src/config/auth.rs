//! `[auth]`.

use std::time::Duration;

use url::Url;

use super::{
    Server,
    reader::{Reader, section},
    source::Raw,
    url::TlsUrl,
    value::Value,
};
use crate::domain::{Scope, is_id};

section! {
    /// Who may call.
    pub struct Auth {
        /// The OpenID issuer whose tokens are accepted; none without it.
        pub issuer: Option<TlsUrl> => like("https://login.example.com"),
        /// The URL of the issuer's keys, if it is not to be discovered.
        pub jwks_url: Option<TlsUrl> => like("https://login.example.com/jwks.json"),
        /// What the `aud` claim of a token must name.
        pub audience: String,
        /// By how much the clocks of the issuer and this machine may differ.
        pub clock_skew: Duration => within("0s", "10m"),
        /// The claim of the issuer's tokens that names the tenant.
        pub tenant_claim: String,
        /// The claim of the issuer's tokens that names the user.
        pub user_claim: String,
        /// The claim of the issuer's tokens with the scopes. With `scope`, `scp` is accepted too.
        pub scope_claim: String,
        /// How often the issuer's keys are fetched.
        pub key_refresh_interval: Duration => within("1s", "1d"),
        /// How long the keys remain in use while the issuer cannot be reached.
        pub key_lifetime: Duration => within("1m", "30d"),
        /// The minimum interval between two fetches triggered by tokens with unknown keys.
        pub unknown_key_pause: Duration => within("100ms", "10m"),
        /// Whether tokens of `mailagent token` are accepted. See [`Auth::takes_local_tokens`].
        pub local_issuer: Option<bool> => like("true"),
        /// How long a token of `mailagent token` is valid.
        pub token_lifetime: Duration => within("1m", "365d"),
        /// Services that authenticate with a certificate instead of a token.
        pub services: Vec<Service>,
    }
}

section! {
    /// A service that authenticates with a certificate instead of a token.
    pub struct Service {
        /// The identity in its certificate.
        pub identity: Identity => like("spiffe://example.com/crm"),
        /// The tenant that it works in.
        pub tenant: Id => like("acme"),
        /// The user that it calls as.
        pub user: Id => like("crm"),
        /// What it may do.
        pub scopes: Scopes => like("directory.read"),
    }
}

impl Auth {
    /// Whether tokens of `mailagent token` are accepted: as `local_issuer` says, or by default when there is no other issuer.
    pub fn takes_local_tokens(&self) -> bool {
        self.local_issuer.unwrap_or(self.issuer.is_none())
    }

    /// Checks for settings that conflict.
    pub(super) fn check(&self, server: &Server, reader: &mut Reader) {
        if self.issuer.as_ref().is_some_and(|issuer| issuer.url().query().is_some()) {
            reader.wrong(
                "auth.issuer",
                "must not have a query",
                "write it as in the `iss` claim of its tokens",
            );
        }
        if self.jwks_url.is_some() && self.issuer.is_none() {
            reader.needs("auth.jwks_url", "auth.issuer");
        }
        if self.key_lifetime < self.key_refresh_interval {
            reader.wrong(
                "auth.key_lifetime",
                "is shorter than auth.key_refresh_interval, so keys would expire before they are fetched again",
                "",
            );
        }
        let checked = server.tls.as_ref().is_some_and(|tls| tls.client_ca_file.is_some());
        if !self.services.is_empty() && !checked {
            reader.wrong(
                "auth.services",
                "requires client certificates to be checked",
                "set server.tls.client_ca_file too",
            );
        }
        for (index, service) in self.services.iter().enumerate() {
            if self.services[..index].iter().any(|other| other.identity == service.identity) {
                let key = format!("auth.services.{index}.identity");
                reader.wrong(
                    &key,
                    "is already used by another service above",
                    "a certificate identifies one caller only",
                );
            }
        }
        if !self.takes_local_tokens() && self.issuer.is_none() && self.services.is_empty() {
            reader.wrong(
                "auth.local_issuer",
                "leaves no way to authenticate: there is no other issuer and no service",
                "set auth.issuer, or leave the local issuer on",
            );
        }
    }
}

/// What the certificate of a service names in its subject alternative names (RFC 5280 §4.2.1.6).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// A URI, such as a SPIFFE id. Compared exactly.
    Uri(String),
    /// A DNS name, in lower case.
    Dns(String),
}

impl Identity {
    /// The name as written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Uri(name) | Self::Dns(name) => name,
        }
    }
}

impl Value for Identity {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = raw.text()?;
        if text.contains("://") {
            return match Url::parse(text) {
                Ok(_) => Ok(Self::Uri(text.to_owned())),
                Err(error) => Err(format!("{} is not a URI: {error}", raw.shown())),
            };
        }
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        if text.len() <= 253 && text.split('.').all(label) {
            Ok(Self::Dns(text.to_ascii_lowercase()))
        } else {
            Err(format!("{} is neither a URI nor a full DNS name", raw.shown()))
        }
    }
}

/// The name of a tenant or a user: 1 to 64 characters of `A-Za-z0-9._-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id(String);

impl Id {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for Id {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = raw.text()?;
        if is_id(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("{} must have 1 to 64 characters of A-Z a-z 0-9 . _ -", raw.shown()))
        }
    }
}

/// What a service may do; at least one scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// The scopes.
    pub fn as_slice(&self) -> &[Scope] {
        &self.0
    }
}

impl Value for Scopes {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let mut scopes = Vec::new();
        for part in raw.parts() {
            let name = part.text()?;
            match Scope::parse(name) {
                Some(scope) => scopes.push(scope),
                None => {
                    return Err(match Scope::nearest(name) {
                        Some(scope) => format!("{} is not a scope; did you mean {scope}?", part.shown()),
                        None => format!("{} is not a scope", part.shown()),
                    });
                }
            }
        }
        if scopes.is_empty() {
            return Err("names no scope, so the service could not do anything".to_owned());
        }
        Ok(Self(scopes))
    }
}
