//! Who is asked, in which order, and what is told when nobody knows.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use mailagent_sim::{
    entra::TokenHolder,
    exchange::Autodiscover::{Endless, Error, Off, Raw, Redirect, RedirectAddress, RedirectUrl},
};
use tokio::net::TcpListener;
use zeroize::Zeroizing;

use super::{
    super::{DiscoveryRules, Finder},
    ANNA, Net, Query, asked, at, rules, url, was_shown_a_login,
};
use crate::{
    crypto::Secret,
    net::{ErrorClass, ProviderError},
    provider::{AccessTokens, EwsDiscovery, exchange::ews::EwsProof},
};

const EWS: &str = "https://mail.corp.test/EWS/Exchange.asmx";
const POX: &str = "/autodiscover/autodiscover.xml";

fn told(host: &str, file: &str, scheme: Option<&str>) -> Query {
    Query {
        host: host.to_owned(),
        file: format!("autodiscover.{file}"),
        scheme: scheme.map(str::to_owned),
    }
}

#[tokio::test]
async fn v2_needs_no_login() {
    for name in ["autodiscover.corp.test", "corp.test"] {
        let net = Net::new();
        let server = net.server(&[name], at("mail.corp.test"), Off).await;
        let found = net.find().await.unwrap();
        assert_eq!(found.endpoint, url(EWS));
        assert_eq!(found.told_by, format!("https://{name}/autodiscover/autodiscover.json"));
        assert_eq!(asked(&server), [told(name, "json", None)]);
    }
}

#[tokio::test]
async fn a_silent_server_delays_nobody_who_answers() {
    let net = Net::new();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    net.names.addresses.lock().unwrap().insert(("corp.test".to_owned(), 443), address);
    let _server = net.server(&["autodiscover.corp.test"], at("mail.corp.test"), Off).await;
    let found = tokio::time::timeout(Duration::from_secs(4), net.find()).await;
    assert_eq!(found.expect("the answer is taken at once").unwrap().endpoint, url(EWS));
}

#[tokio::test]
async fn redirects_of_v2_are_followed_within_the_domain() {
    let net = Net::new();
    let target = net.server(&["mail.corp.test"], at("mail.corp.test"), Off).await;
    let there = "https://mail.corp.test/autodiscover/autodiscover.json/v1.0/anna@corp.test?Protocol=EWS";
    let first = net.server(&["autodiscover.corp.test"], Redirect(there.to_owned()), Off).await;
    assert_eq!(net.find().await.unwrap().endpoint, url(EWS));
    assert!(!was_shown_a_login(&target) && !was_shown_a_login(&first));
}

#[tokio::test]
async fn the_older_form_comes_next_with_the_login() {
    // A server of its own says first how it wants to be logged in to.
    let name = "autodiscover.corp.test";
    let probed = [told(name, "xml", None), told(name, "xml", None), told(name, "xml", Some("Basic"))];
    for json in [Off, Error("ProtocolNotSupported", "No."), Raw(Bytes::from_static(b"<html/>"))] {
        let net = Net::new();
        let server = net.server(&[name], json.clone(), at("mail.corp.test")).await;
        let found = net.find().await.unwrap();
        assert_eq!((found.endpoint, found.told_by), (url(EWS), format!("https://{name}{POX}")));
        let asked = asked(&server);
        assert_eq!(asked[0], told(name, "json", None));
        assert_eq!(asked[1..], probed, "{json:?}");
    }
}

#[tokio::test]
async fn the_older_form_leads_on_within_the_domain() {
    let there = format!("https://other.corp.test{POX}");
    let second = "anna@sub.corp.test";
    for first in [
        Redirect(there.clone()),
        RedirectUrl(there.clone()),
        RedirectAddress(second.to_owned()),
        RedirectAddress("bert@corp.test".to_owned()),
    ] {
        let net = Net::new();
        // The address that it leads to is asked at the servers of its own domain, or where it was given.
        let server = net.server(&["other.corp.test"], Off, at("mail.corp.test")).await;
        server.add_mailbox("bert@corp.test", "bert", "x");
        net.server_at("autodiscover.sub.corp.test", &server);
        server.add_mailbox(second, second, super::PASSWORD);
        server.grant(ANNA, second);
        let start = net.server(&["autodiscover.corp.test"], Off, first.clone()).await;
        let found = net.find().await;
        if first == RedirectAddress("bert@corp.test".to_owned()) {
            // This server says so of everybody.
            let error = found.unwrap_err();
            assert!(
                error.problem.contains("redirects back to where it was queried before"),
                "{}",
                error.problem
            );
            continue;
        }
        assert_eq!(found.unwrap().endpoint, url(EWS), "{first:?}");
        assert!(was_shown_a_login(&server), "{first:?}");
        drop(start);
    }
}

#[tokio::test]
async fn circles_and_long_ways_end() {
    let there = |n: usize| format!("https://s{n}.corp.test{POX}");
    let net = Net::new();
    let _a = net
        .server(
            &["autodiscover.corp.test"],
            Redirect("/autodiscover/autodiscover.json/v1.0/x".to_owned()),
            RedirectUrl(there(1)),
        )
        .await;
    let _b = net.server(&["s1.corp.test"], Off, RedirectUrl(there(1))).await;
    let error = net.find().await.unwrap_err();
    assert_eq!(
        error.problem.matches("redirects back to where it was queried before").count(),
        2,
        "{}",
        error.problem
    );

    let net = Net::new();
    let mut servers = vec![net.server(&["autodiscover.corp.test"], Off, RedirectUrl(there(1))).await];
    for n in 1..12 {
        servers.push(net.server(&[&format!("s{n}.corp.test")], Off, RedirectUrl(there(n + 1))).await);
    }
    let error = net.find().await.unwrap_err();
    assert!(error.problem.contains("redirects more than 10 times"), "{}", error.problem);
    assert!(was_shown_a_login(&servers[10]) && !was_shown_a_login(&servers[11]));
}

#[tokio::test]
async fn the_server_without_tls_may_only_send_to_one_with_it() {
    let net = Net::new();
    let plain = net
        .plain(&["autodiscover.corp.test"], Redirect(format!("https://other.corp.test{POX}")))
        .await;
    let server = net.server(&["other.corp.test"], Off, at("mail.corp.test")).await;
    assert_eq!(net.find().await.unwrap().endpoint, url(EWS));
    assert_eq!(asked(&plain), [told("autodiscover.corp.test", "xml", None)]);
    assert!(was_shown_a_login(&server));

    // Whatever else it says is not heard.
    for answer in [
        at("mail.corp.test"),
        Off,
        Redirect(format!("http://other.corp.test{POX}")),
        Redirect("ftp://corp.test".to_owned()),
    ] {
        plain.autodiscover(Off, answer.clone());
        let error = net.find().await.unwrap_err();
        let words = match answer {
            Redirect(_) => "which is not https, so it is not followed",
            _ => "not with a redirect",
        };
        assert!(error.problem.contains(words), "{answer:?}: {}", error.problem);
    }
    assert!(!was_shown_a_login(&plain));
}

#[tokio::test]
async fn exchange_online_is_found_without_a_login() {
    let net = Net::new();
    let there = format!("https://autodiscover-s.outlook.com{POX}");
    let _plain = net.plain(&["autodiscover.corp.test"], Redirect(there)).await;
    let server = net.server(&["autodiscover-s.outlook.com"], at("outlook.office365.com"), Off).await;
    // The operator's list as it is by itself.
    let finder = net.finder_with(ANNA, &["autodiscover-s.outlook.com", "outlook.office365.com"], |_| {});
    let found = finder.find().await.unwrap();
    assert_eq!(found.endpoint, url("https://outlook.office365.com/EWS/Exchange.asmx"));
    assert!(!was_shown_a_login(&server));
}

#[tokio::test]
async fn a_service_record_comes_last() {
    let net = Net::new();
    let server = net.server(&[], Off, at("mail.corp.test")).await;
    let port = server.endpoint().port().unwrap();
    net.server_at("srv.corp.test", &server);
    net.service("gone.corp.test", 443);
    net.service("srv.corp.test", port);
    let found = net.find().await.unwrap();
    assert_eq!(
        (found.endpoint, found.told_by),
        (url(EWS), format!("https://srv.corp.test:{port}{POX}"))
    );
    let host = format!("srv.corp.test:{port}");
    assert_eq!(asked(&server)[0], told(&host, "json", None));
    assert!(was_shown_a_login(&server));
}

#[tokio::test]
async fn when_nobody_knows_it_is_told_what_each_one_answered() {
    let net = Net::new();
    let _one = net
        .server(
            &["autodiscover.corp.test"],
            Error("UserNotFound", "No such user."),
            Error("500", "Not here."),
        )
        .await;
    let _plain = net.plain(&["autodiscover.corp.test"], Off).await;
    let error = net.find().await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Unreachable);
    assert_eq!(
        error.problem,
        "Autodiscover found no EWS address for anna@corp.test. \
         https://autodiscover.corp.test/autodiscover/autodiscover.json: answered with the error UserNotFound. \
         https://corp.test/autodiscover/autodiscover.json: The name corp.test cannot be resolved. \
         https://autodiscover.corp.test/autodiscover/autodiscover.xml: answered with the error 500. \
         http://autodiscover.corp.test/autodiscover/autodiscover.xml: answered with HTTP 404, not with a redirect. \
         _autodiscover._tcp.corp.test: there is no such record. \
         Enter the address of the EWS service (exchange.endpoint, or endpoint of the maintenance account)."
    );
    assert_eq!(error.server_reply, "No such user.; Not here.");
}

#[tokio::test]
async fn silence_of_all_ends_in_time() {
    let net = Net::new();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    for (name, port) in [("autodiscover.corp.test", 443), ("corp.test", 443), ("autodiscover.corp.test", 80)] {
        net.names.addresses.lock().unwrap().insert((name.to_owned(), port), address);
    }
    let discovery = EwsDiscovery {
        address: ANNA.to_owned(),
        tokens_to: None,
    };
    let rules = DiscoveryRules {
        timeout: Duration::from_secs(1),
        ..rules(&[])
    };
    let began = Instant::now();
    let error = Finder::new(net.config(), discovery, rules).unwrap().find().await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(error.class, ErrorClass::Unreachable);
    assert!(
        error.problem.contains("https://corp.test/") && error.problem.contains("in time"),
        "{}",
        error.problem
    );
}

#[tokio::test]
async fn hostile_answers_are_bounded() {
    let deep = Raw(Bytes::from("<a>".repeat(80_000)));
    for (json, pox) in [
        (Endless, Off),
        (Off, Endless),
        (deep.clone(), deep),
        (Raw(Bytes::new()), Raw(Bytes::new())),
    ] {
        let net = Net::new();
        let _server = net.server(&["autodiscover.corp.test"], json.clone(), pox.clone()).await;
        let error = net.find().await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Unreachable, "{}", error.problem);
        if json == Endless || pox == Endless {
            assert!(error.problem.contains("is over the limit of 262144 bytes"), "{}", error.problem);
        }
    }
}

#[test]
fn only_names_are_asked() {
    let net = Net::new();
    let finder = |address: &str| {
        let discovery = EwsDiscovery {
            address: address.to_owned(),
            tokens_to: None,
        };
        Finder::new(net.config(), discovery, rules(&[])).map(|finder| finder.servers.domain)
    };
    for (address, domain) in [
        ("anna@Corp.Test", "corp.test"),
        ("anna@bücher.example", "xn--bcher-kva.example"),
        ("\"a@b\"@corp.test.", "corp.test"),
    ] {
        assert_eq!(finder(address).unwrap(), domain);
    }
    for address in [
        "anna",
        "anna@localhost",
        "anna@127.0.0.1",
        "anna@[::1]",
        "anna@0x7f.1",
        "anna@",
        "anna@a b.test",
    ] {
        let error = finder(address).unwrap_err();
        assert!(
            error.class == ErrorClass::Refused && error.problem.contains("exchange.endpoint"),
            "{address}"
        );
    }
}

/// Tokens that are good at the simulated server.
#[derive(Debug)]
struct Tokens;

#[async_trait::async_trait]
impl AccessTokens for Tokens {
    async fn current(&self) -> Result<Secret, ProviderError> {
        Ok(Secret::from("eyTokenOfAnna"))
    }

    async fn instead_of(&self, _: &Secret) -> Result<Secret, ProviderError> {
        self.current().await
    }

    fn given(&self) -> Vec<Secret> {
        Vec::new()
    }
}

#[tokio::test]
async fn tokens_go_only_where_their_provider_lets_them() {
    let finder = |net: &Net, tokens_to: &[&str]| {
        let mut config = net.config();
        config.proof = EwsProof::Tokens(Arc::new(Tokens));
        let discovery = EwsDiscovery {
            address: ANNA.to_owned(),
            tokens_to: Some(tokens_to.iter().map(|host| (*host).to_owned()).collect()),
        };
        Finder::new(config, discovery, rules(&[])).unwrap()
    };
    let net = Net::new();
    let server = net.server(&["autodiscover.corp.test"], Off, at("mail.corp.test")).await;
    server.set_tokens(Some(Arc::new(|token| {
        (token == "eyTokenOfAnna").then(|| TokenHolder {
            account: Some(ANNA.to_owned()),
            scopes: Vec::new(),
            application: false,
            directory: "directory".to_owned(),
        })
    })));
    let found = finder(&net, &["autodiscover.corp.test", "mail.corp.test"]).find().await.unwrap();
    assert_eq!(found.endpoint, url(EWS));
    assert!(asked(&server).contains(&told("autodiscover.corp.test", "xml", Some("Bearer"))));

    // To the server that is found: not without leave.
    let error = finder(&net, &["autodiscover.corp.test"]).find().await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Refused);
    for words in [EWS, "tokens of this login", "oauth.providers, hosts"] {
        assert!(error.problem.contains(words), "{words}: {}", error.problem);
    }
    // To the server that is asked: not either.
    let net = Net::new();
    let server = net.server(&["autodiscover.corp.test"], Off, at("mail.corp.test")).await;
    let error = finder(&net, &["mail.corp.test"]).find().await.unwrap_err();
    assert!(
        error.class == ErrorClass::Refused && error.problem.contains("oauth.providers"),
        "{}",
        error.problem
    );
    assert!(!was_shown_a_login(&server));
    // v2 asks nobody for a token.
    server.autodiscover(at("mail.corp.test"), Off);
    assert_eq!(finder(&net, &["mail.corp.test"]).find().await.unwrap().endpoint, url(EWS));
}

#[tokio::test]
async fn a_refused_login_is_not_tried_elsewhere() {
    let net = Net::new();
    let server = net
        .server(&["autodiscover.corp.test", "corp.test"], Off, Error("500", "never seen"))
        .await;
    let finder = net.finder_with(ANNA, &[], |config| {
        config.proof = EwsProof::Password(Zeroizing::new("wrong".to_owned()));
    });
    let error = finder.find().await.unwrap_err();
    assert_eq!(error.class, ErrorClass::LoginRequired);
    assert!(
        error.problem.starts_with("Autodiscover at https://autodiscover.corp.test/") && error.problem.contains("rejects the user name"),
        "{}",
        error.problem
    );
    let tries = asked(&server).into_iter().filter(|query| query.scheme.is_some()).count();
    assert_eq!(tries, 1);
}
