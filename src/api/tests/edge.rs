//! The port itself: its stop, TLS, limits, browsers, plain HTTP, reflection.

use std::time::Duration;

use axum::{Router, body::Body, routing::any};
use http::{Request, header};
use mailagent_client::{Auth, Clients, v1};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tonic::{
    Code, Status,
    transport::{Certificate, Channel, ClientTlsConfig},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt;
use tower::ServiceExt;

use super::{Harness, reason};
use crate::{
    api::{ServeError, auth, guard},
    config,
    domain::Scope,
};

#[tokio::test]
async fn a_caller_has_a_limited_number_of_streams() {
    let t = Harness::with(|server| server.max_streams_per_caller = 1).await;
    let mut clients = t.clients("acme", &[Scope::SweepRead]).await;
    let first = clients.sweep.watch_matches(v1::WatchMatchesRequest::default()).await.unwrap();
    let status = clients.sweep.watch_matches(v1::WatchMatchesRequest::default()).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::ResourceExhausted, "TOO_MANY_STREAMS")
    );
    assert_eq!(
        status.get_error_details().quota_failure().unwrap().violations[0].subject,
        "tenant:acme user:anna"
    );
    let mut other = t.clients("other", &[Scope::SweepRead]).await;
    other.sweep.watch_matches(v1::WatchMatchesRequest::default()).await.unwrap();
    drop(first);
    // The service notices a moment later.
    let again = tokio::time::timeout(Duration::from_secs(10), async {
        while clients.sweep.watch_matches(v1::WatchMatchesRequest::default()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(again.await.is_ok(), "the stream still counts");
}

#[tokio::test]
async fn a_stop_ends_streams_and_the_port() {
    let t = Harness::new().await;
    let mut clients = t.clients("acme", &[Scope::SweepRead]).await;
    let mut matches = clients
        .sweep
        .watch_matches(v1::WatchMatchesRequest::default())
        .await
        .unwrap()
        .into_inner();
    // One at the beginning, one once the history has been delivered.
    for _ in 0..2 {
        assert_eq!(matches.message().await.unwrap().unwrap().r#match, None);
    }
    let request = HealthCheckRequest {
        service: "mailagent.v1.SweepService".to_owned(),
    };
    let mut health = HealthClient::new(t.channel().await).watch(request).await.unwrap().into_inner();
    assert_eq!(health.message().await.unwrap().unwrap().status, 1);
    assert!(t.http("GET /readyz HTTP/1.1", b"").await.starts_with("HTTP/1.1 200 "));

    t.edge.lifecycle.request_stop();
    let status = matches.message().await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "SHUTTING_DOWN"));
    assert!(status.get_error_details().retry_info().is_some());
    assert_eq!(health.message().await.unwrap().unwrap().status, 2, "not serving");
    assert_eq!(health.message().await.unwrap_err().code(), Code::Unavailable);
    t.serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_silent_peer_does_not_hold_the_port() {
    let t = Harness::new().await;
    // A connection that says nothing after its beginning.
    let mut silent = TcpStream::connect(&t.address).await.unwrap();
    silent
        .write_all(b"POST /mailagent.v1.SweepService/WatchMatches HTTP/1.1\r\nHost: x\r\n")
        .await
        .unwrap();
    assert!(t.http("GET /healthz HTTP/1.1", b"").await.ends_with("ok\n"));
    let stopped = t.edge.lifecycle.stop(Duration::from_millis(50)).await;
    assert_eq!(stopped.exit_code(), 0);
    let ended = tokio::time::timeout(Duration::from_secs(10), t.serving).await;
    ended.expect("the hard token ends it").unwrap().unwrap();
}

#[tokio::test]
async fn plain_http_is_answered() {
    let t = Harness::new().await;
    let check = async |request: &str, status: &str, body: &str| {
        let answer = t.http(request, b"").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains(body), "{answer}");
        assert!(answer.contains("x-request-id: "), "{answer}");
    };
    check("GET /healthz HTTP/1.1", "200", "\r\n\r\nok\n").await;
    check("GET /readyz HTTP/1.1", "200", "\r\n\r\nok\n").await;
    check("GET / HTTP/1.1", "200", concat!("mailagent ", env!("CARGO_PKG_VERSION"))).await;
    check("GET /metrics HTTP/1.1", "404", "There is no such page.").await;
    check("GET /healthz HTTP/1.1\r\nX-Request-Id: crm-42", "200", "x-request-id: crm-42\r\n").await;
}

#[tokio::test]
async fn browsers_of_allowed_origins_may_call() {
    let t = Harness::new().await;
    let preflight = "OPTIONS /mailagent.v1.AgentService/GetAgent HTTP/1.1\r\nAccess-Control-Request-Method: POST\r\n\
        Access-Control-Request-Headers: authorization,content-type,x-grpc-web\r\nOrigin: ";
    let answer = t.http(&format!("{preflight}http://localhost:8080"), b"").await;
    assert!(
        answer.contains("access-control-allow-origin: http://localhost:8080\r\n"),
        "{answer}"
    );
    assert!(
        answer.contains("access-control-allow-headers: authorization,content-type,x-grpc-web\r\n"),
        "{answer}"
    );
    let answer = t.http(&format!("{preflight}https://elsewhere.example"), b"").await;
    assert!(!answer.contains("access-control-allow-origin"), "{answer}");

    // A call in grpc-web: an empty message in one frame.
    let call = |path: &str, token: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nContent-Type: application/grpc-web+proto\r\nOrigin: http://localhost:8080\r\nAuthorization: Bearer {token}"
        )
    };
    let token = t.token("acme", &[Scope::TenantAdmin]);
    let path = "/mailagent.v1.SettingsService/GetTenantSettings";
    let answer = t.http(&call(path, &token), &[0; 5]).await;
    assert!(answer.contains("tenantSettings") && answer.contains("grpc-status:0"), "{answer}");
    let exposed = answer
        .lines()
        .find(|line| line.starts_with("access-control-expose-headers:"))
        .unwrap_or_default();
    for header in ["grpc-status", "grpc-message", "grpc-status-details-bin", "x-request-id"] {
        assert!(exposed.contains(header), "{exposed}");
    }
    let answer = t.http(&call(path, "rubbish"), &[0; 5]).await;
    assert!(
        answer.contains("grpc-status: 16\r\n") && answer.contains("grpc-status-details-bin: "),
        "{answer}"
    );
    for path in ["/mailagent.v1.SettingsService/Nothing", "/mailagent.v1.Nothing/Get"] {
        let answer = t.http(&call(path, &token), &[0; 5]).await;
        assert!(answer.contains("grpc-status: 12\r\n"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn slow_and_panicking_calls_end_with_a_status() {
    let t = Harness::with(|server| server.call_timeout = Duration::from_millis(20)).await;
    let router = Router::new()
        .route("/mailagent.v1.AgentService/GetAgent", any(std::future::pending::<()>))
        .route(
            "/mailagent.v1.AgentService/ListAgents",
            any(async || -> () { panic!("a panic of the test") }),
        )
        .layer(axum::middleware::from_fn_with_state(
            guard::Guard::new(&t.edge, t.edge.lifecycle.soft().clone()),
            guard::guard,
        ));
    let check = async |method: &str, code: Code, wanted: &str| {
        let request = Request::post(format!("/mailagent.v1.AgentService/{method}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", t.token("acme", &[Scope::AgentRead])))
            .body(Body::empty())
            .unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = Status::from_header_map(response.headers()).unwrap();
        assert_eq!((status.code(), reason(&status).as_str()), (code, wanted));
        assert!(!status.message().contains("test"));
    };
    check("GetAgent", Code::DeadlineExceeded, "CALL_TIMED_OUT").await;
    check("ListAgents", Code::Internal, "INTERNAL_FAULT").await;
    t.edge.lifecycle.request_stop();
    t.serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_caller_has_a_limited_number_of_calls_under_way() {
    let t = Harness::with(|server| server.max_calls_per_caller = 2).await;
    let go = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let held = go.clone();
    let router = Router::new()
        .route(
            "/mailagent.v1.AgentService/GetAgent",
            any(move || async move { drop(held.acquire().await.unwrap()) }),
        )
        .layer(axum::middleware::from_fn_with_state(
            guard::Guard::new(&t.edge, t.edge.lifecycle.soft().clone()),
            guard::guard,
        ));
    let call = |tenant: &str| {
        let request = Request::post("/mailagent.v1.AgentService/GetAgent")
            .header(header::AUTHORIZATION, format!("Bearer {}", t.token(tenant, &[Scope::AgentRead])))
            .body(Body::empty())
            .unwrap();
        Box::pin(router.clone().oneshot(request))
    };
    let (mut first, mut second, mut other) = (call("acme"), call("acme"), call("other"));
    for under_way in [&mut first, &mut second, &mut other] {
        assert!(futures::poll!(under_way).is_pending());
    }
    let refused = call("acme").await.unwrap();
    let status = Status::from_header_map(refused.headers()).unwrap();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::ResourceExhausted, "TOO_MANY_CALLS")
    );
    assert!(status.get_error_details().retry_info().is_some(), "waiting helps");
    assert!(status.get_error_details().quota_failure().is_some());
    go.add_permits(10);
    other.await.unwrap();
    let answered = first.await.unwrap();
    // It counts until it is sent.
    second.await.unwrap();
    call("acme").await.unwrap();
    let again = call("acme").await.unwrap();
    assert!(Status::from_header_map(again.headers()).is_none());
    drop(answered);
}

#[tokio::test]
async fn the_port_speaks_tls_when_it_has_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate_file, key_file) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    let tls = config::Tls {
        certificate_file: certificate_file.clone(),
        key_file: key_file.clone(),
        client_ca_file: None,
        client_certificate: config::ClientCertificate::Optional,
    };
    let without_files = Harness::with(|server| server.tls = Some(tls.clone())).await;
    let error = without_files.serving.await.unwrap().unwrap_err();
    assert!(matches!(error, ServeError::CertificateFile { path, .. } if path == certificate_file));

    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&certificate_file, made.cert.pem()).unwrap();
    std::fs::write(&key_file, made.signing_key.serialize_pem()).unwrap();
    let t = Harness::with(|server| server.tls = Some(tls)).await;
    let trusted = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(made.cert.pem()))
        .domain_name("localhost");
    let endpoint = Channel::from_shared(format!("https://{}", t.address)).unwrap();
    let channel = endpoint.tls_config(trusted).unwrap().connect().await.unwrap();
    let mut clients = Clients::new(channel, Auth::new(&t.token("acme", &[Scope::TenantAdmin])).unwrap());
    let settings = clients.settings.get_tenant_settings(v1::GetTenantSettingsRequest {}).await.unwrap();
    assert_eq!(settings.into_inner().name, "tenantSettings");
}

#[tokio::test]
async fn reflection_describes_the_services_in_both_versions() {
    let t = Harness::new().await;
    let channel = t.channel().await;
    let wanted = tonic_reflection::pb::v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(tonic_reflection::pb::v1::server_reflection_request::MessageRequest::ListServices(
            String::new(),
        )),
    };
    let mut client = tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let mut answers = client
        .server_reflection_info(tokio_stream::once(wanted))
        .await
        .unwrap()
        .into_inner();
    let answer = format!("{:?}", answers.message().await.unwrap().unwrap());
    for service in auth::services().chain(["grpc.health.v1.Health"]) {
        assert!(answer.contains(service), "{answer}");
    }
    let wanted = tonic_reflection::pb::v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            tonic_reflection::pb::v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol("mailagent.v1.Agent".to_owned()),
        ),
    };
    let mut client = tonic_reflection::pb::v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    // Clients that know nothing of the service beforehand show the details of its errors by these.
    let details =
        ["ErrorInfo", "BadRequest", "RetryInfo", "QuotaFailure"].map(|name| tonic_reflection::pb::v1alpha::ServerReflectionRequest {
            message_request: Some(
                tonic_reflection::pb::v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(format!(
                    "google.rpc.{name}"
                )),
            ),
            ..wanted.clone()
        });
    let asked = tokio_stream::iter([wanted].into_iter().chain(details));
    let mut answers = client.server_reflection_info(asked).await.unwrap().into_inner();
    for _ in 0..5 {
        let answer = format!("{:?}", answers.message().await.unwrap().unwrap().message_response);
        assert!(answer.contains("FileDescriptorResponse"), "{answer}");
    }
}
