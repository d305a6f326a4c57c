//! The case sweep of a batch: which messages become notes, and the outcome of each.

use std::{collections::HashSet, time::Duration};

use super::{
    content::Prepared,
    context::{AgentFolder, Context, PendingMessage},
    copies::Copies,
    decide::{ContactChoice, Decision, Knowledge, decide, too_large},
    effects::Effects,
};
use crate::{
    domain::{Note, Outcome, OutcomeResult, Result},
    provider::FolderRole,
    store::{NewNote, Writer},
};

/// Period that the loop limits count in.
const LOOP_WINDOW: Duration = Duration::from_hours(1);

/// Decides about the messages of a folder. Reads only.
///
/// # Errors
/// The database's.
pub(super) async fn sweep(context: &mut Context<'_>, writer: &Writer, effects: &mut Effects) -> Result<()> {
    let Some(source) = context.source else { return Ok(()) };
    let rest = match source.folder.role {
        FolderRole::Inbox | FolderRole::Other if source.agent.settings.exchange.case_sweep => {
            decide_all(context, source, writer, effects).await?
        }
        FolderRole::Inbox | FolderRole::Sent | FolderRole::Other => context.fresh.clone(),
    };
    let unkept = rest.into_iter().filter_map(|fresh| unkept(context, source, fresh));
    effects.outcomes.extend(unkept);
    Ok(())
}

/// Decides about every message, one after the other, since each may change what the next one meets.
///
/// What people filed came through the inbox as a rule, and was decided about there. It is looked at for what a person or a rule took
/// out of the inbox before it was read there, since the agent is there; so nothing is said twice of a message, nor of sent ones.
///
/// Returns the messages that are too old for it.
async fn decide_all<'a>(
    context: &mut Context<'a>,
    source: AgentFolder<'a>,
    writer: &Writer,
    effects: &mut Effects,
) -> Result<Vec<PendingMessage<'a>>> {
    let AgentFolder { agent, folder } = source;
    let filed = folder.role == FolderRole::Other;
    let mut swept = writer.swept_identities(&context.identities(), filed.then_some(&agent.id)).await?;
    let candidates = context.fresh.iter().flat_map(|fresh| &fresh.message.candidates);
    let references: HashSet<String> = candidates.cloned().collect();
    let cases = writer.cases_by_reference(&references).await?;
    let copy_keys = context
        .fresh
        .iter()
        .map(|fresh| fresh.message)
        .filter(|message| !message.candidates.is_empty());
    let copy_keys: Vec<Vec<u8>> = copy_keys.filter_map(|message| message.parsed.copy_key.map(Vec::from)).collect();
    let mut copies = Copies::new(writer.noted_copies(&copy_keys).await?);
    let own_marks = context.ops.sealer.bind("own-mail", writer.tenant_id());
    let mut too_old = Vec::new();
    for fresh in context.fresh.clone() {
        let message = fresh.message;
        if fresh.only_to_archive {
            continue;
        }
        if filed && context.received(message) < agent.created {
            too_old.push(fresh);
            continue;
        }
        if filed && swept.contains(fresh.identity().as_slice()) {
            continue;
        }
        let knowledge = Knowledge {
            agent,
            choices: &context.choices,
            ours: &context.ours,
            own_marks: &own_marks,
            addresses: &context.addresses,
            cases: &cases,
            swept: &swept,
            copies: &copies,
        };
        let mut decision = decide(message, &knowledge);
        if filed && decision.result == OutcomeResult::OwnMessage {
            continue;
        }
        if decision.result == OutcomeResult::Matched && is_loop(context, writer, effects, message, &decision).await? {
            decision.result = OutcomeResult::Loop;
            decision.detail = "This sender sent too many messages within an hour. The message is set aside and can be \
                               replayed."
                .to_owned();
        }
        if filed || decision.result.settles() {
            swept.insert(fresh.identity().to_vec());
        }
        let noted = effects.notes.len();
        record(context, source, fresh, decision, effects);
        if let Some(new) = effects.notes.get(noted) {
            copies.note(new);
        }
    }
    Ok(too_old)
}

/// Whether a note would be one too many from this sender, counting those of this batch.
async fn is_loop(context: &Context<'_>, writer: &Writer, effects: &Effects, message: &Prepared, decision: &Decision<'_>) -> Result<bool> {
    let (Some(from), Some(case)) = (&message.parsed.from, decision.case) else {
        return Ok(false);
    };
    let received = context.received(message);
    let since = received.before(LOOP_WINDOW);
    let limits = [
        (context.choices.loop_limit_per_sender_and_case, Some(&case.id)),
        (context.choices.loop_limit_per_sender, None),
    ];
    for (limit, case) in limits.into_iter().filter(|(limit, _)| *limit > 0) {
        let stored = writer.count_notes(&from.key(), case, since, received).await?;
        let here = effects.notes.iter().filter(|NewNote { note, .. }| {
            note.sender.as_ref().is_some_and(|sender| sender.key() == from.key())
                && case.is_none_or(|case| note.case == *case)
                && (since..=received).contains(&note.received)
        });
        if stored + here.count() as u64 >= u64::from(limit) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Turns a decision into effects: the outcome, and for a match the note and its contact.
fn record(context: &mut Context<'_>, source: AgentFolder<'_>, fresh: PendingMessage<'_>, decision: Decision<'_>, effects: &mut Effects) {
    let message = fresh.message;
    let parsed = &message.parsed;
    let mut outcome = context.outcome(source, fresh, decision.result, decision.detail);
    outcome.case = decision.case.map(|case| case.id.clone());
    if let (OutcomeResult::Matched, Some(case)) = (decision.result, decision.case) {
        let (contact, contact_created) = match decision.contact {
            ContactChoice::Nobody => (None, false),
            ContactChoice::Known(contact) => (Some(contact), false),
            ContactChoice::New(from) => (Some(context.create_contact(from, &case.customer, effects)), true),
        };
        let text = message.note.clone().unwrap_or_default();
        let keep = source.agent.settings.exchange.sweep_options.keep_full_message;
        let note = Note {
            id: context.ops.ids.next().into(),
            case: case.id.clone(),
            case_reference: case.reference.clone(),
            customer: case.customer.clone(),
            contact: contact.clone(),
            contact_created,
            agent: source.agent.id.clone(),
            message: None,
            message_id: outcome.message_id.clone(),
            sender: parsed.from.clone(),
            subject: parsed.subject.clone(),
            // PostgreSQL's text has no NUL.
            text: text.text.replace('\0', ""),
            quoted: text.quoted.replace('\0', ""),
            quoted_is_cut: false,
            automatic: parsed.automatic,
            sender_not_authentic: decision.not_authentic,
            received: outcome.received,
            created: context.now,
            blob: if keep { effects.keep(message) } else { None },
            size: outcome.size,
        };
        outcome.note = Some(note.id.clone());
        outcome.contact = contact;
        effects.notes.push(NewNote {
            note,
            identity: *fresh.identity(),
            copy_key: parsed.copy_key,
        });
    } else if decision.result.is_set_aside() {
        outcome.blob = effects.keep(message);
    }
    effects.outcomes.push(outcome);
}

/// The outcome of a message that is not swept and cannot be archived either, so that it is not lost unseen.
fn unkept(context: &Context<'_>, source: AgentFolder<'_>, fresh: PendingMessage<'_>) -> Option<Outcome> {
    let message = fresh.message;
    let (result, detail) = match (message.too_large, &message.unparsable) {
        _ if fresh.only_to_archive => return None,
        (Some(size), _) => (OutcomeResult::TooLarge, too_large(size)),
        (None, Some(reason)) if message.blob.is_none() => (OutcomeResult::Unparsable, reason.clone()),
        _ => return None,
    };
    Some(context.outcome(source, fresh, result, detail))
}
