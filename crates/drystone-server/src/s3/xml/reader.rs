//! Reads the small documents that requests carry, element by element.
//!
//! Promises: nothing is expanded (a document type or an entity other than XML's five is refused),
//! nothing nests deeper than [`DEPTH_MAX`], nothing but UTF-8 is taken, and whatever is not what
//! the caller asks for is `MalformedXML`. S3's namespace may be there or not, and elements that a
//! newer client adds are skipped. Sizes are bounded by whoever collects the body, counts by
//! whoever loops over [`Document::child`]. Without these limits a few bytes of XML could cost
//! gigabytes of memory before anything else is looked at.

use quick_xml::Reader;
use quick_xml::events::{BytesRef, Event};

use crate::s3::error::{MALFORMED_XML, S3Error};

/// How deep elements may nest; S3's own documents need five levels.
const DEPTH_MAX: usize = 16;

/// A document that is being read: a cursor that stands inside an element.
pub(crate) struct Document<'d> {
    reader: Reader<&'d [u8]>,
    depth: usize,
}

/// The refusal of a document.
pub(crate) fn malformed() -> S3Error {
    S3Error::new(&MALFORMED_XML)
}

impl<'d> Document<'d> {
    /// Enters the root element, which must be called `root`.
    ///
    /// # Errors
    /// `MalformedXML`.
    pub(crate) fn open(bytes: &'d [u8], root: &str) -> Result<Self, S3Error> {
        std::str::from_utf8(bytes).map_err(|_| malformed())?;
        let mut reader = Reader::from_reader(bytes);
        reader.config_mut().expand_empty_elements = true;
        let mut document = Self { reader, depth: 0 };
        match document.child()? {
            Some(name) if name == root => Ok(document),
            _ => Err(malformed()),
        }
    }

    /// Enters the next element inside the current one and returns its local name; at the end of the
    /// current element, leaves it and returns `None`. Text between elements must be blank.
    ///
    /// # Errors
    /// `MalformedXML`.
    pub(crate) fn child(&mut self) -> Result<Option<String>, S3Error> {
        loop {
            match self.next()? {
                Event::Start(start) => {
                    let name = std::str::from_utf8(start.local_name().into_inner()).map(str::to_owned);
                    self.enter()?;
                    return name.map(Some).map_err(|_| malformed());
                }
                Event::End(_) => {
                    self.leave()?;
                    return Ok(None);
                }
                Event::Text(text) if text.iter().all(u8::is_ascii_whitespace) => {}
                _ => return Err(malformed()),
            }
        }
    }

    /// The text of the current element, exactly as it stands, and leaves the element.
    ///
    /// # Errors
    /// `MalformedXML` when there is anything but text in it.
    pub(crate) fn text(&mut self) -> Result<String, S3Error> {
        let mut content = String::new();
        loop {
            match self.next()? {
                Event::Text(text) => content.push_str(&text.xml10_content().map_err(|_| malformed())?),
                Event::CData(data) => content.push_str(&data.xml10_content().map_err(|_| malformed())?),
                Event::GeneralRef(reference) => content.push(resolve(&reference)?),
                Event::End(_) => {
                    self.leave()?;
                    return Ok(content);
                }
                _ => return Err(malformed()),
            }
        }
    }

    /// Leaves the current element, whatever is in it.
    ///
    /// # Errors
    /// `MalformedXML`.
    pub(crate) fn skip(&mut self) -> Result<(), S3Error> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            match self.next()? {
                Event::Start(_) => self.enter()?,
                Event::End(_) => self.leave()?,
                Event::GeneralRef(reference) => drop(resolve(&reference)?),
                Event::Text(_) | Event::CData(_) => {}
                _ => return Err(malformed()),
            }
        }
        Ok(())
    }

    /// Checks that nothing follows the root element.
    ///
    /// # Errors
    /// `MalformedXML`.
    pub(crate) fn end(mut self) -> Result<(), S3Error> {
        loop {
            match self.next()? {
                Event::Eof if self.depth == 0 => return Ok(()),
                Event::Text(text) if text.iter().all(u8::is_ascii_whitespace) => {}
                _ => return Err(malformed()),
            }
        }
    }

    /// The next event that matters: comments, instructions and a UTF-8 declaration are passed over.
    fn next(&mut self) -> Result<Event<'d>, S3Error> {
        loop {
            match self.reader.read_event().map_err(|_| malformed())? {
                Event::Comment(_) | Event::PI(_) => {}
                Event::Decl(declaration) => match declaration.encoding() {
                    None => {}
                    Some(Ok(encoding)) if encoding.eq_ignore_ascii_case(b"utf-8") => {}
                    Some(_) => return Err(malformed()),
                },
                Event::Eof if self.depth > 0 => return Err(malformed()),
                other => return Ok(other),
            }
        }
    }

    fn enter(&mut self) -> Result<(), S3Error> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(malformed()) } else { Ok(()) }
    }

    fn leave(&mut self) -> Result<(), S3Error> {
        self.depth = self.depth.checked_sub(1).ok_or_else(malformed)?;
        Ok(())
    }
}

/// Digits only, so that `+5`, `-0`, ` 5` and `0x5` are no numbers.
pub(crate) fn parse_number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// A character reference, or one of the five entities that XML itself defines.
///
/// References to control characters are taken although XML 1.0 forbids them: keys hold such
/// characters, and our own listings show them so.
fn resolve(reference: &BytesRef<'_>) -> Result<char, S3Error> {
    let name = reference.decode().map_err(|_| malformed())?;
    let code = match name.strip_prefix('#') {
        Some(number) => match number.strip_prefix('x') {
            Some(hex) if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                u32::from_str_radix(hex, 16).ok()
            }
            Some(_) => None,
            None => parse_number(number).and_then(|code| u32::try_from(code).ok()),
        },
        None => match &*name {
            "amp" => Some('&'.into()),
            "lt" => Some('<'.into()),
            "gt" => Some('>'.into()),
            "quot" => Some('"'.into()),
            "apos" => Some('\''.into()),
            _ => None,
        },
    };
    code.and_then(char::from_u32).ok_or_else(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `<Root><Item>text</Item>...</Root>`.
    fn items(text: &[u8]) -> Option<Vec<String>> {
        let read = || {
            let mut document = Document::open(text, "Root")?;
            let mut items = Vec::new();
            while let Some(name) = document.child()? {
                match name.as_str() {
                    "Item" => items.push(document.text()?),
                    _ => document.skip()?,
                }
            }
            document.end()?;
            Ok::<_, S3Error>(items)
        };
        read().inspect_err(|refusal| assert_eq!(refusal.code(), "MalformedXML")).ok()
    }

    #[test]
    fn well_formed_documents_are_read() {
        let cases: &[(&str, &[&str])] = &[
            ("<Root><Item>a</Item></Root>", &["a"]),
            ("<Root/>", &[]),
            (
                "\u{feff}<?xml version='1.0' encoding='utf-8'?>\n<!-- c --><Root>\n <Item> a </Item></Root>\n",
                &[" a "],
            ),
            ("<Root xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Item/></Root>", &[""]),
            ("<s:Root xmlns:s='x'><s:Item>b</s:Item></s:Root>", &["b"]),
            ("<Root><Item>&lt;&amp;&#x41;&#66;&#x1;&#0;&quot;&apos;</Item></Root>", &["<&AB\u{1}\0\"'"]),
            ("<Root><Item>a<![CDATA[<b>&amp;]]>c<!-- no --></Item></Root>", &["a<b>&amp;c"]),
            ("<Root><New><Deep>&amp;</Deep></New><Item>x</Item></Root>", &["x"]),
        ];
        for (text, want) in cases {
            assert_eq!(
                items(text.as_bytes()).as_deref(),
                Some(&want.iter().map(|&w| w.into()).collect::<Vec<_>>()[..]),
                "{text}"
            );
        }
    }

    #[test]
    fn everything_else_is_malformed() {
        let deep = format!("<Root>{}{}</Root>", "<a>".repeat(100_000), "</a>".repeat(100_000));
        let cases: &[&[u8]] = &[
            b"",
            b"   ",
            b"text",
            b"<Other/>",
            b"<Root>",
            b"<Root></Item>",
            b"<Root><Item></Root></Item>",
            b"<Root></Root><Root/>",
            b"<Root></Root>tail",
            b"<Root>text</Root>",
            b"<Root>&amp;</Root>",
            b"<Root><Item><b/></Item></Root>",
            b"<Root><Item>&unknown;</Item></Root>",
            b"<Root><New>&unknown;</New></Root>",
            b"<Root><Item>&#xd800;</Item></Root>",
            b"<Root><Item>&#-1;</Item></Root>",
            b"<Root><Item>a & b</Item></Root>",
            b"<!DOCTYPE Root [<!ENTITY a 'b'>]><Root><Item>&a;</Item></Root>",
            b"<?xml version='1.0' encoding='UTF-16'?><Root/>",
            b"<?xml version='1.0' encoding='ISO-8859-1'?><Root/>",
            b"\xff\xfe<\0R\0",
            b"<Root><Item>\xff</Item></Root>",
            deep.as_bytes(),
        ];
        for text in cases {
            assert_eq!(items(text), None, "{}", String::from_utf8_lossy(&text[..text.len().min(80)]));
        }
    }

    #[test]
    fn numbers_are_digits_only() {
        for (text, want) in
            [("1", Some(1)), ("010", Some(10)), ("", None), ("+1", None), ("-1", None), ("1 ", None)]
        {
            assert_eq!(parse_number(text), want, "{text}");
        }
        assert_eq!(parse_number("18446744073709551616"), None);
    }
}
