//! What a server offers.

use super::wire::Reply;

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
}
