//! Logging in by NTLM and Negotiate with channel bindings, judged by pyspnego; requests_ntlm shows that it insists on them.

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use mailagent::testing::{
    domain::TrustedCertificate,
    net::{EndpointRules, ErrorClass, Network, NetworkConfig, ProviderError, Stage, StageKind},
    provider::{EwsConfig, EwsSource, Folder, FolderRole, MailSink, MailSource},
};

const USER: &str = "CORP\\crm";
const PASSWORD: &str = "pässword <1>";

/// A server in a process of its own. Dropped, it ends.
struct Server {
    child: Child,
    lines: Option<BufReader<std::process::ChildStdout>>,
    port: u16,
    folder: tempfile::TempDir,
    fingerprint: String,
}

/// Messages in the answer that the server gives to everybody who is logged in.
const CHANGES: usize = 4;

/// One request. How many messages the answer has.
async fn ask(source: &EwsSource) -> Result<usize, ProviderError> {
    let inbox = Folder {
        role: FolderRole::Inbox,
        id: "inbox".to_owned(),
        path: String::new(),
        total: None,
    };
    Ok(source.changes(&inbox, None).await?.upserts.len())
}

fn python() -> PathBuf {
    let python = std::env::var_os("MAILAGENT_TEST_PYTHON");
    python.map_or_else(
        || panic!("MAILAGENT_TEST_PYTHON is not set: this test needs software of others; run `make test`, which installs it"),
        PathBuf::from,
    )
}

fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers")
}

impl Server {
    fn start(scheme: &str) -> Self {
        Self::start_with(scheme, None)
    }

    /// `mode` is one of those of ntlm_server.py.
    fn start_with(scheme: &str, mode: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        let pem = folder.path().join("server.pem");
        std::fs::write(&pem, certificate.pem() + &key.serialize_pem()).unwrap();
        std::fs::write(folder.path().join("users"), format!("CORP:crm:{PASSWORD}\n")).unwrap();
        let mut child = Command::new(python())
            .arg(peers().join("ntlm_server.py"))
            .arg(&pem)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/wire/ews"))
            .arg(scheme)
            .args(mode)
            .env("NTLM_USER_FILE", folder.path().join("users"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut port = String::new();
        lines.read_line(&mut port).unwrap();
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate.der());
        Self {
            child,
            lines: Some(lines),
            port: port.trim().parse().expect("it tells its port"),
            folder,
            fingerprint: hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/EWS/Exchange.asmx", self.port)
    }

    fn source(&self, username: &str, password: &str) -> EwsSource {
        let network = Network::new(NetworkConfig {
            allow_loopback: true,
            connect_timeout: Duration::from_secs(5),
            root_certificates: Vec::new(),
            ..NetworkConfig::default()
        });
        let config = EwsConfig {
            rules: EndpointRules {
                allow_private: false,
                trusted_certificates: vec![TrustedCertificate {
                    host: "localhost".to_owned(),
                    sha256_fingerprint: self.fingerprint.clone(),
                }],
            },
            ..EwsConfig::new(network, username, password.to_owned().into())
        };
        EwsSource::new(self.url().parse().unwrap(), config).unwrap()
    }

    /// Ends it, and returns a line for each request: who made it, and whether the connection was logged in before.
    fn end(mut self) -> Vec<String> {
        drop(self.child.stdin.take());
        let mut said = String::new();
        self.lines.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(self.child.wait().unwrap().success());
        said.lines().map(str::to_owned).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Also when the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_are_bound_to_the_connection() {
    for scheme in ["NTLM", "Negotiate"] {
        let server = Server::start(scheme);
        let source = server.source(USER, PASSWORD);
        for _ in 0..3 {
            assert_eq!(ask(&source).await.unwrap(), CHANGES, "{scheme}");
        }
        let said = server.end();
        // First it is asked how to log in; then two messages on one connection, which stays logged in.
        let user = "CORP\\crm";
        let expected = [
            "- new",
            "- new",
            &format!("{user} new"),
            &format!("{user} again"),
            &format!("{user} again"),
        ];
        assert_eq!(said, expected, "{scheme}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_at_once_have_connections_of_their_own() {
    let server = Server::start("NTLM");
    let source = server.source(USER, PASSWORD);
    for _ in 0..3 {
        let all = futures::future::join_all((0..8).map(|_| ask(&source))).await;
        assert!(all.iter().all(Result::is_ok), "{all:?}");
    }
    let said = server.end();
    let logins = said.iter().filter(|line| *line == "CORP\\crm new").count();
    assert!((1..=4).contains(&logins), "{said:?}");
    assert_eq!(said.iter().filter(|line| line.starts_with("CORP")).count(), 24);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_tried_once() {
    for scheme in ["NTLM", "Negotiate"] {
        let server = Server::start(scheme);
        let error = ask(&server.source(USER, "wrong")).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::LoginRequired, "{scheme}: {error:?}");
        assert!(error.problem.contains("rejects the user name or the password"), "{}", error.problem);
        assert!(error.problem.contains("Extended Protection"), "{}", error.problem);
        assert_eq!(server.end(), ["- new", "- new", "- new"], "{scheme}");
    }
}

/// The password goes neither in the clear to a server that takes something better, nor there when it was refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_does_not_travel_where_ntlm_is_offered() {
    for password in [PASSWORD, "wrong"] {
        let server = Server::start_with("NTLM", Some("basic"));
        let good = ask(&server.source(USER, password)).await.is_ok();
        assert_eq!(good, password == PASSWORD);
        let last = if good { "CORP\\crm new" } else { "- new" };
        assert_eq!(server.end(), ["- new", "- new", last]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_through_another_certificate_are_refused_and_the_proxy_is_named() {
    let server = Server::start_with("Negotiate", Some("proxied"));
    let error = ask(&server.source(USER, PASSWORD)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::LoginRequired, "{error:?}");
    assert!(error.problem.contains("a proxy that terminates TLS"), "{}", error.problem);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_connection_is_logged_in_anew() {
    let server = Server::start_with("NTLM", Some("closing"));
    let source = server.source(USER, PASSWORD);
    for _ in 0..3 {
        ask(&source).await.unwrap();
    }
    let user = "CORP\\crm new";
    assert_eq!(server.end(), ["- new", "- new", user, "- new", user, "- new", user]);

    // Not for ever where connections do not last through a login.
    let server = Server::start_with("NTLM", Some("cutting"));
    let error = ask(&server.source(USER, PASSWORD)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Unreachable, "{error:?}");
    assert!(error.problem.contains("during login"), "{}", error.problem);
    assert_eq!(server.end(), ["- new"; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_given_up_leave_nothing_behind() {
    let server = Server::start("NTLM");
    let source = server.source(USER, PASSWORD);
    for round in 0..60 {
        let _ = tokio::time::timeout(Duration::from_micros(250 * round), ask(&source)).await;
    }
    let all = futures::future::join_all((0..8).map(|_| ask(&source))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    let said = server.end();
    assert!(said.iter().all(|line| !line.starts_with("basic")), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_shows_the_certificate_and_the_login() {
    let server = Server::start("NTLM");
    let source = server.source(USER, PASSWORD);
    let mut stages: Vec<Stage> = Vec::new();
    source.check(None, &mut |stage| stages.push(stage)).await;
    let kinds: Vec<StageKind> = stages.iter().map(|stage| stage.kind).collect();
    let all = [StageKind::Resolve, StageKind::Connect, StageKind::Tls, StageKind::Authenticate];
    assert_eq!(kinds[..4], all, "{stages:#?}");
    assert!(stages[..4].iter().all(|stage| stage.outcome.is_ok()), "{stages:#?}");
    let certificate = stages[2].outcome.as_ref().unwrap().certificate.as_ref().unwrap();
    assert!(certificate.trusted_by_fingerprint);
    assert_eq!(certificate.sha256_fingerprint, server.fingerprint);
}

/// The judge insists on channel bindings: otherwise the tests above would prove nothing.
#[test]
fn the_judge_insists_on_channel_bindings() {
    let server = Server::start("NTLM");
    let status = |bindings: &str| {
        let output = Command::new(python())
            .arg(peers().join("ntlm_client.py"))
            .arg(server.url())
            .arg(server.folder.path().join("server.pem"))
            .args([USER, PASSWORD, bindings])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!((status("with").as_str(), status("without").as_str()), ("200", "401"));
}
