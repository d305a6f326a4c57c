//! Reads through the API what `make` filled a database with, and lets the service go on with it.

use std::{collections::BTreeSet, sync::Arc};

use mailagent::testing::{
    domain::{LoginSource, Scope},
    ops::login::tokens,
};
use mailagent_client::{
    Clients, Delivery, EARLIEST,
    v1::{
        Agent, AgentFilter, AuditAction, AuditEntry, AuditFilter, AuthenticationState, ConnectionType, CreateAgentRequest,
        DownloadAttachmentRequest, DownloadNoteMessageRequest, EmailAddress, GetArchiveStatisticsRequest, GetCaseRequest,
        GetContactRequest, GetDefaultAgentRequest, GetMessageRequest, GetNoteRequest, GetTenantSettingsRequest, GetUserRequest,
        ListAdminConsentsRequest, ListAgentsRequest, ListAuditEntriesRequest, ListCasesRequest, ListContactsRequest, ListCustomersRequest,
        ListMaintenanceAccountsRequest, ListMessagesRequest, ListNotesRequest, ListUsersRequest, Message, MessageFilter, MessageView,
        OutcomeResult, SearchMessagesRequest, StreamMessagesRequest, TokenEventKind, TriageOptions, WatchChangesRequest,
        WatchMatchesRequest, WatchTokensRequest, change,
    },
};
use mailagent_sim::{entra::TokenHolder, exchange::FolderKind};
use tonic::{Code, Status};

use super::make::{CARL, REQUEST, STRANGER, sender, settings};
use crate::{
    harness::{Harness, Mail, PATIENCE, TENANT, case, download, eventually, password_of, take},
    login::{ANNA, BERT, DIRECTORY, Place},
};

/// Starts the service, which must have stopped, and reads everything back. `cursor` is one of `WatchMatches` behind the first match.
pub async fn check(p: &mut Place, cursor: &str) {
    // The mailboxes have moved to a server that knows the same passwords and, for bert, the token that was stored.
    let exchange = &p.h.exchange;
    for (address, password) in [
        (ANNA, password_of(ANNA)),
        (BERT, "no password".to_owned()),
        (CARL, password_of(CARL)),
    ] {
        exchange.add_mailbox(address, address, &password);
        // Another server gives other ids.
        exchange.replace_mailbox(address);
    }
    exchange.add_maintenance_account("service", &password_of("service"));
    exchange.set_tokens(Some(Arc::new(|_| {
        Some(TokenHolder {
            account: Some(BERT.to_owned()),
            scopes: vec!["EWS.AccessAsUser.All".to_owned()],
            application: false,
            directory: DIRECTORY.to_owned(),
        })
    })));
    p.h.start().await;
    p.client = p.h.client().await;
    let (h, client) = (&p.h, &p.client);
    tenant(client).await;
    directory(h, client).await;
    let agents = agents(h, client).await;
    logins(h, client, &agents).await;
    let messages = archive(client).await;
    notes(client, &messages).await;
    outcomes(h, client).await;
    streams(client, cursor).await;
    audit(client, &agents).await;
    going_on(h, client, &agents).await;
}

async fn tenant(client: &Clients) {
    let request = GetTenantSettingsRequest {};
    let mut kept = client
        .clone()
        .settings
        .get_tenant_settings(request)
        .await
        .expect("it may")
        .into_inner();
    let acknowledged = kept.storage_acknowledgement.take().expect("the storage terms are accepted");
    assert_eq!(acknowledged.user, "users/anna");
    assert_eq!(std::mem::take(&mut kept.internal_domains), ["example.com"]);
    assert!(kept.case_reference_format.take().is_some());
    kept.etag.clear();
    kept.name.clear();
    assert_eq!(kept, settings());
}

async fn directory(h: &Harness, client: &Clients) {
    let mut directory = client.directory.clone();
    let users = directory
        .list_users(ListUsersRequest::default())
        .await
        .expect("it may")
        .into_inner()
        .users;
    let users: Vec<(&str, &[String])> = users
        .iter()
        .map(|user| (user.name.as_str(), user.email_addresses.as_slice()))
        .collect();
    let address = |address: &str| [address.to_owned()];
    assert_eq!(
        users,
        [
            ("users/anna", &address(ANNA)[..]),
            ("users/bert", &address(BERT)),
            ("users/carl", &address(CARL))
        ]
    );
    let customers = directory
        .list_customers(ListCustomersRequest::default())
        .await
        .expect("it may")
        .into_inner();
    let customers: Vec<String> = customers.customers.into_iter().map(|customer| customer.display_name).collect();
    assert_eq!(customers, ["Customer elm", "Customer oak"]);
    let cases = directory
        .list_cases(ListCasesRequest::default())
        .await
        .expect("it may")
        .into_inner()
        .cases;
    let cases: Vec<(&str, &str)> = cases.iter().map(|case| (case.reference.as_str(), case.title.as_str())).collect();
    assert_eq!(cases, [("CS-0000002", "About CS-0000002"), ("CS-0000001", "About CS-0000001")]);
    let contacts = directory
        .list_contacts(ListContactsRequest::default())
        .await
        .expect("it may")
        .into_inner()
        .contacts;
    let contacts: BTreeSet<(String, String, bool)> = contacts
        .into_iter()
        .map(|contact| (contact.email_addresses.concat(), contact.customer, contact.created_by_service))
        .collect();
    let contact = |address: &str, customer: &str, made| (address.to_owned(), format!("customers/{customer}"), made);
    let expected = [
        contact("eva@oak.example", "oak", false),
        contact("ina@oak.example", "oak", true),
        contact(STRANGER, "oak", false),
        contact("tom@elm.example", "elm", false),
    ];
    assert_eq!(contacts, expected.into());

    // What was deleted is gone, and an older revision of it does not come back.
    let gone = [
        directory
            .get_user(GetUserRequest {
                name: "users/gone".to_owned(),
            })
            .await
            .map(drop),
        directory
            .get_contact(GetContactRequest {
                name: "contacts/gone".to_owned(),
            })
            .await
            .map(drop),
        directory
            .get_case(GetCaseRequest {
                name: "cases/gone".to_owned(),
            })
            .await
            .map(drop),
    ];
    let codes = gone.map(|gone| gone.map_err(|status: Status| status.code()));
    assert_eq!(codes, [Err(Code::NotFound); 3]);
    h.add_cases(client, vec![case("gone", "CS-0000009", "oak")]).await;
    let gone = directory
        .get_case(GetCaseRequest {
            name: "cases/gone".to_owned(),
        })
        .await;
    assert_eq!(gone.unwrap_err().code(), Code::NotFound);

    let other = h.client_as("other", "olga", Scope::ALL).await;
    let users = other
        .clone()
        .directory
        .list_users(ListUsersRequest::default())
        .await
        .expect("it may")
        .into_inner();
    assert_eq!(users.users.len(), 2, "the other tenant's are its own");
}

/// Returns the agents of anna, bert and carl that read mailboxes.
async fn agents(h: &Harness, client: &Clients) -> [Agent; 3] {
    let mut service = client.agents.clone();
    let listed = service
        .list_agents(ListAgentsRequest::default())
        .await
        .expect("it may")
        .into_inner()
        .agents;
    let [anna, bert, carl, smtp, unused] = &listed[..] else {
        panic!("{listed:#?}")
    };
    let owners: Vec<&str> = listed.iter().map(|agent| agent.owner_user.as_str()).collect();
    assert_eq!(owners, ["users/anna", "users/bert", "users/carl", "users/anna", "users/bert"]);
    let mut expected = h.agent_for(ANNA).exchange.expect("it has them");
    expected.password.clear();
    expected.password_set = true;
    let mut shown = anna.exchange.clone().expect("it has them");
    assert_eq!(shown.triage_options.take(), Some(TriageOptions::default()));
    expected.set_connection_type(ConnectionType::UserCredentials);
    assert_eq!(shown, expected);
    assert_eq!((anna.from_name.as_str(), anna.from_address.as_str()), ("anna", ANNA));
    assert!(unused.authentication.is_some());

    let mut expected = sender().smtp.expect("it has them");
    expected.password.clear();
    expected.password_set = true;
    assert_eq!((smtp.smtp.as_ref(), smtp.campaign_compatible), (Some(&expected), true));
    let name = "users/anna/defaultAgent".to_owned();
    let chosen = service
        .get_default_agent(GetDefaultAgentRequest { name })
        .await
        .expect("it may")
        .into_inner();
    assert_eq!(chosen.agent, smtp.name);
    // A repeat of the request that made it finds it again; what is different is refused.
    let repeat = |agent: Agent| CreateAgentRequest {
        agent: Some(agent),
        request_id: REQUEST.to_owned(),
    };
    let again = service.create_agent(repeat(sender())).await.expect("it was the same").into_inner();
    assert_eq!(again.name, smtp.name);
    let other = Agent {
        from_name: "Another".to_owned(),
        ..sender()
    };
    assert_eq!(service.create_agent(repeat(other)).await.unwrap_err().code(), Code::AlreadyExists);

    let accounts = service.list_maintenance_accounts(ListMaintenanceAccountsRequest::default()).await;
    let accounts = accounts.expect("it may").into_inner().maintenance_accounts;
    let [account] = &accounts[..] else { panic!("{accounts:#?}") };
    assert_eq!(
        (account.display_name.as_str(), account.username.as_str(), account.password_set),
        ("Service", "service", true)
    );
    let through = AgentFilter {
        maintenance_account: account.name.clone(),
        ..AgentFilter::default()
    };
    let request = ListAgentsRequest {
        filter: Some(through),
        ..ListAgentsRequest::default()
    };
    let through = service.list_agents(request).await.expect("it may").into_inner().agents;
    assert_eq!(through.len(), 1);
    assert_eq!(through[0].name, carl.name);
    for (agent, handled) in [(anna, 7), (bert, 1), (carl, 1)] {
        let health = agent.health.as_ref().expect("agents have a health");
        assert_eq!((health.handled_count, health.problem.as_str()), (handled, ""), "{agent:#?}");
        assert!(health.last_success_time.is_some());
    }
    assert_eq!(
        anna.health.as_ref().map(|health| (health.matched_count, health.set_aside_count)),
        Some((2, 1))
    );
    [anna.clone(), bert.clone(), carl.clone()]
}

async fn logins(h: &Harness, client: &Clients, [_, bert, _]: &[Agent; 3]) {
    let login = bert.authentication.as_ref().expect("it logs in by OAuth");
    assert_eq!(
        (
            login.state(),
            login.account.as_str(),
            login.provider.as_str(),
            login.login_user.as_str()
        ),
        (AuthenticationState::Active, BERT, "contoso", "users/anna")
    );
    assert!(
        login.expire_time.is_some() && login.access_token_expire_time.is_some(),
        "{login:#?}"
    );
    let source = LoginSource::parse(&login.source).expect("it is a source");
    let token = tokens::access(h.ops(), &TENANT.into(), &source, None).await;
    assert!(token.is_ok_and(|token| !token.expose().is_empty()), "the stored token opens");
    let consents = client.clone().agents.list_admin_consents(ListAdminConsentsRequest::default()).await;
    let consents = consents.expect("it may").into_inner().admin_consents;
    let [consent] = &consents[..] else { panic!("{consents:#?}") };
    assert_eq!((consent.domain.as_str(), consent.directory.as_str()), ("example.com", DIRECTORY));
    assert_eq!(
        consent.authentication.as_ref().map(|login| login.state()),
        Some(AuthenticationState::Active)
    );
}

/// Returns all messages, oldest first as they were archived.
async fn archive(client: &Clients) -> Vec<Message> {
    let mut archive = client.archive.clone();
    // A bookmark at the end of the history says that there is no more.
    let mut stream = client.stream_messages(StreamMessagesRequest {
        cursor: EARLIEST.to_owned(),
        filter: None,
    });
    let kept = all(&mut stream).await;
    let mut subjects: Vec<&str> = kept.iter().map(|message| message.subject.as_str()).collect();
    subjects.sort_unstable();
    // Carl's agent does not archive.
    let expected = [
        "",
        "An offer",
        "CS-0000001",
        "CS-0000001 answer",
        "CS-0000002",
        "Fwd: Invoice",
        "Out of office",
        "Re: CS-0000001 water pump",
    ];
    assert_eq!(subjects, expected);
    let listed = archive
        .list_messages(ListMessagesRequest::default())
        .await
        .expect("it may")
        .into_inner()
        .messages;
    assert_eq!(listed.len(), kept.len());
    let statistics = archive
        .get_archive_statistics(GetArchiveStatisticsRequest {})
        .await
        .expect("it may")
        .into_inner();
    assert_eq!(statistics.message_count, 8);
    assert!(statistics.size_bytes > 1_000 && statistics.stored_bytes > 500, "{statistics:?}");

    let pump = kept
        .iter()
        .find(|message| message.subject.ends_with("water pump"))
        .expect("it is there");
    let mailbox = |mailbox: &EmailAddress| (mailbox.display_name.clone(), mailbox.address.clone());
    let named = |name: &str, address: &str| (name.to_owned(), address.to_owned());
    assert_eq!(pump.from.as_ref().map(mailbox), Some(named("Eva", "eva@oak.example")));
    assert_eq!(pump.to.iter().map(mailbox).collect::<Vec<_>>(), [named("Anna", ANNA)]);
    assert_eq!(pump.cc.iter().map(mailbox).collect::<Vec<_>>(), [named("Tom", "tom@elm.example")]);
    let links: Vec<(&str, &str, &str)> = pump
        .customers
        .iter()
        .map(|link| (link.customer.as_str(), link.contact.as_str(), link.address.as_str()))
        .collect();
    assert_eq!(links, [("customers/oak", "contacts/eva", "eva@oak.example")]);
    for (query, expected) in [
        ("pump", &pump.subject),
        ("leak*", &pump.subject),
        ("values", &pump.subject),
        ("tom \"water pump\"", &pump.subject),
    ] {
        let request = SearchMessagesRequest {
            query: query.to_owned(),
            ..SearchMessagesRequest::default()
        };
        let found = archive.search_messages(request).await.expect("it may").into_inner().messages;
        let found: Vec<&String> = found.iter().map(|message| &message.subject).collect();
        assert_eq!(found, [expected], "{query}");
    }
    let request = GetMessageRequest {
        name: pump.name.clone(),
        view: MessageView::Full.into(),
    };
    let content = archive
        .get_message(request)
        .await
        .expect("it may")
        .into_inner()
        .content
        .expect("it is whole");
    assert!(content.text.starts_with("The water pump leaks."), "{content:#?}");
    let request = DownloadAttachmentRequest {
        name: pump.name.clone(),
        index: 0,
        offset_bytes: 0,
    };
    let (header, bytes) = download(archive.download_attachment(request).await.expect("it may").into_inner(), 0).await;
    assert_eq!((header.file_name.as_str(), &bytes[..]), ("values.csv", &b"1,2"[..]));
    kept
}

async fn notes(client: &Clients, messages: &[Message]) {
    let mut sweep = client.sweep.clone();
    let listed = sweep
        .list_notes(ListNotesRequest::default())
        .await
        .expect("it may")
        .into_inner()
        .notes;
    let cases: Vec<(&str, &str)> = listed.iter().map(|note| (note.case.as_str(), note.subject.as_str())).collect();
    let mut sorted = cases.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        [
            ("cases/case-elm", "CS-0000002"),
            ("cases/case-elm", "CS-0000002"),
            ("cases/case-oak", "CS-0000001"),
            ("cases/case-oak", "Re: CS-0000001 water pump")
        ]
    );
    let pump = listed
        .iter()
        .find(|note| note.subject.ends_with("water pump"))
        .expect("it is there");
    let whole = sweep
        .get_note(GetNoteRequest { name: pump.name.clone() })
        .await
        .expect("it may")
        .into_inner();
    assert!(whole.text.starts_with("The water pump leaks."), "{whole:#?}");
    assert!(whole.quoted_text.contains("How is the pump?"), "{whole:#?}");
    assert_eq!((whole.contact.as_str(), whole.customer.as_str()), ("contacts/eva", "customers/oak"));
    let archived = messages
        .iter()
        .find(|message| message.name == whole.message)
        .expect("it is archived");
    let request = DownloadNoteMessageRequest {
        name: pump.name.clone(),
        offset_bytes: 0,
    };
    let (header, _) = download(sweep.download_note_message(request).await.expect("it may").into_inner(), 0).await;
    assert_eq!(header.sha256, archived.sha256);
    let made = listed.iter().filter(|note| note.contact_created).count();
    assert_eq!(made, 1);
}

async fn outcomes(h: &Harness, client: &Clients) {
    let outcomes = h.outcomes(client).await;
    let of = |result: OutcomeResult| outcomes.iter().filter(|outcome| outcome.result() == result).count();
    assert_eq!(
        (of(OutcomeResult::Matched), of(OutcomeResult::Unparsable), outcomes.len()),
        (4, 1, 8),
        "{outcomes:#?}"
    );
    let forwarded = outcomes
        .iter()
        .find(|outcome| outcome.subject == "Fwd: Invoice")
        .expect("it was swept");
    let candidates: Vec<(&str, &str)> = forwarded
        .sender_candidates
        .iter()
        .map(|candidate| {
            let address = candidate.address.as_ref().map_or("", |address| address.address.as_str());
            (address, candidate.reason.as_str())
        })
        .collect();
    assert_eq!(candidates, [("tom@elm.example", "From line in the forwarded text")]);
}

/// What a watch has up to the bookmark at the end of the log.
async fn all<T>(watch: &mut mailagent_client::Watch<T>) -> Vec<T> {
    let mut events = Vec::new();
    // The first bookmark comes at the beginning.
    let mut bookmarks = 0;
    while bookmarks < 2 {
        let Delivery { event, .. } = take(watch).await.expect("a watch does not end").expect("it goes on");
        bookmarks += usize::from(event.is_none());
        events.extend(event);
    }
    events
}

async fn streams(client: &Clients, cursor: &str) {
    let matches = |cursor: &str| {
        client.watch_matches(WatchMatchesRequest {
            cursor: cursor.to_owned(),
            filter: None,
        })
    };
    let earliest = all(&mut matches(EARLIEST)).await;
    let subjects: Vec<&str> = earliest
        .iter()
        .filter_map(|event| Some(event.note.as_ref()?.subject.as_str()))
        .collect();
    assert_eq!(subjects.len(), 4);
    assert_eq!(subjects[..2], ["Re: CS-0000001 water pump", "CS-0000001"]);
    assert!(
        earliest[0]
            .note
            .as_ref()
            .is_some_and(|note| note.text.starts_with("The water pump leaks."))
    );
    // A cursor that was given out by then is still good.
    assert_eq!(all(&mut matches(cursor)).await, earliest[1..]);

    let cursor = EARLIEST.to_owned();
    let changes = all(&mut client.watch_changes(WatchChangesRequest { cursor: cursor.clone() })).await;
    let contacts: Vec<_> = changes
        .iter()
        .filter_map(|event| match &event.made {
            Some(change::Made::Contact(contact)) => Some((contact.display_name.as_str(), contact.email_addresses.concat())),
            _ => None,
        })
        .collect();
    assert_eq!((contacts, changes.len()), (vec![("New, Ina", "ina@oak.example".to_owned())], 5));

    let told = all(&mut client.watch_tokens(WatchTokensRequest { cursor, filter: None })).await;
    let told: BTreeSet<_> = told
        .iter()
        .map(|event| (event.kind().as_str_name(), event.source.as_str()))
        .collect();
    let kinds: Vec<&str> = told.iter().map(|(kind, _)| *kind).collect();
    let expected = [
        TokenEventKind::ConsentGiven,
        TokenEventKind::Renewed,
        TokenEventKind::SecretExpiring,
    ];
    assert_eq!(kinds, expected.map(|kind| kind.as_str_name()));
    assert!(told.iter().any(|(_, source)| *source == "providers/contoso"), "{told:?}");
}

async fn audit(client: &Clients, [anna, ..]: &[Agent; 3]) {
    let entries = async |filter: AuditFilter| -> Vec<AuditEntry> {
        let request = ListAuditEntriesRequest {
            page_size: 500,
            filter: Some(filter),
            ..ListAuditEntriesRequest::default()
        };
        client
            .clone()
            .settings
            .list_audit_entries(request)
            .await
            .expect("it may")
            .into_inner()
            .audit_entries
    };
    let of_anna = AuditFilter {
        resource: anna.name.clone(),
        ..AuditFilter::default()
    };
    let created = entries(of_anna).await;
    assert_eq!(created.len(), 1);
    assert_eq!(
        (created[0].action(), created[0].user.as_str()),
        (AuditAction::Created, "users/anna")
    );
    let change = created[0]
        .changes
        .iter()
        .find(|change| change.field == "from_address")
        .expect("it was set");
    assert_eq!((change.old_value.as_str(), change.new_value.as_str()), ("", ANNA));
    let of_settings = AuditFilter {
        resource: "tenantSettings".to_owned(),
        ..AuditFilter::default()
    };
    let fields: BTreeSet<String> = entries(of_settings)
        .await
        .into_iter()
        .flat_map(|entry| entry.changes)
        .map(|change| change.field)
        .collect();
    assert!(
        fields.contains("loop_limit_per_sender") && fields.contains("trusted_certificates"),
        "{fields:?}"
    );
    let of_all = entries(AuditFilter::default()).await;
    let count = |action: AuditAction| of_all.iter().filter(|entry| entry.action() == action).count();
    assert_eq!(count(AuditAction::Deleted), 1);
    // Those of the old version; this test's own are written later.
    assert!(count(AuditAction::Read) >= 2, "{of_all:#?}");
    let mut methods: Vec<&str> = of_all.iter().map(|entry| entry.method.as_str()).collect();
    methods.sort_unstable();
    assert!(methods.contains(&"GetMessage") && methods.contains(&"GetNote"), "{methods:?}");
}

/// Mailboxes are read with the passwords and tokens that were stored, and what was still to be done is done.
async fn going_on(h: &Harness, client: &Clients, agents: &[Agent; 3]) {
    let again = Mail::new("Eva <eva@oak.example>", "Re: CS-0000001 again");
    for (address, agent) in [ANNA, BERT, CARL].iter().zip(agents) {
        let handled = agent.health.as_ref().map_or(0, |health| health.handled_count);
        h.deliver(address, &again);
        h.handled(client, &agent.name, handled + 1).await;
    }
    assert_eq!(h.notes(client).await.len(), 5, "one note, whoever got it");
    h.deliver_raw(ANNA, FolderKind::Inbox, again.bytes());
    let handled = agents[0].health.as_ref().map_or(0, |health| health.handled_count);
    h.handled(client, &agents[0].name, handled + 2).await;
    assert_eq!(h.notes(client).await.len(), 5, "it was noted before");
    eventually(PATIENCE, "the stranger's mail is linked", async || {
        let request = ListMessagesRequest {
            filter: Some(MessageFilter {
                contact: "contacts/ida".to_owned(),
                ..MessageFilter::default()
            }),
            ..ListMessagesRequest::default()
        };
        let found = client
            .clone()
            .archive
            .list_messages(request)
            .await
            .expect("it may")
            .into_inner()
            .messages;
        let subjects: Vec<String> = found.into_iter().map(|message| message.subject).collect();
        if subjects == ["An offer"] { Ok(()) } else { Err(subjects) }
    })
    .await;
    for left in ["agent_leftover", "mail_linking"] {
        eventually(PATIENCE, "what was left behind is done", async || {
            let rows = super::dump::rows(h).await;
            if rows.get(left) == Some(&0) { Ok(()) } else { Err(rows) }
        })
        .await;
    }
}
