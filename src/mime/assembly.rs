//! A MIME entity made of pieces of other bytes and of what is written around them, which remembers which is which: so its parts can be read
//! from the bytes they come from.

use std::ops::Range;

use aws_lc_rs::digest::{SHA256, digest};

/// Bytes that follow each other in an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// They are those at this place of the original.
    Kept(Range<usize>),
    /// So many were written.
    Made(usize),
}

impl Piece {
    /// How many bytes there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Kept(place) => place.len(),
            Self::Made(length) => *length,
        }
    }
}

/// The position of bytes within others that they are a slice of.
pub(super) fn place(whole: &[u8], slice: &[u8]) -> Range<usize> {
    let start = (slice.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start..start + slice.len()
}

/// An entity that is being written.
pub(super) struct Assembly<'a> {
    original: &'a [u8],
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
    /// Begins every boundary. Nobody can write it into the original, as it is made of its digest.
    mark: String,
    multiparts: usize,
}

/// The boundary of a multipart that is being written.
pub(super) struct Boundary(String);

impl<'a> Assembly<'a> {
    /// Nothing yet.
    pub fn new(original: &'a [u8]) -> Self {
        let digest = digest(&SHA256, original);
        let mark = digest.as_ref()[..12].iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            original,
            bytes: Vec::with_capacity(original.len() + 1024),
            pieces: Vec::new(),
            mark,
            multiparts: 0,
        }
    }

    /// How many bytes there are so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Writes some bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        match self.pieces.last_mut() {
            Some(Piece::Made(length)) => *length += bytes.len(),
            _ => self.pieces.push(Piece::Made(bytes.len())),
        }
    }

    /// Copies bytes of the original, of which `bytes` is a part.
    pub fn keep(&mut self, bytes: &[u8]) {
        let place = place(self.original, bytes);
        if !bytes.is_empty() && self.original.get(place.clone()).is_some() {
            self.bytes.extend_from_slice(bytes);
            self.pieces.push(Piece::Kept(place));
        }
    }

    /// Writes a header field. Line ends and control characters in its value become spaces.
    pub fn field(&mut self, name: &str, value: &str) {
        let value: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.write(format!("{name}: {value}\r\n").as_bytes());
    }

    /// Writes the field that says where a file is shown, and its name (RFC 2231).
    pub fn disposition(&mut self, kind: &str, name: &str) {
        let escaped = name.bytes().map(|byte| match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        });
        let parameter = match name {
            "" => String::new(),
            _ => format!("; filename*=utf-8''{}", escaped.collect::<String>()),
        };
        self.field("Content-Disposition", &format!("{kind}{parameter}"));
    }

    /// Ends a header.
    pub fn end_header(&mut self) {
        self.write(b"\r\n");
    }

    /// Begins a multipart: its last field, and the end of its header.
    pub fn open(&mut self, kind: &str) -> Boundary {
        self.multiparts += 1;
        let boundary = format!("=_{}.{}.", self.mark, self.multiparts);
        self.field("Content-Type", &format!("multipart/{kind}; boundary=\"{boundary}\""));
        self.end_header();
        Boundary(boundary)
    }

    /// Begins a part.
    pub fn part(&mut self, boundary: &Boundary) {
        self.write(format!("\r\n--{}\r\n", boundary.0).as_bytes());
    }

    /// Ends a multipart.
    pub fn close(&mut self, boundary: &Boundary) {
        self.write(format!("\r\n--{}--\r\n", boundary.0).as_bytes());
    }

    /// The entity, and what it is made of.
    pub fn finish(self) -> (Vec<u8>, Vec<Piece>) {
        (self.bytes, self.pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::entity::Entity;

    #[test]
    fn entities_are_read_as_they_were_written() {
        let original = b"one\r\ntwo\r";
        let mut assembly = Assembly::new(original);
        let outer = assembly.open("mixed");
        assembly.part(&outer);
        assembly.field("Content-Type", "text/plain\r\nX-Evil: 1");
        assembly.disposition("attachment", "gr\u{fc}n; a.txt");
        assembly.end_header();
        assembly.keep(&original[5..]);
        assembly.part(&outer);
        assembly.end_header();
        assembly.write(b"made");
        assembly.keep(b"elsewhere");
        assembly.close(&outer);
        let (bytes, pieces) = assembly.finish();
        assert_eq!(pieces.iter().map(Piece::len).sum::<usize>(), bytes.len());
        assert_eq!(pieces[1], Piece::Kept(5..9));
        let entity = Entity::read(&bytes);
        let parts: Vec<_> = entity.parts[1..].iter().map(|part| (part.written_file_name(), part.body)).collect();
        assert_eq!(parts, [(Some("gr\u{fc}n; a.txt".to_owned()), &b"two\r"[..]), (None, b"made")]);
        assert!(entity.parts[1].fields.first("X-Evil").is_none());
    }
}
