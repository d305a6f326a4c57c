//! Logins, consents and events about them.

use super::{duration, name, time, unknown_value};
use crate::{
    api::v1,
    crypto::Secret,
    domain::{Error, LoginSource, LoginState, Result, TokenEventKind, TokenFilter},
    ops::login::{AuthenticationView, CallbackResult, ConsentView, notify::LoginEvent},
};

/// A login as people see it.
pub(in crate::api) fn authentication(view: AuthenticationView) -> v1::Authentication {
    let AuthenticationView {
        source,
        login,
        now,
        proof_expires,
        providers,
    } = view;
    let none = v1::Authentication {
        state: v1::AuthenticationState::None.into(),
        source: source.to_string(),
        available_providers: providers,
        ..v1::Authentication::default()
    };
    let Some(login) = login else { return none };
    let (time_left, fraction_left) = login.left(now).unzip();
    let state = match login.state {
        LoginState::Active => v1::AuthenticationState::Active,
        LoginState::Expired => v1::AuthenticationState::Expired,
        LoginState::Required => v1::AuthenticationState::LoginRequired,
    };
    let (failing_since, failing) = login.failing.unzip();
    let failed = login.state != LoginState::Active || failing.is_some();
    v1::Authentication {
        state: state.into(),
        provider: login.provider,
        account: login.account,
        login_user: login.user.name(),
        login_time: time(login.made),
        renew_time: time(login.renewed),
        expire_time: login.expires.and_then(time),
        time_left: time_left.map(duration),
        fraction_left,
        problem: login.problem,
        provider_reply: if failed { login.provider_reply } else { String::new() },
        access_token_expire_time: login.access_expires.and_then(time),
        renewal_problem_time: failing_since.and_then(time),
        renewal_problem: failing.unwrap_or_default(),
        client_secret_expire_time: proof_expires.and_then(time),
        ..none
    }
}

/// A consent.
pub(in crate::api) fn consent(view: ConsentView) -> v1::AdminConsent {
    v1::AdminConsent {
        name: name("adminConsents", &view.domain),
        domain: view.domain,
        directory: view.directory,
        authentication: Some(authentication(view.authentication)),
        agent_count: i32::try_from(view.agents).unwrap_or(i32::MAX),
    }
}

/// What is logged in to.
///
/// # Errors
/// A violation for a malformed name.
pub(in crate::api) fn source(text: &str) -> Result<LoginSource> {
    let source = LoginSource::parse(text).filter(|source| !matches!(source, LoginSource::AdminConsent(_)));
    source.ok_or_else(|| Error::invalid_field("name", "must be agents/{agent} or maintenanceAccounts/{maintenance_account}."))
}

/// The domain in the name of a consent.
///
/// # Errors
/// A violation for a malformed name.
pub(in crate::api) fn consent_domain(text: &str) -> Result<String> {
    match LoginSource::parse(text) {
        Some(LoginSource::AdminConsent(domain)) => Ok(domain),
        _ => Err(Error::invalid_field("name", "must be adminConsents/{domain}.")),
    }
}

/// What the front end passes on.
///
/// # Errors
/// A violation when it is neither a code nor an error.
pub(in crate::api) fn answered(request: v1::CompleteLoginRequest) -> Result<(String, CallbackResult)> {
    let code = Secret::new(request.authorization_code);
    let answered = match (code.expose().is_empty(), request.error.is_empty()) {
        (_, false) => CallbackResult::Error(request.error, request.error_description),
        (false, true) => CallbackResult::Code(code),
        (true, true) => {
            return Err(Error::invalid_field(
                "code",
                "is required unless error is set: the value as the provider sent it.",
            ));
        }
    };
    Ok((request.state, answered))
}

/// Which events a stream has.
///
/// # Errors
/// A violation for a malformed name or an unknown value.
pub(in crate::api) fn token_filter(filter: v1::TokenEventFilter) -> Result<TokenFilter> {
    let is_provider = |text: &str| text.strip_prefix("providers/").is_some_and(|name| !name.is_empty());
    if !filter.source.is_empty() && LoginSource::parse(&filter.source).is_none() && !is_provider(&filter.source) {
        let description =
            "must be agents/{agent}, maintenanceAccounts/{maintenance_account}, adminConsents/{domain} or providers/{provider}.";
        return Err(Error::invalid_field("filter.source", description));
    }
    let kinds = filter.kinds.into_iter().map(|kind| match v1::TokenEventKind::try_from(kind) {
        Ok(v1::TokenEventKind::Expiring) => Ok(TokenEventKind::Expiring),
        Ok(v1::TokenEventKind::Expired) => Ok(TokenEventKind::Expired),
        Ok(v1::TokenEventKind::Renewed) => Ok(TokenEventKind::Renewed),
        Ok(v1::TokenEventKind::LoginRequired) => Ok(TokenEventKind::LoginRequired),
        Ok(v1::TokenEventKind::LoginRevoked) => Ok(TokenEventKind::LoginRevoked),
        Ok(v1::TokenEventKind::ConsentGiven) => Ok(TokenEventKind::ConsentGiven),
        Ok(v1::TokenEventKind::ConsentRevoked) => Ok(TokenEventKind::ConsentRevoked),
        Ok(v1::TokenEventKind::SecretExpiring) => Ok(TokenEventKind::SecretExpiring),
        Ok(v1::TokenEventKind::Unspecified) | Err(_) => Err(unknown_value("filter.kinds")),
    });
    Ok(TokenFilter {
        source: Some(filter.source).filter(|source| !source.is_empty()),
        kinds: kinds.collect::<Result<_>>()?,
    })
}

/// An event.
pub(in crate::api) fn event(told: LoginEvent) -> v1::TokenEvent {
    let event = told.event;
    let kind = match event.kind {
        TokenEventKind::Expiring => v1::TokenEventKind::Expiring,
        TokenEventKind::Expired => v1::TokenEventKind::Expired,
        TokenEventKind::Renewed => v1::TokenEventKind::Renewed,
        TokenEventKind::LoginRequired => v1::TokenEventKind::LoginRequired,
        TokenEventKind::LoginRevoked => v1::TokenEventKind::LoginRevoked,
        TokenEventKind::ConsentGiven => v1::TokenEventKind::ConsentGiven,
        TokenEventKind::ConsentRevoked => v1::TokenEventKind::ConsentRevoked,
        TokenEventKind::SecretExpiring => v1::TokenEventKind::SecretExpiring,
    };
    v1::TokenEvent {
        id: told.id,
        event_time: time(told.time),
        kind: kind.into(),
        source: event.source,
        owner_user: if event.owner_user.as_str().is_empty() {
            String::new()
        } else {
            event.owner_user.name()
        },
        account: event.account,
        provider: event.provider,
        expire_time: event.expires.and_then(time),
        threshold: event.threshold.map(duration),
        problem: event.problem,
        provider_reply: event.provider_reply,
    }
}
