//! The archive of a batch: which messages it gets, and whose they are.

use std::collections::HashMap;

use super::{
    content::Prepared,
    context::Context,
    effects::{Archived, Effects},
};
use crate::{
    domain::{AgentId, CustomerLink, ExternalParties, Mailbox, Message, Result},
    store::{KnownAddress, NewBlob, NewMessage, NewNote, SearchWords, Writer},
};

/// Most recipients of a message that are kept for lists; all of them are searched and linked.
const SHOWN_RECIPIENTS: usize = 100;

/// Archives what the archive does not have, if the messages are for it, and gives outcomes and notes the ids of their messages there.
/// Messages without bytes are not archived. Reads only.
///
/// # Errors
/// The database's.
pub(super) async fn archive(context: &Context<'_>, writer: &Writer, effects: &mut Effects) -> Result<()> {
    if context.source.is_some_and(|source| !source.agent.settings.exchange.archive) {
        effects.archived = vec![Archived::Not; context.fresh.len()];
        return Ok(());
    }
    let agent = context.source.map(|source| source.agent.id.clone());
    let known = writer.messages_by_identity(&context.identities()).await?;
    let mut new: HashMap<[u8; 32], usize> = HashMap::new();
    for fresh in &context.fresh {
        let identity = fresh.identity();
        let archived = match (known.get(identity.as_slice()), &fresh.message.blob) {
            (Some(known), _) => Archived::Known(known.number),
            (None, None) => new.get(identity).map_or(Archived::Not, |index| Archived::New(*index)),
            (None, Some(blob)) => {
                let index = *new.entry(*identity).or_insert(effects.messages.len());
                if index == effects.messages.len() {
                    effects.messages.push(to_archive(context, fresh.message, blob, agent.as_ref()));
                }
                Archived::New(index)
            }
        };
        effects.archived.push(archived);
    }
    let id = |identity: &[u8]| {
        let known = known.get(identity).map(|known| &known.id);
        let new = || new.get(identity).map(|index| &effects.messages[*index].message.id);
        known.or_else(new).cloned()
    };
    for outcome in &mut effects.outcomes {
        outcome.message = id(&outcome.identity);
    }
    for NewNote { note, identity, .. } in &mut effects.notes {
        note.message = id(identity);
    }
    if let Some(agent) = agent {
        let of_others = known.into_values().filter(|message| !message.agents.contains(&agent));
        effects.joined.extend(of_others.map(|mut message| {
            message.agents.push(agent.clone());
            message
        }));
    }
    Ok(())
}

fn to_archive(context: &Context<'_>, message: &Prepared, blob: &NewBlob, agent: Option<&AgentId>) -> NewMessage {
    let parsed = &message.parsed;
    let recipients = parsed.to.iter().chain(&parsed.cc).chain(&parsed.bcc);
    let parties = ExternalParties::of(parsed.from.as_ref(), recipients, &context.ours);
    let links = parties.addresses.iter().flat_map(|address| links_of(context, address)).collect();
    let received = context.received(message);
    let shown = |mailboxes: &[Mailbox]| mailboxes.iter().take(SHOWN_RECIPIENTS).cloned().collect();
    NewMessage {
        identity: parsed.identity.0,
        message: Message {
            id: context.ops.ids.next().into(),
            position: 0,
            message_id: parsed.message_id.clone().unwrap_or_default(),
            direction: parties.direction,
            subject: parsed.subject.clone(),
            from: parsed.from.clone(),
            to: shown(&parsed.to),
            cc: shown(&parsed.cc),
            preview: parsed.preview.clone(),
            links,
            agents: agent.cloned().into_iter().collect(),
            sent: parsed.sent_time.unwrap_or(received),
            received,
            archived: context.now,
            size: blob.size,
            stored_size: blob.stored_size,
            hash: blob.hash.to_vec(),
            attachment_count: i32::try_from(parsed.attachment_count).unwrap_or(i32::MAX),
            automatic: parsed.automatic,
        },
        parties: parties.addresses,
        words: SearchWords {
            subject: parsed.subject.clone(),
            participants: parsed.search.participants.clone(),
            body: parsed.search.body.replace('\0', " "),
            names: parsed.search.attachment_names.clone(),
        },
        blob: blob.clone(),
    }
}

/// The customers of an address, each once.
fn links_of(context: &Context<'_>, address: &str) -> Vec<CustomerLink> {
    let mut links: Vec<CustomerLink> = Vec::new();
    for who in context.addresses.get(address).map_or(&[][..], Vec::as_slice) {
        if let KnownAddress::Contact { contact, customer } = who
            && !links.iter().any(|link| link.customer == *customer)
        {
            links.push(CustomerLink {
                customer: customer.clone(),
                contact: contact.clone(),
                address: address.to_owned(),
            });
        }
    }
    links
}
