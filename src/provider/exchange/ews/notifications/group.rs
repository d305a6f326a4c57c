//! Mailboxes that share a notification stream. Each makes its own subscription, all at the same server behind the address (its cookie sees to
//! that); then one of those that wait locks the stream, listens for all, and wakes those that a notification concerns.
//!
//! When a mailbox joins or leaves, the stream is reopened, once things have settled. Nothing here is retried automatically: a fault is reported to
//! each mailbox that it concerns once, and the first that waits again afterwards opens the stream again.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use tokio::{
    runtime::Handle,
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};

use super::stream::NotificationStream;
use crate::{
    net::{ErrorClass, ProviderError},
    provider::{
        Folder,
        exchange::ews::{
            codes::Hint,
            errors::Fault,
            requests,
            responses::{self, StreamEvent},
            transport::{Affinity, Transport},
        },
    },
};

/// A stream that ends sooner than this was never usable: the caller polls, so that neither side spins.
const SHORT_STREAM: Duration = Duration::from_secs(10);
/// The same for subscriptions. Servers keep them for half an hour.
const SHORT_SUBSCRIPTION: Duration = Duration::from_mins(1);
/// How many times as long as for things to settle a stream waits when mailboxes keep coming.
const AT_MOST: u32 = 5;
/// Mailboxes in whose name a stream is asked for, one after the other, when the server refuses the first.
const ANCHORS: u32 = 2;
/// How long the remaining mailboxes wait until those that left are unsubscribed.
const UNSUBSCRIBING: Duration = Duration::from_secs(5);

/// What the operator decides about notification streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Most mailboxes that share a stream; servers take 200.
    /// <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/how-to-maintain-affinity-between-group-of-subscriptions-and-mailbox-server>
    pub mailboxes: usize,
    /// How long a stream waits for further mailboxes to come or go before it is reopened with those that are there; five times as long
    /// when they keep coming.
    pub settle: Duration,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            mailboxes: 200,
            settle: Duration::from_secs(1),
        }
    }
}

/// How many mailboxes the login's other groups have room for.
pub(super) type RoomElsewhere<'a> = &'a (dyn Fn() -> usize + Sync);

/// The locked stream of a group: whoever has it listens for all.
pub(super) type StreamGuard<'a> = tokio::sync::MutexGuard<'a, Option<NotificationStream>>;

/// Mailboxes that share a stream.
pub(super) struct Group {
    limits: StreamLimits,
    affinity: Affinity,
    /// Held by the first to subscribe, until it is known which server has the subscriptions.
    first: tokio::sync::Mutex<()>,
    stream: tokio::sync::Mutex<Option<NotificationStream>>,
    /// Wakes whoever listens when mailboxes join or leave.
    changed: Notify,
    // Locked only briefly.
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    /// In the order in which they came.
    all: BTreeMap<u64, Member>,
    last: u64,
    /// In whose name the stream is asked for.
    anchor: Option<u64>,
    /// How many anchors the server refused in a row.
    refused: u32,
    /// When the stream was opened.
    opened: Option<Instant>,
    /// Since when, and until when, mailboxes came and went that the stream does not know of.
    unsettled: Option<(Instant, Instant)>,
    /// Subscriptions of the mailboxes that left.
    left: Vec<(Arc<Transport>, String)>,
}

struct Member {
    transport: Arc<Transport>,
    subscription: Option<Subscription>,
    news: Option<News>,
    wake: Arc<Notify>,
}

struct Subscription {
    id: String,
    folders: Vec<String>,
    since: Instant,
    /// Whether a stream has been opened with it.
    served: bool,
}

/// What a mailbox is told when it asks the next time.
enum News {
    Changed,
    Fault { error: ProviderError, elsewhere: bool },
}

/// The state of a mailbox's notifications.
pub(super) enum MailboxState {
    /// Something may have happened in it.
    Changed,
    /// It gets no notifications for now.
    Fault {
        error: ProviderError,
        /// Whether another group may do better.
        elsewhere: bool,
    },
    /// It has no subscription to these folders.
    Unsubscribed,
    /// Nothing has happened.
    Waiting,
}

/// A mailbox's membership in a group. Dropped, the mailbox leaves.
pub(super) struct Membership {
    pub(super) group: Arc<Group>,
    pub(super) wake: Arc<Notify>,
    id: u64,
}

impl Group {
    pub(super) fn new(limits: StreamLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            affinity: Affinity::default(),
            first: tokio::sync::Mutex::default(),
            stream: tokio::sync::Mutex::default(),
            changed: Notify::new(),
            members: Mutex::default(),
        })
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a mailbox. `None`: there is no room.
    pub(super) fn join(self: &Arc<Self>, transport: &Arc<Transport>) -> Option<Membership> {
        let mut members = self.members();
        if members.all.len() >= self.limits.mailboxes.max(1) {
            return None;
        }
        members.last += 1;
        let (id, wake) = (members.last, Arc::new(Notify::new()));
        let member = Member {
            transport: transport.clone(),
            subscription: None,
            news: None,
            wake: wake.clone(),
        };
        members.all.insert(id, member);
        drop(members);
        Some(Membership {
            group: self.clone(),
            wake,
            id,
        })
    }

    /// How many further mailboxes can join.
    pub(super) fn room(&self) -> usize {
        self.limits.mailboxes.saturating_sub(self.members().all.len())
    }

    /// Locks the stream, once nobody else listens to it.
    pub(super) async fn lock_stream(&self) -> StreamGuard<'_> {
        self.stream.lock().await
    }

    /// Makes what is kept look older.
    #[cfg(test)]
    pub(super) fn age(&self, by: Duration) {
        for member in self.members().all.values_mut() {
            if let Some(subscription) = &mut member.subscription {
                subscription.since -= by;
            }
        }
        if let Some(opened) = &mut self.members().opened {
            *opened -= by;
        }
    }

    /// When the stream is to be reopened: `None` not as far as is known.
    fn due(&self, stream: Option<&NotificationStream>) -> Option<Instant> {
        match stream {
            Some(_) => self.members().unsettled.map(|(_, until)| until),
            None => Some(Instant::now()),
        }
    }

    /// Closes the stream when it serves nobody any more.
    fn close_if_idle(&self, stream: &mut Option<NotificationStream>) {
        let members = self.members();
        let _ = stream.take_if(|open| !members.subscribed().any(|(_, id)| open.serves(id)));
    }

    /// Opens the stream with all subscriptions that there are, and notifies the mailboxes whose subscription is new. `room_elsewhere` counts
    /// the mailboxes that other groups of the login have room for.
    async fn open(&self, stream: &mut Option<NotificationStream>, room_elsewhere: RoomElsewhere<'_>) {
        // What has arrived meanwhile is not lost.
        while let Some(events) = stream.as_mut().and_then(|open| open.next().now_or_never()) {
            self.handle(events, stream);
        }
        *stream = None;
        self.unsubscribe_those_who_left().await;
        let Some(Audience { anchor, transport, ids }) = self.members().plan_stream() else {
            return;
        };
        self.affinity.set_anchor(transport.anchor());
        let answer = transport.stream(requests::get_streaming_events(&ids), &self.affinity).await;
        match answer {
            Ok(answer) => {
                self.members().mark_served(&ids);
                *stream = Some(NotificationStream::new(answer, transport, ids));
            }
            Err(fault) => self.refused(&fault, anchor, &ids, room_elsewhere),
        }
    }

    /// Unsubscribes the mailboxes that left, as far as the server lets it be done soon.
    async fn unsubscribe_those_who_left(&self) {
        let left = std::mem::take(&mut self.members().left);
        let unsubscribed = stream::iter(left)
            .map(Ok)
            .try_for_each_concurrent(4, async |(transport, id): (Arc<Transport>, String)| {
                match transport.call_in(requests::unsubscribe(&id), &self.affinity).await {
                    // Every further try could lock the account.
                    Err(fault) if fault.error.class == ErrorClass::LoginRequired => Err(()),
                    // The server ends them on its own after a while.
                    _ => Ok(()),
                }
            });
        let _ = timeout(UNSUBSCRIBING, unsubscribed).await;
    }

    /// Handles what the stream reported.
    fn handle(&self, events: Result<Vec<StreamEvent>, Fault>, stream: &mut Option<NotificationStream>) {
        let events = events.unwrap_or_else(|fault| vec![StreamEvent::Failed { ids: Vec::new(), fault }]);
        for event in events {
            match event {
                StreamEvent::Alive => {}
                StreamEvent::Changed(ids) => self.members().notify_changed(|id| ids.iter().any(|changed| changed == id)),
                StreamEvent::Failed { ids, fault } if !ids.is_empty() => {
                    self.lost(&ids, &fault);
                    self.close_if_idle(stream);
                }
                StreamEvent::Failed { fault, .. } => return self.ended(stream, Some(fault)),
                StreamEvent::Closed => return self.ended(stream, None),
            }
        }
    }

    /// The stream is over: the mailboxes that it served count as changed once, or poll if it was too short.
    fn ended(&self, stream: &mut Option<NotificationStream>, fault: Option<Fault>) {
        let Some(over) = stream.take() else { return };
        let fault = fault.unwrap_or_else(|| {
            over.transport.judge.fault(
                ErrorClass::Retry { after: None },
                "{host} ended the notifications right after they began. The mailbox is read at intervals instead.",
                "",
            )
        });
        if fault.hint == Hint::SubscriptionLost {
            self.lost(&over.ids, &fault);
            return;
        }
        let mut members = self.members();
        if members.opened.is_none_or(|opened| opened.elapsed() < SHORT_STREAM) {
            let anchor = members.anchor.map(|anchor| (anchor, 0));
            members.notify_fault(&fault, |id| over.serves(id), anchor);
        } else {
            members.notify_changed(|id| over.serves(id));
        }
    }

    /// These subscriptions are gone: mailboxes that had them for long make others, the rest polls.
    fn lost(&self, ids: &[String], fault: &Fault) {
        let mut members = self.members();
        let elsewhere = members.all.len() > 1;
        for member in members.all.values_mut() {
            let Some(lost) = member.subscription.take_if(|one| ids.contains(&one.id)) else {
                continue;
            };
            if fault.hint != Hint::SubscriptionLost || lost.since.elapsed() < SHORT_SUBSCRIPTION {
                let error = fault.error.to_be_kept();
                member.news = Some(News::Fault { error, elsewhere });
            }
            member.wake.notify_one();
        }
        if members.subscribed().next().is_none() {
            // Whoever subscribes first finds out where they go now.
            self.affinity.forget();
        }
    }

    /// The server gives no stream. A fault of the anchor's own mailbox does not concern the others.
    fn refused(&self, fault: &Fault, anchor: u64, ids: &[String], room_elsewhere: RoomElsewhere<'_>) {
        if fault.hint == Hint::SubscriptionLost {
            return self.lost(ids, fault);
        }
        // Whoever finds room in another group goes there: fewer streams, with more in each.
        let room = match fault.hint {
            Hint::TooManyStreams => room_elsewhere(),
            _ => 0,
        };
        let mut members = self.members();
        members.refused += 1;
        let others = members.subscribed().count() > 1;
        if others && fault.error.class == ErrorClass::Refused && members.refused < ANCHORS {
            if let Some(member) = members.all.get_mut(&anchor) {
                member.subscription = None;
                member.notify_fault(fault.error.to_be_kept(), 0);
            }
            return;
        }
        members.refused = 0;
        if fault.hint == Hint::TooManyStreams {
            members.next_anchor();
        }
        members.notify_fault(fault, |id| ids.iter().any(|one| one == id), Some((anchor, room)));
    }
}

/// Whom a stream is to serve.
struct Audience {
    /// The mailbox in whose name it is requested.
    anchor: u64,
    /// That mailbox's.
    transport: Arc<Transport>,
    /// All subscriptions.
    ids: Vec<String>,
}

impl Members {
    /// Subscriptions, by mailbox.
    fn subscribed(&self) -> impl Iterator<Item = (u64, &str)> {
        self.all
            .iter()
            .filter_map(|(id, member)| Some((*id, member.subscription.as_ref()?.id.as_str())))
    }

    /// Whom a stream is to serve; `None` when there are no subscriptions. From here on nothing is unsettled.
    fn plan_stream(&mut self) -> Option<Audience> {
        let ids = self.subscribed().map(|(_, id)| id.to_owned()).collect();
        let good = |members: &Self, id: u64| members.all.get(&id).is_some_and(|one| one.transport.is_free());
        let subscribed: Vec<u64> = self.subscribed().map(|(id, _)| id).collect();
        let before = self.anchor.filter(|id| subscribed.contains(id));
        let mut candidates = before.into_iter().chain(subscribed.iter().copied());
        let anchor = candidates.find(|id| good(self, *id)).or(before).or(subscribed.first().copied())?;
        self.anchor = Some(anchor);
        self.unsettled = None;
        Some(Audience {
            anchor,
            transport: self.all.get(&anchor)?.transport.clone(),
            ids,
        })
    }

    /// Lets the stream be asked for in another mailbox's name the next time.
    fn next_anchor(&mut self) {
        let after = self.anchor.unwrap_or_default();
        let next = self.subscribed().map(|(id, _)| id).find(|id| *id > after);
        self.anchor = next;
    }

    /// A stream serves these subscriptions. As things may have happened before, those that are new count as changed once.
    fn mark_served(&mut self, ids: &[String]) {
        (self.refused, self.opened) = (0, Some(Instant::now()));
        for member in self.all.values_mut() {
            if let Some(subscription) = &mut member.subscription
                && !subscription.served
                && ids.contains(&subscription.id)
            {
                subscription.served = true;
                member.notify_changed();
            }
        }
    }

    fn notify_changed(&mut self, concerned: impl Fn(&str) -> bool) {
        for member in self.all.values_mut() {
            if member.subscription.as_ref().is_some_and(|one| concerned(&one.id)) {
                member.notify_changed();
            }
        }
    }

    /// Reports a fault to the mailboxes that it concerns. One that an anchor ran into may ask for a pause, which is that mailbox's own; then so
    /// many may go elsewhere.
    fn notify_fault(&mut self, fault: &Fault, concerned: impl Fn(&str) -> bool, anchor: Option<(u64, usize)>) {
        let mut room = anchor.map_or(0, |(_, room)| room);
        for (id, member) in &mut self.all {
            if !member.subscription.as_ref().is_some_and(|one| concerned(&one.id)) {
                continue;
            }
            let mut error = fault.error.to_be_kept();
            if let ErrorClass::Retry { after } = &mut error.class
                && anchor.is_some_and(|(anchor, _)| anchor != *id)
            {
                *after = None;
            }
            member.notify_fault(error, room);
            room = room.saturating_sub(1);
        }
    }

    /// A mailbox joined or left.
    fn unsettle(&mut self, limits: StreamLimits) {
        let now = Instant::now();
        let since = self.unsettled.map_or(now, |(since, _)| since);
        let until = (now + limits.settle).min(since + limits.settle * AT_MOST);
        self.unsettled = Some((since, until));
    }
}

impl Member {
    fn notify_changed(&mut self) {
        // A fault that was not yet reported is reported first; then the mailbox is polled anyway.
        self.news.get_or_insert(News::Changed);
        self.wake.notify_one();
    }

    /// `room` is how many mailboxes other groups have room for.
    fn notify_fault(&mut self, error: ProviderError, room: usize) {
        self.news = Some(News::Fault {
            error,
            elsewhere: room > 0,
        });
        self.wake.notify_one();
    }
}

impl Membership {
    /// The current state. News is told once.
    pub(super) fn state(&self, folders: &[Folder]) -> MailboxState {
        let mut members = self.group.members();
        let Some(member) = members.all.get_mut(&self.id) else {
            return MailboxState::Unsubscribed;
        };
        match member.news.take() {
            Some(News::Changed) => return MailboxState::Changed,
            Some(News::Fault { error, elsewhere }) => return MailboxState::Fault { error, elsewhere },
            None => {}
        }
        let wanted = folders.iter().map(|folder| &folder.id);
        match &member.subscription {
            Some(subscription) if wanted.eq(&subscription.folders) => MailboxState::Waiting,
            _ => MailboxState::Unsubscribed,
        }
    }

    /// Whether nobody else is in the group.
    pub(super) fn is_alone(&self) -> bool {
        self.group.members().all.len() == 1
    }

    /// Subscribes to these folders, at the server behind the address that has the others' subscriptions.
    ///
    /// # Errors
    /// When the server does not let it.
    pub(super) async fn subscribe(&self, transport: &Transport, folders: &[Folder]) -> Result<(), Fault> {
        let group = &self.group;
        let turn = group.first.lock().await;
        let first = (!group.affinity.is_known()).then_some(turn);
        if first.is_some() {
            group.affinity.set_anchor(transport.anchor());
        }
        let body = transport.call_in(requests::subscribe(folders), &group.affinity).await?;
        let id = responses::subscription(&transport.judge, &body)?;
        group.affinity.found(transport);
        drop(first);
        let mut members = group.members();
        if let Some(member) = members.all.get_mut(&self.id) {
            member.subscription = Some(Subscription {
                id,
                folders: folders.iter().map(|folder| folder.id.clone()).collect(),
                since: Instant::now(),
                served: false,
            });
        }
        members.unsettle(group.limits);
        group.changed.notify_one();
        Ok(())
    }

    /// Listens for all until there is news for this mailbox, opening the stream where need be.
    ///
    /// May be dropped at any time: what has arrived stays in the stream, which stays for whoever locks it next.
    pub(super) async fn listen_for_all(&self, mut stream_guard: StreamGuard<'_>, room_elsewhere: RoomElsewhere<'_>) {
        self.group.close_if_idle(&mut stream_guard);
        if let Some(stream) = &mut *stream_guard {
            stream.taken_over();
        }
        while self.is_waiting() {
            let due = self.group.due(stream_guard.as_ref());
            if due.is_some_and(|due| due <= Instant::now()) {
                self.group.open(&mut stream_guard, room_elsewhere).await;
                continue;
            }
            let Some(stream) = &mut *stream_guard else { continue };
            let settled = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                events = stream.next() => self.group.handle(events, &mut stream_guard),
                () = settled => {}
                () = self.group.changed.notified() => {}
            }
        }
    }

    /// Whether this mailbox is subscribed, and has no news.
    fn is_waiting(&self) -> bool {
        let members = self.group.members();
        let member = members.all.get(&self.id);
        member.is_some_and(|member| member.news.is_none() && member.subscription.is_some())
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut members = self.group.members();
        let gone = members.all.remove(&self.id);
        if let Some(Member {
            transport,
            subscription: Some(subscription),
            ..
        }) = gone
        {
            members.left.push((transport, subscription.id));
            members.unsettle(self.group.limits);
            self.group.changed.notify_one();
            // Nobody else is left to do it. Otherwise the server ends them on its own after a while.
            if members.all.is_empty()
                && let Ok(runtime) = Handle::try_current()
            {
                members.left.retain(|(transport, _)| transport.may_be_tried());
                let group = self.group.clone();
                runtime.spawn(async move { group.unsubscribe_those_who_left().await });
            }
        }
    }
}
