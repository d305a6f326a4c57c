//! What parts carry in place of themselves, as an entity of its own: the content of an opaque S/MIME signature (RFC 8551 §3.5.2), the message
//! within TNEF, a text without the uuencoded files in it and these, and the message that is the whole body of another.

use std::{borrow::Cow, cell::OnceCell, collections::HashSet, ops::Range};

use super::{
    assembly::{Assembly, Piece, place},
    decode::{self, Assumed},
    entity::{Entity, Part},
    html,
    layout::Layout,
    smime,
    tnef::{self, Wanted},
    transfer::Transfer,
    uuencode,
};
use crate::domain::AutomaticKind;

/// Most parts of a message that are opened, and most that are tried.
const CARRIER_LIMIT: usize = 16;
const TRY_LIMIT: usize = 64;
/// How much of each text is compared, in bytes.
const COMPARED_LIMIT: usize = 256 * 1024;
/// How many of a hundred words of a text another must have to say the same: programs write lists, links and tables differently.
const SAME_SHARE: usize = 85;
/// Longest field that is copied, in bytes.
const FIELD_LIMIT: usize = 1024;

/// What a part carries.
pub(super) struct Carried<'a> {
    bytes: Cow<'a, [u8]>,
    /// What the bytes are made of, as pieces of the part's decoded body.
    pieces: Vec<Piece>,
    automatic: Option<AutomaticKind>,
    /// Whether the part is still listed, as not all of it can be read.
    stays: bool,
    /// Whether only its HTML is new.
    repeats: bool,
}

/// Where the bytes come from that a part carries.
pub(super) struct Source {
    /// Which bytes the part is in, where, and how it is encoded.
    pub parent: usize,
    pub place: Range<usize>,
    pub transfer: Transfer,
    /// What they are made of, as pieces of the part's decoded body.
    pub pieces: Vec<Piece>,
    /// Whether and how the message is automatic, as what is carried says.
    pub automatic: Option<AutomaticKind>,
}

impl<'a> Carried<'a> {
    fn new(bytes: Cow<'a, [u8]>, pieces: Vec<Piece>) -> Self {
        Self {
            bytes,
            pieces,
            automatic: None,
            stays: false,
            repeats: false,
        }
    }

    /// Where its bytes come from: they are carried by `part`.
    pub fn source(&self, part: &Part<'_>, entity: &Entity<'_>) -> Source {
        Source {
            parent: part.source,
            place: place(entity.sources[part.source], part.body),
            transfer: part.transfer(),
            pieces: self.pieces.clone(),
            automatic: self.automatic,
        }
    }

    /// Puts it in the place of a part.
    pub fn graft<'b>(&'b self, entity: &mut Entity<'b>, index: usize) {
        let first = entity.parts.len();
        entity.graft(index, &self.bytes, self.stays);
        for part in entity.parts[first..].iter_mut().filter(|part| !part.is_attachment()) {
            // A text may have been nothing but files.
            part.repeats = match part.media_type.as_str() {
                "text/html" => self.repeats,
                "text/plain" => part.body.is_empty(),
                _ => false,
            };
        }
    }
}

/// Finds the parts that carry something, and what, among those in sources from the position `unseen` on. What there is no room for stays as
/// it is. This is fast for messages without such parts.
pub(super) fn find<'a>(entity: &Entity<'a>, unseen: usize, room: &mut usize) -> Vec<(usize, Carried<'a>)> {
    let beside = Beside {
        entity,
        said: OnceCell::new(),
    };
    let mut tries = 0;
    let mut found = Vec::new();
    for (index, part) in entity.parts.iter().enumerate() {
        if part.source < unseen || !part.children.is_empty() || part.body.is_empty() {
            continue;
        }
        if let Some(carried) = carried(index, &beside, room, &mut tries) {
            found.push((index, carried));
            if found.len() == CARRIER_LIMIT {
                break;
            }
        }
    }
    found
}

fn carried<'a>(index: usize, beside: &Beside<'_, 'a>, room: &mut usize, tries: &mut usize) -> Option<Carried<'a>> {
    let part = &beside.entity.parts[index];
    let container = container(part);
    if container.is_some() {
        *tries += 1;
    }
    match container {
        Some(_) if *tries > TRY_LIMIT => return None,
        Some(Container::Signed) => return signed(part, room),
        Some(Container::Tnef) => return opened_tnef(part, beside, room),
        None => {}
    }
    match part.media_type.as_str() {
        "text/plain" => with_files(part, room),
        _ if part.is_message() => {
            let mut before = beside.entity.parts[..index].iter();
            if before.any(|before| before.source == part.source) {
                // It is attached.
                return None;
            }
            let bytes = part.decoded_within(room)?;
            let pieces = vec![Piece::Kept(0..bytes.len())];
            Some(Carried::new(bytes, pieces))
        }
        _ => None,
    }
}

/// What a file may be.
enum Container {
    Signed,
    Tnef,
}

/// What a file is by its type or its first bytes, and for a signature, its name.
fn container(part: &Part<'_>) -> Option<Container> {
    match part.media_type.as_str() {
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => return Some(Container::Signed),
        media_type if !media_type.starts_with("application/") => return None,
        _ => {}
    }
    let begins = |encoded: &[u8], plain: &[u8]| match part.transfer() {
        Transfer::Base64(_) => part.body.trim_ascii_start().starts_with(encoded),
        Transfer::Identity => part.body.starts_with(plain),
        Transfer::QuotedPrintable(_) | Transfer::Uuencoded(_) => part.beginning(4).starts_with(plain),
    };
    if begins(b"eJ8+I", &tnef::SIGNATURE) {
        return Some(Container::Tnef);
    }
    // A sequence of BER.
    let is_named = || {
        let name = part.written_file_name().unwrap_or_default();
        name.to_ascii_lowercase().ends_with(".p7m")
    };
    (part.media_type == "application/octet-stream" && begins(b"M", &[0x30]) && is_named()).then_some(Container::Signed)
}

fn signed<'a>(part: &Part<'a>, room: &mut usize) -> Option<Carried<'a>> {
    let mut left = *room;
    let der = part.decoded_within(&mut left)?;
    if matches!(der, Cow::Borrowed(_)) {
        left = left.checked_sub(der.len())?;
    }
    let pieces = smime::signed_pieces(&der)?;
    let content = smime::joined(der.into_owned(), &pieces);
    *room = left;
    Some(Carried::new(content.into(), pieces.into_iter().map(Piece::Kept).collect()))
}

fn opened_tnef<'a>(part: &Part<'a>, beside: &Beside<'_, 'a>, room: &mut usize) -> Option<Carried<'a>> {
    let mut transient = *room;
    let data = part.decoded_within(&mut transient)?;
    let message = tnef::Message::read(&data)?;
    let said = beside.said();
    let wanted = match said.says(&message.words()) {
        false => Wanted::Texts,
        true if said.has_html => Wanted::Files,
        true => Wanted::Html,
    };
    let (bytes, pieces) = message.written(&data, wanted);
    // The data are gone again when this is read.
    *room = room.checked_sub(bytes.len())?;
    Some(Carried {
        automatic: message.automatic(),
        stays: message.damaged,
        repeats: wanted == Wanted::Html,
        ..Carried::new(bytes.into(), pieces)
    })
}

/// What a message says beside TNEF, which often is the same.
struct Beside<'e, 'a> {
    entity: &'e Entity<'a>,
    said: OnceCell<Said>,
}

struct Said {
    words: HashSet<String>,
    has_html: bool,
}

impl Beside<'_, '_> {
    fn said(&self) -> &Said {
        self.said.get_or_init(|| {
            let layout = Layout::of(self.entity);
            let part_at = |index: &usize| &self.entity.parts[*index];
            let mut words = HashSet::new();
            for part in layout.text.iter().map(part_at) {
                let text = part.text_within(COMPARED_LIMIT);
                match part.media_type.as_str() {
                    "text/html" => words.extend(words_of(&html::to_words(&text, COMPARED_LIMIT))),
                    _ => words.extend(words_of(&text)),
                }
            }
            Said {
                words,
                has_html: layout.html.iter().map(part_at).any(|part| part.media_type == "text/html"),
            }
        })
    }
}

impl Said {
    /// Whether nearly all words of a text are among those that were said.
    fn says(&self, text: &str) -> bool {
        let (mut known, mut all) = (0, 0);
        for word in words_of(decode::cut(text, COMPARED_LIMIT)) {
            all += 1;
            known += usize::from(self.words.contains(&word));
        }
        known * 100 >= all * SAME_SHARE
    }
}

fn words_of(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase)
}

/// A text with uuencoded files, as that text without them, and the files.
fn with_files<'a>(part: &Part<'a>, room: &mut usize) -> Option<Carried<'a>> {
    if part.is_attachment() || matches!(part.transfer(), Transfer::Uuencoded(_)) {
        return None;
    }
    if !matches!(part.transfer(), Transfer::Base64(_)) && !uuencode::may_be_in(part.body) {
        return None;
    }
    let mut left = *room;
    let text = part.decoded_within(&mut left)?;
    if !uuencode::may_be_in(&text) {
        return None;
    }
    let files = uuencode::files(&text);
    if files.is_empty() || part.written_file_name().is_some() {
        return None;
    }
    let mut assembly = Assembly::new(&text);
    let mixed = assembly.open("mixed");
    assembly.part(&mixed);
    let field = part.fields.first("Content-Type").filter(|field| field.raw.len() <= FIELD_LIMIT);
    let content_type = field.map_or("text/plain".into(), |field| String::from_utf8_lossy(field.raw));
    assembly.field("Content-Type", content_type.trim());
    assembly.field("Content-Transfer-Encoding", "binary");
    assembly.end_header();
    let mut at = 0;
    for file in &files {
        assembly.keep(&text[at..file.place.start]);
        at = file.place.end;
    }
    assembly.keep(&text[at..]);
    for file in &files {
        assembly.part(&mixed);
        assembly.field("Content-Type", "application/octet-stream");
        let encoding = if file.base64.is_some() { "base64" } else { "x-uuencode" };
        assembly.field("Content-Transfer-Encoding", encoding);
        assembly.disposition("attachment", &decode::text(&text[file.name.clone()], None, Assumed::ByLook));
        assembly.end_header();
        assembly.keep(&text[file.base64.clone().unwrap_or(file.place.clone())]);
    }
    assembly.close(&mixed);
    let (bytes, pieces) = assembly.finish();
    *room = left.checked_sub(bytes.len())?;
    Some(Carried::new(bytes.into(), pieces))
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};

    use crate::mime::{content, located::tests::read, note_text, parse, smime::tests::signed};

    const HEAD: &str = "Message-ID: <1@x.example>\r\nFrom: a@x.example\r\nSubject: s\r\n";
    const UU: &str = "begin 644 a.txt\r\n#>'AX\r\n`\r\nend\r\n";

    fn mixed(parts: &[&str]) -> String {
        let parts: String = parts.iter().map(|part| format!("--m\r\n{part}\r\n")).collect();
        format!("{HEAD}Content-Type: multipart/mixed; boundary=m\r\n\r\n{parts}--m--\r\n")
    }

    fn signature(content_type: &str, content: &str) -> String {
        let der = STANDARD.encode(signed(content.as_bytes(), 3));
        format!("Content-Type: {content_type}\r\nContent-Transfer-Encoding: base64\r\n\r\n{der}")
    }

    /// The files, as their names and sizes; each can be read.
    fn names(raw: &str) -> Vec<String> {
        let shown = content(raw.as_bytes()).attachments;
        for (index, info) in shown.iter().enumerate() {
            for step in [1, 1_000] {
                let (located, bytes) = read(raw.as_bytes(), index, 0, step).unwrap();
                assert_eq!((&located.info, bytes.len() as u64), (info, info.size), "{raw}");
            }
        }
        shown.into_iter().map(|info| format!("{} {}", info.file_name, info.size)).collect()
    }

    #[test]
    fn signed_messages_are_read_wherever_they_are() {
        let order = "Content-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nWe accept.\r\n--i\r\nContent-Type: application/pdf; name=o.pdf\r\n\r\n\
                     PDF\r\n--i--";
        let footer = "Content-Type: text/plain\r\n\r\nFooter";
        for part in [
            "application/pkcs7-mime; smime-type=signed-data; name=smime.p7m",
            "application/x-pkcs7-mime",
            "application/octet-stream; name=\"SMIME.P7M\"",
        ] {
            let part = signature(part, order);
            let raw = mixed(&[&part, footer]);
            assert_eq!(note_text(raw.as_bytes()).text, "We accept.\nFooter");
            assert_eq!(names(&raw), ["o.pdf 3"]);
            assert_eq!(parse(raw.as_bytes()).unwrap().preview, "We accept. Footer");
            // As the whole message, and signed twice.
            assert_eq!(note_text(format!("{HEAD}{part}").as_bytes()).text, "We accept.");
            let twice = format!("{HEAD}{}", signature("application/pkcs7-mime", &part));
            assert_eq!((note_text(twice.as_bytes()).text.as_str(), names(&twice).len()), ("We accept.", 1));
        }
        let other = mixed(&[footer, &signature("application/octet-stream; name=a.der", order)]);
        assert!(names(&other)[0].starts_with("a.der "));
        let encrypted = mixed(&["Content-Type: application/pkcs7-mime; name=smime.p7m\r\n\r\n0\x03\x06\x01*"]);
        assert_eq!(names(&encrypted), ["smime.p7m 5"]);
    }

    #[test]
    fn uuencoded_files_are_cut_out_of_the_text() {
        let body = format!("Before\r\n{UU}after\r\n\r\n{UU}");
        let raw = format!("{HEAD}Content-Type: text/plain; charset=iso-8859-1\r\n\r\nGr\u{fc}n\r\n{body}");
        assert_eq!(note_text(raw.as_bytes()).text, "Gr\u{fc}n\nBefore\nafter");
        let files = ["a.txt 3", "a.txt 3"];
        assert_eq!(names(&raw), files);
        let parsed = parse(raw.as_bytes()).unwrap();
        assert_eq!((parsed.preview.as_str(), parsed.attachment_count), ("Gr\u{fc}n Before after", 2));
        assert_eq!(parsed.search.attachment_names, "a.txt\na.txt");
        let encoded = |encoding: &str, body: &str| mixed(&[&format!("Content-Transfer-Encoding: {encoding}\r\n\r\n{body}")]);
        for raw in [
            encoded("base64", &STANDARD.encode(&body)),
            encoded("quoted-printable", &body),
            encoded("8bit", &body),
            format!("{HEAD}{}", signature("application/pkcs7-mime", &format!("\r\n{body}"))),
        ] {
            assert_eq!(names(&raw), files, "{raw}");
        }
        let attached = mixed(&["\r\nText", &format!("Content-Disposition: attachment; filename=b.uue\r\n\r\n{UU}")]);
        assert_eq!(names(&attached), [format!("b.uue {}", UU.len())]);
        // RFC 2045 \u{a7}6.3 allows encodings of one's own.
        let part = format!("Content-Type: image/gif; name=b.gif\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n{UU}");
        assert_eq!(names(&mixed(&["\r\nText", &part])), ["b.gif 3"]);
        let yenc = format!("{HEAD}\r\nText\r\n=ybegin line=128 size=3 name=a.bin\r\nabc\r\n=yend size=3\r\n");
        assert!(names(&yenc).is_empty());
        assert!(note_text(yenc.as_bytes()).text.contains("=ybegin"));
    }

    /// A server that makes an attachment of the file makes the same message of it.
    #[test]
    fn the_identity_is_that_of_text_and_files() {
        let uuencoded = format!("{HEAD}\r\nText\r\n{UU}");
        let attached = mixed(&["\r\nText", "Content-Type: application/octet-stream; name=a.txt\r\n\r\nxxx"]);
        let identity = |raw: &str| parse(raw.as_bytes()).unwrap().identity;
        assert_eq!(identity(&uuencoded), identity(&attached));
        let signed = mixed(&[&signature("application/pkcs7-mime", "\r\nText")]);
        assert_eq!(identity(&signed), identity(&format!("{HEAD}\r\nText")));
    }

    #[test]
    fn few_parts_are_opened() {
        let part = signature("application/pkcs7-mime; name=p", "\r\nx");
        let raw = mixed(&vec![part.as_str(); 40]);
        assert_eq!(names(&raw).len(), 40 - super::CARRIER_LIMIT);
        let started = std::time::Instant::now();
        let uu = format!("\r\n{}", UU.repeat(20_000));
        let raw = mixed(&vec![uu.as_str(); 20]);
        assert!(content(raw.as_bytes()).attachments.len() <= 1_000);
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }
}
