//! HTML to text for people: lists, quotations and tables keep their layout.

use super::{
    super::quote::{MARK_HISTORY, MARK_OWN},
    marks,
    tree::{self, Budget, Content, Id, Kind, Step, Tree},
    words::{BLOCKS, to_words},
};

/// Largest HTML that is laid out, in bytes. Of larger HTML, only the words are used.
const LAYOUT_LIMIT: usize = 512 * 1024;
/// Most bytes that are written. Lines in lists and quotations count once more for each level of indentation.
const WORK_LIMIT: usize = 16 * 1024 * 1024;
/// Distance of tab stops, in characters.
const TAB: usize = 8;
/// Elements that are skipped with their content.
const HIDDEN: [&str; 10] = [
    "head", "title", "script", "style", "template", "link", "meta", "iframe", "noembed", "noframes",
];
const SUPERSCRIPTS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];

/// The text of `html` for people: lists, quotations (`> `) and tables keep their layout. At most about `limit` bytes without layout, if the
/// HTML is too large or too complex to be laid out. With the marks of [`marks`].
pub(in crate::mime) fn to_note(html: &str, limit: usize, budget: &Budget) -> String {
    let laid_out = (html.len() <= LAYOUT_LIMIT)
        .then(|| tree::build(html, Kind::Document, is_read, budget))
        .flatten()
        .and_then(|tree| Page::new(&tree, budget).lay_out());
    laid_out.unwrap_or_else(|| to_words(html, limit))
}

/// Attributes that are read.
fn is_read(name: &str, value: &str) -> bool {
    match name {
        "alt" | "src" | "start" => true,
        name if marks::ATTRIBUTES.contains(&name) => true,
        "style" => value.to_ascii_lowercase().contains("white-space"),
        _ => false,
    }
}

/// Removes white space at line ends and all but one of several empty lines.
fn tidied(lines: &[String]) -> String {
    let mut out = String::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
    let mut empty = 1;
    for line in lines {
        let line = line.trim_end();
        if line.len() == MARK_HISTORY.len_utf8() && line.starts_with(MARK_HISTORY) {
            out.push_str(line);
            out.push('\n');
            continue;
        }
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

/// Lines with the same mark before them: a quotation, an item of a list, a cell.
#[derive(Default)]
struct Frame {
    lines: Vec<String>,
    /// The line that is being written.
    line: String,
    /// Whether white space came since the last word of it.
    blank: bool,
    /// Whether a line is not empty.
    written: bool,
    /// Whether a block has ended, so that an empty line must follow.
    ended: bool,
}

impl Frame {
    fn end_line(&mut self) {
        self.blank = false;
        if !self.line.is_empty() {
            self.written = true;
            self.lines.push(std::mem::take(&mut self.line));
        }
    }

    fn empty_line(&mut self) {
        self.end_line();
        self.lines.push(String::new());
        self.ended = false;
    }

    fn start_block(&mut self) {
        self.end_line();
        if self.written {
            self.empty_line();
        }
        self.ended = false;
    }

    fn end_block(&mut self) {
        self.end_line();
        self.ended = true;
    }

    fn mark_history(&mut self) {
        self.end_line();
        self.lines.push(MARK_HISTORY.to_string());
    }

    fn mark_own(&mut self) {
        self.end_line();
        if let Some(line) = self.lines.iter_mut().find(|line| !line.is_empty()) {
            line.push(MARK_OWN);
        }
    }

    /// A line end that is always kept.
    fn break_line(&mut self) {
        if self.line.is_empty() {
            self.empty_line();
        } else {
            self.end_line();
        }
    }

    fn text(&mut self, text: &str, style: Style) {
        if self.ended {
            if !style.keeps_blanks && text.chars().all(char::is_whitespace) {
                return;
            }
            self.start_block();
        }
        for c in text.chars() {
            match c {
                '\n' if style.keeps_blanks || style.keeps_lines => {
                    self.blank = false;
                    self.written |= !self.line.is_empty();
                    self.lines.push(std::mem::take(&mut self.line));
                }
                '\t' if style.keeps_blanks => {
                    let column = self.line.chars().rev().take(4 * TAB).count();
                    self.line.extend(std::iter::repeat_n(' ', TAB - column % TAB));
                }
                '\u{200B}' | MARK_HISTORY | MARK_OWN => (),
                // A hard space is a word.
                c if c.is_whitespace() && c != '\u{A0}' && !style.keeps_blanks => self.blank |= !self.line.is_empty(),
                c if c.is_control() => (),
                c => {
                    if std::mem::take(&mut self.blank) {
                        self.line.push(' ');
                    }
                    self.line.push(c);
                    if style.struck && !c.is_whitespace() {
                        self.line.push('\u{336}');
                    }
                }
            }
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Style {
    keeps_blanks: bool,
    keeps_lines: bool,
    struck: bool,
}

/// What happens to white space in an element (CSS Text 3 §3).
#[derive(Clone, Copy, PartialEq, Eq)]
enum WhiteSpace {
    /// It is folded.
    Folded,
    /// Only line ends are kept.
    Lines,
    /// All of it is kept.
    Kept,
}

impl WhiteSpace {
    /// What a style says, if it says it.
    fn of(style: &str) -> Option<Self> {
        let value = style.split(';').rev().find_map(|declaration| {
            let (name, value) = declaration.split_once(':')?;
            name.trim()
                .eq_ignore_ascii_case("white-space")
                .then(|| value.trim().to_ascii_lowercase())
        })?;
        match value.split(['!', ' ']).next() {
            Some("pre" | "pre-wrap" | "break-spaces" | "-moz-pre-wrap") => Some(Self::Kept),
            Some("pre-line") => Some(Self::Lines),
            Some("normal" | "nowrap") => Some(Self::Folded),
            _ => None,
        }
    }
}

/// A list under way.
enum List {
    Marked,
    /// The number of the next item and the width of the mark.
    Numbered(i64, usize),
}

struct Page<'t> {
    tree: &'t Tree,
    /// The outermost comes first. Never empty.
    frames: Vec<Frame>,
    lists: Vec<List>,
    /// The rows of tables that are open: the lines of their cells so far.
    rows: Vec<Vec<Vec<String>>>,
    /// The elements that say what happens to white space in them.
    white_space: Vec<(Id, WhiteSpace)>,
    /// How many enclosing elements strike text out.
    struck: usize,
    /// How many enclosing elements are quotations.
    quotations: usize,
    /// The element in which history has begun; everything after it too, if it has only the first lines of it.
    history: Option<Id>,
    budget: &'t Budget,
}

impl<'t> Page<'t> {
    fn new(tree: &'t Tree, budget: &'t Budget) -> Self {
        Self {
            tree,
            frames: vec![Frame::default()],
            lists: Vec::new(),
            rows: Vec::new(),
            white_space: Vec::new(),
            struck: 0,
            quotations: 0,
            history: None,
            budget,
        }
    }

    /// The text. `None` if it would take too much work.
    fn lay_out(mut self) -> Option<String> {
        let mut walk = self.tree.walk();
        while let Some(step) = walk.next() {
            match step {
                Step::Enter(id) => {
                    if !self.enter(id) {
                        walk.skip_children();
                    }
                }
                Step::Leave(id) => self.leave(id),
            }
            if self.budget.work.get() > WORK_LIMIT {
                return None;
            }
        }
        let page = self.frame();
        page.end_line();
        Some(tidied(&page.lines))
    }

    fn works(&self, bytes: usize) {
        Budget::add(&self.budget.work, bytes);
    }

    fn frame(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame::default());
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    fn text(&mut self, text: &str) {
        self.works(text.len());
        let white_space = self.white_space.last().map(|(_, white_space)| *white_space);
        let style = Style {
            keeps_blanks: white_space == Some(WhiteSpace::Kept),
            keeps_lines: white_space == Some(WhiteSpace::Lines),
            struck: self.struck > 0,
        };
        self.frame().text(text, style);
    }

    /// Ends a frame: its lines go into the enclosing one, the first after `mark`, the others after `indent`.
    fn end_frame(&mut self, mark: &str, indent: &str) {
        let mut inner = self.frames.pop().unwrap_or_default();
        inner.end_line();
        self.works(inner.lines.len());
        if !mark.is_empty() {
            for (line, mark) in inner.lines.iter_mut().zip(std::iter::once(mark).chain(std::iter::repeat(indent))) {
                self.works(mark.len() + line.len());
                line.insert_str(0, mark);
            }
            inner.written |= !inner.lines.is_empty();
        }
        let outer = self.frame();
        outer.end_line();
        outer.written |= inner.written;
        if outer.lines.is_empty() {
            outer.lines = inner.lines;
        } else {
            outer.lines.append(&mut inner.lines);
        }
    }

    /// The same as a block of its own.
    fn end_block_frame(&mut self, mark: &str) {
        let inner = self.frames.pop().unwrap_or_default();
        self.frame().start_block();
        self.frames.push(inner);
        self.end_frame(mark, mark);
        self.frame().end_block();
    }

    fn end_cell(&mut self) {
        let Some(row) = self.rows.last_mut() else {
            return self.end_frame("", "");
        };
        let mut cell = self.frames.pop().unwrap_or_default();
        cell.end_line();
        let work = cell.lines.len();
        row.push(cell.lines);
        self.works(work);
    }

    /// Ends a row: on one line, if it has several cells and each of them takes no more.
    fn end_row(&mut self) {
        let Some(row) = self.rows.pop() else { return };
        let is_empty = |line: &str| line.trim().is_empty();
        let fits = |cell: &Vec<String>| cell.iter().filter(|line| !is_empty(line)).count() <= 1;
        let words: Vec<&str> = row
            .iter()
            .flatten()
            .map(|line| line.trim())
            .filter(|line| !line.is_empty())
            .collect();
        let lines = if words.len() > 1 && row.iter().all(fits) {
            vec![words.join(" ")]
        } else {
            row.into_iter().flatten().collect()
        };
        self.works(lines.iter().map(String::len).sum());
        self.works(lines.len());
        let frame = self.frame();
        frame.end_line();
        frame.written |= lines.iter().any(|line| !is_empty(line));
        frame.lines.extend(lines);
    }

    fn is_in_list(&self, id: Id) -> bool {
        matches!(self.tree.parent(id).map_or("", |parent| self.tree.name(parent)), "ul" | "ol")
    }

    /// Whether white space between the elements in this one is ignored.
    fn is_in_structure(&self, id: Id) -> bool {
        let parent = self.tree.parent(id).map_or("", |parent| self.tree.name(parent));
        matches!(parent, "ul" | "ol" | "dl" | "table" | "thead" | "tbody" | "tfoot" | "tr")
    }

    /// Begins a node. Returns whether its children are visited.
    fn enter(&mut self, id: Id) -> bool {
        let name = match self.tree.content(id) {
            Content::Other => return true,
            Content::Text(text) => {
                if self.is_in_structure(id) && text.trim().is_empty() {
                    return false;
                }
                if self.is_in_list(id) {
                    self.frames.push(Frame::default());
                }
                self.text(text);
                return false;
            }
            Content::Element(name, _) if &*name.local == "svg" => {
                self.title_of(id);
                return false;
            }
            Content::Element(..) => self.tree.name(id),
        };
        if HIDDEN.contains(&name) {
            return false;
        }
        if self.is_in_list(id) {
            self.frames.push(Frame::default());
        }
        if self.quotations == 0 && self.lists.is_empty() && marks::begins_history(self.tree, id) {
            self.frame().mark_history();
            self.history = self.history.or(Some(id));
        }
        let styled = WhiteSpace::of(self.tree.attribute(id, "style"));
        if let Some(white_space) = styled.or_else(|| (name == "pre").then_some(WhiteSpace::Kept)) {
            self.white_space.push((id, white_space));
        }
        match name {
            "blockquote" => {
                self.quotations += 1;
                self.frames.push(Frame::default());
            }
            "p" | "li" | "table" | "dl" | "pre" => self.frame().start_block(),
            "tr" => {
                self.frame().end_line();
                self.rows.push(Vec::new());
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "dd" | "td" | "th" => self.frames.push(Frame::default()),
            "ul" => self.lists.push(List::Marked),
            "ol" => self.lists.push(self.numbered(id)),
            "br" => self.frame().break_line(),
            "hr" => {
                self.frame().break_line();
                self.frame().break_line();
            }
            "s" | "del" => self.struck += 1,
            "sup" => return self.superscript(id),
            "img" => {
                let alt = self.tree.attribute(id, "alt");
                if !is_address(alt) && !self.tree.attribute(id, "src").is_empty() {
                    self.text(&format!("[{alt}]"));
                }
            }
            name if BLOCKS.contains(&name) => self.frame().end_line(),
            _ => (),
        }
        true
    }

    fn leave(&mut self, id: Id) {
        let name = self.tree.name(id);
        if self.history == Some(id) && !marks::begins_what_follows(self.tree, id) {
            self.history = None;
        }
        if HIDDEN.contains(&name) {
            return;
        }
        self.white_space.pop_if(|(styled, _)| *styled == id);
        match name {
            "p" | "li" | "pre" => self.frame().end_block(),
            "tr" => self.end_row(),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.end_block_frame(""),
            "blockquote" => {
                self.quotations -= 1;
                if self.quotations == 0 && self.history.is_none() && !marks::is_citation(self.tree, id) {
                    self.frame().mark_own();
                }
                self.end_block_frame("> ");
            }
            "dd" => self.end_frame("  ", "  "),
            "td" | "th" => self.end_cell(),
            "ul" | "ol" => {
                self.lists.pop();
            }
            "s" | "del" => self.struck -= 1,
            "sup" if self.digits(id).is_none() => self.text("}"),
            "br" | "hr" => (),
            name if BLOCKS.contains(&name) => self.frame().end_line(),
            _ => (),
        }
        if self.is_in_list(id) && !matches!(self.tree.content(id), Content::Text(text) if text.trim().is_empty()) {
            self.end_item(name);
        }
    }

    fn end_item(&mut self, name: &str) {
        let (mark, width) = match self.lists.last_mut() {
            Some(List::Numbered(number, width)) if name == "li" => {
                let mark = format!("{number}. ");
                *number = number.saturating_add(1);
                (format!("{mark:width$}"), *width)
            }
            // Only items have numbers.
            Some(List::Numbered(_, width)) => (" ".repeat(*width), *width),
            _ => ("- ".to_owned(), 2),
        };
        self.end_frame(&mark, &" ".repeat(width));
    }

    fn numbered(&self, id: Id) -> List {
        let items = self.tree.children(id).filter(|child| self.tree.name(*child) == "li").count();
        let first = self.tree.attribute(id, "start").parse().unwrap_or(1_i64);
        let last = first.saturating_add(i64::try_from(items).unwrap_or(i64::MAX)).saturating_sub(1);
        let width = |number: i64| number.to_string().len() + 2;
        List::Numbered(first, width(first).max(width(last)))
    }

    /// The text of an element, if it consists of digits.
    fn digits(&self, id: Id) -> Option<&'t str> {
        let mut children = self.tree.children(id);
        match (children.next().map(|child| self.tree.content(child)), children.next()) {
            (Some(Content::Text(text)), None) if text.bytes().all(|byte| byte.is_ascii_digit()) => Some(text),
            _ => None,
        }
    }

    fn superscript(&mut self, id: Id) -> bool {
        let digits = self.digits(id);
        match digits {
            Some(digits) => {
                let raised: String = digits.bytes().map(|digit| SUPERSCRIPTS[usize::from(digit - b'0')]).collect();
                self.text(&raised);
            }
            None => self.text("^{"),
        }
        digits.is_none()
    }

    /// The title of a drawing is shown instead of it.
    fn title_of(&mut self, drawing: Id) {
        let first = self.tree.children(drawing).next();
        let title = first.filter(|first| matches!(self.tree.content(*first), Content::Element(name, _) if &*name.local == "title"));
        let texts = title.into_iter().flat_map(|title| self.tree.children(title));
        let title: String = texts
            .filter_map(|child| match self.tree.content(child) {
                Content::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        if !title.is_empty() {
            self.text(&format!("[{title}]"));
        }
    }
}

/// Whether the words for a picture are none: programs write its address there.
fn is_address(alt: &str) -> bool {
    let alt = alt.trim();
    let has_scheme = ["http://", "https://", "cid:", "data:"]
        .iter()
        .any(|scheme| alt.starts_with(scheme));
    alt.is_empty() || has_scheme && !alt.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::quote::unmarked;

    fn to_note(html: &str, limit: usize) -> String {
        let text = super::to_note(html, limit, &Budget::default());
        unmarked(&text).into_owned()
    }

    #[test]
    fn notes_keep_the_look() {
        for (html, expected) in [
            ("<p>one</p><p>two <b>bold</b></p>", "one\n\ntwo bold"),
            ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
            ("<p>a</p><blockquote>q</blockquote>", "a\n\n> q"),
            ("<a href=\"https://x.example\">x</a><HR size=1>y", "x\n\ny"),
            ("<div>a<div>b</div></div>c", "a\nb\nc"),
            ("a<br><br> b  c\nd", "a\n\nb c d"),
            ("<ol start=9><li>a<p>b</p></li><li>c</ol>", "9.  a\n\n    b\n10. c"),
            (
                "<ol start=9223372036854775807><li>a<li>b</ol>",
                "9223372036854775807. a\n9223372036854775807. b",
            ),
            ("<ul><li>a<ul><li>b</ul></ul>", "- a\n  - b"),
            ("<blockquote>a<blockquote>b<br>c</blockquote></blockquote>", "> a\n>\n> > b\n> > c"),
            ("<table><tr><td>a</td><td>b<br>c</td></tr><tr><th>d</table>e", "a\nb\nc\nd\ne"),
            (
                "<table><tr><th>Part<th>Count</tr> <tr> <td><p>Pump</p></td> <td></td> <td>2</td></tr></table>",
                "Part Count\nPump 2",
            ),
            ("<table><tr><td><table><tr><td>a<td>b<tr><td>c</table><td>d</table>", "a b\nc\nd"),
            ("x<table><tr><td>a</td></tr></table>y", "x\n\na\ny"),
            (
                "<table><caption>t</caption><tfoot><tr><td colspan=65535 rowspan=65535>f</table>",
                "t\nf",
            ),
            ("<pre>a  b\n\tc</pre>d", "a  b\n        c\n\nd"),
            (
                "<div style=\"color:red; White-Space : pre-wrap\">a  b\nc<span style=\"white-space:normal\"> d\n e</span></div>f\ng",
                "a  b\nc d e\nf g",
            ),
            ("<p style=\"white-space:pre-line\">a  b\n c</p>", "a b\nc"),
            ("<dl><dt>a<dd>b</dl>", "a\n  b"),
            ("<h1>a</h1>b<section>c</section>d", "a\n\nb\nc\nd"),
            ("m<sup>2</sup> a<sup>x</sup> <del>no</del>", "m² a^{x} n\u{336}o\u{336}"),
            ("<img src=x alt=A><img src=y><img alt=B><svg><title>T</title>x</svg>", "[A][T]"),
            ("<img src=x alt=\"https://x.example/a.png\"><img src=x alt=cid:1>a", "a"),
            ("<style>x</style><title>t</title><script>y</script>z", "z"),
            (
                "a<iframe src=x><script>b</script></iframe><noembed>c</noembed><noframes>d</noframes><noscript>e</noscript>",
                "ae",
            ),
            ("", ""),
        ] {
            assert_eq!(to_note(html, 1000), expected, "{html}");
        }
    }

    #[test]
    fn wild_html_is_words() {
        for html in [
            "<b>".repeat(10_000),
            "<div></x>".repeat(10_000),
            "<font color=1><p>".repeat(1_000),
            "<table><tr><td>".repeat(1_000),
            format!(
                "<p>{}</p>{}",
                (0..240).map(|i| format!("<b id={i} alt={i}>")).collect::<String>(),
                "<p>".repeat(30_000)
            ),
        ] {
            assert_eq!(to_note(&format!("{html}x"), 1000), "x", "{}", &html[..20]);
        }
        let deep = format!("{}{}", "<ul><li>".repeat(120), "x<br>".repeat(60_000));
        assert!(to_note(&deep, 1_000_000).starts_with("x\nx\n"));
    }

    #[test]
    fn long_threads_keep_their_quotation_marks() {
        let html = format!("{}x{}", "<blockquote><div>".repeat(500), "</div></blockquote>".repeat(500));
        assert_eq!(to_note(&html, 100_000), format!("{}x", "> ".repeat(500)));
    }

    /// A message may have thousands of parts, each of which is as wild as one may be.
    #[test]
    fn parts_share_a_budget() {
        let bold: String = (0..100).map(|i| format!("<b title={i}>")).collect();
        let wild = format!("<p>{bold}</p>{}", "<p>x".repeat(300));
        let indented = format!("{}{}", "<blockquote>".repeat(100), "x<br>".repeat(1_000));
        for html in [wild, indented] {
            let budget = Budget::default();
            let texts: Vec<String> = (0..200).map(|_| super::to_note(&html, 1_000_000, &budget)).collect();
            assert!(budget.work.get() < WORK_LIMIT + html.len() * 200, "{budget:?}");
            assert!(texts[0].len() > 500 && texts[0] != texts[199] && texts[199] == to_words(&html, 1_000_000));
            assert_eq!(super::to_note("<ul><li>a</ul>", 1_000, &budget), "a");
        }
    }

    /// The work is counted, so that none of these can take long.
    #[test]
    fn layout_is_bounded() {
        for html in [
            format!("<table><tr>{}", "<td>x".repeat(100_000)),
            format!("<table>{}", "<tr><td colspan=65000 rowspan=65000>x".repeat(10_000)),
            format!("<ol start=-9223372036854775808>{}", "<li>x".repeat(90_000)),
            format!("{}{}", "<blockquote>".repeat(200), "x<br>".repeat(60_000)),
            format!("{}{}", "<ul><li>".repeat(100), "<p>x".repeat(60_000)),
            format!("<pre>{}", "\t".repeat(500_000)),
            format!("<pre>{}", "\n".repeat(500_000)),
            "&amp".repeat(125_000),
            "<br>".repeat(90_000),
            "<p> ".repeat(90_000),
            "<del>x".repeat(200),
        ] {
            let started = std::time::Instant::now();
            let text = to_note(&html, 2 << 20);
            assert!(text.len() < 8 << 20, "{} bytes of {}", text.len(), &html[..40]);
            assert!(started.elapsed().as_secs() < 60, "{} took {:?}", &html[..40], started.elapsed());
        }
    }
}
