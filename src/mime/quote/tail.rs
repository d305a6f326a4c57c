//! What is not history, though it is below or beside it: signatures, lines of telephones, comparisons.

use std::sync::LazyLock;

use regex::Regex;

use super::{
    attribution,
    lines::{LINE_LIMIT, Lines, is_rule, plain},
    people::People,
    separator::separator,
    words::DEVICES,
};

/// Most lines of a signature without a line that announces it.
const SIGNATURE_LINES: usize = 8;
/// Longest line in which a sender's name is a signature, in words.
const NAME_WORDS: usize = 5;
/// Longest line of a telephone or program, in bytes.
const DEVICE_LIMIT: usize = 160;
/// Longest comparison, in characters.
const COMPARISON_LIMIT: usize = 25;
/// Most lines that are looked at to see whether a text says something.
const SAYING_LINES: usize = 200;

static DEVICE: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = format!("(?i)^(?:{})", DEVICES.join("|"));
    Regex::new(&pattern).expect("the pattern is fixed")
});

/// Whether the text from a line on, which is not empty, is a signature or a footer: announced as such, or short and with the sender's name.
pub(super) fn is_signature(lines: &Lines<'_>, first: usize, people: &People) -> bool {
    let line = plain(lines.all[first]);
    if ends_text(&line) || is_device(&line) {
        return true;
    }
    let written: Vec<usize> = (first..lines.count())
        .filter(|at| !lines.is_blank(*at))
        .take(SIGNATURE_LINES + 1)
        .collect();
    let signs = |at: usize| {
        let line = plain(lines.all[at]);
        line.split_whitespace().count() <= NAME_WORDS && people.sender_signs(&line.to_lowercase())
    };
    // Above a name there is at most a greeting, which is no sentence.
    let is_greeting = |at: usize| !plain(lines.all[at]).ends_with(['.', '?', '!', ':', '。', '？', '！']);
    let named = written.iter().take(3).position(|at| signs(*at));
    written.len() <= SIGNATURE_LINES && named.is_some_and(|named| written[..named].iter().all(|at| is_greeting(*at)))
}

/// The line above a signature (RFC 3676 §4.3), or a rule.
fn ends_text(line: &str) -> bool {
    line.trim_end() == "--" || is_rule(line)
}

fn is_device(line: &str) -> bool {
    line.len() <= DEVICE_LIMIT && DEVICE.is_match(line)
}

/// Whether a quoted line is a comparison: `>180 °C`, `>= 12 bar`.
pub(super) fn is_comparison(line: &str) -> bool {
    let line = line.trim();
    let Some(inner) = line.strip_prefix('>') else {
        return line.is_empty();
    };
    if inner.starts_with('=') {
        return true;
    }
    let value = inner.trim_start();
    let digits = value
        .find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | ','))
        .unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    let measured = !number.is_empty() && !number.ends_with('.') && !unit.starts_with([')', ':', '>']);
    measured && (inner.starts_with(|c: char| c.is_ascii_digit()) || line.chars().count() < COMPARISON_LIMIT && !unit.trim().is_empty())
}

/// Whether a text begins with a quotation mark, as what is quoted within a sentence does.
pub(super) fn is_in_quotation_marks(line: &str) -> bool {
    plain(line).starts_with(['"', '“', '„', '”', '«', '»', '‹', '‚', '\'', '‘', '「', '『', '《', '〝'])
}

/// Whether a text has more than a signature, lines of a telephone, or the attribution of something that is no longer there.
pub(super) fn says_something(text: &str, people: &People) -> bool {
    let mut joined = String::new();
    let written = text.lines().map(plain).filter(|line| !line.is_empty());
    for line in written.take(SAYING_LINES) {
        if line.trim_end() == "--" {
            break;
        }
        if is_rule(&line) || is_device(&line) || separator(&line).is_some() {
            continue;
        }
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(&line);
        if joined.len() > LINE_LIMIT {
            return true;
        }
    }
    !joined.is_empty() && !attribution::is_attribution(&joined, people)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Mailbox;

    fn people() -> People {
        let sender = Mailbox {
            display_name: "Lena Holt".to_owned(),
            address: "lena@halden.example".to_owned(),
        };
        People::of(&[sender], &[])
    }

    #[test]
    fn signatures_are_told_from_answers() {
        for (text, expected) in [
            ("-- \nLena", true),
            ("________________\nlist footer\nmore", true),
            ("Sent from my iPhone", true),
            ("Von meinem iPhone gesendet", true),
            ("Regards,\n\nLena Holt\nHalden Mills", true),
            ("Lena", true),
            ("Yes, Lena has said that it is open.", false),
            ("Yes.\n\nWe think so.", false),
            ("No.\n\nLena", false),
        ] {
            assert_eq!(is_signature(&Lines::of(text), 0, &people()), expected, "{text}");
        }
    }

    #[test]
    fn comparisons_are_told_from_quotations() {
        for (line, expected) in [
            (">180 °C", true),
            (">=12 bar", true),
            (" >= is easier to read.", true),
            ("> 12 bar", true),
            ("> 2. the second point", false),
            (">text", false),
            ("> What is the pressure?", false),
            ("", true),
        ] {
            assert_eq!(is_comparison(line), expected, "{line}");
        }
    }

    #[test]
    fn what_says_nothing_is_known() {
        for (text, expected) in [
            ("Yes.", true),
            ("Sent from my iPhone", false),
            ("-- \nLena Holt\nHalden Mills", false),
            ("Sent with Proton Mail secure email.\n\n_______", false),
            ("On Mon, 6 Jan 2025 at 10:00, Anna <a@x.example> wrote:", false),
            ("", false),
        ] {
            assert_eq!(says_something(text, &people()), expected, "{text}");
        }
    }
}
