//! Outgoing messages: what their headers say, and what is done when the response is lost.

use std::time::Duration;

use mail_parser::MessageParser;
use tokio::time::{sleep, timeout};

use super::{OutgoingMessage, Sent};
use crate::net::{ErrorClass, ProviderError, StageFacts};

/// Longest time that the checks themselves may take together.
const LOOKING: Duration = Duration::from_mins(1);

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

/// What [`crate::net::StageKind::Send`] did.
pub(super) fn handed_over(message: &OutgoingMessage, sent: &Sent) -> StageFacts {
    StageFacts {
        summary: format!("Submitted a message to {}.", message.recipients.join(", ")),
        server_reply: sent.server_reply.clone(),
        certificate: None,
    }
}

/// The Message-ID in angle brackets.
pub(super) fn message_id(message: &OutgoingMessage) -> Option<String> {
    let headers = MessageParser::default().parse_headers(&message.raw[..])?;
    headers.message_id().map(|id| format!("<{id}>"))
}

/// How often a mailbox is checked for a message whose response was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckSchedule {
    /// Limit of checks.
    pub times: u32,
    /// Time between two checks.
    pub pause: Duration,
}

impl Default for CheckSchedule {
    /// Five within twelve seconds: Exchange's transport usually accepts a message within a few, and a person may be waiting.
    fn default() -> Self {
        Self {
            times: 5,
            pause: Duration::from_secs(3),
        }
    }
}

/// What a check of the mailbox shows about a message that may have been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SubmissionState {
    /// The server accepted it; with the evidence.
    Sent(&'static str),
    /// It is a draft that nobody submitted, at this moment.
    Draft,
    /// Nothing, or the check itself failed.
    Unknown,
}

impl CheckSchedule {
    /// Checks until it is known that a message was sent. `None`: there was no evidence, which proves nothing: the request may still be in progress
    /// in the server, and mail that is sent may be among the drafts until the transport accepts it.
    pub(super) async fn until_sent<F: Future<Output = SubmissionState>>(self, mut look: impl FnMut() -> F) -> Option<Sent> {
        let looking = async {
            for number in 0..self.times {
                if number > 0 {
                    sleep(self.pause).await;
                }
                if let SubmissionState::Sent(reply) = look().await {
                    return Some(sent_as(reply));
                }
            }
            None
        };
        let pauses = self.pause.saturating_mul(self.times);
        timeout(LOOKING.saturating_add(pauses), looking).await.ok().flatten()
    }
}

/// A message that was sent, with the server's reply or, without one, our own text.
pub(super) fn sent_as(reply: &str) -> Sent {
    Sent {
        server_reply: reply.to_owned(),
    }
}

/// The text when a message was submitted and the response was lost.
pub(super) fn in_doubt(fault: ProviderError) -> ProviderError {
    ProviderError {
        class: ErrorClass::Unreachable,
        problem: format!(
            "{} It is unknown whether the message was sent: check Sent Items and Drafts before you send it again.",
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
