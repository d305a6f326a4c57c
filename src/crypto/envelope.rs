//! Envelope encryption: a data key per tenant, wrapped by the master key, seals single values of single rows.
//!
//! A sealed value is `version (1 byte) | nonce (12) | ciphertext | tag (16)`, AES-256-GCM (NIST SP 800-38D) with a random nonce. A
//! wrapped key is `version (1) | id of the master key (8) | nonce (12) | ciphertext (32) | tag (16)`. The owner of a value is
//! associated data, so a value copied to another row, column or tenant cannot be decrypted.

use aws_lc_rs::{
    aead::{self, AES_256_GCM, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    constant_time, hmac,
};
use zeroize::Zeroize;

use super::{
    KeyId, MasterKey, Secret,
    master::{self, derive},
};

use crate::domain::TenantId;

const VERSION: u8 = 1;
const TAG_LEN: usize = 16;
const KEY_ID_LEN: usize = 8;

/// The place of a tenant's sealed value: it can be opened nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The table.
    pub table: &'a str,
    /// The id of the row.
    pub row: &'a str,
    /// The column.
    pub column: &'a str,
}

/// Why sealed bytes do not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// They have a version that is unknown to this release.
    #[error("the sealed value has the unknown version {0}; a newer release may have written it")]
    Version(u8),
    /// They were wrapped by a master key that is not available.
    #[error("the data key was wrapped by the master key {0}, which is not available")]
    UnknownMasterKey(KeyId),
    /// They were modified, truncated, sealed with another data key, or belong to another row, column or tenant.
    #[error("the sealed value is damaged or belongs elsewhere")]
    Damaged,
}

/// The key of a tenant's secrets. One key may seal some 2³² values before random nonces become a risk.
pub struct DataKey {
    bytes: Secret<[u8; 32]>,
    key: LessSafeKey,
}

impl DataKey {
    /// A new random key.
    pub fn generate() -> Self {
        Self::of(Secret::new(master::random()))
    }

    /// Seals a value for one place of one tenant. The result is 29 bytes longer than the value.
    pub fn seal(&self, plaintext: &[u8], tenant: &TenantId, place: Place<'_>) -> Vec<u8> {
        seal(&self.key, &[VERSION], plaintext, &place.bytes(tenant))
    }

    /// The value that was sealed for this place.
    ///
    /// # Errors
    /// [`OpenError::Version`] and [`OpenError::Damaged`].
    pub fn open(&self, sealed: &[u8], tenant: &TenantId, place: Place<'_>) -> Result<Secret<Vec<u8>>, OpenError> {
        let (&version, sealed) = sealed.split_first().ok_or(OpenError::Damaged)?;
        if version != VERSION {
            return Err(OpenError::Version(version));
        }
        open(&self.key, &[VERSION], sealed, &place.bytes(tenant))
    }

    /// Identifies contents without revealing anything about them: 32 bytes, the same for the same parts, HMAC-SHA256 under a key that
    /// only this data key yields. Whoever reads the database cannot test guesses against it.
    pub fn fingerprint(&self, parts: &[&[u8]]) -> Vec<u8> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &derive::<32>(&self.bytes, "fingerprint"));
        let mut context = hmac::Context::with_key(&key);
        for part in parts {
            // The length first, so that no two lists of parts are encoded alike.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        context.sign().as_ref().to_vec()
    }

    /// Whether both are the same key, in constant time.
    pub fn same_as(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(self.bytes.expose(), other.bytes.expose()).is_ok()
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        self.bytes.expose()
    }

    pub(super) fn of(bytes: Secret<[u8; 32]>) -> Self {
        let key = aead_key(&bytes);
        Self { bytes, key }
    }
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey([secret])")
    }
}

impl MasterKey {
    /// Wraps a tenant's data key for storage, in 69 bytes.
    pub fn wrap(&self, data_key: &DataKey, tenant: &TenantId) -> Vec<u8> {
        let mut head = vec![VERSION];
        head.extend_from_slice(&self.id().0);
        seal(&self.wrapping_key(), &head, data_key.bytes.expose(), tenant.as_str().as_bytes())
    }

    /// The data key that was wrapped for this tenant.
    ///
    /// # Errors
    /// [`OpenError`]; [`OpenError::UnknownMasterKey`] names the key that is needed.
    pub fn unwrap(&self, wrapped: &[u8], tenant: &TenantId) -> Result<DataKey, OpenError> {
        let found = wrapped_by(wrapped)?;
        if found != self.id() {
            return Err(OpenError::UnknownMasterKey(found));
        }
        let (head, sealed) = wrapped.split_at(1 + KEY_ID_LEN);
        let bytes = open(&self.wrapping_key(), head, sealed, tenant.as_str().as_bytes())?;
        let bytes: [u8; 32] = bytes.expose().as_slice().try_into().map_err(|_| OpenError::Damaged)?;
        Ok(DataKey::of(Secret::new(bytes)))
    }

    /// The key that sealed positions before they had one of their own: an installation that began with it continues to accept them.
    pub fn first_sealing_key(&self) -> DataKey {
        DataKey::of(self.derive("sealed positions"))
    }

    fn wrapping_key(&self) -> LessSafeKey {
        aead_key(&self.derive("data key wrapping"))
    }
}

/// Which master key wrapped these bytes.
///
/// # Errors
/// [`OpenError::Version`] and [`OpenError::Damaged`].
pub fn wrapped_by(wrapped: &[u8]) -> Result<KeyId, OpenError> {
    let (&version, rest) = wrapped.split_first().ok_or(OpenError::Damaged)?;
    if version != VERSION {
        return Err(OpenError::Version(version));
    }
    rest.first_chunk().copied().map(KeyId).ok_or(OpenError::Damaged)
}

impl Place<'_> {
    /// Every part after its length, so that no two places yield the same bytes.
    fn bytes(self, tenant: &TenantId) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(96);
        for part in [tenant.as_str(), self.table, self.row, self.column] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

fn aead_key(bytes: &Secret<[u8; 32]>) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes.expose()).expect("AES-256 takes any 32 bytes"))
}

/// `head | nonce | ciphertext | tag`, where `head` is authenticated too.
fn seal(key: &LessSafeKey, head: &[u8], plaintext: &[u8], place: &[u8]) -> Vec<u8> {
    let nonce: [u8; NONCE_LEN] = master::random();
    // Room for all from the start: a buffer that grows would leave copies of the plaintext behind.
    let mut out = Vec::with_capacity(head.len() + NONCE_LEN + plaintext.len() + TAG_LEN);
    out.extend_from_slice(head);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(plaintext);
    let tag = key
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            aead::Aad::from([head, place].concat()),
            &mut out[head.len() + NONCE_LEN..],
        )
        .expect("AES-GCM takes any plaintext below 64 GiB");
    out.extend_from_slice(tag.as_ref());
    out
}

/// The reverse of [`seal`], with `sealed` being what follows `head`.
fn open(key: &LessSafeKey, head: &[u8], sealed: &[u8], place: &[u8]) -> Result<Secret<Vec<u8>>, OpenError> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(OpenError::Damaged)?;
    let mut buffer = sealed.to_vec();
    let opened = key.open_in_place(
        Nonce::assume_unique_for_key(*nonce),
        aead::Aad::from([head, place].concat()),
        &mut buffer,
    );
    match opened.map(|plaintext| plaintext.len()) {
        Ok(length) => {
            buffer.truncate(length);
            Ok(Secret::new(buffer))
        }
        Err(_) => {
            buffer.zeroize();
            Err(OpenError::Damaged)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACE: Place<'static> = Place {
        table: "agent",
        row: "01J",
        column: "password",
    };

    #[test]
    fn opens_only_where_it_belongs() {
        let key = DataKey::generate();
        let sealed = key.seal(b"hunter2", &"acme".into(), PLACE);
        assert_eq!(sealed.len(), 7 + 29);
        assert_eq!(key.open(&sealed, &"acme".into(), PLACE).unwrap().expose(), b"hunter2");
        assert_ne!(sealed, key.seal(b"hunter2", &"acme".into(), PLACE), "each nonce is new");
        for (tenant, elsewhere) in [
            ("acm", PLACE),
            ("acme", Place { table: "account", ..PLACE }),
            ("acme", Place { row: "01K", ..PLACE }),
            ("acme", Place { column: "token", ..PLACE }),
            // The same characters, divided differently.
            ("acmea", Place { table: "gent", ..PLACE }),
        ] {
            assert_eq!(key.open(&sealed, &tenant.into(), elsewhere).unwrap_err(), OpenError::Damaged);
        }
        assert_eq!(
            DataKey::generate().open(&sealed, &"acme".into(), PLACE).unwrap_err(),
            OpenError::Damaged
        );
    }

    #[test]
    fn a_wrapped_key_opens_what_it_sealed() {
        let master = MasterKey::from_bytes([3; 32]);
        let key = DataKey::generate();
        let sealed = key.seal(b"hunter2", &"acme".into(), PLACE);
        let wrapped = master.wrap(&key, &"acme".into());
        assert_eq!(wrapped.len(), 69);
        let again = master.unwrap(&wrapped, &"acme".into()).unwrap();
        assert_eq!(again.open(&sealed, &"acme".into(), PLACE).unwrap().expose(), b"hunter2");
        assert_eq!(master.unwrap(&wrapped, &"other".into()).unwrap_err(), OpenError::Damaged);

        let other = MasterKey::from_bytes([4; 32]);
        let error = other.unwrap(&wrapped, &"acme".into()).unwrap_err();
        assert_eq!(error, OpenError::UnknownMasterKey(master.id()));
        for bit in 0..wrapped.len() * 8 {
            let mut changed = wrapped.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(master.unwrap(&changed, &"acme".into()).is_err(), "bit {bit}");
        }
        for length in 0..wrapped.len() {
            assert!(master.unwrap(&wrapped[..length], &"acme".into()).is_err(), "length {length}");
        }
    }

    #[test]
    fn fingerprints_tell_contents_apart() {
        let key = DataKey::of(Secret::new([5; 32]));
        let print = key.fingerprint(&[b"anna", b"2026"]);
        assert_eq!(print.len(), 32);
        assert_eq!(print, key.fingerprint(&[b"anna", b"2026"]));
        for other in [&[b"anna".as_slice(), b"2027"] as &[&[u8]], &[b"anna2", b"026"], &[b"anna2026"], &[]] {
            assert_ne!(print, key.fingerprint(other));
        }
        assert_ne!(print, DataKey::generate().fingerprint(&[b"anna", b"2026"]));
    }

    #[test]
    fn an_unknown_version_is_named() {
        let key = DataKey::generate();
        let mut sealed = key.seal(b"", &"acme".into(), PLACE);
        sealed[0] = 9;
        assert_eq!(key.open(&sealed, &"acme".into(), PLACE).unwrap_err(), OpenError::Version(9));
    }

    proptest! {
        #[test]
        fn seal_and_open_is_identity_and_no_bit_may_flip(plain in prop::collection::vec(any::<u8>(), 0..300), bit in any::<prop::sample::Index>()) {
            let key = DataKey::of(Secret::new([5; 32]));
            let mut sealed = key.seal(&plain, &"acme".into(), PLACE);
            let opened = key.open(&sealed, &"acme".into(), PLACE).unwrap();
            prop_assert_eq!(opened.expose(), &plain);
            let bit = bit.index(sealed.len() * 8);
            sealed[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(key.open(&sealed, &"acme".into(), PLACE).is_err());
        }

        #[test]
        fn rubbish_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let key = DataKey::of(Secret::new([5; 32]));
            prop_assert!(key.open(&bytes, &"acme".into(), PLACE).is_err());
            prop_assert!(MasterKey::from_bytes([1; 32]).unwrap(&bytes, &"t".into()).is_err());
        }
    }
}
