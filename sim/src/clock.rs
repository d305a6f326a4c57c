//! The time of the simulators, in UTC: the machine's, or that of a test.

use std::sync::Arc;

use time::{OffsetDateTime, UtcOffset, macros::format_description};

/// Says what time it is.
pub(crate) type Clock = Arc<dyn Fn() -> OffsetDateTime + Send + Sync>;

/// The machine's clock.
pub(crate) fn machine() -> Clock {
    Arc::new(OffsetDateTime::now_utc)
}

/// Somebody else's clock.
pub(crate) fn given<T: Into<OffsetDateTime>>(now: impl Fn() -> T + Send + Sync + 'static) -> Clock {
    Arc::new(move || now().into())
}

/// A time as Microsoft's servers write it (RFC 3339): in UTC, in whole seconds.
pub(crate) fn write_time(time: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    time.to_offset(UtcOffset::UTC).format(format).unwrap_or_default()
}
