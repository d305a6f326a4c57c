//! How text becomes a value: the types that settings have in common.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use super::source::Raw;

/// A type that a setting can have.
pub(super) trait Value: Sized {
    /// Reads a value.
    ///
    /// # Errors
    /// The problem, as it follows the key: without the key, and without anything that may be secret.
    fn parse(raw: &Raw) -> Result<Self, String>;

    /// Substitutes the data folder for `{data}` at the beginning of a file name.
    fn within_data(self, _data_dir: &Path) -> Self {
        self
    }

    /// What bounds are compared with.
    fn magnitude(&self) -> u128 {
        0
    }
}

impl Raw {
    /// The text, not empty.
    pub(super) fn text(&self) -> Result<&str, String> {
        match self {
            Self::Bare(text) | Self::Text(text) if text.trim().is_empty() => Err("is empty".to_owned()),
            Self::Bare(text) | Self::Text(text) => Ok(text.trim()),
            other => Err(format!("{} is not a string in quotes", other.shown())),
        }
    }

    /// The value for messages. What may contain a password, or is long, is not shown.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Bare(text) | Self::Text(text) if text.contains('@') || text.len() > 60 => "the value".to_owned(),
            Self::Bare(text) | Self::Text(text) => format!("{:?}", text.as_str()),
            other => other.to_toml(),
        }
    }

    /// The value as it is written in a file.
    pub(super) fn to_toml(&self) -> String {
        match self {
            Self::Bare(text) | Self::Text(text) => format!("\"{}\"", text.as_str()),
            Self::Integer(number) => number.to_string(),
            Self::Boolean(boolean) => boolean.to_string(),
            Self::List(values) => format!("[{}]", join(values, Self::to_toml)),
            Self::Section => "a section".to_owned(),
            Self::Sections => "a list of sections".to_owned(),
            Self::Other(kind) => (*kind).to_owned(),
        }
    }

    /// The value as it is written in a variable or a flag.
    pub(super) fn to_bare(&self) -> String {
        match self {
            Self::Bare(text) | Self::Text(text) => text.to_string(),
            Self::List(values) => join(values, Self::to_bare).replace(", ", ","),
            other => other.to_toml(),
        }
    }

    /// The elements of a list; one value is a list of one, and in a variable or flag they are separated by commas.
    pub(super) fn parts(&self) -> Vec<Raw> {
        match self {
            Self::List(values) => values.clone(),
            Self::Bare(text) => text.split(',').map(|part| Self::Bare(part.to_owned().into())).collect(),
            other => vec![other.clone()],
        }
    }
}

fn join(values: &[Raw], show: impl Fn(&Raw) -> String) -> String {
    values.iter().map(show).collect::<Vec<_>>().join(", ")
}

impl Value for String {
    fn parse(raw: &Raw) -> Result<Self, String> {
        raw.text().map(str::to_owned)
    }
}

impl Value for PathBuf {
    fn parse(raw: &Raw) -> Result<Self, String> {
        raw.text().map(PathBuf::from)
    }

    fn within_data(self, data_dir: &Path) -> Self {
        match self.strip_prefix("{data}") {
            Ok(rest) => data_dir.join(rest),
            Err(_) => self,
        }
    }
}

impl Value for SocketAddr {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let wrong = |_| format!("{} is not an IP address with a port", raw.shown());
        raw.text()?.parse().map_err(wrong)
    }
}

impl Value for bool {
    fn parse(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::Boolean(boolean) => Ok(*boolean),
            Raw::Bare(text) if text.as_str() == "true" => Ok(true),
            Raw::Bare(text) if text.as_str() == "false" => Ok(false),
            other => Err(format!("{} is neither true nor false", other.shown())),
        }
    }
}

macro_rules! counts {
    ($($type:ty),*) => {
        $(impl Value for $type {
            fn parse(raw: &Raw) -> Result<Self, String> {
                match raw {
                    Raw::Integer(number) => (*number).try_into().ok(),
                    Raw::Bare(text) => text.trim().parse().ok(),
                    _ => None,
                }
                .ok_or_else(|| format!("{} is not a whole number", raw.shown()))
            }

            fn magnitude(&self) -> u128 {
                *self as u128
            }
        })*
    };
}
counts!(u32, usize);

impl Value for Duration {
    /// Whole numbers with units, such as `90s` or `1h30m`.
    fn parse(raw: &Raw) -> Result<Self, String> {
        if let Raw::Integer(_) = raw {
            return Err(format!("{} has no unit: use ms, s, m, h or d", raw.to_toml()));
        }
        let wrong = || format!("{} is not a duration: use whole numbers with ms, s, m, h or d", raw.shown());
        let mut rest = raw.text()?;
        let mut total = Duration::ZERO;
        while !rest.is_empty() {
            let (number, after) = leading_number(rest).ok_or_else(wrong)?;
            let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
            let (unit, next) = after.split_at(end);
            let millis: u64 = match unit {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err(wrong()),
            };
            let part = number.checked_mul(millis).map(Duration::from_millis).ok_or_else(wrong)?;
            total = total.checked_add(part).ok_or_else(wrong)?;
            rest = next;
        }
        Ok(total)
    }

    fn magnitude(&self) -> u128 {
        self.as_millis()
    }
}

/// A size in bytes. Written `256KiB`, `8MiB`, `1GiB`, or as a plain number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// The size as a length in memory; saturating.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for ByteSize {
    /// In the largest unit that gives a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, name) = UNITS
            .into_iter()
            .rfind(|(unit, _)| self.0 >= *unit && self.0.is_multiple_of(*unit))
            .unwrap_or(UNITS[0]);
        write!(f, "{}{name}", self.0 / unit)
    }
}

const UNITS: [(u64, &str); 4] = [(1, "B"), (1 << 10, "KiB"), (1 << 20, "MiB"), (1 << 30, "GiB")];

impl Value for ByteSize {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let wrong = || format!("{} is not a size: use a whole number with B, KiB, MiB or GiB", raw.shown());
        if let Raw::Integer(bytes) = raw {
            return u64::try_from(*bytes).map(Self).map_err(|_| wrong());
        }
        let (number, name) = leading_number(raw.text()?).ok_or_else(wrong)?;
        let name = if name.is_empty() { "B" } else { name.trim_start() };
        let (unit, _) = UNITS.into_iter().find(|(_, unit)| *unit == name).ok_or_else(wrong)?;
        number.checked_mul(unit).map(Self).ok_or_else(wrong)
    }

    fn magnitude(&self) -> u128 {
        self.0.into()
    }
}

fn leading_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

/// A list of texts without spaces in them, possibly empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

impl Value for Words {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let mut words = Vec::new();
        for part in raw.parts() {
            // Scopes are often written with spaces between them.
            words.extend(part.text()?.split_whitespace().map(str::to_owned));
        }
        Ok(Self(words))
    }
}

/// Names of servers, in lower case, possibly none. One that begins with a dot means all names below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts(pub Vec<String>);

impl Value for Hosts {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let mut hosts = match raw {
            Raw::List(list) if list.is_empty() => Vec::new(),
            _ => Words::parse(raw)?.0,
        };
        for host in &mut hosts {
            if host.contains(['/', ':', '*']) {
                return Err("must be server names, without scheme, port or *; .example.com means all below it".to_owned());
            }
            *host = host.trim_end_matches('.').to_lowercase();
        }
        Ok(Self(hosts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_and_may_be_none() {
        let list = |hosts: &[&str]| Raw::List(hosts.iter().map(|host| Raw::Text((*host).to_owned().into())).collect());
        let check = |raw: Raw, expected: &[&str]| assert_eq!(Hosts::parse(&raw).unwrap().0, expected);
        check(list(&[]), &[]);
        check(list(&["Mail.Example.com.", ".hoster.test"]), &["mail.example.com", ".hoster.test"]);
        check(Raw::Bare("a.test, b.test".to_owned().into()), &["a.test", "b.test"]);
        for wrong in ["https://a.test", "a.test:443", "*.a.test", ""] {
            assert!(Hosts::parse(&list(&[wrong])).is_err(), "{wrong}");
        }
    }
}
