//! Streams that are open: how many each caller has, and what happens at their end.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Instant,
};

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::{Code, Status};
use tracing::Span;

use super::status::code_name;
use crate::{
    domain::{Caller, Error, Kind, Reason, Result},
    telemetry::Metrics,
};

/// Counts the streams of each caller. Clones count together.
#[derive(Clone)]
pub(super) struct Streams {
    limit: usize,
    // Held for a map look-up only.
    open: Arc<Mutex<HashMap<Owner, usize>>>,
}

/// Tenant and user.
type Owner = (String, String);

impl Streams {
    /// At most `limit` streams for each caller.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            open: Arc::default(),
        }
    }

    /// Counts one more stream of this caller until the returned value is dropped.
    ///
    /// # Errors
    /// [`Kind::Exhausted`] when there are too many.
    pub(super) fn open(&self, caller: &Caller) -> Result<Permit> {
        let owner = (caller.tenant.clone(), caller.user.clone());
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(owner.clone()).or_default();
        if *count >= self.limit {
            return Err(too_many(self.limit, &caller.tenant, &caller.user));
        }
        *count += 1;
        Ok(Permit {
            streams: self.clone(),
            owner,
        })
    }
}

/// The caller has too many streams open.
pub(super) fn too_many(limit: usize, tenant: &str, user: &str) -> Error {
    let text = format!("There are {limit} streams of this caller open already, and no more are allowed. Close some first.");
    Error::new(Kind::Exhausted, Reason::TooManyStreams, text)
        .with("limit", limit.to_string())
        .with("subject", format!("tenant:{tenant} user:{user}"))
}

/// A stream that counts.
pub(super) struct Permit {
    streams: Streams,
    owner: Owner,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.streams.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.owner);
            }
        }
    }
}

/// Measures a call and tells how it ended, once.
pub(super) struct Measure {
    metrics: Metrics,
    method: &'static str,
    started: Instant,
    span: Span,
    over: bool,
}

impl Measure {
    /// Begins now.
    pub(super) fn new(metrics: Metrics, method: &'static str, span: Span) -> Self {
        Self {
            metrics,
            method,
            started: Instant::now(),
            span,
            over: false,
        }
    }

    /// The call ended.
    pub(super) fn end(&mut self, code: Code) {
        if !std::mem::replace(&mut self.over, true) {
            self.span.record("rpc.response.status_code", code_name(code));
            self.metrics.call_ended(self.method, code_name(code), self.started.elapsed());
        }
    }
}

impl Drop for Measure {
    /// A call that is dropped before its end was given up by its caller.
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

/// The body of a stream. It keeps what counts the stream, turns a panic into a status, and ends streams that know of no stop.
pub(super) struct StreamBody {
    inner: Body,
    measure: Measure,
    _permit: Option<Permit>,
    /// Ends the stream when it has nothing more to say.
    stop: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// Makes the status of an error.
    fail: Box<dyn Fn(&Error) -> Status + Send>,
}

impl StreamBody {
    pub(super) fn new(
        inner: Body,
        measure: Measure,
        permit: Option<Permit>,
        stop: Option<WaitForCancellationFutureOwned>,
        fail: impl Fn(&Error) -> Status + Send + 'static,
    ) -> Self {
        Self {
            inner,
            measure,
            _permit: permit,
            stop: stop.map(Box::pin),
            fail: Box::new(fail),
        }
    }

    /// Ends the stream with an error. Nothing of it is polled after that.
    fn end_with(&mut self, error: &Error) -> Frame<Bytes> {
        let status = (self.fail)(error);
        self.measure.end(status.code());
        let mut trailers = HeaderMap::new();
        // It fails only for texts that no header can carry, which then stay away.
        let _ = status.add_header(&mut trailers);
        Frame::trailers(trailers)
    }
}

impl http_body::Body for StreamBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        if this.measure.over {
            return Poll::Ready(None);
        }
        let span = this.measure.span.clone();
        let _entered = span.enter();
        // The stream is not polled again after a panic.
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut this.inner).poll_frame(cx)));
        let Ok(polled) = polled else {
            return Poll::Ready(Some(Ok(this.end_with(&Error::internal("a stream panicked")))));
        };
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    this.measure.end(code_of(trailers));
                }
            }
            Poll::Ready(None) => this.measure.end(Code::Ok),
            Poll::Ready(Some(Err(_))) => this.measure.end(Code::Unknown),
            Poll::Pending => {
                if this.stop.as_mut().is_some_and(|stop| stop.as_mut().poll(cx).is_ready()) {
                    return Poll::Ready(Some(Ok(this.end_with(&Error::shutting_down()))));
                }
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.measure.over
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// The status in headers or trailers; OK when there is none, as at the beginning of an answer.
pub(super) fn code_of(headers: &HeaderMap) -> Code {
    headers
        .get(Status::GRPC_STATUS)
        .map_or(Code::Ok, |value| Code::from_bytes(value.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_counted_for_each_caller() {
        let caller = |tenant: &str, user: &str| Caller {
            tenant: tenant.to_owned(),
            user: user.to_owned(),
            scopes: Vec::new(),
        };
        let streams = Streams::new(2);
        let anna = caller("acme", "anna");
        let first = streams.open(&anna).unwrap();
        let _second = streams.open(&anna).unwrap();
        let error = streams.open(&anna).err().expect("too many");
        assert_eq!((error.kind, error.reason), (Kind::Exhausted, Reason::TooManyStreams));
        let _other = streams.open(&caller("acme", "ben")).unwrap();
        let _foreign = streams.open(&caller("other", "anna")).unwrap();
        drop(first);
        drop(streams.open(&anna).unwrap());
        drop(_second);
        assert_eq!(streams.open.lock().unwrap().len(), 2, "callers without streams are forgotten");
    }
}
