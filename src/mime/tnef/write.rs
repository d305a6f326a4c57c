//! A message within TNEF, written as MIME. Its files are copied as they are, so that each can be found in the TNEF.

use mail_builder::headers::date::Date;

use super::{
    Attachment, LINE_LIMIT, Message, Person, compressed,
    rtf::{self, Body},
};
use crate::mime::{
    assembly::{Assembly, Boundary, Piece},
    decode, html, layout,
};

/// Deepest message within each other that is opened.
const DEPTH_LIMIT: usize = 4;
/// Most files, those of attached messages too.
const FILE_LIMIT: usize = 1_000;
/// Most bytes of texts, those of attached messages too.
const TEXT_LIMIT: usize = 8 * 1024 * 1024;
/// Longest name of a file, in characters.
const NAME_LIMIT: usize = 255;

/// Which texts of a message are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mime) enum Wanted {
    /// All.
    Texts,
    /// Only the HTML: the plain text is known.
    Html,
    /// None.
    Files,
}

/// Its texts.
#[derive(Debug, Default)]
struct Texts {
    plain: String,
    html: String,
    calendar: String,
    /// Length of the RTF from which they were made.
    rtf_length: usize,
}

struct Writer<'a> {
    assembly: Assembly<'a>,
    files: usize,
    text_room: usize,
}

impl<'a> Message<'a> {
    /// Its text, in any form, for a comparison.
    pub fn words(&self) -> String {
        let texts = self.texts(TEXT_LIMIT);
        if texts.plain.trim().is_empty() {
            html::to_words(&texts.html, TEXT_LIMIT)
        } else {
            texts.plain
        }
    }

    /// Writes it as a MIME entity: bytes, and what they are made of. `data` is the TNEF that it was read from.
    pub fn written(&self, data: &'a [u8], wanted: Wanted) -> (Vec<u8>, Vec<Piece>) {
        let mut writer = Writer {
            assembly: Assembly::new(data),
            files: 0,
            text_room: TEXT_LIMIT,
        };
        writer.content(self, wanted, 0);
        writer.assembly.finish()
    }

    fn texts(&self, limit: usize) -> Texts {
        let read = |text: Option<super::Text<'_>>| text.map(|text| self.decoded(&text, limit)).unwrap_or_default();
        let mut texts = Texts {
            plain: read(self.plain),
            html: read(self.html),
            calendar: self.calendar(),
            rtf_length: 0,
        };
        let is_missing = texts.html.trim().is_empty();
        let rtf = self.rtf.filter(|_| is_missing).and_then(|rtf| compressed::decompressed(rtf, limit));
        texts.rtf_length = rtf.as_ref().map_or(0, Vec::len);
        match rtf.and_then(|rtf| rtf::body(&rtf, self.page, limit)) {
            Some(Body::Html(html)) => texts.html = html,
            Some(Body::Text(text)) if texts.plain.trim().is_empty() => texts.plain = text,
            _ => {}
        }
        if texts.plain.trim().is_empty() && texts.html.trim().is_empty() {
            texts.plain = read(self.report);
        }
        texts
    }

    /// A meeting as iCalendar (RFC 5545), of which the subject, the place and the time are known.
    fn calendar(&self) -> String {
        let class = self.class.to_ascii_lowercase();
        let method = match class.strip_prefix("ipm.schedule.meeting.") {
            Some("canceled") => "CANCEL",
            Some(rest) if rest.starts_with("resp.") => "REPLY",
            Some(_) => "REQUEST",
            None if class == "ipm.appointment" => "PUBLISH",
            None => return String::new(),
        };
        if self.start.is_none() && self.location.is_none() {
            return String::new();
        }
        let mut calendar =
            format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//mailagent//TNEF//EN\r\nMETHOD:{method}\r\nBEGIN:VEVENT\r\n");
        for (name, text) in [("SUMMARY", self.subject), ("LOCATION", self.location)] {
            let text = text.map(|text| self.line(&text)).unwrap_or_default();
            if !text.is_empty() {
                let escaped = text.replace('\\', "\\\\").replace(';', "\\;").replace(',', "\\,");
                calendar += &format!("{name}:{escaped}\r\n");
            }
        }
        for (name, seconds) in [("DTSTART", self.start), ("DTEND", self.end)] {
            let time = seconds.and_then(|seconds| time::OffsetDateTime::from_unix_timestamp(seconds).ok());
            if let Some(time) = time {
                let (year, month, day) = time.to_calendar_date();
                let (hour, minute, second) = time.to_hms();
                calendar += &format!(
                    "{name}:{year:04}{:02}{day:02}T{hour:02}{minute:02}{second:02}Z\r\n",
                    u8::from(month)
                );
            }
        }
        calendar + "END:VEVENT\r\nEND:VCALENDAR\r\n"
    }

    /// A person as a mailbox of a header field. Addresses of Exchange's own kind are left out.
    fn mailbox(&self, person: &Person<'_>) -> Option<String> {
        let read = |text: Option<super::Text<'_>>| text.map(|text| self.line(&text)).unwrap_or_default();
        let name = read(person.name).replace(['"', '\\'], "'");
        let is_address = |address: &String| address.contains('@') && !address.contains(|c: char| c.is_whitespace() || "<>,;\"".contains(c));
        let address = [read(person.smtp), read(person.address)].into_iter().find(is_address);
        match (name.as_str(), address) {
            ("", None) => None,
            ("", Some(address)) => Some(format!("<{address}>")),
            (name, None) => Some(format!("\"{name}\" <>")),
            (name, Some(address)) => Some(format!("\"{name}\" <{address}>")),
        }
    }
}

impl<'a> Writer<'a> {
    /// The header of an attached message.
    fn header(&mut self, message: &Message<'a>) {
        let from = message.mailbox(&message.from).or_else(|| message.mailbox(&message.sender));
        let recipients = |kind: u64| {
            let those = message.recipients.iter().filter(|recipient| recipient.kind == kind);
            let mailboxes: Vec<String> = those.filter_map(|recipient| message.mailbox(&recipient.person)).collect();
            (!mailboxes.is_empty()).then(|| mailboxes.join(", "))
        };
        let line = |text: Option<super::Text<'_>>| text.map(|text| message.line(&text)).filter(|line| !line.is_empty());
        for (name, value) in [
            ("Message-ID", line(message.message_id)),
            ("In-Reply-To", line(message.in_reply_to)),
            ("Date", message.sent.map(|seconds| Date::new(seconds).to_rfc822())),
            ("From", from),
            ("To", recipients(1)),
            ("Cc", recipients(2)),
            // There must be one field.
            ("Subject", Some(line(message.subject).unwrap_or_default())),
            ("MIME-Version", Some("1.0".to_owned())),
        ] {
            if let Some(value) = value {
                self.assembly.field(name, &value);
            }
        }
    }

    /// Texts and files of a message.
    fn content(&mut self, message: &Message<'a>, wanted: Wanted, depth: usize) {
        let mixed = self.assembly.open("mixed");
        let before = self.assembly.len();
        self.texts(message, wanted, &mixed);
        for attachment in &message.attachments {
            if self.files < FILE_LIMIT {
                self.files += 1;
                self.attachment(message, attachment, &mixed, depth);
            }
        }
        if self.assembly.len() == before {
            // A multipart has a part (RFC 2046 §5.1.1).
            self.assembly.part(&mixed);
            self.assembly.end_header();
        }
        self.assembly.close(&mixed);
    }

    fn texts(&mut self, message: &Message<'a>, wanted: Wanted, mixed: &Boundary) {
        if wanted == Wanted::Files || self.text_room == 0 {
            return;
        }
        let texts = message.texts(self.text_room);
        // A thousand messages may have RTF that says nothing.
        self.text_room = self.text_room.saturating_sub(texts.rtf_length);
        let plain = if wanted == Wanted::Html { "" } else { texts.plain.as_str() };
        let forms = [("plain", plain), ("html", &texts.html), ("calendar", &texts.calendar)];
        let mut forms = forms.into_iter().filter(|(_, text)| !text.trim().is_empty()).peekable();
        if forms.peek().is_none() {
            return;
        }
        self.assembly.part(mixed);
        let alternative = self.assembly.open("alternative");
        for (kind, text) in forms {
            let text = decode::cut(text, self.text_room);
            self.text_room -= text.len();
            self.assembly.part(&alternative);
            self.assembly.field("Content-Type", &format!("text/{kind}; charset=utf-8"));
            self.assembly.field("Content-Transfer-Encoding", "8bit");
            self.assembly.end_header();
            self.assembly.write(text.as_bytes());
        }
        self.assembly.close(&alternative);
    }

    fn attachment(&mut self, message: &Message<'a>, attachment: &Attachment<'a>, mixed: &Boundary, depth: usize) {
        let embedded = attachment.message().filter(|_| depth < DEPTH_LIMIT);
        if let Some(embedded) = embedded.and_then(Message::read) {
            self.assembly.part(mixed);
            self.assembly.field("Content-Type", "message/rfc822");
            self.assembly.field("Content-Transfer-Encoding", "binary");
            self.assembly.end_header();
            self.header(&embedded);
            return self.content(&embedded, Wanted::Texts, depth + 1);
        }
        let line = |text: Option<super::Text<'_>>| text.map(|text| message.line(&text)).unwrap_or_default();
        let name = message.file_name(attachment);
        // An empty file has a name, unless its content was cut off.
        let empty = || (!name.is_empty() && !message.damaged).then_some(&[][..]);
        let Some(content) = attachment.content().or_else(empty) else {
            return;
        };
        let media_type = media_type(&line(attachment.media_type));
        self.assembly.part(mixed);
        if media_type == "multipart/signed" && starts_with_field(content) {
            // Outlook attaches what is signed as a whole, with its header ([MS-OXOSMIME] 2.1.2).
            return self.assembly.keep(content);
        }
        self.assembly.field("Content-Type", &media_type);
        self.assembly.field("Content-Transfer-Encoding", "binary");
        let content_id = line(attachment.content_id);
        let content_id = layout::bare_id(&content_id);
        if !content_id.is_empty() {
            self.assembly.field("Content-ID", &format!("<{content_id}>"));
        }
        let location = line(attachment.content_location);
        if !location.is_empty() {
            self.assembly.field("Content-Location", &location);
        }
        let belongs = attachment.hidden && !(content_id.is_empty() && location.is_empty());
        self.assembly.disposition(if belongs { "inline" } else { "attachment" }, &name);
        self.assembly.end_header();
        self.assembly.keep(content);
    }
}

impl Message<'_> {
    /// The name of a file: the longest way to write it that there is.
    fn file_name(&self, attachment: &Attachment<'_>) -> String {
        let Attachment {
            long_name,
            transport_name,
            title,
            short_name,
            display_name,
            ..
        } = attachment;
        let line = |text: &super::Text<'_>| decode::clean(&self.line(text), NAME_LIMIT);
        let names = [long_name, transport_name, title, short_name, display_name].into_iter().flatten();
        let name = names.map(line).find(|name| !name.is_empty()).unwrap_or_default();
        let extension = attachment.extension.as_ref().map(line).unwrap_or_default();
        let is_missing = !name.is_empty() && !name.contains('.') && extension.len() > 1 && extension.starts_with('.');
        if is_missing { name + &extension } else { name }
    }
}

/// A media type as it may be written, else that of any bytes.
fn media_type(written: &str) -> String {
    let lower = written.to_ascii_lowercase();
    let is_token = |token: &str| {
        !token.is_empty()
            && token
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    match lower.split_once('/') {
        Some((kind, subtype)) if is_token(kind) && is_token(subtype) && lower.len() <= LINE_LIMIT / 8 => lower,
        _ => "application/octet-stream".to_owned(),
    }
}

fn starts_with_field(content: &[u8]) -> bool {
    content
        .get(..13)
        .is_some_and(|beginning| beginning.eq_ignore_ascii_case(b"Content-Type:"))
}
