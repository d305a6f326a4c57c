//! Work that a caller begins and follows, and that continues when the caller hangs up.

use std::{convert::Infallible, time::Duration};

use futures::StreamExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{call::Call, follow::Answers};
use crate::{
    domain::{Error, Kind},
    lifecycle::{Lifecycle, OnError},
    ops::{Ops, mailbox::ReadError},
};

/// Least time between two reports of progress.
const REPORT_INTERVAL: Duration = Duration::from_millis(300);

/// Receives the progress of the work.
pub(super) type Report<P> = Box<dyn FnMut(P) + Send>;

/// Work in progress, whose progress is a `P`.
pub(super) struct Running<P> {
    seen: watch::Receiver<State<P>>,
    stopping: CancellationToken,
}

#[derive(Clone, Default)]
struct State<P> {
    progress: P,
    end: End,
}

/// How work came to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum End {
    /// It goes on.
    #[default]
    Open,
    /// All is done.
    Done,
    /// Early, for this reason.
    Early(String),
}

impl<P: Clone + Default + Send + Sync + 'static> Running<P> {
    /// Begins work under this name. A shutdown ends it between two steps; the rest is done after the next start.
    pub(super) fn begin<W, F>(lifecycle: &Lifecycle, ops: &Ops, name: &'static str, work: W) -> Self
    where
        W: FnOnce(Report<P>) -> F,
        F: Future<Output = Result<P, ReadError>> + Send + 'static,
    {
        let (state, seen) = watch::channel(State::default());
        let (stopping, told) = (ops.stopping.clone(), state.clone());
        let work = work(Box::new(move |progress| {
            told.send_modify(|state: &mut State<P>| state.progress = progress);
        }));
        let run = async move {
            let result = tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                result = work => result,
            };
            state.send_modify(|state| match result {
                Ok(progress) => {
                    state.progress = progress;
                    state.end = End::Done;
                }
                Err(error) => state.end = End::Early(problem(&error)),
            });
            Ok::<_, Infallible>(())
        };
        lifecycle.spawn(name, OnError::Log, run.in_current_span());
        Self {
            seen,
            stopping: ops.stopping.clone(),
        }
    }

    /// Sends its progress periodically and at its end, when it also says whether all is done and what ended it early. It reads only the
    /// latest state, so it never holds up the work.
    pub(super) fn answers<R: Send + 'static>(self, call: Call, answer: impl Fn(P, bool, String) -> R + Send + 'static) -> Answers<R> {
        let Self { mut seen, stopping } = self;
        let answers = async_stream::stream! {
            while seen.changed().await.is_ok() {
                let State { progress, end } = seen.borrow_and_update().clone();
                match end {
                    End::Open => yield Ok(answer(progress, false, String::new())),
                    End::Done => {
                        yield Ok(answer(progress, true, String::new()));
                        return;
                    }
                    End::Early(problem) => {
                        yield Ok(answer(progress, false, problem));
                        return;
                    }
                }
                let ended = async { seen.wait_for(|state| state.end != End::Open).await.is_ok() };
                if let Ok(true) = tokio::time::timeout(REPORT_INTERVAL, ended).await {
                    seen.mark_changed();
                }
            }
            // The task is gone without having finished.
            let error = if stopping.is_cancelled() {
                Error::shutting_down()
            } else {
                Error::internal("work started by a call ended without a result")
            };
            yield Err(call.fail(&error));
        };
        answers.boxed()
    }
}

/// What ended work early, in plain language. The caller gets it as text, so faults of the service are logged here.
pub(super) fn problem(error: &ReadError) -> String {
    match error {
        ReadError::Service(error) if matches!(error.kind, Kind::Internal | Kind::Unavailable { .. }) => {
            tracing::error!(
                reason = error.reason.as_str(),
                error = error.chain(),
                "work started by a call failed"
            );
        }
        ReadError::Service(_) | ReadError::Provider(_) => {}
    }
    error.to_string()
}
