//! Which mailboxes may share a notification stream: those that the same login opens at the same server. Servers allow a login few streams
//! (3 on premises, 10 in the cloud), and a maintenance account may have hundreds of mailboxes.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::Semaphore;
use url::Url;
use zeroize::Zeroizing;

use super::group::{Group, Membership, StreamLimits};
use crate::{
    net::EndpointRules,
    provider::exchange::ews::{EwsProof, transport::Transport},
};

/// Subscriptions of one login that are made at once.
const SUBSCRIBING: usize = 4;

/// The notification streams of all logins.
#[derive(Default)]
pub struct EwsStreams {
    limits: StreamLimits,
    // Held only for a lookup.
    known: Mutex<HashMap<LoginKey, Vec<KnownLogin>>>,
}

/// What logins that may be the same have in common, see [`SharedLogin`].
#[derive(PartialEq, Eq, Hash)]
struct LoginKey {
    owner: String,
    endpoint: String,
    /// In lower case.
    username: String,
    impersonate: bool,
}

/// A login whose streams are known.
struct KnownLogin {
    /// `None`: by access tokens, which are the owner's in any case.
    password: Option<Zeroizing<String>>,
    rules: EndpointRules,
    streams: Weak<LoginStreams>,
}

/// A login, as far as it decides which mailboxes may share a stream.
pub struct SharedLogin<'a> {
    /// Whose it is. Logins of different owners share nothing, even if they are alike.
    pub owner: &'a str,
    /// Address of the service.
    pub endpoint: &'a Url,
    /// Its user name.
    pub username: &'a str,
    /// What proves it.
    pub proof: &'a EwsProof,
    /// Whether it acts for the mailboxes (ExchangeImpersonation).
    pub impersonate: bool,
    /// What may be called.
    pub rules: &'a EndpointRules,
}

impl EwsStreams {
    /// None yet.
    pub fn new(limits: StreamLimits) -> Self {
        Self {
            limits,
            known: Mutex::default(),
        }
    }

    /// The streams of a login. Who cannot prove it in the same way has others.
    pub fn of(&self, login: &SharedLogin<'_>) -> Arc<LoginStreams> {
        let key = LoginKey {
            owner: login.owner.to_owned(),
            endpoint: login.endpoint.to_string(),
            username: login.username.to_lowercase(),
            impersonate: login.impersonate,
        };
        let password = match login.proof {
            EwsProof::Password(password) => Some(password),
            EwsProof::Tokens(_) => None,
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, logins| {
            logins.retain(|login| login.streams.strong_count() > 0);
            !logins.is_empty()
        });
        let logins = known.entry(key).or_default();
        let there = logins
            .iter()
            .find(|known| known.password.as_ref() == password && known.rules == *login.rules)
            .and_then(|known| known.streams.upgrade());
        there.unwrap_or_else(|| {
            let streams = LoginStreams::new(self.limits);
            logins.push(KnownLogin {
                password: password.cloned(),
                rules: login.rules.clone(),
                streams: Arc::downgrade(&streams),
            });
            streams
        })
    }
}

impl fmt::Debug for EwsStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EwsStreams").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// The notification streams of one login at one server.
pub struct LoginStreams {
    limits: StreamLimits,
    /// Who may subscribe at this moment.
    pub(super) subscribing: Semaphore,
    // Locked only briefly; the groups' own locks come after it.
    groups: Mutex<Vec<Weak<Group>>>,
}

impl LoginStreams {
    pub(in crate::provider::exchange::ews) fn new(limits: StreamLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            subscribing: Semaphore::new(SUBSCRIBING),
            groups: Mutex::default(),
        })
    }

    /// Joins the first group that has room, but none of those that are to be avoided.
    pub(super) fn join(&self, transport: &Arc<Transport>, avoided: &[Weak<Group>]) -> Membership {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.retain(|group| group.strong_count() > 0);
        let allowed = groups.iter().filter(|group| !avoided.iter().any(|one| one.ptr_eq(group)));
        let found = allowed.filter_map(Weak::upgrade).find_map(|group| group.join(transport));
        found.unwrap_or_else(|| {
            let group = Group::new(self.limits);
            groups.push(Arc::downgrade(&group));
            group.join(transport).expect("a new group has room")
        })
    }

    /// How many mailboxes the other groups have room for.
    pub(super) fn room_beside(&self, group: &Group) -> usize {
        let groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let others = groups
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|other| !std::ptr::eq(&raw const **other, group));
        others.map(|other| other.room()).sum()
    }
}

impl fmt::Debug for LoginStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginStreams").field("limits", &self.limits).finish_non_exhaustive()
    }
}
