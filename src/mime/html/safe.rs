//! HTML made safe to show: no scripts, no forms, nothing that loads remote content or covers the page around it.
//!
//! The output is written from the tree: elements, attributes and properties of these lists and no others, every text escaped. None of
//! the elements changes how a browser reads its content (RCDATA, RAWTEXT, foreign content), so a browser finds no other
//! tags than these, however it builds its tree.

use std::{borrow::Cow, collections::HashSet, sync::LazyLock};

use html5ever::{LocalName, tendril::StrTendril};
use regex::bytes::Regex;
use url::Url;

use super::{
    style::{Overflow, safe_style},
    tree::{self, Budget, Content, Id, Kind, Step, Tree},
};
use crate::mime::decode;

/// Largest result, and most of the source that is read, in bytes.
const LIMIT: usize = 1024 * 1024;

/// Elements that are kept. Others are replaced by their content.
const ELEMENTS: &str = "a abbr acronym address b bdi bdo big blockquote br caption center cite code col colgroup data dd del details dfn div dl dt \
    em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hgroup hr i img ins kbd li mark ol p pre q rp rt rtc ruby s samp small span strike \
    strong sub summary sup table tbody td th thead time tr tt u ul var wbr";
/// Elements that are removed with their content.
const REMOVED: [&str; 11] = [
    "script",
    "style",
    "title",
    "template",
    "noembed",
    "noframes",
    "iframe",
    "textarea",
    "select",
    "option",
    "selectedcontent",
];
/// Elements without an end tag.
const VOID: [&str; 5] = ["br", "col", "hr", "img", "wbr"];
/// Attributes that are kept on every element.
const ATTRIBUTES: [&str; 10] = [
    "lang", "title", "align", "valign", "bgcolor", "color", "dir", "height", "width", "style",
];
/// Schemes of links.
const SCHEMES: [&str; 6] = ["http", "https", "mailto", "tel", "cid", "data"];

static KNOWN: LazyLock<HashSet<&str>> = LazyLock::new(|| ELEMENTS.split_whitespace().collect());

/// Elements and styles that load something. Some are removed whole, so only the source shows them.
static LOADING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?i)<(?:[a-z]+\s[^<>]*?(?:src|srcset|data|poster|background)|(?:link|image|use)\s[^<>]*?href)\s*=\s*["']?\s*(?:https?:)?//|url\(\s*["']?\s*(?:https?:)?//|@import"#,
    )
    .expect("the pattern is fixed")
});

/// Safe HTML, and whether remote content was removed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::mime) struct Safe {
    /// The HTML, at most 1 MiB.
    pub html: String,
    /// Whether the original would have loaded remote content.
    pub blocked: bool,
}

/// Makes HTML safe.
///
/// `cid:` and `data:image/` are kept in images. Of HTML beyond 1 MiB, only the beginning is read. The result is empty if the HTML is
/// too complex.
pub(in crate::mime) fn sanitised(source: &str) -> Safe {
    let source = decode::cut(source, LIMIT);
    if source.trim().is_empty() {
        return Safe::default();
    }
    let Some(tree) = tree::build(source, Kind::Fragment, |name, _| is_read(name), &Budget::default()) else {
        return Safe::default();
    };
    let mut page = Page {
        tree: &tree,
        out: String::with_capacity(source.len().min(LIMIT)),
        open: Vec::new(),
        reserved: 0,
        blocked: LOADING.is_match(source.as_bytes()),
    };
    page.write();
    Safe {
        html: page.out,
        blocked: page.blocked,
    }
}

/// Attributes that are examined: those that are kept and those that would load something.
fn is_read(name: &str) -> bool {
    ATTRIBUTES.contains(&name)
        || matches!(
            name,
            "href"
                | "hreflang"
                | "name"
                | "cite"
                | "char"
                | "charoff"
                | "span"
                | "datetime"
                | "size"
                | "alt"
                | "src"
                | "start"
                | "summary"
                | "colspan"
                | "rowspan"
                | "headers"
                | "nowrap"
                | "scope"
                | "border"
                | "cellpadding"
                | "cellspacing"
                | "face"
                | "background"
        )
}

/// Whether an attribute is kept on an element.
fn is_kept(element: &str, name: &str) -> bool {
    if ATTRIBUTES.contains(&name) {
        return true;
    }
    match element {
        "a" => matches!(name, "href" | "hreflang" | "name"),
        "col" | "colgroup" => matches!(name, "char" | "charoff" | "span"),
        "del" | "ins" => name == "datetime",
        "hr" => name == "size",
        "img" => matches!(name, "alt" | "src"),
        "ol" => name == "start",
        "table" => matches!(name, "char" | "charoff" | "summary" | "border" | "cellpadding" | "cellspacing"),
        "tbody" | "thead" | "tr" => matches!(name, "char" | "charoff"),
        "td" => matches!(name, "char" | "charoff" | "colspan" | "headers" | "rowspan" | "nowrap"),
        "th" => matches!(name, "char" | "charoff" | "colspan" | "headers" | "rowspan" | "scope"),
        "font" => matches!(name, "face" | "size"),
        _ => false,
    }
}

struct Page<'t> {
    tree: &'t Tree,
    out: String,
    /// The open elements, and how many bytes their end tags will take.
    open: Vec<&'t str>,
    reserved: usize,
    blocked: bool,
}

impl Page<'_> {
    /// Writes what is kept, until there is no room left.
    fn write(&mut self) {
        let mut walk = self.tree.walk();
        while let Some(step) = walk.next() {
            match step {
                Step::Enter(id) => match self.enter(id) {
                    NodeResult::Goes => (),
                    NodeResult::Passed => walk.skip_children(),
                    NodeResult::Full => break,
                },
                Step::Leave(id) if self.stays(id) && !VOID.contains(&self.tree.name(id)) => self.end(),
                Step::Leave(_) => (),
            }
        }
        while !self.open.is_empty() {
            self.end();
        }
    }

    fn end(&mut self) {
        if let Some(name) = self.open.pop() {
            self.reserved -= end_length(name);
            self.out.push_str("</");
            self.out.push_str(name);
            self.out.push('>');
        }
    }

    fn stays(&self, id: Id) -> bool {
        KNOWN.contains(self.tree.name(id))
    }

    /// Writes the beginning of a node.
    fn enter(&mut self, id: Id) -> NodeResult {
        match self.tree.content(id) {
            Content::Other => NodeResult::Goes,
            Content::Text(text) => {
                let room = LIMIT - self.out.len() - self.reserved;
                if escape(text, &TEXT_SIGNS, &mut self.out, room) {
                    NodeResult::Passed
                } else {
                    NodeResult::Full
                }
            }
            Content::Element(name, _) if REMOVED.contains(&&*name.local) => NodeResult::Passed,
            Content::Element(_, attributes) if self.stays(id) => {
                let before = self.out.len();
                let name = self.tree.name(id);
                self.start(name, attributes);
                if self.out.len() + self.reserved + end_length(name) > LIMIT {
                    self.out.truncate(before);
                    return NodeResult::Full;
                }
                if !VOID.contains(&name) {
                    self.open.push(name);
                    self.reserved += end_length(name);
                }
                NodeResult::Goes
            }
            Content::Element(..) => NodeResult::Goes,
        }
    }

    fn start(&mut self, element: &str, attributes: &[(LocalName, StrTendril)]) {
        let mut kept: Vec<(&str, Cow<'_, str>)> = Vec::with_capacity(attributes.len() + 2);
        for (name, value) in attributes {
            let value = self.filtered(element, name, value);
            kept.extend(value.map(|value| (&**name, value)));
        }
        if element == "a" {
            kept.push(("target", Cow::Borrowed("_blank")));
            kept.push(("rel", Cow::Borrowed("noopener noreferrer")));
        }
        self.out.push('<');
        self.out.push_str(element);
        for (name, value) in kept {
            self.out.push(' ');
            self.out.push_str(name);
            self.out.push_str("=\"");
            escape(&value, &VALUE_SIGNS, &mut self.out, usize::MAX);
            self.out.push('"');
        }
        self.out.push('>');
    }

    /// The value of an attribute, if it is kept. Records whether it would have loaded something.
    fn filtered<'v>(&mut self, element: &str, name: &str, value: &'v str) -> Option<Cow<'v, str>> {
        match name {
            "background" => {
                self.blocked |= is_remote(value);
                None
            }
            "style" => {
                // Cells and images grow with their content; in other elements it would overflow what follows.
                let placed = if matches!(element, "img" | "table" | "td" | "th" | "tr") {
                    Overflow::Grows
                } else {
                    Overflow::Overflows
                };
                let style = safe_style(value, placed);
                self.blocked |= style.loads && is_remote(value);
                Some(Cow::Owned(style.kept))
            }
            _ if !is_kept(element, name) => None,
            "src" => {
                let carried = is_carried(value);
                self.blocked |= !carried && is_remote(value);
                (carried && is_link(value)).then_some(Cow::Borrowed(value))
            }
            "href" => (is_link(value) && !has_scheme(value, &["cid:", "data:"])).then_some(Cow::Borrowed(value)),
            _ => Some(Cow::Borrowed(value)),
        }
    }
}

/// What is done with a node.
enum NodeResult {
    /// Its children follow.
    Goes,
    /// It is skipped with its children, or it has none.
    Passed,
    /// There is no room for it.
    Full,
}

fn end_length(name: &str) -> usize {
    name.len() + "</>".len()
}

/// Characters with a meaning in a text, and in a value in quotes.
const TEXT_SIGNS: [char; 4] = ['&', '<', '>', '\u{A0}'];
const VALUE_SIGNS: [char; 5] = ['&', '<', '>', '"', '\u{A0}'];

/// Appends `text` with all `signs` in it escaped, at most `room` bytes. Returns whether all of it fitted.
fn escape(text: &str, signs: &[char], out: &mut String, room: usize) -> bool {
    let limit = out.len().saturating_add(room);
    let mut rest = text;
    while !rest.is_empty() {
        let at = rest.find(signs).unwrap_or(rest.len());
        let plain = decode::cut(&rest[..at], limit - out.len());
        out.push_str(plain);
        if plain.len() < at {
            return false;
        }
        let Some(c) = rest[at..].chars().next() else { break };
        let escaped = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            _ => "&nbsp;",
        };
        if out.len() + escaped.len() > limit {
            return false;
        }
        out.push_str(escaped);
        rest = &rest[at + c.len_utf8()..];
    }
    true
}

/// Whether a URL is absolute and has one of these schemes.
fn is_link(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| SCHEMES.contains(&url.scheme()))
}

/// Whether an image is in the message itself.
fn is_carried(url: &str) -> bool {
    has_scheme(url, &["cid:", "data:image/"]) && !has_scheme(url, &["data:image/svg"])
}

fn has_scheme(url: &str, schemes: &[&str]) -> bool {
    // Browsers ignore control characters and white space in a scheme.
    let start: String = url.chars().filter(|c| !c.is_whitespace() && !c.is_control()).take(16).collect();
    let start = start.to_ascii_lowercase();
    schemes.iter().any(|scheme| start.starts_with(scheme))
}

fn is_remote(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    value.contains("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "target=\"_blank\" rel=\"noopener noreferrer\"";

    fn check(source: &str, html: &str, blocked: bool) {
        let expected = Safe {
            html: html.to_owned(),
            blocked,
        };
        assert_eq!(sanitised(source), expected, "{source}");
    }

    #[test]
    fn nothing_runs_or_submits() {
        check("a<script>alert(1)</script><b onclick=x()>b</b>", "a<b>b</b>", false);
        check("<form action=/x><input name=a>t</form>", "t", false);
        check("<a href=\"javascript:x()\">a</a>", &format!("<a {LINK}>a</a>"), false);
        check("<a href=\"data:text/html,x\">a</a>", &format!("<a {LINK}>a</a>"), false);
        check("<iframe srcdoc=\"<p>x\"></iframe><svg onload=x()></svg>", "", false);
        check(
            "<base href=\"https://x.example/\"><meta http-equiv=refresh content=\"0;url=x\">t",
            "t",
            false,
        );
    }

    #[test]
    fn links_open_elsewhere() {
        check(
            "<a href=\"https://x.example/\" target=_top>a</a>",
            "<a href=\"https://x.example/\" target=\"_blank\" rel=\"noopener noreferrer\">a</a>",
            false,
        );
    }

    #[test]
    fn remote_content_is_blocked_and_carried_content_stays() {
        check("<img src=\"https://x.example/p.gif\" alt=p>", "<img alt=\"p\">", true);
        check("<img src=\"//x.example/p.gif\">", "<img>", true);
        check("<img src=\"cid:a@b\">", "<img src=\"cid:a@b\">", false);
        check(
            "<img src=\"data:image/png;base64,eA==\">",
            "<img src=\"data:image/png;base64,eA==\">",
            false,
        );
        check("<img src=\"data:image/svg+xml,x\">", "<img>", false);
        check("<img srcset=\"https://x.example/a 2x\">", "<img>", true);
        check("<img src=\"&#104;ttps://x.example/a\">", "<img>", true);
        check(
            "<a href=\"https://x.example/\">https://x.example/</a>",
            &format!("<a href=\"https://x.example/\" {LINK}>https://x.example/</a>"),
            false,
        );
        check(
            "<p style=\"color:red;background-image:url(https://x.example/a)\">x</p>",
            "<p style=\"color:red\">x</p>",
            true,
        );
        check("<td background=\"https://x.example/a\">x</td>", "x", true);
        check("<style>@import 'https://x.example/a.css';</style>x", "x", true);
        check("<link rel=stylesheet href=\"https://x.example/a.css\">x", "x", true);
        check(
            "<p style=\"position:fixed;color:blue\">x</p>",
            "<p style=\"color:blue\">x</p>",
            false,
        );
        check("<p style=\"color:\\75rl(x)\">x</p>", "<p style=\"\">x</p>", false);
    }

    #[test]
    fn size_is_bounded() {
        let safe = sanitised(&"&lt;".repeat(LIMIT / 4));
        assert!(safe.html.len() <= LIMIT && safe.html.len() > LIMIT / 8);
        assert!(sanitised(&"\"'<br>&amp;".repeat(LIMIT / 4)).html.len() <= LIMIT);
        check(&"<b>".repeat(10_000), "", false);
    }
}
