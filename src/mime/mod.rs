//! Messages: bytes in, values out. There is no I/O, no clock, and no panic on any input.

mod address;
mod apart;
mod assembly;
mod auth_results;
mod automatic;
mod basics;
mod calendar;
mod carried;
mod charset;
mod compose;
mod content;
mod dates;
mod decode;
mod encoded_words;
mod entity;
mod fields;
mod flowed;
mod forwarded;
mod html;
mod identity;
mod johab;
mod layout;
mod lists;
mod located;
mod opened;
mod outline;
mod parameters;
mod parse;
mod quote;
mod references;
mod smime;
mod subject;
mod tnef;
mod transfer;
mod undeclared;
mod upper_half;
mod uuencode;

#[cfg(test)]
pub(crate) mod corpus_tests;

use std::{
    borrow::Cow,
    panic::{AssertUnwindSafe, catch_unwind},
};

use serde::{Deserialize, Serialize};

use crate::domain::{AutomaticKind, Mailbox, Timestamp};

pub use apart::{FilePart, Indivisible, MessageParts};
pub use compose::{Draft, compose};
pub use dates::mbox_time;
pub use located::{Located, PartReader};
pub use outline::{Outline, outline};
pub use subject::normalise_subject;

/// What the service needs to know of a message, read in one pass.
#[derive(Clone, Debug, Default)]
pub struct ParsedMail {
    /// Message-ID without angle brackets and white space, at most 998 bytes. `None` when missing or empty.
    pub message_id: Option<String>,
    /// What survives when a server rebuilds the message: see [`Identity`].
    pub identity: Identity,
    /// SHA-256 of what all copies of a message have in common, whatever lists and servers added to their subjects and texts on the way:
    /// Message-ID, time and address of the sender, and the attachments other than texts. `None` if one of the first three is missing.
    pub copy_key: Option<[u8; 32]>,
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
    /// When it was sent, between 1971 and 2100: by its Date header; where that is missing or broken, by the topmost Received header, else by the
    /// line that begins it in an mbox file. Where Date names no zone, Received settles it. `None` when nothing says it.
    pub sent_time: Option<Timestamp>,
    /// The time of the Date header alone, as if its zone were UTC where it names none: the same in every mailbox.
    pub date: Option<Timestamp>,
    /// Whether and how the message is automatic.
    pub automatic: Option<AutomaticKind>,
    /// Of a message that somebody wrote to a list or group, the names that say whose it is: domains, or identifiers that end with one, as
    /// [`crate::domain::domain_key`]. At most 10.
    pub lists: Vec<String>,
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
/// survives: date, from, subject text, body text in every alternative (white space left out) and the digests of the decoded attachments. Without a Message-ID
/// the recipients count too; without a Date as well, it is SHA-256 of the bytes. A text over 8 MiB counts as its bytes besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity(pub [u8; 32]);

/// Words for the full-text index, as plain text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchText {
    /// Names and addresses of all participants.
    pub participants: String,
    /// The text (HTML turned to text) including embedded messages, at most 256 KiB.
    pub body: String,
    /// File names of attachments, about 256 KiB at most.
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

/// Why bytes cannot be read as a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unparsable {
    /// There is nothing but white space.
    #[error("the message is empty")]
    Empty,
    /// There is no header field.
    #[error("the message has no header")]
    NoHeader,
    /// A parser failed on it.
    #[error("the message made the parser fail")]
    ParserFailed,
}

/// Reads a message. Accepts whatever has at least one header field; a leading mbox "From " line is skipped.
///
/// Opaque S/MIME signatures, TNEF, uuencoded files and messages that are nothing but another message are read as what they carry; header
/// values are those outside.
///
/// # Errors
/// [`Unparsable`] says why it cannot be parsed.
#[cfg(feature = "testing")]
pub fn parse(raw: &[u8]) -> Result<ParsedMail, Unparsable> {
    read(raw, |_, _, _| ()).map(|(mail, ())| mail)
}

/// The same, with the text for a note if the message `is_noted`. It is taken apart once for both.
///
/// # Errors
/// As [`parse()`].
pub fn parse_with_note(raw: &[u8], is_noted: impl FnOnce(&ParsedMail) -> bool) -> Result<(ParsedMail, Option<NoteText>), Unparsable> {
    read(raw, |mail, outer, opened| {
        let note = || guarded(|| content::note_text_of(&outer.root().fields, opened)).unwrap_or_default();
        is_noted(mail).then(note)
    })
}

fn read<R>(
    raw: &[u8],
    further: impl FnOnce(&ParsedMail, &entity::Entity<'_>, &opened::Opened<'_>) -> R,
) -> Result<(ParsedMail, R), Unparsable> {
    if raw.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0) {
        return Err(Unparsable::Empty);
    }
    // The first line that is no white space decides; everything else is read as far as possible.
    let raw = &*in_lines(raw.trim_ascii_start());
    guarded(|| {
        if fields::Fields::split_within(raw, 1).0.0.is_empty() {
            return Err(Unparsable::NoHeader);
        }
        Ok(parse::read(raw, further))
    })
    .unwrap_or(Err(Unparsable::ParserFailed))
}

/// The text of a message for a note, with the quoted history split off. Empty when there is none.
#[cfg(feature = "testing")]
pub fn note_text(raw: &[u8]) -> NoteText {
    guarded(|| content::note_text(&in_lines(raw.trim_ascii_start()))).unwrap_or_default()
}

/// A message in parts for a reader.
pub fn content(raw: &[u8]) -> Content {
    guarded(|| content::content(&in_lines(raw.trim_ascii_start()))).unwrap_or_default()
}

/// Finds an attachment or inline part, to be read from `offset` of its content on. `index` is its position in [`Content::attachments`].
/// `None` when there is no such part.
pub fn locate(raw: &[u8], index: usize, offset: u64) -> Option<Located> {
    guarded(|| located::locate(&in_lines(raw), index, offset)).flatten()
}

/// A message as the parts of which a server makes one itself.
///
/// # Errors
/// When it would not be the same one then.
pub fn take_apart(raw: &[u8]) -> Result<MessageParts, Indivisible> {
    guarded(|| apart::take_apart(raw)).unwrap_or(Err(Indivisible::Unreadable))
}

/// Names of the fields of the header at the beginning of `raw`, as written. None when there is no header at its beginning.
pub fn field_names(raw: &[u8]) -> impl Iterator<Item = &str> {
    fields::Fields::split(raw).0.0.into_iter().map(|field| field.name)
}

/// A message with line ends: where there is none, a CR is one, as old programs write them.
fn in_lines(raw: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\n', raw).is_some() || memchr::memchr(b'\r', raw).is_none() {
        return raw.into();
    }
    raw.iter().map(|byte| if *byte == b'\r' { b'\n' } else { *byte }).collect()
}

/// Runs `read`; `None` when it panics, which parsers written by others may do on input that nobody has thought of.
fn guarded<R>(read: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(read)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_message_is_refused_with_a_reason() {
        for (raw, expected) in [
            (&b""[..], Unparsable::Empty),
            (b" \r\n\n", Unparsable::Empty),
            (b"just a line of text", Unparsable::NoHeader),
            (b"From x@y Mon Jan  6 2025\n\nx", Unparsable::NoHeader),
        ] {
            assert_eq!(parse(raw).unwrap_err(), expected);
        }
    }

    #[test]
    fn panics_are_contained() {
        assert_eq!(guarded(|| 1), Some(1));
        assert_eq!(guarded(|| -> u8 { std::panic::resume_unwind(Box::new(())) }), None);
    }

    #[test]
    fn fields_are_read() {
        let raw = b"From a@x Mon Jan  6 2025\nMessage-ID: <id@x> (c)\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n there\nFrom: A <a@X.example>\n\
            To: b@y.example, c@z.example\nCc: d@y.example\nBcc: e@y.example\nDate: Mon, 6 Jan 2025 10:00:00 +0100\nX-Mailagent-Id: mark\n\n Hello\n there\n";
        let mail = parse(raw).unwrap();
        assert_eq!(mail.message_id.as_deref(), Some("id@x"));
        assert_eq!(mail.subject, "Gr\u{fc}\u{df}e there");
        assert_eq!(mail.from.unwrap().address, "a@x.example");
        assert_eq!((mail.to.len(), mail.cc.len(), mail.bcc.len()), (2, 1, 1));
        assert_eq!(mail.sent_time.unwrap().to_string(), "2025-01-06T09:00:00Z");
        assert_eq!(mail.preview, "Hello there");
        assert_eq!(mail.own_mark.as_deref(), Some("mark"));
        assert_eq!(
            mail.search.participants,
            "A\na@x.example\nb@y.example\nc@z.example\nd@y.example\ne@y.example"
        );
        assert_eq!(mail.automatic, None);
    }

    #[test]
    fn doubtful_values_are_none() {
        for (field, value) in [
            ("Date", "Thu, 1 Jan 1970 00:00:00 +0000"),
            ("Date", "yesterday"),
            ("Date", "Mon, 6 Jan 2999 10:00:00 +0000"),
            ("Message-ID", "<>"),
            ("From", "nobody"),
        ] {
            let mail = parse(format!("{field}: {value}\n\nx").as_bytes()).unwrap();
            assert_eq!((mail.sent_time, mail.message_id, mail.from), (None, None, None), "{field}: {value}");
        }
    }

    #[test]
    fn lines_end_as_on_any_system() {
        let raw = "Subject: s\nFrom: a@x.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nHello\nthere\n--b\n\
            Content-Type: application/pdf\nContent-Transfer-Encoding: base64\n\neHh4\n--b--\n";
        for end in ["\n", "\r\n", "\r", "\r\r\n"] {
            let raw = raw.replace('\n', end);
            let mail = parse(raw.as_bytes()).unwrap();
            assert_eq!(
                (mail.subject.as_str(), mail.preview.as_str(), mail.attachment_count),
                ("s", "Hello there", 1),
                "{end:?}"
            );
            assert_eq!(content(raw.as_bytes()).attachments[0].size, 3, "{end:?}");
            assert_eq!(locate(raw.as_bytes(), 0, 0).unwrap().info.size, 3, "{end:?}");
        }
    }

    #[test]
    fn the_first_of_several_fields_counts() {
        let mail = parse(b"Subject: one\nSubject: two\nMessage-ID: <1>\nMessage-ID: <2>\n\n").unwrap();
        assert_eq!((mail.subject.as_str(), mail.message_id.as_deref()), ("one", Some("1")));
    }
}
