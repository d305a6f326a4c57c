//! The charset of bytes that name none: raw 8-bit header fields and names of files, and words and texts whose label says nothing.
//!
//! Whoever wrote such a header wrote the text with the same program, so what the message declares for its text goes first, as mail programs
//! have it. Where it declares nothing, the bytes of header and text together are compared with what the languages of the world look like.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{ISO_2022_JP, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::{
    charset::{self, Charset},
    decode::{self, Assumed},
    encoded_words,
    entity::Part,
    fields::Field,
    html,
};

/// How much of a field or a text is looked at, from its first byte beyond ASCII on, in bytes.
const SAMPLE: usize = 1024;
/// How much of a header is looked at, in bytes.
const SAMPLES: usize = 8 * 1024;
/// How many parts are asked for their charset.
const PARTS: usize = 50;
/// How many texts are looked at.
const TEXTS: usize = 3;

/// Finds the charset of what names none in a message, and hands it to all its fields and texts. Costs nothing if there is no such thing
/// in the headers.
pub(super) fn settle(parts: &mut [Part<'_>]) {
    let mut unclear = parts
        .iter()
        .flat_map(|part| &part.fields.0)
        .filter(|field| is_unclear(field))
        .peekable();
    if unclear.peek().is_none() {
        return;
    }
    let samples = samples(unclear);
    let assumed = declared(parts)
        .filter(|charset| fits(&samples, *charset))
        .unwrap_or_else(|| guessed(parts, samples));
    for part in parts {
        part.assume(assumed);
    }
}

/// What bytes look like.
pub(super) fn look(bytes: &[u8]) -> Charset {
    detected(sample(bytes), None)
}

/// Whether the charset of a field is not clear: it is not UTF-8, or has an encoded word with a label that says nothing.
pub(super) fn is_unclear(field: &Field<'_>) -> bool {
    if !field.raw.is_ascii() {
        return std::str::from_utf8(field.raw).is_err();
    }
    memchr::memmem::find(field.raw, b"=?").is_some() && unclear_words(field.raw).next().is_some()
}

/// What encoded words stand for whose label says nothing.
fn unclear_words(value: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let unclear = encoded_words::words(value).filter(|word| word.label().is_some_and(charset::says_nothing));
    unclear.map(|word| word.bytes()).filter(|bytes| !bytes.is_ascii())
}

/// The bytes that are to be explained, of each field a line.
fn samples<'f, 'a: 'f>(fields: impl Iterator<Item = &'f Field<'a>>) -> Vec<u8> {
    let mut samples = Vec::new();
    let mut add = |bytes: &[u8]| {
        samples.extend_from_slice(sample(bytes));
        samples.push(b'\n');
        samples.len() < SAMPLES
    };
    for field in fields {
        let goes_on = if field.raw.is_ascii() {
            unclear_words(field.raw).all(|bytes| add(&bytes))
        } else {
            add(field.raw)
        };
        if !goes_on {
            break;
        }
    }
    samples
}

/// A piece of some bytes that begins a little before the first one beyond ASCII.
fn sample(bytes: &[u8]) -> &[u8] {
    let first = bytes.iter().position(|byte| !byte.is_ascii()).unwrap_or(0);
    let start = first.saturating_sub(32);
    &bytes[start..bytes.len().min(start + SAMPLE)]
}

/// The charset that the message declares: for its text, the HTML itself, or the words in its header that name one.
fn declared(parts: &[Part<'_>]) -> Option<Charset> {
    let of_text = parts.iter().take(PARTS).filter(|part| !part.is_attachment()).find_map(|part| {
        let named = part.parameter("charset").and_then(charset::named);
        let by_html = || html::named_charset(&part.beginning(SAMPLE)).and_then(|label| charset::named(&label));
        let is_html = part.media_type == "text/html" && part.parameter("charset").is_none();
        named.or_else(|| is_html.then(by_html)?)
    });
    let fields = || parts.iter().take(PARTS).flat_map(|part| &part.fields.0);
    let of_words = || {
        let mut words = fields().flat_map(|field| encoded_words::words(field.raw));
        words.find_map(|word| charset::named(word.label()?))
    };
    of_text.or_else(of_words)
}

/// Whether a charset explains some bytes: all but a few that were cut in two.
fn fits(samples: &[u8], charset: Charset) -> bool {
    let has_other_bytes = match charset {
        Charset::Web(encoding) => ![ISO_2022_JP, UTF_16BE, UTF_16LE].contains(&encoding),
        Charset::Dos(_) | Charset::UpperHalf(_) => true,
        Charset::SevenBit(_) | Charset::Other(_) => false,
    };
    if !has_other_bytes {
        return false;
    }
    let text = decode::in_charset(samples, charset, usize::MAX);
    let is_fault = |c: char| matches!(c, char::REPLACEMENT_CHARACTER | '\u{80}'..='\u{9F}');
    let faults = text.chars().filter(|c| is_fault(*c)).count();
    faults * 8 <= text.chars().filter(|c| !c.is_ascii()).count()
}

/// The charset that header and text look like together.
fn guessed(parts: &[Part<'_>], mut samples: Vec<u8>) -> Charset {
    let is_unlabelled = |part: &&Part<'_>| {
        part.media_type.starts_with("text/") && !part.is_attachment() && part.parameter("charset").and_then(charset::named).is_none()
    };
    for part in parts.iter().take(PARTS).filter(is_unlabelled).take(TEXTS) {
        let text = part.beginning(8 * SAMPLE);
        if std::str::from_utf8(&text).is_err() && !decode::is_mostly_utf8(&text, Assumed::ByLook) {
            samples.extend_from_slice(sample(&text));
            samples.push(b'\n');
        }
    }
    // Japanese programs that write their texts in seven bits are likely to have the rest in a charset of Japan.
    let japanese = || {
        parts[0]
            .parameter("charset")
            .and_then(charset::named)
            .is_some_and(Charset::is_seven_bit)
    };
    let sender = parts[0].fields.first("From").and_then(|from| top_level_domain(from.raw));
    let domain = if japanese() { Some("jp".to_owned()) } else { sender };
    detected(&samples, domain)
}

fn detected(bytes: &[u8], domain: Option<String>) -> Charset {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    let domain = domain.as_deref().map(str::as_bytes);
    let encoding = detector.guess(domain, Utf8Detection::Deny);
    let is_weak = encoding.is_single_byte() && !EncodingDetector::tld_may_affect_guess(domain) && has_one_western_character(bytes);
    Charset::Web(if is_weak { WINDOWS_1252 } else { encoding })
}

/// Whether all characters beyond ASCII are one and the same, which makes sense in windows-1252: a letter among letters, or a sign among none.
/// Of so little, every language of Europe looks alike.
fn has_one_western_character(bytes: &[u8]) -> bool {
    let Some(high) = bytes.iter().copied().find(|byte| !byte.is_ascii()) else {
        return true;
    };
    let is_letter = matches!(high, 0x8A | 0x8C | 0x8E | 0x9A | 0x9C | 0x9E | 0x9F | 0xAA | 0xBA | 0xC0..=0xD6 | 0xD8..=0xF6 | 0xF8..);
    // Apostrophes and dashes.
    let is_anywhere = matches!(high, 0x85 | 0x91 | 0x92 | 0x96 | 0x97 | 0xA0 | 0xAD | 0xB4 | 0xB7);
    let of = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_alphabetic);
    bytes.iter().enumerate().filter(|(_, byte)| !byte.is_ascii()).all(|(at, byte)| {
        let (before, after) = (of(at.checked_sub(1)), of(Some(at + 1)));
        let fits = if is_letter { before || after } else { !(before && after) };
        *byte == high && (fits || is_anywhere)
    })
}

/// The last label of the domain of an address, in lower case: it says which languages are likely.
fn top_level_domain(from: &[u8]) -> Option<String> {
    let domain = &from[memchr::memrchr(b'@', from)? + 1..];
    let end = domain
        .iter()
        .position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')));
    let domain = std::str::from_utf8(&domain[..end.unwrap_or(domain.len())]).ok()?;
    let label = domain.trim_end_matches('.').rsplit('.').next()?.to_ascii_lowercase();
    (2..=63).contains(&label.len()).then_some(label)
}

#[cfg(test)]
mod tests {
    use encoding_rs::Encoding;

    use super::super::{content, parse};

    /// Encodes what is between the markers of `message` and reads it.
    fn encoded(charset: &str, message: &str) -> Vec<u8> {
        let charset = Encoding::for_label(charset.as_bytes()).unwrap();
        let (bytes, _, lost) = charset.encode(message);
        assert!(!lost, "{message}");
        bytes.into_owned()
    }

    fn check(charset: &str, head: &str, words: [&str; 3]) {
        let [subject, name, text] = words;
        let raw = encoded(
            charset,
            &format!(
                "Subject: {subject}\r\nFrom: {name} <eva@kunde.example>\r\nTo: \"{name}\" <desk@x.example>\r\nMIME-Version: 1.0\r\n\
                 Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{head}\r\n\r\n{text}\r\n--b\r\nContent-Type: application/pdf; \
                 name=\"{name}.pdf\"\r\nContent-Disposition: attachment; filename=\"{subject}.pdf\"\r\n\r\nx\r\n--b--\r\n"
            ),
        );
        let mail = parse(&raw).unwrap();
        assert_eq!(mail.subject, subject, "{charset}: {head}");
        assert_eq!(mail.from.unwrap().display_name, name, "{charset}: {head}");
        assert_eq!(mail.to[0].display_name, name, "{charset}: {head}");
        let content = content(&raw);
        assert_eq!(content.attachments[0].file_name, format!("{subject}.pdf"), "{charset}: {head}");
        assert_eq!(content.text.trim(), text, "{charset}: {head}");
    }

    const TEXTS: [(&str, [&str; 3]); 12] = [
        (
            "gb2312",
            [
                "\u{62a5}\u{4ef7}\u{5355}",
                "\u{738b}\u{4e3d}",
                "\u{8bf7}\u{67e5}\u{6536}\u{9644}\u{4ef6}\u{91cc}\u{7684}\u{62a5}\u{4ef7}\u{3002}",
            ],
        ),
        (
            "big5",
            [
                "\u{56db}\u{865f}\u{6cf5}\u{6d66}\u{6f0f}\u{6cb9}",
                "\u{9673}\u{7f8e}\u{73b2}",
                "\u{8acb}\u{76e1}\u{5feb}\u{56de}\u{8986}\u{3002}",
            ],
        ),
        // Its second byte is a backslash.
        (
            "shift_jis",
            [
                "\u{4e00}\u{89a7}\u{8868}",
                "\u{7530}\u{4e2d}",
                "\u{898b}\u{7a4d}\u{66f8}\u{3092}\u{9001}\u{3063}\u{3066}\u{304f}\u{3060}\u{3055}\u{3044}\u{3002}",
            ],
        ),
        (
            "euc-jp",
            [
                "\u{898b}\u{7a4d}\u{66f8}",
                "\u{7530}\u{4e2d}",
                "\u{898b}\u{7a4d}\u{66f8}\u{3092}\u{9001}\u{3063}\u{3066}\u{304f}\u{3060}\u{3055}\u{3044}\u{3002}",
            ],
        ),
        (
            "euc-kr",
            [
                "\u{bc38}\u{be0c} \u{acac}\u{c801}",
                "\u{ae40}\u{cca0}\u{c218}",
                "\u{bc38}\u{be0c} \u{acac}\u{c801}\u{c744} \u{bcf4}\u{b0b4} \u{c8fc}\u{c138}\u{c694}.",
            ],
        ),
        (
            "koi8-r",
            [
                "\u{41d}\u{430}\u{441}\u{43e}\u{441} \u{43d}\u{43e}\u{43c}\u{435}\u{440} \u{434}\u{432}\u{430}",
                "\u{418}\u{440}\u{438}\u{43d}\u{430}",
                "\u{41f}\u{43e}\u{441}\u{43c}\u{43e}\u{442}\u{440}\u{438}\u{442}\u{435}, \u{43f}\u{43e}\u{436}\u{430}\u{43b}\u{443}\u{439}\u{441}\u{442}\u{430}.",
            ],
        ),
        (
            "windows-1251",
            [
                "\u{417}\u{430}\u{43c}\u{435}\u{43d}\u{430} \u{434}\u{430}\u{442}\u{447}\u{438}\u{43a}\u{430}",
                "\u{41f}\u{451}\u{442}\u{440}",
                "\u{41a}\u{43e}\u{433}\u{434}\u{430} \u{43f}\u{440}\u{438}\u{435}\u{434}\u{435}\u{442}\u{435}?",
            ],
        ),
        (
            "iso-8859-2",
            [
                "P\u{159}\u{ed}loha ke smlouv\u{11b}",
                "Tom\u{e1}\u{161} \u{158}\u{ed}ha",
                "D\u{11b}kuji p\u{159}edem za \u{10d}as.",
            ],
        ),
        (
            "windows-1253",
            [
                "\u{3a0}\u{3c1}\u{3bf}\u{3c3}\u{3c6}\u{3bf}\u{3c1}\u{3ac} \u{3b1}\u{3bd}\u{3c4}\u{3bb}\u{3af}\u{3b1}\u{3c2}",
                "\u{3a0}\u{3ad}\u{3c4}\u{3c1}\u{3bf}\u{3c2}",
                "\u{395}\u{3c5}\u{3c7}\u{3b1}\u{3c1}\u{3b9}\u{3c3}\u{3c4}\u{3ce} \u{3c0}\u{3bf}\u{3bb}\u{3cd}.",
            ],
        ),
        (
            "windows-1255",
            [
                "\u{5d4}\u{5e6}\u{5e2}\u{5ea} \u{5de}\u{5d7}\u{5d9}\u{5e8}",
                "\u{5e8}\u{5d5}\u{5ea}",
                "\u{5e0}\u{5d0} \u{5dc}\u{5e9}\u{5dc}\u{5d5}\u{5d7} \u{5d4}\u{5e6}\u{5e2}\u{5d4}.",
            ],
        ),
        (
            "windows-874",
            [
                "\u{e43}\u{e1a}\u{e40}\u{e2a}\u{e19}\u{e2d}\u{e23}\u{e32}\u{e04}\u{e32}",
                "\u{e2a}\u{e21}\u{e0a}\u{e32}\u{e22}",
                "\u{e02}\u{e2d}\u{e1a}\u{e04}\u{e38}\u{e13}\u{e04}\u{e23}\u{e31}\u{e1a}",
            ],
        ),
        (
            "windows-1252",
            [
                "Gr\u{f6}\u{df}e der Dichtung",
                "J\u{fc}rgen Wei\u{df}",
                "Die Pr\u{fc}fung l\u{e4}uft noch.",
            ],
        ),
    ];

    #[test]
    fn raw_bytes_are_in_the_charset_of_the_text() {
        for (charset, words) in TEXTS {
            check(charset, &format!("Content-Type: text/plain; charset={charset}"), words);
            let [subject, name, text] = words;
            let html = format!("<meta charset={charset}><p>{text}</p>");
            let raw = encoded(
                charset,
                &format!("Subject: {subject}\nFrom: {name} <a@x.example>\nContent-Type: text/html\n\n{html}"),
            );
            let mail = parse(&raw).unwrap();
            assert_eq!((mail.subject.as_str(), mail.preview.as_str()), (subject, text));
        }
    }

    #[test]
    fn raw_bytes_and_texts_without_a_charset_are_looked_at_together() {
        for (charset, words) in TEXTS {
            for head in [
                "X-A: 1",
                "Content-Type: text/plain; charset=us-ascii",
                "Content-Type: text/plain; charset=x-unknown",
            ] {
                check(charset, head, words);
            }
        }
    }

    #[test]
    fn utf8_is_utf8_whatever_the_text_is_in() {
        let mut raw = "Subject: Gr\u{f6}\u{df}e\nFrom: \u{738b}\u{4e3d} <a@x.example>\nContent-Type: text/plain; charset=gb2312\n\n"
            .as_bytes()
            .to_vec();
        raw.extend(encoded("gb2312", "\u{62a5}\u{4ef7}\u{5355}"));
        let mail = parse(&raw).unwrap();
        assert_eq!(mail.subject, "Gr\u{f6}\u{df}e");
        assert_eq!(mail.from.unwrap().display_name, "\u{738b}\u{4e3d}");
        assert_eq!(mail.preview, "\u{62a5}\u{4ef7}\u{5355}");
        // A character that was cut in two makes no other charset of it.
        let mut raw = b"Content-Type: text/plain; charset=koi8-r\nSubject: ".to_vec();
        raw.extend_from_slice(&"\u{62a5}\u{4ef7}\u{5355}\u{62a5}".as_bytes()[..11]);
        raw.extend_from_slice(b"\n\nx");
        assert_eq!(parse(&raw).unwrap().subject, "\u{62a5}\u{4ef7}\u{5355}\u{fffd}");
    }

    #[test]
    fn words_whose_label_says_nothing_are_in_the_charset_of_the_message() {
        for label in ["unknown-8bit", "x-unknown", "default", "us-ascii"] {
            let raw = format!(
                "Subject: =?{label}?B?zcHT09M=?= x\nFrom: =?{label}?Q?=E9=D2=C9=CE=C1?= <a@x.example>\nContent-Type: text/plain; charset=koi8-r\n\nx"
            );
            let mail = parse(raw.as_bytes()).unwrap();
            assert_eq!(mail.subject, "\u{43c}\u{430}\u{441}\u{441}\u{441} x", "{label}");
            assert_eq!(mail.from.unwrap().display_name, "\u{418}\u{440}\u{438}\u{43d}\u{430}", "{label}");
        }
    }

    #[test]
    fn the_country_of_the_sender_helps() {
        for (domain, charset, subject) in [
            ("x.cn", "gbk", "\u{4f60}\u{597d}"),
            ("x.com.tw", "big5", "\u{5831}\u{50f9}"),
            ("X.KR", "euc-kr", "\u{acac}\u{c801}"),
            ("x.example.lt", "windows-1257", "S\u{16b}knio keitimas"),
        ] {
            let raw = encoded(charset, &format!("Subject: {subject}\nFrom: a@{domain}\n\nx"));
            assert_eq!(parse(&raw).unwrap().subject, subject);
        }
        for from in ["@", "a@.", "a@X_\u{fc}", "a@\u{fc}", "a@x.\u{e9}\u{e9}", "", "a@-"] {
            assert!(parse(&encoded("windows-1252", &format!("Subject: th\u{e9}\nFrom: {from}\n\nx"))).is_ok());
        }
    }

    #[test]
    fn signs_in_western_texts_stay_what_they_are() {
        for text in [
            "25 \u{b0}C",
            "don\u{2019}t",
            "50 \u{20ac}",
            "\u{b1} 2 mm",
            "100 \u{b5}m\u{b2}",
            "\u{a7} 5",
            "\u{a9} 2025 Acme",
            "th\u{e9}",
            "M\u{fc}ller",
            "\u{201c}quoted\u{201d} \u{2013} text",
            "a\u{a0}b",
            "\u{2022} one",
            "1\u{bd} inch",
            "\u{a3}5",
            "na\u{ef}ve",
            "\u{c5}sa",
            "S\u{e3}o",
            "\u{bf}Qu\u{e9}?",
        ] {
            let raw = encoded("windows-1252", &format!("Subject: {text}\nFrom: a@x.example\n\nOn it: {text}"));
            let mail = parse(&raw).unwrap();
            assert_eq!(mail.subject, text);
            assert_eq!(mail.preview, format!("On it: {}", text.replace('\u{a0}', " ")));
        }
    }
}
