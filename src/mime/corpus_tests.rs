//! Every message of the public corpus, where there is one.

use std::{
    collections::HashMap,
    env, fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use mail_builder::{
    MessageBuilder,
    headers::{content_type::ContentType, date::Date, raw::Raw},
    mime::{BodyPart, MimePart},
};
use mail_parser::{MessageParser, MimeHeaders, PartType};

use super::{
    entity::{Entity, Part},
    *,
};

/// The folder of the corpus, if it is there.
pub(crate) fn corpus() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let folder = env::var_os("MAILAGENT_CORPUS").map_or_else(beside, PathBuf::from);
    let found = folder.join("index.tsv").is_file();
    if !found {
        eprintln!("SKIPPED: there is no corpus at {}; set MAILAGENT_CORPUS", folder.display());
    }
    found.then_some(folder)
}

/// A file of the corpus.
pub(crate) struct Sample {
    pub(crate) path: String,
    pub(crate) kind: String,
    /// How many messages it holds.
    pub(crate) messages: usize,
}

/// The files of the corpus.
pub(crate) fn index(folder: &Path) -> Vec<Sample> {
    let index = fs::read_to_string(folder.join("index.tsv")).unwrap();
    let rows = index.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    rows.map(|row| Sample {
        path: row[0].to_owned(),
        kind: row[3].to_owned(),
        messages: row[4].parse().unwrap_or(0),
    })
    .collect()
}

fn messages() -> Option<impl Iterator<Item = (String, Vec<u8>)>> {
    let folder = corpus()?;
    let samples = index(&folder).into_iter().filter(|sample| sample.kind == "eml");
    Some(samples.map(move |Sample { path, .. }| {
        let raw = fs::read(folder.join(&path)).unwrap();
        (path, raw)
    }))
}

fn has_no_controls(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

fn check_limits(path: &str, mail: &ParsedMail) {
    assert!(
        mail.message_id.as_ref().is_none_or(|id| id.len() <= 998 && has_no_controls(id)),
        "{path}"
    );
    assert!(mail.subject.chars().count() <= 998 && has_no_controls(&mail.subject), "{path}");
    assert!(mail.preview.chars().count() <= 200 && has_no_controls(&mail.preview), "{path}");
    assert!(mail.search.body.len() <= 256 * 1024, "{path}");
    assert!(mail.forwarded_from.len() <= 5, "{path}");
    for list in [&mail.to, &mail.cc, &mail.bcc] {
        assert!(list.len() <= 1_000, "{path}");
    }
    for mailbox in mail.from.iter().chain(&mail.to).chain(&mail.cc) {
        assert!(
            has_no_controls(&mailbox.display_name) && has_no_controls(&mailbox.address),
            "{path}: {mailbox:?}"
        );
    }
}

/// Runs work that must end within a second. On a busy machine it gets further tries: what hangs is late every time.
fn timed<T>(path: &str, slowest: &mut Duration, work: impl Fn() -> T) -> T {
    for _ in 0..5 {
        let started = Instant::now();
        let result = work();
        let took = started.elapsed();
        if took < Duration::from_secs(1) {
            *slowest = (*slowest).max(took);
            return result;
        }
    }
    panic!("{path} took over a second, five times in a row");
}

#[test]
fn every_message_is_read_in_time_and_within_limits() {
    let Some(messages) = messages() else { return };
    let (mut read, mut refused, mut slowest) = (0, Vec::new(), Duration::ZERO);
    for (path, raw) in messages {
        match timed(&path, &mut slowest, || parse(&raw)) {
            Err(Unparsable::ParserFailed) => panic!("{path} made the parser panic"),
            Ok(mail) => {
                check_limits(&path, &mail);
                let (with_note, note) = parse_with_note(&raw, |_| true).unwrap();
                assert_eq!(note, Some(note_text(&raw)), "{path}");
                assert_eq!(format!("{with_note:?}"), format!("{mail:?}"), "{path}");
            }
            Err(reason) => refused.push((path.clone(), reason)),
        }
        let note = timed(&path, &mut slowest, || guarded(|| content::note_text(&raw))).unwrap_or_else(|| panic!("{path}: note"));
        assert!(note.text.len() <= 1 << 20 && note.quoted.len() <= 1 << 20, "{path}");
        let shown = timed(&path, &mut slowest, || guarded(|| content::content(&raw))).unwrap_or_else(|| panic!("{path}: content"));
        assert!(
            shown.text.len() <= 1 << 20 && shown.html.len() <= 1 << 20 && shown.headers.len() <= 1_000,
            "{path}"
        );
        assert!(shown.attachments.len() <= 1_000, "{path}");
        for (name, value) in &shown.headers {
            assert!(has_no_controls(name) && has_no_controls(value), "{path}: {name}");
        }
        for (index, info) in shown.attachments.iter().enumerate().take(3) {
            let (found, bytes) = located::tests::read(&raw, index, 0, 50_000).unwrap_or_else(|| panic!("{path}: attachment {index}"));
            let found = found.info;
            assert_eq!((&found, bytes.len() as u64), (info, info.size), "{path}");
            assert!(
                has_no_controls(&found.file_name) && !found.file_name.contains(['/', '\\']),
                "{path}: {}",
                found.file_name
            );
        }
        read += 1;
    }
    println!("{read} messages read, slowest {slowest:?}, {} refused: {refused:?}", refused.len());
    assert!(read > 2_500, "only {read} messages");
    assert!(refused.len() < 60, "{} messages refused: {refused:?}", refused.len());
}

#[test]
fn reading_twice_gives_the_same() {
    let Some(messages) = messages() else { return };
    for (path, raw) in messages.step_by(7) {
        assert_eq!(format!("{:?}", parse(&raw)), format!("{:?}", parse(&raw)), "{path}");
        assert_eq!(format!("{:?}", content(&raw)), format!("{:?}", content(&raw)), "{path}");
    }
}

/// The words of a text, in alphabetical order.
fn words(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    words.sort_unstable();
    words
}

/// The replies of email-reply-trimmer with its own results. It also cuts signatures, forwards, and attributions without an address, which stay
/// in a note, so that not all can agree.
#[test]
fn most_replies_are_cut_as_another_program_does() {
    let Some(folder) = corpus() else { return };
    let folder = folder.join("email-reply-trimmer/test");
    let (mut agree, mut differ) = (0, Vec::new());
    for entry in fs::read_dir(folder.join("emails")).unwrap() {
        let name = entry.unwrap().file_name();
        let read = |part: &str| fs::read_to_string(folder.join(part).join(&name)).unwrap().replace("\r\n", "\n");
        let reply = read("emails");
        let evidence = quote::Evidence {
            follows: true,
            ..quote::Evidence::default()
        };
        let quote::Split { written, quoted } = quote::split(&reply, &evidence);
        assert_eq!(
            words(&(written.to_string() + "\n" + &quoted)),
            words(&reply),
            "{} lost something",
            name.display()
        );
        if written.trim() == read("trimmed").trim() {
            agree += 1;
        } else {
            differ.push(name);
        }
    }
    differ.sort();
    println!("{agree} agree, {} differ: {differ:?}", differ.len());
    assert!(agree >= 24, "only {agree} agree; these differ: {differ:?}");
}

/// A message with the values of `mail` in its header, in another order and with other fields around them.
fn header_of(mail: &ParsedMail) -> MessageBuilder<'_> {
    let mut message = MessageBuilder::new()
        .header("X-Server", Raw::new("rebuilt"))
        .subject(mail.subject.as_str());
    if let Some(time) = mail.date {
        message = message.date(Date::new(time.seconds()));
    }
    if let Some(from) = &mail.from {
        message = message.header("From", Raw::new(format!("<{}>", from.address)));
    }
    message.header(
        "Message-ID",
        Raw::new(format!("<{}>", mail.message_id.as_deref().unwrap_or_default())),
    )
}

/// A part with another boundary, charset and transfer encoding.
fn rebuilt_part<'a>(entity: &'a Entity<'a>, part: &'a Part<'a>) -> MimePart<'a> {
    if !part.children.is_empty() {
        let children = part.children.iter().map(|index| rebuilt_part(entity, &entity.parts[*index]));
        return MimePart::new(part.media_type.as_str(), BodyPart::Multipart(children.collect()));
    }
    let mut built = if part.media_type.starts_with("text/") {
        let kind = ContentType::new(part.media_type.as_str()).attribute("charset", "utf-8");
        MimePart::new(kind, BodyPart::Text(part.text()))
    } else {
        MimePart::new(part.media_type.as_str(), BodyPart::Binary(part.decoded()))
    };
    let name = layout::file_name(part);
    if part.is_attachment() {
        built = built.attachment(if name.is_empty() { "unnamed".to_owned() } else { name });
    } else if part.written_file_name().is_some() {
        built = built.header("Content-Disposition", ContentType::new("inline").attribute("filename", name));
    }
    built
}

/// Messages with an identity of their own, read and rebuilt by `rebuild`: how many keep it, and which do not.
fn rebuild_all(rebuild: impl Fn(&ParsedMail, &[u8]) -> Option<Vec<u8>>) -> Option<(usize, Vec<String>)> {
    let (mut same, mut other) = (0, Vec::new());
    for (path, raw) in messages()?.filter(|(path, _)| !path.starts_with("synthetic")) {
        let Ok(mail) = parse(&raw) else { continue };
        if mail.message_id.is_none() || mail.date.is_none() {
            continue;
        }
        let Some(rebuilt) = rebuild(&mail, &raw) else { continue };
        if parse(&rebuilt).unwrap().identity == mail.identity {
            same += 1;
        } else {
            other.push(path);
        }
    }
    println!("{same} keep their identity, {} do not: {other:?}", other.len());
    Some((same, other))
}

#[test]
fn rebuilding_the_structure_keeps_the_identity() {
    let result = rebuild_all(|mail, raw| {
        let entity = Entity::read(raw);
        Some(header_of(mail).body(rebuilt_part(&entity, entity.root())).write_to_vec().unwrap())
    });
    let Some((same, other)) = result else { return };
    assert!(other.len() * 100 < same, "{other:?}");
}

/// As servers do that keep a text, an HTML text and attachments rather than a structure; read by another parser.
#[test]
fn flattening_the_structure_mostly_keeps_the_identity() {
    let result = rebuild_all(|mail, raw| {
        let message = guarded(|| MessageParser::default().parse(raw)).flatten()?;
        let mut built = header_of(mail);
        if let Some(PartType::Text(text)) = message.text_part(0).map(|part| &part.body) {
            built = built.text_body(text.as_ref());
        }
        if let Some(PartType::Html(html)) = message.html_part(0).map(|part| &part.body) {
            built = built.html_body(html.as_ref());
        }
        for id in message.text_body.iter().skip(1) {
            if let Some(PartType::Text(text)) = message.part(*id).map(|part| &part.body) {
                built = built.attachment("text/plain", "text.txt", text.as_ref());
            }
        }
        for part in message.attachments() {
            let kind = part.content_type().map_or("application/octet-stream".to_owned(), |kind| {
                format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or("octet-stream"))
            });
            let content = match &part.body {
                PartType::Message(embedded) => embedded.raw_message().to_vec(),
                _ => part.contents().to_vec(),
            };
            built = built.attachment(kind, part.attachment_name().unwrap_or("unnamed").to_owned(), content);
        }
        built.write_to_vec().ok()
    });
    let Some((same, other)) = result else { return };
    assert!(other.len() * 10 < same, "{other:?}");
}

/// Bounces, delays and feedback of many mail servers, among them old ones that mark them in no way at all.
#[test]
fn most_bounces_are_known_as_automatic() {
    let Some(messages) = messages() else { return };
    let mut counts: HashMap<Option<AutomaticKind>, usize> = HashMap::new();
    let mut unknown = Vec::new();
    for (path, raw) in messages.filter(|(path, _)| path.starts_with("sisimai/maildir/bsd") || path.starts_with("sisimai/maildir/dos")) {
        let kind = parse(&raw).unwrap().automatic;
        *counts.entry(kind).or_default() += 1;
        if kind.is_none() {
            unknown.push(path);
        }
    }
    println!("{counts:?}; not known: {unknown:?}");
    let total: usize = counts.values().sum();
    assert!(
        unknown.len() * 10 < total,
        "{} of {total} are not known: {unknown:?}",
        unknown.len()
    );
}

/// TNEF of other programs' tests: the files that these find in it, with their sizes, and the beginning of the text.
#[test]
fn tnef_is_read_as_other_programs_do() {
    let Some(folder) = corpus() else { return };
    let (example, unit) = ("tnefparse/tests/examples", "mimekit/UnitTests/TestData/tnef");
    for (folder_name, name, text, files) in [
        (
            example,
            "umlaut",
            "TEST \u{e4}\u{f6}\u{fc}",
            &["TBZ PARIV GmbH.jpg", "image003.jpg", "UmlautAnhang-\u{e4}\u{fc}\u{f6}.txt"][..],
        ),
        (example, "IPM-DistList", "This is the first half", &["XXXXnews.eml"]),
        (example, "minimal_attachment", "", &[""]),
        (unit, "attachments", "Casdasdfasdfasd", &["zappa_av1.jpg", "bookmark.htm"]),
        (unit, "body", "THE BILL OF RIGHTS", &[]),
        (unit, "data-before-name", "asdf", &["AUTOEXEC.BAT", "CONFIG.SYS", "boot.ini"]),
        (unit, "garbage-at-end", "Message was read on", &[]),
        (unit, "long-filename", "I've attached a temp. license", &["allproductsmar2000.dat"]),
        (
            unit,
            "missing-filenames",
            "Hi Stephen,",
            &["generpts.src", "TechlibDEC99.doc", "TechlibDEC99-JAN00.doc", "TechlibNOV99.doc"],
        ),
        (
            unit,
            "multi-value-attribute",
            "You received a voice mail",
            &["208225__5_seconds__Voice_Mail.mp3"],
        ),
        (unit, "one-file", "", &["AUTHORS"]),
        (unit, "rtf", "aafgag'alga'kgk", &[]),
        (unit, "two-files", "", &["AUTHORS", "README"]),
        (
            unit,
            "unicode-mapi-attr-name",
            "Przesy\u{142}am poprawiony plik",
            &["spaconsole2.cfg", "image001.png", "image002.png", "image003.png"],
        ),
    ] {
        let tnef = fs::read(folder.join(folder_name).join(format!("{name}.tnef"))).unwrap();
        let header = b"Subject: x\r\nContent-Type: application/ms-tnef\r\nContent-Transfer-Encoding: binary\r\n\r\n";
        let shown = content(&[&header[..], &tnef].concat());
        let names: Vec<_> = shown.attachments.iter().map(|info| info.file_name.as_str()).collect();
        assert!(
            shown.text.trim_start().starts_with(text) && names == files,
            "{name}: {names:?}, {}",
            shown.text
        );
    }
}
