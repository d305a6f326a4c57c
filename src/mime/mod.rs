//! Messages: bytes in, values out. No input or output, no clock, no panic on any input.

use serde::{Deserialize, Serialize};

use crate::domain::{AutomaticKind, Mailbox, Timestamp};

/// What the service needs to know of a message, read in one pass.
#[derive(Clone, Debug, Default)]
pub struct ParsedMail {
    /// Message-ID without angle brackets and white space, at most 998 bytes. `None` when missing or empty.
    pub message_id: Option<String>,
    /// What survives when a server rebuilds the message: see [`Identity`].
    pub identity: Identity,
    /// Subject, decoded and unfolded, at most 998 characters, without control characters. Possibly empty.
    pub subject: String,
    /// First mailbox of From that has a valid addr-spec.
    pub from: Option<Mailbox>,
    /// Valid mailboxes of To, at most 1,000.
    pub to: Vec<Mailbox>,
    /// Valid mailboxes of Cc, at most 1,000.
    pub cc: Vec<Mailbox>,
    /// Valid mailboxes of Bcc, at most 1,000.
    pub bcc: Vec<Mailbox>,
    /// Time of the Date header. `None` when missing, broken, before 1971 or after 2100.
    pub sent_time: Option<Timestamp>,
    /// Whether and how the message is automatic.
    pub automatic: Option<AutomaticKind>,
    /// Number of attachments, inline parts not counted.
    pub attachment_count: u32,
    /// Beginning of the text in one line, at most 200 characters.
    pub preview: String,
    /// Words for the full-text index.
    pub search: SearchText,
    /// Every Authentication-Results header (RFC 8601), topmost first.
    pub authentication_results: Vec<AuthenticationResults>,
    /// Value of our own mark, the header [`OWN_MARK`]. `None` when absent.
    pub own_mark: Option<String>,
    /// Who may have written first what this message forwards: an address and why it is offered. At most 5.
    pub forwarded_from: Vec<(Mailbox, String)>,
}

/// Header that the service puts into what it sends, by which its own sweep knows it.
pub const OWN_MARK: &str = "X-Mailagent-Id";

/// Says whether two fetched messages are the same one.
///
/// Exchange rebuilds MIME on the way out, so bytes differ between two fetches. The identity is SHA-256 over the Message-ID and what
/// survives: date, from, subject text, body text (white space folded) and the digests of the decoded attachments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity(pub [u8; 32]);

/// Words for the full-text index, as plain text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchText {
    /// Names and addresses of all participants.
    pub participants: String,
    /// The text (HTML turned to text) including embedded messages, at most 256 KiB.
    pub body: String,
    /// File names of attachments.
    pub attachment_names: String,
}

/// One Authentication-Results header (RFC 8601).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthenticationResults {
    /// The server that says so, in lower case.
    pub authserv_id: String,
    /// Result of DMARC in lower case, such as `pass` or `fail`.
    pub dmarc: Option<String>,
    /// Results of SPF in lower case with the domain that was checked (`smtp.mailfrom`, else `smtp.helo`).
    pub spf: Vec<(String, Option<String>)>,
    /// Results of DKIM in lower case with the signing domain (`header.d`, else the domain of `header.i`).
    pub dkim: Vec<(String, Option<String>)>,
}

/// The text of a message, for a note.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoteText {
    /// What the sender wrote, at most 1 MiB.
    pub text: String,
    /// The quoted history below it, at most 1 MiB. Possibly empty.
    pub quoted: String,
}

/// A message in parts, for a reader.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Content {
    /// Name, and value unfolded and decoded, in their order; at most 1,000.
    pub headers: Vec<(String, String)>,
    /// The text, made from the HTML when there is no other; at most 1 MiB.
    pub text: String,
    /// Sanitised HTML without remote content; at most 1 MiB; empty when there is none.
    pub html: String,
    /// Whether remote content was taken out of `html`.
    pub remote_content_blocked: bool,
    /// Attachments and inline parts; at most 1,000.
    pub attachments: Vec<AttachmentInfo>,
}

/// An attachment or inline part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentInfo {
    /// Name without any path or control characters. Possibly empty.
    pub file_name: String,
    /// Media type in lower case, such as `application/pdf`.
    pub media_type: String,
    /// Size when decoded, in bytes.
    pub size: u64,
    /// Content-ID without angle brackets. Possibly empty.
    pub content_id: String,
    /// Whether it belongs into the text rather than beside it.
    pub inline: bool,
}
