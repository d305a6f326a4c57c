//! The mbox format as it is found in the wild: mboxrd, mboxo and mboxcl.
//!
//! What separates messages is described in [`super::separator`]. `Content-Length` is not trusted, as files are edited by programs that do not
//! know it; but where it leads exactly to a separator or to the end of the file, what looks like a separator before that belongs to the text
//! (mboxcl2 and Dovecot do not quote it).

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use super::{
    MESSAGE_LIMIT, UTF8_MARK,
    separator::{self, LINE_LIMIT, LOOK_AHEAD, Separator},
};
use crate::{domain::Timestamp, mime};

/// Size of the pieces in which a file is read, in bytes.
const BUFFER: usize = 256 * 1024;
/// Longest header field that is read for a length, in bytes.
const LENGTH_LIMIT: usize = 64;

/// Why there is no message.
#[derive(Debug)]
pub(super) enum Fault {
    /// It was skipped because of its size; there may be more after it.
    TooLarge,
    /// The file cannot be read; nothing follows.
    Io(io::Error),
}

/// A message of an mbox file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MboxMessage {
    /// Its bytes, without what the format adds.
    pub raw: Vec<u8>,
    /// The time on its separator.
    pub time: Option<Timestamp>,
}

/// The messages of an mbox file, read one at a time.
#[derive(Debug)]
pub(super) struct Mbox<R> {
    reader: BufReader<R>,
    /// The same file, to look ahead in.
    ahead: R,
    limit: usize,
    position: u64,
    /// The time on the separator above the next message.
    time: Option<Timestamp>,
    started: bool,
    finished: bool,
}

/// Where the body of a message ends by its own account.
#[derive(Clone, Copy, Debug, Default)]
struct ClaimedBody {
    /// In the header, the length.
    length: Option<u64>,
    /// In the body, the position in the file.
    end: Option<u64>,
    /// That position has been checked.
    checked: bool,
}

impl<R: Read + Seek> Mbox<R> {
    /// Reads `file` from its beginning. `ahead` is the same file, opened once more.
    pub fn new(file: R, ahead: R) -> Self {
        Self {
            reader: BufReader::with_capacity(BUFFER, file),
            ahead,
            limit: usize::try_from(MESSAGE_LIMIT).unwrap_or(usize::MAX),
            position: 0,
            time: None,
            started: false,
            finished: false,
        }
    }

    /// How many bytes have been read.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Whether there are no more messages.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Appends the rest of the line to `out`, but at most one byte beyond the limit, which shows that a message is too large.
    fn read_line(&mut self, out: &mut Vec<u8>) -> io::Result<usize> {
        let room = (self.limit + 1).saturating_sub(out.len()).max(LINE_LIMIT);
        let read = self.reader.by_ref().take(room as u64).read_until(b'\n', out)?;
        self.position += read as u64;
        Ok(read)
    }

    /// Reads what is above the first message. Returns the first line if it is of the message already.
    fn start(&mut self) -> io::Result<Vec<u8>> {
        self.started = true;
        let mut line = Vec::new();
        loop {
            let first = self.position == 0;
            if self.read_line(&mut line)? == 0 {
                return Ok(line);
            }
            if first && line.starts_with(UTF8_MARK) {
                line.drain(..UTF8_MARK.len());
            }
            if !is_empty_line(&line) {
                break;
            }
            line.clear();
        }
        if line.starts_with(b"From ") || Separator::read(&line).is_some() {
            self.time = mime::mbox_time(&line);
            line.clear();
        }
        Ok(line)
    }

    fn message(&mut self) -> io::Result<Result<Option<MboxMessage>, Fault>> {
        let mut raw = if self.started { Vec::new() } else { self.start()? };
        let time = self.time.take();
        let (mut too_large, mut whole_line, mut after_empty) = (false, true, false);
        let (mut in_header, mut first_line) = (true, raw.is_empty());
        let mut body = ClaimedBody::default();
        loop {
            let start = raw.len();
            let line_at = self.position;
            if self.read_line(&mut raw)? == 0 {
                self.finished = true;
                break;
            }
            let line = &raw[start..];
            if whole_line {
                // A second separator at once is of a program that put its own above another's.
                if line[0] == b'F' && !first_line && self.separates(line, after_empty)? && !self.is_inside(&mut body, line_at)? {
                    self.time = mime::mbox_time(line);
                    raw.truncate(start);
                    break;
                }
                after_empty = is_empty_line(line);
                if in_header && after_empty {
                    in_header = false;
                    body.end = body.length.map(|length| self.position.saturating_add(length));
                } else if in_header && matches!(line[0], b'C' | b'c') {
                    body.length = content_length(line).or(body.length);
                }
                if is_quoted_separator(line) {
                    raw.remove(start);
                }
            }
            first_line = false;
            whole_line = raw.ends_with(b"\n");
            if too_large || raw.len() > self.limit {
                too_large = true;
                raw.clear();
            }
        }
        if too_large {
            return Ok(Err(Fault::TooLarge));
        }
        remove_empty_line(&mut raw);
        Ok(Ok((!is_blank(&raw)).then_some(MboxMessage { raw, time })))
    }

    /// Whether a line separates messages, by itself and by what is above and below it.
    fn separates(&mut self, line: &[u8], after_empty: bool) -> io::Result<bool> {
        Ok(
            match Separator::read(line).and_then(|separator| separator.wanted_fields(after_empty)) {
                None => false,
                Some(0) => true,
                Some(wanted) => {
                    let buffered = self.reader.buffer();
                    let telling = if buffered.len() >= LOOK_AHEAD {
                        separator::telling_fields(&buffered[..LOOK_AHEAD])
                    } else {
                        separator::telling_fields(&self.look_at(self.position, LOOK_AHEAD)?)
                    };
                    telling >= wanted
                }
            },
        )
    }

    /// Whether a position is within the body, by a length that leads to the end of a message.
    fn is_inside(&mut self, body: &mut ClaimedBody, position: u64) -> io::Result<bool> {
        let Some(end) = body.end.filter(|end| position < *end) else {
            return Ok(false);
        };
        if !body.checked {
            body.checked = true;
            if !self.ends_at(end)? {
                body.end = None;
            }
        }
        Ok(body.end.is_some())
    }

    /// Whether a message ends here: with the file, or before a separator and at most one empty line.
    fn ends_at(&mut self, end: u64) -> io::Result<bool> {
        let around = self.look_at(end - 1, LINE_LIMIT + 8)?;
        // Beyond the end of the file there is nothing.
        let Some((_, behind)) = around.split_first() else {
            return Ok(false);
        };
        let line = lines(behind).take(3).find(|line| !is_empty_line(line));
        Ok(match line {
            Some(line) => separator::is_certain(line),
            None => behind.len() < LINE_LIMIT && is_blank(behind),
        })
    }

    fn look_at(&mut self, position: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut found = Vec::with_capacity(length);
        self.ahead.seek(SeekFrom::Start(position))?;
        self.ahead.by_ref().take(length as u64).read_to_end(&mut found)?;
        Ok(found)
    }
}

impl<R: Read + Seek> Iterator for Mbox<R> {
    type Item = Result<MboxMessage, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.finished {
            let message = self.message().unwrap_or_else(|error| Err(Fault::Io(error)));
            self.finished |= matches!(message, Err(Fault::Io(_)));
            // Where there is nothing between two separators, there is no message.
            if let Some(message) = message.transpose() {
                return Some(message);
            }
        }
        None
    }
}

fn is_blank(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

fn is_empty_line(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n")
}

/// Lines with their ends.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
}

/// The value of a Content-Length field.
fn content_length(line: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"Content-Length:";
    let name = line.get(..NAME.len()).filter(|_| line.len() <= LENGTH_LIMIT)?;
    let value = std::str::from_utf8(&line[NAME.len()..]).ok()?;
    name.eq_ignore_ascii_case(NAME)
        .then(|| value.trim().parse().ok())
        .flatten()
        .filter(|length| *length <= MESSAGE_LIMIT)
}

/// The empty line that ends every message of an mbox.
fn remove_empty_line(raw: &mut Vec<u8>) {
    for (end, line) in [(&b"\r\n\r\n"[..], 2), (b"\n\n", 1)] {
        if raw.ends_with(end) {
            raw.truncate(raw.len() - line);
            return;
        }
    }
}

/// mboxrd: any number of `>` before "From ", of which one is removed.
fn is_quoted_separator(line: &[u8]) -> bool {
    let marks = line.iter().take_while(|byte| **byte == b'>').count();
    marks > 0 && line[marks..].starts_with(b"From ")
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const LINE: &str = "From a@x Mon Jan  6 10:00:00 2025";
    const MARKED: &str = "From - Mon Jan  6 10:00:00 2025";

    fn mbox(file: &str) -> Mbox<Cursor<&[u8]>> {
        Mbox::new(Cursor::new(file.as_bytes()), Cursor::new(file.as_bytes()))
    }

    fn messages(file: &str, limit: usize) -> Vec<Option<String>> {
        let mut mbox = mbox(file);
        mbox.limit = limit;
        let read = mbox.map(|message| match message {
            Ok(message) => Some(String::from_utf8(message.raw).unwrap()),
            Err(Fault::TooLarge) => None,
            Err(Fault::Io(error)) => panic!("{error}"),
        });
        read.collect()
    }

    fn check(file: &str, expected: &[&str]) {
        let expected: Vec<_> = expected.iter().map(|message| Some((*message).to_owned())).collect();
        assert_eq!(messages(file, 1_000), expected, "{file}");
    }

    #[test]
    fn messages_are_separated_and_exact() {
        check(
            &format!("{LINE}\nA: 1\n\nx\n\n{LINE}\nA: 2\n\ny\n\n"),
            &["A: 1\n\nx\n", "A: 2\n\ny\n"],
        );
        check(
            &format!("{LINE}\r\nA: 1\r\n\r\nx\r\n\r\n{LINE}\r\nA: 2\r\n\r\ny"),
            &["A: 1\r\n\r\nx\r\n", "A: 2\r\n\r\ny"],
        );
        check(&format!("{LINE}\nA: 1\n\nx\n\n\n\n{LINE}\n"), &["A: 1\n\nx\n\n\n"]);
    }

    #[test]
    fn only_separators_separate() {
        check(
            &format!("{LINE}\nA: 1\n\nFrom now on\n\nFrom here at 10:00\nx\n{LINE}\n"),
            &[&format!("A: 1\n\nFrom now on\n\nFrom here at 10:00\nx\n{LINE}\n")],
        );
        for prose in [
            "From here on\nSubject: none\n",
            "From 10:15 on 3 March 2025\nwe are closed\n",
            "From Monday\nNote: closed\n",
            "From \nnobody\n",
            "From a@x.example\ncame nothing\n",
            "From alice\nSubject: she says\nnothing\n",
        ] {
            check(&format!("{LINE}\nA: 1\n\nx\n\n{prose}"), &[&format!("A: 1\n\nx\n\n{prose}")]);
        }
    }

    #[test]
    fn separators_without_a_time_need_a_header_below() {
        let two = ["Subject: 1\n\nx\n", "Subject: 2\nFrom: b@x.example\n\ny\n"];
        for line in [
            "From ",
            "From",
            "From a@x.example",
            "From a@x.example Mon Jan  6",
            "From alice",
            "From -",
        ] {
            check(&format!("{line}\n{}\n{line}\n{}", two[0], two[1]), &two);
        }
    }

    #[test]
    fn marked_separators_need_no_empty_line() {
        let two = ["Subject: 1\n\nx\n", "X-Mozilla-Status: 0001\nSubject: 2\n\ny\n"];
        for line in [MARKED, "From - ", "From ???@??? Mon Jan  6 10:00:00 2025"] {
            check(&format!("{line}\n{}{line}\n{}", two[0], two[1]), &two);
            check(&format!("{line}\n{}\n{line}\n{}\n", two[0], two[1]), &two);
        }
        // Others need a header.
        check(
            &format!("{LINE}\nA: 1\n\nx\n{LINE}\nDate: 1\nSubject: 2\n\ny\n"),
            &["A: 1\n\nx\n", "Date: 1\nSubject: 2\n\ny\n"],
        );
    }

    #[test]
    fn what_says_nothing_is_no_message() {
        check(&format!("\u{feff}\r\n\n{LINE}\nA: 1\n\nx\n"), &["A: 1\n\nx\n"]);
        check(&format!("A: 1\n\nx\n\n{LINE}\nA: 2\n\ny\n"), &["A: 1\n\nx\n", "A: 2\n\ny\n"]);
        check(&format!("{LINE}\n\n{LINE}\nA: 2\n\ny\n\n{LINE}\n\n"), &["A: 2\n\ny\n"]);
        check(&format!("{LINE}\n{LINE}\nA: 2\n\ny\n"), &[&format!("{LINE}\nA: 2\n\ny\n")]);
        check("", &[]);
    }

    #[test]
    fn a_length_counts_if_it_leads_to_the_end() {
        let text = format!("x\n\n{LINE}\nSubject: quoted\n\ny\n");
        let one = |length: usize| format!("Content-Length: {length}\n\n{text}");
        let whole = one(text.len());
        check(&format!("{LINE}\n{whole}\n{LINE}\nA: 2\n\nz\n"), &[&whole, "A: 2\n\nz\n"]);
        check(&format!("{LINE}\n{whole}"), &[&whole]);
        check(&format!("{LINE}\n{whole}\n"), &[&whole]);
        let (cut, quoted) = ("Content-Length: {}\n\nx\n", "Subject: quoted\n\ny\n");
        for length in [text.len() - 2, text.len() + 3, text.len() + 60, 2, 0] {
            let cut = cut.replace("{}", &length.to_string());
            check(
                &format!("{LINE}\n{}\n{LINE}\nA: 2\n\nz\n", one(length)),
                &[&cut, quoted, "A: 2\n\nz\n"],
            );
        }
        check(
            &format!("{LINE}\n{}", one(text.len() + 1)),
            &[&cut.replace("{}", &(text.len() + 1).to_string()), quoted],
        );
    }

    #[test]
    fn separators_say_when() {
        let file = format!("{LINE}\nA: 1\n\nx\n\nFrom \nSubject: 2\n\ny\n\n{MARKED}\nA: 3\n\nz\n");
        let times: Vec<_> = mbox(&file).map(|message| message.unwrap().time.map(Timestamp::seconds)).collect();
        assert_eq!(times, [Some(1_736_157_600), None, Some(1_736_157_600)]);
    }

    #[test]
    fn quoted_lines_lose_one_mark() {
        check(
            &format!("{LINE}\nA: 1\n\n>From x\n>>From y\n> From z\n>Fromage\n"),
            &["A: 1\n\nFrom x\n>From y\n> From z\n>Fromage\n"],
        );
    }

    #[test]
    fn large_messages_are_passed_over_alone() {
        let large = "x".repeat(5_000);
        let lines = "xxxxxxxxx\n".repeat(500);
        for body in [&large, &lines] {
            let file = format!("{LINE}\nA: 1\n\nx\n\n{LINE}\nA: 2\n\n{body}\n\n{LINE}\nA: 3\n\nz\n\n");
            assert_eq!(
                messages(&file, 1_000),
                [Some("A: 1\n\nx\n".to_owned()), None, Some("A: 3\n\nz\n".to_owned())]
            );
        }
    }

    proptest::proptest! {
        /// Whatever the lines are, nothing of them is lost but separators, marks and empty lines.
        #[test]
        fn no_line_is_lost(lines in proptest::collection::vec("(From|From |From - |>From |A: |Content-Length: |Subject: )?[a-z0-9@: ]{0,12}", 0..40)) {
            let file: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let found: String = mbox(&file).map(|message| String::from_utf8(message.unwrap().raw).unwrap()).collect();
            let kept = |text: &str| -> Vec<String> {
                let lines = text.lines().map(|line| line.trim_start_matches('>').to_owned());
                lines.filter(|line| !line.is_empty() && !line.starts_with("From")).collect()
            };
            proptest::prop_assert_eq!(kept(&found), kept(&file));
        }
    }
}
