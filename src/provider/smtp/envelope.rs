//! Addresses as they are sent, and what a message requires of the server.

use crate::{
    net::{ErrorClass, ProviderError},
    provider::OutgoingMessage,
};

/// Most recipients of a message.
const MAX_RECIPIENTS: usize = 500;
/// Longest address in bytes (RFC 5321 section 4.5.3.1.3).
const MAX_ADDRESS: usize = 254;

/// Who sends a message to whom, checked: nothing in it can end a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    /// Reverse-path without angle brackets.
    pub sender: String,
    /// Forward-paths without angle brackets.
    pub recipients: Vec<String>,
    /// An address or a header field is not ASCII: SMTPUTF8 is needed.
    pub utf8: bool,
    /// The message is not ASCII: 8BITMIME is needed.
    pub eight_bit: bool,
}

impl Envelope {
    /// Checks a message.
    ///
    /// # Errors
    /// [`ErrorClass::Refused`] for invalid addresses, and for line ends that a server could interpret as the end of the message.
    pub(super) fn of(message: &OutgoingMessage) -> Result<Self, ProviderError> {
        let sender = path("sender", &message.sender)?;
        let recipients: Vec<_> = message
            .recipients
            .iter()
            .map(|to| path("recipient", to))
            .collect::<Result<_, _>>()?;
        if recipients.is_empty() || recipients.len() > MAX_RECIPIENTS {
            return Err(refused(format!(
                "A message goes to 1 to {MAX_RECIPIENTS} recipients; this one has {}.",
                recipients.len()
            )));
        }
        check_lines(&message.raw)?;
        let header = memchr::memmem::find(&message.raw, b"\r\n\r\n").map_or(&message.raw[..], |end| &message.raw[..end]);
        Ok(Self {
            utf8: !header.is_ascii() || !sender.is_ascii() || recipients.iter().any(|to| !to.is_ascii()),
            eight_bit: !message.raw.is_ascii(),
            sender,
            recipients,
        })
    }
}

fn refused(problem: String) -> ProviderError {
    ProviderError::new(ErrorClass::Refused, problem)
}

/// An address as it appears in a command; a domain beyond ASCII in its ASCII form.
fn path(role: &str, address: &str) -> Result<String, ProviderError> {
    let shown = super::wire::clean(address);
    let wrong = || refused(format!("The {role} {shown} is not an e-mail address. Correct it."));
    let ends = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>');
    if address.len() > MAX_ADDRESS || address.contains(ends) {
        return Err(wrong());
    }
    let (local, domain) = address.rsplit_once('@').filter(|(local, _)| !local.is_empty()).ok_or_else(wrong)?;
    let domain = if domain.is_ascii() {
        domain.to_owned()
    } else {
        url::Host::parse(domain).map_err(|_| wrong())?.to_string()
    };
    let literal = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&domain);
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if literal.is_empty() || !literal.chars().all(good) {
        return Err(wrong());
    }
    Ok(format!("{local}@{domain}"))
}

/// Rejects lone CR and LF, and NUL: servers differ in what they treat as the end of a line, so that a second message could be smuggled
/// into the first.
fn check_lines(raw: &[u8]) -> Result<(), ProviderError> {
    for at in memchr::memchr3_iter(b'\r', b'\n', 0, raw) {
        let good = match raw[at] {
            b'\r' => raw.get(at + 1) == Some(&b'\n'),
            b'\n' => at > 0 && raw[at - 1] == b'\r',
            _ => false,
        };
        if !good {
            return Err(refused(format!(
                "The message has a line end other than CRLF, or a NUL character, at byte {at}; it would be changed in transit. Write it \
                 again."
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn message(sender: &str, recipients: &[&str], raw: &str) -> OutgoingMessage {
        OutgoingMessage {
            sender: sender.to_owned(),
            recipients: recipients.iter().map(|to| (*to).to_owned()).collect(),
            raw: Bytes::copy_from_slice(raw.as_bytes()),
        }
    }

    #[test]
    fn nothing_in_an_address_ends_a_command() {
        for address in [
            "a@x.example>\r\nRCPT TO:<evil@x.example",
            "a@x.example\r\nDATA",
            "a@x.example\n",
            "a\0@x.example",
            "a@x.example> SIZE=1",
            "a b@x.example",
            "<a@x.example>",
            "a@x\u{85}.example",
            "a@",
            "@x.example",
            "a",
            "",
            "a@x example",
            "a@x.example;b",
        ] {
            let error = Envelope::of(&message(address, &["b@x.example"], "A: b\r\n")).unwrap_err();
            assert_eq!(error.class, ErrorClass::Refused, "{address:?}");
            assert!(!error.problem.contains(char::is_control), "{address:?}");
            let error = Envelope::of(&message("b@x.example", &["b@x.example", address], "A: b\r\n")).unwrap_err();
            assert!(error.problem.contains("recipient"), "{address:?}: {error}");
        }
        let long = format!("{}@x.example", "a".repeat(300));
        assert!(Envelope::of(&message(&long, &["b@x.example"], "A: b\r\n")).is_err());
    }

    #[test]
    fn addresses_beyond_ascii_say_what_they_need() {
        let plain = Envelope::of(&message("a@[192.0.2.1]", &["b@x.example"], "A: b\r\n\r\nc\r\n")).unwrap();
        assert!(!plain.utf8 && !plain.eight_bit);
        let domain = Envelope::of(&message("a@b\u{fc}cher.example", &["b@x.example"], "A: b\r\n\r\n\u{fc}\r\n")).unwrap();
        assert_eq!(domain.sender, "a@xn--bcher-kva.example");
        assert!(!domain.utf8 && domain.eight_bit);
        let local = Envelope::of(&message("j\u{fc}rgen@x.example", &["b@x.example"], "A: b\r\n")).unwrap();
        assert!(local.utf8 && !local.eight_bit);
        let header = Envelope::of(&message("a@x.example", &["b@x.example"], "Subject: \u{fc}\r\n\r\nx\r\n")).unwrap();
        assert!(header.utf8 && header.eight_bit);
    }

    #[test]
    fn line_ends_that_could_end_a_message_are_refused() {
        for raw in [
            "A: b\r\n\r\nx\n.\nMAIL FROM:<evil@x>\r\n",
            "A: b\r\n\r\nx\r.\r\n",
            "A: b\n",
            "A: b\r",
            "\n",
            "A: b\r\n\r\n\0\r\n",
        ] {
            let error = Envelope::of(&message("a@x.example", &["b@x.example"], raw)).unwrap_err();
            assert_eq!(error.class, ErrorClass::Refused, "{raw:?}");
            assert!(error.problem.contains("at byte"), "{error}");
        }
        Envelope::of(&message("a@x.example", &["b@x.example"], "A: b\r\n\r\n.\r\n..\r\n")).unwrap();
    }

    #[test]
    fn a_message_has_one_to_500_recipients() {
        let many = vec!["b@x.example"; 501];
        for to in [&[][..], &many] {
            let error = Envelope::of(&message("a@x.example", to, "A: b\r\n")).unwrap_err();
            assert!(error.problem.contains(&to.len().to_string()), "{error}");
        }
        assert_eq!(
            Envelope::of(&message("a@x.example", &many[..500], "A: b\r\n"))
                .unwrap()
                .recipients
                .len(),
            500
        );
    }
}
