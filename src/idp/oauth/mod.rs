//! Login providers: where people log in with OAuth 2.0 (RFC 6749, PKCE by RFC 7636, OpenID Connect Core 1.0), and where tokens come from.
//!
//! | module | holds |
//! |---|---|
//! | `client` | how this service proves who it is |
//! | `endpoints` | where a provider's pages are |
//! | `answers` | what error answers mean: the table |
//! | `replies` | replies of token endpoints in the form of the standard |
//! | `identity` | who logged in |
//!
//! Nothing is stored here and nothing is retried: see `ops::tokens`.

mod answers;
mod client;
mod endpoints;
mod identity;
mod replies;

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use http::{HeaderValue, Request, Response, StatusCode, header};
use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet,
    ExtraTokenFields, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope, StandardErrorResponse,
    StandardRevocableToken, StandardTokenResponse, TokenResponse, TokenUrl,
    basic::{BasicErrorResponseType, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType},
};
use serde::{Deserialize, Serialize};
use url::Url;

use self::{
    answers::Grant,
    endpoints::{EndpointCache, Endpoints},
    identity::{Claims, Expected, GraphProfile},
};
use crate::{
    crypto::{Secret, from_strict_json},
    domain::{LoginUse, Timestamp},
    net::{
        ErrorClass, Network, ProviderError, Scrub, is_named,
        web::{Answer, Web},
    },
};

pub use answers::words;
pub use client::{ClientCertificate, ClientProof};
pub use endpoints::Preset;

/// Scopes about who logged in and for how long, rather than about permissions; providers do not always repeat them.
const IDENTITY_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// How a provider is used.
#[derive(Debug)]
pub struct ProviderSettings {
    /// Its name, chosen by the operator.
    pub name: String,
    /// What kind of provider it is, and where.
    pub preset: Preset,
    /// This service at the provider.
    pub client_id: String,
    /// Proves that it is this service.
    pub proof: ClientProof,
    /// When that proof expires. `None` when unknown.
    pub proof_expires: Option<Timestamp>,
    /// Requested scopes, by the use of the login. Other uses are not supported.
    pub scopes: HashMap<LoginUse, Vec<String>>,
    /// Servers that tokens may be sent to: host names; one that begins with a dot means all names below it.
    pub hosts: Vec<String>,
    /// Lifetime of a login if the provider does not report it.
    pub lifetime: Duration,
    /// Whether each renewal restarts its lifetime.
    pub sliding: bool,
    /// Microsoft Graph, for who logged in.
    pub graph: Url,
}

/// The login providers that the operator configured.
#[derive(Default)]
pub struct LoginProviders(Vec<Arc<LoginProvider>>);

impl LoginProviders {
    /// These providers. `network` must allow what the operator allows, who named them; `timeout` is for a whole request.
    pub fn new(network: &Network, timeout: Duration, providers: Vec<ProviderSettings>) -> Self {
        let provider = |settings| Arc::new(LoginProvider::new(network.clone(), timeout, settings));
        Self(providers.into_iter().map(provider).collect())
    }

    /// The provider of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<LoginProvider>> {
        self.0.iter().find(|provider| provider.name() == name)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<LoginProvider>> {
        self.0.iter()
    }

    /// Those that one can log in to for this use.
    pub fn serving(&self, usage: LoginUse) -> impl Iterator<Item = &Arc<LoginProvider>> {
        self.0.iter().filter(move |provider| provider.settings.scopes.contains_key(&usage))
    }
}

/// A place where people log in.
pub struct LoginProvider {
    settings: ProviderSettings,
    web: Web,
    places: EndpointCache,
}

/// A login that is about to begin.
pub struct LoginRequest<'a> {
    /// Where the browser returns to.
    pub redirect_url: &'a str,
    /// What the login is for.
    pub usage: LoginUse,
    /// Comes back with the browser.
    pub state: String,
    /// Comes back in the ID token.
    pub nonce: &'a str,
    /// The account that is wanted.
    pub account: &'a str,
}

/// What the provider sent with the browser, and what belongs to it.
pub struct CodeExchange<'a> {
    /// The authorisation code.
    pub code: &'a Secret,
    /// The secret whose hash the login was begun with.
    pub verifier: &'a Secret,
    /// As in [`LoginRequest`].
    pub redirect_url: &'a str,
}

/// Whose login is expected.
pub struct Identify<'a> {
    /// As in [`LoginRequest`].
    pub usage: LoginUse,
    /// As in [`LoginRequest`].
    pub nonce: &'a str,
    /// The accounts that may log in.
    pub accounts: &'a [&'a str],
}

/// Tokens as issued by the provider.
#[derive(Debug)]
pub struct Tokens {
    /// The access token.
    pub access: Secret,
    /// How long it is valid.
    pub expires_in: Duration,
    /// A refresh token, if there is a new one.
    pub refresh: Option<Secret>,
    /// How long that is valid, if the provider says so.
    pub refresh_expires_in: Option<Duration>,
    /// What was granted. `None`: all that was requested.
    scopes: Option<Vec<String>>,
    id_token: Option<Secret>,
}

/// Fields of a token response that are non-standard, or elsewhere in the standard.
#[derive(Debug, Deserialize, Serialize)]
struct Extra {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    /// Google, Microsoft's other platforms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token_expires_in: Option<u64>,
    /// Keycloak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_expires_in: Option<u64>,
}

impl ExtraTokenFields for Extra {}

type ErrorAnswer = StandardErrorResponse<BasicErrorResponseType>;
type TokenAnswer = StandardTokenResponse<Extra, BasicTokenType>;
type Client = oauth2::Client<
    ErrorAnswer,
    TokenAnswer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// How long an access token is assumed to be valid if the provider does not say.
const USUAL_LIFE: Duration = Duration::from_hours(1);

impl LoginProvider {
    fn new(network: Network, timeout: Duration, settings: ProviderSettings) -> Self {
        Self {
            web: Web::new(network, timeout),
            places: EndpointCache::default(),
            settings,
        }
    }

    /// Its name, chosen by the operator.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// How it is used.
    pub fn settings(&self) -> &ProviderSettings {
        &self.settings
    }

    /// Whether administrators can consent for a whole domain.
    pub fn knows_consent(&self) -> bool {
        matches!(self.settings.preset, Preset::Microsoft { .. }) && self.settings.scopes.contains_key(&LoginUse::Graph)
    }

    /// Whether tokens may be sent to this host.
    pub fn may_be_sent_to(&self, host: &str) -> bool {
        is_named(&self.settings.hosts, host)
    }

    /// The page to log in at, and the secret that completes the login (RFC 7636 §4.1).
    ///
    /// # Errors
    /// When the provider's discovery document is unavailable.
    pub async fn begin(&self, begin: LoginRequest<'_>) -> Result<(Url, Secret), ProviderError> {
        let endpoints = self.endpoints(None).await?;
        let client = self.client(&endpoints, begin.redirect_url)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let state = begin.state;
        let mut request = client
            .authorize_url(move || CsrfToken::new(state))
            .add_scopes(self.scopes(begin.usage))
            .set_pkce_challenge(challenge)
            .add_extra_param("nonce", begin.nonce)
            .add_extra_param("login_hint", begin.account);
        for (name, value) in self.settings.preset.login_parameters() {
            request = request.add_extra_param(*name, *value);
        }
        let (url, _) = request.url();
        Ok((url, verifier.into_secret().into()))
    }

    /// Gets the tokens of a login.
    ///
    /// # Errors
    /// [`ErrorClass::LoginRequired`] when the provider rejects it; other classes say nothing about the login.
    pub async fn redeem(&self, redeem: CodeExchange<'_>, now: Timestamp) -> Result<Tokens, ProviderError> {
        let endpoints = self.endpoints(None).await?;
        let client = self.client(&endpoints, redeem.redirect_url)?;
        let code = AuthorizationCode::new(redeem.code.expose().clone());
        let verifier = PkceCodeVerifier::new(redeem.verifier.expose().clone());
        let mut request = client.exchange_code(code).set_pkce_verifier(verifier);
        let assertion = self.assertion(&endpoints, now)?;
        for (name, value) in assertion_parameters(assertion.as_ref()) {
            request = request.add_extra_param(name, value);
        }
        let answer = request.request_async(self).await;
        self.tokens(Grant::Code, answer, &[redeem.code, redeem.verifier])
    }

    /// Gets new tokens for a refresh token. The provider may have invalidated the old one by then, even when this ends with an error.
    ///
    /// # Errors
    /// [`ErrorClass::LoginRequired`] when somebody has to log in again; other classes say nothing about the login.
    pub async fn refresh(&self, token: &Secret, usage: LoginUse, now: Timestamp) -> Result<Tokens, ProviderError> {
        let endpoints = self.endpoints(None).await?;
        let client = self.client(&endpoints, "")?;
        let refresh = RefreshToken::new(token.expose().clone());
        let mut request = client.exchange_refresh_token(&refresh).add_scopes(self.scopes(usage));
        let assertion = self.assertion(&endpoints, now)?;
        for (name, value) in assertion_parameters(assertion.as_ref()) {
            request = request.add_extra_param(name, value);
        }
        let answer = request.request_async(self).await;
        self.tokens(Grant::Refresh, answer, &[token])
    }

    /// Gets a token of this service itself for a directory, which its administrators consented to.
    ///
    /// # Errors
    /// [`ErrorClass::LoginRequired`] when there is no consent; other classes say nothing about it.
    pub async fn application(&self, directory: &str, now: Timestamp) -> Result<Tokens, ProviderError> {
        let endpoints = self.endpoints(Some(directory)).await?;
        let client = self.client(&endpoints, "")?;
        let mut request = client.exchange_client_credentials().add_scope(Scope::new(self.application_scope()));
        let assertion = self.assertion(&endpoints, now)?;
        for (name, value) in assertion_parameters(assertion.as_ref()) {
            request = request.add_extra_param(name, value);
        }
        let answer = request.request_async(self).await;
        self.tokens(Grant::Application, answer, &[])
    }

    /// The page at which an administrator consents, and comes back from with `state`.
    pub fn consent_page(&self, domain: &str, redirect_url: &str, state: &str) -> Option<Url> {
        let mut url = self.settings.preset.consent_page(domain)?;
        url.query_pairs_mut()
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("scope", &self.application_scope())
            .append_pair("redirect_uri", redirect_url)
            .append_pair("state", state);
        Some(url)
    }

    /// The directory that an e-mail domain belongs to, as the provider itself says.
    ///
    /// # Errors
    /// [`ErrorClass::Refused`] when it does not know the domain.
    pub async fn directory_of(&self, domain: &str) -> Result<String, ProviderError> {
        endpoints::directory_of(&self.settings, &self.web, domain).await
    }

    /// Scopes that were requested and not granted. Without a refresh token, `offline_access` is among them.
    pub fn missing_scopes(&self, usage: LoginUse, tokens: &Tokens) -> Vec<String> {
        let wanted = self.settings.scopes.get(&usage).map_or(&[][..], Vec::as_slice);
        let mut missing = Vec::new();
        if let Some(granted) = &tokens.scopes {
            // Microsoft repeats its own scopes with or without the resource in front, and in any case.
            let short = |scope: &str| match scope.rsplit_once('/') {
                Some((_, last)) if !last.is_empty() => last.to_lowercase(),
                _ => scope.to_lowercase(),
            };
            let is_granted = |scope: &&String| granted.iter().any(|other| short(other) == short(scope));
            let asked = wanted.iter().filter(|scope| !IDENTITY_SCOPES.contains(&scope.as_str()));
            missing.extend(asked.filter(|scope| !is_granted(scope)).cloned());
        }
        if tokens.refresh.is_none() {
            missing.push("offline_access".to_owned());
        }
        missing
    }

    /// Names of the account that logged in, the likeliest first. Asks its profile only if the ID token names none of those
    /// that are expected.
    ///
    /// # Errors
    /// [`ErrorClass::Malformed`] for an ID token that does not belong to this login; when the profile is unavailable.
    pub async fn account(&self, tokens: &Tokens, identify: Identify<'_>, now: Timestamp) -> Result<Vec<String>, ProviderError> {
        let Identify { usage, nonce, accounts } = identify;
        let endpoints = self.endpoints(None).await?;
        let name = self.name();
        let Some(id_token) = &tokens.id_token else {
            let text = format!("{name} does not say who logged in: its response has no ID token. Have the operator add the scope openid.");
            return Err(ProviderError::new(ErrorClass::Malformed, text));
        };
        let expected = Expected {
            issuer: &endpoints.issuer,
            client_id: &self.settings.client_id,
            nonce,
            now,
        };
        let claims = Claims::of_id_token(id_token.expose(), &expected).map_err(|problem| {
            let text = format!("{name} does not say who logged in: {problem}. Begin the login again.");
            ProviderError::new(ErrorClass::Malformed, text)
        })?;
        let microsoft = matches!(self.settings.preset, Preset::Microsoft { .. });
        let mut names = if microsoft {
            claims.principal_names()
        } else {
            claims.email_names()
        };
        let found = |names: &[String]| {
            names
                .iter()
                .any(|name| accounts.iter().any(|account| account.eq_ignore_ascii_case(name)))
        };
        if found(&names) {
            return Ok(names);
        }
        let page = match (microsoft, usage) {
            (true, LoginUse::Graph) => {
                let base = self.settings.graph.as_str().trim_end_matches('/');
                Url::parse(&format!("{base}/me?$select=mail,userPrincipalName")).ok()
            }
            (true, _) => None,
            (false, _) => endpoints.userinfo.clone(),
        };
        if let Some(page) = page {
            let answer = self.web.get(&page, Some(tokens.access.expose())).await?;
            let profile = Self::profile(&answer, microsoft, &claims.sub);
            names.extend(profile.ok_or_else(|| {
                let text = format!("{name} does not say who logged in: its profile page returns {}.", answer.status);
                ProviderError::new(ErrorClass::Retry { after: None }, text)
            })?);
        }
        Ok(names)
    }

    fn profile(answer: &Answer, microsoft: bool, subject: &str) -> Option<Vec<String>> {
        if answer.status != StatusCode::OK {
            return None;
        }
        if microsoft {
            return Some(from_strict_json::<GraphProfile>(&answer.body).ok()?.names());
        }
        let claims: Claims = from_strict_json(&answer.body).ok()?;
        // Another person's profile must not be taken for that of the login (OpenID Connect Core §5.3.2).
        (claims.sub == subject).then(|| claims.email_names())
    }

    /// Revokes a refresh token at the provider (RFC 7009). Returns false if it offers no such call.
    ///
    /// # Errors
    /// When it could not be revoked.
    pub async fn revoke(&self, token: &Secret, now: Timestamp) -> Result<bool, ProviderError> {
        let endpoints = self.endpoints(None).await?;
        let Some(page) = &endpoints.revocation else { return Ok(false) };
        let form = self.revocation(token, self.assertion(&endpoints, now)?.as_ref());
        let request = Request::post(page.as_str())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.into_bytes())
            .expect("a URL makes a request");
        let answer = self.web.call(request).await?;
        if answer.status.is_success() {
            return Ok(true);
        }
        // For a token that the provider does not know, which is as good as revoked, it returns 200 (§2.2): everything else is a fault.
        let fault = answers::outage(self.name(), answer.status, &answer.headers).unwrap_or_else(|| answers::nonsense(self.name()));
        Err(fault)
    }

    fn revocation(&self, token: &Secret, assertion: Option<&Secret>) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", token.expose())
            .append_pair("token_type_hint", "refresh_token")
            .append_pair("client_id", &self.settings.client_id);
        if let ClientProof::Secret(secret) = &self.settings.proof {
            form.append_pair("client_secret", secret.expose());
        }
        for (name, value) in assertion_parameters(assertion) {
            form.append_pair(name, &value);
        }
        form.finish()
    }

    /// Whether it may support such calls. Microsoft does not.
    pub fn may_know_revocation(&self) -> bool {
        matches!(self.settings.preset, Preset::OpenId { .. })
    }

    async fn endpoints(&self, directory: Option<&str>) -> Result<Endpoints, ProviderError> {
        self.places.find(&self.settings, &self.web, directory).await
    }

    fn scopes(&self, usage: LoginUse) -> impl Iterator<Item = Scope> + '_ {
        let scopes = self.settings.scopes.get(&usage).map_or(&[][..], Vec::as_slice);
        scopes.iter().cloned().map(Scope::new)
    }

    /// All that was consented to (`.default`), at the resource of the Graph scopes' address.
    fn application_scope(&self) -> String {
        let graph = &self.settings.graph;
        format!("{}/.default", graph.origin().ascii_serialization())
    }

    fn client(&self, endpoints: &Endpoints, redirect_url: &str) -> Result<Client, ProviderError> {
        let malformed = |_| answers::nonsense(self.name());
        let client = oauth2::Client::new(ClientId::new(self.settings.client_id.clone()))
            .set_auth_uri(AuthUrl::new(endpoints.authorization.to_string()).map_err(malformed)?)
            .set_token_uri(TokenUrl::new(endpoints.token.to_string()).map_err(malformed)?)
            .set_auth_type(if endpoints.secret_in_body {
                AuthType::RequestBody
            } else {
                AuthType::BasicAuth
            });
        let client = match &self.settings.proof {
            ClientProof::Secret(secret) => client.set_client_secret(ClientSecret::new(secret.expose().clone())),
            ClientProof::Nothing | ClientProof::Certificate(_) => client,
        };
        if redirect_url.is_empty() {
            return Ok(client);
        }
        Ok(client.set_redirect_uri(RedirectUrl::new(redirect_url.to_owned()).map_err(malformed)?))
    }

    fn assertion(&self, endpoints: &Endpoints, now: Timestamp) -> Result<Option<Secret>, ProviderError> {
        let ClientProof::Certificate(certificate) = &self.settings.proof else {
            return Ok(None);
        };
        let id = CsrfToken::new_random().into_secret();
        let assertion = certificate.assertion(&self.settings.client_id, endpoints.token.as_str(), &id, now);
        assertion.map(Some).map_err(|error| {
            let text = format!("The certificate for {} cannot sign. Have the operator check its key.", self.name());
            ProviderError::new(ErrorClass::Refused, text).because(error)
        })
    }

    fn tokens(
        &self,
        grant: Grant,
        answer: Result<TokenAnswer, RequestTokenError<ProviderError, ErrorAnswer>>,
        secrets: &[&Secret],
    ) -> Result<Tokens, ProviderError> {
        let answer = answer.map_err(|error| {
            let fault = match error {
                RequestTokenError::ServerResponse(answer) => {
                    let description = answer.error_description().map_or("", String::as_str);
                    answers::judge(self.name(), grant, answer.error().as_ref(), description)
                }
                RequestTokenError::Request(fault) => fault,
                RequestTokenError::Parse(..) | RequestTokenError::Other(_) => answers::nonsense(self.name()),
            };
            // Careless providers repeat what they were sent.
            let own = match &self.settings.proof {
                ClientProof::Secret(secret) => Some(secret),
                ClientProof::Nothing | ClientProof::Certificate(_) => None,
            };
            let secrets: Vec<&Secret> = secrets.iter().copied().chain(own).collect();
            Scrub::of(&secrets).error(fault)
        })?;
        let extra = answer.extra_fields();
        let expires_in = extra.refresh_token_expires_in.or(extra.refresh_expires_in);
        Ok(Tokens {
            access: answer.access_token().secret().clone().into(),
            expires_in: answer.expires_in().unwrap_or(USUAL_LIFE),
            refresh: answer.refresh_token().map(|token| token.secret().clone().into()),
            // Keycloak reports 0 for one that does not expire.
            refresh_expires_in: expires_in.filter(|seconds| *seconds > 0).map(Duration::from_secs),
            scopes: answer.scopes().map(|scopes| scopes.iter().map(|scope| scope.to_string()).collect()),
            id_token: extra.id_token.clone().map(Secret::new),
        })
    }
}

impl<'c> AsyncHttpClient<'c> for LoginProvider {
    type Error = ProviderError;
    type Future = BoxFuture<'c, Result<oauth2::HttpResponse, ProviderError>>;

    /// Sends a request of the OAuth library. A response with another status becomes an error here, as the library does not check it; one that
    /// takes liberties with the standard gets its form, as the library refuses it else.
    fn call(&'c self, request: oauth2::HttpRequest) -> Self::Future {
        let work = async {
            let answer = self.web.call(request).await?;
            if let Some(fault) = answers::outage(self.name(), answer.status, &answer.headers) {
                return Err(fault);
            }
            let mut response = Response::new(answer.body.to_vec());
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            if let Some(reply) = replies::standard(answer.status, &answer.body) {
                *response.body_mut() = reply.body.to_string().into_bytes();
                *response.status_mut() = reply.status;
                let json = HeaderValue::from_static("application/json");
                response.headers_mut().insert(header::CONTENT_TYPE, json);
            }
            Ok(response)
        };
        work.boxed()
    }
}

/// What goes with a request that is proved by an assertion (RFC 7523 §2.2).
fn assertion_parameters(assertion: Option<&Secret>) -> Vec<(&'static str, String)> {
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned();
    let both = |assertion: &Secret| vec![("client_assertion_type", kind), ("client_assertion", assertion.expose().clone())];
    assertion.map(both).unwrap_or_default()
}
