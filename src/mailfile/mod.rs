//! Files as a sequence of messages: `.eml` and `.emlx` files, mbox files, Maildirs, and folders of MH.
//!
//! | module | holds |
//! |---|---|
//! | `walk` | which files there are |
//! | `kind` | what a file is |
//! | `passed` | files that are passed over, and why |
//! | `mbox` | the messages of an mbox file |
//! | `separator` | which lines begin them |
//! | `emlx` | the message in a file of Apple Mail |
//! | `lines` | line ends of the classic Mac OS |
//!
//! The type of a file is determined by its content if its name does not show it. One message is in memory at a time.

mod emlx;
mod kind;
mod lines;
mod mbox;
mod passed;
mod separator;
mod walk;

use std::{
    fs::File,
    io::{self, Cursor, Read, Seek},
    path::{Path, PathBuf},
    vec,
};

use kind::Kind;
use lines::{LineEnds, Lines, idle_bytes};
use mbox::Mbox;
use walk::Found;

use crate::domain::Timestamp;

pub use passed::{PassedOver, PassedOverFiles};

/// Largest message, in bytes. A larger one is an error, after which reading continues.
pub const MESSAGE_LIMIT: u64 = 128 * 1024 * 1024;
/// The byte order mark of UTF-8, which editors put before a text.
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// A message and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailFileMessage {
    /// Path of its file, followed by `#` and its number, counted from 1, when that holds several.
    pub origin: String,
    /// Its bytes as they are in the file; in an mbox, without the "From " line before it, the empty line after it and the `>` with
    /// which such lines are quoted, and with LF for line ends that are CR alone.
    pub raw: Vec<u8>,
    /// When it was received, for those that do not say so themselves: the time on its "From " line, in an `.emlx` file's property list or in
    /// its name in a Maildir, else when the file was changed last. `None` if the file system has no such time.
    pub time: Option<Timestamp>,
}

/// The messages of some files, in a fixed order.
#[derive(Debug)]
pub struct MailFiles {
    files: vec::IntoIter<Found>,
    mbox: Option<OpenMbox>,
    total_bytes: u64,
    bytes_read: u64,
    passed_over: PassedOverFiles,
}

#[derive(Debug)]
struct OpenMbox {
    path: PathBuf,
    /// When the file was changed last.
    time: Option<Timestamp>,
    messages: Mbox<Lines<File>>,
    size: u64,
    bytes_before: u64,
    number: usize,
}

/// Finds the files below `paths` that hold messages, in the order of their names.
///
/// Symbolic links inside a folder are not followed. Files that contain no messages are passed over: see [`MailFiles::passed_over`].
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
        passed_over: walk.passed_over,
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

    /// The files that were passed over, and why.
    pub fn passed_over(&self) -> &PassedOverFiles {
        &self.passed_over
    }

    fn start(&mut self, found: Found) -> Option<io::Result<MailFileMessage>> {
        let bytes_before = self.bytes_read;
        self.bytes_read += found.size;
        let (opened, ends) = match found.kind {
            Kind::Message | Kind::Emlx => return Some(whole(&found)),
            Kind::Unclear(ends) => (single(&found, ends).transpose(), ends),
            Kind::Mbox(ends) => (None, ends),
        };
        if opened.is_some() {
            return opened;
        }
        let file = || File::open(&found.path).map(|file| Lines::new(file, ends));
        match file().and_then(|reader| Ok(Mbox::new(reader, file()?))) {
            Ok(messages) => {
                self.bytes_read = bytes_before;
                self.mbox = Some(OpenMbox {
                    messages,
                    path: found.path,
                    time: found.time,
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
            Some(Ok(message)) => Some(Ok(MailFileMessage {
                origin,
                raw: message.raw,
                time: message.time.or(open.time),
            })),
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
fn whole(found: &Found) -> io::Result<MailFileMessage> {
    let path = &found.path;
    let raw = contents(path).map_err(|error| at(path, &error))?;
    let origin = path.display().to_string();
    let Some(mut raw) = raw else { return Err(too_large(&origin)) };
    let mut time = found.time;
    if let (Kind::Emlx, Some(content)) = (found.kind, emlx::content(&raw)) {
        time = content.received.or(time);
        raw.truncate(content.message.end);
        raw.drain(..content.message.start);
    }
    Ok(MailFileMessage { origin, raw, time })
}

/// A file that begins like an mbox but is named like a message: the message without the first line, or `None` when it holds several.
fn single(found: &Found, ends: LineEnds) -> io::Result<Option<MailFileMessage>> {
    if found.size > MESSAGE_LIMIT {
        return Ok(None);
    }
    let mut message = whole(found)?;
    ends.convert(&mut message.raw);
    let mut messages = Mbox::new(Cursor::new(&message.raw), Cursor::new(&message.raw));
    let first = messages.next();
    if messages.next().is_some() {
        return Ok(None);
    }
    if let Some(Ok(first)) = first {
        message.time = first.time.or(message.time);
    }
    let idle = idle_bytes(&message.raw);
    let first_line = memchr::memchr(b'\n', &message.raw[idle..]).map_or(message.raw.len(), |end| idle + end + 1);
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
        format!(
            "{origin}: the message is larger than {} MiB, the most that can be imported; save its attachments elsewhere and remove them",
            MESSAGE_LIMIT / 1024 / 1024
        ),
    )
}

#[cfg(test)]
mod tests;
