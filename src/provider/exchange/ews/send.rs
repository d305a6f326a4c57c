//! Sending over EWS, and checks of a connection.

use async_trait::async_trait;

use super::{
    EwsSource,
    codes::{Hint, Meaning},
    errors::Fault,
    folders, requests,
    responses::{self, Draft},
};
use crate::{
    net::{ErrorClass, ProviderError, StageFacts, StageReport},
    provider::{
        Folder, MailSink, OutgoingMessage, Sent, SubmissionState,
        exchange::check::{self, Checked},
        hidden_recipients, in_doubt, message_id, sent_as,
    },
};

#[async_trait]
impl MailSink for EwsSource {
    /// Exchange sends to all that To and Cc name, and to the recipients that no header names. It names no queue, so
    /// [`Sent::server_reply`] is its response code.
    ///
    /// The message is stored as a draft first, which can be asked what became of it when the answer to its sending gets lost.
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, ProviderError> {
        let draft = match self.store_draft(message).await {
            Ok(draft) => draft,
            // Who may send in the name of a mailbox may have no right to write in it.
            Err(fault) if fault.error.class == ErrorClass::Refused => return self.send_at_once(message).await,
            Err(fault) => return Err(fault.into()),
        };
        let sent = self.transport.call(requests::send_item(&draft, self.transport.mailbox())).await;
        let fault = match sent.and_then(|body| responses::sent(&self.transport.judge, &body)) {
            Ok(()) => return Ok(sent_as("NoError")),
            Err(fault) => fault,
        };
        if !fault.unclear {
            self.discard(&draft).await;
            return Err(fault.into());
        }
        let look = || self.fate(&draft, message);
        // After an error of EWS itself the request is over, and one look tells all; after any other fault it may still be under way.
        if fault.answered && fault.hint != Hint::AskForLess && look().await == SubmissionState::Draft {
            self.discard(&draft).await;
            return Err(fault.into());
        }
        // The draft stays whatever happens: deleting a submitted one recalls a message that was reported as sent.
        let sent = self.transport.timeouts.looks.until_sent(look).await;
        sent.ok_or_else(|| in_doubt(*fault.error))
    }

    async fn check(&self, test: Option<&OutgoingMessage>, report: StageReport<'_>) {
        check::run(self, test, report).await;
    }
}

#[async_trait]
impl Checked for EwsSource {
    async fn probe(&self, report: StageReport<'_>) -> bool {
        self.transport.server.probe(report).await
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

    async fn inbox(&self) -> Result<Folder, ProviderError> {
        Ok(folders::inbox(&self.transport).await?)
    }
}

impl EwsSource {
    async fn store_draft(&self, message: &OutgoingMessage) -> Result<Draft, Fault> {
        let hidden = hidden_recipients(message);
        let request = requests::create_draft(&message.raw, &hidden, self.transport.mailbox());
        let stored = self.transport.call(request).await;
        let stored = stored.and_then(|body| responses::stored(&self.transport.judge, &body));
        stored.map_err(|mut fault| {
            // A draft that may be there is not sent.
            fault.unclear = false;
            fault
        })
    }

    /// What a look shows of a draft that may have been sent. Exchange keeps what was submitted in Drafts until the transport has taken it;
    /// from then on it has another id.
    async fn fate(&self, draft: &Draft, message: &OutgoingMessage) -> SubmissionState {
        let asked = self.transport.call(requests::is_submitted(&draft.id)).await;
        match asked.and_then(|body| responses::submitted(&self.transport.judge, &body)) {
            Ok(Ok(Some(true))) => SubmissionState::Sent("the draft is submitted"),
            Ok(Ok(Some(false))) => SubmissionState::Draft,
            Ok(Err(error)) if error.meaning() == Meaning::Gone => SubmissionState::Sent("the draft is gone"),
            // A server that does not tell.
            Ok(Ok(None)) => self.look_into_sent_items(message).await,
            Ok(Err(_)) | Err(_) => SubmissionState::Unknown,
        }
    }

    /// Deletes a draft that is not to be sent. Failure does no harm.
    async fn discard(&self, draft: &Draft) {
        if let Err(fault) = self.transport.call(requests::delete_item(&draft.id)).await {
            tracing::debug!(error = %fault.error, "a draft that was not sent is left behind");
        }
    }

    /// Hands a message over without a draft. When the answer gets lost, the copy in Sent Items tells.
    async fn send_at_once(&self, message: &OutgoingMessage) -> Result<Sent, ProviderError> {
        let hidden = hidden_recipients(message);
        let request = requests::create_and_send(&message.raw, &hidden, self.transport.mailbox());
        let sent = self.transport.call(request).await;
        match sent.and_then(|body| responses::created(&self.transport.judge, &body)) {
            Ok(()) => Ok(sent_as("NoError")),
            Err(fault) if fault.unclear => {
                let look = || self.look_into_sent_items(message);
                let sent = self.transport.timeouts.looks.until_sent(look).await;
                sent.ok_or_else(|| in_doubt(*fault.error))
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// Whether a message that may have been sent is there as a copy. That it is not there says nothing: it may be on its way.
    async fn look_into_sent_items(&self, message: &OutgoingMessage) -> SubmissionState {
        let Some(id) = message_id(message) else {
            return SubmissionState::Unknown;
        };
        let answer = self.transport.call(requests::find_sent(&id, self.transport.mailbox())).await;
        match answer.and_then(|body| responses::found(&self.transport.judge, &body)) {
            Ok(true) => SubmissionState::Sent("found in Sent Items"),
            Ok(false) | Err(_) => SubmissionState::Unknown,
        }
    }
}

fn is_about_the_mailbox(fault: &Fault) -> bool {
    matches!(fault.error.class, ErrorClass::Refused | ErrorClass::Malformed)
}
