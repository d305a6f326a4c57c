//! Notifications: subscriptions and the streams that serve them.

use std::{io::ErrorKind, sync::Mutex, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

use super::{Server, answer, check, file, inbox, source, xml};
use crate::{
    net::ErrorClass,
    provider::{Folder, MailSource},
};

/// A server whose notification streams are fed by hand: each opened stream takes the next of these channels.
async fn stream_server(streams: Vec<tokio::sync::mpsc::Receiver<Result<Bytes, std::io::Error>>>) -> Server {
    let streams = Mutex::new(streams.into_iter());
    Server::start(move |_, call| match call.operation.as_str() {
        "Subscribe" => xml(file("subscribed")),
        _ => match streams.lock().unwrap().next() {
            Some(stream) => xml(Body::from_stream(ReceiverStream::new(stream))),
            None => xml(answer("GetStreamingEvents", &[("ErrorExceededConnectionCount", String::new())])),
        },
    })
    .await
}

/// The envelopes of the canned stream: alive, changed, alive, closed, lost.
fn envelopes() -> Vec<String> {
    let stream = file("stream");
    stream
        .split_inclusive("</s:Envelope>")
        .map(ToOwned::to_owned)
        .filter(|piece| piece.contains("Envelope"))
        .collect()
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn an_event_wakes_though_it_arrives_in_pieces() {
    let (feed, stream) = tokio::sync::mpsc::channel(100);
    let server = stream_server(vec![stream]).await;
    let source = server.source();
    let folders = [inbox()];
    let start = Instant::now();
    source.wait(&folders, LONG).await.unwrap();
    assert!(start.elapsed() < LONG / 2, "a new subscription wakes at once");
    assert_eq!(server.operations(), ["Subscribe", "GetStreamingEvents"]);

    let envelopes = envelopes();
    // Only signs of life: the wait lasts to its limit, and cuts the next envelope in two.
    feed.send(Ok(Bytes::from(envelopes[0].clone() + &envelopes[1][..200])))
        .await
        .unwrap();
    let start = Instant::now();
    source.wait(&folders, Duration::from_millis(200)).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(200));
    // The rest, byte by byte, wakes the next wait.
    let rest = envelopes[1][200..].to_owned();
    let feeder = tokio::spawn(async move {
        for byte in rest.into_bytes() {
            feed.send(Ok(Bytes::from(vec![byte]))).await.unwrap();
        }
        feed
    });
    let start = Instant::now();
    source.wait(&folders, LONG).await.unwrap();
    assert!(start.elapsed() < LONG / 2);
    drop(feeder.await.unwrap());
    assert_eq!(
        server.operations(),
        ["Subscribe", "GetStreamingEvents"],
        "subscription and stream are kept"
    );
}

#[tokio::test]
async fn a_stream_that_ends_at_once_makes_the_caller_poll() {
    let envelopes = envelopes();
    for (said, words) in [
        (Some(Ok(Bytes::from(envelopes[3].clone()))), "ended the notifications"),
        (None, "ended the notifications"),
        (
            Some(Err(std::io::Error::from(ErrorKind::BrokenPipe))),
            "closed the connection unexpectedly",
        ),
        (Some(Ok(Bytes::from(envelopes[4].clone()))), "A new one is created"),
        (Some(Ok(Bytes::from_static(b"<a></b>"))), "not usable XML"),
        (Some(Ok(Bytes::from(vec![b'<'; 2 << 20]))), "over the limit"),
    ] {
        let (feed, stream) = tokio::sync::mpsc::channel(10);
        let server = stream_server(vec![stream]).await;
        let source = server.source();
        source.wait(&[inbox()], LONG).await.unwrap();
        if let Some(said) = said {
            feed.send(said).await.unwrap();
        }
        drop(feed);
        let error = source.wait(&[inbox()], LONG).await.unwrap_err();
        assert!(error.problem.contains(words), "{error:?}");
        // The next time no stream is available.
        let error = source.wait(&[inbox()], LONG).await;
        if words == "A new one is created" {
            assert_eq!(server.operations()[2..], ["Subscribe", "GetStreamingEvents"]);
            error.unwrap();
        } else {
            check(
                &error.unwrap_err(),
                ErrorClass::Retry { after: None },
                "too many notification streams",
            );
            assert_eq!(server.operations(), ["Subscribe", "GetStreamingEvents", "GetStreamingEvents"]);
        }
    }
}

#[tokio::test]
async fn the_end_of_an_old_stream_only_wakes() {
    let (feed_1, first) = tokio::sync::mpsc::channel(10);
    let (feed_2, second) = tokio::sync::mpsc::channel(10);
    let server = stream_server(vec![first, second]).await;
    let source = server.source();
    source.wait(&[inbox()], LONG).await.unwrap();
    source.subscriber.age(Duration::from_secs(11));
    drop(feed_1);
    source.wait(&[inbox()], LONG).await.unwrap();
    feed_2.send(Ok(Bytes::from(envelopes()[1].clone()))).await.unwrap();
    source.wait(&[inbox()], LONG).await.unwrap();
    assert_eq!(server.operations(), ["Subscribe", "GetStreamingEvents", "GetStreamingEvents"]);
}

#[tokio::test]
async fn an_old_subscription_that_is_lost_is_made_anew() {
    let (feed_1, first) = tokio::sync::mpsc::channel(10);
    let (feed_2, second) = tokio::sync::mpsc::channel(10);
    let server = stream_server(vec![first, second]).await;
    let source = server.source();
    source.wait(&[inbox()], LONG).await.unwrap();
    source.subscriber.age(Duration::from_secs(61));
    feed_1.send(Ok(Bytes::from(envelopes()[4].clone()))).await.unwrap();
    source.wait(&[inbox()], LONG).await.unwrap();
    assert_eq!(
        server.operations(),
        ["Subscribe", "GetStreamingEvents", "Subscribe", "GetStreamingEvents"]
    );
    drop(feed_2);
}

#[tokio::test]
async fn a_silent_stream_only_wakes() {
    let (feed, stream) = tokio::sync::mpsc::channel(10);
    let server = stream_server(vec![stream]).await;
    let source = source(server.url.clone(), |config| config.timeouts.stream = Duration::from_millis(300));
    source.wait(&[inbox()], LONG).await.unwrap();
    let start = Instant::now();
    // This stream is young yet: the caller polls.
    let error = source.wait(&[inbox()], LONG).await.unwrap_err();
    check(&error, ErrorClass::Retry { after: None }, "ended the notifications");
    assert!(start.elapsed() >= Duration::from_millis(300) && start.elapsed() < LONG / 2);
    drop(feed);
}

#[tokio::test]
async fn other_folders_get_another_subscription() {
    let (feed_1, first) = tokio::sync::mpsc::channel(10);
    let (feed_2, second) = tokio::sync::mpsc::channel(10);
    let server = stream_server(vec![first, second]).await;
    let source = server.source();
    source.wait(&[inbox()], LONG).await.unwrap();
    let other = Folder {
        id: "out".to_owned(),
        ..inbox()
    };
    source.wait(&[inbox(), other], LONG).await.unwrap();
    assert_eq!(
        server.operations(),
        ["Subscribe", "GetStreamingEvents", "Subscribe", "GetStreamingEvents"]
    );
    assert!(server.calls()[2].body.contains(r#"<t:FolderId Id="in"/><t:FolderId Id="out"/>"#));
    drop((feed_1, feed_2));
}
