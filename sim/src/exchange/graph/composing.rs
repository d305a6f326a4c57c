//! Drafts that are made of parts: fields in JSON, attachments, sessions for the upload of large ones, and the MIME that comes of them.
//!
//! <https://learn.microsoft.com/graph/outlook-large-attachments>

use std::{collections::HashMap, time::Duration};

use axum::http::header;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use mail_builder::{
    MessageBuilder,
    headers::{address::Address, raw::Raw as RawHeader},
    mime::MimePart,
};
use mail_parser::decoders::html::html_to_text;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{
    super::{FaultKind, Raw, world::Item},
    Ask, Call, Refusal, Reply,
    resources::{HEADERS, IN_REPLY_TO, REFERENCES, random_id},
    writing::addresses,
};
use crate::clock::write_time;

/// Largest attachment that is given in a request, and smallest for which there are sessions, in bytes.
const ATTACHED: usize = 3_000_000;
/// Largest attachment, in bytes.
const MAX_ATTACHMENT: u64 = 150_000_000;
/// Longest range, in bytes.
const MAX_RANGE: usize = 4_000_000;
/// How long a session may be used.
const SESSION: Duration = Duration::from_hours(1);
/// Most header fields that are given as such.
const MAX_HEADERS: usize = 5;

/// Drafts that are being made, by mailbox and first serial, and sessions by their secret.
#[derive(Debug, Default)]
pub(in super::super) struct Composing {
    drafts: HashMap<(u32, u64), Parts>,
    uploads: HashMap<String, Upload>,
}

impl Composing {
    /// The mailbox that a session belongs to.
    pub(super) fn mailbox(&self, upload: &str) -> Option<u32> {
        self.uploads.get(upload).map(|upload| upload.mailbox)
    }

    /// Forgets a draft that was sent or deleted.
    pub(super) fn end(&mut self, mailbox: u32, item: &Item) {
        self.drafts.remove(&(mailbox, item.origin));
        self.uploads
            .retain(|_, upload| (upload.mailbox, upload.origin) != (mailbox, item.origin));
    }
}

/// A draft as it was given.
#[derive(Clone, Debug)]
struct Parts {
    message: Value,
    attachments: Vec<Attachment>,
}

#[derive(Clone, Debug)]
struct Attachment {
    about: Value,
    content: Bytes,
}

#[derive(Debug)]
struct Upload {
    mailbox: u32,
    origin: u64,
    about: Value,
    size: usize,
    received: Vec<u8>,
    end: OffsetDateTime,
}

impl Upload {
    /// How far it is, with names as Outlook's own service has them.
    fn state(&self) -> Value {
        json!({ "ExpirationDateTime": write_time(self.end), "NextExpectedRanges": [self.received.len().to_string()] })
    }
}

impl Call {
    /// Whether a new draft forgets its extended properties.
    fn forgets(&self) -> bool {
        matches!(self.fault, Some(FaultKind::ForgottenProperties))
    }

    /// MIME of a message that is given in JSON, and its hidden recipients.
    pub(super) fn compose(&self, mailbox: u32, message: &Value) -> Result<(Bytes, Vec<String>), Refusal> {
        self.composed(mailbox, message, &[])
    }

    /// Remembers of what parts a draft was made, so that there may be more.
    pub(super) fn remember_parts(&self, mailbox: u32, item: &Item, mut message: Value) {
        if self.forgets() {
            message["singleValueExtendedProperties"].take();
        }
        // It stays through all attachments.
        message["internetMessageId"] = super::resources::field_of(item, "Message-ID").into();
        let parts = Parts {
            message,
            attachments: Vec::new(),
        };
        self.shared.world().composing.drafts.insert((mailbox, item.origin), parts);
    }

    /// `POST messages/{id}/attachments`.
    pub(super) fn attach(&self, mailbox: u32, id: &str, ask: &Ask) -> Result<Reply, Refusal> {
        let mut about = ask.json()?;
        let content = about["contentBytes"].take();
        let content = content.as_str().and_then(|text| STANDARD.decode(text).ok());
        let content = content.ok_or_else(|| Refusal::bad_request("The simulator attaches files only, whose contentBytes are base64."))?;
        if content.len() >= ATTACHED {
            return Err(too_large());
        }
        self.add(mailbox, id, about.clone(), content.into())?;
        about["id"] = random_id(&self.shared).into();
        Ok(Reply::json(201, &about))
    }

    fn add(&self, mailbox: u32, id: &str, about: Value, content: Bytes) -> Result<(), Refusal> {
        let item = self.find_item(mailbox, id)?;
        self.add_to(mailbox, &item, about, content)
    }

    fn add_to(&self, mailbox: u32, item: &Item, about: Value, content: Bytes) -> Result<(), Refusal> {
        let key = (mailbox, item.origin);
        let parts = self.shared.world().composing.drafts.get(&key).cloned();
        let mut parts = parts.ok_or_else(|| Refusal::bad_request("The simulator attaches to drafts only that were made in JSON."))?;
        parts.attachments.push(Attachment { about, content });
        let (raw, _) = self.composed(mailbox, &parts.message, &parts.attachments)?;
        if raw.len() > self.shared.limits.message_bytes {
            return Err(too_large());
        }
        let mut world = self.shared.world();
        if let Some(held) = world.mailbox_mut(mailbox) {
            held.set_raw(item.serial, Raw::Bytes(raw));
        }
        world.composing.drafts.insert(key, parts);
        Ok(())
    }

    /// `POST messages/{id}/attachments/createUploadSession`.
    pub(super) fn begin_upload(&self, mailbox: u32, id: &str, ask: &Ask) -> Result<Reply, Refusal> {
        let item = self.find_item(mailbox, id)?;
        let about = ask.parameters()?.get("AttachmentItem").clone();
        let size = about["size"].as_u64().unwrap_or(0);
        if about["attachmentType"] != "file" || !about["name"].is_string() {
            return Err(Refusal::bad_request("The attachment needs its type, file, and a name."));
        }
        if size < ATTACHED as u64 {
            let text = "The attachment size must be greater than the minimum size.";
            return Err(Refusal::new(400, "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize", text));
        }
        if size > MAX_ATTACHMENT {
            return Err(too_large());
        }
        let secret = random_id(&self.shared);
        let upload = Upload {
            mailbox,
            origin: item.origin,
            about,
            size: usize::try_from(size).unwrap_or(usize::MAX),
            received: Vec::new(),
            end: self.shared.now() + SESSION,
        };
        let mut url = self.shared.graph.clone();
        url.set_path(&format!("{}/AttachmentSessions('{secret}')", super::UPLOADS));
        let answer = json!({ "uploadUrl": url.as_str(), "expirationDateTime": write_time(upload.end), "nextExpectedRanges": ["0-"] });
        self.shared.world().composing.uploads.insert(secret, upload);
        Ok(Reply::json(201, &answer))
    }

    /// What is asked of a session, whose address is permission enough.
    pub(super) fn upload(&self, mailbox: u32, secret: &str, ask: &Ask) -> Result<Reply, Refusal> {
        if ask.header(header::AUTHORIZATION).is_some() {
            let text = "The audience claim value is invalid for the current resource.";
            return Err(Refusal::new(401, "InvalidAudience", text));
        }
        let now = self.shared.now();
        let mut world = self.shared.world();
        let uploads = &mut world.composing.uploads;
        uploads.retain(|_, upload| upload.end > now);
        let upload = uploads.get_mut(secret).ok_or_else(Refusal::not_found)?;
        match ask.method.as_str() {
            "GET" => return Ok(Reply::json(200, &upload.state())),
            "DELETE" => {
                uploads.remove(secret);
                return Ok(Reply::empty(204));
            }
            "PUT" => {}
            _ => return Err(Refusal::new(405, "ErrorInvalidRequest", "The method is not known here.")),
        }
        let range = ask.header(header::CONTENT_RANGE).and_then(content_range);
        let (begin, end, size) = range.ok_or_else(|| Refusal::bad_request("The Content-Range is missing or invalid."))?;
        if ask.body.len() > MAX_RANGE {
            return Err(too_large());
        }
        if end < begin || end - begin + 1 != ask.body.len() || size != upload.size || end >= size {
            return Err(Refusal::bad_request(
                "The Content-Range does not fit the body or the size of the attachment.",
            ));
        }
        if begin != upload.received.len() {
            return Err(Refusal::new(
                416,
                "ErrorInvalidRange",
                "The range is not the one that is expected next.",
            ));
        }
        upload.received.extend_from_slice(&ask.body);
        if upload.received.len() < upload.size {
            return Ok(Reply::json(200, &upload.state()));
        }
        let Some(done) = uploads.remove(secret) else {
            return Err(Refusal::not_found());
        };
        let held = world.mailbox(mailbox).ok_or_else(Refusal::not_found)?;
        let serial = held.now(done.origin).ok_or_else(Refusal::not_found)?;
        let item = held.item(serial).cloned().ok_or_else(Refusal::not_found)?;
        drop(world);
        self.add_to(mailbox, &item, done.about, done.received.into())?;
        let place = format!("{}/me/Attachments('{}')", self.shared.graph, random_id(&self.shared));
        Ok(Reply::empty(201).with(header::LOCATION, place))
    }

    fn composed(&self, mailbox: u32, message: &Value, attachments: &[Attachment]) -> Result<(Bytes, Vec<String>), Refusal> {
        let world = self.shared.world();
        let own = world.mailbox(mailbox).map(|held| held.address.clone()).unwrap_or_default();
        drop(world);
        let mut builder = MessageBuilder::new()
            .from(people(&json!([message["from"]])).unwrap_or_else(|| Address::new_address(None::<String>, own.clone())))
            .subject(message["subject"].as_str().unwrap_or_default().to_owned())
            .date(self.shared.now().unix_timestamp());
        let sender = json!([message["sender"]]);
        for (field, list) in [
            ("Sender", &sender),
            ("To", &message["toRecipients"]),
            ("Cc", &message["ccRecipients"]),
            ("Reply-To", &message["replyTo"]),
        ] {
            if let Some(people) = people(list) {
                builder = builder.header(field, people);
            }
        }
        if let Some(importance @ ("high" | "low")) = message["importance"].as_str() {
            builder = builder.header("Importance", RawHeader::new(importance.to_owned()));
        }
        let id = message["internetMessageId"].as_str().map(str::to_owned);
        let id = id.unwrap_or_else(|| self.shared.message_id(&own));
        builder = builder.header("Message-ID", RawHeader::new(id));
        for (name, value) in fields(message, !self.forgets())? {
            builder = builder.header(name, RawHeader::new(value));
        }
        let content = message["body"]["content"].as_str().unwrap_or_default().to_owned();
        let kind = message["body"]["contentType"].as_str().unwrap_or_default();
        builder = if kind.eq_ignore_ascii_case("html") {
            builder.text_body(html_to_text(&content)).html_body(content)
        } else {
            builder.text_body(content)
        };
        let parts: Vec<MimePart<'_>> = attachments.iter().map(part).collect();
        if !parts.is_empty() {
            builder.attachments = Some(parts);
        }
        let raw = builder
            .write_to_vec()
            .map_err(|_| Refusal::bad_request("The message cannot be made."))?;
        Ok((raw.into(), addresses(&message["bccRecipients"])))
    }
}

fn part(attachment: &Attachment) -> MimePart<'_> {
    let text = |name: &str| attachment.about[name].as_str().unwrap_or_default();
    let kind = Some(text("contentType")).filter(|kind| !kind.is_empty());
    let part = MimePart::new(kind.unwrap_or("application/octet-stream"), &attachment.content[..]);
    let part = if attachment.about["isInline"] == true {
        part.inline()
    } else {
        part.attachment(text("name"))
    };
    match text("contentId") {
        "" => part,
        id => part.cid(id),
    }
}

/// The further header fields of a message.
fn fields(message: &Value, with_properties: bool) -> Result<Vec<(String, String)>, Refusal> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |name: &str| message[name].as_array().cloned().unwrap_or_default();
    let headers = list("internetMessageHeaders");
    if headers.len() > MAX_HEADERS {
        let text = "Maximum number of headers in one message should be less than or equal to 5.";
        return Err(Refusal::new(400, "InvalidInternetMessageHeaderCollection", text));
    }
    let mut fields = Vec::new();
    for one in headers {
        let name = text(&one["name"]);
        if !name.to_ascii_lowercase().starts_with("x-") {
            let text = format!("The internet message header name '{name}' should start with 'x-' or 'X-'.");
            return Err(Refusal::new(400, "InvalidInternetMessageHeader", &text));
        }
        fields.push((name, text(&one["value"])));
    }
    for one in list("singleValueExtendedProperties").iter().filter(|_| with_properties) {
        let id = text(&one["id"]);
        let name = match id.to_ascii_lowercase().as_str() {
            IN_REPLY_TO => "In-Reply-To",
            REFERENCES => "References",
            lower if lower.starts_with(HEADERS) => id.get(HEADERS.len()..).unwrap_or_default(),
            _ => {
                return Err(Refusal::new(
                    400,
                    "ErrorInvalidProperty",
                    "The simulator does not know this property.",
                ));
            }
        };
        fields.push((name.to_owned(), text(&one["value"])));
    }
    Ok(fields)
}

/// Mailboxes as a field has them. `None` for none.
fn people(list: &Value) -> Option<Address<'static>> {
    let one = |one: &Value| {
        let text = |name: &str| {
            one["emailAddress"][name]
                .as_str()
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        Some(Address::new_address(text("name"), text("address")?))
    };
    let mut people: Vec<Address<'static>> = list.as_array().into_iter().flatten().filter_map(one).collect();
    match people.len() {
        0 => None,
        1 => people.pop(),
        _ => Some(Address::new_list(people)),
    }
}

/// First byte, last byte and length of the whole.
fn content_range(value: &str) -> Option<(usize, usize, usize)> {
    let (range, size) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (begin, end) = range.split_once('-')?;
    Some((begin.parse().ok()?, end.parse().ok()?, size.parse().ok()?))
}

fn too_large() -> Refusal {
    let text = "The request entity is larger than the server is able to process.";
    Refusal::new(413, "RequestEntityTooLarge", text)
}
