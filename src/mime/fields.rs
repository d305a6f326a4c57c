//! Header fields: where they begin and end, not what they mean.

use std::borrow::Cow;

use super::decode::{self, Assumed};

/// Most fields of one header; the rest is skipped.
const FIELD_LIMIT: usize = 2_000;
/// Longest value that is read, in bytes.
pub(super) const VALUE_LIMIT: usize = 256 * 1024;
/// Longest name of a field, in bytes. RFC 5322 §2.2 sets no limit.
const NAME_LIMIT: usize = 4 * 1024;
/// How far is looked for further fields behind a line that is none, in bytes.
const LOOK_LIMIT: usize = 64 * 1024;
/// What some programs write before the first field: a byte order mark, also one that was encoded twice.
const MARKS: [&[u8]; 2] = [b"\xEF\xBB\xBF", b"\xC3\xAF\xC2\xBB\xC2\xBF"];

/// Fields that a header has once (RFC 5322 §3.6, RFC 2045 §3). A second one is likely to be text.
const SINGLE: [&str; 22] = [
    "Bcc",
    "Cc",
    "Content-Description",
    "Content-Disposition",
    "Content-ID",
    "Content-Language",
    "Content-Location",
    "Content-Transfer-Encoding",
    "Content-Type",
    "Date",
    "From",
    "Importance",
    "In-Reply-To",
    "Message-ID",
    "MIME-Version",
    "Organization",
    "Precedence",
    "References",
    "Reply-To",
    "Sender",
    "Subject",
    "To",
];
/// Names of one word of fields that may occur several times.
const REPEATED: [&str; 6] = ["Comments", "Delivered-To", "Keywords", "Received", "Return-Path", "Status"];

/// A header field.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    /// Its name as written.
    pub name: &'a str,
    /// Its value, still folded, with the line end if there is one.
    pub raw: &'a [u8],
    /// What bytes in it are in that are not UTF-8.
    pub assumed: Assumed,
}

impl<'a> Field<'a> {
    /// A field of which nothing else is known.
    pub fn new(name: &'a str, raw: &'a [u8]) -> Self {
        Self {
            name,
            raw,
            assumed: Assumed::default(),
        }
    }

    /// The value as the parsers of mail-parser want it: UTF-8, ending with a line end.
    pub fn for_parser(&self) -> Cow<'a, [u8]> {
        let mut value = decode::as_utf8(self.raw, self.assumed);
        if value.last() != Some(&b'\n') {
            value.to_mut().push(b'\n');
        }
        value
    }

    /// The value, unfolded and decoded, at most `limit` characters.
    pub fn text(&self, limit: usize) -> String {
        decode::header(self.raw, self.assumed, limit)
    }
}

/// The fields of a header in their order.
#[derive(Clone, Default)]
pub(super) struct Fields<'a>(pub Vec<Field<'a>>);

impl<'a> Fields<'a> {
    /// Splits `raw` into the fields of its header and the position where the body begins.
    ///
    /// A leading mbox "From " line and lines that are not fields are skipped, unless they look like the beginning of a text
    /// without an empty line before it.
    pub fn split(raw: &'a [u8]) -> (Self, usize) {
        Self::split_within(raw, FIELD_LIMIT)
    }

    /// Like [`Self::split`], but for at most the first `limit` fields.
    pub fn split_within(raw: &'a [u8], limit: usize) -> (Self, usize) {
        Self::split_as(raw, limit, Owner::Message)
    }

    /// Splits the header of a part within a message, for at most the first `limit` fields.
    pub fn split_of_part(raw: &'a [u8], limit: usize) -> (Self, usize) {
        Self::split_as(raw, limit, Owner::Part)
    }

    fn split_as(raw: &'a [u8], limit: usize, owner: Owner) -> (Self, usize) {
        let mut fields: Vec<Field<'a>> = Vec::new();
        let mut value_start = 0;
        let mut at = after_mark(raw);
        // Up to here the header goes on, and up to here nothing says that it does.
        let (mut header_to, mut unclear_to) = (0, 0);
        while at < raw.len() {
            let end = line_end(raw, at);
            let line = &raw[at..end];
            if is_empty(line) {
                return (Self(fields), end);
            }
            if matches!(line[0], b' ' | b'\t') {
                if is_blank(line) && end > header_to {
                    // Either part of a value (RFC 5322 §4.2) or meant to be the empty line.
                    if end > unclear_to {
                        match next_field(raw, end, owner, &fields) {
                            Ahead::Field(next) => header_to = next,
                            Ahead::Nothing(stop) => unclear_to = stop,
                        }
                    }
                    if end > header_to && name(&raw[end..line_end(raw, end)]).is_some() {
                        return (Self(fields), end);
                    }
                }
                if let Some(field) = fields.last_mut().filter(|_| value_start != 0) {
                    field.raw = &raw[value_start..end.min(value_start + VALUE_LIMIT)];
                }
            } else if let Some((name, colon)) = name(line).filter(|_| !is_list_of_signed_fields(line, &fields)) {
                if fields.len() == limit {
                    // The rest is not used, so it need not be read line by line.
                    return (Self(fields), after_empty_line(raw, at));
                }
                value_start = at + colon + 1;
                fields.push(Field::new(name, &raw[value_start..end.min(value_start + VALUE_LIMIT)]));
            } else {
                value_start = 0;
                let is_separator = fields.is_empty() && is_from_line(line);
                if end > header_to && !is_separator {
                    match next_field(raw, at, owner, &fields) {
                        Ahead::Field(next) => header_to = next,
                        Ahead::Nothing(_) => return (Self(fields), at),
                    }
                }
            }
            at = end;
        }
        (Self(fields), raw.len())
    }

    /// Every field of that name, topmost first.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = Field<'a>> + 's {
        self.0.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).copied()
    }

    /// The topmost field of that name.
    pub fn first(&self, name: &str) -> Option<Field<'a>> {
        self.0.iter().find(|field| field.name.eq_ignore_ascii_case(name)).copied()
    }

    /// The value of the topmost field of that name, unfolded and decoded, in lower case. Empty when there is none.
    pub fn lower(&self, name: &str) -> String {
        self.first(name).map(|field| field.text(998).to_lowercase()).unwrap_or_default()
    }
}

/// Position after the line that begins at `at`.
pub(super) fn line_end(raw: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &raw[at..]).map_or(raw.len(), |length| at + length + 1)
}

/// Whether a line is a separator of an mbox file.
pub(super) fn is_from_line(line: &[u8]) -> bool {
    line.starts_with(b"From ") || line.starts_with(b">From ")
}

/// Position after the next empty line.
fn after_empty_line(raw: &[u8], at: usize) -> usize {
    let end = memchr::memmem::find(&raw[at..], b"\n\n").map_or(raw.len(), |end| at + end + 2);
    memchr::memmem::find(&raw[at..end], b"\n\r\n").map_or(end, |earlier| at + earlier + 3)
}

/// Position behind what may stand before the first field.
fn after_mark(raw: &[u8]) -> usize {
    let Some(mark) = MARKS.iter().find(|mark| raw.starts_with(mark)) else {
        return 0;
    };
    let blank = raw[mark.len()..].iter().take_while(|byte| byte.is_ascii_whitespace());
    mark.len() + blank.count()
}

/// Whether a line has nothing but its end, which some gateways write twice.
fn is_empty(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

/// The name of the field that a line begins and the position of its colon. RFC 5322 §4.5 lets white space precede the colon.
pub(super) fn name(line: &[u8]) -> Option<(&str, usize)> {
    let colon = line
        .iter()
        .take(NAME_LIMIT)
        .position(|byte| *byte == b':' || !byte.is_ascii_graphic())?;
    let (name, rest) = line.split_at(colon);
    let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let is_field = !name.is_empty() && rest.get(blanks) == Some(&b':');
    is_field
        .then(|| std::str::from_utf8(name).ok())
        .flatten()
        .map(|name| (name, colon + blanks))
}

/// Whose header it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Message,
    /// Only fields about the content have a meaning here (RFC 2046 §5.1).
    Part,
}

/// What follows lines that are no fields.
enum Ahead {
    /// A field that belongs to the header, at this position.
    Field(usize),
    /// No such field up to this position.
    Nothing(usize),
}

/// Whether the header goes on: before the next empty line, there is a field that belongs to a header, and that it does not have yet.
/// Otherwise the text begins without an empty line before it.
fn next_field(raw: &[u8], mut at: usize, owner: Owner, fields: &[Field<'_>]) -> Ahead {
    let limit = raw.len().min(at.saturating_add(LOOK_LIMIT));
    let mut after_dashes = false;
    while at < limit {
        let end = line_end(raw, at);
        let line = &raw[at..end];
        if is_empty(line) {
            return Ahead::Nothing(end);
        }
        if let Some((name, _)) = name(line).filter(|_| !is_list_of_signed_fields(line, fields)) {
            let is = |known: &str| known.eq_ignore_ascii_case(name);
            let is_about_content = name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("Content-"));
            if SINGLE.iter().any(|known| is(known)) && (owner == Owner::Message || is_about_content) {
                // Behind a boundary, the header of a part begins.
                let is_of_part = after_dashes && is_about_content;
                if is_of_part || fields.iter().any(|field| is(field.name)) {
                    return Ahead::Nothing(end);
                }
                return Ahead::Field(at);
            }
            if REPEATED.iter().any(|known| is(known)) || is_field_of_a_program(name) {
                return Ahead::Field(at);
            }
        }
        after_dashes = line.starts_with(b"--");
        at = end;
    }
    Ahead::Nothing(at)
}

/// Whether a line is a piece of what a signature before it says it signs (`h=`, RFC 6376 §3.5), which nobody folded: names and colons only.
fn is_list_of_signed_fields(line: &[u8], fields: &[Field<'_>]) -> bool {
    let is_signature = |name: &str| name.len() > 9 && name.as_bytes()[name.len() - 9..].eq_ignore_ascii_case(b"signature");
    if !fields.last().is_some_and(|field| is_signature(field.name)) {
        return false;
    }
    let line = line.trim_ascii_end();
    if line.starts_with(b"h=") {
        return true;
    }
    let line = line.strip_suffix(b";").unwrap_or(line);
    let is_name = |name: &[u8]| {
        let known = SINGLE.iter().chain(&REPEATED);
        known.map(|known| known.as_bytes()).any(|known| known.eq_ignore_ascii_case(name)) || name.contains(&b'-') && !name.contains(&b' ')
    };
    // A field without a space behind its name may have one name for a value, but not two.
    let mut names = line.split(|byte| *byte == b':').filter(|name| !name.is_empty());
    names.clone().nth(2).is_some() && names.all(is_name)
}

/// Names that programs give to fields of their own have a hyphen within.
fn is_field_of_a_program(name: &str) -> bool {
    let parts = name.split('-');
    let is_word = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    name.contains('-') && name.len() > 6 && parts.clone().all(is_word) || name.starts_with("X-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: &[(&str, &str)], body: &str) {
        let (fields, at) = Fields::split(raw.as_bytes());
        let found: Vec<(&str, String)> = fields.0.iter().map(|field| (field.name, field.text(100))).collect();
        let expected: Vec<(&str, String)> = expected.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        assert_eq!((found, &raw[at..]), (expected, body), "{raw:?}");
    }

    #[test]
    fn headers_end_at_the_empty_line() {
        check("A: 1\r\nB: 2\r\n 3\r\n\r\nbody", &[("A", "1"), ("B", "2 3")], "body");
        check("A: 1\nB : 2\n\nbody", &[("A", "1"), ("B", "2")], "body");
        check("A: 1", &[("A", "1")], "");
        check("\nbody", &[], "body");
        check("", &[], "");
    }

    #[test]
    fn broken_headers_are_read_as_far_as_possible() {
        check("From x@y Mon\nA: 1\n\nb", &[("A", "1")], "b");
        check(">From x@y Mon\nA: 1\n>From z\nTo: 2\n\nb", &[("A", "1"), ("To", "2")], "b");
        check("A: 1\njunk line\nTo: 2\n\nb", &[("A", "1"), ("To", "2")], "b");
        check("HTTP/1.1 200 OK\nA: 1\nTo: 2\n\nb", &[("A", "1"), ("To", "2")], "b");
        check(" continues nothing\nA: 1\n\n", &[("A", "1")], "");
        check("A: 1\0\nB\0: 2\nTo: 3\n\nb", &[("A", "1"), ("To", "3")], "b");
        for mark in ["\u{feff}", "\u{feff}\r\n", "\u{ef}\u{bb}\u{bf}"] {
            check(&format!("{mark}A: 1\n\nb"), &[("A", "1")], "b");
        }
        let long = "x".repeat(1_000);
        check(&format!("{long}: 1\nB\t : 2\n\nb"), &[(&long, "1"), ("B", "2")], "b");
        check("A: 1\r\r\nB: 2\r\r\n\r\r\nb", &[("A", "1"), ("B", "2")], "b");
    }

    #[test]
    fn values_that_nobody_folded_do_not_end_the_header() {
        let base64 = "JTA7RlFcZ3J9iJOeqbS/ytXg6/YGERwnMj1IU15pdH+KlaCrtsHM\n".repeat(40);
        for lines in ["one\ntwo\nthree\nfour\nfive\n", "-- ----\n1.2 RULE\nhttps://x.example/y\n", &base64] {
            let raw = format!("X-Report: 1\n{lines}From: a\nX-Last: 2\n\nb");
            let (fields, at) = Fields::split(raw.as_bytes());
            let text = |name| fields.first(name).map(|field| field.text(100));
            assert_eq!(
                (text("X-Report"), text("From"), text("X-Last")),
                (Some("1".into()), Some("a".into()), Some("2".into()))
            );
            assert_eq!(&raw[at..], "b");
        }
    }

    #[test]
    fn names_of_signed_fields_are_no_fields() {
        for lines in [
            "Subject:From:To;\nbh=abc=;\n",
            "h=From:Message-ID;\nSubject:To:Date:\nMIME-Version:Content-Type:X-A;\n b=a\n",
        ] {
            let raw = format!("DKIM-Signature: v=1;\n{lines}Subject: right\nFrom: a\n\nb");
            let (fields, at) = Fields::split(raw.as_bytes());
            assert_eq!(
                fields.first("Subject").map(|field| field.text(100)).as_deref(),
                Some("right"),
                "{lines}"
            );
            assert_eq!(&raw[at..], "b");
        }
        check(
            "DKIM-Signature: v=1\nSubject:Re:x\nTo:a\n\n",
            &[("DKIM-Signature", "v=1"), ("Subject", "Re:x"), ("To", "a")],
            "",
        );
    }

    #[test]
    fn a_text_may_begin_without_an_empty_line() {
        let head = "From: a\nTo: b\nSubject: c\nContent-Type: d\n";
        for text in [
            "the text begins\nwithout an empty line\n",
            "From now on the pump is off.\n\nTo: nobody",
            "Hello,\nNote: it leaks\nPS: call\n\nX-Not: a field",
            // What is passed on has a header too.
            "Please see\nFrom: x\nSubject: y\nX-Z: z\n\ntext",
            "--b\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n\neHh4",
            "--b\nContent-ID: <x>\n\ntext",
        ] {
            let raw = format!("{head}{text}");
            let (fields, at) = Fields::split(raw.as_bytes());
            assert_eq!((fields.0.len(), &raw[at..]), (4, text));
        }
        // In the header of a part, only fields about its content count.
        let part = "some text\nFrom: x\nSubject: y\n\nmore";
        assert_eq!(Fields::split_of_part(part.as_bytes(), 100).1, 0);
        assert_eq!(Fields::split_of_part(b"junk\nContent-ID: x\n\nmore", 100).1, 20);
    }

    #[test]
    fn a_line_of_blanks_is_part_of_the_header_or_its_end() {
        check("A: 1\n \t\nTo: 2\n\nb", &[("A", "1"), ("To", "2")], "b");
        check("A: 1\n  \nB: 2\nX-C: 3\n\nb", &[("A", "1"), ("B", "2"), ("X-C", "3")], "b");
        check("A: 1\n \r\nHello there\n", &[("A", "1")], "Hello there\n");
        check("To: 1\n \nNote: text\n\nmore", &[("To", "1")], "Note: text\n\nmore");
        check("To: 1\n \nTo: text\n\nmore", &[("To", "1")], "To: text\n\nmore");
    }

    #[test]
    fn hostile_headers_take_no_time() {
        let started = std::time::Instant::now();
        for lines in [
            " \n",
            "junk\n",
            "a:\n \njunk\n",
            "X-A: 1\njunk\n",
            " \na\n",
            "--\nTo: x\n",
            &"x".repeat(5_000),
        ] {
            let flood = lines.repeat(1_000_000 / lines.len());
            Fields::split(flood.as_bytes());
            Fields::split(format!("A: 1\n{flood}").as_bytes());
        }
        assert!(started.elapsed().as_millis() < 2_000, "{:?}", started.elapsed());
    }

    #[test]
    fn values_for_the_parser_are_utf8_with_a_line_end() {
        let (fields, _) = Fields::split(b"A: caf\xe9");
        assert_eq!(fields.0[0].for_parser().as_ref(), " caf\u{e9}\n".as_bytes());
    }

    #[test]
    fn floods_are_cut() {
        let raw = "A: 1\n".repeat(FIELD_LIMIT + 10) + "\nbody";
        let (fields, at) = Fields::split(raw.as_bytes());
        assert_eq!((fields.0.len(), &raw[at..]), (FIELD_LIMIT, "body"));
        for (raw, body) in [
            ("A: 1\r\nB: 2\r\n\r\nb\n\nc", "b\n\nc"),
            ("A: 1\nB: 2\n\nb\r\n\r\nc", "b\r\n\r\nc"),
            ("A: 1\nB: 2", ""),
        ] {
            let (fields, at) = Fields::split_within(raw.as_bytes(), 1);
            assert_eq!((fields.0.len(), &raw[at..]), (1, body));
        }
        let long = format!("A: {}\n\n", "x".repeat(VALUE_LIMIT * 2));
        assert_eq!(Fields::split(long.as_bytes()).0.0[0].raw.len(), VALUE_LIMIT);
    }
}
