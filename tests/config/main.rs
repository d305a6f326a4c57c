//! Settings: defaults, layers and the texts of all faults. `UPDATE_EXPECT=1` writes the expected texts anew.

mod callers;
mod logins;

use std::{fs, path::Path, time::Duration};

use proptest::prelude::*;

use mailagent::testing::{
    config::{AllowedOrigins, BlobsUrl, ByteSize, Config, DEFAULT_FILE, DatabaseUrl, Flag, LogFormat, load},
    crypto::KeySource,
};

/// Every setting.
const KEYS: &[&str] = &[
    "data",
    "server.listen",
    "server.cors_allowed_origins",
    "server.call_timeout",
    "server.shutdown_grace",
    "server.max_message_size",
    "server.max_streams_per_caller",
    "server.max_connections",
    "server.max_connections_per_address",
    "server.anonymous_timeout",
    "server.idle_timeout",
    "server.request_timeout",
    "server.max_anonymous_bytes",
    "server.max_calls_per_caller",
    "server.processor_memory",
    "server.tls.certificate_file",
    "server.tls.key_file",
    "server.tls.client_ca_file",
    "server.tls.client_certificate",
    "database.url",
    "database.max_connections",
    "database.statement_timeout",
    "database.lock_timeout",
    "database.idle_in_transaction_timeout",
    "database.silence_timeout",
    "blobs.url",
    "blobs.inline_limit",
    "keys.master",
    "auth.issuer",
    "auth.jwks_url",
    "auth.audience",
    "auth.clock_skew",
    "auth.tenant_claim",
    "auth.user_claim",
    "auth.scope_claim",
    "auth.key_refresh_interval",
    "auth.unknown_key_pause",
    "auth.key_lifetime",
    "auth.local_issuer",
    "auth.token_lifetime",
    "auth.services.0.identity",
    "auth.services.0.tenant",
    "auth.services.0.user",
    "auth.services.0.scopes",
    "oauth.public_url",
    "oauth.redirect_urls",
    "oauth.request_timeout",
    "oauth.check_interval",
    "oauth.providers.0.name",
    "oauth.providers.0.preset",
    "oauth.providers.0.client_id",
    "oauth.providers.0.client_secret",
    "oauth.providers.0.client_secret_file",
    "oauth.providers.0.client_secret_expires",
    "oauth.providers.0.certificate_file",
    "oauth.providers.0.certificate_key_file",
    "oauth.providers.0.authority",
    "oauth.providers.0.directory",
    "oauth.providers.0.graph_url",
    "oauth.providers.0.issuer",
    "oauth.providers.0.graph_scopes",
    "oauth.providers.0.ews_scopes",
    "oauth.providers.0.smtp_scopes",
    "oauth.providers.0.hosts",
    "oauth.providers.0.login_lifetime",
    "oauth.providers.0.login_slides",
    "network.allow_loopback",
    "network.connect_timeout",
    "network.root_certificates_file",
    "exchange.allow_http",
    "exchange.poll_interval",
    "exchange.completeness_interval",
    "exchange.push",
    "exchange.concurrent_mailboxes",
    "exchange.requests_per_mailbox",
    "exchange.requests_per_application",
    "exchange.graph_requests_per_ten_minutes",
    "exchange.mailboxes_per_stream",
    "exchange.fetch_batch",
    "exchange.autodiscover_hosts",
    "exchange.autodiscover_timeout",
    "exchange.answer_memory",
    "exchange.request_timeout",
    "exchange.max_backoff",
    "smtp.request_timeout",
    "smtp.delivery_timeout",
    "smtp.max_connections",
    "mail.max_message_size",
    "events.keep",
    "events.bookmark_interval",
    "telemetry.log",
    "telemetry.log_format",
    "telemetry.otlp_endpoint",
];

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/golden/config");

/// Loads a file with this content, these variables and these flags (key, value, name).
fn load_all(file: &str, variables: &[(&str, &str)], flags: &[(&'static str, &str, &'static str)]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailagent.toml");
    fs::write(&path, file).unwrap();
    let flags: Vec<_> = flags
        .iter()
        .map(|(key, value, name)| Flag {
            key,
            value: (*value).to_owned(),
            name,
        })
        .collect();
    load(Some(&path), pairs(variables), &flags).map_err(|errors| {
        let text = errors.to_string();
        text.replace(folder.path().to_str().unwrap(), "")
            .replace("/mailagent.toml", "mailagent.toml")
    })
}

fn pairs(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Compares what is said about a faulty configuration with the stored text of that name.
#[track_caller]
fn check_fault(name: &str, file: &str, variables: &[(&str, &str)], flags: &[(&'static str, &str, &'static str)]) {
    let text = load_all(file, variables, flags).expect_err("the configuration is accepted") + "\n";
    let path = format!("{GOLDEN}/{name}.txt");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(text == expected, "{path} differs; it is now:\n{text}");
}

#[test]
fn defaults_are_what_was_promised() {
    let config = Config::default();
    let seconds = Duration::from_secs;
    assert_eq!(config.data_dir, Path::new("./data"));

    let server = &config.server;
    assert_eq!(server.listen.to_string(), "127.0.0.1:50051");
    let loopback = AllowedOrigins {
        any: false,
        loopback: true,
        listed: vec![],
    };
    assert_eq!(server.cors_allowed_origins, loopback);
    assert_eq!((server.call_timeout, server.shutdown_grace), (seconds(30), seconds(10)));
    assert_eq!((server.max_message_size, server.max_streams_per_caller), (ByteSize(8 << 20), 100));
    assert_eq!((server.max_connections, server.max_connections_per_address), (None, 1000));
    assert_eq!((server.anonymous_timeout, server.request_timeout), (seconds(30), seconds(30)));
    assert_eq!(
        (server.idle_timeout, server.max_anonymous_bytes),
        (seconds(900), ByteSize(32 << 20))
    );
    assert_eq!((server.max_calls_per_caller, server.processor_memory), (100, ByteSize(256 << 20)));
    assert_eq!(server.tls, None);

    assert_eq!(config.database.url, DatabaseUrl::Sqlite("./data/mailagent.db".into()));
    let database = &config.database;
    let limits = [
        database.statement_timeout,
        database.lock_timeout,
        database.idle_in_transaction_timeout,
        database.silence_timeout,
    ];
    assert_eq!((database.max_connections, limits), (16, [25, 15, 10, 20].map(seconds)));
    assert_eq!(config.blobs.url, BlobsUrl::File("./data/blobs".into()));
    assert_eq!(config.blobs.inline_limit, ByteSize(256 << 10));

    assert_eq!(config.keys.master, KeySource::File("./data/master.key".into()));
    let auth = &config.auth;
    assert_eq!(auth.audience, "mailagent");
    assert_eq!((auth.token_lifetime, auth.clock_skew), (seconds(8 * 3600), seconds(60)));
    assert_eq!((&auth.issuer, &auth.jwks_url, auth.local_issuer), (&None, &None, None));
    assert!(auth.takes_local_tokens());
    let claims = [&auth.tenant_claim, &auth.user_claim, &auth.scope_claim];
    assert_eq!(claims, ["tenant", "sub", "scope"]);
    let times = [auth.key_refresh_interval, auth.key_lifetime, auth.unknown_key_pause];
    assert_eq!(times, [600, 86_400, 10].map(seconds));
    assert!(auth.services.is_empty());

    let exchange = &config.exchange;
    assert_eq!((exchange.allow_http, exchange.push), (false, true));
    assert_eq!((exchange.poll_interval, exchange.max_backoff), (seconds(60), seconds(900)));
    let connect = config.network.connect_timeout;
    assert_eq!((connect, exchange.request_timeout), (seconds(10), seconds(60)));
    let (hosts, timeout) = (&exchange.autodiscover_hosts.0, exchange.autodiscover_timeout);
    assert_eq!((hosts.len(), timeout), (2, seconds(30)));
    let limits = (exchange.concurrent_mailboxes, exchange.requests_per_mailbox, exchange.fetch_batch);
    assert_eq!(limits, (32, 4, 10));
    assert_eq!(exchange.answer_memory, ByteSize(512 << 20));
    let graph = (exchange.requests_per_application, exchange.graph_requests_per_ten_minutes);
    assert_eq!(graph, (100, 10_000));
    let oauth = &config.oauth;
    assert_eq!(
        (&oauth.public_url, oauth.redirect_urls.0.len(), oauth.providers.len()),
        (&None, 0, 0)
    );
    assert_eq!((oauth.request_timeout, oauth.check_interval), (seconds(30), seconds(10)));
    assert_eq!(config.network.root_certificates_file, None);
    assert!(!config.network.allow_loopback);

    let smtp = &config.smtp;
    assert_eq!((smtp.request_timeout, smtp.delivery_timeout), (seconds(60), seconds(600)));
    assert_eq!(smtp.max_connections, 4);

    assert_eq!(config.mail.max_message_size, ByteSize(64 << 20));
    assert_eq!(
        (config.events.keep, config.events.bookmark_interval),
        (seconds(30 * 86_400), seconds(15))
    );

    let telemetry = &config.telemetry;
    assert_eq!((telemetry.log.as_str(), telemetry.log_format), ("info", LogFormat::Text));
    assert_eq!(telemetry.otlp_endpoint, None);
}

#[test]
fn default_file_is_a_file_to_start_from() {
    assert_eq!(load_all(DEFAULT_FILE, &[], &[]).unwrap(), Config::default());
    // With everything switched on that is commented out.
    let whole: String = DEFAULT_FILE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with([' ', '#']) && !setting.is_empty() => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let config = load_all(&whole, &[], &[]).unwrap();
    assert!(config.server.tls.is_some() && config.network.root_certificates_file.is_some() && config.telemetry.otlp_endpoint.is_some());
}

#[test]
fn default_file_has_every_setting_and_no_other() {
    let mut section = String::new();
    let mut found = Vec::new();
    for line in DEFAULT_FILE.lines().map(|line| line.trim_start_matches('#')) {
        if let Some(name) = line.strip_prefix("[[") {
            // The first of a list.
            section = name.replace("]]", ".0.");
        } else if let Some(name) = line.strip_prefix('[') {
            section = name.replace(']', ".");
        } else if let Some((name, _)) = line.split_once(" = ")
            && !name.contains(' ')
        {
            found.push(format!("{section}{name}"));
        }
    }
    assert_eq!(found, KEYS);
}

#[test]
fn later_layers_override_earlier_ones() {
    let file = "data = \"/from/file\"\n[server]\nlisten = \"127.0.0.1:1\"\ncall_timeout = \"1s\"\nshutdown_grace = \"1s\"";
    let variables = [
        ("MAILAGENT_SERVER__CALL_TIMEOUT", "2s"),
        ("MAILAGENT_SERVER__SHUTDOWN_GRACE", "2s"),
        ("MAILAGENT_AUTH__AUDIENCE", ""),
        ("PATH", "/bin"),
        ("MAILAGENT_CONFIG", "x.toml"),
        ("MAILAGENT_CORPUS", "/corpus"),
        ("MAILAGENT_TEST_DATABASE", "x"),
        ("MAILAGENT_SERVICE_HOST", "10.0.0.1"),
        ("MAILAGENT_PORT_50051_TCP", "tcp://10.0.0.1:50051"),
    ];
    let config = load_all(file, &variables, &[("server.shutdown_grace", "3s", "--grace")]).unwrap();
    assert_eq!(config.server.listen.port(), 1, "file over default");
    assert_eq!(config.server.call_timeout, Duration::from_secs(2), "variable over file");
    assert_eq!(config.server.shutdown_grace, Duration::from_secs(3), "flag over variable");
    assert_eq!(config.auth.audience, "mailagent", "an empty variable is none");
    assert_eq!(config.database.url, DatabaseUrl::Sqlite("/from/file/mailagent.db".into()));

    let config = load_all(file, &[("MAILAGENT_DATA", "/from/variable")], &[]).unwrap();
    assert_eq!(config.blobs.url, BlobsUrl::File("/from/variable/blobs".into()));
    for folder in ["//host/a", "what?", "a b@c"] {
        let config = load_all("", &[], &[("data", folder, "--data")]).unwrap();
        assert_eq!(config.database.url, DatabaseUrl::Sqlite(Path::new(folder).join("mailagent.db")));
    }
    let config = Config::in_folder(Path::new("/elsewhere")).unwrap();
    assert_eq!(config.database.url, DatabaseUrl::Sqlite("/elsewhere/mailagent.db".into()));
}

#[test]
fn faults_in_every_layer_are_told_at_once() {
    let file = r#"
[server]
listen = "localhost"
max_streams_per_caller = 0
cors_allowed_origins = ["loopback", "crm.example.com"]

[exchange]
poll_interval = 60
push = "yes"
fetch_batch = 2.5

[events]
keep = "30 days"
"#;
    let variables = [
        ("MAILAGENT_EVENTS__BOOKMARK_INTERVAL", "20s"),
        ("MAILAGENT_BLOBS__INLINE_LIMIT", "1MB"),
        ("MAILAGENT_TELEMETRY__LOG", "inof"),
    ];
    check_fault(
        "every_layer",
        file,
        &variables,
        &[("server.listen", "here", "--listen"), ("data", " ", "--data")],
    );
}

#[test]
fn unknown_names_are_refused_with_the_nearest_known_one() {
    let file = r#"
poll_interval = "5m"
server.tls.certificate = "x"
database = "sqlite:x.db"

[sever]
listen = "127.0.0.1:1"
call_timeout = "1s"

[exchange]
poll_intervall = "5m"
banana = 1
"#;
    let variables = [
        ("MAILAGENT_SERVER_LISTEN", "127.0.0.1:1"),
        ("MAILAGENT_EVENTS__KEPP", "1d"),
        ("MAILAGENT_DEBUG", "1"),
    ];
    check_fault("unknown_names", file, &variables, &[]);
}

#[test]
fn a_file_that_is_no_toml_is_refused_with_its_line() {
    check_fault(
        "not_toml",
        "[server]\nlisten = 127.0.0.1:50051\n",
        &[("MAILAGENT_SERVER__CALL_TIMEOUT", "soon")],
        &[],
    );
    check_fault("given_twice", "[auth]\naudience = \"a\"\naudience = \"b\"\n", &[], &[]);
}

#[test]
fn a_file_that_is_not_there_is_refused() {
    let errors = load(Some(Path::new("nowhere/mailagent.toml")), [], &[]).unwrap_err();
    let text = errors.to_string();
    assert!(
        text.starts_with("The configuration has an error:\n\n  nowhere/mailagent.toml\n    cannot be read: "),
        "{text}"
    );
}

#[test]
fn databases_that_cannot_work_are_refused_with_the_reason() {
    for (name, url) in [
        ("sqlite_memory", "sqlite::memory:"),
        ("sqlite_parameters", "sqlite:a.db?mode=ro"),
        ("sqlite_nameless", "sqlite:"),
        ("mysql", "mysql://root:hunter2@db/x"),
        ("postgres_hostless", "postgres:///x?password=hunter2"),
        ("postgres_port", "postgres://mail:hunter2@db:hunter2/x"),
    ] {
        check_fault(&format!("database_{name}"), &format!("[database]\nurl = \"{url}\""), &[], &[]);
    }
    check_fault("blobs_s3", "[blobs]\nurl = \"s3://key:hunter2@bucket\"", &[], &[]);
}

#[test]
fn master_keys_come_from_three_kinds_of_places() {
    let source = |text: &str| {
        load_all("", &[("MAILAGENT_DATA", "/d"), ("MAILAGENT_KEYS__MASTER", text)], &[])
            .unwrap()
            .keys
            .master
    };
    let words = |words: &[&str]| KeySource::Command(words.iter().map(|word| (*word).to_owned()).collect());
    assert_eq!(source("file:/etc/master.key"), KeySource::File("/etc/master.key".into()));
    assert_eq!(source("file:{data}/m"), KeySource::File("/d/m".into()));
    assert_eq!(source("env:MAIL_KEY_2"), KeySource::Env("MAIL_KEY_2".to_owned()));
    assert_eq!(
        source("env:MAILAGENT_MASTER_KEY"),
        KeySource::Env("MAILAGENT_MASTER_KEY".to_owned())
    );
    assert_eq!(source("command:/bin/vault"), words(&["/bin/vault"]));
    assert_eq!(source("command:/bin/vault  read 'a b'"), words(&["/bin/vault", "read", "'a", "b'"]));
    // It is no setting, so it is not taken for a wrong one.
    load_all("", &[("MAILAGENT_MASTER_KEY", "hunter2")], &[]).unwrap();

    for (name, value) in [
        ("bare", "hunter2hunter2"),
        ("nothing", "file:"),
        ("variable", "env:2ND-KEY"),
        ("setting", "env:MAILAGENT_KEYS__MASTER"),
        ("no_program", "command: "),
        ("program", "command:vault read -token=hunter2"),
    ] {
        check_fault(&format!("keys_{name}"), &format!("[keys]\nmaster = \"{value}\""), &[], &[]);
    }
}

#[test]
fn passwords_are_never_shown() {
    // As a fault, wherever the URL was put by mistake.
    let secret = "postgres://mail:hunter2@db/mail";
    let mistakes = [
        ("MAILAGENT_DATABASE__URL", "mysql://mail:hunter2@db/mail"),
        ("MAILAGENT_DATABASE__URL", "postgres://mail:hunter#2@db/mail"),
        ("MAILAGENT_DATABASE__URL", "mail:hunter2@db"),
        ("MAILAGENT_SERVER__LISTEN", secret),
        ("MAILAGENT_SERVER__CORS_ALLOWED_ORIGINS", secret),
        ("MAILAGENT_SERVER__CALL_TIMEOUT", secret),
        ("MAILAGENT_SERVER__MAX_MESSAGE_SIZE", secret),
        ("MAILAGENT_DATABASE__MAX_CONNECTIONS", secret),
        ("MAILAGENT_EXCHANGE__PUSH", secret),
        ("MAILAGENT_BLOBS__URL", secret),
        ("MAILAGENT_KEYS__MASTER", secret),
        ("MAILAGENT_TELEMETRY__LOG", secret),
        ("MAILAGENT_TELEMETRY__LOG_FORMAT", secret),
        ("MAILAGENT_TELEMETRY__OTLP_ENDPOINT", "http://mail:hunter2@collector"),
        ("MAILAGENT_DATABASE_URL", secret),
    ];
    for (name, value) in mistakes {
        let text = load_all("", &[(name, value)], &[]).expect_err(name);
        assert!(!text.contains("hunter") && text.contains(name), "{text}");
    }
    let file = format!("[database]\nurl = \"{secret}\nmax_connections = \"{secret}\"");
    assert!(!load_all(&file, &[], &[]).unwrap_err().contains("hunter"));

    // In a configuration that is fine.
    let url = "postgres://mail:hunter2@db:5433/mail?sslpassword=hunter2";
    let config = load_all("", &[("MAILAGENT_DATABASE__URL", url)], &[]).unwrap();
    assert!(!format!("{config:?} {}", config.database.url).contains("hunter"));
    assert_eq!(config.database.url.to_string(), "postgres://db:5433/mail");
    let DatabaseUrl::Postgres(postgres) = config.database.url else {
        panic!("not PostgreSQL")
    };
    assert_eq!(postgres.expose(), url);
}

#[test]
fn values_are_read_in_every_form() {
    let span = |text: &str| {
        load_all("", &[("MAILAGENT_EVENTS__KEEP", text)], &[])
            .map(|config| config.events.keep.as_secs())
            .ok()
    };
    for (text, seconds) in [
        ("1h30m", Some(5_400)),
        ("90m", Some(5_400)),
        ("2d", Some(172_800)),
        (" 3600s ", Some(3_600)),
        ("7200000ms", Some(7_200)),
        ("59m", None),
        ("3651d", None),
        ("99999999999999999999h", None),
        ("18446744073709551615d", None),
        ("3600", None),
        ("h", None),
        ("1.5h", None),
        ("-2h", None),
        ("2H", None),
    ] {
        assert_eq!(span(text), seconds, "{text}");
    }
    let size = |toml: &str| {
        load_all(&format!("[mail]\nmax_message_size = {toml}"), &[], &[])
            .map(|config| config.mail.max_message_size.0)
            .ok()
    };
    for (toml, bytes) in [
        ("\"64KiB\"", Some(65_536)),
        ("\"65536\"", Some(65_536)),
        ("\"65536 B\"", Some(65_536)),
        ("1_000_000", Some(1_000_000)),
        ("\"1GiB\"", Some(1 << 30)),
        ("\"2GiB\"", None),
        ("\"25MB\"", None),
        ("\"17179869184GiB\"", None),
        ("-1", None),
        ("\"\"", None),
    ] {
        assert_eq!(size(toml), bytes, "{toml}");
    }
    for (bytes, text) in [(0, "0B"), (1_500, "1500B"), (2_048, "2KiB"), (8 << 20, "8MiB"), (3 << 30, "3GiB")] {
        assert_eq!(ByteSize(bytes).to_string(), text);
    }
    for (toml, path) in [
        ("sqlite:a b.db", "a b.db"),
        ("sqlite://a.db", "a.db"),
        ("sqlite:///var/a.db", "/var/a.db"),
    ] {
        let config = load_all(&format!("database.url = \"{toml}\""), &[], &[]).unwrap();
        assert_eq!(config.database.url, DatabaseUrl::Sqlite(path.into()));
    }
}

#[test]
fn origins_are_compared_as_browsers_send_them() {
    let origins = |value: &str| {
        let config = load_all("", &[("MAILAGENT_SERVER__CORS_ALLOWED_ORIGINS", value)], &[]);
        config.unwrap().server.cors_allowed_origins
    };
    let allowed = origins("loopback,https://CRM.example.com:443,http://intranet:8080/");
    for (origin, allow) in [
        ("http://localhost:5173", true),
        ("https://127.0.0.1", true),
        ("http://[::1]:3000", true),
        ("https://crm.example.com", true),
        ("http://intranet:8080", true),
        ("http://crm.example.com", false),
        ("http://intranet", false),
        ("https://localhost.example.com", false),
        ("https://evilcrm.example.com", false),
        ("https://crm.example.com@evil.example", false),
        ("null", false),
        ("", false),
    ] {
        assert_eq!(allowed.allow(origin), allow, "{origin}");
    }
    assert!(!origins("https://crm.example.com").allow("http://localhost:5173"));
    assert!(origins("*").allow("null"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn nothing_that_is_written_anywhere_panics(file in r#"([a-z.\[\]="{}, 0-9#\n]|listen|server|url|data|keep|\PC){0,80}"#, value in ".{0,20}") {
        // A value in every variable at once; faults are told of the file and of variables, never of the defaults.
        let variables: Vec<_> = KEYS.iter().map(|key| (format!("MAILAGENT_{}", key.to_uppercase().replace('.', "__")), &*value)).collect();
        let variables: Vec<_> = variables.iter().map(|(name, value)| (&**name, *value)).collect();
        if let Err(text) = load_all(&file, &variables, &[]) {
            prop_assert!(!text.contains("defaults:"), "{}", text);
        }
    }
}
