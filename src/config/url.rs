//! URLs of servers that the operator names.

use std::fmt;

use url::{Host, Url};

use super::{source::Raw, value::Value};

/// The URL of a server that the operator names: `https`, or `http` on this machine itself.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsUrl {
    text: String,
    url: Url,
}

impl TlsUrl {
    /// As it was written: issuers are compared letter by letter (RFC 8414 §2).
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.url
    }
}

impl Value for TlsUrl {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = raw.text()?;
        let url = Url::parse(text).map_err(|error| format!("{} is not a URL: {error}", raw.shown()))?;
        let loopback = match url.host() {
            None => return Err(format!("{} is not an https URL", raw.shown())),
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
        };
        match url.scheme() {
            _ if !url.username().is_empty() || url.password().is_some() => Err("must not contain credentials".to_owned()),
            _ if url.fragment().is_some() => Err("must not have a fragment, which is never sent".to_owned()),
            scheme if scheme == "https" || scheme == "http" && loopback => Ok(Self {
                text: text.to_owned(),
                url,
            }),
            "http" => Err("has no TLS, so traffic could be modified in transit: use https".to_owned()),
            _ => Err(format!("{} is not an https URL", raw.shown())),
        }
    }
}

impl fmt::Debug for TlsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
