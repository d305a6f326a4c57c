//! Files with the line ends of the classic Mac OS, which are CR alone.

use std::io::{self, Read, Seek, SeekFrom};

use super::UTF8_MARK;

/// A file whose lines end with LF or CRLF, whatever ends them on the disk. Positions are those on the disk.
#[derive(Debug)]
pub(super) struct Lines<R> {
    file: R,
    ends: LineEnds,
}

/// What ends lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineEnds {
    /// LF or CRLF.
    Lf,
    /// CR alone.
    Cr,
}

impl LineEnds {
    /// What ends the lines of a file that begins with `head`.
    pub fn of(head: &[u8]) -> Self {
        match memchr::memchr2(b'\r', b'\n', head) {
            Some(end) if head[end] == b'\r' && memchr::memchr(b'\n', &head[end..]).is_none() => Self::Cr,
            _ => Self::Lf,
        }
    }

    /// Makes LF of what ends lines.
    pub fn convert(self, text: &mut [u8]) {
        if self == Self::Cr {
            text.iter_mut().filter(|byte| **byte == b'\r').for_each(|byte| *byte = b'\n');
        }
    }
}

impl<R> Lines<R> {
    /// A file with these line ends.
    pub fn new(file: R, ends: LineEnds) -> Self {
        Self { file, ends }
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buf)?;
        self.ends.convert(&mut buf[..read]);
        Ok(read)
    }
}

impl<R: Seek> Seek for Lines<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// How many bytes before the first line with something on it say nothing: a byte order mark, and empty lines.
pub(super) fn idle_bytes(text: &[u8]) -> usize {
    let marked = text.strip_prefix(UTF8_MARK).unwrap_or(text);
    let empty = marked.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    text.len() - marked.len() + empty
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_those_of_the_beginning() {
        for (head, expected) in [
            (&b"A: 1\rB: 2\r\rx"[..], LineEnds::Cr),
            (b"A: 1\r\nB: 2\r\n", LineEnds::Lf),
            (b"A: 1\nB: 2\r", LineEnds::Lf),
            (b"A: 1\rB: 2\n", LineEnds::Lf),
            (b"A: 1", LineEnds::Lf),
        ] {
            assert_eq!(LineEnds::of(head), expected, "{}", String::from_utf8_lossy(head));
        }
        let mut read = String::new();
        Lines::new(&b"a\r\rb"[..], LineEnds::Cr).read_to_string(&mut read).unwrap();
        assert_eq!(read, "a\n\nb");
    }

    #[test]
    fn what_says_nothing_before_a_message_is_counted() {
        for (text, expected) in [
            (&b"\xef\xbb\xbf\r\n\nA: 1"[..], 6),
            (b"\n\nA: 1", 2),
            (b"A: 1", 0),
            (b" \nA: 1", 0),
            (b"", 0),
        ] {
            assert_eq!(idle_bytes(text), expected);
        }
    }
}
