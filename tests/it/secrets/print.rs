//! What `Debug` shows of everything that holds a secret: it ends up in panics, in assertions, and in logs by mistake.

use std::{path::Path, sync::Arc};

use mailagent::testing::{
    app,
    config::{self, Flag},
    crypto::{DataKey, KeyRing, KeySource, MasterKey, Place, Sealer, Secret},
    idp::ClientProof,
    net::{EndpointRules, ProviderError},
    ops::login::CallbackResult,
    provider::{AccessTokens, Credentials, Endpoint, EwsConfig, ExchangeLogin, ExchangeProtocol, SmtpLogin},
    store::DatabaseLocation,
};
use mailagent_client::{Auth, v1};

use super::{evidence::Evidence, plant::Planted};

/// Prints them all.
pub fn all(beacon: &str, planted: &Planted, evidence: &Evidence) {
    let show = |name: &str, value: &dyn std::fmt::Debug| {
        evidence.add("Debug", name, format!("{value:?} {value:#?}"));
    };
    let secret = || planted.secret("secret that is printed");
    let word = || planted.word("secret that is printed");
    show("Secret", &Secret::new(secret()));
    show("Secret of bytes", &Secret::new(secret().into_bytes()));

    let master = MasterKey::generate();
    let ring = KeyRing::of(master.clone());
    let text = ring.to_text();
    planted.watch("master key that is printed", text.expose().trim_ascii());
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text.expose().trim_ascii());
    planted.watch("bytes of a master key that is printed", &bytes.expect("it is base64"));
    let data_key = DataKey::generate();
    show("MasterKey", &master);
    show("KeyRing", &ring);
    show("KeyRing's text", &text);
    show("DataKey", &data_key);
    show("Sealer", &Sealer::new(&data_key));
    show("BoundSealer", &Sealer::new(&data_key).bind("purpose", &"tenant".into()));
    show("KeySource", &KeySource::Command(vec!["/bin/vault".to_owned(), word()]));
    let place = Place {
        table: "agent",
        row: beacon,
        column: "password",
    };
    show(
        "fault of a data key",
        &data_key.open(secret().as_bytes(), &"tenant".into(), place).map(|_| ()),
    );
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let issuer = app::open_issuer(folder.path()).expect("a key is made");
    super::watch_issuer(folder.path(), planted);
    show("LocalIssuer", &issuer);
    show(
        "Verifier",
        &mailagent::testing::crypto::Verifier::new("mailagent", std::time::Duration::ZERO).with_local(&issuer),
    );

    let url = format!("postgres://mail:{}@db/{beacon}?sslpassword={}", word(), word());
    let flag = Flag {
        key: "database.url",
        value: url.clone(),
        name: "--database",
    };
    show("Flag", &flag);
    show("Config", &config::load(None, [], std::slice::from_ref(&flag)));
    let not_a_file = Path::new("/nowhere");
    show(
        "ConfigErrors",
        &config::load(Some(not_a_file), [("MAILAGENT_KEYS__MASTER".to_owned(), word())], &[flag]),
    );
    let provider = ["name = \"contoso\"", "preset = \"microsoft\"", "client_id = \"crm\""].join("\n");
    let file = folder.path().join("mailagent.toml");
    let text = format!("[[oauth.providers]]\n{provider}\nclient_secret = \"{}\"\n", word());
    std::fs::write(&file, text).expect("it can be written");
    let config = config::load(Some(&file), [], &[]).expect("the settings are good");
    show("OAuth", &config.oauth);
    show("LoginProvider", &config.oauth.providers[0]);
    show("ClientProof", &ClientProof::Secret(secret().into()));
    show("CallbackResult", &CallbackResult::Code(secret().into()));
    show("DatabaseLocation", &DatabaseLocation::Postgres(url.into()));

    /// A login with one access token.
    #[derive(Debug)]
    struct Tokens(Secret);
    #[tonic::async_trait]
    impl AccessTokens for Tokens {
        async fn current(&self) -> Result<Secret, ProviderError> {
            Ok(self.0.clone())
        }
        async fn instead_of(&self, _: &Secret) -> Result<Secret, ProviderError> {
            Ok(self.0.clone())
        }
        fn given(&self) -> Vec<Secret> {
            vec![self.0.clone()]
        }
    }
    let credentials = || Credentials::Password {
        username: beacon.to_owned(),
        password: secret().into(),
    };
    show("Credentials", &credentials());
    show(
        "Credentials with a token",
        &Credentials::Token {
            username: beacon.to_owned(),
            tokens: Arc::new(Tokens(secret().into())),
        },
    );
    let rules = EndpointRules::default;
    show(
        "ExchangeLogin",
        &ExchangeLogin {
            protocol: ExchangeProtocol::Ews,
            endpoint: Endpoint::Url("https://mail.example/".to_owned()),
            credentials: credentials(),
            owner: beacon.to_owned(),
            mailbox: None,
            impersonate: false,
            rules: rules(),
            push: None,
        },
    );
    show(
        "SmtpLogin",
        &SmtpLogin {
            host: "mail.example".to_owned(),
            port: 587,
            security: mailagent::testing::domain::SmtpSecurity::StartTls,
            credentials: credentials(),
            rules: rules(),
        },
    );
    let network = mailagent::testing::net::Network::new(mailagent::testing::net::NetworkConfig::default());
    show("EwsConfig", &EwsConfig::new(network, beacon, secret().into()));

    // The service's own messages are made by the same code.
    let exchange = v1::ExchangeSettings {
        username: beacon.to_owned(),
        password: secret(),
        ..v1::ExchangeSettings::default()
    };
    let agent = v1::Agent {
        exchange: Some(exchange),
        smtp: Some(v1::SmtpSettings {
            password: secret(),
            ..v1::SmtpSettings::default()
        }),
        ..v1::Agent::default()
    };
    show("Agent", &agent);
    show(
        "MaintenanceAccount",
        &v1::MaintenanceAccount {
            password: secret(),
            ..v1::MaintenanceAccount::default()
        },
    );
    show("Auth", &Auth::new(&word()).expect("a header can have it"));
    show("wrong Auth", &Auth::new(&secret()));
    // As a panic tells it.
    let refused: Result<(), v1::Agent> = std::iter::once(agent).try_for_each(Err);
    let told = std::panic::catch_unwind(|| refused.expect("a panic for this test"));
    let told = told.expect_err("it panics");
    let told = told.downcast_ref::<String>().expect("it is a text").clone();
    show("a panic", &told);
}
