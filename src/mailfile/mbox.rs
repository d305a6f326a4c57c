//! The mbox format as it is found in the wild: mboxrd, mboxo and mboxcl.
//!
//! A separator is a line "From …" with a time and a year in it, at the beginning of the file or after an empty line. `Content-Length`
//! is not trusted: files are edited by programs that do not know it.

use std::io::{self, BufRead, BufReader, Read};

use memchr::memmem;

use super::MESSAGE_LIMIT;

/// Size of the pieces in which a file is read, in bytes.
const BUFFER: usize = 256 * 1024;
/// Longest line that may be a separator, in bytes.
const SEPARATOR_LIMIT: usize = 512;

/// Why there is no message.
#[derive(Debug)]
pub(super) enum Fault {
    /// It was skipped because of its size; there may be more after it.
    TooLarge,
    /// The file cannot be read; nothing follows.
    Io(io::Error),
}

/// The messages of an mbox file, read one at a time.
#[derive(Debug)]
pub(super) struct Mbox<R> {
    reader: BufReader<R>,
    limit: usize,
    position: u64,
    started: bool,
    finished: bool,
}

impl<R: Read> Mbox<R> {
    pub fn new(file: R) -> Self {
        Self {
            reader: BufReader::with_capacity(BUFFER, file),
            limit: usize::try_from(MESSAGE_LIMIT).unwrap_or(usize::MAX),
            position: 0,
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
        let room = (self.limit + 1).saturating_sub(out.len()).max(SEPARATOR_LIMIT);
        let read = self.reader.by_ref().take(room as u64).read_until(b'\n', out)?;
        self.position += read as u64;
        Ok(read)
    }

    fn message(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let mut raw = Vec::new();
        if !self.started {
            self.started = true;
            // The caller has seen that the file begins with a separator.
            self.read_line(&mut raw).map_err(Fault::Io)?;
            raw.clear();
        }
        let (mut too_large, mut whole_line, mut after_empty) = (false, true, false);
        loop {
            let start = raw.len();
            if self.read_line(&mut raw).map_err(Fault::Io)? == 0 {
                self.finished = true;
                break;
            }
            let line = &raw[start..];
            if whole_line {
                if after_empty && is_separator(line) {
                    raw.truncate(start);
                    break;
                }
                after_empty = matches!(line, b"\n" | b"\r\n");
                if is_quoted_separator(line) {
                    raw.remove(start);
                }
            }
            whole_line = raw.ends_with(b"\n");
            if too_large || raw.len() > self.limit {
                too_large = true;
                raw.clear();
            }
        }
        if too_large {
            return Err(Fault::TooLarge);
        }
        if self.finished && raw.is_empty() {
            return Ok(None);
        }
        remove_empty_line(&mut raw);
        Ok(Some(raw))
    }
}

impl<R: Read> Iterator for Mbox<R> {
    type Item = Result<Vec<u8>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.finished {
            return None;
        }
        let message = self.message();
        self.finished |= matches!(message, Err(Fault::Io(_)));
        message.transpose()
    }
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

/// Whether a line separates messages.
pub(super) fn is_separator(line: &[u8]) -> bool {
    if !line.starts_with(b"From ") || line.len() > SEPARATOR_LIMIT {
        return false;
    }
    let time = line
        .windows(5)
        .any(|w| w[0].is_ascii_digit() && w[1].is_ascii_digit() && w[2] == b':' && w[3].is_ascii_digit() && w[4].is_ascii_digit());
    let year = line
        .windows(4)
        .any(|w| (w.starts_with(b"19") || w.starts_with(b"20")) && w.iter().all(u8::is_ascii_digit));
    time && year
}

/// mboxrd: any number of `>` before "From ", of which one is removed.
fn is_quoted_separator(line: &[u8]) -> bool {
    let marks = line.iter().take_while(|byte| **byte == b'>').count();
    marks > 0 && line[marks..].starts_with(b"From ")
}

/// Positions of separators in `text` after empty lines.
pub(super) fn separators(text: &[u8]) -> impl Iterator<Item = usize> {
    memmem::find_iter(text, b"\nFrom ").map(|at| at + 1).filter(|at| {
        let before = &text[..*at];
        let empty_before = before.ends_with(b"\n\n") || before.ends_with(b"\n\r\n");
        let end = memchr::memchr(b'\n', &text[*at..]).map_or(text.len(), |length| at + length);
        empty_before && is_separator(&text[*at..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "From a@x Mon Jan  6 10:00:00 2025";

    fn messages(file: &str, limit: usize) -> Vec<Option<String>> {
        let mut mbox = Mbox::new(file.as_bytes());
        mbox.limit = limit;
        let read = mbox.map(|message| match message {
            Ok(raw) => Some(String::from_utf8(raw).unwrap()),
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
}
