//! The bytes of messages, which may stay in files until they are asked for.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

/// The bytes of a message, in memory or still in a file.
#[derive(Clone, Debug)]
pub enum Raw {
    /// In memory.
    Bytes(Bytes),
    /// A piece of a file, read each time it is needed. The file must not change.
    File {
        /// Where it is.
        path: Arc<Path>,
        /// Where the message begins, in bytes.
        offset: u64,
        /// How long it is, in bytes.
        len: u64,
    },
    /// In memory, and not as long as the server says.
    Misjudged {
        /// What it is.
        bytes: Bytes,
        /// Its length in bytes, as it is told.
        told: u64,
    },
}

impl Raw {
    /// A whole file.
    ///
    /// # Errors
    /// When its length cannot be read.
    pub fn file(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let len = std::fs::metadata(&path)?.len();
        Ok(Self::File {
            path: path.into(),
            offset: 0,
            len,
        })
    }

    /// Length in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
            Self::Misjudged { told, .. } => *told,
        }
    }

    /// The bytes, at most `limit` of them.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self, limit: u64) -> io::Result<Bytes> {
        match self {
            Self::Bytes(bytes) | Self::Misjudged { bytes, .. } => {
                Ok(bytes.slice(..usize::try_from(limit).unwrap_or(usize::MAX).min(bytes.len())))
            }
            Self::File { path, offset, len } => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(*offset))?;
                let len = (*len).min(limit);
                let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or_default());
                file.take(len).read_to_end(&mut bytes)?;
                Ok(bytes.into())
            }
        }
    }
}

impl From<Bytes> for Raw {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<u8>> for Raw {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_files_are_read_when_needed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mbox");
        std::fs::write(&path, b"0123456789").unwrap();
        let raw = Raw::File {
            path: path.clone().into(),
            offset: 2,
            len: 5,
        };
        assert_eq!(raw.read(u64::MAX).unwrap().as_ref(), b"23456");
        assert_eq!(raw.read(2).unwrap().as_ref(), b"23");
        assert_eq!(Raw::file(path).unwrap().size(), 10);
    }
}
