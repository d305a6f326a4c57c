//! Which files hold messages.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{at, mbox};
use crate::mime;

/// How much of a file is examined, in bytes.
const HEAD: u64 = 16 * 1024;
/// Deepest folder that is entered, below those given.
const DEPTH_LIMIT: usize = 64;

/// Extensions of files that hold other things, some of which look like a header.
const OTHERS: [&str; 12] = [
    "json", "xml", "yml", "yaml", "toml", "tsv", "csv", "md", "html", "htm", "log", "out",
];
/// Fields of which every message has at least one.
const TELLING: [&str; 7] = ["from", "date", "subject", "received", "message-id", "return-path", "mime-version"];

/// A file with messages.
#[derive(Debug)]
pub(super) struct Found {
    pub path: PathBuf,
    pub size: u64,
    pub kind: Kind,
}

/// What a file with messages is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One message.
    Message,
    /// An mbox.
    Mbox,
    /// Named like a message, but begins like an mbox.
    Unclear,
}

/// The files found below some paths.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub found: Vec<Found>,
    pub skipped: usize,
}

/// Finds the files below `paths`.
pub(super) fn walk(paths: &[PathBuf]) -> io::Result<Walk> {
    let mut walk = Walk::default();
    for path in paths {
        let kind = fs::metadata(path).map_err(|error| at(path, &error))?;
        if kind.is_dir() {
            walk.folder(path, 0)?;
        } else {
            walk.file(path, kind.len(), recognised(path)?);
        }
    }
    Ok(walk)
}

impl Walk {
    fn folder(&mut self, folder: &Path, depth: usize) -> io::Result<()> {
        let failed = |error: io::Error| at(folder, &error);
        let mut entries = fs::read_dir(folder)
            .map_err(failed)?
            .collect::<io::Result<Vec<_>>>()
            .map_err(failed)?;
        entries.sort_unstable_by_key(fs::DirEntry::file_name);
        let is_maildir = folder.join("cur").is_dir() && folder.join("new").is_dir();
        let in_maildir = matches!(folder.file_name().and_then(|name| name.to_str()), Some("cur" | "new"))
            && folder
                .parent()
                .is_some_and(|parent| parent.join("cur").is_dir() && parent.join("new").is_dir());
        for entry in entries {
            let path = entry.path();
            let kind = entry.file_type().map_err(|error| at(&path, &error))?;
            if kind.is_dir() {
                // What is in `tmp` is still being delivered.
                if depth < DEPTH_LIMIT && !(is_maildir && entry.file_name() == "tmp") {
                    self.folder(&path, depth + 1)?;
                }
            } else if kind.is_file() {
                let size = entry.metadata().map_err(|error| at(&path, &error))?.len();
                let kind = if in_maildir { Some(Kind::Message) } else { recognised(&path)? };
                self.file(&path, size, kind);
            } else {
                self.skipped += 1;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, size: u64, kind: Option<Kind>) {
        match kind.filter(|_| size > 0) {
            Some(kind) => self.found.push(Found {
                path: path.to_owned(),
                size,
                kind,
            }),
            None => self.skipped += 1,
        }
    }
}

/// The kind of a file outside Maildirs.
fn recognised(path: &Path) -> io::Result<Option<Kind>> {
    kind(path).map_err(|error| at(path, &error))
}

/// The kind of a file by its name and its beginning. `None` if it contains no message.
fn kind(path: &Path) -> io::Result<Option<Kind>> {
    let extension = path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase();
    if OTHERS.contains(&extension.as_str()) {
        return Ok(None);
    }
    let mut head = Vec::new();
    File::open(path)?.take(HEAD).read_to_end(&mut head)?;
    let is_mbox = begins_like_mbox(&head);
    Ok(match extension.as_str() {
        "eml" if is_mbox => Some(Kind::Unclear),
        "eml" => Some(Kind::Message),
        _ if is_mbox => Some(Kind::Mbox),
        "mbox" | "mbx" => None,
        _ => begins_like_message(&head).then_some(Kind::Message),
    })
}

fn begins_like_mbox(head: &[u8]) -> bool {
    let end = memchr::memchr(b'\n', head).map_or(head.len(), |at| at + 1);
    let (line, rest) = head.split_at(end);
    mbox::is_separator(line) || line.starts_with(b"From ") && mime::field_names(rest).next().is_some()
}

fn begins_like_message(head: &[u8]) -> bool {
    !head.contains(&0) && mime::field_names(head).any(|name| TELLING.iter().any(|telling| name.eq_ignore_ascii_case(telling)))
}
