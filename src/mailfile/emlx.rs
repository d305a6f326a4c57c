//! `.emlx` files of Apple Mail: a line with the length of the message, the message, and a property list about it in XML.

use std::ops::Range;

use memchr::memmem;

use crate::domain::Timestamp;

/// Longest first line, in bytes.
const COUNT_LIMIT: usize = 64;
/// What Apple Mail writes behind a message, at its beginning.
const LIST: &[u8] = b"<?xml version=";
/// Where its root element begins at the latest, in bytes.
const DECLARATIONS_LIMIT: usize = 512;

/// The message in an `.emlx` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    /// Where it is.
    pub message: Range<usize>,
    /// When the mailbox received it, if the property list says so.
    pub received: Option<Timestamp>,
}

/// Finds the message. `None` if the first line is no number.
///
/// A length that leads anywhere but to the property list is of a file that was converted since: then the message is all before the list, and
/// without a list all behind the first line. No byte of it is ever left out.
pub(super) fn content(file: &[u8]) -> Option<Content> {
    let line = memchr::memchr(b'\n', &file[..file.len().min(COUNT_LIMIT)])?;
    let count: usize = std::str::from_utf8(&file[..line]).ok()?.trim().parse().ok()?;
    let start = line + 1;
    let list_at = |end: &usize| file.get(*end..).is_some_and(is_list);
    let end = start.checked_add(count).filter(|end| *end == file.len() || list_at(end));
    let end = end.or_else(|| memmem::rfind(file, LIST).filter(|end| *end >= start && list_at(end)));
    let end = end.unwrap_or(file.len());
    Some(Content {
        message: start..end,
        received: received(&file[end..]),
    })
}

/// Whether a property list begins here.
fn is_list(text: &[u8]) -> bool {
    text.starts_with(LIST) && memmem::find(&text[..text.len().min(DECLARATIONS_LIMIT)], b"<plist").is_some()
}

/// The time that a property list has for `date-received`, in seconds since 1970.
fn received(list: &[u8]) -> Option<Timestamp> {
    const KEY: &[u8] = b"<key>date-received</key>";
    let value = &list[memmem::find(list, KEY)? + KEY.len()..];
    let value = value.trim_ascii_start().strip_prefix(b"<integer>")?;
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let seconds: i64 = std::str::from_utf8(&value[..digits]).ok()?.parse().ok()?;
    (seconds > 0).then_some(Timestamp::from_seconds(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLIST: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist>\n<plist version=\"1.0\">\n<dict>\n\t\
                         <key>date-received</key>\n\t<integer>1736157600</integer>\n</dict>\n</plist>\n";

    fn check(file: &str, expected: Option<(&str, bool)>) {
        let found = content(file.as_bytes());
        let found = found.map(|content| {
            (
                &file[content.message],
                content.received == Some(Timestamp::from_seconds(1_736_157_600)),
            )
        });
        assert_eq!(found, expected, "{file}");
    }

    #[test]
    fn the_message_stands_between_its_length_and_the_list() {
        check(&format!("11\nSubject: x\n{PLIST}"), Some(("Subject: x\n", true)));
        check(&format!("11        \nSubject: x\n{PLIST}"), Some(("Subject: x\n", true)));
        check("11\nSubject: x\n", Some(("Subject: x\n", false)));
        // Converted, edited or cut.
        check(&format!("11\r\nSubject: x\r\n{PLIST}"), Some(("Subject: x\r\n", true)));
        check(&format!("5\nSubject: x\n{PLIST}"), Some(("Subject: x\n", true)));
        check(&format!("99999\nSubject: x\n{PLIST}"), Some(("Subject: x\n", true)));
        check("99999\nSubject: x\n", Some(("Subject: x\n", false)));
        check("5\nSubject: x\n", Some(("Subject: x\n", false)));
        check(
            "5\nA: 1\n\n<?xml version=\"1.0\"?><a/>",
            Some(("A: 1\n\n<?xml version=\"1.0\"?><a/>", false)),
        );
        check(&format!("{}\nSubject: x\n", usize::MAX), Some(("Subject: x\n", false)));
        // A list within the message is a part of it.
        let inner = format!("A: 1\n\n{PLIST}\n");
        check(&format!("{}\n{inner}{PLIST}", inner.len()), Some((&inner, true)));
    }

    #[test]
    fn what_begins_with_no_number_is_none() {
        for file in ["", "Subject: x\n", "-1\nSubject: x\n", "12", "12 Subject: x\n"] {
            check(file, None);
        }
    }
}
