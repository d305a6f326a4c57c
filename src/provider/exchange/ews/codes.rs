//! The response codes of EWS: which class each belongs to, and the words for it.

use std::time::Duration;

use crate::net::{ErrorClass, replies::clean};

/// An error that the server reports in its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerError {
    /// Response code, such as `ErrorServerBusy`.
    pub code: String,
    /// The server's words about it.
    pub message: String,
    /// The pause that the server requests.
    pub pause: Option<Duration>,
}

impl ServerError {
    /// Code and words, fit for [`crate::net::ProviderError::server_reply`].
    pub(super) fn reply(&self) -> String {
        clean(&format!("{}: {}", self.code, self.message))
    }

    /// What is wrong and what to do, in plain language; `{host}` stands for the server's name.
    pub(super) fn words(&self) -> &'static str {
        self.row().map_or("{host} reports an error. The request is retried.", |row| row.2)
    }

    /// What the code means.
    pub(super) fn meaning(&self) -> Meaning {
        self.row().map_or(Meaning::Unknown, |row| row.1)
    }

    fn row(&self) -> Option<&'static Row> {
        CODES.iter().find(|row| row.0.contains(&self.code.as_str()))
    }
}

/// Some codes, what they mean, and what is wrong and what to do, in plain language.
type Row = (&'static [&'static str], Meaning, &'static str);

/// What a response code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A passing state: wait.
    Wait,
    /// The same, and ask for less the next time.
    WaitAndAskForLess,
    /// Usually temporary; an item that always causes it is broken.
    WaitAFewTimes,
    /// The login is refused.
    LoginRequired,
    /// The login may not do this at all.
    Refused,
    /// The login may not do this with this item or folder.
    Denied,
    /// The sync state is refused.
    StateLost,
    /// The subscription is gone.
    SubscriptionLost,
    /// There are too many notification streams.
    TooManyStreams,
    /// The item is gone.
    Gone,
    /// The item cannot be returned.
    Broken,
    /// The item is over a size limit.
    TooLarge,
    /// The request is refused as such: a fault in this program, or a server that is too old.
    BadRequest,
    /// Not in the table.
    Unknown,
}

impl Meaning {
    /// What a caller should do about it; `after` is the pause that the server asks for.
    pub(super) fn class(self, after: Option<Duration>) -> ErrorClass {
        match self {
            Self::Wait | Self::WaitAndAskForLess | Self::WaitAFewTimes | Self::SubscriptionLost | Self::TooManyStreams | Self::Unknown => {
                ErrorClass::Retry { after }
            }
            Self::LoginRequired => ErrorClass::LoginRequired,
            Self::Refused | Self::Denied => ErrorClass::Refused,
            Self::StateLost => ErrorClass::StateLost,
            Self::TooLarge => ErrorClass::TooLarge,
            Self::Gone | Self::Broken | Self::BadRequest => ErrorClass::Malformed,
        }
    }

    /// What can be done about it within the same call.
    pub(super) fn hint(self) -> Hint {
        match self {
            Self::WaitAndAskForLess => Hint::AskForLess,
            Self::SubscriptionLost => Hint::SubscriptionLost,
            Self::TooManyStreams => Hint::TooManyStreams,
            _ => Hint::None,
        }
    }
}

/// What can be done about a fault within the same call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// Nothing.
    None,
    /// The response was over the size limit: request less at once.
    AnswerTooLarge,
    /// The server could not do that much at once: request less the next time.
    AskForLess,
    /// The subscription is gone: create another.
    SubscriptionLost,
    /// There are too many notification streams: let more mailboxes share one.
    TooManyStreams,
}

/// All codes that are known. `{host}` stands for the server's name.
const CODES: &[Row] = &[
    (
        &["ErrorServerBusy"],
        Meaning::Wait,
        "{host} is busy and requested a pause. The request is retried after it.",
    ),
    (
        &["ErrorTimeoutExpired"],
        Meaning::WaitAndAskForLess,
        "{host} took too long for a request. The next request is smaller.",
    ),
    (
        &["ErrorBatchProcessingStopped"],
        Meaning::WaitAndAskForLess,
        "{host} stopped halfway through a request. The next request is smaller.",
    ),
    (
        &["ErrorInternalServerTransientError"],
        Meaning::Wait,
        "{host} has a temporary internal error. The request is retried.",
    ),
    (
        &["ErrorInternalServerError"],
        Meaning::WaitAFewTimes,
        "{host} has an internal error. The request is retried; if this persists, check the event log of the Exchange server.",
    ),
    (
        &["ErrorMailboxStoreUnavailable"],
        Meaning::Wait,
        "The mailbox database behind {host} is not available. Check that it is mounted.",
    ),
    (
        &["ErrorMailboxMoveInProgress"],
        Meaning::Wait,
        "The mailbox is being moved to another database. It is read again after the move.",
    ),
    (
        &["ErrorMailboxFailover"],
        Meaning::Wait,
        "The mailbox database behind {host} is failing over to another server. The request is retried.",
    ),
    (
        &["ErrorTooManyObjectsOpened"],
        Meaning::Wait,
        "Too many connections to this mailbox are open. Close other programs that read it.",
    ),
    (
        &["ErrorInsufficientResources"],
        Meaning::Wait,
        "{host} is short of memory or disk space. The request is retried; if this persists, check the Exchange server.",
    ),
    (
        &["ErrorConnectionFailed"],
        Meaning::Wait,
        "{host} cannot reach the server that hosts the mailbox. The request is retried.",
    ),
    (
        &["ErrorADUnavailable"],
        Meaning::Wait,
        "{host} cannot reach its directory. Check the domain controllers.",
    ),
    (
        &["ErrorADOperation"],
        Meaning::Wait,
        "{host} had an error with its directory. Check the domain controllers.",
    ),
    (
        &["ErrorExceededConnectionCount"],
        Meaning::TooManyStreams,
        "The login has too many notification streams open at {host}. The mailbox is read at intervals instead.",
    ),
    (
        &["ErrorExceededSubscriptionCount"],
        Meaning::Wait,
        "The login has too many subscriptions at {host}. The mailbox is read at intervals instead.",
    ),
    (
        &["ErrorSubscriptionDelegateAccessNotSupported"],
        Meaning::Wait,
        "{host} offers no notifications for a shared mailbox. The mailbox is read at intervals instead.",
    ),
    (
        &[
            "ErrorIrresolvableConflict",
            "ErrorStaleObject",
            "ErrorChangeKeyRequired",
            "ErrorInvalidChangeKey",
        ],
        Meaning::Wait,
        "Something else changed the item at the same time. It is read again.",
    ),
    (
        &["ErrorSyncFolderNotFound", "ErrorFolderNotFound"],
        Meaning::Wait,
        "The folder is no longer there. The mailbox's folders are looked up again.",
    ),
    (
        &["ErrorInvalidSyncStateData"],
        Meaning::StateLost,
        "{host} no longer knows how far the folder has been read. The folder is listed again.",
    ),
    (
        &[
            "ErrorSubscriptionNotFound",
            "ErrorExpiredSubscription",
            "ErrorInvalidSubscription",
            "ErrorSubscriptionUnsubscribed",
        ],
        Meaning::SubscriptionLost,
        "{host} ended the subscription. A new one is created.",
    ),
    (
        &["ErrorReadEventsFailed", "ErrorInvalidWatermark", "ErrorMissedNotificationEvents"],
        Meaning::SubscriptionLost,
        "{host} lost track of the subscription. A new one is created.",
    ),
    (
        &["ErrorProxyRequestNotAllowed"],
        Meaning::SubscriptionLost,
        "The subscription is held by another server behind {host}. A new one is created.",
    ),
    (&["ErrorItemNotFound"], Meaning::Gone, "The item is no longer there."),
    (
        &["ErrorMimeContentConversionFailed", "ErrorContentConversionFailed"],
        Meaning::Broken,
        "{host} cannot convert the item into a message.",
    ),
    (&["ErrorItemCorrupt"], Meaning::Broken, "The item is damaged at the server."),
    (
        &["ErrorMessageSizeExceeded"],
        Meaning::TooLarge,
        "The message is over the size limit of {host}. Make it smaller, or raise the limit there.",
    ),
    (
        &["ErrorInvalidIdMalformed", "ErrorInvalidId"],
        Meaning::Broken,
        "{host} rejects the item's id.",
    ),
    (
        &[
            "ErrorNotEnoughMemory",
            "ErrorItemPropertyRequestFailed",
            "ErrorFolderPropertyRequestFailed",
        ],
        Meaning::WaitAFewTimes,
        "{host} could not read the requested data. The request is retried; if this persists, check the event log of the Exchange server.",
    ),
    (&["ErrorInvalidRecipients"], Meaning::Refused, "{host} rejects the recipients."),
    (
        &["ErrorMailRecipientNotFound"],
        Meaning::Refused,
        "{host} does not recognise a recipient.",
    ),
    (
        &["ErrorAccountDisabled"],
        Meaning::LoginRequired,
        "The account is disabled. Enable it in the directory, then log in again.",
    ),
    (
        &["ErrorPasswordExpired"],
        Meaning::LoginRequired,
        "The password has expired. Set a new one at the server, then enter it here.",
    ),
    (
        &["ErrorPasswordChangeRequired"],
        Meaning::LoginRequired,
        "The password must be changed. Set a new one at the server, then enter it here.",
    ),
    (
        &["ErrorAccessDenied"],
        Meaning::Denied,
        "The login has no permission to read this mailbox. Grant it full access, or read access to Inbox and Sent Items, at {host}.",
    ),
    (
        &["ErrorImpersonateUserDenied", "ErrorImpersonationDenied"],
        Meaning::Refused,
        "The login has no permission to access this mailbox. Grant it the role ApplicationImpersonation at {host}.",
    ),
    (
        &["ErrorImpersonationFailed"],
        Meaning::Refused,
        "The login cannot access this mailbox. Check the mailbox's address and the role ApplicationImpersonation at {host}.",
    ),
    (
        &["ErrorNonExistentMailbox", "ErrorCannotFindUser"],
        Meaning::Refused,
        "{host} has no mailbox with this address. Check the address.",
    ),
    (
        &["ErrorInvalidSmtpAddress"],
        Meaning::Refused,
        "{host} rejects the mailbox's address. Check the address.",
    ),
    (
        &["ErrorMissingEmailAddress"],
        Meaning::Refused,
        "The login has no mailbox of its own at {host}. Name the mailbox to read.",
    ),
    (
        &["ErrorSendAsDenied"],
        Meaning::Refused,
        "The login has no permission to send as this address. Grant it Send As at {host}.",
    ),
    (
        &["ErrorQuotaExceeded"],
        Meaning::Refused,
        "The mailbox is full. Free up space in it, or raise its limit.",
    ),
    (
        &["ErrorSchemaValidation"],
        Meaning::BadRequest,
        "{host} does not understand a request. It may be older than Exchange 2013 SP1; otherwise report this as a bug.",
    ),
    (
        &["ErrorInvalidServerVersion"],
        Meaning::BadRequest,
        "{host} does not speak this version of EWS. It may be older than Exchange 2013 SP1.",
    ),
    (
        &["ErrorInvalidRequest", "ErrorInvalidOperation"],
        Meaning::BadRequest,
        "{host} rejects a request. Report this as a bug.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::exchange::ews::errors::Judge;

    fn judge() -> Judge {
        Judge {
            host: "mail.corp.test".into(),
        }
    }

    fn server_error(code: &str) -> ServerError {
        ServerError {
            code: code.to_owned(),
            message: "words".to_owned(),
            pause: Some(Duration::from_secs(7)),
        }
    }

    #[test]
    fn every_code_has_its_class() {
        let retry = ErrorClass::Retry {
            after: Some(Duration::from_secs(7)),
        };
        let rows = [
            ("ErrorServerBusy", retry, Hint::None),
            ("ErrorTimeoutExpired", retry, Hint::AskForLess),
            ("ErrorBatchProcessingStopped", retry, Hint::AskForLess),
            ("ErrorInternalServerTransientError", retry, Hint::None),
            ("ErrorInternalServerError", retry, Hint::None),
            ("ErrorMailboxStoreUnavailable", retry, Hint::None),
            ("ErrorMailboxMoveInProgress", retry, Hint::None),
            ("ErrorMailboxFailover", retry, Hint::None),
            ("ErrorTooManyObjectsOpened", retry, Hint::None),
            ("ErrorInsufficientResources", retry, Hint::None),
            ("ErrorConnectionFailed", retry, Hint::None),
            ("ErrorADUnavailable", retry, Hint::None),
            ("ErrorADOperation", retry, Hint::None),
            ("ErrorExceededConnectionCount", retry, Hint::TooManyStreams),
            ("ErrorExceededSubscriptionCount", retry, Hint::None),
            ("ErrorSubscriptionDelegateAccessNotSupported", retry, Hint::None),
            ("ErrorIrresolvableConflict", retry, Hint::None),
            ("ErrorStaleObject", retry, Hint::None),
            ("ErrorChangeKeyRequired", retry, Hint::None),
            ("ErrorInvalidChangeKey", retry, Hint::None),
            ("ErrorSyncFolderNotFound", retry, Hint::None),
            ("ErrorFolderNotFound", retry, Hint::None),
            ("ErrorInvalidSyncStateData", ErrorClass::StateLost, Hint::None),
            ("ErrorSubscriptionNotFound", retry, Hint::SubscriptionLost),
            ("ErrorExpiredSubscription", retry, Hint::SubscriptionLost),
            ("ErrorInvalidSubscription", retry, Hint::SubscriptionLost),
            ("ErrorSubscriptionUnsubscribed", retry, Hint::SubscriptionLost),
            ("ErrorReadEventsFailed", retry, Hint::SubscriptionLost),
            ("ErrorInvalidWatermark", retry, Hint::SubscriptionLost),
            ("ErrorMissedNotificationEvents", retry, Hint::SubscriptionLost),
            ("ErrorProxyRequestNotAllowed", retry, Hint::SubscriptionLost),
            ("ErrorItemNotFound", ErrorClass::Malformed, Hint::None),
            ("ErrorMimeContentConversionFailed", ErrorClass::Malformed, Hint::None),
            ("ErrorContentConversionFailed", ErrorClass::Malformed, Hint::None),
            ("ErrorItemCorrupt", ErrorClass::Malformed, Hint::None),
            ("ErrorMessageSizeExceeded", ErrorClass::TooLarge, Hint::None),
            ("ErrorInvalidIdMalformed", ErrorClass::Malformed, Hint::None),
            ("ErrorInvalidId", ErrorClass::Malformed, Hint::None),
            ("ErrorNotEnoughMemory", retry, Hint::None),
            ("ErrorItemPropertyRequestFailed", retry, Hint::None),
            ("ErrorFolderPropertyRequestFailed", retry, Hint::None),
            ("ErrorCannotFindUser", ErrorClass::Refused, Hint::None),
            ("ErrorInvalidRecipients", ErrorClass::Refused, Hint::None),
            ("ErrorMailRecipientNotFound", ErrorClass::Refused, Hint::None),
            ("ErrorAccountDisabled", ErrorClass::LoginRequired, Hint::None),
            ("ErrorPasswordExpired", ErrorClass::LoginRequired, Hint::None),
            ("ErrorPasswordChangeRequired", ErrorClass::LoginRequired, Hint::None),
            ("ErrorAccessDenied", ErrorClass::Refused, Hint::None),
            ("ErrorImpersonateUserDenied", ErrorClass::Refused, Hint::None),
            ("ErrorImpersonationDenied", ErrorClass::Refused, Hint::None),
            ("ErrorImpersonationFailed", ErrorClass::Refused, Hint::None),
            ("ErrorNonExistentMailbox", ErrorClass::Refused, Hint::None),
            ("ErrorInvalidSmtpAddress", ErrorClass::Refused, Hint::None),
            ("ErrorMissingEmailAddress", ErrorClass::Refused, Hint::None),
            ("ErrorSendAsDenied", ErrorClass::Refused, Hint::None),
            ("ErrorQuotaExceeded", ErrorClass::Refused, Hint::None),
            ("ErrorSchemaValidation", ErrorClass::Malformed, Hint::None),
            ("ErrorInvalidServerVersion", ErrorClass::Malformed, Hint::None),
            ("ErrorInvalidRequest", ErrorClass::Malformed, Hint::None),
            ("ErrorInvalidOperation", ErrorClass::Malformed, Hint::None),
        ];
        for (code, class, hint) in rows {
            let fault = judge().code(&server_error(code));
            assert_eq!((fault.error.class, fault.hint), (class, hint), "{code}");
            assert!(!fault.error.problem.contains('{'), "{code}: {}", fault.error.problem);
            assert_eq!(fault.error.server_reply, format!("{code}: words"));
        }
        let known: usize = CODES.iter().map(|row| row.0.len()).sum();
        assert_eq!(rows.len(), known, "each code of the table has a row here");
        let unknown = judge().code(&server_error("ErrorNobodyKnows"));
        assert_eq!(unknown.error.class, retry);
        assert_eq!(server_error("ErrorNobodyKnows").meaning(), Meaning::Unknown);
    }

    #[test]
    fn an_item_is_gone_broken_or_waited_for() {
        for (code, meaning) in [
            ("ErrorItemNotFound", Meaning::Gone),
            ("ErrorMimeContentConversionFailed", Meaning::Broken),
            ("ErrorContentConversionFailed", Meaning::Broken),
            ("ErrorItemCorrupt", Meaning::Broken),
            ("ErrorMessageSizeExceeded", Meaning::TooLarge),
            ("ErrorInternalServerError", Meaning::WaitAFewTimes),
            ("ErrorAccessDenied", Meaning::Denied),
            ("ErrorNotEnoughMemory", Meaning::WaitAFewTimes),
            ("ErrorInvalidId", Meaning::Broken),
        ] {
            assert_eq!(server_error(code).meaning(), meaning, "{code}");
        }
    }
}
