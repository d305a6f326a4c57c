//! Which parts of a message are its text, its HTML and its attachments.

use super::{
    AttachmentInfo, decode,
    entity::{Entity, Part},
    fields::{Fields, VALUE_LIMIT},
    html, references, undeclared,
};

/// Longest file name, in bytes, as file systems have it.
const NAME_LIMIT: usize = 255;
/// Longest Content-ID, in characters.
pub(super) const CONTENT_ID_LIMIT: usize = 255;
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
    /// What is for programs alone: signatures, and other forms of the text.
    pub unlisted: Vec<usize>,
}

/// Parts that belong together, and how they are used.
struct Multipart<'a> {
    /// Their positions in the entity's list.
    parts: &'a [usize],
    /// The subtype, such as `alternative`.
    kind: &'a str,
    /// Whether it is, or is within, one of the alternatives of a message.
    in_alternative: bool,
    /// Whether there is nothing beside it.
    is_all: bool,
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
            is_all: true,
            to_text: true,
            to_html: true,
            root: 0,
        };
        layout.walk(entity, root);
        layout
            .html
            .extend((0..entity.parts.len()).filter(|index| entity.parts[*index].repeats));
        layout.read_calendar(entity);
        references::mark(entity, &mut layout);
        layout
    }

    fn walk(&mut self, entity: &Entity<'_>, multipart: Multipart<'_>) {
        let Multipart {
            parts,
            kind,
            in_alternative,
            is_all,
            mut to_text,
            mut to_html,
            root,
        } = multipart;
        let (text_before, html_before) = (self.text.len(), self.html.len());
        let (offered_text, offered_html) = (to_text, to_html);
        let is_all = is_all && parts.len() == 1;
        for (position, &index) in parts.iter().enumerate() {
            let part = &entity.parts[index];
            if !part.children.is_empty() {
                let kind = part.media_type.strip_prefix("multipart/").unwrap_or_default();
                let inner = Multipart {
                    parts: &part.children,
                    kind,
                    in_alternative: in_alternative || kind == "alternative",
                    is_all,
                    to_text,
                    to_html,
                    root: root_of(entity, part),
                };
                self.walk(entity, inner);
                continue;
            }
            let html = part.media_type == "text/html";
            if part.repeats {
                continue;
            }
            let plain = part.media_type == "text/plain" || (is_all && is_sole_text(part));
            let media = ["image/", "audio/", "video/"].iter().any(|kind| part.media_type.starts_with(kind));
            let first = position == root;
            let is_attachment = part.is_attachment() && !(is_all && (plain || html));
            let inline = !is_attachment
                && (plain || html || media)
                && (first || (kind != "related" && (media || part.written_file_name().is_none())));
            if media || !inline {
                match role(part, kind) {
                    Role::ForPrograms => self.unlisted.push(index),
                    Role::OfText => self.attachments.push((index, true)),
                    Role::File => {
                        let is_named = || {
                            ["Content-ID", "Content-Location"]
                                .iter()
                                .any(|name| part.fields.first(name).is_some())
                        };
                        let related = kind == "related" && !first && !part.is_attachment() && is_named();
                        self.attachments.push((index, inline || related));
                    }
                }
                continue;
            }
            if part.is_attachment() && part.written_file_name().is_some() {
                // The sender called all of the message a file: it is shown, and can be downloaded under its name.
                self.attachments.push((index, false));
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

    /// Takes the words of a calendar item as the text of a message without another.
    fn read_calendar(&mut self, entity: &Entity<'_>) {
        let calendar = self.attachments.iter_mut().find(|(index, _)| is_calendar(&entity.parts[*index]));
        if let Some((calendar, inline)) = calendar
            && self.text.iter().all(|index| says_nothing(&entity.parts[*index]))
        {
            self.text = vec![*calendar];
            *inline |= !entity.parts[*calendar].is_attachment();
        }
    }
}

/// What a part is that is no text.
enum Role {
    /// People have no use for it.
    ForPrograms,
    /// It belongs into the text.
    OfText,
    /// A file.
    File,
}

/// The role of a part that is in a multipart of this kind.
fn role(part: &Part<'_>, kind: &str) -> Role {
    let is_named = |names: [&str; 2]| {
        let name = part.written_file_name();
        name.is_none_or(|name| names.iter().any(|known| known.eq_ignore_ascii_case(&name)))
    };
    match part.media_type.as_str() {
        "application/pgp-encrypted" => Role::ForPrograms,
        "application/pgp-signature" | "application/pkcs7-signature" | "application/x-pkcs7-signature"
            if kind == "signed" || is_named(["signature.asc", "smime.p7s"]) =>
        {
            Role::ForPrograms
        }
        // Some gateways change the type. A signature of a file has that file's name.
        "application/octet-stream" if part.written_file_name().is_some_and(|name| name.eq_ignore_ascii_case("smime.p7s")) => {
            Role::ForPrograms
        }
        "text/calendar" if !part.is_attachment() && (kind == "alternative" || part.written_file_name().is_none()) => Role::OfText,
        // AMP, enriched text, and what watches show.
        media_type if kind == "alternative" && media_type.starts_with("text/") && !part.is_attachment() => match part.written_file_name() {
            None => Role::ForPrograms,
            Some(_) => Role::File,
        },
        _ => Role::File,
    }
}

/// Whether a part is a calendar (RFC 5545).
pub(super) fn is_calendar(part: &Part<'_>) -> bool {
    matches!(part.media_type.as_str(), "text/calendar" | "application/ics")
}

/// The part of a related multipart that the others belong to: that which it names (RFC 2387 §3.2), else the first that can be the text.
fn root_of(entity: &Entity<'_>, multipart: &Part<'_>) -> usize {
    let part_at = |index: &usize| &entity.parts[*index];
    let start = multipart.parameter("start").filter(|start| !start.is_empty());
    let named = start.and_then(|start| {
        let is_named = |part: &Part<'_>| content_id(part).is_some_and(|id| id == bare_id(start));
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
/// The same of HTML, which may be long and say nothing.
const HTML_BLANK_LIMIT: usize = 64 * 1024;

/// Whether nothing of a text is seen.
fn is_blank(part: &Part<'_>) -> bool {
    let text = part.text_within(BLANK_LIMIT);
    text.len() < BLANK_LIMIT && text.chars().all(|c| c.is_whitespace() || is_unseen(c))
}

/// The same, of HTML too.
fn says_nothing(part: &Part<'_>) -> bool {
    let words = || html::to_words(&part.text_within(HTML_BLANK_LIMIT), BLANK_LIMIT);
    if part.media_type == "text/html" {
        part.body.len() < HTML_BLANK_LIMIT && words().chars().all(|c| c.is_whitespace() || is_unseen(c))
    } else {
        is_blank(part)
    }
}

/// Whether a character leaves no mark in a text or a name.
fn is_unseen(c: char) -> bool {
    c.is_control() || decode::deceives(c) || matches!(c, '\u{200C}' | '\u{200D}')
}

/// The Content-ID of a part (RFC 2045 §7), possibly empty. `None` if it has none.
pub(super) fn content_id(part: &Part<'_>) -> Option<String> {
    let written = part.fields.first("Content-ID")?.text(CONTENT_ID_LIMIT);
    Some(bare_id(&written).to_owned())
}

/// An id without what is written around it.
pub(super) fn bare_id(written: &str) -> &str {
    written.trim_matches(['<', '>', ' '])
}

/// Describes an attachment with `size` bytes of decoded content.
pub(super) fn info(part: &Part<'_>, inline: bool, size: usize) -> AttachmentInfo {
    AttachmentInfo {
        file_name: file_name(part),
        media_type: part.media_type.clone(),
        size: size as u64,
        content_id: content_id(part).unwrap_or_default(),
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
    use std::borrow::Cow;

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
            ("Content-Type: text/plain\nContent-Disposition: attachment; filename=a.txt", true),
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
    fn what_is_for_programs_is_not_listed() {
        let with = |kind: &str, head: &str| {
            let raw = format!("Content-Type: multipart/{kind}; boundary=m\n\n--m\n\nT\n--m\n{head}\n\nS\n--m--");
            let layout = Layout::of(&Entity::read(raw.as_bytes()));
            assert_eq!(layout.text, [1], "{raw}");
            layout.attachments.first().map(|(_, inline)| *inline)
        };
        for (kind, head, listed) in [
            (
                "signed",
                "Content-Type: application/pgp-signature; name=\"OpenPGP_signature.asc\"",
                None,
            ),
            (
                "signed",
                "Content-Type: application/pkcs7-signature; name=smime.p7s\nContent-Disposition: attachment",
                None,
            ),
            ("mixed", "Content-Type: application/x-pkcs7-signature; name=smime.p7s", None),
            ("mixed", "Content-Type: application/octet-stream; name=smime.p7s", None),
            ("mixed", "Content-Type: application/pgp-signature; name=report.pdf.asc", Some(false)),
            ("encrypted", "Content-Type: application/pgp-encrypted", None),
            ("alternative", "Content-Type: text/x-amp-html", None),
            ("alternative", "Content-Type: text/watch-html", None),
            ("alternative", "Content-Type: text/calendar; method=REQUEST", Some(true)),
            ("alternative", "Content-Type: text/calendar; name=meeting.ics", Some(true)),
            ("mixed", "Content-Type: text/calendar", Some(true)),
            (
                "mixed",
                "Content-Type: text/calendar; name=i.ics\nContent-Disposition: attachment",
                Some(false),
            ),
            ("mixed", "Content-Type: application/ics; name=i.ics", Some(false)),
            ("alternative", "Content-Type: application/pdf; name=a.pdf", Some(false)),
            ("related", "Content-Type: image/png\nContent-Location: logo.png", Some(true)),
        ] {
            assert_eq!(with(kind, head), listed, "{kind} {head}");
        }
    }
}
