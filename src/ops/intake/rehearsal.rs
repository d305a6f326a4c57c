//! Messages that were in preparation when a process died are tried in a process of their own first: that one may die, and proves whose fault it was.

use std::{collections::HashMap, path::PathBuf, process::Stdio, time::Duration};

use bytes::Bytes;
use tokio::{io::AsyncWriteExt, process::Command};

use super::{
    content::rehearse,
    journal::{Journal, Suspect},
};
use crate::{
    domain::{AgentId, Result, TenantId},
    ops::Ops,
    store::retrying,
};

/// Name of the subcommand that prepares the message on its standard input and ends.
pub const REHEARSE: &str = "rehearse";
/// How long a trial may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// After so many deaths a message is set aside although its trials went well.
const MOST_DEATHS: i32 = 4;

/// What keeps a message that kills the process from killing it again.
#[derive(Debug)]
pub struct Preparation {
    /// What is in preparation now.
    pub journal: Journal,
    /// The program that has [`REHEARSE`]. `None`: there is none to try with, and deaths are only counted.
    pub program: Option<PathBuf>,
}

/// How often each suspect of an agent was in preparation when a process died, by key.
pub type CrashCounts = HashMap<Vec<u8>, i32>;

/// Says why a message must not be prepared. `None`: it may be.
pub async fn convict(ops: &Ops, raw: &Bytes, deaths: i32) -> Option<String> {
    if deaths >= MOST_DEATHS {
        return Some(format!(
            "The service terminated unexpectedly {deaths} times while it read this message."
        ));
    }
    let program = ops.preparation.program.as_ref()?;
    match try_in(program, raw).await {
        Ok(None) => None,
        Ok(Some(end)) => Some(format!(
            "The service terminated unexpectedly while it read this message, and so did a trial in a separate process ({end})."
        )),
        Err(error) => {
            tracing::warn!(%error, "a message that was in preparation when the service died cannot be tried separately");
            None
        }
    }
}

/// Prepares the message in another process. Returns how that ended, unless it ended well.
async fn try_in(program: &PathBuf, raw: &Bytes) -> std::io::Result<Option<String>> {
    let mut command = Command::new(program);
    command
        .arg(REHEARSE)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    #[cfg(debug_assertions)]
    command.envs(std::env::var_os(super::content::ABORT).map(|value| (super::content::ABORT, value)));
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take();
    let work = async {
        if let Some(stdin) = &mut stdin {
            // An error says that it died before it had read all.
            let _ = stdin.write_all(raw).await;
        }
        drop(stdin);
        child.wait().await
    };
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(status) => {
            let status = status?;
            Ok((!status.success()).then(|| status.to_string()))
        }
        Err(_) => Ok(Some(format!("it took longer than {PATIENCE:?}"))),
    }
}

/// Reads a message as the service does, for nothing but to see whether that goes well.
pub fn try_message(raw: &[u8]) {
    rehearse(raw);
}

/// Writes down what a dead process was preparing.
///
/// # Errors
/// [`crate::domain::Kind::Unavailable`] when the database is away.
pub async fn accuse(ops: &Ops, suspects: &[Suspect]) -> Result<()> {
    for Suspect { tenant, agent, key } in suspects {
        tracing::warn!(
            agent = agent.as_str(),
            "the process died while it prepared a message, which is tried separately from now on"
        );
        retrying(|| async {
            let mut writer = ops.store.begin(tenant).await?;
            writer.add_suspect(agent, key, ops.now()).await?;
            writer.commit().await
        })
        .await?;
    }
    Ok(())
}

/// Forgets suspects that were prepared without harm.
///
/// # Errors
/// [`crate::domain::Kind::Unavailable`] when the database is away.
pub async fn acquit(ops: &Ops, tenant: &TenantId, agent: &AgentId, keys: &[Vec<u8>]) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    retrying(|| async {
        let mut writer = ops.store.begin(tenant).await?;
        writer.forget_suspects(agent, keys).await?;
        writer.commit().await
    })
    .await
}
