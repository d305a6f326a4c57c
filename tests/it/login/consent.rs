//! Administrators' consent: this service itself opens the mailboxes of a domain.

use mailagent::testing::domain::Scope;
use mailagent_client::{
    Clients,
    v1::{
        AdminConsent, Agent, AgentHealthState, AgentKind, AuthenticationState, BeginAdminConsentRequest, BeginAdminConsentResponse,
        ConnectionType, ExchangeSettings, ListAdminConsentsRequest, MaintenanceAccount, RevokeAdminConsentRequest, TokenEventKind,
    },
};
use mailagent_sim::entra::TokenFault;
use tonic::{Code, Status};

use super::{ANNA, APP, DIRECTORY, HOUR, Place, open, query};
use crate::harness::{Engine, PATIENCE, create_account, eventually, reason, violations};

pub async fn begin(client: &Clients, domain: &str) -> Result<BeginAdminConsentResponse, Status> {
    let request = BeginAdminConsentRequest {
        domain: domain.to_owned(),
        ..BeginAdminConsentRequest::default()
    };
    Ok(client.clone().agents.begin_admin_consent(request).await?.into_inner())
}

async fn list(client: &Clients) -> Vec<AdminConsent> {
    let request = ListAdminConsentsRequest::default();
    client
        .clone()
        .agents
        .list_admin_consents(request)
        .await
        .unwrap()
        .into_inner()
        .admin_consents
}

/// An agent over Graph by consent.
async fn agent(p: &Place, address: &str) -> Agent {
    let account = MaintenanceAccount {
        display_name: "By consent".to_owned(),
        kind: AgentKind::ExchangeGraph.into(),
        endpoint: p.entra.graph().into(),
        ..MaintenanceAccount::default()
    };
    let account = create_account(&p.client, account, "").await.unwrap();
    assert_eq!(account.authentication, None, "consents are by domain, not by account");
    p.create(Agent {
        owner_user: "users/anna".to_owned(),
        kind: AgentKind::ExchangeGraph.into(),
        from_name: "Anna".to_owned(),
        from_address: address.to_owned(),
        exchange: Some(ExchangeSettings {
            connection_type: ConnectionType::MaintenanceAccount.into(),
            maintenance_account: account.name,
            ..ExchangeSettings::default()
        }),
        ..Agent::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_consent_opens_the_mailboxes_of_a_domain() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let p = Place::on(engine).await;
        let agent = agent(&p, ANNA).await;
        let health = agent.health.unwrap();
        assert_eq!(health.state(), AgentHealthState::AuthenticationRequired);
        assert!(
            health.problem.starts_with("No administrator of example.com has consented"),
            "{health:?}"
        );
        assert_eq!(agent.authentication.unwrap().source, "adminConsents/example.com");

        let begun = begin(&p.client, "Example.COM").await.unwrap();
        assert!(begun.consent_url.contains("/example.com/v2.0/adminconsent?"), "{begun:?}");
        let back = p.entra.sign_in(&begun.consent_url, "admin").unwrap();
        assert_eq!(
            (
                query(back.as_str(), "admin_consent").as_str(),
                query(back.as_str(), "tenant").as_str()
            ),
            ("True", DIRECTORY)
        );
        let (status, page) = open(back.as_str()).await;
        assert_eq!(status, 200, "{page}");
        assert!(page.contains("Consent recorded") && page.contains("example.com"), "{page}");

        let consents = list(&p.client).await;
        assert_eq!(consents.len(), 1);
        let consent = &consents[0];
        assert_eq!(
            (consent.name.as_str(), consent.directory.as_str(), consent.agent_count),
            ("adminConsents/example.com", DIRECTORY, 1)
        );
        let login = consent.authentication.as_ref().unwrap();
        assert_eq!(
            (login.state(), login.login_user.as_str()),
            (AuthenticationState::Active, "users/anna")
        );
        assert_eq!(
            (&login.expire_time, &login.time_left, login.fraction_left),
            (&None, &None, None),
            "it has no end"
        );
        let shown = p.authentication(&agent.name).await;
        assert_eq!(shown.state(), AuthenticationState::Active);
        assert_eq!(p.get(&agent.name).await.health.unwrap().state(), AgentHealthState::Ok);

        // Its tokens are renewed too, by asking anew.
        let ends = async || p.authentication(&agent.name).await.access_token_expire_time;
        let before = ends().await;
        p.h.clock.advance(HOUR);
        eventually(PATIENCE, "it is renewed", async || match ends().await {
            now if now != before => Ok(()),
            now => Err(now),
        })
        .await;
        let requests = p.entra.token_requests();
        assert!(
            requests.iter().all(|request| request.grant_type == "client_credentials"),
            "{requests:?}"
        );
        // An outage changes nothing, a withdrawn consent does.
        p.entra.fail(TokenFault::status(503), 1);
        p.h.clock.advance(HOUR);
        eventually(PATIENCE, "renewing fails", async || {
            let login = p.authentication(&agent.name).await;
            if login.renewal_problem.is_empty() { Err(login) } else { Ok(()) }
        })
        .await;
        assert_eq!(p.authentication(&agent.name).await.state(), AuthenticationState::Active);
        p.entra.withdraw_consent(APP, DIRECTORY);
        p.h.clock.advance(HOUR);
        let login = p.state(&agent.name, AuthenticationState::LoginRequired).await;
        assert!(login.problem.contains("consent again"), "{login:?}");
        assert_eq!(
            p.health(&agent.name, AgentHealthState::AuthenticationRequired)
                .await
                .health
                .unwrap()
                .problem,
            login.problem
        );
        let kinds: Vec<TokenEventKind> = p.told(2).await.iter().map(mailagent_client::v1::TokenEvent::kind).collect();
        assert_eq!(kinds, [TokenEventKind::ConsentGiven, TokenEventKind::ConsentRevoked]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_with_the_browser_proves_nothing() {
    let p = Place::new().await;
    // Somebody who is no administrator goes to the page, does not accept, and comes back with what an accepted one looks like.
    let begun = begin(&p.client, "example.com").await.unwrap();
    let state = query(&begun.consent_url, "state");
    let callback = format!("{}/oauth/callback?admin_consent=True&tenant={DIRECTORY}&state={state}", p.h.url());
    let (status, page) = open(&callback).await;
    assert_eq!(status, 400);
    assert!(page.contains("consent"), "{page}");
    assert!(list(&p.client).await.is_empty());
    // Declined.
    let begun = begin(&p.client, "example.com").await.unwrap();
    let back = p.entra.sign_in(&format!("{}&cancel=1", begun.consent_url), "admin").unwrap();
    let (status, page) = open(back.as_str()).await;
    assert_eq!((status, page.contains("was declined")), (400, true), "{page}");
    // A domain that the platform does not know.
    let begun = begin(&p.client, "unknown.example").await.unwrap();
    let state = query(&begun.consent_url, "state");
    let (status, page) = open(&format!(
        "{}/oauth/callback?admin_consent=True&tenant={DIRECTORY}&state={state}",
        p.h.url()
    ))
    .await;
    assert_eq!(status, 400, "{page}");
    assert!(list(&p.client).await.is_empty());
    // A consent's state is none of a login's.
    let begun = begin(&p.client, "example.com").await.unwrap();
    let state = query(&begun.consent_url, "state");
    let (status, page) = open(&format!("{}/oauth/callback?code=x&state={state}", p.h.url())).await;
    assert_eq!((status, page.contains("was not begun")), (400, true), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_tenant_gets_at_a_directory_that_consented() {
    let p = Place::new().await;
    let begun = begin(&p.client, "example.com").await.unwrap();
    open(p.entra.sign_in(&begun.consent_url, "admin").unwrap().as_str()).await;
    assert_eq!(list(&p.client).await.len(), 1);
    // Another tenant of the CRM names the domain: the platform would give a token, as it knows one application only.
    let mallory = p.h.client_as("mallory", "eve", Scope::ALL).await;
    let begun = begin(&mallory, "example.com").await.unwrap();
    let state = query(&begun.consent_url, "state");
    let callback = format!("{}/oauth/callback?admin_consent=True&tenant={DIRECTORY}&state={state}", p.h.url());
    let (status, page) = open(&callback).await;
    assert_eq!(status, 400);
    assert!(page.contains("consented for another tenant"), "{page}");
    assert!(list(&mallory).await.is_empty());
    // Not after it was given up here either: the platform may know it still.
    let request = RevokeAdminConsentRequest {
        name: "adminConsents/example.com".to_owned(),
    };
    p.client.clone().agents.revoke_admin_consent(request.clone()).await.unwrap();
    assert!(list(&p.client).await.is_empty());
    let again = p.client.clone().agents.revoke_admin_consent(request).await.unwrap_err();
    assert_eq!(again.code(), Code::NotFound);
    let begun = begin(&mallory, "example.com").await.unwrap();
    let state = query(&begun.consent_url, "state");
    let (status, _) = open(&format!(
        "{}/oauth/callback?admin_consent=True&tenant={DIRECTORY}&state={state}",
        p.h.url()
    ))
    .await;
    assert_eq!(status, 400);
    assert!(list(&mallory).await.is_empty());
    // Its own tenant may.
    let begun = begin(&p.client, "example.com").await.unwrap();
    assert_eq!(open(p.entra.sign_in(&begun.consent_url, "admin").unwrap().as_str()).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_needs_an_administrator_a_domain_and_a_provider() {
    let p = Place::new().await;
    for domain in ["", "localhost", "a b.example", "anna@example.com", "[127.0.0.1]", "x/../y.example"] {
        let status = begin(&p.client, domain).await.unwrap_err();
        assert_eq!(violations(&status), ["domain"], "{domain}");
    }
    let writer = p.h.client_as(crate::harness::TENANT, "anna", &[Scope::AgentWrite]).await;
    assert_eq!(begin(&writer, "example.com").await.unwrap_err().code(), Code::PermissionDenied);
    assert!(list(&writer).await.is_empty(), "who writes agents may see them");
    let request = BeginAdminConsentRequest {
        domain: "example.com".to_owned(),
        provider: "google".to_owned(),
    };
    let status = p.client.clone().agents.begin_admin_consent(request).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::FailedPrecondition, "LOGIN_PROVIDER_MISSING")
    );
}
