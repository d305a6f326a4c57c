//! Encoded words (RFC 2047), as programs write them: too long, glued to text, within quotes, with characters that are cut in two.

use std::borrow::Cow;

use memchr::memmem;

use super::{
    decode::{self, Assumed},
    transfer::{base64, escape},
};

/// Longest name of a charset, with the language behind it (RFC 2231 §5), in bytes.
const LABEL_LIMIT: usize = 64;
/// Characters of ASCII from words of an address field stand here, in a plane for private use, so that they have no meaning in its grammar.
const HIDDEN: u32 = 0xF_0000;

/// Decodes the encoded words of a value. White space between two adjacent ones is dropped (§6.2).
pub(super) fn decoded(value: &str, assumed: Assumed) -> Cow<'_, str> {
    replaced(value, assumed, str::to_owned)
}

/// The same, with all punctuation and white space that words contain hidden from the grammar of addresses: what a word says is a name,
/// whatever it looks like.
pub(super) fn hidden(value: &str, assumed: Assumed) -> Cow<'_, str> {
    let hide = |c: char| match c {
        '\0'..='\x7F' if !c.is_ascii_alphanumeric() => char::from_u32(HIDDEN + u32::from(c)).unwrap_or(c),
        _ => c,
    };
    replaced(value, assumed, |text| text.chars().map(hide).collect())
}

/// Undoes [`hidden`].
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    let show = |c: char| {
        let ascii = u32::from(c).checked_sub(HIDDEN).filter(|code| *code < 0x80);
        ascii.and_then(char::from_u32).unwrap_or(c)
    };
    if text.chars().all(|c| show(c) == c) {
        return text.into();
    }
    text.chars().map(show).collect()
}

/// The encoded words of a value, in their order.
pub(super) fn words(value: &[u8]) -> impl Iterator<Item = Word<'_>> {
    Words::new(value).map(|(_, word)| word)
}

/// A value in whose "Q"-encoded words all bytes beyond ASCII are escaped: those that senders leave as they are belong to the charset of their
/// word, whatever the rest is in.
pub(super) fn with_escaped_bytes(value: &[u8]) -> Cow<'_, [u8]> {
    let mut out = Vec::new();
    let mut copied = 0;
    for (at, word) in Words::new(value) {
        let end = at + word.length;
        let written = &value[at..end];
        if word.is_base64 || written.is_ascii() {
            continue;
        }
        out.extend_from_slice(&value[copied..at]);
        for byte in written {
            match byte {
                0x80.. => out.extend_from_slice(format!("={byte:02X}").as_bytes()),
                _ => out.push(*byte),
            }
        }
        copied = end;
    }
    if copied == 0 {
        return value.into();
    }
    out.extend_from_slice(&value[copied..]);
    out.into()
}

fn replaced(value: &str, assumed: Assumed, show: impl Fn(&str) -> String) -> Cow<'_, str> {
    let mut words = Words::new(value.as_bytes()).peekable();
    if words.peek().is_none() {
        return value.into();
    }
    let mut out = String::with_capacity(value.len());
    let mut pending = Pending::default();
    let mut copied = 0;
    for (at, word) in words {
        let between = &value[copied..at];
        let adjacent = copied > 0 && between.bytes().all(|byte| byte.is_ascii_whitespace());
        let bytes = word.bytes();
        if !adjacent || !pending.continues_with(&word, &bytes) {
            out.push_str(&show(&pending.text(assumed)));
            pending = Pending::default();
        }
        if !adjacent {
            out.push_str(between);
        }
        copied = at + word.length;
        pending.add(&word, &bytes);
    }
    out.push_str(&show(&pending.text(assumed)));
    out.push_str(&value[copied..]);
    out.into()
}

/// Adjacent encoded words in one charset, decoded together: senders split characters between words.
#[derive(Default)]
struct Pending<'a> {
    charset: &'a [u8],
    bytes: Vec<u8>,
    /// The same as one piece of base64.
    base64: Vec<u8>,
    /// Whether a word ends within a group of base64 although another one follows.
    is_cut: bool,
    /// Whether not all of it is base64.
    is_mixed: bool,
}

impl<'a> Pending<'a> {
    /// A word that begins by switching its character set (ISO 2022) is complete in itself, and decoders treat two switches in a row, at the
    /// end of one word and the beginning of the next, as an error.
    fn continues_with(&self, word: &Word<'_>, bytes: &[u8]) -> bool {
        word.charset.eq_ignore_ascii_case(self.charset) && !bytes.starts_with(b"\x1b")
    }

    fn add(&mut self, word: &Word<'a>, bytes: &[u8]) {
        self.charset = word.charset;
        self.is_cut |= !self.base64.len().is_multiple_of(4);
        self.is_mixed |= !word.is_base64;
        self.bytes.extend_from_slice(bytes);
        self.base64.extend(word.data.iter().filter(|byte| !byte.is_ascii_whitespace()));
    }

    fn text(&self, assumed: Assumed) -> String {
        let label = std::str::from_utf8(self.charset).ok();
        if self.is_cut && !self.is_mixed {
            // Either each word lacks its padding, or the base64 of the whole was cut somewhere.
            let joined = base64(&self.base64);
            let faults = |bytes: &[u8]| faults(&decode::strictly(bytes, label));
            if faults(&joined) < faults(&self.bytes) {
                return decode::text(&joined, label, assumed).into_owned();
            }
        }
        decode::text(&self.bytes, label, assumed).into_owned()
    }
}

/// How many characters of a text are none that somebody wrote.
fn faults(text: &str) -> usize {
    text.chars().filter(|c| c.is_control() || *c == char::REPLACEMENT_CHARACTER).count()
}

/// An encoded word.
pub(super) struct Word<'a> {
    /// Its charset, without a language.
    charset: &'a [u8],
    /// What is between the marks.
    data: &'a [u8],
    is_base64: bool,
    /// Length of the whole.
    length: usize,
}

impl<'a> Word<'a> {
    /// The name of its charset. `None` if that is not UTF-8.
    pub fn label(&self) -> Option<&'a str> {
        std::str::from_utf8(self.charset).ok()
    }

    /// What it stands for.
    pub fn bytes(&self) -> Vec<u8> {
        if self.is_base64 {
            base64(self.data)
        } else {
            quoted_printable(self.data)
        }
    }
}

/// The encoded words of a value, and where they begin. It takes linear time.
struct Words<'a> {
    value: &'a [u8],
    at: usize,
}

impl<'a> Words<'a> {
    fn new(value: &'a [u8]) -> Self {
        // Behind the last end, no word is looked for.
        let end = memmem::find(value, b"=?").and_then(|_| memmem::rfind(value, b"?="));
        Self {
            value: &value[..end.map_or(0, |end| end + 2)],
            at: 0,
        }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = (usize, Word<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let at = self.at + memmem::find(self.value.get(self.at..)?, b"=?")?;
            if let Some(word) = word(&self.value[at..]) {
                self.at = at + word.length;
                return Some((at, word));
            }
            self.at = at + 2;
        }
    }
}

/// The encoded word at the beginning of `input`, which begins with `=?`.
fn word(input: &[u8]) -> Option<Word<'_>> {
    let label = &input[2..input.len().min(2 + LABEL_LIMIT + 1)];
    let label = &label[..memchr::memchr(b'?', label)?];
    if !label.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    // RFC 2231 §5: a language may follow the charset.
    let charset = label.split(|byte| *byte == b'*').next()?;
    let rest = &input[2 + label.len() + 1..];
    let [encoding, b'?', rest @ ..] = rest else { return None };
    let is_base64 = match encoding {
        b'B' | b'b' => true,
        b'Q' | b'q' => false,
        _ => return None,
    };
    let data = &rest[..memmem::find(rest, b"?=")?];
    Some(Word {
        charset,
        data,
        is_base64,
        length: 2 + label.len() + 3 + data.len() + 2,
    })
}

/// The "Q" encoding (RFC 2047 §4.2). Line ends inside, left by a sender that folded within the word, are dropped.
fn quoted_printable(data: &[u8]) -> Vec<u8> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: &str) {
        assert_eq!(decoded(value, Assumed::Western), expected, "{value}");
    }

    #[test]
    fn words_are_decoded_however_they_are_written() {
        for (value, expected) in [
            ("=?ISO-8859-1?q?a?= =?ISO-8859-1?q?b?=", "ab"),
            ("=?utf-8?q?a?==?utf-8?q?b?=", "ab"),
            ("x=?utf-8?q?=C3=BC?=y", "x\u{fc}y"),
            ("(=?utf-8?q?a?=) \"=?utf-8?q?b?=\"", "(a) \"b\""),
            ("=?utf-8*de?Q?Gr=C3=BC=C3=9Fe?=", "Gr\u{fc}\u{df}e"),
            ("=?utf-8?Q?with blank, and what??=", "with blank, and what?"),
            ("=?utf-8?B?aGk?=", "hi"),
            ("=?utf-8?B?Z m9\r\n v?=", "foo"),
            ("=?utf-8?Q?a?= =?utf-8?X?b?=", "a =?utf-8?X?b?="),
            ("=?utf-8?Q?open", "=?utf-8?Q?open"),
            ("=??Q?a?=", "a"),
            ("= ?utf-8?Q?a?=", "= ?utf-8?Q?a?="),
            ("=?", "=?"),
            ("=?=", "=?="),
            ("=?=?utf-8?Q?a?=", "=?a"),
        ] {
            check(value, expected);
        }
        let long = "\u{9577}".repeat(3_000);
        let encoded: String = long.bytes().map(|byte| format!("={byte:02X}")).collect();
        check(&format!("=?utf-8?Q?{encoded}?="), &long);
    }

    #[test]
    fn what_is_cut_in_two_is_joined() {
        for (value, expected) in [
            // Between the bytes of a character.
            ("=?utf-8?Q?=C3?= =?utf-8?Q?=BC?=", "\u{fc}"),
            ("=?utf-8?B?5byB44E=?= =?utf-8?Q?=AE?=", "\u{5f01}\u{306e}"),
            ("=?gb2312?B?sQ==?=\r\n =?GB2312?B?qLzb?=", "\u{62a5}\u{4ef7}"),
            // Within a group of base64.
            ("=?utf-8?B?w7z?= =?utf-8?B?DnA==?=", "\u{fc}\u{dc}"),
            ("=?utf-8?B?w7?= =?utf-8?B?w7zDnw==?=", "\u{fffd}\u{fc}\u{df}"),
            // Within a shifted state, or between two.
            ("=?iso-2022-jp?B?GyRCRnw=?= =?iso-2022-jp?B?S1wbKEI=?=", "\u{65e5}\u{672c}"),
            (
                "=?iso-2022-jp?B?GyRCRnxLXBsoQg==?= =?ISO-2022-JP?B?GyRCRnxLXBsoQg==?=",
                "\u{65e5}\u{672c}\u{65e5}\u{672c}",
            ),
            (
                "=?iso-2022-kr?B?GyQpQw45azpqDw==?= =?iso-2022-kr?B?DjBfQHsP?=",
                "\u{bc38}\u{be0c}\u{acac}\u{c801}",
            ),
            ("=?iso-2022-kr?B?GyQpQw45aw==?= =?iso-2022-kr?B?OmoP?=", "\u{bc38}\u{be0c}"),
        ] {
            check(value, expected);
        }
    }

    #[test]
    fn what_words_say_is_hidden_and_shown() {
        let value = "=?utf-8?Q?M=C3=BCller,_A._=3Cx=40y=3E?= <a@x.example>";
        let hidden = hidden(value, Assumed::Western);
        assert_eq!(hidden.matches([',', '.', '<', '@', '>']).count(), 4);
        assert_eq!(shown(&hidden), "M\u{fc}ller, A. <x@y> <a@x.example>");
        assert!(matches!(shown("plain \u{65e5}"), Cow::Borrowed(_)));
    }

    #[test]
    fn floods_take_no_time() {
        let started = std::time::Instant::now();
        for piece in ["=?a?q?x", "=?a?q?", "=?", "=?utf-8?B?w7?= ", "?=", "=?a?x?y?="] {
            let flood = piece.repeat(100_000 / piece.len());
            decoded(&flood, Assumed::Western);
            with_escaped_bytes(format!("{flood}\u{fc}").as_bytes());
            decoded(&(flood + "?="), Assumed::Western);
        }
        assert!(started.elapsed().as_millis() < 2_000, "{:?}", started.elapsed());
    }

    proptest::proptest! {
        #[test]
        fn anything_is_read(value in "(=\\?|\\?=|utf-8|iso-2022-kr|\\?[BQ]\\?|[a-f=0-9_ ]{1,4}|\u{fc}|\x1b|\\PC)*") {
            decoded(&value, Assumed::ByLook);
            assert_eq!(shown(&hidden(&value, Assumed::Western)), decoded(&value, Assumed::Western));
        }
    }
}
