//! Properties of messages: which are asked for, and how they are written, in the order of the schema.

use std::{borrow::Cow, collections::HashSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mail_parser::{Addr, Address, HeaderValue, Message, MessageParser, MessagePart};

use super::{
    Shared,
    folders::field_uris,
    ids::Ids,
    operations::Failure,
    world::Item,
    xml::{Element, Xml},
};
use crate::{MimeMode, clock::write_time, parse, rebuild, sent_at};

/// Properties of a message in the order of types.xsd: ItemType, then MessageType.
const ORDER: &[(&str, Need)] = &[
    ("item:ParentFolderId", Need::Nothing),
    ("item:ItemClass", Need::Nothing),
    ("item:Subject", Need::Head),
    ("item:Sensitivity", Need::Nothing),
    ("item:Body", Need::Whole),
    ("item:DateTimeReceived", Need::Nothing),
    ("item:Size", Need::Nothing),
    ("item:Importance", Need::Nothing),
    ("item:InReplyTo", Need::Head),
    ("item:IsSubmitted", Need::Nothing),
    ("item:IsDraft", Need::Nothing),
    ("item:DateTimeSent", Need::Head),
    ("item:DateTimeCreated", Need::Nothing),
    ("item:DisplayCc", Need::Head),
    ("item:DisplayTo", Need::Head),
    ("item:HasAttachments", Need::Whole),
    ("item:TextBody", Need::Whole),
    ("message:Sender", Need::Head),
    ("message:ToRecipients", Need::Head),
    ("message:CcRecipients", Need::Head),
    ("message:BccRecipients", Need::Nothing),
    ("message:From", Need::Head),
    ("message:InternetMessageId", Need::Head),
    ("message:IsRead", Need::Nothing),
    ("message:References", Need::Head),
    ("message:ReplyTo", Need::Head),
];

/// Left out of BaseShape Default.
const NOT_DEFAULT: &[&str] = &[
    "item:ParentFolderId",
    "item:ItemClass",
    "item:TextBody",
    "item:InReplyTo",
    "item:IsSubmitted",
    "message:References",
    "message:ReplyTo",
];
/// Only given out by GetItem: FindItem and SyncFolderItems leave them out without a word.
const ONLY_GET: &[&str] = &["item:Body", "item:TextBody"];

/// How much of a message a property needs to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    Nothing,
    Head,
    Whole,
}

/// Headers are looked for in this many bytes.
const HEAD: u64 = 256 << 10;

/// What an ItemShape asks for.
#[derive(Debug)]
pub(super) struct ItemShape {
    mime: bool,
    html: bool,
    wanted: Vec<&'static str>,
    need: Need,
    base: Option<String>,
    fields: HashSet<String>,
    /// Most bytes of a message's content that are returned.
    pub(super) most_content: usize,
    /// Whether everything may be given out.
    pub(super) full: bool,
    /// Extended properties that are asked for: what names them.
    pub(super) extended: Vec<Vec<(String, String)>>,
}

impl ItemShape {
    /// Reads the shape of a request. `full`: of GetItem, which may give out everything.
    pub(super) fn read(request: &Element, full: bool) -> Self {
        let shape = request.child("ItemShape");
        let text = |name| shape.and_then(|shape| shape.text_of(name));
        let fields: HashSet<String> = shape.map(field_uris).unwrap_or_default();
        let base = text("BaseShape");
        let in_base = |uri: &str| match base {
            Some("AllProperties") => true,
            Some("Default") => !NOT_DEFAULT.contains(&uri),
            _ => false,
        };
        let wanted: Vec<_> = ORDER
            .iter()
            .filter(|(uri, _)| (in_base(uri) || fields.contains(*uri)) && (full || !ONLY_GET.contains(uri)))
            .collect();
        Self {
            mime: full && (text("IncludeMimeContent") == Some("true") || fields.contains("item:MimeContent")),
            html: text("BodyType") == Some("HTML"),
            need: wanted.iter().map(|(_, need)| *need).max().unwrap_or(Need::Nothing),
            wanted: wanted.into_iter().map(|(uri, _)| *uri).collect(),
            extended: shape.map(extended_uris).unwrap_or_default(),
            base: base.map(str::to_owned),
            most_content: usize::MAX,
            fields,
            full,
        }
    }

    /// Whether a property is asked for, by name or with others.
    pub(super) fn wants(&self, uri: &str, in_default: bool) -> bool {
        let with_others = match self.base.as_deref() {
            Some("AllProperties") => true,
            Some("Default") => in_default,
            _ => false,
        };
        with_others || self.fields.contains(uri)
    }
}

/// What names the extended properties that a shape adds.
fn extended_uris(shape: &Element) -> Vec<Vec<(String, String)>> {
    let uris = shape.child("AdditionalProperties").into_iter().flat_map(|list| &list.children);
    uris.filter(|uri| uri.name == "ExtendedFieldURI")
        .map(|uri| uri.attributes().to_vec())
        .collect()
}

/// Writes a message with what is asked for.
///
/// # Errors
/// ErrorItemCorrupt when its bytes cannot be read.
pub(super) fn write_message(xml: &mut Xml, shared: &Shared, shape: &ItemShape, mailbox: u32, item: &Item) -> Result<(), Failure> {
    let limit = match (shape.mime, shape.need) {
        (true, _) | (_, Need::Whole) => u64::MAX,
        (_, Need::Head) => HEAD,
        (_, Need::Nothing) => 0,
    };
    let corrupt = |_| Failure::new("ErrorItemCorrupt", "Item is corrupt.");
    let raw = if limit == 0 {
        Default::default()
    } else {
        item.raw.read(limit).map_err(corrupt)?
    };
    let message = match shape.need {
        Need::Nothing => None,
        Need::Head => MessageParser::default().parse_headers(raw.as_ref()),
        Need::Whole => parse(&raw),
    };
    xml.wrap("t:Message", |xml| {
        if shape.mime {
            let mime = match shared.mode {
                MimeMode::KeepBytes => Cow::Borrowed(raw.as_ref()),
                MimeMode::Rebuild => rebuild(&raw, shared.seed),
            };
            xml.element("t:MimeContent", &[("CharacterSet", "UTF-8")], |xml| {
                xml.raw(&STANDARD.encode(&mime[..mime.len().min(shape.most_content)]));
            });
        }
        shared.ids.keyed_item(mailbox, item.serial, item.version).write(xml, "t:ItemId");
        let properties = MessageProperties {
            ids: shared.ids,
            html: shape.html,
            mailbox,
            item,
            message: message.as_ref(),
        };
        for uri in &shape.wanted {
            properties.write(xml, uri);
        }
    });
    Ok(())
}

/// The Message-ID of an item, without brackets.
pub(super) fn message_id(item: &Item) -> Option<String> {
    let head = item.raw.read(HEAD).ok()?;
    MessageParser::default()
        .parse_headers(head.as_ref())?
        .message_id()
        .map(str::to_owned)
}

/// A message whose properties are about to be written.
struct MessageProperties<'a> {
    ids: Ids,
    /// Whether its body is to be HTML, whatever it is.
    html: bool,
    mailbox: u32,
    item: &'a Item,
    /// As much of it as the properties need; `None` when they need nothing.
    message: Option<&'a Message<'a>>,
}

impl MessageProperties<'_> {
    fn write(&self, xml: &mut Xml, uri: &str) {
        let Self { item, message, .. } = *self;
        let element = match uri.split_once(':') {
            Some((_, name)) => format!("t:{name}"),
            None => return,
        };
        let element = element.as_str();
        match uri {
            "item:ParentFolderId" => {
                let folder = self.ids.folder(self.mailbox, item.folder.index());
                self.ids.with_key(folder, 1).write(xml, element);
            }
            "item:ItemClass" => leaf(xml, element, Some("IPM.Note")),
            "item:Subject" => leaf(xml, element, message.and_then(|m| m.subject())),
            "item:Sensitivity" | "item:Importance" => leaf(xml, element, Some("Normal")),
            "item:Body" => {
                let has_html = message.is_some_and(|m| m.html_bodies().any(MessagePart::is_text_html));
                let (kind, text) = if self.html || has_html {
                    ("HTML", message.and_then(|m| m.body_html(0)))
                } else {
                    ("Text", message.and_then(|m| m.body_text(0)))
                };
                xml.element(element, &[("BodyType", kind)], |xml| xml.text(&text.unwrap_or_default()));
            }
            "item:TextBody" => {
                let text = message.and_then(|m| m.body_text(0)).unwrap_or_default();
                xml.element(element, &[("BodyType", "Text")], |xml| xml.text(&text));
            }
            "item:DateTimeReceived" | "item:DateTimeCreated" => leaf(xml, element, Some(&write_time(item.received))),
            "item:DateTimeSent" => {
                leaf(xml, element, message.and_then(sent_at).map(write_time).as_deref());
            }
            "item:Size" => leaf(xml, element, Some(&item.raw.size().to_string())),
            "item:IsSubmitted" => leaf(xml, element, Some(&item.submitted.to_string())),
            "item:IsDraft" => leaf(xml, element, Some(&item.draft.to_string())),
            "item:InReplyTo" => leaf(xml, element, message.and_then(|m| identifiers(m.in_reply_to())).as_deref()),
            "item:HasAttachments" => leaf(xml, element, Some(&message.is_some_and(|m| m.attachment_count() > 0).to_string())),
            "item:DisplayTo" => leaf(xml, element, Some(&names(message.and_then(|m| m.to())))),
            "item:DisplayCc" => leaf(xml, element, Some(&names(message.and_then(|m| m.cc())))),
            "message:Sender" => people(xml, element, message.and_then(|m| m.sender().or(m.from())), true),
            "message:From" => people(xml, element, message.and_then(|m| m.from()), true),
            "message:ToRecipients" => people(xml, element, message.and_then(|m| m.to()), false),
            "message:CcRecipients" => people(xml, element, message.and_then(|m| m.cc()), false),
            "message:ReplyTo" => people(xml, element, message.and_then(|m| m.reply_to()), false),
            "message:BccRecipients" if !item.bcc.is_empty() => {
                xml.wrap(element, |xml| {
                    for address in &item.bcc {
                        person(xml, None, address);
                    }
                });
            }
            "message:InternetMessageId" => leaf(
                xml,
                element,
                message.and_then(|m| m.message_id()).map(|id| format!("<{id}>")).as_deref(),
            ),
            "message:References" => leaf(xml, element, message.and_then(|m| identifiers(m.references())).as_deref()),
            "message:IsRead" => leaf(xml, element, Some(&item.read.to_string())),
            _ => {}
        }
    }
}

fn leaf(xml: &mut Xml, element: &str, text: Option<&str>) {
    if let Some(text) = text {
        xml.leaf(element, text);
    }
}

/// Message-IDs in angle brackets, as in a header.
fn identifiers(value: &HeaderValue<'_>) -> Option<String> {
    let ids = value.as_text_list()?;
    Some(ids.iter().map(|id| format!("<{id}>")).collect::<Vec<_>>().join(" "))
}

fn each<'a>(address: Option<&'a Address<'a>>) -> impl Iterator<Item = &'a Addr<'a>> {
    address.into_iter().flat_map(Address::iter)
}

fn names(address: Option<&Address<'_>>) -> String {
    let names: Vec<_> = each(address)
        .filter_map(|one| one.name.as_deref().or(one.address.as_deref()))
        .collect();
    names.join("; ")
}

fn people(xml: &mut Xml, element: &str, address: Option<&Address<'_>>, only_first: bool) {
    let mut people = each(address)
        .filter_map(|one| Some((one.name.as_deref(), one.address.as_deref()?)))
        .take(if only_first { 1 } else { usize::MAX })
        .peekable();
    if people.peek().is_some() {
        xml.wrap(element, |xml| {
            for (name, address) in people {
                person(xml, name, address);
            }
        });
    }
}

fn person(xml: &mut Xml, name: Option<&str>, address: &str) {
    xml.wrap("t:Mailbox", |xml| {
        xml.leaf("t:Name", name.unwrap_or(address)).leaf("t:EmailAddress", address);
        xml.leaf("t:RoutingType", "SMTP").leaf("t:MailboxType", "Mailbox");
    });
}
