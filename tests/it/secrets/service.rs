//! The real program with a collector of its traces, a platform to log in at, and mailbox servers that repeat what they were told.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::Uri};
use base64::{Engine, engine::general_purpose::STANDARD};
use mailagent_sim::entra::Entra;
use tokio::task::JoinHandle;

use super::{evidence::Evidence, plant::Planted};
use crate::{
    cli::mailagent,
    harness::{PATIENCE, eventually, http1},
};

/// Settings of a service, as `section.key` and value.
pub type Settings = Vec<(&'static str, String)>;

/// The program with these settings in its environment.
pub fn program(folder: &Path, settings: &Settings) -> Command {
    let mut command = mailagent(folder);
    for (key, value) in settings {
        command.env(format!("MAILAGENT_{}", key.to_uppercase().replace('.', "__")), value);
    }
    command
}

/// A running service. Dropped, it is killed, also when the test panics.
pub struct Service {
    child: Child,
    readers: Vec<std::thread::JoinHandle<()>>,
    said: Arc<Mutex<Vec<u8>>>,
}

impl Service {
    /// Starts the service and waits until it takes connections.
    pub async fn start(folder: &Path, settings: &Settings, address: SocketAddr) -> Self {
        let mut command = program(folder, settings);
        command.arg("serve").stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let said: Arc<Mutex<Vec<u8>>> = Arc::default();
        let follow = |mut pipe: Box<dyn std::io::Read + Send>| {
            let said = said.clone();
            std::thread::spawn(move || {
                let mut buffer = vec![0; 64 * 1024];
                while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                    said.lock().expect("nobody panics with it").extend_from_slice(&buffer[..count]);
                }
            })
        };
        let readers = vec![
            follow(Box::new(child.stdout.take().expect("it is piped"))),
            follow(Box::new(child.stderr.take().expect("it is piped"))),
        ];
        let mut service = Self { child, readers, said };
        // It listens before it has read its keys, and answers when all is there.
        let answered = eventually(PATIENCE, "the service answers", async || {
            let ended = service.child.try_wait().expect("it can be asked");
            let answer = http1().get(format!("http://{address}/readyz")).send().await;
            match (ended, answer) {
                (Some(ended), _) => Ok(Err(ended)),
                (None, Ok(answer)) if answer.status() == 200 => Ok(Ok(())),
                (None, answer) => Err(format!("{answer:?}")),
            }
        })
        .await;
        assert!(answered.is_ok(), "it does not start: {answered:?}\n{}", service.log());
        service
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&self.said.lock().expect("nobody panics with it")).into_owned()
    }

    /// Ends it by SIGTERM, which must go well. All that it said is evidence.
    pub fn stop(mut self, evidence: &Evidence, label: &str) {
        let sent = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        assert!(sent.expect("kill runs").success());
        let ended = self.child.wait().expect("it can be waited for");
        for reader in self.readers.drain(..) {
            reader.join().expect("it reads to the end");
        }
        evidence.add("log", label, std::mem::take(&mut *self.said.lock().expect("nobody panics with it")));
        assert_eq!(ended.code(), Some(0), "the service ended badly");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // An error says that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Takes traces and metrics, as evidence.
pub struct Collector {
    pub url: String,
    serving: JoinHandle<()>,
}

impl Collector {
    pub async fn start(evidence: &Arc<Evidence>) -> Self {
        // What a collector answers that took everything is an empty message.
        async fn export(
            State(evidence): State<Arc<Evidence>>,
            uri: Uri,
            body: Bytes,
        ) -> ([(&'static str, &'static str); 1], axum::body::Body) {
            let channel = if uri.path().contains(".trace.") { "traces" } else { "metrics" };
            evidence.add(channel, uri.path(), body);
            ([("content-type", "application/grpc")], axum::body::Body::from(vec![0; 5]))
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it has an address"));
        let app = Router::new().fallback(export).with_state(evidence.clone());
        let serving = tokio::spawn(async move {
            // It ends when it is aborted.
            let _ = axum::serve(listener, app).await;
        });
        Self { url, serving }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Where people log in to their mailboxes. Access tokens last two seconds, so that there are many.
pub struct Platform {
    pub entra: Entra,
    /// What the service proves itself by.
    pub secret: String,
}

impl Platform {
    /// This service at the platform.
    const APP: &str = "crm";
    /// A page of the CRM.
    pub const FRONT_END: &str = "https://crm.example.com/callback";

    pub async fn start(planted: &Planted) -> Self {
        let entra = Entra::builder()
            .token_lifetime(Duration::from_secs(2))
            .start()
            .await
            .expect("a port is free");
        entra.add_directory("11111111-2222-3333-4444-555555555555", &["example.com"]);
        Self {
            entra,
            secret: planted.secret("client secret"),
        }
    }

    /// What the service is told of it.
    pub fn settings(&self) -> Settings {
        vec![
            ("oauth.redirect_urls", Self::FRONT_END.to_owned()),
            ("oauth.check_interval", "200ms".to_owned()),
            ("oauth.providers.0.name", "contoso".to_owned()),
            ("oauth.providers.0.preset", "microsoft".to_owned()),
            ("oauth.providers.0.client_id", Self::APP.to_owned()),
            ("oauth.providers.0.client_secret", self.secret.clone()),
            ("oauth.providers.0.authority", self.entra.authority().into()),
            ("oauth.providers.0.graph_url", self.entra.graph().into()),
            ("oauth.providers.0.hosts", "127.0.0.1".to_owned()),
        ]
    }

    /// Makes the service at this address known, and somebody who may log in.
    pub fn serve(&self, address: SocketAddr, account: &str) {
        let callback = format!("http://{address}/oauth/callback");
        self.entra.add_app(Self::APP, &self.secret, &[&callback, Self::FRONT_END]);
        self.entra.add_user(account);
    }
}

/// Servers that refuse every login and repeat it in all their words, as careless and malicious ones do.
pub struct EchoServers {
    /// Where one speaks EWS.
    pub url: String,
    /// Where one speaks SMTP.
    pub smtp: SocketAddr,
    serving: Vec<JoinHandle<()>>,
}

impl EchoServers {
    pub async fn start() -> Self {
        use axum::{
            extract::Request,
            http::StatusCode,
            response::{IntoResponse, Response},
        };
        async fn refuse(request: Request) -> Response {
            let given = request
                .headers()
                .get("authorization")
                .map_or("", |value| value.to_str().unwrap_or_default());
            let decoded = given
                .strip_prefix("Basic ")
                .and_then(|text| STANDARD.decode(text).ok())
                .unwrap_or_default();
            let decoded = String::from_utf8_lossy(&decoded).into_owned();
            let password = decoded.split_once(':').map_or("", |(_, password)| password);
            let fault = format!("{given} {decoded} {password}").replace('&', "&amp;").replace('<', "&lt;");
            let body = format!(
                "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault><faultcode>s:Server</faultcode>\
                 <faultstring>{fault}</faultstring></s:Fault></s:Body></s:Envelope>"
            );
            let mut response = (
                StatusCode::INTERNAL_SERVER_ERROR,
                [("content-type", "text/xml; charset=utf-8")],
                body,
            )
                .into_response();
            if let Ok(value) = given.parse() {
                response.headers_mut().insert("x-diagnostics", value);
            }
            response
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}/EWS/Exchange.asmx", listener.local_addr().expect("it has an address"));
        let ews = tokio::spawn(async move {
            // It ends when it is aborted.
            let _ = axum::serve(listener, Router::new().fallback(refuse)).await;
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let smtp = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that goes away ends it.
                tokio::spawn(async move { drop(refuse_smtp(stream).await) });
            }
        });
        Self {
            url,
            smtp: address,
            serving: vec![ews, smtp],
        }
    }
}

/// Speaks SMTP (RFC 5321) as far as a login, which it repeats.
async fn refuse_smtp(mut stream: tokio::net::TcpStream) -> std::io::Result<()> {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    let (reader, mut writer) = stream.split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"220 echo.example ESMTP\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let answer = match line.split(' ').next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "EHLO" => "250-echo.example\r\n250 AUTH PLAIN LOGIN XOAUTH2\r\n".to_owned(),
            "QUIT" => return writer.write_all(b"221 bye\r\n").await,
            _ => {
                let given = line.rsplit(' ').next().unwrap_or_default();
                let decoded = STANDARD.decode(given).unwrap_or_default();
                let decoded = String::from_utf8_lossy(&decoded).replace('\0', " ");
                format!("535-5.7.8 no login by {line}\r\n535 5.7.8 nor by {decoded}\r\n")
            }
        };
        writer.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

impl Drop for EchoServers {
    fn drop(&mut self) {
        self.serving.iter().for_each(JoinHandle::abort);
    }
}
