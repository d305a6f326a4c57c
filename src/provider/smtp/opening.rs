//! Opens a connection: the greeting, STARTTLS, EHLO.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use lettre::transport::smtp::extension::ClientId;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};

use super::{
    GOODBYE, SILENCE, SmtpConfig,
    codes::Step,
    faults::Judge,
    offers::Capabilities,
    wire::{RecordedStream, Reply, ReplyError, Stream, read_reply},
};
use crate::{
    domain::SmtpSecurity,
    net::{CertificateFacts, EndpointRules, ErrorClass, Network, ProviderError},
};

/// The code of a server that closes the connection by itself.
const CLOSING: u16 = 421;
/// Codes of servers that know no EHLO: not the command, not its form, not for them.
const NO_EXTENSIONS: [u16; 4] = [500, 501, 502, 504];

/// A connection, secured as configured, before the greeting was processed.
pub(super) struct Secured {
    stream: Box<dyn Stream>,
    greeted: Greeted,
    peer: SocketAddr,
    own_address: IpAddr,
    /// The server's certificate, with TLS.
    pub certificate: Option<CertificateFacts>,
}

/// Whether the server has spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Greeted {
    /// It does not greet again after STARTTLS (RFC 3207 section 4.2).
    Already,
    /// It greets over TLS.
    NotYet,
}

/// A server that has been greeted back.
pub(super) struct Introduced {
    pub stream: Box<dyn Stream>,
    /// Its address.
    pub peer: SocketAddr,
    /// Its answer to EHLO or HELO.
    pub hello: Reply,
    /// What it offers.
    pub offers: Capabilities,
    /// What this machine is called.
    pub id: ClientId,
}

/// Why a connection was not opened.
struct Unopened {
    error: ProviderError,
    /// The server spoke and waits for what is said next (RFC 5321 section 3.1).
    waits: bool,
}

impl Unopened {
    fn reply(judge: &Judge, step: Step, reply: &Reply) -> Self {
        Self {
            error: judge.reply(step, "", reply),
            waits: reply.code != CLOSING,
        }
    }

    fn silent(error: ProviderError) -> Self {
        Self { error, waits: false }
    }

    /// The fault, after a goodbye that nobody waits for.
    fn leaving(self, mut stream: impl Stream + 'static) -> ProviderError {
        if self.waits {
            tokio::spawn(timeout(GOODBYE, async move {
                // Whether it is heard does not matter.
                let _ = say(&mut stream, "QUIT").await;
            }));
        }
        self.error
    }
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
    let (stream, certificate, greeted): (Box<dyn Stream>, _, _) = match judge.security {
        SmtpSecurity::None => match greet(network, judge, config, rules, &mut lower).await {
            Ok(()) => (Box::new(lower), None, Greeted::Already),
            Err(unopened) => return Err(unopened.leaving(lower)),
        },
        SmtpSecurity::Tls => {
            let (stream, facts) = handshake(network, judge, rules, lower).await?;
            (Box::new(stream), Some(facts), Greeted::NotYet)
        }
        SmtpSecurity::StartTls => {
            let begun = async {
                greet(network, judge, config, rules, &mut lower).await?;
                start_tls(judge, config, &mut lower, own_address).await
            };
            if let Err(unopened) = begun.await {
                return Err(unopened.leaving(lower));
            }
            let (stream, facts) = handshake(network, judge, rules, lower).await?;
            (Box::new(stream), Some(facts), Greeted::Already)
        }
    };
    Ok(Secured {
        stream,
        greeted,
        peer,
        own_address,
        certificate,
    })
}

impl Secured {
    /// Waits for the greeting if there is one to come, and says EHLO.
    ///
    /// # Errors
    /// See [`ErrorClass`].
    pub(super) async fn introduce(self, judge: &Judge, config: &SmtpConfig) -> Result<Introduced, ProviderError> {
        let mut stream = self.stream;
        let introduced = async {
            if self.greeted == Greeted::NotYet {
                accepted_greeting(judge, limited(config.request_timeout, read_reply(&mut stream)).await)?;
            }
            say_hello(judge, config, &mut stream, self.own_address).await
        };
        match introduced.await {
            Ok((hello, offers)) => Ok(Introduced {
                stream,
                peer: self.peer,
                hello,
                offers,
                id: client_id(self.own_address),
            }),
            Err(unopened) => Err(unopened.leaving(stream)),
        }
    }
}

async fn limited<T>(limit: Duration, reply: impl Future<Output = Result<T, ReplyError>>) -> Result<T, ReplyError> {
    timeout(limit, reply).await.unwrap_or(Err(ReplyError::Silent))
}

fn accepted_greeting(judge: &Judge, reply: Result<Reply, ReplyError>) -> Result<(), Unopened> {
    match reply {
        Ok(reply) if reply.code == 220 => Ok(()),
        Ok(reply) => Err(Unopened::reply(judge, Step::Greeting, &reply)),
        Err(trouble) => Err(Unopened::silent(judge.trouble(Step::Greeting, trouble))),
    }
}

/// Waits for the greeting of a server that should speak plain. If it is silent, TLS is tried over a second connection in the meantime.
async fn greet(
    network: &Network,
    judge: &Judge,
    config: &SmtpConfig,
    rules: &EndpointRules,
    stream: &mut RecordedStream<TcpStream>,
) -> Result<(), Unopened> {
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
                    Err(ReplyError::Silent) if probing.await => return Err(Unopened::silent(judge.wants_tls())),
                    reply => reply,
                },
                wants_tls = &mut probing => {
                    if wants_tls {
                        return Err(Unopened::silent(judge.wants_tls()));
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
) -> Result<(), Unopened> {
    let (hello, offers) = say_hello(judge, config, stream, own_address).await?;
    if !offers.start_tls {
        let error = judge.fault(
            ErrorClass::Unreachable,
            "{host} does not offer STARTTLS on port {port}. Enable it on the server, or choose the port that offers it (usually 587), or \
             security TLS (usually port 465). Nothing is sent unencrypted instead.",
        );
        return Err(Unopened {
            error: ProviderError {
                server_reply: hello.words(),
                ..error
            },
            waits: true,
        });
    }
    let reply = limited(config.request_timeout, say(stream, "STARTTLS")).await;
    let reply = reply.map_err(|trouble| Unopened::silent(judge.trouble(Step::StartTls, trouble)))?;
    if reply.code != 220 {
        return Err(Unopened::reply(judge, Step::StartTls, &reply));
    }
    Ok(())
}

/// Says EHLO, and HELO to a server that does not know that (RFC 5321 sections 2.2.1 and 3.2), which then offers nothing. Returns its answer and
/// what it offers.
async fn say_hello(
    judge: &Judge,
    config: &SmtpConfig,
    stream: &mut (impl Stream + ?Sized),
    own_address: IpAddr,
) -> Result<(Reply, Capabilities), Unopened> {
    let id = client_id(own_address);
    let reply = limited(config.request_timeout, say(stream, &format!("EHLO {id}"))).await;
    let reply = reply.map_err(|trouble| Unopened::silent(judge.trouble(Step::Hello, trouble)))?;
    if reply.code == 250 {
        let offers = Capabilities::of(&reply);
        return Ok((reply, offers));
    }
    if !NO_EXTENSIONS.contains(&reply.code) {
        return Err(Unopened::reply(judge, Step::Hello, &reply));
    }
    match limited(config.request_timeout, say(stream, &format!("HELO {id}"))).await {
        Ok(reply) if reply.code == 250 => Ok((reply, Capabilities::default())),
        Ok(reply) => Err(Unopened::reply(judge, Step::Hello, &reply)),
        // It has said its last word before.
        Err(_) => Err(Unopened::silent(judge.reply(Step::Hello, "", &reply))),
    }
}

/// Says one thing and reads the reply.
async fn say(stream: &mut (impl Stream + ?Sized), line: &str) -> Result<Reply, ReplyError> {
    let line = format!("{line}\r\n");
    let written = async {
        stream.write_all(line.as_bytes()).await?;
        stream.flush().await
    };
    written.await.map_err(|error| ReplyError::Closed(Some(error)))?;
    read_reply(stream).await
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

#[cfg(test)]
mod tests {
    use super::*;

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
