//! Tokens of the local issuer.

use std::time::Duration;

use mailagent::testing::domain::Scope;
use reqwest::header::{HeaderMap, HeaderValue};
use tonic::Code;

use crate::harness::{Harness, TENANT, reason};

#[tokio::test(flavor = "multi_thread")]
async fn only_good_tokens_are_taken() {
    let h = Harness::new().await;
    let claims = h.claims(TENANT, "anna", Scope::ALL);
    let good = h.sign(claims.clone());
    let hour = Duration::from_hours(1);
    let other = Harness::new().await;
    let mut expired = claims.clone();
    expired.exp = claims.iat.before(hour);
    let mut early = claims.clone();
    early.nbf = Some(claims.iat.after(hour));
    let mut audience = claims;
    audience.aud = vec!["another".to_owned()];
    let mut changed = good.clone().into_bytes();
    let middle = changed.len() / 2;
    changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm5hIn0.";
    let rows = [
        (h.sign(expired), "has expired"),
        (h.sign(early), "not valid yet"),
        (h.sign(audience), "another audience"),
        (other.token(TENANT, "anna", Scope::ALL), "does not publish"),
        (String::from_utf8(changed).unwrap(), ""),
        (unsigned.to_owned(), ""),
        ("garbage".to_owned(), "malformed"),
        ("x".repeat(9_000), "too long"),
    ];
    let settings = "mailagent.v1.SettingsService/GetTenantSettings";
    for (token, says) in rows {
        let status = h.call(settings, &token, &[], HeaderMap::new()).await.expect_err(says);
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::Unauthenticated, "TOKEN_INVALID"),
            "{says}"
        );
        assert!(status.message().contains(says), "{says}: {status:?}");
        assert!(
            token.len() < 20 || !format!("{status:?}").contains(&token[..20]),
            "no part of the token is told"
        );
    }
    for value in ["", "Bearer", "Basic YTpi", good.as_str()] {
        let headers = HeaderMap::from_iter([("authorization".parse().unwrap(), HeaderValue::from_str(value).unwrap())]);
        let status = h.call(settings, "", &[], headers).await.expect_err(value);
        assert_eq!(status.code(), Code::Unauthenticated, "{value}");
    }
    h.call(settings, &good, &[], HeaderMap::new()).await.unwrap();
    h.clock.advance(Duration::from_hours(366 * 24));
    assert_eq!(
        h.call(settings, &good, &[], HeaderMap::new()).await.unwrap_err().code(),
        Code::Unauthenticated,
        "a year later"
    );
}
