//! Servers' replies, sanitised for storage and display; and the meaning of HTTP response headers.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header};
use reqwest::Response;
use time::{PrimitiveDateTime, macros::format_description};

/// Longest pause that a server may request.
pub const MAX_PAUSE: Duration = Duration::from_hours(1);
/// Limit of characters kept of a server's reply.
const MAX_REPLY: usize = 1024;

/// Why a response was not read to its end.
pub enum BodyError {
    /// It is over the limit.
    TooLong,
    /// The connection broke.
    Broken(reqwest::Error),
}

/// Reads a response of at most `limit` bytes.
pub async fn body(mut response: Response, limit: u64) -> Result<Bytes, BodyError> {
    let declared = response.content_length().unwrap_or(0);
    if declared > limit {
        return Err(BodyError::TooLong);
    }
    // The length is only the server's claim: little memory is reserved on its basis.
    let mut body = Vec::with_capacity(usize::try_from(declared.min(1 << 20)).unwrap_or_default());
    while let Some(piece) = response.chunk().await.map_err(BodyError::Broken)? {
        if body.len() as u64 + piece.len() as u64 > limit {
            return Err(BodyError::TooLong);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.into())
}

/// The pause that Retry-After requests (RFC 9110, section 10.2.3). A date is relative to the server's own Date.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = text(headers, header::RETRY_AFTER)?.trim();
    let pause = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let format = format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
            let date = |value: &str| PrimitiveDateTime::parse(value.trim(), format).ok();
            let span = date(value)? - date(text(headers, header::DATE)?)?;
            Duration::try_from(span).unwrap_or_default()
        }
    };
    Some(pause.min(MAX_PAUSE))
}

/// The text of a header, if it has one.
pub fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a response is a web page, by its type and its beginning.
pub fn is_web_page(headers: &HeaderMap, body: &[u8]) -> bool {
    let said = text(headers, header::CONTENT_TYPE).is_some_and(|kind| kind.trim().to_ascii_lowercase().starts_with("text/html"));
    let start: String = String::from_utf8_lossy(&body[..body.len().min(64)])
        .trim_start()
        .to_ascii_lowercase();
    said || start.starts_with("<!doctype html") || start.starts_with("<html")
}

/// A page in short: its title, or else its beginning.
pub fn page_words(body: &[u8]) -> String {
    let page = String::from_utf8_lossy(&body[..body.len().min(16 * 1024)]);
    let lower = page.to_ascii_lowercase();
    let title = lower.find("<title").and_then(|tag| {
        let start = tag + lower[tag..].find('>')? + 1;
        let end = start + lower[start..].find("</title")?;
        page.get(start..end)
    });
    clean(title.unwrap_or(&page))
}

/// A server's reply in one line, without control characters, at most 1,024 characters.
pub fn clean(words: &str) -> String {
    let mut out = String::new();
    let mut length = 0;
    for word in words
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
    {
        if length > 0 {
            out.push(' ');
            length += 1;
        }
        for c in word.chars() {
            if length >= MAX_REPLY {
                return out;
            }
            out.push(c);
            length += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let check = |after: &str, date: Option<&str>, expected: Option<u64>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, after.parse().unwrap());
            if let Some(date) = date {
                headers.insert(header::DATE, date.parse().unwrap());
            }
            assert_eq!(retry_after(&headers), expected.map(Duration::from_secs), "{after}");
        };
        check("120", None, Some(120));
        check(" 5 ", None, Some(5));
        check("99999999999", None, Some(3600));
        check("-1", None, None);
        check("soon", None, None);
        check("Mon, 23 Nov 2026 15:01:30 GMT", None, None);
        check("Mon, 23 Nov 2026 15:01:30 GMT", Some("Mon, 23 Nov 2026 15:00:00 GMT"), Some(90));
        check("Mon, 23 Nov 2026 14:00:00 GMT", Some("Mon, 23 Nov 2026 15:00:00 GMT"), Some(0));
    }

    #[test]
    fn server_words_are_cleaned_and_shortened() {
        assert_eq!(clean(" a\r\n\u{0}b\t\u{7f}c "), "a b c");
        assert_eq!(clean(&"ä".repeat(3000)).chars().count(), MAX_REPLY);
        assert_eq!(page_words(b"<html><head><TITLE>Sign\n in</TITLE>"), "Sign in");
        assert_eq!(page_words(b"plain"), "plain");
        assert_eq!(page_words("<title>İ</title>".as_bytes()), "İ");
    }
}
