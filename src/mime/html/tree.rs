//! The tree that a browser would build from HTML, within a budget.
//!
//! The rules for broken HTML allow a few bytes to become a tree of any size: elements for bold text that were never closed are recreated in
//! every paragraph, with their attributes. So the size of the tree and the cost of building it are counted here, and beyond the budget
//! there is no tree.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    rc::Rc,
};

use html5ever::{
    Attribute, ExpandedName, LocalName, QualName, TokenizerResult,
    buffer_queue::BufferQueue,
    interface::{ElementFlags, NodeOrText, QuirksMode, TreeSink},
    local_name, ns,
    tendril::StrTendril,
    tokenizer::{TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts},
    tree_builder::{TreeBuilder, TreeBuilderOpts},
};

/// Most elements and texts. Newsletters have some thousand.
const NODE_LIMIT: usize = 100_000;
/// Most bytes of text and attributes, including the overhead of each attribute.
const BYTE_LIMIT: usize = 8 * 1024 * 1024;
/// Deepest nesting. Long threads quote each other hundreds of times, with several elements each.
const DEPTH_LIMIT: usize = 2_000;
/// Most elements visited to find the place of another one. Each takes some nanoseconds.
const STEP_LIMIT: usize = 10_000_000;
/// Most comparisons between attributes of the same tag. Each takes about a nanosecond.
const COMPARISON_LIMIT: usize = 200_000_000;
/// The overhead of an attribute besides its value, in bytes.
const ATTRIBUTE_SIZE: usize = 64;
/// How much of the HTML is read between two checks of the budget, in bytes.
const PIECE: usize = 1024;

/// Elements that are recreated if they were not closed.
const FORMATTING: [&str; 14] = [
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
];

/// How HTML is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// As a document of its own, in a reader that runs no scripts.
    Document,
    /// As the content of a `div` in a page that runs scripts.
    Fragment,
}

/// A node of a [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(u32);

/// What a node is.
#[derive(Debug)]
pub(super) enum Content {
    /// The document itself, and anything that is neither element nor text.
    Other,
    /// An element with the attributes that are read.
    Element(Rc<QualName>, Vec<(LocalName, StrTendril)>),
    /// A text.
    Text(String),
}

#[derive(Debug)]
struct Node {
    content: Content,
    depth: usize,
    parent: Option<Id>,
    first: Option<Id>,
    last: Option<Id>,
    previous: Option<Id>,
    next: Option<Id>,
}

/// The budget of one message, which may have thousands of parts, and what was used of it.
#[derive(Debug, Default)]
pub(in crate::mime) struct Budget {
    nodes: Cell<usize>,
    bytes: Cell<usize>,
    steps: Cell<usize>,
    comparisons: Cell<usize>,
    /// Bytes that were laid out.
    pub(super) work: Cell<usize>,
}

impl Budget {
    /// Counts.
    pub(super) fn add(counter: &Cell<usize>, more: usize) {
        counter.set(counter.get().saturating_add(more));
    }

    fn is_over(&self) -> bool {
        self.nodes.get() > NODE_LIMIT
            || self.bytes.get() > BYTE_LIMIT
            || self.steps.get() > STEP_LIMIT
            || self.comparisons.get() > COMPARISON_LIMIT
    }
}

/// A tree within the budget.
#[derive(Debug)]
pub(super) struct Tree(Vec<Node>);

/// Builds the tree of `html` with the attributes that `keeps` says, by name and value. `None` if it exceeds the rest of the budget.
pub(super) fn build(html: &str, kind: Kind, keeps: fn(&str, &str) -> bool, budget: &Budget) -> Option<Tree> {
    let sink = Sink::new(budget);
    let options = TreeBuilderOpts {
        scripting_enabled: kind == Kind::Fragment,
        ..TreeBuilderOpts::default()
    };
    let (builder, tokens) = match kind {
        Kind::Document => (TreeBuilder::new(sink, options), TokenizerOpts::default()),
        Kind::Fragment => {
            let context = sink.element(QualName::new(None, ns!(html), local_name!("div")), Vec::new());
            let builder = TreeBuilder::new_for_fragment(sink, context, None, options);
            let options = TokenizerOpts {
                initial_state: Some(builder.tokenizer_state_for_context_elem(false)),
                ..TokenizerOpts::default()
            };
            (builder, options)
        }
    };
    let gate = Gate {
        builder,
        keeps,
        tag_goes_on: Cell::new(true),
    };
    let tokenizer = Tokenizer::new(gate, tokens);
    feed(&tokenizer, html);
    let sink = tokenizer.sink.builder.sink;
    (!sink.is_over()).then(|| Tree(sink.nodes.into_inner()))
}

/// Reads `html` piece by piece until the budget is used up.
fn feed(tokenizer: &Tokenizer<Gate<'_>>, html: &str) {
    let input = BufferQueue::default();
    let (mut rest, mut attributes) = (html, 0);
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE.min(rest.len())));
        rest = after;
        let gate = &tokenizer.sink;
        // Each attribute of a tag is compared with all before it, and none is seen before the tag ends. At most as many begin in this
        // piece:
        let more = piece
            .bytes()
            .filter(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'\x0C' | b'/' | b'"' | b'\''))
            .count();
        attributes = if gate.tag_goes_on.replace(true) { attributes + more } else { more };
        Budget::add(&gate.builder.sink.spent.comparisons, attributes * more);
        if gate.is_over() {
            return;
        }
        input.push_back(StrTendril::from_slice(piece));
        while !matches!(tokenizer.feed(&input), TokenizerResult::Done) {}
    }
    tokenizer.end();
}

/// Passes tokens to the builder of the tree while the budget lasts.
struct Gate<'b> {
    builder: TreeBuilder<Handle, Sink<'b>>,
    keeps: fn(&str, &str) -> bool,
    /// Whether there was no token since the last check, so that a tag may be incomplete.
    tag_goes_on: Cell<bool>,
}

impl Gate<'_> {
    fn is_over(&self) -> bool {
        self.builder.sink.is_over()
    }
}

impl TokenSink for Gate<'_> {
    type Handle = Handle;

    fn process_token(&self, mut token: Token, line: u64) -> TokenSinkResult<Handle> {
        if matches!(token, Token::ParseError(_)) {
            return TokenSinkResult::Continue;
        }
        self.tag_goes_on.set(false);
        if self.is_over() {
            return TokenSinkResult::Continue;
        }
        if let Token::TagToken(tag) = &mut token {
            // The builder reads these itself.
            let read = |name: &str| matches!(name, "type" | "encoding" | "color" | "face" | "size");
            tag.attrs
                .retain(|attribute| read(&attribute.name.local) || (self.keeps)(&attribute.name.local, &attribute.value));
            if tag.kind == TagKind::StartTag && FORMATTING.contains(&&*tag.name) {
                // It is compared with those that are open, attribute by attribute.
                let sink = &self.builder.sink;
                Budget::add(&sink.spent.steps, sink.depth.get() * (tag.attrs.len() + 1));
            }
        }
        self.builder.process_token(token, line)
    }

    fn end(&self) {
        self.builder.end();
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&self) -> bool {
        self.builder.adjusted_current_node_present_but_not_in_html_namespace()
    }
}

#[derive(Clone)]
struct Handle {
    id: Id,
    name: Rc<QualName>,
    /// Text inside may be HTML.
    integrates: bool,
}

/// Takes what the builder makes.
struct Sink<'b> {
    nodes: RefCell<Vec<Node>>,
    spent: &'b Budget,
    /// Depth of the element that was placed last.
    depth: Cell<usize>,
    too_deep: Cell<bool>,
}

impl<'b> Sink<'b> {
    fn new(budget: &'b Budget) -> Self {
        let sink = Self {
            nodes: RefCell::default(),
            spent: budget,
            depth: Cell::new(0),
            too_deep: Cell::new(false),
        };
        sink.add(Content::Other);
        sink
    }

    fn is_over(&self) -> bool {
        self.spent.is_over() || self.too_deep.get()
    }

    fn add(&self, content: Content) -> Id {
        Budget::add(&self.spent.nodes, 1);
        let mut nodes = self.nodes.borrow_mut();
        let id = Id(u32::try_from(nodes.len()).unwrap_or(u32::MAX));
        nodes.push(Node {
            content,
            depth: 0,
            parent: None,
            first: None,
            last: None,
            previous: None,
            next: None,
        });
        id
    }

    fn other(&self) -> Handle {
        Handle {
            id: self.add(Content::Other),
            name: Rc::new(QualName::new(None, ns!(), local_name!(""))),
            integrates: false,
        }
    }

    fn element(&self, name: QualName, attributes: Vec<Attribute>) -> Handle {
        let size = |attribute: &Attribute| attribute.value.len() + ATTRIBUTE_SIZE;
        Budget::add(&self.spent.bytes, attributes.iter().map(size).sum());
        let name = Rc::new(name);
        let attributes = attributes.into_iter().map(|attribute| (attribute.name.local, attribute.value));
        Handle {
            id: self.add(Content::Element(Rc::clone(&name), attributes.collect())),
            name,
            integrates: false,
        }
    }

    /// Places `child` before `next`, or last when there is none. Adjacent texts become one.
    fn place(&self, parent: Id, next: Option<Id>, child: NodeOrText<Handle>) {
        let before = {
            let nodes = self.nodes.borrow();
            next.map_or(nodes[parent.0 as usize].last, |next| nodes[next.0 as usize].previous)
        };
        let id = match child {
            NodeOrText::AppendNode(node) => node.id,
            NodeOrText::AppendText(text) => {
                Budget::add(&self.spent.bytes, text.len());
                if let Some(before) = before
                    && let Content::Text(known) = &mut self.nodes.borrow_mut()[before.0 as usize].content
                {
                    known.push_str(&text);
                    return;
                }
                self.add(Content::Text(String::from(&*text)))
            }
        };
        self.detach(id);
        let nodes = &mut *self.nodes.borrow_mut();
        let depth = nodes[parent.0 as usize].depth + 1;
        let node = &mut nodes[id.0 as usize];
        (node.parent, node.previous, node.next, node.depth) = (Some(parent), before, next, depth);
        self.depth.set(depth);
        if depth > DEPTH_LIMIT {
            self.too_deep.set(true);
        }
        match before {
            Some(before) => nodes[before.0 as usize].next = Some(id),
            None => nodes[parent.0 as usize].first = Some(id),
        }
        match next {
            Some(next) => nodes[next.0 as usize].previous = Some(id),
            None => nodes[parent.0 as usize].last = Some(id),
        }
    }

    fn detach(&self, id: Id) {
        let nodes = &mut *self.nodes.borrow_mut();
        let node = &mut nodes[id.0 as usize];
        let (parent, previous, next) = (node.parent.take(), node.previous.take(), node.next.take());
        let Some(parent) = parent else { return };
        match previous {
            Some(previous) => nodes[previous.0 as usize].next = next,
            None => nodes[parent.0 as usize].first = next,
        }
        match next {
            Some(next) => nodes[next.0 as usize].previous = previous,
            None => nodes[parent.0 as usize].last = previous,
        }
    }

    fn parent(&self, id: Id) -> Option<Id> {
        self.nodes.borrow()[id.0 as usize].parent
    }
}

impl TreeSink for Sink<'_> {
    type Handle = Handle;
    type Output = Self;
    type ElemName<'a>
        = ExpandedName<'a>
    where
        Self: 'a;

    fn finish(self) -> Self {
        self
    }

    fn parse_error(&self, _message: Cow<'static, str>) {}

    fn get_document(&self) -> Handle {
        Handle {
            id: Id(0),
            name: Rc::new(QualName::new(None, ns!(), local_name!(""))),
            integrates: false,
        }
    }

    fn elem_name<'a>(&'a self, target: &'a Handle) -> ExpandedName<'a> {
        Budget::add(&self.spent.steps, 1);
        target.name.expanded()
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, flags: ElementFlags) -> Handle {
        Handle {
            integrates: flags.mathml_annotation_xml_integration_point,
            ..self.element(name, attributes)
        }
    }

    fn create_comment(&self, _text: StrTendril) -> Handle {
        self.other()
    }

    fn create_pi(&self, _target: StrTendril, _data: StrTendril) -> Handle {
        self.other()
    }

    fn append(&self, parent: &Handle, child: NodeOrText<Handle>) {
        self.place(parent.id, None, child);
    }

    fn append_based_on_parent_node(&self, element: &Handle, previous: &Handle, child: NodeOrText<Handle>) {
        match self.parent(element.id) {
            Some(parent) => self.place(parent, Some(element.id), child),
            None => self.place(previous.id, None, child),
        }
    }

    fn append_doctype_to_document(&self, _name: StrTendril, _public: StrTendril, _system: StrTendril) {}

    /// The content of a template is not read, so it may be in the template itself.
    fn get_template_contents(&self, target: &Handle) -> Handle {
        target.clone()
    }

    fn same_node(&self, one: &Handle, other: &Handle) -> bool {
        Budget::add(&self.spent.steps, 1);
        one.id == other.id
    }

    fn set_quirks_mode(&self, _mode: QuirksMode) {}

    fn append_before_sibling(&self, sibling: &Handle, child: NodeOrText<Handle>) {
        if let Some(parent) = self.parent(sibling.id) {
            self.place(parent, Some(sibling.id), child);
        }
    }

    /// Only `html` and `body` can get more attributes, and theirs are not read.
    fn add_attrs_if_missing(&self, _target: &Handle, _attributes: Vec<Attribute>) {}

    fn remove_from_parent(&self, target: &Handle) {
        self.detach(target.id);
    }

    fn reparent_children(&self, node: &Handle, new_parent: &Handle) {
        loop {
            let first = self.nodes.borrow()[node.id.0 as usize].first;
            let Some(id) = first else { return };
            Budget::add(&self.spent.steps, 1);
            self.place(new_parent.id, None, NodeOrText::AppendNode(Handle { id, ..new_parent.clone() }));
        }
    }

    fn is_mathml_annotation_xml_integration_point(&self, handle: &Handle) -> bool {
        handle.integrates
    }
}

impl Tree {
    /// The nodes in the order of the HTML.
    pub fn walk(&self) -> Walk<'_> {
        Walk {
            tree: self,
            entered: None,
            next: Some(Step::Enter(Id(0))),
        }
    }

    /// What a node is.
    pub fn content(&self, id: Id) -> &Content {
        &self.node(id).content
    }

    /// The element that contains a node.
    pub fn parent(&self, id: Id) -> Option<Id> {
        self.node(id).parent
    }

    /// The name of an HTML element. Empty for everything else.
    pub fn name(&self, id: Id) -> &str {
        match self.content(id) {
            Content::Element(name, _) if name.ns == ns!(html) => &name.local,
            _ => "",
        }
    }

    /// The children of a node.
    pub fn children(&self, id: Id) -> impl Iterator<Item = Id> {
        std::iter::successors(self.node(id).first, |child| self.node(*child).next)
    }

    /// The value of an attribute. Empty when there is none.
    pub fn attribute(&self, id: Id, name: &str) -> &str {
        let Content::Element(_, attributes) = self.content(id) else {
            return "";
        };
        let mut attributes = attributes.iter();
        attributes.find(|(known, _)| **known == *name).map_or("", |(_, value)| value)
    }

    fn node(&self, id: Id) -> &Node {
        &self.0[id.0 as usize]
    }
}

/// One step of a [`Walk`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A node begins.
    Enter(Id),
    /// A node ends.
    Leave(Id),
}

/// Goes through a tree.
pub(super) struct Walk<'t> {
    tree: &'t Tree,
    entered: Option<Id>,
    next: Option<Step>,
}

impl Walk<'_> {
    /// Skips the content of the node that was entered last.
    pub fn skip_children(&mut self) {
        self.next = self.entered.map(Step::Leave);
    }
}

impl Iterator for Walk<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let step = self.next?;
        (self.entered, self.next) = match step {
            Step::Enter(id) => {
                let first = self.tree.node(id).first;
                (Some(id), Some(first.map_or(Step::Leave(id), Step::Enter)))
            }
            Step::Leave(id) => {
                let node = self.tree.node(id);
                (None, node.next.map(Step::Enter).or(node.parent.map(Step::Leave)))
            }
        };
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(_name: &str, _value: &str) -> bool {
        true
    }

    fn build(html: &str, kind: Kind, keeps: fn(&str, &str) -> bool) -> Option<Tree> {
        super::build(html, kind, keeps, &Budget::default())
    }

    /// The tree as HTML.
    fn written(tree: &Tree) -> String {
        let mut out = String::new();
        for step in tree.walk() {
            match (
                step,
                tree.content(match step {
                    Step::Enter(id) | Step::Leave(id) => id,
                }),
            ) {
                (Step::Enter(_), Content::Element(name, _)) => out += &format!("<{}>", name.local),
                (Step::Leave(_), Content::Element(name, _)) => out += &format!("</{}>", name.local),
                (Step::Enter(_), Content::Text(text)) => out += text,
                _ => (),
            }
        }
        out
    }

    #[test]
    fn trees_are_those_of_browsers() {
        for (html, expected) in [
            ("a<!-- x -->b", "<html>ab</html>"),
            ("<p>a<p>b", "<html><p>a</p><p>b</p></html>"),
            ("<p><b>a</p>b", "<html><p><b>a</b></p><b>b</b></html>"),
            ("<b>1<p>2</b>3", "<html><b>1</b><p><b>2</b>3</p></html>"),
            ("<a>1<div>2<a>3", "<html><a>1</a><div><a>2</a><a>3</a></div></html>"),
            (
                "<table>x<tr><td>y</table>z",
                "<html>x<table><tbody><tr><td>y</td></tr></tbody></table>z</html>",
            ),
            ("<svg><p>x", "<html><svg></svg><p>x</p></html>"),
        ] {
            let tree = build(html, Kind::Fragment, all).unwrap();
            assert_eq!(written(&tree), expected, "{html}");
        }
    }

    #[test]
    fn attributes_that_nobody_reads_are_dropped() {
        let tree = build("<img alt=x title=y>", Kind::Document, |name, _| name == "alt").unwrap();
        let image = tree.walk().find_map(|step| match step {
            Step::Enter(id) if tree.name(id) == "img" => Some(id),
            _ => None,
        });
        assert_eq!(
            (tree.attribute(image.unwrap(), "alt"), tree.attribute(image.unwrap(), "title")),
            ("x", "")
        );
    }

    /// Whatever comes, the counters end not far behind their limits.
    #[test]
    fn whatever_comes_the_budget_holds() {
        let bold = |count: usize| (0..count).map(|i| format!("<b title={i}>")).collect::<String>();
        let many = |piece: &str, count: usize| piece.repeat(count);
        for (name, html, fits) in [
            ("formatting", format!("<p>{}</p>{}", bold(240), many("<p>x", 30_000)), false),
            (
                "formatting in cells",
                format!("<table>{}", many(&format!("<td><p>{}</p>x", bold(20)), 2_000)),
                true,
            ),
            ("adoption", many("<a><div>", 100_000), false),
            (
                "moved children",
                format!("<b><p>{}{}", many("<i></i>", 40_000), many("</b><b><p>", 10_000)),
                true,
            ),
            ("foster parents", format!("<table>{}", many("x<i></i>", 40_000)), true),
            ("attributes of html", (0..34_000).map(|i| format!("<html a{i}=1>")).collect(), true),
            (
                "attributes of a tag",
                format!("<p {}>", (0..150_000).map(|i| format!("a{i} ")).collect::<String>()),
                false,
            ),
            (
                "attributes without blanks",
                format!("<p {}>", (0..150_000).map(|i| format!("a{i}/")).collect::<String>()),
                false,
            ),
            (
                "attributes behind values",
                format!("<p {}>", (0..90_000).map(|i| format!("a{i}='>'")).collect::<String>()),
                false,
            ),
            (
                "tags with attributes",
                many(
                    &format!("<font {}>", (0..60).map(|i| format!("a{i}={i} ")).collect::<String>()),
                    200,
                ),
                true,
            ),
            (
                "formatting with attributes",
                many(
                    &format!("<p><font {}></p>", (0..30).map(|i| format!("a{i}=1 ")).collect::<String>()),
                    4_000,
                ),
                false,
            ),
            ("elements", many("<i></i>", 140_000), false),
            ("depth", many("<div>", 1_900), true),
            ("too much depth", many("<div>", 2_100), false),
            ("references", many("&amp", 250_000), true),
            ("names", (0..100_000).map(|i| format!("<x{i}>")).collect(), false),
            ("ends", format!("x{}", many("</p>", 250_000)), false),
            ("ends of nothing", many("</x>", 250_000), true),
            ("comments", many("<!---->", 140_000), false),
            (
                "an image",
                format!(
                    "<img src=\"data:image/png;base64,{}\">",
                    many(&format!("{}/", "a".repeat(63)), 5_000)
                ),
                true,
            ),
        ] {
            for kind in [Kind::Document, Kind::Fragment] {
                let started = std::time::Instant::now();
                let spent = Budget::default();
                let tree = super::build(&html, kind, all, &spent);
                assert_eq!(tree.is_some(), fits, "{name}: {spent:?}");
                assert!(spent.nodes.get() < NODE_LIMIT + 1_000, "{name}: {spent:?}");
                assert!(spent.bytes.get() < BYTE_LIMIT + 300_000, "{name}: {spent:?}");
                assert!(spent.steps.get() < STEP_LIMIT + 500_000, "{name}: {spent:?}");
                assert!(started.elapsed().as_secs() < 60, "{name} took {:?}", started.elapsed());
            }
        }
    }
}
