//! The limits of a mailbox's server, shared by everything that works with the mailbox: reading, sending, checks.
//!
//! Concurrent requests, requests and bytes per time window, and pauses that the server requests. So throttling is avoided rather than triggered,
//! and a pause requested from one of them is observed by all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{ChangePage, ExchangeProtocol, Fetched, Folder, ItemId, MailSink, MailSource, Newest, OutgoingMessage, Sent};
use crate::net::{ErrorClass, ProviderError, StageReport};

/// The time window for which requests are counted.
const REQUESTS_WINDOW: Duration = Duration::from_mins(10);
/// Bytes that a mailbox accepts over Graph, and the time window for which they are counted.
/// <https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits>
const UPLOADED: u64 = 150_000_000;
const UPLOADED_WINDOW: Duration = Duration::from_mins(5);

/// What the operator decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetLimits {
    /// Limit of concurrent requests for a mailbox.
    pub per_mailbox: usize,
    /// Limit of concurrent requests over Graph for all mailboxes.
    pub per_application: usize,
    /// Requests over Graph for a mailbox in ten minutes.
    /// <https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits>
    pub graph_in_ten_minutes: u32,
    /// Longest pause that is observed.
    pub longest_pause: Duration,
}

/// The budgets of all mailboxes in use.
pub struct Budgets {
    limits: BudgetLimits,
    application: Arc<Semaphore>,
    // Held only for a lookup.
    known: Mutex<HashMap<(String, String), Weak<Budget>>>,
}

impl Budgets {
    /// None yet.
    pub fn new(limits: BudgetLimits) -> Self {
        Self {
            application: Arc::new(Semaphore::new(limits.per_application.max(1))),
            limits,
            known: Mutex::default(),
        }
    }

    /// The budget of a mailbox at a server. Microsoft Graph has further limits.
    pub fn of(&self, host: &str, mailbox: &str, protocol: ExchangeProtocol) -> Arc<Budget> {
        let graph = protocol == ExchangeProtocol::Graph;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, budget| budget.strong_count() > 0);
        let key = (host.to_owned(), mailbox.to_lowercase());
        let there = known.get(&key).and_then(Weak::upgrade);
        there.unwrap_or_else(|| {
            let budget = Arc::new(Budget {
                places: Arc::new(Semaphore::new(self.limits.per_mailbox.max(1))),
                most: u32::try_from(self.limits.per_mailbox.max(1)).unwrap_or(u32::MAX),
                beyond: graph.then(|| self.application.clone()),
                requests: graph.then(|| Window::new(self.limits.graph_in_ten_minutes.into(), REQUESTS_WINDOW)),
                uploaded: graph.then(|| Window::new(UPLOADED, UPLOADED_WINDOW)),
                paused: Mutex::default(),
                longest_pause: self.limits.longest_pause,
            });
            known.insert(key, Arc::downgrade(&budget));
            budget
        })
    }
}

/// The limits of a mailbox's server.
pub struct Budget {
    places: Arc<Semaphore>,
    /// The number of slots.
    most: u32,
    /// What all mailboxes share.
    beyond: Option<Arc<Semaphore>>,
    requests: Option<Window>,
    /// In bytes.
    uploaded: Option<Window>,
    /// Until when the server requested a pause. Locked only briefly.
    paused: Mutex<Option<Instant>>,
    longest_pause: Duration,
}

/// What may be spent in a time window.
struct Window {
    most: u64,
    length: Duration,
    /// When the time window began, and what was spent in it. Locked only briefly.
    spent: Mutex<(Instant, u64)>,
}

impl Window {
    fn new(most: u64, length: Duration) -> Self {
        Self {
            most,
            length,
            spent: Mutex::new((Instant::now(), 0)),
        }
    }

    /// Spends some of it.
    ///
    /// # Errors
    /// The rest of the time window if there is not enough left.
    fn spend(&self, some: u64) -> Result<(), Duration> {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.0.elapsed() >= self.length {
            *spent = (Instant::now(), 0);
        }
        if spent.1.saturating_add(some) > self.most {
            return Err(self.length.saturating_sub(spent.0.elapsed()));
        }
        spent.1 += some;
        Ok(())
    }
}

/// The permit for a request, released when this is dropped.
pub struct RequestPermit {
    _own: OwnedSemaphorePermit,
    _shared: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// An unshared budget: this many concurrent requests, and no pauses.
    pub fn alone(places: usize) -> Arc<Self> {
        Budgets::new(BudgetLimits {
            per_mailbox: places,
            per_application: 1,
            graph_in_ten_minutes: 1,
            longest_pause: Duration::ZERO,
        })
        .of("", "", ExchangeProtocol::Ews)
    }

    /// Limit of concurrent requests.
    pub(super) fn at_once(&self) -> usize {
        self.most as usize
    }

    /// Waits for the permit for a request with this many bytes, or one that counts as several: it takes as many slots, as far as there
    /// are.
    ///
    /// # Errors
    /// [`ErrorClass::Retry`] when the requests or bytes of this time window are spent.
    pub(super) async fn enter(&self, parts: u32, bytes: usize) -> Result<RequestPermit, ProviderError> {
        let never_closed = "it is never closed";
        let own = self
            .places
            .clone()
            .acquire_many_owned(parts.min(self.most))
            .await
            .expect(never_closed);
        let shared = match &self.beyond {
            Some(beyond) => Some(beyond.clone().acquire_owned().await.expect(never_closed)),
            None => None,
        };
        self.spend(parts, bytes)?;
        Ok(RequestPermit {
            _own: own,
            _shared: shared,
        })
    }

    fn spend(&self, parts: u32, bytes: usize) -> Result<(), ProviderError> {
        let later = |after, text: String| ProviderError::new(ErrorClass::Retry { after: Some(after) }, text);
        if let Some(window) = &self.uploaded {
            window.spend(bytes as u64).map_err(|after| {
                let text = "The server accepts 150 MB per mailbox in five minutes, and that much was sent. Sending resumes automatically \
                            after that.";
                later(after, text.to_owned())
            })?;
        }
        let Some(window) = &self.requests else { return Ok(()) };
        window.spend(parts.into()).map_err(|after| {
            let text = format!(
                "The server accepts {} requests per mailbox in ten minutes, and that many were made. Work resumes automatically after \
                 that; a long history takes time.",
                window.most
            );
            later(after, text)
        })
    }

    /// The rest of a pause that the server requested.
    fn pause(&self) -> Option<Duration> {
        let paused = *self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        paused
            .map(|end| end.saturating_duration_since(Instant::now()))
            .filter(|left| !left.is_zero())
    }

    /// Whether a request could be made at once, as far as is known.
    pub(super) fn is_free(&self) -> bool {
        self.pause().is_none() && self.places.available_permits() > 0
    }

    fn check(&self) -> Result<(), ProviderError> {
        let Some(left) = self.pause() else { return Ok(()) };
        let text = "The server requested a pause for this mailbox, which has not ended yet. The request is retried after it.";
        Err(ProviderError::new(ErrorClass::Retry { after: Some(left) }, text))
    }

    /// Lets time pass.
    #[cfg(test)]
    fn age(&self, by: Duration) {
        for window in self.requests.iter().chain(&self.uploaded) {
            window.spent.lock().unwrap().0 -= by;
        }
        if let Some(paused) = &mut *self.paused.lock().unwrap() {
            *paused -= by;
        }
    }

    /// Observes the pause that a fault requests.
    fn heed<T>(&self, result: Result<T, ProviderError>) -> Result<T, ProviderError> {
        if let Err(ProviderError {
            class: ErrorClass::Retry { after: Some(after) },
            ..
        }) = &result
        {
            let end = Instant::now() + (*after).min(self.longest_pause);
            let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
            *paused = Some(paused.map_or(end, |before| before.max(end)));
        }
        result
    }
}

/// A mailbox whose budget is observed.
pub struct Budgeted<T> {
    inner: T,
    budget: Arc<Budget>,
}

impl<T> Budgeted<T> {
    /// With this budget, which the mailbox's own requests use too.
    pub fn new(inner: T, budget: Arc<Budget>) -> Self {
        Self { inner, budget }
    }
}

#[async_trait]
impl<T: MailSource> MailSource for Budgeted<T> {
    async fn folders(&self) -> Result<Vec<Folder>, ProviderError> {
        self.budget.check()?;
        self.budget.heed(self.inner.folders().await)
    }

    async fn changes(&self, folder: &Folder, state: Option<&str>) -> Result<ChangePage, ProviderError> {
        self.budget.check()?;
        self.budget.heed(self.inner.changes(folder, state).await)
    }

    async fn newest(&self, folder: &Folder, most: u32) -> Result<Newest, ProviderError> {
        self.budget.check()?;
        self.budget.heed(self.inner.newest(folder, most).await)
    }

    async fn fetch(&self, ids: &[ItemId], max_bytes: u64) -> Result<Vec<Fetched>, ProviderError> {
        self.budget.check()?;
        self.budget.heed(self.inner.fetch(ids, max_bytes).await)
    }

    async fn former_ids(&self, ids: &[ItemId]) -> Result<Vec<Option<ItemId>>, ProviderError> {
        self.budget.check()?;
        self.budget.heed(self.inner.former_ids(ids).await)
    }

    async fn wait(&self, folders: &[Folder], limit: Duration) -> Result<(), ProviderError> {
        self.budget.check()?;
        self.budget.heed(self.inner.wait(folders, limit).await)
    }
}

#[async_trait]
impl<T: MailSink> MailSink for Budgeted<T> {
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, ProviderError> {
        self.budget.check()?;
        self.budget.heed(self.inner.send(message).await)
    }

    /// A person is asking, so a pause is no reason to report nothing.
    async fn check(&self, test: Option<&OutgoingMessage>, report: StageReport<'_>) {
        self.inner.check(test, report).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budgets(per_mailbox: usize, per_application: usize) -> Budgets {
        Budgets::new(BudgetLimits {
            per_mailbox,
            per_application,
            graph_in_ten_minutes: 3,
            longest_pause: Duration::from_mins(1),
        })
    }

    #[tokio::test]
    async fn all_who_work_with_a_mailbox_share_its_budget() {
        let budgets = budgets(2, 10);
        let (reading, sending) = (
            budgets.of("host", "Anna@x", ExchangeProtocol::Ews),
            budgets.of("host", "anna@X", ExchangeProtocol::Ews),
        );
        assert!(Arc::ptr_eq(&reading, &sending));
        assert!(!Arc::ptr_eq(&reading, &budgets.of("host", "bert@x", ExchangeProtocol::Ews)));
        let first = reading.enter(1, 0).await.unwrap();
        let _second = sending.enter(1, 0).await.unwrap();
        assert!(
            tokio::time::timeout(Duration::from_millis(50), reading.enter(1, 0)).await.is_err(),
            "both places are taken"
        );
        drop(first);
        reading.enter(1, 0).await.unwrap();
    }

    #[tokio::test]
    async fn a_pause_that_one_is_asked_for_is_kept_by_all() {
        let budgets = budgets(2, 10);
        let budget = budgets.of("host", "anna@x", ExchangeProtocol::Ews);
        let fault = |after| ProviderError::new(ErrorClass::Retry { after }, "busy");
        assert!(budget.heed::<()>(Err(fault(None))).is_err());
        budget.check().unwrap();
        let _ = budget.heed::<()>(Err(fault(Some(Duration::from_secs(20)))));
        // A shorter one does not end it.
        let _ = budget.heed::<()>(Err(fault(Some(Duration::from_secs(5)))));
        budget.age(Duration::from_secs(8));
        let error = budgets.of("host", "anna@x", ExchangeProtocol::Ews).check().unwrap_err();
        let ErrorClass::Retry { after: Some(left) } = error.class else {
            panic!("{error:?}")
        };
        assert!(left > Duration::from_secs(10) && left <= Duration::from_secs(12), "{left:?}");
        budgets.of("host", "bert@x", ExchangeProtocol::Ews).check().unwrap();
        budget.age(Duration::from_secs(12));
        budget.check().unwrap();
        // No pause lasts for ever.
        let _ = budget.heed::<()>(Err(fault(Some(Duration::from_hours(1)))));
        budget.age(Duration::from_mins(1));
        budget.check().unwrap();
    }

    #[tokio::test]
    async fn requests_in_a_stretch_of_time_are_counted() {
        let budgets = budgets(2, 10);
        let budget = budgets.of("graph", "anna@x", ExchangeProtocol::Graph);
        for _ in 0..3 {
            budget.enter(1, 0).await.unwrap();
        }
        budget.age(Duration::from_secs(100));
        let error = budget.enter(1, 0).await.err().unwrap();
        let ErrorClass::Retry { after: Some(wait) } = error.class else {
            panic!("{error:?}")
        };
        assert!(wait > Duration::from_secs(490) && wait <= Duration::from_secs(500), "{wait:?}");
        budget.age(Duration::from_secs(500));
        budget.enter(1, 0).await.unwrap();
    }

    #[tokio::test]
    async fn bytes_in_a_stretch_of_time_are_counted() {
        let budgets = budgets(2, 10);
        let budget = budgets.of("graph", "anna@x", ExchangeProtocol::Graph);
        budget.enter(1, 149_000_000).await.unwrap();
        let error = budget.enter(1, 2_000_000).await.err().unwrap();
        assert!(matches!(error.class, ErrorClass::Retry { after: Some(_) }), "{error:?}");
        assert!(error.problem.contains("150 MB"), "{error:?}");
        budget.age(Duration::from_mins(5));
        budget.enter(1, 2_000_000).await.unwrap();
    }

    #[tokio::test]
    async fn an_application_has_a_budget_over_all_its_mailboxes() {
        let budgets = budgets(4, 2);
        let (anna, bert) = (
            budgets.of("graph", "anna@x", ExchangeProtocol::Graph),
            budgets.of("graph", "bert@x", ExchangeProtocol::Graph),
        );
        let _first = anna.enter(1, 0).await.unwrap();
        let second = bert.enter(1, 0).await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(50), bert.enter(1, 0)).await.is_err());
        // Other servers have nothing to do with it.
        budgets.of("host", "anna@x", ExchangeProtocol::Ews).enter(1, 0).await.unwrap();
        drop(second);
        bert.enter(1, 0).await.unwrap();
    }
}
