//! mailagent joins a CRM to real mailboxes: mail about a case becomes a note on it, all mail is kept with its customer, and
//! both are streamed to subscribers.
//!
//! | module | holds |
//! |---|---|
//! | `cli` | the subcommands |
//! | `config` | the settings of a process |
//! | `app` | the one place that builds everything |
//! | `lifecycle` | supervised tasks and the deadline of a stop |
//! | `api` | the gRPC and HTTP edge |
//! | `ops` | what the product does |
//! | `domain` | types and rules without I/O |
//! | `mime` | messages: bytes in, values out |
//! | `mailfile` | `.eml` and `.emlx` files, mbox files and Maildirs as a sequence of messages |
//! | `store` | the database |
//! | `blobs` | the bytes of messages |
//! | `net` | connections to other servers |
//! | `idp` | where people and callers log in |
//! | `provider` | mailbox servers |
//! | `jobs` | background work |
//! | `crypto` | secrets, cursors, tokens |
//! | `telemetry` | logs, traces, metrics |

#![expect(rustdoc::private_intra_doc_links, reason = "the documentation is for those who work on the code")]

mod api;
mod app;
mod blobs;
mod cli;
mod config;
mod crypto;
mod domain;
mod idp;
mod jobs;
mod lifecycle;
mod mailfile;
mod mime;
mod net;
mod ops;
mod private;
mod provider;
mod store;
mod telemetry;

pub use cli::main;

/// What tests and benches use besides [`main`]. A build without default features has none of this, so that the compiler finds in it what
/// only tests need.
#[cfg(feature = "testing")]
pub mod testing {
    pub mod api {
        pub use crate::api::{DESCRIPTORS, raise_file_limit, v1};
    }

    pub mod app {
        pub use crate::app::{Environment, Running, build_ops, open_issuer, open_store, start_in};
    }

    pub mod blobs {
        pub use crate::blobs::{IDENTITY, pack};
    }

    #[cfg(feature = "demo")]
    pub mod demo {
        pub use crate::cli::demo::data::{DemoMailbox, DemoSet, Expectation, expectations};
    }

    pub mod config {
        pub use crate::config::{AllowedOrigins, BlobsUrl, ByteSize, Config, DEFAULT_FILE, DatabaseUrl, Flag, LogFormat, OAuth, load};
    }

    pub mod crypto {
        pub use crate::crypto::{
            Claims, DataKey, KeyId, KeyRing, KeySource, LOCAL_ISSUER, MasterKey, OpenError, Place, Sealer, Secret, Verifier, wrapped_by,
        };
    }

    pub mod domain {
        pub use crate::domain::*;
    }

    pub mod idp {
        pub use crate::idp::oauth::ClientProof;
    }

    pub mod jobs {
        pub use crate::jobs::linking;
    }

    pub mod lifecycle {
        pub use crate::lifecycle::{Lifecycle, Stopped};
    }

    pub mod mailfile {
        pub use crate::mailfile::open;
    }

    pub mod mime {
        pub use crate::mime::{Draft, compose, content, note_text, parse};
    }

    pub mod net {
        pub use crate::net::{
            EndpointRules, ErrorClass, Names, Network, NetworkConfig, ProviderError, Service, Stage, StageKind, SystemNames,
        };
    }

    pub mod ops {
        pub use crate::ops::{
            Keys, KeysError, Ops, Vault, agents, archive, directory, import, keys, login, mailbox, push, settings, sweep, watch,
        };
    }

    pub mod provider {
        pub use crate::provider::{
            AccessTokens, Credentials, Endpoint, ExchangeLogin, ExchangeProtocol, Folder, FolderRole, LoginScrub, MailSink, MailSource,
            OutgoingMessage, Scrubbed, SmtpConfig, SmtpLogin,
            exchange::ews::{EwsConfig, EwsSource},
            smtp::SmtpSink,
        };
    }

    pub mod store {
        pub use crate::store::{
            DatabaseLocation, INSTALLATION, LeaseKey, LeaseKind, LeaseTerms, NewBlob, NewMessage, Rewrapping, SearchWords, Store,
            WrappedKey, retrying,
        };
    }

    pub mod telemetry {
        pub use crate::telemetry::Metrics;
    }
}
