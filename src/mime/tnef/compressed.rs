//! Compressed RTF ([MS-OXRTFCP]).

/// What the dictionary contains at the beginning ([MS-OXRTFCP] 2.1.2.1).
const DICTIONARY: &[u8; 207] =
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor \
    MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";
/// Size of the dictionary, in bytes.
const SIZE: usize = 4096;

/// The RTF, at most `limit` bytes of it. Its checksum and sizes are not compared: other programs write wrong ones. `None` when it is none.
pub(super) fn decompressed(data: &[u8], limit: usize) -> Option<Vec<u8>> {
    if data.starts_with(b"{\\rtf") {
        return Some(data[..data.len().min(limit)].to_vec());
    }
    let (header, content) = data.split_at_checked(16)?;
    let size = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    let size = usize::try_from(size).unwrap_or(usize::MAX).min(limit);
    match &header[8..12] {
        b"LZFu" => Some(expanded(content, size, limit)),
        b"MELA" => Some(content[..content.len().min(size)].to_vec()),
        _ => None,
    }
}

/// Undoes the compression. `size` is what the header says, and counts where no mark ends it.
fn expanded(content: &[u8], size: usize, limit: usize) -> Vec<u8> {
    let mut dictionary = [0_u8; SIZE];
    dictionary[..DICTIONARY.len()].copy_from_slice(DICTIONARY);
    let mut at = DICTIONARY.len();
    let mut out = Vec::new();
    let mut rest = content.iter().copied();
    while let Some(flags) = rest.next() {
        for bit in 0..8 {
            if out.len() >= limit {
                out.truncate(limit);
                return out;
            }
            let Some(first) = rest.next() else { break };
            if flags >> bit & 1 == 0 {
                dictionary[at] = first;
                at = (at + 1) % SIZE;
                out.push(first);
                continue;
            }
            let Some(second) = rest.next() else { break };
            let offset = usize::from(first) << 4 | usize::from(second >> 4);
            if offset == at {
                return out;
            }
            for step in 0..usize::from(second & 0x0F) + 2 {
                let byte = dictionary[(offset + step) % SIZE];
                dictionary[at] = byte;
                at = (at + 1) % SIZE;
                out.push(byte);
            }
        }
    }
    if size > 0 {
        out.truncate(size);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of [MS-OXRTFCP] 3.1 and 3.2.
    #[test]
    fn the_published_examples_are_expanded() {
        let simple = [
            0x2d, 0, 0, 0, 0x2b, 0, 0, 0, 0x4c, 0x5a, 0x46, 0x75, 0xf1, 0xc5, 0xc7, 0xa7, 0x03, 0, 0x0a, 0, 0x72, 0x63, 0x70, 0x67, 0x31,
            0x32, 0x35, 0x42, 0x32, 0x0a, 0xf3, 0x20, 0x68, 0x65, 0x6c, 0x09, 0, 0x20, 0x62, 0x77, 0x05, 0xb0, 0x6c, 0x64, 0x7d, 0x0a,
            0x80, 0x0f, 0xa0,
        ];
        let expected = b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n";
        assert_eq!(decompressed(&simple, 1_000).unwrap(), expected);
        assert_eq!(decompressed(&simple, 5).unwrap().len(), 5);
        let crossing = [
            0x1a, 0, 0, 0, 0x1c, 0, 0, 0, 0x4c, 0x5a, 0x46, 0x75, 0xe2, 0xd4, 0x4b, 0x51, 0x41, 0, 0x04, 0x20, 0x57, 0x58, 0x59, 0x5a,
            0x0d, 0x6e, 0x7d, 0x01, 0x0e, 0xb0,
        ];
        assert_eq!(decompressed(&crossing, 1_000).unwrap(), b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}");
        // Cut off, and with sizes that say nothing.
        for length in 16..simple.len() {
            let mut cut = simple[..length].to_vec();
            cut[4..8].copy_from_slice(&[0xFF; 4]);
            assert!(expected.starts_with(&decompressed(&cut, 1_000).unwrap()), "{length}");
        }
    }

    #[test]
    fn what_is_not_compressed_is_taken_as_it_is() {
        assert_eq!(decompressed(b"\x10\0\0\0\x02\0\0\0MELA\0\0\0\0{}xx", 10).unwrap(), b"{}");
        assert_eq!(decompressed(b"{\\rtf1 x}", 10).unwrap(), b"{\\rtf1 x}");
        assert_eq!(decompressed(b"\x10\0\0\0\x02\0\0\0XXXX\0\0\0\0{}xx", 10), None);
        assert_eq!(decompressed(b"LZFu", 10), None);
    }

    #[test]
    fn little_cannot_become_more_than_is_wanted() {
        let bomb = [b"\0\0\0\0\0\0\0\0LZFu\0\0\0\0".to_vec(), [0xFF, 0x11].repeat(1 << 20)].concat();
        assert!(decompressed(&bomb, 100_000).unwrap().len() <= 100_000);
    }
}
