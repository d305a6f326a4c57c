//! Appointments in JSON, to be read: the same that EWS has. They are written over EWS only.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{
    super::{
        calendar::{AgendaEntry, read_time},
        world::FolderKind,
    },
    Ask, Call, Refusal, Reply,
    resources::for_urls,
};
use crate::clock::write_time;

impl Call {
    /// All appointments; series as a whole.
    pub(super) fn events(&self, mailbox: u32, ask: &Ask) -> Result<Reply, Refusal> {
        let all = {
            let world = self.shared.world();
            let held = world.mailbox(mailbox).ok_or_else(not_found)?;
            let serials = held.newest_first(FolderKind::Calendar);
            serials
                .filter_map(|serial| {
                    let appointment = held.appointment(serial)?.clone();
                    Some(AgendaEntry {
                        item: held.item(serial)?.clone(),
                        instance: appointment.whole()?,
                        appointment,
                    })
                })
                .collect::<Vec<_>>()
        };
        let events = all.iter().map(|entry| self.event_json(mailbox, entry, ask.immutable()));
        Ok(Reply::json(200, &json!({ "value": events.collect::<Vec<Value>>() })))
    }

    /// What takes place in a stretch of time; series are spread out.
    pub(super) fn calendar_view(&self, mailbox: u32, ask: &Ask) -> Result<Reply, Refusal> {
        let time = |name: &str| {
            let text = "This request requires a time window specified by the query string parameters StartDateTime and EndDateTime.";
            let missing = || Refusal::new(400, "ErrorInvalidParameter", text);
            ask.option(name).and_then(read_time).ok_or_else(missing)
        };
        let (from, to) = (time("startDateTime")?, time("endDateTime")?);
        let all = {
            let world = self.shared.world();
            let held = world.mailbox(mailbox).ok_or_else(not_found)?;
            held.agenda(FolderKind::Calendar, from, to)
        };
        let events = all.iter().map(|entry| self.event_json(mailbox, entry, ask.immutable()));
        Ok(Reply::json(200, &json!({ "value": events.collect::<Vec<Value>>() })))
    }

    fn event_json(&self, mailbox: u32, entry: &AgendaEntry, immutable: bool) -> Value {
        let AgendaEntry {
            item,
            appointment,
            instance,
        } = entry;
        let index = instance.index;
        let text = |name: &str| appointment.text(name, index).unwrap_or_default();
        let own = self.item_id(mailbox, item.serial, item.origin, immutable);
        let series = index.map(|_| own.clone());
        let id = index.map_or(own, |index| for_urls(&self.shared.ids.occurrence(mailbox, item.serial, index)));
        let kind = match index {
            None if appointment.is_series() => "seriesMaster",
            None => "singleInstance",
            Some(index) if appointment.is_exception(index) => "exception",
            Some(_) => "occurrence",
        };
        let shows = match text("LegacyFreeBusyStatus") {
            "Free" => "free",
            "Tentative" => "tentative",
            "OOF" => "oof",
            "WorkingElsewhere" => "workingElsewhere",
            _ => "busy",
        };
        let sensitivity = match text("Sensitivity") {
            "" => "normal".to_owned(),
            set => set.to_lowercase(),
        };
        let body = appointment.property("Body", index);
        let body_type = if body.and_then(|body| body.attribute("BodyType")) == Some("HTML") {
            "html"
        } else {
            "text"
        };
        json!({
            "id": id,
            "changeKey": self.shared.ids.change_key(item.version),
            "iCalUId": appointment.uid,
            "subject": text("Subject"),
            "body": { "contentType": body_type, "content": text("Body") },
            "start": moment(instance.start),
            "end": moment(instance.end),
            "originalStartTimeZone": appointment.zone("StartTimeZone", index),
            "originalEndTimeZone": appointment.zone("EndTimeZone", index),
            "location": { "displayName": text("Location") },
            "isAllDay": text("IsAllDayEvent") == "true",
            "isCancelled": false,
            "showAs": shows,
            "sensitivity": sensitivity,
            "type": kind,
            "seriesMasterId": series,
        })
    }
}

fn not_found() -> Refusal {
    Refusal::new(404, "ErrorItemNotFound", "The specified object was not found in the store.")
}

/// A time as Graph writes it, in UTC.
fn moment(time: OffsetDateTime) -> Value {
    json!({ "dateTime": format!("{}.0000000", write_time(time).trim_end_matches('Z')), "timeZone": "UTC" })
}
