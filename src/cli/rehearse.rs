//! `mailagent rehearse`: what the service runs to find out whether a message kills the process that reads it.

use std::{io::Read, process::ExitCode};

use anyhow::Context;

use super::CommandResult;
use crate::ops::import::try_message;

/// Reads a message from standard input as the service does, and exits. A message that crashes its reader crashes only this process.
pub(super) fn run() -> CommandResult {
    // When memory gets short, the system is to end this process rather than the service. Where it takes no such wish, nothing is lost.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let mut raw = Vec::new();
    std::io::stdin().read_to_end(&mut raw).context("cannot read the message")?;
    try_message(&raw);
    Ok(ExitCode::SUCCESS)
}
