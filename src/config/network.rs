//! `[network]`.

use std::{path::PathBuf, time::Duration};

use super::reader::section;

section! {
    /// Connections to mailbox servers of any kind.
    pub struct Network {
        /// Whether servers on this machine itself may be called. For tests.
        pub allow_loopback: bool,
        /// How long to wait for a connection, and for its TLS handshake.
        pub connect_timeout: Duration => within("100ms", "10m"),
        /// PEM file with certificates to trust in addition to those of the system.
        pub root_certificates_file: Option<PathBuf> => like("/etc/mailagent/roots.pem"),
    }
}
