//! Everything the service needs to know about a message, in one pass.

use super::{
    OWN_MARK, ParsedMail, SearchText, address, auth_results, automatic,
    basics::{Basics, LINE_LIMIT},
    calendar,
    dates::{self, Written},
    decode,
    entity::{Entity, Part},
    forwarded, html,
    identity::{self, Identified},
    layout, lists,
    opened::{Joined, Opened, open},
};
use crate::domain::{AutomaticKind, in_unicode};

/// Most mailboxes of To, Cc and Bcc each.
const MAILBOX_LIMIT: usize = 1_000;
/// Longest preview, in characters.
const PREVIEW_LIMIT: usize = 200;
/// Most text for the index, in bytes.
const INDEX_LIMIT: usize = 256 * 1024;
/// Deepest embedded message whose text is indexed.
const EMBEDDED_LIMIT: usize = 4;

/// Reads a message that has at least one header field or some text, and from the same reading what `further` takes from it.
/// `further` also gets the message as it is outside.
pub(super) fn read<R>(raw: &[u8], further: impl FnOnce(&ParsedMail, &Entity<'_>, &Opened<'_>) -> R) -> (ParsedMail, R) {
    let outer = Entity::read(raw);
    let (mut mail, further) = open(&outer, |opened| {
        let mail = read_opened(raw, &outer, &opened);
        let further = further(&mail, &outer, &opened);
        (mail, further)
    });
    if mail.message_id.is_none() {
        mail.identity = identity::without_message_id(&mail, raw);
    }
    (mail, further)
}

fn read_opened(raw: &[u8], outer: &Entity<'_>, opened: &Opened<'_>) -> ParsedMail {
    let fields = &outer.root().fields;
    let basics = Basics::of(fields);
    let mut text = Joined::new(INDEX_LIMIT);
    let Identified { identity, copy_key } = identity::of(&basics, opened, |piece| text.add(piece));
    let text = text.into_text();
    let automatic = automatic::kind(outer).or_else(|| opened.automatic());
    let mut mail = ParsedMail {
        identity,
        copy_key,
        to: address::mailboxes(fields, "To", MAILBOX_LIMIT),
        cc: address::mailboxes(fields, "Cc", MAILBOX_LIMIT),
        bcc: address::mailboxes(fields, "Bcc", MAILBOX_LIMIT),
        lists: if automatic == Some(AutomaticKind::List) {
            lists::names(fields)
        } else {
            Vec::new()
        },
        automatic,
        preview: preview(&text),
        authentication_results: auth_results::all(fields),
        own_mark: fields.first(OWN_MARK).map(|field| field.text(LINE_LIMIT)),
        forwarded_from: forwarded::candidates(fields, &basics, opened, &text),
        message_id: basics.message_id,
        subject: basics.subject,
        from: basics.from,
        sent_time: dates::sent_time(basics.date, fields, raw),
        date: basics.date.map(Written::time),
        ..ParsedMail::default()
    };
    mail.search.body = clean_text(&text);
    for (part, inline) in opened.attachments() {
        mail.attachment_count += u32::from(!inline);
        index_attachment(opened, part, &mut mail.search, 0);
    }
    let people = mail.from.iter().chain(&mail.to).chain(&mail.cc).chain(&mail.bcc);
    for person in people {
        add_line(&mut mail.search.participants, &person.display_name);
        add_line(&mut mail.search.participants, &person.address);
        // It is looked for as people write it too.
        add_line(&mut mail.search.participants, &in_unicode(&person.address).unwrap_or_default());
    }
    mail
}

fn add_line(list: &mut String, line: &str) {
    if !line.is_empty() {
        if !list.is_empty() {
            list.push('\n');
        }
        list.push_str(line);
    }
}

/// Appends the name of an attachment, or the content of an embedded message or of a calendar that is not the text, as long as there is room.
fn index_attachment(opened: &Opened<'_>, part: &Part<'_>, search: &mut SearchText, depth: usize) {
    if search.attachment_names.len() < INDEX_LIMIT {
        add_line(&mut search.attachment_names, &layout::file_name(part));
    }
    if part.is_message() && depth < EMBEDDED_LIMIT && search.body.len() < INDEX_LIMIT {
        opened.open_within(part, |outer, opened| index_embedded(outer, &opened, search, depth + 1));
    }
    if layout::is_calendar(part) && !opened.is_text(part) {
        add_text(&mut search.body, &calendar::text(&part.text_within(INDEX_LIMIT)));
    }
}

/// Appends as much of a text as there is room for.
fn add_text(body: &mut String, text: &str) {
    let room = INDEX_LIMIT.saturating_sub(body.len() + 1);
    add_line(body, decode::cut(text, room));
}

/// Appends subject, text and attachment names of an embedded message.
fn index_embedded(outer: &Entity<'_>, opened: &Opened<'_>, search: &mut SearchText, depth: usize) {
    let subject = outer.root().fields.first("Subject").map(|field| field.text(LINE_LIMIT));
    let text = opened.text(INDEX_LIMIT, |source| html::to_words(source, INDEX_LIMIT));
    for piece in [subject.unwrap_or_default(), clean_text(&text)] {
        add_text(&mut search.body, &piece);
    }
    for (part, _) in opened.attachments() {
        index_attachment(opened, part, search, depth);
    }
}

/// The beginning of a text in one line. Characters that newsletters hide behind their first line are left out.
fn preview(text: &str) -> String {
    let mut out = String::new();
    let mut length = 0;
    let mut blank = true;
    for c in text.chars().take(PREVIEW_LIMIT * 20) {
        if c.is_whitespace() {
            if !blank {
                out.push(' ');
                length += 1;
            }
            blank = true;
        } else if !c.is_control()
            && !matches!(c, '\u{AD}' | '\u{34F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
        {
            out.push(c);
            length += 1;
            blank = false;
        }
        if length == PREVIEW_LIMIT {
            break;
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Text with `\n` as line end and no control characters but that and the tab.
pub(super) fn clean_text(text: &str) -> String {
    let keeps = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    let fine = text
        .bytes()
        .all(|byte| byte >= 0x20 && byte != 0x7F || byte == b'\n' || byte == b'\t');
    if fine && text.is_ascii() {
        return text.to_owned();
    }
    // A lone CR is a line end from old software; one before LF belongs to that.
    let lines = text.replace("\r\n", "\n");
    lines
        .chars()
        .map(|c| if c == '\r' { '\n' } else { c })
        .filter(|c| keeps(*c))
        .collect()
}
