//! Phrases that native readers stumble over, and what to write instead. They are kept out of the papers, the protocol files, the default
//! settings and the code.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::harness::files_below;

/// A phrase in lower case, and what to write instead.
const PHRASES: &[(&str, &str)] = &[
    ("a little later", "later"),
    ("anew", "again"),
    ("as of [`", "see [`…`]"),
    ("as of `", "see `…`"),
    ("as the database's.", "nothing: the types of the store say it once"),
    ("asked for a pause", "requested a pause"),
    ("cannot be had", "is unavailable"),
    ("could be had", "was available"),
    ("did not work", "failed"),
    ("does not stand up to", "fails"),
    ("go on by themselves", "continue automatically"),
    ("goes on by itself", "continues automatically"),
    ("has a fault inside", "has an internal error"),
    ("has no place here", "must not be set"),
    ("have no place here", "must not be set, are not allowed"),
    ("if this stays", "if this persists"),
    ("in plain words", "in plain language"),
    ("is asked again", "is retried"),
    ("is believed", "is trusted"),
    ("is of no use", "requires …, is unusable"),
    ("is too little", "is below the minimum of …"),
    ("just now", "currently"),
    ("make no sense", "are invalid"),
    ("makes no sense", "is invalid"),
    ("mend what", "fix what"),
    ("nobody knows who", "anonymous"),
    ("retried by itself", "retried automatically"),
    ("shows the login to", "sends credentials to"),
    ("stands in twice", "appears twice"),
    ("tried again by itself", "retried automatically"),
    ("tried to death", "locked by failed logins"),
    ("under way already", "already in progress"),
    ("whom nobody knows", "anonymous"),
];

/// What is read, and with which endings.
const READ: &[(&str, &[&str])] = &[
    ("README.md", &["md"]),
    ("ARCHITECTURE.md", &["md"]),
    ("CONTRIBUTING.md", &["md"]),
    ("CHANGELOG.md", &["md"]),
    ("clients/rust/README.md", &["md"]),
    ("clients/typescript/README.md", &["md"]),
    ("clients/python/README.md", &["md"]),
    ("proto/mailagent", &["proto"]),
    ("src", &["rs", "toml"]),
];

/// A file itself, or those of a folder with one of these endings.
fn files(path: PathBuf, endings: &[&str]) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path];
    }
    let mut found = files_below(&path);
    found.retain(|path| {
        path.extension()
            .is_some_and(|extension| endings.iter().any(|ending| extension == *ending))
    });
    found
}

/// A line without what only holds it together with the next one: comment signs, and the backslash of a text.
fn words(line: &str) -> String {
    let line = line.trim().trim_start_matches(['/', '!', '#']).trim_end_matches('\\');
    line.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Whether `phrase` begins in the first `limit` bytes of the text, as whole words.
fn begins_within(text: &str, phrase: &str, limit: usize) -> bool {
    text.match_indices(phrase).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + phrase.len()..].chars().next();
        let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let ends_as_word = phrase.ends_with(|c: char| c.is_alphanumeric());
        at < limit && !word(before) && !(ends_as_word && word(after))
    })
}

#[test]
fn texts_are_plain_english() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found: Vec<PathBuf> = READ.iter().flat_map(|(path, endings)| files(root.join(path), endings)).collect();
    assert!(found.len() > 200, "only {} files were found", found.len());
    let mut wrong = Vec::new();
    for path in found {
        let text = fs::read_to_string(&path).expect("it is text");
        let name = path.strip_prefix(root).expect("it is below").to_string_lossy().replace('\\', "/");
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let (first, next) = (words(line), lines.get(number + 1).map_or(String::new(), |next| words(next)));
            let both = format!("{first} {next}");
            for (phrase, instead) in PHRASES {
                if begins_within(&both, phrase, first.len()) {
                    wrong.push(format!("{name}:{}: instead of \"{phrase}\" write: {instead}", number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn phrases_are_found_across_lines() {
    let check = |text: &str, phrase: &str, expected: bool| {
        let lines: Vec<String> = text.lines().map(words).collect();
        let both = lines.join(" ");
        assert_eq!(begins_within(&both, phrase, lines[0].len()), expected, "{phrase} in {text}");
    };
    check("/// It goes on\n/// by itself.", "goes on by itself", true);
    check("\"The login is \\\n asked again.\"", "is asked again", true);
    check("one\ngoes on by itself", "goes on by itself", false);
    check("Canewood", "anew", false);
    check("As of `X`", "as of `", true);
}
