//! The one transaction of a batch: notes, contacts, archive, outcomes, events and the mailbox's new position, or nothing of it.

use std::time::Duration;

use super::{
    archive::archive,
    content::Item,
    context::{AgentFolder, Context, PendingMessage},
    effects::{Archived, Effects},
    sweep::sweep,
};
use crate::{
    domain::{Agent, Error, EventKind, Note, Outcome, OutcomeResult, Result, TenantId},
    ops::Ops,
    provider::Folder,
    store::{FolderPosition, LeaseKey, MailboxItem, NewNote, Writer, retrying},
};

/// Messages of a folder, and where the folder stands once they are handled.
pub struct Batch<'a> {
    /// The agent whose mailbox it is.
    pub agent: &'a Agent,
    /// Fencing number of the lease under which the mailbox is read, if there is one.
    pub fence: Option<i64>,
    /// The folder.
    pub folder: &'a Folder,
    /// Where it stands now.
    pub position: &'a FolderPosition,
    /// Where it stands afterwards.
    pub next_state: Option<String>,
    /// The messages.
    pub items: &'a [Item],
}

/// What a batch did.
#[derive(Clone, Debug, Default)]
pub struct BatchResult {
    /// Where the folder stands now.
    pub position: FolderPosition,
    /// Results of the swept messages, in their order.
    pub results: Vec<OutcomeResult>,
    /// Messages handled, swept or not.
    pub handled: u64,
    /// Messages that the archive has for the first time.
    pub archived: u64,
    /// Their size in bytes.
    pub archived_bytes: u64,
    /// Messages that the archive had already.
    pub known: u64,
    /// How long after its message was received each note was made.
    pub delays: Vec<Duration>,
    /// Whether contacts were made, whose older mail is to be linked.
    pub new_contacts: bool,
}

/// Handles a batch of a mailbox's messages: all of it happens, or nothing. Messages that were handled before are passed over.
///
/// # Errors
/// [`crate::domain::Kind::Stale`] when another replica was faster or the agent is gone; [`crate::domain::Kind::Unavailable`] when the
/// database is away.
pub async fn commit(ops: &Ops, tenant: &TenantId, batch: &Batch<'_>) -> Result<BatchResult> {
    let result = retrying(|| async {
        let now = ops.now();
        let mut writer = ops.store.begin_alone(tenant).await?;
        if let Some(fence) = batch.fence {
            writer.check_lease(LeaseKey::mailbox(tenant, &batch.agent.id), fence).await?;
        }
        let position = batch.position.moved(batch.next_state.clone());
        writer.move_position(&batch.agent.id, &batch.folder.key(), &position, now).await?;
        // A reader with the previous settings must not move a position that starts again for the current ones.
        let wanted = |now: &Agent| now.is_active() && now.is_read_as(batch.agent);
        let agent = writer.agent(&batch.agent.id).await?.filter(wanted);
        let agent = agent.ok_or_else(|| Error::stale(batch.agent.id.name()))?;
        let source = AgentFolder {
            agent: &agent,
            folder: batch.folder,
        };
        let context = Context::read(ops, &writer, Some(source), batch.items, now).await?;
        let mut result = handle(context, &mut writer).await?;
        result.position = position;
        writer.commit().await?;
        Ok(result)
    })
    .await?;
    if result.new_contacts {
        ops.mail_to_link.notify_one();
    }
    for outcome in &result.results {
        ops.metrics.message_swept(outcome.as_str());
    }
    count(ops, &result);
    Ok(result)
}

/// Tells the metrics what was stored and noted.
fn count(ops: &Ops, result: &BatchResult) {
    ops.metrics.messages_stored(result.archived, result.archived_bytes);
    ops.metrics.messages_known(result.known);
    for delay in &result.delays {
        ops.metrics.note_made(*delay);
    }
}

/// Archives messages that come from files rather than a mailbox. Messages that are archived already are passed over.
///
/// # Errors
/// [`crate::domain::Kind::Unavailable`] when the database is away.
pub async fn commit_import(ops: &Ops, tenant: &TenantId, items: &[Item]) -> Result<BatchResult> {
    let result = retrying(|| async {
        let mut writer = ops.store.begin_alone(tenant).await?;
        let context = Context::read(ops, &writer, None, items, ops.now()).await?;
        let result = handle(context, &mut writer).await?;
        writer.commit().await?;
        Ok(result)
    })
    .await?;
    count(ops, &result);
    Ok(result)
}

/// Finds out what the messages lead to, and writes it.
async fn handle(mut context: Context<'_>, writer: &mut Writer) -> Result<BatchResult> {
    let mut effects = Effects::default();
    sweep(&mut context, writer, &mut effects).await?;
    archive(&context, writer, &mut effects).await?;
    let result = outline(&context, &effects);
    write(&context, effects, writer).await?;
    Ok(result)
}

/// What a batch does, but for the folder's position.
fn outline(context: &Context<'_>, effects: &Effects) -> BatchResult {
    let archived = effects.messages.len() as u64;
    let archivable = context.fresh.iter().zip(&effects.archived);
    let archivable = archivable.filter(|(fresh, archived)| fresh.message.blob.is_some() && **archived != Archived::Not);
    BatchResult {
        position: FolderPosition::default(),
        results: effects.outcomes.iter().map(|outcome| outcome.result).collect(),
        handled: context.fresh.iter().filter(|fresh| !fresh.only_to_archive).count() as u64,
        archived,
        archived_bytes: effects.messages.iter().map(|new| new.message.size.unsigned_abs()).sum(),
        known: archivable.count() as u64 - archived,
        delays: effects
            .notes
            .iter()
            .map(|NewNote { note, .. }| note.created.since(note.received))
            .collect(),
        new_contacts: !effects.contacts.is_empty(),
    }
}

/// Writes all effects, and what follows from them: the events of the log, and what is known of the mailbox and its agent.
async fn write(context: &Context<'_>, effects: Effects, writer: &mut Writer) -> Result<()> {
    let events = events(context, &effects);
    if !effects.contacts.is_empty() {
        writer.upsert_contacts(&effects.contacts).await?;
    }
    let numbers = writer.insert_messages(effects.messages).await?;
    for message in &effects.joined {
        writer.add_agent_to_message(message).await?;
    }
    writer.insert_blobs(effects.blobs).await?;
    if let Some(source) = context.source {
        let number = |archived: &Archived| match archived {
            Archived::Not => None,
            Archived::Known(number) => Some(*number),
            Archived::New(index) => Some(numbers[*index]),
        };
        let items = context.fresh.iter().zip(&effects.archived);
        let items = items.map(|(PendingMessage { item, message, .. }, archived)| MailboxItem {
            source_key: item.key.clone(),
            message_number: number(archived),
            withheld: message.is_withheld(),
        });
        let items = items.collect();
        writer.insert_items(&source.agent.id, &source.folder.key(), items).await?;
        count_handled(context, source, &effects.outcomes, writer).await?;
    }
    writer.insert_notes(effects.notes).await?;
    writer.insert_outcomes(effects.outcomes).await?;
    writer.append_events(events, context.now).await
}

/// What the log says: the contacts, then the notes, which name them.
fn events(context: &Context<'_>, effects: &Effects) -> Vec<(String, EventKind)> {
    let contacts = effects.contacts.iter().cloned().map(EventKind::ContactCreated);
    let excerpts = effects.notes.iter().map(|new| Note::excerpt(new.note.clone()));
    let notes = excerpts.map(|excerpt| EventKind::Matched(Box::new(excerpt)));
    contacts.chain(notes).map(|kind| (context.ops.ids.next(), kind)).collect()
}

/// Adds to what the agent's health counts.
async fn count_handled(context: &Context<'_>, source: AgentFolder<'_>, outcomes: &[Outcome], writer: &mut Writer) -> Result<()> {
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let handled = context.fresh.iter().filter(|fresh| !fresh.only_to_archive).count();
    let matched = outcomes.iter().filter(|outcome| outcome.result == OutcomeResult::Matched).count();
    let set_aside = outcomes.iter().filter(|outcome| outcome.result.is_set_aside()).count();
    writer
        .count_handled(&source.agent.id, number(handled), number(matched), number(set_aside))
        .await
}
