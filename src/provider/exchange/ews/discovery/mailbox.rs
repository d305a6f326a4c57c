//! A mailbox whose service is discovered when it is first needed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;
use url::Url;

use super::{Finder, Found};
use crate::{
    net::{ErrorClass, ProviderError, Stage, StageFacts, StageKind, StageReport},
    provider::{ChangePage, ExchangeMailbox, Fetched, Folder, ItemId, MailSink, MailSource, Newest, OutgoingMessage, Sent},
};

/// Opens the mailbox at an address.
type Open = Box<dyn Fn(Url) -> Result<Arc<dyn ExchangeMailbox>, ProviderError> + Send + Sync>;

/// A mailbox whose service is found by Autodiscover. The result is kept for as long as this; when the service can no longer be
/// reached, it is looked for again before the next request.
pub struct Discovered {
    finder: Finder,
    open: Open,
    // Held while the service is looked for, which others then wait for.
    kept: tokio::sync::Mutex<Option<Arc<KeptDiscovery>>>,
}

struct KeptDiscovery {
    found: Found,
    mailbox: Arc<dyn ExchangeMailbox>,
    /// Whether the address may be wrong by now.
    doubted: AtomicBool,
}

impl KeptDiscovery {
    /// Passes on what came of a request, and draws the conclusion from it.
    fn heed<T>(&self, result: Result<T, ProviderError>) -> Result<T, ProviderError> {
        if let Err(error) = &result
            && error.class == ErrorClass::Unreachable
        {
            self.doubted.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl Discovered {
    /// Looks for the service by `finder`, and opens the mailbox there by `open`. Nothing is asked yet.
    pub fn new(finder: Finder, open: impl Fn(Url) -> Result<Arc<dyn ExchangeMailbox>, ProviderError> + Send + Sync + 'static) -> Self {
        Self {
            finder,
            open: Box::new(open),
            kept: tokio::sync::Mutex::default(),
        }
    }

    /// The mailbox where it was found. Cancel safe: dropped, nothing is kept of the search.
    async fn mailbox(&self) -> Result<Arc<KeptDiscovery>, ProviderError> {
        let mut kept = self.kept.lock().await;
        if let Some(known) = kept.as_ref().filter(|known| !known.doubted.load(Ordering::Relaxed)) {
            return Ok(known.clone());
        }
        match (self.finder.find().await, kept.as_ref()) {
            (Ok(found), Some(known)) if found.endpoint == known.found.endpoint => {
                // It stays: it knows what the server failed to return, and how much can be requested.
                known.doubted.store(false, Ordering::Relaxed);
                Ok(known.clone())
            }
            (Ok(found), _) => {
                let mailbox = (self.open)(found.endpoint.clone())?;
                let new = Arc::new(KeptDiscovery {
                    found,
                    mailbox,
                    doubted: AtomicBool::new(false),
                });
                Ok(kept.insert(new).clone())
            }
            // Nobody knows better, so what the service itself answers says more.
            (Err(error), Some(known)) if error.class == ErrorClass::Unreachable => Ok(known.clone()),
            (Err(error), _) => Err(error),
        }
    }
}

#[async_trait]
impl MailSource for Discovered {
    async fn folders(&self) -> Result<Vec<Folder>, ProviderError> {
        let kept = self.mailbox().await?;
        kept.heed(kept.mailbox.folders().await)
    }

    async fn changes(&self, folder: &Folder, state: Option<&str>) -> Result<ChangePage, ProviderError> {
        let kept = self.mailbox().await?;
        kept.heed(kept.mailbox.changes(folder, state).await)
    }

    async fn newest(&self, folder: &Folder, most: u32) -> Result<Newest, ProviderError> {
        let kept = self.mailbox().await?;
        kept.heed(kept.mailbox.newest(folder, most).await)
    }

    async fn fetch(&self, ids: &[ItemId], max_bytes: u64) -> Result<Vec<Fetched>, ProviderError> {
        let kept = self.mailbox().await?;
        kept.heed(kept.mailbox.fetch(ids, max_bytes).await)
    }

    async fn former_ids(&self, ids: &[ItemId]) -> Result<Vec<Option<ItemId>>, ProviderError> {
        let kept = self.mailbox().await?;
        kept.heed(kept.mailbox.former_ids(ids).await)
    }

    async fn wait(&self, folders: &[Folder], limit: Duration) -> Result<(), ProviderError> {
        let kept = self.mailbox().await?;
        kept.heed(kept.mailbox.wait(folders, limit).await)
    }
}

#[async_trait]
impl MailSink for Discovered {
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, ProviderError> {
        let kept = self.mailbox().await.map_err(|error| match error.class {
            // This one would make a sender believe that the message may have been sent.
            ErrorClass::Unreachable => ProviderError {
                class: ErrorClass::Retry { after: None },
                ..error
            },
            _ => error,
        })?;
        kept.heed(kept.mailbox.send(message).await)
    }

    /// Looking for the service is part of the stage [`StageKind::Resolve`].
    async fn check(&self, test: Option<&OutgoingMessage>, report: StageReport<'_>) {
        let began = Instant::now();
        let kept = match self.mailbox().await {
            Ok(kept) => kept,
            Err(error) => {
                let kind = match error.class {
                    ErrorClass::LoginRequired => StageKind::Authenticate,
                    _ => StageKind::Resolve,
                };
                return report(Stage {
                    kind,
                    took: began.elapsed(),
                    outcome: Err(error),
                });
            }
        };
        let (searching, found) = (began.elapsed(), kept.found.clone());
        let mut report = |stage: Stage| match stage.kind {
            StageKind::Resolve => report(Stage {
                took: stage.took + searching,
                outcome: stage.outcome.map(|facts| StageFacts {
                    summary: format!("Autodiscover at {} names {}. {}", found.told_by, found.endpoint, facts.summary),
                    ..facts
                }),
                ..stage
            }),
            _ => report(stage),
        };
        kept.mailbox.check(test, &mut report).await;
    }
}
