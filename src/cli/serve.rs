//! `mailagent serve`.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use tokio::net::TcpListener;

use super::{CommandResult, Settings};
use crate::{
    api,
    app::{self, Environment},
    config::Flag,
    lifecycle::shutdown_signals,
    telemetry,
};

/// Runs the service.
#[derive(Args, Debug)]
pub struct ServeArgs {
    #[command(flatten)]
    settings: Settings,
    /// Address and port for callers [default: 127.0.0.1:50051]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Only validates the configuration
    #[arg(long)]
    check: bool,
}

pub(super) async fn run(args: ServeArgs) -> CommandResult {
    let listen = args.listen.map(|value| Flag {
        key: "server.listen",
        value,
        name: "--listen",
    });
    let config = args.settings.load(listen.as_slice())?;
    app::check_files(&config)?;
    if args.check {
        println!("The configuration is valid.");
        return Ok(ExitCode::SUCCESS);
    }
    let telemetry = telemetry::init(&config.telemetry)?;
    let files = api::raise_file_limit();
    let mut signals = shutdown_signals()?;
    let address = config.server.listen;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} (server.listen)"))?;
    let environment = Environment {
        metrics: telemetry.metrics(),
        program: std::env::current_exe().ok(),
        ..Environment::default()
    };
    let running = app::start_in(config, listener, environment).await?;
    tracing::info!(address = %running.address, files, version = env!("CARGO_PKG_VERSION"), "ready");
    let stopped = running.run(&mut signals).await;
    Ok(ExitCode::from(stopped.exit_code()))
}
