//! Who may call what, for every method of the service.

use std::{collections::BTreeMap, time::Duration};

use mailagent::{
    api::DESCRIPTORS,
    domain::Scope::{self, AgentRead, AgentUse, AgentWrite, ArchiveRead, DirectoryRead, DirectoryWrite, SweepRead, SweepRun, TenantAdmin},
};
use mailagent_client::v1;
use prost::Message;
use prost_types::FileDescriptorSet;
use reqwest::header::{HeaderMap, HeaderValue};
use tonic::Code;

use crate::harness::{Harness, Mail, TENANT, contact, frame, metadata, on_both_engines, reason};

/// What a caller of another tenant gets who asks for things of the first one.
enum Foreign {
    /// NOT_FOUND.
    NotFound(Vec<u8>),
    /// An answer, of whose fields none is set.
    Nothing(Vec<u8>),
    /// INVALID_ARGUMENT: cursors are sealed for their tenant.
    Refused(Vec<u8>),
    /// It works on the other tenant's own things, whatever their ids.
    Own(Vec<u8>),
}

use Foreign::{NotFound, Nothing, Own, Refused};

/// Names of things of the first tenant.
struct Theirs {
    agent: String,
    account: String,
    outcome: String,
    note: String,
    message: String,
    matches: String,
    changes: String,
    messages: String,
}

fn not_found(message: &impl Message) -> Foreign {
    NotFound(message.encode_to_vec())
}

fn nothing(message: &impl Message) -> Foreign {
    Nothing(message.encode_to_vec())
}

fn refused(message: &impl Message) -> Foreign {
    Refused(message.encode_to_vec())
}

fn own(message: &impl Message) -> Foreign {
    Own(message.encode_to_vec())
}

/// A row for every method: the scopes of which one is needed, and what another tenant gets.
fn rows(h: &Harness, theirs: &Theirs) -> Vec<(&'static str, &'static [Scope], Foreign)> {
    let name = |name: &str| name.to_owned();
    let filter = |agent: &str| {
        Some(v1::MessageFilter {
            agent: name(agent),
            ..Default::default()
        })
    };
    let agent = v1::Agent {
        name: name(&theirs.agent),
        from_name: name("Mine"),
        ..Default::default()
    };
    let deletion = |name: &str| {
        vec![v1::Deletion {
            name: name.to_owned(),
            revision: 9,
        }]
    };
    let mut created = h.agent_for("anna@example.com");
    created.exchange.as_mut().expect("it has them").sweep_options = None;
    vec![
        (
            "AgentService/CreateAgent",
            &[AgentWrite, AgentUse],
            not_found(&v1::CreateAgentRequest {
                agent: Some(created),
                ..Default::default()
            }),
        ),
        (
            "AgentService/GetAgent",
            &[AgentRead, AgentWrite, AgentUse],
            not_found(&v1::GetAgentRequest { name: name(&theirs.agent) }),
        ),
        (
            "AgentService/ListAgents",
            &[AgentRead, AgentWrite, AgentUse],
            nothing(&v1::ListAgentsRequest::default()),
        ),
        (
            "AgentService/UpdateAgent",
            &[AgentWrite, AgentUse],
            not_found(&v1::UpdateAgentRequest {
                agent: Some(agent),
                ..Default::default()
            }),
        ),
        (
            "AgentService/DeleteAgent",
            &[AgentWrite, AgentUse],
            not_found(&v1::DeleteAgentRequest {
                name: name(&theirs.agent),
                ..Default::default()
            }),
        ),
        (
            "AgentService/CheckAgent",
            &[AgentUse, AgentWrite],
            not_found(&v1::CheckAgentRequest { name: name(&theirs.agent) }),
        ),
        (
            "AgentService/TestAgent",
            &[AgentUse, AgentWrite],
            not_found(&v1::TestAgentRequest { name: name(&theirs.agent) }),
        ),
        (
            "AgentService/GetTriageAllowance",
            &[AgentRead, AgentWrite, AgentUse, TenantAdmin],
            own(&v1::GetTriageAllowanceRequest {}),
        ),
        (
            "AgentService/SetDefaultAgent",
            &[AgentUse, AgentWrite],
            not_found(&v1::SetDefaultAgentRequest {
                default_agent: Some(v1::DefaultAgent {
                    name: name("users/anna/defaultAgent"),
                    agent: name(&theirs.agent),
                }),
            }),
        ),
        (
            "AgentService/GetDefaultAgent",
            &[AgentRead, AgentUse, AgentWrite],
            not_found(&v1::GetDefaultAgentRequest {
                name: name("users/anna/defaultAgent"),
            }),
        ),
        (
            "AgentService/CreateMaintenanceAccount",
            &[AgentWrite],
            own(&v1::CreateMaintenanceAccountRequest {
                maintenance_account: Some(crate::harness::account("https://mail.other.example/EWS/Exchange.asmx")),
                ..Default::default()
            }),
        ),
        (
            "AgentService/GetMaintenanceAccount",
            &[AgentWrite],
            not_found(&v1::GetMaintenanceAccountRequest {
                name: name(&theirs.account),
            }),
        ),
        (
            "AgentService/ListMaintenanceAccounts",
            &[AgentWrite],
            own(&v1::ListMaintenanceAccountsRequest::default()),
        ),
        (
            "AgentService/UpdateMaintenanceAccount",
            &[AgentWrite],
            not_found(&v1::UpdateMaintenanceAccountRequest {
                maintenance_account: Some(v1::MaintenanceAccount {
                    name: name(&theirs.account),
                    display_name: name("Mine"),
                    ..Default::default()
                }),
                ..Default::default()
            }),
        ),
        (
            "AgentService/DeleteMaintenanceAccount",
            &[AgentWrite],
            not_found(&v1::DeleteMaintenanceAccountRequest {
                name: name(&theirs.account),
                ..Default::default()
            }),
        ),
        (
            "SweepService/ListOutcomes",
            &[SweepRead],
            nothing(&v1::ListOutcomesRequest {
                filter: Some(v1::OutcomeFilter {
                    agent: name(&theirs.agent),
                    ..Default::default()
                }),
                ..Default::default()
            }),
        ),
        (
            "SweepService/GetOutcome",
            &[SweepRead],
            not_found(&v1::GetOutcomeRequest {
                name: name(&theirs.outcome),
            }),
        ),
        ("SweepService/ListNotes", &[SweepRead], nothing(&v1::ListNotesRequest::default())),
        (
            "SweepService/GetNote",
            &[SweepRead],
            not_found(&v1::GetNoteRequest { name: name(&theirs.note) }),
        ),
        (
            "SweepService/DownloadNoteMessage",
            &[SweepRead],
            not_found(&v1::DownloadNoteMessageRequest {
                name: name(&theirs.note),
                ..Default::default()
            }),
        ),
        (
            "SweepService/WatchMatches",
            &[SweepRead],
            refused(&v1::WatchMatchesRequest {
                cursor: name(&theirs.matches),
                ..Default::default()
            }),
        ),
        (
            "SweepService/SweepAgent",
            &[SweepRun],
            not_found(&v1::SweepAgentRequest { name: name(&theirs.agent) }),
        ),
        (
            "ArchiveService/ListMessages",
            &[ArchiveRead],
            nothing(&v1::ListMessagesRequest {
                filter: filter(&theirs.agent),
                ..Default::default()
            }),
        ),
        (
            "ArchiveService/SearchMessages",
            &[ArchiveRead],
            nothing(&v1::SearchMessagesRequest {
                query: name("message"),
                ..Default::default()
            }),
        ),
        (
            "ArchiveService/GetMessage",
            &[ArchiveRead],
            not_found(&v1::GetMessageRequest {
                name: name(&theirs.message),
                view: v1::MessageView::Full.into(),
            }),
        ),
        (
            "ArchiveService/StreamMessages",
            &[ArchiveRead],
            refused(&v1::StreamMessagesRequest {
                cursor: name(&theirs.messages),
                ..Default::default()
            }),
        ),
        (
            "ArchiveService/DownloadMessage",
            &[ArchiveRead],
            not_found(&v1::DownloadMessageRequest {
                name: name(&theirs.message),
                ..Default::default()
            }),
        ),
        (
            "ArchiveService/DownloadAttachment",
            &[ArchiveRead],
            not_found(&v1::DownloadAttachmentRequest {
                name: name(&theirs.message),
                ..Default::default()
            }),
        ),
        (
            "ArchiveService/GetArchiveStatistics",
            &[ArchiveRead],
            nothing(&v1::GetArchiveStatisticsRequest {}),
        ),
        (
            "DirectoryService/BatchUpsertUsers",
            &[DirectoryWrite],
            own(&v1::BatchUpsertUsersRequest {
                users: vec![crate::harness::user("bert", &[])],
            }),
        ),
        (
            "DirectoryService/BatchDeleteUsers",
            &[DirectoryWrite],
            own(&v1::BatchDeleteUsersRequest {
                users: deletion("users/anna"),
            }),
        ),
        (
            "DirectoryService/GetUser",
            &[DirectoryRead],
            not_found(&v1::GetUserRequest { name: name("users/anna") }),
        ),
        (
            "DirectoryService/ListUsers",
            &[DirectoryRead],
            own(&v1::ListUsersRequest::default()),
        ),
        (
            "DirectoryService/BatchUpsertContacts",
            &[DirectoryWrite],
            not_found(&v1::BatchUpsertContactsRequest {
                contacts: vec![contact("eva", "oak", &[])],
            }),
        ),
        (
            "DirectoryService/BatchUpsertCases",
            &[DirectoryWrite],
            not_found(&v1::BatchUpsertCasesRequest {
                cases: vec![crate::harness::case("x", "X", "oak")],
            }),
        ),
        (
            "DirectoryService/BatchUpsertCustomers",
            &[DirectoryWrite],
            own(&v1::BatchUpsertCustomersRequest {
                customers: vec![crate::harness::customer("mine")],
            }),
        ),
        (
            "DirectoryService/BatchDeleteCustomers",
            &[DirectoryWrite],
            own(&v1::BatchDeleteCustomersRequest {
                customers: deletion("customers/oak"),
            }),
        ),
        (
            "DirectoryService/GetCustomer",
            &[DirectoryRead],
            not_found(&v1::GetCustomerRequest {
                name: name("customers/oak"),
            }),
        ),
        (
            "DirectoryService/ListCustomers",
            &[DirectoryRead],
            own(&v1::ListCustomersRequest::default()),
        ),
        (
            "DirectoryService/BatchDeleteContacts",
            &[DirectoryWrite],
            own(&v1::BatchDeleteContactsRequest {
                contacts: deletion("contacts/eva"),
            }),
        ),
        (
            "DirectoryService/GetContact",
            &[DirectoryRead],
            not_found(&v1::GetContactRequest {
                name: name("contacts/eva"),
            }),
        ),
        (
            "DirectoryService/ListContacts",
            &[DirectoryRead],
            nothing(&v1::ListContactsRequest::default()),
        ),
        (
            "DirectoryService/BatchDeleteCases",
            &[DirectoryWrite],
            own(&v1::BatchDeleteCasesRequest {
                cases: deletion("cases/case-oak"),
            }),
        ),
        (
            "DirectoryService/GetCase",
            &[DirectoryRead],
            not_found(&v1::GetCaseRequest {
                name: name("cases/case-oak"),
            }),
        ),
        (
            "DirectoryService/ListCases",
            &[DirectoryRead],
            nothing(&v1::ListCasesRequest::default()),
        ),
        (
            "DirectoryService/WatchChanges",
            &[DirectoryRead],
            refused(&v1::WatchChangesRequest {
                cursor: name(&theirs.changes),
            }),
        ),
        (
            "SettingsService/GetTenantSettings",
            &[TenantAdmin],
            own(&v1::GetTenantSettingsRequest {}),
        ),
        (
            "SettingsService/UpdateTenantSettings",
            &[TenantAdmin],
            own(&v1::UpdateTenantSettingsRequest {
                tenant_settings: Some(v1::TenantSettings {
                    internal_domains: vec![name("other.example")],
                    ..Default::default()
                }),
                ..Default::default()
            }),
        ),
        (
            "SettingsService/AcknowledgeStorageTerms",
            &[TenantAdmin],
            own(&v1::AcknowledgeStorageTermsRequest {}),
        ),
        (
            "SettingsService/ListAuditEntries",
            &[TenantAdmin],
            own(&v1::ListAuditEntriesRequest::default()),
        ),
    ]
}

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
        maintenance_account: Some(crate::harness::account(h.exchange.endpoint().as_str())),
        ..Default::default()
    };
    let account = client.agents.create_maintenance_account(request).await.unwrap().into_inner().name;
    Theirs {
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
    on_both_engines(async |h| {
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
        for (method, scopes, foreign) in rows {
            let path = format!("mailagent.v1.{method}");
            let (NotFound(request) | Nothing(request) | Refused(request) | Own(request)) = &foreign;
            let call = async |token: &str| h.call(&path, token, request, HeaderMap::new()).await;
            let status = call("").await.expect_err("no token");
            assert_eq!(
                (status.code(), reason(&status).as_str()),
                (Code::Unauthenticated, "TOKEN_INVALID"),
                "{method}"
            );

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
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_good_tokens_are_taken() {
    let h = Harness::new().await;
    let claims = h.claims(TENANT, "anna", Scope::ALL);
    let good = h.sign(claims.clone());
    let hour = Duration::from_secs(3600);
    let other = Harness::new().await;
    let mut expired = claims.clone();
    expired.exp = claims.iat.before(hour);
    let mut early = claims.clone();
    early.nbf = Some(claims.iat.after(hour));
    let mut audience = claims;
    audience.aud = vec!["another".to_owned()];
    let mut changed = good.clone().into_bytes();
    let middle = changed.len() / 2;
    changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm5hIn0.";
    let rows = [
        (h.sign(expired), "has expired"),
        (h.sign(early), "not valid yet"),
        (h.sign(audience), "another audience"),
        (other.token(TENANT, "anna", Scope::ALL), "signature"),
        (String::from_utf8(changed).unwrap(), ""),
        (unsigned.to_owned(), ""),
        ("garbage".to_owned(), "malformed"),
        ("x".repeat(9_000), "too long"),
    ];
    let settings = "mailagent.v1.SettingsService/GetTenantSettings";
    for (token, says) in rows {
        let status = h.call(settings, &token, &[], HeaderMap::new()).await.expect_err(says);
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::Unauthenticated, "TOKEN_INVALID"),
            "{says}"
        );
        assert!(status.message().contains(says), "{says}: {status:?}");
        assert!(
            token.len() < 20 || !format!("{status:?}").contains(&token[..20]),
            "no part of the token is told"
        );
    }
    for value in ["", "Bearer", "Basic YTpi", good.as_str()] {
        let headers = HeaderMap::from_iter([("authorization".parse().unwrap(), HeaderValue::from_str(value).unwrap())]);
        let status = h.call(settings, "", &[], headers).await.expect_err(value);
        assert_eq!(status.code(), Code::Unauthenticated, "{value}");
    }
    h.call(settings, &good, &[], HeaderMap::new()).await.unwrap();
    h.clock.advance(Duration::from_secs(366 * 24 * 3600));
    assert_eq!(
        h.call(settings, &good, &[], HeaderMap::new()).await.unwrap_err().code(),
        Code::Unauthenticated,
        "a year later"
    );
}
