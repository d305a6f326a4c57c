//! The sample data of `mailagent demo`: the fictitious Brightwater Instruments, its directory and three months of its mail.
//!
//! Everything is embedded. Next to this file are
//! - `directory.json`: the tenant, its users, customers, contacts and cases, and the mailboxes with what the service does for each;
//! - `mail/<mailbox>/<inbox|sent>/NN-name.eml`: the mail, byte for byte as a server would return it. `<mailbox>` is the local part of
//!   the mailbox's address; the names sort in order of arrival;
//! - `expected.tsv`: what should become of each message. See [`Expectation`].
//!
//! The messages show what real mailboxes hold: many charsets and languages, forwards, bounces, receipts, lists, broken and forged mail.
//! All names, companies and domains (`.example`) are made up.

use anyhow::{Context, ensure};
use include_dir::{Dir, include_dir};
use serde::Deserialize;

static DIRECTORY: &str = include_str!("directory.json");
static EXPECTED: &str = include_str!("expected.tsv");
static MAIL: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/src/cli/demo/mail");

/// The whole sample.
#[derive(Clone, Debug)]
pub struct DemoSet {
    /// Who and what the CRM knows.
    pub directory: Directory,
    /// The mailboxes, in the order of `directory.json`.
    pub mailboxes: Vec<DemoMailbox>,
}

/// What the CRM knows. Ids are the CRM's own, each unique among its kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// The company that uses the CRM.
    pub tenant: Tenant,
    /// Its people.
    pub users: Vec<User>,
    /// Its customers.
    pub customers: Vec<Customer>,
    /// People at the customers. One person may be a contact of two customers, with the same address.
    pub contacts: Vec<Contact>,
    /// Tickets.
    pub cases: Vec<Case>,
    mailboxes: Vec<MailboxSettings>,
}

/// The company that uses the CRM, and its settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// Id.
    pub id: String,
    /// Name as shown to people.
    pub display_name: String,
    /// Domains whose addresses are never external.
    pub internal_domains: Vec<String>,
    /// Beginning of every case reference.
    pub case_reference_prefix: String,
    /// Number of digits after it.
    pub case_reference_digits: u8,
    /// Servers whose Authentication-Results (RFC 8601) are trusted.
    pub trusted_authserv_ids: Vec<String>,
}

/// A person with a CRM login.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Id.
    pub id: String,
    /// Name as shown to people.
    pub display_name: String,
    /// Addresses that the person sends from.
    pub addresses: Vec<String>,
}

/// A company that is served.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Customer {
    /// Id.
    pub id: String,
    /// Name as shown to people.
    pub display_name: String,
}

/// A person at a customer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// Id.
    pub id: String,
    /// Id of the customer.
    pub customer: String,
    /// Name as shown to people.
    pub display_name: String,
    /// One or two addresses, possibly internationalised (RFC 6531).
    pub addresses: Vec<String>,
}

/// A ticket of a customer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Id.
    pub id: String,
    /// What names it in subjects, such as `CS-0001001`.
    pub reference: String,
    /// Id of the customer.
    pub customer: String,
    /// What it is about.
    pub title: String,
}

/// A mailbox and what the service does for it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailboxSettings {
    /// Its address.
    pub address: String,
    /// Login name at the mail server, with the domain.
    pub login: String,
    /// Id of the user who owns the agent.
    pub owner: String,
    /// Display name of what is sent from it.
    pub from_name: String,
    /// Whether mail about cases is looked for.
    pub case_sweep: bool,
    /// Whether mail is archived.
    pub archive: bool,
    /// Whether the sweep makes contacts of unknown senders.
    pub create_non_matching_contacts: bool,
    /// Whether the sweep keeps the whole message with the note.
    pub keep_full_message: bool,
}

/// A mailbox with its mail.
#[derive(Clone, Debug)]
pub struct DemoMailbox {
    /// What the service does for it.
    pub settings: MailboxSettings,
    /// File name and bytes of the messages in the inbox, in order of arrival.
    pub inbox: Vec<(&'static str, &'static [u8])>,
    /// The same for sent items.
    pub sent: Vec<(&'static str, &'static [u8])>,
}

/// What should become of one message: a line of `expected.tsv`, where `-` stands for nothing and `|` separates alternatives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Local part of the mailbox's address.
    pub mailbox: &'static str,
    /// `inbox` or `sent`.
    pub folder: &'static str,
    /// File name.
    pub file: &'static str,
    /// Possible sweep outcomes, such as `MATCHED`. Two when the message is in two mailboxes, where whichever comes first is handled. Empty
    /// when it is not swept.
    pub outcomes: Vec<&'static str>,
    /// Reference of the case it names. `None` also when the message is our own or a repetition, which are not looked at.
    pub case_reference: Option<&'static str>,
    /// Whether a contact is made of the sender.
    pub contact_created: bool,
    /// Which way it went: `incoming`, `outgoing` or `internal`. `None` when it cannot be parsed.
    pub direction: Option<&'static str>,
    /// Possible sets of customer ids that the archive links it to once all mail is handled; never none, possibly the empty set. Two where
    /// the sender is forged.
    pub customers: Vec<Vec<&'static str>>,
}

impl DemoSet {
    /// Unpacks the embedded sample.
    ///
    /// # Errors
    /// When the files do not fit together, which the tests rule out.
    pub fn load() -> anyhow::Result<Self> {
        let mut directory: Directory = serde_json::from_str(DIRECTORY).context("directory.json of the demo")?;
        let mailboxes = std::mem::take(&mut directory.mailboxes)
            .into_iter()
            .map(|settings| {
                let name = local_part(&settings.address);
                let [inbox, sent] = ["inbox", "sent"].map(|folder| messages(name, folder));
                ensure!(
                    !inbox.is_empty() && !sent.is_empty(),
                    "the demo has no mail for {}",
                    settings.address
                );
                Ok(DemoMailbox { settings, inbox, sent })
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { directory, mailboxes })
    }
}

/// Returns what should become of each message, in the order of `expected.tsv`.
///
/// # Errors
/// When a line is malformed, which the tests rule out.
pub fn expectations() -> anyhow::Result<Vec<Expectation>> {
    EXPECTED.lines().skip(1).map(expectation).collect()
}

fn expectation(line: &'static str) -> anyhow::Result<Expectation> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [mailbox, folder, file, outcomes, case, created, direction, customers] = fields[..] else {
        anyhow::bail!("a line of the demo's expected.tsv has {} fields: {line}", fields.len());
    };
    let some = |field: &'static str| (field != "-").then_some(field);
    Ok(Expectation {
        mailbox,
        folder,
        file,
        outcomes: some(outcomes).map(|names| names.split('|').collect()).unwrap_or_default(),
        case_reference: some(case),
        contact_created: created == "yes",
        direction: some(direction),
        customers: customers
            .split('|')
            .map(|set| some(set).map(|ids| ids.split(',').collect()).unwrap_or_default())
            .collect(),
    })
}

fn local_part(address: &str) -> &str {
    address.split_once('@').map_or(address, |(local, _)| local)
}

fn messages(mailbox: &str, folder: &str) -> Vec<(&'static str, &'static [u8])> {
    let files = MAIL.get_dir(format!("{mailbox}/{folder}")).into_iter().flat_map(Dir::files);
    let mut messages: Vec<_> = files
        .filter_map(|file| Some((file.path().file_name()?.to_str()?, file.contents())))
        .filter(|(name, _)| name.ends_with(".eml"))
        .collect();
    messages.sort_unstable_by_key(|(name, _)| *name);
    messages
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn ids<'a>(ids: impl IntoIterator<Item = &'a String>) -> BTreeSet<&'a str> {
        let mut set = BTreeSet::new();
        for id in ids {
            assert!(set.insert(id.as_str()), "{id} twice");
        }
        set
    }

    #[test]
    fn the_directory_refers_to_itself_only() {
        let DemoSet { directory, mailboxes } = DemoSet::load().unwrap();
        let users = ids(directory.users.iter().map(|user| &user.id));
        let customers = ids(directory.customers.iter().map(|customer| &customer.id));
        ids(directory.contacts.iter().map(|contact| &contact.id));
        ids(directory.cases.iter().map(|case| &case.id));
        ids(directory.cases.iter().map(|case| &case.reference));
        assert_eq!((users.len(), customers.len()), (4, 8));
        assert_eq!((directory.contacts.len(), directory.cases.len()), (17, 20));
        for contact in &directory.contacts {
            assert!(customers.contains(contact.customer.as_str()), "{contact:?}");
            assert!(!contact.addresses.is_empty(), "{contact:?}");
        }
        for case in &directory.cases {
            let digits = case.reference.strip_prefix(&directory.tenant.case_reference_prefix).unwrap();
            assert_eq!(digits.len(), usize::from(directory.tenant.case_reference_digits), "{case:?}");
            assert!(customers.contains(case.customer.as_str()), "{case:?}");
        }
        for mailbox in &mailboxes {
            assert!(users.contains(mailbox.settings.owner.as_str()), "{mailbox:?}");
        }
    }

    #[test]
    fn every_message_has_an_expectation_and_the_reverse() {
        let set = DemoSet::load().unwrap();
        let mut messages = BTreeSet::new();
        for mailbox in &set.mailboxes {
            for (folder, files) in [("inbox", &mailbox.inbox), ("sent", &mailbox.sent)] {
                for (file, bytes) in files {
                    assert!(!bytes.is_empty(), "{file}");
                    messages.insert((local_part(&mailbox.settings.address), folder, *file));
                }
            }
        }
        let embedded = MAIL.dirs().flat_map(Dir::dirs).map(|folder| folder.files().count()).sum::<usize>();
        assert_eq!(messages.len(), embedded, "mail of a mailbox that the directory does not have");
        let expectations = expectations().unwrap();
        let expected: BTreeSet<_> = expectations.iter().map(|e| (e.mailbox, e.folder, e.file)).collect();
        assert_eq!(expected.len(), expectations.len());
        assert_eq!(messages, expected);
    }

    #[test]
    fn expectations_name_what_the_directory_has() {
        let set = DemoSet::load().unwrap();
        let customers = ids(set.directory.customers.iter().map(|customer| &customer.id));
        let cases = ids(set.directory.cases.iter().map(|case| &case.reference));
        let swept: BTreeSet<&str> = (set.mailboxes.iter())
            .filter(|mailbox| mailbox.settings.case_sweep)
            .map(|mailbox| local_part(&mailbox.settings.address))
            .collect();
        let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
        for e in expectations().unwrap() {
            assert_eq!(!e.outcomes.is_empty(), e.folder == "inbox" && swept.contains(e.mailbox), "{e:?}");
            assert!(e.case_reference.is_none_or(|case| cases.contains(case)), "{e:?}");
            assert!(e.customers.iter().flatten().all(|id| customers.contains(id)), "{e:?}");
            assert!(matches!(e.direction, None | Some("incoming" | "outgoing" | "internal")), "{e:?}");
            *outcomes.entry(e.outcomes.join("|")).or_default() += 1;
        }
        let outcomes: Vec<(&str, usize)> = outcomes.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        assert_eq!(
            outcomes,
            [
                ("", 24),
                ("DUPLICATE", 1),
                ("MATCHED", 45),
                ("MATCHED|DUPLICATE", 2),
                ("NON_MATCHING_CONTACT", 2),
                ("NO_REFERENCE", 9),
                ("OWN_MESSAGE", 2),
                ("SENDER_NOT_AUTHENTIC", 1),
                ("UNKNOWN_REFERENCE", 2),
                ("UNPARSABLE", 1),
            ]
        );
    }
}
