//! What the schema says of an appointment's properties.

use super::super::xml::Element;

/// What only Exchange sets.
const READ_ONLY: &[&str] = &[
    "ItemId",
    "ParentFolderId",
    "DateTimeReceived",
    "Size",
    "IsDraft",
    "DateTimeSent",
    "DateTimeCreated",
    "DisplayCc",
    "DisplayTo",
    "HasAttachments",
    "LastModifiedTime",
    "TextBody",
    "RecurrenceId",
    "DateTimeStamp",
    "OriginalStart",
    "IsMeeting",
    "IsCancelled",
    "IsRecurring",
    "MeetingRequestWasSent",
    "CalendarItemType",
    "MyResponseType",
    "Organizer",
    "Duration",
    "TimeZone",
    "AppointmentSequenceNumber",
    "AppointmentState",
    "FirstOccurrence",
    "LastOccurrence",
    "ModifiedOccurrences",
    "DeletedOccurrences",
    "IsOnlineMeeting",
];

/// Properties that are true or false (xs:boolean), which clients may also write as 1 and 0.
const BOOLEANS: &[&str] = &["ReminderIsSet", "IsAllDayEvent", "IsResponseRequested", "AllowNewTimeProposal"];

/// A property as Exchange keeps it.
pub(super) fn canonical(property: &Element) -> Element {
    let mut property = property.clone();
    if BOOLEANS.contains(&property.name.as_str()) {
        property.text = matches!(property.text.trim(), "true" | "1").to_string();
    }
    property
}

pub(super) fn is_read_only(name: &str) -> bool {
    READ_ONLY.contains(&name)
}
