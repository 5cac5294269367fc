//! Reads the XML that servers answer with, as elements with their text and their place in the document.
//!
//! The SDK's types leave out what they do not know, and a bucket's rules have to go back as they came. Promises:
//! nothing is expanded but XML's five references and numbered ones, nothing nests deeper than `DEPTH_MAX`, and
//! what is not well-formed is `None`, never a guess.

use std::ops::Range;

use quick_xml::NsReader;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;

/// How deep elements may nest; S3's own documents need six levels.
const DEPTH_MAX: usize = 16;

/// The namespace of Drystone's own elements.
const NAMESPACE: &[u8] = b"urn:drystone:s3";

/// Whose word an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Drystone's extension of S3.
    Drystone,
    /// S3's, whatever namespace the server gives it.
    Other,
}

/// An element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Its name without a prefix.
    pub name: String,
    /// Whose word it is.
    pub owner: Owner,
    /// The text directly in it.
    pub text: String,
    /// The elements directly in it.
    pub children: Vec<Element>,
    /// Its bytes in the document, with its tags.
    pub range: Range<usize>,
    /// What stands between its tags; empty where it has only one.
    pub inside: Range<usize>,
}

impl Element {
    /// The first of S3's elements of this name in it.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.owner == Owner::Other && child.name == name)
    }

    /// S3's elements of this name in it.
    pub fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Element> {
        self.children.iter().filter(move |child| child.owner == Owner::Other && child.name == name)
    }

    /// The text of the first of S3's elements of this name in it.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    /// The text of Drystone's own element of this name in it.
    pub fn own_text(&self, name: &str) -> Option<&str> {
        let own = self.children.iter().find(|child| child.owner == Owner::Drystone && child.name == name);
        own.map(|child| child.text.as_str())
    }
}

/// Reads a document; its root element.
pub fn parse(document: &[u8]) -> Option<Element> {
    let mut reader = NsReader::from_reader(document);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    // Each step consumes bytes of the document, so its length bounds the loop.
    loop {
        let begin = position(&reader)?;
        let (namespace, event) = reader.read_resolved_event().ok()?;
        let owner = match namespace {
            ResolveResult::Bound(bound) if bound.0 == NAMESPACE => Owner::Drystone,
            _ => Owner::Other,
        };
        match event {
            Event::Start(start) => {
                if open.len() >= DEPTH_MAX {
                    return None;
                }
                open.push(element(&start, owner, begin, position(&reader)?)?);
            }
            Event::Empty(start) => {
                let end = position(&reader)?;
                close(element(&start, owner, begin, end)?, &mut open, &mut root)?;
            }
            Event::End(_) => {
                let mut done = open.pop()?;
                done.range.end = position(&reader)?;
                done.inside.end = begin;
                close(done, &mut open, &mut root)?;
            }
            Event::Text(text) => add(&mut open, &text.xml10_content().ok()?)?,
            Event::CData(text) => add(&mut open, &text.xml10_content().ok()?)?,
            Event::GeneralRef(reference) => add(&mut open, &resolve(&reference)?)?,
            Event::DocType(_) => return None,
            Event::Eof => return root.filter(|_| open.is_empty()),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
        }
    }
}

fn position(reader: &NsReader<&[u8]>) -> Option<usize> {
    usize::try_from(reader.buffer_position()).ok()
}

fn element(start: &BytesStart<'_>, owner: Owner, begin: usize, end: usize) -> Option<Element> {
    let name = std::str::from_utf8(start.local_name().into_inner()).ok()?.to_owned();
    Some(Element {
        name,
        owner,
        text: String::new(),
        children: Vec::new(),
        range: begin..end,
        inside: end..end,
    })
}

fn close(done: Element, open: &mut [Element], root: &mut Option<Element>) -> Option<()> {
    match open.last_mut() {
        Some(parent) => parent.children.push(done),
        None if root.is_none() => *root = Some(done),
        None => return None,
    }
    Some(())
}

/// Adds text to the element that is open; between documents there may only be blanks.
fn add(open: &mut [Element], text: &str) -> Option<()> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return None,
    }
    Some(())
}

fn resolve(reference: &BytesRef<'_>) -> Option<String> {
    if let Ok(Some(c)) = reference.resolve_char_ref() {
        return Some(c.to_string());
    }
    quick_xml::escape::resolve_xml_entity(std::str::from_utf8(reference).ok()?).map(str::to_owned)
}

/// Text as it stands in a document.
pub fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_know_their_text_their_owner_and_their_place() {
        let text = r#"<?xml version="1.0"?> <A xmlns="x" xmlns:d="urn:drystone:s3"><B>a &lt;&#38;<![CDATA[>]]></B><d:B>own</d:B><C/><D><E>1</E></D></A>"#;
        let root = parse(text.as_bytes()).unwrap();
        assert_eq!(
            (root.name.as_str(), root.text_of("B"), root.own_text("B")),
            ("A", Some("a <&>"), Some("own"))
        );
        let d = root.child("D").unwrap();
        assert_eq!((&text[d.range.clone()], &text[d.inside.clone()]), ("<D><E>1</E></D>", "<E>1</E>"));
        assert_eq!(&text[root.child("C").unwrap().range.clone()], "<C/>");
        assert!(text[root.inside.clone()].starts_with("<B>") && text[root.inside].ends_with("</D>"));
        assert_eq!(parse(escaped("<&>\"'").as_bytes()), None, "text without an element");
    }

    #[test]
    fn what_is_not_well_formed_is_never_guessed_at() {
        let deep = "<a>".repeat(DEPTH_MAX + 1) + &"</a>".repeat(DEPTH_MAX + 1);
        let entity = "<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>";
        for text in
            ["", "no xml", "<a", "<a>", "<a></b>", "<a/><b/>", "<a/>x", "<a>&e;</a>", "{}", &deep, entity]
        {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
