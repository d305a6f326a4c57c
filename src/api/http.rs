//! Plain HTTP for machines that monitor the service, and a hint for people who open the port in a browser.

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{StatusCode, header};
use tonic::Status;

use super::{
    Edge,
    anonymous::{self, AnonymousCallers},
    callback, notifications,
};
use crate::ops::{login::CALLBACK, push::NOTIFICATIONS};

const FRONT: &str = concat!(
    "mailagent ",
    env!("CARGO_PKG_VERSION"),
    "\n\nThis port speaks gRPC and grpc-web, package mailagent.v1; server reflection lists the services.\n",
    "/healthz reports whether the process is alive, /readyz whether it can do its work; login providers redirect to /oauth/callback,\nand \
     Microsoft Graph sends notifications of new mail to /graph/notifications.\n"
);

/// The plain pages.
pub(super) fn routes(edge: &Edge, anonymous: AnonymousCallers) -> Router {
    let routes = Router::new()
        .route("/", get(|| async { FRONT }))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready).with_state(edge.clone()))
        .route(
            CALLBACK,
            get(callback::ask)
                .post(callback::answer)
                .layer(DefaultBodyLimit::max(callback::MAX_ANSWER))
                .layer(middleware::from_fn_with_state(anonymous.clone(), anonymous::page))
                .with_state(edge.clone()),
        );
    // Nobody is listened to if nobody was asked to call.
    if edge.ops.wakers.url.is_none() {
        return routes;
    }
    let notifications = post(notifications::notifications)
        .layer(DefaultBodyLimit::max(anonymous::MAX_NOTIFICATION))
        .layer(middleware::from_fn_with_state(anonymous, anonymous::page))
        .with_state(edge.clone());
    routes.route(NOTIFICATIONS, notifications)
}

async fn ready(State(edge): State<Edge>) -> Response {
    if edge.lifecycle.soft().is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "The service is stopping.\n").into_response();
    }
    match edge.ops.store.check_ready().await {
        Ok(()) => "ok\n".into_response(),
        Err(error) => {
            tracing::warn!(error = error.chain(), "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response()
        }
    }
}

/// What is said about a path that is not served.
pub(super) async fn not_found(request: Request) -> Response {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let is_grpc = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if is_grpc {
        return unimplemented();
    }
    (StatusCode::NOT_FOUND, "There is no such page.\n").into_response()
}

/// What is said about a method that does not exist.
pub(super) fn unimplemented() -> Response {
    Status::unimplemented("There is no such method in this version of the service.").into_http()
}
