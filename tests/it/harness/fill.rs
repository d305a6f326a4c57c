//! A sample directory, agents, and waiting for mail to be handled.

use mailagent::testing::domain::Clock;
use mailagent_client::{
    Clients,
    v1::{
        AcknowledgeStorageTermsRequest, Agent, AgentKind, BatchUpsertCasesRequest, BatchUpsertContactsRequest, BatchUpsertCustomersRequest,
        BatchUpsertUsersRequest, Case, Contact, CreateAgentRequest, CreateMaintenanceAccountRequest, Customer, ExchangeSettings,
        GetAgentRequest, ListNotesRequest, ListOutcomesRequest, MaintenanceAccount, Note, Outcome, OutcomeResult, SweepOptions,
        TenantSettings, UpdateTenantSettingsRequest, User,
    },
};
use mailagent_sim::exchange::{FolderKind, Raw};

use tonic::Status;

use super::{Harness, Mail, PATIENCE, eventually};

/// A user of the directory.
pub fn user(id: &str, addresses: &[&str]) -> User {
    User {
        name: format!("users/{id}"),
        display_name: id.to_owned(),
        email_addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
        revision: 1,
    }
}

/// A customer of the directory.
pub fn customer(id: &str) -> Customer {
    Customer {
        name: format!("customers/{id}"),
        display_name: format!("Customer {id}"),
        revision: 1,
    }
}

/// A contact of the directory.
pub fn contact(id: &str, customer: &str, addresses: &[&str]) -> Contact {
    Contact {
        name: format!("contacts/{id}"),
        customer: format!("customers/{customer}"),
        display_name: id.to_owned(),
        email_addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
        revision: 1,
        created_by_service: false,
        ..Contact::default()
    }
}

/// A case of the directory.
pub fn case(id: &str, reference: &str, customer: &str) -> Case {
    Case {
        name: format!("cases/{id}"),
        reference: reference.to_owned(),
        customer: format!("customers/{customer}"),
        title: format!("About {reference}"),
        revision: 1,
    }
}

/// A maintenance account at an Exchange server: login `service`, password `password of service`.
pub fn account(endpoint: &str) -> MaintenanceAccount {
    MaintenanceAccount {
        display_name: "Service".to_owned(),
        kind: AgentKind::ExchangeEws.into(),
        endpoint: endpoint.to_owned(),
        username: "service".to_owned(),
        password: password_of("service"),
        ..MaintenanceAccount::default()
    }
}

/// Creates a maintenance account.
///
/// # Errors
/// The status.
pub async fn create_account(client: &Clients, account: MaintenanceAccount, request_id: &str) -> Result<MaintenanceAccount, Status> {
    let request = CreateMaintenanceAccountRequest {
        maintenance_account: Some(account),
        request_id: request_id.to_owned(),
    };
    Ok(client.clone().agents.create_maintenance_account(request).await?.into_inner())
}

impl Harness {
    /// Fills the usual tenant: the users anna and bert of `example.com`, which is internal; the customers oak, with the contact
    /// `eva@oak.example` and the case CS-0000001, and elm, with `tom@elm.example` and CS-0000002. The storage terms are accepted.
    /// Returns a caller who may do everything.
    pub async fn seed(&self) -> Clients {
        let client = self.client().await;
        self.seed_for(client.clone()).await;
        client
    }

    /// Fills the tenant of this caller as [`Harness::seed`] does.
    pub async fn seed_for(&self, mut client: Clients) {
        let settings = TenantSettings {
            internal_domains: vec!["example.com".to_owned()],
            ..TenantSettings::default()
        };
        self.change_settings(&client, settings).await;
        let acknowledged = client.settings.acknowledge_storage_terms(AcknowledgeStorageTermsRequest {}).await;
        acknowledged.expect("the storage terms are accepted");
        let users = vec![user("anna", &["anna@example.com"]), user("bert", &["bert@example.com"])];
        let written = client.directory.batch_upsert_users(BatchUpsertUsersRequest { users }).await;
        written.expect("the users are written");
        let customers = ["oak", "elm"].map(customer).into();
        let written = client
            .directory
            .batch_upsert_customers(BatchUpsertCustomersRequest { customers })
            .await;
        written.expect("the customers are written");
        self.add_contacts(
            &client,
            vec![
                contact("eva", "oak", &["eva@oak.example"]),
                contact("tom", "elm", &["tom@elm.example"]),
            ],
        )
        .await;
        self.add_cases(
            &client,
            vec![case("case-oak", "CS-0000001", "oak"), case("case-elm", "CS-0000002", "elm")],
        )
        .await;
    }

    /// Writes contacts.
    pub async fn add_contacts(&self, client: &Clients, contacts: Vec<Contact>) {
        let request = BatchUpsertContactsRequest { contacts };
        let written = client.clone().directory.batch_upsert_contacts(request).await;
        written.expect("the contacts are written");
    }

    /// Writes cases.
    pub async fn add_cases(&self, client: &Clients, cases: Vec<Case>) {
        let written = client.clone().directory.batch_upsert_cases(BatchUpsertCasesRequest { cases }).await;
        written.expect("the cases are written");
    }

    /// Changes the settings that have a value.
    pub async fn change_settings(&self, client: &Clients, settings: TenantSettings) -> TenantSettings {
        let request = UpdateTenantSettingsRequest {
            tenant_settings: Some(settings),
            update_mask: None,
        };
        let changed = client.clone().settings.update_tenant_settings(request).await;
        changed.expect("the settings are changed").into_inner()
    }

    /// An agent as a test would create it, of the user with the address's local part: it sweeps, archives, creates contacts and keeps
    /// full messages. Its login is the address, the password is `password of ADDRESS`.
    pub fn agent_for(&self, address: &str) -> Agent {
        let owner = address.split('@').next().unwrap_or_default();
        Agent {
            owner_user: format!("users/{owner}"),
            kind: AgentKind::ExchangeEws.into(),
            from_name: owner.to_owned(),
            from_address: address.to_owned(),
            exchange: Some(ExchangeSettings {
                endpoint: self.exchange.endpoint().into(),
                username: address.to_owned(),
                password: password_of(address),
                case_sweep: true,
                archive: Some(true),
                sweep_options: Some(SweepOptions {
                    create_non_matching_contacts: true,
                    keep_full_message: true,
                }),
                ..ExchangeSettings::default()
            }),
            ..Agent::default()
        }
    }

    /// Makes a mailbox and its agent, as of [`Harness::agent_for`].
    pub async fn agent(&self, client: &Clients, address: &str) -> Agent {
        self.agent_with(client, address, |_| {}).await
    }

    /// Makes a mailbox and its agent, as of [`Harness::agent_for`] with changed settings.
    pub async fn agent_with(&self, client: &Clients, address: &str, change: impl FnOnce(&mut ExchangeSettings)) -> Agent {
        self.exchange.add_mailbox(address, address, &password_of(address));
        let mut agent = self.agent_for(address);
        change(agent.exchange.as_mut().expect("it has Exchange settings"));
        self.create(client, agent).await
    }

    /// Creates an agent.
    pub async fn create(&self, client: &Clients, agent: Agent) -> Agent {
        let request = CreateAgentRequest {
            agent: Some(agent),
            request_id: String::new(),
        };
        let created = client.clone().agents.create_agent(request).await;
        created.expect("the agent is created").into_inner()
    }

    /// An agent as it is now.
    pub async fn get_agent(&self, client: &Clients, name: &str) -> Agent {
        let request = GetAgentRequest { name: name.to_owned() };
        let agent = client.clone().agents.get_agent(request).await;
        agent.expect("the agent is there").into_inner()
    }

    /// Puts a message into an inbox, received now. Returns its id at the server.
    pub fn deliver(&self, address: &str, mail: &Mail) -> String {
        self.deliver_raw(address, FolderKind::Inbox, mail.bytes())
    }

    /// Puts bytes into a folder, received now. Returns their id at the server.
    pub fn deliver_raw(&self, address: &str, folder: FolderKind, raw: impl Into<Raw>) -> String {
        self.exchange.deliver(address, folder, raw, self.clock.now())
    }

    /// Waits until an agent has handled so many messages since its creation, and is well.
    pub async fn handled(&self, client: &Clients, agent: &str, count: i64) {
        let what = format!("{agent} has handled {count} messages");
        eventually(PATIENCE, &what, async || {
            let health = self.get_agent(client, agent).await.health.expect("agents have a health");
            if health.handled_count == count && health.problem.is_empty() {
                Ok(())
            } else {
                Err(health)
            }
        })
        .await;
    }

    /// All outcomes of the tenant, oldest first.
    pub async fn outcomes(&self, client: &Clients) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let mut request = ListOutcomesRequest {
            page_size: 500,
            ..ListOutcomesRequest::default()
        };
        loop {
            let page = client.clone().sweep.list_outcomes(request.clone()).await;
            let page = page.expect("the outcomes are listed").into_inner();
            outcomes.extend(page.outcomes);
            if page.next_page_token.is_empty() {
                outcomes.reverse();
                return outcomes;
            }
            request.page_token = page.next_page_token;
        }
    }

    /// Waits for the outcome of the message with this Message-ID; there must be one only.
    pub async fn outcome_of(&self, client: &Clients, message_id: &str) -> Outcome {
        let what = format!("{message_id} has an outcome");
        eventually(PATIENCE, &what, async || {
            let mut found = self.outcomes(client).await;
            found.retain(|outcome| outcome.message_id == message_id);
            assert!(found.len() < 2, "several outcomes: {found:#?}");
            found.pop().ok_or("none")
        })
        .await
    }

    /// Delivers a message to anna's inbox, and waits for what becomes of it.
    pub async fn sweep_one(&self, client: &Clients, mail: &Mail) -> (OutcomeResult, Outcome) {
        self.deliver("anna@example.com", mail);
        let outcome = self.outcome_of(client, &mail.id()).await;
        (outcome.result(), outcome)
    }

    /// All notes of the tenant, oldest first, as lists have them. There must be at most 500.
    pub async fn notes(&self, client: &Clients) -> Vec<Note> {
        let request = ListNotesRequest {
            page_size: 500,
            ..ListNotesRequest::default()
        };
        let page = client
            .clone()
            .sweep
            .list_notes(request)
            .await
            .expect("the notes are listed")
            .into_inner();
        assert_eq!(page.next_page_token, "", "one page is enough");
        page.notes.into_iter().rev().collect()
    }
}

/// The password that [`Harness::agent_for`] gives an agent.
pub fn password_of(address: &str) -> String {
    format!("password of {address}")
}
