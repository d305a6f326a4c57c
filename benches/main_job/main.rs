//! Measures the main job beside other software, all in one run, and prints what was to be reached: `make bench`.
//!
//! Everything that is measured is a process of its own. Compare ratios of one run only: the machine may be busy.

mod bare;
mod import;
mod process;
mod report;
mod stream;
mod sweep;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Parser, Subcommand};

use report::Report;
use sweep::Protocol;

/// The product, as built for this run.
const MAILAGENT: &str = env!("CARGO_BIN_EXE_mailagent");
/// The one tenant.
const TENANT: &str = "bench";

/// Measures the main job.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Given by `cargo bench`
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Measures
    Run(Run),
    /// Ready rows into SQLite and FTS5, and nothing else
    BareSqlite { messages: PathBuf, database: PathBuf },
    /// Ready messages over gRPC, and nothing else
    BareTonic,
}

/// What is measured with what.
#[derive(clap::Args)]
struct Run {
    /// Folder of .eml files
    #[arg(long)]
    messages: PathBuf,
    /// What is in them: file, bytes, Message-ID, case reference or '-'
    #[arg(long)]
    manifest: PathBuf,
    /// The same messages as a Maildir, for mu; without it mu is left out
    #[arg(long)]
    maildir: Option<PathBuf>,
    /// Folder for everything that is written
    #[arg(long)]
    work: PathBuf,
    /// An empty PostgreSQL database; without it PostgreSQL is left out
    #[arg(long, env = "MAILAGENT_TEST_POSTGRES_URL")]
    postgres: Option<String>,
    /// Measures only these parts
    #[arg(long, value_delimiter = ',', default_value = "import,sweep,stream,download")]
    only: Vec<String>,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match cli.command {
        Command::Run(run) => runtime.block_on(measure(&run)),
        Command::BareSqlite { messages, database } => runtime.block_on(bare::sqlite(&messages, &database)),
        Command::BareTonic => runtime.block_on(bare::tonic()),
    }
}

async fn measure(run: &Run) -> anyhow::Result<()> {
    let manifest = sweep::Manifest::read(&run.manifest).context("cannot read the manifest")?;
    let wanted = |part: &str| run.only.iter().any(|name| name == part);
    let mut report = Report::default();
    let import = if wanted("import") {
        Some(import::measure(run, manifest.messages, &mut report)?)
    } else {
        None
    };
    if wanted("sweep") || wanted("stream") || wanted("download") {
        let service = sweep::measure(run, Protocol::Ews, &manifest, import, &mut report).await?;
        if wanted("stream") {
            stream::measure(&service, &mut report).await?;
        }
        if wanted("download") {
            stream::measure_downloads(&service, &mut report).await?;
        }
        drop(service);
        if wanted("sweep") {
            sweep::measure(run, Protocol::Graph, &manifest, import, &mut report).await?;
        }
    }
    report.print();
    Ok(())
}
