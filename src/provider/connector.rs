//! Makes sources and sinks over the real network.

use std::{sync::Arc, time::Duration};

use url::Url;
use zeroize::Zeroizing;

use super::{
    Credentials, ErrorClass, ExchangeLogin, ExchangeMailbox, ExchangeProtocol, MailConnector, MailSink, ProviderError, SmtpLogin,
    budget::{Budgeted, Budgets},
    ews::{EwsConfig, EwsProof, EwsSource, EwsStreams, EwsTimeouts, SharedLogin},
    graph::{GraphConfig, GraphSource},
    net::Network,
    smtp::{SmtpConfig, SmtpSink},
};

/// Connects to real servers, with the operator's limits.
pub struct NetworkConnector {
    /// Makes the connections.
    pub network: Network,
    /// For a whole request.
    pub request_timeout: Duration,
    /// Messages up to this size are loaded.
    pub max_message_bytes: u64,
    /// What servers allow.
    pub budgets: Budgets,
    /// The notification streams over EWS.
    pub streams: EwsStreams,
    /// Most messages in one request.
    pub fetch_batch: usize,
    /// How mail is sent.
    pub smtp: SmtpConfig,
}

impl MailConnector for NetworkConnector {
    fn exchange(&self, login: ExchangeLogin) -> Result<Arc<dyn ExchangeMailbox>, ProviderError> {
        let endpoint = Url::parse(&login.endpoint).map_err(|error| ProviderError {
            source: Some(error.into()),
            ..ProviderError::new(
                ErrorClass::Refused,
                "The endpoint is not a URL. Correct exchange.endpoint of this agent.",
            )
        })?;
        let host = endpoint.host_str().unwrap_or_default().to_owned();
        let (username, proof) = match (login.credentials, login.protocol) {
            (Credentials::Token { tokens, username }, ExchangeProtocol::Graph) => {
                let mailbox = login.mailbox.as_ref().unwrap_or(&username);
                let budget = self.budgets.of(&host, mailbox, true);
                let source = GraphSource::new(GraphConfig {
                    endpoint,
                    tokens,
                    mailbox: login.mailbox,
                    timeout: self.request_timeout,
                    budget: budget.clone(),
                    network: self.network.clone(),
                    rules: login.rules,
                    push: login.push,
                })?;
                return Ok(Arc::new(Budgeted::new(source, budget)));
            }
            (Credentials::Password { username, password }, ExchangeProtocol::Ews) => {
                (username, EwsProof::Password(Zeroizing::new(password.expose().clone())))
            }
            (Credentials::Token { username, tokens }, ExchangeProtocol::Ews) => (username, EwsProof::Tokens(tokens)),
            (Credentials::None, _) | (Credentials::Password { .. }, ExchangeProtocol::Graph) => {
                let text = "Exchange wants a login. Set one for this agent.";
                return Err(ProviderError::new(ErrorClass::LoginRequired, text));
            }
        };
        let budget = self.budgets.of(&host, login.mailbox.as_ref().unwrap_or(&username), false);
        let streams = self.streams.of(&SharedLogin {
            owner: &login.owner,
            endpoint: &endpoint,
            username: &username,
            proof: &proof,
            impersonate: login.impersonate,
            rules: &login.rules,
        });
        let config = EwsConfig {
            streams,
            mailbox: login.mailbox,
            impersonate: login.impersonate,
            timeouts: EwsTimeouts {
                request: self.request_timeout,
                ..EwsTimeouts::default()
            },
            // Base64 takes a third more, and a batch has some envelope around it.
            max_response_bytes: self.max_message_bytes.saturating_mul(3).max(16 << 20),
            budget: budget.clone(),
            batch: self.fetch_batch,
            rules: login.rules,
            proof,
            ..EwsConfig::new(self.network.clone(), endpoint, username, Zeroizing::default())
        };
        Ok(Arc::new(Budgeted::new(EwsSource::new(config)?, budget)))
    }

    fn smtp(&self, login: SmtpLogin) -> Result<Arc<dyn MailSink>, ProviderError> {
        Ok(Arc::new(SmtpSink::new(self.network.clone(), login, self.smtp)?))
    }
}
