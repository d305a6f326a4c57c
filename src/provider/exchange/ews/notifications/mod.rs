//! Notifications of changes, over streams that mailboxes of the same login share.
//!
//! | module | holds |
//! |---|---|
//! | `logins` | which mailboxes may share a stream |
//! | `group` | mailboxes that share a stream |
//! | `subscriber` | notifications for one mailbox |
//! | `stream`, `splitter` | a stream, and where its envelopes end |

mod group;
mod logins;
pub(super) mod splitter;
mod stream;
mod subscriber;

pub(super) use self::subscriber::{Subscriber, wait};
pub use self::{
    group::StreamLimits,
    logins::{EwsStreams, LoginStreams, SharedLogin},
};
