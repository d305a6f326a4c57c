//! A message for people: its parts for display, and its text for a note.

use super::{
    Content, NoteText, decode,
    entity::Entity,
    fields::Fields,
    html,
    layout::{self, Opened, open},
    parse::clean_text,
    quote,
};

/// Longest text of a note and of its history each, and of a message that is shown, in bytes.
const TEXT_LIMIT: usize = 1024 * 1024;
/// Most header fields.
const HEADER_LIMIT: usize = 1_000;
/// Longest value of a header field that is shown, in characters.
const VALUE_LIMIT: usize = 16 * 1024;
/// Limit in bytes for all header fields that are shown. With text, HTML and attachments, a response stays below the 4 MiB that clients
/// accept by default.
const HEADERS_LIMIT: usize = 256 * 1024;
/// Most attachments.
pub(super) const ATTACHMENT_LIMIT: usize = 1_000;
/// Deepest embedded message that is read in place of an empty one.
const EMBEDDED_LIMIT: usize = 4;

/// The text of a message for a note, and its quoted history.
#[cfg(feature = "testing")]
pub(super) fn note_text(raw: &[u8]) -> NoteText {
    open(&Entity::read(raw), |opened| note_text_of(&opened))
}

/// The same of a message that is open.
pub(super) fn note_text_of(opened: &Opened<'_>) -> NoteText {
    let text = text(opened, 0, &html::Budget::default());
    let (written, quoted) = quote::split(decode::cut(&text, 2 * TEXT_LIMIT));
    // Text that does not fit above the cut is shown below it.
    let kept = decode::cut(written, TEXT_LIMIT);
    let rest = &written[kept.len()..];
    let quoted = if rest.is_empty() {
        quoted.to_owned()
    } else {
        format!("{rest}\n{quoted}")
    };
    NoteText {
        text: kept.trim_start_matches('\n').to_owned(),
        quoted: decode::cut(&quoted, TEXT_LIMIT).to_owned(),
    }
}

/// The text of a message; if it has none, that of a calendar item or an embedded message in it.
fn text(opened: &Opened<'_>, depth: usize, budget: &html::Budget) -> String {
    let text = clean_text(&opened.text(4 * TEXT_LIMIT, |source| html::to_note(source, 2 * TEXT_LIMIT, budget)));
    if !text.trim().is_empty() {
        return text;
    }
    let calendar = opened.attachments().find(|(part, _)| part.media_type == "text/calendar");
    if let Some((part, _)) = calendar {
        return calendar_text(&clean_text(&part.text_within(2 * TEXT_LIMIT)));
    }
    let embedded = opened.attachments().find(|(part, _)| part.is_message());
    match embedded {
        Some((part, _)) if depth < EMBEDDED_LIMIT => {
            let embedded = opened.open_within(part, |_, opened| self::text(&opened, depth + 1, budget));
            embedded.unwrap_or(text)
        }
        _ => text,
    }
}

/// Summary, place and description of the first item of a calendar (RFC 5545 §3.1, §3.3.11).
fn calendar_text(calendar: &str) -> String {
    let unfolded = calendar.replace("\n ", "").replace("\n\t", "");
    let item = unfolded.find("BEGIN:VEVENT").map_or("", |at| &unfolded[at..]);
    let value = |name: &str| {
        let lines = item.lines().take_while(|line| *line != "END:VEVENT");
        let value = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.split(';').next() == Some(name));
        value.map(|(_, value)| {
            value
                .replace("\\n", "\n")
                .replace("\\N", "\n")
                .replace("\\,", ",")
                .replace("\\;", ";")
                .replace("\\\\", "\\")
        })
    };
    let values = ["SUMMARY", "LOCATION", "DESCRIPTION"].into_iter().filter_map(value);
    let values: Vec<String> = values.filter(|value| !value.trim().is_empty()).collect();
    values.join("\n\n")
}

/// A message in parts.
pub(super) fn content(raw: &[u8]) -> Content {
    let outer = Entity::read(raw);
    open(&outer, |opened| {
        let safe = html::sanitised(&opened.html(TEXT_LIMIT));
        let text = text(&opened, 0, &html::Budget::default());
        let attachments = opened.attachments().take(ATTACHMENT_LIMIT);
        Content {
            headers: headers(&outer.root().fields),
            text: decode::cut(&text, TEXT_LIMIT).to_owned(),
            html: safe.html,
            remote_content_blocked: safe.blocked,
            attachments: attachments
                .map(|(part, inline)| layout::info(part, inline, part.decoded_len()))
                .collect(),
        }
    })
}

fn headers(fields: &Fields<'_>) -> Vec<(String, String)> {
    let shown = fields.0.iter().take(HEADER_LIMIT);
    let mut room = HEADERS_LIMIT;
    let shown = shown.map(|field| (field.name.to_owned(), field.text(VALUE_LIMIT)));
    let fits = |(name, value): &(String, String)| {
        let size = name.len() + value.len();
        let fits = size <= room;
        room = room.saturating_sub(size);
        fits
    };
    shown.take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{content, located::tests::read, note_text};

    const MIXED: &str = "Subject: =?utf-8?Q?=C3=BC?=\nX-Folded: a\n b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\
        Content-Type: text/html\n\n<p>Hi</p><img src=\"https://x.example/p\">\n--b\nContent-Type: Application/PDF; name=\"../a.pdf\"\n\
        Content-Transfer-Encoding: base64\n\neHh4\n--b\nContent-Type: image/png\nContent-ID: <i@x>\nContent-Disposition: inline\n\nI\n--b--";

    #[test]
    fn readers_get_parts() {
        let content = content(MIXED.as_bytes());
        assert_eq!(content.headers[0], ("Subject".to_owned(), "\u{fc}".to_owned()));
        assert_eq!(content.headers[1], ("X-Folded".to_owned(), "a b".to_owned()));
        assert_eq!(content.text, "Hi");
        assert_eq!(content.html, "<p>Hi</p><img>");
        assert!(content.remote_content_blocked);
        let names: Vec<_> = content
            .attachments
            .iter()
            .map(|a| (a.file_name.as_str(), a.media_type.as_str(), a.size, a.inline))
            .collect();
        assert_eq!(names, [("a.pdf", "application/pdf", 3, false), ("", "image/png", 1, true)]);
        assert_eq!(content.attachments[1].content_id, "i@x");
    }

    /// The limit is that of gRPC clients for a message, which also has the fields of the message itself: 600 KiB at most.
    #[test]
    fn the_largest_content_fits_into_an_answer() {
        let headers: String = (0..900).map(|i| format!("X-{i}: {}\n", "\u{65e5}".repeat(5_000))).collect();
        let text = "text ".repeat(400_000);
        let html = format!("<p title=\"{}\">{}", "\"".repeat(1_000), "&amp;\u{a0}".repeat(150_000));
        let name = "\u{65e5}".repeat(250);
        let files: String = (0..1_200)
            .map(|i| {
                format!(
                    "--m\nContent-Type: application/{0}; name=\"{name}\"\nContent-ID: <{i}{0}>\n\nx\n",
                    "y".repeat(200)
                )
            })
            .collect();
        let raw = format!(
            "{headers}Content-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: multipart/alternative; boundary=a\n\n--a\n\n{text}\n--a\n\
             Content-Type: text/html\n\n{html}\n--a--\n{files}--m--"
        );
        let content = content(raw.as_bytes());
        assert!(content.html.len() > 500_000 && content.text.len() > 1_000_000 && content.attachments.len() == 1_000);
        let headers: usize = content.headers.iter().map(|(name, value)| name.len() + value.len() + 12).sum();
        let of_file = |file: &crate::mime::AttachmentInfo| file.file_name.len() + file.media_type.len() + file.content_id.len() + 32;
        let files: usize = content.attachments.iter().map(of_file).sum();
        let size = headers + files + content.text.len() + content.html.len();
        assert!(size + 600 * 1024 < 4 << 20, "{size} bytes: {headers} of headers, {files} of files");
    }

    #[test]
    fn attachments_are_found_by_their_position() {
        let shown = content(MIXED.as_bytes()).attachments;
        for (index, info) in shown.iter().enumerate() {
            let (found, bytes) = read(MIXED.as_bytes(), index, 0, 10).unwrap();
            assert_eq!((&found.info, bytes.len() as u64), (info, info.size));
        }
        assert_eq!(read(MIXED.as_bytes(), 0, 0, 10).unwrap().1, b"xxx");
        assert!(read(MIXED.as_bytes(), 2, 0, 10).is_none());
    }

    #[test]
    fn notes_prefer_plain_text_and_split_it() {
        let note = note_text(b"Subject: x\n\nYes.\r\n\r\nOn 1/1/2025 A <a@x.example> wrote:\r\n> q\r\n");
        assert_eq!(
            (note.text.as_str(), note.quoted.as_str()),
            ("Yes.", "On 1/1/2025 A <a@x.example> wrote:\n> q")
        );
    }

    #[test]
    fn carried_messages_and_meetings_are_read() {
        let invitation = b"Content-Type: text/calendar\n\nBEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Visit\\, first\nDESCRIPTION;LANGUAGE=en:Line\\non\n e\n\
            END:VEVENT\n";
        assert_eq!(note_text(invitation).text, "Visit, first\n\nLine\none");
        let forwarded = b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nSubject: i\n\ninner\n--b--";
        assert_eq!(note_text(forwarded).text, "inner");
    }

    #[test]
    fn long_texts_are_cut_without_loss_up_to_the_limit() {
        let raw = format!("Subject: x\n\n{}", "word \n".repeat(300_000));
        let note = note_text(raw.as_bytes());
        assert_eq!(note.text.len(), 1024 * 1024);
        assert!(note.quoted.len() > 700_000 && note.quoted.len() <= 1024 * 1024);
    }
}
