//! Background work: reconcilers that bring things to where they should be, from whatever state they find.

pub mod linking;
pub mod mailboxes;
pub mod reads;
pub mod retention;
pub mod tokens;
