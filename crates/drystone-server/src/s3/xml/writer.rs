//! Writes S3's XML: a declaration, one root in S3's namespace, elements in order, text escaped.
//!
//! Keys may hold characters that XML 1.0 cannot carry; like S3, the writer shows them as character
//! references, so that nothing is dropped and strict readers can ask for `encoding-type=url`.

use std::fmt::{Display, Write as _};

use bytes::Bytes;
use drystone_core::names::{ETag, Timestamp};

use crate::s3::dates::IsoDate;

/// The namespace of S3's documents.
pub(crate) const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
/// The namespace of elements that S3 does not have.
pub(crate) const EXTENSIONS: &str = "urn:drystone:s3";
/// The first line of every document.
pub(crate) const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
/// Room for a short answer without growing.
const CAPACITY: usize = 512;

/// A document that is being written.
#[derive(Debug)]
pub(crate) struct Writer {
    text: String,
    root: &'static str,
}

impl Writer {
    /// Begins a document with the root `root` in S3's namespace.
    pub(crate) fn new(root: &'static str) -> Self {
        let mut text = String::with_capacity(CAPACITY);
        text.push_str(DECLARATION);
        put(&mut text, format_args!("<{root} xmlns=\"{NAMESPACE}\">"));
        Self { text, root }
    }

    /// Begins a document in S3's namespace in which elements of ours stand too, with the prefix `d`: see
    /// [`Writer::own`].
    pub(crate) fn extended(root: &'static str) -> Self {
        let mut text = String::with_capacity(CAPACITY);
        text.push_str(DECLARATION);
        put(&mut text, format_args!("<{root} xmlns=\"{NAMESPACE}\" xmlns:d=\"{EXTENSIONS}\">"));
        Self { text, root }
    }

    /// Begins a document with the root `root` in no namespace.
    pub(crate) fn plain(root: &'static str) -> Self {
        let mut text = String::with_capacity(CAPACITY);
        text.push_str(DECLARATION);
        put(&mut text, format_args!("<{root}>"));
        Self { text, root }
    }

    /// Makes room for `bytes` more.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.text.reserve(bytes);
    }

    /// Writes text straight into the root element.
    pub(crate) fn bare_text(&mut self, text: &str) {
        escape(&mut self.text, text);
    }

    /// Writes `<name>text</name>`.
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.open(name);
        escape(&mut self.text, text);
        self.close(name);
    }

    /// Writes a name that the client sent and knows, with U+FFFD for each character that XML 1.0 cannot carry.
    ///
    /// A listing must not change a name, so it uses [`Writer::text`]; but a refusal or an upload id that no
    /// reader can take, because of a name that nobody needs to read, helps nobody.
    pub(crate) fn echo(&mut self, name: &str, text: &str) {
        if text.contains(cannot_stand) {
            self.text(name, &text.replace(cannot_stand, "\u{fffd}"));
        } else {
            self.text(name, text);
        }
    }

    /// Writes a value that needs no escaping: a number, a boolean.
    pub(crate) fn value(&mut self, name: &str, value: impl Display) {
        self.open(name);
        put(&mut self.text, format_args!("{value}"));
        self.close(name);
    }

    /// Writes an element that S3 does not have, in a namespace of our own, which clients that do not know it skip.
    pub(crate) fn extension(&mut self, name: &str, value: impl Display) {
        put(&mut self.text, format_args!("<{name} xmlns=\"{EXTENSIONS}\">{value}</{name}>"));
    }

    /// Writes an element that S3 does not have into a document that was begun with [`Writer::extended`]: a prefix
    /// for each costs a listing less than a namespace for each.
    pub(crate) fn own(&mut self, name: &str, value: impl Display) {
        self.open_own(name);
        put(&mut self.text, format_args!("{value}"));
        self.close_own(name);
    }

    /// As [`Writer::own`], for text that may need escaping.
    pub(crate) fn own_text(&mut self, name: &str, text: &str) {
        self.open_own(name);
        escape(&mut self.text, text);
        self.close_own(name);
    }

    /// Writes an entity tag with its quotes.
    pub(crate) fn etag(&mut self, etag: &ETag) {
        self.text.push_str("<ETag>&quot;");
        put(&mut self.text, format_args!("{etag}"));
        self.text.push_str("&quot;</ETag>");
    }

    /// Writes a time.
    pub(crate) fn time(&mut self, name: &str, time: Timestamp) {
        self.value(name, IsoDate(time));
    }

    /// Writes an element around what `content` writes.
    pub(crate) fn within(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.open(name);
        content(self);
        self.close(name);
    }

    /// Writes an access control grantee: the one element of S3 with attributes.
    pub(crate) fn grantee(&mut self, content: impl FnOnce(&mut Self)) {
        self.text.push_str(
            "<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\">",
        );
        content(self);
        self.close("Grantee");
    }

    /// Ends the document.
    pub(crate) fn finish(mut self) -> Bytes {
        self.close(self.root);
        Bytes::from(self.text)
    }

    fn open(&mut self, name: &str) {
        self.tag(["<", name, ">"]);
    }

    fn close(&mut self, name: &str) {
        self.tag(["</", name, ">"]);
    }

    fn open_own(&mut self, name: &str) {
        self.tag(["<d:", name, ">"]);
    }

    fn close_own(&mut self, name: &str) {
        self.tag(["</d:", name, ">"]);
    }

    /// A listing has ten thousands of tags: they are pushed, not formatted.
    fn tag(&mut self, pieces: [&str; 3]) {
        pieces.into_iter().for_each(|piece| self.text.push_str(piece));
    }
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("writing to a String cannot fail");
}

fn escape(to: &mut String, text: &str) {
    let mut clean = 0;
    for (place, letter) in text.char_indices() {
        if !needs_escape(letter) {
            continue;
        }
        to.push_str(text.get(clean..place).unwrap_or_default());
        clean = place + letter.len_utf8();
        match letter {
            '&' => to.push_str("&amp;"),
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            '"' => to.push_str("&quot;"),
            // Exactly as S3 writes these two: the AWS SDK for JavaScript knows no other reference to them.
            '\n' => to.push_str("&#10;"),
            '\r' => to.push_str("&#xD;"),
            other => put(to, format_args!("&#x{:x};", u32::from(other))),
        }
    }
    to.push_str(text.get(clean..).unwrap_or_default());
}

/// Whether XML 1.0 has no way to write this character, not even a reference (its section 2.2).
fn cannot_stand(letter: char) -> bool {
    matches!(letter, '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// Markup; control characters, because readers normalise or refuse them; and two characters that
/// XML forbids.
fn needs_escape(letter: char) -> bool {
    matches!(letter, '&' | '<' | '>' | '"' | '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_can_always_be_read() {
        let mut xml = Writer::plain("Error");
        xml.echo("Key", "a\u{0}b\t\r\n\u{1f}\u{ffff}é<");
        let text = String::from_utf8(xml.finish().to_vec()).unwrap();
        assert!(
            text.ends_with("<Key>a\u{fffd}b&#x9;&#xD;&#10;\u{fffd}\u{fffd}é&lt;</Key></Error>"),
            "{text}"
        );
    }

    #[test]
    fn a_document_is_written_in_order_and_escaped() {
        let mut xml = Writer::new("Root");
        xml.text("Key", "a<b>&\"'\r\n\u{0}é\u{ffff}");
        xml.within("Owner", |xml| xml.value("ID", 7));
        xml.etag(&ETag { md5: [0xab; 16], parts: 2 });
        xml.time("LastModified", Timestamp(1_500));
        let text = String::from_utf8(xml.finish().to_vec()).unwrap();
        assert_eq!(
            text,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Root \
             xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Key>a&lt;b&gt;&amp;&quot;'&#xD;&#10;&#x0;é&#xffff;\
             </Key><Owner><ID>7</ID></Owner><ETag>&quot;abababababababababababababababab-2&quot;</ETag>\
             <LastModified>1970-01-01T00:00:01.000Z</LastModified></Root>"
        );
    }
}
