//! What came out of the service, by the way on which it came.

use std::{collections::BTreeMap, sync::Mutex};

use super::plant::{Planted, Search};

/// Something in each channel that may be seen, and must be: else the search there would be in vain.
pub enum Beacon {
    /// The word that tenants, names and folders have in them.
    Word,
    /// This.
    Text(&'static str),
}

/// Every channel. A new one is a line here and an [`Evidence::add`] where it ends.
pub const CHANNELS: &[(&str, Beacon)] = &[
    ("log", Beacon::Word),
    ("traces", Beacon::Word),
    ("metrics", Beacon::Text("AgentService/CreateAgent")),
    ("responses", Beacon::Word),
    ("statuses", Beacon::Word),
    ("streams of events", Beacon::Word),
    ("audit", Beacon::Word),
    ("plain HTTP", Beacon::Word),
    ("data folder", Beacon::Word),
    ("database", Beacon::Word),
    ("command line", Beacon::Word),
    ("Debug", Beacon::Word),
];

/// Characters around a find that are shown.
const AROUND: usize = 120;
/// Most finds that are shown.
const MOST: usize = 40;

/// Something that came out, with a label.
type Piece = (String, Vec<u8>);

/// Everything that came out.
#[derive(Default)]
pub struct Evidence {
    pieces: Mutex<BTreeMap<&'static str, Vec<Piece>>>,
}

impl Evidence {
    /// Keeps what came out of a channel. The label is for people who read what leaked.
    pub fn add(&self, channel: &'static str, label: &str, bytes: impl Into<Vec<u8>>) {
        assert!(
            CHANNELS.iter().any(|(known, _)| *known == channel),
            "{channel} has no line in CHANNELS"
        );
        let mut pieces = self.pieces.lock().expect("nobody panics with it");
        pieces.entry(channel).or_default().push((label.to_owned(), bytes.into()));
    }

    /// Nothing that was planted may be in any of it, and the beacon must be in each channel of `channels`.
    pub fn check(&self, planted: &Planted, beacon: &str, without: &[&str]) {
        let pieces = self.pieces.lock().expect("nobody panics with it");
        let search = planted.search();
        // The same secret in the same place is told once.
        let mut leaks: BTreeMap<(String, &str, String), (usize, String)> = BTreeMap::new();
        for (channel, pieces) in pieces.iter() {
            let size: usize = pieces.iter().map(|(_, bytes)| bytes.len()).sum();
            println!("{channel}: {} pieces, {size} bytes", pieces.len());
            for (label, bytes) in pieces {
                for (what, at) in search.find(bytes) {
                    let around = &bytes[at.saturating_sub(AROUND)..bytes.len().min(at + AROUND)];
                    let leak = leaks.entry((what.to_owned(), channel, label.clone()));
                    leak.or_insert_with(|| (0, around.escape_ascii().to_string())).0 += 1;
                }
            }
        }
        let shown = leaks
            .iter()
            .take(MOST)
            .map(|((what, channel, label), (count, around))| format!("{what}\n    in {channel}, {label}, {count} times: …{around}…\n"));
        let shown: String = shown.collect();
        assert!(leaks.is_empty(), "{} secrets came out:\n{shown}", leaks.len());

        // The same search finds what is not hidden: it looks at the right things.
        for (channel, visible) in CHANNELS.iter().filter(|(channel, _)| !without.contains(channel)) {
            let visible = match visible {
                Beacon::Word => beacon,
                Beacon::Text(text) => text,
            };
            let search = Search::new(vec![("beacon".to_owned(), visible.as_bytes().to_vec())]);
            let pieces = pieces.get(channel).unwrap_or_else(|| panic!("nothing came out of {channel}"));
            let seen = pieces.iter().any(|(_, bytes)| !search.find(bytes).is_empty());
            assert!(seen, "{visible} is not found in {channel}, so nothing else would be");
        }
    }
}

#[test]
fn a_leak_in_any_channel_is_found() {
    for (channel, _) in CHANNELS {
        let (planted, evidence, beacon) = (Planted::default(), Evidence::default(), super::plant::word());
        let secret = planted.secret("password");
        for (other, visible) in CHANNELS {
            let visible = match visible {
                Beacon::Word => &beacon,
                Beacon::Text(text) => *text,
            };
            evidence.add(other, "as it should be", visible);
        }
        evidence.check(&planted, &beacon, &[]);
        evidence.add(channel, "a leak", format!("x{secret}"));
        let check = std::panic::AssertUnwindSafe(|| evidence.check(&planted, &beacon, &[]));
        let found = std::panic::catch_unwind(check).expect_err("a leak is not found");
        let found = found.downcast_ref::<String>().expect("it is a text");
        assert!(
            found.contains(&format!("password, as it is\n    in {channel}, a leak, 1 times: …")),
            "{found}"
        );
    }
}

#[test]
fn a_channel_that_nothing_comes_out_of_is_no_proof() {
    let planted = Planted::default();
    let evidence = || {
        let evidence = Evidence::default();
        evidence.add("log", "", "beacon-word");
        evidence
    };
    let check = std::panic::AssertUnwindSafe(|| evidence().check(&planted, "beacon-word", &[]));
    assert!(std::panic::catch_unwind(check).is_err());
    let all_but_log: Vec<&str> = CHANNELS
        .iter()
        .map(|(channel, _)| *channel)
        .filter(|channel| *channel != "log")
        .collect();
    evidence().check(&planted, "beacon-word", &all_but_log);
}
