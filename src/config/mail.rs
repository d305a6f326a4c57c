//! `[mail]`.

use super::{reader::section, value::ByteSize};

section! {
    /// What messages are accepted, by sweep and archive alike.
    pub struct Mail {
        /// The greatest message that is read. Of a greater one a stub is kept.
        pub max_message_size: ByteSize => within("64KiB", "1GiB"),
    }
}
