//! What shows whether a message is whole, read without taking it apart.

use memchr::memmem;

use super::{basics, entity, fields::Fields};

/// Most fields of one name that are read.
const REPEATED: usize = 10;

/// What identifies a message, and whether it ends as it should.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Message-IDs without angle brackets and white space, at most 10: where there are several, programs disagree about which one counts.
    pub message_ids: Vec<String>,
    /// Subjects, decoded and unfolded, each at most 998 characters, at most 10.
    pub subjects: Vec<String>,
    /// Whether there is nothing but white space.
    pub is_blank: bool,
    /// Whether it ends in the middle of a line, and something is missing: the empty line after the header, the last delimiter of a multipart
    /// (RFC 2046 §5.1.1), or a part of the last four characters of base64. Of other texts nothing shows it.
    pub ends_early: bool,
}

/// Reads the header of a message, and the end of its body.
pub fn outline(raw: &[u8]) -> Outline {
    let (fields, at) = Fields::split(raw);
    let ids = fields.all("Message-ID").take(REPEATED);
    let ids = ids.filter_map(|field| basics::message_id(&field));
    let subjects = fields.all("Subject").take(REPEATED);
    let subjects = subjects.map(|field| field.text(basics::LINE_LIMIT));
    Outline {
        message_ids: ids.collect(),
        subjects: subjects.collect(),
        is_blank: raw.trim_ascii().is_empty(),
        ends_early: ends_early(&fields, raw, at),
    }
}

fn ends_early(fields: &Fields<'_>, raw: &[u8], at: usize) -> bool {
    // What a server makes ends with a line; some senders never close their multiparts.
    if raw.ends_with(b"\n") {
        return false;
    }
    let (header, body) = raw.split_at(at);
    let last_line = header.rsplit(|byte| *byte == b'\n').nth(1);
    let is_ended = last_line.is_some_and(|line| line.trim_ascii().is_empty());
    // Where the text begins without an empty line, there is more of it than the beginning of a line.
    if !is_ended && memchr::memchr(b'\n', body).is_none() {
        return true;
    }
    if let Some(boundary) = entity::named_boundary(fields) {
        return memmem::rfind(body, format!("--{}--", boundary.trim_end()).as_bytes()).is_none();
    }
    let is_base64 = fields
        .first("Content-Transfer-Encoding")
        .is_some_and(|field| field.text(64).trim().eq_ignore_ascii_case("base64"));
    is_base64 && body.iter().filter(|byte| !byte.is_ascii_whitespace()).count() % 4 != 0
}
