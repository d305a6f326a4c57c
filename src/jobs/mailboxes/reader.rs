//! One mailbox: when it is read, compared, and waited for.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::{GRACE, LEASE, SCAN, Schedule, Share};
use crate::{
    domain::{Agent, HealthState, Kind, TenantId, Timestamp, error_chain},
    net::{ErrorClass, ProviderError},
    ops::{
        Ops,
        mailbox::{
            self, MailboxWork, Opened, Pulse, ReadError, Reading, ReadingSlots, completeness,
            health::{self, AccessKind, AccessResult, HealthSubject},
        },
    },
    provider::FolderRole,
    store::{LeaseKey, LeaseTerms},
};

/// Reads mailboxes.
#[derive(Clone)]
pub(super) struct Reader {
    pub ops: Ops,
    pub schedule: Arc<Schedule>,
    pub places: Arc<ReadingSlots>,
    /// Tells that agents or logins changed here, or that mailboxes may be free.
    pub news: Arc<Notify>,
    /// How many mailboxes are this replica's part.
    pub share: Arc<Share>,
}

impl Reader {
    /// Reads a mailbox until it is dropped. The pulse shows whether that moves.
    pub(super) async fn keep_reading(&self, tenant: TenantId, agent: Agent, pulse: Arc<Pulse>) {
        let mut opened: Option<Opened> = None;
        // Spread, so that a start does not compare all mailboxes at once.
        let mut compare_at = Instant::now() + self.schedule.completeness_interval.mul_f64(fastrand::f64());
        loop {
            pulse.main.work();
            if self.schedule.holder.is_some() && pulse.stuck_for().is_some() {
                // Another replica may do better, once the lease has ended, which nobody prolongs meanwhile.
                tokio::time::sleep(LEASE + 2 * SCAN).await;
                pulse.recovered();
            }
            pulse.main.work();
            if !self.lease(&tenant, &agent, &pulse).await {
                pulse.main.work();
                let _ = tokio::time::timeout(SCAN, self.news.notified()).await;
                continue;
            }
            pulse.main.work();
            if !self.may_try_now(&tenant, &agent).await {
                continue;
            }
            pulse.main.work();
            match Box::pin(self.read(&tenant, &agent, &mut opened, &pulse)).await {
                Ok(()) => {
                    pulse.recovered();
                    if let Some(opened) = opened.as_ref().filter(|_| Instant::now() >= compare_at) {
                        compare_at = Instant::now() + self.schedule.completeness_interval;
                        Box::pin(self.close_gaps(&tenant, &agent, opened)).await;
                    }
                    self.wait(&tenant, &agent, opened.as_ref()).await;
                }
                Err(ReadError::Provider(error)) => {
                    pulse.recovered();
                    // The health says when the next try is. The source stays: it knows which messages the server failed to give out
                    // before, and how much it can be asked for at once. Broken connections it replaces by itself.
                    tracing::warn!(agent = %agent.id, error = %error_chain(&error), "reading the mailbox failed");
                }
                Err(ReadError::Service(error)) if error.kind == Kind::Stale => {
                    tracing::debug!(agent = %agent.id, "another reader was faster, or the agent was changed");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(ReadError::Service(error)) => {
                    pulse.failed();
                    tracing::warn!(agent = %agent.id, error = error.chain(), "handling a mailbox's messages failed");
                    tokio::time::sleep(Duration::from_secs(2)).await;
                }
            }
        }
    }

    async fn read(&self, tenant: &TenantId, agent: &Agent, kept: &mut Option<Opened>, pulse: &Arc<Pulse>) -> Result<(), ReadError> {
        let opened = match kept {
            Some(opened) => opened.clone(),
            None => kept.insert(mailbox::open(&self.ops, tenant, agent, pulse.clone()).await?).clone(),
        };
        let began = Instant::now();
        let work = MailboxWork {
            ops: &self.ops,
            tenant,
            agent,
            opened: &opened,
        };
        let result = mailbox::read(work, Reading::News(&self.places), &mut |_| {}).await;
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
    async fn close_gaps(&self, tenant: &TenantId, agent: &Agent, opened: &Opened) {
        let work = MailboxWork {
            ops: &self.ops,
            tenant,
            agent,
            opened,
        };
        let mut report = |_| {};
        let comparing = async {
            opened.pulse.main.rest();
            let _place = self.places.other().await;
            opened.pulse.main.work();
            completeness::backfill(&self.ops, tenant, agent, Ok(opened.clone()), &mut report).await
        };
        match mailbox::beside_inbox(work, &self.places, Box::pin(comparing)).await {
            Ok(filling) if filling.closed > 0 => {
                tracing::warn!(agent = %agent.id, closed = filling.closed, left = filling.left, "fetched messages that were missing");
            }
            Ok(filling) => tracing::debug!(agent = %agent.id, left = filling.left, "the mailbox was compared"),
            Err(error) => tracing::warn!(agent = %agent.id, error = %error_chain(&error), "comparing the mailbox failed"),
        }
    }

    /// Waits for the time that the health names. Returns false when that wait ends and things must be checked again.
    async fn may_try_now(&self, tenant: &TenantId, agent: &Agent) -> bool {
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
            // One of single folders has no failures: the rest does not wait for it.
            Some(at) if health.failures > 0 && at > self.ops.now() => {
                tokio::time::sleep(at.since(self.ops.now()).min(SCAN)).await;
                false
            }
            _ => true,
        }
    }

    async fn wait(&self, tenant: &TenantId, agent: &Agent, opened: Option<&Opened>) {
        let poll = self.schedule.poll_interval;
        let Some(opened) = opened else { return };
        // Whatever comes, it is over by then.
        opened.pulse.main.wait(poll * 2);
        if !self.schedule.push {
            return tokio::time::sleep(poll).await;
        }
        let (began, since) = (Instant::now(), self.ops.now());
        // What people file arrived in the inbox before, as a rule: the polls find the rest.
        let mut folders = opened.memory.usual();
        folders.retain(|folder| folder.role == FolderRole::Inbox || agent.settings.exchange.archive);
        if let Err(error) = opened.mailbox.wait(&folders, poll).await {
            if error.class == ErrorClass::LoginRequired {
                // Every further try could lock the account, this agent's and those of others who use it.
                return self.stop_trying(tenant, agent, opened, (since, error)).await;
            }
            // Push is a comfort: without it the mailbox is polled.
            tracing::debug!(agent = %agent.id, error = %error_chain(&error), "the server does not push");
            opened.pulse.main.wait(poll);
            tokio::time::sleep(poll.saturating_sub(began.elapsed())).await;
        }
    }

    /// Writes down that the login is refused.
    async fn stop_trying(&self, tenant: &TenantId, agent: &Agent, opened: &Opened, (since, refused): (Timestamp, ProviderError)) {
        let subject = HealthSubject {
            agent,
            account: opened.account.as_ref(),
            since,
        };
        let fault = ReadError::Provider(refused);
        if let Err(error) = health::record(&self.ops, tenant, subject, AccessKind::Read, AccessResult::Failed(&fault)).await {
            tracing::warn!(agent = %agent.id, error = error.chain(), "recording a rejected login failed");
        }
    }

    /// Takes the mailbox, or makes sure that it is still this replica's. Who is robbed of it while reading finds the folder's position
    /// moved, and comes back here.
    async fn lease(&self, tenant: &TenantId, agent: &Agent, pulse: &Pulse) -> bool {
        let Some(holder) = &self.schedule.holder else { return true };
        let terms = LeaseTerms {
            holder,
            span: LEASE,
            grace: if self.share.is_met() { GRACE } else { Duration::ZERO },
        };
        let taken = self.ops.store.take_lease(LeaseKey::mailbox(tenant, &agent.id), terms).await;
        let fence = taken.unwrap_or_else(|error| {
            tracing::warn!(agent = %agent.id, error = error.chain(), "taking over a mailbox failed");
            None
        });
        if fence.is_some() && !pulse.has_lease() {
            self.share.held.fetch_add(1, Ordering::Relaxed);
        }
        pulse.leased(fence);
        fence.is_some()
    }
}
