//! The content of an opaque S/MIME signature: just enough of CMS (RFC 5652 §5) in BER (X.690) to find it. Nothing is verified here.

use std::ops::Range;

use super::assembly::place;

/// Deepest nesting of constructed strings.
const DEPTH_LIMIT: usize = 8;
/// 1.2.840.113549.1.7.2
const SIGNED_DATA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02];

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const CONSTRUCTED: u8 = 0x20;
/// `[0] EXPLICIT`.
const EXPLICIT: u8 = 0xA0;

/// Most pieces that content may be in. Software that splits content makes pieces of some kilobytes.
const PIECE_LIMIT: usize = 100_000;

/// The pieces of `der` joined in place, which takes no further memory.
pub(super) fn joined(mut der: Vec<u8>, pieces: &[Range<usize>]) -> Vec<u8> {
    let mut end = 0;
    for piece in pieces {
        der.copy_within(piece.clone(), end);
        end += piece.len();
    }
    der.truncate(end);
    der
}

/// The MIME entity that a SignedData carries, as positions in `der`. `None` when `der` is something else, such as an encrypted message or a
/// detached signature.
pub(super) fn signed_pieces(der: &[u8]) -> Option<Vec<Range<usize>>> {
    let mut info = Reader(Reader(der).expect(SEQUENCE)?);
    if info.expect(OBJECT_IDENTIFIER)? != SIGNED_DATA {
        return None;
    }
    let mut signed = Reader(Reader(info.expect(EXPLICIT)?).expect(SEQUENCE)?);
    let _version = signed.next()?;
    let _algorithms = signed.next()?;
    let mut content = Reader(signed.expect(SEQUENCE)?);
    content.expect(OBJECT_IDENTIFIER)?;
    let mut pieces = Vec::new();
    Reader(content.expect(EXPLICIT)?).octets(&mut pieces, 0)?;
    Some(pieces.into_iter().map(|piece| place(der, piece)).collect())
}

struct Element<'a> {
    tag: u8,
    content: &'a [u8],
}

/// Reads one element after another.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|element| element.tag == tag).map(|element| element.content)
    }

    fn next(&mut self) -> Option<Element<'a>> {
        let Header { size, length, tag } = header(self.0)?;
        let rest = &self.0[size..];
        let (content, after) = match length {
            Some(length) => (rest.get(..length)?, rest.get(length..)?),
            None => {
                let length = indefinite(rest)?;
                (&rest[..length], &rest[length + 2..])
            }
        };
        self.0 = after;
        Some(Element { tag, content })
    }

    /// Appends the pieces of an octet string, of which BER allows several.
    fn octets(&mut self, out: &mut Vec<&'a [u8]>, depth: usize) -> Option<()> {
        while !self.0.is_empty() {
            let element = self.next()?;
            match element.tag {
                OCTET_STRING if out.len() < PIECE_LIMIT => out.push(element.content),
                tag if tag == OCTET_STRING | CONSTRUCTED && depth < DEPTH_LIMIT => {
                    Reader(element.content).octets(out, depth + 1)?;
                }
                _ => return None,
            }
        }
        Some(())
    }
}

/// The header of an element.
struct Header {
    /// Its own size.
    size: usize,
    /// The length of the content; `None`: up to an end mark.
    length: Option<usize>,
    tag: u8,
}

/// The header that comes first.
fn header(bytes: &[u8]) -> Option<Header> {
    let (&tag, &first) = (bytes.first()?, bytes.get(1)?);
    let (size, length) = match first {
        0x80 => (2, None),
        0..0x80 => (2, Some(usize::from(first))),
        _ => {
            let count = usize::from(first & 0x7F);
            let digits = bytes.get(2..2 + count).filter(|_| count <= 4)?;
            let length = digits.iter().fold(0_usize, |length, digit| (length << 8) | usize::from(*digit));
            (2 + count, Some(length))
        }
    };
    Some(Header { size, length, tag })
}

/// The length of content that ends with an end mark. It takes one pass: elements of definite length are skipped, others are counted.
fn indefinite(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut open) = (0_usize, 1_usize);
    loop {
        let Header { size, length, tag } = header(bytes.get(at..)?)?;
        match (tag, length) {
            (0, Some(0)) => {
                open -= 1;
                if open == 0 {
                    return Some(at);
                }
                at += size;
            }
            (_, Some(length)) => at = at.checked_add(size + length)?,
            (_, None) => {
                open += 1;
                at += size;
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn signed_content(der: Vec<u8>) -> Option<Vec<u8>> {
        let pieces = signed_pieces(&der)?;
        Some(joined(der, &pieces))
    }

    /// A signature with this content in so many pieces.
    pub(in crate::mime) fn signed(content: &[u8], pieces: usize) -> Vec<u8> {
        let pieces = content
            .chunks(content.len().div_ceil(pieces))
            .map(|piece| element(OCTET_STRING, piece));
        message(
            endless,
            SIGNED_DATA,
            &endless(OCTET_STRING | CONSTRUCTED, &pieces.collect::<Vec<_>>().concat()),
        )
    }

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82, length[0], length[1]], content].concat()
    }

    fn endless(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, 0x80], content, &[0, 0]].concat()
    }

    fn message(wrap: fn(u8, &[u8]) -> Vec<u8>, kind: &[u8], octets: &[u8]) -> Vec<u8> {
        let content = [element(OBJECT_IDENTIFIER, &[0x2A]), wrap(EXPLICIT, octets)].concat();
        let signed = [element(2, &[1]), element(0x31, &[]), wrap(SEQUENCE, &content)].concat();
        wrap(
            SEQUENCE,
            &[element(OBJECT_IDENTIFIER, kind), wrap(EXPLICIT, &wrap(SEQUENCE, &signed))].concat(),
        )
    }

    #[test]
    fn content_is_found_in_both_forms() {
        let octets = element(OCTET_STRING, b"text");
        assert_eq!(signed_content(message(element, SIGNED_DATA, &octets)).unwrap(), b"text");
        let pieces = endless(
            OCTET_STRING | CONSTRUCTED,
            &[element(OCTET_STRING, b"te"), element(OCTET_STRING, b"xt")].concat(),
        );
        assert_eq!(signed_content(message(endless, SIGNED_DATA, &pieces)).unwrap(), b"text");
    }

    #[test]
    fn anything_else_has_none() {
        let whole = message(element, SIGNED_DATA, &element(OCTET_STRING, b"text"));
        assert!(signed_content(message(element, &[0x2A], &element(OCTET_STRING, b"x"))).is_none());
        for length in 0..whole.len() {
            assert!(signed_content(whole[..length].to_vec()).is_none(), "cut at {length}");
        }
        assert!(signed_content(vec![0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]).is_none());
        assert!(signed_content([0x30, 0x80].repeat(100_000)).is_none());
    }
}
