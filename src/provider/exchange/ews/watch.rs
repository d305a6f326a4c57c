//! Notifications for one mailbox: it takes a slot in a group, subscribes, and waits for events.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::time::timeout;

use super::{
    codes::Hint,
    group::{Group, Place, Standing},
    groups::LoginStreams,
    transport::Transport,
};
use crate::{net::ProviderError, provider::Folder};

/// What is kept between calls: the place, which keeps subscription, stream and news.
pub(super) struct Watch {
    streams: Arc<LoginStreams>,
    // Locked only briefly.
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    place: Option<Arc<Place>>,
    /// Groups in which this mailbox found no footing: those that another server behind the same address holds, as a rule.
    avoided: Vec<Weak<Group>>,
}

impl Watch {
    pub(super) fn new(streams: Arc<LoginStreams>) -> Self {
        Self {
            streams,
            kept: Mutex::default(),
        }
    }

    fn place(&self, transport: &Arc<Transport>) -> Arc<Place> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { place, avoided } = &mut *kept;
        avoided.retain(|group| group.strong_count() > 0);
        place.get_or_insert_with(|| Arc::new(self.streams.join(transport, avoided))).clone()
    }

    /// Gives the place up for one in another group.
    fn go_elsewhere(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = kept.place.take() {
            kept.avoided.push(Arc::downgrade(&place.group));
        }
    }

    /// Makes what is kept look older.
    #[cfg(test)]
    pub(super) fn age(&self, by: Duration) {
        let kept = self.kept.lock().unwrap();
        kept.place.as_ref().unwrap().group.age(by);
    }
}

/// Waits for something to happen; see [`crate::provider::MailSource::wait`].
///
/// Returns at once after a new subscription, as something may have happened before it.
pub(super) async fn wait(transport: &Arc<Transport>, watch: &Watch, folders: &[Folder], limit: Duration) -> Result<(), ProviderError> {
    timeout(limit, listen(transport, watch, folders)).await.unwrap_or(Ok(()))
}

/// May be dropped at any time: nothing that has arrived is lost.
async fn listen(transport: &Arc<Transport>, watch: &Watch, folders: &[Folder]) -> Result<(), ProviderError> {
    loop {
        let place = watch.place(transport);
        match place.standing(folders) {
            Standing::Look => return Ok(()),
            Standing::Trouble { error, elsewhere } => {
                if elsewhere {
                    watch.go_elsewhere();
                }
                return Err(error);
            }
            Standing::Unsubscribed => {
                let _few = watch.streams.subscribing.acquire().await;
                if let Err(fault) = place.subscribe(transport, folders).await {
                    // The others' server cannot have it.
                    if fault.hint == Hint::SubscriptionLost && !place.is_alone() {
                        watch.go_elsewhere();
                    }
                    return Err(fault.into());
                }
            }
            // One of those waiting listens for all.
            Standing::Waiting => tokio::select! {
                () = place.bell.notified() => {}
                seat = place.group.seat() => place.listen_for_all(seat).await,
            },
        }
    }
}
