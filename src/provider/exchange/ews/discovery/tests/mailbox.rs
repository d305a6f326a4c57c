//! Mailboxes that are opened where they were found.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use mailagent_sim::exchange::Autodiscover::Off;
use zeroize::Zeroizing;

use super::{ANNA, Net, asked, at};
use crate::{
    net::{ErrorClass, Stage, StageKind},
    provider::{
        FolderRole, MailSink, MailSource,
        exchange::ews::{Discovered, EwsConfig, EwsProof, EwsSource},
    },
};

/// Anna's mailbox, and how often it was opened.
fn mailbox(net: &Net, change: impl FnOnce(&mut EwsConfig)) -> (Discovered, Arc<AtomicUsize>) {
    let mut config = net.config();
    change(&mut config);
    let finder = net.finder_with(ANNA, &[], |template| template.proof = config.proof.clone());
    let opened = Arc::new(AtomicUsize::new(0));
    let count = opened.clone();
    let mailbox = Discovered::new(finder, move |endpoint| {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(EwsSource::new(endpoint, config.clone())?))
    });
    (mailbox, opened)
}

async fn stages(mailbox: &Discovered) -> Vec<Stage> {
    let mut stages = Vec::new();
    mailbox.check(None, &mut |stage| stages.push(stage)).await;
    stages
}

#[tokio::test]
async fn what_was_found_is_kept_until_it_is_wrong() {
    let net = Net::new();
    let guide = net.server(&["autodiscover.corp.test"], at("mail.corp.test"), Off).await;
    let server = net.server(&["mail.corp.test"], Off, Off).await;
    let (mailbox, opened) = mailbox(&net, |_| {});
    for _ in 0..3 {
        assert_eq!(mailbox.folders().await.unwrap()[0].role, FolderRole::Inbox);
    }
    assert_eq!((asked(&guide).len(), opened.load(Ordering::Relaxed)), (1, 1));

    // Down for a while: it is looked for again, and the mailbox stays.
    server.stop().await;
    let error = mailbox.folders().await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Unreachable);
    mailbox.folders().await.unwrap_err();
    assert_eq!((asked(&guide).len(), opened.load(Ordering::Relaxed)), (2, 1));
    // Nobody knows where it is: the service's own fault says more.
    guide.autodiscover(Off, Off);
    let error = mailbox.folders().await.unwrap_err();
    assert!(error.problem.contains("mail.corp.test"), "{}", error.problem);
    // It has moved.
    guide.autodiscover(at("new.corp.test"), Off);
    let moved = net.server(&["new.corp.test"], Off, Off).await;
    assert_eq!(mailbox.folders().await.unwrap()[0].role, FolderRole::Inbox);
    assert_eq!(opened.load(Ordering::Relaxed), 2);
    assert!(moved.count("GetFolder") > 0);
}

#[tokio::test]
async fn many_who_need_it_look_for_it_once() {
    let net = Net::new();
    let guide = net.server(&["autodiscover.corp.test"], at("mail.corp.test"), Off).await;
    let _server = net.server(&["mail.corp.test"], Off, Off).await;
    let (mailbox, opened) = mailbox(&net, |_| {});
    let all = futures::future::join_all((0..4).map(|_| mailbox.folders())).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!((asked(&guide).len(), opened.load(Ordering::Relaxed)), (1, 1));
}

#[tokio::test]
async fn a_check_tells_who_named_the_service() {
    use StageKind::{Authenticate, Connect, OpenInbox, Resolve, Tls};
    let net = Net::new();
    let guide = net.server(&["autodiscover.corp.test"], at("mail.corp.test"), Off).await;
    let _server = net.server(&["mail.corp.test"], Off, Off).await;
    let (good, _) = mailbox(&net, |_| {});
    let told = stages(&good).await;
    let kinds: Vec<_> = told.iter().map(|stage| stage.kind).collect();
    assert_eq!(kinds, [Resolve, Connect, Tls, Authenticate, OpenInbox], "{told:#?}");
    assert_eq!(
        told[0].outcome.as_ref().unwrap().summary,
        "Autodiscover at https://autodiscover.corp.test/autodiscover/autodiscover.json names https://mail.corp.test/EWS/Exchange.asmx. \
         mail.corp.test has the address 127.0.0.1."
    );

    guide.autodiscover(Off, Off);
    let (lost, _) = mailbox(&net, |_| {});
    let told = stages(&lost).await;
    let [
        Stage {
            kind: Resolve,
            outcome: Err(error),
            ..
        },
    ] = told.as_slice()
    else {
        panic!("{told:#?}")
    };
    assert!(
        error.problem.starts_with("Autodiscover found no EWS address for anna@corp.test."),
        "{}",
        error.problem
    );

    guide.autodiscover(Off, at("mail.corp.test"));
    let (refused, _) = mailbox(&net, |config| config.proof = EwsProof::Password(Zeroizing::new("wrong".to_owned())));
    let told = stages(&refused).await;
    let [
        Stage {
            kind: Authenticate,
            outcome: Err(error),
            ..
        },
    ] = told.as_slice()
    else {
        panic!("{told:#?}")
    };
    assert_eq!(error.class, ErrorClass::LoginRequired);
}
