//! What the sweep made: outcomes, notes, matches; and sweeping a mailbox on demand.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Ops,
    archive::Download,
    mailbox::{self, MailboxWork, Opened, Progress, ReadError, Reading},
    page_limit,
    reads::record,
    watch::{Cursors, Followed, follow_events},
};
use crate::domain::{
    Agent, AgentId, Caller, Contact, Detail, Error, EventKind, Kind, MatchFilter, Note, NoteFilter, NoteId, Outcome, OutcomeFilter,
    OutcomeId, Page, Reason, Result, Scope, TenantId, Timestamp, topic,
};

/// A match, as subscribers get it.
#[derive(Clone, Debug)]
pub struct Match {
    /// The same at every delivery.
    pub event_id: String,
    /// When it was committed.
    pub time: Timestamp,
    /// The note's excerpt.
    pub note: Note,
}

/// What a sweep on demand has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// What became of the messages.
    pub progress: Progress,
    /// Folders that could not be read while the others were, each with what is wrong, in plain language. Empty until the sweep is done.
    pub folder_problems: BTreeMap<String, String>,
}

/// Something that the service made, as the CRM copies it.
#[derive(Clone, Debug)]
pub struct Change {
    /// The same at every delivery.
    pub event_id: String,
    /// When it was committed.
    pub time: Timestamp,
    /// What was made.
    pub made: Made,
}

/// What was made.
#[derive(Clone, Debug)]
pub enum Made {
    /// A contact.
    Contact(Contact),
    /// A note, by its id.
    Note(NoteId),
}

/// Lists outcomes before the id `before`, newest first.
///
/// # Errors
/// [`Kind::Denied`] without `sweep.read`.
pub async fn list_outcomes(ops: &Ops, caller: &Caller, filter: &OutcomeFilter, before: &str, page_size: i32) -> Result<Page<Outcome>> {
    caller.need(Scope::SweepRead)?;
    let limit = page_limit(page_size)?;
    let outcomes = ops.store.tenant(&caller.tenant).outcomes(filter, before, limit).await?;
    Ok(Page::new(outcomes, limit, |outcome| outcome.id.to_string()))
}

/// Returns an outcome.
///
/// # Errors
/// [`Kind::NotFound`].
pub async fn get_outcome(ops: &Ops, caller: &Caller, id: &OutcomeId) -> Result<Outcome> {
    caller.need(Scope::SweepRead)?;
    let outcome = ops.store.tenant(&caller.tenant).outcome(id).await?;
    outcome.ok_or_else(|| Error::not_found(id.name()))
}

/// Lists notes' excerpts before the id `before`, newest first.
///
/// # Errors
/// [`Kind::Denied`] without `sweep.read`.
pub async fn list_notes(ops: &Ops, caller: &Caller, filter: &NoteFilter, before: &str, page_size: i32) -> Result<Page<Note>> {
    caller.need(Scope::SweepRead)?;
    let limit = page_limit(page_size)?;
    let notes = ops.store.tenant(&caller.tenant).notes(filter, before, limit).await?;
    Ok(Page::new(notes, limit, |note| note.id.to_string()).map(Note::excerpt))
}

/// Returns a note with its whole text. The audit log has who read it.
///
/// # Errors
/// [`Kind::NotFound`].
pub async fn get_note(ops: &Ops, caller: &Caller, id: &NoteId) -> Result<Note> {
    let note = find_note(ops, caller, id).await?;
    record(ops, caller, "GetNote", id.name()).await?;
    Ok(note)
}

async fn find_note(ops: &Ops, caller: &Caller, id: &NoteId) -> Result<Note> {
    caller.need(Scope::SweepRead)?;
    let note = ops.store.tenant(&caller.tenant).note(id).await?;
    note.ok_or_else(|| Error::not_found(id.name()))
}

/// Opens the message kept with a note for download. The audit log has who read it.
///
/// # Errors
/// [`Kind::Precondition`] when none is kept; [`Kind::OutOfRange`] for an offset beyond the end.
pub async fn download_note_message(ops: &Ops, caller: &Caller, id: &NoteId, offset: i64) -> Result<Download> {
    let note = find_note(ops, caller, id).await?;
    let Some(hash) = note.blob else {
        let text = format!("No full message is kept with notes/{id}: its agent did not keep them when it was created.");
        return Err(Error::new(Kind::Precondition, Reason::FullMessageNotKept, text).with(Detail::Resource, id.name()));
    };
    record(ops, caller, "DownloadNoteMessage", id.name()).await?;
    Download::of_message(ops, &caller.tenant, &hash, note.id.as_str(), offset).await
}

/// Follows matches.
///
/// # Errors
/// See `SweepService.WatchMatches`.
pub async fn watch_matches(
    ops: &Ops,
    caller: &Caller,
    cursors: Cursors,
    cursor: &str,
    filter: MatchFilter,
) -> Result<impl futures::Stream<Item = Result<Followed<Match>>> + Send + 'static> {
    caller.need_any(topic::MATCHES.scopes)?;
    let filter = Arc::new(filter);
    let pick = move |event_id, time, what| match what {
        EventKind::Matched(note) if filter.passes(&note) => Some(Match {
            event_id,
            time,
            note: *note,
        }),
        _ => None,
    };
    follow_events(ops, &topic::MATCHES, &caller.tenant, (cursors, cursor), pick).await
}

/// Follows the contacts and notes that the service makes.
///
/// # Errors
/// See `DirectoryService.WatchChanges`.
pub async fn watch_changes(
    ops: &Ops,
    caller: &Caller,
    cursors: Cursors,
    cursor: &str,
) -> Result<impl futures::Stream<Item = Result<Followed<Change>>> + Send + 'static> {
    caller.need_any(topic::CHANGES.scopes)?;
    let pick = |event_id, time, what| {
        let made = match what {
            EventKind::Matched(note) => Made::Note(note.id),
            EventKind::ContactCreated(contact) => Made::Contact(contact),
            EventKind::Token(_) => return None,
        };
        Some(Change { event_id, time, made })
    };
    follow_events(ops, &topic::CHANGES, &caller.tenant, (cursors, cursor), pick).await
}

/// Finds the agent that is to be swept now, and opens its mailbox.
///
/// # Errors
/// [`Kind::Precondition`] when it is disabled or does neither sweep nor archive.
pub async fn prepare_sweep(ops: &Ops, caller: &Caller, id: &AgentId) -> Result<(Agent, Result<Opened, ReadError>)> {
    caller.need(Scope::SweepRun)?;
    let agent = ops.store.tenant(&caller.tenant).agent(id).await?;
    let agent = agent.ok_or_else(|| Error::not_found(id.name()))?;
    if !agent.is_active() {
        let text = format!("agents/{id} is disabled, or neither sweeps nor archives.");
        return Err(Error::new(Kind::Precondition, Reason::AgentNotActive, text).with(Detail::Resource, id.name()));
    }
    let opened = mailbox::open(ops, &caller.tenant, &agent, Arc::default()).await;
    Ok((agent, opened))
}

/// Sweeps a mailbox to its end, but for folders that cannot be read.
///
/// # Errors
/// What ended it early; the agent's health has it too.
pub async fn run_sweep(
    ops: &Ops,
    tenant: &TenantId,
    agent: &Agent,
    opened: Result<Opened, ReadError>,
    report: &mut (dyn FnMut(SweepReport) + Send),
) -> Result<SweepReport, ReadError> {
    let opened = opened?;
    let work = MailboxWork {
        ops,
        tenant,
        agent,
        opened: &opened,
    };
    let so_far = &mut |progress| {
        report(SweepReport {
            progress,
            ..SweepReport::default()
        });
    };
    let progress = mailbox::read(work, Reading::Everything, so_far).await?;
    let faults = opened.memory.faults().into_iter();
    Ok(SweepReport {
        progress,
        folder_problems: faults.map(|fault| (fault.folder.clone(), fault.words())).collect(),
    })
}
