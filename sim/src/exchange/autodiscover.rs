//! Autodiscover: v2 in JSON for everybody, and POX for those who log in.

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    extract::Request as HttpRequest,
    http::{HeaderValue, Method, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use futures::stream;
use quick_xml::escape::escape;
use url::Url;

use super::{
    Shared, lock,
    serving::{authenticate, ok, plain, unauthorized},
    xml::Element,
};

const JSON: &str = "/autodiscover/autodiscover.json/v1.0/";
const POX: &str = "/autodiscover/autodiscover.xml";
const REQUEST_SCHEMA: &str = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006";
const ANSWER: &str = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";
const SETTINGS: &str = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";

/// What Autodiscover says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Autodiscover {
    /// There is none.
    Off,
    /// EWS is at this address, for mailboxes that are there.
    Names(Url),
    /// HTTP 302 to this address.
    Redirect(String),
    /// POX: another address is to be asked.
    RedirectUrl(String),
    /// POX: it is to be asked about another mailbox.
    RedirectAddress(String),
    /// An error: code and message.
    Error(&'static str, &'static str),
    /// HTTP 200 with these bytes.
    Raw(Bytes),
    /// HTTP 200 with bytes that do not end.
    Endless,
}

/// What is said in both forms.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    pub(super) json: Autodiscover,
    pub(super) pox: Autodiscover,
}

/// A request for Autodiscover that the server has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutodiscoverRequest {
    /// The name by which the server was asked, with the port when it is unusual.
    pub host: String,
    /// Such as `/autodiscover/autodiscover.xml`.
    pub path: String,
    /// How it logs in, such as `Basic`. `None`: it does not.
    pub scheme: Option<String>,
}

/// Whether a request is for Autodiscover.
pub(super) fn is_meant(request: &HttpRequest) -> bool {
    request.uri().path().to_ascii_lowercase().starts_with("/autodiscover/")
}

/// What the record keeps of a request.
fn seen(request: &HttpRequest) -> AutodiscoverRequest {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let scheme = header(header::AUTHORIZATION).and_then(|value| value.split(' ').next());
    AutodiscoverRequest {
        host: header(header::HOST).unwrap_or_default().to_owned(),
        path: request.uri().path().to_owned(),
        scheme: scheme.map(str::to_owned),
    }
}

pub(super) async fn answer(shared: &Arc<Shared>, request: HttpRequest) -> Response {
    let seen = seen(&request);
    let path = seen.path.clone();
    lock(&shared.lookups).push(seen);
    let Answers { json, pox } = lock(&shared.autodiscover).clone();
    let lower = path.to_ascii_lowercase();
    if lower.starts_with(JSON) {
        let query = request.uri().query().unwrap_or_default();
        let address = Url::parse(&format!("http://x{path}")).ok();
        let address = address.and_then(|url| Some(url.path_segments()?.next_back()?.to_owned()));
        let address = address.unwrap_or_default().replace("%40", "@");
        return v2(shared, &json, &address, query);
    }
    if lower == POX {
        return by_pox(shared, &pox, request).await;
    }
    plain(StatusCode::NOT_FOUND)
}

fn v2(shared: &Shared, answer: &Autodiscover, address: &str, query: &str) -> Response {
    let error = |status, code: &str, message: &str| {
        let body = serde_json::json!({ "ErrorCode": code, "ErrorMessage": message });
        with_status(status, ok("application/json; charset=utf-8", Body::from(body.to_string())))
    };
    let protocol = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name.eq_ignore_ascii_case("protocol"));
    match answer {
        Autodiscover::Names(_) if !protocol.is_some_and(|(_, value)| value.eq_ignore_ascii_case("ews")) => error(
            StatusCode::BAD_REQUEST,
            "ProtocolNotSupported",
            "The given protocol value is invalid.",
        ),
        Autodiscover::Names(_) if shared.world().find(address).is_none() => {
            error(StatusCode::NOT_FOUND, "UserNotFound", "The given user is not found.")
        }
        Autodiscover::Names(url) => {
            let body = serde_json::json!({ "Protocol": "Ews", "Url": url.as_str() });
            ok("application/json; charset=utf-8", Body::from(body.to_string()))
        }
        Autodiscover::Error(code, message) => error(StatusCode::BAD_REQUEST, code, message),
        other => in_any_form(other),
    }
}

async fn by_pox(shared: &Arc<Shared>, answer: &Autodiscover, request: HttpRequest) -> Response {
    if matches!(answer, Autodiscover::Off | Autodiscover::Redirect(_)) {
        return in_any_form(answer);
    }
    if authenticate(shared, &request).is_none() {
        return unauthorized(shared);
    }
    if request.method() != Method::POST {
        return plain(StatusCode::METHOD_NOT_ALLOWED);
    }
    let Ok(body) = to_bytes(request.into_body(), shared.limits.body_bytes).await else {
        return plain(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let text = String::from_utf8_lossy(&body);
    let asked = Element::parse(&text)
        .ok()
        .filter(|root| root.name == "Autodiscover" && text.contains(REQUEST_SCHEMA));
    let asked = asked.as_ref().and_then(|root| root.child("Request"));
    let address = asked
        .filter(|asked| asked.text_of("AcceptableResponseSchema") == Some(SETTINGS))
        .and_then(|asked| asked.text_of("EMailAddress"));
    let Some(address) = address else {
        return pox_error("600", "Invalid Request");
    };
    let known = shared.world().find(address).is_some();
    let address = escape(address);
    let account = |inner: String| {
        let user = format!(
            "<User><DisplayName>{address}</DisplayName><LegacyDN>/o=sim/cn={address}</LegacyDN>\
             <AutoDiscoverSMTPAddress>{address}</AutoDiscoverSMTPAddress></User>"
        );
        let account = format!("<Account><AccountType>email</AccountType>{inner}</Account>");
        pox_document(&format!("<Response xmlns=\"{SETTINGS}\">{user}{account}</Response>"))
    };
    match answer {
        Autodiscover::Names(_) if !known => pox_error("500", "The email address can't be found."),
        Autodiscover::Names(url) => {
            let url = escape(url.as_str());
            let protocol = |kind: &str| {
                format!(
                    "<Protocol><Type>{kind}</Type><Server>mail</Server><ServerVersion>73C189CB</ServerVersion><AuthPackage>basic</AuthPackage>\
                     <EwsUrl>{url}</EwsUrl></Protocol>"
                )
            };
            account(format!("<Action>settings</Action>{}{}", protocol("EXCH"), protocol("EXPR")))
        }
        Autodiscover::RedirectUrl(url) => account(format!(
            "<Action>redirectUrl</Action><RedirectUrl>{}</RedirectUrl>",
            escape(url.as_str())
        )),
        Autodiscover::RedirectAddress(address) => account(format!(
            "<Action>redirectAddr</Action><RedirectAddr>{}</RedirectAddr>",
            escape(address.as_str())
        )),
        Autodiscover::Error(code, message) => pox_error(code, message),
        other => in_any_form(other),
    }
}

fn in_any_form(answer: &Autodiscover) -> Response {
    match answer {
        Autodiscover::Redirect(target) => {
            let mut response = plain(StatusCode::FOUND);
            if let Ok(target) = HeaderValue::from_str(target) {
                response.headers_mut().insert(header::LOCATION, target);
            }
            response
        }
        Autodiscover::Raw(bytes) => ok("text/xml; charset=utf-8", Body::from(bytes.clone())),
        Autodiscover::Endless => {
            let piece = Bytes::from_static(&[b' '; 16 * 1024]);
            let pieces = stream::repeat_with(move || Ok::<_, std::convert::Infallible>(piece.clone()));
            ok("text/xml; charset=utf-8", Body::from_stream(pieces))
        }
        _ => plain(StatusCode::NOT_FOUND),
    }
}

fn with_status(status: StatusCode, mut response: Response) -> Response {
    *response.status_mut() = status;
    response
}

fn pox_document(inner: &str) -> Response {
    let document = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<Autodiscover xmlns=\"{ANSWER}\">{inner}</Autodiscover>");
    ok("text/xml; charset=utf-8", Body::from(document))
}

fn pox_error(code: &str, message: &str) -> Response {
    pox_document(&format!(
        "<Response><Error Time=\"10:00:00.0000000\" Id=\"1\"><ErrorCode>{code}</ErrorCode><Message>{}</Message><DebugData/></Error></Response>",
        escape(message)
    ))
}
