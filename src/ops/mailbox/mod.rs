//! One mailbox: opened, read to its end folder by folder, compared, and how that goes.
//!
//! | module | holds |
//! |---|---|
//! | `error` | why work on a mailbox ended early, and how long it rests then |
//! | `pulse` | whether the work moves |
//! | `memory` | what is remembered of its folders |
//! | `answers` | what the answers of all servers hold in memory together |
//! | `connect` | its connection: which login, at which server, under which rules |
//! | `turn` | who tries the login that many mailboxes share |
//! | `health` | how it goes, recorded after each try |
//! | `work` | a mailbox that is worked on, and what each folder is read for |
//! | `folder` | one folder |
//! | `inbox` | the inbox, beside work that takes long |
//! | `read` | all folders |
//! | `completeness` | what is missing here, and closing the gaps |
//!
//! Each knows those above it alone.

mod answers;
pub mod completeness;
mod connect;
mod error;
mod folder;
pub mod health;
mod inbox;
mod memory;
mod pulse;
mod read;
mod turn;
mod work;

use std::sync::Arc;

use super::Ops;
use crate::domain::{Agent, Result, TenantId};

pub use self::{
    answers::AnswerMemory,
    connect::Opened,
    error::ReadError,
    inbox::{ReadingSlots, beside_inbox},
    pulse::{OWN_WORK, Pulse},
    read::{Reading, read},
    work::{MailboxWork, Progress},
};
pub(super) use self::{connect::sink, turn::KnownLogins};

/// Opens an agent's mailbox, or records in its health why it cannot be opened. Whoever has the pulse sees whether the work on it moves.
///
/// # Errors
/// [`crate::net::ErrorClass::LoginRequired`] when there is no login to try.
pub async fn open(ops: &Ops, tenant: &TenantId, agent: &Agent, pulse: Arc<Pulse>) -> Result<Opened, ReadError> {
    match connect::open(ops, tenant, agent, pulse).await {
        Ok(opened) => Ok(opened),
        Err(error) => {
            health::record_unopened(ops, tenant, agent, &error).await?;
            Err(error)
        }
    }
}
