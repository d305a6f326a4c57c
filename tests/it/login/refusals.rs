//! Logins that are not begun, or begun and not accepted. Nothing is stored then.

use mailagent::testing::domain::Scope;
use mailagent_client::v1::{
    Agent, AgentKind, AuthenticationMethod, AuthenticationState, BeginLoginRequest, ConnectionType, ExchangeSettings, MaintenanceAccount,
    TenantSettings, UpdateMaintenanceAccountRequest,
};
use tonic::Code;

use super::{ANNA, BERT, Place, begin, open};
use crate::harness::{Engine, TENANT, create_account, metadata, reason, violations};

#[tokio::test(flavor = "multi_thread")]
async fn another_account_is_refused_and_nothing_stored() {
    let p = Place::new().await;
    let agent = p.agent(ANNA).await;
    let (status, page) = p.log_in_as(&agent.name, BERT).await;
    assert_eq!(status, 400);
    assert!(
        page.contains("The account bert@example.com logged in, but anna@example.com was expected."),
        "{page}"
    );
    assert_eq!(p.authentication(&agent.name).await.state(), AuthenticationState::None);
    // The same attempt is over.
    let begun = p.begin(&agent.name).await.unwrap();
    let back = p.entra.sign_in(&begun.authorization_url, BERT).unwrap();
    assert_eq!(open(back.as_str()).await.0, 400);
    let again = p.entra.sign_in(&begun.authorization_url, ANNA).unwrap();
    assert!(open(again.as_str()).await.1.contains("already completed"));
    assert_eq!(p.authentication(&agent.name).await.state(), AuthenticationState::None);
    assert!(p.h.exchange.requests().is_empty(), "nobody is logged in to the mailbox");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_with_another_name_than_its_account_is_known_by_the_profile() {
    let p = Place::new().await;
    p.entra.add_user_named("m.mueller@example.com", "maria@example.com");
    let graph = Agent {
        owner_user: "users/anna".to_owned(),
        kind: AgentKind::ExchangeGraph.into(),
        from_name: "Maria".to_owned(),
        from_address: "maria@example.com".to_owned(),
        exchange: Some(ExchangeSettings {
            endpoint: p.entra.graph().into(),
            ..ExchangeSettings::default()
        }),
        ..Agent::default()
    };
    let agent = p.create(graph).await;
    let (status, page) = p.log_in_as(&agent.name, ANNA).await;
    assert_eq!(status, 400, "{page}");
    let (status, page) = p.log_in_as(&agent.name, "m.mueller@example.com").await;
    assert_eq!(status, 200, "{page}");
    assert_eq!(p.authentication(&agent.name).await.account, "maria@example.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_that_were_not_granted_are_named() {
    let p = Place::new().await;
    let agent = p.agent(ANNA).await;
    p.entra.grant_only(Some(&["https://outlook.office365.com/Calendars.Read"]));
    let (status, page) = p.log_in_as(&agent.name, ANNA).await;
    assert_eq!(status, 400);
    assert!(page.contains("https://outlook.office365.com/EWS.AccessAsUser.All"), "{page}");
    assert_eq!(p.authentication(&agent.name).await.state(), AuthenticationState::None);
    p.entra.grant_only(None);
    p.log_in(&agent.name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_do_at_the_page_is_told_to_them() {
    let p = Place::new().await;
    let agent = p.agent(ANNA).await;
    let begun = p.begin(&agent.name).await.unwrap();
    let declined = p.entra.sign_in(&format!("{}&cancel=1", begun.authorization_url), ANNA).unwrap();
    let (status, page) = open(declined.as_str()).await;
    assert_eq!(status, 400);
    assert!(
        page.contains("The login at contoso was declined") && page.contains("AADSTS65004"),
        "{page}"
    );
    let callback = format!("{}/oauth/callback", p.h.url());
    for (query, words) in [
        ("", "To log in, start from the CRM"),
        ("?code=x", "To log in, start from the CRM"),
        ("?state=x&code=y", "The login was not begun"),
        ("?state=%3Cscript%3E&code=y", "The login was not begun"),
    ] {
        let (status, page) = open(&format!("{callback}{query}")).await;
        assert_eq!(status, 400, "{query}");
        assert!(
            page.to_lowercase().contains(&words.to_lowercase()) && !page.contains("<script"),
            "{query}: {page}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_is_away_leaves_no_login_and_says_so() {
    let p = Place::new().await;
    let agent = p.agent(ANNA).await;
    p.entra.fail(mailagent_sim::entra::TokenFault::status(503), 1);
    let (status, page) = p.log_in_as(&agent.name, ANNA).await;
    assert_eq!(status, 503);
    assert!(page.contains("contoso is busy or has an internal error"), "{page}");
    assert_eq!(p.authentication(&agent.name).await.state(), AuthenticationState::None);
    p.log_in(&agent.name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_begins_only_where_one_is_used() {
    let p = Place::new().await;
    let refused = async |name: &str, words: &str| {
        let status = p.begin(name).await.unwrap_err();
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::FailedPrecondition, "LOGIN_NOT_USED"),
            "{status:?}"
        );
        assert!(status.message().contains(words), "{status:?}");
        assert_eq!(metadata(&status, "resource"), name);
    };
    let account = async |kind: AgentKind, endpoint: &str| {
        let account = MaintenanceAccount {
            display_name: "Service".to_owned(),
            kind: kind.into(),
            endpoint: endpoint.to_owned(),
            ..MaintenanceAccount::default()
        };
        create_account(&p.client, account, "").await.unwrap().name
    };
    let ews = account(AgentKind::ExchangeEws, p.h.exchange.endpoint().as_str()).await;
    let graph = account(AgentKind::ExchangeGraph, "").await;
    let through = async |kind: AgentKind, account: &str| {
        p.create(Agent {
            owner_user: "users/anna".to_owned(),
            kind: kind.into(),
            from_name: "Anna".to_owned(),
            from_address: ANNA.to_owned(),
            exchange: Some(ExchangeSettings {
                connection_type: ConnectionType::MaintenanceAccount.into(),
                maintenance_account: account.to_owned(),
                ..ExchangeSettings::default()
            }),
            ..Agent::default()
        })
        .await
        .name
    };
    refused(&through(AgentKind::ExchangeEws, &ews).await, &format!("log in to {ews}")).await;
    refused(
        &through(AgentKind::ExchangeGraph, &graph).await,
        "BeginAdminConsent for example.com",
    )
    .await;
    refused(&ews, "set its login_address first").await;
    refused(&graph, "administrators consent for a domain").await;
    let mut by_password = p.sender(ANNA).await;
    by_password
        .smtp
        .as_mut()
        .unwrap()
        .set_authentication(mailagent_client::v1::SmtpAuthentication::None);
    by_password.name.clear();
    by_password.etag.clear();
    refused(&p.create(by_password).await.name, "set smtp.authentication to OAUTH first").await;
    let own = p.agent(ANNA).await.name;
    p.h.change_settings(
        &p.client,
        TenantSettings {
            authentication_method: AuthenticationMethod::Basic.into(),
            ..TenantSettings::default()
        },
    )
    .await;
    refused(&own, "BASIC").await;
    refused(&ews, "BASIC").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maintenance_account_logs_in_once_for_all_its_agents() {
    let p = Place::new().await;
    p.entra.add_user("service@example.com");
    p.h.exchange.add_maintenance_account("service@example.com", "no password");
    let account = MaintenanceAccount {
        display_name: "Service".to_owned(),
        kind: AgentKind::ExchangeEws.into(),
        endpoint: p.h.exchange.endpoint().into(),
        login_address: "service@example.com".to_owned(),
        ..MaintenanceAccount::default()
    };
    let account = create_account(&p.client, account, "").await.unwrap();
    assert_eq!(account.authentication.as_ref().unwrap().state(), AuthenticationState::None);
    let mut agents = Vec::new();
    for address in [ANNA, BERT] {
        let mut agent = p.h.agent_for(address);
        let exchange = agent.exchange.as_mut().unwrap();
        *exchange = ExchangeSettings {
            connection_type: ConnectionType::MaintenanceAccount.into(),
            maintenance_account: account.name.clone(),
            case_sweep: true,
            ..ExchangeSettings::default()
        };
        let agent = p.create(agent).await;
        assert_eq!(
            agent.authentication.as_ref().unwrap().source,
            account.name,
            "it shows the account's login"
        );
        p.h.deliver(address, &crate::harness::Mail::new("eva@oak.example", "CS-0000001"));
        agents.push(agent.name);
    }
    let owner = p.h.client_as(TENANT, "anna", &[Scope::AgentUse]).await;
    assert_eq!(begin(&owner, &account.name, "").await.unwrap_err().code(), Code::PermissionDenied);
    let (status, page) = p.log_in_as(&account.name, ANNA).await;
    assert_eq!(status, 400, "{page}");
    p.log_in(&account.name).await;
    for agent in &agents {
        p.h.handled(&p.client, agent, 1).await;
        let shown = p.authentication(agent).await;
        assert_eq!(
            (shown.state(), shown.account.as_str()),
            (AuthenticationState::Active, "service@example.com")
        );
    }
    // Another account ends the login.
    let request = UpdateMaintenanceAccountRequest {
        maintenance_account: Some(MaintenanceAccount {
            name: account.name.clone(),
            login_address: "other@example.com".to_owned(),
            ..MaintenanceAccount::default()
        }),
        update_mask: None,
    };
    let changed = p
        .client
        .clone()
        .agents
        .update_maintenance_account(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(changed.authentication.unwrap().state(), AuthenticationState::None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_provider_is_chosen_among_those_that_serve() {
    let second = "[[oauth.providers]]\nname = \"fabrikam\"\npreset = \"microsoft\"\nclient_id = \"x\"\nhosts = [\"127.0.0.1\"]\n\
                  [[oauth.providers]]\nname = \"google\"\npreset = \"google\"\nclient_id = \"x\"\n";
    let p = Place::with(Engine::Sqlite, |platform| platform, second).await;
    let agent = p.agent(ANNA).await;
    assert_eq!(agent.authentication.as_ref().unwrap().available_providers, ["contoso", "fabrikam"]);
    let begin = async |provider: &str, redirect_url: &str| {
        let request = BeginLoginRequest {
            name: agent.name.clone(),
            provider: provider.to_owned(),
            redirect_url: redirect_url.to_owned(),
        };
        p.client.clone().agents.begin_login(request).await
    };
    let status = begin("", "").await.unwrap_err();
    assert_eq!(violations(&status), ["provider"]);
    assert!(status.message().contains("contoso, fabrikam"), "{status:?}");
    let status = begin("google", "").await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::FailedPrecondition, "LOGIN_PROVIDER_MISSING")
    );
    assert_eq!(metadata(&status, "available"), "contoso, fabrikam");
    let begun = begin("fabrikam", "").await.unwrap().into_inner();
    assert!(
        begun
            .authorization_url
            .starts_with("https://login.microsoftonline.com/organizations/"),
        "{begun:?}"
    );
    let status = begin("contoso", "https://evil.example/callback").await.unwrap_err();
    assert_eq!(violations(&status), ["redirect_url"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_log_in_to_their_own_agents_only() {
    let p = Place::new().await;
    let agent = p.agent(ANNA).await;
    let bert = p.h.client_as(TENANT, "bert", &[Scope::AgentUse]).await;
    assert_eq!(begin(&bert, &agent.name, "").await.unwrap_err().code(), Code::NotFound);
    let anna = p.h.client_as(TENANT, "anna", &[Scope::AgentUse]).await;
    begin(&anna, &agent.name, "").await.unwrap();
    let foreign = p.h.client_as("other", "anna", Scope::ALL).await;
    assert_eq!(begin(&foreign, &agent.name, "").await.unwrap_err().code(), Code::NotFound);
}
