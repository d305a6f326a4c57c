//! Who takes part in a thread, and whether a line names one of them.

use crate::domain::Mailbox;

/// Most people that are looked for.
const LIMIT: usize = 32;

/// The people of a message.
#[derive(Default)]
pub(super) struct People {
    everybody: Vec<Person>,
    /// How many of them, from the first, are not recipients.
    senders: usize,
}

struct Person {
    /// In lower case.
    address: String,
    /// The words of the name in lower case, and the name itself. Both are empty when there is none.
    words: Vec<String>,
    name: String,
}

impl Person {
    fn of(mailbox: &Mailbox) -> Self {
        let name = mailbox.display_name.to_lowercase();
        let name = if name.contains('@') { String::new() } else { name };
        Self {
            address: mailbox.address.to_lowercase(),
            words: words(&name).map(str::to_owned).collect(),
            name,
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// The addresses in a text.
pub(super) fn addresses(text: &str) -> impl Iterator<Item = &str> {
    let ends = |c: char| {
        c.is_whitespace()
            || matches!(
                c,
                '<' | '>' | '(' | ')' | '[' | ']' | '"' | '\'' | ',' | ';' | '，' | '；' | '、' | '|' | '*'
            )
    };
    let words = text.split(ends).map(|word| word.trim_matches([':', '.', '：']));
    let words = words.map(|word| word.strip_prefix("mailto:").unwrap_or(word));
    words.filter(|word| {
        word.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && !local.contains('/')
                && domain.len() > 2
                && domain.starts_with(char::is_alphanumeric)
                && !domain.contains(['@', '/'])
        })
    })
}

impl People {
    /// Those that sent a message, and its recipients.
    pub(super) fn of(senders: &[Mailbox], recipients: &[Mailbox]) -> Self {
        let senders: Vec<Person> = senders.iter().take(LIMIT / 4).map(Person::of).collect();
        let count = senders.len();
        let recipients = recipients.iter().take(LIMIT - count).map(Person::of);
        Self {
            everybody: senders.into_iter().chain(recipients).collect(),
            senders: count,
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.everybody.len()
    }

    /// Whether a text has the address of one of them.
    pub(super) fn are_addressed(&self, text: &str) -> bool {
        addresses(text).any(|address| self.everybody.iter().any(|person| is_address(person, address)))
    }

    /// Whether a text has the address of somebody to whom the message was sent, and not of its sender.
    pub(super) fn recipients_are_addressed(&self, text: &str) -> bool {
        let (senders, recipients) = self.everybody.split_at(self.senders);
        let recipient = |address: &str| {
            recipients.iter().any(|person| is_address(person, address)) && !senders.iter().any(|person| is_address(person, address))
        };
        addresses(text).any(recipient)
    }

    /// Whether a text in lower case has the name of one of them, its words in any order.
    pub(super) fn are_named(&self, lower: &str) -> bool {
        let mut all: Option<Vec<&str>> = None;
        self.everybody.iter().any(|person| {
            if person.name.chars().count() < 2 {
                return false;
            }
            let all = all.get_or_insert_with(|| words(lower).collect());
            let spaced = person.name.is_ascii() || person.words.len() > 1;
            person.words.iter().all(|word| all.contains(&word.as_str())) && !person.words.is_empty()
                || !spaced && lower.contains(&person.name)
        })
    }

    /// Whether a line in lower case has a name of the sender, or a part of it.
    pub(super) fn sender_signs(&self, lower: &str) -> bool {
        let senders = &self.everybody[..self.senders];
        let mut names = senders
            .iter()
            .flat_map(|person| &person.words)
            .filter(|word| word.chars().count() > 2);
        names.any(|name| words(lower).any(|word| word == name))
    }
}

fn is_address(person: &Person, address: &str) -> bool {
    person.address.len() == address.len() && person.address == address.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people() -> People {
        let mailbox = |name: &str, address: &str| Mailbox {
            display_name: name.to_owned(),
            address: address.to_owned(),
        };
        People::of(
            &[mailbox("Holt, Lena", "lena@halden.example")],
            &[
                mailbox("Tarnbrook Service", "Desk@tarnbrook.example"),
                mailbox("王芳", "wang@kestrel.example"),
                mailbox("", "bo@x.example"),
            ],
        )
    }

    #[test]
    fn people_are_known_by_address_and_name() {
        let people = people();
        for (text, addressed, recipient, named) in [
            ("Tarnbrook Service <desk@tarnbrook.example>", true, true, true),
            ("[mailto:DESK@Tarnbrook.Example]", true, true, false),
            ("Lena Holt wrote", false, false, true),
            ("lena@halden.example", true, false, false),
            ("the service of tarnbrook", false, false, true),
            ("Tarnbrook, goods inwards", false, false, false),
            ("于2025年 王芳 写道", false, false, true),
            ("other@tarnbrook.example", false, false, false),
            ("", false, false, false),
        ] {
            let found = (
                people.are_addressed(text),
                people.recipients_are_addressed(text),
                people.are_named(&text.to_lowercase()),
            );
            assert_eq!(found, (addressed, recipient, named), "{text}");
        }
        assert!(people.sender_signs("lena") && !people.sender_signs("yes, it is"));
    }

    #[test]
    fn addresses_are_told_from_what_has_the_sign() {
        let found: Vec<_> =
            addresses("a@x.example <b@y.example<mailto:b@y.example>> (c@z.example) @home 5 @ 3 https://x.example/@y").collect();
        assert_eq!(found, ["a@x.example", "b@y.example", "b@y.example", "c@z.example"]);
    }
}
