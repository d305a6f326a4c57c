//! What a browser comes back with to the service's own page is stored by nobody but the person in front of it (RFC 9700 §2.1, §4.7).
//!
//! The link to a login can be sent to anybody, and a provider where they are logged in already sends them through. So the page says first
//! whose agent would get which mailbox, and who asked for it; the code is redeemed after the button. Until then it is in the page alone,
//! concealed together with what was shown, so that neither can be exchanged for another; the attempt that it is for can be taken once.

use serde::{Deserialize, Serialize};

use super::{
    Ops,
    about::{About, about},
    attempt::{self, CallbackResult, Completer},
    completion::finish,
    view::AuthenticationView,
};
use crate::{
    crypto::Secret,
    domain::{LoginSource, Result},
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
pub async fn ask(ops: &Ops, state: &str, answered: CallbackResult) -> Result<Question> {
    let key = attempt::Key::of_state(ops, state)?;
    let attempted = attempt::look_at(ops, &key).await?;
    let code = match (&attempted.attempt.source, answered) {
        (_, answered @ CallbackResult::Error(..)) => {
            let attempted = attempt::take(ops, Completer::Browser, &key).await?;
            finish(ops, attempted, answered, None).await?;
            return Err(attempt::invalid());
        }
        (LoginSource::AdminConsent(_), CallbackResult::Consent) => None,
        (LoginSource::AdminConsent(_), CallbackResult::Code(_)) | (_, CallbackResult::Consent) => return Err(attempt::invalid()),
        (_, CallbackResult::Code(code)) => Some(code),
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
        Some(code) => CallbackResult::Code(code.into()),
        None => CallbackResult::Consent,
    };
    finish(ops, attempted, answered, Some(about)).await
}

/// The person declined: the attempt is over, and nothing was stored. Returns what they were shown.
///
/// # Errors
/// [`crate::domain::Reason::LoginStateInvalid`] when it was over before.
pub async fn decline(ops: &Ops, ticket: &Secret) -> Result<About> {
    let Ticket { key, about, .. } = open(ops, ticket)?;
    let attempted = attempt::take(ops, Completer::Browser, &key).await?;
    tracing::info!(
        tenant = attempted.tenant.as_str(),
        source = %attempted.attempt.source,
        begun_by = attempted.attempt.user.as_str(),
        "somebody declined a login on the service's page"
    );
    Ok(about)
}

fn open(ops: &Ops, ticket: &Secret) -> Result<Ticket> {
    let opened = ops.sealer.reveal(PURPOSE, ticket.expose()).map_err(|_| attempt::invalid())?;
    serde_json::from_slice(opened.expose()).map_err(|_| attempt::invalid())
}
