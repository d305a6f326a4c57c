//! Who is connected: how many there may be, who makes room for others, and how long a connection may be idle.
//!
//! A connection is anonymous until a call on it is authenticated. Anonymous connections are few, whatever happens: a further one replaces
//! another, of the address that has the most, so that nobody keeps others out.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::Extensions;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How many connections there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct PeerLimits {
    /// In all.
    pub(super) total: usize,
    /// From one address, or one network of 64 bits over IPv6. Those of this machine are not counted.
    pub(super) per_address: usize,
    /// On which nobody is authenticated yet.
    pub(super) anonymous: usize,
}

/// How long a connection may be idle.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdleTimeout {
    /// Before anybody is authenticated on it.
    pub(super) anonymous: Duration,
    /// Afterwards.
    pub(super) known: Duration,
    /// The longest that an anonymous caller may keep some call of limited duration open without a gap.
    pub(super) busy: Duration,
}

/// All connections. Clones share them.
#[derive(Clone)]
pub(super) struct Peers(Arc<Shared>);

struct Shared {
    limits: PeerLimits,
    // Held while iterating over it.
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    next: u64,
    /// The oldest first.
    open: BTreeMap<u64, Arc<Peer>>,
}

/// The other end of a connection.
#[derive(Debug)]
pub(in crate::api) struct Peer {
    address: IpAddr,
    known: AtomicBool,
    given_up: CancellationToken,
    // Held for a few instructions.
    calls: Mutex<Calls>,
}

#[derive(Debug)]
struct Calls {
    open: usize,
    /// When the last one ended.
    rest_since: Instant,
    /// Calls of limited duration, and since when there is always one.
    limited: usize,
    busy_since: Instant,
}

/// A connection's slot, until it is dropped.
pub(super) struct Slot {
    peers: Peers,
    number: u64,
    pub(super) peer: Arc<Peer>,
}

/// A call in progress, until it is dropped.
#[derive(Debug)]
pub(in crate::api) struct OpenCall {
    peer: Arc<Peer>,
    duration: CallDuration,
}

/// How long a call of an anonymous caller may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) enum CallDuration {
    /// Unlimited, such as a watch on the service's health.
    Free,
    /// Some time.
    Limited,
}

impl Peers {
    pub(super) fn new(limits: PeerLimits) -> Self {
        Self(Arc::new(Shared {
            limits,
            table: Mutex::default(),
        }))
    }

    /// A slot for a connection from this address. If there is none, an anonymous connection is closed. `None` when none can be freed.
    pub(super) fn admit(&self, address: IpAddr) -> Option<Slot> {
        let limits = self.0.limits;
        let address = network(address);
        let mut table = self.table();
        if !address.is_loopback() && table.open.values().filter(|peer| peer.address == address).count() >= limits.per_address {
            table.give_up(|peer| peer.address == address)?;
        }
        let anonymous = table.open.values().filter(|peer| peer.is_anonymous()).count();
        if anonymous >= limits.anonymous || table.open.len() >= limits.total {
            table.give_up(|_| true)?;
        }
        let number = table.next;
        table.next += 1;
        let peer = Arc::new(Peer::new(address));
        table.open.insert(number, peer.clone());
        Some(Slot {
            peers: self.clone(),
            number,
            peer,
        })
    }

    /// Ends an anonymous connection, because the system has no room left.
    pub(super) fn make_room(&self) {
        let _ = self.table().give_up(|_| true);
    }

    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Ends an anonymous connection: of the address that has the most, one without a call before one with, the oldest first.
    fn give_up(&mut self, among: impl Fn(&Peer) -> bool) -> Option<()> {
        let anonymous = || self.open.iter().filter(|(_, peer)| peer.is_anonymous() && among(peer));
        let mut by_address: HashMap<IpAddr, usize> = HashMap::new();
        for (_, peer) in anonymous() {
            *by_address.entry(peer.address).or_default() += 1;
        }
        let (fullest, _) = by_address.into_iter().max_by_key(|(_, count)| *count)?;
        let of_fullest = anonymous().filter(|(_, peer)| peer.address == fullest);
        let number = *of_fullest.min_by_key(|(number, peer)| (peer.calls().open > 0, **number))?.0;
        self.open.remove(&number)?.given_up.cancel();
        Some(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.peers.table().open.remove(&self.number);
    }
}

impl Peer {
    fn new(address: IpAddr) -> Self {
        let now = Instant::now();
        Self {
            address,
            known: AtomicBool::new(false),
            given_up: CancellationToken::new(),
            calls: Mutex::new(Calls {
                open: 0,
                rest_since: now,
                limited: 0,
                busy_since: now,
            }),
        }
    }

    /// The peer of the connection of a request. `None` for a request without a connection.
    pub(in crate::api) fn of(request: &Extensions) -> Option<&Arc<Self>> {
        request.get()
    }

    /// Where it is: of an IPv6 address the first 64 bits, which one subscriber has all of.
    pub(in crate::api) fn address(&self) -> IpAddr {
        self.address
    }

    /// The peer is authenticated.
    pub(in crate::api) fn becomes_known(&self) {
        self.known.store(true, Ordering::Relaxed);
    }

    fn is_anonymous(&self) -> bool {
        !self.known.load(Ordering::Relaxed)
    }

    /// Counts a call until the returned value is dropped.
    pub(in crate::api) fn begin(self: &Arc<Self>, duration: CallDuration) -> OpenCall {
        let mut calls = self.calls();
        calls.open += 1;
        if duration == CallDuration::Limited {
            if calls.limited == 0 {
                calls.busy_since = Instant::now();
            }
            calls.limited += 1;
        }
        OpenCall {
            peer: self.clone(),
            duration,
        }
    }

    /// Waits until the connection is to make room for another one. Cancel safe.
    pub(super) async fn given_up(&self) {
        self.given_up.cancelled().await;
    }

    /// Waits until the connection has been idle for too long, or an anonymous caller keeps it busy for too long. Cancel safe.
    pub(super) async fn expired(&self, rest: &IdleTimeout) {
        // The deadline moves with every call. Checking it periodically costs less than a notification each time.
        let pause = rest.anonymous.min(rest.known) / 4;
        loop {
            let now = Instant::now();
            let due = self.due(rest);
            if due.is_some_and(|due| due <= now) {
                return;
            }
            let look = now + pause;
            tokio::time::sleep_until(due.map_or(look, |due| due.min(look))).await;
        }
    }

    fn due(&self, rest: &IdleTimeout) -> Option<Instant> {
        let calls = self.calls();
        let anonymous = self.is_anonymous();
        if calls.open == 0 {
            return Some(calls.rest_since + if anonymous { rest.anonymous } else { rest.known });
        }
        (anonymous && calls.limited > 0).then(|| calls.busy_since + rest.busy)
    }

    fn calls(&self) -> std::sync::MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        let mut calls = self.peer.calls();
        calls.open -= 1;
        if calls.open == 0 {
            calls.rest_since = Instant::now();
        }
        if self.duration == CallDuration::Limited {
            calls.limited -= 1;
        }
    }
}

/// What counts as one address: a whole address over IPv4, a network of 64 bits over IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PeerLimits = PeerLimits {
        total: 6,
        per_address: 3,
        anonymous: 4,
    };
    const REST: IdleTimeout = IdleTimeout {
        anonymous: Duration::from_secs(30),
        known: Duration::from_mins(15),
        busy: Duration::from_mins(5),
    };

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn given_up(place: &Slot) -> bool {
        place.peer.given_up.is_cancelled()
    }

    #[tokio::test]
    async fn anonymous_callers_of_the_fullest_address_make_room() {
        let peers = Peers::new(LIMITS);
        let lonely = peers.admit(address(1)).unwrap();
        let busy = peers.admit(address(2)).unwrap();
        let _call = busy.peer.begin(CallDuration::Free);
        let silent = peers.admit(address(2)).unwrap();
        let known = peers.admit(address(2)).unwrap();
        known.peer.becomes_known();
        let _new = [peers.admit(address(3)).unwrap(), peers.admit(address(4)).unwrap()];
        assert_eq!([&lonely, &busy, &silent, &known].map(given_up), [false, false, true, false]);
    }

    #[tokio::test]
    async fn known_callers_are_never_given_up() {
        let peers = Peers::new(LIMITS);
        let known: Vec<Slot> = (0..6)
            .map(|last| peers.admit(address(last)).unwrap())
            .inspect(|place| place.peer.becomes_known())
            .collect();
        assert!(peers.admit(address(7)).is_none(), "there is no room");
        peers.make_room();
        assert!(!known.iter().any(given_up));
        drop(known);
        assert!(peers.admit(address(7)).is_some());
    }

    #[tokio::test]
    async fn an_address_has_a_share_and_this_machine_has_all() {
        let peers = Peers::new(LIMITS);
        let places: Vec<Slot> = (0..3)
            .map(|_| peers.admit(address(1)).unwrap())
            .inspect(|place| place.peer.becomes_known())
            .collect();
        assert!(peers.admit(address(1)).is_none());
        drop(places);
        let local = IpAddr::from([127, 0, 0, 1]);
        let places: Vec<Slot> = (0..6)
            .map(|_| peers.admit(local).unwrap())
            .inspect(|place| place.peer.becomes_known())
            .collect();
        assert_eq!(places.len(), 6);
    }

    #[test]
    fn a_subscriber_has_one_address() {
        let check = |text: &str, expected: &str| assert_eq!(network(text.parse().unwrap()).to_string(), expected);
        check("192.0.2.1", "192.0.2.1");
        check("::ffff:192.0.2.1", "192.0.2.1");
        check("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::");
        check("::1", "::1");
    }

    #[tokio::test]
    async fn connections_end_when_they_rest_too_long() {
        let peers = Peers::new(LIMITS);
        let place = peers.admit(address(1)).unwrap();
        let peer = &place.peer;
        let soon = IdleTimeout {
            anonymous: Duration::from_millis(20),
            ..REST
        };
        peer.expired(&soon).await;

        let watch = peer.begin(CallDuration::Free);
        assert_eq!(peer.due(&REST), None, "a watch may be silent for ever");
        let limited = peer.begin(CallDuration::Limited);
        let busy_since = peer.calls().busy_since;
        drop(peer.begin(CallDuration::Limited));
        assert_eq!(peer.due(&REST), Some(busy_since + REST.busy));
        drop((watch, limited));
        let rest_since = peer.calls().rest_since;
        assert_eq!(peer.due(&REST), Some(rest_since + REST.anonymous));
        peer.becomes_known();
        assert_eq!(peer.due(&REST), Some(rest_since + REST.known));
    }
}
