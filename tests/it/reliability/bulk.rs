//! A bulk set of real mail comes out of a sweep as its manifest says.

use std::{collections::BTreeSet, path::Path, process::Command};

use mailagent::testing::domain::{AgentKind, Clock, OutcomeResult};
use mailagent_sim::{
    MimeMode,
    exchange::{FolderKind, Raw},
};

use super::sample::{self, assert_same};
use crate::{
    harness::{Choices, Engine, Harness, PATIENCE, eventually},
    login::Place,
};

const MAILBOX: &str = "service@example.com";
/// Messages in the set. The set of 20,000 is the benchmarks' business.
const COUNT: usize = 2000;
const SEED: u64 = 20_260_101;

#[tokio::test(flavor = "multi_thread")]
async fn bulk_mail_becomes_the_notes_of_its_manifest_on_sqlite() {
    check(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_mail_becomes_the_notes_of_its_manifest_on_postgresql() {
    check(Engine::Postgres).await;
}

/// A line of the manifest.
struct Line {
    file: String,
    message_id: String,
    case: Option<String>,
}

async fn check(engine: Engine) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let Some(manifest) = make(&folder.path().join("bulk")) else {
        println!("the bulk set cannot be made without the corpus and tools/make_bulk.py beside it: this test is skipped");
        return;
    };
    let folder = folder.path().join("bulk");
    for mode in [MimeMode::KeepBytes, MimeMode::Rebuild] {
        println!("{mode:?} over EWS on {engine:?}");
        let h = Harness::with(Choices {
            mode,
            ..Choices::of(engine)
        })
        .await;
        fill(&h, &folder, &manifest).await;
        sample::create_agent(h.ops(), &h.exchange, MAILBOX).await;
        all_is_as_expected(&h, &manifest).await;

        println!("{mode:?} over Graph on {engine:?}");
        let p = Place::unfilled(engine, mode, |platform| platform, "").await;
        fill(&p.h, &folder, &manifest).await;
        p.entra.add_user(MAILBOX);
        let agent = sample::create_agent_over(p.h.ops(), &p.h.exchange, MAILBOX, AgentKind::ExchangeGraph).await;
        p.log_in(&format!("agents/{agent}")).await;
        all_is_as_expected(&p.h, &manifest).await;
    }
}

/// Makes the set. `None` when what it takes is not there.
fn make(out: &Path) -> Option<Vec<Line>> {
    let corpus = sample::corpus()?;
    let tool = corpus.join("../tools/make_bulk.py");
    if !tool.is_file() {
        return None;
    }
    let mut command = Command::new("python3");
    command.arg(tool).arg("--src").arg(corpus).arg("--out").arg(out);
    command.args(["--n", &COUNT.to_string(), "--seed", &SEED.to_string()]);
    let made = command.output().expect("python3 runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let manifest = std::fs::read(out.with_extension("manifest.tsv")).expect("there is a manifest");
    let manifest = String::from_utf8_lossy(&manifest).into_owned();
    let line = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        Line {
            file: fields[0].to_owned(),
            message_id: fields[2].trim_matches(['<', '>']).to_owned(),
            case: (fields[3] != "-").then(|| fields[3].to_owned()),
        }
    };
    let lines: Vec<Line> = manifest.lines().skip(1).map(line).collect();
    assert_eq!(lines.len(), COUNT);
    Some(lines)
}

/// Puts the set into a mailbox.
async fn fill(h: &Harness, folder: &Path, manifest: &[Line]) {
    let cases: BTreeSet<String> = manifest.iter().filter_map(|line| line.case.clone()).collect();
    sample::fill_with(h.ops(), &cases.into_iter().collect::<Vec<_>>()).await;
    h.exchange.add_mailbox(MAILBOX, MAILBOX, "password");
    for line in manifest {
        let raw = Raw::file(folder.join(&line.file)).expect("the message is there");
        h.exchange.deliver(MAILBOX, FolderKind::Inbox, raw, h.clock.now());
    }
}

async fn all_is_as_expected(h: &Harness, manifest: &[Line]) {
    let done = async || match sample::outcomes(h.ops()).await.len() {
        COUNT => Ok(()),
        handled => Err(handled),
    };
    eventually(3 * PATIENCE, "everything is handled", done).await;

    let pairs = |list: Vec<(String, String)>| {
        let mut list = list;
        list.sort();
        list
    };
    let notes = sample::notes(h.ops()).await;
    let noted = notes.iter().map(|note| (note.message_id.clone(), note.case_reference.clone()));
    let expected = manifest
        .iter()
        .filter_map(|line| Some((line.message_id.clone(), line.case.clone()?)));
    assert_same("notes", &pairs(noted.collect()), &pairs(expected.collect()));

    let archived = sample::archived(h.ops()).await;
    let ids = archived.iter().map(|message| (message.message_id.clone(), String::new()));
    let expected = manifest.iter().map(|line| (line.message_id.clone(), String::new()));
    assert_same("archived messages", &pairs(ids.collect()), &pairs(expected.collect()));

    let outcomes = sample::outcomes(h.ops()).await;
    assert_eq!(outcomes.len(), COUNT, "one outcome per message");
    let fits = |result| {
        matches!(
            result,
            OutcomeResult::Matched | OutcomeResult::NoReference | OutcomeResult::UnknownReference
        )
    };
    let odd: Vec<_> = outcomes.iter().filter(|outcome| !fits(outcome.result)).collect();
    assert!(odd.is_empty(), "{odd:#?}");
}
