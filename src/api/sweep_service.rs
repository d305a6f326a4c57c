//! `SweepService`.

use std::{convert::Infallible, time::Duration};

use futures::StreamExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tracing::Instrument;

use super::{
    call::Call,
    convert::{
        self,
        sweep::{matched, note, outcome},
    },
    follow::{Answers, download, signed},
    page::Pages,
    v1::{self, sweep_service_server::SweepService},
};
use crate::{
    domain::{Error, Kind},
    lifecycle::{Lifecycle, OnError},
    ops::{
        Ops,
        mailbox::{Progress, ReadError},
        sweep,
        watch::Cursors,
    },
};

/// Least time between two reports of a sweep's progress.
const REPORT_INTERVAL: Duration = Duration::from_millis(300);

pub(super) struct Sweeps {
    ops: Ops,
    lifecycle: Lifecycle,
}

impl Sweeps {
    /// `lifecycle` runs the sweeps that callers begin.
    pub(super) fn new(ops: Ops, lifecycle: Lifecycle) -> Self {
        Self { ops, lifecycle }
    }
}

#[tonic::async_trait]
impl SweepService for Sweeps {
    type DownloadNoteMessageStream = Answers<v1::DownloadNoteMessageResponse>;
    type WatchMatchesStream = Answers<v1::WatchMatchesResponse>;
    type SweepAgentStream = Answers<v1::SweepAgentResponse>;

    async fn list_outcomes(&self, request: Request<v1::ListOutcomesRequest>) -> Result<Response<v1::ListOutcomesResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let page = async {
            let wanted = request.filter.unwrap_or_default();
            let pages = Pages::new(&self.ops, "ListOutcomes", &call.caller().tenant, &wanted);
            let before: String = pages.open(&request.page_token)?.unwrap_or_default();
            let filter = convert::sweep::outcome_filter(&wanted)?;
            let (found, more) = sweep::list_outcomes(&self.ops, call.caller(), &filter, &before, request.page_size).await?;
            let last = found.last().filter(|_| more).map(|outcome| outcome.id.clone());
            Ok(v1::ListOutcomesResponse {
                outcomes: found.into_iter().map(outcome).collect(),
                next_page_token: pages.next(last),
            })
        };
        call.answer(page.await)
    }

    async fn get_outcome(&self, request: Request<v1::GetOutcomeRequest>) -> Result<Response<v1::Outcome>, Status> {
        let (call, request) = Call::of(request)?;
        let found = async {
            let id = convert::id("outcomes", "name", &request.name)?;
            sweep::get_outcome(&self.ops, call.caller(), id).await
        };
        call.answer(found.await.map(outcome))
    }

    async fn list_notes(&self, request: Request<v1::ListNotesRequest>) -> Result<Response<v1::ListNotesResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let page = async {
            let wanted = request.filter.unwrap_or_default();
            let pages = Pages::new(&self.ops, "ListNotes", &call.caller().tenant, &wanted);
            let before: String = pages.open(&request.page_token)?.unwrap_or_default();
            let case = convert::optional_id("cases", "filter.case", &wanted.case)?;
            let agent = convert::optional_id("agents", "filter.agent", &wanted.agent)?;
            let (case, agent) = (case.as_deref(), agent.as_deref());
            let (found, more) = sweep::list_notes(&self.ops, call.caller(), case, agent, &before, request.page_size).await?;
            let last = found.last().filter(|_| more).map(|note| note.id.clone());
            Ok(v1::ListNotesResponse {
                notes: found.into_iter().map(note).collect(),
                next_page_token: pages.next(last),
            })
        };
        call.answer(page.await)
    }

    async fn get_note(&self, request: Request<v1::GetNoteRequest>) -> Result<Response<v1::Note>, Status> {
        let (call, request) = Call::of(request)?;
        let found = async {
            let id = convert::id("notes", "name", &request.name)?;
            sweep::get_note(&self.ops, call.caller(), id).await
        };
        call.answer(found.await.map(note))
    }

    async fn download_note_message(
        &self,
        request: Request<v1::DownloadNoteMessageRequest>,
    ) -> Result<Response<Self::DownloadNoteMessageStream>, Status> {
        let (call, request) = Call::of(request)?;
        let opened = async {
            let id = convert::id("notes", "name", &request.name)?;
            let bytes = sweep::download_note_message(&self.ops, call.caller(), id, request.offset_bytes).await?;
            Ok(download(call.clone(), bytes))
        };
        call.answer(opened.await)
    }

    async fn watch_matches(&self, request: Request<v1::WatchMatchesRequest>) -> Result<Response<Self::WatchMatchesStream>, Status> {
        let (call, request) = Call::of(request)?;
        let opened = async {
            let filter = convert::sweep::match_filter(&request.filter.unwrap_or_default())?;
            let cursors = Cursors::new(&self.ops, "WatchMatches", &call.caller().tenant);
            let matches = sweep::watch_matches(&self.ops, call.caller(), cursors.clone(), &request.cursor, filter).await?;
            let active = self.ops.metrics.stream_opened("mailagent.v1.SweepService/WatchMatches");
            Ok(super::follow::watch(call.clone(), active, cursors, matches, |cursor, entry| {
                v1::WatchMatchesResponse {
                    cursor,
                    r#match: entry.map(matched),
                }
            }))
        };
        call.answer(opened.await)
    }

    async fn sweep_agent(&self, request: Request<v1::SweepAgentRequest>) -> Result<Response<Self::SweepAgentStream>, Status> {
        let (call, request) = Call::of(request)?;
        let begun = async {
            let id = convert::id("agents", "name", &request.name)?;
            let (agent, source) = sweep::prepare_sweep(&self.ops, call.caller(), id).await?;
            let (state, seen) = watch::channel(Sweep::default());
            let (ops, tenant) = (self.ops.clone(), call.caller().tenant.clone());
            let run = async move {
                let mut report = |progress| state.send_modify(|sweep| sweep.progress = progress);
                let result = tokio::select! {
                    // A stop ends it between two pieces of work; what is left is done after the next start.
                    () = ops.stopping.cancelled() => return Ok(()),
                    result = sweep::run_sweep(&ops, &tenant, &agent, source, &mut report) => result,
                };
                let end = |sweep: &mut Sweep| match result {
                    Ok(progress) => {
                        sweep.progress = progress;
                        sweep.end = Some(None);
                    }
                    Err(error) => sweep.end = Some(Some(problem(&error))),
                };
                state.send_modify(end);
                Ok::<_, Infallible>(())
            };
            self.lifecycle.spawn("sweep on demand", OnError::Log, run.in_current_span());
            Ok(progress(call.clone(), self.ops.stopping.clone(), seen))
        };
        call.answer(begun.await)
    }
}

/// How far a sweep is.
#[derive(Clone, Default)]
struct Sweep {
    progress: Progress,
    /// Set at its end, with what ended it early.
    end: Option<Option<String>>,
}

/// Sends how far a sweep is, now and then, and at its end. It looks at the latest state only, so it never holds up the sweep.
fn progress(call: Call, stopping: CancellationToken, mut seen: watch::Receiver<Sweep>) -> Answers<v1::SweepAgentResponse> {
    let answers = async_stream::stream! {
        while seen.changed().await.is_ok() {
            let Sweep { progress, end } = seen.borrow_and_update().clone();
            let over = end.is_some();
            yield Ok(v1::SweepAgentResponse {
                handled_count: signed(progress.handled),
                matched_count: signed(progress.matched),
                archived_count: signed(progress.archived),
                done: end == Some(None),
                problem: end.flatten().unwrap_or_default(),
            });
            if over {
                return;
            }
            let ended = async { seen.wait_for(|sweep| sweep.end.is_some()).await.is_ok() };
            if let Ok(true) = tokio::time::timeout(REPORT_INTERVAL, ended).await {
                seen.mark_changed();
            }
        }
        // The task is gone without having come to an end.
        let error = if stopping.is_cancelled() {
            Error::shutting_down()
        } else {
            Error::internal("a sweep on demand died")
        };
        yield Err(call.fail(&error));
    };
    answers.boxed()
}

/// What ended a sweep early, in plain words. The caller gets it as text, so what is ours to mend is logged here.
fn problem(error: &ReadError) -> String {
    match error {
        ReadError::Service(error) if matches!(error.kind, Kind::Internal | Kind::Unavailable { .. }) => {
            tracing::error!(reason = error.reason.as_str(), error = error.chain(), "sweep on demand failed");
        }
        ReadError::Service(_) | ReadError::Provider(_) => {}
    }
    error.to_string()
}
