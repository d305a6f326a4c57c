//! Scrubs a mailbox's credentials from its server's replies.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{AccessTokens, ChangePage, Credentials, Fetched, Folder, ItemId, MailSink, MailSource, Newest, OutgoingMessage, Sent};
use crate::net::{ProviderError, Scrub, Stage, StageReport};

/// The credentials of a login.
pub struct LoginScrub {
    password: Scrub,
    tokens: Option<Arc<dyn AccessTokens>>,
}

impl LoginScrub {
    /// For this login. For one with tokens, those that were issued by the time a text is scrubbed.
    pub fn new(credentials: &Credentials) -> Self {
        let (password, tokens) = match credentials {
            Credentials::None => (Scrub::of(&[]), None),
            Credentials::Password { password, .. } => (Scrub::of(&[password]), None),
            Credentials::Token { tokens, .. } => (Scrub::of(&[]), Some(tokens.clone())),
        };
        Self { password, tokens }
    }

    fn tokens(&self) -> Scrub {
        let given = self.tokens.as_ref().map_or_else(Vec::new, |tokens| tokens.given());
        Scrub::of(&given.iter().collect::<Vec<_>>())
    }

    fn text(&self, text: &str) -> String {
        self.tokens().text(&self.password.text(text))
    }

    fn error(&self, error: ProviderError) -> ProviderError {
        self.tokens().error(self.password.error(error))
    }

    fn stage(&self, stage: Stage) -> Stage {
        self.tokens().stage(self.password.stage(stage))
    }
}

/// A mailbox or a way to send, whose server's words are scrubbed.
pub struct Scrubbed<T: ?Sized> {
    /// What is taken out.
    pub scrub: LoginScrub,
    /// The mailbox.
    pub inner: Arc<T>,
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
            if let Fetched::Broken { server_reply, .. } = one {
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
    use crate::{
        crypto::Secret,
        net::{ErrorClass, StageFacts, StageKind},
    };

    fn scrub(password: &str) -> LoginScrub {
        LoginScrub::new(&Credentials::Password {
            username: "anna".to_owned(),
            password: password.into(),
        })
    }

    #[test]
    fn short_logins_and_none_change_nothing() {
        for scrub in [scrub(""), scrub("abc"), LoginScrub::new(&Credentials::None)] {
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
        let scrub = LoginScrub::new(&credentials);
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
        let sink = Scrubbed {
            inner: sink,
            scrub: scrub("hunter2"),
        };
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
            stages.iter().all(|stage| !stage.contains("hunter2") && stage.contains("[secret]")),
            "{stages:?}"
        );
    }
}
