//! Names of charsets, as mail programs write them, and charsets that the web does not know.
//!
//! What the web knows, with all its names, is encoding_rs's (<https://encoding.spec.whatwg.org>). Here is the rest: other names of those, the
//! code pages of DOS, and the seven-bit forms of East Asian charsets.

use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, ISO_2022_JP, REPLACEMENT, SHIFT_JIS, UTF_8};
use oem_cp::{code_table::DECODING_TABLE_CP_MAP, code_table_type::TableType};

use super::{
    johab,
    upper_half::{self, UpperHalf},
};

/// Longest name that is looked at, in bytes.
const LABEL_LIMIT: usize = 64;

/// How bytes become text.
#[derive(Clone, Copy)]
pub(super) enum Charset {
    /// A charset of the web, other than UTF-8.
    Web(&'static Encoding),
    /// Another one, all of whose bytes are ASCII.
    SevenBit(fn(&[u8]) -> String),
    /// Another one.
    Other(fn(&[u8]) -> String),
    /// A code page of DOS.
    Dos(&'static TableType),
    /// Another one with a byte for each character.
    UpperHalf(UpperHalf),
}

/// The charset of this name. `None` for an unknown one, for UTF-8, and for ASCII.
pub(super) fn named(label: &str) -> Option<Charset> {
    // Some programs put further parameters between the quotation marks.
    let label = label.split([';', ',']).next().unwrap_or(label);
    let label = label.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if label.len() > LABEL_LIMIT {
        return None;
    }
    // To the web it is windows-1252; to mail programs, what they say when they do not know.
    if ["us-ascii", "ascii", "ansi_x3.4-1968", "iso646-us", "iso-ir-6"]
        .iter()
        .any(|ascii| label.eq_ignore_ascii_case(ascii))
    {
        return None;
    }
    if let Some(encoding) = Encoding::for_label(label.as_bytes()).filter(|encoding| *encoding != REPLACEMENT) {
        return (encoding != UTF_8).then_some(Charset::Web(encoding));
    }
    // Names differ in their punctuation most.
    let name: String = label.chars().filter(char::is_ascii_alphanumeric).collect();
    let name = name.to_ascii_lowercase();
    let name = name.strip_prefix("cs").or_else(|| name.strip_prefix('x')).unwrap_or(&name);
    let web = match name {
        "ms932" | "cp932" | "windows31j" | "sjiswin" | "shiftjisms" | "mskanji" | "cp943" | "cp943c" | "ibm943" => Some(SHIFT_JIS),
        "eucjp" | "eucjpms" | "eucjpwin" | "cp51932" | "ujis" => Some(EUC_JP),
        "cp949" | "ms949" | "uhc" | "euckr" | "cp51949" | "ksc56011992" => Some(EUC_KR),
        "cp936" | "ms936" | "gb231280" | "euccn" | "gbk" => Some(GBK),
        "gb18030" | "gb180302000" | "gb180302005" | "cp54936" => Some(GB18030),
        "cp950" | "ms950" | "big5eten" | "big5hkscs2001" | "big5hkscs2004" | "cnbig5" => Some(BIG5),
        _ if name.starts_with("iso2022jp") || matches!(name, "cp50220" | "cp50221" | "cp50222" | "jis") => Some(ISO_2022_JP),
        _ => None,
    };
    web.map(Charset::Web).or_else(|| other(name))
}

fn other(name: &str) -> Option<Charset> {
    match name {
        "iso2022kr" => return Some(Charset::SevenBit(iso_2022_kr)),
        "iso2022cn" | "iso2022cnext" => return Some(Charset::SevenBit(iso_2022_cn)),
        "hz" | "hzgb2312" => return Some(Charset::SevenBit(hz)),
        "utf7" | "unicode11utf7" | "unicode20utf7" => {
            return mail_parser::decoders::charsets::map::charset_decoder(b"utf-7").map(Charset::SevenBit);
        }
        "johab" | "cp1361" | "ms1361" | "ksc5601johab" => return Some(Charset::Other(johab::decoded)),
        "utf32" | "utf32be" | "utf32le" | "ucs4" => return Some(Charset::Other(utf_32)),
        _ => {}
    }
    if let Some(upper) = upper_half::named(name) {
        return Some(Charset::UpperHalf(upper));
    }
    let number = |prefix: &str| name.strip_prefix(prefix)?.parse::<u16>().ok();
    let windows = ["win", "windows", "cp", "ms", "wincp"].iter().find_map(|prefix| number(prefix));
    if let Some(page @ 1250..=1258) = windows {
        return Encoding::for_label(format!("windows-{page}").as_bytes()).map(Charset::Web);
    }
    if let Some(part) = number("iso8859").or_else(|| number("8859")).or_else(|| number("iso88590")) {
        return Encoding::for_label(format!("iso-8859-{part}").as_bytes()).map(Charset::Web);
    }
    let dos = ["cp", "ibm", "dos", "pc", "oem", "ccsid", ""]
        .iter()
        .find_map(|prefix| number(prefix));
    DECODING_TABLE_CP_MAP.get(&dos?).map(Charset::Dos)
}

impl Charset {
    /// Whether each of its characters is a byte.
    pub fn is_single_byte(self) -> bool {
        match self {
            Self::Web(encoding) => encoding.is_single_byte(),
            Self::Dos(_) | Self::UpperHalf(_) => true,
            Self::SevenBit(_) | Self::Other(_) => false,
        }
    }

    /// Whether all bytes of its texts are ASCII.
    pub fn is_seven_bit(self) -> bool {
        match self {
            Self::Web(encoding) => encoding == ISO_2022_JP,
            Self::SevenBit(_) => true,
            Self::Dos(_) | Self::UpperHalf(_) | Self::Other(_) => false,
        }
    }
}

/// Whether a charset's name says nothing of bytes beyond ASCII.
pub(super) fn says_nothing(label: &str) -> bool {
    let is_utf8 = |label: &str| Encoding::for_label(label.as_bytes()) == Some(UTF_8);
    named(label).is_none() && !is_utf8(label)
}

/// The charset whose escape sequences seven-bit bytes have in them.
pub(super) fn escaped(bytes: &[u8]) -> Option<Charset> {
    memchr::memchr_iter(0x1B, bytes).find_map(|at| match &bytes[at + 1..] {
        [b'$', b'@' | b'B', ..] | [b'(', b'I' | b'J', ..] | [b'$', b'(', b'D', ..] => Some(Charset::Web(ISO_2022_JP)),
        [b'$', b')', b'C', ..] => Some(Charset::SevenBit(iso_2022_kr)),
        [b'$', b')', b'A' | b'G' | b'E', ..] => Some(Charset::SevenBit(iso_2022_cn)),
        _ => None,
    })
}

/// RFC 1557: between SO and SI, pairs of bytes are those of EUC-KR without their highest bits.
fn iso_2022_kr(bytes: &[u8]) -> String {
    EUC_KR.decode_without_bom_handling(&shifted(bytes)).0.into_owned()
}

/// RFC 1922: the same of GB 2312. Other character sets than that are not read.
fn iso_2022_cn(bytes: &[u8]) -> String {
    GBK.decode_without_bom_handling(&shifted(bytes)).0.into_owned()
}

/// Bytes with their highest bit set between SO and SI, and without these and the sequences that name character sets. Lines begin in ASCII.
fn shifted(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let (mut high, mut at) = (0, 0);
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            0x0E => high = 0x80,
            0x0F => high = 0,
            0x1B if matches!(bytes[at..], [b'$', b')' | b'*' | b'+', _, ..]) => at += 3,
            b'\r' | b'\n' => {
                high = 0;
                out.push(byte);
            }
            0x21..=0x7E => out.push(byte | high),
            _ => out.push(byte),
        }
    }
    out
}

/// RFC 1843: between `~{` and `~}`, pairs of bytes are those of GB 2312 without their highest bits.
fn hz(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len());
    let (mut high, mut at) = (0, 0);
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match (byte, bytes.get(at)) {
            (b'~', Some(b'{')) => (high, at) = (0x80, at + 1),
            (b'~', Some(b'}')) => (high, at) = (0, at + 1),
            (b'~', Some(b'~')) if high == 0 => {
                out.push(b'~');
                at += 1;
            }
            (b'~', Some(b'\n')) if high == 0 => at += 1,
            (b'\r' | b'\n', _) => {
                high = 0;
                out.push(byte);
            }
            (0x21..=0x7E, _) => out.push(byte | high),
            _ => out.push(byte),
        }
    }
    GBK.decode_without_bom_handling(&out).0.into_owned()
}

/// Big-endian unless a mark or the bytes say otherwise.
fn utf_32(bytes: &[u8]) -> String {
    let little = matches!(bytes, [_, _, 0, 0, ..]);
    let number = |bytes: &[u8; 4]| {
        if little {
            u32::from_le_bytes(*bytes)
        } else {
            u32::from_be_bytes(*bytes)
        }
    };
    let (characters, _) = bytes.as_chunks::<4>();
    let characters = characters.iter().map(number).filter(|number| *number != 0xFEFF);
    characters
        .map(|number| char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_programs_write() {
        for (label, expected) in [
            ("cp932", "Shift_JIS"),
            ("X-SJIS", "Shift_JIS"),
            ("eucjp", "EUC-JP"),
            ("iso-2022-jp-ms", "ISO-2022-JP"),
            ("CP50220", "ISO-2022-JP"),
            ("cp949", "EUC-KR"),
            ("ks_c_5601-1987", "EUC-KR"),
            ("GB_2312-80", "GBK"),
            ("cp950", "Big5"),
            ("win-1251", "windows-1251"),
            ("CP1252", "windows-1252"),
            ("iso8859_2", "ISO-8859-2"),
            ("\"iso-8859-15\";", "ISO-8859-15"),
            ("'koi8-r'", "KOI8-R"),
        ] {
            match named(label) {
                Some(Charset::Web(encoding)) => assert_eq!(encoding.name(), expected, "{label}"),
                _ => panic!("{label}"),
            }
        }
        for label in [
            "utf-8",
            "us-ascii-x",
            "ANSI_X3.4-1968-y",
            "unknown-8bit",
            "x-unknown",
            "",
            "-",
            &"x".repeat(1000),
        ] {
            assert!(named(label).is_none(), "{label}");
        }
    }

    #[test]
    fn bytes_become_text_in_charsets_that_the_web_does_not_know() {
        let read = |label: &str, bytes: &[u8]| match named(label) {
            Some(Charset::SevenBit(decode) | Charset::Other(decode)) => decode(bytes),
            Some(Charset::Dos(table)) => table.decode_string_lossy(bytes),
            _ => panic!("{label}"),
        };
        for (label, bytes, expected) in [
            ("ibm852", &b"\x9F"[..], "\u{10d}"),
            ("cp437", b"\x81", "\u{fc}"),
            ("DOS-850", b"\x81", "\u{fc}"),
            (
                "iso-2022-kr",
                b"\x1b$)C\x0e9k:j\x0f x\n\x0e0_\nx",
                "\u{bc38}\u{be0c} x\n\u{acac}\nx",
            ),
            ("ISO-2022-CN", b"\x1b$)A\x0eGk\x0f.", "\u{8bf7}."),
            ("hz-gb-2312", b"a ~~ ~{Gk~} b~\nc", "a ~ \u{8bf7} bc"),
            ("utf-7", b"S+APw-d", "S\u{fc}d"),
            ("unicode-1-1-utf-7", b"S+APw-d", "S\u{fc}d"),
            ("utf-32", b"\0\0\xFE\xFF\0\0\0x\0\x01\xF6\0", "x\u{1f600}"),
            ("utf-32le", b"x\0\0\0y\0\0\0z", "xy"),
        ] {
            assert_eq!(read(label, bytes), expected, "{label}");
        }
        // Whatever comes, it ends.
        for label in ["iso-2022-kr", "iso-2022-cn", "hz", "utf-32", "cp437", "utf-7"] {
            for bytes in [&b"\x1b"[..], b"\x1b$", b"\x1b$)", b"~", b"\x0e\xff\xfe", b"\xff"] {
                read(label, bytes);
            }
        }
    }

    #[test]
    fn escape_sequences_name_their_charset() {
        let name = |bytes: &[u8]| escaped(bytes).map(|charset| matches!(charset, Charset::Web(_)));
        assert_eq!(name(b"x \x1b$BO3\x1b(B"), Some(true));
        assert_eq!(name(b"\x1b$)C\x0e9k\x0f"), Some(false));
        assert_eq!(name(b"\x1b[31mred\x1b[0m"), None);
        assert_eq!(name(b"x \x1b"), None);
    }
}
