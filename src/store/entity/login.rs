//! OAuth logins, with their tokens sealed by the tenant's data key.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "login")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub source: String,
    pub id: String,
    pub usage: String,
    pub provider: String,
    pub account: String,
    pub user_id: String,
    pub state: String,
    pub problem: String,
    pub provider_reply: String,
    pub made_time: i64,
    pub renew_time: i64,
    pub expire_time: Option<i64>,
    pub warned_seconds: Option<i64>,
    pub warn_at: Option<i64>,
    pub refresh_sealed: Option<Vec<u8>>,
    pub access_sealed: Option<Vec<u8>>,
    pub access_expire_time: Option<i64>,
    pub renew_at: i64,
    pub failures: i32,
    pub failing_since: Option<i64>,
    pub failing_problem: String,
    pub version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
