//! Checks of an agent's connection, stage by stage, when a person asks for one.

use std::{sync::Arc, time::Duration};

use super::{
    LockKey, Ops,
    mailbox::{
        self, ReadError,
        health::{self, AccessKind, AccessResult, HealthSubject},
    },
};
use crate::{
    domain::{Agent, AgentId, Caller, Detail, Error, Kind, Mailbox, MaintenanceAccount, Reason, Result, Scope, TenantId, User, domain_of},
    mime::{self, Draft},
    net::{ProviderError, Stage, StageKind, StageReport},
    provider::{MailSink, OutgoingMessage},
};

/// A check that is about to run. While it exists there is no other of the same agent in this process.
pub struct Check {
    tenant: TenantId,
    agent: Agent,
    account: Option<MaintenanceAccount>,
    sink: Result<Arc<dyn MailSink>, ProviderError>,
    test: Option<OutgoingMessage>,
    _turn: tokio::sync::OwnedMutexGuard<()>,
}

/// What a check does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// It connects and logs in.
    Login,
    /// It also sends a message to the caller's own address.
    TestMessage,
}

/// Prepares a check. Nothing is tried yet.
///
/// # Errors
/// See `AgentService.CheckAgent` and `TestAgent`.
pub async fn prepare(ops: &Ops, caller: &Caller, id: &AgentId, extent: Extent) -> Result<Check> {
    caller.need_any(&[Scope::AgentUse, Scope::AgentWrite])?;
    let reader = ops.store.tenant(&caller.tenant);
    let agent = Agent::visible(caller, reader.agent(id).await?, id)?;
    // A person who asks again and again must not lock the account.
    let turn = ops.locks.try_lock(&caller.tenant, LockKey::Check(id.to_owned()));
    let turn = turn.ok_or_else(|| under_way(id))?;
    let test = match extent {
        Extent::Login => None,
        Extent::TestMessage => Some(test_message(ops, caller, &agent, reader.user(&caller.user).await?)?),
    };
    let account = reader.account_of(&agent).await?;
    let sink = match mailbox::sink(ops, &caller.tenant, &agent, account.as_ref()).await {
        Ok(sink) => Ok(sink),
        Err(ReadError::Provider(fault)) => Err(fault),
        Err(ReadError::Service(error)) => return Err(error),
    };
    Ok(Check {
        tenant: caller.tenant.clone(),
        agent,
        account,
        sink,
        test,
        _turn: turn,
    })
}

impl Check {
    /// Address that the message goes to. Empty when none is sent.
    pub fn recipient(&self) -> &str {
        let recipients = self.test.as_ref().map(|test| &test.recipients);
        recipients.and_then(|recipients| recipients.first()).map_or("", String::as_str)
    }

    /// Goes through the stages, reports each as it ends, and writes down in the agent's health how it went. Dropped, it stops where it is.
    ///
    /// # Errors
    /// The database's, when all stages are over.
    pub async fn run(self, ops: &Ops, report: StageReport<'_>) -> Result<()> {
        let mut fault = None;
        let mut note = |stage: Stage| {
            if let Err(error) = &stage.outcome {
                // What is wrong with one message is not wrong with the agent.
                fault = (stage.kind != StageKind::Send).then(|| error.to_be_kept());
            }
            report(stage);
        };
        let since = ops.now();
        match self.sink {
            Ok(sink) => sink.check(self.test.as_ref(), &mut note).await,
            Err(missing) => {
                let fault = ReadError::Provider(missing.to_be_kept());
                note(Stage {
                    kind: StageKind::Authenticate,
                    took: Duration::ZERO,
                    outcome: Err(missing),
                });
                return health::record_unopened(ops, &self.tenant, &self.agent, &fault).await;
            }
        }
        let subject = HealthSubject {
            agent: &self.agent,
            account: self.account.as_ref(),
            since,
        };
        let fault = fault.map(ReadError::Provider);
        let access = fault.as_ref().map_or(AccessResult::Well, AccessResult::Failed);
        health::record(ops, &self.tenant, subject, AccessKind::Check, access).await
    }
}

fn under_way(id: &AgentId) -> Error {
    let resource = id.name();
    let text = format!("A check of {resource} is already running. Wait until it has finished.");
    Error::new(Kind::Exhausted, Reason::CheckInProgress, text).with(Detail::Resource, resource)
}

/// The message that a person gets who tests an agent.
fn test_message(ops: &Ops, caller: &Caller, agent: &Agent, user: Option<User>) -> Result<OutgoingMessage> {
    let recipient = user.and_then(|user| user.addresses.into_iter().next()).ok_or_else(|| {
        let resource = caller.user.name();
        let text = format!("The directory has no e-mail address for {resource}, so there is nobody to send to. Add one to the user.");
        Error::new(Kind::Precondition, Reason::UserWithoutAddress, text).with(Detail::Resource, resource)
    })?;
    let settings = &agent.settings;
    let id = ops.ids.next();
    let domain = domain_of(&settings.from_address).unwrap_or("localhost");
    let text = format!(
        "mailagent sent this message to test that the mail agent of {} <{}> can send mail.\n\nNo action is needed.\n",
        settings.from_name, settings.from_address
    );
    let mark = ops.sealer.bind("own-mail", &caller.tenant).seal(id.as_bytes());
    let from = Mailbox {
        display_name: settings.from_name.clone(),
        address: settings.from_address.clone(),
    };
    let draft = Draft {
        from: &from,
        to: &[&recipient],
        subject: "Mail agent test",
        text: &text,
        message_id: &format!("{id}@{domain}"),
        date: ops.now(),
        headers: &[(mime::OWN_MARK, &mark), ("Auto-Submitted", "auto-generated")],
    };
    Ok(OutgoingMessage {
        sender: settings.from_address.clone(),
        raw: mime::compose(&draft).into(),
        recipients: vec![recipient],
    })
}
