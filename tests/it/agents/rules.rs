//! What every setting may be: each refusal names the field, the reason and the remedy, whether the agent is new or changed.

use mailagent::testing::domain::Scope;
use mailagent_client::{
    Clients,
    v1::{Agent, AgentKind, AuthenticationMethod, ExchangeSettings, SweepOptions},
};

use super::{
    Refusal, add_users, assert_refused, create, create_account, delete, exchange, get, graph_agent, needs,
    rules_exchange::{ews_rows, exchange_rows},
    set_method, unknown, update, wrong,
};
use crate::harness::{Choices, Engine, Harness, account};

/// A change of a valid agent, what it is, and how it is refused.
pub(super) type Row = (&'static str, Box<dyn Fn(&mut Agent)>, Refusal<'static>);

pub(super) fn bad(what: &'static str, expected: Refusal<'static>, change: impl Fn(&mut Agent) + 'static) -> Row {
    (what, Box::new(change), expected)
}

/// Tries every change on a new agent and on one that was read and is written back. The agent itself is fine.
pub(super) async fn check_all(client: &Clients, base: &Agent, rows: Vec<Row>) {
    let made = create(client, base.clone(), "").await.unwrap();
    let mut read = made.clone();
    // So that the password is not one that is kept.
    for (read, base) in read.exchange.iter_mut().zip(&base.exchange) {
        read.password.clone_from(&base.password);
    }
    for (read, base) in read.smtp.iter_mut().zip(&base.smtp) {
        read.password.clone_from(&base.password);
    }
    for (what, change, expected) in rows {
        let (mut new, mut changed) = (base.clone(), read.clone());
        change(&mut new);
        change(&mut changed);
        assert_refused(&format!("new: {what}"), create(client, new, "").await, expected);
        assert_refused(&format!("changed: {what}"), update(client, changed, Some(&["*"])).await, expected);
    }
    assert_eq!(get(client, &made.name).await.unwrap(), made, "nothing has changed");
    delete(client, &made.name, &made.etag).await.unwrap();
}

/// A service that takes no plain http, with its usual tenant filled.
pub(super) async fn strict() -> (Harness, Clients) {
    let mut choices = Choices::of(Engine::Sqlite);
    choices.configure = Box::new(|config| {
        config.exchange.allow_http = false;
        config.network.allow_loopback = false;
    });
    let h = Harness::with(choices).await;
    let client = h.seed().await;
    (h, client)
}

/// A tenant that uses modern authentication and accepted nothing, with the user anna.
async fn modern(h: &Harness) -> Clients {
    let client = h.client_as("modern", "anna", Scope::ALL).await;
    add_users(&client, &["anna"]).await;
    set_method(&client, AuthenticationMethod::Modern).await;
    client
}

/// An EWS agent of anna, paused, as there is no such server.
pub(super) fn ews_agent() -> Agent {
    Agent {
        owner_user: "users/anna".to_owned(),
        kind: AgentKind::ExchangeEws.into(),
        from_name: "Anna".to_owned(),
        from_address: "anna@example.com".to_owned(),
        disabled: true,
        exchange: Some(ExchangeSettings {
            endpoint: "https://mail.example.com/EWS/Exchange.asmx".to_owned(),
            username: r"CORP\anna".to_owned(),
            password: "an Exchange password".to_owned(),
            ..ExchangeSettings::default()
        }),
        ..Agent::default()
    }
}

/// What holds for every kind.
fn common_rows() -> Vec<Row> {
    let owner = |what, words, owner: &'static str| {
        bad(what, wrong("agent.owner_user", words), move |agent| {
            agent.owner_user = owner.to_owned();
        })
    };
    let name = |what, name: String| {
        let expected = wrong("agent.from_name", "1 to 256 characters without line breaks");
        bad(what, expected, move |agent| agent.from_name.clone_from(&name))
    };
    let address = |what, address: String| {
        let expected = wrong("agent.from_address", "one e-mail address, such as anna@example.com");
        bad(what, expected, move |agent| agent.from_address.clone_from(&address))
    };
    let text = str::to_owned;
    vec![
        owner("no owner", "is required", ""),
        owner("an owner that is no name", "`users/{user}`", "anna"),
        owner("an owner of another collection", "`users/{user}`", "contacts/anna"),
        bad(
            "an owner who is not there",
            unknown("agent.owner_user", "users/nobody does not exist. Choose a user in the directory"),
            |agent| agent.owner_user = "users/nobody".to_owned(),
        ),
        name("no name", String::new()),
        name("a blank name", text("  ")),
        name("a long name", "ä".repeat(257)),
        name("a header in the name", text("Anna\r\nBcc: all@example.com")),
        name("a line break in the name", text("Anna\nB")),
        name("NUL in the name", text("Anna\0")),
        name("NEL in the name", text("Anna\u{85}B")),
        name("a turned direction in the name", text("Anna \u{202e}gro.knab@sob")),
        name("an isolate in the name", text("\u{2067}Anna")),
        name("a line separator in the name", text("Anna\u{2028}B")),
        name("a space that nobody sees", text("An\u{200b}na")),
        address("no address", String::new()),
        address("an address without a domain", text("anna")),
        address("half an address", text("anna@")),
        address("the other half", text("@example.com")),
        address("an address with two at signs", text("anna@b@example.com")),
        address("a name with the address", text("Anna <anna@example.com>")),
        address("two addresses", text("anna@example.com, bert@example.com")),
        address("a space before the address", text(" anna@example.com")),
        address("a space in the address", text("an na@example.com")),
        address("a header in the address", text("anna@example.com\r\nBcc: all@example.com")),
        address("a header in a quoted address", text("\"anna\r\nBcc: all\"@example.com")),
        address("a turned direction in the address", text("anna\u{202e}@example.com")),
        address("NUL in the address", text("anna\0@example.com")),
        address("a long address", format!("{}@{}.example.com", "a".repeat(64), "b.".repeat(130))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_setting_of_ews_has_its_rule() {
    let (_h, client) = strict().await;
    let mut theirs = account("https://mail.example.com/EWS/Exchange.asmx");
    let ews = create_account(&client, theirs.clone(), "").await.unwrap().name;
    theirs.set_kind(AgentKind::ExchangeGraph);
    theirs.endpoint.clear();
    theirs.username.clear();
    theirs.password.clear();
    let graph = create_account(&client, theirs, "").await.unwrap().name;
    let mut rows = common_rows();
    rows.extend(exchange_rows());
    rows.extend(ews_rows(ews, graph));
    let kind = |what, value: i32| {
        bad(what, wrong("agent.kind", "SMTP, EXCHANGE_EWS or EXCHANGE_GRAPH"), move |agent| {
            agent.kind = value;
        })
    };
    rows.extend([kind("no kind", 0), kind("an unknown kind", 99)]);
    rows.push(bad(
        "Graph under BASIC",
        needs("NOT_ALLOWED_BY_TENANT", "agent.kind", "Have an administrator set it to MODERN"),
        |agent| {
            let disabled = agent.disabled;
            *agent = Agent {
                name: agent.name.clone(),
                disabled,
                ..graph_agent()
            };
        },
    ));
    check_all(&client, &ews_agent(), rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_setting_under_modern_authentication_has_its_rule() {
    let (h, _) = strict().await;
    let client = modern(&h).await;
    let set = |what, expected, change: fn(&mut ExchangeSettings)| bad(what, expected, move |agent| change(exchange(agent)));
    let logins = |words| {
        vec![
            set("a user name", wrong("agent.exchange.username", words), |s| {
                s.username = "anna".to_owned();
            }),
            set("a password", wrong("agent.exchange.password", words), |s| {
                s.password = "secret".to_owned();
            }),
            set(
                "keeping mail without having accepted the terms",
                needs(
                    "STORAGE_TERMS_NOT_ACKNOWLEDGED",
                    "agent.exchange.sweep_options.keep_full_message",
                    "an administrator must first accept the storage terms: SettingsService.AcknowledgeStorageTerms",
                ),
                |s| {
                    s.case_sweep = true;
                    s.sweep_options = Some(SweepOptions {
                        create_non_matching_contacts: false,
                        keep_full_message: true,
                    });
                },
            ),
            set(
                "making contacts without having accepted the terms",
                needs(
                    "STORAGE_TERMS_NOT_ACKNOWLEDGED",
                    "agent.exchange.sweep_options.create_non_matching_contacts",
                    "SettingsService.AcknowledgeStorageTerms",
                ),
                |s| {
                    s.case_sweep = true;
                    s.sweep_options = Some(SweepOptions {
                        create_non_matching_contacts: true,
                        keep_full_message: false,
                    });
                },
            ),
        ]
    };
    let mut rows = common_rows();
    rows.extend(exchange_rows());
    rows.extend(logins("people log in to Microsoft Graph at the provider"));
    check_all(&client, &graph_agent(), rows).await;

    let mut ews = ews_agent();
    exchange(&mut ews).username.clear();
    exchange(&mut ews).password.clear();
    let rows = logins("the authentication method is MODERN, so people log in at the provider");
    check_all(&client, &ews, rows).await;
}
