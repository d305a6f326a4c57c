//! Exchange mailboxes, over EWS and over Microsoft Graph, and what both share.
//!
//! | module | holds |
//! |---|---|
//! | `check` | checks of a connection |
//! | `folders` | which folders are read |
//! | `memory` | what is remembered of messages between listing and fetching them |
//! | `patience` | messages that a server does not give out, and how often they are asked for |
//! | `server` | the server of a mailbox, called over HTTP |
//! | `ews` | Exchange Web Services |
//! | `graph` | Microsoft Graph |

mod check;
pub mod ews;
mod folders;
pub mod graph;
mod memory;
mod patience;
mod server;
mod whole;
