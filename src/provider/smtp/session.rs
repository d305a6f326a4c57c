//! A connection to a server, from its greeting to its end.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use lettre::transport::smtp::{client::AsyncSmtpConnection, extension::ClientId};
use tokio::{net::TcpStream, sync::watch, time::timeout};

use super::{
    SmtpConfig,
    codes::Step,
    envelope::Envelope,
    faults::Judge,
    wire::{RecordedStream, Recording, Reply, ReplyError, Stream, garbled, read_reply},
};
use crate::{
    domain::SmtpSecurity,
    net::{CertificateFacts, EndpointRules, ErrorClass, Network, ProviderError},
    provider::Sent,
};

/// A server that is silent for this long may require TLS from the first byte.
const SILENCE: Duration = Duration::from_secs(3);
/// For quitting, and for the last words of a server that disconnected.
const GOODBYE: Duration = Duration::from_secs(2);
/// A message is submitted in chunks of this size.
const PIECE: usize = 64 << 10;

/// A connection, secured as configured, before the greeting was processed.
pub(super) struct Secured {
    stream: Box<dyn Stream>,
    /// The greeting. `None` when it has not arrived yet.
    greeting: Option<Vec<u8>>,
    peer: SocketAddr,
    own_address: IpAddr,
    /// The server's certificate, with TLS.
    pub certificate: Option<CertificateFacts>,
}

/// Secures a connection: at once, after STARTTLS, or not at all. Never less than chosen.
///
/// # Errors
/// [`ErrorClass::Unreachable`] usually; otherwise the class of the server's reply.
pub(super) async fn secure(
    network: &Network,
    judge: &Judge,
    config: &SmtpConfig,
    rules: &EndpointRules,
    tcp: TcpStream,
) -> Result<Secured, ProviderError> {
    let addresses = tcp.peer_addr().and_then(|peer| Ok((peer, tcp.local_addr()?.ip())));
    let (peer, own_address) = addresses.map_err(|error| judge.trouble(Step::Greeting, ReplyError::Closed(Some(error))))?;
    let mut lower = RecordedStream::new(tcp, peer);
    let (stream, certificate, greeting): (Box<dyn Stream>, _, _) = match judge.security {
        SmtpSecurity::None => {
            let greeting = greet(network, judge, config, rules, &mut lower).await?;
            (Box::new(lower), None, Some(greeting))
        }
        SmtpSecurity::Tls => {
            let (stream, facts) = handshake(network, judge, rules, lower).await?;
            (Box::new(stream), Some(facts), None)
        }
        SmtpSecurity::StartTls => {
            greet(network, judge, config, rules, &mut lower).await?;
            start_tls(judge, config, &mut lower, own_address).await?;
            let (stream, facts) = handshake(network, judge, rules, lower).await?;
            // The greeting does not come again after STARTTLS (RFC 3207 section 4.2), but lettre waits for one.
            (Box::new(stream), Some(facts), Some(b"220 TLS\r\n".to_vec()))
        }
    };
    Ok(Secured {
        stream,
        greeting,
        peer,
        own_address,
        certificate,
    })
}

async fn limited<T>(limit: Duration, reply: impl Future<Output = Result<T, ReplyError>>) -> Result<T, ReplyError> {
    timeout(limit, reply).await.unwrap_or(Err(ReplyError::Silent))
}

fn accepted_greeting(judge: &Judge, reply: Result<(Reply, Vec<u8>), ReplyError>) -> Result<Vec<u8>, ProviderError> {
    match reply {
        Ok((reply, bytes)) if reply.code == 220 => Ok(bytes),
        Ok((reply, _)) => Err(judge.reply(Step::Greeting, "", &reply)),
        Err(trouble) => Err(judge.trouble(Step::Greeting, trouble)),
    }
}

/// Waits for the greeting of a server that should speak plain. If it is silent, TLS is tried over a second connection in the meantime.
async fn greet(
    network: &Network,
    judge: &Judge,
    config: &SmtpConfig,
    rules: &EndpointRules,
    stream: &mut RecordedStream<TcpStream>,
) -> Result<Vec<u8>, ProviderError> {
    let peer = stream.peer();
    let reading = limited(config.request_timeout, read_reply(stream));
    tokio::pin!(reading);
    let reply = match timeout(SILENCE.min(config.request_timeout / 2), &mut reading).await {
        Ok(reply) => reply,
        Err(_) => {
            let probing = wants_tls(network, judge, rules, peer);
            tokio::pin!(probing);
            tokio::select! {
                reply = &mut reading => match reply {
                    Err(ReplyError::Silent) if probing.await => return Err(judge.wants_tls()),
                    reply => reply,
                },
                wants_tls = &mut probing => {
                    if wants_tls {
                        return Err(judge.wants_tls());
                    }
                    reading.await
                }
            }
        }
    };
    accepted_greeting(judge, reply)
}

/// Whether the server speaks TLS from the first byte.
async fn wants_tls(network: &Network, judge: &Judge, rules: &EndpointRules, peer: SocketAddr) -> bool {
    let Ok(stream) = network.connect(&judge.host, &[peer]).await else {
        return false;
    };
    match network.tls(&judge.host, stream, rules).await {
        Ok(_) => true,
        // It presents one, trusted or not.
        Err(error) => error.certificate.is_some(),
    }
}

/// Says EHLO and STARTTLS over the plain connection.
async fn start_tls(
    judge: &Judge,
    config: &SmtpConfig,
    stream: &mut RecordedStream<TcpStream>,
    own_address: IpAddr,
) -> Result<(), ProviderError> {
    let hello = format!("EHLO {}\r\n", client_id(own_address));
    let reply = ask(config, stream, &hello)
        .await
        .map_err(|trouble| judge.trouble(Step::Hello, trouble))?;
    if reply.code != 250 {
        return Err(judge.reply(Step::Hello, "", &reply));
    }
    if !Capabilities::of(&reply).start_tls {
        return Err(ProviderError {
            server_reply: reply.words(),
            ..judge.fault(
                ErrorClass::Unreachable,
                "{host} does not offer STARTTLS on port {port}. Enable it on the server, or choose the port that offers it (usually 587), \
                 or security TLS (usually port 465). Nothing is sent unencrypted instead.",
            )
        });
    }
    let reply = ask(config, stream, "STARTTLS\r\n")
        .await
        .map_err(|trouble| judge.trouble(Step::StartTls, trouble))?;
    if reply.code != 220 {
        return Err(judge.reply(Step::StartTls, "", &reply));
    }
    Ok(())
}

async fn ask(config: &SmtpConfig, stream: &mut RecordedStream<TcpStream>, line: &str) -> Result<Reply, ReplyError> {
    use tokio::io::AsyncWriteExt as _;
    limited(config.request_timeout, async {
        stream
            .write_all(line.as_bytes())
            .await
            .map_err(|error| ReplyError::Closed(Some(error)))?;
        Ok(read_reply(stream).await?.0)
    })
    .await
}

async fn handshake(
    network: &Network,
    judge: &Judge,
    rules: &EndpointRules,
    lower: RecordedStream<TcpStream>,
) -> Result<(impl Stream + 'static, CertificateFacts), ProviderError> {
    let tap = lower.tap();
    tap.clear();
    let result = network.tls(&judge.host, lower, rules).await;
    result.map_err(|error| {
        let heard = tap.heard();
        // A record of TLS never begins with a digit.
        if !heard.first().is_some_and(u8::is_ascii_digit) {
            return error;
        }
        if judge.security == SmtpSecurity::Tls {
            return judge.speaks_plain(&String::from_utf8_lossy(&heard));
        }
        judge.fault(
            ErrorClass::Unreachable,
            "{host} continued in plain text after STARTTLS. Something between this service and the server may be tampering with the \
             connection; nothing of it was used.",
        )
    })
}

fn client_id(own_address: IpAddr) -> ClientId {
    match own_address {
        IpAddr::V4(address) => ClientId::Ipv4(address),
        IpAddr::V6(address) => address.to_ipv4_mapped().map_or(ClientId::Ipv6(address), ClientId::Ipv4),
    }
}

/// What a server offers in its reply to EHLO.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Capabilities {
    /// STARTTLS (RFC 3207).
    pub start_tls: bool,
    /// 8BITMIME (RFC 6152).
    pub eight_bit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub utf8: bool,
    /// SIZE (RFC 1870).
    pub size: bool,
    /// The maximum message size in bytes, if it says so.
    pub max_bytes: Option<u64>,
    /// Mechanisms of AUTH (RFC 4954) in upper case, in the server's order.
    pub mechanisms: Vec<String>,
}

impl Capabilities {
    /// What the answer says.
    pub(super) fn of(reply: &Reply) -> Self {
        let mut offers = Self::default();
        for line in reply.lines.iter().skip(1) {
            // Servers of old write `AUTH=LOGIN`.
            let line = line.to_ascii_uppercase().replacen("AUTH=", "AUTH ", 1);
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("STARTTLS") => offers.start_tls = true,
                Some("8BITMIME") => offers.eight_bit = true,
                Some("SMTPUTF8") => offers.utf8 = true,
                Some("SIZE") => {
                    offers.size = true;
                    offers.max_bytes = words.next().and_then(|size| size.parse().ok()).filter(|size| *size > 0);
                }
                Some("AUTH") => {
                    for mechanism in words {
                        if !offers.mechanisms.iter().any(|known| known == mechanism) {
                            offers.mechanisms.push(mechanism.to_owned());
                        }
                    }
                }
                _ => {}
            }
        }
        offers
    }
}

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
        let Secured {
            mut stream,
            greeting,
            peer,
            own_address,
            ..
        } = secured;
        let greeting = match greeting {
            Some(greeting) => greeting,
            None => accepted_greeting(&judge, limited(config.request_timeout, read_reply(&mut stream)).await)?,
        };
        let stream = RecordedStream::new(stream, peer).replaying(greeting);
        let tap = stream.tap();
        let id = client_id(own_address);
        let connected = timeout(
            config.request_timeout,
            AsyncSmtpConnection::connect_with_transport(Box::new(stream), &id),
        )
        .await;
        // The greeting comes first.
        let heard = tap.heard();
        let behind = match Reply::parse(&heard) {
            Some(greeting) => memchr::memchr_iter(b'\n', &heard)
                .nth(greeting.lines.len() - 1)
                .map_or(0, |end| end + 1),
            None => 0,
        };
        let hello = Reply::parse(&heard[behind..]);
        match (connected, hello) {
            (Ok(Ok(connection)), Some(hello)) => Ok(Self {
                connection,
                tap,
                judge,
                offers: Capabilities::of(&hello),
                hello,
                config,
            }),
            (_, Some(hello)) => Err(judge.reply(Step::Hello, "", &hello)),
            (Ok(Ok(_)), None) => Err(judge.trouble(Step::Hello, garbled(&heard[behind..]))),
            (Ok(Err(error)), None) => Err(judge.trouble(Step::Hello, broken(error, &heard[behind..]))),
            (Err(_), None) => Err(judge.trouble(Step::Hello, ReplyError::Silent)),
        }
    }

    /// Asks one thing. `line` has no line end.
    pub(super) async fn command(&mut self, line: &str) -> Result<Reply, ReplyError> {
        self.tap.clear();
        let asked = timeout(self.config.request_timeout, self.connection.command(Line(line))).await;
        self.heard(asked.ok())
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
        if let ReplyError::Closed(_) = trouble {
            let _ = timeout(GOODBYE, self.connection.read_response()).await;
            if let Some(reply) = Reply::parse(&self.tap.heard()).filter(|reply| reply.code >= 400) {
                return Ok(reply);
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_are_read_in_all_their_forms() {
        let hello = b"250-mail.example STARTTLS\r\n250-8bitmime\r\n250-SIZE 1000\r\n250-AUTH PLAIN login\r\n250-AUTH=LOGIN XOAUTH2\r\n250 SMTPUTF8\r\n";
        let offers = Capabilities::of(&Reply::parse(hello).unwrap());
        assert!(offers.eight_bit && offers.utf8 && offers.size && !offers.start_tls);
        assert_eq!(offers.max_bytes, Some(1000));
        assert_eq!(offers.mechanisms, ["PLAIN", "LOGIN", "XOAUTH2"]);
        for unlimited in ["SIZE", "SIZE 0", "SIZE x"] {
            let reply = Reply::parse(format!("250-x\r\n250 {unlimited}\r\n").as_bytes()).unwrap();
            assert_eq!((Capabilities::of(&reply).size, Capabilities::of(&reply).max_bytes), (true, None));
        }
    }

    #[test]
    fn addresses_introduce_this_machine() {
        for (address, id) in [
            ("192.0.2.7", "[192.0.2.7]"),
            ("2001:db8::1", "[IPv6:2001:db8::1]"),
            ("::ffff:192.0.2.7", "[192.0.2.7]"),
        ] {
            assert_eq!(client_id(address.parse().unwrap()).to_string(), id);
        }
    }
}
