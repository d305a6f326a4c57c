//! `[exchange]`.

use std::time::Duration;

use super::{
    reader::section,
    value::{ByteSize, Hosts},
};

section! {
    /// Exchange servers and how they are read.
    pub struct Exchange {
        /// Whether endpoints may be `http:`, which exposes passwords and mail to the network. For tests.
        pub allow_http: bool,
        /// The polling interval of a mailbox.
        pub poll_interval: Duration => within("100ms", "1d"),
        /// How often a mailbox is compared with what was handled and archived.
        pub completeness_interval: Duration => within("1s", "365d"),
        /// Whether servers are asked to push new mail.
        pub push: bool,
        /// Limit of mailboxes that are read at the same time.
        pub concurrent_mailboxes: usize => within("1", "10000"),
        /// Limit of concurrent requests of one mailbox.
        pub requests_per_mailbox: usize => within("1", "100"),
        /// Limit of concurrent requests over Microsoft Graph of all mailboxes.
        pub requests_per_application: usize => within("1", "10000"),
        /// Limit of requests over Microsoft Graph of one mailbox in ten minutes.
        pub graph_requests_per_ten_minutes: u32 => within("100", "1000000000"),
        /// Mailboxes of one login over EWS that share a notification stream.
        pub mailboxes_per_stream: usize => within("1", "200"),
        /// Messages that one request fetches.
        pub fetch_batch: usize => within("1", "100"),
        /// Servers outside a mailbox's domain that Autodiscover may query and accept.
        pub autodiscover_hosts: Hosts => like("autodiscover.hoster.example"),
        /// How long Autodiscover may take in total.
        pub autodiscover_timeout: Duration => within("1s", "5m"),
        /// Memory for messages of all mailboxes together, from the response that contains them until they are packed.
        pub answer_memory: ByteSize => within("64MiB", "1024GiB"),
        /// How long to wait for a response.
        pub request_timeout: Duration => within("100ms", "1h"),
        /// The longest delay between retries of a mailbox that keeps failing.
        pub max_backoff: Duration => within("100ms", "1d"),
    }
}
