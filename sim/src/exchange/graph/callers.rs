//! Who calls, by an access token, and which mailboxes that opens.

use std::collections::HashSet;

use axum::http::header;

use super::{super::Shared, Ask, Refusal, lock};

/// Who calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Caller {
    /// The account that logged in; `application` for an application.
    pub(super) name: String,
    /// Its own mailbox.
    own: Option<u32>,
    /// Mailboxes of others that it may use.
    granted: HashSet<u32>,
    application: bool,
    scopes: Vec<String>,
}

impl Caller {
    /// The caller behind the request's token.
    pub(super) fn known(shared: &Shared, ask: &Ask) -> Result<Self, Refusal> {
        let refused = |text: &str| Refusal::new(401, "InvalidAuthenticationToken", text);
        let header = ask.header(header::AUTHORIZATION).unwrap_or_default();
        let token = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let (_, token) = token.ok_or_else(|| refused("Access token is empty."))?;
        let tokens = lock(&shared.tokens).clone();
        let holder = tokens.and_then(|tokens| tokens(token.trim()));
        let holder = holder.ok_or_else(|| refused("Lifetime validation failed, the token is expired."))?;
        // Each token is for one resource; Graph's own scopes may be written without it.
        let foreign = |scope: &String| scope.starts_with("https://") && !scope.starts_with("https://graph.");
        if holder.scopes.iter().any(foreign) {
            return Err(refused("Access token validation failure. Invalid audience."));
        }
        let world = shared.world();
        let login = holder
            .account
            .as_ref()
            .and_then(|account| world.logins.get(&account.to_lowercase()));
        Ok(Self {
            name: holder.account.unwrap_or_else(|| "application".to_owned()),
            own: login.and_then(|login| login.mailbox),
            granted: login.map(|login| login.granted.clone()).unwrap_or_default(),
            application: holder.application,
            scopes: holder.scopes,
        })
    }

    /// The mailbox that a request is about, if the caller may do that.
    pub(super) fn target(&self, shared: &Shared, ask: &Ask) -> Result<Option<u32>, Refusal> {
        let denied = |text: &str| Refusal::new(403, "ErrorAccessDenied", text);
        let without = || {
            let text = "The mailbox is either inactive, soft-deleted, or is hosted on-premise.";
            Refusal::new(404, "MailboxNotEnabledForRESTAPI", text)
        };
        if let Some(secret) = ask.upload() {
            let mailbox = shared.world().composing.mailbox(secret);
            return mailbox.map(Some).ok_or_else(Refusal::not_found);
        }
        let mailbox = match ask.user() {
            None if ask.path().first().is_none_or(|first| first != "me") => return Ok(None),
            None if self.application => {
                let text = "/me request is only valid with delegated authentication flow.";
                return Err(Refusal::new(400, "BadRequest", text));
            }
            None => self.own.ok_or_else(without)?,
            Some(user) => {
                let unknown = || Refusal::new(404, "ErrorInvalidUser", &format!("The requested user '{user}' is invalid."));
                shared.world().find(user).ok_or_else(unknown)?
            }
        };
        if self.application {
            let world = shared.world();
            let address = world.mailbox(mailbox).map(|mailbox| mailbox.address.as_str()).unwrap_or_default();
            let open = world.applications_may.as_ref().is_none_or(|may| may.contains(address));
            let text = "Access to OData is disabled: [RAOP] : Blocked by tenant configured AppOnly AccessPolicy settings.";
            return if open { Ok(Some(mailbox)) } else { Err(denied(text)) };
        }
        let is_own = self.own == Some(mailbox);
        if !is_own && !self.granted.contains(&mailbox) {
            return Err(denied("Access is denied. Check credentials and try again."));
        }
        let needed: &[&str] = match (ask.operation().as_str(), is_own) {
            ("graph/user" | "graph/other", _) => &[],
            ("graph/send" | "graph/sendMail", true) => &["Mail.Send"],
            ("graph/send" | "graph/sendMail", false) => &["Mail.Send.Shared"],
            (_, true) if ask.method == "GET" => &["Mail.Read", "Mail.ReadWrite", "Mail.ReadWrite.Shared"],
            (_, true) => &["Mail.ReadWrite", "Mail.ReadWrite.Shared"],
            (_, false) => &["Mail.ReadWrite.Shared"],
        };
        let has = |needed: &&str| {
            let own = |scope: &String| scope.rsplit('/').next() == Some(*needed);
            self.scopes.iter().any(own)
        };
        if !needed.is_empty() && !needed.iter().any(has) {
            return Err(denied("Access is denied. Check credentials and try again."));
        }
        Ok(Some(mailbox))
    }

    /// Whether the caller may be told of changes: a user of those in their own mailbox only.
    pub(super) fn may_subscribe(&self, mailbox: u32) -> bool {
        self.application || self.own == Some(mailbox)
    }

    /// Whether the caller may send with the address of this mailbox.
    pub(super) fn may_send_as(&self, mailbox: u32) -> bool {
        self.application || self.own == Some(mailbox) || self.granted.contains(&mailbox)
    }
}
