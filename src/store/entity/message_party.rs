//! External parties of archived messages; `customer_id` is empty while no customer is known for the address.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "message_party")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub address_key: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub message_number: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub customer_id: String,
    pub contact_id: String,
    pub position: i64,
    pub sent: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
