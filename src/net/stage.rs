//! Stages of a connection check: what was tried, how long it took, what the server said, so that a person can fix the fault.

use std::time::Duration;

use super::{ProviderError, trust::CertificateFacts};

/// A step of a check, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StageKind {
    /// The server's name is resolved to addresses that may be called.
    Resolve,
    /// A TCP connection.
    Connect,
    /// The TLS handshake, at once or after STARTTLS. Omitted if TLS is not used.
    Tls,
    /// The login.
    Authenticate,
    /// The inbox is opened. Exchange only.
    OpenInbox,
    /// A message is submitted.
    Send,
}

/// A completed step. A check ends with the first that fails.
#[derive(Debug)]
pub struct Stage {
    /// Which step.
    pub kind: StageKind,
    /// How long it took.
    pub took: Duration,
    /// What it found, or why it failed.
    pub outcome: Result<StageFacts, ProviderError>,
}

/// What a step found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageFacts {
    /// What happened, in one sentence, such as `mail.example.com has the addresses 192.0.2.7 and 192.0.2.8.`
    pub summary: String,
    /// The server's reply, at most 1,024 characters, without control characters. Possibly empty.
    pub server_reply: String,
    /// The server's certificate. Only with [`StageKind::Tls`].
    pub certificate: Option<CertificateFacts>,
}

impl StageFacts {
    /// What [`StageKind::OpenInbox`] found.
    pub fn opened(total: Option<u64>) -> Self {
        Self {
            summary: match total {
                Some(1) => "Opened the inbox, which has 1 message.".to_owned(),
                Some(total) => format!("Opened the inbox, which has {total} messages."),
                None => "Opened the inbox.".to_owned(),
            },
            ..Self::default()
        }
    }
}

/// Receives each stage as it ends.
pub type StageReport<'a> = &'a mut (dyn FnMut(Stage) + Send);
