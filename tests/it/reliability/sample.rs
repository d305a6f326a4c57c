//! Mail with known contents, and the check that the service made of it what it must.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::LazyLock,
};

use bytes::Bytes;
use mailagent::testing::{
    crypto::Secret,
    domain::{
        AgentHealth, AgentId, AgentKind, AgentSettings, Caller, Case, Customer, ExchangeSettings, Message, Note, NoteFilter, Outcome,
        OutcomeFilter, OutcomeResult, Scope, SweepOptions, TenantChoices, User,
    },
    jobs::linking,
    mime,
    ops::{
        Ops,
        agents::{self, AgentPatch},
        directory,
        settings::{self, SettingsPatch},
    },
};
use mailagent_sim::exchange::{Exchange, FolderKind};

use crate::harness::{Harness, PATIENCE, TENANT, USER, eventually};

/// Cases that the directory has: CS-9000000 and those after it.
pub const CASES: usize = 40;
/// Larger files of the corpus would only make the tests slow.
const LARGEST: u64 = 48 * 1024;

/// A message and what it names.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its bytes.
    pub raw: Bytes,
    /// Its Message-ID without angle brackets.
    pub message_id: String,
    /// The reference of a known case.
    pub case: Option<String>,
}

/// A caller who may do everything, without a token.
pub fn admin() -> Caller {
    Caller {
        tenant: TENANT.into(),
        user: USER.into(),
        scopes: Scope::ALL.to_vec(),
    }
}

/// The folder of real mail beside the project. `None`, and a line that says so, when it is not there.
pub fn corpus() -> Option<PathBuf> {
    let folder =
        std::env::var_os("MAILAGENT_CORPUS").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"), PathBuf::from);
    if folder.join("index.tsv").is_file() {
        return Some(folder);
    }
    println!("no corpus at {} (MAILAGENT_CORPUS)", folder.display());
    None
}

/// Header and body of messages to make samples from: the corpus, else the mail of the demo.
static SOURCES: LazyLock<Vec<(Vec<u8>, Vec<u8>)>> = LazyLock::new(|| {
    let files = match corpus() {
        Some(folder) => corpus_files(&folder),
        None => {
            println!("the demo's sample mail is used in its place");
            demo_files()
        }
    };
    let sources: Vec<_> = files.iter().filter_map(|file| source(&std::fs::read(file).ok()?)).collect();
    assert!(sources.len() > 20, "only {} messages to make samples from", sources.len());
    sources
});

fn corpus_files(folder: &Path) -> Vec<PathBuf> {
    let index = std::fs::read_to_string(folder.join("index.tsv")).expect("the index can be read");
    let file = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let fits = fields.len() > 4 && fields[3] == "eml" && !fields[0].starts_with("synthetic-hostile");
        let size = fields.get(1).and_then(|size| size.parse::<u64>().ok())?;
        (fits && size <= LARGEST).then(|| folder.join(fields[0]))
    };
    // Every third: enough variety, and read in no time.
    index.lines().skip(1).filter_map(file).step_by(3).collect()
}

fn demo_files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/demo/mail");
    let below = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).expect("the demo's mail is there");
        entries.map(|entry| entry.expect("it can be listed").path()).collect()
    };
    let mailboxes = below(&root).into_iter().filter(|path| path.is_dir());
    let folders = mailboxes.flat_map(|mailbox| below(&mailbox));
    let mut files: Vec<PathBuf> = folders.flat_map(|folder| below(&folder)).collect();
    files.sort();
    files
}

/// Cuts a message that parses in two, without its Message-ID and with no reference in its subject.
fn source(raw: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut head = Vec::new();
    let mut rest = raw;
    let mut dropping = false;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n')? + 1;
        let (line, after) = rest.split_at(end);
        if line.trim_ascii().is_empty() {
            break;
        }
        if !line[0].is_ascii_whitespace() {
            let name = line.split(|byte| *byte == b':').next()?.trim_ascii().to_ascii_lowercase();
            dropping = matches!(name.as_slice(), b"message-id" | b"subject") || line.starts_with(b"From ");
        }
        if !dropping {
            head.extend_from_slice(line);
        }
        rest = after;
    }
    let whole = [b"Subject: x\r\n".as_slice(), &head, rest].concat();
    let parsed = mime::parse(&whole).ok()?;
    let internal = parsed
        .from
        .as_ref()
        .is_some_and(|from| from.address.to_lowercase().ends_with("@example.com"));
    (!head.is_empty() && parsed.message_id.is_none() && parsed.subject == "x" && !internal).then(|| (head, rest.to_vec()))
}

/// Makes `count` messages, each with a Message-ID of its own that holds `tag`; a tenth names a known case.
pub fn samples(count: usize, tag: &str, seed: u64) -> Vec<Sample> {
    let mut chance = fastrand::Rng::with_seed(seed);
    let make = |index: usize| {
        let (head, body) = &SOURCES[chance.usize(..SOURCES.len())];
        let message_id = format!("{tag}.{seed}.{index}@sample.example");
        let case = (index % 10 == 3).then(|| reference(chance.usize(..CASES)));
        let subject = match (&case, chance.u8(..4)) {
            (None, 0) => "XCS-9000001 is no reference".to_owned(),
            (None, _) => format!("about number {index}"),
            (Some(case), 0) => format!("[{case}] number {index}"),
            (Some(case), 1) => format!("Re: {case}: number {index}"),
            (Some(case), 2) => format!("number {index}\r\n ({case})"),
            (Some(case), _) => format!("AW: CS-0000000 and {case} of number {index}"),
        };
        let front = format!("Message-ID: <{message_id}>\r\nSubject: {subject}\r\n");
        Sample {
            raw: [front.as_bytes(), head, body].concat().into(),
            message_id,
            case,
        }
    };
    (0..count).map(make).collect()
}

fn reference(number: usize) -> String {
    format!("CS-{:07}", 9_000_000 + number)
}

/// Writes what the samples need: a tenant without loop limits, a user, a customer and the cases.
pub async fn fill(ops: &Ops) {
    let references: Vec<String> = (0..CASES).map(reference).collect();
    fill_with(ops, &references).await;
}

/// The same with other cases.
pub async fn fill_with(ops: &Ops, references: &[String]) {
    let admin = admin();
    let patch = SettingsPatch {
        wanted: TenantChoices {
            internal_domains: vec!["example.com".to_owned()],
            loop_limit_per_sender_and_case: 0,
            loop_limit_per_sender: 0,
            ..TenantChoices::default()
        },
        fields: vec!["internal_domains", "loop_limit_per_sender_and_case", "loop_limit_per_sender"],
        violations: Vec::new(),
    };
    settings::update(ops, &admin, "", patch).await.expect("the settings are changed");
    settings::acknowledge_storage_terms(ops, &admin)
        .await
        .expect("the terms are accepted");
    let user = User {
        id: USER.into(),
        display_name: USER.to_owned(),
        addresses: vec![format!("{USER}@example.com")],
        revision: 1,
    };
    directory::upsert_users(ops, &admin, vec![user]).await.expect("the user is written");
    let customer = Customer {
        id: "oak".into(),
        display_name: "Oak".to_owned(),
        revision: 1,
    };
    directory::upsert_customers(ops, &admin, vec![customer])
        .await
        .expect("the customer is written");
    for references in references.chunks(1000) {
        let case = |reference: &String| Case {
            id: reference.to_lowercase().into(),
            reference: reference.clone(),
            customer: "oak".into(),
            title: reference.clone(),
            revision: 1,
        };
        let cases = references.iter().map(case).collect();
        directory::upsert_cases(ops, &admin, cases).await.expect("the cases are written");
    }
}

/// Makes a mailbox and the agent that sweeps and archives it, over EWS and by a password. Returns the agent's id.
pub async fn create_agent(ops: &Ops, exchange: &Exchange, address: &str) -> AgentId {
    create(ops, exchange, address, AgentKind::ExchangeEws, (address, "password")).await
}

/// The same over either protocol, where nobody has logged in yet.
pub async fn create_agent_over(ops: &Ops, exchange: &Exchange, address: &str, kind: AgentKind) -> AgentId {
    create(ops, exchange, address, kind, ("", "")).await
}

async fn create(ops: &Ops, exchange: &Exchange, address: &str, kind: AgentKind, (username, password): (&str, &str)) -> AgentId {
    exchange.add_mailbox(address, address, "password");
    let endpoint = match kind {
        AgentKind::ExchangeGraph => exchange.graph(),
        AgentKind::ExchangeEws | AgentKind::Smtp => exchange.endpoint(),
    };
    let settings = AgentSettings {
        kind,
        from_name: "Service".to_owned(),
        from_address: address.to_owned(),
        exchange: ExchangeSettings {
            endpoint: endpoint.into(),
            username: username.to_owned(),
            case_sweep: true,
            archive: true,
            sweep_options: SweepOptions {
                create_non_matching_contacts: true,
                ..SweepOptions::default()
            },
            ..ExchangeSettings::default()
        },
        ..AgentSettings::default()
    };
    let patch = AgentPatch::all(&USER.into(), settings, Secret::new(password.to_owned()));
    let agent = agents::create(ops, &admin(), patch, "").await.expect("the agent is created").agent;
    agent.id
}

/// All notes of the tenant.
pub async fn notes(ops: &Ops) -> Vec<Note> {
    let mut notes: Vec<Note> = Vec::new();
    loop {
        let before = notes.last().map_or(String::new(), |note| note.id.to_string());
        let page = ops
            .store
            .tenant(&TENANT.into())
            .notes(&NoteFilter::default(), &before, 500)
            .await
            .expect("notes are read");
        if page.is_empty() {
            return notes;
        }
        notes.extend(page);
    }
}

/// The health of an agent.
pub async fn health(ops: &Ops, agent: &AgentId) -> AgentHealth {
    let health = ops.store.tenant(&TENANT.into()).agent_health(std::slice::from_ref(agent)).await;
    health.expect("the health is read").remove(0)
}

/// All outcomes of the tenant.
pub async fn outcomes(ops: &Ops) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = Vec::new();
    let filter = OutcomeFilter::default();
    loop {
        let before = outcomes.last().map_or(String::new(), |outcome| outcome.id.to_string());
        let page = ops
            .store
            .tenant(&TENANT.into())
            .outcomes(&filter, &before, 500)
            .await
            .expect("outcomes are read");
        if page.is_empty() {
            return outcomes;
        }
        outcomes.extend(page);
    }
}

/// All archived messages of the tenant, in the order of the stream.
pub async fn archived(ops: &Ops) -> Vec<Message> {
    // A message that is linked meanwhile would be met twice, at its old place and at its new one.
    linking::link(ops).await.expect("what waits to be linked is linked");
    let mut messages = Vec::new();
    let mut after = 0;
    loop {
        let (page, read_to) = ops
            .store
            .tenant(&TENANT.into())
            .messages_after(after, None, 500)
            .await
            .expect("messages are read");
        messages.extend(page);
        if read_to == after {
            return messages;
        }
        after = read_to;
    }
}

/// How many of the items that now lie in the inbox have no outcome yet.
pub async fn missing(ops: &Ops, exchange: &Exchange, address: &str) -> usize {
    let handled: BTreeSet<String> = outcomes(ops).await.into_iter().map(|outcome| outcome.source_id).collect();
    let items = exchange.items(address, FolderKind::Inbox);
    let is_handled = |id: &String| handled.contains(id);
    items
        .iter()
        .filter(|item| !is_handled(&item.id) && !is_handled(&item.immutable_id))
        .count()
}

/// Waits until all of them have one. A mailbox whose reader was stuck is left to other replicas for half a minute first.
pub async fn all_handled(h: &Harness, address: &str) {
    let done = async || match missing(h.ops(), &h.exchange, address).await {
        0 => Ok(()),
        missing => Err(missing),
    };
    eventually(2 * PATIENCE, "everything is handled", done).await;
}

/// Checks the end state: one note per message and case, one archived copy per message that can be read back, one outcome per item.
///
/// `swept` came through an inbox, `other` was archived only. With `exact` the archive has the very bytes.
pub async fn check_end_state(ops: &Ops, swept: &[Sample], other: &[Sample], exact: bool) {
    let sorted = |mut list: Vec<(String, String)>| {
        list.sort();
        list
    };
    let expected = swept
        .iter()
        .filter_map(|sample| Some((sample.message_id.clone(), sample.case.clone()?)));
    let noted = notes(ops).await.into_iter().map(|note| (note.message_id, note.case_reference));
    assert_same("notes", &sorted(noted.collect()), &sorted(expected.collect()));

    let archived = archived(ops).await;
    let pair = |id: &str| (id.to_owned(), String::new());
    let expected = swept.iter().chain(other).map(|sample| pair(&sample.message_id));
    let ids = archived.iter().map(|message| pair(&message.message_id));
    assert_same("archived messages", &sorted(ids.collect()), &sorted(expected.collect()));
    let raws: HashMap<&str, &Bytes> = swept
        .iter()
        .chain(other)
        .map(|sample| (sample.message_id.as_str(), &sample.raw))
        .collect();
    for message in &archived {
        let bytes = mailagent::testing::ops::archive::raw_bytes(ops, &TENANT.into(), &message.hash).await;
        let bytes = bytes.unwrap_or_else(|error| panic!("{} cannot be read back: {error:?}", message.message_id));
        assert_eq!(i64::try_from(bytes.len()), Ok(message.size), "{}", message.message_id);
        if exact {
            assert!(
                raws[message.message_id.as_str()] == bytes.as_slice(),
                "{} has other bytes",
                message.message_id
            );
        }
    }

    let outcomes = outcomes(ops).await;
    let mut sources = BTreeSet::new();
    let mut first: BTreeMap<&str, Vec<OutcomeResult>> = BTreeMap::new();
    for outcome in &outcomes {
        assert!(
            sources.insert((&outcome.agent, &outcome.folder, &outcome.source_id)),
            "an item of a folder has two outcomes: {outcome:#?}"
        );
        if outcome.result != OutcomeResult::Duplicate {
            first.entry(&outcome.message_id).or_default().push(outcome.result);
        }
    }
    for sample in swept {
        let expected = if sample.case.is_some() {
            OutcomeResult::Matched
        } else {
            OutcomeResult::NoReference
        };
        let results = first.remove(sample.message_id.as_str()).unwrap_or_default();
        assert_eq!(results, [expected], "outcomes of {}", sample.message_id);
    }
    assert!(first.is_empty(), "outcomes of what was never swept: {first:#?}");
}

/// Compares sorted lists and shows only where they differ.
pub fn assert_same(what: &str, actual: &[(String, String)], expected: &[(String, String)]) {
    if actual == expected {
        return;
    }
    let count = |list: &[(String, String)]| {
        let mut counts: BTreeMap<(String, String), i64> = BTreeMap::new();
        for entry in list {
            *counts.entry(entry.clone()).or_default() += 1;
        }
        counts
    };
    let (actual, expected) = (count(actual), count(expected));
    let few = |list: Vec<String>| list.into_iter().take(20).collect::<Vec<_>>();
    let too_many = actual
        .iter()
        .filter(|(entry, count)| **count > expected.get(*entry).copied().unwrap_or(0));
    let too_many = few(too_many.map(|(entry, count)| format!("{count} times {entry:?}")).collect());
    let missing = expected
        .iter()
        .filter(|(entry, count)| **count > actual.get(*entry).copied().unwrap_or(0));
    let missing = few(missing.map(|(entry, _)| format!("{entry:?}")).collect());
    panic!("{what}: missing {missing:#?}, too many {too_many:#?}");
}
