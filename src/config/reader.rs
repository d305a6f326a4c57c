//! Assigns the entries of all sources to their fields. Reading a field makes its key known; what remains
//! afterwards are settings that do not exist.

use std::{collections::BTreeSet, path::PathBuf};

use super::{
    errors::{ConfigErrors, Fault, Place},
    source::{Entry, PREFIX, Raw},
    value::Value,
};

/// Declares a section: a struct whose fields are settings, read under `{section}.{field}`. After `=>` come the limits of a value,
/// see [`Rule`].
macro_rules! section {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$doc:meta])* pub $field:ident: $type:ty $(=> $($rule:ident($($argument:literal),*)),+)?,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[$doc])* pub $field: $type,)*
        }

        impl $crate::config::reader::Field for $name {
            fn read(
                reader: &mut $crate::config::reader::Reader,
                key: &str,
                _: $crate::config::reader::Rule,
            ) -> Option<Self> {
                use $crate::config::reader::{Field, Rule};
                reader.section(key);
                $(let $field = Field::read(
                    reader,
                    &format!("{key}.{}", stringify!($field)),
                    Rule::default()$($(.$rule($($argument),*))+)?,
                );)*
                Some(Self { $($field: $field?,)* })
            }
        }
    };
}
pub(super) use section;

/// What is known about a setting besides its type.
#[derive(Clone, Copy, Default)]
pub(super) struct Rule {
    example: Option<&'static str>,
    bounds: Option<(&'static str, &'static str)>,
}

impl Rule {
    /// An example for messages, instead of the default.
    pub(super) fn like(mut self, example: &'static str) -> Self {
        self.example = Some(example);
        self
    }

    /// The minimum and the maximum.
    pub(super) fn within(mut self, least: &'static str, greatest: &'static str) -> Self {
        self.bounds = Some((least, greatest));
        self
    }
}

/// What can be a field of the configuration: a value, a value that may be absent, or a section.
pub(super) trait Field: Sized {
    /// Reads everything at or below `key`, and returns `None` only when no source has a usable value. Errors are recorded in `reader`.
    fn read(reader: &mut Reader, key: &str, rule: Rule) -> Option<Self>;
}

impl<T: Value> Field for T {
    fn read(reader: &mut Reader, key: &str, rule: Rule) -> Option<Self> {
        let value = reader.value(key, rule);
        if value.is_none() {
            reader.missing::<T>(key, rule);
        }
        value
    }
}

/// A list of sections: `[[section.list]]` in a file, `MAILAGENT_SECTION__LIST__0__FIELD` as a variable. Each is named by its number.
impl<T: Field> Field for Vec<T> {
    fn read(reader: &mut Reader, key: &str, _: Rule) -> Option<Self> {
        let indexes = reader.list(key);
        let read = |index| T::read(reader, &format!("{key}.{index}"), Rule::default());
        // All are read, so that all errors are reported.
        let all: Vec<Option<T>> = indexes.into_iter().map(read).collect();
        all.into_iter().collect()
    }
}

impl<T: Value> Field for Option<T> {
    fn read(reader: &mut Reader, key: &str, rule: Rule) -> Option<Self> {
        Some(reader.value(key, rule))
    }
}

/// The entries of all sources, and the errors found in them.
pub(super) struct Reader {
    /// What `{data}` at the beginning of a file name stands for.
    pub(super) data_dir: PathBuf,
    /// Later ones override earlier ones.
    entries: Vec<Entry>,
    keys: BTreeSet<String>,
    sections: BTreeSet<String>,
    lists: BTreeSet<String>,
    faults: Vec<Fault>,
}

impl Reader {
    pub(super) fn new(defaults: Vec<Entry>) -> Self {
        Self {
            data_dir: PathBuf::new(),
            entries: defaults,
            keys: BTreeSet::new(),
            sections: BTreeSet::new(),
            lists: BTreeSet::new(),
            faults: Vec::new(),
        }
    }

    /// Adds a source that overrides those before it.
    pub(super) fn add(&mut self, entries: Vec<Entry>) {
        self.entries.extend(entries);
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Records that `key`, which some source has, requires `other`, which none has.
    pub(super) fn needs(&mut self, key: &str, other: &str) {
        let Some(entry) = self.entries.iter().rev().find(|entry| entry.key == key) else {
            return;
        };
        let other = named(other, &entry.place);
        self.faults.push(Fault {
            place: entry.place.clone(),
            key: key.to_owned(),
            problem: format!("requires {other}"),
            advice: format!("set {other} too"),
        });
    }

    /// Records that the value of `key` conflicts with others, at the place where it was last given.
    pub(super) fn wrong(&mut self, key: &str, problem: &str, advice: &str) {
        let last = self
            .entries
            .iter()
            .rev()
            .find(|entry| entry.key == key || is_below(&entry.key, key));
        let place = last.map_or(Place::Default { line: 0 }, |entry| entry.place.clone());
        self.faults.push(Fault {
            place,
            key: key.to_owned(),
            problem: problem.to_owned(),
            advice: advice.to_owned(),
        });
    }

    /// Records that no source has `key`, which has no default either: a setting of a section in a list.
    fn missing<T: Value>(&mut self, key: &str, rule: Rule) {
        let given = |entry: &&Entry| entry.key == key;
        let section = key.rsplit_once('.').map_or("", |(section, _)| section);
        let within = |entry: &&Entry| entry.key == section || is_below(&entry.key, section);
        if self.entries.iter().any(|entry| given(&entry)) {
            return;
        }
        let Some(place) = self.entries.iter().find(within).map(|entry| entry.place.clone()) else {
            return;
        };
        self.faults.push(Fault {
            advice: self.example::<T>(key, rule, &place),
            place,
            key: key.to_owned(),
            problem: "is missing".to_owned(),
        });
    }

    /// Makes a list of sections known, and gives the numbers of those that some source has.
    fn list(&mut self, key: &str) -> BTreeSet<usize> {
        self.lists.insert(key.to_owned());
        let number = |entry: &Entry| entry.key.strip_prefix(key)?.strip_prefix('.')?.split('.').next()?.parse().ok();
        self.entries.iter().filter_map(number).collect()
    }

    /// Makes a section known.
    pub(super) fn section(&mut self, key: &str) {
        self.sections.insert(key.to_owned());
    }

    /// Reads the value at `key` from the last source that has it. All others are checked as well.
    fn value<T: Value>(&mut self, key: &str, rule: Rule) -> Option<T> {
        self.keys.insert(key.to_owned());
        let mut last = None;
        for entry in self.entries.iter().filter(|entry| entry.key == key) {
            match checked::<T>(&entry.value, rule) {
                Ok(value) => last = Some(value.within_data(&self.data_dir)),
                Err(problem) => self.faults.push(Fault {
                    place: entry.place.clone(),
                    key: key.to_owned(),
                    problem,
                    advice: self.example::<T>(key, rule, &entry.place),
                }),
            }
        }
        last
    }

    /// The example of a setting, written as it would be at `place`.
    fn example<T: Value>(&self, key: &str, rule: Rule, place: &Place) -> String {
        // Nothing else is shown as an example: it may be a secret.
        let is_default = |entry: &&Entry| entry.key == key && matches!(entry.place, Place::Default { .. });
        let default = || self.entries.iter().find(is_default).map(|entry| entry.value.clone());
        let Some(value) = rule.example.map(|text| Raw::Text(text.to_owned().into())).or_else(default) else {
            return String::new();
        };
        let name = key.rsplit('.').next().unwrap_or(key);
        match place {
            Place::Default { .. } | Place::File { .. } => format!("example: {name} = {}", value.to_toml()),
            Place::Variable(_) => format!("example: {}={}", named(key, place), value.to_bare()),
            Place::Flag(flag) => format!("example: {flag} {}", value.to_bare()),
        }
    }

    /// Ends the reading: keys that no field has read do not exist. `config` is called only when there are no errors.
    pub(super) fn finish<T>(mut self, config: impl FnOnce() -> Option<T>) -> Result<T, ConfigErrors> {
        let mut unknown: Vec<&str> = Vec::new();
        for entry in &self.entries {
            let above = |key: &&str| is_below(&entry.key, key);
            if self.keys.contains(&entry.key) || unknown.iter().any(above) || self.keys.iter().map(String::as_str).any(|key| above(&key)) {
                continue;
            }
            let (problem, advice) = match (self.sections.contains(&entry.key), &entry.value) {
                (true, Raw::Section) => continue,
                (true, _) => {
                    unknown.push(&entry.key);
                    ("is a section, not a setting".to_owned(), format!("example: [{}]", entry.key))
                }
                (false, Raw::Sections) if self.lists.contains(&entry.key) => continue,
                (false, _) if self.lists.contains(&entry.key) => {
                    unknown.push(&entry.key);
                    (
                        "is a list of sections, not a setting".to_owned(),
                        format!("example: [[{}]]", entry.key),
                    )
                }
                (false, Raw::Section | Raw::Sections) => {
                    unknown.push(&entry.key);
                    (
                        "there is no such section".to_owned(),
                        suggestion(&entry.key, &self.sections, &entry.place),
                    )
                }
                (false, _) => (
                    "there is no such setting".to_owned(),
                    suggestion(&entry.key, &self.keys, &entry.place),
                ),
            };
            self.faults.push(Fault {
                place: entry.place.clone(),
                key: entry.key.clone(),
                problem,
                advice,
            });
        }
        // A missing value has no error only when the embedded file lacks it, which every test would show.
        match ConfigErrors::of(self.faults) {
            Some(errors) => Err(errors),
            None => Ok(config().expect("a default for every setting, or a fault")),
        }
    }
}

/// Parses a value and checks it against the bounds of its setting.
fn checked<T: Value>(raw: &Raw, rule: Rule) -> Result<T, String> {
    let value = T::parse(raw)?;
    if let Some((least, greatest)) = rule.bounds {
        let bound = |text: &str| T::parse(&Raw::Bare(text.to_owned().into())).map(|bound| bound.magnitude());
        if value.magnitude() < bound(least)? {
            return Err(format!("{} is below the minimum of {least}", raw.shown()));
        }
        if value.magnitude() > bound(greatest)? {
            return Err(format!("{} is above the maximum of {greatest}", raw.shown()));
        }
    }
    Ok(value)
}

fn is_below(key: &str, section: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

/// What may have been meant, written as it would be at `place`. Empty when nothing is similar.
fn suggestion(key: &str, known: &BTreeSet<String>, place: &Place) -> String {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let name = last(key);
    let distance = |candidate: &String| {
        let other = last(candidate);
        // The right name in the wrong section, or a part of it.
        let by_name = if name.len() > 3 && other.contains(&name) {
            0
        } else {
            strsim::damerau_levenshtein(&name, &other)
        };
        strsim::damerau_levenshtein(key, candidate).min(by_name + 1)
    };
    let nearest = known
        .iter()
        .map(|candidate| (distance(candidate), strsim::damerau_levenshtein(key, candidate), candidate))
        .min();
    match nearest {
        Some((distance, _, candidate)) if distance <= 1 + name.len() / 4 => format!("did you mean {}?", named(candidate, place)),
        _ => String::new(),
    }
}

/// A setting's name, as it is written at `place`.
fn named(key: &str, place: &Place) -> String {
    match place {
        Place::Variable(_) => format!("{PREFIX}{}", key.to_uppercase().replace('.', "__")),
        _ => key.to_owned(),
    }
}
