//! Sizes of answers, and how many requests run at once.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{body::Body, response::IntoResponse};
use bytes::Bytes;
use http::header;

use super::{HEAD, Server, check, get_item, ids, item, plain, source, xml};
use crate::{
    net::ErrorClass,
    provider::{Fetched, MailSource},
};

#[tokio::test]
async fn too_large_answers_are_split_until_one_message_is_too_large() {
    let server = Server::start(|_, call| {
        get_item(call, |id, mime| {
            let raw = vec![b'a'; if id == "3" { 40_000 } else { 4_000 }];
            ("NoError", item(100, mime.then_some(&raw)))
        })
    })
    .await;
    let source = source(server.url.clone(), |config| config.max_response_bytes = 20_000);
    let fetched = source.fetch(&ids(0..6), 1_000_000).await.unwrap();
    let sizes: Vec<usize> = fetched
        .iter()
        .map(|one| match one {
            Fetched::Message { raw, .. } => raw.len() - HEAD.len(),
            Fetched::TooLarge { .. } => 0,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(sizes, [4_000, 4_000, 4_000, 0, 4_000, 4_000]);
}

#[tokio::test]
async fn no_more_than_four_requests_run_at_once() {
    let running = Arc::new(Mutex::new((0_usize, 0_usize)));
    let seen = running.clone();
    let server = Server::start(move |_, call| {
        let running = running.clone();
        {
            let mut now = running.lock().unwrap();
            now.0 += 1;
            now.1 = now.1.max(now.0);
        }
        let body = get_item(call, plain).into_body();
        xml(Body::from_stream(async_stream::stream! {
            tokio::time::sleep(Duration::from_millis(30)).await;
            running.lock().unwrap().0 -= 1;
            yield axum::body::to_bytes(body, usize::MAX).await;
        }))
    })
    .await;
    let fetched = server.source().fetch(&ids(0..95), 1000).await.unwrap();
    assert_eq!(fetched.len(), 95);
    assert_eq!(*seen.lock().unwrap(), (0, 4));
}

#[tokio::test]
async fn a_large_answer_is_read_whole() {
    let raw: Vec<u8> = (0..3_000_000_u32).map(|n| (n * 7 % 251) as u8).collect();
    let sent = raw.clone();
    let server = Server::start(move |_, call| get_item(call, |_, mime| ("NoError", item(100, mime.then_some(&sent[..]))))).await;
    let fetched = server.source().fetch(&ids(["a"]), 10_000_000).await.unwrap();
    assert!(matches!(&fetched[0], Fetched::Message { raw: got, .. } if got.strip_prefix(HEAD) == Some(&raw[..])));
}

#[tokio::test]
async fn compressed_answers_are_read_within_the_limit() {
    let packed = |name: &str| std::fs::read(format!("{}/tests/data/wire/ews/{name}.gz", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let (folders, spaces) = (packed("inbox.xml"), packed("spaces"));
    assert!(spaces.len() < 5_000, "a small file that unpacks to a million spaces");
    let server = Server::start(move |number, call| {
        assert!(call.headers["accept-encoding"].to_str().unwrap().contains("gzip"));
        let body = if number == 0 { folders.clone() } else { spaces.clone() };
        ([(header::CONTENT_ENCODING, "gzip")], body).into_response()
    })
    .await;
    let source = source(server.url.clone(), |config| config.max_response_bytes = 100_000);
    assert_eq!(source.inbox().await.unwrap().total, Some(1234));
    check(&source.inbox().await.unwrap_err(), ErrorClass::Malformed, "over the limit");
}

#[tokio::test]
async fn an_oversized_answer_is_not_read_to_its_end() {
    let server = Server::start(|_, _| {
        let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 8192])));
        xml(Body::from_stream(endless))
    })
    .await;
    let limited = source(server.url.clone(), |config| config.max_response_bytes = 100_000);
    check(
        &limited.inbox().await.unwrap_err(),
        ErrorClass::Malformed,
        "over the limit of 100000 bytes",
    );

    let server = Server::raw(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n").await;
    let limited = source(server.url.clone(), |config| config.max_response_bytes = 100_000);
    check(&limited.inbox().await.unwrap_err(), ErrorClass::Malformed, "over the limit");
}
