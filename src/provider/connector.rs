//! Creates sources and sinks over the real network.

use std::{sync::Arc, time::Duration};

use url::Url;
use zeroize::Zeroizing;

use super::{
    CheckSchedule, Credentials, Endpoint, EwsDiscovery, ExchangeLogin, ExchangeMailbox, ExchangeProtocol, MailConnector, MailSink,
    SmtpLogin,
    budget::{Budgeted, Budgets},
    exchange::{
        ews::{Discovered, DiscoveryRules, EwsConfig, EwsProof, EwsSource, EwsStreams, EwsTimeouts, Finder, SharedLogin, discovery_domain},
        graph::{GraphConfig, GraphSource},
    },
    scrub::{LoginScrub, Scrubbed},
    smtp::{SmtpConfig, SmtpSink},
};
use crate::net::{ErrorClass, Network, ProviderError};

/// Connects to real servers, with the operator's limits.
pub struct NetworkConnector {
    /// Makes the connections.
    pub network: Network,
    /// For a whole request.
    pub request_timeout: Duration,
    /// For finding out what happened to a message whose response was lost.
    pub looks: CheckSchedule,
    /// Messages up to this size are loaded.
    pub max_message_bytes: u64,
    /// What servers allow.
    pub budgets: Arc<Budgets>,
    /// The notification streams over EWS.
    pub streams: Arc<EwsStreams>,
    /// Most messages in one request.
    pub fetch_batch: usize,
    /// How EWS services are found.
    pub discovery: DiscoveryRules,
    /// How mail is sent.
    pub smtp: SmtpConfig,
}

impl MailConnector for NetworkConnector {
    fn exchange(&self, login: ExchangeLogin) -> Result<Arc<dyn ExchangeMailbox>, ProviderError> {
        let scrub = LoginScrub::new(&login.credentials);
        let inner = match login.endpoint.clone() {
            Endpoint::Url(url) if login.protocol == ExchangeProtocol::Graph => self.graph(parse(&url)?, login),
            Endpoint::Url(url) => self.ews(login)?.open(parse(&url)?),
            Endpoint::Discovered(discovery) => self.discovered(discovery, login),
        };
        Ok(Arc::new(Scrubbed { scrub, inner: inner? }))
    }

    fn smtp(&self, login: SmtpLogin) -> Result<Arc<dyn MailSink>, ProviderError> {
        let scrub = LoginScrub::new(&login.credentials);
        let inner = Arc::new(SmtpSink::new(self.network.clone(), login, self.smtp)?);
        Ok(Arc::new(Scrubbed { scrub, inner }))
    }
}

impl NetworkConnector {
    fn graph(&self, endpoint: Url, login: ExchangeLogin) -> Result<Arc<dyn ExchangeMailbox>, ProviderError> {
        let Credentials::Token { tokens, username } = login.credentials else {
            return Err(no_login());
        };
        let host = endpoint.host_str().unwrap_or_default();
        let budget = self
            .budgets
            .of(host, login.mailbox.as_ref().unwrap_or(&username), ExchangeProtocol::Graph);
        let source = GraphSource::new(GraphConfig {
            endpoint,
            tokens,
            mailbox: login.mailbox,
            timeout: self.request_timeout,
            looks: self.looks,
            budget: budget.clone(),
            network: self.network.clone(),
            rules: login.rules,
            push: login.push,
        })?;
        Ok(Arc::new(Budgeted::new(source, budget)))
    }

    fn discovered(&self, discovery: EwsDiscovery, login: ExchangeLogin) -> Result<Arc<dyn ExchangeMailbox>, ProviderError> {
        let mut ews = self.ews(login)?;
        let domain = discovery_domain(&discovery.address).unwrap_or_default();
        let mailbox = ews.config.mailbox.as_ref().unwrap_or(&ews.config.username);
        ews.config.budget = self.budgets.of(&domain, mailbox, ExchangeProtocol::Ews);
        let finder = Finder::new(ews.config.clone(), discovery, self.discovery.clone())?;
        Ok(Arc::new(Discovered::new(finder, move |endpoint| ews.open(endpoint))))
    }

    fn ews(&self, login: ExchangeLogin) -> Result<Ews, ProviderError> {
        let (username, proof) = match login.credentials {
            Credentials::Password { username, password } => (username, EwsProof::Password(Zeroizing::new(password.expose().clone()))),
            Credentials::Token { username, tokens } => (username, EwsProof::Tokens(tokens)),
            Credentials::None => return Err(no_login()),
        };
        let config = EwsConfig {
            mailbox: login.mailbox,
            impersonate: login.impersonate,
            timeouts: EwsTimeouts {
                request: self.request_timeout,
                looks: self.looks,
                ..EwsTimeouts::default()
            },
            // Base64 takes a third more, and a batch has some envelope around it.
            max_response_bytes: self.max_message_bytes.saturating_mul(3).max(16 << 20),
            batch: self.fetch_batch,
            rules: login.rules,
            proof,
            ..EwsConfig::new(self.network.clone(), username, Zeroizing::default())
        };
        Ok(Ews {
            budgets: self.budgets.clone(),
            streams: self.streams.clone(),
            owner: login.owner,
            config,
        })
    }
}

/// What is needed to open a mailbox over EWS, except the address of the service.
struct Ews {
    budgets: Arc<Budgets>,
    streams: Arc<EwsStreams>,
    owner: String,
    config: EwsConfig,
}

impl Ews {
    fn open(&self, endpoint: Url) -> Result<Arc<dyn ExchangeMailbox>, ProviderError> {
        let config = self.config.clone();
        let host = endpoint.host_str().unwrap_or_default();
        let budget = self
            .budgets
            .of(host, config.mailbox.as_ref().unwrap_or(&config.username), ExchangeProtocol::Ews);
        let streams = self.streams.of(&SharedLogin {
            owner: &self.owner,
            endpoint: &endpoint,
            username: &config.username,
            proof: &config.proof,
            impersonate: config.impersonate,
            rules: &config.rules,
        });
        let config = EwsConfig {
            streams,
            budget: budget.clone(),
            ..config
        };
        Ok(Arc::new(Budgeted::new(EwsSource::new(endpoint, config)?, budget)))
    }
}

fn parse(endpoint: &str) -> Result<Url, ProviderError> {
    Url::parse(endpoint).map_err(|error| {
        let text = "The endpoint is not a URL. Correct exchange.endpoint of this agent.";
        ProviderError::new(ErrorClass::Refused, text).because(error)
    })
}

fn no_login() -> ProviderError {
    ProviderError::new(ErrorClass::LoginRequired, "Exchange requires a login. Set one for this agent.")
}
