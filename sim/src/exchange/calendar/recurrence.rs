//! When the occurrences of a series are: every so many days, or on certain days of every so many weeks.

use time::{Date, Duration, OffsetDateTime, Weekday, macros::format_description};

use super::super::xml::Element;

/// Occurrences that a series without an end has at most.
const MOST: usize = 10_000;

/// A rule.
#[derive(Clone, Debug)]
pub(super) struct Recurrence {
    /// Weeks or days between.
    interval: i64,
    /// `None`: by days.
    weekdays: Option<Vec<Weekday>>,
    first_day: Weekday,
    range: Range,
}

#[derive(Clone, Copy, Debug)]
enum Range {
    Count(usize),
    Until(Date),
    Endless,
}

impl Recurrence {
    /// Reads a `Recurrence`: a pattern and a range. `None` when it is of a kind that is not known.
    pub(super) fn read(element: &Element) -> Option<Self> {
        let [pattern, range] = element.children.as_slice() else {
            return None;
        };
        let interval = pattern
            .text_of("Interval")?
            .parse()
            .ok()
            .filter(|interval| (1..1000).contains(interval))?;
        let weekdays = match pattern.name.as_str() {
            "DailyRecurrence" => None,
            "WeeklyRecurrence" => {
                let days = pattern.text_of("DaysOfWeek")?.split_ascii_whitespace();
                Some(days.map(weekday).collect::<Option<Vec<_>>>()?).filter(|days| !days.is_empty())
            }
            _ => return None,
        };
        if pattern.name == "WeeklyRecurrence" && weekdays.is_none() {
            return None;
        }
        let range = match range.name.as_str() {
            "NumberedRecurrence" => Range::Count(range.text_of("NumberOfOccurrences")?.parse().ok()?),
            "EndDateRecurrence" => Range::Until(date(range.text_of("EndDate")?)?),
            "NoEndRecurrence" => Range::Endless,
            _ => return None,
        };
        Some(Self {
            interval,
            weekdays,
            first_day: pattern.text_of("FirstDayOfWeek").and_then(weekday).unwrap_or(Weekday::Sunday),
            range,
        })
    }

    /// Whether it ends some day.
    pub(super) fn ends(&self) -> bool {
        !matches!(self.range, Range::Endless)
    }

    /// The starts of all occurrences, in order; the first is the first that fits the rule from `first` on.
    pub(super) fn starts(&self, first: OffsetDateTime) -> impl Iterator<Item = OffsetDateTime> {
        let Self {
            interval,
            weekdays,
            first_day,
            range,
        } = self.clone();
        // Days since the week of the first one began.
        let into_week = i64::from((first.weekday().number_days_from_monday() + 7 - first_day.number_days_from_monday()) % 7);
        let days = (0..).map_while(move |day| Some((day, first.checked_add(Duration::days(day))?)));
        let fits = move |(day, start): &(i64, OffsetDateTime)| match &weekdays {
            None => day % interval == 0,
            Some(weekdays) => ((day + into_week) / 7) % interval == 0 && weekdays.contains(&start.weekday()),
        };
        let (count, until) = match range {
            Range::Count(count) => (count.min(MOST), None),
            Range::Until(until) => (MOST, Some(until)),
            Range::Endless => (MOST, None),
        };
        let starts = days.filter(fits).map(|(_, start)| start).take(count);
        starts.take_while(move |start| until.is_none_or(|until| start.date() <= until))
    }
}

fn weekday(name: &str) -> Option<Weekday> {
    match name {
        "Monday" => Some(Weekday::Monday),
        "Tuesday" => Some(Weekday::Tuesday),
        "Wednesday" => Some(Weekday::Wednesday),
        "Thursday" => Some(Weekday::Thursday),
        "Friday" => Some(Weekday::Friday),
        "Saturday" => Some(Weekday::Saturday),
        "Sunday" => Some(Weekday::Sunday),
        _ => None,
    }
}

/// A day (xs:date), whose offset does not matter.
fn date(text: &str) -> Option<Date> {
    Date::parse(text.get(..10)?, format_description!("[year]-[month]-[day]")).ok()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[track_caller]
    fn check(pattern: &str, range: &str, expected: &[u8]) {
        let element = Element::parse(&format!("<Recurrence>{pattern}{range}</Recurrence>")).unwrap();
        // A Monday.
        let first = datetime!(2026-11-02 09:00 +1);
        let starts: Vec<OffsetDateTime> = Recurrence::read(&element).unwrap().starts(first).take(20).collect();
        assert!(starts.iter().all(|start| start.time() == first.time()));
        assert_eq!(starts.iter().map(|start| start.day()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn series_are_spread_out() {
        let daily = |interval| format!("<DailyRecurrence><Interval>{interval}</Interval></DailyRecurrence>");
        let weekly = |interval, days: &str| {
            format!("<WeeklyRecurrence><Interval>{interval}</Interval><DaysOfWeek>{days}</DaysOfWeek></WeeklyRecurrence>")
        };
        let numbered =
            "<NumberedRecurrence><StartDate>2026-11-02</StartDate><NumberOfOccurrences>4</NumberOfOccurrences></NumberedRecurrence>";
        let until = "<EndDateRecurrence><StartDate>2026-11-02+01:00</StartDate><EndDate>2026-11-16+01:00</EndDate></EndDateRecurrence>";
        check(&daily(1), numbered, &[2, 3, 4, 5]);
        check(&daily(5), until, &[2, 7, 12]);
        check(&weekly(1, "Monday Wednesday"), numbered, &[2, 4, 9, 11]);
        check(&weekly(2, "Monday Friday"), until, &[2, 6, 16]);
        // A Sunday begins the week: that of the first is over by then.
        check(&weekly(2, "Sunday Monday"), until, &[2, 15, 16]);
    }

    #[test]
    fn rules_that_are_not_known_are_none() {
        for rule in [
            "",
            "<DailyRecurrence><Interval>0</Interval></DailyRecurrence><NoEndRecurrence/>",
            "<WeeklyRecurrence><Interval>1</Interval><DaysOfWeek>Day</DaysOfWeek></WeeklyRecurrence><NoEndRecurrence/>",
            "<AbsoluteMonthlyRecurrence><Interval>1</Interval></AbsoluteMonthlyRecurrence><NoEndRecurrence/>",
            "<DailyRecurrence><Interval>1</Interval></DailyRecurrence><Range/>",
        ] {
            let element = Element::parse(&format!("<Recurrence>{rule}</Recurrence>")).unwrap();
            assert!(Recurrence::read(&element).is_none(), "{rule}");
        }
    }
}
