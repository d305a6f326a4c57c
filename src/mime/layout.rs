//! Which parts of a message are its text, its HTML and its attachments.

use std::borrow::Cow;

use super::{
    AttachmentInfo, decode,
    entity::{Entity, Part},
    fields::Fields,
    smime,
};

/// Longest file name, in bytes, as file systems have it.
const NAME_LIMIT: usize = 255;
/// Longest Content-ID, in characters.
const CONTENT_ID_LIMIT: usize = 255;
/// Names that are devices on Windows, whatever follows behind a dot. `COM` and `LPT` have a digit behind them.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// The parts of an entity by their use, as positions in its list. RFC 8621 §4.1.4 has the rules.
#[derive(Default)]
pub(super) struct Layout {
    /// What to read as text: plain where there is a choice, else HTML.
    pub text: Vec<usize>,
    /// What to show as HTML: HTML where there is a choice, else plain.
    pub html: Vec<usize>,
    /// Everything else that carries content, and whether it belongs into the text.
    pub attachments: Vec<(usize, bool)>,
}

impl Layout {
    /// Finds the parts.
    pub fn of(entity: &Entity<'_>) -> Self {
        let mut layout = Self::default();
        layout.walk(entity, &[0], "mixed", false, true, true);
        layout
    }

    fn walk(&mut self, entity: &Entity<'_>, parts: &[usize], kind: &str, in_alternative: bool, mut to_text: bool, mut to_html: bool) {
        let (text_before, html_before) = (self.text.len(), self.html.len());
        let (offered_text, offered_html) = (to_text, to_html);
        for (position, &index) in parts.iter().enumerate() {
            let part = &entity.parts[index];
            if !part.children.is_empty() {
                let kind = part.media_type.strip_prefix("multipart/").unwrap_or_default();
                self.walk(
                    entity,
                    &part.children,
                    kind,
                    in_alternative || kind == "alternative",
                    to_text,
                    to_html,
                );
                continue;
            }
            let plain = part.media_type == "text/plain";
            let html = part.media_type == "text/html";
            let media = ["image/", "audio/", "video/"].iter().any(|kind| part.media_type.starts_with(kind));
            let first = position == 0;
            let inline = !part.is_attachment()
                && (plain || html || media)
                && (first || (kind != "related" && (media || part.raw_file_name().is_none())));
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
            if self.text.len() == text_before {
                self.text.extend_from_slice(&self.html[html_before..]);
            } else if self.html.len() == html_before {
                self.html.extend_from_slice(&self.text[text_before..]);
            }
        }
    }
}

/// A message opened for reading: its own header, and the structure of what it carries with its layout.
pub(super) struct Opened<'a> {
    /// The structure.
    pub entity: &'a Entity<'a>,
    /// The use of its parts.
    pub layout: Layout,
}

/// Reads `outer` as what it carries: the content of an opaque S/MIME signature (RFC 8551 §3.5.2), or the message that is its whole body.
pub(super) fn open<R>(outer: &Entity<'_>, read: impl FnOnce(Opened<'_>) -> R) -> R {
    let open = |entity: &Entity<'_>| {
        read(Opened {
            entity,
            layout: Layout::of(entity),
        })
    };
    match carried(outer.root()) {
        None => open(outer),
        Some(once) => {
            let inner = Entity::read(&once);
            match carried(inner.root()) {
                None => open(&inner),
                Some(twice) => open(&Entity::read(&twice)),
            }
        }
    }
}

/// What a message carries in place of a content of its own, if it does.
pub(super) fn carried<'a>(root: &Part<'a>) -> Option<Cow<'a, [u8]>> {
    if root.is_message() && !root.body.is_empty() {
        return Some(root.decoded());
    }
    if matches!(root.media_type.as_str(), "application/pkcs7-mime" | "application/x-pkcs7-mime") {
        return smime::signed_content(&root.decoded()).map(Cow::Owned);
    }
    None
}

impl Opened<'_> {
    /// The parts of the text, made from HTML by `convert` where there is no other.
    pub fn texts(&self, convert: impl Fn(&str) -> String) -> Vec<Cow<'_, str>> {
        let parts = self.layout.text.iter().map(|index| &self.entity.parts[*index]);
        let texts = parts.map(|part| match part.media_type.as_str() {
            "text/html" => convert(&part.text()).into(),
            _ => part.text(),
        });
        texts.collect()
    }

    /// The parts of the text below each other, of each at most `limit` bytes.
    pub fn text(&self, limit: usize, convert: impl Fn(&str) -> String) -> String {
        joined(&self.texts(convert), limit)
    }

    /// The HTML parts below each other. Empty when there is none.
    pub fn html(&self) -> String {
        let parts = self.layout.html.iter().map(|index| &self.entity.parts[*index]);
        let html = parts.filter(|part| part.media_type == "text/html").map(Part::text);
        html.collect::<Vec<_>>().join("\n")
    }

    /// The attachments and inline parts, and whether each belongs into the text.
    pub fn attachments(&self) -> impl Iterator<Item = (&Part<'_>, bool)> {
        self.layout
            .attachments
            .iter()
            .map(|(index, inline)| (&self.entity.parts[*index], *inline))
    }
}

/// Texts below each other, of each at most `limit` bytes.
pub(super) fn joined(texts: &[Cow<'_, str>], limit: usize) -> String {
    let texts: Vec<&str> = texts.iter().map(|text| decode::cut(text, limit)).collect();
    texts.join("\n")
}

/// What there is to say of an attachment whose decoded content has `size` bytes.
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

/// The name of an attachment, safe on every system: without path, stream, control and invisible characters, without dots and dashes at its
/// beginning, and no device. An embedded message is named by its subject.
pub(super) fn file_name(part: &Part<'_>) -> String {
    match part.raw_file_name() {
        Some(raw) => safe_name(&decode::header(raw.as_bytes(), 4096)),
        None if part.is_message() => {
            let subject = Fields::split(&part.decoded()).0.first("Subject").map(|field| field.text(100));
            let name = safe_name(&subject.unwrap_or_default().replace(['/', '\\', ':'], " "));
            format!("{}.eml", if name.is_empty() { "message" } else { &name })
        }
        None => String::new(),
    }
}

fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let seen = |c: &char| !c.is_control() && !decode::deceives(*c) && !matches!(c, '\u{200C}' | '\u{200D}');
    // What a colon separates is a drive or a stream (`name:stream`); the others mean something to shells and are refused by Windows.
    let harmless = |c| {
        if matches!(c, ':' | '*' | '?' | '"' | '<' | '>' | '|') {
            '_'
        } else {
            c
        }
    };
    let name: String = last.chars().filter(seen).map(harmless).collect();
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
            ("a<b>|?*\"c", "a_b_____c"),
        ] {
            assert_eq!(safe_name(name), expected, "{name:?}");
        }
        assert_eq!(safe_name(&"\u{65e5}".repeat(200)).len(), 252);
    }

    #[test]
    fn a_message_that_is_the_whole_body_is_read() {
        let entity = Entity::read(b"Content-Type: message/rfc822\n\nSubject: x\n\ninner");
        assert_eq!(open(&entity, |opened| opened.text(100, str::to_owned)), "inner");
    }
}
