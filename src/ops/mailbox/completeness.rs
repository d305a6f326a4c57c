//! Whether everything is there: what the server lists, folder by folder, against what was handled and archived; and closing the gaps.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use async_stream::try_stream;
use futures::Stream;
use tokio::time::Instant;

use super::{
    connect::Opened,
    error::{ReadError, with_reply},
    folder::{FetchList, FolderReader, MessageState},
    health::{self, AccessKind, AccessResult, HealthSubject},
    turn,
    work::{MailboxWork, Progress, Purposes},
};
use crate::{
    domain::{Agent, HealthState, Kind, Mailbox, TenantId, Timestamp},
    net::{ErrorClass, ProviderError},
    ops::Ops,
    provider::{Fetched, Folder, ItemId, ListedMessage},
};

/// Gaps of a folder of which it is told what they are; the server is asked about each. Of further ones there is the id.
const DESCRIBED: usize = 500;
/// Gaps that are described at once.
const AT_ONCE: usize = 50;
/// Most gaps that are remembered while they are closed; any others are found by comparing again.
const KEPT: usize = 50_000;
/// How often a piece is tried when another reader of the mailbox was faster.
const TRIES: usize = 20;

/// How often messages are asked for when one of them brings a fault that may pass.
const FAULTS: usize = 10;

/// A message that is in the mailbox and not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The folder, as people call it.
    pub folder: String,
    /// Opaque id in the mailbox.
    pub source: ItemId,
    /// What is missing.
    pub missing: Missing,
    /// What the server says of it. `None`: it was not asked, as there are too many.
    pub described: Option<Described>,
}

/// What is missing of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It was never handled, or was set aside as the server did not give it out.
    Handling,
    /// It was handled, but is not in the archive.
    Archive,
}

/// A message in the server's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// Its subject. Possibly empty.
    pub subject: String,
    /// From.
    pub from: Option<Mailbox>,
    /// Message-ID without the angle brackets. Possibly empty.
    pub message_id: String,
    /// When the mailbox received it.
    pub received: Option<Timestamp>,
    /// Its size in bytes.
    pub size: u64,
    /// Why the server does not give it out. Empty when it does.
    pub problem: String,
}

/// A folder in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FolderReport {
    /// The folder, as people call it.
    pub folder: String,
    /// Messages in it, as the server counts them.
    pub counted: Option<u64>,
    /// Messages in it, as the server lists them.
    pub listed: u64,
    /// Listed messages that are of no interest: filed before the agent was there, which does not archive.
    pub passed_over: u64,
    /// Listed messages that were handled.
    pub handled: u64,
    /// Of these, archived ones.
    pub archived: u64,
    /// Messages that are missing.
    pub gaps: u64,
    /// Why it could not be compared to its end, in plain language. Empty when it was.
    pub problem: String,
}

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A gap.
    Gap(Gap),
    /// All of a folder, behind its gaps.
    Folder(FolderReport),
}

/// Compares a mailbox with what was handled and archived. Reads ids, and changes nothing.
pub fn check(
    ops: Ops,
    tenant: TenantId,
    agent: Agent,
    opened: Result<Opened, ReadError>,
) -> impl Stream<Item = Result<Found, ReadError>> + Send {
    try_stream! {
        let opened = opened?;
        let work = MailboxWork { ops: &ops, tenant: &tenant, agent: &agent, opened: &opened };
        let mailbox = ComparedMailbox::new(work).await?;
        let folders = mailbox.log_in().await?;
        for folder in &folders {
            let Some(mut comparison) = mailbox.compare(folder).await? else {
                continue;
            };
            let mut described = 0;
            'pages: loop {
                let gaps = match comparison.next().await {
                    Ok(Some(mut gaps)) => {
                        comparison.leave_out_what_comes(&mut gaps).await;
                        gaps
                    }
                    Ok(None) => break,
                    Err(error) => {
                        comparison.report.problem = words(&work.own_fault(error, folder, &folders).await?);
                        break;
                    }
                };
                for gaps in gaps.chunks(AT_ONCE) {
                    let found = if described < DESCRIBED {
                        described += gaps.len();
                        match look_at(&opened, gaps).await {
                            Ok(found) => found,
                            Err(error) => {
                                comparison.report.problem = words(&work.own_fault(error, folder, &folders).await?);
                                break 'pages;
                            }
                        }
                    } else {
                        gaps.iter().map(|gap| (gap.clone(), None)).collect()
                    };
                    // What left the mailbox in between is no gap.
                    comparison.report.listed -= (gaps.len() - found.len()) as u64;
                    for ((source, missing), described) in found {
                        comparison.report.gaps += 1;
                        comparison.report.handled += u64::from(missing == Missing::Archive);
                        yield Found::Gap(Gap { folder: folder.label(), source, missing, described });
                    }
                }
            }
            yield Found::Folder(comparison.report);
        }
    }
}

/// What is wrong with a folder, with the server's own words.
fn words(fault: &ProviderError) -> String {
    with_reply(&fault.problem, &fault.server_reply)
}

/// Asks the server about messages, without their bytes. Those that are gone are left out.
async fn look_at(opened: &Opened, gaps: &[(ItemId, Missing)]) -> Result<Vec<((ItemId, Missing), Option<Described>)>, ReadError> {
    let ids: Vec<ItemId> = gaps.iter().map(|(id, _)| id.clone()).collect();
    // Every message is over this limit.
    let mut tries = 0;
    let fetched = loop {
        match opened.mailbox.fetch(&ids, 0).await {
            Ok(fetched) => break fetched,
            // A message that stays like that is told to be broken after a few times.
            Err(error) if may_be_one_message(&error) && tries < FAULTS => tries += 1,
            Err(error) => return Err(error.into()),
        }
    };
    let seen = gaps.iter().cloned().zip(fetched.into_iter().map(describe));
    Ok(seen.filter(|(_, described)| described.is_some()).collect())
}

/// Whether a fault may be that of one message which the server does not give out, rather than a wish for a pause.
fn may_be_one_message(error: &ProviderError) -> bool {
    error.class == ErrorClass::Retry { after: None }
}

/// `None`: it is gone.
fn describe(fetched: Fetched) -> Option<Described> {
    match fetched {
        Fetched::TooLarge { size, listed } => Some(Described { size, ..described(listed) }),
        Fetched::Message { raw, received } => Some(Described {
            received,
            size: raw.len() as u64,
            ..Described::default()
        }),
        Fetched::Broken { server_reply, listed } => Some(Described {
            problem: server_reply,
            ..described(listed)
        }),
        Fetched::Gone => None,
    }
}

fn described(listed: ListedMessage) -> Described {
    Described {
        message_id: listed.bare_id().to_owned(),
        subject: listed.subject,
        from: listed.from,
        received: listed.received,
        size: listed.size.unwrap_or_default(),
        problem: String::new(),
    }
}

/// How far a backfill is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackfillReport {
    /// Gaps found.
    pub gaps: u64,
    /// Of these, closed ones; also those whose message left the mailbox.
    pub closed: u64,
    /// Of these, gaps that stay: over the size limit, or not given out by the server.
    pub left: u64,
    /// What closing them did.
    pub progress: Progress,
    /// How long the rest is going to take, at the pace so far. `None`: not known yet.
    pub remaining: Option<Duration>,
    /// Folders that could not be compared or filled, each with what is wrong, in plain language.
    pub folder_problems: BTreeMap<String, String>,
}

/// Closes the gaps of a mailbox. It may be dropped at any time: what is closed stays closed, and the next call goes on with the rest.
/// Other readers of the mailbox are held up for a piece at a time only.
///
/// # Errors
/// What ended it early.
pub async fn backfill(
    ops: &Ops,
    tenant: &TenantId,
    agent: &Agent,
    opened: Result<Opened, ReadError>,
    report: &mut (dyn FnMut(BackfillReport) + Send),
) -> Result<BackfillReport, ReadError> {
    let opened = opened?;
    let work = MailboxWork {
        ops,
        tenant,
        agent,
        opened: &opened,
    };
    let mailbox = ComparedMailbox::new(work).await?;
    let mut filling = BackfillReport::default();
    let mut began = None;
    loop {
        let before = filling.closed;
        let todo = mailbox.find(&mut filling, report).await?;
        let began = *began.get_or_insert_with(Instant::now);
        for (folder, gaps) in &todo.gaps {
            for ids in gaps.chunks(AT_ONCE) {
                if let Err(error) = Box::pin(mailbox.close(folder, ids, &mut filling)).await {
                    match work.own_fault(error, folder, &todo.folders).await {
                        Ok(fault) => filling.folder_problems.insert(folder.label(), words(&fault)),
                        Err(error) => return Err(mailbox.failed(error).await),
                    };
                    break;
                }
                filling.remaining = remaining(&filling, began.elapsed());
                report(filling.clone());
            }
        }
        if !todo.more || filling.closed == before {
            return Ok(filling);
        }
        // Those that stayed are found again among the rest.
        (filling.gaps, filling.left) = (filling.gaps - filling.left, 0);
    }
}

fn remaining(filling: &BackfillReport, elapsed: Duration) -> Option<Duration> {
    let done = filling.closed + filling.left;
    let rest = filling.gaps.saturating_sub(done);
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    (done > 0).then(|| elapsed.mul_f64(rest as f64 / done as f64))
}

/// A mailbox that is compared.
struct ComparedMailbox<'a> {
    work: MailboxWork<'a>,
    purposes: Purposes,
}

/// What there is to fill.
struct BackfillPlan {
    folders: Vec<Folder>,
    gaps: Vec<(Folder, Vec<ItemId>)>,
    /// Whether there are more than are kept in mind.
    more: bool,
}

impl<'a> ComparedMailbox<'a> {
    async fn new(work: MailboxWork<'a>) -> Result<Self, ReadError> {
        Ok(Self {
            purposes: Purposes::of(work.ops, work.tenant, work.agent).await?,
            work,
        })
    }

    async fn log_in(&self) -> Result<Vec<Folder>, ReadError> {
        let MailboxWork { ops, tenant, opened, .. } = self.work;
        let mut turn = turn::turn(ops, tenant, opened.account.as_ref()).await?;
        match turn.log_in(&*opened.mailbox).await {
            Ok(folders) => Ok(folders),
            Err(error) => Err(self.failed(error.into()).await),
        }
    }

    /// `None` when the folder is not read at all.
    async fn compare<'f>(&'f self, folder: &'f Folder) -> Result<Option<Comparison<'f>>, ReadError> {
        let Some(purpose) = self.purposes.of_folder(folder) else {
            return Ok(None);
        };
        Ok(Some(Comparison {
            reader: FolderReader::new(self.work, folder, purpose),
            folder,
            next: Next::First,
            report: FolderReport {
                folder: folder.label(),
                counted: folder.total,
                ..FolderReport::default()
            },
            coming: None,
            read: self.is_read().await?,
        }))
    }

    /// Whether the mailbox is read, as far as is known, so that what has just come to it is going to be handled.
    async fn is_read(&self) -> Result<bool, ReadError> {
        let MailboxWork { ops, tenant, agent, .. } = self.work;
        let health = ops.store.tenant(tenant).agent_health(std::slice::from_ref(&agent.id)).await?;
        Ok(health.first().is_some_and(|health| health.state == HealthState::Ok))
    }

    /// The gaps by folders.
    async fn find(&self, filling: &mut BackfillReport, report: &mut (dyn FnMut(BackfillReport) + Send)) -> Result<BackfillPlan, ReadError> {
        let mut todo = BackfillPlan {
            folders: self.log_in().await?,
            gaps: Vec::new(),
            more: false,
        };
        let mut kept = 0;
        for folder in &todo.folders {
            let Some(mut comparison) = self.compare(folder).await? else {
                continue;
            };
            let mut gaps: Vec<ItemId> = Vec::new();
            while kept < KEPT {
                match comparison.next().await {
                    Ok(Some(page)) => {
                        kept += page.len();
                        filling.gaps += page.len() as u64;
                        gaps.extend(page.into_iter().map(|(id, _)| id));
                        report(filling.clone());
                    }
                    Ok(None) => break,
                    Err(error) => {
                        let fault = self.work.own_fault(error, folder, &todo.folders).await?;
                        filling.folder_problems.insert(folder.label(), words(&fault));
                        break;
                    }
                }
            }
            todo.gaps.push((folder.clone(), gaps));
            if kept >= KEPT {
                todo.more = true;
                break;
            }
        }
        Ok(todo)
    }

    /// Handles some messages of a folder.
    async fn close(&self, folder: &Folder, ids: &[ItemId], filling: &mut BackfillReport) -> Result<(), ReadError> {
        let mut tries = 0;
        loop {
            let Some(purpose) = self.purposes.of_folder(folder) else {
                return Ok(());
            };
            let mut reader = FolderReader::new(self.work, folder, purpose);
            let _lock = reader.lock().await;
            let mut progress = Progress::default();
            let done = async {
                reader.find_position(&mut progress).await?;
                let open = reader.not_handled(ids.to_vec()).await?;
                let open = FetchList {
                    ids: open,
                    sizes: &HashMap::new(),
                    state: None,
                };
                reader.handle(open, &mut progress, &mut |_| {}).await?;
                let left = reader.not_handled(ids.to_vec()).await?.len() as u64;
                Ok::<u64, ReadError>(left.saturating_sub(progress.gone))
            };
            match done.await {
                Ok(left) => {
                    filling.left += left;
                    filling.closed += ids.len() as u64 - left;
                    filling.progress += progress;
                    return Ok(());
                }
                Err(ReadError::Service(error)) if error.kind == Kind::Stale && tries < TRIES => tries += 1,
                Err(ReadError::Provider(error)) if may_be_one_message(&error) && tries < FAULTS => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Keeps a fault in the agent's health.
    async fn failed(&self, error: ReadError) -> ReadError {
        let MailboxWork {
            ops,
            tenant,
            agent,
            opened,
        } = self.work;
        let subject = HealthSubject {
            agent,
            account: opened.account.as_ref(),
            since: ops.now(),
        };
        match health::record(ops, tenant, subject, AccessKind::Read, AccessResult::Failed(&error)).await {
            Ok(()) => error,
            Err(unwritten) => unwritten.into(),
        }
    }
}

/// Which page of a listing is the next.
enum Next {
    /// The first one.
    First,
    /// The one behind this state.
    Behind(String),
    /// There is none.
    End,
}

/// A folder that is listed from its beginning.
struct Comparison<'a> {
    reader: FolderReader<'a>,
    folder: &'a Folder,
    next: Next,
    report: FolderReport,
    /// Whether the mailbox is read at present.
    read: bool,
    /// What the next read is going to find, once it was asked for.
    coming: Option<HashSet<ItemId>>,
}

impl Comparison<'_> {
    /// Takes out what came after the folder was read last: it is not missing, but about to be handled.
    async fn leave_out_what_comes(&mut self, gaps: &mut Vec<(ItemId, Missing)>) {
        if !self.read || !gaps.iter().any(|(_, missing)| *missing == Missing::Handling) {
            return;
        }
        let coming = match self.coming.take() {
            Some(coming) => coming,
            // When the server has lost the state, the folder is listed again, and everything is reported.
            None => self.reader.to_come().await.unwrap_or_default(),
        };
        let before = gaps.len();
        gaps.retain(|(id, _)| !coming.contains(id));
        self.report.listed -= (before - gaps.len()) as u64;
        self.coming = Some(coming);
    }

    /// The gaps of the next page, possibly none; counts the rest. `None` at the end.
    async fn next(&mut self) -> Result<Option<Vec<(ItemId, Missing)>>, ReadError> {
        let state = match std::mem::replace(&mut self.next, Next::End) {
            Next::First => None,
            Next::Behind(state) => Some(state),
            Next::End => return Ok(None),
        };
        let page = self.reader.source().changes(self.folder, state.as_deref()).await?;
        let listed = page.upserts.len();
        let wanted = self.reader.of_interest(page.upserts, &page.received);
        self.report.listed += listed as u64;
        self.report.passed_over += (listed - wanted.len()) as u64;
        let mut gaps = Vec::new();
        for (id, standing) in self.reader.standings(wanted).await? {
            match standing {
                MessageState::Unknown | MessageState::Withheld => gaps.push((id, Missing::Handling)),
                MessageState::NotArchived => gaps.push((id, Missing::Archive)),
                MessageState::Handled => self.report.handled += 1,
                MessageState::Archived => {
                    self.report.handled += 1;
                    self.report.archived += 1;
                }
            }
        }
        if !page.last {
            self.next = Next::Behind(page.state);
        }
        Ok(Some(gaps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_as_the_pace_so_far_says() {
        let check = |gaps, closed, left, expected: Option<u64>| {
            let filling = BackfillReport {
                gaps,
                closed,
                left,
                ..BackfillReport::default()
            };
            let rest = remaining(&filling, Duration::from_secs(10));
            assert_eq!(rest, expected.map(Duration::from_secs), "{filling:?}");
        };
        check(100, 0, 0, None);
        check(100, 40, 10, Some(10));
        check(100, 20, 0, Some(40));
        check(100, 90, 10, Some(0));
    }

    #[test]
    fn what_is_gone_is_no_gap() {
        assert_eq!(describe(Fetched::Gone), None);
        let broken = Fetched::Broken {
            server_reply: "ErrorItemCorrupt".to_owned(),
            listed: ListedMessage::default(),
        };
        assert_eq!(describe(broken).unwrap().problem, "ErrorItemCorrupt");
        let known = Fetched::TooLarge {
            size: 7,
            listed: ListedMessage {
                message_id: " <m@x.test>".to_owned(),
                ..ListedMessage::default()
            },
        };
        assert_eq!(describe(known).unwrap().message_id, "m@x.test");
    }
}
