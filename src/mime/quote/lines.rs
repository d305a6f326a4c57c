//! The lines of a text: which are empty, which are quoted, and which quoted ones belong together.

use std::{borrow::Cow, cell::Cell};

use super::{MARK_HISTORY, MARK_OWN};

/// Longest line that is examined, in bytes.
pub(super) const LINE_LIMIT: usize = 1_000;
/// Most bytes that are compared with patterns and names, some of which examine a line more than once. The text beyond is not searched.
pub(super) const WORK_LIMIT: usize = 16 * 1024 * 1024;
/// The fixed cost of a comparison, in bytes.
pub(super) const COMPARISON: usize = 16;
/// Programs that wrap what they quote do so behind the 60th character at the earliest.
const WRAP: usize = 60;

/// Most words of a line of dashes.
const WORDED_LIMIT: usize = 10;

/// What counts as a quotation mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marks {
    /// `>`.
    Arrows,
    /// Below an attribution, bars and initials too. Lines that also end with a bar are rows of a table.
    Any,
}

/// A text in lines.
pub(super) struct Lines<'a> {
    pub all: Vec<&'a str>,
    text: &'a str,
    /// How much was compared, in bytes.
    work: Cell<usize>,
}

/// Quoted lines that belong together, with empty ones between them: from a line to the one before `end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub start: usize,
    pub end: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self {
            all: text.lines().collect(),
            text,
            work: Cell::new(0),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    /// Position of a line in the text.
    pub(super) fn start(&self, line: usize) -> usize {
        let place = |line: &&str| line.as_ptr() as usize - self.text.as_ptr() as usize;
        self.all.get(line).map_or(self.text.len(), place)
    }

    /// Counts a text that is compared. Returns whether the limit allows it.
    pub(super) fn may_compare(&self, bytes: usize) -> bool {
        self.work.set(self.work.get() + bytes + COMPARISON);
        self.work.get() <= WORK_LIMIT
    }

    /// How much was compared, in bytes.
    #[cfg(test)]
    pub(super) fn work(&self) -> usize {
        self.work.get()
    }

    pub(super) fn is_blank(&self, at: usize) -> bool {
        self.all[at].chars().all(|c| c.is_whitespace() || is_invisible(c))
    }

    /// The first line from `at` on that is not empty, before `end`.
    pub(super) fn written(&self, at: usize, end: usize) -> Option<usize> {
        (at..end).find(|at| !self.is_blank(*at))
    }

    /// Whether a line is quoted.
    pub(super) fn begins_run(&self, at: usize, marks: Marks) -> bool {
        is_quoted(self.all[at]) || marks == Marks::Any && is_barred(self.all[at])
    }

    /// The run that begins at a line.
    pub(super) fn run(&self, start: usize, marks: Marks) -> Option<Run> {
        let quoted = |at: usize| self.begins_run(at, marks);
        if !quoted(start) {
            return None;
        }
        let (mut end, mut at) = (start + 1, start + 1);
        while at < self.count() {
            if quoted(at) {
                end = at + 1;
            } else {
                let wrapped = || end == at && at + 1 < self.count() && quoted(at + 1) && self.is_wrapped(at);
                if !self.is_blank(at) && !wrapped() {
                    break;
                }
            }
            at += 1;
        }
        Some(Run { start, end })
    }

    /// Whether a line is the end of the quoted one before it, which a mail program has wrapped: that one is as long as programs let lines become
    /// and its sentence has not ended, or it has the beginning of a link. An answer between two quoted lines is nothing of that kind.
    fn is_wrapped(&self, at: usize) -> bool {
        let (before, line) = (self.all[at - 1].trim_end(), self.all[at].trim());
        let opens = |open: &str, close: char| before.rfind(open).is_some_and(|at| !before[at..].contains(close));
        if opens("(http", ')') || opens("<http", '>') {
            return true;
        }
        let long = before.chars().count() >= WRAP;
        let ended = before.ends_with(['.', '?', '!', ':', ';', '。', '？', '！', '"', '”', ')']);
        let goes_on = !line.starts_with(char::is_uppercase) || line.chars().count() < before.chars().count() / 3;
        long && !ended && goes_on && line.chars().count() <= WRAP
    }
}

/// What leaves no mark: direction and zero-width characters, which right-to-left texts have around names and dates.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{61C}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | MARK_HISTORY | MARK_OWN)
}

/// A line without quotation marks, invisible characters and white space around it; hard spaces are spaces.
pub(super) fn plain(line: &str) -> Cow<'_, str> {
    let line = unquoted(line);
    let line = if line.is_ascii() || !line.chars().any(|c| is_invisible(c) || is_hard_space(c)) {
        Cow::Borrowed(line)
    } else {
        let seen = line
            .chars()
            .filter(|c| !is_invisible(*c))
            .map(|c| if is_hard_space(c) { ' ' } else { c });
        Cow::Owned(seen.collect())
    };
    match line {
        Cow::Borrowed(line) => Cow::Borrowed(line.trim()),
        Cow::Owned(line) => Cow::Owned(line.trim().to_owned()),
    }
}

fn is_hard_space(c: char) -> bool {
    matches!(c, '\u{A0}' | '\u{202F}' | '\u{2007}' | '\u{2009}')
}

pub(super) fn is_quoted(line: &str) -> bool {
    let line = line.trim_start_matches(|c: char| c.is_whitespace() || is_invisible(c));
    line.starts_with('>') && !is_groupwise(line)
}

/// Whether a line is an attribution as GroupWise writes it: `>>> Anna <anna@x.example> 3/2/2025 10:00 AM >>>`.
fn is_groupwise(line: &str) -> bool {
    line.starts_with(">>> ") && line.trim_end().ends_with(" >>>") && line.contains(|c: char| c.is_ascii_digit())
}

/// Whether a line has a bar or, as The Bat writes, the initials of somebody before it.
fn is_barred(line: &str) -> bool {
    let line = line.trim();
    let initials = || {
        line.split_once('>')
            .is_some_and(|(head, _)| (1..=4).contains(&head.len()) && head.bytes().all(|byte| byte.is_ascii_uppercase()))
    };
    line == "|" || line.starts_with("| ") && !line.ends_with('|') || initials()
}

/// A line without quotation marks (`>`).
pub(super) fn unquoted(line: &str) -> &str {
    line.trim_start_matches(|c: char| matches!(c, '>' | ' ' | '\t') || is_invisible(c))
}

/// A line of dashes with some words within, as programs write above a block of header lines in whichever language.
pub(super) fn is_worded_rule(line: &str) -> bool {
    let line = line.trim();
    let rules = |text: &str| text.starts_with("---") || text.starts_with("===");
    line.len() <= LINE_LIMIT
        && rules(line)
        && (line.ends_with("---") || line.ends_with("==="))
        && line.split_whitespace().count() <= WORDED_LIMIT
}

/// A line of dashes and the like.
pub(super) fn is_rule(line: &str) -> bool {
    let line = line.trim();
    line.chars().count() >= 5 && line.chars().all(|c| matches!(c, '_' | '-' | '─' | '—' | '–' | '=' | '*' | ' '))
}
