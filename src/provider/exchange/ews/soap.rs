//! The errors that the server reports in its answers: SOAP faults, and response messages that failed.

use std::time::Duration;

use super::{
    codes::ServerError,
    xml::{Element, Ns},
};
use crate::net::replies::MAX_PAUSE;

/// A server's fault in an answer that is nothing but one; `None` for anything else.
pub(super) fn fault_in(body: &[u8]) -> Option<ServerError> {
    let envelope = Element::parse(body).ok()?;
    let fault = envelope.child(Ns::Soap, "Body")?.child(Ns::Soap, "Fault")?;
    Some(of_fault(fault))
}

/// The error that a fault element reports.
pub(super) fn of_fault(fault: &Element<'_>) -> ServerError {
    // SOAP 1.1 has its parts in no namespace, which a default namespace around them may spoil.
    let part = |name: &str| fault.children.iter().find(|child| child.name == name);
    let detail = part("detail");
    let code = detail
        .and_then(|detail| detail.child_text(Ns::Errors, "ResponseCode"))
        // Without a detail, the code is the local part of a qualified name.
        .or_else(|| Some(part("faultcode")?.text.trim().rsplit(':').next().unwrap_or_default()));
    let message = detail
        .and_then(|detail| detail.child_text(Ns::Errors, "Message"))
        .or_else(|| Some(part("faultstring")?.text.trim()));
    ServerError {
        code: code.unwrap_or_default().to_owned(),
        message: message.unwrap_or_default().to_owned(),
        pause: detail.and_then(|detail| back_off(detail, Ns::Types)),
    }
}

/// The pause in `MessageXml`, whose own namespace differs between faults and responses.
fn back_off(around: &Element<'_>, ns: Ns) -> Option<Duration> {
    let values = around.child(ns, "MessageXml")?;
    let value = values
        .children
        .iter()
        .find(|value| value.attribute("Name") == Some("BackOffMilliseconds"))?;
    pause(&value.text)
}

/// The error that a response message reports, if it reports one.
pub(super) fn of_message(message: &Element<'_>) -> Option<ServerError> {
    let code = message.child_text(Ns::Messages, "ResponseCode").unwrap_or_default();
    // What was not done after a stop is only a warning.
    let failed = message.attribute("ResponseClass") == Some("Error") || code == "ErrorBatchProcessingStopped";
    failed.then(|| ServerError {
        code: code.to_owned(),
        message: message.child_text(Ns::Messages, "MessageText").unwrap_or_default().to_owned(),
        pause: back_off(message, Ns::Messages),
    })
}

/// The pause that a response requests, in milliseconds.
fn pause(milliseconds: &str) -> Option<Duration> {
    let milliseconds = milliseconds.trim().parse().ok()?;
    Some(Duration::from_millis(milliseconds).min(MAX_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_limited() {
        assert_eq!(pause(" 1500 "), Some(Duration::from_millis(1500)));
        assert_eq!(pause("18446744073709551615"), Some(MAX_PAUSE));
        assert_eq!(pause("-5"), None);
        assert_eq!(pause(""), None);
    }
}
