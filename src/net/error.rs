//! Why a server did not do what it was asked, and what to do about it.

use std::{fmt, time::Duration};

use super::CertificateFacts;

/// Why a server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub struct ProviderError {
    /// What to do about it.
    pub class: ErrorClass,
    /// What is wrong and what to do, in plain words for an administrator. Holds no secret.
    pub problem: String,
    /// The server's own words, at most 1,024 characters, without control characters. Possibly empty.
    pub server_reply: String,
    /// The certificate that was not believed, if it came to that.
    pub certificate: Option<Box<CertificateFacts>>,
    /// What lies beneath.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ProviderError {
    /// A fault in plain words that no server spoke of.
    pub fn new(class: ErrorClass, problem: impl Into<String>) -> Self {
        Self {
            class,
            problem: problem.into(),
            server_reply: String::new(),
            certificate: None,
            source: None,
        }
    }

    /// Adds what lies beneath.
    #[must_use]
    pub fn because(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// The same without what lies beneath, to be kept when the fault itself is handed on.
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
    /// Wait, then try again; `after` is the server's own wish. The server was reached and asked for patience or had a passing fault.
    Retry {
        /// How long the server wants to be left alone.
        after: Option<Duration>,
    },
    /// The server cannot be reached or talked to (name, connection, TLS, time-out, not an Exchange server). Try again later.
    Unreachable,
    /// The login is refused: a person must act. Nothing is tried until then.
    LoginRequired,
    /// The login is good but may not do this, or the mailbox does not exist: a person must act.
    Refused,
    /// The server takes no message of this size.
    TooLarge,
    /// The sync state is no longer accepted: list anew.
    StateLost,
    /// The server's answer makes no sense, or breaks a limit.
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
