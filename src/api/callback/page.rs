//! The service's own page. It needs no script, loads nothing, and cannot be framed.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderValue;

use crate::{
    domain::{Error, Kind, LoginSource, LoginUse},
    ops::login::{About, AuthenticationView, LoginTarget, Person, Question},
};

/// Names and values in the page's form.
pub(super) const TICKET: &str = "ticket";
pub(super) const DECISION: &str = "decision";
pub(super) const CONNECT: &str = "connect";
pub(super) const DECLINE: &str = "decline";

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1f2733;--soft:#5b6675;--line:#dde2e9;--paper:#f4f6f9;--card:#fff;--good:#1a7f4b;--bad:#b3261e;\
--act:#1f5fbf;--on:#fff;--warn:#8a5a00;--shade:#fff6e0}\
@media(prefers-color-scheme:dark){:root{--ink:#e7ebf0;--soft:#a3adba;--line:#343d49;--paper:#14181e;--card:#1d232b;--good:#5fd39a;\
--bad:#ff8a80;--act:#8ab4f8;--on:#10151c;--warn:#f2c46d;--shade:#33291a}}\
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--paper);color:var(--ink);\
font:16px/1.55 system-ui,sans-serif}\
main{box-sizing:border-box;max-width:34rem;margin:1.5rem;padding:2.25rem 2.5rem;background:var(--card);border-radius:14px;\
box-shadow:0 1px 2px #0001,0 10px 30px #0002}\
h1{margin:0 0 .75rem;font-size:1.35rem;line-height:1.3}.good h1{color:var(--good)}.bad h1{color:var(--bad)}\
p{margin:.6rem 0;overflow-wrap:anywhere}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.5rem 1.25rem;margin:1.25rem 0;padding:1rem 0;border:solid var(--line);\
border-width:1px 0}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}dd small{color:var(--soft);font-size:.85rem}\
.note{padding:.65rem .9rem;border-radius:8px;background:var(--shade);color:var(--warn)}\
form{display:flex;flex-wrap:wrap;gap:.75rem;margin-top:1.5rem}\
button{font:inherit;font-weight:600;padding:.6rem 1.3rem;border:1px solid var(--act);border-radius:8px;cursor:pointer;\
background:var(--card);color:var(--act)}button.main{background:var(--act);color:var(--on)}\
button:focus-visible{outline:3px solid var(--act);outline-offset:2px}\
footer{margin-top:1.5rem;color:var(--soft);font-size:.85rem}\
@media(max-width:30rem){main{padding:1.5rem;margin:.75rem}dl{grid-template-columns:1fr;gap:.1rem}dd{margin-bottom:.6rem}}";

/// A page to answer with.
pub(super) struct Page {
    pub html: String,
    pub form: Form,
}

/// Whether a page has a form to send back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    None,
    Question,
}

impl Form {
    /// The page's policy: nothing is loaded, run or framed; the one style sheet is allowed by its hash, and the icon is empty.
    pub(super) fn policy(self) -> HeaderValue {
        static NONE: LazyLock<HeaderValue> = LazyLock::new(|| policy("'none'"));
        static QUESTION: LazyLock<HeaderValue> = LazyLock::new(|| policy("'self'"));
        match self {
            Self::None => NONE.clone(),
            Self::Question => QUESTION.clone(),
        }
    }
}

fn policy(form_action: &str) -> HeaderValue {
    let hash = STANDARD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action {form_action}"
    );
    HeaderValue::try_from(policy).expect("it is visible ASCII")
}

/// Asks whether to complete what was begun.
pub(super) fn question(question: &Question) -> Page {
    let About {
        tenant,
        provider,
        asked_by,
        wanted,
    } = &question.about;
    let (title, consequence, mut rows) = match wanted {
        LoginTarget::Agent {
            name,
            owner,
            mailbox,
            accounts,
            usage,
        } => {
            let consequence = match usage {
                LoginUse::Smtp => "send mail as",
                LoginUse::Graph | LoginUse::Ews => "read and send the mail of",
            };
            let (mailbox_text, owner_text) = (text(mailbox), text(called(owner)));
            let consequence = format!("The CRM will {consequence} {mailbox_text}, for the mail agent of {owner_text}.");
            let rows = vec![
                ("Mailbox", strong(mailbox)),
                ("Opened by", text(&accounts.join(" or "))),
                ("Mail agent", text(name)),
                ("Belongs to", shown(owner)),
            ];
            ("Connect this mailbox to the CRM?", consequence, rows)
        }
        LoginTarget::MaintenanceAccount { name, account } => (
            "Connect this account to the CRM?",
            "The CRM will be able to open every mailbox that this account can access, for the users whose mail agents connect through \
             it."
            .to_owned(),
            vec![("Account", strong(account)), ("Display name", text(name))],
        ),
        LoginTarget::Domain(domain) => (
            "Give the CRM access to all mailboxes of this domain?",
            format!(
                "The CRM will be able to open the mailboxes of {} for its mail agents, without asking their users.",
                text(domain)
            ),
            vec![("Domain", strong(domain))],
        ),
    };
    rows.push(("Requested by", shown(asked_by)));
    rows.push(("CRM account", text(tenant.as_str())));
    rows.push(("Login at", text(provider)));
    let rows: String = rows
        .iter()
        .map(|(term, value)| format!("<dt>{term}</dt><dd>{value}</dd>"))
        .collect();
    let note = match wanted {
        LoginTarget::Agent { owner, .. } if owner.id != asked_by.id => format!(
            "<p class=\"note\">{} requested this login, but the mail agent belongs to somebody else. Continue only if you know why.</p>",
            shown(asked_by)
        ),
        _ => String::new(),
    };
    let body = format!(
        "<p>{consequence}</p><dl>{rows}</dl>{note}<p>Continue only if you began this yourself or agreed to it. If you followed a link that \
         you did not expect, do not connect.</p><form method=\"post\" action=\"{action}\"><input type=\"hidden\" name=\"{TICKET}\" \
         value=\"{ticket}\"><button class=\"main\" name=\"{DECISION}\" value=\"{CONNECT}\">Connect</button><button name=\"{DECISION}\" \
         value=\"{DECLINE}\">Do not connect</button></form>",
        action = "callback",
        ticket = escape(question.ticket.expose()),
    );
    Page {
        html: page("ask", title, &body, "Nothing is stored before you press a button."),
        form: Form::Question,
    }
}

/// Shows that it is done.
pub(super) fn completed(view: &AuthenticationView) -> Page {
    let login = view.login.as_ref();
    let account = login.map_or("", |login| login.account.as_str());
    let provider = login.map_or("", |login| login.provider.as_str());
    match &view.source {
        LoginSource::AdminConsent(domain) => result(
            "good",
            "Consent recorded",
            &format!("The CRM may now open the mailboxes of {domain}, within the limits that you set at {provider}."),
        ),
        LoginSource::Agent(_) | LoginSource::MaintenanceAccount(_) => result(
            "good",
            "You are logged in",
            &format!("The mailbox is connected to the CRM as {account}. Its work continues automatically."),
        ),
    }
}

/// Shows that nothing was done, as the person wished.
pub(super) fn declined(about: &About) -> Page {
    let text = format!(
        "The CRM was not given access, and the login that users/{} requested has ended. If you did not expect this request, tell your \
         CRM's administrator.",
        about.asked_by.id
    );
    result("plain", "Nothing was connected", &text)
}

/// Shows what went wrong.
pub(super) fn failed(error: &Error) -> Page {
    let text = match (error.kind, error.violations.as_slice()) {
        (Kind::Internal, _) => "Internal error in the service. Its operator can find the details in the log.",
        // Fields mean nothing to people in a browser.
        (Kind::Invalid, [only]) => only.description.as_str(),
        _ => &error.public,
    };
    result("bad", "Login failed", text)
}

fn result(class: &str, title: &str, text: &str) -> Page {
    Page {
        html: page(class, title, &format!("<p>{}</p>", escape(text)), "You may close this page."),
        form: Form::None,
    }
}

/// `body` is HTML.
fn page(class: &str, title: &str, body: &str, footer: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <link rel=\"icon\" href=\"data:,\"><title>{title} - mailagent</title><style>{STYLE}</style></head>\n<body><main class=\"{class}\"><h1>{title}</h1>{body}\
         <footer>{footer}</footer></main></body></html>\n",
    )
}

/// A person in running text.
fn called(person: &Person) -> &str {
    if person.name.is_empty() { person.id.as_str() } else { &person.name }
}

/// A person with their id, which cannot be imitated. HTML.
fn shown(person: &Person) -> String {
    let id = format!("<small>{}</small>", text(&person.id.name()));
    if person.name.is_empty() {
        return id;
    }
    format!("{} {id}", text(&person.name))
}

fn strong(value: &str) -> String {
    format!("<strong>{}</strong>", text(value))
}

/// Text of others, as HTML, with its text direction isolated.
fn text(value: &str) -> String {
    format!("<bdi>{}</bdi>", escape(value))
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{crypto::Secret, domain::Reason};

    #[test]
    fn what_others_wrote_is_text() {
        let words = "It said: <script>alert(\"1\")</script> & more";
        let page = failed(&Error::new(Kind::Precondition, Reason::LoginRefused, words)).html;
        assert!(
            page.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; more"),
            "{page}"
        );
        assert!(!page.contains("<script"), "{page}");
    }

    #[test]
    fn whatever_is_asked_about_is_text_too() {
        let evil = || "\"'><script>\u{202e}".to_owned();
        let person = || Person {
            id: evil().into(),
            name: evil(),
        };
        let agent = LoginTarget::Agent {
            name: evil(),
            owner: person(),
            mailbox: evil(),
            accounts: vec![evil()],
            usage: LoginUse::Ews,
        };
        let account = LoginTarget::MaintenanceAccount {
            name: evil(),
            account: evil(),
        };
        for wanted in [agent, account, LoginTarget::Domain(evil())] {
            let about = About {
                tenant: evil().into(),
                provider: evil(),
                asked_by: person(),
                wanted,
            };
            let asked = Question {
                about: about.clone(),
                ticket: Secret::new(evil()),
            };
            for page in [question(&asked).html, declined(&about).html] {
                assert!(!page.contains("<script") && !page.contains("\"'>"), "{page}");
            }
        }
    }

    #[test]
    fn only_a_question_may_be_sent_back() {
        let policy = |form: Form| form.policy().to_str().unwrap().to_owned();
        assert!(policy(Form::None).ends_with("form-action 'none'"));
        assert!(policy(Form::Question).ends_with("form-action 'self'"));
    }
}
