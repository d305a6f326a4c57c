//! Times in header fields: RFC 5322 §3.3 with its obsolete forms (§4.3), and what programs write instead that can be read one way only.

use time::{Date, Month, Time};

use super::fields::{Field, Fields};
use crate::domain::Timestamp;

/// Longest value that is read, in characters.
const LENGTH_LIMIT: usize = 256;
/// The years 1971 to 2100, in seconds since 1970.
const TIMES: std::ops::Range<i64> = 31_536_000..4_133_980_800;
/// Zones are multiples of this, and at most so far from UTC, in seconds.
const ZONE_STEP: i64 = 15 * 60;
const ZONE_LIMIT: i64 = 14 * 3600;

/// A time as it is written, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// With its zone.
    Zoned(i64),
    /// As if its zone were UTC, as it names none.
    Local(i64),
}

impl Written {
    /// The time, with UTC as the zone where none is named.
    pub fn time(self) -> Timestamp {
        let (Self::Zoned(seconds) | Self::Local(seconds)) = self;
        Timestamp::from_seconds(seconds)
    }

    /// The time, with the zone where none is named that lies nearest to when the message was received.
    fn settled(self, received: impl FnOnce() -> Option<i64>) -> Timestamp {
        let Self::Local(seconds) = self else { return self.time() };
        let zone = received().map_or(0, |received| (received - seconds + ZONE_STEP / 2).div_euclid(ZONE_STEP) * ZONE_STEP);
        let zone = if zone.abs() <= ZONE_LIMIT { zone } else { 0 };
        Timestamp::from_seconds(seconds + zone)
    }
}

/// The value of the Date field.
pub(super) fn date(fields: &Fields<'_>) -> Option<Written> {
    read(&fields.first("Date")?.text(LENGTH_LIMIT))
}

/// When a message was sent: by its Date; where that says nothing, by the topmost Received (RFC 5321 §4.4), else by the line with which mbox
/// files begin a message (RFC 4155).
pub(super) fn sent_time(date: Option<Written>, fields: &Fields<'_>, raw: &[u8]) -> Option<Timestamp> {
    let received = || received(&fields.first("Received")?);
    if let Some(date) = date {
        return Some(date.settled(received));
    }
    received().map(Timestamp::from_seconds).or_else(|| mbox_time(raw))
}

/// The time on the "From " line with which a message begins in an mbox file (RFC 4155), with UTC as the zone where it names none.
pub fn mbox_time(raw: &[u8]) -> Option<Timestamp> {
    read(from_line(raw)?).map(Written::time)
}

/// The time behind the last semicolon.
fn received(field: &Field<'_>) -> Option<i64> {
    let text = field.text(16 * LENGTH_LIMIT);
    let (_, time) = text.rsplit_once(';')?;
    match read(time)? {
        Written::Zoned(seconds) => Some(seconds),
        Written::Local(_) => None,
    }
}

/// What follows the sender in the line that begins a message in an mbox file.
fn from_line(raw: &[u8]) -> Option<&str> {
    let line = raw.strip_prefix(b"From ")?;
    let line = &line[..memchr::memchr(b'\n', line).unwrap_or(line.len()).min(LENGTH_LIMIT)];
    let (_, time) = std::str::from_utf8(line).ok()?.trim_start().split_once(' ')?;
    Some(time)
}

/// Reads a time.
fn read(text: &str) -> Option<Written> {
    let text = without_comments(text).to_lowercase();
    let mut parts = Parts::default();
    let mut tokens = text.split_whitespace().peekable();
    // A name of a day says nothing that the rest does not, and in some languages is that of a month.
    if let Some(first) = tokens.peek()
        && let Some((day, rest)) = first.split_once(',')
        && day.chars().all(|c| c.is_alphabetic() || c == '.')
    {
        tokens.next();
        parts.token(rest);
    }
    for token in tokens {
        for piece in token.split(',') {
            parts.token(piece);
        }
    }
    parts.finish()
}

/// Text without what is in parentheses (RFC 5322 §3.2.2), which may be nested.
fn without_comments(text: &str) -> String {
    let mut depth = 0_u32;
    let outside = text.chars().filter(|c| {
        match c {
            '(' => depth += 1,
            ')' => {
                depth = depth.saturating_sub(1);
                return false;
            }
            _ => {}
        }
        depth == 0
    });
    outside.collect()
}

/// What was found so far.
#[derive(Default)]
struct Parts {
    day: Option<u8>,
    month: Option<u8>,
    year: Option<i32>,
    /// Seconds of the day.
    clock: Option<i64>,
    /// Seconds east of UTC.
    zone: Option<i64>,
    /// Something stands twice or contradicts itself.
    doubtful: bool,
}

impl Parts {
    fn token(&mut self, token: &str) {
        if token.is_empty() {
            return;
        }
        if let Some((date, time)) = iso(token) {
            self.date(date);
            self.token(time);
        } else if let Some(date) = joined(token) {
            self.date(date);
        } else if token.contains(':') && token.starts_with(|c: char| c.is_ascii_digit()) {
            self.clock(token);
        } else if let Some(zone) = zone(token).filter(|_| self.clock.is_some() && self.zone.is_none()) {
            self.zone = Some(zone);
        } else if matches!(token, "am" | "pm") {
            self.half_of_day(token);
        } else if let Ok(number) = token.trim_end_matches('.').parse::<u16>() {
            self.number(number, token.trim_end_matches('.').len());
        } else if let Some(month) = month(token) {
            self.month = Some(month);
        }
    }

    fn date(&mut self, (year, month, day): (i32, u8, u8)) {
        self.doubtful |= self.year.is_some() || self.day.is_some();
        (self.year, self.month, self.day) = (Some(year), Some(month), Some(day));
    }

    /// A number that stands alone: the day first, then the year. Of asctime the year is behind the clock.
    fn number(&mut self, number: u16, digits: usize) {
        match (digits, self.day) {
            (1 | 2, None) => self.day = u8::try_from(number).ok(),
            (2..=4, _) if self.year.is_none() => self.year = Some(year(number, digits)),
            _ => self.doubtful = true,
        }
    }

    /// `10:15`, `10:15:30`, `10:15:30.123`, each possibly with a zone at its end.
    fn clock(&mut self, token: &str) {
        self.doubtful |= self.clock.is_some();
        let end = token.find(|c: char| !c.is_ascii_digit() && !matches!(c, ':' | '.'));
        let (clock, rest) = token.split_at(end.unwrap_or(token.len()));
        let clock = clock.split('.').next().unwrap_or_default();
        let numbers: Option<Vec<i64>> = clock.split(':').map(|number| number.parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[hour @ 0..24, minute @ 0..60]) => self.clock = Some(hour * 3600 + minute * 60),
            // The 60th is a leap second.
            Some(&[hour @ 0..24, minute @ 0..60, second @ 0..=60]) => self.clock = Some(hour * 3600 + minute * 60 + second),
            _ => self.doubtful = true,
        }
        match rest {
            "" => {}
            "am" | "pm" => self.half_of_day(rest),
            _ => match zone(rest) {
                Some(zone) => self.zone = Some(zone),
                None => self.doubtful = true,
            },
        }
    }

    fn half_of_day(&mut self, half: &str) {
        const HALF: i64 = 12 * 3600;
        match self.clock {
            Some(clock) if (3600..HALF + 3600).contains(&clock) => {
                self.clock = Some(clock % HALF + if half == "pm" { HALF } else { 0 });
            }
            // Somebody counts to 24 and says so nevertheless.
            Some(clock) if clock >= HALF && half == "pm" => {}
            _ => self.doubtful = true,
        }
    }

    fn finish(self) -> Option<Written> {
        let month = Month::try_from(self.month?).ok()?;
        let date = Date::from_calendar_date(self.year?, month, self.day?).ok()?;
        let midnight = date.with_time(Time::MIDNIGHT).assume_utc().unix_timestamp();
        let local = midnight + self.clock?;
        let written = self.zone.map_or(Written::Local(local), |zone| Written::Zoned(local - zone));
        (!self.doubtful && TIMES.contains(&(local - self.zone.unwrap_or_default()))).then_some(written)
    }
}

/// Years of two and three digits (RFC 5322 §4.3).
fn year(number: u16, digits: usize) -> i32 {
    let number = i32::from(number);
    match (digits, number) {
        (2, 0..50) => number + 2000,
        (2 | 3, _) => number + 1900,
        _ => number,
    }
}

/// `2025-02-11` and what follows it, with or without a T (ISO 8601).
fn iso(token: &str) -> Option<((i32, u8, u8), &str)> {
    let date = token.get(..10)?;
    let bytes = date.as_bytes();
    let separator = bytes[4];
    if !matches!(separator, b'-' | b'/') || bytes[7] != separator {
        return None;
    }
    let (year, month, day) = (date.get(..4)?, date.get(5..7)?, date.get(8..)?);
    let rest = token.get(10..)?;
    let rest = rest.strip_prefix('t').unwrap_or(rest);
    Some(((digits(year)?, digits(month)?, digits(day)?), rest))
}

/// `20-feb-2025`, `3.2.2025`: days, months and years joined by dashes or dots. With slashes nobody knows which is the day.
fn joined(token: &str) -> Option<(i32, u8, u8)> {
    let separator = ['-', '.'].into_iter().find(|separator| token.matches(*separator).count() == 2)?;
    let mut parts = token.split(separator);
    let (day, name, number) = (parts.next()?, parts.next()?, parts.next()?);
    let month = match separator {
        '.' => digits(name)?,
        _ => month(name)?,
    };
    if !matches!(number.len(), 2 | 4) {
        return None;
    }
    Some((year(digits(number)?, number.len()), month, digits(day)?))
}

fn digits<N: std::str::FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Seconds east of UTC: `+0100`, `-05:00`, `+2`, a name (RFC 5322 §4.3, and those that mean one zone only), or both: `utc+2`.
fn zone(token: &str) -> Option<i64> {
    const HOUR: i64 = 3600;
    let named = match token.trim_end_matches('.') {
        // What the military calls them was told wrong in RFC 822, so each is as good as unknown: UTC.
        name if name.len() == 1 && name.bytes().all(|byte| byte.is_ascii_lowercase() && byte != b'j') => Some(0),
        "ut" | "utc" | "gmt" | "wet" => Some(0),
        "cet" | "met" | "mez" | "bst" | "west" => Some(HOUR),
        "cest" | "mest" | "mesz" | "eet" => Some(2 * HOUR),
        "eest" | "msk" => Some(3 * HOUR),
        "hkt" | "sgt" | "awst" => Some(8 * HOUR),
        "jst" | "kst" => Some(9 * HOUR),
        "aest" => Some(10 * HOUR),
        "aedt" => Some(11 * HOUR),
        "nzst" => Some(12 * HOUR),
        "nzdt" => Some(13 * HOUR),
        "edt" => Some(-4 * HOUR),
        "est" | "cdt" => Some(-5 * HOUR),
        "cst" | "mdt" => Some(-6 * HOUR),
        "mst" | "pdt" => Some(-7 * HOUR),
        "pst" | "akdt" => Some(-8 * HOUR),
        "akst" => Some(-9 * HOUR),
        "hst" => Some(-10 * HOUR),
        _ => None,
    };
    if named.is_some() {
        return named;
    }
    let offset = ["utc", "gmt"].iter().find_map(|name| token.strip_prefix(name)).unwrap_or(token);
    let east = offset.strip_prefix('+');
    let offset = east.or_else(|| offset.strip_prefix('-'))?;
    let (hours, minutes) = match (offset.split_once(':'), offset.len()) {
        (Some(parts), _) => parts,
        (None, 4) => offset.split_at_checked(2)?,
        (None, _) => (offset, "0"),
    };
    let (hours, minutes): (i64, i64) = (digits(hours)?, digits(minutes)?);
    let seconds = hours * HOUR + minutes * 60;
    (minutes < 60 && seconds <= ZONE_LIMIT).then_some(if east.is_some() { seconds } else { -seconds })
}

/// How the names of the months begin, in lower case: those of the languages that mail is dated in most, wide and abbreviated, as CLDR has them
/// (dates/calendars/gregorian/months).
const MONTHS: [&str; 12] = [
    "jan jän ene gen sty led янв січ oca tammi ian ιαν",
    "feb fév fev lut úno фев лют şub helmi φεβ",
    "maalis mar mär mrz maa mrt bře мар бер már μαρ",
    "apr avr abr kwi dub апр кві nis huhti ápr απρ",
    "may mai mag mei maj kvě май мая тра touko máj μαΐ μάι",
    "červen jun juin giu cze čvn июн чер haz kesä jún iun ιουν",
    "červenc jul juil lug lip čvc июл лип tem heinä júl iul ιουλ",
    "aug aoû aou ago sie srp авг сер ağu elo αυγ",
    "sep set wrz zář сен вер eyl syys szept σεπ",
    "oct okt ott out paź říj окт жов eki loka οκτ",
    "marras nov noi lis ноя kas νοε",
    "dec dez déc dic gru pro дек гру ara joulu δεκ",
];

/// The month of this name, in lower case: the one whose beginning fits best.
fn month(name: &str) -> Option<u8> {
    let fitting = (1..).zip(MONTHS).filter_map(|(month, beginnings)| {
        let beginnings = beginnings.split(' ').filter(|beginning| name.starts_with(beginning));
        beginnings.map(str::len).max().map(|length| (length, month))
    });
    fitting.max().map(|(_, month)| month)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<String> {
        Some(match read(text)? {
            zoned @ Written::Zoned(_) => zoned.time().to_string(),
            local @ Written::Local(_) => format!("{} local", local.time()),
        })
    }

    #[test]
    fn times_that_can_be_read_one_way_only_are_read() {
        for (text, expected) in [
            ("Thu, 13 Feb 2025 10:05:30 +0100", "2025-02-13T09:05:30Z"),
            ("13 Feb 2025 10:05 +0100", "2025-02-13T09:05:00Z"),
            ("Thu,13 Feb 2025 10:05:30+0100", "2025-02-13T09:05:30Z"),
            ("Thu (a (nested) comment), 13 Feb 2025 10:05:30 +0100 (CET)", "2025-02-13T09:05:30Z"),
            ("Wed, 12 Feb 25 07:45:00 +0100", "2025-02-12T06:45:00Z"),
            ("Wed, 12 Feb 98 07:45:00 GMT", "1998-02-12T07:45:00Z"),
            ("Mon, 10 Feb 125 08:30:00 +0000", "2025-02-10T08:30:00Z"),
            ("Wed, 5 Feb 2025 19:59 CST", "2025-02-06T01:59:00Z"),
            ("Tue, 4 Feb 2025 18:42:10 Z", "2025-02-04T18:42:10Z"),
            ("Tue, 4 Feb 2025 18:42:10 Q", "2025-02-04T18:42:10Z"),
            ("Sat, 31 Dec 2016 23:59:60 +0000", "2017-01-01T00:00:00Z"),
            ("Tue, 4 February 2025 18:42:10 +0200", "2025-02-04T16:42:10Z"),
            ("Tue, 9 Sept. 2025 10:00:00 +0200", "2025-09-09T08:00:00Z"),
            ("Mi, 19 M\u{e4}rz 2025 10:15:00 +0100", "2025-03-19T09:15:00Z"),
            ("mar., 4 f\u{e9}vr. 2025 10:15:00 +0100", "2025-02-04T09:15:00Z"),
            ("martes, 4 de marzo de 2025 10:15:00 +0100", "2025-03-04T09:15:00Z"),
            (
                "\u{432}\u{442}, 4 \u{43c}\u{430}\u{440}\u{442}\u{430} 2025 10:15:00 +0300",
                "2025-03-04T07:15:00Z",
            ),
            ("\u{fa}t, 1 \u{10d}ervence 2025 10:15:00 +0200", "2025-07-01T08:15:00Z"),
            ("Thu, 20-Feb-2025 10:00:00 +0100", "2025-02-20T09:00:00Z"),
            ("20.02.2025 10:00:00 +0100", "2025-02-20T09:00:00Z"),
            ("2025-02-11T14:20:00+01:00", "2025-02-11T13:20:00Z"),
            ("2025-02-11T14:20:00.123Z", "2025-02-11T14:20:00Z"),
            ("2025-02-11 14:20:00 -0500", "2025-02-11T19:20:00Z"),
            ("Tue Feb 18 09:30:00 2025", "2025-02-18T09:30:00Z local"),
            ("Tue Feb 18 09:30:00 CET 2025", "2025-02-18T08:30:00Z"),
            ("Mon, 3 Feb 2025 09:15:00", "2025-02-03T09:15:00Z local"),
            ("Monday, February 3, 2025 9:15 PM GMT+2", "2025-02-03T19:15:00Z"),
            ("Mon, 3 Feb 2025 12:15:00 AM +0000", "2025-02-03T00:15:00Z"),
        ] {
            assert_eq!(at(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_or_could_be_several_is_not_read() {
        for text in [
            "",
            "yesterday evening",
            "3/2/2025 10:00:00 +0100",
            "Mon, 31 Feb 2025 10:00:00 +0100",
            "Mon, 3 Feb 2025",
            "Mon, 3 Feb 2025 25:00:00 +0000",
            "Mon, 3 Feb 2025 10:00:61 +0000",
            "Mon, 3 Feb 2999 10:00:00 +0000",
            "Thu, 1 Jan 1970 00:00:00 +0000",
            "Mon, 3 4 Feb 2025 2026 10:00:00 +0000",
            "Mon, 3 Feb 99999 10:00:00 +0000",
            "((((((",
            "\u{130}\u{130} :: - \u{2013}\u{2013}\u{2013}\u{2013}",
        ] {
            assert_eq!(at(text), None, "{text}");
        }
    }

    #[test]
    fn other_fields_stand_in_for_the_date() {
        const RECEIVED: &str = "Received: from a ([192.0.2.1]) by b; Thu, 6 Feb 2025 21:31:07 +0100 (CET)\n";
        const OLDER: &str = "Received: by c; Thu, 6 Feb 2025 20:00:00 +0000\n";
        for (header, expected) in [
            (format!("{RECEIVED}{OLDER}Date: yesterday\n"), Some("2025-02-06T20:31:07Z")),
            (
                format!("From a@x.example Fri Feb  7 10:00:00 2025\n{RECEIVED}"),
                Some("2025-02-06T20:31:07Z"),
            ),
            (
                "From a@x.example Fri Feb  7 10:00:00 2025\nDate: yesterday\n".to_owned(),
                Some("2025-02-07T10:00:00Z"),
            ),
            (format!("{RECEIVED}Date: Thu, 6 Feb 2025 21:31:05\n"), Some("2025-02-06T20:31:05Z")),
            (format!("{RECEIVED}Date: Thu, 6 Feb 2025 15:31:00\n"), Some("2025-02-06T20:31:00Z")),
            (format!("{RECEIVED}Date: Mon, 3 Feb 2025 09:00:00\n"), Some("2025-02-03T09:00:00Z")),
            ("Date: Thu, 6 Feb 2025 21:31:05\n".to_owned(), Some("2025-02-06T21:31:05Z")),
            ("Subject: x\n".to_owned(), None),
            ("From nobody\nSubject: x\n".to_owned(), None),
        ] {
            let (fields, _) = Fields::split(header.as_bytes());
            let time = sent_time(date(&fields), &fields, header.as_bytes()).map(|time| time.to_string());
            assert_eq!(time.as_deref(), expected, "{header}");
        }
    }
}
