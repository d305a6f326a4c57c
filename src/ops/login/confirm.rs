//! What a browser comes back with to the service's own page is stored by nobody but the person in front of it (RFC 9700 §2.1, §4.7).
//!
//! The link to a login can be sent to anybody, and a provider where they are logged in already sends them through. So the page says first
//! whose agent would get which mailbox, and who asked for it; the code is redeemed after the button. Until then it is in the page alone,
//! concealed together with what was shown, so that neither can be exchanged for another; the attempt that it is for can be taken once.

use serde::{Deserialize, Serialize};

use super::{
    Ops,
    attempt::{self, Answered, Attempted, Completer},
    person::finish,
    subject::{Behalf, Subject},
    view::AuthenticationView,
};
use crate::{
    crypto::Secret,
    domain::{Error, LoginSource, LoginUse, Reason, Result},
    store::{Connection, TenantStore},
};

/// What tickets are concealed for.
const PURPOSE: &str = "login.ticket";

/// What a person is asked.
#[derive(Debug)]
pub struct Question {
    /// What it is about.
    pub about: About,
    /// What the answer is given with; good once, and as long as the attempt.
    pub ticket: Secret,
}

/// Who would get what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The tenant.
    pub tenant: String,
    /// Name of the login provider.
    pub provider: String,
    /// Who began it.
    pub asked_by: Person,
    /// What is logged in to.
    pub wanted: Wanted,
}

/// What is logged in to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wanted {
    /// An agent's mailbox.
    Agent {
        /// Name that its mail is sent under.
        name: String,
        /// Whose it is.
        owner: Person,
        /// The mailbox.
        mailbox: String,
        /// Accounts of which one must have logged in.
        accounts: Vec<String>,
        /// What is done with it.
        usage: LoginUse,
    },
    /// An account that opens the mailboxes of many.
    MaintenanceAccount {
        /// What the CRM calls it.
        name: String,
        /// The account that must have logged in.
        account: String,
    },
    /// All mailboxes of an e-mail domain.
    Domain(String),
}

/// A CRM user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The CRM's id.
    pub id: String,
    /// Name in the directory. Empty when it has none.
    pub name: String,
}

/// What goes through the page.
#[derive(Serialize, Deserialize)]
struct Ticket {
    key: attempt::Key,
    /// The authorisation code. `None` for a consent.
    code: Option<String>,
    about: About,
}

/// What the person must be asked whose browser came back to the service's own page. Nothing is stored or redeemed by it.
///
/// # Errors
/// See `AgentService.CompleteLogin`. What the provider refused ends the attempt.
pub async fn ask(ops: &Ops, state: &str, answered: Answered) -> Result<Question> {
    let key = attempt::Key::of_state(ops, state)?;
    let attempted = attempt::look_at(ops, &key).await?;
    let code = match (&attempted.attempt.source, answered) {
        (_, answered @ Answered::Error(..)) => {
            let attempted = attempt::take(ops, Completer::Browser, &key).await?;
            finish(ops, attempted, answered, None).await?;
            return Err(attempt::invalid());
        }
        (LoginSource::AdminConsent(_), Answered::Consent) => None,
        (LoginSource::AdminConsent(_), Answered::Code(_)) | (_, Answered::Consent) => return Err(attempt::invalid()),
        (_, Answered::Code(code)) => Some(code),
    };
    let about = about(&ops.store.tenant(&attempted.tenant), &attempted).await?;
    let ticket = Ticket {
        key,
        code: code.map(|code| code.expose().clone()),
        about: about.clone(),
    };
    let plain = Secret::new(serde_json::to_vec(&ticket).expect("plain data always has a JSON form"));
    Ok(Question {
        about,
        ticket: ops.sealer.conceal(PURPOSE, plain.expose()).into(),
    })
}

/// The person agreed: completes what they were shown. It runs to its end also when the browser goes away.
///
/// # Errors
/// See `AgentService.CompleteLogin`.
pub async fn confirm(ops: &Ops, ticket: &Secret) -> Result<AuthenticationView> {
    let Ticket { key, code, about } = open(ops, ticket)?;
    let attempted = attempt::take(ops, Completer::Browser, &key).await?;
    let answered = match code {
        Some(code) => Answered::Code(code.into()),
        None => Answered::Consent,
    };
    finish(ops, attempted, answered, Some(about)).await
}

/// The person declined: the attempt is over, and nothing was stored. Returns what they were shown.
///
/// # Errors
/// [`Reason::LoginStateInvalid`] when it was over before.
pub async fn decline(ops: &Ops, ticket: &Secret) -> Result<About> {
    let Ticket { key, about, .. } = open(ops, ticket)?;
    let attempted = attempt::take(ops, Completer::Browser, &key).await?;
    tracing::info!(
        tenant = attempted.tenant,
        source = %attempted.attempt.source,
        begun_by = attempted.attempt.user,
        "somebody declined a login on the service's page"
    );
    Ok(about)
}

fn open(ops: &Ops, ticket: &Secret) -> Result<Ticket> {
    let opened = ops.sealer.reveal(PURPOSE, ticket.expose()).map_err(|_| attempt::invalid())?;
    serde_json::from_slice(opened.expose()).map_err(|_| attempt::invalid())
}

/// Fails when something else would be connected by now than what was shown.
///
/// # Errors
/// [`Reason::LoginStateInvalid`].
pub(super) async fn unchanged<C: Connection>(store: &TenantStore<C>, attempted: &Attempted, shown: Option<&About>) -> Result<()> {
    let Some(shown) = shown else { return Ok(()) };
    if about(store, attempted).await? == *shown {
        return Ok(());
    }
    let text = "what was shown on the page has changed in the meantime, so nothing was stored. Begin the login again.";
    Err(Error::invalid_handle(Reason::LoginStateInvalid, "state", text))
}

async fn about<C: Connection>(store: &TenantStore<C>, attempted: &Attempted) -> Result<About> {
    let source = &attempted.attempt.source;
    let wanted = match source {
        LoginSource::AdminConsent(domain) => Wanted::Domain(domain.clone()),
        LoginSource::Agent(id) => {
            let subject = Subject::find(store, Behalf::Attempt(attempted.secrets.reach), source).await?;
            subject.suggested()?;
            let agent = store.agent(id).await?.ok_or_else(|| Error::not_found(source.to_string()))?;
            Wanted::Agent {
                owner: person(store, &agent.owner_user).await?,
                mailbox: agent.mailbox_address().to_owned(),
                name: agent.settings.from_name,
                accounts: subject.accounts,
                usage: subject.usage,
            }
        }
        LoginSource::MaintenanceAccount(id) => {
            let subject = Subject::find(store, Behalf::Attempt(attempted.secrets.reach), source).await?;
            let account = store.maintenance_account(id).await?;
            Wanted::MaintenanceAccount {
                name: account.map(|account| account.settings.display_name).unwrap_or_default(),
                account: subject.suggested()?.to_owned(),
            }
        }
    };
    Ok(About {
        tenant: attempted.tenant.clone(),
        provider: attempted.attempt.provider.clone(),
        asked_by: person(store, &attempted.attempt.user).await?,
        wanted,
    })
}

async fn person<C: Connection>(store: &TenantStore<C>, id: &str) -> Result<Person> {
    let user = store.user(id).await?;
    Ok(Person {
        id: id.to_owned(),
        name: user.map(|user| user.display_name).unwrap_or_default(),
    })
}
