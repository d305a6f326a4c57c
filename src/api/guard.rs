//! What every call passes on its way to a service: authentication, authorisation, limits, the span, the metrics.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use futures::FutureExt;
use http::{Extensions, HeaderMap, HeaderName};
use opentelemetry::propagation::Extractor;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::{Instrument, Span, field, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::{
    Edge, anonymous,
    auth::{self, Access, Method},
    call::{Call, fail},
    callers::{Callers, Credentials},
    guarded_body::GuardedBody,
    http::unimplemented,
    malformed,
    request_id::RequestId,
    streams::{Calls, Ending, Measure, Permit, StreamBody, code_of},
};
use crate::{
    domain::{Detail, Error, Kind, Reason, Result},
    ops::Ops,
};

/// What the guard works with. Cheap to clone.
#[derive(Clone)]
pub(super) struct Guard(Arc<Inner>);

struct Inner {
    ops: Ops,
    callers: Arc<Callers>,
    call_timeout: Duration,
    streams: Calls,
    calls: Calls,
    draining: CancellationToken,
}

/// A call that has arrived, before it is known who makes it.
#[derive(Clone, Copy)]
struct Rpc<'a> {
    method: &'a Method,
    id: &'a Arc<str>,
    span: &'a Span,
}

impl Guard {
    /// `draining` ends the streams of third-party services, which know of no shutdown.
    pub(super) fn new(edge: &Edge, draining: CancellationToken) -> Self {
        Self(Arc::new(Inner {
            ops: edge.ops.clone(),
            callers: edge.callers.clone(),
            call_timeout: edge.server.call_timeout,
            streams: Calls::streams(edge.server.max_streams_per_caller),
            calls: Calls::unary(edge.server.max_calls_per_caller),
            draining,
        }))
    }

    async fn caller(&self, method: &Method, headers: &HeaderMap, connection: &Extensions) -> Result<Option<Credentials>> {
        let Access::AnyOf(scopes) = method.access else {
            return Ok(None);
        };
        let (callers, now) = (&self.0.callers, self.0.ops.now());
        let credentials = anonymous::identified(connection, callers.identify(headers, connection, now)).await?;
        credentials.caller.need_any(scopes)?;
        Ok(Some(credentials))
    }

    /// Runs a call as far as its answer begins. The permit counts until the answer has ended.
    async fn run(&self, rpc: Rpc<'_>, mut request: Request, next: Next) -> Result<(Response, Option<(Permit, Credentials)>)> {
        let Rpc { method, id, span } = rpc;
        let credentials = self.caller(method, request.headers(), request.extensions()).await?;
        let mut known = None;
        if let Some(credentials) = credentials {
            let caller = credentials.caller.clone();
            span.record("tenant", caller.tenant.as_str());
            span.record("user", caller.user.as_str());
            let calls = if method.streams { &self.0.streams } else { &self.0.calls };
            known = Some((calls.open(&caller)?, credentials));
            request.extensions_mut().insert(Call::new(caller, id.clone(), span.clone()));
        }
        // What a panic leaves behind is not used again: the request is gone, and shared state is guarded by locks that detect it.
        let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
        let answer = if method.streams {
            answer.await
        } else {
            let limit = self.0.call_timeout;
            tokio::time::timeout(limit, answer).await.map_err(|_| timed_out(limit))?
        };
        let response = answer.map_err(|panic| Error::internal(format!("panic: {}", panic_text(&*panic))))?;
        Ok((malformed::mend(response, id), known))
    }
}

/// Lets a call through to its service, if it may.
pub(super) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let Some(method) = auth::method(request.uri().path()) else {
        return unimplemented();
    };
    let id = RequestId::of(request.extensions());
    let span = info_span!(
        "rpc",
        otel.name = method.name,
        otel.kind = "server",
        rpc.system.name = "grpc",
        rpc.method = method.name,
        rpc.response.status_code = field::Empty,
        request_id = &*id,
        tenant = field::Empty,
        user = field::Empty,
    );
    continue_trace(&span, request.headers());
    let mut measure = Measure::new(guard.0.ops.metrics.clone(), method.name, span.clone());
    let rpc = Rpc {
        method,
        id: &id,
        span: &span,
    };
    let result = guard.run(rpc, request, next).instrument(span.clone()).await;
    let (response, known) = match result {
        Ok(answered) => answered,
        Err(error) => {
            let status = span.in_scope(|| fail(&error, &id));
            measure.end(status.code());
            return status.into_http();
        }
    };
    // A stream that could not begin has its status in front.
    if !method.streams || response.headers().contains_key(Status::GRPC_STATUS) {
        measure.end(code_of(response.headers()));
        return match known {
            Some((permit, _)) => response.map(|body| Body::new(GuardedBody::new(body, permit))),
            None => response,
        };
    }
    let (permit, ending) = match known {
        None => (None, Ending::at_stop(guard.0.draining.clone().cancelled_owned())),
        Some((permit, credentials)) => {
            let ops = guard.0.ops.clone();
            (Some(permit), Ending::unless(move || credentials.check(ops.now())))
        }
    };
    response.map(|body| Body::new(StreamBody::new(body, measure, permit, ending, move |error| fail(error, &id))))
}

/// Makes the span part of the caller's trace (W3C Trace Context), if it has one and traces are kept.
fn continue_trace(span: &Span, headers: &HeaderMap) {
    struct Carrier<'a>(&'a HeaderMap);

    impl Extractor for Carrier<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            self.0.get(key)?.to_str().ok()
        }

        fn keys(&self) -> Vec<&str> {
            self.0.keys().map(HeaderName::as_str).collect()
        }
    }

    if headers.contains_key("traceparent") {
        let parent = opentelemetry::global::get_text_map_propagator(|propagator| propagator.extract(&Carrier(headers)));
        // It fails when traces are off, which is fine.
        let _ = span.set_parent(parent);
    }
}

/// A unary call took too long.
pub(super) fn timed_out(limit: Duration) -> Error {
    let text = format!("The call took longer than the limit of {limit:?}. Request less at a time, or retry it.");
    Error::new(Kind::TimedOut, Reason::CallTimedOut, text).with(Detail::Limit, format!("{limit:?}"))
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a text")
}
