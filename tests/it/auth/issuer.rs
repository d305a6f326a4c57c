//! Tokens of an OpenID issuer, whose keys are followed.

use std::time::{Duration, Instant};

use jsonwebtoken::Algorithm;
use mailagent::testing::{config::Config, domain::Scope};
use mailagent_client::tonic_types::StatusExt;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tonic::{Code, Status};

use super::{
    fake_issuer::{FakeIssuer, Mood, SigningKey},
    settings_of,
};
use crate::harness::{Choices, Engine, Harness, NOW, PATIENCE, TENANT, eventually, reason};

const SETTINGS: &str = "mailagent.v1.SettingsService/GetTenantSettings";

/// A service that believes the issuer, with these lines in `[auth]` too.
async fn service(issuer: &FakeIssuer, lines: &str) -> Harness {
    service_with(issuer, lines, |_| {}).await
}

async fn service_with(issuer: &FakeIssuer, lines: &str, change: impl FnOnce(&mut Config) + 'static) -> Harness {
    let auth = settings_of(&format!("[auth]\nissuer = \"{}\"\n{lines}", issuer.name())).auth;
    let configure = move |config: &mut Config| {
        config.auth = auth;
        change(config);
    };
    Harness::with(Choices {
        configure: Box::new(configure),
        ..Choices::of(Engine::Sqlite)
    })
    .await
}

/// What a good token says.
fn claims(issuer: &FakeIssuer) -> Value {
    let now = NOW.seconds();
    json!({
        "iss": issuer.name(),
        "aud": "mailagent",
        "sub": "anna",
        "tenant": TENANT,
        "scope": "openid tenant.admin",
        "iat": now,
        "exp": now + 600,
    })
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

async fn call(h: &Harness, token: &str) -> Result<(), Status> {
    h.call(SETTINGS, token, &[], HeaderMap::new()).await.map(|_| ())
}

/// Waits until a token is believed.
async fn believed(h: &Harness, token: &str) {
    eventually(PATIENCE, "the token is believed", async || {
        call(h, token).await.map_err(|status| format!("{status:?}"))
    })
    .await;
}

/// Waits until a token is refused.
async fn refused(h: &Harness, token: &str) -> Status {
    eventually(PATIENCE, "the token is refused", async || {
        call(h, token).await.err().ok_or("it is believed")
    })
    .await
}

#[track_caller]
fn is_unknown(status: &Status, says: &str) {
    assert_eq!(
        (status.code(), reason(status).as_str()),
        (Code::Unauthenticated, "TOKEN_INVALID"),
        "{status:?}"
    );
    assert!(status.message().contains(says), "{says}: {}", status.message());
}

#[track_caller]
fn is_away(status: &Status) {
    assert_eq!(
        (status.code(), reason(status).as_str()),
        (Code::Unavailable, "ISSUER_UNAVAILABLE"),
        "{status:?}"
    );
    let delay = status.get_details_retry_info().and_then(|info| info.retry_delay);
    assert!(delay.is_some_and(|delay| delay >= Duration::from_secs(1)), "{delay:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_key_signs() {
    use Algorithm::{ES256, ES384, EdDSA, PS256, RS256, RS512};
    let keys: Vec<SigningKey> = [RS256, PS256, ES256, ES384, EdDSA, RS512]
        .into_iter()
        .map(|algorithm| SigningKey::new(&format!("{algorithm:?}"), algorithm))
        .collect();
    let all: Vec<&SigningKey> = keys.iter().collect();
    let issuer = FakeIssuer::start(&all).await;
    let h = service(&issuer, "").await;
    for key in &keys {
        let token = key.sign(&claims(&issuer));
        for _ in 0..2 {
            call(&h, &token).await.unwrap_or_else(|status| panic!("{}: {status:?}", key.kid));
        }
    }
    // One without a name is found by trying.
    let nameless = keys[2].sign_as(ES256, None, &claims(&issuer));
    call(&h, &nameless).await.unwrap();
    assert_eq!(issuer.fetches(), 1);
    is_unknown(&call(&h, &h.token(TENANT, "anna", Scope::ALL)).await.unwrap_err(), "another issuer");

    let h = service(&issuer, &format!("jwks_url = \"{}\"\nlocal_issuer = true", issuer.keys_url())).await;
    issuer.be(Mood::Named("https://nobody.example".to_owned()));
    call(&h, &keys[0].sign(&claims(&issuer))).await.unwrap();
    call(&h, &h.token(TENANT, "anna", Scope::ALL)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_must_say_all_that_matters() {
    let key = SigningKey::new("1", Algorithm::ES256);
    let issuer = FakeIssuer::start(&[&key]).await;
    let h = service(&issuer, "clock_skew = \"90s\"").await;
    let now = NOW.seconds();
    let refusals = [
        ("iss", json!("https://login.example.com"), "another issuer"),
        ("iss", json!(format!("{}/", issuer.name())), "another issuer"),
        ("iss", Value::Null, "`iss`"),
        ("aud", json!("another"), "another audience"),
        ("aud", json!(["another", "mailagent2"]), "another audience"),
        ("aud", Value::Null, "`aud`"),
        ("exp", json!(now - 90), "has expired"),
        ("exp", Value::Null, "`exp`"),
        ("exp", json!("soon"), "`exp`"),
        ("nbf", json!(now + 91), "not valid yet"),
        ("iat", json!(now + 91), "not valid yet"),
        ("tenant", Value::Null, "`tenant`"),
        ("tenant", json!("a/b"), "`tenant`"),
        ("sub", json!("anna@example.com"), "`sub`"),
        ("cnf", json!({"x5t#S256": "x"}), "`cnf`"),
        ("more", json!("x".repeat(9_000)), "too long"),
    ];
    for (claim, value, says) in refusals {
        let token = key.sign(&with(claims(&issuer), claim, value));
        let status = call(&h, &token).await.expect_err(says);
        is_unknown(&status, says);
        assert!(
            !format!("{status:?}").contains(&token[token.len() - 20..]),
            "no part of the token is told"
        );
    }
    let accepted = [
        ("exp", json!(now - 89)),
        ("nbf", json!(now + 90)),
        ("iat", json!(now + 90)),
        ("iat", Value::Null),
        ("aud", json!(["another", "mailagent"])),
        ("scope", json!(["tenant.admin", "openid"])),
    ];
    for (claim, value) in accepted {
        let token = key.sign(&with(claims(&issuer), claim, value.clone()));
        call(&h, &token)
            .await
            .unwrap_or_else(|status| panic!("{claim} {value}: {status:?}"));
    }
    for (scope, scp) in [
        (json!("agent.read"), json!("tenant.admin")),
        (Value::Null, json!("agent.read")),
        (Value::Null, Value::Null),
    ] {
        let mut claims = with(with(claims(&issuer), "scp", scp), "scope", scope);
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let status = call(&h, &key.sign(&claims)).await.expect_err("it lacks the scope");
        assert_eq!(reason(&status), "SCOPE_MISSING", "{claims}");
    }
    for scp in [json!("tenant.admin"), json!(["tenant.admin"])] {
        let mut claims = with(claims(&issuer), "scp", scp);
        claims.as_object_mut().unwrap().remove("scope");
        call(&h, &key.sign(&claims)).await.unwrap();
    }
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_may_have_other_names() {
    let key = SigningKey::new("1", Algorithm::EdDSA);
    let issuer = FakeIssuer::start(&[&key]).await;
    let lines =
        "tenant_claim = \"https://crm.example.com/company\"\nuser_claim = \"employee\"\nscope_claim = \"roles\"\naudience = \"api\"";
    let h = service(&issuer, lines).await;
    let good = json!({
        "iss": issuer.name(), "aud": "api", "exp": NOW.seconds() + 60, "sub": "auth0|7",
        "https://crm.example.com/company": TENANT, "employee": "anna", "roles": ["tenant.admin"], "scope": "openid",
    });
    call(&h, &key.sign(&good)).await.unwrap();
    let status = call(&h, &key.sign(&with(good.clone(), "employee", Value::Null))).await.unwrap_err();
    is_unknown(&status, "`employee`");
    let status = call(&h, &key.sign(&with(good, "roles", json!("agent.read")))).await.unwrap_err();
    assert_eq!(reason(&status), "SCOPE_MISSING");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_does_not_choose_how_it_is_checked() {
    let (rsa, ec) = (SigningKey::new("rsa", Algorithm::RS256), SigningKey::new("ec", Algorithm::ES256));
    let mut bound = SigningKey::new("bound", Algorithm::RS256);
    bound.jwk["alg"] = json!("RS256");
    let mut secret = SigningKey::new("secret", Algorithm::RS256);
    secret.jwk["use"] = json!("enc");
    let issuer = FakeIssuer::start(&[&rsa, &ec, &bound, &secret]).await;
    issuer.publish_too(json!({"kty": "oct", "kid": "oct", "k": "AAAA", "alg": "HS256"}));
    let h = service(&issuer, "").await;
    let claims = claims(&issuer);
    let hmac = |kid: &str, secret: &[u8]| {
        let mut header = jsonwebtoken::Header::new(Algorithm::HS256);
        header.kid = Some(kid.to_owned());
        jsonwebtoken::encode(&header, &claims, &jsonwebtoken::EncodingKey::from_secret(secret)).unwrap()
    };
    let n = rsa.jwk["n"].as_str().unwrap();
    let good = ec.sign(&claims);
    let (message, _) = good.rsplit_once('.').unwrap();
    let rows = [
        ("the public key as a secret", hmac("rsa", n.as_bytes()), "signed with an algorithm"),
        ("a published secret", hmac("oct", &[0, 0, 0]), "signed with an algorithm"),
        (
            "the name of another kind of key",
            rsa.sign_as(Algorithm::RS256, Some("ec"), &claims),
            "signed with an algorithm",
        ),
        (
            "another way than the key's",
            bound.sign_as(Algorithm::PS256, Some("bound"), &claims),
            "signed with an algorithm",
        ),
        ("a key for something else", secret.sign(&claims), "does not publish"),
        (
            "another key of the same kind",
            rsa.sign_as(Algorithm::RS256, Some("bound"), &claims),
            "signature",
        ),
        ("no signature", format!("{message}."), "signature"),
        ("half a token", message.to_owned(), "malformed"),
    ];
    for (what, token, says) in rows {
        is_unknown(&call(&h, &token).await.expect_err(what), says);
    }
    for key in [&rsa, &ec, &bound] {
        call(&h, &key.sign(&claims)).await.unwrap();
    }
    call(&h, &rsa.sign_as(Algorithm::PS384, Some("rsa"), &claims))
        .await
        .expect("the key is for all of RSA");
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_keys_do_not_hammer_the_issuer() {
    let key = SigningKey::new("1", Algorithm::ES256);
    let issuer = FakeIssuer::start(&[&key]).await;
    let pause = Duration::from_millis(500);
    let h = service(&issuer, "unknown_key_pause = \"500ms\"").await;
    call(&h, &key.sign(&claims(&issuer))).await.unwrap();
    let begin = Instant::now();
    for round in 0..20 {
        let storm = (0..20).map(|n| {
            let token = key.sign_as(Algorithm::ES256, Some(&format!("forged {round} {n}")), &claims(&issuer));
            let h = &h;
            async move { is_unknown(&call(h, &token).await.unwrap_err(), "does not publish") }
        });
        futures::future::join_all(storm).await;
    }
    let allowed = begin.elapsed().as_millis() / pause.as_millis() + 2;
    let fetches = issuer.fetches();
    assert!(
        u128::try_from(fetches).unwrap() <= allowed,
        "{fetches} fetches, {allowed} are allowed"
    );
    call(&h, &key.sign(&claims(&issuer))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_followed_when_they_change() {
    let (one, two, three) = (
        SigningKey::new("1", Algorithm::RS256),
        SigningKey::new("2", Algorithm::ES256),
        SigningKey::new("3", Algorithm::EdDSA),
    );
    let issuer = FakeIssuer::start(&[&one]).await;
    let h = service(&issuer, "unknown_key_pause = \"100ms\"").await;
    let [first, second, third] = [&one, &two, &three].map(|key| key.sign(&claims(&issuer)));
    call(&h, &first).await.unwrap();
    refused(&h, &second).await;

    issuer.publish(&[&one, &two]);
    believed(&h, &second).await;
    call(&h, &first).await.expect("the key before is still published");

    // A remembered token goes with its key.
    issuer.publish(&[&two, &three]);
    believed(&h, &third).await;
    is_unknown(&call(&h, &first).await.unwrap_err(), "does not publish");
    call(&h, &second).await.unwrap();

    // Nothing asks for it: the keys are fetched anyway.
    let h = service_with(&issuer, "", |config| config.auth.key_refresh_interval = Duration::from_millis(200)).await;
    call(&h, &second).await.unwrap();
    issuer.publish(&[&three]);
    is_unknown(&refused(&h, &second).await, "does not publish");
    call(&h, &third).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn known_keys_serve_on_while_the_issuer_is_away() {
    let (one, two) = (SigningKey::new("1", Algorithm::ES256), SigningKey::new("2", Algorithm::ES256));
    let mut issuer = FakeIssuer::start(&[&one]).await;
    let h = service_with(&issuer, "unknown_key_pause = \"100ms\"", |config| {
        config.auth.key_lifetime = Duration::from_secs(3);
    })
    .await;
    let remembered = one.sign(&claims(&issuer));
    call(&h, &remembered).await.unwrap();
    let fetched = Instant::now();
    issuer.leave().await;
    // Whether this key is one of the issuer's cannot be told.
    let unknown = two.sign(&claims(&issuer));
    eventually(PATIENCE, "the keys are fetched", async || match call(&h, &unknown).await {
        Err(status) if status.code() == Code::Unavailable => Ok(status),
        other => Err(format!("{other:?}")),
    })
    .await;
    if fetched.elapsed() < Duration::from_secs(2) {
        call(&h, &remembered).await.unwrap();
        call(&h, &one.sign(&with(claims(&issuer), "jti", json!("new")))).await.unwrap();
    }
    is_away(&refused(&h, &remembered).await);
    is_away(
        &call(&h, &one.sign(&with(claims(&issuer), "jti", json!("newer"))))
            .await
            .unwrap_err(),
    );

    issuer.publish(&[&two]);
    issuer.be(Mood::Well);
    issuer.arrive().await;
    believed(&h, &unknown).await;
    is_unknown(&call(&h, &remembered).await.unwrap_err(), "does not publish");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_starts_without_its_issuer() {
    let key = SigningKey::new("1", Algorithm::ES256);
    let mut issuer = FakeIssuer::away(&[&key]).await;
    let h = service(&issuer, "unknown_key_pause = \"100ms\"").await;
    let token = key.sign(&claims(&issuer));
    is_away(&call(&h, &token).await.unwrap_err());
    issuer.arrive().await;
    believed(&h, &token).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_from_whom_the_operator_trusts_only() {
    let key = SigningKey::new("1", Algorithm::ES256);
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let issuer = FakeIssuer::start_with_tls(&[&key], &made).await;
    let token = key.sign(&claims(&issuer));
    let h = service(&issuer, "").await;
    is_away(&call(&h, &token).await.unwrap_err());
    assert_eq!(issuer.fetches(), 0);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roots.pem");
    std::fs::write(&path, made.cert.pem()).unwrap();
    let h = service_with(&issuer, "", |config| config.network.root_certificates_file = Some(path)).await;
    call(&h, &token).await.unwrap();
    // The same issuer, but its keys where anybody could put others.
    issuer.be(Mood::KeysAt("http://127.0.0.1:1/keys".to_owned()));
    let h = service_with(&issuer, "", {
        let roots = h.config.network.root_certificates_file.clone();
        |config| config.network.root_certificates_file = roots
    })
    .await;
    is_away(&call(&h, &token).await.unwrap_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_make_no_sense_change_nothing() {
    let key = SigningKey::new("1", Algorithm::ES256);
    let issuer = FakeIssuer::start(&[&key]).await;
    let h = service(&issuer, "unknown_key_pause = \"100ms\"").await;
    let good = key.sign(&claims(&issuer));
    call(&h, &good).await.unwrap();
    let many = json!({ "keys": vec![&key.jwk; 101] }).to_string();
    let long = format!("{{\"keys\":[]{}}}", " ".repeat(300_000));
    for mood in [
        Mood::Status(500),
        Mood::Status(404),
        Mood::Body("<html>".to_owned()),
        Mood::Body("{\"keys\":7}".to_owned()),
        Mood::Body(many),
        Mood::Body(long),
        Mood::Elsewhere,
        Mood::Named("https://login.example.com".to_owned()),
        Mood::KeysAt("http://login.example.com/keys".to_owned()),
        Mood::KeysAt("no URL".to_owned()),
    ] {
        issuer.be(mood.clone());
        let forged = key.sign_as(Algorithm::ES256, Some("forged"), &claims(&issuer));
        let status = eventually(PATIENCE, "the keys are fetched", async || match call(&h, &forged).await {
            Err(status) if status.code() == Code::Unavailable => Ok(status),
            other => Err(format!("{mood:?} {other:?}")),
        })
        .await;
        is_away(&status);
        call(&h, &good).await.expect("the keys before serve on");
        issuer.be(Mood::Well);
        eventually(PATIENCE, "the keys are fetched", async || match call(&h, &forged).await {
            Err(status) if status.code() == Code::Unauthenticated => Ok(()),
            other => Err(format!("{mood:?} {other:?}")),
        })
        .await;
    }
    // It takes the call, and says nothing: callers are not kept for long.
    issuer.be(Mood::Silent);
    let begin = Instant::now();
    let forged = key.sign_as(Algorithm::ES256, Some("silent"), &claims(&issuer));
    let status = eventually(PATIENCE, "the keys are fetched", async || match call(&h, &forged).await {
        Err(status) if status.code() == Code::Unavailable => Ok(status),
        other => Err(format!("{other:?}")),
    })
    .await;
    is_away(&status);
    assert!(begin.elapsed() < Duration::from_secs(9), "{:?}", begin.elapsed());
    call(&h, &good).await.unwrap();
    let mut h = h;
    assert_eq!(h.stop().await.cut_off, Vec::<&str>::new(), "a silent issuer holds up no stop");
}
