//! Why work on a mailbox, or on the login that opens it, ended early.

use crate::{domain::Error, net::ProviderError};

/// Why reading a mailbox ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The mailbox's server.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// Our side: the database, or another replica that was faster.
    #[error(transparent)]
    Service(#[from] Error),
}
