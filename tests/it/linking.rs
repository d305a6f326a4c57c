//! Archived mail that is linked to a contact which appears later: by a job, in stretches, each message exactly once.

use std::collections::HashMap;

use mailagent::testing::{
    app::{Environment, build_ops},
    domain::{Contact, Scope},
    jobs::linking,
    lifecycle::Lifecycle,
    ops::{Ops, directory},
};
use mailagent_client::{
    Clients,
    v1::{BatchUpsertContactsRequest, BatchUpsertCustomersRequest, GetContactRequest, MessageFilter, StreamMessagesRequest},
};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};

use crate::harness::{Engine, Harness, Mail, PATIENCE, TENANT, contact, customer, events, eventually, old_mail, on_both_engines};

const ANNA: &str = "anna@example.com";
const MANY: &str = "many@oak.example";
const BOTH: &str = "both@elm.example";

/// Archives messages from `MANY`, the first `both` of them to `BOTH` too, as if they had come before anybody was known.
async fn archive(h: &Harness, count: u32, both: u32) {
    let database = h.database().await;
    let statements = old_mail(h.engine == Engine::Postgres, TENANT, (MANY, count), &[(MANY, count), (BOTH, both)]);
    for statement in statements {
        database.execute_unprepared(&statement).await.expect(&statement);
    }
}

/// How many parties with an address are linked to which customer and contact.
async fn linked(database: &DatabaseConnection, address: &str) -> HashMap<(String, String), i64> {
    let sql = format!(
        "SELECT customer_id, contact_id, COUNT(*) AS number FROM message_party WHERE address_key = '{address}' GROUP BY customer_id, contact_id"
    );
    let statement = Statement::from_string(database.get_database_backend(), sql);
    let rows = database.query_all_raw(statement).await.expect("the table is there");
    let text = |row: &sea_orm::QueryResult, column: &str| row.try_get::<String>("", column).expect("it is text");
    rows.iter()
        .map(|row| {
            (
                (text(row, "customer_id"), text(row, "contact_id")),
                row.try_get("", "number").expect("it is a number"),
            )
        })
        .collect()
}

fn counts(rows: &[(&str, &str, i64)]) -> HashMap<(String, String), i64> {
    rows.iter()
        .map(|(customer, contact, count)| (((*customer).to_owned(), (*contact).to_owned()), *count))
        .collect()
}

async fn pending(client: &Clients, name: &str) -> i32 {
    let request = GetContactRequest { name: name.to_owned() };
    let contact = client.clone().directory.get_contact(request).await.expect("it exists").into_inner();
    contact.pending_message_count.expect("GetContact says so")
}

#[tokio::test(flavor = "multi_thread")]
async fn old_mail_is_linked_once_while_others_write() {
    on_both_engines(async |h| {
        const COUNT: u32 = 600;
        let client = h.seed().await;
        let agent = h.agent(&client, ANNA).await;
        archive(h, COUNT, 100).await;
        let contacts = vec![contact("many", "oak", &["Many@oak.example"]), contact("both", "elm", &[BOTH])];
        h.add_contacts(&client, contacts).await;
        // What arrives and what others write meanwhile is not kept back.
        h.deliver(ANNA, &Mail::new(MANY, "new"));
        let mut other = h.client_as("other", "bert", Scope::ALL).await;
        let customers = vec![customer("ash")];
        other
            .directory
            .batch_upsert_customers(BatchUpsertCustomersRequest { customers })
            .await
            .expect("it is written");
        let contacts = vec![contact("ash", "oak", &["ash@ash.example"])];
        let mut same = client.clone();
        same.directory
            .batch_upsert_contacts(BatchUpsertContactsRequest { contacts })
            .await
            .expect("it is written");
        h.handled(&client, &agent.name, 1).await;
        for name in ["contacts/many", "contacts/both"] {
            eventually(4 * PATIENCE, "all is linked", async || match pending(&client, name).await {
                0 => Ok(()),
                left => Err(left),
            })
            .await;
        }

        let mut stream = client.stream_messages(StreamMessagesRequest {
            cursor: String::new(),
            filter: Some(MessageFilter {
                customer: "customers/oak".to_owned(),
                ..MessageFilter::default()
            }),
        });
        let messages = events(&mut stream, COUNT as usize + 1).await;
        let names: std::collections::HashSet<_> = messages.iter().map(|message| message.name.clone()).collect();
        assert_eq!(names.len(), messages.len(), "each comes once");
        for message in &messages {
            let mut customers: Vec<_> = message.customers.iter().map(|link| link.customer.as_str()).collect();
            customers.sort_unstable();
            match customers.as_slice() {
                ["customers/oak"] => {}
                ["customers/elm", "customers/oak"] => assert_eq!(message.subject, "old"),
                other => panic!("{}: {other:?}", message.name),
            }
        }
        let with_both = messages.iter().filter(|message| message.customers.len() == 2).count();
        assert_eq!(with_both, 100);
        let database = h.database().await;
        assert_eq!(linked(&database, MANY).await, counts(&[("oak", "many", i64::from(COUNT) + 1)]));
        assert_eq!(linked(&database, BOTH).await, counts(&[("elm", "both", 100)]));
    })
    .await;
}

async fn write(ops: &Ops, contacts: &[(&str, &str, i64)]) {
    let contacts: Vec<_> = contacts
        .iter()
        .map(|(id, customer, revision)| Contact {
            id: (*id).into(),
            customer: (*customer).into(),
            display_name: String::new(),
            addresses: vec![MANY.to_owned()],
            revision: *revision,
            created_by_service: false,
        })
        .collect();
    let mut writer = ops.store.begin(&TENANT.into()).await.expect("a transaction begins");
    writer.upsert_contacts(&contacts).await.expect("they are written");
    writer.commit().await.expect("it commits");
}

#[tokio::test(flavor = "multi_thread")]
async fn linking_follows_contacts_that_move_or_go() {
    on_both_engines(async |h| {
        h.seed().await;
        archive(h, 400, 0).await;
        h.stop().await;
        let environment = Environment {
            clock: h.clock.clone(),
            ..Environment::default()
        };
        // Without jobs, so that each stretch comes when the test says so.
        let ops = build_ops(&h.config, environment, &Lifecycle::new())
            .await
            .expect("the data can be opened");
        let stretch = async |size: u64| {
            let linked = directory::link_mail(&ops, &TENANT.into(), MANY, size)
                .await
                .expect("the database answers");
            (linked.messages, linked.done)
        };
        let database = h.database().await;

        write(&ops, &[("many", "oak", 1)]).await;
        assert_eq!(
            ops.store.tenant(&TENANT.into()).mail_to_link_of(&[MANY.to_owned()]).await.unwrap(),
            400
        );
        assert_eq!(
            linked(&database, MANY).await,
            counts(&[("", "", 400)]),
            "the call itself links nothing"
        );
        assert_eq!(stretch(100).await, (100, false));
        write(&ops, &[("many", "elm", 2)]).await;
        assert_eq!(stretch(100).await, (100, false));
        assert_eq!(
            ops.store.tenant(&TENANT.into()).mail_to_link_of(&[MANY.to_owned()]).await.unwrap(),
            200
        );
        let mut writer = ops.store.begin(&TENANT.into()).await.unwrap();
        writer.delete_contacts(&[("many".into(), 3)]).await.unwrap();
        writer.commit().await.unwrap();
        assert_eq!(stretch(100).await, (0, true), "there is nobody to link it to");
        let so_far = [("oak", "many", 100), ("elm", "many", 100)];
        assert_eq!(linked(&database, MANY).await, counts(&[so_far[0], so_far[1], ("", "", 200)]));

        // Of two with one address the first has it; when that one goes, the other.
        write(&ops, &[("one", "oak", 1), ("another", "elm", 1)]).await;
        assert_eq!(stretch(300).await, (100, false));
        let mut writer = ops.store.begin(&TENANT.into()).await.unwrap();
        writer.delete_contacts(&[("one".into(), 2)]).await.unwrap();
        writer.commit().await.unwrap();
        assert_eq!(linking::link(&ops).await.unwrap(), 100);
        let expected = counts(&[so_far[0], so_far[1], ("oak", "one", 100), ("elm", "another", 100)]);
        assert_eq!(linked(&database, MANY).await, expected);
        assert_eq!(linking::link(&ops).await.unwrap(), 0);
        // Written anew, its mail is linked already.
        write(&ops, &[("another", "oak", 2)]).await;
        assert_eq!(ops.store.mail_to_link(("", ""), 10).await.unwrap(), []);
        assert_eq!(linked(&database, MANY).await, expected);
        ops.store.close().await;
    })
    .await;
}
