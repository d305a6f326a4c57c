//! The meaning of a server's responses: HTTP statuses, pages that are not EWS, and the codes that [`super::codes`] lists. Faults of the
//! connection itself are classified in [`crate::net`].

use std::sync::Arc;

use http::{HeaderMap, StatusCode, header};

use super::{
    codes::{Hint, Meaning, ServerError},
    ntlm::{self, Scheme},
    soap,
};
use crate::{
    net::{
        ErrorClass, ProviderError,
        replies::{page_words, retry_after, text},
    },
    provider::exchange::server::{RequestError, in_words},
};

/// Domains of Exchange Online: worldwide, US government and its Department of Defense, China.
const CLOUD_DOMAINS: &[&str] = &[
    "office365.com",
    "office.com",
    "outlook.com",
    "office365.us",
    "webmail.apps.mil",
    "outlook.cn",
    // Where addresses of mailboxes there are, beside those of their own domains.
    "onmicrosoft.com",
];

/// What to do about everything that Exchange Online rejects over EWS. What the agent keeps is in the rules of the service.
macro_rules! to_graph {
    ($what:literal) => {
        concat!(
            $what,
            " Change the agent's kind to EXCHANGE_GRAPH: the agent, its history and its position stay."
        )
    };
}

const CLOUD_SHUT_OFF: &str = to_graph!(
    "Exchange Online rejects EWS: Microsoft disabled it in October 2026 for tenants that did not opt out, and will disable it for all in \
     April 2027. Until then an administrator can allow it (EWSEnabled, with this program in the list)."
);
const CLOUD_IMPERSONATION: &str = to_graph!(
    "Exchange Online no longer lets a login access other mailboxes: Microsoft ended ApplicationImpersonation in February 2025. There, the \
     maintenance account is an application with an administrator's consent over Graph, limited to named mailboxes by RBAC for Applications."
);
/// The way out alone, with a space before it.
pub(super) const TO_GRAPH: &str = to_graph!("");
const CLOUD_PASSWORD: &str = to_graph!("Exchange Online accepts no passwords over EWS; it requires modern authentication (OAuth).");

/// A fault, with what only this module's callers need to know about it.
#[derive(Debug)]
pub(super) struct Fault {
    /// What can be done about it within the same call.
    pub hint: Hint,
    /// Whether EWS itself answered, so that the login was good enough for that.
    pub answered: bool,
    /// Whether the server may have executed the request all the same.
    pub unclear: bool,
    /// What everybody else sees.
    pub error: Box<ProviderError>,
}

impl From<ProviderError> for Fault {
    fn from(error: ProviderError) -> Self {
        Self {
            hint: Hint::None,
            answered: false,
            unclear: false,
            error: Box::new(error),
        }
    }
}

impl From<RequestError> for Fault {
    fn from(RequestError { unclear, error }: RequestError) -> Self {
        Self { unclear, ..error.into() }
    }
}

impl From<Fault> for ProviderError {
    fn from(fault: Fault) -> Self {
        *fault.error
    }
}

/// Turns a server's behaviour into faults whose texts name it.
#[derive(Clone, Debug)]
pub(super) struct Judge {
    /// The server's name, with the port when it is unusual.
    pub host: Arc<str>,
}

impl Judge {
    /// A fault in the given words; `{host}` stands for the server's name.
    pub(super) fn fault(&self, class: ErrorClass, problem: &str, reply: &str) -> Fault {
        in_words(&self.host, class, problem, reply).into()
    }

    /// An invalid response.
    pub(super) fn malformed(&self, what: &str) -> Fault {
        let words = format!(
            "The response of {{host}} {what}. Check that nothing between this service and the server modifies what it sends; otherwise \
             report this as a bug."
        );
        let mut fault = self.fault(ErrorClass::Malformed, &words, "");
        fault.unclear = true;
        fault
    }

    /// A response over a size limit, in bytes.
    pub(super) fn too_large(&self, limit: u64) -> Fault {
        let mut fault = self.fault(
            ErrorClass::Malformed,
            &format!("The response of {{host}} is over the limit of {limit} bytes."),
            "",
        );
        fault.hint = Hint::AnswerTooLarge;
        fault.unclear = true;
        fault
    }

    /// An error that the server reports in its answer.
    pub(super) fn code(&self, error: &ServerError) -> Fault {
        let meaning = error.meaning();
        let words = match error.code.as_str() {
            "ErrorImpersonateUserDenied" | "ErrorImpersonationDenied" | "ErrorImpersonationFailed" if self.in_the_cloud() => {
                CLOUD_IMPERSONATION
            }
            _ => error.words(),
        };
        let mut fault = self.fault(meaning.class(error.pause), words, &error.reply());
        fault.hint = meaning.hint();
        fault.answered = true;
        fault.unclear = matches!(meaning, Meaning::WaitAndAskForLess | Meaning::WaitAFewTimes | Meaning::Unknown);
        fault
    }

    /// An access token that the server rejects, although the login is valid according to its provider.
    pub(super) fn token_refused(&self, headers: &HeaderMap) -> Fault {
        let offers = text(headers, header::WWW_AUTHENTICATE).unwrap_or_default();
        let words = if offers.to_ascii_lowercase().contains("bearer") {
            "{host} rejects the access token. Check that the login provider's tokens are for this server (the scopes in the operator's \
             settings), and that the account may use EWS with modern authentication; then log in again."
        } else {
            "{host} accepts no access tokens at this address. Turn on OAuth for the EWS virtual directory (OAuthAuthentication), or have \
             the tenant's authentication method set to BASIC."
        };
        self.fault(
            ErrorClass::LoginRequired,
            words,
            &format!("HTTP 401 Unauthorized, WWW-Authenticate: {offers}"),
        )
    }

    /// A web page instead of an EWS response. Its author may have received the response.
    pub(super) fn web_page(&self, body: &[u8]) -> Fault {
        let fault = self.fault(
            ErrorClass::Unreachable,
            "{host} answered with a web page, not with EWS. Check the address (it ends in /EWS/Exchange.asmx), and that no login page or \
             proxy is in front of it.",
            &page_words(body),
        );
        Fault { unclear: true, ..fault }
    }

    /// An answer with any HTTP status but 200, with the beginning of its body.
    pub(super) fn status(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Fault {
        let code = status.as_u16();
        // Faults come with 500, and now and then with another one; they say more than the status. But if EWS is disabled, what a
        // fault says about permissions is misleading.
        let shut_off = code == 403 && self.in_the_cloud();
        if code >= 400
            && !shut_off
            && let Some(error) = soap::fault_in(body)
        {
            let error = ServerError {
                pause: error.pause.or_else(|| retry_after(headers)),
                ..error
            };
            return self.code(&error);
        }
        let after = retry_after(headers);
        let (class, problem) = match code {
            300..=399 => return self.redirect(status, headers),
            401 if self.in_the_cloud() => (ErrorClass::LoginRequired, CLOUD_PASSWORD),
            401 => (ErrorClass::LoginRequired, Self::login_words(headers)),
            456 | 457 => (
                ErrorClass::LoginRequired,
                "The account is locked or disabled. Unlock it in the directory, then log in again.",
            ),
            403 if shut_off => (ErrorClass::Refused, CLOUD_SHUT_OFF),
            403 => (
                ErrorClass::Refused,
                "The login is valid, but {host} does not let it use EWS. Check EwsEnabled and EwsApplicationAccessPolicy of the mailbox \
                 and the organisation, and the rules of the web server.",
            ),
            404 | 405 | 410 => (
                ErrorClass::Unreachable,
                "There is no EWS service at this address of {host}. Check the address: it ends in /EWS/Exchange.asmx.",
            ),
            407 => (
                ErrorClass::Unreachable,
                "A proxy in front of {host} requires a login. Connect without it.",
            ),
            408 => (
                ErrorClass::Retry { after },
                "{host} timed out waiting for a request. The request is retried.",
            ),
            413 => (
                ErrorClass::TooLarge,
                "{host} says that a request is too large. Send less at once, or raise the limits of its web server.",
            ),
            429 => (
                ErrorClass::Retry { after },
                "{host} requested a pause. The request is retried after it.",
            ),
            440 => (
                ErrorClass::Unreachable,
                "A login form is in front of {host}. Turn off forms-based login for the EWS address.",
            ),
            503 => (
                ErrorClass::Retry { after },
                "{host} is busy or under maintenance. The request is retried.",
            ),
            502 | 504 => (
                ErrorClass::Retry { after },
                "The load balancer or proxy in front of {host} cannot reach it. The request is retried; if this persists, check that load \
                 balancer or proxy.",
            ),
            500..=599 => (
                ErrorClass::Retry { after },
                "{host} has an internal error. The request is retried; if this persists, check the event log of the Exchange server.",
            ),
            _ => (
                ErrorClass::Malformed,
                "{host} rejects the request. Check the address, and what is between this service and the server.",
            ),
        };
        let mut fault = self.fault(class, problem, &format!("HTTP {status}: {}", page_words(body)));
        // A busy server or a full one did nothing; one that broke, or the proxy before it, may have.
        fault.unclear = code >= 500 && code != 503;
        fault
    }

    fn redirect(&self, status: StatusCode, headers: &HeaderMap) -> Fault {
        let target = text(headers, header::LOCATION).unwrap_or_default();
        let base = url::Url::parse("http://same.invalid").ok();
        let url = base.and_then(|base| base.join(target).ok());
        let place = url.as_ref().and_then(url::Url::host_str).filter(|host| *host != "same.invalid");
        let path = url.as_ref().map(|url| url.path().to_ascii_lowercase()).unwrap_or_default();
        let place = place.map_or_else(|| "another address of its own".to_owned(), |host| format!("the server {host}"));
        let words = if path.contains("/owa") || path.contains("logon") || path.contains("login") || path.contains("/auth") {
            format!("{{host}} redirects to a login page at {place}. Turn off forms-based login for the EWS address.")
        } else {
            format!(
                "{{host}} redirects to {place}. Redirects are not followed, so that the password is sent to no other server: if that is \
                 the right one, enter its address."
            )
        };
        self.fault(ErrorClass::Unreachable, &words, &format!("HTTP {status}, Location: {target}"))
    }

    fn login_words(headers: &HeaderMap) -> &'static str {
        let basic = ntlm::offers_basic(headers);
        if Scheme::offered(headers).is_some() {
            "{host} rejects the user name or the password. Check both (the user name may have to be DOMAIN\\user or user@domain), and that \
             the account is neither locked nor restricted to other ways of logging in. If they are right, look for a proxy that terminates \
             TLS in between: with Extended Protection, the server rejects logins that did not arrive directly over its own certificate."
        } else if basic || !headers.contains_key(header::WWW_AUTHENTICATE) {
            "{host} rejects the user name or the password. Check both (the user name may have to be DOMAIN\\user or user@domain), and that \
             the account is neither locked nor restricted to other ways of logging in."
        } else {
            "{host} accepts no user name and password at this address. Turn on Windows or basic authentication for the EWS virtual \
             directory."
        }
    }

    /// Whether this is Exchange Online, of any of Microsoft's clouds.
    pub(super) fn in_the_cloud(&self) -> bool {
        is_cloud(self.host.split(':').next().unwrap_or_default())
    }
}

/// Whether a name is one of Exchange Online, of any of Microsoft's clouds.
pub(super) fn is_cloud(host: &str) -> bool {
    let name = host.to_ascii_lowercase();
    let within = |domain: &&str| {
        name.strip_suffix(*domain)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    CLOUD_DOMAINS.iter().any(within)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[track_caller]
    fn check_status(status: u16, headers: &[(&str, &str)], body: &str, class: ErrorClass, words: &str) {
        let fault = status_of("mail.corp.test", status, headers, body);
        assert_eq!(fault.error.class, class, "{status}");
        assert!(fault.error.problem.contains(words), "{status}: {}", fault.error.problem);
        assert!(!fault.error.problem.contains('{'), "{status}: {}", fault.error.problem);
    }

    fn status_of(host: &str, status: u16, headers: &[(&str, &str)], body: &str) -> Fault {
        let judge = Judge { host: host.into() };
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        judge.status(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes())
    }

    #[test]
    fn every_status_has_its_class() {
        let later = |after: Option<u64>| ErrorClass::Retry {
            after: after.map(Duration::from_secs),
        };
        check_status(401, &[], "", ErrorClass::LoginRequired, "rejects the user name or the password");
        check_status(
            401,
            &[("www-authenticate", "Basic realm=\"x\"")],
            "",
            ErrorClass::LoginRequired,
            "rejects the user name",
        );
        check_status(
            401,
            &[("www-authenticate", "Negotiate, NTLM")],
            "",
            ErrorClass::LoginRequired,
            "Extended Protection",
        );
        check_status(
            401,
            &[("www-authenticate", "NTLM"), ("www-authenticate", "Basic")],
            "",
            ErrorClass::LoginRequired,
            "rejects",
        );
        check_status(456, &[], "", ErrorClass::LoginRequired, "locked");
        check_status(457, &[], "", ErrorClass::LoginRequired, "disabled");
        check_status(403, &[], "", ErrorClass::Refused, "EwsEnabled");
        let cloud = status_of("outlook.office365.com", 403, &[], "").error;
        assert_eq!(cloud.class, ErrorClass::Refused);
        assert!(cloud.problem.contains("disabled it in October 2026"), "{}", cloud.problem);
        check_status(404, &[], "", ErrorClass::Unreachable, "/EWS/Exchange.asmx");
        check_status(405, &[], "", ErrorClass::Unreachable, "/EWS/Exchange.asmx");
        check_status(410, &[], "", ErrorClass::Unreachable, "/EWS/Exchange.asmx");
        check_status(
            301,
            &[("location", "https://other.corp.test/EWS/Exchange.asmx")],
            "",
            ErrorClass::Unreachable,
            "other.corp.test",
        );
        check_status(
            302,
            &[("location", "/owa/auth/logon.aspx?url=x")],
            "",
            ErrorClass::Unreachable,
            "login page",
        );
        check_status(
            307,
            &[("location", "/ews/Exchange.asmx")],
            "",
            ErrorClass::Unreachable,
            "another address of its own",
        );
        check_status(308, &[], "", ErrorClass::Unreachable, "redirects");
        check_status(400, &[], "", ErrorClass::Malformed, "rejects the request");
        check_status(407, &[], "", ErrorClass::Unreachable, "proxy");
        check_status(408, &[], "", later(None), "timed out waiting");
        check_status(413, &[], "", ErrorClass::TooLarge, "too large");
        check_status(429, &[("retry-after", "30")], "", later(Some(30)), "pause");
        check_status(440, &[], "", ErrorClass::Unreachable, "forms-based login");
        check_status(500, &[], "<html>oops</html>", later(None), "event log");
        check_status(502, &[], "", later(None), "load balancer");
        check_status(503, &[], "", later(None), "maintenance");
        check_status(504, &[], "", later(None), "load balancer");
        check_status(507, &[], "", later(None), "event log");
        check_status(204, &[], "", ErrorClass::Malformed, "rejects the request");
    }

    #[test]
    fn exchange_online_is_told_by_its_name_and_leads_to_graph() {
        let judge = |host: &str| Judge { host: host.into() };
        for cloud in [
            "outlook.office365.com",
            "Outlook.Office.com:443",
            "outlook.office365.us",
            "webmail.apps.mil",
            "partner.outlook.cn",
        ] {
            assert!(judge(cloud).in_the_cloud(), "{cloud}");
        }
        for own in ["mail.corp.test", "outlook.office365.com.corp.test", "notoffice365.com"] {
            assert!(!judge(own).in_the_cloud(), "{own}");
        }
        let check = |fault: Fault, class: ErrorClass, words: &str| {
            assert_eq!(fault.error.class, class);
            assert!(fault.error.problem.contains(words), "{}", fault.error.problem);
            let offer = "Change the agent's kind to EXCHANGE_GRAPH: the agent, its history and its position stay.";
            assert!(fault.error.problem.ends_with(offer), "{}", fault.error.problem);
        };
        let online = judge("outlook.office365.com");
        let none = HeaderMap::new();
        check(
            online.status(StatusCode::FORBIDDEN, &none, b""),
            ErrorClass::Refused,
            "for all in April 2027",
        );
        check(
            online.status(StatusCode::UNAUTHORIZED, &none, b""),
            ErrorClass::LoginRequired,
            "accepts no passwords",
        );
        for code in ["ErrorImpersonateUserDenied", "ErrorImpersonationDenied", "ErrorImpersonationFailed"] {
            let error = ServerError {
                code: code.to_owned(),
                ..ServerError::default()
            };
            check(
                online.code(&error),
                ErrorClass::Refused,
                "ended ApplicationImpersonation in February 2025",
            );
            let on_premises = judge("mail.corp.test").code(&error);
            assert!(!on_premises.error.problem.contains("GRAPH"), "{}", on_premises.error.problem);
        }
    }

    #[test]
    fn what_may_have_been_done_all_the_same_is_unclear() {
        let judge = Judge {
            host: "mail.corp.test".into(),
        };
        let status = |code: u16| judge.status(StatusCode::from_u16(code).unwrap(), &HeaderMap::new(), b"").unclear;
        assert!([500, 502, 504].into_iter().all(status));
        assert!(![400, 401, 403, 404, 413, 429, 503].into_iter().any(status));
        let code = |code: &str| {
            let code = code.to_owned();
            judge
                .code(&ServerError {
                    code,
                    ..ServerError::default()
                })
                .unclear
        };
        assert!(
            ["ErrorTimeoutExpired", "ErrorInternalServerError", "ErrorNobodyKnows"]
                .into_iter()
                .all(code)
        );
        assert!(
            !["ErrorServerBusy", "ErrorSendAsDenied", "ErrorMessageSizeExceeded"]
                .into_iter()
                .any(code)
        );
        assert!(judge.malformed("ends early").unclear && judge.too_large(1).unclear && judge.web_page(b"").unclear);
    }
}
