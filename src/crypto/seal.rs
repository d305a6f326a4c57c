//! Positions for callers: cursors and page tokens.
//!
//! A sealed position is base64url without padding of `version (1 byte) | tag (16) | payload`. The tag is HMAC-SHA256 (RFC 2104), cut to
//! 16 bytes, with a key of its own for each purpose and tenant. The payload can be read by the caller but not made or changed.
//!
//! What must also be unreadable (whatever passes through browsers and third-party servers) is concealed: AES-256-GCM with a random
//! nonce, in base64url, under a key that is derived from the same root.

use aws_lc_rs::{constant_time, hmac};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{DataKey, Place, Secret};

use crate::domain::TenantId;

const VERSION: u8 = 1;
const TAG_LEN: usize = 16;
const HEAD_LEN: usize = 1 + TAG_LEN;

/// Payloads up to this many bytes are sealed without allocating anything but the result.
const SMALL: usize = 128 - HEAD_LEN;

/// What the concealing key is derived for. No sealer is bound like this: their contexts begin with [`VERSION`].
const CONCEALING: &[u8] = b"concealing";

/// Longest sealed text that is accepted, in bytes.
pub const MAX_SEALED_BYTES: usize = 4 * 1024;

/// Longest concealed text that is accepted, in bytes.
pub const MAX_CONCEALED_BYTES: usize = 32 * 1024;

/// Why a position is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It is not such a text, or longer than [`MAX_SEALED_BYTES`].
    #[error("malformed")]
    Malformed,
    /// It has a version that is unknown to this release.
    #[error("of the unknown version {0}")]
    Version(u8),
    /// It was created for another purpose or tenant, by another installation, or modified.
    #[error("not made by this service for this purpose")]
    Foreign,
}

/// Seals positions with a key of the installation, so all replicas accept each other's.
#[derive(Clone)]
pub struct Sealer {
    root: hmac::Key,
}

/// A [`Sealer`] for one purpose and tenant, which is faster: make one for each stream.
#[derive(Clone)]
pub struct BoundSealer {
    key: hmac::Key,
}

impl Sealer {
    /// A sealer with this key, which must be used for nothing else. Positions are valid as long as it, so it must outlive master keys.
    pub fn new(key: &DataKey) -> Self {
        Self {
            root: hmac::Key::new(hmac::HMAC_SHA256, key.bytes()),
        }
    }

    /// The sealer for one purpose (a constant, such as `watch.matches`) and tenant.
    pub fn bind(&self, purpose: &str, tenant: &TenantId) -> BoundSealer {
        let mut context = hmac::Context::with_key(&self.root);
        context.update(&[VERSION]);
        // The length first, so that no two pairs of purpose and tenant are encoded alike.
        context.update(&(purpose.len() as u64).to_be_bytes());
        context.update(purpose.as_bytes());
        context.update(tenant.as_str().as_bytes());
        BoundSealer {
            key: hmac::Key::new(hmac::HMAC_SHA256, context.sign().as_ref()),
        }
    }

    /// Seals one payload; see [`BoundSealer::seal`].
    pub fn seal(&self, purpose: &str, tenant: &TenantId, payload: &[u8]) -> String {
        self.bind(purpose, tenant).seal(payload)
    }

    /// Opens one text; see [`BoundSealer::open`].
    ///
    /// # Errors
    /// [`SealError`].
    pub fn open(&self, purpose: &str, tenant: &TenantId, text: &str) -> Result<Vec<u8>, SealError> {
        self.bind(purpose, tenant).open(text)
    }

    /// A text for a payload that nobody else can create, modify or read; a different one each time. Only its length is visible. Payloads beyond
    /// some 24,000 bytes give texts that are longer than the most that is opened and cannot be revealed.
    pub fn conceal(&self, purpose: &str, payload: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.concealing_key().seal(payload, &TenantId::from(""), concealed(purpose)))
    }

    /// The payload of a text that was concealed for this purpose.
    ///
    /// # Errors
    /// [`SealError::Malformed`] and [`SealError::Foreign`].
    pub fn reveal(&self, purpose: &str, text: &str) -> Result<Secret<Vec<u8>>, SealError> {
        if text.len() > MAX_CONCEALED_BYTES {
            return Err(SealError::Malformed);
        }
        let sealed = URL_SAFE_NO_PAD.decode(text).map_err(|_| SealError::Malformed)?;
        let opened = self.concealing_key().open(&sealed, &TenantId::from(""), concealed(purpose));
        opened.map_err(|_| SealError::Foreign)
    }

    fn concealing_key(&self) -> DataKey {
        let tag = hmac::sign(&self.root, CONCEALING);
        let bytes = tag.as_ref().try_into().expect("HMAC-SHA256 gives 32 bytes");
        DataKey::of(Secret::new(bytes))
    }
}

/// Where a concealed payload belongs.
fn concealed(purpose: &str) -> Place<'_> {
    Place {
        table: purpose,
        row: "",
        column: "",
    }
}

impl BoundSealer {
    /// The text for a payload: the same for the same payload. About a third longer than the payload, plus 23 characters. Payloads beyond
    /// some 3,000 bytes give texts that are longer than [`MAX_SEALED_BYTES`] and do not open.
    pub fn seal(&self, payload: &[u8]) -> String {
        let tag = hmac::sign(&self.key, payload);
        let mut small = [0; HEAD_LEN + SMALL];
        let mut large = Vec::new();
        let sealed = if payload.len() <= SMALL {
            &mut small[..HEAD_LEN + payload.len()]
        } else {
            large.resize(HEAD_LEN + payload.len(), 0);
            large.as_mut_slice()
        };
        sealed[0] = VERSION;
        sealed[1..HEAD_LEN].copy_from_slice(&tag.as_ref()[..TAG_LEN]);
        sealed[HEAD_LEN..].copy_from_slice(payload);
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// The payload of a text that was sealed for this purpose and tenant.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn open(&self, text: &str) -> Result<Vec<u8>, SealError> {
        if text.len() > MAX_SEALED_BYTES {
            return Err(SealError::Malformed);
        }
        let mut sealed = URL_SAFE_NO_PAD.decode(text).map_err(|_| SealError::Malformed)?;
        let Some((&[version, ref tag @ ..], payload)) = sealed.split_first_chunk::<HEAD_LEN>() else {
            return Err(SealError::Malformed);
        };
        if version != VERSION {
            return Err(SealError::Version(version));
        }
        let expected = hmac::sign(&self.key, payload);
        constant_time::verify_slices_are_equal(&expected.as_ref()[..TAG_LEN], tag).map_err(|_| SealError::Foreign)?;
        sealed.drain(..HEAD_LEN);
        Ok(sealed)
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer([secret])")
    }
}

impl std::fmt::Debug for BoundSealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BoundSealer([secret])")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::MasterKey;

    fn sealer(byte: u8) -> Sealer {
        Sealer::new(&MasterKey::from_bytes([byte; 32]).first_sealing_key())
    }

    #[test]
    fn what_is_concealed_cannot_be_read_or_changed() {
        let here = sealer(1);
        let text = here.conceal("login", b"acme/01J");
        assert_ne!(text, here.conceal("login", b"acme/01J"), "each is another");
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        assert!(!bytes.windows(4).any(|window| window == b"acme"), "{bytes:?}");
        assert_eq!(here.reveal("login", &text).unwrap().expose(), b"acme/01J");
        assert_eq!(here.reveal("other", &text).unwrap_err(), SealError::Foreign);
        assert_eq!(sealer(2).reveal("login", &text).unwrap_err(), SealError::Foreign);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(here.reveal("login", &URL_SAFE_NO_PAD.encode(changed)).is_err(), "byte {at}");
        }
        for rubbish in ["", "!", "AAAA"] {
            assert!(here.reveal("login", rubbish).is_err(), "{rubbish}");
        }
        let long = "A".repeat(MAX_CONCEALED_BYTES + 4);
        assert_eq!(here.reveal("login", &long).unwrap_err(), SealError::Malformed);
    }

    #[test]
    fn opens_for_its_purpose_and_tenant_only() {
        let here = sealer(1);
        let text = here.seal("watch", &"acme".into(), b"0123456789abcdef");
        assert_eq!(text.len(), 44);
        // A replica with the same key.
        assert_eq!(sealer(1).open("watch", &"acme".into(), &text).unwrap(), b"0123456789abcdef");
        for (purpose, tenant) in [("list", "acme"), ("watch", "other"), ("watchacme", ""), ("watch", ""), ("", "acme")] {
            assert_eq!(
                here.open(purpose, &tenant.into(), &text),
                Err(SealError::Foreign),
                "{purpose} {tenant}"
            );
        }
        assert_eq!(sealer(2).open("watch", &"acme".into(), &text), Err(SealError::Foreign));
    }

    #[test]
    fn says_what_is_wrong() {
        let bound = sealer(1).bind("watch", &"acme".into());
        let text = bound.seal(b"7");
        for malformed in [
            "",
            "EARLIEST",
            "A",
            "\u{e4}",
            &text[..20],
            &format!("{text}="),
            &format!("{text} "),
            &"A".repeat(MAX_SEALED_BYTES + 1),
        ] {
            assert_eq!(bound.open(malformed), Err(SealError::Malformed), "{malformed:?}");
        }
        let mut newer = URL_SAFE_NO_PAD.decode(&text).unwrap();
        newer[0] = 2;
        assert_eq!(bound.open(&URL_SAFE_NO_PAD.encode(newer)), Err(SealError::Version(2)));
        // Texts that callers have stored must still open in the next release.
        assert_eq!(text, "AZqYGjYmMX5E_1cKmwJEh0g3");
    }

    proptest! {
        #[test]
        fn seal_and_open_is_identity_and_no_character_may_change(
            payload in prop::collection::vec(any::<u8>(), 0..400),
            at in any::<prop::sample::Index>(),
            with in "[A-Za-z0-9_-]",
        ) {
            let bound = sealer(1).bind("watch", &"acme".into());
            let text = bound.seal(&payload);
            prop_assert_eq!(bound.open(&text).unwrap(), payload);
            let at = at.index(text.len());
            let mut changed = text.clone();
            changed.replace_range(at..=at, &with);
            prop_assert_eq!(bound.open(&changed).is_ok(), changed == text);
        }

        #[test]
        fn rubbish_is_refused(text in any::<String>()) {
            prop_assert!(sealer(1).open("watch", &"acme".into(), &text).is_err());
        }
    }
}
