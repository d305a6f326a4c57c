//! Uuencoded files in a text (POSIX `uuencode`), as mail programs wrote them before MIME: `begin 644 name`, lines of encoded bytes, `end`.
//!
//! yEnc (`=ybegin`) is a format of newsgroups, which no mail program writes; it stays text.

use std::ops::Range;

use memchr::memmem;

use super::assembly::place;

/// Most files of one text.
const FILE_LIMIT: usize = 100;
/// Longest name, in bytes.
const NAME_LIMIT: usize = 255;
/// Longest line that is decoded, in bytes: 63 bytes take 84 characters, and some programs add a checksum.
const LINE_LIMIT: usize = 256;
/// How many blanks at the end of a line may be missing: some programs write zeros as blanks, others drop these.
const MISSING_LIMIT: usize = 8;
/// How many full lines a file must have whose end is missing.
const OPEN_LINES: usize = 2;
/// The character of a full line: 45 bytes.
const FULL: u8 = b'M';

/// A file in a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct File {
    /// Where it is, with the lines that begin and end it.
    pub place: Range<usize>,
    /// Where its name is.
    pub name: Range<usize>,
    /// Where its lines are, if they are in base64 (`begin-base64`).
    pub base64: Option<Range<usize>>,
}

/// Whether there may be files in a text. This is fast.
pub(super) fn may_be_in(text: &[u8]) -> bool {
    text.starts_with(b"begin") || memmem::find(text, b"\nbegin").is_some()
}

/// The files in a text. What only begins like one is none. Takes linear time: no line can both begin a file and be one of its lines.
pub(super) fn files(text: &[u8]) -> Vec<File> {
    let mut found: Vec<File> = Vec::new();
    for start in memmem::find_iter(text, b"begin") {
        let after = found.last().map_or(0, |file| file.place.end);
        if start < after || start > 0 && text[start - 1] != b'\n' {
            continue;
        }
        found.extend(file_at(text, start));
        if found.len() == FILE_LIMIT {
            break;
        }
    }
    found
}

fn file_at(text: &[u8], start: usize) -> Option<File> {
    let mut lines = Lines { text, at: start };
    let first = lines.next()?;
    let line = &text[first.clone()];
    let (rest, is_base64) = match line.strip_prefix(b"begin-base64 ") {
        Some(rest) => (rest, true),
        None => (line.strip_prefix(b"begin ")?, false),
    };
    let mode = rest.iter().take_while(|byte| matches!(byte, b'0'..=b'7')).count();
    let name = rest[mode..].trim_ascii();
    if !(3..=4).contains(&mode) || !rest[mode..].starts_with(b" ") && !name.is_empty() || name.len() > NAME_LIMIT {
        return None;
    }
    let body = lines.at;
    if name.is_empty() && text.get(body) != Some(&FULL) {
        // Too little to be sure.
        return None;
    }
    let end = if is_base64 {
        base64_end(&mut lines)
    } else {
        encoded_end(&mut lines)
    }?;
    Some(File {
        place: start..lines.at,
        name: place(text, name),
        base64: is_base64.then_some(body..end),
    })
}

/// Reads the lines of a file up to its end, and returns where that is.
fn encoded_end(lines: &mut Lines<'_>) -> Option<usize> {
    let (mut full, mut closed, mut first) = (0, false, true);
    loop {
        let at = lines.at;
        let Some(line) = lines.next() else {
            return (full >= OPEN_LINES).then_some(at);
        };
        let line = &lines.text[line];
        if line == b"end" {
            return Some(at);
        }
        match (closed, encoded_length(line, std::mem::take(&mut first))) {
            (_, Some(0)) => closed = true,
            (true, _) if line.is_empty() => {}
            (false, Some(_)) => full += usize::from(line[0] == FULL),
            // The only character of the last line was a blank that somebody dropped.
            (false, None) if line.is_empty() && lines.text[lines.at..].starts_with(b"end") => closed = true,
            // The end was cut off, but what is there is no sentence.
            _ if full >= OPEN_LINES && line.is_empty() => {
                lines.at = at;
                return Some(at);
            }
            _ => return None,
        }
    }
}

/// How many bytes a line stands for, if it may be one of a file. The first must be nearly complete, so that sentences are none.
fn encoded_length(line: &[u8], is_first: bool) -> Option<usize> {
    let length = match line.first() {
        Some(first @ 0x20..=0x60) => usize::from((first - 0x20) & 0x3F),
        _ => return None,
    };
    let (there, wanted) = (line.len() - 1, length.div_ceil(3) * 4);
    let fits = there <= wanted + 2 && (!is_first || there + MISSING_LIMIT >= wanted);
    (fits && line.iter().all(|byte| matches!(byte, 0x20..=0x60))).then_some(length)
}

fn base64_end(lines: &mut Lines<'_>) -> Option<usize> {
    loop {
        let at = lines.at;
        let line = lines.next()?;
        let line = &lines.text[line];
        if line == b"====" {
            return Some(at);
        }
        let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
        if line.is_empty() || line.len() > LINE_LIMIT || !line.iter().all(is_digit) {
            return None;
        }
    }
}

/// Lines without their ends.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
}

impl Iterator for Lines<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        if start >= self.text.len() {
            return None;
        }
        self.at = super::fields::line_end(self.text, start);
        let line = &self.text[start..self.at];
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        Some(start..start + line.strip_suffix(b"\r").unwrap_or(line).len())
    }
}

/// How far a file is decoded: the line whose end has not come yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Decoder {
    line: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Before,
    Within,
    After,
}

impl Decoder {
    /// Decodes the next bytes as far as possible without those after them.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_LIMIT - self.line.len().min(LINE_LIMIT);
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.finish(out);
            }
        }
    }

    /// Decodes the line that was kept for more input.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let mut line = std::mem::take(&mut self.line);
        while line.last().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
            line.pop();
        }
        match self.state {
            State::Before if line.starts_with(b"begin ") => self.state = State::Within,
            // As a transfer encoding, it is also written without its first and last line.
            State::Before if encoded_length(&line, true).is_some_and(|length| length > 0) => {
                self.state = State::Within;
                decode_line(&line, out);
            }
            State::Within if line == b"end" => self.state = State::After,
            State::Within => decode_line(&line, out),
            State::Before | State::After => {}
        }
        line.clear();
        self.line = line;
    }
}

fn decode_line(line: &[u8], out: &mut Vec<u8>) {
    let Some((first @ 0x20..=0x60, digits)) = line.split_first() else {
        return;
    };
    let length = usize::from((first - 0x20) & 0x3F);
    let value = |at: usize| u32::from(digits.get(at).map_or(0, |byte| byte.wrapping_sub(0x20) & 0x3F));
    for group in 0..length.div_ceil(3) {
        let bits = (0..4).fold(0, |bits, digit| (bits << 6) | value(group * 4 + digit));
        let bytes = &bits.to_be_bytes()[1..];
        out.extend_from_slice(&bytes[..(length - group * 3).min(3)]);
    }
}

/// Decodes a file.
pub(super) fn decoded(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() / 4 * 3);
    let mut decoder = Decoder::default();
    decoder.push(bytes, &mut out);
    decoder.finish(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(name: &str, content: &[u8], zero: char) -> String {
        let mut text = format!("begin 644 {name}\n");
        let digit = |value: u32| match u8::try_from(value & 0x3F).unwrap() {
            0 => zero,
            value => char::from(value + 0x20),
        };
        for line in content.chunks(45) {
            text.push(digit(u32::try_from(line.len()).unwrap()));
            for group in line.chunks(3) {
                let byte = |at: usize| u32::from(*group.get(at).unwrap_or(&0));
                let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
                text.extend([digit(bits >> 18), digit(bits >> 12), digit(bits >> 6), digit(bits)]);
            }
            text.push('\n');
        }
        format!("{text}{zero}\nend\n")
    }

    #[test]
    fn files_are_found_with_their_names() {
        let file = encoded("a b.csv", &[b'x'; 100], '`');
        let text = format!("Before\n\n{file}\nbetween\n{}after", encoded("z", b"", ' ')).replace('\n', "\r\n");
        let found = files(text.as_bytes());
        let names: Vec<_> = found.iter().map(|file| &text[file.name.clone()]).collect();
        assert_eq!(names, ["a b.csv", "z"]);
        assert_eq!(decoded(&text.as_bytes()[found[0].place.clone()]), [b'x'; 100]);
        assert_eq!(decoded(&text.as_bytes()[found[1].place.clone()]), b"");
        let nameless = encoded("", &[b'x'; 100], '`');
        assert_eq!(files(nameless.as_bytes())[0].name.len(), 0);
        let text = "begin-base64 644 a.txt\neHh4\n====\nrest";
        let found = files(text.as_bytes());
        assert_eq!(&text[found[0].base64.clone().unwrap()], "eHh4\n");
        assert_eq!(&text[found[0].place.end..], "rest");
    }

    #[test]
    fn bodies_are_decoded_with_and_without_their_first_line() {
        for body in [
            "#>'AX\n`\n",
            "begin 644 a\n#>'AX\n`\nend\n",
            "\nHere it is:\nbegin 644 a\r\n#>'AX\r\nend",
        ] {
            assert_eq!(decoded(body.as_bytes()), b"xxx", "{body}");
        }
    }

    #[test]
    fn sentences_and_other_formats_are_no_files() {
        for text in [
            "begin 644 hours after delivery\nand end with the test.",
            "BEGIN 644 x\nend",
            "We\n begin 644 x\n`\nend",
            "begin 64 x\n`\nend",
            "begin 644 \n`\nend",
            "begin 644 x",
            "begin 644 x\n",
            "begin 644 x\n\nend of the day",
            "begin 644 X\nWIR\nend",
            "=ybegin line=128 size=4 name=a.bin\n\u{94}\u{8f}\n=yend size=4",
            "begin-base64 644 x\nno base64!\n====",
            "begin-base64 644 x\neHh4",
        ] {
            assert_eq!(files(text.as_bytes()), [], "{text}");
        }
    }

    #[test]
    fn files_without_an_end_need_full_lines() {
        let cut = |lines: usize| {
            let whole = encoded("x", &[7; 450], '`');
            whole.lines().take(lines).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(files(cut(5).as_bytes()).len(), 1);
        assert_eq!(files(cut(2).as_bytes()).len(), 0);
        let text = format!("{}\n\nRegards", cut(5));
        assert_eq!(&text[files(text.as_bytes())[0].place.end..], "\nRegards");
    }

    #[test]
    fn hostile_texts_take_no_time() {
        for piece in [
            "begin 644 x\n",
            "begin 644 x\nM",
            "begin",
            "begin 644 x\n`\n",
            "begin-base64 644 x\nAAAA\n",
        ] {
            let text = piece.repeat(100_000);
            let started = std::time::Instant::now();
            assert!(files(text.as_bytes()).len() <= FILE_LIMIT);
            assert!(started.elapsed().as_millis() < 1_000, "{piece:?} took {:?}", started.elapsed());
        }
    }

    proptest! {
        #[test]
        fn whatever_is_encoded_is_decoded(
            content in prop::collection::vec(any::<u8>(), 0..300),
            zero in prop::sample::select(vec![' ', '`']),
            trims in any::<bool>(),
            step in 1..50_usize,
        ) {
            let mut text = encoded("a", &content, zero);
            if trims {
                text = text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
            }
            let mut out = Vec::new();
            let mut decoder = Decoder::default();
            for piece in text.as_bytes().chunks(step) {
                decoder.push(piece, &mut out);
            }
            decoder.finish(&mut out);
            prop_assert_eq!(&out, &content);
            prop_assert_eq!(decoded(text.as_bytes()), content);
        }

        #[test]
        fn anything_is_searched(text in "(begin 644 [a-z]{0,3}\n|[ -`]{0,5}\n|M[ -`]{60}\n|end\n|`\n){0,12}") {
            for file in files(text.as_bytes()) {
                prop_assert!(text.get(file.place.clone()).is_some() && text.get(file.name).is_some());
                decoded(&text.as_bytes()[file.place]);
            }
        }
    }
}
