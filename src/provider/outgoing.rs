//! Messages that are sent: what their headers say, and what is said when it is not known what became of one.

use mail_parser::MessageParser;

use super::{ErrorClass, OutgoingMessage, ProviderError};

/// Recipients that neither To nor Cc names. Exchange takes the others from the message itself.
pub(super) fn hidden_recipients(message: &OutgoingMessage) -> Vec<&str> {
    let headers = MessageParser::default().parse_headers(&message.raw[..]);
    let named: Vec<String> = headers
        .iter()
        .flat_map(|headers| [headers.to(), headers.cc()])
        .flatten()
        .flat_map(|list| list.iter())
        .filter_map(|address| address.address())
        .map(str::to_lowercase)
        .collect();
    let recipients = message.recipients.iter().map(String::as_str);
    recipients.filter(|recipient| !named.contains(&recipient.to_lowercase())).collect()
}

/// The Message-ID in angle brackets.
pub(super) fn message_id(message: &OutgoingMessage) -> Option<String> {
    let headers = MessageParser::default().parse_headers(&message.raw[..])?;
    headers.message_id().map(|id| format!("<{id}>"))
}

/// What is said when a message was handed over and the answer got lost.
pub(super) fn in_doubt(fault: ProviderError) -> ProviderError {
    ProviderError {
        class: ErrorClass::Unreachable,
        problem: format!(
            "{} It is not known whether the message was sent: look into Sent Items before it is sent again.",
            fault.problem
        ),
        ..fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_recipients_that_no_header_names_are_hidden() {
        let message = OutgoingMessage {
            sender: "anna@corp.test".to_owned(),
            recipients: ["Bert@corp.test", "cara@corp.test", "dora@corp.test"].map(str::to_owned).to_vec(),
            raw: "To: Bert <bert@corp.test>\r\nCc: team: cara@corp.test;\r\nSubject: x\r\n\r\nTo: dora@corp.test\r\n".into(),
        };
        assert_eq!(hidden_recipients(&message), ["dora@corp.test"]);
    }
}
