//! Bytes to text: charsets and values of header fields. Everything here is tolerant and linear.

use std::borrow::Cow;

use encoding_rs::{Decoder, UTF_8};

use super::{
    charset::{self, Charset},
    encoded_words, undeclared, upper_half,
};
use crate::domain::misleads;

/// So many characters of several bytes do not come about by chance in a charset in which most characters have two.
const NO_CHANCE: usize = 4;

/// What bytes are read as that are not UTF-8 and have no label that says more.
#[derive(Clone, Copy, Default)]
pub(super) enum Assumed {
    /// As windows-1252, which costs nothing.
    #[default]
    Western,
    /// In the charset that they look like.
    ByLook,
    /// In the charset of the message.
    As(Charset),
}

/// Decodes text in the charset `label`.
///
/// Without a label, with an unknown one, or with one that the bytes contradict, it is decoded as UTF-8 if most of it is valid,
/// and otherwise as what is `assumed`.
pub(super) fn text<'a>(bytes: &'a [u8], label: Option<&str>, assumed: Assumed) -> Cow<'a, str> {
    text_within(bytes, label, assumed, usize::MAX)
}

/// The same, for at most about `limit` bytes of text: text can be three times as long as the bytes it is decoded from.
fn text_within<'a>(bytes: &'a [u8], label: Option<&str>, assumed: Assumed, limit: usize) -> Cow<'a, str> {
    match label.and_then(charset::named) {
        Some(charset) if !is_utf8_in_spite_of(bytes, charset) => in_charset(bytes, charset, limit),
        _ => guessed(bytes, assumed, limit),
    }
}

/// Text in the charset `label`, or without one that says more, in UTF-8, with a replacement for each fault.
pub(super) fn strictly<'a>(bytes: &'a [u8], label: Option<&str>) -> Cow<'a, str> {
    match label.and_then(charset::named) {
        Some(charset) => in_charset(bytes, charset, usize::MAX),
        None => String::from_utf8_lossy(bytes),
    }
}

/// Text in a charset, at most about `limit` bytes.
pub(super) fn in_charset(bytes: &[u8], charset: Charset, limit: usize) -> Cow<'_, str> {
    match charset {
        Charset::Web(encoding) if fits(bytes, limit) => encoding.decode(bytes).0,
        Charset::Web(encoding) => decoded(bytes, encoding.new_decoder(), limit).into(),
        Charset::SevenBit(decode) | Charset::Other(decode) => decode(&bytes[..bytes.len().min(limit)]).into(),
        Charset::UpperHalf(upper) => upper_half::decoded(&bytes[..bytes.len().min(limit)], upper).into(),
        Charset::Dos(table) => table.decode_string_lossy(&bytes[..bytes.len().min(limit)]).into(),
    }
}

/// Whether bytes are UTF-8 beyond doubt, whatever their label says.
fn is_utf8_in_spite_of(bytes: &[u8], charset: Charset) -> bool {
    if bytes.is_ascii() || std::str::from_utf8(bytes).is_err() {
        return false;
    }
    // Characters of several bytes do not come about by chance where each is one, or where all bytes are ASCII.
    charset.is_single_byte() || charset.is_seven_bit() || bytes.iter().filter(|byte| **byte >= 0xC0).nth(NO_CHANCE - 1).is_some()
}

/// The text of the beginning of a body, cut to about `limit` bytes.
pub(super) fn beginning<'a>(bytes: Cow<'a, [u8]>, label: Option<&str>, assumed: Assumed, limit: usize) -> Cow<'a, str> {
    match bytes {
        Cow::Borrowed(bytes) => text_within(bytes, label, assumed, limit),
        Cow::Owned(bytes) => owned_text(bytes, label, assumed, limit).into(),
    }
}

/// The same for owned bytes, which are not copied if they are already the text.
fn owned_text(bytes: Vec<u8>, label: Option<&str>, assumed: Assumed, limit: usize) -> String {
    let mark = match text_within(&bytes, label, assumed, limit) {
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

fn guessed(bytes: &[u8], assumed: Assumed, limit: usize) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Some(charset) = charset::escaped(bytes) {
            return in_charset(bytes, charset, limit);
        }
        return Cow::Borrowed(text.strip_prefix('\u{feff}').unwrap_or(text));
    }
    if is_mostly_utf8(bytes, assumed) {
        if fits(bytes, limit) {
            return String::from_utf8_lossy(bytes);
        }
        return decoded(bytes, UTF_8.new_decoder_without_bom_handling(), limit).into();
    }
    let charset = match assumed {
        Assumed::Western => Charset::Web(encoding_rs::WINDOWS_1252),
        Assumed::ByLook => undeclared::look(bytes),
        Assumed::As(charset) => charset,
    };
    in_charset(bytes, charset, limit)
}

/// Whether more characters of several bytes are whole than broken: three times as many where other charsets than windows-1252 come into
/// question, in which whole ones come about by chance.
pub(super) fn is_mostly_utf8(bytes: &[u8], assumed: Assumed) -> bool {
    let (mut good, mut bad) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().bytes().filter(|byte| *byte >= 0xC0).count();
        bad += usize::from(!chunk.invalid().is_empty());
    }
    match assumed {
        Assumed::Western => good > bad,
        Assumed::ByLook | Assumed::As(_) => good >= 3 * bad,
    }
}

/// The value of a header field in UTF-8, with encoded words as they are, but for bytes beyond ASCII in them, which belong to the charset of
/// their word.
pub(super) fn as_utf8(value: &[u8], assumed: Assumed) -> Cow<'_, [u8]> {
    let escaped = || charset::escaped(value).is_some();
    if std::str::from_utf8(value).is_ok() && !escaped() {
        return value.into();
    }
    let value = encoded_words::with_escaped_bytes(value);
    text(&value, None, assumed).into_owned().into_bytes().into()
}

/// Decodes the value of an unstructured header field: unfolds it (RFC 5322 §2.2.3), decodes encoded words (RFC 2047), removes control
/// characters and white space around it. At most `limit` characters.
pub(super) fn header(value: &[u8], assumed: Assumed, limit: usize) -> String {
    // A character takes at most a few bytes even when encoded; the rest of a very long line is not decoded.
    let value = &value[..value.len().min(limit.saturating_mul(32))];
    let value = as_utf8(value, assumed);
    let value = String::from_utf8_lossy(&value);
    clean(&encoded_words::decoded(&value, assumed), limit)
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
            assert_eq!(header(value, Assumed::Western, 998), expected, "{}", String::from_utf8_lossy(value));
        }
        assert_eq!(header(&[b'x'; 5000], Assumed::Western, 998).len(), 998);
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
            assert_eq!(text(bytes, label, Assumed::Western), expected);
        }
    }
}
