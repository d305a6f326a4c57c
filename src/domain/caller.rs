//! Who calls.

use super::{Detail, Error, Kind, Reason, Result, Scope, TenantId, UserId};

/// Whether the text can be an id of the CRM: of a tenant, a user or another record.
pub fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// A caller, as identified by their credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The tenant that everything they see belongs to.
    pub tenant: TenantId,
    /// The CRM's id of the user.
    pub user: UserId,
    /// What they may do.
    pub scopes: Vec<Scope>,
}

impl Caller {
    /// Whether the caller may do this.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Fails unless the caller may do this.
    ///
    /// # Errors
    /// [`Kind::Denied`], naming the scope.
    pub fn need(&self, scope: Scope) -> Result<()> {
        self.need_any(&[scope])
    }

    /// Fails unless the caller has one of the scopes; the first is the one that is named.
    ///
    /// # Errors
    /// [`Kind::Denied`].
    pub fn need_any(&self, scopes: &[Scope]) -> Result<()> {
        if scopes.iter().any(|scope| self.may(*scope)) {
            return Ok(());
        }
        let names: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
        let text = format!("This requires the scope {}, which the caller does not have.", names.join(" or "));
        Err(Error::new(Kind::Denied, Reason::ScopeMissing, text).with(Detail::Scope, names.join(" ")))
    }
}
