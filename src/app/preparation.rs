//! Prevents a message that crashed the process from crashing it again.

use std::{io, path::Path};

use super::StartError;
use crate::{
    config::Config,
    ops::{Journal, Ops, Preparation, accuse},
    store::OpenError,
};

/// Name of the folder in the data folder that says which messages are in preparation.
const FOLDER: &str = "preparing";

/// Opens the journal of this process.
///
/// # Errors
/// [`StartError::Folder`] when its folder cannot be used.
pub(super) fn open(data: &Path, name: &str, program: Option<std::path::PathBuf>) -> Result<Preparation, StartError> {
    let folder = data.join(FOLDER);
    let journal = Journal::open(&folder, name).map_err(|source| cannot_use(&folder, source))?;
    Ok(Preparation { journal, program })
}

/// Records what crashed processes were preparing, before anything is prepared again.
///
/// # Errors
/// [`StartError::Folder`] when a journal cannot be read, [`StartError::Database`] when the database is unavailable.
pub(super) async fn accuse_leftovers(ops: &Ops, config: &Config) -> Result<(), StartError> {
    let folder = config.data_dir.join(FOLDER);
    for leftover in Journal::leftovers(&folder).map_err(|source| cannot_use(&folder, source))? {
        let accused = accuse(ops, &leftover.suspects).await;
        accused.map_err(|source| StartError::Database {
            location: config.database.url.to_string(),
            source: OpenError::Refused(Box::new(source)),
        })?;
        leftover.discard().map_err(|source| cannot_use(&folder, source))?;
    }
    Ok(())
}

fn cannot_use(folder: &Path, source: io::Error) -> StartError {
    StartError::Folder {
        path: folder.display().to_string(),
        source,
    }
}
