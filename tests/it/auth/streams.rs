//! Streams and the tokens that they were opened with.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use jsonwebtoken::Algorithm;
use mailagent::testing::{
    app::open_issuer,
    crypto::Claims,
    domain::{Clock, Scope},
};
use mailagent_client::{Auth, connect_with, v1};
use serde_json::json;
use tonic::{Code, Status};

use super::{
    fake_issuer::{FakeIssuer, SigningKey},
    settings_of,
};
use crate::harness::{Choices, Engine, Harness, NOW, TENANT, reason, take};

const LIFE: Duration = Duration::from_mins(10);

#[track_caller]
fn is_refused(status: &Status, says: &str) {
    assert_eq!(
        (status.code(), reason(status).as_str()),
        (Code::Unauthenticated, "TOKEN_INVALID"),
        "{status:?}"
    );
    assert!(status.message().contains(says), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_with_their_token() {
    let h = Harness::new().await;
    let mut claims = h.claims(TENANT, "anna", Scope::ALL);
    claims.exp = h.clock.now().after(LIFE);
    let mut client = h.client_with(&h.sign(claims)).await;
    macro_rules! open {
        ($service:ident, $method:ident, $request:ident) => {
            client.$service.$method(v1::$request::default()).await.unwrap().into_inner()
        };
    }
    let mut matches = open!(sweep, watch_matches, WatchMatchesRequest);
    let mut tokens = open!(agents, watch_tokens, WatchTokensRequest);
    let mut messages = open!(archive, stream_messages, StreamMessagesRequest);
    let mut changes = open!(directory, watch_changes, WatchChangesRequest);
    // Within the skew that is allowed to clocks it is still good.
    h.clock.advance(LIFE + Duration::from_secs(30));
    take(&mut matches).await.unwrap().unwrap();
    h.clock.advance(Duration::from_secs(31));
    macro_rules! end {
        ($stream:ident) => {
            loop {
                if let Err(status) = take(&mut $stream).await.expect("it ends with a status") {
                    is_refused(&status, "has expired");
                    break;
                }
            }
            assert!(take(&mut $stream).await.is_none());
        };
    }
    end!(matches);
    end!(tokens);
    end!(messages);
    end!(changes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_goes_on_with_a_fresh_token() {
    let h = Harness::new().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let source = {
        let (clock, asked) = (h.clock.clone(), asked.clone());
        let (claims, issuer) = (h.claims(TENANT, "anna", Scope::ALL), open_issuer(&h.config.data_dir).unwrap());
        move || {
            asked.fetch_add(1, Ordering::SeqCst);
            let exp = clock.now().after(LIFE);
            std::future::ready(issuer.issue(&Claims { exp, ..claims.clone() }))
        }
    };
    let clients = connect_with(&h.url(), Auth::from_source(source).await.unwrap()).await.unwrap();
    let mut watches = [(); 3].map(|()| clients.watch_matches(v1::WatchMatchesRequest::default()));
    for watch in &mut watches {
        take(watch).await.unwrap().unwrap();
    }
    h.clock.advance(LIFE + Duration::from_secs(61));
    // Bookmarks go on to come, past those that were sent before, and watches that end together ask once.
    for _ in 0..10 {
        for watch in &mut watches {
            take(watch).await.unwrap().unwrap();
        }
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_when_their_key_is_withdrawn() {
    let (old, new) = (SigningKey::new("old", Algorithm::EdDSA), SigningKey::new("new", Algorithm::EdDSA));
    let issuer = FakeIssuer::start(&[&old]).await;
    let auth = settings_of(&format!("[auth]\nissuer = \"{}\"", issuer.name())).auth;
    let h = Harness::with(Choices {
        configure: Box::new(move |config| {
            config.auth = auth;
            config.auth.key_refresh_interval = Duration::from_millis(100);
            config.auth.unknown_key_pause = Duration::from_millis(50);
        }),
        ..Choices::of(Engine::Sqlite)
    })
    .await;
    let token = old.sign(&json!({
        "iss": issuer.name(),
        "aud": "mailagent",
        "sub": "anna",
        "tenant": TENANT,
        "scope": "sweep.read",
        "iat": NOW.seconds(),
        "exp": NOW.seconds() + 600,
    }));
    let mut client = h.client_with(&token).await;
    let mut matches = client
        .sweep
        .watch_matches(v1::WatchMatchesRequest::default())
        .await
        .unwrap()
        .into_inner();
    take(&mut matches).await.unwrap().unwrap();
    issuer.publish(&[&new]);
    let status = loop {
        if let Err(status) = take(&mut matches).await.expect("it ends with a status") {
            break status;
        }
    };
    is_refused(&status, "does not publish");
}
