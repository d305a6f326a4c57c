//! An appointment: what was set of it, and when it takes place.

use std::collections::{BTreeMap, BTreeSet};

use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    super::{operations::Failure, xml::Element},
    recurrence::Recurrence,
    schema,
};

/// An appointment or a series of them.
#[derive(Clone, Debug)]
pub(in crate::exchange) struct Appointment {
    pub(in crate::exchange) uid: String,
    /// Its time zone, as a Windows id, where none was set.
    usual_zone: String,
    /// The properties that were set.
    pub(super) set: Vec<Element>,
    /// What was set of single occurrences, by their number from 1 on.
    pub(super) changed: BTreeMap<u32, Vec<Element>>,
    /// Occurrences that were deleted.
    pub(super) deleted: BTreeSet<u32>,
}

/// One time at which an appointment takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exchange) struct Instance {
    /// Its number in the series; `None` for what is no series.
    pub(in crate::exchange) index: Option<u32>,
    /// When the series has it.
    pub(in crate::exchange) original: OffsetDateTime,
    pub(in crate::exchange) start: OffsetDateTime,
    pub(in crate::exchange) end: OffsetDateTime,
}

impl Appointment {
    /// Reads an appointment to be made.
    pub(super) fn read(item: &Element, uid: String, zone: &str) -> Result<Self, Failure> {
        let set: Vec<Element> = item
            .children
            .iter()
            .filter(|child| child.name != "UID")
            .map(schema::canonical)
            .collect();
        let made = Self {
            uid: item.text_of("UID").map_or(uid, str::to_owned),
            usual_zone: zone.to_owned(),
            set,
            changed: BTreeMap::new(),
            deleted: BTreeSet::new(),
        };
        made.check()?;
        Ok(made)
    }

    /// Whether its times and its recurrence make sense.
    fn check(&self) -> Result<(), Failure> {
        let missing = || Failure::new("ErrorRequiredPropertyMissing", "Required property is missing.");
        let (start, end) = (
            self.time("Start", None).ok_or_else(missing)?,
            self.time("End", None).ok_or_else(missing)?,
        );
        if end < start {
            return Err(Failure::new(
                "ErrorCalendarEndDateIsEarlierThanStartDate",
                "EndDate is earlier than StartDate",
            ));
        }
        if self.property("Recurrence", None).is_some() && self.recurrence().is_none() {
            let text = "The simulator knows daily and weekly recurrence, with a number, an end date or no end.";
            return Err(Failure::new("ErrorCalendarInvalidRecurrence", text));
        }
        Ok(())
    }

    /// A property, as it is for the whole or for one occurrence.
    pub(in crate::exchange) fn property(&self, name: &str, index: Option<u32>) -> Option<&Element> {
        let own = index.and_then(|index| self.changed.get(&index)).into_iter().flatten();
        own.chain(&self.set).find(|element| element.name == name)
    }

    pub(in crate::exchange) fn text(&self, name: &str, index: Option<u32>) -> Option<&str> {
        self.property(name, index).map(|element| element.text.trim())
    }

    /// The Windows id of its StartTimeZone or EndTimeZone.
    pub(in crate::exchange) fn zone(&self, name: &str, index: Option<u32>) -> &str {
        let set = self.property(name, index).and_then(|zone| zone.attribute("Id"));
        set.unwrap_or(&self.usual_zone)
    }

    fn time(&self, name: &str, index: Option<u32>) -> Option<OffsetDateTime> {
        read_time(self.text(name, index)?)
    }

    pub(super) fn recurrence(&self) -> Option<Recurrence> {
        Recurrence::read(self.property("Recurrence", None)?)
    }

    /// Whether it is a series.
    pub(in crate::exchange) fn is_series(&self) -> bool {
        self.property("Recurrence", None).is_some()
    }

    /// Whether something was set of this occurrence alone.
    pub(in crate::exchange) fn is_exception(&self, index: u32) -> bool {
        self.changed.contains_key(&index)
    }

    /// A single appointment, or a series as it begins.
    pub(in crate::exchange) fn whole(&self) -> Option<Instance> {
        self.instance(None)
    }

    /// An occurrence that is there, or what is no series for `None`.
    pub(super) fn instance(&self, index: Option<u32>) -> Option<Instance> {
        let Some(wanted) = index else {
            let (start, end) = (self.time("Start", None)?, self.time("End", None)?);
            return Some(Instance {
                index: None,
                original: start,
                start,
                end,
            });
        };
        let (first, last) = (self.time("Start", None)?, self.time("End", None)?);
        let original = self.recurrence()?.starts(first).nth(wanted.checked_sub(1)? as usize)?;
        (!self.deleted.contains(&wanted)).then(|| self.occurrence(wanted, original, last - first))
    }

    fn occurrence(&self, index: u32, original: OffsetDateTime, length: Duration) -> Instance {
        let own = |name| {
            let changed = self.changed.get(&index)?;
            let element = changed.iter().find(|element| element.name == name)?;
            read_time(element.text.trim())
        };
        let start = own("Start").unwrap_or(original);
        Instance {
            index: Some(index),
            original,
            start,
            end: own("End").unwrap_or(start + length),
        }
    }

    /// What takes place between two times, in order of the start.
    pub(in crate::exchange) fn instances(&self, from: OffsetDateTime, to: OffsetDateTime) -> Vec<Instance> {
        let Some(whole) = self.instance(None) else { return Vec::new() };
        let mut found: Vec<Instance> = match self.recurrence() {
            None => vec![whole],
            Some(recurrence) => {
                let length = whole.end - whole.start;
                let starts = (1..).zip(recurrence.starts(whole.start).take_while(|start| *start < to));
                let there = starts.filter(|(index, _)| !self.deleted.contains(index));
                let mut all: Vec<Instance> = there.map(|(index, start)| self.occurrence(index, start, length)).collect();
                // Those that were moved into the window from behind it.
                let later = self
                    .changed
                    .keys()
                    .filter(|index| !all.iter().any(|one| one.index == Some(**index)));
                let later: Vec<Instance> = later.filter_map(|index| self.instance(Some(*index))).collect();
                all.extend(later);
                all
            }
        };
        found.retain(|one| one.start < to && (one.end > from || one.start == from));
        found.sort_by_key(|one| one.start);
        found
    }

    /// Sets or deletes properties of the whole or of one occurrence.
    pub(super) fn update(&mut self, updates: &[Element], index: Option<u32>) -> Result<(), Failure> {
        let refused = |text: &str| Failure::new("ErrorInvalidPropertySet", text);
        for update in updates {
            let uri = ["FieldURI", "ExtendedFieldURI"].iter().find_map(|name| update.child(name));
            let uri = uri.ok_or_else(|| refused("The simulator knows no such path."))?;
            let name = match uri.attribute("FieldURI") {
                Some(field) => field.split_once(':').map_or(field, |(_, name)| name).to_owned(),
                None => "ExtendedProperty".to_owned(),
            };
            let is_same = |element: &Element| {
                let same_uri = element
                    .child("ExtendedFieldURI")
                    .is_none_or(|own| own.attributes() == uri.attributes());
                element.name == name && same_uri
            };
            let value = match update.name.as_str() {
                "SetItemField" => {
                    let item = update
                        .child("CalendarItem")
                        .map(|item| item.children.as_slice())
                        .unwrap_or_default();
                    let [value] = item else {
                        return Err(refused("An update sets one property."));
                    };
                    if !is_same(value) {
                        return Err(Failure::new(
                            "ErrorUpdatePropertyMismatch",
                            "The property does not match the path that is updated.",
                        ));
                    }
                    Some(schema::canonical(value))
                }
                "DeleteItemField" => None,
                _ => return Err(refused("The simulator appends to nothing.")),
            };
            if schema::is_read_only(&name) || (index.is_some() && name == "Recurrence") {
                return Err(Failure::new("ErrorInvalidPropertySet", "The property cannot be set."));
            }
            let set = match index {
                Some(index) => self.changed.entry(index).or_default(),
                None => &mut self.set,
            };
            set.retain(|element| !is_same(element));
            set.extend(value);
        }
        self.check()
    }
}

/// A time of a request (xs:dateTime); without an offset it is in UTC.
pub(in crate::exchange) fn read_time(text: &str) -> Option<OffsetDateTime> {
    let text = text.trim();
    OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| OffsetDateTime::parse(&format!("{text}Z"), &Rfc3339))
        .or_else(|_| OffsetDateTime::parse(&format!("{}T00:00:00Z", text.trim_end_matches('Z')), &Rfc3339))
        .ok()
}
