//! The page that login providers send people back to (RFC 6749 §4.1.2). It completes what was begun, and tells the person how that went.
//!
//! Nobody is known here: what comes with the browser counts only by the state in it, once.

use std::sync::LazyLock;

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, StatusCode, header};

use super::Edge;
use crate::{
    crypto::Secret,
    domain::{Error, Kind, LoginSource, error_chain},
    ops::login::{self, Answered, AuthenticationView, Completer},
};

/// Longest query that is looked at, in bytes.
const MAX_QUERY: usize = 16 * 1024;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1f2733;--soft:#5b6675;--paper:#f4f6f9;--card:#fff;--good:#1a7f4b;--bad:#b3261e}\
@media(prefers-color-scheme:dark){:root{--ink:#e7ebf0;--soft:#a3adba;--paper:#14181e;--card:#1d232b;--good:#5fd39a;--bad:#ff8a80}}\
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--paper);color:var(--ink);\
font:16px/1.55 system-ui,sans-serif}\
main{box-sizing:border-box;max-width:34rem;margin:1.5rem;padding:2.25rem 2.5rem;background:var(--card);border-radius:14px;\
box-shadow:0 1px 2px #0001,0 10px 30px #0002}\
h1{margin:0 0 .75rem;font-size:1.35rem;line-height:1.3}.good h1{color:var(--good)}.bad h1{color:var(--bad)}\
p{margin:.6rem 0;overflow-wrap:anywhere}footer{margin-top:1.5rem;color:var(--soft);font-size:.85rem}";

/// Nothing is loaded, run or framed; the one style sheet is known by its hash, and the icon is empty.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    );
    HeaderValue::try_from(policy).expect("it is visible ASCII")
});

/// Completes what the browser comes back from.
pub(super) async fn callback(State(edge): State<Edge>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let result = match parse(query) {
        Some((state, answered)) => login::complete(&edge.ops, Completer::Browser, &state, answered).await,
        None => Err(not_from_a_provider()),
    };
    let (status, page) = match &result {
        Ok(view) => (StatusCode::OK, completed(view)),
        Err(error) => (status_of(error), failed(error)),
    };
    if let Err(error) = &result
        && matches!(error.kind, Kind::Internal | Kind::Unavailable { .. })
    {
        tracing::warn!(reason = error.reason.as_str(), error = %error_chain(error), "completing a login failed");
    }
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, POLICY.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // The address has the code in it.
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (status, headers, page).into_response()
}

/// What the provider sent with the browser. `None` when that makes no sense.
fn parse(query: &str) -> Option<(String, Answered)> {
    if query.len() > MAX_QUERY {
        return None;
    }
    let value = |name: &str| {
        let mut found = url::form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
        let (_, value) = found.next()?;
        // One that comes twice is nobody's (RFC 6749 §3.1).
        found.next().is_none().then(|| value.into_owned()).filter(|value| !value.is_empty())
    };
    let state = value("state")?;
    let answered = match (value("error"), value("code"), value("admin_consent")) {
        (Some(error), ..) => Answered::Error(error, value("error_description").unwrap_or_default()),
        (None, Some(code), None) => Answered::Code(Secret::new(code)),
        (None, None, Some(consent)) if consent.eq_ignore_ascii_case("true") => Answered::Consent,
        _ => return None,
    };
    Some((state, answered))
}

fn not_from_a_provider() -> Error {
    Error::invalid_field(
        "state",
        "This address is where login providers send people back to. Begin a login in the CRM.",
    )
}

fn status_of(error: &Error) -> StatusCode {
    match error.kind {
        Kind::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn completed(view: &AuthenticationView) -> String {
    let login = view.login.as_ref();
    let account = login.map_or("", |login| login.account.as_str());
    let provider = login.map_or("", |login| login.provider.as_str());
    match &view.source {
        LoginSource::AdminConsent(domain) => page(
            true,
            "Consent recorded",
            &[&format!(
                "The CRM may now open the mailboxes of {domain}, within the limits that you set at {provider}."
            )],
        ),
        LoginSource::Agent(_) | LoginSource::MaintenanceAccount(_) => page(
            true,
            "You are logged in",
            &[&format!(
                "The mailbox is connected to the CRM as {account}. Its work goes on by itself."
            )],
        ),
    }
}

fn failed(error: &Error) -> String {
    let text = match (error.kind, error.violations.as_slice()) {
        (Kind::Internal, _) => "The service has a fault. Its operator finds more in the log.",
        // Fields mean nothing to people in a browser.
        (Kind::Invalid, [only]) => only.description.as_str(),
        _ => error.public.strip_prefix("state: ").unwrap_or(&error.public),
    };
    page(false, "That did not work", &[text])
}

fn page(good: bool, title: &str, paragraphs: &[&str]) -> String {
    let text: String = paragraphs.iter().map(|text| format!("<p>{}</p>", escape(text))).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <link rel=\"icon\" href=\"data:,\"><title>{title} - mailagent</title><style>{STYLE}</style></head>\n<body><main class=\"{class}\"><h1>{title}</h1>{text}\
         <footer>You may close this page.</footer></main></body></html>\n",
        title = escape(title),
        class = if good { "good" } else { "bad" },
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Reason;

    #[test]
    fn queries_are_read_with_care() {
        let check = |query: &str, expected: Option<&str>| {
            let kind = parse(query).map(|(state, answered)| {
                let what = match answered {
                    Answered::Code(code) => format!("code {}", code.expose()),
                    Answered::Consent => "consent".to_owned(),
                    Answered::Error(error, words) => format!("error {error} {words}"),
                };
                format!("{state}: {what}")
            });
            assert_eq!(kind.as_deref(), expected, "{query}");
        };
        check("code=a%2Fb&state=s&session_state=x", Some("s: code a/b"));
        check(
            "error=access_denied&error_description=no+way&state=s",
            Some("s: error access_denied no way"),
        );
        check("admin_consent=True&tenant=t&state=s", Some("s: consent"));
        check("admin_consent=False&tenant=t&state=s", None);
        check("error=x&code=c&state=s", Some("s: error x "));
        for nonsense in [
            "",
            "code=c",
            "state=s",
            "state=&code=c",
            "state=s&state=t&code=c",
            "state=s&code=c&code=d",
            "state=s&code=",
        ] {
            check(nonsense, None);
        }
        check(&format!("state=s&code={}", "c".repeat(MAX_QUERY)), None);
    }

    #[test]
    fn what_others_wrote_is_text() {
        let text = "It said: <script>alert(\"1\")</script> & more";
        let page = failed(&Error::new(Kind::Precondition, Reason::LoginRefused, text));
        assert!(
            page.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; more"),
            "{page}"
        );
        assert!(!page.contains("<script"), "{page}");
    }
}
