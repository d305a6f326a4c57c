//! NTLM logins, alone or carried by Negotiate, with channel bindings (Extended Protection). It logs in a TCP connection rather than
//! a request, so the messages must travel on one connection, see `super::transport`.
//!
//! Sources: [MS-NLMP], [MS-NTHT] (HTTP), RFC 4559 (Negotiate), RFC 5929 (`tls-server-end-point`). Kerberos is not spoken: it needs tickets
//! that a service outside of the domain does not have.

mod message;
mod spnego;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, header};
use zeroize::Zeroizing;

/// A way to log in that the server offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// Plain NTLM.
    Ntlm,
    /// NTLM carried by Negotiate.
    Negotiate,
}

impl Scheme {
    /// The best one that a response with the status 401 offers. `None` when it offers neither.
    pub(super) fn offered(headers: &HeaderMap) -> Option<Self> {
        [Self::Ntlm, Self::Negotiate].into_iter().find(|scheme| scheme.is_offered(headers))
    }

    /// Whether an answer offers this one.
    pub(super) fn is_offered(self, headers: &HeaderMap) -> bool {
        schemes(headers).any(|(scheme, _)| scheme.eq_ignore_ascii_case(self.name()))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ntlm => "NTLM",
            Self::Negotiate => "Negotiate",
        }
    }
}

/// Whether an answer offers basic authentication.
pub(super) fn offers_basic(headers: &HeaderMap) -> bool {
    schemes(headers).any(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
}

/// The schemes of an answer with their parameters. Several may share a line, with commas between them.
fn schemes(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers
        .get_all(header::WWW_AUTHENTICATE)
        .iter()
        .filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|offer| {
        let offer = offer.trim();
        offer.split_once(' ').unwrap_or((offer, ""))
    })
}

/// Who logs in to which server.
pub(super) struct Login<'a> {
    /// `DOMAIN\user`, `user@domain` or `user`.
    pub(super) username: &'a str,
    pub(super) password: &'a str,
    /// The server's name, such as `mail.example.com`.
    pub(super) host: &'a str,
    /// The hash of the server's certificate (RFC 5929 §4); `None` without TLS.
    pub(super) certificate: Option<&'a [u8]>,
}

/// A login in progress.
pub(super) struct Handshake {
    scheme: Scheme,
    negotiate: Vec<u8>,
}

impl Handshake {
    /// Begins one.
    pub(super) fn begin(scheme: Scheme) -> Self {
        Self {
            scheme,
            negotiate: message::negotiate(),
        }
    }

    /// The header of the first request.
    pub(super) fn first(&self) -> HeaderValue {
        let token = match self.scheme {
            Scheme::Ntlm => self.negotiate.clone(),
            Scheme::Negotiate => spnego::init(&self.negotiate),
        };
        self.header(&token)
    }

    /// The header of the second request, which proves the login. `None` when the response contains no challenge.
    pub(super) fn second(&self, answer: &HeaderMap, login: &Login<'_>) -> Option<HeaderValue> {
        let name = self.scheme.name();
        let (_, token) = schemes(answer).find(|(scheme, token)| scheme.eq_ignore_ascii_case(name) && !token.is_empty())?;
        let token = STANDARD.decode(token.trim()).ok()?;
        let challenge = message::Challenge::parse(spnego::unwrap(&token)?)?;
        let mut nonce = [0; 8];
        aws_lc_rs::rand::fill(&mut nonce).ok()?;
        let proof = message::authenticate(&self.negotiate, &challenge, login, nonce);
        Some(match self.scheme {
            Scheme::Ntlm => self.header(&proof.message),
            Scheme::Negotiate => {
                let signature = proof.sign(&spnego::mechanisms());
                self.header(&spnego::response(&proof.message, &signature))
            }
        })
    }

    fn header(&self, token: &[u8]) -> HeaderValue {
        let value = Zeroizing::new(format!("{} {}", self.scheme.name(), STANDARD.encode(token)));
        let mut value = HeaderValue::from_str(&value).expect("base64 is visible ASCII");
        value.set_sensitive(true);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(lines: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(line));
        }
        headers
    }

    #[test]
    fn the_scheme_is_chosen_of_what_is_offered() {
        let check = |lines: &[&'static str], scheme, basic| {
            let headers = offer(lines);
            assert_eq!((Scheme::offered(&headers), offers_basic(&headers)), (scheme, basic), "{lines:?}");
        };
        check(&["Negotiate", "NTLM"], Some(Scheme::Ntlm), false);
        check(&["negotiate, ntlm, Basic realm=\"x\""], Some(Scheme::Ntlm), true);
        check(&["Negotiate"], Some(Scheme::Negotiate), false);
        check(&["Basic realm=\"NTLM\""], None, true);
        check(&["Bearer realm=\"x\"", "Digest y"], None, false);
        check(&[], None, false);
    }

    #[test]
    fn an_answer_without_a_challenge_ends_it() {
        let handshake = Handshake::begin(Scheme::Ntlm);
        assert!(handshake.first().is_sensitive());
        let login = Login {
            username: "a",
            password: "b",
            host: "c",
            certificate: None,
        };
        for lines in [
            &[][..],
            &["NTLM"],
            &["NTLM ###"],
            &["NTLM TlRMTVNTUAAB"],
            &["Negotiate TlRMTVNTUAAC"],
        ] {
            assert!(handshake.second(&offer(lines), &login).is_none(), "{lines:?}");
        }
    }
}
