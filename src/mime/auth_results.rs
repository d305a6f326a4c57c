//! Authentication-Results header fields (RFC 8601 §2.2).

use super::{
    AuthenticationResults,
    decode::{self, Assumed},
    fields::Fields,
};
use crate::domain::domain_of;

/// Most fields that are read, topmost first.
const FIELD_LIMIT: usize = 50;
/// Most results that are read from one field.
const RESULT_LIMIT: usize = 100;
/// Longest value of one field that is read, in characters.
const VALUE_LIMIT: usize = 16 * 1024;

/// Reads every Authentication-Results field, topmost first.
pub(super) fn all(fields: &Fields<'_>) -> Vec<AuthenticationResults> {
    let read = fields.all("Authentication-Results").take(FIELD_LIMIT);
    // Encoded words are not allowed here; decoding them would let a sender write what the server did not.
    read.map(|field| results(&decode::clean(&decode::text(field.raw, None, Assumed::Western), VALUE_LIMIT)))
        .collect()
}

/// A token of the field.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// A word or quoted string.
    Word(String),
    Equals,
    /// `;`, between results.
    End,
}

fn results(value: &str) -> AuthenticationResults {
    let tokens = tokens(value);
    let mut statements = tokens.split(|token| *token == Token::End).take(RESULT_LIMIT);
    let mut found = AuthenticationResults::default();
    let mut add = |statement: &[Token]| {
        let mut pairs = pairs(statement).into_iter();
        let (Some(Token::Word(method)), Some((_, result))) = (statement.first(), pairs.next()) else {
            return;
        };
        let method = method.to_lowercase();
        // A version may follow the method.
        let method = method.split('/').next().unwrap_or_default();
        let properties: Vec<(String, String)> = pairs.collect();
        let property = |name: &str| properties.iter().find(|(known, _)| known == name).map(|(_, value)| domain(value));
        match method {
            "dmarc" if found.dmarc.is_none() => found.dmarc = Some(result),
            "spf" => {
                let checked = property("smtp.mailfrom").filter(|domain| !domain.is_empty());
                found.spf.push((result, checked.or_else(|| property("smtp.helo"))));
            }
            "dkim" => found.dkim.push((result, property("header.d").or_else(|| property("header.i")))),
            _ => (),
        }
    };
    if let Some(first) = statements.next() {
        // Exchange Online leaves the authserv-id out.
        if first.contains(&Token::Equals) {
            add(first);
        } else if let Some(Token::Word(id)) = first.first() {
            found.authserv_id = id.to_lowercase();
        }
    }
    statements.for_each(add);
    found
}

/// The `name=value` pairs of a statement, names and the first value (the result) in lower case.
fn pairs(statement: &[Token]) -> Vec<(String, String)> {
    let pairs = statement.windows(3).filter_map(|window| match window {
        [Token::Word(name), Token::Equals, Token::Word(value)] => Some((name.to_lowercase(), value.to_lowercase())),
        _ => None,
    });
    pairs.collect()
}

/// The domain of an address, or the text itself, which may be one.
fn domain(value: &str) -> String {
    let domain = domain_of(value).unwrap_or(value);
    domain.trim_matches(['<', '>', '.']).to_owned()
}

fn tokens(value: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '(' => {
                let mut depth = 1;
                while let Some(c) = chars.next() {
                    match c {
                        '\\' => drop(chars.next()),
                        '(' => depth += 1,
                        ')' => depth -= 1,
                        _ => (),
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
            ';' => tokens.push(Token::End),
            '=' => tokens.push(Token::Equals),
            '"' => {
                let mut word = String::new();
                while let Some(c) = chars.next() {
                    match c {
                        '"' => break,
                        '\\' => word.extend(chars.next()),
                        c => word.push(c),
                    }
                }
                tokens.push(Token::Word(word));
            }
            c if c.is_whitespace() => (),
            c => {
                // A value may contain `=`, a name may not.
                let is_value = tokens.last() == Some(&Token::Equals);
                let mut word = String::from(c);
                let goes_on = |c: char| !c.is_whitespace() && !matches!(c, ';' | '(') && (is_value || c != '=');
                while let Some(c) = chars.next_if(|c| goes_on(*c)) {
                    word.push(c);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    type Checked<'a> = &'a [(&'a str, Option<&'a str>)];

    fn check(value: &str, id: &str, dmarc: Option<&str>, spf: Checked<'_>, dkim: Checked<'_>) {
        let owned = |list: Checked<'_>| {
            list.iter()
                .map(|(r, d)| ((*r).to_owned(), d.map(str::to_owned)))
                .collect::<Vec<_>>()
        };
        let expected = AuthenticationResults {
            authserv_id: id.to_owned(),
            dmarc: dmarc.map(str::to_owned),
            spf: owned(spf),
            dkim: owned(dkim),
        };
        let raw = format!("Authentication-Results: {value}\n\n");
        assert_eq!(all(&Fields::split(raw.as_bytes()).0), [expected], "{value}");
    }

    #[test]
    fn examples_of_rfc_8601() {
        check("example.org 1; none", "example.org", None, &[], &[]);
        check(
            "example.com;\r\n spf=pass smtp.mailfrom=example.net",
            "example.com",
            None,
            &[("pass", Some("example.net"))],
            &[],
        );
        check(
            "example.com; auth=pass (cram-md5) smtp.auth=sender@example.net; spf=pass smtp.mailfrom=example.net",
            "example.com",
            None,
            &[("pass", Some("example.net"))],
            &[],
        );
        check(
            "example.com; dkim=pass reason=\"good signature\" header.i=@mail-router.example.net; dkim=fail reason=\"bad; signature\" \
             header.i=@newyork.example.com",
            "example.com",
            None,
            &[],
            &[("pass", Some("mail-router.example.net")), ("fail", Some("newyork.example.com"))],
        );
        // Appendix B.7: comments everywhere.
        check(
            "foo.example.net (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n policy (A dot can go \
             here) . (like that) expired (this surprised me) = (as I wasn't expecting it) 1362471462",
            "foo.example.net",
            None,
            &[],
            &[("fail", None)],
        );
    }

    #[test]
    fn forms_of_large_providers() {
        check(
            "mx.google.com; dkim=pass header.i=@X.example header.s=s header.b=\"ab=+/\"; spf=pass (google.com: domain of a@x.example \
             designates 192.0.2.1 as permitted sender) smtp.mailfrom=a@x.example; dmarc=pass (p=NONE sp=NONE dis=NONE) header.from=x.example",
            "mx.google.com",
            Some("pass"),
            &[("pass", Some("x.example"))],
            &[("pass", Some("x.example"))],
        );
        check(
            "spf=softfail (sender IP is 192.0.2.1) smtp.mailfrom=x.example; y.example; dkim=none (message not signed) \
             header.d=none;y.example; dmarc=fail action=none header.from=x.example;compauth=fail reason=001",
            "",
            Some("fail"),
            &[("softfail", Some("x.example"))],
            &[("none", Some("none"))],
        );
        check(
            "mx.x.example; spf=none smtp.mailfrom=\"\" smtp.helo=h.example; dkim=pass header.d=A.example header.b=ab=",
            "mx.x.example",
            None,
            &[("none", Some("h.example"))],
            &[("pass", Some("a.example"))],
        );
    }

    #[test]
    fn broken_ones_end_somewhere() {
        for value in [
            "",
            ";",
            "(",
            "\"",
            "a; spf",
            "a; spf=",
            "a; =pass",
            "((((",
            "a; spf=pass smtp.mailfrom",
        ] {
            let raw = format!("Authentication-Results: {value}\n\n");
            assert_eq!(all(&Fields::split(raw.as_bytes()).0).len(), 1, "{value}");
        }
    }
}
