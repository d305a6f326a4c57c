//! Logs, traces and metrics. The only global set-up of the process is made here, by [`init`].
//!
//! Logs go to standard error. Traces and metrics go to a collector when one is configured, else nowhere. Every name is in [`names`].

mod metrics;
pub mod names;

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use opentelemetry::{global, metrics::MeterProvider, trace::TracerProvider};
use opentelemetry_otlp::{ExporterBuildError, MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource, error::OTelSdkResult, metrics::SdkMeterProvider, propagation::TraceContextPropagator, trace::SdkTracerProvider,
};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
};

use crate::config::{LogFormat, OtlpEndpoint, Telemetry};

pub use metrics::{ActiveStream, Metrics};

/// The longest that the collector is waited for, also at the end of the process.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);

/// Why telemetry cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The process has a logger already.
    #[error("logging is already set up")]
    AlreadySetUp(#[source] tracing::subscriber::SetGlobalDefaultError),
    /// The connection to the collector cannot be prepared.
    #[error("traces and metrics cannot be sent to {endpoint}")]
    Collector {
        /// The collector's URL.
        endpoint: String,
        /// What is wrong.
        #[source]
        source: ExporterBuildError,
    },
    /// There is no tokio runtime for the connection to the collector.
    #[error("traces and metrics need a tokio runtime")]
    NoRuntime(#[source] tokio::runtime::TryCurrentError),
}

/// Keeps telemetry going. When it is dropped, what has not been sent yet is sent; that blocks for some seconds at most. Drop it last,
/// inside the runtime, which has to be one of several threads, and end the process by a return from `main`.
#[must_use = "telemetry ends when it is dropped"]
pub struct Guard {
    exporters: Option<Exporters>,
    metrics: Metrics,
}

impl Guard {
    /// The instruments, all silent without a collector.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(exporters) = &self.exporters else {
            return;
        };
        // Side by side, so that an unreachable collector costs its timeout only once. The log is still available to report it.
        let shut_down = |what, result: OTelSdkResult| {
            if let Err(error) = result {
                tracing::warn!(%error, what, "last data not sent to the collector");
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| shut_down("metrics", exporters.metrics.shutdown_with_timeout(exporters.timeout)));
            shut_down("traces", exporters.traces.shutdown_with_timeout(exporters.timeout));
        });
    }
}

/// Sets up logs, traces and metrics for the process. With a collector it must be called inside a tokio runtime; the collector need
/// not be there, and what it misses is lost.
///
/// # Errors
/// See [`InitError`]; nothing is set up then.
pub fn init(settings: &Telemetry) -> Result<Guard, InitError> {
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let (subscriber, guard) = build(settings, io::stderr, colours, EXPORT_TIMEOUT)?;
    tracing::subscriber::set_global_default(subscriber).map_err(InitError::AlreadySetUp)?;
    global::set_text_map_propagator(TraceContextPropagator::new());
    Ok(guard)
}

/// Everything but what is global.
fn build<W>(
    settings: &Telemetry,
    writer: W,
    colours: bool,
    timeout: Duration,
) -> Result<(impl Subscriber + Send + Sync + use<W>, Guard), InitError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let log = fmt::layer().with_writer(writer).with_ansi(colours);
    let log: Box<dyn Layer<Registry> + Send + Sync> = match settings.log_format {
        LogFormat::Text => log.boxed(),
        LogFormat::Json => log.json().flatten_event(true).with_span_list(false).boxed(),
    };
    let exporters = settings
        .otlp_endpoint
        .as_ref()
        .map(|endpoint| Exporters::new(endpoint, timeout))
        .transpose()?;
    let traces = exporters.as_ref().map(|exporters| {
        let tracer = exporters.traces.tracer(names::SERVICE);
        // Of libraries only this one: the exporter's own connection would be traced too, and that again.
        let targets = Targets::new()
            .with_target(names::SERVICE, LevelFilter::INFO)
            .with_target("tower_http", LevelFilter::INFO);
        tracing_opentelemetry::layer().with_tracer(tracer).with_filter(targets)
    });
    let metrics = exporters
        .as_ref()
        .map_or_else(Metrics::default, |exporters| Metrics::new(&exporters.metrics.meter(names::SERVICE)));
    let subscriber = Registry::default().with(log.with_filter(settings.log.to_filter())).with(traces);
    Ok((subscriber, Guard { exporters, metrics }))
}

/// What sends traces and metrics to a collector.
struct Exporters {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
    timeout: Duration,
}

impl Exporters {
    fn new(endpoint: &OtlpEndpoint, timeout: Duration) -> Result<Self, InitError> {
        tokio::runtime::Handle::try_current().map_err(InitError::NoRuntime)?;
        let failed = |source| InitError::Collector {
            endpoint: endpoint.as_str().to_owned(),
            source,
        };
        let spans = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint.as_str())
            .with_timeout(timeout)
            .build();
        let metrics = MetricExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint.as_str())
            .with_timeout(timeout)
            .build();
        let resource = Resource::builder()
            .with_service_name(names::SERVICE)
            .with_attribute(opentelemetry::KeyValue::new(names::SERVICE_VERSION, env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self {
            traces: SdkTracerProvider::builder()
                .with_resource(resource.clone())
                .with_batch_exporter(spans.map_err(failed)?)
                .build(),
            timeout,
            metrics: SdkMeterProvider::builder()
                .with_resource(resource)
                .with_periodic_exporter(metrics.map_err(failed)?)
                .build(),
        })
    }
}

#[cfg(test)]
mod tests;
