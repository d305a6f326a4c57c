//! Where settings come from. Each source becomes a list of entries, all with their place.

use std::path::Path;

use toml_edit::{Document, Item, TableLike, Value as Toml};
use zeroize::Zeroizing;

use super::{
    DEFAULT_FILE, Flag,
    errors::{Fault, Place},
};

/// What the names of variables begin with.
pub(super) const PREFIX: &str = "MAILAGENT_";

/// The variable with this prefix that may hold the master key. It is not a setting, and is not read as one.
pub(super) const MASTER_KEY_VARIABLE: &str = "MAILAGENT_MASTER_KEY";

/// A setting or the head of a section, as found in a source.
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) value: Raw,
}

/// A value before its setting gives it a meaning. Any text may be a secret until its setting says otherwise.
#[derive(Clone, PartialEq)]
pub(super) enum Raw {
    /// From a variable or a flag, where text and numbers cannot be distinguished.
    Bare(Zeroizing<String>),
    /// Text in quotes.
    Text(Zeroizing<String>),
    /// A whole number.
    Integer(i64),
    /// `true` or `false`.
    Boolean(bool),
    /// Values in brackets.
    List(Vec<Raw>),
    /// The head of a section.
    Section,
    /// The head of a list of sections.
    Sections,
    /// A type that no setting accepts, by its name in TOML.
    Other(&'static str),
}

/// The defaults.
pub(super) fn embedded() -> Vec<Entry> {
    parse(DEFAULT_FILE, &|line| Place::Default { line }).unwrap_or_default()
}

/// The settings in a file.
pub(super) fn file(path: &Path) -> Result<Vec<Entry>, Fault> {
    let place = |line| Place::File { path: path.into(), line };
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|error| Fault::of_source(place(0), format!("cannot be read: {error}")))?;
    parse(&text, &place)
}

/// The settings in environment variables. Variables of Kubernetes and of the project's own tests are ignored.
pub(super) fn environment(variables: impl IntoIterator<Item = (String, String)>) -> Vec<Entry> {
    let mut entries: Vec<_> = variables
        .into_iter()
        .filter_map(|(name, value)| {
            let rest = name.strip_prefix(PREFIX)?;
            let key = rest.to_ascii_lowercase().replace("__", ".");
            (!value.is_empty() && !is_foreign(rest)).then_some(Entry {
                key,
                place: Place::Variable(name),
                value: Raw::Bare(value.into()),
            })
        })
        .collect();
    entries.sort_by(|a, b| a.place.cmp(&b.place));
    entries
}

/// The settings on the command line.
pub(super) fn flags(flags: &[Flag]) -> Vec<Entry> {
    flags
        .iter()
        .map(|flag| Entry {
            key: flag.key.to_owned(),
            place: Place::Flag(flag.name.to_owned()),
            value: Raw::Bare(flag.value.clone().into()),
        })
        .collect()
}

/// Whether `MAILAGENT_{rest}` is not a setting. In a cluster with a service named `mailagent` every container is given
/// `MAILAGENT_PORT`, `MAILAGENT_SERVICE_HOST` and more.
fn is_foreign(rest: &str) -> bool {
    matches!(rest, "CONFIG" | "CORPUS" | "MASTER_KEY" | "PORT" | "SERVICE_HOST" | "SERVICE_PORT")
        || ["TEST_", "PORT_", "SERVICE_PORT_"].iter().any(|prefix| rest.starts_with(prefix))
}

fn parse(text: &str, place: &dyn Fn(usize) -> Place) -> Result<Vec<Entry>, Fault> {
    let line = |offset: usize| 1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
    let document = Document::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| line(span.start));
        let problem = error.message().lines().collect::<Vec<_>>().join(", ");
        Fault::of_source(place(at), format!("is not TOML: {problem}"))
    })?;
    let mut entries = Vec::new();
    flatten(document.as_table(), "", &|offset| place(line(offset)), &mut entries);
    Ok(entries)
}

fn flatten(table: &dyn TableLike, above: &str, place: &dyn Fn(usize) -> Place, entries: &mut Vec<Entry>) {
    for (name, item) in table.iter() {
        let key = if above.is_empty() {
            name.to_owned()
        } else {
            format!("{above}.{name}")
        };
        let offset = table.key(name).and_then(|key| key.span()).map_or(0, |span| span.start);
        let list = sections(item);
        entries.push(Entry {
            key: key.clone(),
            place: place(offset),
            value: match item {
                _ if list.is_some() => Raw::Sections,
                Item::Value(value) => raw(value),
                Item::Table(_) | Item::None | Item::ArrayOfTables(_) => Raw::Section,
            },
        });
        if let Some(inner) = item.as_table_like() {
            flatten(inner, &key, place, entries);
        }
        for (index, (inner, start)) in list.into_iter().flatten().enumerate() {
            let key = format!("{key}.{index}");
            entries.push(Entry {
                key: key.clone(),
                place: place(start.unwrap_or(offset)),
                value: Raw::Section,
            });
            flatten(inner, &key, place, entries);
        }
    }
}

/// The sections of a list of them, each with where it begins; `None` for everything else.
fn sections(item: &Item) -> Option<Vec<(&dyn TableLike, Option<usize>)>> {
    match item {
        Item::ArrayOfTables(tables) => {
            let each = tables
                .iter()
                .map(|table| (table as &dyn TableLike, table.span().map(|span| span.start)));
            Some(each.collect())
        }
        Item::Value(Toml::Array(values)) if !values.is_empty() => {
            let each = values.iter().map(|value| {
                let table = value.as_inline_table()?;
                Some((table as &dyn TableLike, table.span().map(|span| span.start)))
            });
            each.collect()
        }
        _ => None,
    }
}

fn raw(value: &Toml) -> Raw {
    match value {
        Toml::String(text) => Raw::Text(text.value().clone().into()),
        Toml::Integer(number) => Raw::Integer(*number.value()),
        Toml::Boolean(boolean) => Raw::Boolean(*boolean.value()),
        Toml::Array(values) => Raw::List(values.iter().map(raw).collect()),
        Toml::InlineTable(_) => Raw::Section,
        Toml::Float(_) => Raw::Other("a fraction"),
        Toml::Datetime(_) => Raw::Other("a date"),
    }
}
