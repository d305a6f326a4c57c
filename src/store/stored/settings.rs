//! `tenant_settings.choices`: what a tenant's administrator chose. What a row does not have is as it is by itself.

use serde::{Deserialize, Serialize};

use super::{Cell, read_first, write};
use crate::domain::{AuthenticationMethod, CaseReferenceFormat, Result, SenderCheck, TenantChoices, TrustedCertificate};

/// The aliases are the names of the first releases.
#[derive(Serialize, Deserialize)]
#[serde(default)]
struct ChoicesV1 {
    #[serde(alias = "case_reference")]
    case_reference_format: CaseReferenceFormatV1,
    internal_domains: Vec<String>,
    trusted_authserv_ids: Vec<String>,
    sender_check: SenderCheckV1,
    #[serde(alias = "skip_automatic")]
    skip_automatic_mail: bool,
    #[serde(alias = "loop_limit_per_case")]
    loop_limit_per_sender_and_case: u32,
    loop_limit_per_sender: u32,
    authentication_method: AuthenticationMethodV1,
    triage_licence_count: u32,
    allow_unencrypted_smtp: bool,
    allow_private_networks: bool,
    trusted_certificates: Vec<TrustedCertificateV1>,
    read_audit_retention_days: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CaseReferenceFormatV1 {
    Prefix { prefix: String, digits: u8 },
    Pattern(String),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SenderCheckV1 {
    Refuse,
    Warn,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AuthenticationMethodV1 {
    Basic,
    Modern,
}

#[derive(Serialize, Deserialize)]
struct TrustedCertificateV1 {
    host: String,
    sha256_fingerprint: String,
}

pub fn write_choices(choices: TenantChoices) -> String {
    write(&ChoicesV1::from(choices))
}

pub fn read_choices(text: &str, row: &str) -> Result<TenantChoices> {
    let choices: ChoicesV1 = read_first(text, Cell::new("tenant_settings", "choices", row))?;
    Ok(choices.into())
}

impl Default for ChoicesV1 {
    fn default() -> Self {
        TenantChoices::default().into()
    }
}

impl From<TenantChoices> for ChoicesV1 {
    fn from(choices: TenantChoices) -> Self {
        let certificate = |TrustedCertificate { host, sha256_fingerprint }| TrustedCertificateV1 { host, sha256_fingerprint };
        Self {
            case_reference_format: match choices.case_reference_format {
                CaseReferenceFormat::Prefix { prefix, digits } => CaseReferenceFormatV1::Prefix { prefix, digits },
                CaseReferenceFormat::Pattern(pattern) => CaseReferenceFormatV1::Pattern(pattern),
            },
            internal_domains: choices.internal_domains,
            trusted_authserv_ids: choices.trusted_authserv_ids,
            sender_check: match choices.sender_check {
                SenderCheck::Refuse => SenderCheckV1::Refuse,
                SenderCheck::Warn => SenderCheckV1::Warn,
            },
            skip_automatic_mail: choices.skip_automatic_mail,
            loop_limit_per_sender_and_case: choices.loop_limit_per_sender_and_case,
            loop_limit_per_sender: choices.loop_limit_per_sender,
            authentication_method: match choices.authentication_method {
                AuthenticationMethod::Basic => AuthenticationMethodV1::Basic,
                AuthenticationMethod::Modern => AuthenticationMethodV1::Modern,
            },
            triage_licence_count: choices.triage_licence_count,
            allow_unencrypted_smtp: choices.allow_unencrypted_smtp,
            allow_private_networks: choices.allow_private_networks,
            trusted_certificates: choices.trusted_certificates.into_iter().map(certificate).collect(),
            read_audit_retention_days: choices.read_audit_retention_days,
        }
    }
}

impl From<ChoicesV1> for TenantChoices {
    fn from(choices: ChoicesV1) -> Self {
        let certificate = |TrustedCertificateV1 { host, sha256_fingerprint }| TrustedCertificate { host, sha256_fingerprint };
        Self {
            case_reference_format: match choices.case_reference_format {
                CaseReferenceFormatV1::Prefix { prefix, digits } => CaseReferenceFormat::Prefix { prefix, digits },
                CaseReferenceFormatV1::Pattern(pattern) => CaseReferenceFormat::Pattern(pattern),
            },
            internal_domains: choices.internal_domains,
            trusted_authserv_ids: choices.trusted_authserv_ids,
            sender_check: match choices.sender_check {
                SenderCheckV1::Refuse => SenderCheck::Refuse,
                SenderCheckV1::Warn => SenderCheck::Warn,
            },
            skip_automatic_mail: choices.skip_automatic_mail,
            loop_limit_per_sender_and_case: choices.loop_limit_per_sender_and_case,
            loop_limit_per_sender: choices.loop_limit_per_sender,
            authentication_method: match choices.authentication_method {
                AuthenticationMethodV1::Basic => AuthenticationMethod::Basic,
                AuthenticationMethodV1::Modern => AuthenticationMethod::Modern,
            },
            triage_licence_count: choices.triage_licence_count,
            allow_unencrypted_smtp: choices.allow_unencrypted_smtp,
            allow_private_networks: choices.allow_private_networks,
            trusted_certificates: choices.trusted_certificates.into_iter().map(certificate).collect(),
            read_audit_retention_days: choices.read_audit_retention_days,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check_form, *};

    fn check(choices: TenantChoices, text: &str) {
        check_form(choices, text, write_choices, |text| read_choices(text, "r1"));
    }

    #[test]
    fn choices_are_read_as_they_were_written() {
        check(
            TenantChoices::default(),
            r#"{"case_reference_format":{"prefix":{"prefix":"CS-","digits":7}},"internal_domains":[],"trusted_authserv_ids":[],"sender_check":"refuse","skip_automatic_mail":false,"loop_limit_per_sender_and_case":20,"loop_limit_per_sender":200,"authentication_method":"basic","triage_licence_count":0,"allow_unencrypted_smtp":false,"allow_private_networks":false,"trusted_certificates":[],"read_audit_retention_days":365}"#,
        );
        check(
            TenantChoices {
                case_reference_format: CaseReferenceFormat::Pattern(r"ticket#(\d+)".to_owned()),
                internal_domains: vec!["example.com".to_owned()],
                trusted_authserv_ids: vec!["mx.example.com".to_owned()],
                sender_check: SenderCheck::Warn,
                skip_automatic_mail: true,
                loop_limit_per_sender_and_case: 1,
                loop_limit_per_sender: 2,
                authentication_method: AuthenticationMethod::Modern,
                triage_licence_count: 3,
                allow_unencrypted_smtp: true,
                allow_private_networks: true,
                trusted_certificates: vec![TrustedCertificate {
                    host: "mail.example.com".to_owned(),
                    sha256_fingerprint: "00ff".to_owned(),
                }],
                read_audit_retention_days: 4,
            },
            r#"{"case_reference_format":{"pattern":"ticket#(\\d+)"},"internal_domains":["example.com"],"trusted_authserv_ids":["mx.example.com"],"sender_check":"warn","skip_automatic_mail":true,"loop_limit_per_sender_and_case":1,"loop_limit_per_sender":2,"authentication_method":"modern","triage_licence_count":3,"allow_unencrypted_smtp":true,"allow_private_networks":true,"trusted_certificates":[{"host":"mail.example.com","sha256_fingerprint":"00ff"}],"read_audit_retention_days":4}"#,
        );
    }

    #[test]
    fn choices_of_the_first_releases_are_read() {
        let first = r#"{"case_reference":{"prefix":{"prefix":"CS-","digits":7}},"internal_domains":["example.com"],"trusted_authserv_ids":["mx.example.com"],"sender_check":"warn","skip_automatic":true,"loop_limit_per_case":7,"loop_limit_per_sender":70}"#;
        let expected = TenantChoices {
            internal_domains: vec!["example.com".to_owned()],
            trusted_authserv_ids: vec!["mx.example.com".to_owned()],
            sender_check: SenderCheck::Warn,
            skip_automatic_mail: true,
            loop_limit_per_sender_and_case: 7,
            loop_limit_per_sender: 70,
            ..TenantChoices::default()
        };
        assert_eq!(read_choices(first, "r1").unwrap(), expected);
        assert_eq!(read_choices("{}", "r1").unwrap(), TenantChoices::default());
    }
}
