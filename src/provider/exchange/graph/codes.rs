//! The error codes of Graph: which class each belongs to, and the words for it.
//!
//! The code decides, then the status. <https://learn.microsoft.com/graph/errors>, and what users report.

use std::time::Duration;

use http::StatusCode;

use crate::net::ErrorClass;

/// What an error means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A temporary state of the whole mailbox: wait.
    Wait,
    /// Usually temporary; an item that always causes it is broken.
    WaitAFewTimes,
    /// The token is rejected.
    TokenRefused,
    /// The account has no permission, or there is no such mailbox.
    Refused,
    /// The position is rejected.
    StateLost,
    /// The item is gone.
    Gone,
    /// The item cannot be returned.
    Broken,
    /// The message is over a size limit.
    TooLarge,
    /// The range is not the expected next one.
    WrongRange,
    /// The request is rejected as such.
    BadRequest,
}

impl Meaning {
    /// What a caller should do about it; `after` is the pause that the server asks for.
    pub(super) fn class(self, after: Option<Duration>) -> ErrorClass {
        match self {
            Self::Wait | Self::WaitAFewTimes => ErrorClass::Retry { after },
            Self::TokenRefused => ErrorClass::LoginRequired,
            Self::Refused => ErrorClass::Refused,
            Self::StateLost => ErrorClass::StateLost,
            Self::TooLarge => ErrorClass::TooLarge,
            Self::Gone | Self::Broken | Self::WrongRange | Self::BadRequest => ErrorClass::Malformed,
        }
    }
}

const THROTTLED: &str = "{host} requested a pause. The request is retried after it.";
const PASSING: &str = "{host} has an internal error that is usually temporary. The request is retried; if this persists, check the service \
                       health of Microsoft 365.";
const DENIED: &str = "{host} does not let this login use the mailbox. With an administrator's consent, check that RBAC for Applications (or an \
                      application access policy) includes the mailbox; with a user's login, that the user has full access to it.";
const NO_MAILBOX: &str = "There is no mailbox in Exchange Online behind this address: it may be on premises, without a licence, or deleted. Check \
                          exchange.mailbox; for a mailbox on premises, change the kind of this agent to EXCHANGE_EWS.";
const UNKNOWN_USER: &str = "There is no user with this address in the directory. Check exchange.mailbox of this agent.";
const LOST: &str = "{host} no longer accepts the position in the folder. The folder is listed again; messages that were handled are \
                    skipped.";
const GONE: &str = "The message is no longer in the mailbox.";
const BROKEN: &str = "{host} cannot return the message.";
const SEND_AS: &str = "The login has no permission to send as this address. Grant it Send As in Exchange, or change from_address.";
const RECIPIENTS: &str = "{host} rejects the recipients. Check their addresses.";
const CONTENT: &str = "{host} rejects the message as it is.";
const SENDING_LIMIT: &str = "The mailbox has sent as much as Exchange Online allows for now (30 messages a minute, 10,000 recipients a \
                             day). It is retried later.";
const QUOTA: &str = "The mailbox is full. Free up space in it.";
const TOO_LARGE: &str = "{host} does not accept a message of this size.";
const TOKEN: &str = "{host} rejects the access token. Check that the login provider's tokens are for Microsoft Graph (graph_scopes in the \
                     operator's settings, and the cloud); then log in again.";
const BAD_REQUEST: &str = "{host} rejects the request. Check the address (exchange.endpoint); if it is right, report this as a bug.";

/// Codes that are decisive whatever the status, in lower case.
const CODES: &[(&str, Meaning, &str)] = &[
    ("invalidauthenticationtoken", Meaning::TokenRefused, TOKEN),
    ("compacttoken", Meaning::TokenRefused, TOKEN),
    ("unauthenticated", Meaning::TokenRefused, TOKEN),
    ("applicationthrottled", Meaning::Wait, THROTTLED),
    ("toomanyrequests", Meaning::Wait, THROTTLED),
    ("activitylimitreached", Meaning::Wait, THROTTLED),
    ("errortoomanyobjectsopened", Meaning::Wait, THROTTLED),
    ("errorserverbusy", Meaning::Wait, THROTTLED),
    ("mailboxinfostale", Meaning::Wait, PASSING),
    ("errormailboxmoveinprogress", Meaning::Wait, PASSING),
    ("errormailboxstoreunavailable", Meaning::Wait, PASSING),
    ("serviceunavailable", Meaning::Wait, PASSING),
    ("servicenotavailable", Meaning::Wait, PASSING),
    ("errorinternalservertransienterror", Meaning::WaitAFewTimes, PASSING),
    ("errorinternalservererror", Meaning::WaitAFewTimes, PASSING),
    ("errorirresolvableconflict", Meaning::WaitAFewTimes, PASSING),
    ("errornotenoughmemory", Meaning::WaitAFewTimes, PASSING),
    ("erroritempropertyrequestfailed", Meaning::WaitAFewTimes, PASSING),
    ("errorfolderpropertyrequestfailed", Meaning::WaitAFewTimes, PASSING),
    ("generalexception", Meaning::WaitAFewTimes, PASSING),
    ("unknownerror", Meaning::WaitAFewTimes, PASSING),
    ("syncstatenotfound", Meaning::StateLost, LOST),
    ("syncstateinvalid", Meaning::StateLost, LOST),
    ("resyncrequired", Meaning::StateLost, LOST),
    ("errorinvalidsyncstatedata", Meaning::StateLost, LOST),
    ("erroritemnotfound", Meaning::Gone, GONE),
    ("itemnotfound", Meaning::Gone, GONE),
    ("mailboxnotenabledforrestapi", Meaning::Refused, NO_MAILBOX),
    ("mailboxnotsupportedforrestapi", Meaning::Refused, NO_MAILBOX),
    ("mailboxnothostedinexchangeonline", Meaning::Refused, NO_MAILBOX),
    ("errornonexistentmailbox", Meaning::Refused, NO_MAILBOX),
    ("resourcenotfound", Meaning::Refused, UNKNOWN_USER),
    ("request_resourcenotfound", Meaning::Refused, UNKNOWN_USER),
    ("errorinvaliduser", Meaning::Refused, UNKNOWN_USER),
    ("errorcannotfinduser", Meaning::Refused, UNKNOWN_USER),
    ("erroraccessdenied", Meaning::Refused, DENIED),
    ("accessdenied", Meaning::Refused, DENIED),
    ("authorization_requestdenied", Meaning::Refused, DENIED),
    ("forbidden", Meaning::Refused, DENIED),
    ("errorsendasdenied", Meaning::Refused, SEND_AS),
    ("errorinvalidrecipients", Meaning::Refused, RECIPIENTS),
    ("errorinvalidrecipient", Meaning::Refused, RECIPIENTS),
    ("errormailrecipientnotfound", Meaning::Refused, RECIPIENTS),
    ("errormimecontentinvalid", Meaning::Refused, CONTENT),
    ("errormimecontentinvalidbase64string", Meaning::Refused, CONTENT),
    ("errorexceededmessagelimit", Meaning::Wait, SENDING_LIMIT),
    ("errormessagesubmissionblocked", Meaning::Wait, SENDING_LIMIT),
    ("errorquotaexceeded", Meaning::Refused, QUOTA),
    ("errormessagesizeexceeded", Meaning::TooLarge, TOO_LARGE),
    ("errorattachmentsizelimitexceeded", Meaning::TooLarge, TOO_LARGE),
    ("requestentitytoolarge", Meaning::TooLarge, TOO_LARGE),
    ("errormimecontentconversionfailed", Meaning::Broken, BROKEN),
    ("errorcontentconversionfailed", Meaning::Broken, BROKEN),
    ("erroritemcorrupt", Meaning::Broken, BROKEN),
    ("errorcorruptdata", Meaning::Broken, BROKEN),
];

/// The text for a message that causes an unknown error, while that may be temporary.
pub(super) const UNLISTED: &str = "{host} reports an error about a message. The request is retried a few times.";

/// What an error means, and the words for it; `{host}` in them stands for the server's name.
pub(super) fn judge(status: StatusCode, code: &str) -> (Meaning, &'static str) {
    let code = code.to_ascii_lowercase();
    if let Some((_, meaning, words)) = CODES.iter().find(|(known, ..)| *known == code) {
        return (*meaning, words);
    }
    match status.as_u16() {
        401 => (Meaning::TokenRefused, TOKEN),
        403 => (Meaning::Refused, DENIED),
        404 => (Meaning::Gone, GONE),
        408 | 429 => (Meaning::Wait, THROTTLED),
        410 => (Meaning::StateLost, LOST),
        413 => (Meaning::TooLarge, TOO_LARGE),
        416 => (Meaning::WrongRange, BAD_REQUEST),
        // Another change came in between, or the mailbox is locked for a moment.
        409 | 412 | 423 => (Meaning::WaitAFewTimes, PASSING),
        503 | 504 | 509 => (Meaning::Wait, PASSING),
        500..=599 => (Meaning::WaitAFewTimes, PASSING),
        _ => (Meaning::BadRequest, BAD_REQUEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, code: &str, meaning: Meaning, words: &str) {
        let (found, said) = judge(StatusCode::from_u16(status).unwrap(), code);
        assert_eq!(found, meaning, "{status} {code}");
        assert!(said.contains(words), "{status} {code}: {said}");
    }

    #[test]
    fn the_code_decides_and_then_the_status() {
        check(401, "InvalidAuthenticationToken", Meaning::TokenRefused, "access token");
        check(401, "", Meaning::TokenRefused, "access token");
        check(429, "", Meaning::Wait, "pause");
        check(400, "ApplicationThrottled", Meaning::Wait, "pause");
        check(503, "", Meaning::Wait, "temporary");
        check(504, "UnknownError", Meaning::WaitAFewTimes, "temporary");
        check(500, "ErrorInternalServerError", Meaning::WaitAFewTimes, "temporary");
        check(409, "", Meaning::WaitAFewTimes, "temporary");
        check(404, "MailboxInfoStale", Meaning::Wait, "temporary");
        check(410, "", Meaning::StateLost, "listed again");
        check(400, "SyncStateNotFound", Meaning::StateLost, "listed again");
        check(410, "resyncRequired", Meaning::StateLost, "listed again");
        check(404, "ErrorItemNotFound", Meaning::Gone, "no longer");
        check(404, "MailboxNotEnabledForRESTAPI", Meaning::Refused, "EXCHANGE_EWS");
        check(404, "ResourceNotFound", Meaning::Refused, "no user");
        check(403, "ErrorAccessDenied", Meaning::Refused, "RBAC for Applications");
        check(403, "", Meaning::Refused, "RBAC for Applications");
        check(403, "ErrorSendAsDenied", Meaning::Refused, "Send As");
        check(403, "ErrorQuotaExceeded", Meaning::Refused, "full");
        check(429, "ErrorExceededMessageLimit", Meaning::Wait, "30 messages");
        check(413, "", Meaning::TooLarge, "size");
        check(500, "ErrorMimeContentConversionFailed", Meaning::Broken, "return the message");
        check(416, "", Meaning::WrongRange, "rejects the request");
        check(412, "", Meaning::WaitAFewTimes, "temporary");
        check(400, "BadRequest", Meaning::BadRequest, "rejects the request");
        check(418, "", Meaning::BadRequest, "rejects the request");
    }

    #[test]
    fn each_code_is_there_once_and_in_small_letters() {
        let mut codes: Vec<&str> = CODES.iter().map(|(code, ..)| *code).collect();
        assert!(codes.iter().all(|code| *code == code.to_lowercase()));
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), CODES.len());
    }
}
