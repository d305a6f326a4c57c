//! Processor work: unpacking and parsing messages, away from the async threads and shared fairly.
//!
//! Work needs a turn. Turns are limited in number (about the machine's cores) and in the bytes of messages that they have in memory
//! together; those who wait get them in rotation, whatever the length of each one's own queue. So somebody who asks for a hundred large
//! messages at once waits for their own calls, and others for one piece of work at most.

use std::{
    collections::{HashMap, VecDeque},
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::oneshot;

use crate::{
    domain::{Caller, Error, Result, TenantId, UserId},
    telemetry::Metrics,
};

/// How often somebody may be passed over because their work is too large for the memory that is left, before nobody else gets a turn.
const PATIENCE: u32 = 64;

/// What the operator decided about processor work.
#[derive(Clone, Copy, Debug)]
pub struct ProcessorLimits {
    /// Pieces of work at a time.
    pub at_once: NonZeroUsize,
    /// Bytes of messages in memory for them. Work that needs more by itself is done alone.
    pub bytes: u64,
    /// Pieces of work that may wait for one caller.
    pub waiting: usize,
}

impl ProcessorLimits {
    /// One piece more than there are cores, so that one caller alone can keep all of them busy and leave a turn to others.
    pub fn at_once_here() -> NonZeroUsize {
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        cores.saturating_add(1)
    }
}

/// Who gets turns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Worker {
    /// Somebody who calls.
    Caller {
        /// Their tenant.
        tenant: TenantId,
        /// The CRM's id of the user.
        user: UserId,
    },
    /// What prepares a tenant's mail to be stored. It waits as long as it takes.
    Intake {
        /// The tenant.
        tenant: TenantId,
    },
}

impl Worker {
    /// Somebody who calls.
    pub fn caller(caller: &Caller) -> Self {
        Self::Caller {
            tenant: caller.tenant.clone(),
            user: caller.user.clone(),
        }
    }

    /// A tenant's mail on its way into the store.
    pub fn intake(tenant: &TenantId) -> Self {
        Self::Intake { tenant: tenant.to_owned() }
    }
}

/// How much memory it takes to unpack and read a message of this size: itself, its stored form, and what is made of it.
pub fn memory_for(size: u64) -> u64 {
    const MADE: u64 = 64 << 20;
    size.saturating_add(size.max(size.saturating_mul(8).min(MADE)))
}

/// Gives out turns. Cheap to clone.
#[derive(Clone)]
pub struct Processor(Arc<Inner>);

struct Inner {
    limits: ProcessorLimits,
    metrics: Metrics,
    // Held while turns are counted, never across an await.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: usize,
    bytes: u64,
    workers: HashMap<Worker, Line>,
    /// Those who wait, the next one in front.
    rotation: VecDeque<Worker>,
}

#[derive(Default)]
struct Line {
    running: usize,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    bytes: u64,
    passed_over: u32,
    turn: oneshot::Sender<WorkPermit>,
}

impl Processor {
    /// Nobody has a turn yet.
    pub fn new(limits: ProcessorLimits, metrics: Metrics) -> Self {
        Self(Arc::new(Inner {
            limits,
            metrics,
            state: Mutex::default(),
        }))
    }

    /// Waits for a turn to work on `bytes` in memory. Cancel safe: dropped, nothing waits any longer.
    ///
    /// # Errors
    /// [`crate::domain::Kind::Busy`] when a caller has too much waiting already.
    pub async fn turn(&self, worker: Worker, bytes: u64) -> Result<WorkPermit> {
        let asked = Instant::now();
        let turn = self.enqueue(worker, bytes)?;
        // The sender is dropped with the processor only, which this borrows.
        let turn = turn.await.map_err(Error::internal);
        self.0.metrics.turn_awaited(asked.elapsed());
        turn
    }

    /// Waits for a turn and does the work in it.
    ///
    /// # Errors
    /// See [`Self::turn`]; [`crate::domain::Kind::Internal`] when the work panics.
    pub async fn run<T: Send + 'static>(&self, worker: Worker, bytes: u64, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        self.turn(worker, bytes).await?.run(work).await
    }

    fn enqueue(&self, worker: Worker, bytes: u64) -> Result<oneshot::Receiver<WorkPermit>> {
        let (sender, turn) = oneshot::channel();
        let bytes = bytes.min(self.0.limits.bytes);
        let mut state = self.state();
        let state = &mut *state;
        let line = state.workers.entry(worker.clone()).or_default();
        line.waiting.retain(|waiting| !waiting.turn.is_closed());
        if let Worker::Caller { tenant, user } = &worker
            && line.waiting.len() >= self.0.limits.waiting
        {
            let subject = format!("tenant:{tenant} user:{user}");
            return Err(Error::too_many_calls(self.0.limits.waiting, subject));
        }
        line.waiting.push_back(Waiting {
            bytes,
            passed_over: 0,
            turn: sender,
        });
        if !state.rotation.contains(&worker) {
            state.rotation.push_back(worker);
        }
        self.admit(state);
        Ok(turn)
    }

    /// Gives turns to those who are next and fit.
    fn admit(&self, state: &mut State) {
        while state.running < self.0.limits.at_once.get() {
            let Some((worker, waiting)) = self.next(state) else { return };
            state.running += 1;
            state.bytes += waiting.bytes;
            state.workers.entry(worker.clone()).or_default().running += 1;
            self.0.metrics.turn_given(waiting.bytes);
            let turn = WorkPermit {
                processor: Some(self.clone()),
                worker,
                bytes: waiting.bytes,
            };
            // Whoever waited for it may be gone.
            if let Err(mut turn) = waiting.turn.send(turn) {
                turn.processor = None;
                self.end(state, &turn);
            }
        }
    }

    /// Takes the next piece of work out of its queue.
    fn next(&self, state: &mut State) -> Option<(Worker, Waiting)> {
        let limits = &self.0.limits;
        // One worker alone leaves a turn to others, unless there is only one.
        let most = limits.at_once.get().saturating_sub(1).max(1);
        let mut at = 0;
        while let Some(worker) = state.rotation.get(at) {
            let line = state.workers.get_mut(worker)?;
            line.waiting.retain(|waiting| !waiting.turn.is_closed());
            let Some(first) = line.waiting.front_mut() else {
                let gone = state.rotation.remove(at);
                let idle = |worker: &Worker| state.workers.get(worker).is_some_and(|line| line.running == 0);
                if let Some(gone) = gone.filter(idle) {
                    state.workers.remove(&gone);
                }
                continue;
            };
            if line.running >= most {
                at += 1;
            } else if state.bytes == 0 || state.bytes + first.bytes <= limits.bytes {
                let waiting = line.waiting.pop_front()?;
                let worker = state.rotation.remove(at)?;
                let more = !line.waiting.is_empty();
                for other in state.rotation.iter().take(at) {
                    if let Some(line) = state.workers.get_mut(other).filter(|line| line.running < most)
                        && let Some(first) = line.waiting.front_mut()
                    {
                        first.passed_over += 1;
                    }
                }
                if more {
                    state.rotation.push_back(worker.clone());
                }
                return Some((worker, waiting));
            } else if first.passed_over < PATIENCE {
                at += 1;
            } else {
                return None;
            }
        }
        None
    }

    /// A turn is over.
    fn end(&self, state: &mut State, turn: &WorkPermit) {
        state.running -= 1;
        state.bytes -= turn.bytes;
        self.0.metrics.turn_ended(turn.bytes);
        if let Some(line) = state.workers.get_mut(&turn.worker) {
            line.running -= 1;
            if line.running == 0 && line.waiting.is_empty() {
                state.workers.remove(&turn.worker);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A turn to work, until it is dropped.
pub struct WorkPermit {
    /// None once it no longer counts.
    processor: Option<Processor>,
    worker: Worker,
    bytes: u64,
}

impl WorkPermit {
    /// Does the work on a thread for it. Work that has begun counts until it ends, also when this is dropped.
    ///
    /// # Errors
    /// [`crate::domain::Kind::Internal`] when it panics.
    pub async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let work = move || {
            let _turn = self;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)
    }
}

impl Drop for WorkPermit {
    fn drop(&mut self) {
        if let Some(processor) = self.processor.take() {
            let mut state = processor.state();
            processor.end(&mut state, self);
            processor.admit(&mut state);
        }
    }
}

#[cfg(test)]
mod tests;
