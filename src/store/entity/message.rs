//! Archived messages. `number` is the key of the full-text index; `links` and `agents` repeat `message_party` and `mailbox_item` for readers.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "message")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub number: i64,
    pub tenant_id: String,
    pub id: String,
    pub identity: Vec<u8>,
    pub position: i64,
    pub message_id: String,
    pub direction: String,
    pub subject: String,
    pub from_name: String,
    pub from_address: Option<String>,
    pub recipients: String,
    pub preview: String,
    pub links: String,
    pub agents: String,
    pub sent: i64,
    pub received: i64,
    pub archived: i64,
    pub size: i64,
    pub stored_size: i64,
    pub blob_hash: Vec<u8>,
    pub attachment_count: i32,
    pub automatic: Option<String>,
    pub unlinked: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
