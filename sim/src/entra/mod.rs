//! A simulated identity platform like Microsoft's (Entra ID): people log in at its page, administrators consent, applications get tokens.
//!
//! | module | holds |
//! |---|---|
//! | `world` | directories, accounts, applications, what was given out |
//! | `http` | the pages |
//! | `token` | the token endpoint |
//!
//! It checks what the real one checks: redirect addresses letter by letter, PKCE, one use of each code, one resource for each token request,
//! client secrets and assertions. <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow>

mod certificate;
mod http;
#[cfg(test)]
mod tests;
mod token;
mod world;

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use time::OffsetDateTime;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    clock::{self, Clock},
    listener::{Door, Switch},
};

pub use self::world::{TokenFault, TokenHolder, TokenRequest};
use self::{token::Signer, world::World};

/// What becomes of a refresh token that is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotation {
    /// There is a new one each time, and those before stay good: Microsoft's rule.
    #[default]
    KeepOld,
    /// There is a new one each time. One that comes a second time is taken for stolen, and all that came of its login end.
    Strict,
    /// It stays the only one: Google's rule.
    Fixed,
}

/// How a platform shall be; [`Builder::start`] starts it.
pub struct Builder {
    clock: Clock,
    rules: Rules,
}

/// What holds for all tokens.
#[derive(Clone, Copy, Debug)]
struct Rules {
    token_lifetime: Duration,
    rotation: Rotation,
    refresh_lifetime: Option<Duration>,
}

impl Builder {
    /// Where the time comes from. Default: the machine's clock.
    #[must_use]
    pub fn clock<T: Into<OffsetDateTime>>(mut self, now: impl Fn() -> T + Send + Sync + 'static) -> Self {
        self.clock = clock::given(now);
        self
    }

    /// How long an access token is good. Default: an hour.
    #[must_use]
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.rules.token_lifetime = lifetime;
        self
    }

    /// What becomes of refresh tokens.
    #[must_use]
    pub fn rotation(mut self, rotation: Rotation) -> Self {
        self.rules.rotation = rotation;
        self
    }

    /// How long a refresh token is good; answers say so then (`refresh_token_expires_in`), which Microsoft's do not. Default: for ever.
    #[must_use]
    pub fn refresh_lifetime(mut self, lifetime: Option<Duration>) -> Self {
        self.rules.refresh_lifetime = lifetime;
        self
    }

    /// Starts the platform on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start(self) -> io::Result<Entra> {
        let tcp = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let authority = Url::parse(&format!("http://{}", tcp.local_addr()?)).map_err(io::Error::other)?;
        let shared = Arc::new(Shared {
            authority,
            clock: self.clock,
            rules: self.rules,
            signer: Signer::generate(),
            world: Mutex::default(),
            stop: CancellationToken::new(),
        });
        let door = Door::new(tcp, None, shared.stop.clone());
        let service = http::router(shared.clone()).into_make_service_with_connect_info::<Switch>();
        let stop = shared.stop.clone();
        let task = tokio::spawn(async move {
            tokio::select! {
                _ = axum::serve(door, service).into_future() => {}
                () = stop.cancelled() => {}
            }
        });
        Ok(Entra(Arc::new(Handle {
            shared,
            task: Mutex::new(Some(task)),
        })))
    }
}

struct Shared {
    authority: Url,
    clock: Clock,
    rules: Rules,
    signer: Signer,
    // Short sections without waiting.
    world: Mutex<World>,
    stop: CancellationToken,
}

impl Shared {
    /// A panic in one request must not spoil the others, so poisoning does not matter.
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> OffsetDateTime {
        (self.clock)()
    }

    /// The platform's name in ID tokens.
    fn issuer(&self, directory: &str) -> String {
        format!("{}/{directory}/v2.0", self.authority.as_str().trim_end_matches('/'))
    }
}

/// A running platform; cheap to clone. It stops with [`Entra::stop`] or when the last clone is dropped.
#[derive(Clone)]
pub struct Entra(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl fmt::Debug for Entra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entra({})", self.0.shared.authority)
    }
}

impl Entra {
    /// A platform with Microsoft's rules.
    pub fn builder() -> Builder {
        Builder {
            clock: clock::machine(),
            rules: Rules {
                token_lifetime: Duration::from_hours(1),
                rotation: Rotation::default(),
                refresh_lifetime: None,
            },
        }
    }

    /// What stands in the place of `https://login.microsoftonline.com`.
    pub fn authority(&self) -> Url {
        self.0.shared.authority.clone()
    }

    /// Microsoft Graph, as far as it says who somebody is: `GET /me`.
    pub fn graph(&self) -> Url {
        self.0.shared.authority.join("/v1.0").expect("it is a path")
    }

    /// Adds a directory (a GUID) with its e-mail domains.
    pub fn add_directory(&self, id: &str, domains: &[&str]) {
        let domains = domains.iter().map(|domain| domain.to_lowercase()).collect();
        self.0.shared.world().directories.insert(id.to_owned(), domains);
    }

    /// Registers an application.
    pub fn add_app(&self, client_id: &str, secret: &str, redirect_urls: &[&str]) {
        let app = world::App {
            secret: secret.to_owned(),
            secret_expired: false,
            certificate: None,
            redirect_urls: redirect_urls.iter().map(|url| (*url).to_owned()).collect(),
        };
        self.0.shared.world().apps.insert(client_id.to_owned(), app);
    }

    /// Lets an application's secret end.
    pub fn expire_secret(&self, client_id: &str) {
        if let Some(app) = self.0.shared.world().apps.get_mut(client_id) {
            app.secret_expired = true;
        }
    }

    /// Gives an application another secret.
    pub fn set_secret(&self, client_id: &str, secret: &str) {
        if let Some(app) = self.0.shared.world().apps.get_mut(client_id) {
            app.secret = secret.to_owned();
            app.secret_expired = false;
        }
    }

    /// Makes a certificate (PEM) known for an application, which may then prove itself by assertions signed with PS256 or RS256.
    ///
    /// # Panics
    /// When it is none with an RSA key.
    pub fn set_certificate(&self, client_id: &str, pem: &str) {
        let certificate = certificate::Certificate::read(pem).expect("a certificate with an RSA key");
        if let Some(app) = self.0.shared.world().apps.get_mut(client_id) {
            app.certificate = Some(certificate);
        }
    }

    /// Adds an account whose mailbox has the name that it logs in with. Its directory must be there.
    pub fn add_user(&self, address: &str) {
        self.add_user_named(address, address);
    }

    /// Adds an account with another name to log in with than its mailbox has.
    pub fn add_user_named(&self, principal: &str, mail: &str) {
        self.0.shared.world().users.push(world::User {
            principal: principal.to_owned(),
            mail: mail.to_owned(),
        });
    }

    /// Ends all sessions of an account, as a change of its password does.
    pub fn revoke(&self, address: &str) {
        self.0.shared.world().revoke(address);
    }

    /// Ends all access tokens before their time; refresh tokens stay good.
    pub fn forget_access_tokens(&self) {
        self.0.shared.world().access.clear();
    }

    /// Grants no other scopes than these from now on; with none, all that are asked for.
    pub fn grant_only(&self, scopes: Option<&[&str]>) {
        self.0.shared.world().granted = scopes.map(|scopes| scopes.iter().map(|scope| (*scope).to_owned()).collect());
    }

    /// Records the consent of a directory's administrators.
    pub fn consent(&self, client_id: &str, directory: &str) {
        let consent = (client_id.to_owned(), directory.to_owned());
        self.0.shared.world().consents.insert(consent);
    }

    /// Takes it back.
    pub fn withdraw_consent(&self, client_id: &str, directory: &str) {
        let consent = (client_id.to_owned(), directory.to_owned());
        self.0.shared.world().consents.remove(&consent);
    }

    /// Lets the next token requests fail.
    pub fn fail(&self, fault: TokenFault, times: usize) {
        let faults = std::iter::repeat_n(fault, times);
        self.0.shared.world().faults.extend(faults);
    }

    /// Lets no more of them fail.
    pub fn forget_faults(&self) {
        self.0.shared.world().faults.clear();
    }

    /// Token requests so far.
    pub fn token_requests(&self) -> Vec<TokenRequest> {
        self.0.shared.world().requests.clone()
    }

    /// All tokens that were issued so far, valid or not.
    pub fn tokens(&self) -> Vec<String> {
        let world = self.0.shared.world();
        world.refresh.keys().chain(world.access.keys()).cloned().collect()
    }

    /// Whose an access token is. `None` when it is not good, or no longer.
    pub fn identify(&self, access_token: &str) -> Option<TokenHolder> {
        self.0.shared.world().identify(access_token, self.0.shared.now())
    }

    /// What a browser is sent to that opens a page of this platform, picks an account and accepts.
    ///
    /// # Errors
    /// What the page says when it sends nowhere.
    pub fn sign_in(&self, page: &str, account: &str) -> Result<Url, String> {
        http::sign_in(&self.0.shared, page, account)
    }

    /// Stops listening, cuts all connections and waits until the port is free.
    pub async fn stop(&self) {
        self.0.shared.stop.cancel();
        let task = self.0.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            let _ = task.await;
        }
    }
}
