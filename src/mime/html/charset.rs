//! The charset that HTML names itself.

/// How much of a page is searched for it, in bytes
/// (<https://html.spec.whatwg.org/multipage/parsing.html#prescan-a-byte-stream-to-determine-its-encoding>).
const PRESCAN_LIMIT: usize = 1024;

/// What a `<meta>` at the beginning of some HTML says of its charset, as `<meta charset=…>` or within its `content`.
pub(in crate::mime) fn named_charset(html: &[u8]) -> Option<String> {
    let beginning = html[..html.len().min(PRESCAN_LIMIT)].to_ascii_lowercase();
    memchr::memmem::find_iter(&beginning, b"<meta").find_map(|at| {
        let tag = &beginning[at + 5..];
        let tag = &tag[..memchr::memchr(b'>', tag).unwrap_or(tag.len())];
        let after = memchr::memmem::find(tag, b"charset")? + b"charset".len();
        let value = tag[after..].trim_ascii_start().strip_prefix(b"=")?;
        let value = value.trim_ascii_start();
        let value = value.strip_prefix(b"\"").or_else(|| value.strip_prefix(b"'")).unwrap_or(value);
        let ends = |byte: &u8| matches!(byte, b'"' | b'\'' | b';' | b'/') || byte.is_ascii_whitespace();
        let value = &value[..value.iter().position(ends).unwrap_or(value.len())];
        (!value.is_empty()).then(|| String::from_utf8_lossy(value).into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metas_name_a_charset() {
        for (html, expected) in [
            ("<html><head><meta charset=\"Shift_JIS\"></head>", Some("shift_jis")),
            ("<META CHARSET=koi8-r>", Some("koi8-r")),
            (
                "<meta name=a><meta http-equiv='Content-Type' content='text/html; charset=gb2312'>",
                Some("gb2312"),
            ),
            ("<meta charset = 'big5' />", Some("big5")),
            ("<meta charset>", None),
            ("<meta charset=", None),
            ("<meta name=a> charset=x", None),
            ("<p>charset=x</p>", None),
            ("", None),
        ] {
            assert_eq!(named_charset(html.as_bytes()).as_deref(), expected, "{html}");
        }
        let late = format!("{}<meta charset=big5>", " ".repeat(PRESCAN_LIMIT));
        assert_eq!(named_charset(late.as_bytes()), None);
    }
}
