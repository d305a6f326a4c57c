//! Secrets that are planted, every form in which one could come out again, and a search for all of them at once.

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Write,
    sync::Mutex,
};

use aws_lc_rs::digest;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};

/// Shorter forms would be found by chance.
const SHORTEST: usize = 8;

/// What is planted: kinds of secrets, each with what is searched for.
#[derive(Default)]
pub struct Planted {
    secrets: Mutex<Vec<(String, Vec<u8>)>>,
}

impl Planted {
    /// A new secret with characters that get escaped on their way. Its kind is for people who read what leaked.
    pub fn secret(&self, kind: &str) -> String {
        let secret = format!("ä<&>\"'\\%20+ {}", word());
        // Around the word everything may be escaped; the word itself is not.
        let word = secret.rsplit(' ').next().expect("it ends with a word");
        self.watch(kind, word.as_bytes());
        self.watch_hashes(kind, &secret);
        secret
    }

    /// A token of somebody else's: a word, behind what tokens of its kind begin with.
    pub fn token(&self, kind: &str, token: &str) {
        let word = token.rsplit('.').next().expect("it has a last part");
        self.watch(kind, word.as_bytes());
        self.watch_hashes(kind, token);
    }

    fn watch_hashes(&self, kind: &str, secret: &str) {
        for (name, hash) in hashes(secret.as_bytes()) {
            self.watch(&format!("{name} of the {kind}"), &hash);
        }
    }

    /// A new secret of letters and digits alone.
    pub fn word(&self, kind: &str) -> String {
        let word = word();
        self.watch(kind, word.as_bytes());
        word
    }

    /// A secret that somebody else made.
    pub fn watch(&self, kind: &str, secret: &[u8]) {
        self.secrets
            .lock()
            .expect("nobody panics with it")
            .push((kind.to_owned(), secret.to_vec()));
    }

    /// Searches for all of them, in every form.
    pub fn search(&self) -> Search {
        let secrets = self.secrets.lock().expect("nobody panics with it");
        let mut needles = Vec::new();
        for (kind, secret) in secrets.iter() {
            needles.extend(forms(secret).into_iter().map(|(form, bytes)| (format!("{kind}, {form}"), bytes)));
        }
        Search::new(needles)
    }
}

/// 24 letters and digits that nobody else has.
pub fn word() -> String {
    let mut random = fastrand::Rng::new();
    std::iter::repeat_with(|| random.alphanumeric()).take(24).collect()
}

/// Hashes without a key, which could be tried passwords on.
fn hashes(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let hash = |algorithm| digest::digest(algorithm, secret).as_ref().to_vec();
    vec![
        ("SHA-1", hash(&digest::SHA1_FOR_LEGACY_USE_ONLY)),
        ("SHA-256", hash(&digest::SHA256)),
        ("SHA-512", hash(&digest::SHA512)),
    ]
}

/// How a secret could be written. Longer ones than the secret contain it in that form whatever stands around it.
pub fn forms(secret: &[u8]) -> Vec<(String, Vec<u8>)> {
    let each = |write: &dyn Fn(&mut String, u8)| {
        let mut text = String::new();
        for byte in secret {
            write(&mut text, *byte);
        }
        text.into_bytes()
    };
    let print = |text: std::fmt::Result| text.expect("a string takes everything");
    let mut forms: Vec<(String, Vec<u8>)> = [
        ("as it is", secret.to_vec()),
        ("in capitals", secret.to_ascii_uppercase()),
        ("in small letters", secret.to_ascii_lowercase()),
        ("backwards", secret.iter().rev().copied().collect()),
        ("in hexadecimal", each(&|text, byte| print(write!(text, "{byte:02x}")))),
        ("in capital hexadecimal", each(&|text, byte| print(write!(text, "{byte:02X}")))),
        ("in UTF-16, low first", secret.iter().flat_map(|byte| [*byte, 0]).collect()),
        ("in UTF-16, high first", secret.iter().flat_map(|byte| [0, *byte]).collect()),
        ("percent-encoded", each(&|text, byte| print(write!(text, "%{byte:02X}")))),
        (
            "percent-encoded in small letters",
            each(&|text, byte| print(write!(text, "%{byte:02x}"))),
        ),
        ("quoted-printable", each(&|text, byte| print(write!(text, "={byte:02X}")))),
        ("in entities", each(&|text, byte| print(write!(text, "&#{byte};")))),
        ("in JSON escapes", each(&|text, byte| print(write!(text, "\\u{byte:04x}")))),
        ("in hexadecimal escapes", each(&|text, byte| print(write!(text, "\\x{byte:02x}")))),
    ]
    .into_iter()
    .map(|(name, bytes)| (name.to_owned(), bytes))
    .collect();
    let mut numbers = each(&|text, byte| print(write!(text, "{byte}, ")));
    numbers.truncate(numbers.len() - 2);
    forms.push(("as a list of numbers".to_owned(), numbers));
    // What Rust prints for bytes.
    forms.push(("escaped".to_owned(), secret.escape_ascii().to_string().into_bytes()));
    // Its place in a group of three bytes decides how it looks.
    for before in 0..3 {
        let shifted = [&[0_u8; 2][..before], secret].concat();
        let (first, last) = ([0, 2, 3][before], shifted.len() * 8 / 6);
        for (name, text) in [
            ("base64", STANDARD.encode(&shifted)),
            ("base64 for URLs", URL_SAFE_NO_PAD.encode(&shifted)),
        ] {
            forms.push((format!("in {name} behind {before} bytes"), text.as_bytes()[first..last].to_vec()));
        }
    }
    let mut known = BTreeSet::new();
    forms.retain(|(_, bytes)| bytes.len() >= SHORTEST && known.insert(bytes.clone()));
    forms
}

/// A search for many byte strings at once, fast also where nothing is optimised.
pub struct Search {
    needles: Vec<(String, Vec<u8>)>,
    /// One bit for the first three bytes of each.
    beginnings: Vec<u64>,
    by_beginning: HashMap<[u8; 4], Vec<usize>>,
}

impl Search {
    /// A search for what has these names.
    pub fn new(needles: Vec<(String, Vec<u8>)>) -> Self {
        let mut search = Self {
            needles: Vec::new(),
            beginnings: vec![0; (1 << 24) / 64],
            by_beginning: HashMap::new(),
        };
        for (name, bytes) in needles {
            let beginning = *bytes.first_chunk::<4>().expect("forms are longer");
            let (word, bit) = place(beginning[0], beginning[1], beginning[2]);
            search.beginnings[word] |= bit;
            search.by_beginning.entry(beginning).or_default().push(search.needles.len());
            search.needles.push((name, bytes));
        }
        search
    }

    /// What is found, with its place.
    pub fn find(&self, hay: &[u8]) -> Vec<(&str, usize)> {
        let mut found = Vec::new();
        for at in 0..hay.len().saturating_sub(SHORTEST - 1) {
            let (word, bit) = place(hay[at], hay[at + 1], hay[at + 2]);
            if self.beginnings[word] & bit == 0 {
                continue;
            }
            let beginning = [hay[at], hay[at + 1], hay[at + 2], hay[at + 3]];
            let candidates = self.by_beginning.get(&beginning).into_iter().flatten();
            found.extend(
                candidates
                    .map(|index| &self.needles[*index])
                    .filter(|(_, needle)| hay[at..].starts_with(needle))
                    .map(|(name, _)| (name.as_str(), at)),
            );
        }
        found
    }
}

fn place(first: u8, second: u8, third: u8) -> (usize, u64) {
    let number = usize::from(first) << 16 | usize::from(second) << 8 | usize::from(third);
    (number / 64, 1 << (number % 64))
}

#[test]
fn every_form_is_found_between_other_things() {
    let planted = Planted::default();
    let secret = planted.secret("trial");
    let binary: Vec<u8> = (0..32).map(|byte| byte * 7 + 1).collect();
    planted.watch("key", &binary);
    let search = planted.search();
    let word = secret.rsplit(' ').next().unwrap().as_bytes();
    for secret in [word, binary.as_slice()] {
        let forms = forms(secret);
        assert!(forms.len() >= 18, "{} forms", forms.len());
        for (form, bytes) in forms {
            for hay in [bytes.clone(), [b"\x00x", &bytes[..], b"y"].concat()] {
                assert!(!search.find(&hay).is_empty(), "{form} is not found");
            }
            let cut = &bytes[..bytes.len() - 1];
            assert!(
                search.find(cut).iter().all(|(name, _)| !name.ends_with(&form)),
                "a part of {form} is found"
            );
        }
    }
    // As it comes out of other programs.
    for around in ["", "a", "ab", "anna@example.com:"] {
        let basic = STANDARD.encode(format!("{around}{secret}"));
        assert!(!search.find(basic.as_bytes()).is_empty(), "behind {around:?}");
        assert!(
            !search
                .find(format!("{:?}", format!("{around}{secret}").as_bytes()).as_bytes())
                .is_empty()
        );
    }
    assert!(
        !search
            .find(
                url::form_urlencoded::byte_serialize(secret.as_bytes())
                    .collect::<String>()
                    .as_bytes()
            )
            .is_empty()
    );
    assert!(!search.find(serde_json::to_string(&secret).unwrap().as_bytes()).is_empty());
    assert!(!search.find(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref()).is_empty());
    assert!(search.find(&vec![b'x'; 10_000]).is_empty() && search.find(b"").is_empty() && search.find(b"abc").is_empty());
}
