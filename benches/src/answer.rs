//! Answers: the head as it is read, and what becomes of the body.

use crate::failure::Failure;
use crate::payload::StampCheck;

/// Most bytes of an answer's body that are kept: several times a listing of 1,000 long keys.
pub const KEPT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What is done with the body of an answer. The body of a refusal is always kept.
#[derive(Clone, Copy, Debug)]
pub enum Sink {
    /// It is counted.
    Count,
    /// It is kept.
    Keep,
    /// It must carry the stamps of an object.
    Check(StampCheck),
}

/// An answer that was read to its end.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The ETag header.
    pub etag: Option<String>,
    /// The body, where it was kept.
    pub body: Vec<u8>,
    /// Length of the body, in bytes.
    pub len: u64,
    /// Whether every stamp was right, where they were checked.
    pub whole: bool,
}

impl Answer {
    /// Whether the status is one of success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as text, where it was kept.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

/// How an answer's body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After this many bytes.
    Length(u64),
    /// After the chunk of length 0 and the trailers.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// Whether a connection can be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Afterwards {
    KeepAlive,
    Close,
}

/// The head of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) framing: Framing,
    pub(crate) afterwards: Afterwards,
    pub(crate) etag: Option<String>,
}

impl Head {
    /// Reads the bytes up to and including the empty line.
    ///
    /// # Errors
    /// [`Failure::Malformed`].
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        let text = std::str::from_utf8(bytes).map_err(|_| Failure::Malformed("its head is not text"))?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
        let status = status.and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
        let status = status.ok_or(Failure::Malformed("its status line is not one of HTTP/1.1"))?;
        let mut head =
            Self { status, framing: Framing::UntilClose, afterwards: Afterwards::KeepAlive, etag: None };
        for line in lines {
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                let len = value.parse().map_err(|_| Failure::Malformed("its content-length is no number"))?;
                head.framing = Framing::Length(len);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                head.framing = Framing::Chunked;
            } else if name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close") {
                head.afterwards = Afterwards::Close;
            } else if name.eq_ignore_ascii_case("etag") {
                head.etag = Some(value.to_owned());
            }
        }
        Ok(head)
    }
}

/// An answer whose body is being read.
#[derive(Debug)]
pub(crate) struct Incoming {
    answer: Answer,
    sink: Sink,
}

impl Incoming {
    pub(crate) fn new(head: Head, sink: Sink) -> Self {
        let sink = if head.status < 300 { sink } else { Sink::Keep };
        let answer = Answer { status: head.status, etag: head.etag, body: Vec::new(), len: 0, whole: true };
        Self { answer, sink }
    }

    /// Takes in the next bytes of the body.
    ///
    /// # Errors
    /// [`Failure::TooLong`] for a body that is kept.
    pub(crate) fn update(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.answer.len += bytes.len() as u64;
        match &mut self.sink {
            Sink::Count => {}
            Sink::Check(check) => check.update(bytes),
            Sink::Keep if self.answer.len > KEPT_BYTES_MAX as u64 => {
                return Err(Failure::TooLong { max: KEPT_BYTES_MAX });
            }
            Sink::Keep => self.answer.body.extend_from_slice(bytes),
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Answer {
        let whole = if let Sink::Check(check) = self.sink { check.is_whole() } else { true };
        Answer { whole, ..self.answer }
    }
}

/// The text between `<name>` and `</name>`, unescaped, where it first stands in `xml`.
///
/// Enough for what S3 answers: its elements have no attributes but the namespace of the root.
pub fn element(xml: &str, name: &str) -> Option<String> {
    let (_, after) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = after.split_once(&format!("</{name}>"))?;
    let plain =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#34;", "\""), ("&#39;", "'"), ("&apos;", "'")];
    let text = plain.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain));
    Some(text.replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_whatever_the_case_of_its_names() {
        let head = Head::parse(b"HTTP/1.1 206 Partial Content\r\nCONTENT-length: 12\r\netag:\"a:b\"\r\n\r\n");
        let want = Head {
            status: 206,
            framing: Framing::Length(12),
            afterwards: Afterwards::KeepAlive,
            etag: Some("\"a:b\"".to_owned()),
        };
        assert_eq!(head.unwrap(), want);
        let head = Head::parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: Close\r\n\r\n");
        let head = head.unwrap();
        assert_eq!((head.framing, head.afterwards), (Framing::Chunked, Afterwards::Close));
    }

    #[test]
    fn what_is_not_http_is_malformed() {
        for bytes in
            [&b"SSH-2.0\r\n\r\n"[..], b"HTTP/1.1 2\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"]
        {
            assert!(matches!(Head::parse(bytes), Err(Failure::Malformed(_))));
        }
    }

    #[test]
    fn elements_are_found_and_unescaped() {
        let xml = "<R><Key>a&amp;lt;</Key><Next>&quot;x&quot; &lt;</Next></R>";
        assert_eq!(element(xml, "Key").as_deref(), Some("a&lt;"));
        assert_eq!(element(xml, "Next").as_deref(), Some("\"x\" <"));
        assert_eq!(element(xml, "Missing"), None);
    }
}
