//! Who does a piece of work that only one may do at a time, and until when, by the database's clock.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "lease")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Empty when it was released.
    pub holder: String,
    /// Microseconds since 1970.
    pub until: i64,
    /// Counts the changes of holder.
    pub fence: i64,
    /// What another replica left for the holder, see `LeaseKind`. 0: nothing.
    pub signal: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
