//! Attributions: the line or lines, such as "On … wrote:", above what a program quotes.
//!
//! What counts is what they name: a date or time, an address or somebody of the thread, and "wrote". Words of a language decide only where
//! these alone could also be a sentence of the sender.

use std::sync::LazyLock;

use regex::Regex;

use super::{
    lines::{LINE_LIMIT, Lines, is_quoted, is_rule, plain},
    moment::{Moment, moment},
    people::{People, addresses},
    words::{STARTS, VERBS, VERBS_WITHOUT_SPACES},
};

/// Most lines over which mail programs fold an attribution.
const FOLDED_LINES: usize = 6;
/// Longest attribution, in bytes and in words.
const LENGTH_LIMIT: usize = 600;
const WORD_LIMIT: usize = 40;
/// Most words before the first digit or address: a name, or words such as "In a message dated".
const HEAD_LIMIT: usize = 8;
/// Most words of an attribution that is but a name, an address and "wrote".
const BARE_LIMIT: usize = 5;
/// Most words of an attribution that has neither date nor address.
const NAME_LIMIT: usize = 8;
/// Programs that fold lines do so behind this many characters at the earliest.
const FOLD: usize = 40;

static VERB: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = format!(
        r"(?i)(?:^|[^\pL])(?:{})(?:[^\pL]|$)|{}",
        VERBS.join("|"),
        VERBS_WITHOUT_SPACES.join("|")
    );
    Regex::new(&pattern).expect("the pattern is fixed")
});
/// The beginning of an attribution: with a word for it, or with a date.
static START: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = format!(
        r"^[-–—*\s]{{0,10}}(?:(?:{})[\s,:]|\d|\pL{{1,4}}[.,]?,?\s\d|\pL{{2,14}},\s(?:\pL{{2,14}}\.?,?\s)?\d|[在於于])",
        STARTS.join("|")
    );
    Regex::new(&pattern).expect("the pattern is fixed")
});
/// The same within a line, behind a text of the sender.
static INNER: LazyLock<Regex> = LazyLock::new(|| {
    let words = STARTS.iter().filter(|word| word.is_ascii() && word.len() > 1);
    let pattern = format!(
        r"[-–—]{{2,8}}\s?(?:{0})\s|[\s.!?)](?P<bare>(?:{0})\s)",
        words.copied().collect::<Vec<_>>().join("|")
    );
    Regex::new(&pattern).expect("the pattern is fixed")
});

/// An attribution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribution {
    /// Its first line, and how many bytes of that are a text of the sender.
    pub start: usize,
    pub skipped: usize,
    /// The line after it.
    pub end: usize,
    /// What it names.
    pub traits: Traits,
}

/// What a line names.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traits {
    moment: Moment,
    /// An address; that of somebody of the thread; that of a recipient, and no sender.
    address: bool,
    known: bool,
    pub recipient: bool,
    /// An address in angle brackets, behind a name or first.
    bracketed: bool,
    /// The name of somebody of the thread.
    named: bool,
    verb: bool,
    /// It begins as attributions do.
    starts: bool,
    /// It has rules around it, or before it.
    ruled: bool,
    /// It ends with arrows, as those of GroupWise do.
    arrowed: bool,
    /// It ends with a colon.
    colon: bool,
    words: usize,
}

impl Traits {
    /// Whether it is what a program writes rather than a sentence, so that quoted lines below it are what it announces.
    fn is_attribution(&self) -> bool {
        let Moment { date, time } = self.moment;
        let person = self.address || self.named;
        let verbal = self.verb
            && (date && person
                || self.address && self.words <= 2 * NAME_LIMIT
                || self.starts && date && time
                || self.named && self.words <= NAME_LIMIT);
        verbal || self.address && date || self.named && date && (time || self.starts)
    }

    /// Whether quoted lines below it are certainly history, also with an answer below them.
    pub(super) fn is_certain(&self) -> bool {
        let person = self.address || self.named || self.verb && self.starts && self.moment.time;
        person && (self.moment.date || self.known)
    }

    /// Whether a text that is not quoted is history below it. A sentence of the sender, with what it announces, must not be taken for that.
    pub(super) fn announces_text(&self, is_paragraph: bool) -> bool {
        let Moment { date, time } = self.moment;
        let ruled = date && (self.ruled && self.verb || self.arrowed && self.address && time);
        let addressed = self.address && self.verb && date && (time || is_paragraph);
        let named = self.named && self.verb && date && time && is_paragraph;
        let terse = self.known && date && time && self.colon && is_paragraph;
        let bare = self.bracketed && self.verb && self.colon && is_paragraph && self.words <= BARE_LIMIT;
        ruled || addressed || named || terse || bare
    }
}

/// What follows a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Below {
    Quotation,
    /// Something else, or nothing.
    Text,
}

/// Finds the attribution that ends with line `last` and begins at `from` at the earliest. Without a colon at its end, it is one only above a
/// quotation.
pub(super) fn ending_at(lines: &Lines<'_>, last: usize, from: usize, people: &People, below: Below) -> Option<Attribution> {
    if !may_end(lines.all[last], below) {
        return None;
    }
    let quoted = is_quoted(lines.all[last]);
    let (mut joined, mut found): (String, Option<Attribution>) = (String::new(), None);
    for start in (from..=last).rev().take(FOLDED_LINES) {
        let line = lines.all[start];
        if line.len() > LINE_LIMIT
            || is_quoted(line) != quoted
            || lines.is_blank(start)
            || is_rule(line)
            || joined.len() + line.len() > LENGTH_LIMIT
        {
            break;
        }
        let first = plain(line);
        let continues = joined.is_empty() || is_open(&first, &joined);
        if !continues {
            break;
        }
        joined = if joined.is_empty() {
            first.into_owned()
        } else {
            format!("{first} {joined}")
        };
        if !lines.may_compare(joined.len() * (people.count() + 2)) {
            break;
        }
        let (skip, traits) = read(&joined, people);
        if let Some(known) = &found {
            // A further line belongs to it if it begins as attributions do, or has the date that was missing.
            let adds = traits.is_attribution()
                && (traits.starts
                    || traits.moment.date && !known.traits.moment.date
                    || !known.traits.starts && traits.address && !known.traits.address);
            if !adds {
                break;
            }
        } else if !traits.is_attribution() {
            continue;
        }
        let skipped = skip.map_or(0, |skip| place_in(line, skip));
        found = Some(Attribution {
            start,
            skipped,
            end: last + 1,
            traits,
        });
        if skipped > 0 {
            break;
        }
    }
    found
}

/// Where in `line` the character is that is at `at` of its plain form.
fn place_in(line: &str, at: usize) -> usize {
    let head = line.len() - super::lines::unquoted(line).len();
    // Invisible characters are rare in lines with two parts; where there are some, the line is not divided.
    if plain(line).len() == line[head..].trim().len() {
        head + at
    } else {
        0
    }
}

/// Whether a line can be the last of an attribution.
fn may_end(line: &str, below: Below) -> bool {
    let line = line.trim_end_matches(|c: char| c.is_whitespace() || super::lines::is_invisible(c) || matches!(c, '*' | '_'));
    line.ends_with([':', '：', '﹕']) || line.ends_with("---") || line.ends_with(" >>>") || below == Below::Quotation && !line.is_empty()
}

/// Whether the line break between two lines can be one that a program has made.
fn is_open(before: &str, after: &str) -> bool {
    before.ends_with([',', '<', '(', '"', '[']) || before.chars().count() >= FOLD || after.starts_with(['<', '(', '[', '>']) || {
        let head = &after[..after.floor_char_boundary(24)];
        VERB.find(head).is_some_and(|verb| verb.start() <= 1)
    }
}

/// What a line names, and where it begins if that is behind a text of the sender.
fn read(line: &str, people: &People) -> (Option<usize>, Traits) {
    for inner in inner_starts(line) {
        let traits = traits(&line[inner..], people);
        if traits.verb && traits.moment.date && (traits.address || traits.named) {
            return (Some(inner), traits);
        }
    }
    (None, traits(line, people))
}

/// Where an attribution can begin within a line, the last first.
fn inner_starts(line: &str) -> Vec<usize> {
    let found = INNER
        .captures_iter(line)
        .filter_map(|captures| captures.name("bare").or_else(|| captures.get(0)));
    let mut starts: Vec<usize> = found.map(|found| found.start()).filter(|at| *at > 0).take(FOLDED_LINES).collect();
    starts.reverse();
    starts
}

fn traits(line: &str, people: &People) -> Traits {
    let inner = line.trim_matches(|c: char| c.is_whitespace() || matches!(c, '-' | '*' | '_' | '–' | '—'));
    let words = inner.split_whitespace().count();
    if words > WORD_LIMIT || !has_short_head(inner) {
        return Traits::default();
    }
    Traits {
        moment: moment(inner),
        address: addresses(inner).next().is_some(),
        known: people.are_addressed(inner),
        bracketed: inner.contains('<') && inner.contains('>'),
        recipient: people.recipients_are_addressed(inner),
        named: people.are_named(&inner.to_lowercase()),
        verb: VERB.is_match(inner),
        starts: START.is_match(inner),
        ruled: line.starts_with("--") || line.ends_with("---"),
        arrowed: line.ends_with(" >>>"),
        colon: inner.ends_with([':', '：', '﹕']),
        words,
    }
}

/// Whether what comes before the first digit or address can be a name or the words that programs write there: few words, and no end of a
/// sentence.
fn has_short_head(line: &str) -> bool {
    let end = line.find(|c: char| c.is_numeric() || matches!(c, '<' | '@')).unwrap_or(line.len());
    let mut head: Vec<&str> = line[..end].split_whitespace().collect();
    if line[end..].starts_with('@') {
        head.pop();
    }
    let ends_sentence = |word: &&str| {
        let bare = word.trim_end_matches(['.', '!', '?', '。', '！', '？', '…']);
        let abbreviates = word.ends_with('.') && bare.chars().count() < 4;
        bare.len() < word.len() && !abbreviates
    };
    let within = head.len().saturating_sub(1);
    head.len() <= HEAD_LIMIT && !head[..within].iter().any(ends_sentence)
}

/// Whether a line introduces what follows, and is not the beginning of an attribution that lacks a name: "On Monday, she wrote:".
pub(super) fn is_introduction(line: &str) -> bool {
    let line = plain(line);
    line.len() > LINE_LIMIT || line.ends_with([':', '：', '﹕']) && !(START.is_match(&line) && VERB.is_match(&line))
}

/// Whether a line by itself is an attribution.
pub(super) fn is_attribution(line: &str, people: &People) -> bool {
    line.len() <= LENGTH_LIMIT && may_end(line, Below::Text) && read(&plain(line), people).1.is_attribution()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Mailbox;

    fn people() -> People {
        let desk = Mailbox {
            display_name: "Tarnbrook Service".to_owned(),
            address: "desk@tarnbrook.example".to_owned(),
        };
        People::of(&[], &[desk])
    }

    fn find(text: &str) -> Option<Attribution> {
        let lines = Lines::of(text);
        ending_at(&lines, lines.count() - 1, 0, &people(), Below::Text)
    }

    #[test]
    fn attributions_are_found_in_all_languages() {
        for text in [
            "On Mon, 6 Jan 2025 at 10:00, Anna <a@x.example> wrote:",
            "On Mon, Jan 6, 2025 at 10:00 AM Anna with a long name <\na@x.example> wrote:",
            "On Thursday, January 6,\n2025 at 10:00 AM, Anna\n<a@x.example> wrote:",
            "Am 06.01.2025 um 10:00 schrieb Anna:",
            "Am Mo., 6. Jan. 2025 um 10:00\u{a0}Uhr schrieb Anna <a@x.example>:",
            "Le lun. 6 janv. 2025 à 10:00, Anna <a@x.example> a écrit :",
            "El lun, 6 ene 2025 a las 10:00, Anna (<a@x.example>) escribió:",
            "2025-01-06 10:00 GMT+01:00 Anna <a@x.example>:",
            "ср, 5 февр. 2025 г. в 08:02, Сервис <a@x.example>:",
            "06.02.2025, 14:41, \"Anna\" <a@x.example>:",
            "Anna <a@x.example> 于2025年2月7日周五 10:00写道：",
            "2025年2月7日(金) 11:30 Anna <a@x.example>:",
            "2025/02/19 9:00、Anna <a@x.example>のメール:",
            "Vào Th 3, 11 thg 2, 2025 vào lúc 16:20 Anna <a@x.example> đã viết:",
            "\u{200f}בתאריך יום ד׳, 12 בפבר׳ 2025 ב-9:10 מאת \u{202a}Anna\u{202c}\u{200f} <\u{202a}a@x.example\u{202c}\u{200f}>:\u{200f}",
            "Kuupäev T, 25. veebruar 2025 kell 08:30 kirjutas kasutaja Anna <a@x.example>:",
            "Tarnbrook Service on Thu, 13 Feb 2025 09:00:00 +0100 from <desk@tarnbrook.example>:",
            "In a message dated 2/25/2025 2:00:24 P.M. Central Standard Time,\ndesk@tarnbrook.example writes:",
            "---- On Thu, 06 Feb 2025 10:15:00 +0100 Anna <a@x.example> wrote ---",
            "W dniu 11.02.2025 o 08:40, Tarnbrook Service pisze:",
            "11.02.2025 08:40, Tarnbrook Service:",
            "Anna <a@x.example> wrote:",
            "At 6/16/2016 08:32 PM, you wrote:",
        ] {
            let found = find(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((found.start, found.skipped), (0, 0), "{text}");
        }
    }

    #[test]
    fn sentences_are_no_attributions() {
        for text in [
            "He wrote:",
            "From January 2025 please send all invoices to Accounts:",
            "the night shift wrote on 2025-02-21:",
            "On 10.02.2025 you wrote:",
            "On 15 February 2025 it came again: twice.",
            "am 11.02.2025 schrieb Ihr Kollege:",
            "We thank you for the friendly help of the last days. Anna <a@x.example> wrote:",
            "These are the addresses:",
            "",
        ] {
            let lines = Lines::of(text);
            let found = lines
                .count()
                .checked_sub(1)
                .and_then(|last| ending_at(&lines, last, 0, &people(), Below::Text));
            assert!(found.is_none(), "{text}: {found:?}");
        }
    }

    #[test]
    fn the_sender_s_lines_are_left_out() {
        for (text, start, skipped) in [
            ("It works.\nOn Mon, 6 Jan 2025 at 10:00, Anna <a@x.example> wrote:", 1, 0),
            ("We got it on 3.2.2025 10:00\nAnna <a@x.example> wrote:", 1, 0),
            (
                "It was the relay, thanks.--- On Mon, 3 Feb 2025 10:00:00 +0100 Anna <a@x.example> wrote:",
                0,
                25,
            ),
            ("reply On Wed, Apr 4, 2012 at 3:59 PM, bob@x.example wrote:", 0, 6),
            ("Yes! On Wed, Apr 4, 2012 at 3:59 PM, Le Blanc <\nbob@x.example> wrote:", 0, 5),
        ] {
            let found = find(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((found.start, found.skipped), (start, skipped), "{text}");
        }
    }

    #[test]
    fn unmarked_text_is_announced_by_certain_ones_only() {
        for (text, announces) in [
            ("On Mon, 6 Jan 2025 at 10:00, Anna <a@x.example> wrote:", true),
            ("Am 14.02.25 um 09:30 schrieb Tarnbrook Service:", true),
            ("Am 14.02.25 schrieb Tarnbrook Service:", false),
            ("Am 14.02.25 um 09:30 schrieb Anna:", false),
            ("06.02.2025, 14:41, \"Tarnbrook Service\" <desk@tarnbrook.example>:", true),
            ("2025-02-13 04:10 deliver <alarm@x.example>:", false),
            ("Anna <a@x.example> wrote:", true),
            ("As your friendly colleague Anna <a@x.example> wrote:", false),
            ("------On 12/29/1987 17:32 PM, Julius Caesar wrote-----", true),
        ] {
            assert_eq!(find(text).unwrap().traits.announces_text(true), announces, "{text}");
        }
    }
}
