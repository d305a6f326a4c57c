//! Folders made for the purpose, and the public corpus where there is one.

use std::{
    collections::HashMap,
    fs,
    time::{Duration, SystemTime},
};

use super::{passed::Reason, *};
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

/// Names and reasons of the files that are passed over.
fn passed_over(paths: &[&Path]) -> Vec<(String, Reason)> {
    let paths: Vec<PathBuf> = paths.iter().map(|path| (*path).to_owned()).collect();
    let files = open(&paths).unwrap().passed_over().clone();
    let all = files.named.iter().chain(&files.found);
    let name = |file: &PassedOver| file.path.file_name().unwrap().to_str().unwrap().to_owned();
    all.map(|file| (name(file), file.reason)).collect()
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

#[test]
fn files_of_apple_mail_hold_a_message_and_a_list() {
    let list = "<?xml version=\"1.0\"?>\n<plist><dict><key>date-received</key><integer>1736157600</integer></dict></plist>\n";
    let file = format!("14        \nSubject: x\n\ny\n{list}");
    let files = [
        ("M.mbox/1.emlx", file.as_str()),
        ("M.mbox/2.partial.emlx", &file),
        ("M.mbox/2.2.emlxpart", "SGVsbG8="),
        ("M.mbox/Info.plist", list),
    ];
    check(&files, &[("M.mbox/1.emlx", "Subject: x\n\ny\n")]);
    let folder = folder(&files);
    let message = open(&[folder.path().to_owned()]).unwrap().next().unwrap().unwrap();
    assert_eq!(message.time, Some(Timestamp::from_seconds(1_736_157_600)));
    let expected = [
        ("2.2.emlxpart", Reason::Partial),
        ("2.partial.emlx", Reason::Partial),
        ("Info.plist", Reason::NoMail),
    ];
    assert_eq!(
        passed_over(&[folder.path()]),
        expected.map(|(name, reason)| (name.to_owned(), reason))
    );
}

#[test]
fn files_of_messages_keep_every_byte() {
    check(
        &[
            ("1.eml", "\u{feff}Subject: 1\n\nx\n"),
            ("2.eml", "\r\n\r\nSubject: 2\r\n\r\nx\r\n"),
            ("3.eml", "Subject: 3\rX: y\r\rx\r"),
            ("4.eml", "\n\nno header"),
            ("5.eml", &format!("\u{feff}\n{LINE}\nSubject: 5\n\nx\n")),
            ("6", &format!("{LINE}\rA: 6\r\rx\r\r{LINE}\rA: 7\r\ry\r")),
        ],
        &[
            ("1.eml", "\u{feff}Subject: 1\n\nx\n"),
            ("2.eml", "\r\n\r\nSubject: 2\r\n\r\nx\r\n"),
            ("3.eml", "Subject: 3\rX: y\r\rx\r"),
            ("4.eml", "\n\nno header"),
            ("5.eml", "Subject: 5\n\nx\n"),
            ("6#1", "A: 6\n\nx\n"),
            ("6#2", "A: 7\n\ny\n"),
        ],
    );
}

#[test]
fn what_is_passed_over_is_named_with_its_reason() {
    let apple = "\0\u{5}\u{16}\u{7}\0\u{2}\0\0Mac OS X        Subject: x\n";
    let folder = folder(&[
        ("m/cur/1736157600.a.host:2,S", "A: 1\n"),
        ("m/cur/._1736157600.a.host:2,S", apple),
        ("m/cur/.DS_Store", "\0\0\0\u{1}Bud1"),
        ("m/new/2.b.host", ""),
        ("m/tmp/3.c.host", "Subject: 3\n"),
        ("m/tmp/deeper/4", "Subject: 4\n"),
        ("m/dovecot-uidlist", "3 V1736157600 N2 G1234\n1 :1736157600.a.host\n"),
        ("n/._1.eml", apple),
        ("n/.mh_sequences", "cur: 1\n"),
        ("n/1", "Subject: 1\n\n"),
        ("n/notes.md", "Subject: 1\n\n"),
        ("n/packed", "PK\u{3}\u{4}"),
    ]);
    let expected = [
        (".DS_Store", Reason::System),
        ("._1736157600.a.host:2,S", Reason::System),
        ("dovecot-uidlist", Reason::NoMail),
        ("2.b.host", Reason::Empty),
        ("3.c.host", Reason::Undelivered),
        ("4", Reason::Undelivered),
        ("._1.eml", Reason::System),
        (".mh_sequences", Reason::NoMail),
        ("notes.md", Reason::Extension),
        ("packed", Reason::Packed),
    ];
    let expected: Vec<_> = expected.map(|(name, reason)| (name.to_owned(), reason)).into();
    assert_eq!(passed_over(&[folder.path()]), expected);
    let names: Vec<_> = read(&folder).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["m/cur/1736157600.a.host:2,S", "n/1"]);

    let named = [folder.path().join("n/packed"), folder.path().join("n")];
    let files = open(&named).unwrap().passed_over().clone();
    assert_eq!((files.named.len(), files.named[0].reason, files.count), (1, Reason::Packed, 5));
}

#[test]
fn messages_come_with_the_time_of_their_file() {
    let folder = folder(&[
        ("1.eml", "A: 1\n"),
        ("2.eml", &format!("{LINE}\nA: 2\n")),
        ("3.mbox", "From \nSubject: 3\n\n"),
        ("m/cur/1736157700.a.host:2,S", "A: 4\n"),
        ("m/new/5", "A: 5\n"),
    ]);
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    for name in ["1.eml", "2.eml", "3.mbox", "m/cur/1736157700.a.host:2,S", "m/new/5"] {
        File::options()
            .write(true)
            .open(folder.path().join(name))
            .unwrap()
            .set_modified(changed)
            .unwrap();
    }
    let messages = open(&[folder.path().to_owned()]).unwrap();
    let times: Vec<_> = messages.map(|message| message.unwrap().time.unwrap().seconds()).collect();
    assert_eq!(times, [1_700_000_000, 1_736_157_600, 1_700_000_000, 1_736_157_700, 1_700_000_000]);
}

#[cfg(unix)]
#[test]
fn links_inside_folders_are_not_followed() {
    let outside = folder(&[("x.eml", "A: 1\n")]);
    let inside = folder(&[("y.eml", "A: 2\n")]);
    std::os::unix::fs::symlink(outside.path().join("x.eml"), inside.path().join("a.eml")).unwrap();
    std::os::unix::fs::symlink(outside.path(), inside.path().join("b")).unwrap();
    assert_eq!(read(&inside), [("y.eml".to_owned(), "A: 2\n".to_owned())]);
    assert_eq!(
        passed_over(&[inside.path()]),
        [("a.eml".to_owned(), Reason::Link), ("b".to_owned(), Reason::Link)]
    );
}

#[test]
fn progress_ends_at_the_total() {
    let folder = folder(&[
        ("a.eml", "A: 1\n"),
        ("b", &format!("{LINE}\nA: 1\n\nx\n\n{LINE}\nA: 2\n\ny\n")),
        ("c.txt", "nothing"),
    ]);
    let mut files = open(&[folder.path().to_owned()]).unwrap();
    assert_eq!((files.bytes_read(), files.passed_over().count), (0, 1));
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
    // Mailboxes of Google Takeout and of an ancestor of Thunderbird, which the index takes for one message, or for fewer.
    let folder = "mimekit/UnitTests/TestData/mbox";
    let known = [
        format!("{folder}/content-length.mbox.txt: 29 instead of 17"),
        format!("{folder}/issue1189-summary.txt: 4 instead of 1"),
        format!("{folder}/issue1189.mbox.txt: 4 instead of 1"),
    ];
    assert_eq!(differ, known);
}
