//! `[events]`.

use std::time::Duration;

use super::reader::section;

section! {
    /// The event log.
    pub struct Events {
        /// How long events are kept; a subscriber that is away longer has to start over.
        pub keep: Duration => within("1h", "3650d"),
        /// Maximum time that a stream is silent. Clients rely on 15 s.
        pub bookmark_interval: Duration => within("10ms", "15s"),
    }
}
