//! Blocks of header lines: From, Sent, To and Subject above what a program quotes or forwards.

use std::cell::RefCell;

use super::{
    labels::{self, LABEL_LIMIT, Role},
    lines::{LINE_LIMIT, Lines, is_quoted, unquoted},
    moment::moment,
    people::{People, addresses},
};

/// Most lines of a folded value inside a block of header lines.
const FOLD_LINES: usize = 2;
/// Most lines of a block of header lines.
const BLOCK_LINES: usize = 16;

/// A line that begins with a label.
#[derive(Clone, Copy)]
struct Labelled<'a> {
    /// `None` for a label that is not in the table.
    role: Option<Role>,
    value: &'a str,
}

/// A block of header lines, and what it is evidence of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Block<'a> {
    /// The line after it.
    pub end: usize,
    /// The value of its From.
    pub from: Option<&'a str>,
    /// How many lines have labels, and how many different ones of the table.
    labels: usize,
    roles: usize,
    /// Its first label is in the table.
    begins: bool,
    /// It has a From, and a line for the time.
    sender: bool,
    when: bool,
    /// The line for the time has a time of the day.
    timed: bool,
    /// A value has an address; that of somebody of the thread; somebody's name.
    addressed: bool,
    known: bool,
    named: bool,
    /// The sender is a recipient of the message, which so answers them.
    pub answers_recipient: bool,
}

impl Block<'_> {
    /// Whether it has the lines that programs write, whoever they name.
    pub(super) fn is_complete(&self) -> bool {
        self.begins && self.sender && self.roles >= 3 && self.when
    }

    /// Whether it shows that a message of the thread begins below. Directly below a separator, or a rule, less is needed.
    pub(super) fn is_evidence(&self, is_separated: bool) -> bool {
        let names = self.known || self.addressed && (self.timed || is_separated) || self.named && self.timed;
        let shaped = self.begins && self.sender && (self.when && self.roles >= 3 || is_separated && self.roles >= 2);
        // In a language that the table does not have.
        let foreign = self.labels >= 3 && self.timed && is_separated;
        names && (shaped || foreign)
    }
}

/// Finds blocks in a text. Remembers the labels of the lines examined last, by their numbers: blocks overlap.
pub(super) struct Blocks<'t, 'a> {
    lines: &'t Lines<'a>,
    seen: RefCell<[Option<Seen<'a>>; BLOCK_LINES]>,
}

#[derive(Clone, Copy)]
struct Seen<'a> {
    line: usize,
    label: Option<Labelled<'a>>,
}

impl<'t, 'a> Blocks<'t, 'a> {
    pub(super) fn of(lines: &'t Lines<'a>) -> Self {
        Self {
            lines,
            seen: RefCell::default(),
        }
    }

    fn label(&self, at: usize) -> Option<Labelled<'a>> {
        let place = &mut self.seen.borrow_mut()[at % BLOCK_LINES];
        let known = place.filter(|seen| seen.line == at);
        let seen = place.insert(known.unwrap_or_else(|| Seen {
            line: at,
            label: labelled(self.lines.all[at]).filter(|_| self.lines.may_compare(self.lines.all[at].len().min(LABEL_LIMIT))),
        }));
        seen.label
    }

    /// The block that begins at a line. All of its lines are quoted, or none is.
    pub(super) fn at(&self, first: usize, people: &People) -> Option<Block<'a>> {
        let begins = self.label(first)?.role.is_some();
        let quoted = is_quoted(self.lines.all[first]);
        let mut block = Block {
            begins,
            ..Block::default()
        };
        let (mut folds, mut roles) = (0, Vec::new());
        for at in (first..self.lines.count()).take(BLOCK_LINES) {
            let line = self.lines.all[at];
            if is_quoted(line) != quoted {
                break;
            }
            match self.label(at) {
                Some(label) => {
                    folds = 0;
                    block.labels += 1;
                    block.end = at + 1;
                    let role = label.role.filter(|role| *role != Role::Other && !roles.contains(role));
                    roles.extend(role);
                    if label.role == Some(Role::From) {
                        block.from = block.from.or(Some(label.value));
                    }
                }
                None if unquoted(line).trim().is_empty() || folds == FOLD_LINES => break,
                None => folds += 1,
            }
        }
        block.roles = roles.len();
        block.sender = roles.contains(&Role::From);
        block.when = roles.contains(&Role::When);
        (block.labels >= 2).then(|| self.weighed(block, first, people))
    }

    /// The block with what its values name.
    fn weighed(&self, mut block: Block<'a>, first: usize, people: &People) -> Block<'a> {
        if block.labels < 3 && !block.sender {
            return block;
        }
        let sender = block.from.unwrap_or_default();
        for at in first..block.end {
            let line = self.lines.all[at];
            if line.len() > LINE_LIMIT || !self.lines.may_compare(line.len() * (people.count() + 1)) {
                continue;
            }
            let moment = moment(line);
            block.timed |= match self.label(at).and_then(|label| label.role) {
                Some(Role::When) => moment.time,
                Some(_) => false,
                None => moment.date && moment.time,
            };
            if addresses(line).next().is_some() {
                block.addressed = true;
                block.known |= people.are_addressed(line);
            }
            block.named |= people.are_named(&line.to_lowercase());
        }
        block.answers_recipient = sender.len() <= LINE_LIMIT && people.recipients_are_addressed(sender);
        block
    }
}

/// Reads a line, with or without quotation marks. Labels may be bold (`*From:*`), and NetEase writes a table (`| From | … |`).
fn labelled(line: &str) -> Option<Labelled<'_>> {
    if line.len() > LINE_LIMIT {
        return None;
    }
    let line = unquoted(line).trim_start_matches(|c: char| matches!(c, '*' | ' ' | '\t' | '\u{A0}') || super::lines::is_invisible(c));
    let (line, in_table) = line.strip_prefix('|').map_or((line, false), |row| (row, true));
    let head = &line[..line.floor_char_boundary(LABEL_LIMIT)];
    let at = if in_table { head.find('|') } else { head.find([':', '：', '﹕']) }?;
    let sign = line[at..].chars().next().map_or(1, char::len_utf8);
    let (label, value) = (&line[..at], &line[at + sign..]);
    let around = |c: char| c.is_whitespace() || c == '*' || super::lines::is_invisible(c) || c == '|';
    let (label, value) = (label.trim_matches(around), value.trim_matches(around));
    if label.is_empty() {
        return None;
    }
    let lower = label.to_lowercase();
    let role = labels::role(&lower).or_else(|| {
        let seen: String = lower.chars().filter(|c| !super::lines::is_invisible(*c)).collect();
        let single = seen.split_whitespace().collect::<Vec<_>>().join(" ");
        labels::role(&single)
    });
    let shaped = || {
        label.chars().count() <= 24
            && label
                .chars()
                .all(|c| c.is_alphabetic() || matches!(c, ' ' | '-' | '/' | '\'' | '’' | '.') || !c.is_ascii())
            && !value.is_empty()
    };
    (role.is_some() || shaped() && label.split_whitespace().count() <= 3).then_some(Labelled { role, value })
}

/// The sender that the first complete block in a text names, quoted or not: the value as it is written.
pub(super) fn sender_in(text: &str) -> Option<&str> {
    let lines = Lines::of(text);
    let (blocks, nobody) = (Blocks::of(&lines), People::default());
    (0..lines.count()).find_map(|at| blocks.at(at, &nobody).filter(Block::is_complete).and_then(|block| block.from))
}
