//! What every method needs and what it tells other tenants.

use mailagent::testing::domain::Scope::{
    self, AgentRead, AgentUse, AgentWrite, ArchiveRead, DirectoryRead, DirectoryWrite, SweepRead, SweepRun, TenantAdmin,
};
use mailagent_client::v1;
use prost::Message;

use crate::harness::{Harness, account, case, contact, customer, user};

/// What a caller of another tenant gets who asks for things of the first one.
pub enum Foreign {
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
pub struct Theirs {
    pub agent: String,
    pub account: String,
    pub outcome: String,
    pub note: String,
    pub message: String,
    pub login_state: String,
    pub tokens: String,
    pub matches: String,
    pub changes: String,
    pub messages: String,
}

/// A method, the scopes of which one is needed, and what another tenant gets.
pub type Row = (&'static str, &'static [Scope], Foreign);

/// A row for every method.
pub fn rows(h: &Harness, theirs: &Theirs) -> Vec<Row> {
    let services = [agents(h, theirs), sweep(theirs), archive(theirs), directory(theirs), settings()];
    services.into_iter().flatten().collect()
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

fn name(name: &str) -> String {
    name.to_owned()
}

fn agents(h: &Harness, theirs: &Theirs) -> Vec<Row> {
    let agent = v1::Agent {
        name: name(&theirs.agent),
        from_name: name("Mine"),
        ..Default::default()
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
            "AgentService/BeginLogin",
            &[AgentUse, AgentWrite],
            not_found(&v1::BeginLoginRequest {
                name: name(&theirs.agent),
                ..Default::default()
            }),
        ),
        (
            "AgentService/CompleteLogin",
            &[AgentUse, AgentWrite],
            refused(&v1::CompleteLoginRequest {
                state: name(&theirs.login_state),
                authorization_code: name("code"),
                ..Default::default()
            }),
        ),
        (
            "AgentService/RevokeLogin",
            &[AgentUse, AgentWrite],
            not_found(&v1::RevokeLoginRequest { name: name(&theirs.agent) }),
        ),
        (
            "AgentService/WatchTokens",
            &[AgentRead, AgentUse, AgentWrite],
            refused(&v1::WatchTokensRequest {
                cursor: name(&theirs.tokens),
                filter: None,
            }),
        ),
        (
            "AgentService/BeginAdminConsent",
            &[TenantAdmin],
            own(&v1::BeginAdminConsentRequest {
                domain: name("example.com"),
                ..Default::default()
            }),
        ),
        (
            "AgentService/ListAdminConsents",
            &[TenantAdmin, AgentWrite],
            nothing(&v1::ListAdminConsentsRequest::default()),
        ),
        (
            "AgentService/RevokeAdminConsent",
            &[TenantAdmin],
            not_found(&v1::RevokeAdminConsentRequest {
                name: name("adminConsents/example.com"),
            }),
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
                maintenance_account: Some(account("https://mail.other.example/EWS/Exchange.asmx")),
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
    ]
}

fn sweep(theirs: &Theirs) -> Vec<Row> {
    vec![
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
            "SweepService/CheckCompleteness",
            &[SweepRun],
            not_found(&v1::CheckCompletenessRequest { name: name(&theirs.agent) }),
        ),
        (
            "SweepService/BackfillAgent",
            &[SweepRun],
            not_found(&v1::BackfillAgentRequest { name: name(&theirs.agent) }),
        ),
    ]
}

fn archive(theirs: &Theirs) -> Vec<Row> {
    let filter = |agent: &str| {
        Some(v1::MessageFilter {
            agent: name(agent),
            ..Default::default()
        })
    };
    vec![
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
    ]
}

fn directory(theirs: &Theirs) -> Vec<Row> {
    let deletion = |name: &str| {
        vec![v1::Deletion {
            name: name.to_owned(),
            revision: 9,
        }]
    };
    vec![
        (
            "DirectoryService/BatchUpsertUsers",
            &[DirectoryWrite],
            own(&v1::BatchUpsertUsersRequest {
                users: vec![user("bert", &[])],
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
                cases: vec![case("x", "X", "oak")],
            }),
        ),
        (
            "DirectoryService/BatchUpsertCustomers",
            &[DirectoryWrite],
            own(&v1::BatchUpsertCustomersRequest {
                customers: vec![customer("mine")],
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
    ]
}

fn settings() -> Vec<Row> {
    vec![
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
