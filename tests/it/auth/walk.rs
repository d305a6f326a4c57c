//! Every method of the service is called by who may not.

use std::{collections::BTreeMap, time::Duration};

use mailagent::testing::{api::DESCRIPTORS, app::open_issuer, domain::Scope};
use mailagent_client::v1;
use prost::Message;
use prost_types::FileDescriptorSet;
use reqwest::header::HeaderMap;
use tonic::Code;

use super::{
    rows::{
        Foreign::{NotFound, Nothing, Own, Refused},
        Theirs, rows,
    },
    settings_of,
};
use crate::harness::{Choices, Engine, Harness, Mail, TENANT, account, frame, metadata, reason};

/// Every method of the product, with whether it streams its answer.
fn methods() -> BTreeMap<String, bool> {
    let mut methods = BTreeMap::new();
    for file in FileDescriptorSet::decode(DESCRIPTORS).unwrap().file {
        for service in file.service.iter().filter(|_| file.package() == "mailagent.v1") {
            for method in &service.method {
                methods.insert(format!("{}/{}", service.name(), method.name()), method.server_streaming());
            }
        }
    }
    methods
}

async fn fill(h: &Harness) -> Theirs {
    let mut client = h.seed().await;
    let agent = h.agent(&client, "anna@example.com").await.name;
    let (_, outcome) = h.sweep_one(&client, &Mail::new("eva@oak.example", "CS-0000001")).await;
    let cursor = "LATEST".to_owned();
    let request = v1::WatchMatchesRequest {
        cursor: cursor.clone(),
        filter: None,
    };
    let matches = client
        .sweep
        .watch_matches(request)
        .await
        .unwrap()
        .into_inner()
        .message()
        .await
        .unwrap()
        .unwrap()
        .cursor;
    let request = v1::WatchTokensRequest {
        cursor: cursor.clone(),
        filter: None,
    };
    let watch = client.agents.watch_tokens(request).await.unwrap();
    let tokens = watch.into_inner().message().await.unwrap().unwrap().cursor;
    let request = v1::StreamMessagesRequest {
        cursor: cursor.clone(),
        filter: None,
    };
    let messages = client
        .archive
        .stream_messages(request)
        .await
        .unwrap()
        .into_inner()
        .message()
        .await
        .unwrap()
        .unwrap()
        .cursor;
    let request = v1::WatchChangesRequest { cursor };
    let changes = client
        .directory
        .watch_changes(request)
        .await
        .unwrap()
        .into_inner()
        .message()
        .await
        .unwrap()
        .unwrap()
        .cursor;
    let request = v1::CreateMaintenanceAccountRequest {
        maintenance_account: Some(account(h.exchange.endpoint().as_str())),
        ..Default::default()
    };
    let account = client.agents.create_maintenance_account(request).await.unwrap().into_inner().name;
    // The preset knows Microsoft's page, so nothing is called.
    let sender = v1::Agent {
        owner_user: "users/anna".to_owned(),
        kind: v1::AgentKind::Smtp.into(),
        from_name: "Anna".to_owned(),
        from_address: "anna@example.com".to_owned(),
        smtp: Some(v1::SmtpSettings {
            host: "smtp.office365.com".to_owned(),
            authentication: v1::SmtpAuthentication::Oauth.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let request = v1::CreateAgentRequest {
        agent: Some(sender),
        ..Default::default()
    };
    let sender = client.agents.create_agent(request).await.unwrap().into_inner().name;
    let request = v1::BeginLoginRequest {
        name: sender,
        ..Default::default()
    };
    let page = client.agents.begin_login(request).await.unwrap().into_inner().authorization_url;
    let page = reqwest::Url::parse(&page).unwrap();
    let login_state = page.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    Theirs {
        login_state,
        tokens,
        agent,
        account,
        outcome: outcome.name,
        note: outcome.note,
        message: outcome.message,
        matches,
        changes,
        messages,
    }
}

/// Everything that the first tenant has and callers can read.
async fn everything(h: &Harness) -> String {
    let mut client = h.client().await;
    let mut all = String::new();
    all += &format!("{:?}", h.outcomes(&client).await);
    all += &format!("{:?}", h.notes(&client).await);
    all += &format!(
        "{:?}",
        client
            .archive
            .list_messages(v1::ListMessagesRequest::default())
            .await
            .unwrap()
            .into_inner()
    );
    all += &format!(
        "{:?}",
        client
            .directory
            .list_users(v1::ListUsersRequest::default())
            .await
            .unwrap()
            .into_inner()
    );
    all += &format!(
        "{:?}",
        client
            .directory
            .list_customers(v1::ListCustomersRequest::default())
            .await
            .unwrap()
            .into_inner()
    );
    all += &format!(
        "{:?}",
        client
            .directory
            .list_contacts(v1::ListContactsRequest::default())
            .await
            .unwrap()
            .into_inner()
    );
    all += &format!(
        "{:?}",
        client
            .directory
            .list_cases(v1::ListCasesRequest::default())
            .await
            .unwrap()
            .into_inner()
    );
    all += &format!(
        "{:?}",
        client
            .settings
            .get_tenant_settings(v1::GetTenantSettingsRequest {})
            .await
            .unwrap()
            .into_inner()
    );
    let agents = client
        .agents
        .list_agents(v1::ListAgentsRequest::default())
        .await
        .unwrap()
        .into_inner()
        .agents;
    all + &format!("{:?}", agents.into_iter().map(|agent| (agent.name, agent.etag)).collect::<Vec<_>>())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_asks_who_calls() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        println!("on {engine:?}");
        let oauth = settings_of("[[oauth.providers]]\nname = \"microsoft\"\npreset = \"microsoft\"\nclient_id = \"us\"").oauth;
        let h = &Harness::with(Choices {
            configure: Box::new(move |config| config.oauth = oauth),
            ..Choices::of(engine)
        })
        .await;
        let theirs = fill(h).await;
        let rows = rows(h, &theirs);
        let mut named: Vec<&str> = rows.iter().map(|(method, ..)| *method).collect();
        named.sort_unstable();
        let described = methods();
        assert_eq!(
            named,
            described.keys().map(String::as_str).collect::<Vec<_>>(),
            "every method needs a row above"
        );
        let before = everything(h).await;
        let claims = h.claims(TENANT, "anna", Scope::ALL);
        let (mut late, mut elsewhere) = (claims.clone(), claims.clone());
        late.exp = claims.iat.before(Duration::from_hours(1));
        elsewhere.aud = vec!["another".to_owned()];
        let (expired, audience) = (h.sign(late), h.sign(elsewhere));
        let stranger = tempfile::tempdir().unwrap();
        let key = open_issuer(stranger.path()).unwrap().issue(&claims).unwrap();
        for (method, scopes, foreign) in rows {
            let path = format!("mailagent.v1.{method}");
            let (NotFound(request) | Nothing(request) | Refused(request) | Own(request)) = &foreign;
            let call = async |token: &str| h.call(&path, token, request, HeaderMap::new()).await;
            // Nobody, and who is somebody no longer, for another service, or not by our key; from a browser as well.
            let by_web = async |token: &str| h.call_web(&path, token, request).await.map(|_| ());
            for (who, refusal) in [
                ("nobody", call("").await.map(|_| ())),
                ("expired", call(&expired).await.map(|_| ())),
                ("another audience", call(&audience).await.map(|_| ())),
                ("another key", call(&key).await.map(|_| ())),
                ("nobody in a browser", by_web("").await),
                ("expired in a browser", by_web(&expired).await),
            ] {
                let status = refusal.expect_err(who);
                let told = (status.code(), reason(&status));
                assert_eq!(told, (Code::Unauthenticated, "TOKEN_INVALID".to_owned()), "{method}: {who}");
            }

            let others: Vec<Scope> = Scope::ALL.iter().copied().filter(|scope| !scopes.contains(scope)).collect();
            for wrong in [&others[..], &[]] {
                let status = call(&h.token(TENANT, "anna", wrong)).await.expect_err("another scope");
                assert_eq!(
                    (status.code(), reason(&status).as_str()),
                    (Code::PermissionDenied, "SCOPE_MISSING"),
                    "{method}"
                );
                let wanted: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
                assert_eq!(metadata(&status, "scope"), wanted.join(" "), "{method}");
                assert!(wanted.iter().all(|scope| status.message().contains(scope)), "{method}: {status:?}");
            }
            for scope in scopes {
                // `archive` in the new agent needs a scope of its own.
                let token = h.token("other", "anna", &[*scope, Scope::ArchiveConfigure]);
                let answer = call(&token).await;
                match (&foreign, answer) {
                    (NotFound(_), Err(status)) => assert_eq!(status.code(), Code::NotFound, "{method}: {status:?}"),
                    (Refused(_), Err(status)) => assert_eq!(status.code(), Code::InvalidArgument, "{method}: {status:?}"),
                    (Nothing(_), Ok(answer)) => assert_eq!(&answer.bytes().await.unwrap()[..], frame(&[]), "{method}"),
                    (Own(_), Ok(answer)) => assert!(answer.bytes().await.unwrap().len() >= 5, "{method}"),
                    (_, answer) => panic!("{method}: {answer:?}"),
                }
            }
        }
        assert_eq!(everything(h).await, before, "the first tenant's things are as they were");
    }
}
