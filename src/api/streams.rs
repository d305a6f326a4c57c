//! Open streams and other calls in progress: how many each caller has, and what happens when they end.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::{Code, Status};
use tracing::Span;

use super::status::code_name;
use crate::{
    domain::{Caller, Detail, Error, Kind, Reason, Result, TenantId, UserId},
    telemetry::Metrics,
};

/// How often a stream checks whether its caller's credentials are still valid.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Counts the streams, or the other calls, of each caller. Clones count together.
#[derive(Clone)]
pub(super) struct Calls {
    limit: usize,
    too_many: TooMany,
    // Held for a map look-up only.
    open: Arc<Mutex<HashMap<Owner, usize>>>,
}

/// Tenant and user.
type Owner = (TenantId, UserId);

/// The error of a caller with too many, from the limit, the tenant and the user.
type TooMany = fn(usize, &TenantId, &UserId) -> Error;

impl Calls {
    /// At most `limit` streams for each caller.
    pub(super) fn streams(limit: usize) -> Self {
        Self::new(limit, too_many)
    }

    /// At most `limit` unary calls for each caller.
    pub(super) fn unary(limit: usize) -> Self {
        Self::new(limit, |limit, tenant, user| Error::too_many_calls(limit, subject(tenant, user)))
    }

    fn new(limit: usize, too_many: TooMany) -> Self {
        Self {
            limit,
            too_many,
            open: Arc::default(),
        }
    }

    /// Counts one more of this caller until the returned value is dropped.
    ///
    /// # Errors
    /// [`Kind::Exhausted`] or [`Kind::Busy`] when there are too many.
    pub(super) fn open(&self, caller: &Caller) -> Result<Permit> {
        let owner = (caller.tenant.clone(), caller.user.clone());
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(owner.clone()).or_default();
        if *count >= self.limit {
            return Err((self.too_many)(self.limit, &caller.tenant, &caller.user));
        }
        *count += 1;
        Ok(Permit {
            calls: self.clone(),
            owner,
        })
    }
}

/// The caller has too many streams open.
pub(super) fn too_many(limit: usize, tenant: &TenantId, user: &UserId) -> Error {
    let text = format!("This caller already has {limit} streams open, which is the limit. Close some first.");
    Error::new(Kind::Exhausted, Reason::TooManyStreams, text)
        .with(Detail::Limit, limit.to_string())
        .with(Detail::Subject, subject(tenant, user))
}

fn subject(tenant: &TenantId, user: &UserId) -> String {
    format!("tenant:{tenant} user:{user}")
}

/// A call that counts.
pub(super) struct Permit {
    calls: Calls,
    owner: Owner,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.calls.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.owner);
            }
        }
    }
}

/// Measures a call and records how it ended, once.
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
    /// A call that is dropped before its end was cancelled by its caller.
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

/// What ends a stream that does not end on its own.
pub(super) enum Ending {
    /// The shutdown of the service. For public streams, which know of no shutdown.
    Stop(Pin<Box<WaitForCancellationFutureOwned>>),
    /// Its caller's credentials are no longer valid: their token has expired, or its key was withdrawn.
    Unknown(Box<Watch>),
}

/// Checks a caller's credentials periodically.
pub(super) struct Watch {
    check: Box<dyn Fn() -> Result<()> + Send>,
    interval: Interval,
}

impl Ending {
    /// With the shutdown of the service.
    pub(super) fn at_stop(stop: WaitForCancellationFutureOwned) -> Self {
        Self::Stop(Box::pin(stop))
    }

    /// When `check` fails.
    pub(super) fn unless(check: impl Fn() -> Result<()> + Send + 'static) -> Self {
        let mut interval = interval(CHECK_INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self::Unknown(Box::new(Watch {
            check: Box::new(check),
            interval,
        }))
    }

    /// Whether it is time, before anything else is sent.
    fn is_due(&mut self, cx: &mut Context<'_>) -> Result<()> {
        let Self::Unknown(watch) = self else { return Ok(()) };
        // Registers to be woken for the next check.
        while watch.interval.poll_tick(cx).is_ready() {}
        (watch.check)()
    }

    /// Whether it is time, when there is nothing to send.
    fn is_due_when_idle(&mut self, cx: &mut Context<'_>) -> Result<()> {
        let Self::Stop(stop) = self else { return Ok(()) };
        match stop.as_mut().poll(cx) {
            Poll::Ready(()) => Err(Error::shutting_down()),
            Poll::Pending => Ok(()),
        }
    }
}

/// The body of a stream. It holds the stream's counter, turns a panic into a status, and ends streams that do not end on their own.
pub(super) struct StreamBody {
    inner: Body,
    measure: Measure,
    _permit: Option<Permit>,
    ending: Ending,
    /// Makes the status of an error.
    fail: Box<dyn Fn(&Error) -> Status + Send>,
}

impl StreamBody {
    pub(super) fn new(
        inner: Body,
        measure: Measure,
        permit: Option<Permit>,
        ending: Ending,
        fail: impl Fn(&Error) -> Status + Send + 'static,
    ) -> Self {
        Self {
            inner,
            measure,
            _permit: permit,
            ending,
            fail: Box::new(fail),
        }
    }

    /// Ends the stream with an error. Nothing of it is polled after that.
    fn end_with(&mut self, error: &Error) -> Frame<Bytes> {
        let status = (self.fail)(error);
        self.measure.end(status.code());
        let mut trailers = HeaderMap::new();
        // It fails only for texts that cannot be sent in a header, which are then omitted.
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
        if let Err(error) = this.ending.is_due(cx) {
            return Poll::Ready(Some(Ok(this.end_with(&error))));
        }
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
                if let Err(error) = this.ending.is_due_when_idle(cx) {
                    return Poll::Ready(Some(Ok(this.end_with(&error))));
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
            tenant: tenant.into(),
            user: user.into(),
            scopes: Vec::new(),
        };
        let streams = Calls::streams(2);
        let anna = caller("acme", "anna");
        let first = streams.open(&anna).unwrap();
        let second = streams.open(&anna).unwrap();
        let error = streams.open(&anna).err().expect("too many");
        assert_eq!((error.kind, error.reason), (Kind::Exhausted, Reason::TooManyStreams));
        let _other = streams.open(&caller("acme", "ben")).unwrap();
        let _foreign = streams.open(&caller("other", "anna")).unwrap();
        drop(first);
        drop(streams.open(&anna).unwrap());
        drop(second);
        assert_eq!(streams.open.lock().unwrap().len(), 2, "callers without streams are forgotten");
    }
}
