//! Appointments in Exchange's calendar: made, changed, deleted, read, and shown as a view in which series are spread out.
//!
//! An appointment keeps what clients set as it came, and gives it back in the order of the schema with what Exchange adds. Nobody is invited:
//! there is no mail about meetings. A series follows the offset from UTC of its first start; it knows no daylight saving.
//!
//! | module | holds |
//! |---|---|
//! | `appointment` | what was set of an appointment, and when it takes place |
//! | `properties` | their order, and how they are written |
//! | `recurrence` | when the occurrences of a series are |

mod appointment;
mod properties;
mod recurrence;
mod schema;

use bytes::Bytes;
use time::{Duration, OffsetDateTime};

use self::properties::Written;
pub(super) use self::{
    appointment::{Appointment, Instance, read_time},
    properties::check_order,
};
use super::{
    mix,
    operations::{Call, Entry, Failure},
    properties::{ItemShape, write_message},
    raw::Raw,
    world::{Flags, FolderKind, Item, Mailbox, NewItem},
    xml::{Element, Xml},
};

/// Longest window of a calendar view.
const LONGEST_VIEW: Duration = Duration::days(2 * 366);

/// Something that takes place: an appointment at one of its times.
#[derive(Debug)]
pub(super) struct AgendaEntry {
    pub(super) item: Item,
    pub(super) appointment: Appointment,
    pub(super) instance: Instance,
}

/// What an id leads to.
#[derive(Clone, Copy, Debug)]
struct Target {
    mailbox: u32,
    serial: u64,
    /// The occurrence, if it is one.
    index: Option<u32>,
}

impl Mailbox {
    /// The appointment that an item is.
    pub(super) fn appointment(&self, serial: u64) -> Option<&Appointment> {
        self.appointments.get(&self.item(serial)?.origin)
    }

    /// What takes place between two times, in order of the start.
    pub(super) fn agenda(&self, folder: FolderKind, from: OffsetDateTime, to: OffsetDateTime) -> Vec<AgendaEntry> {
        let items = self
            .newest_first(folder)
            .filter_map(|serial| Some((self.item(serial)?, self.appointment(serial)?)));
        let mut all: Vec<_> = items
            .flat_map(|(item, appointment)| {
                let instances = appointment.instances(from, to);
                instances.into_iter().map(|instance| AgendaEntry {
                    item: item.clone(),
                    appointment: appointment.clone(),
                    instance,
                })
            })
            .collect();
        all.sort_by_key(|entry| entry.instance.start);
        all
    }
}

impl Call {
    /// Makes an appointment.
    pub(super) fn create_appointment(&self, request: &Element, item: &Element) -> Entry {
        let invitations = request.attribute("SendMeetingInvitations").ok_or_else(|| {
            let text = "The SendMeetingInvitations attribute is required for calendar items.";
            Failure::new("ErrorSendMeetingInvitationsRequired", text)
        })?;
        if invitations != "SendToNone"
            && ["RequiredAttendees", "OptionalAttendees"]
                .iter()
                .any(|name| item.child(name).is_some())
        {
            return Err(Failure::new("ErrorInvalidRequest", "The simulator invites nobody."));
        }
        let now = self.shared.now();
        let mut world = self.shared.world();
        let (mailbox, folder) = match request.child("SavedItemFolderId") {
            Some(_) => self.folder_in(&world, request.child("SavedItemFolderId"))?,
            None => (self.mailbox(&world, None)?, FolderKind::Calendar),
        };
        let held = world.mailbox_mut(mailbox).ok_or_else(Failure::item_not_found)?;
        // As Exchange's, a global object id in hexadecimal.
        let chance = mix(self.shared.seed, format!("{mailbox}/{}", held.appointments.len()).as_bytes());
        let uid = format!("040000008200E00074C5B7101A82E008{chance:016X}{:016X}", mix(chance, b"uid"));
        let appointment = Appointment::read(item, uid, self.time_zone())?;
        let read = Flags {
            read: true,
            ..Flags::default()
        };
        let serial = held.add(folder, NewItem::new(Raw::Bytes(Bytes::new()), now, read), now);
        held.appointments.insert(serial, appointment);
        Ok(self.one_item("t:CalendarItem", mailbox, serial, 1))
    }

    /// Carries out a change of an appointment; `None` when the item is none.
    pub(super) fn update_appointment(&self, request: &Element, change: &Element) -> Option<Entry> {
        let id = change.children.first()?;
        let target = self.target(id)?;
        let update = || {
            let text = "The SendMeetingInvitationsOrCancellations attribute is required for calendar items.";
            let needed = request.attribute("SendMeetingInvitationsOrCancellations");
            needed.ok_or_else(|| Failure::new("ErrorSendMeetingInvitationsOrCancellationsRequired", text))?;
            let target = target?;
            let Target { mailbox, serial, index } = target;
            let updates = change.child("Updates").map(|list| list.children.as_slice()).unwrap_or_default();
            let now = self.shared.now();
            let mut world = self.shared.world();
            let held = world.mailbox_mut(mailbox).ok_or_else(Failure::item_not_found)?;
            let item = held.item(serial).ok_or_else(Failure::item_not_found)?;
            let (version, origin) = (item.version, item.origin);
            let own = held.appointments.get_mut(&origin).ok_or_else(Failure::item_not_found)?;
            if index.is_some() && own.instance(index).is_none() {
                return Err(Failure::item_not_found());
            }
            if request.attribute("ConflictResolution") == Some("NeverOverwrite") && self.change_key(id) != Some(version) {
                let text = "The send or update operation could not be performed because the change key passed in the request does not match \
                            the current change key for the item.";
                return Err(Failure::new("ErrorIrresolvableConflict", text));
            }
            let mut changed = own.clone();
            changed.update(updates, index)?;
            *own = changed;
            let version = held.change(serial, None, now).ok_or_else(Failure::item_not_found)?;
            let mut xml = Xml::new();
            xml.wrap("m:Items", |xml| {
                xml.wrap("t:CalendarItem", |xml| self.write_instance_id(xml, target, version));
            });
            xml.wrap("m:ConflictResults", |xml| {
                xml.leaf("t:Count", "0");
            });
            Ok(xml)
        };
        Some(update())
    }

    /// Deletes an occurrence, or checks whether an appointment may be deleted as an item. `None`: it may.
    pub(super) fn delete_appointment(&self, request: &Element, id: &Element) -> Option<Entry> {
        let target = self.target(id)?;
        let delete = || {
            if request.attribute("SendMeetingCancellations").is_none() {
                let text = "The SendMeetingCancellations attribute is required for calendar items.";
                return Err(Failure::new("ErrorSendMeetingCancellationsRequired", text));
            }
            let Target { mailbox, serial, index } = target?;
            let Some(index) = index else { return Ok(None) };
            let now = self.shared.now();
            let mut world = self.shared.world();
            let held = world.mailbox_mut(mailbox).ok_or_else(Failure::item_not_found)?;
            let origin = held.item(serial).ok_or_else(Failure::item_not_found)?.origin;
            let own = held.appointments.get_mut(&origin).ok_or_else(Failure::item_not_found)?;
            own.instance(Some(index)).ok_or_else(Failure::item_not_found)?;
            own.changed.remove(&index);
            own.deleted.insert(index);
            held.change(serial, None, now);
            Ok(Some(Xml::new()))
        };
        delete().transpose()
    }

    /// The appointment that an id leads to; `None` when it leads to none.
    fn target(&self, id: &Element) -> Option<Result<Target, Failure>> {
        let malformed = || Failure::new("ErrorInvalidIdMalformed", "Id is malformed.");
        let ids = self.shared.ids;
        let attribute = |name| id.attribute(name).unwrap_or_default();
        let (mailbox, serial, index) = match id.name.as_str() {
            "OccurrenceItemId" => match (ids.read_item(attribute("RecurringMasterId")), attribute("InstanceIndex").parse()) {
                (Some((mailbox, serial)), Ok(index)) => (mailbox, serial, Some(index)),
                _ => return Some(Err(malformed())),
            },
            "RecurringMasterItemId" => match ids.read_occurrence(attribute("OccurrenceId")) {
                Some((mailbox, serial, _)) => (mailbox, serial, None),
                None => return Some(Err(malformed())),
            },
            _ => match ids.read_occurrence(attribute("Id")) {
                Some((mailbox, serial, index)) => (mailbox, serial, Some(index)),
                None => {
                    let (mailbox, serial) = ids.read_item(attribute("Id"))?;
                    self.shared.world().mailbox(mailbox)?.appointment(serial)?;
                    (mailbox, serial, None)
                }
            },
        };
        Some(self.check(mailbox).map(|()| Target { mailbox, serial, index }))
    }

    /// An occurrence or the series that it belongs to, as GetItem gives it out; `None` when the id names neither.
    pub(super) fn get_instance(&self, shape: &ItemShape, id: &Element) -> Option<Entry> {
        let plain = id.name == "ItemId" && self.shared.ids.read_occurrence(id.attribute("Id").unwrap_or_default()).is_none();
        if plain {
            return None;
        }
        let get = |target: Result<Target, Failure>| {
            let Target { mailbox, serial, index } = target?;
            let found = {
                let world = self.shared.world();
                let held = world.mailbox(mailbox);
                held.and_then(|held| Some((held.item(serial)?.clone(), held.appointment(serial)?.clone())))
            };
            let (item, appointment) = found.ok_or_else(Failure::item_not_found)?;
            let instance = appointment.instance(index).ok_or_else(|| {
                Failure::new(
                    "ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange",
                    "Occurrence index is out of the recurrence range.",
                )
            })?;
            let entry = AgendaEntry {
                item,
                appointment,
                instance,
            };
            let mut xml = Xml::new();
            xml.wrap("m:Items", |xml| self.write_appointment(xml, shape, mailbox, &entry));
            Ok(xml)
        };
        Some(get(self.target(id)?))
    }

    /// FindItem with a CalendarView: all that takes place in a stretch of time.
    pub(super) fn calendar_view(&self, request: &Element, view: &Element) -> Result<Vec<Entry>, Failure> {
        let shape = ItemShape::read(request, false);
        let time = |name| {
            let missing = || Failure::new("ErrorSchemaValidation", "The 'CalendarView' element lacks a date.");
            view.attribute(name).and_then(read_time).ok_or_else(missing)
        };
        let (from, to) = (time("StartDate")?, time("EndDate")?);
        if to < from {
            let text = "EndDate is earlier than StartDate";
            return Err(Failure::new("ErrorCalendarEndDateIsEarlierThanStartDate", text));
        }
        if to - from > LONGEST_VIEW {
            let text = "The specified view range exceeds the maximum range of two years.";
            return Err(Failure::new("ErrorCalendarViewRangeTooBig", text));
        }
        let max = view.attribute("MaxEntriesReturned").and_then(|text| text.parse().ok());
        let ids = request
            .child("ParentFolderIds")
            .map(|ids| ids.children.as_slice())
            .unwrap_or_default();
        Ok(self.batch(ids, |id| {
            let (mailbox, all) = {
                let world = self.shared.world();
                let (mailbox, folder) = self.folder(&world, id)?;
                let held = world.mailbox(mailbox).ok_or_else(Failure::item_not_found)?;
                (mailbox, held.agenda(folder, from, to))
            };
            let given = all.len().min(max.unwrap_or(usize::MAX));
            let mut xml = Xml::new();
            let (total, last) = (all.len().to_string(), (given == all.len()).to_string());
            let attributes = [("TotalItemsInView", total.as_str()), ("IncludesLastItemInRange", last.as_str())];
            xml.element("m:RootFolder", &attributes, |xml| {
                xml.wrap("t:Items", |xml| {
                    for entry in all.iter().take(given) {
                        self.write_appointment(xml, &shape, mailbox, entry);
                    }
                });
            });
            Ok(xml)
        }))
    }

    /// Writes an item, whatever it is.
    pub(super) fn write_item(&self, xml: &mut Xml, shape: &ItemShape, mailbox: u32, item: &Item) -> Result<(), Failure> {
        // Appointments have no MIME here.
        let appointment = match item.raw.size() {
            0 => {
                let world = self.shared.world();
                world.mailbox(mailbox).and_then(|held| held.appointments.get(&item.origin)).cloned()
            }
            _ => None,
        };
        let entry = appointment.and_then(|appointment| {
            Some(AgendaEntry {
                item: item.clone(),
                instance: appointment.instance(None)?,
                appointment,
            })
        });
        match entry {
            Some(entry) => {
                self.write_appointment(xml, shape, mailbox, &entry);
                Ok(())
            }
            None => write_message(xml, &self.shared, shape, mailbox, item),
        }
    }

    fn write_appointment(&self, xml: &mut Xml, shape: &ItemShape, mailbox: u32, entry: &AgendaEntry) {
        let organizer = self.shared.world().mailbox(mailbox).map(|held| held.address.clone());
        let written = Written {
            call: self,
            mailbox,
            item: &entry.item,
            appointment: &entry.appointment,
            instance: entry.instance,
            organizer: organizer.unwrap_or_default(),
        };
        written.write(xml, shape);
    }

    fn write_instance_id(&self, xml: &mut Xml, target: Target, version: u64) {
        let Target { mailbox, serial, index } = target;
        let ids = self.shared.ids;
        let id = match index {
            None => ids.item(mailbox, serial),
            Some(index) => ids.occurrence(mailbox, serial, index),
        };
        ids.with_key(id, version).write(xml, "t:ItemId");
    }
}
