//! Which folders of a mailbox contain received or sent mail, by the server's list.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
};

use crate::provider::{Folder, FolderRole};

/// Most folders of a mailbox that are listed; Exchange itself allows no more.
/// <https://learn.microsoft.com/exchange/troubleshoot/mailflow/public-folders-mailbox-limits>
pub(super) const MOST: usize = 10_000;
/// Exchange's own names of folders, the same over EWS and over Graph. <https://learn.microsoft.com/graph/api/resources/mailfolder>
pub(super) const INBOX: &str = "inbox";
pub(super) const SENT: &str = "sentitems";
pub(super) const DRAFTS: &str = "drafts";
/// Those of folders without received or sent mail.
pub(super) const LEFT_OUT: [&str; 5] = [DRAFTS, "outbox", "junkemail", "syncissues", "conversationhistory"];
/// Deepest nesting that is followed: Exchange's limit.
const DEPTH: usize = 300;
/// Between the names of folders in a path.
const SEPARATOR: &str = "/";

/// A folder, as a server lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listed {
    pub id: String,
    pub parent: String,
    pub name: String,
    pub total: Option<u64>,
    /// Whether it may hold mail.
    pub mail: bool,
}

/// Which folders of a mailbox are what, by their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KnownFolders {
    pub inbox: String,
    pub sent: Option<String>,
    /// Those that, with their subfolders, contain no received or sent mail: drafts, outgoing mail, junk, leftovers of synchronising.
    pub left_out: HashSet<String>,
}

/// Remembers which folders are what: they stay what they are.
#[derive(Default)]
pub(super) struct FolderRoles {
    // Held only to take it or to put it.
    known: Mutex<Option<KnownFolders>>,
}

impl FolderRoles {
    /// The folders of a mailbox. `named` finds those with names, and which of them are read in any case; `list` lists all, or says with
    /// `None` that the login, which may have rights to single folders only, is not shown them.
    pub(super) async fn folders<E, N, L>(&self, named: impl Fn() -> N, list: impl Fn(KnownFolders) -> L) -> Result<Vec<Folder>, E>
    where
        N: Future<Output = Result<(KnownFolders, Vec<Folder>), E>>,
        L: Future<Output = Result<Option<Vec<Folder>>, E>>,
    {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known
            && let Some(folders) = list(known).await?
        {
            return Ok(folders);
        }
        let (known, usual) = named().await?;
        let folders = list(known.clone()).await?;
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = folders.is_some().then_some(known);
        if folders.is_none() {
            tracing::debug!("the login may not list the folders, only inbox and Sent Items are read");
        }
        Ok(folders.unwrap_or(usual))
    }
}

/// The folders that are read, inbox and Sent Items first, then the others by their paths. `None` when not even the inbox is among them.
pub(super) fn readable(listed: &[Listed], known: &KnownFolders) -> Option<Vec<Folder>> {
    let by_id: HashMap<&str, &Listed> = listed.iter().map(|folder| (folder.id.as_str(), folder)).collect();
    let mut folders: Vec<Folder> = listed
        .iter()
        .filter(|folder| folder.mail)
        .filter_map(|folder| {
            let mut names = Vec::new();
            let mut next = Some(folder);
            while let Some(one) = next {
                if known.left_out.contains(&one.id) || names.len() == DEPTH {
                    return None;
                }
                names.push(one.name.as_str());
                next = by_id.get(one.parent.as_str()).copied();
            }
            names.reverse();
            let role = match folder.id.as_str() {
                id if id == known.inbox => FolderRole::Inbox,
                id if Some(id) == known.sent.as_deref() => FolderRole::Sent,
                _ => FolderRole::Other,
            };
            Some(Folder {
                role,
                id: folder.id.clone(),
                path: names.join(SEPARATOR),
                total: folder.total,
            })
        })
        .collect();
    folders.sort_by(|a, b| (a.role, &a.path, &a.id).cmp(&(b.role, &b.path, &b.id)));
    folders
        .first()
        .is_some_and(|first| first.role == FolderRole::Inbox)
        .then_some(folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(id: &str, parent: &str, mail: bool) -> Listed {
        Listed {
            id: id.to_owned(),
            parent: parent.to_owned(),
            name: id.to_uppercase(),
            total: Some(1),
            mail,
        }
    }

    #[test]
    fn what_holds_mail_is_read_and_called_by_its_path() {
        let all = vec![
            listed("acme", "customers", true),
            listed("customers", "in", true),
            listed("notes", "top", false),
            listed("below notes", "notes", true),
            listed("junk", "top", true),
            listed("below junk", "junk", true),
            listed("out", "top", true),
            listed("in", "top", true),
            listed("bin", "top", true),
            listed("loop a", "loop b", true),
            listed("loop b", "loop a", true),
        ];
        let known = KnownFolders {
            inbox: "in".to_owned(),
            sent: Some("out".to_owned()),
            left_out: HashSet::from(["junk".to_owned()]),
        };
        let found = readable(&all, &known).unwrap();
        let found: Vec<(FolderRole, String)> = found.into_iter().map(|folder| (folder.role, folder.path)).collect();
        let expected = [
            (FolderRole::Inbox, "IN"),
            (FolderRole::Sent, "OUT"),
            (FolderRole::Other, "BIN"),
            (FolderRole::Other, "IN/CUSTOMERS"),
            (FolderRole::Other, "IN/CUSTOMERS/ACME"),
            (FolderRole::Other, "NOTES/BELOW NOTES"),
        ];
        assert_eq!(found, expected.map(|(role, path)| (role, path.to_owned())));
        assert_eq!(readable(&all[..1], &known), None, "without the inbox it is not the whole list");
    }

    #[test]
    fn a_folders_key_is_the_same_over_both_protocols_and_short() {
        let folder = |role, id: &str| Folder {
            role,
            id: id.to_owned(),
            path: String::new(),
            total: None,
        };
        assert_eq!(folder(FolderRole::Inbox, "x").key(), "inbox");
        assert_eq!(folder(FolderRole::Sent, "x").key(), "sent");
        let (ews, graph) = (folder(FolderRole::Other, "AAMk/+=="), folder(FolderRole::Other, "AAMk_-=="));
        assert_eq!(ews.key(), graph.key());
        assert_ne!(ews.key(), folder(FolderRole::Other, "aamk/+==").key(), "case matters");
        assert_eq!(ews.key().len(), "other-".len() + 32);
    }
}
