//! Every field that there is has its row in the audit log: a new one without a row here fails.

use std::collections::BTreeSet;

use mailagent::testing::domain::{AgentSettings, MaintenanceSettings, TenantChoices};
use mailagent_client::{
    Clients,
    v1::{
        Agent, AuthenticationMethod, CaseReferenceFormat, ConnectionType, ExchangeSettings, MaintenanceAccount, SenderCheck,
        SmtpAuthentication, SmtpSecurity, SmtpSettings, TenantSettings, TrustedCertificate, case_reference_format::Form,
    },
};

use super::{
    annas_password, change_settings, create, create_account, exchange, last_change, named, row, set_licences, smtp, smtp_agent, update,
    update_account,
};
use crate::harness::{Harness, account};

/// A field, a change of it alone, and its old and new value.
type Row<T> = (&'static str, fn(&mut T), &'static str, &'static str);

/// Changes an agent field by field, and checks each entry. Returns the fields.
async fn walk(client: &Clients, agent: &Agent, rows: &[Row<Agent>], entries: usize) -> Vec<&'static str> {
    for (index, (field, change, old, new)) in rows.iter().enumerate() {
        let mut changed = Agent {
            exchange: Some(ExchangeSettings::default()),
            smtp: Some(SmtpSettings::default()),
            ..named(agent)
        };
        change(&mut changed);
        update(client, changed, Some(&[field]))
            .await
            .unwrap_or_else(|refused| panic!("{field}: {refused:?}"));
        let (_, changes) = last_change(client, &agent.name, entries + index + 1).await;
        assert_eq!(changes, [row(field, old, new)]);
    }
    rows.iter().map(|(field, ..)| *field).collect()
}

const EXCHANGE: &[Row<Agent>] = &[
    ("from_name", |a| a.from_name = "Anna \"B\"".to_owned(), "anna", "Anna \"B\""),
    (
        "from_address",
        |a| a.from_address = "jörg@exämple.de".to_owned(),
        "anna@example.com",
        "jörg@exämple.de",
    ),
    ("campaign_compatible", |a| a.campaign_compatible = true, "false", "true"),
    ("disabled", |a| a.disabled = false, "true", "false"),
    ("owner_user", |a| a.owner_user = "users/bert".to_owned(), "users/anna", "users/bert"),
    ("exchange.archive", |a| exchange(a).archive = Some(true), "false", "true"),
    ("exchange.calendar", |a| exchange(a).calendar = true, "false", "true"),
    ("exchange.case_sweep", |a| exchange(a).case_sweep = true, "false", "true"),
    (
        "exchange.sweep_options.create_non_matching_contacts",
        |a| exchange(a).sweep_options.get_or_insert_default().create_non_matching_contacts = true,
        "false",
        "true",
    ),
    (
        "exchange.sweep_options.keep_full_message",
        |a| exchange(a).sweep_options.get_or_insert_default().keep_full_message = true,
        "false",
        "true",
    ),
    (
        "exchange.authentication_method",
        |a| exchange(a).set_authentication_method(AuthenticationMethod::Basic),
        "",
        "basic",
    ),
    ("exchange.triage", |a| exchange(a).triage = true, "false", "true"),
    (
        "exchange.triage_options.case_reference_purge",
        |a| exchange(a).triage_options.get_or_insert_default().case_reference_purge = true,
        "false",
        "true",
    ),
    (
        "exchange.mailbox",
        |a| exchange(a).mailbox = "office@example.com".to_owned(),
        "",
        "office@example.com",
    ),
    (
        "exchange.username",
        |a| exchange(a).username = r"CORP\anna".to_owned(),
        "anna@example.com",
        r"CORP\anna",
    ),
    ("exchange.password", |a| exchange(a).password = annas_password(), "", "changed"),
];

const SMTP: &[Row<Agent>] = &[
    (
        "smtp.host",
        |a| smtp(a).host = "SMTP.example.com".to_owned(),
        "smtp.example.com",
        "SMTP.example.com",
    ),
    ("smtp.security", |a| smtp(a).set_security(SmtpSecurity::Starttls), "tls", "starttls"),
    ("smtp.username", |a| smtp(a).username = "bert".to_owned(), "anna", "bert"),
    ("smtp.password", |a| smtp(a).password = annas_password(), "", "changed"),
    (
        "smtp.authentication",
        |a| smtp(a).set_authentication(SmtpAuthentication::Unspecified),
        "password",
        "",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_an_agent_has_its_entry() {
    let h = Harness::new().await;
    let client = h.seed().await;
    set_licences(&client, 1).await.unwrap();
    let shared = create_account(&client, account(h.exchange.endpoint().as_str()), "").await.unwrap();
    let mut agent = h.agent_for("anna@example.com");
    agent.disabled = true;
    let settings = exchange(&mut agent);
    (settings.archive, settings.case_sweep, settings.sweep_options) = (Some(false), false, None);
    let made = create(&client, agent, "").await.unwrap();
    let mut seen: BTreeSet<_> = walk(&client, &made, EXCHANGE, 1).await.into_iter().collect();

    let mail = create(&client, smtp_agent(), "").await.unwrap();
    seen.extend(walk(&client, &mail, SMTP, 1).await);
    // With the port goes the password.
    let mut moved = named(&mail);
    moved.smtp = Some(SmtpSettings {
        port: 465,
        password: "new".to_owned(),
        ..SmtpSettings::default()
    });
    update(&client, moved, None).await.unwrap();
    let (_, changes) = last_change(&client, &mail.name, SMTP.len() + 2).await;
    assert_eq!(changes, [row("smtp.password", "", "changed"), row("smtp.port", "2525", "465")]);
    seen.insert("smtp.port");
    // A maintenance account has no method of its own.
    let mut own = named(&made);
    own.exchange = Some(ExchangeSettings::default());
    update(&client, own, Some(&["exchange.authentication_method"])).await.unwrap();
    let (_, changes) = last_change(&client, &made.name, EXCHANGE.len() + 2).await;
    assert_eq!(changes, [row("exchange.authentication_method", "basic", "")]);
    // The same for the endpoint, and what goes together with the connection type.
    let mut through = named(&made);
    through.exchange = Some(ExchangeSettings {
        maintenance_account: shared.name.clone(),
        ..ExchangeSettings::default()
    });
    exchange(&mut through).set_connection_type(ConnectionType::MaintenanceAccount);
    update(&client, through, None).await.unwrap();
    let (_, changes) = last_change(&client, &made.name, EXCHANGE.len() + 3).await;
    let fields: Vec<&str> = changes.iter().map(|(field, ..)| field.as_str()).collect();
    let together = [
        "exchange.connection_type",
        "exchange.endpoint",
        "exchange.maintenance_account",
        "exchange.password",
    ];
    assert_eq!(fields, together);
    seen.extend(together);
    // `another_kind_and_another_connection_tell_what_they_cleared` has the kind.
    seen.insert("kind");

    let beside = ["exchange.password", "owner_user", "smtp.password"];
    let all: BTreeSet<_> = AgentSettings::FIELDS.iter().copied().chain(beside).collect();
    assert_eq!(seen, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_an_account_has_its_entry() {
    let h = Harness::new().await;
    let client = h.client().await;
    let made = create_account(&client, account("https://mail.example.com/EWS/Exchange.asmx"), "")
        .await
        .unwrap();
    let (_, created) = last_change(&client, &made.name, 1).await;
    let mut told: BTreeSet<&str> = created.iter().map(|(field, ..)| field.as_str()).collect();
    // It comes with a change below.
    told.insert("login_address");
    let all: BTreeSet<&str> = MaintenanceSettings::FIELDS.iter().copied().chain(["password"]).collect();
    assert_eq!(told, all);
    let rows: &[Row<MaintenanceAccount>] = &[
        ("display_name", |a| a.display_name = "Berlin".to_owned(), "Service", "Berlin"),
        ("username", |a| a.username = r"CORP\service".to_owned(), "service", r"CORP\service"),
        (
            "login_address",
            |a| a.login_address = "service@example.com".to_owned(),
            "",
            "service@example.com",
        ),
        ("password", |a| a.password = annas_password(), "", "changed"),
        (
            "endpoint",
            |a| a.endpoint = "https://mail.example.com/ews".to_owned(),
            "https://mail.example.com/EWS/Exchange.asmx",
            "https://mail.example.com/ews",
        ),
    ];
    for (index, (field, change, old, new)) in rows.iter().enumerate() {
        let mut changed = MaintenanceAccount {
            name: made.name.clone(),
            ..MaintenanceAccount::default()
        };
        change(&mut changed);
        update_account(&client, changed, Some(&[field])).await.unwrap();
        assert_eq!(last_change(&client, &made.name, index + 2).await.1, [row(field, old, new)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_the_settings_has_its_entry() {
    let h = Harness::new().await;
    let client = h.client().await;
    let rows: &[Row<TenantSettings>] = &[
        ("allow_private_networks", |s| s.allow_private_networks = true, "false", "true"),
        ("allow_unencrypted_smtp", |s| s.allow_unencrypted_smtp = true, "false", "true"),
        (
            "authentication_method",
            |s| s.set_authentication_method(AuthenticationMethod::Modern),
            "basic",
            "modern",
        ),
        (
            "case_reference_format",
            |s| {
                s.case_reference_format = Some(CaseReferenceFormat {
                    form: Some(Form::Pattern(r"T(\d+)".to_owned())),
                });
            },
            r#"{"prefix":{"digits":7,"prefix":"CS-"}}"#,
            r#"{"pattern":"T(\\d+)"}"#,
        ),
        (
            "internal_domains",
            |s| s.internal_domains = vec!["Example.com".to_owned()],
            "[]",
            r#"["example.com"]"#,
        ),
        ("loop_limit_per_sender", |s| s.loop_limit_per_sender = Some(0), "200", "0"),
        (
            "loop_limit_per_sender_and_case",
            |s| s.loop_limit_per_sender_and_case = Some(5),
            "20",
            "5",
        ),
        ("read_audit_retention_days", |s| s.read_audit_retention_days = Some(30), "365", "30"),
        ("sender_check", |s| s.set_sender_check(SenderCheck::Warn), "refuse", "warn"),
        ("skip_automatic_mail", |s| s.skip_automatic_mail = true, "false", "true"),
        ("triage_licence_count", |s| s.triage_licence_count = 7, "0", "7"),
        (
            "trusted_authserv_ids",
            |s| s.trusted_authserv_ids = vec!["mx.example.com".to_owned()],
            "[]",
            r#"["mx.example.com"]"#,
        ),
        (
            "trusted_certificates",
            |s| {
                s.trusted_certificates = vec![TrustedCertificate {
                    host: "mail.example.com".to_owned(),
                    sha256_fingerprint: "00".repeat(32),
                }];
            },
            "[]",
            r#"[{"host":"mail.example.com","sha256_fingerprint":"0000000000000000000000000000000000000000000000000000000000000000"}]"#,
        ),
    ];
    let all: Vec<&str> = rows.iter().map(|(field, ..)| *field).collect();
    assert_eq!(all, TenantChoices::FIELDS);
    for (index, (field, change, old, new)) in rows.iter().enumerate() {
        let mut changed = TenantSettings::default();
        change(&mut changed);
        change_settings(&client, changed, &[field]).await.unwrap();
        assert_eq!(last_change(&client, "tenantSettings", index + 1).await.1, [row(field, old, new)]);
    }
}
