//! Checks of a connection, against the simulated server: each fault is reported at its stage, so that a person can fix it.

use std::{sync::Arc, time::Duration};

use axum::response::IntoResponse;
use http::StatusCode;
use mailagent_sim::exchange::{Exchange, Fault, FaultKind};
use rustls::pki_types::CertificateDer;
use url::Url;

use super::{
    Server, answer,
    connection::{certificate, certificate_with, tls_server},
    endpoint, file, network, source, xml,
};
use crate::{
    net::{
        ErrorClass, ProviderError, Stage,
        StageKind::{self, Authenticate, Connect, OpenInbox, Resolve, Send, Tls},
    },
    provider::{
        MailSink, OutgoingMessage,
        exchange::ews::{EwsConfig, EwsSource},
    },
};

const ANNA: &str = "anna@corp.test";

async fn stages(source: &EwsSource, test: Option<&OutgoingMessage>) -> Vec<Stage> {
    let mut stages = Vec::new();
    source.check(test, &mut |stage| stages.push(stage)).await;
    stages
}

fn kinds(stages: &[Stage]) -> Vec<StageKind> {
    stages.iter().map(|stage| stage.kind).collect()
}

/// The fault of the last stage, which must be this one; those before it are well.
async fn failed(source: &EwsSource, kind: StageKind, class: ErrorClass, words: &str) -> ProviderError {
    failed_in(stages(source, Some(&message())).await, kind, class, words)
}

#[track_caller]
fn failed_in(mut stages: Vec<Stage>, kind: StageKind, class: ErrorClass, words: &str) -> ProviderError {
    let last = stages.pop().unwrap();
    assert!(stages.iter().all(|stage| stage.outcome.is_ok()), "{stages:#?}");
    assert_eq!(last.kind, kind, "{last:#?}");
    let error = last.outcome.unwrap_err();
    super::check(&error, class, words);
    error
}

fn message() -> OutgoingMessage {
    OutgoingMessage {
        sender: ANNA.to_owned(),
        recipients: vec![ANNA.to_owned()],
        raw: format!("From: {ANNA}\r\nTo: {ANNA}\r\nSubject: x\r\n\r\nx\r\n").into(),
    }
}

/// The answer to the first request of a check, which is for the login's own root folder.
fn root() -> String {
    answer("GetFolder", &[("NoError", "<Folders/>".to_owned())])
}

/// A server with Anna's mailbox, which the login of [`source`] owns.
async fn exchange() -> Exchange {
    let exchange = Exchange::builder().start().await.unwrap();
    exchange.add_mailbox(ANNA, "CORP\\crm", "pässword");
    exchange
}

fn to(exchange: &Exchange, change: impl FnOnce(&mut EwsConfig)) -> EwsSource {
    source(exchange.endpoint(), change)
}

fn trusting(url: Url, root: CertificateDer<'static>) -> EwsSource {
    source(url, |config| config.network = network(vec![root], Duration::from_secs(5)))
}

#[tokio::test]
async fn a_good_connection_is_told_stage_by_stage_and_nothing_is_sent() {
    let (root, config) = certificate("127.0.0.1");
    let acceptor = tokio_rustls::TlsAcceptor::from(config);
    let exchange = Exchange::builder().tls(move |tcp| acceptor.accept(tcp)).start().await.unwrap();
    exchange.add_mailbox(ANNA, "CORP\\crm", "pässword");
    let source = trusting(exchange.endpoint(), root);
    let told = stages(&source, None).await;
    assert_eq!(kinds(&told), [Resolve, Connect, Tls, Authenticate, OpenInbox]);
    let facts: Vec<_> = told.iter().map(|stage| stage.outcome.as_ref().unwrap()).collect();
    let certificate = facts[2].certificate.as_ref().unwrap();
    assert_eq!(
        (certificate.names.as_slice(), certificate.tls_version.as_str()),
        (&["127.0.0.1".to_owned()][..], "TLSv1.3")
    );
    assert!(facts[3].summary.contains("the server is Exchange 15."), "{}", facts[3].summary);
    assert_eq!(facts[4].summary, "Opened the inbox, which has 0 messages.");
    assert!(exchange.sent_messages().is_empty());

    let told = stages(&source, Some(&message())).await;
    assert_eq!(kinds(&told), [Resolve, Connect, Tls, Authenticate, OpenInbox, Send]);
    assert!(told.iter().all(|stage| stage.outcome.is_ok()), "{told:#?}");
    assert_eq!(exchange.sent_messages().len(), 1);

    // Without TLS, its stage is left out.
    let plain = self::exchange().await;
    assert_eq!(
        kinds(&stages(&to(&plain, |_| {}), None).await),
        [Resolve, Connect, Authenticate, OpenInbox]
    );
}

#[tokio::test]
async fn servers_that_cannot_be_reached_are_told_apart() {
    let name = "a".repeat(64) + ".invalid";
    let unknown = source(Url::parse(&format!("https://{name}/EWS/Exchange.asmx")).unwrap(), |_| {});
    failed(&unknown, Resolve, ErrorClass::Unreachable, "cannot be resolved").await;

    let closed = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let closed = source(endpoint("http", closed), |_| {});
    failed(&closed, Connect, ErrorClass::Unreachable, "nothing listens on that port").await;

    let plain = exchange().await;
    let port = plain.endpoint().port().unwrap();
    let (root, config) = certificate("127.0.0.1");
    let secure_to_plain = trusting(endpoint("https", port), root);
    failed(&secure_to_plain, Tls, ErrorClass::Unreachable, "does not speak TLS on this port").await;

    let secure = tls_server(config).await;
    let plain_to_secure = source(endpoint("http", secure.url.port().unwrap()), |_| {});
    failed(&plain_to_secure, Authenticate, ErrorClass::Unreachable, "whether it requires TLS").await;
}

#[tokio::test]
async fn certificates_that_are_not_believed_are_shown() {
    let rows = [
        (
            certificate_with("127.0.0.1", |parameters| parameters.not_after = rcgen::date_time_ymd(2020, 1, 1)),
            true,
            "expired",
        ),
        (certificate("mail.corp.test"), true, "another name"),
        (certificate("127.0.0.1"), false, "not trusted here"),
    ];
    for ((own, config), trusted, words) in rows {
        let server = tls_server(config).await;
        let root = if trusted { own.clone() } else { certificate("else").0 };
        let error = failed(&trusting(server.url.clone(), root), Tls, ErrorClass::Unreachable, words).await;
        let facts = error.certificate.unwrap();
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &own);
        let fingerprint: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(facts.sha256_fingerprint, fingerprint, "{words}");
    }
}

#[tokio::test]
async fn servers_that_are_not_exchange_are_told() {
    let page = || ([("content-type", "text/html")], "<html><head><title>Sign in</title></head></html>").into_response();
    let server = Server::start(move |_, _| page()).await;
    let error = failed(
        &server.source(),
        Authenticate,
        ErrorClass::Unreachable,
        "with a web page, not with EWS",
    )
    .await;
    assert_eq!(error.server_reply, "Sign in");
    let server = Server::raw(b"220 mail.corp.test ESMTP\r\n").await;
    failed(&server.source(), Authenticate, ErrorClass::Unreachable, "does not speak HTTP").await;
    let server = Server::start(|_, _| xml("<feed/>")).await;
    failed(&server.source(), Authenticate, ErrorClass::Malformed, "is not a SOAP envelope").await;
    let elsewhere = exchange().await;
    let elsewhere = source(elsewhere.endpoint().join("/other").unwrap(), |_| {});
    failed(&elsewhere, Authenticate, ErrorClass::Unreachable, "There is no EWS service").await;
}

#[tokio::test]
async fn logins_and_mailboxes_that_do_not_fit_are_told_apart() {
    let exchange = exchange().await;
    let wrong = to(&exchange, |config| config.username = "CORP\\nobody".to_owned());
    let error = failed(
        &wrong,
        Authenticate,
        ErrorClass::LoginRequired,
        "rejects the user name or the password",
    )
    .await;
    assert!(error.server_reply.starts_with("HTTP 401"), "{error:?}");

    let in_mailbox = |address: &str, impersonate| {
        to(&exchange, |config| {
            config.mailbox = Some(address.to_owned());
            config.impersonate = impersonate;
        })
    };
    let missing = in_mailbox("nobody@corp.test", false);
    failed(&missing, OpenInbox, ErrorClass::Refused, "has no mailbox with this address").await;
    exchange.add_mailbox("bert@corp.test", "bert", "other");
    let foreign = in_mailbox("bert@corp.test", false);
    failed(&foreign, OpenInbox, ErrorClass::Refused, "has no permission to read this mailbox").await;
    let denied = in_mailbox("bert@corp.test", true);
    failed(
        &denied,
        OpenInbox,
        ErrorClass::Refused,
        "Grant it the role ApplicationImpersonation",
    )
    .await;
    exchange.grant("CORP\\crm", "bert@corp.test");
    assert_eq!(stages(&foreign, None).await.len(), 4);

    for (code, class, words) in [
        ("ErrorSendAsDenied", ErrorClass::Refused, "Grant it Send As"),
        ("ErrorMessageSizeExceeded", ErrorClass::TooLarge, "over the size limit"),
    ] {
        exchange.script(Fault::next("SendItem", 1, FaultKind::ItemError(code)));
        let error = failed(&to(&exchange, |_| {}), Send, class, words).await;
        assert!(error.server_reply.starts_with(code), "{error:?}");
    }
}

/// Exchange says of a mailbox that the login has no rights to, or that hides its inbox, that the folder is not there.
#[tokio::test]
async fn an_inbox_that_is_not_shown_is_a_matter_of_rights() {
    for code in ["ErrorFolderNotFound", "ErrorItemNotFound"] {
        let server = Server::start(move |number, _| {
            xml(match number {
                0 => root(),
                _ => answer("GetFolder", &[(code, String::new())]),
            })
        })
        .await;
        let source = source(server.url.clone(), |config| config.mailbox = Some("bert@corp.test".to_owned()));
        failed(
            &source,
            OpenInbox,
            ErrorClass::Refused,
            "does not let the login list the folders of this mailbox",
        )
        .await;
    }
}

#[tokio::test]
async fn exchange_online_leads_to_graph() {
    let offer = "Change the agent's kind to EXCHANGE_GRAPH: the agent, its history and its position stay.";
    let denied = |code: &'static str| {
        move |number| match number {
            0 => xml(root()),
            _ => xml(answer("GetFolder", &[(code, String::new())])),
        }
    };
    let forbidden_with_fault = |_| {
        let fault = file("fault-plain").replace("ErrorSchemaValidation", "ErrorAccessDenied");
        (StatusCode::FORBIDDEN, fault).into_response()
    };
    type Script = Arc<dyn Fn(usize) -> axum::response::Response + std::marker::Send + Sync>;
    let rows: [(Script, StageKind, ErrorClass, &str); 5] = [
        (
            Arc::new(|_| StatusCode::UNAUTHORIZED.into_response()),
            Authenticate,
            ErrorClass::LoginRequired,
            "accepts no passwords",
        ),
        (
            Arc::new(|_| StatusCode::FORBIDDEN.into_response()),
            Authenticate,
            ErrorClass::Refused,
            "for all in April 2027",
        ),
        (
            Arc::new(forbidden_with_fault),
            Authenticate,
            ErrorClass::Refused,
            "for all in April 2027",
        ),
        (
            Arc::new(denied("ErrorImpersonateUserDenied")),
            OpenInbox,
            ErrorClass::Refused,
            "ended ApplicationImpersonation in February 2025",
        ),
        (
            Arc::new(denied("ErrorImpersonationFailed")),
            OpenInbox,
            ErrorClass::Refused,
            "ended ApplicationImpersonation in February 2025",
        ),
    ];
    for (script, kind, class, words) in rows {
        let server = Server::start(move |number, _| script(number)).await;
        let mut source = source(server.url.clone(), |config| {
            config.mailbox = Some(ANNA.to_owned());
            config.impersonate = true;
        });
        Arc::get_mut(&mut source.transport).unwrap().judge.host = "outlook.office365.com".into();
        let error = failed(&source, kind, class, words).await;
        assert!(error.problem.ends_with(offer), "{}", error.problem);
    }
}
