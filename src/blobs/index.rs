//! The container format, and the footer with the positions of its chunks.
//!
//! ```text
//! container = chunk* entry* trailer
//! entry     = stored: u32  check: u32                 one for each chunk
//! trailer   = size: u40  check: u16  version: u8      always the last 8 bytes
//! ```
//!
//! All numbers are little-endian. The raw bytes are split into chunks of [`CHUNK_BYTES`], the last one possibly shorter, none when there are
//! none. A chunk is one zstd frame (RFC 8878), or the raw bytes if that is not shorter. `stored` is its length in the container, with
//! the highest bit set for raw bytes. `check` of an entry is the first four bytes of the SHA-256 of the raw chunk. `size` is the length of all
//! raw bytes. `check` of the trailer is the first two bytes of the SHA-256 of all entries, `size` and `version`. The version is 1.
//!
//! So a message of one chunk is 16 bytes longer than its frame, an empty one takes 8 bytes, and 1 TiB is the limit.

use std::ops::Range;

use aws_lc_rs::digest;

/// Raw bytes in a chunk.
pub const CHUNK_BYTES: usize = 256 * 1024;

/// Limit of raw bytes of a container: 1 TiB less one.
pub const MAX_BYTES: u64 = (1 << 40) - 1;

/// Length of the trailer.
pub(super) const TRAILER_LEN: usize = 8;

const VERSION: u8 = 1;
const ENTRY_LEN: usize = 8;
const RAW: u32 = 1 << 31;

/// A container is damaged, or is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stored bytes are damaged: {0}")]
pub struct Corrupt(pub(super) &'static str);

/// Where a chunk is and how it was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// First byte in the container.
    pub start: u64,
    /// Bytes in the container.
    pub stored: u32,
    /// Whether these are the raw bytes.
    pub raw: bool,
    /// First bytes of the SHA-256 of the raw bytes.
    pub check: [u8; 4],
    /// Number of raw bytes.
    pub size: usize,
}

/// The footer of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Index {
    /// Number of raw bytes.
    pub size: u64,
    /// The chunks in order.
    pub chunks: Vec<Chunk>,
}

/// The content of the last bytes of a container.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trailer {
    size: u64,
    check: [u8; 2],
}

impl Trailer {
    /// Reads it from the last bytes of a container.
    pub fn read(tail: &[u8]) -> Result<Self, Corrupt> {
        let &[s0, s1, s2, s3, s4, c0, c1, version] = tail.last_chunk().ok_or(Corrupt("it is too short"))?;
        if version != VERSION {
            return Err(Corrupt("its version is unknown"));
        }
        Ok(Self {
            size: u64::from_le_bytes([s0, s1, s2, s3, s4, 0, 0, 0]),
            check: [c0, c1],
        })
    }

    fn chunk_count(self) -> u64 {
        self.size.div_ceil(CHUNK_BYTES as u64)
    }

    /// Length of the footer: all entries and the trailer.
    pub fn footer_len(self) -> u64 {
        self.chunk_count() * ENTRY_LEN as u64 + TRAILER_LEN as u64
    }
}

impl Index {
    /// Reads the footer of a container of `length` bytes. `footer` has exactly [`Trailer::footer_len`] bytes.
    pub fn read(trailer: Trailer, footer: &[u8], length: u64) -> Result<Self, Corrupt> {
        let entries = footer.len().checked_sub(TRAILER_LEN).and_then(|end| footer.get(..end));
        let entries = entries.ok_or(Corrupt("it is too short"))?;
        if trailer.check != check(entries, trailer.size) {
            return Err(Corrupt("its footer has changed"));
        }
        let mut chunks = Vec::with_capacity(entries.len() / ENTRY_LEN);
        let mut start = 0;
        let mut left = trailer.size;
        for entry in entries.as_chunks::<ENTRY_LEN>().0 {
            let &[l0, l1, l2, l3, check @ ..] = entry;
            let stored = u32::from_le_bytes([l0, l1, l2, l3]);
            let size = left.min(CHUNK_BYTES as u64);
            left -= size;
            chunks.push(Chunk {
                start,
                stored: stored & !RAW,
                raw: stored & RAW != 0,
                check,
                size: usize::try_from(size).expect("a chunk is small"),
            });
            start += u64::from(stored & !RAW);
        }
        if left != 0 || start + footer.len() as u64 != length {
            return Err(Corrupt("its length does not fit its footer"));
        }
        Ok(Self {
            size: trailer.size,
            chunks,
        })
    }

    /// Appends the footer to the chunks.
    pub fn write(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        for chunk in &self.chunks {
            let flag = if chunk.raw { RAW } else { 0 };
            out.extend_from_slice(&(chunk.stored | flag).to_le_bytes());
            out.extend_from_slice(&chunk.check);
        }
        let check = check(&out[begin..], self.size);
        out.extend_from_slice(&self.size.to_le_bytes()[..5]);
        out.extend_from_slice(&check);
        out.push(VERSION);
    }

    /// Raw bytes `offset..offset + length` as far as there are any, as the chunks that hold them and the part of these chunks' raw bytes.
    pub fn find(&self, offset: u64, length: u64) -> (Range<usize>, Range<usize>) {
        let end = offset.saturating_add(length).min(self.size);
        if offset >= end {
            return (0..0, 0..0);
        }
        let chunk = CHUNK_BYTES as u64;
        let first = offset / chunk;
        let small = |n: u64| usize::try_from(n).expect("chunks that are in memory can be counted");
        let within = small(offset - first * chunk)..small(end - first * chunk);
        (small(first)..small(end.div_ceil(chunk)), within)
    }
}

fn check(entries: &[u8], size: u64) -> [u8; 2] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(entries);
    context.update(&size.to_le_bytes()[..5]);
    context.update(&[VERSION]);
    prefix(context.finish().as_ref())
}

/// The first bytes of a digest.
pub(super) fn prefix<const N: usize>(digest: &[u8]) -> [u8; N] {
    *digest.first_chunk().expect("SHA-256 has 32 bytes")
}
