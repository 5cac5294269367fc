//! What Drystone's listing says of each upload beyond S3: elements of the namespace `urn:drystone:s3`.
//!
//! Read from the answer as it came, because the SDK drops elements that it does not know. They stand inside
//! their `Upload`, so the n-th entry here belongs to the n-th upload of the SDK's answer. An answer without
//! them, or one that cannot be read, says nothing; the SDK has judged by then whether it is one at all.

use jiff::Timestamp;
use quick_xml::NsReader;
use quick_xml::events::Event;
use quick_xml::name::ResolveResult;

use crate::uploads::upload::{Fate, Held};

/// The namespace of Drystone's own elements.
const NAMESPACE: &[u8] = b"urn:drystone:s3";

/// What the listing says of one upload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extension {
    /// What it holds.
    pub held: Option<Held>,
    /// What will become of it.
    pub fate: Option<Fate>,
}

/// The extensions in an answer of ListMultipartUploads, one for each upload in its order.
pub fn of_uploads(body: &[u8]) -> Vec<Extension> {
    let mut found = Vec::new();
    let mut fields = Fields::default();
    let mut reader = NsReader::from_reader(body);
    // Each step consumes bytes of the body, so its length bounds the loop.
    loop {
        let Ok((namespace, event)) = reader.read_resolved_event() else { return Vec::new() };
        let own = matches!(namespace, ResolveResult::Bound(bound) if bound.0 == NAMESPACE);
        match event {
            Event::Start(start) if own => fields.open(start.local_name().as_ref()),
            Event::Start(start) if start.local_name().as_ref() == b"Upload" => fields = Fields::default(),
            Event::End(end) if own => fields.close(end.local_name().as_ref()),
            Event::End(end) if end.local_name().as_ref() == b"Upload" => {
                found.push(std::mem::take(&mut fields).into_extension());
            }
            Event::Text(text) => fields.text.push_str(&text.xml10_content().unwrap_or_default()),
            Event::GeneralRef(name) => fields.reference(&name),
            Event::Eof => return found,
            _ => {}
        }
    }
}

/// What has been read of the current upload.
#[derive(Debug, Default)]
struct Fields {
    text: String,
    parts: Option<u64>,
    bytes: Option<u64>,
    last_activity: Option<Timestamp>,
    abort_date: Option<Timestamp>,
    abort_rule_id: Option<String>,
}

impl Fields {
    fn open(&mut self, _: &[u8]) {
        self.text.clear();
    }

    fn close(&mut self, name: &[u8]) {
        let text = std::mem::take(&mut self.text);
        match name {
            b"Parts" => self.parts = text.parse().ok(),
            b"Bytes" => self.bytes = text.parse().ok(),
            b"LastActivity" => self.last_activity = text.parse().ok(),
            b"AbortDate" => self.abort_date = text.parse().ok(),
            b"AbortRuleId" => self.abort_rule_id = Some(text),
            _ => {}
        }
    }

    /// Adds what one of XML's five references, or a numbered one, stands for.
    fn reference(&mut self, name: &quick_xml::events::BytesRef<'_>) {
        if let Ok(Some(c)) = name.resolve_char_ref() {
            self.text.push(c);
        } else if let Some(text) =
            std::str::from_utf8(name).ok().and_then(quick_xml::escape::resolve_xml_entity)
        {
            self.text.push_str(text);
        }
    }

    fn into_extension(self) -> Extension {
        let held = self.parts.zip(self.bytes).map(|(parts, bytes)| Held {
            parts,
            bytes,
            last_activity: self.last_activity,
        });
        let fate = self.abort_date.zip(self.abort_rule_id);
        Extension { held, fate: fate.map(|(abort_date, abort_rule_id)| Fate { abort_date, abort_rule_id }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"<?xml version="1.0"?><ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/" xmlns:d="urn:drystone:s3">
        <Upload><Key>a</Key><d:Parts>3</d:Parts><d:Bytes>123</d:Bytes><d:LastActivity>2026-11-23T15:00:00.000Z</d:LastActivity>
            <d:AbortDate>2026-11-30T00:00:00.000Z</d:AbortDate><d:AbortRuleId>a &lt;b&gt; &#38;c</d:AbortRuleId></Upload>
        <Upload><Key>b</Key></Upload>
        <Upload><Key>c</Key><Parts>9</Parts><Bytes>9</Bytes><d:Parts>0</d:Parts><d:Bytes>0</d:Bytes></Upload>
        </ListMultipartUploadsResult>"#;

    #[test]
    fn each_upload_has_its_own() {
        let found = of_uploads(ANSWER.as_bytes());
        assert_eq!(found.len(), 3);
        let fate =
            Fate { abort_date: "2026-11-30T00:00:00Z".parse().unwrap(), abort_rule_id: "a <b> &c".into() };
        let last_activity = Some("2026-11-23T15:00:00Z".parse().unwrap());
        let held = Held { parts: 3, bytes: 123, last_activity };
        assert_eq!(found[0], Extension { held: Some(held), fate: Some(fate) });
        assert_eq!(found[1], Extension::default());
        let empty = Held { parts: 0, bytes: 0, last_activity: None };
        assert_eq!(found[2].held, Some(empty), "elements of another namespace are not ours");
    }

    #[test]
    fn an_answer_that_is_none_says_nothing() {
        for body in ["", "<a", "no xml", "<a></b>", "{}"] {
            assert_eq!(of_uploads(body.as_bytes()), []);
        }
    }
}
