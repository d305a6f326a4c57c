//! How a login replaces another, for the audit log.

use super::{Ops, attempt::ConfirmedBy};
use crate::{
    domain::{AuditAction, Caller, Login, Result},
    ops::audit::Changes,
    store::Writer,
};

/// Who logged in in whose place, for the audit log.
pub(super) struct Change<'a> {
    before: Option<&'a Login>,
    after: Option<&'a Login>,
    confirmed: String,
}

impl<'a> Change<'a> {
    /// Somebody logged in.
    pub(super) fn made(before: Option<&'a Login>, after: &'a Login, confirmed: ConfirmedBy) -> Self {
        Self {
            before,
            after: Some(after),
            confirmed: match confirmed {
                ConfirmedBy::FrontEnd => format!("users/{} in the CRM, logged in as {}", after.user, after.account),
                ConfirmedBy::Button => format!("whoever logged in as {}, with the button on the service's page", after.account),
            },
        }
    }

    /// A login was given up.
    pub(super) fn ended(before: &'a Login) -> Self {
        Self {
            before: Some(before),
            after: None,
            confirmed: String::new(),
        }
    }

    /// Writes it down.
    pub(super) async fn record(&self, ops: &Ops, writer: &mut Writer, by: &Caller) -> Result<()> {
        let Some(source) = self.after.or(self.before).map(|login| login.source.to_string()) else {
            return Ok(());
        };
        // A renewed login of the same account is an event too.
        let text = |login: Option<&Login>| {
            let text = login.map(|login| format!("{} at {} since {}", login.account, login.provider, login.made));
            text.unwrap_or_default()
        };
        let changes = Changes::new(AuditAction::Updated, source)
            .value("authentication", text(self.before), text(self.after))
            .value("authentication.confirmed_by", "", self.confirmed.as_str());
        changes.record(ops, writer, by).await
    }
}
