//! Configuration errors, as shown on a terminal.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// All configuration errors, in the order file, variables, flags. Never empty, and without any secret.
///
/// Displayed as a heading and one short paragraph for each error, over several lines; it ends without a line break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<Fault>);

/// One configuration error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where it was found.
    pub place: Place,
    /// Dotted key of the setting. Empty when the error concerns the whole file.
    pub key: String,
    /// What is wrong, without the key.
    pub problem: String,
    /// A correct example, as it would be written at this place. May be empty.
    pub advice: String,
}

/// Where a setting was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the embedded defaults.
    Default {
        /// Counted from 1.
        line: usize,
    },
    /// In a file.
    File {
        /// As given.
        path: PathBuf,
        /// Counted from 1; 0 when the whole file is meant.
        line: usize,
    },
    /// In the variable of this name.
    Variable(String),
    /// In this flag of the command line.
    Flag(String),
}

impl ConfigErrors {
    /// Orders `faults` by their place. `None` when there are none.
    pub(crate) fn of(mut faults: Vec<Fault>) -> Option<Self> {
        faults.sort_by(|a, b| a.place.cmp(&b.place));
        (!faults.is_empty()).then_some(Self(faults))
    }

    /// The errors, for programs.
    #[cfg(feature = "testing")]
    pub fn faults(&self) -> &[Fault] {
        &self.0
    }
}

impl Fault {
    /// An error of a whole file.
    pub(super) fn of_source(place: Place, problem: String) -> Self {
        Self {
            place,
            key: String::new(),
            problem,
            advice: String::new(),
        }
    }

    /// An error in the file that the setting `key` names.
    pub(crate) fn of_file(key: &str, path: &Path, problem: String, advice: &str) -> Self {
        Self {
            place: Place::File {
                path: path.to_owned(),
                line: 0,
            },
            key: key.to_owned(),
            problem,
            advice: advice.to_owned(),
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => write!(f, "The configuration has an error:")?,
            count => write!(f, "The configuration has {count} errors:")?,
        }
        self.0.iter().try_for_each(|fault| write!(f, "\n\n{fault}"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}", self.place)?;
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, "\n    {}", self.problem)?;
        if !self.advice.is_empty() {
            write!(f, "\n    {}", self.advice)?;
        }
        Ok(())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default { line } => write!(f, "defaults:{line}"),
            Self::File { path, line: 0 } => write!(f, "{}", path.display()),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

impl std::error::Error for ConfigErrors {}
