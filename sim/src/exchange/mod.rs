//! A simulated Exchange server: Exchange Web Services over HTTP with Basic authentication and access tokens, and Microsoft Graph on the same
//! mailboxes.
//!
//! It holds mailboxes whose messages may stay in files, keeps real sync states over per-folder change logs, streams notifications, sends
//! mail among its own mailboxes, keeps appointments, refuses what the published schema refuses, enforces Exchange's limits, and shows scripted
//! faults. From the seed follow all ids and all rebuilt messages.
//!
//! | module | holds |
//! |---|---|
//! | `world` | mailboxes, folders, items, change logs |
//! | `raw` | bytes of messages, in memory or in files |
//! | `subscriptions` | notices that wait for subscribers |
//! | `ids` | opaque ids and sync states |
//! | `xml`, `schema` | requests in, answers out, what is a valid request |
//! | `listener`, `http` | connections, limits, scripted faults |
//! | `serving` | authentication, work aside, the simplest answers |
//! | `operations`, `folders`, `items`, `properties`, `send`, `streaming` | what each operation does |
//! | `calendar` | appointments |
//! | `graph` | Microsoft Graph |
//! | `autodiscover` | where EWS is, for those who ask |
//! | `faults` | the script of faults and the record of requests |

mod autodiscover;
mod calendar;
mod faults;
mod folders;
mod graph;
mod http;
mod ids;
mod items;
mod operations;
mod properties;
mod raw;
mod schema;
mod send;
mod serving;
mod streaming;
mod subscriptions;
mod world;
mod xml;

#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use time::OffsetDateTime;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use url::Url;

pub(super) use self::ids::mix;
use self::{
    autodiscover::Answers,
    faults::{Record, Script},
    ids::Ids,
    world::{Flags, NewItem, World},
};
pub use self::{
    autodiscover::{Autodiscover, AutodiscoverRequest},
    faults::{Fault, FaultKind, Request},
    raw::Raw,
    world::{FolderKind, SentMessage},
};
use super::{
    MimeMode,
    clock::{self, Clock},
    entra::TokenHolder,
    listener::{self, Door, Switch, Wrap},
};

/// What Exchange allows. The defaults are its own.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests at once per mailbox; further ones are answered ErrorServerBusy.
    pub concurrency: usize,
    /// Open GetStreamingEvents requests per mailbox that is impersonated, or whose own login asks.
    pub streams: usize,
    /// Subscriptions per mailbox that is impersonated, or whose own login asks.
    pub subscriptions: usize,
    /// Longest request body in bytes; beyond it HTTP 413.
    pub body_bytes: usize,
    /// Longest message that is taken in, in bytes; beyond it ErrorMessageSizeExceeded.
    pub message_bytes: usize,
    /// Longest message that Graph takes in MIME, in bytes; beyond it the answer is 200, as if it had been, and nothing is done.
    pub graph_mime_bytes: usize,
    /// Most items on a page of FindItem; longer pages are cut.
    pub find_page: usize,
    /// BackOffMilliseconds when busy.
    pub backoff: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrency: 4,
            streams: 3,
            subscriptions: 5_000,
            body_bytes: 64 << 20,
            message_bytes: 36 << 20,
            graph_mime_bytes: 2_200_000,
            find_page: 1_000,
            backoff: Duration::from_secs(10),
        }
    }
}

/// How a server shall be; [`Builder::start`] starts it.
pub struct Builder {
    mode: MimeMode,
    seed: u64,
    listen: SocketAddr,
    limits: Limits,
    heartbeat: Duration,
    minute: Duration,
    back_ends: u32,
    wrap: Option<Wrap>,
    clock: Clock,
    tokens: Option<Tokens>,
    bearer_only: bool,
}

/// Tells whose an access token is. `None`: it is not good.
pub type Tokens = Arc<dyn Fn(&str) -> Option<TokenHolder> + Send + Sync>;

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("mode", &self.mode)
            .field("seed", &self.seed)
            .field("listen", &self.listen)
            .field("limits", &self.limits)
            .field("tls", &self.wrap.is_some())
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// How MIME is returned. Default: as it came in.
    #[must_use]
    pub fn mode(mut self, mode: MimeMode) -> Self {
        self.mode = mode;
        self
    }

    /// From which ids, boundaries and chances follow. Default: 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Where to listen. Default: a free port of 127.0.0.1.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// What is allowed.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Time between signs of life on a stream. Default: 45 s.
    #[must_use]
    pub fn heartbeat(mut self, heartbeat: Duration) -> Self {
        self.heartbeat = heartbeat;
        self
    }

    /// How long a minute of a stream's ConnectionTimeout lasts, so that tests need not wait. Default: a minute.
    #[must_use]
    pub fn minute(mut self, minute: Duration) -> Self {
        self.minute = minute;
        self
    }

    /// Servers behind the address, over which the mailboxes are spread in turn. A subscription is known to the one that it was made at alone.
    /// Default: 1.
    #[must_use]
    pub fn back_ends(mut self, count: u32) -> Self {
        self.back_ends = count.max(1);
        self
    }

    /// Where the times of sent and deleted items come from. Default: the machine's clock.
    #[must_use]
    pub fn clock<T: Into<OffsetDateTime>>(mut self, now: impl Fn() -> T + Send + Sync + 'static) -> Self {
        self.clock = clock::given(now);
        self
    }

    /// Takes access tokens too (RFC 6750): one logs in as the login that it stands for, with the same rights as by its password.
    #[must_use]
    pub fn tokens(mut self, tokens: Tokens) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Takes access tokens and nothing else.
    #[must_use]
    pub fn bearer_only(mut self) -> Self {
        self.bearer_only = true;
        self
    }

    /// Serves `https`: `accept` is called with each connection and makes the handshake, such as `tokio_rustls::TlsAcceptor::accept`.
    /// The server itself needs no TLS library then.
    #[must_use]
    pub fn tls<S, F>(mut self, accept: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        F: Future<Output = io::Result<S>> + Send + 'static,
    {
        self.wrap = Some(Arc::new(move |tcp| {
            let handshake = accept(tcp);
            Box::pin(async move { Ok(Box::new(handshake.await?) as Box<dyn listener::Socket>) })
        }));
        self
    }

    /// Starts the server.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(self) -> io::Result<Exchange> {
        let tcp = TcpListener::bind(self.listen).await?;
        let address = tcp.local_addr()?;
        let scheme = if self.wrap.is_some() { "https" } else { "http" };
        let endpoint = Url::parse(&format!("{scheme}://{address}{}", http::PATH)).map_err(io::Error::other)?;
        let graph = endpoint.join(graph::PATH).map_err(io::Error::other)?;
        let shared = Arc::new(Shared {
            graph,
            mode: self.mode,
            seed: self.seed,
            ids: Ids::new(self.seed),
            limits: self.limits,
            heartbeat: self.heartbeat,
            minute: self.minute,
            back_ends: self.back_ends,
            clock: self.clock,
            tokens: Mutex::new(self.tokens),
            bearer_only: self.bearer_only,
            started: Instant::now(),
            message_ids: AtomicU64::new(0),
            world: Mutex::default(),
            script: Mutex::new(Script::new(self.seed)),
            record: Mutex::default(),
            autodiscover: Mutex::new(Answers {
                json: Autodiscover::Names(endpoint.clone()),
                pox: Autodiscover::Names(endpoint.clone()),
            }),
            lookups: Mutex::default(),
            stop: CancellationToken::new(),
            cut: Notify::new(),
        });
        let door = Door::new(tcp, self.wrap, shared.stop.clone());
        let service = http::router(shared.clone()).into_make_service_with_connect_info::<Switch>();
        let stop = shared.stop.clone();
        let task = tokio::spawn(async move {
            tokio::select! {
                _ = axum::serve(door, service).into_future() => {}
                () = stop.cancelled() => {}
            }
        });
        Ok(Exchange(Arc::new(Handle {
            shared,
            endpoint,
            task: Mutex::new(Some(task)),
        })))
    }
}

/// What all requests share.
struct Shared {
    /// Where Graph is.
    graph: Url,
    mode: MimeMode,
    seed: u64,
    ids: Ids,
    limits: Limits,
    heartbeat: Duration,
    minute: Duration,
    back_ends: u32,
    clock: Clock,
    tokens: Mutex<Option<Tokens>>,
    bearer_only: bool,
    started: Instant,
    /// Message-IDs made so far.
    message_ids: AtomicU64,
    // Short sections without waiting, so plain mutexes; never two at once.
    world: Mutex<World>,
    script: Mutex<Script>,
    record: Mutex<Record>,
    autodiscover: Mutex<Answers>,
    lookups: Mutex<Vec<AutodiscoverRequest>>,
    stop: CancellationToken,
    /// Cuts all streams that are open.
    cut: Notify,
}

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    fn now(&self) -> OffsetDateTime {
        (self.clock)()
    }

    /// A new Message-ID, in angle brackets.
    fn message_id(&self, sender: &str) -> String {
        let domain = sender.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
        let number = self.message_ids.fetch_add(1, Ordering::Relaxed);
        format!("<{:016x}.{number}@{domain}>", mix(self.seed, &number.to_be_bytes()))
    }
}

/// A panic in one request must not spoil the others, so poisoning does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running server; cheap to clone. It stops with [`Exchange::stop`] or when the last clone is dropped; then all connections are cut.
#[derive(Clone)]
pub struct Exchange(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    endpoint: Url,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("endpoint", &self.0.endpoint.as_str())
            .finish_non_exhaustive()
    }
}

/// An item as a folder lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its id; another one after every move.
    pub id: String,
    /// Its immutable id over Graph.
    pub immutable_id: String,
    /// When the mailbox received it.
    pub received: OffsetDateTime,
    /// Its length in bytes.
    pub size: u64,
    /// Whether it has been read.
    pub read: bool,
}

impl Exchange {
    /// A server with Exchange's limits that returns the bytes that came in.
    pub fn builder() -> Builder {
        Builder {
            mode: MimeMode::default(),
            seed: 0,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            limits: Limits::default(),
            heartbeat: Duration::from_secs(45),
            minute: Duration::from_mins(1),
            back_ends: 1,
            wrap: None,
            clock: clock::machine(),
            tokens: None,
            bearer_only: false,
        }
    }

    /// Where it listens, such as `http://127.0.0.1:12345/EWS/Exchange.asmx`.
    pub fn endpoint(&self) -> Url {
        self.0.endpoint.clone()
    }

    /// Where Microsoft Graph is, such as `http://127.0.0.1:12345/v1.0`.
    pub fn graph(&self) -> Url {
        self.0.shared.graph.clone()
    }

    /// Lets applications open these mailboxes only, as role-based access control for applications does. `None`: all.
    pub fn limit_applications(&self, addresses: Option<&[&str]>) {
        let mut world = self.0.shared.world();
        world.applications_may = addresses.map(|addresses| addresses.iter().map(|address| address.to_lowercase()).collect());
    }

    /// Stops listening, cuts all connections and waits until the port is free.
    pub async fn stop(&self) {
        self.0.shared.stop.cancel();
        let task = lock(&self.0.task).take();
        if let Some(task) = task {
            let _ = task.await;
        }
    }

    /// Adds a mailbox and the login that owns it. The login may be any text without a colon; upper and lower case are the same in it.
    /// A login that is there already gets the password and this mailbox as its own.
    pub fn add_mailbox(&self, address: &str, login: &str, password: &str) {
        let mut world = self.0.shared.world();
        let mailbox = world.add_mailbox(address);
        let entry = world.logins.entry(login.to_lowercase()).or_default();
        password.clone_into(&mut entry.password);
        entry.mailbox = Some(mailbox);
    }

    /// Adds a login without a mailbox that may impersonate anyone: a maintenance account.
    pub fn add_maintenance_account(&self, login: &str, password: &str) {
        let mut world = self.0.shared.world();
        let entry = world.logins.entry(login.to_lowercase()).or_default();
        password.clone_into(&mut entry.password);
        entry.impersonates = true;
    }

    /// Lets a login use a further mailbox, which is created if need be. A login that is not there yet gets no password: it cannot log in.
    pub fn grant(&self, login: &str, address: &str) {
        let mut world = self.0.shared.world();
        let mailbox = world.add_mailbox(address);
        world.logins.entry(login.to_lowercase()).or_default().granted.insert(mailbox);
    }

    /// Takes a right back that [`Exchange::grant`] gave.
    pub fn revoke(&self, login: &str, address: &str) {
        let mut world = self.0.shared.world();
        let mailbox = world.find(address);
        if let (Some(mailbox), Some(entry)) = (mailbox, world.logins.get_mut(&login.to_lowercase())) {
            entry.granted.remove(&mailbox);
        }
    }

    /// Changes a login's password; connections that are open are asked again.
    pub fn set_password(&self, login: &str, password: &str) {
        if let Some(entry) = self.0.shared.world().logins.get_mut(&login.to_lowercase()) {
            password.clone_into(&mut entry.password);
        }
    }

    /// Changes which access tokens are taken, see [`Builder::tokens`].
    pub fn set_tokens(&self, tokens: Option<Tokens>) {
        *lock(&self.0.shared.tokens) = tokens;
    }

    /// Puts a message into a folder of a mailbox, which is created if need be. Returns its item id. In `Sent` it counts as read, in
    /// `Drafts` as a draft.
    pub fn deliver(&self, address: &str, folder: FolderKind, raw: impl Into<Raw>, received: impl Into<OffsetDateTime>) -> String {
        let shared = &self.0.shared;
        let now = shared.now();
        let flags = Flags {
            read: folder == FolderKind::Sent,
            draft: folder == FolderKind::Drafts,
        };
        let mut world = shared.world();
        let mailbox = world.add_mailbox(address);
        let serial = world
            .mailbox_mut(mailbox)
            .map_or(0, |m| m.add(folder, NewItem::new(raw.into(), received.into(), flags), now));
        shared.ids.item(mailbox, serial)
    }

    /// Puts a message back into a folder without telling those who read on from where they were, as restores of a mailbox do: only who lists
    /// the folder again sees it. Returns its item id.
    pub fn restore(&self, address: &str, folder: FolderKind, raw: impl Into<Raw>, received: impl Into<OffsetDateTime>) -> String {
        let mut world = self.0.shared.world();
        let mailbox = world.add_mailbox(address);
        let serial = world
            .mailbox_mut(mailbox)
            .map_or(0, |held| held.restore(folder, raw.into(), received.into()));
        self.0.shared.ids.item(mailbox, serial)
    }

    /// Makes a folder in a mailbox, which is created if need be.
    pub fn make_folder(&self, address: &str, parent: FolderKind, name: &str) -> FolderKind {
        let mut world = self.0.shared.world();
        let mailbox = world.add_mailbox(address);
        world.mailbox_mut(mailbox).map_or(parent, |held| held.make_folder(parent, name))
    }

    /// Moves an item. Returns its new id, `None` when it is not in that mailbox.
    pub fn move_item(&self, address: &str, id: &str, folder: FolderKind) -> Option<String> {
        self.with_item(address, id, |mailbox, serial, now| mailbox.relocate(serial, folder, now))
            .flatten()
            .and_then(|serial| Some(self.0.shared.ids.item(self.0.shared.world().find(address)?, serial)))
    }

    /// Deletes an item for good. `false` when it is not in that mailbox.
    pub fn delete_item(&self, address: &str, id: &str) -> bool {
        self.with_item(address, id, world::Mailbox::remove).unwrap_or_default()
    }

    /// Marks an item as read or unread. `false` when it is not in that mailbox.
    pub fn set_read(&self, address: &str, id: &str, read: bool) -> bool {
        self.with_item(address, id, |mailbox, serial, now| {
            mailbox.change(serial, Some(read), now).is_some()
        })
        .unwrap_or_default()
    }

    /// Lets an item appear as updated, as when somebody sets a category. `false` when it is not in that mailbox.
    pub fn touch_item(&self, address: &str, id: &str) -> bool {
        self.with_item(address, id, |mailbox, serial, now| mailbox.change(serial, None, now).is_some())
            .unwrap_or_default()
    }

    fn with_item<T>(&self, address: &str, id: &str, act: impl FnOnce(&mut world::Mailbox, u64, OffsetDateTime) -> T) -> Option<T> {
        let shared = &self.0.shared;
        let now = shared.now();
        let mut world = shared.world();
        let (mailbox, serial) = shared.ids.read_item(id)?;
        (world.find(address) == Some(mailbox)).then_some(())?;
        Some(act(world.mailbox_mut(mailbox)?, serial, now))
    }

    /// What a folder holds, newest first; empty when the mailbox is not there.
    pub fn items(&self, address: &str, folder: FolderKind) -> Vec<Listed> {
        let shared = &self.0.shared;
        let world = shared.world();
        let Some((index, mailbox)) = world.find(address).and_then(|index| Some((index, world.mailbox(index)?))) else {
            return Vec::new();
        };
        mailbox
            .newest_first(folder)
            .filter_map(|serial| mailbox.item(serial))
            .map(|item| Listed {
                id: shared.ids.item(index, item.serial),
                immutable_id: graph::immutable_id(shared, index, item),
                received: item.received,
                size: item.raw.size(),
                read: item.read,
            })
            .collect()
    }

    /// The bytes of an item as they came in. `None` when it is not in that mailbox.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn raw(&self, address: &str, id: &str) -> io::Result<Option<Bytes>> {
        let raw = {
            let world = self.0.shared.world();
            self.0.shared.ids.read_item(id).and_then(|(mailbox, serial)| {
                (world.find(address) == Some(mailbox)).then_some(())?;
                Some(world.mailbox(mailbox)?.item(serial)?.raw.clone())
            })
        };
        raw.map(|raw| raw.read(u64::MAX)).transpose()
    }

    /// Recreates a mailbox under the same address: it is empty, its folders and items have other ids, and sync states of the mailbox before
    /// are taken as if they were its own.
    pub fn replace_mailbox(&self, address: &str) {
        self.0.shared.world().replace_mailbox(address);
    }

    /// Makes all sync states of a mailbox invalid.
    pub fn reset_sync_state(&self, address: &str) {
        let mut world = self.0.shared.world();
        if let Some(mailbox) = world.find(address).and_then(|index| world.mailbox_mut(index)) {
            mailbox.epoch += 1;
        }
    }

    /// Forgets the subscriptions of a mailbox; its streams end.
    pub fn forget_subscriptions(&self, address: &str) {
        let mut world = self.0.shared.world();
        if let Some(mailbox) = world.find(address).and_then(|index| world.mailbox_mut(index)) {
            for (_, subscription) in mailbox.subscriptions.drain() {
                subscription.wake.notify_one();
            }
        }
    }

    /// Tells the receivers of a mailbox's notifications over Graph about their subscriptions: `missed` or `reauthorizationRequired`.
    pub async fn tell_lifecycle(&self, address: &str, event: &str) {
        let mailbox = self.0.shared.world().find(address);
        if let Some(mailbox) = mailbox {
            graph::tell_lifecycle(&self.0.shared, mailbox, event).await;
        }
    }

    /// Number of subscriptions over Graph to a mailbox.
    pub fn hooks(&self, address: &str) -> usize {
        let world = self.0.shared.world();
        let mailbox = world.find(address);
        world.hooks.values().filter(|hook| Some(hook.mailbox) == mailbox).count()
    }

    /// Cuts all streams, as a server does that is restarted. The subscriptions stay.
    pub fn cut_streams(&self) {
        self.0.shared.cut.notify_waiters();
    }

    /// Number of open streams of all mailboxes.
    pub fn open_streams(&self) -> usize {
        self.0.shared.world().streams()
    }

    /// Number of subscriptions to a mailbox, over EWS and Graph.
    pub fn subscriptions(&self, address: &str) -> usize {
        let world = self.0.shared.world();
        let mailbox = world.find(address).and_then(|index| world.mailbox(index));
        mailbox.map_or(0, |mailbox| mailbox.subscriptions.len())
    }

    /// Number of open streams that count against a mailbox.
    pub fn streams(&self, address: &str) -> usize {
        let world = self.0.shared.world();
        world
            .find(address)
            .and_then(|index| world.mailbox(index))
            .map_or(0, |mailbox| mailbox.streams)
    }

    /// All that was sent, in order.
    pub fn sent_messages(&self) -> Vec<SentMessage> {
        self.0.shared.world().sent.clone()
    }

    /// Adds a fault to the script.
    pub fn script(&self, fault: Fault) {
        lock(&self.0.shared.script).push(fault);
    }

    /// Forgets all faults that are still to come.
    pub fn clear_script(&self) {
        lock(&self.0.shared.script).clear();
    }

    /// The requests so far, in the order of their answers; the last 100,000. Those without a login, which only ask how to log in, are left
    /// out.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.0.shared.record).requests()
    }

    /// Decides what Autodiscover says, in JSON (v2) and in the older form (POX). From the start both name [`Exchange::endpoint`].
    pub fn autodiscover(&self, json: Autodiscover, pox: Autodiscover) {
        *lock(&self.0.shared.autodiscover) = Answers { json, pox };
    }

    /// The requests for Autodiscover so far, in their order. They are not among [`Exchange::requests`].
    pub fn autodiscover_requests(&self) -> Vec<AutodiscoverRequest> {
        lock(&self.0.shared.lookups).clone()
    }

    /// How often an operation was asked for; streams count when they begin.
    pub fn count(&self, operation: &str) -> u64 {
        lock(&self.0.shared.record).count(operation)
    }

    /// Most requests about a mailbox that ran at once, refused ones included, streams not.
    pub fn peak_concurrency(&self, address: &str) -> usize {
        lock(&self.0.shared.record).peak(&address.to_lowercase())
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        lock(&self.0.shared.record).clear();
    }
}
