//! Tokens of the local issuer. Those of OpenID issuers are tested in `tests/it/auth`, over the network.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::FutureExt;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{key_set::KeySetError, local::to_pem, *};
use crate::{
    crypto::KeyFileError,
    domain::{Caller, Scope, Timestamp},
};

const NOW: Timestamp = Timestamp(1_800_000_000_000_000);
const SKEW: Duration = Duration::from_secs(30);

fn issuer() -> LocalIssuer {
    let der = Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap();
    LocalIssuer::from_pem(to_pem(der.as_ref()).expose()).unwrap()
}

fn verifier(issuer: &LocalIssuer) -> Verifier {
    Verifier::new("mailagent", SKEW).with_local(issuer)
}

fn verify(verifier: &Verifier, token: &str, now: Timestamp) -> Result<Arc<Caller>, TokenError> {
    verifier
        .verify(token, now)
        .now_or_never()
        .expect("the local issuer waits for nothing")
        .map(|verified| verified.caller)
}

fn claims() -> Claims {
    Claims {
        iss: LOCAL_ISSUER.into(),
        sub: "ann".into(),
        tenant: "acme".into(),
        scope: vec![Scope::AgentRead, Scope::ArchiveRead],
        aud: vec!["mailagent".into()],
        exp: NOW.after(Duration::from_hours(1)),
        nbf: None,
        iat: NOW,
        jti: "01J".into(),
    }
}

/// A token of this issuer with any claims at all.
fn raw(issuer: &LocalIssuer, header: &Header, claims: &Value) -> String {
    jsonwebtoken::encode(header, claims, &issuer.private).unwrap()
}

#[test]
fn a_token_says_what_was_put_in() {
    let issuer = issuer();
    let verifier = verifier(&issuer);
    for claims in [
        claims(),
        Claims {
            aud: vec!["other".into(), "mailagent".into()],
            nbf: Some(NOW),
            scope: Scope::ALL.to_vec(),
            ..claims()
        },
    ] {
        let expected = Caller {
            tenant: "acme".into(),
            user: "ann".into(),
            scopes: claims.scope.clone(),
        };
        let token = issuer.issue(&claims).unwrap();
        assert_eq!(*verify(&verifier, &token, NOW).unwrap(), expected);
        assert_eq!(*verify(&verifier, &token, NOW).unwrap(), expected, "remembered");
    }
}

#[test]
fn doubled_claims_are_refused() {
    let issuer = issuer();
    let verifier = verifier(&issuer);
    let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let signed = |header: &str, claims: &str| {
        let message = format!("{}.{}", part(header), part(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &issuer.private, Algorithm::EdDSA).unwrap();
        format!("{message}.{signature}")
    };
    let token = issuer.issue(&claims()).unwrap();
    let plain = |index: usize| {
        let part = token.split('.').nth(index).unwrap();
        String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    let (header, claims) = (plain(0), plain(1));
    assert!(verify(&verifier, &signed(&header, &claims), NOW).is_ok());
    let doubled = |json: &str, name: &str, value: &str| json.replacen('{', &format!("{{\"{name}\":{value},\"{name}\":{value},"), 1);
    // Also with claims that are ignored here.
    for claims in [doubled(&claims, "tenant", "\"acme\""), doubled(&claims, "unheard_of", "1")] {
        assert_eq!(
            verify(&verifier, &signed(&header, &claims), NOW),
            Err(TokenError::Malformed),
            "{claims}"
        );
    }
    let header = doubled(&header, "x", "1");
    assert_eq!(verify(&verifier, &signed(&header, &claims), NOW), Err(TokenError::Malformed));
}

#[test]
fn the_key_comes_back_from_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("issuer.pem");
    let token = LocalIssuer::load_or_create(&path).unwrap().issue(&claims()).unwrap();
    let again = LocalIssuer::load_or_create(&path).unwrap();
    assert!(verify(&verifier(&again), &token, NOW).is_ok());
    assert_eq!(verify(&verifier(&issuer()), &token, NOW), Err(TokenError::UnknownKey));

    std::fs::write(&path, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
    let error = LocalIssuer::load_or_create(&path).unwrap_err();
    assert!(matches!(error, KeyFileError::Damaged { .. }), "{error}");
}

#[test]
fn keys_of_openssl_are_accepted() {
    // RFC 8410 §10.3.
    let pem = b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    let issuer = LocalIssuer::from_pem(pem).unwrap();
    let token = issuer.issue(&claims()).unwrap();
    assert!(verify(&verifier(&issuer), &token, NOW).is_ok());
}

#[test]
fn times_are_checked_with_skew_also_when_remembered() {
    let issuer = issuer();
    let at = |seconds: u64| NOW.after(Duration::from_secs(seconds));
    let token = issuer
        .issue(&Claims {
            nbf: Some(at(100)),
            ..claims()
        })
        .unwrap();
    let one = verifier(&issuer);
    for remembered in [false, true] {
        for (seconds, expected) in [
            (0, Some(TokenError::NotYetValid)),
            (69, Some(TokenError::NotYetValid)),
            (70, None),
            (3600, None),
            (3629, None),
            (3630, Some(TokenError::Expired)),
            (1_000_000, Some(TokenError::Expired)),
        ] {
            let fresh = verifier(&issuer);
            let verifier = if remembered { &one } else { &fresh };
            assert_eq!(verify(verifier, &token, at(seconds)).err(), expected, "{seconds} {remembered}");
        }
    }
}

#[test]
fn wrong_tokens_are_refused() {
    let issuer = issuer();
    let verifier = verifier(&issuer);
    let good = serde_json::to_value(claims().to_wire()).unwrap();
    let check = |change: Value, expected: Option<TokenError>| {
        let mut claims = good.clone();
        for (key, value) in change.as_object().unwrap() {
            claims[key] = value.clone();
        }
        let token = raw(&issuer, &issuer.header, &claims);
        assert_eq!(verify(&verifier, &token, NOW).err(), expected, "{change}");
    };
    let missing = |claim: &'static str| Some(TokenError::Missing(claim.into()));
    check(json!({}), None);
    check(json!({"scope": "agent.read unknown.scope  "}), None);
    check(json!({"scope": 7}), missing("scope"));
    check(json!({"iss": "https://issuer.example"}), Some(TokenError::Issuer));
    check(json!({"iss": null}), missing("iss"));
    check(json!({"aud": "other"}), Some(TokenError::Audience));
    check(json!({"aud": []}), Some(TokenError::Audience));
    check(json!({"aud": [["mailagent"], 7]}), Some(TokenError::Audience));
    check(json!({"aud": null}), missing("aud"));
    check(json!({"exp": 0}), Some(TokenError::Expired));
    check(json!({"exp": -1}), Some(TokenError::Expired));
    check(json!({"exp": 1_800_000_000.5}), None);
    check(json!({"exp": "tomorrow"}), missing("exp"));
    check(json!({"exp": null}), missing("exp"));
    check(json!({"exp": i64::MAX}), None);
    check(json!({"exp": u64::MAX}), None);
    check(json!({"nbf": "now"}), missing("nbf"));
    check(json!({"iat": 1_800_000_031}), Some(TokenError::NotYetValid));
    check(json!({"iat": null}), None);
    check(json!({"cnf": {"jkt": "x"}}), Some(TokenError::Bound));
    for claim in ["sub", "tenant"] {
        for bad in ["", "a b", "a/b", "../x", "é", &"a".repeat(65)] {
            check(json!({claim: bad}), Some(TokenError::Claim(claim.into())));
        }
        check(json!({claim: "a".repeat(64)}), None);
        check(json!({claim: 7}), missing(claim));
    }
    let with = |change: fn(&mut Header)| {
        let mut header = issuer.header.clone();
        change(&mut header);
        verify(&verifier, &raw(&issuer, &header, &good), NOW).err()
    };
    assert_eq!(with(|header| header.crit = Some(vec!["b64".into()])), Some(TokenError::Malformed));
    assert_eq!(with(|header| header.typ = Some("application/AT+JWT".into())), None, "RFC 9068");
    assert_eq!(with(|header| header.typ = None), None);
    assert_eq!(with(|header| header.typ = Some("logout+jwt".into())), Some(TokenError::Type));
    assert_eq!(with(|header| header.kid = None), None, "there is one key only");
    assert_eq!(with(|header| header.kid = Some("another".into())), Some(TokenError::UnknownKey));
}

#[test]
fn the_algorithm_is_pinned() {
    let issuer = issuer();
    let verifier = verifier(&issuer);
    let wire = serde_json::to_value(claims().to_wire()).unwrap();
    // The well-known confusion: the public key as the secret of HMAC.
    let mut header = Header::new(Algorithm::HS256);
    header.kid.clone_from(&issuer.header.kid);
    let hmac = jsonwebtoken::encode(&header, &wire, &EncodingKey::from_secret(&issuer.public)).unwrap();
    assert_eq!(verify(&verifier, &hmac, NOW), Err(TokenError::Algorithm));
    let token = issuer.issue(&claims()).unwrap();
    let (_, rest) = token.split_once('.').unwrap();
    let body = rest.split_once('.').unwrap().0;
    // The newer name of the same way (RFC 9864).
    let header = URL_SAFE_NO_PAD.encode(json!({"alg": "Ed25519", "kid": issuer.header.kid}).to_string());
    let message = format!("{header}.{body}");
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &issuer.private, Algorithm::EdDSA).unwrap();
    assert!(verify(&verifier, &format!("{message}.{signature}"), NOW).is_ok());
    for algorithm in ["none", "None", "RS256", "ES256", "eddsa"] {
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": algorithm, "kid": issuer.header.kid}).to_string());
        for forged in [format!("{header}.{body}."), format!("{header}.{rest}")] {
            assert_eq!(verify(&verifier, &forged, NOW), Err(TokenError::Algorithm), "{algorithm}");
        }
    }
}

#[test]
fn only_acceptable_tokens_are_issued() {
    let issuer = issuer();
    let check = |claims: Claims, expected| assert_eq!(issuer.issue(&claims).err(), Some(expected));
    check(
        Claims {
            sub: "a b".into(),
            ..claims()
        },
        TokenError::Claim("sub".into()),
    );
    check(
        Claims {
            tenant: "".into(),
            ..claims()
        },
        TokenError::Claim("tenant".into()),
    );
    check(
        Claims {
            iss: "x".into(),
            ..claims()
        },
        TokenError::Issuer,
    );
    check(Claims { aud: vec![], ..claims() }, TokenError::Audience);
    check(
        Claims {
            jti: "x".repeat(MAX_TOKEN_BYTES),
            ..claims()
        },
        TokenError::TooLong,
    );
    let long = "x".repeat(MAX_TOKEN_BYTES + 1);
    assert_eq!(verify(&verifier(&issuer), &long, NOW), Err(TokenError::TooLong));
}

/// The bytes of a number of this many bits, in base64url.
fn number(bits: usize) -> String {
    let mut bytes = vec![0xff; bits.div_ceil(8)];
    bytes[0] >>= bits.div_ceil(8) * 8 - bits;
    URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn of_a_key_set_only_keys_for_signatures_count() {
    let check = |key: Value, expected: usize| {
        let set = KeySet::parse(json!({ "keys": [key] }).to_string().as_bytes()).unwrap();
        assert_eq!((set.len(), set.passed_over()), (expected, 1 - expected), "{key}");
    };
    let rsa = |bits| json!({"kty": "RSA", "kid": "1", "n": number(bits), "e": "AQAB"});
    let with = |mut key: Value, name: &str, value: Value| {
        key[name] = value;
        key
    };
    for (bits, count) in [(1024, 0), (2047, 0), (2048, 1), (4096, 1), (8192, 1), (8193, 0)] {
        check(rsa(bits), count);
    }
    check(json!({"kty": "RSA", "n": format!("AAAA{}", number(2040)), "e": "AQAB"}), 0);
    for (algorithm, count) in [("RS256", 1), ("PS512", 1), ("ES256", 0), ("RSA-OAEP", 0), ("HS256", 0), ("none", 0)] {
        check(with(rsa(2048), "alg", json!(algorithm)), count);
    }
    check(with(rsa(2048), "use", json!("sig")), 1);
    check(with(rsa(2048), "use", json!("enc")), 0);
    check(with(rsa(2048), "key_ops", json!(["verify"])), 1);
    check(with(rsa(2048), "key_ops", json!(["encrypt"])), 0);
    check(with(rsa(2048), "key_ops", json!([])), 0);
    check(with(rsa(2048), "kid", json!("x".repeat(513))), 0);
    check(with(rsa(2048), "kid", json!(7)), 0);
    check(with(rsa(2048), "d", json!("AQAB")), 0);
    check(with(rsa(2048), "e", json!("AQABAQAB")), 0);
    check(with(rsa(2048), "n", json!("")), 0);
    check(with(rsa(2048), "n", json!("not/base64url")), 0);
    let (short, long) = (number(256), number(384));
    check(json!({"kty": "EC", "crv": "P-256", "x": short, "y": short}), 1);
    check(json!({"kty": "EC", "crv": "P-384", "x": long, "y": long}), 1);
    check(json!({"kty": "EC", "crv": "P-256", "x": long, "y": long}), 0);
    check(json!({"kty": "EC", "crv": "secp256k1", "x": short, "y": short}), 0);
    check(json!({"kty": "OKP", "crv": "Ed25519", "x": short}), 1);
    check(json!({"kty": "OKP", "crv": "Ed25519", "alg": "Ed25519", "x": short}), 1);
    check(json!({"kty": "OKP", "crv": "X25519", "x": short}), 0);
    check(json!({"kty": "oct", "k": short}), 0);
    check(json!("key"), 0);

    assert!(KeySet::parse(br#"{"keys":[]}"#).unwrap().is_empty());
    for bad in ["", "[]", "{}", r#"{"keys":{}}"#, "<html>"] {
        assert_eq!(KeySet::parse(bad.as_bytes()).err(), Some(KeySetError::Malformed), "{bad}");
    }
    let many = |count: usize| KeySet::parse(json!({ "keys": vec![rsa(2048); count] }).to_string().as_bytes());
    assert_eq!(many(100).unwrap().len(), 100);
    assert_eq!(many(101).err(), Some(KeySetError::TooMany));
    assert_eq!(KeySet::parse(&vec![b' '; MAX_KEY_SET_BYTES + 1]).err(), Some(KeySetError::TooLong));
}

#[test]
fn a_key_that_stays_is_not_withdrawn() {
    let (one, two) = (issuer(), issuer());
    let before = one.key_set();
    let mut same = one.key_set();
    same.succeed(&before);
    let signer = |set: &KeySet, issuer: &LocalIssuer| {
        let token = issuer.issue(&claims()).unwrap();
        let (message, signature) = token.rsplit_once('.').unwrap();
        let signed = key_set::Signed {
            message,
            signature,
            algorithm: Algorithm::EdDSA,
        };
        set.signer(issuer.header.kid.as_deref(), &signed)
    };
    let key = signer(&same, &one).unwrap();
    assert!(Arc::ptr_eq(&key, &signer(&before, &one).unwrap()) && !key.is_withdrawn());
    let mut other = two.key_set();
    other.succeed(&same);
    assert!(key.is_withdrawn());
    assert_eq!(signer(&other, &one).err(), Some(TokenError::UnknownKey));
    assert!(!signer(&other, &two).unwrap().is_withdrawn());
}

proptest! {
    #[test]
    fn rubbish_is_refused(token in any::<String>()) {
        prop_assert!(verify(&verifier(&issuer()), &token, NOW).is_err());
    }

    #[test]
    fn no_character_may_change(at in any::<prop::sample::Index>(), with in "[A-Za-z0-9_-]") {
        let issuer = issuer();
        let verifier = verifier(&issuer);
        let token = issuer.issue(&claims()).unwrap();
        let mut changed = token.clone();
        let at = at.index(token.len());
        changed.replace_range(at..=at, &with);
        prop_assert_eq!(verify(&verifier, &changed, NOW).is_ok(), changed == token);
    }

    #[test]
    fn a_key_set_of_anything_is_read_or_refused(json in r#"\{"keys":\[(\{("(kty|crv|x|y|n|e|use|alg|kid)":"(RSA|EC|OKP|P-256|[A-Za-z0-9_-]{0,50})",?){0,5}\},?){0,3}\]\}"#) {
        let _ = KeySet::parse(json.as_bytes());
    }
}
