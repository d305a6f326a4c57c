//! The results of the sweep.

use super::{AgentId, AutomaticKind, CaseId, ContactId, CustomerId, Mailbox, MessageId, NoteId, OutcomeId, Timestamp};

macro_rules! results {
    ($($variant:ident = $name:literal, $doc:literal;)*) => {
        /// What was decided about a message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum OutcomeResult {
            $(#[doc = $doc] $variant,)*
        }

        impl OutcomeResult {
            /// All of them.
            pub const ALL: &'static [OutcomeResult] = &[$(OutcomeResult::$variant,)*];

            /// The name in the database, in logs and in tables for people.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(OutcomeResult::$variant => $name,)*
                }
            }

            /// The reverse of [`Self::as_str`].
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|result| result.as_str() == text)
            }
        }
    };
}

results! {
    Matched = "MATCHED", "It became a note.";
    NoReference = "NO_REFERENCE", "The subject contains no case reference.";
    UnknownReference = "UNKNOWN_REFERENCE", "The subject has a reference, but no such case exists.";
    NonMatchingContact = "NON_MATCHING_CONTACT", "The sender is not a contact of the case's customer.";
    Automatic = "AUTOMATIC", "Automatic mail, which the tenant has chosen to skip.";
    Duplicate = "DUPLICATE", "The same message was handled before.";
    Loop = "LOOP", "Too many messages from this sender within an hour.";
    SenderNotAuthentic = "SENDER_NOT_AUTHENTIC", "The sender is not who it claims to be.";
    TooLarge = "TOO_LARGE", "Over the size limit.";
    Unparsable = "UNPARSABLE", "It cannot be parsed or processed.";
    OwnMessage = "OWN_MESSAGE", "Sent by this service or by the agent itself.";
}

impl OutcomeResult {
    /// Whether the decision holds for the message in every mailbox. The others depend on whose mailbox it is or on how it got
    /// there, so that the same message in another mailbox is decided again.
    pub fn settles(self) -> bool {
        !matches!(self, Self::OwnMessage | Self::NonMatchingContact | Self::SenderNotAuthentic)
    }

    /// Whether the message is set aside, to be replayed.
    pub fn is_set_aside(self) -> bool {
        matches!(self, Self::Loop | Self::TooLarge | Self::Unparsable)
    }
}

/// The outcome of one message in one mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// A ULID.
    pub id: OutcomeId,
    /// The agent in whose mailbox it was.
    pub agent: AgentId,
    /// Folder it was read from.
    pub folder: String,
    /// Id of the message in its mailbox.
    pub source_id: String,
    /// What was decided.
    pub result: OutcomeResult,
    /// Why, in plain language.
    pub detail: String,
    /// Decoded subject.
    pub subject: String,
    /// From.
    pub sender: Option<Mailbox>,
    /// Message-ID without angle brackets. Possibly empty.
    pub message_id: String,
    /// Whether and how it is automatic.
    pub automatic: Option<AutomaticKind>,
    /// The case it names.
    pub case: Option<CaseId>,
    /// The note created from it.
    pub note: Option<NoteId>,
    /// The contact it is from.
    pub contact: Option<ContactId>,
    /// The archived message.
    pub message: Option<MessageId>,
    /// Possible authors of a forwarded message, each with the reason.
    pub candidates: Vec<(Mailbox, String)>,
    /// Size in bytes.
    pub size: i64,
    /// When the mailbox received it.
    pub received: Timestamp,
    /// When it was handled.
    pub handled: Timestamp,
    /// Identity of the message, 32 bytes. Empty when it could not be read.
    pub identity: Vec<u8>,
    /// SHA-256 of its bytes when they are kept because it was set aside.
    pub blob: Option<Vec<u8>>,
}

/// A text entry on a case, created from one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// A ULID.
    pub id: NoteId,
    /// The case.
    pub case: CaseId,
    /// The case's reference.
    pub case_reference: String,
    /// The case's customer.
    pub customer: CustomerId,
    /// The contact it is from.
    pub contact: Option<ContactId>,
    /// Whether the contact was created for this message.
    pub contact_created: bool,
    /// The agent that received it.
    pub agent: AgentId,
    /// The archived message.
    pub message: Option<MessageId>,
    /// Message-ID without angle brackets. Possibly empty.
    pub message_id: String,
    /// From.
    pub sender: Option<Mailbox>,
    /// Decoded subject.
    pub subject: String,
    /// What the sender wrote.
    pub text: String,
    /// The quoted history below it.
    pub quoted: String,
    /// Whether `quoted` is only the beginning of the history.
    pub quoted_is_cut: bool,
    /// Whether and how it is automatic.
    pub automatic: Option<AutomaticKind>,
    /// Whether the sender failed the authenticity checks.
    pub sender_not_authentic: bool,
    /// When the mailbox received the message.
    pub received: Timestamp,
    /// When the note was created.
    pub created: Timestamp,
    /// SHA-256 of the message's bytes when they are kept with the note.
    pub blob: Option<Vec<u8>>,
    /// Size of the message in bytes.
    pub size: i64,
}

/// Limits of characters of a note's text and of its quoted history in lists and events.
const NOTE_EXCERPT: usize = 1024;
const QUOTED_EXCERPT: usize = 256;

impl Note {
    /// The note as it appears in lists and events: its text and its quoted history truncated.
    #[must_use]
    pub fn excerpt(mut self) -> Self {
        truncate(&mut self.text, NOTE_EXCERPT);
        self.quoted_is_cut |= truncate(&mut self.quoted, QUOTED_EXCERPT);
        self
    }
}

/// Truncates `text` to `limit` characters. Returns whether it was longer.
fn truncate(text: &mut String, limit: usize) -> bool {
    let end = text.char_indices().nth(limit).map(|(end, _)| end);
    if let Some(end) = end {
        text.truncate(end);
    }
    end.is_some()
}
