//! Which files hold messages.

use std::{
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{
    at,
    kind::{Kind, kind},
    passed::{Named, PassedOverFiles, Reason},
};
use crate::domain::Timestamp;

/// Deepest folder that is entered, below those given.
const DEPTH_LIMIT: usize = 64;

/// A file with messages.
#[derive(Debug)]
pub(super) struct Found {
    pub path: PathBuf,
    pub size: u64,
    pub kind: Kind,
    /// When a message in it was received, if nothing in it says so: when a Maildir's delivered it, or the last change of the file.
    pub time: Option<Timestamp>,
}

/// The files found below some paths.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub found: Vec<Found>,
    pub passed_over: PassedOverFiles,
}

/// What a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Any folder.
    Plain,
    /// The folder `cur` or `new` of a Maildir.
    Delivered,
    /// The folder `tmp` of a Maildir, and what is in it.
    Undelivered,
}

/// Finds the files below `paths`.
pub(super) fn walk(paths: &[PathBuf]) -> io::Result<Walk> {
    let mut walk = Walk::default();
    for path in paths {
        let metadata = fs::metadata(path).map_err(|error| at(path, &error))?;
        let parent = path.parent().unwrap_or(Path::new(""));
        if metadata.is_dir() {
            walk.folder(path, 0, place(path))?;
        } else if metadata.is_file() {
            let place = if place(parent) == Place::Delivered {
                Place::Delivered
            } else {
                Place::Plain
            };
            walk.file(path, &metadata, place, Named::ByCaller)?;
        } else {
            walk.passed_over.add(path.clone(), Reason::NoFile, Named::ByCaller);
        }
    }
    Ok(walk)
}

/// What a folder is, by its name and its neighbours. Copies of Maildirs often lack the parts that were empty.
fn place(folder: &Path) -> Place {
    let beside = |name: &str| folder.parent().is_some_and(|parent| parent.join(name).is_dir());
    match folder.file_name().and_then(|name| name.to_str()) {
        Some("cur" | "new") if beside("cur") && beside("new") => Place::Delivered,
        Some("tmp") if beside("cur") => Place::Undelivered,
        _ => Place::Plain,
    }
}

impl Walk {
    fn folder(&mut self, folder: &Path, depth: usize, here: Place) -> io::Result<()> {
        let failed = |error: io::Error| at(folder, &error);
        let mut entries = fs::read_dir(folder)
            .map_err(failed)?
            .collect::<io::Result<Vec<_>>>()
            .map_err(failed)?;
        entries.sort_unstable_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let kind = entry.file_type().map_err(|error| at(&path, &error))?;
            if kind.is_dir() && depth >= DEPTH_LIMIT {
                self.passed_over.add(path, Reason::TooDeep, Named::ByFolder);
            } else if kind.is_dir() {
                let inner = if here == Place::Undelivered { here } else { place(&path) };
                self.folder(&path, depth + 1, inner)?;
            } else if kind.is_file() && here == Place::Undelivered {
                self.passed_over.add(path, Reason::Undelivered, Named::ByFolder);
            } else if kind.is_file() {
                let metadata = entry.metadata().map_err(|error| at(&path, &error))?;
                self.file(&path, &metadata, here, Named::ByFolder)?;
            } else {
                let reason = if kind.is_symlink() { Reason::Link } else { Reason::NoFile };
                self.passed_over.add(path, reason, Named::ByFolder);
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, metadata: &Metadata, place: Place, named: Named) -> io::Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let kind = if metadata.len() == 0 {
            Err(Reason::Empty)
        } else if place == Place::Delivered && !name.starts_with('.') {
            Ok(Kind::Message)
        } else {
            kind(path).map_err(|error| at(path, &error))?
        };
        match kind {
            Ok(kind) => {
                let delivered = if place == Place::Delivered { delivered(&name) } else { None };
                self.found.push(Found {
                    path: path.to_owned(),
                    size: metadata.len(),
                    kind,
                    time: delivered.or_else(|| changed(metadata)),
                });
            }
            Err(reason) => self.passed_over.add(path.to_owned(), reason, named),
        }
        Ok(())
    }
}

/// When a file of a Maildir was delivered: its name begins with the seconds since 1970 (<https://cr.yp.to/proto/maildir.html>).
fn delivered(name: &str) -> Option<Timestamp> {
    let (seconds, _) = name.split_once('.')?;
    // The years 1973 to 2286; shorter and longer numbers are ids.
    let valid = matches!(seconds.len(), 9 | 10) && seconds.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| seconds.parse().ok()).flatten().map(Timestamp::from_seconds)
}

/// When a file was changed last, if the system says so.
fn changed(metadata: &Metadata) -> Option<Timestamp> {
    let since = metadata.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Timestamp::default().after(since))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_maildirs_say_when() {
        for (name, seconds) in [
            ("1736157600.M20P3.host,S=1:2,S", Some(1_736_157_600)),
            ("1736157600.3.host", Some(1_736_157_600)),
            ("17.host", None),
            ("1736157600", None),
            ("173615760012.x", None),
            ("x736157600.x", None),
        ] {
            assert_eq!(delivered(name), seconds.map(Timestamp::from_seconds), "{name}");
        }
    }
}
