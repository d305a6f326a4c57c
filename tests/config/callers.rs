//! Who may call, and how they prove it.

use mailagent::testing::domain::Scope;

use super::{check_fault, load_all};

#[test]
fn a_certificate_needs_its_key() {
    check_fault("tls_without_key", "[server.tls]\ncertificate_file = \"a.crt\"", &[], &[]);
    check_fault("tls_without_certificate", "", &[("MAILAGENT_SERVER__TLS__KEY_FILE", "a.key")], &[]);
}

#[test]
fn certificates_of_callers_need_all_that_belongs_to_them() {
    check_fault("client_ca_without_tls", "[server.tls]\nclient_ca_file = \"clients.crt\"", &[], &[]);
    let tls = "[server.tls]\ncertificate_file = \"a.crt\"\nkey_file = \"a.key\"\n";
    check_fault("client_ca_missing", &format!("{tls}client_certificate = \"required\""), &[], &[]);
    check_fault("client_certificate", &format!("{tls}client_certificate = \"perhaps\""), &[], &[]);
    let service = "[[auth.services]]\nidentity = \"crm\"\ntenant = \"a\"\nuser = \"b\"\nscopes = \"agent.read\"";
    check_fault("services_without_client_ca", &format!("{tls}{service}"), &[], &[]);
}

/// Where callers' certificates are looked at.
const CHECKED: &str = "[server.tls]\ncertificate_file = \"a.crt\"\nkey_file = \"a.key\"\nclient_ca_file = \"c.crt\"\n";

#[test]
fn faults_of_services_are_told_each_at_its_place() {
    let file = format!(
        r#"{CHECKED}
[[auth.services]]
identity = "spiffe://example.com/crm"
tenant = "acme"
user = "crm"
scopes = ["directory.read"]

[[auth.services]]
identity = "*.example.com"
tenant = "a b"
scopes = ["directory.reed"]
scope = "x"

[[auth.services]]
identity = "spiffe://example.com/crm"
tenant = "other"
user = "crm"
scopes = []

[[auth.services]]
"#
    );
    check_fault("services", &file, &[("MAILAGENT_AUTH__SERVICES__7__USER", "x")], &[]);
    check_fault("services_no_list", "[auth]\nservices = \"crm\"", &[], &[]);
    let twice = "[[auth.services]]\nidentity = \"CRM.example\"\ntenant = \"a\"\nuser = \"b\"\nscopes = \"agent.read\"\n";
    let again = twice.replace("CRM", "crm");
    check_fault("services_twice", &format!("{CHECKED}{twice}{again}"), &[], &[]);
    check_fault("section_as_list", "[[server]]\nlisten = \"127.0.0.1:1\"", &[], &[]);
}

#[test]
fn services_are_read_in_every_form() {
    let one = "identity = \"spiffe://example.com/crm\"\ntenant = \"acme\"\nuser = \"crm\"\nscopes = [\"agent.read\", \"agent.use\"]\n";
    let two = "identity = \"Billing.example.com\"\ntenant = \"acme\"\nuser = \"billing\"\nscopes = \"sweep.read\"\n";
    let list = load_all(&format!("{CHECKED}[[auth.services]]\n{one}[[auth.services]]\n{two}"), &[], &[]).unwrap();
    let inline = |text: &str| format!("{{ {} }}", text.trim().replace('\n', ", "));
    let inline = format!("auth.services = [{}, {}]\n{CHECKED}", inline(one), inline(two));
    assert_eq!(load_all(&inline, &[], &[]).unwrap().auth, list.auth);
    let variables = [
        ("MAILAGENT_AUTH__SERVICES__0__TENANT", "acme"),
        ("MAILAGENT_AUTH__SERVICES__0__IDENTITY", "spiffe://example.com/crm"),
        ("MAILAGENT_AUTH__SERVICES__0__USER", "crm"),
        ("MAILAGENT_AUTH__SERVICES__0__SCOPES", "agent.read,agent.use"),
    ];
    let first = load_all(CHECKED, &variables, &[]).unwrap().auth.services;
    assert_eq!(first, list.auth.services[..1]);
    assert_eq!(list.auth.services[1].identity.as_str(), "billing.example.com");
    assert_eq!(list.auth.services[0].scopes.as_slice(), [Scope::AgentRead, Scope::AgentUse]);
}

#[test]
fn issuers_that_cannot_be_trusted_are_refused() {
    for (name, lines) in [
        ("url", "issuer = \"login\""),
        ("http", "issuer = \"http://login.example.com\""),
        ("scheme", "issuer = \"ldap://127.0.0.1\""),
        ("login", "issuer = \"https://user:hunter2@login.example.com\""),
        ("query", "issuer = \"https://login.example.com?tenant=7\""),
        ("jwks_alone", "jwks_url = \"https://login.example.com/jwks\""),
        ("nobody", "local_issuer = false"),
        ("times", "key_refresh_interval = \"1h\"\nkey_lifetime = \"30m\""),
    ] {
        check_fault(&format!("issuer_{name}"), &format!("[auth]\n{lines}"), &[], &[]);
    }
    for (url, more, local) in [
        ("https://login.example.com", "", false),
        ("https://login.example.com/realms/crm/", "local_issuer = true", true),
        ("http://127.0.0.1:8080", "", false),
        ("http://localhost:8080/x", "", false),
        ("http://[::1]:8080", "", false),
    ] {
        let auth = load_all(&format!("[auth]\nissuer = \"{url}\"\n{more}"), &[], &[]).unwrap().auth;
        assert_eq!(auth.issuer.as_ref().unwrap().as_str(), url);
        assert_eq!(auth.takes_local_tokens(), local, "{url}");
    }
}
