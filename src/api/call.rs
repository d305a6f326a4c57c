//! What a service knows about the call that it answers.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use tracing::Span;

use super::status::to_status;
use crate::domain::{Caller, Error, Kind, Reason, Result};

/// A call in progress. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Call(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    caller: Arc<Caller>,
    request_id: Arc<str>,
    span: Span,
}

impl Call {
    /// A call of an authenticated caller. Its errors are logged within `span`.
    pub(super) fn new(caller: Arc<Caller>, request_id: Arc<str>, span: Span) -> Self {
        Self(Arc::new(Inner { caller, request_id, span }))
    }

    /// Takes a request apart.
    ///
    /// # Errors
    /// INTERNAL for a request that did not come through the guard.
    pub(super) fn of<T>(mut request: Request<T>) -> Result<(Self, T), Status> {
        match request.extensions_mut().remove::<Self>() {
            Some(call) => Ok((call, request.into_inner())),
            None => Err(fail(&Error::internal("a request came around the guard"), "")),
        }
    }

    /// Who calls.
    pub(super) fn caller(&self) -> &Caller {
        &self.0.caller
    }

    /// The response, or the status of the error.
    ///
    /// # Errors
    /// As the result.
    pub(super) fn answer<T>(&self, result: Result<T>) -> Result<Response<T>, Status> {
        match result {
            Ok(answer) => Ok(Response::new(answer)),
            Err(error) => Err(self.fail(&error)),
        }
    }

    /// The status of the error, which is logged if it is a fault of the service.
    pub(super) fn fail(&self, error: &Error) -> Status {
        self.0.span.in_scope(|| fail(error, &self.0.request_id))
    }
}

/// The status of the error, which is logged if it is a fault of the service.
pub(super) fn fail(error: &Error, request_id: &str) -> Status {
    match error.kind {
        // Logged where the issuer was called, once for all callers.
        _ if error.reason == Reason::IssuerUnavailable => {}
        // Every open stream ends like this at shutdown.
        _ if error.reason == Reason::ShuttingDown => tracing::debug!(request_id, "a call ended with the service"),
        Kind::Internal => tracing::error!(request_id, reason = error.reason.as_str(), error = error.chain(), "call failed"),
        Kind::Unavailable { .. } => tracing::warn!(request_id, reason = error.reason.as_str(), error = error.chain(), "call failed"),
        Kind::Invalid
        | Kind::NotFound
        | Kind::Exists
        | Kind::Precondition
        | Kind::Stale
        | Kind::Unauthenticated
        | Kind::Denied
        | Kind::Exhausted
        | Kind::Busy { .. }
        | Kind::OutOfRange
        | Kind::TimedOut => {}
    }
    to_status(error, request_id)
}
