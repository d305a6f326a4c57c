//! Opening a connection and the services on it.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, ClientTlsConfig, Endpoint},
};

use crate::{
    v1::{
        Change, Match, Message, StreamMessagesRequest, TokenEvent, WatchChangesRequest, WatchMatchesRequest, WatchTokensRequest,
        agent_service_client::AgentServiceClient, archive_service_client::ArchiveServiceClient,
        directory_service_client::DirectoryServiceClient, settings_service_client::SettingsServiceClient,
        sweep_service_client::SweepServiceClient,
    },
    watch::{Backoff, Delivery, Watch, resume},
};

/// A page of 500 records may well pass tonic's own limit of 4 MiB.
const MAX_RESPONSE_BYTES: usize = 32 * 1024 * 1024;

const STREAM_WINDOW: u32 = 512 * 1024;
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
const USER_AGENT: &str = concat!("mailagent-client-rust/", env!("CARGO_PKG_VERSION"));

/// What the services' clients send their calls through.
pub type Service = InterceptedService<Channel, Auth>;

/// Why no connection was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL is not one, or nobody answers there.
    #[error("cannot connect to {url}")]
    Transport {
        /// The URL as given.
        url: String,
        /// What happened.
        #[source]
        source: tonic::transport::Error,
    },
    /// The token cannot be sent.
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// Why there is no token to show. The token itself is not part of the text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It has characters that a header cannot carry.
    #[error("the token may only have visible ASCII characters")]
    Characters,
    /// The source of tokens failed.
    #[error("no token is available")]
    Source(#[source] Box<dyn Error + Send + Sync>),
}

/// Connects to the service at `url` (`http://` or, with the system's root certificates, `https://`) and shows `token` with every
/// call. An empty token sends none.
///
/// The connection is made before this returns, is kept alive by pings, and is re-established by the next call after it broke.
///
/// # Errors
/// A URL that is wrong or does not answer within ten seconds, or a token that no header can carry.
pub async fn connect(url: &str, token: &str) -> Result<Clients, ConnectError> {
    connect_with(url, Auth::new(token)?).await
}

/// As [`connect`], for tokens that are renewed: `connect_with(url, Auth::from_source(source).await?)`.
///
/// # Errors
/// As [`connect`].
pub async fn connect_with(url: &str, auth: Auth) -> Result<Clients, ConnectError> {
    let transport = |source| ConnectError::Transport {
        url: url.to_owned(),
        source,
    };
    let mut endpoint = Endpoint::from_shared(url.to_owned())
        .and_then(|endpoint| endpoint.user_agent(USER_AGENT))
        .map_err(transport)?
        .connect_timeout(Duration::from_secs(10))
        // A watch is silent for seconds: without pings a broken path would go unnoticed.
        .http2_keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(true)
        // A watch that is read slowly holds back what it was sent; the others on the connection continue within the rest.
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    if endpoint.uri().scheme_str() == Some("https") {
        endpoint = endpoint.tls_config(ClientTlsConfig::new().with_native_roots()).map_err(transport)?;
    }
    let channel = endpoint.connect().await.map_err(transport)?;
    Ok(Clients::new(channel, auth))
}

/// What gives tokens.
type Source = dyn Fn() -> Pin<Box<dyn Future<Output = Result<String, Box<dyn Error + Send + Sync>>> + Send>> + Send + Sync;

/// Adds the bearer token to calls. Clones share the token.
#[derive(Clone)]
pub struct Auth(Arc<Shared>);

struct Shared {
    shown: RwLock<Shown>,
    source: Option<Box<Source>>,
    /// Held while the source is asked, so that watches that end together ask once.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Shown {
    header: Option<MetadataValue<Ascii>>,
    /// How many tokens there were before.
    number: u64,
}

impl Auth {
    /// Shows `token`, or none when it is empty.
    ///
    /// # Errors
    /// The token has characters that a header cannot carry.
    pub fn new(token: &str) -> Result<Self, TokenError> {
        let auth = Self::with(None);
        auth.set_token(token)?;
        Ok(auth)
    }

    /// Shows the token that `source` gives. It is asked now, and again when the service refuses the last token, which it does when a
    /// token expires: watches then continue with the fresh one. For other calls, see [`Auth::renew`].
    ///
    /// # Errors
    /// The source fails, or its token has characters that a header cannot carry.
    pub async fn from_source<F, T, E>(source: F) -> Result<Self, TokenError>
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let auth = Self::with(Some(Box::new(move || {
            let token = source();
            Box::pin(async move { token.await.map_err(Into::into) })
        })));
        auth.renew().await?;
        Ok(auth)
    }

    fn with(source: Option<Box<Source>>) -> Self {
        Self(Arc::new(Shared {
            shown: RwLock::default(),
            source,
            asking: tokio::sync::Mutex::default(),
        }))
    }

    /// Shows another token from the next call on; open watches use it when they reconnect. Call this before the old one expires.
    ///
    /// # Errors
    /// The token has characters that a header cannot carry; the old one stays.
    pub fn set_token(&self, token: &str) -> Result<(), TokenError> {
        let header = match token {
            "" => None,
            token => {
                let mut value = MetadataValue::try_from(format!("Bearer {token}")).map_err(|_| TokenError::Characters)?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        // The value is replaced whole, so one that a panicking thread left behind is as good as any.
        let mut shown = self.0.shown.write().unwrap_or_else(PoisonError::into_inner);
        *shown = Shown {
            header,
            number: shown.number + 1,
        };
        Ok(())
    }

    /// Asks the source for a fresh token, and shows it from the next call on. Nothing happens without a source.
    ///
    /// # Errors
    /// As [`Auth::from_source`]; the old token stays.
    pub async fn renew(&self) -> Result<(), TokenError> {
        self.renew_from(self.number()).await.map(|_| ())
    }

    /// The number of the token that is shown.
    pub(crate) fn number(&self) -> u64 {
        self.0.shown.read().unwrap_or_else(PoisonError::into_inner).number
    }

    /// Sees to it that another token is shown than the one of this number. Whether there is one.
    pub(crate) async fn renew_from(&self, refused: u64) -> Result<bool, TokenError> {
        let _asking = self.0.asking.lock().await;
        if self.number() != refused {
            return Ok(true);
        }
        let Some(source) = &self.0.source else { return Ok(false) };
        let token = source().await.map_err(TokenError::Source)?;
        self.set_token(&token)?;
        Ok(true)
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("number", &self.number()).finish_non_exhaustive()
    }
}

impl Interceptor for Auth {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let header = self.0.shown.read().unwrap_or_else(PoisonError::into_inner).header.clone();
        if let Some(header) = header {
            request.metadata_mut().insert("authorization", header);
        }
        Ok(request)
    }
}

/// The services on one connection. Clones are cheap and share it.
#[derive(Clone, Debug)]
pub struct Clients {
    /// Agents: settings and health of mailboxes.
    pub agents: AgentServiceClient<Service>,
    /// The archive of messages.
    pub archive: ArchiveServiceClient<Service>,
    /// The CRM's users, customers, contacts and cases.
    pub directory: DirectoryServiceClient<Service>,
    /// The tenant's settings.
    pub settings: SettingsServiceClient<Service>,
    /// Outcomes, notes and matches.
    pub sweep: SweepServiceClient<Service>,
    /// Shows the token; replace it here.
    pub auth: Auth,
    /// How watches that start from now on reconnect.
    pub backoff: Backoff,
}

impl Clients {
    /// Puts the services on a connection that was made elsewhere, for example with a private root certificate.
    pub fn new(channel: Channel, auth: Auth) -> Self {
        let service = InterceptedService::new(channel, auth.clone());
        Self {
            agents: AgentServiceClient::new(service.clone()).max_decoding_message_size(MAX_RESPONSE_BYTES),
            archive: ArchiveServiceClient::new(service.clone()).max_decoding_message_size(MAX_RESPONSE_BYTES),
            directory: DirectoryServiceClient::new(service.clone()).max_decoding_message_size(MAX_RESPONSE_BYTES),
            settings: SettingsServiceClient::new(service.clone()).max_decoding_message_size(MAX_RESPONSE_BYTES),
            sweep: SweepServiceClient::new(service).max_decoding_message_size(MAX_RESPONSE_BYTES),
            auth,
            backoff: Backoff::default(),
        }
    }

    /// Follows the matches of messages with cases, see [`Watch`].
    pub fn watch_matches(&self, request: WatchMatchesRequest) -> Watch<Match> {
        let client = self.sweep.clone();
        resume(
            (self.backoff, self.auth.clone()),
            request.cursor.clone(),
            move |cursor| {
                let (mut client, request) = (client.clone(), WatchMatchesRequest { cursor, ..request.clone() });
                async move { client.watch_matches(request).await.map(tonic::Response::into_inner) }
            },
            |response| Delivery {
                cursor: response.cursor,
                event: response.r#match,
            },
        )
    }

    /// Follows what happens to the logins of agents and maintenance accounts, see [`Watch`].
    pub fn watch_tokens(&self, request: WatchTokensRequest) -> Watch<TokenEvent> {
        let client = self.agents.clone();
        resume(
            (self.backoff, self.auth.clone()),
            request.cursor.clone(),
            move |cursor| {
                let (mut client, request) = (client.clone(), WatchTokensRequest { cursor, ..request.clone() });
                async move { client.watch_tokens(request).await.map(tonic::Response::into_inner) }
            },
            |response| Delivery {
                cursor: response.cursor,
                event: response.event,
            },
        )
    }

    /// Follows the archive's messages, first the old ones, then the new ones, see [`Watch`].
    pub fn stream_messages(&self, request: StreamMessagesRequest) -> Watch<Message> {
        let client = self.archive.clone();
        resume(
            (self.backoff, self.auth.clone()),
            request.cursor.clone(),
            move |cursor| {
                let (mut client, request) = (client.clone(), StreamMessagesRequest { cursor, ..request.clone() });
                async move { client.stream_messages(request).await.map(tonic::Response::into_inner) }
            },
            |response| Delivery {
                cursor: response.cursor,
                event: response.message,
            },
        )
    }

    /// Follows what the service makes for the CRM to copy, see [`Watch`].
    pub fn watch_changes(&self, request: WatchChangesRequest) -> Watch<Change> {
        let client = self.directory.clone();
        resume(
            (self.backoff, self.auth.clone()),
            request.cursor,
            move |cursor| {
                let mut client = client.clone();
                async move {
                    client
                        .watch_changes(WatchChangesRequest { cursor })
                        .await
                        .map(tonic::Response::into_inner)
                }
            },
            |response| Delivery {
                cursor: response.cursor,
                event: response.change,
            },
        )
    }
}
