//! Dates and times in a line, whatever the language: by their digits alone.

/// What of a point in time a text names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moment {
    /// A day: in digits, or a number of a day and a year, between which the month may have a name.
    pub date: bool,
    /// A time of the day.
    pub time: bool,
}

/// Zeros of the digits that dates are written with.
const ZEROS: [u32; 8] = [0x30, 0x660, 0x6F0, 0x966, 0x9E6, 0xE50, 0x1040, 0xFF10];

fn digit(c: char) -> Option<u32> {
    let code = u32::from(c);
    ZEROS.iter().find_map(|zero| code.checked_sub(*zero).filter(|digit| *digit < 10))
}

#[derive(Clone, Copy, Default)]
struct Number {
    value: u32,
    digits: usize,
}

/// Numbers with the same sign between them, such as `14.02.25`.
#[derive(Default)]
struct Group {
    numbers: [Number; 4],
    count: usize,
    sign: char,
}

impl Group {
    fn add(&mut self, number: Number) {
        if let Some(place) = self.numbers.get_mut(self.count) {
            *place = number;
            self.count += 1;
        }
    }
}

/// Years of our calendar, of the Thai and of the Persian one.
fn is_year(number: Number) -> bool {
    number.digits == 4 && matches!(number.value, 1970..=2100 | 2513..=2643 | 1350..=1480)
}

fn is_day(number: Number) -> bool {
    number.digits <= 2 && (1..=31).contains(&number.value)
}

/// What `text` names, in one pass.
pub(super) fn moment(text: &str) -> Moment {
    let (mut found, mut day, mut year) = (Moment::default(), false, false);
    let mut rest = text;
    while let Some(at) = rest.find(|c| digit(c).is_some()) {
        let (group, length) = group(&rest[at..]);
        let after = &rest[at + length..];
        match (&group.numbers[..group.count], group.sign) {
            ([hour, minute, ..], ':') => found.time |= hour.value < 25 && minute.value < 60 && minute.digits == 2,
            ([hour, minute], '.' | 'h') if hour.value < 25 && minute.value < 60 && minute.digits == 2 => found.time = true,
            ([one, two], '/' | '-' | '.') => day |= is_day(*one) && is_day(*two),
            ([first, second, third], '.' | '/' | '-') => {
                let numeric =
                    is_day(*second) && (is_year(*first) && is_day(*third) || is_day(*first) && (is_year(*third) || third.digits == 2));
                found.date |= numeric;
            }
            ([number], _) => {
                year |= is_year(*number);
                day |= is_day(*number);
                found.time |= number.value < 25 && is_hour(after);
            }
            _ => (),
        }
        rest = after;
    }
    found.date |= day && year;
    found
}

/// The numbers at the beginning of `text`, and how many bytes they take.
fn group(text: &str) -> (Group, usize) {
    let (mut group, mut number, mut end) = (Group::default(), Number::default(), 0);
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if let Some(digit) = digit(c) {
            number.value = number.value.saturating_mul(10).saturating_add(digit);
            number.digits += 1;
            end = at + c.len_utf8();
            continue;
        }
        let follows =
            |chars: &mut std::iter::Peekable<std::str::CharIndices<'_>>| chars.peek().is_some_and(|(_, next)| digit(*next).is_some());
        let fits = matches!(c, '.' | '/' | '-' | ':' | 'h') && (group.count == 0 || group.sign == c) && group.count < 3;
        // Some languages have a space behind the dots of a date.
        let spaced = c == '.' && group.count < 2 && chars.next_if(|(_, next)| matches!(next, ' ' | '\u{A0}')).is_some();
        if !(follows(&mut chars) && (fits || spaced)) {
            break;
        }
        group.add(std::mem::take(&mut number));
        group.sign = c;
    }
    group.add(number);
    (group, end)
}

/// Whether the number before it is one of an hour: `3 PM`, `14 Uhr`, `下午3点`.
fn is_hour(after: &str) -> bool {
    let after = after.trim_start_matches([' ', '\u{A0}', '\u{202F}']);
    let head: String = after.chars().take(4).collect::<String>().to_lowercase();
    ["am", "pm", "a.m", "p.m", "uhr", "時", "时", "点", "點", "시"]
        .iter()
        .any(|word| head.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_found_by_their_digits() {
        for (text, date, time) in [
            ("On Thu, Feb 13, 2025 at 4:10 PM", true, true),
            ("Am 14.02.25 um 09:30", true, true),
            ("W dniu 11.02.2025 o 08:40", true, true),
            ("Pada tanggal Jum, 21 Feb 2025 pukul 10.00", true, true),
            ("2025年2月7日(金) 11:30", true, true),
            ("2025년 2월 10일 (월) 오전 9:05", true, true),
            ("Dne 13. 02. 25 v 16:10", true, true),
            ("25. 2. 13. 16:10에", true, true),
            ("12 กุมภาพันธ์ 2568 10:00", true, true),
            ("١٢ فبراير ٢٠٢٥ ٩:١٠", true, true),
            ("2/25/2025 2:00:24 P.M.", true, true),
            ("17-feb.-2015, om 13:18", true, true),
            ("Tue, 2011-03-01 at 18:02 +0530", true, true),
            ("le 3 mars 2025 à 14h05", true, true),
            ("3 PM", false, true),
            ("From January 2025 please", false, false),
            ("3 March 2025", true, false),
            ("bench 8, two pallets", false, false),
            ("Kessel K7, 4,2 t", false, false),
            ("version 1.2.3.4", false, false),
            ("", false, false),
        ] {
            assert_eq!(moment(text), Moment { date, time }, "{text}");
        }
    }
}
