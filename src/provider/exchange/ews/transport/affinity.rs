//! What leads requests to the right server behind a load balancer: the mailbox's address, and the cookies that the servers set.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use reqwest::RequestBuilder;

use super::Transport;

/// Most cookies kept, and the longest, in bytes.
const COOKIES: (usize, usize) = (32, 4096);
/// The cookie that names the server behind the address.
const BACK_END: &str = "X-BackEndOverrideCookie";

/// Which server behind the address keeps subscriptions that share a stream. What is about these goes there, whichever mailbox it is about.
#[derive(Default)]
pub(in crate::provider::exchange::ews) struct Affinity(Mutex<AffinityState>);

/// Locked only briefly.
#[derive(Default)]
struct AffinityState {
    /// The mailbox that it began with.
    anchor: Option<HeaderValue>,
    known: bool,
    /// What the server said how to find it. Servers without others beside them say nothing.
    cookie: Option<String>,
}

impl Affinity {
    fn lock(&self) -> MutexGuard<'_, AffinityState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there are subscriptions.
    pub(in crate::provider::exchange::ews) fn is_known(&self) -> bool {
        self.lock().known
    }

    /// In whose name a server is looked for.
    pub(in crate::provider::exchange::ews) fn set_anchor(&self, anchor: Option<HeaderValue>) {
        self.lock().anchor = anchor;
    }

    /// A subscription was made through this connection.
    pub(in crate::provider::exchange::ews) fn found(&self, through: &Transport) {
        let mut state = self.lock();
        if !state.known {
            state.known = true;
            state.cookie = state.cookie.take().or_else(|| through.route.back_end());
        }
    }

    /// There are no subscriptions any more.
    pub(in crate::provider::exchange::ews) fn forget(&self) {
        *self.lock() = AffinityState::default();
    }
}

/// What leads a mailbox's requests to the server behind the address that knows the mailbox and its subscriptions.
pub(super) struct Route {
    /// The mailbox.
    pub(super) anchor: Option<HeaderValue>,
    /// By name. Locked only briefly.
    cookies: Mutex<BTreeMap<String, String>>,
}

impl Route {
    pub(super) fn new(anchor: Option<HeaderValue>) -> Self {
        Self {
            anchor,
            cookies: Mutex::default(),
        }
    }

    fn cookies(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn back_end(&self) -> Option<String> {
        self.cookies().get(BACK_END).cloned()
    }

    /// Adds the headers that lead to the server; with an affinity, to the one that keeps its subscriptions.
    pub(super) fn add_to(&self, mut request: RequestBuilder, affinity: Option<&Affinity>) -> RequestBuilder {
        let (anchor, back_end) = affinity.map_or_else(
            || (self.anchor.clone(), None),
            |affinity| {
                let state = affinity.lock();
                (state.anchor.clone(), state.cookie.clone())
            },
        );
        request = request.header(HeaderName::from_static("x-preferserveraffinity"), "true");
        if let Some(anchor) = anchor {
            request = request.header(HeaderName::from_static("x-anchormailbox"), anchor);
        }
        if let Some(cookies) = self.cookie_header(back_end) {
            request = request.header(header::COOKIE, cookies);
        }
        request
    }

    /// All cookies; `back_end` replaces the one that was kept.
    fn cookie_header(&self, back_end: Option<String>) -> Option<HeaderValue> {
        let mut kept = self.cookies().clone();
        kept.extend(back_end.map(|back_end| (BACK_END.to_owned(), back_end)));
        let all: Vec<String> = kept.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut value = HeaderValue::try_from(all.join("; ")).ok().filter(|_| !all.is_empty())?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Keeps the cookies of a response.
    pub(super) fn keep_cookies(&self, headers: &HeaderMap, affinity: Option<&Affinity>) {
        let mut set = headers
            .get_all(header::SET_COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .peekable();
        if set.peek().is_none() {
            return;
        }
        let mut kept = self.cookies();
        for cookie in set {
            let Some((name, value)) = cookie.split(';').next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            let (name, value) = (name.trim(), value.trim());
            if let Some(affinity) = affinity.filter(|_| name == BACK_END) {
                let mut state = affinity.lock();
                let is_own = state.anchor == self.anchor;
                if state.cookie.is_none() && (1..=COOKIES.1).contains(&value.len()) {
                    state.cookie = Some(value.to_owned());
                }
                if !is_own {
                    continue;
                }
            }
            if value.is_empty() {
                kept.remove(name);
            } else if !name.is_empty() && name.len() + value.len() <= COOKIES.1 && (kept.len() < COOKIES.0 || kept.contains_key(name)) {
                kept.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}
