//! Directories, accounts, applications, and what was given out.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt::Write as _,
};

use time::OffsetDateTime;

use super::certificate::Certificate;

/// Everything.
#[derive(Default)]
pub(super) struct World {
    /// Domains by directory.
    pub directories: HashMap<String, Vec<String>>,
    pub users: Vec<User>,
    /// By client id.
    pub apps: HashMap<String, App>,
    /// Client ids and directories.
    pub consents: HashSet<(String, String)>,
    /// Scopes that are granted; `None`: all.
    pub granted: Option<Vec<String>>,
    pub codes: HashMap<String, Code>,
    /// Logins, by their place. None is ever removed.
    pub logins: Vec<Login>,
    /// Refresh tokens, with the login of each.
    pub refresh: HashMap<String, Refresh>,
    pub access: HashMap<String, Access>,
    pub faults: VecDeque<TokenFault>,
    pub requests: Vec<TokenRequest>,
    /// Assertions that came already.
    pub assertions: HashSet<String>,
}

/// An account.
#[derive(Clone, Debug)]
pub(super) struct User {
    /// The name to log in with.
    pub principal: String,
    /// The address of its mailbox.
    pub mail: String,
}

/// A registered application.
pub(super) struct App {
    pub secret: String,
    pub secret_expired: bool,
    pub certificate: Option<Certificate>,
    pub redirect_urls: Vec<String>,
}

/// An authorisation code.
#[derive(Clone)]
pub(super) struct Code {
    pub client_id: String,
    pub redirect_url: String,
    pub challenge: String,
    pub nonce: String,
    pub scopes: Vec<String>,
    pub user: User,
    pub made: OffsetDateTime,
}

/// What came of one code.
pub(super) struct Login {
    pub client_id: String,
    pub user: User,
    pub ended: bool,
}

/// A refresh token.
pub(super) struct Refresh {
    pub login: usize,
    pub used: bool,
    pub ends: Option<OffsetDateTime>,
}

/// An access token.
pub(super) struct Access {
    pub holder: TokenHolder,
    /// The login that it came of; none of an application's.
    pub login: Option<usize>,
    pub user: Option<User>,
    pub ends: OffsetDateTime,
}

/// Whose an access token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenHolder {
    /// Address of the mailbox of the account that logged in. `None` for an application.
    pub account: Option<String>,
    /// What it is good for.
    pub scopes: Vec<String>,
    /// Whether it is the application's own.
    pub application: bool,
    /// Id of the directory.
    pub directory: String,
}

/// A token request that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// Such as `refresh_token`.
    pub grant_type: String,
    /// The application.
    pub client_id: String,
    /// Scopes with spaces between them.
    pub scope: String,
    /// The account, where it is known by then.
    pub user: Option<String>,
    /// What the application proves by that it began the login (RFC 7636), with a code. Possibly empty.
    pub verifier: String,
    /// Status of the answer; 0 when there was none.
    pub status: u16,
}

/// How a token request fails.
#[derive(Clone, Debug)]
pub enum TokenFault {
    /// Nothing is done, and this is answered.
    Status {
        /// The status.
        status: u16,
        /// The body, in JSON as a rule. `{asked}` in it becomes what the request had in it, as careless servers repeat it.
        body: String,
        /// Seconds in Retry-After.
        retry_after: Option<u64>,
    },
    /// Nothing is done and nothing answered until the caller gives up.
    Hang,
    /// The connection is closed and nothing done.
    CutBefore,
    /// All is done, then the connection is closed.
    CutAfter,
    /// All is done, and the response is invalid.
    Garbage,
    /// All is done, and the response is not quite as the standard has it: these fields are other ones (null: missing), and it comes as
    /// text/plain with a byte order mark.
    Careless(serde_json::Value),
}

impl TokenFault {
    /// An error answer as Microsoft gives it.
    pub fn error(error: &str, description: &str) -> Self {
        let body = serde_json::json!({ "error": error, "error_description": description });
        Self::Status {
            status: if error == "invalid_client" { 401 } else { 400 },
            body: body.to_string(),
            retry_after: None,
        }
    }

    /// A status without a word.
    pub fn status(status: u16) -> Self {
        Self::Status {
            status,
            body: String::new(),
            retry_after: None,
        }
    }
}

impl World {
    /// The directory that a path names, by its id or a domain; of an account, that of its domain.
    pub(super) fn directory(&self, name: &str) -> Option<String> {
        let name = name.to_lowercase();
        let found = self
            .directories
            .iter()
            .find(|(id, domains)| **id == name || domains.contains(&name));
        found.map(|(id, _)| id.clone())
    }

    /// The account with this name or address.
    pub(super) fn user(&self, name: &str) -> Option<User> {
        let is_it = |user: &&User| user.principal.eq_ignore_ascii_case(name) || user.mail.eq_ignore_ascii_case(name);
        self.users.iter().find(is_it).cloned()
    }

    /// The directory of an account.
    pub(super) fn home(&self, user: &User) -> String {
        let domain = user.principal.rsplit_once('@').map_or("", |(_, domain)| domain);
        self.directory(domain).unwrap_or_default()
    }

    /// Ends all logins of an account.
    pub(super) fn revoke(&mut self, name: &str) {
        for login in &mut self.logins {
            if login.user.principal.eq_ignore_ascii_case(name) || login.user.mail.eq_ignore_ascii_case(name) {
                login.ended = true;
            }
        }
    }

    pub(super) fn identify(&self, token: &str, now: OffsetDateTime) -> Option<TokenHolder> {
        let access = self.access.get(token)?;
        let ended = access
            .login
            .and_then(|login| self.logins.get(login))
            .is_some_and(|login| login.ended);
        (access.ends > now && !ended).then(|| access.holder.clone())
    }
}

/// Something that nobody can guess.
pub(super) fn random(prefix: &str) -> String {
    let mut bytes = [0; 20];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has randomness");
    let mut text = prefix.to_owned();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
