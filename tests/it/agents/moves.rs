//! What becomes of settings and passwords when the kind, the connection or the server changes.

use mailagent::testing::domain::Scope;
use mailagent_client::{
    Clients,
    v1::{
        Agent, AgentHealthState, AgentKind, AuthenticationMethod, ConnectionType, ExchangeSettings, SmtpAuthentication, SmtpSecurity,
        SmtpSettings, SweepOptions, TriageOptions,
    },
};

use super::{
    agent_through, annas_password, assert_refused, create, create_account, exchange, get, graph_agent, named, password_stored,
    set_licences, set_method, smtp, smtp_agent, update, wrong,
};
use crate::harness::{Harness, Mail, account, on_both_engines, violations};

/// The settings that an agent has, in the order in which the kinds are declared.
fn kinds(agent: &Agent) -> (bool, bool) {
    (agent.smtp.is_some(), agent.exchange.is_some())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_kind_clears_the_settings_and_the_password_of_the_one_before() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        set_licences(&client, 1).await.unwrap();
        let all_on = |settings: &mut ExchangeSettings| {
            settings.mailbox = "anna@example.com".to_owned();
            settings.triage = true;
            settings.calendar = true;
            settings.triage_options = Some(TriageOptions {
                case_reference_purge: true,
            });
        };
        let made = h.agent_with(&client, "anna@example.com", all_on).await;
        assert!(password_stored(h, &made.name).await);

        let mut as_smtp = named(&made);
        as_smtp.set_kind(AgentKind::Smtp);
        as_smtp.smtp = Some(SmtpSettings {
            host: "smtp.example.com".to_owned(),
            username: "anna".to_owned(),
            ..SmtpSettings::default()
        });
        let changed = update(&client, as_smtp.clone(), None).await.unwrap();
        assert_eq!(kinds(&changed), (true, false));
        let mut expected = as_smtp.smtp.clone().unwrap();
        expected.set_security(SmtpSecurity::Starttls);
        assert_eq!(changed.smtp, Some(expected), "and no password");
        assert!(!password_stored(h, &made.name).await);
        let health = changed.health.unwrap();
        assert_eq!(health.state(), AgentHealthState::AuthenticationRequired);
        assert!(health.problem.contains("Set smtp.password"), "{}", health.problem);

        smtp(&mut as_smtp).password = "another password".to_owned();
        update(&client, as_smtp, Some(&["smtp.password"])).await.unwrap();
        assert!(password_stored(h, &made.name).await);

        // Back: nothing of the settings of before is left.
        let mut as_ews = named(&made);
        as_ews.set_kind(AgentKind::ExchangeEws);
        as_ews.exchange = Some(ExchangeSettings {
            endpoint: h.exchange.endpoint().into(),
            username: "anna@example.com".to_owned(),
            ..ExchangeSettings::default()
        });
        let changed = update(&client, as_ews.clone(), None).await.unwrap();
        assert_eq!(kinds(&changed), (false, true));
        let mut expected = as_ews.exchange.clone().unwrap();
        expected.archive = Some(false);
        expected.set_connection_type(ConnectionType::UserCredentials);
        expected.sweep_options = Some(SweepOptions::default());
        expected.triage_options = Some(TriageOptions::default());
        assert_eq!(changed.exchange, Some(expected));
        assert!(!password_stored(h, &made.name).await);
        assert_eq!(changed.health.unwrap().state(), AgentHealthState::AuthenticationRequired);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_ews_to_graph_the_settings_stay_but_for_the_login() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let made = h
            .agent_with(&client, "anna@example.com", |settings| {
                settings.mailbox = "office@example.com".to_owned();
            })
            .await;
        set_method(&client, AuthenticationMethod::Modern).await;
        let mut wanted = named(&made);
        wanted.set_kind(AgentKind::ExchangeGraph);
        let changed = update(&client, wanted, None).await.unwrap();
        let mut expected = made.exchange.clone().unwrap();
        expected.endpoint.clear();
        expected.username.clear();
        expected.password_set = false;
        assert_eq!(
            changed.exchange,
            Some(expected),
            "mailbox, sweep, archive and options are as they were"
        );
        assert!(!password_stored(h, &made.name).await);

        let mut back = named(&made);
        back.set_kind(AgentKind::ExchangeEws);
        back.exchange = Some(ExchangeSettings {
            endpoint: h.exchange.endpoint().into(),
            ..ExchangeSettings::default()
        });
        let back = update(&client, back, None).await.unwrap();
        assert_eq!(back.exchange.as_ref().unwrap().mailbox, "office@example.com");
        assert!(!back.exchange.unwrap().password_set);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_was_read_can_be_written_back() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        set_licences(&client, 1).await.unwrap();
        let account = create_account(&client, account(h.exchange.endpoint().as_str()), "").await.unwrap();
        let full = |settings: &mut ExchangeSettings| {
            settings.mailbox = "office@example.com".to_owned();
            settings.triage = true;
            settings.calendar = true;
            settings.triage_options = Some(TriageOptions {
                case_reference_purge: true,
            });
        };
        let mut ews = h.agent_for("anna@example.com");
        ews.campaign_compatible = true;
        full(exchange(&mut ews));
        let through = agent_through(&account.name, "anna@example.com");
        let mut agents = vec![ews, through, smtp_agent()];
        let mut read = Vec::new();
        for agent in agents.drain(..) {
            read.push(create(&client, agent, "").await.unwrap());
        }
        let writer = h.client_as(crate::harness::TENANT, "bert", &[Scope::AgentWrite]).await;
        let check = async |before: &Agent| {
            let seen = get(&writer, &before.name).await.unwrap();
            update(&writer, seen, Some(&["*"])).await.unwrap();
            let after = get(&client, &before.name).await.unwrap();
            let settings = |agent: &Agent| Agent {
                health: None,
                authentication: None,
                ..agent.clone()
            };
            assert_eq!(settings(&after), settings(before), "nothing is lost, nothing changed");
        };
        for agent in &read {
            check(agent).await;
        }
        // Also under the other method, where user names may stay but not be set.
        set_method(&client, AuthenticationMethod::Modern).await;
        for agent in &read {
            check(agent).await;
        }
        check(&create(&client, graph_agent(), "").await.unwrap()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_do_not_follow_to_another_server() {
    let h = Harness::new().await;
    let client = h.seed().await;
    let ews = h.agent(&client, "anna@example.com").await;
    let mail = create(&client, smtp_agent(), "").await.unwrap();
    let other = "https://other.example.com/EWS/Exchange.asmx";
    let port = h.exchange.endpoint().port().unwrap();
    let again = |field| wrong(field, "must be entered again when the server changes");

    let endpoint = |endpoint: &str| Agent {
        exchange: Some(ExchangeSettings {
            endpoint: endpoint.to_owned(),
            ..ExchangeSettings::default()
        }),
        ..named(&ews)
    };
    let next_port = format!(
        "http://127.0.0.1:{}/EWS/Exchange.asmx",
        if port == 65535 { port - 1 } else { port + 1 }
    );
    for moved in [other, &next_port, "https://127.0.0.1/EWS/Exchange.asmx"] {
        for paths in [&["exchange.endpoint"][..], &["exchange.endpoint", "smtp.password"]] {
            let refused = update(&client, endpoint(moved), Some(paths)).await;
            assert_refused(moved, refused, again("agent.exchange.password"));
        }
    }
    // Another path at the same server is fine.
    update(&client, endpoint(&format!("http://127.0.0.1:{port}/ews/exchange.asmx")), None)
        .await
        .unwrap();

    type Change = (&'static str, fn(&mut SmtpSettings));
    let changes: [Change; 2] = [
        ("another host", |smtp| smtp.host = "other.example.com".to_owned()),
        ("another port", |smtp| smtp.port = 2526),
    ];
    for (what, change) in changes {
        let mut moved = Agent {
            smtp: Some(SmtpSettings::default()),
            ..named(&mail)
        };
        change(smtp(&mut moved));
        for paths in [&["smtp.host", "smtp.port"][..], &["smtp.host", "smtp.port", "exchange.password"]] {
            let mut whole = moved.clone();
            if whole.smtp.as_ref().unwrap().host.is_empty() {
                smtp(&mut whole).host = "smtp.example.com".to_owned();
            } else {
                smtp(&mut whole).port = 2525;
            }
            assert_refused(what, update(&client, whole, Some(paths)).await, again("agent.smtp.password"));
        }
        // With a password for the new server, or without any.
        smtp(&mut moved).password = "for the other server".to_owned();
        assert!(update(&client, moved.clone(), None).await.unwrap().smtp.unwrap().password_set);
    }
    // Upper and lower case are the same server.
    let mut same = named(&mail);
    same.smtp = Some(SmtpSettings {
        host: "OTHER.example.com".to_owned(),
        ..SmtpSettings::default()
    });
    assert!(update(&client, same, None).await.unwrap().smtp.unwrap().password_set);

    let mut erased = endpoint(other);
    exchange(&mut erased).password.clear();
    let erased = update(&client, erased, Some(&["exchange.endpoint", "exchange.password"]))
        .await
        .unwrap();
    assert!(!erased.exchange.unwrap().password_set);
    assert!(!password_stored(&h, &ews.name).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usual_port_follows_the_security_and_so_does_the_password() {
    let h = Harness::new().await;
    let client = h.seed().await;
    let mut agent = smtp_agent();
    smtp(&mut agent).port = 0;
    let made = create(&client, agent, "").await.unwrap();
    assert_eq!(made.smtp.as_ref().unwrap().port, 0);
    let mut starttls = named(&made);
    starttls.smtp = Some(SmtpSettings::default());
    smtp(&mut starttls).set_security(SmtpSecurity::Starttls);
    let refused = update(&client, starttls.clone(), None).await;
    assert_refused(
        "587 is another port than 465",
        refused,
        wrong("agent.smtp.password", "must be entered again"),
    );
    smtp(&mut starttls).port = 465;
    assert!(update(&client, starttls, None).await.unwrap().smtp.unwrap().password_set);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_nobody_uses_any_more_is_wiped() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        // SMTP without a login, or with tokens.
        for authentication in [SmtpAuthentication::None, SmtpAuthentication::Oauth] {
            let made = create(&client, smtp_agent(), "").await.unwrap();
            let mut changed = named(&made);
            changed.smtp = Some(SmtpSettings::default());
            smtp(&mut changed).set_authentication(authentication);
            let changed = update(&client, changed, Some(&["smtp.authentication", "smtp.username"]))
                .await
                .unwrap();
            assert!(!changed.smtp.unwrap().password_set, "{authentication:?}");
            assert!(!password_stored(h, &made.name).await, "{authentication:?}");
        }
        // A mailbox that a maintenance account opens from now on, and its own login again.
        let account = create_account(&client, account(h.exchange.endpoint().as_str()), "").await.unwrap();
        let made = h.agent(&client, "anna@example.com").await;
        let mut through = named(&made);
        through.exchange = Some(ExchangeSettings {
            maintenance_account: account.name.clone(),
            ..ExchangeSettings::default()
        });
        exchange(&mut through).set_connection_type(ConnectionType::MaintenanceAccount);
        let changed = update(&client, through, None).await.unwrap().exchange.unwrap();
        let facts = (
            changed.endpoint.as_str(),
            changed.password_set,
            changed.maintenance_account.as_str(),
        );
        assert_eq!(facts, ("", false, account.name.as_str()));
        assert!(!password_stored(h, &made.name).await);
        let mut own = named(&made);
        own.exchange = Some(ExchangeSettings {
            endpoint: h.exchange.endpoint().into(),
            ..ExchangeSettings::default()
        });
        exchange(&mut own).set_connection_type(ConnectionType::UserCredentials);
        let changed = update(&client, own, None).await.unwrap().exchange.unwrap();
        assert_eq!((changed.password_set, changed.maintenance_account.as_str()), (false, ""));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_erased_by_its_own_path_alone() {
    let h = Harness::new().await;
    let client = h.seed().await;
    let made = h.agent(&client, "anna@example.com").await;
    let empty = Agent {
        smtp: Some(SmtpSettings::default()),
        exchange: Some(ExchangeSettings::default()),
        ..named(&made)
    };
    let kept = update(&client, empty.clone(), Some(&["smtp.password"])).await.unwrap();
    assert!(kept.exchange.unwrap().password_set, "that of the other kind");
    let erased = update(&client, empty.clone(), Some(&["smtp.password", "exchange.password"]))
        .await
        .unwrap();
    assert!(!erased.exchange.unwrap().password_set);
    let mut both = empty;
    exchange(&mut both).password = annas_password();
    smtp(&mut both).password = "secret".to_owned();
    let refused = update(&client, both, None).await.unwrap_err();
    assert_eq!(violations(&refused), ["agent.smtp.password"]);
}

/// Delivers a message about a case to a mailbox and waits until an agent has handled it.
async fn sweep(h: &Harness, client: &Clients, agent: &str, address: &str, handled: i64) {
    h.deliver(address, &Mail::new("eva@oak.example", "Re: CS-0000001"));
    h.handled(client, agent, handled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_mailbox_is_read_from_its_beginning() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let made = h.agent(&client, "anna@example.com").await;
        sweep(h, &client, &made.name, "anna@example.com", 1).await;
        h.exchange.grant("anna@example.com", "office@example.com");
        h.deliver("office@example.com", &Mail::new("eva@oak.example", "Re: CS-0000001"));
        let mut moved = named(&made);
        moved.exchange = Some(ExchangeSettings {
            mailbox: "office@example.com".to_owned(),
            ..ExchangeSettings::default()
        });
        update(&client, moved, None).await.unwrap();
        h.handled(&client, &made.name, 2).await;
        sweep(h, &client, &made.name, "office@example.com", 3).await;
        assert_eq!(h.notes(&client).await.len(), 3);
    })
    .await;
}
