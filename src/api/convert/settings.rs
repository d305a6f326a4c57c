//! Settings of a tenant.

use std::ops::RangeInclusive;

use super::{time, unknown_value, violation};
use crate::{
    api::{
        mask::{Fields, Mask},
        v1::{self, case_reference_format::Form},
    },
    domain::{AuthenticationMethod, CaseReferenceFormat, SenderCheck, TenantChoices, TenantSettings, TrustedCertificate, Violation},
    ops::settings::{SettingsPatch, settings_etag},
};

const NAME: &str = "tenantSettings";
/// Maximum number of triage licences.
const LICENCES_MOST: u32 = 1_000_000;
/// Maximum retention of reads in the audit log, in days.
const RETENTION_MOST: u32 = 3650;
/// Maximum of a limit of messages.
const LIMIT_MOST: u32 = i32::MAX.unsigned_abs();

/// Paths beside those of the choices.
const OTHER_PATHS: &[&str] = &["name", "storage_acknowledgement", "etag"];

/// An authentication method, of a tenant or an agent.
pub(super) fn authentication_method(method: AuthenticationMethod) -> v1::AuthenticationMethod {
    match method {
        AuthenticationMethod::Basic => v1::AuthenticationMethod::Basic,
        AuthenticationMethod::Modern => v1::AuthenticationMethod::Modern,
    }
}

/// The reverse; `None` where none is chosen.
pub(super) fn authentication_method_of(value: i32, field: &str, violations: &mut Vec<Violation>) -> Option<AuthenticationMethod> {
    match v1::AuthenticationMethod::try_from(value) {
        Ok(v1::AuthenticationMethod::Unspecified) => None,
        Ok(v1::AuthenticationMethod::Basic) => Some(AuthenticationMethod::Basic),
        Ok(v1::AuthenticationMethod::Modern) => Some(AuthenticationMethod::Modern),
        Err(_) => {
            violations.extend(unknown_value(field).violations);
            None
        }
    }
}

pub(in crate::api) fn settings(settings: TenantSettings) -> v1::TenantSettings {
    let etag = settings_etag(&settings);
    let choices = settings.choices;
    let form = match choices.case_reference_format {
        CaseReferenceFormat::Prefix { prefix, digits } => Form::Prefix(v1::PrefixForm {
            prefix,
            digits: digits.into(),
        }),
        CaseReferenceFormat::Pattern(pattern) => Form::Pattern(pattern),
    };
    let sender_check = match choices.sender_check {
        SenderCheck::Refuse => v1::SenderCheck::Refuse,
        SenderCheck::Warn => v1::SenderCheck::Warn,
    };
    v1::TenantSettings {
        name: NAME.to_owned(),
        case_reference_format: Some(v1::CaseReferenceFormat { form: Some(form) }),
        internal_domains: choices.internal_domains,
        trusted_authserv_ids: choices.trusted_authserv_ids,
        sender_check: sender_check.into(),
        skip_automatic_mail: choices.skip_automatic_mail,
        loop_limit_per_sender_and_case: Some(limit(choices.loop_limit_per_sender_and_case)),
        loop_limit_per_sender: Some(limit(choices.loop_limit_per_sender)),
        storage_acknowledgement: settings.acknowledged.map(|(user, at)| v1::StorageAcknowledgement {
            user: user.name(),
            acknowledge_time: time(at),
        }),
        authentication_method: authentication_method(choices.authentication_method).into(),
        triage_licence_count: limit(choices.triage_licence_count),
        allow_unencrypted_smtp: choices.allow_unencrypted_smtp,
        allow_private_networks: choices.allow_private_networks,
        trusted_certificates: choices.trusted_certificates.into_iter().map(trusted_certificate).collect(),
        read_audit_retention_days: Some(limit(choices.read_audit_retention_days)),
        etag,
    }
}

fn trusted_certificate(certificate: TrustedCertificate) -> v1::TrustedCertificate {
    v1::TrustedCertificate {
        host: certificate.host,
        sha256_fingerprint: certificate.sha256_fingerprint,
    }
}

/// The etag as it was read, and what changes. Malformed values are kept in the patch, for the operation to report with the rest.
pub(in crate::api) fn changed_settings(request: v1::UpdateTenantSettingsRequest) -> (String, SettingsPatch) {
    let settings = request.tenant_settings.unwrap_or_default();
    let known = [TenantChoices::FIELDS, OTHER_PATHS].concat();
    let (mask, mut violations) = Mask::new(request.update_mask, &known);
    if !settings.name.is_empty() && settings.name != NAME {
        violations.push(violation("tenant_settings.name", &format!("must be empty or {NAME}.")));
    }
    let sender_check = match v1::SenderCheck::try_from(settings.sender_check) {
        Ok(v1::SenderCheck::Unspecified | v1::SenderCheck::Refuse) => SenderCheck::Refuse,
        Ok(v1::SenderCheck::Warn) => SenderCheck::Warn,
        Err(_) => {
            violations.extend(unknown_value("tenant_settings.sender_check").violations);
            SenderCheck::Refuse
        }
    };
    let method = authentication_method_of(
        settings.authentication_method,
        "tenant_settings.authentication_method",
        &mut violations,
    );
    let method = method.unwrap_or_default();
    let certificates = settings.trusted_certificates.into_iter().map(|certificate| TrustedCertificate {
        host: certificate.host,
        sha256_fingerprint: certificate.sha256_fingerprint,
    });
    let certificates: Vec<TrustedCertificate> = certificates.collect();
    // A field that is in the mask and absent is reset to its default.
    let default = TenantChoices::default();
    let (format_given, format) = match settings.case_reference_format.and_then(|format| format.form) {
        None => (false, default.case_reference_format),
        Some(form) => (true, case_reference_format(form)),
    };
    let mut count = |field: &str, value: Option<i32>, default: u32, allowed: RangeInclusive<u32>| match value.map(u32::try_from) {
        None => default,
        Some(Ok(value)) if allowed.contains(&value) => value,
        Some(_) => {
            let path = format!("tenant_settings.{field}");
            let text = match (*allowed.start(), *allowed.end()) {
                (_, LIMIT_MOST) => "must not be negative; 0 means no limit.".to_owned(),
                (least, most) => format!("must be {least} to {most}."),
            };
            violations.push(violation(&path, &text));
            default
        }
    };
    let licences = settings.triage_licence_count;
    let licence_count = count("triage_licence_count", Some(licences), 0, 0..=LICENCES_MOST);
    let per_case = settings.loop_limit_per_sender_and_case;
    let per_case_limit = count(
        "loop_limit_per_sender_and_case",
        per_case,
        default.loop_limit_per_sender_and_case,
        0..=LIMIT_MOST,
    );
    let per_sender = settings.loop_limit_per_sender;
    let per_sender_limit = count("loop_limit_per_sender", per_sender, default.loop_limit_per_sender, 0..=LIMIT_MOST);
    let retention = settings.read_audit_retention_days;
    let retention_days = count(
        "read_audit_retention_days",
        retention,
        default.read_audit_retention_days,
        1..=RETENTION_MOST,
    );
    let mut fields = Fields::new(&mask);
    let wanted = TenantChoices {
        case_reference_format: fields.value("case_reference_format", format, format_given),
        internal_domains: fields.list("internal_domains", settings.internal_domains),
        trusted_authserv_ids: fields.list("trusted_authserv_ids", settings.trusted_authserv_ids),
        sender_check: fields.value("sender_check", sender_check, settings.sender_check != 0),
        skip_automatic_mail: fields.on("skip_automatic_mail", settings.skip_automatic_mail),
        loop_limit_per_sender_and_case: fields.value("loop_limit_per_sender_and_case", per_case_limit, per_case.is_some()),
        loop_limit_per_sender: fields.value("loop_limit_per_sender", per_sender_limit, per_sender.is_some()),
        authentication_method: fields.value("authentication_method", method, settings.authentication_method != 0),
        triage_licence_count: fields.value("triage_licence_count", licence_count, licences != 0),
        allow_unencrypted_smtp: fields.on("allow_unencrypted_smtp", settings.allow_unencrypted_smtp),
        allow_private_networks: fields.on("allow_private_networks", settings.allow_private_networks),
        trusted_certificates: fields.list("trusted_certificates", certificates),
        read_audit_retention_days: fields.value("read_audit_retention_days", retention_days, retention.is_some()),
    };
    violations.extend(mask.missing(!fields.picked.is_empty()));
    let patch = SettingsPatch {
        wanted,
        fields: fields.picked,
        violations,
    };
    (settings.etag, patch)
}

fn case_reference_format(form: Form) -> CaseReferenceFormat {
    match form {
        // A number that does not fit is rejected like any other that is out of range.
        Form::Prefix(form) => CaseReferenceFormat::Prefix {
            prefix: form.prefix,
            digits: u8::try_from(form.digits).unwrap_or(0),
        },
        Form::Pattern(pattern) => CaseReferenceFormat::Pattern(pattern),
    }
}

fn limit(limit: u32) -> i32 {
    i32::try_from(limit).unwrap_or(i32::MAX)
}
