//! What the product does, one file or folder per area. The edge and the background jobs share behaviour only through here.

pub mod agents;
pub mod archive;
pub mod audit;
pub mod check;
pub mod directory;
pub mod import;
mod intake;
pub mod keys;
mod locks;
pub mod login;
pub mod login_health;
pub mod mailbox;
pub mod maintenance;
mod processor;
pub mod push;
mod read_error;
pub mod reads;
mod requests;
pub mod settings;
pub mod sweep;
mod vault;
pub mod watch;

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    blobs::BlobStore,
    crypto::{Ids, Sealer},
    domain::{Clock, Error, Reason, Result, Timestamp, Violation, misleads},
    lifecycle::Lifecycle,
    provider::MailConnector,
    store::Store,
    telemetry::Metrics,
};

pub use intake::{Journal, Preparation, REHEARSE, accuse};
pub(crate) use locks::{LockKey, Locks};
pub use mailbox::AnswerMemory;
pub use processor::{Processor, ProcessorLimits};
pub use read_error::ReadError;
pub use vault::{Keys, KeysError, Vault};

/// Everything that operations work with. Cheap to clone.
#[derive(Clone)]
pub struct Ops {
    /// The database.
    pub store: Store,
    /// Where large messages lie.
    pub blobs: Arc<dyn BlobStore>,
    /// Opens and seals secrets.
    pub vault: Arc<Vault>,
    /// Seals cursors and page tokens.
    pub sealer: Sealer,
    /// Makes ids.
    pub ids: Arc<Ids>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Opens mailboxes.
    pub connector: Arc<dyn MailConnector>,
    /// What the operator decided.
    pub limits: Arc<Limits>,
    /// Counts what happens.
    pub metrics: Metrics,
    /// Unpacks and parses messages.
    pub processor: Processor,
    /// Bounds what mailbox servers' answers hold in memory together.
    pub answers: Arc<AnswerMemory>,
    /// Ends streams when the service stops.
    pub stopping: CancellationToken,
    /// What is done one at a time in this process.
    pub(crate) locks: Arc<Locks>,
    /// What this process knows of logins that many mailboxes share.
    pub(crate) known_logins: Arc<mailbox::KnownLogins>,
    /// Wakes the job that reads mailboxes, after an agent was changed.
    pub agents_changed: Arc<tokio::sync::Notify>,
    /// Where people log in, and what the operator decided about that.
    pub logins: Arc<login::Logins>,
    /// Those who wait for mailboxes that Graph tells of.
    pub wakers: Arc<push::Wakers>,
    /// Wakes the job that links archived mail to contacts, after one got an address.
    pub mail_to_link: Arc<tokio::sync::Notify>,
    /// Who read which message, until it is written down.
    pub reads: Arc<reads::ReadLog>,
    /// Wakes the job that keeps logins, after one was given up.
    pub logins_changed: Arc<tokio::sync::Notify>,
    /// Runs what must come to its end although the call that began it is given up.
    pub(crate) lifecycle: Lifecycle,
    /// Keeps a message that killed the process from killing it again.
    pub(crate) preparation: Arc<Preparation>,
}

/// What the operator decided.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Larger messages leave a stub.
    pub max_message_bytes: u64,
    /// Packed messages up to this size lie in the database.
    pub inline_bytes: usize,
    /// Whether EWS endpoints may be plain http.
    pub allow_http: bool,
    /// Whether servers may be on this machine itself.
    pub allow_loopback: bool,
    /// Longest wait before a failing mailbox is tried again.
    pub max_backoff: Duration,
    /// Streams send a bookmark at least this often.
    pub bookmark_interval: Duration,
}

impl Ops {
    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Collects what is wrong with a request, so that all of it is told at once.
#[derive(Default)]
pub(crate) struct Violations(pub(crate) Vec<Violation>);

impl Violations {
    /// Adds a fault of a field unless `fine`.
    pub(crate) fn check(&mut self, fine: bool, field: impl Into<String>, description: impl Into<String>) {
        if !fine {
            self.add(field, description);
        }
    }

    /// Adds a fault of a field.
    pub(crate) fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.0.push(Violation {
            field: field.into(),
            description: description.into(),
        });
    }

    /// Fails if anything was wrong.
    pub(crate) fn into_result(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::invalid(self.0)) }
    }
}

/// Whether the text may stand in a header or on a screen: no control characters.
pub(crate) fn is_plain(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// Whether the text shows what it says, so that no name or address looks like another.
pub(crate) fn is_honest(text: &str) -> bool {
    !text.chars().any(misleads)
}

/// Whether the text is one addr-spec (RFC 5322 §3.4.1, RFC 6532) without a display name.
pub(crate) fn is_address(text: &str) -> bool {
    if text.len() > 320 || !is_plain(text) || !is_honest(text) {
        return false;
    }
    let parses = |text: &str| {
        let options = email_address::Options::default().without_display_text();
        email_address::EmailAddress::parse_with_options(text, options).is_ok()
    };
    match text.rsplit_once('@') {
        // Gateways write longer local parts than the 64 bytes of RFC 5321 §4.5.3.1.1, which says that they should be taken, and the parser does not.
        Some((local, domain)) if (65..=256).contains(&local.len()) => {
            let is_atom = |atom: &str| atom.len() <= 64 && parses(&format!("{atom}@{domain}"));
            let long = |atom: &str| atom.len() > 64 && atom.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_+=".contains(&byte));
            local.split('.').all(|atom| is_atom(atom) || long(atom))
        }
        _ => parses(text),
    }
}

/// Fails when a request carries another etag than the resource has now. An empty one is not checked.
pub(crate) fn check_etag(resource: &str, now: &str, expected: &str) -> Result<()> {
    if expected.is_empty() || expected == now {
        return Ok(());
    }
    Err(Error::stale(resource))
}

/// The number of rows of a list page, from the `page_size` of a request.
pub(crate) fn page_limit(page_size: i32) -> Result<u64> {
    match page_size {
        ..0 => Err(Error::invalid_field("page_size", "must not be negative; 0 means 50.")),
        0 => Ok(50),
        1.. => Ok(u64::try_from(page_size).expect("it is positive").min(500)),
    }
}

/// The page token of a request is invalid.
pub fn page_token_invalid() -> Error {
    Error::invalid_handle(
        Reason::PageTokenInvalid,
        "page_token",
        "it is malformed, of another tenant or method, or from a call with a different filter. Start again without it.",
    )
}
