//! What the settings of Exchange mailboxes may be.

use mailagent_client::v1::{ConnectionType, ExchangeSettings, SmtpSettings, SweepOptions, TriageOptions};
use tonic::Code;

use super::{
    Refusal, exchange, needs,
    rules::{Row, bad},
    unknown, wrong,
};

/// What holds for both kinds of Exchange.
pub(super) fn exchange_rows() -> Vec<Row> {
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
            "anything after its path",
            text("https://mail.example.com/EWS/Exchange.asmx?x=1"),
        ),
        endpoint(
            "a fragment",
            "anything after its path",
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
            "cannot be used",
            text("https://169.254.169.254/EWS/Exchange.asmx"),
        ),
        set(
            "an unknown connection type",
            wrong("agent.exchange.connection_type", "is unknown to"),
            |settings| settings.connection_type = 99,
        ),
        set(
            "an unknown authentication method",
            wrong("agent.exchange.authentication_method", "is unknown to"),
            |settings| settings.authentication_method = 99,
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
                "requires agent.exchange.case_sweep. Turn that on, or this off",
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
                "requires agent.exchange.case_sweep. Turn that on, or this off",
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
                "requires agent.exchange.triage. Turn that on, or this off",
            ),
            |settings| {
                settings.triage_options = Some(TriageOptions {
                    case_reference_purge: true,
                });
            },
        ),
        set(
            "triage without a licence",
            Refusal {
                code: Code::ResourceExhausted,
                reason: "TRIAGE_LICENCES_IN_USE",
                field: "triageAllowance",
                words: "agent.exchange.triage: all 0 triage licences are in use. Turn triage off for another agent, or have an \
                        administrator",
            },
            |settings| settings.triage = true,
        ),
    ]
}

/// What holds where Exchange is logged in to by password.
pub(super) fn ews_rows(ews: String, graph: String) -> Vec<Row> {
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
            "no endpoint, nor a domain to ask for it",
            wrong(
                "agent.exchange.endpoint",
                "cannot be discovered through the domain of \"anna@localhost\"",
            ),
            |s| {
                s.endpoint.clear();
                s.mailbox = "anna@localhost".to_owned();
            },
        ),
        set(
            "no user name",
            wrong(USERNAME, r"is required: 1 to 256 characters without `:`"),
            |s| s.username.clear(),
        ),
        set("a colon in the user name", wrong(USERNAME, r"CORP\anna or anna@example.com"), |s| {
            s.username = "a:b".to_owned();
        }),
        set("a header in the user name", wrong(USERNAME, "control characters"), |s| {
            s.username = "anna\r\nX: y".to_owned();
        }),
        set("a long user name", wrong(USERNAME, "1 to 256 characters"), |s| {
            s.username = "a".repeat(257);
        }),
        set("a long password", wrong(PASSWORD, "at most 1024 bytes"), |s| {
            s.password = "ä".repeat(513);
        }),
        set("a line break in the password", wrong(PASSWORD, "no control characters"), |s| {
            s.password = "a\nb".to_owned();
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
                "the agent connects through a maintenance account. Change the account's password instead",
            ),
            ews,
            |s| s.password = "secret".to_owned(),
        ),
    ]
}
