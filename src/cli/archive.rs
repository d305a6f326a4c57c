//! `mailagent archive import`.

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Instant};

use anyhow::Context;
use clap::{Args, Subcommand};
use futures::{StreamExt, TryStreamExt};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc::Sender},
};
use tokio_stream::wrappers::ReceiverStream;

use super::{CommandResult, Settings};
use crate::{
    app::{self, Environment},
    config::ByteSize,
    domain::TenantId,
    lifecycle::Lifecycle,
    mailfile::{self, PassedOver, PassedOverFiles},
    ops::{
        Ops,
        import::{self, BatchResult, ImportedMessage},
    },
};

/// Messages of one transaction.
const BATCH_MESSAGES: usize = 200;
/// Bytes of one transaction, so that large messages do not fill the memory.
const BATCH_BYTES: usize = 8 << 20;
/// Batches that are read and packed while another one is stored.
const BATCHES_AHEAD: usize = 2;
/// Limit of bytes of messages in progress at the same time. A single larger message is handled alone.
const BYTES_AHEAD: usize = 32 << 20;
/// Files that were passed over and are shown with their names.
const SHOWN: usize = 50;

/// Manages the archive.
#[derive(Subcommand, Debug)]
pub enum ArchiveCommand {
    /// Archives messages from .eml and .emlx files, mbox files and Maildirs. Importing them again adds nothing
    Import(ImportArgs),
}

/// Archives messages from files.
#[derive(Args, Debug)]
pub struct ImportArgs {
    #[command(flatten)]
    settings: Settings,
    /// The tenant whose archive receives them
    #[arg(long, value_name = "TENANT", value_parser = super::parse_id::<TenantId>)]
    tenant: TenantId,
    /// Shows no progress bar
    #[arg(long)]
    quiet: bool,
    /// .eml and .emlx files, mbox files, Maildirs, or folders of them
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

pub(super) async fn run(command: ArchiveCommand) -> CommandResult {
    let ArchiveCommand::Import(args) = command;
    let config = args.settings.load(&[])?;
    let ops = app::build_ops(
        &config,
        Environment {
            program: std::env::current_exe().ok(),
            ..Environment::default()
        },
        &Lifecycle::new(),
    )
    .await?;
    let files = mailfile::open(&args.files).context("cannot read the files")?;
    let (total, passed_over) = (files.total_bytes(), files.passed_over().clone());
    let bar = if args.quiet {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(total)
    };
    let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes}  {msg}  {elapsed_precise}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));

    let began = Instant::now();
    let result = import_files(&ops, &args.tenant, files, config.mail.max_message_size, &bar).await;
    bar.finish_and_clear();
    ops.store.close().await;
    let sums = result?;
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{} messages read, {} archived ({}), {} already known, {} other files passed over, in {seconds:.1} s ({:.0} messages/s).",
        sums.read,
        sums.archived,
        human_bytes(sums.bytes),
        sums.read - sums.archived - sums.unreadable,
        passed_over.count,
        sums.read as f64 / seconds.max(0.001),
    );
    show(&passed_over);
    if sums.unreadable > 0 {
        println!(
            "{} messages could not be read from their files; the lines above name them.",
            sums.unreadable
        );
    }
    if sums.unreadable > 0 || !passed_over.named.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Names the files that were passed over, those first that were named on the command line.
fn show(files: &PassedOverFiles) {
    let shown = files.named.iter().chain(&files.found).take(SHOWN);
    for PassedOver { path, reason } in shown.clone() {
        println!("passed over: {}: {reason}", path.display());
    }
    let more = files.count - shown.count();
    if more > 0 {
        println!("passed over: {more} more");
    }
}

#[derive(Default)]
struct Sums {
    read: u64,
    archived: u64,
    bytes: u64,
    unreadable: u64,
}

enum Read {
    Batch {
        messages: Vec<ImportedMessage>,
        bytes_read: u64,
        /// A share of the bytes in progress, released when the batch is stored.
        share: OwnedSemaphorePermit,
    },
    Unreadable(String),
}

/// Reads files, packs messages and stores them, each step while the others work on their next piece.
async fn import_files(
    ops: &Ops,
    tenant: &TenantId,
    files: mailfile::MailFiles,
    limit: ByteSize,
    bar: &ProgressBar,
) -> anyhow::Result<Sums> {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let runtime = Handle::current();
    let reader = tokio::task::spawn_blocking(move || read_batches(files, limit, &sender, &runtime));
    let mut sums = Sums::default();
    let mut prepared = ReceiverStream::new(receiver)
        .map(|read| async {
            match read {
                Read::Batch {
                    messages,
                    bytes_read,
                    share,
                } => {
                    let count = messages.len() as u64;
                    let prepared = import::prepare(ops, tenant, messages).await?;
                    Ok::<_, anyhow::Error>((Ok((prepared, share)), count, bytes_read))
                }
                Read::Unreadable(text) => Ok((Err(text), 1, 0)),
            }
        })
        .buffered(BATCHES_AHEAD);
    while let Some((prepared, count, bytes_read)) = prepared.try_next().await? {
        sums.read += count;
        match prepared {
            Ok((prepared, share)) => {
                let BatchResult {
                    archived, archived_bytes, ..
                } = import::store(ops, tenant, prepared).await?;
                drop(share);
                sums.archived += archived;
                sums.bytes += archived_bytes;
                bar.set_position(bytes_read);
                bar.set_message(format!("{} messages", sums.read));
            }
            Err(text) => {
                sums.unreadable += 1;
                bar.suspend(|| eprintln!("{text}"));
            }
        }
    }
    drop(prepared);
    reader.await?;
    Ok(sums)
}

fn read_batches(mut files: mailfile::MailFiles, limit: ByteSize, sender: &Sender<Read>, runtime: &Handle) {
    let budget = Arc::new(Semaphore::new(BYTES_AHEAD));
    let mut batch = Vec::new();
    let mut bytes = 0;
    loop {
        let next = files.next();
        let ended = next.is_none();
        let unreadable = match next {
            Some(Ok(message)) if message.raw.len() as u64 > limit.0 => Some(format!(
                "{}: over the limit of {limit}; raise mail.max_message_size and import it again",
                message.origin
            )),
            Some(Ok(message)) => {
                bytes += message.raw.len();
                batch.push(ImportedMessage {
                    origin: message.origin,
                    raw: message.raw,
                    time: message.time,
                });
                None
            }
            Some(Err(error)) => Some(error.to_string()),
            None => None,
        };
        // An error means that the import has ended early, here and below.
        if unreadable.is_some_and(|text| sender.blocking_send(Read::Unreadable(text)).is_err()) {
            return;
        }
        let full = batch.len() == BATCH_MESSAGES || bytes >= BATCH_BYTES;
        if (full || ended) && !batch.is_empty() {
            let messages = std::mem::take(&mut batch);
            let bytes_read = files.bytes_read();
            let weight = u32::try_from(bytes.clamp(1, BYTES_AHEAD)).expect("the clamp is below 4 GiB");
            bytes = 0;
            let Ok(share) = runtime.block_on(budget.clone().acquire_many_owned(weight)) else {
                return;
            };
            let batch = Read::Batch {
                messages,
                bytes_read,
                share,
            };
            if sender.blocking_send(batch).is_err() {
                return;
            }
        }
        if ended {
            return;
        }
    }
}

/// A size for people, such as `1.2 MB`.
pub(super) fn human_bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
