//! The command line: one file for each subcommand. Exit codes: 0 success, 1 failure, 2 usage or configuration.

mod archive;
#[cfg(feature = "demo")]
pub mod demo;
mod keys;
mod migrate;
mod rehearse;
mod serve;
#[cfg(feature = "demo")]
mod simulate;
mod token;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::{
    app::StartError,
    config::{self, Config, ConfigErrors, Flag},
    crypto::Secret,
    ops::REHEARSE,
};

/// Connects a CRM to real mailboxes: turns mail about a case into notes, archives all mail by customer, and streams both.
#[derive(Parser, Debug)]
#[command(name = "mailagent", version, max_term_width = 100, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Runs the service. Without configuration, it stores everything in ./data and listens on 127.0.0.1:50051
    Serve(serve::ServeArgs),
    /// Runs a demo: the service in a temporary folder, with simulated mailboxes and sample mail or your own
    #[cfg(feature = "demo")]
    Demo(demo::DemoArgs),
    /// Prints a token of the local issuer, with which callers authenticate
    Token(token::TokenArgs),
    /// Migrates the database to this version and exits (serve does this too)
    Migrate(migrate::MigrateArgs),
    /// Manages the master keys, which protect all stored secrets
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Manages the archive
    #[command(subcommand)]
    Archive(archive::ArchiveCommand),
    /// Serves mail files as a simulated Exchange mailbox, for trials and benchmarks
    #[cfg(feature = "demo")]
    #[command(hide = true)]
    Simulate(simulate::SimulateArgs),
    /// Reads a message from standard input as the service does, only to see whether that succeeds
    #[command(hide = true, name = REHEARSE)]
    Rehearse,
}

/// Where settings come from. Each setting can also be given as an environment variable `MAILAGENT_SECTION__KEY`.
#[derive(Args, Debug, Default)]
struct Settings {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "MAILAGENT_CONFIG")]
    config: Option<PathBuf>,
    /// Folder for everything that the service stores itself [default: ./data]
    #[arg(long, value_name = "FOLDER")]
    data: Option<String>,
    /// Database: sqlite:PATH or postgres://USER:PASSWORD@HOST/NAME [default: a file in the data folder]
    #[arg(long, value_name = "URL")]
    database: Option<Secret>,
    /// What to log: error, warn, info, debug or trace, or a filter such as info,mailagent=debug [default: info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

impl Settings {
    fn load(&self, more: &[Flag]) -> Result<Config, ConfigErrors> {
        let flag = |key, value: Option<&String>, name| value.cloned().map(|value| Flag { key, value, name });
        let own = [
            flag("data", self.data.as_ref(), "--data"),
            flag("database.url", self.database.as_ref().map(Secret::expose), "--database"),
            flag("telemetry.log", self.log.as_ref(), "--log"),
        ];
        let flags: Vec<Flag> = own.into_iter().flatten().chain(more.iter().cloned()).collect();
        config::load(self.config.as_deref(), config::environment(), &flags)
    }
}

/// The id of a tenant or a user, which have the same form.
fn parse_id<Id: for<'a> From<&'a str>>(text: &str) -> Result<Id, String> {
    if crate::ops::directory::is_id(text) {
        Ok(text.into())
    } else {
        Err("it must have 1 to 64 characters of A-Z a-z 0-9 . _ -".to_owned())
    }
}

/// What is wrong with the settings, if it is that.
fn config_errors(error: &anyhow::Error) -> Option<&ConfigErrors> {
    match error.downcast_ref::<StartError>() {
        Some(StartError::Config(errors)) => Some(errors),
        _ => error.downcast_ref(),
    }
}

type CommandResult = anyhow::Result<ExitCode>;

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    // Before any connection is made: with no provider chosen, rustls panics at the first.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("error: a TLS provider is already installed");
        return ExitCode::FAILURE;
    }
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(async {
        match cli.command {
            Command::Serve(args) => serve::run(args).await,
            #[cfg(feature = "demo")]
            Command::Demo(args) => demo::run(args).await,
            Command::Token(args) => token::run(&args).await,
            Command::Migrate(args) => migrate::run(args).await,
            Command::Keys(command) => keys::run(command).await,
            Command::Archive(command) => archive::run(command).await,
            #[cfg(feature = "demo")]
            Command::Simulate(args) => simulate::run(args).await,
            Command::Rehearse => rehearse::run(),
        }
    });
    // A thread that still works for nobody must not keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    match result {
        Ok(code) => code,
        Err(error) => match config_errors(&error) {
            Some(errors) => {
                eprintln!("{errors}");
                ExitCode::from(2)
            }
            None => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}
