//! What the service keeps in folders: that nobody else reads it, and that replicas share it.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use bytes::Bytes;
use mailagent::testing::{
    app::{self, Environment},
    blobs::IDENTITY,
    config::BlobsUrl,
    lifecycle::Lifecycle,
};

use crate::{cli::run, harness::Harness};

/// Fails where others than the owner may use anything below.
fn check_private(path: &Path) {
    let metadata = fs::metadata(path).expect("it is there");
    assert_eq!(metadata.permissions().mode() & 0o077, 0, "{}", path.display());
    if metadata.is_dir() {
        for entry in fs::read_dir(path).expect("it can be listed") {
            check_private(&entry.expect("it can be listed").path());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_for_the_owner_alone() {
    let h = Harness::new().await;
    h.seed().await;
    let stored = h.ops().blobs.put("acme/some/blob", Bytes::from_static(b"mail")).await;
    stored.expect("it is stored");
    check_private(&h.config.data_dir);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_with_other_blobs_does_not_start() {
    let h = Harness::new().await;
    let mut config = h.config.clone();
    let other = h.folder().join("other");
    config.blobs.url = BlobsUrl::File(other.clone());
    let start = async |config| app::build_ops(config, Environment::default(), &Lifecycle::new()).await;
    let error = start(&config).await.err().expect("it is refused").to_string();
    assert!(error.contains("must share one folder"), "{error}");

    start(&h.config).await.expect("the shared folder is fine");
    // What the text says to do when the folder was lost.
    fs::copy(h.config.data_dir.join("blobs").join(IDENTITY), other.join(IDENTITY)).expect("it can be copied");
    start(&config).await.expect("the other folder takes its place");
}

#[test]
fn a_token_in_a_new_folder_makes_both_keys() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["token", "--tenant", "acme", "--user", "anna", "--scope", "all"];
    assert!(run(folder.path(), &arguments).status.success());
    let (issuer, master) = (folder.path().join("data/issuer.pem"), folder.path().join("data/master.key"));
    assert!(issuer.is_file() && master.is_file(), "both are there");
    check_private(&folder.path().join("data"));
    // A key that was lost later is to be restored, not replaced.
    fs::remove_file(&master).unwrap();
    assert!(run(folder.path(), &arguments).status.success());
    assert!(!master.exists());
}
