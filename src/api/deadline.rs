//! How long the caller waits: the header `grpc-timeout`. <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use std::time::Duration;

use axum::{extract::Request, middleware::Next, response::Response};
use http::HeaderMap;
use tonic::Status;

/// Drops a call when its caller no longer waits for its response to begin.
pub(super) async fn layer(request: Request, next: Next) -> Response {
    let Some(limit) = given(request.headers()) else {
        return next.run(request).await;
    };
    let answer = tokio::time::timeout(limit, next.run(request)).await;
    answer.unwrap_or_else(|_| Status::deadline_exceeded("The caller's deadline has passed.").into_http())
}

/// The caller's timeout. A malformed header counts as none.
fn given(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let digits = (1..=8).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = number.parse().ok().filter(|_| digits)?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn deadlines_are_read() {
        let check = |text: &str, expected: Option<Duration>| {
            let headers = HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), HeaderValue::from_str(text).unwrap())]);
            assert_eq!(given(&headers), expected, "{text:?}");
        };
        check("10S", Some(Duration::from_secs(10)));
        check("99999999H", Some(Duration::from_hours(99_999_999)));
        check("250m", Some(Duration::from_millis(250)));
        check("1u", Some(Duration::from_micros(1)));
        check("1n", Some(Duration::from_nanos(1)));
        check("2M", Some(Duration::from_mins(2)));
        for malformed in ["", "S", "10", "100000000S", "+1S", "1s", "1 S"] {
            check(malformed, None);
        }
        assert_eq!(given(&HeaderMap::new()), None);
    }
}
