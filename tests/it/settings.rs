//! SettingsService: what holds for a whole tenant.

use mailagent::testing::domain::Scope;
use mailagent_client::{
    Clients,
    v1::{
        AcknowledgeStorageTermsRequest, AuthenticationMethod, CaseReferenceFormat, CreateAgentRequest, GetTenantSettingsRequest,
        OutcomeResult, PrefixForm, SenderCheck, SweepOptions, TenantSettings, UpdateTenantSettingsRequest, case_reference_format::Form,
    },
};
use prost_types::FieldMask;
use tonic::{Code, Status};

use crate::harness::{Harness, Mail, NOW, TENANT, case, metadata, on_both_engines, reason, violations};

async fn update(client: &Clients, settings: TenantSettings, paths: Option<&[&str]>) -> Result<TenantSettings, Status> {
    let request = UpdateTenantSettingsRequest {
        tenant_settings: Some(settings),
        update_mask: paths.map(|paths| FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }),
    };
    Ok(client.clone().settings.update_tenant_settings(request).await?.into_inner())
}

async fn get(client: &Clients) -> TenantSettings {
    let settings = client.clone().settings.get_tenant_settings(GetTenantSettingsRequest {}).await;
    settings.unwrap().into_inner()
}

fn pattern(text: &str) -> TenantSettings {
    format(Form::Pattern(text.to_owned()))
}

fn prefix(prefix: &str, digits: i32) -> TenantSettings {
    format(Form::Prefix(PrefixForm {
        prefix: prefix.to_owned(),
        digits,
    }))
}

fn format(form: Form) -> TenantSettings {
    TenantSettings {
        case_reference_format: Some(CaseReferenceFormat { form: Some(form) }),
        ..TenantSettings::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_have_defaults_and_change_field_by_field() {
    on_both_engines(async |h| {
        let client = h.client().await;
        let first = get(&client).await;
        let expected = TenantSettings {
            name: "tenantSettings".to_owned(),
            sender_check: SenderCheck::Refuse.into(),
            authentication_method: AuthenticationMethod::Basic.into(),
            loop_limit_per_sender_and_case: Some(20),
            loop_limit_per_sender: Some(200),
            read_audit_retention_days: Some(365),
            etag: first.etag.clone(),
            ..prefix("CS-", 7)
        };
        assert_eq!(first, expected);

        let change = TenantSettings {
            internal_domains: vec!["Example.com".to_owned()],
            loop_limit_per_sender: Some(0),
            skip_automatic_mail: true,
            etag: first.etag.clone(),
            ..TenantSettings::default()
        };
        let changed = update(&client, change.clone(), None).await.unwrap();
        assert_eq!(changed.internal_domains, ["example.com"]);
        assert_eq!((changed.loop_limit_per_sender, changed.skip_automatic_mail), (Some(0), true));
        assert_eq!(changed.loop_limit_per_sender_and_case, Some(20), "the rest stays");
        let stale = update(&client, change, None).await.unwrap_err();
        assert_eq!((stale.code(), reason(&stale).as_str()), (Code::Aborted, "ETAG_MISMATCH"));

        // In the mask and absent: back to the default.
        let reset = update(&client, TenantSettings::default(), Some(&["loop_limit_per_sender"]))
            .await
            .unwrap();
        assert_eq!((reset.loop_limit_per_sender, reset.skip_automatic_mail), (Some(200), true));
        let all = update(&client, TenantSettings::default(), Some(&["*"])).await.unwrap();
        assert_eq!(
            TenantSettings {
                etag: String::new(),
                ..all
            },
            TenantSettings {
                etag: String::new(),
                ..expected
            }
        );
        let unknown = update(&client, TenantSettings::default(), Some(&["colour"])).await.unwrap_err();
        assert_eq!(violations(&unknown), ["update_mask"]);
        h.restart().await;
        assert_eq!(get(&h.client().await).await.loop_limit_per_sender, Some(200));
        assert_eq!(
            get(&h.client_as("other", "olga", Scope::ALL).await).await.loop_limit_per_sender,
            Some(200)
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused() {
    let h = Harness::new().await;
    let client = h.client().await;
    let before = get(&client).await;
    let formats = [
        (pattern("("), "("),
        (pattern(r"\d+"), r"\d+"),
        (pattern(r"(a)(b)"), r"(a)(b)"),
        (pattern(r"((a{1000}){1000})"), r"((a{1000}){1000})"),
        (pattern(r"(a)\1"), r"(a)\1"),
        (pattern(""), ""),
        (prefix("", 7), ""),
        (prefix("CS ", 7), "CS "),
        (prefix("CS-", 0), "CS-"),
        (prefix("CS-", 19), "CS-"),
        (prefix("CS-", 263), "CS-"),
    ];
    for (settings, shown) in formats {
        let refused = update(&client, settings, None).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::InvalidArgument, "CASE_PATTERN_INVALID"),
            "{shown}"
        );
        assert_eq!(metadata(&refused, "pattern"), shown);
        assert_eq!(violations(&refused), ["tenant_settings.case_reference_format"], "{shown}");
    }
    let wrong = TenantSettings {
        internal_domains: vec!["not a domain".to_owned()],
        trusted_authserv_ids: vec![String::new()],
        loop_limit_per_sender_and_case: Some(-1),
        loop_limit_per_sender: Some(-1),
        ..TenantSettings::default()
    };
    let refused = update(&client, wrong, None).await.unwrap_err();
    let all = [
        "tenant_settings.internal_domains",
        "tenant_settings.loop_limit_per_sender",
        "tenant_settings.loop_limit_per_sender_and_case",
        "tenant_settings.trusted_authserv_ids",
    ];
    assert_eq!(violations(&refused), all);
    assert_eq!(get(&client).await, before, "nothing has changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_format_counts_from_the_next_message_on() {
    let h = Harness::new().await;
    let client = h.seed().await;
    h.agent(&client, "anna@example.com").await;
    h.add_cases(&client, vec![case("ticket", "4711", "oak")]).await;
    let mail = || Mail::new("eva@oak.example", "Re: Ticket#4711 and CS-0000001");
    let (_, outcome) = h.sweep_one(&client, &mail()).await;
    assert_eq!(outcome.case, "cases/case-oak");
    update(&client, pattern(r"ticket#(\d+)"), None).await.unwrap();
    let (result, outcome) = h.sweep_one(&client, &mail()).await;
    assert_eq!((result, outcome.case.as_str()), (OutcomeResult::Matched, "cases/ticket"));
}

#[tokio::test(flavor = "multi_thread")]
async fn storing_needs_an_acknowledgement() {
    on_both_engines(async |h| {
        h.seed().await;
        let other = h.client_as("other", "olga", Scope::ALL).await;
        let users = vec![crate::harness::user("olga", &[])];
        let request = mailagent_client::v1::BatchUpsertUsersRequest { users };
        other.clone().directory.batch_upsert_users(request).await.unwrap();
        let mut agent = h.agent_for("olga@example.com");
        let mut ask = async |options: SweepOptions| {
            agent.exchange.as_mut().unwrap().sweep_options = Some(options);
            let request = CreateAgentRequest {
                agent: Some(agent.clone()),
                request_id: String::new(),
            };
            other.clone().agents.create_agent(request).await
        };
        let options = |contacts: bool, full: bool| SweepOptions {
            create_non_matching_contacts: contacts,
            keep_full_message: full,
        };
        for (contacts, full) in [(true, false), (false, true)] {
            let refused = ask(options(contacts, full)).await.unwrap_err();
            let expected = (Code::FailedPrecondition, "STORAGE_TERMS_NOT_ACKNOWLEDGED");
            assert_eq!(
                (refused.code(), reason(&refused).as_str()),
                expected,
                "the other tenant's does not count"
            );
            let field = if contacts {
                "create_non_matching_contacts"
            } else {
                "keep_full_message"
            };
            assert!(metadata(&refused, "field").ends_with(field));
        }
        ask(options(false, false)).await.unwrap();
        let acknowledge = async |client: &Clients| {
            let settings = client
                .clone()
                .settings
                .acknowledge_storage_terms(AcknowledgeStorageTermsRequest {})
                .await;
            settings.unwrap().into_inner().storage_acknowledgement.unwrap()
        };
        let first = acknowledge(&other).await;
        assert_eq!(
            (first.user.as_str(), first.acknowledge_time.unwrap().seconds),
            ("users/olga", NOW.seconds())
        );
        ask(options(true, true)).await.unwrap();
        h.clock.advance(std::time::Duration::from_mins(1));
        let again = acknowledge(&h.client_as("other", "otto", Scope::ALL).await).await;
        assert_eq!(again, first, "the first record stays");
        let admin = h.client_as(TENANT, "anna", &[Scope::TenantAdmin]).await;
        assert_eq!(get(&admin).await.storage_acknowledgement.unwrap().user, "users/anna");
    })
    .await;
}
