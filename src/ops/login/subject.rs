//! What can be logged in to: which accounts may log in there, and which providers serve it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use url::Url;

use super::Ops;
use crate::{
    domain::{
        Agent, AgentKind, AuthenticationMethod, Caller, Detail, Error, GRAPH_ENDPOINT, Kind, LoginSource, LoginUse, MaintenanceAccount,
        Reason, Result, Scope, UserId,
    },
    idp::oauth::LoginProvider,
    store::{Connection, TenantStore},
};

/// Whose accounts may log in to an agent's mailbox. A link to a login can be sent to anybody, and whoever opens it may be logged in at the
/// provider already: what it can take must not be more than its beginner's own (RFC 9700 §4.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AllowedAccounts {
    /// Those that the directory has of the agent's owner.
    #[default]
    Owner,
    /// Whichever opens the mailbox.
    Anyone,
}

impl AllowedAccounts {
    /// What a caller may begin.
    pub(super) fn of(caller: &Caller) -> Self {
        if caller.may(Scope::AgentWrite) { Self::Anyone } else { Self::Owner }
    }
}

/// On whose behalf something is logged in to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Requester<'a> {
    /// A caller's, whose rights are judged.
    Caller(&'a Caller),
    /// That of an attempt, which was judged when it was begun.
    Attempt(AllowedAccounts),
}

impl<'a> Requester<'a> {
    fn caller(self) -> Option<&'a Caller> {
        match self {
            Self::Caller(caller) => Some(caller),
            Self::Attempt(_) => None,
        }
    }

    fn reach(self) -> AllowedAccounts {
        match self {
            Self::Caller(caller) => AllowedAccounts::of(caller),
            Self::Attempt(reach) => reach,
        }
    }
}

const TENANT_IS_BASIC: &str = "the tenant's authentication method is BASIC. Have an administrator set it to MODERN first.";

/// What is logged in to.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub source: LoginSource,
    pub usage: LoginUse,
    /// Accounts of which one must log in; the first is suggested to the provider. None when the mailbox opens for nobody within reach.
    pub accounts: Vec<String>,
    /// The account that would be suggested if anyone's were within reach.
    wanted: String,
    /// Owner of the agent. Empty for what has none.
    owner: UserId,
    /// The server that the tokens are sent to. `None`: it is found when it is needed, and judged then.
    pub host: Option<String>,
}

impl Subject {
    /// What is logged in to, if it may be on this behalf.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for what there is not, or not for this caller; [`Reason::LoginNotUsed`] where no person logs in by OAuth.
    pub(super) async fn find<C: Connection>(store: &TenantStore<C>, behalf: Requester<'_>, source: &LoginSource) -> Result<Self> {
        let name = source.to_string();
        let method = store.settings().await?.choices.authentication_method;
        match source {
            LoginSource::Agent(id) => {
                let agent = store.agent(id).await?;
                let agent = match behalf.caller() {
                    Some(caller) => {
                        caller.need_any(&[Scope::AgentUse, Scope::AgentWrite])?;
                        Agent::visible(caller, agent, id)?
                    }
                    None => agent.ok_or_else(|| Error::not_found(&name))?,
                };
                let owner = store.user(&agent.owner_user).await?;
                let own = owner.map(|owner| owner.addresses).unwrap_or_default();
                Self::of_agent(&agent, method, (own, behalf.reach()))
            }
            LoginSource::MaintenanceAccount(id) => {
                if let Some(caller) = behalf.caller() {
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

    fn of_agent(agent: &Agent, method: AuthenticationMethod, (own, reach): (Vec<String>, AllowedAccounts)) -> Result<Self> {
        let name = agent.id.name();
        let settings = &agent.settings;
        let source = LoginSource::of(agent, method);
        match (&source, settings.kind) {
            (Some(LoginSource::Agent(_)), _) => {}
            (None, AgentKind::Smtp) => return Err(not_used(&name, "set smtp.authentication to OAUTH first.")),
            (None, _) => {
                let remedy = match settings.exchange.authentication_method {
                    Some(_) => "its exchange.authentication_method is BASIC. Set it to MODERN first.",
                    None => TENANT_IS_BASIC,
                };
                return Err(not_used(&name, remedy));
            }
            (Some(LoginSource::MaintenanceAccount(id)), _) => {
                let remedy = format!("it connects through a maintenance account: log in to maintenanceAccounts/{id}.");
                return Err(not_used(&name, &remedy));
            }
            (Some(LoginSource::AdminConsent(domain)), _) => {
                let remedy = format!("it connects with an administrator's consent: AgentService.BeginAdminConsent for {domain}.");
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
            accounts.extend(own.iter().cloned());
            accounts.push(settings.exchange.mailbox.clone());
        }
        let wanted = accounts.first().cloned().unwrap_or_default();
        if reach == AllowedAccounts::Owner {
            accounts.retain(|account| own.iter().any(|address| address.eq_ignore_ascii_case(account)));
        }
        Ok(Self {
            source: LoginSource::Agent(agent.id.clone()),
            usage: settings.kind.into(),
            accounts,
            wanted,
            owner: agent.owner_user.clone(),
            host: host_of_agent(agent, None),
        })
    }

    fn of_account(account: &MaintenanceAccount, method: AuthenticationMethod) -> Result<Self> {
        let name = account.id.name();
        let settings = &account.settings;
        if method == AuthenticationMethod::Basic {
            return Err(not_used(&name, TENANT_IS_BASIC));
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
            wanted: settings.login_address.clone(),
            owner: UserId::default(),
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
            "Tokens of {} may only be sent to {allowed}, and {} is at {}. Choose another provider, correct the server, or have the \
             operator add it (oauth.providers, hosts).",
            provider.name(),
            self.source,
            host
        );
        Err(Error::new(Kind::Precondition, Reason::LoginProviderForeign, text)
            .with(Detail::Provider, provider.name())
            .with(Detail::Host, host)
            .with(Detail::Allowed, allowed))
    }

    /// The account to suggest to the provider.
    ///
    /// # Errors
    /// [`Reason::LoginAccountNotOwned`] when none is within reach.
    pub(super) fn suggested(&self) -> Result<&str> {
        self.accounts.first().map(String::as_str).ok_or_else(|| self.not_owned())
    }

    /// The name of the account that logged in, if it is one of those that may.
    ///
    /// # Errors
    /// [`Reason::LoginAccountMismatch`], and as [`Self::suggested`].
    pub(super) fn accepted<'a>(&self, names: &'a [String]) -> Result<&'a str> {
        let is_wanted = |name: &&String| self.accounts.iter().any(|account| account.eq_ignore_ascii_case(name));
        if let Some(name) = names.iter().find(is_wanted) {
            return Ok(name);
        }
        let wanted = self.suggested()?;
        let account = names.first().cloned().unwrap_or_default();
        let who = match account.as_str() {
            "" => "an account without a verified e-mail address",
            account => account,
        };
        let text = format!(
            "The account {who} logged in, but {wanted} was expected. Nothing was stored. Log out at the provider, then begin again and log \
             in as {wanted}; or correct the address in the CRM."
        );
        Err(Error::new(Kind::Precondition, Reason::LoginAccountMismatch, text)
            .with(Detail::Resource, self.source.to_string())
            .with(Detail::Wanted, wanted)
            .with(Detail::Account, account))
    }

    fn not_owned(&self) -> Error {
        let Self { source, wanted, owner, .. } = self;
        let text = format!(
            "The directory does not list {wanted} as an address of users/{owner}, who owns {source}. For a shared mailbox, set \
             exchange.mailbox to it (or smtp.username to one of the owner's addresses), and log in with the owner's own account; or have \
             somebody with agent.write begin the login, or have the CRM add the address to the user (DirectoryService.BatchUpsertUsers)."
        );
        Error::new(Kind::Precondition, Reason::LoginAccountNotOwned, text)
            .with(Detail::Resource, source.to_string())
            .with(Detail::Account, wanted)
            .with(Detail::Owner, owner.name())
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
            let text = "The operator has configured no login provider for this. Have them add one (oauth.providers).";
            Err(Error::new(Kind::Precondition, Reason::LoginProviderMissing, text)
                .with(Detail::Provider, "")
                .with(Detail::Available, ""))
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
                    available => format!("provider: there is no login provider {named:?} for this. Available: {available}."),
                };
                Error::new(Kind::Precondition, Reason::LoginProviderMissing, text)
                    .with(Detail::Provider, named)
                    .with(Detail::Available, available)
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
    let text = format!("{resource} does not use a person's login: {remedy}");
    Error::new(Kind::Precondition, Reason::LoginNotUsed, text).with(Detail::Resource, resource)
}
