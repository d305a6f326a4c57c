//! Who is outside: the external parties of a message decide its customers.

use std::collections::HashSet;

use super::{
    address::{address_key, domain_key},
    mail::{Direction, Mailbox, domain_of},
};

/// Internal addresses and domains.
#[derive(Clone, Debug, Default)]
pub struct OurAddresses {
    domains: HashSet<String>,
    addresses: HashSet<String>,
}

impl OurAddresses {
    /// `domains` are the tenant's internal ones, `addresses` those of its agents and users.
    pub fn new(domains: impl IntoIterator<Item = String>, addresses: impl IntoIterator<Item = String>) -> Self {
        Self {
            domains: domains.into_iter().map(|domain| domain_key(&domain)).collect(),
            addresses: addresses.into_iter().map(|address| address_key(&address)).collect(),
        }
    }

    /// Whether a name is that of an internal domain or of something within one, such as a list: both as [`domain_key`].
    pub fn owns(&self, name: &str) -> bool {
        self.domains.iter().any(|domain| is_within(name, domain))
    }

    /// Whether the address is internal: one of the addresses, or in one of the domains. Subdomains are not included.
    pub fn contains(&self, mailbox: &Mailbox) -> bool {
        let key = mailbox.key();
        self.addresses.contains(&key) || domain_of(&key).is_some_and(|domain| self.domains.contains(domain))
    }
}

/// Whether a name is a domain's own or of something within it, both as [`domain_key`].
pub fn is_within(name: &str, domain: &str) -> bool {
    let rest = name.strip_suffix(domain).filter(|_| !domain.is_empty());
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The external parties of a message, and its direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalParties {
    /// Its direction.
    pub direction: Direction,
    /// The keys of the external addresses, each once: of an incoming message the From (Reply-To does not count), of an outgoing
    /// one every To, Cc and Bcc.
    pub addresses: Vec<String>,
}

impl ExternalParties {
    /// Decides by the From: an internal one means outgoing. A message without a valid From is incoming from nobody.
    pub fn of<'a>(from: Option<&Mailbox>, recipients: impl IntoIterator<Item = &'a Mailbox>, ours: &OurAddresses) -> Self {
        match from {
            Some(from) if ours.contains(from) => {
                let mut addresses = Vec::new();
                for recipient in recipients {
                    let key = recipient.key();
                    if !ours.contains(recipient) && !addresses.contains(&key) {
                        addresses.push(key);
                    }
                }
                let direction = if addresses.is_empty() {
                    Direction::Internal
                } else {
                    Direction::Outgoing
                };
                Self { direction, addresses }
            }
            Some(from) => Self {
                direction: Direction::Incoming,
                addresses: vec![from.key()],
            },
            None => Self {
                direction: Direction::Incoming,
                addresses: Vec::new(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(address: &str) -> Mailbox {
        Mailbox {
            display_name: String::new(),
            address: address.to_owned(),
        }
    }

    fn check(from: Option<&str>, to: &[&str], direction: Direction, expected: &[&str]) {
        let ours = OurAddresses::new(["Ours.example".to_owned()], ["anna@mail.example".to_owned()]);
        let from = from.map(mailbox);
        let to: Vec<Mailbox> = to.iter().map(|address| mailbox(address)).collect();
        let parties = ExternalParties::of(from.as_ref(), &to, &ours);
        assert_eq!(
            (parties.direction, parties.addresses),
            (direction, expected.iter().map(|a| (*a).to_owned()).collect())
        );
    }

    #[test]
    fn what_is_within_a_domain_is_its_own() {
        for (name, expected) in [
            ("ours.example", true),
            ("desk.ours.example", true),
            ("theirours.example", false),
            ("ours.example.com", false),
            ("example", false),
            ("", false),
        ] {
            let ours = OurAddresses::new(["Ours.example".to_owned()], []);
            assert_eq!(ours.owns(name), expected, "{name}");
        }
        assert!(!is_within("x", ""));
        let ours = OurAddresses::new(["k\u{fc}hl.example".to_owned()], []);
        assert!(ours.contains(&mailbox("eva@XN--khl-hoa.example")) && ours.owns("desk.xn--khl-hoa.example"));
    }

    #[test]
    fn direction_and_parties_follow_from_the_sender() {
        check(
            Some("Eva@Customer.example"),
            &["anna@mail.example"],
            Direction::Incoming,
            &["eva@customer.example"],
        );
        check(
            Some("ANNA@mail.example"),
            &["eva@customer.example", "Eva@customer.example", "bob@ours.example"],
            Direction::Outgoing,
            &["eva@customer.example"],
        );
        check(Some("bob@ours.example"), &["anna@mail.example"], Direction::Internal, &[]);
        check(
            Some("bob@sub.ours.example"),
            &["x@y.example"],
            Direction::Incoming,
            &["bob@sub.ours.example"],
        );
        check(None, &["anna@mail.example"], Direction::Incoming, &[]);
    }
}
