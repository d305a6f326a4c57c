//! What all operations share: who acts, on which mailboxes, and how results become response messages.

use std::{borrow::Cow, collections::HashSet, sync::Arc, time::Duration};

use super::{
    FaultKind, Shared,
    world::World,
    xml::{self, Element, Xml},
};

/// Why an entry or a whole request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: Cow<'static, str>,
    pub(super) text: String,
    backoff: Option<Duration>,
    /// The subscriptions that it is about.
    pub(super) subscriptions: Vec<String>,
}

impl Failure {
    pub(super) fn new(code: &'static str, text: &str) -> Self {
        Self {
            code: code.into(),
            text: text.to_owned(),
            backoff: None,
            subscriptions: Vec::new(),
        }
    }

    pub(super) fn busy(backoff: Option<Duration>) -> Self {
        let text = "The server cannot service this request right now. Try again later.";
        Self {
            backoff,
            ..Self::new("ErrorServerBusy", text)
        }
    }

    /// The same, about these subscriptions.
    pub(super) fn about(self, subscriptions: Vec<String>) -> Self {
        Self { subscriptions, ..self }
    }

    pub(super) fn item_not_found() -> Self {
        Self::new("ErrorItemNotFound", "The specified object was not found in the store.")
    }

    fn backoff_value(&self, xml: &mut Xml) {
        if let Some(backoff) = self.backoff {
            xml.element("t:Value", &[("Name", "BackOffMilliseconds")], |xml| {
                xml.text(&backoff.as_millis().to_string());
            });
        }
    }

    /// The whole document of a SOAP fault.
    pub(super) fn soap_fault(&self) -> String {
        let mut xml = Xml::new();
        xml.wrap("s:Fault", |xml| {
            xml.element("faultcode", &[("xmlns:a", xml::TYPES)], |xml| xml.text(&format!("a:{}", self.code)));
            xml.element("faultstring", &[("xml:lang", "en-US")], |xml| xml.text(&self.text));
            xml.wrap("detail", |xml| {
                xml.element("e:ResponseCode", &[("xmlns:e", xml::ERRORS)], |xml| xml.text(&self.code));
                xml.element("e:Message", &[("xmlns:e", xml::ERRORS)], |xml| xml.text(&self.text));
                if self.backoff.is_some() {
                    xml.wrap("t:MessageXml", |xml| self.backoff_value(xml));
                }
            });
        });
        xml::envelope(&xml.into_string())
    }
}

/// What comes of an entry: what follows ResponseCode in its response message.
pub(super) type Entry = Result<Xml, Failure>;

/// What comes of a request.
pub(super) enum Answer {
    /// A whole document.
    Document(String),
    /// HTTP 500 with a SOAP fault.
    Fault(Failure),
}

/// A request that is understood.
pub(super) struct Call {
    pub(super) shared: Arc<Shared>,
    pub(super) login: String,
    envelope: Element,
    /// The mailbox on whose behalf the request is made.
    pub(super) actor: Option<u32>,
    /// Mailboxes that the request may use.
    allowed: HashSet<u32>,
    /// The mailbox that the request is about, by whose budget it is limited.
    pub(super) target: Option<u32>,
    /// The server behind the address that the request came to.
    pub(super) back_end: u32,
    /// The scripted fault that is left to the operation.
    pub(super) fault: Option<FaultKind>,
}

impl Call {
    pub(super) fn new(shared: Arc<Shared>, login: String, envelope: Element) -> Result<Self, Failure> {
        let (actor, allowed, target) = {
            let world = shared.world();
            let (actor, allowed) = rights(&world, &login, impersonated(&envelope))?;
            let target = envelope.child("Body").and_then(|body| about(&shared, &world, body)).or(actor);
            (actor, allowed, target)
        };
        Ok(Self {
            shared,
            login,
            envelope,
            actor,
            allowed,
            target,
            back_end: 0,
            fault: None,
        })
    }

    /// The element of the operation.
    pub(super) fn operation(&self) -> &Element {
        self.envelope
            .child("Body")
            .and_then(|body| body.children.first())
            .expect("a call is only made of an envelope with an operation")
    }

    /// The Windows id of the time zone that the request is made in.
    pub(super) fn time_zone(&self) -> &str {
        let zone = self.envelope.at(&["Header", "TimeZoneContext", "TimeZoneDefinition"]);
        zone.and_then(|zone| zone.attribute("Id")).unwrap_or("UTC")
    }

    /// Carries the operation out.
    pub(super) fn execute(&self) -> Answer {
        let operation = self.operation();
        let entries = match operation.name.as_str() {
            "GetFolder" => self.get_folder(operation),
            "FindFolder" => self.find_folder(operation),
            "SyncFolderItems" => self.sync_folder_items(operation),
            "FindItem" => self.find_item(operation),
            "GetItem" => self.get_item(operation),
            "CreateItem" => self.create_item(operation),
            "SendItem" => self.send_item(operation),
            "DeleteItem" => self.delete_item(operation),
            "MoveItem" => self.move_item(operation),
            "UpdateItem" => self.update_item(operation),
            "Subscribe" => self.subscribe(operation),
            "Unsubscribe" => self.unsubscribe(operation),
            _ => return Answer::Fault(Failure::new("ErrorInvalidRequest", "The simulator does not know this operation.")),
        };
        match entries {
            Ok(entries) => Answer::Document(xml::envelope(&response(&operation.name, entries))),
            Err(failure) => Answer::Fault(failure),
        }
    }

    /// Carries out a batch entry by entry, unless a scripted fault says otherwise.
    pub(super) fn batch<T>(&self, inputs: &[T], mut act: impl FnMut(&T) -> Entry) -> Vec<Entry> {
        let half = inputs.len() / 2;
        let scripted = |code: &'static str| Err(Failure::new(code, "A failure as scripted."));
        let one = |(n, input)| match &self.fault {
            Some(FaultKind::MessageBusy { backoff }) => Err(Failure::busy(*backoff)),
            Some(FaultKind::ItemError(code)) => scripted(code),
            Some(FaultKind::HalfFailedBatch(code)) if n >= half => scripted(code),
            _ => act(input),
        };
        inputs.iter().enumerate().map(one).collect()
    }

    /// The mailbox of an address, if it may be used.
    pub(super) fn mailbox(&self, world: &World, address: Option<&str>) -> Result<u32, Failure> {
        let unknown = || Failure::new("ErrorNonExistentMailbox", "No mailbox with such guid.");
        let index = match address {
            Some(address) => world.find(address).ok_or_else(unknown)?,
            None => self.actor.ok_or_else(unknown)?,
        };
        self.check(index)?;
        Ok(index)
    }

    /// Whether a mailbox may be used.
    pub(super) fn check(&self, mailbox: u32) -> Result<(), Failure> {
        let denied = || Failure::new("ErrorAccessDenied", "Access is denied. Check credentials and try again.");
        self.allowed.contains(&mailbox).then_some(()).ok_or_else(denied)
    }
}

/// The address that the request wants to impersonate.
fn impersonated(envelope: &Element) -> Option<&str> {
    let sid = envelope.at(&["Header", "ExchangeImpersonation", "ConnectingSID"])?;
    ["PrimarySmtpAddress", "SmtpAddress", "PrincipalName"]
        .iter()
        .find_map(|name| sid.text_of(name))
}

/// On whose behalf a login acts, and which mailboxes it may use then.
fn rights(world: &World, login: &str, impersonated: Option<&str>) -> Result<(Option<u32>, HashSet<u32>), Failure> {
    let Some(entry) = world.logins.get(login) else {
        return Err(Failure::new(
            "ErrorAccessDenied",
            "Access is denied. Check credentials and try again.",
        ));
    };
    let Some(address) = impersonated else {
        let mut allowed = entry.granted.clone();
        allowed.extend(entry.mailbox);
        return Ok((entry.mailbox, allowed));
    };
    if !entry.impersonates {
        let text = "The account does not have permission to impersonate the requested user.";
        return Err(Failure::new("ErrorImpersonateUserDenied", text));
    }
    let Some(mailbox) = world.find(address) else {
        return Err(Failure::new(
            "ErrorNonExistentMailbox",
            "The SMTP address has no mailbox associated with it.",
        ));
    };
    Ok((Some(mailbox), HashSet::from([mailbox])))
}

/// The first mailbox that a request names, in any of the ways it can.
fn about(shared: &Shared, world: &World, element: &Element) -> Option<u32> {
    let id = element.attribute("Id").unwrap_or_default();
    let named = match element.name.as_str() {
        "DistinguishedFolderId" => element
            .at(&["Mailbox", "EmailAddress"])
            .and_then(|address| world.find(address.text.trim())),
        "ItemId" | "ReferenceItemId" => shared.ids.read_item(id).map(|(mailbox, _)| mailbox),
        "FolderId" => shared.ids.read_folder(id).map(|(mailbox, _)| mailbox),
        "SubscriptionId" => shared.ids.read_subscription(element.text.trim()).map(|(mailbox, _)| mailbox),
        _ => None,
    };
    named.or_else(|| element.children.iter().find_map(|child| about(shared, world, child)))
}

/// All of an operation's response messages.
pub(super) fn response(operation: &str, entries: Vec<Entry>) -> String {
    let mut xml = Xml::new();
    let message = format!("m:{operation}ResponseMessage");
    xml.wrap(&format!("m:{operation}Response"), |xml| {
        xml.wrap("m:ResponseMessages", |xml| {
            for entry in entries {
                match entry {
                    Ok(inside) => xml.element(&message, &[("ResponseClass", "Success")], |xml| {
                        xml.leaf("m:ResponseCode", "NoError").raw(&inside.into_string());
                    }),
                    Err(failure) => xml.element(&message, &[("ResponseClass", "Error")], |xml| {
                        xml.leaf("m:MessageText", &failure.text).leaf("m:ResponseCode", &failure.code);
                        xml.leaf("m:DescriptiveLinkKey", "0");
                        if failure.backoff.is_some() {
                            xml.wrap("m:MessageXml", |xml| failure.backoff_value(xml));
                        }
                        // Either not optional in the schema, or clients count on what Exchange always writes.
                        match operation {
                            "GetItem" | "CreateItem" | "MoveItem" | "UpdateItem" => xml.empty("m:Items", &[]),
                            "GetFolder" => xml.empty("m:Folders", &[]),
                            "SyncFolderItems" => xml.empty("m:SyncState", &[]).leaf("m:IncludesLastItemInRange", "true"),
                            _ if !failure.subscriptions.is_empty() => xml.wrap("m:ErrorSubscriptionIds", |xml| {
                                for id in &failure.subscriptions {
                                    xml.leaf("m:SubscriptionId", id);
                                }
                            }),
                            _ => xml,
                        };
                    }),
                };
            }
        });
    });
    xml.into_string()
}
