//! Archived messages, their external parties and their links to customers.
//!
//! A message's row is its own event: its `position` comes from the tenant's log counter and is renewed whenever a link is added, so one
//! read in the order of positions returns the history and then what is new.

use std::collections::{HashMap, HashSet};

use sea_orm::{
    ActiveValue::NotSet,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select, Set,
    sea_query::{Alias, Expr, ExprTrait, Query},
};

use super::{
    NewBlob, TenantStore, Writer, corrupt,
    entity::{mailbox_item, message, message_party},
    notes::{automatic, join, split},
    rows::{groups, insert_all},
    store_error, stored,
};
use crate::domain::{
    AgentId, ArchiveStatistics, CustomerId, CustomerLink, Direction, Message, MessageAfter, MessageFilter, MessageId, Result, Timestamp,
};

/// A message to be archived.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Its metadata. `position` is set by the store.
    pub message: Message,
    /// Its identity.
    pub identity: [u8; 32],
    /// External parties, in lower case, each once. `message.links` names the customers of those that are known.
    pub parties: Vec<String>,
    /// Words for the full-text index.
    pub words: SearchWords,
    /// Its bytes.
    pub blob: NewBlob,
}

/// Words for the full-text index, as plain text.
#[derive(Clone, Debug, Default)]
pub struct SearchWords {
    /// The subject.
    pub subject: String,
    /// Names and addresses.
    pub participants: String,
    /// The text.
    pub body: String,
    /// File names of attachments.
    pub names: String,
}

/// A message that is already archived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownMessage {
    /// Key of the full-text index and of the parties.
    pub number: i64,
    /// Its id.
    pub id: MessageId,
    /// Agents in whose mailboxes it was found.
    pub agents: Vec<AgentId>,
}

/// Numbers and sums over an archive; a sum of nothing is NULL.
#[derive(Default, FromQueryResult)]
struct StatisticsRow {
    messages: i64,
    unlinked: Option<i64>,
    size: Option<i64>,
    stored_size: Option<i64>,
}

impl<C: ConnectionTrait> TenantStore<C> {
    /// Finds a message.
    pub async fn message(&self, id: &MessageId) -> Result<Option<Message>> {
        let row = self
            .all_messages()
            .filter(message::Column::Id.eq(id.as_str()))
            .one(&self.conn)
            .await
            .map_err(store_error)?;
        row.map(to_message).transpose()
    }

    /// Finds messages by their identities.
    pub async fn messages_by_identity(&self, identities: &[Vec<u8>]) -> Result<HashMap<Vec<u8>, KnownMessage>> {
        if identities.is_empty() {
            return Ok(HashMap::new());
        }
        let rows: Vec<(Vec<u8>, i64, String, String)> = self
            .all_messages()
            .select_only()
            .columns([
                message::Column::Identity,
                message::Column::Number,
                message::Column::Id,
                message::Column::Agents,
            ])
            .filter(message::Column::Identity.is_in(identities.iter().cloned()))
            .into_tuple()
            .all(&self.conn)
            .await
            .map_err(store_error)?;
        rows.into_iter()
            .map(|(identity, number, id, agents)| {
                let agents = stored::read_agents(&agents, &id)?;
                Ok((
                    identity,
                    KnownMessage {
                        number,
                        id: id.into(),
                        agents,
                    },
                ))
            })
            .collect()
    }

    /// Lists messages by the time they were sent, newest first.
    pub async fn messages(&self, filter: &MessageFilter, after: Option<MessageAfter>, limit: u64) -> Result<Vec<(MessageAfter, Message)>> {
        self.newest_first(self.all_messages().filter(self.condition(filter)), after, limit)
            .await
    }

    /// Reads at most `limit` messages after a position, in the order of positions; `customer` limits to one customer's. The second
    /// value is the position up to which everything has been read.
    pub async fn messages_after(&self, after: i64, customer: Option<&CustomerId>, limit: u64) -> Result<(Vec<Message>, i64)> {
        // Read first: whatever commits in the meantime comes after it and is left to the next page.
        let (last, _) = self.log_bounds().await?;
        let between = |column: message::Column| column.gt(after).and(column.lte(last));
        let mut query = self.all_messages().filter(between(message::Column::Position));
        if let Some(customer) = customer {
            let of_customer = Query::select()
                .column(message_party::Column::Position)
                .from(message_party::Entity)
                .and_where(message_party::Column::TenantId.eq(self.tenant.as_str()))
                .and_where(message_party::Column::CustomerId.eq(customer.as_str()))
                .and_where(message_party::Column::Position.gt(after))
                .order_by(message_party::Column::Position, sea_orm::Order::Asc)
                .distinct()
                .limit(limit)
                .to_owned();
            query = query.filter(message::Column::Position.in_subquery(of_customer));
        }
        let rows = query
            .order_by_asc(message::Column::Position)
            .limit(limit)
            .all(&self.conn)
            .await
            .map_err(store_error)?;
        let full = rows.len() as u64 == limit;
        let read_to = if full {
            rows.last().map_or(last, |row| row.position)
        } else {
            Ord::max(last, after)
        };
        let messages = rows.into_iter().map(to_message).collect::<Result<_>>()?;
        Ok((messages, read_to))
    }

    /// Returns how much is archived.
    pub async fn archive_statistics(&self) -> Result<ArchiveStatistics> {
        let integer = || Alias::new(if self.store.is_postgres() { "bigint" } else { "integer" });
        let sum = |column: message::Column| Expr::expr(column.sum()).cast_as(integer());
        let unlinked = Expr::expr(Expr::case(message::Column::Unlinked.eq(true), 1).finally(0).sum()).cast_as(integer());
        let row = self
            .all_messages()
            .select_only()
            .column_as(message::Column::Number.count(), "messages")
            .column_as(unlinked, "unlinked")
            .column_as(sum(message::Column::Size), "size")
            .column_as(sum(message::Column::StoredSize), "stored_size")
            .into_model::<StatisticsRow>()
            .one(&self.conn)
            .await
            .map_err(store_error)?;
        let row = row.unwrap_or_default();
        Ok(ArchiveStatistics {
            messages: row.messages,
            unlinked: row.unlinked.unwrap_or(0),
            size: row.size.unwrap_or(0),
            stored_size: row.stored_size.unwrap_or(0),
        })
    }

    /// Reads a page of what a query finds, by the time the messages were sent.
    pub(super) async fn newest_first(
        &self,
        query: Select<message::Entity>,
        after: Option<MessageAfter>,
        limit: u64,
    ) -> Result<Vec<(MessageAfter, Message)>> {
        let rows = query
            .apply_if(after, |query, after| query.filter(older_than(after)))
            .order_by_desc(message::Column::Sent)
            .order_by_desc(message::Column::Number)
            .limit(limit)
            .all(&self.conn)
            .await
            .map_err(store_error)?;
        rows.into_iter().map(to_listed).collect()
    }

    pub(super) fn all_messages(&self) -> Select<message::Entity> {
        message::Entity::find().filter(message::Column::TenantId.eq(self.tenant.as_str()))
    }

    pub(super) fn condition(&self, filter: &MessageFilter) -> Condition {
        use message::Column;
        let party = |column: message_party::Column, value: &str| {
            let numbers = message_party::Entity::find()
                .select_only()
                .column(message_party::Column::MessageNumber)
                .filter(message_party::Column::TenantId.eq(self.tenant.as_str()))
                .filter(column.eq(value));
            Column::Number.in_subquery(numbers.into_query())
        };
        let in_mailbox = |agent: &AgentId| {
            let numbers = mailbox_item::Entity::find()
                .select_only()
                .column(mailbox_item::Column::MessageNumber)
                .filter(mailbox_item::Column::TenantId.eq(self.tenant.as_str()))
                .filter(mailbox_item::Column::AgentId.eq(agent.as_str()))
                .filter(mailbox_item::Column::MessageNumber.is_not_null());
            Column::Number.in_subquery(numbers.into_query())
        };
        Condition::all()
            .add_option(
                filter
                    .customer
                    .as_ref()
                    .map(|id| party(message_party::Column::CustomerId, id.as_str())),
            )
            .add_option(
                filter
                    .contact
                    .as_ref()
                    .map(|id| party(message_party::Column::ContactId, id.as_str())),
            )
            .add_option(filter.agent.as_ref().map(in_mailbox))
            .add_option(filter.direction.map(|direction| Column::Direction.eq(direction.as_str())))
            .add_option(filter.has_attachments.map(|has| {
                if has {
                    Column::AttachmentCount.gt(0)
                } else {
                    Column::AttachmentCount.eq(0)
                }
            }))
            .add_option(filter.sent_after.map(|time| Column::Sent.gte(time.0)))
            .add_option(filter.sent_before.map(|time| Column::Sent.lt(time.0)))
            .add_option(filter.unlinked.then(|| Column::Unlinked.eq(true)))
    }
}

/// What is written about a message once the database has given it its number.
struct UnnumberedRows {
    id: String,
    position: i64,
    sent: Timestamp,
    /// Addresses of people outside the company.
    parties: Vec<String>,
    links: Vec<CustomerLink>,
    words: SearchWords,
}

impl Writer {
    /// Archives messages, and returns the number of each, in their order.
    ///
    /// # Errors
    /// When the identity is already archived.
    pub async fn insert_messages(&mut self, new: Vec<NewMessage>) -> Result<Vec<i64>> {
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let first = self.allocate_positions(new.len()).await?;
        let mut rows = Vec::with_capacity(new.len());
        let mut blobs = Vec::with_capacity(new.len());
        let mut rest = Vec::with_capacity(new.len());
        for (new, position) in new.into_iter().zip(first..) {
            let NewMessage {
                message,
                identity,
                parties,
                words,
                blob,
            } = new;
            rest.push(UnnumberedRows {
                id: message.id.to_string(),
                position,
                sent: message.sent,
                parties,
                links: message.links.clone(),
                words,
            });
            rows.push(self.message_row(message, identity, position));
            blobs.push(blob);
        }
        self.insert_blobs(blobs).await?;
        let mut numbers = HashMap::with_capacity(rows.len());
        for group in groups(rows) {
            numbers.extend(self.insert_rows(group).await?);
        }
        let mut parties_rows = Vec::new();
        let mut words_rows = Vec::with_capacity(rest.len());
        let mut in_order = Vec::with_capacity(rest.len());
        for message in rest {
            let number = numbers.get(&message.id).copied();
            let number = number.ok_or_else(|| corrupt("message", "id", &message.id))?;
            in_order.push(number);
            for address in &message.parties {
                parties_rows.extend(self.party_rows(&message, number, address));
            }
            words_rows.push((number, message.words));
        }
        insert_all(&self.conn, parties_rows, None).await?;
        self.insert_words(words_rows).await?;
        Ok(in_order)
    }

    /// Returns the id and the number of each row. In no order: neither database promises one.
    async fn insert_rows(&self, rows: Vec<message::ActiveModel>) -> Result<Vec<(String, i64)>> {
        let mut insert = message::Entity::insert_many(rows).into_query();
        insert.returning(Query::returning().columns([message::Column::Id, message::Column::Number]));
        let rows = self.conn.query_all(&insert).await.map_err(store_error)?;
        rows.iter().map(|row| row.try_get_many_by_index().map_err(store_error)).collect()
    }

    /// Records that a message was found in another agent's mailbox.
    pub async fn add_agent_to_message(&mut self, known: &KnownMessage) -> Result<()> {
        message::Entity::update_many()
            .col_expr(message::Column::Agents, stored::write_agents(&known.agents).into())
            .filter(message::Column::TenantId.eq(self.tenant.as_str()))
            .filter(message::Column::Number.eq(known.number))
            .exec(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(())
    }

    fn message_row(&self, message: Message, identity: [u8; 32], position: i64) -> message::ActiveModel {
        let (from_name, from_address) = split(message.from);
        message::ActiveModel {
            number: NotSet,
            tenant_id: Set(self.tenant.to_string()),
            id: Set(message.id.to_string()),
            identity: Set(identity.to_vec()),
            position: Set(position),
            message_id: Set(message.message_id),
            direction: Set(message.direction.as_str().to_owned()),
            subject: Set(message.subject),
            from_name: Set(from_name),
            from_address: Set(from_address),
            recipients: Set(stored::write_recipients(message.to, message.cc)),
            preview: Set(message.preview),
            unlinked: Set(message.links.is_empty()),
            links: Set(stored::write_links(message.links)),
            agents: Set(stored::write_agents(&message.agents)),
            sent: Set(message.sent.0),
            received: Set(message.received.0),
            archived: Set(message.archived.0),
            size: Set(message.size),
            stored_size: Set(message.stored_size),
            blob_hash: Set(message.hash),
            attachment_count: Set(message.attachment_count),
            automatic: Set(message.automatic.map(|kind| kind.as_str().to_owned())),
        }
    }

    /// The rows of one party: one for each customer that knows the address, or one without a customer.
    fn party_rows(&self, message: &UnnumberedRows, number: i64, address: &str) -> Vec<message_party::ActiveModel> {
        let row = |customer: &str, contact: &str| message_party::ActiveModel {
            tenant_id: Set(self.tenant.to_string()),
            address_key: Set(address.to_owned()),
            message_number: Set(number),
            customer_id: Set(customer.to_owned()),
            contact_id: Set(contact.to_owned()),
            position: Set(message.position),
            sent: Set(message.sent.0),
        };
        let mut customers = HashSet::new();
        let known: Vec<_> = message
            .links
            .iter()
            .filter(|link| link.address == address && customers.insert(link.customer.as_str()))
            .map(|link| row(link.customer.as_str(), link.contact.as_str()))
            .collect();
        if known.is_empty() { vec![row("", "")] } else { known }
    }
}

/// Comes after `after` in a list, newest first.
fn older_than(after: MessageAfter) -> Condition {
    use message::Column;
    Condition::any().add(Column::Sent.lt(after.sent)).add(
        Condition::all()
            .add(Column::Sent.eq(after.sent))
            .add(Column::Number.lt(after.number)),
    )
}

fn to_listed(row: message::Model) -> Result<(MessageAfter, Message)> {
    let after = MessageAfter {
        sent: row.sent,
        number: row.number,
    };
    Ok((after, to_message(row)?))
}

fn to_message(row: message::Model) -> Result<Message> {
    let (to, cc) = stored::read_recipients(&row.recipients, &row.id)?;
    Ok(Message {
        direction: Direction::parse(&row.direction).ok_or_else(|| corrupt("message", "direction", &row.id))?,
        automatic: automatic(row.automatic, "message", &row.id)?,
        links: stored::read_links(&row.links, &row.id)?,
        agents: stored::read_agents(&row.agents, &row.id)?,
        from: join(row.from_name, row.from_address),
        to,
        cc,
        id: row.id.into(),
        position: row.position,
        message_id: row.message_id,
        subject: row.subject,
        preview: row.preview,
        sent: Timestamp(row.sent),
        received: Timestamp(row.received),
        archived: Timestamp(row.archived),
        size: row.size,
        stored_size: row.stored_size,
        hash: row.blob_hash,
        attachment_count: row.attachment_count,
    })
}
