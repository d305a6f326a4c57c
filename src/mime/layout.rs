//! Which parts of a message are its text, its HTML and its attachments.

use std::borrow::Cow;

use super::{
    AttachmentInfo, decode,
    entity::{Entity, Part},
    fields::{Fields, VALUE_LIMIT},
    smime, undeclared,
};

/// Longest file name, in bytes, as file systems have it.
const NAME_LIMIT: usize = 255;
/// Longest Content-ID, in characters.
const CONTENT_ID_LIMIT: usize = 255;
/// Device names on Windows, with any extension. `COM` and `LPT` are followed by a digit.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// The parts of an entity by their use, as positions in its list. RFC 8621 §4.1.4 has the rules.
#[derive(Default)]
pub(super) struct Layout {
    /// What to read as text: plain where there is a choice, else HTML.
    pub text: Vec<usize>,
    /// What to show as HTML: HTML where there is a choice, else plain.
    pub html: Vec<usize>,
    /// Everything else with content, and whether it belongs in the text.
    pub attachments: Vec<(usize, bool)>,
}

/// Parts that belong together, and how they are used.
struct Multipart<'a> {
    /// Their positions in the entity's list.
    parts: &'a [usize],
    /// The subtype, such as `alternative`.
    kind: &'a str,
    /// Whether it is, or is within, one of the alternatives of a message.
    in_alternative: bool,
    /// Whether its parts may be read as text.
    to_text: bool,
    /// Whether its parts may be shown as HTML.
    to_html: bool,
    /// Which of them the others belong to, if it is related.
    root: usize,
}

impl Layout {
    /// Finds the parts.
    pub fn of(entity: &Entity<'_>) -> Self {
        let mut layout = Self::default();
        let root = Multipart {
            parts: &[0],
            kind: "mixed",
            in_alternative: false,
            to_text: true,
            to_html: true,
            root: 0,
        };
        layout.walk(entity, root);
        layout
    }

    fn walk(&mut self, entity: &Entity<'_>, multipart: Multipart<'_>) {
        let Multipart {
            parts,
            kind,
            in_alternative,
            mut to_text,
            mut to_html,
            root,
        } = multipart;
        let (text_before, html_before) = (self.text.len(), self.html.len());
        let (offered_text, offered_html) = (to_text, to_html);
        for (position, &index) in parts.iter().enumerate() {
            let part = &entity.parts[index];
            if !part.children.is_empty() {
                let kind = part.media_type.strip_prefix("multipart/").unwrap_or_default();
                let inner = Multipart {
                    parts: &part.children,
                    kind,
                    in_alternative: in_alternative || kind == "alternative",
                    to_text,
                    to_html,
                    root: root_of(entity, part),
                };
                self.walk(entity, inner);
                continue;
            }
            let html = part.media_type == "text/html";
            let plain = part.media_type == "text/plain" || (index == 0 && is_sole_text(part));
            let media = ["image/", "audio/", "video/"].iter().any(|kind| part.media_type.starts_with(kind));
            let first = position == root;
            let is_attachment = part.is_attachment() && !(index == 0 && (plain || html) && part.written_file_name().is_none());
            let inline = !is_attachment
                && (plain || html || media)
                && (first || (kind != "related" && (media || part.written_file_name().is_none())));
            if media || !inline {
                let related = kind == "related" && !first && part.fields.first("Content-ID").is_some();
                self.attachments.push((index, inline || (related && !part.is_attachment())));
                continue;
            }
            if kind == "alternative" {
                if plain && to_text {
                    self.text.push(index);
                }
                if html && to_html {
                    self.html.push(index);
                }
                continue;
            }
            if in_alternative {
                to_html &= !plain;
                to_text &= !html;
            }
            if to_text {
                self.text.push(index);
            }
            if to_html {
                self.html.push(index);
            }
        }
        if kind == "alternative" && offered_text && offered_html {
            let is_blank = |index: &usize| is_blank(&entity.parts[*index]);
            if self.html.len() > html_before && self.text[text_before..].iter().all(is_blank) {
                // It stands for nothing: the HTML is the text.
                self.text.truncate(text_before);
            }
            if self.text.len() == text_before {
                self.text.extend_from_slice(&self.html[html_before..]);
            } else if self.html.len() == html_before {
                self.html.extend_from_slice(&self.text[text_before..]);
            }
        }
    }
}

/// The part of a related multipart that the others belong to: that which it names (RFC 2387 §3.2), else the first that can be the text.
fn root_of(entity: &Entity<'_>, multipart: &Part<'_>) -> usize {
    let part_at = |index: &usize| &entity.parts[*index];
    let id = |part: &Part<'_>| part.fields.first("Content-ID").map(|field| field.text(CONTENT_ID_LIMIT));
    let start = multipart.parameter("start").filter(|start| !start.is_empty());
    let named = start.and_then(|start| {
        let is_named = |part: &Part<'_>| id(part).is_some_and(|id| id.trim_matches(['<', '>', ' ']) == start.trim_matches(['<', '>', ' ']));
        multipart.children.iter().map(part_at).position(is_named)
    });
    let is_text =
        |part: &Part<'_>| part.is_multipart() || matches!(part.media_type.as_str(), "text/html" | "text/plain") && !part.is_attachment();
    named
        .or_else(|| multipart.children.iter().map(part_at).position(is_text))
        .unwrap_or_default()
}

/// Whether a part that is all of a message is a text of a kind that can be read as it is, such as Markdown.
fn is_sole_text(part: &Part<'_>) -> bool {
    let other = part.media_type.strip_prefix("text/");
    other.is_some_and(|kind| !matches!(kind, "html" | "calendar" | "rtf" | "csv" | "vcard" | "x-vcard")) && !part.is_attachment()
}

/// How much of a text is looked at to see that it is blank, in bytes.
const BLANK_LIMIT: usize = 4 * 1024;

/// Whether nothing of a text is seen.
fn is_blank(part: &Part<'_>) -> bool {
    let text = part.text_within(BLANK_LIMIT);
    text.len() < BLANK_LIMIT && text.chars().all(|c| c.is_whitespace() || is_unseen(c))
}

/// Whether a character leaves no mark in a text or a name.
fn is_unseen(c: char) -> bool {
    c.is_control() || decode::deceives(c) || matches!(c, '\u{200C}' | '\u{200D}')
}

/// Limit in bytes for the decoded size of nested messages that are open at the same time. One that takes more is a file.
/// Those that are not encoded take nothing.
pub(super) const CARRIED_LIMIT: usize = 40 * 1024 * 1024;
/// Most bytes of HTML that are read of one part.
pub(super) const HTML_LIMIT: usize = 8 * 1024 * 1024;

/// A message opened for reading: its own header, and the structure and layout of its content.
pub(super) struct Opened<'a> {
    /// The structure.
    pub entity: &'a Entity<'a>,
    /// The use of its parts.
    pub layout: Layout,
    /// How many bytes nested messages may still take when decoded.
    room: usize,
}

/// Reads `outer` as its content: the content of an opaque S/MIME signature (RFC 8551 §3.5.2), or the message that is its whole body.
pub(super) fn open<R>(outer: &Entity<'_>, read: impl FnOnce(Opened<'_>) -> R) -> R {
    open_within(outer, CARRIED_LIMIT, read)
}

fn open_within<R>(outer: &Entity<'_>, mut room: usize, read: impl FnOnce(Opened<'_>) -> R) -> R {
    let Some(once) = carried(outer.root(), &mut room) else {
        return read(Opened::new(outer, room));
    };
    let inner = Entity::read(&once);
    match carried(inner.root(), &mut room) {
        None => read(Opened::new(&inner, room)),
        Some(twice) => read(Opened::new(&Entity::read(&twice), room)),
    }
}

/// The message that takes the place of the content of `outer`, if there is one and there is room for it.
pub(super) fn carried<'a>(root: &Part<'a>, room: &mut usize) -> Option<Cow<'a, [u8]>> {
    if root.is_message() && !root.body.is_empty() {
        return root.decoded_within(room);
    }
    if matches!(root.media_type.as_str(), "application/pkcs7-mime" | "application/x-pkcs7-mime") {
        let mut left = *room;
        let der = root.decoded_within(&mut left)?;
        if matches!(der, Cow::Borrowed(_)) {
            left = left.checked_sub(der.len())?;
        }
        let signed = smime::signed_content(der.into_owned())?;
        *room = left;
        return Some(signed.into());
    }
    None
}

/// Texts joined in order, up to a limit in bytes.
pub(super) struct Joined {
    text: String,
    limit: usize,
    begun: bool,
}

impl Joined {
    /// None yet.
    pub fn new(limit: usize) -> Self {
        Self {
            text: String::new(),
            limit,
            begun: false,
        }
    }

    /// Adds as much of a text as there is room for.
    pub fn add(&mut self, text: &str) {
        if std::mem::replace(&mut self.begun, true) && !self.is_full() {
            self.text.push('\n');
        }
        self.text.push_str(decode::cut(text, self.limit - self.text.len()));
    }

    /// Whether there is no more room.
    pub fn is_full(&self) -> bool {
        self.text.len() >= self.limit
    }

    /// All of them.
    pub fn into_text(self) -> String {
        self.text
    }
}

impl<'a> Opened<'a> {
    fn new(entity: &'a Entity<'a>, room: usize) -> Self {
        Self {
            entity,
            layout: Layout::of(entity),
            room,
        }
    }

    /// Reads a nested message. `None` if that takes too much memory.
    pub fn open_within<R>(&self, part: &Part<'_>, read: impl FnOnce(&Entity<'_>, Opened<'_>) -> R) -> Option<R> {
        let mut room = self.room;
        let decoded = part.decoded_within(&mut room)?;
        let outer = Entity::read(&decoded);
        Some(open_within(&outer, room, |opened| read(&outer, opened)))
    }

    /// The parts of the text, converted from HTML where there is no plain text: of each, the first `limit` bytes or so.
    pub fn texts(&self, limit: usize, convert: impl Fn(&str) -> String) -> impl Iterator<Item = (&Part<'a>, Cow<'a, str>)> {
        let parts = self.layout.text.iter().map(|index| &self.entity.parts[*index]);
        parts.map(move |part| match part.media_type.as_str() {
            "text/html" => (part, convert(&part.text_within(HTML_LIMIT)).into()),
            _ => (part, part.text_within(limit)),
        })
    }

    /// The parts of the text joined in order, at most `limit` bytes.
    pub fn text(&self, limit: usize, convert: impl Fn(&str) -> String) -> String {
        let mut joined = Joined::new(limit);
        for (_, text) in self.texts(limit, convert) {
            joined.add(&text);
            if joined.is_full() {
                break;
            }
        }
        joined.into_text()
    }

    /// The HTML parts joined in order, at most `limit` bytes. Empty if there are none.
    pub fn html(&self, limit: usize) -> String {
        let mut joined = Joined::new(limit);
        let parts = self.layout.html.iter().map(|index| &self.entity.parts[*index]);
        for part in parts.filter(|part| part.media_type == "text/html") {
            joined.add(&part.text_within(limit));
            if joined.is_full() {
                break;
            }
        }
        joined.into_text()
    }

    /// The HTML parts beside a plain text that is read in their place.
    pub fn other_alternatives(&self) -> impl Iterator<Item = &Part<'a>> {
        let others = self.layout.html.iter().filter(|index| !self.layout.text.contains(index));
        let parts = others.map(|index| &self.entity.parts[*index]);
        parts.filter(|part| part.media_type == "text/html")
    }

    /// The attachments and inline parts, and whether each belongs in the text.
    pub fn attachments(&self) -> impl Iterator<Item = (&Part<'_>, bool)> {
        self.layout
            .attachments
            .iter()
            .map(|(index, inline)| (&self.entity.parts[*index], *inline))
    }
}

/// Describes an attachment with `size` bytes of decoded content.
pub(super) fn info(part: &Part<'_>, inline: bool, size: usize) -> AttachmentInfo {
    let content_id = part
        .fields
        .first("Content-ID")
        .map(|field| field.text(CONTENT_ID_LIMIT))
        .unwrap_or_default();
    AttachmentInfo {
        file_name: file_name(part),
        media_type: part.media_type.clone(),
        size: size as u64,
        content_id: content_id.trim_matches(['<', '>', ' ']).to_owned(),
        inline,
    }
}

/// The name of an attachment, safe on every system: without path, stream, control and invisible characters, without dots and dashes at the
/// beginning, and not a device name. An embedded message is named by its subject.
pub(super) fn file_name(part: &Part<'_>) -> String {
    match part.written_file_name() {
        Some(written) => safe_name(&written),
        None if part.is_message() => {
            let subject = header_of(part, |fields| fields.first("Subject").map(|field| field.text(100)));
            let name = safe_name(&subject.unwrap_or_default().replace(['/', '\\', ':'], " "));
            format!("{}.eml", if name.is_empty() { "message" } else { &name })
        }
        None => String::new(),
    }
}

/// Reads the header of an embedded message, up to a limit.
pub(super) fn header_of<R>(part: &Part<'_>, read: impl FnOnce(&Fields<'_>) -> R) -> R {
    let beginning = part.beginning(VALUE_LIMIT);
    let (fields, _) = Fields::split(&beginning);
    if fields.0.iter().any(undeclared::is_unclear) {
        return read(&Entity::read(&beginning).root().fields);
    }
    read(&fields)
}

fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    // What a colon separates is a drive or a stream (`name:stream`); the others mean something to shells and are refused by Windows.
    let harmless = |c| {
        if matches!(c, ':' | '*' | '?' | '<' | '>' | '|') { '_' } else { c }
    };
    let name: String = last.chars().filter(|c| !is_unseen(*c)).map(harmless).collect();
    let name = name.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '.' | '-'));
    let name = decode::cut(name, NAME_LIMIT - 1).trim_end_matches(|c: char| c.is_whitespace() || c == '.');
    if is_device(name) { format!("_{name}") } else { name.to_owned() }
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim().to_ascii_lowercase();
    let numbered = |port: &str| {
        let mut digits = stem.strip_prefix(port).unwrap_or_default().chars();
        matches!((digits.next(), digits.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
    };
    DEVICES.contains(&stem.as_str()) || numbered("com") || numbered("lpt")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Describes parts by their texts.
    fn check(body: &str, text: &[&str], html: &[&str], attachments: &[(&str, bool)]) {
        let raw = format!("Content-Type: multipart/mixed; boundary=m\n\n{body}");
        let entity = Entity::read(raw.as_bytes());
        let layout = Layout::of(&entity);
        let texts = |list: &[usize]| {
            list.iter()
                .map(|index| entity.parts[*index].text().into_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(texts(&layout.text), text, "text of {body}");
        assert_eq!(texts(&layout.html), html, "html of {body}");
        let found: Vec<_> = layout
            .attachments
            .iter()
            .map(|(index, inline)| (entity.parts[*index].text(), *inline))
            .collect();
        let expected: Vec<_> = attachments.iter().map(|(text, inline)| (Cow::Borrowed(*text), *inline)).collect();
        assert_eq!(found, expected, "attachments of {body}");
    }

    const ALTERNATIVE: &str = "--m\nContent-Type: multipart/alternative; boundary=a\n\n";

    #[test]
    fn alternatives_give_text_and_html() {
        check(
            &format!("{ALTERNATIVE}--a\n\nT\n--a\nContent-Type: text/html\n\nH\n--a--\n--m--"),
            &["T"],
            &["H"],
            &[],
        );
        check(
            &format!("{ALTERNATIVE}--a\nContent-Type: text/html\n\nH\n--a--\n--m\nContent-Type: application/pdf\n\nP\n--m--"),
            &["H"],
            &["H"],
            &[("P", false)],
        );
    }

    #[test]
    fn related_images_belong_into_the_text() {
        check(
            &format!(
                "{ALTERNATIVE}--a\n\nT\n--a\nContent-Type: multipart/related; boundary=r\n\n--r\nContent-Type: text/html\n\nH\n--r\n\
                 Content-Type: image/png\nContent-ID: <i>\n\nI\n--r--\n--a--\n--m--"
            ),
            &["T"],
            &["H"],
            &[("I", true)],
        );
    }

    #[test]
    fn the_text_is_chosen_by_its_content() {
        for blank in ["", " \n\t\n", "\u{a0}\n\u{200b}\n"] {
            check(
                &format!(
                    "{ALTERNATIVE}--a\nContent-Type: text/plain; charset=utf-8\n\n{blank}\n--a\nContent-Type: text/html\n\nH\n--a--\n--m--"
                ),
                &["H"],
                &["H"],
                &[],
            );
        }
        // The text that the others belong to need not be the first, and may be named.
        let related = |start: &str| {
            format!(
                "--m\nContent-Type: multipart/related; boundary=r{start}\n\n--r\nContent-Type: image/png\nContent-ID: <i>\n\nI\n--r\n\
                 Content-Type: text/plain\nContent-ID: <t>\n\nT\n--r\nContent-Type: text/html\nContent-ID: <h>\n\nH\n--r--\n--m--"
            )
        };
        check(&related(""), &["T"], &["T"], &[("I", true), ("H", true)]);
        check(&related("; start=\"<h>\""), &["H"], &["H"], &[("I", true), ("T", true)]);
        for (header, is_text) in [
            ("Content-Type: text/markdown", true),
            ("Content-Type: text/plain\nContent-Disposition: attachment", true),
            ("Content-Type: text/plain\nContent-Disposition: attachment; filename=a.txt", false),
            ("Content-Type: text/csv", false),
        ] {
            let raw = format!("{header}\n\nx");
            assert_eq!(Layout::of(&Entity::read(raw.as_bytes())).text == [0], is_text, "{header}");
        }
    }

    #[test]
    fn named_and_attached_texts_are_attachments() {
        check(
            "--m\n\nT\n--m\nContent-Type: text/plain; name=log.txt\n\nL\n--m\nContent-Disposition: attachment\n\nA\n--m--",
            &["T"],
            &["T"],
            &[("L", false), ("A", false)],
        );
        check("--m\n\nT\n--m\n\nfooter\n--m--", &["T", "footer"], &["T", "footer"], &[]);
    }

    #[test]
    fn names_lose_paths_and_control_characters() {
        for (name, expected) in [
            ("a.pdf", "a.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\x\\y.doc", "y.doc"),
            ("a\r\nb\0.txt", "ab.txt"),
            ("..", ""),
            ("exe\u{202e}fdp.exe", "exefdp.exe"),
            ("a\u{2066}\u{ad}\u{200d}\u{e0041}.txt", "a.txt"),
            (".htaccess", "htaccess"),
            ("--rf .x", "rf .x"),
            (" . -a. . ", "a"),
            ("report.pdf:evil.exe", "report.pdf_evil.exe"),
            ("CON", "_CON"),
            ("nul.txt", "_nul.txt"),
            ("Com1 .log", "_Com1 .log"),
            ("lpt\u{b2}", "_lpt\u{b2}"),
            ("-aux", "_aux"),
            ("console.log", "console.log"),
            ("com10", "com10"),
            ("a<b>|?*\"c", "a_b____\"c"),
        ] {
            assert_eq!(safe_name(name), expected, "{name:?}");
        }
        assert_eq!(safe_name(&"\u{65e5}".repeat(200)).len(), 252);
    }

    #[test]
    fn no_more_html_is_turned_into_text_than_is_wanted() {
        let part = "--m\nContent-Type: text/html\n\nx\n".repeat(100);
        let raw = format!("Content-Type: multipart/mixed; boundary=m\n\n{part}--m--");
        let calls = std::cell::Cell::new(0);
        let convert = |_: &str| {
            calls.set(calls.get() + 1);
            "y".repeat(1_000)
        };
        let text = open(&Entity::read(raw.as_bytes()), |opened| opened.text(4_500, convert));
        assert_eq!((text.len(), calls.get()), (4_500, 5));
        let html = open(&Entity::read(raw.as_bytes()), |opened| opened.html(10));
        assert_eq!(html, "x\nx\nx\nx\nx\n");
    }

    #[test]
    fn texts_stand_below_each_other() {
        for (texts, expected) in [
            (&["a", "b"][..], "a\nb"),
            (&["", "b"], "\nb"),
            (&["abc", "de"], "abc\nd"),
            (&["abcdef", "g"], "abcde"),
        ] {
            let mut joined = Joined::new(5);
            for text in texts {
                joined.add(text);
            }
            assert_eq!(joined.into_text(), expected);
        }
    }

    /// Each is decoded into memory of its own while it is open.
    #[test]
    fn messages_within_each_other_share_the_room() {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let mut raw = format!("Subject: inner\n\n{}", "text ".repeat(2_000));
        for _ in 0..2 {
            raw = format!(
                "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n{}",
                STANDARD.encode(&raw)
            );
        }
        let entity = Entity::read(raw.as_bytes());
        let text = |room: usize| open_within(&entity, room, |opened| opened.text(4, str::to_owned));
        assert_eq!(text(100_000), "text");
        assert_eq!(text(20_000), "");
        assert_eq!(text(1_000), "");
        let raw = format!("Content-Type: multipart/mixed; boundary=m\n\n--m\n{raw}\n--m--");
        let entity = Entity::read(raw.as_bytes());
        let text = |room: usize| {
            let of_part = |opened: Opened<'_>| {
                let (part, _) = opened.attachments().next().unwrap();
                opened.open_within(part, |_, opened| opened.text(4, str::to_owned))
            };
            open_within(&entity, room, of_part)
        };
        assert_eq!(text(100_000).as_deref(), Some("text"));
        assert_eq!(text(20_000).as_deref(), Some(""));
        assert_eq!(text(1_000), None);
    }

    #[test]
    fn a_message_that_is_the_whole_body_is_read() {
        let entity = Entity::read(b"Content-Type: message/rfc822\n\nSubject: x\n\ninner");
        assert_eq!(open(&entity, |opened| opened.text(100, str::to_owned)), "inner");
    }
}
