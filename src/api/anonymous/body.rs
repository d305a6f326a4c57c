//! Request bodies that must make progress, end and stay small.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, extract::Request};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use tonic::Status;

use super::MemoryHold;
use crate::{
    api::call::fail,
    domain::{Detail, Error, Kind, Reason, Result},
};

/// How the body of a request may arrive.
pub(super) struct Rule {
    /// When it must have ended. `None` for streams of requests, which only must not pause: upload streams get a rule of this kind.
    pub(super) timeout: Option<Duration>,
    /// The longest pause.
    pub(super) pause: Duration,
    /// Maximum of bytes, if its reader has no limit of its own.
    pub(super) size: usize,
}

/// The request with a body that enforces the rule. Its memory is counted for as long as the body lives.
pub(super) fn limited(request: Request, rule: Rule, hold: Option<Arc<MemoryHold>>, id: Arc<str>) -> Request {
    let now = Instant::now();
    request.map(|inner| {
        Body::new(LimitedBody {
            inner,
            end: rule.timeout.map(|timeout| now + timeout),
            moved: now,
            sleep: None,
            left: rule.size,
            rule,
            hold,
            id,
            over: false,
        })
    })
}

/// The body of a request, which ends with a status when it breaks its rule.
struct LimitedBody {
    inner: Body,
    rule: Rule,
    end: Option<Instant>,
    /// When the last chunk arrived.
    moved: Instant,
    /// Most bodies have arrived before anybody waits for them.
    sleep: Option<Pin<Box<Sleep>>>,
    left: usize,
    hold: Option<Arc<MemoryHold>>,
    id: Arc<str>,
    over: bool,
}

impl LimitedBody {
    fn due(&self) -> Instant {
        let pause = self.moved + self.rule.pause;
        self.end.map_or(pause, |end| end.min(pause))
    }

    fn accept(&mut self, bytes: usize) -> Result<()> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| too_long(self.rule.size))?;
        self.hold.as_ref().map_or(Ok(()), |hold| hold.more(bytes))
    }

    /// Drops what is left of the body, and says why.
    fn refuse(&mut self, error: &Error) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.over = true;
        self.inner = Body::empty();
        Poll::Ready(Some(Err(fail(error, &self.id))))
    }
}

impl http_body::Body for LimitedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(None);
        }
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.moved = Instant::now();
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                match this.accept(bytes) {
                    Ok(()) => Poll::Ready(Some(Ok(frame))),
                    Err(error) => this.refuse(&error),
                }
            }
            // The peer went away in the middle of its request.
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(Status::cancelled("The request was cut off.")))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let due = this.due();
                let sleep = this.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
                if sleep.deadline() != due {
                    sleep.as_mut().reset(due);
                }
                match sleep.as_mut().poll(cx) {
                    Poll::Ready(()) => this.refuse(&too_slow()),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn too_slow() -> Error {
    let text = "The request did not arrive in time. Retry it.";
    Error::new(Kind::TimedOut, Reason::CallTimedOut, text)
}

fn too_long(limit: usize) -> Error {
    let text = format!("Requests to this method are limited to {limit} bytes.");
    Error::new(Kind::Exhausted, Reason::AnonymousLimitReached, text)
        .with(Detail::Subject, "request")
        .with(Detail::Limit, limit.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(rule: Rule, pieces: usize, pause: Duration) -> std::result::Result<usize, tonic::Code> {
        let stream = futures::stream::unfold(0, move |sent| async move {
            tokio::time::sleep(pause).await;
            (sent < pieces).then(|| (Ok::<_, std::io::Error>(Bytes::from_static(b"12345")), sent + 1))
        });
        let request = limited(Request::new(Body::from_stream(stream)), rule, None, Arc::from(""));
        match axum::body::to_bytes(request.into_body(), usize::MAX).await {
            Ok(bytes) => Ok(bytes.len()),
            Err(error) => Err(Status::from_error(error.into()).code()),
        }
    }

    #[tokio::test]
    async fn bodies_must_move_end_and_be_small() {
        const LONG: Duration = Duration::from_mins(10);
        const SHORT: Duration = Duration::from_millis(50);
        let rule = |timeout: Option<Duration>, pause: Duration| Rule { timeout, pause, size: 100 };
        assert_eq!(
            read(rule(Some(LONG), LONG), 5, Duration::from_millis(5)).await,
            Ok(25),
            "slow, but it moves"
        );
        assert_eq!(
            read(rule(Some(LONG), LONG), 50, Duration::ZERO).await,
            Err(tonic::Code::ResourceExhausted)
        );
        assert_eq!(
            read(rule(Some(LONG), SHORT), 2, LONG).await,
            Err(tonic::Code::DeadlineExceeded),
            "it stands still"
        );
        let endless = Duration::from_millis(5);
        assert_eq!(
            read(rule(Some(SHORT), LONG), 1000, endless).await,
            Err(tonic::Code::DeadlineExceeded)
        );
        assert_eq!(read(rule(None, LONG), 15, endless).await, Ok(75), "a stream only has to move");
    }
}
