//! mailagent joins a CRM to real mailboxes: mail about a case becomes a note on it, all mail is kept with its customer, and
//! both are streamed to subscribers.
//!
//! | module | holds |
//! |---|---|
//! | [`cli`] | the subcommands |
//! | [`config`] | the settings of a process |
//! | [`app`] | the one place that builds everything |
//! | [`lifecycle`] | supervised tasks and the deadline of a stop |
//! | [`api`] | the gRPC and HTTP edge |
//! | [`ops`] | what the product does |
//! | [`domain`] | types and rules without I/O |
//! | [`mime`] | messages: bytes in, values out |
//! | [`mailfile`] | `.eml` files, mbox files and Maildirs as a sequence of messages |
//! | [`store`] | the database |
//! | [`blobs`] | the bytes of messages |
//! | [`net`] | connections to other servers |
//! | [`idp`] | where people and callers log in |
//! | [`provider`] | mailbox servers |
//! | [`jobs`] | background work |
//! | [`crypto`] | secrets, cursors, tokens |
//! | [`telemetry`] | logs, traces, metrics |

pub mod api;
pub mod app;
pub mod blobs;
pub mod cli;
pub mod config;
pub mod crypto;
pub mod domain;
pub mod idp;
pub mod jobs;
pub mod lifecycle;
pub mod mailfile;
pub mod mime;
pub mod net;
pub mod ops;
mod private;
pub mod provider;
pub mod store;
pub mod telemetry;

pub use app::{Running, StartError, start};
