//! `mailagent simulate`: mail files as a simulated Exchange mailbox in a process of its own.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::Args;

use super::CommandResult;
use crate::{
    crypto::Secret,
    domain::{Clock, SystemClock},
    lifecycle::shutdown_signals,
    mailfile,
    sim::{
        MimeMode,
        exchange::{Exchange, FolderKind},
    },
};

/// Serves mail files as a simulated Exchange mailbox.
#[derive(Args, Debug)]
pub struct SimulateArgs {
    /// .eml files, mbox files, Maildirs, or folders of them, for the inbox
    #[arg(long, value_name = "PATH", required = true)]
    mail: Vec<PathBuf>,
    /// Address of the mailbox, and its login
    #[arg(long, value_name = "ADDRESS", default_value = "mailbox@simulated.example")]
    address: String,
    /// Its password
    #[arg(long, value_name = "PASSWORD", default_value = "simulated")]
    password: Secret,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Makes the MIME of every message anew, as a real Exchange does
    #[arg(long)]
    rebuild: bool,
}

pub(super) async fn run(args: SimulateArgs) -> CommandResult {
    let mut signals = shutdown_signals()?;
    let mode = if args.rebuild { MimeMode::Rebuild } else { MimeMode::KeepBytes };
    let exchange = Exchange::builder()
        .mode(mode)
        .listen(args.listen)
        .start()
        .await
        .context("cannot listen")?;
    exchange.add_mailbox(&args.address, &args.address, args.password.expose());
    let mut count = 0;
    for message in mailfile::open(&args.mail)? {
        exchange.deliver(&args.address, FolderKind::Inbox, message?.raw, SystemClock.now());
        count += 1;
    }
    println!("{} serves {count} messages of {}", exchange.endpoint(), args.address);
    signals.recv().await;
    exchange.stop().await;
    Ok(ExitCode::SUCCESS)
}
