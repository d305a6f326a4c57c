//! Settings with short waits, so that no test waits for long.

use std::path::Path;

use mailagent::testing::config::{self, Config, Flag};

/// Settings of a service that keeps everything in `data`, but for the database when there is a URL of another.
pub fn quick(data: &Path, postgres: Option<&str>) -> Config {
    let data = data.to_str().expect("temporary folders have plain names");
    let settings = [
        ("data", data),
        ("server.shutdown_grace", "5s"),
        ("database.max_connections", "8"),
        ("exchange.allow_http", "true"),
        ("exchange.poll_interval", "200ms"),
        ("network.allow_loopback", "true"),
        ("network.connect_timeout", "2s"),
        ("exchange.request_timeout", "20s"),
        ("exchange.max_backoff", "200ms"),
        ("events.bookmark_interval", "200ms"),
    ];
    let url = postgres.map(|url| ("database.url", url));
    let flags: Vec<Flag> = settings
        .into_iter()
        .chain(url)
        .map(|(key, value)| Flag {
            key,
            value: value.to_owned(),
            name: key,
        })
        .collect();
    config::load(None, [], &flags).unwrap_or_else(|errors| panic!("{errors}"))
}
