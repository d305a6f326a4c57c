//! Servers and name services that mean no good.

use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::{io::AsyncReadExt, task::JoinHandle};

use super::*;

/// Reads what comes first and answers with these bytes, then closes.
async fn raw(answer: Vec<u8>) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(&answer).await;
            let _ = socket.shutdown().await;
        }
    });
    (port, task)
}

/// What a handshake comes to, over a connection of its own and by the HTTP client.
async fn refusals(network: &Network, port: u16, rules: &EndpointRules) -> [ProviderError; 2] {
    let (kind, error) = failed(probe(network, "localhost", port, rules).await);
    assert_eq!(kind, StageKind::Tls);
    let client = network.http("localhost", Encryption::Tls, rules).unwrap().build().unwrap();
    let refused = client.get(format!("https://localhost:{port}/")).send().await.unwrap_err();
    [error, Network::fault("localhost", refused)]
}

async fn some_network() -> Network {
    // Some root is given each time, so that this works where the system has none.
    trusting(server("else.example.com", |_| {}).await.0)
}

fn naming(host: &str, certificate: &[u8]) -> EndpointRules {
    EndpointRules {
        trusted_certificates: vec![TrustedCertificate {
            host: host.to_owned(),
            sha256_fingerprint: trust::facts(&CertificateDer::from(certificate)).unwrap().sha256_fingerprint,
        }],
        ..EndpointRules::default()
    }
}

#[tokio::test]
async fn versions_before_tls_1_2_are_refused() {
    // ServerHello (RFC 4346 section 7.4.1.3) of TLS 1.1 and 1.0, with TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA.
    let hello = |minor: u8| {
        let mut bytes = vec![22, 3, minor, 0, 42, 2, 0, 0, 38, 3, minor];
        bytes.extend([7; 32]);
        bytes.extend([0, 0xc0, 0x13, 0]);
        bytes
    };
    // The alert protocol_version, by which old servers refuse a new client.
    let alert = vec![21, 3, 1, 0, 2, 2, 70];
    let network = some_network().await;
    for answer in [hello(2), hello(1), alert] {
        let (port, task) = raw(answer).await;
        for error in refusals(&network, port, &EndpointRules::default()).await {
            check(&error, ErrorClass::Unreachable, "no TLS version or cipher in common");
        }
        task.abort();
    }
}

#[tokio::test]
async fn a_connection_that_ends_within_the_handshake_is_told() {
    let network = some_network().await;
    let (port, task) = raw(Vec::new()).await;
    for error in refusals(&network, port, &EndpointRules::default()).await {
        check(&error, ErrorClass::Unreachable, "closed the connection during the TLS handshake");
    }
    task.abort();
}

/// Shows a certificate, but signs with a key that is not its own.
#[derive(Debug)]
struct Stolen(Arc<CertifiedKey>);

impl ResolvesServerCert for Stolen {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

#[tokio::test]
async fn a_trusted_certificate_without_its_key_proves_nothing() {
    let parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    let other = rcgen::KeyPair::generate().unwrap().serialize_der().try_into().unwrap();
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&other).unwrap();
    let stolen = Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key));
    let rules = naming("localhost", certificate.der());
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Stolen(stolen.clone())));
        let port = serve(config).await;
        // Trusted by its fingerprint, and as an authority.
        for (network, rules) in [
            (some_network().await, &rules),
            (trusting(certificate.der().clone()), &EndpointRules::default()),
        ] {
            for error in refusals(&network, port, rules).await {
                check(&error, ErrorClass::Unreachable, "without having its key");
            }
        }
    }
}

#[tokio::test]
async fn a_named_certificate_may_be_old_or_for_another_name_but_no_other_certificate_is_believed() {
    let network = some_network().await;
    let (old, port) = server("localhost", |parameters| parameters.not_after = rcgen::date_time_ymd(2020, 1, 1)).await;
    let (foreign, other_port) = server("mail.example.com", |_| {}).await;
    for (port, certificate) in [(port, &old), (other_port, &foreign)] {
        let stages = probe(&network, "localhost", port, &naming("localhost", certificate)).await;
        let facts = stages[2].outcome.as_ref().unwrap().certificate.as_ref().unwrap();
        assert!(facts.trusted_by_fingerprint);
    }
    let [error, _] = refusals(&network, port, &naming("localhost", &foreign)).await;
    let facts = error.certificate.unwrap();
    assert_eq!((facts.trusted_by_fingerprint, facts.names), (false, vec!["localhost".to_owned()]));
}

#[tokio::test]
async fn an_own_authority_is_trusted_for_what_it_issues_and_no_more() {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(rcgen::DnType::CommonName, "Oak CA");
    let authority = parameters.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::new(parameters, key);
    let own = rcgen::KeyPair::generate().unwrap();
    let issued = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&own, &issuer)
        .unwrap();
    let config = server_config()
        .with_single_cert(vec![issued.der().clone()], own.serialize_der().try_into().unwrap())
        .unwrap();
    let port = serve(config).await;
    let rules = EndpointRules::default();
    let stages = probe(&trusting(authority.der().clone()), "localhost", port, &rules).await;
    let facts = stages[2].outcome.as_ref().unwrap().certificate.as_ref().unwrap();
    assert!(facts.issuer.contains("CN=Oak CA") && !facts.trusted_by_fingerprint, "{facts:?}");
    for error in refusals(&some_network().await, port, &rules).await {
        check(&error, ErrorClass::Unreachable, "Its issuer is CN=Oak CA");
    }
}

#[tokio::test]
async fn every_connection_is_judged_by_a_whole_handshake() {
    let (root, _) = server("localhost", |_| {}).await;
    let network = trusting(root);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let config = server_config()
        .with_single_cert(vec![certificate.der().clone()], key.serialize_der().try_into().unwrap())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let mut kinds = Vec::new();
        while kinds.len() < 2 {
            let (socket, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(socket).await.unwrap();
            kinds.push(stream.get_ref().1.handshake_kind());
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
        kinds
    });
    let client = network
        .http("localhost", Encryption::Tls, &naming("localhost", certificate.der()))
        .unwrap()
        .build()
        .unwrap();
    for _ in 0..2 {
        client.get(format!("https://localhost:{port}/")).send().await.unwrap();
    }
    assert_eq!(served.await.unwrap(), [Some(rustls::HandshakeKind::Full); 2]);
}

#[tokio::test]
async fn the_http_client_calls_the_allowed_address_of_several() {
    let rules = EndpointRules::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 4096]).await;
        socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    });
    let network = scripted(true, &[&["169.254.169.254", "10.0.0.1", "fd00:ec2::254", "127.0.0.1"]]);
    let client = network.http("mail.example.com", Encryption::None, &rules).unwrap().build().unwrap();
    let answer = client.get(format!("http://mail.example.com:{port}/")).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 204);
    assert_eq!(answer.remote_addr().unwrap().to_string(), format!("127.0.0.1:{port}"));
    task.await.unwrap();
}

#[tokio::test]
async fn no_client_is_made_for_an_address_that_is_refused() {
    let rules = EndpointRules::default();
    let network = Network::new(config(false, Vec::new()));
    for host in [
        "127.0.0.1",
        "127.1",
        "[::1]",
        "::ffff:10.0.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "64:ff9b::a9fe:a9fe",
    ] {
        let error = network.http(host, Encryption::None, &rules).map(drop).unwrap_err();
        check(&error, ErrorClass::Refused, "cannot be used");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let aim = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let location = format!("http://{}/", aim.local_addr().unwrap());
    let (port, task) = raw(format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n").into()).await;
    let network = Network::new(config(true, Vec::new()));
    let client = network
        .http("localhost", Encryption::None, &EndpointRules::default())
        .unwrap()
        .timeout(Duration::from_secs(5))
        .build()
        .unwrap();
    let answer = client.get(format!("http://localhost:{port}/")).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 307);
    let reached = timeout(Duration::from_millis(50), aim.accept()).await;
    assert!(reached.is_err(), "nobody came");
    task.abort();
}
