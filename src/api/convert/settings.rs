//! Settings of a tenant.

use super::{name, time, unknown_value};
use crate::{
    api::{
        mask::Mask,
        v1::{self, case_reference_format::Form},
    },
    domain::{CaseReferenceFormat, Error, Result, SenderCheck, TenantChoices, TenantSettings, Violation},
    ops::settings::{SettingsPatch, settings_etag},
};

const NAME: &str = "tenantSettings";

/// Every path of the settings. A case reference format only makes sense as a whole.
const PATHS: &[&str] = &[
    "name",
    "case_reference_format",
    "internal_domains",
    "trusted_authserv_ids",
    "sender_check",
    "skip_automatic_mail",
    "loop_limit_per_sender_and_case",
    "loop_limit_per_sender",
    "storage_acknowledgement",
    "etag",
];

pub(in crate::api) fn settings(settings: TenantSettings) -> v1::TenantSettings {
    let etag = settings_etag(&settings);
    let choices = settings.choices;
    let form = match choices.case_reference {
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
        skip_automatic_mail: choices.skip_automatic,
        loop_limit_per_sender_and_case: Some(limit(choices.loop_limit_per_case)),
        loop_limit_per_sender: Some(limit(choices.loop_limit_per_sender)),
        storage_acknowledgement: settings.acknowledged.map(|(user, at)| v1::StorageAcknowledgement {
            user: name("users", &user),
            acknowledge_time: time(at),
        }),
        etag,
    }
}

/// The etag as it was read, and what changes.
///
/// # Errors
/// A violation for an unknown path, value or name.
pub(in crate::api) fn changed_settings(request: v1::UpdateTenantSettingsRequest) -> Result<(String, SettingsPatch)> {
    let settings = request.tenant_settings.unwrap_or_default();
    let (mask, mut violations) = Mask::new(request.update_mask, PATHS);
    if !settings.name.is_empty() && settings.name != NAME {
        violations.push(Violation {
            field: "tenant_settings.name".to_owned(),
            description: format!("must be empty or {NAME}."),
        });
    }
    let sender_check = match v1::SenderCheck::try_from(settings.sender_check) {
        Ok(v1::SenderCheck::Unspecified | v1::SenderCheck::Refuse) => SenderCheck::Refuse,
        Ok(v1::SenderCheck::Warn) => SenderCheck::Warn,
        Err(_) => {
            violations.extend(unknown_value("tenant_settings.sender_check").violations);
            SenderCheck::Refuse
        }
    };
    if !violations.is_empty() {
        return Err(Error::invalid(violations));
    }
    // What is in the mask and absent goes back to its default.
    let default = TenantChoices::default();
    let form = settings.case_reference_format.and_then(|format| format.form);
    let (form_given, case_reference) = match form {
        None => (false, default.case_reference),
        Some(Form::Prefix(form)) => {
            // A number that does not fit is refused like any other that is out of range.
            let digits = u8::try_from(form.digits).unwrap_or(0);
            (
                true,
                CaseReferenceFormat::Prefix {
                    prefix: form.prefix,
                    digits,
                },
            )
        }
        Some(Form::Pattern(pattern)) => (true, CaseReferenceFormat::Pattern(pattern)),
    };
    let list = |path: &str, value: Vec<String>| {
        let populated = !value.is_empty();
        mask.pick(path, value, populated)
    };
    let limited = |path: &str, value: Option<i32>, default: u32| mask.pick(path, value.unwrap_or(limit(default)), value.is_some());
    let patch = SettingsPatch {
        case_reference: mask.pick("case_reference_format", case_reference, form_given),
        internal_domains: list("internal_domains", settings.internal_domains),
        trusted_authserv_ids: list("trusted_authserv_ids", settings.trusted_authserv_ids),
        sender_check: mask.pick("sender_check", sender_check, settings.sender_check != 0),
        skip_automatic: mask.pick("skip_automatic_mail", settings.skip_automatic_mail, settings.skip_automatic_mail),
        loop_limit_per_case: limited(
            "loop_limit_per_sender_and_case",
            settings.loop_limit_per_sender_and_case,
            default.loop_limit_per_case,
        ),
        loop_limit_per_sender: limited(
            "loop_limit_per_sender",
            settings.loop_limit_per_sender,
            default.loop_limit_per_sender,
        ),
    };
    Ok((settings.etag, patch))
}

fn limit(limit: u32) -> i32 {
    i32::try_from(limit).unwrap_or(i32::MAX)
}
