//! What Drystone's listing says of each upload beyond S3: elements of the namespace `urn:drystone:s3`.
//!
//! Read from the answer as it came, because the SDK drops elements that it does not know. They stand inside
//! their `Upload`, so the n-th entry here belongs to the n-th upload of the SDK's answer. An answer without
//! them, or one that cannot be read, says nothing; the SDK has judged by then whether it is one at all.

use jiff::Timestamp;

use crate::uploads::upload::{Fate, Held};
use crate::xml::{Element, parse};

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
    let root = parse(body);
    root.iter().flat_map(|root| root.all("Upload")).map(of_upload).collect()
}

fn of_upload(upload: &Element) -> Extension {
    let number = |name| upload.own_text(name).and_then(|text| text.parse::<u64>().ok());
    let time = |name| upload.own_text(name).and_then(|text| text.parse::<Timestamp>().ok());
    let held = number("Parts").zip(number("Bytes"));
    let fate = time("AbortDate").zip(upload.own_text("AbortRuleId"));
    Extension {
        held: held.map(|(parts, bytes)| Held { parts, bytes, last_activity: time("LastActivity") }),
        fate: fate.map(|(abort_date, rule)| Fate { abort_date, abort_rule_id: rule.to_owned() }),
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
        for body in ["", "<a", "no xml", "{}"] {
            assert_eq!(of_uploads(body.as_bytes()), []);
        }
    }
}
