//! Who has which e-mail address: users, contacts and agents.
//!
//! A batch may have twenty thousand addresses, all in one transaction that should hold the writer as briefly as possible. So those that
//! do not change are only read, and the others are written in key order, where neighbours share a page.

use std::collections::{HashMap, HashSet};

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};

use super::{TenantStore, Writer, entity::address, rows::insert_all, store_error};
use crate::domain::{AgentId, ContactId, CustomerId, Result, UserId, address_key};

pub(super) const USER: &str = "user";
pub(super) const CONTACT: &str = "contact";
pub(super) const AGENT: &str = "agent";

/// Keys of one statement, whose number of values is limited.
const AT_ONCE: usize = 1000;

/// Somebody who has an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnownAddress {
    /// One of the tenant's own users.
    User {
        /// The user's id.
        user: UserId,
    },
    /// A contact of a customer.
    Contact {
        /// The contact's id.
        contact: ContactId,
        /// The customer's id.
        customer: CustomerId,
    },
    /// An agent: its mailbox, or what it sends from.
    Agent {
        /// The agent's id.
        agent: AgentId,
    },
}

impl KnownAddress {
    /// Whether mail from there is internal.
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::User { .. } | Self::Agent { .. })
    }
}

/// Whose addresses are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct AddressOwner<'a> {
    /// Its id.
    pub id: &'a str,
    /// A contact's customer, else empty.
    pub customer: &'a str,
    /// All that it is to have.
    pub addresses: &'a [String],
}

impl<'a> AddressOwner<'a> {
    /// Somebody without a customer.
    pub fn of(id: &'a str, addresses: &'a [String]) -> Self {
        Self {
            id,
            customer: "",
            addresses,
        }
    }
}

/// The changes that give owners the addresses that they should have.
#[derive(Debug, Default)]
pub(super) struct AddressChanges {
    /// Owners that have rows to delete.
    outdated: Vec<String>,
    rows: Vec<address::Model>,
    /// Addresses that their owner did not have before, in the order of the owners.
    pub new: Vec<NewAddress>,
}

/// An address that its owner did not have before.
#[derive(Clone, Debug)]
pub(super) struct NewAddress {
    /// The key of the address.
    pub key: String,
    /// The owner's id.
    pub owner: String,
}

impl<C: ConnectionTrait> TenantStore<C> {
    /// Finds who has which address. `keys` are those of addresses. An address may belong to several contacts.
    pub async fn known_addresses(&self, keys: &HashSet<String>) -> Result<HashMap<String, Vec<KnownAddress>>> {
        let mut known: HashMap<String, Vec<KnownAddress>> = HashMap::new();
        let keys: Vec<&String> = keys.iter().collect();
        let mut rows = Vec::new();
        // A message may have more recipients than a statement may have values.
        for keys in keys.chunks(AT_ONCE) {
            let found = address::Entity::find()
                .filter(address::Column::TenantId.eq(self.tenant.as_str()))
                .filter(address::Column::AddressKey.is_in(keys.iter().copied()))
                .order_by_asc(address::Column::OwnerId)
                .all(&self.conn)
                .await
                .map_err(store_error)?;
            rows.extend(found);
        }
        for row in rows {
            let who = match row.owner_kind.as_str() {
                USER => KnownAddress::User { user: row.owner_id.into() },
                AGENT => KnownAddress::Agent {
                    agent: row.owner_id.into(),
                },
                _ => KnownAddress::Contact {
                    contact: row.owner_id.into(),
                    customer: row.customer_id.into(),
                },
            };
            known.entry(row.address_key).or_default().push(who);
        }
        Ok(known)
    }

    /// Which of these addresses a contact has.
    pub(super) async fn addresses_of_contacts(&self, addresses: &[NewAddress]) -> Result<HashSet<String>> {
        let mut found = HashSet::new();
        for addresses in addresses.chunks(AT_ONCE) {
            let keys = addresses.iter().map(|address| address.key.as_str());
            let rows: Vec<String> = address::Entity::find()
                .select_only()
                .column(address::Column::AddressKey)
                .filter(address::Column::TenantId.eq(self.tenant.as_str()))
                .filter(address::Column::AddressKey.is_in(keys))
                .filter(address::Column::OwnerKind.eq(CONTACT))
                .into_tuple()
                .all(&self.conn)
                .await
                .map_err(store_error)?;
            found.extend(rows);
        }
        Ok(found)
    }

    /// What is stored for these owners: the customers by the addresses.
    async fn stored_addresses(&self, kind: &str, owners: &[AddressOwner<'_>]) -> Result<HashMap<String, HashMap<String, String>>> {
        let mut stored: HashMap<String, HashMap<String, String>> = HashMap::new();
        for owners in owners.chunks(AT_ONCE) {
            let rows = address::Entity::find()
                .filter(address::Column::TenantId.eq(self.tenant.as_str()))
                .filter(address::Column::OwnerKind.eq(kind))
                .filter(address::Column::OwnerId.is_in(owners.iter().map(|owner| owner.id)))
                .all(&self.conn)
                .await
                .map_err(store_error)?;
            for row in rows {
                stored.entry(row.owner_id).or_default().insert(row.address_key, row.customer_id);
            }
        }
        Ok(stored)
    }
}

impl Writer {
    /// Gives owners the addresses that they are to have, replacing those that they had.
    pub(super) async fn replace_addresses(&mut self, kind: &str, owners: &[AddressOwner<'_>]) -> Result<()> {
        let changes = self.address_changes(kind, owners).await?;
        self.write_addresses(kind, changes).await
    }

    /// Compares what owners are to have with what they have.
    pub(super) async fn address_changes(&self, kind: &str, owners: &[AddressOwner<'_>]) -> Result<AddressChanges> {
        let stored = self.stored_addresses(kind, owners).await?;
        let mut changes = AddressChanges::default();
        let nothing = HashMap::new();
        for owner in owners {
            let had = stored.get(owner.id).unwrap_or(&nothing);
            let keys: HashSet<String> = owner.addresses.iter().map(|address| address_key(address)).collect();
            if keys.len() == had.len()
                && keys
                    .iter()
                    .all(|key| had.get(key).is_some_and(|customer| customer == owner.customer))
            {
                continue;
            }
            if !had.is_empty() {
                changes.outdated.push(owner.id.to_owned());
            }
            for key in keys {
                if !had.contains_key(&key) {
                    changes.new.push(NewAddress {
                        key: key.clone(),
                        owner: owner.id.to_owned(),
                    });
                }
                changes.rows.push(address::Model {
                    tenant_id: self.tenant.to_string(),
                    address_key: key,
                    owner_kind: kind.to_owned(),
                    owner_id: owner.id.to_owned(),
                    customer_id: owner.customer.to_string(),
                });
            }
        }
        changes.rows.sort_unstable_by(|one, other| one.address_key.cmp(&other.address_key));
        Ok(changes)
    }

    /// Makes the changes.
    pub(super) async fn write_addresses(&mut self, kind: &str, changes: AddressChanges) -> Result<()> {
        for owners in changes.outdated.chunks(AT_ONCE) {
            address::Entity::delete_many()
                .filter(address::Column::TenantId.eq(self.tenant.as_str()))
                .filter(address::Column::OwnerKind.eq(kind))
                .filter(address::Column::OwnerId.is_in(owners))
                .exec(&self.conn)
                .await
                .map_err(store_error)?;
        }
        insert_all(&self.conn, changes.rows.into_iter().map(IntoActiveModel::into_active_model), None).await
    }
}
