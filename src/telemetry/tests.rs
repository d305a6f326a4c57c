use std::{
    fmt::Write as _,
    io,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, http::Uri};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    metrics::{
        Temporality,
        data::{AggregatedMetrics, MetricData, ResourceMetrics},
        exporter::PushMetricExporter,
    },
};
use tracing::{info, info_span, subscriber::with_default};

use super::*;
use crate::config::{Config, Flag, load};

fn settings(flags: &[(&'static str, &str)]) -> Telemetry {
    let flags: Vec<_> = flags
        .iter()
        .map(|(key, value)| Flag {
            key,
            value: (*value).to_owned(),
            name: key,
        })
        .collect();
    load(None, [], &flags).unwrap().telemetry
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Logs two lines in a span with these settings and returns what is written.
    fn of(settings: &Telemetry) -> String {
        let log = Self::default();
        let writer = log.clone();
        let (subscriber, guard) = build(settings, move || writer.clone(), false, EXPORT_TIMEOUT).unwrap();
        with_default(subscriber, || {
            let _span = info_span!("task", task = "sweep").entered();
            info!(messages = 3, "mailbox read");
            tracing::debug!("hidden");
        });
        drop(guard);
        let written = log.0.lock().unwrap().clone();
        String::from_utf8(written).unwrap()
    }
}

#[test]
fn text_is_for_people() {
    let text = Log::of(&Config::default().telemetry);
    let (_, line) = text.split_once(' ').unwrap();
    assert_eq!(
        line.trim(),
        "INFO task{task=\"sweep\"}: mailagent::telemetry::tests: mailbox read messages=3"
    );
    let text = Log::of(&settings(&[("telemetry.log", "mailagent=debug")]));
    assert!(text.contains("hidden"), "{text}");
}

#[test]
fn json_is_for_programs() {
    let text = Log::of(&settings(&[("telemetry.log_format", "json")]));
    let mut line: serde_json::Value = serde_json::from_str(&text).unwrap();
    line.as_object_mut().unwrap().remove("timestamp").unwrap();
    let expected = serde_json::json!({
        "level": "INFO", "target": "mailagent::telemetry::tests", "message": "mailbox read", "messages": 3,
        "span": { "name": "task", "task": "sweep" },
    });
    assert_eq!(line, expected);
}

#[test]
fn a_collector_needs_a_runtime() {
    let settings = settings(&[("telemetry.otlp_endpoint", "http://127.0.0.1:1")]);
    assert!(matches!(
        build(&settings, io::sink, false, EXPORT_TIMEOUT),
        Err(InitError::NoRuntime(_))
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_guard_sends_what_is_left() {
    type Requests = Arc<Mutex<Vec<(String, Vec<u8>)>>>;
    // Keeps the request and answers with an empty message, which is what a collector says that took everything.
    async fn export(State(requests): State<Requests>, uri: Uri, body: Bytes) -> ([(&'static str, &'static str); 1], axum::body::Body) {
        requests.lock().unwrap().push((uri.path().to_owned(), body.to_vec()));
        ([("content-type", "application/grpc")], axum::body::Body::from(vec![0; 5]))
    }
    let requests = Requests::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let collector = axum::serve(listener, Router::new().fallback(export).with_state(requests.clone()));
    let collector = tokio::spawn(collector.into_future());

    let (subscriber, guard) = build(
        &settings(&[("telemetry.otlp_endpoint", &endpoint)]),
        io::sink,
        false,
        EXPORT_TIMEOUT,
    )
    .unwrap();
    with_default(subscriber, || info_span!("sweep of a test").in_scope(|| info!("mailbox read")));
    guard.metrics().message_swept("matched");
    drop(guard);
    collector.abort();

    let requests = requests.lock().unwrap();
    let sent = |service: &str, text: &str| {
        let path = format!("/opentelemetry.proto.collector.{service}/Export");
        let has = |body: &[u8]| memchr::memmem::find(body, text.as_bytes()).is_some();
        requests.iter().any(|(to, body)| *to == path && has(body))
    };
    assert!(sent("trace.v1.TraceService", "sweep of a test"));
    assert!(sent("metrics.v1.MetricsService", names::SWEEP_MESSAGES));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_holds_nothing_up() {
    let timeout = Duration::from_millis(100);
    // Accepts connections and never answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (subscriber, guard) = build(&settings(&[("telemetry.otlp_endpoint", &endpoint)]), io::sink, false, timeout).unwrap();
    with_default(subscriber, || info_span!("lost").in_scope(|| ()));
    guard.metrics().message_swept("matched");
    let start = std::time::Instant::now();
    drop(guard);
    assert!(start.elapsed() < EXPORT_TIMEOUT, "{:?}", start.elapsed());
}

/// Writes one line for each series: name, unit, attributes and value.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl PushMetricExporter for Lines {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let mut lines = self.0.lock().unwrap();
        for metric in metrics.scope_metrics().flat_map(|scope| scope.metrics()) {
            let mut line = |attributes: &mut dyn Iterator<Item = &opentelemetry::KeyValue>, value: String| {
                let mut attributes: Vec<_> = attributes.map(|pair| format!("{}={}", pair.key, pair.value)).collect();
                attributes.sort();
                let mut line = String::new();
                write!(line, "{} [{}] {{{}}} {value}", metric.name(), metric.unit(), attributes.join(", ")).unwrap();
                lines.push(line);
            };
            match metric.data() {
                AggregatedMetrics::U64(MetricData::Sum(sum)) => sum
                    .data_points()
                    .for_each(|point| line(&mut point.attributes(), point.value().to_string())),
                AggregatedMetrics::I64(MetricData::Sum(sum)) => sum
                    .data_points()
                    .for_each(|point| line(&mut point.attributes(), point.value().to_string())),
                AggregatedMetrics::F64(MetricData::Histogram(spans)) => {
                    spans
                        .data_points()
                        .for_each(|point| line(&mut point.attributes(), format!("{} in {}", point.sum(), point.count())));
                }
                other => panic!("an instrument of an unexpected kind: {other:?}"),
            }
        }
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

#[test]
fn metrics_keep_their_names() {
    let lines = Lines::default();
    let provider = SdkMeterProvider::builder().with_periodic_exporter(lines.clone()).build();
    let metrics = Metrics::new(&provider.meter(names::SERVICE));
    let span = Duration::from_millis(250);
    metrics.call_ended("mailagent.v1.AgentService/GetAgent", "OK", span);
    metrics.call_ended("mailagent.v1.AgentService/GetAgent", "NOT_FOUND", span);
    metrics.request_ended("POST", Some(200), None, span);
    metrics.request_ended("POST", None, Some("timeout"), span);
    metrics.transaction_ended("ops/directory", None, span);
    metrics.message_swept("matched");
    metrics.clone().message_swept("matched");
    metrics.note_made(span * 8);
    metrics.messages_stored(3, 12_000);
    metrics.messages_known(1);
    metrics.mailbox_activated(Some("unreachable"), span);
    metrics.mailboxes_stuck(0, 2);
    let stream = metrics.stream_opened("mailagent.v1.SweepService/WatchMatches");
    drop(metrics.stream_opened("mailagent.v1.SweepService/WatchMatches"));
    stream.delivered(7);
    provider.force_flush().unwrap();

    let mut lines = lines.0.lock().unwrap().clone();
    lines.sort();
    assert_eq!(
        lines,
        [
            "db.client.operation.duration [s] {db.operation.name=ops/directory} 0.25 in 1",
            "http.client.request.duration [s] {error.type=timeout, http.request.method=POST} 0.25 in 1",
            "http.client.request.duration [s] {http.request.method=POST, http.response.status_code=200} 0.25 in 1",
            "mailagent.archive.messages [{message}] {outcome=duplicate} 1",
            "mailagent.archive.messages [{message}] {outcome=stored} 3",
            "mailagent.archive.size [By] {} 12000",
            "mailagent.mailbox.activation.duration [s] {error.type=unreachable} 0.25 in 1",
            "mailagent.mailbox.stuck [{mailbox}] {} 2",
            "mailagent.sweep.delay [s] {} 2 in 1",
            "mailagent.sweep.messages [{message}] {outcome=matched} 2",
            "mailagent.watch.events [{event}] {rpc.method=mailagent.v1.SweepService/WatchMatches} 7",
            "mailagent.watch.stream.active [{stream}] {rpc.method=mailagent.v1.SweepService/WatchMatches} 1",
            "rpc.server.call.duration [s] {error.type=NOT_FOUND, rpc.method=mailagent.v1.AgentService/GetAgent, rpc.response.status_code=NOT_FOUND, rpc.system.name=grpc} 0.25 in 1",
            "rpc.server.call.duration [s] {rpc.method=mailagent.v1.AgentService/GetAgent, rpc.response.status_code=OK, rpc.system.name=grpc} 0.25 in 1",
        ]
    );
}
