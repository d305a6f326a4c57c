//! A connection to a server from EHLO to its end.

use std::{fmt, io};

use lettre::transport::smtp::client::AsyncSmtpConnection;
use tokio::{sync::watch, time::timeout};

use super::{
    GOODBYE, SILENCE, SmtpConfig,
    codes::Step,
    envelope::Envelope,
    faults::Judge,
    lettre_stream::LettreStream,
    offers::Capabilities,
    opening::Secured,
    wire::{Recording, Reply, ReplyError, garbled},
};
use crate::{
    net::{ErrorClass, ProviderError},
    provider::Sent,
};

/// A message is submitted in chunks of this size.
const PIECE: usize = 64 << 10;

/// Why a message was not sent.
#[derive(Debug)]
pub(super) struct SubmissionError {
    /// What everybody else sees.
    pub error: Box<ProviderError>,
    /// The connection was dead before the server knew of the message: another one may work.
    pub dead: bool,
}

impl From<ProviderError> for SubmissionError {
    fn from(error: ProviderError) -> Self {
        Self {
            error: Box::new(error),
            dead: false,
        }
    }
}

/// A connection that has been greeted.
pub(super) struct Session {
    connection: AsyncSmtpConnection,
    tap: Recording,
    pub(super) judge: Judge,
    pub(super) config: SmtpConfig,
    /// What the server offers.
    pub(super) offers: Capabilities,
    /// Its answer to EHLO.
    pub(super) hello: Reply,
}

impl Session {
    /// Says EHLO.
    ///
    /// # Errors
    /// See [`ErrorClass`].
    pub(super) async fn begin(secured: Secured, judge: Judge, config: SmtpConfig) -> Result<Self, ProviderError> {
        let introduced = secured.introduce(&judge, &config).await?;
        let stream = LettreStream::new(introduced.stream, introduced.peer);
        let tap = stream.tap();
        let connection = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &introduced.id).await;
        Ok(Self {
            connection: connection.map_err(|error| judge.trouble(Step::Hello, broken(error, &[])))?,
            tap,
            judge,
            offers: introduced.offers,
            hello: introduced.hello,
            config,
        })
    }

    /// Asks one thing. `line` has no line end.
    pub(super) async fn command(&mut self, line: &str) -> Result<Reply, ReplyError> {
        self.tap.clear();
        let asked = timeout(self.config.request_timeout, self.connection.command(Line(line))).await;
        match self.heard(asked.ok()) {
            Err(trouble @ ReplyError::Closed(_)) => self.last_words().await.ok_or(trouble),
            heard => heard,
        }
    }

    /// What a server that disconnected said before: 421 may come at any time (RFC 5321 section 3.8), and then the command does not arrive.
    async fn last_words(&mut self) -> Option<Reply> {
        let _ = timeout(GOODBYE, self.connection.read_response()).await;
        Reply::parse(&self.tap.heard()).filter(|reply| reply.code >= 400)
    }

    /// The reply that came, in the server's words; lettre keeps only some of them.
    fn heard(
        &self,
        result: Option<Result<lettre::transport::smtp::response::Response, lettre::transport::smtp::Error>>,
    ) -> Result<Reply, ReplyError> {
        let heard = self.tap.heard();
        match (Reply::parse(&heard), result) {
            (Some(reply), _) => Ok(reply),
            (None, None) => Err(ReplyError::Silent),
            (None, Some(Err(error))) => Err(broken(error, &heard)),
            (None, Some(Ok(_))) => Err(garbled(&heard)),
        }
    }

    /// Whether the server still answers.
    pub(super) async fn alive(&mut self) -> bool {
        let limit = self.config.request_timeout.min(SILENCE);
        matches!(timeout(limit, self.command("NOOP")).await, Ok(Ok(reply)) if reply.code == 250)
    }

    /// Says goodbye.
    pub(super) async fn quit(mut self) {
        // Whether it is heard does not matter.
        let _ = timeout(GOODBYE, self.command("QUIT")).await;
    }

    /// Submits a message.
    pub(super) async fn deliver(&mut self, envelope: &Envelope, raw: &[u8]) -> Result<Sent, SubmissionError> {
        let mail = self.mail_command(envelope, raw.len())?;
        let reply = self.command(&mail).await.map_err(|trouble| SubmissionError {
            dead: matches!(trouble, ReplyError::Closed(_)),
            error: Box::new(self.judge.trouble(Step::Sender, trouble)),
        })?;
        if reply.code != 250 {
            return Err(SubmissionError {
                dead: reply.code == 421,
                error: Box::new(self.judge.reply(Step::Sender, &envelope.sender, &reply)),
            });
        }
        for recipient in &envelope.recipients {
            let reply = self.command(&format!("RCPT TO:<{recipient}>")).await;
            let reply = reply.map_err(|trouble| self.judge.trouble(Step::Recipient, trouble))?;
            if !(250..260).contains(&reply.code) {
                return Err(self.judge.reply(Step::Recipient, recipient, &reply).into());
            }
        }
        let reply = self
            .command("DATA")
            .await
            .map_err(|trouble| self.judge.trouble(Step::Message, trouble))?;
        if reply.code != 354 {
            return Err(self.judge.reply(Step::Message, &envelope.sender, &reply).into());
        }
        let reply = self.hand_over(raw).await?;
        if !(250..260).contains(&reply.code) {
            return Err(self.judge.reply(Step::Message, &envelope.sender, &reply).into());
        }
        Ok(Sent {
            server_reply: reply.words(),
        })
    }

    /// MAIL FROM with what the message needs, unless the server does not offer it.
    fn mail_command(&self, envelope: &Envelope, size: usize) -> Result<String, ProviderError> {
        let mut command = format!("MAIL FROM:<{}>", envelope.sender);
        if envelope.utf8 {
            if !self.offers.utf8 {
                return Err(self.judge.fault(
                    ErrorClass::Refused,
                    "{host} does not accept non-ASCII addresses or header fields (it lacks SMTPUTF8). Use an ASCII address, or another \
                     server.",
                ));
            }
            command.push_str(" SMTPUTF8");
        }
        if envelope.eight_bit {
            if !self.offers.eight_bit {
                return Err(self.judge.fault(
                    ErrorClass::Refused,
                    "{host} accepts only 7-bit messages (it lacks 8BITMIME), and this one has other characters. Encode it for mail, or use \
                     another server.",
                ));
            }
            command.push_str(" BODY=8BITMIME");
        }
        if let Some(limit) = self.offers.max_bytes.filter(|limit| size as u64 > *limit) {
            return Err(ProviderError {
                server_reply: self
                    .hello
                    .lines
                    .iter()
                    .find(|line| line.to_ascii_uppercase().starts_with("SIZE"))
                    .cloned()
                    .unwrap_or_default(),
                ..self.judge.fault(
                    ErrorClass::TooLarge,
                    &format!(
                        "The message has {size} bytes, and {{host}} accepts at most {limit}. Send less, such as fewer attachments, or have \
                         the server's limit raised."
                    ),
                )
            });
        }
        if self.offers.size {
            command.push_str(&format!(" SIZE={size}"));
        }
        Ok(command)
    }

    /// Submits the bytes of a message, and waits for the response. There is no time limit for the whole, but one for each chunk.
    async fn hand_over(&mut self, raw: &[u8]) -> Result<Reply, ProviderError> {
        // lettre ends the message with a line end of its own.
        let body = raw.strip_suffix(b"\r\n").unwrap_or(raw);
        let (handed, progress) = watch::channel(Transferred::Part);
        let pieces = Pieces {
            left: body.chunks(PIECE),
            handed: &handed,
        };
        self.tap.clear();
        let result = tokio::select! {
            biased;
            result = self.connection.message_iter(pieces) => Some(result),
            () = stalled(progress.clone(), &self.config) => None,
        };
        let whole = *progress.borrow() == Transferred::Whole;
        if let Some(reply) = Reply::parse(&self.tap.heard()) {
            return Ok(reply);
        }
        let trouble = match self.heard(result) {
            Ok(reply) => return Ok(reply),
            Err(trouble) => trouble,
        };
        if whole {
            return Err(self.judge.unknown_end(trouble));
        }
        // A server that disconnects in the middle may have said why.
        if let ReplyError::Closed(_) = trouble
            && let Some(reply) = self.last_words().await
        {
            return Ok(reply);
        }
        Err(self.judge.trouble(Step::Message, trouble))
    }
}

/// How much of a message the server has received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transferred {
    /// Some of it.
    Part,
    /// All of it, and perhaps its end.
    Whole,
}

struct Pieces<'a> {
    left: std::slice::Chunks<'a, u8>,
    handed: &'a watch::Sender<Transferred>,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let piece = self.left.next();
        self.handed
            .send_replace(if piece.is_some() { Transferred::Part } else { Transferred::Whole });
        piece
    }
}

/// Ends when a message makes no progress for too long.
async fn stalled(mut progress: watch::Receiver<Transferred>, config: &SmtpConfig) {
    loop {
        let limit = match *progress.borrow_and_update() {
            Transferred::Part => config.request_timeout,
            Transferred::Whole => config.delivery_timeout,
        };
        if timeout(limit, progress.changed()).await.is_err() {
            return;
        }
    }
}

struct Line<'a>(&'a str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\r\n", self.0)
    }
}

/// The meaning of a fault of lettre when no complete reply was received.
fn broken(error: lettre::transport::smtp::Error, heard: &[u8]) -> ReplyError {
    if !heard.is_empty() {
        return garbled(heard);
    }
    // It reports the end of a connection only as text.
    ReplyError::Closed(Some(io::Error::other(error)))
}
