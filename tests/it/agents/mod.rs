//! AgentService and what of SettingsService belongs to it: settings of mailboxes, who may see and change them, and who did.
//!
//! | file | holds |
//! |---|---|
//! | `basics` | create, read, list, change, delete |
//! | `rights` | who may see and change what |
//! | `secrets` | passwords stay secret |
//! | `rules`, `rules_exchange`, `rules_smtp` | what every setting may be |
//! | `moves` | what becomes of settings and passwords when the kind or the server changes |
//! | `maintenance`, `maintenance_rules`, `maintenance_rights` | maintenance accounts |
//! | `shared_login` | agents that connect through one account |
//! | `reviews` | many agents that follow a change of their login |
//! | `methods` | BASIC and MODERN |
//! | `triage` | triage licences |
//! | `defaults` | the agent that sends when none is named |
//! | `audit`, `audit_fields` | who changed which setting |
//! | `upgrade` | databases of earlier versions |

mod audit;
mod audit_fields;
mod basics;
mod defaults;
mod maintenance;
mod maintenance_rights;
mod maintenance_rules;
mod methods;
mod moves;
mod reviews;
mod rights;
mod rules;
mod rules_exchange;
mod rules_smtp;
mod secrets;
mod shared_login;
mod triage;
mod upgrade;

use mailagent_client::{
    Clients,
    tonic_types::StatusExt,
    v1::{
        Agent, AgentFilter, AgentHealth, AgentHealthState, AgentKind, AuditEntry, AuditFilter, AuthenticationMethod,
        BatchUpsertUsersRequest, ConnectionType, CreateAgentRequest, DefaultAgent, DeleteAgentRequest, ExchangeSettings, GetAgentRequest,
        GetDefaultAgentRequest, GetTriageAllowanceRequest, ListAgentsRequest, ListAuditEntriesRequest, MaintenanceAccount,
        SetDefaultAgentRequest, SmtpAuthentication, SmtpSecurity, SmtpSettings, TenantSettings, UpdateAgentRequest,
        UpdateMaintenanceAccountRequest, UpdateTenantSettingsRequest,
    },
};
use prost_types::FieldMask;
use sea_orm::{ConnectionTrait, Statement};
use tonic::{Code, Status};

use crate::harness::{Harness, PATIENCE, create_account, eventually, metadata, password_of, reason, user, violations};

/// A mask of these paths; none when `None`.
fn mask(paths: Option<&[&str]>) -> Option<FieldMask> {
    paths.map(|paths| FieldMask {
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
    })
}

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
        update_mask: mask(paths),
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

async fn update_account(client: &Clients, account: MaintenanceAccount, paths: Option<&[&str]>) -> Result<MaintenanceAccount, Status> {
    let request = UpdateMaintenanceAccountRequest {
        maintenance_account: Some(account),
        update_mask: mask(paths),
    };
    Ok(client.clone().agents.update_maintenance_account(request).await?.into_inner())
}

async fn change_settings(client: &Clients, settings: TenantSettings, paths: &[&str]) -> Result<TenantSettings, Status> {
    let request = UpdateTenantSettingsRequest {
        tenant_settings: Some(settings),
        update_mask: mask(Some(paths)),
    };
    Ok(client.clone().settings.update_tenant_settings(request).await?.into_inner())
}

async fn set_method(client: &Clients, method: AuthenticationMethod) {
    let settings = TenantSettings {
        authentication_method: method.into(),
        ..TenantSettings::default()
    };
    change_settings(client, settings, &["authentication_method"]).await.unwrap();
}

async fn set_licences(client: &Clients, count: i32) -> Result<TenantSettings, Status> {
    let settings = TenantSettings {
        triage_licence_count: count,
        ..TenantSettings::default()
    };
    change_settings(client, settings, &["triage_licence_count"]).await
}

/// Triage licences of the tenant, and those in use.
async fn allowance(client: &Clients) -> (i32, i32) {
    let allowance = client.clone().agents.get_triage_allowance(GetTriageAllowanceRequest {}).await;
    let allowance = allowance.unwrap().into_inner();
    assert_eq!(allowance.name, "triageAllowance");
    (allowance.total_count, allowance.used_count)
}

async fn set_default(client: &Clients, user: &str, agent: &str) -> Result<DefaultAgent, Status> {
    let request = SetDefaultAgentRequest {
        default_agent: Some(DefaultAgent {
            name: format!("users/{user}/defaultAgent"),
            agent: agent.to_owned(),
        }),
    };
    Ok(client.clone().agents.set_default_agent(request).await?.into_inner())
}

async fn default_of(client: &Clients, user: &str) -> Result<String, Status> {
    let request = GetDefaultAgentRequest {
        name: format!("users/{user}/defaultAgent"),
    };
    Ok(client.clone().agents.get_default_agent(request).await?.into_inner().agent)
}

/// All audit entries that pass, newest first, with the number of pages that they came in.
async fn audit(client: &Clients, filter: AuditFilter, page_size: i32) -> (Vec<AuditEntry>, usize) {
    let (mut entries, mut pages) = (Vec::new(), 0);
    let mut request = ListAuditEntriesRequest {
        page_size,
        page_token: String::new(),
        filter: Some(filter),
    };
    loop {
        let page = client
            .clone()
            .settings
            .list_audit_entries(request.clone())
            .await
            .unwrap()
            .into_inner();
        pages += 1;
        entries.extend(page.audit_entries);
        if page.next_page_token.is_empty() {
            return (entries, pages);
        }
        request.page_token = page.next_page_token;
    }
}

/// The newest audit entry of a resource, as its action and rows of field, old and new value; there are `count` of it.
async fn last_change(client: &Clients, resource: &str, count: usize) -> (i32, Vec<(String, String, String)>) {
    let filter = AuditFilter {
        resource: resource.to_owned(),
        ..AuditFilter::default()
    };
    let entries = audit(client, filter, 0).await.0;
    assert_eq!(entries.len(), count, "{entries:#?}");
    let newest = entries.into_iter().next().expect("there is one");
    let changes = newest.changes.into_iter();
    let rows = changes.map(|change| (change.field, change.old_value, change.new_value)).collect();
    (newest.action, rows)
}

fn row(field: &str, old: &str, new: &str) -> (String, String, String) {
    (field.to_owned(), old.to_owned(), new.to_owned())
}

fn exchange(agent: &mut Agent) -> &mut ExchangeSettings {
    agent.exchange.as_mut().expect("it has Exchange settings")
}

fn smtp(agent: &mut Agent) -> &mut SmtpSettings {
    agent.smtp.as_mut().expect("it has SMTP settings")
}

/// An SMTP agent of anna with a password, which is never tried.
fn smtp_agent() -> Agent {
    Agent {
        owner_user: "users/anna".to_owned(),
        kind: AgentKind::Smtp.into(),
        from_name: "Anna".to_owned(),
        from_address: "anna@example.com".to_owned(),
        smtp: Some(SmtpSettings {
            host: "smtp.example.com".to_owned(),
            port: 2525,
            security: SmtpSecurity::Tls.into(),
            authentication: SmtpAuthentication::Password.into(),
            username: "anna".to_owned(),
            password: "an SMTP password".to_owned(),
            password_set: false,
        }),
        ..Agent::default()
    }
}

/// A Graph agent of anna. The tenant must use modern authentication.
fn graph_agent() -> Agent {
    Agent {
        owner_user: "users/anna".to_owned(),
        kind: AgentKind::ExchangeGraph.into(),
        from_name: "Anna".to_owned(),
        from_address: "anna@example.com".to_owned(),
        exchange: Some(ExchangeSettings::default()),
        ..Agent::default()
    }
}

/// An EWS agent that opens its mailbox through an account. It sweeps.
fn agent_through(account: &str, address: &str) -> Agent {
    let owner = address.split('@').next().unwrap_or_default();
    let mut exchange = ExchangeSettings {
        maintenance_account: account.to_owned(),
        case_sweep: true,
        ..ExchangeSettings::default()
    };
    exchange.set_connection_type(ConnectionType::MaintenanceAccount);
    Agent {
        owner_user: format!("users/{owner}"),
        kind: AgentKind::ExchangeEws.into(),
        from_name: owner.to_owned(),
        from_address: address.to_owned(),
        exchange: Some(exchange),
        ..Agent::default()
    }
}

/// A change of an agent that names it and nothing else yet.
fn named(agent: &Agent) -> Agent {
    Agent {
        name: agent.name.clone(),
        ..Agent::default()
    }
}

/// Writes users of the directory.
async fn add_users(client: &Clients, ids: &[&str]) {
    let users = ids.iter().map(|id| user(id, &[])).collect();
    let written = client.clone().directory.batch_upsert_users(BatchUpsertUsersRequest { users }).await;
    written.unwrap();
}

/// Waits until an agent has this health, and returns it.
async fn wait_for(client: &Clients, agent: &str, state: AgentHealthState) -> AgentHealth {
    eventually(PATIENCE, &format!("{agent} is {state:?}"), async || {
        let health = get(client, agent).await.unwrap().health.unwrap();
        if health.state() == state { Ok(health) } else { Err(health) }
    })
    .await
}

/// What a refusal says: code, reason, the field that it names, and words of the remedy.
#[derive(Clone, Copy, Debug)]
struct Refusal<'a> {
    code: Code,
    reason: &'a str,
    field: &'a str,
    words: &'a str,
}

/// The refusal of a field that is wrong in itself.
fn wrong<'a>(field: &'a str, words: &'a str) -> Refusal<'a> {
    Refusal {
        code: Code::InvalidArgument,
        reason: "FIELDS_INVALID",
        field,
        words,
    }
}

/// The refusal of a field that depends on something else.
fn needs<'a>(reason: &'a str, field: &'a str, words: &'a str) -> Refusal<'a> {
    Refusal {
        code: Code::FailedPrecondition,
        reason,
        field,
        words,
    }
}

/// The refusal of a name that names nothing.
fn unknown<'a>(field: &'a str, words: &'a str) -> Refusal<'a> {
    Refusal {
        code: Code::NotFound,
        reason: "RESOURCE_NOT_FOUND",
        field,
        words,
    }
}

/// Checks that a call is refused as expected, and that the text says the same as the details.
fn assert_refused<T: std::fmt::Debug>(what: &str, result: Result<T, Status>, expected: Refusal<'_>) {
    let status = result.expect_err(what);
    let Refusal { code, reason: why, .. } = expected;
    assert_eq!((status.code(), reason(&status).as_str()), (code, why), "{what}: {status:?}");
    let text = status.message();
    assert!(text.contains(expected.words), "{what}: no {:?} in {text:?}", expected.words);
    match code {
        Code::InvalidArgument => {
            assert_eq!(violations(&status), [expected.field], "{what}");
            assert!(text.starts_with(&format!("{}: ", expected.field)), "{what}: {text}");
            let details = status.get_details_bad_request().unwrap();
            assert!(text.ends_with(&details.field_violations[0].description), "{what}: {text}");
        }
        Code::PermissionDenied => assert_eq!(metadata(&status, "scope"), expected.field, "{what}"),
        Code::ResourceExhausted => {
            let quota = status.get_details_quota_failure().unwrap();
            assert_eq!(quota.violations[0].subject, expected.field, "{what}");
            assert_eq!(quota.violations[0].description, text, "{what}");
        }
        Code::FailedPrecondition => {
            let failure = status.get_details_precondition_failure().unwrap();
            assert_eq!(failure.violations[0].subject, expected.field, "{what}");
            assert_eq!(failure.violations[0].r#type, why, "{what}");
        }
        _ => assert_eq!(metadata(&status, "field"), expected.field, "{what}"),
    }
}

/// Whether a row of the database has a password.
async fn password_stored(h: &Harness, name: &str) -> bool {
    let (table, id) = match name.split_once('/').unwrap() {
        ("agents", id) => ("agent", id),
        ("maintenanceAccounts", id) => ("maintenance_account", id),
        other => panic!("{other:?} has no password"),
    };
    let database = h.database().await;
    let sql = format!("SELECT CASE WHEN password_sealed IS NULL THEN 0 ELSE 1 END AS stored FROM {table} WHERE id = '{id}'");
    let statement = Statement::from_string(database.get_database_backend(), sql);
    let row = database.query_one_raw(statement).await.unwrap().expect("the row is there");
    database.close().await.unwrap();
    row.try_get::<i32>("", "stored").unwrap() == 1
}

/// A password that [`Harness::agent_for`] gives.
fn annas_password() -> String {
    password_of("anna@example.com")
}
