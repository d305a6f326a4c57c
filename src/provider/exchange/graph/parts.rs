//! Drafts of messages that are too long to be submitted in MIME: text and fields in JSON, files one by one.
//!
//! The server then generates the MIME. What would not come out unchanged is rejected: messages that cannot be split into parts
//! ([`crate::mime::take_apart`]), and those whose fields the draft, once read again, does not have.
//! <https://learn.microsoft.com/graph/outlook-large-attachments>

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    GraphSource,
    changes::Property,
    errors::Fault,
    send::Draft,
    transport::{Request, Transport},
    upload,
};
use crate::{
    domain::Mailbox,
    mime::{FilePart, Indivisible, MessageParts, take_apart},
    net::ErrorClass,
    provider::OutgoingMessage,
};

/// Files below this size, in bytes, are attached in one request; larger ones are uploaded.
/// <https://learn.microsoft.com/graph/api/attachment-createuploadsession>
const UPLOADED: usize = 3_000_000;
/// Longest request, in bytes.
const MAX_REQUEST: usize = 4 << 20;
/// Limit of header fields that a draft accepts as such. Their names begin with `x-`.
const MAX_HEADERS: usize = 5;
/// What to do about a message that cannot be sent this way.
const REMEDY: &str = "Send links instead of large attachments, or send over SMTP.";

impl GraphSource {
    /// Stores a message in parts as a draft, which has all its fields then. Returns its id.
    pub(super) async fn store_in_parts(&self, message: &OutgoingMessage) -> Result<String, Fault> {
        let transport = &self.transport;
        let raw = message.raw.clone();
        let apart = tokio::task::spawn_blocking(move || take_apart(&raw)).await;
        let apart = apart.unwrap_or(Err(Indivisible::Unreadable)).map_err(|reason| {
            let words = format!("{{host}} accepts messages over 3 MB only in parts, which would change this one: {reason}. {REMEDY}");
            transport.judge.fault(ErrorClass::TooLarge, &words, "")
        })?;
        let properties = properties(&apart);
        let draft = draft(&apart, &properties, &message.recipients);
        let draft = self.create(&draft).await?;
        let filled = async {
            for file in apart.files {
                attach(transport, &draft, file).await?;
            }
            check(transport, &draft, apart.message_id.as_deref(), &properties).await
        };
        match filled.await {
            Ok(()) => Ok(draft),
            Err(mut fault) => {
                self.discard(&draft).await;
                // It was never asked to be sent.
                fault.unclear = false;
                Err(fault)
            }
        }
    }

    async fn create(&self, draft: &Value) -> Result<String, Fault> {
        let transport = &self.transport;
        let request = Request::json(Method::POST, transport.url(&["messages"]), draft);
        if request.body.as_ref().is_some_and(|(_, body)| body.len() > MAX_REQUEST) {
            let words = format!("The text of the message alone is longer than the 4 MB that {{host}} accepts. {REMEDY}");
            return Err(transport.judge.fault(ErrorClass::TooLarge, &words, ""));
        }
        let answer = transport.call(request).await.map_err(|mut fault| {
            fault.unclear = false;
            fault
        })?;
        if answer.status != StatusCode::CREATED {
            let words = format!("{{host}} did not accept the message, although it reported success. {REMEDY}");
            return Err(transport
                .judge
                .fault(ErrorClass::TooLarge, &words, &format!("HTTP {}", answer.status)));
        }
        Ok(transport.read::<Draft>(&answer.body)?.id)
    }
}

/// The fields without a property in Graph, as MAPI properties: ids and values. The first five whose names begin with `x-` are
/// omitted, as they are sent as header fields.
fn properties(apart: &MessageParts) -> Vec<(String, String)> {
    let headers: Vec<&str> = headers(apart).map(|(name, _)| name.as_str()).collect();
    let others = apart.fields.iter().filter(|(name, _)| !headers.contains(&name.as_str()));
    others
        .map(|(name, value)| {
            let id = match name.to_ascii_lowercase().as_str() {
                // PidTagInReplyToId, PidTagInternetReferences: MS-OXPROPS §2.
                "in-reply-to" => "String 0x1042".to_owned(),
                "references" => "String 0x1039".to_owned(),
                // PS_INTERNET_HEADERS: MS-OXPROPS §1.3.2.
                _ => format!("String {{00020386-0000-0000-c000-000000000046}} Name {name}"),
            };
            (id, value.clone())
        })
        .collect()
}

fn headers(apart: &MessageParts) -> impl Iterator<Item = &(String, String)> {
    let own = apart.fields.iter().filter(|(name, _)| name.to_ascii_lowercase().starts_with("x-"));
    own.take(MAX_HEADERS)
}

fn draft(apart: &MessageParts, properties: &[(String, String)], recipients: &[String]) -> Value {
    let people = |list: &[Mailbox]| list.iter().map(person).collect::<Vec<Value>>();
    let named = |recipient: &String| {
        let mut all = apart.to.iter().chain(&apart.cc);
        all.any(|one| one.address.eq_ignore_ascii_case(recipient))
    };
    let hidden = recipients.iter().filter(|recipient| !named(recipient));
    let hidden: Vec<Value> = hidden.map(|address| json!({ "emailAddress": { "address": address } })).collect();
    let mut draft = json!({
        "subject": apart.subject,
        "body": { "contentType": if apart.html { "html" } else { "text" }, "content": apart.text },
        "importance": apart.importance,
        "toRecipients": people(&apart.to),
        "ccRecipients": people(&apart.cc),
        "bccRecipients": hidden,
        "replyTo": people(&apart.reply_to),
    });
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            draft[name] = value;
        }
    };
    put("from", apart.from.as_ref().map(person));
    put("sender", apart.sender.as_ref().map(person));
    put("internetMessageId", apart.message_id.clone().map(Value::from));
    let some = |list: Vec<Value>| (!list.is_empty()).then(|| Value::from(list));
    let headers = headers(apart).map(|(name, value)| json!({ "name": name, "value": value }));
    put("internetMessageHeaders", some(headers.collect()));
    let properties = properties.iter().map(|(id, value)| json!({ "id": id, "value": value }));
    put("singleValueExtendedProperties", some(properties.collect()));
    draft
}

fn person(mailbox: &Mailbox) -> Value {
    let mut address = Map::new();
    if !mailbox.display_name.is_empty() {
        address.insert("name".to_owned(), mailbox.display_name.clone().into());
    }
    address.insert("address".to_owned(), mailbox.address.clone().into());
    json!({ "emailAddress": address })
}

async fn attach(transport: &Transport, draft: &str, file: FilePart) -> Result<(), Fault> {
    if file.content.len() >= UPLOADED {
        return upload::upload(transport, draft, file).await;
    }
    let mut attachment = json!({
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": file.name,
        "contentType": file.media_type,
        "isInline": file.inline,
        "contentBytes": STANDARD.encode(&file.content),
    });
    if !file.content_id.is_empty() {
        attachment["contentId"] = file.content_id.into();
    }
    let url = transport.url(&["messages", draft, "attachments"]);
    let answer = transport.call(Request::json(Method::POST, url, &attachment)).await?;
    match answer.status {
        StatusCode::CREATED => Ok(()),
        _ => Err(transport.judge.malformed("says neither that the attachment is there nor why not")),
    }
}

/// A draft as it was stored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    internet_message_id: Option<String>,
    #[serde(default)]
    single_value_extended_properties: Vec<Property>,
}

/// Reads a draft again: whether it has the fields that it was given.
async fn check(transport: &Transport, draft: &str, message_id: Option<&str>, properties: &[(String, String)]) -> Result<(), Fault> {
    let mut url = transport.url(&["messages", draft]);
    url.query_pairs_mut().append_pair("$select", "id,internetMessageId");
    if !properties.is_empty() {
        let ids = properties.iter().map(|(id, _)| format!("id eq '{}'", id.replace('\'', "''")));
        let ids = ids.collect::<Vec<_>>().join(" or ");
        url.query_pairs_mut()
            .append_pair("$expand", &format!("singleValueExtendedProperties($filter={ids})"));
    }
    let stored: Stored = transport.get(url, &[]).await?;
    let lost_id = message_id.is_some() && stored.internet_message_id.as_deref().map(str::trim) != message_id;
    let kept = |(id, value): &&(String, String)| {
        let stored = &stored.single_value_extended_properties;
        let same = |one: &Property| one.id.eq_ignore_ascii_case(id) && one.value.split_whitespace().eq(value.split_whitespace());
        stored.iter().any(same)
    };
    let lost = lost_id || !properties.iter().all(|property| kept(&property));
    if !lost {
        return Ok(());
    }
    let words = format!(
        "{{host}} does not keep all header fields of a message over 3 MB, such as those that link a reply to its conversation. It was not \
         sent. {REMEDY}"
    );
    Err(transport.judge.fault(ErrorClass::TooLarge, &words, ""))
}
