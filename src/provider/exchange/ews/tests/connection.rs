//! Connections that fail, and TLS.

use std::{sync::Arc, time::Duration};

use rustls::pki_types::CertificateDer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use url::Url;

use super::{Server, check, endpoint, file, network, source};
use crate::{net::ErrorClass, provider::exchange::ews::EwsConfig};

#[tokio::test]
async fn a_broken_connection_is_put_into_words() {
    for (answer, words) in [
        (
            &b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 500\r\n\r\n<s:Envelope"[..],
            "closed the connection unexpectedly",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n<s:Envelope",
            "closed the connection unexpectedly",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\noops",
            "damaged compressed response",
        ),
        (b"", "without a response"),
        (b"220 mail.corp.test ESMTP\r\n", "does not speak HTTP"),
    ] {
        let server = Server::raw(answer).await;
        let error = server.source().inbox().await.unwrap_err();
        check(&error, ErrorClass::Unreachable, words);
        assert!(error.source.is_some());
    }
}

#[tokio::test]
async fn a_closed_port_and_an_unknown_name_are_put_into_words() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let error = source(endpoint("http", port), |_| {}).inbox().await.unwrap_err();
    check(&error, ErrorClass::Unreachable, "nothing listens on that port");
    // A label over 63 bytes is no name, so that nobody is asked about it.
    let name = "a".repeat(64) + ".invalid";
    let url = Url::parse(&format!("http://{name}/EWS/Exchange.asmx")).unwrap();
    let error = source(url, |_| {}).inbox().await.unwrap_err();
    check(&error, ErrorClass::Unreachable, &format!("name {name} cannot be resolved"));
}

#[tokio::test]
async fn a_silent_server_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let hasty = |config: &mut EwsConfig| {
        config.timeouts.request = Duration::from_millis(150);
        config.network = network(vec![certificate("127.0.0.1").0], Duration::from_millis(150));
    };
    let error = source(endpoint("http", port), hasty).inbox().await.unwrap_err();
    check(&error, ErrorClass::Unreachable, "did not finish its response in time");
    let error = source(endpoint("https", port), hasty).inbox().await.unwrap_err();
    check(&error, ErrorClass::Unreachable, "did not");
}

/// A self-signed certificate for this name, for the client, and its key with it for a server.
pub(super) fn certificate(name: &str) -> (CertificateDer<'static>, Arc<rustls::ServerConfig>) {
    certificate_with(name, |_| {})
}

pub(super) fn certificate_with(
    name: &str,
    change: impl FnOnce(&mut rcgen::CertificateParams),
) -> (CertificateDer<'static>, Arc<rustls::ServerConfig>) {
    let mut parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    change(&mut parameters);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    let server = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.serialize_der().try_into().unwrap())
        .unwrap();
    (certificate.der().clone(), Arc::new(server))
}

/// A server behind TLS that returns its folders.
pub(super) async fn tls_server(config: Arc<rustls::ServerConfig>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = endpoint("https", listener.local_addr().unwrap().port());
    let task = tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            // A client that does not trust the certificate leaves here.
            if let Ok(mut socket) = tokio_rustls::TlsAcceptor::from(config.clone()).accept(socket).await {
                let mut request = [0; 16_384];
                let _ = socket.read(&mut request).await;
                let body = file("inbox");
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                socket.write_all((head + &body).as_bytes()).await.unwrap();
                let _ = socket.shutdown().await;
            }
        }
    });
    Server {
        url,
        calls: Arc::default(),
        task,
    }
}

#[tokio::test]
async fn certificates_are_checked_and_their_faults_told_apart() {
    let (own, config) = certificate("127.0.0.1");
    let server = tls_server(config).await;
    // Some root is given each time, so that this works where the system has none.
    let trusting = |root| move |config: &mut EwsConfig| config.network = network(vec![root], Duration::from_secs(5));
    let error = source(server.url.clone(), trusting(certificate("else").0))
        .inbox()
        .await
        .unwrap_err();
    check(
        &error,
        ErrorClass::Unreachable,
        "issuer that is not trusted here, or it is self-signed",
    );
    let folders = source(server.url.clone(), trusting(own)).inbox().await.unwrap();
    assert_eq!(folders.total, Some(1234));

    let (other, config) = certificate("mail.corp.test");
    let server = tls_server(config).await;
    let error = source(server.url.clone(), trusting(other)).inbox().await.unwrap_err();
    check(&error, ErrorClass::Unreachable, "another name");

    let (authority, config) = certificate_with("127.0.0.1", |parameters| {
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    });
    let server = tls_server(config).await;
    let error = source(server.url.clone(), trusting(authority)).inbox().await.unwrap_err();
    check(&error, ErrorClass::Unreachable, "self-signed");

    let (old, config) = certificate_with("127.0.0.1", |parameters| parameters.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let server = tls_server(config).await;
    let error = source(server.url.clone(), trusting(old)).inbox().await.unwrap_err();
    check(&error, ErrorClass::Unreachable, "expired");
}

#[tokio::test]
async fn tls_and_plain_ports_are_not_mixed_up() {
    let plain = Server::raw(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    let (root, config) = certificate("127.0.0.1");
    let url = endpoint("https", plain.url.port().unwrap());
    let error = source(url, |config| config.network = network(vec![root], Duration::from_secs(5)))
        .inbox()
        .await
        .unwrap_err();
    check(&error, ErrorClass::Unreachable, "does not speak TLS on this port");

    let secure = tls_server(config).await;
    let error = source(endpoint("http", secure.url.port().unwrap()), |_| {})
        .inbox()
        .await
        .unwrap_err();
    check(&error, ErrorClass::Unreachable, "whether it requires TLS");
}
