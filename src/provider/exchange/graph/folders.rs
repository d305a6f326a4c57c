//! The folders of a mailbox that contain mail that was received or sent.
//!
//! All folders come in one list as the beginning of a delta query, at whatever depth they are.
//! <https://learn.microsoft.com/graph/api/mailfolder-delta>

use futures::future::{try_join_all, try_join3};
use serde::Deserialize;

use super::{codes::Meaning, errors::Fault, transport::Transport};
use crate::{
    net::{ErrorClass, ProviderError},
    provider::{
        Folder, FolderRole,
        exchange::folders::{INBOX, KnownFolders, LEFT_OUT, Listed, MOST, SENT, readable},
    },
};

/// Folders on a page.
const PAGE: &str = "odata.maxpagesize=250";

/// A folder, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MailFolder {
    id: String,
    #[serde(default)]
    parent_folder_id: Option<String>,
    #[serde(default)]
    display_name: Option<String>,
    total_item_count: Option<u64>,
    #[serde(default)]
    is_hidden: Option<bool>,
    #[serde(rename = "@odata.type")]
    kind: Option<String>,
    #[serde(rename = "@removed")]
    removed: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Page {
    value: Vec<MailFolder>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

/// The folder that every mailbox has.
pub(super) async fn inbox(transport: &Transport) -> Result<Folder, ProviderError> {
    let found = find(transport, INBOX).await?;
    let folder = found.ok_or_else(|| {
        let text = "There is no inbox behind this address in Exchange Online. Check exchange.mailbox of this agent.";
        ProviderError::new(ErrorClass::Refused, text)
    })?;
    Ok(usual(FolderRole::Inbox, &folder))
}

/// The folders with names: which is which, and those that are read in any case.
pub(super) async fn named(transport: &Transport) -> Result<(KnownFolders, Vec<Folder>), ProviderError> {
    let others = try_join_all(LEFT_OUT.map(|name| async move {
        match find(transport, name).await {
            // A server that does not know the name has no such folder.
            Err(fault) if fault.meaning == Some(Meaning::BadRequest) => Ok(None),
            found => found,
        }
    }));
    let sent = async { Ok::<_, ProviderError>(find(transport, SENT).await?) };
    let others = async { Ok::<_, ProviderError>(others.await?) };
    let (inbox, sent, others) = try_join3(inbox(transport), sent, others).await?;
    let known = KnownFolders {
        inbox: inbox.id.clone(),
        sent: sent.as_ref().map(|folder| folder.id.clone()),
        left_out: others.into_iter().flatten().map(|folder| folder.id).collect(),
    };
    let sent = sent.map(|folder| usual(FolderRole::Sent, &folder));
    Ok((known, std::iter::once(inbox).chain(sent).collect()))
}

/// A folder by its name; `None` when it does not exist.
async fn find(transport: &Transport, name: &str) -> Result<Option<MailFolder>, Fault> {
    match transport.get(transport.url(&["mailFolders", name]), &[]).await {
        Ok(folder) => Ok(Some(folder)),
        Err(fault) if fault.meaning == Some(Meaning::Gone) => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn usual(role: FolderRole, folder: &MailFolder) -> Folder {
    Folder {
        role,
        id: folder.id.clone(),
        path: folder.display_name.clone().unwrap_or_default(),
        total: folder.total_item_count,
    }
}

/// All folders that are read. `None`: the login may not list them.
pub(super) async fn list(transport: &Transport, known: KnownFolders) -> Result<Option<Vec<Folder>>, ProviderError> {
    let mut url = transport.url(&["mailFolders", "delta"]);
    let mut listed = Vec::new();
    while listed.len() < MOST {
        let page: Page = match transport.get(url, &[PAGE.to_owned()]).await {
            Ok(page) => page,
            Err(fault) if matches!(fault.meaning, Some(Meaning::Refused | Meaning::Gone | Meaning::BadRequest)) => return Ok(None),
            Err(fault) => return Err(fault.into()),
        };
        listed.extend(
            page.value
                .into_iter()
                .filter(|folder| folder.removed.is_none())
                .map(|folder| Listed {
                    // Search folders only show what is in others.
                    mail: folder.is_hidden != Some(true) && folder.kind.as_deref() != Some("#microsoft.graph.mailSearchFolder"),
                    id: folder.id,
                    parent: folder.parent_folder_id.unwrap_or_default(),
                    name: folder.display_name.unwrap_or_default(),
                    total: folder.total_item_count,
                }),
        );
        match page.next {
            Some(next) => url = transport.link(&next)?,
            None => break,
        }
    }
    Ok(readable(&listed, &known))
}
