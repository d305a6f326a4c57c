//! The port as other programs than our clients see it: health, reflection, plain HTTP, browsers.

use mailagent::testing::{api::DESCRIPTORS, domain::Scope};
use mailagent_client::v1;
use prost::Message;
use prost_types::FileDescriptorSet;
use reqwest::header::{HeaderMap, HeaderValue};
use tonic::Code;

use crate::harness::{Harness, TENANT, frame, http1};

#[tokio::test(flavor = "multi_thread")]
async fn health_and_reflection_are_open() {
    let h = Harness::new().await;
    let channel = || async { tonic::transport::Endpoint::from_shared(h.url()).unwrap().connect().await.unwrap() };
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel().await);
    for service in ["", "mailagent.v1.AgentService", "mailagent.v1.SweepService"] {
        let request = tonic_health::pb::HealthCheckRequest {
            service: service.to_owned(),
        };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(
            answer.status(),
            tonic_health::pb::health_check_response::ServingStatus::Serving,
            "{service}"
        );
    }
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient, server_reflection_request::MessageRequest,
        server_reflection_response::MessageResponse,
    };
    let mut reflection = ServerReflectionClient::new(channel().await);
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let answers = reflection.server_reflection_info(tokio_stream::once(request)).await.unwrap();
    let answer = answers.into_inner().message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else {
        panic!("{answer:?}")
    };
    let services: Vec<&str> = list.service.iter().map(|service| service.name.as_str()).collect();
    for file in FileDescriptorSet::decode(DESCRIPTORS).unwrap().file {
        for service in file.service.iter().filter(|_| file.package() == "mailagent.v1") {
            let name = format!("mailagent.v1.{}", service.name());
            assert!(services.contains(&name.as_str()), "{name} of {services:?}");
        }
    }
    let unknown = h
        .call("mailagent.v1.AgentService/Explode", "", &[], HeaderMap::new())
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), Code::Unimplemented);
    for (path, expected) in [("healthz", 200), ("readyz", 200), ("", 200), ("nothing", 404)] {
        let response = http1().get(format!("{}/{path}", h.url())).send().await.unwrap();
        assert_eq!(response.status(), expected, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_a_request_id() {
    let h = Harness::new().await;
    let settings = "mailagent.v1.SettingsService/GetTenantSettings";
    let with_id = |id: &str| HeaderMap::from_iter([("x-request-id".parse().unwrap(), HeaderValue::from_str(id).unwrap())]);
    let token = h.token(TENANT, "anna", Scope::ALL);
    let echoed = async |token: &str, headers: HeaderMap| match h.call(settings, token, &[], headers).await {
        Ok(response) => response.headers()["x-request-id"].to_str().unwrap().to_owned(),
        Err(status) => status.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned(),
    };
    assert_eq!(echoed(&token, with_id("crm:42")).await, "crm:42");
    assert_eq!(echoed("", with_id("crm:43")).await, "crm:43", "of a refusal too");
    let made = echoed(&token, HeaderMap::new()).await;
    assert_eq!(made.len(), 26, "{made}");
    let replaced = echoed(&token, with_id("two words")).await;
    assert_eq!(replaced.len(), 26, "{replaced}");
    assert_ne!(made, replaced);
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_call_over_plain_http() {
    let h = Harness::new().await;
    let client = h.seed().await;
    drop(client);
    let url = format!("{}/mailagent.v1.DirectoryService/GetUser", h.url());
    let preflight = async |origin: &str| {
        http1()
            .request(reqwest::Method::OPTIONS, &url)
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type,x-grpc-web")
            .send()
            .await
            .unwrap()
    };
    let header =
        |response: &reqwest::Response, name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_lowercase());
    let allowed = preflight("http://localhost:5173").await;
    assert!(allowed.status().is_success());
    assert_eq!(
        header(&allowed, "access-control-allow-origin").as_deref(),
        Some("http://localhost:5173")
    );
    assert!(header(&allowed, "access-control-allow-methods").unwrap().contains("post"));
    let headers = header(&allowed, "access-control-allow-headers").unwrap();
    assert!(headers.contains("authorization") && headers.contains("x-grpc-web"), "{headers}");
    let refused = preflight("https://evil.example").await;
    assert_eq!(header(&refused, "access-control-allow-origin"), None);

    let ask = async |name: &str, token: &str| {
        let request = v1::GetUserRequest { name: name.to_owned() };
        let mut post = http1()
            .post(&url)
            .header("origin", "http://localhost:5173")
            .header("content-type", "application/grpc-web+proto")
            .header("x-grpc-web", "1")
            .body(frame(&request.encode_to_vec()));
        if !token.is_empty() {
            post = post.header("authorization", format!("Bearer {token}"));
        }
        post.send().await.unwrap()
    };
    let token = h.token(TENANT, "anna", Scope::ALL);
    let response = ask("users/anna", &token).await;
    assert_eq!((response.status().as_u16(), response.version()), (200, reqwest::Version::HTTP_11));
    assert_eq!(header(&response, "content-type").as_deref(), Some("application/grpc-web+proto"));
    let exposed = header(&response, "access-control-expose-headers").unwrap();
    assert!(
        exposed.contains("grpc-status-details-bin") && exposed.contains("x-request-id"),
        "{exposed}"
    );
    let body = response.bytes().await.unwrap();
    let length = usize::try_from(u32::from_be_bytes(body[1..5].try_into().unwrap())).unwrap();
    let user = v1::User::decode(&body[5..5 + length]).unwrap();
    assert_eq!(user.name, "users/anna");
    let trailers = &body[5 + length..];
    assert_eq!(trailers[0], 0x80, "the trailers come as a last frame");
    assert!(String::from_utf8_lossy(&trailers[5..]).contains("grpc-status:0"), "{trailers:?}");
    for (name, token, status) in [("users/nobody", token.as_str(), "5"), ("users/anna", "", "16")] {
        let response = ask(name, token).await;
        let told = header(&response, "grpc-status");
        let body = response.bytes().await.unwrap();
        let in_body = String::from_utf8_lossy(&body).contains(&format!("grpc-status:{status}"));
        assert!(told.as_deref() == Some(status) || in_body, "{name}: {told:?} {body:?}");
    }
}
