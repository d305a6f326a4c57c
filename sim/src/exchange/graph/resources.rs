//! Folders and messages in JSON, and their ids.

use mail_parser::{Address, Message, MessageParser};
use serde_json::{Map, Value, json};

use super::{
    super::{
        Shared, mix,
        world::{FolderKind, Item, Mailbox},
    },
    Ask, Call, Refusal,
};
use crate::{clock::write_time, parse, sent_at};

/// Bytes of a message that hold its headers, as a rule.
const HEAD: u64 = 64 << 10;

/// Graph's ids are Exchange's in the alphabet for URLs (RFC 4648 §5).
pub(super) fn for_urls(id: &str) -> String {
    id.replace('+', "-").replace('/', "_")
}

/// The other way.
pub(super) fn from_urls(id: &str) -> String {
    id.replace('-', "+").replace('_', "/")
}

/// A GUID that nobody has to believe.
pub(super) fn random_id(shared: &Shared) -> String {
    let hash = mix(shared.seed, &shared.started.elapsed().as_nanos().to_be_bytes());
    let digits = format!("{hash:016x}{:016x}", mix(hash, b"more"));
    let cut = |from: usize, to: usize| digits.get(from..to).unwrap_or_default().to_owned();
    [cut(0, 8), cut(8, 12), cut(12, 16), cut(16, 20), cut(20, 32)].join("-")
}

/// Extended properties that are known, in small letters: the size, the flags, and fields of the header.
const SIZE: &str = "integer 0xe08";
const FLAGS: &str = "integer 0xe07";
const MESSAGE_ID: &str = "string 0x1035";
pub(super) const REFERENCES: &str = "string 0x1039";
pub(super) const IN_REPLY_TO: &str = "string 0x1042";
/// Beginning of those that stand for any field (PS_INTERNET_HEADERS).
pub(super) const HEADERS: &str = "string {00020386-0000-0000-c000-000000000046} name ";

/// Which properties of messages are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Names; `None`: the usual ones.
    pub(super) select: Option<Vec<String>>,
    /// Ids of extended properties, in small letters.
    pub(super) properties: Vec<String>,
}

impl Wanted {
    pub(super) fn by(ask: &Ask) -> Result<Self, Refusal> {
        let select = ask
            .option("$select")
            .map(|list| list.split(',').map(|name| name.trim().to_owned()).collect());
        let properties = match ask.option("$expand") {
            None => Vec::new(),
            Some(expand) => {
                let unknown = || Refusal::new(400, "ErrorInvalidProperty", "The simulator does not know this property.");
                let expand = expand.to_lowercase().replace("0x0e0", "0xe0");
                let filter = expand
                    .strip_prefix("singlevalueextendedproperties($filter=")
                    .and_then(|rest| rest.strip_suffix(')'))
                    .ok_or_else(unknown)?;
                let ids = filter.split(" or ").map(|one| {
                    let id = one.trim().strip_prefix("id eq '")?.strip_suffix('\'')?.replace("''", "'");
                    let known = [SIZE, FLAGS, MESSAGE_ID, REFERENCES, IN_REPLY_TO].contains(&&*id) || id.starts_with(HEADERS);
                    known.then_some(id)
                });
                ids.collect::<Option<Vec<String>>>().ok_or_else(unknown)?
            }
        };
        Ok(Self { select, properties })
    }

    fn has(&self, name: &str) -> bool {
        self.select.as_ref().is_none_or(|names| names.iter().any(|wanted| wanted == name))
    }

    /// Whether the message has to be read for it.
    fn of_mime(&self) -> bool {
        const PLAIN: [&str; 9] = [
            "id",
            "changeKey",
            "receivedDateTime",
            "createdDateTime",
            "lastModifiedDateTime",
            "isRead",
            "isDraft",
            "parentFolderId",
            "conversationId",
        ];
        self.select
            .as_ref()
            .is_none_or(|names| !names.iter().all(|name| PLAIN.contains(&name.as_str())))
    }
}

/// The id of an item that survives moves.
pub(in super::super) fn immutable_id(shared: &Shared, mailbox: u32, item: &Item) -> String {
    for_urls(&shared.ids.origin(mailbox, item.origin))
}

impl Call {
    /// The id of an item, as the client wants ids.
    pub(super) fn item_id(&self, mailbox: u32, serial: u64, origin: u64, immutable: bool) -> String {
        for_urls(&if immutable {
            self.shared.ids.origin(mailbox, origin)
        } else {
            self.shared.ids.item(mailbox, serial)
        })
    }

    /// The item that an id of either kind stands for.
    pub(super) fn find_item(&self, mailbox: u32, id: &str) -> Result<Item, Refusal> {
        let malformed = || Refusal::new(400, "ErrorInvalidIdMalformed", "Id is malformed.");
        let id = from_urls(id);
        let world = self.shared.world();
        let held = world.mailbox(mailbox).ok_or_else(Refusal::not_found)?;
        let (of, serial) = match self.shared.ids.read_item(&id) {
            Some((of, serial)) => (of, Some(serial)),
            None => {
                let (of, origin) = self.shared.ids.read_origin(&id).ok_or_else(malformed)?;
                (of, held.now(origin))
            }
        };
        let item = serial.filter(|_| of == mailbox).and_then(|serial| held.item(serial));
        item.cloned().ok_or_else(Refusal::not_found)
    }

    pub(super) fn find_folder(&self, mailbox: u32, name: &str) -> Result<FolderKind, Refusal> {
        if let Some(folder) = FolderKind::by_name(name) {
            return Ok(folder);
        }
        let malformed = || Refusal::new(400, "ErrorInvalidIdMalformed", "Id is malformed.");
        let (of, index) = self.shared.ids.read_folder(&from_urls(name)).ok_or_else(malformed)?;
        let world = self.shared.world();
        let held = world.mailbox(mailbox).filter(|_| of == mailbox);
        let folder = held.and_then(|held| held.folder_at(index));
        folder.ok_or_else(|| Refusal::new(404, "ErrorItemNotFound", "The specified folder could not be found in the store."))
    }

    fn folder_id(&self, mailbox: u32, folder: FolderKind) -> String {
        for_urls(&self.shared.ids.folder(mailbox, folder.index()))
    }

    pub(super) fn folder_json(&self, index: u32, mailbox: &Mailbox, folder: FolderKind) -> Value {
        let (total, unread) = mailbox.counts(folder);
        json!({
            "id": self.folder_id(index, folder),
            "displayName": mailbox.name(folder),
            "parentFolderId": self.folder_id(index, mailbox.parent(folder).unwrap_or(FolderKind::Root)),
            "childFolderCount": mailbox.children(folder).count(),
            "totalItemCount": total,
            "unreadItemCount": unread,
            "sizeInBytes": 0,
            "isHidden": false,
        })
    }

    pub(super) fn message_json(&self, mailbox: u32, item: &Item, wanted: &Wanted, immutable: bool) -> Value {
        let id = self.item_id(mailbox, item.serial, item.origin, immutable);
        let key = self.shared.ids.change_key(item.version);
        let received = write_time(item.received);
        let mut json = Map::new();
        json.insert("@odata.etag".to_owned(), format!("W/\"{key}\"").into());
        json.insert("id".to_owned(), id.into());
        let mut put = |name: &str, value: Value| {
            if wanted.has(name) {
                json.insert(name.to_owned(), value);
            }
        };
        put("changeKey", key.into());
        for name in ["receivedDateTime", "createdDateTime", "lastModifiedDateTime"] {
            put(name, received.clone().into());
        }
        put("isRead", item.read.into());
        put("isDraft", item.draft.into());
        put("parentFolderId", self.folder_id(mailbox, item.folder).into());
        put("conversationId", self.shared.ids.change_key(item.origin).into());
        if wanted.of_mime() {
            let whole = wanted.has("body") || wanted.has("bodyPreview") || wanted.has("hasAttachments");
            let raw = item.raw.read(if whole { u64::MAX } else { HEAD }).unwrap_or_default();
            let message = if whole {
                parse(&raw)
            } else {
                MessageParser::default().parse_headers(&raw[..])
            };
            for (name, value) in mime_properties(message.as_ref(), item) {
                put(name, value);
            }
        }
        let properties: Vec<Value> = wanted.properties.iter().filter_map(|id| extended(item, id)).collect();
        if !properties.is_empty() {
            json.insert("singleValueExtendedProperties".to_owned(), properties.into());
        }
        json.into()
    }
}

/// An extended property, if the item has it.
fn extended(item: &Item, id: &str) -> Option<Value> {
    let (id, value) = match id {
        SIZE => ("Integer 0xe08".to_owned(), item.raw.size().to_string()),
        // PidTagMessageFlags: read, submitted, unsent ([MS-OXCMSG] 2.2.1.6).
        FLAGS => {
            let flags = [(item.read, 1), (item.submitted, 4), (item.draft, 8)];
            let set: u32 = flags.into_iter().filter_map(|(set, flag)| set.then_some(flag)).sum();
            ("Integer 0xe07".to_owned(), set.to_string())
        }
        _ => {
            let name = match id {
                MESSAGE_ID => "Message-ID",
                REFERENCES => "References",
                IN_REPLY_TO => "In-Reply-To",
                _ => id.strip_prefix(HEADERS)?,
            };
            (id.replacen("string", "String", 1), field_of(item, name)?)
        }
    };
    Some(json!({ "id": id, "value": value }))
}

/// The value of a header field, unfolded.
pub(super) fn field_of(item: &Item, name: &str) -> Option<String> {
    let raw = item.raw.read(HEAD).ok()?;
    let message = MessageParser::default().parse_headers(&raw[..])?;
    let (_, value) = message.headers_raw().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some(value.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// What the message itself says.
fn mime_properties(message: Option<&Message<'_>>, item: &Item) -> Vec<(&'static str, Value)> {
    let Some(message) = message else {
        return vec![("subject", "".into())];
    };
    let text = message.body_text(0).unwrap_or_default();
    let html = message.body_html(0).unwrap_or_default();
    let preview: String = text.chars().take(255).collect();
    let headers = message
        .headers_raw()
        .map(|(name, value)| json!({ "name": name, "value": value.trim() }));
    let bcc: Vec<Value> = item.bcc.iter().map(|address| person("", address)).collect();
    let from = people(message.from()).into_iter().next();
    let id = message.message_id().map(|id| format!("<{id}>"));
    let sent = sent_at(message).map(write_time);
    vec![
        ("subject", message.subject().unwrap_or_default().into()),
        ("bodyPreview", preview.into()),
        ("body", json!({ "contentType": "html", "content": html })),
        ("sender", from.clone().into()),
        ("from", from.into()),
        ("toRecipients", people(message.to()).into()),
        ("ccRecipients", people(message.cc()).into()),
        ("bccRecipients", bcc.into()),
        ("replyTo", people(message.reply_to()).into()),
        ("internetMessageId", id.into()),
        ("sentDateTime", sent.into()),
        ("hasAttachments", (message.attachment_count() > 0).into()),
        ("importance", "normal".into()),
        ("internetMessageHeaders", headers.collect::<Vec<Value>>().into()),
    ]
}

fn people(list: Option<&Address<'_>>) -> Vec<Value> {
    let all = list.into_iter().flat_map(Address::iter);
    all.map(|one| person(one.name().unwrap_or_default(), one.address().unwrap_or_default()))
        .collect()
}

fn person(name: &str, address: &str) -> Value {
    let name = if name.is_empty() { address } else { name };
    json!({ "emailAddress": { "name": name, "address": address } })
}
