//! Fills the demo: the directory, the simulated mailboxes, their agents, and the mail.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use bytes::Bytes;
use mailagent_sim::exchange::{Exchange, FolderKind, Raw};

use super::{
    data::{DemoMailbox, DemoSet, Directory, MailboxSettings},
    login::Platforms,
    show::print_line,
    weave::weave,
};
use crate::{
    crypto::Secret,
    domain::{
        AgentKind, AgentSettings, AuthenticationMethod, Caller, Case, CaseReferenceFormat, Clock, Contact, Customer, ExchangeSettings,
        SweepOptions, SystemClock, TenantChoices, Timestamp, User,
    },
    mailfile, mime,
    ops::{
        Ops,
        agents::{self, AgentPatch},
        directory, settings,
    },
};

/// The user's own mail up to this size is kept in memory; any more goes to the temporary folder.
const IN_MEMORY: u64 = 256 << 20;
/// Every how many messages of the user's own a reference is added.
const WEAVE_EVERY: usize = 10;

/// Mailboxes and the mail that is sent to them.
pub(super) struct Plan {
    pub mailboxes: Vec<MailboxSettings>,
    pub mail: Vec<PlannedMail>,
    /// Files that contain no mail, or cannot be read.
    pub passed_over: usize,
}

/// A message and where it goes.
pub(super) struct PlannedMail {
    pub mailbox: String,
    pub folder: FolderKind,
    pub raw: Raw,
    pub received: Timestamp,
}

impl Plan {
    /// How many messages each mailbox's agent has to handle.
    pub(super) fn expected_by_mailbox(&self) -> HashMap<String, u64> {
        let mut expected: HashMap<String, u64> = HashMap::new();
        for mail in &self.mail {
            let archives = self
                .mailboxes
                .iter()
                .any(|mailbox| mailbox.address == mail.mailbox && mailbox.archive);
            if archives || mail.folder == FolderKind::Inbox {
                *expected.entry(mail.mailbox.clone()).or_default() += 1;
            }
        }
        expected
    }
}

/// The sample mail, in the order of its arrival.
pub(super) fn sample_plan(set: &DemoSet) -> Plan {
    let now = SystemClock.now();
    let planned = |mailbox: &DemoMailbox, folder: FolderKind, raw: &'static [u8]| PlannedMail {
        mailbox: mailbox.settings.address.clone(),
        folder,
        received: mime::parse(raw).ok().and_then(|parsed| parsed.sent_time).unwrap_or(now),
        raw: Raw::Bytes(Bytes::from_static(raw)),
    };
    let mut mail = Vec::new();
    for mailbox in &set.mailboxes {
        mail.extend(mailbox.inbox.iter().map(|(_, raw)| planned(mailbox, FolderKind::Inbox, raw)));
        mail.extend(mailbox.sent.iter().map(|(_, raw)| planned(mailbox, FolderKind::Sent, raw)));
    }
    mail.sort_by_key(|mail| mail.received);
    Plan {
        mailboxes: set.mailboxes.iter().map(|mailbox| mailbox.settings.clone()).collect(),
        mail,
        passed_over: 0,
    }
}

/// The user's own mail, all of it in the inbox of one mailbox.
pub(super) async fn own_plan(set: &DemoSet, paths: &[PathBuf], weave: bool, folder: &Path) -> anyhow::Result<Plan> {
    let owner = set.directory.users.first().context("the sample directory has no user")?;
    let mailbox = MailboxSettings {
        address: format!(
            "demo@{}",
            set.directory
                .tenant
                .internal_domains
                .first()
                .context("the sample tenant has no domain")?
        ),
        login: "demo".to_owned(),
        owner: owner.id.clone(),
        from_name: "Demo".to_owned(),
        case_sweep: true,
        archive: true,
        create_non_matching_contacts: true,
        keep_full_message: false,
    };
    let references: Vec<String> = set.directory.cases.iter().map(|case| case.reference.clone()).collect();
    let paths = paths.to_vec();
    let spool = folder.join("mail");
    let address = mailbox.address.clone();
    let read = move || read_own_mail(&paths, weave.then_some(&references[..]), &spool, &address);
    let (mail, passed_over) = tokio::task::spawn_blocking(read).await??;
    anyhow::ensure!(
        !mail.is_empty(),
        "--mail names no mail: there is no .eml file, mbox file or Maildir"
    );
    Ok(Plan {
        mailboxes: vec![mailbox],
        mail,
        passed_over,
    })
}

fn read_own_mail(
    paths: &[PathBuf],
    references: Option<&[String]>,
    spool: &Path,
    mailbox: &str,
) -> anyhow::Result<(Vec<PlannedMail>, usize)> {
    let files = mailfile::open(paths).context("cannot read the mail")?;
    let in_memory = files.total_bytes() <= IN_MEMORY;
    let mut passed_over = files.skipped();
    std::fs::create_dir_all(spool)?;
    let now = SystemClock.now();
    let mut mail = Vec::new();
    for message in files {
        let message = match message {
            Ok(message) => message,
            Err(error) => {
                eprintln!("skipped: {error}");
                passed_over += 1;
                continue;
            }
        };
        let raw = match references {
            Some(references) if mail.len() % WEAVE_EVERY == 0 && !references.is_empty() => {
                let reference = &references[mail.len() / WEAVE_EVERY % references.len()];
                weave(&message.raw, reference).into_owned()
            }
            _ => message.raw,
        };
        let raw = if in_memory {
            Raw::Bytes(raw.into())
        } else {
            let path = spool.join(format!("{}.eml", mail.len()));
            std::fs::write(&path, &raw)?;
            Raw::file(path)?
        };
        mail.push(PlannedMail {
            mailbox: mailbox.to_owned(),
            folder: FolderKind::Inbox,
            raw,
            received: now,
        });
    }
    Ok((mail, passed_over))
}

/// Writes the sample directory and the tenant's settings.
pub(super) async fn write_directory(ops: &Ops, admin: &Caller, directory: &Directory) -> anyhow::Result<()> {
    let tenant = &directory.tenant;
    let patch = settings::SettingsPatch {
        wanted: TenantChoices {
            case_reference_format: CaseReferenceFormat::Prefix {
                prefix: tenant.case_reference_prefix.clone(),
                digits: tenant.case_reference_digits,
            },
            internal_domains: tenant.internal_domains.clone(),
            trusted_authserv_ids: tenant.trusted_authserv_ids.clone(),
            authentication_method: AuthenticationMethod::Modern,
            ..TenantChoices::default()
        },
        fields: vec![
            "case_reference_format",
            "internal_domains",
            "trusted_authserv_ids",
            "authentication_method",
        ],
        violations: Vec::new(),
    };
    settings::update(ops, admin, "", patch).await?;
    settings::acknowledge_storage_terms(ops, admin).await?;
    let users = directory.users.iter().map(|user| User {
        id: user.id.clone(),
        display_name: user.display_name.clone(),
        addresses: user.addresses.clone(),
        revision: 1,
    });
    directory::upsert_users(ops, admin, users.collect()).await?;
    let customers = directory.customers.iter().map(|customer| Customer {
        id: customer.id.clone(),
        display_name: customer.display_name.clone(),
        revision: 1,
    });
    directory::upsert_customers(ops, admin, customers.collect()).await?;
    let contacts = directory.contacts.iter().map(|contact| Contact {
        id: contact.id.clone(),
        customer: contact.customer.clone(),
        display_name: contact.display_name.clone(),
        addresses: contact.addresses.clone(),
        revision: 1,
        created_by_service: false,
    });
    directory::upsert_contacts(ops, admin, contacts.collect()).await?;
    let cases = directory.cases.iter().map(|case| Case {
        id: case.id.clone(),
        reference: case.reference.clone(),
        customer: case.customer.clone(),
        title: case.title.clone(),
        revision: 1,
    });
    directory::upsert_cases(ops, admin, cases.collect()).await?;
    Ok(())
}

/// Creates the simulated mailboxes and their agents, and logs in to them: to every second one over Graph. Returns the agents' ids by the
/// addresses of their mailboxes.
pub(super) async fn create_agents(
    ops: &Ops,
    admin: &Caller,
    (exchange, platforms): (&Exchange, &Platforms),
    plan: &Plan,
) -> anyhow::Result<HashMap<String, String>> {
    let mut agents = HashMap::new();
    for (number, mailbox) in plan.mailboxes.iter().enumerate() {
        exchange.add_mailbox(&mailbox.address, &mailbox.address, &ops.ids.next());
        let (kind, endpoint, shown) = if number % 2 == 0 {
            (AgentKind::ExchangeEws, exchange.endpoint(), "EWS")
        } else {
            (AgentKind::ExchangeGraph, exchange.graph(), "Microsoft Graph")
        };
        let settings = AgentSettings {
            kind,
            from_name: mailbox.from_name.clone(),
            from_address: mailbox.address.clone(),
            exchange: ExchangeSettings {
                endpoint: endpoint.into(),
                case_sweep: mailbox.case_sweep,
                archive: mailbox.archive,
                sweep_options: SweepOptions {
                    create_non_matching_contacts: mailbox.create_non_matching_contacts,
                    keep_full_message: mailbox.keep_full_message,
                },
                ..ExchangeSettings::default()
            },
            ..AgentSettings::default()
        };
        let patch = AgentPatch::all(&mailbox.owner, settings, Secret::default());
        let agent = agents::create(ops, admin, patch, "").await?.agent.id;
        platforms.log_in(ops, admin, &agent, &mailbox.address).await?;
        print_line(&format!("Logged in to {}, which is read over {shown}.", mailbox.address));
        agents.insert(mailbox.address.clone(), agent);
    }
    Ok(agents)
}

/// Sends the mail to the simulated mailboxes.
pub(super) async fn deliver(exchange: &Exchange, plan: &Plan, pace: Duration) {
    for mail in &plan.mail {
        exchange.deliver(&mail.mailbox, mail.folder, mail.raw.clone(), mail.received);
        if !pace.is_zero() {
            tokio::time::sleep(pace).await;
        }
    }
}
