//! Packing and unpacking containers in memory. The format is described in [`super::index`].

use std::cell::RefCell;

use aws_lc_rs::digest;
use bytes::Bytes;
use zstd::bulk::{Compressor, Decompressor};

use super::index::{CHUNK_BYTES, Chunk, Corrupt, Index, MAX_BYTES, Trailer, prefix};

/// Level of zstd: the last one that is fast.
const LEVEL: i32 = 3;

/// Raw bytes made ready for a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// SHA-256 of the raw bytes.
    pub hash: [u8; 32],
    /// Number of raw bytes.
    pub size: u64,
    /// The container.
    pub data: Bytes,
}

/// Packs raw bytes, at most [`MAX_BYTES`], into a container. The same bytes give the same container in one release.
pub fn pack(raw: &[u8]) -> Packed {
    pack_at(raw, LEVEL)
}

/// As [`pack`], with a level of zstd from 1 (fast) to 22 (small); others count as the nearest.
pub fn pack_at(raw: &[u8], level: i32) -> Packed {
    let size = raw.len() as u64;
    assert!(size <= MAX_BYTES, "no message is a tebibyte long");
    let hash = sha256(raw);
    let mut index = Index {
        size,
        chunks: Vec::with_capacity(raw.len().div_ceil(CHUNK_BYTES)),
    };
    let mut data = Vec::with_capacity(raw.len() / 2 + 64);
    CODEC.with_borrow_mut(|codec| {
        for chunk in raw.chunks(CHUNK_BYTES) {
            // A chunk that is alone has the hash of all.
            let digest = if raw.len() <= CHUNK_BYTES { hash } else { sha256(chunk) };
            let compressed = codec.compress(chunk, level);
            let stored = compressed.unwrap_or(chunk);
            index.chunks.push(Chunk {
                start: data.len() as u64,
                stored: u32::try_from(stored.len()).expect("a chunk is small"),
                raw: compressed.is_none(),
                check: prefix(&digest),
                size: chunk.len(),
            });
            data.extend_from_slice(stored);
        }
    });
    index.write(&mut data);
    Packed {
        hash,
        size,
        data: data.into(),
    }
}

/// All raw bytes of a container.
///
/// # Errors
/// [`Corrupt`] when it is not as it was written.
pub fn unpack(container: &[u8]) -> Result<Vec<u8>, Corrupt> {
    Container::open(container)?.read_all()
}

/// A container in memory.
#[derive(Clone, Debug)]
pub struct Container<'a> {
    data: &'a [u8],
    index: Index,
}

impl<'a> Container<'a> {
    /// Reads the footer.
    ///
    /// # Errors
    /// [`Corrupt`] when this is no container, or its footer or length has changed.
    pub fn open(data: &'a [u8]) -> Result<Self, Corrupt> {
        let trailer = Trailer::read(data)?;
        let begin = (data.len() as u64).checked_sub(trailer.footer_len());
        let begin = begin.ok_or(Corrupt("it is too short"))?;
        let begin = usize::try_from(begin).expect("a position in a slice");
        let index = Index::read(trailer, &data[begin..], data.len() as u64)?;
        Ok(Self { data, index })
    }

    /// Number of raw bytes.
    #[cfg(test)]
    pub fn size(&self) -> u64 {
        self.index.size
    }

    /// All raw bytes.
    ///
    /// # Errors
    /// [`Corrupt`] when a chunk has changed.
    pub fn read_all(&self) -> Result<Vec<u8>, Corrupt> {
        self.read_range(0, self.index.size)
    }

    /// The raw bytes `offset..offset + length` as far as there are any. Only the chunks that hold them are looked at.
    ///
    /// # Errors
    /// [`Corrupt`] when one of these chunks has changed.
    pub fn read_range(&self, offset: u64, length: u64) -> Result<Vec<u8>, Corrupt> {
        let (chunks, within) = self.index.find(offset, length);
        let mut raw = Vec::with_capacity(within.len());
        let mut first = true;
        let mut left = within.end;
        for chunk in &self.index.chunks[chunks] {
            let start = usize::try_from(chunk.start).expect("within the slice");
            let content = decode(chunk, &self.data[start..start + chunk.stored as usize])?;
            let from = if std::mem::take(&mut first) { within.start } else { 0 };
            raw.extend_from_slice(&content[from..left.min(content.len())]);
            left = left.saturating_sub(content.len());
        }
        Ok(raw)
    }

    /// Whether all raw bytes can be read and have this SHA-256.
    ///
    /// # Errors
    /// [`Corrupt`] when not.
    #[cfg(test)]
    pub fn verify(&self, hash: &[u8; 32]) -> Result<(), Corrupt> {
        let mut context = digest::Context::new(&digest::SHA256);
        for chunk in 0..self.index.chunks.len() as u64 {
            context.update(&self.read_range(chunk * CHUNK_BYTES as u64, CHUNK_BYTES as u64)?);
        }
        if context.finish().as_ref() == hash {
            Ok(())
        } else {
            Err(Corrupt("its content has another hash"))
        }
    }
}

/// The raw bytes of a chunk that is stored as `stored`.
pub(super) fn decode(chunk: &Chunk, stored: &[u8]) -> Result<Vec<u8>, Corrupt> {
    let raw = if chunk.raw {
        stored.to_vec()
    } else {
        CODEC.with_borrow_mut(|codec| codec.decompress(stored, chunk.size))?
    };
    if raw.len() != chunk.size || prefix(&sha256(&raw)) != chunk.check {
        return Err(Corrupt("a chunk has changed"));
    }
    Ok(raw)
}

thread_local! {
    /// Making these takes longer than compressing a small message.
    static CODEC: RefCell<Codec> = const { RefCell::new(Codec::new()) };
}

/// The compressor and decompressor of a thread.
struct Codec {
    compressor: Option<(i32, Compressor<'static>)>,
    decompressor: Option<Decompressor<'static>>,
    buffer: Vec<u8>,
}

impl Codec {
    const fn new() -> Self {
        Self {
            compressor: None,
            decompressor: None,
            buffer: Vec::new(),
        }
    }

    /// The chunk compressed; `None` where that is no shorter, or where there is no memory for it.
    fn compress(&mut self, chunk: &[u8], level: i32) -> Option<&[u8]> {
        let level = level.clamp(1, 22);
        if self.compressor.as_ref().is_none_or(|(other, _)| *other != level) {
            self.compressor = Some((level, Compressor::new(level).ok()?));
        }
        let (_, compressor) = self.compressor.as_mut()?;
        self.buffer.clear();
        self.buffer.reserve(zstd::zstd_safe::compress_bound(chunk.len()));
        compressor.compress_to_buffer(chunk, &mut self.buffer).ok()?;
        (self.buffer.len() < chunk.len()).then_some(self.buffer.as_slice())
    }

    /// The reverse, for a chunk of at most `size` raw bytes.
    fn decompress(&mut self, stored: &[u8], size: usize) -> Result<Vec<u8>, Corrupt> {
        let decompressor = match &mut self.decompressor {
            Some(decompressor) => decompressor,
            none => none.insert(Decompressor::new().map_err(|_| Corrupt("there is no memory to read it"))?),
        };
        let mut raw = Vec::with_capacity(size);
        decompressor
            .decompress_to_buffer(stored, &mut raw)
            .map_err(|_| Corrupt("a chunk cannot be decompressed"))?;
        Ok(raw)
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    prefix(digest::digest(&digest::SHA256, bytes).as_ref())
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;

    /// Bytes of any length around the limits of chunks, from hardly to not at all compressible.
    pub(in crate::blobs) fn raw_bytes() -> impl Strategy<Value = Vec<u8>> {
        let length = prop_oneof![0..40_usize, 0..5_000_usize, CHUNK_BYTES - 2..CHUNK_BYTES + 3, 0..3 * CHUNK_BYTES];
        (length, any::<u64>(), 0..=255_u8).prop_map(|(length, seed, mask)| {
            let mut random = fastrand::Rng::with_seed(seed);
            (0..length).map(|_| random.u8(..) & mask).collect()
        })
    }

    #[test]
    fn small_messages_have_small_overhead() {
        let mut random = fastrand::Rng::with_seed(1);
        for (length, overhead) in [(0, 8), (1, 16), (100, 16), (CHUNK_BYTES, 16), (CHUNK_BYTES + 1, 24)] {
            let raw: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
            let packed = pack(&raw);
            assert_eq!(packed.data.len(), length + overhead, "incompressible bytes are stored raw");
            assert_eq!(unpack(&packed.data).unwrap(), raw);
        }
        let text = "Received: from mail.example by mx.example\r\n".repeat(50);
        assert!(pack(text.as_bytes()).data.len() < 100);
    }

    #[test]
    fn the_format_stays() {
        // Written by hand from the description of the format.
        let mut container = b"abc".to_vec();
        container.extend_from_slice(&[3, 0, 0, 0x80]);
        // printf abc | sha256sum
        container.extend_from_slice(&[0xba, 0x78, 0x16, 0xbf]);
        let mut checked = container[3..].to_vec();
        checked.extend_from_slice(&[3, 0, 0, 0, 0, 1]);
        container.extend_from_slice(&[3, 0, 0, 0, 0]);
        container.extend_from_slice(&sha256(&checked)[..2]);
        container.push(1);
        assert_eq!(unpack(&container).unwrap(), b"abc");
        assert_eq!(pack(b"abc").data, container);
    }

    #[test]
    fn no_bit_may_flip() {
        let mut random = fastrand::Rng::with_seed(2);
        let long: Vec<u8> = (0..CHUNK_BYTES + 50).map(|at| if at < 20 { random.u8(..) } else { b'a' }).collect();
        for raw in [b"".as_slice(), b"abc", "text ".repeat(20).as_bytes(), &long] {
            let packed = pack(raw);
            for bit in 0..packed.data.len() * 8 {
                let mut changed = packed.data.to_vec();
                changed[bit / 8] ^= 1 << (bit % 8);
                match unpack(&changed) {
                    Err(_) => {}
                    // Some bits of a zstd frame do not matter, such as the reserved ones of its header.
                    Ok(read) => assert_eq!(read, raw, "bit {bit}"),
                }
            }
            for length in 0..packed.data.len() {
                assert!(unpack(&packed.data[..length]).is_err(), "cut at {length}");
            }
        }
    }

    #[test]
    fn a_promise_of_much_takes_no_memory() {
        let mut container = vec![0; 64];
        container.extend_from_slice(&[255, 255, 255, 255, 255, 0, 0, 1]);
        assert_eq!(unpack(&container), Err(Corrupt("it is too short")));
        assert_eq!(unpack(&[]), Err(Corrupt("it is too short")));
        assert_eq!(unpack(&[0, 0, 0, 0, 0, 0, 0, 2]), Err(Corrupt("its version is unknown")));
    }

    #[test]
    fn verify_knows_the_hash() {
        let raw = vec![7; 2 * CHUNK_BYTES + 7];
        let packed = pack(&raw);
        let container = Container::open(&packed.data).unwrap();
        assert_eq!(container.verify(&packed.hash), Ok(()));
        assert_eq!(container.verify(&[0; 32]), Err(Corrupt("its content has another hash")));
        let mut changed = packed.data.to_vec();
        changed[20] ^= 1;
        assert!(Container::open(&changed).unwrap().verify(&packed.hash).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn pack_and_read_is_identity(raw in raw_bytes(), level in -5..12_i32) {
            let packed = pack_at(&raw, level);
            prop_assert_eq!(packed.size, raw.len() as u64);
            prop_assert_eq!(packed.hash, sha256(&raw));
            let container = Container::open(&packed.data).unwrap();
            prop_assert_eq!(container.size(), raw.len() as u64);
            prop_assert!(container.read_all().unwrap() == raw);
            prop_assert_eq!(container.verify(&packed.hash), Ok(()));
        }

        #[test]
        fn any_ranges_add_up(raw in raw_bytes(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
            let packed = pack(&raw);
            let container = Container::open(&packed.data).unwrap();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(raw.len() + 1)).collect();
            cuts.extend([0, raw.len()]);
            cuts.sort_unstable();
            let mut sum = Vec::new();
            for pair in cuts.windows(2) {
                sum.extend(container.read_range(pair[0] as u64, (pair[1] - pair[0]) as u64).unwrap());
            }
            prop_assert!(sum == raw);
            for (offset, length) in [(raw.len() as u64, 1), (u64::MAX, u64::MAX), (0, 0)] {
                prop_assert_eq!(container.read_range(offset, length).unwrap(), b"");
            }
            let last = raw.len().saturating_sub(3);
            prop_assert_eq!(container.read_range(last as u64, u64::MAX).unwrap(), &raw[last..]);
        }

        #[test]
        fn rubbish_never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..200), size in any::<u8>()) {
            // A plausible trailer, so that more than its check is reached.
            bytes.extend_from_slice(&[size, 0, 0, 0, 0]);
            let entries = bytes.len().saturating_sub(13).min(bytes.len() - 5);
            let mut checked = bytes[entries..bytes.len() - 5].to_vec();
            checked.extend_from_slice(&[size, 0, 0, 0, 0, 1]);
            bytes.extend_from_slice(&sha256(&checked)[..2]);
            bytes.push(1);
            if let Ok(raw) = unpack(&bytes) {
                prop_assert_eq!(raw.len(), usize::from(size));
            }
        }
    }

    #[test]
    fn the_corpus_comes_back_byte_for_byte() {
        let folder = std::env::var_os("MAILAGENT_CORPUS")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"), PathBuf::from);
        if !folder.is_dir() {
            println!("skipped: there is no corpus at {}", folder.display());
            return;
        }
        let mut folders = vec![folder];
        let (mut files, mut raw_bytes, mut packed_bytes) = (0_u64, 0_u64, 0_u64);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                    continue;
                }
                let Ok(raw) = std::fs::read(entry.path()) else { continue };
                let packed = pack(&raw);
                assert!(unpack(&packed.data).unwrap() == raw, "{}", entry.path().display());
                files += 1;
                raw_bytes += packed.size;
                packed_bytes += packed.data.len() as u64;
            }
        }
        println!("{files} files, {raw_bytes} bytes, packed {packed_bytes}");
        assert!(files > 0);
    }
}
