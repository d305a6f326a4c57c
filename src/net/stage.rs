//! Stages of a connection check: what was tried, how long it took, what the server said, so that a person can mend the fault.

use std::time::Duration;

use crate::domain::Timestamp;

use super::ProviderError;

/// A step of a check, in the order in which they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StageKind {
    /// The server's name becomes addresses, of which some may be called.
    Resolve,
    /// A TCP connection.
    Connect,
    /// The TLS handshake, at once or after STARTTLS. Left out where no TLS is wanted.
    Tls,
    /// The login.
    Authenticate,
    /// The inbox is opened. Exchange only.
    OpenInbox,
    /// A message is handed over.
    Send,
}

/// A step that is over. A check ends with the first that fails.
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
    /// What happened, in one plain sentence, such as `mail.example.com has the addresses 192.0.2.7 and 192.0.2.8.`
    pub summary: String,
    /// The server's own words, at most 1,024 characters, without control characters. Possibly empty.
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

/// What a server's certificate says. In a failed stage too: [`ProviderError::certificate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Whom it is for, as a distinguished name (RFC 4514).
    pub subject: String,
    /// Who vouches for it, in the same form.
    pub issuer: String,
    /// Names and addresses that it is good for (subjectAltName), at most 100.
    pub names: Vec<String>,
    /// From when it is good.
    pub not_before: Timestamp,
    /// Until when it is good.
    pub not_after: Timestamp,
    /// SHA-256 of the certificate: 64 hexadecimal digits in lower case.
    pub sha256_fingerprint: String,
    /// `TLSv1.2` or `TLSv1.3`; empty when the handshake failed before that was settled.
    pub tls_version: String,
    /// Whether it is believed only because an administrator named its fingerprint for this host.
    pub trusted_by_fingerprint: bool,
}

/// Takes each stage as it ends.
pub type StageReport<'a> = &'a mut (dyn FnMut(Stage) + Send);
