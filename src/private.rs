//! Files and folders for the service's owner alone: mode 0700 and 0600 where the system has modes.

use std::{fs, io, path::Path};

/// Makes a folder and those above it that are missing, each for its owner alone. What is there stays as it is.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Makes an empty file for its owner alone, unless there is one.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn make_file(path: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Why the file system lets this process not write a file, or not make others beside it. `None` when it does, and when something else is wrong.
pub(crate) fn write_refusal(path: &Path) -> Option<String> {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    let refusal = |what: &Path, error: io::Error| {
        let lasts = matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem);
        lasts.then(|| format!("{}: {error}", what.display()))
    };
    let file = fs::OpenOptions::new().append(true).open(path);
    if let Some(refused) = file.err().and_then(|error| refusal(path, error)) {
        return Some(refused);
    }
    let probe = path.with_extension("probe");
    match fs::File::create_new(&probe) {
        Ok(_) => {
            // Left behind, it does no harm.
            let _ = fs::remove_file(&probe);
            None
        }
        Err(error) => refusal(&probe, error),
    }
}

/// Logs a warning where others than the owner may enter or read `path`. What is missing is fine.
pub(crate) fn warn_if_shared(path: &Path) {
    if let Some(mode) = shared_mode(path) {
        let advice = if path.is_dir() { "chmod 700" } else { "chmod 600" };
        tracing::warn!(
            path = %path.display(),
            mode = format!("{mode:04o}"),
            "others on this machine can read mail and keys: {advice} {}",
            path.display()
        );
    }
}

/// The mode of a file or folder that others may use.
#[cfg(unix)]
fn shared_mode(path: &Path) -> Option<u32> {
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).ok()?.permissions()) & 0o7777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn shared_mode(_: &Path) -> Option<u32> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (inner, file) = (folder.path().join("a/b"), folder.path().join("a/b/c"));
        make_folder(&inner).unwrap();
        make_file(&file).unwrap();
        for path in [&folder.path().join("a"), &inner, &file] {
            assert_eq!(shared_mode(path), None, "{}", path.display());
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        make_file(&file).unwrap();
        assert_eq!(shared_mode(&file), Some(0o640), "what is there stays as it is");
    }

    #[test]
    fn a_folder_that_may_not_be_written_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(write_refusal(&folder.path().join("mailagent.db")), None);
        // Nobody makes files there, not even root.
        let refused = write_refusal(Path::new("/sys/mailagent.db"));
        assert!(refused.is_some_and(|refused| refused.starts_with("/sys/mailagent.probe: ")));
    }
}
