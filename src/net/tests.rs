//! Connections to real sockets on this machine, and names that mean what a test wants. Servers that mean no good are in `hostile`.

mod hostile;

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use rustls::pki_types::CertificateDer;
use tokio::{io::AsyncWriteExt, net::TcpListener};

use super::*;
use crate::{domain::TrustedCertificate, net::Stage};

/// A name service that gives one answer after another; the last one stays.
struct Scripted(Mutex<VecDeque<Vec<&'static str>>>);

#[async_trait]
impl Names for Scripted {
    async fn look_up(&self, _: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 {
            answers.pop_front().unwrap()
        } else {
            answers[0].clone()
        };
        Ok(answer.into_iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).collect())
    }

    async fn services(&self, _: &str) -> io::Result<Vec<Service>> {
        Ok(Vec::new())
    }
}

fn scripted(allow_loopback: bool, answers: &[&[&'static str]]) -> Network {
    let answers = answers.iter().map(|answer| answer.to_vec()).collect();
    Network::with_names(config(allow_loopback, Vec::new()), Arc::new(Scripted(Mutex::new(answers))))
}

fn config(allow_loopback: bool, root_certificates: Vec<CertificateDer<'static>>) -> NetworkConfig {
    NetworkConfig {
        allow_loopback,
        connect_timeout: Duration::from_millis(500),
        root_certificates,
        ..NetworkConfig::default()
    }
}

fn trusting(root: CertificateDer<'static>) -> Network {
    Network::new(config(true, vec![root]))
}

fn check(error: &ProviderError, class: ErrorClass, words: &str) {
    assert!(error.class == class && error.problem.contains(words), "{error:?}");
}

/// A certificate that is its own authority, and a server that shows it.
async fn server(name: &str, change: impl FnOnce(&mut rcgen::CertificateParams)) -> (CertificateDer<'static>, u16) {
    let mut parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    change(&mut parameters);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    let config = server_config()
        .with_single_cert(vec![certificate.der().clone()], key.serialize_der().try_into().unwrap())
        .unwrap();
    (certificate.der().clone(), serve(config).await)
}

fn server_config() -> rustls::ConfigBuilder<rustls::ServerConfig, rustls::server::WantsServerCert> {
    rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
}

/// A server that answers every connection with `hello`, over HTTP.
async fn serve(config: rustls::ServerConfig) -> u16 {
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            // A client that does not believe the certificate leaves here.
            if let Ok(mut stream) = acceptor.accept(socket).await {
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
                    .await;
                let _ = stream.shutdown().await;
            }
        }
    });
    port
}

async fn probe(network: &Network, host: &str, port: u16, rules: &EndpointRules) -> Vec<Stage> {
    let mut stages = Vec::new();
    let destination = Destination { host, port, tls: true };
    let good = network.probe(destination, rules, &mut |stage| stages.push(stage)).await;
    assert_eq!(good, stages.iter().all(|stage| stage.outcome.is_ok()));
    stages
}

fn failed(stages: Vec<Stage>) -> (StageKind, ProviderError) {
    let last = stages.into_iter().next_back().unwrap();
    (last.kind, last.outcome.unwrap_err())
}

#[tokio::test]
async fn only_judged_addresses_are_dialled() {
    let rules = EndpointRules::default();
    let network = scripted(false, &[&["169.254.169.254", "10.0.0.1", "8.8.8.8", "127.0.0.1"]]);
    let found = network.resolve("mail.example.com", 443, &rules).await.unwrap();
    assert_eq!(found, ["8.8.8.8:443".parse().unwrap()], "the public one of several");
    let private = EndpointRules {
        allow_private: true,
        ..EndpointRules::default()
    };
    assert_eq!(network.resolve("mail.example.com", 443, &private).await.unwrap().len(), 2);

    let inside = scripted(false, &[&["10.0.0.1"]]);
    let error = inside.resolve("mail.example.com", 443, &rules).await.unwrap_err();
    check(&error, ErrorClass::Refused, "its address 10.0.0.1 is in a private network");
    check(&error, ErrorClass::Refused, "allow_private_networks");
    for (host, words) in [
        ("127.1", "is this machine itself"),
        ("0x7f000001", "is this machine itself"),
        ("169.254.169.254", "link-local"),
        ("[::ffff:10.0.0.1]", "private network"),
    ] {
        check(&network.judge_host(host, &rules).unwrap_err(), ErrorClass::Refused, words);
        check(&network.resolve(host, 443, &rules).await.unwrap_err(), ErrorClass::Refused, words);
    }
    network.judge_host("mail.example.com", &rules).unwrap();
    let nowhere = scripted(false, &[&[]]);
    check(
        &nowhere.resolve("mail.example.com", 443, &rules).await.unwrap_err(),
        ErrorClass::Unreachable,
        "cannot be resolved",
    );
}

#[tokio::test]
async fn a_name_that_changes_its_meaning_gains_nothing() {
    let rules = EndpointRules::default();
    let secret = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = secret.local_addr().unwrap().port();
    // Public when it is judged, this machine a moment later.
    let network = scripted(false, &[&["192.88.98.1"], &["127.0.0.1"]]);
    let judged = network.resolve("rebind.example.com", port, &rules).await.unwrap();
    assert_eq!(judged, [SocketAddr::new("192.88.98.1".parse().unwrap(), port)]);
    // What the HTTP client asks for by itself is judged as well.
    let client = network
        .http("rebind.example.com", Encryption::None, &rules)
        .unwrap()
        .build()
        .unwrap();
    let error = client.get(format!("http://rebind.example.com:{port}/")).send().await.unwrap_err();
    let error = Network::fault("rebind.example.com", error);
    check(&error, ErrorClass::Refused, "its address 127.0.0.1 is this machine itself");
    let reached = timeout(Duration::from_millis(50), secret.accept()).await;
    assert!(reached.is_err(), "nobody came");
}

#[tokio::test]
async fn good_connections_are_told_stage_by_stage() {
    let (root, port) = server("localhost", |_| {}).await;
    let network = trusting(root.clone());
    let stages = probe(&network, "localhost", port, &EndpointRules::default()).await;
    let kinds: Vec<StageKind> = stages.iter().map(|stage| stage.kind).collect();
    assert_eq!(kinds, [StageKind::Resolve, StageKind::Connect, StageKind::Tls]);
    let facts = stages[2].outcome.as_ref().unwrap().certificate.as_ref().unwrap();
    assert_eq!(facts.names, ["localhost"]);
    assert_eq!((facts.tls_version.as_str(), facts.trusted_by_fingerprint), ("TLSv1.3", false));
    assert_eq!(facts.sha256_fingerprint.len(), 64);
    assert_eq!(channel_binding(&root).len(), 32);
    assert!(facts.not_before < facts.not_after);
}

#[tokio::test]
async fn certificates_that_are_not_believed_are_told_with_their_facts() {
    let rules = EndpointRules::default();
    let (root, _) = server("else.example.com", |_| {}).await;
    // Some root is given each time, so that this works where the system has none.
    let strict = trusting(root);

    let (_, port) = server("localhost", |_| {}).await;
    let (kind, error) = failed(probe(&strict, "localhost", port, &rules).await);
    assert_eq!(kind, StageKind::Tls);
    check(&error, ErrorClass::Unreachable, "issuer that is not trusted here");
    let fingerprint = error.certificate.as_ref().unwrap().sha256_fingerprint.clone();
    check(&error, ErrorClass::Unreachable, &fingerprint);

    // Named for this host, it is trusted, and reported as such; for another host it is not.
    let named = |host: &str| EndpointRules {
        trusted_certificates: vec![TrustedCertificate {
            host: host.to_owned(),
            sha256_fingerprint: fingerprint.clone(),
        }],
        ..EndpointRules::default()
    };
    let stages = probe(&strict, "localhost", port, &named("localhost")).await;
    let told = stages[2].outcome.as_ref().unwrap();
    assert!(told.certificate.as_ref().unwrap().trusted_by_fingerprint, "{told:?}");
    assert!(told.summary.contains("only because an administrator"), "{told:?}");
    assert!(
        probe(&strict, "localhost", port, &named("mail.example.com")).await[2]
            .outcome
            .is_err()
    );
    let client = strict
        .http("localhost", Encryption::Tls, &named("localhost"))
        .unwrap()
        .build()
        .unwrap();
    client.get(format!("https://localhost:{port}/")).send().await.unwrap();

    let (foreign, port) = server("mail.example.com", |_| {}).await;
    let (_, error) = failed(probe(&trusting(foreign), "localhost", port, &rules).await);
    check(&error, ErrorClass::Unreachable, "is for another name");
    check(&error, ErrorClass::Unreachable, "It is for mail.example.com.");

    let (old, port) = server("localhost", |parameters| parameters.not_after = rcgen::date_time_ymd(2020, 1, 1)).await;
    let (_, error) = failed(probe(&trusting(old), "localhost", port, &rules).await);
    check(&error, ErrorClass::Unreachable, "has expired");
    check(&error, ErrorClass::Unreachable, "to 2020-01-01T00:00:00Z");
}

#[tokio::test]
async fn ports_that_are_closed_silent_or_plain_are_told_apart() {
    let rules = EndpointRules::default();
    let (root, _) = server("localhost", |_| {}).await;
    let network = trusting(root);
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let (kind, error) = failed(probe(&network, "127.0.0.1", closed, &rules).await);
    assert_eq!(kind, StageKind::Connect);
    check(&error, ErrorClass::Unreachable, "nothing listens on that port");

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (kind, error) = failed(probe(&network, "127.0.0.1", silent.local_addr().unwrap().port(), &rules).await);
    assert_eq!(kind, StageKind::Tls);
    check(&error, ErrorClass::Unreachable, "does not speak TLS on this port");

    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = plain.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = plain.accept().await {
            let _ = socket.write_all(b"220 mail.example.com ESMTP\r\n").await;
        }
    });
    let (_, error) = failed(probe(&network, "127.0.0.1", port, &rules).await);
    check(&error, ErrorClass::Unreachable, "does not speak TLS on this port");

    let name = format!("{}.invalid", "a".repeat(64));
    let (kind, error) = failed(probe(&network, &name, 443, &rules).await);
    assert_eq!(kind, StageKind::Resolve);
    check(&error, ErrorClass::Unreachable, "cannot be resolved");
}

#[tokio::test]
async fn an_authoritys_own_certificate_is_believed_by_its_fingerprint_alone() {
    let authority = |parameters: &mut rcgen::CertificateParams| {
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    };
    let (certificate, port) = server("localhost", authority).await;
    let network = trusting(certificate);
    let (_, error) = failed(probe(&network, "localhost", port, &EndpointRules::default()).await);
    check(
        &error,
        ErrorClass::Unreachable,
        "is not valid for a server, even if that authority is trusted",
    );
    assert!(!error.problem.contains("root_certificates_file"), "{error:?}");
    let named = EndpointRules {
        trusted_certificates: vec![TrustedCertificate {
            host: "localhost".to_owned(),
            sha256_fingerprint: error.certificate.unwrap().sha256_fingerprint,
        }],
        ..EndpointRules::default()
    };
    let stages = probe(&network, "localhost", port, &named).await;
    assert!(stages.iter().all(|stage| stage.outcome.is_ok()), "{stages:?}");
}
