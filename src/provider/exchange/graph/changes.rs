//! What changed in a folder: delta queries, whose positions are links.
//!
//! <https://learn.microsoft.com/graph/delta-query-messages>

use serde::Deserialize;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use url::Url;

use super::{codes::Meaning, errors::Fault, transport::Transport};
use crate::{
    domain::Timestamp,
    net::ErrorClass,
    provider::{ChangePage, Folder, FolderRole, ItemId, Newest, exchange::memory::MessageMemory},
};

/// Messages per page; the server may return fewer. Rows are short, as only ids, times and sizes are requested.
const PAGE: &str = "odata.maxpagesize=500";
/// The requested fields; the size is a MAPI property (PR_MESSAGE_SIZE).
pub(super) const SIZE: &str = "singleValueExtendedProperties($filter=id eq 'Integer 0xe08')";

/// What is remembered between calls, from changes.
pub(super) type Memory = MessageMemory<Remembered>;

/// What is known of a message before it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Remembered {
    /// Its size in bytes, about.
    pub size: Option<u64>,
    /// When the mailbox received it.
    pub received: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Page {
    value: Vec<Row>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
    #[serde(rename = "@odata.deltaLink")]
    delta: Option<String>,
}

/// A page of messages without change information.
#[derive(Deserialize)]
struct Rows {
    value: Vec<Row>,
}

/// An entry about a message.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) id: String,
    #[serde(rename = "@removed")]
    removed: Option<Value>,
    received_date_time: Option<String>,
    #[serde(default)]
    single_value_extended_properties: Vec<Property>,
}

/// A property of MAPI.
#[derive(Deserialize)]
pub(super) struct Property {
    pub(super) id: String,
    pub(super) value: String,
}

impl Row {
    pub(super) fn remembered(&self) -> Remembered {
        let size = |property: &Property| property.id.to_ascii_lowercase().replace("0x0e08", "0xe08") == "integer 0xe08";
        let size = self.single_value_extended_properties.iter().find(|property| size(property));
        Remembered {
            size: size.and_then(|property| property.value.parse().ok()),
            received: self.received_date_time.as_deref().and_then(instant),
        }
    }
}

/// A time as Graph writes it.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    Some(Timestamp::from_seconds(time.unix_timestamp()))
}

/// The next page of changes; see [`crate::provider::MailSource::changes`].
pub(super) async fn changes(transport: &Transport, memory: &Memory, folder: &Folder, before: Option<&str>) -> Result<ChangePage, Fault> {
    let wishes = [PAGE.to_owned()];
    let page = match before {
        None => {
            let all: Result<Page, Fault> = transport.get(beginning(transport, folder, Some(SIZE)), &wishes).await;
            match all {
                // It also works without sizes: messages over the limit are detected while they are read.
                Err(fault) if fault.meaning == Some(Meaning::BadRequest) => {
                    transport.get(beginning(transport, folder, None), &wishes).await?
                }
                all => all?,
            }
        }
        // A link of another protocol or server is not accepted.
        Some(state) => match transport.link(state) {
            Ok(link) => transport.get(link, &wishes).await?,
            Err(_) => {
                let words = "The position in the folder is not from {host}. The folder is listed again; messages that were handled are \
                             skipped.";
                return Err(transport.judge.fault(ErrorClass::StateLost, words, ""));
            }
        },
    };
    let (state, last) = match (page.next, page.delta) {
        (Some(next), _) => (next, false),
        (None, Some(delta)) => (delta, true),
        (None, None) => return Err(transport.judge.malformed("has no link to continue with")),
    };
    // Checked before it is stored: a position that is rejected for ever would be worse.
    transport.link(&state)?;
    let continues = |link: &str| link.contains("skiptoken");
    let mut changes = ChangePage {
        listing: before.is_none_or(continues),
        state,
        last,
        ..ChangePage::default()
    };
    for row in page.value {
        let id = ItemId(row.id.clone());
        if row.removed.is_some() {
            changes.removals.push(id);
            continue;
        }
        let known = row.remembered();
        if let Some(size) = known.size {
            changes.sizes.insert(id.clone(), size);
        }
        if let Some(received) = known.received.filter(|_| folder.role == FolderRole::Other) {
            changes.received.insert(id.clone(), received);
        }
        memory.remember(std::iter::once((id.clone(), known)));
        changes.upserts.push(id);
    }
    Ok(changes)
}

/// The messages that a folder received last; see [`crate::provider::MailSource::newest`].
pub(super) async fn newest(transport: &Transport, memory: &Memory, folder: &Folder, most: u32) -> Result<Newest, Fault> {
    let mut url = transport.url(&["mailFolders", &folder.id, "messages"]);
    url.query_pairs_mut()
        .append_pair("$select", "id,receivedDateTime")
        .append_pair("$orderby", "receivedDateTime desc")
        .append_pair("$top", &most.to_string())
        .append_pair("$expand", SIZE);
    let page: Rows = transport.get(url, &[]).await?;
    let mut newest = Newest::default();
    for row in page.value {
        let (id, known) = (ItemId(row.id.clone()), row.remembered());
        newest.sizes.extend(known.size.map(|size| (id.clone(), size)));
        memory.remember(std::iter::once((id.clone(), known)));
        newest.ids.push(id);
    }
    Ok(newest)
}

fn beginning(transport: &Transport, folder: &Folder, expand: Option<&str>) -> Url {
    let mut url = transport.url(&["mailFolders", &folder.id, "messages", "delta"]);
    url.query_pairs_mut().append_pair("$select", "id,receivedDateTime");
    if let Some(expand) = expand {
        url.query_pairs_mut().append_pair("$expand", expand);
    }
    url
}
