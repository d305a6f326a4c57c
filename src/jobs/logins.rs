//! Keeps logins: renews access tokens before they end, reports logins and secrets that end, gives agents the health that follows, and
//! tells providers of logins that were given up.
//!
//! All replicas do it at the same time. Renewing takes a login's lease, telling is written down with what is told: each happens once.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};

use super::driver::Job;
use crate::{
    domain::{Result, Timestamp},
    ops::{
        Ops,
        login::{notify, tokens},
        login_health,
    },
};

/// What is looked at in one round.
const ROUND: u64 = 200;
/// Providers' calls under way at once.
const AT_ONCE: usize = 8;
/// How often the operator's secrets are looked at.
const SECRETS: Duration = Duration::from_mins(1);

/// The job.
pub(crate) struct Logins {
    ops: Ops,
    interval: Duration,
    /// When the operator's secrets were last looked at, by provider.
    secrets_seen: HashMap<String, Timestamp>,
}

impl Logins {
    /// With this interval.
    pub fn new(ops: Ops, interval: Duration) -> Self {
        Self {
            ops,
            interval,
            secrets_seen: HashMap::new(),
        }
    }
}

impl Job for Logins {
    const NAME: &'static str = "logins";

    fn interval(&self) -> Duration {
        self.interval
    }

    async fn woken(&self) {
        self.ops.logins_changed.notified().await;
    }

    async fn activate(&mut self) -> Result<u64> {
        let ops = &self.ops;
        // Each by itself: what fails in one must not keep the others back.
        let rounds = [
            ("renewing logins", renew(ops).await),
            ("reporting on logins", tell_of_logins(ops).await),
            ("reviewing agents", review_agents(ops).await),
            ("reporting on secrets", tell_of_secrets(ops, &mut self.secrets_seen).await),
            ("notifying providers", tell_providers(ops).await),
            ("deleting attempts", ops.store.drop_attempts(ops.now()).await),
        ];
        let (mut all, mut failed) = (0, None);
        for (what, result) in rounds {
            match result {
                Ok(done) => all += done,
                Err(error) => {
                    tracing::warn!(what, error = error.chain(), "maintaining logins failed");
                    failed.get_or_insert(error);
                }
            }
        }
        failed.map_or(Ok(all), Err)
    }
}

async fn renew(ops: &Ops) -> Result<u64> {
    let due = ops.store.logins_to_renew(ops.now(), ROUND).await?;
    let count = due.len() as u64;
    let mut renewals = stream::iter(due)
        .map(|(tenant, login)| async move { tokens::renew(ops, &tenant, login).await })
        .buffer_unordered(AT_ONCE);
    while let Some(renewed) = renewals.next().await {
        if let Err(error) = renewed {
            tracing::warn!(error = error.chain(), "renewing a login failed");
        }
    }
    Ok(count)
}

/// Gives agents the health that follows from changes of their logins, in stretches, so that others write meanwhile. A change that fails is
/// left to the next round, and keeps no other back.
async fn review_agents(ops: &Ops) -> Result<u64> {
    let (mut all, mut failed) = (0, HashSet::new());
    loop {
        let mut due = ops.store.agent_reviews(ROUND).await?;
        due.retain(|review| !failed.contains(review));
        if due.is_empty() {
            return Ok(all);
        }
        for (tenant, change) in due {
            let began = Instant::now();
            match login_health::review_change(ops, &tenant, &change).await {
                Ok(looked_at) => all += looked_at,
                Err(error) => {
                    tracing::warn!(tenant = tenant.as_str(), %change, error = error.chain(), "reviewing the agents of a login failed");
                    failed.insert((tenant, change));
                }
            }
            tokio::time::sleep(began.elapsed()).await;
        }
    }
}

async fn tell_of_logins(ops: &Ops) -> Result<u64> {
    let due = ops.store.logins_to_tell(ops.now(), ROUND).await?;
    for (tenant, login) in &due {
        notify::notify(ops, tenant, &login.source).await?;
    }
    Ok(due.len() as u64)
}

/// Secrets end by the day, so they are looked at now and then; at once when the clock has moved on.
async fn tell_of_secrets(ops: &Ops, seen: &mut HashMap<String, Timestamp>) -> Result<u64> {
    let (now, mut looked_at) = (ops.now(), 0);
    for provider in ops.logins.providers.iter() {
        if seen.get(provider.name()).is_some_and(|seen| now.since(*seen) < SECRETS) {
            continue;
        }
        notify::notify_of_secret(ops, provider).await?;
        seen.insert(provider.name().to_owned(), now);
        looked_at += 1;
    }
    Ok(looked_at)
}

async fn tell_providers(ops: &Ops) -> Result<u64> {
    let due = ops.store.revocations(ops.now(), ROUND).await?;
    for revocation in &due {
        notify::notify_provider(ops, revocation).await?;
    }
    Ok(due.len() as u64)
}
