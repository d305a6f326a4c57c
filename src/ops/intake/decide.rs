//! The decision about one swept message, from what is known: rules only, no input or output.

use std::collections::{HashMap, HashSet};

use super::{
    authenticity::{Authenticity, authenticity},
    content::Prepared,
    copies::Copies,
};
use crate::{
    crypto::BoundSealer,
    domain::{
        Agent, Case, ContactId, Mailbox, OurAddresses, OutcomeResult, SenderCheck, TenantChoices, address_key, domain_key, domain_of,
        is_machine, is_within,
    },
    store::KnownAddress,
};

/// What decisions are made from.
pub(super) struct Knowledge<'k, 'a> {
    pub agent: &'k Agent,
    pub choices: &'k TenantChoices,
    pub ours: &'k OurAddresses,
    /// Opens our own mark.
    pub own_marks: &'k BoundSealer,
    /// Who has which address, contacts made in this batch included.
    pub addresses: &'k HashMap<String, Vec<KnownAddress>>,
    /// Cases by reference.
    pub cases: &'a HashMap<String, Case>,
    /// Identities that were swept before, in this batch too.
    pub swept: &'k HashSet<Vec<u8>>,
    /// Notes that the message may be a copy of.
    pub copies: &'k Copies,
}

/// What is decided about a message, but for the loop limits.
#[derive(Debug)]
pub(super) struct Decision<'a> {
    pub result: OutcomeResult,
    pub detail: String,
    pub case: Option<&'a Case>,
    pub contact: ContactChoice,
    pub not_authentic: bool,
}

/// Whose a note is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ContactChoice {
    /// Nobody's: a machine, one of our own people, or somebody who is not believed.
    Nobody,
    /// This contact's.
    Known(ContactId),
    /// A contact's that has to be made.
    New(Mailbox),
}

impl<'a> Decision<'a> {
    fn not(result: OutcomeResult, detail: impl Into<String>) -> Self {
        Self {
            result,
            detail: detail.into(),
            case: None,
            contact: ContactChoice::Nobody,
            not_authentic: false,
        }
    }

    fn matched(case: &'a Case, contact: ContactChoice, detail: impl Into<String>) -> Self {
        Self {
            result: OutcomeResult::Matched,
            detail: detail.into(),
            case: Some(case),
            contact,
            not_authentic: false,
        }
    }
}

/// Decides what becomes of a message of the inbox.
pub(super) fn decide<'a>(message: &Prepared, known: &Knowledge<'_, 'a>) -> Decision<'a> {
    let parsed = &message.parsed;
    if let Some(size) = message.too_large {
        return Decision::not(OutcomeResult::TooLarge, too_large(size));
    }
    if let Some(reason) = &message.unparsable {
        return Decision::not(OutcomeResult::Unparsable, format!("{reason}. It is set aside in full."));
    }
    if let Some(detail) = own_message(message, known) {
        return Decision::not(OutcomeResult::OwnMessage, detail);
    }
    if known.swept.contains(parsed.identity.0.as_slice()) {
        return Decision::not(
            OutcomeResult::Duplicate,
            "The same message was handled before, in this or another mailbox.",
        );
    }
    if let (true, Some(kind)) = (known.choices.skip_automatic_mail, parsed.automatic) {
        return Decision::not(
            OutcomeResult::Automatic,
            format!("It is automatic mail ({}), which this tenant skips.", kind.as_str()),
        );
    }
    let Some(first) = message.candidates.first() else {
        return Decision::not(OutcomeResult::NoReference, "The subject contains no case reference.");
    };
    let Some(case) = message.candidates.iter().find_map(|candidate| known.cases.get(candidate)) else {
        return Decision::not(OutcomeResult::UnknownReference, format!("There is no case {first}."));
    };
    if known.copies.have(message, &case.id) {
        return Decision {
            case: Some(case),
            ..Decision::not(
                OutcomeResult::Duplicate,
                "A copy of this message made a note on the case before. What differs was added on the way, such as the footer of a list.",
            )
        };
    }
    check_sender(message, case, known)
}

/// What is said of a message over the size limit.
pub(super) fn too_large(size: u64) -> String {
    format!("It has {size} bytes, which is over the limit. It is still in the mailbox.")
}

fn own_message(message: &Prepared, known: &Knowledge<'_, '_>) -> Option<String> {
    if message
        .parsed
        .own_mark
        .as_ref()
        .is_some_and(|mark| known.own_marks.open(mark).is_ok())
    {
        return Some("This service sent it.".to_owned());
    }
    let from = message.parsed.from.as_ref()?.key();
    let own = [known.agent.mailbox_address(), known.agent.settings.from_address.as_str()];
    own.iter()
        .any(|address| address_key(address) == from)
        .then(|| "The agent itself sent it.".to_owned())
}

/// Whether a list or group of the tenant passed the message on: it is in one of the internal domains or in that of the agent.
fn came_through_own_group(message: &Prepared, known: &Knowledge<'_, '_>) -> bool {
    let own = [known.agent.mailbox_address(), known.agent.settings.from_address.as_str()];
    let domains = own.map(|address| domain_of(address).map(domain_key).unwrap_or_default());
    let is_own = |list: &String| known.ours.owns(list) || domains.iter().any(|domain| is_within(list, domain));
    message.parsed.lists.iter().any(is_own)
}

fn check_sender<'a>(message: &Prepared, case: &'a Case, known: &Knowledge<'_, 'a>) -> Decision<'a> {
    let parsed = &message.parsed;
    let authenticity = authenticity(
        parsed.from.as_ref(),
        &parsed.authentication_results,
        &known.choices.trusted_authserv_ids,
    );
    let failed = authenticity == Authenticity::Failed;
    if failed && known.choices.sender_check == SenderCheck::Refuse {
        return Decision {
            case: Some(case),
            ..Decision::not(
                OutcomeResult::SenderNotAuthentic,
                "The receiving server could not confirm that the sender is who it claims to be.",
            )
        };
    }
    let nobody = |detail: &str| Decision {
        not_authentic: failed,
        ..Decision::matched(case, ContactChoice::Nobody, detail)
    };
    let create = known.agent.settings.exchange.sweep_options.create_non_matching_contacts;
    let refused = |detail: String| Decision {
        case: Some(case),
        ..Decision::not(OutcomeResult::NonMatchingContact, detail)
    };
    let Some(from) = &parsed.from else {
        return if create {
            nobody("The sender has no valid address, so no contact was created.")
        } else {
            refused("The sender has no valid address.".to_owned())
        };
    };
    let who = known.addresses.get(&from.key()).map_or(&[][..], Vec::as_slice);
    let contact = who.iter().find_map(|who| match who {
        KnownAddress::Contact { contact, customer } if *customer == case.customer => Some(contact.clone()),
        _ => None,
    });
    match contact {
        Some(_) if failed => return nobody("The sender claims to be a contact of the customer, but is not trusted."),
        Some(contact) => {
            return Decision::matched(case, ContactChoice::Known(contact), "The sender is a contact of the customer.");
        }
        None => {}
    }
    if who.iter().any(KnownAddress::is_ours) || known.ours.contains(from) {
        return nobody("An internal user sent it.");
    }
    if !create {
        return refused(format!(
            "{} is not a contact of the case's customer, and this agent does not create contacts.",
            from.address
        ));
    }
    if failed {
        return nobody("The sender is not trusted, so no contact was created.");
    }
    // What comes through a group of our own was written by whoever it is from.
    let kind = parsed.automatic.filter(|_| !came_through_own_group(message, known));
    if is_machine(from, kind) {
        return nobody("It was sent automatically, so no contact was created.");
    }
    Decision::matched(
        case,
        ContactChoice::New(from.clone()),
        "The sender became a contact of the customer.",
    )
}
