//! Why a server did not execute a request, and what to do about it.

use std::{fmt, time::Duration};

use super::trust::CertificateFacts;

/// Why a server did not execute a request.
#[derive(Debug, thiserror::Error)]
pub struct ProviderError {
    /// What to do about it.
    pub class: ErrorClass,
    /// What is wrong and what to do, in plain language for an administrator. Contains no secret.
    pub problem: String,
    /// The server's reply, at most 1,024 characters, without control characters. Possibly empty.
    pub server_reply: String,
    /// The certificate that was not trusted, if there was one.
    pub certificate: Option<Box<CertificateFacts>>,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ProviderError {
    /// A fault in plain language without a server's reply.
    pub fn new(class: ErrorClass, problem: impl Into<String>) -> Self {
        Self {
            class,
            problem: problem.into(),
            server_reply: String::new(),
            certificate: None,
            source: None,
        }
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// The same without the cause, to be kept when the fault itself is passed on.
    #[must_use]
    pub fn to_be_kept(&self) -> Self {
        Self {
            server_reply: self.server_reply.clone(),
            ..Self::new(self.class, self.problem.clone())
        }
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

/// What to do about a server's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Wait, then retry; `after` is the server's own request. The server was reached, and asked to wait or had a temporary fault.
    Retry {
        /// The pause that the server requests.
        after: Option<Duration>,
    },
    /// No connection to the server is possible (name, connection, TLS, time-out, not an Exchange server). Retry later.
    Unreachable,
    /// The login is rejected: a person must act. Nothing is tried until then.
    LoginRequired,
    /// The login is valid but has no permission, or the mailbox does not exist: a person must act.
    Refused,
    /// The server accepts no message of this size.
    TooLarge,
    /// The sync state is no longer accepted: list again.
    StateLost,
    /// The server's response is invalid, or exceeds a limit.
    Malformed,
}

impl ErrorClass {
    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Retry { .. } => "retry",
            Self::Unreachable => "unreachable",
            Self::LoginRequired => "login_required",
            Self::Refused => "refused",
            Self::TooLarge => "too_large",
            Self::StateLost => "state_lost",
            Self::Malformed => "malformed",
        }
    }
}
