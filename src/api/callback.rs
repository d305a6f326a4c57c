//! The page that login providers redirect people to (RFC 6749 §4.1.2). It asks the person whether to complete the login, does so
//! after the button is pressed, and shows the result.
//!
//! Callers are not authenticated here: what the browser sends is valid only with its state, and the answer with the page's ticket, once.

mod page;

use axum::{
    body::Bytes,
    extract::{Request, State, rejection::BytesRejection},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};

use self::page::Page;
use super::Edge;
use crate::{
    crypto::Secret,
    domain::{Error, Kind, Result, error_chain},
    ops::login::{self, CallbackResult},
};

/// Longest query that is accepted, in bytes.
const MAX_QUERY: usize = 16 * 1024;
/// Longest answer to the page's question, in bytes.
pub(super) const MAX_ANSWER: usize = 40 * 1024;

/// What the person answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Connect,
    Decline,
}

/// Shows what the browser returns from, and asks.
pub(super) async fn ask(State(edge): State<Edge>, request: Request) -> Response {
    let asked = match parse(request.uri().query().unwrap_or_default()) {
        Some((state, answered)) => login::ask(&edge.ops, &state, answered).await,
        None => Err(not_from_a_provider()),
    };
    respond(asked.map(|question| page::question(&question)))
}

/// Acts on the person's answer.
pub(super) async fn answer(State(edge): State<Edge>, body: Result<Bytes, BytesRejection>) -> Response {
    let decided = body.ok().and_then(|body| decision(&body));
    let page = async {
        let (ticket, decision) = decided.ok_or_else(not_from_a_provider)?;
        Ok(match decision {
            Decision::Connect => page::completed(&login::confirm(&edge.ops, &ticket).await?),
            Decision::Decline => page::declined(&login::decline(&edge.ops, &ticket).await?),
        })
    };
    respond(page.await)
}

fn respond(result: Result<Page>) -> Response {
    if let Err(error) = &result
        && matches!(error.kind, Kind::Internal | Kind::Unavailable { .. })
    {
        tracing::warn!(reason = error.reason.as_str(), error = %error_chain(error), "completing a login failed");
    }
    let (status, page) = match result {
        Ok(page) => (StatusCode::OK, page),
        Err(error) => (status_of(&error), page::failed(&error)),
    };
    let fixed = |value| http::HeaderValue::from_static(value);
    let headers = [
        (header::CONTENT_TYPE, fixed("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, page.form.policy()),
        (header::X_FRAME_OPTIONS, fixed("DENY")),
        (header::CACHE_CONTROL, fixed("no-store")),
        // The address has the code in it.
        (header::REFERRER_POLICY, fixed("no-referrer")),
        (header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
    ];
    (status, headers, page.html).into_response()
}

/// A parameter. One that occurs twice is ignored (RFC 6749 §3.1).
fn parameter(encoded: &[u8], name: &str) -> Option<String> {
    let mut found = url::form_urlencoded::parse(encoded).filter(|(key, _)| key == name);
    let (_, value) = found.next()?;
    found.next().is_none().then(|| value.into_owned()).filter(|value| !value.is_empty())
}

/// What the person answered, and to which question. `None` when it is not an answer to the page.
fn decision(body: &[u8]) -> Option<(Secret, Decision)> {
    let decision = match parameter(body, page::DECISION)?.as_str() {
        page::CONNECT => Decision::Connect,
        page::DECLINE => Decision::Decline,
        _ => return None,
    };
    Some((parameter(body, page::TICKET)?.into(), decision))
}

/// What the provider sent with the browser. `None` when it is invalid.
fn parse(query: &str) -> Option<(String, CallbackResult)> {
    if query.len() > MAX_QUERY {
        return None;
    }
    let value = |name: &str| parameter(query.as_bytes(), name);
    let state = value("state")?;
    let answered = match (value("error"), value("code"), value("admin_consent")) {
        (Some(error), ..) => CallbackResult::Error(error, value("error_description").unwrap_or_default()),
        (None, Some(code), None) => CallbackResult::Code(Secret::new(code)),
        (None, None, Some(consent)) if consent.eq_ignore_ascii_case("true") => CallbackResult::Consent,
        _ => return None,
    };
    Some((state, answered))
}

fn not_from_a_provider() -> Error {
    Error::invalid_field("state", "Login providers redirect to this page. To log in, start from the CRM.")
}

fn status_of(error: &Error) -> StatusCode {
    match error.kind {
        Kind::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_with_care() {
        let check = |query: &str, expected: Option<&str>| {
            let kind = parse(query).map(|(state, answered)| {
                let what = match answered {
                    CallbackResult::Code(code) => format!("code {}", code.expose()),
                    CallbackResult::Consent => "consent".to_owned(),
                    CallbackResult::Error(error, words) => format!("error {error} {words}"),
                };
                format!("{state}: {what}")
            });
            assert_eq!(kind.as_deref(), expected, "{query}");
        };
        check("code=a%2Fb&state=s&session_state=x", Some("s: code a/b"));
        check(
            "error=access_denied&error_description=no+way&state=s",
            Some("s: error access_denied no way"),
        );
        check("admin_consent=True&tenant=t&state=s", Some("s: consent"));
        check("admin_consent=False&tenant=t&state=s", None);
        check("error=x&code=c&state=s", Some("s: error x "));
        for nonsense in [
            "",
            "code=c",
            "state=s",
            "state=&code=c",
            "state=s&state=t&code=c",
            "state=s&code=c&code=d",
            "state=s&code=",
        ] {
            check(nonsense, None);
        }
        check(&format!("state=s&code={}", "c".repeat(MAX_QUERY)), None);
    }

    #[test]
    fn answers_are_read_with_care() {
        let check = |body: &str, expected: Option<(&str, Decision)>| {
            let read = decision(body.as_bytes());
            let read = read.as_ref().map(|(ticket, decision)| (ticket.expose().as_str(), *decision));
            assert_eq!(read, expected, "{body}");
        };
        check("ticket=t&decision=connect", Some(("t", Decision::Connect)));
        check("decision=decline&ticket=t", Some(("t", Decision::Decline)));
        for nonsense in [
            "",
            "ticket=t",
            "decision=connect",
            "ticket=&decision=connect",
            "ticket=t&decision=yes",
            "ticket=t&ticket=u&decision=connect",
            "ticket=t&decision=decline&decision=connect",
        ] {
            check(nonsense, None);
        }
    }
}
