//! Change notifications: Graph calls a public address of the service when something arrives. They only wake; changes are then requested.
//!
//! <https://learn.microsoft.com/graph/change-notifications-delivery-webhooks>

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::{
    runtime::Handle,
    sync::{Mutex, Notify},
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    changes::instant,
    codes::Meaning,
    errors::Fault,
    transport::{Request, Transport},
};
use crate::{
    domain::Clock,
    net::{ErrorClass, ProviderError},
    provider::Folder,
};

/// Requested lifetime of a subscription. What a crashed service leaves behind lasts no longer than that.
const LIFETIME: Duration = Duration::from_hours(1);
/// How long the mailbox is polled after a subscription was rejected before it is retried; and after a temporary fault.
const REST: Duration = Duration::from_mins(15);
const SHORT_REST: Duration = Duration::from_mins(1);

/// How long the server may take to end the subscriptions of a mailbox.
const GOODBYE: Duration = Duration::from_secs(10);

/// How a mailbox is notified of changes.
#[derive(Clone)]
pub struct GraphPush {
    /// The public address that is called.
    pub url: String,
    /// The secret that authenticates calls; at most 128 characters.
    pub client_state: String,
    /// Wakes whoever waits for the mailbox.
    pub waker: Arc<Waker>,
    /// The clock by which subscriptions expire.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for GraphPush {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GraphPush").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Wakes who waits for a mailbox.
#[derive(Debug, Default)]
pub struct Waker {
    notify: Notify,
    renew: AtomicBool,
}

impl Waker {
    /// Wakes the one who waits, or the next one who comes to wait. With `renew`, its subscriptions may have ended.
    pub fn wake(&self, renew: bool) {
        if renew {
            self.renew.store(true, Ordering::Relaxed);
        }
        self.notify.notify_one();
    }
}

/// The subscriptions of a mailbox.
#[derive(Default)]
pub(super) struct Subscriptions(Mutex<SubscriptionState>);

impl Subscriptions {
    /// Ends them, as far as the server responds soon, once nobody waits for them any more.
    pub(super) fn end(&mut self, transport: &Arc<Transport>) {
        let ids: Vec<String> = self.0.get_mut().by_folder.drain().map(|(_, live)| live.id).collect();
        let Some(runtime) = Handle::try_current().ok().filter(|_| !ids.is_empty()) else {
            return;
        };
        let transport = transport.clone();
        runtime.spawn(timeout(GOODBYE, async move {
            for id in ids {
                let url = transport.absolute(["subscriptions", &id]);
                if let Err(fault) = transport.call(Request::new(Method::DELETE, url)).await {
                    tracing::debug!(error = %fault.error, "a subscription is left to end by itself");
                    break;
                }
            }
        }));
    }
}

#[derive(Default)]
struct SubscriptionState {
    /// By the ids of their folders.
    by_folder: HashMap<String, ActiveSubscription>,
    /// Until when none is tried.
    rest: Option<Instant>,
}

struct ActiveSubscription {
    id: String,
    renew: Instant,
}

/// A subscription as the server reports it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscription {
    id: String,
    expiration_date_time: String,
}

/// Waits for something to happen; see [`crate::provider::MailSource::wait`].
pub(super) async fn wait(
    transport: &Transport,
    subscriptions: &Subscriptions,
    push: &GraphPush,
    folders: &[Folder],
    limit: Duration,
) -> Result<(), ProviderError> {
    let end = Instant::now() + limit;
    let mut kept = subscriptions.0.lock().await;
    if kept.rest.is_some_and(|rest| rest > Instant::now()) {
        drop(kept);
        sleep(limit).await;
        return Ok(());
    }
    let wanted = SubscriptionSync {
        transport,
        push,
        kept: &mut kept,
    };
    match timeout(limit, wanted.keep(folders)).await {
        // Something may have happened before it existed.
        Ok(Ok(true)) => return Ok(()),
        Ok(Ok(false)) | Err(_) => kept.rest = None,
        Ok(Err(fault)) => {
            let rest = match fault.error.class {
                ErrorClass::Retry { .. } | ErrorClass::Unreachable | ErrorClass::LoginRequired => SHORT_REST,
                _ => REST,
            };
            kept.rest = Some(Instant::now() + rest);
            return Err(fault.into());
        }
    }
    let renew = kept.by_folder.values().map(|live| live.renew).min().unwrap_or(end);
    drop(kept);
    tokio::select! {
        () = push.waker.notify.notified() => {}
        () = sleep_until(end.min(renew)) => {}
    }
    Ok(())
}

struct SubscriptionSync<'a> {
    transport: &'a Transport,
    push: &'a GraphPush,
    kept: &'a mut SubscriptionState,
}

impl SubscriptionSync<'_> {
    /// Creates missing subscriptions, and renews those that need it. Returns whether there is a new one.
    async fn keep(mut self, folders: &[Folder]) -> Result<bool, Fault> {
        let doubtful = self.push.waker.renew.swap(false, Ordering::Relaxed);
        let kept = self.keep_each(folders, doubtful).await;
        if doubtful && kept.is_err() {
            self.push.waker.renew.store(true, Ordering::Relaxed);
        }
        kept
    }

    async fn keep_each(&mut self, folders: &[Folder], doubtful: bool) -> Result<bool, Fault> {
        let mut fresh = false;
        for folder in folders {
            let known = self.kept.by_folder.get(&folder.id);
            let known = known.map(|live| (live.id.clone(), live.renew));
            let prolonged = match known {
                Some((_, renew)) if renew > Instant::now() && !doubtful => continue,
                Some((id, _)) => self.prolong(&id).await?,
                None => None,
            };
            fresh |= prolonged.is_none();
            let subscription = match prolonged {
                Some(subscription) => subscription,
                None => self.subscribe(folder).await?,
            };
            let left = instant(&subscription.expiration_date_time).map_or(LIFETIME, |end| end.since(self.push.clock.now()));
            let live = ActiveSubscription {
                id: subscription.id,
                // Half of the granted lifetime.
                renew: Instant::now() + (left / 2).max(SHORT_REST),
            };
            self.kept.by_folder.insert(folder.id.clone(), live);
        }
        Ok(fresh)
    }

    fn expiry(&self) -> String {
        self.push.clock.now().after(LIFETIME).to_string()
    }

    /// `None` when it is gone.
    async fn prolong(&self, id: &str) -> Result<Option<Subscription>, Fault> {
        let url = self.transport.absolute(["subscriptions", id]);
        let request = Request::json(Method::PATCH, url, &json!({ "expirationDateTime": self.expiry() }));
        match self.transport.call(request).await {
            Ok(answer) => Ok(Some(self.transport.read(&answer.body)?)),
            Err(fault) if matches!(fault.meaning, Some(Meaning::Gone | Meaning::Refused | Meaning::BadRequest)) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    async fn subscribe(&self, folder: &Folder) -> Result<Subscription, Fault> {
        let resource = format!("{}/mailFolders('{}')/messages", self.transport.user_path(), folder.id);
        let body = json!({
            "changeType": "created",
            "notificationUrl": self.push.url,
            "lifecycleNotificationUrl": self.push.url,
            "resource": resource,
            "expirationDateTime": self.expiry(),
            "clientState": self.push.client_state,
        });
        let url = self.transport.absolute(["subscriptions"]);
        let answer = self.transport.call(Request::json(Method::POST, url, &body)).await?;
        self.transport.read(&answer.body)
    }
}
