//! Names of files in parameters (RFC 2183 §2.3, RFC 2045 §5.1), as mail programs write them: on a line of their own, continued and in any charset
//! (RFC 2231), with encoded words (which RFC 2047 §5 forbids), with the path that the file had.

use std::collections::BTreeMap;

use super::{
    decode::{self, Assumed},
    fields::Field,
};

/// How much of a field is read, in bytes.
const FIELD_LIMIT: usize = 8 * 1024;
/// Most pieces of one name.
const PIECE_LIMIT: usize = 100;
/// Longest name, in characters.
const NAME_LIMIT: usize = 4096;

/// The value of the parameter `name`, decoded. One in the extended form goes before one for programs that do not know it.
pub(super) fn text(field: &Field<'_>, name: &str) -> Option<String> {
    let value = decode::as_utf8(&field.raw[..field.raw.len().min(FIELD_LIMIT)], field.assumed);
    // What is escaped is not seen where it is found out what a message is in.
    let assumed = match field.assumed {
        Assumed::Western => Assumed::ByLook,
        assumed => assumed,
    };
    let mut plain = None;
    let mut pieces: BTreeMap<usize, Piece> = BTreeMap::new();
    for (key, value) in Parameters(&value) {
        let Some(rest) = key
            .get(..name.len())
            .filter(|start| start.eq_ignore_ascii_case(name))
            .map(|_| &key[name.len()..])
        else {
            continue;
        };
        let (number, extended) = match rest.strip_suffix('*') {
            Some(number) => (number, true),
            None => (rest, false),
        };
        match (number.strip_prefix('*').map(str::parse::<usize>), number) {
            (None, "") if !extended => {
                plain.get_or_insert(value);
            }
            (None, "") => {
                pieces.entry(0).or_insert(Piece { value, extended });
            }
            (Some(Ok(number)), _) if number < PIECE_LIMIT => {
                pieces.entry(number).or_insert(Piece { value, extended });
            }
            _ => {}
        }
    }
    continued(&pieces, assumed).or_else(|| plain.map(|value| decode::header(&value, assumed, NAME_LIMIT)))
}

/// A part of a value that is continued, and whether it is percent-encoded.
struct Piece {
    value: Vec<u8>,
    extended: bool,
}

/// Pieces that follow each other, decoded together: programs cut within a character.
fn continued(pieces: &BTreeMap<usize, Piece>, assumed: Assumed) -> Option<String> {
    pieces.get(&0)?;
    let (mut charset, mut bytes) = (None, Vec::new());
    for (number, piece) in (0..).map_while(|number| Some((number, pieces.get(&number)?))) {
        let mut value = piece.value.as_slice();
        if number == 0 && piece.extended {
            // The charset, then a language, which nobody needs.
            let mut parts = value.splitn(3, |byte| *byte == b'\'');
            if let (Some(label), Some(_), Some(rest)) = (parts.next(), parts.next(), parts.next()) {
                charset = Some(label);
                value = rest;
            }
        }
        if piece.extended {
            bytes.extend(unescaped(value));
        } else {
            bytes.extend_from_slice(value);
        }
    }
    Some(match charset {
        Some(label) => decode::clean(&decode::text(&bytes, std::str::from_utf8(label).ok(), assumed), NAME_LIMIT),
        None => decode::header(&bytes, assumed, NAME_LIMIT),
    })
}

/// Undoes percent-encoding.
fn unescaped(value: &[u8]) -> Vec<u8> {
    let digit = |at: usize| value.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(value.len());
    let mut at = 0;
    while at < value.len() {
        match (value[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.extend(u8::try_from(high * 16 + low));
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// The parameters behind the first semicolon of a value, with their quotes and line ends undone.
struct Parameters<'a>(&'a [u8]);

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a str, Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let start = memchr::memchr(b';', self.0)? + 1;
            let rest = &self.0[start..];
            let end = rest.iter().position(|byte| matches!(byte, b'=' | b';')).unwrap_or(rest.len());
            let key = std::str::from_utf8(rest[..end].trim_ascii());
            if rest.get(end) != Some(&b'=') {
                // Not a parameter; the next one may begin here.
                self.0 = &rest[end..];
                if rest[end..].is_empty() {
                    return None;
                }
                continue;
            }
            let (value, after) = value(rest[end + 1..].trim_ascii_start());
            self.0 = after;
            if let Ok(key) = key {
                return Some((key, value));
            }
        }
    }
}

/// The value at the beginning of `input`, and what follows it.
fn value(input: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut out = Vec::new();
    let Some(quoted) = input.strip_prefix(b"\"") else {
        let end = memchr::memchr(b';', input).unwrap_or(input.len());
        let bytes = input[..end].trim_ascii_end().iter();
        out.extend(bytes.filter(|byte| !matches!(byte, b'\r' | b'\n')));
        return (out, &input[end..]);
    };
    let mut at = 0;
    while let Some(&byte) = quoted.get(at) {
        at += 1;
        match (byte, quoted.get(at)) {
            (b'"', _) => break,
            // A path of Windows has single ones before anything else.
            (b'\\', Some(escaped @ (b'"' | b'\\'))) => {
                out.push(*escaped);
                at += 1;
            }
            (b'\r' | b'\n', _) => {}
            _ => out.push(byte),
        }
    }
    (out, &quoted[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &[u8], expected: Option<&str>) {
        let field = Field::new("", raw);
        assert_eq!(text(&field, "filename").as_deref(), expected, "{}", String::from_utf8_lossy(raw));
    }

    #[test]
    fn names_are_read_however_they_are_written() {
        for (value, expected) in [
            ("attachment; filename=a.pdf", "a.pdf"),
            ("attachment; filename=a b.pdf ; size=7", "a b.pdf"),
            ("attachment; FileName = \"a;b.pdf\"; size=7", "a;b.pdf"),
            (
                "attachment;\r\n\tfilename=\r\n\t\"=?utf-8?B?UHLDvGYucGRm?=\"; size=7",
                "Pr\u{fc}f.pdf",
            ),
            ("attachment; filename=\"a\r\n b.pdf\"", "a b.pdf"),
            ("attachment; filename=\"size \\\"L\\\".pdf\"", "size \"L\".pdf"),
            ("attachment; filename=\"C:\\TEMP\\a.pdf\"", "C:\\TEMP\\a.pdf"),
            (
                "attachment; filename=\"plain.pdf\"; filename*=utf-8''Pr%C3%BCf.pdf",
                "Pr\u{fc}f.pdf",
            ),
            ("attachment; filename*=iso-8859-1'de'Pr%FCf.pdf", "Pr\u{fc}f.pdf"),
            // The extended form without what makes it one.
            ("attachment; filename*=\"=?utf-8?Q?Pr=C3=BCf.pdf?=\"", "Pr\u{fc}f.pdf"),
            ("attachment; filename*=Pr%C3%BCf.pdf", "Pr\u{fc}f.pdf"),
            (
                "attachment; filename*=''%CE%F2%F7%E5%F2%20%E7%E0%20%EC%E0%F0%F2.pdf",
                "\u{41e}\u{442}\u{447}\u{435}\u{442} \u{437}\u{430} \u{43c}\u{430}\u{440}\u{442}.pdf",
            ),
            (
                "attachment; filename*0*=utf-8''Gr%C3; filename*1*=%B6%C3%9Fe; filename*2=.pdf",
                "Gr\u{f6}\u{df}e.pdf",
            ),
            ("attachment; filename*1=b.pdf; filename*0=a", "ab.pdf"),
            (
                "attachment; filename*0=\"=?utf-8?Q?Gr=C3=B6\"; filename*1=\"=C3=9Fe?=\"",
                "Gr\u{f6}\u{df}e",
            ),
            (
                "attachment; filename=\"=?iso-8859-1?Q?Gr=F6=DFen?= =?utf-8?Q?tabelle_f=C3=BCr.pdf?=\"",
                "Gr\u{f6}\u{df}entabelle f\u{fc}r.pdf",
            ),
            ("attachment; junk; filename=a.pdf", "a.pdf"),
            ("attachment; filename=\"open", "open"),
            ("attachment; filename=", ""),
        ] {
            check(value.as_bytes(), Some(expected));
        }
        check(b"attachment; filename=\"\xe4.pdf\"", Some("\u{e4}.pdf"));
        for value in [
            "attachment",
            "attachment; name=a",
            "attachment; filename2=a",
            "; ; =",
            "filename=a",
            "",
        ] {
            check(value.as_bytes(), None);
        }
    }

    #[test]
    fn hostile_values_end() {
        check("; filename*0=a".repeat(10_000).as_bytes(), Some("a"));
        check(";".repeat(100_000).as_bytes(), None);
        check(b"; filename*99999999999999999999=a; filename*=%; filename*0*='", Some("%"));
    }
}
