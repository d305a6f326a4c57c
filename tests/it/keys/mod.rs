//! Master keys: a rotation moves every data key and proves it, while replicas go on; cut off anywhere, it is finished by the next one.

mod cli;

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use mailagent::testing::{
    app::{Environment, Running, start_in},
    crypto::{KeyId, KeyRing, KeySource, MasterKey, OpenError, Place, Secret, wrapped_by},
    domain::{Caller, Kind, Scope, TenantId},
    ops::{
        Keys, KeysError, Vault,
        keys::{self, Rotation, RotationTrigger, Step},
        sweep,
    },
    store::{INSTALLATION, Store},
};
use mailagent_client::{
    Clients, connect,
    v1::{BatchUpsertUsersRequest, CreateAgentRequest, ListUsersRequest, WatchChangesRequest},
};
use tokio::net::TcpListener;

use crate::harness::{Harness, PATIENCE, eventually, on_both_engines, take, user};

const PLACE: Place<'static> = Place {
    table: "agent",
    row: "01J",
    column: "password_sealed",
};

fn key_file(h: &Harness) -> PathBuf {
    let KeySource::File(path) = &h.config.keys.master else {
        panic!("the harness keeps its master key in a file")
    };
    path.clone()
}

fn ring(h: &Harness) -> KeyRing {
    KeyRing::parse(&fs::read(key_file(h)).expect("the key file is there")).expect("it holds keys")
}

async fn rotate_with(h: &Harness, step: &mut (dyn FnMut(Step) + Send)) -> Result<Rotation, KeysError> {
    keys::rotate(&h.ops().store, &h.config.keys.master, h.clock.clone(), step).await
}

async fn rotate(h: &Harness) -> Rotation {
    rotate_with(h, &mut |_| {}).await.expect("the master key can be changed")
}

/// A vault as of a replica that has just started: it remembers no data key.
async fn fresh_vault(h: &Harness) -> Arc<Vault> {
    let keys = Keys::open(&h.ops().store, h.config.keys.master.clone(), h.clock.clone()).await;
    keys.expect("the keys open").vault
}

fn tenant(number: usize) -> TenantId {
    format!("tenant-{number:04}").into()
}

/// Gives tenants a data key each, and returns what was sealed with them.
async fn fill(vault: &Vault, store: &Store, tenants: std::ops::Range<usize>) -> Vec<(TenantId, Vec<u8>)> {
    let mut sealed = Vec::new();
    for tenant in tenants.map(tenant) {
        let secret = Secret::new(format!("secret of {tenant}"));
        let bytes = vault.seal(store, &tenant, PLACE, &secret).await.expect("it is sealed");
        sealed.push((tenant, bytes));
    }
    sealed
}

async fn check_opens(vault: &Vault, store: &Store, sealed: &[(TenantId, Vec<u8>)]) {
    for (tenant, bytes) in sealed {
        let secret = vault.open(store, tenant, PLACE, bytes).await;
        let secret = secret.unwrap_or_else(|error| panic!("{tenant}: {}", error.chain()));
        assert_eq!(*secret.expose(), format!("secret of {tenant}"));
    }
}

/// Which master keys the rows of the database are under.
async fn under(store: &Store) -> BTreeSet<KeyId> {
    let rows = store.wrapped_keys("", 100_000).await.expect("the keys are listed");
    rows.iter().map(|row| wrapped_by(&row.wrapped).expect("it is whole")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_moves_every_key_and_proves_it() {
    on_both_engines(async |h| {
        let store = h.ops().store.clone();
        let sealed = fill(&h.ops().vault, &store, 0..230).await;
        let old = ring(h);
        let client = h.client().await;
        write_users(&client).await;
        let mut agent = h.agent_for("anna@example.com");
        agent.exchange.as_mut().expect("it has Exchange settings").sweep_options = None;
        let create = CreateAgentRequest {
            agent: Some(agent),
            request_id: "once".to_owned(),
        };
        let created = client
            .clone()
            .agents
            .create_agent(create.clone())
            .await
            .expect("it is created")
            .into_inner();
        let (page_token, cursor) = positions(&client).await;

        let rotation = rotate(h).await;
        let total = 230 + 2;
        assert_eq!(rotation.occasion, RotationTrigger::Made);
        assert_eq!((rotation.moved, rotation.proven), (total, total));
        assert_eq!((rotation.before.total, rotation.before.count(old.current().id())), (total, total));
        assert_eq!((rotation.after.total, rotation.after.count(rotation.current())), (total, total));
        assert!(rotation.complete(), "{rotation:#?}");
        let new = ring(h);
        assert_eq!(new.ids(), [rotation.current(), old.current().id()]);
        assert_eq!(rotation.ring, new.ids());
        assert_eq!(under(&store).await, BTreeSet::from([rotation.current()]));

        // The service that ran all the while, one that starts now, and one that starts when the former key is gone.
        for life in ["goes on", "starts again", "has the new key only"] {
            match life {
                "starts again" => h.restart().await,
                "has the new key only" => {
                    let pruning = keys::prune(&h.ops().store, &h.config.keys.master, true)
                        .await
                        .expect("it is pruned");
                    assert_eq!((pruning.removed, pruning.former.as_slice()), (true, &old.ids()[..]));
                    assert_eq!(ring(h).ids(), [rotation.current()]);
                    h.restart().await;
                }
                _ => {}
            }
            let ops = h.ops();
            check_opens(&ops.vault, &ops.store, &sealed).await;
            let client = h.client().await;
            let again = client.clone().agents.create_agent(create.clone()).await;
            assert_eq!(
                again.unwrap_or_else(|error| panic!("{life}: {error}")).into_inner().name,
                created.name
            );
            check_positions(&client, &page_token, &cursor).await;
        }
        // There is nothing more to remove.
        let pruning = keys::prune(&h.ops().store, &h.config.keys.master, true)
            .await
            .expect("it is looked at");
        assert_eq!((pruning.removed, pruning.former.len()), (false, 0));
    })
    .await;
}

/// Two users, so that a page can be one of two.
async fn write_users(client: &Clients) {
    let users = vec![user("anna", &[]), user("bert", &[])];
    let written = client.clone().directory.batch_upsert_users(BatchUpsertUsersRequest { users }).await;
    written.expect("users are written");
}

/// A page token and a cursor.
async fn positions(client: &Clients) -> (String, String) {
    let request = ListUsersRequest {
        page_size: 1,
        ..ListUsersRequest::default()
    };
    let page = client
        .clone()
        .directory
        .list_users(request)
        .await
        .expect("users are listed")
        .into_inner();
    assert!(!page.next_page_token.is_empty());
    let changes = client.clone().directory.watch_changes(WatchChangesRequest::default()).await;
    let first = take(&mut changes.expect("changes are watched").into_inner()).await;
    (page.next_page_token, first.expect("a bookmark comes").expect("it goes on").cursor)
}

/// Goes on from a page token and a cursor.
async fn check_positions(client: &Clients, page_token: &str, cursor: &str) {
    let request = ListUsersRequest {
        page_size: 1,
        page_token: page_token.to_owned(),
    };
    let page = client.clone().directory.list_users(request).await.expect("the page token is good");
    assert_eq!(page.into_inner().users[0].name, "users/bert");
    let request = WatchChangesRequest { cursor: cursor.to_owned() };
    let changes = client.clone().directory.watch_changes(request).await.expect("the cursor is good");
    take(&mut changes.into_inner())
        .await
        .expect("a bookmark comes")
        .expect("it goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_is_cut_off_is_finished_by_the_next() {
    on_both_engines(async |h| {
        let store = h.ops().store.clone();
        let mut sealed = fill(&h.ops().vault, &store, 0..230).await;
        let mut steps = Vec::new();
        rotate_with(h, &mut |step| steps.push(step)).await.expect("it goes through");
        println!("{steps:?}");
        assert_eq!(steps[..2], [Step::KeyWritten, Step::KeyInPlace]);
        // The installation's key alone, then three batches.
        assert_eq!(steps[2..].len(), 2 * 4);
        for (cut, at) in steps.iter().enumerate() {
            let before = ring(h);
            let (source, clock, ended) = (h.config.keys.master.clone(), h.clock.clone(), store.clone());
            let cut_off = tokio::spawn(async move {
                let mut done = 0;
                let mut step = move |_: Step| {
                    assert!(done < cut, "as if the process were killed here");
                    done += 1;
                };
                keys::rotate(&ended, &source, clock, &mut step).await.map(|_| ())
            });
            assert!(
                cut_off.await.is_err_and(|error| error.is_panic()),
                "it was not cut off at step {cut}"
            );

            // Services go on, old and new, and new tenants come.
            check_opens(&h.ops().vault, &store, &sealed).await;
            let vault = fresh_vault(h).await;
            check_opens(&vault, &store, &sealed).await;
            let more = 230 + cut * 2;
            sealed.extend(fill(&h.ops().vault, &store, more..more + 1).await);
            sealed.extend(fill(&vault, &store, more + 1..more + 2).await);

            let rotation = rotate(h).await;
            // Before the key was in its place nothing had begun, and behind the last re-wrapping all was done.
            let moved_all = matches!(*at, Step::Moved(moved) | Step::ReadBack(moved) if moved == 231);
            let expected = if cut == 0 || moved_all {
                RotationTrigger::Made
            } else {
                RotationTrigger::Unfinished
            };
            assert_eq!(rotation.occasion, expected, "cut at {at:?}");
            assert!(rotation.complete(), "cut at {at:?}: {rotation:#?}");
            assert_eq!(rotation.after.total, sealed.len() as u64 + 1);
            let new = ring(h).ids();
            let added = if moved_all { 2 } else { 1 };
            assert_eq!(new[added..], before.ids(), "no other key was made");
            assert_eq!(under(&store).await, BTreeSet::from([new[0]]));
            check_opens(&*fresh_vault(h).await, &store, &sealed).await;
        }
        let left: BTreeSet<String> = fs::read_dir(key_file(h).parent().expect("it is in a folder"))
            .expect("the folder is there")
            .map(|entry| entry.expect("it is listed").file_name().into_string().expect("it is plain"))
            .filter(|name| name.starts_with("master"))
            .collect();
        assert_eq!(left, BTreeSet::from(["master.key".to_owned(), "master.key.lock".to_owned()]));
    })
    .await;
}

/// A second replica on the database and with the keys of a service.
async fn replica(h: &Harness) -> Running {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
    let environment = Environment {
        clock: h.clock.clone(),
        ..Environment::default()
    };
    start_in(h.config.clone(), listener, environment).await.expect("it starts")
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_create_agents_and_open_mailboxes_during_rotations() {
    on_both_engines(async |h| {
        let h = &*h;
        let second = replica(h).await;
        let urls = [h.url(), format!("http://{}", second.address)];
        let ops = [h.ops().clone(), second.ops.clone()];
        let stop = AtomicBool::new(false);
        let done = AtomicUsize::new(0);
        // Each creates an agent of a new tenant at one replica, and uses everything at the other, which knows nothing of the tenant yet.
        let work = async |worker: usize| {
            let (here, there) = (worker % 2, (worker + 1) % 2);
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                let tenant = format!("worker{worker}-{count}");
                let token = h.token(&tenant, "anna", Scope::ALL);
                let client = connect(&urls[here], &token).await.expect("the one replica answers");
                write_users(&client).await;
                // A mailbox of its own: the server has only so many readers of one.
                let address = format!("anna@{tenant}.example");
                h.exchange.add_mailbox(&address, &address, &format!("password of {address}"));
                let mut agent = h.agent_for(&address);
                let exchange = agent.exchange.as_mut().expect("it has Exchange settings");
                (exchange.archive, exchange.sweep_options) = (None, None);
                let create = CreateAgentRequest {
                    agent: Some(agent),
                    request_id: "once".to_owned(),
                };
                let created = client.clone().agents.create_agent(create.clone()).await;
                let created = created.expect("the agent is created").into_inner();
                let (page_token, cursor) = positions(&client).await;

                let client = connect(&urls[there], &token).await.expect("the other replica answers");
                let again = client.clone().agents.create_agent(create).await.expect("a repeat is answered");
                assert_eq!(again.into_inner().name, created.name);
                check_positions(&client, &page_token, &cursor).await;
                let id = created.name.strip_prefix("agents/").expect("it has that form");
                let caller = Caller {
                    tenant: tenant.into(),
                    user: "anna".into(),
                    scopes: Scope::ALL.to_vec(),
                };
                let (_, opened) = sweep::prepare_sweep(&ops[there], &caller, &id.into())
                    .await
                    .expect("the agent is active");
                let mailbox = opened.expect("the mailbox opens").mailbox;
                mailbox.folders().await.expect("the password is right");
                count += 1;
                done.fetch_add(1, Ordering::Relaxed);
            }
        };
        let rotations = async {
            let mut current = ring(h).current().id();
            for round in 1..=4 {
                eventually(PATIENCE, "work is done", async || {
                    let done = done.load(Ordering::Relaxed);
                    if done >= round * 12 { Ok(()) } else { Err(done) }
                })
                .await;
                let rotation = rotate(h).await;
                assert_eq!(rotation.occasion, RotationTrigger::Made);
                assert!(rotation.complete(), "{rotation:#?}");
                assert_eq!(rotation.after.count(current), 0);
                current = rotation.current();
            }
            let enough = done.load(Ordering::Relaxed) + 12;
            eventually(PATIENCE, "work goes on", async || {
                let done = done.load(Ordering::Relaxed);
                if done >= enough { Ok(()) } else { Err(done) }
            })
            .await;
            stop.store(true, Ordering::Relaxed);
            current
        };
        let (current, ..) = tokio::join!(rotations, work(0), work(1), work(2), work(3));
        // What came during and after the last rotation is under the last key too.
        assert_eq!(under(&h.ops().store).await, BTreeSet::from([current]));
        println!("{} agents were created", done.load(Ordering::Relaxed));
        assert_eq!(second.stop().await.died, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_wraps_nothing_before_the_rotation_and_everything_after() {
    on_both_engines(async |h| {
        let store = h.ops().store.clone();
        // By hand, as for a variable: the new key is given to one replica after the other, and only then is anything under it.
        let old = ring(h);
        let new = MasterKey::generate();
        fs::write(key_file(h), old.behind(new.clone()).to_text().expose()).expect("the file is written");
        let informed = fresh_vault(h).await;
        let mut sealed = fill(&informed, &store, 0..2).await;
        check_opens(&h.ops().vault, &store, &sealed).await;
        assert_eq!(under(&store).await, BTreeSet::from([old.current().id()]));

        let rotation = rotate(h).await;
        assert_eq!((rotation.occasion, rotation.moved), (RotationTrigger::Unfinished, 3));
        assert!(rotation.complete());
        // The one that has not seen the new key yet finds it when it needs it: here, to make a data key.
        sealed.extend(fill(&h.ops().vault, &store, 2..3).await);
        assert_eq!(under(&store).await, BTreeSet::from([new.id()]));
        check_opens(&informed, &store, &sealed).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_without_the_key_says_what_it_needs_and_looks_for_it_in_moderation() {
    let mut h = Harness::new().await;
    let store = h.ops().store.clone();
    let runs = h.folder().join("runs");
    let copy = h.folder().join("copy.key");
    fs::copy(key_file(&h), &copy).expect("the key file is there");
    let script = format!("echo run >> {}; cat {}", runs.display(), copy.display());
    let program = KeySource::Command(["/bin/sh", "-c", &script].map(str::to_owned).into());
    let late = Keys::open(&store, program, h.clock.clone()).await.expect("it has the key").vault;
    let runs = || fs::read_to_string(&runs).unwrap_or_default().lines().count();
    assert_eq!(runs(), 1);

    let known = fill(&late, &store, 0..1).await;
    let sealed = fill(&h.ops().vault, &store, 1..20).await;
    let new = rotate(&h).await.current();
    // What it has opened before it still opens; all else it can neither open nor seal.
    check_opens(&late, &store, &known).await;
    for (tenant, bytes) in &sealed {
        let refused = late.open(&store, tenant, PLACE, bytes).await.expect_err("it lacks the key");
        assert!(matches!(refused.kind, Kind::Unavailable { .. }), "{refused:?}");
        let chain = refused.chain();
        let expected = format!(
            "wrapped by the master key {new}, which is not in the program /bin/sh. Find it, for example in a backup, and have the program \
             /bin/sh print it on another line"
        );
        assert!(chain.contains(&expected), "{chain}");
        assert!(!refused.public.contains("master key"), "a caller cannot do anything about it");
    }
    let refused = late
        .seal(&store, &"new-tenant".into(), PLACE, &"x".into())
        .await
        .expect_err("it lacks the key");
    assert!(matches!(refused.kind, Kind::Unavailable { .. }), "{refused:?}");
    assert_eq!(runs(), 2, "it looks once for a key in vain, then not again for a while");
    assert_eq!(store.tenant(&"new-tenant".into()).data_key().await.expect("it is read"), None);

    fs::copy(key_file(&h), &copy).expect("the key file is there");
    eventually(PATIENCE, "it finds the key by itself", async || {
        late.open(&store, &sealed[0].0, PLACE, &sealed[0].1)
            .await
            .map_err(|error| error.chain())
    })
    .await;
    check_opens(&late, &store, &sealed).await;
    let looked = runs();
    fill(&late, &store, 20..21).await;
    assert_eq!(runs(), looked, "it has the key now");
    h.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_former_key_alone_is_refused_after_a_rotation() {
    on_both_engines(async |h| {
        let store = h.ops().store.clone();
        fill(&h.ops().vault, &store, 0..3).await;
        let old = ring(h);
        let new = rotate(h).await.current();
        for row in store.wrapped_keys("", 100).await.expect("the keys are listed") {
            let refused = old.unwrap(&row.wrapped, &row.owner).err();
            assert_eq!(refused, Some(OpenError::UnknownMasterKey(new)));
        }
        h.stop().await;
        let both = fs::read(key_file(h)).expect("the key file is there");
        let start = async |h: &Harness| {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
            let error = start_in(h.config.clone(), listener, Environment::default())
                .await
                .err()
                .expect("it must not start");
            mailagent::testing::domain::error_chain(&error)
        };
        fs::write(key_file(h), old.to_text().expose()).expect("the file is written");
        let error = start(h).await;
        let expected = format!(
            "wrapped by the master key {new}, which is not in the key file {}",
            key_file(h).display()
        );
        assert!(error.contains(&expected) && error.contains("as another line"), "{error}");
        // A file that is lost is not replaced by one whose key opens nothing.
        fs::remove_file(key_file(h)).expect("it can be removed");
        let error = start(h).await;
        assert!(
            error.contains("master.key is missing, and only its keys can decrypt the secrets in the database"),
            "{error}"
        );
        assert!(!key_file(h).exists());
        fs::write(key_file(h), &both).expect("the file is written");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert!(
                start(h).await.contains("is open to other users (mode 0644)"),
                "it was made anew for this test, open to all"
            );
            fs::set_permissions(key_file(h), fs::Permissions::from_mode(0o600)).expect("the mode can be set");
        }
        h.start().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_from_before_opens_while_its_key_is_kept() {
    on_both_engines(async |h| {
        let store = h.ops().store.clone();
        let sealed = fill(&h.ops().vault, &store, 0..150).await;
        let backup = store.wrapped_keys("", 1000).await.expect("the keys are listed");
        let old = ring(h).current().id();
        let new = rotate(h).await.current();
        assert_eq!(under(&store).await, BTreeSet::from([new]));
        restore(&store, &backup).await;
        h.restart().await;
        let store = h.ops().store.clone();
        assert_eq!(under(&store).await, BTreeSet::from([old]));
        check_opens(&h.ops().vault, &store, &sealed).await;
        // It goes on as it was then, until it is rotated too, to the key that is there already.
        fill(&h.ops().vault, &store, 200..201).await;
        assert!(under(&store).await.contains(&old));
        let pruning = keys::prune(&store, &h.config.keys.master, true).await.expect("it is looked at");
        assert_eq!((pruning.removed, pruning.elsewhere), (false, 152));
        let rotation = rotate(h).await;
        assert_eq!(
            (rotation.occasion, rotation.current(), rotation.moved),
            (RotationTrigger::Unfinished, new, 152)
        );
        assert!(rotation.complete());

        // Once the key is gone, so is the backup.
        let pruning = keys::prune(&store, &h.config.keys.master, true).await.expect("it is pruned");
        assert!(pruning.removed);
        restore(&store, &backup).await;
        let error = Keys::open(&store, h.config.keys.master.clone(), h.clock.clone()).await.err();
        assert!(matches!(error, Some(KeysError::Missing(missing)) if missing.id == old));
    })
    .await;
}

/// Puts the keys of a backup in the place of those that are stored.
async fn restore(store: &Store, backup: &[mailagent::testing::store::WrappedKey]) {
    let now = store.wrapped_keys("", 1000).await.expect("the keys are listed");
    let was = |owner: &str| backup.iter().find(|row| row.owner == owner).map(|row| row.wrapped.clone());
    let changes: Vec<_> = now
        .into_iter()
        .filter_map(|row| {
            Some(mailagent::testing::store::Rewrapping {
                new: was(row.owner.as_str())?,
                owner: row.owner,
                old: row.wrapped,
            })
        })
        .collect();
    assert_eq!(changes.len(), backup.len());
    store.rewrap_keys(&changes).await.expect("the backup is put back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_does_not_open_is_named_and_holds_up_no_other() {
    on_both_engines(async |h| {
        let store = h.ops().store.clone();
        fill(&h.ops().vault, &store, 0..5).await;
        let rows = store.wrapped_keys("", 100).await.expect("the keys are listed");
        let damage = |owner: &str, change: &dyn Fn(&mut Vec<u8>)| {
            let old = rows.iter().find(|row| row.owner == owner).expect("it has a key").wrapped.clone();
            let mut new = old.clone();
            change(&mut new);
            mailagent::testing::store::Rewrapping {
                owner: owner.into(),
                old,
                new,
            }
        };
        let damages = [
            damage(tenant(1).as_str(), &|bytes| *bytes.last_mut().expect("it is not empty") ^= 1),
            damage(tenant(2).as_str(), &|bytes| bytes[0] = 9),
            damage(tenant(3).as_str(), &|bytes| bytes[1] ^= 1),
        ];
        assert_eq!(store.rewrap_keys(&damages).await.expect("they are damaged"), 3);
        for _ in 0..2 {
            let rotation = rotate(h).await;
            // Not a finish of the last one for ever: what cannot be moved does not count.
            assert_eq!((rotation.occasion, rotation.moved, rotation.proven), (RotationTrigger::Made, 3, 3));
            assert!(!rotation.complete());
            let closed: Vec<&str> = rotation.after.closed.iter().map(|(owner, _)| owner.as_str()).collect();
            assert_eq!(closed, [tenant(1), tenant(2), tenant(3)]);
        }
        let pruning = keys::prune(&store, &h.config.keys.master, true).await.expect("it is looked at");
        assert_eq!((pruning.removed, pruning.elsewhere), (false, 3));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_from_before_keeps_its_cursors() {
    on_both_engines(async |h| {
        let client = h.client().await;
        write_users(&client).await;
        assert!(!h.ops().store.has_positions().await.expect("it is read"));
        h.seed().await;
        h.deliver("anna@example.com", &crate::harness::Mail::new("eva@oak.example", "CS-0000001"));
        h.agent(&client, "anna@example.com").await;
        eventually(PATIENCE, "there is an event", async || {
            h.ops().store.has_positions().await.expect("it is read").then_some(()).ok_or("none")
        })
        .await;

        // As it was before positions had a key of their own.
        h.stop().await;
        let old = ring(h).current().first_sealing_key();
        let token = mailagent::testing::crypto::Sealer::new(&old).seal("ListUsers", &crate::harness::TENANT.into(), b"x");
        delete_installation_key(h).await;
        h.start().await;
        let opened = h.ops().sealer.open("ListUsers", &crate::harness::TENANT.into(), &token);
        assert_eq!(opened.expect("it is still good"), b"x");
        rotate(h).await;
        h.restart().await;
        let opened = h.ops().sealer.open("ListUsers", &crate::harness::TENANT.into(), &token);
        assert_eq!(opened.expect("it is good for ever"), b"x");
    })
    .await;
}

async fn delete_installation_key(h: &Harness) {
    use sea_orm::{ConnectionTrait, Database};
    let url = match &h.config.database.url {
        mailagent::testing::config::DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
        mailagent::testing::config::DatabaseUrl::Postgres(url) => url.expose().to_owned(),
    };
    let connection = Database::connect(url).await.expect("the database answers");
    let statement = format!("DELETE FROM tenant_key WHERE tenant_id = '{}'", *INSTALLATION);
    let deleted = connection.execute_unprepared(&statement).await.expect("it can be deleted");
    assert_eq!(deleted.rows_affected(), 1);
    connection.close().await.expect("the connection closes");
}
