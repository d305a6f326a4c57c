//! The page that Microsoft Graph calls when something happens in a mailbox.
//!
//! Callers are not authenticated here: see [`crate::ops::push`]. <https://learn.microsoft.com/graph/change-notifications-delivery-webhooks>

use axum::{
    body::Bytes,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};

use super::Edge;
use crate::{domain::Kind, ops::push};

/// Longest validation token, in bytes.
const MAX_TOKEN: usize = 4 * 1024;

/// Answers a validation, or accepts notifications: quickly, as slow receivers are dropped.
pub(super) async fn notifications(State(edge): State<Edge>, RawQuery(query): RawQuery, body: Bytes) -> Response {
    let query = query.unwrap_or_default();
    let token = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "validationToken");
    if let Some((_, token)) = token {
        if token.len() > MAX_TOKEN {
            return StatusCode::BAD_REQUEST.into_response();
        }
        // It is echoed, whatever it is, and must not be interpreted as a page.
        let headers = [
            (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        return (headers, token.into_owned()).into_response();
    }
    match push::received(&edge.ops, &body).await {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(error) if error.kind == Kind::Invalid => StatusCode::BAD_REQUEST.into_response(),
        Err(error) => {
            // It is called again.
            tracing::warn!(error = error.chain(), "handling a notification failed");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}
