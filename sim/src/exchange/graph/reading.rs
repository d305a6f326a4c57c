//! Folders, lists, one message, and what changed.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use url::Url;

use super::{
    super::{
        FaultKind, MimeMode,
        ids::SyncState,
        world::{ChangeKind, FolderKind, Item},
    },
    Ask, Call, Refusal, Reply,
    resources::{Wanted, for_urls, from_urls},
};
use crate::rebuild;

/// Most ids that are translated at once.
const MAX_IDS: usize = 1000;

impl Call {
    pub(super) fn user(&self, mailbox: u32) -> Result<Reply, Refusal> {
        let world = self.shared.world();
        let address = world.mailbox(mailbox).map(|held| held.address.clone()).unwrap_or_default();
        let user = json!({ "id": format!("user-{mailbox}"), "displayName": address, "mail": address, "userPrincipalName": address });
        Ok(Reply::json(200, &user))
    }

    pub(super) fn folders(&self, mailbox: u32, parent: Option<&str>) -> Result<Reply, Refusal> {
        let parent = parent.map_or(Ok(FolderKind::Top), |parent| self.find_folder(mailbox, parent))?;
        let world = self.shared.world();
        let held = world.mailbox(mailbox).ok_or_else(Refusal::not_found)?;
        // Folders of appointments are no mail folders.
        let folders = held.children(parent).filter(|folder| *folder != FolderKind::Calendar);
        let folders: Vec<Value> = folders.map(|folder| self.folder_json(mailbox, held, folder)).collect();
        Ok(Reply::json(200, &json!({ "value": folders })))
    }

    /// All mail folders, at whatever depth. Each round tells all of them, as it may.
    pub(super) fn folders_delta(&self, mailbox: u32, ask: &Ask) -> Result<Reply, Refusal> {
        let skip: usize = ask.option("$skiptoken").and_then(|skip| skip.parse().ok()).unwrap_or(0);
        let world = self.shared.world();
        let held = world.mailbox(mailbox).ok_or_else(Refusal::not_found)?;
        let all = held.below(FolderKind::Top);
        let mut rest = all.iter().filter(|folder| **folder != FolderKind::Calendar).skip(skip).peekable();
        let page: Vec<Value> = rest
            .by_ref()
            .take(ask.page())
            .map(|folder| self.folder_json(mailbox, held, *folder))
            .collect();
        let mut answer = json!({ "value": page });
        if rest.peek().is_some() {
            let skip = (skip + ask.page()).to_string();
            answer["@odata.nextLink"] = self.link(ask, &[("$skiptoken", &skip)]).into();
        } else {
            answer["@odata.deltaLink"] = self.link(ask, &[("$deltatoken", "all")]).into();
        }
        Ok(Reply::json(200, &answer))
    }

    pub(super) fn folder(&self, mailbox: u32, name: &str) -> Result<Reply, Refusal> {
        let folder = self.find_folder(mailbox, name)?;
        let world = self.shared.world();
        let held = world.mailbox(mailbox).ok_or_else(Refusal::not_found)?;
        Ok(Reply::json(200, &self.folder_json(mailbox, held, folder)))
    }

    pub(super) fn message(&self, mailbox: u32, id: &str, ask: &Ask) -> Result<Reply, Refusal> {
        let (wanted, item) = (Wanted::by(ask)?, self.find_item(mailbox, id)?);
        Ok(Reply::json(200, &self.message_json(mailbox, &item, &wanted, ask.immutable())))
    }

    pub(super) fn value(&self, mailbox: u32, id: &str) -> Result<Reply, Refusal> {
        let item = self.find_item(mailbox, id)?;
        let unreadable = |_| Refusal::new(500, "ErrorMimeContentConversionFailed", "MIME content conversion failed.");
        let raw = item.raw.read(u64::MAX).map_err(unreadable)?;
        let body = match self.shared.mode {
            MimeMode::KeepBytes => raw,
            MimeMode::Rebuild => rebuild(&raw, self.shared.seed).into_owned().into(),
        };
        let body = match self.fault {
            Some(FaultKind::CutContent(length)) => body.slice(..length.min(body.len())),
            _ => body,
        };
        Ok(Reply {
            status: 200,
            content_type: "text/plain",
            body,
            ..Reply::default()
        })
    }

    /// Messages, newest first.
    pub(super) fn list(&self, mailbox: u32, folder: Option<&str>, ask: &Ask) -> Result<Reply, Refusal> {
        let folder = folder.map(|folder| self.find_folder(mailbox, folder)).transpose()?;
        let (wanted, immutable) = (Wanted::by(ask)?, ask.immutable());
        let filter = ask.option("$filter").map(message_id_of).transpose()?;
        let items: Vec<Item> = {
            let world = self.shared.world();
            let held = world.mailbox(mailbox).ok_or_else(Refusal::not_found)?;
            let folders = held.folders().filter(|kind| folder.is_none_or(|folder| folder == *kind));
            let serials = folders.flat_map(|folder| held.newest_first(folder));
            let messages = serials.filter(|serial| held.appointment(*serial).is_none());
            messages.filter_map(|serial| held.item(serial)).cloned().collect()
        };
        let only_id = Wanted {
            select: Some(vec!["internetMessageId".to_owned()]),
            ..Wanted::default()
        };
        let passes = |item: &&Item| {
            filter
                .as_ref()
                .is_none_or(|id| self.message_json(mailbox, item, &only_id, immutable)["internetMessageId"] == **id)
        };
        let skip: usize = ask.option("$skip").and_then(|skip| skip.parse().ok()).unwrap_or(0);
        let mut rest = items.iter().filter(passes).skip(skip).peekable();
        let page: Vec<Value> = rest
            .by_ref()
            .take(ask.page())
            .map(|item| self.message_json(mailbox, item, &wanted, immutable))
            .collect();
        let mut answer = json!({ "value": page });
        if rest.peek().is_some() {
            let skip = (skip + ask.page()).to_string();
            answer["@odata.nextLink"] = self.link(ask, &[("$skip", &skip), ("$top", &ask.page().to_string())]).into();
        }
        Ok(Reply::json(200, &answer))
    }

    /// What changed in a folder since a link.
    pub(super) fn delta(&self, mailbox: u32, name: &str, ask: &Ask) -> Result<Reply, Refusal> {
        let folder = self.find_folder(mailbox, name)?;
        let token = ask.option("$deltatoken").or(ask.option("$skiptoken"));
        if token.is_some() && matches!(self.fault, Some(FaultKind::InvalidSyncState)) {
            return Err(lost());
        }
        let forget = matches!(self.fault, Some(FaultKind::StaleSyncStateFullListing));
        let beginning = || -> Result<Token, Refusal> {
            if ask.option("$filter").or(ask.option("$search")).is_some() {
                return Err(Refusal::new(400, "ErrorInvalidUrlQuery", "The simulator does not filter changes."));
            }
            Ok(Token {
                state: SyncState {
                    mailbox,
                    folder: folder.index(),
                    epoch: self.epoch(mailbox)?,
                    position: 0,
                    after: None,
                },
                wanted: Wanted::by(ask)?,
                page: ask.page(),
                fresh: true,
            })
        };
        let token = match token {
            None => beginning()?,
            Some(text) => {
                let mut token = self.read_token(text).ok_or_else(lost)?;
                if token.state.folder != folder.index() || !self.shared.world().takes(mailbox, token.state) {
                    return Err(lost());
                }
                token.state.mailbox = mailbox;
                if forget {
                    let state = SyncState {
                        position: 0,
                        after: None,
                        ..token.state
                    };
                    Token {
                        state,
                        fresh: true,
                        ..token
                    }
                } else {
                    token
                }
            }
        };
        let (page, items) = {
            let world = self.shared.world();
            let held = world.mailbox(mailbox).ok_or_else(Refusal::not_found)?;
            let page = held.changes(token.state, token.fresh, token.page).ok_or_else(lost)?;
            let items: Vec<Option<Item>> = page.changes.iter().map(|change| held.item(change.serial).cloned()).collect();
            (page, items)
        };
        let immutable = ask.immutable();
        let row = |(change, item): (&super::super::world::Change, Option<Item>)| match item {
            Some(item) if change.kind != ChangeKind::Delete => self.message_json(mailbox, &item, &token.wanted, immutable),
            _ => {
                let id = self.item_id(mailbox, change.serial, change.origin, immutable);
                json!({ "@odata.type": "#microsoft.graph.message", "id": id, "@removed": { "reason": "deleted" } })
            }
        };
        let rows: Vec<Value> = page.changes.iter().zip(items).map(row).collect();
        let next = self.write_token(&Token {
            state: page.state,
            fresh: false,
            ..token
        });
        let mut answer = json!({ "@odata.context": format!("{}/$metadata#Collection(message)", self.shared.graph), "value": rows });
        if page.last {
            answer["@odata.deltaLink"] = self.link(ask, &[("$deltatoken", &next)]).into();
        } else {
            answer["@odata.nextLink"] = self.link(ask, &[("$skiptoken", &next)]).into();
        }
        Ok(Reply::json(200, &answer))
    }

    fn epoch(&self, mailbox: u32) -> Result<u32, Refusal> {
        let world = self.shared.world();
        Ok(world.mailbox(mailbox).ok_or_else(Refusal::not_found)?.epoch)
    }

    /// The same resource with other options.
    fn link(&self, ask: &Ask, options: &[(&str, &str)]) -> String {
        let mut link = self.shared.graph.clone();
        if let Ok(mut path) = link.path_segments_mut() {
            path.extend(ask.path());
        }
        link.query_pairs_mut().extend_pairs(options);
        Url::into(link)
    }

    fn write_token(&self, token: &Token) -> String {
        let select = token.wanted.select.as_ref().map(|names| names.join(","));
        let options = json!([select, token.wanted.properties, token.page]).to_string();
        format!(
            "{}.{}",
            for_urls(&self.shared.ids.sync_state(token.state)),
            URL_SAFE_NO_PAD.encode(options)
        )
    }

    fn read_token(&self, text: &str) -> Option<Token> {
        let (state, options) = text.split_once('.')?;
        let options = URL_SAFE_NO_PAD.decode(options).ok()?;
        let (select, properties, page): (Option<String>, Vec<String>, usize) = serde_json::from_slice(&options).ok()?;
        let names = |list: String| list.split(',').map(str::to_owned).collect();
        Some(Token {
            state: self.shared.ids.read_sync_state(&from_urls(state))?,
            wanted: Wanted {
                select: select.map(names),
                properties,
            },
            page,
            fresh: false,
        })
    }

    /// Ids of one kind into those of another.
    pub(super) fn translate(&self, mailbox: u32, ask: &Ask) -> Result<Reply, Refusal> {
        let parameters = ask.parameters()?;
        let text = |name: &str| parameters.get(name).as_str().unwrap_or_default().to_owned();
        let known = ["ewsId", "restId", "restImmutableEntryId"];
        let (from, to) = (text("sourceIdType"), text("targetIdType"));
        if !known.contains(&from.as_str()) || !known.contains(&to.as_str()) {
            return Err(Refusal::bad_request("The id type is not known to the simulator."));
        }
        let ids = parameters.get("inputIds").as_array().cloned().unwrap_or_default();
        if ids.is_empty() || ids.len() > MAX_IDS {
            return Err(Refusal::bad_request("The number of ids is not within 1 and 1000."));
        }
        let translated = ids.iter().map(|id| {
            let source = id.as_str().unwrap_or_default();
            match self.find_item(mailbox, source) {
                Ok(item) => {
                    let id = self.item_id(mailbox, item.serial, item.origin, to == "restImmutableEntryId");
                    let id = if to == "ewsId" { from_urls(&id) } else { id };
                    json!({ "sourceId": source, "targetId": id })
                }
                Err(refusal) => json!({ "sourceId": source, "errorDetails": { "code": refusal.code, "message": refusal.text } }),
            }
        });
        Ok(Reply::json(200, &json!({ "value": translated.collect::<Vec<Value>>() })))
    }
}

/// What a link continues.
struct Token {
    state: SyncState,
    wanted: Wanted,
    page: usize,
    /// Whether it is the beginning of a listing.
    fresh: bool,
}

fn lost() -> Refusal {
    Refusal::new(
        410,
        "syncStateNotFound",
        "The sync state generation is not found; continuing sync requires a full resync.",
    )
}

/// The Message-ID of the one filter that is known: `internetMessageId eq '<…>'`.
fn message_id_of(filter: &str) -> Result<String, Refusal> {
    let value = filter
        .trim()
        .strip_prefix("internetMessageId eq '")
        .and_then(|rest| rest.strip_suffix('\''));
    let value = value.map(|value| value.replace("''", "'"));
    value.ok_or_else(|| {
        Refusal::new(
            400,
            "ErrorInvalidUrlQueryFilter",
            "The simulator knows the filter internetMessageId eq '…' only.",
        )
    })
}
