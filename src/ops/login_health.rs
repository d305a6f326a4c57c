//! Whether an agent has a login to try, and what its health is when that changes.

use std::collections::HashMap;

use super::Ops;
use crate::{
    domain::{
        Agent, AgentFilter, AgentHealth, AgentId, AgentKind, AuthenticationMethod, HealthState, Login, LoginChange, LoginSource,
        LoginState, MaintenanceAccount, Result, SmtpAuthentication, TenantChoices, TenantId, Timestamp, consent_domain,
    },
    store::{Writer, retrying},
};

/// Agents that one transaction looks at.
const STRETCH: u64 = 200;

/// What decides whether an agent has a login to try.
#[derive(Clone, Copy, Debug)]
pub(in crate::ops) struct Basis<'a> {
    /// The maintenance account that it connects through.
    pub account: Option<&'a MaintenanceAccount>,
    /// The login by OAuth that opens its mailbox.
    pub login: Option<&'a Login>,
    /// The tenant's authentication method.
    pub method: AuthenticationMethod,
}

/// Why there is no login to try, and what to do about it; `None` when there is one.
pub(in crate::ops) fn missing(agent: &Agent, basis: Basis<'_>) -> Option<String> {
    let Basis { account, login, method } = basis;
    let method = agent.settings.method(method);
    let by_oauth = |nobody: &str| match login {
        None => Some(nobody.to_owned()),
        Some(login) if login.state == LoginState::Active => None,
        Some(login) => Some(login.problem.clone()),
    };
    let nobody = "Nobody has logged in to this mailbox yet.";
    let through_account = agent.settings.uses_maintenance_account();
    if through_account && account.is_none() {
        return Some("Its maintenance account does not exist. Set exchange.maintenance_account of this agent.".to_owned());
    }
    match (agent.settings.kind, method) {
        (AgentKind::Smtp, _) => match agent.settings.smtp.effective_authentication() {
            SmtpAuthentication::None => None,
            SmtpAuthentication::Password => {
                (!agent.password_set).then(|| "No password is stored. Set smtp.password of this agent.".to_owned())
            }
            SmtpAuthentication::Oauth => by_oauth(nobody),
        },
        (AgentKind::ExchangeGraph, AuthenticationMethod::Basic) => Some(
            "Microsoft Graph accepts only modern authentication, and the tenant's authentication method is BASIC. Have an administrator \
             set it to MODERN, set exchange.authentication_method of this agent to MODERN, or change its kind."
                .to_owned(),
        ),
        (AgentKind::ExchangeGraph, AuthenticationMethod::Modern) if through_account => {
            let domain = consent_domain(agent.mailbox_address());
            by_oauth(&format!(
                "No administrator of {domain} has consented to this service opening its mailboxes."
            ))
        }
        (AgentKind::ExchangeGraph, AuthenticationMethod::Modern) => by_oauth(nobody),
        (AgentKind::ExchangeEws, AuthenticationMethod::Modern) => match account {
            Some(account) if !account.problem.is_empty() => Some(account.problem.clone()),
            Some(account) => {
                let name = &account.settings.display_name;
                by_oauth(&format!("Nobody has logged in to the maintenance account {name} yet."))
            }
            None => by_oauth(&format!("{nobody} It uses modern authentication, so passwords are not used.")),
        },
        (AgentKind::ExchangeEws, AuthenticationMethod::Basic) => missing_password(agent, account),
    }
}

fn missing_password(agent: &Agent, account: Option<&MaintenanceAccount>) -> Option<String> {
    let Some(account) = account else {
        if agent.settings.exchange.username.is_empty() {
            return Some("No login is stored. Set exchange.username and exchange.password of this agent.".to_owned());
        }
        return (!agent.password_set).then(|| "No password is stored. Set exchange.password of this agent.".to_owned());
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
pub(in crate::ops) fn fresh_health(before: &AgentHealth, missing: Option<String>, now: Timestamp) -> AgentHealth {
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

/// Gives the agents that a change touches the health that follows from their logins as they are now: the first of them in this
/// transaction, the others afterwards, by [`review_change`], so that no change holds the database for long. Whoever commits wakes
/// `Ops::logins_changed`.
pub(in crate::ops) async fn reassess(writer: &mut Writer, change: &LoginChange, choices: &TenantChoices, now: Timestamp) -> Result<()> {
    reassess_behind(writer, change, String::new(), choices, now).await.map(drop)
}

/// Reviews the next agents that wait for what follows from a change, and returns how many were looked at; 0 when none is left.
pub async fn review_change(ops: &Ops, tenant: &TenantId, change: &LoginChange) -> Result<u64> {
    let looked_at = retrying(|| async {
        let mut writer = ops.store.begin_alone(tenant).await?;
        let Some(after) = writer.agent_review(change).await? else {
            return Ok(0);
        };
        let choices = writer.settings().await?.choices;
        let looked_at = reassess_behind(&mut writer, change, after, &choices, ops.now()).await?;
        writer.commit().await?;
        Ok(looked_at)
    });
    let looked_at = looked_at.await?;
    ops.agents_changed.notify_one();
    Ok(looked_at)
}

async fn reassess_behind(writer: &mut Writer, change: &LoginChange, after: String, choices: &TenantChoices, now: Timestamp) -> Result<u64> {
    let filter = match change {
        LoginChange::Login(LoginSource::Agent(id)) => {
            let agent = writer.agent(id).await?;
            reassess_all(writer, agent.as_slice(), choices, now).await?;
            return Ok(u64::from(agent.is_some()));
        }
        LoginChange::Account(id) | LoginChange::Login(LoginSource::MaintenanceAccount(id)) => AgentFilter::through(id),
        LoginChange::Login(LoginSource::AdminConsent(_)) => AgentFilter {
            kind: Some(AgentKind::ExchangeGraph),
            ..AgentFilter::default()
        },
        LoginChange::Method => AgentFilter::default(),
    };
    let mut agents = writer.agents(&after, &filter, STRETCH).await?;
    let looked_at = agents.len() as u64;
    let next = agents.last().filter(|_| looked_at == STRETCH).map(|agent| agent.id.clone());
    agents.retain(|agent| match change {
        LoginChange::Login(source) => LoginSource::of(agent, choices.authentication_method).as_ref() == Some(source),
        // These have logins of their own, which no account and no method changes.
        LoginChange::Account(_) | LoginChange::Method => agent.settings.kind != AgentKind::Smtp,
    });
    reassess_all(writer, &agents, choices, now).await?;
    writer.set_agent_review(change, next.as_ref().map(AgentId::as_str)).await?;
    Ok(looked_at)
}

async fn reassess_all(writer: &mut Writer, agents: &[Agent], choices: &TenantChoices, now: Timestamp) -> Result<()> {
    let method = choices.authentication_method;
    let ids: Vec<AgentId> = agents.iter().map(|agent| agent.id.clone()).collect();
    let health = writer.agent_health(&ids).await?;
    let mut sources: Vec<LoginSource> = agents.iter().filter_map(|agent| LoginSource::of(agent, method)).collect();
    sources.sort_unstable();
    sources.dedup();
    let logins = writer.logins(&sources).await?;
    let mut accounts = HashMap::new();
    for (agent, before) in agents.iter().zip(&health) {
        let id = &agent.settings.exchange.maintenance_account;
        if !accounts.contains_key(id) {
            accounts.insert(id.clone(), writer.account_of(agent).await?);
        }
        let source = LoginSource::of(agent, method);
        let basis = Basis {
            account: accounts.get(id).and_then(Option::as_ref),
            login: logins.iter().find(|login| Some(&login.source) == source.as_ref()),
            method,
        };
        let fresh = fresh_health(before, missing(agent, basis), now);
        if fresh.state != before.state || fresh.problem != before.problem || before.retry_at.is_some() {
            writer.set_agent_health(&agent.id, &fresh).await?;
        }
    }
    Ok(())
}

/// Writes down what an agent's login lacks now, if it lacks anything that its health does not tell already.
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

/// As [`missing`], with everything as it is now.
pub(in crate::ops) async fn missing_now(writer: &Writer, agent: &Agent, choices: &TenantChoices) -> Result<Option<String>> {
    let account = writer.account_of(agent).await?;
    let login = writer.login_of(agent, choices.authentication_method).await?;
    let basis = Basis {
        account: account.as_ref(),
        login: login.as_ref(),
        method: choices.authentication_method,
    };
    Ok(missing(agent, basis))
}
