//! Logins by OAuth: how people begin, complete and give them up, administrators' consents, and what subscribers are told.
//!
//! | module | holds |
//! |---|---|
//! | `subject` | what can be logged in to, and by which account |
//! | `person` | a person's login: begin, complete, revoke |
//! | `consent` | an administrator's consent for a domain |
//! | `attempt` | the secret between beginning and end |
//! | `about` | what an attempt is about, in words for a person |
//! | `confirm` | what the person at the service's own page is asked before anything is stored |
//! | `completion` | the end of an attempt |
//! | `change` | what the audit log says of a login |
//! | `tokens` | access tokens: the one of the moment, and its renewal |
//! | `tell` | what is told of logins as their time goes by |
//! | `view` | a login as people see it |

mod about;
mod attempt;
mod change;
mod completion;
mod confirm;
mod consent;
pub mod notify;
mod person;
mod subject;
pub mod tokens;
mod view;

use std::time::Duration;

use super::{Ops, login_health};
use crate::{
    domain::{
        Detail, Error, EventKind, Kind, Login, LoginChange, LoginSource, Reason, Result, TenantChoices, TokenEvent, TokenEventKind, UserId,
    },
    idp::oauth::LoginProviders,
    net::{ErrorClass, ProviderError},
    store::Writer,
};

pub use self::{
    about::{About, LoginTarget, Person},
    attempt::CallbackResult,
    confirm::{Question, ask, confirm, decline},
    consent::{ConsentView, begin_consent, list_consents, revoke_consent},
    person::{begin, complete, revoke},
    view::AuthenticationView,
};
pub(super) use self::{
    person::end,
    subject::host_of_agent,
    view::{view_of, views_of},
};

/// The path of the service's own page that providers send people back to.
pub const CALLBACK: &str = "/oauth/callback";
/// How long somebody may take to log in.
const ATTEMPT_LIFE: Duration = Duration::from_mins(10);

/// What the operator decided about logins. The default knows no provider.
#[derive(Default)]
pub struct Logins {
    /// Where people log in.
    pub providers: LoginProviders,
    /// The service's own page that providers send people back to.
    pub callback_url: String,
    /// Pages of the CRM that they may be sent back to instead.
    pub redirect_urls: Vec<String>,
    /// How long a renewal may take at most, from its lease to its end.
    pub renewal_limit: Duration,
}

/// What a caller is told of a provider's fault.
fn told(provider: &str, fault: ProviderError) -> Error {
    let (kind, reason) = match fault.class {
        ErrorClass::LoginRequired | ErrorClass::Refused | ErrorClass::TooLarge | ErrorClass::StateLost => {
            (Kind::Precondition, Reason::LoginRefused)
        }
        ErrorClass::Retry { after } => (unavailable(after), Reason::LoginProviderUnavailable),
        ErrorClass::Unreachable | ErrorClass::Malformed => (unavailable(None), Reason::LoginProviderUnavailable),
    };
    let error = Error::new(kind, reason, fault.problem)
        .with(Detail::Provider, provider)
        .with(Detail::ProviderReply, fault.server_reply);
    match fault.source {
        Some(source) => error.because(source),
        None => error,
    }
}

fn unavailable(after: Option<Duration>) -> Kind {
    Kind::Unavailable {
        retry_after: after.unwrap_or(Duration::from_secs(5)),
    }
}

/// Writes an event of a login, last in its transaction.
async fn append(ops: &Ops, writer: &mut Writer, kind: TokenEventKind, login: &Login) -> Result<()> {
    let mut event = TokenEvent::new(kind, login, &owner_of(writer, &login.source).await?);
    event.threshold = login.warned.filter(|_| kind == TokenEventKind::Expiring);
    writer
        .append_events(vec![(ops.ids.next(), EventKind::Token(Box::new(event)))], ops.now())
        .await
}

/// Owner of the agent whose own login it is; nobody else's.
async fn owner_of(writer: &Writer, source: &LoginSource) -> Result<UserId> {
    match source {
        LoginSource::Agent(id) => Ok(writer.agent(id).await?.map(|agent| agent.owner_user).unwrap_or_default()),
        LoginSource::MaintenanceAccount(_) | LoginSource::AdminConsent(_) => Ok(UserId::default()),
    }
}

/// Gives the agents that a login opens the health that follows from it.
async fn reassess(ops: &Ops, writer: &mut Writer, source: &LoginSource, choices: &TenantChoices) -> Result<()> {
    login_health::reassess(writer, &LoginChange::Login(source.clone()), choices, ops.now()).await
}
