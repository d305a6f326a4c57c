//! Independent clients judge the simulated Exchange server and the simulated identity platform, so that they do not merely agree with our
//! own clients.
//!
//! They live in `tests/peers` and need a Python environment and a folder of Node modules; `make test` sets both up.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use mailagent::testing::domain::Timestamp;
use mailagent_sim::{
    MimeMode,
    entra::{Entra, TokenHolder},
    exchange::{Autodiscover, Exchange, FolderKind},
};
use tokio::{net::TcpListener, task::JoinHandle};

/// Messages in the inbox: more than two pages of the clients.
const MESSAGES: i64 = 23;

const PASSWORD: &str = "secret & <more>";
/// Good for all that anna may do over Graph.
const TOKEN: &str = "eyAccess.anna";

fn annas() -> TokenHolder {
    let scopes = [
        "Mail.ReadWrite",
        "Mail.ReadWrite.Shared",
        "Mail.Send",
        "Calendars.Read",
        "User.Read",
    ];
    TokenHolder {
        account: Some("anna".to_owned()),
        scopes: scopes.map(str::to_owned).to_vec(),
        application: false,
        directory: "directory".to_owned(),
    }
}

/// Somebody who wants to be told of changes over Graph, as far as subscribing takes that.
struct Hook {
    url: String,
    serving: JoinHandle<()>,
}

impl Hook {
    async fn start() -> Self {
        async fn validate(uri: http::Uri) -> String {
            let query = uri.query().unwrap_or_default();
            let token = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "validationToken");
            token.map(|(_, token)| token.into_owned()).unwrap_or_default()
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}/hook", listener.local_addr().expect("it has an address"));
        let serving = tokio::spawn(async move {
            // It ends when it is aborted.
            let _ = axum::serve(listener, axum::Router::new().fallback(validate)).await;
        });
        Self { url, serving }
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Value of a variable that says where a peer is installed.
fn needed(variable: &str) -> OsString {
    std::env::var_os(variable)
        .unwrap_or_else(|| panic!("{variable} is not set: this test needs software of others; run `make test`, which installs it"))
}

fn peers() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/peers")
}

/// SHA-256 in hexadecimal.
fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut hex = String::new();
    for byte in aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref() {
        write!(hex, "{byte:02x}").unwrap();
    }
    hex
}

/// Starts a server with mail in it and lets a peer judge it in both ways of giving out MIME. The peer is told where the server is and how
/// to log in; what else it needs follows. It sends so many messages.
async fn judge(sends: usize, peer: impl Fn(&Exchange) -> Command) {
    for mode in [MimeMode::KeepBytes, MimeMode::Rebuild] {
        let exchange = Exchange::builder()
            .mode(mode)
            .seed(1)
            .heartbeat(Duration::from_secs(1))
            .minute(Duration::from_secs(20))
            .tokens(Arc::new(|token| (token == TOKEN).then(annas)))
            .start()
            .await
            .unwrap();
        exchange.add_mailbox("anna@example.com", "anna", PASSWORD);
        exchange.grant("anna", "office@example.com");
        exchange.add_maintenance_account("service", PASSWORD);
        let mut manifest = Vec::new();
        for n in 0..MESSAGES {
            let raw = format!(
                "From: Customer {n} <c{n}@example.org>\r\nTo: anna@example.com\r\nSubject: =?iso-8859-1?Q?Gr=FC=DFe?= CS-{n:07}\r\n\
                 Message-ID: <{n}@example.org>\r\nDate: Mon, 23 Nov 2026 10:00:{n:02} +0000\r\nX-Number: {n}\r\n\r\nHello number {n} \u{1}\r\n"
            );
            let sha256 = if mode == MimeMode::KeepBytes {
                digest(raw.as_bytes())
            } else {
                String::new()
            };
            manifest.push(serde_json::json!({ "message_id": format!("<{n}@example.org>"), "sha256": sha256 }));
            exchange.deliver(
                "anna@example.com",
                FolderKind::Inbox,
                raw.into_bytes(),
                Timestamp::from_seconds(1_795_000_000 + n),
            );
        }
        // Newest first.
        manifest.reverse();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.json");
        std::fs::write(&path, serde_json::to_vec(&manifest).unwrap()).unwrap();

        let hook = Hook::start().await;
        let mut command = peer(&exchange);
        command.args(["anna@example.com", "office@example.com"]).arg(&path).arg(&hook.url);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let said = format!(
            "{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        println!("{mode:?}\n{said}");
        assert!(output.status.success(), "{mode:?}: {}\n{said}", output.status);
        assert_eq!(exchange.sent_messages().len(), sends, "what the peer sent");
        exchange.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openid_client_is_content_with_the_identity_platform() {
    let entra = Entra::builder().start().await.unwrap();
    let (directory, account, back) = (
        "11111111-2222-3333-4444-555555555555",
        "anna@example.com",
        "http://127.0.0.1:9/callback",
    );
    entra.add_directory(directory, &["example.com"]);
    entra.add_user(account);
    entra.add_user("<bert & co>@example.com");
    entra.add_app("crm-app", "secret & <more>", &[back]);
    entra.consent("crm-app", directory);
    let told = serde_json::json!({
        "authority": entra.authority(), "directory": directory, "client": "crm-app", "secret": "secret & <more>", "redirectUrl": back,
        "account": account,
    });
    let mut command = Command::new("node");
    command.arg(peers().join("entra_check.mjs")).arg(told.to_string());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{}\n{said}", output.status);
    entra.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exchangelib_is_content() {
    let python = needed("MAILAGENT_TEST_PYTHON");
    judge(2, |exchange| {
        let mut command = Command::new(&python);
        command.arg(peers().join("exchangelib_check.py"));
        command.arg(exchange.endpoint().as_str()).args(["anna", PASSWORD]);
        command
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exchangelib_finds_ews_by_autodiscover() {
    let python = PathBuf::from(needed("MAILAGENT_TEST_PYTHON"));
    // Beside the environment's programs: the version that speaks POX.
    let older = python.parent().and_then(Path::parent).map(|environment| environment.join("older"));
    let older = older
        .filter(|folder| folder.exists())
        .expect("the older version is installed: run `make test`");
    let made = rcgen::generate_simple_self_signed(["example.com", "*.example.com", "*.old.example"].map(str::to_owned)).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let server = async |pox: Autodiscover| {
        let acceptor = acceptor.clone();
        let exchange = Exchange::builder().tls(move |tcp| acceptor.accept(tcp)).start().await.unwrap();
        exchange.add_mailbox("anna@example.com", "anna", PASSWORD);
        exchange.autodiscover(Autodiscover::Off, pox);
        let port = exchange.endpoint().port().unwrap();
        (exchange, port)
    };
    let (endpoint, there) = (
        "https://mail.example.com/EWS/Exchange.asmx",
        "https://mail.example.com/autodiscover/autodiscover.xml",
    );
    let (company, names) = server(Autodiscover::Names(endpoint.parse().unwrap())).await;
    for address in ["anna@a.old.example", "anna@c.old.example", "anna@d.old.example"] {
        company.grant("anna", address);
    }
    // Not by the answer redirectUrl, whose content this client looks for under another name than [MS-OXDSCLI] gives it.
    let (_onward, onward) = server(Autodiscover::Redirect(there.to_owned())).await;
    let (_other, other) = server(Autodiscover::RedirectAddress("anna@example.com".to_owned())).await;
    let plain = Exchange::builder().start().await.unwrap();
    plain.autodiscover(Autodiscover::Off, Autodiscover::Redirect(there.to_owned()));
    let roots = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(roots.path(), made.cert.pem()).unwrap();
    let case = |address: &str, endpoint: &str| serde_json::json!({ "address": address, "endpoint": endpoint });
    let told = serde_json::json!({
        "ports": {
            "example.com:443": names,
            "mail.example.com:443": names,
            "a.old.example:443": onward,
            "b.old.example:443": other,
            "autodiscover.c.old.example:80": plain.endpoint().port(),
        },
        "services": { "_autodiscover._tcp.d.old.example": "mail.example.com" },
        "roots": roots.path(), "login": "anna", "password": PASSWORD,
        "cases": [
            case("anna@example.com", endpoint),
            case("nobody@example.com", ""),
            case("anna@a.old.example", endpoint),
            case("anna@b.old.example", endpoint),
            case("anna@c.old.example", endpoint),
            case("anna@d.old.example", endpoint),
            case("anna@nowhere.old.example", ""),
        ],
    });
    let mut command = Command::new(python);
    command
        .arg(peers().join("autodiscover_check.py"))
        .arg(told.to_string())
        .env("PYTHONPATH", older);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    println!("{said}");
    assert!(output.status.success(), "{}\n{said}", output.status);
}

#[tokio::test(flavor = "multi_thread")]
async fn ews_javascript_api_is_content() {
    let modules = peers().join("node_modules");
    assert!(
        modules.exists(),
        "the client is not installed in {}: run `make test`",
        modules.display()
    );
    judge(2, |exchange| {
        let mut command = Command::new("node");
        command.arg(peers().join("ews_javascript_check.mjs"));
        command.arg(exchange.endpoint().as_str()).args(["anna", PASSWORD]);
        command
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn microsofts_python_client_is_content_with_graph() {
    let python = needed("MAILAGENT_TEST_PYTHON");
    judge(3, |exchange| {
        let mut command = Command::new(&python);
        command.arg(peers().join("graph_check.py"));
        command.arg(exchange.graph().as_str()).arg(TOKEN);
        command
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn microsofts_javascript_client_is_content_with_graph() {
    judge(3, |exchange| {
        let mut command = Command::new("node");
        command.arg(peers().join("graph_check.mjs"));
        command.arg(exchange.graph().as_str()).arg(TOKEN);
        command
    })
    .await;
}
