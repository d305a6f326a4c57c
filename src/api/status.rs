//! The only mapping from errors to a gRPC status with `google.rpc` details.

mod bounds;

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use self::bounds::{Bounds, MAX_METADATA, cut};
use crate::domain::{Detail, Error, Kind, Reason};

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
    let value = |detail| error.detail(detail).map(|value| cut(value, bounds.value));
    let mut metadata: HashMap<String, String> = error
        .details
        .iter()
        .take(MAX_METADATA)
        .map(|(detail, value)| (detail.as_str().to_owned(), cut(value, bounds.value).into_owned()))
        .collect();
    let mut text = public();
    let code = match error.kind {
        Kind::Invalid => {
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
            let subject = value(Detail::Field).or_else(|| value(Detail::Resource)).unwrap_or_default();
            details.add_precondition_failure_violation(error.reason.as_str(), subject, public());
            Code::FailedPrecondition
        }
        Kind::Stale => Code::Aborted,
        Kind::Unauthenticated => Code::Unauthenticated,
        Kind::Denied => Code::PermissionDenied,
        Kind::Exhausted => {
            details.add_quota_failure_violation(value(Detail::Subject).unwrap_or_default(), public());
            Code::ResourceExhausted
        }
        Kind::Busy { retry_after } => {
            details.add_quota_failure_violation(value(Detail::Subject).unwrap_or_default(), public());
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
            metadata = HashMap::from([(Detail::RequestId.as_str().to_owned(), request_id.to_owned())]);
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

/// The invalid fields, of which the last one says how many there are beyond those that are named.
fn field_violations(error: &Error, bounds: Bounds) -> Vec<FieldViolation> {
    if error.reason == Reason::LoginStateInvalid {
        // Its field is always the state, so the protocol lists none.
        return Vec::new();
    }
    let all = &error.violations;
    let named = if all.len() > bounds.violations {
        bounds.violations - 1
    } else {
        all.len()
    };
    let mut listed: Vec<_> = all[..named]
        .iter()
        .map(|wrong| FieldViolation::new(cut(&wrong.field, bounds.value), cut(&wrong.description, bounds.description)))
        .collect();
    if named < all.len() {
        let rest = all.len() - named;
        listed.push(FieldViolation::new(
            "",
            format!("{rest} more violations are not listed. Fix these first."),
        ));
    }
    listed
}

/// Names the resource that is missing or in the way.
fn set_resource(details: &mut ErrorDetails, error: &Error, bounds: Bounds) {
    let (kind, name) = match (error.detail(Detail::Resource), error.detail(Detail::RequestId)) {
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

    #[test]
    fn details_are_those_of_the_proto_file() {
        let described = include_str!("../../proto/mailagent/v1/error_reason.proto");
        for detail in Detail::ALL {
            assert!(described.contains(&format!("`{}`", detail.as_str())), "{detail:?}");
        }
    }

    /// An error as operations make it.
    fn example(reason: Reason) -> Error {
        let error = |kind, text: &'static str| Error::new(kind, reason, text);
        let precondition = |text| error(Kind::Precondition, text);
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
                error.with(Detail::Pattern, "(")
            }
            Reason::PageTokenInvalid => ops::page_token_invalid(),
            Reason::CursorInvalid => Error::invalid_handle(reason, "cursor", "it is malformed."),
            Reason::CursorExpired => {
                error(Kind::OutOfRange, "Events after the cursor are no longer kept.").with(Detail::OldestCursor, "AZqY")
            }
            Reason::OffsetOutOfRange => error(Kind::OutOfRange, "The content has 7 bytes.").with(Detail::SizeBytes, "7"),
            Reason::ResourceNotFound => Error::not_found("agents/01J"),
            Reason::RequestIdReused => error(Kind::Exists, "The request id was used before.").with(Detail::RequestId, "r-1"),
            Reason::CaseReferenceTaken => error(Kind::Exists, "cases/7 has the reference CS-0012345 already.")
                .with(Detail::Reference, "CS-0012345")
                .with(Detail::Resource, "cases/7"),
            Reason::StorageTermsNotAcknowledged => {
                precondition("An administrator must first accept the storage terms.").with(Detail::Field, "agent.exchange.x")
            }
            Reason::OptionNeedsAnother => precondition("x requires y.")
                .with(Detail::Field, "agent.exchange.x")
                .with(Detail::Needs, "agent.exchange.y"),
            Reason::AgentNotActive => precondition("agents/01J is disabled.").with(Detail::Resource, "agents/01J"),
            Reason::FullMessageNotKept => precondition("notes/01J keeps no message.").with(Detail::Resource, "notes/01J"),
            Reason::EtagMismatch => Error::stale("agents/01J"),
            Reason::TokenInvalid => {
                error(Kind::Unauthenticated, "Authentication failed: the token has expired.").with(Detail::Problem, "the token has expired")
            }
            Reason::ScopeMissing => error(Kind::Denied, "This requires the scope agent.write.").with(Detail::Scope, "agent.write"),
            Reason::TooManyStreams => crate::api::streams::too_many(100, &"acme".into(), &"anna".into()),
            Reason::ShuttingDown => Error::shutting_down(),
            Reason::StoreUnavailable => Error::store_unavailable("secret cause"),
            Reason::CallTimedOut => crate::api::guard::timed_out(Duration::from_secs(30)),
            Reason::InternalFault => Error::internal("secret cause").with(Detail::Problem, "secret cause"),
            Reason::NotAllowedByTenant => precondition("The tenant does not allow SMTP without TLS.")
                .with(Detail::Field, "agent.smtp.security")
                .with(Detail::Setting, "tenant_settings.allow_unencrypted_smtp"),
            Reason::TriageLicencesInUse => error(Kind::Exhausted, "All 5 triage licences are in use.")
                .with(Detail::Subject, "triageAllowance")
                .with(Detail::Total, "5")
                .with(Detail::Used, "5"),
            Reason::MaintenanceAccountInUse => precondition("maintenanceAccounts/01J is used by 3 agents.")
                .with(Detail::Resource, "maintenanceAccounts/01J")
                .with(Detail::Agents, "3"),
            Reason::AgentOfAnotherUser => precondition("agents/01J belongs to another user.")
                .with(Detail::Resource, "agents/01J")
                .with(Detail::User, "users/anna"),
            Reason::UserWithoutAddress => {
                precondition("The directory has no e-mail address for users/anna.").with(Detail::Resource, "users/anna")
            }
            Reason::CheckInProgress => {
                error(Kind::Exhausted, "A check of agents/01J is already running.").with(Detail::Resource, "agents/01J")
            }
            Reason::CertificateInvalid => {
                crate::api::certificate::refused("no service in `auth.services` has its identity", "spiffe://example.com/crm")
            }
            Reason::LoginNotUsed => precondition("agents/01J does not use a person's login.").with(Detail::Resource, "agents/01J"),
            Reason::LoginProviderMissing => precondition("There is no login provider \"contoso\" for this.")
                .with(Detail::Provider, "contoso")
                .with(Detail::Available, "microsoft"),
            Reason::LoginProviderForeign => precondition("Tokens of microsoft may not be sent to mail.example.com.")
                .with(Detail::Provider, "microsoft")
                .with(Detail::Host, "mail.example.com")
                .with(Detail::Allowed, "outlook.office365.com"),
            Reason::LoginStateInvalid => Error::invalid_handle(reason, "state", "the login was already completed."),
            Reason::LoginAccountMismatch => precondition("The account ben@example.com logged in.")
                .with(Detail::Wanted, "anna@example.com")
                .with(Detail::Account, "ben@example.com"),
            Reason::LoginScopesMissing => precondition("microsoft did not grant all.").with(Detail::Missing, "Mail.Send"),
            Reason::LoginRefused => precondition("microsoft rejected the login.").with(Detail::ProviderReply, "access_denied"),
            Reason::LoginProviderUnavailable => {
                let retry_after = Duration::from_secs(5);
                error(Kind::Unavailable { retry_after }, "microsoft is busy.").with(Detail::Provider, "microsoft")
            }
            Reason::DirectoryTaken => precondition("The directory consented for another tenant.").with(Detail::Domain, "example.com"),
            Reason::AnonymousLimitReached => crate::api::anonymous::crowded("192.0.2.1"),
            Reason::RequestMalformed => crate::api::malformed::malformed("buffer underflow"),
            Reason::TooManyCalls => Error::too_many_calls(100, "tenant:acme user:anna"),
            Reason::LoginAccountNotOwned => precondition("support@example.com is not an address of users/anna.")
                .with(Detail::Resource, "agents/1")
                .with(Detail::Account, "support@example.com")
                .with(Detail::Owner, "users/anna"),
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
