//! `[exchange]`.

use std::time::Duration;

use super::{
    reader::section,
    value::{ByteSize, Hosts},
};

section! {
    /// Exchange servers, and how they are read.
    pub struct Exchange {
        /// Whether endpoints may be `http:`, which shows passwords and mail to the network. For tests.
        pub allow_http: bool,
        /// How long a mailbox rests between two looks.
        pub poll_interval: Duration => within("100ms", "1d"),
        /// How often a mailbox is compared with what was handled and archived.
        pub completeness_interval: Duration => within("1s", "365d"),
        /// Whether servers are asked to tell of new mail at once.
        pub push: bool,
        /// Mailboxes that are read at the same time.
        pub concurrent_mailboxes: usize => within("1", "10000"),
        /// Requests that one mailbox may have under way.
        pub requests_per_mailbox: usize => within("1", "100"),
        /// Requests over Microsoft Graph that all mailboxes may have under way.
        pub requests_per_application: usize => within("1", "10000"),
        /// Requests over Microsoft Graph that one mailbox may make in ten minutes.
        pub graph_requests_per_ten_minutes: u32 => within("100", "1000000000"),
        /// Mailboxes of one login over EWS that share a notification stream.
        pub mailboxes_per_stream: usize => within("1", "200"),
        /// Messages that one request fetches.
        pub fetch_batch: usize => within("1", "100"),
        /// Servers beyond those of a mailbox's domain that Autodiscover may ask and find.
        pub autodiscover_hosts: Hosts => like("autodiscover.hoster.example"),
        /// How long Autodiscover may take for all that it asks.
        pub autodiscover_timeout: Duration => within("1s", "5m"),
        /// What messages take in memory, from the answer that brings them until they are packed, in all mailboxes together.
        pub answer_memory: ByteSize => within("64MiB", "1024GiB"),
        /// How long to wait for an answer.
        pub request_timeout: Duration => within("100ms", "1h"),
        /// The longest rest of a mailbox that fails again and again.
        pub max_backoff: Duration => within("100ms", "1d"),
    }
}
