//! DirectoryService: the mirror of the CRM's records, and what the service gives back.

use mailagent::testing::domain::Scope;
use mailagent_client::{
    EARLIEST,
    tonic_types::StatusExt,
    v1::{
        BatchDeleteCasesRequest, BatchDeleteContactsRequest, BatchDeleteCustomersRequest, BatchDeleteUsersRequest, BatchUpsertCasesRequest,
        BatchUpsertContactsRequest, BatchUpsertCustomersRequest, BatchUpsertUsersRequest, Case, Contact, Customer, Deletion,
        GetCaseRequest, GetContactRequest, GetCustomerRequest, GetUserRequest, ListCasesRequest, ListContactsRequest, ListCustomersRequest,
        ListUsersRequest, User, WatchChangesRequest, WriteResult, change::Made,
    },
};
use tonic::Code;

use crate::harness::{Harness, Mail, case, contact, customer, events, metadata, on_both_engines, reason, user, violations};

fn written(name: &str, applied: bool, stored_revision: i64) -> WriteResult {
    WriteResult {
        name: name.to_owned(),
        applied,
        stored_revision,
    }
}

/// A record without what only the service says of it.
trait AsSent: Sized {
    fn sent(self) -> Self {
        self
    }
}

impl AsSent for User {}
impl AsSent for Customer {}
impl AsSent for Case {}
impl AsSent for Contact {
    fn sent(self) -> Self {
        assert_eq!(self.pending_message_count, Some(0), "no mail waits to be linked");
        Self {
            pending_message_count: None,
            ..self
        }
    }
}

/// Everything that holds for each kind of record: writes by revision, tombstones, limits, pages.
macro_rules! record_test {
    (
        $test:ident, $collection:ident: $record:ty, $make:expr, $change:expr,
        $upsert:ident $upsert_request:ident, $delete:ident $delete_request:ident, $get:ident $get_request:ident, $list:ident $list_request:ident
    ) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            on_both_engines(async |h| {
                let client = h.client().await;
                let customers = vec![customer("oak")];
                let request = BatchUpsertCustomersRequest { customers };
                client.clone().directory.batch_upsert_customers(request).await.unwrap();
                let make: fn(&str, i64) -> $record = $make;
                let upsert = async |records: Vec<$record>| {
                    let request = $upsert_request { $collection: records };
                    client
                        .clone()
                        .directory
                        .$upsert(request)
                        .await
                        .map(|response| response.into_inner().results)
                };
                let delete = async |name: &str, revision: i64| {
                    let name = name.to_owned();
                    let request = $delete_request {
                        $collection: vec![Deletion { name, revision }],
                    };
                    client
                        .clone()
                        .directory
                        .$delete(request)
                        .await
                        .map(|response| response.into_inner().results)
                };
                let get = async |name: &str| {
                    let request = $get_request { name: name.to_owned() };
                    client
                        .clone()
                        .directory
                        .$get(request)
                        .await
                        .map(|response| response.into_inner().sent())
                };
                let name = |id: &str| format!(concat!(stringify!($collection), "/{}"), id);

                // Older and equal revisions are passed over, results keep the order of the request.
                let results = upsert(vec![make("b", 5), make("a", 0)]).await.unwrap();
                assert_eq!(results, [written(&name("b"), true, 5), written(&name("a"), true, 0)]);
                let mut changed = make("b", 5);
                let change: fn(&mut $record) = $change;
                change(&mut changed);
                assert_eq!(upsert(vec![changed.clone()]).await.unwrap(), [written(&name("b"), false, 5)]);
                changed.revision = 4;
                assert_eq!(
                    upsert(vec![changed.clone(), make("c", 1)]).await.unwrap()[0],
                    written(&name("b"), false, 5)
                );
                assert_eq!(get(&name("b")).await.unwrap(), make("b", 5));
                changed.revision = 6;
                assert_eq!(upsert(vec![changed.clone()]).await.unwrap(), [written(&name("b"), true, 6)]);
                assert_eq!(get(&name("b")).await.unwrap(), changed);

                // Tombstones: an older write does not bring back what is deleted, known before or not.
                assert_eq!(delete(&name("b"), 6).await.unwrap(), [written(&name("b"), false, 6)]);
                assert_eq!(delete(&name("b"), 8).await.unwrap(), [written(&name("b"), true, 8)]);
                assert_eq!(get(&name("b")).await.unwrap_err().code(), Code::NotFound);
                assert_eq!(upsert(vec![make("b", 7)]).await.unwrap(), [written(&name("b"), false, 8)]);
                assert_eq!(
                    delete(&name("unknown"), 3).await.unwrap(),
                    [written(&name("unknown"), true, 3)]
                );
                assert_eq!(
                    upsert(vec![make("unknown", 2)]).await.unwrap(),
                    [written(&name("unknown"), false, 3)]
                );
                assert_eq!(get(&name("unknown")).await.unwrap_err().code(), Code::NotFound);
                assert_eq!(upsert(vec![make("b", 9)]).await.unwrap(), [written(&name("b"), true, 9)]);
                assert_eq!(get(&name("b")).await.unwrap(), make("b", 9));

                // All or nothing, every fault at once.
                let mut bad = make("x y", -1);
                let refused = upsert(vec![make("fine", 1), bad.clone(), make("fine", 2)]).await.unwrap_err();
                let expected = ["[1].name", "[1].revision", "[2].name"].map(|path| format!("{}{path}", stringify!($collection)));
                let found: Vec<String> = violations(&refused)
                    .into_iter()
                    .filter(|path| !path.ends_with("reference"))
                    .collect();
                assert_eq!(found, expected);
                assert_eq!(get(&name("fine")).await.unwrap_err().code(), Code::NotFound);
                bad.name = "wrong/x".to_owned();
                bad.revision = 1;
                assert_eq!(
                    violations(&upsert(vec![bad]).await.unwrap_err()),
                    [format!("{}[0].name", stringify!($collection))]
                );

                // 1 to 1,000 at once.
                assert_eq!(violations(&upsert(Vec::new()).await.unwrap_err()), [stringify!($collection)]);
                let many = |count: usize| (0..count).map(|n| make(&format!("m{n:04}"), 1)).collect::<Vec<_>>();
                assert_eq!(violations(&upsert(many(1001)).await.unwrap_err()), [stringify!($collection)]);
                assert_eq!(upsert(many(1000)).await.unwrap().len(), 1000);

                // Pages in the order of ids.
                let mut request = $list_request {
                    page_size: 499,
                    ..$list_request::default()
                };
                let (mut names, mut sizes) = (Vec::new(), Vec::new());
                loop {
                    let page = client.clone().directory.$list(request.clone()).await.unwrap().into_inner();
                    sizes.push(page.$collection.len());
                    names.extend(page.$collection.into_iter().map(|record| record.name));
                    if page.next_page_token.is_empty() {
                        break;
                    }
                    request.page_token = page.next_page_token;
                }
                assert_eq!(sizes.iter().sum::<usize>(), names.len());
                assert!(sizes.iter().all(|size| *size <= 499), "{sizes:?}");
                let mut expected: Vec<String> = ["a", "b", "c"].into_iter().map(name).collect();
                expected.extend((0..1000).map(|n| name(&format!("m{n:04}"))));
                if names.contains(&name("oak")) {
                    expected.push(name("oak"));
                }
                assert_eq!(names, expected);
                for (page_size, expected) in [(0, 50), (10_000, 500)] {
                    let request = $list_request {
                        page_size,
                        ..$list_request::default()
                    };
                    let page = client.clone().directory.$list(request).await.unwrap().into_inner();
                    assert_eq!(page.$collection.len(), expected, "page size {page_size}");
                }
                let request = $list_request {
                    page_size: -1,
                    ..$list_request::default()
                };
                assert_eq!(
                    violations(&client.clone().directory.$list(request).await.unwrap_err()),
                    ["page_size"]
                );

                // Another tenant has none of it.
                let other = h.client_as("other", "anna", Scope::ALL).await;
                let page = other
                    .clone()
                    .directory
                    .$list($list_request::default())
                    .await
                    .unwrap()
                    .into_inner();
                assert!(page.$collection.is_empty());
            })
            .await;
        }
    };
}

record_test!(
    users_are_mirrored, users: User,
    |id, revision| User { revision, ..user(id, &["a@example.com", "b@example.com"]) },
    |user| user.email_addresses.clear(),
    batch_upsert_users BatchUpsertUsersRequest, batch_delete_users BatchDeleteUsersRequest, get_user GetUserRequest, list_users ListUsersRequest
);
record_test!(
    customers_are_mirrored, customers: Customer,
    |id, revision| Customer { revision, ..customer(id) },
    |customer| customer.display_name = "Renamed".to_owned(),
    batch_upsert_customers BatchUpsertCustomersRequest, batch_delete_customers BatchDeleteCustomersRequest,
    get_customer GetCustomerRequest, list_customers ListCustomersRequest
);
record_test!(
    contacts_are_mirrored, contacts: Contact,
    |id, revision| Contact { revision, ..contact(id, "oak", &["x@oak.example"]) },
    |contact| contact.email_addresses.push("y@oak.example".to_owned()),
    batch_upsert_contacts BatchUpsertContactsRequest, batch_delete_contacts BatchDeleteContactsRequest,
    get_contact GetContactRequest, list_contacts ListContactsRequest
);
record_test!(
    cases_are_mirrored, cases: Case,
    |id, revision| Case { revision, ..case(id, &format!("REF-{id}"), "oak") },
    |case| case.title = "Renamed".to_owned(),
    batch_upsert_cases BatchUpsertCasesRequest, batch_delete_cases BatchDeleteCasesRequest, get_case GetCaseRequest, list_cases ListCasesRequest
);

#[tokio::test(flavor = "multi_thread")]
async fn records_refer_to_customers_that_exist() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let mut directory = client.directory.clone();
        let contacts = vec![contact("new", "oak", &[]), contact("lost", "ash", &[])];
        let refused = directory
            .batch_upsert_contacts(BatchUpsertContactsRequest { contacts })
            .await
            .unwrap_err();
        assert_eq!(
            (refused.code(), metadata(&refused, "resource").as_str()),
            (Code::NotFound, "customers/ash")
        );
        assert_eq!(metadata(&refused, "field"), "contacts[1].customer");
        let name = "contacts/new".to_owned();
        assert_eq!(
            directory.get_contact(GetContactRequest { name }).await.unwrap_err().code(),
            Code::NotFound,
            "nothing of it"
        );
        let cases = vec![case("lost", "CS-0000009", "ash")];
        let refused = directory.batch_upsert_cases(BatchUpsertCasesRequest { cases }).await.unwrap_err();
        assert_eq!(
            (refused.code(), metadata(&refused, "field").as_str()),
            (Code::NotFound, "cases[0].customer")
        );
        let wrong = vec![Contact {
            email_addresses: vec!["fine@oak.example".to_owned(), "not fine".to_owned()],
            customer: "oak".to_owned(),
            display_name: "line\nbreak".to_owned(),
            ..contact("wrong", "oak", &[])
        }];
        let refused = directory
            .batch_upsert_contacts(BatchUpsertContactsRequest { contacts: wrong })
            .await
            .unwrap_err();
        let all = ["contacts[0].customer", "contacts[0].display_name", "contacts[0].email_addresses[1]"];
        assert_eq!(violations(&refused), all);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_a_limit_of_addresses() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let addresses = |record: usize| {
            let all = (0..20).map(|n| format!("p{n}@r{record}.example"));
            all.collect::<Vec<_>>()
        };
        let upsert = async |addressed: usize| {
            let contacts = (0..=addressed).map(|record| Contact {
                email_addresses: if record < addressed { addresses(record) } else { Vec::new() },
                ..contact(&format!("many-{record}"), "oak", &[])
            });
            let contacts = BatchUpsertContactsRequest {
                contacts: contacts.collect(),
            };
            let users = (0..=addressed).map(|record| User {
                email_addresses: if record < addressed { addresses(record) } else { Vec::new() },
                ..user(&format!("many-{record}"), &[])
            });
            let users = BatchUpsertUsersRequest { users: users.collect() };
            let mut directory = client.directory.clone();
            [
                directory.batch_upsert_contacts(contacts).await.map(|_| ()),
                directory.batch_upsert_users(users).await.map(|_| ()),
            ]
        };
        for (refused, field) in upsert(251).await.into_iter().zip(["contacts", "users"]) {
            let refused = refused.unwrap_err();
            assert_eq!(violations(&refused), [field]);
            let text = &refused.get_details_bad_request().unwrap().field_violations[0].description;
            assert_eq!(text, "must have at most 5000 addresses in total, and have 5020. Split the batch.");
        }
        for taken in upsert(250).await {
            taken.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_names_one_case() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let write = async |cases: Vec<Case>| client.clone().directory.batch_upsert_cases(BatchUpsertCasesRequest { cases }).await;
        let revised = |id: &str, reference: &str, revision: i64| Case {
            revision,
            ..case(id, reference, "oak")
        };
        let refused = write(vec![case("second", "cs-0000001", "oak")]).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::AlreadyExists, "CASE_REFERENCE_TAKEN")
        );
        assert_eq!(metadata(&refused, "resource"), "cases/case-oak");
        let refused = write(vec![case("x", "CS-0000008", "oak"), case("y", "CS-0000008", "oak")])
            .await
            .unwrap_err();
        assert_eq!(violations(&refused), ["cases[1].reference"]);
        // Two cases may swap theirs.
        write(vec![revised("case-oak", "CS-0000002", 2), revised("case-elm", "CS-0000001", 2)])
            .await
            .unwrap();
        // Unless one of them is passed over, so that it keeps its own.
        let late = vec![revised("case-oak", "CS-0000001", 3), revised("case-elm", "CS-0000002", 1)];
        assert_eq!(reason(&write(late).await.unwrap_err()), "CASE_REFERENCE_TAKEN");
        let by_reference = async |reference: &str| {
            let request = ListCasesRequest {
                reference: reference.to_owned(),
                ..ListCasesRequest::default()
            };
            let page = client.clone().directory.list_cases(request).await.unwrap().into_inner();
            page.cases.into_iter().map(|case| case.name).collect::<Vec<_>>()
        };
        assert_eq!(by_reference("CS-0000001").await, ["cases/case-elm"]);
        assert_eq!(by_reference("cs-0000002").await, ["cases/case-oak"]);
        assert_eq!(by_reference("CS-0000003").await, Vec::<String>::new());
        // A deleted case gives its reference free.
        let cases = vec![Deletion {
            name: "cases/case-elm".to_owned(),
            revision: 3,
        }];
        client
            .clone()
            .directory
            .batch_delete_cases(BatchDeleteCasesRequest { cases })
            .await
            .unwrap();
        assert_eq!(by_reference("CS-0000001").await, Vec::<String>::new());
        write(vec![case("third", "CS-0000001", "oak")]).await.unwrap();
        assert_eq!(by_reference("CS-0000001").await, ["cases/third"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_one_customer() {
    let h = Harness::new().await;
    let mut client = h.seed().await;
    let contacts = ListContactsRequest {
        customer: "customers/elm".to_owned(),
        ..ListContactsRequest::default()
    };
    let page = client.directory.list_contacts(contacts).await.unwrap().into_inner();
    assert_eq!(page.contacts, [contact("tom", "elm", &["tom@elm.example"])]);
    let cases = ListCasesRequest {
        customer: "customers/elm".to_owned(),
        ..ListCasesRequest::default()
    };
    let page = client.directory.list_cases(cases).await.unwrap().into_inner();
    assert_eq!(page.cases, [case("case-elm", "CS-0000002", "elm")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_service_makes_is_given_back() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        h.agent(&client, "anna@example.com").await;
        let mut live = client.watch_changes(WatchChangesRequest::default());
        let bookmark = crate::harness::take(&mut live).await.unwrap().unwrap();
        assert_eq!(bookmark.event, None, "a cursor comes at once");
        let known = Mail::new("eva@oak.example", "CS-0000001");
        let (_, first) = h.sweep_one(&client, &known).await;
        let (_, second) = h.sweep_one(&client, &Mail::new("Ina New <Ina@Oak.example>", "CS-0000001")).await;
        let made = |change: mailagent_client::v1::Change| {
            assert!(!change.event_id.is_empty() && change.event_time.is_some());
            change.made.unwrap()
        };
        let changes: Vec<Made> = events(&mut live, 3).await.into_iter().map(made).collect();
        let Made::Contact(new) = &changes[1] else { panic!("{changes:?}") };
        assert_eq!(changes[0], Made::Note(first.note));
        assert_eq!(changes[2], Made::Note(second.note.clone()));
        assert_eq!((new.display_name.as_str(), new.customer.as_str()), ("Ina New", "customers/oak"));
        assert_eq!((new.created_by_service, new.revision, &new.name), (true, 0, &second.contact));
        assert_eq!(new.email_addresses.len(), 1);
        assert!(new.email_addresses[0].eq_ignore_ascii_case("ina@oak.example"));
        let request = GetContactRequest { name: new.name.clone() };
        assert_eq!(
            client.clone().directory.get_contact(request).await.unwrap().into_inner(),
            Contact {
                pending_message_count: Some(0),
                ..new.clone()
            }
        );

        // The same again from the beginning, and any revision of the CRM's overwrites what the service made.
        let mut again = client.watch_changes(WatchChangesRequest {
            cursor: EARLIEST.to_owned(),
        });
        let repeated: Vec<Made> = events(&mut again, 3).await.into_iter().map(made).collect();
        assert_eq!(repeated, changes);
        let copied = Contact {
            display_name: "Ina Newman".to_owned(),
            revision: 0,
            created_by_service: false,
            ..new.clone()
        };
        let contacts = vec![copied];
        let results = client
            .clone()
            .directory
            .batch_upsert_contacts(BatchUpsertContactsRequest { contacts })
            .await
            .unwrap();
        assert_eq!(results.into_inner().results, [written(&new.name, true, 0)]);
    })
    .await;
}
