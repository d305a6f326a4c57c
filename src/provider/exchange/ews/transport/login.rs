//! How requests are authenticated: by a password in whichever way the server offers, or by access tokens.

use std::sync::{Arc, Mutex, PoisonError};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::{Client, RequestBuilder, Response};
use zeroize::Zeroizing;

use super::{Transport, pinned::PinnedConnection};
use crate::provider::{
    AccessTokens,
    exchange::{
        ews::{
            EwsProof,
            errors::Fault,
            ntlm::{self, Scheme},
        },
        server::FAULT_BYTES,
    },
};

/// Makes a request, once for each time that it is sent.
pub(super) type MakeRequest<'a> = &'a (dyn Fn(&Client) -> RequestBuilder + Sync);

/// How a password is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PasswordMethod {
    /// By the password with each request (RFC 7617).
    Basic,
    /// By a proof that binds a connection.
    Bound(Scheme),
}

impl PasswordMethod {
    /// The best of those that a response offers: one in which the password itself does not travel, if there is one.
    fn offered(headers: &HeaderMap) -> Option<Self> {
        let basic = || ntlm::offers_basic(headers).then_some(Self::Basic);
        Scheme::offered(headers).map(Self::Bound).or_else(basic)
    }

    fn is_offered(self, headers: &HeaderMap) -> bool {
        match self {
            Self::Basic => ntlm::offers_basic(headers),
            Self::Bound(scheme) => scheme.is_offered(headers),
        }
    }
}

/// The credentials.
pub(super) enum Login {
    Password(PasswordLogin),
    Tokens(Arc<dyn AccessTokens>),
}

/// A user name with its password.
pub(super) struct PasswordLogin {
    pub(super) username: String,
    pub(super) password: Zeroizing<String>,
    /// Both by basic authentication.
    authorization: HeaderValue,
    /// How to log in, once the server has told. Locked only briefly.
    method: Mutex<Option<PasswordMethod>>,
}

impl Login {
    pub(super) fn new(username: String, proof: EwsProof) -> Self {
        match proof {
            EwsProof::Password(password) => Self::Password(PasswordLogin {
                authorization: basic(&username, &password),
                username,
                password,
                method: Mutex::default(),
            }),
            EwsProof::Tokens(tokens) => Self::Tokens(tokens),
        }
    }
}

impl PasswordLogin {
    fn known(&self) -> Option<PasswordMethod> {
        *self.method.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, method: PasswordMethod) {
        *self.method.lock().unwrap_or_else(PoisonError::into_inner) = Some(method);
    }
}

/// A response to a request that was sent with a password.
pub(super) struct Answer {
    pub(super) response: Response,
    /// What it keeps busy until it is read.
    pub(super) connection: Option<PinnedConnection>,
    /// Whether the server has judged the password.
    pub(super) judged: bool,
}

impl Transport {
    /// Sends a request with the login. The connection is to be kept until the response is read.
    pub(super) async fn send(&self, make: MakeRequest<'_>) -> Result<(Response, Option<PinnedConnection>), Fault> {
        match &self.login {
            Login::Tokens(tokens) => {
                let request = |authorization| make(self.server.client()).header(header::AUTHORIZATION, authorization);
                let response = self.server.send_with_token(&**tokens, request).await?;
                Ok((response, None))
            }
            Login::Password(login) => self.send_with_password(login, make).await,
        }
    }

    /// Sends a request in the way that the server takes. A password that is refused is not tried in another way, which could lock the account.
    async fn send_with_password(
        &self,
        login: &PasswordLogin,
        make: MakeRequest<'_>,
    ) -> Result<(Response, Option<PinnedConnection>), Fault> {
        let known = login.known();
        let method = match known {
            Some(method) => method,
            None => match self.ask(login).await? {
                Ok(method) => method,
                Err(response) => return Ok((response, None)),
            },
        };
        let answer = self.send_by(method, login, make).await?;
        if known.is_none() && answer.response.status() != StatusCode::UNAUTHORIZED {
            login.remember(method);
        }
        let headers = answer.response.headers();
        let changed = answer.response.status() == StatusCode::UNAUTHORIZED && !answer.judged && !method.is_offered(headers);
        // The server was reconfigured since it was queried.
        let Some(method) = PasswordMethod::offered(headers).filter(|_| changed) else {
            return Ok((answer.response, answer.connection));
        };
        drop(answer);
        login.remember(method);
        let answer = self.send_by(method, login, make).await?;
        Ok((answer.response, answer.connection))
    }

    /// Finds out how to log in with a request without a login, so that no password is sent to a server that accepts something better. The error is a
    /// response that says what is wrong without one.
    async fn ask(&self, login: &PasswordLogin) -> Result<Result<PasswordMethod, Response>, Fault> {
        let asked = self.server.client().post(self.server.endpoint.clone());
        let response = self.server.send(asked.timeout(self.timeouts.request)).await?;
        match response.status().as_u16() {
            401 => {
                let method = PasswordMethod::offered(response.headers());
                // Read to its end, so that the connection can be used again; it does not matter whether it can.
                let _ = self.body(response, FAULT_BYTES).await;
                if let Some(method) = method {
                    login.remember(method);
                }
                Ok(Ok(method.unwrap_or(PasswordMethod::Basic)))
            }
            // It takes requests of everybody, or stumbles over one without content: the real one will show.
            200..=299 | 400 | 405 | 411 | 415 | 500 | 501 => Ok(Ok(PasswordMethod::Basic)),
            _ => Ok(Err(response)),
        }
    }

    async fn send_by(&self, method: PasswordMethod, login: &PasswordLogin, make: MakeRequest<'_>) -> Result<Answer, Fault> {
        match method {
            PasswordMethod::Bound(scheme) => self.send_logged_in(scheme, login, make).await,
            PasswordMethod::Basic => {
                let request = make(self.server.client()).header(header::AUTHORIZATION, login.authorization.clone());
                let response = self.server.send(request).await?;
                // Where basic authentication is not offered, what it carries is not looked at.
                let judged = response.status() != StatusCode::UNAUTHORIZED || PasswordMethod::Basic.is_offered(response.headers());
                Ok(Answer {
                    response,
                    connection: None,
                    judged,
                })
            }
        }
    }
}

/// The credentials of basic authentication (RFC 7617), in UTF-8.
fn basic(username: &str, password: &str) -> HeaderValue {
    let pair = Zeroizing::new(format!("{username}:{password}"));
    let value = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    let mut value = HeaderValue::from_str(&value).expect("base64 is visible ASCII");
    value.set_sensitive(true);
    value
}
