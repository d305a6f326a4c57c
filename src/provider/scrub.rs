//! Takes logins out of what servers say.
//!
//! Careless servers repeat what they did not understand, the login among it, and their words are kept, shown and logged. A server knows
//! the login anyway, but those who read its words need not.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    AccessTokens, ChangePage, Credentials, Fetched, Folder, ItemId, MailSink, MailSource, Newest, OutgoingMessage, ProviderError, Sent,
    Stage, StageReport,
};
use crate::crypto::Secret;

/// Stands where something was taken out.
const HIDDEN: &str = "[secret]";
/// Shorter secrets, and shorter beginnings of one at the end of a text that was cut, are taken for chance.
const SHORTEST: usize = 4;
/// The same for the beginning of one in base64.
const SHORTEST_BASE64: usize = 8;

/// Knows a login in the forms in which it goes to servers.
pub struct Scrub {
    /// The secret as it is.
    plain: Vec<Secret>,
    /// What base64 shows of it, for each of the three places that it can have in a group of bytes.
    base64: Vec<Secret>,
    /// Where further secrets come from.
    tokens: Option<Arc<dyn AccessTokens>>,
}

impl Scrub {
    /// For this login. Of one by tokens, those that were given out by the time a text is scrubbed.
    pub fn new(credentials: &Credentials) -> Self {
        match credentials {
            Credentials::None => Self::of(&[]),
            Credentials::Password { password, .. } => Self::of(&[password]),
            Credentials::Token { tokens, .. } => Self {
                tokens: Some(tokens.clone()),
                ..Self::of(&[])
            },
        }
    }

    /// For these secrets.
    pub fn of(secrets: &[&Secret]) -> Self {
        let (mut plain, mut base64) = (Vec::new(), Vec::new());
        for secret in secrets
            .iter()
            .map(|secret| secret.expose().as_str())
            .filter(|secret| secret.len() >= SHORTEST)
        {
            let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            let escaped = quick_xml::escape::escape(secret).into_owned();
            plain.extend([Secret::from(secret), encoded.into(), escaped.into()]);
            base64.extend((0..3).filter_map(|before| in_base64(secret, before)));
        }
        // The longest first: one may be part of another.
        plain.sort_by_key(|form| std::cmp::Reverse(form.expose().len()));
        Self {
            plain,
            base64,
            tokens: None,
        }
    }

    /// The text without the login.
    pub fn text(&self, text: &str) -> String {
        let text = self.without_known(text);
        match &self.tokens {
            None => text,
            Some(tokens) => {
                let given = tokens.given();
                Self::of(&given.iter().collect::<Vec<_>>()).without_known(&text)
            }
        }
    }

    fn without_known(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for form in &self.plain {
            text = text.replace(form.expose().as_str(), HIDDEN);
            if let Some(at) = cut_off(&text, form.expose(), SHORTEST) {
                text.replace_range(at.., HIDDEN);
            }
        }
        for form in &self.base64 {
            let found = |text: &str| {
                text.find(form.expose().as_str())
                    .or_else(|| cut_off(text, form.expose(), SHORTEST_BASE64))
            };
            while let Some(at) = found(&text) {
                // All of it: user names and other parts of the login stand in the same run.
                let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
                let from = text[..at].trim_end_matches(is_base64).len();
                let to = text.len() - text[at..].trim_start_matches(is_base64).len();
                text.replace_range(from..to, HIDDEN);
            }
        }
        text
    }

    /// The error without the login in the server's words. Its other words are ours, and a common word for a password would spoil them.
    pub fn error(&self, error: ProviderError) -> ProviderError {
        ProviderError {
            server_reply: self.text(&error.server_reply),
            ..error
        }
    }

    fn stage(&self, stage: Stage) -> Stage {
        Stage {
            outcome: match stage.outcome {
                Ok(facts) => Ok(super::StageFacts {
                    server_reply: self.text(&facts.server_reply),
                    ..facts
                }),
                Err(error) => Err(self.error(error)),
            },
            ..stage
        }
    }
}

/// Where the beginning of a form stands at the end of a text, which was cut in the middle of it.
fn cut_off(text: &str, form: &str, shortest: usize) -> Option<usize> {
    let mut beginnings = (shortest..form.len()).rev().filter_map(|length| form.get(..length));
    let cut = beginnings.find(|beginning| text.ends_with(beginning))?;
    Some(text.len() - cut.len())
}

/// What base64 shows of a text behind so many other bytes, whatever comes behind it.
fn in_base64(secret: &str, before: usize) -> Option<Secret> {
    let shifted = Secret::new([&[0_u8; 2][..before], secret.as_bytes()].concat());
    let encoded = Secret::new(STANDARD.encode(shifted.expose()));
    let from = [0, 2, 3][before];
    let to = shifted.expose().len() * 8 / 6;
    let form = encoded.expose().get(from..to)?;
    (form.len() >= SHORTEST).then(|| form.into())
}

/// A mailbox or a way to send, whose server's words are scrubbed.
pub struct Scrubbed<T: ?Sized> {
    scrub: Scrub,
    inner: Arc<T>,
}

impl<T: ?Sized> Scrubbed<T> {
    /// The same without the login in what the server says.
    pub fn new(inner: Arc<T>, scrub: Scrub) -> Self {
        Self { scrub, inner }
    }
}

#[async_trait]
impl<T: MailSource + ?Sized> MailSource for Scrubbed<T> {
    async fn folders(&self) -> Result<Vec<Folder>, ProviderError> {
        self.inner.folders().await.map_err(|error| self.scrub.error(error))
    }

    async fn changes(&self, folder: &Folder, state: Option<&str>) -> Result<ChangePage, ProviderError> {
        self.inner.changes(folder, state).await.map_err(|error| self.scrub.error(error))
    }

    async fn newest(&self, folder: &Folder, most: u32) -> Result<Newest, ProviderError> {
        self.inner.newest(folder, most).await.map_err(|error| self.scrub.error(error))
    }

    async fn fetch(&self, ids: &[ItemId], max_bytes: u64) -> Result<Vec<Fetched>, ProviderError> {
        let mut fetched = self.inner.fetch(ids, max_bytes).await.map_err(|error| self.scrub.error(error))?;
        for one in &mut fetched {
            if let Fetched::Broken { server_reply } = one {
                *server_reply = self.scrub.text(server_reply);
            }
        }
        Ok(fetched)
    }

    async fn former_ids(&self, ids: &[ItemId]) -> Result<Vec<Option<ItemId>>, ProviderError> {
        self.inner.former_ids(ids).await.map_err(|error| self.scrub.error(error))
    }

    async fn wait(&self, folders: &[Folder], limit: Duration) -> Result<(), ProviderError> {
        self.inner.wait(folders, limit).await.map_err(|error| self.scrub.error(error))
    }
}

#[async_trait]
impl<T: MailSink + ?Sized> MailSink for Scrubbed<T> {
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, ProviderError> {
        let sent = self.inner.send(message).await.map_err(|error| self.scrub.error(error))?;
        Ok(Sent {
            server_reply: self.scrub.text(&sent.server_reply),
        })
    }

    async fn check(&self, test: Option<&OutgoingMessage>, report: StageReport<'_>) {
        self.inner.check(test, &mut |stage| report(self.scrub.stage(stage))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{ErrorClass, StageFacts, StageKind};

    fn scrub(password: &str) -> Scrub {
        Scrub::new(&Credentials::Password {
            username: "anna".to_owned(),
            password: password.into(),
        })
    }

    #[test]
    fn logins_are_taken_out_in_every_form() {
        let password = "hunter<2> & söhne";
        let scrub = scrub(password);
        let base64 = |text: &str| STANDARD.encode(text);
        let cases = [
            (format!("no {password}!"), "no [secret]!".to_owned()),
            (format!("{password} and {password}"), "[secret] and [secret]".to_owned()),
            ("hunter%3C2%3E+%26+s%C3%B6hne".to_owned(), HIDDEN.to_owned()),
            ("hunter&lt;2&gt; &amp; söhne".to_owned(), HIDDEN.to_owned()),
            ("cut off: hunter<2> & s".to_owned(), "cut off: [secret]".to_owned()),
            (
                format!("Basic {} is refused", base64(&format!("anna:{password}"))),
                "Basic [secret] is refused".to_owned(),
            ),
            (format!("535 {}", base64(&format!("\0anna\0{password}"))), "535 [secret]".to_owned()),
            (
                format!("cut off: {}", &base64(&format!("anna:{password}"))[..20]),
                "cut off: [secret]".to_owned(),
            ),
            (base64(password), HIDDEN.to_owned()),
            (
                base64(&format!("user=anna\u{1}auth=Bearer {password}\u{1}\u{1}")),
                HIDDEN.to_owned(),
            ),
            ("the hunter is 2 söhne".to_owned(), "the hunter is 2 söhne".to_owned()),
            (String::new(), String::new()),
        ];
        for (text, expected) in cases {
            assert_eq!(scrub.text(&text), expected, "{text}");
        }
    }

    #[test]
    fn short_logins_and_none_change_nothing() {
        for scrub in [scrub(""), scrub("abc"), Scrub::new(&Credentials::None)] {
            assert_eq!(scrub.text("abc abcabc YWJj"), "abc abcabc YWJj");
        }
    }

    #[derive(Debug)]
    struct Tokens;

    #[async_trait]
    impl AccessTokens for Tokens {
        async fn current(&self) -> Result<Secret, ProviderError> {
            Ok("ya29.token".into())
        }

        async fn instead_of(&self, _: &Secret) -> Result<Secret, ProviderError> {
            self.current().await
        }

        fn given(&self) -> Vec<Secret> {
            vec!["ya29.token".into(), "ya29.before".into()]
        }
    }

    #[test]
    fn tokens_that_were_given_out_are_taken_out() {
        let credentials = Credentials::Token {
            username: "anna".to_owned(),
            tokens: Arc::new(Tokens),
        };
        let scrub = Scrub::new(&credentials);
        assert_eq!(scrub.text("no ya29.token, nor ya29.before"), "no [secret], nor [secret]");
    }

    struct Careless;

    #[async_trait]
    impl MailSink for Careless {
        async fn send(&self, _: &OutgoingMessage) -> Result<Sent, ProviderError> {
            Ok(Sent {
                server_reply: "250 hunter2 is welcome".to_owned(),
            })
        }

        async fn check(&self, _: Option<&OutgoingMessage>, report: StageReport<'_>) {
            let facts = StageFacts {
                summary: "Logged in.".to_owned(),
                server_reply: "hunter2".to_owned(),
                certificate: None,
            };
            let error = ProviderError {
                server_reply: "535 hunter2".to_owned(),
                ..ProviderError::new(ErrorClass::LoginRequired, "The login is refused.")
            };
            for outcome in [Ok(facts), Err(error)] {
                report(Stage {
                    kind: StageKind::Authenticate,
                    took: Duration::ZERO,
                    outcome,
                });
            }
        }
    }

    #[tokio::test]
    async fn everything_that_a_server_says_is_scrubbed() {
        let sink: Arc<dyn MailSink> = Arc::new(Careless);
        let sink = Scrubbed::new(sink, scrub("hunter2"));
        let message = OutgoingMessage {
            sender: String::new(),
            recipients: Vec::new(),
            raw: bytes::Bytes::new(),
        };
        assert_eq!(sink.send(&message).await.unwrap().server_reply, "250 [secret] is welcome");
        let mut stages = Vec::new();
        sink.check(None, &mut |stage| stages.push(format!("{stage:?}"))).await;
        assert_eq!(stages.len(), 2);
        assert!(
            stages.iter().all(|stage| !stage.contains("hunter2") && stage.contains(HIDDEN)),
            "{stages:?}"
        );
    }
}
