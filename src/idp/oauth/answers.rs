//! The meaning of token endpoints' responses: the table (RFC 6749 §5.2, OpenID Connect Core §3.1.2.6, Microsoft's error codes).
//!
//! The `error` decides. Microsoft advises against relying on its numbers, so they only select the text for people, and decide about errors that no
//! standard defines. Any other response is an outage: it says nothing about the login.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};

use crate::net::{ErrorClass, ProviderError, replies::clean};

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grant {
    /// Tokens for an authorisation code.
    Code,
    /// Tokens for a refresh token.
    Refresh,
    /// A token of the application itself.
    Application,
}

/// What an error means for the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// Somebody has to log in, or to consent, again.
    Login,
    /// This service is misconfigured: the operator has to act, the login may be valid.
    Settings,
    /// It may be temporary.
    Passing,
}

/// Errors by name.
const ERRORS: &[(&str, Meaning)] = &[
    ("invalid_grant", Meaning::Login),
    ("interaction_required", Meaning::Login),
    ("consent_required", Meaning::Login),
    ("login_required", Meaning::Login),
    ("account_selection_required", Meaning::Login),
    ("mfa_required", Meaning::Login),
    ("access_denied", Meaning::Login),
    // Yahoo, and Zoho, which says so of refresh tokens too.
    ("invalid_refresh_token", Meaning::Login),
    ("invalid_code", Meaning::Login),
    ("invalid_client", Meaning::Settings),
    ("unauthorized_client", Meaning::Settings),
    ("invalid_scope", Meaning::Settings),
    ("invalid_request", Meaning::Settings),
    ("invalid_resource", Meaning::Settings),
    ("unsupported_grant_type", Meaning::Settings),
    ("unsupported_response_type", Meaning::Settings),
    ("temporarily_unavailable", Meaning::Passing),
    ("server_error", Meaning::Passing),
    ("slow_down", Meaning::Passing),
];

/// Microsoft's numbers: their meaning if the error itself is not a standard one, and the text for people.
/// <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>
const NUMBERS: &[(u32, Meaning, &str)] = &[
    (50_034, Meaning::Login, "The account does not exist in this directory."),
    (50_053, Meaning::Login, "The account is locked after too many failed logins."),
    (50_055, Meaning::Login, "The account's password has expired."),
    (50_057, Meaning::Login, "The account is disabled."),
    (50_074, Meaning::Login, "The company's policies require a second factor."),
    (50_076, Meaning::Login, "The company's policies require a second factor."),
    (
        50_079,
        Meaning::Login,
        "The company's policies require a second factor, which must be set up first.",
    ),
    (
        50_173,
        Meaning::Login,
        "The password was changed, or the account's sessions were revoked.",
    ),
    (
        53_003,
        Meaning::Login,
        "The company's access policies (conditional access) forbid this login.",
    ),
    (
        65_001,
        Meaning::Login,
        "Nobody has consented to this service having access, or the consent was revoked.",
    ),
    (65_004, Meaning::Login, "The person declined to give this service access."),
    (70_008, Meaning::Login, "The login has expired, as it was not used for too long."),
    (
        70_043,
        Meaning::Login,
        "The company's policies require a new login regularly (sign-in frequency).",
    ),
    (700_082, Meaning::Login, "The login has expired, as it was not used for too long."),
    (
        700_016,
        Meaning::Settings,
        "The application is not known in this directory: nobody consented there, or the consent was removed.",
    ),
    (7_000_112, Meaning::Settings, "The application is disabled in this directory."),
    (
        7_000_215,
        Meaning::Settings,
        "The client secret in this service's settings is wrong.",
    ),
    (
        7_000_222,
        Meaning::Settings,
        "The client secret in this service's settings has expired.",
    ),
    (90_002, Meaning::Settings, "The directory does not exist."),
];

/// What to do about it, by its meaning.
fn remedy(meaning: Meaning, grant: Grant) -> &'static str {
    match (meaning, grant) {
        (Meaning::Login, Grant::Application) => "Have an administrator of the domain consent again.",
        (Meaning::Login, _) => "Log in again.",
        (Meaning::Settings, _) => "Have the operator of this service check the provider's settings; until then nothing is renewed.",
        (Meaning::Passing, _) => "It is retried automatically.",
    }
}

/// The fault in an error response.
pub(super) fn judge(provider: &str, grant: Grant, error: &str, description: &str) -> ProviderError {
    let number = number(description);
    let known = number.and_then(|number| NUMBERS.iter().find(|(known, ..)| *known == number));
    let named = ERRORS.iter().find(|(name, _)| is_same(name, error)).map(|(_, meaning)| *meaning);
    let meaning = match named.or(known.map(|(_, meaning, _)| *meaning)) {
        // An application that is not known in the directory lacks its consent.
        Some(Meaning::Settings) if grant == Grant::Application && error == "unauthorized_client" => Meaning::Login,
        Some(meaning) => meaning,
        // An error of the provider's own, which may or may not be temporary.
        None => Meaning::Passing,
    };
    let what = match (known, meaning) {
        (Some((.., words)), _) => (*words).to_owned(),
        (None, Meaning::Login) if grant == Grant::Code => format!("{provider} did not accept the login."),
        (None, Meaning::Login) => {
            format!("{provider} no longer accepts the login: it expired, was revoked, or the password was changed.")
        }
        (None, Meaning::Settings) => format!("{provider} rejects this service."),
        (None, Meaning::Passing) => format!("{provider} has an internal error."),
    };
    let class = match meaning {
        Meaning::Login => ErrorClass::LoginRequired,
        Meaning::Settings => ErrorClass::Refused,
        Meaning::Passing => ErrorClass::Retry { after: None },
    };
    let mut fault = ProviderError::new(class, format!("{what} {}", remedy(meaning, grant)));
    fault.server_reply = words(error, description);
    fault
}

/// Whether an error has this name, also as `InvalidGrant` or `INVALID_GRANT`.
fn is_same(name: &str, error: &str) -> bool {
    let letters = |text: &str| -> Vec<u8> {
        let letters = text.bytes().filter(|byte| !matches!(byte, b'_' | b'-' | b' '));
        letters.map(|byte| byte.to_ascii_lowercase()).collect()
    };
    letters(name) == letters(error)
}

/// The fault of an endpoint that is busy or broken. `None` for a status that comes with a response.
pub(super) fn outage(provider: &str, status: StatusCode, headers: &HeaderMap) -> Option<ProviderError> {
    if status != StatusCode::TOO_MANY_REQUESTS && status != StatusCode::REQUEST_TIMEOUT && !status.is_server_error() {
        return None;
    }
    let after = headers
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let class = ErrorClass::Retry {
        after: after.map(Duration::from_secs),
    };
    let text = format!("{provider} is busy or has an internal error. The request is retried automatically; logins stay valid.");
    let mut fault = ProviderError::new(class, text);
    fault.server_reply = format!("HTTP {status}");
    Some(fault)
}

/// The fault of an endpoint whose response is invalid, which is an outage as well.
pub(super) fn nonsense(provider: &str) -> ProviderError {
    let text =
        format!("{provider} returned an invalid response. The request is retried automatically; have the operator check its address.");
    ProviderError::new(ErrorClass::Retry { after: None }, text)
}

/// The number in `AADSTS50173: …`.
fn number(description: &str) -> Option<u32> {
    let digits = &description[description.find("AADSTS")? + "AADSTS".len()..];
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

/// The provider's reply in one line. After its first line come ids for its support, which are kept.
pub fn words(error: &str, description: &str) -> String {
    let text = if description.is_empty() {
        error.to_owned()
    } else {
        format!("{error}: {description}")
    };
    clean(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: ErrorClass = ErrorClass::Retry { after: None };

    #[test]
    fn every_error_has_its_class() {
        use ErrorClass::{LoginRequired, Refused};
        let rows = [
            ("invalid_grant", "", LoginRequired),
            ("invalid_grant", "AADSTS50173: The provided grant has expired.", LoginRequired),
            (
                "invalid_grant",
                "AADSTS700082: The refresh token has expired due to inactivity.",
                LoginRequired,
            ),
            ("invalid_grant", "AADSTS70008: expired", LoginRequired),
            ("invalid_grant", "AADSTS70043: sign-in frequency", LoginRequired),
            ("invalid_grant", "AADSTS50057: The user account is disabled.", LoginRequired),
            (
                "invalid_grant",
                "AADSTS65001: The user or administrator has not consented",
                LoginRequired,
            ),
            (
                "interaction_required",
                "AADSTS50076: you must use multi-factor authentication",
                LoginRequired,
            ),
            ("interaction_required", "AADSTS50079: you must enroll", LoginRequired),
            ("interaction_required", "AADSTS53003: Blocked by Conditional Access", LoginRequired),
            ("consent_required", "", LoginRequired),
            ("login_required", "", LoginRequired),
            ("account_selection_required", "", LoginRequired),
            ("mfa_required", "", LoginRequired),
            ("access_denied", "AADSTS65004: User declined to consent", LoginRequired),
            ("invalid_refresh_token", "", LoginRequired),
            ("invalid_code", "", LoginRequired),
            ("INVALID_GRANT", "", LoginRequired),
            ("InvalidGrant", "", LoginRequired),
            ("invalid_client", "AADSTS7000215: Invalid client secret provided.", Refused),
            (
                "invalid_client",
                "AADSTS7000222: The provided client secret keys are expired.",
                Refused,
            ),
            (
                "unauthorized_client",
                "AADSTS700016: Application was not found in the directory",
                Refused,
            ),
            ("invalid_scope", "", Refused),
            ("invalid_request", "", Refused),
            ("invalid_resource", "", Refused),
            ("unsupported_grant_type", "", Refused),
            ("unsupported_response_type", "", Refused),
            ("temporarily_unavailable", "", RETRY),
            ("server_error", "", RETRY),
            ("slow_down", "", RETRY),
            // Of no standard: by the number, else it may pass.
            ("strange", "AADSTS50173: revoked", LoginRequired),
            ("strange", "AADSTS7000215: secret", Refused),
            ("strange", "AADSTS1: who knows", RETRY),
            ("strange", "", RETRY),
            // The number does not overrule the error.
            ("temporarily_unavailable", "AADSTS50173: revoked", RETRY),
        ];
        for (error, description, class) in rows {
            let fault = judge("Contoso", Grant::Refresh, error, description);
            assert_eq!(fault.class, class, "{error} {description}");
            assert!(fault.server_reply.starts_with(error), "{fault:?}");
            assert!(fault.problem.ends_with('.'), "{fault:?}");
        }
        for (error, _) in ERRORS {
            assert!(rows.iter().any(|(row, ..)| row == error), "{error} has no row");
        }
    }

    #[test]
    fn people_are_told_what_the_number_says() {
        let rows = [
            (50_173, "password was changed"),
            (50_076, "second factor"),
            (53_003, "conditional access"),
            (65_001, "consented"),
            (50_057, "disabled"),
            (700_082, "not used for too long"),
            (7_000_222, "has expired"),
        ];
        for (number, words) in rows {
            let fault = judge("Contoso", Grant::Refresh, "invalid_grant", &format!("AADSTS{number}: …"));
            assert!(fault.problem.contains(words), "{number}: {}", fault.problem);
        }
        let application = judge("Contoso", Grant::Application, "unauthorized_client", "AADSTS700016: not found");
        assert_eq!(application.class, ErrorClass::LoginRequired);
        assert!(application.problem.contains("consent again"), "{application:?}");
    }

    #[test]
    fn busy_and_broken_endpoints_say_nothing_of_the_login() {
        let headers = HeaderMap::from_iter([(header::RETRY_AFTER, "7".parse().expect("it is a value"))]);
        let class = |status: u16, headers: &HeaderMap| {
            let status = StatusCode::from_u16(status).expect("it is a status");
            outage("Contoso", status, headers).map(|fault| fault.class)
        };
        for status in [408, 429, 500, 502, 503, 504] {
            assert_eq!(class(status, &HeaderMap::new()), Some(RETRY), "{status}");
        }
        let after = Some(Duration::from_secs(7));
        assert_eq!(class(429, &headers), Some(ErrorClass::Retry { after }));
        for status in [200, 400, 401, 403] {
            assert_eq!(class(status, &HeaderMap::new()), None, "{status}");
        }
    }

    #[test]
    fn words_stay_in_one_line() {
        assert_eq!(
            words("invalid_grant", "AADSTS1: a\r\nTrace ID: b\r\n"),
            "invalid_grant: AADSTS1: a Trace ID: b"
        );
        assert_eq!(words("x", &"y".repeat(3000)).len(), 1024);
    }
}
