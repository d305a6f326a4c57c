//! `[smtp]`.

use std::time::Duration;

use super::reader::section;

section! {
    /// Servers that mail is sent over.
    pub struct Smtp {
        /// How long to wait for each response, and for each chunk of a message to be accepted.
        pub request_timeout: Duration => within("100ms", "10m"),
        /// How long to wait for the response to a whole message.
        pub delivery_timeout: Duration => within("100ms", "1h"),
        /// Limit of messages that one agent submits at the same time, each over its own connection.
        pub max_connections: usize => within("1", "100"),
    }
}
