//! Notes on cases. One per message identity and case.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "note")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub case_id: String,
    pub case_reference: String,
    pub customer_id: String,
    pub contact_id: Option<String>,
    pub contact_created: bool,
    pub agent_id: String,
    pub archived_id: Option<String>,
    pub message_id: String,
    pub sender_name: String,
    pub sender_address: Option<String>,
    pub sender_key: String,
    pub subject: String,
    pub text: String,
    pub quoted: String,
    pub automatic: Option<String>,
    pub sender_not_authentic: bool,
    pub received: i64,
    pub create_time: i64,
    pub identity: Vec<u8>,
    pub copy_key: Option<Vec<u8>>,
    pub blob_hash: Option<Vec<u8>>,
    pub size: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
