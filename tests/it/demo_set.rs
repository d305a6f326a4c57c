//! The sample mail of `mailagent demo`, all of it, through a simulated Exchange and the service: what becomes of each message is what
//! its table says, whether the server keeps bytes or makes messages anew.

use std::collections::{BTreeSet, HashMap};

use mailagent::testing::{
    demo::{DemoMailbox, DemoSet, Expectation, expectations},
    mime,
};
use mailagent_client::{
    Clients,
    v1::{
        AcknowledgeStorageTermsRequest, Agent, AgentKind, BatchUpsertCasesRequest, BatchUpsertContactsRequest, BatchUpsertCustomersRequest,
        BatchUpsertUsersRequest, Case, CaseReferenceFormat, Contact, Customer, DownloadMessageRequest, ExchangeSettings,
        ListMessagesRequest, Message, MessageDirection, Note, Outcome, OutcomeResult, PrefixForm, SweepOptions, TenantSettings, User,
        case_reference_format::Form,
    },
};
use mailagent_sim::{MimeMode, exchange::FolderKind};

use crate::harness::{Choices, Engine, Harness, download};

async fn write_directory(h: &Harness, client: &mut Clients, set: &DemoSet) {
    let tenant = &set.directory.tenant;
    let prefix = PrefixForm {
        prefix: tenant.case_reference_prefix.clone(),
        digits: tenant.case_reference_digits.into(),
    };
    let settings = TenantSettings {
        case_reference_format: Some(CaseReferenceFormat {
            form: Some(Form::Prefix(prefix)),
        }),
        internal_domains: tenant.internal_domains.clone(),
        trusted_authserv_ids: tenant.trusted_authserv_ids.clone(),
        ..TenantSettings::default()
    };
    h.change_settings(client, settings).await;
    client
        .settings
        .acknowledge_storage_terms(AcknowledgeStorageTermsRequest {})
        .await
        .unwrap();
    let users = set.directory.users.iter().map(|user| User {
        name: format!("users/{}", user.id),
        display_name: user.display_name.clone(),
        email_addresses: user.addresses.clone(),
        revision: 1,
    });
    client
        .directory
        .batch_upsert_users(BatchUpsertUsersRequest { users: users.collect() })
        .await
        .unwrap();
    let customers = set.directory.customers.iter().map(|customer| Customer {
        name: format!("customers/{}", customer.id),
        display_name: customer.display_name.clone(),
        revision: 1,
    });
    let request = BatchUpsertCustomersRequest {
        customers: customers.collect(),
    };
    client.directory.batch_upsert_customers(request).await.unwrap();
    let contacts = set.directory.contacts.iter().map(|contact| Contact {
        name: format!("contacts/{}", contact.id),
        customer: format!("customers/{}", contact.customer),
        display_name: contact.display_name.clone(),
        email_addresses: contact.addresses.clone(),
        revision: 1,
        created_by_service: false,
        ..Contact::default()
    });
    let request = BatchUpsertContactsRequest {
        contacts: contacts.collect(),
    };
    client.directory.batch_upsert_contacts(request).await.unwrap();
    let cases = set.directory.cases.iter().map(|case| Case {
        name: format!("cases/{}", case.id),
        reference: case.reference.clone(),
        customer: format!("customers/{}", case.customer),
        title: case.title.clone(),
        revision: 1,
    });
    client
        .directory
        .batch_upsert_cases(BatchUpsertCasesRequest { cases: cases.collect() })
        .await
        .unwrap();
}

async fn create_agent(h: &Harness, client: &Clients, mailbox: &DemoMailbox) -> Agent {
    let settings = &mailbox.settings;
    h.exchange.add_mailbox(&settings.address, &settings.login, "password");
    let agent = Agent {
        owner_user: format!("users/{}", settings.owner),
        kind: AgentKind::ExchangeEws.into(),
        from_name: settings.from_name.clone(),
        from_address: settings.address.clone(),
        exchange: Some(ExchangeSettings {
            endpoint: h.exchange.endpoint().into(),
            username: settings.login.clone(),
            password: "password".to_owned(),
            case_sweep: settings.case_sweep,
            archive: Some(settings.archive),
            sweep_options: Some(SweepOptions {
                create_non_matching_contacts: settings.create_non_matching_contacts,
                keep_full_message: settings.keep_full_message,
            }),
            ..ExchangeSettings::default()
        }),
        ..Agent::default()
    };
    h.create(client, agent).await
}

/// Messages of the sample by mailbox, folder and file.
type Sources = HashMap<(String, &'static str, &'static str), Source>;

struct Source {
    raw: &'static [u8],
    /// Where it lies at the server.
    id: String,
}

/// Delivers the mail that repeats another one, or all that does not, mailbox after mailbox in the order of arrival.
fn deliver(h: &Harness, set: &DemoSet, expectations: &[Expectation], repeats: bool, sources: &mut Sources) {
    for mailbox in &set.mailboxes {
        let address = &mailbox.settings.address;
        let local = address.split('@').next().unwrap();
        for (kind, folder, mails) in [
            (FolderKind::Inbox, "inbox", &mailbox.inbox),
            (FolderKind::Sent, "sent", &mailbox.sent),
        ] {
            for (file, raw) in mails {
                let expected = expectations
                    .iter()
                    .find(|expected| (expected.mailbox, expected.folder, expected.file) == (local, folder, *file))
                    .unwrap_or_else(|| panic!("{local}/{folder}/{file} stands in the table"));
                if (expected.outcomes == ["DUPLICATE"]) != repeats {
                    continue;
                }
                let id = h.deliver_raw(address, kind, bytes::Bytes::from_static(raw));
                sources.insert((local.to_owned(), folder, file), Source { raw, id });
            }
        }
    }
}

async fn archived(client: &Clients) -> Vec<Message> {
    let request = ListMessagesRequest {
        page_size: 500,
        ..ListMessagesRequest::default()
    };
    let page = client.clone().archive.list_messages(request).await.unwrap().into_inner();
    assert_eq!(page.next_page_token, "");
    page.messages
}

/// What the service knows of a message of the sample.
struct Found<'a> {
    outcome: Option<&'a Outcome>,
    note: Option<&'a Note>,
    message: &'a Message,
}

fn check(expected: &Expectation, found: &Found<'_>, cases: &HashMap<&str, &str>, mode: MimeMode) {
    let what = format!("{}/{}/{}", expected.mailbox, expected.folder, expected.file);
    match found.outcome {
        None => assert!(expected.outcomes.is_empty(), "{what} has no outcome"),
        Some(outcome) => {
            let result = outcome.result().as_str_name().trim_start_matches("OUTCOME_RESULT_");
            // What is no message becomes one when a server makes it anew.
            let rebuilt = mode == MimeMode::Rebuild && expected.outcomes == ["UNPARSABLE"] && result == "NO_REFERENCE";
            assert!(expected.outcomes.contains(&result) || rebuilt, "{what}: {outcome:#?}");
            // Of a repetition only the first one is looked at.
            if result != "DUPLICATE" {
                let case = expected
                    .case_reference
                    .map_or(String::new(), |reference| format!("cases/{}", cases[reference]));
                assert_eq!(outcome.case, case, "{what}: {outcome:#?}");
                assert_eq!(outcome.message, found.message.name, "{what}");
            }
            assert_eq!(found.note.is_some(), result == "MATCHED", "{what}");
        }
    }
    if let Some(note) = found.note {
        assert_eq!(note.contact_created, expected.contact_created, "{what}: {note:#?}");
        assert_eq!(note.case_reference, expected.case_reference.unwrap(), "{what}");
    } else {
        assert!(!expected.contact_created || expected.outcomes.len() > 1, "{what}");
    }
    let direction = match found.message.direction() {
        MessageDirection::Unspecified => "none",
        MessageDirection::Incoming => "incoming",
        MessageDirection::Outgoing => "outgoing",
        MessageDirection::Internal => "internal",
    };
    assert!(
        expected.direction.is_none_or(|expected| expected == direction),
        "{what} is {direction}"
    );
    let customers: BTreeSet<&str> = found
        .message
        .customers
        .iter()
        .map(|link| link.customer.trim_start_matches("customers/"))
        .collect();
    let possible = expected
        .customers
        .iter()
        .any(|set| set.iter().copied().collect::<BTreeSet<_>>() == customers);
    assert!(possible, "{what} is kept with {customers:?}, not {:?}", expected.customers);
}

async fn run(engine: Engine, mode: MimeMode) {
    println!("{engine:?}, {mode:?}");
    let mut choices = Choices::of(engine);
    choices.mode = mode;
    let h = Harness::with(choices).await;
    let mut client = h.client().await;
    let set = DemoSet::load().unwrap();
    write_directory(&h, &mut client, &set).await;
    let expectations = expectations().unwrap();
    let mut sources = Sources::new();
    deliver(&h, &set, &expectations, false, &mut sources);
    let mut agents = HashMap::new();
    for mailbox in &set.mailboxes {
        let agent = create_agent(&h, &client, mailbox).await;
        agents.insert(mailbox.settings.address.split('@').next().unwrap().to_owned(), agent.name);
    }
    let handled = async |sources: &Sources| {
        for mailbox in &set.mailboxes {
            let local = mailbox.settings.address.split('@').next().unwrap();
            let is_read = |folder: &str| folder == "inbox" || mailbox.settings.archive;
            let count = sources
                .keys()
                .filter(|(mailbox, folder, _)| mailbox == local && is_read(folder))
                .count();
            h.handled(&client, &agents[local], i64::try_from(count).unwrap()).await;
        }
    };
    // Servers list the newest first, so what repeats another message must wait for that one.
    handled(&sources).await;
    let first = sources.len();
    deliver(&h, &set, &expectations, true, &mut sources);
    assert!(sources.len() > first);
    handled(&sources).await;

    let outcomes = h.outcomes(&client).await;
    let notes: HashMap<String, Note> = h.notes(&client).await.into_iter().map(|note| (note.name.clone(), note)).collect();
    let messages = archived(&client).await;
    let by_hash: HashMap<&[u8], &Message> = messages.iter().map(|message| (message.sha256.as_slice(), message)).collect();
    // One that came twice, in whatever bytes, is kept once: found again by what survives.
    let mut by_identity: HashMap<[u8; 32], &Message> = HashMap::new();
    for message in &messages {
        let request = DownloadMessageRequest {
            name: message.name.clone(),
            offset_bytes: 0,
        };
        let (header, bytes) = download(client.clone().archive.download_message(request).await.unwrap().into_inner(), 0).await;
        assert_eq!(header.sha256, message.sha256);
        if let Ok(parsed) = mime::parse(&bytes) {
            let double = by_identity.insert(parsed.identity.0, message);
            assert!(double.is_none(), "kept twice: {message:#?} {double:#?}");
        }
    }
    let cases: HashMap<&str, &str> = set
        .directory
        .cases
        .iter()
        .map(|case| (case.reference.as_str(), case.id.as_str()))
        .collect();
    assert_eq!(expectations.len(), sources.len());
    let mut used = BTreeSet::new();
    let mut kept_exactly = 0;
    for expected in &expectations {
        let source = &sources[&(expected.mailbox.to_owned(), expected.folder, expected.file)];
        let agent = &agents[expected.mailbox];
        let mut own = outcomes
            .iter()
            .filter(|outcome| outcome.agent == *agent && outcome.source_id == source.id);
        let outcome = own.next();
        assert_eq!(own.next(), None, "several outcomes");
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, source.raw);
        let exact = by_hash.get(hash.as_ref()).copied();
        kept_exactly += usize::from(exact.is_some());
        let same = || by_identity.get(&mime::parse(source.raw).ok()?.identity.0).copied();
        // What a server cannot read itself it makes anew in its own way: bytes that are no message, a subject in a charset that it
        // does not name, a boundary that is missing.
        let unlike = mode == MimeMode::Rebuild
            && ["35-unreadable.eml", "11-neuer-termin.eml", "42-manual-missing-boundary.eml"].contains(&expected.file);
        let by_outcome = || {
            messages
                .iter()
                .find(|message| Some(&message.name) == outcome.map(|outcome| &outcome.message))
        };
        let message = exact.or_else(same).or_else(|| by_outcome().filter(|_| unlike));
        let message = message.unwrap_or_else(|| panic!("{expected:?} is not in the archive"));
        used.insert(message.name.as_str());
        let note = outcome.and_then(|outcome| notes.get(&outcome.note));
        check(expected, &Found { outcome, note, message }, &cases, mode);
    }
    assert_eq!(used.len(), messages.len(), "nothing else is archived");
    let matched = outcomes.iter().filter(|outcome| outcome.result() == OutcomeResult::Matched).count();
    assert_eq!(notes.len(), matched, "one note for each match");
    if mode == MimeMode::KeepBytes {
        // All but a repetition in other bytes.
        assert!(kept_exactly + 1 >= expectations.len(), "{kept_exactly} of {}", expectations.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sample_mail_becomes_what_its_table_says() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        for mode in [MimeMode::KeepBytes, MimeMode::Rebuild] {
            run(engine, mode).await;
        }
    }
}
