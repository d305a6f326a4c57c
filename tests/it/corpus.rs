//! The whole corpus of real, broken and hostile mail through simulator, sweep and archive: every message has an outcome and is found
//! again byte for byte, and none takes long.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use aws_lc_rs::digest::{SHA256, digest};
use mailagent::testing::{mailfile, mime};
use mailagent_client::v1::{DownloadMessageRequest, ListMessagesRequest, Message, SweepAgentRequest};
use mailagent_sim::exchange::FolderKind;

use crate::harness::{Harness, on_both_engines, take};

const ANNA: &str = "anna@example.com";

/// Longest time that one message may take.
const LIMIT: Duration = Duration::from_secs(1);

/// Where the corpus is; `None` when there is none.
fn corpus() -> Option<PathBuf> {
    let given = std::env::var_os("MAILAGENT_CORPUS").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"));
    folder.is_dir().then_some(folder)
}

/// Its messages, by the list that comes with it: files of one, files of several, and pieces of mail, which are no messages but come all
/// the same.
fn messages(corpus: &Path) -> Vec<(String, Vec<u8>)> {
    let list = fs::read_to_string(corpus.join("index.tsv")).expect("the corpus has a list");
    let mut found = Vec::new();
    for line in list.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let (name, kind) = (fields[0], fields[3]);
        let path = corpus.join(name);
        match kind {
            "expected" => {}
            "mbox" => {
                for message in mailfile::open(&[path]).expect("the file can be opened") {
                    let message = message.expect("the file can be read");
                    found.push((message.origin, message.raw));
                }
            }
            _ => found.push((name.to_owned(), fs::read(path).expect("the file can be read"))),
        }
    }
    found
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().unwrap()
}

async fn archived(client: &mailagent_client::Clients) -> Vec<Message> {
    let (mut all, mut request) = (
        Vec::new(),
        ListMessagesRequest {
            page_size: 500,
            ..ListMessagesRequest::default()
        },
    );
    loop {
        let page = client.clone().archive.list_messages(request.clone()).await.unwrap().into_inner();
        all.extend(page.messages);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return all;
        }
    }
}

async fn run(h: &Harness, corpus: &[(String, Vec<u8>)]) {
    let client = h.seed().await;
    let mut by_source = HashMap::new();
    for (name, raw) in corpus {
        by_source.insert(h.deliver_raw(ANNA, FolderKind::Inbox, raw.clone()), (name, raw));
    }
    let agent = h.agent(&client, ANNA).await;
    let began = Instant::now();
    // The job may read it first; this call waits for it and tells when all is done.
    let request = SweepAgentRequest { name: agent.name.clone() };
    let mut progress = client.clone().sweep.sweep_agent(request).await.unwrap().into_inner();
    let mut last = None;
    while let Some(response) = take(&mut progress).await {
        last = Some(response.expect("the sweep goes on"));
    }
    let last = last.expect("a sweep tells its end");
    assert!(last.done && last.problem.is_empty(), "{last:?}");
    h.handled(&client, &agent.name, i64::try_from(corpus.len()).unwrap()).await;
    println!("{:?}: {} messages in {:?}", h.engine, corpus.len(), began.elapsed());

    let outcomes = h.outcomes(&client).await;
    let mut results: HashMap<&str, usize> = HashMap::new();
    let mut seen = HashSet::new();
    for outcome in &outcomes {
        assert!(seen.insert(outcome.source_id.as_str()), "two outcomes: {outcome:#?}");
        assert!(by_source.contains_key(&outcome.source_id), "{outcome:#?}");
        assert!(!outcome.detail.is_empty(), "{outcome:#?}");
        *results.entry(outcome.result().as_str_name()).or_default() += 1;
    }
    assert_eq!(outcomes.len(), corpus.len(), "{results:?}");
    println!("{results:?}");

    let messages = archived(&client).await;
    let kept: HashMap<&[u8], &Message> = messages.iter().map(|message| (message.sha256.as_slice(), message)).collect();
    let mut identities = HashSet::new();
    for (_, raw) in corpus {
        if kept.contains_key(hash(raw).as_slice()) {
            identities.extend(mime::parse(raw).ok().map(|parsed| parsed.identity.0));
        }
    }
    let repeats_a_kept_one = |raw: &[u8]| mime::parse(raw).is_ok_and(|parsed| identities.contains(&parsed.identity.0));
    for (name, raw) in corpus {
        assert!(kept.contains_key(hash(raw).as_slice()) || repeats_a_kept_one(raw), "{name} is lost");
    }
    let originals: HashMap<[u8; 32], &[u8]> = corpus.iter().map(|(_, raw)| (hash(raw), raw.as_slice())).collect();
    for message in &messages {
        let expected = originals[message.sha256.as_slice()];
        let request = DownloadMessageRequest {
            name: message.name.clone(),
            offset_bytes: 0,
        };
        let pieces = client.clone().archive.download_message(request).await.unwrap().into_inner();
        let (_, bytes) = crate::harness::download(pieces, 0).await;
        assert!(bytes == expected, "{} has other bytes", message.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_has_an_outcome_and_is_kept() {
    let Some(folder) = corpus() else {
        eprintln!("SKIPPED: there is no corpus; MAILAGENT_CORPUS names its folder");
        return;
    };
    let corpus = messages(&folder);
    assert!(corpus.len() > 1000, "{} messages in {folder:?}", corpus.len());
    on_both_engines(async |h| run(h, &corpus).await).await;
}

#[test]
fn no_message_takes_a_second() {
    let Some(folder) = corpus() else {
        eprintln!("SKIPPED: there is no corpus; MAILAGENT_CORPUS names its folder");
        return;
    };
    let mut slow = Vec::new();
    for (name, raw) in messages(&folder) {
        // Each of them is done by itself: when it comes, for its note, when it is shown.
        let mut timed = |step: &str, work: &dyn Fn()| {
            let began = Instant::now();
            work();
            if began.elapsed() >= LIMIT {
                slow.push(format!("{name} is {step} in {:?}", began.elapsed()));
            }
        };
        timed("read", &|| drop(mime::parse(&raw)));
        timed("noted", &|| drop(mime::note_text(&raw)));
        timed("shown", &|| drop(mime::content(&raw)));
    }
    assert!(slow.is_empty(), "{}", slow.join("\n"));
}
