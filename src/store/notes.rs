//! Outcomes and notes.

use std::collections::HashSet;

use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use super::{
    TenantStore, Writer, corrupt,
    entity::{note, outcome},
    rows::insert_all,
    store_error, stored,
};
use crate::domain::{
    AgentId, AutomaticKind, CaseId, ContactId, Mailbox, MessageId, Note, NoteFilter, NoteId, Outcome, OutcomeFilter, OutcomeId,
    OutcomeResult, Result, Timestamp,
};

/// A note with what its message is known by.
#[derive(Clone, Debug)]
pub struct NewNote {
    pub note: Note,
    pub identity: [u8; 32],
    /// SHA-256 of what all copies of the message have in common.
    pub copy_key: Option<[u8; 32]>,
}

/// A note of a message that others may be copies of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotedCopy {
    pub case: CaseId,
    pub copy_key: Vec<u8>,
    /// What the sender wrote, and the quoted history.
    pub texts: [String; 2],
}

impl<C: ConnectionTrait> TenantStore<C> {
    /// Returns the notes of messages with these keys of copies.
    pub async fn noted_copies(&self, copy_keys: &[Vec<u8>]) -> Result<Vec<NotedCopy>> {
        use note::Column;
        if copy_keys.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<(String, Vec<u8>, String, String)> = note::Entity::find()
            .select_only()
            .columns([Column::CaseId, Column::CopyKey, Column::Text, Column::Quoted])
            .filter(Column::TenantId.eq(self.tenant.as_str()))
            .filter(Column::CopyKey.is_in(copy_keys.iter().cloned()))
            .into_tuple()
            .all(&self.conn)
            .await
            .map_err(store_error)?;
        let copies = rows.into_iter().map(|(case, copy_key, text, quoted)| NotedCopy {
            case: case.into(),
            copy_key,
            texts: [text, quoted],
        });
        Ok(copies.collect())
    }

    /// Finds an outcome.
    pub async fn outcome(&self, id: &OutcomeId) -> Result<Option<Outcome>> {
        let row = outcome::Entity::find_by_id((self.tenant.to_string(), id.to_string()))
            .one(&self.conn)
            .await
            .map_err(store_error)?;
        row.map(to_outcome).transpose()
    }

    /// Lists outcomes, newest first, before the id `before` (empty: from the newest).
    pub async fn outcomes(&self, filter: &OutcomeFilter, before: &str, limit: u64) -> Result<Vec<Outcome>> {
        use outcome::Column;
        let mut query = outcome::Entity::find()
            .filter(Column::TenantId.eq(self.tenant.as_str()))
            .order_by_desc(Column::Id)
            .limit(limit);
        if !before.is_empty() {
            query = query.filter(Column::Id.lt(before));
        }
        if let Some(agent) = &filter.agent {
            query = query.filter(Column::AgentId.eq(agent.as_str()));
        }
        if let Some(message_id) = &filter.message_id {
            query = query.filter(Column::MessageId.eq(message_id));
        }
        if !filter.results.is_empty() {
            query = query.filter(Column::Result.is_in(filter.results.iter().map(|result| result.as_str())));
        }
        let rows = query.all(&self.conn).await.map_err(store_error)?;
        rows.into_iter().map(to_outcome).collect()
    }

    /// Returns which identities were swept before: in any mailbox with a result that settles it, or in the mailbox of `agent` with whatever
    /// result.
    pub async fn swept_identities(&self, identities: &[Vec<u8>], agent: Option<&AgentId>) -> Result<HashSet<Vec<u8>>> {
        let settling = OutcomeResult::ALL.iter().filter(|result| result.settles());
        let settled = outcome::Column::Result.is_in(settling.map(|result| result.as_str()));
        let here = agent.map(|agent| outcome::Column::AgentId.eq(agent.as_str()));
        let rows: Vec<Vec<u8>> = outcome::Entity::find()
            .select_only()
            .column(outcome::Column::Identity)
            .filter(outcome::Column::TenantId.eq(self.tenant.as_str()))
            .filter(outcome::Column::Identity.is_in(identities.iter().cloned()))
            .filter(Condition::any().add(settled).add_option(here))
            .into_tuple()
            .all(&self.conn)
            .await
            .map_err(store_error)?;
        Ok(rows.into_iter().collect())
    }

    /// Finds a note.
    pub async fn note(&self, id: &NoteId) -> Result<Option<Note>> {
        let row = note::Entity::find_by_id((self.tenant.to_string(), id.to_string()))
            .one(&self.conn)
            .await
            .map_err(store_error)?;
        row.map(to_note).transpose()
    }

    /// Lists notes, newest first, before the id `before` (empty: from the newest).
    pub async fn notes(&self, filter: &NoteFilter, before: &str, limit: u64) -> Result<Vec<Note>> {
        use note::Column;
        let mut query = note::Entity::find()
            .filter(Column::TenantId.eq(self.tenant.as_str()))
            .order_by_desc(Column::Id)
            .limit(limit);
        if !before.is_empty() {
            query = query.filter(Column::Id.lt(before));
        }
        if let Some(case) = &filter.case {
            query = query.filter(Column::CaseId.eq(case.as_str()));
        }
        if let Some(agent) = &filter.agent {
            query = query.filter(Column::AgentId.eq(agent.as_str()));
        }
        let rows = query.all(&self.conn).await.map_err(store_error)?;
        rows.into_iter().map(to_note).collect()
    }

    /// Counts the notes from a sender's messages that were received within a period, on one case or on all.
    pub async fn count_notes(&self, sender_key: &str, case: Option<&CaseId>, from: Timestamp, to: Timestamp) -> Result<u64> {
        use note::Column;
        let mut query = note::Entity::find()
            .filter(Column::TenantId.eq(self.tenant.as_str()))
            .filter(Column::SenderKey.eq(sender_key))
            .filter(Column::Received.between(from.0, to.0));
        if let Some(case) = case {
            query = query.filter(Column::CaseId.eq(case.as_str()));
        }
        query.count(&self.conn).await.map_err(store_error)
    }
}

impl Writer {
    /// Adds outcomes.
    pub async fn insert_outcomes(&mut self, outcomes: Vec<Outcome>) -> Result<()> {
        let rows = outcomes.into_iter().map(|outcome| {
            let (sender_name, sender_address) = split(outcome.sender);
            outcome::ActiveModel {
                tenant_id: Set(self.tenant.to_string()),
                id: Set(outcome.id.to_string()),
                agent_id: Set(outcome.agent.to_string()),
                folder: Set(outcome.folder),
                source_id: Set(outcome.source_id),
                result: Set(outcome.result.as_str().to_owned()),
                detail: Set(outcome.detail),
                subject: Set(outcome.subject),
                sender_name: Set(sender_name),
                sender_address: Set(sender_address),
                message_id: Set(outcome.message_id),
                automatic: Set(outcome.automatic.map(|kind| kind.as_str().to_owned())),
                case_id: Set(outcome.case.map(String::from)),
                note_id: Set(outcome.note.map(String::from)),
                contact_id: Set(outcome.contact.map(String::from)),
                archived_id: Set(outcome.message.map(String::from)),
                candidates: Set(stored::write_candidates(outcome.candidates)),
                size: Set(outcome.size),
                received: Set(outcome.received.0),
                handled: Set(outcome.handled.0),
                identity: Set(outcome.identity),
                blob_hash: Set(outcome.blob),
            }
        });
        insert_all(&self.conn, rows, None).await
    }

    /// Adds notes. A second note of a message with the same identity on the same case fails.
    pub async fn insert_notes(&mut self, notes: Vec<NewNote>) -> Result<()> {
        let rows = notes.into_iter().map(|NewNote { note, identity, copy_key }| {
            let sender_key = note.sender.as_ref().map(Mailbox::key).unwrap_or_default();
            let (sender_name, sender_address) = split(note.sender);
            note::ActiveModel {
                tenant_id: Set(self.tenant.to_string()),
                id: Set(note.id.to_string()),
                case_id: Set(note.case.to_string()),
                case_reference: Set(note.case_reference),
                customer_id: Set(note.customer.to_string()),
                contact_id: Set(note.contact.map(String::from)),
                contact_created: Set(note.contact_created),
                agent_id: Set(note.agent.to_string()),
                archived_id: Set(note.message.map(String::from)),
                message_id: Set(note.message_id),
                sender_name: Set(sender_name),
                sender_address: Set(sender_address),
                sender_key: Set(sender_key),
                subject: Set(note.subject),
                text: Set(note.text),
                quoted: Set(note.quoted),
                automatic: Set(note.automatic.map(|kind| kind.as_str().to_owned())),
                sender_not_authentic: Set(note.sender_not_authentic),
                received: Set(note.received.0),
                create_time: Set(note.created.0),
                identity: Set(identity.to_vec()),
                copy_key: Set(copy_key.map(Vec::from)),
                blob_hash: Set(note.blob),
                size: Set(note.size),
            }
        });
        insert_all(&self.conn, rows, None).await
    }
}

pub(super) fn split(mailbox: Option<Mailbox>) -> (String, Option<String>) {
    mailbox.map_or((String::new(), None), |mailbox| (mailbox.display_name, Some(mailbox.address)))
}

pub(super) fn join(display_name: String, address: Option<String>) -> Option<Mailbox> {
    address.map(|address| Mailbox { display_name, address })
}

pub(super) fn automatic(text: Option<String>, table: &'static str, id: &str) -> Result<Option<AutomaticKind>> {
    text.map(|text| AutomaticKind::parse(&text).ok_or_else(|| corrupt(table, "automatic", id)))
        .transpose()
}

fn to_outcome(row: outcome::Model) -> Result<Outcome> {
    Ok(Outcome {
        result: OutcomeResult::parse(&row.result).ok_or_else(|| corrupt("outcome", "result", &row.id))?,
        automatic: automatic(row.automatic, "outcome", &row.id)?,
        candidates: stored::read_candidates(&row.candidates, &row.id)?,
        sender: join(row.sender_name, row.sender_address),
        id: row.id.into(),
        agent: row.agent_id.into(),
        folder: row.folder,
        source_id: row.source_id,
        detail: row.detail,
        subject: row.subject,
        message_id: row.message_id,
        case: row.case_id.map(CaseId::from),
        note: row.note_id.map(NoteId::from),
        contact: row.contact_id.map(ContactId::from),
        message: row.archived_id.map(MessageId::from),
        size: row.size,
        received: Timestamp(row.received),
        handled: Timestamp(row.handled),
        identity: row.identity,
        blob: row.blob_hash,
    })
}

fn to_note(row: note::Model) -> Result<Note> {
    Ok(Note {
        automatic: automatic(row.automatic, "note", &row.id)?,
        sender: join(row.sender_name, row.sender_address),
        id: row.id.into(),
        case: row.case_id.into(),
        case_reference: row.case_reference,
        customer: row.customer_id.into(),
        contact: row.contact_id.map(ContactId::from),
        contact_created: row.contact_created,
        agent: row.agent_id.into(),
        message: row.archived_id.map(MessageId::from),
        message_id: row.message_id,
        subject: row.subject,
        text: row.text,
        quoted: row.quoted,
        quoted_is_cut: false,
        sender_not_authentic: row.sender_not_authentic,
        received: Timestamp(row.received),
        created: Timestamp(row.create_time),
        blob: row.blob_hash,
        size: row.size,
    })
}
