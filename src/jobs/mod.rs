//! Background work: reconcilers that bring things to where they should be, from whatever state they find. `driver.rs` runs them.

mod driver;
pub mod linking;
pub mod logins;
pub mod mailboxes;
pub mod pruning;
pub mod reads;

pub use driver::Jobs;
