//! Lines such as "-----Original Message-----".

use std::sync::LazyLock;

use regex::Regex;

use super::{
    lines::{LINE_LIMIT, plain},
    words::{FORWARDED, ORIGINAL},
};

static SEPARATOR: LazyLock<Regex> = LazyLock::new(|| {
    let alternatives = |words: &[&str]| words.join("|");
    let (forwarded, original) = (alternatives(FORWARDED), alternatives(ORIGINAL));
    let pattern = format!(
        r"(?i)^(?P<before>[-_=*#>\[\s|—–─]{{0,60}})(?:(?P<forwarded>{forwarded})|{original})(?P<after>[-_=*#\]\s|—–─:：]{{0,60}})$"
    );
    Regex::new(&pattern).expect("the pattern is fixed")
});

/// What a separator announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Separator {
    /// A message that is passed on, rather than answered.
    pub forwards: bool,
    /// It has rules on both sides, as only programs write it.
    pub ruled: bool,
}

/// Reads a line, with or without quotation marks.
pub(super) fn separator(line: &str) -> Option<Separator> {
    if line.len() > LINE_LIMIT {
        return None;
    }
    let line = plain(line);
    // All of them have rules or a colon.
    if !line.ends_with([':', '：']) && !line.starts_with(['-', '_', '=', '*', '#', '—', '–', '─', '[']) {
        return None;
    }
    let captures = SEPARATOR.captures(&line)?;
    let (before, after) = (&captures["before"], captures["after"].trim());
    let ruled = |text: &str| text.chars().filter(|c| "-_=#—–─".contains(*c)).count() >= 2;
    let (left, right) = (ruled(before), ruled(after));
    (left || right || after.ends_with([':', '：'])).then(|| Separator {
        forwards: captures.name("forwarded").is_some(),
        ruled: left && right,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_are_read_in_all_languages() {
        for (line, forwards, ruled) in [
            ("-----Original Message-----", false, true),
            ("-----Urspr\u{fc}ngliche Nachricht-----", false, true),
            ("*-------- Original Message --------*", false, true),
            ("------------------ 原始邮件 ------------------", false, true),
            ("---- 回复的原邮件 ----", false, true),
            ("---- Replied Message ----", false, true),
            ("---------- Forwarded message ---------", true, true),
            (" ----- Forwarded Message ----- ", true, true),
            ("> Anfang der weitergeleiteten Nachricht:", true, false),
            ("-------- הודעה מועברת --------", true, true),
            ("Original message:", false, false),
        ] {
            assert_eq!(separator(line), Some(Separator { forwards, ruled }), "{line}");
        }
        for line in [
            "I forwarded message 1",
            "The original message was lost",
            "-- original message of the panel --",
            "----------",
            "",
            "Forwarded message",
        ] {
            assert_eq!(separator(line), None, "{line}");
        }
    }
}
