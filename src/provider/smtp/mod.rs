//! Sends mail over SMTP (RFC 5321), by lettre, over our own connections.
//!
//! | module | holds |
//! |---|---|
//! | `wire` | replies and streams |
//! | `opening` | how a connection begins: greeting, STARTTLS, EHLO |
//! | `offers` | what a server offers |
//! | `session` | a connection from then on: commands, submitting a message |
//! | `lettre_stream` | replies in the form that lettre reads |
//! | `login` | PLAIN, LOGIN, XOAUTH2 |
//! | `envelope` | addresses, and what a message requires of the server |
//! | `codes` | the meaning of replies: the table |
//! | `faults` | other faults, in words for an administrator |
//! | `pool` | idle connections |

mod codes;
mod envelope;
mod faults;
mod lettre_stream;
mod login;
mod offers;
mod opening;
mod pool;
mod session;
mod wire;

use std::{net::SocketAddr, time::Duration};

use async_trait::async_trait;
use tokio::{net::TcpStream, sync::Semaphore, time::Instant};

use self::{
    envelope::Envelope,
    faults::Judge,
    opening::Secured,
    pool::{Pool, Pooled},
    session::Session,
};
use super::{Credentials, MailSink, OutgoingMessage, Sent, SmtpLogin};
use crate::{
    domain::SmtpSecurity,
    net::{self, ErrorClass, Network, ProviderError, StageFacts, StageKind, StageReport},
};

/// A server that is silent for this long may require TLS from the first byte.
const SILENCE: Duration = Duration::from_secs(3);
/// For quitting, and for the last words of a server that disconnected.
const GOODBYE: Duration = Duration::from_secs(2);

/// What the operator decides about sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmtpConfig {
    /// For each response of a server, and for each chunk of a message.
    pub request_timeout: Duration,
    /// For the response to a whole message, for which servers may take long (RFC 5321 section 4.5.3.2.6).
    pub delivery_timeout: Duration,
    /// Limit of messages that a sink submits at the same time, each over its own connection; as many connections are kept.
    pub max_connections: usize,
}

/// Sends over one server with one login. Keeps connections for a while.
pub struct SmtpSink {
    network: Network,
    login: SmtpLogin,
    judge: Judge,
    config: SmtpConfig,
    pool: Pool,
    permits: Semaphore,
}

impl SmtpSink {
    /// Prepares for sending. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ErrorClass::Refused`] for a server without a name or a port, [`ErrorClass::LoginRequired`] for a login that cannot be one.
    pub fn new(network: Network, login: SmtpLogin, config: SmtpConfig) -> Result<Self, ProviderError> {
        let judge = Judge {
            host: login.host.as_str().into(),
            port: login.port,
            security: login.security,
        };
        if login.host.is_empty() || login.host.contains(|c: char| c.is_control() || c.is_whitespace()) || login.port == 0 {
            return Err(ProviderError::new(
                ErrorClass::Refused,
                "The SMTP server has no valid name or port. Correct smtp.host and smtp.port of this agent.",
            ));
        }
        login::check(&judge, &login.credentials)?;
        Ok(Self {
            network,
            judge,
            permits: Semaphore::new(config.max_connections.max(1)),
            login,
            config,
            pool: Pool::default(),
        })
    }

    async fn resolve(&self) -> Result<Vec<SocketAddr>, ProviderError> {
        self.network.resolve(&self.login.host, self.login.port, &self.login.rules).await
    }

    async fn secure(&self, tcp: TcpStream) -> Result<Secured, ProviderError> {
        opening::secure(&self.network, &self.judge, &self.config, &self.login.rules, tcp).await
    }

    async fn begin(&self, secured: Secured) -> Result<Session, ProviderError> {
        Session::begin(secured, self.judge.clone(), self.config).await
    }

    /// A new connection, logged in.
    async fn open(&self) -> Result<Pooled, ProviderError> {
        let addresses = self.resolve().await?;
        let tcp = self.network.connect(&self.login.host, &addresses).await?;
        let mut session = self.begin(self.secure(tcp).await?).await?;
        if let Err(error) = session.log_in(&self.login.credentials).await {
            dismiss(session);
            return Err(error);
        }
        Ok(Pooled {
            session,
            since: Instant::now(),
        })
    }
}

/// Quits without anybody waiting for it.
fn dismiss(session: Session) {
    tokio::spawn(session.quit());
}

#[async_trait]
impl MailSink for SmtpSink {
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, ProviderError> {
        let envelope = Envelope::of(message)?;
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let mut idle = self.pool.take().await;
        loop {
            let reused = idle.is_some();
            let mut pooled = match idle.take() {
                Some(pooled) => pooled,
                None => self.open().await?,
            };
            match pooled.session.deliver(&envelope, &message.raw).await {
                Ok(sent) => {
                    self.pool.put(pooled, self.config.max_connections);
                    return Ok(sent);
                }
                // It died while it was idle; the message was not mentioned yet.
                Err(unsent) if reused && unsent.dead => {}
                Err(unsent) => {
                    dismiss(pooled.session);
                    return Err(*unsent.error);
                }
            }
        }
    }

    async fn check(&self, test: Option<&OutgoingMessage>, report: StageReport<'_>) {
        let host = self.login.host.as_str();
        let found = net::stage(StageKind::Resolve, report, self.resolve(), |found| net::resolved(host, found)).await;
        let Some(addresses) = found else { return };
        let connect = self.network.connect(host, &addresses);
        let tcp = net::stage(StageKind::Connect, report, connect, net::connected).await;
        let Some(tcp) = tcp else { return };

        let plain = self.login.security == SmtpSecurity::None;
        let mut secured = None;
        let mut tcp = Some(tcp);
        if !plain && let Some(tcp) = tcp.take() {
            secured = net::stage(StageKind::Tls, report, self.secure(tcp), |secured: &Secured| {
                secured
                    .certificate
                    .as_ref()
                    .map(|facts| net::handshaken(host, facts))
                    .unwrap_or_default()
            })
            .await;
            if secured.is_none() {
                return;
            }
        }
        let log_in = async {
            let secured = match (secured, tcp) {
                (Some(secured), _) => secured,
                (None, Some(tcp)) => self.secure(tcp).await?,
                (None, None) => unreachable!("one of them is there"),
            };
            let mut session = self.begin(secured).await?;
            match session.log_in(&self.login.credentials).await {
                Ok(reply) => Ok((session, reply)),
                Err(error) => {
                    dismiss(session);
                    Err(error)
                }
            }
        };
        let logged_in = net::stage(StageKind::Authenticate, report, log_in, |(session, reply)| StageFacts {
            summary: match &self.login.credentials {
                Credentials::None => format!("{host} greets; there is no login."),
                Credentials::Password { username, .. } | Credentials::Token { username, .. } => {
                    format!("{host} accepted the login {username}.")
                }
            },
            server_reply: reply.as_ref().unwrap_or(&session.hello).words(),
            certificate: None,
        })
        .await;
        let Some((mut session, _)) = logged_in else { return };
        if let Some(message) = test {
            let send = async {
                let envelope = Envelope::of(message)?;
                session.deliver(&envelope, &message.raw).await.map_err(|unsent| *unsent.error)
            };
            net::stage(StageKind::Send, report, send, |sent| StageFacts {
                summary: format!("{host} accepted the message for {}.", message.recipients.join(", ")),
                server_reply: sent.server_reply.clone(),
                certificate: None,
            })
            .await;
        }
        dismiss(session);
    }
}
