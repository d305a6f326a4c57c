//! Replies in the form that lettre reads. It wants CR LF at the end of each line, a space behind each code, ASCII, lines under 1,000 bytes, and codes
//! whose second digit is at most 5, and otherwise waits for ever or drops the connection. So it gets the code of each reply alone, one at a time,
//! and the words are recorded.

use std::{
    collections::VecDeque,
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::wire::{MAX_REPLY, Recording, Stream};

/// What lettre hears in place of the greeting and of the answer to its EHLO, which were exchanged before.
const INTRODUCTION: &[u8] = b"220 server\r\n250 server\r\n";
/// Bytes that are read at once.
const PIECE: usize = 1024;

/// A stream to a server that has been greeted back.
pub(super) struct LettreStream<S> {
    inner: S,
    peer: SocketAddr,
    /// The replies that lettre was given.
    tap: Recording,
    /// What the server said and lettre was not given yet: a server may say more than it was asked, such as 421.
    pending: VecDeque<u8>,
    line: ReplyLine,
    /// What lettre will hear.
    ready: VecDeque<u8>,
    /// lettre has not said EHLO yet, which goes nowhere.
    introducing: bool,
}

impl<S> LettreStream<S> {
    /// What lettre is given in place of `inner`.
    pub(super) fn new(inner: S, peer: SocketAddr) -> Self {
        Self {
            inner,
            peer,
            tap: Recording::default(),
            pending: VecDeque::new(),
            line: ReplyLine::default(),
            ready: INTRODUCTION.iter().copied().collect(),
            introducing: true,
        }
    }

    /// The replies in the server's words, as lettre is given them.
    pub(super) fn tap(&self) -> Recording {
        self.tap.clone()
    }

    /// Takes the next reply from what is pending, if it is all there.
    fn next_reply(&mut self) -> io::Result<()> {
        let mut heard = Vec::new();
        while let Some(byte) = self.pending.pop_front() {
            heard.push(byte);
            if let Some(reply) = self.line.hear(byte)? {
                self.ready.extend(reply);
                break;
            }
        }
        self.tap.hear(&heard);
        Ok(())
    }
}

/// The beginning of a line, and how long the reply has become.
#[derive(Debug, Default)]
struct ReplyLine {
    first: [u8; 4],
    length: usize,
    reply: usize,
}

impl ReplyLine {
    /// Takes a byte. Returns what stands for the reply, when it ends here.
    fn hear(&mut self, byte: u8) -> io::Result<Option<[u8; 6]>> {
        self.reply += 1;
        if self.reply > MAX_REPLY {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the reply has no end"));
        }
        match byte {
            b'\r' => Ok(None),
            b'\n' => {
                let length = std::mem::take(&mut self.length);
                let code = Self::code(self.first);
                match (code, length, self.first[3]) {
                    (Some(_), 4.., b'-') => Ok(None),
                    (Some([class, group, detail]), 3, _) | (Some([class, group, detail]), 4.., b' ') => {
                        self.reply = 0;
                        Ok(Some([class, group.min(b'5'), detail, b' ', b'\r', b'\n']))
                    }
                    // Nor does lettre know what it is.
                    _ => Ok(Some(*b"????\r\n")),
                }
            }
            _ => {
                if let Some(place) = self.first.get_mut(self.length) {
                    *place = byte;
                }
                self.length += 1;
                Ok(None)
            }
        }
    }

    fn code([class, group, detail, _]: [u8; 4]) -> Option<[u8; 3]> {
        let valid = matches!(class, b'2'..=b'5') && group.is_ascii_digit() && detail.is_ascii_digit();
        valid.then_some([class, group, detail])
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LettreStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.ready.is_empty() {
                this.next_reply()?;
            }
            if !this.ready.is_empty() {
                break;
            }
            let mut piece = [0; PIECE];
            let mut heard = ReadBuf::new(&mut piece);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut heard))?;
            if heard.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.pending.extend(heard.filled());
        }
        while buf.remaining() > 0
            && let Some(byte) = this.ready.pop_front()
        {
            buf.put_slice(&[byte]);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for LettreStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.introducing {
            let end = memchr::memchr(b'\n', buf).map(|end| end + 1);
            this.introducing = end.is_none();
            return Poll::Ready(Ok(end.unwrap_or(buf.len())));
        }
        Pin::new(&mut this.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<S: Stream> AsyncTokioStream for LettreStream<S> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl<S> fmt::Debug for LettreStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LettreStream")
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    async fn heard(bytes: &[u8]) -> io::Result<String> {
        let peer = SocketAddr::from(([127, 0, 0, 1], 25));
        let mut stream = LettreStream::new(bytes, peer);
        let mut given = Vec::new();
        stream.read_to_end(&mut given).await?;
        let given = given.strip_prefix(INTRODUCTION).expect("it begins with the introduction");
        Ok(String::from_utf8(given.to_owned()).expect("it is ASCII"))
    }

    #[tokio::test]
    async fn replies_are_given_and_recorded_one_at_a_time() {
        let peer = SocketAddr::from(([127, 0, 0, 1], 25));
        let mut stream = LettreStream::new(&b"250-gr\xfc\xdfe\n250 x\n421 bye\n"[..], peer);
        let tap = stream.tap();
        let mut piece = [0; 256];
        for (given, recorded) in [
            (INTRODUCTION, &b""[..]),
            (b"250 \r\n", b"250-gr\xfc\xdfe\n250 x\n"),
            (b"421 \r\n", b"421 bye\n"),
            (b"", b""),
        ] {
            tap.clear();
            let length = stream.read(&mut piece).await.unwrap();
            assert_eq!((&piece[..length], tap.heard().as_slice()), (given, recorded));
        }
    }

    #[tokio::test]
    async fn every_reply_is_given_as_its_code() {
        for (bytes, expected) in [
            (&b"250 ok\r\n"[..], "250 \r\n"),
            (b"250\r\n", "250 \r\n"),
            (b"250 \r\n", "250 \r\n"),
            (b"250 ok\n354 go\n", "250 \r\n354 \r\n"),
            (b"550-gr\xfc\xdfe\r\n550-\r\n550 ever\r\n", "550 \r\n"),
            (b"571 other class\r\n", "551 \r\n"),
            (b"250-a\r\n251 b\r\n", "251 \r\n"),
            (b"* OK\r\n", "????\r\n"),
            (b"2500 x\r\n", "????\r\n"),
            (b"\r\n", "????\r\n"),
            (b"250 not ended", ""),
        ] {
            assert_eq!(heard(bytes).await.unwrap(), expected, "{}", String::from_utf8_lossy(bytes));
        }
        let long = format!("250 {}\r\n", "x".repeat(20_000));
        assert_eq!(heard(long.as_bytes()).await.unwrap(), "250 \r\n");
        for endless in ["250-x\r\n".repeat(20_000), "x".repeat(MAX_REPLY + 1)] {
            assert_eq!(heard(endless.as_bytes()).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }
}
