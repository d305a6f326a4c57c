//! Bytes to text: charsets and encoded words (RFC 2047). Everything here is tolerant and linear.

use std::borrow::Cow;

use encoding_rs::{Decoder, UTF_8};

use super::{
    charset::{self, Charset},
    transfer::{base64, escape},
};
use crate::domain::misleads;

/// Longest encoded word that is decoded, in bytes. RFC 2047 §2 allows 75; senders that do not fold write whole subjects.
const WORD_LIMIT: usize = 4096;

/// Decodes text in the charset `label`.
///
/// Without a label, with an unknown one, or with one that the bytes contradict, it is decoded as UTF-8 if most of it is valid,
/// and otherwise as windows-1252.
pub(super) fn text<'a>(bytes: &'a [u8], label: Option<&str>) -> Cow<'a, str> {
    text_within(bytes, label, usize::MAX)
}

/// The same, for at most about `limit` bytes of text: text can be three times as long as the bytes it is decoded from.
fn text_within<'a>(bytes: &'a [u8], label: Option<&str>, limit: usize) -> Cow<'a, str> {
    let Some(charset) = label.and_then(charset::named) else {
        return guessed(bytes, limit);
    };
    if charset.is_single_byte() && is_utf8_beyond_ascii(bytes) {
        // Characters of several bytes do not come about by chance where each is one.
        return guessed(bytes, limit);
    }
    in_charset(bytes, charset, limit)
}

fn in_charset(bytes: &[u8], charset: Charset, limit: usize) -> Cow<'_, str> {
    match charset {
        Charset::Web(encoding) if fits(bytes, limit) => encoding.decode(bytes).0,
        Charset::Web(encoding) => decoded(bytes, encoding.new_decoder(), limit).into(),
        Charset::Other(decode) => decode(&bytes[..bytes.len().min(limit)]).into(),
        Charset::Dos(table) => table.decode_string_lossy(&bytes[..bytes.len().min(limit)]).into(),
    }
}

fn is_utf8_beyond_ascii(bytes: &[u8]) -> bool {
    !bytes.is_ascii() && std::str::from_utf8(bytes).is_ok()
}

/// The text of the beginning of a body, cut to about `limit` bytes.
pub(super) fn beginning<'a>(bytes: Cow<'a, [u8]>, label: Option<&str>, limit: usize) -> Cow<'a, str> {
    match bytes {
        Cow::Borrowed(bytes) => text_within(bytes, label, limit),
        Cow::Owned(bytes) => owned_text(bytes, label, limit).into(),
    }
}

/// The same for owned bytes, which are not copied if they are already the text.
fn owned_text(bytes: Vec<u8>, label: Option<&str>, limit: usize) -> String {
    let mark = match text_within(&bytes, label, limit) {
        // The decoder borrows if the bytes are already UTF-8, apart from a byte order mark before them.
        Cow::Borrowed(text) => bytes.len() - text.len(),
        Cow::Owned(text) => return text,
    };
    let mut text = String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    text.drain(..mark);
    text
}

/// Whether the text of some bytes has at most `limit` bytes in any charset.
fn fits(bytes: &[u8], limit: usize) -> bool {
    bytes.len() <= limit / 3
}

/// What a decoder makes of the first bytes, at most `limit` bytes.
fn decoded(bytes: &[u8], mut decoder: Decoder, limit: usize) -> String {
    let whole = decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(usize::MAX);
    let mut out = String::with_capacity(whole.min(limit));
    // It stops when the buffer is full.
    let _ended = decoder.decode_to_string(bytes, &mut out, true);
    out
}

fn guessed(bytes: &[u8], limit: usize) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Some(charset) = charset::escaped(bytes) {
            return in_charset(bytes, charset, limit);
        }
        return Cow::Borrowed(text.strip_prefix('\u{feff}').unwrap_or(text));
    }
    let (mut good, mut bad) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().bytes().filter(|byte| *byte >= 0xC0).count();
        bad += usize::from(!chunk.invalid().is_empty());
    }
    match good > bad {
        true if fits(bytes, limit) => String::from_utf8_lossy(bytes),
        true => decoded(bytes, UTF_8.new_decoder_without_bom_handling(), limit).into(),
        false if fits(bytes, limit) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0,
        false => decoded(bytes, encoding_rs::WINDOWS_1252.new_decoder_without_bom_handling(), limit).into(),
    }
}

/// Decodes the value of an unstructured header field: unfolds it (RFC 5322 §2.2.3), decodes encoded words (RFC 2047; white space
/// between two adjacent ones is dropped, §6.2), removes control characters and white space around it. At most `limit` characters.
pub(super) fn header(value: &[u8], limit: usize) -> String {
    // A character takes at most a few bytes even when encoded; the rest of a very long line is not decoded.
    let value = &value[..value.len().min(limit.saturating_mul(32))];
    let plain = memchr::memmem::find(value, b"=?").is_none();
    if plain {
        return clean(&guessed(value, usize::MAX), limit);
    }
    clean(&words(value), limit)
}

/// Removes control characters (white space becomes a space, line ends are dropped) and everything beyond `limit` characters.
pub(super) fn clean(text: &str, limit: usize) -> String {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    if text.len() <= limit && text.bytes().all(|byte| (0x20..0x7F).contains(&byte)) {
        return text.to_owned();
    }
    let kept = text.chars().filter_map(|c| match c {
        '\t' | '\u{2028}' | '\u{2029}' => Some(' '),
        c if c.is_control() => None,
        c => Some(c),
    });
    let cleaned: String = kept.take(limit).collect();
    cleaned.trim_end().to_owned()
}

/// Whether a character can only be deceptive in a name chosen by somebody else: one that misleads anywhere, or that does not occur in
/// names.
pub(super) fn deceives(c: char) -> bool {
    misleads(c)
        || matches!(c,
            '\u{34F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180D}' | '\u{3164}' | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFF8}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0080}'..='\u{E0FFF}')
}

/// Bytes of adjacent encoded words in one charset, decoded together: senders split characters between words.
#[derive(Default)]
struct Pending<'a> {
    charset: &'a [u8],
    bytes: Vec<u8>,
}

impl Pending<'_> {
    fn flush(&mut self, out: &mut String) {
        if !self.bytes.is_empty() {
            out.push_str(&text(&self.bytes, std::str::from_utf8(self.charset).ok()));
            self.bytes.clear();
        }
    }
}

fn words(value: &[u8]) -> String {
    let mut out = String::with_capacity(value.len());
    let mut pending = Pending::default();
    let mut rest = value;
    let mut after_word = false;
    while let Some(at) = memchr::memmem::find(rest, b"=?") {
        let Some(word) = word(&rest[at..]) else {
            pending.flush(&mut out);
            out.push_str(&guessed(&rest[..at + 2], usize::MAX));
            rest = &rest[at + 2..];
            after_word = false;
            continue;
        };
        let between = &rest[..at];
        if !(after_word && between.iter().all(u8::is_ascii_whitespace)) {
            pending.flush(&mut out);
            out.push_str(&guessed(between, usize::MAX));
        }
        // A word that begins by switching its character set (ISO 2022) is complete in itself, and decoders treat two switches in a row,
        // at the end of one word and the beginning of the next, as an error.
        if !word.charset.eq_ignore_ascii_case(pending.charset) || word.bytes.starts_with(b"\x1b") {
            pending.flush(&mut out);
            pending.charset = word.charset;
        }
        pending.bytes.extend_from_slice(&word.bytes);
        rest = &rest[at + word.length..];
        after_word = true;
    }
    pending.flush(&mut out);
    out.push_str(&guessed(rest, usize::MAX));
    out
}

struct Word<'a> {
    charset: &'a [u8],
    bytes: Vec<u8>,
    length: usize,
}

/// The encoded word at the beginning of `input`, which begins with `=?`.
fn word(input: &[u8]) -> Option<Word<'_>> {
    let input = &input[..input.len().min(WORD_LIMIT)];
    let charset_end = 2 + memchr::memchr(b'?', &input[2..])?;
    let charset = &input[2..charset_end];
    if charset.is_empty() || charset.len() > 64 || !charset.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    // RFC 2231 §5: a language may follow the charset.
    let charset = charset.split(|byte| *byte == b'*').next()?;
    let encoding = *input.get(charset_end + 1)?;
    if input.get(charset_end + 2) != Some(&b'?') {
        return None;
    }
    let data_start = charset_end + 3;
    let data_end = data_start + memchr::memmem::find(&input[data_start..], b"?=")?;
    let data = &input[data_start..data_end];
    let bytes = match encoding {
        b'B' | b'b' => base64(data),
        b'Q' | b'q' => word_quoted_printable(data),
        _ => return None,
    };
    Some(Word {
        charset,
        bytes,
        length: data_end + 2,
    })
}

/// A value in whose "Q"-encoded words all bytes beyond ASCII are escaped: those that senders leave as they are belong to the charset of their
/// word, whatever the rest is in.
pub(super) fn with_escaped_words(value: &[u8]) -> Cow<'_, [u8]> {
    let mut out = Vec::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(start) = memchr::memmem::find(&value[at..], b"=?").map(|offset| at + offset) {
        let Some(word) = word(&value[start..]) else {
            at = start + 2;
            continue;
        };
        at = start + word.length;
        let written = &value[start..at];
        let encoding = written.split(|byte| *byte == b'?').nth(2);
        if encoding.is_some_and(|encoding| encoding.eq_ignore_ascii_case(b"q")) && !written.is_ascii() {
            out.extend_from_slice(&value[copied..start]);
            for byte in written {
                match byte {
                    0x80.. => out.extend_from_slice(format!("={byte:02X}").as_bytes()),
                    _ => out.push(*byte),
                }
            }
            copied = at;
        }
    }
    if copied == 0 {
        return value.into();
    }
    out.extend_from_slice(&value[copied..]);
    out.into()
}

/// The "Q" encoding (RFC 2047 §4.2). Line ends inside, left by a sender that folded within the word, are dropped.
fn word_quoted_printable(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut rest = data;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'_' => out.push(b' '),
            b'\r' | b'\n' => (),
            b'=' => match escape(after) {
                Some(decoded) => {
                    out.push(decoded);
                    rest = &after[2..];
                }
                None => out.push(b'='),
            },
            other => out.push(other),
        }
    }
    out
}

/// The beginning of a character that is cut in two at the end of these bytes, if they are UTF-8; otherwise their end.
pub(super) fn whole_characters(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(4);
    let begins = |byte: &u8| byte & 0xC0 != 0x80;
    let last = bytes[tail..].iter().rposition(begins).map_or(bytes.len(), |at| tail + at);
    match std::str::from_utf8(&bytes[last..]) {
        Err(error) if error.error_len().is_none() => last,
        _ => bytes.len(),
    }
}

/// Cuts `text` to at most `limit` bytes, at a character boundary.
pub(super) fn cut(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let end = (0..=limit).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_unfolded_and_decoded() {
        for (value, expected) in [
            (&b" plain subject\r\n"[..], "plain subject"),
            (b"folded\r\n and\r\n\tmore", "folded and more"),
            (b"=?utf-8?Q?Gr=C3=BC=C3=9Fe?= x", "Gr\u{fc}\u{df}e x"),
            (b"=?ISO-8859-1?q?a?= =?ISO-8859-1?q?b?=", "ab"),
            (b"=?ISO-8859-1?Q?a?=\r\n =?ISO-8859-1?Q?_b?=", "a b"),
            (b"=?utf-8?B?w7?= =?utf-8?B?w7zDnw==?=", "\u{fffd}\u{fc}\u{df}"),
            // A character split between two words.
            (b"=?utf-8?Q?=C3?= =?utf-8?Q?=BC?=", "\u{fc}"),
            (b"=?utf-8?b?w7w=?==?iso-8859-1?q?=FC?=", "\u{fc}\u{fc}"),
            (b"a =?utf-8?Q?b?= c", "a b c"),
            (b"=?x-unknown?Q?caf=E9?=", "caf\u{e9}"),
            (b"=?utf-8?X?abc?=", "=?utf-8?X?abc?="),
            (b"=?utf-8?Q?open", "=?utf-8?Q?open"),
            (b"=?utf-8?Q?with blank?=", "with blank"),
            (b"=?utf-8*de?Q?a?=", "a"),
            (b"caf\xe9", "caf\u{e9}"),
            (b"caf\xc3\xa9", "caf\u{e9}"),
            (b"=?utf-8?Q?CS-1=0D=0ABcc:_x?=", "CS-1Bcc: x"),
            (b"nul\0inside", "nulinside"),
            (b"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "\u{65e5}\u{672c}"),
            (
                b"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=\r\n =?ISO-2022-JP?B?GyRCRnxLXBsoQg==?=",
                "\u{65e5}\u{672c}\u{65e5}\u{672c}",
            ),
            (b"=?", "=?"),
            (b"", ""),
        ] {
            assert_eq!(header(value, 998), expected, "{}", String::from_utf8_lossy(value));
        }
        assert_eq!(header(&[b'x'; 5000], 998).len(), 998);
    }

    #[test]
    fn charsets_are_guessed_when_the_label_does_not_help() {
        for (bytes, label, expected) in [
            (&b"caf\xe9"[..], None, "caf\u{e9}"),
            (b"caf\xe9", Some("utf-8"), "caf\u{e9}"),
            (b"caf\xc3\xa9", Some("us-ascii"), "caf\u{e9}"),
            (b"caf\xc3\xa9 caf\xc3\xa9 \xc3", Some("us-ascii"), "caf\u{e9} caf\u{e9} \u{fffd}"),
            (b"caf\xc3\xa9", Some("iso-8859-2"), "caf\u{e9}"),
            (b"\x1b$B4A\x1b(B", None, "\u{6f22}"),
            (b"caf\xe9", Some("iso-8859-1"), "caf\u{e9}"),
            (b"\xef\xbb\xbfx", Some("UTF-8"), "x"),
            (b"+ZYeB9FH6ckh5Pg-", Some("utf-7"), "\u{6587}\u{81f4}\u{51fa}\u{7248}\u{793e}"),
            (b"x", Some("no-such-charset"), "x"),
        ] {
            assert_eq!(text(bytes, label), expected);
        }
    }
}
