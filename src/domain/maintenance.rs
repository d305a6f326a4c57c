//! Maintenance accounts: logins that can access many mailboxes.

use serde::{Deserialize, Serialize};

use super::{AgentKind, MaintenanceAccountId, Timestamp, fields::settings_fields};

/// A login at a mailbox server that can access many mailboxes. Its password is stored separately, see `ops::maintenance`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaintenanceAccount {
    /// Chosen by the service: a ULID.
    pub id: MaintenanceAccountId,
    /// What callers choose.
    pub settings: MaintenanceSettings,
    /// Whether a password is stored.
    pub password_set: bool,
    /// Why the login is no longer used: the server rejected it. Empty when it may be used.
    pub problem: String,
    /// Counts the writes, from 1.
    pub version: i64,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
}

/// What callers choose of a maintenance account. Names are those of the proto file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceSettings {
    /// Display name.
    pub display_name: String,
    /// What kind of server it is for; never [`AgentKind::Smtp`].
    pub kind: AgentKind,
    /// Address of the service. Empty for Graph's own.
    pub endpoint: String,
    /// Login name. Possibly empty.
    pub username: String,
    /// Address of the account that logs in with OAuth. Possibly empty.
    pub login_address: String,
}

impl MaintenanceSettings {
    /// The account's own address, as far as it has one: that of its OAuth login, or else its login name. Possibly not an address at all.
    pub fn address(&self) -> &str {
        if self.login_address.is_empty() {
            &self.username
        } else {
            &self.login_address
        }
    }
}

settings_fields! {
    MaintenanceSettings {
        display_name,
        endpoint,
        kind,
        login_address,
        username,
    }
}
