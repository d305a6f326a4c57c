//! `[oauth]`.

use std::{fmt, path::PathBuf, time::Duration};

use ::url::Url;
use zeroize::Zeroizing;

use super::{
    Id, Server,
    reader::{Reader, section},
    source::Raw,
    url::TlsUrl,
    value::{Hosts, Value, Words},
};
use crate::domain::Timestamp;

section! {
    /// Where people log in to their mailboxes with OAuth.
    pub struct OAuth {
        /// Where browsers reach this service; without it, the address that it listens on.
        pub public_url: Option<TlsUrl> => like("https://mailagent.example.com"),
        /// Pages of the CRM that a provider may redirect people to, which then call CompleteLogin.
        pub redirect_urls: Urls => like("https://crm.example.com/mail/callback"),
        /// How long a provider may take to respond.
        pub request_timeout: Duration => within("100ms", "2m"),
        /// How often logins are checked for due renewals and warnings.
        pub check_interval: Duration => within("50ms", "5m"),
        /// The login providers.
        pub providers: Vec<LoginProvider>,
    }
}

section! {
    /// A login provider.
    pub struct LoginProvider {
        /// Its name in the API. It is stored with each login.
        pub name: Id => like("microsoft"),
        /// What kind of provider it is.
        pub preset: PresetName => like("microsoft"),
        /// This service at the provider.
        pub client_id: String => like("7c9a5f2e-0d51-4a6e-9d0c-2f6a1b7f3e10"),
        /// Its secret there.
        pub client_secret: Option<SecretText>,
        /// File with the secret.
        pub client_secret_file: Option<PathBuf> => like("/etc/mailagent/client-secret"),
        /// When the secret expires.
        pub client_secret_expires: Option<Date> => like("2027-10-31"),
        /// PEM file with a certificate, instead of a secret.
        pub certificate_file: Option<PathBuf> => like("/etc/mailagent/login.crt"),
        /// PEM file with its private key.
        pub certificate_key_file: Option<PathBuf> => like("/etc/mailagent/login.key"),
        /// Where Microsoft's identity platform is.
        pub authority: Option<TlsUrl> => like("https://login.microsoftonline.us"),
        /// Whose accounts log in there.
        pub directory: Option<String> => like("organizations"),
        /// Where Microsoft Graph is.
        pub graph_url: Option<TlsUrl> => like("https://graph.microsoft.us/v1.0"),
        /// The issuer of an OpenID provider.
        pub issuer: Option<TlsUrl> => like("https://login.example.com"),
        /// Requested scopes for mailboxes over Microsoft Graph.
        pub graph_scopes: Option<Words> => like("openid"),
        /// Requested scopes for mailboxes over EWS.
        pub ews_scopes: Option<Words> => like("openid"),
        /// Requested scopes for sending over SMTP.
        pub smtp_scopes: Option<Words> => like("openid"),
        /// Servers that tokens may be sent to.
        pub hosts: Option<Hosts> => like("mail.example.com"),
        /// Lifetime of a login if the provider does not report it.
        pub login_lifetime: Option<Duration> => like("90d"),
        /// Whether each renewal restarts that lifetime.
        pub login_slides: Option<bool>,
    }
}

impl OAuth {
    /// Checks for settings that conflict.
    pub(super) fn check(&self, server: &Server, reader: &mut Reader) {
        if !self.providers.is_empty() && self.public_url.is_none() && !server.listen.ip().is_loopback() {
            reader.wrong(
                "oauth.providers",
                "requires the URL at which browsers reach the service, as it listens beyond this machine",
                "set oauth.public_url",
            );
        }
        if self.public_url.as_ref().is_some_and(|url| url.url().query().is_some()) {
            reader.wrong("oauth.public_url", "must not have a query", "");
        }
        for (index, provider) in self.providers.iter().enumerate() {
            let key = |field: &str| format!("oauth.providers.{index}.{field}");
            if self.providers[..index].iter().any(|other| other.name == provider.name) {
                reader.wrong(&key("name"), "is already used by another provider above", "give each its own name");
            }
            provider.check(&key, reader);
        }
    }
}

impl LoginProvider {
    fn check(&self, key: &dyn Fn(&str) -> String, reader: &mut Reader) {
        let proofs = [
            ("client_secret", self.client_secret.is_some()),
            ("client_secret_file", self.client_secret_file.is_some()),
            ("certificate_file", self.certificate_file.is_some()),
        ];
        let given: Vec<&str> = proofs.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
        if let [first, second, ..] = given.as_slice() {
            let problem = format!("cannot be combined with {}: set only one of them", key(first));
            reader.wrong(&key(second), &problem, "");
        }
        if self.certificate_file.is_some() != self.certificate_key_file.is_some() {
            reader.needs(&key("certificate_file"), &key("certificate_key_file"));
            reader.needs(&key("certificate_key_file"), &key("certificate_file"));
        }
        if self.hosts.as_ref().is_some_and(|hosts| hosts.0.is_empty()) {
            reader.wrong(
                &key("hosts"),
                "names no server, so tokens could not be sent anywhere",
                "name at least one",
            );
        }
        let only = |given: bool, field: &str, preset: PresetName, reader: &mut Reader| {
            if given && self.preset != preset {
                reader.wrong(
                    &key(field),
                    &format!("must not be set: it is for the preset \"{}\"", preset.as_str()),
                    "",
                );
            }
        };
        only(self.authority.is_some(), "authority", PresetName::Microsoft, reader);
        only(self.directory.is_some(), "directory", PresetName::Microsoft, reader);
        only(self.graph_url.is_some(), "graph_url", PresetName::Microsoft, reader);
        only(self.graph_scopes.is_some(), "graph_scopes", PresetName::Microsoft, reader);
        only(self.issuer.is_some(), "issuer", PresetName::OpenId, reader);
        if self.preset != PresetName::OpenId {
            return;
        }
        let missing = [
            (self.issuer.is_none(), "set issuer: the URL of the provider that issues the tokens"),
            (
                self.ews_scopes.is_none() && self.smtp_scopes.is_none(),
                "set ews_scopes, smtp_scopes, or both: the scopes that the service requests",
            ),
            (self.hosts.is_none(), "set hosts: the servers that its tokens may be sent to"),
        ];
        for (_, advice) in missing.into_iter().filter(|(missing, _)| *missing) {
            reader.wrong(&key("preset"), "is incomplete for \"openid\"", advice);
        }
    }
}

/// Kinds of login provider whose pages and scopes are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresetName {
    /// Microsoft's identity platform.
    Microsoft,
    /// Google.
    Google,
    /// Any provider of OpenID Connect.
    OpenId,
}

impl PresetName {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Microsoft => "microsoft",
            Self::Google => "google",
            Self::OpenId => "openid",
        }
    }
}

impl Value for PresetName {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = raw.text()?;
        let all = [Self::Microsoft, Self::Google, Self::OpenId];
        let found = all.into_iter().find(|preset| preset.as_str() == text);
        found.ok_or_else(|| format!("{} is not one of microsoft, google and openid", raw.shown()))
    }
}

/// A secret. It is not shown, and erased in the end.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// The secret.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Value for SecretText {
    fn parse(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::Bare(text) | Raw::Text(text) if text.trim().is_empty() => Err("is empty".to_owned()),
            Raw::Bare(text) | Raw::Text(text) => Ok(Self(Zeroizing::new(text.trim().to_owned()))),
            _ => Err("is not a string in quotes".to_owned()),
        }
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A day, written `2027-10-31`: the beginning of it, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date(pub Timestamp);

impl Value for Date {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let format = time::macros::format_description!("[year]-[month]-[day]");
        let day = time::Date::parse(raw.text()?, format).map_err(|_| format!("{} is not a date like 2027-10-31", raw.shown()))?;
        Ok(Self(Timestamp::from_seconds(day.midnight().assume_utc().unix_timestamp())))
    }
}

/// A list of web addresses, possibly empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Urls(pub Vec<String>);

impl Value for Urls {
    fn parse(raw: &Raw) -> Result<Self, String> {
        if matches!(raw, Raw::List(list) if list.is_empty()) {
            return Ok(Self::default());
        }
        let Words(urls) = Words::parse(raw)?;
        for text in &urls {
            TlsUrl::parse(&Raw::Text(text.clone().into()))?;
            if Url::parse(text).is_ok_and(|url| url.as_str() != text) {
                return Err(format!(
                    "{text:?} must be written exactly as it is registered with the provider, such as https://crm.example.com/callback"
                ));
            }
        }
        Ok(Self(urls))
    }
}
