//! Sending over SMTP, judged by servers of others: Postfix with logins by Dovecot, and smtp-server for Node, which fails on demand. Beside
//! them small servers that do what no good server does.
//!
//! Both are installed by `make test`; Postfix needs root.

mod agent;
mod odd;
mod postfix;
pub mod scripted;

use std::{
    process::{Child, Command},
    sync::Arc,
    time::Duration,
};

use mailagent::testing::{
    crypto::Secret,
    domain::{Mailbox, SmtpSecurity, Timestamp},
    mime::{Draft, compose},
    net::{EndpointRules, ErrorClass, Network, NetworkConfig, ProviderError, Stage, StageKind},
    provider::{AccessTokens, Credentials, LoginScrub, MailSink, OutgoingMessage, Scrubbed, SmtpConfig, SmtpLogin, SmtpSink},
};
use rustls::pki_types::CertificateDer;

/// The name that servers have.
const HOST: &str = "127.0.0.1";

/// A certificate and its key in PEM.
struct Pair {
    der: CertificateDer<'static>,
    certificate: String,
    key: String,
}

/// A certificate for the server's name.
fn certificate() -> Pair {
    certificate_with(HOST, |_| {})
}

fn certificate_with(name: &str, change: impl FnOnce(&mut rcgen::CertificateParams)) -> Pair {
    let mut parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    change(&mut parameters);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    Pair {
        der: certificate.der().clone(),
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    }
}

/// A process that is stopped with the test, also with one that fails.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// What a test chooses about its connection.
#[derive(Clone)]
struct Choices {
    port: u16,
    security: SmtpSecurity,
    roots: Vec<CertificateDer<'static>>,
    connect_timeout: Duration,
    config: SmtpConfig,
}

impl Choices {
    fn new(port: u16, security: SmtpSecurity) -> Self {
        Self {
            port,
            security,
            roots: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            config: SmtpConfig {
                request_timeout: Duration::from_secs(10),
                delivery_timeout: Duration::from_secs(10),
                max_connections: 2,
            },
        }
    }

    fn trusting(mut self, pair: &Pair) -> Self {
        self.roots = vec![pair.der.clone()];
        self
    }

    /// Waits only for so long.
    fn waiting(mut self, limit: Duration) -> Self {
        self.config.request_timeout = limit;
        self.config.delivery_timeout = limit;
        self
    }

    fn sink(&self, credentials: Credentials) -> Scrubbed<SmtpSink> {
        let network = Network::new(NetworkConfig {
            allow_loopback: true,
            connect_timeout: self.connect_timeout,
            root_certificates: self.roots.clone(),
            ..NetworkConfig::default()
        });
        let login = SmtpLogin {
            host: HOST.to_owned(),
            port: self.port,
            security: self.security,
            credentials,
            rules: EndpointRules::default(),
        };
        // As the service does it.
        Scrubbed {
            scrub: LoginScrub::new(&login.credentials),
            inner: Arc::new(SmtpSink::new(network, login, self.config).unwrap()),
        }
    }
}

fn password(username: &str, password: &str) -> Credentials {
    Credentials::Password {
        username: username.to_owned(),
        password: password.to_owned().into(),
    }
}

fn token(username: &str, token: &str) -> Credentials {
    Credentials::Token {
        username: username.to_owned(),
        tokens: Arc::new(OneToken(token.to_owned())),
    }
}

/// A login with one access token and no other.
#[derive(Debug)]
struct OneToken(String);

#[tonic::async_trait]
impl AccessTokens for OneToken {
    async fn current(&self) -> Result<Secret, ProviderError> {
        Ok(self.0.as_str().into())
    }

    async fn instead_of(&self, _: &Secret) -> Result<Secret, ProviderError> {
        self.current().await
    }

    fn given(&self) -> Vec<Secret> {
        vec![self.0.as_str().into()]
    }
}

fn message(sender: &str, recipients: &[&str]) -> OutgoingMessage {
    let anna = Mailbox {
        display_name: "Anna M\u{fc}ller".to_owned(),
        address: sender.to_owned(),
    };
    let raw = compose(&Draft {
        from: &anna,
        to: recipients,
        subject: "A test",
        text: "Hello,\n.\n..\n\nthis is \u{fc}ber all.\n",
        message_id: "1@mail.example",
        date: Timestamp::from_seconds(1_795_000_000),
        headers: &[],
    });
    OutgoingMessage {
        sender: sender.to_owned(),
        recipients: recipients.iter().map(|to| (*to).to_owned()).collect(),
        raw: raw.into(),
    }
}

async fn refused(sink: &dyn MailSink, message: &OutgoingMessage) -> ProviderError {
    let error = sink.send(message).await.expect_err("the server refuses it");
    println!("{:?}: {} [{}]", error.class, error.problem, error.server_reply);
    assert!(!error.problem.is_empty() && !error.problem.contains(['{', '}']));
    error
}

async fn stages(sink: &dyn MailSink, test: Option<&OutgoingMessage>) -> Vec<Stage> {
    let mut stages = Vec::new();
    sink.check(test, &mut |stage| {
        println!("{stage:?}");
        stages.push(stage);
    })
    .await;
    stages
}

/// The kinds of the stages, and the fault of the last.
async fn failed(sink: &dyn MailSink) -> (StageKind, ProviderError) {
    let mut stages = stages(sink, None).await;
    let last = stages.pop().expect("there is a stage");
    assert!(stages.iter().all(|stage| stage.outcome.is_ok()), "{stages:?}");
    (last.kind, last.outcome.expect_err("the last stage failed"))
}

fn check(error: &ProviderError, class: ErrorClass, problem: &str, reply: &str) {
    assert_eq!(error.class, class, "{error:?}");
    assert!(error.problem.contains(problem), "{error:?}");
    assert!(error.server_reply.contains(reply), "{error:?}");
}
