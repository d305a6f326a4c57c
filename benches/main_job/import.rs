//! `archive import` beside `mu index` and beside SQLite alone.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::Context;

use crate::{
    MAILAGENT, Run, TENANT,
    process::{self, Cost},
    report::{Report, Wanted, mebibytes},
};

/// Measures everything about imports. Returns what the import into SQLite took.
pub fn measure(run: &Run, messages: u64, report: &mut Report) -> anyhow::Result<Cost> {
    warm(&run.messages)?;
    let mu = match &run.maildir {
        Some(maildir) => {
            warm(maildir)?;
            Some(mu_index(maildir, &run.work.join("mu"))?)
        }
        None => None,
    };
    if let Some(cost) = mu {
        report.figure("mu index", messages, cost);
    }
    let bare = bare_sqlite(run)?;
    report.figure("SQLite alone: ready blobs + FTS5, 100 a transaction", messages, bare);
    let data = run.work.join("import");
    let sqlite = process::run(&mut import(&data, run, None))?;
    report.figure("archive import, SQLite", messages, sqlite);
    let again = process::run(&mut import(&data, run, None))?;
    report.figure("archive import, SQLite, all known already", messages, again);
    let postgres = match &run.postgres {
        Some(url) => {
            let cost = process::run(&mut import(&run.work.join("import-postgres"), run, Some(url)))?;
            report.figure("archive import, PostgreSQL (fsync off)", messages, cost);
            Some(cost)
        }
        None => None,
    };
    if let Some(mu) = mu {
        report.target("import to SQLite, times mu index", Wanted::AtLeast(2.5), mu.wall / sqlite.wall);
    }
    report.target(
        "import to SQLite, times SQLite alone",
        Wanted::AtLeast(0.6),
        bare.wall / sqlite.wall,
    );
    if let (Some(mu), Some(postgres)) = (mu, postgres) {
        report.target(
            "import to PostgreSQL, times mu index",
            Wanted::AtLeast(1.5),
            mu.wall / postgres.wall,
        );
    }
    let peak = sqlite.peak.max(postgres.map_or(0, |cost| cost.peak));
    report.target("import, peak memory in MiB", Wanted::AtMost(256.0), mebibytes(peak));
    Ok(sqlite)
}

fn import(data: &Path, run: &Run, database: Option<&str>) -> Command {
    let mut command = Command::new(MAILAGENT);
    command
        .args(["archive", "import", "--quiet", "--tenant", TENANT, "--data"])
        .arg(data);
    if let Some(url) = database {
        command.args(["--database", url]);
    }
    command.arg(&run.messages);
    command
}

fn mu_index(maildir: &Path, home: &Path) -> anyhow::Result<Cost> {
    let mut home_option = std::ffi::OsString::from("--muhome=");
    home_option.push(home);
    let mut maildir_option = std::ffi::OsString::from("--maildir=");
    maildir_option.push(maildir);
    process::run(Command::new("mu").arg("init").arg(&home_option).arg(&maildir_option))?;
    process::run(Command::new("mu").args(["index", "--quiet"]).arg(&home_option))
}

/// Runs it in a process of its own, which prints what the insertion alone took.
fn bare_sqlite(run: &Run) -> anyhow::Result<Cost> {
    let output = Command::new(std::env::current_exe()?)
        .arg("bare-sqlite")
        .arg(&run.messages)
        .arg(run.work.join("bare.db"))
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut numbers = text.split_whitespace().map(str::parse::<f64>);
    let mut next = || numbers.next().context("SQLite alone failed")?.context("it printed something else");
    Ok(Cost {
        wall: next()?,
        cpu: next()?,
        peak: 0,
    })
}

/// Reads every file once, so that nobody is slow for being first.
fn warm(folder: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            warm(&path)?;
        } else {
            fs::read(&path)?;
        }
    }
    Ok(())
}
