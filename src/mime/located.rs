//! An attachment in place: which bytes of its message it consists of, and how they are encoded, so that it can be read without the rest.

use std::{ops::Range, sync::Arc};

use aws_lc_rs::digest::{Context, SHA256};

use super::{
    AttachmentInfo,
    assembly::{Piece, place},
    carried::Source,
    content::ATTACHMENT_LIMIT,
    entity::{Entity, Part},
    layout,
    opened::{Opened, open},
    transfer::Transfer,
};

/// Bytes of a message that are decoded at a time while an attachment is measured.
const STEP: usize = 64 * 1024;

/// An attachment or inline part, and how to read it.
#[derive(Clone, Debug)]
pub struct Located {
    /// Its description.
    pub info: AttachmentInfo,
    /// SHA-256 of its content.
    pub sha256: [u8; 32],
    /// Reads its content from the requested offset on.
    pub content: PartReader,
}

/// Makes the content of an attachment from the bytes of its message, in their order.
///
/// It uses little memory, whatever the length: some kilobytes for a line of quoted-printable, for opaque S/MIME signatures the list
/// of their pieces, and for a message within TNEF its header and texts.
#[derive(Clone, Debug)]
pub struct PartReader {
    /// The encoding of the outermost message first, that of the attachment last.
    layers: Vec<Layer>,
    /// Bytes of the content still to be skipped before the requested ones.
    skip: u64,
}

/// One encoding to undo, over some parts of the bytes.
#[derive(Clone, Debug)]
struct Layer {
    /// What is decoded.
    stretches: Arc<[Stretch]>,
    /// The first of them that is not finished.
    next: usize,
    /// Position of the next byte.
    at: u64,
    transfer: Transfer,
}

/// Bytes that follow each other in what a layer decodes.
#[derive(Clone, Debug)]
enum Stretch {
    /// They are at this place, behind those of all before.
    At(Range<u64>),
    /// They were written around the others.
    Made(Vec<u8>),
}

impl Stretch {
    /// Where it begins and ends, if it is somewhere.
    fn place(&self) -> Option<&Range<u64>> {
        match self {
            Self::At(place) => Some(place),
            Self::Made(_) => None,
        }
    }
}

impl PartReader {
    /// Which bytes of the message it needs next. Empty at the end.
    pub fn wanted(&self) -> Range<u64> {
        let Some(layer) = self.layers.first() else { return 0..0 };
        let mut places = layer.stretches[layer.next..].iter().filter_map(Stretch::place);
        let start = places.next().map_or(layer.at, |place| layer.at.max(place.start));
        let last = layer.stretches.iter().rev().find_map(Stretch::place);
        start..last.map_or(start, |place| place.end.max(start))
    }

    /// Takes any number of bytes from the beginning of what it needs, and appends the result to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let start = self.wanted().start;
        if let Some(layer) = self.layers.first_mut() {
            layer.at = start;
        }
        let before = out.len();
        push(&mut self.layers, bytes, out);
        self.leave_out(before, out);
    }

    /// Appends the rest to `out`, after all needed bytes were pushed.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let before = out.len();
        for index in 0..self.layers.len() {
            let mut made = Vec::new();
            self.layers[index].transfer.finish(&mut made);
            push(&mut self.layers[index + 1..], &made, out);
        }
        self.leave_out(before, out);
    }

    fn leave_out(&mut self, before: usize, out: &mut Vec<u8>) {
        let made = out.len() - before;
        let skip = usize::try_from(self.skip).unwrap_or(usize::MAX).min(made);
        out.drain(before..before + skip);
        self.skip -= skip as u64;
    }
}

fn push(layers: &mut [Layer], bytes: &[u8], out: &mut Vec<u8>) {
    match layers {
        [] => out.extend_from_slice(bytes),
        [last] => last.push(bytes, out),
        [first, rest @ ..] => {
            let mut made = Vec::new();
            first.push(bytes, &mut made);
            push(rest, &made, out);
        }
    }
}

impl Layer {
    fn new(stretches: impl IntoIterator<Item = Stretch>, transfer: Transfer) -> Self {
        Self {
            stretches: stretches.into_iter().collect(),
            next: 0,
            at: 0,
            transfer,
        }
    }

    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let (begin, end) = (self.at, self.at + bytes.len() as u64);
        self.at = end;
        let within = |at: u64| usize::try_from(at.clamp(begin, end) - begin).expect("a position in a slice");
        while let Some(stretch) = self.stretches.get(self.next) {
            match stretch {
                Stretch::At(place) => {
                    self.transfer.push(&bytes[within(place.start)..within(place.end)], out);
                    if place.end > end {
                        return;
                    }
                }
                Stretch::Made(made) => self.transfer.push(made, out),
            }
            self.next += 1;
        }
    }
}

/// Finds an attachment by its position among those of a message, to be read from `offset` of its content on.
pub(super) fn locate(raw: &[u8], index: usize, offset: u64) -> Option<Located> {
    let trimmed = raw.trim_ascii_start();
    let outer = Entity::read(trimmed);
    let found = open(&outer, |opened| {
        let (part, inline) = opened.attachments().take(ATTACHMENT_LIMIT).nth(index)?;
        let before = raw.len() - trimmed.len();
        Some((layout::info(part, inline, 0), layers(&opened, part, before)?))
    });
    let (info, layers) = found?;
    Some(measure(raw, info, PartReader { layers, skip: 0 }, offset))
}

/// The encodings of a part, and of those that carry it. `before` bytes are before the message.
fn layers(opened: &Opened<'_>, part: &Part<'_>, before: usize) -> Option<Vec<Layer>> {
    let mut layers = Vec::new();
    let (mut source, mut place, mut transfer) = (part.source, place(opened.entity.sources[part.source], part.body), part.transfer());
    while let Some(carrier) = source.checked_sub(1) {
        let Source {
            parent,
            place: outer,
            transfer: encoding,
            pieces,
            ..
        } = &opened.sources[carrier];
        let stretches = stretches(pieces, opened.entity.sources[source], &place)?;
        layers.push(Layer::new(stretches, transfer));
        (source, place, transfer) = (*parent, outer.clone(), encoding.clone());
    }
    let place = (before + place.start) as u64..(before + place.end) as u64;
    layers.push(Layer::new([Stretch::At(place)], transfer));
    layers.reverse();
    Some(layers)
}

/// What the bytes at a place of `whole`, which is made of these pieces, are made of. `None` when they are not in the order of what they come
/// from, as only a text between files may be.
fn stretches(pieces: &[Piece], whole: &[u8], place: &Range<usize>) -> Option<Vec<Stretch>> {
    let (mut found, mut at, mut last) = (Vec::new(), 0, 0);
    for piece in pieces {
        let (start, end) = (at.max(place.start), (at + piece.len()).min(place.end));
        if start < end {
            found.push(match piece {
                Piece::Kept(kept) if kept.start < last => return None,
                Piece::Kept(kept) => {
                    last = kept.start + (end - at);
                    Stretch::At((kept.start + (start - at)) as u64..last as u64)
                }
                Piece::Made(_) => Stretch::Made(whole[start..end].to_vec()),
            });
        }
        at += piece.len();
        if at >= place.end {
            break;
        }
    }
    Some(found)
}

/// Reads the content once, for its size and hash, and keeps the reader as it was before `offset`.
fn measure(raw: &[u8], mut info: AttachmentInfo, mut reader: PartReader, offset: u64) -> Located {
    let mut content = PartReader {
        skip: offset,
        ..reader.clone()
    };
    let mut context = Context::new(&SHA256);
    let mut out = Vec::new();
    loop {
        let wanted = reader.wanted();
        let at = |position: u64| usize::try_from(position).unwrap_or(raw.len()).min(raw.len());
        let bytes = &raw[at(wanted.start)..at(wanted.end)];
        let bytes = &bytes[..bytes.len().min(STEP)];
        if bytes.is_empty() {
            reader.finish(&mut out);
        } else {
            reader.push(bytes, &mut out);
        }
        context.update(&out);
        info.size += out.len() as u64;
        if bytes.is_empty() {
            break;
        }
        out.clear();
        if info.size <= offset {
            content = PartReader {
                skip: offset - info.size,
                ..reader.clone()
            };
        }
    }
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(context.finish().as_ref());
    Located { info, sha256, content }
}

/// The attachments of a message, each decoded whole.
#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::mime::{content, smime};

    /// An attachment read at once, from an offset on.
    pub(in crate::mime) fn read(raw: &[u8], index: usize, offset: u64, step: usize) -> Option<(Located, Vec<u8>)> {
        let located = locate(raw, index, offset)?;
        let (mut reader, mut out) = (located.content.clone(), Vec::new());
        loop {
            let wanted = reader.wanted();
            let bytes = &raw[usize::try_from(wanted.start).unwrap()..usize::try_from(wanted.end).unwrap()];
            if bytes.is_empty() {
                reader.finish(&mut out);
                return Some((located, out));
            }
            reader.push(&bytes[..bytes.len().min(step)], &mut out);
        }
    }

    fn sha256(bytes: &[u8]) -> Vec<u8> {
        aws_lc_rs::digest::digest(&SHA256, bytes).as_ref().to_vec()
    }

    fn check(raw: &[u8], expected: &[&[u8]]) {
        for (index, expected) in expected.iter().enumerate() {
            for offset in 0..=expected.len() {
                for step in [1, 3, 1_000] {
                    let (located, bytes) = read(raw, index, offset as u64, step).unwrap();
                    assert_eq!(bytes, expected[offset..], "attachment {index} from {offset} in steps of {step}");
                    assert_eq!(
                        (located.info.size, located.sha256.to_vec()),
                        (expected.len() as u64, sha256(expected))
                    );
                }
            }
        }
        assert!(locate(raw, expected.len(), 0).is_none());
        let shown = content::content(raw.trim_ascii_start()).attachments;
        let found: Vec<_> = (0..expected.len()).map(|index| locate(raw, index, 0).unwrap().info).collect();
        assert_eq!(shown, found);
    }

    fn mixed(parts: &[&str]) -> String {
        format!(
            "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n{}\r\n--b--\r\n",
            parts.join("\r\n--b\r\n")
        )
    }

    fn base64(bytes: &[u8]) -> String {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let lines: Vec<String> = STANDARD
            .encode(bytes)
            .as_bytes()
            .chunks(76)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        lines.join("\r\n")
    }

    #[test]
    fn each_encoding_is_read_from_any_offset() {
        let pdf = "Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n".to_owned()
            + &base64(b"0123456789 and more than a line of base64 has, which is 57 bytes");
        let text = "Content-Type: text/csv\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=3Db =\r\nc  \r\nd=";
        let plain = "Content-Type: application/octet-stream\r\n\r\nas it is";
        let raw = mixed(&[&pdf, text, plain, "Content-Type: image/png\r\n\r\n"]);
        let expected: [&[u8]; 4] = [
            b"0123456789 and more than a line of base64 has, which is 57 bytes",
            b"a=3Db c\r\nd".as_slice(),
            b"as it is",
            b"",
        ];
        let expected = [expected[0], b"a=b c\r\nd", expected[2], expected[3]];
        check(raw.as_bytes(), &expected);
        check(("\r\n\r\n".to_owned() + &raw).as_bytes(), &expected);
    }

    #[test]
    fn messages_within_are_read_through_their_encoding() {
        let inner = mixed(&["Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\neHh4eHl5"]);
        check(format!("Content-Type: message/rfc822\r\n\r\n{inner}").as_bytes(), &[b"xxxxyy"]);
        let twice = format!(
            "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
            base64(inner.as_bytes())
        );
        check(twice.as_bytes(), &[b"xxxxyy"]);
        let thrice = format!(
            "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
            base64(twice.as_bytes())
        );
        check(thrice.as_bytes(), &[b"xxxxyy"]);
    }

    #[test]
    fn signed_messages_are_read_through_their_signature() {
        let inner = mixed(&["Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\neHh4eHl5"]);
        for pieces in [1, 2, 7] {
            let der = smime::tests::signed(inner.as_bytes(), pieces);
            let raw = format!(
                "Content-Type: application/pkcs7-mime; smime-type=signed-data\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
                base64(&der)
            );
            check(raw.as_bytes(), &[b"xxxxyy"]);
        }
    }
}
