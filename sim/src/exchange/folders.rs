//! GetFolder and FindFolder, and how requests name folders.

use std::collections::HashSet;

use super::{
    ids::Ids,
    operations::{Call, Entry, Failure},
    world::{FolderKind, Mailbox, World},
    xml::{Element, Xml},
};

impl Call {
    /// The folder that a `FolderId` or `DistinguishedFolderId` names.
    pub(super) fn folder(&self, world: &World, id: &Element) -> Result<(u32, FolderKind), Failure> {
        let name = id.attribute("Id").unwrap_or_default();
        if id.name == "DistinguishedFolderId" {
            let mailbox = self.mailbox(world, id.at(&["Mailbox", "EmailAddress"]).map(|address| address.text.trim()))?;
            let kind = FolderKind::by_name(name).ok_or_else(folder_not_found)?;
            return Ok((mailbox, kind));
        }
        let malformed = || Failure::new("ErrorInvalidFolderId", "Folder ID that was specified is not valid.");
        let (mailbox, index) = self.shared.ids.read_folder(name).ok_or_else(malformed)?;
        self.check(mailbox)?;
        let folder = world.mailbox(mailbox).and_then(|held| held.folder_at(index));
        folder.map(|folder| (mailbox, folder)).ok_or_else(folder_not_found)
    }

    /// The folder inside an element such as `SyncFolderId` or `ToFolderId`.
    pub(super) fn folder_in(&self, world: &World, holder: Option<&Element>) -> Result<(u32, FolderKind), Failure> {
        let id = holder.and_then(|holder| holder.children.first()).ok_or_else(folder_not_found)?;
        self.folder(world, id)
    }

    /// The folder whose changes are asked for.
    pub(super) fn synchronised_folder(&self) -> Option<FolderKind> {
        let id = self.operation().child("SyncFolderId")?;
        Some(self.folder_in(&self.shared.world(), Some(id)).ok()?.1)
    }

    pub(super) fn get_folder(&self, request: &Element) -> Result<Vec<Entry>, Failure> {
        let shape = Shape::read(request);
        let ids = request.child("FolderIds").map(|ids| ids.children.as_slice()).unwrap_or_default();
        let world = self.shared.world();
        Ok(self.batch(ids, |id| {
            let (index, kind) = self.folder(&world, id)?;
            let mut xml = Xml::new();
            xml.wrap("m:Folders", |xml| {
                if let Some(mailbox) = world.mailbox(index) {
                    self.folder_tree(index, mailbox).write_folder(xml, &shape, kind);
                }
            });
            Ok(xml)
        }))
    }

    pub(super) fn find_folder(&self, request: &Element) -> Result<Vec<Entry>, Failure> {
        let shape = Shape::read(request);
        let view = View::read(request.child("IndexedPageFolderView"), "MaxFoldersReturned");
        let deep = request.attribute("Traversal") == Some("Deep");
        let ids = request
            .child("ParentFolderIds")
            .map(|ids| ids.children.as_slice())
            .unwrap_or_default();
        let world = self.shared.world();
        Ok(self.batch(ids, |id| {
            let (index, kind) = self.folder(&world, id)?;
            let mailbox = world.mailbox(index).ok_or_else(folder_not_found)?;
            let found = if deep {
                mailbox.below(kind)
            } else {
                mailbox.children(kind).collect()
            };
            let page: Vec<_> = found.iter().copied().skip(view.offset).take(view.max).collect();
            let tree = self.folder_tree(index, mailbox);
            let mut xml = Xml::new();
            view.root(&mut xml, found.len(), page.len(), |xml| {
                xml.wrap("t:Folders", |xml| {
                    for kind in page {
                        tree.write_folder(xml, &shape, kind);
                    }
                });
            });
            Ok(xml)
        }))
    }

    fn folder_tree<'a>(&self, index: u32, mailbox: &'a Mailbox) -> FolderTree<'a> {
        FolderTree {
            ids: self.shared.ids,
            index,
            mailbox,
        }
    }
}

/// The folders of a mailbox, about to be written.
struct FolderTree<'a> {
    ids: Ids,
    /// The mailbox's number.
    index: u32,
    mailbox: &'a Mailbox,
}

impl FolderTree<'_> {
    fn write_folder(&self, xml: &mut Xml, shape: &Shape, kind: FolderKind) {
        let Self { ids, index, mailbox } = *self;
        let (total, unread) = mailbox.counts(kind);
        let (element, class) = match kind {
            FolderKind::Calendar => ("t:CalendarFolder", "IPF.Appointment"),
            _ => ("t:Folder", "IPF.Note"),
        };
        let id = |kind: FolderKind| ids.with_key(ids.folder(index, kind.index()), 1);
        xml.wrap(element, |xml| {
            id(kind).write(xml, "t:FolderId");
            if shape.wants("ParentFolderId", false) {
                id(mailbox.parent(kind).unwrap_or(kind)).write(xml, "t:ParentFolderId");
            }
            if shape.wants("FolderClass", false) && mailbox.parent(kind).is_some_and(|parent| parent != FolderKind::Root) {
                xml.leaf("t:FolderClass", class);
            }
            if shape.wants("DisplayName", true) {
                xml.leaf("t:DisplayName", mailbox.name(kind));
            }
            if shape.wants("TotalCount", true) {
                xml.leaf("t:TotalCount", &total.to_string());
            }
            if shape.wants("ChildFolderCount", true) {
                xml.leaf("t:ChildFolderCount", &mailbox.children(kind).count().to_string());
            }
            if let Some(name) = kind.distinguished().filter(|_| shape.wants("DistinguishedFolderId", false)) {
                xml.leaf("t:DistinguishedFolderId", name);
            }
            if shape.wants("UnreadCount", true) && kind != FolderKind::Calendar {
                xml.leaf("t:UnreadCount", &unread.to_string());
            }
        });
    }
}

fn folder_not_found() -> Failure {
    Failure::new("ErrorFolderNotFound", "The specified folder could not be found in the store.")
}

/// Which properties of folders are asked for.
struct Shape {
    all: bool,
    default: bool,
    fields: HashSet<String>,
}

impl Shape {
    fn read(request: &Element) -> Self {
        let shape = request.child("FolderShape");
        let base = shape.and_then(|shape| shape.text_of("BaseShape"));
        Self {
            all: base == Some("AllProperties"),
            default: base == Some("Default"),
            fields: shape.map(field_uris).unwrap_or_default(),
        }
    }

    fn wants(&self, property: &str, in_default: bool) -> bool {
        self.all || (self.default && in_default) || self.fields.contains(&format!("folder:{property}"))
    }
}

/// The FieldURIs that a shape adds.
pub(super) fn field_uris(shape: &Element) -> HashSet<String> {
    let uris = shape.child("AdditionalProperties").into_iter().flat_map(|list| &list.children);
    uris.filter_map(|uri| uri.attribute("FieldURI")).map(str::to_owned).collect()
}

/// A page of a longer list.
pub(super) struct View {
    pub(super) offset: usize,
    pub(super) max: usize,
}

impl View {
    pub(super) fn read(view: Option<&Element>, max: &str) -> Self {
        let number = |name| view.and_then(|view| view.attribute(name)).and_then(|text| text.parse().ok());
        Self {
            offset: number("Offset").unwrap_or(0),
            max: number(max).unwrap_or(usize::MAX),
        }
    }

    /// The RootFolder of an answer.
    pub(super) fn root(&self, xml: &mut Xml, total: usize, given: usize, inside: impl FnOnce(&mut Xml)) {
        let next = self.offset.saturating_add(given).min(total);
        let attributes = [
            ("IndexedPagingOffset", next.to_string()),
            ("TotalItemsInView", total.to_string()),
            ("IncludesLastItemInRange", (next >= total).to_string()),
        ];
        let attributes = attributes.each_ref().map(|(key, value)| (*key, value.as_str()));
        xml.element("m:RootFolder", &attributes, inside);
    }
}
