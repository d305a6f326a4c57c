//! XML responses as a small tree: namespaces resolved, text borrowed from the response, no document types, bounded depth and number of
//! elements.

use std::borrow::Cow;

use quick_xml::{
    XmlVersion,
    escape::resolve_xml_entity,
    events::{BytesStart, Event},
    name::{Namespace, ResolveResult},
    reader::NsReader,
};

/// Deepest nesting that is read. EWS stays below 20.
const MAX_DEPTH: usize = 64;
/// Limit of elements in one response. A full page of changes has about 3,000.
const MAX_ELEMENTS: usize = 100_000;

/// The namespaces that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ns {
    /// The SOAP envelope.
    Soap,
    /// EWS operations.
    Messages,
    /// What EWS operations are about.
    Types,
    /// Details of EWS faults.
    Errors,
    /// Answers of Autodiscover.
    Autodiscover,
    /// The settings in them.
    AutodiscoverSettings,
    /// No namespace.
    None,
    /// Any other one.
    Other,
}

impl Ns {
    fn of(namespace: &ResolveResult<'_>) -> Self {
        match namespace {
            ResolveResult::Bound(Namespace(uri)) => match *uri {
                "http://schemas.xmlsoap.org/soap/envelope/" | "http://www.w3.org/2003/05/soap-envelope" => Self::Soap,
                "http://schemas.microsoft.com/exchange/services/2006/messages" => Self::Messages,
                "http://schemas.microsoft.com/exchange/services/2006/types" => Self::Types,
                "http://schemas.microsoft.com/exchange/services/2006/errors" => Self::Errors,
                "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006" => Self::Autodiscover,
                "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a" => Self::AutodiscoverSettings,
                _ => Self::Other,
            },
            ResolveResult::Unbound => Self::None,
            ResolveResult::Unknown(_) => Self::Other,
        }
    }
}

/// An element with everything in it.
#[derive(Debug)]
pub(super) struct Element<'a> {
    /// Namespace of its name.
    pub ns: Ns,
    /// Local part of its name.
    pub name: String,
    /// Attributes without a prefix.
    attributes: Vec<(String, String)>,
    /// Elements directly in it.
    pub children: Vec<Element<'a>>,
    /// Text directly in it.
    pub text: Cow<'a, str>,
}

/// Why a response is not usable XML.
#[derive(Debug, thiserror::Error)]
pub(super) enum XmlError {
    #[error("not well-formed at byte {position}")]
    Syntax {
        position: u64,
        #[source]
        source: quick_xml::Error,
    },
    #[error("not UTF-8")]
    Encoding,
    #[error("ends in the middle")]
    Truncated,
    #[error("has text or a second element beside its root")]
    BesideRoot,
    #[error("has a document type or an entity of its own")]
    Entity,
    #[error("nests deeper than {MAX_DEPTH}")]
    Depth,
    #[error("has more than {MAX_ELEMENTS} elements")]
    Elements,
}

impl<'a> Element<'a> {
    /// Reads a whole document.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, XmlError> {
        let text = std::str::from_utf8(bytes).map_err(|_| XmlError::Encoding)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
        let mut reader = NsReader::from_str(text);
        let mut open: Vec<Element<'a>> = Vec::new();
        let mut root = None;
        let mut count = 0;
        loop {
            let event = reader.read_event().map_err(|source| XmlError::Syntax {
                position: reader.error_position(),
                source,
            })?;
            match event {
                Event::Start(start) => {
                    open.push(Self::open(&reader, &start, open.len(), &mut count)?);
                    if root.is_some() {
                        return Err(XmlError::BesideRoot);
                    }
                }
                Event::Empty(start) => {
                    let element = Self::open(&reader, &start, open.len(), &mut count)?;
                    close(element, &mut open, &mut root)?;
                }
                Event::End(_) => {
                    // The reader refuses an end tag without its start tag, so there is one.
                    let element = open.pop().ok_or(XmlError::BesideRoot)?;
                    close(element, &mut open, &mut root)?;
                }
                Event::Text(piece) => add(&mut open, piece.xml10_content())?,
                Event::CData(piece) => add(&mut open, piece.xml10_content())?,
                Event::GeneralRef(reference) => {
                    let piece = if reference.is_char_ref() {
                        // Exchange writes characters that XML forbids, such as &#x0; or half a surrogate pair, when a subject has them.
                        let c = reference.resolve_char_ref().ok().flatten().unwrap_or('\u{fffd}');
                        Cow::Owned(c.to_string())
                    } else {
                        Cow::Borrowed(resolve_xml_entity(&reference).ok_or(XmlError::Entity)?)
                    };
                    add(&mut open, piece)?;
                }
                Event::DocType(_) => return Err(XmlError::Entity),
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
                Event::Eof => break,
            }
        }
        if open.is_empty() {
            root.ok_or(XmlError::Truncated)
        } else {
            Err(XmlError::Truncated)
        }
    }

    fn open(reader: &NsReader<&'a [u8]>, start: &BytesStart<'_>, depth: usize, count: &mut usize) -> Result<Self, XmlError> {
        *count += 1;
        if *count > MAX_ELEMENTS {
            return Err(XmlError::Elements);
        }
        if depth >= MAX_DEPTH {
            return Err(XmlError::Depth);
        }
        let syntax = |source| XmlError::Syntax {
            position: reader.buffer_position(),
            source,
        };
        let (namespace, name) = reader.resolver().resolve_element(start.name());
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| syntax(error.into()))?;
            if attribute.key.prefix().is_none() && attribute.key.as_namespace_binding().is_none() {
                let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(syntax)?;
                attributes.push((attribute.key.into_inner().to_owned(), value.into_owned()));
            }
        }
        Ok(Self {
            ns: Ns::of(&namespace),
            name: name.into_inner().to_owned(),
            attributes,
            children: Vec::new(),
            text: Cow::Borrowed(""),
        })
    }

    /// Whether this is the element `name` of `ns`.
    pub(super) fn is(&self, ns: Ns, name: &str) -> bool {
        self.ns == ns && self.name == name
    }

    /// The first element `name` of `ns` directly in it.
    pub(super) fn child(&self, ns: Ns, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.is(ns, name))
    }

    /// The text of the first element `name` of `ns` directly in it, without white space around it.
    pub(super) fn child_text(&self, ns: Ns, name: &str) -> Option<&str> {
        self.child(ns, name).map(|child| child.text.trim())
    }

    /// The value of an attribute without a prefix.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Puts a finished element into the one around it.
fn close<'a>(element: Element<'a>, open: &mut [Element<'a>], root: &mut Option<Element<'a>>) -> Result<(), XmlError> {
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None if root.is_none() => *root = Some(element),
        None => return Err(XmlError::BesideRoot),
    }
    Ok(())
}

/// Appends text to the innermost open element.
fn add<'a>(open: &mut [Element<'a>], piece: Cow<'a, str>) -> Result<(), XmlError> {
    match open.last_mut() {
        Some(element) if element.text.is_empty() => element.text = piece,
        Some(element) => element.text.to_mut().push_str(&piece),
        None if piece.trim().is_empty() => {}
        None => return Err(XmlError::BesideRoot),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const T: &str = "http://schemas.microsoft.com/exchange/services/2006/types";

    #[test]
    fn names_are_matched_by_namespace_whatever_the_prefix() {
        for document in [
            format!("<a:Subject xmlns:a='{T}' Id='1'>x</a:Subject>"),
            format!("<Subject xmlns='{T}' Id='1'>x</Subject>"),
            format!("\u{feff}<?xml version='1.0' encoding='utf-8'?>\r\n<!-- c --><q:Subject Id='1' xmlns:q='{T}'>x</q:Subject>\n"),
        ] {
            let element = Element::parse(document.as_bytes()).unwrap();
            assert!(element.is(Ns::Types, "Subject"), "{document}");
            assert_eq!(element.attribute("Id"), Some("1"));
            assert_eq!(element.text, "x");
        }
        let foreign = Element::parse(b"<t:Subject xmlns:t='urn:else'/>").unwrap();
        assert_eq!(foreign.ns, Ns::Other);
        assert_eq!(Element::parse(b"<Subject/>").unwrap().ns, Ns::None);
    }

    #[test]
    fn text_is_joined_from_its_pieces() {
        let element = Element::parse(b"<a i='&lt;&#65;'>1 &amp; &#x41;<![CDATA[<2>]]><b/>3&#0;&#xD83D;</a>").unwrap();
        assert_eq!(element.text, "1 & A<2>3\u{fffd}\u{fffd}");
        assert_eq!(element.attribute("i"), Some("<A"));
        assert_eq!(element.children.len(), 1);
    }

    #[test]
    fn long_text_is_borrowed() {
        let element = Element::parse(b"<a>QUJD</a>").unwrap();
        assert!(matches!(element.text, Cow::Borrowed("QUJD")));
    }

    #[test]
    fn bad_documents_are_refused() {
        let deep = "<a>".repeat(MAX_DEPTH + 1);
        let many = format!("<a>{}</a>", "<b/>".repeat(MAX_ELEMENTS));
        let check = |document: &str, expected: &str| {
            let error = Element::parse(document.as_bytes()).unwrap_err();
            assert!(format!("{error:?}").starts_with(expected), "{document:.60}: {error:?}");
        };
        check("", "Truncated");
        check("<a><b></b>", "Truncated");
        check("<a><b", "Syntax");
        check("<a></b>", "Syntax");
        check("<a/>x", "BesideRoot");
        check("<a/><b/>", "BesideRoot");
        check("<a/><b></b>", "BesideRoot");
        check("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "Entity");
        check("<a>&nbsp;</a>", "Entity");
        check("<a b='&x;'/>", "Syntax");
        check("<a>&lt</a>", "Syntax");
        check(&deep, "Depth");
        check(&many, "Elements");
        assert!(matches!(Element::parse(b"<a>\xff</a>"), Err(XmlError::Encoding)));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[<>/a:='\" &;!\\[\\]?#x-]{0,80}") {
            let _ = Element::parse(&bytes);
            let _ = Element::parse(text.as_bytes());
        }
    }
}
