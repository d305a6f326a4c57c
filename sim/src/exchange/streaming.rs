//! Subscribe, Unsubscribe, and GetStreamingEvents: one long answer of several complete envelopes.

use std::{collections::HashSet, collections::VecDeque, io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::Stream;
use tokio::{
    sync::Notify,
    time::{Instant, interval_at, sleep_until},
};

use super::{
    FaultKind, Shared,
    operations::{Call, Entry, Failure, response},
    subscriptions::{EventKind, Notice, Subscription},
    world::FolderKind,
    xml::{Element, Xml, stream_envelope},
};
use crate::clock::write_time;

const OPERATION: &str = "GetStreamingEvents";
/// Notices in one envelope.
const MAX_EVENTS: usize = 500;

impl Call {
    pub(super) fn subscribe(&self, request: &Element) -> Result<Vec<Entry>, Failure> {
        let only_streaming = || Failure::new("ErrorInvalidSubscriptionRequest", "The simulator only has streaming subscriptions.");
        Ok(self.batch(&[()], |()| {
            let wanted = request.child("StreamingSubscriptionRequest").ok_or_else(only_streaming)?;
            let all = wanted.attribute("SubscribeToAllFolders") == Some("true");
            let ids = wanted.child("FolderIds").map(|ids| ids.children.as_slice()).unwrap_or_default();
            let types = wanted
                .child("EventTypes")
                .map(|types| types.children.as_slice())
                .unwrap_or_default();
            let mut world = self.shared.world();
            let folders = ids.iter().map(|id| self.folder(&world, id)).collect::<Result<Vec<_>, _>>()?;
            let mailbox = match folders.first() {
                Some((mailbox, _)) => *mailbox,
                None if all => self.mailbox(&world, None)?,
                None => return Err(Failure::new("ErrorInvalidSubscriptionRequest", "No folder is named.")),
            };
            if folders.iter().any(|(other, _)| *other != mailbox) {
                return Err(Failure::new(
                    "ErrorInvalidSubscriptionRequest",
                    "The folders are of several mailboxes.",
                ));
            }
            let subscription = Subscription {
                owner: self.login.clone(),
                payer: self.actor.unwrap_or(mailbox),
                back_end: self.back_end,
                folders: (!all).then(|| folders.into_iter().map(|(_, folder)| folder).collect::<HashSet<FolderKind>>()),
                events: types.iter().filter_map(|kind| EventKind::parse(kind.text.trim())).collect(),
                waiting: VecDeque::new(),
                wake: Arc::default(),
            };
            let exceeded = || {
                let text = "You have exceeded the available subscriptions for your account.";
                Failure::new("ErrorExceededSubscriptionCount", text)
            };
            let number = world.subscribe(mailbox, subscription, self.shared.limits.subscriptions);
            let number = number.ok_or_else(exceeded)?;
            let mut xml = Xml::new();
            xml.leaf("m:SubscriptionId", &self.shared.ids.subscription(mailbox, number));
            Ok(xml)
        }))
    }

    pub(super) fn unsubscribe(&self, request: &Element) -> Result<Vec<Entry>, Failure> {
        Ok(self.batch(&[()], |()| {
            let (mailbox, number) = self.subscription(request.text_of("SubscriptionId").unwrap_or_default())?;
            let removed = self
                .shared
                .world()
                .mailbox_mut(mailbox)
                .and_then(|held| held.subscriptions.remove(&number));
            let subscription = removed.ok_or_else(not_found)?;
            subscription.wake.notify_one();
            Ok(Xml::new())
        }))
    }

    /// Mailbox and number of a subscription that belongs to the caller.
    fn subscription(&self, id: &str) -> Result<(u32, u64), Failure> {
        let (mailbox, number) = self.shared.ids.read_subscription(id).ok_or_else(not_found)?;
        let world = self.shared.world();
        let subscription = world
            .mailbox(mailbox)
            .and_then(|held| held.subscriptions.get(&number))
            .ok_or_else(not_found)?;
        if subscription.owner != self.login {
            let text = "The subscription belongs to somebody else.";
            return Err(Failure::new("ErrorSubscriptionAccessDenied", text));
        }
        if subscription.back_end != self.back_end {
            let text = "Another server has the subscription, and the request may not be handed on to it.";
            return Err(Failure::new("ErrorProxyRequestNotAllowed", text));
        }
        Ok((mailbox, number))
    }
}

fn not_found() -> Failure {
    Failure::new("ErrorSubscriptionNotFound", "The specified subscription was not found.")
}

/// The envelopes of a stream, or the body of the one that refuses it.
pub(super) fn get_streaming_events(call: Call) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + 'static, String> {
    let refuse = |failure| response(OPERATION, vec![Err(failure)]);
    let request = call.operation();
    let minutes = request.text_of("ConnectionTimeout").and_then(|text| text.parse().ok()).unwrap_or(1);
    let ids = request
        .child("SubscriptionIds")
        .map(|ids| ids.children.as_slice())
        .unwrap_or_default();
    let mut subscriptions = Vec::new();
    let mut failures = Failures::default();
    for (id, found) in ids
        .iter()
        .zip(call.batch(ids, |id| call.subscription(id.text.trim()).map(|_| Xml::new())))
    {
        match found.and_then(|_| call.subscription(id.text.trim())) {
            Ok(subscription) => subscriptions.push(subscription),
            Err(failure) => failures.add(failure, id.text.trim()),
        }
    }
    if subscriptions.is_empty() {
        return Err(response(OPERATION, failures.0.into_iter().map(Err).collect()));
    }
    let tap = Tap::open(&call, subscriptions).map_err(refuse)?;
    Ok(envelopes(tap, failures, call.shared.minute.saturating_mul(minutes), call.fault))
}

/// What is wrong with subscriptions, once for each code.
#[derive(Default)]
struct Failures(Vec<Failure>);

impl Failures {
    fn add(&mut self, failure: Failure, subscription: &str) {
        match self.0.iter_mut().find(|known| known.code == failure.code) {
            Some(known) => known.subscriptions.push(subscription.to_owned()),
            None => self.0.push(failure.about(vec![subscription.to_owned()])),
        }
    }
}

fn envelopes(
    mut tap: Tap,
    failures: Failures,
    span: Duration,
    fault: Option<FaultKind>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    async_stream::stream! {
        let begin = Instant::now();
        let pulse = tap.shared.heartbeat.max(Duration::from_millis(1));
        let mut heartbeat = interval_at(begin + pulse, pulse);
        let (stop, shared) = (tap.shared.stop.clone(), tap.shared.clone());
        let mut cut = std::pin::pin!(shared.cut.notified());
        cut.as_mut().enable();
        yield status("OK");
        for failure in failures.0 {
            yield single(Err(failure));
        }
        match fault {
            Some(FaultKind::StreamCutBetween) => {
                // Lets the connection send what it has before it fails; likewise below.
                tokio::task::yield_now().await;
                yield Err(io::ErrorKind::ConnectionAborted.into());
                return;
            }
            Some(FaultKind::StreamSilent) => {
                stop.cancelled().await;
                return;
            }
            _ => {}
        }
        loop {
            let (envelopes, gone) = tap.collect();
            for envelope in envelopes {
                if fault == Some(FaultKind::StreamCutInsideEnvelope) {
                    yield Ok(envelope.slice(..envelope.len() / 2));
                    tokio::task::yield_now().await;
                    yield Err(io::ErrorKind::ConnectionAborted.into());
                    return;
                }
                yield Ok(envelope);
            }
            for failure in gone.0 {
                yield single(Err(failure));
            }
            if tap.subscriptions.is_empty() {
                return;
            }
            tokio::select! {
                () = tap.wake.notified() => {}
                _ = heartbeat.tick() => yield status("OK"),
                () = sleep_until(begin + span) => break,
                () = stop.cancelled() => return,
                () = &mut cut => {
                    yield Err(io::ErrorKind::ConnectionAborted.into());
                    return;
                }
            }
        }
        yield status("Closed");
    }
}

/// Serves subscriptions by one stream, and counts it as open.
struct Tap {
    shared: Arc<Shared>,
    /// The mailbox whose limits it counts against.
    payer: u32,
    subscriptions: Vec<(u32, u64)>,
    wake: Arc<Notify>,
}

impl Tap {
    fn open(call: &Call, subscriptions: Vec<(u32, u64)>) -> Result<Self, Failure> {
        let (shared, wake) = (call.shared.clone(), Arc::new(Notify::new()));
        let first = subscriptions.first().map(|(mailbox, _)| *mailbox);
        let payer = call.actor.or(first).ok_or_else(not_found)?;
        {
            let mut world = shared.world();
            let limit = shared.limits.streams;
            let held = world.mailbox_mut(payer).ok_or_else(not_found)?;
            if held.streams >= limit {
                let text = "You have exceeded the available concurrent connections for your account.";
                return Err(Failure::new("ErrorExceededConnectionCount", text));
            }
            held.streams += 1;
            for (mailbox, number) in &subscriptions {
                if let Some(subscription) = world.mailbox_mut(*mailbox).and_then(|held| held.subscriptions.get_mut(number)) {
                    // The stream that served it so far ends.
                    std::mem::replace(&mut subscription.wake, wake.clone()).notify_one();
                }
            }
        }
        Ok(Self {
            shared,
            payer,
            subscriptions,
            wake,
        })
    }

    /// What has happened since, an envelope for each subscription; and what is no longer there, or no longer ours, which is left out from
    /// here on.
    fn collect(&mut self) -> (Vec<Bytes>, Failures) {
        let mut world = self.shared.world();
        let (mut envelopes, mut gone) = (Vec::new(), Failures::default());
        let mut still = Vec::new();
        for (mailbox, number) in &self.subscriptions {
            let subscription = world.mailbox_mut(*mailbox).and_then(|held| held.subscriptions.get_mut(number));
            let Some(subscription) = subscription.filter(|subscription| Arc::ptr_eq(&subscription.wake, &self.wake)) else {
                gone.add(not_found(), &self.shared.ids.subscription(*mailbox, *number));
                continue;
            };
            still.push((*mailbox, *number));
            while !subscription.waiting.is_empty() {
                let count = subscription.waiting.len().min(MAX_EVENTS);
                let notices: Vec<Notice> = subscription.waiting.drain(..count).collect();
                envelopes.push(self.notification(*mailbox, *number, &notices));
            }
        }
        drop(world);
        self.subscriptions = still;
        (envelopes, gone)
    }

    fn notification(&self, mailbox: u32, number: u64, notices: &[Notice]) -> Bytes {
        let ids = self.shared.ids;
        let folder = |xml: &mut Xml, element: &str, kind: FolderKind| {
            ids.with_key(ids.folder(mailbox, kind.index()), 1).write(xml, element);
        };
        let mut xml = Xml::new();
        xml.wrap("m:Notifications", |xml| {
            xml.wrap("m:Notification", |xml| {
                xml.leaf("t:SubscriptionId", &ids.subscription(mailbox, number));
                for notice in notices {
                    xml.wrap(&format!("t:{}", notice.event.element()), |xml| {
                        xml.leaf("t:TimeStamp", &write_time(notice.time));
                        ids.keyed_item(mailbox, notice.serial, 1).write(xml, "t:ItemId");
                        folder(xml, "t:ParentFolderId", notice.folder);
                        if let Some((serial, from)) = notice.old {
                            ids.keyed_item(mailbox, serial, 1).write(xml, "t:OldItemId");
                            folder(xml, "t:OldParentFolderId", from);
                        }
                    });
                }
            });
        });
        Bytes::from(stream_envelope(&response(OPERATION, vec![Ok(xml)])))
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if let Some(held) = self.shared.world().mailbox_mut(self.payer) {
            held.streams -= 1;
        }
    }
}

fn status(status: &str) -> io::Result<Bytes> {
    let mut xml = Xml::new();
    xml.leaf("m:ConnectionStatus", status);
    single(Ok(xml))
}

fn single(entry: Entry) -> io::Result<Bytes> {
    Ok(Bytes::from(stream_envelope(&response(OPERATION, vec![entry]))))
}
