//! HTML to text, in two ways: [`to_words`] is fast and rough, for the index and the identity; [`to_note`] keeps the look, for people.

use std::sync::LazyLock;

use html2text::render::TextDecorator;
use mail_parser::decoders::html::add_html_token;
use memchr::{memchr, memchr2, memchr3, memmem};
use regex::Regex;

/// Largest HTML that is laid out for people, in bytes; beyond it [`to_words`] must do.
const LAYOUT_LIMIT: usize = 512 * 1024;
/// Deepest nesting that HTML parsers are trusted with: their time and stack grow with it.
const DEPTH_LIMIT: usize = 250;
/// Most different elements in one HTML.
const NAME_LIMIT: usize = 100;
/// Deepest quotation that is laid out: each level is written before every line.
const QUOTATION_LIMIT: usize = 64;
/// Width of a line, so that paragraphs stay whole.
const WIDTH: usize = 2_000;
/// Longest entity name with `&` and `;`.
const ENTITY_LIMIT: usize = 34;

static RULE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?i)<hr(?:\s[^<>]*)?/?>").expect("the pattern is fixed"));

/// Elements whose content is no text.
const RAW: [&str; 7] = ["script", "style", "template", "title", "noembed", "noframes", "iframe"];
/// Elements that never have content.
const VOID: [&str; 13] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr",
];
/// Elements that end by themselves where another begins, so that they nest no deeper than the others do.
const SELF_ENDING: [&str; 14] = [
    "p", "li", "dd", "dt", "td", "th", "tr", "tbody", "thead", "tfoot", "option", "colgroup", "html", "body",
];
/// Elements that begin and end a line.
const BLOCKS: [&str; 33] = [
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

/// Takes HTML apart in linear time, without building anything. Comments, declarations and content that is no text are passed over.
struct Tokens<'a> {
    rest: &'a str,
    /// Ends that were searched for and are nowhere in the rest.
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

    /// Length of the tag that the rest begins with, quoted values respected.
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
pub(super) fn to_words(html: &str, limit: usize) -> String {
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

/// Whether parsers that build a tree can be trusted with `html`: nesting is counted per element, since closing tags that close
/// nothing do not make it less.
pub(super) fn is_tame(html: &str) -> bool {
    let mut open: Vec<(&str, usize)> = Vec::new();
    let mut depth = 0_usize;
    for token in Tokens::new(html) {
        match token {
            Token::Start(name) if is_one_of(name, &VOID) || is_one_of(name, &SELF_ENDING) || is_one_of(name, &RAW) => (),
            Token::Start(name) => {
                depth += 1;
                match open.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
                    Some((_, count)) => *count += 1,
                    None => open.push((name, 1)),
                }
            }
            Token::End(name) => {
                if let Some((_, count)) = open
                    .iter_mut()
                    .find(|(known, count)| *count > 0 && known.eq_ignore_ascii_case(name))
                {
                    *count -= 1;
                    depth -= 1;
                }
            }
            Token::Text(_) => (),
        }
        let quotations = open
            .iter()
            .any(|(name, count)| *count > QUOTATION_LIMIT && name.eq_ignore_ascii_case("blockquote"));
        if depth > DEPTH_LIMIT || quotations || open.len() > NAME_LIMIT {
            return false;
        }
    }
    true
}

/// The text of `html` for people: lists, quotations (`> `) and tables keep their look. At most about `limit` bytes where HTML is
/// too large or too deeply nested to be laid out, and then without that look.
pub(super) fn to_note(html: &str, limit: usize) -> String {
    if html.len() <= LAYOUT_LIMIT && is_tame(html) {
        let layout = html2text::config::with_decorator(Plain)
            .raw_mode(true)
            .no_table_borders()
            .allow_width_overflow();
        // It passes over rules, which would join the lines around them.
        let ruled = RULE.replace_all(html, "<br><br>");
        if let Ok(text) = layout.string_from_read(ruled.as_bytes(), WIDTH) {
            return tidied(&text);
        }
    }
    to_words(html, limit)
}

/// Removes white space at line ends and all but one of several empty lines.
fn tidied(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = 1;
    for line in text.lines() {
        let line = line.trim_end();
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty > 1 {
            continue;
        }
        out.push_str(line);
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out
}

/// Plain text without marks for emphasis, headings and links.
#[derive(Clone)]
struct Plain;

impl TextDecorator for Plain {
    type Annotation = ();

    fn decorate_link_start(&mut self, _url: &str) -> (String, ()) {
        (String::new(), ())
    }

    fn decorate_link_end(&mut self) -> String {
        String::new()
    }

    fn decorate_em_start(&self) -> (String, ()) {
        (String::new(), ())
    }

    fn decorate_em_end(&self) -> String {
        String::new()
    }

    fn decorate_strong_start(&self) -> (String, ()) {
        (String::new(), ())
    }

    fn decorate_strong_end(&self) -> String {
        String::new()
    }

    fn decorate_strikeout_start(&self) -> (String, ()) {
        (String::new(), ())
    }

    fn decorate_strikeout_end(&self) -> String {
        String::new()
    }

    fn decorate_code_start(&self) -> (String, ()) {
        (String::new(), ())
    }

    fn decorate_code_end(&self) -> String {
        String::new()
    }

    fn decorate_preformat_first(&self) {}

    fn decorate_preformat_cont(&self) {}

    fn decorate_image(&mut self, _source: &str, title: &str) -> (String, ()) {
        (if title.is_empty() { String::new() } else { format!("[{title}]") }, ())
    }

    fn header_prefix(&self, _level: usize) -> String {
        String::new()
    }

    fn quote_prefix(&self) -> String {
        "> ".to_owned()
    }

    fn unordered_item_prefix(&self) -> String {
        "- ".to_owned()
    }

    fn ordered_item_prefix(&self, number: i64) -> String {
        format!("{number}. ")
    }

    fn make_subblock_decorator(&self) -> Self {
        self.clone()
    }
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
    fn notes_keep_the_look() {
        for (html, expected) in [
            ("<p>one</p><p>two <b>bold</b></p>", "one\n\ntwo bold"),
            ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
            ("<p>a</p><blockquote>q</blockquote>", "a\n\n> q"),
            ("<a href=\"https://x.example\">x</a><HR size=1>y", "x\n\ny"),
        ] {
            assert_eq!(to_note(html, 1000), expected, "{html}");
        }
    }

    #[test]
    fn wild_html_is_not_laid_out() {
        for html in [
            "<b>".repeat(10_000),
            "<div></x>".repeat(10_000),
            "<blockquote>".repeat(200),
            "<font color=1><p>".repeat(1_000),
            "<table><tr><td>".repeat(1_000),
        ] {
            assert!(!is_tame(&html), "{}", &html[..20]);
            assert_eq!(to_note(&format!("{html}x"), 1000), "x");
        }
        assert!(is_tame(&"<p>a<br><li>b<td><div>x</div>".repeat(1_000)));
    }

    #[test]
    fn time_is_linear_for_what_never_ends() {
        for piece in ["<a b=\"", "<a b='", "<!--", "<style>", "</", "&", "<a \"", "<![CDATA["] {
            let html = piece.repeat(50_000);
            let started = std::time::Instant::now();
            to_words(&html, usize::MAX);
            is_tame(&html);
            assert!(started.elapsed().as_millis() < 1_000, "{piece} took {:?}", started.elapsed());
        }
    }
}
