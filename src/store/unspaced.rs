//! Words of languages that are written without spaces, for a full-text index that only knows words between spaces.
//!
//! A run of such characters becomes overlapping pairs, and its last character alone: a word is found as its pairs in a row, a single character
//! as the beginning of one. Pairs are written with letters of ASCII, so that the tokenizers of both engines take each for a word, also where
//! it has vowels that are combining marks. Korean is treated alike: it has spaces, but words have endings and are joined.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// How every pair begins: no word does.
const MARK: &str = "qz";
/// Letters for a character: enough for all that are in a run.
const LETTERS: u32 = 4;

/// A piece of a word.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Characters without spaces between words.
    Run(Vec<char>),
    /// Others.
    Word(String),
}

/// A text as it is indexed.
pub(super) fn for_index(text: &str) -> Cow<'_, str> {
    if !may_matter(text) || !text.chars().any(matters) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() * 2);
    let mut last: Option<char> = None;
    for c in text.nfkc() {
        match last {
            Some(_) if is_mark(c) => {}
            Some(before) if is_in_run(c) => {
                push(&mut out, &[before, c]);
                last = Some(c);
            }
            Some(before) => {
                push(&mut out, &[before]);
                out.push(' ');
                out.push(c);
                last = None;
            }
            None if is_in_run(c) => last = Some(c),
            None => out.push(c),
        }
    }
    if let Some(last) = last {
        push(&mut out, &[last]);
    }
    out.into()
}

/// The pieces of a word of a query.
pub(super) fn pieces(word: &str) -> Vec<Piece> {
    if !may_matter(word) || !word.chars().any(matters) {
        return vec![Piece::Word(word.to_owned())];
    }
    let mut pieces = Vec::new();
    for c in word.nfkc() {
        match (pieces.last_mut(), is_in_run(c)) {
            (Some(Piece::Run(_)), false) if is_mark(c) => {}
            (Some(Piece::Run(run)), true) => run.push(c),
            (Some(Piece::Word(word)), false) => word.push(c),
            (_, true) => pieces.push(Piece::Run(vec![c])),
            (_, false) => pieces.push(Piece::Word(c.to_string())),
        }
    }
    pieces
}

/// How a run is indexed: its pairs, and where it `ends`, its last character.
pub(super) fn indexed(run: &[char], ends: bool) -> Vec<String> {
    let pairs = run.windows(2);
    let last = run.last().filter(|_| ends || run.len() == 1);
    let last = last.map(|last| token(&[*last]));
    pairs.map(token).chain(last).collect()
}

fn push(out: &mut String, characters: &[char]) {
    out.push(' ');
    out.push_str(&token(characters));
}

fn token(characters: &[char]) -> String {
    let mut token = String::from(MARK);
    for c in characters {
        let code = u32::from(*c);
        let letters = (0..LETTERS).rev().map(|place| code / 26_u32.pow(place) % 26);
        token.extend(letters.filter_map(|letter| char::from_u32(u32::from('a') + letter)));
    }
    token
}

/// Whether a character belongs to a script without spaces between words. Punctuation of these does not.
fn is_in_run(c: char) -> bool {
    let is_of_script = matches!(c,
        // Thai, Lao, Burmese, Khmer.
        '\u{E00}'..='\u{EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}'
        // Kana, Bopomofo, Han, Hangul.
        | '\u{3005}'..='\u{3007}' | '\u{3031}'..='\u{3035}' | '\u{3041}'..='\u{312F}' | '\u{31A0}'..='\u{31BF}' | '\u{31F0}'..='\u{31FF}'
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7A3}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}');
    is_of_script && c.is_alphanumeric()
}

/// A mark that is written with the character before it and makes no other word of it, such as a tone of Thai.
fn is_mark(c: char) -> bool {
    is_combining_mark(c) && !c.is_alphanumeric()
}

/// Whether a text may have such a character: by the first bytes of these, which costs little.
fn may_matter(text: &str) -> bool {
    // Those of 0xE2 are punctuation and signs.
    text.bytes().any(|byte| byte >= 0xE0 && byte != 0xE2)
}

/// Whether a text with this character is not indexed as it is: it is of such a script, or is another form of a character that is.
fn matters(c: char) -> bool {
    // Parts of Hangul, squared and circled words, characters of half and full width.
    let has_other_form =
        |c| matches!(c, '\u{1100}'..='\u{11FF}' | '\u{3130}'..='\u{318F}' | '\u{3200}'..='\u{33FF}' | '\u{FF01}'..='\u{FFDC}');
    is_in_run(c) || has_other_form(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The index text with pairs as they are.
    fn readable(text: &str) -> String {
        let decode = |word: &str| {
            let Some(letters) = word.strip_prefix(MARK) else {
                return word.to_owned();
            };
            let code = |letters: &[u8]| letters.iter().fold(0, |code, letter| code * 26 + u32::from(letter - b'a'));
            letters
                .as_bytes()
                .chunks(4)
                .filter_map(|letters| char::from_u32(code(letters)))
                .collect()
        };
        for_index(text).split_whitespace().map(decode).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn runs_become_pairs() {
        for (text, expected) in [
            ("Gr\u{fc}\u{df}e \u{2013} pump", "Gr\u{fc}\u{df}e \u{2013} pump"),
            ("\u{79bb}\u{5fc3}\u{6cf5}", "\u{79bb}\u{5fc3} \u{5fc3}\u{6cf5} \u{6cf5}"),
            ("\u{6cf5}", "\u{6cf5}"),
            (
                "\u{8bf7}\u{91cd}\u{8dd1}gen-itgc\u{540e}\u{518d}",
                "\u{8bf7}\u{91cd} \u{91cd}\u{8dd1} \u{8dd1} gen-itgc \u{540e}\u{518d} \u{518d}",
            ),
            ("\u{6cf5}\u{3002}\u{9600}", "\u{6cf5} \u{3002} \u{9600}"),
            // Half width.
            ("\u{ff83}\u{ff7d}\u{ff84}", "\u{30c6}\u{30b9} \u{30b9}\u{30c8} \u{30c8}"),
            ("\u{ff23}\u{ff33}\u{ff0d}\u{ff11}", "CS-1"),
            ("\u{bc38}\u{be0c}\u{b97c} x", "\u{bc38}\u{be0c} \u{be0c}\u{b97c} \u{b97c} x"),
            ("\u{20000}\u{2ebe0}", "\u{20000}\u{2ebe0} \u{2ebe0}"),
            // A tone mark.
            ("\u{e17}\u{e35}\u{e48}", "\u{e17}\u{e35} \u{e35}"),
        ] {
            assert_eq!(readable(text), expected, "{text}");
        }
        assert!(matches!(for_index("\u{201c}th\u{e9}\u{201d}"), Cow::Borrowed(_)));
    }

    #[test]
    fn pairs_are_words_to_both_engines() {
        let index = for_index("\u{e1b}\u{e31}\u{e4a}\u{e21} \u{79bb}\u{5fc3}");
        assert!(index.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b' '), "{index}");
    }

    #[test]
    fn queries_are_cut_where_scripts_meet() {
        let run = |text: &str| Piece::Run(text.chars().collect());
        let word = |text: &str| Piece::Word(text.to_owned());
        assert_eq!(pieces("th\u{e9}"), [word("th\u{e9}")]);
        assert_eq!(
            pieces("\u{8dd1}gen\u{540e}\u{518d}"),
            [run("\u{8dd1}"), word("gen"), run("\u{540e}\u{518d}")]
        );
        assert_eq!(pieces("\u{ff26}"), [word("F")]);
        assert_eq!(indexed(&['\u{540e}', '\u{518d}'], false).len(), 1);
        assert_eq!(indexed(&['\u{540e}', '\u{518d}'], true).len(), 2);
        assert_eq!(indexed(&['\u{540e}'], false).len(), 1);
    }
}
