//! The meaning of Graph's responses: the codes that [`super::codes`] lists, and responses that are not from Graph.

use std::sync::Arc;

use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use super::codes::{Meaning, judge};
use crate::{
    net::{
        ErrorClass, ProviderError,
        replies::{is_web_page, page_words, retry_after, text},
    },
    provider::exchange::server::{RequestError, in_words},
};

/// A fault, with what only this module's callers need to know about it.
#[derive(Debug)]
pub(super) struct Fault {
    /// What Graph's code means; `None` when the answer had none, or there was no answer.
    pub meaning: Option<Meaning>,
    /// Whether the answer was over the size limit.
    pub too_long: bool,
    /// Whether the server may have executed the request all the same.
    pub unclear: bool,
    /// What everybody else sees.
    pub error: Box<ProviderError>,
}

/// A fault of the connection, or of the login provider.
impl From<ProviderError> for Fault {
    fn from(error: ProviderError) -> Self {
        Self {
            meaning: None,
            too_long: false,
            unclear: false,
            error: Box::new(error),
        }
    }
}

impl From<RequestError> for Fault {
    fn from(RequestError { unclear, error }: RequestError) -> Self {
        Self { unclear, ..error.into() }
    }
}

impl From<Fault> for ProviderError {
    fn from(fault: Fault) -> Self {
        *fault.error
    }
}

/// The body of an error answer.
#[derive(Default, Deserialize)]
struct ErrorBody {
    error: ErrorDetails,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorDetails {
    code: String,
    message: String,
    #[serde(rename = "innerError", alias = "innererror")]
    inner: InnerError,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InnerError {
    #[serde(rename = "request-id")]
    request_id: String,
}

/// Turns a server's behaviour into faults whose texts name it.
#[derive(Clone, Debug)]
pub(super) struct Judge {
    /// The server's name, with the port when it is unusual.
    pub host: Arc<str>,
}

impl Judge {
    /// A fault in the given words; `{host}` stands for the server's name.
    pub(super) fn fault(&self, class: ErrorClass, problem: &str, reply: &str) -> Fault {
        in_words(&self.host, class, problem, reply).into()
    }

    /// An invalid response.
    pub(super) fn malformed(&self, what: &str) -> Fault {
        let words = format!(
            "The response of {{host}} {what}. Check the address, and that nothing between this service and the server modifies what it \
             sends; otherwise report this as a bug."
        );
        Fault {
            unclear: true,
            ..self.fault(ErrorClass::Malformed, &words, "")
        }
    }

    /// A response over a size limit, in bytes.
    pub(super) fn too_long(&self, limit: u64) -> Fault {
        let words = format!("The response of {{host}} is over the limit of {limit} bytes.");
        Fault {
            too_long: true,
            unclear: true,
            ..self.fault(ErrorClass::Malformed, &words, "")
        }
    }

    /// A response with an unexpected status, with the beginning of its body.
    pub(super) fn status(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Fault {
        if (300..400).contains(&status.as_u16()) {
            let target = text(headers, header::LOCATION).unwrap_or_default();
            let words = "{host} redirects to another address. Redirects are not followed, so that access tokens are sent to no other \
                         server: enter the right address (exchange.endpoint).";
            return self.fault(ErrorClass::Unreachable, words, &format!("HTTP {status}, Location: {target}"));
        }
        if is_web_page(headers, body) {
            let words = "{host} answered with a web page, not with Microsoft Graph. Check the address (exchange.endpoint), and what is \
                         between this service and the server.";
            return Fault {
                // Its author may have received the response.
                unclear: status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE,
                ..self.fault(ErrorClass::Unreachable, words, &page_words(body))
            };
        }
        let ErrorBody { error } = serde_json::from_slice(body).unwrap_or_default();
        let (meaning, words) = judge(status, &error.code);
        let mut reply = format!("HTTP {status}");
        for (before, part) in [("", &error.code), ("", &error.message), ("request-id ", &error.inner.request_id)] {
            if !part.is_empty() {
                reply = format!("{reply}: {before}{part}");
            }
        }
        Fault {
            meaning: Some(meaning),
            // A busy server did nothing; one that broke may have.
            unclear: status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE,
            ..self.fault(meaning.class(retry_after(headers)), words, &reply)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn status(status: u16, headers: &[(&str, &str)], body: &str) -> Fault {
        let judge = Judge {
            host: "graph.example".into(),
        };
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        judge.status(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes())
    }

    #[test]
    fn what_graph_says_is_kept() {
        let body = r#"{"error":{"code":"ErrorAccessDenied","message":"Access is denied.","innerError":{"request-id":"r-1","date":"x"}}}"#;
        let fault = status(403, &[], body);
        assert_eq!(fault.meaning, Some(Meaning::Refused));
        assert_eq!(fault.error.class, ErrorClass::Refused);
        assert!(
            fault.error.problem.starts_with("graph.example does not let"),
            "{}",
            fault.error.problem
        );
        assert_eq!(
            fault.error.server_reply,
            "HTTP 403 Forbidden: ErrorAccessDenied: Access is denied.: request-id r-1"
        );
        assert!(!fault.unclear);
    }

    #[test]
    fn pauses_are_as_long_as_the_server_wants() {
        let pause = |headers: &[(&str, &str)]| match status(429, headers, "").error.class {
            ErrorClass::Retry { after } => after,
            other => panic!("{other:?}"),
        };
        assert_eq!(pause(&[("retry-after", "17")]), Some(Duration::from_secs(17)));
        // It may be missing.
        assert_eq!(pause(&[]), None);
    }

    #[test]
    fn other_answers_are_told_from_graphs() {
        let page = status(403, &[("content-type", "text/html")], "<html><title>Blocked by the proxy</title>");
        assert_eq!(page.error.class, ErrorClass::Unreachable);
        assert_eq!(page.error.server_reply, "Blocked by the proxy");
        let redirect = status(302, &[("location", "https://elsewhere.example/")], "");
        assert_eq!(redirect.error.class, ErrorClass::Unreachable);
        assert!(redirect.error.server_reply.contains("elsewhere.example"));
        assert!(status(502, &[], "not JSON").unclear);
        assert!(!status(503, &[], "").unclear);
    }
}
