//! A message for people: its parts for display, and its text for a note.

use super::{
    Content, NoteText, address, decode,
    entity::Entity,
    fields::Fields,
    html, layout,
    opened::{Opened, open},
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
/// Most people of the sender's and of the recipients' fields that are looked for in attributions.
const PEOPLE_LIMIT: usize = 32;
/// Deepest embedded message that is read in place of an empty one.
const EMBEDDED_LIMIT: usize = 4;

/// The text of a message for a note, and its quoted history.
#[cfg(feature = "testing")]
pub(super) fn note_text(raw: &[u8]) -> NoteText {
    let outer = Entity::read(raw);
    open(&outer, |opened| note_text_of(&outer.root().fields, &opened))
}

/// The same of a message that is open, and whose own header has these fields.
pub(super) fn note_text_of(fields: &Fields<'_>, opened: &Opened<'_>) -> NoteText {
    let text = text(opened, 0, &html::Budget::default());
    let mut evidence = evidence(fields);
    evidence.carries |= text.is_carried;
    let split = quote::split(decode::cut(&text.text, 2 * TEXT_LIMIT), &evidence);
    let (written, quoted) = (split.written, split.quoted);
    // Text that does not fit above the cut is shown below it.
    let kept = decode::cut(&written, TEXT_LIMIT);
    let rest = &written[kept.len()..];
    let quoted = if rest.is_empty() {
        quoted.into_owned()
    } else {
        format!("{rest}\n{quoted}")
    };
    NoteText {
        text: kept.trim_start_matches('\n').to_owned(),
        quoted: decode::cut(&quoted, TEXT_LIMIT).to_owned(),
    }
}

/// What the header of a message says of what it quotes.
fn evidence(fields: &Fields<'_>) -> quote::Evidence {
    let people = |names: &[&str]| {
        let named = names.iter().flat_map(|name| address::mailboxes(fields, name, PEOPLE_LIMIT));
        named.take(PEOPLE_LIMIT).collect()
    };
    let has = |names: &[&str]| {
        names
            .iter()
            .any(|name| fields.first(name).is_some_and(|field| !field.raw.trim_ascii().is_empty()))
    };
    let subject = fields.first("Subject").map(|field| field.text(VALUE_LIMIT));
    quote::Evidence {
        follows: has(&["In-Reply-To", "References"]),
        // Thunderbird's, and that of mutt and others.
        carries: has(&["X-Forwarded-Message-Id"]),
        prefix: subject.as_deref().and_then(quote::prefix),
        senders: people(&["From", "Sender", "Reply-To"]),
        recipients: people(&["To", "Cc"]),
    }
}

/// A text as [`text`] finds it.
struct Found {
    text: String,
    /// It is not the message's own, but that of what it carries.
    is_carried: bool,
}

/// The text of a message, with the marks of its HTML; if it has none, that of an embedded message in it.
fn text(opened: &Opened<'_>, depth: usize, budget: &html::Budget) -> Found {
    let text = clean_text(&opened.text(4 * TEXT_LIMIT, |source| html::to_note(source, 2 * TEXT_LIMIT, budget)));
    let own = |text| Found { text, is_carried: false };
    let carried = |text| Found { text, is_carried: true };
    if !quote::unmarked(&text).trim().is_empty() {
        return own(text);
    }
    let embedded = opened.attachments().find(|(part, _)| part.is_message());
    match embedded {
        Some((part, _)) if depth < EMBEDDED_LIMIT => {
            let embedded = opened.open_within(part, |_, opened| self::text(&opened, depth + 1, budget));
            embedded.map_or_else(|| own(text), |embedded| carried(embedded.text))
        }
        _ => own(text),
    }
}

/// A message in parts.
pub(super) fn content(raw: &[u8]) -> Content {
    let outer = Entity::read(raw);
    open(&outer, |opened| {
        let safe = html::sanitised(&opened.html(TEXT_LIMIT));
        let text = text(&opened, 0, &html::Budget::default()).text;
        let text = quote::unmarked(&text);
        let attachments = opened.attachments().take(ATTACHMENT_LIMIT);
        Content {
            headers: headers(&outer.root().fields),
            text: decode::cut(text.trim_end(), TEXT_LIMIT).to_owned(),
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
    use super::super::{content, located::tests::read, note_text, parse, quote};

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
        let note = note_text(b"Subject: Re: x\n\nYes.\r\n\r\nOn 1/1/2025 A <a@x.example> wrote:\r\n> q\r\n");
        assert_eq!(
            (note.text.as_str(), note.quoted.as_str()),
            ("Yes.", "On 1/1/2025 A <a@x.example> wrote:\n> q")
        );
    }

    fn check_html(html: &str, written: &str, quoted_begins: &str) {
        let header = "From: Lena Holt <lena@halden.example>\nTo: Tarnbrook Service <desk@tarnbrook.example>\nSubject: Re: x\nContent-Type: text/html";
        let raw = format!("{header}; charset=utf-8\n\n{html}");
        let note = note_text(raw.as_bytes());
        assert_eq!(note.text, written, "{html}");
        assert!(
            note.quoted.starts_with(quoted_begins) && note.quoted.is_empty() == quoted_begins.is_empty(),
            "{:?}: {html}",
            note.quoted
        );
        let shown = content(raw.as_bytes()).text;
        assert!(!shown.contains([quote::MARK_HISTORY, quote::MARK_OWN]), "{shown:?}");
    }

    #[test]
    fn what_programs_mark_in_html_is_history() {
        for (history, begins) in [
            (
                "<div class=\"gmail_quote gmail_quote_container\"><div class=\"gmail_attr\">Xyz <a>a@x.example</a>:<br></div><blockquote \
                 class=\"gmail_quote\">q</blockquote></div>",
                "Xyz",
            ),
            (
                "<hr><div id=\"divRplyFwdMsg\"><b>Xyz:</b> A &lt;a@x.example&gt;<br><b>Zyx:</b> B</div><div>q</div>",
                "Xyz",
            ),
            (
                "<div id=\"x_divRplyFwdMsg\"><b>Xyz:</b> A &lt;a@x.example&gt;</div><div>q</div>",
                "Xyz",
            ),
            (
                "<div class=\"moz-cite-prefix\">Xyz Tarnbrook Service zyx:<br></div><blockquote type=\"cite\">q</blockquote>",
                "Xyz",
            ),
            (
                "<div class=\"yahoo_quoted\"><div>Xyz A &lt;a@x.example&gt;:</div><div>q</div></div>",
                "Xyz",
            ),
            (
                "<div class=\"protonmail_quote\">Xyz A &lt;a@x.example&gt;:<br><blockquote type=\"cite\">q</blockquote></div>",
                "Xyz",
            ),
            (
                "<div class=\"zmail_extra\"><br>---- Xyz A &lt;a@x.example&gt; ----<br><blockquote>q</blockquote></div>",
                "---- Xyz",
            ),
            (
                "<div name=\"quote\"><div><b>Xyz:</b> 10:00<br><b>Zyx:</b> A &lt;a@x.example&gt;</div><div>q</div></div>",
                "Xyz",
            ),
            (
                "<blockquote type=\"cite\"><div>On 5 Feb 2025, at 09:12, A &lt;a@x.example&gt; wrote:</div><div>q</div></blockquote>",
                "> On",
            ),
            (
                "<div>06.02.2025, 14:41, \"Desk\" &lt;desk@tarnbrook.example&gt;:</div><blockquote><p>q</p></blockquote>",
                "06.02",
            ),
            (
                "<div style=\"border:none;border-top:solid #E1E1E1 1.0pt\"><p><b>From:</b> A &lt;a@x.example&gt;<br><b>Sent:</b> Monday 10:00<br>\
                 <b>To:</b> B<br><b>Subject:</b> s</p></div><p>q</p>",
                "From",
            ),
        ] {
            check_html(&format!("<div>Yes.</div><br>{history}"), "Yes.", begins);
            let forward = format!("Subject: Fwd: x\nContent-Type: text/html; charset=utf-8\n\n<div>See.</div><br>{history}");
            assert_eq!(note_text(forward.as_bytes()).quoted, "", "{history}");
        }
    }

    #[test]
    fn quotations_of_the_sender_in_html_stay() {
        let own = "<p>The manual says</p><blockquote>Never open the lid.</blockquote>";
        check_html(own, "The manual says\n\n> Never open the lid.", "");
        let below = "<div class=\"moz-cite-prefix\">Xyz Tarnbrook Service:</div><blockquote type=\"cite\">q</blockquote><p>Yes.</p>";
        check_html(below, "Yes.", "Xyz");
        let between = "<div class=\"gmail_quote\"><div class=\"gmail_attr\">Xyz &lt;a@x.example&gt;:</div><blockquote \
            class=\"gmail_quote\">q1</blockquote><div>Yes.</div><blockquote class=\"gmail_quote\">q2</blockquote><div>No.</div></div>";
        check_html(between, "Xyz <a@x.example>:\n\n> q1\n\nYes.\n\n> q2\n\nNo.", "");
        let empty = "<div><br></div><div class=\"gmail_quote\"><div class=\"gmail_attr\">Xyz &lt;a@x.example&gt;:</div><blockquote>q</blockquote></div>";
        check_html(empty, "Xyz <a@x.example>:\n\n> q", "");
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
    fn calendars_are_the_text_where_there_is_no_other() {
        let item = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Visit\nLOCATION:Hall F\nEND:VEVENT\nEND:VCALENDAR";
        let with = |text: &str| {
            format!(
                "Subject: s\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\n{text}\n--b\nContent-Type: text/calendar\n\n{item}\n--b--"
            )
        };
        let alone = format!("Subject: s\nContent-Type: text/calendar; name=i.ics\n\n{item}");
        for (raw, text, found) in [
            (with("Please come."), "Please come.", "Please come.\nVisit\n\nHall F"),
            (with(" \n"), "Visit\n\nHall F", "Visit\n\nHall F"),
            (
                with("\n--b\nContent-Type: text/html\n\n<div><br></div>"),
                "Visit\n\nHall F",
                "Visit\n\nHall F",
            ),
            (alone, "Visit\n\nHall F", "Visit\n\nHall F"),
        ] {
            let parsed = parse(raw.as_bytes()).unwrap();
            assert_eq!(
                (content(raw.as_bytes()).text.as_str(), note_text(raw.as_bytes()).text.as_str()),
                (text, text)
            );
            assert_eq!(parsed.preview, text.replace("\n\n", " "));
            assert_eq!((parsed.search.body.as_str(), parsed.attachment_count), (found, 0));
        }
    }

    #[test]
    fn lines_wrapped_for_transport_are_joined() {
        let raw = |parameters: &str| format!("Subject: s\nContent-Type: text/plain; {parameters}\n\nThe level \nfalls.\n\n-- \nAnna");
        for (parameters, expected) in [
            ("format=flowed", "The level falls.\n\n-- \nAnna"),
            ("Format=\"Flowed\"; DelSp=Yes", "The levelfalls.\n\n-- \nAnna"),
            ("charset=utf-8", "The level \nfalls.\n\n-- \nAnna"),
        ] {
            assert_eq!(note_text(raw(parameters).as_bytes()).text, expected);
            assert_eq!(content(raw(parameters).as_bytes()).text, expected);
        }
    }

    #[test]
    fn long_threads_are_shown() {
        let html = format!("<p>new</p>{}old", "<blockquote><div>".repeat(600));
        let raw = format!("Subject: s\nContent-Type: text/html\n\n{html}");
        assert!(content(raw.as_bytes()).html.contains("old"));
    }

    #[test]
    fn long_texts_are_cut_without_loss_up_to_the_limit() {
        let raw = format!("Subject: x\n\n{}", "word \n".repeat(300_000));
        let note = note_text(raw.as_bytes());
        assert_eq!(note.text.len(), 1024 * 1024);
        assert!(note.quoted.len() > 700_000 && note.quoted.len() <= 1024 * 1024);
    }
}
