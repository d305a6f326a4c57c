//! What an attempt is about, as it is shown to the person who is asked to confirm it.

use serde::{Deserialize, Serialize};

use super::{
    attempt::FoundAttempt,
    subject::{Requester, Subject},
};
use crate::{
    domain::{Error, LoginSource, LoginUse, Reason, Result, TenantId, UserId},
    store::{Connection, TenantStore},
};

/// Who would get what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The tenant.
    pub tenant: TenantId,
    /// Name of the login provider.
    pub provider: String,
    /// Who began it.
    pub asked_by: Person,
    /// What is logged in to.
    pub wanted: LoginTarget,
}

/// What is logged in to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoginTarget {
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
    pub id: UserId,
    /// Name in the directory. Empty when it has none.
    pub name: String,
}

/// Fails when something else would be connected by now than what was shown.
///
/// # Errors
/// [`Reason::LoginStateInvalid`].
pub(super) async fn unchanged<C: Connection>(store: &TenantStore<C>, attempted: &FoundAttempt, shown: Option<&About>) -> Result<()> {
    let Some(shown) = shown else { return Ok(()) };
    if about(store, attempted).await? == *shown {
        return Ok(());
    }
    let text = "what was shown on the page has changed in the meantime, so nothing was stored. Begin the login again.";
    Err(Error::invalid_handle(Reason::LoginStateInvalid, "state", text))
}

/// What an attempt is about.
pub(super) async fn about<C: Connection>(store: &TenantStore<C>, attempted: &FoundAttempt) -> Result<About> {
    let source = &attempted.attempt.source;
    let wanted = match source {
        LoginSource::AdminConsent(domain) => LoginTarget::Domain(domain.clone()),
        LoginSource::Agent(id) => {
            let subject = Subject::find(store, Requester::Attempt(attempted.secrets.reach), source).await?;
            subject.suggested()?;
            let agent = store.agent(id).await?.ok_or_else(|| Error::not_found(source.to_string()))?;
            LoginTarget::Agent {
                owner: person(store, &agent.owner_user).await?,
                mailbox: agent.mailbox_address().to_owned(),
                name: agent.settings.from_name,
                accounts: subject.accounts,
                usage: subject.usage,
            }
        }
        LoginSource::MaintenanceAccount(id) => {
            let subject = Subject::find(store, Requester::Attempt(attempted.secrets.reach), source).await?;
            let account = store.maintenance_account(id).await?;
            LoginTarget::MaintenanceAccount {
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

async fn person<C: Connection>(store: &TenantStore<C>, id: &UserId) -> Result<Person> {
    let user = store.user(id).await?;
    Ok(Person {
        id: id.to_owned(),
        name: user.map(|user| user.display_name).unwrap_or_default(),
    })
}
