//! How much of an error is sent.
//!
//! An error arrives in the trailers of a call or in its headers, and clients drop those when they are too long: 8 KiB in total is what gRPC
//! clients accept by default (gRPC over HTTP/2, "Responses"), and beyond that they drop them at random. Texts, metadata and violations come
//! from requests, so they are unbounded.

use std::borrow::Cow;

use http::HeaderMap;
use tonic::Status;

/// Most bytes of a status as it is sent: its code, message and details in their encoded form, with the names of the headers.
pub(super) const MAX_STATUS_BYTES: usize = 4 * 1024;

/// Most entries of the metadata.
pub(super) const MAX_METADATA: usize = 16;

/// What is truncated where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Most bytes of the message, and of each of its copies in the details.
    pub(super) text: usize,
    /// Most bytes of a value of the metadata, of a name and of the path of a field.
    pub(super) value: usize,
    /// Most bytes of what is said of a field.
    pub(super) description: usize,
    /// Most fields that are named, the last of which stands for all others.
    pub(super) violations: usize,
}

/// From limits that nearly all errors meet to limits that make every error fit.
const STEPS: [Bounds; 6] = [
    Bounds::new(768, 512, 1_536, 32),
    Bounds::new(512, 256, 1_024, 24),
    Bounds::new(384, 128, 512, 16),
    Bounds::new(256, 96, 256, 8),
    Bounds::new(128, 64, 128, 5),
    Bounds::new(64, 32, 64, 3),
];

impl Bounds {
    const fn new(text: usize, value: usize, description: usize, violations: usize) -> Self {
        Self {
            text,
            value,
            description,
            violations,
        }
    }
}

/// The first status that `build` makes within [`MAX_STATUS_BYTES`].
pub(super) fn fit(build: impl Fn(Bounds) -> Status) -> Status {
    let [wider @ .., narrowest] = STEPS;
    let fitting = wider.into_iter().map(&build).find(|status| size(status) <= MAX_STATUS_BYTES);
    fitting.unwrap_or_else(|| build(narrowest))
}

/// Bytes of a status in the headers that carry it.
pub(super) fn size(status: &Status) -> usize {
    let mut headers = HeaderMap::new();
    // It fails only for texts that cannot be sent in a header, which are then omitted.
    let _ = status.add_header(&mut headers);
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// The text, or as much of its beginning as fits into `limit` bytes with a mark that something is missing.
pub(super) fn cut(text: &str, limit: usize) -> Cow<'_, str> {
    const MARK: &str = "…";
    if text.len() <= limit {
        return text.into();
    }
    let end = text.floor_char_boundary(limit.saturating_sub(MARK.len()));
    format!("{}{MARK}", &text[..end]).into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        api::status::to_status,
        domain::{Detail, Error, Kind, Reason, Violation},
    };

    #[test]
    fn texts_are_cut_between_characters() {
        for (text, limit, expected) in [
            ("", 0, ""),
            ("abcd", 4, "abcd"),
            ("abcde", 4, "a…"),
            ("äöü", 6, "äöü"),
            ("äöüß", 6, "ä…"),
        ] {
            assert_eq!(cut(text, limit), expected, "{text} {limit}");
            assert!(cut(text, limit).len() <= limit);
        }
    }

    /// An error in which everything that comes from a request or a server is as long as can be.
    fn worst(kind: Kind, reason: Reason, piece: &str) -> Error {
        let long = piece.repeat(3_000);
        let mut error = Error::new(kind, reason, long.clone());
        for detail in Detail::ALL {
            error = error.with(*detail, long.clone());
        }
        let violation = |index| Violation {
            field: format!("users[{index}].{long}"),
            description: long.clone(),
        };
        error.violations = (0..50).map(violation).collect();
        error
    }

    #[test]
    fn every_error_fits_into_its_headers() {
        let retry_after = Duration::from_secs(1);
        let kinds = [
            Kind::Invalid,
            Kind::NotFound,
            Kind::Exists,
            Kind::Precondition,
            Kind::Stale,
            Kind::Unauthenticated,
            Kind::Denied,
            Kind::Exhausted,
            Kind::Busy { retry_after },
            Kind::OutOfRange,
            Kind::Unavailable { retry_after },
            Kind::TimedOut,
            Kind::Internal,
        ];
        // A space takes three bytes in a message, and so does each byte of a character that is not ASCII.
        for piece in ["x", " ", "\u{1f600}"] {
            for kind in kinds {
                for reason in [Reason::FieldsInvalid, Reason::CursorInvalid, Reason::MaintenanceAccountInUse] {
                    let status = to_status(&worst(kind, reason, piece), "01JREQUEST");
                    assert!(
                        size(&status) <= MAX_STATUS_BYTES,
                        "{kind:?} {reason:?} of {piece:?}: {}",
                        size(&status)
                    );
                }
            }
        }
    }
}
