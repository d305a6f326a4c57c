//! Subjects in the form that is searched for case references.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization, is_nfkc};

/// Makes a decoded subject comparable: NFKC, every run of white space one space, characters that look like ASCII letters, digits and
/// hyphens replaced by them, zero-width and control characters removed. Time is linear; ASCII costs no more than a copy.
pub fn normalise_subject(decoded: &str) -> String {
    // A fold without an early end, which the compiler turns into vector instructions.
    let plain = decoded.bytes().fold(true, |plain, byte| plain & (0x20..0x7F).contains(&byte));
    if plain && !decoded.as_bytes().windows(2).any(|pair| pair == b"  ") {
        return decoded.trim().to_owned();
    }
    let composed: Cow<'_, str> = if decoded.is_ascii() || is_nfkc(decoded) {
        Cow::Borrowed(decoded)
    } else {
        Cow::Owned(decoded.nfkc().collect())
    };
    let mut out = String::with_capacity(composed.len());
    let mut blank = true;
    for c in composed.chars() {
        if c.is_whitespace() {
            if !blank {
                out.push(' ');
            }
            blank = true;
        } else if !is_invisible(c) {
            out.push(look_alike(c));
            blank = false;
        }
    }
    out.truncate(out.trim_end().len());
    out
}

fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

/// The ASCII character that looks like `c`, if there is one (see Unicode Technical Standard 39), else `c`.
fn look_alike(c: char) -> char {
    if c.is_ascii() {
        return c;
    }
    match c {
        '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}' | '\u{2796}' | '\u{FE58}' | '\u{FE63}' | '\u{FF0D}' | '\u{2CBA}' => '-',
        // Greek.
        'Α' => 'A',
        'Β' => 'B',
        'Ε' => 'E',
        'Ζ' => 'Z',
        'Η' => 'H',
        'Ι' => 'I',
        'Κ' => 'K',
        'Μ' => 'M',
        'Ν' => 'N',
        'Ο' => 'O',
        'Ρ' => 'P',
        'Τ' => 'T',
        'Υ' => 'Y',
        'Χ' => 'X',
        'Ϲ' => 'C',
        'Ϳ' => 'J',
        'α' => 'a',
        'ι' => 'i',
        'κ' => 'k',
        'ν' => 'v',
        'ο' => 'o',
        'ρ' => 'p',
        'υ' => 'u',
        'χ' => 'x',
        'ϲ' => 'c',
        'ϳ' => 'j',
        // Cyrillic.
        'А' => 'A',
        'В' => 'B',
        'С' => 'C',
        'Е' => 'E',
        'Н' => 'H',
        'І' => 'I',
        'Ј' => 'J',
        'К' => 'K',
        'М' => 'M',
        'О' => 'O',
        'Р' => 'P',
        'Ѕ' => 'S',
        'Т' => 'T',
        'Х' => 'X',
        'У' | 'Ү' => 'Y',
        'Ԍ' => 'G',
        'Ԛ' => 'Q',
        'Ԝ' => 'W',
        'а' => 'a',
        'с' => 'c',
        'ԁ' => 'd',
        'е' => 'e',
        'һ' => 'h',
        'і' => 'i',
        'ј' => 'j',
        'к' => 'k',
        'ӏ' => 'l',
        'о' => 'o',
        'р' => 'p',
        'ԛ' => 'q',
        'ѕ' => 's',
        'у' | 'ү' => 'y',
        'х' => 'x',
        'ԝ' => 'w',
        'Ӏ' => 'I',
        _ => digit(c).unwrap_or(c),
    }
}

/// First digits of the scripts' decimal digits (general category Nd), each followed by the other nine. Those that NFKC maps are not here.
const ZEROS: [u32; 66] = [
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040,
    0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50,
    0xABF0, 0xFF10, 0x104A0, 0x10D30, 0x10D40, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730,
    0x118E0, 0x11950, 0x11BF0, 0x11C50, 0x11D50, 0x11DA0, 0x11F50, 0x16130, 0x16A60, 0x16AC0, 0x16B50, 0x16D70, 0x1E140, 0x1E2F0, 0x1E4F0,
    0x1E5F1, 0x1E950,
];

fn digit(c: char) -> Option<char> {
    let code = u32::from(c);
    let zero = ZEROS[..ZEROS.partition_point(|zero| *zero <= code)].last()?;
    char::from_digit(code - zero, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_alikes_become_ascii() {
        for (subject, expected) in [
            ("Re: CS-0012345", "Re: CS-0012345"),
            ("  a   b\tc ", "a b c"),
            ("CS\u{2011}0012345", "CS-0012345"),
            ("CS\u{2212}\u{2013}\u{FE58}\u{FE63}\u{FF0D}1", "CS-----1"),
            ("\u{FF23}\u{FF33}\u{FF0D}\u{FF10}\u{FF11}", "CS-01"),
            // Cyrillic letters.
            ("\u{421}\u{405}-1", "CS-1"),
            ("\u{441}\u{455}-1", "cs-1"),
            ("C\u{200B}S-\u{AD}1\u{FEFF}", "CS-1"),
            ("CS-\u{661}\u{662}\u{6F3}\u{96A}\u{1D7D9}", "CS-12341"),
            ("CS-1\u{0}\r\n2", "CS-1 2"),
            ("nbsp\u{A0}x\u{3000}y", "nbsp x y"),
            ("Gr\u{fc}\u{df}e", "Gr\u{fc}\u{df}e"),
            ("u\u{308}", "\u{fc}"),
            ("\u{65e5}\u{672c}", "\u{65e5}\u{672c}"),
            ("", ""),
        ] {
            assert_eq!(normalise_subject(subject), expected, "{subject:?}");
        }
    }

    #[test]
    fn zeros_are_sorted_and_apart() {
        assert!(ZEROS.windows(2).all(|pair| pair[0] + 10 <= pair[1]));
        for zero in ZEROS {
            assert!(char::from_u32(zero).is_some_and(char::is_numeric), "{zero:X}");
            assert_eq!(digit(char::from_u32(zero + 9).unwrap()), Some('9'));
        }
    }

    #[test]
    fn normalising_twice_changes_nothing() {
        for subject in ["a \u{301} b", "\u{421}\u{2011}\u{661}", "\u{FDFA}", "\u{200B} x \u{200B} y"] {
            let once = normalise_subject(subject);
            assert_eq!(normalise_subject(&once), once, "{subject:?}");
        }
    }
}
