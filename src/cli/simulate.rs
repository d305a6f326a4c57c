//! `mailagent simulate`: mail files as a simulated Exchange mailbox in a process of its own.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context;
use clap::Args;
use mailagent_sim::{
    MimeMode,
    entra::Entra,
    exchange::{Exchange, FolderKind},
};

use super::CommandResult;
use crate::{
    crypto::Secret,
    domain::{Clock, SystemClock, consent_domain},
    lifecycle::shutdown_signals,
    mailfile,
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
    /// Regenerates the MIME of every message, as a real Exchange server does
    #[arg(long)]
    rebuild: bool,
    /// Also runs an identity platform, at which the service with this callback URL logs in to the mailbox
    #[arg(long, value_name = "URL")]
    callback: Option<String>,
}

/// The service at the identity platform: client id and secret.
const APP: &str = "mailagent";
const DIRECTORY: &str = "4b7d1f9e-8f0a-4a2b-9c3d-5e6f7a8b9c0d";

pub(super) async fn run(args: SimulateArgs) -> CommandResult {
    let mut signals = shutdown_signals()?;
    let mode = if args.rebuild { MimeMode::Rebuild } else { MimeMode::KeepBytes };
    let platform = match &args.callback {
        Some(callback) => Some(platform(&args.address, callback).await?),
        None => None,
    };
    let mut exchange = Exchange::builder().mode(mode).listen(args.listen);
    if let Some(platform) = platform.clone() {
        exchange = exchange.tokens(Arc::new(move |token| platform.identify(token)));
    }
    let exchange = exchange.start().await.context("cannot listen")?;
    exchange.add_mailbox(&args.address, &args.address, args.password.expose());
    let mut count = 0;
    for message in mailfile::open(&args.mail)? {
        exchange.deliver(&args.address, FolderKind::Inbox, message?.raw, SystemClock.now());
        count += 1;
    }
    println!("{} serves {count} messages of {}", exchange.endpoint(), args.address);
    if let Some(platform) = &platform {
        println!(
            "{} serves them over Graph; {} is where {APP} logs in",
            exchange.graph(),
            platform.authority()
        );
        println!("{} says who logged in", platform.graph());
    }
    signals.recv().await;
    exchange.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// A platform that knows the mailbox's owner and the service.
async fn platform(address: &str, callback: &str) -> anyhow::Result<Entra> {
    let entra = Entra::builder().start().await.context("cannot listen")?;
    entra.add_directory(DIRECTORY, &[&consent_domain(address)]);
    entra.add_user(address);
    entra.add_app(APP, APP, &[callback]);
    Ok(entra)
}
