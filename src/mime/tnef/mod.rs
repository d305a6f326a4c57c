//! TNEF: the form in which Exchange and Outlook wrap a message with all its properties, as a file `winmail.dat` ([MS-OXTNEF]).
//!
//! [`Message::read`] finds what a message consists of, [`mod@write`] makes a MIME message of it. Checksums are not compared: other programs write
//! wrong ones, and what is damaged is better read as far as it goes.

mod code_page;
mod compressed;
mod properties;
mod rtf;
mod write;

use crate::domain::AutomaticKind;
use crate::mime::decode::{self, Assumed};
use properties::{Form, Properties, Property, Reader, Tag};

pub(super) use write::Wanted;

/// What every TNEF begins with.
pub(super) const SIGNATURE: [u8; 4] = [0x78, 0x9F, 0x3E, 0x22];
/// Most attachments of a message.
const ATTACHMENT_LIMIT: usize = 1_000;
/// Most recipients.
const RECIPIENT_LIMIT: usize = 1_000;
/// Longest text of one line, such as a name, in characters.
const LINE_LIMIT: usize = 998;
/// Bytes at the end that may be anything, such as what a gateway appended.
const TAIL_LIMIT: usize = 16;
/// {00020307-0000-0000-C000-000000000046}, the kind of objects that are messages.
const MESSAGE_OBJECT: [u8; 16] = [0x07, 0x03, 0x02, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46];

/// A text as it is written.
#[derive(Clone, Copy, Debug)]
enum Text<'a> {
    /// In the code page of the message.
    Narrow(&'a [u8]),
    /// In UTF-16.
    Wide(&'a [u8]),
    /// In the code page that the message has on the internet.
    Internet(&'a [u8]),
}

/// A message within TNEF.
#[derive(Debug, Default)]
pub(super) struct Message<'a> {
    /// Its code page, and the one that it has on the internet; 0 when it names none.
    page: u32,
    internet_page: u32,
    /// Message class, such as `IPM.Note`.
    class: String,
    subject: Option<Text<'a>>,
    message_id: Option<Text<'a>>,
    in_reply_to: Option<Text<'a>>,
    /// The person in whose name it was sent, else the sender.
    from: Person<'a>,
    sender: Person<'a>,
    recipients: Vec<Recipient<'a>>,
    /// Seconds since 1970.
    sent: Option<i64>,
    plain: Option<Text<'a>>,
    /// The text of a report.
    report: Option<Text<'a>>,
    html: Option<Text<'a>>,
    rtf: Option<&'a [u8]>,
    location: Option<Text<'a>>,
    /// When a meeting begins and ends, in seconds since 1970.
    start: Option<i64>,
    end: Option<i64>,
    attachments: Vec<Attachment<'a>>,
    /// Whether it could not be read up to its end.
    pub damaged: bool,
}

/// A sender or recipient.
#[derive(Clone, Copy, Debug, Default)]
struct Person<'a> {
    name: Option<Text<'a>>,
    address: Option<Text<'a>>,
    /// An address of SMTP, where the other is of another kind.
    smtp: Option<Text<'a>>,
}

#[derive(Debug, Default)]
struct Recipient<'a> {
    person: Person<'a>,
    /// 1 for To, 2 for Cc, 3 for Bcc ([MS-OXOMSG] 2.2.3.1).
    kind: u64,
}

#[derive(Debug, Default)]
struct Attachment<'a> {
    title: Option<Text<'a>>,
    transport_name: Option<Text<'a>>,
    long_name: Option<Text<'a>>,
    short_name: Option<Text<'a>>,
    display_name: Option<Text<'a>>,
    extension: Option<Text<'a>>,
    media_type: Option<Text<'a>>,
    content_id: Option<Text<'a>>,
    content_location: Option<Text<'a>>,
    /// Whether it belongs into the text: hidden, or named as part of the HTML.
    hidden: bool,
    data: Option<&'a [u8]>,
    /// Data among the properties, and an object with the id of its kind.
    binary: Option<&'a [u8]>,
    object: Option<&'a [u8]>,
}

impl<'a> Attachment<'a> {
    /// The TNEF of a message that is attached.
    fn message(&self) -> Option<&'a [u8]> {
        let message = self.object?.strip_prefix(&MESSAGE_OBJECT)?;
        message.starts_with(&SIGNATURE).then_some(message)
    }

    fn content(&self) -> Option<&'a [u8]> {
        let object = || self.object.map(|object| object.get(16..).unwrap_or_default());
        self.data
            .filter(|data| !data.is_empty())
            .or(self.binary)
            .or_else(object)
            .or(self.data)
    }
}

impl<'a> Message<'a> {
    /// Reads TNEF. `None` when nothing can be read.
    pub fn read(data: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(data.strip_prefix(&SIGNATURE)?);
        let _key = reader.u16()?;
        let mut message = Self::default();
        let mut any = false;
        loop {
            let at = reader.clone();
            let Some(attribute) = attribute(&mut reader) else {
                message.damaged |= is_cut(at.0);
                break;
            };
            any = true;
            match attribute.level {
                1 => message.attribute(attribute.id, attribute.value),
                _ => message.attachment_attribute(attribute.id, attribute.value),
            }
        }
        any.then_some(message)
    }

    /// Whether and how the message is automatic, as its class says.
    pub fn automatic(&self) -> Option<AutomaticKind> {
        let class = self.class.to_ascii_lowercase();
        let is_report = class.starts_with("report.") || class.starts_with("ipm.recall.report");
        match class.as_str() {
            _ if is_report && class.ends_with(".ndr") => Some(AutomaticKind::Bounce),
            "ipm.microsoft mail.non-delivery" => Some(AutomaticKind::Bounce),
            "ipm.microsoft mail.read receipt" => Some(AutomaticKind::Report),
            _ if is_report => Some(AutomaticKind::Report),
            // Outlook's answers for who is away, and those of rules.
            _ if class.starts_with("ipm.note.rules.oof") || class.starts_with("ipm.note.rules.reply") => Some(AutomaticKind::AutoReply),
            _ => None,
        }
    }

    fn attribute(&mut self, id: u16, value: &'a [u8]) {
        let narrow = Some(Text::Narrow(value));
        let mut reader = Reader(value);
        match id {
            0x9007 => self.page = reader.u32().unwrap_or_default(),
            0x8008 => self.class = self.line(&Text::Narrow(value)),
            0x8004 => self.subject = self.subject.or(narrow),
            0x800C => self.plain = self.plain.or(narrow),
            0x8005 => self.sent = self.sent.or_else(|| date(value)),
            0x9003 => {
                let mut properties = Properties::next_of(&mut reader);
                for property in properties.by_ref() {
                    self.property(&property);
                }
                self.damaged |= properties.broken;
            }
            0x9004 => {
                let rows = reader.u32().unwrap_or_default();
                for _ in 0..rows {
                    if reader.0.is_empty() || self.recipients.len() == RECIPIENT_LIMIT {
                        break;
                    }
                    let mut recipient = Recipient::default();
                    Properties::next_of(&mut reader).for_each(|property| recipient.property(&property));
                    self.recipients.push(recipient);
                }
            }
            _ => {}
        }
    }

    fn property(&mut self, property: &Property<'a>) {
        let Property { tag, form, value } = *property;
        let Tag::Known(id) = tag else {
            match tag {
                Tag::Appointment(0x8208) => self.location = text(property),
                Tag::Appointment(0x820D) => self.start = file_time(property),
                Tag::Appointment(0x820E) => self.end = file_time(property),
                _ => {}
            }
            return;
        };
        match id {
            0x001A => self.class = text(property).map(|class| self.line(&class)).unwrap_or_default(),
            0x0037 => self.subject = text(property),
            0x0039 => self.sent = file_time(property),
            0x0042 => self.from.name = text(property),
            0x0065 => self.from.address = text(property),
            0x5D02 => self.from.smtp = text(property),
            0x0C1A => self.sender.name = text(property),
            0x0C1F => self.sender.address = text(property),
            0x5D01 => self.sender.smtp = text(property),
            0x1000 => self.plain = text(property).or(self.plain),
            0x1001 => self.report = text(property),
            0x1009 => self.rtf = Some(value),
            0x1013 => {
                self.html = match form {
                    Form::Binary => Some(Text::Internet(value)),
                    _ => text(property),
                }
            }
            0x1035 => self.message_id = text(property),
            0x1042 => self.in_reply_to = text(property),
            0x3FDE => self.internet_page = u32::try_from(property.number() & 0xFFFF_FFFF).unwrap_or_default(),
            _ => {}
        }
    }

    fn attachment_attribute(&mut self, id: u16, value: &'a [u8]) {
        const BEGINS: u16 = 0x9002;
        const DATA: u16 = 0x800F;
        let another = match self.attachments.last() {
            None => true,
            // Some programs leave out what begins an attachment.
            Some(last) => id == BEGINS || id == DATA && last.data.is_some(),
        };
        if another {
            if self.attachments.len() == ATTACHMENT_LIMIT {
                self.damaged = true;
                return;
            }
            self.attachments.push(Attachment::default());
        }
        let Some(attachment) = self.attachments.last_mut() else { return };
        match id {
            0x8010 => attachment.title = Some(Text::Narrow(value)),
            0x9001 => attachment.transport_name = Some(Text::Narrow(value)),
            DATA => attachment.data = Some(value),
            0x9005 => {
                let mut reader = Reader(value);
                let mut properties = Properties::next_of(&mut reader);
                properties.by_ref().for_each(|property| attachment.property(&property));
                self.damaged |= properties.broken;
            }
            _ => {}
        }
    }

    /// A text of any length.
    fn decoded(&self, text: &Text<'_>, limit: usize) -> String {
        let (bytes, page) = match *text {
            Text::Narrow(bytes) => (bytes, self.page),
            Text::Wide(bytes) => (bytes, 1200),
            Text::Internet(bytes) if self.internet_page == 0 => (bytes, self.page),
            Text::Internet(bytes) => (bytes, self.internet_page),
        };
        let bytes = &bytes[..bytes.len().min(limit)];
        let label = code_page::label(page);
        let text = decode::text(bytes, label.as_deref(), Assumed::ByLook);
        decode::cut(text.trim_end_matches('\0'), limit).to_owned()
    }

    /// A text of one line.
    fn line(&self, text: &Text<'_>) -> String {
        decode::clean(&self.decoded(text, 4 * LINE_LIMIT), LINE_LIMIT)
    }
}

impl<'a> Recipient<'a> {
    fn property(&mut self, property: &Property<'a>) {
        match property.tag {
            Tag::Known(0x0C15) => self.kind = property.number() & 0xFFFF,
            Tag::Known(0x3001) => self.person.name = text(property),
            Tag::Known(0x3003) => self.person.address = text(property),
            Tag::Known(0x39FE) => self.person.smtp = text(property),
            _ => {}
        }
    }
}

impl<'a> Attachment<'a> {
    fn property(&mut self, property: &Property<'a>) {
        const PART_OF_HTML: u64 = 4;
        let Tag::Known(id) = property.tag else { return };
        match id {
            0x3001 => self.display_name = text(property),
            0x3701 if property.form == Form::Object => self.object = Some(property.value),
            0x3701 => self.binary = Some(property.value),
            0x3703 => self.extension = text(property),
            0x3704 => self.short_name = text(property),
            0x3707 => self.long_name = text(property),
            0x370E => self.media_type = text(property),
            0x3712 => self.content_id = text(property),
            0x3713 => self.content_location = text(property),
            0x3714 => self.hidden |= property.number() & PART_OF_HTML != 0,
            0x7FFE => self.hidden |= property.number() & 1 != 0,
            _ => {}
        }
    }
}

/// Whether bytes at the end, which are no whole attribute, are more than what some program appended.
fn is_cut(tail: &[u8]) -> bool {
    const HEADER: usize = 9;
    let begins = tail.len() >= HEADER && matches!(tail[0], 1 | 2);
    let tail = tail.trim_ascii();
    begins || tail.len() > TAIL_LIMIT && tail.iter().any(|byte| *byte != 0)
}

struct Attribute<'a> {
    /// 1 for the message, 2 for an attachment.
    level: u8,
    id: u16,
    value: &'a [u8],
}

/// The next attribute ([MS-OXTNEF] 2.1.1).
fn attribute<'a>(reader: &mut Reader<'a>) -> Option<Attribute<'a>> {
    let level = reader.u8().filter(|level| matches!(level, 1 | 2))?;
    let id = reader.u16()?;
    let _kind = reader.u16()?;
    let length = usize::try_from(reader.u32()?).ok()?;
    let value = reader.take(length)?;
    // The last one may lack it.
    let _checksum = reader.take(2.min(reader.0.len()));
    Some(Attribute { level, id, value })
}

fn text<'a>(property: &Property<'a>) -> Option<Text<'a>> {
    match property.form {
        Form::Narrow => Some(Text::Narrow(property.value)),
        Form::Wide => Some(Text::Wide(property.value)),
        Form::Binary | Form::Object | Form::Fixed => None,
    }
}

/// Seconds since 1970 of a time in units of 100 ns since 1601. `None` for what is beyond reason.
fn file_time(property: &Property<'_>) -> Option<i64> {
    let seconds = i64::try_from(property.number() / 10_000_000).ok()? - 11_644_473_600;
    (0..=253_402_300_799).contains(&seconds).then_some(seconds)
}

/// Seconds since 1970 of a date in words of 16 bits: year, month, day, hour, minute, second.
fn date(value: &[u8]) -> Option<i64> {
    let mut reader = Reader(value);
    let year = i32::from(reader.u16()?);
    let mut next = || u8::try_from(reader.u16()?).ok();
    let month = time::Month::try_from(next()?).ok()?;
    let date = time::Date::from_calendar_date(year, month, next()?).ok()?;
    let time = time::Time::from_hms(next()?, next()?, next()?).ok()?;
    let seconds = date.with_time(time).assume_utc().unix_timestamp();
    (seconds >= 0).then_some(seconds)
}

#[cfg(test)]
mod tests;
