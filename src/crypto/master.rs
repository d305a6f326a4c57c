//! The master key.

use std::{fmt, path::Path};

use aws_lc_rs::hkdf;
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroize;

use super::{KeyFileError, Secret, keyfile};

/// What a key file must hold, as `openssl rand -base64 32` prints it.
const EXPECTED: &str = "32 random bytes in base64";

/// The key of the installation, shared by its replicas. It encrypts nothing itself: keys for each use are derived from it by
/// HKDF-SHA256 (RFC 5869) with a label, so that none can be turned into another.
#[derive(Clone)]
pub struct MasterKey {
    bytes: Secret<[u8; 32]>,
    id: KeyId,
}

/// Tells master keys apart without giving anything away: 8 bytes derived from the key, shown as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 8]);

impl MasterKey {
    /// The key in the file at `path` (base64, white space around it allowed); a new random one when there is no file.
    ///
    /// The file is made atomically with mode 0600, and processes that race for it end with the same key.
    ///
    /// # Errors
    /// [`KeyFileError`] when the file cannot be read or made, is open to other users, or holds no key.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyFileError> {
        let content = keyfile::load_or_create(path, || {
            let mut text = vec![0; 45];
            let written = STANDARD.encode_slice(Secret::<[u8; 32]>::new(random()).expose(), &mut text);
            debug_assert_eq!(written, Ok(44), "32 bytes take 44 characters");
            text[44] = b'\n';
            Secret::new(text)
        })?;
        Self::from_text(content.expose()).ok_or_else(|| KeyFileError::Damaged {
            path: path.to_owned(),
            expected: EXPECTED,
        })
    }

    /// A new random key that is nowhere stored.
    pub fn generate() -> Self {
        Self::of(Secret::new(random()))
    }

    /// The key with these bytes.
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

    /// Tells this key apart from others.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// A key for one use. Different labels give independent keys.
    pub(super) fn derive(&self, label: &str) -> Secret<[u8; 32]> {
        Secret::new(derive(&self.bytes, label))
    }

    fn of(bytes: Secret<[u8; 32]>) -> Self {
        let id = KeyId(derive(&bytes, "key id"));
        Self { bytes, id }
    }
}

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
    fn comes_back_from_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        let made = MasterKey::load_or_create(&path).unwrap();
        let again = MasterKey::load_or_create(&path).unwrap();
        assert_eq!(made.id(), again.id());
        assert_eq!(made.derive("x").expose(), again.derive("x").expose());
        assert_ne!(made.id(), MasterKey::load_or_create(&dir.path().join("other")).unwrap().id());
    }

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
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        keyfile::load_or_create(&path, || Secret::new(b"rubbish".to_vec())).unwrap();
        let error = MasterKey::load_or_create(&path).unwrap_err();
        assert!(
            error.to_string().contains("damaged: it must hold 32 random bytes in base64"),
            "{error}"
        );
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
