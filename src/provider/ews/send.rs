//! Sending over EWS, and checks of a connection.

use async_trait::async_trait;

use super::{EwsSource, errors::Fault, folders, requests, responses};
use crate::provider::{
    ErrorClass, MailSink, OutgoingMessage, ProviderError, Sent, StageFacts, StageKind, StageReport, hidden_recipients, in_doubt,
    message_id, net,
};

#[async_trait]
impl MailSink for EwsSource {
    /// Exchange sends to all that To and Cc name, and to the recipients that no header names. It names no queue, so
    /// [`Sent::server_reply`] is its response code.
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, ProviderError> {
        let hidden = hidden_recipients(message);
        let request = requests::create_item(&message.raw, &hidden, self.transport.mailbox());
        let sent = self.transport.call(request).await;
        match sent.and_then(|body| responses::created(&self.transport.judge, &body)) {
            Ok(()) => Ok(Sent {
                server_reply: "NoError".to_owned(),
            }),
            Err(fault) if fault.unclear && self.is_in_sent_items(message).await => Ok(Sent {
                server_reply: "found in Sent Items".to_owned(),
            }),
            Err(fault) if fault.unclear => Err(in_doubt(*fault.error)),
            Err(fault) => Err(fault.into()),
        }
    }

    async fn check(&self, test: Option<&OutgoingMessage>, report: StageReport<'_>) {
        if !self.transport.probe(report).await
            || net::stage(StageKind::Authenticate, report, self.log_in(), StageFacts::clone)
                .await
                .is_none()
        {
            return;
        }
        let opened = net::stage(StageKind::OpenInbox, report, self.open_inbox(), StageFacts::clone).await;
        let Some(test) = test.filter(|_| opened.is_some()) else { return };
        let handed_over = |sent: &Sent| StageFacts::handed_over(test, sent);
        net::stage(StageKind::Send, report, self.send(test), handed_over).await;
    }
}

impl EwsSource {
    /// Whether a message that may have been sent is there as a copy. That it is not there says nothing: it may be on its way.
    async fn is_in_sent_items(&self, message: &OutgoingMessage) -> bool {
        let Some(id) = message_id(message) else { return false };
        let answer = self.transport.call(requests::find_sent(&id, self.transport.mailbox())).await;
        answer
            .and_then(|body| responses::found(&self.transport.judge, &body))
            .unwrap_or(false)
    }

    /// Asks for something that only a login gets. Not on behalf of a mailbox: whether the login may act for one is another question.
    async fn log_in(&self) -> Result<StageFacts, ProviderError> {
        let answer = self.transport.call_as(requests::get_root(), None).await;
        let read = answer.map(|body| (responses::root(&self.transport.judge, &body), responses::version(&body)));
        let (refused, version) = match read {
            Ok((outcome, version)) => (outcome.err(), version),
            Err(fault) => (Some(fault), None),
        };
        match refused {
            // An error of EWS about the mailbox comes only after the login.
            Some(fault) if !fault.answered || !is_about_the_mailbox(&fault) => return Err(fault.into()),
            _ => {}
        }
        let server = version.map_or_else(String::new, |version| format!("; the server is Exchange {version}"));
        Ok(StageFacts {
            summary: format!("Logged in{server}."),
            ..StageFacts::default()
        })
    }

    async fn open_inbox(&self) -> Result<StageFacts, ProviderError> {
        Ok(StageFacts::opened(folders::inbox(&self.transport).await?.total))
    }
}

fn is_about_the_mailbox(fault: &Fault) -> bool {
    matches!(fault.error.class, ErrorClass::Refused | ErrorClass::Malformed)
}
