//! Outcomes, notes and matches.

use super::{automatic, mailbox, optional_id, optional_name, time, unknown_value};
use crate::{
    api::v1,
    domain::{MatchFilter, Note, Outcome, OutcomeFilter, OutcomeResult, Result},
    ops::sweep::Match,
};

pub(in crate::api) fn outcome(outcome: Outcome) -> v1::Outcome {
    v1::Outcome {
        name: outcome.id.name(),
        agent: outcome.agent.name(),
        folder: outcome.folder,
        result: outcome_result(outcome.result).into(),
        detail: outcome.detail,
        subject: outcome.subject,
        sender: outcome.sender.map(mailbox),
        message_id: outcome.message_id,
        automatic_kind: automatic(outcome.automatic),
        case: optional_name(outcome.case.as_ref()),
        note: optional_name(outcome.note.as_ref()),
        contact: optional_name(outcome.contact.as_ref()),
        message: optional_name(outcome.message.as_ref()),
        sender_candidates: outcome
            .candidates
            .into_iter()
            .map(|(address, reason)| v1::SenderCandidate {
                address: Some(mailbox(address)),
                reason,
            })
            .collect(),
        size_bytes: outcome.size,
        received_time: time(outcome.received),
        handled_time: time(outcome.handled),
        source_id: outcome.source_id,
    }
}

fn outcome_result(result: OutcomeResult) -> v1::OutcomeResult {
    match result {
        OutcomeResult::Matched => v1::OutcomeResult::Matched,
        OutcomeResult::NoReference => v1::OutcomeResult::NoReference,
        OutcomeResult::UnknownReference => v1::OutcomeResult::UnknownReference,
        OutcomeResult::NonMatchingContact => v1::OutcomeResult::NonMatchingContact,
        OutcomeResult::Automatic => v1::OutcomeResult::Automatic,
        OutcomeResult::Duplicate => v1::OutcomeResult::Duplicate,
        OutcomeResult::Loop => v1::OutcomeResult::Loop,
        OutcomeResult::SenderNotAuthentic => v1::OutcomeResult::SenderNotAuthentic,
        OutcomeResult::TooLarge => v1::OutcomeResult::TooLarge,
        OutcomeResult::Unparsable => v1::OutcomeResult::Unparsable,
        OutcomeResult::OwnMessage => v1::OutcomeResult::OwnMessage,
    }
}

/// Which outcomes a list has.
///
/// # Errors
/// A violation for a malformed name or an unknown result.
pub(in crate::api) fn outcome_filter(filter: &v1::OutcomeFilter) -> Result<OutcomeFilter> {
    let mut results = Vec::with_capacity(filter.results.len());
    for (index, wanted) in filter.results.iter().enumerate() {
        let known = OutcomeResult::ALL
            .iter()
            .find(|result| i32::from(outcome_result(**result)) == *wanted);
        results.push(*known.ok_or_else(|| unknown_value(format!("filter.results[{index}]")))?);
    }
    let message_id = filter.message_id.trim();
    let bare = message_id.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    let message_id = bare.unwrap_or(message_id);
    Ok(OutcomeFilter {
        agent: optional_id("filter.agent", &filter.agent)?,
        results,
        message_id: (!message_id.is_empty()).then(|| message_id.to_owned()),
    })
}

pub(in crate::api) fn note(note: Note) -> v1::Note {
    v1::Note {
        name: note.id.name(),
        case: note.case.name(),
        case_reference: note.case_reference,
        customer: note.customer.name(),
        contact: optional_name(note.contact.as_ref()),
        contact_created: note.contact_created,
        agent: note.agent.name(),
        message: optional_name(note.message.as_ref()),
        message_id: note.message_id,
        sender: note.sender.map(mailbox),
        subject: note.subject,
        text: note.text,
        quoted_text: note.quoted,
        quoted_text_truncated: note.quoted_is_cut,
        automatic_kind: automatic(note.automatic),
        sender_not_authentic: note.sender_not_authentic,
        received_time: time(note.received),
        create_time: time(note.created),
        full_message_kept: note.blob.is_some(),
        size_bytes: note.size,
    }
}

/// A match as subscribers get it.
pub(in crate::api) fn matched(matched: Match) -> v1::Match {
    v1::Match {
        event_id: matched.event_id,
        note: Some(note(matched.note)),
        event_time: time(matched.time),
    }
}

/// Which matches a stream has.
///
/// # Errors
/// A violation for a malformed name.
pub(in crate::api) fn match_filter(filter: &v1::MatchFilter) -> Result<MatchFilter> {
    Ok(MatchFilter {
        agent: optional_id("filter.agent", &filter.agent)?,
        customer: optional_id("filter.customer", &filter.customer)?,
        case: optional_id("filter.case", &filter.case)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_have_the_names_of_the_proto_file() {
        for (number, result) in (1..).zip(OutcomeResult::ALL) {
            let on_the_wire = outcome_result(*result);
            assert_eq!(on_the_wire.as_str_name(), format!("OUTCOME_RESULT_{}", result.as_str()));
            assert_eq!(i32::from(on_the_wire), number, "none is missing");
        }
        assert!(v1::OutcomeResult::try_from(i32::try_from(OutcomeResult::ALL.len()).unwrap() + 1).is_err());
    }

    #[test]
    fn filters_are_read() {
        let filter = v1::OutcomeFilter {
            agent: "agents/01J".to_owned(),
            results: vec![1, 10],
            message_id: " <a@b.example> ".to_owned(),
        };
        let expected = OutcomeFilter {
            agent: Some("01J".into()),
            results: vec![OutcomeResult::Matched, OutcomeResult::Unparsable],
            message_id: Some("a@b.example".to_owned()),
        };
        assert_eq!(outcome_filter(&filter).unwrap(), expected);
        for wrong in [0, 12, -1] {
            let filter = v1::OutcomeFilter {
                results: vec![1, wrong],
                ..v1::OutcomeFilter::default()
            };
            assert_eq!(outcome_filter(&filter).unwrap_err().violations[0].field, "filter.results[1]");
        }
    }
}
