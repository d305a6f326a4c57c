//! What anonymous callers may send, and how long any caller may take to send a request.
//!
//! Public methods and pages accept only small requests, and all anonymous callers share one memory budget, of which each
//! address may use a quarter. Authenticated callers do not use it: they are served while the budget is exhausted.

mod body;

use std::{
    collections::HashMap,
    future::Future,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::future::poll_immediate;
use http::{Extensions, HeaderMap, StatusCode};

use self::body::{Rule, limited};
use super::{
    auth::{self, Access, Method},
    call::fail,
    guarded_body::GuardedBody,
    listener::{CallDuration, Peer},
    request_id::RequestId,
};
use crate::{
    config,
    domain::{Detail, Error, Kind, Reason, Result},
};

/// Longest message that a public method accepts, in bytes.
pub(super) const MAX_PUBLIC_MESSAGE: usize = 16 * 1024;
/// Most bytes of all requests on one reflection stream.
const MAX_REFLECTION: usize = 256 * 1024;
/// The cost of a reflection stream: the responses that wait for a peer who does not read them.
const REFLECTION_COST: usize = 512 * 1024;
/// The cost of any request besides its header and body: its task.
const REQUEST_COST: usize = 2 * 1024;
/// Longest call of the page for notifications, in bytes.
pub(super) const MAX_NOTIFICATION: usize = 1 << 20;
/// The longest pause of a body.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// The part of the budget that one address may use.
const SHARE: usize = 4;

/// The rules for anonymous callers. Cheap to clone.
#[derive(Clone)]
pub(super) struct AnonymousCallers(Arc<Inner>);

struct Inner {
    budget: usize,
    request_timeout: Duration,
    anonymous_timeout: Duration,
    // Held for a map look-up only.
    held: Mutex<HashMap<IpAddr, usize>>,
}

/// Memory of an anonymous caller, until it is dropped.
struct MemoryHold {
    anonymous: AnonymousCallers,
    address: IpAddr,
    bytes: Mutex<usize>,
}

/// The cost of a request whose token cannot be verified at once.
#[derive(Clone)]
struct UnverifiedRequest {
    anonymous: AnonymousCallers,
    address: IpAddr,
    bytes: usize,
}

impl AnonymousCallers {
    /// By the settings.
    pub(super) fn new(settings: &config::Server) -> Self {
        Self(Arc::new(Inner {
            budget: settings.max_anonymous_bytes.as_usize(),
            request_timeout: settings.request_timeout,
            anonymous_timeout: settings.anonymous_timeout,
            held: Mutex::default(),
        }))
    }

    fn hold(&self, address: IpAddr, bytes: usize) -> Result<MemoryHold> {
        self.take(address, bytes)?;
        Ok(MemoryHold {
            anonymous: self.clone(),
            address,
            bytes: Mutex::new(bytes),
        })
    }

    fn take(&self, address: IpAddr, bytes: usize) -> Result<()> {
        let budget = self.0.budget;
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        let total: usize = held.values().sum();
        let own = held.get(&address).copied().unwrap_or_default();
        if total + bytes > budget || own + bytes > budget / SHARE {
            return Err(crowded(&address.to_string()));
        }
        held.insert(address, own + bytes);
        Ok(())
    }

    fn give_back(&self, address: IpAddr, bytes: usize) {
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = held.get_mut(&address) {
            *own = own.saturating_sub(bytes);
            if *own == 0 {
                held.remove(&address);
            }
        }
    }

    /// How long the body of a request with one message may take.
    fn single(&self, size: usize) -> Rule {
        Rule {
            timeout: Some(self.0.request_timeout),
            pause: LONGEST_PAUSE,
            size,
        }
    }

    /// On which terms anybody may call this method.
    fn of_public(&self, method: &Method) -> Terms {
        if method.name.ends_with("/ServerReflectionInfo") {
            let rule = Rule {
                timeout: None,
                pause: self.0.anonymous_timeout,
                size: MAX_REFLECTION,
            };
            return Terms {
                rule,
                cost: REFLECTION_COST,
                duration: CallDuration::Limited,
            };
        }
        // A watch over the health of a service lasts as long as the watcher does; its request does not.
        let duration = if method.streams {
            CallDuration::Free
        } else {
            CallDuration::Limited
        };
        Terms {
            rule: self.single(MAX_PUBLIC_MESSAGE),
            cost: REQUEST_COST,
            duration,
        }
    }
}

/// On which terms a method may be called by anybody.
struct Terms {
    /// How the body of the request may arrive.
    rule: Rule,
    /// Bytes that a call counts in the budget.
    cost: usize,
    duration: CallDuration,
}

impl MemoryHold {
    fn more(&self, bytes: usize) -> Result<()> {
        self.anonymous.take(self.address, bytes)?;
        *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) += bytes;
        Ok(())
    }
}

impl Drop for MemoryHold {
    fn drop(&mut self) {
        let bytes = *self.bytes.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.anonymous.give_back(self.address, bytes);
    }
}

/// Holds calls of public methods to the budget, and all calls to the time that their requests may take.
pub(super) async fn calls(State(anonymous): State<AnonymousCallers>, mut request: Request, next: Next) -> Response {
    let Some(method) = auth::method(request.uri().path()) else {
        return next.run(request).await;
    };
    let id = RequestId::of(request.extensions());
    let address = address(request.extensions());
    let bytes = REQUEST_COST + header_bytes(request.headers());
    match method.access {
        Access::AnyOf(_) => {
            request.extensions_mut().insert(UnverifiedRequest {
                anonymous: anonymous.clone(),
                address,
                bytes,
            });
            let rule = anonymous.single(usize::MAX);
            next.run(limited(request, rule, None, id)).await
        }
        Access::Public => {
            let Terms { rule, cost, duration } = anonymous.of_public(method);
            let hold = match anonymous.hold(address, bytes + cost) {
                Ok(hold) => Arc::new(hold),
                Err(error) => return fail(&error, &id).into_http(),
            };
            let call = Peer::of(request.extensions()).map(|peer| peer.begin(duration));
            let response = next.run(limited(request, rule, Some(hold.clone()), id)).await;
            response.map(|body| Body::new(GuardedBody::new(body, (hold, call))))
        }
    }
}

/// Holds calls of the pages that anybody may post to to the budget, and to a time.
pub(super) async fn page(State(anonymous): State<AnonymousCallers>, request: Request, next: Next) -> Response {
    let bytes = REQUEST_COST + header_bytes(request.headers());
    let Ok(hold) = anonymous.hold(address(request.extensions()), bytes) else {
        // Microsoft Graph calls again.
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let call = Peer::of(request.extensions()).map(|peer| peer.begin(CallDuration::Limited));
    // The page itself rejects longer ones.
    let rule = anonymous.single(2 * MAX_NOTIFICATION);
    let response = next.run(limited(request, rule, Some(Arc::new(hold)), Arc::from(""))).await;
    response.map(|body| Body::new(GuardedBody::new(body, call)))
}

/// Who calls, as `identify` finds out. If that takes time because keys have to be fetched first, the request counts as anonymous for that
/// long; after that its connection is authenticated.
///
/// # Errors
/// Those of `identify`, and [`Kind::Exhausted`] when too many wait.
pub(super) async fn identified<T>(request: &Extensions, identify: impl Future<Output = Result<T>>) -> Result<T> {
    let mut identify = std::pin::pin!(identify);
    let caller = match poll_immediate(&mut identify).await {
        Some(result) => result?,
        None => {
            let suspended = request.get::<UnverifiedRequest>();
            let _hold = suspended
                .map(|UnverifiedRequest { anonymous, address, bytes }| anonymous.hold(*address, *bytes))
                .transpose()?;
            identify.await?
        }
    };
    if let Some(peer) = Peer::of(request) {
        peer.becomes_known();
    }
    Ok(caller)
}

/// Anonymous callers use too much memory.
pub(super) fn crowded(address: &str) -> Error {
    let text = "Too many calls without a token are in progress. Retry later, or send fewer at a time.";
    Error::new(Kind::Exhausted, Reason::AnonymousLimitReached, text).with(Detail::Subject, format!("address:{address}"))
}

fn address(request: &Extensions) -> IpAddr {
    Peer::of(request).map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.address())
}

fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ByteSize, Config};

    fn anonymous(budget: u64) -> AnonymousCallers {
        AnonymousCallers::new(&config::Server {
            max_anonymous_bytes: ByteSize(budget),
            ..Config::default().server
        })
    }

    #[test]
    fn an_address_has_a_quarter_of_the_budget() {
        let all = anonymous(1000);
        let address = |last| IpAddr::from([192, 0, 2, last]);
        let first = all.hold(address(1), 200).unwrap();
        first.more(50).unwrap();
        let error = first.more(1).unwrap_err();
        assert_eq!((error.kind, error.reason), (Kind::Exhausted, Reason::AnonymousLimitReached));
        let others: Vec<MemoryHold> = (2..5).map(|last| all.hold(address(last), 250).unwrap()).collect();
        assert!(all.hold(address(5), 1).is_err(), "all is held");
        drop(first);
        drop(all.hold(address(5), 250).unwrap());
        drop(others);
        assert!(all.0.held.lock().unwrap().is_empty(), "addresses that hold nothing are forgotten");
    }
}
