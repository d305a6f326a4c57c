//! A message opened for reading: the structure of its content, with what its parts carry in their place.

use std::borrow::Cow;

use super::{
    calendar,
    carried::{self, Source},
    decode,
    entity::{Entity, Part},
    flowed::{self, Blank},
    layout::{self, Layout},
};
use crate::domain::AutomaticKind;

/// Limit in bytes for the decoded size of nested messages that are open at the same time. One that takes more is a file.
/// Those that are not encoded take nothing.
const CARRIED_LIMIT: usize = 40 * 1024 * 1024;
/// How often what a part carries may have such parts itself.
const LEVEL_LIMIT: usize = 3;
/// Most bytes of HTML that are read of one part.
pub(super) const HTML_LIMIT: usize = 8 * 1024 * 1024;

/// A message opened for reading.
pub(super) struct Opened<'a> {
    /// The structure.
    pub entity: &'a Entity<'a>,
    /// The use of its parts.
    pub layout: Layout,
    /// Where the bytes come from that its parts are in; none for those of the message itself.
    pub sources: &'a [Source],
    /// How many bytes nested messages may still take when decoded.
    room: usize,
}

/// Reads `outer` with what its parts carry in their place; see [`carried`].
pub(super) fn open<R>(outer: &Entity<'_>, read: impl FnOnce(Opened<'_>) -> R) -> R {
    open_within(outer, CARRIED_LIMIT, read)
}

fn open_within<R>(outer: &Entity<'_>, room: usize, read: impl FnOnce(Opened<'_>) -> R) -> R {
    let begun = Begun {
        sources: Vec::new(),
        room,
        unseen: 0,
        level: 0,
    };
    begun.open(outer, read)
}

/// How far a message is opened.
struct Begun {
    sources: Vec<Source>,
    room: usize,
    /// The first of the entity's sources whose parts were not looked at.
    unseen: usize,
    level: usize,
}

impl Begun {
    fn open<R>(mut self, entity: &Entity<'_>, read: impl FnOnce(Opened<'_>) -> R) -> R {
        let found = if self.level < LEVEL_LIMIT {
            carried::find(entity, self.unseen, &mut self.room)
        } else {
            Vec::new()
        };
        if found.is_empty() {
            let (sources, room) = (&*self.sources, self.room);
            return read(Opened {
                entity,
                layout: Layout::of(entity),
                sources,
                room,
            });
        }
        let mut whole: Entity<'_> = entity.clone();
        self.unseen = whole.sources.len();
        self.level += 1;
        for (index, carried) in &found {
            self.sources.push(carried.source(&entity.parts[*index], entity));
            carried.graft(&mut whole, *index);
        }
        self.open(&whole, read)
    }
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
            _ if layout::is_calendar(part) => (part, calendar::text(&part.text_within(limit)).into()),
            _ => (part, plain_text(part, limit)),
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

    /// Whether and how the message is automatic, as what it carries says.
    pub fn automatic(&self) -> Option<AutomaticKind> {
        self.sources.iter().find_map(|source| source.automatic)
    }

    /// Whether a part is read as the text.
    pub fn is_text(&self, part: &Part<'_>) -> bool {
        self.layout
            .text
            .iter()
            .any(|index| std::ptr::eq(part, &raw const self.entity.parts[*index]))
    }

    /// Parts that are neither shown nor listed, such as signatures.
    pub fn unlisted(&self) -> impl Iterator<Item = &Part<'a>> {
        self.layout.unlisted.iter().map(|index| &self.entity.parts[*index])
    }

    /// The attachments and inline parts, and whether each belongs in the text.
    pub fn attachments(&self) -> impl Iterator<Item = (&Part<'_>, bool)> {
        self.layout
            .attachments
            .iter()
            .map(|(index, inline)| (&self.entity.parts[*index], *inline))
    }
}

/// A plain text, with its lines joined if they were wrapped for transport (RFC 3676).
fn plain_text<'a>(part: &Part<'a>, limit: usize) -> Cow<'a, str> {
    let text = part.text_within(limit);
    let is = |name: &str, value: &str| part.parameter(name).is_some_and(|written| written.eq_ignore_ascii_case(value));
    if !is("format", "flowed") {
        return text;
    }
    let blank = if is("delsp", "yes") { Blank::Goes } else { Blank::Stays };
    match flowed::joined(&text, blank) {
        Cow::Borrowed(_) => text,
        Cow::Owned(joined) => joined.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
