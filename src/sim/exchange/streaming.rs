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
    properties::write_id,
    subscriptions::{EventKind, Notice, Subscription},
    world::FolderKind,
    xml::{Element, Xml, stream_envelope},
};

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
                folders: (!all).then(|| folders.into_iter().map(|(_, folder)| folder).collect::<HashSet<FolderKind>>()),
                events: types.iter().filter_map(|kind| EventKind::parse(kind.text.trim())).collect(),
                waiting: VecDeque::new(),
                wake: Arc::default(),
            };
            let limit = self.shared.limits.subscriptions;
            let number = world.mailbox_mut(mailbox).and_then(|held| held.subscribe(subscription, limit));
            let exceeded = || {
                Failure::new(
                    "ErrorExceededSubscriptionCount",
                    "You have exceeded the available subscriptions for your account.",
                )
            };
            let mut xml = Xml::new();
            xml.leaf(
                "m:SubscriptionId",
                &self.shared.ids.subscription(mailbox, number.ok_or_else(exceeded)?),
            );
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
        let foreign = || Failure::new("ErrorSubscriptionAccessDenied", "The subscription belongs to somebody else.");
        (subscription.owner == self.login).then_some((mailbox, number)).ok_or_else(foreign)
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
    let entries = call.batch(ids, |id| call.subscription(id.text.trim()).map(|_| Xml::new()));
    if let Some(failure) = entries.into_iter().find_map(Result::err) {
        return Err(refuse(failure));
    }
    let subscriptions = ids
        .iter()
        .map(|id| call.subscription(id.text.trim()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(refuse)?;
    let tap = Tap::open(call.shared.clone(), subscriptions).map_err(refuse)?;
    Ok(envelopes(tap, call.shared.minute.saturating_mul(minutes), call.fault))
}

fn envelopes(tap: Tap, span: Duration, fault: Option<FaultKind>) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    async_stream::stream! {
        let begin = Instant::now();
        let pulse = tap.shared.heartbeat.max(Duration::from_millis(1));
        let mut heartbeat = interval_at(begin + pulse, pulse);
        let stop = tap.shared.stop.clone();
        yield status("OK");
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
            let (envelopes, alive) = tap.collect();
            for envelope in envelopes {
                if fault == Some(FaultKind::StreamCutInsideEnvelope) {
                    yield Ok(envelope.slice(..envelope.len() / 2));
                    tokio::task::yield_now().await;
                    yield Err(io::ErrorKind::ConnectionAborted.into());
                    return;
                }
                yield Ok(envelope);
            }
            if !alive {
                yield single(Err(not_found()));
                return;
            }
            tokio::select! {
                () = tap.wake.notified() => {}
                _ = heartbeat.tick() => yield status("OK"),
                () = sleep_until(begin + span) => break,
                () = stop.cancelled() => return,
            }
        }
        yield status("Closed");
    }
}

/// Serves subscriptions by one stream, and counts it as open.
struct Tap {
    shared: Arc<Shared>,
    subscriptions: Vec<(u32, u64)>,
    wake: Arc<Notify>,
}

impl Tap {
    fn open(shared: Arc<Shared>, subscriptions: Vec<(u32, u64)>) -> Result<Self, Failure> {
        let wake = Arc::new(Notify::new());
        {
            let mut world = shared.world();
            let limit = shared.limits.streams;
            let held = subscriptions
                .first()
                .and_then(|(mailbox, _)| world.mailbox_mut(*mailbox))
                .ok_or_else(not_found)?;
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
            subscriptions,
            wake,
        })
    }

    /// What has happened since, an envelope for each subscription; and whether all subscriptions are still there and ours.
    fn collect(&self) -> (Vec<Bytes>, bool) {
        let mut world = self.shared.world();
        let mut envelopes = Vec::new();
        for (mailbox, number) in &self.subscriptions {
            let subscription = world.mailbox_mut(*mailbox).and_then(|held| held.subscriptions.get_mut(number));
            let Some(subscription) = subscription.filter(|subscription| Arc::ptr_eq(&subscription.wake, &self.wake)) else {
                return (envelopes, false);
            };
            while !subscription.waiting.is_empty() {
                let count = subscription.waiting.len().min(MAX_EVENTS);
                let notices: Vec<Notice> = subscription.waiting.drain(..count).collect();
                envelopes.push(self.notification(*mailbox, *number, &notices));
            }
        }
        (envelopes, true)
    }

    fn notification(&self, mailbox: u32, number: u64, notices: &[Notice]) -> Bytes {
        let ids = self.shared.ids;
        let folder = |xml: &mut Xml, element: &str, kind: FolderKind| {
            let (id, key) = (ids.folder(mailbox, kind.index()), ids.change_key(1));
            xml.empty(element, &[("Id", &id), ("ChangeKey", &key)]);
        };
        let mut xml = Xml::new();
        xml.wrap("m:Notifications", |xml| {
            xml.wrap("m:Notification", |xml| {
                xml.leaf("t:SubscriptionId", &ids.subscription(mailbox, number));
                for notice in notices {
                    xml.wrap(&format!("t:{}", notice.event.element()), |xml| {
                        xml.leaf("t:TimeStamp", &notice.time.to_string());
                        write_id(xml, "t:ItemId", &self.shared, mailbox, notice.serial, 1);
                        folder(xml, "t:ParentFolderId", notice.folder);
                        if let Some((serial, from)) = notice.old {
                            write_id(xml, "t:OldItemId", &self.shared, mailbox, serial, 1);
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
        let mut world = self.shared.world();
        if let Some(held) = self.subscriptions.first().and_then(|(mailbox, _)| world.mailbox_mut(*mailbox)) {
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
