//! Senders that are machines. One definition for what is marked as automatic and for who never becomes a contact.

use super::{AutomaticKind, Mailbox};

/// Names that programs send by, without punctuation, as the whole local part.
const PROGRAMS: &[&str] = &[
    "mailerdaemon",
    "postmaster",
    "bounce",
    "bounces",
    "daemon",
    "nobody",
    "listserv",
    "majordomo",
    "autoreply",
    "autoresponder",
    "notification",
    "notifications",
];

/// Names that ask for no reply, without punctuation, in the languages that are met most; alone or beside others in the local part, as in
/// `shop_donotreply` and `alerts.no-reply`.
const NO_REPLY: &[&str] = &[
    "noreply",
    "noreplies",
    "donotreply",
    "dontreply",
    "neverreply",
    "keineantwort",
    "nichtantworten",
    "bittenichtantworten",
    "nepasrepondre",
    "noresponder",
    "noresponda",
    "naoresponder",
    "naoresponda",
    "nonrispondere",
    "nietbeantwoorden",
    "nietantwoorden",
    "svaraej",
    "svarikke",
    "ikkesvar",
    "eivastata",
];

/// Whether a sender is a machine, which never becomes a contact: by its address, or by the kind of its mail.
pub fn is_machine(sender: &Mailbox, kind: Option<AutomaticKind>) -> bool {
    if matches!(kind, Some(AutomaticKind::Bounce | AutomaticKind::List | AutomaticKind::Report)) {
        return true;
    }
    let local = local_part(sender);
    let words: Vec<&str> = local
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    PROGRAMS.contains(&words.concat().as_str()) || asks_for_no_reply(&words)
}

/// Whether mail systems send by this address what they have to say themselves (RFC 2142 §5, RFC 3464 §2).
pub fn is_mail_system(sender: &Mailbox) -> bool {
    matches!(local_part(sender).as_str(), "mailer-daemon" | "postmaster")
}

/// In lower case, without what a `+` appends.
fn local_part(sender: &Mailbox) -> String {
    let local = sender.address.rsplit_once('@').map_or(sender.address.as_str(), |(local, _)| local);
    local.split('+').next().unwrap_or(local).to_lowercase()
}

/// Whether some words in a row ask for no reply, from the beginning of a word on: Eno Reply is a person.
fn asks_for_no_reply(words: &[&str]) -> bool {
    (0..words.len()).any(|start| {
        let mut name = String::new();
        words[start..].iter().any(|word| {
            name.push_str(word);
            NO_REPLY.contains(&name.as_str()) || name.starts_with("noreply") || name.starts_with("donotreply")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str) -> Mailbox {
        Mailbox {
            display_name: String::new(),
            address: address.to_owned(),
        }
    }

    #[test]
    fn machines_are_known_by_their_names_and_kinds() {
        let check = |address: &str, kind, expected| assert_eq!(is_machine(&from(address), kind), expected, "{address}");
        for address in [
            "no-reply@a.example",
            "NoReply+77@a.example",
            "MAILER-DAEMON@a.example",
            "do_not_reply@a.example",
            "noreply-shop@a.example",
            "noreply2@a.example",
            "erp.alerts.no-reply@a.example",
            "messages-noreply@a.example",
            "shop_donotreply@a.example",
            "bitte-nicht-antworten@a.example",
            "info.ne-pas-repondre@a.example",
            "postmaster@a.example",
        ] {
            check(address, None, true);
        }
        for address in [
            "norepp@a.example",
            "eva@noreply.example",
            "bouncer@a.example",
            "nora.reply@a.example",
            "eno.reply@a.example",
            "reply@a.example",
            "",
        ] {
            check(address, None, false);
        }
        check("eva@a.example", Some(AutomaticKind::List), true);
        check("eva@a.example", Some(AutomaticKind::Bounce), true);
        check("eva@a.example", Some(AutomaticKind::AutoReply), false);
    }

    #[test]
    fn mail_systems_have_names_of_their_own() {
        for (address, expected) in [
            ("MAILER-DAEMON@a.example", true),
            ("postmaster@a.example", true),
            ("postmaster", true),
            ("postmasters@a.example", false),
            ("eva@postmaster.example", false),
        ] {
            assert_eq!(is_mail_system(&from(address)), expected, "{address}");
        }
    }
}
