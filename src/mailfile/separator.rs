//! Lines that begin a message in an mbox file: told from sentences that begin with the word.
//!
//! RFC 4155 and mbox(5) have the sender and the time behind "From ". Programs leave out either, or both; Thunderbird and its ancestors write
//! `From - `, Eudora `From ???@??? `, and neither always puts an empty line before it. The less a line says, the more must follow.

use crate::mime;

/// Longest line that may be a separator, in bytes.
pub(super) const LINE_LIMIT: usize = 512;
/// How much behind a line is looked at, in bytes.
pub(super) const LOOK_AHEAD: usize = 2 * 1024;

/// Fields of which every message has at least one.
const TELLING: [&str; 7] = ["from", "date", "subject", "received", "message-id", "return-path", "mime-version"];
/// Senders that stand for none: of Thunderbird, of Eudora.
const MARKS: [&[u8]; 2] = [b"-", b"???@???"];
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// What a line beginning with "From " may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Separator {
    /// A mark that only mail programs write, with a time.
    Marked,
    /// The mark alone.
    MarkedBare,
    /// A sender and a time as ctime(3) writes it.
    Exact,
    /// It has a time and a year.
    Dated,
    /// An address without a time, or nothing at all.
    Bare,
    /// A word without a time, which may be a user's name.
    Word,
}

impl Separator {
    /// What a line is, without regard to those around it. `None` if it is no separator anywhere.
    pub fn read(line: &[u8]) -> Option<Self> {
        let rest = line.strip_prefix(b"From")?;
        if line.len() > LINE_LIMIT || !matches!(rest.first(), None | Some(b' ' | b'\r' | b'\n')) || is_field(line) {
            return None;
        }
        let mut words = rest.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let (sender, next) = (words.next().unwrap_or_default(), words.next());
        let marked = MARKS.contains(&sender);
        if has_time_and_year(rest) {
            return Some(match marked {
                true => Self::Marked,
                false if is_exact(rest) => Self::Exact,
                false => Self::Dated,
            });
        }
        // At most the day may follow.
        let alone = next.is_none_or(|word| is_one_of(word, &DAYS));
        match sender {
            _ if !alone => None,
            _ if marked => Some(Self::MarkedBare),
            b"" => Some(Self::Bare),
            [.., b':' | b','] => None,
            _ if sender.contains(&b'@') => Some(Self::Bare),
            _ => Some(Self::Word),
        }
    }

    /// How many different fields that tell of a message must follow in a header, with an empty line above or not. `None`: no number is
    /// enough.
    pub fn wanted_fields(self, after_empty: bool) -> Option<usize> {
        match (self, after_empty) {
            (Self::Marked, _) | (Self::Exact, true) => Some(0),
            (Self::MarkedBare, _) | (Self::Dated | Self::Bare, true) => Some(1),
            (Self::Word, true) | (Self::Exact, false) => Some(2),
            (Self::Dated | Self::Bare | Self::Word, false) => None,
        }
    }
}

/// Whether a line separates messages wherever it stands after an empty line.
pub(super) fn is_certain(line: &[u8]) -> bool {
    Separator::read(line).is_some_and(|separator| separator.wanted_fields(true) == Some(0))
}

/// Whether this line begins an mbox file, of which `rest` follows: at such a place, anything counts that has a header below it.
pub(super) fn begins_mbox(line: &[u8], rest: &[u8]) -> bool {
    let separator = Separator::read(line);
    separator.is_some_and(|separator| separator.wanted_fields(true) == Some(0))
        || (separator.is_some() || line.starts_with(b"From ") && !is_field(line)) && mime::field_names(rest).next().is_some()
}

/// Whether a line is the field From, possibly with blanks before its colon.
fn is_field(line: &[u8]) -> bool {
    field_name(line) == Some(b"From")
}

/// How many different fields that tell of a message there are in the header that `text` begins with. None if it begins with no header; the last
/// line may be incomplete.
pub(super) fn telling_fields(text: &[u8]) -> usize {
    let mut seen = [false; TELLING.len()];
    let mut fields = 0;
    let mut at = 0;
    while at < text.len() {
        let end = memchr::memchr(b'\n', &text[at..]).map(|length| at + length);
        let line = text[at..end.unwrap_or(text.len())].trim_ascii_end();
        let Some(end) = end else { break };
        at = end + 1;
        match line.first() {
            None => break,
            // A continuation, or what an earlier program made of its own separator.
            Some(b' ' | b'\t') if fields > 0 => {}
            Some(b'>') if fields == 0 && line.starts_with(b">From ") => {}
            Some(_) => {
                let Some(name) = field_name(line) else { return 0 };
                fields += 1;
                if let Some(place) = TELLING.iter().position(|telling| name.eq_ignore_ascii_case(telling.as_bytes())) {
                    seen[place] = true;
                }
            }
        }
    }
    seen.into_iter().filter(|seen| *seen).count()
}

/// Whether this is the name of a field of which every message has at least one.
pub(super) fn is_telling(name: &str) -> bool {
    TELLING.iter().any(|telling| name.eq_ignore_ascii_case(telling))
}

/// The name of the field that a line begins (RFC 5322 §2.2, with white space before the colon as in §4.5).
fn field_name(line: &[u8]) -> Option<&[u8]> {
    let name = line[..memchr::memchr(b':', line)?].trim_ascii_end();
    (!name.is_empty() && name.iter().all(u8::is_ascii_graphic)).then_some(name)
}

/// Whether there is `10:15` somewhere, and `1999` or `2025`.
fn has_time_and_year(text: &[u8]) -> bool {
    let time = text
        .windows(5)
        .any(|w| w[0].is_ascii_digit() && w[1].is_ascii_digit() && w[2] == b':' && w[3].is_ascii_digit() && w[4].is_ascii_digit());
    let year = |w: &[u8]| (w.starts_with(b"19") || w.starts_with(b"20")) && w.iter().all(u8::is_ascii_digit);
    time && text.windows(4).any(year)
}

/// Whether what has a time and a year has a day of the week and a month as well, in English, as C libraries write them everywhere.
fn is_exact(text: &[u8]) -> bool {
    let words = || text.split(u8::is_ascii_whitespace);
    words().any(|word| is_one_of(word, &DAYS)) && words().any(|word| is_one_of(word, &MONTHS))
}

/// Whether a word, perhaps with a comma behind it, is one of these.
fn is_one_of(word: &[u8], names: &[&str]) -> bool {
    let word = word.strip_suffix(b",").unwrap_or(word);
    names.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_by_what_stands_on_them() {
        use Separator::{Bare, Dated, Exact, Marked, MarkedBare, Word};
        for (line, expected) in [
            ("From a@x.example Mon Jan  6 10:00:00 2025\n", Some(Exact)),
            ("From MAILER-DAEMON  Mon Jan  6 10:00:00 2025\r\n", Some(Exact)),
            ("From a@x.example Mon, 6 Jan 2025 10:00:00 +0100", Some(Exact)),
            ("From a b@x.example Mon Jan  6 10:00 CET 2025 remote from y", Some(Exact)),
            ("From a@x.example 2025-01-06 10:00:00", Some(Dated)),
            ("From 10:15 on 3 March 2025 we are closed", Some(Dated)),
            ("From - Mon Jan  6 10:00:00 2025", Some(Marked)),
            ("From ???@??? Mon Jan  6 10:00:00 2025", Some(Marked)),
            ("From : Eva <eva@x.example>\n", None),
            ("From - \n", Some(MarkedBare)),
            ("From -", Some(MarkedBare)),
            ("From \n", Some(Bare)),
            ("From\r\n", Some(Bare)),
            ("From a@x.example\n", Some(Bare)),
            ("From a@x.example Mon Jan  6", Some(Bare)),
            ("From alice\n", Some(Word)),
            ("From alice Mon Jan  6", Some(Word)),
            ("From here on\n", None),
            ("From a@x.example we know\n", None),
            ("From a@x.example:\n", None),
            ("From - as they say - nothing\n", None),
            ("From: a@x.example\n", None),
            ("Fromage\n", None),
            (">From a@x.example Mon Jan  6 10:00:00 2025\n", None),
        ] {
            assert_eq!(Separator::read(line.as_bytes()), expected, "{line}");
        }
        let long = format!("From {} Mon Jan  6 10:00:00 2025", "x".repeat(LINE_LIMIT));
        assert_eq!(Separator::read(long.as_bytes()), None);
    }

    #[test]
    fn only_headers_have_telling_fields() {
        for (text, expected) in [
            ("Subject: a\nFrom: b\n\nDate: c\n", 2),
            ("subject : a\r\n\tb\r\nSUBJECT: c\r\n\r\n", 1),
            (">From x Mon Jan  6 10:00:00 2025 remote from y\nReceived: z\n\n", 1),
            ("X-Mozilla-Status: 0001\nDate: x\nFrom: incompl", 1),
            ("Note: only this\n\nSubject: x\n", 0),
            ("Subject: x\nand so on\n", 0),
            ("\nSubject: x\n", 0),
            (" Subject: x\n", 0),
            ("", 0),
        ] {
            assert_eq!(telling_fields(text.as_bytes()), expected, "{text}");
        }
    }
}
