//! The agents' health. Separate from `agent`, so that work does not change an etag.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "agent_health")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub agent_id: String,
    pub state: String,
    pub problem: String,
    pub server_reply: String,
    pub last_success: Option<i64>,
    pub problem_since: Option<i64>,
    pub retry_at: Option<i64>,
    pub failures: i32,
    pub handled: i64,
    pub matched: i64,
    pub set_aside: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
