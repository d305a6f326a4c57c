//! What single values may be, wherever they are set: servers, addresses of services, logins, names.

use url::Url;

use crate::{
    domain::{AgentKind, AuthenticationMethod, TenantChoices},
    net::addresses::{self, Allowed},
    ops::{Ops, is_honest, is_plain},
    provider::discovery_domain,
};

const EWS_EXAMPLE: &str = "the URL of the EWS service, such as https://mail.example.com/EWS/Exchange.asmx";

/// Which addresses may be called for this tenant.
pub(in crate::ops) fn allowed(ops: &Ops, choices: &TenantChoices) -> Allowed {
    Allowed {
        loopback: ops.limits.allow_loopback,
        private: choices.allow_private_networks,
    }
}

/// What a name that people see must be.
pub(in crate::ops) const DISPLAY_NAME: &str = "is required: 1 to 256 characters without line breaks or other control characters, and \
                                               without characters that are invisible or change the direction of the text (such as U+202E). \
                                               If it was pasted, type it instead.";
/// Longest name of a server, in bytes (RFC 1035 §2.3.4).
const HOST_LEN: usize = 253;

/// Judges the name or address of a server; an address also by `allowed`, names when they are called.
///
/// # Errors
/// What is wrong with it.
pub(in crate::ops) fn host(host: &str, allowed: Option<Allowed>) -> Result<(), String> {
    if host.len() > HOST_LEN {
        return Err(format!("must have at most {HOST_LEN} characters: no name of a server is longer."));
    }
    if is_host_name(host) || host.parse::<std::net::IpAddr>().is_ok() {
        may_be_called(host, allowed)
    } else {
        Err("is required: the name or IP address of the server, such as mail.example.com, without a port or scheme.".to_owned())
    }
}

fn is_host_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= HOST_LEN && host.strip_suffix('.').unwrap_or(host).split('.').all(label)
}

fn may_be_called(host: &str, allowed: Option<Allowed>) -> Result<(), String> {
    let (Some(allowed), Some(address)) = (allowed, addresses::known(host)) else {
        return Ok(());
    };
    addresses::judge(address, allowed).map_err(|refusal| format!("cannot be used: {address} {}", refusal.words()))
}

/// Judges the address of a service that is required; its host as [`host`] does.
///
/// # Errors
/// What is wrong with it.
pub(in crate::ops) fn endpoint(kind: AgentKind, endpoint: &str, allow_http: bool, allowed: Option<Allowed>) -> Result<(), String> {
    let example = match kind {
        AgentKind::ExchangeGraph => "the address of Microsoft Graph, such as https://graph.microsoft.com/v1.0",
        _ => EWS_EXAMPLE,
    };
    if endpoint.is_empty() {
        return Err(format!("is required: {example}."));
    }
    let url = Url::parse(endpoint)
        .ok()
        // The parser passes over line breaks and cuts off what is around the URL.
        .filter(|url| endpoint.len() <= 2048 && url.has_host() && !endpoint.contains(|c: char| c.is_control() || c == ' '))
        .ok_or_else(|| format!("must be {example}."))?;
    match url.scheme() {
        "https" => {}
        "http" if allow_http => {}
        "http" => return Err("must be https: over plain http the password could be read in transit.".to_owned()),
        other => return Err(format!("must be https, not {other}.")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not have a user name or password in it; they have fields of their own.".to_owned());
    }
    if url.fragment().is_some() || url.query().is_some() {
        return Err("must not have anything after its path.".to_owned());
    }
    if url.domain().is_some_and(|name| !is_host_name(name)) {
        return Err(format!(
            "must name a server that can exist: at most {HOST_LEN} characters, and 63 between dots. It must be {example}."
        ));
    }
    may_be_called(url.host_str().unwrap_or_default(), allowed)
}

/// Whether what is sent to a service could be read on its way after a change, and could not before. Without an endpoint, https is found.
pub(in crate::ops) fn loses_encryption(before: &str, after: &str) -> bool {
    let is_plain_http = |endpoint: &str| Url::parse(endpoint).is_ok_and(|url| url.scheme() == "http");
    is_plain_http(after) && !is_plain_http(before)
}

/// Judges an address by whose domain an EWS service is to be found, where none is named.
///
/// # Errors
/// What is wrong with that.
pub(in crate::ops) fn discoverable(address: &str) -> Result<(), String> {
    if discovery_domain(address).is_some() {
        return Ok(());
    }
    Err(format!(
        "is required, as it cannot be discovered through the domain of {address:?}: {EWS_EXAMPLE}."
    ))
}

/// Judges the login name of an Exchange login. `set`: whether the request gives it another value; `required`: whether it is needed where
/// passwords are used at all.
///
/// # Errors
/// What is wrong with it.
pub(in crate::ops) fn username(
    kind: AgentKind,
    method: AuthenticationMethod,
    username: &str,
    set: bool,
    required: bool,
) -> Result<(), &'static str> {
    let by_password = kind == AgentKind::ExchangeEws && method == AuthenticationMethod::Basic;
    if !by_password {
        // One of earlier times may stay, for the way back.
        return match kind {
            _ if username.is_empty() || !set => Ok(()),
            AgentKind::ExchangeGraph => Err("must not be set: people log in to Microsoft Graph at the provider."),
            _ => Err("must not be set: the authentication method is MODERN, so people log in at the provider."),
        };
    }
    if (username.is_empty() && !required) || (is_username(username) && !username.contains(':')) {
        Ok(())
    } else {
        Err("is required: 1 to 256 characters without `:` and control characters, such as CORP\\anna or anna@example.com.")
    }
}

/// Why an Exchange login has no password.
pub(in crate::ops) fn password_refused(kind: AgentKind, method: AuthenticationMethod) -> Option<&'static str> {
    match (kind, method) {
        (AgentKind::ExchangeGraph, _) => Some("must not be set: people log in to Microsoft Graph at the provider."),
        (_, AuthenticationMethod::Modern) => {
            Some("must not be set: the authentication method is MODERN, so people log in at the provider.")
        }
        (_, AuthenticationMethod::Basic) => None,
    }
}

/// Whether people can read the text, see what it says, and it may stand in a header.
pub(in crate::ops) fn is_display_name(name: &str) -> bool {
    !name.trim().is_empty() && name.chars().count() <= 256 && is_plain(name) && is_honest(name)
}

/// Whether a login name has a form that can be used.
pub(super) fn is_username(username: &str) -> bool {
    (1..=256).contains(&username.chars().count()) && is_plain(username) && is_honest(username)
}

/// Whether a password has a form that can be used.
pub(in crate::ops) fn is_password(password: &str) -> bool {
    password.len() <= 1024 && is_plain(password)
}

/// The server of an EWS service, or the domain whose servers are asked for it: what a login is meant for. `address` counts where there is
/// no endpoint.
pub(in crate::ops) fn server_of_ews(endpoint: &str, address: &str) -> Option<(String, u16)> {
    match endpoint {
        "" => discovery_domain(address).map(|domain| (format!("the servers of {domain}"), 0)),
        endpoint => server_of_url(endpoint),
    }
}

/// Name and port of a URL's server.
pub(in crate::ops) fn server_of_url(endpoint: &str) -> Option<(String, u16)> {
    let url = Url::parse(endpoint).ok()?;
    Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
}
