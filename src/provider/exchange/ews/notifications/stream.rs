//! One notification stream: a long response of several complete envelopes.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout_at};

use super::splitter::Splitter;
use crate::provider::exchange::ews::{
    errors::Fault,
    responses::{self, StreamEvent},
    transport::{LongAnswer, Transport},
};

/// Longest envelope, in bytes: for one subscription, and for each further one.
const MAX_ENVELOPE: (usize, usize) = (1 << 20, 64 << 10);
/// How long a stream that nobody has listened to for a while may take to deliver what it has, once somebody listens again.
const GRACE: Duration = Duration::from_secs(5);

/// A notification stream.
pub(super) struct NotificationStream {
    answer: LongAnswer,
    splitter: Splitter,
    limit: usize,
    /// Through which it was opened.
    pub(super) transport: Arc<Transport>,
    /// Ids of the subscriptions that it serves.
    pub(super) ids: Vec<String>,
    /// When it counts as dead unless something arrives.
    deadline: Instant,
}

impl NotificationStream {
    pub(super) fn new(answer: LongAnswer, transport: Arc<Transport>, ids: Vec<String>) -> Self {
        let limit = MAX_ENVELOPE.0 + MAX_ENVELOPE.1 * ids.len().saturating_sub(1);
        Self {
            answer,
            splitter: Splitter::new(limit),
            limit,
            deadline: Instant::now() + transport.timeouts.stream,
            transport,
            ids,
        }
    }

    pub(super) fn serves(&self, subscription: &str) -> bool {
        self.ids.iter().any(|id| id == subscription)
    }

    /// Somebody begins to listen.
    pub(super) fn taken_over(&mut self) {
        let grace = Instant::now() + GRACE.min(self.transport.timeouts.stream);
        self.deadline = self.deadline.max(grace);
    }

    /// The events of the next envelope; the stream's end and a long silence are [`StreamEvent::Closed`].
    ///
    /// May be dropped at any time: what has arrived stays.
    pub(super) async fn next(&mut self) -> Result<Vec<StreamEvent>, Fault> {
        loop {
            let judge = &self.transport.judge;
            match self.splitter.next() {
                Ok(Some(envelope)) => return responses::stream_events(judge, &envelope),
                Ok(None) => {}
                Err(error) => {
                    let mut fault = judge.too_large(self.limit as u64);
                    fault.error.source = Some(Box::new(error));
                    return Err(fault);
                }
            }
            match timeout_at(self.deadline, self.answer.response.chunk()).await {
                Ok(Ok(Some(piece))) => {
                    self.splitter.push(&piece);
                    self.deadline = Instant::now() + self.transport.timeouts.stream;
                }
                Ok(Ok(None)) | Err(_) => return Ok(vec![StreamEvent::Closed]),
                Ok(Err(error)) => return Err(self.transport.server.unanswered(error).into()),
            }
        }
    }
}
