//! What servers answer instead: that they are busy, that something failed, or what is no answer of the protocol at all.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::{Server, answer, check, file, get_item, ids, plain, short, xml};
use crate::{net::ErrorClass, provider::MailSource};

#[tokio::test]
async fn busy_is_seen_in_each_of_its_shapes() {
    let busy = |response: fn() -> Response| async move {
        let server = Server::start(move |_, _| response()).await;
        server.source().fetch(&ids(["a"]), 1000).await.unwrap_err().class
    };
    let after = |milliseconds| ErrorClass::Retry {
        after: Some(Duration::from_millis(milliseconds)),
    };
    assert_eq!(
        busy(|| (StatusCode::INTERNAL_SERVER_ERROR, file("fault-busy")).into_response()).await,
        after(297_749)
    );
    assert_eq!(busy(|| xml(file("fault-busy"))).await, after(297_749));
    let message = || {
        let wait = "<MessageXml><y:Value Name='BackOffMilliseconds'>2500</y:Value></MessageXml><Items/>";
        xml(answer("GetItem", &[("ErrorServerBusy", wait.to_owned())]))
    };
    assert_eq!(busy(message).await, after(2500));
    assert_eq!(
        busy(|| (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "30")]).into_response()).await,
        after(30_000)
    );
    assert_eq!(
        busy(|| StatusCode::SERVICE_UNAVAILABLE.into_response()).await,
        ErrorClass::Retry { after: None }
    );
}

#[tokio::test]
async fn one_busy_item_makes_the_whole_call_wait() {
    let server = Server::start(|_, call| {
        get_item(call, |id, mime| match id {
            "b" if mime => (
                "ErrorServerBusy",
                "<MessageXml><y:Value Name='BackOffMilliseconds'>700</y:Value></MessageXml>".to_owned(),
            ),
            _ => plain(id, mime),
        })
    })
    .await;
    let error = server.source().fetch(&ids(["a", "b", "c"]), 1000).await.unwrap_err();
    let class = ErrorClass::Retry {
        after: Some(Duration::from_millis(700)),
    };
    check(&error, class, "requested a pause");
}

#[tokio::test]
async fn a_server_that_takes_too_long_is_asked_for_less() {
    let server = Server::start(|_, call| {
        let slow = call.ids.len() > 3 && call.body.contains("IncludeMimeContent");
        get_item(call, |id, mime| {
            if slow && id != "0" {
                ("ErrorBatchProcessingStopped", String::new())
            } else {
                plain(id, mime)
            }
        })
    })
    .await;
    let source = server.source();
    let wanted = ids(0..10);
    for _ in 0..2 {
        let error = source.fetch(&wanted, 1000).await.unwrap_err();
        check(&error, ErrorClass::Retry { after: None }, "halfway");
    }
    assert_eq!(source.fetch(&wanted, 1000).await.unwrap().len(), 10);
}

#[tokio::test]
async fn an_item_that_always_faults_is_given_up() {
    let server = Server::start(|_, call| {
        get_item(call, |id, mime| {
            if id == "bad" {
                ("ErrorInternalServerError", String::new())
            } else {
                plain(id, mime)
            }
        })
    })
    .await;
    let source = server.source();
    let wanted = ids(["a", "bad"]);
    for _ in 0..4 {
        let error = source.fetch(&wanted, 1000).await.unwrap_err();
        check(&error, ErrorClass::Retry { after: None }, "event log");
    }
    let fetched = source.fetch(&wanted, 1000).await.unwrap();
    assert_eq!(short(&fetched), ["message a", "broken ErrorInternalServerError:"]);
}

#[tokio::test]
async fn answers_that_are_not_ews_are_put_into_words() {
    let refused = |response: fn() -> Response| async move {
        let server = Server::start(move |_, _| response()).await;
        server.source().inbox().await.unwrap_err()
    };
    let error = refused(|| (StatusCode::UNAUTHORIZED, [("www-authenticate", "Basic realm=\"mail\"")]).into_response()).await;
    check(&error, ErrorClass::LoginRequired, "user name or the password");
    let error = refused(|| (StatusCode::FOUND, [("location", "https://login.else.test/owa/auth/logon.aspx")]).into_response()).await;
    check(&error, ErrorClass::Unreachable, "login.else.test");
    let page = || ([("content-type", "text/html")], "<html><head><title>Sign in</title></head></html>").into_response();
    let error = refused(page).await;
    check(&error, ErrorClass::Unreachable, "web page");
    assert_eq!(error.server_reply, "Sign in");
    let error = refused(|| xml("\r\n<!DOCTYPE html><html><body>Welcome")).await;
    check(&error, ErrorClass::Unreachable, "web page");
    let error = refused(|| xml("")).await;
    check(&error, ErrorClass::Malformed, "not usable XML");
    let error = refused(|| {
        let whole = file("inbox");
        xml(whole[..whole.len() - 30].to_owned())
    })
    .await;
    check(&error, ErrorClass::Malformed, "not usable XML");
    let error = refused(|| xml(file("items"))).await;
    check(&error, ErrorClass::Malformed, "does not belong to the request GetFolder");
    let error = refused(|| (StatusCode::INTERNAL_SERVER_ERROR, file("fault-plain")).into_response()).await;
    check(&error, ErrorClass::Malformed, "does not understand a request");
}
