//! What every field of a maintenance account may be.

use mailagent_client::v1::{AgentKind, AuthenticationMethod, AuthenticationState, MaintenanceAccount};

use super::{
    Refusal, assert_refused, create_account,
    maintenance::{ENDPOINT, get_account, named},
    rules::strict,
    set_method, update_account, wrong,
};
use crate::harness::{account, violations};

#[tokio::test(flavor = "multi_thread")]
async fn every_field_has_its_rule() {
    let (_h, client) = strict().await;
    let made = create_account(&client, account(ENDPOINT), "").await.unwrap();
    type Row = (&'static str, Refusal<'static>, fn(&mut MaintenanceAccount));
    const NAME: &str = "maintenance_account.display_name";
    const KIND: &str = "maintenance_account.kind";
    const URL: &str = "maintenance_account.endpoint";
    const USERNAME: &str = "maintenance_account.username";
    const PASSWORD: &str = "maintenance_account.password";
    let rows: &[Row] = &[
        ("no name", wrong(NAME, "1 to 256 characters"), |a| a.display_name.clear()),
        ("a blank name", wrong(NAME, "1 to 256 characters"), |a| {
            a.display_name = " ".to_owned();
        }),
        ("a long name", wrong(NAME, "1 to 256 characters"), |a| {
            a.display_name = "ä".repeat(257);
        }),
        ("a line break", wrong(NAME, "without line breaks"), |a| {
            a.display_name = "a\r\nb".to_owned();
        }),
        ("a turned direction", wrong(NAME, "U+202E"), |a| {
            a.display_name = "Service\u{202e}x".to_owned();
        }),
        ("a server whose name is too long", wrong(URL, "at most 253 characters"), |a| {
            a.endpoint = format!("https://{}example.com/EWS", "abcdefghi.".repeat(30));
        }),
        ("a label that is too long", wrong(URL, "63 between dots"), |a| {
            a.endpoint = format!("https://{}.example.com/EWS", "a".repeat(64));
        }),
        ("no kind", wrong(KIND, "EXCHANGE_EWS or EXCHANGE_GRAPH"), |a| a.kind = 0),
        (
            "no endpoint, nor an address",
            wrong(URL, "With an address as login_address or username"),
            |a| a.endpoint.clear(),
        ),
        (
            "no endpoint, nor a domain to ask for it",
            wrong(URL, "cannot be discovered through the domain of"),
            |a| {
                a.endpoint.clear();
                a.username = "service@localhost".to_owned();
            },
        ),
        ("another protocol", wrong(URL, "must be https, not ftp"), |a| {
            a.endpoint = "ftp://mail.example.com".to_owned();
        }),
        ("plain http", wrong(URL, "must be https"), |a| {
            a.endpoint = "http://mail.example.com/EWS".to_owned();
        }),
        ("a password in the URL", wrong(URL, "fields of their own"), |a| {
            a.endpoint = "https://a:b@mail.example.com".to_owned();
        }),
        ("a line break in the URL", wrong(URL, "must be the URL"), |a| {
            a.endpoint = "https://mail.example.com/\r\n".to_owned();
        }),
        ("this machine", wrong(URL, "this machine itself"), |a| {
            a.endpoint = "https://127.0.0.1/EWS".to_owned();
        }),
        ("no user name", wrong(USERNAME, "is required"), |a| a.username.clear()),
        ("a colon", wrong(USERNAME, "without `:`"), |a| a.username = "a:b".to_owned()),
        ("a long password", wrong(PASSWORD, "at most 1024 bytes"), |a| {
            a.password = "a".repeat(1025);
        }),
        ("NUL in the password", wrong(PASSWORD, "no control characters"), |a| {
            a.password = "a\0".to_owned();
        }),
    ];
    for (what, expected, change) in rows {
        let mut new = account(ENDPOINT);
        change(&mut new);
        assert_refused(&format!("new: {what}"), create_account(&client, new, "").await, *expected);
        let mut changed = made.clone();
        changed.password = "the same".to_owned();
        change(&mut changed);
        assert_refused(
            &format!("changed: {what}"),
            update_account(&client, changed, Some(&["*"])).await,
            *expected,
        );
    }
    let smtp = MaintenanceAccount {
        kind: AgentKind::Smtp.into(),
        ..account(ENDPOINT)
    };
    assert_refused(
        "SMTP",
        create_account(&client, smtp, "").await,
        wrong(KIND, "no maintenance accounts over SMTP"),
    );
    let called = MaintenanceAccount {
        name: "maintenanceAccounts/mine".to_owned(),
        ..account(ENDPOINT)
    };
    assert_refused(
        "a name",
        create_account(&client, called, "").await,
        wrong("maintenance_account.name", "must be empty"),
    );
    let refused = create_account(&client, MaintenanceAccount::default(), "with space")
        .await
        .unwrap_err();
    assert_eq!(violations(&refused), [NAME, URL, KIND, USERNAME, "request_id"]);

    // The kind stays, and the password does not follow to another server.
    let mut graph = named(&made);
    graph.set_kind(AgentKind::ExchangeGraph);
    let refused = update_account(&client, graph, Some(&["kind"])).await;
    assert_refused("another kind", refused, wrong(KIND, "cannot be changed. Create another account"));
    for moved in [
        "https://other.example.com/EWS/Exchange.asmx",
        "https://mail.example.com:8443/EWS/Exchange.asmx",
    ] {
        let moved = MaintenanceAccount {
            endpoint: moved.to_owned(),
            ..named(&made)
        };
        let refused = update_account(&client, moved.clone(), None).await;
        assert_refused(
            "another server",
            refused,
            wrong(PASSWORD, "must be entered again when the endpoint's server changes"),
        );
        let moved = MaintenanceAccount {
            password: "another".to_owned(),
            ..moved
        };
        assert!(update_account(&client, moved, None).await.unwrap().password_set);
    }
    assert_eq!(get_account(&client, &made.name).await.unwrap().display_name, made.display_name);
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_depend_on_the_kind_and_on_the_method() {
    let (_h, client) = strict().await;
    let graph = MaintenanceAccount {
        kind: AgentKind::ExchangeGraph.into(),
        endpoint: String::new(),
        username: String::new(),
        password: String::new(),
        ..account(ENDPOINT)
    };
    create_account(&client, graph.clone(), "").await.unwrap();
    let check = async |base: &MaintenanceAccount, words: &'static str| {
        let username = MaintenanceAccount {
            username: "service".to_owned(),
            ..base.clone()
        };
        let refused = create_account(&client, username, "").await;
        assert_refused("a user name", refused, wrong("maintenance_account.username", words));
        let password = MaintenanceAccount {
            password: "secret".to_owned(),
            ..base.clone()
        };
        let refused = create_account(&client, password, "").await;
        assert_refused("a password", refused, wrong("maintenance_account.password", words));
    };
    check(&graph, "people log in to Microsoft Graph at the provider").await;
    let made = create_account(&client, account(ENDPOINT), "").await.unwrap();
    set_method(&client, AuthenticationMethod::Modern).await;
    let ews = MaintenanceAccount {
        endpoint: ENDPOINT.to_owned(),
        kind: AgentKind::ExchangeEws.into(),
        ..graph
    };
    check(&ews, "the authentication method is MODERN").await;
    // What is stored stays, and may be written back.
    let mut written = update_account(&client, made.clone(), Some(&["*"])).await.unwrap();
    let login = written.authentication.take().expect("under MODERN it has a login, or lacks one");
    assert_eq!((login.state(), &login.source), (AuthenticationState::None, &made.name));
    assert_eq!(written, made);
}
