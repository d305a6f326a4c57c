//! Token endpoints' replies in the form of the standard (RFC 6749 §5.1, §5.2), whatever small liberties a provider takes.
//!
//! By the time of the reply, the provider has often replaced the refresh token, so refusing a reply for its form ends the login. What would make
//! it mean something else stays an error: no access token, no JSON, a name twice in an object.

use http::StatusCode;
use serde::de::IgnoredAny;
use serde_json::{Deserializer, Map, Value, json};

use crate::crypto::from_strict_json;

/// Longest lifetime, in seconds: ten years.
const LIFETIME_LIMIT: f64 = 315_360_000.0;

/// A reply in the standard's form.
#[derive(Debug, PartialEq)]
pub(super) struct Reply {
    /// 200 with tokens; with an error, whatever it was or 400.
    pub status: StatusCode,
    /// An object of JSON.
    pub body: Value,
}

/// Brings a reply into the standard's form. `None` if it holds neither tokens nor an error: it is left to whoever reads it.
pub(super) fn standard(status: StatusCode, body: &[u8]) -> Option<Reply> {
    let fields = object(body)?;
    if let Some(access) = text(&fields, "access_token") {
        return Some(Reply {
            status: if status.is_success() { StatusCode::OK } else { status },
            body: tokens(&fields, access),
        });
    }
    let (error, description) = error(&fields)?;
    Some(Reply {
        status: if status.is_success() { StatusCode::BAD_REQUEST } else { status },
        body: json!({ "error": error, "error_description": description }),
    })
}

/// The object that a body begins with, after a byte order mark. What follows it says nothing.
fn object(body: &[u8]) -> Option<Map<String, Value>> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut values = Deserializer::from_slice(body).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    let end = values.byte_offset();
    from_strict_json(&body[..end]).ok()
}

/// The fields of a reply with tokens, each as the standard has it or not at all.
fn tokens(fields: &Map<String, Value>, access: &str) -> Value {
    let mut standard = json!({
        "access_token": access,
        // RFC 6749 §7.1: whoever does not know the type cannot use the token, and all that is used here is Bearer.
        "token_type": text(fields, "token_type").unwrap_or("Bearer"),
    });
    for name in ["refresh_token", "id_token"] {
        if let Some(token) = text(fields, name) {
            standard[name] = token.into();
        }
    }
    for name in ["expires_in", "refresh_token_expires_in", "refresh_expires_in"] {
        if let Some(seconds) = fields.get(name).and_then(seconds) {
            standard[name] = seconds.into();
        }
    }
    if let Some(scope) = fields.get("scope").and_then(scope) {
        standard["scope"] = scope.into();
    }
    standard
}

/// A text that is not blank.
fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    let text = fields.get(name)?.as_str()?;
    (!text.trim().is_empty()).then_some(text)
}

/// A lifetime: a number, perhaps with a fraction or as a text. `None` for one that says nothing, such as a negative one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 1 and ten years")]
fn seconds(value: &Value) -> Option<u64> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    (seconds >= 1.0).then(|| seconds.min(LIFETIME_LIMIT) as u64)
}

/// Scopes with spaces between them (§3.3), from a list too, or with commas. `None` for none: then all are granted that were requested.
fn scope(value: &Value) -> Option<String> {
    let scopes = match value {
        Value::String(text) => text.clone(),
        Value::Array(scopes) => scopes.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        _ => return None,
    };
    let scopes = scopes.trim();
    let scopes = if scopes.contains(' ') {
        scopes.to_owned()
    } else {
        scopes.replace(',', " ")
    };
    (!scopes.is_empty()).then_some(scopes)
}

/// An error's name and description: as the standard has them, as an object (Google's and Microsoft's APIs, Yahoo), or under names of the
/// provider's own (Okta and others).
fn error(fields: &Map<String, Value>) -> Option<(String, String)> {
    const NAMES: [&str; 7] = ["status", "reason", "error", "errorCode", "error_code", "errorId", "code"];
    const DESCRIPTIONS: [&str; 6] = [
        "error_description",
        "errorSummary",
        "error_message",
        "message",
        "description",
        "localizedMessage",
    ];
    let described = |fields: &Map<String, Value>| {
        DESCRIPTIONS
            .iter()
            .find_map(|name| text(fields, name))
            .unwrap_or_default()
            .to_owned()
    };
    match fields.get("error") {
        Some(Value::Object(error)) => {
            let name = NAMES.iter().find_map(|name| plain(error.get(*name)?))?;
            Some((name, described(error)))
        }
        Some(error) if plain(error).is_some() => Some((plain(error)?, described(fields))),
        _ => {
            let name = ["errorCode", "error_code", "code"]
                .iter()
                .find_map(|name| plain(fields.get(*name)?))?;
            Some((name, described(fields)))
        }
    }
}

/// A text or a number as text.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, expected: Option<(u16, Value)>) {
        let status = StatusCode::from_u16(status).expect("it is a status");
        let reply = standard(status, body.as_bytes()).map(|reply| (reply.status.as_u16(), reply.body));
        assert_eq!(reply, expected, "{body}");
    }

    #[test]
    fn tokens_are_taken_whatever_small_liberties_come_with_them() {
        let bearer = |more: Value| {
            let mut fields = json!({"access_token": "a", "token_type": "Bearer", "refresh_token": "r"});
            fields
                .as_object_mut()
                .expect("it is an object")
                .extend(more.as_object().expect("it is too").clone());
            fields
        };
        for (more, expected) in [
            (json!({"expires_in": 3599}), json!({"expires_in": 3599})),
            (json!({"expires_in": "3599"}), json!({"expires_in": 3599})),
            (json!({"expires_in": " 3599 "}), json!({"expires_in": 3599})),
            (json!({"expires_in": 3599.9}), json!({"expires_in": 3599})),
            (json!({"expires_in": "3599.0"}), json!({"expires_in": 3599})),
            (json!({"expires_in": 1e300}), json!({"expires_in": 315_360_000})),
            (json!({"expires_in": 0}), json!({})),
            (json!({"expires_in": -1}), json!({})),
            (json!({"expires_in": "soon"}), json!({})),
            (json!({"expires_in": "NaN"}), json!({})),
            (json!({"expires_in": null}), json!({})),
            (json!({"expires_in": {"seconds": 5}}), json!({})),
            (
                json!({"refresh_expires_in": "1800", "refresh_token_expires_in": 0}),
                json!({"refresh_expires_in": 1800}),
            ),
            (json!({"token_type": "bearer"}), json!({"token_type": "bearer"})),
            (json!({"token_type": null}), json!({})),
            (json!({"token_type": ["Bearer"]}), json!({})),
            (json!({"token_type": ""}), json!({})),
            (json!({"scope": "a b"}), json!({"scope": "a b"})),
            (json!({"scope": ["a", "b"]}), json!({"scope": "a b"})),
            (json!({"scope": "a,b"}), json!({"scope": "a b"})),
            (json!({"scope": ""}), json!({})),
            (json!({"scope": []}), json!({})),
            (json!({"scope": null}), json!({})),
            (json!({"id_token": null}), json!({})),
            (json!({"id_token": "i", "unknown": [1, {"x": null}]}), json!({"id_token": "i"})),
            (json!({"error": null}), json!({})),
        ] {
            let body = bearer(more).to_string();
            let expected = Some((200, bearer(expected)));
            check(200, &body, expected.clone());
            check(201, &body, expected.clone());
            check(200, &format!("\u{feff}\r\n {body}\n\0<!-- -->"), expected);
        }
        // A blank refresh token must not replace a good one.
        check(
            200,
            r#"{"access_token": "a", "refresh_token": " "}"#,
            Some((200, json!({"access_token": "a", "token_type": "Bearer"}))),
        );
    }

    #[test]
    fn errors_are_read_in_every_form() {
        let standard = |error: &str, description: &str| json!({"error": error, "error_description": description});
        for (status, body, expected) in [
            (
                400,
                json!({"error": "invalid_grant", "error_description": "no", "error_codes": [1], "error_uri": 5}),
                standard("invalid_grant", "no"),
            ),
            (
                400,
                json!({"error": "invalid_grant", "error_description": null}),
                standard("invalid_grant", ""),
            ),
            (
                401,
                json!({"error": {"code": 401, "message": "bad", "status": "UNAUTHENTICATED"}}),
                standard("UNAUTHENTICATED", "bad"),
            ),
            (
                401,
                json!({"error": {"code": "InvalidAuthenticationToken", "message": "bad", "innerError": {"date": "x"}}}),
                standard("InvalidAuthenticationToken", "bad"),
            ),
            (
                400,
                json!({"error": {"errorId": "INVALID_INPUT", "localizedMessage": "bad"}}),
                standard("INVALID_INPUT", "bad"),
            ),
            (
                400,
                json!({"errorCode": "invalid_client", "errorSummary": "bad", "errorLink": "x"}),
                standard("invalid_client", "bad"),
            ),
            (400, json!({"error": 5, "message": "bad"}), standard("5", "bad")),
        ] {
            check(status, &body.to_string(), Some((status, expected.clone())));
            check(200, &format!("\u{feff}{body}"), Some((400, expected)));
        }
    }

    #[test]
    fn what_is_neither_stays_what_it_is() {
        for body in [
            "",
            "<html>",
            "[]",
            "{}",
            "null",
            r#"{"access_token": ""}"#,
            r#"{"access_token": 5, "refresh_token": "r"}"#,
            r#"{"error": {}}"#,
            r#"{"access_token": "a", "access_token": "b"}"#,
            r#"{"access_token": "a", "id_token": "x", "id_token": "y"}"#,
            r#"{"access_token": "a""#,
        ] {
            check(200, body, None);
        }
    }
}
