//! Folders made for the purpose, and the public corpus where there is one.

use std::{collections::HashMap, fs};

use super::*;
use crate::mime::{
    self,
    corpus_tests::{Sample, corpus, index},
};

const LINE: &str = "From a@x Mon Jan  6 10:00:00 2025";

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

/// Origins below the folder, and contents.
fn read(folder: &tempfile::TempDir) -> Vec<(String, String)> {
    let files = open(&[folder.path().to_owned()]).unwrap();
    let messages = files.map(|message| {
        let message = message.unwrap();
        let origin = message.origin.strip_prefix(folder.path().to_str().unwrap()).unwrap();
        (origin.trim_start_matches('/').to_owned(), String::from_utf8(message.raw).unwrap())
    });
    messages.collect()
}

fn check(files: &[(&str, &str)], expected: &[(&str, &str)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(origin, raw)| ((*origin).to_owned(), (*raw).to_owned()))
        .collect();
    assert_eq!(read(&folder(files)), expected);
}

#[test]
fn messages_are_found_in_the_order_of_names() {
    check(
        &[
            ("b.eml", "Subject: b\n\n"),
            ("a/2.txt", "Subject: 2\r\n\r\nx"),
            ("a/1", "Received: x\nX: y\n\n"),
            ("c", "no header\n"),
            ("d.json", "{\"From\": 1}"),
            ("e.yml", "from: a\n"),
            ("f", "X-Only: this\n\nSubject: x"),
            ("empty.eml", ""),
        ],
        &[
            ("a/1", "Received: x\nX: y\n\n"),
            ("a/2.txt", "Subject: 2\r\n\r\nx"),
            ("b.eml", "Subject: b\n\n"),
        ],
    );
}

#[test]
fn mbox_files_are_known_by_content() {
    let two = format!("{LINE}\nA: 1\n\nx\n\n{LINE}\nA: 2\n\ny\n\n");
    check(
        &[
            ("inbox", &two),
            ("one.mbox", &format!("{LINE}\nA: 3\n\n>From z\n")),
            ("not.mbox", "text"),
        ],
        &[
            ("inbox#1", "A: 1\n\nx\n"),
            ("inbox#2", "A: 2\n\ny\n"),
            ("one.mbox", "A: 3\n\nFrom z\n"),
        ],
    );
}

#[test]
fn messages_named_eml_are_one_unless_there_are_several() {
    let two = format!("{LINE}\nA: 1\n\nx\n\n{LINE}\nA: 2\n\ny\n");
    check(
        &[("one.eml", "From a\nA: 1\n\n>From x\n\nFrom then on\n\n"), ("two.eml", &two)],
        &[
            ("one.eml", "A: 1\n\n>From x\n\nFrom then on\n\n"),
            ("two.eml#1", "A: 1\n\nx\n"),
            ("two.eml#2", "A: 2\n\ny\n"),
        ],
    );
}

#[test]
fn maildirs_give_what_is_delivered() {
    check(
        &[
            ("m/cur/1:2,S", "A: 1\n"),
            ("m/new/2", "A: 2\n"),
            ("m/tmp/3", "Subject: 3\n"),
            ("m/.Sent/cur/4", "A: 4\n"),
            ("m/.Sent/new/5", "A: 5\n"),
        ],
        &[
            ("m/.Sent/cur/4", "A: 4\n"),
            ("m/.Sent/new/5", "A: 5\n"),
            ("m/cur/1:2,S", "A: 1\n"),
            ("m/new/2", "A: 2\n"),
        ],
    );
}

#[cfg(unix)]
#[test]
fn links_inside_folders_are_not_followed() {
    let outside = folder(&[("x.eml", "A: 1\n")]);
    let inside = folder(&[("y.eml", "A: 2\n")]);
    std::os::unix::fs::symlink(outside.path().join("x.eml"), inside.path().join("a.eml")).unwrap();
    std::os::unix::fs::symlink(outside.path(), inside.path().join("b")).unwrap();
    assert_eq!(read(&inside), [("y.eml".to_owned(), "A: 2\n".to_owned())]);
    assert_eq!(open(&[inside.path().to_owned()]).unwrap().skipped(), 2);
}

#[test]
fn progress_ends_at_the_total() {
    let folder = folder(&[
        ("a.eml", "A: 1\n"),
        ("b", &format!("{LINE}\nA: 1\n\nx\n\n{LINE}\nA: 2\n\ny\n")),
        ("c.txt", "nothing"),
    ]);
    let mut files = open(&[folder.path().to_owned()]).unwrap();
    assert_eq!((files.bytes_read(), files.skipped()), (0, 1));
    let mut before = 0;
    while let Some(message) = files.next() {
        assert!(message.is_ok() && files.bytes_read() > before);
        before = files.bytes_read();
    }
    assert_eq!(files.bytes_read(), files.total_bytes());
}

#[test]
fn what_does_not_exist_is_named() {
    let error = open(&[PathBuf::from("no/such/folder")]).unwrap_err();
    assert!(error.to_string().contains("no/such/folder"), "{error}");
}

#[test]
fn the_corpus_is_read_as_its_index_says() {
    let Some(folder) = corpus() else { return };
    let mut found: HashMap<String, usize> = HashMap::new();
    for message in open(std::slice::from_ref(&folder)).unwrap() {
        let origin = message.unwrap().origin;
        let path = origin.strip_prefix(folder.to_str().unwrap()).unwrap().trim_start_matches('/');
        let path = path
            .rsplit_once('#')
            .filter(|(_, n)| n.bytes().all(|b| b.is_ascii_digit()))
            .map_or(path, |(path, _)| path);
        *found.entry(path.to_owned()).or_default() += 1;
    }
    let mut differ = Vec::new();
    for Sample {
        path,
        kind,
        messages: expected,
    } in index(&folder)
    {
        let read = found.remove(&path).unwrap_or_default();
        match kind.as_str() {
            // Bodies without a header and parts without a message around them are no messages.
            "eml" if read == 0 => {
                let mail = mime::parse(&fs::read(folder.join(&path)).unwrap());
                assert!(
                    mail.is_err() || mail.is_ok_and(|mail| mail.sent_time.is_none() && mail.from.is_none()),
                    "{path} was passed over"
                );
            }
            "eml" | "mbox" if read != expected => differ.push(format!("{path}: {read} instead of {expected}")),
            // Results of other programs that look like messages are messages.
            "expected" | "part" => assert!(read <= 1, "{path}"),
            _ => (),
        }
    }
    assert!(found.is_empty(), "not in the index: {found:?}");
    // One mbox there has separators without an empty line before them, and without a time.
    assert!(differ.len() <= 1, "{differ:#?}");
}
