//! Makes the plain messages that the service itself sends, such as a test message.

use std::borrow::Cow;

use mail_builder::{
    MessageBuilder,
    headers::{address::Address, date::Date, raw::Raw},
};

use crate::domain::{Mailbox, Timestamp};

/// A plain message.
///
/// Control characters in its fields become spaces or are removed, so nothing in it can start another header field.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// The sender.
    pub from: &'a Mailbox,
    /// Addresses of the recipients.
    pub to: &'a [&'a str],
    /// Subject in plain text.
    pub subject: &'a str,
    /// The text, with any line ends.
    pub text: &'a str,
    /// Message-ID without angle brackets.
    pub message_id: &'a str,
    /// When it is sent.
    pub date: Timestamp,
    /// Further header fields, name and value in ASCII. One with an invalid name (RFC 5322 §3.6.8) is left out.
    pub headers: &'a [(&'a str, &'a str)],
}

/// Makes the message (RFC 5322) with CRLF line ends and its text in UTF-8. It is all 7-bit ASCII, unless an address is not.
pub fn compose(draft: &Draft<'_>) -> Vec<u8> {
    let name = one_line(&draft.from.display_name);
    let name = name.trim();
    let to: Vec<_> = draft.to.iter().map(|to| mailbox(None, to)).collect();
    let mut message = MessageBuilder::new()
        .from(mailbox((!name.is_empty()).then_some(name), &draft.from.address))
        .to(Address::new_list(to))
        .subject(one_line(draft.subject))
        .message_id(token(draft.message_id))
        .date(Date::new(draft.date.seconds()));
    for (name, value) in draft.headers {
        if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':') {
            let value: String = one_line(value).chars().filter(char::is_ascii).collect();
            message = message.header(*name, Raw::new(value));
        }
    }
    let mut raw = Vec::with_capacity(draft.text.len() + 1024);
    message.text_body(body(draft.text)).serialize(&mut raw);
    if !raw.ends_with(b"\r\n") {
        raw.extend_from_slice(b"\r\n");
    }
    raw
}

fn mailbox<'a>(name: Option<&'a str>, address: &'a str) -> Address<'a> {
    Address::new_address(name, token(address))
}

/// The value with a space for every control character.
fn one_line(value: &str) -> Cow<'_, str> {
    if !value.contains(char::is_control) {
        return Cow::Borrowed(value);
    }
    value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The value without control characters, white space and angle brackets, which end an address or an id.
fn token(value: &str) -> String {
    let ends = |c: &char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>');
    value.chars().filter(|c| !ends(c)).collect()
}

/// The text with CRLF line ends and without control characters but tabs.
fn body(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut body = String::with_capacity(text.len() + 64);
    for line in text.trim_end_matches('\n').split('\n') {
        body.extend(line.chars().filter(|c| *c == '\t' || !c.is_control()));
        body.push_str("\r\n");
    }
    body
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::mime::{OWN_MARK, content, field_names, parse};

    static SUPPORT: LazyLock<Mailbox> = LazyLock::new(|| sender("J\u{fc}rgen M\u{fc}ller", "support@mail.example"));

    fn sender(display_name: &str, address: &str) -> Mailbox {
        Mailbox {
            display_name: display_name.to_owned(),
            address: address.to_owned(),
        }
    }

    fn draft() -> Draft<'static> {
        Draft {
            from: &SUPPORT,
            to: &["anna@mail.example", "eva@customer.example"],
            subject: "Gr\u{fc}\u{df}e: it works",
            text: "Hello,\n\nthis is a test. \u{1f600}\r\n.\r\nFrom here on: nothing.\n",
            message_id: "01J@mail.example",
            date: Timestamp::from_seconds(1_763_900_000),
            headers: &[(OWN_MARK, "mark-1"), ("Auto-Submitted", "auto-generated")],
        }
    }

    #[test]
    fn what_was_given_is_read_back() {
        let raw = compose(&draft());
        let mail = parse(&raw).unwrap();
        assert_eq!(mail.from.as_ref(), Some(&*SUPPORT));
        let to: Vec<_> = mail.to.iter().map(|to| to.address.as_str()).collect();
        assert_eq!(to, ["anna@mail.example", "eva@customer.example"]);
        assert_eq!(mail.subject, "Gr\u{fc}\u{df}e: it works");
        assert_eq!(mail.message_id.as_deref(), Some("01J@mail.example"));
        assert_eq!(mail.sent_time, Some(Timestamp::from_seconds(1_763_900_000)));
        assert_eq!(mail.own_mark.as_deref(), Some("mark-1"));
        assert!(mail.automatic.is_some());
        let text = content(&raw).text.replace("\r\n", "\n");
        assert_eq!(text.trim_end(), "Hello,\n\nthis is a test. \u{1f600}\n.\nFrom here on: nothing.");
    }

    #[test]
    fn a_message_is_ascii_in_short_lines_that_end_in_crlf() {
        let long = "word ".repeat(5_000);
        for text in ["", "\n", "plain", "\u{fc}\n", long.as_str()] {
            let raw = compose(&Draft { text, ..draft() });
            assert!(raw.is_ascii() && raw.ends_with(b"\r\n"), "{text:?}");
            for line in raw.split_inclusive(|byte| *byte == b'\n') {
                let line = line.strip_suffix(b"\r\n").unwrap();
                assert!(line.len() <= 998 && !line.contains(&b'\r'), "{}", String::from_utf8_lossy(line));
            }
        }
    }

    #[test]
    fn nothing_given_begins_a_field_of_its_own() {
        let evil = "x\r\nBcc: evil@x.example\r\n\r\nbody\n\0\u{7f}\u{85}\u{1b}";
        let names = |raw: &[u8]| field_names(raw).map(str::to_owned).collect::<Vec<_>>();
        let expected = names(&compose(&draft()));
        for (what, attacked) in [
            (
                "name",
                Draft {
                    from: &sender(evil, "a@x.example"),
                    ..draft()
                },
            ),
            (
                "address",
                Draft {
                    from: &sender("A", evil),
                    ..draft()
                },
            ),
            ("recipient", Draft { to: &[evil], ..draft() }),
            ("subject", Draft { subject: evil, ..draft() }),
            (
                "id",
                Draft {
                    message_id: evil,
                    ..draft()
                },
            ),
            (
                "value",
                Draft {
                    headers: &[(OWN_MARK, evil), ("Auto-Submitted", evil)],
                    ..draft()
                },
            ),
            (
                "field name",
                Draft {
                    headers: &[
                        (OWN_MARK, "1"),
                        ("Auto-Submitted", "no"),
                        (evil, "1"),
                        ("A B", "1"),
                        ("", "1"),
                        ("a:", "1"),
                    ],
                    ..draft()
                },
            ),
            ("text", Draft { text: evil, ..draft() }),
        ] {
            let raw = compose(&attacked);
            assert_eq!(names(&raw), expected, "{what}");
            assert!(parse(&raw).unwrap().bcc.is_empty(), "{what}");
            let bad = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\r' | b'\n' | b'\t');
            assert!(!raw.iter().any(bad), "{what}");
        }
    }

    #[test]
    fn an_address_beyond_ascii_stays_as_it_is() {
        let raw = compose(&Draft {
            from: &sender("", "j\u{fc}rgen@mail.example"),
            ..draft()
        });
        assert!(String::from_utf8(raw).unwrap().contains("From: <j\u{fc}rgen@mail.example>\r\n"));
    }
}
