//! Mailboxes that share a notification stream. Each makes its own subscription, all at the same server behind the address (its cookie sees to
//! that); then one of those who wait holds the seat, listens for all, and rings the bell of those whom a notification concerns.
//!
//! When a mailbox joins or leaves, the stream is reopened, once things have settled. Nothing here is retried automatically: a fault is reported to
//! each of those whom it concerns once, and the first who waits again afterwards opens the stream again.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use tokio::{
    runtime::Handle,
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};

use super::{
    codes::Hint,
    errors::Fault,
    groups::{LoginStreams, StreamLimits},
    requests, responses,
    responses::Said,
    stream::NotificationStream,
    transport::{Affinity, Transport},
};
use crate::{
    net::{ErrorClass, ProviderError},
    provider::Folder,
};

/// A stream that ends sooner than this was never any good: the caller polls, lest both sides spin.
const SHORT_STREAM: Duration = Duration::from_secs(10);
/// The same for subscriptions. Servers keep them for half an hour.
const SHORT_SUBSCRIPTION: Duration = Duration::from_mins(1);
/// How many times as long as for things to settle a stream waits when mailboxes keep coming.
const AT_MOST: u32 = 5;
/// Mailboxes in whose name a stream is asked for, one after the other, when the server refuses the first.
const ANCHORS: u32 = 2;
/// How long those who stay wait until those who left are unsubscribed.
const GOODBYE: Duration = Duration::from_secs(5);

/// Whoever holds it listens for all.
pub(super) type Seat<'a> = tokio::sync::MutexGuard<'a, Option<NotificationStream>>;

/// Mailboxes that share a stream.
pub(super) struct Group {
    limits: StreamLimits,
    /// All groups of the login.
    streams: Weak<LoginStreams>,
    affinity: Affinity,
    /// Held by the first to subscribe, until it is known which server has the subscriptions.
    first: tokio::sync::Mutex<()>,
    stream: tokio::sync::Mutex<Option<NotificationStream>>,
    /// Tells who listens that mailboxes came or went.
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
    /// Subscriptions of those who left.
    left: Vec<(Arc<Transport>, String)>,
}

struct Member {
    transport: Arc<Transport>,
    subscription: Option<Subscription>,
    news: Option<News>,
    bell: Arc<Notify>,
}

struct Subscription {
    id: String,
    folders: Vec<String>,
    since: Instant,
    /// Whether a stream has been opened with it.
    served: bool,
}

enum News {
    Look,
    Trouble { error: ProviderError, elsewhere: bool },
}

/// How it stands with a mailbox.
pub(super) enum Standing {
    /// Something may have happened in it.
    Look,
    /// It gets no notifications for now.
    Trouble {
        error: ProviderError,
        /// Whether another group may do better.
        elsewhere: bool,
    },
    /// It has no subscription to these folders.
    Unsubscribed,
    /// Nothing has happened.
    Waiting,
}

/// A mailbox's place in a group. Dropped, the mailbox leaves.
pub(super) struct Place {
    pub(super) group: Arc<Group>,
    pub(super) bell: Arc<Notify>,
    id: u64,
}

impl Group {
    pub(super) fn new(limits: StreamLimits, streams: Weak<LoginStreams>) -> Arc<Self> {
        Arc::new(Self {
            limits,
            streams,
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

    /// A place, `None` when there is no room.
    pub(super) fn enter(self: &Arc<Self>, transport: &Arc<Transport>) -> Option<Place> {
        let mut members = self.members();
        if members.all.len() >= self.limits.mailboxes.max(1) {
            return None;
        }
        members.last += 1;
        let (id, bell) = (members.last, Arc::new(Notify::new()));
        let member = Member {
            transport: transport.clone(),
            subscription: None,
            news: None,
            bell: bell.clone(),
        };
        members.all.insert(id, member);
        drop(members);
        Some(Place {
            group: self.clone(),
            bell,
            id,
        })
    }

    /// Further mailboxes that would find a place.
    pub(super) fn room(&self) -> usize {
        self.limits.mailboxes.saturating_sub(self.members().all.len())
    }

    /// The seat of who listens, once it is free.
    pub(super) async fn seat(&self) -> Seat<'_> {
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

    /// Closes the stream when there is nobody left whom it serves.
    fn close_if_idle(&self, stream: &mut Option<NotificationStream>) {
        let members = self.members();
        let _ = stream.take_if(|open| !members.subscribed().any(|(_, id)| open.serves(id)));
    }

    /// Opens the stream with all subscriptions that there are, and tells those to look whose subscription is new.
    async fn open(&self, stream: &mut Option<NotificationStream>) {
        // What has arrived meanwhile is not lost.
        while let Some(said) = stream.as_mut().and_then(|open| open.next().now_or_never()) {
            self.heed(said, stream);
        }
        *stream = None;
        self.say_goodbye().await;
        let Some((anchor, transport, ids)) = self.members().whom_to_serve() else {
            return;
        };
        self.affinity.set_anchor(transport.anchor());
        let answer = transport.stream(requests::get_streaming_events(&ids), &self.affinity).await;
        match answer {
            Ok(answer) => {
                self.members().welcome(&ids);
                *stream = Some(NotificationStream::new(answer, transport, ids));
            }
            Err(fault) => self.refused(&fault, anchor, &ids),
        }
    }

    /// Unsubscribes those who left, as far as the server lets it be done soon.
    async fn say_goodbye(&self) {
        let left = std::mem::take(&mut self.members().left);
        let goodbyes = stream::iter(left)
            .map(Ok)
            .try_for_each_concurrent(4, async |(transport, id): (Arc<Transport>, String)| {
                match transport.call_in(requests::unsubscribe(&id), &self.affinity).await {
                    // Every further try could lock the account.
                    Err(fault) if fault.error.class == ErrorClass::LoginRequired => Err(()),
                    // The server ends them on its own after a while.
                    _ => Ok(()),
                }
            });
        let _ = timeout(GOODBYE, goodbyes).await;
    }

    /// Does what the stream says.
    fn heed(&self, said: Result<Vec<Said>, Fault>, stream: &mut Option<NotificationStream>) {
        let said = said.unwrap_or_else(|fault| vec![Said::Failed { ids: Vec::new(), fault }]);
        for said in said {
            match said {
                Said::Alive => {}
                Said::Changed(ids) => self.members().tell_to_look(|id| ids.iter().any(|changed| changed == id)),
                Said::Failed { ids, fault } if !ids.is_empty() => {
                    self.lost(&ids, &fault);
                    self.close_if_idle(stream);
                }
                Said::Failed { fault, .. } => return self.ended(stream, Some(fault)),
                Said::Closed => return self.ended(stream, None),
            }
        }
    }

    /// The stream is over: those whom it served look once, or poll if it was no good.
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
            members.tell_trouble(&fault, |id| over.serves(id), anchor);
        } else {
            members.tell_to_look(|id| over.serves(id));
        }
    }

    /// These subscriptions are gone: those who had them for long make others, the rest polls.
    fn lost(&self, ids: &[String], fault: &Fault) {
        let mut members = self.members();
        let elsewhere = members.all.len() > 1;
        for member in members.all.values_mut() {
            let Some(lost) = member.subscription.take_if(|one| ids.contains(&one.id)) else {
                continue;
            };
            if fault.hint != Hint::SubscriptionLost || lost.since.elapsed() < SHORT_SUBSCRIPTION {
                let error = fault.error.to_be_kept();
                member.news = Some(News::Trouble { error, elsewhere });
            }
            member.bell.notify_one();
        }
        if members.subscribed().next().is_none() {
            // Whoever subscribes first finds out where they go now.
            self.affinity.forget();
        }
    }

    /// The server gives no stream. What it has against the anchor is none of the others' business.
    fn refused(&self, fault: &Fault, anchor: u64, ids: &[String]) {
        if fault.hint == Hint::SubscriptionLost {
            return self.lost(ids, fault);
        }
        // Whoever finds room in another group goes there: fewer streams, with more in each.
        let room = match fault.hint {
            Hint::TooManyStreams => self.streams.upgrade().map_or(0, |streams| streams.room_beside(self)),
            _ => 0,
        };
        let mut members = self.members();
        members.refused += 1;
        let others = members.subscribed().count() > 1;
        if others && fault.error.class == ErrorClass::Refused && members.refused < ANCHORS {
            if let Some(member) = members.all.get_mut(&anchor) {
                member.subscription = None;
                member.trouble(fault.error.to_be_kept(), false);
            }
            return;
        }
        members.refused = 0;
        if fault.hint == Hint::TooManyStreams {
            members.next_anchor();
        }
        members.tell_trouble(fault, |id| ids.iter().any(|one| one == id), Some((anchor, room)));
    }
}

impl Members {
    /// Subscriptions, by mailbox.
    fn subscribed(&self) -> impl Iterator<Item = (u64, &str)> {
        self.all
            .iter()
            .filter_map(|(id, member)| Some((*id, member.subscription.as_ref()?.id.as_str())))
    }

    /// The anchor with its transport, and all subscriptions; `None` when there are none. From here on nothing is unsettled.
    fn whom_to_serve(&mut self) -> Option<(u64, Arc<Transport>, Vec<String>)> {
        let ids = self.subscribed().map(|(_, id)| id.to_owned()).collect();
        let good = |members: &Self, id: u64| members.all.get(&id).is_some_and(|one| one.transport.is_free());
        let subscribed: Vec<u64> = self.subscribed().map(|(id, _)| id).collect();
        let before = self.anchor.filter(|id| subscribed.contains(id));
        let mut candidates = before.into_iter().chain(subscribed.iter().copied());
        let anchor = candidates.find(|id| good(self, *id)).or(before).or(subscribed.first().copied())?;
        self.anchor = Some(anchor);
        self.unsettled = None;
        Some((anchor, self.all.get(&anchor)?.transport.clone(), ids))
    }

    /// Lets the stream be asked for in another mailbox's name the next time.
    fn next_anchor(&mut self) {
        let after = self.anchor.unwrap_or_default();
        let next = self.subscribed().map(|(id, _)| id).find(|id| *id > after);
        self.anchor = next;
    }

    /// A stream serves these subscriptions. As things may have happened before, those that are new look once.
    fn welcome(&mut self, ids: &[String]) {
        (self.refused, self.opened) = (0, Some(Instant::now()));
        for member in self.all.values_mut() {
            if let Some(subscription) = &mut member.subscription
                && !subscription.served
                && ids.contains(&subscription.id)
            {
                subscription.served = true;
                member.look();
            }
        }
    }

    fn tell_to_look(&mut self, concerned: impl Fn(&str) -> bool) {
        for member in self.all.values_mut() {
            if member.subscription.as_ref().is_some_and(|one| concerned(&one.id)) {
                member.look();
            }
        }
    }

    /// Tells those whom it concerns of a fault. One that an anchor ran into may ask for a pause, which is that mailbox's own; then so many
    /// may go elsewhere.
    fn tell_trouble(&mut self, fault: &Fault, concerned: impl Fn(&str) -> bool, anchor: Option<(u64, usize)>) {
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
            member.trouble(error, room > 0);
            room = room.saturating_sub(1);
        }
    }

    /// Somebody came or went.
    fn unsettle(&mut self, limits: StreamLimits) {
        let now = Instant::now();
        let since = self.unsettled.map_or(now, |(since, _)| since);
        let until = (now + limits.settle).min(since + limits.settle * AT_MOST);
        self.unsettled = Some((since, until));
    }
}

impl Member {
    fn look(&mut self) {
        // A fault that was not yet told is told first; then there is polling anyway.
        self.news.get_or_insert(News::Look);
        self.bell.notify_one();
    }

    fn trouble(&mut self, error: ProviderError, elsewhere: bool) {
        self.news = Some(News::Trouble { error, elsewhere });
        self.bell.notify_one();
    }
}

impl Place {
    /// How it stands. News are told once.
    pub(super) fn standing(&self, folders: &[Folder]) -> Standing {
        let mut members = self.group.members();
        let Some(member) = members.all.get_mut(&self.id) else {
            return Standing::Unsubscribed;
        };
        match member.news.take() {
            Some(News::Look) => return Standing::Look,
            Some(News::Trouble { error, elsewhere }) => return Standing::Trouble { error, elsewhere },
            None => {}
        }
        let wanted = folders.iter().map(|folder| &folder.id);
        match &member.subscription {
            Some(subscription) if wanted.eq(&subscription.folders) => Standing::Waiting,
            _ => Standing::Unsubscribed,
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
    /// May be dropped at any time: what has arrived stays in the stream, which stays for whoever takes the seat next.
    pub(super) async fn listen_for_all(&self, mut seat: Seat<'_>) {
        self.group.close_if_idle(&mut seat);
        if let Some(stream) = &mut *seat {
            stream.taken_over();
        }
        while self.is_waiting() {
            let due = self.group.due(seat.as_ref());
            if due.is_some_and(|due| due <= Instant::now()) {
                self.group.open(&mut seat).await;
                continue;
            }
            let Some(stream) = &mut *seat else { continue };
            let settled = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                said = stream.next() => self.group.heed(said, &mut seat),
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

impl Drop for Place {
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
            // Nobody is left who would see to it. Elsewhere the server ends them on its own after a while.
            if members.all.is_empty()
                && let Ok(runtime) = Handle::try_current()
            {
                members.left.retain(|(transport, _)| transport.may_be_tried());
                let group = self.group.clone();
                runtime.spawn(async move { group.say_goodbye().await });
            }
        }
    }
}
