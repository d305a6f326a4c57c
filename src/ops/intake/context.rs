//! What a batch's messages are judged by, read at the beginning of its transaction.

use std::collections::{HashMap, HashSet};

use super::{
    content::{Item, Prepared},
    effects::Effects,
};
use crate::{
    domain::{Agent, Contact, ContactId, CustomerId, Mailbox, OurAddresses, Outcome, OutcomeResult, Result, TenantChoices, Timestamp},
    ops::Ops,
    provider::Folder,
    store::{KnownAddress, Writer},
};

/// A folder of an agent's mailbox.
#[derive(Clone, Copy)]
pub(super) struct AgentFolder<'a> {
    pub agent: &'a Agent,
    pub folder: &'a Folder,
}

/// A message of a batch that still exists and has something left to do.
#[derive(Clone, Copy)]
pub(super) struct PendingMessage<'a> {
    pub item: &'a Item,
    pub message: &'a Prepared,
    /// It was handled before the agent began to archive: there is nothing to do but that.
    pub only_to_archive: bool,
}

impl PendingMessage<'_> {
    pub fn identity(&self) -> &[u8; 32] {
        &self.message.parsed.identity.0
    }
}

/// What is known of a batch.
pub(super) struct Context<'a> {
    pub ops: &'a Ops,
    /// Where the messages come from. `None` for files.
    pub source: Option<AgentFolder<'a>>,
    pub now: Timestamp,
    pub choices: TenantChoices,
    pub ours: OurAddresses,
    pub fresh: Vec<PendingMessage<'a>>,
    /// Who has which address, contacts created in this batch included.
    pub addresses: HashMap<String, Vec<KnownAddress>>,
}

impl<'a> Context<'a> {
    pub async fn read(ops: &'a Ops, writer: &Writer, source: Option<AgentFolder<'a>>, items: &'a [Item], now: Timestamp) -> Result<Self> {
        let choices = writer.settings().await?.choices;
        let fresh = fresh(writer, source, items).await?;
        let mut keys = HashSet::new();
        for PendingMessage { message, .. } in &fresh {
            let parsed = &message.parsed;
            let everyone = parsed.from.iter().chain(&parsed.to).chain(&parsed.cc).chain(&parsed.bcc);
            keys.extend(everyone.map(Mailbox::key));
        }
        let addresses = writer.known_addresses(&keys).await?;
        // Of our users and agents only those who occur: there may be a hundred thousand.
        let own = addresses.iter().filter(|(_, known)| known.iter().any(KnownAddress::is_ours));
        let own = own.map(|(address, _)| address.clone());
        let ours = OurAddresses::new(choices.internal_domains.iter().cloned(), own);
        Ok(Self {
            ops,
            source,
            now,
            choices,
            ours,
            fresh,
            addresses,
        })
    }

    pub fn identities(&self) -> Vec<Vec<u8>> {
        self.fresh.iter().map(|fresh| fresh.identity().to_vec()).collect()
    }

    pub fn received(&self, message: &Prepared) -> Timestamp {
        message.received.or(message.parsed.sent_time).unwrap_or(self.now)
    }

    /// An outcome of a message of this folder that refers to nothing yet.
    pub fn outcome(
        &self,
        AgentFolder { agent, folder }: AgentFolder<'_>,
        fresh: PendingMessage<'_>,
        result: OutcomeResult,
        detail: String,
    ) -> Outcome {
        let PendingMessage { item, message, .. } = fresh;
        let parsed = &message.parsed;
        Outcome {
            id: self.ops.ids.next().into(),
            agent: agent.id.clone(),
            folder: folder.label(),
            source_id: item.source.0.clone(),
            result,
            detail,
            subject: parsed.subject.clone(),
            sender: parsed.from.clone(),
            message_id: parsed.message_id.clone().unwrap_or_default(),
            automatic: parsed.automatic,
            case: None,
            note: None,
            contact: None,
            message: None,
            candidates: parsed.forwarded_from.clone(),
            size: i64::try_from(message.size).unwrap_or(i64::MAX),
            received: self.received(message),
            handled: self.now,
            identity: parsed.identity.0.to_vec(),
            blob: None,
        }
    }

    /// Makes a contact of this customer of a sender. Those who come later in the batch find it. Returns its id.
    pub fn create_contact(&mut self, from: Mailbox, customer: &CustomerId, effects: &mut Effects) -> ContactId {
        let key = from.key();
        let local = from.address.split('@').next().unwrap_or_default();
        let name = if from.display_name.is_empty() { local } else { &from.display_name };
        let contact = Contact {
            id: self.ops.ids.next().into(),
            customer: customer.to_owned(),
            display_name: name.chars().take(256).collect(),
            addresses: vec![from.address.clone()],
            revision: Contact::UNREVISED,
            created_by_service: true,
        };
        let id = contact.id.clone();
        self.addresses.entry(key).or_default().push(KnownAddress::Contact {
            contact: id.clone(),
            customer: customer.to_owned(),
        });
        effects.contacts.push(contact);
        id
    }
}

/// The messages that are gone neither from the mailbox nor handled before with all that the agent is for.
async fn fresh<'a>(writer: &Writer, source: Option<AgentFolder<'a>>, items: &'a [Item]) -> Result<Vec<PendingMessage<'a>>> {
    let existing = items.iter().filter_map(|item| Some((item, item.content.as_ref()?)));
    let Some(AgentFolder { agent, folder }) = source else {
        let all = existing.map(|(item, message)| PendingMessage {
            item,
            message,
            only_to_archive: false,
        });
        return Ok(all.collect());
    };
    let keys: Vec<Vec<u8>> = items.iter().map(|item| item.key.clone()).collect();
    let withheld = existing.clone().filter(|(_, message)| message.is_withheld());
    let withheld: HashSet<&[u8]> = withheld.map(|(item, _)| item.key.as_slice()).collect();
    let (mut seen, mut only_to_archive) = (HashSet::new(), HashSet::new());
    for known in writer.handled_items(&agent.id, &folder.key(), &keys).await? {
        if known.withheld {
            // As long as the server withholds it, there is nothing new to say; once it does not, all is still to do.
            if withheld.contains(known.source_key.as_slice()) {
                seen.insert(known.source_key);
            }
            continue;
        }
        let done = known.message_number.is_some() || !agent.settings.exchange.archive;
        if done { &mut seen } else { &mut only_to_archive }.insert(known.source_key);
    }
    let fresh = existing.filter(|(item, _)| seen.insert(item.key.clone()));
    let fresh = fresh.map(|(item, message)| PendingMessage {
        item,
        message,
        only_to_archive: only_to_archive.contains(&item.key),
    });
    Ok(fresh.collect())
}
