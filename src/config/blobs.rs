//! `[blobs]`.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::{
    reader::section,
    source::Raw,
    value::{ByteSize, Value},
};

section! {
    /// Where the bytes of messages are stored.
    pub struct Blobs {
        /// Where those are stored that are too large for the database.
        pub url: BlobsUrl => like("file:/var/lib/mailagent/blobs"),
        /// Messages up to this size, as stored, are kept in the database.
        pub inline_limit: ByteSize => within("0B", "16MiB"),
    }
}

/// Where large messages are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobsUrl {
    /// A folder. It need not exist yet.
    File(PathBuf),
}

impl Value for BlobsUrl {
    fn parse(raw: &Raw) -> Result<Self, String> {
        match raw.text()?.strip_prefix("file:") {
            Some(path) => match path.strip_prefix("//").unwrap_or(path) {
                "" => Err("names no folder".to_owned()),
                path => Ok(Self::File(path.into())),
            },
            None => Err("does not begin with file:, the only kind that this version supports".to_owned()),
        }
    }

    fn within_data(self, data_dir: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(path.within_data(data_dir)),
        }
    }
}

impl fmt::Display for BlobsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}
