//! Keeps logins: renews access tokens before they end, tells of logins and secrets that end, and tells providers of those that were given up.
//!
//! All replicas do it at the same time. Renewing takes a login's lease, telling is written down with what is told: each happens once.

use std::{collections::HashMap, time::Duration};

use futures::{StreamExt, stream};

use crate::{
    domain::Result,
    ops::{
        Ops,
        login::{tell, tokens},
    },
};

/// What is looked at in one round.
const ROUND: u64 = 200;
/// Providers' calls under way at once.
const AT_ONCE: usize = 8;
/// How often the operator's secrets are looked at.
const SECRETS: Duration = Duration::from_secs(60);

/// Runs until the service stops.
///
/// # Errors
/// None: what fails is logged and made up for by the next round.
pub async fn run(ops: Ops, interval: Duration) -> Result<()> {
    let mut secrets_seen = HashMap::new();
    while !ops.stopping.is_cancelled() {
        // Each by itself: what fails in one must not keep the others back.
        let rounds = [
            ("renewing logins", renew(&ops).await),
            ("telling of logins", tell_of_logins(&ops).await),
            ("telling of secrets", tell_of_secrets(&ops, &mut secrets_seen).await),
            ("telling providers", tell_providers(&ops).await),
            ("forgetting attempts", ops.store.drop_attempts(ops.now()).await),
        ];
        for (what, result) in rounds {
            if let Err(error) = result {
                tracing::warn!(what, error = error.chain(), "keeping logins failed");
            }
        }
        tokio::select! {
            () = ops.logins_changed.notified() => {}
            () = tokio::time::sleep(interval) => {}
            () = ops.stopping.cancelled() => {}
        }
    }
    Ok(())
}

async fn renew(ops: &Ops) -> Result<()> {
    let due = ops.store.logins_to_renew(ops.now(), ROUND).await?;
    let mut renewals = stream::iter(due)
        .map(|(tenant, login)| async move { tokens::renew(ops, &tenant, login).await })
        .buffer_unordered(AT_ONCE);
    while let Some(renewed) = renewals.next().await {
        if let Err(error) = renewed {
            tracing::warn!(error = error.chain(), "renewing a login failed");
        }
    }
    Ok(())
}

async fn tell_of_logins(ops: &Ops) -> Result<()> {
    for (tenant, login) in ops.store.logins_to_tell(ops.now(), ROUND).await? {
        tell::tell(ops, &tenant, &login.source).await?;
    }
    Ok(())
}

/// Secrets end by the day, so they are looked at now and then; at once when the clock has moved on.
async fn tell_of_secrets(ops: &Ops, seen: &mut HashMap<String, crate::domain::Timestamp>) -> Result<()> {
    let now = ops.now();
    for provider in ops.logins.providers.iter() {
        if seen.get(provider.name()).is_some_and(|seen| now.since(*seen) < SECRETS) {
            continue;
        }
        tell::tell_of_secret(ops, provider).await?;
        seen.insert(provider.name().to_owned(), now);
    }
    Ok(())
}

async fn tell_providers(ops: &Ops) -> Result<()> {
    for revocation in ops.store.revocations(ops.now(), ROUND).await? {
        tell::tell_provider(ops, &revocation).await?;
    }
    Ok(())
}
