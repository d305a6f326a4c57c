//! HTML to words, in linear time for any input and without building a tree.

use mail_parser::decoders::html::add_html_token;
use memchr::{memchr, memchr2, memchr3, memmem};

/// Longest entity name with `&` and `;`.
const ENTITY_LIMIT: usize = 34;

/// Elements whose content is not text.
const RAW: [&str; 7] = ["script", "style", "template", "title", "noembed", "noframes", "iframe"];
/// Elements that begin and end a line.
pub(super) const BLOCKS: [&str; 33] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "br",
    "center",
    "dd",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "tr",
    "ul",
    "caption",
];

/// A piece of HTML.
enum Token<'a> {
    Text(&'a str),
    Start(&'a str),
    End(&'a str),
}

/// Splits HTML in linear time, without building a tree. Comments, declarations and content that is not text are skipped.
struct Tokens<'a> {
    rest: &'a str,
    /// End markers that were searched for and not found in the rest.
    no_quote: [bool; 2],
    no_comment_end: bool,
}

impl<'a> Tokens<'a> {
    fn new(html: &'a str) -> Self {
        Self {
            rest: html,
            no_quote: [false; 2],
            no_comment_end: false,
        }
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    /// Length of the tag at the beginning of the rest, including quoted values.
    fn tag_length(&mut self) -> usize {
        let bytes = self.rest.as_bytes();
        let mut at = 1;
        while let Some(offset) = memchr3(b'>', b'"', b'\'', &bytes[at..]) {
            at += offset + 1;
            let quote = bytes[at - 1];
            if quote == b'>' {
                return at;
            }
            let missing = &mut self.no_quote[usize::from(quote == b'"')];
            let opens_value = bytes[..at - 1].trim_ascii_end().last() == Some(&b'=');
            if opens_value && !*missing {
                match memchr(quote, &bytes[at..]) {
                    Some(length) => at += length + 1,
                    None => *missing = true,
                }
            }
        }
        bytes.len()
    }

    fn skip_comment(&mut self) {
        if !self.no_comment_end {
            match memmem::find(&self.rest.as_bytes()[2..], b"-->") {
                Some(length) => {
                    self.take(length + 5);
                    return;
                }
                None => self.no_comment_end = true,
            }
        }
        let length = self.tag_length();
        self.take(length);
    }

    fn skip_content(&mut self, name: &str) {
        let bytes = self.rest.as_bytes();
        let ends = memmem::find_iter(bytes, b"</");
        let end = ends.into_iter().find(|at| {
            let after = &bytes[at + 2..];
            after
                .get(..name.len())
                .is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
        });
        self.take(end.unwrap_or(bytes.len()));
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let bytes = self.rest.as_bytes();
            if *bytes.first()? != b'<' {
                let length = memchr(b'<', bytes).unwrap_or(bytes.len());
                return Some(Token::Text(self.take(length)));
            }
            match bytes.get(1) {
                Some(b'!') if bytes.starts_with(b"<!--") => self.skip_comment(),
                Some(b'!' | b'?') => {
                    let length = memchr(b'>', bytes).map_or(bytes.len(), |at| at + 1);
                    self.take(length);
                }
                Some(b'/' | b'a'..=b'z' | b'A'..=b'Z') => {
                    let length = self.tag_length();
                    let tag = self.take(length);
                    let closes = tag.as_bytes()[1] == b'/';
                    let name = &tag[1 + usize::from(closes)..];
                    let length = name
                        .bytes()
                        .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b':' || *byte == b'-')
                        .count();
                    let name = &name[..length];
                    if closes {
                        return Some(Token::End(name));
                    }
                    if is_one_of(name, &RAW) {
                        self.skip_content(name);
                    }
                    return Some(Token::Start(name));
                }
                _ => {
                    let length = memchr(b'<', &bytes[1..]).map_or(bytes.len(), |at| at + 1);
                    return Some(Token::Text(self.take(length)));
                }
            }
        }
    }
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The text of `html` with a line for each block, at most about `limit` bytes. Time is linear for any input.
pub(in crate::mime) fn to_words(html: &str, limit: usize) -> String {
    let mut out = String::with_capacity(html.len().min(limit) / 2);
    for token in Tokens::new(html) {
        match token {
            Token::Text(text) => add_text(&mut out, text),
            Token::Start(name) | Token::End(name) if is_one_of(name, &BLOCKS) => end_line(&mut out),
            Token::Start(name) | Token::End(name) if is_one_of(name, &["td", "th"]) => add_space(&mut out),
            Token::Start(_) | Token::End(_) => (),
        }
        if out.len() >= limit {
            break;
        }
    }
    out.truncate(out.trim_end().len());
    out
}

fn end_line(out: &mut String) {
    out.truncate(out.trim_end_matches(' ').len());
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
}

fn add_space(out: &mut String) {
    if !out.is_empty() && !out.ends_with([' ', '\n']) {
        out.push(' ');
    }
}

/// Appends text with white space folded and entities decoded.
fn add_text(out: &mut String, text: &str) {
    let blank = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n' | '\x0C');
    let mut pieces = text.split(blank);
    if let Some(first) = pieces.next() {
        add_word(out, first);
    }
    for piece in pieces {
        add_space(out);
        add_word(out, piece);
    }
}

fn add_word(out: &mut String, mut word: &str) {
    while let Some(at) = memchr(b'&', word.as_bytes()) {
        out.push_str(&word[..at]);
        word = &word[at..];
        let head = &word.as_bytes()[1..word.len().min(ENTITY_LIMIT)];
        match memchr2(b';', b'&', head) {
            Some(end) if head[end] == b';' => {
                add_html_token(out, &word.as_bytes()[..end + 2], false);
                word = &word[end + 2..];
            }
            _ => {
                out.push('&');
                word = &word[1..];
            }
        }
    }
    out.push_str(word);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_without_markup() {
        for (html, expected) in [
            ("a<b>b</b> c", "ab c"),
            ("<p>one</p><p>two</p>", "one\ntwo"),
            ("<div>one</div><div>two<br>three</div>", "one\ntwo\nthree"),
            ("<td>a</td><td>b</td>", "a b"),
            ("a &amp; b &uuml;&#252;&#xFC; &nosuch; &", "a & b \u{fc}\u{fc}\u{fc} &nosuch; &"),
            ("<style>x{}</style>a<script>if (a<b) {}</script>b<!-- <p> -->c", "abc"),
            ("<a title=\"x>y\" href='z'>link</a>", "link"),
            ("<p title=don't>a</p>b", "a\nb"),
            ("<img alt=\"open>a<br>b", "a\nb"),
            ("1 < 2 <3", "1 < 2 <3"),
            ("<!-- open <p>a", "a"),
            ("<STYLE>x</STYLE>y", "y"),
            ("<", "<"),
            ("", ""),
        ] {
            assert_eq!(to_words(html, 1000), expected, "{html}");
        }
        assert!(to_words(&"word ".repeat(10_000), 1000).len() < 60_000);
    }

    #[test]
    fn time_is_linear_for_what_never_ends() {
        for piece in ["<a b=\"", "<a b='", "<!--", "<style>", "</", "&", "<a \"", "<![CDATA["] {
            let html = piece.repeat(50_000);
            let started = std::time::Instant::now();
            to_words(&html, usize::MAX);
            assert!(started.elapsed().as_millis() < 1_000, "{piece} took {:?}", started.elapsed());
        }
    }
}
