//! smtp-server for Node, which fails on demand: see `tests/peers/smtp_server.mjs`.

use std::time::Duration;

use mailagent::testing::{
    domain::SmtpSecurity,
    net::{ErrorClass, StageKind},
    provider::{Credentials, MailSink},
};
use serde_json::{Value, json};

use super::{Choices, Pair, certificate, check, failed, message, password, refused, stages, token};
use crate::harness::NodePeer;

/// The server, which ends when this is dropped.
pub struct Scripted {
    certificate: Pair,
    /// Where it listens.
    pub port: u16,
    _process: NodePeer,
}

impl Scripted {
    /// Starts it with these settings.
    pub fn start(settings: Value) -> Self {
        let certificate = certificate();
        let mut all = json!({ "certificate": certificate.certificate, "key": certificate.key });
        all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let process = NodePeer::start("smtp_server.mjs", "smtp-server", &[all.to_string()]);
        Self {
            certificate,
            port: process.port(),
            _process: process,
        }
    }

    /// SHA-256 of its certificate in hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.certificate.der);
        digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn choices(&self, security: SmtpSecurity) -> Choices {
        Choices::new(self.port, security).trusting(&self.certificate)
    }
}

/// The session that the server's answer names.
fn session(reply: &str) -> String {
    let mut words = reply.split(' ').skip_while(|word| *word != "session");
    words.nth(1).unwrap_or_else(|| panic!("{reply}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_taken_or_refused_with_the_reason() {
    let server = Scripted::start(json!({}));
    let choices = server.choices(SmtpSecurity::StartTls);
    let good = choices.sink(token("anna@mail.example", "good"));
    let all = stages(&good, Some(&message("anna@mail.example", &["bob@mail.example"]))).await;
    assert!(all.iter().all(|stage| stage.outcome.is_ok()));
    assert_eq!(all.len(), 5);

    let secret = "stale-token-0815";
    let (kind, error) = failed(&choices.sink(token("anna@mail.example", secret))).await;
    assert_eq!(kind, StageKind::Authenticate);
    check(&error, ErrorClass::LoginRequired, "access token of anna@mail.example", "535 ");
    assert!(error.server_reply.contains(r#"{"status":"401""#), "{error:?}");
    assert!(!format!("{error:?}").contains(secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_are_judged_by_what_the_server_says() {
    let server = Scripted::start(json!({}));
    let told = |words: &str| server.choices(SmtpSecurity::StartTls).sink(password(words, "correct horse"));
    for (words, class, problem) in [
        ("454 4.7.0 try later", ErrorClass::Retry { after: None }, "currently"),
        ("534 5.7.9 app password", ErrorClass::LoginRequired, "app password"),
        ("535 5.7.139 basic authentication is disabled", ErrorClass::LoginRequired, "OAuth"),
        (
            "550 5.7.30 Basic authentication is not supported",
            ErrorClass::LoginRequired,
            "OAuth",
        ),
        ("538 5.7.11 encrypt", ErrorClass::LoginRequired, "encrypted connection"),
    ] {
        check(&failed(&told(words)).await.1, class, problem, words.split(' ').nth(1).unwrap());
    }
    // A server that repeats what it was told does not bring the password to light.
    let (_, error) = failed(&told("535 you said % to me")).await;
    check(
        &error,
        ErrorClass::LoginRequired,
        "password is wrong",
        "535 you said [secret] to me",
    );

    let poor = Scripted::start(json!({ "authMethods": ["CRAM-MD5"] }));
    let (_, error) = failed(&poor.choices(SmtpSecurity::StartTls).sink(password("anna", "correct"))).await;
    check(&error, ErrorClass::LoginRequired, "it offers CRAM-MD5", "CRAM-MD5");
    let (_, error) = failed(&poor.choices(SmtpSecurity::StartTls).sink(token("anna", "good"))).await;
    check(&error, ErrorClass::LoginRequired, "access tokens (XOAUTH2); it offers CRAM-MD5", "");

    let strict = Scripted::start(json!({ "authOptional": false }));
    let nobody = strict.choices(SmtpSecurity::StartTls).sink(Credentials::None);
    let error = refused(&nobody, &message("anna@mail.example", &["bob@mail.example"])).await;
    check(&error, ErrorClass::LoginRequired, "only after a login", "530");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_at_every_step_have_their_class() {
    let server = Scripted::start(json!({}));
    let sink = server.choices(SmtpSecurity::None).sink(password("anna", "correct"));
    let later = ErrorClass::Retry { after: None };
    for (sender, recipient, class, problem) in [
        ("mail-421", "bob", later, "for now"),
        ("mail-451", "bob", later, "currently cannot accept mail for mail-451@mail.example"),
        ("mail-550", "bob", ErrorClass::Refused, "the sender mail-550@mail.example"),
        ("mail-552", "bob", ErrorClass::TooLarge, "larger"),
        ("anna", "rcpt-450", later, "rcpt-450@mail.example"),
        ("anna", "rcpt-550", ErrorClass::Refused, "the recipient rcpt-550@mail.example"),
        ("anna", "data-451", later, "temporary"),
        ("anna", "data-552", ErrorClass::TooLarge, "larger"),
        ("anna", "data-554", ErrorClass::Refused, "its content"),
    ] {
        let message = message(&format!("{sender}@mail.example"), &[&format!("{recipient}@mail.example")]);
        check(&refused(&sink, &message).await, class, problem, "told to say so");
    }
    // One recipient refused: nobody gets it.
    let error = refused(&sink, &message("anna@mail.example", &["bob@mail.example", "rcpt-550@mail.example"])).await;
    check(&error, ErrorClass::Refused, "rcpt-550@mail.example", "550");
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_a_message_was_sent_is_in_doubt_only_behind_its_end() {
    let server = Scripted::start(json!({}));
    let send = async |recipient: &str, limit: Duration| {
        let sink = server
            .choices(SmtpSecurity::StartTls)
            .waiting(limit)
            .sink(password("anna", "correct"));
        let mut message = message("anna@mail.example", &[recipient]);
        // More than what fits in between, so that its end is not sent before somebody hangs up.
        message.raw = [message.raw.as_ref(), "0123456789abcdef\r\n".repeat(800_000).as_bytes()]
            .concat()
            .into();
        let error = refused(&sink, &message).await;
        assert_eq!(error.class, ErrorClass::Unreachable);
        error.problem.contains("unknown whether it was sent")
    };
    let long = Duration::from_secs(10);
    assert!(!send("drop-data@mail.example", long).await);
    assert!(send("drop-end@mail.example", long).await);
    assert!(send("silent@mail.example", Duration::from_secs(1)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_kept_and_dead_ones_replaced() {
    let server = Scripted::start(json!({}));
    let sink = server.choices(SmtpSecurity::StartTls).sink(password("anna", "correct"));
    let send = async |sender: &str, recipient: &str| session(&sink.send(&message(sender, &[recipient])).await.unwrap().server_reply);
    let first = send("anna@mail.example", "bob@mail.example").await;
    assert_eq!(send("anna@mail.example", "bob@mail.example").await, first);
    // Dies at MAIL FROM, when it is used again.
    let second = send("reused@mail.example", "bob@mail.example").await;
    assert_ne!(second, first);
    // Dies while it lies idle.
    assert_eq!(send("anna@mail.example", "bye@mail.example").await, second);
    assert_ne!(send("anna@mail.example", "bob@mail.example").await, second);

    // Two at once, over connections of their own.
    let (one, other) = tokio::join!(
        send("anna@mail.example", "bob@mail.example"),
        send("anna@mail.example", "bob@mail.example")
    );
    assert_ne!(one, other);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_asks_for_what_it_needs() {
    let server = Scripted::start(json!({ "size": 5_000 }));
    let sink = server.choices(SmtpSecurity::StartTls).sink(password("anna", "correct"));
    let mut plain = message("anna@mail.example", &["bob@mail.example"]);
    let reply = sink.send(&plain).await.unwrap().server_reply;
    assert!(
        reply.contains(&format!("took {} bytes {{\"SIZE\":\"{}\"}}", plain.raw.len(), plain.raw.len())),
        "{reply}"
    );
    let mut international = message("j\u{fc}rgen@mail.example", &["eva@b\u{fc}cher.example"]);
    let reply = sink.send(&international).await.unwrap().server_reply;
    for part in ["SMTPUTF8", "8BITMIME", "SIZE"] {
        assert!(reply.contains(part), "{reply}");
    }
    plain.raw = [plain.raw.as_ref(), &b"0123456789\r\n".repeat(500)].concat().into();
    check(&refused(&sink, &plain).await, ErrorClass::TooLarge, "at most 5000", "SIZE 5000");

    let poor = Scripted::start(json!({ "hideSMTPUTF8": true, "hide8BITMIME": true }));
    let sink = poor.choices(SmtpSecurity::StartTls).sink(password("anna", "correct"));
    check(&refused(&sink, &international).await, ErrorClass::Refused, "SMTPUTF8", "");
    international.sender = "anna@mail.example".to_owned();
    international.raw = "From: <a@b.example>\r\n\r\n\u{fc}\r\n".into();
    check(&refused(&sink, &international).await, ErrorClass::Refused, "8BITMIME", "");
}

#[tokio::test(flavor = "multi_thread")]
async fn starttls_that_is_not_offered_ends_the_attempt() {
    let server = Scripted::start(json!({ "hideSTARTTLS": true }));
    let sink = server.choices(SmtpSecurity::StartTls).sink(password("anna", "correct"));
    let (kind, error) = failed(&sink).await;
    assert_eq!(kind, StageKind::Tls);
    check(
        &error,
        ErrorClass::Unreachable,
        "does not offer STARTTLS",
        "AUTH PLAIN LOGIN XOAUTH2",
    );
}
