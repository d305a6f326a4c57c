//! Sending over Graph, and checks of a connection.
//!
//! A message is stored as a draft first and then sent: an immutable id stays the same from draft to sent copy, so whatever happens in between,
//! its state can be queried. <https://learn.microsoft.com/graph/outlook-send-mime-message>

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::{GraphSource, codes::Meaning, errors::Fault, folders, transport::Request};
use crate::{
    net::{ErrorClass, ProviderError, StageFacts, StageReport},
    provider::{
        Folder, MailSink, OutgoingMessage, Sent, SubmissionState,
        exchange::check::{self, Checked},
        hidden_recipients, in_doubt, sent_as,
    },
};

/// Longest message that is submitted in MIME, in bytes. Requests may have 4 MB, of which base64 takes a quarter; users report that slightly
/// shorter ones are answered as if they had been accepted, with status 200, and are not.
const MAX_MIME: usize = 3_000_000;

/// Flags of a message, the extended property PidTagMessageFlags, and the one of what was submitted ([MS-OXCMSG] 2.2.1.6).
const FLAGS: &str = "singleValueExtendedProperties($filter=id eq 'Integer 0x0E07')";
const SUBMITTED: u32 = 4;

#[derive(Deserialize)]
pub(super) struct Draft {
    pub(super) id: String,
}

/// A message that was a draft, as far as it tells whether it was sent.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DraftState {
    is_draft: Option<bool>,
    #[serde(default, rename = "singleValueExtendedProperties")]
    properties: Vec<Property>,
}

#[derive(Deserialize)]
struct Property {
    value: String,
}

#[async_trait]
impl MailSink for GraphSource {
    /// The server names no queue, so [`Sent::server_reply`] is its status.
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, ProviderError> {
        let draft = self.store_draft(message).await?;
        let url = self.transport.url(&["messages", &draft, "send"]);
        let fault = match self.transport.call(Request::new(Method::POST, url)).await {
            Ok(answer) if answer.status == StatusCode::ACCEPTED => return Ok(sent_as("HTTP 202 Accepted")),
            Ok(_) => self.transport.judge.malformed("says neither that the message was sent nor why not"),
            Err(fault) => fault,
        };
        if !fault.unclear {
            self.discard(&draft).await;
            return Err(fault.into());
        }
        // The draft stays whatever happens: deleting a submitted one recalls a message that was reported as sent.
        let sent = self.looks.until_sent(|| self.fate(&draft)).await;
        sent.ok_or_else(|| in_doubt(*fault.error))
    }

    async fn check(&self, test: Option<&OutgoingMessage>, report: StageReport<'_>) {
        check::run(self, test, report).await;
    }
}

#[async_trait]
impl Checked for GraphSource {
    async fn probe(&self, report: StageReport<'_>) -> bool {
        self.transport.server.probe(report).await
    }

    /// Obtains an access token; the mailbox is checked separately.
    async fn log_in(&self) -> Result<StageFacts, ProviderError> {
        self.transport.tokens.current().await?;
        Ok(StageFacts {
            summary: format!("Obtained an access token for {}.", self.transport.judge.host),
            ..StageFacts::default()
        })
    }

    async fn inbox(&self) -> Result<Folder, ProviderError> {
        folders::inbox(&self.transport).await
    }
}

impl DraftState {
    fn is_submitted(&self) -> bool {
        let flags = self.properties.first().and_then(|flags| flags.value.parse::<u32>().ok());
        flags.is_some_and(|flags| flags & SUBMITTED != 0)
    }
}

impl GraphSource {
    /// Stores a message as a draft: as it is, or in parts if it is too long for that. Returns its id.
    async fn store_draft(&self, message: &OutgoingMessage) -> Result<String, Fault> {
        if message.raw.len() <= MAX_MIME {
            match self.store_mime(message).await {
                Err(fault) if fault.error.class == ErrorClass::TooLarge => {}
                stored => return stored,
            }
        }
        self.store_in_parts(message).await
    }

    async fn store_mime(&self, message: &OutgoingMessage) -> Result<String, Fault> {
        let request = Request {
            body: Some(("text/plain", STANDARD.encode(&message.raw).into())),
            ..Request::new(Method::POST, self.transport.url(&["messages"]))
        };
        let answer = self.transport.call(request).await.map_err(|mut fault| {
            // A draft that may be there is not sent.
            fault.unclear = false;
            fault
        })?;
        if answer.status != StatusCode::CREATED {
            // Its behaviour with messages that are too long for it.
            let words = "{host} did not accept the message, although it reported success.";
            let reply = format!("HTTP {}", answer.status);
            return Err(self.transport.judge.fault(ErrorClass::TooLarge, words, &reply));
        }
        let draft: Draft = self.transport.read(&answer.body)?;
        let hidden = hidden_recipients(message);
        if !hidden.is_empty() {
            let recipients: Vec<_> = hidden
                .iter()
                .map(|address| json!({ "emailAddress": { "address": address } }))
                .collect();
            let url = self.transport.url(&["messages", &draft.id]);
            let change = Request::json(Method::PATCH, url, &json!({ "bccRecipients": recipients }));
            if let Err(fault) = self.transport.call(change).await {
                self.discard(&draft.id).await;
                return Err(fault);
            }
        }
        Ok(draft.id)
    }

    /// The state of a draft that may have been sent. Exchange keeps what was submitted among the drafts, as a draft, until the
    /// transport has accepted it.
    async fn fate(&self, draft: &str) -> SubmissionState {
        let mut url = self.transport.url(&["messages", draft]);
        url.query_pairs_mut()
            .append_pair("$select", "id,isDraft")
            .append_pair("$expand", FLAGS);
        match self.transport.get::<DraftState>(url, &[]).await {
            Ok(found) if found.is_draft == Some(false) => SubmissionState::Sent("it is no longer a draft"),
            Ok(found) if found.is_submitted() => SubmissionState::Sent("the draft is submitted"),
            Ok(_) => SubmissionState::Draft,
            // On its way to Sent Items.
            Err(fault) if fault.meaning == Some(Meaning::Gone) => SubmissionState::Sent("the draft is gone"),
            Err(_) => SubmissionState::Unknown,
        }
    }

    /// Deletes a draft that is not to be sent. Failure does no harm.
    pub(super) async fn discard(&self, draft: &str) {
        let url = self.transport.url(&["messages", draft]);
        if let Err(fault) = self.transport.call(Request::new(Method::DELETE, url)).await {
            tracing::debug!(error = %fault.error, "a draft that was not sent is left behind");
        }
    }
}
