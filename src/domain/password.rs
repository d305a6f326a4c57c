//! What a change of settings does with a stored password.

/// What becomes of a stored password. `T` is the password as it is at hand: in the clear or sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PasswordChange<T> {
    /// It stays, if there is one.
    #[default]
    Keep,
    /// It is deleted.
    Erase,
    /// This one replaces it.
    Set(T),
}

impl<T> PasswordChange<T> {
    /// The new password, if there is one.
    pub fn new_password(&self) -> Option<&T> {
        match self {
            Self::Keep | Self::Erase => None,
            Self::Set(password) => Some(password),
        }
    }

    /// Whether a password is stored after the change. `before`: whether one was.
    pub fn is_set_after(&self, before: bool) -> bool {
        match self {
            Self::Keep => before,
            Self::Erase => false,
            Self::Set(_) => true,
        }
    }

    /// Whether anything changes. `before`: whether a password was stored.
    pub fn is_change(&self, before: bool) -> bool {
        match self {
            Self::Keep => false,
            Self::Erase => before,
            Self::Set(_) => true,
        }
    }
}
