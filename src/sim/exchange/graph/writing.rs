//! Drafts, sending, changes.

use axum::http::header;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use mail_builder::{MessageBuilder, headers::address::Address};
use serde_json::{Value, json};

use super::{
    super::{
        Raw,
        world::{Flags, FolderKind},
    },
    Ask, Call, Refusal, Reply,
    resources::Wanted,
};

impl Call {
    pub(super) fn create(&self, mailbox: u32, ask: &Ask) -> Result<Reply, Refusal> {
        let (raw, bcc) = if is_mime(ask) {
            let raw = decode(ask)?;
            if raw.len() > self.shared.limits.graph_mime_bytes {
                // As reported of the real one: a success that is none.
                return Ok(Reply::json(200, &json!({})));
            }
            (raw, Vec::new())
        } else {
            self.compose(mailbox, &ask.json()?)?
        };
        let now = self.shared.now();
        let flags = Flags { read: true, draft: true };
        let item = {
            let mut world = self.shared.world();
            let held = world.mailbox_mut(mailbox).ok_or_else(Refusal::not_found)?;
            let serial = held.add(FolderKind::Drafts, Raw::Bytes(raw), now, flags, now);
            held.set_bcc(serial, bcc);
            held.item(serial).cloned().ok_or_else(Refusal::not_found)?
        };
        Ok(Reply::json(
            201,
            &self.message_json(mailbox, &item, &Wanted::default(), ask.immutable()),
        ))
    }

    pub(super) fn update(&self, mailbox: u32, id: &str, ask: &Ask) -> Result<Reply, Refusal> {
        let (body, item) = (ask.json()?, self.find_item(mailbox, id)?);
        let item = {
            let mut world = self.shared.world();
            let held = world.mailbox_mut(mailbox).ok_or_else(Refusal::not_found)?;
            if let Some(bcc) = body.get("bccRecipients") {
                if !item.draft {
                    return Err(Refusal::new(400, "ErrorInvalidPropertySet", "The message is no draft."));
                }
                held.set_bcc(item.serial, addresses(bcc));
            }
            held.change(item.serial, body["isRead"].as_bool(), self.shared.now());
            held.item(item.serial).cloned().ok_or_else(Refusal::not_found)?
        };
        Ok(Reply::json(
            200,
            &self.message_json(mailbox, &item, &Wanted::default(), ask.immutable()),
        ))
    }

    pub(super) fn delete(&self, mailbox: u32, id: &str) -> Result<Reply, Refusal> {
        let item = self.find_item(mailbox, id)?;
        let now = self.shared.now();
        if let Some(held) = self.shared.world().mailbox_mut(mailbox) {
            held.remove(item.serial, now);
        }
        Ok(Reply::empty(204))
    }

    pub(super) fn relocate(&self, mailbox: u32, id: &str, ask: &Ask) -> Result<Reply, Refusal> {
        let item = self.find_item(mailbox, id)?;
        let folder = self.find_folder(mailbox, ask.parameters()?.get("destinationId").as_str().unwrap_or_default())?;
        let now = self.shared.now();
        let item = {
            let mut world = self.shared.world();
            let held = world.mailbox_mut(mailbox).ok_or_else(Refusal::not_found)?;
            let serial = held.relocate(item.serial, folder, now).ok_or_else(Refusal::not_found)?;
            held.item(serial).cloned().ok_or_else(Refusal::not_found)?
        };
        Ok(Reply::json(
            201,
            &self.message_json(mailbox, &item, &Wanted::default(), ask.immutable()),
        ))
    }

    pub(super) fn send_draft(&self, mailbox: u32, id: &str) -> Result<Reply, Refusal> {
        let draft = self.find_item(mailbox, id)?;
        if !draft.draft {
            return Err(Refusal::not_found());
        }
        let corrupt = |_| Refusal::new(500, "ErrorItemCorrupt", "The item is corrupt.");
        let raw = draft.raw.read(u64::MAX).map_err(corrupt)?;
        let (now, may_send_as) = (self.shared.now(), |owner| self.caller.may_send_as(owner));
        self.shared.send(mailbox, raw, draft.bcc, now, may_send_as, |held, complete| {
            held.keep_sent(draft.serial, Raw::Bytes(complete), now);
        })?;
        Ok(Reply::empty(202))
    }

    pub(super) fn send_mail(&self, mailbox: u32, ask: &Ask) -> Result<Reply, Refusal> {
        let (raw, bcc) = if is_mime(ask) {
            (decode(ask)?, Vec::new())
        } else {
            self.compose(mailbox, ask.parameters()?.get("message"))?
        };
        let (now, may_send_as) = (self.shared.now(), |owner| self.caller.may_send_as(owner));
        self.shared.send(mailbox, raw, bcc, now, may_send_as, |held, complete| {
            let flags = Flags { read: true, draft: false };
            held.add(FolderKind::Sent, Raw::Bytes(complete), now, flags, now);
        })?;
        Ok(Reply::empty(202))
    }

    /// MIME of a message that is given in JSON, and its hidden recipients.
    fn compose(&self, mailbox: u32, message: &Value) -> Result<(Bytes, Vec<String>), Refusal> {
        let world = self.shared.world();
        let own = world.mailbox(mailbox).map(|held| held.address.clone()).unwrap_or_default();
        drop(world);
        let from = addresses(&json!([message["from"]])).pop().unwrap_or_else(|| own.clone());
        let list = |name: &str| {
            let people = addresses(&message[name]).into_iter();
            Address::new_list(people.map(|address| Address::new_address(None::<String>, address)).collect())
        };
        let content = message["body"]["content"].as_str().unwrap_or_default().to_owned();
        let mut builder = MessageBuilder::new()
            .from(Address::new_address(None::<String>, from))
            .to(list("toRecipients"))
            .subject(message["subject"].as_str().unwrap_or_default().to_owned())
            .date(self.shared.now().seconds());
        if message["ccRecipients"].is_array() {
            builder = builder.cc(list("ccRecipients"));
        }
        let id = self.shared.message_id(&own);
        builder = builder.message_id(id.trim_matches(['<', '>']).to_owned());
        builder = if message["body"]["contentType"]
            .as_str()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("html"))
        {
            builder.html_body(content)
        } else {
            builder.text_body(content)
        };
        let raw = builder
            .write_to_vec()
            .map_err(|_| Refusal::bad_request("The message cannot be made."))?;
        Ok((raw.into(), addresses(&message["bccRecipients"])))
    }
}

fn is_mime(ask: &Ask) -> bool {
    ask.header(header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/plain"))
}

fn decode(ask: &Ask) -> Result<Bytes, Refusal> {
    let compact: Vec<u8> = ask.body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let text = "Invalid base64 string for MIME content.";
    let decoded = STANDARD
        .decode(compact)
        .map_err(|_| Refusal::new(400, "ErrorMimeContentInvalidBase64String", text))?;
    if crate::sim::parse(&decoded).is_none() {
        return Err(Refusal::new(400, "ErrorMimeContentInvalid", "The MIME content is invalid."));
    }
    Ok(decoded.into())
}

/// The addresses in a list of recipients.
fn addresses(list: &Value) -> Vec<String> {
    let one = |one: &Value| one["emailAddress"]["address"].as_str().map(str::to_owned);
    list.as_array().into_iter().flatten().filter_map(one).collect()
}
