//! The agent that sends for a user when none is named.

use super::{Agent, rules::absent};
use crate::{
    domain::{AgentId, AuditAction, Caller, Detail, Error, Kind, Reason, Result, Scope, UserId},
    ops::{Ops, audit::Changes},
    store::{Writer, retrying},
};

/// Returns the id of a user's default agent; `None` when there is none.
///
/// # Errors
/// See `AgentService.GetDefaultAgent`.
pub async fn default_of(ops: &Ops, caller: &Caller, user: &UserId) -> Result<Option<AgentId>> {
    may(caller, user, &[Scope::AgentRead, Scope::AgentUse, Scope::AgentWrite])?;
    let reader = ops.store.tenant(&caller.tenant);
    if reader.user(user).await?.is_none() {
        return Err(Error::not_found(user.name()));
    }
    reader.default_agent(user).await
}

/// Makes an agent the default of a user; `None` leaves the user without one.
///
/// # Errors
/// See `AgentService.SetDefaultAgent`.
pub async fn set_default(ops: &Ops, caller: &Caller, user: &UserId, agent: Option<&AgentId>) -> Result<()> {
    may(caller, user, &[Scope::AgentUse, Scope::AgentWrite])?;
    retrying(|| async {
        let mut writer = ops.store.begin_alone(&caller.tenant).await?;
        if writer.user(user).await?.is_none() {
            let remedy = "Choose a user in the directory, or add this one first.";
            return Err(absent("default_agent.name", user.name(), remedy));
        }
        if let Some(id) = agent {
            let found = Agent::visible(caller, writer.agent(id).await?, id);
            let found = found.map_err(|_| absent("default_agent.agent", id.name(), "Choose another agent."))?;
            if found.owner_user != *user {
                return Err(of_another_user(&found, user));
            }
        }
        let before = writer.default_agent(user).await?;
        writer.set_default_agent(user, agent).await?;
        changes(user, before.as_ref(), agent).record(ops, &mut writer, caller).await?;
        writer.commit().await
    })
    .await
}

/// Leaves the user whose default this agent is without one.
pub(super) async fn clear(ops: &Ops, writer: &mut Writer, caller: &Caller, agent: &AgentId) -> Result<()> {
    match writer.clear_default_agent(agent).await? {
        Some(user) => changes(&user, Some(agent), None).record(ops, writer, caller).await,
        None => Ok(()),
    }
}

/// Whether the caller may deal with this user's default agent: with any of `own` if it is their own.
fn may(caller: &Caller, user: &UserId, own: &[Scope]) -> Result<()> {
    if *user == caller.user {
        caller.need_any(own)
    } else {
        caller.need(Scope::AgentWrite)
    }
}

/// What the audit log says about a change of a user's default agent.
fn changes(user: &UserId, before: Option<&AgentId>, after: Option<&AgentId>) -> Changes {
    let name = |agent: Option<&AgentId>| agent.map_or_else(String::new, AgentId::name);
    Changes::new(AuditAction::Updated, format!("users/{user}/defaultAgent")).value("agent", name(before), name(after))
}

fn of_another_user(agent: &Agent, user: &UserId) -> Error {
    let resource = agent.id.name();
    let text = format!("{resource} belongs to another user, so users/{user} cannot send through it. Choose one of their own agents.");
    Error::new(Kind::Precondition, Reason::AgentOfAnotherUser, text)
        .with(Detail::Resource, resource)
        .with(Detail::User, user.name())
}
