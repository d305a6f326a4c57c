//! What every setting may be: each refusal names the field, the reason and the remedy, whether the agent is new or changed.

use mailagent::domain::Scope;
use mailagent_client::{
    Clients,
    v1::{Agent, AgentKind, AuthenticationMethod, ConnectionType, ExchangeSettings, SmtpSettings, SweepOptions, TriageOptions},
};
use tonic::Code;

use super::{
    Refusal, add_users, assert_refused, create, create_account, delete, exchange, get, graph_agent, needs, set_method, unknown, update,
    wrong,
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
            agent.owner_user = owner.to_owned()
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
            unknown("agent.owner_user", "users/nobody does not exist. Choose a user of the directory"),
            |agent| agent.owner_user = "users/nobody".to_owned(),
        ),
        name("no name", String::new()),
        name("a blank name", text("  ")),
        name("a long name", "ä".repeat(257)),
        name("a header in the name", text("Anna\r\nBcc: all@example.com")),
        name("a line break in the name", text("Anna\nB")),
        name("NUL in the name", text("Anna\0")),
        name("NEL in the name", text("Anna\u{85}B")),
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
        address("NUL in the address", text("anna\0@example.com")),
        address("a long address", format!("{}@{}.example.com", "a".repeat(64), "b.".repeat(130))),
    ]
}

/// What holds for both kinds of Exchange.
fn exchange_rows() -> Vec<Row> {
    let set = |what, expected, change: fn(&mut ExchangeSettings)| bad(what, expected, move |agent| change(exchange(agent)));
    let mailbox = |what, mailbox: &'static str| {
        let expected = wrong("agent.exchange.mailbox", "empty or one e-mail address, such as support@example.com");
        bad(what, expected, move |agent| mailbox.clone_into(&mut exchange(agent).mailbox))
    };
    let endpoint = |what, words, endpoint: String| {
        bad(what, wrong("agent.exchange.endpoint", words), move |agent| {
            exchange(agent).endpoint.clone_from(&endpoint);
        })
    };
    let text = str::to_owned;
    vec![
        bad(
            "SMTP settings",
            wrong("agent.smtp", "must be absent: the kind is not SMTP"),
            |agent| {
                agent.smtp = Some(SmtpSettings {
                    host: "smtp.example.com".to_owned(),
                    ..SmtpSettings::default()
                });
            },
        ),
        mailbox("a mailbox that is no address", "support"),
        mailbox("two mailboxes", "a@example.com,b@example.com"),
        mailbox("a header in the mailbox", "support@example.com\r\nBcc: all@example.com"),
        endpoint("another protocol", "must be https, not ftp", text("ftp://mail.example.com/EWS")),
        endpoint(
            "plain http",
            "must be https: over plain http",
            text("http://mail.example.com/EWS/Exchange.asmx"),
        ),
        endpoint("a name alone", "must be the ", text("mail.example.com")),
        endpoint("a URL without a host", "must be the ", text("https://")),
        endpoint(
            "a user in the URL",
            "they have fields of their own",
            text("https://anna@mail.example.com/EWS"),
        ),
        endpoint(
            "a password in the URL",
            "they have fields of their own",
            text("https://anna:secret@mail.example.com/EWS"),
        ),
        endpoint(
            "a query",
            "anything behind its path",
            text("https://mail.example.com/EWS/Exchange.asmx?x=1"),
        ),
        endpoint(
            "a fragment",
            "anything behind its path",
            text("https://mail.example.com/EWS/Exchange.asmx#x"),
        ),
        endpoint("a header in the URL", "must be the ", text("https://mail.example.com/EWS\r\nX: y")),
        endpoint("a tab in the host", "must be the ", text("https://ma\til.example.com/EWS")),
        endpoint("NUL in the path", "must be the ", text("https://mail.example.com/\0EWS")),
        endpoint("a space around", "must be the ", text(" https://mail.example.com/EWS")),
        endpoint(
            "a long URL",
            "must be the ",
            format!("https://mail.example.com/{}", "a".repeat(2048)),
        ),
        endpoint("this machine", "this machine itself", text("https://127.0.0.1/EWS/Exchange.asmx")),
        endpoint(
            "a private network",
            "allow_private_networks",
            text("https://10.0.0.7/EWS/Exchange.asmx"),
        ),
        endpoint(
            "the cloud's metadata",
            "is not called",
            text("https://169.254.169.254/EWS/Exchange.asmx"),
        ),
        set(
            "an unknown connection type",
            wrong("agent.exchange.connection_type", "does not know"),
            |settings| settings.connection_type = 99,
        ),
        set(
            "an account beside a login",
            wrong(
                "agent.exchange.maintenance_account",
                "must be empty: agent.exchange.connection_type is USER_CREDENTIALS",
            ),
            |settings| settings.maintenance_account = "maintenanceAccounts/01J".to_owned(),
        ),
        set(
            "contacts without the sweep",
            needs(
                "OPTION_NEEDS_ANOTHER",
                "agent.exchange.sweep_options.create_non_matching_contacts",
                "needs agent.exchange.case_sweep. Turn that on, or this off",
            ),
            |settings| {
                settings.sweep_options = Some(SweepOptions {
                    create_non_matching_contacts: true,
                    keep_full_message: false,
                });
            },
        ),
        set(
            "whole messages without the sweep",
            needs(
                "OPTION_NEEDS_ANOTHER",
                "agent.exchange.sweep_options.keep_full_message",
                "needs agent.exchange.case_sweep. Turn that on, or this off",
            ),
            |settings| {
                settings.sweep_options = Some(SweepOptions {
                    create_non_matching_contacts: false,
                    keep_full_message: true,
                });
            },
        ),
        set(
            "purging without triage",
            needs(
                "OPTION_NEEDS_ANOTHER",
                "agent.exchange.triage_options.case_reference_purge",
                "needs agent.exchange.triage. Turn that on, or this off",
            ),
            |settings| {
                settings.triage_options = Some(TriageOptions {
                    case_reference_purge: true,
                })
            },
        ),
        set(
            "triage without a licence",
            Refusal {
                code: Code::ResourceExhausted,
                reason: "TRIAGE_LICENCES_IN_USE",
                field: "triageAllowance",
                words: "agent.exchange.triage: all 0 triage licences are in use. Turn triage off at another agent, or have an administrator",
            },
            |settings| settings.triage = true,
        ),
    ]
}

/// What holds where Exchange is logged in to by password.
fn ews_rows(ews: String, graph: String) -> Vec<Row> {
    const USERNAME: &str = "agent.exchange.username";
    const PASSWORD: &str = "agent.exchange.password";
    let set = |what, expected, change: fn(&mut ExchangeSettings)| bad(what, expected, move |agent| change(exchange(agent)));
    let through = |what, expected, account: String, change: fn(&mut ExchangeSettings)| {
        bad(what, expected, move |agent| {
            let settings = exchange(agent);
            settings.set_connection_type(ConnectionType::MaintenanceAccount);
            settings.maintenance_account.clone_from(&account);
            settings.endpoint.clear();
            settings.password.clear();
            change(settings);
        })
    };
    const ACCOUNT: &str = "agent.exchange.maintenance_account";
    vec![
        set(
            "no endpoint",
            wrong("agent.exchange.endpoint", "is required: the URL of the EWS service"),
            |s| s.endpoint.clear(),
        ),
        set(
            "no user name",
            wrong(USERNAME, r"is required: 1 to 256 characters without `:`"),
            |s| s.username.clear(),
        ),
        set("a colon in the user name", wrong(USERNAME, r"CORP\anna or anna@example.com"), |s| {
            s.username = "a:b".to_owned()
        }),
        set("a header in the user name", wrong(USERNAME, "control characters"), |s| {
            s.username = "anna\r\nX: y".to_owned()
        }),
        set("a long user name", wrong(USERNAME, "1 to 256 characters"), |s| {
            s.username = "a".repeat(257)
        }),
        set("a long password", wrong(PASSWORD, "at most 1024 bytes"), |s| {
            s.password = "ä".repeat(513)
        }),
        set("a line break in the password", wrong(PASSWORD, "no control characters"), |s| {
            s.password = "a\nb".to_owned()
        }),
        bad(
            "a password for SMTP",
            wrong("agent.smtp.password", "it is for another kind of agent"),
            |agent| {
                exchange(agent).password.clear();
                agent.smtp = Some(SmtpSettings {
                    password: "secret".to_owned(),
                    ..SmtpSettings::default()
                });
            },
        ),
        through(
            "no account",
            wrong(ACCOUNT, "is required with MAINTENANCE_ACCOUNT"),
            String::new(),
            |_| (),
        ),
        through(
            "no name of an account",
            wrong(ACCOUNT, "maintenanceAccounts/{maintenance_account}"),
            "agents/01J".to_owned(),
            |_| (),
        ),
        through(
            "an account that is not there",
            unknown(ACCOUNT, "maintenanceAccounts/01J does not exist. Choose another account"),
            "maintenanceAccounts/01J".to_owned(),
            |_| (),
        ),
        through(
            "an account for Graph",
            wrong(ACCOUNT, "must be an account of the agent's kind"),
            graph,
            |_| (),
        ),
        through(
            "an endpoint beside the account",
            wrong(
                "agent.exchange.endpoint",
                "must be empty: the agent connects through a maintenance account",
            ),
            ews.clone(),
            |s| s.endpoint = "https://mail.example.com/EWS/Exchange.asmx".to_owned(),
        ),
        through(
            "a password beside the account",
            wrong(
                PASSWORD,
                "the agent connects through a maintenance account. Change the password of that",
            ),
            ews,
            |s| s.password = "secret".to_owned(),
        ),
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
            agent.kind = value
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
                s.username = "anna".to_owned()
            }),
            set("a password", wrong("agent.exchange.password", words), |s| {
                s.password = "secret".to_owned()
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
    let rows = logins("the tenant's authentication method is MODERN, so people log in at the provider");
    check_all(&client, &ews, rows).await;
}
