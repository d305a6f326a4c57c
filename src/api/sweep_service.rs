//! `SweepService`.

use futures::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::{
    call::Call,
    convert::{
        self,
        sweep::{matched, note, outcome},
    },
    follow::{Answers, download},
    page::Pages,
    running::{Report, Running, problem},
    v1::{self, sweep_service_server::SweepService},
};
use crate::{
    domain::{Error, NoteFilter, topic},
    lifecycle::Lifecycle,
    ops::{
        Ops,
        mailbox::{
            ReadError,
            completeness::{self, BackfillReport, Found},
        },
        sweep::{self, SweepReport},
        watch::Cursors,
    },
};

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
    type CheckCompletenessStream = Answers<v1::CheckCompletenessResponse>;
    type BackfillAgentStream = Answers<v1::BackfillAgentResponse>;

    async fn list_outcomes(&self, request: Request<v1::ListOutcomesRequest>) -> Result<Response<v1::ListOutcomesResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let page = async {
            let wanted = request.filter.unwrap_or_default();
            let pages = Pages::new(&self.ops, "ListOutcomes", &call.caller().tenant, &wanted);
            let before: String = pages.open(&request.page_token)?.unwrap_or_default();
            let filter = convert::sweep::outcome_filter(&wanted)?;
            let page = sweep::list_outcomes(&self.ops, call.caller(), &filter, &before, request.page_size).await?;
            Ok(v1::ListOutcomesResponse {
                outcomes: page.items.into_iter().map(outcome).collect(),
                next_page_token: pages.next(page.next),
            })
        };
        call.answer(page.await)
    }

    async fn get_outcome(&self, request: Request<v1::GetOutcomeRequest>) -> Result<Response<v1::Outcome>, Status> {
        let (call, request) = Call::of(request)?;
        let found = async {
            let id = convert::id("name", &request.name)?;
            sweep::get_outcome(&self.ops, call.caller(), &id).await
        };
        call.answer(found.await.map(outcome))
    }

    async fn list_notes(&self, request: Request<v1::ListNotesRequest>) -> Result<Response<v1::ListNotesResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let page = async {
            let wanted = request.filter.unwrap_or_default();
            let pages = Pages::new(&self.ops, "ListNotes", &call.caller().tenant, &wanted);
            let before: String = pages.open(&request.page_token)?.unwrap_or_default();
            let filter = NoteFilter {
                case: convert::optional_id("filter.case", &wanted.case)?,
                agent: convert::optional_id("filter.agent", &wanted.agent)?,
            };
            let page = sweep::list_notes(&self.ops, call.caller(), &filter, &before, request.page_size).await?;
            Ok(v1::ListNotesResponse {
                notes: page.items.into_iter().map(note).collect(),
                next_page_token: pages.next(page.next),
            })
        };
        call.answer(page.await)
    }

    async fn get_note(&self, request: Request<v1::GetNoteRequest>) -> Result<Response<v1::Note>, Status> {
        let (call, request) = Call::of(request)?;
        let found = async {
            let id = convert::id("name", &request.name)?;
            sweep::get_note(&self.ops, call.caller(), &id).await
        };
        call.answer(found.await.map(note))
    }

    async fn download_note_message(
        &self,
        request: Request<v1::DownloadNoteMessageRequest>,
    ) -> Result<Response<Self::DownloadNoteMessageStream>, Status> {
        let (call, request) = Call::of(request)?;
        let opened = async {
            let id = convert::id("name", &request.name)?;
            let bytes = sweep::download_note_message(&self.ops, call.caller(), &id, request.offset_bytes).await?;
            Ok(download(call.clone(), bytes))
        };
        call.answer(opened.await)
    }

    async fn watch_matches(&self, request: Request<v1::WatchMatchesRequest>) -> Result<Response<Self::WatchMatchesStream>, Status> {
        let (call, request) = Call::of(request)?;
        let opened = async {
            let filter = convert::sweep::match_filter(&request.filter.unwrap_or_default())?;
            let cursors = Cursors::new(&self.ops, &topic::MATCHES, &call.caller().tenant);
            let matches = sweep::watch_matches(&self.ops, call.caller(), cursors.clone(), &request.cursor, filter).await?;
            let active = self.ops.metrics.stream_opened(topic::MATCHES.method);
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
            let id = convert::id("name", &request.name)?;
            let (agent, source) = sweep::prepare_sweep(&self.ops, call.caller(), &id).await?;
            let (ops, tenant) = (self.ops.clone(), call.caller().tenant.clone());
            let work = |mut report: Report<SweepReport>| async move { sweep::run_sweep(&ops, &tenant, &agent, source, &mut *report).await };
            let progress = Running::begin(&self.lifecycle, &self.ops, "sweep on demand", work);
            Ok(progress.answers(call.clone(), convert::completeness::swept))
        };
        call.answer(begun.await)
    }

    async fn check_completeness(
        &self,
        request: Request<v1::CheckCompletenessRequest>,
    ) -> Result<Response<Self::CheckCompletenessStream>, Status> {
        let (call, request) = Call::of(request)?;
        let begun = async {
            let id = convert::id("name", &request.name)?;
            let (agent, opened) = sweep::prepare_sweep(&self.ops, call.caller(), &id).await?;
            let found = completeness::check(self.ops.clone(), call.caller().tenant.clone(), agent, opened);
            Ok(answers_of(call.clone(), self.ops.stopping.clone(), found))
        };
        call.answer(begun.await)
    }

    async fn backfill_agent(&self, request: Request<v1::BackfillAgentRequest>) -> Result<Response<Self::BackfillAgentStream>, Status> {
        let (call, request) = Call::of(request)?;
        let begun = async {
            let id = convert::id("name", &request.name)?;
            let (agent, opened) = sweep::prepare_sweep(&self.ops, call.caller(), &id).await?;
            let (ops, tenant) = (self.ops.clone(), call.caller().tenant.clone());
            let work = |mut report: Report<BackfillReport>| async move {
                completeness::backfill(&ops, &tenant, &agent, opened, &mut *report).await
            };
            let progress = Running::begin(&self.lifecycle, &self.ops, "backfill", work);
            Ok(progress.answers(call.clone(), convert::completeness::backfill_report))
        };
        call.answer(begun.await)
    }
}

/// What a comparison finds, and its end. Hanging up ends it.
fn answers_of(
    call: Call,
    stopping: CancellationToken,
    found: impl Stream<Item = Result<Found, ReadError>> + Send + 'static,
) -> Answers<v1::CheckCompletenessResponse> {
    let answers = async_stream::stream! {
        let mut found = std::pin::pin!(found);
        loop {
            let next = tokio::select! {
                () = stopping.cancelled() => {
                    yield Err(call.fail(&Error::shutting_down()));
                    return;
                }
                next = found.next() => next,
            };
            let (done, problem) = match next {
                Some(Ok(found)) => {
                    yield Ok(convert::completeness::found(found));
                    continue;
                }
                None => (true, String::new()),
                Some(Err(error)) => (false, problem(&error)),
            };
            yield Ok(v1::CheckCompletenessResponse { done, problem, ..Default::default() });
            return;
        }
    };
    answers.boxed()
}
