//! The only mapping from errors to a gRPC status with `google.rpc` details.

mod bounds;

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use self::bounds::{Bounds, MAX_METADATA, cut};
use crate::domain::{Error, Kind, Reason};

/// The domain in `google.rpc.ErrorInfo`.
const DOMAIN: &str = "mailagent";

/// The status that a caller gets, at most [`bounds::MAX_STATUS_BYTES`] in its headers. The cause of an error is not in it; for a fault
/// of the service there is only a fixed text and the id under which the log has the details.
pub(super) fn to_status(error: &Error, request_id: &str) -> Status {
    bounds::fit(|bounds| build(error, request_id, bounds))
}

fn build(error: &Error, request_id: &str, bounds: Bounds) -> Status {
    let mut details = ErrorDetails::new();
    let public = || cut(&error.public, bounds.text);
    let value = |key| value(error, key).map(|value| cut(value, bounds.value));
    let mut metadata: HashMap<String, String> = error
        .metadata
        .iter()
        .take(MAX_METADATA)
        .map(|(key, value)| ((*key).to_owned(), cut(value, bounds.value).into_owned()))
        .collect();
    let mut text = public();
    let code = match error.kind {
        Kind::Invalid => {
            if !error.violations.is_empty() {
                metadata.insert("violationCount".to_owned(), error.violations.len().to_string());
            }
            details.set_bad_request(field_violations(error, bounds));
            Code::InvalidArgument
        }
        Kind::NotFound => {
            set_resource(&mut details, error, bounds);
            Code::NotFound
        }
        Kind::Exists => {
            set_resource(&mut details, error, bounds);
            Code::AlreadyExists
        }
        Kind::Precondition => {
            let subject = value("field").or_else(|| value("resource")).unwrap_or_default();
            details.add_precondition_failure_violation(error.reason.as_str(), subject, public());
            Code::FailedPrecondition
        }
        Kind::Stale => Code::Aborted,
        Kind::Unauthenticated => Code::Unauthenticated,
        Kind::Denied => Code::PermissionDenied,
        Kind::Exhausted => {
            details.add_quota_failure_violation(value("subject").unwrap_or_default(), public());
            Code::ResourceExhausted
        }
        Kind::Busy { retry_after } => {
            details.add_quota_failure_violation(value("subject").unwrap_or_default(), public());
            details.set_retry_info(Some(retry_after));
            Code::ResourceExhausted
        }
        Kind::OutOfRange => Code::OutOfRange,
        Kind::Unavailable { retry_after } => {
            details.set_retry_info(Some(retry_after));
            Code::Unavailable
        }
        Kind::TimedOut => Code::DeadlineExceeded,
        Kind::Internal => {
            details.set_request_info(request_id, "");
            metadata = HashMap::from([("requestId".to_owned(), request_id.to_owned())]);
            text = format!("Internal error. The service's log has the details under the request id {request_id}.").into();
            Code::Internal
        }
    };
    details.set_error_info(error.reason.as_str(), DOMAIN, metadata);
    Status::with_error_details(code, text, details)
}

/// The name of a code, as in metrics.
pub(super) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

fn value<'a>(error: &'a Error, wanted: &str) -> Option<&'a str> {
    let found = error.metadata.iter().find(|(key, _)| *key == wanted);
    found.map(|(_, value)| value.as_str())
}

/// The wrong fields, of which the last one says how many there are beyond those that are named. Errors about a position name the field
/// that it came in by their reason.
fn field_violations(error: &Error, bounds: Bounds) -> Vec<FieldViolation> {
    let violation = |field: &str, description: &str| FieldViolation::new(cut(field, bounds.value), cut(description, bounds.description));
    let field = match error.reason {
        Reason::CursorInvalid => "cursor",
        Reason::PageTokenInvalid => "page_token",
        _ => {
            let all = &error.violations;
            let named = if all.len() > bounds.violations {
                bounds.violations - 1
            } else {
                all.len()
            };
            let mut listed: Vec<_> = all[..named]
                .iter()
                .map(|wrong| violation(&wrong.field, &wrong.description))
                .collect();
            if named < all.len() {
                let rest = all.len() - named;
                listed.push(FieldViolation::new(
                    "",
                    format!("{rest} more violations are not listed. Fix these first."),
                ));
            }
            return listed;
        }
    };
    let description = error.public.strip_prefix(field).and_then(|rest| rest.strip_prefix(": "));
    vec![violation(field, description.unwrap_or(&error.public))]
}

/// Names the resource that is missing or in the way.
fn set_resource(details: &mut ErrorDetails, error: &Error, bounds: Bounds) {
    let (kind, name) = match (value(error, "resource"), value(error, "requestId")) {
        (Some(name), _) => (resource_type(name), name),
        (None, Some(id)) => ("request", id),
        (None, None) => return,
    };
    details.set_resource_info(kind, cut(name, bounds.value), "", cut(&error.public, bounds.text));
}

/// The message of a resource, by its name.
fn resource_type(name: &str) -> &'static str {
    match name.split_once('/').map_or(name, |(collection, _)| collection) {
        "agents" => "mailagent.v1.Agent",
        "outcomes" => "mailagent.v1.Outcome",
        "notes" => "mailagent.v1.Note",
        "messages" => "mailagent.v1.Message",
        "maintenanceAccounts" => "mailagent.v1.MaintenanceAccount",
        "users" => "mailagent.v1.User",
        "customers" => "mailagent.v1.Customer",
        "contacts" => "mailagent.v1.Contact",
        "cases" => "mailagent.v1.Case",
        _ => "resource",
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fmt::Write as _, path::Path, time::Duration};

    use super::*;
    use crate::{api::v1, domain::Violation, ops};

    #[test]
    fn reasons_are_those_of_the_proto_file() {
        let described: Vec<String> = (1..1000)
            .filter_map(|number| v1::ErrorReason::try_from(number).ok())
            .map(|reason| reason.as_str_name().trim_start_matches("ERROR_REASON_").to_owned())
            .collect();
        let ours: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(ours, described);
    }

    /// An error as operations make it.
    fn example(reason: Reason) -> Error {
        let error = |kind, text: &'static str| Error::new(kind, reason, text);
        match reason {
            Reason::FieldsInvalid => {
                let violation = |field: &str, description: &str| Violation {
                    field: field.to_owned(),
                    description: description.to_owned(),
                };
                Error::invalid(vec![
                    violation("agent.from_name", "is required."),
                    violation("agent.exchange.endpoint", "must be https, not ftp."),
                ])
            }
            Reason::CasePatternInvalid => {
                let mut error = Error::invalid_field("tenant_settings.case_reference_format", "the pattern does not compile.");
                error.reason = reason;
                error.with("pattern", "(")
            }
            Reason::PageTokenInvalid => ops::page_token_invalid(),
            Reason::CursorInvalid => error(Kind::Invalid, "cursor: it is malformed."),
            Reason::CursorExpired => error(Kind::OutOfRange, "Events after the cursor are no longer kept.").with("oldestCursor", "AZqY"),
            Reason::OffsetOutOfRange => error(Kind::OutOfRange, "The content has 7 bytes.").with("sizeBytes", "7"),
            Reason::ResourceNotFound => Error::not_found("agents/01J"),
            Reason::RequestIdReused => error(Kind::Exists, "The request id was used before.").with("requestId", "r-1"),
            Reason::CaseReferenceTaken => error(Kind::Exists, "cases/7 has the reference CS-0012345 already.")
                .with("reference", "CS-0012345")
                .with("resource", "cases/7"),
            Reason::StorageTermsNotAcknowledged => {
                error(Kind::Precondition, "An administrator must first accept the storage terms.").with("field", "agent.exchange.x")
            }
            Reason::OptionNeedsAnother => error(Kind::Precondition, "x requires y.")
                .with("field", "agent.exchange.x")
                .with("needs", "agent.exchange.y"),
            Reason::AgentNotActive => error(Kind::Precondition, "agents/01J is disabled.").with("resource", "agents/01J"),
            Reason::FullMessageNotKept => error(Kind::Precondition, "notes/01J keeps no message.").with("resource", "notes/01J"),
            Reason::EtagMismatch => Error::stale("agents/01J"),
            Reason::TokenInvalid => {
                error(Kind::Unauthenticated, "Authentication failed: the token has expired.").with("problem", "the token has expired")
            }
            Reason::ScopeMissing => error(Kind::Denied, "This requires the scope agent.write.").with("scope", "agent.write"),
            Reason::TooManyStreams => crate::api::streams::too_many(100, "acme", "anna"),
            Reason::ShuttingDown => Error::shutting_down(),
            Reason::StoreUnavailable => Error::store_unavailable("secret cause"),
            Reason::CallTimedOut => crate::api::guard::timed_out(Duration::from_secs(30)),
            Reason::InternalFault => Error::internal("secret cause").with("secret", "cause"),
            Reason::NotAllowedByTenant => error(Kind::Precondition, "The tenant does not allow SMTP without TLS.")
                .with("field", "agent.smtp.security")
                .with("setting", "tenant_settings.allow_unencrypted_smtp"),
            Reason::TriageLicencesInUse => error(Kind::Exhausted, "All 5 triage licences are in use.")
                .with("subject", "triageAllowance")
                .with("total", "5")
                .with("used", "5"),
            Reason::MaintenanceAccountInUse => error(Kind::Precondition, "maintenanceAccounts/01J is used by 3 agents.")
                .with("resource", "maintenanceAccounts/01J")
                .with("agents", "3"),
            Reason::AgentOfAnotherUser => error(Kind::Precondition, "agents/01J belongs to another user.")
                .with("resource", "agents/01J")
                .with("user", "users/anna"),
            Reason::UserWithoutAddress => {
                error(Kind::Precondition, "The directory has no e-mail address for users/anna.").with("resource", "users/anna")
            }
            Reason::CheckInProgress => error(Kind::Exhausted, "A check of agents/01J is already running.").with("resource", "agents/01J"),
            Reason::CertificateInvalid => {
                crate::api::certificate::refused("no service in `auth.services` has its identity", "spiffe://example.com/crm")
            }
            Reason::LoginNotUsed => error(Kind::Precondition, "agents/01J does not use a person's login.").with("resource", "agents/01J"),
            Reason::LoginProviderMissing => error(Kind::Precondition, "There is no login provider \"contoso\" for this.")
                .with("provider", "contoso")
                .with("available", "microsoft"),
            Reason::LoginProviderForeign => error(Kind::Precondition, "Tokens of microsoft may not be sent to mail.example.com.")
                .with("provider", "microsoft")
                .with("host", "mail.example.com")
                .with("allowed", "outlook.office365.com"),
            Reason::LoginStateInvalid => error(Kind::Invalid, "state: the login was already completed."),
            Reason::LoginAccountMismatch => error(Kind::Precondition, "The account ben@example.com logged in.")
                .with("wanted", "anna@example.com")
                .with("account", "ben@example.com"),
            Reason::LoginScopesMissing => error(Kind::Precondition, "microsoft did not grant all.").with("missing", "Mail.Send"),
            Reason::LoginRefused => error(Kind::Precondition, "microsoft rejected the login.").with("providerReply", "access_denied"),
            Reason::LoginProviderUnavailable => error(
                Kind::Unavailable {
                    retry_after: Duration::from_secs(5),
                },
                "microsoft is busy.",
            )
            .with("provider", "microsoft"),
            Reason::DirectoryTaken => {
                error(Kind::Precondition, "The directory consented for another tenant.").with("domain", "example.com")
            }
            Reason::AnonymousLimitReached => crate::api::strangers::crowded("192.0.2.1"),
            Reason::RequestMalformed => crate::api::malformed::malformed("buffer underflow"),
            Reason::TooManyCalls => Error::too_many_calls(100, "tenant:acme user:anna"),
            Reason::LoginAccountNotOwned => error(Kind::Precondition, "support@example.com is not an address of users/anna.")
                .with("resource", "agents/1")
                .with("account", "support@example.com")
                .with("owner", "users/anna"),
            Reason::StoreReadOnly => Error::store_read_only("attempt to write a readonly database"),
            Reason::IssuerUnavailable => crate::api::callers::issuer_unavailable(Duration::from_secs(7)),
        }
    }

    fn show(status: &Status) -> String {
        let mut text = format!("{}: {}\n", code_name(status.code()), status.message());
        let details = status.get_error_details();
        let info = details.error_info().expect("every status has one");
        let metadata: BTreeMap<_, _> = info.metadata.iter().collect();
        writeln!(text, "  ErrorInfo {} {} {metadata:?}", info.domain, info.reason).unwrap();
        for wrong in details.bad_request().map_or(&[][..], |bad| &bad.field_violations) {
            writeln!(text, "  BadRequest {}: {}", wrong.field, wrong.description).unwrap();
        }
        for failed in details.precondition_failure().map_or(&[][..], |failure| &failure.violations) {
            writeln!(
                text,
                "  PreconditionFailure {} {}: {}",
                failed.r#type, failed.subject, failed.description
            )
            .unwrap();
        }
        for over in details.quota_failure().map_or(&[][..], |failure| &failure.violations) {
            writeln!(text, "  QuotaFailure {}: {}", over.subject, over.description).unwrap();
        }
        if let Some(resource) = details.resource_info() {
            writeln!(text, "  ResourceInfo {} {}", resource.resource_type, resource.resource_name).unwrap();
        }
        if let Some(retry) = details.retry_info() {
            writeln!(text, "  RetryInfo {:?}", retry.retry_delay.unwrap_or_default()).unwrap();
        }
        if let Some(request) = details.request_info() {
            writeln!(text, "  RequestInfo {}", request.request_id).unwrap();
        }
        text
    }

    #[test]
    fn every_reason_has_its_status() {
        let shown: Vec<String> = Reason::ALL
            .iter()
            .map(|reason| show(&to_status(&example(*reason), "01JREQUEST")))
            .collect();
        let shown = shown.join("\n");
        assert!(!shown.contains("secret"), "what lies beneath is not for callers");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden/status.txt");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&path, &shown).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(shown, expected, "UPDATE_EXPECT=1 takes the new one over");
    }
}
