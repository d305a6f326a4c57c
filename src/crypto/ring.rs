//! The master keys of an installation.

use super::{DataKey, KeyId, MasterKey, OpenError, Secret, envelope::wrapped_by, master::TEXT_LEN};

use crate::domain::TenantId;

/// Limit of keys of a ring.
const MAX_KEYS: usize = 100;

/// Master keys in the order in which their source has them: the current one, then former ones, which unwrap what they wrapped but
/// wrap nothing new. Never empty, without duplicates.
#[derive(Clone, Debug)]
pub struct KeyRing {
    keys: Vec<MasterKey>,
}

/// Why a text is not a key ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// It contains only white space.
    #[error("there is no key in it")]
    Empty,
    /// One of its words is not a key, counted from 1.
    #[error("the key number {0} is not 32 random bytes in base64")]
    NoKey(usize),
    /// It has more than 100 keys.
    #[error("it has more than 100 keys")]
    TooMany,
}

impl KeyRing {
    /// A ring with one key.
    pub fn of(key: MasterKey) -> Self {
        Self { keys: vec![key] }
    }

    /// The keys of a text, one a line, as `openssl rand -base64 32` prints them. They are separated by any white space, and empty lines do not
    /// matter.
    ///
    /// # Errors
    /// [`RingError`], which contains no part of the text.
    pub fn parse(text: &[u8]) -> Result<Self, RingError> {
        let mut keys: Vec<MasterKey> = Vec::new();
        let words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        for (index, word) in words.enumerate() {
            if index == MAX_KEYS {
                return Err(RingError::TooMany);
            }
            let key = MasterKey::from_text(word).ok_or(RingError::NoKey(index + 1))?;
            if keys.iter().all(|known| known.id() != key.id()) {
                keys.push(key);
            }
        }
        if keys.is_empty() {
            Err(RingError::Empty)
        } else {
            Ok(Self { keys })
        }
    }

    /// The reverse of [`KeyRing::parse`]: one key a line.
    pub fn to_text(&self) -> Secret<Vec<u8>> {
        // Room for all from the start: a buffer that grows would leave copies of keys behind.
        let mut text = Vec::with_capacity(self.keys.len() * (TEXT_LEN + 1));
        for key in &self.keys {
            key.append_to(&mut text);
            text.push(b'\n');
        }
        Secret::new(text)
    }

    /// The key that is to wrap everything.
    pub fn current(&self) -> &MasterKey {
        self.keys.first().expect("a ring is never empty")
    }

    /// The former keys, newest first.
    pub fn former(&self) -> &[MasterKey] {
        &self.keys[1..]
    }

    /// The key that was current first.
    pub fn oldest(&self) -> &MasterKey {
        self.keys.last().expect("a ring is never empty")
    }

    /// Their ids, the current one's first.
    pub fn ids(&self) -> Vec<KeyId> {
        self.keys.iter().map(MasterKey::id).collect()
    }

    /// The key with this id.
    pub fn get(&self, id: KeyId) -> Option<&MasterKey> {
        self.keys.iter().find(|key| key.id() == id)
    }

    /// The same ring with a new current key in front.
    #[must_use]
    pub fn behind(&self, current: MasterKey) -> Self {
        let keys = std::iter::once(current).chain(self.keys.iter().cloned()).collect();
        Self { keys }
    }

    /// The data key that one of these keys wrapped for this tenant.
    ///
    /// # Errors
    /// As [`MasterKey::unwrap`].
    pub fn unwrap(&self, wrapped: &[u8], tenant: &TenantId) -> Result<DataKey, OpenError> {
        let id = wrapped_by(wrapped)?;
        let key = self.get(id).ok_or(OpenError::UnknownMasterKey(id))?;
        key.unwrap(wrapped, tenant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> MasterKey {
        MasterKey::from_bytes([byte; 32])
    }

    #[test]
    fn a_text_has_the_current_key_first() {
        let ring = KeyRing::of(key(1)).behind(key(2)).behind(key(3));
        assert_eq!(ring.ids(), [key(3).id(), key(2).id(), key(1).id()]);
        assert_eq!(
            (ring.current().id(), ring.oldest().id(), ring.former().len()),
            (key(3).id(), key(1).id(), 2)
        );
        let text = ring.to_text();
        assert_eq!(text.expose().len(), 3 * 45);
        assert_eq!(KeyRing::parse(text.expose()).unwrap().ids(), ring.ids());

        let text = String::from_utf8(text.expose().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for same in [
            lines.join(" "),
            lines.join("\r\n\r\n"),
            format!("\n {}\t\n{}", lines.join("\n"), lines[1]),
        ] {
            assert_eq!(KeyRing::parse(same.as_bytes()).unwrap().ids(), ring.ids(), "{same:?}");
        }
        let many = |count: u8| {
            (0..count)
                .fold(KeyRing::of(key(255)), |ring, byte| ring.behind(key(byte)))
                .to_text()
        };
        assert_eq!(KeyRing::parse(many(99).expose()).unwrap().former().len(), 99);
        let wrong = [
            (String::new(), RingError::Empty),
            (" \n".to_owned(), RingError::Empty),
            ("hunter2".to_owned(), RingError::NoKey(1)),
            (format!("{}\nhunter2", lines[0]), RingError::NoKey(2)),
            (format!("{},{}", lines[0], lines[1]), RingError::NoKey(1)),
            (String::from_utf8(many(100).expose().clone()).unwrap(), RingError::TooMany),
        ];
        for (text, error) in wrong {
            assert_eq!(KeyRing::parse(text.as_bytes()).unwrap_err(), error);
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn every_key_opens_what_it_wrapped() {
        let ring = KeyRing::of(key(1)).behind(key(2));
        let data_key = DataKey::generate();
        for wrapping in [1, 2] {
            let opened = ring.unwrap(&key(wrapping).wrap(&data_key, &"acme".into()), &"acme".into()).unwrap();
            assert!(opened.same_as(&data_key));
        }
        assert!(!DataKey::generate().same_as(&data_key));
        let error = ring.unwrap(&key(3).wrap(&data_key, &"acme".into()), &"acme".into()).unwrap_err();
        assert_eq!(error, OpenError::UnknownMasterKey(key(3).id()));
        assert_eq!(ring.unwrap(&[1, 2], &"acme".into()).unwrap_err(), OpenError::Damaged);
    }
}
