//! Checks of a connection, stage by stage: up to the TLS handshake, the login, the inbox, and a message to send.

use async_trait::async_trait;

use crate::{
    net::{self, ProviderError, StageFacts, StageKind, StageReport},
    provider::{Folder, MailSink, OutgoingMessage, Sent, handed_over},
};

/// A mailbox whose connection can be checked.
#[async_trait]
pub(super) trait Checked: MailSink {
    /// Goes through the stages up to the TLS handshake, on a separate connection. Returns whether all went well.
    async fn probe(&self, report: StageReport<'_>) -> bool;

    /// Logs in; the mailbox is checked separately.
    async fn log_in(&self) -> Result<StageFacts, ProviderError>;

    /// Opens the inbox.
    async fn inbox(&self) -> Result<Folder, ProviderError>;
}

/// Runs the stages of [`MailSink::check`], up to the first that fails.
pub(super) async fn run(mailbox: &impl Checked, test: Option<&OutgoingMessage>, report: StageReport<'_>) {
    if !mailbox.probe(report).await
        || net::stage(StageKind::Authenticate, report, mailbox.log_in(), StageFacts::clone)
            .await
            .is_none()
    {
        return;
    }
    let opened = net::stage(StageKind::OpenInbox, report, mailbox.inbox(), |inbox| {
        StageFacts::opened(inbox.total)
    })
    .await;
    let Some(test) = test.filter(|_| opened.is_some()) else { return };
    let handed = |sent: &Sent| handed_over(test, sent);
    net::stage(StageKind::Send, report, mailbox.send(test), handed).await;
}
