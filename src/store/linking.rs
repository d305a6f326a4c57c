//! Archived mail that is to be linked to a contact that appeared later.
//!
//! Writing a contact only records its new addresses (`mail_linking`); a job links the mail in steps, oldest first, each in a
//! separate transaction. Invariant: for an address that a contact has, every message up to `done_to` is linked, and every message that
//! is archived from now on is linked by its own transaction, since both take the tenant's row lock. So nothing is linked twice or missed.

use std::collections::HashMap;

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Set, Statement, Value,
    sea_query::{Alias, Expr, ExprTrait, Func, OnConflict, Query},
};

use super::{
    Store, TenantStore, Writer,
    addresses::{CONTACT, NewAddress},
    entity::{address, mail_linking, message_party},
    rows::insert_all,
    store_error, stored,
};
use crate::domain::{CustomerLink, Result, TenantId, address_key};

/// Messages that are still to be linked are counted up to here.
const COUNTED: u64 = 10_000;

/// The result of a step of linking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkedStretch {
    /// The messages that were linked.
    pub linked: u64,
    /// Whether nothing is left to do for this address.
    pub done: bool,
}

/// The messages of an address after `$3` up to `$4` for which no customer was known. Without COALESCE, the last condition makes SQLite use the
/// index by customer, and read every party without one instead of those of an address.
const UNLINKED: &str =
    "tenant_id = $1 AND address_key = $2 AND message_number > $3 AND message_number <= $4 AND COALESCE(customer_id, '') = ''";

impl Store {
    /// Addresses of all tenants whose mail is still to be linked, with their tenants, after `after`.
    pub async fn mail_to_link(&self, after: (&str, &str), limit: u64) -> Result<Vec<(TenantId, String)>> {
        use mail_linking::Column;
        let (tenant, key) = after;
        let rows: Vec<(String, String)> = mail_linking::Entity::find()
            .select_only()
            .columns([Column::TenantId, Column::AddressKey])
            .filter(Expr::tuple([Expr::col(Column::TenantId), Expr::col(Column::AddressKey)]).gt(Expr::tuple([tenant.into(), key.into()])))
            .order_by_asc(Column::TenantId)
            .order_by_asc(Column::AddressKey)
            .limit(limit)
            .into_tuple()
            .all(&self.inner.read)
            .await
            .map_err(store_error)?;
        Ok(rows.into_iter().map(|(tenant, key)| (tenant.into(), key)).collect())
    }
}

impl<C: ConnectionTrait> TenantStore<C> {
    /// How many archived messages with these addresses are still to be linked, counted up to 10,000 for each address.
    pub async fn mail_to_link_of(&self, addresses: &[String]) -> Result<u64> {
        use message_party::Column;
        let keys = addresses.iter().map(|address| address_key(address));
        let noted = mail_linking::Entity::find()
            .filter(mail_linking::Column::TenantId.eq(self.tenant.as_str()))
            .filter(mail_linking::Column::AddressKey.is_in(keys))
            .all(&self.conn)
            .await
            .map_err(store_error)?;
        let mut count = 0;
        for noted in noted {
            let without_customer = Expr::expr(Func::coalesce([Expr::col(Column::CustomerId), Expr::val("")])).eq("");
            let numbers: Vec<i64> = message_party::Entity::find()
                .select_only()
                .column(Column::MessageNumber)
                .filter(Column::TenantId.eq(self.tenant.as_str()))
                .filter(Column::AddressKey.eq(noted.address_key))
                .filter(Column::MessageNumber.gt(noted.done_to))
                .filter(without_customer)
                .limit(COUNTED)
                .into_tuple()
                .all(&self.conn)
                .await
                .map_err(store_error)?;
            count += numbers.len() as u64;
        }
        Ok(count)
    }

    fn statement<const N: usize>(&self, sql: impl Into<String>, values: [Value; N]) -> Statement {
        Statement::from_sql_and_values(self.conn.get_database_backend(), sql, values)
    }
}

impl Writer {
    /// Records that the mail of addresses is to be linked; each is given with its first contact, who comes before others with the same
    /// address. Addresses without mail are omitted.
    pub(super) async fn note_mail_to_link(&mut self, new: &[NewAddress]) -> Result<()> {
        let contacts: HashMap<&str, &str> = new.iter().map(|new| (new.key.as_str(), new.owner.as_str())).collect();
        for new in new.chunks(1000) {
            // One index lookup for each address, however much mail it has. This is the databases' name for the only column of a list.
            let (list, key) = (Alias::new("new"), Alias::new("column1"));
            let any_mail = Query::select()
                .expr(Expr::val(1))
                .from(message_party::Entity)
                .and_where(message_party::Column::TenantId.eq(self.tenant.as_str()))
                .and_where(Expr::col((message_party::Entity, message_party::Column::AddressKey)).equals((list.clone(), key.clone())))
                .limit(1)
                .to_owned();
            let with_mail = Query::select()
                .column((list.clone(), key))
                .from_values(new.iter().map(|new| new.key.clone()), list)
                .and_where(Expr::exists(any_mail))
                .to_owned();
            let with_mail = self.conn.query_all_raw(self.conn.get_database_backend().build(&with_mail));
            let with_mail: Vec<String> = with_mail
                .await
                .and_then(|rows| rows.iter().map(|row| row.try_get_by_index(0)).collect())
                .map_err(store_error)?;
            let rows = with_mail.into_iter().filter_map(|key| {
                let contact = contacts.get(key.as_str())?;
                Some(mail_linking::ActiveModel {
                    tenant_id: Set(self.tenant.to_string()),
                    contact_id: Set((*contact).to_owned()),
                    address_key: Set(key),
                    done_to: Set(0),
                })
            });
            // Linking that is in progress for another contact continues; each step looks up whose the rest is.
            let key = [mail_linking::Column::TenantId, mail_linking::Column::AddressKey];
            let keep = OnConflict::columns(key).do_nothing().to_owned();
            insert_all(&self.conn, rows, Some(keep)).await?;
        }
        Ok(())
    }

    /// Processes the next messages of an address, at most `size`, and links those that no customer was known for to the contact who has the
    /// address now: the one it was recorded for, or else the first who has it. Linked messages go through the stream again.
    pub async fn link_stretch(&mut self, key: &str, size: u64) -> Result<LinkedStretch> {
        const NOTHING_LEFT: LinkedStretch = LinkedStretch { linked: 0, done: true };
        self.lock_tenant().await?;
        let id = (self.tenant.to_string(), key.to_owned());
        let noted = mail_linking::Entity::find_by_id(id.clone())
            .one(&self.conn)
            .await
            .map_err(store_error)?;
        let Some(noted) = noted else { return Ok(NOTHING_LEFT) };
        let Some(link) = self.owner(key, &noted.contact_id).await? else {
            // Nobody has the address any more. Whoever gets it records it again.
            self.forget_linking(id).await?;
            return Ok(NOTHING_LEFT);
        };
        let parties: Vec<(i64, String)> = message_party::Entity::find()
            .select_only()
            .columns([message_party::Column::MessageNumber, message_party::Column::CustomerId])
            .filter(message_party::Column::TenantId.eq(self.tenant.as_str()))
            .filter(message_party::Column::AddressKey.eq(key))
            .filter(message_party::Column::MessageNumber.gt(noted.done_to))
            .order_by_asc(message_party::Column::MessageNumber)
            .limit(size)
            .into_tuple()
            .all(&self.conn)
            .await
            .map_err(store_error)?;
        let unlinked = parties.iter().filter(|(_, customer)| customer.is_empty());
        let unlinked: Vec<i64> = unlinked.map(|(number, _)| *number).collect();
        let last = parties.last().map_or(noted.done_to, |(number, _)| *number);
        if !unlinked.is_empty() {
            self.link(&link, (noted.done_to, last), &unlinked).await?;
        }
        let done = (parties.len() as u64) < size;
        if done {
            self.forget_linking(id).await?;
        } else {
            mail_linking::Entity::update_many()
                .col_expr(mail_linking::Column::DoneTo, last.into())
                .filter(mail_linking::Column::TenantId.eq(self.tenant.as_str()))
                .filter(mail_linking::Column::AddressKey.eq(key))
                .exec(&self.conn)
                .await
                .map_err(store_error)?;
        }
        Ok(LinkedStretch {
            linked: unlinked.len() as u64,
            done,
        })
    }

    /// The contact that the mail of an address is to be linked to.
    async fn owner(&self, key: &str, preferred: &str) -> Result<Option<CustomerLink>> {
        #[derive(FromQueryResult)]
        struct Owner {
            owner_id: String,
            customer_id: String,
        }
        let preferred = Expr::expr(Expr::case(address::Column::OwnerId.eq(preferred), 0).finally(1));
        let owner = address::Entity::find()
            .select_only()
            .columns([address::Column::OwnerId, address::Column::CustomerId])
            .filter(address::Column::TenantId.eq(self.tenant.as_str()))
            .filter(address::Column::AddressKey.eq(key))
            .filter(address::Column::OwnerKind.eq(CONTACT))
            .order_by_asc(preferred)
            .order_by_asc(address::Column::OwnerId)
            .into_model::<Owner>()
            .one(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(owner.map(|owner| CustomerLink {
            customer: owner.customer_id.into(),
            contact: owner.owner_id.into(),
            address: key.to_owned(),
        }))
    }

    /// Links the unlinked messages of an address in the range `(after, to]`, whose numbers these are.
    async fn link(&mut self, link: &CustomerLink, (after, to): (i64, i64), numbers: &[i64]) -> Result<()> {
        const POSITION: &str = "UPDATE message_party SET \"position\" = (SELECT m.\"position\" FROM message m WHERE m.number = $2) \
             WHERE tenant_id = $1 AND message_number = $2";
        // The list of links is compact JSON of version 1, as `stored` writes it; the new one becomes its last.
        let messages = format!(
            "UPDATE message SET \"position\" = $5 + found.place, unlinked = FALSE, \
             links = CASE WHEN links = '[]' THEN '[' || CAST($6 AS TEXT) || ']' \
             ELSE SUBSTR(links, 1, LENGTH(links) - 1) || ',' || CAST($6 AS TEXT) || ']' END \
             FROM (SELECT message_number, ROW_NUMBER() OVER (ORDER BY message_number) - 1 AS place FROM message_party WHERE {UNLINKED}) found \
             WHERE message.number = found.message_number"
        );
        let parties = format!("UPDATE message_party SET customer_id = $5, contact_id = $6 WHERE {UNLINKED}");
        let first = self.allocate_positions(numbers.len()).await?;
        let (tenant, key) = (self.tenant.to_string(), link.address.clone());
        let range = || [tenant.clone().into(), key.clone().into(), after.into(), to.into()];
        let [a, b, c, d] = range();
        let messages = self.statement(messages, [a, b, c, d, first.into(), stored::write_link(link.clone()).into()]);
        let [a, b, c, d] = range();
        let parties = self.statement(parties, [a, b, c, d, link.customer.as_str().into(), link.contact.as_str().into()]);
        for statement in [messages, parties] {
            self.conn.execute_raw(statement).await.map_err(store_error)?;
        }
        // Every customer of these messages sees them again. Parties without one are never read by their positions, so they are written too: with
        // a further condition, or for a list of numbers, SQLite without statistics takes an index by the tenant and reads all of its parties.
        for number in numbers {
            let values = [self.tenant.to_string().into(), (*number).into()];
            self.conn.execute_raw(self.statement(POSITION, values)).await.map_err(store_error)?;
        }
        Ok(())
    }

    async fn forget_linking(&mut self, id: (String, String)) -> Result<()> {
        mail_linking::Entity::delete_by_id(id).exec(&self.conn).await.map_err(store_error)?;
        Ok(())
    }
}
