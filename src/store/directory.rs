//! The CRM's records: users, customers, contacts and cases. An older revision never overwrites a newer one; a deleted record stays
//! behind as a tombstone with its revision, so that a late upsert does not bring it back.

use std::collections::{HashMap, HashSet};

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, Iterable, PrimaryKeyToColumn, QueryFilter, QueryOrder,
    QuerySelect, Set,
    sea_query::{Expr, OnConflict},
};

use super::{
    Cell, TenantStore, Writer,
    addresses::{AddressOwner, CONTACT, USER},
    entity::{contact, crm_case, crm_user, customer},
    rows::insert_all,
    store_error, stored,
};
use crate::domain::{Case, CaseId, Contact, ContactId, Customer, CustomerId, Result, TenantId, User, UserId, Written, reference_key};

/// Reads one kind of record: by id, by page, and the revisions of a batch.
macro_rules! reads {
    ($entity:ident, $record:ty, $id:ty, $to:ident, $get:ident, $list:ident, $revisions:ident, [$($filter:ident: $type:ty = $column:ident),*]) => {
        impl<C: ConnectionTrait> TenantStore<C> {
            /// Finds a record that is not deleted.
            pub async fn $get(&self, id: &$id) -> Result<Option<$record>> {
                let row = $entity::Entity::find_by_id((self.tenant.to_string(), id.to_string()))
                    .filter($entity::Column::Deleted.eq(false))
                    .one(&self.conn)
                    .await
                    .map_err(store_error)?;
                row.map($to).transpose()
            }

            /// Lists records that are not deleted, after the id `after`, in the order of their ids.
            pub async fn $list(&self, after: &str, $($filter: Option<&$type>,)* limit: u64) -> Result<Vec<$record>> {
                let query = $entity::Entity::find()
                    .filter($entity::Column::TenantId.eq(self.tenant.as_str()))
                    .filter($entity::Column::Deleted.eq(false))
                    .filter($entity::Column::Id.gt(after))
                    .order_by_asc($entity::Column::Id)
                    .limit(limit);
                $(let query = match $filter {
                    Some(value) => query.filter($entity::Column::$column.eq(AsRef::<str>::as_ref(value))),
                    None => query,
                };)*
                let rows = query.all(&self.conn).await.map_err(store_error)?;
                rows.into_iter().map($to).collect()
            }

            /// The stored revisions of records, deleted ones too.
            async fn $revisions(&self, ids: &[&str]) -> Result<HashMap<String, i64>> {
                let rows: Vec<(String, i64)> = $entity::Entity::find()
                    .select_only()
                    .column($entity::Column::Id)
                    .column($entity::Column::Revision)
                    .filter($entity::Column::TenantId.eq(self.tenant.as_str()))
                    .filter($entity::Column::Id.is_in(ids.iter().copied()))
                    .into_tuple()
                    .all(&self.conn)
                    .await
                    .map_err(store_error)?;
                Ok(rows.into_iter().collect())
            }
        }
    };
}

reads!(crm_user, User, UserId, to_user, user, users, user_revisions, []);
reads!(
    customer,
    Customer,
    CustomerId,
    to_customer,
    customer,
    customers,
    customer_revisions,
    []
);
reads!(contact, Contact, ContactId, to_contact, contact, contacts, contact_revisions, [customer: CustomerId = CustomerId]);
reads!(crm_case, Case, CaseId, to_case, case, cases, case_revisions, [customer: CustomerId = CustomerId, reference_key: str = ReferenceKey]);

/// Writes one kind of record: batches of upserts and of deletions, under the revision rule.
macro_rules! writes {
    ($entity:ident, $record:ty, $id:ty, $revisions:ident, $upsert:ident, $delete:ident, $row:ident, $tombstone:ident) => {
        impl Writer {
            /// Writes records whose revision is newer than the stored one, and returns for each whether it was written.
            pub async fn $upsert(&mut self, records: &[$record]) -> Result<Vec<Written>> {
                self.lock_tenant().await?;
                let ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
                let stored = self.$revisions(&ids).await?;
                let results = judge(&stored, records.iter().map(|record| (record.id.as_str(), record.revision)));
                let rows: Vec<_> = records
                    .iter()
                    .zip(&results)
                    .filter(|(_, result)| result.applied)
                    .map(|(record, _)| $row(&self.tenant, record))
                    .collect();
                self.put::<$entity::Entity>(rows).await?;
                Ok(results)
            }

            /// Marks records as deleted when the revision is newer than the stored one, and returns for each whether it was.
            pub async fn $delete(&mut self, deletions: &[($id, i64)]) -> Result<Vec<Written>> {
                self.lock_tenant().await?;
                let ids: Vec<&str> = deletions.iter().map(|(id, _)| id.as_str()).collect();
                let stored = self.$revisions(&ids).await?;
                let results = judge(&stored, deletions.iter().map(|(id, revision)| (id.as_str(), *revision)));
                let rows: Vec<_> = deletions
                    .iter()
                    .zip(&results)
                    .filter(|(_, result)| result.applied)
                    .map(|((id, revision), _)| $tombstone(&self.tenant, id, *revision))
                    .collect();
                self.put::<$entity::Entity>(rows).await?;
                Ok(results)
            }
        }
    };
}

writes!(
    crm_user,
    User,
    UserId,
    user_revisions,
    upsert_user_rows,
    delete_user_rows,
    user_row,
    user_tombstone
);
writes!(
    customer,
    Customer,
    CustomerId,
    customer_revisions,
    upsert_customers,
    delete_customers,
    customer_row,
    customer_tombstone
);
writes!(
    contact,
    Contact,
    ContactId,
    contact_revisions,
    upsert_contact_rows,
    delete_contact_rows,
    contact_row,
    contact_tombstone
);
writes!(
    crm_case,
    Case,
    CaseId,
    case_revisions,
    upsert_case_rows,
    delete_cases,
    case_row,
    case_tombstone
);

/// Decides by the revisions; a record that is not stored yet is always written.
fn judge<'a>(stored: &HashMap<String, i64>, records: impl Iterator<Item = (&'a str, i64)>) -> Vec<Written> {
    records
        .map(|(id, revision)| match stored.get(id) {
            Some(&stored) if stored >= revision => Written {
                applied: false,
                stored_revision: stored,
            },
            _ => Written {
                applied: true,
                stored_revision: revision,
            },
        })
        .collect()
}

impl<C: ConnectionTrait> TenantStore<C> {
    /// Finds the cases with these references, by the form in which references are compared.
    pub async fn cases_by_reference(&self, keys: &HashSet<String>) -> Result<HashMap<String, Case>> {
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = crm_case::Entity::find()
            .filter(crm_case::Column::TenantId.eq(self.tenant.as_str()))
            .filter(crm_case::Column::ReferenceKey.is_in(keys))
            .all(&self.conn)
            .await
            .map_err(store_error)?;
        rows.into_iter()
            .map(|row| Ok((reference_key(&row.reference), to_case(row)?)))
            .collect()
    }

    /// Which of these customers exist.
    pub async fn existing_customers(&self, ids: &HashSet<&CustomerId>) -> Result<HashSet<CustomerId>> {
        let rows: Vec<String> = customer::Entity::find()
            .select_only()
            .column(customer::Column::Id)
            .filter(customer::Column::TenantId.eq(self.tenant.as_str()))
            .filter(customer::Column::Deleted.eq(false))
            .filter(customer::Column::Id.is_in(ids.iter().map(|id| id.as_str())))
            .into_tuple()
            .all(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(rows.into_iter().map(CustomerId::from).collect())
    }
}

impl Writer {
    /// Prevents other transactions from writing this tenant's mail, directory, settings or agents until this one ends: a contact and a message that
    /// arrive at the same time find each other, and the basis of one change is not changed by another in the meantime. Take it before any
    /// row is written, or two transactions could deadlock. SQLite has one writer anyway.
    pub async fn lock_tenant(&mut self) -> Result<()> {
        if self.store.is_postgres() {
            let position = self.position;
            self.allocate_positions(0).await?;
            self.position = position;
        }
        Ok(())
    }

    /// Writes users under the revision rule, with their addresses.
    pub async fn upsert_users(&mut self, users: &[User]) -> Result<Vec<Written>> {
        let results = self.upsert_user_rows(users).await?;
        let applied = users
            .iter()
            .zip(&results)
            .filter(|(_, result)| result.applied)
            .map(|(user, _)| user);
        let owners: Vec<_> = applied.map(|user| AddressOwner::of(user.id.as_str(), &user.addresses)).collect();
        self.replace_addresses(USER, &owners).await?;
        Ok(results)
    }

    /// Marks users as deleted under the revision rule; their addresses are forgotten.
    pub async fn delete_users(&mut self, deletions: &[(UserId, i64)]) -> Result<Vec<Written>> {
        let results = self.delete_user_rows(deletions).await?;
        self.forget_addresses(USER, deletions, &results).await?;
        Ok(results)
    }

    /// Writes contacts under the revision rule, with their addresses. Archived mail of addresses that no contact had before is recorded to be
    /// linked, see [`Writer::link_stretch`]. If two contacts of the batch have the same address, the first gets it.
    pub async fn upsert_contacts(&mut self, contacts: &[Contact]) -> Result<Vec<Written>> {
        let results = self.upsert_contact_rows(contacts).await?;
        let applied = contacts.iter().zip(&results).filter(|(_, result)| result.applied);
        let owners: Vec<_> = applied
            .map(|(contact, _)| AddressOwner {
                customer: contact.customer.as_str(),
                ..AddressOwner::of(contact.id.as_str(), &contact.addresses)
            })
            .collect();
        let changes = self.address_changes(CONTACT, &owners).await?;
        // Of contacts with the same address the first counts.
        let mut seen = HashSet::new();
        let new: Vec<_> = changes.new.iter().filter(|new| seen.insert(new.key.clone())).cloned().collect();
        let before = self.addresses_of_contacts(&new).await?;
        self.write_addresses(CONTACT, changes).await?;
        // The mail of those that a contact had is already linked, or recorded.
        let new: Vec<_> = new.into_iter().filter(|new| !before.contains(&new.key)).collect();
        self.note_mail_to_link(&new).await?;
        Ok(results)
    }

    /// Writes cases under the revision rule. They may swap references among themselves.
    pub async fn upsert_cases(&mut self, cases: &[Case]) -> Result<Vec<Written>> {
        self.lock_tenant().await?;
        let ids: Vec<&str> = cases.iter().map(|case| case.id.as_str()).collect();
        let stored = self.case_revisions(&ids).await?;
        let results = judge(&stored, cases.iter().map(|case| (case.id.as_str(), case.revision)));
        let applied = ids.iter().zip(&results).filter(|(_, result)| result.applied).map(|(id, _)| *id);
        // All release theirs first, so that none conflicts with another.
        crm_case::Entity::update_many()
            .col_expr(crm_case::Column::ReferenceKey, Expr::value(None::<String>))
            .filter(crm_case::Column::TenantId.eq(self.tenant.as_str()))
            .filter(crm_case::Column::Id.is_in(applied))
            .exec(&self.conn)
            .await
            .map_err(store_error)?;
        self.upsert_case_rows(cases).await
    }

    /// Marks contacts as deleted under the revision rule; their addresses are forgotten, what is archived with them is kept.
    pub async fn delete_contacts(&mut self, deletions: &[(ContactId, i64)]) -> Result<Vec<Written>> {
        let results = self.delete_contact_rows(deletions).await?;
        self.forget_addresses(CONTACT, deletions, &results).await?;
        Ok(results)
    }

    async fn forget_addresses<Id: AsRef<str>>(&mut self, kind: &str, deletions: &[(Id, i64)], results: &[Written]) -> Result<()> {
        let gone = deletions.iter().zip(results).filter(|(_, result)| result.applied);
        let owners: Vec<_> = gone.map(|((id, _), _)| AddressOwner::of(id.as_ref(), &[])).collect();
        self.replace_addresses(kind, &owners).await
    }

    /// Inserts rows, or overwrites those with the same key.
    async fn put<E>(&mut self, rows: Vec<E::ActiveModel>) -> Result<()>
    where
        E: EntityTrait,
        E::ActiveModel: ActiveModelTrait<Entity = E> + Send,
        E::Model: IntoActiveModel<E::ActiveModel>,
    {
        let keys: Vec<E::Column> = E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column).collect();
        let is_key = |column: &E::Column| {
            keys.iter()
                .any(|key| sea_orm::IdenStatic::as_str(key) == sea_orm::IdenStatic::as_str(column))
        };
        let others: Vec<E::Column> = E::Column::iter().filter(|column| !is_key(column)).collect();
        let replace = OnConflict::columns(keys).update_columns(others).to_owned();
        insert_all(&self.conn, rows, Some(replace)).await
    }
}

fn user_row(tenant: &TenantId, user: &User) -> crm_user::ActiveModel {
    crm_user::Model {
        tenant_id: tenant.to_string(),
        id: user.id.to_string(),
        display_name: user.display_name.clone(),
        addresses: stored::write_addresses(&user.addresses),
        revision: user.revision,
        deleted: false,
    }
    .into_active_model()
}

fn user_tombstone(tenant: &TenantId, id: &UserId, revision: i64) -> crm_user::ActiveModel {
    let user = User {
        id: id.clone(),
        display_name: String::new(),
        addresses: Vec::new(),
        revision,
    };
    let mut row = user_row(tenant, &user);
    row.deleted = Set(true);
    row
}

fn to_user(row: crm_user::Model) -> Result<User> {
    Ok(User {
        addresses: stored::read_addresses(&row.addresses, Cell::new("crm_user", "addresses", &row.id))?,
        id: row.id.into(),
        display_name: row.display_name,
        revision: row.revision,
    })
}

fn customer_row(tenant: &TenantId, customer: &Customer) -> customer::ActiveModel {
    customer::Model {
        tenant_id: tenant.to_string(),
        id: customer.id.to_string(),
        display_name: customer.display_name.clone(),
        revision: customer.revision,
        deleted: false,
    }
    .into_active_model()
}

fn customer_tombstone(tenant: &TenantId, id: &CustomerId, revision: i64) -> customer::ActiveModel {
    let customer = Customer {
        id: id.clone(),
        display_name: String::new(),
        revision,
    };
    let mut row = customer_row(tenant, &customer);
    row.deleted = Set(true);
    row
}

fn to_customer(row: customer::Model) -> Result<Customer> {
    Ok(Customer {
        id: row.id.into(),
        display_name: row.display_name,
        revision: row.revision,
    })
}

fn contact_row(tenant: &TenantId, contact: &Contact) -> contact::ActiveModel {
    contact::Model {
        tenant_id: tenant.to_string(),
        id: contact.id.to_string(),
        customer_id: contact.customer.to_string(),
        display_name: contact.display_name.clone(),
        addresses: stored::write_addresses(&contact.addresses),
        revision: contact.revision,
        created_by_service: contact.created_by_service,
        deleted: false,
    }
    .into_active_model()
}

fn contact_tombstone(tenant: &TenantId, id: &ContactId, revision: i64) -> contact::ActiveModel {
    let contact = Contact {
        id: id.clone(),
        customer: CustomerId::default(),
        display_name: String::new(),
        addresses: Vec::new(),
        revision,
        created_by_service: false,
    };
    let mut row = contact_row(tenant, &contact);
    row.deleted = Set(true);
    row
}

fn to_contact(row: contact::Model) -> Result<Contact> {
    Ok(Contact {
        addresses: stored::read_addresses(&row.addresses, Cell::new("contact", "addresses", &row.id))?,
        id: row.id.into(),
        customer: row.customer_id.into(),
        display_name: row.display_name,
        revision: row.revision,
        created_by_service: row.created_by_service,
    })
}

fn case_row(tenant: &TenantId, case: &Case) -> crm_case::ActiveModel {
    crm_case::Model {
        tenant_id: tenant.to_string(),
        id: case.id.to_string(),
        customer_id: case.customer.to_string(),
        reference_key: Some(reference_key(&case.reference)),
        reference: case.reference.clone(),
        title: case.title.clone(),
        revision: case.revision,
        deleted: false,
    }
    .into_active_model()
}

fn case_tombstone(tenant: &TenantId, id: &CaseId, revision: i64) -> crm_case::ActiveModel {
    let case = Case {
        id: id.clone(),
        reference: String::new(),
        customer: CustomerId::default(),
        title: String::new(),
        revision,
    };
    let mut row = case_row(tenant, &case);
    row.reference_key = Set(None);
    row.deleted = Set(true);
    row
}

fn to_case(row: crm_case::Model) -> Result<Case> {
    Ok(Case {
        id: row.id.into(),
        reference: row.reference,
        customer: row.customer_id.into(),
        title: row.title,
        revision: row.revision,
    })
}
