//! Secret values.

use std::fmt;

use serde::{Deserialize, Deserializer};
use zeroize::Zeroize;

use crate::domain::PasswordChange;

/// A value that is overwritten when dropped and never printed. It cannot be serialised and can only be reached by
/// [`expose`](Self::expose), so every use is easy to find.
///
/// What this cannot reach, and what stays in memory until that is reused: buffers of the network, of TLS and of gRPC that a
/// secret passed through; headers of requests to mailbox servers; what the database's and the mail libraries keep to connect
/// again; the environment and the arguments of the process; places that a value was moved from. So a memory dump of the process must
/// be protected like a key.
pub struct Secret<T: Zeroize = String>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes the value in. Copies made of it before are the caller's to erase.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value. Do not copy it into anything that lives longer or may be printed.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl Secret<Vec<u8>> {
    /// The bytes, to be written to. Growing beyond its capacity leaves a copy behind.
    pub(super) fn expose_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// The same bytes as text.
    ///
    /// # Errors
    /// `None` when they are not UTF-8. They are erased all the same.
    pub fn into_text(mut self) -> Option<Secret<String>> {
        match String::from_utf8(std::mem::take(&mut self.0)) {
            Ok(text) => Some(Secret(text)),
            Err(error) => {
                error.into_bytes().zeroize();
                None
            }
        }
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize + Clone> Clone for Secret<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Zeroize + Default> Default for Secret<T> {
    fn default() -> Self {
        Self(T::default())
    }
}

impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl From<&str> for Secret<String> {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

/// A password that a caller gives: an empty one erases what is stored.
impl From<Secret> for PasswordChange<Secret> {
    fn from(password: Secret) -> Self {
        if password.expose().is_empty() {
            Self::Erase
        } else {
            Self::Set(password)
        }
    }
}

impl<'de, T: Zeroize + Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<T: Zeroize> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_not_printed() {
        let secret: Secret = "hunter2".into();
        assert_eq!(
            format!("{secret} {secret:?} {:?}", Some(&secret)),
            "[secret] [secret] Some([secret])"
        );
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn is_erased_on_drop() {
        use std::sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        };
        struct Probe(Arc<AtomicBool>);
        impl Zeroize for Probe {
            fn zeroize(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let erased = Arc::new(AtomicBool::new(false));
        let secret = Secret::new(Probe(erased.clone()));
        assert!(!erased.load(Ordering::Relaxed));
        drop(secret);
        assert!(erased.load(Ordering::Relaxed));
    }

    #[test]
    fn bytes_become_text() {
        assert_eq!(Secret::new(b"p\xc3\xa4ss".to_vec()).into_text().unwrap().expose(), "päss");
        assert!(Secret::new(vec![0xff]).into_text().is_none());
    }
}
