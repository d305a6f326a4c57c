//! The outcome of each swept message.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outcome")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub agent_id: String,
    pub folder: String,
    pub source_id: String,
    pub result: String,
    pub detail: String,
    pub subject: String,
    pub sender_name: String,
    pub sender_address: Option<String>,
    pub message_id: String,
    pub automatic: Option<String>,
    pub case_id: Option<String>,
    pub note_id: Option<String>,
    pub contact_id: Option<String>,
    pub archived_id: Option<String>,
    pub candidates: String,
    pub size: i64,
    pub received: i64,
    pub handled: i64,
    pub identity: Vec<u8>,
    pub blob_hash: Option<Vec<u8>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
