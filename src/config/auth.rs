//! `[auth]`.

use std::time::Duration;

use super::reader::section;

section! {
    /// Who may call.
    pub struct Auth {
        /// What the `aud` claim of a token must name.
        pub audience: String,
        /// How long a token of `mailagent token` is good.
        pub token_lifetime: Duration => within("1m", "365d"),
        /// By how much the clocks of the issuer and this machine may differ.
        pub clock_skew: Duration => within("0s", "10m"),
    }
}
