//! How it is logged in: by what the server offers, and nothing before it was asked. The proofs of NTLM are judged in tests/it/ntlm.rs.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use tokio::{net::TcpListener, task::JoinHandle};
use url::Url;

use super::{check, endpoint, file, source, xml};
use crate::net::ErrorClass;

/// A server that answers by the scheme of the login, `-` without one. It stops when dropped.
struct Door {
    url: Url,
    seen: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Door {
    async fn new(answer: impl Fn(&str) -> Response + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (record, answer) = (seen.clone(), Arc::new(answer));
        let app = Router::new().fallback(move |headers: HeaderMap| {
            let login = headers.get(header::AUTHORIZATION).map_or("-", |value| value.to_str().unwrap());
            let scheme = login.split(' ').next().unwrap().to_owned();
            record.lock().unwrap().push(scheme.clone());
            let answer = answer.clone();
            async move { answer(&scheme) }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = endpoint("http", listener.local_addr().unwrap().port());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, seen, task }
    }

    /// The schemes of the requests since the last call.
    fn seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

fn refusal(offers: &[&'static str]) -> Response {
    let mut response = StatusCode::UNAUTHORIZED.into_response();
    for offer in offers {
        response.headers_mut().append(header::WWW_AUTHENTICATE, offer.parse().unwrap());
    }
    response
}

#[tokio::test]
async fn no_password_goes_to_a_server_that_wants_none() {
    for (status, location, class, words) in [
        (302, "/owa/auth/logon.aspx", ErrorClass::Unreachable, "a login page"),
        (404, "", ErrorClass::Unreachable, "There is no EWS service"),
        (403, "", ErrorClass::Refused, "does not let it use EWS"),
        (503, "", ErrorClass::Retry { after: None }, "is busy"),
    ] {
        let answer = move |_: &str| (StatusCode::from_u16(status).unwrap(), [(header::LOCATION, location)]).into_response();
        let door = Door::new(answer).await;
        let error = source(door.url.clone(), |_| {}).inbox().await.unwrap_err();
        check(&error, class, words);
        assert_eq!(door.seen(), ["-"], "{status}");
    }
}

#[tokio::test]
async fn a_server_is_asked_once() {
    let silent: [fn() -> Response; 5] = [
        || refusal(&["Basic realm=\"mail\""]),
        || refusal(&[]),
        || StatusCode::OK.into_response(),
        || StatusCode::BAD_REQUEST.into_response(),
        || StatusCode::METHOD_NOT_ALLOWED.into_response(),
    ];
    for first in silent {
        let door = Door::new(move |scheme| if scheme == "Basic" { xml(file("inbox")) } else { first() }).await;
        let source = source(door.url.clone(), |_| {});
        for _ in 0..2 {
            assert_eq!(source.inbox().await.unwrap().total, Some(1234));
        }
        assert_eq!(door.seen(), ["-", "Basic", "Basic"]);
    }
}

#[tokio::test]
async fn a_password_that_was_refused_is_tried_in_no_other_way() {
    let door = Door::new(|scheme| match scheme {
        "Basic" => refusal(&["NTLM", "Basic realm=\"mail\""]),
        _ => refusal(&["Basic realm=\"mail\""]),
    })
    .await;
    let error = source(door.url.clone(), |_| {}).inbox().await.unwrap_err();
    check(&error, ErrorClass::LoginRequired, "rejects the user name or the password");
    assert_eq!(door.seen(), ["-", "Basic"]);
}

/// A message would count as sent otherwise.
#[tokio::test]
async fn an_answer_to_the_beginning_of_a_login_is_no_answer_to_the_request() {
    let door = Door::new(|scheme| match scheme {
        "-" => refusal(&["NTLM"]),
        _ => xml(file("inbox")),
    })
    .await;
    let error = source(door.url.clone(), |_| {}).inbox().await.unwrap_err();
    check(&error, ErrorClass::Malformed, "the first step of a login");
    assert_eq!(door.seen(), ["-", "NTLM"]);
}

#[tokio::test]
async fn a_server_that_is_set_up_anew_is_logged_in_to_in_its_new_way() {
    let offer = Arc::new(Mutex::new("Basic"));
    let offered = offer.clone();
    let door = Door::new(move |scheme| match *offered.lock().unwrap() {
        "Basic" if scheme == "Basic" => xml(file("inbox")),
        offer => refusal(&[offer]),
    })
    .await;
    let source = source(door.url.clone(), |_| {});
    source.inbox().await.unwrap();
    assert_eq!(door.seen(), ["-", "Basic"]);
    // One that offers NTLM and then sends no challenge: nothing is proved to it.
    *offer.lock().unwrap() = "NTLM";
    let error = source.inbox().await.unwrap_err();
    check(&error, ErrorClass::LoginRequired, "rejects the user name or the password");
    assert_eq!(door.seen(), ["Basic", "NTLM"]);
    *offer.lock().unwrap() = "Basic";
    source.inbox().await.unwrap();
    assert_eq!(door.seen(), ["NTLM", "Basic"]);
    *offer.lock().unwrap() = "Bearer";
    let error = source.inbox().await.unwrap_err();
    check(&error, ErrorClass::LoginRequired, "accepts no user name and password");
}
