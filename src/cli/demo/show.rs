//! What the demo prints while it runs: one line for each note and each archived message.

use std::{
    collections::HashMap,
    io::{IsTerminal, Write},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{Stream, StreamExt};

use super::{DemoArgs, data::Directory, plan::Plan};
use crate::{
    cli::archive::human_bytes,
    domain::{
        Caller, CustomerId, Direction, Mailbox, MatchFilter, Message, MessageFilter, Note, Result, TokenEvent, TokenEventKind, TokenFilter,
        topic,
    },
    ops::{
        Ops, archive, login, sweep,
        watch::{Cursors, EARLIEST, Followed},
    },
};

/// Widths of the columns.
const CASE: usize = 12;
const CUSTOMER: usize = 24;
const PERSON: usize = 34;
const SUBJECT: usize = 60;

/// Names of customers for people.
pub(super) struct Names(HashMap<CustomerId, String>);

impl Names {
    pub(super) fn of(directory: &Directory) -> Self {
        let names = directory
            .customers
            .iter()
            .map(|customer| (CustomerId::from(customer.id.as_str()), customer.display_name.clone()));
        Self(names.collect())
    }

    fn customer<'a>(&'a self, id: &'a CustomerId) -> &'a str {
        self.0.get(id).map_or(id.as_str(), String::as_str)
    }
}

/// Follows the streams and prints, until it is dropped.
pub(super) struct Viewer {
    notes: Arc<AtomicU64>,
    messages: Arc<AtomicU64>,
    tasks: tokio::task::JoinSet<()>,
}

impl Viewer {
    /// Waits until as many notes and messages as there are have been printed, a few seconds at most.
    pub(super) async fn catch_up(&self, notes: u64, messages: u64) {
        let behind = || self.notes.load(Ordering::Acquire) < notes || self.messages.load(Ordering::Acquire) < messages;
        for _ in 0..500 {
            if !behind() || self.tasks.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Begins to print notes and archived messages as they come.
pub(super) async fn follow(ops: &Ops, admin: &Caller, names: Names) -> Result<Viewer> {
    let names = Arc::new(names);
    let cursors = |topic| Cursors::new(ops, topic, &admin.tenant);
    let matches = sweep::watch_matches(ops, admin, cursors(&topic::MATCHES), EARLIEST, MatchFilter::default()).await?;
    let messages = archive::stream(ops, admin, &cursors(&topic::MESSAGES), EARLIEST, MessageFilter::default()).await?;
    let mut shown = Viewer {
        notes: Arc::default(),
        messages: Arc::default(),
        tasks: tokio::task::JoinSet::new(),
    };
    let for_notes = names.clone();
    shown
        .tasks
        .spawn(print_all(matches, shown.notes.clone(), move |found: &sweep::Match| {
            note_line(&for_notes, &found.note)
        }));
    shown
        .tasks
        .spawn(print_all(messages, shown.messages.clone(), move |message: &Message| {
            message_line(&names, message)
        }));
    let tokens = login::notify::watch(ops, admin, cursors(&topic::TOKENS), EARLIEST, TokenFilter::default()).await?;
    shown
        .tasks
        .spawn(print_all(tokens, Arc::default(), |told: &login::notify::LoginEvent| {
            login_line(&told.event)
        }));
    Ok(shown)
}

async fn print_all<T>(stream: impl Stream<Item = Result<Followed<T>>>, printed: Arc<AtomicU64>, line: impl Fn(&T) -> String) {
    let mut stream = std::pin::pin!(stream);
    while let Some(followed) = stream.next().await {
        let Ok(followed) = followed else { return };
        if let Some(entry) = &followed.entry {
            print_line(&line(entry));
            printed.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// Prints a line; that nobody reads it any more is no fault of the demo.
pub(super) fn print_line(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn note_line(names: &Names, note: &Note) -> String {
    let mut marks = Vec::new();
    if note.contact_created {
        marks.push("contact created".to_owned());
    }
    if let Some(kind) = note.automatic {
        marks.push(kind.as_str().replace('_', "-"));
    }
    if note.blob.is_some() {
        marks.push("full message kept".to_owned());
    }
    let marks = if marks.is_empty() {
        String::new()
    } else {
        format!("  ({})", marks.join(", "))
    };
    format!(
        "{} {} {} {} {}{marks}",
        bold("note   "),
        fit(&note.case_reference, CASE),
        fit(names.customer(&note.customer), CUSTOMER),
        fit(&person(note.sender.as_ref()), PERSON),
        fit(&note.subject, SUBJECT).trim_end(),
    )
}

fn message_line(names: &Names, message: &Message) -> String {
    let mut customers: Vec<&str> = message.links.iter().map(|link| names.customer(&link.customer)).collect();
    customers.dedup();
    let customers = match (customers.is_empty(), message.direction) {
        (false, _) => customers.join(", "),
        (true, Direction::Internal) => "-".to_owned(),
        (true, _) => "(no customer yet)".to_owned(),
    };
    let other = if message.direction == Direction::Outgoing {
        message.to.first()
    } else {
        message.from.as_ref()
    };
    format!(
        "archive {} {} {} {}  {}",
        fit(message.direction.as_str(), CASE),
        fit(&customers, CUSTOMER),
        fit(&person(other), PERSON),
        fit(&message.subject, SUBJECT).trim_end(),
        human_bytes(u64::try_from(message.size).unwrap_or(0)),
    )
}

fn login_line(event: &TokenEvent) -> String {
    let what = match event.kind {
        TokenEventKind::Renewed => "logged in",
        TokenEventKind::Expiring => "expires soon",
        TokenEventKind::Expired => "has expired",
        TokenEventKind::LoginRequired => "is refused",
        TokenEventKind::LoginRevoked => "revoked",
        TokenEventKind::ConsentGiven => "consent",
        TokenEventKind::ConsentRevoked => "no consent",
        TokenEventKind::SecretExpiring => "secret expires",
    };
    let until = event.expires.map_or_else(String::new, |expires| format!("until {expires}"));
    format!(
        "{} {} {} {} {until}",
        bold("login  "),
        fit(what, CASE),
        fit(&event.provider, CUSTOMER),
        fit(&event.account, PERSON),
    )
    .trim_end()
    .to_owned()
}

fn person(mailbox: Option<&Mailbox>) -> String {
    match mailbox {
        None => "(no valid sender)".to_owned(),
        Some(mailbox) if mailbox.display_name.is_empty() => mailbox.address.clone(),
        Some(mailbox) => format!("{} <{}>", mailbox.display_name, mailbox.address),
    }
}

/// Cuts or fills a text to a width; characters of double width count as one, so such lines are longer.
fn fit(text: &str, width: usize) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() <= width {
        return format!("{text:width$}");
    }
    let cut: String = text.chars().take(width - 1).collect();
    format!("{cut}…")
}

fn bold(text: &str) -> String {
    if std::io::stdout().is_terminal() {
        format!("\x1b[1;32m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// Says what is going to happen, and how to call in meanwhile.
pub(super) fn greeting(address: SocketAddr, token: &str, plan: &Plan, args: &DemoArgs) {
    let mailboxes: Vec<&str> = plan.mailboxes.iter().map(|mailbox| mailbox.address.as_str()).collect();
    print_line(&format!(
        "mailagent {} with a simulated Exchange server, a simulated identity platform, and {} messages for {}.",
        env!("CARGO_PKG_VERSION"),
        plan.mail.len(),
        mailboxes.join(", "),
    ));
    if plan.passed_over > 0 {
        print_line(&format!("{} files contain no mail and are skipped.", plan.passed_over));
    }
    print_line(&format!("gRPC, grpc-web and HTTP at http://{address}"));
    if !args.once {
        print_line(&format!("Token of an administrator of the tenant `demo`:\n{token}"));
        print_line("Press Ctrl-C to end the demo and remove everything that it created.");
    }
    print_line("");
}

/// Says where a person may log in meanwhile.
pub(super) fn log_in_again(page: &str) {
    print_line(&format!(
        "Log in again in a browser, as the right account or as another one (within 10 minutes):\n{page}\n"
    ));
}

/// Says that there is nothing more to come.
pub(super) fn all_delivered() {
    print_line("All mail has been sent to the mailboxes. The service runs until Ctrl-C.");
}
