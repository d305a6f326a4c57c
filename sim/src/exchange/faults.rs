//! Faults on demand, and the record of what clients asked for.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use super::FolderKind;

/// A fault that the server is told to show.
#[derive(Clone, Debug)]
pub struct Fault {
    operation: String,
    mailbox: Option<String>,
    folder: Option<FolderKind>,
    when: When,
    kind: FaultKind,
}

/// Which of the requests it concerns.
#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    Next(u32),
    Nth(u32),
    Probability(f64),
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum FaultKind {
    /// HTTP 500 with a SOAP fault ErrorServerBusy, and the wait it asks for.
    SoapFaultBusy {
        /// BackOffMilliseconds; left out when `None`.
        backoff: Option<Duration>,
    },
    /// HTTP 200, every response message is ErrorServerBusy.
    MessageBusy {
        /// BackOffMilliseconds; left out when `None`.
        backoff: Option<Duration>,
    },
    /// HTTP 500 with a SOAP fault of this response code.
    SoapFault(&'static str),
    /// An answer of the web server: 401, 403, 503 …
    Http {
        /// Its status.
        status: u16,
        /// Its Retry-After, in whole seconds; left out when `None`.
        retry_after: Option<Duration>,
    },
    /// Graph: an error answer.
    Graph {
        /// Its status.
        status: u16,
        /// Its code, such as `ErrorItemNotFound`.
        code: &'static str,
        /// Its Retry-After, in whole seconds; left out when `None`.
        retry_after: Option<Duration>,
    },
    /// The connection closes, nothing was done.
    DropBeforeAnswer,
    /// The work is done, then the connection closes without an answer.
    DropAfterWrite,
    /// The work is done, the connection closes in the middle of the answer.
    TruncateBody,
    /// The work is done, Content-Length claims more than there is.
    WrongContentLength,
    /// The answer comes late.
    Slow(Duration),
    /// HTTP 200 with bytes that are no XML.
    Garbage,
    /// HTTP 200 with a web page, as from a login form or a proxy.
    Html,
    /// SyncFolderItems and `graph/delta` ignore the state they are given and list everything again.
    StaleSyncStateFullListing,
    /// SyncFolderItems and `graph/delta` refuse the state they are given, if they are given one.
    InvalidSyncState,
    /// `graph/create`: the draft is made without the extended properties that it is given.
    ForgottenProperties,
    /// Entries of the second half of a batch fail with this response code; they are not carried out.
    HalfFailedBatch(&'static str),
    /// Of the content of a message only so many bytes are returned, as if that were all.
    CutContent(usize),
    /// Every entry fails with this response code; nothing is carried out.
    ItemError(&'static str),
    /// GetStreamingEvents: the connection closes in the middle of the first notification.
    StreamCutInsideEnvelope,
    /// GetStreamingEvents: the connection closes after the first envelope.
    StreamCutBetween,
    /// GetStreamingEvents: after the first envelope nothing comes any more, though the connection stays.
    StreamSilent,
}

impl Fault {
    /// The next `count` requests of `operation`, such as `GetItem` or, over Graph, `graph/value`; `*` for any.
    pub fn next(operation: &str, count: u32, kind: FaultKind) -> Self {
        Self::new(operation, When::Next(count), kind)
    }

    /// Only the `nth` request of `operation` from now on, counted from 1.
    pub fn nth(operation: &str, nth: u32, kind: FaultKind) -> Self {
        Self::new(operation, When::Nth(nth), kind)
    }

    /// Each request of `operation` with this probability, 0 to 1.
    pub fn sometimes(operation: &str, probability: f64, kind: FaultKind) -> Self {
        Self::new(operation, When::Probability(probability), kind)
    }

    /// Only requests about this mailbox.
    #[must_use]
    pub fn in_mailbox(mut self, address: &str) -> Self {
        self.mailbox = Some(address.to_lowercase());
        self
    }

    /// Only requests for the changes of this folder.
    #[must_use]
    pub fn in_folder(mut self, folder: FolderKind) -> Self {
        self.folder = Some(folder);
        self
    }

    fn new(operation: &str, when: When, kind: FaultKind) -> Self {
        Self {
            operation: operation.to_owned(),
            mailbox: None,
            folder: None,
            when,
            kind,
        }
    }
}

/// The faults that are still to come.
#[derive(Debug)]
pub(super) struct Script {
    faults: Vec<Fault>,
    chance: fastrand::Rng,
}

impl Script {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            faults: Vec::new(),
            chance: fastrand::Rng::with_seed(seed),
        }
    }

    pub(super) fn push(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.faults.clear();
    }

    /// What goes wrong with this request, which may be about one folder. The fault told first wins; the others do not count it.
    pub(super) fn strike(&mut self, operation: &str, mailbox: Option<&str>, folder: Option<FolderKind>) -> Option<FaultKind> {
        let Self { faults, chance } = self;
        let concerned = |fault: &Fault| {
            (fault.operation == "*" || fault.operation == operation)
                && (fault.mailbox.is_none() || fault.mailbox.as_deref() == mailbox)
                && (fault.folder.is_none() || fault.folder == folder)
        };
        let mut struck = None;
        faults.retain_mut(|fault| {
            if struck.is_some() || !concerned(fault) {
                return true;
            }
            let (strikes, stays) = match &mut fault.when {
                When::Next(count) => {
                    let strikes = *count > 0;
                    *count = count.saturating_sub(1);
                    (strikes, *count > 0)
                }
                When::Nth(count) => {
                    *count = count.saturating_sub(1);
                    (*count == 0, *count > 0)
                }
                When::Probability(probability) => (chance.f64() < *probability, true),
            };
            if strikes {
                struck = Some(fault.kind.clone());
            }
            stays
        });
        struck
    }
}

/// A request that the server has seen.
#[derive(Clone, Debug)]
pub struct Request {
    /// The operation, such as `SyncFolderItems`; empty when the request was not understood.
    pub operation: String,
    /// The login it came with; empty when refused.
    pub login: String,
    /// The mailbox it was about, in lower case.
    pub mailbox: Option<String>,
    /// When it came, since the start of the server.
    pub begin: Duration,
    /// When its answer was ready, since the start of the server. Streams: when they began.
    pub end: Duration,
    /// Ids or items in it.
    pub entries: usize,
    /// Requests about the mailbox that ran at that moment, this one included.
    pub concurrent: usize,
    /// HTTP status; `None` when the connection was cut instead.
    pub status: Option<u16>,
    /// Whether a scripted fault struck it.
    pub faulty: bool,
}

/// Requests that are remembered one by one; counters go on beyond.
const REMEMBERED: usize = 100_000;

/// What clients asked for.
#[derive(Debug, Default)]
pub(super) struct Record {
    requests: VecDeque<Request>,
    counts: HashMap<String, u64>,
    peaks: HashMap<String, usize>,
}

impl Record {
    pub(super) fn push(&mut self, request: Request) {
        *self.counts.entry(request.operation.clone()).or_default() += 1;
        if let Some(mailbox) = &request.mailbox {
            let peak = self.peaks.entry(mailbox.clone()).or_default();
            *peak = (*peak).max(request.concurrent);
        }
        if self.requests.len() == REMEMBERED {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.iter().cloned().collect()
    }

    pub(super) fn count(&self, operation: &str) -> u64 {
        self.counts.get(operation).copied().unwrap_or_default()
    }

    pub(super) fn peak(&self, mailbox: &str) -> usize {
        self.peaks.get(mailbox).copied().unwrap_or_default()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn struck(script: &mut Script, operation: &str, times: usize) -> Vec<bool> {
        (0..times)
            .map(|_| script.strike(operation, Some("a@x"), Some(FolderKind::Inbox)).is_some())
            .collect()
    }

    #[test]
    fn faults_strike_when_told() {
        let mut script = Script::new(1);
        script.push(Fault::next("GetItem", 2, FaultKind::Garbage));
        script.push(Fault::nth("GetItem", 2, FaultKind::Html));
        assert_eq!(struck(&mut script, "FindItem", 2), [false, false]);
        assert_eq!(struck(&mut script, "GetItem", 5), [true, true, false, true, false]);
        script.push(Fault::next("*", 1, FaultKind::Garbage).in_mailbox("B@x"));
        assert_eq!(struck(&mut script, "GetItem", 1), [false], "another mailbox");
        assert_eq!(script.strike("GetItem", Some("b@x"), None), Some(FaultKind::Garbage));
        script.push(Fault::sometimes("*", 0.5, FaultKind::Garbage));
        let hits = struck(&mut script, "GetItem", 1000).into_iter().filter(|hit| *hit).count();
        assert!((400..600).contains(&hits), "{hits}");
        script.clear();
        script.push(Fault::next("*", 1, FaultKind::Garbage).in_folder(FolderKind::Sent));
        assert_eq!(struck(&mut script, "SyncFolderItems", 1), [false], "another folder");
        assert_eq!(script.strike("GetFolder", Some("a@x"), None), None);
        assert_eq!(
            script.strike("SyncFolderItems", Some("a@x"), Some(FolderKind::Sent)),
            Some(FaultKind::Garbage)
        );
        assert_eq!(struck(&mut script, "GetItem", 3), [false; 3]);
    }
}
