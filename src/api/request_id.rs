//! An id for every request, which its response and the log carry.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};

use crate::crypto::Ids;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request: the caller's own if it is valid, otherwise a new one.
#[derive(Clone, Debug)]
pub(super) struct RequestId(Arc<str>);

impl RequestId {
    /// The id of a request. Empty for a request that did not pass through [`layer`].
    pub(super) fn of(request: &Extensions) -> Arc<str> {
        request.get().map_or_else(|| Arc::from(""), |Self(id)| id.clone())
    }
}

/// Gives every request an id, and every response the one of its request.
pub(super) async fn layer(State(ids): State<Arc<Ids>>, mut request: Request, next: Next) -> Response {
    let id: Arc<str> = match given(request.headers()) {
        Some(id) => id.into(),
        None => ids.next().into(),
    };
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

/// The caller's own id, if it is safe to log: 1 to 64 letters, digits, `-`, `_`, `.` and `:`.
fn given(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get(HEADER)?.to_str().ok()?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
    ((1..=64).contains(&id.len()) && id.bytes().all(fits)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sane_ids_are_taken_over() {
        let check = |text: &str, taken: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, HeaderValue::from_str(text).unwrap());
            assert_eq!(given(&headers), taken.then_some(text), "{text:?}");
        };
        check("5f1c9a3e-0d1b-4f59-8a62-8d2f6f1d7a11", true);
        check("crm:42.7_a", true);
        check(&"x".repeat(64), true);
        check(&"x".repeat(65), false);
        check("", false);
        check("a b", false);
        check("a\"b", false);
        assert_eq!(given(&HeaderMap::new()), None);
    }
}
