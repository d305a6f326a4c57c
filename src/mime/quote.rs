//! Where a reply ends and the quoted history below it begins.
//!
//! The history begins at the first of: a separator such as "-----Original Message-----", a block of From/Sent/To/Subject lines, a line
//! such as "On … wrote:", or the quotation at the end. What a sender wrote between quoted lines makes that quotation part of the text.

use std::{
    cell::{Cell, RefCell},
    sync::LazyLock,
};

use regex::Regex;

/// Longest line that is examined, in bytes.
const LINE_LIMIT: usize = 1_000;
/// Most lines over which mail programs fold an attribution.
const ATTRIBUTION_LINES: usize = 6;
/// Most lines of a folded value inside a block of header lines.
const FOLD_LINES: usize = 2;
/// Most lines of a block of header lines.
const BLOCK_LINES: usize = 16;
/// Most bytes that are compared with patterns, some of which examine a line more than once. The text beyond is not searched.
const WORK_LIMIT: usize = 16 * 1024 * 1024;
/// The fixed cost of a comparison, in bytes.
const COMPARISON: usize = 16;

static SEPARATOR: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?i)^([-_=*\s]{0,60})(?:original message|original appointment|originalnachricht|ursprüngliche nachricht|message d['’]origine|mensaje original|mensagem original|messaggio originale|oorspronkelijk bericht|ursprungligt meddelande|oprindelig meddelelse|opprinnelig melding|alkuperäinen viesti|původní zpráva|pôvodná správa|wiadomość oryginalna|исходное сообщение|orijinal mesaj|原始邮件|原始郵件|元のメッセージ|(?:begin )?forwarded message|weitergeleitete nachricht|anfang der weitergeleiteten (?:nachricht|e-mail)|message transféré|début du message (?:réexpédié|transféré)|mensaje reenviado|inicio del mensaje reenviado|mensagem encaminhada|messaggio inoltrato|inizio messaggio inoltrato|doorgestuurd bericht|begin doorgestuurd bericht|vidarebefordrat meddelande|videresendt meddelelse|wiadomość przekazana|пересылаемое сообщение|转发邮件|轉寄郵件|reply above this line)([^\n]{0,60})$",
    )
});
static LABEL: LazyLock<Regex> = LazyLock::new(|| {
    regex(concat!(
        r"(?i)^[\s*]{0,8}(?:(?P<from>from|von|de|da|van|från|fra|od|от|від|lähettäjä|feladó|gönderen|kimden|发件人|寄件者|差出人)",
        r"|(?P<when>sent|date|subject|gesendet|datum|betreff|envoyé(?: le)?|objet|enviado(?: el| em)?|fecha|asunto|data|assunto|inviato|oggetto|verzonden|onderwerp|skickat|ämne|sendt|dato|emne|wysłano|temat|odesláno|předmět|отправлено|дата|тема|lähetetty|aihe|küldve|tárgy|gönderildi|tarih|konu|发送时间|日期|主题|寄件日期|主旨|送信日時|件名)",
        r"|to|cc|bcc|reply-to|an|kopie|à|para|a|aan|till|til|kopi|kopia|do|dw|komu|кому|копия|vastaanottaja|címzett|kime|收件人|抄送|收件者|副本|宛先)\s?\*?\s?[:：]\*?(?P<value>.*)$",
    ))
});
static VERB: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?i)(?:^|[\s,>\x22])(?:wrote|writes|schrieb|schreibt|a écrit|écrit|ecrit|escribió|escribio|escribe|escreveu|ha scritto|scrisse|schreef|geschreven|skrev|napisał\(a\)|napisał|napisała|napsal\(a\)|napsal|пише|писал\(а\)|писал|написал|написав|kirjoitti|yazdı|írta|έγραψε|a scris|写道|寫道|のメッセージ)\b?.{0,200}[:：]$",
    )
});
/// A time, a date or an address: what makes a sentence that ends with a verb an attribution.
static MOMENT: LazyLock<Regex> = LazyLock::new(|| regex(r"\d[:.]\d\d|\d{4}|\d{1,2}[./-]\d{1,2}|\S@\S"));
static START: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?i)^(?:(?:on|am|le|el|il|em|op|den|på|dnia|w dniu|dne|dňa|pe|at|στις|в|у)\s.{0,40}\d|\d{1,4}[-./年]\d|\d{1,2}\.?\s\pL{2,12}\.?,?\s\d{4})",
    )
});
/// The attribution of Google's programs in many languages, which need not have a verb or a colon.
static DATED: LazyLock<Regex> = LazyLock::new(|| regex(r"^\d{4}[-/]\d{1,2}[-/]\d{1,2}\b.*(?:<\s?\S+@\S+>|GMT[+-]\d\d:\d\d\s.+):?$"));

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is fixed")
}

/// Splits `text` into what the sender wrote and the quoted history below it, both possibly empty. Only white space between the two
/// and at the end is lost. A text that is all history stays whole.
pub(super) fn split(text: &str) -> (&str, &str) {
    let lines = Lines::of(text);
    match lines.cut() {
        Some(cut) => {
            let at = lines.start(cut);
            (text[..at].trim_end(), text[at..].trim_start_matches(['\r', '\n']).trim_end())
        }
        None => (text.trim_end(), ""),
    }
}

/// The sender that a block of header lines in `text` names, and the text around it, for the first such block. The value is as
/// written after "From:".
pub(super) fn forwarded_sender(text: &str) -> Option<&str> {
    let lines = Lines::of(text);
    (0..lines.lines.len()).find_map(|at| lines.header_block(at))
}

/// Whether a line announces a forwarded message.
pub(super) fn announces_forward(text: &str) -> bool {
    text.lines().map(unquoted).any(is_separator)
}

fn is_separator(line: &str) -> bool {
    let line = line.trim();
    if line.len() > LINE_LIMIT {
        return false;
    }
    SEPARATOR.captures(line).is_some_and(|captures| {
        let (before, after) = (captures[1].trim(), captures[2].trim());
        let ruled = |text: &str| text.trim_matches('*').chars().filter(|c| "-_=".contains(*c)).count() >= 2;
        ruled(before) || ruled(after) || after.ends_with([':', '：'])
    })
}

fn is_quoted(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with('>') || line.starts_with("| ") || line == "|"
}

/// A line without quotation marks (`>`).
fn unquoted(line: &str) -> &str {
    line.trim_start_matches(['>', ' ', '\t', '|'])
}

fn is_rule(line: &str) -> bool {
    let line = line.trim();
    line.chars().count() >= 5 && line.chars().all(|c| matches!(c, '_' | '-' | '─' | '=' | '*'))
}

fn ends_message(line: &str) -> bool {
    line.trim_end() == "--" || is_rule(line)
}

struct Lines<'a> {
    lines: Vec<&'a str>,
    text: &'a str,
    /// The labels of the lines examined last, indexed by line number: blocks overlap.
    labels: RefCell<[Option<Labelled<'a>>; BLOCK_LINES]>,
    /// How much was compared with patterns, in bytes.
    work: Cell<usize>,
}

/// The number of a line and its label.
type Labelled<'a> = (usize, Option<Label<'a>>);

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        Self {
            lines: text.lines().collect(),
            text,
            labels: RefCell::default(),
            work: Cell::new(0),
        }
    }

    /// Position of a line in the text.
    fn start(&self, line: usize) -> usize {
        self.lines
            .get(line)
            .map_or(self.text.len(), |line| line.as_ptr() as usize - self.text.as_ptr() as usize)
    }

    /// Counts a text that is compared with a pattern. Returns whether the limit allows it.
    fn may_compare(&self, text: &str) -> bool {
        self.work.set(self.work.get() + text.len() + COMPARISON);
        self.work.get() <= WORK_LIMIT
    }

    fn is_separator(&self, at: usize) -> bool {
        self.may_compare(self.lines[at]) && is_separator(self.lines[at])
    }

    fn label(&self, at: usize) -> Option<Label<'a>> {
        let place = &mut self.labels.borrow_mut()[at % BLOCK_LINES];
        let known = place.filter(|(line, _)| *line == at);
        let (_, label) = *place.insert(known.unwrap_or_else(|| {
            let line = unquoted(self.lines[at]);
            let reads = may_be_label(line) && self.may_compare(line);
            (at, reads.then(|| label(line)).flatten())
        }));
        label
    }

    /// The line at which the history begins.
    fn cut(&self) -> Option<usize> {
        let tail = self.quoted_tail();
        let written = self.lines.iter().position(|line| !line.trim().is_empty())?;
        for at in 0..self.lines.len() {
            let begins = self.is_separator(at)
                || self.header_block(at).is_some()
                || self.attribution(at).is_some_and(|after| self.quotes_all_from(after, tail))
                || tail == Some(at);
            if begins {
                let cut = self.with_rules_above(at);
                if cut > written {
                    return Some(cut);
                }
            }
        }
        None
    }

    /// Moves a cut up over empty lines and rules.
    fn with_rules_above(&self, at: usize) -> usize {
        let above = self.lines[..at].iter().rev();
        at - above.take_while(|line| line.trim().is_empty() || is_rule(line)).count()
    }

    /// The first line of the quotation at the end, after which only a signature or footer may follow.
    fn quoted_tail(&self) -> Option<usize> {
        let last = self.lines.iter().rposition(|line| is_quoted(line))?;
        let after = self.lines[last + 1..].iter().find(|line| !line.trim().is_empty());
        if after.is_some_and(|line| !ends_message(line)) {
            return None;
        }
        let mut first = last;
        for at in (0..last).rev() {
            let line = self.lines[at];
            if is_quoted(line) {
                first = at;
            } else {
                let wrapped = first == at + 1 && at > 0 && is_quoted(self.lines[at - 1]);
                if !wrapped && !line.trim().is_empty() {
                    // Not even the rest of a quoted line that a mail program has wrapped.
                    break;
                }
            }
        }
        Some(first)
    }

    /// Whether everything from a line on is history: not quoted at all, or all of it quoted.
    fn quotes_all_from(&self, after: usize, tail: Option<usize>) -> bool {
        let next = (after..self.lines.len()).find(|at| !self.lines[*at].trim().is_empty());
        match next {
            Some(next) if is_quoted(self.lines[next]) => tail.is_some_and(|tail| tail <= next),
            Some(_) => true,
            None => false,
        }
    }

    /// If an attribution begins at a line: the line after it.
    fn attribution(&self, at: usize) -> Option<usize> {
        let first = self.lines[at].trim();
        if first.is_empty() || first.len() > LINE_LIMIT || is_quoted(first) {
            return None;
        }
        let starts = START.is_match(first);
        let names = first.ends_with([':', '：', '>', '<']) || (first.contains('<') && first.contains('@'));
        if !starts && !names {
            return None;
        }
        let is_dated = first.starts_with(|c: char| c.is_ascii_digit());
        let mut joined = String::new();
        let lines = if starts { ATTRIBUTION_LINES } else { 2 };
        for (offset, line) in self.lines[at..].iter().take(lines).enumerate() {
            if joined.len() + line.len() > LINE_LIMIT {
                return None;
            }
            if !joined.is_empty() {
                joined.push(' ');
            }
            joined.push_str(line.trim());
            let joined = joined.trim_end();
            let (may_verb, may_date) = (
                joined.ends_with([':', '：']),
                is_dated && (joined.contains('@') || joined.contains("GMT")),
            );
            if !may_verb && !may_date {
                continue;
            }
            if !self.may_compare(joined) {
                return None;
            }
            if may_verb && VERB.is_match(joined) && MOMENT.is_match(joined) || may_date && DATED.is_match(joined) {
                return Some(at + offset + 1);
            }
        }
        None
    }

    /// If a block of header lines begins at a line: the value of its From.
    fn header_block(&self, at: usize) -> Option<&'a str> {
        self.label(at)?;
        let (mut labels, mut folds, mut dated, mut from) = (0, 0, false, None);
        for at in (at..self.lines.len()).take(BLOCK_LINES) {
            match self.label(at) {
                Some(label) => {
                    labels += 1;
                    folds = 0;
                    dated |= label.when;
                    from = from.or(label.from);
                }
                None if unquoted(self.lines[at]).trim().is_empty() || folds == FOLD_LINES => break,
                None => folds += 1,
            }
        }
        from.filter(|_| labels >= 3 && dated)
    }
}

#[derive(Clone, Copy)]
struct Label<'a> {
    from: Option<&'a str>,
    when: bool,
}

fn may_be_label(line: &str) -> bool {
    let head = &line.as_bytes()[..line.len().min(48)];
    line.len() <= LINE_LIMIT && (memchr::memchr(b':', head).is_some() || memchr::memmem::find(head, "：".as_bytes()).is_some())
}

/// The label of a line without quotation marks (`>`).
fn label(line: &str) -> Option<Label<'_>> {
    let captures = LABEL.captures(line)?;
    let value = captures.name("value").map_or("", |value| value.as_str().trim());
    Some(Label {
        from: captures.name("from").map(|_| value),
        when: captures.name("when").is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, written: &str, quoted_begins: &str) {
        let (found, quoted) = split(text);
        assert_eq!(found, written, "{text}");
        assert!(
            quoted.starts_with(quoted_begins) && quoted.is_empty() == quoted_begins.is_empty(),
            "{quoted:?} does not begin with {quoted_begins:?}"
        );
        let solid = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!(solid(found) + &solid(quoted), solid(text), "nothing may be lost");
    }

    #[test]
    fn history_begins_at_attributions() {
        for line in [
            "On Mon, 6 Jan 2025 at 10:00, Anna <a@x.example> wrote:",
            "On Mon, Jan 6, 2025 at 10:00 AM Anna with a long name <\na@x.example> wrote:",
            "Am 06.01.2025 um 10:00 schrieb Anna:",
            "Am Mo., 6. Jan. 2025 um 10:00\u{a0}Uhr schrieb Anna <a@x.example>:",
            "Le lun. 6 janv. 2025 à 10:00, Anna <a@x.example> a écrit :",
            "El lun, 6 ene 2025 a las 10:00, Anna (<a@x.example>) escribió:",
            "Il giorno lun 6 gen 2025 alle ore 10:00 Anna <a@x.example> ha scritto:",
            "Op ma 6 jan. 2025 om 10:00 schreef Anna <a@x.example>:",
            "Em seg., 6 de jan. de 2025 às 10:00, Anna <a@x.example> escreveu:",
            "Den mån 6 jan. 2025 kl 10:00 skrev Anna <a@x.example>:",
            "2025-01-06 10:00 GMT+01:00 Anna <a@x.example>:",
            "Anna <a@x.example> wrote:",
        ] {
            check(&format!("Yes.\n\n{line}\n\n> quoted\n> more\n"), "Yes.", &line[..8]);
            check(&format!("Yes.\n\n{line}\n\nunmarked\n"), "Yes.", &line[..8]);
        }
    }

    #[test]
    fn history_begins_at_separators_and_header_blocks() {
        for block in [
            "-----Original Message-----\nFrom: x",
            "-----Urspr\u{fc}ngliche Nachricht-----\nVon: x",
            "---------- Forwarded message ---------\nx",
            "Begin forwarded message:\n\nx",
            "From: A <a@x.example>\nSent: Monday\nTo: B\nSubject: s\n\nx",
            "Von: A <a@x.example>\nGesendet: Montag, 6. Januar 2025 10:00\nAn: B\nBetreff: s\n\nx",
            "De : A <a@x.example>\nEnvoy\u{e9} : lundi\n\u{c0} : B\nObjet : s\n\nx",
            "*From:* A <a@x.example>\n*Sent:* Monday\n*To:* B\n*Subject:* s\n\nx",
        ] {
            check(&format!("Yes.\n\n{block}"), "Yes.", &block[..6]);
            check(&format!("Yes.\n________________________________\n{block}"), "Yes.", "______");
        }
    }

    #[test]
    fn interleaved_replies_stay() {
        check(
            "On 1/1/2025 A <a@x.example> wrote:\n> q1\nanswer\n> q2\nlast answer",
            "On 1/1/2025 A <a@x.example> wrote:\n> q1\nanswer\n> q2\nlast answer",
            "",
        );
        check("Hi\n> q1\nanswer", "Hi\n> q1\nanswer", "");
        check("Hi\n\n> q1\n\nanswer\n\n> q2\n> q3", "Hi\n\n> q1\n\nanswer", "> q2");
    }

    #[test]
    fn quotations_at_the_end_are_history() {
        check("Hi\n\n> q1\n>\n> q2\n", "Hi", "> q1");
        check("Hi\n> q1\n-- \nsignature", "Hi", "> q1");
        check("Hi\n> a long line\nwrapped\n> q2", "Hi", "> a long");
    }

    /// What is compared with patterns is counted, and each line about once for each of them.
    #[test]
    fn work_is_bounded() {
        let many = |line: &str, count: usize| line.repeat(count);
        for (text, times) in [
            (many("To: x\nTo: y\nz\n", 30_000), 2),
            (many("From: a b c\n", 30_000), 2),
            (many("On 1/1/2025 at 10:00 a <a@x.example\n", 30_000), 10),
            (many("> > > > > x\n", 30_000), 2),
            (many("a line of text\n", 30_000), 1),
        ] {
            let lines = Lines::of(&text);
            lines.cut();
            let least = text.len() + COMPARISON * lines.lines.len();
            assert!(
                lines.work.get() <= times * least,
                "{} for {least}: {}",
                lines.work.get(),
                &text[..20]
            );
        }
        let text = many(&format!("On 1/1/2025 a@x.example {}:\n", "said ".repeat(20)), 40_000);
        let lines = Lines::of(&text);
        assert_eq!(lines.cut(), None);
        assert!(
            (WORK_LIMIT..WORK_LIMIT + 20_000_000).contains(&lines.work.get()),
            "{}",
            lines.work.get()
        );
    }

    #[test]
    fn texts_without_history_stay_whole() {
        for text in [
            "",
            "On Monday we talked.",
            "From: here\nto there",
            "> only quoted",
            "-----Original Message-----\nFrom: x",
            "Please note:\nThe original message was lost",
            "He wrote:\nnothing",
        ] {
            check(text, text.trim_end(), "");
        }
    }

    #[test]
    fn senders_of_forwarded_messages_are_found() {
        assert_eq!(
            forwarded_sender("x\n---\n> From: A <a@x.example>\n> Date: now\n> To: b\n"),
            Some("A <a@x.example>")
        );
        assert_eq!(forwarded_sender("From: a@x.example\n\nDate: x"), None);
        assert!(announces_forward("x\n---------- Forwarded message ---------\n"));
        assert!(announces_forward("> Anfang der weitergeleiteten Nachricht:\n"));
        assert!(!announces_forward("I forwarded message 1"));
    }
}
