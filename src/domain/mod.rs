//! Types and rules of the product, without I/O. Nothing here reads a clock.

mod address;
mod agent;
mod audit;
mod backoff;
mod caller;
mod case_reference;
mod directory;
mod error;
mod event;
mod fields;
mod filter;
mod ids;
mod login;
mod machine;
mod mail;
mod maintenance;
mod message;
mod page;
mod party;
mod password;
mod scope;
mod settings;
mod sweep;
mod text;
mod time;
pub mod topic;

pub use address::{address_key, domain_key, in_unicode};
pub use agent::{
    Agent, AgentHealth, AgentKind, AgentSettings, ConnectionType, ExchangeSettings, GRAPH_ENDPOINT, HealthState, SmtpAuthentication,
    SmtpSecurity, SmtpSettings, SweepOptions, TriageOptions,
};
pub use audit::{AuditAction, AuditEntry, FieldChange};
pub use backoff::Backoff;
pub use caller::{Caller, is_id};
pub use case_reference::{CaseReferenceFormat, CaseReferenceMatcher, FormatError, reference_key};
pub use directory::{Case, Contact, Customer, User, Written};
pub use error::{Detail, Error, Kind, Reason, Result, Violation, error_chain};
pub use event::{Event, EventKind, EventName};
pub use filter::{
    AgentFilter, AuditFilter, AuditKind, CaseFilter, HealthFilter, MatchFilter, MessageFilter, NoteFilter, OutcomeFilter, TokenFilter,
};
pub use ids::{AgentId, CaseId, ContactId, CustomerId, MaintenanceAccountId, MessageId, NoteId, OutcomeId, ResourceId, TenantId, UserId};
pub use login::{Login, LoginChange, LoginSource, LoginState, LoginUse, TokenEvent, TokenEventKind, consent_domain, passed};
pub use machine::{is_machine, is_mail_system};
pub use mail::{AutomaticKind, Direction, Mailbox, domain_of};
pub use maintenance::{MaintenanceAccount, MaintenanceSettings};
pub use message::{ArchiveStatistics, CustomerLink, Message, MessageAfter};
pub use page::Page;
pub use party::{ExternalParties, OurAddresses, is_within};
pub use password::PasswordChange;
pub use scope::Scope;
pub use settings::{AuthenticationMethod, SenderCheck, TenantChoices, TenantSettings, TrustedCertificate};
pub use sweep::{Note, Outcome, OutcomeResult};
pub use text::misleads;
pub use time::{Clock, SystemClock, Timestamp};
pub use topic::Topic;
