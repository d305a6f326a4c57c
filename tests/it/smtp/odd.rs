//! Servers that do what no good server does, in a few lines each.

use std::{net::Ipv4Addr, time::Duration};

use mailagent::testing::{
    domain::SmtpSecurity,
    net::{EndpointRules, ErrorClass, Network, NetworkConfig, StageKind},
    provider::{Credentials, MailSink, SmtpConfig, SmtpLogin, SmtpSink},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    sync::mpsc,
};

use super::{Choices, check, failed, message, password, refused};

/// A server that greets, then answers each line with the next of `answers`, and closes behind the last. What it is told is received.
async fn server(greeting: &'static [u8], answers: &'static [&'static str]) -> (u16, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, lines) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        // The first connection only; further ones find nobody.
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.write_all(greeting).await.unwrap();
        for answer in answers {
            let mut line = Vec::new();
            if stream.read_until(b'\n', &mut line).await.unwrap_or(0) == 0 {
                return;
            }
            let _ = told.send(String::from_utf8_lossy(&line).trim_end().to_owned());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        // Hears out what is still said, for a moment, so that the end is no reset.
        let mut rest = Vec::new();
        while stream.read_until(b'\n', &mut rest).await.unwrap_or(0) > 0 {
            let _ = told.send(String::from_utf8_lossy(&rest).trim_end().to_owned());
            rest.clear();
        }
    });
    (port, lines)
}

fn quick(port: u16, security: SmtpSecurity) -> Choices {
    let limit = Duration::from_millis(500);
    Choices {
        connect_timeout: limit,
        ..Choices::new(port, security).waiting(limit)
    }
}

#[tokio::test]
async fn replies_injected_before_tls_are_not_used() {
    const ANSWERS: &[&str] = &[
        "250-mail.example\r\n250 STARTTLS\r\n",
        "220 go ahead\r\n250-mail.example\r\n250 AUTH PLAIN\r\n235 welcome\r\n250 ok\r\n",
    ];
    let (port, mut lines) = server(b"220 mail.example\r\n", ANSWERS).await;
    let (kind, error) = failed(&quick(port, SmtpSecurity::StartTls).sink(password("anna", "correct horse"))).await;
    assert_eq!(kind, StageKind::Tls);
    check(&error, ErrorClass::Unreachable, "tampering", "");
    let mut told = Vec::new();
    lines.close();
    while let Some(line) = lines.recv().await {
        told.push(line);
    }
    assert_eq!(told[..2], ["EHLO [127.0.0.1]", "STARTTLS"]);
    assert!(!told.iter().any(|line| line.contains("AUTH")), "{told:?}");
}

#[tokio::test]
async fn a_refused_starttls_is_not_gone_without() {
    const OFFER: &str = "250-x\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n";
    const LATER: &[&str] = &[OFFER, "454 4.7.0 TLS not available\r\n"];
    const NEVER: &[&str] = &[OFFER, "502 no\r\n"];
    for (answers, class) in [(LATER, ErrorClass::Retry { after: None }), (NEVER, ErrorClass::Unreachable)] {
        let (port, mut lines) = server(b"220 x\r\n", answers).await;
        let sink = quick(port, SmtpSecurity::StartTls).sink(password("anna", "correct horse"));
        let error = refused(&sink, &message("a@mail.example", &["b@mail.example"])).await;
        check(&error, class, "TLS", answers[1].trim());
        lines.close();
        while let Some(line) = lines.recv().await {
            assert!(!line.contains("AUTH") && !line.contains("MAIL"), "{line}");
        }
    }
}

#[tokio::test]
async fn what_is_no_smtp_server_is_told_so() {
    for (greeting, class, problem, reply) in [
        (
            &b"* OK IMAP4rev1 ready\r\n"[..],
            ErrorClass::Unreachable,
            "not an SMTP server",
            "* OK IMAP4rev1 ready",
        ),
        (
            b"SSH-2.0-OpenSSH_9.2\r\n",
            ErrorClass::Unreachable,
            "not an SMTP server",
            "SSH-2.0-OpenSSH_9.2",
        ),
        (
            b"554 5.7.1 \xfcble Sender\r\n",
            ErrorClass::Refused,
            "from this machine",
            "554 5.7.1 \u{fc}ble Sender",
        ),
        (
            b"421 4.3.2 later\r\n",
            ErrorClass::Retry { after: None },
            "for now",
            "421 4.3.2 later",
        ),
        (b"", ErrorClass::Unreachable, "did not greet in time", ""),
    ] {
        for security in [SmtpSecurity::StartTls, SmtpSecurity::None] {
            let (port, _lines) = server(greeting, &[]).await;
            check(
                &failed(&quick(port, security).sink(Credentials::None)).await.1,
                class,
                problem,
                reply,
            );
        }
    }
}

#[tokio::test]
async fn answers_that_old_servers_give_are_understood() {
    // Letters beyond ASCII, three digits alone, codes beyond 559, and AUTH with an equals sign.
    let answers = &[
        "250-gr\u{fc}\u{df}e\r\n250 AUTH=PLAIN\r\n",
        "235 2.7.0 gr\u{fc}\u{df}e\r\n",
        "250 ok\r\n",
        "571 5.7.1 not \u{fc}ber hier\r\n",
    ];
    let (port, mut lines) = server(b"220-Gr\xfc\xdfe\r\n220 \xfc\r\n", answers).await;
    let sink = quick(port, SmtpSecurity::None).sink(password("anna", "correct horse"));
    let error = refused(&sink, &message("a@mail.example", &["b@mail.example"])).await;
    check(
        &error,
        ErrorClass::Refused,
        "the recipient b@mail.example",
        "571 5.7.1 not \u{fc}ber hier",
    );
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(lines.recv().await.unwrap());
    }
    let expected = [
        "EHLO [127.0.0.1]",
        "AUTH PLAIN AGFubmEAY29ycmVjdCBob3JzZQ==",
        "MAIL FROM:<a@mail.example>",
        "RCPT TO:<b@mail.example>",
    ];
    assert_eq!(told, expected);
}

/// What a server was told, up to the end or to `count` lines.
async fn told(lines: &mut mpsc::UnboundedReceiver<String>, count: usize) -> Vec<String> {
    let mut told = Vec::new();
    while told.len() < count
        && let Ok(Some(line)) = tokio::time::timeout(Duration::from_secs(5), lines.recv()).await
    {
        told.push(line);
    }
    told
}

#[tokio::test]
async fn bare_codes_and_bare_line_feeds_are_replies() {
    const BARE: &[&str] = &["250\r\n", "250\r\n", "250\r\n", "354\r\n", "", "", "", "250\r\n"];
    const LINE_FEEDS: &[&str] = &[
        "250-x\n250 SIZE\n",
        "250 ok\n",
        "250 ok\n",
        "354 go\n",
        "",
        "",
        "",
        "250-taken\n250 all\n",
    ];
    for (greeting, answers, reply) in [
        (&b"220\r\n"[..], BARE, "250"),
        (b"220 x\n", LINE_FEEDS, "250 taken all"),
        (b"220\n", LINE_FEEDS, "250 taken all"),
    ] {
        let (port, _lines) = server(greeting, answers).await;
        let mut message = message("a@mail.example", &["b@mail.example"]);
        message.raw = "A: b\r\n\r\nc\r\n".into();
        let sink = quick(port, SmtpSecurity::None).sink(Credentials::None);
        assert_eq!(sink.send(&message).await.unwrap().server_reply, reply);
    }
}

#[tokio::test]
async fn a_server_without_ehlo_is_told_helo() {
    const TAKEN: &[&str] = &[
        "502 what\r\n",
        "250 x\r\n",
        "250 ok\r\n",
        "250 ok\r\n",
        "354 go\r\n",
        "",
        "",
        "",
        "250 taken\r\n",
    ];
    let (port, mut lines) = server(b"220 x\r\n", TAKEN).await;
    let mut message = message("a@mail.example", &["b@mail.example"]);
    message.raw = "A: b\r\n\r\nc\r\n".into();
    let sink = quick(port, SmtpSecurity::None).sink(Credentials::None);
    assert_eq!(sink.send(&message).await.unwrap().server_reply, "250 taken");
    let expected = ["EHLO [127.0.0.1]", "HELO [127.0.0.1]", "MAIL FROM:<a@mail.example>"];
    assert_eq!(told(&mut lines, 3).await, expected);

    // It offers nothing: neither TLS nor logins.
    let (port, mut lines) = server(b"220 x\r\n", &["500 what\r\n", "250 x STARTTLS\r\n", "221 bye\r\n"]).await;
    let (_, error) = failed(&quick(port, SmtpSecurity::StartTls).sink(password("anna", "correct horse"))).await;
    check(&error, ErrorClass::Unreachable, "does not offer STARTTLS", "250 x STARTTLS");
    assert_eq!(told(&mut lines, 3).await, ["EHLO [127.0.0.1]", "HELO [127.0.0.1]", "QUIT"]);
    let (port, _lines) = server(b"220 x\r\n", &["504 what\r\n", "250 x\r\n"]).await;
    let (_, error) = failed(&quick(port, SmtpSecurity::None).sink(password("anna", "correct horse"))).await;
    check(&error, ErrorClass::LoginRequired, "offers no login", "250 x");

    // Who refuses the name of this machine refuses it twice.
    let (port, mut lines) = server(b"220 x\r\n", &["501 no\r\n", "501 still no\r\n", "221 bye\r\n"]).await;
    let (_, error) = failed(&quick(port, SmtpSecurity::None).sink(Credentials::None)).await;
    check(&error, ErrorClass::Unreachable, "neither EHLO nor HELO", "501 still no");
    assert_eq!(told(&mut lines, 3).await[2], "QUIT");
    let (port, _lines) = server(b"220 x\r\n", &["550 go away\r\n"]).await;
    let (_, error) = failed(&quick(port, SmtpSecurity::None).sink(Credentials::None)).await;
    check(&error, ErrorClass::Refused, "", "550 go away");
}

#[tokio::test]
async fn a_server_that_refuses_is_told_goodbye() {
    for (greeting, security, expected) in [
        (&b"554 5.7.1 no\r\n"[..], SmtpSecurity::None, &["QUIT"][..]),
        (b"554-5.7.1 no\n554\n", SmtpSecurity::StartTls, &["QUIT"]),
        // It closes the connection itself.
        (b"421 4.3.2 later\r\n", SmtpSecurity::None, &[]),
    ] {
        let (port, mut lines) = server(greeting, &["221 bye\r\n"]).await;
        failed(&quick(port, security).sink(Credentials::None)).await;
        assert_eq!(told(&mut lines, 1).await, expected);
    }
}

#[tokio::test]
async fn a_server_may_close_at_any_time_and_say_so() {
    let later = ErrorClass::Retry { after: None };
    const HELLO: &[&str] = &["421 4.3.2 going down\r\n"];
    const MAIL: &[&str] = &["250 x\r\n", "421 4.3.2 going down\r\n"];
    // Unasked, with the reply to the command before.
    const UNASKED: &[&str] = &["250 x\r\n", "250 ok\r\n421 4.3.2 going down\r\n"];
    const DATA: &[&str] = &["250 x\r\n", "250 ok\r\n", "250 ok\r\n", "421-4.3.2\n421 4.3.2 going down\n"];
    for answers in [HELLO, MAIL, UNASKED, DATA] {
        let (port, _lines) = server(b"220 x\r\n", answers).await;
        let sink = quick(port, SmtpSecurity::None).sink(Credentials::None);
        let error = refused(&sink, &message("a@mail.example", &["b@mail.example"])).await;
        check(&error, later, "for now", "going down");
    }
}

#[tokio::test]
async fn long_replies_are_read_and_endless_ones_are_not() {
    let long: &'static str = format!("250-{}\r\n250 end\r\n", "x".repeat(5_000)).leak();
    let endless: &'static str = "250-x\r\n".repeat(20_000).leak();
    let answers: &'static [&'static str] = vec![long, long, endless].leak();
    let (port, _lines) = server(b"220 x\r\n", answers).await;
    let sink = quick(port, SmtpSecurity::None).sink(Credentials::None);
    let error = refused(&sink, &message("a@mail.example", &["b@mail.example"])).await;
    check(&error, ErrorClass::Malformed, "not SMTP", "250-x");
}

#[tokio::test]
async fn a_server_that_goes_away_or_says_nothing_is_unreachable() {
    let (port, _lines) = server(b"220 x\r\n", &["250 x\r\n"]).await;
    let sink = quick(port, SmtpSecurity::None).sink(Credentials::None);
    let error = refused(&sink, &message("a@mail.example", &["b@mail.example"])).await;
    check(&error, ErrorClass::Unreachable, "did not answer in time", "");

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { drop(listener.accept().await) });
    let (_, error) = failed(&quick(port, SmtpSecurity::None).sink(Credentials::None)).await;
    check(&error, ErrorClass::Unreachable, "closed the connection", "");
}

#[tokio::test]
async fn nothing_is_reached_where_nothing_listens_or_the_name_is_unknown() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let (kind, error) = failed(&quick(closed, SmtpSecurity::StartTls).sink(Credentials::None)).await;
    assert_eq!(kind, StageKind::Connect);
    check(&error, ErrorClass::Unreachable, "refuses the connection", "");

    let network = Network::new(NetworkConfig {
        connect_timeout: Duration::from_secs(5),
        ..NetworkConfig::default()
    });
    let login = |host: &str, credentials| SmtpLogin {
        host: host.to_owned(),
        port: 587,
        security: SmtpSecurity::StartTls,
        credentials,
        rules: EndpointRules::default(),
    };
    let config = SmtpConfig {
        request_timeout: Duration::from_secs(1),
        delivery_timeout: Duration::from_secs(1),
        max_connections: 1,
    };
    let unknown = SmtpSink::new(network.clone(), login("mail.nowhere.invalid", Credentials::None), config).unwrap();
    let (kind, error) = failed(&unknown).await;
    assert_eq!(kind, StageKind::Resolve);
    check(&error, ErrorClass::Unreachable, "mail.nowhere.invalid cannot be resolved", "");
    let forbidden = SmtpSink::new(network.clone(), login("127.0.0.1", Credentials::None), config).unwrap();
    let (kind, error) = failed(&forbidden).await;
    assert_eq!((kind, error.class), (StageKind::Resolve, ErrorClass::Refused));

    for (host, credentials, class) in [
        ("", Credentials::None, ErrorClass::Refused),
        ("mail\r\n.example", Credentials::None, ErrorClass::Refused),
        ("mail.example", password("", "x"), ErrorClass::LoginRequired),
        ("mail.example", password("anna", "nul\0"), ErrorClass::LoginRequired),
    ] {
        let error = SmtpSink::new(network.clone(), login(host, credentials), config).err().unwrap();
        assert_eq!(error.class, class, "{host:?}: {error}");
    }
}

#[tokio::test]
async fn a_kept_connection_is_asked_for_life_and_told_goodbye() {
    const TAKEN: [&str; 7] = ["250 ok\r\n", "250 ok\r\n", "354 go\r\n", "", "", "", "250 2.0.0 taken\r\n"];
    const ANSWERS: &[&str] = &[
        "250-x\r\n250 SIZE\r\n",
        TAKEN[0],
        TAKEN[1],
        TAKEN[2],
        TAKEN[3],
        TAKEN[4],
        TAKEN[5],
        TAKEN[6],
        "250 alive\r\n",
        TAKEN[0],
        TAKEN[1],
        TAKEN[2],
        TAKEN[3],
        TAKEN[4],
        TAKEN[5],
        TAKEN[6],
        "221 bye\r\n",
    ];
    let (port, mut lines) = server(b"220 x\r\n", ANSWERS).await;
    let sink = Choices::new(port, SmtpSecurity::None).sink(Credentials::None);
    let mut message = message("a@mail.example", &["b@mail.example"]);
    message.raw = "A: b\r\n\r\n.c\r\n".into();
    for _ in 0..2 {
        assert_eq!(sink.send(&message).await.unwrap().server_reply, "250 2.0.0 taken");
    }
    drop(sink);
    let mut told = Vec::new();
    for _ in ANSWERS {
        told.push(lines.recv().await.unwrap());
    }
    let transaction = [
        "MAIL FROM:<a@mail.example> SIZE=12",
        "RCPT TO:<b@mail.example>",
        "DATA",
        "A: b",
        "",
        "..c",
        ".",
    ];
    let expected = [&["EHLO [127.0.0.1]"][..], &transaction, &["NOOP"], &transaction, &["QUIT"]].concat();
    assert_eq!(told, expected);
}
