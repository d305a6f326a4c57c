//! Logins at simulated identity platforms: one for the mailboxes, and one whose logins end soon, for the mailbox that newsletters are sent
//! from.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, anyhow};
use mailagent_sim::entra::Entra;
use url::Url;

use super::{data::Directory, show::print_line};
use crate::{
    config::Flag,
    crypto::Secret,
    domain::{AgentId, AgentKind, AgentSettings, Caller, LoginSource, SmtpAuthentication, SmtpSettings},
    ops::{
        Ops,
        agents::{self, AgentPatch},
        login::{self, CallbackResult},
    },
};

/// What the operator would call them.
const MAILBOXES: &str = "entra-simulator";
const NEWSLETTER: &str = "strict-simulator";
const APP: &str = "mailagent-demo";
const DIRECTORY: &str = "7f0c2a0e-6f0b-4c39-9d5a-2f3b5f6f7a10";
/// Some seconds after the login it has three days left, which is told to subscribers.
const LIFE: Duration = Duration::from_secs(3 * 24 * 3600 + 4);

/// The platforms.
pub(super) struct Platforms {
    /// Where people log in to the mailboxes that are read.
    pub mailboxes: Entra,
    /// Where logins last three days.
    newsletter: Entra,
}

impl Platforms {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let start = async |lifetime| {
            let entra = Entra::builder().refresh_lifetime(lifetime).start().await;
            entra.context("cannot start the simulated identity platform")
        };
        Ok(Self {
            mailboxes: start(None).await?,
            newsletter: start(Some(LIFE)).await?,
        })
    }

    /// Makes the sample company known, and the service at this address.
    pub(super) fn welcome(&self, directory: &Directory, callback: &str) {
        let domains: Vec<&str> = directory.tenant.internal_domains.iter().map(String::as_str).collect();
        for entra in [&self.mailboxes, &self.newsletter] {
            entra.add_directory(DIRECTORY, &domains);
            entra.add_app(APP, APP, &[callback]);
        }
    }

    pub(super) async fn stop(&self) {
        self.mailboxes.stop().await;
        self.newsletter.stop().await;
    }

    /// The settings for a service at this address.
    pub(super) fn settings(&self, address: SocketAddr) -> Vec<Flag> {
        let flag = |key, value: &str| Flag {
            key,
            value: value.to_owned(),
            name: key,
        };
        let (first, second) = (&self.mailboxes, &self.newsletter);
        vec![
            flag("oauth.public_url", &format!("http://{address}")),
            flag("oauth.check_interval", "1s"),
            flag("oauth.providers.0.name", MAILBOXES),
            flag("oauth.providers.0.preset", "microsoft"),
            flag("oauth.providers.0.client_id", APP),
            flag("oauth.providers.0.client_secret", APP),
            flag("oauth.providers.0.authority", first.authority().as_str()),
            flag("oauth.providers.0.graph_url", first.graph().as_str()),
            flag("oauth.providers.0.hosts", "127.0.0.1"),
            flag("oauth.providers.1.name", NEWSLETTER),
            flag("oauth.providers.1.preset", "microsoft"),
            flag("oauth.providers.1.client_id", APP),
            flag("oauth.providers.1.client_secret", APP),
            flag("oauth.providers.1.authority", second.authority().as_str()),
            flag("oauth.providers.1.graph_url", second.graph().as_str()),
            flag("oauth.providers.1.hosts", "127.0.0.1"),
        ]
    }

    /// Logs in to the mailbox of an agent that reads it.
    pub(super) async fn log_in(&self, ops: &Ops, admin: &Caller, agent: &AgentId, address: &str) -> anyhow::Result<()> {
        let source = LoginSource::Agent(agent.clone());
        log_in(ops, admin, (MAILBOXES, &self.mailboxes), &source, address).await
    }

    /// Creates the agent that newsletters are sent by and logs in to its mailbox. Returns a page to log in at again.
    pub(super) async fn newsletter(&self, ops: &Ops, admin: &Caller, directory: &Directory) -> anyhow::Result<String> {
        let domain = directory
            .tenant
            .internal_domains
            .first()
            .context("the sample tenant has no domain")?;
        let address = format!("newsletter@{domain}");
        self.newsletter.add_user(&format!("somebody.else@{domain}"));
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
        log_in(ops, admin, (NEWSLETTER, &self.newsletter), &source, &address).await?;
        print_line(&format!(
            "Logged in to {address} at the simulated identity platform; that login expires in three days."
        ));
        Ok(login::begin(ops, admin, &source, NEWSLETTER, "").await?.url)
    }
}

/// Logs in, as a person would.
async fn log_in(ops: &Ops, admin: &Caller, (provider, entra): (&str, &Entra), source: &LoginSource, address: &str) -> anyhow::Result<()> {
    entra.add_user(address);
    let begun = login::begin(ops, admin, source, provider, "").await?;
    let back = entra
        .sign_in(&begun.url, address)
        .map_err(|page| anyhow!("the login page says: {page}"))?;
    let (state, code) = (value(&back, "state")?, value(&back, "code")?);
    let question = login::ask(ops, &state, CallbackResult::Code(Secret::new(code))).await?;
    login::confirm(ops, &question.ticket).await?;
    Ok(())
}

fn value(url: &Url, name: &str) -> anyhow::Result<String> {
    let found = url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    found.with_context(|| format!("the identity platform sent no {name}"))
}
