//! Who logged in: the content of an ID token (OpenID Connect Core 1.0 §2), and of profile pages.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::Value;

use crate::{crypto::from_strict_json, domain::Timestamp};

/// By how much the provider's clock may differ.
const SKEW: Duration = Duration::from_mins(5);

/// What an ID token must say. It came directly from the token endpoint over TLS, so its signature need not be checked (§3.1.3.7, rule 6).
pub(super) struct Expected<'a> {
    /// The issuer; `{tenantid}` in it stands for the token's own tenant.
    pub issuer: &'a str,
    /// This service at the provider.
    pub client_id: &'a str,
    /// What the login was begun with.
    pub nonce: &'a str,
    pub now: Timestamp,
}

/// What a provider says about the account that logged in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Claims {
    iss: String,
    aud: Value,
    exp: i64,
    nonce: String,
    pub sub: String,
    tid: String,
    email: String,
    email_verified: Option<Value>,
    preferred_username: String,
    upn: String,
}

impl Claims {
    /// Reads and validates an ID token.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn of_id_token(token: &str, expected: &Expected<'_>) -> Result<Self, &'static str> {
        let mut parts = token.split('.');
        let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err("it is not a JWT");
        };
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| "it is not a JWT")?;
        let claims: Self = from_strict_json(&payload).map_err(|_| "its claims cannot be read")?;
        if claims.iss != expected.issuer.replace("{tenantid}", &claims.tid) {
            return Err("it is from another issuer");
        }
        let meant = match &claims.aud {
            Value::String(one) => one == expected.client_id,
            Value::Array(several) => several.iter().any(|one| one == expected.client_id),
            _ => false,
        };
        if !meant {
            return Err("it is for another application");
        }
        if claims.nonce != expected.nonce {
            return Err("it is from another login");
        }
        if Timestamp::from_seconds(claims.exp).after(SKEW) < expected.now {
            return Err("it has expired");
        }
        Ok(claims)
    }

    /// Verified names of an account of Microsoft: its principal names. The claim `email` is whatever the account's administrator wrote there.
    pub(super) fn principal_names(&self) -> Vec<String> {
        addresses(vec![self.preferred_username.clone(), self.upn.clone()])
    }

    /// Verified names of an account of any other provider: its e-mail address, unless the provider says that it is unverified.
    pub(super) fn email_names(&self) -> Vec<String> {
        let unverified = matches!(&self.email_verified, Some(Value::Bool(false))) || self.email_verified == Some("false".into());
        addresses(if unverified { Vec::new() } else { vec![self.email.clone()] })
    }
}

fn addresses(mut names: Vec<String>) -> Vec<String> {
    names.retain(|name| name.contains('@'));
    names.dedup();
    names
}

/// Names in a profile of Microsoft Graph (`GET /me`).
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct GraphProfile {
    mail: Option<String>,
    user_principal_name: Option<String>,
}

impl GraphProfile {
    pub(super) fn names(self) -> Vec<String> {
        [self.mail, self.user_principal_name].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token(claims: &Value) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    #[test]
    fn an_id_token_must_be_of_this_login() {
        let expected = Expected {
            issuer: "https://login.example/{tenantid}/v2.0",
            client_id: "us",
            nonce: "n1",
            now: Timestamp::from_seconds(1_000_000),
        };
        let good = json!({
            "iss": "https://login.example/t1/v2.0", "tid": "t1", "aud": "us", "exp": 1_000_000, "nonce": "n1", "sub": "s",
            "preferred_username": "anna@example.com", "email": "boss@example.com",
        });
        let check = |change: Value, expected_fault: Option<&str>| {
            let mut claims = good.clone();
            for (key, value) in change.as_object().expect("it is an object") {
                claims[key] = value.clone();
            }
            let read = Claims::of_id_token(&token(&claims), &expected);
            assert_eq!(read.as_ref().err().copied(), expected_fault, "{change}");
        };
        check(json!({}), None);
        check(json!({"aud": ["other", "us"]}), None);
        check(json!({"exp": 1_000_000 - 299}), None);
        check(json!({"exp": 1_000_000 - 301}), Some("it has expired"));
        check(json!({"exp": null}), Some("its claims cannot be read"));
        check(json!({"aud": "other"}), Some("it is for another application"));
        check(json!({"aud": ["other"]}), Some("it is for another application"));
        check(json!({"nonce": "n2"}), Some("it is from another login"));
        check(json!({"nonce": ""}), Some("it is from another login"));
        check(json!({"tid": "t2"}), Some("it is from another issuer"));
        check(json!({"iss": "https://evil.example/t1/v2.0"}), Some("it is from another issuer"));
        // Doubled: whoever reads the other one sees another account.
        for twice in ["preferred_username", "aud", "something_else"] {
            let json = good
                .to_string()
                .replacen('{', &format!("{{\"{twice}\":\"us\",\"{twice}\":\"us\","), 1);
            let doubled = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(json));
            assert_eq!(
                Claims::of_id_token(&doubled, &expected).err(),
                Some("its claims cannot be read"),
                "{twice}"
            );
        }
        for rubbish in ["", "a.b", "a.b.c.d", "e30.!.x"] {
            assert_eq!(Claims::of_id_token(rubbish, &expected).err(), Some("it is not a JWT"), "{rubbish}");
        }
    }

    #[test]
    fn only_names_that_the_provider_vouches_for_count() {
        let names = |claims: Value, of: fn(&Claims) -> Vec<String>| of(&serde_json::from_value(claims).expect("it is read"));
        let claims = json!({"preferred_username": "anna@example.com", "email": "boss@example.com", "email_verified": true});
        assert_eq!(names(claims.clone(), Claims::principal_names), ["anna@example.com"]);
        assert_eq!(names(claims, Claims::email_names), ["boss@example.com"]);
        for unverified in [json!(false), json!("false")] {
            assert!(
                names(
                    json!({"email": "boss@example.com", "email_verified": unverified}),
                    Claims::email_names
                )
                .is_empty()
            );
        }
        assert_eq!(
            names(json!({"email": "anna@example.com"}), Claims::email_names),
            ["anna@example.com"]
        );
        assert!(names(json!({"email": "anna", "preferred_username": "anna"}), Claims::email_names).is_empty());
    }
}
