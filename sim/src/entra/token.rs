//! The token endpoint: who asks, for what, and what is given.

use std::collections::HashMap;

use aws_lc_rs::{
    digest,
    encoding::AsDer,
    rsa::{KeyPair, KeySize, PublicKeyComponents},
    signature::KeyPair as _,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, Validation};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{
    Rotation, Shared,
    world::{Access, App, Login, Refresh, TokenHolder, TokenRequest, User, World, random},
};
use crate::clock::write_time;

/// How long a code is good, in seconds.
const CODE_LIFE: i64 = 600;
/// Scopes that are of no resource.
const IDENTITY: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// Signs ID tokens.
pub(super) struct Signer {
    key: EncodingKey,
    id: String,
    /// Modulus and exponent.
    public: (String, String),
}

impl Signer {
    pub(super) fn generate() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("only a lack of memory could prevent it");
        let public = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).expect("it has that form");
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(der.as_ref())
        );
        Self {
            key: EncodingKey::from_rsa_pem(pem.as_bytes()).expect("it is an RSA key"),
            id: random(""),
            public: (URL_SAFE_NO_PAD.encode(public.n), URL_SAFE_NO_PAD.encode(public.e)),
        }
    }

    /// The key that ID tokens are checked with (RFC 7517).
    pub(super) fn keys(&self) -> Value {
        let (n, e) = &self.public;
        json!({ "keys": [{ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.id, "n": n, "e": e }] })
    }

    fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.id.clone());
        jsonwebtoken::encode(&header, claims, &self.key).expect("the key signs")
    }
}

/// An error answer: what it is, and Microsoft's words.
pub(super) struct Refusal(pub &'static str, pub String);

impl Refusal {
    fn new(error: &'static str, description: &str) -> Self {
        Self(error, description.to_owned())
    }

    pub(super) fn status(&self) -> u16 {
        if self.0 == "invalid_client" { 401 } else { 400 }
    }

    pub(super) fn body(&self, now: OffsetDateTime) -> Value {
        let now = write_time(now);
        let number = self
            .1
            .strip_prefix("AADSTS")
            .and_then(|rest| rest.split(':').next()?.parse::<u32>().ok());
        json!({
            "error": self.0,
            "error_description": format!("{} Trace ID: {} Timestamp: {now}", self.1, random("")),
            "error_codes": number.into_iter().collect::<Vec<_>>(),
            "timestamp": now,
            "trace_id": random(""),
            "correlation_id": random(""),
        })
    }
}

/// A token request, taken apart.
pub(super) struct Asked<'a> {
    pub directory: &'a str,
    pub form: &'a HashMap<String, String>,
    /// Client id and secret out of the header.
    pub basic: Option<(String, String)>,
}

impl Asked<'_> {
    fn value(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }

    fn client_id(&self) -> &str {
        self.basic.as_ref().map_or(self.value("client_id"), |(id, _)| id)
    }

    fn scopes(&self) -> Vec<String> {
        self.value("scope").split_whitespace().map(str::to_owned).collect()
    }

    /// For the record.
    pub(super) fn record(&self, user: Option<String>, status: u16) -> TokenRequest {
        TokenRequest {
            grant_type: self.value("grant_type").to_owned(),
            client_id: self.client_id().to_owned(),
            scope: self.value("scope").to_owned(),
            user,
            verifier: self.value("code_verifier").to_owned(),
            status,
        }
    }

    /// All that came, as it stands in a text of JSON.
    pub(super) fn repeated(&self) -> String {
        let login = self.basic.iter().flat_map(|(id, secret)| [id, secret]);
        let values: Vec<&str> = login.chain(self.form.values()).map(String::as_str).collect();
        let text = Value::from(values.join(" and ")).to_string();
        text.trim_matches('"').to_owned()
    }
}

/// Gives tokens. The account is told also of what is refused.
pub(super) fn give(shared: &Shared, asked: &Asked<'_>) -> (Option<String>, Result<Value, Refusal>) {
    let mut world = shared.world();
    if let Err(refusal) = prove(shared, &mut world, asked) {
        return (None, Err(refusal));
    }
    match asked.value("grant_type") {
        "authorization_code" => redeem(shared, &mut world, asked),
        "refresh_token" => refresh(shared, &mut world, asked),
        "client_credentials" => (None, application(shared, &mut world, asked)),
        _ => (
            None,
            Err(Refusal::new(
                "unsupported_grant_type",
                "AADSTS70003: The app requested an unsupported grant type.",
            )),
        ),
    }
}

/// Whether the application is the one that it says.
fn prove(shared: &Shared, world: &mut World, asked: &Asked<'_>) -> Result<(), Refusal> {
    let id = asked.client_id().to_owned();
    let Some(app) = world.apps.get(&id) else {
        return Err(Refusal::new(
            "unauthorized_client",
            "AADSTS700016: Application was not found in the directory.",
        ));
    };
    let assertion = asked.value("client_assertion");
    if !assertion.is_empty() {
        let endpoint = format!("{}{}/oauth2/v2.0/token", shared.authority, asked.directory);
        let jti = assert(app, &id, assertion, &endpoint, shared.now())
            .ok_or_else(|| Refusal::new("invalid_client", "AADSTS700027: The certificate with identifier used to sign the client assertion is not registered, or the assertion is not valid."))?;
        return if world.assertions.insert(jti) {
            Ok(())
        } else {
            Err(Refusal::new("invalid_client", "AADSTS50198: The assertion was used already."))
        };
    }
    let secret = asked.basic.as_ref().map_or(asked.value("client_secret"), |(_, secret)| secret);
    if secret != app.secret {
        return Err(Refusal::new("invalid_client", "AADSTS7000215: Invalid client secret provided."));
    }
    if app.secret_expired {
        return Err(Refusal::new(
            "invalid_client",
            "AADSTS7000222: The provided client secret keys for app are expired.",
        ));
    }
    Ok(())
}

#[derive(Deserialize)]
struct Assertion {
    iss: String,
    sub: String,
    jti: String,
    exp: i64,
}

/// The id of an assertion that is good (RFC 7523 §3).
fn assert(app: &App, client_id: &str, assertion: &str, endpoint: &str, now: OffsetDateTime) -> Option<String> {
    let certificate = app.certificate.as_ref()?;
    let header = jsonwebtoken::decode_header(assertion).ok()?;
    if header.x5t_s256.as_ref() != Some(&certificate.thumbprint) {
        return None;
    }
    let mut validation = Validation::new(header.alg);
    validation.algorithms = vec![Algorithm::PS256, Algorithm::RS256];
    validation.set_audience(&[endpoint]);
    // By the platform's clock, below.
    validation.validate_exp = false;
    let claims = jsonwebtoken::decode::<Assertion>(assertion, &certificate.key, &validation)
        .ok()?
        .claims;
    let good = claims.iss == client_id && claims.sub == client_id && claims.exp > now.unix_timestamp();
    good.then_some(claims.jti)
}

fn redeem(shared: &Shared, world: &mut World, asked: &Asked<'_>) -> (Option<String>, Result<Value, Refusal>) {
    // Whatever comes of it, it is used.
    let Some(code) = world.codes.remove(asked.value("code")) else {
        return (
            None,
            Err(Refusal::new(
                "invalid_grant",
                "AADSTS54005: The code was already redeemed, or never was one.",
            )),
        );
    };
    let user = Some(code.user.mail.clone());
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, asked.value("code_verifier").as_bytes()));
    let age = (shared.now() - code.made).whole_seconds();
    let refusal = match () {
        () if code.client_id != asked.client_id() => Some("AADSTS700005: The code is for another application."),
        () if code.redirect_url != asked.value("redirect_uri") => Some("AADSTS500112: The reply address does not match that of the code."),
        () if challenge != code.challenge => Some("AADSTS501481: The Code_Verifier does not match the code_challenge."),
        () if age > CODE_LIFE => Some("AADSTS70008: The code has expired."),
        () => None,
    };
    if let Some(refusal) = refusal {
        return (user, Err(Refusal::new("invalid_grant", refusal)));
    }
    world.logins.push(Login {
        client_id: code.client_id.clone(),
        user: code.user.clone(),
        ended: false,
    });
    let login = world.logins.len() - 1;
    let grant = Grant {
        login,
        user: &code.user,
        refreshable: code.scopes.iter().any(|scope| scope == "offline_access"),
        scopes: code.scopes.clone(),
    };
    let mut answer = tokens(shared, world, grant);
    if code.scopes.iter().any(|scope| scope == "openid") {
        answer["id_token"] = id_token(shared, world, &code.client_id, &code.user, &code.nonce).into();
    }
    (user, Ok(answer))
}

fn id_token(shared: &Shared, world: &World, client_id: &str, user: &User, nonce: &str) -> String {
    let (now, directory) = (shared.now().unix_timestamp(), world.home(user));
    let id = URL_SAFE_NO_PAD.encode(&digest::digest(&digest::SHA256, user.principal.as_bytes()).as_ref()[..16]);
    shared.signer.sign(&json!({
        "iss": shared.issuer(&directory), "aud": client_id, "tid": directory, "sub": id, "oid": id, "nonce": nonce,
        "iat": now, "nbf": now, "exp": now + 3600, "preferred_username": user.principal, "name": user.principal, "ver": "2.0",
    }))
}

fn refresh(shared: &Shared, world: &mut World, asked: &Asked<'_>) -> (Option<String>, Result<Value, Refusal>) {
    let token = asked.value("refresh_token");
    let malformed = || Refusal::new("invalid_grant", "AADSTS9002313: The refresh token is malformed or invalid.");
    let Some(found) = world.refresh.get_mut(token) else {
        return (None, Err(malformed()));
    };
    let (login, reused, ends) = (found.login, found.used, found.ends);
    found.used = true;
    let (client_id, user, ended) = match world.logins.get(login) {
        Some(login) => (login.client_id.clone(), login.user.clone(), login.ended),
        None => return (None, Err(malformed())),
    };
    let told = Some(user.mail.clone());
    if client_id != asked.client_id() {
        return (told, Err(malformed()));
    }
    if reused && shared.rules.rotation == Rotation::Strict {
        world.logins[login].ended = true;
        return (
            told,
            Err(Refusal::new(
                "invalid_grant",
                "AADSTS54005: The refresh token was used already, so the login was ended.",
            )),
        );
    }
    if ended {
        let text = "AADSTS50173: The provided grant has expired due to it being revoked, a fresh auth token is needed.";
        return (told, Err(Refusal::new("invalid_grant", text)));
    }
    if ends.is_some_and(|ends| ends <= shared.now()) {
        let text = "AADSTS700082: The refresh token has expired due to inactivity.";
        return (told, Err(Refusal::new("invalid_grant", text)));
    }
    let scopes = asked.scopes();
    if let Err(refusal) = one_resource(&scopes) {
        return (told, Err(refusal));
    }
    let grant = Grant {
        login,
        user: &user,
        scopes,
        refreshable: shared.rules.rotation != Rotation::Fixed,
    };
    (told, Ok(tokens(shared, world, grant)))
}

/// Each token is for one resource.
pub(super) fn one_resource(scopes: &[String]) -> Result<(), Refusal> {
    let resource = |scope: &str| match scope.rsplit_once('/') {
        Some((resource, _)) => resource.to_lowercase(),
        None => "https://graph.microsoft.com".to_owned(),
    };
    let real = scopes.iter().filter(|scope| !IDENTITY.contains(&scope.as_str()));
    let mut resources: Vec<String> = real.map(|scope| resource(scope)).collect();
    resources.sort_unstable();
    resources.dedup();
    if resources.len() > 1 {
        let text = "AADSTS28000: Provided value for the input parameter scope is not valid because it contains more than one resource.";
        return Err(Refusal::new("invalid_scope", text));
    }
    Ok(())
}

/// What a person is to get tokens for.
struct Grant<'a> {
    /// The login that the tokens belong to.
    login: usize,
    user: &'a User,
    scopes: Vec<String>,
    /// Whether a refresh token comes with the access token.
    refreshable: bool,
}

fn tokens(shared: &Shared, world: &mut World, grant: Grant<'_>) -> Value {
    let Grant {
        login,
        user,
        mut scopes,
        refreshable,
    } = grant;
    if let Some(granted) = &world.granted {
        scopes.retain(|scope| IDENTITY.contains(&scope.as_str()) || granted.contains(scope));
    }
    let (rules, now) = (shared.rules, shared.now());
    let access = random("eyAccess.");
    let holder = TokenHolder {
        account: Some(user.mail.clone()),
        scopes: scopes.clone(),
        application: false,
        directory: world.home(user),
    };
    world.access.insert(
        access.clone(),
        Access {
            holder,
            login: Some(login),
            user: Some(user.clone()),
            ends: now + rules.token_lifetime,
        },
    );
    // Microsoft does not repeat this one.
    scopes.retain(|scope| scope != "offline_access");
    let mut answer = json!({
        "token_type": "Bearer",
        "scope": scopes.join(" "),
        "expires_in": rules.token_lifetime.as_secs(),
        "ext_expires_in": rules.token_lifetime.as_secs(),
        "access_token": access,
    });
    if refreshable {
        let token = random("0.Refresh.");
        let ends = rules.refresh_lifetime.map(|lifetime| now + lifetime);
        world.refresh.insert(token.clone(), Refresh { login, used: false, ends });
        answer["refresh_token"] = token.into();
    }
    if let Some(lifetime) = rules.refresh_lifetime {
        answer["refresh_token_expires_in"] = lifetime.as_secs().into();
    }
    answer
}

fn application(shared: &Shared, world: &mut World, asked: &Asked<'_>) -> Result<Value, Refusal> {
    let client_id = asked.client_id().to_owned();
    let scope = asked.value("scope").to_owned();
    let Some(directory) = world.directory(asked.directory) else {
        return Err(Refusal::new("invalid_request", "AADSTS90002: Tenant was not found."));
    };
    if !scope.ends_with("/.default") || scope.contains(' ') {
        return Err(Refusal::new(
            "invalid_scope",
            "AADSTS1002012: The provided value for scope is not valid. Client credential flows must have a scope value with /.default.",
        ));
    }
    if !world.consents.contains(&(client_id, directory.clone())) {
        return Err(Refusal::new(
            "unauthorized_client",
            "AADSTS700016: Application was not found in the directory.",
        ));
    }
    let access = random("eyApplication.");
    let lifetime = shared.rules.token_lifetime;
    let holder = TokenHolder {
        account: None,
        scopes: vec![scope],
        application: true,
        directory,
    };
    world.access.insert(
        access.clone(),
        Access {
            holder,
            login: None,
            user: None,
            ends: shared.now() + lifetime,
        },
    );
    Ok(json!({
        "token_type": "Bearer",
        "expires_in": lifetime.as_secs(),
        "ext_expires_in": lifetime.as_secs(),
        "access_token": access,
    }))
}
