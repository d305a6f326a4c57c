//! A message as the parts from which some servers build one themselves: fields, one text, and files.
//!
//! A message that would not survive this unchanged is rejected rather than altered.

use super::{
    address,
    entity::{Entity, Part},
    fields::{Field, Fields},
    layout,
};
use crate::domain::Mailbox;

/// Most mailboxes of a field.
const MAILBOX_LIMIT: usize = 1_000;
/// Name for a file without one, which servers reject.
const NAMELESS: &str = "attachment";
/// Fields that a server writes itself (RFC 5322 §3.6, RFC 2045).
const OF_THE_SERVER: [&str; 7] = [
    "bcc",
    "date",
    "mime-version",
    "received",
    "return-path",
    "thread-index",
    "thread-topic",
];

/// A message in parts.
#[derive(Clone, Debug, Default)]
pub struct MessageParts {
    /// Subject, decoded and unfolded, at most 998 characters. Possibly empty.
    pub subject: String,
    /// The mailbox of From.
    pub from: Option<Mailbox>,
    /// The mailbox of Sender.
    pub sender: Option<Mailbox>,
    /// Valid mailboxes of To, at most 1,000, those of groups too.
    pub to: Vec<Mailbox>,
    /// Valid mailboxes of Cc, likewise.
    pub cc: Vec<Mailbox>,
    /// Valid mailboxes of Reply-To, likewise.
    pub reply_to: Vec<Mailbox>,
    /// `low`, `normal` or `high` (RFC 4021 §2.1.54).
    pub importance: &'static str,
    /// Message-ID as written, in angle brackets.
    pub message_id: Option<String>,
    /// All other fields, except those about the structure of the message and those that servers write: name, and value unfolded but not
    /// decoded. No name appears twice.
    pub fields: Vec<(String, String)>,
    /// The text; where there is a choice, the HTML.
    pub text: String,
    /// Whether the text is HTML.
    pub html: bool,
    /// The files that come with the text, in their order.
    pub files: Vec<FilePart>,
}

/// A file that comes with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePart {
    /// Its name without a path. Never empty.
    pub name: String,
    /// Media type in lower case, such as `application/pdf`.
    pub media_type: String,
    /// Content-ID without angle brackets. Possibly empty.
    pub content_id: String,
    /// Whether the text shows it: it has a Content-ID then.
    pub inline: bool,
    /// Its bytes, decoded.
    pub content: Vec<u8>,
}

/// How a file is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disposition {
    Inline,
    Attachment,
}

/// Why a message cannot be taken apart, as the end of a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Indivisible {
    /// S/MIME or PGP/MIME.
    #[error("it is signed or encrypted")]
    Secured,
    /// multipart/report (RFC 6522).
    #[error("it is a report, such as one that a message was not delivered")]
    Report,
    /// text/calendar (RFC 5545).
    #[error("it contains an invitation or another calendar item")]
    Calendar,
    /// message/rfc822 and its like.
    #[error("another message is attached to it")]
    Message,
    /// multipart/alternative with more than plain text and HTML.
    #[error("it offers its text in forms other than plain text and HTML")]
    Alternatives,
    /// Several texts that are not files.
    #[error("it has several texts one after another")]
    Texts,
    /// Other multiparts, and too many parts.
    #[error("its structure is unusual")]
    Structure,
    /// Several mailboxes in From or Sender.
    #[error("it has several senders")]
    Senders,
    /// A field occurs more than once.
    #[error("its header field {0} occurs more than once")]
    Repeated(String),
    /// A parser failed on it.
    #[error("it cannot be read")]
    Unreadable,
}

pub(super) fn take_apart(raw: &[u8]) -> Result<MessageParts, Indivisible> {
    let entity = Entity::read(raw);
    if entity.is_cut() {
        return Err(Indivisible::Structure);
    }
    let fields = &entity.root().fields;
    let mut apart = MessageParts {
        subject: fields.first("Subject").map(|field| field.text(998)).unwrap_or_default(),
        from: only(fields, "From")?,
        sender: only(fields, "Sender")?,
        to: address::mailboxes(fields, "To", MAILBOX_LIMIT),
        cc: address::mailboxes(fields, "Cc", MAILBOX_LIMIT),
        reply_to: address::mailboxes(fields, "Reply-To", MAILBOX_LIMIT),
        importance: importance(fields),
        message_id: fields.first("Message-ID").map(|field| unfolded(&field)),
        fields: others(fields)?,
        ..MessageParts::default()
    };
    apart.whole(&entity)?;
    Ok(apart)
}

/// The only mailbox of a field.
fn only(fields: &Fields<'_>, name: &str) -> Result<Option<Mailbox>, Indivisible> {
    let mut found = address::mailboxes(fields, name, 2);
    match found.len() {
        0 | 1 => Ok(found.pop()),
        _ => Err(Indivisible::Senders),
    }
}

fn importance(fields: &Fields<'_>) -> &'static str {
    let (importance, priority) = (fields.lower("Importance"), fields.lower("X-Priority"));
    match (importance.trim(), priority.trim().chars().next()) {
        ("high", _) | ("", Some('1' | '2')) => "high",
        ("low", _) | ("", Some('4' | '5')) => "low",
        _ => "normal",
    }
}

/// A value as written, on one line.
fn unfolded(field: &Field<'_>) -> String {
    let text = String::from_utf8_lossy(field.raw);
    text.replace(['\r', '\n'], "").trim().to_owned()
}

fn others(fields: &Fields<'_>) -> Result<Vec<(String, String)>, Indivisible> {
    const EXPRESSED: [&str; 12] = [
        "subject",
        "from",
        "sender",
        "to",
        "cc",
        "reply-to",
        "message-id",
        "importance",
        "x-priority",
        "x-msmail-priority",
        "priority",
        "user-agent",
    ];
    let mut found: Vec<(String, String)> = Vec::new();
    for field in &fields.0 {
        let name = field.name.to_ascii_lowercase();
        if EXPRESSED.contains(&&*name) || OF_THE_SERVER.contains(&&*name) || name.starts_with("content-") {
            continue;
        }
        if found.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            return Err(Indivisible::Repeated(field.name.to_owned()));
        }
        found.push((field.name.to_owned(), unfolded(field)));
    }
    Ok(found)
}

impl MessageParts {
    fn whole(&mut self, entity: &Entity<'_>) -> Result<(), Indivisible> {
        let root = entity.root();
        if root.media_type != "multipart/mixed" {
            return self.beginning(entity, root);
        }
        let mut children = root.children.iter().map(|index| &entity.parts[*index]);
        if let Some(first) = children.next() {
            self.beginning(entity, first)?;
        }
        children.try_for_each(|part| self.beside(part))
    }

    /// The first part is the text, unless it is a file.
    fn beginning(&mut self, entity: &Entity<'_>, part: &Part<'_>) -> Result<(), Indivisible> {
        match part.media_type.as_str() {
            "text/plain" | "text/html" if !part.is_attachment() => self.text(part),
            "multipart/alternative" => self.alternative(entity, part),
            "multipart/related" => self.related(entity, part),
            _ => self.beside(part),
        }
    }

    fn text(&mut self, part: &Part<'_>) -> Result<(), Indivisible> {
        self.html = part.media_type == "text/html";
        self.text = part.text().into_owned();
        Ok(())
    }

    /// Plain text and HTML, possibly with images. The server makes the plain text from the HTML.
    fn alternative(&mut self, entity: &Entity<'_>, part: &Part<'_>) -> Result<(), Indivisible> {
        let forms: Vec<&Part<'_>> = part.children.iter().map(|index| &entity.parts[*index]).collect();
        let mut odd = forms.iter().filter(|form| form.media_type != "multipart/related");
        if let Some(odd) = odd.find_map(|form| refused(&form.media_type)) {
            return Err(odd);
        }
        match forms.as_slice() {
            [plain, best] if plain.media_type == "text/plain" => match best.media_type.as_str() {
                "text/html" => self.text(best),
                "multipart/related" => self.related(entity, best),
                _ => Err(Indivisible::Alternatives),
            },
            [only] if matches!(only.media_type.as_str(), "text/plain" | "text/html") => self.text(only),
            _ => Err(Indivisible::Alternatives),
        }
    }

    /// A text and the images in it (RFC 2387).
    fn related(&mut self, entity: &Entity<'_>, part: &Part<'_>) -> Result<(), Indivisible> {
        let mut children = part.children.iter().map(|index| &entity.parts[*index]);
        match children.next() {
            Some(first) if first.media_type == "text/html" => self.text(first)?,
            Some(first) if first.media_type == "multipart/alternative" => self.alternative(entity, first)?,
            _ => return Err(Indivisible::Structure),
        }
        children.try_for_each(|part| match part.fields.first("Content-ID") {
            Some(_) => self.file(part, Disposition::Inline),
            None => Err(Indivisible::Structure),
        })
    }

    fn beside(&mut self, part: &Part<'_>) -> Result<(), Indivisible> {
        let text = matches!(part.media_type.as_str(), "text/plain" | "text/html");
        if text && !part.is_attachment() && part.written_file_name().is_none() {
            return Err(Indivisible::Texts);
        }
        let shown = !part.is_attachment() && part.fields.first("Content-ID").is_some();
        self.file(part, if shown { Disposition::Inline } else { Disposition::Attachment })
    }

    fn file(&mut self, part: &Part<'_>, disposition: Disposition) -> Result<(), Indivisible> {
        let inline = disposition == Disposition::Inline;
        if let Some(odd) = refused(&part.media_type) {
            return Err(odd);
        }
        let info = layout::info(part, inline, 0);
        self.files.push(FilePart {
            name: if info.file_name.is_empty() {
                NAMELESS.to_owned()
            } else {
                info.file_name
            },
            inline: inline && !info.content_id.is_empty(),
            media_type: info.media_type,
            content_id: info.content_id,
            content: part.decoded().into_owned(),
        });
        Ok(())
    }
}

/// Why a part of this type cannot be sent as a file.
fn refused(media_type: &str) -> Option<Indivisible> {
    let (kind, subtype) = media_type.split_once('/').unwrap_or_default();
    let secured = ["pkcs7-", "x-pkcs7-", "pgp-encrypted", "pgp-signature"];
    match (kind, subtype) {
        ("multipart", "signed" | "encrypted") => Some(Indivisible::Secured),
        ("application", subtype) if secured.iter().any(|known| subtype.starts_with(known)) => Some(Indivisible::Secured),
        ("multipart", "report") | ("message", "delivery-status" | "disposition-notification" | "feedback-report") => {
            Some(Indivisible::Report)
        }
        ("multipart", _) => Some(Indivisible::Structure),
        ("message", _) => Some(Indivisible::Message),
        ("text", "calendar") => Some(Indivisible::Calendar),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::take_apart;

    const MIXED: &str = "Content-Type: multipart/mixed; boundary=m\r\n\r\n";
    const BOTH: &str =
        "Content-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\n\r\nT\r\n--a\r\nContent-Type: text/html\r\n\r\n<p>H\r\n--a--";

    fn whole(header: &str, body: &str) -> Vec<u8> {
        format!("From: A <a@x.example>\r\nTo: b@x.example\r\n{header}{body}").into_bytes()
    }

    #[test]
    fn text_images_and_files_are_found_where_they_belong() {
        let image = "Content-Type: image/png\r\nContent-ID: <i@x>\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAw==";
        let related = format!("Content-Type: multipart/related; boundary=r\r\n\r\n--r\r\n{BOTH}\r\n--r\r\n{image}\r\n--r--");
        let file = "Content-Type: text/plain; name=\"../log.txt\"\r\nContent-Disposition: attachment\r\n\r\nL";
        let body = format!("--m\r\n{related}\r\n--m\r\n{file}\r\n--m--");
        let apart = take_apart(&whole(MIXED, &body)).unwrap();
        assert_eq!((apart.text.as_str(), apart.html), ("<p>H", true));
        let part = |name: &str, kind: &str, id: &str, inline, content: &[u8]| FilePart {
            name: name.to_owned(),
            media_type: kind.to_owned(),
            content_id: id.to_owned(),
            inline,
            content: content.to_vec(),
        };
        let expected = [
            part(NAMELESS, "image/png", "i@x", true, &[0, 1, 2, 3]),
            part("log.txt", "text/plain", "", false, b"L"),
        ];
        assert_eq!(apart.files, expected);
        // A file alone.
        let apart = take_apart(&whole("Content-Type: application/pdf; name=a.pdf\r\n\r\n", "P")).unwrap();
        assert_eq!((apart.text.as_str(), apart.files.len()), ("", 1));
    }

    #[test]
    fn fields_have_their_places() {
        let header = "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <1@x>\r\nIn-Reply-To: <0@x>\r\nReferences: <a@x>\r\n <0@x>\r\n\
            Reply-To: C <c@x.example>\r\nX-Priority: 1 (Highest)\r\nX-Own: =?utf-8?Q?=C3=BC?=\r\nAuto-Submitted: auto-generated\r\n\
            Date: Mon, 6 Jan 2025 10:00:00 +0100\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n";
        let apart = take_apart(&whole(header, "Text")).unwrap();
        assert_eq!(
            (apart.subject.as_str(), apart.message_id.as_deref()),
            ("Gr\u{fc}\u{df}e", Some("<1@x>"))
        );
        assert_eq!((apart.importance, apart.reply_to[0].address.as_str()), ("high", "c@x.example"));
        assert_eq!((apart.text.as_str(), apart.html, apart.to.len()), ("Text", false, 1));
        let fields: Vec<_> = apart.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let expected = [
            ("In-Reply-To", "<0@x>"),
            ("References", "<a@x> <0@x>"),
            ("X-Own", "=?utf-8?Q?=C3=BC?="),
            ("Auto-Submitted", "auto-generated"),
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn what_would_be_altered_is_refused() {
        let leaf = |kind: &str| format!("Content-Type: {kind}\r\n\r\n");
        let beside = |kind: &str| format!("--m\r\n\r\nT\r\n--m\r\n{}x\r\n--m--", leaf(kind));
        let parts = |kind: &str, parts: &[&str]| {
            let parts: Vec<String> = parts.iter().map(|kind| format!("--m\r\n{}x\r\n", leaf(kind))).collect();
            (
                format!("Content-Type: {kind}; boundary=m\r\n\r\n"),
                format!("{}--m--", parts.concat()),
            )
        };
        let mixed = |kind: &str| (MIXED.to_owned(), beside(kind));
        for (expected, (header, body)) in [
            (
                Indivisible::Secured,
                parts("multipart/signed", &["text/plain", "application/pkcs7-signature"]),
            ),
            (Indivisible::Secured, parts("multipart/encrypted", &["application/pgp-encrypted"])),
            (
                Indivisible::Secured,
                (leaf("application/pkcs7-mime; smime-type=enveloped-data"), "x".to_owned()),
            ),
            (Indivisible::Secured, mixed("application/pgp-signature")),
            (
                Indivisible::Report,
                parts("multipart/report", &["text/plain", "message/delivery-status"]),
            ),
            (Indivisible::Calendar, (leaf("text/calendar"), "x".to_owned())),
            (
                Indivisible::Calendar,
                parts("multipart/alternative", &["text/plain", "text/calendar"]),
            ),
            (
                Indivisible::Alternatives,
                parts("multipart/alternative", &["text/plain", "text/html", "text/rtf"]),
            ),
            (
                Indivisible::Alternatives,
                parts("multipart/alternative", &["text/html", "text/plain"]),
            ),
            (Indivisible::Message, mixed("message/rfc822")),
            (Indivisible::Texts, mixed("text/plain")),
            (Indivisible::Structure, parts("multipart/related", &["image/png", "text/html"])),
            (Indivisible::Structure, parts("multipart/related", &["text/html", "image/png"])),
            (Indivisible::Structure, parts("multipart/digest", &["text/plain"])),
            (
                Indivisible::Structure,
                mixed("multipart/related; boundary=none\r\n\r\n--none\r\n\r\nx\r\n--none--"),
            ),
            (Indivisible::Structure, (MIXED.to_owned(), "--m\r\n\r\nx\r\n".repeat(3_000))),
            (
                Indivisible::Repeated("X-Two".to_owned()),
                ("X-Two: 1\r\nX-Two: 2\r\n\r\n".to_owned(), String::new()),
            ),
        ] {
            let raw = whole(&header, &body);
            assert_eq!(
                take_apart(&raw).unwrap_err(),
                expected,
                "{header}{}",
                body.chars().take(200).collect::<String>()
            );
        }
        let raw = b"From: a@x.example, b@x.example\r\n\r\nx";
        assert_eq!(take_apart(raw).unwrap_err(), Indivisible::Senders);
    }
}
