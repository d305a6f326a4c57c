//! The one transaction of a batch: notes, contacts, archive, outcomes, events and the mailbox's new position, or nothing of it.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use super::{
    decide::{ContactChoice, Decision, Knowledge, decide, too_large},
    prepare::{Item, Prepared},
};
use crate::{
    domain::{
        Agent, Contact, CustomerLink, Error, EventKind, ExternalParties, Mailbox, Message, NOTE_EXCERPT, Note, OurAddresses, Outcome,
        OutcomeResult, Result, TenantChoices, Timestamp,
    },
    ops::Ops,
    provider::{Folder, FolderRole},
    store::{FolderPosition, KnownAddress, KnownMessage, LeaseKey, MailboxItem, NewBlob, NewMessage, SearchWords, Writer, retrying},
};

/// Stretch of time that the loop limits look at.
const LOOP_WINDOW: Duration = Duration::from_hours(1);

/// Most recipients of a message that are kept for lists; all of them are searched and linked.
const SHOWN_RECIPIENTS: usize = 100;

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
pub async fn commit(ops: &Ops, tenant: &str, batch: &Batch<'_>) -> Result<BatchResult> {
    let result = retrying(|| async {
        let now = ops.now();
        let mut writer = ops.store.begin_alone(tenant).await?;
        if let Some(fence) = batch.fence {
            writer.check_lease(LeaseKey::mailbox(tenant, &batch.agent.id), fence).await?;
        }
        let (folder, next) = (batch.folder.key(), batch.next_state.clone());
        let position = writer.move_position(&batch.agent.id, &folder, batch.position, next, now).await?;
        // A reader with the previous settings must not move a position that starts again for the current ones.
        let wanted = |now: &Agent| now.is_active() && now.is_read_as(batch.agent);
        let agent = writer.agent(&batch.agent.id).await?.filter(wanted);
        let agent = agent.ok_or_else(|| Error::stale(format!("agents/{}", batch.agent.id)))?;
        let mut result = Work::begin(ops, &mut writer, Some((&agent, batch.folder)), batch.items, now)
            .await?
            .finish()
            .await?;
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
pub async fn commit_import(ops: &Ops, tenant: &str, items: &[Item]) -> Result<BatchResult> {
    let result = retrying(|| async {
        let mut writer = ops.store.begin_alone(tenant).await?;
        let result = Work::begin(ops, &mut writer, None, items, ops.now()).await?.finish().await?;
        writer.commit().await?;
        Ok(result)
    })
    .await?;
    count(ops, &result);
    Ok(result)
}

/// What is known at the beginning of a transaction, and what it will write.
struct Work<'a> {
    ops: &'a Ops,
    writer: &'a mut Writer,
    mailbox: Option<(&'a Agent, &'a Folder)>,
    now: Timestamp,
    choices: TenantChoices,
    ours: OurAddresses,
    /// The messages that are gone neither from the mailbox nor handled before with all that the agent is for.
    fresh: Vec<(&'a Item, &'a Prepared)>,
    /// Those of them that were handled before the agent began to archive: there is nothing to do but that.
    only_to_archive: HashSet<Vec<u8>>,
    /// Who has which address, contacts made in this batch included.
    addresses: HashMap<String, Vec<KnownAddress>>,
    new_contacts: Vec<Contact>,
    notes: Vec<(Note, [u8; 32])>,
    outcomes: Vec<Outcome>,
    events: Vec<(String, EventKind)>,
    blobs: Vec<NewBlob>,
}

impl<'a> Work<'a> {
    async fn begin(
        ops: &'a Ops,
        writer: &'a mut Writer,
        mailbox: Option<(&'a Agent, &'a Folder)>,
        items: &'a [Item],
        now: Timestamp,
    ) -> Result<Self> {
        let choices = writer.settings().await?.choices;
        let mut seen = HashSet::new();
        let mut only_to_archive = HashSet::new();
        if let Some((agent, folder)) = mailbox {
            let keys: Vec<Vec<u8>> = items.iter().map(|item| item.key.clone()).collect();
            let withheld: HashSet<&[u8]> = items
                .iter()
                .filter(|item| item.content.as_ref().is_some_and(Prepared::is_withheld))
                .map(|item| item.key.as_slice())
                .collect();
            for known in writer.handled_items(&agent.id, &folder.key(), &keys).await? {
                if known.withheld {
                    // As long as the server keeps it, there is nothing new to say; once it does not, all is still to do.
                    if withheld.contains(known.source_key.as_slice()) {
                        seen.insert(known.source_key);
                    }
                    continue;
                }
                let done = known.message_number.is_some() || !agent.settings.exchange.archive;
                if done { &mut seen } else { &mut only_to_archive }.insert(known.source_key);
            }
        }
        let fresh: Vec<_> = items
            .iter()
            .filter_map(|item| Some((item, item.content.as_ref()?)))
            .filter(|(item, _)| mailbox.is_none() || seen.insert(item.key.clone()))
            .collect();
        let mut keys = HashSet::new();
        for (_, message) in &fresh {
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
            writer,
            mailbox,
            now,
            choices,
            ours,
            fresh,
            only_to_archive,
            addresses,
            new_contacts: Vec::new(),
            notes: Vec::new(),
            outcomes: Vec::new(),
            events: Vec::new(),
            blobs: Vec::new(),
        })
    }

    async fn finish(mut self) -> Result<BatchResult> {
        if let Some((agent, folder)) = self.mailbox {
            let rest = match folder.role {
                FolderRole::Inbox | FolderRole::Other if agent.settings.exchange.case_sweep => self.sweep(agent, folder).await?,
                FolderRole::Inbox | FolderRole::Sent | FolderRole::Other => self.fresh.clone(),
            };
            self.note_what_is_not_kept(agent, folder, &rest);
        }
        if !self.new_contacts.is_empty() {
            self.writer.upsert_contacts(&self.new_contacts).await?;
        }
        let (ids, mut result) = if self.mailbox.is_none_or(|(agent, _)| agent.settings.exchange.archive) {
            self.archive().await?
        } else {
            (vec![None; self.fresh.len()], BatchResult::default())
        };
        result.handled = self.fresh.iter().filter(|(item, _)| !self.is_only_to_archive(item)).count() as u64;
        result.new_contacts = !self.new_contacts.is_empty();
        result.results = self.outcomes.iter().map(|outcome| outcome.result).collect();
        self.name_archived(&ids);
        self.writer.insert_blobs(std::mem::take(&mut self.blobs)).await?;
        if let Some((agent, folder)) = self.mailbox {
            let items = self.fresh.iter().zip(&ids).map(|((item, message), archived)| MailboxItem {
                source_key: item.key.clone(),
                message_number: archived.as_ref().map(|(number, _)| *number),
                withheld: message.is_withheld(),
            });
            let items = items.collect();
            self.writer.insert_items(&agent.id, &folder.key(), items).await?;
            let count = |test: fn(OutcomeResult) -> bool| {
                let number = result.results.iter().filter(|result| test(**result)).count();
                i64::try_from(number).unwrap_or(i64::MAX)
            };
            let handled = i64::try_from(result.handled).unwrap_or(i64::MAX);
            let (matched, set_aside) = (count(|result| result == OutcomeResult::Matched), count(OutcomeResult::is_set_aside));
            self.writer.count_handled(&agent.id, handled, matched, set_aside).await?;
        }
        result.delays = self.notes.iter().map(|(note, _)| note.created.since(note.received)).collect();
        self.writer.insert_notes(self.notes).await?;
        self.writer.insert_outcomes(self.outcomes).await?;
        self.writer.append_events(self.events, self.now).await?;
        Ok(result)
    }

    /// Decides about every message, one after the other, since each may change what the next one meets.
    ///
    /// What people filed came through the inbox as a rule, and was decided about there. It is looked at for what a person or a rule took
    /// out of the inbox before it was read there, since the agent is there; so nothing is said twice of a message, nor of sent ones.
    ///
    /// Returns the messages that are too old for it.
    async fn sweep(&mut self, agent: &Agent, folder: &Folder) -> Result<Vec<(&'a Item, &'a Prepared)>> {
        let filed = folder.role == FolderRole::Other;
        let identities: Vec<Vec<u8>> = self.fresh.iter().map(|(_, message)| message.parsed.identity.0.to_vec()).collect();
        let mut swept = self
            .writer
            .swept_identities(&identities, filed.then_some(agent.id.as_str()))
            .await?;
        let references: HashSet<String> = self
            .fresh
            .iter()
            .flat_map(|(_, message)| message.candidates.iter().cloned())
            .collect();
        let cases = self.writer.cases_by_reference(&references).await?;
        let mut too_old = Vec::new();
        let own_marks = self.ops.sealer.bind("own-mail", self.writer.tenant_id());
        for index in 0..self.fresh.len() {
            let (item, message) = self.fresh[index];
            if self.is_only_to_archive(item) {
                continue;
            }
            let identity = &message.parsed.identity.0;
            if filed && self.received(message) < agent.created {
                too_old.push((item, message));
                continue;
            }
            if filed && swept.contains(identity.as_slice()) {
                continue;
            }
            let knowledge = Knowledge {
                agent,
                choices: &self.choices,
                ours: &self.ours,
                own_marks: &own_marks,
                addresses: &self.addresses,
                cases: &cases,
                swept: &swept,
            };
            let mut decision = decide(message, &knowledge);
            if filed && decision.result == OutcomeResult::OwnMessage {
                continue;
            }
            if decision.result == OutcomeResult::Matched && self.is_loop(message, &decision).await? {
                decision.result = OutcomeResult::Loop;
                decision.detail = "This sender sent too many messages within an hour. The message is set aside and can be \
                                   replayed."
                    .to_owned();
            }
            if filed || decision.result.settles() {
                swept.insert(identity.to_vec());
            }
            self.record((agent, folder), item, message, decision)?;
        }
        Ok(too_old)
    }

    /// A message that is not swept leaves an outcome when it cannot be archived either, so that it is not lost unseen.
    fn note_what_is_not_kept(&mut self, agent: &Agent, folder: &Folder, messages: &[(&Item, &Prepared)]) {
        let mut noted = Vec::new();
        for (item, message) in messages.iter().filter(|(item, _)| !self.is_only_to_archive(item)) {
            let (result, detail) = match (message.too_large, &message.unparsable) {
                (Some(size), _) => (OutcomeResult::TooLarge, too_large(size)),
                (None, Some(reason)) if message.blob.is_none() => (OutcomeResult::Unparsable, reason.clone()),
                _ => continue,
            };
            noted.push(self.outcome(agent, folder, item, message, result, detail));
        }
        self.outcomes.extend(noted);
    }

    fn is_only_to_archive(&self, item: &Item) -> bool {
        self.only_to_archive.contains(&item.key)
    }

    async fn is_loop(&self, message: &Prepared, decision: &Decision<'_>) -> Result<bool> {
        let (Some(from), Some(case)) = (&message.parsed.from, decision.case) else {
            return Ok(false);
        };
        let received = self.received(message);
        let since = received.before(LOOP_WINDOW);
        let limits = [
            (self.choices.loop_limit_per_sender_and_case, Some(case.id.as_str())),
            (self.choices.loop_limit_per_sender, None),
        ];
        for (limit, case) in limits.into_iter().filter(|(limit, _)| *limit > 0) {
            let stored = self.writer.count_notes(&from.key(), case, since, received).await?;
            let here = self.notes.iter().filter(|(note, _)| {
                note.sender.as_ref().is_some_and(|sender| sender.key() == from.key())
                    && case.is_none_or(|case| note.case == case)
                    && (since..=received).contains(&note.received)
            });
            if stored + here.count() as u64 >= u64::from(limit) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes down a decision: the outcome, and for a match the note, its contact and the events.
    fn record(&mut self, (agent, folder): (&Agent, &Folder), item: &Item, message: &Prepared, decision: Decision<'_>) -> Result<()> {
        let parsed = &message.parsed;
        let received = self.received(message);
        let mut outcome = self.outcome(agent, folder, item, message, decision.result, decision.detail);
        outcome.case = decision.case.map(|case| case.id.clone());
        if let (OutcomeResult::Matched, Some(case)) = (decision.result, decision.case) {
            let (contact, contact_created) = match decision.contact {
                ContactChoice::Nobody => (None, false),
                ContactChoice::Known(contact) => (Some(contact), false),
                ContactChoice::New(from) => (Some(self.make_contact(from, &case.customer)), true),
            };
            let text = message.note.clone().unwrap_or_default();
            let keep = agent.settings.exchange.sweep_options.keep_full_message;
            let note = Note {
                id: self.ops.ids.next(),
                case: case.id.clone(),
                case_reference: case.reference.clone(),
                customer: case.customer.clone(),
                contact: contact.clone(),
                contact_created,
                agent: agent.id.clone(),
                message: None,
                message_id: outcome.message_id.clone(),
                sender: parsed.from.clone(),
                subject: parsed.subject.clone(),
                // PostgreSQL's text has no NUL.
                text: text.text.replace('\0', ""),
                quoted: text.quoted.replace('\0', ""),
                automatic: parsed.automatic,
                sender_not_authentic: decision.not_authentic,
                received,
                created: self.now,
                blob: if keep { self.keep_blob(message) } else { None },
                size: outcome.size,
            };
            outcome.note = Some(note.id.clone());
            outcome.contact = contact;
            self.notes.push((note, parsed.identity.0));
        } else if decision.result.is_set_aside() {
            outcome.blob = self.keep_blob(message);
        }
        self.outcomes.push(outcome);
        Ok(())
    }

    fn outcome(&self, agent: &Agent, folder: &Folder, item: &Item, message: &Prepared, result: OutcomeResult, detail: String) -> Outcome {
        let parsed = &message.parsed;
        Outcome {
            id: self.ops.ids.next(),
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

    fn make_contact(&mut self, from: Mailbox, customer: &str) -> String {
        let key = from.key();
        let local = from.address.split('@').next().unwrap_or_default();
        let name = if from.display_name.is_empty() { local } else { &from.display_name };
        let contact = Contact {
            id: self.ops.ids.next(),
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
        self.events.push((self.ops.ids.next(), EventKind::ContactCreated(contact.clone())));
        self.new_contacts.push(contact);
        id
    }

    fn keep_blob(&mut self, message: &Prepared) -> Option<Vec<u8>> {
        let blob = message.blob.clone()?;
        let hash = blob.hash.to_vec();
        if !self.blobs.iter().any(|other| other.hash == blob.hash) {
            self.blobs.push(blob);
        }
        Some(hash)
    }

    /// Archives what is not archived yet. Returns for every message its number and id in the archive; a stub of a message over the
    /// size limit has none.
    async fn archive(&mut self) -> Result<(Vec<Option<(i64, String)>>, BatchResult)> {
        let identities: Vec<Vec<u8>> = self.fresh.iter().map(|(_, message)| message.parsed.identity.0.to_vec()).collect();
        let mut known = self.writer.messages_by_identity(&identities).await?;
        let agent_id = self.mailbox.map(|(agent, _)| agent.id.clone());
        let mut new = Vec::new();
        let mut places: HashMap<&[u8], usize> = HashMap::new();
        let mut result = BatchResult::default();
        for ((_, message), identity) in self.fresh.iter().zip(&identities) {
            if message.blob.is_none() {
                continue;
            }
            if known.contains_key(identity) || places.contains_key(identity.as_slice()) {
                result.known += 1;
                continue;
            }
            places.insert(identity, new.len());
            let archived = self.to_archive(message, agent_id.as_ref());
            result.archived += 1;
            result.archived_bytes += message.size;
            new.push(archived);
        }
        let ids: Vec<String> = new.iter().map(|new: &NewMessage| new.message.id.clone()).collect();
        let numbers = self.writer.insert_messages(new).await?;
        if let Some(agent_id) = &agent_id {
            for message in known.values_mut().filter(|message| !message.agents.contains(agent_id)) {
                message.agents.push(agent_id.clone());
                self.writer.add_agent_to_message(message).await?;
            }
        }
        let of_known = |message: &KnownMessage| (message.number, message.id.clone());
        let places = identities.iter().map(|identity| {
            let new = places.get(identity.as_slice()).map(|index| (numbers[*index], ids[*index].clone()));
            new.or_else(|| known.get(identity).map(of_known))
        });
        Ok((places.collect(), result))
    }

    fn to_archive(&self, message: &Prepared, agent: Option<&String>) -> NewMessage {
        let parsed = &message.parsed;
        let recipients = parsed.to.iter().chain(&parsed.cc).chain(&parsed.bcc);
        let parties = ExternalParties::of(parsed.from.as_ref(), recipients, &self.ours);
        let links = parties.addresses.iter().flat_map(|address| self.links_of(address)).collect();
        let blob = message.blob.clone().expect("messages without bytes are not archived");
        let received = self.received(message);
        let shown = |mailboxes: &[Mailbox]| mailboxes.iter().take(SHOWN_RECIPIENTS).cloned().collect();
        NewMessage {
            identity: parsed.identity.0,
            message: Message {
                id: self.ops.ids.next(),
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
                archived: self.now,
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
            blob,
        }
    }

    /// The customers of an address, each once.
    fn links_of(&self, address: &str) -> Vec<CustomerLink> {
        let mut links: Vec<CustomerLink> = Vec::new();
        for who in self.addresses.get(address).map_or(&[][..], Vec::as_slice) {
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

    /// Tells outcomes and notes under which id their messages are archived, and makes the events that carry the notes.
    fn name_archived(&mut self, archived: &[Option<(i64, String)>]) {
        let ids: HashMap<&[u8], &str> = self
            .fresh
            .iter()
            .zip(archived)
            .filter_map(|((_, message), archived)| Some((message.parsed.identity.0.as_slice(), archived.as_ref()?.1.as_str())))
            .collect();
        for outcome in &mut self.outcomes {
            outcome.message = ids.get(outcome.identity.as_slice()).map(|id| (*id).to_owned());
        }
        for (note, identity) in &mut self.notes {
            note.message = ids.get(identity.as_slice()).map(|id| (*id).to_owned());
            let excerpt = Note {
                text: note.text.chars().take(NOTE_EXCERPT).collect(),
                quoted: String::new(),
                ..note.clone()
            };
            self.events.push((self.ops.ids.next(), EventKind::Matched(Box::new(excerpt))));
        }
    }

    fn received(&self, message: &Prepared) -> Timestamp {
        message.received.or(message.parsed.sent_time).unwrap_or(self.now)
    }
}
