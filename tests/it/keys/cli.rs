//! `mailagent keys`, as it is run from a shell.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use mailagent::testing::{
    app::open_store,
    config::Config,
    crypto::{KeyRing, KeySource, MasterKey},
    domain::{SystemClock, TenantId},
    ops::{Keys, Vault},
    store::{Rewrapping, Store},
    telemetry::Metrics,
};
use tokio::time::sleep;

use super::{check_opens, fill, tenant};
use crate::{
    cli::{expect_file, mailagent, run, text},
    harness::PATIENCE,
};

/// The data of a service that does not run just now.
struct Data {
    _root: tempfile::TempDir,
    folder: PathBuf,
    store: Store,
    vault: Arc<Vault>,
    sealed: Vec<(TenantId, Vec<u8>)>,
}

impl Data {
    /// With so many tenants.
    async fn new(tenants: usize) -> Self {
        let root = tempfile::tempdir().expect("a temporary folder can be made");
        let folder = root.path().to_owned();
        let config = Config::in_folder(&folder.join("data")).expect("the folder has a plain name");
        let store = open_store(&config, Metrics::default()).await.expect("the database is made");
        let keys = Keys::open(&store, config.keys.master, Arc::new(SystemClock)).await;
        let vault = keys.expect("the keys are made").vault;
        let sealed = fill(&vault, &store, 0..tenants).await;
        Self {
            _root: root,
            folder,
            store,
            vault,
            sealed,
        }
    }

    fn key_file(&self) -> PathBuf {
        self.folder.join("data/master.key")
    }

    fn key_text(&self) -> String {
        fs::read_to_string(self.key_file()).expect("the key file is there")
    }

    /// Everything opens for a service that starts now.
    async fn check(&self) {
        let keys = Keys::open(&self.store, KeySource::File(self.key_file()), Arc::new(SystemClock)).await;
        check_opens(&keys.expect("the keys open").vault, &self.store, &self.sealed).await;
        check_opens(&self.vault, &self.store, &self.sealed).await;
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = mailagent(&self.folder);
        command.args(arguments.split_whitespace()).args(["--data", "data"]);
        command
    }

    /// Runs a command, and gives its exit code, what it printed and what it complained of. Nothing of a key is in either.
    fn say(&self, command: &mut Command) -> (i32, String, String) {
        let output = command.output().expect("the program starts");
        let (said, error) = (text(&output.stdout), text(&output.stderr));
        for key in self.key_text().lines() {
            assert!(!said.contains(key) && !error.contains(key), "it shows the key:\n{said}{error}");
        }
        (output.status.code().expect("it ends by itself"), said, error)
    }

    /// The same with ids of master keys in the place of which there is `KEY1` and so on, in the order in which they were made.
    fn named(&self, said: &str) -> String {
        let ring = KeyRing::parse(self.key_text().as_bytes()).expect("it holds keys");
        let ids = ring.ids();
        let mut said = said.to_owned();
        for (index, id) in ids.iter().rev().enumerate() {
            said = said.replace(&id.to_string(), &format!("KEY{}____________", index + 1));
        }
        said
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rotation_says() {
    let data = Data::new(3).await;
    let mut shown = String::new();
    let mut show = |arguments: &str, expected: i32| {
        let before = data.key_text();
        let (code, said, error) = data.say(&mut data.command(arguments));
        assert_eq!((code, error.as_str()), (expected, ""), "{arguments}: {said}");
        // A key that is gone must be named too.
        let after = data.key_text();
        if after.len() < before.len() {
            fs::write(data.key_file(), &before).expect("it can be written");
        }
        shown += &format!("$ mailagent {arguments}\n{}exit code {code}\n\n", data.named(&said));
        if after.len() < before.len() {
            fs::write(data.key_file(), &after).expect("it can be written");
        }
    };
    show("keys list", 0);
    show("keys rotate", 0);
    show("keys list", 0);
    show("keys prune", 0);
    show("keys prune --yes", 0);
    show("keys prune --yes", 0);
    // As after a rotation that was cut off.
    let new = KeyRing::parse(data.key_text().as_bytes())
        .expect("it holds a key")
        .behind(MasterKey::from_bytes([9; 32]));
    fs::write(data.key_file(), new.to_text().expose()).expect("it can be written");
    show("keys list", 0);
    show("keys prune", 1);
    show("keys rotate", 0);
    // What cannot be moved.
    let row = data
        .store
        .tenant(&tenant(1))
        .data_key()
        .await
        .expect("it is read")
        .expect("it is there");
    let mut damaged = row.clone();
    *damaged.last_mut().expect("it is not empty") ^= 1;
    let damage = Rewrapping {
        owner: tenant(1),
        old: row,
        new: damaged,
    };
    data.store.rewrap_keys(&[damage]).await.expect("it is damaged");
    show("keys rotate", 1);
    show("keys list", 1);
    show("keys prune --yes", 1);
    expect_file("keys.txt", &shown.replace(data.folder.to_str().expect("it is plain"), ""));
    data.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_and_programs_are_given_the_new_key_first() {
    let data = Data::new(3).await;
    let old = data.key_text();
    let new = text(MasterKeyText::new().0.as_slice());
    // The keys in the file are the same, so that what is printed is searched for both.
    let both = format!("{new}{old}");
    let with = |value: &str, arguments: &str| {
        let mut command = data.command(arguments);
        command
            .env("MAILAGENT_KEYS__MASTER", "env:MAILAGENT_MASTER_KEY")
            .env("MAILAGENT_MASTER_KEY", value);
        data.say(&mut command)
    };
    let (code, said, error) = with(&old, "keys rotate");
    assert_eq!((code, said.as_str()), (1, ""));
    assert!(
        error.contains("only master key of the variable MAILAGENT_MASTER_KEY") && error.contains("openssl rand -base64 32"),
        "{error}"
    );
    let (code, _, error) = with(&new, "keys rotate");
    assert_eq!(code, 1);
    assert!(error.contains("after the current one and restart the service"), "{error}");
    assert_eq!(with(&both, "keys prune").0, 1, "nothing is moved yet");
    fs::write(data.key_file(), &both).expect("it can be written");
    let (code, said, error) = with(&both, "keys rotate");
    assert_eq!((code, error.as_str()), (0, ""), "{said}");
    assert!(said.contains("Data keys rewrapped: 4."), "{said}");
    let (code, said, _) = with(&both, "keys rotate");
    assert!(
        code == 0 && said.contains("For another rotation, put a new key before it there"),
        "{said}"
    );
    let (code, said, _) = with(&both, "keys prune --yes");
    assert!(code == 1 && said.contains("Remove all keys except the first there."), "{said}");
    let (code, said, _) = with(&new, "keys list");
    assert!(
        code == 0 && said.contains("All 4 data keys open and are under the current master key."),
        "{said}"
    );
    let (code, _, error) = with(&old, "keys list");
    assert!(code == 1 && error.is_empty(), "{error}");
    for (value, problem) in [
        ("", "there is no key in it"),
        ("hunter2", "the key number 1 is not 32 random bytes in base64"),
    ] {
        let (code, _, error) = with(value, "migrate");
        assert_eq!(code, 1);
        assert!(
            error.contains(problem) && error.contains("MAILAGENT_MASTER_KEY") && !error.contains("hunter2"),
            "{error}"
        );
    }

    let newest = text(MasterKeyText::new().0.as_slice());
    let printed = data.folder.join("printed");
    let program = |content: &str| {
        fs::write(&printed, content).expect("it can be written");
        let mut command = data.command("keys rotate");
        command.env("MAILAGENT_KEYS__MASTER", format!("command:/bin/cat {}", printed.display()));
        data.say(&mut command)
    };
    let (code, said, error) = program(&format!("{newest}{new}"));
    assert_eq!((code, error.as_str()), (0, ""), "{said}");
    assert!(said.contains("the first master key in the program /bin/cat"), "{said}");
    assert!(!said.contains(printed.to_str().expect("it is plain")), "arguments are not shown");
    let (code, _, error) = program(&new);
    assert!(
        code == 1 && error.contains("have the program /bin/cat print it on another line"),
        "{error}"
    );
    fs::write(data.key_file(), &newest).expect("it can be written");
    data.check().await;
    data.store.close().await;
}

/// A new master key as `openssl rand -base64 32` prints it.
struct MasterKeyText(Vec<u8>);

impl MasterKeyText {
    fn new() -> Self {
        Self(KeyRing::of(MasterKey::generate()).to_text().expose().clone())
    }
}

#[test]
fn without_a_key_nothing_is_made() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for arguments in [["keys", "rotate"], ["keys", "list"], ["keys", "prune"]] {
        let output = run(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("data/master.key is missing"), "{output:?}");
    }
    assert_eq!(fs::read_dir(folder.path()).expect("it is there").count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_is_killed_at_any_moment_is_finished_by_the_next() {
    let seed = 31;
    println!("seed {seed}");
    let mut chance = fastrand::Rng::with_seed(seed);
    let data = Data::new(600).await;
    let (mut cut, mut whole, mut unfinished) = (0, 0, 0);
    let mut goes_on = false;
    for _ in 0..25 {
        let mut command = data.command("keys rotate");
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        // Most of it is start, the rest is over in a moment. One that goes on with the last key shows nothing of it.
        if goes_on {
            sleep(Duration::from_millis(chance.u64(..400))).await;
        } else {
            key_file_changed(&data.key_file(), &mut child).await;
            sleep(Duration::from_micros(chance.u64(..60_000))).await;
        }
        // An error says that it has ended.
        let _ = child.kill();
        let status = child.wait().expect("it can be waited for");
        if status.code() == Some(0) {
            whole += 1;
        } else {
            cut += 1;
        }
        data.check().await;
        let (code, said, error) = data.say(&mut data.command("keys list"));
        assert_eq!(code, 0, "{said}{error}");
        goes_on = said.contains("is not finished");
        unfinished += usize::from(goes_on);
    }
    println!("{cut} were killed, {whole} came to their end; {unfinished} times something was left to do");
    assert!(cut > 0 && unfinished > 0, "the test kills nothing that matters");
    let keys = data.key_text().lines().count();
    let (code, said, error) = data.say(&mut data.command("keys rotate"));
    assert_eq!((code, error.as_str()), (0, ""), "{said}");
    assert!(said.contains("All 601 data keys open with"), "{said}");
    // Each run that was not killed before it began made at most one key.
    assert!(keys <= 26, "{keys} keys");
    data.check().await;
    data.store.close().await;
}

/// Waits until the program has given the file another key, or has ended.
async fn key_file_changed(path: &Path, child: &mut std::process::Child) {
    let before = fs::read(path).expect("the key file is there");
    let began = std::time::Instant::now();
    while fs::read(path).expect("the key file is there") == before && child.try_wait().expect("it can be asked").is_none() {
        assert!(began.elapsed() < PATIENCE, "it makes no key");
        sleep(Duration::from_micros(500)).await;
    }
}
