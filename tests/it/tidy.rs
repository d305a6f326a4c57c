//! Rules of the code itself that no compiler knows: who may use what, where the time comes from, and how long a file may get.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Longest file in lines. Split before it becomes a list.
const LINES: usize = 700;

/// Crates and modules, and the only places that may name them; beginnings of paths below `src`.
const ARROWS: &[(&str, &[&str])] = &[
    ("sea_orm", &["store/"]),
    ("sea_orm_migration", &["store/"]),
    // The simulators speak HTTP with axum, the exporter of traces speaks gRPC by itself.
    ("tonic", &["api/", "telemetry/"]),
    ("axum", &["api/", "sim/"]),
    ("reqwest", &["provider/", "sim/", "cli/"]),
    ("oauth2", &["provider/"]),
    ("clap", &["cli/"]),
    ("anyhow", &["cli/"]),
    ("toml_edit", &["config/"]),
    ("quick_xml", &["provider/", "sim/"]),
];

/// What the domain and the parser may not name: they know nothing of the outside.
const OUTSIDE: &[&str] = &[
    "tokio",
    "tonic",
    "sea_orm",
    "reqwest",
    "axum",
    "std::fs",
    "std::net",
    "crate::ops",
    "crate::store",
    "crate::api",
];

/// Places, and what they may not name.
const PURE: &[(&str, &[&str])] = &[("domain/", OUTSIDE), ("mime/", OUTSIDE)];

struct Source {
    /// Path below `src`, with `/`.
    path: String,
    /// Without tests at the end, comments and texts in quotes.
    code: String,
    lines: usize,
}

fn sources(folder: &Path) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut open: Vec<PathBuf> = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("it is text");
                let path = path
                    .strip_prefix(&root)
                    .expect("it lies below")
                    .to_string_lossy()
                    .replace('\\', "/");
                found.push(Source {
                    path,
                    code: code_of(&text),
                    lines: text.lines().count(),
                });
            }
        }
    }
    assert!(found.len() > 2, "{} files in {root:?}", found.len());
    found
}

/// The code of a file that the service runs.
fn code_of(text: &str) -> String {
    let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = product.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

fn is_test(path: &str) -> bool {
    path.ends_with("tests.rs") || path.contains("/tests/") || path.starts_with("provider/contract/")
}

/// Whether the code names a crate or a path, as a whole word.
fn names(code: &str, name: &str) -> bool {
    // `use crate::{ops::…, store::…}` names both as well.
    let (within, last) = name.rsplit_once("::").map_or(("", name), |(within, last)| (within, last));
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let occurs = |what: &str| {
        code.match_indices(what).any(|(at, _)| {
            let before = code[..at].chars().next_back();
            let after = &code[at + what.len()..];
            !before.is_some_and(|c| word(c) || c == '"' || c == '.')
                && (after.starts_with("::") || after.starts_with(';') && within.is_empty())
        })
    };
    if within.is_empty() {
        return occurs(name);
    }
    let grouped = code
        .split(&format!("use {within}::{{"))
        .skip(1)
        .filter_map(|group| group.split("};").next())
        .any(|group| top_level(group).any(|item| item == last));
    occurs(name) || code.contains(&format!("use {name};")) || grouped
}

/// First path segments of the items of a `use` group, not those within inner braces.
fn top_level(group: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    let parts = group.split(move |c: char| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.map(|item| {
        item.trim()
            .split("::")
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .next()
            .unwrap_or_default()
    })
}

#[test]
fn modules_use_what_they_may() {
    let mut wrong = Vec::new();
    for Source { path, code, .. } in sources(Path::new("src")) {
        if is_test(&path) {
            continue;
        }
        for (name, places) in ARROWS {
            if names(&code, name) && !places.iter().any(|place| path.starts_with(place)) {
                wrong.push(format!("src/{path} uses {name}, which belongs into {places:?}"));
            }
        }
        for (place, forbidden) in PURE {
            for name in forbidden.iter().filter(|name| path.starts_with(place) && names(&code, name)) {
                wrong.push(format!("src/{path} uses {name}, which nothing in {place} may"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_time_comes_from_the_clock() {
    let mut wrong = Vec::new();
    for Source { path, code, .. } in sources(Path::new("src")) {
        for name in ["SystemTime::now", "OffsetDateTime::now", "Utc::now", "env::set_var"] {
            if code.contains(name) && path != "domain/time.rs" {
                wrong.push(format!("src/{path} calls {name}; take the time from domain::Clock"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_becomes_a_list() {
    let mut long = Vec::new();
    for folder in ["src", "tests", "clients/rust/src"] {
        for Source { path, lines, .. } in sources(Path::new(folder)) {
            if lines > LINES && !path.starts_with("generated/") {
                long.push(format!("{folder}/{path} has {lines} lines, more than {LINES}"));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn uses_are_seen_in_all_their_forms() {
    let check = |code: &str, name: &str, expected: bool| assert_eq!(names(code, name), expected, "{name} in {code}");
    check("use tokio::time;", "tokio", true);
    check("    tokio::spawn(x)", "tokio", true);
    check("my_tokio::spawn(x)", "tokio", false);
    check("use tokio_util::x;", "tokio", false);
    check("use crate::{domain::X, store::{A, ops::B}};", "crate::store", true);
    check("use crate::{domain::X, store::{A, ops::B}};", "crate::ops", false);
    check("use crate::{\n    ops,\n};", "crate::ops", true);
    check("crate::ops::agents::get()", "crate::ops", true);
    check("use crate::ops;", "crate::ops", true);
    assert_eq!(code_of("a // tokio::x\n#[cfg(test)]\nmod tests {\n tokio"), "a ");
}
