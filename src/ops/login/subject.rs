//! What can be logged in to: which accounts may log in there, and which providers serve it.

use std::sync::Arc;

use url::Url;

use super::Ops;
use crate::{
    domain::{
        Agent, AgentKind, AuthenticationMethod, Caller, Error, GRAPH_ENDPOINT, Kind, LoginSource, LoginUse, MaintenanceAccount, Reason,
        Result, Scope,
    },
    ops::agents,
    provider::oauth::LoginProvider,
    store::{Connection, TenantStore},
};

/// What is logged in to.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub source: LoginSource,
    pub usage: LoginUse,
    /// Accounts of which one must log in; the first is suggested to the provider.
    pub accounts: Vec<String>,
    /// The server that the tokens are sent to. `None`: it is found when it is needed, and judged then.
    pub host: Option<String>,
}

impl Subject {
    /// What is logged in to, if the caller may do so. Without a caller it is only looked up.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for what there is not, or not for this caller; [`Reason::LoginNotUsed`] where no person logs in by OAuth.
    pub(super) async fn find<C: Connection>(store: &TenantStore<C>, caller: Option<&Caller>, source: &LoginSource) -> Result<Self> {
        let name = source.to_string();
        let method = store.settings().await?.choices.authentication_method;
        match source {
            LoginSource::Agent(id) => {
                let agent = store.agent(id).await?;
                let agent = match caller {
                    Some(caller) => {
                        caller.need_any(&[Scope::AgentUse, Scope::AgentWrite])?;
                        agents::visible(caller, agent, id)?
                    }
                    None => agent.ok_or_else(|| Error::not_found(&name))?,
                };
                let owner = store.user(&agent.owner_user).await?;
                Self::of_agent(&agent, method, owner.map(|owner| owner.addresses).unwrap_or_default())
            }
            LoginSource::MaintenanceAccount(id) => {
                if let Some(caller) = caller {
                    caller.need(Scope::AgentWrite)?;
                }
                let account = store.maintenance_account(id).await?.ok_or_else(|| Error::not_found(&name))?;
                Self::of_account(&account, method)
            }
            LoginSource::AdminConsent(_) => Err(not_used(
                &name,
                "administrators consent for a domain: AgentService.BeginAdminConsent.",
            )),
        }
    }

    fn of_agent(agent: &Agent, method: AuthenticationMethod, owner: Vec<String>) -> Result<Self> {
        let name = format!("agents/{}", agent.id);
        let settings = &agent.settings;
        let source = LoginSource::of(agent, method);
        match (&source, settings.kind) {
            (Some(LoginSource::Agent(_)), _) => {}
            (None, AgentKind::Smtp) => return Err(not_used(&name, "set smtp.authentication to OAUTH first.")),
            (None, _) => {
                let remedy = "the tenant's authentication method is BASIC. Have an administrator set it to MODERN first.";
                return Err(not_used(&name, remedy));
            }
            (Some(LoginSource::MaintenanceAccount(id)), _) => {
                let remedy = format!("it connects through a maintenance account: log in to maintenanceAccounts/{id}.");
                return Err(not_used(&name, &remedy));
            }
            (Some(LoginSource::AdminConsent(domain)), _) => {
                let remedy = format!("it connects by an administrator's consent: AgentService.BeginAdminConsent for {domain}.");
                return Err(not_used(&name, &remedy));
            }
        }
        let mut accounts = vec![settings.from_address.clone()];
        if settings.kind == AgentKind::Smtp {
            if !settings.smtp.username.is_empty() {
                accounts = vec![settings.smtp.username.clone()];
            }
        } else if !settings.exchange.mailbox.is_empty() {
            // A shared mailbox is opened by a person's own login.
            accounts.extend(owner);
            accounts.push(settings.exchange.mailbox.clone());
        }
        Ok(Self {
            source: LoginSource::Agent(agent.id.clone()),
            usage: settings.kind.into(),
            accounts,
            host: host_of_agent(agent, None),
        })
    }

    fn of_account(account: &MaintenanceAccount, method: AuthenticationMethod) -> Result<Self> {
        let name = format!("maintenanceAccounts/{}", account.id);
        let settings = &account.settings;
        if method == AuthenticationMethod::Basic {
            let remedy = "the tenant's authentication method is BASIC. Have an administrator set it to MODERN first.";
            return Err(not_used(&name, remedy));
        }
        if settings.kind == AgentKind::ExchangeGraph {
            let remedy = "for Microsoft Graph, administrators consent for a domain: AgentService.BeginAdminConsent.";
            return Err(not_used(&name, remedy));
        }
        if settings.login_address.is_empty() {
            return Err(not_used(&name, "set its login_address first: the account that logs in."));
        }
        Ok(Self {
            source: LoginSource::MaintenanceAccount(account.id.clone()),
            usage: settings.kind.into(),
            accounts: vec![settings.login_address.clone()],
            host: host_of_url(&settings.endpoint),
        })
    }

    /// The provider to log in to: the one that is named, else the only one.
    ///
    /// # Errors
    /// [`Reason::LoginProviderMissing`], [`Reason::LoginProviderForeign`], and a violation when one must be named.
    pub(super) fn provider(&self, ops: &Ops, named: &str) -> Result<Arc<LoginProvider>> {
        let serving: Vec<&Arc<LoginProvider>> = ops.logins.providers.serving(self.usage).collect();
        let provider = choose(&serving, named)?;
        let Some(host) = self.host.as_ref().filter(|host| !provider.may_be_sent_to(host)) else {
            return Ok(provider);
        };
        let allowed = provider.settings().hosts.join(", ");
        let text = format!(
            "Tokens of {} may be sent to {allowed} only, and {} is at {}. Choose another provider, correct the server, or have the operator \
             add it (oauth.providers, hosts).",
            provider.name(),
            self.source,
            host
        );
        Err(Error::new(Kind::Precondition, Reason::LoginProviderForeign, text)
            .with("provider", provider.name())
            .with("host", host)
            .with("allowed", allowed))
    }

    /// The name of the account that logged in, if it is one of those that may.
    pub(super) fn accepted<'a>(&self, names: &'a [String]) -> Option<&'a str> {
        let is_wanted = |name: &&String| self.accounts.iter().any(|account| account.eq_ignore_ascii_case(name));
        names.iter().find(is_wanted).map(String::as_str)
    }
}

/// The named one of some providers, else the only one.
///
/// # Errors
/// [`Reason::LoginProviderMissing`], and a violation when one must be named.
pub(super) fn choose(providers: &[&Arc<LoginProvider>], named: &str) -> Result<Arc<LoginProvider>> {
    let names = || providers.iter().map(|provider| provider.name()).collect::<Vec<_>>().join(", ");
    match (named, providers) {
        ("", []) => {
            let text = "The operator has set up no login provider for this. Have them add one (oauth.providers).";
            Err(Error::new(Kind::Precondition, Reason::LoginProviderMissing, text)
                .with("provider", "")
                .with("available", ""))
        }
        ("", [only]) => Ok(Arc::clone(only)),
        ("", _) => Err(Error::invalid_field(
            "provider",
            format!("is required, as there are several: {}.", names()),
        )),
        (named, _) => {
            let found = providers.iter().find(|provider| provider.name() == named);
            found.map(|provider| Arc::clone(provider)).ok_or_else(|| {
                let available = names();
                let text = match available.as_str() {
                    "" => format!("provider: there is no login provider {named:?}, nor any other for this. Have the operator add one."),
                    available => format!("provider: there is no login provider {named:?} for this. There is: {available}."),
                };
                Error::new(Kind::Precondition, Reason::LoginProviderMissing, text)
                    .with("provider", named)
                    .with("available", available)
            })
        }
    }
}

/// The server that an agent's tokens are sent to. `None` for an EWS service that is found when it is needed.
pub(in crate::ops) fn host_of_agent(agent: &Agent, account: Option<&MaintenanceAccount>) -> Option<String> {
    let settings = &agent.settings;
    let endpoint = account.map_or(&settings.exchange.endpoint, |account| &account.settings.endpoint);
    match (settings.kind, endpoint.as_str()) {
        (AgentKind::Smtp, _) => Some(settings.smtp.host.to_lowercase()),
        (AgentKind::ExchangeGraph, "") => host_of_url(GRAPH_ENDPOINT),
        (_, endpoint) => host_of_url(endpoint),
    }
}

/// `None` for an empty one.
fn host_of_url(url: &str) -> Option<String> {
    if url.is_empty() {
        return None;
    }
    let url = Url::parse(url).ok();
    Some(url.as_ref().and_then(Url::host_str).unwrap_or_default().to_lowercase())
}

fn not_used(resource: &str, remedy: &str) -> Error {
    let text = format!("{resource} is not logged in to by a person: {remedy}");
    Error::new(Kind::Precondition, Reason::LoginNotUsed, text).with("resource", resource)
}
