//! Rules of the code itself that no compiler knows: who may use what, where the time comes from, and how long a file may get.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use crate::harness::files_below;

/// Longest file in lines. Split before it becomes a list.
const LINES: usize = 700;

/// Crates and modules, and the only places that may name them; beginnings of paths below `src`.
const ARROWS: &[(&str, &[&str])] = &[
    ("sea_orm", &["store/"]),
    ("sea_orm_migration", &["store/"]),
    // The trace exporter speaks gRPC itself.
    ("tonic", &["api/", "telemetry/"]),
    ("axum", &["api/"]),
    ("reqwest", &["idp/", "net/", "provider/"]),
    ("oauth2", &["idp/"]),
    ("clap", &["cli/"]),
    ("anyhow", &["cli/"]),
    ("toml_edit", &["config/"]),
    ("quick_xml", &["net/", "provider/"]),
    ("mailagent_sim", &["cli/demo/", "cli/simulate.rs"]),
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
    let root = root().join(folder);
    let mut found = Vec::new();
    for path in files_below(&root) {
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("it is text");
        let path = path.strip_prefix(&root).expect("it lies below");
        found.push(Source {
            path: path.to_string_lossy().replace('\\', "/"),
            code: code_of(&text),
            lines: text.lines().count(),
        });
    }
    assert!(found.len() > 2, "{} files in {}", found.len(), root.display());
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
    for (folder, clock) in [("src", "domain/time.rs"), ("sim/src", "clock.rs")] {
        for Source { path, code, .. } in sources(Path::new(folder)) {
            for name in ["SystemTime::now", "OffsetDateTime::now", "Utc::now", "env::set_var"] {
                if code.contains(name) && path != clock {
                    wrong.push(format!("{folder}/{path} calls {name}; take the time from {folder}/{clock}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_becomes_a_list() {
    let mut long = Vec::new();
    for folder in ["src", "sim/src", "tests", "clients/rust/src"] {
        for Source { path, lines, .. } in sources(Path::new(folder)) {
            if lines > LINES && !path.starts_with("generated/") {
                long.push(format!("{folder}/{path} has {lines} lines, more than {LINES}"));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// The papers that people work by.
const PAPERS: &[&str] = &["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn paper(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What stands between backticks in a text, but for blocks of code.
fn quoted(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|prose| prose.split('`').skip(1).step_by(2)).collect()
}

/// Modules of the service, by the names of their files and folders.
fn modules() -> BTreeSet<String> {
    let entries = fs::read_dir(root().join("src")).expect("src is there");
    let names = entries.map(|entry| entry.expect("it can be listed").file_name().to_string_lossy().into_owned());
    names.map(|name| name.trim_end_matches(".rs").to_owned()).collect()
}

#[test]
fn papers_name_only_what_there_is() {
    let (modules, all) = (modules(), sources(Path::new("src")));
    let has = |path: &str| {
        let path = path.trim_end_matches('/');
        ["", "src"].iter().any(|folder| {
            let path = root().join(folder).join(path);
            path.exists() || path.with_extension("rs").exists()
        })
    };
    let is_word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for name in PAPERS {
        let text = paper(name);
        for quoted in quoted(&text) {
            let first = quoted.split(['/', ':']).next().unwrap_or_default();
            let ours = modules.contains(first) || ["src", "proto", "tests", "scripts", "benches"].contains(&first);
            let is_path = quoted.contains('/') && ours && quoted.chars().all(|c| c.is_ascii_alphanumeric() || "/_.-".contains(c));
            if is_path {
                seen += 1;
                if !has(quoted) {
                    wrong.push(format!("{name} names {quoted}, which there is not"));
                }
            } else if let Some((within, item)) = quoted.split_once("::")
                && is_word(within)
                && is_word(item)
            {
                seen += 1;
                let forms = [
                    format!("fn {item}"),
                    format!("struct {item}"),
                    format!("trait {item}"),
                    format!("enum {item}"),
                ];
                if !all.iter().any(|source| forms.iter().any(|form| source.code.contains(form))) {
                    wrong.push(format!("{name} names {quoted}, which there is not"));
                }
            }
        }
    }
    assert!(seen > 50, "only {seen} names were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each row of the table in ARCHITECTURE.md: a module, and those that it may use.
fn picture() -> BTreeMap<String, BTreeSet<String>> {
    let text = paper("ARCHITECTURE.md");
    let table = text.split("| module | may use |").nth(1).expect("the table is there");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let (module, used) = row.trim_matches('|').split_once('|').expect("it has two columns");
        let named = |text: &str| quoted(text).into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
        (named(module).pop_first().expect("it names a module"), named(used))
    })
    .collect()
}

#[test]
fn modules_use_each_other_as_the_picture_says() {
    let (modules, picture) = (modules(), picture());
    let libraries: BTreeSet<String> = ["lib", "main"].map(str::to_owned).into();
    let drawn: BTreeSet<String> = picture.keys().cloned().chain(libraries).collect();
    assert_eq!(drawn, modules, "each module has a row in ARCHITECTURE.md");
    let (mut wrong, mut arrows) = (Vec::new(), BTreeSet::new());
    for Source { path, code, .. } in sources(Path::new("src")) {
        let module = path.split('/').next().unwrap_or_default().trim_end_matches(".rs");
        let Some(allowed) = picture.get(module).filter(|_| !is_test(&path)) else {
            continue;
        };
        for other in modules
            .iter()
            .filter(|other| *other != module && names(&code, &format!("crate::{other}")))
        {
            arrows.insert((module.to_owned(), other.clone()));
            if !allowed.contains(other) {
                wrong.push(format!("src/{path} uses crate::{other}, which {module} may not"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // An arrow that nobody needs any more is taken out.
    for (module, allowed) in &picture {
        for other in allowed {
            assert!(
                arrows.contains(&(module.clone(), other.clone())),
                "nothing in {module} uses {other}"
            );
        }
    }
}

#[test]
fn what_is_done_over_all_tenants_is_in_the_table() {
    let text = paper("ARCHITECTURE.md");
    let table = text.split("| over all tenants | what |").nth(1).expect("the table is there");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let listed: BTreeSet<String> = rows.filter_map(|row| quoted(row).first().map(|path| (*path).to_owned())).collect();
    // These open the database, a tenant's part of it, or a transaction in that part.
    let openers = ["store/mod.rs", "store/tx.rs", "store/readiness.rs"];
    let untied = sources(Path::new("src")).into_iter().filter(|source| {
        let of_store = source
            .code
            .split("\nimpl Store {")
            .skip(1)
            .filter_map(|rest| rest.split("\n}").next());
        source.path.starts_with("store/") && of_store.into_iter().any(|block| block.contains("    pub "))
    });
    let found: BTreeSet<String> = untied
        .map(|source| source.path)
        .filter(|path| !openers.contains(&path.as_str()))
        .collect();
    assert_eq!(found, listed);
}

#[test]
fn every_metric_is_recorded() {
    let (mut names_seen, mut wrong) = (0, Vec::new());
    let all = sources(Path::new("src"));
    let source = |path: &str| {
        let found = all.iter().find(|source| source.path == path);
        &found.unwrap_or_else(|| panic!("{path} is there")).code
    };
    let (names, metrics) = (source("telemetry/names.rs"), source("telemetry/metrics.rs"));
    for name in names.split("pub const ").skip(1).filter_map(|rest| rest.split(':').next()) {
        names_seen += 1;
        let used = all
            .iter()
            .any(|source| source.path != "telemetry/names.rs" && source.code.contains(&format!("names::{name}")));
        if !used {
            wrong.push(format!("nothing uses names::{name}"));
        }
    }
    let methods: Vec<&str> = metrics
        .split("    pub fn ")
        .skip(1)
        .filter(|method| method.split(')').next().is_some_and(|head| head.contains("&self")))
        .filter_map(|method| method.split('(').next())
        .collect();
    for method in &methods {
        let call = format!(".{method}(");
        let called = all
            .iter()
            .any(|source| !source.path.starts_with("telemetry/") && !is_test(&source.path) && source.code.contains(&call));
        if !called {
            wrong.push(format!("nothing calls Metrics::{method}"));
        }
    }
    assert!(names_seen > 20 && methods.len() > 10, "{names_seen} names, {methods:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_merge_is_left_unread() {
    let mut open: Vec<PathBuf> = vec![root().to_owned()];
    let (mut marked, mut seen) = (Vec::new(), 0);
    // In two pieces, or this file would be found.
    let marks = [format!("{}{} ", "<<<<", "<<<"), format!("{}{} ", ">>>>", ">>>")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).expect("the folder is there") {
            let entry = entry.expect("it can be listed");
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let made = ["target", "node_modules", "build", "dist", "__pycache__"].contains(&name.as_str());
            if path.is_symlink() || made || (name.starts_with('.') && name != ".ci") {
                continue;
            }
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let Ok(text) = fs::read_to_string(&path) else { continue };
            seen += 1;
            if text.lines().any(|line| marks.iter().any(|mark| line.starts_with(mark.as_str()))) {
                marked.push(path);
            }
        }
    }
    assert!(seen > 300, "only {seen} files were found");
    assert_eq!(marked, [] as [PathBuf; 0]);
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
