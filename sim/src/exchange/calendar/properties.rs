//! Properties of appointments: their order, which of them only Exchange sets, and how they are written.

use time::{Duration, UtcOffset};

use super::{
    super::{
        operations::{Call, Failure},
        properties::ItemShape,
        world::Item,
        xml::{Element, Xml},
    },
    Target,
    appointment::{Appointment, Instance},
    schema::is_read_only,
};
use crate::clock::write_time;

/// Properties of a CalendarItem in the order of types.xsd: ItemType, then CalendarItemType.
const ORDER: &[&str] = &[
    "item:MimeContent",
    "item:ItemId",
    "item:ParentFolderId",
    "item:ItemClass",
    "item:Subject",
    "item:Sensitivity",
    "item:Body",
    "item:Attachments",
    "item:DateTimeReceived",
    "item:Size",
    "item:Categories",
    "item:Importance",
    "item:InReplyTo",
    "item:IsDraft",
    "item:DateTimeSent",
    "item:DateTimeCreated",
    "item:ReminderDueBy",
    "item:ReminderIsSet",
    "item:ReminderMinutesBeforeStart",
    "item:DisplayCc",
    "item:DisplayTo",
    "item:HasAttachments",
    "item:ExtendedProperty",
    "item:Culture",
    "item:LastModifiedTime",
    "item:TextBody",
    "calendar:UID",
    "calendar:RecurrenceId",
    "calendar:DateTimeStamp",
    "calendar:Start",
    "calendar:End",
    "calendar:OriginalStart",
    "calendar:IsAllDayEvent",
    "calendar:LegacyFreeBusyStatus",
    "calendar:Location",
    "calendar:When",
    "calendar:IsMeeting",
    "calendar:IsCancelled",
    "calendar:IsRecurring",
    "calendar:MeetingRequestWasSent",
    "calendar:IsResponseRequested",
    "calendar:CalendarItemType",
    "calendar:MyResponseType",
    "calendar:Organizer",
    "calendar:RequiredAttendees",
    "calendar:OptionalAttendees",
    "calendar:Resources",
    "calendar:Duration",
    "calendar:TimeZone",
    "calendar:AppointmentSequenceNumber",
    "calendar:AppointmentState",
    "calendar:Recurrence",
    "calendar:FirstOccurrence",
    "calendar:LastOccurrence",
    "calendar:ModifiedOccurrences",
    "calendar:DeletedOccurrences",
    "calendar:MeetingTimeZone",
    "calendar:StartTimeZone",
    "calendar:EndTimeZone",
    "calendar:ConferenceType",
    "calendar:AllowNewTimeProposal",
    "calendar:IsOnlineMeeting",
    "calendar:MeetingWorkspaceUrl",
    "calendar:NetShowUrl",
];

/// Only given out by GetItem: FindItem and SyncFolderItems leave them out without a word.
const ONLY_GET: &[&str] = &[
    "item:Body",
    "item:TextBody",
    "calendar:Recurrence",
    "calendar:RequiredAttendees",
    "calendar:OptionalAttendees",
    "calendar:Resources",
    "calendar:FirstOccurrence",
    "calendar:LastOccurrence",
    "calendar:ModifiedOccurrences",
    "calendar:DeletedOccurrences",
];

/// Left out of BaseShape Default.
const NOT_DEFAULT: &[&str] = &["item:ParentFolderId", "item:ItemClass", "item:TextBody", "item:ExtendedProperty"];

/// Checks the properties of an appointment to be made: known, settable and in the order of the schema.
///
/// # Errors
/// ErrorSchemaValidation, which ends the whole request.
pub(in crate::exchange) fn check_order(item: &Element) -> Result<(), Failure> {
    let invalid = |name: &str| {
        let text = format!("The request failed schema validation: The element 'CalendarItem' has invalid child element '{name}'.");
        Failure::new("ErrorSchemaValidation", &text)
    };
    let mut reached = 0;
    for child in &item.children {
        let position = ORDER.iter().position(|uri| name_of(uri) == child.name);
        let position = position
            .filter(|position| *position >= reached)
            .ok_or_else(|| invalid(&child.name))?;
        if is_read_only(&child.name) {
            let text = format!("Set action is invalid for property {}.", child.name);
            return Err(Failure::new("ErrorInvalidPropertySet", &text));
        }
        // Only this one may come several times.
        reached = position + usize::from(child.name != "ExtendedProperty");
    }
    Ok(())
}

fn name_of(uri: &str) -> &str {
    uri.split_once(':').map_or(uri, |(_, name)| name)
}

/// An appointment at one of its times, about to be written.
pub(super) struct Written<'a> {
    pub(super) call: &'a Call,
    pub(super) mailbox: u32,
    pub(super) item: &'a Item,
    pub(super) appointment: &'a Appointment,
    pub(super) instance: Instance,
    pub(super) organizer: String,
}

impl Written<'_> {
    /// Writes what the shape asks for.
    pub(super) fn write(&self, xml: &mut Xml, shape: &ItemShape) {
        xml.wrap("t:CalendarItem", |xml| {
            for uri in ORDER {
                let wanted = *uri == "item:ItemId" || shape.wants(uri, !NOT_DEFAULT.contains(uri));
                if *uri == "item:ExtendedProperty" {
                    self.write_extended(xml, shape);
                } else if wanted && (shape.full || !ONLY_GET.contains(uri)) {
                    self.write_property(xml, name_of(uri));
                }
            }
        });
    }

    fn write_extended(&self, xml: &mut Xml, shape: &ItemShape) {
        let own = self.appointment.set.iter().filter(|element| element.name == "ExtendedProperty");
        for property in own {
            let uri = property.child("ExtendedFieldURI").map(Element::attributes);
            if shape.extended.iter().any(|wanted| Some(wanted.as_slice()) == uri) {
                property.write(xml);
            }
        }
    }

    /// The id of the appointment, or of one of its occurrences.
    fn write_id(&self, xml: &mut Xml, index: Option<u32>) {
        let target = Target {
            mailbox: self.mailbox,
            serial: self.item.serial,
            index,
        };
        self.call.write_instance_id(xml, target, self.item.version);
    }

    fn write_property(&self, xml: &mut Xml, name: &str) {
        let Self {
            item,
            appointment,
            instance,
            ..
        } = self;
        let (element, index) = (format!("t:{name}"), instance.index);
        let element = element.as_str();
        let is_exception = index.is_some_and(|index| appointment.is_exception(index));
        let is_meeting = ["RequiredAttendees", "OptionalAttendees"]
            .iter()
            .any(|name| appointment.property(name, index).is_some());
        match name {
            "ItemId" => self.write_id(xml, index),
            "ParentFolderId" => {
                let ids = self.call.shared.ids;
                ids.with_key(ids.folder(self.mailbox, item.folder.index()), 1).write(xml, element);
            }
            "DateTimeReceived" | "DateTimeCreated" | "DateTimeSent" | "DateTimeStamp" | "LastModifiedTime" => {
                xml.leaf(element, &write_time(item.received));
            }
            "Size" => {
                xml.leaf(element, &(200 + appointment.set.len() * 100).to_string());
            }
            "TextBody" => {
                let text = appointment.text("Body", index).unwrap_or_default();
                xml.element(element, &[("BodyType", "Text")], |xml| xml.text(text));
            }
            "ReminderDueBy" => {
                xml.leaf(element, &write_time(instance.start));
            }
            "UID" => {
                xml.leaf(element, &appointment.uid);
            }
            "Start" => {
                xml.leaf(element, &write_time(instance.start));
            }
            "End" => {
                xml.leaf(element, &write_time(instance.end));
            }
            "OriginalStart" | "RecurrenceId" => {
                if index.is_some() {
                    xml.leaf(element, &write_time(instance.original));
                }
            }
            "IsMeeting" => {
                xml.leaf(element, &is_meeting.to_string());
            }
            "IsRecurring" => {
                xml.leaf(element, &appointment.is_series().to_string());
            }
            "CalendarItemType" => {
                let kind = match (index, is_exception) {
                    (None, _) if appointment.is_series() => "RecurringMaster",
                    (None, _) => "Single",
                    (Some(_), true) => "Exception",
                    (Some(_), false) => "Occurrence",
                };
                xml.leaf(element, kind);
            }
            "Organizer" => {
                xml.wrap(element, |xml| {
                    xml.wrap("t:Mailbox", |xml| {
                        xml.leaf("t:Name", &self.organizer).leaf("t:EmailAddress", &self.organizer);
                        xml.leaf("t:RoutingType", "SMTP").leaf("t:MailboxType", "Mailbox");
                    });
                });
            }
            "Duration" => {
                xml.leaf(element, &duration(instance.end - instance.start));
            }
            "TimeZone" => {
                xml.leaf(element, appointment.zone("StartTimeZone", index));
            }
            "StartTimeZone" | "EndTimeZone" => {
                let set = appointment.property(name, index);
                match set.filter(|set| !set.children.is_empty()) {
                    Some(definition) => definition.write(xml),
                    None => write_zone(xml, element, appointment.zone(name, index), instance.original.offset()),
                }
            }
            "AppointmentState" => {
                xml.leaf(element, if is_meeting { "1" } else { "0" });
            }
            "Recurrence" if index.is_some() => {}
            "FirstOccurrence" | "LastOccurrence" | "ModifiedOccurrences" | "DeletedOccurrences" => {
                if index.is_none() {
                    self.write_occurrences(xml, element);
                }
            }
            _ => match (appointment.property(name, index), usual(name)) {
                (Some(set), _) => set.write(xml),
                (None, Some(usual)) => {
                    xml.leaf(element, usual);
                }
                (None, None) => {}
            },
        }
    }

    /// What a series says about its occurrences.
    fn write_occurrences(&self, xml: &mut Xml, element: &str) {
        let appointment = self.appointment;
        let Some(recurrence) = appointment.recurrence() else { return };
        let starts = || (1_u32..).zip(recurrence.starts(self.instance.start));
        let write = |xml: &mut Xml, element: &str, one: Instance| {
            xml.wrap(element, |xml| {
                self.write_id(xml, one.index);
                xml.leaf("t:Start", &write_time(one.start)).leaf("t:End", &write_time(one.end));
                xml.leaf("t:OriginalStart", &write_time(one.original));
            });
        };
        match element {
            "t:FirstOccurrence" | "t:LastOccurrence" => {
                let mut there = starts()
                    .filter(|(index, _)| !appointment.deleted.contains(index))
                    .map(|(index, _)| index);
                let one = if element == "t:FirstOccurrence" {
                    there.next()
                } else {
                    there.last().filter(|_| recurrence.ends())
                };
                if let Some(instance) = one.and_then(|index| appointment.instance(Some(index))) {
                    write(xml, element, instance);
                }
            }
            "t:ModifiedOccurrences" if !appointment.changed.is_empty() => {
                xml.wrap(element, |xml| {
                    for instance in appointment.changed.keys().filter_map(|index| appointment.instance(Some(*index))) {
                        write(xml, "t:Occurrence", instance);
                    }
                });
            }
            "t:DeletedOccurrences" if !appointment.deleted.is_empty() => {
                xml.wrap(element, |xml| {
                    for (_, start) in starts().filter(|(index, _)| appointment.deleted.contains(index)) {
                        xml.wrap("t:DeletedOccurrence", |xml| {
                            xml.leaf("t:Start", &write_time(start));
                        });
                    }
                });
            }
            _ => {}
        }
    }
}

/// A time zone that was set by its id alone, with the definition without which the vendor's own client takes none. It has one offset only.
fn write_zone(xml: &mut Xml, element: &str, id: &str, offset: UtcOffset) {
    let minutes = offset.whole_minutes();
    // What is to be added to get UTC.
    let bias = format!("{}PT{}M", if minutes > 0 { "-" } else { "" }, minutes.abs());
    let period = format!("trule:Microsoft/Registry/{id}/1-Standard");
    let to = |xml: &mut Xml, kind: &str, target: &str| {
        xml.wrap("t:Transition", |xml| {
            xml.element("t:To", &[("Kind", kind)], |xml| xml.text(target));
        });
    };
    xml.element(element, &[("Name", id), ("Id", id)], |xml| {
        xml.wrap("t:Periods", |xml| {
            xml.empty("t:Period", &[("Bias", &bias), ("Name", "Standard"), ("Id", &period)]);
        });
        xml.wrap("t:TransitionsGroups", |xml| {
            xml.element("t:TransitionsGroup", &[("Id", "0")], |xml| to(xml, "Period", &period));
        });
        xml.wrap("t:Transitions", |xml| to(xml, "Group", "0"));
    });
}

/// What a property is when nobody set it.
fn usual(name: &str) -> Option<&'static str> {
    Some(match name {
        "ItemClass" => "IPM.Appointment",
        "Sensitivity" | "Importance" => "Normal",
        "IsDraft" | "HasAttachments" | "IsAllDayEvent" | "IsCancelled" | "MeetingRequestWasSent" | "IsOnlineMeeting" => "false",
        "ReminderIsSet" | "IsResponseRequested" | "AllowNewTimeProposal" => "true",
        "ReminderMinutesBeforeStart" => "15",
        "LegacyFreeBusyStatus" => "Busy",
        "MyResponseType" => "Organizer",
        "AppointmentSequenceNumber" | "ConferenceType" => "0",
        _ => return None,
    })
}

/// A span of time (xs:duration).
fn duration(span: Duration) -> String {
    let (days, hours, minutes) = (span.whole_days(), span.whole_hours() % 24, span.whole_minutes() % 60);
    let mut text = "P".to_owned();
    let mut part = |number: i64, unit: &str| {
        if number > 0 {
            text.push_str(&format!("{number}{unit}"));
        }
    };
    part(days, "D");
    if hours > 0 || minutes > 0 || days == 0 {
        text.push('T');
        let mut part = |number: i64, unit: char| text.push_str(&format!("{number}{unit}"));
        if hours > 0 {
            part(hours, 'H');
        }
        if minutes > 0 || hours == 0 {
            part(minutes, 'M');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written() {
        for (minutes, expected) in [(0, "PT0M"), (60, "PT1H"), (90, "PT1H30M"), (1440, "P1D"), (1500, "P1DT1H")] {
            assert_eq!(duration(Duration::minutes(minutes)), expected);
        }
    }

    #[test]
    fn the_order_of_the_schema_is_kept() {
        let check = |names: &[&str]| {
            let inside: String = names.iter().map(|name| format!("<{name}/>")).collect();
            let item = Element::parse(&format!("<CalendarItem>{inside}</CalendarItem>")).unwrap();
            check_order(&item).map_err(|failure| failure.code)
        };
        assert_eq!(check(&["Subject", "ExtendedProperty", "ExtendedProperty", "Start", "End"]), Ok(()));
        for wrong in [&["End", "Start"][..], &["Start", "Start"], &["Start", "Subject"], &["Nonsense"]] {
            assert_eq!(check(wrong), Err("ErrorSchemaValidation".into()), "{wrong:?}");
        }
        assert_eq!(check(&["Subject", "Organizer"]), Err("ErrorInvalidPropertySet".into()));
    }
}
