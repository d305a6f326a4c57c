//! The Rust client of mailagent.
//!
//! [`v1`] is generated from `proto/` (by `make clients`) and holds every message and service. [`connect()`] opens a connection
//! that shows a bearer token, and [`Clients`] has the services on it, with watches that resume automatically.
//!
//! ```no_run
//! use mailagent_client::{EARLIEST, connect, v1::WatchMatchesRequest};
//! use tokio_stream::StreamExt;
//!
//! # async fn follow() -> Result<(), Box<dyn std::error::Error>> {
//! let clients = connect("http://127.0.0.1:50051", "token from `mailagent token`").await?;
//! let mut matches = clients.watch_matches(WatchMatchesRequest { cursor: EARLIEST.into(), filter: None });
//! while let Some(delivery) = matches.next().await {
//!     let delivery = delivery?;
//!     println!("{:?}, to go on from {}", delivery.event, delivery.cursor);
//! }
//! # Ok(())
//! # }
//! ```

mod connect;
mod watch;

pub use connect::{Auth, Clients, ConnectError, Service, TokenError, connect, connect_with};
pub use tonic_types;
pub use watch::{Backoff, Delivery, EARLIEST, LATEST, Watch};

/// Messages and services of the protobuf package `mailagent.v1`.
#[expect(
    unused_qualifications,
    clippy::allow_attributes_without_reason,
    clippy::pedantic,
    reason = "generated"
)]
pub mod v1 {
    include!("generated/mailagent.v1.rs");
}
