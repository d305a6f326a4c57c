//! How many files the system allows this process to open, and how many of them may be connections of callers.

/// Limit of connections if the system's limit of files would allow more, unless a setting says otherwise.
const ENOUGH: usize = 10_000;
/// Files that are reserved for the database, for mail and for connections to mailbox servers: a quarter of all, at least this many.
const KEPT: usize = 128;
/// Connections that are accepted even if there are hardly any files.
const FEW: usize = 16;

/// Raises the soft limit of open files to the hard one, as servers are expected to (getrlimit(2)). Returns the limit that then applies, `None`
/// where there is none or the system does not say.
///
/// The soft limit is 1,024 on many systems only because of programs that call select(2), which this one does not.
#[cfg(unix)]
pub fn raise_file_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current != limit.maximum && setrlimit(Resource::Nofile, raised).is_err() {
        tracing::warn!(limit = limit.current, "the limit of open files cannot be raised");
    }
    file_limit()
}

/// The current limit of open files.
#[cfg(unix)]
fn file_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// Leaves the limit as it is where the system has none of this kind.
#[cfg(not(unix))]
pub fn raise_file_limit() -> Option<u64> {
    None
}

#[cfg(not(unix))]
fn file_limit() -> Option<u64> {
    None
}

/// How many connections of callers may be open: as many as wanted, and never so many that the database would run out of files.
pub(super) fn max_connections(wanted: Option<usize>) -> usize {
    let room = file_limit().map_or(usize::MAX, room);
    match wanted {
        Some(wanted) if wanted > room => {
            tracing::warn!(wanted, room, "server.max_connections is more than the limit of open files allows");
            room
        }
        Some(wanted) => wanted,
        None => room.min(ENOUGH),
    }
}

/// How many of this many files may be connections.
fn room(files: u64) -> usize {
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    files.saturating_sub(KEPT.max(files / 4)).max(FEW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_kept_for_the_database() {
        let check = |files: u64, connections: usize| assert_eq!(room(files), connections, "{files} files");
        check(4096, 3072);
        check(1024, 768);
        check(256, 128);
        check(64, FEW);
        assert!(room(u64::MAX) > ENOUGH);
    }
}
