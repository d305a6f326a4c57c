//! Which mail goes to which simulated mailbox: the sample, or the user's own.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use anyhow::Context;
use bytes::Bytes;
use mailagent_sim::exchange::{FolderKind, Raw};

use super::{
    data::{DemoMailbox, DemoSet, MailboxSettings},
    weave::weave,
};
use crate::{
    domain::{Clock, SystemClock, Timestamp},
    mailfile, mime,
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
pub(super) fn sample(set: &DemoSet) -> Plan {
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
pub(super) async fn own(set: &DemoSet, paths: &[PathBuf], weave: bool, folder: &Path) -> anyhow::Result<Plan> {
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
    let mut passed_over = files.passed_over().count;
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
