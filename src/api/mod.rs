//! The edge: gRPC, grpc-web and plain HTTP on one port.
//!
//! Only who may call what is decided here: services decode a request, call one operation of [`crate::ops`] and encode what it
//! returns. Only `status.rs` turns errors into statuses.
//!
//! A call passes, from the outside: the request's id (`request_id.rs`), CORS, grpc-web, the caller's deadline (`deadline.rs`), then `guard.rs` with authentication (`callers.rs`,
//! `certificate.rs`), the caller's rights (`auth.rs`), limits, the span and the metrics, then its service. A path without a row in the table of `auth.rs` reaches none.
//! Before all that come the limits for everybody: `listener` limits connections, `anonymous` what anonymous callers send over them.

mod agent_service;
mod anonymous;
mod archive_service;
mod auth;
mod call;
mod callback;
mod callers;
mod certificate;
mod convert;
mod deadline;
mod directory_service;
mod follow;
mod guard;
mod guarded_body;
mod http;
mod listener;
mod malformed;
mod mask;
mod notifications;
mod page;
mod request_id;
mod running;
mod settings_service;
mod status;
mod streams;
mod sweep_service;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{codec::CompressionEncoding, service::Routes};
use tonic_health::ServingStatus;
use tonic_web::GrpcWebLayer;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use self::{anonymous::AnonymousCallers, listener::Listener};
pub use self::{callers::Callers, listener::raise_file_limit};
use crate::{config, lifecycle::Lifecycle, ops::Ops};

/// Messages and services of the protobuf package `mailagent.v1`, for the server.
#[expect(
    unused_qualifications,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::pedantic,
    reason = "generated"
)]
pub mod v1 {
    tonic::include_proto!("mailagent.v1");
}

/// The descriptors of `mailagent.v1` and of all that it imports: an encoded `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));

/// How long a browser may remember what it may send.
const CORS_MAX_AGE: Duration = Duration::from_hours(2);

/// What the edge needs.
#[derive(Clone)]
pub struct Edge {
    /// What the product does. Its `stopping` must be the soft token of `lifecycle`.
    pub ops: Ops,
    /// Identifies callers.
    pub callers: Arc<Callers>,
    /// Limits of the port, and its certificate.
    pub server: config::Server,
    /// Shuts the edge down, and runs what outlives a call.
    pub lifecycle: Lifecycle,
}

/// Why the edge cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A file of the certificate cannot be read.
    #[error("{path} cannot be read")]
    CertificateFile {
        /// The file.
        path: PathBuf,
        /// What happened.
        #[source]
        source: std::io::Error,
    },
    /// The certificate, its key or the authorities of callers are invalid.
    #[error("the certificate of the port cannot be used")]
    Certificate(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The descriptors are invalid.
    #[error("the services cannot be described")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Serves callers until the soft token of the lifecycle is cancelled, then lets calls finish, at most until the hard token.
///
/// Cancel safe: dropped, it accepts no further connection.
///
/// # Errors
/// [`ServeError`], most of them before the first connection is accepted.
pub async fn serve(edge: Edge, listener: TcpListener) -> Result<(), ServeError> {
    let (health, health_service) = tonic_health::server::health_reporter();
    for service in auth::services() {
        health.set_service_status(service, ServingStatus::Serving).await;
    }
    let draining = CancellationToken::new();
    let grpc = grpc_routes(&edge)?.add_service(health_service.max_decoding_message_size(anonymous::MAX_PUBLIC_MESSAGE));
    let app = app(&edge, grpc, draining.clone());
    let port = Listener::new(&edge.server, app, draining.clone()).await?;
    let (soft, hard) = (edge.lifecycle.soft().clone(), edge.lifecycle.hard().clone());
    let stop = async move {
        soft.cancelled().await;
        for service in auth::services().chain([""]) {
            health.set_service_status(service, ServingStatus::NotServing).await;
        }
        draining.cancel();
    };
    tokio::select! {
        ((), ()) = async { tokio::join!(stop, port.serve(listener)) } => Ok(()),
        // A peer that disappeared silently, or does not read, would hold the server for ever.
        () = hard.cancelled() => Ok(()),
    }
}

/// The services of the product, and what describes them.
fn grpc_routes(edge: &Edge) -> Result<Routes, ServeError> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // What is in the details of a status: without it generic clients show bytes.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    let limit = edge.server.max_message_size.as_usize();
    let ops = &edge.ops;
    // What is sent is not compressed: some clients request it by default, and it would cost more than it gains on a LAN.
    macro_rules! service {
        ($server:ident, $module:ident, $service:expr) => {
            v1::$module::$server::new($service)
                .max_decoding_message_size(limit)
                .accept_compressed(CompressionEncoding::Gzip)
                .accept_compressed(CompressionEncoding::Zstd)
        };
    }
    let sweep = sweep_service::Sweeps::new(ops.clone(), edge.lifecycle.clone());
    Ok(Routes::default()
        .add_service(service!(
            AgentServiceServer,
            agent_service_server,
            agent_service::Agents(ops.clone())
        ))
        .add_service(service!(SweepServiceServer, sweep_service_server, sweep))
        .add_service(service!(
            ArchiveServiceServer,
            archive_service_server,
            archive_service::Archive(ops.clone())
        ))
        .add_service(service!(
            DirectoryServiceServer,
            directory_service_server,
            directory_service::Directory(ops.clone())
        ))
        .add_service(service!(
            SettingsServiceServer,
            settings_service_server,
            settings_service::Settings(ops.clone())
        ))
        .add_service(reflection().build_v1()?.max_decoding_message_size(anonymous::MAX_PUBLIC_MESSAGE))
        .add_service(
            reflection()
                .build_v1alpha()?
                .max_decoding_message_size(anonymous::MAX_PUBLIC_MESSAGE),
        ))
}

/// Everything on the port. `draining` is cancelled when the health service has announced a shutdown.
fn app(edge: &Edge, grpc: Routes, draining: CancellationToken) -> axum::Router {
    use ::http::{HeaderName, Method};

    let guard = guard::Guard::new(edge, draining);
    let anonymous = AnonymousCallers::new(&edge.server);
    let origins = edge.server.cors_allowed_origins.clone();
    let allowed = move |origin: &::http::HeaderValue, _: &::http::request::Parts| origin.to_str().is_ok_and(|origin| origins.allow(origin));
    let exposed = ["grpc-status", "grpc-message", "grpc-status-details-bin", "x-request-id"].map(HeaderName::from_static);
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(allowed))
        .allow_methods([Method::GET, Method::POST])
        // No header is a secret between a page and its browser here: what counts is whether the token is valid.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(exposed)
        .max_age(CORS_MAX_AGE);
    grpc.into_axum_router()
        .layer(axum::middleware::from_fn_with_state(guard, guard::guard))
        .layer(axum::middleware::from_fn_with_state(anonymous.clone(), anonymous::calls))
        .layer(axum::middleware::from_fn(deadline::layer))
        .layer(GrpcWebLayer::new())
        .merge(http::routes(edge, anonymous))
        .fallback(http::not_found)
        .layer(cors)
        .layer(axum::middleware::from_fn_with_state(edge.ops.ids.clone(), request_id::layer))
}
