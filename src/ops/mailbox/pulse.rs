//! Whether the work on a mailbox moves.
//!
//! Requests to the mailbox's server have time limits of their own, so whoever waits for one is moving. What this service does between two
//! requests is over within seconds, unless the database does not answer.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;

use crate::{
    net::ProviderError,
    provider::{ChangePage, ExchangeMailbox, Fetched, Folder, ItemId, MailSource, Newest},
};

/// Longest time between two requests to the server, or before the first and after the last, in which the work counts as moving.
pub const OWN_WORK: Duration = Duration::from_secs(15);
/// The same for a call to the server, which may be several requests with pauses between them.
const CALL: Duration = Duration::from_mins(30);
/// What a wait may take beyond its limit.
const SLACK: Duration = Duration::from_mins(1);

/// Longest wait for what others in this process do with a mailbox or its login, which is bounded by their requests.
pub(super) const ELSEWHERE: Duration = Duration::from_mins(30);

/// Whether the work on a mailbox moves: the main one, and the look at the inbox beside it.
#[derive(Debug, Default)]
pub struct Pulse {
    /// Reading and comparing.
    pub main: Arc<Activity>,
    /// Looks at the inbox beside that.
    pub inbox: Arc<Activity>,
    /// Since when every try has failed on our own side. Locked only briefly.
    failing: Mutex<Option<Instant>>,
    /// Fencing number of the lease under which this is done; 0 without one.
    fence: AtomicI64,
}

impl Pulse {
    /// For how long the work has not moved, once that is longer than it should be.
    pub fn stuck_for(&self) -> Option<Duration> {
        let failing = *self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let failing = failing.map(|since| since.elapsed()).filter(|span| *span > OWN_WORK);
        [self.main.stuck_for(), self.inbox.stuck_for(), failing].into_iter().flatten().max()
    }

    /// A try failed on our own side.
    pub fn failed(&self) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        failing.get_or_insert_with(Instant::now);
    }

    /// The mailbox was leased with this fencing number, or somebody else has it.
    pub fn leased(&self, fence: Option<i64>) {
        self.fence.store(fence.unwrap_or(0), Ordering::Relaxed);
    }

    /// Fencing number of the lease under which this is done. `None` where none is needed.
    pub fn fence(&self) -> Option<i64> {
        Some(self.fence.load(Ordering::Relaxed)).filter(|fence| *fence > 0)
    }

    /// Whether the mailbox is leased, as far as is known.
    pub fn has_lease(&self) -> bool {
        self.fence().is_some()
    }

    /// Lets time go by.
    #[cfg(test)]
    fn age(&self, by: Duration) {
        for lane in [&self.main, &self.inbox] {
            if let Some((since, _)) = &mut lane.state.lock().unwrap().step {
                *since -= by;
            }
        }
        if let Some(since) = &mut *self.failing.lock().unwrap() {
            *since -= by;
        }
    }

    /// A try came to its end, or begins again after others had the chance to.
    pub fn recovered(&self) {
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// One line of work, one step after the other.
#[derive(Debug, Default)]
pub struct Activity {
    // Locked only briefly.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the last step began, and how long it may take. `None`: there is nothing to do.
    step: Option<(Instant, Duration)>,
    /// Calls to the server under way.
    calls: usize,
}

impl Activity {
    /// Our own work begins, or goes on with its next step.
    pub fn work(&self) {
        self.step(Some(OWN_WORK));
    }

    /// A wait begins that ends by itself within this time.
    pub fn wait(&self, limit: Duration) {
        self.step(Some(limit.saturating_add(SLACK)));
    }

    /// There is nothing to do for now, or others decide when it goes on.
    pub fn rest(&self) {
        self.step(None);
    }

    fn step(&self, bound: Option<Duration>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.step = bound.map(|bound| (Instant::now(), bound));
    }

    fn stuck_for(&self) -> Option<Duration> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, bound) = state.step?;
        let span = since.elapsed();
        (span > if state.calls > 0 { bound.max(CALL) } else { bound }).then_some(span)
    }

    fn call(&self) -> Call<'_> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).calls += 1;
        self.work();
        Call(self)
    }
}

/// A call to the server that is under way.
struct Call<'a>(&'a Activity);

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).calls -= 1;
        self.0.work();
    }
}

/// A mailbox whose calls show that the work moves.
pub(in crate::ops) struct Moving {
    pub inner: Arc<dyn ExchangeMailbox>,
    pub lane: Arc<Activity>,
}

#[async_trait]
impl MailSource for Moving {
    async fn folders(&self) -> Result<Vec<Folder>, ProviderError> {
        let _call = self.lane.call();
        self.inner.folders().await
    }

    async fn changes(&self, folder: &Folder, state: Option<&str>) -> Result<ChangePage, ProviderError> {
        let _call = self.lane.call();
        self.inner.changes(folder, state).await
    }

    async fn newest(&self, folder: &Folder, most: u32) -> Result<Newest, ProviderError> {
        let _call = self.lane.call();
        self.inner.newest(folder, most).await
    }

    async fn fetch(&self, ids: &[ItemId], max_bytes: u64) -> Result<Vec<Fetched>, ProviderError> {
        let _call = self.lane.call();
        self.inner.fetch(ids, max_bytes).await
    }

    async fn former_ids(&self, ids: &[ItemId]) -> Result<Vec<Option<ItemId>>, ProviderError> {
        let _call = self.lane.call();
        self.inner.former_ids(ids).await
    }

    async fn wait(&self, folders: &[Folder], limit: Duration) -> Result<(), ProviderError> {
        self.lane.wait(limit);
        let waited = self.inner.wait(folders, limit).await;
        self.lane.work();
        waited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the clock itself adds while a test runs, at most.
    const MOMENT: Duration = Duration::from_secs(5);

    #[test]
    fn own_work_that_does_not_end_is_stuck() {
        let pulse = Pulse::default();
        pulse.age(OWN_WORK * 100);
        assert_eq!(pulse.stuck_for(), None, "nothing was to be done");
        pulse.main.work();
        pulse.age(OWN_WORK.checked_sub(MOMENT).unwrap());
        assert_eq!(pulse.stuck_for(), None);
        pulse.age(MOMENT);
        assert!(pulse.stuck_for() > Some(OWN_WORK));
        // The inbox moves, but that does not help the rest.
        pulse.inbox.work();
        assert!(pulse.stuck_for().is_some());
        pulse.main.work();
        assert_eq!(pulse.stuck_for(), None);
        pulse.age(OWN_WORK);
        pulse.main.rest();
        assert!(pulse.stuck_for().is_some(), "the look at the inbox is stuck");
        pulse.inbox.rest();
        assert_eq!(pulse.stuck_for(), None);
    }

    #[test]
    fn calls_and_waits_have_limits_of_their_own() {
        let pulse = Pulse::default();
        pulse.main.work();
        let call = pulse.main.call();
        pulse.age(CALL.checked_sub(MOMENT).unwrap());
        assert_eq!(pulse.stuck_for(), None);
        pulse.age(MOMENT);
        assert!(pulse.stuck_for().is_some());
        drop(call);
        assert_eq!(pulse.stuck_for(), None);
        pulse.main.wait(OWN_WORK * 4);
        pulse.age((OWN_WORK * 4 + SLACK).checked_sub(MOMENT).unwrap());
        assert_eq!(pulse.stuck_for(), None);
        pulse.age(MOMENT);
        assert!(pulse.stuck_for().is_some());
    }

    #[test]
    fn failing_again_and_again_is_no_movement() {
        let pulse = Pulse::default();
        for _ in 0..20 {
            pulse.main.work();
            pulse.failed();
            pulse.age(Duration::from_secs(1));
        }
        assert!(pulse.stuck_for() >= Some(Duration::from_secs(20)));
        pulse.recovered();
        assert_eq!(pulse.stuck_for(), None);
    }
}
