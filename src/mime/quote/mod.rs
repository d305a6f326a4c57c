//! What of a message's text its sender wrote, and what is quoted history.
//!
//! No word of the sender may be taken for history, so history is cut off only where there is evidence of it, and what is doubtful stays:
//!
//! - The message answers something: its header says so, or the text names a message that one of its recipients wrote.
//! - What is cut begins with an attribution or a block of header lines that names an address or somebody of the thread, or a mail program has
//!   marked it in the HTML, or it is quoted throughout and ends the message.
//! - What stands below a quotation is the sender's; quotations between answers stay with them.
//! - A forward is never cut, and neither is a text of which nothing would be left.

mod attribution;
mod block;
mod labels;
mod lines;
mod moment;
mod people;
mod prefix;
mod separator;
mod tail;
mod words;

use std::borrow::Cow;

use attribution::{Attribution, Below};
use block::{Block, Blocks};
use lines::{Lines, Marks, Run, is_rule, is_worded_rule, plain};
use people::People;
use separator::separator;

use crate::domain::Mailbox;

pub(super) use prefix::{Prefix, prefix};

/// Noncharacters (Unicode §23.7) with which the text of an HTML part tells what its elements say. They are removed from what is returned.
///
/// At the beginning of a line: a mail program began the history here.
pub(super) const MARK_HISTORY: char = '\u{FDD0}';
/// In a quoted line: nothing shows that a mail program has quoted it, rather than the sender.
pub(super) const MARK_OWN: char = '\u{FDD1}';

/// Most lines at the beginning of a quotation in which its attribution is looked for, or behind a mark of the HTML.
const INNER_LINES: usize = 8;

/// What the header of a message says of its text.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    /// It names messages that it follows: In-Reply-To or References (RFC 5322 §3.6.4).
    pub follows: bool,
    /// It carries another message, or says so in its header.
    pub carries: bool,
    /// The prefix of its subject.
    pub prefix: Option<Prefix>,
    /// Who sent it.
    pub senders: Vec<Mailbox>,
    /// To whom.
    pub recipients: Vec<Mailbox>,
}

impl Evidence {
    /// Whether the message passes another one on. That some programs refer to it as if it were answered changes nothing.
    fn forwards(&self, text: &str) -> bool {
        let forwards = match self.prefix {
            Some(Prefix::Forward) => true,
            // Finnish and Estonian answers are told by what their programs write above history.
            Some(Prefix::Either) => !["ähettäjä", "kirjoitti", "Saatja", "kirjutas"]
                .iter()
                .any(|word| text.contains(word)),
            Some(Prefix::Answer) | None => false,
        };
        forwards || self.carries
    }

    fn answers(&self) -> bool {
        self.follows || matches!(self.prefix, Some(Prefix::Answer | Prefix::Either))
    }
}

/// A text in its two parts, both possibly empty.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Split<'a> {
    /// What the sender wrote.
    pub written: Cow<'a, str>,
    /// The quoted history. Everything else of the text but white space between the two.
    pub quoted: Cow<'a, str>,
}

impl<'a> Split<'a> {
    fn whole(text: &'a str) -> Self {
        Self {
            written: unmarked(text.trim_end()),
            quoted: Cow::Borrowed(""),
        }
    }
}

/// Splits a text. Work is bounded: what comes behind the limit stays with the sender's words.
pub(super) fn split<'a>(text: &'a str, evidence: &Evidence) -> Split<'a> {
    // Without an answer, only the address of a recipient or a mark can be evidence.
    let answers = evidence.answers();
    if !answers && !text.contains(['@', MARK_HISTORY]) || evidence.forwards(text) {
        return Split::whole(text);
    }
    let lines = Lines::of(text);
    let people = People::of(&evidence.senders, &evidence.recipients);
    let finder = Finder {
        blocks: Blocks::of(&lines),
        lines: &lines,
        people: &people,
        answers,
    };
    let cut = finder.cut().map(|cut| finder.place(&cut));
    cut.and_then(|(start, end)| finder.divided(text, start, end))
        .unwrap_or_else(|| Split::whole(text))
}

/// The sender that a block of header lines in `text` names, quoted or not, for the first such block. The value is as written after "From:".
pub(super) fn forwarded_sender(text: &str) -> Option<&str> {
    block::sender_in(text)
}

/// Whether a line announces a message, as programs do above one that they forward.
pub(super) fn announces_forward(text: &str) -> bool {
    text.lines().any(|line| separator(line).is_some())
}

/// The text without marks.
pub(super) fn unmarked(text: &str) -> Cow<'_, str> {
    if !text.contains([MARK_HISTORY, MARK_OWN]) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let seen: String = line.chars().filter(|c| !matches!(*c, MARK_HISTORY | MARK_OWN)).collect();
        // A line of its own was made for the mark.
        if seen.len() == line.len() || !seen.trim().is_empty() {
            out.push_str(&seen);
        }
    }
    Cow::Owned(out)
}

/// What shows that history begins at a line.
#[derive(Clone, Copy, Debug)]
enum Head<'a> {
    Attribution(Attribution),
    Block(Block<'a>),
    /// A separator with rules on both sides.
    Separator,
    /// A mark of the HTML, with an address or a name behind it.
    Mark,
}

impl Head<'_> {
    /// Whether it alone shows that the message answers one that we know.
    fn is_answer(&self) -> bool {
        match self {
            Self::Attribution(attribution) => attribution.traits.recipient,
            Self::Block(block) => block.answers_recipient,
            Self::Separator => false,
            Self::Mark => true,
        }
    }

    /// Whether a quotation below it is history even if there is an answer below that.
    fn is_certain(&self) -> bool {
        match self {
            Self::Attribution(attribution) => attribution.traits.is_certain(),
            Self::Block(_) | Self::Mark => true,
            Self::Separator => false,
        }
    }
}

/// A head and the lines that it takes.
#[derive(Clone, Copy, Debug)]
struct Found<'a> {
    start: usize,
    /// Bytes of the first line that are the sender's.
    skipped: usize,
    end: usize,
    head: Head<'a>,
}

/// Lines that may be history.
#[derive(Clone, Copy, Debug)]
struct History<'a> {
    start: usize,
    skipped: usize,
    end: usize,
    /// What is above the quoted lines, or above what is not quoted.
    head: Option<Head<'a>>,
    /// Quoted lines without a head above them, which may have one within.
    run: Option<Run>,
    /// Everything below the head, though nothing of it is quoted.
    is_open: bool,
}

/// The lines that are history.
struct Cut {
    start: usize,
    skipped: usize,
    end: usize,
    /// They begin with header lines, which may have a line of dashes with words above them.
    has_block: bool,
}

struct Finder<'t, 'a> {
    lines: &'t Lines<'a>,
    blocks: Blocks<'t, 'a>,
    people: &'t People,
    answers: bool,
}

impl<'a> Finder<'_, 'a> {
    /// The lines to cut, if there are any.
    fn cut(&self) -> Option<Cut> {
        let histories = self.histories();
        let last = histories.last()?;
        let head = last.head.or_else(|| self.head_within(last.run?));
        let cut = Cut {
            start: last.start,
            skipped: last.skipped,
            end: last.end,
            has_block: matches!(head, Some(Head::Block(_) | Head::Mark)),
        };
        if last.is_open {
            return Some(cut);
        }
        let below = self.lines.written(last.end, self.lines.count());
        let ends = below.is_none_or(|below| tail::is_signature(self.lines, below, self.people));
        match head {
            Some(head) => (ends || histories.len() == 1 && head.is_certain()).then_some(cut),
            None => (self.answers && ends && self.is_quotation(last)).then_some(cut),
        }
    }

    /// Whether quoted lines without an attribution are what the message answers: not introduced by the sender, except with what could be an
    /// attribution, not marked as the sender's, and not values that exceed something (`>180 °C`).
    fn is_quotation(&self, run: &History<'_>) -> bool {
        let above = (0..run.start).rev().find(|at| !self.lines.is_blank(*at));
        let introduced = above.is_some_and(|at| attribution::is_introduction(self.lines.all[at]));
        let inside = &self.lines.all[run.start..run.end];
        let own = inside.iter().any(|line| line.contains(MARK_OWN));
        !introduced && !own && !inside.iter().all(|line| tail::is_comparison(line))
    }

    /// What may be history, from the top; adjacent ones are one.
    fn histories(&self) -> Vec<History<'a>> {
        let mut found: Vec<History<'a>> = Vec::new();
        let (mut at, mut free) = (0, 0);
        while at < self.lines.count() {
            if self.lines.is_blank(at) && !self.lines.all[at].contains(MARK_HISTORY) {
                at += 1;
                continue;
            }
            let history = if let Some(run) = self.lines.run(at, Marks::Arrows) {
                at = run.end;
                Some(History {
                    start: run.start,
                    skipped: 0,
                    end: run.end,
                    head: None,
                    run: Some(run),
                    is_open: false,
                })
            } else if separator(self.lines.all[at]).is_some_and(|separator| separator.forwards) {
                // What is passed on is the message, with all that it quotes.
                break;
            } else {
                let head = self.head(at, free);
                let history = head.and_then(|head| self.below(&head));
                at = match (&history, &head) {
                    (Some(history), _) => history.end,
                    (None, Some(found)) => found.end.max(at + 1),
                    (None, None) => at + 1,
                };
                history
            };
            let Some(history) = history else { continue };
            free = at;
            match found.last_mut() {
                Some(last) if self.is_between(last.end, history.start) && history.skipped == 0 => {
                    last.end = history.end;
                    last.is_open = history.is_open;
                }
                _ => found.push(history),
            }
        }
        found
    }

    /// Whether there are only empty lines and rules between two lines.
    fn is_between(&self, from: usize, to: usize) -> bool {
        (from..to).all(|at| self.lines.is_blank(at) || is_rule(self.lines.all[at]))
    }

    /// What the first lines of a quotation tell.
    fn head_within(&self, run: Run) -> Option<Head<'a>> {
        let first = self.lines.written(run.start, run.end)?;
        self.head_inside(first, run).filter(|head| self.answers || head.is_answer())
    }

    /// The head that quoted lines begin with.
    fn head_inside(&self, first: usize, run: Run) -> Option<Head<'a>> {
        let end = run.end.min(first + INNER_LINES);
        for at in first..end {
            let line = self.lines.all[at];
            if separator(line).is_some_and(|separator| separator.forwards) {
                return None;
            }
            let separated = at > first;
            if let Some(block) = self.blocks.at(at, self.people).filter(|block| block.is_evidence(separated)) {
                return Some(Head::Block(block));
            }
            if let Some(found) = attribution::ending_at(self.lines, at, first, self.people, Below::Text) {
                return (found.start == first && found.traits.is_certain()).then_some(Head::Attribution(found));
            }
        }
        None
    }

    /// The head that begins at a line, or for an attribution ends there.
    fn head(&self, at: usize, free: usize) -> Option<Found<'a>> {
        let line = self.lines.all[at];
        if line.contains(MARK_HISTORY) {
            if let Some(found) = self.marked(at) {
                return Some(found);
            }
            if self.lines.is_blank(at) {
                return None;
            }
        }
        let found = |end: usize, head: Head<'a>| Found {
            start: at,
            skipped: 0,
            end,
            head,
        };
        if let Some(separator) = separator(line) {
            let next = self.lines.written(at + 1, self.lines.count().min(at + 4))?;
            let block = self.blocks.at(next, self.people).filter(|block| block.is_evidence(true));
            return match block {
                Some(block) => Some(found(block.end, Head::Block(block))),
                None => separator.ruled.then(|| found(at + 1, Head::Separator)),
            };
        }
        let ruled = at > 0
            && (0..at)
                .rev()
                .find(|at| !self.lines.is_blank(*at))
                .is_some_and(|above| is_rule(self.lines.all[above]));
        if let Some(block) = self.blocks.at(at, self.people).filter(|block| block.is_evidence(ruled)) {
            return Some(found(block.end, Head::Block(block)));
        }
        let next = self.lines.written(at + 1, self.lines.count());
        let below = match next {
            Some(next) if self.lines.begins_run(next, Marks::Any) => Below::Quotation,
            _ => Below::Text,
        };
        let attribution = attribution::ending_at(self.lines, at, free, self.people, below)?;
        Some(Found {
            start: attribution.start,
            skipped: attribution.skipped,
            end: attribution.end,
            head: Head::Attribution(attribution),
        })
    }

    /// The head behind a mark of the HTML, if it names an address or somebody of the thread.
    fn marked(&self, at: usize) -> Option<Found<'a>> {
        let count = self.lines.count();
        let first = if self.lines.is_blank(at) {
            self.lines.written(at + 1, count)?
        } else {
            at
        };
        let mut names = false;
        let mut end = first;
        while end < count.min(first + INNER_LINES) && !self.lines.begins_run(end, Marks::Arrows) && !(names && self.lines.is_blank(end)) {
            let line = self.lines.all[end];
            if separator(line).is_some_and(|separator| separator.forwards) {
                return None;
            }
            if line.len() <= lines::LINE_LIMIT && self.lines.may_compare(line.len() * (self.people.count() + 1)) {
                let line = plain(line);
                names |= people::addresses(&line).next().is_some() || self.people.are_named(&line.to_lowercase());
            }
            end += 1;
        }
        let quoted = self
            .lines
            .written(end, count)
            .is_some_and(|next| self.lines.begins_run(next, Marks::Arrows));
        (names || quoted).then_some(Found {
            start: at,
            skipped: 0,
            end,
            head: Head::Mark,
        })
    }

    /// The history below a head: the quotation that follows it, or, if the head is clear enough, whatever follows.
    fn below(&self, found: &Found<'a>) -> Option<History<'a>> {
        let count = self.lines.count();
        let next = self.lines.written(found.end, count);
        let marks = match found.head {
            Head::Attribution(_) => Marks::Any,
            Head::Block(_) | Head::Separator | Head::Mark => Marks::Arrows,
        };
        let quotation = next.and_then(|next| self.lines.run(next, marks));
        let history = |end: usize, is_open: bool| History {
            start: found.start,
            skipped: found.skipped,
            end,
            head: Some(found.head),
            run: None,
            is_open,
        };
        // Programs mark what they forward in the same way, but never quote that.
        let shown = quotation.is_some() || !matches!(found.head, Head::Mark);
        let answers = self.answers || found.head.is_answer() && shown;
        match (quotation, next) {
            (Some(run), _) => answers.then(|| history(run.end, false)),
            (None, _) if !answers => None,
            (None, Some(next)) => {
                let is_paragraph = next > found.end;
                let clear = match found.head {
                    Head::Attribution(attribution) => {
                        // What somebody quotes within a sentence has quotation marks.
                        self.answers
                            && attribution.traits.announces_text(is_paragraph)
                            && !tail::is_in_quotation_marks(self.lines.all[next])
                    }
                    Head::Block(_) | Head::Mark => true,
                    Head::Separator => self.answers && !tail::is_in_quotation_marks(self.lines.all[next]),
                };
                clear.then(|| history(count, true))
            }
            (None, None) => found.head.is_certain().then(|| history(found.end, false)),
        }
    }

    /// Where in the text a cut begins and ends, with empty lines and rules above it.
    fn place(&self, cut: &Cut) -> (usize, usize) {
        let separates = |line: &str| line.trim().is_empty() || is_rule(line) || cut.has_block && is_worded_rule(line);
        let above = self.lines.all[..cut.start].iter().rev();
        let above = if cut.skipped > 0 {
            0
        } else {
            above.take_while(|line| separates(line)).count()
        };
        (self.lines.start(cut.start - above) + cut.skipped, self.lines.start(cut.end))
    }

    /// The text without what is between two places. `None` if nothing would be left that says something.
    fn divided(&self, text: &'a str, start: usize, end: usize) -> Option<Split<'a>> {
        let (above, below) = (text[..start].trim_end(), text[end..].trim_start_matches(['\r', '\n']).trim_end());
        let quoted = unmarked(text[start..end].trim_start_matches(['\r', '\n']).trim_end());
        let written = match (above.trim().is_empty(), below.trim().is_empty()) {
            (_, true) => unmarked(above),
            (true, false) => unmarked(below),
            (false, false) => unmarked(&format!("{above}\n\n{below}")).into_owned().into(),
        };
        tail::says_something(&written, self.people).then_some(Split { written, quoted })
    }
}

#[cfg(test)]
mod tests;
