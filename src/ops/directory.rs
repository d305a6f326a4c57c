//! The mirror of the CRM's users, customers, contacts and cases.

use std::{
    collections::{HashMap, HashSet},
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use super::{Ops, Violations, is_address, is_plain, page_limit};
use crate::{
    domain::{
        Caller, Case, CaseFilter, CaseId, Contact, ContactId, Customer, CustomerId, Detail, Error, Kind, Page, Reason, ResourceId, Result,
        Scope, TenantId, User, UserId, Written, reference_key,
    },
    store::{Writer, retrying},
};

/// Most records of one batch.
const BATCH_LIMIT: usize = 1000;
/// Most addresses of one batch. They are rows of their own, and a batch is one transaction, which all other writers wait for on SQLite.
const BATCH_ADDRESSES: usize = 5000;

pub use crate::domain::is_id;

/// Writes users. See `DirectoryService`.
///
/// # Errors
/// All violations at once; nothing is written then.
pub async fn upsert_users(ops: &Ops, caller: &Caller, users: Vec<User>) -> Result<Vec<Written>> {
    let mut violations = batch_violations(caller, "users", users.iter().map(|user| user.id.as_str()))?;
    check_address_count(&mut violations, "users", users.iter().map(|user| user.addresses.len()).sum());
    for (index, user) in users.iter().enumerate() {
        check_name(&mut violations, &format!("users[{index}]"), &user.display_name, 1..=256);
        check_addresses(&mut violations, &format!("users[{index}]"), &user.addresses);
        check_revision(&mut violations, &format!("users[{index}]"), user.revision);
    }
    violations.into_result()?;
    retrying(|| async {
        let mut writer = ops.store.begin(&caller.tenant).await?;
        let written = writer.upsert_users(&users).await?;
        writer.commit().await?;
        Ok(written)
    })
    .await
}

/// Writes customers. See `DirectoryService`.
///
/// # Errors
/// All violations at once; nothing is written then.
pub async fn upsert_customers(ops: &Ops, caller: &Caller, customers: Vec<Customer>) -> Result<Vec<Written>> {
    let mut violations = batch_violations(caller, "customers", customers.iter().map(|customer| customer.id.as_str()))?;
    for (index, customer) in customers.iter().enumerate() {
        check_name(&mut violations, &format!("customers[{index}]"), &customer.display_name, 1..=256);
        check_revision(&mut violations, &format!("customers[{index}]"), customer.revision);
    }
    violations.into_result()?;
    retrying(|| async {
        let mut writer = ops.store.begin(&caller.tenant).await?;
        let written = writer.upsert_customers(&customers).await?;
        writer.commit().await?;
        Ok(written)
    })
    .await
}

/// Writes contacts. Archived mail of addresses that no customer was known for is linked afterwards, by `jobs::linking`.
///
/// # Errors
/// All violations at once; [`Kind::NotFound`] for a customer that does not exist. Nothing is written then.
pub async fn upsert_contacts(ops: &Ops, caller: &Caller, contacts: Vec<Contact>) -> Result<Vec<Written>> {
    let mut violations = batch_violations(caller, "contacts", contacts.iter().map(|contact| contact.id.as_str()))?;
    check_address_count(
        &mut violations,
        "contacts",
        contacts.iter().map(|contact| contact.addresses.len()).sum(),
    );
    for (index, contact) in contacts.iter().enumerate() {
        check_name(&mut violations, &format!("contacts[{index}]"), &contact.display_name, 0..=256);
        check_addresses(&mut violations, &format!("contacts[{index}]"), &contact.addresses);
        check_customer(&mut violations, &format!("contacts[{index}]"), &contact.customer);
        check_revision(&mut violations, &format!("contacts[{index}]"), contact.revision);
    }
    violations.into_result()?;
    let written = retrying(|| async {
        let mut writer = ops.store.begin(&caller.tenant).await?;
        check_customers_exist(&writer, "contacts", contacts.iter().map(|contact| &contact.customer)).await?;
        let written = writer.upsert_contacts(&contacts).await?;
        writer.commit().await?;
        Ok(written)
    })
    .await?;
    ops.mail_to_link.notify_one();
    Ok(written)
}

/// Writes cases.
///
/// # Errors
/// All violations at once; [`Kind::NotFound`] for a customer that does not exist; [`Kind::Exists`] for a reference that another case
/// has. Nothing is written then.
pub async fn upsert_cases(ops: &Ops, caller: &Caller, cases: Vec<Case>) -> Result<Vec<Written>> {
    let mut violations = batch_violations(caller, "cases", cases.iter().map(|case| case.id.as_str()))?;
    let mut references = HashSet::new();
    for (index, case) in cases.iter().enumerate() {
        violations.check(
            (1..=64).contains(&case.reference.trim().chars().count()) && is_plain(&case.reference),
            format!("cases[{index}].reference"),
            "is required: 1 to 64 characters, such as CS-0012345.",
        );
        violations.check(
            references.insert(reference_key(&case.reference)),
            format!("cases[{index}].reference"),
            "appears twice in this batch.",
        );
        violations.check(
            case.title.chars().count() <= 512 && is_plain(&case.title),
            format!("cases[{index}].title"),
            "must have at most 512 characters and no control characters.",
        );
        check_customer(&mut violations, &format!("cases[{index}]"), &case.customer);
        check_revision(&mut violations, &format!("cases[{index}]"), case.revision);
    }
    violations.into_result()?;
    retrying(|| async {
        let mut writer = ops.store.begin(&caller.tenant).await?;
        check_customers_exist(&writer, "cases", cases.iter().map(|case| &case.customer)).await?;
        check_references_free(&writer, &cases, &references).await?;
        let written = writer.upsert_cases(&cases).await?;
        writer.commit().await?;
        Ok(written)
    })
    .await
}

/// What kind of record a deletion means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// People with a CRM login.
    Users,
    /// Company records.
    Customers,
    /// People at customers.
    Contacts,
    /// Tickets.
    Cases,
}

impl RecordKind {
    /// The collection in resource names and field paths.
    pub fn collection(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Customers => "customers",
            Self::Contacts => "contacts",
            Self::Cases => "cases",
        }
    }
}

/// Removes records: ids with the revisions of their removal.
///
/// # Errors
/// All violations at once; nothing is removed then.
pub async fn delete(ops: &Ops, caller: &Caller, kind: RecordKind, deletions: Vec<(String, i64)>) -> Result<Vec<Written>> {
    let collection = kind.collection();
    let mut violations = batch_violations(caller, collection, deletions.iter().map(|(id, _)| id.as_str()))?;
    for (index, (_, revision)) in deletions.iter().enumerate() {
        check_revision(&mut violations, &format!("{collection}[{index}]"), *revision);
    }
    violations.into_result()?;
    retrying(|| async {
        let mut writer = ops.store.begin(&caller.tenant).await?;
        let written = match kind {
            RecordKind::Users => writer.delete_users(&typed(&deletions)).await?,
            RecordKind::Customers => writer.delete_customers(&typed(&deletions)).await?,
            RecordKind::Contacts => writer.delete_contacts(&typed(&deletions)).await?,
            RecordKind::Cases => writer.delete_cases(&typed(&deletions)).await?,
        };
        writer.commit().await?;
        Ok(written)
    })
    .await
}

/// The deletions of records of one kind.
fn typed<Id: ResourceId>(deletions: &[(String, i64)]) -> Vec<(Id, i64)> {
    deletions.iter().map(|(id, revision)| (id.as_str().into(), *revision)).collect()
}

/// Reads of one kind of record: one by its id, and pages behind the id `after` with a flag that tells whether there may be more.
macro_rules! reads {
    ($record:ty, $id:ty, $get:ident, $list:ident, $find:ident, $page:ident $(, $filter:ident: $type:ty => $($value:expr),+)?) => {
        /// Returns one record.
        ///
        /// # Errors
        /// [`Kind::NotFound`] when there is none, or when it was deleted.
        pub async fn $get(ops: &Ops, caller: &Caller, id: &$id) -> Result<$record> {
            caller.need(Scope::DirectoryRead)?;
            let found = ops.store.tenant(&caller.tenant).$find(id).await?;
            found.ok_or_else(|| Error::not_found(id.name()))
        }

        /// Lists records in the order of their ids.
        ///
        /// # Errors
        /// [`Kind::Invalid`] for a negative page size.
        pub async fn $list(ops: &Ops, caller: &Caller, after: &str, $($filter: $type,)? page_size: i32) -> Result<Page<$record>> {
            caller.need(Scope::DirectoryRead)?;
            let limit = page_limit(page_size)?;
            let records = ops.store.tenant(&caller.tenant).$page(after, $($($value,)+)? limit).await?;
            Ok(Page::new(records, limit, |record| record.id.to_string()))
        }
    };
}

reads!(User, UserId, get_user, list_users, user, users);
reads!(Customer, CustomerId, get_customer, list_customers, customer, customers);
reads!(Contact, ContactId, get_contact, list_contacts, contact, contacts, customer: Option<&CustomerId> => customer);
reads!(Case, CaseId, get_case, list_cases, case, cases, filter: &CaseFilter =>
    filter.customer.as_ref(), filter.reference_key.as_deref());

/// How many archived messages with a contact's addresses are still to be linked, counted up to 10,000 for each address.
///
/// # Errors
/// [`Kind::Denied`] without `directory.read`.
pub async fn mail_to_link(ops: &Ops, caller: &Caller, contact: &Contact) -> Result<u64> {
    caller.need(Scope::DirectoryRead)?;
    ops.store.tenant(&caller.tenant).mail_to_link_of(&contact.addresses).await
}

/// What a stretch of linking did, and how long it held the database's writer.
#[derive(Clone, Copy, Debug)]
pub struct LinkingReport {
    /// Messages that were linked.
    pub messages: u64,
    /// Whether nothing is left to do for this address.
    pub done: bool,
    /// How long the transaction took.
    pub took: Duration,
}

/// Looks at the next messages of an address whose mail is to be linked, at most `size`, in one transaction.
///
/// # Errors
/// [`Kind::Unavailable`] when the database is away.
pub async fn link_mail(ops: &Ops, tenant: &TenantId, address: &str, size: u64) -> Result<LinkingReport> {
    retrying(|| async {
        let mut writer = ops.store.begin_alone(tenant).await?;
        let began = Instant::now();
        let stretch = writer.link_stretch(address, size).await?;
        writer.commit().await?;
        Ok(LinkingReport {
            messages: stretch.linked,
            done: stretch.done,
            took: began.elapsed(),
        })
    })
    .await
}

fn batch_violations<'a>(caller: &Caller, collection: &str, ids: impl ExactSizeIterator<Item = &'a str>) -> Result<Violations> {
    caller.need(Scope::DirectoryWrite)?;
    let mut violations = Violations::default();
    violations.check(
        (1..=BATCH_LIMIT).contains(&ids.len()),
        collection,
        format!("must have 1 to {BATCH_LIMIT} records."),
    );
    let mut seen = HashSet::new();
    for (index, id) in ids.enumerate() {
        violations.check(
            is_id(id),
            format!("{collection}[{index}].name"),
            format!("must be {collection}/ followed by an id of 1 to 64 characters of A-Z a-z 0-9 . _ -"),
        );
        violations.check(
            seen.insert(id),
            format!("{collection}[{index}].name"),
            "appears twice in this batch.",
        );
    }
    Ok(violations)
}

fn check_name(violations: &mut Violations, path: &str, name: &str, lengths: RangeInclusive<usize>) {
    violations.check(
        lengths.contains(&name.chars().count()) && is_plain(name),
        format!("{path}.display_name"),
        format!(
            "must have {} to {} characters and no control characters.",
            lengths.start(),
            lengths.end()
        ),
    );
}

fn check_address_count(violations: &mut Violations, collection: &str, count: usize) {
    violations.check(
        count <= BATCH_ADDRESSES,
        collection,
        format!("must have at most {BATCH_ADDRESSES} addresses in total, and have {count}. Split the batch."),
    );
}

fn check_addresses(violations: &mut Violations, path: &str, addresses: &[String]) {
    violations.check(
        addresses.len() <= 20,
        format!("{path}.email_addresses"),
        "must have at most 20 addresses.",
    );
    for (index, address) in addresses.iter().enumerate() {
        violations.check(
            is_address(address),
            format!("{path}.email_addresses[{index}]"),
            "must be one e-mail address, such as anna@example.com.",
        );
    }
}

fn check_customer(violations: &mut Violations, path: &str, customer: &CustomerId) {
    violations.check(
        is_id(customer.as_str()),
        format!("{path}.customer"),
        "is required: the name of a customer in the directory, `customers/{customer}`.",
    );
}

fn check_revision(violations: &mut Violations, path: &str, revision: i64) {
    violations.check(revision >= 0, format!("{path}.revision"), "must not be negative.");
}

async fn check_customers_exist(writer: &Writer, collection: &str, customers: impl Iterator<Item = &CustomerId> + Clone) -> Result<()> {
    let existing = writer.existing_customers(&customers.clone().collect()).await?;
    for (index, customer) in customers.enumerate() {
        if !existing.contains(customer) {
            let error = Error::not_found(customer.name());
            return Err(error.with(Detail::Field, format!("{collection}[{index}].customer")));
        }
    }
    Ok(())
}

async fn check_references_free(writer: &Writer, cases: &[Case], references: &HashSet<String>) -> Result<()> {
    let taken = writer.cases_by_reference(references).await?;
    // A case of this batch may give its reference away in the same batch, unless what the batch has of it is passed over as old.
    let revisions: HashMap<&str, i64> = cases.iter().map(|case| (case.id.as_str(), case.revision)).collect();
    let moves = |other: &Case| revisions.get(other.id.as_str()).is_some_and(|revision| *revision > other.revision);
    for case in cases {
        if let Some(other) = taken.get(&reference_key(&case.reference))
            && other.id != case.id
            && !moves(other)
        {
            let text = format!("cases/{} already has the reference {}.", other.id, other.reference);
            return Err(Error::new(Kind::Exists, Reason::CaseReferenceTaken, text)
                .with(Detail::Reference, case.reference.clone())
                .with(Detail::Resource, other.id.name()));
        }
    }
    Ok(())
}
