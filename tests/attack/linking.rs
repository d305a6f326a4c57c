//! The process is killed again and again while it links the mail of a new contact: each message is linked once, and nobody waits for it.

use std::time::{Duration, Instant};

use mailagent_client::{
    Clients,
    v1::{BatchUpsertContactsRequest, BatchUpsertCustomersRequest, Contact, Customer, GetContactRequest},
};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};

use crate::{
    old_mail::old_mail,
    service::{Limits, Service, TENANT},
};

const MESSAGES: u32 = 20_000;
const MANY: &str = "many@oak.example";
/// How often it is killed.
const DEATHS: u32 = 5;
/// The longest that all may take, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(4);

async fn open(service: &Service) -> DatabaseConnection {
    let url = format!("sqlite:{}", service.data().join("mailagent.db").display());
    Database::connect(url).await.expect("the file opens")
}

async fn number(database: &DatabaseConnection, sql: &str) -> i64 {
    let row = database.query_one_raw(Statement::from_string(DbBackend::Sqlite, sql)).await;
    let row = row.expect("the tables are there").expect("it counts");
    row.try_get_by_index(0).expect("it is a number")
}

async fn add_customer(client: &mut Clients, id: String) {
    let customers = vec![Customer {
        name: format!("customers/{id}"),
        display_name: "Oak".to_owned(),
        revision: 1,
    }];
    let written = client
        .directory
        .batch_upsert_customers(BatchUpsertCustomersRequest { customers })
        .await;
    let results = written.expect("no other writer is refused").into_inner().results;
    assert!(results.iter().all(|result| result.applied), "{id}: {results:?}");
}

async fn add_contact(client: &mut Clients) {
    let contacts = vec![Contact {
        name: "contacts/many".to_owned(),
        customer: "customers/oak".to_owned(),
        email_addresses: vec![MANY.to_owned()],
        revision: 1,
        ..Contact::default()
    }];
    let written = client
        .directory
        .batch_upsert_contacts(BatchUpsertContactsRequest { contacts })
        .await;
    written.expect("the contact is written at once");
}

async fn pending(client: &mut Clients) -> i32 {
    let name = "contacts/many".to_owned();
    let contact = client.directory.get_contact(GetContactRequest { name }).await;
    contact
        .expect("it exists")
        .into_inner()
        .pending_message_count
        .expect("GetContact says so")
}

#[tokio::test(flavor = "multi_thread")]
async fn linking_goes_on_after_every_kill() {
    let service = Service::start(&Limits::default());
    add_customer(&mut service.client("anna").await, "oak".to_owned()).await;
    let database = open(&service).await;
    for statement in old_mail(false, TENANT, (MANY, MESSAGES), &[(MANY, MESSAGES)]) {
        database.execute_unprepared(&statement).await.expect(&statement);
    }
    let mut folder = service.kill();
    let began = Instant::now();
    let linked = "SELECT COUNT(*) FROM message_party WHERE customer_id <> ''";
    let mut reached = 0;
    for life in 0..DEATHS {
        let service = Service::start_in(folder, &Limits::default());
        let mut client = service.client("anna").await;
        if life == 0 {
            add_contact(&mut client).await;
        }
        let goal = reached + i64::from(MESSAGES / (DEATHS + 2));
        let mut writes = 0;
        while reached < goal {
            assert!(began.elapsed() < PATIENCE, "{reached} of {goal} are linked\n{}", service.log());
            add_customer(&mut client, format!("ash-{life}-{writes}")).await;
            writes += 1;
            reached = number(&database, linked).await;
        }
        folder = service.kill();
    }
    assert!(reached < i64::from(MESSAGES), "it was killed in the middle, not behind the end");

    let mut service = Service::start_in(folder, &Limits::default());
    let mut client = service.client("anna").await;
    let mut writes = 0;
    while pending(&mut client).await > 0 {
        assert!(began.elapsed() < PATIENCE, "it does not come to its end\n{}", service.log());
        add_customer(&mut client, format!("elm-{writes}")).await;
        writes += 1;
    }
    let all = i64::from(MESSAGES);
    let link = "json_array_length(links) = 1 AND json_extract(links, '$[0].u') = 'oak' AND json_extract(links, '$[0].c') = 'many'";
    let checks = [
        (
            format!("SELECT COUNT(*) FROM message WHERE NOT unlinked AND {link}"),
            "each message has the one link",
        ),
        (
            "SELECT COUNT(DISTINCT position) FROM message".to_owned(),
            "each comes once in the stream",
        ),
        (
            "SELECT COUNT(*) FROM message_party p JOIN message m ON m.number = p.message_number AND m.position = p.position \
             WHERE p.customer_id = 'oak' AND p.contact_id = 'many'"
                .to_owned(),
            "the customer sees each where the stream has it",
        ),
    ];
    for (sql, what) in checks {
        assert_eq!(number(&database, &sql).await, all, "{what}");
    }
    assert_eq!(number(&database, "SELECT COUNT(*) FROM message_party").await, all);
    service.assert_alive();
    let log = service.log();
    assert!(!log.contains("linking the mail of an address failed"), "{log}");
}
