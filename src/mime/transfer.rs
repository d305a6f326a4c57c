//! Transfer encodings (RFC 2045 §6): decoded as a whole, or piece by piece in little memory.

use super::uuencode;

/// Longest incomplete line of quoted-printable that is kept until its end arrives, in bytes. RFC 2045 §6.7 allows 76.
const LINE_LIMIT: usize = 64 * 1024;

const SKIP: u8 = 0xFF;
#[expect(clippy::cast_possible_truncation, reason = "there are 64")]
const ALPHABET: [u8; 256] = {
    let mut table = [SKIP; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut i = 0;
    while i < 64 {
        table[alphabet[i] as usize] = i as u8;
        i += 1;
    }
    table
};

/// The state of decoding a body.
#[derive(Clone, Debug)]
pub(super) enum Transfer {
    /// The body is not encoded.
    Identity,
    /// In base64.
    Base64(Base64),
    /// In quoted-printable, with the beginning of a line whose end is not known yet.
    QuotedPrintable(Vec<u8>),
    /// Uuencoded, as before MIME.
    Uuencoded(uuencode::Decoder),
}

impl Transfer {
    /// The encoding with this name in lower case. An unknown one is treated as not encoded.
    pub fn named(encoding: &str) -> Self {
        match encoding.split([';', ' ']).next() {
            Some("base64") => Self::Base64(Base64::default()),
            Some("quoted-printable") => Self::QuotedPrintable(Vec::new()),
            Some("x-uuencode" | "x-uue" | "uuencode") => Self::Uuencoded(uuencode::Decoder::default()),
            _ => Self::Identity,
        }
    }

    /// Decodes the next bytes as far as possible without those after them.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Identity => out.extend_from_slice(bytes),
            Self::Base64(state) => state.push(bytes, out),
            Self::Uuencoded(decoder) => decoder.push(bytes, out),
            Self::QuotedPrintable(line) => {
                line.extend_from_slice(bytes);
                let whole = match memchr::memrchr(b'\n', line) {
                    Some(end) => end + 1,
                    None if line.len() > LINE_LIMIT => settled(line),
                    None => 0,
                };
                out.extend_from_slice(&quoted_printable(&line[..whole]));
                line.drain(..whole);
            }
        }
    }

    /// Decodes the bytes that were kept for more input.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Identity => {}
            Self::Base64(state) => state.finish(out),
            Self::Uuencoded(decoder) => decoder.finish(out),
            Self::QuotedPrintable(line) => out.extend_from_slice(&quoted_printable(&std::mem::take(line))),
        }
    }
}

/// How much of an incomplete line has the same meaning whatever follows: all but blanks and the beginning of an escape at its end. All of
/// it, if there is nothing else.
fn settled(line: &[u8]) -> usize {
    let mut end = line.len();
    while end > 0 && (matches!(line[end - 1], b' ' | b'\t' | b'\r' | b'=') || end > 1 && line[end - 2] == b'=') {
        end -= 1;
    }
    if end == 0 { line.len() } else { end }
}

/// How far base64 is decoded: up to three characters of a group of four.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Base64 {
    group: u32,
    count: u8,
}

impl Base64 {
    /// Decodes the next characters.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let Self { mut group, mut count } = *self;
        for &byte in bytes {
            let value = ALPHABET[usize::from(byte)];
            if value != SKIP {
                group = (group << 6) | u32::from(value);
                count += 1;
                if count == 4 {
                    out.extend_from_slice(&group.to_be_bytes()[1..]);
                    (group, count) = (0, 0);
                }
            } else if byte == b'=' {
                Self { group, count }.finish(out);
                (group, count) = (0, 0);
            }
        }
        *self = Self { group, count };
    }

    /// Ends an incomplete group.
    #[expect(clippy::cast_possible_truncation, reason = "the lowest eight bits are meant")]
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let Self { group, count } = std::mem::take(self);
        match count {
            2 => out.push((group >> 4) as u8),
            3 => out.extend_from_slice(&[(group >> 10) as u8, (group >> 2) as u8]),
            _ => (),
        }
    }
}

/// Decodes base64 (RFC 2045 §6.8). Other characters are skipped; padding in the middle begins a new group.
pub(super) fn base64(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() / 4 * 3 + 3);
    let mut state = Base64::default();
    state.push(bytes, &mut out);
    state.finish(&mut out);
    out
}

/// Decodes quoted-printable (RFC 2045 §6.7). An invalid escape is kept as it is.
pub(super) fn quoted_printable(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = memchr::memchr2(b'=', b'\n', rest) {
        let literal = &rest[..at];
        if rest[at] == b'\n' {
            // White space at the end of a line was added on the way, unless it is written as an escape.
            let line = literal.strip_suffix(b"\r").unwrap_or(literal);
            let blanks = line.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            out.extend_from_slice(&line[..line.len() - blanks]);
            out.extend_from_slice(&rest[line.len()..=at]);
            rest = &rest[at + 1..];
            continue;
        }
        out.extend_from_slice(literal);
        let after = &rest[at + 1..];
        if let Some(byte) = escape(after) {
            out.push(byte);
            rest = &after[2..];
        } else if let Some(skip) = soft_break(after) {
            rest = &after[skip..];
        } else {
            out.push(b'=');
            rest = after;
        }
    }
    out.extend_from_slice(rest);
    out
}

/// The byte that two hexadecimal digits stand for.
pub(super) fn escape(after: &[u8]) -> Option<u8> {
    let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// Length of the rest of a soft line break: white space up to and with the line end, or to the end of the data.
fn soft_break(after: &[u8]) -> Option<usize> {
    let blanks = after.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
    match after.get(blanks) {
        Some(b'\n') => Some(blanks + 1),
        None => Some(blanks),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn in_pieces(mut transfer: Transfer, bytes: &[u8], step: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in bytes.chunks(step) {
            transfer.push(piece, &mut out);
        }
        transfer.finish(&mut out);
        out
    }

    proptest! {
        #[test]
        fn pieces_of_any_length_add_up(
            bytes in prop::collection::vec(prop::sample::select(b"=\n\r \tA3fz+/.\xff".to_vec()), 0..300),
            step in 1..40_usize,
        ) {
            prop_assert_eq!(in_pieces(Transfer::Identity, &bytes, step), bytes.clone());
            prop_assert_eq!(in_pieces(Transfer::named("base64"), &bytes, step), base64(&bytes));
            prop_assert_eq!(in_pieces(Transfer::named("quoted-printable"), &bytes, step), quoted_printable(&bytes));
            prop_assert_eq!(in_pieces(Transfer::named("x-uuencode"), &bytes, step), uuencode::decoded(&bytes));
        }
    }

    #[test]
    fn transfer_encodings_tolerate_what_is_broken() {
        for (input, expected) in [
            (&b"eHh4"[..], &b"xxx"[..]),
            (b"eHg=\r\neHg=", b"xxxx"),
            (b"e H\n!h4", b"xxx"),
            (b"eA", b"x"),
            (b"e", b""),
        ] {
            assert_eq!(base64(input), expected);
        }
        for (input, expected) in [
            (&b"a=3Db=\r\nc"[..], &b"a=bc"[..]),
            (b"a= \nb", b"ab"),
            (b"a=ZZ=4", b"a=ZZ=4"),
            (b"a  \r\nb \n", b"a\r\nb\n"),
            (b"a=20\r\n=20 \n", b"a \r\n \n"),
            (b"a=", b"a"),
        ] {
            assert_eq!(quoted_printable(input), expected);
        }
    }

    #[test]
    fn endless_lines_take_no_memory() {
        let mut line = b"x=3D =\r\ny".repeat(20_000);
        line.retain(|byte| *byte != b'\n');
        for step in [1_000, 65_537, 200_000] {
            assert_eq!(
                in_pieces(Transfer::named("quoted-printable"), &line, step),
                quoted_printable(&line),
                "{step}"
            );
        }
        let mut transfer = Transfer::named("quoted-printable");
        let mut out = Vec::new();
        for _ in 0..1_000 {
            transfer.push(&b" ".repeat(4_096), &mut out);
            let Transfer::QuotedPrintable(waiting) = &transfer else {
                panic!("{transfer:?}")
            };
            assert!(waiting.len() <= LINE_LIMIT + 4_096);
        }
    }
}
