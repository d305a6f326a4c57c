//! One file per table. Private to the store: no entity leaves it.

pub mod address;
pub mod agent;
pub mod agent_health;
pub mod audit_entry;
pub mod blob;
pub mod contact;
pub mod crm_case;
pub mod crm_user;
pub mod customer;
pub mod default_agent;
pub mod event;
pub mod folder_position;
pub mod mailbox_item;
pub mod mailbox_lease;
pub mod maintenance_account;
pub mod message;
pub mod message_party;
pub mod note;
pub mod outcome;
pub mod request;
pub mod tenant_key;
pub mod tenant_position;
pub mod tenant_settings;
