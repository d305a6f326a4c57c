//! Opens agents' connections: which login, at which server, under which rules.

use std::sync::Arc;

use super::{
    error::ReadError,
    memory::FolderMemory,
    pulse::{Activity, Moving, Pulse},
};
use crate::{
    crypto::Secret,
    domain::{
        Agent, AgentKind, Error, GRAPH_ENDPOINT, Login, MaintenanceAccount, Result, SmtpAuthentication, SmtpSecurity, TenantChoices,
        TenantId,
    },
    net::{EndpointRules, ErrorClass, ProviderError},
    ops::{
        Ops, agents,
        login::{host_of_agent, tokens::LoginTokens},
        login_health::{self, Basis},
        maintenance, push,
    },
    provider::{
        Credentials, Endpoint, EwsDiscovery, ExchangeLogin, ExchangeMailbox, ExchangeProtocol, MailSink, MailSource, SmtpLogin,
        discovery_domain,
    },
};

/// An agent's mailbox, opened, with what its login came from.
#[derive(Clone)]
pub struct Opened {
    /// The mailbox.
    pub mailbox: Arc<dyn MailSource>,
    /// The maintenance account that it is opened through.
    pub account: Option<MaintenanceAccount>,
    /// What is remembered of its folders.
    pub memory: Arc<FolderMemory>,
    /// Whether the work on it moves.
    pub pulse: Arc<Pulse>,
    /// The part of it that is done through this.
    pub(super) lane: Arc<Activity>,
    exchange: Arc<dyn ExchangeMailbox>,
}

impl Opened {
    /// The same for looks at the inbox beside other work, which show that they move by themselves.
    pub(super) fn for_inbox(&self) -> Self {
        Self {
            mailbox: Arc::new(Moving {
                inner: self.exchange.clone(),
                lane: self.pulse.inbox.clone(),
            }),
            lane: self.pulse.inbox.clone(),
            ..self.clone()
        }
    }
}

/// Opens an agent's mailbox. Nothing is sent by this alone. Whoever has the pulse sees whether the work on it moves.
///
/// # Errors
/// [`ErrorClass::LoginRequired`] when there is no login to try.
pub async fn open(ops: &Ops, tenant: &TenantId, agent: &Agent, pulse: Arc<Pulse>) -> Result<Opened, ReadError> {
    let account = ops.store.tenant(tenant).account_of(agent).await?;
    let login = exchange_login(ops, tenant, agent, account.as_ref()).await?;
    let exchange = ops.connector.exchange(login)?;
    let mailbox = Moving {
        inner: exchange.clone(),
        lane: pulse.main.clone(),
    };
    Ok(Opened {
        mailbox: Arc::new(mailbox),
        account,
        memory: Arc::default(),
        lane: pulse.main.clone(),
        pulse,
        exchange,
    })
}

/// What an agent sends through, whatever its kind. Nothing is sent by this alone.
///
/// # Errors
/// As [`open`].
pub(in crate::ops) async fn sink(
    ops: &Ops,
    tenant: &TenantId,
    agent: &Agent,
    account: Option<&MaintenanceAccount>,
) -> Result<Arc<dyn MailSink>, ReadError> {
    match agent.settings.kind {
        AgentKind::Smtp => {
            let login = smtp_login(ops, tenant, agent).await?;
            Ok(ops.connector.smtp(login)?)
        }
        AgentKind::ExchangeEws | AgentKind::ExchangeGraph => {
            let login = exchange_login(ops, tenant, agent, account).await?;
            Ok(ops.connector.exchange(login)?)
        }
    }
}

async fn smtp_login(ops: &Ops, tenant: &TenantId, agent: &Agent) -> Result<SmtpLogin, ReadError> {
    let (choices, login) = choices_with_login(ops, tenant, agent, None).await?;
    let smtp = &agent.settings.smtp;
    if smtp.security == SmtpSecurity::None && !choices.allow_unencrypted_smtp {
        let text = "The tenant no longer allows SMTP without TLS. Choose STARTTLS or TLS for this agent (smtp.security).";
        return Err(ProviderError::new(ErrorClass::Refused, text).into());
    }
    let credentials = match (login, smtp.effective_authentication()) {
        (Some(login), _) => by_tokens(ops, tenant, &login, host_of_agent(agent, None).as_deref())?,
        (None, SmtpAuthentication::None) => Credentials::None,
        // Those of OAuth without a login end above.
        (None, SmtpAuthentication::Password | SmtpAuthentication::Oauth) => Credentials::Password {
            username: smtp.username.clone(),
            password: password(ops, tenant, agent, None).await?,
        },
    };
    Ok(SmtpLogin {
        host: smtp.host.clone(),
        port: smtp.effective_port(),
        security: smtp.security,
        credentials,
        rules: endpoint_rules(&choices),
    })
}

async fn exchange_login(
    ops: &Ops,
    tenant: &TenantId,
    agent: &Agent,
    account: Option<&MaintenanceAccount>,
) -> Result<ExchangeLogin, ReadError> {
    let (choices, login) = choices_with_login(ops, tenant, agent, account).await?;
    let exchange = &agent.settings.exchange;
    let (endpoint, username, impersonate) = match account {
        Some(account) => (&account.settings.endpoint, &account.settings.username, true),
        None => (&exchange.endpoint, &exchange.username, false),
    };
    let (protocol, endpoint) = match agent.settings.kind {
        AgentKind::ExchangeGraph if endpoint.is_empty() => (ExchangeProtocol::Graph, Endpoint::Url(GRAPH_ENDPOINT.to_owned())),
        AgentKind::ExchangeGraph => (ExchangeProtocol::Graph, Endpoint::Url(endpoint.clone())),
        AgentKind::ExchangeEws | AgentKind::Smtp if endpoint.is_empty() => (
            ExchangeProtocol::Ews,
            Endpoint::Discovered(discovery(ops, agent, account, login.as_ref())),
        ),
        AgentKind::ExchangeEws | AgentKind::Smtp => (ExchangeProtocol::Ews, Endpoint::Url(endpoint.clone())),
    };
    if let Endpoint::Url(endpoint) = &endpoint
        && endpoint.starts_with("http:")
        && !ops.limits.allow_http
    {
        let text = "The operator no longer allows endpoints without TLS. Set an https endpoint.";
        return Err(ProviderError::new(ErrorClass::Refused, text).into());
    }
    let (owner, username, credentials) = match login {
        Some(login) => {
            let credentials = by_tokens(ops, tenant, &login, host_of_agent(agent, account).as_deref())?;
            (format!("{tenant}/{}", login.source), login.account, credentials)
        }
        None => {
            let password = password(ops, tenant, agent, account).await?;
            let username = username.clone();
            (tenant.to_string(), username.clone(), Credentials::Password { username, password })
        }
    };
    let mailbox = agent.mailbox_address();
    Ok(ExchangeLogin {
        protocol,
        endpoint,
        mailbox: (impersonate || !mailbox.eq_ignore_ascii_case(&username)).then(|| mailbox.to_owned()),
        credentials,
        owner,
        impersonate,
        rules: endpoint_rules(&choices),
        push: match protocol {
            ExchangeProtocol::Graph => push::of_agent(ops, &agent.id),
            ExchangeProtocol::Ews => None,
        },
    })
}

/// What is asked for to find the EWS service. The login of a maintenance account is for the domain of the account, whatever the mailbox.
fn discovery(ops: &Ops, agent: &Agent, account: Option<&MaintenanceAccount>, login: Option<&Login>) -> EwsDiscovery {
    let mailbox = agent.mailbox_address();
    let address = match account.map(|account| account.settings.address()) {
        Some(own) if discovery_domain(own) != discovery_domain(mailbox) => own,
        _ => mailbox,
    };
    let provider = |login: &Login| ops.logins.providers.get(&login.provider);
    EwsDiscovery {
        address: address.to_owned(),
        tokens_to: login.map(|login| provider(login).map_or_else(Vec::new, |provider| provider.settings().hosts.clone())),
    }
}

/// The access tokens of a login, for a server that they may be sent to. One that is not known yet is judged when it is found.
fn by_tokens(ops: &Ops, tenant: &TenantId, login: &Login, host: Option<&str>) -> Result<Credentials, ProviderError> {
    let provider = ops.logins.providers.get(&login.provider);
    if let (Some(provider), Some(host)) = (provider, host)
        && !provider.may_be_sent_to(host)
    {
        let text = format!(
            "Tokens of {} may only be sent to {}, not to {host}. Have the operator add the server (oauth.providers, hosts), or log in \
             elsewhere.",
            provider.name(),
            provider.settings().hosts.join(", ")
        );
        return Err(ProviderError::new(ErrorClass::Refused, text));
    }
    Ok(Credentials::Token {
        username: login.account.clone(),
        tokens: LoginTokens::new(ops, tenant, login.source.clone()),
    })
}

/// What the tenant chose, and the login by OAuth where one is used, once it is clear that the agent has a login to try.
async fn choices_with_login(
    ops: &Ops,
    tenant: &TenantId,
    agent: &Agent,
    account: Option<&MaintenanceAccount>,
) -> Result<(TenantChoices, Option<Login>), ReadError> {
    let reader = ops.store.tenant(tenant);
    let choices = reader.settings().await?.choices;
    let method = choices.authentication_method;
    let login = reader.login_of(agent, method).await?;
    let basis = Basis {
        account,
        login: login.as_ref(),
        method,
    };
    match login_health::missing(agent, basis) {
        None => Ok((choices, login)),
        Some(problem) => Err(ProviderError::new(ErrorClass::LoginRequired, problem).into()),
    }
}

/// The password of the agent's own login, or of its maintenance account's.
async fn password(ops: &Ops, tenant: &TenantId, agent: &Agent, account: Option<&MaintenanceAccount>) -> Result<Secret> {
    let reader = ops.store.tenant(tenant);
    let (place, sealed) = match account {
        Some(account) => (
            maintenance::password_place(&account.id),
            reader.maintenance_password(&account.id, account.version).await?,
        ),
        None => (
            agents::password_place(&agent.id),
            reader.agent_password(&agent.id, agent.version).await?,
        ),
    };
    // It was there a moment ago: the agent or the account was changed since.
    let sealed = sealed.ok_or_else(|| Error::stale(agent.id.name()))?;
    ops.vault.open(&ops.store, tenant, place, &sealed).await
}

fn endpoint_rules(choices: &TenantChoices) -> EndpointRules {
    EndpointRules {
        allow_private: choices.allow_private_networks,
        trusted_certificates: choices.trusted_certificates.clone(),
    }
}
