//! BASIC and MODERN authentication, and other settings of the tenant that agents depend on.

use mailagent::testing::domain::Scope;
use mailagent_client::{
    Clients,
    v1::{Agent, AgentHealthState, AuthenticationMethod, ExchangeSettings, MaintenanceAccount, TenantSettings, TrustedCertificate},
};

use tonic::Code;

use super::{
    agent_through, change_settings, create, create_account, exchange, get, graph_agent, named, set_method, smtp_agent, update,
    update_account, wait_for,
};
use crate::harness::{Engine, Harness, Mail, TENANT, account, metadata, on_both_engines, password_of, violations};

use AgentHealthState::{AuthenticationRequired, Ok as Well};

/// A mailbox of another tenant, which shows that the service has had the time to look at all of them.
async fn witness(h: &Harness) -> (Clients, String) {
    let client = h.client_as("other", "anna", Scope::ALL).await;
    h.seed_for(client.clone()).await;
    let agent = h.agent(&client, "witness@other.example").await;
    (client, agent.name)
}

async fn time_passes(h: &Harness, (client, agent): &(Clients, String), handled: i64) {
    h.deliver("witness@other.example", &Mail::new("eva@oak.example", "Re: CS-0000001"));
    h.handled(client, agent, handled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn modern_authentication_stops_what_has_no_login_and_the_way_back_loses_nothing() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let other = h.client_as("other", "anna", Scope::ALL).await;
        super::add_users(&other, &["witness"]).await;
        h.exchange.add_maintenance_account("service", &password_of("service"));
        let account = create_account(&client, account(h.exchange.endpoint().as_str()), "").await.unwrap();
        let own = h.agent(&client, "anna@example.com").await;
        h.exchange.add_mailbox("bert@example.com", "bert@example.com", "x");
        let through = create(&client, agent_through(&account.name, "bert@example.com"), "").await.unwrap();
        let mail = create(&client, smtp_agent(), "").await.unwrap();
        let mut idle = agent_through(&account.name, "anna@example.com");
        exchange(&mut idle).case_sweep = false;
        let idle = create(&client, idle, "").await.unwrap();
        let exchanges = [&own.name, &through.name, &idle.name];
        for (address, agent) in [("anna@example.com", &own), ("bert@example.com", &through)] {
            h.deliver(address, &Mail::new("eva@oak.example", "Re: CS-0000001"));
            h.handled(&client, &agent.name, 1).await;
        }
        let before = [get(&client, &own.name).await.unwrap(), get(&client, &through.name).await.unwrap()];

        set_method(&client, AuthenticationMethod::Modern).await;
        // At once, whether anything is read there or not.
        let problems = [
            "It uses modern authentication",
            "Nobody has logged in to the maintenance account Service",
            "Nobody has logged in to the maintenance account Service",
        ];
        for (name, problem) in exchanges.into_iter().zip(problems) {
            let health = get(&client, name).await.unwrap().health.unwrap();
            assert_eq!(health.state(), AuthenticationRequired, "{name}");
            assert!(health.problem.contains(problem), "{health:?}");
            assert!(health.problem_time.is_some());
        }
        assert_eq!(get(&client, &mail.name).await.unwrap().health.unwrap().state(), Well);
        let witness = witness(h).await;
        time_passes(h, &witness, 1).await;
        h.exchange.clear_requests();
        for address in ["anna@example.com", "bert@example.com"] {
            h.deliver(address, &Mail::new("eva@oak.example", "Re: CS-0000001"));
        }
        // A change of an agent does not make it try either.
        let mut renamed = named(&own);
        renamed.from_name = "Anna B.".to_owned();
        let renamed = update(&client, renamed, None).await.unwrap();
        assert_eq!(renamed.health.unwrap().state(), AuthenticationRequired);
        for handled in 2..=4 {
            time_passes(h, &witness, handled).await;
        }
        let asked = h.exchange.requests();
        let strangers: Vec<_> = asked.iter().filter(|request| request.login != "witness@other.example").collect();
        assert!(strangers.is_empty(), "{strangers:#?}");
        for name in exchanges {
            assert_eq!(
                get(&client, name).await.unwrap().health.unwrap().state(),
                AuthenticationRequired,
                "{name}"
            );
        }

        // And back: the passwords are still there, and it goes on where it was.
        h.exchange.clear_requests();
        set_method(&client, AuthenticationMethod::Basic).await;
        for (agent, before) in [&own, &through].into_iter().zip(&before) {
            h.handled(&client, &agent.name, 2).await;
            let after = get(&client, &agent.name).await.unwrap();
            assert_eq!(after.exchange, before.exchange);
        }
        assert_eq!(get(&client, &idle.name).await.unwrap().health.unwrap().state(), Well);
        let fetched = |login: &str| {
            let asked = h.exchange.requests().into_iter();
            let fetches = asked.filter(|request| request.operation == "GetItem" && request.login == login);
            fetches.map(|request| request.entries).sum::<usize>()
        };
        assert_eq!((fetched("anna@example.com"), fetched("service")), (1, 1), "only what is new");
        assert_eq!(h.notes(&client).await.len(), 4, "no second note");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_moves_mailbox_by_mailbox() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let agent = h.agent(&client, "anna@example.com").await;
        let method = async |method: AuthenticationMethod| {
            let mut changed = named(&agent);
            changed.exchange = Some(ExchangeSettings::default());
            exchange(&mut changed).set_authentication_method(method);
            update(&client, changed, Some(&["exchange.authentication_method"])).await.unwrap()
        };
        assert_eq!(
            agent.exchange.as_ref().unwrap().authentication_method(),
            AuthenticationMethod::Unspecified
        );
        assert_eq!(agent.authentication, None);

        // Ahead of the company: it waits for a login, and its password stays.
        let moved = method(AuthenticationMethod::Modern).await;
        assert_eq!(moved.health.as_ref().unwrap().state(), AuthenticationRequired, "{moved:?}");
        assert_eq!(moved.authentication.as_ref().unwrap().source, agent.name);
        assert!(moved.exchange.as_ref().unwrap().password_set);
        let mut with_password = named(&agent);
        with_password.exchange = Some(ExchangeSettings {
            password: "another".to_owned(),
            ..ExchangeSettings::default()
        });
        let refused = update(&client, with_password, None).await.unwrap_err();
        assert_eq!(violations(&refused), ["agent.exchange.password"]);

        // Behind the company: it goes on by its password while others wait.
        set_method(&client, AuthenticationMethod::Modern).await;
        let kept = method(AuthenticationMethod::Basic).await;
        assert_eq!((kept.health.as_ref().unwrap().state(), &kept.authentication), (Well, &None));
        h.deliver("anna@example.com", &Mail::new("eva@oak.example", "Re: CS-0000001"));
        h.handled(&client, &agent.name, 1).await;

        // With the company again, in both directions.
        let back = method(AuthenticationMethod::Unspecified).await;
        assert_eq!(back.health.as_ref().unwrap().state(), AuthenticationRequired);
        set_method(&client, AuthenticationMethod::Basic).await;
        h.deliver("anna@example.com", &Mail::new("eva@oak.example", "Re: CS-0000001"));
        h.handled(&client, &agent.name, 2).await;
        assert_eq!(get(&client, &agent.name).await.unwrap().health.unwrap().state(), Well);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_own_method_keeps_to_the_rules() {
    let h = Harness::new().await;
    let client = h.seed().await;
    let agent = h.agent(&client, "anna@example.com").await;
    let with = |base: &Agent, method: AuthenticationMethod| {
        let mut agent = base.clone();
        exchange(&mut agent).set_authentication_method(method);
        agent
    };
    // Graph beside a company that still uses passwords.
    let refused = create(&client, graph_agent(), "").await.unwrap_err();
    assert!(
        refused.message().contains("agent.exchange.authentication_method to MODERN"),
        "{refused:?}"
    );
    let made = create(&client, with(&graph_agent(), AuthenticationMethod::Modern), "")
        .await
        .unwrap();
    assert_eq!(made.exchange.unwrap().authentication_method(), AuthenticationMethod::Modern);
    let refused = create(&client, with(&graph_agent(), AuthenticationMethod::Basic), "")
        .await
        .unwrap_err();
    assert_eq!(violations(&refused), ["agent.exchange.authentication_method"]);
    let account = create_account(&client, account(h.exchange.endpoint().as_str()), "").await.unwrap();
    let through = agent_through(&account.name, "bert@example.com");
    let refused = create(&client, with(&through, AuthenticationMethod::Basic), "").await.unwrap_err();
    assert_eq!(violations(&refused), ["agent.exchange.authentication_method"]);
    assert!(refused.message().contains("maintenance account"), "{refused:?}");

    // Not for the owner to choose, unless it is the company's.
    let owner = h.client_as(TENANT, "anna", &[Scope::AgentUse]).await;
    let set = |method: AuthenticationMethod| {
        let mut changed = named(&agent);
        changed.exchange = Some(ExchangeSettings::default());
        exchange(&mut changed).set_authentication_method(method);
        changed
    };
    let refused = update(&owner, set(AuthenticationMethod::Modern), None).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(metadata(&refused, "field"), "agent.exchange.authentication_method");
    update(&owner, set(AuthenticationMethod::Basic), None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn graph_waits_for_modern_authentication_and_for_a_login() {
    let h = Harness::new().await;
    let client = h.seed().await;
    set_method(&client, AuthenticationMethod::Modern).await;
    let made = create(&client, graph_agent(), "").await.unwrap();
    let health = made.health.clone().unwrap();
    assert_eq!(health.state(), AuthenticationRequired);
    assert_eq!(health.problem, "Nobody has logged in to this mailbox yet.");
    set_method(&client, AuthenticationMethod::Basic).await;
    let health = get(&client, &made.name).await.unwrap().health.unwrap();
    assert_eq!(health.state(), AuthenticationRequired);
    assert!(
        health.problem.contains("Have an administrator set it to MODERN"),
        "{}",
        health.problem
    );
    // It stays, and can be changed, but for what BASIC does not allow.
    let mut changed = named(&made);
    changed.exchange = Some(ExchangeSettings {
        mailbox: "office@example.com".to_owned(),
        ..ExchangeSettings::default()
    });
    assert_eq!(
        update(&client, changed, None).await.unwrap().exchange.unwrap().mailbox,
        "office@example.com"
    );
    set_method(&client, AuthenticationMethod::Modern).await;
    let health = get(&client, &made.name).await.unwrap().health.unwrap();
    assert_eq!(health.problem, "Nobody has logged in to this mailbox yet.");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_changes_their_mind_while_mailboxes_are_read_leaves_no_agent_behind() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        h.exchange.add_maintenance_account("service", &password_of("service"));
        let account = create_account(&client, account(h.exchange.endpoint().as_str()), "").await.unwrap();
        let own = h.agent(&client, "anna@example.com").await;
        h.exchange.add_mailbox("bert@example.com", "bert@example.com", "x");
        let through = create(&client, agent_through(&account.name, "bert@example.com"), "").await.unwrap();
        for handled in 1..=8 {
            set_method(&client, AuthenticationMethod::Modern).await;
            let states = [get(&client, &own.name).await, get(&client, &through.name).await];
            let states = states.map(|agent| agent.unwrap().health.unwrap().state());
            assert_eq!(states, [AuthenticationRequired; 2]);
            set_method(&client, AuthenticationMethod::Basic).await;
            for (address, agent) in [("anna@example.com", &own), ("bert@example.com", &through)] {
                h.deliver(address, &Mail::new("eva@oak.example", "Re: CS-0000001"));
                // Every other time in the middle of it.
                if handled % 2 == 0 {
                    h.handled(&client, &agent.name, handled).await;
                }
            }
        }
        assert_eq!(h.notes(&client).await.len(), 16);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_came_without_a_login_can_be_changed_under_the_other_method() {
    let h = Harness::new().await;
    let client = h.seed().await;
    set_method(&client, AuthenticationMethod::Modern).await;
    let mut wanted = h.agent_for("anna@example.com");
    exchange(&mut wanted).username.clear();
    exchange(&mut wanted).password.clear();
    let made = create(&client, wanted, "").await.unwrap();
    let mut theirs = account(h.exchange.endpoint().as_str());
    theirs.username.clear();
    theirs.password.clear();
    let theirs = create_account(&client, theirs, "").await.unwrap();
    set_method(&client, AuthenticationMethod::Basic).await;
    let health = get(&client, &made.name).await.unwrap().health.unwrap();
    assert_eq!(
        health.problem,
        "No login is stored. Set exchange.username and exchange.password of this agent."
    );
    let paused = Agent {
        disabled: true,
        ..get(&client, &made.name).await.unwrap()
    };
    assert!(update(&client, paused, Some(&["*"])).await.unwrap().disabled);
    let renamed = MaintenanceAccount {
        display_name: "Berlin".to_owned(),
        ..theirs
    };
    let renamed = update_account(&client, renamed, Some(&["*"])).await.unwrap();
    assert_eq!((renamed.display_name.as_str(), renamed.username.as_str()), ("Berlin", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_outlives_the_other_method() {
    let h = Harness::new().await;
    let client = h.seed().await;
    h.exchange.add_maintenance_account("service", "another password");
    let account = create_account(&client, account(h.exchange.endpoint().as_str()), "").await.unwrap();
    h.exchange.add_mailbox("bert@example.com", "bert@example.com", "x");
    let through = create(&client, agent_through(&account.name, "bert@example.com"), "").await.unwrap();
    let problem = wait_for(&client, &through.name, AuthenticationRequired).await.problem;
    let refused = h.exchange.requests().len();
    set_method(&client, AuthenticationMethod::Modern).await;
    set_method(&client, AuthenticationMethod::Basic).await;
    let health = get(&client, &through.name).await.unwrap().health.unwrap();
    assert_eq!((health.state(), health.problem), (AuthenticationRequired, problem));
    assert_eq!(h.exchange.requests().len(), refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_do_not_change_stay_the_same() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let h = Harness::on(engine).await;
        let client = h.seed().await;
        let read = async || {
            let request = mailagent_client::v1::GetTenantSettingsRequest {};
            client.clone().settings.get_tenant_settings(request).await.unwrap().into_inner()
        };
        let before = read().await;
        assert_eq!(change_settings(&client, before.clone(), &["*"]).await.unwrap(), before);
        assert_eq!(read().await, before);
        let mut changed = before.clone();
        changed.triage_licence_count = 1;
        let changed = change_settings(&client, changed, &["*"]).await.unwrap();
        assert_ne!(changed.etag, before.etag);
        let stale = change_settings(&client, before, &["*"]).await.unwrap_err();
        assert_eq!(metadata(&stale, "resource"), "tenantSettings");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trusted_certificates_have_one_form() {
    let h = Harness::new().await;
    let client = h.client().await;
    let certificate = |host: &str, fingerprint: &str| TrustedCertificate {
        host: host.to_owned(),
        sha256_fingerprint: fingerprint.to_owned(),
    };
    let with = |certificates: Vec<TrustedCertificate>| TenantSettings {
        trusted_certificates: certificates,
        ..TenantSettings::default()
    };
    const PATH: &[&str] = &["trusted_certificates"];
    let pairs = ["AB"; 32].join(":");
    let plain = "ab".repeat(32);
    let given = vec![
        certificate("Mail.Example.com", &pairs),
        certificate("10.0.0.7", &plain),
        certificate("fd12::7", &plain),
    ];
    let changed = change_settings(&client, with(given), PATH).await.unwrap();
    let expected = ["mail.example.com", "10.0.0.7", "fd12::7"].map(|host| certificate(host, &plain));
    assert_eq!(changed.trusted_certificates, expected);
    let again = change_settings(&client, changed.clone(), PATH).await.unwrap();
    assert_eq!(again, changed, "what was read can be written back");

    let wrong = vec![
        certificate("mail.example.com", &plain[1..]),
        certificate("https://mail.example.com", &plain),
        certificate("mail.example.com:993", &"xy".repeat(32)),
        certificate("", ""),
    ];
    let refused = change_settings(&client, with(wrong), PATH).await.unwrap_err();
    let field = |index: usize, name: &str| format!("tenant_settings.trusted_certificates[{index}].{name}");
    let all = [
        field(0, "sha256_fingerprint"),
        field(1, "host"),
        field(2, "host"),
        field(2, "sha256_fingerprint"),
        field(3, "host"),
        field(3, "sha256_fingerprint"),
    ];
    assert_eq!(violations(&refused), all);
    let many = vec![certificate("mail.example.com", &plain); 101];
    let refused = change_settings(&client, with(many), PATH).await.unwrap_err();
    assert_eq!(violations(&refused), ["tenant_settings.trusted_certificates"]);
    for count in [-1, 1_000_001] {
        let settings = TenantSettings {
            triage_licence_count: count,
            ..TenantSettings::default()
        };
        let refused = change_settings(&client, settings, &["triage_licence_count"]).await.unwrap_err();
        assert_eq!(violations(&refused), ["tenant_settings.triage_licence_count"]);
    }
    let emptied = change_settings(&client, TenantSettings::default(), PATH).await.unwrap();
    assert_eq!(emptied.trusted_certificates, []);
}
