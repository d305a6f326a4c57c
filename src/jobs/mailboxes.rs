//! Reads all mailboxes side by side: one task for each active agent, started and stopped as agents come, change and go.
//!
//! A wake-up carries no data: a task reads its mailbox to the end, then waits for the server's push or for the next poll. A slow or
//! failing mailbox delays no other, since each waits by itself and only the number of mailboxes that are read at once is limited.

mod reader;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use self::reader::Reader;
use super::driver::Job;
use crate::{
    domain::{Agent, AgentId, Error, Result, TenantId},
    lifecycle::{Lifecycle, OnError},
    ops::{
        Ops,
        mailbox::{OWN_WORK, Pulse, ReadingSlots, health},
        push,
    },
    store::{LeaseKey, LeaseKind, LeaseTerms, SystemAgent},
};

/// How often leases are prolonged, mailboxes of dead replicas are tried for, and agents are looked for that another replica changed.
const SCAN: Duration = Duration::from_secs(5);
/// How long a replica may be silent before others take its mailboxes. With [`SCAN`], at which pace they look, less than the promised
/// 30 s even if it died right after it had prolonged its leases.
const LEASE: Duration = Duration::from_secs(20);
/// How long a replica that has its share leaves a free mailbox to others.
const GRACE: Duration = Duration::from_secs(10);
/// Mailboxes that are given to other replicas at once, so that a replica that joins does not begin with a rush.
const GIVEN_AT_ONCE: usize = 100;
/// Agents that are listed at once.
const PAGE: u64 = 500;
/// Longest wait for the database here: what is said of others' silence must not fall silent itself.
const DATABASE: Duration = Duration::from_secs(5);
/// Work that has not moved for so long is begun again.
const GIVEN_UP: Duration = Duration::from_mins(2);

/// How mailboxes are read.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Longest time between two looks at a mailbox.
    pub poll_interval: Duration,
    /// How often a mailbox is compared with what was handled and archived, and what is missing is fetched.
    pub completeness_interval: Duration,
    /// Whether the server is asked to tell of new mail.
    pub push: bool,
    /// Mailboxes that are read at once.
    pub concurrent: usize,
    /// Names this replica in leases. `None` where there is only one, which needs none.
    pub holder: Option<String>,
}

/// The job: keeps one task for each active agent.
pub(crate) struct Mailboxes {
    reader: Reader,
    lifecycle: Lifecycle,
    tasks: Tasks,
    /// How many mailboxes did not move in the last round.
    stuck: usize,
    /// Whether a round was done before.
    begun: bool,
}

impl Mailboxes {
    /// Nothing is read yet.
    pub fn new(ops: Ops, lifecycle: Lifecycle, schedule: Schedule) -> Self {
        Self {
            reader: Reader {
                news: Arc::default(),
                share: Arc::default(),
                places: Arc::new(ReadingSlots::new(schedule.concurrent)),
                schedule: Arc::new(schedule),
                ops,
            },
            lifecycle,
            tasks: Tasks::new(),
            stuck: 0,
            begun: false,
        }
    }
}

impl Job for Mailboxes {
    const NAME: &'static str = "mailboxes";
    const ON_PANIC: OnError = OnError::Stop;

    fn interval(&self) -> Duration {
        SCAN
    }

    async fn woken(&self) {
        self.reader.ops.agents_changed.notified().await;
        // Somebody may have logged in for whom a mailbox waits.
        self.reader.news.notify_waiters();
    }

    /// Returns how many mailboxes are read. What fails in a round is logged and made up for by the next, which is never far: a rest after
    /// faults would let leases end.
    async fn activate(&mut self) -> Result<u64> {
        let (reader, tasks) = (&self.reader, &mut self.tasks);
        if !std::mem::replace(&mut self.begun, true) {
            // Mailboxes of a process that died and whose place this one takes are free at once.
            release_all(reader).await;
        }
        let stuck = look_for_stuck(reader, &self.lifecycle, tasks);
        reader.ops.metrics.mailboxes_stuck(self.stuck, stuck.len());
        self.stuck = stuck.len();
        prolong_leases(reader, &stuck).await;
        wake_called(reader).await;
        match in_time(all_agents(&reader.ops)).await {
            Ok(agents) => reconcile(reader, &self.lifecycle, tasks, agents),
            Err(error) => tracing::warn!(error = error.chain(), "listing the agents failed"),
        }
        balance(reader, tasks).await;
        Ok(tasks.len() as u64)
    }

    async fn finish(&mut self) {
        release_all(&self.reader).await;
    }
}

/// Tasks by tenant and agent.
type Tasks = HashMap<(TenantId, AgentId), Task>;

/// How many mailboxes are this replica's part.
#[derive(Debug)]
struct Share {
    /// As many as all replicas that are alive would have each.
    fair: AtomicUsize,
    /// Those that it has.
    held: AtomicUsize,
}

impl Default for Share {
    /// All of them, until it is known who else is there.
    fn default() -> Self {
        Self {
            fair: AtomicUsize::new(usize::MAX),
            held: AtomicUsize::default(),
        }
    }
}

impl Share {
    /// Whether this replica has enough, and leaves what is free to others for a while.
    fn is_met(&self) -> bool {
        self.held.load(Ordering::Relaxed) >= self.fair.load(Ordering::Relaxed)
    }
}

/// The work on a mailbox.
struct Task {
    agent: Agent,
    /// What it was started for.
    generation: [i64; 3],
    token: CancellationToken,
    pulse: Arc<Pulse>,
    /// When it was last said that it does not move. `None`: it moves.
    named: Option<Instant>,
}

async fn in_time<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(DATABASE, work)
        .await
        .unwrap_or_else(|silent| Err(Error::store_unavailable(silent)))
}

async fn all_agents(ops: &Ops) -> Result<Vec<SystemAgent>> {
    let mut agents = Vec::new();
    let mut after = (String::new(), String::new());
    loop {
        let page = ops.store.system_agents((&after.0, &after.1), PAGE).await?;
        agents.extend(page.agents);
        match page.next {
            Some(next) => after = next,
            None => return Ok(agents),
        }
    }
}

/// Starts tasks for new agents, restarts those whose agent, account or tenant's settings changed, and ends those of agents that are
/// gone or paused.
fn reconcile(reader: &Reader, lifecycle: &Lifecycle, tasks: &mut Tasks, agents: Vec<SystemAgent>) {
    let mut before = std::mem::take(tasks);
    for SystemAgent { tenant, agent, generation } in agents {
        let key = (tenant.clone(), agent.id.clone());
        if let Some(task) = before.remove(&key) {
            if task.generation == generation && !task.token.is_cancelled() {
                tasks.insert(key, task);
                continue;
            }
            task.token.cancel();
        }
        let (token, pulse) = (reader.ops.stopping.child_token(), Arc::<Pulse>::default());
        let task = Task {
            agent: agent.clone(),
            generation,
            token: token.clone(),
            pulse: pulse.clone(),
            named: None,
        };
        tasks.insert(key, task);
        let reader = reader.clone();
        lifecycle.spawn("mailbox", OnError::Log, async move {
            // Dropping the work at any point is fine: what is committed stays, the rest is done again.
            token.run_until_cancelled(reader.keep_reading(tenant, agent, pulse)).await;
            Ok::<(), std::convert::Infallible>(())
        });
    }
    for task in before.into_values() {
        task.token.cancel();
    }
}

/// Names the mailboxes on which work does not move, gives them to other replicas, and has the work begun again after a while. Returns
/// their agents.
fn look_for_stuck(reader: &Reader, lifecycle: &Lifecycle, tasks: &mut Tasks) -> Vec<AgentId> {
    let (mut stuck, mut to_name) = (Vec::new(), Vec::new());
    for ((tenant, id), task) in tasks {
        let Some(span) = task.pulse.stuck_for() else {
            if task.named.take().is_some() {
                tracing::info!(agent = %id, "the work on the mailbox makes progress again");
            }
            continue;
        };
        stuck.push(id.clone());
        if span > GIVEN_UP && !task.token.is_cancelled() {
            tracing::error!(agent = %id, "the work on the mailbox is restarted");
            task.token.cancel();
        }
        if task.named.is_none_or(|named| named.elapsed() > OWN_WORK) {
            tracing::error!(agent = %id, seconds = span.as_secs(), "the work on the mailbox makes no progress");
            task.named = Some(Instant::now());
            to_name.push((tenant.clone(), task.agent.clone(), span));
        }
    }
    if !to_name.is_empty() {
        let reader = reader.clone();
        // One after the other: a database that is slow is not helped by more to do.
        lifecycle.spawn("stuck mailboxes", OnError::Log, async move {
            for (tenant, agent, span) in to_name {
                if reader.ops.stopping.is_cancelled() {
                    break;
                }
                give_up(&reader, &tenant, &agent, span).await;
            }
            Ok::<(), std::convert::Infallible>(())
        });
    }
    stuck
}

/// Lets another replica have a mailbox on which work does not move, and says so in the agent's health.
async fn give_up(reader: &Reader, tenant: &TenantId, agent: &Agent, span: Duration) {
    let named = async {
        // Once another replica has it, its health is that one's to tell.
        if let Some(holder) = &reader.schedule.holder
            && !reader.ops.store.release_lease(LeaseKey::mailbox(tenant, &agent.id), holder).await?
            && span > 2 * OWN_WORK + SCAN
        {
            return Ok(());
        }
        health::record_stuck(&reader.ops, tenant, agent, span).await
    };
    if let Err(error) = in_time(named).await {
        tracing::warn!(agent = %agent.id, error = error.chain(), "reporting a mailbox that is not read failed, retrying");
    }
}

/// Wakes the mailboxes that other replicas were called about.
async fn wake_called(reader: &Reader) {
    let Some(holder) = &reader.schedule.holder else { return };
    if let Err(error) = in_time(push::wake_called(&reader.ops, holder)).await {
        tracing::warn!(error = error.chain(), "looking for notifications received by other replicas failed");
    }
}

/// Prolongs all leases of this replica at once, but for those of mailboxes on which work does not move, and says that it is alive.
async fn prolong_leases(reader: &Reader, stuck: &[AgentId]) {
    let Some(holder) = &reader.schedule.holder else { return };
    let store = &reader.ops.store;
    let alive = LeaseKey {
        kind: LeaseKind::Replica,
        tenant: None,
        id: holder,
    };
    let terms = LeaseTerms {
        holder,
        span: LEASE,
        grace: Duration::ZERO,
    };
    let stuck: Vec<&str> = stuck.iter().map(AgentId::as_str).collect();
    let prolonging = async {
        store.prolong_leases(LeaseKind::Mailbox, holder, LEASE, &stuck).await?;
        store.take_lease(alive, terms).await
    };
    if let Err(error) = in_time(prolonging).await {
        tracing::warn!(error = error.chain(), "renewing the leases failed");
    }
}

/// Finds out how many mailboxes are this replica's part, and gives others what it has beyond that.
async fn balance(reader: &Reader, tasks: &mut Tasks) {
    let Some(holder) = &reader.schedule.holder else { return };
    let replicas = match in_time(reader.ops.store.count_leases(LeaseKind::Replica)).await {
        Ok(replicas) => usize::try_from(replicas).unwrap_or(usize::MAX).max(1),
        Err(error) => return tracing::warn!(error = error.chain(), "counting the replicas failed"),
    };
    let (fair, held) = (
        tasks.len().div_ceil(replicas),
        tasks.values().filter(|task| task.pulse.has_lease()).count(),
    );
    reader.share.held.store(held, Ordering::Relaxed);
    if reader.share.fair.swap(fair, Ordering::Relaxed) < fair {
        // There may be a dead replica's.
        reader.news.notify_waiters();
    }
    let surplus = held.saturating_sub(fair).min(GIVEN_AT_ONCE);
    let given: Vec<_> = tasks
        .iter()
        .filter(|(_, task)| task.pulse.has_lease())
        .map(|(key, task)| (key.clone(), task.agent.clone()))
        .take(surplus)
        .collect();
    for (key, agent) in given {
        // The next round begins the work again, and finds it another's.
        if let Some(task) = tasks.remove(&key) {
            task.token.cancel();
        }
        match in_time(reader.ops.store.release_lease(LeaseKey::mailbox(&key.0, &agent.id), holder)).await {
            Ok(_) => tracing::info!(agent = %agent.id, replicas, "handed the mailbox over to another replica"),
            Err(error) => tracing::warn!(agent = %agent.id, error = error.chain(), "handing a mailbox over to another replica failed"),
        }
    }
}

/// Gives up all leases of this replica, also those of a process that it stands for.
async fn release_all(reader: &Reader) {
    let Some(holder) = &reader.schedule.holder else { return };
    if let Err(error) = in_time(reader.ops.store.release_leases(holder)).await {
        tracing::warn!(error = error.chain(), "releasing the mailboxes failed");
    }
}
