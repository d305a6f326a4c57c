//! The end of `demo --once`: is everything handled, is everything there, and what came of it.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::{Duration, Instant},
};

use aws_lc_rs::digest::{SHA256, digest};
use mailagent_sim::exchange::FolderKind;

use super::{
    plan::{Plan, PlannedMail},
    show::print_line,
};
use crate::{
    cli::archive::human_bytes,
    domain::{AgentId, ArchiveStatistics, Caller, MessageFilter, NoteFilter, OutcomeFilter, OutcomeResult},
    mime,
    ops::{Ops, agents, archive, sweep},
};

/// Longest message that the simulated server returns, and the service accepts.
const READ_LIMIT: u64 = 1 << 30;

/// Waits until every agent has handled as many messages as its mailbox was sent. Returns false when nothing happened for `patience`.
pub(super) async fn wait_until_handled(
    ops: &Ops,
    admin: &Caller,
    agents: &HashMap<String, AgentId>,
    expected: &HashMap<String, u64>,
    patience: Duration,
) -> anyhow::Result<bool> {
    let mut last = (0, Instant::now());
    loop {
        let mut handled = 0;
        let mut missing = 0;
        for (address, id) in agents {
            let health = agents::get(ops, admin, id).await?.health;
            let done = u64::try_from(health.handled).unwrap_or(0);
            handled += done;
            missing += expected.get(address).copied().unwrap_or(0).saturating_sub(done);
        }
        if missing == 0 {
            return Ok(true);
        }
        if handled > last.0 {
            last = (handled, Instant::now());
        } else if last.1.elapsed() > patience {
            for (address, id) in agents {
                let health = agents::get(ops, admin, id).await?.health;
                if !health.problem.is_empty() {
                    print_line(&format!("{address}: {} {}", health.problem, health.server_reply));
                }
            }
            print_line(&format!(
                "{missing} messages were not handled, and nothing has happened for {} s.",
                patience.as_secs()
            ));
            return Ok(false);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What came of all mail.
pub(super) struct Report {
    sent: usize,
    to_sweep: usize,
    outcomes: BTreeMap<&'static str, u64>,
    notes: usize,
    cases: usize,
    contacts: usize,
    archive: ArchiveStatistics,
    to_archive: usize,
    repeats: usize,
    missing: Vec<String>,
    damaged: Vec<String>,
}

impl Report {
    pub(super) async fn make(ops: &Ops, admin: &Caller, agents: &HashMap<String, AgentId>, plan: &Plan) -> anyhow::Result<Self> {
        let mut report = Self {
            sent: plan.mail.len(),
            to_sweep: 0,
            outcomes: BTreeMap::new(),
            notes: 0,
            cases: 0,
            contacts: 0,
            archive: archive::statistics(ops, admin).await?,
            to_archive: 0,
            repeats: 0,
            missing: Vec::new(),
            damaged: Vec::new(),
        };
        report.count_outcomes(ops, admin).await?;
        report.count_notes(ops, admin).await?;
        let archived = report.read_back(ops, admin).await?;
        report.look_for_all(agents, plan, &archived)?;
        Ok(report)
    }

    async fn count_outcomes(&mut self, ops: &Ops, admin: &Caller) -> anyhow::Result<()> {
        let mut before = String::new();
        loop {
            let page = sweep::list_outcomes(ops, admin, &OutcomeFilter::default(), &before, 500).await?;
            for outcome in &page.items {
                *self.outcomes.entry(outcome.result.as_str()).or_default() += 1;
            }
            match page.next {
                Some(next) => before = next,
                None => return Ok(()),
            }
        }
    }

    async fn count_notes(&mut self, ops: &Ops, admin: &Caller) -> anyhow::Result<()> {
        let mut before = String::new();
        let mut cases = HashSet::new();
        loop {
            let page = sweep::list_notes(ops, admin, &NoteFilter::default(), &before, 500).await?;
            self.notes += page.items.len();
            self.contacts += page.items.iter().filter(|note| note.contact_created).count();
            cases.extend(page.items.iter().map(|note| note.case.clone()));
            match page.next {
                Some(next) => before = next,
                None => break,
            }
        }
        self.cases = cases.len();
        Ok(())
    }

    /// Reads every archived message back and compares its bytes with the hash that was taken when it came. Returns all hashes.
    async fn read_back(&mut self, ops: &Ops, admin: &Caller) -> anyhow::Result<HashSet<Vec<u8>>> {
        let mut hashes = HashSet::new();
        let mut after = None;
        loop {
            let page = archive::list(ops, admin, &MessageFilter::default(), after, 500).await?;
            for message in page.items {
                match archive::raw_bytes(ops, &admin.tenant, &message.hash).await {
                    Ok(raw) if digest(&SHA256, &raw).as_ref() == message.hash => {}
                    _ => self.damaged.push(message.id.to_string()),
                }
                hashes.insert(message.hash);
            }
            after = page.next;
            if after.is_none() {
                return Ok(hashes);
            }
        }
    }

    /// Looks for every message that was sent: by its bytes, or, for one that came twice with other bytes, by its identity.
    fn look_for_all(&mut self, agents: &HashMap<String, AgentId>, plan: &Plan, archived: &HashSet<Vec<u8>>) -> anyhow::Result<()> {
        let settings: HashMap<&str, _> = plan.mailboxes.iter().map(|mailbox| (mailbox.address.as_str(), mailbox)).collect();
        let mut found = HashSet::new();
        let mut open: Vec<(&PlannedMail, Vec<u8>)> = Vec::new();
        let mut seen = HashSet::new();
        for mail in plan.mail.iter().filter(|mail| agents.contains_key(&mail.mailbox)) {
            let mailbox = settings.get(mail.mailbox.as_str());
            if mail.folder == FolderKind::Inbox && mailbox.is_some_and(|mailbox| mailbox.case_sweep) {
                self.to_sweep += 1;
            }
            if !mailbox.is_some_and(|mailbox| mailbox.archive) {
                continue;
            }
            self.to_archive += 1;
            let raw = mail.raw.read(READ_LIMIT)?;
            let hash = digest(&SHA256, &raw).as_ref().to_vec();
            if !seen.insert(hash.clone()) {
                self.repeats += 1;
            } else if archived.contains(&hash) {
                found.extend(mime::parse(&raw).ok().map(|parsed| parsed.identity));
            } else {
                open.push((mail, raw.to_vec()));
            }
        }
        for (mail, raw) in open {
            match mime::parse(&raw) {
                Ok(parsed) if found.contains(&parsed.identity) => self.repeats += 1,
                Ok(parsed) => self.missing.push(format!("{}: {}", mail.mailbox, parsed.subject)),
                Err(_) => self.missing.push(format!("{}: (cannot be parsed)", mail.mailbox)),
            }
        }
        Ok(())
    }

    /// Notes that were made.
    pub(super) fn notes(&self) -> u64 {
        self.notes as u64
    }

    /// Messages that are archived.
    pub(super) fn archived(&self) -> u64 {
        u64::try_from(self.archive.messages).unwrap_or(0)
    }

    /// Whether every message has an outcome where it is swept, and is in the archive unharmed.
    pub(super) fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.damaged.is_empty() && self.outcomes.values().sum::<u64>() == self.to_sweep as u64
    }

    pub(super) fn print(&self, took: Duration) {
        let row = |name: &str, value: String, more: &str| print_line(format!("  {name:<34} {value:>9}   {more}").trim_end());
        let number = |name: &str, value: usize, more: &str| row(name, value.to_string(), more);
        print_line(&format!("\nSummary after {:.1} s", took.as_secs_f64()));
        number("Messages sent to the mailboxes", self.sent, "");
        number(
            "In swept inboxes",
            self.to_sweep,
            &format!("{} outcomes", self.outcomes.values().sum::<u64>()),
        );
        for result in OutcomeResult::ALL {
            if let Some(count) = self.outcomes.get(result.as_str()) {
                let more = if *result == OutcomeResult::Matched {
                    format!("{} notes on {} cases", self.notes, self.cases)
                } else {
                    String::new()
                };
                row(&format!("  {}", result.as_str()), count.to_string(), &more);
            }
        }
        number("Contacts created", self.contacts, "");
        let archived = usize::try_from(self.archived()).unwrap_or(usize::MAX);
        number(
            "To archive",
            self.to_archive,
            &format!("{} of them arrived more than once", self.repeats),
        );
        let (size, stored) = (self.archive.size, self.archive.stored_size);
        let bytes = |bytes: i64| human_bytes(u64::try_from(bytes).unwrap_or(0));
        let share = if size > 0 { stored as f64 * 100.0 / size as f64 } else { 100.0 };
        number(
            "Archived",
            archived,
            &format!("{} in {} ({share:.0} %)", bytes(size), bytes(stored)),
        );
        number("  with no customer yet", usize::try_from(self.archive.unlinked).unwrap_or(0), "");
        number(
            "Read back byte for byte",
            archived.saturating_sub(self.damaged.len()),
            &format!("of {archived}"),
        );
        for (what, names) in [("Missing", &self.missing), ("Damaged", &self.damaged)] {
            for name in names.iter().take(20) {
                print_line(&format!("  {what}: {name}"));
            }
        }
        print_line(if self.is_complete() {
            "Nothing was lost."
        } else {
            "Something was lost or left out: see above."
        });
    }
}
