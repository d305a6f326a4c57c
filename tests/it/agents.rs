//! AgentService: settings of mailboxes, who may see and change them, and that passwords stay secret.

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use mailagent::domain::Scope;
use mailagent_client::{
    Clients,
    v1::{
        Agent, AgentFilter, AgentHealthState, AgentKind, ConnectionType, CreateAgentRequest, DeleteAgentRequest, ExchangeSettings,
        GetAgentRequest, ListAgentsRequest, SweepOptions, TenantSettings, TriageOptions, UpdateAgentRequest,
    },
};
use prost_types::FieldMask;
use tonic::{Code, Status};

use crate::harness::{Choices, Engine, Harness, NOW, TENANT, metadata, on_both_engines, reason, violations};

async fn create(client: &Clients, agent: Agent, request_id: &str) -> Result<Agent, Status> {
    let request = CreateAgentRequest {
        agent: Some(agent),
        request_id: request_id.to_owned(),
    };
    Ok(client.clone().agents.create_agent(request).await?.into_inner())
}

async fn get(client: &Clients, name: &str) -> Result<Agent, Status> {
    let request = GetAgentRequest { name: name.to_owned() };
    Ok(client.clone().agents.get_agent(request).await?.into_inner())
}

async fn update(client: &Clients, agent: Agent, paths: Option<&[&str]>) -> Result<Agent, Status> {
    let request = UpdateAgentRequest {
        agent: Some(agent),
        update_mask: paths.map(|paths| FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }),
    };
    Ok(client.clone().agents.update_agent(request).await?.into_inner())
}

async fn delete(client: &Clients, name: &str, etag: &str) -> Result<(), Status> {
    let request = DeleteAgentRequest {
        name: name.to_owned(),
        etag: etag.to_owned(),
    };
    client.clone().agents.delete_agent(request).await.map(|_| ())
}

/// Names of all agents of a list, and how many pages it had.
async fn list(client: &Clients, page_size: i32, filter: Option<AgentFilter>) -> (Vec<String>, usize) {
    let (mut names, mut pages) = (Vec::new(), 0);
    let mut request = ListAgentsRequest {
        page_size,
        page_token: String::new(),
        filter,
    };
    loop {
        let page = client.clone().agents.list_agents(request.clone()).await.unwrap().into_inner();
        pages += 1;
        names.extend(page.agents.into_iter().map(|agent| agent.name));
        if page.next_page_token.is_empty() {
            return (names, pages);
        }
        request.page_token = page.next_page_token;
    }
}

fn exchange(agent: &mut Agent) -> &mut ExchangeSettings {
    agent.exchange.as_mut().expect("it has Exchange settings")
}

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
async fn every_violation_is_told_at_once() {
    let h = Harness::new().await;
    let client = h.seed().await;
    let wrong = Agent {
        name: "agents/mine".to_owned(),
        owner_user: "anna".to_owned(),
        kind: AgentKind::Unspecified.into(),
        from_name: "Anna\r\nBcc: all@example.com".to_owned(),
        from_address: "anna".to_owned(),
        exchange: Some(ExchangeSettings {
            endpoint: "ftp://mail.example.com".to_owned(),
            mailbox: "two words".to_owned(),
            username: "a:b".to_owned(),
            password: "p".repeat(1025),
            ..ExchangeSettings::default()
        }),
        ..Agent::default()
    };
    let all = [
        "agent.exchange.endpoint",
        "agent.exchange.mailbox",
        "agent.exchange.password",
        "agent.exchange.username",
        "agent.from_address",
        "agent.from_name",
        "agent.kind",
        "agent.name",
        "agent.owner_user",
        "request_id",
    ];
    let refused = create(&client, wrong, "with space").await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::InvalidArgument, "FIELDS_INVALID")
    );
    assert_eq!(violations(&refused), all);
    let refused = create(&client, Agent::default(), "").await.unwrap_err();
    let required = [
        "agent.exchange.endpoint",
        "agent.exchange.username",
        "agent.from_address",
        "agent.from_name",
        "agent.kind",
        "agent.owner_user",
    ];
    assert_eq!(violations(&refused), required);
    let mut unknown_owner = h.agent_for("anna@example.com");
    unknown_owner.owner_user = "users/nobody".to_owned();
    let refused = create(&client, unknown_owner, "").await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    assert_eq!(metadata(&refused, "field"), "agent.owner_user");
    assert_eq!(metadata(&refused, "resource"), "users/nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_are_plain_https_urls() {
    let mut choices = Choices::of(Engine::Sqlite);
    choices.configure = Box::new(|config| config.exchange.allow_http = false);
    let h = Harness::with(choices).await;
    let client = h.seed().await;
    let check = async |endpoint: &str, fine: bool| {
        let mut agent = h.agent_for("anna@example.com");
        endpoint.clone_into(&mut exchange(&mut agent).endpoint);
        match create(&client, agent, "").await {
            Ok(agent) => {
                assert!(fine, "{endpoint} is taken");
                delete(&client, &agent.name, "").await.unwrap();
            }
            Err(refused) => {
                assert!(!fine, "{endpoint}: {refused:?}");
                assert_eq!(violations(&refused), ["agent.exchange.endpoint"], "{endpoint}");
            }
        }
    };
    check("https://mail.example.com/EWS/Exchange.asmx", true).await;
    check("https://10.0.0.7:8443/EWS/Exchange.asmx", false).await;
    check("https://169.254.169.254/EWS/Exchange.asmx", false).await;
    check("https://0x7f.1/EWS/Exchange.asmx", true).await;
    let private = TenantSettings {
        allow_private_networks: true,
        ..TenantSettings::default()
    };
    h.change_settings(&client, private).await;
    check("https://10.0.0.7:8443/EWS/Exchange.asmx", true).await;
    check("http://mail.example.com/EWS/Exchange.asmx", false).await;
    check("ftp://mail.example.com/EWS/Exchange.asmx", false).await;
    check("https://anna@mail.example.com/EWS/Exchange.asmx", false).await;
    check("https://anna:secret@mail.example.com/EWS/Exchange.asmx", false).await;
    check("https://mail.example.com/EWS/Exchange.asmx?x=1", false).await;
    check("https://mail.example.com/EWS/Exchange.asmx#x", false).await;
    check("mail.example.com", false).await;
    check("https://", false).await;
    check("", false).await;
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
            settings.mailbox = "shared@example.com".to_owned()
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
        "agent.exchange.endpoint",
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
    let refused = update(&client, named(&|_| ()), Some(&["from_nam", "exchange.colour"]))
        .await
        .unwrap_err();
    assert_eq!(violations(&refused), ["update_mask", "update_mask"]);
    assert!(format!("{refused:?}").contains("from_nam"), "{refused:?}");
    // The password: erased by its own path only.
    let erased = update(&client, named(&|_| ()), Some(&["exchange.password"])).await.unwrap();
    assert!(!erased.exchange.as_ref().unwrap().password_set);
    // A name of another form.
    let refused = update(&client, Agent::default(), Some(&["from_name"])).await.unwrap_err();
    assert_eq!(violations(&refused), ["agent.name"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_does_not_follow_to_another_server() {
    let h = Harness::new().await;
    let client = h.seed().await;
    let made = h.agent(&client, "anna@example.com").await;
    let mut moved = Agent {
        name: made.name.clone(),
        exchange: Some(ExchangeSettings {
            endpoint: "https://other.example.com/EWS/Exchange.asmx".to_owned(),
            ..ExchangeSettings::default()
        }),
        ..Agent::default()
    };
    let refused = update(&client, moved.clone(), Some(&["exchange.endpoint"])).await.unwrap_err();
    assert_eq!(violations(&refused), ["agent.exchange.password"]);
    exchange(&mut moved).password = "for the other server".to_owned();
    let changed = update(&client, moved, Some(&["exchange.endpoint", "exchange.password"]))
        .await
        .unwrap();
    assert_eq!(changed.exchange.unwrap().endpoint, "https://other.example.com/EWS/Exchange.asmx");
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

#[tokio::test(flavor = "multi_thread")]
async fn owners_see_and_change_their_own_agents_only() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let annas = h.agent(&client, "anna@example.com").await;
        let berts = h.agent(&client, "bert@example.com").await;
        let anna = h.client_as(TENANT, "anna", &[Scope::AgentRead, Scope::AgentUse]).await;
        assert_eq!(get(&anna, &annas.name).await.unwrap().name, annas.name);
        assert_eq!(list(&anna, 0, None).await.0, std::slice::from_ref(&annas.name));
        let of_bert = AgentFilter {
            owner_user: "users/bert".to_owned(),
            ..AgentFilter::default()
        };
        assert_eq!(list(&anna, 0, Some(of_bert)).await.0, Vec::<String>::new());
        let change = |name: &str, owner: &str| Agent {
            name: name.to_owned(),
            from_name: "Changed".to_owned(),
            owner_user: owner.to_owned(),
            ..Agent::default()
        };
        assert_eq!(get(&anna, &berts.name).await.unwrap_err().code(), Code::NotFound);
        assert_eq!(
            update(&anna, change(&berts.name, ""), None).await.unwrap_err().code(),
            Code::NotFound
        );
        assert_eq!(delete(&anna, &berts.name, "").await.unwrap_err().code(), Code::NotFound);
        update(&anna, change(&annas.name, ""), None).await.unwrap();
        let given_away = update(&anna, change(&annas.name, "users/bert"), None).await.unwrap_err();
        assert_eq!(
            (given_away.code(), metadata(&given_away, "scope").as_str()),
            (Code::PermissionDenied, "agent.write")
        );

        let mut for_bert = h.agent_for("bert@example.com");
        exchange(&mut for_bert).archive = None;
        let refused = create(&anna, for_bert.clone(), "").await.unwrap_err();
        assert_eq!(
            (refused.code(), metadata(&refused, "scope").as_str()),
            (Code::PermissionDenied, "agent.write")
        );
        let mut own = h.agent_for("anna@example.com");
        exchange(&mut own).archive = None;
        let own = create(&anna, own, "").await.unwrap();
        delete(&anna, &own.name, &own.etag).await.unwrap();

        // Who may only read changes nothing.
        let reader = h.client_as(TENANT, "anna", &[Scope::AgentRead]).await;
        assert_eq!(delete(&reader, &annas.name, "").await.unwrap_err().code(), Code::PermissionDenied);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archive_field_needs_its_scope() {
    let h = Harness::new().await;
    let client = h.seed().await;
    let made = h.agent(&client, "anna@example.com").await;
    let writer = h.client_as(TENANT, "anna", &[Scope::AgentRead, Scope::AgentWrite]).await;
    let seen = get(&writer, &made.name).await.unwrap();
    assert_eq!(seen.exchange.as_ref().unwrap().archive, None, "not even seen");
    // Writing back what was read keeps it.
    update(&writer, seen.clone(), Some(&["*"])).await.unwrap();
    assert_eq!(get(&client, &made.name).await.unwrap().exchange.unwrap().archive, Some(true));
    let mut set = seen;
    set.etag.clear();
    for value in [true, false] {
        exchange(&mut set).archive = Some(value);
        for paths in [None, Some(&["exchange.archive"][..]), Some(&["*"][..])] {
            let refused = update(&writer, set.clone(), paths).await.unwrap_err();
            assert_eq!(
                (refused.code(), metadata(&refused, "scope").as_str()),
                (Code::PermissionDenied, "archive.configure")
            );
        }
    }
    let refused = create(&writer, h.agent_for("anna@example.com"), "").await.unwrap_err();
    assert_eq!(metadata(&refused, "scope"), "archive.configure");
}

#[tokio::test(flavor = "multi_thread")]
async fn options_need_the_sweep() {
    let h = Harness::new().await;
    let client = h.seed().await;
    let mut agent = h.agent_for("anna@example.com");
    exchange(&mut agent).case_sweep = false;
    let refused = create(&client, agent.clone(), "").await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::FailedPrecondition, "OPTION_NEEDS_ANOTHER")
    );
    assert_eq!(metadata(&refused, "needs"), "agent.exchange.case_sweep");
    exchange(&mut agent).sweep_options = Some(SweepOptions::default());
    create(&client, agent, "").await.unwrap();
}

/// What the service logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

// One thread, so that the log of this test is the log of this service.
#[tokio::test]
async fn passwords_are_nowhere_in_clear() {
    const PASSWORD: &str = "Kraut-und-Rueben-4711";
    const WRONG: &str = "Rueben-und-Kraut-1174";
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("mailagent=trace,info")
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut h = Harness::new().await;
    let client = h.seed().await;
    h.exchange.add_mailbox("anna@example.com", "anna@example.com", PASSWORD);
    let mut agent = h.agent_for("anna@example.com");
    exchange(&mut agent).password = PASSWORD.to_owned();
    let made = create(&client, agent.clone(), "request").await.unwrap();
    let mut said = format!("{made:?}{:?}", get(&client, &made.name).await.unwrap());
    // Faults of every kind, with a password in the request.
    exchange(&mut agent).password = WRONG.to_owned();
    agent.from_address = "not an address".to_owned();
    said += &format!("{:?}", create(&client, agent.clone(), "").await.unwrap_err());
    agent.from_address = "anna@example.com".to_owned();
    said += &format!("{:?}", create(&client, agent.clone(), "request").await.unwrap_err());
    let wrong = create(&client, agent, "").await.unwrap();
    let health = crate::harness::eventually(crate::harness::PATIENCE, "the login is refused", async || {
        let health = get(&client, &wrong.name).await.unwrap().health.unwrap();
        if health.problem.is_empty() { Err(health) } else { Ok(health) }
    })
    .await;
    assert_eq!(health.state(), AgentHealthState::AuthenticationRequired);
    said += &format!("{health:?}");
    h.stop().await;

    let mut places = vec![
        ("the answers".to_owned(), said.into_bytes()),
        ("the log".to_owned(), log.0.lock().unwrap().clone()),
    ];
    let mut folders = vec![h.folder().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                places.push((path.display().to_string(), std::fs::read(&path).unwrap()));
            }
        }
    }
    assert!(places.iter().any(|(name, _)| name.ends_with(".db")), "the database was looked at");
    assert!(places[1].1.len() > 100, "something was logged");
    for (place, bytes) in places {
        for secret in [PASSWORD, WRONG] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "a password stands in {place}");
        }
    }
}
