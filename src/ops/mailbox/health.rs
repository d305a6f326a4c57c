//! How agents' work goes, written down after each try.

use std::time::Duration;

use super::{
    error::{ReadError, wait_after},
    memory::FolderFault,
};
use crate::{
    domain::{Agent, AgentHealth, AgentKind, HealthState, LoginChange, MaintenanceAccount, Result, TenantId, Timestamp},
    net::{ErrorClass, ProviderError},
    ops::{Ops, login_health},
    store::retrying,
};

/// Folders that a health names.
const NAMED: usize = 5;
/// Writes down why a connection could not even be opened. An agent whose login was completed meanwhile is left to be tried.
pub(in crate::ops) async fn record_unopened(ops: &Ops, tenant: &TenantId, agent: &Agent, fault: &ReadError) -> Result<()> {
    if !matches!(fault, ReadError::Provider(fault) if fault.class == ErrorClass::LoginRequired) {
        let subject = HealthSubject {
            agent,
            account: None,
            since: ops.now(),
        };
        return record(ops, tenant, subject, AccessKind::Read, AccessResult::Failed(fault)).await;
    }
    retrying(|| async {
        let mut writer = ops.store.begin_alone(tenant).await?;
        if let Some(agent) = writer.agent(&agent.id).await? {
            let choices = writer.settings().await?.choices;
            login_health::note_missing(&mut writer, &agent, &choices, ops.now()).await?;
        }
        writer.commit().await
    })
    .await
}

/// Whose health is written down, and through which account the mailbox was opened.
#[derive(Clone, Copy, Debug)]
pub struct HealthSubject<'a> {
    /// The agent as it was when its connection was opened.
    pub agent: &'a Agent,
    /// The maintenance account, likewise.
    pub account: Option<&'a MaintenanceAccount>,
    /// When it began.
    pub since: Timestamp,
}

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessKind {
    /// To read the mailbox to its end.
    Read,
    /// To log in, and to open the inbox where there is one.
    Check,
}

/// How it went.
#[derive(Clone, Copy, Debug)]
pub enum AccessResult<'a> {
    /// Without a fault.
    Well,
    /// Without one of the mailbox; these folders could not be read.
    WithFolderFaults(&'a [FolderFault]),
    /// It ended early.
    Failed(&'a ReadError),
}

/// Writes down how it went. Faults of our own side say nothing about the mailbox, so they leave its health alone. So does what happened
/// with an agent or an account that was changed meanwhile: that is retried. A refused login of a maintenance account stops all agents
/// that connect through it.
pub async fn record(ops: &Ops, tenant: &TenantId, subject: HealthSubject<'_>, kind: AccessKind, result: AccessResult<'_>) -> Result<()> {
    let HealthSubject { agent, account, since } = subject;
    let (fault, folders) = match result {
        AccessResult::Well => (None, [].as_slice()),
        AccessResult::WithFolderFaults(folders) => (None, folders),
        AccessResult::Failed(ReadError::Provider(fault)) => (Some(fault), [].as_slice()),
        AccessResult::Failed(ReadError::Service(_)) => return Ok(()),
    };
    let refused = fault.filter(|fault| fault.class == ErrorClass::LoginRequired);
    if let (Some(account), Some(_)) = (account, refused) {
        ops.known_logins.forget(tenant, &account.id);
    }
    retrying(|| async {
        let mut writer = ops.store.begin_alone(tenant).await?;
        let Some(agent) = writer.agent(&agent.id).await?.filter(|now| now.version == agent.version) else {
            return Ok(());
        };
        if let Some(used) = account {
            let now = writer.maintenance_account(&used.id).await?;
            if now.is_none_or(|now| now.version != used.version) {
                return Ok(());
            }
        }
        let choices = writer.settings().await?.choices;
        let login = writer.login_of(&agent, choices.authentication_method).await?;
        if refused.is_some() && login.is_some_and(|login| login.made > since) {
            // Somebody logged in meanwhile.
            return Ok(());
        }
        let mut missing = login_health::missing_now(&writer, &agent, &choices).await?;
        // That of Graph is consents, one for each domain.
        let account = account.filter(|account| account.settings.kind == AgentKind::ExchangeEws);
        if let (Some(account), Some(fault), None) = (account, refused, &missing) {
            // The same password for each of its mailboxes would lock the account.
            let name = &account.settings.display_name;
            let problem = format!("The login of the maintenance account {name} was rejected. {}", fault.problem);
            writer.set_maintenance_problem(&account.id, account.version, &problem).await?;
            login_health::reassess(&mut writer, &LoginChange::Account(account.id.clone()), &choices, ops.now()).await?;
            missing = Some(problem);
        }
        let mut before = writer.agent_health(std::slice::from_ref(&agent.id)).await?;
        let before = before.pop().unwrap_or_default();
        let mut after = match missing {
            None => match folders {
                [] => health_after(&before, fault, ops.now(), ops.limits.max_backoff),
                [first, ..] => health_with(&before, (first, folders), ops.now()),
            },
            // Whatever came of it, the login is not to be used any more; the health says why.
            Some(_) => before.clone(),
        };
        if let Some(fault) = refused {
            after.server_reply.clone_from(&fault.server_reply);
        }
        if agent.settings.kind == AgentKind::Smtp {
            // There is nothing to read, so nothing is tried by itself.
            after.retry_at = None;
        } else if kind == AccessKind::Check {
            after.last_success = before.last_success;
        }
        writer.set_agent_health(&agent.id, &after).await?;
        writer.commit().await
    })
    .await?;
    if refused.is_some() {
        ops.logins_changed.notify_one();
    }
    Ok(())
}

/// The health that follows from how it went.
fn health_after(before: &AgentHealth, fault: Option<&ProviderError>, now: Timestamp, max_backoff: Duration) -> AgentHealth {
    let counts = before.without_trouble();
    let Some(fault) = fault else {
        return AgentHealth {
            last_success: Some(now),
            ..counts
        };
    };
    let state = match fault.class {
        ErrorClass::LoginRequired => HealthState::AuthenticationRequired,
        ErrorClass::Unreachable => HealthState::Unreachable,
        ErrorClass::Retry { .. } | ErrorClass::Refused | ErrorClass::TooLarge | ErrorClass::StateLost | ErrorClass::Malformed => {
            HealthState::Degraded
        }
    };
    let failures = before.failures.saturating_add(1);
    let wait = wait_after(fault.class, failures, max_backoff);
    AgentHealth {
        state,
        problem: fault.problem.clone(),
        server_reply: fault.server_reply.clone(),
        problem_since: before.problem_since.or(Some(now)),
        retry_at: wait.map(|wait| now.after(wait)),
        failures,
        ..counts
    }
}

/// The health of a mailbox that is read but for some folders. The mailbox as a whole has no failures, so nothing of it waits.
fn health_with(before: &AgentHealth, (first, folders): (&FolderFault, &[FolderFault]), now: Timestamp) -> AgentHealth {
    let mut names: Vec<String> = folders.iter().take(NAMED).map(|fault| format!("\"{}\"", fault.folder)).collect();
    if folders.len() > NAMED {
        names.push(format!("{} more", folders.len() - NAMED));
    }
    let (which, rest) = match folders.len() {
        1 => (
            "The folder",
            "cannot be read. It is retried automatically, and all other folders are read",
        ),
        _ => (
            "The folders",
            "cannot be read. They are retried automatically, and all other folders are read",
        ),
    };
    AgentHealth {
        state: HealthState::Degraded,
        problem: format!("{which} {} {rest}. {}", names.join(", "), first.problem),
        server_reply: first.server_reply.clone(),
        last_success: before.last_success,
        problem_since: before.problem_since.or(Some(now)),
        retry_at: folders.iter().map(|fault| fault.retry_at).min(),
        ..before.without_trouble()
    }
}

/// Writes down that the work on a mailbox does not move. Silence would look like well-being.
pub async fn record_stuck(ops: &Ops, tenant: &TenantId, agent: &Agent, span: Duration) -> Result<()> {
    // Not alone: what is stuck may have the tenant's lock.
    let mut writer = ops.store.begin(tenant).await?;
    let mut before = writer.agent_health(std::slice::from_ref(&agent.id)).await?;
    let before = before.pop().unwrap_or_default();
    let is_news = matches!(before.state, HealthState::Ok | HealthState::Degraded);
    if !is_news || writer.agent(&agent.id).await?.is_none_or(|now| now.version != agent.version) {
        return Ok(());
    }
    let now = ops.now();
    let after = AgentHealth {
        state: HealthState::Degraded,
        problem: format!(
            "The mailbox has not been read for {} s: the work on it is stuck within this service, usually because the database does not \
             respond. It is retried automatically, by another replica if there is one. If this persists, check the database and the log.",
            span.as_secs()
        ),
        problem_since: before.problem_since.or(Some(now.before(span))),
        ..before.without_trouble()
    };
    writer.set_agent_health(&agent.id, &after).await?;
    writer.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(class: ErrorClass) -> ProviderError {
        ProviderError::new(class, "problem")
    }

    #[test]
    fn health_follows_the_class_of_the_fault() {
        let now = Timestamp::from_seconds(1000);
        let max = Duration::from_mins(15);
        let check = |class, state, waits: Option<std::ops::Range<i64>>| {
            let health = health_after(&AgentHealth::default(), Some(&fault(class)), now, max);
            let wait = health.retry_at.map(|at| at.seconds() - 1000);
            assert_eq!(health.state, state, "{class:?}");
            assert_eq!(health.problem_since, Some(now), "{class:?}");
            assert_eq!(wait.is_some(), waits.is_some(), "{class:?}");
            assert!(
                waits.is_none_or(|waits| waits.contains(&wait.unwrap_or_default())),
                "{class:?}: {wait:?}"
            );
        };
        check(ErrorClass::LoginRequired, HealthState::AuthenticationRequired, None);
        check(ErrorClass::Unreachable, HealthState::Unreachable, Some(5..8));
        check(ErrorClass::Retry { after: None }, HealthState::Degraded, Some(5..8));
        check(
            ErrorClass::Retry {
                after: Some(Duration::from_secs(77)),
            },
            HealthState::Degraded,
            Some(77..78),
        );
        check(ErrorClass::Refused, HealthState::Degraded, Some(900..901));
        let well = health_after(
            &health_after(&AgentHealth::default(), Some(&fault(ErrorClass::Unreachable)), now, max),
            None,
            now,
            max,
        );
        assert_eq!(
            well,
            AgentHealth {
                last_success: Some(now),
                ..AgentHealth::default()
            }
        );
    }
}
