//! `[mail]`.

use super::{reader::section, value::ByteSize};

section! {
    /// What messages are accepted, by sweep and archive alike.
    pub struct Mail {
        /// Maximum size of a message that is read. For a larger one, a stub is kept.
        pub max_message_size: ByteSize => within("64KiB", "1GiB"),
    }
}
