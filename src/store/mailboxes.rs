//! How far mailboxes have been read, and which of their messages were handled.

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, NotSet, QueryFilter, QuerySelect, Set,
    sea_query::{Expr, ExprTrait, OnConflict},
};

use super::{
    TenantStore, Writer,
    entity::{folder_position, mailbox_item},
    rows::insert_all,
    store_error,
};
use crate::domain::{AgentId, Error, Result, Timestamp};

/// How far a folder has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FolderPosition {
    /// The server's opaque state. `None`: nothing has been read, or everything must be listed again.
    pub state: Option<String>,
    /// Counts the writes. A replica that finds a different one has lost the race against another.
    pub version: i64,
    /// Which folder at the server this is about, see [`crate::provider::Folder::digest`]. `None` in rows from before this was kept.
    pub source: Option<String>,
}

impl FolderPosition {
    /// The position that follows this one.
    #[must_use]
    pub fn moved(&self, state: Option<String>) -> Self {
        Self {
            state,
            version: self.version + 1,
            source: self.source.clone(),
        }
    }
}

/// When a folder was last read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FolderLook {
    /// How many messages were in it then, as the server counted them.
    pub total: u64,
    /// When.
    pub at: Timestamp,
}

/// A message of a mailbox that was handled.
#[derive(Clone, Debug)]
pub struct MailboxItem {
    /// First half of the SHA-256 of its id at the server.
    pub source_key: Vec<u8>,
    /// The archived message. `None` when it is not archived.
    pub message_number: Option<i64>,
    /// Whether the server did not return it, so that it may be retried.
    pub withheld: bool,
}

impl<C: ConnectionTrait> TenantStore<C> {
    /// How far a folder has been read.
    pub async fn folder_position(&self, agent: &AgentId, folder: &str) -> Result<FolderPosition> {
        let key = (self.tenant.to_string(), agent.to_string(), folder.to_owned());
        let row = folder_position::Entity::find_by_id(key)
            .one(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(row.map_or_else(FolderPosition::default, |row| FolderPosition {
            state: row.state,
            version: row.version,
            source: row.source,
        }))
    }

    /// When an agent's folders were last read to their ends, by [`crate::provider::Folder::key`].
    ///
    /// # Errors
    /// See [`Self::folder_position`].
    pub async fn folder_looks(&self, agent: &AgentId) -> Result<Vec<(String, FolderLook)>> {
        use folder_position::Column;
        let rows: Vec<(String, i64, i64)> = folder_position::Entity::find()
            .select_only()
            .columns([Column::Folder, Column::Total, Column::LookTime])
            .filter(Column::TenantId.eq(self.tenant.as_str()))
            .filter(Column::AgentId.eq(agent.as_str()))
            .filter(Column::Total.is_not_null())
            .filter(Column::LookTime.is_not_null())
            .filter(Column::State.is_not_null())
            .into_tuple()
            .all(&self.conn)
            .await
            .map_err(store_error)?;
        let look = |(folder, total, at): (String, i64, i64)| {
            let total = u64::try_from(total).unwrap_or_default();
            (folder, FolderLook { total, at: Timestamp(at) })
        };
        Ok(rows.into_iter().map(look).collect())
    }

    /// Whether any message of a folder was handled before.
    pub async fn has_handled(&self, agent: &AgentId, folder: &str) -> Result<bool> {
        let row = mailbox_item::Entity::find()
            .select_only()
            .column(mailbox_item::Column::SourceKey)
            .filter(mailbox_item::Column::TenantId.eq(self.tenant.as_str()))
            .filter(mailbox_item::Column::AgentId.eq(agent.as_str()))
            .filter(mailbox_item::Column::Folder.eq(folder))
            .limit(1)
            .into_tuple::<Vec<u8>>()
            .one(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(row.is_some())
    }

    /// Returns which messages of a folder were handled before, and which of these are archived.
    pub async fn handled_items(&self, agent: &AgentId, folder: &str, keys: &[Vec<u8>]) -> Result<Vec<MailboxItem>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<(Vec<u8>, Option<i64>, i32)> = mailbox_item::Entity::find()
            .select_only()
            .columns([
                mailbox_item::Column::SourceKey,
                mailbox_item::Column::MessageNumber,
                mailbox_item::Column::Withheld,
            ])
            .filter(mailbox_item::Column::TenantId.eq(self.tenant.as_str()))
            .filter(mailbox_item::Column::AgentId.eq(agent.as_str()))
            .filter(mailbox_item::Column::Folder.eq(folder))
            .filter(mailbox_item::Column::SourceKey.is_in(keys.iter().cloned()))
            .into_tuple()
            .all(&self.conn)
            .await
            .map_err(store_error)?;
        let item = |(source_key, message_number, withheld)| MailboxItem {
            source_key,
            message_number,
            withheld: withheld != 0,
        };
        Ok(rows.into_iter().map(item).collect())
    }
}

impl Writer {
    /// Moves a folder's position to one that follows the position that was read ([`FolderPosition::moved`]), if it is still there. Call it
    /// first in a transaction: on PostgreSQL it then also keeps other replicas from doing the same work.
    ///
    /// # Errors
    /// [`crate::domain::Kind::Stale`] when another replica moved it, or when the agent was deleted.
    pub async fn move_position(&mut self, agent: &AgentId, folder: &str, to: &FolderPosition, now: Timestamp) -> Result<()> {
        let from = to.version - 1;
        let row = folder_position::ActiveModel {
            tenant_id: Set(self.tenant.to_string()),
            agent_id: Set(agent.to_string()),
            folder: Set(folder.to_owned()),
            state: Set(to.state.clone()),
            version: Set(to.version),
            update_time: Set(now.0),
            source: Set(to.source.clone()),
            // A folder that is listed from its beginning has not been read to its end.
            total: if to.state.is_some() { NotSet } else { Set(None) },
            look_time: NotSet,
        };
        use folder_position::Column;
        let moved = if from == 0 {
            let inserted = folder_position::Entity::insert_many([row])
                .on_conflict(
                    OnConflict::columns([Column::TenantId, Column::AgentId, Column::Folder])
                        .do_nothing()
                        .to_owned(),
                )
                .exec_without_returning(&self.conn)
                .await
                .map_err(store_error)?;
            inserted == 1
        } else {
            let result = folder_position::Entity::update_many()
                .set(row)
                .filter(Column::TenantId.eq(self.tenant.as_str()))
                .filter(Column::AgentId.eq(agent.as_str()))
                .filter(Column::Folder.eq(folder))
                .filter(Column::Version.eq(from))
                .exec(&self.conn)
                .await
                .map_err(store_error)?;
            result.rows_affected == 1
        };
        if moved {
            Ok(())
        } else {
            Err(Error::stale(format!("the position of {folder} of agents/{agent}")))
        }
    }

    /// Records when folders were read to their ends. Those without a position are skipped.
    ///
    /// # Errors
    /// See [`Self::move_position`].
    pub async fn note_looks(&mut self, agent: &AgentId, looks: &[(String, FolderLook)]) -> Result<()> {
        use folder_position::Column;
        for (folder, look) in looks {
            folder_position::Entity::update_many()
                .col_expr(Column::Total, i64::try_from(look.total).unwrap_or(i64::MAX).into())
                .col_expr(Column::LookTime, look.at.0.into())
                .filter(Column::TenantId.eq(self.tenant.as_str()))
                .filter(Column::AgentId.eq(agent.as_str()))
                .filter(Column::Folder.eq(folder))
                .exec(&self.conn)
                .await
                .map_err(store_error)?;
        }
        Ok(())
    }

    /// Forgets how far an agent's folders have been read, so that they are listed again. What was handled stays recorded.
    pub async fn forget_positions(&mut self, agent: &AgentId) -> Result<()> {
        use folder_position::Column;
        folder_position::Entity::update_many()
            .col_expr(Column::State, Expr::value(None::<String>))
            .col_expr(Column::Total, Expr::value(None::<i64>))
            .col_expr(Column::Version, Expr::col(Column::Version).add(1))
            .filter(Column::TenantId.eq(self.tenant.as_str()))
            .filter(Column::AgentId.eq(agent.as_str()))
            .exec(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(())
    }

    /// Records messages as handled, and where they are archived.
    pub async fn insert_items(&mut self, agent: &AgentId, folder: &str, items: Vec<MailboxItem>) -> Result<()> {
        let rows = items.into_iter().map(|item| mailbox_item::ActiveModel {
            tenant_id: Set(self.tenant.to_string()),
            agent_id: Set(agent.to_string()),
            folder: Set(folder.to_owned()),
            source_key: Set(item.source_key),
            message_number: Set(item.message_number),
            withheld: Set(i32::from(item.withheld)),
        });
        use mailbox_item::Column;
        let key = [Column::TenantId, Column::AgentId, Column::Folder, Column::SourceKey];
        let replace = OnConflict::columns(key)
            .update_columns([Column::MessageNumber, Column::Withheld])
            .to_owned();
        insert_all(&self.conn, rows, Some(replace)).await
    }
}
