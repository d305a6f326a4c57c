//! Logins (RFC 4954): PLAIN (RFC 4616), LOGIN, and XOAUTH2, which the big providers accept.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{
    codes::Step,
    faults::Judge,
    session::Session,
    wire::{Reply, ReplyError, clean},
};
use crate::{
    crypto::Secret,
    net::{ErrorClass, ProviderError},
    provider::Credentials,
};

/// How a login goes over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mechanism {
    Plain,
    Login,
    Xoauth2,
}

impl Mechanism {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::Xoauth2 => "XOAUTH2",
        }
    }
}

impl Session {
    /// Logs in, if there is a login. Returns the server's answer to it. Careless servers repeat the login in it: see
    /// [`Scrub`](crate::net::Scrub).
    ///
    /// # Errors
    /// [`ErrorClass::LoginRequired`] when the login is rejected; see there for the rest.
    pub(super) async fn log_in(&mut self, credentials: &Credentials) -> Result<Option<Reply>, ProviderError> {
        match credentials {
            Credentials::None => Ok(None),
            Credentials::Password { username, password } => self.log_in_with(Step::Password, username, password).await.map(Some),
            Credentials::Token { username, tokens } => {
                let token = tokens.current().await?;
                check_one(&self.judge, username, &token)?;
                match self.log_in_with(Step::Token, username, &token).await {
                    Err(error) if error.class == ErrorClass::LoginRequired => {
                        // It may have been revoked early: another one shows whether the login itself is rejected.
                        let other = tokens.instead_of(&token).await?;
                        if other.expose() == token.expose() {
                            return Err(error);
                        }
                        self.log_in_with(Step::Token, username, &other).await.map(Some)
                    }
                    answer => answer.map(Some),
                }
            }
        }
    }

    async fn log_in_with(&mut self, step: Step, username: &str, secret: &Secret) -> Result<Reply, ProviderError> {
        let wanted: &[Mechanism] = match step {
            Step::Token => &[Mechanism::Xoauth2],
            _ => &[Mechanism::Plain, Mechanism::Login],
        };
        let offered = &self.offers.mechanisms;
        let Some(mechanism) = wanted
            .iter()
            .find(|mechanism| offered.iter().any(|offer| offer == mechanism.name()))
        else {
            return Err(self.nothing_in_common(step));
        };
        let secret = secret.expose();
        let answer = self.exchange(*mechanism, username, secret).await;
        let (reply, challenge) = answer.map_err(|trouble| self.judge.trouble(step, trouble))?;
        if reply.code == 235 {
            return Ok(reply);
        }
        let mut error = self.judge.reply(step, username, &reply);
        if !challenge.is_empty() {
            error.server_reply = clean(&format!("{} {challenge}", error.server_reply));
        }
        Err(error)
    }

    fn nothing_in_common(&self, step: Step) -> ProviderError {
        let offered = &self.offers.mechanisms;
        let problem = if offered.is_empty() {
            "{host} offers no login on port {port}. Use the port for sending with a login (usually 587 with STARTTLS or 465 with TLS), or \
             leave the login empty."
                .to_owned()
        } else if step == Step::Token {
            format!(
                "{{host}} does not accept access tokens (XOAUTH2); it offers {}. Use a user name and a password, or enable modern \
                 authentication on the server.",
                offered.join(", ")
            )
        } else {
            format!(
                "{{host}} accepts passwords in no supported way (PLAIN, LOGIN); it offers {}. Enable one of them on the server, or use \
                 modern authentication (OAuth).",
                offered.join(", ")
            )
        };
        ProviderError {
            server_reply: self.hello.words(),
            ..self.judge.fault(ErrorClass::LoginRequired, &problem)
        }
    }

    /// Goes through the exchange. Returns the last reply, and the text of a challenge that reported an error before it.
    async fn exchange(&mut self, mechanism: Mechanism, username: &str, secret: &str) -> Result<(Reply, String), ReplyError> {
        let name = mechanism.name();
        if mechanism == Mechanism::Login {
            let mut reply = self.command("AUTH LOGIN").await?;
            // The challenges ask for name and password, in any words.
            for value in [username, secret] {
                if reply.code != 334 {
                    return Ok((reply, String::new()));
                }
                let line = Zeroizing::new(STANDARD.encode(value));
                reply = self.command(&line).await?;
            }
            return self.give_up_on_challenge(reply).await;
        }
        let response = Zeroizing::new(initial_response(mechanism, username, secret));
        let line = Zeroizing::new(format!("AUTH {name} {}", *response));
        let reply = self.command(&line).await?;
        if mechanism == Mechanism::Xoauth2 && reply.code == 334 {
            // An error comes as a challenge; the empty response to it yields the actual reply.
            let challenge = challenge_words(&reply);
            let reply = self.command("").await?;
            return Ok((reply, challenge));
        }
        self.give_up_on_challenge(reply).await
    }

    /// Ends an exchange in which the server requests more than there is.
    async fn give_up_on_challenge(&mut self, reply: Reply) -> Result<(Reply, String), ReplyError> {
        if reply.code != 334 {
            return Ok((reply, String::new()));
        }
        let challenge = challenge_words(&reply);
        Ok((self.command("*").await?, challenge))
    }
}

/// What goes along with AUTH, in Base64.
fn initial_response(mechanism: Mechanism, username: &str, secret: &str) -> String {
    let text = Zeroizing::new(match mechanism {
        Mechanism::Plain | Mechanism::Login => format!("\0{username}\0{secret}"),
        Mechanism::Xoauth2 => format!("user={username}\x01auth=Bearer {secret}\x01\x01"),
    });
    STANDARD.encode(text.as_bytes())
}

/// The text of a challenge, decoded from Base64.
fn challenge_words(reply: &Reply) -> String {
    let text = reply.lines.join("");
    match STANDARD.decode(text.trim()) {
        Ok(bytes) => clean(&String::from_utf8_lossy(&bytes)),
        Err(_) => clean(&text),
    }
}

/// Rejects logins that cannot be sent as they are.
pub(super) fn check(judge: &Judge, credentials: &Credentials) -> Result<(), ProviderError> {
    match credentials {
        Credentials::None => Ok(()),
        Credentials::Password { username, password } => check_one(judge, username, password),
        // The token is checked when there is one.
        Credentials::Token { username, .. } => check_one(judge, username, &"token".into()),
    }
}

fn check_one(judge: &Judge, username: &str, secret: &Secret) -> Result<(), ProviderError> {
    let ends = |c: char| c == '\0' || c == '\x01';
    if username.is_empty() || secret.expose().is_empty() || username.contains(ends) || secret.expose().contains(ends) {
        return Err(judge.fault(
            ErrorClass::LoginRequired,
            "The login for {host} is incomplete, or has characters that are invalid in a login. Enter user name and password again.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_as_specified() {
        // RFC 4954 section 4.1 has this example.
        assert_eq!(initial_response(Mechanism::Plain, "test", "1234"), "AHRlc3QAMTIzNA==");
        assert_eq!(
            initial_response(
                Mechanism::Xoauth2,
                "someuser@example.com",
                "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"
            ),
            "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ=="
        );
    }

    #[test]
    fn challenges_are_read_also_when_they_are_none() {
        let reply = |text: &str| Reply {
            code: 334,
            lines: vec![text.to_owned()],
        };
        assert_eq!(challenge_words(&reply("eyJzdGF0dXMiOiI0MDEifQ==")), r#"{"status":"401"}"#);
        assert_eq!(challenge_words(&reply("no base64!")), "no base64!");
    }
}
