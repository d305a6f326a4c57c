//! SOAP requests, in the order of the schema.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use quick_xml::escape::escape;

use super::responses::Draft;
use crate::provider::{
    Folder, FolderRole, ItemId,
    exchange::folders::{DRAFTS, SENT},
};

/// Most changes in a page; the server gives no more.
const PAGE: usize = 512;
/// Folders in a page; the server gives no more.
const FOLDERS: usize = 1000;
/// Minutes after which the server ends a notification stream; the maximum that it accepts.
const STREAM_MINUTES: u32 = 30;

const HEAD: &str = concat!(
    r#"<?xml version="1.0" encoding="utf-8"?>"#,
    r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/""#,
    r#" xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages""#,
    r#" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types">"#,
    r#"<s:Header><t:RequestServerVersion Version="Exchange2013_SP1"/>"#,
);
const TAIL: &str = "</s:Body></s:Envelope>";

/// What is asked of the server.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// Name of the operation, as in `GetItem`.
    pub operation: &'static str,
    /// Longest answer that is read, in bytes.
    pub max_answer_bytes: u64,
    /// The operation's element.
    content: String,
}

/// Longest answer that is read, in bytes, unless it holds whole messages.
pub(super) const MAX_ANSWER_BYTES: u64 = 16 << 20;

impl Request {
    fn new(operation: &'static str, content: &str) -> Self {
        Self::with_attributes(operation, "", content)
    }

    /// `attributes` begin with a space.
    fn with_attributes(operation: &'static str, attributes: &str, content: &str) -> Self {
        Self {
            operation,
            max_answer_bytes: MAX_ANSWER_BYTES,
            content: format!("<m:{operation}{attributes}>{content}</m:{operation}>"),
        }
    }

    /// The whole envelope. `impersonated` is the mailbox that a maintenance account acts for.
    pub(super) fn envelope(&self, impersonated: Option<&str>) -> String {
        let impersonation = impersonated.map_or_else(String::new, |address| {
            format!(
                "<t:ExchangeImpersonation><t:ConnectingSID><t:PrimarySmtpAddress>{}</t:PrimarySmtpAddress></t:ConnectingSID></t:ExchangeImpersonation>",
                escape(address)
            )
        });
        [HEAD, &impersonation, "</s:Header><s:Body>", &self.content, TAIL].concat()
    }
}

/// A folder by its name, of the login's own mailbox or of `mailbox`.
fn folder_element(name: &str, mailbox: Option<&str>) -> String {
    let mailbox = mailbox.map_or_else(String::new, mailbox_element);
    format!(r#"<t:DistinguishedFolderId Id="{name}">{mailbox}</t:DistinguishedFolderId>"#)
}

fn mailbox_element(address: &str) -> String {
    format!("<t:Mailbox><t:EmailAddress>{}</t:EmailAddress></t:Mailbox>", escape(address))
}

/// Asks for the root of the login's own mailbox: little, but only for those who are logged in.
pub(super) fn get_root() -> Request {
    let content = concat!(
        "<m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>",
        r#"<m:FolderIds><t:DistinguishedFolderId Id="msgfolderroot"/></m:FolderIds>"#
    );
    Request::new("GetFolder", content)
}

/// Stores a message as a draft. `hidden` are recipients that no header of it names.
pub(super) fn create_draft(message: &[u8], hidden: &[&str], mailbox: Option<&str>) -> Request {
    create_item(message, hidden, ("SaveOnly", DRAFTS), mailbox)
}

/// Hands a message over to be sent, with a copy in Sent Items.
pub(super) fn create_and_send(message: &[u8], hidden: &[&str], mailbox: Option<&str>) -> Request {
    create_item(message, hidden, ("SendAndSaveCopy", SENT), mailbox)
}

fn create_item(message: &[u8], hidden: &[&str], (disposition, folder): (&str, &str), mailbox: Option<&str>) -> Request {
    let hidden: String = hidden.iter().map(|address| mailbox_element(address)).collect();
    let bcc = if hidden.is_empty() {
        hidden
    } else {
        format!("<t:BccRecipients>{hidden}</t:BccRecipients>")
    };
    let content = format!(
        concat!(
            "<m:SavedItemFolderId>{folder}</m:SavedItemFolderId>",
            r#"<m:Items><t:Message><t:MimeContent CharacterSet="UTF-8">{mime}</t:MimeContent>{bcc}</t:Message></m:Items>"#
        ),
        folder = folder_element(folder, mailbox),
        mime = STANDARD.encode(message),
        bcc = bcc,
    );
    Request::with_attributes("CreateItem", &format!(r#" MessageDisposition="{disposition}""#), &content)
}

/// Sends a draft, with a copy in Sent Items.
pub(super) fn send_item(draft: &Draft, mailbox: Option<&str>) -> Request {
    let content = format!(
        r#"<m:ItemIds><t:ItemId Id="{id}" ChangeKey="{key}"/></m:ItemIds><m:SavedItemFolderId>{folder}</m:SavedItemFolderId>"#,
        id = escape(&draft.id.0),
        key = escape(&draft.change_key),
        folder = folder_element(SENT, mailbox),
    );
    Request::with_attributes("SendItem", r#" SaveItemToFolder="true""#, &content)
}

/// Asks whether a draft has been submitted.
pub(super) fn is_submitted(id: &ItemId) -> Request {
    let content = format!(
        concat!(
            "<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>",
            r#"<t:FieldURI FieldURI="item:IsSubmitted"/></t:AdditionalProperties></m:ItemShape>"#,
            r#"<m:ItemIds><t:ItemId Id="{}"/></m:ItemIds>"#
        ),
        escape(&id.0)
    );
    Request::new("GetItem", &content)
}

/// Deletes a message for good.
pub(super) fn delete_item(id: &ItemId) -> Request {
    let content = format!(r#"<m:ItemIds><t:ItemId Id="{}"/></m:ItemIds>"#, escape(&id.0));
    Request::with_attributes("DeleteItem", r#" DeleteType="HardDelete""#, &content)
}

/// Looks for a message in Sent Items, of the login's own mailbox or of `mailbox`, by its Message-ID in angle brackets.
pub(super) fn find_sent(message_id: &str, mailbox: Option<&str>) -> Request {
    let content = format!(
        concat!(
            "<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>",
            r#"<m:IndexedPageItemView MaxEntriesReturned="1" Offset="0" BasePoint="Beginning"/>"#,
            r#"<m:Restriction><t:IsEqualTo><t:FieldURI FieldURI="message:InternetMessageId"/>"#,
            r#"<t:FieldURIOrConstant><t:Constant Value="{message_id}"/></t:FieldURIOrConstant></t:IsEqualTo></m:Restriction>"#,
            "<m:ParentFolderIds>{folder}</m:ParentFolderIds>",
        ),
        message_id = escape(message_id),
        folder = folder_element(SENT, mailbox),
    );
    Request::with_attributes("FindItem", r#" Traversal="Shallow""#, &content)
}

/// Asks for the messages that a folder received last, with sizes.
pub(super) fn find_newest(folder: &Folder, most: u32) -> Request {
    let content = format!(
        concat!(
            "<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>",
            r#"<t:FieldURI FieldURI="item:Size"/></t:AdditionalProperties></m:ItemShape>"#,
            r#"<m:IndexedPageItemView MaxEntriesReturned="{most}" Offset="0" BasePoint="Beginning"/>"#,
            r#"<m:SortOrder><t:FieldOrder Order="Descending"><t:FieldURI FieldURI="item:DateTimeReceived"/></t:FieldOrder></m:SortOrder>"#,
            r#"<m:ParentFolderIds><t:FolderId Id="{folder}"/></m:ParentFolderIds>"#,
        ),
        most = most,
        folder = escape(&folder.id),
    );
    Request::with_attributes("FindItem", r#" Traversal="Shallow""#, &content)
}

/// Asks for the folders of these names, of the login's own mailbox or of `mailbox`.
pub(super) fn get_folders(names: &[&str], mailbox: Option<&str>) -> Request {
    let mut content = concat!(
        "<m:FolderShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>",
        r#"<t:FieldURI FieldURI="folder:TotalCount"/></t:AdditionalProperties></m:FolderShape><m:FolderIds>"#
    )
    .to_owned();
    for name in names {
        content.push_str(&folder_element(name, mailbox));
    }
    content.push_str("</m:FolderIds>");
    Request::new("GetFolder", &content)
}

/// Asks for all folders, from the number `offset` on, of the login's own mailbox or of `mailbox`.
pub(super) fn find_folders(offset: usize, mailbox: Option<&str>) -> Request {
    let mut content = "<m:FolderShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>".to_owned();
    for field in ["ParentFolderId", "FolderClass", "DisplayName", "TotalCount"] {
        push(&mut content, format_args!(r#"<t:FieldURI FieldURI="folder:{field}"/>"#));
    }
    push(
        &mut content,
        format_args!(
            concat!(
                "</t:AdditionalProperties></m:FolderShape>",
                r#"<m:IndexedPageFolderView MaxFoldersReturned="{page}" Offset="{offset}" BasePoint="Beginning"/>"#,
                "<m:ParentFolderIds>{root}</m:ParentFolderIds>"
            ),
            page = FOLDERS,
            offset = offset,
            root = folder_element("msgfolderroot", mailbox),
        ),
    );
    Request::with_attributes("FindFolder", r#" Traversal="Deep""#, &content)
}

/// Asks for the next page of changes of a folder, with sizes where the server tells them, and where people file mail with times.
pub(super) fn sync_folder_items(folder: &Folder, state: Option<&str>) -> Request {
    let received = match folder.role {
        FolderRole::Other => r#"<t:FieldURI FieldURI="item:DateTimeReceived"/>"#,
        FolderRole::Inbox | FolderRole::Sent => "",
    };
    let state = state.map_or_else(String::new, |state| format!("<m:SyncState>{}</m:SyncState>", escape(state)));
    let content = format!(
        concat!(
            "<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>",
            r#"<t:FieldURI FieldURI="item:Size"/>{received}</t:AdditionalProperties></m:ItemShape>"#,
            r#"<m:SyncFolderId><t:FolderId Id="{folder}"/></m:SyncFolderId>{state}"#,
            "<m:MaxChangesReturned>{page}</m:MaxChangesReturned><m:SyncScope>NormalItems</m:SyncScope>"
        ),
        received = received,
        folder = escape(&folder.id),
        state = state,
        page = PAGE,
    );
    Request::new("SyncFolderItems", &content)
}

/// What a request for messages returns of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// What identifies it.
    Description,
    /// That, and all of its bytes.
    Mime,
}

/// Requests messages.
pub(super) fn get_items<'a>(ids: impl IntoIterator<Item = &'a ItemId>, content: Content) -> Request {
    let mime = content == Content::Mime;
    let mut content = "<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>".to_owned();
    if mime {
        content.push_str("<t:IncludeMimeContent>true</t:IncludeMimeContent>");
    }
    content.push_str("<t:AdditionalProperties>");
    for field in [
        "item:Subject",
        "item:DateTimeReceived",
        "item:Size",
        "message:From",
        "message:InternetMessageId",
    ] {
        push(&mut content, format_args!(r#"<t:FieldURI FieldURI="{field}"/>"#));
    }
    content.push_str("</t:AdditionalProperties></m:ItemShape><m:ItemIds>");
    for id in ids {
        push(&mut content, format_args!(r#"<t:ItemId Id="{}"/>"#, escape(&id.0)));
    }
    content.push_str("</m:ItemIds>");
    Request::new("GetItem", &content)
}

/// Asks to be told what happens in these folders.
pub(super) fn subscribe(folders: &[Folder]) -> Request {
    let mut content = "<m:StreamingSubscriptionRequest><t:FolderIds>".to_owned();
    for folder in folders {
        push(&mut content, format_args!(r#"<t:FolderId Id="{}"/>"#, escape(&folder.id)));
    }
    content.push_str("</t:FolderIds><t:EventTypes>");
    for event in ["NewMailEvent", "CreatedEvent", "DeletedEvent", "MovedEvent"] {
        push(&mut content, format_args!("<t:EventType>{event}</t:EventType>"));
    }
    content.push_str("</t:EventTypes></m:StreamingSubscriptionRequest>");
    Request::new("Subscribe", &content)
}

/// Asks for the stream of what these subscriptions are told: 1 to 200.
pub(super) fn get_streaming_events(subscriptions: &[String]) -> Request {
    let mut content = "<m:SubscriptionIds>".to_owned();
    for id in subscriptions {
        push(
            &mut content,
            format_args!("<t:SubscriptionId>{}</t:SubscriptionId>", escape(id.as_str())),
        );
    }
    push(
        &mut content,
        format_args!("</m:SubscriptionIds><m:ConnectionTimeout>{STREAM_MINUTES}</m:ConnectionTimeout>"),
    );
    Request::new("GetStreamingEvents", &content)
}

/// Ends a subscription.
pub(super) fn unsubscribe(subscription: &str) -> Request {
    let content = format!("<m:SubscriptionId>{}</m:SubscriptionId>", escape(subscription));
    Request::new("Unsubscribe", &content)
}

fn push(content: &mut String, piece: std::fmt::Arguments<'_>) {
    content.write_fmt(piece).expect("writing into a string does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::exchange::ews::xml::{Element, Ns};

    /// The names of all elements in the operation, in order, each with its depth in dots.
    fn outline(request: &Request) -> String {
        fn walk(element: &Element<'_>, depth: usize, out: &mut Vec<String>) {
            out.push(format!("{}{}", ".".repeat(depth), element.name));
            for child in &element.children {
                walk(child, depth + 1, out);
            }
        }
        let envelope = request.envelope(Some("a&b@corp.test"));
        let envelope = Element::parse(envelope.as_bytes()).unwrap();
        assert!(envelope.is(Ns::Soap, "Envelope"));
        let version = envelope.children[0].child(Ns::Types, "RequestServerVersion").unwrap();
        assert_eq!(version.attribute("Version"), Some("Exchange2013_SP1"));
        let sid = envelope.children[0]
            .child(Ns::Types, "ExchangeImpersonation")
            .and_then(|who| who.child(Ns::Types, "ConnectingSID"));
        assert_eq!(
            sid.and_then(|sid| sid.child_text(Ns::Types, "PrimarySmtpAddress")),
            Some("a&b@corp.test")
        );
        let mut out = Vec::new();
        let operation = &envelope.child(Ns::Soap, "Body").unwrap().children[0];
        assert!(operation.is(Ns::Messages, request.operation));
        walk(operation, 0, &mut out);
        out.join(" ")
    }

    #[test]
    fn elements_come_in_the_order_of_the_schema() {
        let id = [ItemId("a<&\"'".to_owned())];
        let folder = Folder {
            role: FolderRole::Inbox,
            id: "f&".to_owned(),
            path: String::new(),
            total: None,
        };
        let draft = Draft {
            id: ItemId("a<&".to_owned()),
            change_key: "k".to_owned(),
        };
        let filed = Folder {
            role: FolderRole::Other,
            ..folder.clone()
        };
        let cases = [
            (
                get_folders(&["inbox", SENT], Some("a&b@corp.test")),
                "GetFolder .FolderShape ..BaseShape ..AdditionalProperties ...FieldURI .FolderIds \
                 ..DistinguishedFolderId ...Mailbox ....EmailAddress ..DistinguishedFolderId ...Mailbox ....EmailAddress",
            ),
            (
                find_folders(1000, Some("a&b@corp.test")),
                "FindFolder .FolderShape ..BaseShape ..AdditionalProperties ...FieldURI ...FieldURI ...FieldURI ...FieldURI \
                 .IndexedPageFolderView .ParentFolderIds ..DistinguishedFolderId ...Mailbox ....EmailAddress",
            ),
            (
                sync_folder_items(&folder, Some("s<")),
                "SyncFolderItems .ItemShape ..BaseShape ..AdditionalProperties ...FieldURI .SyncFolderId ..FolderId .SyncState \
                 .MaxChangesReturned .SyncScope",
            ),
            (
                sync_folder_items(&filed, None),
                "SyncFolderItems .ItemShape ..BaseShape ..AdditionalProperties ...FieldURI ...FieldURI .SyncFolderId ..FolderId \
                 .MaxChangesReturned .SyncScope",
            ),
            (
                get_items(&id, Content::Mime),
                "GetItem .ItemShape ..BaseShape ..IncludeMimeContent ..AdditionalProperties ...FieldURI ...FieldURI ...FieldURI \
                 ...FieldURI ...FieldURI .ItemIds ..ItemId",
            ),
            (
                subscribe(std::slice::from_ref(&folder)),
                "Subscribe .StreamingSubscriptionRequest ..FolderIds ...FolderId ..EventTypes ...EventType ...EventType \
                 ...EventType ...EventType",
            ),
            (get_root(), "GetFolder .FolderShape ..BaseShape .FolderIds ..DistinguishedFolderId"),
            (
                create_draft(b"x", &["b&c@corp.test"], Some("a@corp.test")),
                "CreateItem .SavedItemFolderId ..DistinguishedFolderId ...Mailbox ....EmailAddress .Items ..Message ...MimeContent \
                 ...BccRecipients ....Mailbox .....EmailAddress",
            ),
            (
                create_and_send(b"x", &[], None),
                "CreateItem .SavedItemFolderId ..DistinguishedFolderId .Items ..Message ...MimeContent",
            ),
            (
                send_item(&draft, None),
                "SendItem .ItemIds ..ItemId .SavedItemFolderId ..DistinguishedFolderId",
            ),
            (
                find_newest(&folder, 100),
                "FindItem .ItemShape ..BaseShape ..AdditionalProperties ...FieldURI .IndexedPageItemView .SortOrder ..FieldOrder \
                 ...FieldURI .ParentFolderIds ..FolderId",
            ),
            (delete_item(&draft.id), "DeleteItem .ItemIds ..ItemId"),
            (
                get_streaming_events(&["s".to_owned(), "u".to_owned()]),
                "GetStreamingEvents .SubscriptionIds ..SubscriptionId ..SubscriptionId .ConnectionTimeout",
            ),
        ];
        for (request, expected) in cases {
            assert_eq!(outline(&request), expected);
        }
    }

    #[test]
    fn ids_survive_escaping() {
        let id = ItemId("a<&\"'>".to_owned());
        let request = get_items([&id], Content::Description);
        let envelope = request.envelope(None);
        assert!(!envelope.contains("IncludeMimeContent") && !envelope.contains("Impersonation"));
        let envelope = Element::parse(envelope.as_bytes()).unwrap();
        let operation = &envelope.child(Ns::Soap, "Body").unwrap().children[0];
        let item = &operation.child(Ns::Messages, "ItemIds").unwrap().children[0];
        assert_eq!(item.attribute("Id"), Some(id.0.as_str()));
    }
}
