//! Code pages of Windows by their numbers ([MS-UCODEREF] 2.2.1).

/// A name for the charset of a code page. `None` for UTF-8, ASCII, and where there is none: then it is guessed.
pub(super) fn label(page: u32) -> Option<String> {
    Some(match page {
        0 | 20127 | 65001 => return None,
        1200 => "utf-16le".to_owned(),
        1201 => "utf-16be".to_owned(),
        10000 => "macintosh".to_owned(),
        10007 => "x-mac-cyrillic".to_owned(),
        1361 => "johab".to_owned(),
        20866 => "koi8-r".to_owned(),
        21866 => "koi8-u".to_owned(),
        20932 | 51932 => "euc-jp".to_owned(),
        51936 => "gbk".to_owned(),
        51949 => "euc-kr".to_owned(),
        50225 => "iso-2022-kr".to_owned(),
        50227 => "iso-2022-cn".to_owned(),
        52936 => "hz-gb-2312".to_owned(),
        54936 => "gb18030".to_owned(),
        65000 => "utf-7".to_owned(),
        28591..=28606 => format!("iso-8859-{}", page - 28590),
        38596 => "iso-8859-6".to_owned(),
        38598 => "iso-8859-8".to_owned(),
        _ => format!("cp{page}"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::decode;

    #[test]
    fn code_pages_are_charsets() {
        for (page, bytes, expected) in [
            (1252, &b"\xe9"[..], "\u{e9}"),
            (1251, b"\xcf", "\u{41f}"),
            (932, b"\x93\xfa", "\u{65e5}"),
            (936, b"\xc7\xeb", "\u{8bf7}"),
            (949, b"\xb9\xe8", "\u{bc30}"),
            (950, b"\xa4\xe9", "\u{65e5}"),
            (852, b"\x9f", "\u{10d}"),
            (28605, b"\xa4", "\u{20ac}"),
            (20866, b"\xf0", "\u{41f}"),
            (50220, b"\x1b$BF|\x1b(B", "\u{65e5}"),
            (1200, b"\xfc\0", "\u{fc}"),
            (65001, b"\xc3\xbc", "\u{fc}"),
            (0, b"\xfc", "\u{fc}"),
        ] {
            assert_eq!(
                decode::text(bytes, super::label(page).as_deref(), decode::Assumed::Western),
                expected,
                "{page}"
            );
        }
    }
}
