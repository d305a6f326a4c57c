//! The program as it is run from a shell: help, settings, tokens, import, and how it stops.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use mailagent::testing::{demo::DemoSet, mime};
use mailagent_client::{
    connect,
    v1::{GetArchiveStatisticsRequest, StreamMessagesRequest, WatchMatchesRequest},
};
use tokio::time::timeout;
use tonic::Code;

use crate::harness::{Mail, PATIENCE, eventually, take};

/// The program, with none of the settings that the surroundings may have.
pub fn mailagent(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailagent"));
    let settings = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MAILAGENT_"));
    for (name, _) in settings {
        command.env_remove(name);
    }
    command.current_dir(folder).env("COLUMNS", "100").stdin(Stdio::null());
    command
}

/// Runs the program to its end.
pub fn run(folder: &Path, arguments: &[impl AsRef<OsStr>]) -> Output {
    mailagent(folder).args(arguments).output().expect("the program starts")
}

/// What it printed.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it is UTF-8")
}

/// Compares with a golden file; `UPDATE_EXPECT=1` takes the new text over.
pub fn expect_file(name: &str, shown: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden").join(name);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, shown).expect("the golden file can be written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(shown, expected, "{name}: UPDATE_EXPECT=1 takes the new one over");
}

#[test]
fn every_command_explains_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut shown = String::new();
    for command in [
        "",
        "serve",
        "demo",
        "token",
        "migrate",
        "keys",
        "keys rotate",
        "keys list",
        "keys prune",
        "archive",
        "archive import",
    ] {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let output = run(folder.path(), &arguments);
        assert!(output.status.success(), "{command}");
        shown += &format!("$ mailagent {}\n{}\n", arguments.join(" "), text(&output.stdout));
    }
    expect_file("help.txt", &shown);
    for wrong in [&["explode"][..], &[], &["token", "--tenant", "a b"], &["serve", "--port", "1"]] {
        let output = run(folder.path(), wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn files_that_settings_name_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
    for (name, content) in [
        ("tls.crt", made.cert.pem()),
        ("tls.key", made.signing_key.serialize_pem()),
        ("other.key", other),
        ("empty.crt", String::new()),
    ] {
        fs::write(folder.path().join(name), content).unwrap();
    }
    let check = |certificate: &str, key: &str, clients: &str, roots: &str| {
        let mut command = mailagent(folder.path());
        command.args(["serve", "--check"]);
        for (name, value) in [
            ("SERVER__TLS__CERTIFICATE_FILE", certificate),
            ("SERVER__TLS__KEY_FILE", key),
            ("SERVER__TLS__CLIENT_CA_FILE", clients),
            ("NETWORK__ROOT_CERTIFICATES_FILE", roots),
        ] {
            command.env(format!("MAILAGENT_{name}"), value);
        }
        let output = command.output().unwrap();
        format!(
            "{}\n{}{}",
            output.status.code().unwrap(),
            text(&output.stdout),
            text(&output.stderr)
        )
    };
    let shown = [
        check("tls.crt", "tls.key", "tls.crt", "tls.crt"),
        check("tls.crt", "other.key", "empty.crt", "nowhere.crt"),
        check("nowhere.crt", "tls.crt", "tls.key", ""),
    ];
    expect_file("serve_files.txt", &shown.join("\n"));
}

#[test]
fn a_local_issuer_that_is_off_makes_no_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = mailagent(folder.path());
    command.args(["token", "--tenant", "acme", "--user", "anna", "--scope", "all"]);
    command.env("MAILAGENT_AUTH__ISSUER", "https://login.example.com");
    let output = command.output().unwrap();
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(1), ""));
    let said = text(&output.stderr);
    assert!(
        said.contains("the local issuer is disabled")
            && said.contains("https://login.example.com")
            && said.contains("auth.local_issuer = true"),
        "{said}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "no key was made");
    let output = command.env("MAILAGENT_AUTH__LOCAL_ISSUER", "true").output().unwrap();
    assert!(output.status.success() && text(&output.stdout).starts_with("eyJ"), "{output:?}");
}

#[test]
fn wrong_settings_are_told_all_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = "[server]\nlisten = \"localhost\"\nlisten_on = \"x\"\n\n[exchnge]\npoll_interval = \"often\"\n\n[exchange]\npoll_interval = \"1ms\"\n";
    fs::write(folder.path().join("wrong.toml"), wrong).unwrap();
    let mut command = mailagent(folder.path());
    command.args(["serve", "--check", "--config", "wrong.toml", "--database", "mysql://x"]);
    let output = command.env("MAILAGENT_MAIL__MAX_MESSAGE_SIZE", "25 potatoes").output().unwrap();
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(2), ""));
    expect_file("serve_check.txt", &text(&output.stderr));
    let without_check = run(folder.path(), &["serve", "--config", "wrong.toml"]);
    assert_eq!(without_check.status.code(), Some(2), "the start is stopped");
    let fine = run(folder.path(), &["serve", "--check"]);
    assert_eq!(
        (fine.status.code(), text(&fine.stdout).as_str()),
        (Some(0), "The configuration is valid.\n")
    );
    let missing = run(folder.path(), &["serve", "--check", "--config", "nowhere.toml"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).contains("nowhere.toml"));
}

/// Messages read, archived, known already, and files passed over, as the import tells them.
fn counts(output: &Output) -> [u64; 4] {
    assert!(output.status.success(), "{output:?}");
    let said = text(&output.stdout);
    let number = |after: &str, before: &str| -> u64 {
        let rest = said.split(after).last().unwrap();
        let rest = if after.is_empty() { said.as_str() } else { rest };
        let words = rest.split(before).next().unwrap_or_else(|| panic!("{before}: {said}"));
        words.trim().parse().unwrap_or_else(|_| panic!("{before}: {said}"))
    };
    [
        number("", " messages read"),
        number("read, ", " archived"),
        number("), ", " already known"),
        number("known, ", " other files"),
    ]
}

#[test]
fn mail_files_are_imported_once() {
    let folder = tempfile::tempdir().unwrap();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/demo/mail");
    let mut identities = HashSet::new();
    let mut files = 0;
    for mailbox in DemoSet::load().unwrap().mailboxes {
        for (_, raw) in mailbox.inbox.iter().chain(&mailbox.sent) {
            files += 1;
            let hash = || {
                aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, raw)
                    .as_ref()
                    .try_into()
                    .unwrap()
            };
            identities.insert(mime::parse(raw).map_or_else(|_| hash(), |parsed| parsed.identity.0));
        }
    }
    let different = identities.len() as u64;
    assert!(different < files, "one of the samples repeats another");
    let import = |paths: &[&Path]| {
        let arguments = ["archive", "import", "--tenant", "acme", "--data", "data", "--quiet"].map(OsStr::new);
        let all: Vec<&OsStr> = arguments.into_iter().chain(paths.iter().map(|path| path.as_os_str())).collect();
        run(folder.path(), &all)
    };
    // The one file that is no mail is for git.
    assert_eq!(counts(&import(&[&samples])), [files, different, files - different, 1]);
    assert_eq!(counts(&import(&[&samples])), [files, 0, files, 1], "a repeat adds nothing");

    // An mbox with a quoted "From " line, a Maildir with a message known from the mbox, and what is no mail.
    let mails = [
        Mail::new("eva@oak.example", "one").body("From here on\r\n"),
        Mail::new("eva@oak.example", "two"),
    ];
    let lines = |mail: &Mail| text(&mail.bytes()).replace("\r\n", "\n").replace("\nFrom here", "\n>From here");
    let mbox: String = mails
        .iter()
        .map(|mail| format!("From eva@oak.example Mon Nov 23 09:00:00 2026\n{}\n", lines(mail)))
        .collect();
    fs::write(folder.path().join("old.mbox"), mbox).unwrap();
    let maildir = folder.path().join("maildir");
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(maildir.join(part)).unwrap();
    }
    fs::write(maildir.join("cur/1.host:2,S"), Mail::new("eva@oak.example", "three").bytes()).unwrap();
    fs::write(maildir.join("new/2.host"), mails[1].bytes()).unwrap();
    fs::write(maildir.join("tmp/3.host"), Mail::new("eva@oak.example", "not delivered").bytes()).unwrap();
    let mbox = folder.path().join("old.mbox");
    assert_eq!(counts(&import(&[&mbox, &maildir]))[..3], [4, 3, 1]);
    assert_eq!(counts(&import(&[&mbox, &maildir]))[..3], [4, 0, 4]);

    // What is named and passed over is a failure; what lies in a folder is only reported.
    fs::write(folder.path().join("outlook.msg"), b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1").unwrap();
    fs::write(maildir.join("._x"), b"\0\x05\x16\x07").unwrap();
    let passed_over = import(&[&folder.path().join("outlook.msg"), &maildir]);
    assert_eq!(passed_over.status.code(), Some(1));
    let said = text(&passed_over.stdout);
    for words in [
        "outlook.msg: Outlook's own format (.msg); convert it",
        "._x: a file of the operating system",
        "tmp/3.host: it is still",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }

    let missing = import(&[Path::new("nowhere")]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("nowhere"), "{missing:?}");
}

/// The running program; killed when dropped.
struct Service {
    child: Child,
    url: String,
}

impl Service {
    /// Starts the service and waits until it listens.
    async fn start(folder: &Path) -> Self {
        let mut command = mailagent(folder);
        command.args(["serve", "--data", "data", "--listen", "127.0.0.1:0"]);
        command.env("MAILAGENT_TELEMETRY__LOG_FORMAT", "json");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
        // Read to the end, so that the service never waits for somebody to read its log.
        let follow = |pipe: Box<dyn std::io::Read + Send>| {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        };
        follow(Box::new(child.stdout.take().expect("it is piped")));
        follow(Box::new(child.stderr.take().expect("it is piped")));
        drop(sender);
        let mut service = Self { child, url: String::new() };
        let ready = async {
            let mut said = Vec::new();
            while let Some(line) = lines.recv().await {
                let entry: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
                let field = |name: &str| {
                    entry
                        .get(name)
                        .or_else(|| entry.get("fields")?.get(name))?
                        .as_str()
                        .map(str::to_owned)
                };
                if field("message").as_deref() == Some("ready") {
                    return format!("http://{}", field("address").expect("it tells where it listens"));
                }
                said.push(line);
            }
            panic!("the service ended: {said:#?}");
        };
        service.url = timeout(PATIENCE, ready).await.expect("it gets ready");
        service
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status();
        assert!(sent.expect("there is a kill").success());
    }

    async fn ended(&mut self, within: Duration) -> ExitStatus {
        eventually(within, "the program has ended", async || {
            let ended = self.child.try_wait().expect("it can be waited for");
            ended.ok_or("it runs")
        })
        .await
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // An error says that it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_stops_it_within_the_grace_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = Service::start(folder.path()).await;
    let url = service.url.clone();
    let arguments = [
        "token",
        "--data",
        "data",
        "--tenant",
        "acme",
        "--user",
        "anna",
        "--scope",
        "sweep.read",
        "archive.read",
    ];
    let output = run(folder.path(), &arguments);
    assert!(output.status.success(), "{output:?}");
    let mut client = connect(&url, text(&output.stdout).trim()).await.unwrap();
    let refused = client
        .agents
        .list_agents(mailagent_client::v1::ListAgentsRequest::default())
        .await
        .unwrap_err();
    assert_eq!(
        refused.code(),
        Code::PermissionDenied,
        "the token has the scopes that were asked for"
    );
    client.archive.get_archive_statistics(GetArchiveStatisticsRequest {}).await.unwrap();
    let mut matches = client
        .sweep
        .watch_matches(WatchMatchesRequest::default())
        .await
        .unwrap()
        .into_inner();
    let mut messages = client
        .archive
        .stream_messages(StreamMessagesRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert!(take(&mut matches).await.unwrap().is_ok() && take(&mut messages).await.unwrap().is_ok());
    // A connection that says nothing must not hold it.
    let _silent = tokio::net::TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();

    service.signal("-TERM");
    let mut ends = Vec::new();
    while let Some(item) = take(&mut matches).await {
        ends.extend(item.err());
    }
    while let Some(item) = take(&mut messages).await {
        ends.extend(item.err());
    }
    assert_eq!(ends.iter().map(tonic::Status::code).collect::<Vec<_>>(), [Code::Unavailable; 2]);
    // The default grace time is 10 s.
    assert_eq!(service.ended(Duration::from_secs(11)).await.code(), Some(0));
    // Nothing is left that keeps it from starting again.
    let again = Service::start(folder.path()).await;
    connect(&again.url, "").await.unwrap();
}
