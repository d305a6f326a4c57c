//! Agents are created, read, listed, changed and deleted.

use std::time::Duration;

use mailagent::testing::domain::Scope;
use mailagent_client::v1::{
    Agent, AgentFilter, AgentHealthState, ConnectionType, ListAgentsRequest, MaintenanceAccount, TenantSettings, TriageOptions,
};
use tonic::Code;

use super::{change_settings, create, delete, exchange, get, list, update, update_account};
use crate::harness::{Harness, NOW, create_account, metadata, on_both_engines, reason, violations};

#[tokio::test(flavor = "multi_thread")]
async fn agents_are_created_read_changed_and_deleted() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let wanted = h.agent_for("anna@example.com");
        let made = h.agent(&client, "anna@example.com").await;
        let id = made.name.strip_prefix("agents/").unwrap();
        assert_eq!(id.len(), 26, "{id}");
        assert!(!made.etag.is_empty());
        assert_eq!(made.create_time.unwrap().seconds, NOW.seconds());
        assert_eq!(made.health.as_ref().unwrap().state(), AgentHealthState::Ok);
        let mut expected = wanted.clone();
        exchange(&mut expected).password.clear();
        exchange(&mut expected).password_set = true;
        exchange(&mut expected).set_connection_type(ConnectionType::UserCredentials);
        exchange(&mut expected).triage_options = Some(TriageOptions::default());
        let settings = |agent: &Agent| (agent.owner_user.clone(), agent.from_name.clone(), agent.exchange.clone());
        assert_eq!(settings(&made), settings(&expected));
        assert_eq!(settings(&get(&client, &made.name).await.unwrap()), settings(&expected));

        h.clock.advance(Duration::from_secs(5));
        let change = Agent {
            name: made.name.clone(),
            from_name: "Anna B.".to_owned(),
            disabled: true,
            etag: made.etag.clone(),
            ..Agent::default()
        };
        let changed = update(&client, change.clone(), Some(&["from_name", "disabled"])).await.unwrap();
        assert_eq!(changed.from_name, "Anna B.");
        assert_eq!(changed.exchange, made.exchange, "the rest stays");
        assert_eq!(changed.create_time, made.create_time);
        assert_eq!(changed.update_time.unwrap().seconds, NOW.seconds() + 5);
        assert_eq!(changed.health.as_ref().unwrap().state(), AgentHealthState::Disabled);

        let stale = update(&client, change, Some(&["from_name"])).await.unwrap_err();
        assert_eq!((stale.code(), reason(&stale).as_str()), (Code::Aborted, "ETAG_MISMATCH"));
        assert_eq!(metadata(&stale, "resource"), made.name);
        assert_eq!(delete(&client, &made.name, &made.etag).await.unwrap_err().code(), Code::Aborted);
        delete(&client, &made.name, &changed.etag).await.unwrap();
        let gone = get(&client, &made.name).await.unwrap_err();
        assert_eq!((gone.code(), reason(&gone).as_str()), (Code::NotFound, "RESOURCE_NOT_FOUND"));
        assert_eq!(delete(&client, &made.name, "").await.unwrap_err().code(), Code::NotFound);
        assert_eq!(list(&client, 0, None).await.0, Vec::<String>::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_returns_the_first_result() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let wanted = h.agent_for("anna@example.com");
        let first = create(&client, wanted.clone(), "request-1").await.unwrap();
        assert_eq!(create(&client, wanted.clone(), "request-1").await.unwrap().name, first.name);

        let mut other_password = wanted.clone();
        exchange(&mut other_password).password.push('x');
        let mut other_name = wanted.clone();
        other_name.from_name.push('x');
        for other in [other_password, other_name] {
            let refused = create(&client, other, "request-1").await.unwrap_err();
            assert_eq!(
                (refused.code(), reason(&refused).as_str()),
                (Code::AlreadyExists, "REQUEST_ID_REUSED")
            );
            assert_eq!(metadata(&refused, "requestId"), "request-1");
        }
        h.restart().await;
        let client = h.client().await;
        assert_eq!(create(&client, wanted.clone(), "request-1").await.unwrap().name, first.name);
        // Ids of different runs of the service are in order only when time has gone by.
        h.clock.advance(Duration::from_secs(1));
        let second = create(&client, wanted, "request-2").await.unwrap();
        assert_ne!(second.name, first.name);
        assert_eq!(list(&client, 0, None).await.0, [first.name, second.name]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_repeats_make_one_agent() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let wanted = h.agent_for("anna@example.com");
        let calls = (0..6).map(|_| create(&client, wanted.clone(), "same"));
        let mut made = 0;
        for result in futures::future::join_all(calls).await {
            match result {
                Ok(_) => made += 1,
                // One that came in the middle of another is told to come again.
                Err(error) => assert_eq!(error.code(), Code::Aborted, "{error:?}"),
            }
        }
        assert!(made > 0);
        assert_eq!(list(&client, 0, None).await.0.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn masks_choose_what_changes() {
    let h = Harness::new().await;
    let client = h.seed().await;
    let made = h
        .agent_with(&client, "anna@example.com", |settings| {
            settings.mailbox = "shared@example.com".to_owned();
        })
        .await;
    let named = |change: &dyn Fn(&mut Agent)| {
        let mut agent = Agent {
            name: made.name.clone(),
            ..Agent::default()
        };
        change(&mut agent);
        agent
    };
    // Absent: what has a value.
    let changed = update(&client, named(&|agent| agent.from_name = "New".to_owned()), None)
        .await
        .unwrap();
    assert_eq!(
        (changed.from_name.as_str(), changed.exchange.clone()),
        ("New", made.exchange.clone())
    );
    // A path: also to nothing.
    let changed = update(&client, named(&|_| ()), Some(&["exchange.mailbox"])).await.unwrap();
    assert_eq!(changed.exchange.as_ref().unwrap().mailbox, "");
    assert_eq!(changed.exchange.as_ref().unwrap().username, "anna@example.com");
    // `*`: all, so what is required must be there.
    let refused = update(&client, named(&|agent| agent.from_name = "All".to_owned()), Some(&["*"]))
        .await
        .unwrap_err();
    let required = [
        // It is kept, but not for any server but its own.
        "agent.exchange.password",
        "agent.exchange.username",
        "agent.from_address",
        "agent.kind",
        "agent.owner_user",
    ];
    assert_eq!(violations(&refused), required);
    // `*` with what was read: nothing is lost, not even what cannot be read.
    let read = get(&client, &made.name).await.unwrap();
    let changed = update(&client, read.clone(), Some(&["*"])).await.unwrap();
    assert_eq!(changed.exchange, read.exchange);
    assert!(changed.exchange.as_ref().unwrap().password_set);
    // Output-only paths change nothing; unknown ones are named, all of them.
    update(&client, named(&|_| ()), Some(&["health", "create_time"])).await.unwrap();
    let refused = update(&client, named(&|_| ()), Some(&["from_title", "exchange.colour"]))
        .await
        .unwrap_err();
    assert_eq!(violations(&refused), ["update_mask", "update_mask"]);
    assert!(format!("{refused:?}").contains("from_title"), "{refused:?}");
    // Without a mask `false` is as good as absent: answered with OK, it would be taken for done.
    let paused = update(&client, named(&|agent| agent.disabled = true), None).await.unwrap();
    for mask in [None, Some(&[][..])] {
        let refused = update(&client, named(&|agent| agent.disabled = false), mask).await.unwrap_err();
        assert_eq!(violations(&refused), ["update_mask"]);
        assert!(refused.message().contains("Name in it the fields to set"), "{refused:?}");
    }
    assert_eq!(get(&client, &made.name).await.unwrap(), paused);
    assert!(!update(&client, named(&|_| ()), Some(&["disabled"])).await.unwrap().disabled);
    let account = create_account(&client, crate::harness::account(h.exchange.endpoint().as_str()), "")
        .await
        .unwrap();
    let nothing = MaintenanceAccount {
        name: account.name,
        ..MaintenanceAccount::default()
    };
    assert_eq!(
        violations(&update_account(&client, nothing, None).await.unwrap_err()),
        ["update_mask"]
    );
    let refused = change_settings(&client, TenantSettings::default(), &[]).await.unwrap_err();
    assert_eq!(violations(&refused), ["update_mask"]);
    // The password: erased by its own path only.
    let erased = update(&client, named(&|_| ()), Some(&["exchange.password"])).await.unwrap();
    assert!(!erased.exchange.as_ref().unwrap().password_set);
    // A name of another form.
    let refused = update(&client, Agent::default(), Some(&["from_name"])).await.unwrap_err();
    assert_eq!(violations(&refused), ["agent.name"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_have_pages_and_filters() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let mut names = Vec::new();
        for index in 0..5 {
            let mut agent = h.agent_for(if index % 2 == 0 { "anna@example.com" } else { "bert@example.com" });
            agent.disabled = index == 4;
            names.push(create(&client, agent, "").await.unwrap().name);
        }
        let of = |indices: &[usize]| indices.iter().map(|index| names[*index].clone()).collect::<Vec<_>>();
        let filter = |owner: &str, state: AgentHealthState| AgentFilter {
            owner_user: owner.to_owned(),
            health_state: state.into(),
            ..AgentFilter::default()
        };
        assert_eq!(list(&client, 2, None).await.0, names);
        assert_eq!(list(&client, 0, None).await, (names.clone(), 1));
        assert_eq!(list(&client, 100_000, None).await, (names.clone(), 1));
        let any = AgentHealthState::Unspecified;
        assert_eq!(list(&client, 1, Some(filter("users/anna", any))).await.0, of(&[0, 2, 4]));
        assert_eq!(list(&client, 1, Some(filter("", AgentHealthState::Disabled))).await.0, of(&[4]));
        assert_eq!(
            list(&client, 1, Some(filter("users/bert", AgentHealthState::Disabled))).await.0,
            of(&[])
        );

        let request = |page_size: i32, page_token: &str, filter: Option<AgentFilter>| ListAgentsRequest {
            page_size,
            page_token: page_token.to_owned(),
            filter,
        };
        let page = client.clone().agents.list_agents(request(2, "", None)).await.unwrap().into_inner();
        let other = h.client_as("other", "anna", Scope::ALL).await;
        let refused = [
            (
                client.clone(),
                request(2, &page.next_page_token, Some(filter("users/anna", any))),
                "another filter",
            ),
            (other, request(2, &page.next_page_token, None), "another tenant"),
            (client.clone(), request(2, "rubbish", None), "no token"),
        ];
        for (client, request, what) in refused {
            let status = client.clone().agents.list_agents(request).await.unwrap_err();
            assert_eq!(
                (status.code(), reason(&status).as_str()),
                (Code::InvalidArgument, "PAGE_TOKEN_INVALID"),
                "{what}"
            );
        }
        let negative = client.clone().agents.list_agents(request(-1, "", None)).await.unwrap_err();
        assert_eq!(violations(&negative), ["page_size"]);
    })
    .await;
}
