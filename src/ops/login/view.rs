//! A login as people see it.

use std::collections::HashMap;

use super::Ops;
use crate::{
    domain::{Agent, AuthenticationMethod, Login, LoginSource, LoginUse, Result, Timestamp},
    store::Reader,
};

/// A login as it is now, or that there is none.
#[derive(Clone, Debug)]
pub struct AuthenticationView {
    /// Whose login it is.
    pub source: LoginSource,
    /// The login. `None` when nobody has logged in.
    pub login: Option<Login>,
    /// When it is looked at.
    pub now: Timestamp,
    /// When the operator's secret for its provider ends.
    pub proof_expires: Option<Timestamp>,
    /// Names of the providers that one can log in to here.
    pub providers: Vec<String>,
}

/// The view of a login that was read.
pub(in crate::ops) fn view_of(ops: &Ops, source: LoginSource, usage: LoginUse, login: Option<Login>) -> AuthenticationView {
    let provider = login.as_ref().and_then(|login| ops.logins.providers.get(&login.provider));
    AuthenticationView {
        proof_expires: provider.and_then(|provider| provider.settings().proof_expires),
        providers: providers_for(ops, &source, usage),
        now: ops.now(),
        source,
        login,
    }
}

/// Views of the logins that open agents' mailboxes, in the order of the agents. `None` where none is used.
pub(in crate::ops) async fn views_of(
    ops: &Ops,
    reader: &Reader,
    agents: &[Agent],
    method: AuthenticationMethod,
) -> Result<Vec<Option<AuthenticationView>>> {
    let sources: Vec<Option<LoginSource>> = agents.iter().map(|agent| LoginSource::of(agent, method)).collect();
    let mut wanted: Vec<LoginSource> = sources.iter().flatten().cloned().collect();
    wanted.sort_unstable();
    wanted.dedup();
    let found = reader.logins(&wanted).await?;
    let found: HashMap<LoginSource, Login> = found.into_iter().map(|login| (login.source.clone(), login)).collect();
    let view = |(agent, source): (&Agent, Option<LoginSource>)| {
        source.map(|source| {
            let login = found.get(&source).cloned();
            view_of(ops, source, agent.settings.kind.into(), login)
        })
    };
    Ok(agents.iter().zip(sources).map(view).collect())
}

/// Names of the providers that one can log in to for a use, or consent at.
fn providers_for(ops: &Ops, source: &LoginSource, usage: LoginUse) -> Vec<String> {
    let serving = ops.logins.providers.serving(usage);
    let consent = matches!(source, LoginSource::AdminConsent(_));
    let fitting = serving.filter(|provider| !consent || provider.knows_consent());
    fitting.map(|provider| provider.name().to_owned()).collect()
}
