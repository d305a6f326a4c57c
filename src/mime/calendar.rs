//! The words of a calendar item (RFC 5545): what it is about, where it is, and what is said about it.

use super::{decode, html, parse::clean_text};

/// Items that have words.
const ITEMS: [&str; 3] = ["VEVENT", "VTODO", "VJOURNAL"];
/// Most bytes of a calendar, and of HTML in it, that are read.
const LIMIT: usize = 256 * 1024;

/// Summary, place, description and comment of the first item of a calendar. Empty when there are none.
pub(super) fn text(calendar: &str) -> String {
    let calendar = clean_text(decode::cut(calendar, LIMIT));
    // RFC 5545 §3.1.
    let unfolded = calendar.replace("\n ", "").replace("\n\t", "");
    let mut item = Item::default();
    // What the item contains, such as an alarm, has a description of its own.
    let mut open: Vec<&str> = Vec::new();
    for line in unfolded.lines() {
        let Some(property) = Property::of(line) else { continue };
        let value = property.value.trim();
        if property.is("BEGIN") {
            open.push(value);
        } else if property.is("END") {
            let closed = open.pop().unwrap_or_default();
            if ITEMS.iter().any(|name| name.eq_ignore_ascii_case(closed)) {
                break;
            }
        } else if open
            .last()
            .is_some_and(|open| ITEMS.iter().any(|name| name.eq_ignore_ascii_case(open)))
        {
            item.take(&property);
        }
    }
    item.text()
}

#[derive(Default)]
struct Item {
    summary: String,
    location: String,
    description: String,
    /// The description in HTML, which Outlook adds.
    html: String,
    comment: String,
}

impl Item {
    fn take(&mut self, property: &Property<'_>) {
        let known = [
            ("SUMMARY", &mut self.summary),
            ("LOCATION", &mut self.location),
            ("DESCRIPTION", &mut self.description),
            ("X-ALT-DESC", &mut self.html),
            ("COMMENT", &mut self.comment),
        ];
        let place = known.into_iter().find(|(name, _)| property.is(name)).map(|(_, place)| place);
        if let Some(place) = place.filter(|place| place.is_empty()) {
            *place = unescaped(property.value);
        }
    }

    fn text(mut self) -> String {
        if self.description.trim().is_empty() {
            self.description = html::to_words(&self.html, LIMIT);
        }
        let texts = [self.summary, self.location, self.description, self.comment];
        let texts: Vec<&str> = texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).collect();
        texts.join("\n\n")
    }
}

/// A line: a name, parameters, and a value.
struct Property<'a> {
    name: &'a str,
    value: &'a str,
}

impl<'a> Property<'a> {
    fn of(line: &'a str) -> Option<Self> {
        // Parameters may have a colon within quotes.
        let mut quoted = false;
        let colon = line.bytes().position(|byte| {
            quoted ^= byte == b'"';
            byte == b':' && !quoted
        })?;
        let name = line[..colon].split(';').next()?;
        Some(Self {
            name: name.trim(),
            value: &line[colon + 1..],
        })
    }

    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// Undoes the escapes of a text (RFC 5545 §3.3.11).
fn unescaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => match characters.next() {
                Some('n' | 'N') => out.push('\n'),
                Some(escaped) => out.push(escaped),
                None => out.push('\\'),
            },
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_item() {
        for (calendar, expected) in [
            (
                "BEGIN:VCALENDAR\r\nBEGIN:VTIMEZONE\r\nCOMMENT:z\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\nSUMMARY:Visit\\, first\r\n\
                 DESCRIPTION;ALTREP=\"cid:x\":Line\\none: C:\\\\n\\; an\r\n d more\r\nLOCATION;LANGUAGE=de:Halle 3\r\nEND:VEVENT\r\n\
                 BEGIN:VEVENT\r\nCOMMENT:other\r\nEND:VEVENT",
                "Visit, first\n\nHalle 3\n\nLine\none: C:\\n; and more",
            ),
            (
                "begin:vcalendar\nbegin:vevent\nsummary:s\nbegin:valarm\ndescription:REMINDER\nend:valarm\nend:vevent\n",
                "s",
            ),
            ("BEGIN:VTODO\nSUMMARY:t\nCOMMENT:c", "t\n\nc"),
            (
                "BEGIN:VEVENT\nDESCRIPTION: \\n\nX-ALT-DESC;FMTTYPE=text/html:<p>Bring <b>it</b></p>\nEND:VEVENT",
                "Bring it",
            ),
            ("BEGIN:VFREEBUSY\nCOMMENT:x\nEND:VFREEBUSY", ""),
            ("no calendar", ""),
            ("", ""),
        ] {
            assert_eq!(text(calendar), expected, "{calendar}");
        }
    }

    #[test]
    fn hostile_calendars_take_no_time() {
        for piece in [
            "BEGIN:VEVENT\n",
            "\n ",
            "SUMMARY:\\",
            "BEGIN:VEVENT\nSUMMARY:x\n",
            "\"",
            "END:VALARM\n",
        ] {
            let started = std::time::Instant::now();
            text(&piece.repeat(200_000));
            assert!(started.elapsed().as_millis() < 1_000, "{piece:?} took {:?}", started.elapsed());
        }
    }
}
