//! Weaves a case reference into the subject of a message that somebody else wrote.

use std::borrow::Cow;

/// Puts `[reference] ` before the subject; a message without one gets one. All other bytes stay as they are.
pub(super) fn weave<'a>(raw: &'a [u8], reference: &str) -> Cow<'a, [u8]> {
    let insert = |at: usize, text: String| {
        let mut woven = Vec::with_capacity(raw.len() + text.len());
        woven.extend_from_slice(&raw[..at]);
        woven.extend_from_slice(text.as_bytes());
        woven.extend_from_slice(&raw[at..]);
        Cow::Owned(woven)
    };
    let mut start = 0;
    while start < raw.len() {
        let end = raw[start..]
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(raw.len(), |at| start + at + 1);
        let line = &raw[start..end];
        if line.trim_ascii().is_empty() {
            break;
        }
        if line.len() >= 8 && line[..8].eq_ignore_ascii_case(b"subject:") {
            return insert(start + 8, format!(" [{reference}]"));
        }
        start = end;
    }
    let line_end = if raw.windows(2).any(|pair| pair == b"\r\n") { "\r\n" } else { "\n" };
    insert(0, format!("Subject: [{reference}]{line_end}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_go_in_front_of_the_subject_and_nothing_else_changes() {
        let check = |raw: &str, expected: &str| {
            let woven = weave(raw.as_bytes(), "CS-0000001");
            assert_eq!(String::from_utf8_lossy(&woven), expected);
        };
        check(
            "From: a\r\nsubject: Hi\r\n there\r\n\r\nSubject: no",
            "From: a\r\nsubject: [CS-0000001] Hi\r\n there\r\n\r\nSubject: no",
        );
        check("From: a\n\nbody", "Subject: [CS-0000001]\nFrom: a\n\nbody");
        check("", "Subject: [CS-0000001]\n");
    }
}
