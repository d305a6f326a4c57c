//! `mailagent migrate`.

use std::process::ExitCode;

use clap::Args;

use super::{CommandResult, Settings};
use crate::{
    app::{self, Environment},
    lifecycle::Lifecycle,
};

/// Brings the database up to date.
#[derive(Args, Debug)]
pub struct MigrateArgs {
    #[command(flatten)]
    settings: Settings,
}

pub(super) async fn run(args: MigrateArgs) -> CommandResult {
    let config = args.settings.load(&[])?;
    let ops = app::build_ops(&config, Environment::default(), &Lifecycle::new()).await?;
    ops.store.close().await;
    println!("The database is up to date.");
    Ok(ExitCode::SUCCESS)
}
