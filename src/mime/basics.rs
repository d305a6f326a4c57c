//! The header fields that identify a message.

use super::{
    address,
    dates::{self, Written},
    decode,
    fields::{Field, Fields},
};
use crate::domain::Mailbox;

/// Longest Message-ID and subject, in bytes and characters.
pub(super) const LINE_LIMIT: usize = 998;

/// The fields that identify a message.
pub(super) struct Basics {
    pub message_id: Option<String>,
    pub subject: String,
    pub from: Option<Mailbox>,
    pub date: Option<Written>,
}

impl Basics {
    pub fn of(fields: &Fields<'_>) -> Self {
        Self {
            message_id: fields.first("Message-ID").and_then(|field| message_id(&field)),
            subject: fields.first("Subject").map(|field| field.text(LINE_LIMIT)).unwrap_or_default(),
            from: address::first(fields, "From"),
            date: dates::date(fields),
        }
    }
}

/// The Message-ID of a field, without angle brackets and white space.
pub(super) fn message_id(field: &Field<'_>) -> Option<String> {
    let text = field.text(4 * LINE_LIMIT);
    // RFC 5322 §3.6.4; some senders omit the brackets or write something after them.
    let inside = match (text.find('<'), text.find('>')) {
        (Some(start), Some(end)) if start < end => &text[start + 1..end],
        _ => text.trim_matches(['<', '>']),
    };
    let id: String = inside.split_whitespace().collect();
    let id = decode::cut(&id, LINE_LIMIT);
    (!id.is_empty()).then(|| id.to_owned())
}
