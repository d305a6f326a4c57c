//! Answers of the server, from XML to values.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    codes::ServerError,
    errors::{Fault, Judge},
    soap,
    xml::{Element, Ns},
};
use crate::{
    domain::{Mailbox, Timestamp},
    net::ErrorClass,
    provider::{ChangePage, ItemId, ListedMessage, Newest, exchange::folders::Listed},
};

/// Classes of folders with mail: made by Outlook, by a migration from IMAP, by programs that name none.
const MAIL_CLASSES: [&str; 3] = ["IPF.Note", "IPF.Imap", ""];

/// What one of the things asked for brought.
type Outcome<T> = Result<T, ServerError>;

/// Reads an answer: `read` makes a value of each response message that is no error.
fn read<T>(judge: &Judge, operation: &str, body: &[u8], read: impl Fn(&Element<'_>) -> Result<T, Fault>) -> Result<Vec<Outcome<T>>, Fault> {
    read_all(judge, operation, body, |message| match soap::of_message(message) {
        Some(error) => Ok(Err(error)),
        None => read(message).map(Ok),
    })
}

/// Reads an answer: `one` makes a value of each response message.
fn read_all<T>(judge: &Judge, operation: &str, body: &[u8], one: impl Fn(&Element<'_>) -> Result<T, Fault>) -> Result<Vec<T>, Fault> {
    let envelope = Element::parse(body).map_err(|error| {
        let mut fault = judge.malformed(&format!("is not usable XML: it {error}"));
        fault.error.source = Some(Box::new(error));
        fault
    })?;
    let content = envelope
        .child(Ns::Soap, "Body")
        .filter(|_| envelope.is(Ns::Soap, "Envelope"))
        .and_then(|body| body.children.first())
        .ok_or_else(|| judge.malformed("is not a SOAP envelope"))?;
    if content.is(Ns::Soap, "Fault") {
        return Err(judge.code(&soap::of_fault(content)));
    }
    let messages = content
        .child(Ns::Messages, "ResponseMessages")
        .filter(|_| content.ns == Ns::Messages && content.name.strip_suffix("Response") == Some(operation))
        .ok_or_else(|| judge.malformed(&format!("does not belong to the request {operation}")))?;
    messages.children.iter().map(one).collect()
}

/// Reads the answer to a request for one thing.
fn read_one<T>(judge: &Judge, operation: &str, body: &[u8], one: impl Fn(&Element<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
    let mut outcomes = read(judge, operation, body, one)?;
    match outcomes.pop() {
        Some(outcome) if outcomes.is_empty() => outcome.map_err(|error| judge.code(&error)),
        _ => Err(judge.malformed(&format!("does not have one response to {operation}"))),
    }
}

/// Whether the root of the mailbox was found.
pub(super) fn root(judge: &Judge, body: &[u8]) -> Result<(), Fault> {
    let outcome = read(judge, "GetFolder", body, |_| Ok(()))?.into_iter().next();
    outcome.unwrap_or(Ok(())).map_err(|error| judge.code(&error))
}

/// Whether a message was taken over.
pub(super) fn created(judge: &Judge, body: &[u8]) -> Result<(), Fault> {
    read_one(judge, "CreateItem", body, |_| Ok(()))
}

/// A message that was stored and not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Draft {
    pub id: ItemId,
    pub change_key: String,
}

/// The draft that was stored.
pub(super) fn stored(judge: &Judge, body: &[u8]) -> Result<Draft, Fault> {
    read_one(judge, "CreateItem", body, |message| {
        let item = message.child(Ns::Messages, "Items").and_then(|items| items.children.first());
        let id = item.and_then(|item| item.child(Ns::Types, "ItemId"));
        let attribute = |name| id.and_then(|id| id.attribute(name)).filter(|value| !value.is_empty());
        let lacking = || judge.malformed("lacks the id of what was stored");
        Ok(Draft {
            id: ItemId(attribute("Id").ok_or_else(lacking)?.to_owned()),
            change_key: attribute("ChangeKey").ok_or_else(lacking)?.to_owned(),
        })
    })
}

/// Whether a draft was sent.
pub(super) fn sent(judge: &Judge, body: &[u8]) -> Result<(), Fault> {
    read_one(judge, "SendItem", body, |_| Ok(()))
}

/// Whether a draft is submitted, as far as the server tells.
pub(super) fn submitted(judge: &Judge, body: &[u8]) -> Result<Outcome<Option<bool>>, Fault> {
    let mut outcomes = read(judge, "GetItem", body, |message| {
        let item = message.child(Ns::Messages, "Items").and_then(|items| items.children.first());
        let item = item.ok_or_else(|| judge.malformed("has a response without an item"))?;
        Ok(item.child_text(Ns::Types, "IsSubmitted").map(|text| matches!(text, "true" | "1")))
    })?;
    match outcomes.pop() {
        Some(outcome) if outcomes.is_empty() => Ok(outcome),
        _ => Err(judge.malformed("does not have one response to GetItem")),
    }
}

/// Whether a search found anything.
pub(super) fn found(judge: &Judge, body: &[u8]) -> Result<bool, Fault> {
    read_one(judge, "FindItem", body, |message| {
        let items = message
            .child(Ns::Messages, "RootFolder")
            .and_then(|root| root.child(Ns::Types, "Items"));
        Ok(items.is_some_and(|items| !items.children.is_empty()))
    })
}

/// The answer to a search for the messages that a folder received last.
pub(super) fn newest(judge: &Judge, body: &[u8]) -> Result<Newest, Fault> {
    read_one(judge, "FindItem", body, |message| {
        let items = message
            .child(Ns::Messages, "RootFolder")
            .and_then(|root| root.child(Ns::Types, "Items"));
        let mut newest = Newest::default();
        for item in items.map_or(&[][..], |items| &items.children) {
            let id = listed_id(judge, item)?;
            newest.sizes.extend(listed_size(item).map(|size| (id.clone(), size)));
            newest.ids.push(id);
        }
        Ok(newest)
    })
}

/// The id of an item of any class: a message, a meeting request, a post.
fn listed_id(judge: &Judge, item: &Element<'_>) -> Result<ItemId, Fault> {
    let id = item.child(Ns::Types, "ItemId").and_then(|id| id.attribute("Id"));
    let id = id.filter(|id| !id.is_empty());
    id.map(|id| ItemId(id.to_owned()))
        .ok_or_else(|| judge.malformed("has an item without an id"))
}

fn listed_size(item: &Element<'_>) -> Option<u64> {
    item.child_text(Ns::Types, "Size").and_then(|size| size.parse().ok())
}

/// The version that the server says it has, such as `15.2.1544.4`.
pub(super) fn version(body: &[u8]) -> Option<String> {
    let envelope = Element::parse(body).ok()?;
    let info = envelope
        .child(Ns::Soap, "Header")?
        .children
        .iter()
        .find(|child| child.name == "ServerVersionInfo")?;
    let parts = ["MajorVersion", "MinorVersion", "MajorBuildNumber", "MinorBuildNumber"];
    let parts: Vec<&str> = parts
        .iter()
        .map_while(|part| info.attribute(part))
        .filter(|part| part.parse::<u32>().is_ok())
        .collect();
    (parts.len() >= 2).then(|| parts.join("."))
}

/// A folder that was asked for by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub id: String,
    /// Messages in it, when the server said so.
    pub total: Option<u64>,
}

/// The `count` folders asked for, in that order. `None` for one that does not exist or that
/// the login may not see; but the first one has to be there.
pub(super) fn named_folders(judge: &Judge, count: usize, body: &[u8]) -> Result<Vec<Option<Named>>, Fault> {
    let outcomes = read(judge, "GetFolder", body, |message| {
        let folder = message.child(Ns::Messages, "Folders").and_then(|folders| folders.children.first());
        let id = folder.and_then(|folder| folder.child(Ns::Types, "FolderId")?.attribute("Id"));
        let id = id
            .filter(|id| !id.is_empty())
            .ok_or_else(|| judge.malformed("lacks a folder's id"))?;
        let total = folder.and_then(|folder| folder.child_text(Ns::Types, "TotalCount")?.parse().ok());
        Ok(Named { id: id.to_owned(), total })
    })?;
    // One error may stand for all that was asked.
    if let [Err(error)] = outcomes.as_slice() {
        return Err(no_folder(judge, error));
    }
    if outcomes.len() != count {
        return Err(judge.malformed("does not have one response per folder"));
    }
    let mut folders = Vec::with_capacity(count);
    for outcome in outcomes {
        match outcome {
            Ok(folder) => folders.push(Some(folder)),
            Err(error) if !folders.is_empty() && matches!(error.code.as_str(), "ErrorFolderNotFound" | "ErrorAccessDenied") => {
                folders.push(None);
            }
            Err(error) => return Err(no_folder(judge, &error)),
        }
    }
    Ok(folders)
}

/// A page of the list of all folders, and whether it is the last.
pub(super) fn listed_folders(judge: &Judge, body: &[u8]) -> Result<(Vec<Listed>, bool), Fault> {
    let mut pages = read(judge, "FindFolder", body, |message| {
        let root = message
            .child(Ns::Messages, "RootFolder")
            .ok_or_else(|| judge.malformed("lacks the list of folders"))?;
        let folders = root.child(Ns::Types, "Folders").map_or(&[][..], |folders| &folders.children);
        let listed = folders.iter().filter_map(|folder| {
            let id = |name| Some(folder.child(Ns::Types, name)?.attribute("Id")?.to_owned());
            let class = folder.child_text(Ns::Types, "FolderClass").unwrap_or_default();
            Some(Listed {
                id: id("FolderId")?,
                parent: id("ParentFolderId").unwrap_or_default(),
                name: folder.child_text(Ns::Types, "DisplayName").unwrap_or_default().to_owned(),
                total: folder.child_text(Ns::Types, "TotalCount").and_then(|total| total.parse().ok()),
                // Search folders only show what lies in others, and feeds and calendars are no mail.
                mail: folder.is(Ns::Types, "Folder") && MAIL_CLASSES.iter().any(|mail| mail.eq_ignore_ascii_case(class)),
            })
        });
        let last = !matches!(root.attribute("IncludesLastItemInRange"), Some("false" | "0"));
        Ok((listed.collect(), last))
    })?;
    match pages.pop() {
        Some(page) if pages.is_empty() => page.map_err(|error| no_folder(judge, &error)),
        _ => Err(judge.malformed("does not have one list of folders")),
    }
}

/// Why a folder that every mailbox has is not returned. Exchange denies that it exists if the login has no permission to see it.
fn no_folder(judge: &Judge, error: &ServerError) -> Fault {
    if !matches!(error.code.as_str(), "ErrorFolderNotFound" | "ErrorItemNotFound") {
        return judge.code(error);
    }
    Fault {
        answered: true,
        ..judge.fault(
            ErrorClass::Refused,
            "{host} does not let the login list the folders of this mailbox. Grant it full access, or read access to Inbox and Sent Items.",
            &error.reply(),
        )
    }
}

/// A page of changes, and the sizes of its messages in bytes as far as the server tells them.
pub(super) fn changes(judge: &Judge, state: Option<&str>, body: &[u8]) -> Result<(ChangePage, Vec<(ItemId, u64)>), Fault> {
    read_one(judge, "SyncFolderItems", body, |message| {
        let mut page = ChangePage {
            state: message.child_text(Ns::Messages, "SyncState").unwrap_or_default().to_owned(),
            ..ChangePage::default()
        };
        page.last = match message.child_text(Ns::Messages, "IncludesLastItemInRange") {
            Some("true" | "1") => true,
            Some("false" | "0") => false,
            _ => return Err(judge.malformed("does not say whether more changes follow")),
        };
        let mut sizes = Vec::new();
        for change in message.child(Ns::Messages, "Changes").map_or(&[][..], |changes| &changes.children) {
            match change.name.as_str() {
                "Create" | "Update" => {
                    let item = change
                        .children
                        .first()
                        .ok_or_else(|| judge.malformed("has a change without an item"))?;
                    let id = listed_id(judge, item)?;
                    sizes.extend(listed_size(item).map(|size| (id.clone(), size)));
                    if let Some(received) = item.child_text(Ns::Types, "DateTimeReceived").and_then(timestamp) {
                        page.received.insert(id.clone(), received);
                    }
                    page.upserts.push(id);
                }
                "Delete" => page.removals.push(listed_id(judge, change)?),
                // Whether a message has been read is of no interest.
                _ => {}
            }
        }
        if page.state.is_empty() || (!page.last && Some(page.state.as_str()) == state) {
            return Err(judge.malformed("has no new sync state"));
        }
        Ok((page, sizes))
    })
}

/// A message as far as it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Item {
    pub listed: ListedMessage,
    /// Its bytes. `None` when absent, empty or not proper base64.
    pub mime: Option<Bytes>,
}

/// The answer to a request for messages.
pub(super) fn items(judge: &Judge, body: &[u8]) -> Result<Vec<Outcome<Item>>, Fault> {
    read(judge, "GetItem", body, |message| {
        let item = message
            .child(Ns::Messages, "Items")
            .and_then(|items| items.children.first())
            .ok_or_else(|| judge.malformed("has a response without an item"))?;
        let own = |name| item.child_text(Ns::Types, name).unwrap_or_default().to_owned();
        let sender = item.child(Ns::Types, "From").and_then(|from| from.child(Ns::Types, "Mailbox"));
        let of_sender = |name| {
            sender
                .and_then(|sender| sender.child_text(Ns::Types, name))
                .unwrap_or_default()
                .to_owned()
        };
        let listed = ListedMessage {
            subject: own("Subject"),
            from: Mailbox::reported(of_sender("Name"), of_sender("EmailAddress")),
            message_id: own("InternetMessageId"),
            received: item.child_text(Ns::Types, "DateTimeReceived").and_then(timestamp),
            size: item.child_text(Ns::Types, "Size").and_then(|size| size.parse().ok()),
        };
        Ok(Item {
            listed,
            mime: item.child(Ns::Types, "MimeContent").and_then(|mime| decode(&mime.text)),
        })
    })
}

/// Reads base64 strictly, but for white space, which may stand anywhere.
fn decode(text: &str) -> Option<Bytes> {
    let text = text.trim_ascii();
    let bytes = if text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        STANDARD.decode(text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<_>>())
    } else {
        STANDARD.decode(text)
    };
    bytes.ok().filter(|bytes| !bytes.is_empty()).map(Bytes::from)
}

fn timestamp(text: &str) -> Option<Timestamp> {
    let nanoseconds = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos();
    i64::try_from(nanoseconds.div_euclid(1_000)).ok().map(Timestamp)
}

/// The id of a new subscription.
pub(super) fn subscription(judge: &Judge, body: &[u8]) -> Result<String, Fault> {
    read_one(judge, "Subscribe", body, |message| {
        message
            .child_text(Ns::Messages, "SubscriptionId")
            .filter(|id| !id.is_empty())
            .map(ToOwned::to_owned)
            .ok_or_else(|| judge.malformed("lacks the subscription's id"))
    })
}

/// What a response message in a notification stream reports.
#[derive(Debug)]
pub(super) enum StreamEvent {
    /// Only that the stream is alive.
    Alive,
    /// Something happened where these subscriptions look.
    Changed(Vec<String>),
    /// Something is wrong with these subscriptions, or with the whole stream when none is named.
    Failed { ids: Vec<String>, fault: Fault },
    /// The stream ends here.
    Closed,
}

/// Reads one envelope of a notification stream.
pub(super) fn stream_events(judge: &Judge, envelope: &[u8]) -> Result<Vec<StreamEvent>, Fault> {
    let events = read_all(judge, "GetStreamingEvents", envelope, |message| {
        let closed = (message.child_text(Ns::Messages, "ConnectionStatus") == Some("Closed")).then_some(StreamEvent::Closed);
        let event = match soap::of_message(message) {
            Some(error) => StreamEvent::Failed {
                ids: subscriptions_in_error(message),
                fault: judge.code(&error),
            },
            None => changed(message).map_or(StreamEvent::Alive, StreamEvent::Changed),
        };
        Ok([Some(event), closed])
    })?;
    Ok(events.into_iter().flatten().flatten().collect())
}

/// The subscriptions that something happened to.
fn changed(message: &Element<'_>) -> Option<Vec<String>> {
    let is_news = |event: &Element<'_>| event.name.ends_with("Event") && event.name != "StatusEvent";
    let notifications = message.child(Ns::Messages, "Notifications")?;
    let news = notifications.children.iter().filter(|one| one.children.iter().any(is_news));
    let ids: Vec<String> = news
        .filter_map(|one| one.child_text(Ns::Types, "SubscriptionId"))
        .map(ToOwned::to_owned)
        .collect();
    (!ids.is_empty()).then_some(ids)
}

fn subscriptions_in_error(message: &Element<'_>) -> Vec<String> {
    let named = message.child(Ns::Messages, "ErrorSubscriptionIds");
    let ids = named.iter().flat_map(|named| &named.children);
    ids.filter(|id| id.name == "SubscriptionId")
        .map(|id| id.text.trim().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::net::ErrorClass;

    fn judge() -> Judge {
        Judge {
            host: "mail.corp.test".into(),
        }
    }

    fn file(name: &str) -> Vec<u8> {
        std::fs::read(format!("{}/tests/data/wire/ews/{name}.xml", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    fn id(id: &str) -> ItemId {
        ItemId(id.to_owned())
    }

    #[test]
    fn folders_are_read() {
        let found = named_folders(&judge(), 2, &file("folders")).unwrap();
        let named = |id: &str, total| Some(Named { id: id.to_owned(), total });
        let expected = [named("AAMk<in>&box=", Some(1234)), named("AAMksent=", None)];
        assert_eq!(found, expected);

        let found = named_folders(&judge(), 2, &file("folders-no-sent")).unwrap();
        assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);

        let fault = named_folders(&judge(), 2, &file("folders-denied")).unwrap_err();
        assert_eq!(fault.error.class, ErrorClass::Refused);
    }

    #[test]
    fn a_list_of_folders_tells_which_hold_mail() {
        let (listed, last) = listed_folders(&judge(), &file("folder-list")).unwrap();
        assert!(!last);
        let seen: Vec<_> = listed
            .iter()
            .map(|folder| {
                (
                    folder.id.as_str(),
                    folder.parent.as_str(),
                    folder.name.as_str(),
                    folder.total,
                    folder.mail,
                )
            })
            .collect();
        let expected = [
            ("AAMkin=", "AAMktop=", "Posteingang", Some(1234), true),
            ("AAMkacme=", "AAMkin=", "Acme & Söhne", Some(0), true),
            ("AAMkcal=", "AAMktop=", "Kalender", None, false),
            ("AAMkrss=", "AAMktop=", "RSS", Some(3), false),
            ("AAMksearch=", "AAMktop=", "Unread", Some(7), false),
            ("AAMkold=", "AAMktop=", "Old", Some(5), true),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn changes_of_all_kinds_and_classes_are_read() {
        let (page, sizes) = changes(&judge(), Some("old"), &file("changes")).unwrap();
        assert_eq!(page.upserts, [id("I1"), id("I2"), id("I&3"), id("I4")]);
        assert_eq!(page.removals, [id("I0")]);
        assert_eq!((page.state.as_str(), page.last), ("H4sIAAA+/state=", false));
        assert_eq!(sizes, [(id("I1"), 1500), (id("I4"), 90_000_000)]);
    }

    #[test]
    fn a_page_that_leads_nowhere_is_refused() {
        let fault = changes(&judge(), Some("H4sIAAA+/state="), &file("changes")).unwrap_err();
        assert_eq!(fault.error.class, ErrorClass::Malformed);
    }

    #[test]
    fn items_and_their_own_faults_are_read() {
        let outcomes = items(&judge(), &file("items")).unwrap();
        assert_eq!(
            outcomes[0],
            Ok(Item {
                listed: ListedMessage {
                    subject: "Leak in unit 5 & 6".to_owned(),
                    from: Mailbox::reported("Doe, Jane".to_owned(), "jane@customer.test".to_owned()),
                    message_id: "<1@customer.test>".to_owned(),
                    received: Some(Timestamp(1_795_446_000_000_000)),
                    size: Some(2048),
                },
                mime: Some(Bytes::from_static(b"Subject: a\r\n\r\nb\r\n")),
            })
        );
        let codes: Vec<&str> = outcomes
            .iter()
            .skip(1)
            .map(|outcome| outcome.as_ref().unwrap_err().code.as_str())
            .collect();
        assert_eq!(
            codes,
            [
                "ErrorItemNotFound",
                "ErrorMimeContentConversionFailed",
                "ErrorServerBusy",
                "ErrorBatchProcessingStopped"
            ]
        );
        assert_eq!(outcomes[3].as_ref().unwrap_err().pause, Some(Duration::from_millis(2500)));
    }

    #[test]
    fn busy_faults_are_read() {
        let error = soap::fault_in(&file("fault-busy")).unwrap();
        assert_eq!(
            (error.code.as_str(), error.pause),
            ("ErrorServerBusy", Some(Duration::from_millis(297_749)))
        );
        assert!(error.message.starts_with("The server cannot service this request right now."));
        let fault = items(&judge(), &file("fault-busy")).unwrap_err();
        assert_eq!(
            fault.error.class,
            ErrorClass::Retry {
                after: Some(Duration::from_millis(297_749))
            }
        );
        assert_eq!(soap::fault_in(&file("fault-plain")).unwrap().code, "ErrorSchemaValidation");
        assert_eq!(soap::fault_in(&file("items")), None);
        assert_eq!(soap::fault_in(b"<html>"), None);
    }

    #[test]
    fn other_documents_are_malformed() {
        for body in [
            &file("folders")[..],
            b"",
            b"<a/>",
            b"<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'/>",
        ] {
            assert_eq!(items(&judge(), body).unwrap_err().error.class, ErrorClass::Malformed);
            assert_eq!(changes(&judge(), None, body).unwrap_err().error.class, ErrorClass::Malformed);
        }
    }

    #[test]
    fn base64_is_strict_but_for_white_space() {
        let check = |text: &str, expected: Option<&[u8]>| assert_eq!(decode(text).as_deref(), expected, "{text:?}");
        check("YWJj", Some(b"abc"));
        check(" YW\r\nJj\tZA==\n", Some(b"abcd"));
        check("YQ==", Some(b"a"));
        check("YQ", None);
        check("YR==", None);
        check("YW*j", None);
        check("YWJj=", None);
        check("", None);
        check(" \n", None);
    }

    #[test]
    fn times_are_read() {
        assert_eq!(timestamp("1970-01-01T00:00:01Z"), Some(Timestamp(1_000_000)));
        assert_eq!(timestamp("1970-01-01T01:00:00.5+01:00"), Some(Timestamp(500_000)));
        assert_eq!(timestamp("yesterday"), None);
    }

    #[test]
    fn signals_are_told_apart() {
        let stream = file("stream");
        let mut splitter = crate::provider::exchange::ews::notifications::splitter::Splitter::new(100_000);
        splitter.push(&stream);
        let mut signals = Vec::new();
        while let Some(envelope) = splitter.next().unwrap() {
            let events = stream_events(&judge(), &envelope).unwrap();
            signals.extend(events.into_iter().map(|one| match one {
                StreamEvent::Failed { ids, fault } => format!("{ids:?} {}", fault.error.server_reply),
                other => format!("{other:?}"),
            }));
        }
        assert_eq!(
            signals,
            [
                "Alive",
                "Changed([\"sub-1\"])",
                "Alive",
                "Alive",
                "Closed",
                "[\"sub-1\"] ErrorSubscriptionNotFound: The subscription was not found.",
            ]
        );
    }

    proptest! {
        #[test]
        fn damaged_answers_never_panic(
            name in prop::sample::select(vec!["folders", "changes", "items", "fault-busy", "stream", "subscribed"]),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut body = file(name);
            for (place, byte) in damage {
                let place = place.index(body.len());
                body[place] = byte;
            }
            for body in [&body[..], &body[..cut.index(body.len())]] {
                let _ = named_folders(&judge(), 2, body);
                let _ = listed_folders(&judge(), body);
                let _ = changes(&judge(), None, body);
                let _ = items(&judge(), body);
                let _ = subscription(&judge(), body);
                let _ = stream_events(&judge(), body);
                let _ = soap::fault_in(body);
            }
        }
    }
}
