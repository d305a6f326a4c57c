//! Mail agents, with their passwords sealed by the tenant's data key.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "agent")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub owner_user: String,
    pub kind: String,
    pub from_name: String,
    pub from_address: String,
    pub disabled: bool,
    pub endpoint: String,
    pub mailbox: String,
    pub username: String,
    pub password_sealed: Option<Vec<u8>>,
    pub case_sweep: bool,
    pub archive: bool,
    pub create_contacts: bool,
    pub keep_full_message: bool,
    pub campaign_compatible: bool,
    pub smtp_host: String,
    pub smtp_port: i32,
    pub smtp_security: String,
    pub smtp_authentication: Option<String>,
    pub connection_type: String,
    pub authentication_method: Option<String>,
    pub maintenance_account: String,
    pub triage: bool,
    pub calendar: bool,
    pub case_reference_purge: bool,
    pub version: i64,
    pub create_time: i64,
    pub update_time: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
