//! Reads all mailboxes side by side: one task for each active agent, started and stopped as agents come, change and go.
//!
//! A wake-up carries no data: a task reads its mailbox to the end, then waits for the server's push or for the next poll. A slow or
//! failing mailbox delays no other, since each waits by itself and only the number of mailboxes that are read at once is limited.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, Semaphore},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    domain::{Agent, HealthState, Kind, Result, Timestamp, error_chain},
    lifecycle::{Lifecycle, OnError},
    ops::{
        Ops, completeness,
        connect::Opened,
        health::{self, Subject, Tried},
        mailbox::{self, ReadError},
    },
    provider::{ErrorClass, Folder, FolderRole, ProviderError},
    store::SystemAgent,
};

/// How often leases are prolonged, mailboxes of dead replicas are tried for, and agents are looked for that another replica changed.
const SCAN: Duration = Duration::from_secs(5);
/// How long a replica may be silent before others take its mailboxes. With [`SCAN`], at which pace they look, less than the promised
/// 30 s even if it died right after it had prolonged its leases.
const LEASE: Duration = Duration::from_secs(20);
/// Agents that are listed at once.
const PAGE: u64 = 500;

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

/// Keeps one task for each active agent until the service stops.
///
/// # Errors
/// None: what fails is logged and tried again.
pub async fn run(ops: Ops, lifecycle: Lifecycle, schedule: Schedule) -> Result<()> {
    let reader = Reader {
        news: Arc::default(),
        readers: Arc::new(Semaphore::new(schedule.concurrent)),
        schedule: Arc::new(schedule),
        ops,
    };
    let stopping = reader.ops.stopping.clone();
    let mut running = Running::new();
    while !stopping.is_cancelled() {
        reader.prolong_leases().await;
        reader.wake_called().await;
        match all_agents(&reader.ops).await {
            Ok(agents) => reconcile(&reader, &lifecycle, &mut running, agents),
            Err(error) => tracing::warn!(error = error.chain(), "listing the agents failed"),
        }
        tokio::select! {
            // Somebody may have logged in for whom a mailbox waits.
            () = reader.ops.agents_changed.notified() => reader.news.notify_waiters(),
            () = tokio::time::sleep(SCAN) => {}
            () = stopping.cancelled() => {}
        }
    }
    if let Some(holder) = &reader.schedule.holder
        && let Err(error) = reader.ops.store.release_mailboxes(holder).await
    {
        tracing::warn!(error = error.chain(), "giving up the mailboxes failed");
    }
    Ok(())
}

/// Tasks by tenant and agent, with the generation that each was started for.
type Running = HashMap<(String, String), ([i64; 3], CancellationToken)>;

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

/// Starts tasks for new agents, starts those anew whose agent, account or tenant's settings changed, and ends those of agents that are
/// gone or paused.
fn reconcile(reader: &Reader, lifecycle: &Lifecycle, running: &mut Running, agents: Vec<SystemAgent>) {
    let mut before = std::mem::take(running);
    for SystemAgent { tenant, agent, generation } in agents {
        let key = (tenant.clone(), agent.id.clone());
        if let Some((known, token)) = before.remove(&key) {
            if known == generation {
                running.insert(key, (known, token));
                continue;
            }
            token.cancel();
        }
        let token = reader.ops.stopping.child_token();
        running.insert(key, (generation, token.clone()));
        let reader = reader.clone();
        lifecycle.spawn("mailbox", OnError::Log, async move {
            // Dropping the work at any point is fine: what is committed stays, the rest is done again.
            token.run_until_cancelled(reader.keep_reading(tenant, agent)).await;
            Ok::<(), std::convert::Infallible>(())
        });
    }
    for (_, token) in before.into_values() {
        token.cancel();
    }
}

#[derive(Clone)]
struct Reader {
    ops: Ops,
    schedule: Arc<Schedule>,
    readers: Arc<Semaphore>,
    /// Tells that agents or logins changed here.
    news: Arc<Notify>,
}

impl Reader {
    async fn keep_reading(&self, tenant: String, agent: Agent) {
        let mut opened: Option<Opened> = None;
        let mut folders = Vec::new();
        // Spread, so that a start does not compare all mailboxes at once.
        let mut compare_at = Instant::now() + self.schedule.completeness_interval.mul_f64(fastrand::f64());
        loop {
            if !self.lease(&tenant, &agent).await {
                tokio::time::sleep(SCAN).await;
                continue;
            }
            if !self.may_try_now(&tenant, &agent).await {
                continue;
            }
            let outcome = {
                let _place = self.readers.acquire().await;
                self.read(&tenant, &agent, &mut opened).await
            };
            match outcome {
                Ok(()) => {
                    if let Some(opened) = opened.as_ref().filter(|_| Instant::now() >= compare_at) {
                        compare_at = Instant::now() + self.schedule.completeness_interval;
                        self.close_gaps(&tenant, &agent, opened).await;
                    }
                    self.wait(&tenant, &agent, opened.as_ref(), &mut folders).await;
                }
                Err(ReadError::Provider(error)) => {
                    // The health says when the next try is. The source stays: it knows which messages the server failed to give out
                    // before, and how much it can be asked for at once. Broken connections it replaces by itself.
                    tracing::warn!(agent = %agent.id, error = %error_chain(&error), "reading the mailbox failed");
                    folders.clear();
                }
                Err(ReadError::Service(error)) if error.kind == Kind::Stale => {
                    tracing::debug!(agent = %agent.id, "another reader was faster, or the agent was changed");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(ReadError::Service(error)) => {
                    tracing::warn!(agent = %agent.id, error = error.chain(), "handling a mailbox's messages failed");
                    tokio::time::sleep(Duration::from_secs(2)).await;
                }
            }
        }
    }

    async fn read(&self, tenant: &str, agent: &Agent, kept: &mut Option<Opened>) -> Result<(), ReadError> {
        let opened = match kept {
            Some(opened) => opened.clone(),
            None => kept.insert(mailbox::open(&self.ops, tenant, agent).await?).clone(),
        };
        let began = Instant::now();
        let result = mailbox::read(&self.ops, tenant, agent, &opened, &mut |_| {}).await;
        let fault = result.as_ref().err().map(|error| match error {
            ReadError::Provider(_) => "provider",
            ReadError::Service(_) => "service",
        });
        self.ops.metrics.mailbox_activated(fault, began.elapsed());
        let progress = result?;
        if progress.handled > 0 {
            tracing::info!(
                agent = %agent.id,
                handled = progress.handled,
                matched = progress.matched,
                archived = progress.archived,
                "read the mailbox"
            );
        }
        Ok(())
    }

    /// Compares the mailbox with what was handled and archived, and closes the gaps. What fails is tried the next time; the health says why.
    async fn close_gaps(&self, tenant: &str, agent: &Agent, opened: &Opened) {
        let _place = self.readers.acquire().await;
        match completeness::backfill(&self.ops, tenant, agent, Ok(opened.clone()), &mut |_| {}).await {
            Ok(filling) if filling.closed > 0 => {
                tracing::warn!(agent = %agent.id, closed = filling.closed, left = filling.left, "messages were missing and are there now");
            }
            Ok(filling) => tracing::debug!(agent = %agent.id, left = filling.left, "the mailbox was compared"),
            Err(error) => tracing::warn!(agent = %agent.id, error = %error_chain(&error), "comparing the mailbox failed"),
        }
    }

    /// Waits for the time that the health names. Returns false when that wait ends and things must be looked at anew.
    async fn may_try_now(&self, tenant: &str, agent: &Agent) -> bool {
        let health = self.ops.store.tenant(tenant).agent_health(std::slice::from_ref(&agent.id)).await;
        let health = match health {
            Ok(mut health) => health.pop().unwrap_or_default(),
            Err(error) => {
                tracing::warn!(agent = %agent.id, error = error.chain(), "reading an agent's health failed");
                tokio::time::sleep(Duration::from_secs(2)).await;
                return false;
            }
        };
        if health.state == HealthState::AuthenticationRequired {
            // Only a person can help, here or at another replica. Changing the agent ends this task and starts another.
            let _ = tokio::time::timeout(SCAN, self.news.notified()).await;
            return false;
        }
        match health.retry_at {
            Some(at) if at > self.ops.now() => {
                tokio::time::sleep(at.since(self.ops.now()).min(SCAN)).await;
                false
            }
            _ => true,
        }
    }

    async fn wait(&self, tenant: &str, agent: &Agent, opened: Option<&Opened>, folders: &mut Vec<Folder>) {
        let poll = self.schedule.poll_interval;
        let Some(opened) = opened.filter(|_| self.schedule.push) else {
            return tokio::time::sleep(poll).await;
        };
        let source = &opened.mailbox;
        let (began, since) = (Instant::now(), self.ops.now());
        let waited = async {
            if folders.is_empty() {
                *folders = source.folders().await?;
                // What people file arrived in the inbox before, as a rule: the polls find the rest.
                folders.retain(|folder| match folder.role {
                    FolderRole::Inbox => true,
                    FolderRole::Sent => agent.settings.exchange.archive,
                    FolderRole::Other => false,
                });
            }
            source.wait(folders, poll).await
        };
        if let Err(error) = waited.await {
            if error.class == ErrorClass::LoginRequired {
                // Every further try could lock the account, this agent's and those of others who use it.
                return self.stop_trying(tenant, agent, opened, (since, error)).await;
            }
            // Push is a comfort: without it the mailbox is polled.
            tracing::debug!(agent = %agent.id, error = %error_chain(&error), "the server does not push");
            tokio::time::sleep(poll.saturating_sub(began.elapsed())).await;
        }
    }

    /// Writes down that the login is refused.
    async fn stop_trying(&self, tenant: &str, agent: &Agent, opened: &Opened, (since, refused): (Timestamp, ProviderError)) {
        let subject = Subject {
            agent,
            account: opened.account.as_ref(),
            since,
        };
        let fault = ReadError::Provider(refused);
        if let Err(error) = health::record(&self.ops, tenant, subject, Tried::Read, Some(&fault)).await {
            tracing::warn!(agent = %agent.id, error = error.chain(), "writing down a refused login failed");
        }
    }

    /// Takes the mailbox, or makes sure that it is still this replica's. Who is robbed of it while reading finds the folder's position
    /// moved, and comes back here.
    async fn lease(&self, tenant: &str, agent: &Agent) -> bool {
        let Some(holder) = &self.schedule.holder else { return true };
        let now = self.ops.now();
        let taken = self.ops.store.lease_mailbox(tenant, &agent.id, holder, now, now.after(LEASE)).await;
        taken.unwrap_or_else(|error| {
            tracing::warn!(agent = %agent.id, error = error.chain(), "taking a mailbox failed");
            false
        })
    }

    /// Wakes the mailboxes that other replicas were called about.
    async fn wake_called(&self) {
        let Some(holder) = &self.schedule.holder else { return };
        match self.ops.store.woken_mailboxes(holder).await {
            Ok(woken) => {
                for (agent, renew) in woken {
                    self.ops.wakers.wake(&agent, renew);
                }
            }
            Err(error) => tracing::warn!(error = error.chain(), "looking for what other replicas were told failed"),
        }
    }

    /// Prolongs all leases of this replica at once.
    async fn prolong_leases(&self) {
        let Some(holder) = &self.schedule.holder else { return };
        if let Err(error) = self.ops.store.prolong_leases(holder, self.ops.now().after(LEASE)).await {
            tracing::warn!(error = error.chain(), "prolonging the leases failed");
        }
    }
}
