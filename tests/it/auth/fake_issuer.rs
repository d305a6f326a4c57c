//! An OpenID issuer that does as it is told: publishes these keys, signs anything, fails in these ways, and counts who asks.

use std::{
    future::pending,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair,
        RsaPublicKeyComponents,
    },
};
use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
    routing::get,
    serve::Listener,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{CertifiedKey, KeyPair};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// A key that tokens are signed with.
pub struct SigningKey {
    pub kid: String,
    pub algorithm: Algorithm,
    /// How it is published.
    pub jwk: Value,
    private: EncodingKey,
}

impl SigningKey {
    /// A new key for an algorithm.
    pub fn new(kid: &str, algorithm: Algorithm) -> Self {
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (private, mut jwk) = match algorithm {
            Algorithm::ES256 | Algorithm::ES384 => {
                let (kind, curve, bytes) = match algorithm {
                    Algorithm::ES256 => (&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256", 32),
                    _ => (&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384", 48),
                };
                let pair = EcdsaKeyPair::generate(kind).unwrap();
                let (x, y) = pair.public_key().as_ref()[1..].split_at(bytes);
                let jwk = json!({"kty": "EC", "crv": curve, "x": part(x), "y": part(y)});
                (EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref()), jwk)
            }
            Algorithm::EdDSA => {
                let pair = Ed25519KeyPair::generate().unwrap();
                let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": part(pair.public_key().as_ref())});
                (EncodingKey::from_ed_der(pair.to_pkcs8v1().unwrap().as_ref()), jwk)
            }
            _ => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
                let lines: Vec<String> = STANDARD
                    .encode(der.as_ref())
                    .as_bytes()
                    .chunks(64)
                    .map(|line| String::from_utf8_lossy(line).into_owned())
                    .collect();
                let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
                let jwk = json!({"kty": "RSA", "n": part(&public.n), "e": part(&public.e)});
                (EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(), jwk)
            }
        };
        jwk["kid"] = json!(kid);
        jwk["use"] = json!("sig");
        Self {
            kid: kid.to_owned(),
            algorithm,
            jwk,
            private,
        }
    }

    /// A token that says this.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as(self.algorithm, Some(&self.kid), claims)
    }

    /// A token that says this, with another header.
    pub fn sign_as(&self, algorithm: Algorithm, kid: Option<&str>, claims: &Value) -> String {
        let mut header = Header::new(algorithm);
        header.kid = kid.map(str::to_owned);
        jsonwebtoken::encode(&header, claims, &self.private).unwrap()
    }
}

/// How the issuer answers when it is asked for its keys.
#[derive(Clone, Debug, PartialEq)]
pub enum Mood {
    /// With its keys.
    Well,
    /// With this status.
    Status(u16),
    /// With this instead of its keys.
    Body(String),
    /// With this as its name in the discovery document.
    Named(String),
    /// With this as the place of its keys.
    KeysAt(String),
    /// By sending elsewhere.
    Elsewhere,
    /// Never.
    Silent,
}

/// The issuer. Dropped, it is gone.
pub struct FakeIssuer {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: Option<JoinHandle<()>>,
}

struct Shared {
    name: String,
    keys: Mutex<Vec<Value>>,
    mood: Mutex<Mood>,
    fetches: AtomicUsize,
}

impl FakeIssuer {
    /// An issuer that publishes these keys.
    pub async fn start(keys: &[&SigningKey]) -> Self {
        let mut issuer = Self::away(keys).await;
        issuer.arrive().await;
        issuer
    }

    /// An issuer on `localhost` whose port speaks TLS with this certificate.
    pub async fn start_with_tls(keys: &[&SigningKey], made: &CertifiedKey<KeyPair>) -> Self {
        let mut issuer = Self::named(keys, |address| format!("https://localhost:{}", address.port())).await;
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        let config = config
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = TlsListener {
            tcp: TcpListener::bind(issuer.address).await.unwrap(),
            acceptor: Arc::new(config).into(),
        };
        issuer.serve(listener);
        issuer
    }

    /// An issuer that nobody can reach yet.
    pub async fn away(keys: &[&SigningKey]) -> Self {
        Self::named(keys, |address| format!("http://{address}")).await
    }

    async fn named(keys: &[&SigningKey], origin: impl Fn(SocketAddr) -> String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared {
            name: format!("{}/realms/test", origin(address)),
            keys: Mutex::default(),
            mood: Mutex::new(Mood::Well),
            fetches: AtomicUsize::new(0),
        };
        let issuer = Self {
            address,
            shared: Arc::new(shared),
            task: None,
        };
        issuer.publish(keys);
        issuer
    }

    /// Can be reached from now on.
    pub async fn arrive(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.serve(listener);
    }

    fn serve<L: Listener<Addr = SocketAddr>>(&mut self, listener: L) {
        let app = Router::new()
            .route("/realms/test/.well-known/openid-configuration", get(discovery))
            .route("/realms/test/keys", get(keys))
            .with_state(self.shared.clone());
        self.task = Some(tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }));
    }

    /// Cannot be reached from now on.
    pub async fn leave(&mut self) {
        let task = self.task.take().expect("it is there");
        task.abort();
        task.await.expect_err("it was ended");
        self.be(Mood::Status(503));
    }

    /// The `iss` of its tokens.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Where its keys are.
    pub fn keys_url(&self) -> String {
        format!("{}/keys", self.name())
    }

    /// Publishes these keys and no others.
    pub fn publish(&self, keys: &[&SigningKey]) {
        *self.shared.keys.lock().unwrap() = keys.iter().map(|key| key.jwk.clone()).collect();
    }

    /// Publishes something else beside its keys.
    pub fn publish_too(&self, jwk: Value) {
        self.shared.keys.lock().unwrap().push(jwk);
    }

    /// Answers in this way from now on.
    pub fn be(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }

    /// How often it was asked for its keys.
    pub fn fetches(&self) -> usize {
        self.shared.fetches.load(Ordering::SeqCst)
    }
}

/// A port that speaks TLS.
struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.tcp.accept().await.unwrap();
            // Who does not believe the certificate goes away.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

impl Drop for FakeIssuer {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn discovery(State(shared): State<Arc<Shared>>) -> Response {
    let mood = shared.mood.lock().unwrap().clone();
    let mut document = json!({"issuer": shared.name, "jwks_uri": format!("{}/keys", shared.name)});
    match mood {
        Mood::Named(name) => document["issuer"] = json!(name),
        Mood::KeysAt(url) => document["jwks_uri"] = json!(url),
        _ => {}
    }
    IntoResponse::into_response(document.to_string())
}

async fn keys(State(shared): State<Arc<Shared>>) -> Response {
    shared.fetches.fetch_add(1, Ordering::SeqCst);
    let mood = shared.mood.lock().unwrap().clone();
    match mood {
        Mood::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Mood::Body(body) => body.into_response(),
        Mood::Elsewhere => Redirect::temporary("/realms/test/.well-known/openid-configuration").into_response(),
        Mood::Silent => pending().await,
        Mood::Well | Mood::Named(_) | Mood::KeysAt(_) => {
            let keys = shared.keys.lock().unwrap().clone();
            json!({ "keys": keys }).to_string().into_response()
        }
    }
}
