//! A login that is about to end: a mailbox that newsletters are sent from, at a simulated identity platform.

use std::time::Duration;

use anyhow::{Context, anyhow};
use url::Url;

use super::{data::Directory, show::print_line};
use crate::{
    config::Flag,
    crypto::Secret,
    domain::{AgentKind, AgentSettings, Caller, LoginSource, SmtpAuthentication, SmtpSettings},
    ops::{
        Ops,
        agents::{self, AgentPatch},
        login::{self, Answered, Completer},
    },
    sim::entra::Entra,
};

/// What the operator would call it.
const PROVIDER: &str = "entra-simulator";
const APP: &str = "mailagent-demo";
const DIRECTORY: &str = "7f0c2a0e-6f0b-4c39-9d5a-2f3b5f6f7a10";
/// Some seconds after the login it has three days left, which is told to subscribers.
const LIFE: Duration = Duration::from_secs(3 * 24 * 3600 + 4);

/// Starts the platform, with the sample company's directory.
pub(super) async fn platform() -> anyhow::Result<Entra> {
    let entra = Entra::builder().refresh_lifetime(Some(LIFE)).start().await;
    entra.context("cannot start the simulated identity platform")
}

/// The settings for it.
pub(super) fn settings(entra: &Entra) -> Vec<Flag> {
    let flag = |key, value: &str| Flag {
        key,
        value: value.to_owned(),
        name: key,
    };
    vec![
        flag("oauth.check_interval", "1s"),
        flag("oauth.providers.0.name", PROVIDER),
        flag("oauth.providers.0.preset", "microsoft"),
        flag("oauth.providers.0.client_id", APP),
        flag("oauth.providers.0.client_secret", APP),
        flag("oauth.providers.0.authority", entra.authority().as_str()),
        flag("oauth.providers.0.graph_url", entra.graph().as_str()),
        flag("oauth.providers.0.hosts", "127.0.0.1"),
    ]
}

/// Creates the agent and logs in to its mailbox, as a person would. Returns a page to log in at again.
pub(super) async fn log_in(ops: &Ops, admin: &Caller, entra: &Entra, directory: &Directory) -> anyhow::Result<String> {
    let domain = directory
        .tenant
        .internal_domains
        .first()
        .context("the sample tenant has no domain")?;
    let address = format!("newsletter@{domain}");
    entra.add_directory(DIRECTORY, &[domain]);
    entra.add_user(&address);
    entra.add_user(&format!("somebody.else@{domain}"));
    entra.add_app(APP, APP, &[&ops.logins.callback_url]);
    let settings = AgentSettings {
        kind: AgentKind::Smtp,
        from_name: format!("{} newsletter", directory.tenant.display_name),
        from_address: address.clone(),
        campaign_compatible: true,
        smtp: SmtpSettings {
            host: "127.0.0.1".to_owned(),
            port: 2525,
            authentication: Some(SmtpAuthentication::Oauth),
            ..SmtpSettings::default()
        },
        ..AgentSettings::default()
    };
    let patch = AgentPatch::all(&admin.user, settings, Secret::default());
    let agent = agents::create(ops, admin, patch, "").await?.agent;
    let source = LoginSource::Agent(agent.id);
    let begun = login::begin(ops, admin, &source, "", "").await?;
    let back = entra
        .sign_in(&begun.url, &address)
        .map_err(|page| anyhow!("the login page says: {page}"))?;
    let (state, code) = (value(&back, "state")?, value(&back, "code")?);
    login::complete(ops, Completer::Browser, &state, Answered::Code(Secret::new(code))).await?;
    print_line(&format!(
        "Logged in to {address} at the simulated identity platform; that login ends in three days."
    ));
    Ok(login::begin(ops, admin, &source, "", "").await?.url)
}

fn value(url: &Url, name: &str) -> anyhow::Result<String> {
    let found = url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    found.with_context(|| format!("the identity platform sent no {name}"))
}
