//! Bytes of a connection: replies as the server wrote them, and streams that record what they received.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// Limit of characters kept of a server's reply.
pub(super) const MAX_WORDS: usize = 1024;
/// Longest reply that is read, in bytes.
pub(super) const MAX_REPLY: usize = 64 << 10;

/// A whole reply (RFC 5321 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// Its code, 200 to 599.
    pub code: u16,
    /// The text of each line, without the code.
    pub lines: Vec<String>,
}

impl Reply {
    /// The first reply in `bytes`. `None` when it is not complete or not one.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut code = None;
        let mut lines = Vec::new();
        let mut rest = bytes;
        loop {
            let end = rest.iter().position(|byte| *byte == b'\n')?;
            let (line, after) = rest.split_at(end + 1);
            rest = after;
            let line = decode(line);
            let line = line.trim_end_matches(['\r', '\n']);
            let (digits, text) = line.split_at_checked(3)?;
            let number = digits.parse::<u16>().ok().filter(|number| (200..600).contains(number))?;
            if *code.get_or_insert(number) != number {
                return None;
            }
            let last = !text.starts_with('-');
            if last && !text.is_empty() && !text.starts_with(' ') {
                return None;
            }
            lines.push(text.get(1..).unwrap_or_default().to_owned());
            if last {
                return Some(Self { code: number, lines });
            }
        }
    }

    /// The enhanced status code (RFC 3463) that it begins with, such as `5.7.8`.
    pub(super) fn enhanced(&self) -> Option<&str> {
        let word = self.lines.first()?.split(' ').next()?;
        let mut parts = word.split('.');
        let class = parts.next()?.parse::<u16>().ok()?;
        let all = parts.clone().count() == 2 && parts.all(|part| part.len() <= 3 && part.parse::<u16>().is_ok());
        (all && class == self.code / 100).then_some(word)
    }

    /// All that the server said, in one line of at most 1,024 characters without control characters.
    pub(super) fn words(&self) -> String {
        let enhanced = self.enhanced();
        let mut words = self.code.to_string();
        for (at, line) in self.lines.iter().enumerate() {
            // The code comes again with each line.
            let line = match enhanced {
                Some(code) if at > 0 => line
                    .strip_prefix(code)
                    .filter(|rest| rest.is_empty() || rest.starts_with(' '))
                    .unwrap_or(line),
                _ => line,
            };
            words.push(' ');
            words.push_str(line.trim());
        }
        clean(&words)
    }
}

/// A server's reply in one line, without control characters, at most 1,024 characters.
pub(super) fn clean(words: &str) -> String {
    let spaced: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    spaced.trim().chars().take(MAX_WORDS).collect()
}

/// Text in UTF-8, or else in the encodings of old servers.
fn decode(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
    }
}

/// Why there is no reply.
#[derive(Debug)]
pub(super) enum ReplyError {
    /// The connection ended or broke.
    Closed(Option<io::Error>),
    /// Nothing came in time.
    Silent,
    /// The data is not a reply; its beginning.
    Garbled(String),
}

/// Reads one reply and not a byte more, so that what an attacker appends is never interpreted as a response.
pub(super) async fn read_reply(stream: &mut (impl AsyncRead + Unpin + ?Sized)) -> Result<Reply, ReplyError> {
    let mut bytes = Vec::with_capacity(256);
    let mut line = 0;
    loop {
        match stream.read_u8().await {
            Ok(byte) => bytes.push(byte),
            Err(error) if bytes.is_empty() => return Err(ReplyError::Closed(Some(error))),
            Err(_) => return Err(garbled(&bytes)),
        }
        if bytes.last() == Some(&b'\n') {
            let goes_on = bytes.get(line + 3) == Some(&b'-') && bytes[line..line + 3].iter().all(u8::is_ascii_digit);
            if !goes_on {
                return Reply::parse(&bytes).ok_or_else(|| garbled(&bytes));
            }
            line = bytes.len();
        }
        if bytes.len() > MAX_REPLY {
            return Err(garbled(&bytes));
        }
    }
}

pub(super) fn garbled(bytes: &[u8]) -> ReplyError {
    ReplyError::Garbled(clean(&decode(bytes)).chars().take(200).collect())
}

/// What a stream received. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Recording(Arc<Mutex<Vec<u8>>>);

impl Recording {
    /// Forgets it all.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// All since the last [`Recording::clear`], at most 64 KiB of it.
    pub(super) fn heard(&self) -> Vec<u8> {
        self.lock().clone()
    }

    /// Adds to it.
    pub(super) fn hear(&self, bytes: &[u8]) {
        let mut heard = self.lock();
        let room = MAX_REPLY.saturating_sub(heard.len());
        heard.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap")
    }
}

/// A stream to a server, plain or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin + fmt::Debug {}
impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin + fmt::Debug> Stream for S {}

/// A stream that records what it receives.
#[derive(Debug)]
pub(super) struct RecordedStream<S> {
    inner: S,
    peer: SocketAddr,
    tap: Recording,
}

impl<S> RecordedStream<S> {
    /// Records what `inner` receives.
    pub(super) fn new(inner: S, peer: SocketAddr) -> Self {
        Self {
            inner,
            peer,
            tap: Recording::default(),
        }
    }

    /// The server's address.
    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// What it receives.
    pub(super) fn tap(&self) -> Recording {
        self.tap.clone()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for RecordedStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        std::task::ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        this.tap.hear(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for RecordedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_as_servers_write_them() {
        for (bytes, code, words) in [
            (&b"220 mail.example ESMTP\r\n"[..], 220, "220 mail.example ESMTP"),
            (b"250\r\n", 250, "250"),
            (b"250-one\r\n250-two\r\n250 three\r\n421 x\r\n", 250, "250 one two three"),
            (b"550-5.7.1 no\r\n550-5.7.1 not\r\n550 5.7.1 ever\r\n", 550, "550 5.7.1 no not ever"),
            (
                b"550-5.7.1 one\r\n550-5.7.1\r\n550 5.7.139 another\r\n",
                550,
                "550 5.7.1 one  5.7.139 another",
            ),
            (b"571 4.7.1 other class\n", 571, "571 4.7.1 other class"),
            (b"550 gr\xfc\xdfe\x1b[1m\x00\r\n", 550, "550 gr\u{fc}\u{df}e [1m"),
        ] {
            let reply = Reply::parse(bytes).unwrap();
            assert_eq!((reply.code, reply.words().as_str()), (code, words));
        }
        let long = format!("550 {}\r\n", "x".repeat(5_000));
        assert_eq!(Reply::parse(long.as_bytes()).unwrap().words().chars().count(), MAX_WORDS);
        for bytes in [
            &b""[..],
            b"25",
            b"250 x",
            b"250-x\r\n",
            b"250-x\r\n251 y\r\n",
            b"* OK x\r\n",
            b"600 x\r\n",
            b"2500 x\r\n",
            b"\xfc\xfc\r\n",
        ] {
            assert_eq!(Reply::parse(bytes), None, "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn enhanced_codes_are_told_from_text() {
        for (text, enhanced) in [
            ("535 5.7.8 no", Some("5.7.8")),
            ("535 5.7.139", Some("5.7.139")),
            ("535 4.7.8 no", None),
            ("535 no", None),
            ("550 5.7 no", None),
            ("550 5.7.x no", None),
            ("550 5.7.1.2 no", None),
        ] {
            assert_eq!(
                Reply::parse(format!("{text}\r\n").as_bytes()).unwrap().enhanced(),
                enhanced,
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn not_a_byte_behind_a_reply_is_read() {
        let mut bytes = &b"220-a\r\n220 go ahead\r\n235 injected\r\n"[..];
        let reply = read_reply(&mut bytes).await.unwrap();
        assert_eq!((reply.code, reply.lines), (220, vec!["a".to_owned(), "go ahead".to_owned()]));
        assert_eq!(bytes, b"235 injected\r\n");
    }

    #[tokio::test]
    async fn what_is_no_reply_is_told_with_its_beginning() {
        for (bytes, beginning) in [
            (&b"* OK IMAP4rev1\r\n"[..], "* OK IMAP4rev1"),
            (b"SSH-2.0-x\r\n", "SSH-2.0-x"),
            (b"220", "220"),
        ] {
            let Err(ReplyError::Garbled(text)) = read_reply(&mut &*bytes).await else {
                panic!("{beginning}")
            };
            assert_eq!(text, beginning);
        }
        assert!(matches!(read_reply(&mut &b""[..]).await, Err(ReplyError::Closed(_))));
        let endless = "220-x\r\n".repeat(20_000);
        assert!(matches!(read_reply(&mut endless.as_bytes()).await, Err(ReplyError::Garbled(_))));
    }

    #[tokio::test]
    async fn a_tap_keeps_what_it_was_given() {
        let peer = SocketAddr::from(([127, 0, 0, 1], 25));
        let mut stream = RecordedStream::new(&b"b\xfc"[..], peer);
        let tap = stream.tap();
        let mut given = Vec::new();
        stream.read_to_end(&mut given).await.unwrap();
        assert_eq!((given.as_slice(), tap.heard().as_slice()), (&b"b\xfc"[..], &b"b\xfc"[..]));
        tap.clear();
        assert!(tap.heard().is_empty());
    }
}
