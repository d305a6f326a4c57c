//! MIME regenerated, as Exchange does on delivery.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mail_builder::{
    headers::{Header as _, HeaderType, content_type::ContentType, raw::Raw, text::Text},
    mime::{BodyPart, MimePart},
};
use mail_parser::{Encoding, Header, HeaderName, Message, MessagePart, MimeHeaders, PartType};

use super::{exchange::mix, parse};

/// Multiparts inside one another that are taken apart; deeper ones are given as they are.
const MAX_DEPTH: usize = 40;

/// Headers that are written first, in this order; the trace and all others keep theirs.
const FIRST: [HeaderName<'static>; 6] = [
    HeaderName::From,
    HeaderName::To,
    HeaderName::Cc,
    HeaderName::Subject,
    HeaderName::Date,
    HeaderName::MessageId,
];

/// Headers whose values must come out as they went in, beside Message-ID.
const KEPT: [HeaderName<'static>; 5] = [
    HeaderName::From,
    HeaderName::To,
    HeaderName::Cc,
    HeaderName::Date,
    HeaderName::Subject,
];

/// Regenerates a message: other boundaries, another order of headers, no `X-` headers, the subject and texts encoded again, and an HTML
/// alternative beside a text that has none. Message-ID, Date, From, To, Cc, and the decoded bytes of attachments stay.
///
/// Signed and encrypted bodies are not touched. What cannot be parsed, has no headers, or would lose its Message-ID, its text or an
/// attachment on the way is given as it is. The same bytes and seed always give the same result.
pub fn rebuild(raw: &[u8], seed: u64) -> Cow<'_, [u8]> {
    anew(raw, seed).map_or(Cow::Borrowed(raw), Cow::Owned)
}

fn anew(raw: &[u8], seed: u64) -> Option<Vec<u8>> {
    let message = parse(raw)?;
    let root = message.parts.first().filter(|root| !root.headers.is_empty())?;
    let mut maker = Maker {
        message: &message,
        raw,
        seed: mix(seed, raw),
        boundaries: 0,
    };
    let mut output = Vec::with_capacity(raw.len() + raw.len() / 2 + 1024);
    maker.headers(root, &mut output)?;
    output.extend_from_slice(b"MIME-Version: 1.0\r\n");
    maker.part(0, 0)?.write_part(&mut output);
    let again = parse(&output)?;
    same(&message, &again).then_some(output)
}

/// Whether what must stay has stayed.
fn same(old: &Message<'_>, new: &Message<'_>) -> bool {
    old.message_id() == new.message_id()
        && KEPT.iter().all(|name| old.header(name.clone()) == new.header(name.clone()))
        && words(old) == words(new)
        && old.attachment_count() == new.attachment_count()
        && old
            .attachments()
            .map(MessagePart::contents)
            .eq(new.attachments().map(MessagePart::contents))
}

/// The text, white space apart.
fn words(message: &Message<'_>) -> Vec<String> {
    let text = message.body_text(0).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

struct Maker<'a> {
    message: &'a Message<'a>,
    raw: &'a [u8],
    seed: u64,
    boundaries: u32,
}

impl<'a> Maker<'a> {
    /// Writes the headers of the whole message, without those that describe the body.
    fn headers(&self, root: &MessagePart<'a>, output: &mut Vec<u8>) -> Option<()> {
        let dropped = |header: &Header<'_>| {
            let name = header.name();
            starts_with(name, "X-") || starts_with(name, "Content-") || header.name == HeaderName::MimeVersion
        };
        let rank = |header: &Header<'_>| match header.name {
            HeaderName::ReturnPath | HeaderName::Received | HeaderName::DkimSignature => 0,
            _ if starts_with(header.name(), "Authentication-Results") || starts_with(header.name(), "ARC-") => 0,
            _ => FIRST
                .iter()
                .position(|name| *name == header.name)
                .map_or(FIRST.len() + 1, |place| place + 1),
        };
        let mut headers: Vec<_> = root.headers.iter().filter(|header| !dropped(header)).collect();
        headers.sort_by_key(|header| rank(header));
        for header in headers {
            match header.value.as_text() {
                Some(subject) if header.name == HeaderName::Subject => {
                    output.extend_from_slice(b"Subject: ");
                    Text::new(subject).write_header(output, "Subject: ".len());
                }
                _ => push_lines(output, self.slice(header.offset_field(), header.offset_end())?),
            }
        }
        Some(())
    }

    fn part(&mut self, id: u32, depth: usize) -> Option<MimePart<'a>> {
        let part = self.message.part(id)?;
        let content_type = part.content_type();
        let kind = content_type.map(|kind| {
            (
                kind.ctype().to_ascii_lowercase(),
                kind.subtype().unwrap_or("plain").to_ascii_lowercase(),
            )
        });
        let sealed = matches!(&kind, Some((main, sub)) if main == "multipart" && matches!(sub.as_str(), "signed" | "encrypted"));
        if sealed || depth == MAX_DEPTH {
            return self.verbatim(id, part);
        }
        match &part.body {
            PartType::Multipart(children) => {
                let subtype = kind.map_or_else(|| "mixed".to_owned(), |(_, sub)| sub);
                let parts = children
                    .iter()
                    .map(|child| self.part(*child, depth + 1))
                    .collect::<Option<Vec<_>>>()?;
                let mut made = self.multipart(&subtype, parts);
                // Such as `report-type`.
                if let Some(HeaderType::ContentType(made)) = made.headers.first_mut().map(|(_, value)| value) {
                    let old = content_type.and_then(|old| old.attributes()).unwrap_or_default();
                    let kept = old.iter().filter(|one| !one.name.eq_ignore_ascii_case("boundary"));
                    made.attributes
                        .extend(kept.map(|one| (Cow::from(one.name.to_string()), Cow::from(one.value.to_string()))));
                }
                Some(made)
            }
            PartType::Text(text) | PartType::Html(text) if self.is_body(id, part, kind.as_ref()) => {
                let made = self.text(part, text.clone());
                let plain = matches!(part.body, PartType::Text(_));
                Some(if plain && self.wants_html(id) {
                    let html = MimePart::new(ContentType::new("text/html").attribute("charset", "utf-8"), to_html(text));
                    self.multipart("alternative", vec![made, html])
                } else {
                    made
                })
            }
            PartType::Binary(bytes) | PartType::InlineBinary(bytes) if part.encoding != Encoding::None => self.base64(id, part, bytes),
            _ => self.verbatim(id, part),
        }
    }

    /// Whether a text is part of what is read, rather than an attachment, and may be encoded again.
    fn is_body(&self, id: u32, part: &MessagePart<'_>, kind: Option<&(String, String)>) -> bool {
        let is_text = kind.is_none_or(|(main, sub)| main == "text" && matches!(sub.as_str(), "plain" | "html"));
        is_text && !part.is_encoding_problem && !self.message.attachments.contains(&id)
    }

    /// Whether the text is the only one there is.
    fn wants_html(&self, id: u32) -> bool {
        let any_html = self.message.parts.iter().any(|part| matches!(part.body, PartType::Html(_)));
        let in_alternative = self.message.parts.iter().any(|part| {
            part.sub_parts().is_some_and(|children| children.contains(&id))
                && part
                    .content_type()
                    .and_then(|kind| kind.subtype())
                    .is_some_and(|sub| !sub.eq_ignore_ascii_case("mixed"))
        });
        !any_html && !in_alternative && self.message.text_body.first() == Some(&id)
    }

    fn text(&self, part: &MessagePart<'a>, text: Cow<'a, str>) -> MimePart<'a> {
        let plain = matches!(part.body, PartType::Text(_));
        let mut kind = ContentType::new(if plain { "text/plain" } else { "text/html" }).attribute("charset", "utf-8");
        for name in ["format", "delsp"] {
            if let Some(value) = part.content_type().and_then(|old| old.attribute(name)) {
                kind = kind.attribute(name, value.to_owned());
            }
        }
        let mut made = MimePart::new(kind, BodyPart::Text(text));
        for header in part.headers.iter().filter(|header| starts_with(header.name(), "Content-")) {
            let described = matches!(header.name, HeaderName::ContentType | HeaderName::ContentTransferEncoding);
            if !described && let Some(value) = self.slice(header.offset_start(), header.offset_end()) {
                let value = String::from_utf8_lossy(value).split_whitespace().collect::<Vec<_>>().join(" ");
                made = made.header(header.name().to_owned(), Raw::new(value));
            }
        }
        made
    }

    fn multipart(&mut self, subtype: &str, parts: Vec<MimePart<'a>>) -> MimePart<'a> {
        self.boundaries += 1;
        let boundary = format!("_{:03}_{:016X}EXCH_", self.boundaries, self.seed);
        MimePart::new(
            ContentType::new(format!("multipart/{subtype}")).attribute("boundary", boundary),
            parts,
        )
    }

    /// The part with its own headers, encoded again.
    fn base64(&self, id: u32, part: &MessagePart<'_>, bytes: &[u8]) -> Option<MimePart<'a>> {
        let mut made = self.part_headers(id, part, Some(&HeaderName::ContentTransferEncoding))?;
        made.extend_from_slice(b"Content-Transfer-Encoding: base64\r\n\r\n");
        for line in STANDARD.encode(bytes).as_bytes().chunks(76) {
            made.extend_from_slice(line);
            made.extend_from_slice(b"\r\n");
        }
        Some(MimePart::raw(made))
    }

    /// The part as it is.
    fn verbatim(&self, id: u32, part: &MessagePart<'_>) -> Option<MimePart<'a>> {
        let mut made = self.part_headers(id, part, None)?;
        made.extend_from_slice(b"\r\n");
        made.extend_from_slice(self.slice(part.raw_body_offset(), part.raw_end_offset())?);
        Some(MimePart::raw(made))
    }

    /// Headers of a part; of the root only those that describe the body.
    fn part_headers(&self, id: u32, part: &MessagePart<'_>, but: Option<&HeaderName<'_>>) -> Option<Vec<u8>> {
        let mut lines = Vec::new();
        for header in &part.headers {
            if (id != 0 || starts_with(header.name(), "Content-")) && but != Some(&header.name) {
                push_lines(&mut lines, self.slice(header.offset_field(), header.offset_end())?);
            }
        }
        Some(lines)
    }

    fn slice(&self, from: u32, to: u32) -> Option<&'a [u8]> {
        self.raw.get(from as usize..to as usize)
    }
}

fn starts_with(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Header lines, each ended by CRLF.
fn push_lines(output: &mut Vec<u8>, lines: &[u8]) {
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        output.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        output.extend_from_slice(b"\r\n");
    }
}

/// A text as a page that shows the same.
fn to_html(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + text.len() / 4 + 128);
    html.push_str("<html>\r\n<head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">\r\n</head>\r\n<body>\r\n");
    for line in text.lines() {
        html.push_str(&quick_xml::escape::escape(line));
        html.push_str("<br>\r\n");
    }
    html.push_str("</body>\r\n</html>\r\n");
    html
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const MAIL: &str = "X-Case: 1\r\nSubject: =?iso-8859-1?Q?Gr=FC=DFe_CS-0000001?=\r\nMessage-ID: <1@x>\r\nFrom: A <a@x>\r\nTo: b@x\r\n\
        Date: Mon, 23 Nov 2026 10:00:00 +0100\r\n";

    fn made(tail: &str) -> String {
        let raw = format!("{MAIL}{tail}");
        let rebuilt = rebuild(raw.as_bytes(), 1);
        assert_ne!(rebuilt, raw.as_bytes());
        assert_eq!(rebuild(raw.as_bytes(), 1), rebuilt, "the same again");
        String::from_utf8(rebuilt.into_owned()).unwrap()
    }

    #[test]
    fn a_text_gets_an_html_alternative() {
        let text = made("Content-Type: text/plain; charset=iso-8859-1\r\n\r\nHello <b> & all\r\n");
        let message = parse(text.as_bytes()).unwrap();
        assert_eq!(message.message_id(), Some("1@x"));
        assert_eq!(message.subject(), Some("Gr\u{fc}\u{df}e CS-0000001"));
        assert_eq!(message.body_text(0).unwrap().trim_end(), "Hello <b> & all");
        assert!(message.body_html(0).unwrap().contains("Hello &lt;b&gt; &amp; all<br>"));
        assert!(!text.contains("X-Case") && text.starts_with("From: A <a@x>\r\n"), "{text}");
        assert_eq!(message.attachment_count(), 0);
    }

    #[test]
    fn attachments_stay_and_boundaries_change() {
        let text = made(
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"old\"\r\n\r\n--old\r\n\r\nhi\r\n--old\r\n\
             Content-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n\
             Content-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--old\r\nContent-Type: text/csv; charset=latin1\r\n\
             Content-Disposition: attachment; filename=a.csv\r\n\r\na;b\r\n--old--\r\n",
        );
        assert!(!text.contains("--old"), "{text}");
        let message = parse(text.as_bytes()).unwrap();
        let attachments: Vec<_> = message.attachments().map(|part| part.contents().to_vec()).collect();
        assert_eq!(attachments, [vec![0, 1, 2], b"a;b".to_vec()]);
        assert!(message.html_body_count() > 0 && message.body_html(0).unwrap().contains("hi<br>"));
    }

    #[test]
    fn signed_bodies_are_not_touched() {
        let body = "Content-Type: multipart/signed; protocol=\"x/y\"; boundary=s\r\n\r\n--s\r\n\r\nhi\r\n--s\r\nContent-Type: x/y\r\n\r\n1\r\n--s--\r\n";
        assert!(made(body).ends_with(body));
    }

    #[test]
    fn what_cannot_be_parsed_is_given_as_it_is() {
        for raw in [&b""[..], b"\n", b"\nno header here\n"] {
            assert_eq!(rebuild(raw, 1), raw);
        }
    }

    fn corpus() -> Option<PathBuf> {
        let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
        let folder = std::env::var_os("MAILAGENT_CORPUS").map_or_else(beside, PathBuf::from);
        folder.is_dir().then_some(folder)
    }

    fn files(folder: PathBuf, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(path, found);
            } else {
                found.push(path);
            }
        }
    }

    #[test]
    fn every_message_of_the_corpus_keeps_what_must_stay() {
        let Some(folder) = corpus() else {
            println!("skipped: no corpus; set MAILAGENT_CORPUS");
            return;
        };
        let mut paths = Vec::new();
        files(folder, &mut paths);
        let (mut parsed, mut rebuilt, mut attachments) = (0, 0, 0);
        for path in &paths {
            let raw = std::fs::read(path).unwrap();
            // Some files are only texts: without a header there is no message.
            let Some(old) = parse(&raw).filter(|old| !old.headers().is_empty()) else {
                continue;
            };
            parsed += 1;
            let new = rebuild(&raw, 7);
            if let Cow::Owned(bytes) = &new {
                rebuilt += 1;
                let new = parse(bytes).unwrap();
                assert_eq!(new.message_id(), old.message_id(), "{}", path.display());
                let digest = |message: &Message<'_>| message.attachments().map(|part| part.contents().to_vec()).collect::<Vec<_>>();
                assert_eq!(digest(&new), digest(&old), "{}", path.display());
                attachments += old.attachment_count();
                assert_eq!(words(&new), words(&old), "{}", path.display());
            }
        }
        println!(
            "{} files, {parsed} messages, {rebuilt} made anew with {attachments} attachments, the others given as they are",
            paths.len()
        );
        assert!(rebuilt * 100 >= parsed * 97, "{rebuilt} of {parsed}");
    }
}
