//! What holds for a whole tenant.

use serde::{Deserialize, Serialize};

use super::{CaseReferenceFormat, Timestamp};

/// A tenant's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantSettings {
    /// What the tenant's administrator chooses.
    pub choices: TenantChoices,
    /// Who accepted the storage terms, and when.
    pub acknowledged: Option<(String, Timestamp)>,
    /// Counts the writes, from 0 for a tenant that never wrote.
    pub version: i64,
}

/// What a tenant's administrator chooses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TenantChoices {
    /// What a case reference looks like.
    pub case_reference: CaseReferenceFormat,
    /// Domains whose addresses are never external, in lower case.
    pub internal_domains: Vec<String>,
    /// Servers whose Authentication-Results are believed, in lower case.
    pub trusted_authserv_ids: Vec<String>,
    /// What happens when a sender fails these checks.
    pub sender_check: SenderCheck,
    /// Whether automatic mail is skipped.
    pub skip_automatic: bool,
    /// Messages of one sender about one case within an hour; 0 is no limit.
    pub loop_limit_per_case: u32,
    /// Messages of one sender within an hour; 0 is no limit.
    pub loop_limit_per_sender: u32,
}

impl Default for TenantChoices {
    fn default() -> Self {
        Self {
            case_reference: CaseReferenceFormat::default(),
            internal_domains: Vec::new(),
            trusted_authserv_ids: Vec::new(),
            sender_check: SenderCheck::Refuse,
            skip_automatic: false,
            loop_limit_per_case: 20,
            loop_limit_per_sender: 200,
        }
    }
}

/// What happens to a message whose sender fails the authenticity checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SenderCheck {
    /// It is not noted.
    #[default]
    Refuse,
    /// It is noted with a warning, and never makes a contact.
    Warn,
}

/// A certificate that is believed for a host although it does not stand up to the checks: self-signed, expired, of another name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedCertificate {
    /// Name or address of the server, in lower case.
    pub host: String,
    /// SHA-256 of the certificate: 64 hexadecimal digits in lower case.
    pub sha256_fingerprint: String,
}
