//! Supervised tasks and the deadline of a stop.
//!
//! Every task of the service is spawned here, with a name and with what its death means. A stop has two steps: the soft token says
//! that no new work begins, the hard token ends what has not ended on its own when the grace period is over. Nothing here is global:
//! two services in one process have a [`Lifecycle`] each.

use std::{
    any::Any,
    collections::BTreeMap,
    fmt, io,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::FutureExt;
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, error, info, info_span, warn};

/// How long after the hard token tasks may take to let go of what they hold.
const LAST_MOMENTS: Duration = Duration::from_millis(500);

/// The tasks of one service. Clones are handles to the same tasks.
#[derive(Clone, Default)]
pub struct Lifecycle(Arc<Shared>);

#[derive(Default)]
struct Shared {
    soft: CancellationToken,
    hard: CancellationToken,
    tracker: TaskTracker,
    next: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: BTreeMap<u64, &'static str>,
    died: Option<&'static str>,
}

/// What the death of a task means. A panic is a death like an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// The service continues without the task; the log reports it.
    Log,
    /// The service cannot continue and stops.
    Stop,
}

/// How a stop went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Names of the tasks that were ended by force. Empty when all ended within the grace time.
    pub cut_off: Vec<&'static str>,
    /// Name of the first task that died and took the service with it.
    pub died: Option<&'static str>,
}

impl Stopped {
    /// Exit code of the process: 1 when a task died. Work that was cut off comes again after the next start, so it is no failure.
    pub fn exit_code(&self) -> u8 {
        self.died.is_some().into()
    }
}

impl Lifecycle {
    /// A service without tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the service begins to stop, for whatever reason: begin no new work, end what runs for ever.
    pub fn soft(&self) -> &CancellationToken {
        &self.0.soft
    }

    /// Cancelled when the grace time is over. Tasks are dropped at their next `await` then and need not look at it; it is for work
    /// outside of tasks.
    pub fn hard(&self) -> &CancellationToken {
        &self.0.hard
    }

    /// Begins a stop without waiting for it.
    #[cfg(test)]
    pub fn request_stop(&self) {
        self.0.soft.cancel();
    }

    /// Runs `task` until it ends, dies or the hard token drops it at an `await`: whatever it does between two of them is done whole.
    /// Its span and its lines in the log carry `name`. Tasks may still be spawned while the service stops.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn<E: fmt::Display>(
        &self,
        name: &'static str,
        on_error: OnError,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let running = Running::new(self.0.clone(), name);
        let work = async move {
            let shared = &running.shared;
            // A task that panicked is gone with all that it owned; what it shared is guarded by locks that know of it.
            let task = AssertUnwindSafe(task).catch_unwind();
            let problem = tokio::select! {
                biased;
                () = shared.hard.cancelled() => return,
                result = task => match result {
                    Ok(Ok(())) => return,
                    Ok(Err(error)) => error.to_string(),
                    Err(panic) => format!("panic: {}", panic_text(&*panic)),
                },
            };
            error!(task = name, error = %problem, "task died");
            if on_error == OnError::Stop {
                shared.state().died.get_or_insert(name);
                shared.soft.cancel();
            }
        };
        self.0.tracker.spawn(work.instrument(info_span!(parent: None, "task", task = name)));
    }

    /// Stops: cancels the soft token, waits at most `grace` for the tasks, cancels the hard token. Returns within `grace` and a
    /// moment even when a task blocks its thread. Calling it again is harmless.
    ///
    /// Cancel safe: dropped, it leaves the stop begun, and it may be called again.
    pub async fn stop(&self, grace: Duration) -> Stopped {
        let shared = &self.0;
        shared.soft.cancel();
        shared.tracker.close();
        let ended = tokio::select! {
            biased;
            ended = timeout(grace, shared.tracker.wait()) => ended.is_ok(),
            () = shared.hard.cancelled() => shared.tracker.is_empty(),
        };
        let cut_off = if ended { Vec::new() } else { shared.state().names() };
        shared.hard.cancel();
        if !ended {
            warn!(tasks = ?cut_off, "tasks did not end in time");
            if timeout(LAST_MOMENTS, shared.tracker.wait()).await.is_err() {
                error!(tasks = ?shared.state().names(), "tasks block their threads");
            }
        }
        Stopped {
            cut_off,
            died: shared.state().died,
        }
    }

    /// Waits until a signal comes or the soft token is cancelled, then stops. A further signal ends the grace time.
    ///
    /// Cancel safe in the same way as [`Self::stop`].
    pub async fn run(&self, signals: &mut ShutdownSignals, grace: Duration) -> Stopped {
        tokio::select! {
            signal = signals.recv() => info!(signal, "stopping"),
            () = self.0.soft.cancelled() => info!("stopping"),
        }
        let stop = self.stop(grace);
        tokio::pin!(stop);
        tokio::select! {
            biased;
            stopped = &mut stop => return stopped,
            signal = signals.recv() => warn!(signal, "stopping at once"),
        }
        self.0.hard.cancel();
        stop.await
    }
}

impl Shared {
    /// Held for a few instructions and never across an `await`; a panic meanwhile leaves nothing half done.
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn names(&self) -> Vec<&'static str> {
        self.running.values().copied().collect()
    }
}

/// Keeps a task's name among the running ones for as long as the task exists.
struct Running {
    shared: Arc<Shared>,
    id: u64,
}

impl Running {
    fn new(shared: Arc<Shared>, name: &'static str) -> Self {
        let id = shared.next.fetch_add(1, Ordering::Relaxed);
        shared.state().running.insert(id, name);
        Self { shared, id }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.state().running.remove(&self.id);
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a text")
}

/// The signals that ask a process to stop.
pub struct ShutdownSignals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

/// Begins to catch the signals that ask a process to stop: SIGTERM and SIGINT, elsewhere Ctrl-C. From now on they no longer end the
/// process, so call it once there is something to stop.
///
/// # Errors
/// When the system refuses.
///
/// # Panics
/// Outside a tokio runtime.
pub fn shutdown_signals() -> io::Result<ShutdownSignals> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(ShutdownSignals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
    #[cfg(not(unix))]
    Ok(ShutdownSignals {})
}

impl ShutdownSignals {
    /// Waits for the next signal and returns its name. Cancel safe: a signal that came is not lost.
    pub async fn recv(&mut self) -> &'static str {
        #[cfg(unix)]
        tokio::select! {
            Some(()) = self.terminate.recv() => "SIGTERM",
            Some(()) = self.interrupt.recv() => "SIGINT",
            else => std::future::pending().await,
        }
        #[cfg(not(unix))]
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future::pending, time::Instant};

    use tokio::sync::oneshot;

    use super::*;

    const LONG: Duration = Duration::from_mins(1);
    const CLEAN: Stopped = Stopped {
        cut_off: Vec::new(),
        died: None,
    };

    /// Says when it is dropped.
    struct Dropped(Option<oneshot::Sender<()>>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            let _ = self.0.take().expect("dropped once").send(());
        }
    }

    #[tokio::test]
    async fn tasks_end_by_themselves_within_the_grace_time() {
        let lifecycle = Lifecycle::new();
        let (finished, was_finished) = oneshot::channel();
        let soft = lifecycle.soft().clone();
        lifecycle.spawn("polite", OnError::Stop, async move {
            soft.cancelled().await;
            tokio::task::yield_now().await;
            finished.send(()).map_err(|()| "nobody listens")
        });
        assert_eq!(lifecycle.stop(LONG).await, CLEAN);
        assert_eq!(was_finished.await, Ok(()));
        assert!(lifecycle.hard().is_cancelled());
        assert_eq!(lifecycle.stop(LONG).await, CLEAN, "a second stop");
    }

    #[tokio::test]
    async fn tasks_that_overstay_are_dropped_and_named() {
        let lifecycle = Lifecycle::new();
        let (dropped, was_dropped) = oneshot::channel();
        let dropped = Dropped(Some(dropped));
        lifecycle.spawn("stubborn", OnError::Stop, async move {
            let _dropped = dropped;
            pending::<Result<(), Infallible>>().await
        });
        let stopped = lifecycle.stop(Duration::from_millis(10)).await;
        assert_eq!((stopped.cut_off.as_slice(), stopped.exit_code()), (&["stubborn"][..], 0));
        assert_eq!(was_dropped.await, Ok(()));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_blocked_thread_does_not_hold_up_the_stop() {
        let lifecycle = Lifecycle::new();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let (started, has_started) = oneshot::channel();
        lifecycle.spawn("blocked", OnError::Log, async move {
            let _ = started.send(());
            let _ = released.recv();
            Ok::<_, Infallible>(())
        });
        has_started.await.unwrap();
        let start = Instant::now();
        let stopped = lifecycle.stop(Duration::from_millis(10)).await;
        assert_eq!(stopped.cut_off, ["blocked"]);
        assert!(start.elapsed() < LONG / 2);
        release.send(()).unwrap();
    }

    #[tokio::test]
    async fn a_death_stops_the_service_when_it_must() {
        for panics in [false, true] {
            let lifecycle = Lifecycle::new();
            lifecycle.spawn("vital", OnError::Stop, async move {
                assert!(!panics, "a panic of the test");
                Err("broken")
            });
            lifecycle.soft().cancelled().await;
            let stopped = lifecycle.stop(LONG).await;
            assert_eq!((stopped.died, stopped.exit_code()), (Some("vital"), 1));
        }
    }

    #[tokio::test]
    async fn a_death_is_only_logged_when_it_may_be() {
        for panics in [false, true] {
            let lifecycle = Lifecycle::new();
            lifecycle.spawn("spare", OnError::Log, async move {
                assert!(!panics, "a panic of the test");
                Err("broken")
            });
            lifecycle.0.tracker.close();
            lifecycle.0.tracker.wait().await;
            assert!(!lifecycle.soft().is_cancelled());
            assert_eq!(lifecycle.stop(LONG).await, CLEAN);
        }
    }

    #[tokio::test]
    async fn tasks_spawned_during_a_stop_are_waited_for() {
        let lifecycle = Lifecycle::new();
        let (inner, soft) = (lifecycle.clone(), lifecycle.soft().clone());
        let (finished, was_finished) = oneshot::channel();
        lifecycle.spawn("first", OnError::Stop, async move {
            soft.cancelled().await;
            inner.spawn("second", OnError::Stop, async move {
                tokio::task::yield_now().await;
                finished.send(()).map_err(|()| "nobody listens")
            });
            Ok::<_, Infallible>(())
        });
        assert_eq!(lifecycle.stop(LONG).await, CLEAN);
        assert_eq!(was_finished.await, Ok(()));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_first_signal_stops_and_the_second_does_not_wait() {
        async fn send(signal: &str) {
            let pid = std::process::id().to_string();
            let killed = tokio::task::spawn_blocking({
                let signal = signal.to_owned();
                move || std::process::Command::new("kill").args([&signal, &pid]).status()
            });
            assert!(killed.await.unwrap().unwrap().success());
        }
        let mut signals = shutdown_signals().unwrap();
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("stubborn", OnError::Stop, pending::<Result<(), Infallible>>());
        let sender = async {
            send("-TERM").await;
            lifecycle.soft().cancelled().await;
            send("-INT").await;
        };
        let (stopped, ()) = tokio::join!(lifecycle.run(&mut signals, LONG), sender);
        assert_eq!(stopped.cut_off, ["stubborn"]);

        // A task's death or a call ends the run as a signal does.
        let lifecycle = Lifecycle::new();
        lifecycle.request_stop();
        assert_eq!(lifecycle.run(&mut signals, LONG).await, CLEAN);
    }
}
