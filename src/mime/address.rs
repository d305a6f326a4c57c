//! Mailboxes in header fields (RFC 5322 §3.4).

use mail_parser::{Addr, Address, HeaderValue, parsers::MessageStream};

use super::{
    decode, encoded_words,
    fields::{Field, Fields},
};
use crate::domain::Mailbox;

/// Longest display name, in characters.
const NAME_LIMIT: usize = 256;
/// How many characters of a field are searched that is not a list of mailboxes.
const MISSPELT_LIMIT: usize = 998;
/// Longest local part, in bytes. RFC 5321 §4.5.3.1.1 wants 64 at least and as many as possible; gateways of Exchange and programs that recognise
/// answers write more.
const LOCAL_LIMIT: usize = 256;
/// Longest domain and label of one, in characters (RFC 1035 §2.3.4).
const DOMAIN_LIMIT: usize = 255;
const LABEL_LIMIT: usize = 63;
/// Limit in bytes for all fields of one name together; fields after it are not read.
const READ_LIMIT: usize = 512 * 1024;
/// Limit in bytes for the names and addresses of a field, so that a message's details fit into a response.
const LIST_LIMIT: usize = 192 * 1024;

/// The valid mailboxes of every field of that name, at most `limit`.
pub(super) fn mailboxes(fields: &Fields<'_>, name: &str, limit: usize) -> Vec<Mailbox> {
    let (mut found, mut read) = (Vec::new(), 0);
    for field in fields.all(name) {
        if found.len() >= limit || read >= READ_LIMIT {
            break;
        }
        read += field.raw.len();
        add(&field, limit, &mut found);
    }
    found
}

/// The first valid mailbox of the fields of that name. Where the grammar finds none, an address that is there all the same counts.
pub(super) fn first(fields: &Fields<'_>, name: &str) -> Option<Mailbox> {
    mailboxes(fields, name, 1).pop().or_else(|| misspelt(&fields.first(name)?))
}

/// The mailbox of a field that is not quite one: without brackets, with a quotation mark that nothing closes, with a route (RFC 5322 §4.4).
fn misspelt(field: &Field<'_>) -> Option<Mailbox> {
    let text = field.text(MISSPELT_LIMIT);
    let separates = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | ',' | ';' | ':' | '(' | ')' | '[' | ']');
    let mut words = text.split(separates).filter(|word| word.contains('@'));
    let (word, address) = words.find_map(|word| Some((word, address_of(word)?)))?;
    let before = text.split(['<', '@']).next().filter(|_| text.contains('<'));
    let name = before.unwrap_or_else(|| text.split(word).next().unwrap_or_default());
    let mut display_name = decode::clean(name.trim_matches(|c: char| separates(c) || c == '@'), NAME_LIMIT);
    display_name.retain(|c| !decode::deceives(c));
    Some(Mailbox { display_name, address })
}

/// The first mailbox in a piece of text written like a header field.
pub(super) fn in_text(text: &str) -> Option<Mailbox> {
    let mut found = Vec::new();
    add(&Field::new("", text.as_bytes()), 1, &mut found);
    found.pop()
}

fn add(field: &Field<'_>, limit: usize, found: &mut Vec<Mailbox>) {
    let value = field.for_parser();
    let value = String::from_utf8_lossy(&value);
    let value = encoded_words::hidden(&value, field.assumed);
    let HeaderValue::Address(address) = MessageStream::new(value.as_bytes()).parse_address() else {
        return;
    };
    let size = |mailbox: &Mailbox| mailbox.display_name.len() + mailbox.address.len();
    let mut room = LIST_LIMIT.saturating_sub(found.iter().map(size).sum());
    let mut push = |list: &[Addr<'_>]| {
        let mailboxes = list.iter().filter_map(mailbox).take(limit.saturating_sub(found.len()));
        found.extend(mailboxes.take_while(|mailbox| {
            let fits = size(mailbox) <= room;
            room = room.saturating_sub(size(mailbox));
            fits
        }));
    };
    match &address {
        Address::List(list) => push(list),
        Address::Group(groups) => groups.iter().for_each(|group| push(&group.addresses)),
    }
}

fn mailbox(address: &Addr<'_>) -> Option<Mailbox> {
    let name = address.name.as_deref().unwrap_or_default();
    let mut display_name = decode::clean(&encoded_words::shown(name), NAME_LIMIT);
    display_name.retain(|c| !decode::deceives(c));
    Some(Mailbox {
        display_name: display_name.trim().to_owned(),
        address: address_of(&encoded_words::shown(address.address.as_deref()?))?,
    })
}

/// The addr-spec with its domain in lower case. `None` if it is not an addr-spec.
pub(super) fn address_of(text: &str) -> Option<String> {
    // Invisible characters are not part of it: they would make two people of one.
    let seen: String = text.chars().filter(|c| !decode::deceives(*c)).collect();
    let text = seen.trim();
    let text = text.strip_prefix('<').unwrap_or(text);
    let text = text.strip_suffix('>').unwrap_or(text);
    let text = match text.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("mailto:") => &text[7..],
        _ => text,
    };
    let (local, domain) = text.rsplit_once('@')?;
    // The dot of the root (RFC 1034 §3.1).
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    (is_local_part(local) && is_domain(domain)).then(|| format!("{local}@{}", domain.to_lowercase()))
}

/// Dots are not checked: mailboxes with two in a row exist.
fn is_local_part(local: &str) -> bool {
    let fits = |c: char| !c.is_control() && !c.is_whitespace() && !"<>()[],;:\\\"@".contains(c);
    let quoted = local.len() > 2 && local.starts_with('"') && local.ends_with('"');
    let content = if quoted { &local[1..local.len() - 1] } else { local };
    !content.is_empty()
        && local.len() <= LOCAL_LIMIT
        && (content.chars().all(fits) || quoted && content.chars().all(|c| !c.is_control() && c != '"'))
}

/// RFC 5321 §4.1.2, with underscores and internationalised labels.
fn is_domain(domain: &str) -> bool {
    if let Some(literal) = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return !literal.is_empty()
            && literal.chars().all(|c| c.is_ascii_alphanumeric() || ".:-".contains(c))
            && domain.len() <= DOMAIN_LIMIT;
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.chars().count() <= LABEL_LIMIT
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .chars()
                .all(|c| c.is_alphanumeric() || c == '-' || c == '_' || !c.is_ascii() && !c.is_whitespace() && !c.is_control())
    };
    domain.chars().count() <= DOMAIN_LIMIT && domain.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &[u8], expected: &[(&str, &str)]) {
        let fields = Fields(vec![Field::new("To", value)]);
        let found: Vec<_> = mailboxes(&fields, "to", 1000)
            .into_iter()
            .map(|m| (m.display_name, m.address))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, address)| ((*name).to_owned(), (*address).to_owned()))
            .collect();
        assert_eq!(found, expected, "{}", String::from_utf8_lossy(value));
    }

    #[test]
    fn mailboxes_are_found_in_all_forms() {
        check(b"a@x.example", &[("", "a@x.example")]);
        check(b" Anna <A.B@X.Example>\r\n", &[("Anna", "A.B@x.example")]);
        check(
            b"\"Doe, J.\" <j@x.example>, b@y.example",
            &[("Doe, J.", "j@x.example"), ("", "b@y.example")],
        );
        check(b"team: a@x.example, B <b@x.example>;", &[("", "a@x.example"), ("B", "b@x.example")]);
        check(b"a@x.example (Anna)", &[("Anna", "a@x.example")]);
        check(b"=?utf-8?Q?J=C3=BCrgen?= <j@x.example>", &[("J\u{fc}rgen", "j@x.example")]);
        check(b"\"=?utf-8?Q?J=C3=BCrgen?=\" <j@x.example>", &[("J\u{fc}rgen", "j@x.example")]);
        check(b"J\xfcrgen <j@x.example>", &[("J\u{fc}rgen", "j@x.example")]);
        check(b"=?iso-8859-1?Q?J\xfcrgen_W?= <j@x.example>", &[("J\u{fc}rgen W", "j@x.example")]);
        check(
            b"=?windows-1251?q?\xce\xeb=FF?= <o@x.example>",
            &[("\u{41e}\u{43b}\u{44f}", "o@x.example")],
        );
        check("<j\u{fc}@b\u{fc}cher.example>".as_bytes(), &[("", "j\u{fc}@b\u{fc}cher.example")]);
        check(
            "\u{202e}Anna\u{2066}\u{200b} B\u{ad} <a@x.example>".as_bytes(),
            &[("Anna B", "a@x.example")],
        );
        check(b"<root@localhost>", &[("", "root@localhost")]);
        check(b"<a@[192.0.2.1]>", &[("", "a@[192.0.2.1]")]);
    }

    /// What an encoded word says is no part of the grammar.
    #[test]
    fn encoded_words_are_names_and_nothing_else() {
        check(
            b"=?utf-8?Q?Doe,_J._=3Cx=40y.example=3E?= <j@x.example>",
            &[("Doe, J. <x@y.example>", "j@x.example")],
        );
        check(
            b"=?utf-8?Q?=3D=3Futf-8=3FQ=3Fa=3F=3D?= <j@x.example>",
            &[("=?utf-8?Q?a?=", "j@x.example")],
        );
        check(b"=?cp932?B?k2OShg==?= <t@x.example>", &[("\u{7530}\u{4e2d}", "t@x.example")]);
        check(
            b"\x1b$BED\x1b(B \x1b$BCf<\x1b(B <t@x.example>",
            &[("\u{7530} \u{4e2d}\u{fffd}", "t@x.example")],
        );
        check(
            b"=?utf-8?B?w6Q=?= =?utf-8?B?w6?= =?utf-8?B?Q=?= <a@x.example>",
            &[("\u{e4}\u{e4}", "a@x.example")],
        );
        check(
            b"=?utf-8?Q?two words, one name?= <a@x.example>",
            &[("two words, one name", "a@x.example")],
        );
        check(b"A <=?utf-8?Q?a=40b.example?=@x.example>", &[]);
    }

    #[test]
    fn a_mailbox_that_is_not_quite_one_is_found() {
        for (value, name, address) in [
            ("Lea Oberg lea@x.example", "Lea Oberg", "lea@x.example"),
            ("\"Tom Zell <tom@x.example>", "Tom Zell", "tom@x.example"),
            ("Ulla <@mx1.x.example,@mx2.x.example:ulla@x.example>", "Ulla", "ulla@x.example"),
            ("Per <mailto:per@x.example>", "Per", "per@x.example"),
            ("Ana <ana@x.example.>", "Ana", "ana@x.example"),
            ("Leo <leo@x.example\u{200b}>", "Leo", "leo@x.example"),
            ("Mia <\u{200e}mia@x.example\u{200e}>", "Mia", "mia@x.example"),
            ("a@x.example <b@y.example>", "a@x.example", "b@y.example"),
        ] {
            let fields = Fields(vec![Field::new("From", value.as_bytes())]);
            let found = first(&fields, "From").unwrap_or_else(|| panic!("{value}"));
            assert_eq!((found.display_name.as_str(), found.address.as_str()), (name, address), "{value}");
        }
        for value in ["Caretaker", "Anna @ home", "@x.example", "undisclosed-recipients:;", "a@@b", ""] {
            let fields = Fields(vec![Field::new("From", value.as_bytes())]);
            assert_eq!(first(&fields, "From"), None, "{value}");
        }
    }

    #[test]
    fn what_is_no_mailbox_is_passed_over() {
        for value in [
            &b""[..],
            b"undisclosed-recipients:;",
            b"<>",
            b"Anna",
            b"<a@>",
            b"<@x.example>",
            b"<a b@x.example>",
            b"<a@x..y>",
            b"<a@-x>",
        ] {
            check(value, &[]);
        }
        let long = |length| format!("{}@x.example", "a".repeat(length));
        check(long(LOCAL_LIMIT).as_bytes(), &[("", &long(LOCAL_LIMIT))]);
        check(long(LOCAL_LIMIT + 1).as_bytes(), &[]);
    }

    #[test]
    fn what_is_read_is_bounded() {
        let junk = "a,".repeat(100_000);
        let field = |raw: &'static str| Field::new("To", raw.as_bytes());
        let junk = Field::new("To", junk.as_bytes());
        let found = |fields: Vec<Field<'_>>| mailboxes(&Fields(fields), "To", 10).len();
        assert_eq!(found(vec![junk, junk, field("a@x.example")]), 1);
        assert_eq!(found(vec![junk, junk, junk, field("a@x.example")]), 0);
    }

    #[test]
    fn number_and_names_are_bounded() {
        let list = "a@x.example, ".repeat(3_000);
        let fields = Fields(vec![Field::new("To", list.as_bytes())]);
        assert_eq!(mailboxes(&fields, "To", 1_000).len(), 1_000);
        let list = format!("\"{}\" <a@x.example>, ", "\u{65e5}".repeat(250)).repeat(1_000);
        let found = mailboxes(&Fields(vec![Field::new("To", list.as_bytes())]), "To", 1_000);
        let size: usize = found.iter().map(|mailbox| mailbox.display_name.len() + mailbox.address.len()).sum();
        assert!(size <= LIST_LIMIT && found.len() > 200, "{size} bytes of {}", found.len());
        let name = format!("{} <a@x.example>", "n".repeat(2_000));
        assert_eq!(in_text(&name).unwrap().display_name.len(), NAME_LIMIT);
    }
}
