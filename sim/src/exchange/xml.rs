//! XML in and out: a request as a small tree whose names carry their namespace, and a writer for answers.

use std::fmt::Write as _;

use quick_xml::{
    NsReader, XmlVersion,
    escape::{escape, resolve_predefined_entity},
    events::{BytesStart, Event},
    name::ResolveResult,
};

pub(super) const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
pub(super) const MESSAGES: &str = "http://schemas.microsoft.com/exchange/services/2006/messages";
pub(super) const TYPES: &str = "http://schemas.microsoft.com/exchange/services/2006/types";
pub(super) const ERRORS: &str = "http://schemas.microsoft.com/exchange/services/2006/errors";

/// Elements inside one another that are still read.
const MAX_DEPTH: usize = 64;

/// Which vocabulary an element belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    Soap,
    Messages,
    Types,
    Other,
}

/// An element of a request.
#[derive(Clone, Debug)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) space: Space,
    attributes: Vec<(String, String)>,
    /// All text directly inside, put together.
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// Reads a document. Prefixes do not matter, namespaces do.
    pub(super) fn parse(document: &str) -> Result<Self, String> {
        let mut reader = NsReader::from_str(document);
        let mut open: Vec<Self> = Vec::new();
        loop {
            let (space, event) = reader.read_resolved_event().map_err(|e| e.to_string())?;
            match event {
                Event::Start(start) => {
                    let element = Self::begin(&space, &start)?;
                    open.push(element);
                    if open.len() > MAX_DEPTH {
                        return Err("elements are nested too deep".into());
                    }
                }
                Event::Empty(start) => {
                    let element = Self::begin(&space, &start)?;
                    match open.last_mut() {
                        Some(parent) => parent.children.push(element),
                        None => return Ok(element),
                    }
                }
                Event::End(_) => {
                    let element = open.pop().ok_or("an element ends that never began")?;
                    match open.last_mut() {
                        Some(parent) => parent.children.push(element),
                        None => return Ok(element),
                    }
                }
                Event::Text(text) => {
                    if let Some(element) = open.last_mut() {
                        element.text.push_str(&text.xml10_content());
                    }
                }
                Event::CData(text) => {
                    if let Some(element) = open.last_mut() {
                        element.text.push_str(&text.xml10_content());
                    }
                }
                Event::GeneralRef(reference) => {
                    let element = open.last_mut().ok_or("a reference outside of any element")?;
                    match reference.resolve_char_ref().map_err(|e| e.to_string())? {
                        Some(character) => element.text.push(character),
                        None => element
                            .text
                            .push_str(resolve_predefined_entity(&reference).ok_or("an entity that is not predefined")?),
                    }
                }
                Event::DocType(_) => return Err("a document type is not allowed".into()),
                Event::Eof => return Err("the document ends early".into()),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
    }

    fn begin(space: &ResolveResult<'_>, start: &BytesStart<'_>) -> Result<Self, String> {
        let space = match space {
            ResolveResult::Bound(namespace) => match namespace.into_inner() {
                SOAP => Space::Soap,
                MESSAGES => Space::Messages,
                TYPES => Space::Types,
                _ => Space::Other,
            },
            ResolveResult::Unbound => Space::Other,
            ResolveResult::Unknown(prefix) => return Err(format!("the prefix {prefix} is not declared")),
        };
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|e| e.to_string())?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|e| e.to_string())?;
            attributes.push((attribute.key.local_name().into_inner().to_owned(), value.into_owned()));
        }
        Ok(Self {
            name: start.local_name().into_inner().to_owned(),
            space,
            attributes,
            text: String::new(),
            children: Vec::new(),
        })
    }

    /// The first child of that name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The first descendant along a path of names.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| element.child(name))
    }

    /// Text of a child, without white space around it.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }

    /// All attributes, in order.
    pub(super) fn attributes(&self) -> &[(String, String)] {
        &self.attributes
    }

    /// Writes an element of the types again, with all that is in it.
    pub(super) fn write(&self, xml: &mut Xml) {
        let attributes: Vec<(&str, &str)> = self.attributes.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        xml.element(&format!("t:{}", self.name), &attributes, |xml| {
            if self.children.is_empty() {
                xml.text(&self.text);
            }
            for child in &self.children {
                child.write(xml);
            }
        });
    }

    /// Value of an attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Writes XML. Names are given with the prefixes `s`, `m` and `t`, which [`envelope`] declares.
#[derive(Debug, Default)]
pub(super) struct Xml(String);

impl Xml {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// An element with attributes and what `inside` writes.
    pub(super) fn element(&mut self, name: &str, attributes: &[(&str, &str)], inside: impl FnOnce(&mut Self)) -> &mut Self {
        self.0.push('<');
        self.0.push_str(name);
        for (key, value) in attributes {
            let _ = write!(self.0, " {key}=\"{}\"", escape(clean(value)));
        }
        let begin = self.0.len();
        self.0.push('>');
        inside(self);
        if self.0.len() == begin + 1 {
            self.0.truncate(begin);
            self.0.push_str("/>");
        } else {
            let _ = write!(self.0, "</{name}>");
        }
        self
    }

    /// An element without attributes.
    pub(super) fn wrap(&mut self, name: &str, inside: impl FnOnce(&mut Self)) -> &mut Self {
        self.element(name, &[], inside)
    }

    /// An element that holds only text.
    pub(super) fn leaf(&mut self, name: &str, text: &str) -> &mut Self {
        self.element(name, &[], |xml| xml.text(text))
    }

    /// An element that holds nothing.
    pub(super) fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) -> &mut Self {
        self.element(name, attributes, |_| {})
    }

    /// Text. Characters that XML cannot hold are left out, as Exchange does.
    pub(super) fn text(&mut self, text: &str) {
        self.0.push_str(&escape(clean(text)));
    }

    /// What was written elsewhere.
    pub(super) fn raw(&mut self, xml: &str) -> &mut Self {
        self.0.push_str(xml);
        self
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

fn clean(text: &str) -> std::borrow::Cow<'_, str> {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}'));
    if text.chars().all(allowed) {
        text.into()
    } else {
        text.chars().filter(|c| allowed(*c)).collect::<String>().into()
    }
}

/// A whole answer around what `body` holds.
pub(super) fn envelope(body: &str) -> String {
    around(body, "xmlns:s", ["s:Envelope", "s:Header", "s:Body"])
}

/// An envelope of a stream. Exchange writes these without a prefix, and clients that split at `</Envelope>` rely on it.
pub(super) fn stream_envelope(body: &str) -> String {
    around(body, "xmlns", ["Envelope", "Header", "Body"])
}

fn around(body: &str, declaration: &str, [envelope, header, inside]: [&str; 3]) -> String {
    let mut xml = Xml(String::with_capacity(body.len() + 700));
    xml.raw("<?xml version=\"1.0\" encoding=\"utf-8\"?>");
    xml.element(envelope, &[(declaration, SOAP)], |xml| {
        xml.wrap(header, |xml| {
            xml.empty(
                "h:ServerVersionInfo",
                &[
                    ("MajorVersion", "15"),
                    ("MinorVersion", "1"),
                    ("MajorBuildNumber", "2507"),
                    ("MinorBuildNumber", "6"),
                    ("Version", "V2017_07_11"),
                    ("xmlns:h", TYPES),
                ],
            );
        });
        xml.element(inside, &[("xmlns:m", MESSAGES), ("xmlns:t", TYPES)], |xml| {
            xml.raw(body);
        });
    });
    xml.into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_do_not_matter() {
        for document in [
            format!(
                r#"<a:GetItem xmlns:a="{MESSAGES}" xmlns:b="{TYPES}"><b:ItemId Id="x&amp;y">1&lt;&#50;<![CDATA[<3]]></b:ItemId></a:GetItem>"#
            ),
            format!(r#"<GetItem xmlns="{MESSAGES}"><ItemId xmlns="{TYPES}" Id="x&#38;y">1&lt;2&lt;3</ItemId></GetItem>"#),
        ] {
            let root = Element::parse(&document).unwrap();
            assert_eq!((root.name.as_str(), root.space), ("GetItem", Space::Messages));
            let id = root.child("ItemId").unwrap();
            assert_eq!(
                (id.space, id.attribute("Id"), id.text.as_str()),
                (Space::Types, Some("x&y"), "1<2<3")
            );
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let deep = "<a>".repeat(100) + &"</a>".repeat(100);
        for document in [
            "",
            "text",
            "<a>",
            "<a></b>",
            "<x:a/>",
            "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
            "<a>&b;</a>",
            &deep,
        ] {
            assert!(Element::parse(document).is_err(), "{document}");
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut xml = Xml::new();
        xml.element("m:A", &[("Id", "\"<&>\"")], |xml| {
            xml.leaf("t:B", "a < b & c\u{0}\u{8}").empty("t:C", &[]);
        });
        let document = envelope(&xml.into_string());
        let root = Element::parse(&document).unwrap();
        let a = root.at(&["Body", "A"]).unwrap();
        assert_eq!(a.attribute("Id"), Some("\"<&>\""));
        assert_eq!(a.text_of("B"), Some("a < b & c"));
        assert_eq!(a.child("C").unwrap().children.len(), 0);
    }
}
