//! SyncFolderItems, FindItem, GetItem, DeleteItem, MoveItem, UpdateItem.

use super::{
    FaultKind,
    folders::View,
    ids::SyncState,
    operations::{Call, Entry, Failure},
    properties::{ItemShape, message_id},
    world::{Change, ChangeKind, ChangePage, FolderKind, Item, World},
    xml::{Element, Xml},
};

impl Call {
    pub(super) fn sync_folder_items(&self, request: &Element) -> Result<Vec<Entry>, Failure> {
        let shape = ItemShape::read(request, false);
        let max = request
            .text_of("MaxChangesReturned")
            .and_then(|text| text.parse().ok())
            .unwrap_or(1);
        Ok(self.batch(&[()], |()| {
            // Items are copied (their bytes are not), so that files are read without the lock.
            let (mailbox, page, items) = {
                let world = self.shared.world();
                let (mailbox, page) = self.changes(&world, request, max)?;
                let find = |serial| world.mailbox(mailbox).and_then(|m| m.item(serial)).cloned();
                let items: Vec<Option<Item>> = page.changes.iter().map(|change| find(change.serial)).collect();
                (mailbox, page, items)
            };
            let id = |change: &Change| self.shared.ids.keyed_item(mailbox, change.serial, change.version);
            let mut xml = Xml::new();
            xml.leaf("m:SyncState", &self.shared.ids.sync_state(page.state));
            xml.leaf("m:IncludesLastItemInRange", &page.last.to_string());
            let mut outcome = Ok(());
            xml.wrap("m:Changes", |xml| {
                for (change, item) in page.changes.iter().zip(&items) {
                    match (change.kind, item) {
                        (ChangeKind::Delete, _) => xml.wrap("t:Delete", |xml| id(change).write(xml, "t:ItemId")),
                        (ChangeKind::ReadFlag, _) => xml.wrap("t:ReadFlagChange", |xml| {
                            id(change).write(xml, "t:ItemId");
                            xml.leaf("t:IsRead", &change.read.to_string());
                        }),
                        (kind, Some(item)) => {
                            let element = if kind == ChangeKind::Create { "t:Create" } else { "t:Update" };
                            xml.wrap(element, |xml| {
                                if let Err(failure) = self.write_item(xml, &shape, mailbox, item) {
                                    outcome = Err(failure);
                                }
                            })
                        }
                        (_, None) => xml,
                    };
                }
            });
            outcome.map(|()| xml)
        }))
    }

    /// The mailbox whose changes are asked for, and the next page of them.
    fn changes(&self, world: &World, request: &Element, max: usize) -> Result<(u32, ChangePage), Failure> {
        let (mailbox, folder) = self.folder_in(world, request.child("SyncFolderId"))?;
        let state = request.text_of("SyncState").filter(|state| !state.is_empty());
        let invalid = || {
            Failure::new(
                "ErrorInvalidSyncStateData",
                "Synchronization state data is corrupt or otherwise invalid.",
            )
        };
        let missing = || Failure::new("ErrorNonExistentMailbox", "No mailbox with such guid.");
        let held = world.mailbox(mailbox).ok_or_else(missing)?;
        let begin = SyncState {
            mailbox,
            folder: folder.index(),
            epoch: held.epoch,
            position: 0,
            after: None,
        };
        let given = match (state, &self.fault) {
            (Some(_), Some(FaultKind::InvalidSyncState)) => return Err(invalid()),
            (None, _) | (_, Some(FaultKind::StaleSyncStateFullListing)) => None,
            (Some(state), _) => Some(self.shared.ids.read_sync_state(state).ok_or_else(invalid)?),
        };
        if given.is_some_and(|given| given.folder != begin.folder || !world.takes(mailbox, given)) {
            return Err(invalid());
        }
        let given = given.map(|given| SyncState { mailbox, ..given });
        let page = held.changes(given.unwrap_or(begin), given.is_none(), max).ok_or_else(invalid)?;
        Ok((mailbox, page))
    }

    pub(super) fn find_item(&self, request: &Element) -> Result<Vec<Entry>, Failure> {
        if let Some(view) = request.child("CalendarView") {
            return self.calendar_view(request, view);
        }
        let shape = ItemShape::read(request, false);
        let view = View::read(request.child("IndexedPageItemView"), "MaxEntriesReturned");
        let max = view.max.min(self.shared.limits.find_page);
        let (order, search) = (oldest_first(request), searched_message_id(request));
        let ids = request
            .child("ParentFolderIds")
            .map(|ids| ids.children.as_slice())
            .unwrap_or_default();
        Ok(self.batch(ids, |id| {
            let (oldest_first, search) = (order.clone()?, search.clone()?);
            let (offset, max) = if search.is_some() { (0, usize::MAX) } else { (view.offset, max) };
            let (mailbox, mut total, mut items) = {
                let world = self.shared.world();
                let (mailbox, folder) = self.folder(&world, id)?;
                let held = world.mailbox(mailbox).ok_or_else(Failure::item_not_found)?;
                let serials: Vec<u64> = if oldest_first {
                    held.newest_first(folder).rev().skip(offset).take(max).collect()
                } else {
                    held.newest_first(folder).skip(offset).take(max).collect()
                };
                let items: Vec<Item> = serials.into_iter().filter_map(|serial| held.item(serial).cloned()).collect();
                (mailbox, held.counts(folder).0, items)
            };
            if let Some(wanted) = search {
                items.retain(|item| message_id(item).is_some_and(|id| id == wanted));
                total = items.len();
                items = items
                    .into_iter()
                    .skip(view.offset)
                    .take(self.shared.limits.find_page.min(view.max))
                    .collect();
            }
            let mut xml = Xml::new();
            let mut outcome = Ok(());
            view.root(&mut xml, total, items.len(), |xml| {
                xml.wrap("t:Items", |xml| {
                    for item in &items {
                        if let Err(failure) = self.write_item(xml, &shape, mailbox, item) {
                            outcome = Err(failure);
                        }
                    }
                });
            });
            outcome.map(|()| xml)
        }))
    }

    pub(super) fn get_item(&self, request: &Element) -> Result<Vec<Entry>, Failure> {
        let mut shape = ItemShape::read(request, true);
        if let Some(FaultKind::CutContent(most)) = self.fault {
            shape.most_content = most;
        }
        Ok(self.batch(item_ids(request), |id| {
            if let Some(instance) = self.get_instance(&shape, id) {
                return instance;
            }
            let (mailbox, serial) = self.item_id(id)?;
            let item = {
                let world = self.shared.world();
                world
                    .mailbox(mailbox)
                    .and_then(|m| m.item(serial))
                    .cloned()
                    .ok_or_else(Failure::item_not_found)?
            };
            let mut xml = Xml::new();
            let mut outcome = Ok(());
            xml.wrap("m:Items", |xml| outcome = self.write_item(xml, &shape, mailbox, &item));
            outcome.map(|()| xml)
        }))
    }

    pub(super) fn delete_item(&self, request: &Element) -> Result<Vec<Entry>, Failure> {
        let to_bin = request.attribute("DeleteType") == Some("MoveToDeletedItems");
        let now = self.shared.now();
        Ok(self.batch(item_ids(request), |id| {
            if let Some(done) = self.delete_appointment(request, id) {
                return done;
            }
            let (mailbox, serial) = self.item_id(id)?;
            let mut world = self.shared.world();
            let held = world.mailbox_mut(mailbox).ok_or_else(Failure::item_not_found)?;
            let done = if to_bin {
                held.relocate(serial, FolderKind::Deleted, now).is_some()
            } else {
                held.remove(serial, now)
            };
            done.then(Xml::new).ok_or_else(Failure::item_not_found)
        }))
    }

    pub(super) fn move_item(&self, request: &Element) -> Result<Vec<Entry>, Failure> {
        let now = self.shared.now();
        Ok(self.batch(item_ids(request), |id| {
            let (mailbox, serial) = self.item_id(id)?;
            let mut world = self.shared.world();
            let (target, folder) = self.folder_in(&world, request.child("ToFolderId"))?;
            if target != mailbox {
                return Err(Failure::new(
                    "ErrorMoveCopyFailed",
                    "The simulator moves items only inside a mailbox.",
                ));
            }
            let held = world.mailbox_mut(mailbox).ok_or_else(Failure::item_not_found)?;
            let moved = held.relocate(serial, folder, now).ok_or_else(Failure::item_not_found)?;
            let element = match held.appointment(moved) {
                Some(_) => "t:CalendarItem",
                None => "t:Message",
            };
            Ok(self.one_item(element, mailbox, moved, 1))
        }))
    }

    pub(super) fn update_item(&self, request: &Element) -> Result<Vec<Entry>, Failure> {
        let careful = request.attribute("ConflictResolution") == Some("NeverOverwrite");
        let changes = request
            .child("ItemChanges")
            .map(|list| list.children.as_slice())
            .unwrap_or_default();
        let now = self.shared.now();
        Ok(self.batch(changes, |change| {
            if let Some(updated) = self.update_appointment(request, change) {
                return updated;
            }
            let id = change.child("ItemId").ok_or_else(Failure::item_not_found)?;
            let (mailbox, serial) = self.item_id(id)?;
            let read = read_flag(change)?;
            let mut world = self.shared.world();
            let held = world.mailbox_mut(mailbox).ok_or_else(Failure::item_not_found)?;
            let version = held.item(serial).ok_or_else(Failure::item_not_found)?.version;
            if careful && self.change_key(id) != Some(version) {
                let text = "The send or update operation could not be performed because the change key passed in the request does not match \
                            the current change key for the item.";
                return Err(Failure::new("ErrorIrresolvableConflict", text));
            }
            let version = held.change(serial, Some(read), now).ok_or_else(Failure::item_not_found)?;
            let mut xml = self.one_id(mailbox, serial, version);
            xml.wrap("m:ConflictResults", |xml| {
                xml.leaf("t:Count", "0");
            });
            Ok(xml)
        }))
    }

    /// Mailbox and serial of an item id, if that mailbox may be used.
    pub(super) fn item_id(&self, id: &Element) -> Result<(u32, u64), Failure> {
        let text = id.attribute("Id").unwrap_or_default();
        let malformed = || Failure::new("ErrorInvalidIdMalformed", "Id is malformed.");
        let (mailbox, serial) = self.shared.ids.read_item(text).ok_or_else(malformed)?;
        self.check(mailbox)?;
        Ok((mailbox, serial))
    }

    /// The version that the change key of an item id stands for.
    pub(super) fn change_key(&self, id: &Element) -> Option<u64> {
        self.shared.ids.read_change_key(id.attribute("ChangeKey")?)
    }

    /// `Items` with one message that only has its id.
    pub(super) fn one_id(&self, mailbox: u32, serial: u64, version: u64) -> Xml {
        self.one_item("t:Message", mailbox, serial, version)
    }

    /// The same with an item of this element.
    pub(super) fn one_item(&self, element: &str, mailbox: u32, serial: u64, version: u64) -> Xml {
        let mut xml = Xml::new();
        xml.wrap("m:Items", |xml| {
            let id = self.shared.ids.keyed_item(mailbox, serial, version);
            xml.wrap(element, |xml| id.write(xml, "t:ItemId"));
        });
        xml
    }
}

pub(super) fn item_ids(request: &Element) -> &[Element] {
    request.child("ItemIds").map(|ids| ids.children.as_slice()).unwrap_or_default()
}

/// Whether a FindItem wants the oldest first. Only the time received can be sorted by.
fn oldest_first(request: &Element) -> Result<bool, Failure> {
    let Some(order) = request.at(&["SortOrder", "FieldOrder"]) else {
        return Ok(false);
    };
    let field = order.child("FieldURI").and_then(|uri| uri.attribute("FieldURI"));
    if matches!(field, Some("item:DateTimeReceived" | "item:DateTimeCreated")) {
        Ok(order.attribute("Order") != Some("Descending"))
    } else {
        Err(Failure::new(
            "ErrorUnsupportedPathForSortGroup",
            "The simulator sorts by DateTimeReceived only.",
        ))
    }
}

/// The Message-ID that a FindItem searches for, without brackets. Other searches are not understood.
fn searched_message_id(request: &Element) -> Result<Option<String>, Failure> {
    let refused = || Failure::new("ErrorUnsupportedPathForQuery", "The simulator searches by InternetMessageId only.");
    if request.child("QueryString").is_some() {
        return Err(refused());
    }
    let Some(restriction) = request.child("Restriction") else {
        return Ok(None);
    };
    let test = restriction.child("IsEqualTo").ok_or_else(refused)?;
    let field = test.child("FieldURI").and_then(|uri| uri.attribute("FieldURI"));
    let value = test
        .at(&["FieldURIOrConstant", "Constant"])
        .and_then(|constant| constant.attribute("Value"));
    match value {
        Some(id) if field == Some("message:InternetMessageId") => Ok(Some(id.trim().trim_matches(['<', '>']).to_owned())),
        _ => Err(refused()),
    }
}

/// The only thing that can be updated: whether a message has been read.
fn read_flag(change: &Element) -> Result<bool, Failure> {
    let refused = || Failure::new("ErrorInvalidPropertySet", "The simulator only sets message:IsRead.");
    let [update] = change.child("Updates").map(|list| list.children.as_slice()).unwrap_or_default() else {
        return Err(refused());
    };
    let field = update.child("FieldURI").and_then(|uri| uri.attribute("FieldURI"));
    match update.at(&["Message", "IsRead"]).map(|flag| flag.text.trim()) {
        Some("true" | "1") if field == Some("message:IsRead") => Ok(true),
        Some("false" | "0") if field == Some("message:IsRead") => Ok(false),
        _ => Err(refused()),
    }
}
