//! `mailagent demo`: the main job on simulated mailboxes, with the sample mail or with one's own, and a login that is about to end.

pub mod data;
mod login;
mod plan;
mod setup;
mod show;
mod summary;
mod weave;

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::Args;
use mailagent_sim::exchange::Exchange;
use tokio::net::TcpListener;

use self::login::Platforms;
use super::CommandResult;
use crate::{
    app::{self, Running},
    config::{self, Config, Flag},
    domain::{Caller, Scope, TenantId},
    lifecycle::shutdown_signals,
    telemetry,
};

/// Where callers find the demo, unless that port is taken.
const PORT: u16 = 50051;
/// Time between two sample messages, so that a person can follow.
const PACE: Duration = Duration::from_millis(120);
/// With `--once`, how long nothing may happen before the demo fails.
const PATIENCE: Duration = Duration::from_mins(2);

/// Runs a demo.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// Exits with a summary when all mail has been handled; fails if anything was lost
    #[arg(long)]
    once: bool,
    /// Your own mail instead of the sample: .eml files, mbox files, Maildirs, or folders of them. Opened read-only
    #[arg(long, value_name = "PATH")]
    mail: Vec<PathBuf>,
    /// Adds a case reference to every tenth subject of your own mail, so that there is something to match
    #[arg(long, requires = "mail")]
    weave: bool,
    /// What to log, as with serve
    #[arg(long, value_name = "FILTER", default_value = "warn")]
    log: String,
}

pub(super) async fn run(args: DemoArgs) -> CommandResult {
    let folder = tempfile::Builder::new()
        .prefix("mailagent-demo-")
        .tempdir()
        .context("cannot make a temporary folder")?;
    let listener = match TcpListener::bind(("127.0.0.1", PORT)).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind(("127.0.0.1", 0))
            .await
            .context("cannot listen on the loopback interface")?,
    };
    let platforms = Platforms::start().await?;
    let config = demo_config(folder.path(), &args.log, platforms.settings(listener.local_addr()?))?;
    let telemetry = telemetry::init(&config.telemetry)?;
    let mut signals = shutdown_signals()?;
    let entra = platforms.mailboxes.clone();
    let exchange = Exchange::builder()
        .tokens(Arc::new(move |token| entra.identify(token)))
        .start()
        .await
        .context("cannot start the simulated Exchange server")?;
    let running = app::start(config.clone(), listener).await?;

    let work = show_main_job(&args, &config, &running, (&exchange, &platforms), folder.path());
    let code = tokio::select! {
        result = work => result?,
        _ = signals.recv() => {
            println!("\nStopping.");
            ExitCode::SUCCESS
        }
    };
    let stopped = running.stop().await;
    exchange.stop().await;
    platforms.stop().await;
    drop(telemetry);
    Ok(if stopped.exit_code() == 0 {
        code
    } else {
        ExitCode::from(stopped.exit_code())
    })
}

fn demo_config(folder: &std::path::Path, log: &str, platforms: Vec<Flag>) -> Result<Config, config::ConfigErrors> {
    let flag = |key, value: &str, name| Flag {
        key,
        value: value.to_owned(),
        name,
    };
    let mut flags = vec![
        flag("data", &folder.to_string_lossy(), "--data"),
        // The simulated server speaks plain http, on this machine only.
        flag("exchange.allow_http", "true", "--allow-http"),
        flag("network.allow_loopback", "true", "--allow-loopback"),
        flag("exchange.poll_interval", "5s", "--poll-interval"),
        flag("telemetry.log", log, "--log"),
    ];
    flags.extend(platforms);
    config::load(None, [], &flags)
}

async fn show_main_job(
    args: &DemoArgs,
    config: &Config,
    running: &Running,
    (exchange, platforms): (&Exchange, &Platforms),
    folder: &std::path::Path,
) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let set = data::DemoSet::load()?;
    let tenant = TenantId::from(set.directory.tenant.id.as_str());
    let admin = Caller {
        tenant: tenant.clone(),
        user: set.directory.users.first().map(|user| user.id.as_str().into()).unwrap_or_default(),
        scopes: Scope::ALL.to_vec(),
    };
    let token = super::token::issue(config, &tenant, &admin.user, Scope::ALL.to_vec())?;
    setup::write_directory(&running.ops, &admin, &set.directory).await?;
    let plan = if args.mail.is_empty() {
        plan::sample(&set)
    } else {
        plan::own(&set, &args.mail, args.weave, folder).await?
    };
    show::greeting(running.address, &token, &plan, args);

    let names = show::Names::of(&set.directory);
    let shown = show::follow(&running.ops, &admin, names).await?;
    platforms.welcome(&set.directory, &running.ops.logins.callback_url);
    let page = platforms.newsletter(&running.ops, &admin, &set.directory).await?;
    if !args.once {
        show::log_in_again(&page);
    }
    let agents = setup::create_agents(&running.ops, &admin, (exchange, platforms), &plan).await?;
    let pace = if args.mail.is_empty() { PACE } else { Duration::ZERO };
    setup::deliver(exchange, &plan, pace).await;

    if !args.once {
        show::all_delivered();
        std::future::pending::<()>().await;
    }
    let expected = plan.expected_by_mailbox();
    let finished = summary::wait_until_handled(&running.ops, &admin, &agents, &expected, PATIENCE).await?;
    let report = summary::Report::make(&running.ops, &admin, &agents, &plan).await?;
    shown.catch_up(report.notes(), report.archived()).await;
    report.print(began.elapsed());
    Ok(if finished && report.is_complete() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
