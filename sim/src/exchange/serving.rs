//! What every protocol of the server does with a request: who sent it, work aside, and the simplest answers.

use std::{io, sync::Arc};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;

use super::{Shared, lock};

/// Work that reads files or takes long, off the threads that serve connections.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// The login of a request whose password or access token is right.
pub(super) fn authenticate(shared: &Shared, request: &Request) -> Option<String> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        let tokens = lock(&shared.tokens).clone()?;
        let login = tokens(credentials.trim())?.account?.to_lowercase();
        return shared.world().logins.contains_key(&login).then_some(login);
    }
    if shared.bearer_only {
        return None;
    }
    let decoded = STANDARD.decode(credentials.trim()).ok()?;
    let (login, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    let login = login.to_lowercase();
    let world = shared.world();
    let entry = world.logins.get(&login)?;
    (scheme.eq_ignore_ascii_case("basic") && !entry.password.is_empty() && entry.password == password).then_some(login)
}

/// Counts a request as running about its mailbox.
pub(super) struct Running {
    shared: Arc<Shared>,
    mailbox: u32,
    pub(super) concurrent: usize,
}

impl Running {
    pub(super) fn new(shared: Arc<Shared>, mailbox: Option<u32>) -> Option<Self> {
        let mailbox = mailbox?;
        let concurrent = {
            let mut world = shared.world();
            let running = &mut world.mailbox_mut(mailbox)?.running;
            *running += 1;
            *running
        };
        Some(Self {
            shared,
            mailbox,
            concurrent,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mailbox) = self.shared.world().mailbox_mut(self.mailbox) {
            mailbox.running -= 1;
        }
    }
}

pub(super) fn plain(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

pub(super) fn ok(content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

pub(super) fn unauthorized(shared: &Shared) -> Response {
    let mut response = plain(StatusCode::UNAUTHORIZED);
    let mut offer = |challenge| {
        let challenge = HeaderValue::from_static(challenge);
        response.headers_mut().append(header::WWW_AUTHENTICATE, challenge);
    };
    if lock(&shared.tokens).is_some() {
        offer(
            "Bearer client_id=\"00000002-0000-0ff1-ce00-000000000000\", trusted_issuers=\"00000001-0000-0000-c000-000000000000@*\", \
             token_types=\"app_asserted_user_v1 service_asserted_app_v1\", error=\"invalid_token\"",
        );
    }
    if !shared.bearer_only {
        offer("Basic realm=\"127.0.0.1\"");
    }
    response
}

/// An answer that claims to have `claimed` bytes and ends earlier.
pub(super) fn short(content_type: &'static str, body: &Bytes, claimed: usize) -> Response {
    let body = body.clone();
    let pieces = async_stream::stream! {
        yield Ok(body);
        // Lets the connection send what it has before it fails.
        tokio::task::yield_now().await;
        yield Err(io::Error::from(io::ErrorKind::ConnectionAborted));
    };
    let mut response = ok(content_type, Body::from_stream(pieces));
    response.headers_mut().insert(header::CONTENT_LENGTH, claimed.into());
    response
}
