//! The content of a token.

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::TokenError;
use crate::domain::{Caller, Scope, TenantId, Timestamp, is_id};

/// The content of a token of the local issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Its issuer; [`super::LOCAL_ISSUER`] for the local one.
    pub iss: String,
    /// The user: 1 to 64 characters of `A-Za-z0-9._-`.
    pub sub: String,
    /// The tenant: 1 to 64 characters of `A-Za-z0-9._-`.
    pub tenant: TenantId,
    /// What the user may do.
    pub scope: Vec<Scope>,
    /// Its audiences; at least one.
    pub aud: Vec<String>,
    /// Until when it is valid, in whole seconds.
    pub exp: Timestamp,
    /// From when it is valid, in whole seconds, if it says so.
    pub nbf: Option<Timestamp>,
    /// When it was issued, in whole seconds.
    pub iat: Timestamp,
    /// Its own id.
    pub jti: String,
}

impl Claims {
    pub(super) fn check_names(&self) -> Result<(), TokenError> {
        for (claim, value) in [("sub", self.sub.as_str()), ("tenant", self.tenant.as_str())] {
            if !is_id(value) {
                return Err(TokenError::Claim(claim.into()));
            }
        }
        Ok(())
    }

    pub(super) fn to_wire(&self) -> EncodedClaims<'_> {
        let names: Vec<&str> = self.scope.iter().map(|scope| scope.as_str()).collect();
        EncodedClaims {
            iss: &self.iss,
            sub: &self.sub,
            tenant: self.tenant.as_str(),
            scope: names.join(" "),
            aud: match self.aud.as_slice() {
                [one] => Audience::One(one),
                several => Audience::Several(several),
            },
            exp: self.exp.seconds(),
            nbf: self.nbf.map(Timestamp::seconds),
            iat: self.iat.seconds(),
            jti: &self.jti,
        }
    }
}

/// The claims as they are encoded.
#[derive(Serialize)]
pub(super) struct EncodedClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    tenant: &'a str,
    /// Names with spaces between them (RFC 8693 §4.2).
    scope: String,
    aud: Audience<'a>,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    iat: i64,
    jti: &'a str,
}

/// One name or several (RFC 7519 §4.1.3).
#[derive(Serialize)]
#[serde(untagged)]
enum Audience<'a> {
    One(&'a str),
    Several(&'a [String]),
}

/// The claims of an issuer that say who calls and what they may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimNames {
    /// Names the tenant.
    pub tenant: Cow<'static, str>,
    /// Names the user.
    pub user: Cow<'static, str>,
    /// Has the scopes: a text with spaces between them, or a list of texts. When it is `scope` and a token has none, `scp` is used.
    pub scope: Cow<'static, str>,
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self {
            tenant: "tenant".into(),
            user: "sub".into(),
            scope: "scope".into(),
        }
    }
}

/// When a token is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) until: Timestamp,
    pub(super) from: Option<Timestamp>,
}

impl Validity {
    /// Fails unless `now` is within, give or take `skew`.
    pub(super) fn check(self, now: Timestamp, skew: Duration) -> Result<(), TokenError> {
        if self.until.after(skew) <= now {
            return Err(TokenError::Expired);
        }
        if self.from.is_some_and(|from| from.before(skew) > now) {
            return Err(TokenError::NotYetValid);
        }
        Ok(())
    }
}

/// The part of a token that says what it is and how it is signed (RFC 7515 §4).
#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) alg: String,
    #[serde(default)]
    pub(super) kid: Option<String>,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default)]
    crit: Option<Value>,
}

impl Header {
    /// Fails unless the token may be an access token that is fully understood.
    pub(super) fn check(&self) -> Result<(), TokenError> {
        // Extensions that must be understood are not (RFC 7515 §4.1.11).
        if self.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        // `at+jwt` by RFC 9068 §2.1, with or without the media type's first part.
        let typ = self.typ.as_deref().unwrap_or("JWT").to_ascii_lowercase();
        match typ.strip_prefix("application/").unwrap_or(&typ) {
            "jwt" | "at+jwt" => Ok(()),
            _ => Err(TokenError::Type),
        }
    }
}

/// The issuer, the only claim that matters before the signature is checked.
pub(super) fn issuer(payload: &Value) -> Result<&str, TokenError> {
    text(payload, "iss")
}

/// Who calls, and when the token is valid. The signature and the issuer have been checked.
pub(super) fn read(payload: &Value, names: &ClaimNames, audience: &str) -> Result<(Caller, Validity), TokenError> {
    let meant = match &payload["aud"] {
        Value::String(one) => one == audience,
        Value::Array(several) => several.iter().any(|one| one == audience),
        _ => return Err(TokenError::Missing("aud".into())),
    };
    if !meant {
        return Err(TokenError::Audience);
    }
    if !payload["cnf"].is_null() {
        return Err(TokenError::Bound);
    }
    let until = time(payload, "exp")?.ok_or(TokenError::Missing("exp".into()))?;
    // A token issued in the future is as invalid as one that is not valid yet.
    let from = time(payload, "nbf")?.max(time(payload, "iat")?);
    let id = |claim: &Cow<'static, str>| {
        let value = text(payload, claim)?;
        if is_id(value) {
            Ok(value.to_owned())
        } else {
            Err(TokenError::Claim(claim.clone()))
        }
    };
    let caller = Caller {
        tenant: id(&names.tenant)?.into(),
        user: id(&names.user)?.into(),
        scopes: scopes(payload, names)?,
    };
    Ok((caller, Validity { until, from }))
}

/// The scopes that this release knows; without the claim none.
fn scopes(payload: &Value, names: &ClaimNames) -> Result<Vec<Scope>, TokenError> {
    let claim = match (payload.get(&*names.scope), &*names.scope) {
        (None, "scope") => &payload["scp"],
        (claim, _) => claim.unwrap_or(&Value::Null),
    };
    match claim {
        Value::Null => Ok(Vec::new()),
        Value::String(text) => Ok(text.split(' ').filter_map(Scope::parse).collect()),
        Value::Array(list) => Ok(list.iter().filter_map(Value::as_str).filter_map(Scope::parse).collect()),
        _ => Err(TokenError::Missing(names.scope.clone())),
    }
}

fn text<'a>(payload: &'a Value, claim: &str) -> Result<&'a str, TokenError> {
    let value = payload.get(claim).and_then(Value::as_str);
    value.ok_or_else(|| TokenError::Missing(claim.to_owned().into()))
}

/// A time in seconds since 1970, which may have a fraction (RFC 7519 §2).
fn time(payload: &Value, claim: &'static str) -> Result<Option<Timestamp>, TokenError> {
    let number = match &payload[claim] {
        Value::Null => return Ok(None),
        Value::Number(number) => number,
        _ => return Err(TokenError::Missing(claim.into())),
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole seconds are enough, and what is beyond all times stays so"
    )]
    let seconds = number.as_i64().or_else(|| number.as_f64().map(|seconds| seconds as i64));
    Ok(seconds.map(Timestamp::from_seconds))
}
