//! The keys of an OpenID issuer: fetched in the background before they age, and at once when a token names an unknown one.
//!
//! One task fetches, so there is one fetch at a time whatever the callers do; they only request it, and wait briefly. How often they can
//! cause one is limited, so that forged tokens cannot be used to attack the issuer.

use std::{
    error::Error,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    KeySet, TokenError,
    key_set::{Key, Signed},
};
use crate::domain::{self, Backoff, error_chain};

/// The longest that a caller waits for keys.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest that a fetch may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest pause after fetches that failed.
const MAX_PAUSE: Duration = Duration::from_mins(1);

/// Where the keys of an issuer are.
#[async_trait]
pub trait PublishedKeys: Send + Sync {
    /// Fetches the keys that the issuer publishes now. Called once at a time, and dropped when it takes more than ten seconds.
    ///
    /// # Errors
    /// When they are unavailable or invalid.
    async fn fetch(&self) -> Result<KeySet, PublishedKeysError>;
}

/// Why keys are unavailable.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct PublishedKeysError {
    /// What is wrong and what to do, for the log.
    pub problem: String,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl PublishedKeysError {
    /// A fault in plain language.
    pub fn new(problem: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            source: None,
        }
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

/// How keys age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyTimes {
    /// How often they are fetched.
    pub refresh_interval: Duration,
    /// How long they remain in use after they were last fetched.
    pub lifetime: Duration,
    /// The minimum interval between two fetches.
    pub pause: Duration,
}

/// The keys of an issuer, as far as they are known.
pub struct IssuerKeys {
    source: Box<dyn PublishedKeys>,
    times: KeyTimes,
    // Held only for a lookup, never across an await.
    state: RwLock<State>,
    /// Somebody needs an unknown key.
    wanted: Notify,
    /// Counts the fetches that ended.
    ended: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    keys: Arc<KeySet>,
    /// When `keys` were fetched.
    fetched: Option<Instant>,
    last: Last,
}

/// The result of the last fetch.
#[derive(Clone, Copy, Default)]
enum Last {
    /// It has not ended.
    #[default]
    UnderWay,
    /// It ended then.
    Ended { at: Instant, well: bool },
    /// There will be no more.
    Stopped,
}

impl IssuerKeys {
    /// Knows no keys, and will not before [`IssuerKeys::run`].
    pub fn new(source: Box<dyn PublishedKeys>, times: KeyTimes) -> Self {
        Self {
            source,
            times,
            state: RwLock::default(),
            wanted: Notify::new(),
            ended: watch::Sender::new(0),
        }
    }

    /// Fetches the keys now, then whenever they are about to age or somebody needs one that is not known, until `stop`.
    ///
    /// # Errors
    /// None: a failed fetch is logged, and the next one makes up for it.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) -> domain::Result<()> {
        let mut failures = 0_u32;
        loop {
            self.write().last = Last::UnderWay;
            let fetched = tokio::select! {
                fetched = timeout(FETCH_TIMEOUT, self.source.fetch()) => fetched,
                () = stop.cancelled() => break,
            };
            let fetched =
                fetched.unwrap_or_else(|_| Err(PublishedKeysError::new(format!("the issuer took longer than {FETCH_TIMEOUT:?}"))));
            failures = if fetched.is_ok() { 0 } else { failures + 1 };
            let at = Instant::now();
            self.take(fetched, at);
            let rest = if failures == 0 {
                // Replicas that started together do not keep fetching together.
                self.times.refresh_interval.mul_f64(1.0 - fastrand::f64() / 10.0)
            } else {
                let backoff = Backoff {
                    first: self.times.pause,
                    longest: MAX_PAUSE.max(self.times.pause),
                };
                backoff.after(failures)
            };
            let due = at + rest;
            let asked = async {
                loop {
                    self.wanted.notified().await;
                    // Requests before the end of the last fetch have been answered by it.
                    if at.elapsed() >= self.times.pause {
                        break;
                    }
                }
            };
            tokio::select! {
                () = sleep_until(due) => {}
                () = asked => {}
                () = stop.cancelled() => break,
            }
        }
        self.write().last = Last::Stopped;
        self.ended.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Whether the keys are young enough to be trusted.
    pub(super) fn are_fresh(&self) -> bool {
        self.read().are_fresh(self.times.lifetime)
    }

    /// The key that signed a message, by the name of the key in it. When it is not known, waits for the keys to be fetched.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// As [`KeySet::signer`], and [`TokenError::KeysAway`] when that is unknown.
    pub(super) async fn signer(&self, kid: Option<&str>, signed: &Signed<'_>) -> Result<Arc<Key>, TokenError> {
        let mut ended = self.ended.subscribe();
        let mut waited = false;
        loop {
            let (keys, last) = {
                let state = self.read();
                (state.fresh_keys(self.times.lifetime), state.last)
            };
            let found = keys.as_ref().map_or(Err(TokenError::UnknownKey), |keys| keys.signer(kid, signed));
            // A token that names no key may be signed with one that is not known yet, whatever else it looks like.
            let error = match found {
                Err(error) if error == TokenError::UnknownKey || kid.is_none() => error,
                found => return found,
            };
            match last {
                Last::Ended { at, well } if waited || at.elapsed() < self.times.pause => {
                    let told = well && keys.is_some();
                    return Err(if told {
                        error
                    } else {
                        away(self.times.pause.saturating_sub(at.elapsed()))
                    });
                }
                Last::Stopped => return Err(away(Duration::ZERO)),
                Last::Ended { .. } => self.wanted.notify_one(),
                Last::UnderWay => {}
            }
            if waited || timeout(PATIENCE, ended.changed()).await.is_err() {
                return Err(away(Duration::ZERO));
            }
            waited = true;
        }
    }

    fn take(&self, fetched: Result<KeySet, PublishedKeysError>, at: Instant) {
        let mut state = self.write();
        let well = fetched.is_ok();
        match fetched {
            Ok(mut keys) => {
                keys.succeed(&state.keys);
                if keys.is_empty() {
                    tracing::warn!(passed_over = keys.passed_over(), "the token issuer publishes no usable key");
                } else if state.fetched.is_none() || keys.len() != state.keys.len() {
                    tracing::info!(
                        keys = keys.len(),
                        passed_over = keys.passed_over(),
                        "fetched the token issuer's keys"
                    );
                }
                state.keys = Arc::new(keys);
                state.fetched = Some(at);
            }
            Err(error) => {
                let serve_on = state.are_fresh(self.times.lifetime);
                tracing::warn!(serve_on, error = error_chain(&error), "the token issuer's keys cannot be fetched");
            }
        }
        state.last = Last::Ended { at, well };
        drop(state);
        self.ended.send_modify(|count| *count += 1);
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn are_fresh(&self, lifetime: Duration) -> bool {
        self.fetched.is_some_and(|at| at.elapsed() <= lifetime)
    }

    fn fresh_keys(&self, lifetime: Duration) -> Option<Arc<KeySet>> {
        self.are_fresh(lifetime).then(|| self.keys.clone())
    }
}

fn away(rest: Duration) -> TokenError {
    TokenError::KeysAway {
        retry_after: rest.max(Duration::from_secs(1)),
    }
}
