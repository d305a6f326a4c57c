//! Servers' responses to Autodiscover, parsed independently of their source.

use quick_xml::escape::escape;
use serde::Deserialize;
use url::Url;

use super::super::xml::{Element, Ns};
use crate::net::replies::clean;

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Where the service is.
    Service(String),
    /// Another server is to be queried.
    Elsewhere(String),
    /// Another address is to be queried.
    Address(String),
    /// Nothing useful.
    Nothing {
        /// What it is instead, as it follows the server's name.
        what: String,
        /// The server's reply. Possibly empty.
        reply: String,
    },
}

impl Answer {
    fn nothing(what: impl Into<String>) -> Self {
        Self::Nothing {
            what: what.into(),
            reply: String::new(),
        }
    }
}

/// The JSON answer (Autodiscover v2).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Json {
    protocol: Option<String>,
    url: Option<String>,
    error_code: Option<String>,
    error_message: Option<String>,
}

/// Where Autodiscover v2 is asked, at the server of `base`.
pub(super) fn json_url(base: &Url, address: &str) -> Option<Url> {
    let mut url = base.join("/autodiscover/autodiscover.json/v1.0").ok()?;
    url.path_segments_mut().ok()?.push(address);
    url.set_query(Some("Protocol=Ews"));
    Some(url)
}

/// Reads the answer of Autodiscover v2, whatever its status. `None` when it is none.
pub(super) fn json(body: &[u8]) -> Option<Answer> {
    let answer: Json = serde_json::from_slice(body).ok()?;
    Some(match answer {
        Json {
            url: Some(url), protocol, ..
        } if protocol.as_deref().is_none_or(|protocol| protocol.eq_ignore_ascii_case("ews")) => Answer::Service(url),
        Json {
            error_code: Some(code),
            error_message,
            ..
        } => Answer::Nothing {
            what: format!("answered with the error {}", short(&code)),
            reply: error_message.unwrap_or_default(),
        },
        _ => Answer::nothing("answered without an EWS address"),
    })
}

/// The request of the older form, POX.
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/pox-autodiscover-request-for-exchange>
pub(super) fn pox_request(address: &str) -> String {
    format!(
        concat!(
            r#"<?xml version="1.0" encoding="utf-8"?>"#,
            r#"<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>"#,
            "<EMailAddress>{}</EMailAddress><AcceptableResponseSchema>",
            "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a",
            "</AcceptableResponseSchema></Request></Autodiscover>"
        ),
        escape(address)
    )
}

/// Reads the answer of the older form.
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/pox-autodiscover-response-for-exchange>
pub(super) fn pox(body: &[u8]) -> Answer {
    let root = match Element::parse(body) {
        Ok(root) if root.is(Ns::Autodiscover, "Autodiscover") => root,
        _ => return Answer::nothing("answered, but not with Autodiscover"),
    };
    let Some(response) = within(&root, "Response") else {
        return Answer::nothing("answered without an EWS address");
    };
    let account = response.child(Ns::AutodiscoverSettings, "Account");
    if let Some(error) = within(response, "Error").or_else(|| within(account?, "Error")) {
        let text = |name| within(error, name).map_or("", |child| child.text.trim());
        return Answer::Nothing {
            what: format!("answered with the error {}", short(text("ErrorCode"))),
            reply: text("Message").to_owned(),
        };
    }
    let Some(account) = account else {
        return Answer::nothing("answered without an EWS address");
    };
    let text = |name| account.child_text(Ns::AutodiscoverSettings, name).filter(|text| !text.is_empty());
    let action = text("Action").unwrap_or("settings").to_ascii_lowercase();
    // [MS-OXDSCLI] section 2.2.4.1.1.2.9; the vendor's pages for developers spell it in the other way too.
    let url = text("RedirectUrl").or_else(|| text("RedirectURL"));
    match (action.as_str(), text("RedirectAddr"), url) {
        ("redirectaddr", Some(address), _) => Answer::Address(address.to_owned()),
        ("redirecturl", _, Some(url)) => Answer::Elsewhere(url.to_owned()),
        ("settings", ..) => service(account).map_or_else(|| Answer::nothing("answered without an EWS address"), Answer::Service),
        _ => Answer::nothing("answered without an EWS address"),
    }
}

/// The element of a name directly in another one. Settings come in a namespace of their own, some faults in that of what is around them.
fn within<'e, 'a>(parent: &'e Element<'a>, name: &str) -> Option<&'e Element<'a>> {
    let known = [Ns::Autodiscover, Ns::AutodiscoverSettings];
    known.into_iter().find_map(|ns| parent.child(ns, name))
}

/// The address of EWS as it is seen from outside of the company's network, else from inside.
fn service(account: &Element<'_>) -> Option<String> {
    let settings = Ns::AutodiscoverSettings;
    let protocols = || account.children.iter().filter(|child| child.is(settings, "Protocol"));
    let address = |wanted: &str| {
        protocols()
            .filter(|protocol| protocol.child_text(settings, "Type") == Some(wanted))
            .find_map(|protocol| protocol.child_text(settings, "EwsUrl").filter(|url| !url.is_empty()))
    };
    address("EXPR").or_else(|| address("EXCH")).map(str::to_owned)
}

/// A server's code, fit to be quoted in our texts: anything else in it is not repeated.
fn short(code: &str) -> String {
    let code: String = clean(code).chars().filter(char::is_ascii_alphanumeric).take(40).collect();
    if code.is_empty() { "without a code".to_owned() } else { code }
}
