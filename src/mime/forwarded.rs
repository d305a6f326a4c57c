//! Who may be the original sender of a forwarded message.

use super::{
    address,
    basics::Basics,
    decode,
    entity::Part,
    fields::Fields,
    layout,
    opened::Opened,
    quote::{self, Prefix},
};
use crate::domain::Mailbox;

/// Most candidates.
const LIMIT: usize = 5;
/// How much of the text is searched for a forwarded message, in bytes.
const TEXT_LIMIT: usize = 64 * 1024;
/// Most attached messages that are searched.
const ATTACHED_LIMIT: usize = 20;

/// The candidates, the most reliable first, each address once and with the reason why it is offered.
pub(super) fn candidates(fields: &Fields<'_>, basics: &Basics, opened: &Opened<'_>, text: &str) -> Vec<(Mailbox, String)> {
    let mut found: Vec<(Mailbox, String)> = Vec::new();
    let mut offer = |mailbox: Option<Mailbox>, reason: &str, from_too: bool| {
        let Some(mailbox) = mailbox else { return };
        let own = !from_too && basics.from.as_ref().is_some_and(|from| from.key() == mailbox.key());
        let known = found.iter().any(|(known, _)| known.key() == mailbox.key());
        if !own && !known && found.len() < LIMIT {
            found.push((mailbox, reason.to_owned()));
        }
    };
    let attached = opened.attachments().map(|(part, _)| part).filter(|part| part.is_message());
    for part in attached.take(ATTACHED_LIMIT) {
        offer(sender_of(part), "From of an attached message", false);
    }
    // RFC 5322 §3.6.6: re-sending leaves From unchanged.
    if fields.first("Resent-From").is_some() {
        offer(basics.from.clone(), "From of a re-sent message", true);
    }
    for name in ["X-Original-From", "X-Original-Sender", "X-Google-Original-From", "Original-From"] {
        offer(address::first(fields, name), name, false);
    }
    let text = decode::cut(text, TEXT_LIMIT);
    let forwards = matches!(quote::prefix(&basics.subject), Some(Prefix::Forward | Prefix::Either));
    if forwards || quote::announces_forward(text) {
        let sender = quote::forwarded_sender(text).and_then(address::in_text);
        offer(sender, "From line in the forwarded text", false);
    }
    found
}

fn sender_of(part: &Part<'_>) -> Option<Mailbox> {
    layout::header_of(part, |fields| address::first(fields, "From"))
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    fn check(raw: &str, expected: &[(&str, &str)]) {
        let found = parse(raw.as_bytes()).unwrap().forwarded_from;
        let found: Vec<_> = found
            .iter()
            .map(|(mailbox, reason)| (mailbox.address.as_str(), reason.as_str()))
            .collect();
        assert_eq!(found, expected, "{raw}");
    }

    #[test]
    fn candidates_come_with_reasons() {
        check(
            "From: u@ours.example\nSubject: Fwd: x\n\nsee\n\n---------- Forwarded message ---------\nFrom: Eva <eva@x.example>\nDate: Monday\n\
             Subject: x\nTo: u\n\nhi",
            &[("eva@x.example", "From line in the forwarded text")],
        );
        check(
            "From: u@ours.example\nSubject: WG: x\n\nVon: Eva <eva@x.example>\nGesendet: Montag\nAn: u\nBetreff: x\n\nhi",
            &[("eva@x.example", "From line in the forwarded text")],
        );
        check(
            "From: u@ours.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b\nContent-Type: message/rfc822\n\n\
             From: Eva <eva@x.example>\n\nhi\n--b--",
            &[("eva@x.example", "From of an attached message")],
        );
        check(
            "From: eva@x.example\nResent-From: u@ours.example\n\nhi",
            &[("eva@x.example", "From of a re-sent message")],
        );
    }

    #[test]
    fn replies_have_none() {
        check(
            "From: eva@x.example\nSubject: Re: x\n\nyes\n\nFrom: u@ours.example\nSent: Monday\nTo: e\nSubject: x\n\nq",
            &[],
        );
        check("From: eva@x.example\nSubject: x\n\ntext", &[]);
    }
}
