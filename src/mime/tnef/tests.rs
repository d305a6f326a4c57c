use proptest::prelude::*;

use super::{MESSAGE_OBJECT, Message, SIGNATURE, write::Wanted};
use crate::{
    domain::AutomaticKind,
    mime::{Content, content, located::tests::read, note_text, parse},
};

/// A property: its type, its number, and its value as it is written.
struct Value(u16, u16, Vec<u8>);

fn attribute(level: u8, id: u16, value: &[u8]) -> Vec<u8> {
    let sum = value.iter().fold(0_u16, |sum, byte| sum.wrapping_add(u16::from(*byte)));
    let length = u32::try_from(value.len()).unwrap();
    [
        &[level][..],
        &id.to_le_bytes(),
        &[6, 0],
        &length.to_le_bytes(),
        value,
        &sum.to_le_bytes(),
    ]
    .concat()
}

fn counted(value: &[u8]) -> Vec<u8> {
    let mut bytes = [&1_u32.to_le_bytes()[..], &u32::try_from(value.len()).unwrap().to_le_bytes(), value].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn narrow(id: u16, text: &[u8]) -> Value {
    Value(0x1E, id, counted(&[text, b"\0"].concat()))
}

fn wide(id: u16, text: &str) -> Value {
    let units: Vec<u8> = text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    Value(0x1F, id, counted(&units))
}

fn binary(id: u16, bytes: &[u8]) -> Value {
    Value(0x102, id, counted(bytes))
}

fn number(id: u16, number: u32) -> Value {
    Value(3, id, number.to_le_bytes().to_vec())
}

/// A time in seconds since 1970, of the set of appointments if its number is of that kind.
fn time(id: u16, seconds: u64) -> Value {
    Value(0x40, id, ((seconds + 11_644_473_600) * 10_000_000).to_le_bytes().to_vec())
}

fn list(values: &[Value]) -> Vec<u8> {
    let mut bytes = u32::try_from(values.len()).unwrap().to_le_bytes().to_vec();
    for Value(kind, id, value) in values {
        bytes.extend([kind.to_le_bytes(), id.to_le_bytes()].concat());
        if *id >= 0x8000 {
            bytes.extend([0x02, 0x20, 0x06, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46]);
            bytes.extend([0, 0, 0, 0]);
            bytes.extend(u32::from(*id).to_le_bytes());
        }
        bytes.extend(value);
    }
    bytes
}

fn tnef(page: u32, class: &str, values: &[Value], attachments: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let pages = [page.to_le_bytes(), [0; 4]].concat();
    let mut bytes = [&SIGNATURE[..], &[7, 0]].concat();
    bytes.extend(attribute(1, 0x9006, &[0, 0, 1, 0]));
    bytes.extend(attribute(1, 0x9007, &pages));
    bytes.extend(attribute(1, 0x8008, &[class.as_bytes(), b"\0"].concat()));
    bytes.extend(attribute(1, 0x9003, &list(values)));
    for attachment in attachments {
        bytes.extend(attribute(2, 0x9002, &[0; 14]));
        bytes.extend(attachment.concat());
    }
    bytes
}

fn file(name: &[u8], content: &[u8], values: &[Value]) -> Vec<Vec<u8>> {
    vec![
        attribute(2, 0x8010, name),
        attribute(2, 0x800F, content),
        attribute(2, 0x9005, &list(values)),
    ]
}

/// A message with a text, if it is not empty, and TNEF beside it.
fn mail(text: &str, media_type: &str, tnef: &[u8]) -> Vec<u8> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let text = match text {
        "" => String::new(),
        text => format!("--m\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"),
    };
    let encoded = STANDARD.encode(tnef);
    let lines: Vec<&str> = encoded
        .as_bytes()
        .chunks(76)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    let head = "From: a@x.example\r\nSubject: s\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n";
    let part = format!(
        "--m\r\nContent-Type: {media_type}; name=winmail.dat\r\nContent-Disposition: attachment; filename=winmail.dat\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--m--\r\n",
        lines.join("\r\n")
    );
    format!("{head}{text}{part}").into_bytes()
}

fn names(content: &Content) -> Vec<&str> {
    content.attachments.iter().map(|file| file.file_name.as_str()).collect()
}

#[test]
fn texts_are_read_in_the_charset_of_the_message() {
    const HTML: &[u8] = b"<p>\xcf\xf0\xe8\xe2\xe5\xf2</p>";
    for (page, values, expected) in [
        (1252, vec![narrow(0x1000, b"R\xe9par\xe9e")], "R\u{e9}par\u{e9}e"),
        (932, vec![narrow(0x1000, b"\x93\xfa\x96\x7b")], "\u{65e5}\u{672c}"),
        (1252, vec![wide(0x1000, "\u{65e5}\u{672c}")], "\u{65e5}\u{672c}"),
        (
            1252,
            vec![number(0x3FDE, 1251), binary(0x1013, HTML)],
            "\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}",
        ),
        (1251, vec![binary(0x1013, HTML)], "\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}"),
        (1252, vec![wide(0x1013, "<p>Gr\u{fc}n</p>")], "Gr\u{fc}n"),
        (
            1252,
            vec![binary(
                0x1009,
                b"\x10\0\0\0\x1e\0\0\0MELA\0\0\0\0{\\rtf1\\fromtext\\ansi Gr\\'fcn}}",
            )],
            "Gr\u{fc}n",
        ),
        (
            1252,
            vec![
                narrow(0x1000, b" "),
                binary(
                    0x1009,
                    b"\x10\0\0\0\x70\0\0\0MELA\0\0\0\0{\\rtf1\\ansi\\fromhtml1 {\\*\\htmltag64 <p>}Gr\\'fcn{\\*\\htmltag72 </p>}}",
                ),
            ],
            "Gr\u{fc}n",
        ),
    ] {
        let raw = mail("", "application/ms-tnef", &tnef(page, "IPM.Note", &values, &[]));
        let parsed = parse(&raw).unwrap();
        assert_eq!(note_text(&raw).text, expected);
        assert_eq!((parsed.preview.as_str(), parsed.attachment_count), (expected, 0));
        assert_eq!(parsed.search.body, expected);
        assert_eq!(content(&raw).text, expected);
    }
}

#[test]
fn what_is_said_twice_is_shown_once() {
    let html = || vec![binary(0x1013, b"<p>Both drawings are <b>attached</b>.</p>")];
    let with = tnef(1252, "IPM.Note", &html(), &[]);
    let same = content(&mail("Both drawings are attached.", "application/ms-tnef", &with));
    assert_eq!(
        (same.text.as_str(), same.html.trim()),
        ("Both drawings are attached.", "<p>Both drawings are <b>attached</b>.</p>")
    );
    // What a gateway adds is not what the sender wrote.
    let other = content(&mail("Sent through a gateway.", "application/ms-tnef", &with));
    assert_eq!(other.text, "Sent through a gateway.\nBoth drawings are attached.");
    assert!(other.attachments.is_empty() && same.attachments.is_empty());
    let nothing = content(&mail("Text", "application/ms-tnef", &tnef(1252, "IPM.Note", &[], &[])));
    assert_eq!((nothing.text.as_str(), nothing.attachments.len()), ("Text", 0));
}

#[test]
fn files_have_their_names_types_and_bytes() {
    let long = [wide(0x3707, "Zeichnung f\u{fc}r Halle 3.pdf"), narrow(0x370E, b"Application/PDF")];
    let picture = [narrow(0x3712, b"<p1@x>"), narrow(0x370E, b"image/png")];
    let hidden = [narrow(0x3712, b"p2@x"), narrow(0x370E, b"image/gif"), number(0x3714, 4)];
    let evil = [narrow(0x3707, b"../a\r\nX: y.txt"), narrow(0x370E, b"text/html\r\nX: y")];
    let attachments = [
        file(b"ZEICHN~1.PDF\0", b"%PDF\r\n\r", &long),
        file(b"p1.png\0", b"P1", &picture),
        file(b"p2.png\0", b"P2", &hidden),
        file(b"X", b"--m--\r\n", &evil),
        // Without what begins one, and with the data among the properties.
        vec![attribute(2, 0x9005, &list(&[narrow(0x3704, b"B.TXT"), binary(0x3701, b"B")]))],
        file(b"EMPTY.TXT\0", b"", &[]),
    ];
    let values = [binary(0x1013, b"<p>See <img src=\"cid:p1@x\"></p>")];
    let tnef = tnef(1252, "IPM.Note", &values, &attachments);
    let expected: [(&str, &str, &[u8], bool); 6] = [
        ("Zeichnung f\u{fc}r Halle 3.pdf", "application/pdf", b"%PDF\r\n\r", false),
        ("p1.png", "image/png", b"P1", true),
        ("p2.png", "image/gif", b"P2", true),
        ("aX_ y.txt", "application/octet-stream", b"--m--\r\n", false),
        ("B.TXT", "application/octet-stream", b"B", false),
        ("EMPTY.TXT", "application/octet-stream", b"", false),
    ];
    let whole = [
        b"Subject: s\nContent-Type: application/ms-tnef\nContent-Transfer-Encoding: binary\n\n".to_vec(),
        tnef.clone(),
    ];
    for raw in [
        mail("Text", "application/ms-tnef", &tnef),
        mail("", "application/vnd.ms-tnef", &tnef),
        mail("", "application/octet-stream", &tnef),
        whole.concat(),
    ] {
        let shown = content(&raw);
        assert_eq!(shown.attachments.len(), expected.len());
        for (info, (name, kind, bytes, inline)) in shown.attachments.iter().zip(&expected) {
            assert_eq!((info.file_name.as_str(), info.media_type.as_str()), (*name, *kind));
            assert_eq!((info.size, info.inline), (bytes.len() as u64, *inline), "{name}");
        }
        assert_eq!(parse(&raw).unwrap().attachment_count, 4);
        for (index, (_, _, bytes, _)) in expected.iter().enumerate() {
            for step in [1, 7, 100_000] {
                let (located, read) = read(&raw, index, 0, step).unwrap();
                assert_eq!((read.as_slice(), &located.info), (*bytes, &shown.attachments[index]));
            }
        }
        assert_eq!(read(&raw, 0, 3, 100).unwrap().1, b"F\r\n\r");
    }
}

#[test]
fn attached_messages_are_messages() {
    let inner = tnef(
        1252,
        "IPM.Note",
        &[
            wide(0x0037, "Inner subject"),
            wide(0x1000, "Inner text"),
            wide(0x0042, "Eva \"E\" Roth"),
            wide(0x5D02, "eva@y.example"),
            time(0x0039, 1_736_157_600),
        ],
        &[file(b"I.TXT", b"inner file", &[])],
    );
    let object = [&MESSAGE_OBJECT[..], &inner].concat();
    let attached = vec![attribute(
        2,
        0x9005,
        &list(&[Value(0x0D, 0x3701, counted(&object)), wide(0x3001, "x")]),
    )];
    let outer = tnef(1252, "IPM.Note", &[wide(0x1000, "Outer text")], &[attached]);
    let raw = mail("", "application/ms-tnef", &outer);
    let shown = content(&raw);
    assert_eq!(names(&shown)[0], "Inner subject.eml");
    let (located, bytes) = read(&raw, 0, 0, 1_000).unwrap();
    assert_eq!((located.info.size, &located.info), (bytes.len() as u64, &shown.attachments[0]));
    let embedded = parse(&bytes).unwrap();
    assert_eq!(embedded.subject, "Inner subject");
    assert_eq!(embedded.from.unwrap().address, "eva@y.example");
    assert_eq!(embedded.sent_time.unwrap().to_string(), "2025-01-06T10:00:00Z");
    assert_eq!(content(&bytes).text, "Inner text");
    assert_eq!(read(&bytes, 0, 0, 10).unwrap().1, b"inner file");
    let parsed = parse(&raw).unwrap();
    assert_eq!(parsed.search.body, "Outer text\nInner subject\nInner text");
    assert_eq!(parsed.search.attachment_names, "Inner subject.eml\nI.TXT");
    assert_eq!(parsed.forwarded_from[0].0.address, "eva@y.example");
}

#[test]
fn classes_say_who_wrote() {
    for (class, expected) in [
        ("IPM.Note", None),
        ("REPORT.IPM.Note.IPNRN", Some(AutomaticKind::Report)),
        ("REPORT.IPM.Note.IPNNRN", Some(AutomaticKind::Report)),
        ("REPORT.IPM.Note.NDR", Some(AutomaticKind::Bounce)),
        ("REPORT.IPM.Note.DR", Some(AutomaticKind::Report)),
        ("IPM.Microsoft Mail.Read Receipt", Some(AutomaticKind::Report)),
        ("IPM.Note.Rules.OofTemplate.Microsoft", Some(AutomaticKind::AutoReply)),
        ("IPM.Schedule.Meeting.Resp.Pos", None),
    ] {
        let raw = mail("", "application/ms-tnef", &tnef(1252, class, &[wide(0x1001, "It was read.")], &[]));
        assert_eq!(parse(&raw).unwrap().automatic, expected, "{class}");
        assert_eq!(note_text(&raw).text, "It was read.");
    }
}

#[test]
fn meetings_are_calendars() {
    let values = [
        wide(0x0037, "Visit, second"),
        wide(0x8208, "Hall 3"),
        time(0x820D, 1_736_157_600),
        time(0x820E, 1_736_161_200),
    ];
    let raw = mail("", "application/ms-tnef", &tnef(1252, "IPM.Schedule.Meeting.Request", &values, &[]));
    assert_eq!(note_text(&raw).text, "Visit, second\n\nHall 3");
    let shown = content(&raw);
    assert_eq!(
        (shown.attachments[0].media_type.as_str(), shown.attachments[0].inline),
        ("text/calendar", true)
    );
    let calendar = String::from_utf8(read(&raw, 0, 0, 1_000).unwrap().1).unwrap();
    assert!(calendar.contains("METHOD:REQUEST\r\n") && calendar.contains("DTSTART:20250106T100000Z\r\nDTEND:20250106T110000Z\r\n"));
    assert!(calendar.contains("SUMMARY:Visit\\, second\r\n"));
}

#[test]
fn what_cannot_be_read_stays_a_file() {
    let good = tnef(
        1252,
        "IPM.Note",
        &[wide(0x1000, "Text")],
        &[file(b"A.TXT", b"content of a file", &[])],
    );
    let found = |tnef: &[u8]| {
        let shown = content(&mail("", "application/ms-tnef", tnef));
        names(&shown).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(found(&good), ["A.TXT"]);
    assert_eq!(found(&[&good[..], b"\r\n\0\0"].concat()), ["A.TXT"]);
    assert_eq!(found(&[&good[..], &[0x55; 100]].concat()), ["A.TXT", "winmail.dat"]);
    assert_eq!(found(&good[..good.len() - 30]), ["winmail.dat"]);
    assert_eq!(found(&[&SIGNATURE[..], &[0xFF; 60]].concat()), ["winmail.dat"]);
    assert_eq!(found(b"no TNEF at all"), ["winmail.dat"]);
    // A wrong checksum is no reason to lose a file.
    let mut wrong = good.clone();
    let last = wrong.len() - 1;
    wrong[last] ^= 0xFF;
    assert_eq!(found(&wrong), ["A.TXT"]);
}

#[test]
fn nesting_and_number_are_bounded() {
    let mut inner = tnef(1252, "IPM.Note", &[wide(0x1000, "x")], &[]);
    for _ in 0..50 {
        let object = [&MESSAGE_OBJECT[..], &inner].concat();
        let attached = vec![attribute(2, 0x9005, &list(&[Value(0x0D, 0x3701, counted(&object))]))];
        inner = tnef(1252, "IPM.Note", &[], &[attached]);
    }
    let raw = mail("", "application/ms-tnef", &inner);
    assert_eq!(content(&raw).attachments.len(), 1);
    let many: Vec<_> = (0..3_000).map(|_| file(b"A", b"x", &[])).collect();
    let raw = mail("", "application/ms-tnef", &tnef(1252, "IPM.Note", &[], &many));
    let started = std::time::Instant::now();
    assert_eq!(content(&raw).attachments.len(), 1_000);
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

fn sample() -> Vec<u8> {
    let inner = tnef(1252, "IPM.Note", &[wide(0x1000, "inner")], &[file(b"I", b"i", &[])]);
    let object = [&MESSAGE_OBJECT[..], &inner].concat();
    let values = [
        wide(0x0037, "s"),
        binary(0x1009, b"\x10\0\0\0\x22\0\0\0MELA\0\0\0\0{\\rtf1\\fromhtml1 <p>\\'fc\\u252?</p>}"),
        time(0x820D, 1_736_157_600),
    ];
    let attachments = [
        file(b"A.TXT", b"content", &[wide(0x3707, "a.txt"), narrow(0x3712, b"i")]),
        vec![attribute(2, 0x9005, &list(&[Value(0x0D, 0x3701, counted(&object))]))],
    ];
    tnef(1252, "IPM.Schedule.Meeting.Request", &values, &attachments)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever is altered, it is read within limits, and every file can be read with the size that is reported.
    #[test]
    fn hostile_bytes_are_read(
        edits in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<u8>(), Just(0xFF), Just(0), Just(0x7F)]), 0..8),
        cut in any::<prop::sample::Index>(),
        cuts in any::<bool>(),
    ) {
        let mut bytes = sample();
        for (index, byte) in edits {
            let at = 4 + index.index(bytes.len() - 4);
            bytes[at] = byte;
        }
        if cuts {
            bytes.truncate(4 + cut.index(bytes.len() - 4));
        }
        if let Some(message) = Message::read(&bytes) {
            for wanted in [Wanted::Texts, Wanted::Html, Wanted::Files] {
                let (written, pieces) = message.written(&bytes, wanted);
                prop_assert_eq!(written.len(), pieces.iter().map(|piece| piece.len()).sum::<usize>());
                prop_assert!(written.len() < bytes.len() + 20_000);
            }
        }
        let raw = mail("", "application/ms-tnef", &bytes);
        let shown = content(&raw);
        for (index, info) in shown.attachments.iter().enumerate() {
            let (located, read) = read(&raw, index, 0, 50).unwrap();
            prop_assert_eq!((&located.info, read.len() as u64), (info, info.size));
        }
        parse(&raw).unwrap();
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let bytes = [&SIGNATURE[..], &bytes].concat();
        if let Some(message) = Message::read(&bytes) {
            message.written(&bytes, Wanted::Texts);
        }
    }
}
