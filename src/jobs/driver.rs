//! Runs background jobs: each in rounds, when it is woken and at intervals, with a span, a metric and a status for each round, and rests that
//! grow while it fails.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{
    domain::{Backoff, Clock, Result, Timestamp},
    lifecycle::{Lifecycle, OnError},
    telemetry::Metrics,
};

/// The rest after the first round that failed. The longest is the job's interval.
const FIRST_REST: Duration = Duration::from_secs(1);

/// A background job: brings things to where they should be, from whatever state it finds.
pub(crate) trait Job: Send + 'static {
    /// Its name in the log, in the metric and in its status.
    const NAME: &'static str;

    /// What its death, which only a panic is, means for the service.
    const ON_PANIC: OnError = OnError::Log;

    /// How long it rests between two rounds unless it is woken.
    fn interval(&self) -> Duration;

    /// Comes back when there is something to do before that. Cancel safe.
    fn woken(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    /// One round. Returns how much was done, in units of the job's own. It may be dropped at any point, and be repeated: what was done is not
    /// done again, the rest is.
    ///
    /// # Errors
    /// What kept it from being done. The next round tries again.
    fn activate(&mut self) -> impl Future<Output = Result<u64>> + Send;

    /// What is to be done when the service stops.
    fn finish(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// How a job stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobStatus {
    /// Rounds that came to their end, well or not.
    pub rounds: u64,
    /// When the last of them began. `None` before the first.
    pub last: Option<Timestamp>,
    /// How long it took.
    pub took: Duration,
    /// How much it did, in units of the job's own.
    pub done: u64,
    /// What went wrong in it. `None` when all is well.
    pub problem: Option<String>,
    /// Rounds that have failed in a row.
    pub failures: u32,
    /// When the next one begins unless the job is woken. `None` while one is under way.
    pub next: Option<Timestamp>,
}

/// The jobs of a service, and how they stand. Cheap to clone.
#[derive(Clone)]
pub struct Jobs(Arc<Shared>);

struct Shared {
    lifecycle: Lifecycle,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    // Locked only briefly.
    status: Mutex<BTreeMap<&'static str, JobStatus>>,
}

impl Jobs {
    /// None yet.
    pub(crate) fn new(lifecycle: Lifecycle, clock: Arc<dyn Clock>, metrics: Metrics) -> Self {
        Self(Arc::new(Shared {
            lifecycle,
            clock,
            metrics,
            status: Mutex::default(),
        }))
    }

    /// How all jobs stand, by their names.
    #[cfg(test)]
    pub fn status(&self) -> BTreeMap<&'static str, JobStatus> {
        self.all().clone()
    }

    /// Runs a job until the service stops.
    pub(crate) fn start<J: Job>(&self, job: J) {
        self.all().insert(J::NAME, JobStatus::default());
        let jobs = self.clone();
        self.0.lifecycle.spawn(J::NAME, J::ON_PANIC, async move {
            jobs.run(job).await;
            Ok::<(), std::convert::Infallible>(())
        });
    }

    async fn run<J: Job>(&self, mut job: J) {
        let stopping: CancellationToken = self.0.lifecycle.soft().clone();
        while !stopping.is_cancelled() {
            let round = self.round(&mut job);
            // What is not done now is done after the next start.
            let Some(rest) = stopping.run_until_cancelled(round).await else {
                break;
            };
            tokio::select! {
                // A job that fails is not hurried.
                () = job.woken(), if self.failures(J::NAME) == 0 => {}
                () = tokio::time::sleep(rest) => {}
                () = stopping.cancelled() => {}
            }
        }
        job.finish().await;
    }

    /// Does one round and returns how long to rest after it.
    async fn round<J: Job>(&self, job: &mut J) -> Duration {
        let (began, at) = (Instant::now(), self.0.clock.now());
        self.change(J::NAME, |status| status.next = None);
        let span = tracing::info_span!("job", name = J::NAME);
        let result = job.activate().instrument(span).await;
        let took = began.elapsed();
        self.0
            .metrics
            .job_ran(J::NAME, result.as_ref().err().map(|error| error.reason.as_str()), took);
        if let Err(error) = &result {
            tracing::warn!(job = J::NAME, error = error.chain(), "a round of a background job failed, retrying");
        }
        let interval = job.interval();
        let clock = &self.0.clock;
        self.change(J::NAME, |status| {
            status.rounds += 1;
            (status.last, status.took) = (Some(at), took);
            status.failures = if result.is_ok() { 0 } else { status.failures.saturating_add(1) };
            let rest = if status.failures == 0 {
                // So that replicas do not look at the same time.
                interval.mul_f64(1.0 - fastrand::f64() / 10.0)
            } else {
                let backoff = Backoff {
                    first: FIRST_REST.min(interval),
                    longest: interval,
                };
                backoff.after(status.failures)
            };
            status.done = *result.as_ref().unwrap_or(&0);
            status.problem = result.err().map(|error| error.public.into_owned());
            status.next = Some(clock.now().after(rest));
            rest
        })
    }

    fn failures(&self, name: &'static str) -> u32 {
        self.all().get(name).map_or(0, |status| status.failures)
    }

    fn change<T>(&self, name: &'static str, change: impl FnOnce(&mut JobStatus) -> T) -> T {
        change(self.all().entry(name).or_default())
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<&'static str, JobStatus>> {
        self.0.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::sync::Notify;

    use super::*;
    use crate::domain::{Error, SystemClock};

    #[derive(Default)]
    struct Counter {
        rounds: Arc<AtomicU64>,
        fails: Arc<AtomicU64>,
        finished: Arc<AtomicU64>,
        wake: Arc<Notify>,
        interval: Duration,
        hangs: bool,
    }

    impl Counter {
        fn with_interval(interval: Duration) -> Self {
            Self {
                interval,
                ..Self::default()
            }
        }
    }

    impl Job for Counter {
        const NAME: &'static str = "counter";

        fn interval(&self) -> Duration {
            self.interval
        }

        async fn woken(&self) {
            self.wake.notified().await;
        }

        async fn activate(&mut self) -> Result<u64> {
            let round = self.rounds.fetch_add(1, Ordering::SeqCst) + 1;
            if self.hangs {
                std::future::pending::<()>().await;
            }
            if self.fails.load(Ordering::SeqCst) > 0 {
                self.fails.fetch_sub(1, Ordering::SeqCst);
                return Err(Error::store_unavailable("away"));
            }
            Ok(round)
        }

        async fn finish(&mut self) {
            self.finished.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn jobs() -> (Jobs, Lifecycle) {
        let lifecycle = Lifecycle::new();
        let jobs = Jobs::new(lifecycle.clone(), Arc::new(SystemClock), Metrics::default());
        (jobs, lifecycle)
    }

    async fn until(jobs: &Jobs, wanted: impl Fn(&JobStatus) -> bool) -> JobStatus {
        loop {
            let status = jobs.status()["counter"].clone();
            if wanted(&status) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn a_job_runs_at_once_when_woken_and_at_intervals() {
        let (jobs, lifecycle) = jobs();
        let counter = Counter::with_interval(Duration::from_millis(300));
        let (wake, finished) = (counter.wake.clone(), counter.finished.clone());
        jobs.start(counter);
        let first = until(&jobs, |status| status.rounds == 1).await;
        assert_eq!((first.done, &first.problem, first.failures), (1, &None, 0));
        assert!(first.last.is_some() && first.next > first.last, "{first:?}");
        wake.notify_one();
        until(&jobs, |status| status.rounds == 2).await;
        until(&jobs, |status| status.rounds == 3).await;
        lifecycle.stop(Duration::from_secs(1)).await;
        assert_eq!(finished.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_job_that_fails_is_retried_sooner_but_not_hurried() {
        let (jobs, _lifecycle) = jobs();
        let counter = Counter::with_interval(Duration::from_hours(1));
        counter.fails.store(1, Ordering::SeqCst);
        counter.wake.notify_one();
        jobs.start(counter);
        let failed = until(&jobs, |status| status.failures == 1).await;
        assert!(failed.problem.is_some(), "{failed:?}");
        let rest = failed.next.unwrap().since(failed.last.unwrap());
        assert!(rest >= FIRST_REST && rest < FIRST_REST * 2, "{rest:?}");
        let well = until(&jobs, |status| status.rounds >= 2).await;
        assert_eq!((well.failures, well.problem), (0, None));
        // What woke it meanwhile counts now, long before the interval is over.
        until(&jobs, |status| status.rounds == 3).await;
    }

    #[tokio::test]
    async fn a_stop_drops_the_round_and_finishes_the_job() {
        let (jobs, lifecycle) = jobs();
        let counter = Counter {
            hangs: true,
            ..Counter::default()
        };
        let (rounds, finished) = (counter.rounds.clone(), counter.finished.clone());
        jobs.start(counter);
        while rounds.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        lifecycle.stop(Duration::from_secs(1)).await;
        assert_eq!((rounds.load(Ordering::SeqCst), finished.load(Ordering::SeqCst)), (1, 1));
    }
}
