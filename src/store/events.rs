//! The event log: appended last in the writer's transaction, read at each subscriber's pace.
//!
//! Positions come from a counter whose row stays locked until commit, so they are in commit order, on both databases and for
//! any number of replicas; a sequence would not give that. Archived messages draw from the same counter, see `messages.rs`.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use tokio::sync::watch;

use super::{Reader, TenantStore, Writer, entity::event, entity::tenant_position, rows::insert_all, store_error, stored};
use crate::domain::{Event, EventKind, EventName, Result, TenantId, Timestamp};

/// With several replicas, commits of the others are seen at this pace.
const POLL: Duration = Duration::from_millis(500);

/// A section of the log.
#[derive(Clone, Debug)]
pub struct EventPage {
    /// The events, in order.
    pub events: Vec<Event>,
    /// Everything up to here has been read.
    pub read_to: i64,
    /// Events up to here are no longer kept. A reader that stands before it has missed some.
    pub oldest: i64,
}

impl Writer {
    /// Appends events, in their order. `ids` gives each its id.
    pub async fn append_events(&mut self, events: Vec<(String, EventKind)>, now: Timestamp) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let first = self.allocate_positions(events.len()).await?;
        let rows = events.into_iter().zip(first..).map(|((id, kind), position)| event::ActiveModel {
            tenant_id: Set(self.tenant.to_string()),
            position: Set(position),
            id: Set(id),
            kind: Set(kind.name().as_str().to_owned()),
            payload: Set(stored::write_event(kind)),
            time: Set(now.0),
        });
        insert_all(&self.conn, rows, None).await
    }
}

impl<C: ConnectionTrait> TenantStore<C> {
    /// The last committed position, and the one up to which events are no longer kept. Both 0 for a new tenant.
    pub async fn log_bounds(&self) -> Result<(i64, i64)> {
        let row = tenant_position::Entity::find_by_id(self.tenant.to_string())
            .one(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(row.map_or((0, 0), |row| (row.last, row.oldest)))
    }

    /// Reads at most `limit` events of some kinds behind `after`.
    pub async fn events_after(&self, after: i64, kinds: &[EventName], limit: u64) -> Result<EventPage> {
        // Read first: whatever commits in the meantime comes after it and is left to the next page.
        let (last, _) = self.log_bounds().await?;
        let rows = event::Entity::find()
            .filter(event::Column::TenantId.eq(self.tenant.as_str()))
            .filter(event::Column::Position.gt(after))
            .filter(event::Column::Position.lte(last))
            .filter(event::Column::Kind.is_in(kinds.iter().map(|kind| kind.as_str())))
            .order_by_asc(event::Column::Position)
            .limit(limit)
            .all(&self.conn)
            .await
            .map_err(store_error)?;
        // Read last: what was pruned while the rows were read shows here.
        let (_, oldest) = self.log_bounds().await?;
        let full = rows.len() as u64 == limit;
        let read_to = if full {
            rows.last().map_or(last, |row| row.position)
        } else {
            last.max(after)
        };
        let events = rows.into_iter().map(to_event).collect::<Result<_>>()?;
        Ok(EventPage { events, read_to, oldest })
    }
}

fn to_event(row: event::Model) -> Result<Event> {
    Ok(Event {
        what: stored::read_event(&row.payload, &row.id)?,
        position: row.position,
        id: row.id,
        time: Timestamp(row.time),
    })
}

impl Reader {
    /// Waits until something is committed behind `position`, or until `limit` is over. A wake-up may come for nothing.
    /// Cancel safe.
    pub async fn wait_past(&self, position: i64, limit: Duration) {
        let mut woken = self.store.inner.wakeups.subscribe(&self.tenant);
        // Another replica's commits do not wake this process: look again soon.
        let limit = if self.store.is_postgres() { limit.min(POLL) } else { limit };
        // An error means that the sender is gone, which ends the wait as well.
        let _ = tokio::time::timeout(limit, woken.wait_for(|last| *last > position)).await;
    }
}

/// Tells waiting streams of commits within this process. Carries no data: a lost wake-up costs time, never an event.
#[derive(Default)]
pub(super) struct Wakeups {
    // Held for a map look-up only.
    tenants: Mutex<HashMap<TenantId, watch::Sender<i64>>>,
}

impl Wakeups {
    pub(super) fn committed(&self, tenant: &TenantId, position: i64) {
        self.with(tenant, |sender| {
            sender.send_if_modified(|last| {
                let newer = position > *last;
                *last = (*last).max(position);
                newer
            });
        });
    }

    /// Tenants whose streams wait.
    pub(super) fn waiting(&self) -> Vec<TenantId> {
        let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = tenants.iter().filter(|(_, sender)| sender.receiver_count() > 0);
        waiting.map(|(tenant, _)| tenant.clone()).collect()
    }

    fn subscribe(&self, tenant: &TenantId) -> watch::Receiver<i64> {
        self.with(tenant, watch::Sender::subscribe)
    }

    fn with<T>(&self, tenant: &TenantId, work: impl FnOnce(&watch::Sender<i64>) -> T) -> T {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        match tenants.get(tenant) {
            Some(sender) => work(sender),
            None => work(tenants.entry(tenant.to_owned()).or_insert_with(|| watch::Sender::new(0))),
        }
    }
}
