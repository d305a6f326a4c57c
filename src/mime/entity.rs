//! The MIME structure of a message (RFC 2045, 2046) as a flat list of parts, bounded in depth and number and read in linear time.
//!
//! Embedded messages are leaves here: a caller that needs the content of one reads its bytes as a message of its own, and so controls
//! the depth.

use std::borrow::Cow;

use mail_parser::{ContentType, HeaderValue, parsers::MessageStream};
use memchr::memmem;

use super::{
    charset::Charset,
    decode::{self, Assumed},
    fields::Fields,
    html, parameters,
    transfer::{self, Transfer},
    undeclared, uuencode,
};

/// Most parts of a message; further ones are skipped.
const PART_LIMIT: usize = 2_000;
/// Most fields of the header of a part within a message.
const FIELD_LIMIT: usize = 100;
/// Longest value with parameters that is read, in bytes.
const PARAMETERS_LIMIT: usize = 8 * 1024;
/// Where a boundary that the header does not say is looked for: in so many bytes and lines at the beginning of the body.
const BOUNDARY_SEARCH: usize = 4 * 1024;
const BOUNDARY_LINES: usize = 20;
/// Most parameters of a value: the parser compares each with all before it.
const PARAMETER_LIMIT: usize = 100;
/// Parameters that are used. Others are dropped: there may be a hundred in each of two thousand parts.
const PARAMETERS: [&str; 6] = ["boundary", "charset", "delsp", "format", "report-type", "start"];
/// How much is searched for the boundaries of nested multiparts, in bytes; those beyond are leaves. It is enough for four
/// levels that each contain all of a 64 MiB message.
const SEARCH_LIMIT: usize = 256 * 1024 * 1024;
/// How much of a body is decoded at a time, in bytes.
const STEP: usize = 64 * 1024;
/// Deepest nesting of multiparts; a deeper one is a leaf.
const DEPTH_LIMIT: usize = 32;

/// A part of a message.
#[derive(Clone)]
pub(super) struct Part<'a> {
    /// Its header.
    pub fields: Fields<'a>,
    /// Its media type without parameters in lower case, such as `text/plain`.
    pub media_type: String,
    /// Its body, still encoded.
    pub body: &'a [u8],
    /// Positions of its parts in the list. Empty for a leaf.
    pub children: Vec<usize>,
    /// Which bytes it is in, as a position in [`Entity::sources`].
    pub source: usize,
    /// Whether it adds nothing to the text: other parts say the same, and it is only shown as HTML.
    pub repeats: bool,
    content_type: Option<ContentType<'a>>,
    disposition: Option<ContentType<'a>>,
    /// What its text is in if nothing says it.
    assumed: Assumed,
}

/// A message or other MIME entity: its parts, the whole first, each before its children.
#[derive(Clone)]
pub(super) struct Entity<'a> {
    /// The parts. Never empty.
    pub parts: Vec<Part<'a>>,
    /// The bytes that the parts are in: those of the message first, then those of what parts carry.
    pub sources: Vec<&'a [u8]>,
    /// How much may still be searched for boundaries.
    to_search: usize,
}

impl<'a> Entity<'a> {
    /// Reads the structure of `raw`, which begins with a header.
    pub fn read(raw: &'a [u8]) -> Self {
        Self::read_within(raw, SEARCH_LIMIT)
    }

    fn read_within(raw: &'a [u8], to_search: usize) -> Self {
        let mut entity = Self {
            parts: Vec::new(),
            sources: vec![raw],
            to_search,
        };
        entity.add(raw, "text/plain", 0);
        undeclared::settle(&mut entity.parts);
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

    /// Puts what a part carries in its place: the part becomes a multipart of that, and of itself if it `stays`.
    pub fn graft(&mut self, index: usize, carried: &'a [u8], stays: bool) {
        self.sources.push(carried);
        let child = self.add(carried, "text/plain", 1);
        let mut children = vec![child];
        if stays {
            children.push(self.parts.len());
            self.parts.push(self.parts[index].clone());
        }
        let part = &mut self.parts[index];
        part.children = children;
        "multipart/mixed".clone_into(&mut part.media_type);
    }

    fn add(&mut self, raw: &'a [u8], default_type: &str, depth: usize) -> usize {
        let (fields, at) = match depth {
            0 => Fields::split(raw),
            _ => Fields::split_of_part(raw, FIELD_LIMIT),
        };
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
            source: self.sources.len() - 1,
            repeats: false,
            content_type,
            assumed: Assumed::ByLook,
        });
        if depth < DEPTH_LIMIT && self.parts[index].is_multipart() && body.len() <= self.to_search {
            self.to_search -= body.len();
            self.add_children(index, body, depth);
        }
        index
    }

    fn add_children(&mut self, index: usize, body: &'a [u8], depth: usize) {
        let Some(boundary) = self.parts[index].boundary() else {
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

    /// Whether its Content-Disposition is `attachment`.
    pub fn is_attachment(&self) -> bool {
        self.disposition
            .as_ref()
            .is_some_and(|disposition| disposition.c_type.eq_ignore_ascii_case("attachment"))
    }

    /// A parameter of its Content-Type.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.content_type.as_ref().and_then(|content_type| content_type.attribute(name))
    }

    /// The boundary of a multipart: what its header says, also on a line of its own, or where the header does not say it, what its body shows.
    fn boundary(&self) -> Option<String> {
        let named = self
            .parameter("boundary")
            .map(str::to_owned)
            .filter(|boundary| !boundary.is_empty());
        let folded = || parameters::text(&self.fields.first("Content-Type")?, "boundary").filter(|boundary| !boundary.is_empty());
        named.or_else(folded).or_else(|| shown_boundary(self.body))
    }

    /// Its file name as the sender wrote it, decoded, possibly with a path.
    pub fn written_file_name(&self) -> Option<String> {
        let named = |field, parameter| parameters::text(&self.fields.first(field)?, parameter).filter(|name| !name.is_empty());
        named("Content-Disposition", "filename").or_else(|| named("Content-Type", "name"))
    }

    /// Its body, decoded.
    pub fn decoded(&self) -> Cow<'a, [u8]> {
        match self.transfer() {
            Transfer::Identity => self.body.into(),
            Transfer::Base64(_) => transfer::base64(self.body).into(),
            Transfer::QuotedPrintable(_) => transfer::quoted_printable(self.body).into(),
            Transfer::Uuencoded(_) => uuencode::decoded(self.body).into(),
        }
    }

    /// Its body, decoded, if that takes at most `room` bytes, which are subtracted from `room`. A body that is not encoded takes none.
    pub fn decoded_within(&self, room: &mut usize) -> Option<Cow<'a, [u8]>> {
        let size = match self.transfer() {
            Transfer::Identity => 0,
            Transfer::Base64(_) => self.body.len() / 4 * 3 + 3,
            Transfer::QuotedPrintable(_) | Transfer::Uuencoded(_) => self.body.len(),
        };
        *room = room.checked_sub(size)?;
        Some(self.decoded())
    }

    /// The beginning of its body, decoded: at most about `limit` bytes.
    pub fn beginning(&self, limit: usize) -> Cow<'a, [u8]> {
        let mut transfer = self.transfer();
        if matches!(transfer, Transfer::Identity) {
            return self.body[..self.body.len().min(limit)].into();
        }
        let mut out = Vec::new();
        for piece in self.body.chunks(STEP) {
            transfer.push(piece, &mut out);
            if out.len() >= limit {
                out.truncate(limit);
                return out.into();
            }
        }
        transfer.finish(&mut out);
        out.into()
    }

    /// Passes on its body, decoded, piece by piece.
    pub fn pieces(&self, mut take: impl FnMut(&[u8])) {
        let (mut transfer, mut out) = (self.transfer(), Vec::new());
        if matches!(transfer, Transfer::Identity) {
            return take(self.body);
        }
        for piece in self.body.chunks(STEP) {
            transfer.push(piece, &mut out);
            take(&out);
            out.clear();
        }
        transfer.finish(&mut out);
        take(&out);
    }

    /// Length of its body when decoded.
    pub fn decoded_len(&self) -> usize {
        let mut length = 0;
        self.pieces(|piece| length += piece.len());
        length
    }

    /// How its body is encoded.
    pub fn transfer(&self) -> Transfer {
        Transfer::named(&self.fields.lower("Content-Transfer-Encoding"))
    }

    /// Its body as text.
    pub fn text(&self) -> Cow<'a, str> {
        let bytes = self.decoded();
        let label = self.charset(&bytes);
        decode::beginning(bytes, label.as_deref(), self.assumed, usize::MAX)
    }

    /// The beginning of its body as text: at most about `limit` bytes.
    pub fn text_within(&self, limit: usize) -> Cow<'a, str> {
        let mut bytes = self.beginning(limit);
        if bytes.len() == limit {
            let end = decode::whole_characters(&bytes);
            match &mut bytes {
                Cow::Borrowed(bytes) => *bytes = &bytes[..end],
                Cow::Owned(bytes) => bytes.truncate(end),
            }
        }
        let label = self.charset(&bytes);
        decode::beginning(bytes, label.as_deref(), self.assumed, limit)
    }

    /// The charset that it names: its Content-Type does, or where that is silent, the HTML itself.
    fn charset(&self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        let named = self.parameter("charset").map(Cow::Borrowed);
        let by_html = || (self.media_type == "text/html").then(|| html::named_charset(bytes))?;
        named.or_else(|| by_html().map(Cow::Owned))
    }

    /// Takes a charset for what names none.
    pub fn assume(&mut self, charset: Charset) {
        self.assumed = Assumed::As(charset);
        for field in &mut self.fields.0 {
            field.assumed = self.assumed;
        }
    }

    /// A multipart that cannot be split is shown as it is.
    fn take_as_text(&mut self) {
        "text/plain".clone_into(&mut self.media_type);
    }
}

/// The boundary that the first delimiter line of a body shows, if another such line follows (RFC 2046 §5.1.1).
fn shown_boundary(body: &[u8]) -> Option<String> {
    let beginning = &body[..body.len().min(BOUNDARY_SEARCH)];
    let line = beginning.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let line = line
        .take(BOUNDARY_LINES)
        .find(|line| line.starts_with(b"--") && line.len() > 2 && line.len() <= 72)?;
    let again = [b"\n", line].concat();
    let after = memmem::find(body, line)? + line.len();
    memmem::find(&body[after..], &again)?;
    let boundary = std::str::from_utf8(&line[2..]).ok()?;
    boundary
        .bytes()
        .all(|byte| byte.is_ascii_graphic() || byte == b' ')
        .then(|| boundary.to_owned())
}

/// The boundary that a header names, if it is that of a multipart.
pub(super) fn named_boundary(fields: &Fields<'_>) -> Option<String> {
    let content_type = parameters(fields, "Content-Type")?;
    let is_multipart = media_type(&content_type).starts_with("multipart/");
    let boundary = content_type
        .attribute("boundary")
        .filter(|boundary| is_multipart && !boundary.is_empty());
    boundary.map(str::to_owned)
}

fn parameters<'a>(fields: &Fields<'a>, name: &str) -> Option<ContentType<'a>> {
    let mut field = fields.first(name)?;
    field.raw = &field.raw[..field.raw.len().min(PARAMETERS_LIMIT)];
    if let Some(end) = memchr::memchr_iter(b';', field.raw).nth(PARAMETER_LIMIT) {
        field.raw = &field.raw[..end];
    }
    let value = match field.for_parser() {
        Cow::Borrowed(bytes) => MessageStream::new(bytes).parse_content_type(),
        Cow::Owned(bytes) => MessageStream::new(&bytes).parse_content_type().into_owned(),
    };
    match value {
        HeaderValue::ContentType(mut content_type) => {
            if let Some(attributes) = &mut content_type.attributes {
                attributes.retain(|attribute| PARAMETERS.contains(&&*attribute.name));
                attributes.shrink_to_fit();
            }
            Some(content_type)
        }
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
        // RFC 2045 §5.2 and old software: a type that cannot be parsed is plain text.
        ("" | "text", None) => "text/plain".to_owned(),
        (_, None) => "application/octet-stream".to_owned(),
        (kind, Some(subtype)) => format!("{kind}/{subtype}"),
    }
}

/// The pieces of a multipart between its delimiter lines (RFC 2046 §5.1.1).
struct Pieces<'a> {
    body: &'a [u8],
    /// The beginning of a delimiter line, with the line end before it.
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
            delimiter: [b"\n--", boundary.as_bytes()].concat(),
            at: None,
        };
        if !boundary.is_empty() {
            pieces.at = pieces.delimiter_from(0).filter(|first| !first.closes).map(|first| first.end);
        }
        pieces
    }

    /// The next delimiter line, from the beginning of a line on.
    fn delimiter_from(&self, from: usize) -> Option<Delimiter> {
        let rest = &self.body[from..];
        let here = rest.starts_with(&self.delimiter[1..]).then_some(from);
        let later = memmem::find_iter(rest, &self.delimiter).map(|offset| from + offset + 1);
        here.into_iter().chain(later).find_map(|start| self.delimiter_at(start))
    }

    fn delimiter_at(&self, start: usize) -> Option<Delimiter> {
        let after = start + self.delimiter.len() - 1;
        let end = super::fields::line_end(self.body, after);
        let tail = self.body[after..end].trim_ascii_end();
        let closes = tail.starts_with(b"--");
        // Only characters that cannot be part of a longer boundary may follow.
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
    fn boundaries_are_found_where_the_header_hides_them() {
        let parts = "--b\n\none\n--b\nContent-Type: text/html\n\ntwo\n--b--\n";
        for header in [
            "multipart/mixed; boundary=\n \"b\"",
            "multipart/mixed",
            "multipart/mixed; boundary=\"\"",
        ] {
            check(
                &format!("Content-Type: {header}\n\npreamble\n{parts}"),
                &[("text/plain", "one"), ("text/html", "two")],
            );
        }
        // A signature below a text is no boundary.
        let text = "Hello.\n-- \nAnna\n";
        check(&format!("Content-Type: multipart/mixed\n\n{text}"), &[("text/plain", text)]);
        check("Content-Type: multipart/mixed\n\n--once\nx\n", &[("text/plain", "--once\nx\n")]);
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
    fn searching_for_boundaries_is_bounded() {
        let head: String = (0..DEPTH_LIMIT)
            .map(|level| format!("Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n"))
            .collect();
        let raw = format!("{head}\n{}", "x\n".repeat(100_000));
        let entity = Entity::read_within(raw.as_bytes(), 6 * raw.len());
        assert_eq!(entity.parts.len(), 7);
        assert_eq!(Entity::read(raw.as_bytes()).parts.len(), DEPTH_LIMIT + 1);
    }

    #[test]
    fn parts_keep_few_fields_and_parameters() {
        let fields = "X: 1\n".repeat(500);
        let parameters: String = (0..90).map(|i| format!("; a{i}=b")).collect();
        let part = format!("--b\nContent-Type: text/plain{parameters}; name=n\nContent-Disposition: inline{parameters}\n{fields}\nx\n");
        let raw = format!("{fields}Content-Type: multipart/mixed; boundary=b\n\n{}--b--", part.repeat(10));
        let entity = Entity::read(raw.as_bytes());
        assert_eq!(entity.root().fields.0.len(), 501);
        for part in &entity.parts[1..] {
            assert_eq!((part.written_file_name().as_deref(), part.body), (Some("n"), &b"x"[..]));
            assert_eq!(part.fields.0.len(), FIELD_LIMIT);
            let kept =
                [&part.content_type, &part.disposition].map(|value| value.as_ref().unwrap().attributes.as_ref().map_or(0, Vec::capacity));
            assert_eq!(kept, [0, 0]);
        }
    }

    #[test]
    fn no_more_parameters_are_read_than_anybody_writes() {
        let with = |count: usize| format!("Content-Type: text/html{}; charset=iso-8859-15\n\n\u{a4}", "; a=b".repeat(count));
        let charset = |raw: String| Entity::read(raw.as_bytes()).root().parameter("charset").map(str::to_owned);
        assert_eq!(charset(with(PARAMETER_LIMIT - 1)).as_deref(), Some("iso-8859-15"));
        assert_eq!(charset(with(PARAMETER_LIMIT)), None);
    }

    #[test]
    fn beginnings_are_those_of_the_whole() {
        let base64 = "4oKs4oKs4oKs".repeat(20_000);
        for head in [
            "Content-Type: text/plain; charset=utf-8",
            "Content-Type: text/plain; charset=windows-1252",
            "Content-Type: text/plain; charset=gb18030",
            "Content-Type: text/plain; charset=utf-16le",
            "Content-Type: text/plain; charset=iso-2022-jp",
        ] {
            for (encoding, body) in [
                ("base64", base64.as_str()),
                ("8bit", &"\u{20ac}".repeat(60_000)),
                ("quoted-printable", &"=E2=82=AC".repeat(60_000)),
            ] {
                let raw = format!("{head}\nContent-Transfer-Encoding: {encoding}\n\n{body}");
                let entity = Entity::read(raw.as_bytes());
                let whole = entity.root().text();
                assert_eq!(entity.root().text_within(1 << 20), whole, "{head}, {encoding}");
                for limit in [1_000, 65_536, 100_001] {
                    let text = entity.root().text_within(limit);
                    assert!(
                        text.len() <= limit && text.len() >= limit / 3,
                        "{} of {limit}: {head}, {encoding}",
                        text.len()
                    );
                    // A character of two bytes may be cut.
                    assert!(whole.starts_with(text.trim_end_matches('\u{fffd}')), "{limit}: {head}, {encoding}");
                }
            }
        }
    }

    #[test]
    fn decoding_takes_the_room_that_there_is() {
        let raw = format!("Content-Transfer-Encoding: base64\n\n{}", "eHh4".repeat(1_000));
        let entity = Entity::read(raw.as_bytes());
        let mut room = 5_000;
        assert_eq!(entity.root().decoded_within(&mut room).map(|bytes| bytes.len()), Some(3_000));
        assert_eq!(room, 5_000 - 3_003);
        assert!(entity.root().decoded_within(&mut room).is_none());
        let plain = Entity::read(b"A: 1\n\nxxx");
        assert!(matches!(plain.root().decoded_within(&mut 0), Some(Cow::Borrowed(b"xxx"))));
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
