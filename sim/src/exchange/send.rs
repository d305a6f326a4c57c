//! CreateItem and SendItem: drafts, imported messages, and mail that is sent to the mailboxes here. Appointments are made in `calendar`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use mail_builder::{
    MessageBuilder,
    headers::{address::Address, raw::Raw as RawHeader},
};
use mail_parser::{HeaderName, Message};
use time::OffsetDateTime;

use super::{
    Exchange, Shared, calendar,
    items::item_ids,
    operations::{Call, Entry, Failure},
    raw::Raw,
    world::{Flags, FolderKind, NewItem, SentMessage, World},
    xml::{Element, Xml},
};
use crate::parse;

/// Flags of PR_MESSAGE_FLAGS (0x0E07).
const READ: u32 = 1;
const UNSENT: u32 = 8;

impl Call {
    pub(super) fn create_item(&self, request: &Element) -> Result<Vec<Entry>, Failure> {
        let disposition = request.attribute("MessageDisposition").unwrap_or("SaveOnly");
        if !matches!(disposition, "SaveOnly" | "SendOnly" | "SendAndSaveCopy") {
            return Err(Failure::new(
                "ErrorSchemaValidation",
                "The 'MessageDisposition' attribute is invalid.",
            ));
        }
        let items = request.child("Items").map(|items| items.children.as_slice()).unwrap_or_default();
        let saved_in = request.child("SavedItemFolderId");
        for item in items.iter().filter(|item| item.name == "CalendarItem") {
            calendar::check_order(item)?;
        }
        Ok(self.batch(items, |item| {
            match item.name.as_str() {
                "Message" => {}
                "CalendarItem" => return self.create_appointment(request, item),
                _ => {
                    let text = "The simulator creates messages and appointments only.";
                    return Err(Failure::new("ErrorInvalidRequest", text));
                }
            }
            let (mailbox, folder) = match saved_in {
                Some(_) => self.folder_in(&self.shared.world(), saved_in)?,
                None => {
                    let usual = if disposition == "SaveOnly" {
                        FolderKind::Drafts
                    } else {
                        FolderKind::Sent
                    };
                    (self.mailbox(&self.shared.world(), None)?, usual)
                }
            };
            let now = self.shared.now();
            let sender = self.address(mailbox)?;
            let raw = match item.child("MimeContent") {
                Some(mime) => decode_mime(&mime.text)?,
                None => compose(item, &sender, self.shared.message_id(&sender), now)?,
            };
            if raw.len() > self.shared.limits.message_bytes {
                return Err(Failure::new(
                    "ErrorMessageSizeExceeded",
                    "The message exceeds the maximum supported size.",
                ));
            }
            let bcc = addresses(item.child("BccRecipients")).map(|(_, address)| address).collect();
            if disposition == "SaveOnly" {
                let flags = message_flags(item);
                let mut world = self.shared.world();
                let held = world.mailbox_mut(mailbox).ok_or_else(Failure::item_not_found)?;
                let serial = held.add(folder, NewItem::new(Raw::Bytes(raw), now, flags), now);
                held.set_bcc(serial, bcc);
                return Ok(self.one_id(mailbox, serial, 1));
            }
            self.send(Submission {
                mailbox,
                raw,
                bcc,
                keep: Keep::Copy((disposition == "SendAndSaveCopy").then_some(folder)),
                time: now,
            })?;
            let mut xml = Xml::new();
            xml.empty("m:Items", &[]);
            Ok(xml)
        }))
    }

    pub(super) fn send_item(&self, request: &Element) -> Result<Vec<Entry>, Failure> {
        let save = request.attribute("SaveItemToFolder") == Some("true");
        let saved_in = request.child("SavedItemFolderId");
        Ok(self.batch(item_ids(request), |id| {
            let (mailbox, serial) = self.item_id(id)?;
            let version = self
                .change_key(id)
                .ok_or_else(|| Failure::new("ErrorChangeKeyRequired", "A valid change key is required for this operation."))?;
            let (draft, folder) = {
                let world = self.shared.world();
                let folder = if saved_in.is_some() {
                    self.folder_in(&world, saved_in)?.1
                } else {
                    FolderKind::Sent
                };
                let draft = world.mailbox(mailbox).and_then(|held| held.item(serial)).cloned();
                (draft.ok_or_else(Failure::item_not_found)?, folder)
            };
            if draft.version != version {
                return Err(Failure::new("ErrorStaleObject", "The item was changed since it was read."));
            }
            if draft.submitted {
                return Err(Failure::new("ErrorInvalidOperation", "The item has been submitted already."));
            }
            let raw = draft
                .raw
                .read(u64::MAX)
                .map_err(|_| Failure::new("ErrorItemCorrupt", "Item is corrupt."))?;
            self.send(Submission {
                mailbox,
                raw,
                bcc: draft.bcc,
                keep: Keep::Instead {
                    draft: serial,
                    copy: save.then_some(folder),
                },
                time: self.shared.now(),
            })?;
            Ok(Xml::new())
        }))
    }

    fn address(&self, mailbox: u32) -> Result<String, Failure> {
        let world = self.shared.world();
        let missing = || Failure::new("ErrorNonExistentMailbox", "No mailbox with such guid.");
        world.mailbox(mailbox).map(|held| held.address.clone()).ok_or_else(missing)
    }

    fn send(&self, submission: Submission) -> Result<(), Failure> {
        self.shared.send(submission, |owner| self.check(owner).is_ok())
    }
}

impl Shared {
    /// Submits a message: the transport delivers it to all of its recipients that have a mailbox here, at once or later.
    pub(super) fn send(&self, submission: Submission, may_send_as: impl Fn(u32) -> bool) -> Result<(), Failure> {
        let Submission {
            mailbox,
            raw,
            bcc,
            keep,
            time,
        } = submission;
        let missing = || Failure::new("ErrorNonExistentMailbox", "No mailbox with such guid.");
        let sender = self.world().mailbox(mailbox).map(|held| held.address.clone()).ok_or_else(missing)?;
        let unreadable = || Failure::new("ErrorMimeContentInvalid", "The MIME content is invalid.");
        let message = parse(&raw).ok_or_else(unreadable)?;
        let from = message
            .from()
            .and_then(|from| from.first())
            .and_then(|from| from.address.as_deref());
        if let Some(from) = from {
            let owner = self.world().find(from);
            if !owner.is_some_and(&may_send_as) {
                let text = "The user account which was used to submit this request does not have the right to send mail on behalf of the \
                            specified sending account.";
                return Err(Failure::new("ErrorSendAsDenied", text));
            }
        }
        let named = [message.to(), message.cc(), message.bcc()]
            .into_iter()
            .flatten()
            .flat_map(|list| list.iter());
        let mut recipients: Vec<String> = named.filter_map(|one| one.address.as_deref()).map(str::to_lowercase).collect();
        recipients.extend(bcc.iter().map(|address| address.to_lowercase()));
        recipients.sort_unstable();
        recipients.dedup();
        if recipients.is_empty() {
            return Err(Failure::new("ErrorInvalidRecipients", "At least one recipient isn't valid."));
        }
        let mut added = Vec::new();
        if from.is_none() {
            added.extend_from_slice(format!("From: <{sender}>\r\n").as_bytes());
        }
        if message.date().is_none() {
            added.extend_from_slice(format!("Date: {}\r\n", rfc822(time)).as_bytes());
        }
        if message.message_id().is_none() {
            added.extend_from_slice(format!("Message-ID: {}\r\n", self.message_id(&sender)).as_bytes());
        }
        let complete: Bytes = [added.as_slice(), &raw].concat().into();
        let public: Bytes = [added, without_bcc(&message, &raw)].concat().into();

        self.world().submit(Outgoing {
            mailbox,
            keep,
            public,
            sent: SentMessage {
                mailbox: sender,
                recipients,
                raw: complete,
            },
            time,
        });
        Ok(())
    }
}

/// A message that a mailbox submits.
#[derive(Debug)]
pub(super) struct Submission {
    /// The mailbox that sends it.
    pub(super) mailbox: u32,
    pub(super) raw: Bytes,
    /// Recipients that are not in the MIME.
    pub(super) bcc: Vec<String>,
    pub(super) keep: Keep,
    pub(super) time: OffsetDateTime,
}

/// What a sender keeps of a message that the transport has taken.
#[derive(Clone, Copy, Debug)]
pub(super) enum Keep {
    /// A copy in this folder, or none.
    Copy(Option<FolderKind>),
    /// The same in the place of the draft.
    Instead {
        /// The draft's serial.
        draft: u64,
        /// The folder of the copy.
        copy: Option<FolderKind>,
    },
    /// The draft of this serial, which moves to Sent Items and stays what it was first.
    Draft(u64),
}

impl Keep {
    fn draft(self) -> Option<u64> {
        match self {
            Self::Copy(_) => None,
            Self::Instead { draft, .. } | Self::Draft(draft) => Some(draft),
        }
    }
}

/// A message that was submitted.
#[derive(Debug)]
pub(super) struct Outgoing {
    mailbox: u32,
    keep: Keep,
    /// As its recipients get it.
    public: Bytes,
    sent: SentMessage,
    time: OffsetDateTime,
}

/// What takes submitted messages out of mailboxes.
#[derive(Debug, Default)]
pub(super) struct Transport {
    held: bool,
    waiting: Vec<Outgoing>,
}

impl World {
    fn submit(&mut self, outgoing: Outgoing) {
        let draft = outgoing.keep.draft().filter(|_| self.transport.held);
        match draft.and_then(|draft| self.mailbox_mut(outgoing.mailbox)?.submit(draft)) {
            Some(()) => self.transport.waiting.push(outgoing),
            None => self.deliver(outgoing),
        }
    }

    fn deliver(&mut self, outgoing: Outgoing) {
        let Outgoing {
            mailbox,
            keep,
            public,
            sent,
            time,
        } = outgoing;
        if let Some(held) = self.mailbox_mut(mailbox) {
            let raw = || Raw::Bytes(sent.raw.clone());
            let read = Flags {
                read: true,
                ..Flags::default()
            };
            match keep {
                Keep::Copy(copy) => {
                    copy.map(|folder| held.add(folder, NewItem::new(raw(), time, read), time));
                }
                Keep::Instead { draft, copy } => {
                    copy.map(|folder| held.add(folder, NewItem::new(raw(), time, read), time));
                    held.remove(draft, time);
                }
                Keep::Draft(draft) => held.keep_sent(draft, raw(), time),
            }
        }
        for recipient in &sent.recipients {
            if let Some(index) = self.find(recipient)
                && let Some(held) = self.mailbox_mut(index)
            {
                let item = NewItem::new(Raw::Bytes(public.clone()), time, Flags::default());
                held.add(FolderKind::Inbox, item, time);
            }
        }
        self.sent.push(sent);
    }
}

impl Exchange {
    /// Keeps drafts that are submitted from now on in Drafts, marked as submitted, until [`Exchange::release_transport`]: as Exchange does
    /// while its transport is busy. One that is deleted in the meantime is not sent.
    pub fn hold_transport(&self) {
        self.0.shared.world().transport.held = true;
    }

    /// Sends what was submitted, and what is submitted from now on at once.
    pub fn release_transport(&self) {
        let mut world = self.0.shared.world();
        world.transport.held = false;
        for outgoing in std::mem::take(&mut world.transport.waiting) {
            let draft = outgoing.keep.draft();
            let there = world
                .mailbox(outgoing.mailbox)
                .is_some_and(|held| draft.is_none_or(|draft| held.item(draft).is_some()));
            if there {
                world.deliver(outgoing);
            }
        }
    }
}

fn decode_mime(text: &str) -> Result<Bytes, Failure> {
    let compact: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(compact).map(Bytes::from).map_err(|_| {
        Failure::new(
            "ErrorMimeContentInvalidBase64String",
            "The MIME content contains an invalid base64 string.",
        )
    })
}

/// Display name and address of each `Mailbox` in a list.
fn addresses(list: Option<&Element>) -> impl Iterator<Item = (Option<String>, String)> {
    let mailboxes = list.into_iter().flat_map(|list| &list.children);
    mailboxes.filter_map(|one| Some((one.text_of("Name").map(str::to_owned), one.text_of("EmailAddress")?.to_owned())))
}

fn address((name, address): (Option<String>, String)) -> Address<'static> {
    Address::new_address(name, address)
}

/// Read and draft flags of a new item: a draft, unless the extended property 0x0E07 says otherwise.
fn message_flags(item: &Element) -> Flags {
    let is_flags = |property: &&Element| {
        let tag = property
            .child("ExtendedFieldURI")
            .and_then(|uri| uri.attribute("PropertyTag"))
            .unwrap_or_default();
        property.name == "ExtendedProperty" && matches!(tag.to_ascii_lowercase().as_str(), "0x0e07" | "0xe07" | "3591")
    };
    let value = item
        .children
        .iter()
        .find(is_flags)
        .and_then(|property| property.text_of("Value")?.parse::<u32>().ok());
    let read = matches!(item.text_of("IsRead"), Some("true" | "1"));
    value.map_or(Flags { read, draft: true }, |value| Flags {
        read: value & READ != 0 || read,
        draft: value & UNSENT != 0,
    })
}

/// MIME of a message that is given in properties.
fn compose(item: &Element, sender: &str, message_id: String, now: OffsetDateTime) -> Result<Bytes, Failure> {
    let list = |name| {
        let people: Vec<Address<'static>> = addresses(item.child(name)).map(address).collect();
        (!people.is_empty()).then(|| Address::new_list(people))
    };
    let from = item
        .child("From")
        .and_then(|from| addresses(Some(from)).next())
        .unwrap_or((None, sender.to_owned()));
    let subject = item.text_of("Subject").unwrap_or_default().to_owned();
    let mut builder = MessageBuilder::new().from(address(from)).subject(subject);
    if let Some(to) = list("ToRecipients") {
        builder = builder.to(to);
    }
    if let Some(cc) = list("CcRecipients") {
        builder = builder.cc(cc);
    }
    let id = item.text_of("InternetMessageId").map_or(message_id, str::to_owned);
    builder = builder.header("Message-ID", RawHeader::new(id)).date(now.unix_timestamp());
    let body = item.child("Body");
    let text = body.map(|body| body.text.clone()).unwrap_or_default();
    builder = match body.and_then(|body| body.attribute("BodyType")) {
        Some("HTML") => builder.html_body(text),
        _ => builder.text_body(text),
    };
    let corrupt = |_| Failure::new("ErrorItemSave", "The item could not be saved.");
    builder.write_to_vec().map(Bytes::from).map_err(corrupt)
}

/// RFC 5322 §3.3, in UTC.
fn rfc822(time: OffsetDateTime) -> String {
    mail_parser::DateTime::from_timestamp(time.unix_timestamp()).to_rfc822()
}

/// The message without its Bcc headers, as its recipients get it.
fn without_bcc(message: &Message<'_>, raw: &[u8]) -> Vec<u8> {
    let mut rest = Vec::with_capacity(raw.len());
    let mut at = 0;
    for header in message.headers().iter().filter(|header| header.name == HeaderName::Bcc) {
        rest.extend_from_slice(raw.get(at..header.offset_field() as usize).unwrap_or_default());
        at = header.offset_end() as usize;
    }
    rest.extend_from_slice(raw.get(at..).unwrap_or_default());
    rest
}
