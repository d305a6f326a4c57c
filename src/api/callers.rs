//! Identifies callers by the token in the headers of a request, or without one by the certificate of the connection.

use std::{sync::Arc, time::Duration};

use http::{Extensions, HeaderMap, header};

use super::certificate::{Certificate, Services};
use crate::{
    config,
    crypto::{TokenError, VerifiedToken, Verifier},
    domain::{Caller, Detail, Error, Kind, Reason, Result, Timestamp},
};

/// Identifies callers by their tokens and certificates.
#[derive(Debug)]
pub struct Callers {
    tokens: Verifier,
    services: Services,
}

impl Callers {
    /// Identifies callers whose tokens are trusted, and these services by their certificates.
    pub fn new(tokens: Verifier, services: &[config::Service]) -> Self {
        Self {
            tokens,
            services: Services::new(services),
        }
    }

    /// Who sent a request with these headers, over a connection with these properties. A token decides, even a bad one: a service that
    /// calls for a user is that user.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`], and [`Kind::Unavailable`] when the token issuer's keys are unavailable. No text contains any part of the
    /// token.
    pub(super) async fn identify(&self, headers: &HeaderMap, connection: &Extensions, now: Timestamp) -> Result<Credentials> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            let service = self.services.by_certificate(connection, now);
            let service = service.unwrap_or_else(|| Err(token_invalid("there is no token. Send one as `authorization: Bearer TOKEN`")));
            let (caller, certificate) = service?;
            return Ok(Credentials {
                caller,
                proof: Proof::Certificate(certificate),
            });
        };
        // A proxy may have checked a different one than we would.
        if values.next().is_some() {
            return Err(token_invalid("there is more than one `authorization` header. Send one"));
        }
        let token = value.to_str().ok().and_then(bearer);
        let token = token.ok_or_else(|| token_invalid("the `authorization` header is not of the form `Bearer TOKEN`"))?;
        match self.tokens.verify(token, now).await {
            Ok(token) => Ok(Credentials {
                caller: token.caller.clone(),
                proof: Proof::Token(token),
            }),
            Err(TokenError::KeysAway { retry_after }) => Err(issuer_unavailable(retry_after)),
            Err(error) => Err(token_invalid(&error.to_string())),
        }
    }
}

/// The caller, and the credentials.
pub(super) struct Credentials {
    /// Who calls.
    pub(super) caller: Arc<Caller>,
    proof: Proof,
}

enum Proof {
    Token(VerifiedToken),
    Certificate(Arc<Certificate>),
}

impl Credentials {
    /// Fails once they are no longer valid, for streams, which may outlive them.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`].
    pub(super) fn check(&self, now: Timestamp) -> Result<()> {
        match &self.proof {
            Proof::Token(token) => token.check(now).map_err(|error| token_invalid(&error.to_string())),
            Proof::Certificate(certificate) => certificate.check(now),
        }
    }
}

/// The token of a header's value (RFC 6750 §2.1). The scheme's case does not matter (RFC 9110 §11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start())
}

fn token_invalid(problem: &str) -> Error {
    let text = format!("Authentication failed: {problem}.");
    Error::new(Kind::Unauthenticated, Reason::TokenInvalid, text).with(Detail::Problem, problem)
}

/// A token cannot be verified at the moment.
pub(super) fn issuer_unavailable(retry_after: Duration) -> Error {
    let text = "The token issuer's keys are currently unavailable, so the token cannot be verified. Retry later.";
    Error::new(Kind::Unavailable { retry_after }, Reason::IssuerUnavailable, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_in_the_header() {
        assert_eq!(bearer("Bearer a.b.c"), Some("a.b.c"));
        assert_eq!(bearer("bearer  a.b.c "), Some("a.b.c"));
        assert_eq!(bearer("Basic YTpi"), None);
        assert_eq!(bearer("a.b.c"), None);
        assert_eq!(bearer("Bearer"), None);
    }
}
