//! What the prefix of a subject says: an answer, or a message that is passed on.

use super::words::{ANSWER_PREFIXES, FORWARD_PREFIXES};

/// Longest prefix, in bytes.
const PREFIX_LIMIT: usize = 32;
/// Most tags in brackets before a prefix, such as the name of a mailing list.
const TAG_LIMIT: usize = 4;

/// What a subject says of its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mime) enum Prefix {
    Answer,
    Forward,
    /// `VS`, which means one or the other by the language.
    Either,
}

/// Reads the first prefix of a decoded subject, behind any tags in brackets. A number may follow it: `Re[2]:`, `AW (3):`.
pub(in crate::mime) fn prefix(subject: &str) -> Option<Prefix> {
    let mut rest = subject.trim_start();
    for _ in 0..TAG_LIMIT {
        let Some(inside) = rest.strip_prefix(['[', '【']) else { break };
        let (_, after) = inside.split_once([']', '】'])?;
        rest = after.trim_start();
    }
    let head = &rest[..rest.floor_char_boundary(PREFIX_LIMIT)];
    let (word, _) = head.split_once([':', '：', '﹕'])?;
    let invisible = |c: &char| !matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}');
    let word: String = word.chars().filter(invisible).collect::<String>().to_lowercase();
    let counted = |c: char| c.is_ascii_digit() || matches!(c, '[' | ']' | '(' | ')' | '^' | '*' | '/' | ' ' | '\u{A0}');
    let word = word.trim_matches(counted);
    if word == "vs" {
        Some(Prefix::Either)
    } else if ANSWER_PREFIXES.contains(&word) {
        Some(Prefix::Answer)
    } else if FORWARD_PREFIXES.contains(&word) {
        Some(Prefix::Forward)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_read_in_all_languages() {
        for (subject, expected) in [
            ("Re: pump", Some(Prefix::Answer)),
            ("RE[2]: pump", Some(Prefix::Answer)),
            ("[desk] AW: WG: Pumpe", Some(Prefix::Answer)),
            ("Antw.: x", None),
            ("Odp: pompa", Some(Prefix::Answer)),
            ("回复：水泵", Some(Prefix::Answer)),
            ("\u{200f}תשובה: משאבה", Some(Prefix::Answer)),
            ("Fwd: Re: pump", Some(Prefix::Forward)),
            ("TR : pompe", Some(Prefix::Forward)),
            ("İLT: pompa", Some(Prefix::Forward)),
            ("转发: 水泵", Some(Prefix::Forward)),
            ("VS: pumppu", Some(Prefix::Either)),
            ("Pump 4: leaks", None),
            ("Report", None),
            ("[open", None),
            ("", None),
        ] {
            assert_eq!(prefix(subject), expected, "{subject}");
        }
    }
}
