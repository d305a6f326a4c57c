//! Single answers, in both forms.

use proptest::prelude::*;

use super::super::answers::{Answer, json, json_url, pox, pox_request};
use super::url;

const OUTER: &str = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";
const INNER: &str = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";

fn service(url: &str) -> Answer {
    Answer::Service(url.to_owned())
}

fn nothing(what: &str, reply: &str) -> Answer {
    Answer::Nothing {
        what: what.to_owned(),
        reply: reply.to_owned(),
    }
}

/// An answer of the older form around the content of an account.
fn account(content: &str) -> String {
    format!(
        "<?xml version='1.0' encoding='utf-8'?><Autodiscover xmlns='{OUTER}'><Response xmlns='{INNER}'><User>\
         <DisplayName>Anna</DisplayName></User><Account><AccountType>email</AccountType>{content}</Account></Response></Autodiscover>"
    )
}

#[test]
fn v2_is_read() {
    let check = |body: &str, expected: Option<Answer>| assert_eq!(json(body.as_bytes()), expected, "{body}");
    let ews = "https://mail.corp.test/EWS/Exchange.asmx";
    check(&format!(r#"{{"Protocol":"Ews","Url":"{ews}"}}"#), Some(service(ews)));
    check(&format!(r#"{{"Protocol":"EWS","Url":"{ews}","Extra":[1]}}"#), Some(service(ews)));
    check(&format!(r#"{{"Url":"{ews}"}}"#), Some(service(ews)));
    check(
        r#"{"Protocol":"ActiveSync","Url":"https://mail.corp.test/Microsoft-Server-ActiveSync"}"#,
        Some(nothing("answered without an EWS address", "")),
    );
    check(
        r#"{"ErrorCode":"UserNotFound","ErrorMessage":"The given user is not found."}"#,
        Some(nothing("answered with the error UserNotFound", "The given user is not found.")),
    );
    check(
        r#"{"ErrorCode":"p\u00e4ssword; <x>","ErrorMessage":null}"#,
        Some(nothing("answered with the error psswordx", "")),
    );
    check("{}", Some(nothing("answered without an EWS address", "")));
    for other in ["", "<html></html>", "[]", "7", "{\"Url\":7}", "{\"Url\":\"x\"", "\u{0}"] {
        check(other, None);
    }
    let deep = "[".repeat(200_000);
    check(&format!("{{\"Extra\":{deep}"), None);
}

#[test]
fn v2_is_asked_with_any_address() {
    let check = |address: &str, path: &str| {
        let asked = json_url(&url("https://autodiscover.corp.test/autodiscover/autodiscover.xml?x#y"), address).unwrap();
        assert_eq!(
            asked.as_str(),
            format!("https://autodiscover.corp.test/autodiscover/autodiscover.json/v1.0/{path}?Protocol=Ews")
        );
    };
    check("anna@corp.test", "anna@corp.test");
    check("../../x?Protocol=y#@corp.test", "..%2F..%2Fx%3FProtocol=y%23@corp.test");
    check("änna@corp.test", "%C3%A4nna@corp.test");
}

#[test]
fn the_older_form_is_read() {
    let check = |body: &str, expected: Answer| assert_eq!(pox(body.as_bytes()), expected, "{body}");
    let protocol = |kind: &str, url: &str| format!("<Protocol><Type>{kind}</Type><Server>s</Server><EwsUrl>{url}</EwsUrl></Protocol>");
    let inside = protocol("EXCH", "https://inside.corp.test/EWS/Exchange.asmx");
    let outside = protocol("EXPR", " https://mail.corp.test/EWS/Exchange.asmx\n");
    let web = "<Protocol><Type>WEB</Type><External><OWAUrl>https://mail.corp.test/owa/</OWAUrl></External></Protocol>";
    let settings = |protocols: &str| account(&format!("<Action>settings</Action>{protocols}"));

    check(
        &settings(&format!("{inside}{web}{outside}")),
        service("https://mail.corp.test/EWS/Exchange.asmx"),
    );
    check(&settings(&inside), service("https://inside.corp.test/EWS/Exchange.asmx"));
    // Servers of other makes leave the action out.
    check(&account(&outside), service("https://mail.corp.test/EWS/Exchange.asmx"));
    check(
        &settings(&format!("{}{inside}", protocol("EXPR", ""))),
        service("https://inside.corp.test/EWS/Exchange.asmx"),
    );
    check(&settings(web), nothing("answered without an EWS address", ""));
    // Prefixes are the server's to choose.
    check(
        &format!(
            "<o:Autodiscover xmlns:o='{OUTER}' xmlns:i='{INNER}'><i:Response><i:Account><i:Protocol><i:Type>EXPR</i:Type>\
             <i:EwsUrl>https://m.corp.test/a&amp;b</i:EwsUrl></i:Protocol></i:Account></i:Response></o:Autodiscover>"
        ),
        service("https://m.corp.test/a&b"),
    );
    // Names of another vocabulary do not count.
    check(
        &settings("<Protocol xmlns='urn:else'><Type>EXPR</Type><EwsUrl>https://mail.corp.test/</EwsUrl></Protocol>"),
        nothing("answered without an EWS address", ""),
    );
    check(
        &account("<Action>redirectAddr</Action><RedirectAddr>anna@sub.corp.test</RedirectAddr>"),
        Answer::Address("anna@sub.corp.test".to_owned()),
    );
    for name in ["RedirectUrl", "RedirectURL"] {
        check(
            &account(&format!(
                "<Action>redirectUrl</Action><{name}>https://a.corp.test/autodiscover/autodiscover.xml</{name}>"
            )),
            Answer::Elsewhere("https://a.corp.test/autodiscover/autodiscover.xml".to_owned()),
        );
    }
    check(
        &account("<Action>redirectUrl</Action>"),
        nothing("answered without an EWS address", ""),
    );
    check(
        &account("<Action>dance</Action><RedirectUrl>https://a.corp.test/</RedirectUrl>"),
        nothing("answered without an EWS address", ""),
    );
    let error = "<Error Time='1' Id='2'><ErrorCode>600</ErrorCode><Message>Invalid Request</Message><DebugData /></Error>";
    for inner in ["", INNER, OUTER] {
        let xmlns = if inner.is_empty() {
            String::new()
        } else {
            format!(" xmlns='{inner}'")
        };
        check(
            &format!("<Autodiscover xmlns='{OUTER}'><Response{xmlns}>{error}</Response></Autodiscover>"),
            nothing("answered with the error 600", "Invalid Request"),
        );
    }
    check(&account(error), nothing("answered with the error 600", "Invalid Request"));
    check(
        &format!("<Autodiscover xmlns='{OUTER}'><Response><Error/></Response></Autodiscover>"),
        nothing("answered with the error without a code", ""),
    );
    check(
        &format!("<Autodiscover xmlns='{OUTER}'/>"),
        nothing("answered without an EWS address", ""),
    );
    let deep = format!("<Autodiscover xmlns='{OUTER}'>{}", "<a>".repeat(10_000));
    let entity = format!("<!DOCTYPE a [<!ENTITY x 'y'>]>{}", settings(&outside));
    for other in ["", "<html/>", "<Autodiscover/>", "{}", deep.as_str(), entity.as_str()] {
        check(other, nothing("answered, but not with Autodiscover", ""));
    }
}

#[test]
fn the_older_form_is_asked_with_any_address() {
    let request = pox_request("<anna>&\"@corp.test");
    assert!(
        request.contains("<EMailAddress>&lt;anna&gt;&amp;&quot;@corp.test</EMailAddress>"),
        "{request}"
    );
}

proptest! {
    #[test]
    fn no_answer_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in "[<>/a-zA-Z:='\" &;{}\\[\\],]{0,120}") {
        let _ = (json(&bytes), pox(&bytes));
        let _ = (json(text.as_bytes()), pox(account(&text).as_bytes()));
    }
}
