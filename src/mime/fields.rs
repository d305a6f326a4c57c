//! Header fields: where they begin and end, not what they mean.

use std::borrow::Cow;

use super::decode;

/// Most fields of one header; the rest is skipped.
const FIELD_LIMIT: usize = 2_000;
/// Longest value that is read, in bytes.
pub(super) const VALUE_LIMIT: usize = 256 * 1024;
/// Lines in the middle of a header that are not fields: more of them in a row mean that the text has begun.
const JUNK_LIMIT: usize = 3;

/// A header field.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    /// Its name as written.
    pub name: &'a str,
    /// Its value, still folded, with the line end if there is one.
    pub raw: &'a [u8],
}

impl<'a> Field<'a> {
    /// The value as the parsers of mail-parser want it: UTF-8, ending with a line end.
    pub fn for_parser(&self) -> Cow<'a, [u8]> {
        let ends = self.raw.last() == Some(&b'\n');
        match std::str::from_utf8(self.raw) {
            Ok(_) if ends => Cow::Borrowed(self.raw),
            _ => {
                let mut text = decode::text(&decode::with_escaped_words(self.raw), None).into_owned();
                if !ends {
                    text.push('\n');
                }
                Cow::Owned(text.into_bytes())
            }
        }
    }

    /// The value, unfolded and decoded, at most `limit` characters.
    pub fn text(&self, limit: usize) -> String {
        decode::header(self.raw, limit)
    }
}

/// The fields of a header in their order.
#[derive(Default)]
pub(super) struct Fields<'a>(pub Vec<Field<'a>>);

impl<'a> Fields<'a> {
    /// Splits `raw` into the fields of its header and the position where the body begins.
    ///
    /// A leading mbox "From " line and lines that are not fields are skipped, unless they look like the beginning of a text
    /// without an empty line before it.
    pub fn split(raw: &'a [u8]) -> (Self, usize) {
        Self::split_within(raw, FIELD_LIMIT)
    }

    /// Like [`Self::split`], but for at most the first `limit` fields.
    pub fn split_within(raw: &'a [u8], limit: usize) -> (Self, usize) {
        let mut fields: Vec<Field<'a>> = Vec::new();
        let mut value_start = 0;
        let mut at = 0;
        while at < raw.len() {
            let end = line_end(raw, at);
            let line = &raw[at..end];
            if is_blank(line) {
                return (Self(fields), end);
            }
            if matches!(line[0], b' ' | b'\t') {
                if let Some(field) = fields.last_mut().filter(|_| value_start != 0) {
                    field.raw = &raw[value_start..end.min(value_start + VALUE_LIMIT)];
                }
            } else if let Some((name, colon)) = name(line) {
                if fields.len() == limit {
                    // The rest is not used, so it need not be read line by line.
                    return (Self(fields), after_empty_line(raw, at));
                }
                value_start = at + colon + 1;
                fields.push(Field {
                    name,
                    raw: &raw[value_start..end.min(value_start + VALUE_LIMIT)],
                });
            } else {
                value_start = 0;
                if !is_from_line(line) && !fields_follow(raw, end) {
                    return (Self(fields), at);
                }
            }
            at = end;
        }
        (Self(fields), raw.len())
    }

    /// Every field of that name, topmost first.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = Field<'a>> + 's {
        self.0.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).copied()
    }

    /// The topmost field of that name.
    pub fn first(&self, name: &str) -> Option<Field<'a>> {
        self.0.iter().find(|field| field.name.eq_ignore_ascii_case(name)).copied()
    }

    /// The value of the topmost field of that name, unfolded and decoded, in lower case. Empty when there is none.
    pub fn lower(&self, name: &str) -> String {
        self.first(name).map(|field| field.text(998).to_lowercase()).unwrap_or_default()
    }
}

/// Position after the line that begins at `at`.
pub(super) fn line_end(raw: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &raw[at..]).map_or(raw.len(), |length| at + length + 1)
}

/// Whether a line is a separator of an mbox file.
pub(super) fn is_from_line(line: &[u8]) -> bool {
    line.starts_with(b"From ") || line.starts_with(b">From ")
}

/// Position after the next empty line.
fn after_empty_line(raw: &[u8], at: usize) -> usize {
    let end = memchr::memmem::find(&raw[at..], b"\n\n").map_or(raw.len(), |end| at + end + 2);
    memchr::memmem::find(&raw[at..end], b"\n\r\n").map_or(end, |earlier| at + earlier + 3)
}

fn is_blank(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n" | b"\r")
}

/// The name of the field that a line begins and the position of its colon. RFC 5322 §4.5 lets white space precede the colon.
pub(super) fn name(line: &[u8]) -> Option<(&str, usize)> {
    let colon = memchr::memchr(b':', &line[..line.len().min(256)])?;
    let name = line[..colon].trim_ascii_end();
    let valid = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    valid.then(|| std::str::from_utf8(name).ok()).flatten().map(|name| (name, colon))
}

fn fields_follow(raw: &[u8], mut at: usize) -> bool {
    for _ in 0..JUNK_LIMIT {
        let end = line_end(raw, at);
        let line = &raw[at..end];
        if line.is_empty() || is_blank(line) {
            return false;
        }
        if name(line).is_some() {
            return true;
        }
        at = end;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: &[(&str, &str)], body: &str) {
        let (fields, at) = Fields::split(raw.as_bytes());
        let found: Vec<(&str, String)> = fields.0.iter().map(|field| (field.name, field.text(100))).collect();
        let expected: Vec<(&str, String)> = expected.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        assert_eq!((found, &raw[at..]), (expected, body), "{raw:?}");
    }

    #[test]
    fn headers_end_at_the_empty_line() {
        check("A: 1\r\nB: 2\r\n 3\r\n\r\nbody", &[("A", "1"), ("B", "2 3")], "body");
        check("A: 1\nB : 2\n\nbody", &[("A", "1"), ("B", "2")], "body");
        check("A: 1", &[("A", "1")], "");
        check("\nbody", &[], "body");
        check("", &[], "");
    }

    #[test]
    fn broken_headers_are_read_as_far_as_possible() {
        check("From x@y Mon\nA: 1\n\nb", &[("A", "1")], "b");
        check("A: 1\njunk line\nB: 2\n\nb", &[("A", "1"), ("B", "2")], "b");
        check(
            "A: 1\nthe text begins\nwithout an empty line\n",
            &[("A", "1")],
            "the text begins\nwithout an empty line\n",
        );
        check(" continues nothing\nA: 1\n\n", &[("A", "1")], "");
    }

    #[test]
    fn values_for_the_parser_are_utf8_with_a_line_end() {
        let (fields, _) = Fields::split(b"A: caf\xe9");
        assert_eq!(fields.0[0].for_parser().as_ref(), " caf\u{e9}\n".as_bytes());
    }

    #[test]
    fn floods_are_cut() {
        let raw = "A: 1\n".repeat(FIELD_LIMIT + 10) + "\nbody";
        let (fields, at) = Fields::split(raw.as_bytes());
        assert_eq!((fields.0.len(), &raw[at..]), (FIELD_LIMIT, "body"));
        for (raw, body) in [
            ("A: 1\r\nB: 2\r\n\r\nb\n\nc", "b\n\nc"),
            ("A: 1\nB: 2\n\nb\r\n\r\nc", "b\r\n\r\nc"),
            ("A: 1\nB: 2", ""),
        ] {
            let (fields, at) = Fields::split_within(raw.as_bytes(), 1);
            assert_eq!((fields.0.len(), &raw[at..]), (1, body));
        }
        let long = format!("A: {}\n\n", "x".repeat(VALUE_LIMIT * 2));
        assert_eq!(Fields::split(long.as_bytes()).0.0[0].raw.len(), VALUE_LIMIT);
    }
}
