//! Maintenance accounts are created, read, listed, changed and deleted.

use std::time::Duration;

use mailagent::testing::domain::Scope;
use mailagent_client::{
    Clients,
    v1::{DeleteMaintenanceAccountRequest, GetMaintenanceAccountRequest, ListMaintenanceAccountsRequest, MaintenanceAccount},
};
use tonic::{Code, Status};

use super::{agent_through, assert_refused, create, create_account, delete, get, needs, password_stored, unknown, update_account};
use crate::harness::{NOW, account, metadata, on_both_engines, reason, violations};

pub(super) const ENDPOINT: &str = "https://mail.example.com/EWS/Exchange.asmx";

pub(super) async fn get_account(client: &Clients, name: &str) -> Result<MaintenanceAccount, Status> {
    let request = GetMaintenanceAccountRequest { name: name.to_owned() };
    Ok(client.clone().agents.get_maintenance_account(request).await?.into_inner())
}

pub(super) async fn delete_account(client: &Clients, name: &str, etag: &str) -> Result<(), Status> {
    let request = DeleteMaintenanceAccountRequest {
        name: name.to_owned(),
        etag: etag.to_owned(),
    };
    client.clone().agents.delete_maintenance_account(request).await.map(|_| ())
}

/// Names of all accounts, and how many pages they came in.
async fn list_accounts(client: &Clients, page_size: i32) -> (Vec<String>, usize) {
    let (mut names, mut pages, mut page_token) = (Vec::new(), 0, String::new());
    loop {
        let request = ListMaintenanceAccountsRequest { page_size, page_token };
        let page = client.clone().agents.list_maintenance_accounts(request).await.unwrap().into_inner();
        pages += 1;
        names.extend(page.maintenance_accounts.into_iter().map(|account| account.name));
        if page.next_page_token.is_empty() {
            return (names, pages);
        }
        page_token = page.next_page_token;
    }
}

pub(super) fn named(account: &MaintenanceAccount) -> MaintenanceAccount {
    MaintenanceAccount {
        name: account.name.clone(),
        ..MaintenanceAccount::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_created_read_changed_and_deleted() {
    on_both_engines(async |h| {
        let client = h.client().await;
        let made = create_account(&client, account(ENDPOINT), "").await.unwrap();
        assert_eq!(made.name.strip_prefix("maintenanceAccounts/").unwrap().len(), 26, "{}", made.name);
        let expected = MaintenanceAccount {
            name: made.name.clone(),
            password: String::new(),
            password_set: true,
            create_time: made.create_time,
            update_time: made.create_time,
            etag: made.etag.clone(),
            ..account(ENDPOINT)
        };
        assert_eq!(made, expected);
        assert_eq!(made.create_time.unwrap().seconds, NOW.seconds());
        assert!(!made.etag.is_empty());
        assert_eq!(get_account(&client, &made.name).await.unwrap(), made);

        h.clock.advance(Duration::from_secs(5));
        let change = MaintenanceAccount {
            display_name: "Exchange of Berlin".to_owned(),
            etag: made.etag.clone(),
            ..named(&made)
        };
        let changed = update_account(&client, change.clone(), None).await.unwrap();
        let expected = MaintenanceAccount {
            display_name: "Exchange of Berlin".to_owned(),
            etag: changed.etag.clone(),
            update_time: changed.update_time,
            ..made.clone()
        };
        assert_eq!(changed, expected, "the rest stays");
        assert_ne!(changed.etag, made.etag);
        assert_eq!(changed.update_time.unwrap().seconds, NOW.seconds() + 5);
        // Nothing new: nothing changes.
        let again = MaintenanceAccount {
            etag: changed.etag.clone(),
            ..change.clone()
        };
        h.clock.advance(Duration::from_secs(5));
        assert_eq!(update_account(&client, again, None).await.unwrap(), changed);

        let stale = update_account(&client, change, None).await.unwrap_err();
        assert_eq!((stale.code(), reason(&stale).as_str()), (Code::Aborted, "ETAG_MISMATCH"));
        assert_eq!(metadata(&stale, "resource"), made.name);
        assert_eq!(
            delete_account(&client, &made.name, &made.etag).await.unwrap_err().code(),
            Code::Aborted
        );
        delete_account(&client, &made.name, &changed.etag).await.unwrap();
        for gone in [
            get_account(&client, &made.name).await.unwrap_err(),
            update_account(&client, named(&made), None).await.unwrap_err(),
            delete_account(&client, &made.name, "").await.unwrap_err(),
        ] {
            assert_eq!((gone.code(), reason(&gone).as_str()), (Code::NotFound, "RESOURCE_NOT_FOUND"));
        }
        assert_eq!(list_accounts(&client, 0).await, (Vec::new(), 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_have_pages() {
    on_both_engines(async |h| {
        let client = h.client().await;
        let mut names = Vec::new();
        for _ in 0..3 {
            names.push(create_account(&client, account(ENDPOINT), "").await.unwrap().name);
        }
        assert_eq!(list_accounts(&client, 2).await, (names.clone(), 2));
        assert_eq!(list_accounts(&client, 0).await, (names.clone(), 1));
        let request = |page_size: i32, page_token: &str| ListMaintenanceAccountsRequest {
            page_size,
            page_token: page_token.to_owned(),
        };
        let page = client
            .clone()
            .agents
            .list_maintenance_accounts(request(1, ""))
            .await
            .unwrap()
            .into_inner();
        let other = h.client_as("other", "anna", Scope::ALL).await;
        for (mut client, token) in [(client.clone(), "rubbish"), (other, page.next_page_token.as_str())] {
            let refused = client.agents.list_maintenance_accounts(request(1, token)).await.unwrap_err();
            assert_eq!(reason(&refused), "PAGE_TOKEN_INVALID");
        }
        let refused = client.clone().agents.list_maintenance_accounts(request(-1, "")).await.unwrap_err();
        assert_eq!(violations(&refused), ["page_size"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_returns_the_first_result() {
    on_both_engines(async |h| {
        let client = h.client().await;
        let first = create_account(&client, account(ENDPOINT), "request-1").await.unwrap();
        let calls = (0..4).map(|_| create_account(&client, account(ENDPOINT), "request-1"));
        for repeated in futures::future::join_all(calls).await {
            assert_eq!(repeated.unwrap(), first);
        }
        let mut other_password = account(ENDPOINT);
        other_password.password.push('x');
        let mut other_name = account(ENDPOINT);
        other_name.display_name.push('x');
        for other in [other_password, other_name] {
            let refused = create_account(&client, other, "request-1").await.unwrap_err();
            assert_eq!(
                (refused.code(), reason(&refused).as_str()),
                (Code::AlreadyExists, "REQUEST_ID_REUSED")
            );
            assert_eq!(metadata(&refused, "requestId"), "request-1");
        }
        h.restart().await;
        let client = h.client().await;
        assert_eq!(create_account(&client, account(ENDPOINT), "request-1").await.unwrap(), first);
        assert_eq!(list_accounts(&client, 0).await.0, [first.name]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn masks_choose_what_changes() {
    on_both_engines(async |h| {
        let client = h.client().await;
        let made = create_account(&client, account(ENDPOINT), "").await.unwrap();
        let written = update_account(&client, made.clone(), Some(&["*"])).await.unwrap();
        assert_eq!(written, made, "nothing is lost, not even what cannot be read");
        let read_only = [
            "agent_count",
            "problem",
            "password_set",
            "create_time",
            "update_time",
            "etag",
            "name",
        ];
        assert_eq!(update_account(&client, named(&made), Some(&read_only)).await.unwrap(), made);
        let refused = update_account(&client, named(&made), Some(&["colour"])).await.unwrap_err();
        assert_eq!(violations(&refused), ["update_mask"]);
        let refused = update_account(&client, MaintenanceAccount::default(), None).await.unwrap_err();
        assert_eq!(violations(&refused), ["maintenance_account.name"]);
        let erased = update_account(&client, named(&made), Some(&["password"])).await.unwrap();
        assert!(!erased.password_set);
        assert!(!password_stored(h, &made.name).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_in_use_is_not_deleted() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let made = create_account(&client, account(h.exchange.endpoint().as_str()), "").await.unwrap();
        let mut agent = agent_through(&made.name, "anna@example.com");
        agent.disabled = true;
        let agent = create(&client, agent, "").await.unwrap();
        assert_eq!(get_account(&client, &made.name).await.unwrap().agent_count, 1);
        let refused = delete_account(&client, &made.name, "").await;
        let status = refused.clone().unwrap_err();
        assert_eq!(metadata(&status, "agents"), "1");
        assert_refused(
            "in use",
            refused,
            needs("MAINTENANCE_ACCOUNT_IN_USE", &made.name, "Connect them differently first"),
        );
        delete(&client, &agent.name, "").await.unwrap();
        assert_eq!(get_account(&client, &made.name).await.unwrap().agent_count, 0);

        // Whoever is first wins, and the other one is told.
        for _ in 0..4 {
            let made = create_account(&client, account(h.exchange.endpoint().as_str()), "").await.unwrap();
            let mut agent = agent_through(&made.name, "anna@example.com");
            agent.disabled = true;
            match tokio::join!(create(&client, agent, ""), delete_account(&client, &made.name, "")) {
                (Ok(agent), refused) => {
                    assert_eq!(reason(&refused.unwrap_err()), "MAINTENANCE_ACCOUNT_IN_USE");
                    assert_eq!(get(&client, &agent.name).await.unwrap(), agent);
                }
                (refused, Ok(())) => {
                    assert_refused("gone", refused, unknown("agent.exchange.maintenance_account", "does not exist"));
                }
                (created, deleted) => panic!("{created:?} and {deleted:?}"),
            }
        }
    })
    .await;
}
