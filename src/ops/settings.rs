//! What holds for a whole tenant.

use super::{Ops, Violations, agents::values, audit::Changes, check_etag, login_health};
use crate::{
    crypto::etag,
    domain::{
        AuditAction, Caller, CaseReferenceFormat, Detail, Error, FormatError, Kind, LoginChange, Reason, Result, Scope, TenantChoices,
        TenantSettings, TrustedCertificate, Violation,
    },
    store::retrying,
};

/// The settings' resource name.
const NAME: &str = "tenantSettings";

/// What a request wants to set.
#[derive(Clone, Debug, Default)]
pub struct SettingsPatch {
    /// Settings, of which only those named in `fields` count.
    pub wanted: TenantChoices,
    /// Paths of the settings to take over, of [`TenantChoices::FIELDS`].
    pub fields: Vec<&'static str>,
    /// What is wrong with the request beyond these values, to be told together with what is wrong with them.
    pub violations: Vec<Violation>,
}

/// Returns the tenant's settings.
///
/// # Errors
/// [`crate::domain::Kind::Denied`] without `tenant.admin`.
pub async fn get(ops: &Ops, caller: &Caller) -> Result<TenantSettings> {
    caller.need(Scope::TenantAdmin)?;
    ops.store.tenant(&caller.tenant).settings().await
}

/// Changes the tenant's settings. Agents whose login that affects are retried, or wait for one. Where nothing changes, neither the
/// settings' version does.
///
/// # Errors
/// See `SettingsService.UpdateTenantSettings`.
pub async fn update(ops: &Ops, caller: &Caller, expected_etag: &str, mut patch: SettingsPatch) -> Result<TenantSettings> {
    caller.need(Scope::TenantAdmin)?;
    let now = ops.now();
    normalise(&mut patch.wanted);
    check(&patch)?;
    let settings = retrying(|| async {
        let mut writer = ops.store.begin_alone(&caller.tenant).await?;
        let mut settings = writer.settings().await?;
        check_etag(NAME, &settings_etag(&settings), expected_etag)?;
        let before = settings.choices.clone();
        settings.choices.take(&patch.fields, &patch.wanted);
        let after = &settings.choices;
        let changes = Changes::new(AuditAction::Updated, NAME).fields(TenantChoices::FIELDS, Some(&before), Some(after));
        if changes.is_empty() {
            return Ok(settings);
        }
        settings.version += 1;
        if after.triage_licence_count < before.triage_licence_count {
            check_licences(after.triage_licence_count, writer.triage_agents().await?)?;
        }
        writer.put_settings(&settings).await?;
        if before.authentication_method != after.authentication_method {
            login_health::reassess(&mut writer, &LoginChange::Method, after, now).await?;
        }
        changes.record(ops, &mut writer, caller).await?;
        writer.commit().await?;
        Ok(settings)
    })
    .await?;
    ops.agents_changed.notify_one();
    ops.logins_changed.notify_one();
    Ok(settings)
}

fn check_licences(total: u32, used: u64) -> Result<()> {
    const FIELD: &str = "tenant_settings.triage_licence_count";
    if used <= u64::from(total) {
        return Ok(());
    }
    let text = format!(
        "{FIELD}: {used} agents are triage agents. Turn triage off for {} of them first.",
        used - u64::from(total)
    );
    Err(Error::new(Kind::Precondition, Reason::TriageLicencesInUse, text)
        .with(Detail::Field, FIELD)
        .with(Detail::Total, total.to_string())
        .with(Detail::Used, used.to_string()))
}

/// Records that the caller accepts the storage terms for the tenant. A repeat keeps the first record.
///
/// # Errors
/// [`crate::domain::Kind::Denied`] without `tenant.admin`.
pub async fn acknowledge_storage_terms(ops: &Ops, caller: &Caller) -> Result<TenantSettings> {
    caller.need(Scope::TenantAdmin)?;
    let now = ops.now();
    retrying(|| async {
        let mut writer = ops.store.begin_alone(&caller.tenant).await?;
        let mut settings = writer.settings().await?;
        if settings.acknowledged.is_some() {
            return Ok(settings);
        }
        settings.acknowledged = Some((caller.user.clone(), now));
        settings.version += 1;
        writer.put_settings(&settings).await?;
        let accepted = serde_json::json!({ "user": caller.user.name(), "acknowledge_time": now.to_string() });
        Changes::new(AuditAction::Updated, NAME)
            .value("storage_acknowledgement", "", accepted.to_string())
            .record(ops, &mut writer, caller)
            .await?;
        writer.commit().await?;
        Ok(settings)
    })
    .await
}

/// The settings' etag.
pub fn settings_etag(settings: &TenantSettings) -> String {
    etag(NAME, settings.version)
}

fn check(patch: &SettingsPatch) -> Result<()> {
    let sets = |field: &str| patch.fields.contains(&field);
    let wanted = &patch.wanted;
    let mut violations = Violations(patch.violations.clone());
    let is_domain = |text: &String| {
        (1..=253).contains(&text.len())
            && text.split('.').all(|label| {
                (1..=63).contains(&label.len())
                    && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
                    && !label.starts_with('-')
                    && !label.ends_with('-')
            })
    };
    violations.check(
        !sets("internal_domains") || (wanted.internal_domains.len() <= 100 && wanted.internal_domains.iter().all(is_domain)),
        "tenant_settings.internal_domains",
        "must have at most 100 domains, such as example.com.",
    );
    violations.check(
        !sets("trusted_authserv_ids") || (wanted.trusted_authserv_ids.len() <= 20 && wanted.trusted_authserv_ids.iter().all(is_domain)),
        "tenant_settings.trusted_authserv_ids",
        "must have at most 20 server names, as they appear first in Authentication-Results, such as mx.example.com.",
    );
    if sets("trusted_certificates") {
        check_certificates(&mut violations, &wanted.trusted_certificates);
    }
    if sets("case_reference_format")
        && violations.0.is_empty()
        && let Err(error) = wanted.case_reference_format.matcher()
    {
        return Err(format_refused(&wanted.case_reference_format, error));
    }
    violations.into_result()
}

fn check_certificates(violations: &mut Violations, certificates: &[TrustedCertificate]) {
    const FIELD: &str = "tenant_settings.trusted_certificates";
    violations.check(certificates.len() <= 100, FIELD, "must have at most 100 entries.");
    for (index, certificate) in certificates.iter().enumerate() {
        if let Err(description) = values::host(&certificate.host, None) {
            violations.add(format!("{FIELD}[{index}].host"), description);
        }
        let fingerprint = &certificate.sha256_fingerprint;
        violations.check(
            fingerprint.len() == 64 && fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit()),
            format!("{FIELD}[{index}].sha256_fingerprint"),
            "must be the SHA-256 of the certificate: 64 hexadecimal digits, as CheckAgent shows it.",
        );
    }
}

fn format_refused(format: &CaseReferenceFormat, error: FormatError) -> Error {
    const FIELD: &str = "tenant_settings.case_reference_format";
    let pattern = match format {
        CaseReferenceFormat::Prefix { prefix, .. } => prefix.clone(),
        CaseReferenceFormat::Pattern(pattern) => pattern.clone(),
    };
    let mut refused = Error::invalid_field(FIELD, format!("{error}."));
    refused.reason = Reason::CasePatternInvalid;
    refused.with(Detail::Pattern, pattern).because(error)
}

/// Writes names and fingerprints in the one form in which they are compared.
fn normalise(choices: &mut TenantChoices) {
    for name in choices.internal_domains.iter_mut().chain(&mut choices.trusted_authserv_ids) {
        *name = name.to_lowercase();
    }
    for certificate in &mut choices.trusted_certificates {
        certificate.host = certificate.host.to_lowercase();
        certificate.sha256_fingerprint = certificate.sha256_fingerprint.replace(':', "").to_lowercase();
    }
}
