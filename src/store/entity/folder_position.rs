//! How far a folder of a mailbox has been read. `version` is the fence: a replica that finds a different one has lost the race.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "folder_position")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub agent_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub folder: String,
    pub state: Option<String>,
    pub version: i64,
    pub update_time: i64,
    /// Digest of the server's id of the folder.
    pub source: Option<String>,
    /// Messages in it when it was last read to its end, and when that was.
    pub total: Option<i64>,
    pub look_time: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
