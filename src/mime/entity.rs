//! The MIME structure of a message (RFC 2045, 2046) as a flat list of parts, bounded in depth and number and read in linear time.
//!
//! Embedded messages are leaves here: who wants to look into one reads its bytes as a message of its own, so that the depth is in
//! the reader's hand.

use std::borrow::Cow;

use mail_parser::{ContentType, HeaderValue, parsers::MessageStream};
use memchr::memmem;

use super::{decode, fields::Fields, transfer::Transfer};

/// Most parts of a message; further ones are passed over.
const PART_LIMIT: usize = 2_000;
/// Longest value with parameters that is read, in bytes: the parser compares each parameter with all before it.
const PARAMETERS_LIMIT: usize = 8 * 1024;
/// Deepest nesting of multiparts; a deeper one is a leaf.
const DEPTH_LIMIT: usize = 32;

/// A part of a message.
pub(super) struct Part<'a> {
    /// Its header.
    pub fields: Fields<'a>,
    /// Its media type without parameters in lower case, such as `text/plain`.
    pub media_type: String,
    /// Its body, still encoded.
    pub body: &'a [u8],
    /// Positions of its parts in the list. Empty for a leaf.
    pub children: Vec<usize>,
    content_type: Option<ContentType<'a>>,
    disposition: Option<ContentType<'a>>,
}

/// A message or other MIME entity: its parts, the whole first, each before its children.
pub(super) struct Entity<'a> {
    /// The parts. Never empty.
    pub parts: Vec<Part<'a>>,
}

impl<'a> Entity<'a> {
    /// Reads the structure of `raw`, which begins with a header.
    pub fn read(raw: &'a [u8]) -> Self {
        let mut entity = Self { parts: Vec::new() };
        entity.add(raw, "text/plain", 0);
        entity
    }

    /// The whole.
    pub fn root(&self) -> &Part<'a> {
        &self.parts[0]
    }

    /// Whether there may be more parts than were read.
    pub fn is_cut(&self) -> bool {
        self.parts.len() >= PART_LIMIT
    }

    fn add(&mut self, raw: &'a [u8], default_type: &str, depth: usize) -> usize {
        let (fields, at) = Fields::split(raw);
        let content_type = parameters(&fields, "Content-Type");
        let media_type = match &content_type {
            Some(content_type) => media_type(content_type),
            None => default_type.to_owned(),
        };
        let index = self.parts.len();
        let body = &raw[at..];
        self.parts.push(Part {
            disposition: parameters(&fields, "Content-Disposition"),
            fields,
            media_type,
            body,
            children: Vec::new(),
            content_type,
        });
        if depth < DEPTH_LIMIT && self.parts[index].is_multipart() {
            self.add_children(index, body, depth);
        }
        index
    }

    fn add_children(&mut self, index: usize, body: &'a [u8], depth: usize) {
        let Some(boundary) = self.parts[index].parameter("boundary").map(str::to_owned) else {
            return self.parts[index].take_as_text();
        };
        // RFC 2046 §5.1.5.
        let default_type = match self.parts[index].media_type.as_str() {
            "multipart/digest" => "message/rfc822",
            _ => "text/plain",
        };
        for piece in Pieces::new(body, boundary.trim_end()) {
            if self.parts.len() >= PART_LIMIT {
                break;
            }
            let child = self.add(piece, default_type, depth + 1);
            self.parts[index].children.push(child);
        }
        if self.parts[index].children.is_empty() {
            self.parts[index].take_as_text();
        }
    }
}

impl<'a> Part<'a> {
    /// Whether it is a multipart.
    pub fn is_multipart(&self) -> bool {
        self.media_type.starts_with("multipart/")
    }

    /// Whether it is an embedded message.
    pub fn is_message(&self) -> bool {
        matches!(self.media_type.as_str(), "message/rfc822" | "message/global" | "message/news")
    }

    /// Whether its sender wants it beside the text.
    pub fn is_attachment(&self) -> bool {
        self.disposition
            .as_ref()
            .is_some_and(|disposition| disposition.c_type.eq_ignore_ascii_case("attachment"))
    }

    /// A parameter of its Content-Type.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.content_type.as_ref().and_then(|content_type| content_type.attribute(name))
    }

    /// Its file name as the sender wrote it, possibly with a path.
    pub fn raw_file_name(&self) -> Option<&str> {
        self.disposition
            .as_ref()
            .and_then(|disposition| disposition.attribute("filename"))
            .or_else(|| self.parameter("name"))
    }

    /// Its body, decoded.
    pub fn decoded(&self) -> Cow<'a, [u8]> {
        match self.transfer() {
            Transfer::Identity => self.body.into(),
            Transfer::Base64(_) => decode::base64(self.body).into(),
            Transfer::QuotedPrintable(_) => decode::quoted_printable(self.body).into(),
        }
    }

    /// Length of its body when decoded.
    pub fn decoded_len(&self) -> usize {
        const STEP: usize = 64 * 1024;
        let (mut transfer, mut out, mut length) = (self.transfer(), Vec::new(), 0);
        if matches!(transfer, Transfer::Identity) {
            return self.body.len();
        }
        for piece in self.body.chunks(STEP) {
            transfer.push(piece, &mut out);
            length += out.len();
            out.clear();
        }
        transfer.finish(&mut out);
        length + out.len()
    }

    /// How its body is encoded.
    pub fn transfer(&self) -> Transfer {
        Transfer::named(&self.fields.lower("Content-Transfer-Encoding"))
    }

    /// Its body as text.
    pub fn text(&self) -> Cow<'a, str> {
        let charset = self.parameter("charset");
        match self.decoded() {
            Cow::Borrowed(bytes) => decode::text(bytes, charset),
            Cow::Owned(bytes) => decode::owned_text(bytes, charset).into(),
        }
    }

    /// A multipart that cannot be taken apart is shown as it is.
    fn take_as_text(&mut self) {
        "text/plain".clone_into(&mut self.media_type);
    }
}

fn parameters<'a>(fields: &Fields<'a>, name: &str) -> Option<ContentType<'a>> {
    let mut field = fields.first(name)?;
    field.raw = &field.raw[..field.raw.len().min(PARAMETERS_LIMIT)];
    let value = match field.for_parser() {
        Cow::Borrowed(bytes) => MessageStream::new(bytes).parse_content_type(),
        Cow::Owned(bytes) => MessageStream::new(&bytes).parse_content_type().into_owned(),
    };
    match value {
        HeaderValue::ContentType(content_type) => Some(content_type),
        _ => None,
    }
}

fn media_type(content_type: &ContentType<'_>) -> String {
    let token = |text: &str| {
        text.chars()
            .filter(char::is_ascii_graphic)
            .take(127)
            .collect::<String>()
            .to_ascii_lowercase()
    };
    match (token(&content_type.c_type).as_str(), content_type.c_subtype.as_deref().map(token)) {
        // RFC 2045 §5.2 and old software: what cannot be understood is plain text.
        ("" | "text", None) => "text/plain".to_owned(),
        (_, None) => "application/octet-stream".to_owned(),
        (kind, Some(subtype)) => format!("{kind}/{subtype}"),
    }
}

/// The pieces of a multipart between its delimiter lines (RFC 2046 §5.1.1).
struct Pieces<'a> {
    body: &'a [u8],
    delimiter: Vec<u8>,
    /// Where the next piece begins. `None` after the last.
    at: Option<usize>,
}

/// A delimiter line.
struct Delimiter {
    /// Where the line begins.
    start: usize,
    /// Where the next line begins.
    end: usize,
    /// Whether it closes the multipart.
    closes: bool,
}

impl<'a> Pieces<'a> {
    fn new(body: &'a [u8], boundary: &str) -> Self {
        let mut pieces = Self {
            body,
            delimiter: [b"--", boundary.as_bytes()].concat(),
            at: None,
        };
        if !boundary.is_empty() {
            pieces.at = pieces.delimiter_from(0).filter(|first| !first.closes).map(|first| first.end);
        }
        pieces
    }

    fn delimiter_from(&self, from: usize) -> Option<Delimiter> {
        let rest = &self.body[from..];
        memmem::find_iter(rest, &self.delimiter).find_map(|offset| self.delimiter_at(from + offset))
    }

    fn delimiter_at(&self, start: usize) -> Option<Delimiter> {
        if start > 0 && self.body[start - 1] != b'\n' {
            return None;
        }
        let after = start + self.delimiter.len();
        let end = super::fields::line_end(self.body, after);
        let tail = self.body[after..end].trim_ascii_end();
        let closes = tail.starts_with(b"--");
        // Something else may only follow where it makes no longer boundary.
        let fits = tail.is_empty() || closes || tail[0].is_ascii_whitespace();
        fits.then_some(Delimiter { start, end, closes })
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let start = self.at?;
        let Some(delimiter) = self.delimiter_from(start) else {
            self.at = None;
            return (start < self.body.len()).then(|| &self.body[start..]);
        };
        self.at = (!delimiter.closes).then_some(delimiter.end);
        // The line end before a delimiter belongs to it.
        let piece = &self.body[start..delimiter.start];
        let piece = piece.strip_suffix(b"\n").unwrap_or(piece);
        Some(piece.strip_suffix(b"\r").unwrap_or(piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn structure(raw: &str) -> Vec<(String, String)> {
        let entity = Entity::read(raw.as_bytes());
        let leaves = entity.parts.iter().filter(|part| part.children.is_empty());
        leaves.map(|part| (part.media_type.clone(), part.text().into_owned())).collect()
    }

    fn check(raw: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(kind, text)| ((*kind).to_owned(), (*text).to_owned()))
            .collect();
        assert_eq!(structure(raw), expected, "{raw:?}");
    }

    #[test]
    fn multiparts_are_taken_apart() {
        let head = "Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n";
        check(
            &format!("{head}preamble\r\n--b\r\n\r\none\r\n--b  \r\nContent-Type: text/html\r\n\r\ntwo\r\n--b--\r\nepilogue"),
            &[("text/plain", "one"), ("text/html", "two")],
        );
        // A boundary that is the beginning of another one; a missing end.
        check(
            "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/related; boundary=bb\n\n--bb\n\nx\n--bb--\n--b\n\ny",
            &[("text/plain", "x"), ("text/plain", "y")],
        );
        check(
            "Content-Type: multipart/digest; boundary=b\n\n--b\n\nA: 1\n\n--b--",
            &[("message/rfc822", "A: 1\n")],
        );
    }

    #[test]
    fn what_cannot_be_taken_apart_is_text() {
        check("Content-Type: multipart/mixed\n\nx", &[("text/plain", "x")]);
        check("Content-Type: multipart/mixed; boundary=b\n\nx", &[("text/plain", "x")]);
        check("Content-Type: text\n\nx", &[("text/plain", "x")]);
        check("Content-Type: ;;\n\nx", &[("text/plain", "x")]);
        check("\nx", &[("text/plain", "x")]);
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let raw = "Content-Type: multipart/mixed; boundary=b\n\n".to_owned() + &"--b\n\nx\n".repeat(PART_LIMIT * 2);
        assert_eq!(Entity::read(raw.as_bytes()).parts.len(), PART_LIMIT);
        let mut raw = String::new();
        for level in 0..200 {
            raw += &format!("Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n");
        }
        assert_eq!(Entity::read(raw.as_bytes()).parts.len(), DEPTH_LIMIT + 1);
    }

    #[test]
    fn floods_of_parameters_take_no_time() {
        let flood: String = (0..50_000).map(|i| format!(" a{i}*=x'y'z;")).collect();
        let started = std::time::Instant::now();
        check(&format!("Content-Type: text/html;{flood}\n\nx"), &[("text/html", "x")]);
        assert!(started.elapsed().as_millis() < 500, "{:?}", started.elapsed());
    }

    #[test]
    fn bodies_are_decoded() {
        let part = |raw: &'static str| Entity::read(raw.as_bytes()).root().text().into_owned();
        assert_eq!(part("Content-Transfer-Encoding: BASE64\n\neHg="), "xx");
        assert_eq!(
            part("Content-Transfer-Encoding: quoted-printable\nContent-Type: text/plain; charset=utf-8\n\n=C3=BC"),
            "\u{fc}"
        );
    }
}
