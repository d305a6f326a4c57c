//! Every name of a metric and of an attribute. Those that do not begin with `mailagent.` are of OpenTelemetry's semantic conventions.
//!
//! Attributes of metrics have few values each. Tenants, agents and addresses are never among them; ids may be fields of spans.

/// The service, as collectors show it.
pub const SERVICE: &str = "mailagent";
/// Version of the service.
pub const SERVICE_VERSION: &str = "service.version";

/// Seconds that a call took, by [`RPC_METHOD`] and [`RPC_STATUS`]; [`ERROR_TYPE`] when it failed. A stream counts when it ends.
pub const RPC_DURATION: &str = "rpc.server.call.duration";
/// Seconds that a request to a mailbox server took, by [`HTTP_METHOD`] and [`HTTP_STATUS`]; [`ERROR_TYPE`] when it failed.
pub const HTTP_DURATION: &str = "http.client.request.duration";
/// Seconds that a transaction took, by [`DB_OPERATION`]; [`ERROR_TYPE`] when it failed. With SQLite nobody else writes meanwhile.
pub const DB_DURATION: &str = "db.client.operation.duration";

/// Messages that the sweep handled, by [`OUTCOME`].
pub const SWEEP_MESSAGES: &str = "mailagent.sweep.messages";
/// Seconds from a message's receipt by its mailbox to its note.
pub const SWEEP_DELAY: &str = "mailagent.sweep.delay";
/// Messages that reached the archive, by [`OUTCOME`]: `stored` or `duplicate`.
pub const ARCHIVE_MESSAGES: &str = "mailagent.archive.messages";
/// Bytes of the messages that were stored, before compression.
pub const ARCHIVE_SIZE: &str = "mailagent.archive.size";
/// Seconds that one look at a mailbox took; [`ERROR_TYPE`] when it failed.
pub const MAILBOX_DURATION: &str = "mailagent.mailbox.activation.duration";
/// Mailboxes on which this replica's work does not move. Above 0 for more than a minute: look at the database and the log.
pub const MAILBOX_STUCK: &str = "mailagent.mailbox.stuck";
/// Seconds that one renewal of an access token took; [`ERROR_TYPE`] when it failed.
pub const TOKEN_REFRESH_DURATION: &str = "mailagent.token.refresh.duration";
/// Event streams that are open, by [`RPC_METHOD`].
pub const WATCH_STREAMS: &str = "mailagent.watch.stream.active";
/// Events that were delivered, by [`RPC_METHOD`]. Bookmarks do not count.
pub const WATCH_EVENTS: &str = "mailagent.watch.events";

/// Pieces of processor work under way: messages that are unpacked and parsed.
pub const PROCESSOR_ACTIVE: &str = "mailagent.processor.work.active";
/// Bytes of memory that is reserved for them.
pub const PROCESSOR_MEMORY: &str = "mailagent.processor.memory";
/// Seconds that one waited for its turn.
pub const PROCESSOR_WAIT: &str = "mailagent.processor.wait.duration";

/// Seconds that one round of a background job took, by [`JOB`]; [`ERROR_TYPE`] when it failed.
pub const JOB_DURATION: &str = "mailagent.job.duration";

/// Name of a background job, such as `linking`.
pub const JOB: &str = "mailagent.job.name";
/// What came of it, in lower case, such as `matched`.
pub const OUTCOME: &str = "outcome";
/// What failed, in a word, such as `timeout`, `login_required` or the name of a status. Absent when nothing did.
pub const ERROR_TYPE: &str = "error.type";
/// Kind of call: always `grpc`.
pub const RPC_SYSTEM: &str = "rpc.system.name";
/// Service and method, such as `mailagent.v1.AgentService/GetAgent`.
pub const RPC_METHOD: &str = "rpc.method";
/// Name of the status that a call ended with, such as `OK` or `NOT_FOUND`.
pub const RPC_STATUS: &str = "rpc.response.status_code";
/// Method of a request, such as `POST`.
pub const HTTP_METHOD: &str = "http.request.method";
/// Status of an answer, such as 200. Absent when there was none.
pub const HTTP_STATUS: &str = "http.response.status_code";
/// Which part of the service began a transaction, such as `ops/directory`.
pub const DB_OPERATION: &str = "db.operation.name";
