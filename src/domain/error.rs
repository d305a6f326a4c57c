//! Errors, in terms of the product.

use std::{borrow::Cow, error::Error as StdError, fmt, time::Duration};

/// A result of the product's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn StdError + Send + Sync>;

/// An error. `public` may be shown to any caller; the source is only for the log.
#[derive(Debug)]
pub struct Error {
    /// The kind of error, which determines the status code.
    pub kind: Kind,
    /// The stable reason that programs may act on.
    pub reason: Reason,
    /// What happened and what to do, in one or two sentences.
    pub public: Cow<'static, str>,
    /// Everything that `public` says, for programs.
    pub details: Vec<(Detail, String)>,
    /// All invalid fields. Only with [`Kind::Invalid`].
    pub violations: Vec<Violation>,
    source: Option<Source>,
}

/// An invalid field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field as in the proto file, such as `agent.exchange.endpoint`.
    pub field: String,
    /// What is wrong with it, and a correct value.
    pub description: String,
}

/// Kinds of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request is invalid, whatever the state.
    Invalid,
    /// There is no such resource, or none that the caller may see.
    NotFound,
    /// It already exists.
    Exists,
    /// Something else must be fixed first.
    Precondition,
    /// It has changed in the meantime: read again, then retry.
    Stale,
    /// The caller is not authenticated.
    Unauthenticated,
    /// The caller has no permission.
    Denied,
    /// A limit is reached.
    Exhausted,
    /// A concurrency limit of one caller is reached: retry this call.
    Busy {
        /// How long to wait first.
        retry_after: Duration,
    },
    /// A position is out of range.
    OutOfRange,
    /// Retry this call.
    Unavailable {
        /// How long to wait first.
        retry_after: Duration,
    },
    /// The call took too long.
    TimedOut,
    /// A fault of the service.
    Internal,
}

macro_rules! named {
    ($(#[$doc:meta])* enum $type:ident; $($variant:ident = $name:literal),* $(,)?) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type {
            $(#[doc = $name] $variant,)*
        }

        impl $type {
            /// All of them.
            #[cfg(test)]
            pub const ALL: &'static [$type] = &[$($type::$variant,)*];

            /// The name on the wire.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($type::$variant => $name,)*
                }
            }
        }
    };
}

named! {
    /// Stable reasons, identical to `ErrorReason` in the proto file.
    enum Reason;

    FieldsInvalid = "FIELDS_INVALID",
    CasePatternInvalid = "CASE_PATTERN_INVALID",
    PageTokenInvalid = "PAGE_TOKEN_INVALID",
    CursorInvalid = "CURSOR_INVALID",
    CursorExpired = "CURSOR_EXPIRED",
    OffsetOutOfRange = "OFFSET_OUT_OF_RANGE",
    ResourceNotFound = "RESOURCE_NOT_FOUND",
    RequestIdReused = "REQUEST_ID_REUSED",
    CaseReferenceTaken = "CASE_REFERENCE_TAKEN",
    StorageTermsNotAcknowledged = "STORAGE_TERMS_NOT_ACKNOWLEDGED",
    OptionNeedsAnother = "OPTION_NEEDS_ANOTHER",
    AgentNotActive = "AGENT_NOT_ACTIVE",
    FullMessageNotKept = "FULL_MESSAGE_NOT_KEPT",
    EtagMismatch = "ETAG_MISMATCH",
    TokenInvalid = "TOKEN_INVALID",
    ScopeMissing = "SCOPE_MISSING",
    TooManyStreams = "TOO_MANY_STREAMS",
    ShuttingDown = "SHUTTING_DOWN",
    StoreUnavailable = "STORE_UNAVAILABLE",
    CallTimedOut = "CALL_TIMED_OUT",
    InternalFault = "INTERNAL_FAULT",
    NotAllowedByTenant = "NOT_ALLOWED_BY_TENANT",
    TriageLicencesInUse = "TRIAGE_LICENCES_IN_USE",
    MaintenanceAccountInUse = "MAINTENANCE_ACCOUNT_IN_USE",
    AgentOfAnotherUser = "AGENT_OF_ANOTHER_USER",
    UserWithoutAddress = "USER_WITHOUT_ADDRESS",
    CheckInProgress = "CHECK_IN_PROGRESS",
    CertificateInvalid = "CERTIFICATE_INVALID",
    IssuerUnavailable = "ISSUER_UNAVAILABLE",
    LoginNotUsed = "LOGIN_NOT_USED",
    LoginProviderMissing = "LOGIN_PROVIDER_MISSING",
    LoginProviderForeign = "LOGIN_PROVIDER_FOREIGN",
    LoginStateInvalid = "LOGIN_STATE_INVALID",
    LoginAccountMismatch = "LOGIN_ACCOUNT_MISMATCH",
    LoginScopesMissing = "LOGIN_SCOPES_MISSING",
    LoginRefused = "LOGIN_REFUSED",
    LoginProviderUnavailable = "LOGIN_PROVIDER_UNAVAILABLE",
    DirectoryTaken = "DIRECTORY_TAKEN",
    AnonymousLimitReached = "ANONYMOUS_LIMIT_REACHED",
    RequestMalformed = "REQUEST_MALFORMED",
    TooManyCalls = "TOO_MANY_CALLS",
    LoginAccountNotOwned = "LOGIN_ACCOUNT_NOT_OWNED",
    StoreReadOnly = "STORE_READ_ONLY",
}

named! {
    /// Keys of the metadata that `ErrorReason` in the proto file describes.
    enum Detail;

    Account = "account",
    Agents = "agents",
    Allowed = "allowed",
    Available = "available",
    Domain = "domain",
    Field = "field",
    Host = "host",
    Identity = "identity",
    Limit = "limit",
    Missing = "missing",
    Needs = "needs",
    OldestCursor = "oldestCursor",
    Owner = "owner",
    Pattern = "pattern",
    Problem = "problem",
    Provider = "provider",
    ProviderReply = "providerReply",
    Reference = "reference",
    RequestId = "requestId",
    Resource = "resource",
    Scope = "scope",
    Setting = "setting",
    SizeBytes = "sizeBytes",
    Subject = "subject",
    Total = "total",
    Used = "used",
    User = "user",
    ViolationCount = "violationCount",
    Wanted = "wanted",
}

impl Error {
    /// An error with a reason and a text for the caller.
    pub fn new(kind: Kind, reason: Reason, public: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            reason,
            public: public.into(),
            details: Vec::new(),
            violations: Vec::new(),
            source: None,
        }
    }

    /// Adds something for programs to read.
    #[must_use]
    pub fn with(mut self, detail: Detail, value: impl Into<String>) -> Self {
        self.details.push((detail, value.into()));
        self
    }

    /// The value of a detail, if the error has it.
    pub fn detail(&self, wanted: Detail) -> Option<&str> {
        let found = self.details.iter().find(|(detail, _)| *detail == wanted);
        found.map(|(_, value)| value.as_str())
    }

    /// Adds the cause, for the log.
    #[must_use]
    pub fn because(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Fields are invalid. The text names the first; the details list all.
    pub fn invalid(violations: Vec<Violation>) -> Self {
        let public = match violations.as_slice() {
            [] => "The request is invalid.".into(),
            [only] => format!("{}: {}", only.field, only.description),
            [first, rest @ ..] => {
                format!("{}: {} (And {} more, see the details.)", first.field, first.description, rest.len())
            }
        };
        let count = violations.len().to_string();
        Self {
            violations,
            ..Self::new(Kind::Invalid, Reason::FieldsInvalid, public)
        }
        .with(Detail::ViolationCount, count)
    }

    /// One field is invalid.
    pub fn invalid_field(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::invalid(vec![Violation {
            field: field.into(),
            description: description.into(),
        }])
    }

    /// A value that the service issued, such as a cursor, is invalid in this field.
    pub fn invalid_handle(reason: Reason, field: &str, description: &str) -> Self {
        let violation = Violation {
            field: field.to_owned(),
            description: description.to_owned(),
        };
        Self {
            violations: vec![violation],
            ..Self::new(Kind::Invalid, reason, format!("{field}: {description}"))
        }
    }

    /// There is no such resource in this tenant, or none that the caller may see.
    pub fn not_found(resource: impl Into<String>) -> Self {
        let resource = resource.into();
        Self::new(Kind::NotFound, Reason::ResourceNotFound, format!("{resource} does not exist.")).with(Detail::Resource, resource)
    }

    /// Somebody else changed the resource.
    pub fn stale(resource: impl Into<String>) -> Self {
        let resource = resource.into();
        Self::new(
            Kind::Stale,
            Reason::EtagMismatch,
            format!("{resource} was changed by somebody else. Read it again, then retry."),
        )
        .with(Detail::Resource, resource)
    }

    /// The database is currently unavailable.
    pub fn store_unavailable(source: impl Into<Source>) -> Self {
        Self::new(
            Kind::Unavailable {
                retry_after: Duration::from_secs(1),
            },
            Reason::StoreUnavailable,
            "The database is currently unavailable. Retry later.",
        )
        .because(source)
    }

    /// The database can be read and not written, which no retry fixes.
    pub fn store_read_only(source: impl Into<Source>) -> Self {
        Self::new(
            Kind::Precondition,
            Reason::StoreReadOnly,
            "The service has no permission to write to its database. Have the operator grant its account write access to the data folder \
             and the files in it, and check that the file system is not mounted read-only.",
        )
        .because(source)
    }

    /// The folder for large messages is currently unavailable, as when its disk is full.
    pub fn blobs_unavailable(source: impl Into<Source>) -> Self {
        Self::new(
            Kind::Unavailable {
                retry_after: Duration::from_secs(1),
            },
            Reason::StoreUnavailable,
            "The folder for large messages is currently unavailable. Retry later; if this persists, have the operator check its disk.",
        )
        .because(source)
    }

    /// The service has no permission for the folder for large messages, which no retry fixes.
    pub fn blobs_forbidden(source: impl Into<Source>) -> Self {
        Self::new(
            Kind::Precondition,
            Reason::StoreReadOnly,
            "The service has no permission to use the folder for large messages. Have the operator grant its account read and write access \
             to the folder of blobs.url (`blobs` in the data folder) and the files in it, and check that the file system is not mounted \
             read-only.",
        )
        .because(source)
    }

    /// A caller has reached the limit of calls in progress or waiting for their turn.
    pub fn too_many_calls(limit: usize, subject: impl Into<String>) -> Self {
        let kind = Kind::Busy {
            retry_after: Duration::from_secs(1),
        };
        let text = format!("This caller already has {limit} calls in progress, which is the limit. Retry when some have finished.");
        Self::new(kind, Reason::TooManyCalls, text)
            .with(Detail::Limit, limit.to_string())
            .with(Detail::Subject, subject)
    }

    /// The service is stopping.
    pub fn shutting_down() -> Self {
        Self::new(
            Kind::Unavailable {
                retry_after: Duration::from_secs(1),
            },
            Reason::ShuttingDown,
            "The service is stopping. Retry at another replica, or later.",
        )
    }

    /// An internal error. The caller learns nothing about the cause.
    pub fn internal(source: impl Into<Source>) -> Self {
        Self::new(
            Kind::Internal,
            Reason::InternalFault,
            "Internal error. The service's log has the details under the request id.",
        )
        .because(source)
    }

    /// The error and all its causes in one line, for the log.
    pub fn chain(&self) -> String {
        error_chain(self)
    }
}

/// An error and all its causes in one line, for the log.
pub fn error_chain(error: &dyn StdError) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        next = cause.source();
    }
    line
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.public)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn keys_of_details_are_unique_and_lower_camel_case() {
        let keys: HashSet<&str> = Detail::ALL.iter().map(|detail| detail.as_str()).collect();
        assert_eq!(keys.len(), Detail::ALL.len());
        for key in keys {
            assert!(key.starts_with(|first: char| first.is_ascii_lowercase()), "{key}");
            assert!(key.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{key}");
        }
    }

    #[test]
    fn a_detail_is_found_by_its_name() {
        let error = Error::not_found("agents/01J").with(Detail::Field, "agent.name");
        assert_eq!(error.detail(Detail::Resource), Some("agents/01J"));
        assert_eq!(error.detail(Detail::Field), Some("agent.name"));
        assert_eq!(error.detail(Detail::User), None);
    }

    #[test]
    fn only_invalid_fields_are_counted() {
        let field = Error::invalid_field("agent.name", "is required.");
        assert_eq!(field.detail(Detail::ViolationCount), Some("1"));
        let handle = Error::invalid_handle(Reason::CursorInvalid, "cursor", "it is malformed.");
        assert_eq!(handle.public, "cursor: it is malformed.");
        assert_eq!(handle.detail(Detail::ViolationCount), None);
        assert_eq!(handle.violations[0].field, "cursor");
        assert_eq!(handle.violations[0].description, "it is malformed.");
    }
}
