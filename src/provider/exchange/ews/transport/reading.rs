//! How responses are read: their cookies, their bodies within a limit, and what any status but 200 means.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use reqwest::Response;

use super::{Transport, affinity::Affinity, login::Login};
use crate::{
    net::replies::{self, BodyError},
    provider::exchange::{ews::errors::Fault, server::FAULT_BYTES},
};

impl Transport {
    /// Keeps the cookies of a response, and turns any status but 200 into a fault.
    pub(super) async fn check(&self, response: Response, affinity: Option<&Affinity>) -> Result<Response, Fault> {
        self.route.keep_cookies(response.headers(), affinity);
        let status = response.status();
        if status == StatusCode::OK {
            return Ok(response);
        }
        let headers = response.headers().clone();
        // The status is enough if the rest does not arrive.
        let body = self.body(response, FAULT_BYTES).await.unwrap_or_default();
        if status == StatusCode::UNAUTHORIZED && matches!(self.login, Login::Tokens(_)) {
            return Err(self.login_refused(&headers));
        }
        Err(self.judge.status(status, &headers, &body))
    }

    /// Reads a response of at most `limit` bytes.
    pub(super) async fn body(&self, response: Response, limit: u64) -> Result<Bytes, Fault> {
        replies::body(response, limit).await.map_err(|unread| match unread {
            BodyError::TooLong => self.judge.too_large(limit),
            BodyError::Broken(error) => self.server.unanswered(error).into(),
        })
    }

    /// What a refused login means.
    pub(in crate::provider::exchange::ews) fn login_refused(&self, headers: &HeaderMap) -> Fault {
        match self.login {
            Login::Tokens(_) => self.judge.token_refused(headers),
            Login::Password(_) => self.judge.status(StatusCode::UNAUTHORIZED, headers, b""),
        }
    }
}
