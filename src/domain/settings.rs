//! Tenant-wide settings.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{CaseReferenceFormat, Timestamp, UserId, fields::settings_fields};

/// A tenant's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantSettings {
    /// What the tenant's administrator chooses.
    pub choices: TenantChoices,
    /// Who accepted the storage terms, and when.
    pub acknowledged: Option<(UserId, Timestamp)>,
    /// Counts the writes, from 0 for a tenant that never wrote.
    pub version: i64,
}

/// What a tenant's administrator chooses. Names are those of the proto file, as the audit log reports changes by them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TenantChoices {
    /// What a case reference looks like.
    pub case_reference_format: CaseReferenceFormat,
    /// Domains whose addresses are never external, in lower case.
    pub internal_domains: Vec<String>,
    /// Servers whose Authentication-Results are trusted, in lower case.
    pub trusted_authserv_ids: Vec<String>,
    /// What happens when a sender fails these checks.
    pub sender_check: SenderCheck,
    /// Whether automatic mail is skipped.
    pub skip_automatic_mail: bool,
    /// Messages from one sender about one case within an hour; 0 means no limit.
    pub loop_limit_per_sender_and_case: u32,
    /// Messages from one sender within an hour; 0 means no limit.
    pub loop_limit_per_sender: u32,
    /// How the service logs in to Exchange mailboxes.
    pub authentication_method: AuthenticationMethod,
    /// Number of agents that may be triage agents.
    pub triage_licence_count: u32,
    /// Whether SMTP without TLS is allowed.
    pub allow_unencrypted_smtp: bool,
    /// Whether servers may be in private networks.
    pub allow_private_networks: bool,
    /// Certificates that are trusted although they fail validation.
    pub trusted_certificates: Vec<TrustedCertificate>,
    /// Days for which the audit log keeps who read which message.
    pub read_audit_retention_days: u32,
}

impl TenantChoices {
    /// How long the audit log keeps who read which message.
    pub fn read_audit_retention(&self) -> Duration {
        Duration::from_secs(u64::from(self.read_audit_retention_days) * 24 * 3600)
    }
}

settings_fields! {
    TenantChoices {
        allow_private_networks,
        allow_unencrypted_smtp,
        authentication_method,
        case_reference_format,
        internal_domains,
        loop_limit_per_sender,
        loop_limit_per_sender_and_case,
        read_audit_retention_days,
        sender_check,
        skip_automatic_mail,
        triage_licence_count,
        trusted_authserv_ids,
        trusted_certificates,
    }
}

impl Default for TenantChoices {
    fn default() -> Self {
        Self {
            case_reference_format: CaseReferenceFormat::default(),
            internal_domains: Vec::new(),
            trusted_authserv_ids: Vec::new(),
            sender_check: SenderCheck::Refuse,
            skip_automatic_mail: false,
            loop_limit_per_sender_and_case: 20,
            loop_limit_per_sender: 200,
            authentication_method: AuthenticationMethod::Basic,
            triage_licence_count: 0,
            allow_unencrypted_smtp: false,
            allow_private_networks: false,
            trusted_certificates: Vec::new(),
            read_audit_retention_days: 365,
        }
    }
}

/// What happens to a message whose sender fails the authenticity checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SenderCheck {
    /// It does not become a note.
    #[default]
    Refuse,
    /// It becomes a note with a warning, and never creates a contact.
    Warn,
}

/// A certificate that is trusted for a host although it fails validation: self-signed, expired, or for another name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrustedCertificate {
    /// Name or address of the server, in lower case.
    pub host: String,
    /// SHA-256 of the certificate: 64 hexadecimal digits in lower case.
    pub sha256_fingerprint: String,
}

/// How the service logs in to Exchange mailboxes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthenticationMethod {
    /// With user name and password.
    #[default]
    Basic,
    /// With OAuth 2.0.
    Modern,
}
