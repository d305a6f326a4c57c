//! `[smtp]`.

use std::time::Duration;

use super::reader::section;

section! {
    /// Servers that mail is sent over.
    pub struct Smtp {
        /// How long to wait for each answer, and for each piece of a message to be taken.
        pub request_timeout: Duration => within("100ms", "10m"),
        /// How long to wait for the answer to a whole message.
        pub delivery_timeout: Duration => within("100ms", "1h"),
        /// Messages that one agent hands over at the same time, each over a connection of its own.
        pub max_connections: usize => within("1", "100"),
    }
}
