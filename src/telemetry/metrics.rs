//! The instruments.

use std::time::Duration;

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram, Meter, MeterProvider, NoopMeterProvider, UpDownCounter},
};

use super::names;

/// Boundaries for spans that are over within seconds, as the semantic conventions have them.
const SHORT: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// Boundaries for mail, which may wait for a poll or for a server that was away.
const LONG: [f64; 11] = [1.0, 2.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 1_800.0, 7_200.0, 86_400.0];

/// All instruments of a service. Clones record into the same ones; the default records nowhere.
#[derive(Clone, Debug)]
pub struct Metrics {
    rpc_duration: Histogram<f64>,
    http_duration: Histogram<f64>,
    db_duration: Histogram<f64>,
    sweep_messages: Counter<u64>,
    sweep_delay: Histogram<f64>,
    archive_messages: Counter<u64>,
    archive_size: Counter<u64>,
    mailbox_duration: Histogram<f64>,
    mailbox_stuck: UpDownCounter<i64>,
    token_refresh_duration: Histogram<f64>,
    watch_streams: UpDownCounter<i64>,
    watch_events: Counter<u64>,
    processor_active: UpDownCounter<i64>,
    processor_memory: UpDownCounter<i64>,
    processor_wait: Histogram<f64>,
    job_duration: Histogram<f64>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new(&NoopMeterProvider::new().meter(names::SERVICE))
    }
}

impl Metrics {
    /// Makes the instruments.
    pub fn new(meter: &Meter) -> Self {
        let seconds = |name, bounds: &[f64]| meter.f64_histogram(name).with_unit("s").with_boundaries(bounds.to_vec()).build();
        let count = |name, unit| meter.u64_counter(name).with_unit(unit).build();
        Self {
            rpc_duration: seconds(names::RPC_DURATION, &SHORT),
            http_duration: seconds(names::HTTP_DURATION, &SHORT),
            db_duration: seconds(names::DB_DURATION, &SHORT),
            sweep_messages: count(names::SWEEP_MESSAGES, "{message}"),
            sweep_delay: seconds(names::SWEEP_DELAY, &LONG),
            archive_messages: count(names::ARCHIVE_MESSAGES, "{message}"),
            archive_size: count(names::ARCHIVE_SIZE, "By"),
            mailbox_duration: seconds(names::MAILBOX_DURATION, &LONG),
            mailbox_stuck: meter.i64_up_down_counter(names::MAILBOX_STUCK).with_unit("{mailbox}").build(),
            token_refresh_duration: seconds(names::TOKEN_REFRESH_DURATION, &SHORT),
            watch_streams: meter.i64_up_down_counter(names::WATCH_STREAMS).with_unit("{stream}").build(),
            watch_events: count(names::WATCH_EVENTS, "{event}"),
            processor_active: meter.i64_up_down_counter(names::PROCESSOR_ACTIVE).with_unit("{work}").build(),
            processor_memory: meter.i64_up_down_counter(names::PROCESSOR_MEMORY).with_unit("By").build(),
            processor_wait: seconds(names::PROCESSOR_WAIT, &SHORT),
            job_duration: seconds(names::JOB_DURATION, &SHORT),
        }
    }

    /// A call ended. `method` is its service and method without a slash in front and must be one that exists, since every value is
    /// kept; `status` is the name of its code, such as `NOT_FOUND`.
    pub fn call_ended(&self, method: &'static str, status: &'static str, took: Duration) {
        let mut attributes = vec![
            KeyValue::new(names::RPC_SYSTEM, "grpc"),
            KeyValue::new(names::RPC_METHOD, method),
            KeyValue::new(names::RPC_STATUS, status),
        ];
        attributes.extend(failure((status != "OK").then_some(status)));
        self.rpc_duration.record(took.as_secs_f64(), &attributes);
    }

    /// A request to a mailbox server ended: with the status of its answer, if there was one, and with what failed, if anything did.
    pub fn request_ended(&self, method: &'static str, status: Option<u16>, error: Option<&'static str>, took: Duration) {
        let mut attributes = vec![KeyValue::new(names::HTTP_METHOD, method)];
        attributes.extend(status.map(|status| KeyValue::new(names::HTTP_STATUS, i64::from(status))));
        attributes.extend(failure(error));
        self.http_duration.record(took.as_secs_f64(), &attributes);
    }

    /// A transaction ended. `operation` is the part of the service that began it, such as `ops/directory`.
    pub fn transaction_ended(&self, operation: &'static str, error: Option<&'static str>, took: Duration) {
        let mut attributes = vec![KeyValue::new(names::DB_OPERATION, operation)];
        attributes.extend(failure(error));
        self.db_duration.record(took.as_secs_f64(), &attributes);
    }

    /// The sweep handled a message. `outcome` is in lower case, such as `matched`.
    pub fn message_swept(&self, outcome: &'static str) {
        self.sweep_messages.add(1, &[KeyValue::new(names::OUTCOME, outcome)]);
    }

    /// A note was committed, `delay` after its message was received.
    pub fn note_made(&self, delay: Duration) {
        self.sweep_delay.record(delay.as_secs_f64(), &[]);
    }

    /// The archive stored `messages` of `bytes` altogether.
    pub fn messages_stored(&self, messages: u64, bytes: u64) {
        self.archive_messages.add(messages, &[KeyValue::new(names::OUTCOME, "stored")]);
        self.archive_size.add(bytes, &[]);
    }

    /// The archive met `messages` that it had already.
    pub fn messages_known(&self, messages: u64) {
        self.archive_messages.add(messages, &[KeyValue::new(names::OUTCOME, "duplicate")]);
    }

    /// A look at a mailbox ended.
    pub fn mailbox_activated(&self, error: Option<&'static str>, took: Duration) {
        let attributes: Vec<_> = failure(error).into_iter().collect();
        self.mailbox_duration.record(took.as_secs_f64(), &attributes);
    }

    /// The work on so many mailboxes does not move, which were `before` at the last look.
    pub fn mailboxes_stuck(&self, before: usize, now: usize) {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.mailbox_stuck.add(count(now) - count(before), &[]);
    }

    /// A renewal of an access token ended.
    pub fn token_refreshed(&self, error: Option<&'static str>, took: Duration) {
        let attributes: Vec<_> = failure(error).into_iter().collect();
        self.token_refresh_duration.record(took.as_secs_f64(), &attributes);
    }

    /// A round of a background job ended.
    pub fn job_ran(&self, job: &'static str, error: Option<&'static str>, took: Duration) {
        let mut attributes = vec![KeyValue::new(names::JOB, job)];
        attributes.extend(failure(error));
        self.job_duration.record(took.as_secs_f64(), &attributes);
    }

    /// Somebody waited this long for a turn to do processor work.
    pub fn turn_awaited(&self, waited: Duration) {
        self.processor_wait.record(waited.as_secs_f64(), &[]);
    }

    /// A turn began, with so much memory.
    pub fn turn_given(&self, bytes: u64) {
        self.processor_active.add(1, &[]);
        self.processor_memory.add(signed(bytes), &[]);
    }

    /// A turn ended that had so much memory.
    pub fn turn_ended(&self, bytes: u64) {
        self.processor_active.add(-1, &[]);
        self.processor_memory.add(-signed(bytes), &[]);
    }

    /// An event stream of `method` was opened. It counts as open until the returned value is dropped.
    #[must_use = "the stream counts as open until this is dropped"]
    pub fn stream_opened(&self, method: &'static str) -> ActiveStream {
        let attributes = [KeyValue::new(names::RPC_METHOD, method)];
        self.watch_streams.add(1, &attributes);
        ActiveStream {
            streams: self.watch_streams.clone(),
            events: self.watch_events.clone(),
            attributes,
        }
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn failure(error: Option<&'static str>) -> Option<KeyValue> {
    error.map(|error| KeyValue::new(names::ERROR_TYPE, error))
}

/// An event stream that is open.
#[derive(Debug)]
pub struct ActiveStream {
    streams: UpDownCounter<i64>,
    events: Counter<u64>,
    attributes: [KeyValue; 1],
}

impl ActiveStream {
    /// Events were delivered.
    pub fn delivered(&self, events: u64) {
        self.events.add(events, &self.attributes);
    }
}

impl Drop for ActiveStream {
    fn drop(&mut self) {
        self.streams.add(-1, &self.attributes);
    }
}
