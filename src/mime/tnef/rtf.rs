//! RTF: its text, or the HTML or text from which a mail program made it ([MS-OXRTFEX]).

use std::collections::BTreeMap;

use super::code_page;
use crate::mime::decode::{self, Assumed};

/// Deepest nesting of groups.
const DEPTH_LIMIT: usize = 200;
/// Most fonts.
const FONT_LIMIT: usize = 1_000;
/// Longest name of a control word.
const WORD_LIMIT: usize = 32;
/// Groups that are no text, besides those that say so themselves (`\*`).
const NO_TEXT: [&str; 16] = [
    "colortbl",
    "stylesheet",
    "info",
    "pict",
    "nonshppict",
    "fldinst",
    "objdata",
    "objclass",
    "objname",
    "objalias",
    "xe",
    "tc",
    "rxe",
    "private",
    "revtbl",
    "mhtmltag",
];
/// The same: headers and footers of pages, of which there are several kinds.
const OF_PAGES: [&str; 2] = ["header", "footer"];

/// What RTF says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// It was made from this HTML.
    Html(String),
    /// A text.
    Text(String),
}

/// Reads RTF, and writes about `limit` bytes at most. `page` is the code page where it names none. `None` when it is no RTF.
pub(super) fn body(rtf: &[u8], page: u32, limit: usize) -> Option<Body> {
    if !rtf.starts_with(b"{\\rtf") {
        return None;
    }
    let mut document = Document {
        rest: rtf,
        groups: Vec::new(),
        group: Group::default(),
        page,
        fonts: BTreeMap::new(),
        default_font: 0,
        made_from: Origin::Rtf,
        skip: 0,
        surrogate: None,
        bytes: Vec::new(),
        bytes_page: page,
        out: String::new(),
        limit,
    };
    document.read();
    Some(match document.made_from {
        Origin::Html => Body::Html(document.out),
        Origin::Text | Origin::Rtf => Body::Text(document.out),
    })
}

/// What RTF was made from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Html,
    Text,
    Rtf,
}

/// What a group contains.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Destination {
    #[default]
    Text,
    /// Markup of the HTML.
    Tag,
    /// The list of fonts.
    Fonts,
    /// Nothing that is read.
    Nothing,
}

/// What ends with a group.
#[derive(Clone, Copy)]
struct Group {
    destination: Destination,
    /// Whether it is what RTF needs besides the HTML.
    only_rtf: bool,
    /// Whether it may be passed over by who does not know it.
    optional: bool,
    font: u32,
    /// How many characters stand in for one in Unicode.
    stand_ins: u32,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            destination: Destination::Text,
            only_rtf: false,
            optional: false,
            font: 0,
            stand_ins: 1,
        }
    }
}

struct Document<'a> {
    rest: &'a [u8],
    groups: Vec<Group>,
    group: Group,
    page: u32,
    /// Code pages of fonts.
    fonts: BTreeMap<u32, u32>,
    default_font: u32,
    made_from: Origin,
    /// How many characters that stand in for one in Unicode are still to come.
    skip: u32,
    /// The first half of a character of two.
    surrogate: Option<u16>,
    /// Bytes that are not decoded yet, and their code page.
    bytes: Vec<u8>,
    bytes_page: u32,
    out: String,
    limit: usize,
}

impl Document<'_> {
    fn read(&mut self) {
        while let Some((&byte, rest)) = self.rest.split_first() {
            self.rest = rest;
            match byte {
                b'{' => {
                    if self.groups.len() == DEPTH_LIMIT {
                        break;
                    }
                    self.groups.push(self.group);
                    (self.group.optional, self.skip) = (false, 0);
                }
                b'}' => {
                    self.skip = 0;
                    match self.groups.pop() {
                        Some(outer) => self.group = outer,
                        None => break,
                    }
                    if self.groups.is_empty() {
                        break;
                    }
                }
                b'\\' => self.control(),
                b'\r' | b'\n' | 0 => {}
                byte => self.byte(byte),
            }
            if self.out.len() + self.bytes.len() >= self.limit {
                break;
            }
        }
        self.flush();
    }

    fn control(&mut self) {
        let Some((&first, rest)) = self.rest.split_first() else { return };
        if !first.is_ascii_alphabetic() {
            self.rest = rest;
            return self.symbol(first);
        }
        let length = self
            .rest
            .iter()
            .take(WORD_LIMIT)
            .take_while(|byte| byte.is_ascii_alphabetic())
            .count();
        let (word, rest) = self.rest.split_at(length);
        let negative = rest.first() == Some(&b'-');
        let rest = &rest[usize::from(negative)..];
        let digits = rest.iter().take(10).take_while(|byte| byte.is_ascii_digit()).count();
        let number = std::str::from_utf8(&rest[..digits])
            .ok()
            .and_then(|digits| digits.parse::<i64>().ok());
        let number = number.map(|number| if negative { -number } else { number });
        let rest = &rest[digits..];
        self.rest = rest.strip_prefix(b" ").unwrap_or(rest);
        let Ok(word) = std::str::from_utf8(word) else { return };
        if !self.destination(word) {
            self.word(word, number);
        }
    }

    fn symbol(&mut self, symbol: u8) {
        match symbol {
            b'\'' => {
                if let Some(byte) = crate::mime::transfer::escape(self.rest) {
                    self.rest = &self.rest[2..];
                    self.byte(byte);
                }
            }
            b'*' => self.group.optional = true,
            b'~' => self.character('\u{A0}'),
            b'_' => self.character('\u{2011}'),
            b'\r' | b'\n' => self.line(),
            b'\t' => self.character('\t'),
            b'\\' | b'{' | b'}' => self.byte(symbol),
            _ => {}
        }
    }

    /// Whether a word names what its group contains.
    fn destination(&mut self, word: &str) -> bool {
        let destination = match word {
            "htmltag" => Destination::Tag,
            "fonttbl" => Destination::Fonts,
            _ if NO_TEXT.contains(&word) || std::mem::take(&mut self.group.optional) => Destination::Nothing,
            _ if OF_PAGES
                .iter()
                .any(|kind| word.strip_prefix(kind).is_some_and(|side| matches!(side, "" | "l" | "r" | "f"))) =>
            {
                Destination::Nothing
            }
            _ => return false,
        };
        self.flush();
        self.group.optional = false;
        if self.group.destination != Destination::Nothing {
            self.group.destination = destination;
        }
        true
    }

    fn word(&mut self, word: &str, number: Option<i64>) {
        let unsigned = number.and_then(|number| u32::try_from(number).ok());
        match word {
            "fromhtml" if number != Some(0) => self.made_from = Origin::Html,
            "fromtext" => self.made_from = Origin::Text,
            "ansicpg" => self.page = unsigned.filter(|page| *page != 0).unwrap_or(self.page),
            "deff" => self.default_font = unsigned.unwrap_or_default(),
            "htmlrtf" => {
                self.flush();
                self.group.only_rtf = number != Some(0);
            }
            "f" => self.group.font = unsigned.unwrap_or_default(),
            "plain" => self.group.font = self.default_font,
            "fcharset" | "cpg" if self.group.destination == Destination::Fonts => {
                let page = if word == "cpg" {
                    unsigned
                } else {
                    unsigned.and_then(page_of_charset)
                };
                if let Some(page) = page.filter(|_| self.fonts.len() < FONT_LIMIT) {
                    self.fonts.insert(self.group.font, page);
                }
            }
            "uc" => self.group.stand_ins = unsigned.unwrap_or(1),
            "u" => self.unicode(number.unwrap_or_default()),
            "bin" => {
                let length = unsigned.and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
                self.rest = &self.rest[length.min(self.rest.len())..];
            }
            "par" | "line" | "sect" | "page" | "row" => self.line(),
            "tab" => self.character('\t'),
            "cell" => self.character(' '),
            "lquote" => self.character('\u{2018}'),
            "rquote" => self.character('\u{2019}'),
            "ldblquote" => self.character('\u{201C}'),
            "rdblquote" => self.character('\u{201D}'),
            "bullet" => self.character('\u{2022}'),
            "endash" => self.character('\u{2013}'),
            "emdash" => self.character('\u{2014}'),
            "emspace" | "enspace" | "qmspace" => self.character(' '),
            _ => {}
        }
    }

    /// Whether what comes now is part of what is wanted.
    fn is_shown(&self) -> bool {
        match self.group.destination {
            Destination::Nothing | Destination::Fonts => false,
            Destination::Tag => self.made_from == Origin::Html && !self.group.only_rtf,
            Destination::Text => self.made_from != Origin::Html || !self.group.only_rtf,
        }
    }

    fn byte(&mut self, byte: u8) {
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        if !self.is_shown() {
            return;
        }
        let page = match self.group.destination {
            Destination::Tag => self.page,
            _ => *self.fonts.get(&self.group.font).unwrap_or(&self.page),
        };
        if page != self.bytes_page {
            self.flush();
            self.bytes_page = page;
        }
        self.bytes.push(byte);
    }

    fn line(&mut self) {
        match self.made_from {
            Origin::Html => self.character('\r'),
            Origin::Text | Origin::Rtf => {}
        }
        self.character('\n');
    }

    fn character(&mut self, character: char) {
        self.skip = 0;
        if self.is_shown() {
            self.flush();
            self.out.push(character);
        }
    }

    /// A character in Unicode, one half at a time if it takes two; some write the halves as negative numbers.
    fn unicode(&mut self, number: i64) {
        let unit = u16::try_from(number.rem_euclid(0x1_0000)).unwrap_or_default();
        let pair: Vec<u16> = self.surrogate.take().into_iter().chain([unit]).collect();
        if (0xD800..0xDC00).contains(&unit) {
            self.surrogate = Some(unit);
        } else {
            for character in char::decode_utf16(pair) {
                self.character(character.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
        }
        self.skip = self.group.stand_ins;
    }

    fn flush(&mut self) {
        if !self.bytes.is_empty() {
            let label = code_page::label(self.bytes_page);
            self.out.push_str(&decode::text(&self.bytes, label.as_deref(), Assumed::Western));
            self.bytes.clear();
        }
    }
}

/// The code page of a charset of Windows (`\fcharset`). `None` for those that say nothing.
fn page_of_charset(charset: u32) -> Option<u32> {
    Some(match charset {
        0 => 1252,
        77 => 10000,
        128 => 932,
        129 => 949,
        130 => 1361,
        134 => 936,
        136 => 950,
        161 => 1253,
        162 => 1254,
        163 => 1258,
        177 => 1255,
        178 => 1256,
        186 => 1257,
        204 => 1251,
        222 => 874,
        238 => 1250,
        254 => 437,
        255 => 850,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(rtf: &str, expected: Body) {
        assert_eq!(body(rtf.as_bytes(), 1252, 10_000), Some(expected), "{rtf}");
    }

    #[test]
    fn html_comes_out_as_it_went_in() {
        check(
            "{\\rtf1\\ANSI\\ansicpg1251\\fromhtml1 \\deff0{\\fonttbl\r\n{\\f0\\fswiss Arial;}{\\f1\\fmodern\\fcharset0 Courier New;}}\r\n\
             {\\colortbl\\red0\\green0\\blue0;}\r\n\\uc1\\pard\\plain\\deftab360 \\f0\\fs24\r\n{\\*\\htmltag19 <html>}{\\*\\htmltag2 \\par }\
             {\\*\\htmltag64 <p class=\\{a\\}>}\\htmlrtf {\\htmlrtf0 \\'cf\\'f0\\'e8 {\\f1 \\'e9t\\'e9}\\htmlrtf\\par}\\htmlrtf0\r\n\
             {\\*\\htmltag84 &lt;}\\htmlrtf <\\htmlrtf0 b\\u8364?\\lquote\r\n{\\*\\mhtmltag72 x}{\\*\\htmltag72 </p>}{\\*\\htmltag27 </html>}}",
            Body::Html("<html>\r\n<p class={a}>\u{41f}\u{440}\u{438} \u{e9}t\u{e9}&lt;b\u{20ac}\u{2018}</p></html>".to_owned()),
        );
    }

    #[test]
    fn text_comes_out_as_it_went_in() {
        check(
            "{\\rtf1\\ansi\\fromtext{\\fonttbl{\\f0 Arial;}}\\f0 one\\par two\\tab x\\par }",
            Body::Text("one\ntwo\tx\n".to_owned()),
        );
    }

    #[test]
    fn other_rtf_is_read_as_text() {
        for (rtf, expected) in [
            ("{\\rtf1 a{\\b b}c\\par\r\nd\\~e\\_f\\-g}", "abc\nd\u{a0}e\u{2011}fg"),
            (
                "{\\rtf1\\headery720{\\headerr H}{\\*\\generator X;}{\\info{\\title T}}{\\pict\\bin3 }}}}x}",
                "x",
            ),
            ("{\\rtf1 \\uc2\\u-10179?\\'3f\\u-8704?? ok\\uc0\\u252x}", "\u{1f600} ok\u{fc}x"),
            (
                "{\\rtf1{\\field{\\*\\fldinst HYPERLINK \"http://x.example\"}{\\fldrslt here}}.}",
                "here.",
            ),
            (
                "{\\rtf1\\ansicpg1252{\\fonttbl{\\f1\\fcharset128 M;}{\\f2\\cpg1250 N;}}\\f1\\'93\\'fa\\'96\\'7b\\f2\\'9a\\f0\\'9a}",
                "\u{65e5}\u{672c}\u{161}\u{161}",
            ),
            ("{\\rtf1\\headery720\\footery720\\intbl a\\cell b\\cell\\row c}trailing", "a b \nc"),
            ("{\\rtf1 open", "open"),
            ("{\\rtf1 a\\", "a"),
            ("{\\rtf1 a\\'4", "a4"),
        ] {
            check(rtf, Body::Text(expected.to_owned()));
        }
        assert_eq!(body(b"hello", 1252, 100), None);
    }

    #[test]
    fn hostile_rtf_is_bounded() {
        for piece in ["{", "\\u8364", "{\\f1\\fcharset128 ", "\\'e9", "\\bin99999999999 ", "}{", "\\*\\x"] {
            let rtf = format!("{{\\rtf1 {}", piece.repeat(200_000));
            let started = std::time::Instant::now();
            let Some(Body::Text(text)) = body(rtf.as_bytes(), 1252, 100_000) else {
                panic!("{piece}")
            };
            assert!(text.len() <= 300_000, "{piece}");
            assert!(started.elapsed().as_millis() < 1_000, "{piece} took {:?}", started.elapsed());
        }
    }

    proptest! {
        #[test]
        fn anything_is_read(
            rtf in "\\{\\\\rtf1(\\\\fromhtml1)?([{}a\\\\ ]|\\\\u-?[0-9]{0,5}|\\\\'[0-9a-g]{1,2}|\\\\htmlrtf0?|\\{\\\\\\*\\\\htmltag[0-9]? ?){0,60}",
        ) {
            prop_assert!(body(rtf.as_bytes(), 932, 1_000).is_some());
        }
    }
}
