//! `[keys]`.

use std::path::Path;

use super::{
    reader::section,
    source::{MASTER_KEY_VARIABLE, PREFIX, Raw},
    value::Value,
};
use crate::crypto::KeySource;

section! {
    /// Keys of secrets at rest.
    pub struct Keys {
        /// Where the master key comes from.
        pub master: KeySource => like("file:/etc/mailagent/master.key"),
    }
}

impl Value for KeySource {
    // The value is never shown: somebody may have put the key itself there.
    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = raw.text()?;
        if let Some(path) = text.strip_prefix("file:") {
            return match path.strip_prefix("//").unwrap_or(path) {
                "" => Err("names no file".to_owned()),
                path => Ok(Self::File(path.into())),
            };
        }
        if let Some(name) = text.strip_prefix("env:") {
            let fine = |name: &str| {
                let rest = name.trim_start_matches(|c: char| c.is_ascii_alphabetic() || c == '_');
                rest.len() < name.len() && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            };
            return match name {
                name if !fine(name) => Err("names no variable: letters, digits and _".to_owned()),
                name if name.starts_with(PREFIX) && name != MASTER_KEY_VARIABLE => Err(format!(
                    "names a variable that would be read as a setting: use {MASTER_KEY_VARIABLE}, or a name that does not begin with \
                     {PREFIX}"
                )),
                name => Ok(Self::Env(name.to_owned())),
            };
        }
        if let Some(command) = text.strip_prefix("command:") {
            let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
            return match words.first() {
                None => Err("names no program".to_owned()),
                Some(program) if !Path::new(program).is_absolute() => {
                    Err("names a program without its full path: which one runs must not depend on the environment".to_owned())
                }
                Some(_) => Ok(Self::Command(words)),
            };
        }
        Err("begins with none of file:, env: and command:".to_owned())
    }

    fn within_data(self, data_dir: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(path.within_data(data_dir)),
            other => other,
        }
    }
}
