//! What holds for a whole tenant.

use super::{Ops, Violations};
use crate::{
    crypto::etag,
    domain::{Caller, CaseReferenceFormat, Error, Reason, Result, Scope, SenderCheck, TenantChoices, TenantSettings},
    store::retrying,
};

/// What a request wants to set. `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct SettingsPatch {
    /// What a case reference looks like.
    pub case_reference: Option<CaseReferenceFormat>,
    /// Domains whose addresses are never external.
    pub internal_domains: Option<Vec<String>>,
    /// Servers whose Authentication-Results are believed.
    pub trusted_authserv_ids: Option<Vec<String>>,
    /// What happens when a sender fails these checks.
    pub sender_check: Option<SenderCheck>,
    /// Whether automatic mail is skipped.
    pub skip_automatic: Option<bool>,
    /// Messages of one sender about one case within an hour; negative is refused.
    pub loop_limit_per_case: Option<i32>,
    /// Messages of one sender within an hour; negative is refused.
    pub loop_limit_per_sender: Option<i32>,
}

/// Returns the tenant's settings.
///
/// # Errors
/// [`crate::domain::Kind::Denied`] without `tenant.admin`.
pub async fn get(ops: &Ops, caller: &Caller) -> Result<TenantSettings> {
    caller.need(Scope::TenantAdmin)?;
    ops.store.tenant(&caller.tenant).settings().await
}

/// Changes the tenant's settings.
///
/// # Errors
/// As of `SettingsService.UpdateTenantSettings`.
pub async fn update(ops: &Ops, caller: &Caller, expected_etag: &str, patch: SettingsPatch) -> Result<TenantSettings> {
    caller.need(Scope::TenantAdmin)?;
    check(&patch)?;
    retrying(|| async {
        let mut writer = ops.store.begin(&caller.tenant).await?;
        let mut settings = writer.settings().await?;
        if !expected_etag.is_empty() && expected_etag != settings_etag(&settings) {
            return Err(Error::stale("tenantSettings"));
        }
        apply(&mut settings.choices, &patch);
        settings.version += 1;
        writer.put_settings(&settings).await?;
        writer.commit().await?;
        Ok(settings)
    })
    .await
}

/// Records that the caller accepts the storage terms for the tenant. A repeat keeps the first record.
///
/// # Errors
/// [`crate::domain::Kind::Denied`] without `tenant.admin`.
pub async fn acknowledge_storage_terms(ops: &Ops, caller: &Caller) -> Result<TenantSettings> {
    caller.need(Scope::TenantAdmin)?;
    let now = ops.now();
    retrying(|| async {
        let mut writer = ops.store.begin(&caller.tenant).await?;
        let mut settings = writer.settings().await?;
        if settings.acknowledged.is_some() {
            return Ok(settings);
        }
        settings.acknowledged = Some((caller.user.clone(), now));
        settings.version += 1;
        writer.put_settings(&settings).await?;
        writer.commit().await?;
        Ok(settings)
    })
    .await
}

/// The settings' etag.
pub fn settings_etag(settings: &TenantSettings) -> String {
    etag("tenantSettings", settings.version)
}

fn check(patch: &SettingsPatch) -> Result<()> {
    if let Some(format) = &patch.case_reference
        && let Err(error) = format.matcher()
    {
        let text = format!("tenant_settings.case_reference_format: {error}.");
        let pattern = match format {
            CaseReferenceFormat::Prefix { prefix, .. } => prefix.clone(),
            CaseReferenceFormat::Pattern(pattern) => pattern.clone(),
        };
        let mut refused = Error::invalid_field("tenant_settings.case_reference_format", format!("{error}."));
        refused.reason = Reason::CasePatternInvalid;
        refused.public = text.into();
        return Err(refused.with("pattern", pattern).because(error));
    }
    let mut violations = Violations::default();
    let is_domain = |text: &String| {
        (1..=253).contains(&text.len())
            && text.split('.').all(|label| {
                (1..=63).contains(&label.len())
                    && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
                    && !label.starts_with('-')
                    && !label.ends_with('-')
            })
    };
    if let Some(domains) = &patch.internal_domains {
        violations.check(
            domains.len() <= 100 && domains.iter().all(is_domain),
            "tenant_settings.internal_domains",
            "must be at most 100 domains, such as example.com.",
        );
    }
    if let Some(ids) = &patch.trusted_authserv_ids {
        violations.check(
            ids.len() <= 20 && ids.iter().all(is_domain),
            "tenant_settings.trusted_authserv_ids",
            "must be at most 20 server names as they stand first in Authentication-Results, such as mx.example.com.",
        );
    }
    let limits = [
        ("loop_limit_per_sender_and_case", patch.loop_limit_per_case),
        ("loop_limit_per_sender", patch.loop_limit_per_sender),
    ];
    for (field, limit) in limits {
        violations.check(
            limit.is_none_or(|limit| limit >= 0),
            format!("tenant_settings.{field}"),
            "must not be negative; 0 is no limit.",
        );
    }
    violations.into_result()
}

fn apply(choices: &mut TenantChoices, patch: &SettingsPatch) {
    let lower = |texts: &Vec<String>| texts.iter().map(|text| text.to_lowercase()).collect();
    let limit = |limit: i32| u32::try_from(limit).unwrap_or(0);
    if let Some(format) = &patch.case_reference {
        choices.case_reference = format.clone();
    }
    if let Some(domains) = &patch.internal_domains {
        choices.internal_domains = lower(domains);
    }
    if let Some(ids) = &patch.trusted_authserv_ids {
        choices.trusted_authserv_ids = lower(ids);
    }
    choices.sender_check = patch.sender_check.unwrap_or(choices.sender_check);
    choices.skip_automatic = patch.skip_automatic.unwrap_or(choices.skip_automatic);
    choices.loop_limit_per_case = patch.loop_limit_per_case.map_or(choices.loop_limit_per_case, limit);
    choices.loop_limit_per_sender = patch.loop_limit_per_sender.map_or(choices.loop_limit_per_sender, limit);
}
