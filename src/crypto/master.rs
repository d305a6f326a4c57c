//! The master key.

use std::fmt;

use aws_lc_rs::hkdf;
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroize;

use super::Secret;

/// The key of the installation, shared by its replicas. It encrypts nothing itself: keys for each use are derived from it by
/// HKDF-SHA256 (RFC 5869) with a label, so that none can be turned into another.
#[derive(Clone)]
pub struct MasterKey {
    bytes: Secret<[u8; 32]>,
    id: KeyId,
}

/// Identifies a master key without revealing anything: 8 bytes derived from the key, shown as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 8]);

impl MasterKey {
    /// A new random key.
    pub fn generate() -> Self {
        Self::of(Secret::new(random()))
    }

    /// The key with these bytes.
    #[cfg(any(test, feature = "testing"))]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self::of(Secret::new(bytes))
    }

    /// The key written in base64 with padding, white space around it allowed; `None` for anything else.
    pub fn from_text(text: &[u8]) -> Option<Self> {
        // One spare group: the decoder asks for room by the length of the text.
        let mut room = [0; 36];
        let bytes = match STANDARD.decode_slice(text.trim_ascii(), &mut room) {
            Ok(32) => room.first_chunk().copied().map(Secret::new),
            _ => None,
        };
        room.zeroize();
        bytes.map(Self::of)
    }

    /// Identifies this key.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Appends the key in base64 to `text`, 44 characters. The text should have room for it, since a buffer that grows leaves copies.
    pub(super) fn append_to(&self, text: &mut Vec<u8>) {
        let from = text.len();
        text.resize(from + TEXT_LEN, 0);
        let written = STANDARD.encode_slice(self.bytes.expose(), &mut text[from..]);
        debug_assert_eq!(written, Ok(TEXT_LEN), "32 bytes take 44 characters");
    }

    /// A key for one use. Different labels yield independent keys.
    pub(super) fn derive(&self, label: &str) -> Secret<[u8; 32]> {
        Secret::new(derive(&self.bytes, label))
    }

    fn of(bytes: Secret<[u8; 32]>) -> Self {
        let id = KeyId(derive(&bytes, "key id"));
        Self { bytes, id }
    }
}

/// Length of a key in base64.
pub(super) const TEXT_LEN: usize = 44;

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// A key for one use, derived from another.
pub(super) fn derive<const N: usize>(key: &Secret<[u8; 32]>, label: &str) -> [u8; N] {
    let mut derived = [0; N];
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"mailagent")
        .extract(key.expose())
        .expand(&[label.as_bytes()], Length(N))
        .and_then(|okm| okm.fill(&mut derived))
        .expect("HKDF-SHA256 gives up to 8,160 bytes");
    derived
}

/// Random bytes of the system.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("aws-lc ends the process itself when the system has no randomness");
    bytes
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_anything_that_is_no_key() {
        let key = STANDARD.encode([7; 32]);
        for good in [key.clone(), format!("{key}\n"), format!("  {key}\r\n")] {
            assert_eq!(
                MasterKey::from_text(good.as_bytes()).unwrap().id(),
                MasterKey::from_bytes([7; 32]).id()
            );
        }
        let long = STANDARD.encode([7; 33]);
        for bad in ["", "\n", &key[1..], &key[..40], &long, "not a key at all", &key.repeat(2)] {
            assert!(MasterKey::from_text(bad.as_bytes()).is_none(), "{bad:?}");
        }
        let mut written = Vec::new();
        MasterKey::from_bytes([7; 32]).append_to(&mut written);
        assert_eq!(written, key.as_bytes());
    }

    #[test]
    fn keys_for_different_uses_differ() {
        let key = MasterKey::from_bytes([1; 32]);
        assert_ne!(key.derive("a").expose(), key.derive("b").expose());
        assert_ne!(key.derive("a").expose(), MasterKey::from_bytes([2; 32]).derive("a").expose());
        // Changing the derivation would lock every installation out of its secrets.
        assert_eq!(format!("{key:?}"), "MasterKey(106f5d28b401b7d0)");
    }
}
