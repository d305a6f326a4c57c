//! Outsiders without a token: silent connections, half requests, bodies that never end.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{StreamExt, future::join_all};
use mailagent::testing::api::raise_file_limit;
use mailagent_client::v1;
use tonic::transport::Channel;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::service::{Limits, Service};

/// What all that strangers send may cost.
const ENOUGH: u64 = 128 << 20;
/// The longest that an attack may take, on a busy machine.
const LONG: Duration = Duration::from_mins(1);

/// The program with short times, and with push on.
fn service(files: (u64, u64)) -> Service {
    Service::start(&Limits {
        files: Some(files),
        settings: vec![
            ("MAILAGENT_SERVER__ANONYMOUS_TIMEOUT", "4s".to_owned()),
            ("MAILAGENT_SERVER__REQUEST_TIMEOUT", "4s".to_owned()),
            ("MAILAGENT_OAUTH__PUBLIC_URL", "https://mail.example".to_owned()),
        ],
        ..Limits::default()
    })
}

/// Fails unless a new caller is served, and a new prober.
async fn assert_serves(service: &Service) {
    let mut client = service.client("anna").await;
    client
        .agents
        .list_agents(v1::ListAgentsRequest::default())
        .await
        .expect("a caller with a token is served");
    let channel = Channel::from_shared(service.url()).unwrap().connect().await.unwrap();
    HealthClient::new(channel)
        .check(HealthCheckRequest::default())
        .await
        .expect("a probe is served");
}

/// A request over HTTP/2 whose body stands still after `bytes`, until it is answered or given up.
async fn unfinished(client: reqwest::Client, url: String, kind: &'static str, bytes: usize) {
    let mut begin = vec![0];
    begin.extend(u32::try_from(bytes + 1).unwrap().to_be_bytes());
    let piece = Bytes::from(vec![0; 32 * 1024]);
    let pieces = std::iter::repeat_n(piece, bytes / (32 * 1024));
    let body = futures::stream::iter(std::iter::once(Bytes::from(begin)).chain(pieces).map(Ok::<_, std::io::Error>));
    let body = reqwest::Body::wrap_stream(body.chain(futures::stream::pending()));
    let answer = client
        .post(url)
        .header("content-type", kind)
        .header("te", "trailers")
        .body(body)
        .send()
        .await;
    if let Ok(answer) = answer {
        let _ = answer.bytes().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_requests_of_strangers_stay_small() {
    let mut service = service((1024, 4096));
    let attacks = [
        (
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "application/grpc",
            3_900_000,
        ),
        ("/grpc.health.v1.Health/Check", "application/grpc", 3_900_000),
        ("/grpc.health.v1.Health/Watch", "application/grpc-web+proto", 3_900_000),
        // Its token is refused before anybody reads its body.
        ("/mailagent.v1.DirectoryService/BatchUpsertUsers", "application/grpc", 3_900_000),
        ("/graph/notifications", "application/json", 900_000),
    ];
    let before = service.memory_now();
    let connections = attacks.iter().flat_map(|attack| std::iter::repeat_n(attack, 4));
    let requests = connections.flat_map(|(path, kind, bytes)| {
        let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
        let url = format!("{}{path}", service.url());
        (0..100).map(move |_| unfinished(client.clone(), url.clone(), kind, *bytes))
    });
    let ended = tokio::time::timeout(LONG, join_all(requests)).await;
    assert!(ended.is_ok(), "requests that do not end are not given up");
    let grown = service.peak_memory().saturating_sub(before);
    assert!(grown < ENOUGH, "strangers made it hold {grown} bytes");
    assert_serves(&service).await;
    service.assert_alive();
}

#[tokio::test(flavor = "multi_thread")]
async fn partial_requests_over_http1_stay_small() {
    raise_file_limit();
    let mut service = service((1024, 4096));
    let before = service.memory_now();
    let head = "POST /grpc.health.v1.Health/Check HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc-web+proto\r\nContent-Length: 4000000\r\n\r\n";
    let body = [head.as_bytes(), &[0, 0, 60, 0, 0], &vec![0; 1 << 20][..]].concat();
    let headers = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: {}", "x".repeat(1 << 20)).into_bytes();
    let mut open = Vec::new();
    for number in 0..1500 {
        // What makes no progress is refused, which an attacker does not mind.
        let Ok(mut stream) = TcpStream::connect(service.address) else {
            continue;
        };
        stream.set_nonblocking(true).unwrap();
        let _ = stream.write(if number % 2 == 0 { &body } else { &headers });
        open.push(stream);
    }
    assert_serves(&service).await;
    assert_all_end(open).await;
    let grown = service.peak_memory().saturating_sub(before);
    assert!(grown < ENOUGH, "strangers made it hold {grown} bytes");
    service.assert_alive();
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_leave_room_and_end() {
    raise_file_limit();
    for files in [(1024, 4096), (256, 256)] {
        let service = service(files);
        let mut watcher = service.client("anna").await;
        let mut matches = watcher
            .sweep
            .watch_matches(v1::WatchMatchesRequest::default())
            .await
            .unwrap()
            .into_inner();
        matches.message().await.unwrap().expect("the first bookmark");
        let channel = Channel::from_shared(service.url()).unwrap().connect().await.unwrap();
        let mut health = HealthClient::new(channel)
            .watch(HealthCheckRequest::default())
            .await
            .unwrap()
            .into_inner();
        health.message().await.unwrap().expect("the first state");

        let mut open = Vec::new();
        for number in 0..1000 {
            let Ok(mut stream) = TcpStream::connect(service.address) else {
                continue;
            };
            stream.set_nonblocking(true).unwrap();
            let beginnings: [&[u8]; 4] = [
                b"",
                b"PRI * HTTP/2.0",
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                b"GET /healthz HTTP/1.1\r\nHos",
            ];
            let _ = stream.write(beginnings[number % 4]);
            open.push(stream);
        }
        assert_serves(&service).await;
        assert_all_end(open).await;
        // Those who had something to wait for still wait.
        service.begin_stop();
        let state = tokio::time::timeout(LONG, health.message()).await.unwrap();
        assert_eq!(state.unwrap().unwrap().status, 2, "the watch over health is told of the stop");
        let status = loop {
            match matches.message().await {
                Ok(Some(_)) => {}
                other => break other.unwrap_err(),
            }
        };
        assert_eq!(status.code(), tonic::Code::Unavailable, "{status}");
        let log = service.stopped().await;
        assert!(
            !log.contains(" WARN ") && !log.contains("ERROR"),
            "a stop with open streams is ordinary: {log}"
        );
    }
}

/// Sets how many files the program may have open, below what it has already or above.
fn limit_files(service: &Service, files: u64) {
    let limited = Command::new("prlimit")
        .args(["--pid", &service.pid().to_string(), &format!("--nofile={files}:")])
        .status();
    assert!(limited.expect("prlimit can be run").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_files_the_port_pauses_and_goes_on() {
    let mut service = Service::start(&Limits {
        files: Some((1024, 4096)),
        settings: vec![("MAILAGENT_TELEMETRY__LOG", "info,mailagent::api::listener=debug".to_owned())],
        ..Limits::default()
    });
    let mut known = service.client("anna").await;
    let request = v1::ListAgentsRequest::default;
    known.agents.list_agents(request()).await.expect("there are files");
    limit_files(&service, 10);
    let began = Instant::now();
    // The system takes it, and the program cannot: the first is refused again and again until there are files.
    let mut waiting = TcpStream::connect(service.address).unwrap();
    waiting.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let refused = |service: &Service| service.log().matches("accepting a connection failed").count();
    while refused(&service) < 5 {
        assert!(began.elapsed() < LONG, "{}", service.log());
        known
            .agents
            .list_agents(request())
            .await
            .expect("who is known is served all the same");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // One try in 200 ms, and no more.
    let (tries, paused) = (refused(&service), began.elapsed().as_millis() / 200 + 1);
    assert!(tries as u128 <= paused + 1, "{tries} tries in {paused} pauses");
    assert_eq!(service.log().matches("connections cannot be accepted").count(), 1, "one warning");

    limit_files(&service, 4096);
    waiting.set_read_timeout(Some(LONG)).unwrap();
    let mut answer = [0; 12];
    waiting.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200", "who waited is served");
    assert_serves(&service).await;
    service.assert_alive();
}

/// Waits until the program has closed all of them.
async fn assert_all_end(mut open: Vec<TcpStream>) {
    let began = Instant::now();
    let mut bytes = [0; 4096];
    while !open.is_empty() {
        assert!(began.elapsed() < LONG, "{} connections are still open", open.len());
        open.retain_mut(|stream| {
            loop {
                match stream.read(&mut bytes) {
                    Ok(0) => return false,
                    Ok(_) => {}
                    Err(error) => return error.kind() == ErrorKind::WouldBlock,
                }
            }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
