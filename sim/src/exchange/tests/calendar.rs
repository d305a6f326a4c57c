//! Appointments, by requests written out.

use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::entra::TokenHolder;

const CALENDAR: &str = r#"<t:DistinguishedFolderId Id="calendar"/>"#;
const ZONES: &str = r#"<t:StartTimeZone Id="W. Europe Standard Time"/><t:EndTimeZone Id="W. Europe Standard Time"/>"#;

fn create(attributes: &str, inside: &str) -> String {
    format!("<CreateItem {attributes}><Items><t:CalendarItem>{inside}</t:CalendarItem></Items></CreateItem>")
}

fn times(day: u8, (start, end): (u8, u8)) -> String {
    format!("<t:Start>2026-11-{day:02}T{start:02}:00:00+01:00</t:Start><t:End>2026-11-{day:02}T{end:02}:00:00+01:00</t:End>")
}

fn view(from: &str, to: &str, more: &str) -> String {
    format!(
        "<FindItem Traversal=\"Shallow\"><ItemShape><t:BaseShape>AllProperties</t:BaseShape></ItemShape>\
         <CalendarView StartDate=\"{from}\" EndDate=\"{to}\"{more}/><ParentFolderIds>{CALENDAR}</ParentFolderIds></FindItem>"
    )
}

fn get(id: &str) -> String {
    format!("<GetItem><ItemShape><t:BaseShape>AllProperties</t:BaseShape></ItemShape><ItemIds>{id}</ItemIds></GetItem>")
}

fn set(id: &str, attributes: &str, uri: &str, value: &str) -> String {
    format!(
        "<UpdateItem ConflictResolution=\"NeverOverwrite\" {attributes}><ItemChanges><t:ItemChange>{id}<t:Updates><t:SetItemField>\
         <t:FieldURI FieldURI=\"{uri}\"/><t:CalendarItem>{value}</t:CalendarItem></t:SetItemField></t:Updates></t:ItemChange>\
         </ItemChanges></UpdateItem>"
    )
}

fn delete(id: &str, attributes: &str) -> String {
    format!("<DeleteItem DeleteType=\"MoveToDeletedItems\" {attributes}><ItemIds>{id}</ItemIds></DeleteItem>")
}

const NOBODY: &str = r#"SendMeetingInvitations="SendToNone""#;
const NOBODY_TOLD: &str = r#"SendMeetingInvitationsOrCancellations="SendToNone""#;
const NOBODY_CANCELLED: &str = r#"SendMeetingCancellations="SendToNone""#;

impl Client {
    /// Makes an appointment. Returns its id as an element.
    async fn appoint(&self, inside: &str) -> String {
        let (_, document) = self.call(&create(NOBODY, inside)).await.unwrap();
        id_in(&document)
    }
}

/// The first item id of an answer, as an element.
fn id_in(document: &str) -> String {
    let id = elements(document, "ItemId").remove(0);
    let attribute = |name| id.attribute(name).unwrap().to_owned();
    format!("<t:ItemId Id=\"{}\" ChangeKey=\"{}\"/>", attribute("Id"), attribute("ChangeKey"))
}

#[tokio::test]
async fn an_appointment_is_made_read_changed_and_deleted() {
    let client = Client::new(0).await;
    let whole = format!(
        "<t:Subject>Visit</t:Subject>{}<t:Location>Oak</t:Location>{ZONES}",
        times(23, (10, 11))
    );
    let id = client.appoint(&whole).await;
    let (_, got) = client.call(&get(&id)).await.unwrap();
    for (name, expected) in [
        ("Subject", "Visit"),
        ("Start", "2026-11-23T09:00:00Z"),
        ("End", "2026-11-23T10:00:00Z"),
        ("Location", "Oak"),
        ("CalendarItemType", "Single"),
        ("LegacyFreeBusyStatus", "Busy"),
        ("Duration", "PT1H"),
    ] {
        assert_eq!(texts(&got, name), [expected], "{name}");
    }
    assert_eq!(elements(&got, "StartTimeZone")[0].attribute("Id"), Some("W. Europe Standard Time"));
    let item = elements(&got, "CalendarItem").remove(0);
    let order: Vec<&str> = item.children.iter().map(|child| child.name.as_str()).collect();
    let place = |name: &str| order.iter().position(|one| *one == name).unwrap();
    let in_order = [
        "ItemId",
        "Subject",
        "UID",
        "Start",
        "End",
        "Location",
        "CalendarItemType",
        "Organizer",
        "Duration",
        "StartTimeZone",
    ];
    assert!(in_order.is_sorted_by_key(|name| place(name)), "{order:?}");

    let (_, changed) = client
        .call(&set(&id, NOBODY_TOLD, "item:Subject", "<t:Subject>Call</t:Subject>"))
        .await
        .unwrap();
    let newer = id_in(&changed);
    assert_ne!(id, newer, "another change key");
    assert_eq!(
        client
            .codes(&set(&id, NOBODY_TOLD, "item:Subject", "<t:Subject>x</t:Subject>"))
            .await,
        ["ErrorIrresolvableConflict"]
    );
    let (_, got) = client.call(&get(&newer)).await.unwrap();
    assert_eq!(
        (texts(&got, "Subject"), texts(&got, "Location")),
        (vec!["Call".to_owned()], vec!["Oak".to_owned()])
    );

    assert_eq!(client.codes(&delete(&newer, NOBODY_CANCELLED)).await, ["NoError"]);
    assert_eq!(client.codes(&get(&newer)).await, ["ErrorItemNotFound"]);
    let bin = client.exchange.items(ANNA, FolderKind::Deleted);
    let (_, got) = client.call(&get(&format!("<t:ItemId Id=\"{}\"/>", bin[0].id))).await.unwrap();
    assert_eq!(texts(&got, "Subject"), ["Call"]);
}

#[tokio::test]
async fn what_exchange_refuses_is_refused() {
    let client = Client::new(0).await;
    let good = times(23, (10, 11));
    let id = client.appoint(&good).await;
    let backwards = times(23, (10, 9));
    for (request, code) in [
        (create("", &good), "ErrorSendMeetingInvitationsRequired"),
        (create(NOBODY, "<t:Subject>x</t:Subject>"), "ErrorRequiredPropertyMissing"),
        (create(NOBODY, &backwards), "ErrorCalendarEndDateIsEarlierThanStartDate"),
        (create(NOBODY, &format!("{good}<t:Subject>x</t:Subject>")), "ErrorSchemaValidation"),
        (create(NOBODY, &format!("{good}<t:Recurrence/>")), "ErrorCalendarInvalidRecurrence"),
        (
            set(&id, "", "item:Subject", "<t:Subject>x</t:Subject>"),
            "ErrorSendMeetingInvitationsOrCancellationsRequired",
        ),
        (
            set(&id, NOBODY_TOLD, "item:Subject", "<t:Location>x</t:Location>"),
            "ErrorUpdatePropertyMismatch",
        ),
        (
            set(&id, NOBODY_TOLD, "calendar:End", "<t:End>2026-11-01T00:00:00Z</t:End>"),
            "ErrorCalendarEndDateIsEarlierThanStartDate",
        ),
        (delete(&id, ""), "ErrorSendMeetingCancellationsRequired"),
        (
            view("2026-11-02T00:00:00Z", "2026-11-01T00:00:00Z", ""),
            "ErrorCalendarEndDateIsEarlierThanStartDate",
        ),
        (
            view("2026-11-02T00:00:00Z", "2029-11-01T00:00:00Z", ""),
            "ErrorCalendarViewRangeTooBig",
        ),
    ] {
        assert_eq!(client.codes(&request).await, [code], "{request}");
    }
    let (_, got) = client.call(&get(&id)).await.unwrap();
    assert_eq!(texts(&got, "End"), ["2026-11-23T10:00:00Z"], "nothing was changed");
}

#[tokio::test]
async fn a_view_spreads_a_series_out_and_occurrences_stand_alone() {
    let client = Client::new(0).await;
    let series = format!(
        "<t:Subject>Round</t:Subject>{}<t:Recurrence><t:WeeklyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Monday \
         Wednesday</t:DaysOfWeek></t:WeeklyRecurrence><t:NumberedRecurrence><t:StartDate>2026-11-02</t:StartDate>\
         <t:NumberOfOccurrences>4</t:NumberOfOccurrences></t:NumberedRecurrence></t:Recurrence>{ZONES}",
        times(2, (10, 11))
    );
    let master = client.appoint(&series).await;
    client.appoint(&format!("<t:Subject>Once</t:Subject>{}", times(4, (8, 9)))).await;
    let november = view("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", "");
    let (_, seen) = client.call(&november).await.unwrap();
    assert_eq!(texts(&seen, "Subject"), ["Round", "Once", "Round", "Round", "Round"]);
    let starts = ["2026-11-02T09", "2026-11-04T07", "2026-11-04T09", "2026-11-09T09", "2026-11-11T09"];
    assert_eq!(texts(&seen, "Start"), starts.map(|start| format!("{start}:00:00Z")));
    let (_, two) = client
        .call(&view("2026-11-03T00:00:00Z", "2026-12-01T00:00:00Z", " MaxEntriesReturned=\"2\""))
        .await
        .unwrap();
    assert_eq!(texts(&two, "Subject"), ["Once", "Round"]);
    let root = elements(&two, "RootFolder").remove(0);
    assert_eq!(root.attribute("IncludesLastItemInRange"), Some("false"));
    // One that lasts into the window is in it.
    let (_, within) = client
        .call(&view("2026-11-02T09:30:00Z", "2026-11-02T09:45:00Z", ""))
        .await
        .unwrap();
    assert_eq!(texts(&within, "CalendarItemType"), ["Occurrence"]);

    let by_number = |number: u32| {
        let id = master.split('"').nth(1).unwrap();
        format!("<t:OccurrenceItemId RecurringMasterId=\"{id}\" InstanceIndex=\"{number}\"/>")
    };
    let (_, third) = client.call(&get(&by_number(3))).await.unwrap();
    assert_eq!(texts(&third, "Start"), ["2026-11-09T09:00:00Z"]);
    assert_eq!(
        client.codes(&get(&by_number(5))).await,
        ["ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange"]
    );
    let moved = set(
        &id_in(&third),
        NOBODY_TOLD,
        "calendar:Start",
        "<t:Start>2026-11-09T09:15:00Z</t:Start>",
    );
    assert_eq!(client.codes(&moved).await, ["NoError"]);
    assert_eq!(client.codes(&delete(&by_number(2), NOBODY_CANCELLED)).await, ["NoError"]);
    let (_, seen) = client.call(&november).await.unwrap();
    assert_eq!(
        texts(&seen, "CalendarItemType"),
        ["Occurrence", "Single", "Exception", "Occurrence"]
    );
    let (_, whole) = client.call(&get(&master)).await.unwrap();
    assert_eq!(texts(&whole, "CalendarItemType"), ["RecurringMaster"]);
    let inside = |name: &str| elements(&whole, name).remove(0);
    assert_eq!(inside("DeletedOccurrence").text_of("Start"), Some("2026-11-04T09:00:00Z"));
    assert_eq!(inside("Occurrence").text_of("OriginalStart"), Some("2026-11-09T09:00:00Z"));
    assert_eq!(inside("LastOccurrence").text_of("Start"), Some("2026-11-11T09:00:00Z"));
    // The listing that is no view has the series as a whole.
    let sync = sync("", 10).replace(INBOX, CALENDAR);
    let (_, synced) = client.call(&sync).await.unwrap();
    assert_eq!(elements(&synced, "CalendarItem").len(), 2);
}

#[tokio::test]
async fn graph_shows_the_same_appointments() {
    let holder = TokenHolder {
        account: Some("corp\\anna".to_owned()),
        scopes: vec!["Mail.ReadWrite".to_owned(), "Calendars.Read".to_owned()],
        application: false,
        directory: "directory".to_owned(),
    };
    let tokens = Arc::new(move |token: &str| (token == "good").then(|| holder.clone()));
    let client = Client::with(Exchange::builder().tokens(tokens), 1).await;
    let daily = "<t:Recurrence><t:DailyRecurrence><t:Interval>1</t:Interval></t:DailyRecurrence><t:NumberedRecurrence>\
                 <t:StartDate>2026-11-02</t:StartDate><t:NumberOfOccurrences>3</t:NumberOfOccurrences></t:NumberedRecurrence></t:Recurrence>";
    client
        .appoint(&format!("<t:Subject>Round</t:Subject>{}{daily}{ZONES}", times(2, (10, 11))))
        .await;
    client
        .appoint(&format!(
            "<t:Subject>Visit</t:Subject>{}<t:LegacyFreeBusyStatus>OOF</t:LegacyFreeBusyStatus>{ZONES}",
            times(23, (10, 11))
        ))
        .await;
    let read = async |path: &str| {
        let url = format!("{}/me/{path}", client.exchange.graph());
        let response = client.http.get(url).bearer_auth("good").send().await.unwrap();
        let status = response.status().as_u16();
        let answer: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        (status, answer)
    };
    let told = |answer: &Value, name: &str| -> Vec<String> {
        let all = answer["value"].as_array().unwrap();
        all.iter()
            .map(|event| event[name].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let (_, view) = read("calendarView?startDateTime=2026-11-03T00:00:00Z&endDateTime=2026-12-01T00:00:00Z").await;
    assert_eq!(told(&view, "subject"), ["Round", "Round", "Visit"]);
    assert_eq!(told(&view, "type"), ["occurrence", "occurrence", "singleInstance"]);
    let visit = &view["value"][2];
    assert_eq!(visit["start"]["dateTime"], "2026-11-23T09:00:00.0000000");
    assert_eq!(
        (&visit["originalStartTimeZone"], &visit["showAs"]),
        (&"W. Europe Standard Time".into(), &"oof".into())
    );
    let (_, events) = read("events").await;
    assert_eq!(told(&events, "type"), ["singleInstance", "seriesMaster"]);
    assert_eq!(view["value"][0]["seriesMasterId"], events["value"][1]["id"]);
    assert_eq!(read("calendarView").await.0, 400);
    // They are no mail.
    assert_eq!(read("messages").await.1["value"].as_array().unwrap().len(), 1);
}
