//! What a file is: by its first bytes, and by its name where these leave it open.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use super::{
    lines::{LineEnds, idle_bytes},
    passed::Reason,
    separator,
};
use crate::mime;

/// How much of a file is examined, in bytes.
pub(super) const HEAD: usize = 16 * 1024;

/// Extensions of files that hold other things, some of which look like a header.
const OTHERS: [&str; 12] = [
    "json", "xml", "yml", "yaml", "toml", "tsv", "csv", "md", "html", "htm", "log", "out",
];

/// Files that operating systems put into folders, in lower case.
const SYSTEM_NAMES: [&str; 5] = [".ds_store", "thumbs.db", "desktop.ini", ".localized", "icon\r"];

/// How files begin that hold no messages as such.
const MAGIC: [(&[u8], Reason); 15] = [
    // AppleDouble (RFC 1740), versions 2 and 1: what macOS knows of another file.
    (b"\x00\x05\x16\x07\x00\x02\x00\x00", Reason::System),
    (b"\x00\x05\x16\x07\x00\x01\x00\x00", Reason::System),
    // [MS-CFB] §2.2, [MS-PST] §2.2.2.6.
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Reason::OutlookMessage),
    (b"!BDN", Reason::OutlookMailbox),
    (b"\xcf\xad\x12\xfe", Reason::OutlookExpress),
    (b"*mbx*\r\n", Reason::UwMailbox),
    // zip, also spanned; gzip, bzip2, xz, zstd, 7z, rar, compress.
    (b"PK\x03\x04", Reason::Packed),
    (b"PK\x07\x08", Reason::Packed),
    (b"\x1f\x8b", Reason::Packed),
    (b"BZh", Reason::Packed),
    (b"\xfd7zXZ\x00", Reason::Packed),
    (b"\x28\xb5\x2f\xfd", Reason::Packed),
    (b"7z\xbc\xaf\x27\x1c", Reason::Packed),
    (b"Rar!\x1a\x07", Reason::Packed),
    (b"\x1f\x9d", Reason::Packed),
];

/// How files begin whose names begin with `._`, whatever their version.
const APPLE_DOUBLE: &[u8] = b"\x00\x05\x16\x07";

/// What a file with messages is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One message.
    Message,
    /// An mbox.
    Mbox(LineEnds),
    /// Named like a message, but begins like an mbox.
    Unclear(LineEnds),
    /// A message of Apple Mail.
    Emlx,
}

/// The kind of a file outside Maildirs, or why it is none.
pub(super) fn kind(path: &Path) -> io::Result<Result<Kind, Reason>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    if SYSTEM_NAMES.contains(&name.as_str()) {
        return Ok(Err(Reason::System));
    }
    let mut head = Vec::new();
    File::open(path)?.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(judge(&name, &mut head))
}

/// The kind of a file with this name, in lower case, that begins with `head`.
fn judge(name: &str, head: &mut [u8]) -> Result<Kind, Reason> {
    if head.is_empty() {
        return Err(Reason::Empty);
    }
    if name.starts_with("._") && head.starts_with(APPLE_DOUBLE) {
        return Err(Reason::System);
    }
    if let Some((_, reason)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(*reason);
    }
    // POSIX 1003.1, pax: the magic of tar comes behind 257 bytes about the first file.
    if head.get(257..).is_some_and(|rest| rest.starts_with(b"ustar")) {
        return Err(Reason::Packed);
    }
    let ends = LineEnds::of(head);
    ends.convert(head);
    let head = &head[idle_bytes(head)..];
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        "emlxpart" => return Err(Reason::Partial),
        "emlx" if name.ends_with(".partial.emlx") => return Err(Reason::Partial),
        "emlx" if super::emlx::content(head).is_some() => return Ok(Kind::Emlx),
        _ if OTHERS.contains(&extension) => return Err(Reason::Extension),
        _ => {}
    }
    let end = memchr::memchr(b'\n', head).map_or(head.len(), |at| at + 1);
    let is_mbox = separator::begins_mbox(&head[..end], &head[end..]);
    match extension {
        "eml" if is_mbox => Ok(Kind::Unclear(ends)),
        "eml" => Ok(Kind::Message),
        _ if is_mbox => Ok(Kind::Mbox(ends)),
        _ if !begins_like_message(head) => Err(Reason::NoMail),
        // Its first line got lost.
        "mbox" | "mbx" => Ok(Kind::Mbox(ends)),
        _ => Ok(Kind::Message),
    }
}

fn begins_like_message(head: &[u8]) -> bool {
    let header = memchr::memmem::find(head, b"\n\n").or_else(|| memchr::memmem::find(head, b"\n\r\n"));
    let header = &head[..header.unwrap_or(head.len())];
    !header.contains(&0) && mime::field_names(head).any(separator::is_telling)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "From a@x.example Mon Jan  6 10:00:00 2025\n";

    fn check(name: &str, content: &[u8], expected: Result<Kind, Reason>) {
        let found = judge(name, &mut content.to_owned());
        assert_eq!(found, expected, "{name}: {}", String::from_utf8_lossy(content));
    }

    #[test]
    fn files_are_known_by_their_first_bytes() {
        let lf = LineEnds::Lf;
        let mbox = format!("{LINE}A: 1\n\nx\n");
        check("inbox", mbox.as_bytes(), Ok(Kind::Mbox(lf)));
        check("inbox", format!("\u{feff}\r\n\n{mbox}").as_bytes(), Ok(Kind::Mbox(lf)));
        check("inbox", mbox.replace('\n', "\r").as_bytes(), Ok(Kind::Mbox(LineEnds::Cr)));
        check("inbox", b"From \nSubject: x\n\n", Ok(Kind::Mbox(lf)));
        check("1.eml", mbox.as_bytes(), Ok(Kind::Unclear(lf)));
        check("1.eml", b"no header", Ok(Kind::Message));
        check("old.mbox", b"Subject: x\n\ny\n", Ok(Kind::Mbox(lf)));
        check("old.mbox", b"no header", Err(Reason::NoMail));
        check("17", b"\xef\xbb\xbfSubject: x\n\n", Ok(Kind::Message));
        check("17", b"\r\n\r\nSubject: x\r\n\r\n", Ok(Kind::Message));
        check("17", b"Subject: x\r\ry", Ok(Kind::Message));
        check("17", b"Subject: x\n\n\0", Ok(Kind::Message));
        check("17", b"Subject: x\n\0\n", Err(Reason::NoMail));
        check("17", b"From here on\n", Err(Reason::NoMail));
        check("17.emlx", b"11\nSubject: x\n", Ok(Kind::Emlx));
        check("17.emlx", b"Subject: x\n\n", Ok(Kind::Message));
        check("17.partial.emlx", b"11\nSubject: x\n", Err(Reason::Partial));
        check("17.2.emlxpart", b"SGVsbG8=\n", Err(Reason::Partial));
    }

    #[test]
    fn files_of_other_programs_are_passed_over_whatever_their_name() {
        for (content, reason) in [
            (&b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        "[..], Reason::System),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00", Reason::OutlookMessage),
            (b"!BDN\x00", Reason::OutlookMailbox),
            (b"\xcf\xad\x12\xfe\xc5\xfd", Reason::OutlookExpress),
            (b"*mbx*\r\n", Reason::UwMailbox),
            (b"PK\x03\x04", Reason::Packed),
            (b"\x1f\x8b\x08", Reason::Packed),
            (b"", Reason::Empty),
        ] {
            for name in ["x.eml", "x.mbox", "x"] {
                check(name, content, Err(reason));
            }
        }
        check("._x.eml", b"\x00\x05\x16\x07", Err(Reason::System));
        check("._x.eml", b"Subject: x\n\n", Ok(Kind::Message));
        let mut tar = vec![b'a'; 257];
        tar.extend_from_slice(b"ustar\0");
        check("mail.eml", &tar, Err(Reason::Packed));
        check("e.yml", b"from: a\n", Err(Reason::Extension));
    }
}
