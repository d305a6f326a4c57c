//! Drafts, sending, changes.

use axum::http::header;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    super::{
        Raw,
        send::{Keep, Submission},
        world::{Flags, FolderKind, NewItem},
    },
    Ask, Call, Refusal, Reply,
    resources::Wanted,
};

impl Call {
    pub(super) fn create(&self, mailbox: u32, ask: &Ask) -> Result<Reply, Refusal> {
        let ((raw, bcc), parts) = if is_mime(ask) {
            let raw = decode(ask)?;
            if raw.len() > self.shared.limits.graph_mime_bytes {
                // As reported of the real one: a success that is none.
                return Ok(Reply::json(200, &json!({})));
            }
            ((raw, Vec::new()), None)
        } else {
            let message = ask.json()?;
            (self.compose(mailbox, &message)?, Some(message))
        };
        let now = self.shared.now();
        let flags = Flags { read: true, draft: true };
        let item = {
            let mut world = self.shared.world();
            let held = world.mailbox_mut(mailbox).ok_or_else(Refusal::not_found)?;
            let serial = held.add(FolderKind::Drafts, NewItem::new(Raw::Bytes(raw), now, flags), now);
            held.set_bcc(serial, bcc);
            held.item(serial).cloned().ok_or_else(Refusal::not_found)?
        };
        if let Some(message) = parts {
            self.remember_parts(mailbox, &item, message);
        }
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
        let mut world = self.shared.world();
        if let Some(held) = world.mailbox_mut(mailbox) {
            held.remove(item.serial, now);
        }
        world.composing.end(mailbox, &item);
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
        if draft.submitted {
            return Err(Refusal::new(
                400,
                "ErrorInvalidOperation",
                "The message has been submitted already.",
            ));
        }
        let corrupt = |_| Refusal::new(500, "ErrorItemCorrupt", "The item is corrupt.");
        let raw = draft.raw.read(u64::MAX).map_err(corrupt)?;
        let submission = Submission {
            mailbox,
            raw,
            bcc: draft.bcc.clone(),
            keep: Keep::Draft(draft.serial),
            time: self.shared.now(),
        };
        self.shared.send(submission, |owner| self.caller.may_send_as(owner))?;
        self.shared.world().composing.end(mailbox, &draft);
        Ok(Reply::empty(202))
    }

    pub(super) fn send_mail(&self, mailbox: u32, ask: &Ask) -> Result<Reply, Refusal> {
        let (raw, bcc) = if is_mime(ask) {
            (decode(ask)?, Vec::new())
        } else {
            self.compose(mailbox, ask.parameters()?.get("message"))?
        };
        let submission = Submission {
            mailbox,
            raw,
            bcc,
            keep: Keep::Copy(Some(FolderKind::Sent)),
            time: self.shared.now(),
        };
        self.shared.send(submission, |owner| self.caller.may_send_as(owner))?;
        Ok(Reply::empty(202))
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
    if crate::parse(&decoded).is_none() {
        return Err(Refusal::new(400, "ErrorMimeContentInvalid", "The MIME content is invalid."));
    }
    Ok(decoded.into())
}

/// The addresses in a list of recipients.
pub(super) fn addresses(list: &Value) -> Vec<String> {
    let one = |one: &Value| one["emailAddress"]["address"].as_str().map(str::to_owned);
    list.as_array().into_iter().flatten().filter_map(one).collect()
}
