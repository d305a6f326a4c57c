//! Who is not queried, not trusted, and not sent credentials.

use mailagent_sim::exchange::Autodiscover::{Off, Redirect, RedirectAddress, RedirectUrl};

use super::{Net, asked, at, url, was_shown_a_login};
use crate::net::{EndpointRules, ErrorClass};

const EVIL: &str = "https://autodiscover.evil.test/autodiscover/autodiscover.xml";

/// A server elsewhere that would know, and takes Anna's login.
async fn elsewhere(net: &Net) -> mailagent_sim::exchange::Exchange {
    let names = ["autodiscover.evil.test", "mail.evil.test"];
    net.server(&names, at("mail.evil.test"), at("mail.evil.test")).await
}

#[tokio::test]
async fn whoever_sends_elsewhere_is_not_followed() {
    for (json, pox) in [
        (Redirect(EVIL.to_owned()), Off),
        (Off, Redirect(EVIL.to_owned())),
        (Off, RedirectUrl(EVIL.to_owned())),
        (Off, RedirectAddress("anna@evil.test".to_owned())),
        (
            Off,
            RedirectUrl("http://autodiscover.corp.test/autodiscover/autodiscover.xml".to_owned()),
        ),
        (Off, RedirectUrl("https://anna:x@autodiscover.corp.test/".to_owned())),
        (Off, RedirectUrl("https://corp.test.evil.test/".to_owned())),
        (Off, RedirectUrl("https://evilcorp.test/".to_owned())),
    ] {
        let net = Net::new();
        let evil = elsewhere(&net).await;
        let _server = net.server(&["autodiscover.corp.test"], json.clone(), pox.clone()).await;
        let error = net.find().await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Refused, "{json:?} {pox:?}: {}", error.problem);
        assert!(
            error.problem.contains("not queried") || error.problem.contains("not followed"),
            "{}",
            error.problem
        );
        assert!(!error.problem.contains("anna:x"), "{}", error.problem);
        assert_eq!((asked(&evil).len(), evil.requests().len()), (0, 0), "{json:?} {pox:?}");
    }
}

#[tokio::test]
async fn nor_is_the_server_without_tls_nor_the_name_service() {
    let net = Net::new();
    let evil = elsewhere(&net).await;
    let _plain = net.plain(&["autodiscover.corp.test"], Redirect(EVIL.to_owned())).await;
    net.service("autodiscover.evil.test", 443);
    let error = net.find().await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Refused);
    let words = "redirects to https://autodiscover.evil.test, which is not in the domain corp.test and is not listed";
    assert_eq!(error.problem.matches(words).count(), 2, "{}", error.problem);
    assert!(error.problem.contains("exchange.autodiscover_hosts"), "{}", error.problem);
    assert_eq!(asked(&evil).len(), 0);

    // The operator knows the server.
    let finder = net.finder_with(super::ANNA, &[".evil.test"], |_| {});
    assert_eq!(
        finder.find().await.unwrap().endpoint,
        url("https://mail.evil.test/EWS/Exchange.asmx")
    );
}

#[tokio::test]
async fn a_service_elsewhere_is_named_but_not_used() {
    for (json, pox) in [(at("mail.evil.test"), Off), (Off, at("mail.evil.test"))] {
        let net = Net::new();
        let evil = elsewhere(&net).await;
        let _server = net.server(&["autodiscover.corp.test"], json, pox).await;
        let error = net.find().await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Refused);
        for words in [
            "https://mail.evil.test/EWS/Exchange.asmx",
            "not in the domain corp.test",
            "nothing is sent to it",
            "exchange.endpoint",
            "list mail.evil.test (exchange.autodiscover_hosts)",
        ] {
            assert!(error.problem.contains(words), "{words}: {}", error.problem);
        }
        assert_eq!((asked(&evil).len(), evil.requests().len()), (0, 0));
        let finder = net.finder_with(super::ANNA, &["mail.evil.test"], |_| {});
        assert_eq!(
            finder.find().await.unwrap().endpoint,
            url("https://mail.evil.test/EWS/Exchange.asmx")
        );
    }
}

#[tokio::test]
async fn addresses_that_are_no_service_are_not_used() {
    use mailagent_sim::exchange::Autodiscover::Names;
    for address in [
        "http://mail.corp.test/EWS/Exchange.asmx",
        "https://anna:x@mail.corp.test/EWS/Exchange.asmx",
        "ftp://mail.corp.test/",
        "https://10.0.0.1/EWS/Exchange.asmx",
        "https://169.254.169.254/latest/meta-data/",
    ] {
        let net = Net::new();
        let _server = net.server(&["autodiscover.corp.test"], Names(url(address)), Off).await;
        let error = net.find().await.unwrap_err();
        assert!(
            error.class == ErrorClass::Refused && !error.problem.contains("anna:x"),
            "{}",
            error.problem
        );
    }
    // What follows the path is cut off.
    let net = Net::new();
    let named = Names(url("https://mail.corp.test/EWS/Exchange.asmx?x=1#y"));
    let _server = net.server(&["autodiscover.corp.test"], named, Off).await;
    assert_eq!(net.find().await.unwrap().endpoint, url("https://mail.corp.test/EWS/Exchange.asmx"));
}

#[tokio::test]
async fn a_mailbox_in_the_cloud_leads_to_graph() {
    let net = Net::new();
    let address = RedirectAddress("anna@corp.mail.onmicrosoft.com".to_owned());
    let _server = net.server(&["autodiscover.corp.test"], Off, address).await;
    let error = net.find().await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Refused);
    assert!(
        error
            .problem
            .contains("the mailbox is in Exchange Online. Change the agent's kind to EXCHANGE_GRAPH"),
        "{}",
        error.problem
    );
}

#[tokio::test]
async fn who_asks_for_no_login_gets_none() {
    // A web server with a page at every address.
    let net = Net::new();
    let server = net.server(&["autodiscover.corp.test", "corp.test"], Off, Off).await;
    net.find().await.unwrap_err();
    assert_eq!(asked(&server).len(), 4, "in both forms");
    assert!(!was_shown_a_login(&server));
}

#[tokio::test]
async fn private_networks_are_the_tenants_to_allow() {
    let net = Net::new();
    for (name, address) in [("autodiscover.corp.test", "10.0.0.1:443"), ("corp.test", "169.254.169.254:443")] {
        let mut addresses = net.names.addresses.lock().unwrap();
        addresses.insert((name.to_owned(), 443), address.parse().unwrap());
    }
    let error = net
        .finder_with(super::ANNA, &[], |config| config.rules = EndpointRules::default())
        .find()
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Refused);
    for words in [
        "10.0.0.1 is in a private network",
        "allow_private_networks",
        "169.254.169.254 is link-local",
    ] {
        assert!(error.problem.contains(words), "{words}: {}", error.problem);
    }
}
