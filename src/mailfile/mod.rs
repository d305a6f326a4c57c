//! Files as a sequence of messages: `.eml` files, mbox files and Maildirs.
//!
//! The type of a file is determined by its content if its name does not show it. One message is in memory at a time.

mod mbox;
mod walk;

use std::{
    fs::File,
    io::{self, Read, Seek},
    path::{Path, PathBuf},
    vec,
};

use mbox::Mbox;
use walk::{Found, Kind};

/// Largest message, in bytes. A larger one is an error, after which reading continues.
pub const MESSAGE_LIMIT: u64 = 128 * 1024 * 1024;

/// A message and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailFileMessage {
    /// Path of its file, followed by `#` and its number, counted from 1, when that holds several.
    pub origin: String,
    /// Its bytes as they are in the file; in an mbox, without the "From " line before it, the empty line after it and the `>` with
    /// which such lines are quoted.
    pub raw: Vec<u8>,
}

/// The messages of some files, in a fixed order.
#[derive(Debug)]
pub struct MailFiles {
    files: vec::IntoIter<Found>,
    mbox: Option<OpenMbox>,
    total_bytes: u64,
    bytes_read: u64,
    skipped: usize,
}

#[derive(Debug)]
struct OpenMbox {
    path: PathBuf,
    messages: Mbox<File>,
    size: u64,
    bytes_before: u64,
    number: usize,
}

/// Finds the files below `paths` that hold messages, in the order of their names.
///
/// Symbolic links inside a folder are not followed. Files that contain no messages are counted and skipped.
///
/// # Errors
/// One of `paths` does not exist, or a folder or file cannot be read.
pub fn open(paths: &[PathBuf]) -> io::Result<MailFiles> {
    let walk = walk::walk(paths)?;
    Ok(MailFiles {
        total_bytes: walk.found.iter().map(|found| found.size).sum(),
        files: walk.found.into_iter(),
        mbox: None,
        bytes_read: 0,
        skipped: walk.skipped,
    })
}

impl MailFiles {
    /// Size of all files with messages, in bytes.
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// How much of [`Self::total_bytes`] has been read.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Number of files and links that were skipped.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    fn start(&mut self, found: Found) -> Option<io::Result<MailFileMessage>> {
        let bytes_before = self.bytes_read;
        self.bytes_read += found.size;
        let opened = match found.kind {
            Kind::Message => return Some(whole(&found.path)),
            Kind::Unclear => single(&found.path).transpose(),
            Kind::Mbox => None,
        };
        if opened.is_some() {
            return opened;
        }
        match File::open(&found.path) {
            Ok(file) => {
                self.bytes_read = bytes_before;
                self.mbox = Some(OpenMbox {
                    messages: Mbox::new(file),
                    path: found.path,
                    size: found.size,
                    bytes_before,
                    number: 0,
                });
                None
            }
            Err(error) => Some(Err(at(&found.path, &error))),
        }
    }

    fn next_of_mbox(&mut self) -> Option<io::Result<MailFileMessage>> {
        let open = self.mbox.as_mut()?;
        let next = open.messages.next();
        let finished = !matches!(next, Some(Ok(_) | Err(mbox::Fault::TooLarge)));
        self.bytes_read = open.bytes_before
            + if finished {
                open.size
            } else {
                open.messages.position().min(open.size)
            };
        open.number += 1;
        let alone = open.number == 1 && open.messages.is_finished();
        let origin = if alone {
            open.path.display().to_string()
        } else {
            format!("{}#{}", open.path.display(), open.number)
        };
        let result = match next {
            None => None,
            Some(Ok(raw)) => Some(Ok(MailFileMessage { origin, raw })),
            Some(Err(mbox::Fault::TooLarge)) => Some(Err(too_large(&origin))),
            Some(Err(mbox::Fault::Io(error))) => Some(Err(at(&open.path, &error))),
        };
        if finished {
            self.mbox = None;
        }
        result
    }
}

impl Iterator for MailFiles {
    type Item = io::Result<MailFileMessage>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(message) = self.next_of_mbox() {
                return Some(message);
            }
            let found = self.files.next()?;
            if let Some(message) = self.start(found) {
                return Some(message);
            }
        }
    }
}

/// The message that is a whole file.
fn whole(path: &Path) -> io::Result<MailFileMessage> {
    let raw = contents(path).map_err(|error| at(path, &error))?;
    let origin = path.display().to_string();
    match raw {
        Some(raw) => Ok(MailFileMessage { origin, raw }),
        None => Err(too_large(&origin)),
    }
}

/// A file that begins like an mbox but is named like a message: the message without the first line, or `None` when it holds several.
fn single(path: &Path) -> io::Result<Option<MailFileMessage>> {
    let mut message = whole(path)?;
    let first_line = memchr::memchr(b'\n', &message.raw).map_or(message.raw.len(), |end| end + 1);
    if mbox::separators(&message.raw[first_line..]).next().is_some() {
        return Ok(None);
    }
    message.raw.drain(..first_line);
    Ok(Some(message))
}

/// The content of a file; `None` when it is larger than a message may be.
fn contents(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    if size > MESSAGE_LIMIT {
        return Ok(None);
    }
    let mut raw = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
    file.by_ref().take(MESSAGE_LIMIT + 1).read_to_end(&mut raw)?;
    let grown = file.stream_position()? > MESSAGE_LIMIT;
    Ok((!grown).then_some(raw))
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn too_large(origin: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        format!("{origin}: the message is larger than {} MiB", MESSAGE_LIMIT / 1024 / 1024),
    )
}

#[cfg(test)]
mod tests;
