//! Limits for anonymous callers, and malformed requests.

use std::{sync::Arc, time::Duration};

use mailagent_client::{Auth, Clients, v1};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::Code;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient, server_reflection_request::MessageRequest,
};

use super::{Harness, reason};
use crate::{config, domain::Scope};

/// The longest that something may take on a busy machine.
const LONG: Duration = Duration::from_secs(30);

async fn until_closed(stream: &mut (impl AsyncReadExt + Unpin)) {
    let mut bytes = Vec::new();
    let ended = tokio::time::timeout(LONG, stream.read_to_end(&mut bytes)).await;
    // A reset says as much as an end.
    let _ = ended.expect("the connection is closed");
}

#[tokio::test]
async fn silent_peers_are_closed_with_and_without_tls() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate_file, key_file) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&certificate_file, made.cert.pem()).unwrap();
    std::fs::write(&key_file, made.signing_key.serialize_pem()).unwrap();
    let t = Harness::with(|server| {
        server.anonymous_timeout = Duration::from_secs(2);
        server.tls = Some(config::Tls {
            certificate_file,
            key_file,
            client_ca_file: None,
            client_certificate: config::ClientCertificate::Optional,
        });
    })
    .await;
    until_closed(&mut TcpStream::connect(&t.address).await.unwrap()).await;

    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    for beginning in [&b""[..], b"PRI * HTTP/2.0\r\n", b"GET /healthz HTTP/1.1\r\nHost"] {
        let stream = TcpStream::connect(&t.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = connector.connect(name, stream).await.unwrap();
        stream.write_all(beginning).await.unwrap();
        stream.flush().await.unwrap();
        until_closed(&mut stream).await;
    }
}

#[tokio::test]
async fn known_callers_may_idle_longer_than_anonymous_ones() {
    let t = Harness::with(|server| server.anonymous_timeout = Duration::from_secs(2)).await;
    let head = |authorization: &str| {
        format!(
            "POST /mailagent.v1.SettingsService/GetTenantSettings HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc-web+proto\r\n\
             Content-Length: 5\r\n{authorization}\r\n\0\0\0\0\0"
        )
    };
    let mut anonymous = TcpStream::connect(&t.address).await.unwrap();
    anonymous.write_all(head("").as_bytes()).await.unwrap();
    until_closed(&mut anonymous).await;
    let mut clients = t.clients("acme", &[Scope::TenantAdmin]).await;
    clients.settings.get_tenant_settings(v1::GetTenantSettingsRequest {}).await.unwrap();
    until_closed(&mut TcpStream::connect(&t.address).await.unwrap()).await;
    clients.settings.get_tenant_settings(v1::GetTenantSettingsRequest {}).await.unwrap();
}

#[tokio::test]
async fn reflection_streams_end_when_nothing_is_asked() {
    let t = Harness::with(|server| server.anonymous_timeout = Duration::from_secs(2)).await;
    let (ask, asked) = tokio::sync::mpsc::channel(1);
    let question = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    ask.send(question).await.unwrap();
    let mut client = ServerReflectionClient::new(t.channel().await);
    let answers = client
        .server_reflection_info(tokio_stream::wrappers::ReceiverStream::new(asked))
        .await;
    let mut answers = answers.unwrap().into_inner();
    answers.message().await.unwrap().expect("the services");
    let end = tokio::time::timeout(LONG, answers.message()).await.expect("it ends");
    assert!(!matches!(end, Ok(Some(_))), "{end:?}");
    drop(ask);
}

#[tokio::test]
async fn slow_requests_are_served_and_endless_ones_given_up() {
    let t = Harness::with(|server| server.request_timeout = Duration::from_secs(3)).await;
    let token = t.token("acme", &[Scope::TenantAdmin]);
    let begin = async |method: &str, authorization: &str| {
        let mut stream = TcpStream::connect(&t.address).await.unwrap();
        let head = format!(
            "POST /{method} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/grpc-web+proto\r\nContent-Length: 5\r\n{authorization}\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    };
    let answer = async |mut stream: TcpStream| {
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await;
        ended.expect("it is answered").unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    };
    let mut slow = begin(
        "mailagent.v1.SettingsService/GetTenantSettings",
        &format!("Authorization: Bearer {token}\r\n"),
    )
    .await;
    for _ in 0..5 {
        slow.write_all(&[0]).await.unwrap();
        slow.flush().await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let served = answer(slow).await;
    assert!(served.contains("tenantSettings") && served.contains("grpc-status:0"), "{served}");
    let endless = async |method: &str| answer(begin(method, "").await).await;
    let (check, watch) = tokio::join!(endless("grpc.health.v1.Health/Check"), endless("grpc.health.v1.Health/Watch"));
    for refused in [check, watch] {
        assert!(refused.contains("grpc-status: 4\r\n"), "{refused}");
    }
}

#[tokio::test]
async fn anonymous_callers_may_send_little() {
    let t = Harness::new().await;
    let call = "POST /grpc.health.v1.Health/Check HTTP/1.1\r\nContent-Type: application/grpc-web+proto";
    // A message of 20,000 bytes is refused before any of it comes.
    let mut stream = TcpStream::connect(&t.address).await.unwrap();
    let head = format!("{call}\r\nHost: x\r\nConnection: close\r\nContent-Length: 20005\r\n\r\n");
    let announced = u32::to_be_bytes(20_000);
    stream.write_all(&[head.as_bytes(), &[0], &announced].concat()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains("grpc-status: 11\r\n"), "{answer}");
    let answer = t.http(call, &[0; 5]).await;
    assert!(answer.contains("grpc-status:0"), "{answer}");
    let answer = t.http("POST /graph/notifications HTTP/1.1", b"{}").await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "push is off: {answer}");
}

#[tokio::test]
async fn broken_requests_and_doubled_tokens_are_refused() {
    let t = Harness::new().await;
    let token = t.token("acme", &[Scope::TenantAdmin]);
    let call = format!(
        "POST /mailagent.v1.SettingsService/GetTenantSettings HTTP/1.1\r\nContent-Type: application/grpc-web+proto\r\nAuthorization: Bearer {token}"
    );
    // A field of the wire type 7, which there is not; and a frame that is shorter than it says.
    for body in [&[0, 0, 0, 0, 1, 0x0f][..], &[0, 0, 0, 0, 9, 1]] {
        let answer = t.http(&call, body).await;
        assert!(
            answer.contains("grpc-status: 3\r\n") && answer.contains("grpc-status-details-bin: "),
            "{answer}"
        );
    }
    let answer = t.http(&format!("{call}\r\nAuthorization: Bearer {token}"), &[0; 5]).await;
    assert!(
        answer.contains("grpc-status: 16\r\n") && answer.contains("more%20than%20one"),
        "{answer}"
    );

    let auth = Auth::new("rubbish").unwrap();
    let mut clients = Clients::new(t.channel().await, auth);
    let status = clients
        .settings
        .get_tenant_settings(v1::GetTenantSettingsRequest {})
        .await
        .unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "TOKEN_INVALID"));
}
