//! `mailagent keys`.

use std::{fmt::Write, process::ExitCode, sync::Arc};

use clap::{Args, Subcommand};

use super::{CommandResult, Settings};
use crate::{
    app,
    crypto::{KeyId, KeyRing, KeySource},
    domain::{SystemClock, TenantId},
    ops::{
        KeysError,
        keys::{self, KeyUsage, Rotation, RotationTrigger},
    },
    store::{INSTALLATION, Store},
    telemetry::Metrics,
};

/// Most names of tenants that are shown.
const MAX_NAMES: usize = 20;

/// Manages the master keys, which protect all stored secrets.
#[derive(Subcommand, Debug)]
pub enum KeysCommand {
    /// Switches to a new master key while services run, and verifies that every data key has moved
    #[command(long_about = ROTATE)]
    Rotate(KeysArgs),
    /// Shows the master keys and how many data keys are under each
    List(KeysArgs),
    /// Removes former master keys from the key file once nothing is under them
    Prune(PruneArgs),
}

const ROTATE: &str = "Switches to a new master key while services run, and verifies that every data key has moved.

Every tenant has a data key, which the master key wraps. A rotation rewraps all data keys under a new master key; the secrets \
themselves, cursors and page tokens stay unchanged. In a key file, the new master key is added before the former ones. A variable or \
a program must supply it first: put it before the former one on every replica, then run this.

To finish a rotation that was interrupted, run this again; it then creates no other key. At the end, each rewrapped key has been read \
back and opened with the new master key alone; the exit code is 1 if any data key is still under another one.";

/// Where the keys are.
#[derive(Args, Debug)]
pub struct KeysArgs {
    #[command(flatten)]
    settings: Settings,
}

/// Removes former master keys.
#[derive(Args, Debug)]
pub struct PruneArgs {
    #[command(flatten)]
    settings: Settings,
    /// Removes them; without it, only shows what would be removed
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(command: KeysCommand) -> CommandResult {
    let (KeysCommand::Rotate(KeysArgs { settings })
    | KeysCommand::List(KeysArgs { settings })
    | KeysCommand::Prune(PruneArgs { settings, .. })) = &command;
    let config = settings.load(&[])?;
    let source = &config.keys.master;
    // Before a database is made where there is none.
    source.load().await?;
    let store = app::open_store(&config, Metrics::default()).await?;
    let done = match &command {
        KeysCommand::Rotate(_) => rotate(&store, source).await,
        KeysCommand::List(_) => list(&store, source).await,
        KeysCommand::Prune(args) => prune(&store, source, args.yes).await,
    };
    store.close().await;
    let (text, good) = done?;
    print!("{text}");
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is printed, and whether all is well.
type KeysOutput = (String, bool);

async fn rotate(store: &Store, source: &KeySource) -> Result<KeysOutput, KeysError> {
    let rotation = keys::rotate(store, source, Arc::new(SystemClock), &mut |_| {}).await?;
    Ok((report(&rotation), rotation.complete()))
}

fn report(rotation: &Rotation) -> String {
    let Rotation {
        source,
        ring,
        before,
        after,
        ..
    } = rotation;
    let current = rotation.current();
    let mut text = match rotation.occasion {
        RotationTrigger::Made => format!("The new master key {current} has been created and put in {source}, before the former ones.\n"),
        RotationTrigger::Unfinished => format!(
            "Not under {current}, the first master key in {source}: {} of {} data keys. A rotation was not finished, or that key is new \
             there. This run continued with it and created no other.\n",
            before.total - before.count(current),
            before.total
        ),
        RotationTrigger::Done => format!(
            "All data keys were already under {current}, the first master key in {source}. For another rotation, put a new key before it \
             there, for every replica.\n"
        ),
    };
    text += "\nMaster key                  Data keys before  Data keys now\n";
    for (id, name) in named(ring, &[before, after]) {
        let _ = writeln!(text, "{id} {name:<10} {:16}  {:13}", before.count(id), after.count(id));
    }
    let _ = writeln!(
        text,
        "\nData keys rewrapped: {}. Of these, read back, opened with {current} alone and found unchanged: {}.",
        rotation.moved, rotation.proven
    );
    if rotation.complete() {
        let _ = writeln!(
            text,
            "All {} data keys open with {current} alone: the installation's own and those of tenants ({}). None is left under another key.",
            after.total,
            after.total.saturating_sub(1)
        );
        if ring.len() > 1 {
            text += "Former master keys still open backups from before. `mailagent keys prune` removes them.\n";
        }
        return text;
    }
    for owner in rotation.changed.iter().take(MAX_NAMES) {
        let _ = writeln!(text, "ERROR: the data key of {} has changed.", name_of(owner));
    }
    text += &closed(after, &format!("with {current} alone"));
    text += "THE ROTATION IS NOT COMPLETE. Fix what is named above, for example from a backup, then run this again.\n";
    text
}

async fn list(store: &Store, source: &KeySource) -> Result<KeysOutput, KeysError> {
    let (ring, census) = keys::list(store, source).await?;
    let mut text = format!("The master keys of {source}, the current one first:\n\nMaster key                  Data keys\n");
    for (id, name) in named(&ring.ids(), &[&census]) {
        let _ = writeln!(text, "{id} {name:<10} {:9}", census.count(id));
    }
    text.push('\n');
    text += &closed(&census, "with these keys");
    text += &advice(&ring, &census);
    Ok((text, census.closed.is_empty()))
}

fn advice(ring: &KeyRing, census: &KeyUsage) -> String {
    let current = ring.current().id();
    if !census.closed.is_empty() {
        format!("Not opened: {} of {} data keys.\n", census.closed.len(), census.total)
    } else if census.count(current) < census.total {
        format!("A rotation to {current} is not finished: run `mailagent keys rotate`.\n")
    } else {
        format!("All {} data keys open and are under the current master key.\n", census.total)
    }
}

async fn prune(store: &Store, source: &KeySource, yes: bool) -> Result<KeysOutput, KeysError> {
    let pruning = keys::prune(store, source, yes).await?;
    let former: Vec<String> = pruning.former.iter().map(KeyId::to_string).collect();
    let former = former.join(", ");
    if pruning.former.is_empty() {
        return Ok((format!("There is no former master key in {source}.\n"), true));
    }
    if pruning.elsewhere > 0 {
        let text = format!(
            "Nothing was removed. Not under {} yet: {} of {} data keys. Run `mailagent keys rotate` first.\n",
            pruning.current, pruning.elsewhere, pruning.total
        );
        return Ok((text, false));
    }
    if pruning.removed {
        let text = format!("Removed from {source}: {former}. Backups of the database that need a removed key can no longer be opened.\n");
        return Ok((text, true));
    }
    let mut text = format!(
        "Nothing in the database is under {former}. Once that is removed, backups of the database from before the rotation cannot be \
         opened; everything else keeps working, including cursors and page tokens.\n"
    );
    text += &if yes {
        format!("Nothing was removed: {source} cannot be changed from here. Remove all keys except the first there.\n")
    } else {
        "Nothing has been removed yet: run `mailagent keys prune --yes` to remove it.\n".to_owned()
    };
    Ok((text, !yes))
}

/// The master keys with what they are: those at hand, then others that are needed.
fn named(ring: &[KeyId], censuses: &[&KeyUsage]) -> Vec<(KeyId, &'static str)> {
    let mut named: Vec<(KeyId, &str)> = Vec::new();
    let at_hand = ring.iter().enumerate();
    named.extend(at_hand.map(|(index, id)| (*id, if index == 0 { "(current)" } else { "(former)" })));
    let needed = censuses.iter().flat_map(|census| census.under.keys());
    for id in needed {
        if named.iter().all(|(known, _)| known != id) {
            named.push((*id, "(MISSING)"));
        }
    }
    named
}

/// One line for each data key that does not open.
fn closed(census: &KeyUsage, with: &str) -> String {
    let mut text = String::new();
    for (owner, error) in census.closed.iter().take(MAX_NAMES) {
        let _ = writeln!(text, "ERROR: the data key of {} does not open {with}: {error}.", name_of(owner));
    }
    match census.closed.len().saturating_sub(MAX_NAMES) {
        0 => {}
        more => {
            let _ = writeln!(text, "ERROR: {more} more do not open.");
        }
    }
    text
}

fn name_of(owner: &TenantId) -> String {
    if *owner == *INSTALLATION {
        return "the installation".to_owned();
    }
    format!("the tenant {owner}")
}
