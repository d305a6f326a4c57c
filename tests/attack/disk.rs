//! The disk is full for a while.

use std::{process::Command, time::Duration};

use mailagent_client::{
    Clients,
    v1::{BatchUpsertContactsRequest, BatchUpsertCustomersRequest, Contact, Customer, GetCustomerRequest},
};
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use tonic::{Code, Status};

use crate::service::{Limits, Service};

/// The longest that the service may be unready after the disk has been enlarged.
const PATIENCE: Duration = Duration::from_mins(1);

/// Writes so many customers whose ids begin with `id`, and gives whether all were applied.
async fn upsert(client: &mut Clients, id: &str, count: usize) -> Result<bool, Status> {
    let customer = |number| Customer {
        name: format!("customers/{id}-{number}"),
        display_name: "Oak ".repeat(50).trim_end().to_owned(),
        revision: 1,
    };
    let customers = (0..count).map(customer).collect();
    let request = BatchUpsertCustomersRequest { customers };
    let answer = client.directory.batch_upsert_customers(request).await?.into_inner();
    Ok(answer.results.iter().all(|result| result.applied))
}

/// A change that is rolled back because it names what is not there.
async fn roll_back(client: &mut Clients) {
    let contact = Contact {
        name: "contacts/eva".to_owned(),
        customer: "customers/nobody".to_owned(),
        revision: 1,
        ..Contact::default()
    };
    let request = BatchUpsertContactsRequest { contacts: vec![contact] };
    let error = client
        .directory
        .batch_upsert_contacts(request)
        .await
        .expect_err("there is no such customer");
    assert_eq!(error.code(), Code::NotFound, "{error:?}");
}

/// Whether another process sees the customer.
async fn is_seen(service: &Service, id: &str) -> bool {
    let path = service.data().join("mailagent.db");
    let database = Database::connect(format!("sqlite:{}", path.display()))
        .await
        .expect("the file opens");
    let sql = "SELECT id FROM customer WHERE id = ?1";
    let found = database
        .query_one_raw(Statement::from_sql_and_values(DbBackend::Sqlite, sql, [id.into()]))
        .await
        .expect("it is read");
    database.close().await.expect("it closes");
    found.is_some()
}

async fn is_ready(service: &Service) -> bool {
    let client = reqwest::Client::builder().http1_only().no_proxy().build().expect("no odd settings");
    let answer = client
        .get(format!("{}/readyz", service.url()))
        .send()
        .await
        .expect("the service answers");
    answer.status().is_success()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_after_a_full_disk_is_durable() {
    let limits = Limits {
        file_size: Some(3 << 20),
        ..Limits::default()
    };
    let mut service = Service::start(&limits);
    let mut client = service.client("anna").await;
    let mut round = 0;
    let error = loop {
        match upsert(&mut client, &format!("full{round}"), 500).await {
            Ok(applied) => assert!(applied && round < 1_000, "the disk is never full"),
            Err(error) => break error,
        }
        round += 1;
    };
    assert_eq!(error.code(), Code::Unavailable, "{error:?}");
    let error = upsert(&mut client, "again", 500).await.expect_err("it is still full");
    assert_eq!(error.code(), Code::Unavailable, "{error:?}");

    let enlarged = Command::new("prlimit")
        .args(["--pid", &service.pid().to_string(), "--fsize=unlimited"])
        .status();
    assert!(enlarged.expect("prlimit can be run").success(), "the limit is lifted");
    roll_back(&mut client).await;
    for number in 0..3 {
        let id = format!("kept{number}");
        assert!(upsert(&mut client, &id, 1).await.expect("there is room again"), "it is applied");
        assert!(is_seen(&service, &format!("{id}-0")).await, "{id} is durable");
        roll_back(&mut client).await;
    }
    let began = std::time::Instant::now();
    while !is_ready(&service).await {
        assert!(began.elapsed() < PATIENCE, "it is never ready");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    service.assert_alive();

    let folder = service.kill();
    let service = Service::start_in(folder, &Limits::default());
    let mut client = service.client("anna").await;
    let request = GetCustomerRequest {
        name: "customers/kept2-0".to_owned(),
    };
    client.directory.get_customer(request).await.expect("it outlives the process");
}
