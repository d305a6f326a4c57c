//! Who changed which setting: what is written down, what is not, and who may read it.

use std::time::Duration;

use mailagent::testing::domain::{Clock, Scope};
use mailagent_client::v1::{
    AcknowledgeStorageTermsRequest, Agent, AuditAction, AuditFilter, ConnectionType, ExchangeSettings, ListAuditEntriesRequest,
    MaintenanceAccount, TenantSettings,
};
use tonic::Code;

use super::{
    annas_password, audit, create, create_account, delete, exchange, last_change, maintenance::delete_account, named, row, set_default,
    set_licences, smtp, smtp_agent, update, update_account,
};
use crate::harness::{Harness, NOW, TENANT, account, on_both_engines, reason, violations};

const CREATED: i32 = AuditAction::Created as i32;
const UPDATED: i32 = AuditAction::Updated as i32;
const DELETED: i32 = AuditAction::Deleted as i32;

fn of(resource: &str) -> AuditFilter {
    AuditFilter {
        resource: resource.to_owned(),
        ..AuditFilter::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_life_of_an_agent_is_written_down_with_secrets_as_changed() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let made = create(&client, smtp_agent(), "").await.unwrap();
        let values = |password: &str| {
            vec![
                row("from_address", "", "anna@example.com"),
                row("from_name", "", "Anna"),
                row("kind", "", "smtp"),
                row("owner_user", "", "users/anna"),
                row("smtp.authentication", "", "password"),
                row("smtp.host", "", "smtp.example.com"),
                row("smtp.password", "", password),
                row("smtp.port", "", "2525"),
                row("smtp.security", "", "tls"),
                row("smtp.username", "", "anna"),
            ]
        };
        assert_eq!(last_change(&client, &made.name, 1).await, (CREATED, values("changed")));

        // A password that is set, replaced, erased: always the same, and neither the old nor the new one.
        let mut password = named(&made);
        password.smtp = Some(mailagent_client::v1::SmtpSettings {
            password: "another".to_owned(),
            ..Default::default()
        });
        update(&client, password.clone(), Some(&["smtp.password"])).await.unwrap();
        let changed = vec![row("smtp.password", "", "changed")];
        assert_eq!(last_change(&client, &made.name, 2).await, (UPDATED, changed.clone()));
        smtp(&mut password).password.clear();
        update(&client, password.clone(), Some(&["smtp.password"])).await.unwrap();
        assert_eq!(last_change(&client, &made.name, 3).await, (UPDATED, changed));

        // What changes nothing has no entry, and the agent stays as it is.
        let before = super::get(&client, &made.name).await.unwrap();
        h.clock.advance(Duration::from_mins(1));
        for (what, paths) in [
            (password, &["smtp.password"][..]),
            (before.clone(), &["*"]),
            (named(&made), &["health", "etag"]),
        ] {
            assert_eq!(update(&client, what, Some(paths)).await.unwrap(), before, "{paths:?}");
        }
        last_change(&client, &made.name, 3).await;
        // Nor has what is refused, whole or in part.
        let mut refused = before.clone();
        refused.from_name = "Somebody".to_owned();
        smtp(&mut refused).port = -1;
        assert_eq!(
            update(&client, refused.clone(), Some(&["*"])).await.unwrap_err().code(),
            Code::InvalidArgument
        );
        smtp(&mut refused).port = 2525;
        refused.etag = "stale".to_owned();
        assert_eq!(update(&client, refused, None).await.unwrap_err().code(), Code::Aborted);
        assert_eq!(delete(&client, &made.name, "stale").await.unwrap_err().code(), Code::Aborted);
        last_change(&client, &made.name, 3).await;

        delete(&client, &made.name, "").await.unwrap();
        let (action, changes) = last_change(&client, &made.name, 4).await;
        let gone = values("").into_iter().filter(|(field, ..)| field != "smtp.password");
        let gone: Vec<_> = gone.map(|(field, old, new)| (field, new, old)).collect();
        assert_eq!((action, changes), (DELETED, gone), "no password was stored any more");
        assert_eq!(delete(&client, &made.name, "").await.unwrap_err().code(), Code::NotFound);
        last_change(&client, &made.name, 4).await;

        let told = format!("{:?}", audit(&client, AuditFilter::default(), 0).await);
        for secret in ["another", "an SMTP password"] {
            assert!(!told.contains(secret), "{secret}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_say_who_and_when_newest_first_in_pages() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let (before, _) = audit(&client, AuditFilter::default(), 0).await;
        let first = create(&client, smtp_agent(), "").await.unwrap();
        h.clock.advance(Duration::from_mins(1));
        let bert = h.client_as(TENANT, "bert", Scope::ALL).await;
        let second = create(&bert, smtp_agent(), "").await.unwrap();
        set_default(&bert, "anna", &second.name).await.unwrap();
        h.clock.advance(Duration::from_mins(1));
        let renamed = |agent: &Agent, name: &str| Agent {
            from_name: name.to_owned(),
            ..named(agent)
        };
        update(&client, renamed(&first, "One"), None).await.unwrap();
        let (entries, pages) = audit(&client, AuditFilter::default(), 0).await;
        assert_eq!(pages, 1);
        let at = |seconds: i64| NOW.seconds() + seconds;
        let expected = [
            ("users/anna", first.name.as_str(), UPDATED, at(120)),
            ("users/bert", "users/anna/defaultAgent", UPDATED, at(60)),
            ("users/bert", second.name.as_str(), CREATED, at(60)),
            ("users/anna", first.name.as_str(), CREATED, at(0)),
        ];
        let seen: Vec<_> = entries[..4]
            .iter()
            .map(|entry| {
                (
                    entry.user.as_str(),
                    entry.resource.as_str(),
                    entry.action,
                    entry.create_time.unwrap().seconds,
                )
            })
            .collect();
        assert_eq!(seen, expected);
        assert_eq!(entries[4..], before[..]);
        assert!(
            entries
                .iter()
                .all(|entry| entry.name.strip_prefix("auditEntries/").is_some_and(|id| id.len() == 26))
        );

        let mut pages = audit(&client, AuditFilter::default(), 2).await;
        assert_eq!(pages.0, entries);
        assert!(pages.1 >= entries.len().div_ceil(2));
        let names = |entries: &[mailagent_client::v1::AuditEntry]| entries.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>();
        pages = audit(&client, of(&first.name), 1).await;
        assert_eq!(names(&pages.0), names(&[entries[0].clone(), entries[3].clone()]));
        let filter = |user: &str, start: Option<i64>, end: Option<i64>| AuditFilter {
            user: user.to_owned(),
            start_time: start.map(|seconds| prost_types::Timestamp {
                seconds: at(seconds),
                nanos: 0,
            }),
            end_time: end.map(|seconds| prost_types::Timestamp {
                seconds: at(seconds),
                nanos: 0,
            }),
            ..AuditFilter::default()
        };
        assert_eq!(audit(&client, filter("users/bert", None, None), 0).await.0, entries[1..3]);
        assert_eq!(audit(&client, filter("", Some(60), None), 0).await.0, entries[..3]);
        assert_eq!(audit(&client, filter("", Some(60), Some(120)), 0).await.0, entries[1..3]);
        assert_eq!(audit(&client, filter("users/anna", Some(1), Some(120)), 0).await.0, []);
        assert_eq!(audit(&client, of("agents/01J"), 0).await.0, []);

        let request = |page_size: i32, page_token: &str, filter: AuditFilter| ListAuditEntriesRequest {
            page_size,
            page_token: page_token.to_owned(),
            filter: Some(filter),
        };
        let ask = async |client: &mailagent_client::Clients, request| client.clone().settings.list_audit_entries(request).await;
        let page = ask(&client, request(1, "", AuditFilter::default())).await.unwrap().into_inner();
        let token = page.next_page_token.as_str();
        let refused = ask(&client, request(1, token, filter("users/bert", None, None))).await.unwrap_err();
        assert_eq!(reason(&refused), "PAGE_TOKEN_INVALID");
        let refused = ask(&client, request(1, "", filter("bert", None, None))).await.unwrap_err();
        assert_eq!(violations(&refused), ["filter.user"]);
        let refused = ask(&client, request(-1, "", AuditFilter::default())).await.unwrap_err();
        assert_eq!(violations(&refused), ["page_size"]);

        // Another tenant's are not seen, nor may anybody but an administrator look.
        let other = h.client_as("other", "olga", Scope::ALL).await;
        assert_eq!(audit(&other, AuditFilter::default(), 0).await.0, []);
        let refused = ask(&other, request(1, token, AuditFilter::default())).await.unwrap_err();
        assert_eq!(reason(&refused), "PAGE_TOKEN_INVALID");
        let writer = h.client_as(TENANT, "anna", &[Scope::AgentWrite, Scope::ArchiveConfigure]).await;
        let refused = ask(&writer, request(1, "", AuditFilter::default())).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_see_the_archive_setting_does_not_see_it_here() {
    let h = Harness::new().await;
    let client = h.seed().await;
    let mut wanted = h.agent_for("anna@example.com");
    wanted.disabled = true;
    let made = create(&client, wanted, "").await.unwrap();
    let archive = |on: bool, calendar: bool| Agent {
        exchange: Some(ExchangeSettings {
            archive: Some(on),
            calendar,
            ..ExchangeSettings::default()
        }),
        ..named(&made)
    };
    update(&client, archive(false, false), Some(&["exchange.archive"])).await.unwrap();
    update(&client, archive(true, true), Some(&["exchange.archive", "exchange.calendar"]))
        .await
        .unwrap();
    delete(&client, &made.name, "").await.unwrap();
    let admin = h.client_as(TENANT, "bert", &[Scope::TenantAdmin]).await;
    let actions = |entries: &[mailagent_client::v1::AuditEntry]| entries.iter().map(|entry| entry.action).collect::<Vec<_>>();
    let told = |entries: &[mailagent_client::v1::AuditEntry]| {
        let fields = entries
            .iter()
            .flat_map(|entry| &entry.changes)
            .filter(|change| change.field == "exchange.archive");
        fields
            .map(|change| (change.old_value.clone(), change.new_value.clone()))
            .collect::<Vec<_>>()
    };
    let (all, _) = audit(&client, of(&made.name), 0).await;
    assert_eq!(actions(&all), [DELETED, UPDATED, UPDATED, CREATED]);
    let text = str::to_owned;
    assert_eq!(
        told(&all),
        [("true", ""), ("false", "true"), ("true", "false"), ("", "true")].map(|(old, new)| (text(old), text(new)))
    );
    for page_size in [0, 1] {
        let (seen, _) = audit(&admin, of(&made.name), page_size).await;
        assert_eq!(
            actions(&seen),
            [DELETED, UPDATED, CREATED],
            "the one about nothing else is not there at all"
        );
        assert_eq!(told(&seen), []);
        assert!(seen.iter().all(|entry| !entry.changes.is_empty()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_kind_and_another_connection_tell_what_they_cleared() {
    let h = Harness::new().await;
    let client = h.seed().await;
    let shared = create_account(&client, account(h.exchange.endpoint().as_str()), "").await.unwrap();
    let mut wanted = h.agent_for("anna@example.com");
    wanted.disabled = true;
    exchange(&mut wanted).archive = Some(false);
    exchange(&mut wanted).sweep_options = None;
    let made = create(&client, wanted, "").await.unwrap();
    let endpoint = h.exchange.endpoint();
    let mut through = named(&made);
    through.exchange = Some(ExchangeSettings {
        maintenance_account: shared.name.clone(),
        ..ExchangeSettings::default()
    });
    exchange(&mut through).set_connection_type(ConnectionType::MaintenanceAccount);
    update(&client, through, None).await.unwrap();
    let expected = vec![
        row("exchange.connection_type", "user_credentials", "maintenance_account"),
        row("exchange.endpoint", endpoint.as_str(), ""),
        row("exchange.maintenance_account", "", &shared.name),
        row("exchange.password", "", "changed"),
    ];
    assert_eq!(last_change(&client, &made.name, 2).await, (UPDATED, expected));

    let mut mail = smtp_agent();
    mail.name.clone_from(&made.name);
    mail.from_name.clear();
    update(&client, mail, None).await.unwrap();
    let expected = vec![
        row("exchange.case_sweep", "true", ""),
        row("exchange.connection_type", "maintenance_account", ""),
        row("exchange.maintenance_account", &shared.name, ""),
        row("exchange.username", "anna@example.com", ""),
        row("kind", "exchange_ews", "smtp"),
        row("smtp.authentication", "", "password"),
        row("smtp.host", "", "smtp.example.com"),
        row("smtp.password", "", "changed"),
        row("smtp.port", "", "2525"),
        row("smtp.security", "", "tls"),
        row("smtp.username", "", "anna"),
    ];
    assert_eq!(last_change(&client, &made.name, 3).await, (UPDATED, expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_settings_have_entries_too() {
    on_both_engines(async |h| {
        let client = h.client().await;
        let made = create_account(&client, account("https://mail.example.com/EWS/Exchange.asmx"), "")
            .await
            .unwrap();
        let values = [
            ("display_name", "Service"),
            ("endpoint", "https://mail.example.com/EWS/Exchange.asmx"),
            ("kind", "exchange_ews"),
            ("password", "changed"),
            ("username", "service"),
        ];
        let created = values.map(|(field, value)| row(field, "", value)).to_vec();
        assert_eq!(last_change(&client, &made.name, 1).await, (CREATED, created));
        let password = MaintenanceAccount {
            name: made.name.clone(),
            password: annas_password(),
            ..MaintenanceAccount::default()
        };
        update_account(&client, password, None).await.unwrap();
        assert_eq!(
            last_change(&client, &made.name, 2).await,
            (UPDATED, vec![row("password", "", "changed")])
        );
        delete_account(&client, &made.name, "").await.unwrap();
        let mut deleted = values.map(|(field, value)| row(field, value, "")).to_vec();
        deleted[3] = row("password", "", "changed");
        assert_eq!(last_change(&client, &made.name, 3).await, (DELETED, deleted));

        // The terms are accepted once.
        for _ in 0..2 {
            let request = AcknowledgeStorageTermsRequest {};
            client.clone().settings.acknowledge_storage_terms(request).await.unwrap();
        }
        let accepted = format!(r#"{{"acknowledge_time":"{}","user":"users/anna"}}"#, h.clock.now());
        let expected = vec![row("storage_acknowledgement", "", &accepted)];
        assert_eq!(last_change(&client, "tenantSettings", 1).await, (UPDATED, expected));
        set_licences(&client, 3).await.unwrap();
        set_licences(&client, 3).await.unwrap();
        let expected = vec![row("triage_licence_count", "0", "3")];
        assert_eq!(last_change(&client, "tenantSettings", 2).await, (UPDATED, expected));
        let wrong = TenantSettings {
            triage_licence_count: -1,
            ..TenantSettings::default()
        };
        super::change_settings(&client, wrong, &["triage_licence_count"]).await.unwrap_err();
        last_change(&client, "tenantSettings", 2).await;
    })
    .await;
}
