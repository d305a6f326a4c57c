//! `event.payload`: what happened, by the kind that `event.kind` has too.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Cell, MailboxV1, read_first, write};
use crate::domain::{AutomaticKind, Contact, EventKind, Note, Result, Timestamp, TokenEvent, TokenEventKind};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum EventV1 {
    Matched(Box<NoteV1>),
    ContactCreated(ContactV1),
    Token(Box<TokenEventV1>),
}

#[derive(Serialize, Deserialize)]
struct NoteV1 {
    id: String,
    case: String,
    case_reference: String,
    customer: String,
    contact: Option<String>,
    contact_created: bool,
    agent: String,
    message: Option<String>,
    message_id: String,
    sender: Option<MailboxV1>,
    subject: String,
    text: String,
    quoted: String,
    /// Absent in events that were written before there was a beginning of the history in them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    quoted_is_cut: bool,
    automatic: Option<String>,
    sender_not_authentic: bool,
    /// Microseconds since 1970, as all times.
    received: i64,
    created: i64,
    blob: Option<Vec<u8>>,
    size: i64,
}

#[derive(Serialize, Deserialize)]
struct ContactV1 {
    id: String,
    customer: String,
    display_name: String,
    addresses: Vec<String>,
    revision: i64,
    created_by_service: bool,
}

#[derive(Serialize, Deserialize)]
struct TokenEventV1 {
    kind: String,
    source: String,
    owner_user: String,
    account: String,
    provider: String,
    expires: Option<i64>,
    threshold: Option<Duration>,
    problem: String,
    provider_reply: String,
}

pub fn write_event(event: EventKind) -> String {
    write(&match event {
        EventKind::Matched(note) => EventV1::Matched(Box::new(from_note(*note))),
        EventKind::ContactCreated(contact) => EventV1::ContactCreated(from_contact(contact)),
        EventKind::Token(event) => EventV1::Token(Box::new(from_token_event(*event))),
    })
}

pub fn read_event(text: &str, row: &str) -> Result<EventKind> {
    let cell = Cell::new("event", "payload", row);
    let event = match read_first(text, cell)? {
        EventV1::Matched(note) => to_note(*note).map(|note| EventKind::Matched(Box::new(note))),
        EventV1::ContactCreated(contact) => Some(EventKind::ContactCreated(to_contact(contact))),
        EventV1::Token(event) => to_token_event(*event).map(|event| EventKind::Token(Box::new(event))),
    };
    event.ok_or_else(|| cell.corrupt())
}

fn from_note(note: Note) -> NoteV1 {
    NoteV1 {
        id: note.id.to_string(),
        case: note.case.to_string(),
        case_reference: note.case_reference,
        customer: note.customer.to_string(),
        contact: note.contact.map(String::from),
        contact_created: note.contact_created,
        agent: note.agent.to_string(),
        message: note.message.map(String::from),
        message_id: note.message_id,
        sender: note.sender.map(MailboxV1::from),
        subject: note.subject,
        text: note.text,
        quoted: note.quoted,
        quoted_is_cut: note.quoted_is_cut,
        automatic: note.automatic.map(|kind| kind.as_str().to_owned()),
        sender_not_authentic: note.sender_not_authentic,
        received: note.received.0,
        created: note.created.0,
        blob: note.blob,
        size: note.size,
    }
}

/// `None` when it has a name that there is not.
fn to_note(note: NoteV1) -> Option<Note> {
    Some(Note {
        automatic: match note.automatic {
            Some(kind) => Some(AutomaticKind::parse(&kind)?),
            None => None,
        },
        id: note.id.into(),
        case: note.case.into(),
        case_reference: note.case_reference,
        customer: note.customer.into(),
        contact: note.contact.map(Into::into),
        contact_created: note.contact_created,
        agent: note.agent.into(),
        message: note.message.map(Into::into),
        message_id: note.message_id,
        sender: note.sender.map(Into::into),
        subject: note.subject,
        text: note.text,
        quoted: note.quoted,
        quoted_is_cut: note.quoted_is_cut,
        sender_not_authentic: note.sender_not_authentic,
        received: Timestamp(note.received),
        created: Timestamp(note.created),
        blob: note.blob,
        size: note.size,
    })
}

fn from_contact(contact: Contact) -> ContactV1 {
    ContactV1 {
        id: contact.id.to_string(),
        customer: contact.customer.to_string(),
        display_name: contact.display_name,
        addresses: contact.addresses,
        revision: contact.revision,
        created_by_service: contact.created_by_service,
    }
}

fn to_contact(contact: ContactV1) -> Contact {
    Contact {
        id: contact.id.into(),
        customer: contact.customer.into(),
        display_name: contact.display_name,
        addresses: contact.addresses,
        revision: contact.revision,
        created_by_service: contact.created_by_service,
    }
}

fn from_token_event(event: TokenEvent) -> TokenEventV1 {
    TokenEventV1 {
        kind: event.kind.as_str().to_owned(),
        source: event.source,
        owner_user: event.owner_user.to_string(),
        account: event.account,
        provider: event.provider,
        expires: event.expires.map(|time| time.0),
        threshold: event.threshold,
        problem: event.problem,
        provider_reply: event.provider_reply,
    }
}

/// `None` when it has a name that there is not.
fn to_token_event(event: TokenEventV1) -> Option<TokenEvent> {
    Some(TokenEvent {
        kind: TokenEventKind::parse(&event.kind)?,
        source: event.source,
        owner_user: event.owner_user.into(),
        account: event.account,
        provider: event.provider,
        expires: event.expires.map(Timestamp),
        threshold: event.threshold,
        problem: event.problem,
        provider_reply: event.provider_reply,
    })
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check_form, *};
    use crate::domain::Mailbox;

    fn check(event: EventKind, text: &str) {
        check_form(event, text, write_event, |text| read_event(text, "r1"));
    }

    fn note() -> Note {
        Note {
            id: "01N".into(),
            case: "case-oak".into(),
            case_reference: "CS-0000001".to_owned(),
            customer: "oak".into(),
            contact: None,
            contact_created: false,
            agent: "01A".into(),
            message: None,
            message_id: String::new(),
            sender: None,
            subject: "CS-0000001".to_owned(),
            text: "Line 1\nline \"2\"".to_owned(),
            quoted: String::new(),
            quoted_is_cut: false,
            automatic: None,
            sender_not_authentic: false,
            received: Timestamp(1),
            created: Timestamp(2),
            blob: None,
            size: 7,
        }
    }

    #[test]
    fn matches_are_read_as_they_were_written() {
        check(
            EventKind::Matched(Box::new(note())),
            r#"{"matched":{"id":"01N","case":"case-oak","case_reference":"CS-0000001","customer":"oak","contact":null,"contact_created":false,"agent":"01A","message":null,"message_id":"","sender":null,"subject":"CS-0000001","text":"Line 1\nline \"2\"","quoted":"","automatic":null,"sender_not_authentic":false,"received":1,"created":2,"blob":null,"size":7}}"#,
        );
        let whole = Note {
            contact: Some("eva".into()),
            contact_created: true,
            message: Some("01M".into()),
            message_id: "1@oak.example".to_owned(),
            sender: Some(Mailbox {
                display_name: "Eva".to_owned(),
                address: "eva@oak.example".to_owned(),
            }),
            quoted: "> old".to_owned(),
            quoted_is_cut: true,
            automatic: Some(AutomaticKind::AutoReply),
            sender_not_authentic: true,
            received: Timestamp(1_795_428_000_000_000),
            created: Timestamp(-1),
            blob: Some(vec![0, 255]),
            ..note()
        };
        check(
            EventKind::Matched(Box::new(whole)),
            r#"{"matched":{"id":"01N","case":"case-oak","case_reference":"CS-0000001","customer":"oak","contact":"eva","contact_created":true,"agent":"01A","message":"01M","message_id":"1@oak.example","sender":{"display_name":"Eva","address":"eva@oak.example"},"subject":"CS-0000001","text":"Line 1\nline \"2\"","quoted":"> old","quoted_is_cut":true,"automatic":"auto_reply","sender_not_authentic":true,"received":1795428000000000,"created":-1,"blob":[0,255],"size":7}}"#,
        );
        for (kind, name) in [
            (AutomaticKind::AutoReply, "auto_reply"),
            (AutomaticKind::Bounce, "bounce"),
            (AutomaticKind::List, "list"),
            (AutomaticKind::Report, "report"),
        ] {
            let event = EventKind::Matched(Box::new(Note {
                automatic: Some(kind),
                ..note()
            }));
            let text = write_event(event.clone());
            assert!(text.contains(&format!("\"automatic\":\"{name}\"")), "{text}");
            assert_eq!(read_event(&text, "r1").unwrap(), event);
            assert!(read_event(&text.replace(name, "another"), "r1").is_err());
        }
    }

    #[test]
    fn created_contacts_are_read_as_they_were_written() {
        let contact = Contact {
            id: "01C".into(),
            customer: "oak".into(),
            display_name: "New, Ina".to_owned(),
            addresses: vec!["ina@oak.example".to_owned()],
            revision: Contact::UNREVISED,
            created_by_service: true,
        };
        check(
            EventKind::ContactCreated(contact),
            r#"{"contact_created":{"id":"01C","customer":"oak","display_name":"New, Ina","addresses":["ina@oak.example"],"revision":-1,"created_by_service":true}}"#,
        );
    }

    #[test]
    fn token_events_are_read_as_they_were_written() {
        let event = |kind| TokenEvent {
            kind,
            source: "agents/01A".to_owned(),
            owner_user: "anna".into(),
            account: "anna@example.com".to_owned(),
            provider: "contoso".to_owned(),
            expires: None,
            threshold: None,
            problem: String::new(),
            provider_reply: String::new(),
        };
        for (kind, name) in [
            (TokenEventKind::Expiring, "expiring"),
            (TokenEventKind::Expired, "expired"),
            (TokenEventKind::Renewed, "renewed"),
            (TokenEventKind::LoginRequired, "login_required"),
            (TokenEventKind::LoginRevoked, "login_revoked"),
            (TokenEventKind::ConsentGiven, "consent_given"),
            (TokenEventKind::ConsentRevoked, "consent_revoked"),
            (TokenEventKind::SecretExpiring, "secret_expiring"),
        ] {
            let text = format!(
                r#"{{"token":{{"kind":"{name}","source":"agents/01A","owner_user":"anna","account":"anna@example.com","provider":"contoso","expires":null,"threshold":null,"problem":"","provider_reply":""}}}}"#
            );
            check(EventKind::Token(Box::new(event(kind))), &text);
            assert!(read_event(&text.replace(name, "another"), "r1").is_err());
        }
        let whole = TokenEvent {
            expires: Some(Timestamp(1_795_996_800_000_000)),
            threshold: Some(Duration::new(1_209_600, 5)),
            problem: "Log in again.".to_owned(),
            provider_reply: "AADSTS1".to_owned(),
            ..event(TokenEventKind::Expiring)
        };
        check(
            EventKind::Token(Box::new(whole)),
            r#"{"token":{"kind":"expiring","source":"agents/01A","owner_user":"anna","account":"anna@example.com","provider":"contoso","expires":1795996800000000,"threshold":{"secs":1209600,"nanos":5},"problem":"Log in again.","provider_reply":"AADSTS1"}}"#,
        );
    }
}
