//! OAuth 2.0 logins: whose they are, how long they last, and when people are warned.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    Agent, AgentId, AgentKind, AuthenticationMethod, MaintenanceAccountId, SmtpAuthentication, Timestamp, UserId, mail::domain_of,
};

/// How long before a login or a secret expires people are warned, each threshold once per lifetime; the longest first.
pub const THRESHOLDS: [Duration; 5] = [days(14), days(7), days(3), days(1), Duration::from_hours(1)];

const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 3600)
}

/// Whose login it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LoginSource {
    /// An agent's own, by the agent's id.
    Agent(AgentId),
    /// A maintenance account's, by its id.
    MaintenanceAccount(MaintenanceAccountId),
    /// That of this service itself, for the mailboxes of an e-mail domain.
    AdminConsent(String),
}

impl LoginSource {
    /// Which login opens an agent's mailbox if this is the tenant's authentication method. `None` if no OAuth login is used.
    pub fn of(agent: &Agent, tenants: AuthenticationMethod) -> Option<Self> {
        let settings = &agent.settings;
        let method = settings.method(tenants);
        let own = || Self::Agent(agent.id.clone());
        match settings.kind {
            AgentKind::Smtp => (settings.smtp.effective_authentication() == SmtpAuthentication::Oauth).then(own),
            _ if method == AuthenticationMethod::Basic => None,
            _ if !settings.uses_maintenance_account() => Some(own()),
            AgentKind::ExchangeEws => Some(Self::MaintenanceAccount(settings.exchange.maintenance_account.clone())),
            AgentKind::ExchangeGraph => Some(Self::AdminConsent(consent_domain(agent.mailbox_address()))),
        }
    }

    /// The reverse of its text.
    pub fn parse(text: &str) -> Option<Self> {
        let (collection, id) = text.split_once('/')?;
        let id = id.to_owned();
        match collection {
            _ if id.is_empty() || id.contains('/') => None,
            "agents" => Some(Self::Agent(id.into())),
            "maintenanceAccounts" => Some(Self::MaintenanceAccount(id.into())),
            "adminConsents" => Some(Self::AdminConsent(id)),
            _ => None,
        }
    }
}

impl fmt::Display for LoginSource {
    /// The resource's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(id) => write!(f, "agents/{id}"),
            Self::MaintenanceAccount(id) => write!(f, "maintenanceAccounts/{id}"),
            Self::AdminConsent(domain) => write!(f, "adminConsents/{domain}"),
        }
    }
}

/// What changed for the logins of many agents at once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LoginChange {
    /// The tenant's authentication method: all agents that connect to Exchange.
    Method,
    /// A maintenance account, by its id: all agents that connect through it.
    Account(MaintenanceAccountId),
    /// A login: the agents whose mailboxes it opens.
    Login(LoginSource),
}

impl LoginChange {
    /// The reverse of its text.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once('/') {
            None => (text == "method").then_some(Self::Method),
            Some(("account", id)) => Some(Self::Account(id.into())),
            Some(("login", source)) => LoginSource::parse(source).map(Self::Login),
            Some(_) => None,
        }
    }
}

impl fmt::Display for LoginChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method => f.write_str("method"),
            Self::Account(id) => write!(f, "account/{id}"),
            Self::Login(source) => write!(f, "login/{source}"),
        }
    }
}

/// The domain whose administrator consents for a mailbox, in lower case. Empty for an address without one.
pub fn consent_domain(address: &str) -> String {
    domain_of(address).unwrap_or_default().to_lowercase()
}

/// What a login is for: tokens are for one kind of server (resource) each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoginUse {
    /// Microsoft Graph.
    Graph,
    /// Exchange Web Services.
    Ews,
    /// Sending over SMTP.
    Smtp,
}

impl From<AgentKind> for LoginUse {
    fn from(kind: AgentKind) -> Self {
        match kind {
            AgentKind::Smtp => Self::Smtp,
            AgentKind::ExchangeEws => Self::Ews,
            AgentKind::ExchangeGraph => Self::Graph,
        }
    }
}

/// Whether a login is valid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoginState {
    /// As far as is known.
    #[default]
    Active,
    /// It has expired.
    Expired,
    /// The provider rejected it.
    Required,
}

/// A login, without its tokens, which are stored separately: see `ops::tokens`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// A ULID. Another with each login.
    pub id: String,
    /// Whose it is.
    pub source: LoginSource,
    /// What it is for.
    pub usage: LoginUse,
    /// Name of the provider in the operator's settings.
    pub provider: String,
    /// Who logged in, as the provider names the account; of an admin consent, the directory's id.
    pub account: String,
    /// CRM's id of the user who began it.
    pub user: UserId,
    /// Whether it is valid.
    pub state: LoginState,
    /// Why somebody has to log in again. Empty when it is valid.
    pub problem: String,
    /// The provider's reply.
    pub provider_reply: String,
    /// When it was completed.
    pub made: Timestamp,
    /// When its current lifetime began.
    pub renewed: Timestamp,
    /// When its current lifetime ends. `None` for one that does not expire.
    pub expires: Option<Timestamp>,
    /// The lowest threshold that was reported in this lifetime.
    pub warned: Option<Duration>,
    /// When the access token expires. `None` without one.
    pub access_expires: Option<Timestamp>,
    /// When the access token is to be renewed, or renewing it is to be retried.
    pub renew_at: Timestamp,
    /// Consecutive failed renewals.
    pub failures: i32,
    /// Since when renewal has been failing, and why. `None` when it works.
    pub failing: Option<(Timestamp, String)>,
    /// Counts the writes of its tokens, from 1.
    pub version: i64,
}

impl Login {
    /// Whether this is the login that was `seen` before, and no renewal of it has succeeded, failed or ended it since.
    pub fn is_unchanged_since(&self, seen: &Self) -> bool {
        let renewals = |login: &Self| (login.version, login.failures, login.state);
        self.id == seen.id && renewals(self) == renewals(seen)
    }

    /// Length of its current lifetime.
    pub fn life(&self) -> Option<Duration> {
        Some(self.expires?.since(self.renewed))
    }

    /// What is left of its lifetime, as a duration and as a fraction of the whole.
    pub fn left(&self, now: Timestamp) -> Option<(Duration, f64)> {
        let left = self.expires?.since(now);
        let life = self.life()?;
        let fraction = if life.is_zero() {
            0.0
        } else {
            left.as_secs_f64() / life.as_secs_f64()
        };
        Some((left, fraction.min(1.0)))
    }

    /// When the next threshold is passed or, after the last one, its lifetime ends. `None` when that was reported, and for one that does not expire.
    pub fn next_warning(&self) -> Option<Timestamp> {
        let expires = self.expires.filter(|_| self.state == LoginState::Active)?;
        Some(next_threshold(self.life()?, self.warned).map_or(expires, |threshold| expires.before(threshold)))
    }

    /// The lowest threshold that has been passed but not reported.
    pub fn passed(&self, now: Timestamp) -> Option<Duration> {
        passed(self.life()?, self.expires?.since(now), self.warned)
    }
}

/// The lowest threshold below `life` that `left` has passed, if it is lower than what was reported. Those above the whole lifetime never applied.
pub fn passed(life: Duration, left: Duration, told: Option<Duration>) -> Option<Duration> {
    let lowest = THRESHOLDS.into_iter().rfind(|threshold| *threshold < life && left <= *threshold)?;
    told.is_none_or(|told| lowest < told).then_some(lowest)
}

/// The highest threshold below `life` that is lower than what was reported.
fn next_threshold(life: Duration, told: Option<Duration>) -> Option<Duration> {
    THRESHOLDS
        .into_iter()
        .find(|threshold| *threshold < life && told.is_none_or(|told| *threshold < told))
}

/// Something that happened to a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenEvent {
    /// What happened.
    pub kind: TokenEventKind,
    /// Whose login it is, as a resource's name; with [`TokenEventKind::SecretExpiring`] the provider.
    pub source: String,
    /// CRM's id of the agent's owner. Empty when the login is not an agent's.
    pub owner_user: UserId,
    /// The account at the provider.
    pub account: String,
    /// Name of the provider.
    pub provider: String,
    /// When it ends.
    pub expires: Option<Timestamp>,
    /// The threshold that was passed.
    pub threshold: Option<Duration>,
    /// What to do about it. Empty when nothing.
    pub problem: String,
    /// The provider's reply.
    pub provider_reply: String,
}

/// What happened to a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenEventKind {
    /// It expires soon.
    Expiring,
    /// It has expired.
    Expired,
    /// Somebody logged in, or one that was expiring was renewed.
    Renewed,
    /// The provider rejected it.
    LoginRequired,
    /// Somebody revoked it.
    LoginRevoked,
    /// An administrator consented.
    ConsentGiven,
    /// A consent was revoked, here or at the provider.
    ConsentRevoked,
    /// The operator's secret for a provider expires soon.
    SecretExpiring,
}

impl TokenEventKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Expiring,
        Self::Expired,
        Self::Renewed,
        Self::LoginRequired,
        Self::LoginRevoked,
        Self::ConsentGiven,
        Self::ConsentRevoked,
        Self::SecretExpiring,
    ];

    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expiring => "expiring",
            Self::Expired => "expired",
            Self::Renewed => "renewed",
            Self::LoginRequired => "login_required",
            Self::LoginRevoked => "login_revoked",
            Self::ConsentGiven => "consent_given",
            Self::ConsentRevoked => "consent_revoked",
            Self::SecretExpiring => "secret_expiring",
        }
    }

    /// The reverse of [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl TokenEvent {
    /// What happened to this login. `owner` is that of the agent whose own it is.
    pub fn new(kind: TokenEventKind, login: &Login, owner: &UserId) -> Self {
        Self {
            kind,
            source: login.source.to_string(),
            owner_user: owner.to_owned(),
            account: login.account.clone(),
            provider: login.provider.clone(),
            expires: login.expires,
            threshold: None,
            problem: login.problem.clone(),
            provider_reply: login.provider_reply.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn each_threshold_is_passed_once_and_after_a_pause_only_the_last() {
        let check = |life, left, told, expected| assert_eq!(passed(life, left, told), expected, "{life:?} {left:?} {told:?}");
        check(days(90), days(15), None, None);
        check(days(90), days(14), None, Some(days(14)));
        check(days(90), days(13), Some(days(14)), None);
        check(days(90), days(2), None, Some(days(3)));
        check(days(90), days(2), Some(days(14)), Some(days(3)));
        check(days(90), Duration::ZERO, Some(days(1)), Some(HOUR));
        check(days(90), Duration::ZERO, Some(HOUR), None);
        // For a short lifetime, thresholds that never applied are not reported.
        check(days(2), days(2), None, None);
        check(days(2), days(1), None, Some(days(1)));
        check(HOUR, HOUR / 2, None, None);
    }

    #[test]
    fn the_next_look_is_at_the_next_threshold_then_at_the_end() {
        let now = Timestamp::from_seconds(1_000_000);
        let mut login = Login {
            id: String::new(),
            source: LoginSource::Agent("a".into()),
            usage: LoginUse::Ews,
            provider: String::new(),
            account: String::new(),
            user: String::new().into(),
            state: LoginState::Active,
            problem: String::new(),
            provider_reply: String::new(),
            made: now,
            renewed: now,
            expires: Some(now.after(days(8))),
            warned: None,
            access_expires: None,
            renew_at: now,
            failures: 0,
            failing: None,
            version: 1,
        };
        let mut looks = Vec::new();
        for _ in 0..5 {
            let look = login.next_warning().expect("it has an end");
            looks.push(look.since(now));
            login.warned = login.passed(look).or(login.warned);
        }
        assert_eq!(looks, [days(1), days(5), days(7), days(8).checked_sub(HOUR).unwrap(), days(8)]);
        assert_eq!(login.left(now.after(days(6))), Some((days(2), 0.25)));
        assert_eq!(login.left(now.after(days(9))), Some((Duration::ZERO, 0.0)));
        login.state = LoginState::Expired;
        assert_eq!(login.next_warning(), None);
    }

    #[test]
    fn changes_are_read_as_they_are_written() {
        for change in [
            LoginChange::Method,
            LoginChange::Account("01K".into()),
            LoginChange::Login(LoginSource::MaintenanceAccount("01K".into())),
            LoginChange::Login(LoginSource::AdminConsent("example.com".to_owned())),
        ] {
            assert_eq!(LoginChange::parse(&change.to_string()), Some(change));
        }
        assert_eq!(LoginChange::parse("login/nothing"), None);
    }

    #[test]
    fn sources_have_names() {
        for source in [
            LoginSource::Agent("01J".into()),
            LoginSource::MaintenanceAccount("01K".into()),
            LoginSource::AdminConsent("example.com".to_owned()),
        ] {
            assert_eq!(LoginSource::parse(&source.to_string()), Some(source));
        }
        for other in ["", "agents", "agents/", "agents/a/b", "users/anna"] {
            assert_eq!(LoginSource::parse(other), None, "{other}");
        }
    }
}
