//! Several agents connect through one maintenance account: its password is changed once for all of them, and a refused login is not tried
//! again and again.

use std::time::Duration;

use mailagent_client::{
    Clients,
    v1::{Agent, AgentFilter, AgentHealthState, ExchangeSettings, MaintenanceAccount},
};

use super::{
    add_users, agent_through, create, create_account, get, list,
    maintenance::{get_account, named},
    password_stored, update, update_account, wait_for,
};
use crate::harness::{Harness, Mail, account, on_both_engines, password_of};

const ADDRESSES: [&str; 3] = ["anna@example.com", "bert@example.com", "carl@example.com"];

/// Three mailboxes with their agents, which connect through one account.
async fn service(h: &Harness) -> (Clients, MaintenanceAccount, Vec<Agent>) {
    let client = h.seed().await;
    add_users(&client, &["carl"]).await;
    h.exchange.add_maintenance_account("service", &password_of("service"));
    let account = create_account(&client, account(h.exchange.endpoint().as_str()), "").await.unwrap();
    let mut agents = Vec::new();
    for address in ADDRESSES {
        h.exchange.add_mailbox(address, address, &password_of(address));
        agents.push(create(&client, agent_through(&account.name, address), "").await.unwrap());
    }
    (client, account, agents)
}

/// Delivers a message to each mailbox and waits until all agents have handled so many.
async fn all_read(h: &Harness, client: &Clients, agents: &[Agent], handled: i64) {
    for address in ADDRESSES {
        h.deliver(address, &Mail::new("eva@oak.example", "Re: CS-0000001"));
    }
    for agent in agents {
        h.handled(client, &agent.name, handled).await;
    }
}

/// Waits until all agents wait for a login, and checks what they say.
async fn all_wait(client: &Clients, agents: &[Agent]) {
    for agent in agents {
        let health = wait_for(client, &agent.name, AgentHealthState::AuthenticationRequired).await;
        let words = "The login of the maintenance account Service was rejected. ";
        assert!(health.problem.starts_with(words), "{health:?}");
        assert!(health.problem.len() > words.len() + 10, "{health:?}");
        assert!(health.problem_time.is_some() && health.retry_time.is_none(), "{health:?}");
    }
    let account = get_account(client, &agents[0].exchange.as_ref().unwrap().maintenance_account)
        .await
        .unwrap();
    assert_eq!(account.problem, get(client, &agents[0].name).await.unwrap().health.unwrap().problem);
}

/// Logins that the server refused so far.
fn refused(h: &Harness) -> usize {
    h.exchange.requests().iter().filter(|request| request.status == Some(401)).count()
}

fn with_password(account: &MaintenanceAccount, password: &str) -> MaintenanceAccount {
    MaintenanceAccount {
        password: password.to_owned(),
        ..named(account)
    }
}

/// Another mailbox with a login of its own shows that the service has had the time to look at everything.
async fn time_passes(h: &Harness, client: &Clients, address: &str) {
    add_users(client, &[address.split('@').next().unwrap()]).await;
    let witness = h.agent(client, address).await;
    for handled in 1..=2 {
        h.clock.advance(Duration::from_hours(24));
        h.deliver(address, &Mail::new("eva@oak.example", "Re: CS-0000001"));
        h.handled(client, &witness.name, handled).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_agents_read_by_one_login_whose_password_is_changed_once() {
    on_both_engines(async |h| {
        let (client, account, agents) = service(h).await;
        all_read(h, &client, &agents, 1).await;
        let read: Vec<_> = h
            .exchange
            .requests()
            .into_iter()
            .filter(|request| request.mailbox.is_some())
            .collect();
        assert!(read.iter().all(|request| request.login == "service"), "{read:#?}");
        for (address, agent) in ADDRESSES.iter().zip(&agents) {
            assert!(read.iter().any(|request| request.mailbox.as_deref() == Some(address)), "{address}");
            assert!(!agent.exchange.as_ref().unwrap().password_set && !password_stored(h, &agent.name).await);
        }
        let seen = get_account(&client, &account.name).await.unwrap();
        assert_eq!((seen.agent_count, seen.problem.as_str()), (3, ""));
        let through = AgentFilter {
            maintenance_account: account.name.clone(),
            ..AgentFilter::default()
        };
        assert_eq!(list(&client, 0, Some(through)).await.0.len(), 3);

        // The password is changed at the server: each agent finds out at most once, and nobody tries again.
        h.exchange.set_password("service", "new");
        all_wait(&client, &agents).await;
        let tried = refused(h);
        assert!((1..=3).contains(&tried), "{tried} logins were refused");
        h.restart().await;
        let client = h.client().await;
        time_passes(h, &client, "dora@example.com").await;
        assert_eq!(refused(h), tried, "neither time nor a restart makes anybody try again");
        all_wait(&client, &agents).await;

        let changed = update_account(&client, with_password(&account, "new"), None).await.unwrap();
        assert_eq!(changed.problem, "");
        assert_eq!(changed.agent_count, 3);
        all_read(h, &client, &agents, 2).await;
        assert_eq!(refused(h), tried);
        let notes = h.notes(&client).await;
        assert_eq!(notes.len(), 3 * 2 + 2, "every message once");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_costs_one_login_however_many_agents_use_it() {
    on_both_engines(async |h| {
        let (client, account, agents) = service(h).await;
        all_read(h, &client, &agents, 1).await;
        for wrong in ["wrong", "wrong again"] {
            h.exchange.clear_requests();
            update_account(&client, with_password(&account, wrong), None).await.unwrap();
            all_wait(&client, &agents).await;
            assert_eq!(refused(h), 1, "{wrong}");
        }
        // An agent that comes now does not try it either, and says why.
        add_users(&client, &["emil"]).await;
        h.exchange.add_mailbox("emil@example.com", "emil@example.com", "x");
        let late = create(&client, agent_through(&account.name, "emil@example.com"), "").await.unwrap();
        let problem = late.health.unwrap().problem;
        assert_eq!(problem, get_account(&client, &account.name).await.unwrap().problem);
        time_passes(h, &client, "dora@example.com").await;
        assert_eq!(refused(h), 1);
        // No login at all.
        let erased = update_account(&client, with_password(&account, ""), Some(&["password"]))
            .await
            .unwrap();
        assert_eq!(erased.problem, "");
        let health = get(&client, &agents[0].name).await.unwrap().health.unwrap();
        assert_eq!(
            health.problem,
            "The maintenance account Service has no login. Set its username and password."
        );
        update_account(&client, with_password(&account, &password_of("service")), None)
            .await
            .unwrap();
        all_read(h, &client, &agents, 2).await;
        h.handled(&client, &late.name, 0).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_password_counts_however_fast_it_is_corrected() {
    on_both_engines(async |h| {
        let (client, account, agents) = service(h).await;
        let own = h.agent_with(&client, "dora@example.com", |settings| settings.archive = Some(false));
        add_users(&client, &["dora"]).await;
        let own = own.await;
        let own_password = |password: String| Agent {
            exchange: Some(ExchangeSettings {
                password,
                ..ExchangeSettings::default()
            }),
            ..super::named(&own)
        };
        for handled in 1..=6 {
            update_account(&client, with_password(&account, "wrong"), None).await.unwrap();
            update(&client, own_password("wrong".to_owned()), None).await.unwrap();
            if handled % 2 == 0 {
                all_wait(&client, &agents).await;
                wait_for(&client, &own.name, AgentHealthState::AuthenticationRequired).await;
            }
            update(&client, own_password(password_of("dora@example.com")), None).await.unwrap();
            update_account(&client, with_password(&account, &password_of("service")), None)
                .await
                .unwrap();
            all_read(h, &client, &agents, handled).await;
            h.deliver("dora@example.com", &Mail::new("eva@oak.example", "Re: CS-0000001"));
            h.handled(&client, &own.name, handled).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_was_mended_at_the_server_is_tried_when_it_is_saved_again() {
    let h = Harness::new().await;
    let (client, account, agents) = service(&h).await;
    all_read(&h, &client, &agents, 1).await;
    h.exchange.set_password("service", "locked");
    all_wait(&client, &agents).await;
    h.exchange.set_password("service", &password_of("service"));
    let before = get_account(&client, &account.name).await.unwrap();
    let saved = update_account(&client, before.clone(), Some(&["*"])).await.unwrap();
    let expected = MaintenanceAccount {
        problem: String::new(),
        ..before
    };
    assert_eq!(saved, expected, "nothing else has changed");
    all_read(&h, &client, &agents, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_may_not_act_for_one_mailbox_stops_no_other() {
    let h = Harness::new().await;
    let (client, account, agents) = service(&h).await;
    add_users(&client, &["nemo"]).await;
    let lost = create(&client, agent_through(&account.name, "nemo@example.com"), "").await.unwrap();
    let health = wait_for(&client, &lost.name, AgentHealthState::Degraded).await;
    assert!(!health.problem.is_empty());
    all_read(&h, &client, &agents, 1).await;
    assert_eq!(get_account(&client, &account.name).await.unwrap().problem, "");
}
