//! Notifications for one mailbox: it joins a group, subscribes, and waits for events.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::time::timeout;

use super::{
    group::{Group, MailboxState, Membership},
    logins::LoginStreams,
};
use crate::{
    net::ProviderError,
    provider::{
        Folder,
        exchange::ews::{codes::Hint, transport::Transport},
    },
};

/// What is kept between calls: the membership, which keeps subscription, stream and news.
pub(in crate::provider::exchange::ews) struct Subscriber {
    streams: Arc<LoginStreams>,
    // Locked only briefly.
    kept: Mutex<SubscriberState>,
}

#[derive(Default)]
struct SubscriberState {
    membership: Option<Arc<Membership>>,
    /// Groups that this mailbox could not use, usually because another server behind the same address has their subscriptions.
    avoided: Vec<Weak<Group>>,
}

impl Subscriber {
    pub(in crate::provider::exchange::ews) fn new(streams: Arc<LoginStreams>) -> Self {
        Self {
            streams,
            kept: Mutex::default(),
        }
    }

    fn membership(&self, transport: &Arc<Transport>) -> Arc<Membership> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let SubscriberState { membership, avoided } = &mut *kept;
        avoided.retain(|group| group.strong_count() > 0);
        membership
            .get_or_insert_with(|| Arc::new(self.streams.join(transport, avoided)))
            .clone()
    }

    /// Leaves the group for another one.
    fn go_elsewhere(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(membership) = kept.membership.take() {
            kept.avoided.push(Arc::downgrade(&membership.group));
        }
    }

    /// Makes what is kept look older.
    #[cfg(test)]
    pub(in crate::provider::exchange::ews) fn age(&self, by: Duration) {
        let kept = self.kept.lock().unwrap();
        kept.membership.as_ref().unwrap().group.age(by);
    }
}

/// Waits for something to happen; see [`crate::provider::MailSource::wait`].
///
/// Returns at once after a new subscription, as something may have happened before it.
pub(in crate::provider::exchange::ews) async fn wait(
    transport: &Arc<Transport>,
    subscriber: &Subscriber,
    folders: &[Folder],
    limit: Duration,
) -> Result<(), ProviderError> {
    timeout(limit, listen(transport, subscriber, folders)).await.unwrap_or(Ok(()))
}

/// May be dropped at any time: nothing that has arrived is lost.
async fn listen(transport: &Arc<Transport>, subscriber: &Subscriber, folders: &[Folder]) -> Result<(), ProviderError> {
    loop {
        let membership = subscriber.membership(transport);
        match membership.state(folders) {
            MailboxState::Changed => return Ok(()),
            MailboxState::Fault { error, elsewhere } => {
                if elsewhere {
                    subscriber.go_elsewhere();
                }
                return Err(error);
            }
            MailboxState::Unsubscribed => {
                let _few = subscriber.streams.subscribing.acquire().await;
                if let Err(fault) = membership.subscribe(transport, folders).await {
                    // The others' server cannot have it.
                    if fault.hint == Hint::SubscriptionLost && !membership.is_alone() {
                        subscriber.go_elsewhere();
                    }
                    return Err(fault.into());
                }
            }
            // One of those waiting listens for all.
            MailboxState::Waiting => tokio::select! {
                () = membership.wake.notified() => {}
                stream = membership.group.lock_stream() => {
                    let room_elsewhere = || subscriber.streams.room_beside(&membership.group);
                    membership.listen_for_all(stream, &room_elsewhere).await;
                }
            },
        }
    }
}
