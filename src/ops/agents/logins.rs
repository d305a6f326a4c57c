//! Whether an agent has a login to try, and what its health is when that changes.

use std::collections::HashMap;

use crate::{
    domain::{
        Agent, AgentHealth, AgentKind, AuthenticationMethod, HealthState, MaintenanceAccount, Result, SmtpAuthentication, TenantChoices,
        Timestamp,
    },
    store::{AgentFilter, Writer},
};

/// Agents that are looked at at once.
const PAGE: u64 = 500;

/// Why there is no login to try, and what to do about it; `None` when there is one.
pub(in crate::ops) fn missing(agent: &Agent, account: Option<&MaintenanceAccount>, method: AuthenticationMethod) -> Option<String> {
    let nobody = "Nobody has logged in to this mailbox yet.";
    match agent.settings.kind {
        AgentKind::Smtp => match agent.settings.smtp.effective_authentication() {
            SmtpAuthentication::None => None,
            SmtpAuthentication::Password => {
                (!agent.password_set).then(|| "No password is stored. Set smtp.password of this agent.".to_owned())
            }
            SmtpAuthentication::Oauth => Some(nobody.to_owned()),
        },
        AgentKind::ExchangeGraph if method == AuthenticationMethod::Basic => Some(
            "Microsoft Graph takes modern authentication only, and the tenant's authentication method is BASIC. Have an administrator set it to \
             MODERN, or change the kind of this agent."
                .to_owned(),
        ),
        AgentKind::ExchangeGraph => Some(nobody.to_owned()),
        AgentKind::ExchangeEws if method == AuthenticationMethod::Modern => Some(format!(
            "{nobody} The tenant uses modern authentication, so passwords are not used."
        )),
        AgentKind::ExchangeEws if agent.settings.uses_maintenance_account() => missing_at(account),
        AgentKind::ExchangeEws if agent.settings.exchange.username.is_empty() => {
            Some("No login is stored. Set exchange.username and exchange.password of this agent.".to_owned())
        }
        AgentKind::ExchangeEws => (!agent.password_set).then(|| "No password is stored. Set exchange.password of this agent.".to_owned()),
    }
}

fn missing_at(account: Option<&MaintenanceAccount>) -> Option<String> {
    let Some(account) = account else {
        return Some("Its maintenance account does not exist. Set exchange.maintenance_account of this agent.".to_owned());
    };
    let name = &account.settings.display_name;
    if !account.password_set || account.settings.username.is_empty() {
        return Some(format!(
            "The maintenance account {name} has no login. Set its username and password."
        ));
    }
    (!account.problem.is_empty()).then(|| account.problem.clone())
}

/// The health of an agent whose login or settings changed: what was wrong may be right now, so the next try tells, unless there is no
/// login to try.
pub(super) fn fresh_health(before: &AgentHealth, missing: Option<String>, now: Timestamp) -> AgentHealth {
    match missing {
        None => before.without_trouble(),
        Some(problem) => AgentHealth {
            state: HealthState::AuthenticationRequired,
            problem_since: before.problem_since.filter(|_| before.problem == problem).or(Some(now)),
            problem,
            ..before.without_trouble()
        },
    }
}

/// Gives the agents that pass the health that follows from their logins as they are now. SMTP agents have logins of their own, which no
/// account and no method changes.
///
/// # Errors
/// As the database's.
pub(in crate::ops) async fn reassess(writer: &mut Writer, filter: &AgentFilter, choices: &TenantChoices, now: Timestamp) -> Result<()> {
    let mut after = String::new();
    let mut accounts = HashMap::new();
    loop {
        let agents = writer.agents(&after, filter, PAGE).await?;
        let Some(last) = agents.last() else { return Ok(()) };
        after.clone_from(&last.id);
        let ids: Vec<String> = agents.iter().map(|agent| agent.id.clone()).collect();
        let health = writer.agent_health(&ids).await?;
        for (agent, before) in agents.iter().zip(&health) {
            if agent.settings.kind == AgentKind::Smtp {
                continue;
            }
            let id = &agent.settings.exchange.maintenance_account;
            if !accounts.contains_key(id) {
                accounts.insert(id.clone(), writer.account_of(agent).await?);
            }
            let account = accounts.get(id).and_then(Option::as_ref);
            let missing = missing(agent, account, choices.authentication_method);
            let fresh = fresh_health(before, missing, now);
            if fresh.state != before.state || fresh.problem != before.problem || before.retry_at.is_some() {
                writer.set_agent_health(&agent.id, &fresh).await?;
            }
        }
    }
}

/// Writes down what an agent's login lacks now, if it lacks anything that its health does not tell already.
///
/// # Errors
/// As the database's.
pub(in crate::ops) async fn note_missing(writer: &mut Writer, agent: &Agent, choices: &TenantChoices, now: Timestamp) -> Result<()> {
    let Some(problem) = missing_now(writer, agent, choices).await? else {
        return Ok(());
    };
    let before = writer
        .agent_health(std::slice::from_ref(&agent.id))
        .await?
        .pop()
        .unwrap_or_default();
    if before.problem != problem {
        let health = fresh_health(&before, Some(problem), now);
        writer.set_agent_health(&agent.id, &health).await?;
    }
    Ok(())
}

/// As [`missing`], with the maintenance account as it is now.
///
/// # Errors
/// As the database's.
pub(in crate::ops) async fn missing_now(writer: &Writer, agent: &Agent, choices: &TenantChoices) -> Result<Option<String>> {
    let account = writer.account_of(agent).await?;
    Ok(missing(agent, account.as_ref(), choices.authentication_method))
}
