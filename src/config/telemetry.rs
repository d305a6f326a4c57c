//! `[telemetry]`.

use tracing_subscriber::{EnvFilter, filter::LevelFilter};
use url::Url;

use super::{reader::section, source::Raw, value::Value};

section! {
    /// Logs, traces and metrics.
    pub struct Telemetry {
        /// What is logged.
        pub log: LogFilter => like("info,mailagent=debug"),
        /// How lines of the log look.
        pub log_format: LogFormat,
        /// Where traces and metrics are exported; nowhere without it.
        pub otlp_endpoint: Option<OtlpEndpoint> => like("http://localhost:4317"),
    }
}

/// What is logged: a level, or levels by target with commas between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(String);

/// How lines of the log look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs, one object a line.
    Json,
}

/// A collector that accepts OTLP over gRPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpEndpoint(Url);

impl LogFilter {
    /// The filter for a subscriber.
    pub fn to_filter(&self) -> EnvFilter {
        EnvFilter::new(&self.0)
    }

    /// The filter as written.
    #[cfg(feature = "testing")]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl OtlpEndpoint {
    /// The URL.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl Value for LogFilter {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = raw.text()?;
        // A word that is not a level is read as a target that logs everything, so a misspelt level would enable far more than was
        // intended. Filters by span, in brackets, contain commas of their own and are left to the parser.
        let is_level = |level: &str| level.parse::<LevelFilter>().is_ok();
        let is_clear = |part: &str| is_level(part.split_once('=').map_or(part, |(_, level)| level));
        if !text.contains('[') && !text.split(',').map(str::trim).all(is_clear) {
            return Err(format!(
                "{} is not a filter: levels are off, error, warn, info, debug and trace, targets are written TARGET=LEVEL",
                raw.shown()
            ));
        }
        match EnvFilter::try_new(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(error) => Err(format!("{} is not a filter: {error}", raw.shown())),
        }
    }
}

impl Value for LogFormat {
    fn parse(raw: &Raw) -> Result<Self, String> {
        match raw.text()? {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("{} is neither \"text\" nor \"json\"", raw.shown())),
        }
    }
}

impl Value for OtlpEndpoint {
    fn parse(raw: &Raw) -> Result<Self, String> {
        match Url::parse(raw.text()?) {
            Ok(url) if !url.username().is_empty() || url.password().is_some() => Err("must not contain credentials".to_owned()),
            Ok(url) if url.scheme() == "https" => Err("uses TLS, which is not supported: use a collector on the same machine".to_owned()),
            Ok(url) if url.scheme() == "http" && url.has_host() => Ok(Self(url)),
            _ => Err(format!("{} is not an http URL", raw.shown())),
        }
    }
}
