//! What every setting of an SMTP agent may be; and what is taken, for every kind.

use mailagent::testing::domain::Scope;
use mailagent_client::v1::{
    Agent, AgentKind, BatchDeleteUsersRequest, Deletion, ExchangeSettings, SmtpAuthentication, SmtpSecurity, SmtpSettings, TenantSettings,
};
use tonic::Code;

use super::{
    assert_refused, change_settings, create, delete, exchange, get, named, needs,
    rules::{Row, bad, check_all, ews_agent, strict},
    smtp, smtp_agent, unknown, update, wrong,
};
use crate::harness::{Harness, TENANT, on_both_engines, reason, violations};

const PASSWORD: &str = "agent.smtp.password";

fn rows() -> Vec<Row> {
    const HOST: &str = "agent.smtp.host";
    const PORT: &str = "agent.smtp.port";
    const USERNAME: &str = "agent.smtp.username";
    let set = |what, expected, change: fn(&mut SmtpSettings)| bad(what, expected, move |agent| change(smtp(agent)));
    let host = |what, words, host: String| bad(what, wrong(HOST, words), move |agent| smtp(agent).host.clone_from(&host));
    let name = "the name or IP address of the server, such as mail.example.com, without a port or scheme";
    let text = str::to_owned;
    vec![
        bad(
            "Exchange settings",
            wrong("agent.exchange", "must be absent: the kind is SMTP"),
            |agent| {
                agent.exchange = Some(ExchangeSettings {
                    case_sweep: true,
                    ..ExchangeSettings::default()
                });
            },
        ),
        bad(
            "a password for Exchange",
            wrong("agent.exchange.password", "it is for another kind of agent"),
            |agent| {
                smtp(agent).password.clear();
                agent.exchange = Some(ExchangeSettings {
                    password: "secret".to_owned(),
                    ..ExchangeSettings::default()
                });
            },
        ),
        host("no host", name, String::new()),
        host("two words", name, text("mail example.com")),
        host("a port in the host", name, text("mail.example.com:25")),
        host("a URL", name, text("smtp://mail.example.com")),
        host("a line break in the host", name, text("mail.example.com\r\n")),
        host("a label that is too long", name, format!("{}.example.com", "a".repeat(64))),
        host(
            "a name that is too long",
            "at most 253 characters",
            ["a".repeat(63).as_str(); 4].join("."),
        ),
        host("a hyphen at the beginning", name, text("-mail.example.com")),
        host("a turned direction in the host", name, text("mail.\u{202e}moc.example")),
        host("an empty label", name, text("mail..example.com")),
        host("this machine", "is this machine itself", text("127.0.0.1")),
        host("this machine in IPv6", "is this machine itself", text("::1")),
        host("a private network", "allow_private_networks", text("192.168.1.7")),
        host("the cloud's metadata", "cannot be used", text("169.254.169.254")),
        set("a negative port", wrong(PORT, "must be 0 to 65535; 0 means the usual port"), |s| {
            s.port = -1;
        }),
        set("a port that is too large", wrong(PORT, "must be 0 to 65535"), |s| s.port = 65536),
        set("an unknown security", wrong("agent.smtp.security", "is unknown to"), |s| {
            s.security = 99;
        }),
        set(
            "no security",
            needs(
                "NOT_ALLOWED_BY_TENANT",
                "agent.smtp.security",
                "Choose STARTTLS or TLS, or have an administrator allow it",
            ),
            |s| s.set_security(SmtpSecurity::None),
        ),
        set(
            "an unknown authentication",
            wrong("agent.smtp.authentication", "is unknown to"),
            |s| s.authentication = 99,
        ),
        set("no user name", wrong(USERNAME, "is required: 1 to 256 characters"), |s| {
            s.username.clear();
        }),
        set("a long user name", wrong(USERNAME, "1 to 256 characters"), |s| {
            s.username = "a".repeat(257);
        }),
        set(
            "a line break in the user name",
            wrong(USERNAME, "without control characters"),
            |s| s.username = "a\nb".to_owned(),
        ),
        set(
            "a user name for nothing",
            wrong(USERNAME, "must be empty: agent.smtp.authentication is NONE"),
            |s| {
                s.set_authentication(SmtpAuthentication::None);
                s.password.clear();
            },
        ),
        set(
            "a line break in OAuth's user name",
            wrong(USERNAME, "must be empty for the agent's from_address, or"),
            |s| {
                s.set_authentication(SmtpAuthentication::Oauth);
                s.username = "a\nb".to_owned();
                s.password.clear();
            },
        ),
        set(
            "a password for nothing",
            wrong(PASSWORD, "agent.smtp.authentication is not PASSWORD"),
            |s| {
                s.set_authentication(SmtpAuthentication::None);
                s.username.clear();
            },
        ),
        set(
            "a password for OAuth",
            wrong(PASSWORD, "agent.smtp.authentication is not PASSWORD"),
            |s| {
                s.set_authentication(SmtpAuthentication::Oauth);
            },
        ),
        set("a long password", wrong(PASSWORD, "at most 1024 bytes"), |s| {
            s.password = "a".repeat(1025);
        }),
        set("NUL in the password", wrong(PASSWORD, "no control characters"), |s| {
            s.password = "a\0b".to_owned();
        }),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_setting_of_smtp_has_its_rule() {
    let (_h, client) = strict().await;
    check_all(&client, &smtp_agent(), rows()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_sense_is_taken() {
    let (h, client) = strict().await;
    let smtp_with = |change: fn(&mut SmtpSettings)| {
        let mut agent = smtp_agent();
        change(smtp(&mut agent));
        agent
    };
    let addressed = |address: &str, name: &str| {
        let mut agent = ews_agent();
        agent.from_address = address.to_owned();
        agent.from_name = name.to_owned();
        exchange(&mut agent).mailbox = address.to_owned();
        agent
    };
    let mut on_premises = ews_agent();
    exchange(&mut on_premises).endpoint = "https://10.0.0.7:8443/EWS/Exchange.asmx".to_owned();
    let private = TenantSettings {
        allow_private_networks: true,
        ..TenantSettings::default()
    };
    change_settings(&client, private, &["allow_private_networks"]).await.unwrap();
    let taken = [
        ("an internationalised address", addressed("jörg@exämple.de", "Jörg Müller 山田")),
        (
            "an address in quotes",
            addressed("\"anna b\"@example.com", "Anna, \"the\" (boss) <x>"),
        ),
        ("the longest name", addressed("anna@example.com", &"ä".repeat(256))),
        ("a server on premises", on_premises),
        ("a server by its address", smtp_with(|s| s.host = "10.0.0.7".to_owned())),
        ("a server by its IPv6 address", smtp_with(|s| s.host = "fd12::7".to_owned())),
        (
            "a name with a dot at the end",
            smtp_with(|s| s.host = "mail.example.com.".to_owned()),
        ),
        ("the longest password", smtp_with(|s| s.password = "ä".repeat(512))),
        (
            "no login at all",
            smtp_with(|s| {
                s.set_authentication(SmtpAuthentication::Unspecified);
                s.username.clear();
                s.password.clear();
            }),
        ),
        (
            "OAuth as the agent's own address",
            smtp_with(|s| {
                s.set_authentication(SmtpAuthentication::Oauth);
                s.username.clear();
                s.password.clear();
            }),
        ),
    ];
    for (what, wanted) in taken {
        let made = create(&client, wanted.clone(), "")
            .await
            .unwrap_or_else(|refused| panic!("{what}: {refused:?}"));
        let mut expected = made.clone();
        expected.from_name.clone_from(&wanted.from_name);
        expected.from_address.clone_from(&wanted.from_address);
        assert_eq!(made, expected, "{what}");
        // What was read can be written back by anybody who may, and nothing is lost.
        let writer = h.client_as(TENANT, "bert", &[Scope::AgentWrite]).await;
        let read = get(&writer, &made.name).await.unwrap();
        let written = update(&writer, read.clone(), Some(&["*"]))
            .await
            .unwrap_or_else(|refused| panic!("{what}: {refused:?}"));
        assert_eq!(written, read, "{what}");
        assert_eq!(get(&client, &made.name).await.unwrap(), made, "{what}");
        delete(&client, &made.name, &made.etag).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_violation_is_told_at_once() {
    let h = Harness::new().await;
    let client = h.seed().await;
    let wrong = Agent {
        name: "agents/mine".to_owned(),
        owner_user: "anna".to_owned(),
        kind: AgentKind::Unspecified.into(),
        from_name: "Anna\r\nBcc: all@example.com".to_owned(),
        from_address: "anna".to_owned(),
        exchange: Some(ExchangeSettings {
            endpoint: "ftp://mail.example.com".to_owned(),
            mailbox: "two words".to_owned(),
            username: "a:b".to_owned(),
            password: "p".repeat(1025),
            ..ExchangeSettings::default()
        }),
        ..Agent::default()
    };
    let all = [
        "agent.exchange.endpoint",
        "agent.exchange.mailbox",
        "agent.exchange.password",
        "agent.exchange.username",
        "agent.from_address",
        "agent.from_name",
        "agent.kind",
        "agent.name",
        "agent.owner_user",
        "request_id",
    ];
    let refused = create(&client, wrong, "with space").await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::InvalidArgument, "FIELDS_INVALID")
    );
    assert_eq!(violations(&refused), all);
    let refused = create(&client, Agent::default(), "").await.unwrap_err();
    let required = [
        "agent.exchange.username",
        "agent.from_address",
        "agent.from_name",
        "agent.kind",
        "agent.owner_user",
    ];
    assert_eq!(violations(&refused), required);
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_databases_do_not_take_are_violations() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        for id in ["a\0b", "ä", &"x".repeat(65)] {
            let refused = create(&client, smtp_agent(), id).await.unwrap_err();
            assert_eq!(violations(&refused), ["request_id"], "{id:?}");
        }
        let filter = mailagent_client::v1::AuditFilter {
            resource: "agents/\0".to_owned(),
            ..Default::default()
        };
        let request = mailagent_client::v1::ListAuditEntriesRequest {
            filter: Some(filter),
            ..Default::default()
        };
        let refused = client.clone().settings.list_audit_entries(request).await.unwrap_err();
        assert_eq!(violations(&refused), ["filter.resource"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unencrypted_smtp_needs_the_tenants_permission() {
    on_both_engines(async |h| {
        let client = h.seed().await;
        let allow = async |allow: bool| {
            let settings = TenantSettings {
                allow_unencrypted_smtp: allow,
                ..TenantSettings::default()
            };
            change_settings(&client, settings, &["allow_unencrypted_smtp"]).await.unwrap();
        };
        let refusal = needs("NOT_ALLOWED_BY_TENANT", "agent.smtp.security", "have an administrator allow it");
        let mut open = smtp_agent();
        smtp(&mut open).set_security(SmtpSecurity::None);
        let secure = create(&client, smtp_agent(), "").await.unwrap();
        let mut opened = secure.clone();
        smtp(&mut opened).set_security(SmtpSecurity::None);
        let again = "an SMTP password";
        smtp(&mut opened).password = again.to_owned();
        assert_refused(
            "changed",
            update(&client, opened.clone(), Some(&["smtp.security", "smtp.password"])).await,
            refusal,
        );

        allow(true).await;
        let made = create(&client, open.clone(), "").await.unwrap();
        // The stored password was meant for an encrypted connection.
        let refused = update(&client, opened.clone(), Some(&["smtp.security"])).await;
        assert_refused("without it", refused, wrong(PASSWORD, "encryption is turned off"));
        update(&client, opened, Some(&["smtp.security", "smtp.password"])).await.unwrap();
        allow(false).await;
        // What was allowed stays as it is, also when other things change.
        let mut renamed = get(&client, &made.name).await.unwrap();
        renamed.from_name = "Anna B.".to_owned();
        let renamed = update(&client, renamed, Some(&["*"])).await.unwrap();
        assert_eq!(renamed.smtp.as_ref().unwrap().security(), SmtpSecurity::None);
        assert_refused("a new one", create(&client, open, "").await, refusal);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_owner_has_left_can_be_paused_and_given_away() {
    let h = Harness::new().await;
    let client = h.seed().await;
    let made = create(&client, smtp_agent(), "").await.unwrap();
    let users = vec![Deletion {
        name: "users/anna".to_owned(),
        revision: 2,
    }];
    client
        .clone()
        .directory
        .batch_delete_users(BatchDeleteUsersRequest { users })
        .await
        .unwrap();
    let gone = unknown("agent.owner_user", "users/anna does not exist");
    assert_refused("a new one", create(&client, smtp_agent(), "").await, gone);
    let paused = Agent {
        disabled: true,
        ..named(&made)
    };
    assert!(update(&client, paused, Some(&["disabled"])).await.unwrap().disabled);
    let given = Agent {
        owner_user: "users/bert".to_owned(),
        ..named(&made)
    };
    assert_eq!(update(&client, given.clone(), None).await.unwrap().owner_user, "users/bert");
    let back = Agent {
        owner_user: "users/anna".to_owned(),
        ..given
    };
    assert_refused("back to who is gone", update(&client, back, None).await, gone);
}
