//! Login providers.

use super::{check_fault, load_all};

/// A login provider as far as every one needs it.
const PROVIDER: &str = "[[oauth.providers]]\nname = \"main\"\nclient_id = \"crm\"\n";

#[test]
fn login_providers_that_cannot_work_are_refused_with_the_reason() {
    let microsoft = format!("{PROVIDER}preset = \"microsoft\"\n");
    for (name, file) in [
        (
            "two_proofs",
            format!("{microsoft}client_secret = \"hunter2\"\ncertificate_file = \"a.crt\"\ncertificate_key_file = \"a.key\""),
        ),
        ("no_key", format!("{microsoft}certificate_file = \"a.crt\"")),
        ("no_certificate", format!("{microsoft}certificate_key_file = \"a.key\"")),
        ("openid", format!("{PROVIDER}preset = \"openid\"")),
        (
            "of_another_preset",
            format!(
                "{PROVIDER}preset = \"google\"\nauthority = \"https://login.microsoftonline.us\"\ndirectory = \"x\"\n\
                 graph_url = \"https://graph.microsoft.us\"\ngraph_scopes = \"User.Read\"\nissuer = \"https://login.example.com\""
            ),
        ),
        ("same_name", format!("{microsoft}{microsoft}")),
        ("incomplete", "[[oauth.providers]]\nname = \"a b\"".to_owned()),
        (
            "values",
            format!(
                "{PROVIDER}preset = \"yahoo\"\nclient_secret = 7\nclient_secret_expires = \"2027-02-30\"\nhosts = [\"https://mail.example.com\"]\n\
                 smtp_scopes = []\nauthority = \"http://login.example.com\"\nlogin_lifetime = \"soon\"\nlogin_slides = \"often\""
            ),
        ),
        ("no_hosts", format!("{microsoft}hosts = []")),
        ("secret_is_empty", format!("{microsoft}client_secret = \" \"")),
        (
            "public_url",
            "[oauth]\npublic_url = \"https://mail.example.com/?tenant=7\"".to_owned(),
        ),
        ("redirect_url", "[oauth]\nredirect_urls = [\"https://crm.example.com\"]".to_owned()),
        (
            "redirect_url_http",
            "[oauth]\nredirect_urls = [\"http://crm.example.com/callback\"]".to_owned(),
        ),
    ] {
        check_fault(&format!("oauth_{name}"), &file, &[], &[]);
    }
    // Beyond this machine a browser does not find the service by the address that it listens on.
    let everywhere = [("MAILAGENT_SERVER__LISTEN", "0.0.0.0:50051")];
    check_fault("oauth_no_public_url", &microsoft, &everywhere, &[]);
}

#[test]
fn login_providers_are_read_in_every_form() {
    let list = format!("{PROVIDER}preset = \"openid\"\nissuer = \"https://login.example.com\"\nclient_secret = \" hunter2 \"\n")
        + "client_secret_expires = \"2027-10-31\"\nhosts = [\"Mail.Example.com.\", \".example.org\"]\nsmtp_scopes = [\"openid smtp\", \"email\"]\n"
        + "[oauth]\nredirect_urls = [\"https://crm.example.com/callback\"]\n";
    let list = load_all(&list, &[], &[]).unwrap().oauth;
    let variables = [
        ("MAILAGENT_OAUTH__REDIRECT_URLS", "https://crm.example.com/callback"),
        ("MAILAGENT_OAUTH__PROVIDERS__0__NAME", "main"),
        ("MAILAGENT_OAUTH__PROVIDERS__0__PRESET", "openid"),
        ("MAILAGENT_OAUTH__PROVIDERS__0__CLIENT_ID", "crm"),
        ("MAILAGENT_OAUTH__PROVIDERS__0__CLIENT_SECRET", "hunter2"),
        ("MAILAGENT_OAUTH__PROVIDERS__0__CLIENT_SECRET_EXPIRES", "2027-10-31"),
        ("MAILAGENT_OAUTH__PROVIDERS__0__ISSUER", "https://login.example.com"),
        ("MAILAGENT_OAUTH__PROVIDERS__0__HOSTS", "mail.example.com,.example.org"),
        ("MAILAGENT_OAUTH__PROVIDERS__0__SMTP_SCOPES", "openid smtp email"),
    ];
    assert_eq!(load_all("", &variables, &[]).unwrap().oauth, list);
    let provider = &list.providers[0];
    assert_eq!(provider.hosts.as_ref().unwrap().0, ["mail.example.com", ".example.org"]);
    assert_eq!(provider.smtp_scopes.as_ref().unwrap().0, ["openid", "smtp", "email"]);
    assert_eq!(provider.client_secret.as_ref().unwrap().expose(), "hunter2");
    let day = provider.client_secret_expires.unwrap().0;
    assert_eq!(day.to_string(), "2027-10-31T00:00:00Z");
}
