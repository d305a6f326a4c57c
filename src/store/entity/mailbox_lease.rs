//! Which replica reads a mailbox, and until when. Saves work; what keeps it right is the version of `folder_position`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "mailbox_lease")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub agent_id: String,
    pub holder: String,
    pub until: i64,
    /// What another replica was told of the mailbox: 0 nothing, 1 to look at it, 2 to look after its subscriptions too.
    pub woken: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
