//! Johab (KS X 1001, annex 3): Korean syllables by their letters, five bits for each, and the symbols and Chinese characters of KS X 1001 in other
//! places. Source: <https://www.unicode.org/Public/MAPPINGS/OBSOLETE/EASTASIA/KSC/JOHAB.TXT>

use encoding_rs::EUC_KR;

/// The first syllable of Unicode, and how many of them have the same first letter, and the same first two.
const SYLLABLES: u32 = 0xAC00;
const WITH_INITIAL: u32 = 588;
const WITH_VOWEL: u32 = 28;
/// In place of a letter that is missing.
const NO_INITIAL: u32 = 1;
const NO_VOWEL: u32 = 2;
const NO_FINAL: u32 = 1;
/// Letters by themselves, in the order of the syllables.
const INITIALS: &str = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ";
const VOWELS: &str = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ";
const FINALS: &str = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ";

/// Text of bytes in Johab, with a replacement for each fault.
pub(super) fn decoded(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 3 / 2);
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        if first.is_ascii() {
            // In Korean charsets, it stands for the sign of the currency.
            out.push(if first == b'\\' { '₩' } else { char::from(first) });
            rest = after;
            continue;
        }
        let character = after.first().and_then(|second| character(first, *second));
        out.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
        // What is ASCII may be the beginning of something else.
        let length = usize::from(character.is_some() || after.first().is_some_and(|second| !second.is_ascii()));
        rest = &after[length..];
    }
    out
}

fn character(first: u8, second: u8) -> Option<char> {
    match first {
        0x84..=0xD3 => syllable(u32::from(first) << 8 | u32::from(second)),
        0xD9..=0xDE | 0xE0..=0xF9 => symbol(first, second),
        _ => None,
    }
}

/// A syllable, or a letter by itself.
fn syllable(bits: u32) -> Option<char> {
    let (initial, vowel, last) = (bits >> 10 & 31, bits >> 5 & 31, bits & 31);
    let initial_index = (2..=20).contains(&initial).then(|| initial - 2);
    let vowel_index = match vowel {
        3..=7 => Some(vowel - 3),
        10..=15 => Some(vowel - 5),
        18..=23 => Some(vowel - 7),
        26..=29 => Some(vowel - 9),
        _ => None,
    };
    let final_index = match last {
        2..=17 => Some(last - 1),
        19..=29 => Some(last - 2),
        _ => None,
    };
    let letter = |letters: &str, index: u32| letters.chars().nth(index as usize);
    match (initial_index, vowel_index, final_index) {
        (Some(initial), Some(vowel), found) if found.is_some() || last == NO_FINAL => {
            char::from_u32(SYLLABLES + initial * WITH_INITIAL + vowel * WITH_VOWEL + found.unwrap_or(0))
        }
        (Some(initial), None, None) if vowel == NO_VOWEL && last == NO_FINAL => letter(INITIALS, initial),
        (None, Some(vowel), None) if initial == NO_INITIAL && last == NO_FINAL => letter(VOWELS, vowel),
        (None, None, Some(last)) if initial == NO_INITIAL && vowel == NO_VOWEL => letter(FINALS, last - 1),
        _ => None,
    }
}

/// A symbol or Chinese character: two rows of KS X 1001 for each first byte.
fn symbol(first: u8, second: u8) -> Option<char> {
    let (first, second) = (u32::from(first), u32::from(second));
    let row = if first < 0xE0 { 2 * (first - 0xD9) } else { 2 * first - 0x197 };
    let column = match second {
        0x31..=0x7E => second - 0x31,
        0x91..=0xFE => second - 0x43,
        _ => return None,
    };
    let (row, column) = (row + column / 94, column % 94);
    let pair = [u8::try_from(row + 0xA1).ok()?, u8::try_from(column + 0xA1).ok()?];
    let text = EUC_KR.decode_without_bom_handling_and_without_replacement(&pair)?;
    text.chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_text() {
        for (bytes, expected) in [
            (&b"a\n\x88\x61"[..], "a\n가"),
            (b"\xCC\xF1\xCF\x61\x88\x61", "펌프가"),
            (b"\x88\x41\x84\x61\x84\x42", "ㄱㅏㄱ"),
            (b"\xD9\x31\xE0\x31", "\u{3000}伽"),
            (b"\x88", "\u{fffd}"),
            (b"\x88a\xFF\xFFb", "가\u{fffd}b"),
            (b"\xFFb", "\u{fffd}b"),
        ] {
            assert_eq!(decoded(bytes), expected, "{bytes:?}");
        }
    }
}
