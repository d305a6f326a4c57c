//! Fills a database through the API, with rows in all tables.

use std::time::Duration;

use mailagent::testing::domain::Scope;
use mailagent_client::{
    Clients, EARLIEST,
    v1::{
        Agent, AgentKind, AuthenticationMethod, BatchDeleteCasesRequest, BatchDeleteContactsRequest, BatchDeleteCustomersRequest,
        BatchDeleteUsersRequest, BatchUpsertCustomersRequest, BatchUpsertUsersRequest, BeginLoginRequest, ConnectionType,
        CreateAgentRequest, DefaultAgent, DeleteAgentRequest, Deletion, ExchangeSettings, GetMessageRequest, GetNoteRequest, MessageView,
        SenderCheck, SetDefaultAgentRequest, SmtpAuthentication, SmtpSecurity, SmtpSettings, TenantSettings, TrustedCertificate,
        WatchMatchesRequest, WatchTokensRequest,
    },
};
use mailagent_sim::exchange::FolderKind;
use sea_orm::ConnectionTrait;

use crate::{
    harness::{Engine, Harness, Mail, account, case, contact, create_account, customer, events, password_of, take, user},
    login::{ANNA, BERT, Place, consent, open},
};

/// A colleague whose mailbox is opened by a maintenance account.
pub const CARL: &str = "carl@example.com";
/// Somebody who becomes a contact after the mail was archived.
pub const STRANGER: &str = "stranger@ash.example";
/// The request id that [`sender`] was created with.
pub const REQUEST: &str = "request-of-the-sender";

/// A message with an attachment and a history.
const WITH_ATTACHMENT: &str = "--b\r\n\r\nThe water pump leaks.\r\n\r\nOn Mon, Anna wrote:\r\n> How is the pump?\r\n--b\r\n\
    Content-Type: text/csv\r\nContent-Disposition: attachment; filename=values.csv\r\n\r\n1,2\r\n--b--\r\n";
const FORWARDED: &str = "See below.\r\n\r\n---------- Forwarded message ---------\r\nFrom: Tom <tom@elm.example>\r\nDate: Monday\r\n\
    Subject: Invoice\r\nTo: Bert\r\n\r\nThe invoice is wrong.\r\n";

/// A service whose secret at the login provider ends in a week.
pub async fn place(engine: Engine) -> Place {
    Place::with(engine, |platform| platform, "client_secret_expires = \"2026-11-30\"\n").await
}

/// The agent that sends, which a repeat of its request finds again.
pub fn sender() -> Agent {
    Agent {
        owner_user: "users/anna".to_owned(),
        kind: AgentKind::Smtp.into(),
        from_name: "Anna".to_owned(),
        from_address: ANNA.to_owned(),
        campaign_compatible: true,
        smtp: Some(SmtpSettings {
            host: "smtp.example.com".to_owned(),
            port: 2525,
            security: SmtpSecurity::Tls.into(),
            authentication: SmtpAuthentication::Password.into(),
            username: "anna".to_owned(),
            password: password_of("smtp"),
            password_set: false,
        }),
        ..Agent::default()
    }
}

/// What an administrator chose: nothing as it is by itself.
pub fn settings() -> TenantSettings {
    TenantSettings {
        trusted_authserv_ids: vec!["mx.example.com".to_owned()],
        sender_check: SenderCheck::Warn.into(),
        loop_limit_per_sender_and_case: Some(7),
        loop_limit_per_sender: Some(70),
        authentication_method: AuthenticationMethod::Basic.into(),
        triage_licence_count: 3,
        allow_unencrypted_smtp: true,
        allow_private_networks: true,
        trusted_certificates: vec![TrustedCertificate {
            host: "mail.example.com".to_owned(),
            sha256_fingerprint: "0123456789abcdef".repeat(4),
        }],
        read_audit_retention_days: Some(90),
        ..TenantSettings::default()
    }
}

/// Puts rows into all tables but those of [`leave_behind`]. Returns a cursor behind the first match.
pub async fn fill(p: &Place) -> String {
    let (h, client) = (&p.h, &p.client);
    h.seed_for(h.client_as("other", "olga", Scope::ALL).await).await;
    let begun = consent::begin(client, "example.com").await.expect("it begins");
    let back = p.entra.sign_in(&begun.consent_url, "admin").expect("the page takes it");
    assert_eq!(open(back.as_str()).await.0, 200);
    h.change_settings(client, settings()).await;
    directory(h, client).await;
    let agents = agents(p).await;
    let first = mail(p, &agents).await;

    let mut watch = client.watch_matches(WatchMatchesRequest {
        cursor: EARLIEST.to_owned(),
        filter: None,
    });
    let cursor = loop {
        let delivery = take(&mut watch).await.expect("it does not end").expect("it goes on");
        if delivery.event.is_some() {
            break delivery.cursor;
        }
    };
    read(client, &first).await;
    // Secrets are looked at once a minute. The events are of the consent, the login, and the secret that ends soon.
    h.clock.advance(Duration::from_mins(2));
    let tokens = WatchTokensRequest {
        cursor: EARLIEST.to_owned(),
        filter: None,
    };
    events(&mut client.watch_tokens(tokens), 3).await;
    cursor
}

async fn directory(h: &Harness, client: &Clients) {
    let mut directory = client.directory.clone();
    let users = vec![user("carl", &[CARL]), user("gone", &["gone@example.com"])];
    let written = directory.batch_upsert_users(BatchUpsertUsersRequest { users }).await;
    written.expect("the users are written");
    let customers = vec![customer("gone")];
    let written = directory.batch_upsert_customers(BatchUpsertCustomersRequest { customers }).await;
    written.expect("the customer is written");
    h.add_contacts(client, vec![contact("gone", "gone", &["gone@ash.example"])]).await;
    h.add_cases(client, vec![case("gone", "CS-0000009", "gone")]).await;
    let gone = |name: &str| {
        vec![Deletion {
            name: format!("{name}/gone"),
            revision: 2,
        }]
    };
    let deleted = directory.batch_delete_cases(BatchDeleteCasesRequest { cases: gone("cases") }).await;
    deleted.expect("the case is deleted");
    let contacts = gone("contacts");
    let deleted = directory.batch_delete_contacts(BatchDeleteContactsRequest { contacts }).await;
    deleted.expect("the contact is deleted");
    let customers = gone("customers");
    let deleted = directory.batch_delete_customers(BatchDeleteCustomersRequest { customers }).await;
    deleted.expect("the customer is deleted");
    let deleted = directory.batch_delete_users(BatchDeleteUsersRequest { users: gone("users") }).await;
    deleted.expect("the user is deleted");
}

/// Makes the agents of anna, bert and carl, which read, and others, which do not.
async fn agents(p: &Place) -> [Agent; 3] {
    let (h, client) = (&p.h, &p.client);
    let anna = h.agent(client, ANNA).await;
    let by_login = |address: &str| {
        let mut agent = h.agent_for(address);
        let exchange = agent.exchange.as_mut().expect("it has them");
        exchange.username.clear();
        exchange.password.clear();
        exchange.set_authentication_method(AuthenticationMethod::Modern);
        agent
    };
    let bert = h.create(client, by_login(BERT)).await;
    p.log_in(&bert.name).await;

    h.exchange.add_mailbox(CARL, CARL, &password_of(CARL));
    h.exchange.add_maintenance_account("service", &password_of("service"));
    let account = create_account(client, account(h.exchange.endpoint().as_str()), "").await;
    let carl = Agent {
        owner_user: "users/carl".to_owned(),
        kind: AgentKind::ExchangeEws.into(),
        from_name: "Carl".to_owned(),
        from_address: CARL.to_owned(),
        exchange: Some(ExchangeSettings {
            connection_type: ConnectionType::MaintenanceAccount.into(),
            maintenance_account: account.expect("the account is created").name,
            case_sweep: true,
            ..ExchangeSettings::default()
        }),
        ..Agent::default()
    };
    let carl = h.create(client, carl).await;

    let mut service = client.agents.clone();
    let request = CreateAgentRequest {
        agent: Some(sender()),
        request_id: REQUEST.to_owned(),
    };
    let sender = service.create_agent(request).await.expect("the agent is created").into_inner();
    let default_agent = Some(DefaultAgent {
        name: "users/anna/defaultAgent".to_owned(),
        agent: sender.name,
    });
    let chosen = service.set_default_agent(SetDefaultAgentRequest { default_agent }).await;
    chosen.expect("it is anna's");

    // A login that was begun and not completed, and an agent that was deleted.
    let begun = h.create(client, by_login(BERT)).await;
    let name = begun.name;
    let begun = service
        .begin_login(BeginLoginRequest {
            name,
            ..BeginLoginRequest::default()
        })
        .await;
    begun.expect("the login begins");
    let name = h.create(client, by_login(ANNA)).await.name;
    let deleted = service
        .delete_agent(DeleteAgentRequest {
            name,
            ..DeleteAgentRequest::default()
        })
        .await;
    deleted.expect("the agent is deleted");
    [anna, bert, carl]
}

/// Delivers a message of every kind, and waits until all are handled. Returns the names of a message and of its note.
async fn mail(p: &Place, [_, bert, carl]: &[Agent; 3]) -> [String; 2] {
    let (h, client) = (&p.h, &p.client);
    let with_attachment = Mail::new("Eva <eva@oak.example>", "Re: CS-0000001 water pump")
        .header("Cc", "Tom <tom@elm.example>")
        .header("Content-Type", "multipart/mixed; boundary=b")
        .body(WITH_ATTACHMENT);
    let first = h.sweep_one(client, &with_attachment).await.1;
    for mail in [
        Mail::new("\"New, Ina\" <ina@oak.example>", "CS-0000001"),
        Mail::new(STRANGER, "An offer"),
        Mail::new("Bert <bert@example.com>", "Fwd: Invoice").body(FORWARDED),
        Mail::new("eva@oak.example", "Out of office").header("Auto-Submitted", "auto-replied"),
    ] {
        h.sweep_one(client, &mail).await;
    }
    // What has no Message-ID to look for, and what anna sent.
    h.deliver_raw(ANNA, FolderKind::Inbox, b"no header here".to_vec());
    let sent = Mail::new("Anna <anna@example.com>", "CS-0000001 answer").header("To", "eva@oak.example");
    h.deliver_raw(ANNA, FolderKind::Sent, sent.bytes());
    for (address, agent) in [(BERT, bert), (CARL, carl)] {
        h.deliver(address, &Mail::new("Tom <tom@elm.example>", "CS-0000002"));
        h.handled(client, &agent.name, 1).await;
    }
    h.handled(client, &first.agent, 7).await;
    [first.message, first.note]
}

/// Reads a message and a note as people do, which the audit log keeps.
async fn read(client: &Clients, [message, note]: &[String; 2]) {
    let request = GetMessageRequest {
        name: message.clone(),
        view: MessageView::Full.into(),
    };
    client.clone().archive.get_message(request).await.expect("it is there");
    let request = GetNoteRequest { name: note.clone() };
    client.clone().sweep.get_note(request).await.expect("it is there");
}

/// Adds what is there only for a moment or after a death, as a process that died would have left it.
pub async fn leave_behind(h: &Harness) {
    let statements = [
        "INSERT INTO agent_leftover (tenant_id, agent_id) VALUES ('acme', '01ARZ3NDEKTSV4RRFFQ69G5FAV')".to_owned(),
        "INSERT INTO suspect (tenant_id, agent_id, source_key, deaths, update_time) \
         SELECT tenant_id, agent_id, source_key, 1, 1795428000000000 FROM mailbox_item ORDER BY agent_id, folder, source_key LIMIT 1"
            .to_owned(),
        // Of a replica that died long ago.
        "INSERT INTO lease (kind, tenant_id, id, holder, until, fence, signal) \
         SELECT 'mailbox', tenant_id, id, '01ARZ3NDEKTSV4RRFFQ69G5FAV', 1795428000000000, 5, 1 FROM agent WHERE kind = 'smtp'"
            .to_owned(),
        // Of an account that is gone, so that nothing follows from it.
        "INSERT INTO agent_review (tenant_id, change, done_to) VALUES ('acme', 'account/01ARZ3NDEKTSV4RRFFQ69G5FAV', '')".to_owned(),
        // Of another login of the same account, to be tried again in a month.
        "INSERT INTO token_revocation (tenant_id, id, provider, account, token_sealed, create_time, retry_at, failures) \
         SELECT tenant_id, id, provider, account, refresh_sealed, made_time, made_time + 2592000000000, 1 \
         FROM login WHERE refresh_sealed IS NOT NULL"
            .to_owned(),
        format!(
            "INSERT INTO contact (tenant_id, id, customer_id, display_name, addresses, revision, created_by_service, deleted) \
             VALUES ('acme', 'ida', 'oak', 'Ida', '[\"{STRANGER}\"]', 1, FALSE, FALSE)"
        ),
        format!(
            "INSERT INTO address (tenant_id, address_key, owner_kind, owner_id, customer_id) \
             VALUES ('acme', '{STRANGER}', 'contact', 'ida', 'oak')"
        ),
        format!("INSERT INTO mail_linking (tenant_id, address_key, contact_id, done_to) VALUES ('acme', '{STRANGER}', 'ida', 0)"),
    ];
    let database = h.database().await;
    for statement in statements {
        let done = database.execute_unprepared(&statement).await;
        done.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    database.close().await.expect("the connection closes");
}
