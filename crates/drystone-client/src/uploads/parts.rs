//! The parts of one upload, as ListParts shows them.
//!
//! Read from the answer as it came: some servers give its root element another name, over which the SDK drops
//! the whole answer, and an upload whose parts cannot be seen can be neither measured nor resumed.

use aws_sdk_s3::Client;
use jiff::Timestamp;
use jiff::fmt::rfc2822;

use crate::failure::Failure;
use crate::raw::{RawAnswer, Seen};
use crate::uploads::upload::{Fate, Upload};
use crate::xml::{Element, parse};

/// Pages of one upload's parts: 10,000 parts on pages of 1,000, and ten times as many for servers with small
/// pages.
const PAGES_MAX: usize = 100;

/// One part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Its number, from 1.
    pub number: u32,
    /// Its bytes.
    pub size: u64,
    /// Its ETag, with its quotes.
    pub etag: String,
    /// When it was stored.
    pub last_modified: Option<Timestamp>,
    /// Its checksums, by the element's name without `Checksum`: `CRC32`, `SHA256`.
    pub checksums: Vec<(String, String)>,
}

/// All parts of an upload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// In order of their numbers.
    pub parts: Vec<Part>,
    /// The algorithm whose checksums the upload asks for: `CRC32`.
    pub algorithm: Option<String>,
    /// The rule that will abort the upload.
    pub fate: Option<Fate>,
}

/// What became of the question.
#[derive(Debug)]
pub enum Listed {
    /// The upload is there, with these parts.
    There(Parts),
    /// It is no more.
    Gone,
}

/// Lists an upload's parts, all pages of them.
///
/// # Errors
/// The server's refusal, or [`Failure::Nonsense`] when its pages lead nowhere.
pub async fn list(client: &Client, upload: &Upload) -> Result<Listed, Failure> {
    let doing = || format!("list the parts of {}", upload.named());
    let mut all = Parts::default();
    let mut marker = 0;
    for _ in 0..PAGES_MAX {
        let seen = Seen::default();
        let list = client.list_parts().bucket(&upload.bucket).key(&upload.key).upload_id(&upload.id);
        let after = Some(marker).filter(|marker| *marker > 0).map(|marker: u32| marker.to_string());
        let sent = list.set_part_number_marker(after).customize().interceptor(seen.clone()).send().await;
        let answer = match (sent, seen.answer()) {
            (_, Some(answer)) if answer.is_success() => answer,
            (Err(error), _) => {
                let failure = Failure::from_sdk(doing(), &error);
                return if failure.is_no_such_upload() { Ok(Listed::Gone) } else { Err(failure) };
            }
            (Ok(_), _) => {
                return Err(Failure::NoAnswer { doing: doing(), why: "the answer was not seen".into() });
            }
        };
        let page = read(&answer.body).ok_or_else(|| Failure::Nonsense {
            doing: doing(),
            why: "the answer is not a list of parts".into(),
        })?;
        all.parts.extend(page.parts);
        all.algorithm = all.algorithm.or(page.algorithm);
        all.fate = all.fate.or_else(|| fate(&answer));
        match page.next {
            None => {
                all.parts.sort_by_key(|part| part.number);
                return Ok(Listed::There(all));
            }
            Some(next) if next > marker => marker = next,
            Some(_) => {
                let why = "the server's pages of parts do not go on".into();
                return Err(Failure::Nonsense { doing: doing(), why });
            }
        }
    }
    Err(Failure::Nonsense {
        doing: doing(),
        why: format!("the server has more than {PAGES_MAX} pages of parts"),
    })
}

/// What the answer's headers say of the rule that will abort the upload.
fn fate(answer: &RawAnswer) -> Option<Fate> {
    let date = rfc2822::parse(answer.header("x-amz-abort-date")?).ok()?;
    let abort_rule_id = answer.header("x-amz-abort-rule-id").unwrap_or_default().to_owned();
    Some(Fate { abort_date: date.timestamp(), abort_rule_id })
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Page {
    parts: Vec<Part>,
    algorithm: Option<String>,
    /// The marker of the page that follows.
    next: Option<u32>,
}

/// Reads one page; `None` when it is none.
fn read(body: &[u8]) -> Option<Page> {
    let root = parse(body)?;
    let parts = root.all("Part").map(part).collect::<Option<Vec<Part>>>()?;
    let is_truncated = root.text_of("IsTruncated").is_some_and(|text| text.trim() == "true");
    let marker = root.text_of("NextPartNumberMarker").and_then(|text| text.trim().parse().ok());
    let algorithm = root.text_of("ChecksumAlgorithm").filter(|name| !name.is_empty());
    let next = Some(marker.unwrap_or(0)).filter(|_| is_truncated);
    Some(Page { parts, algorithm: algorithm.map(str::to_owned), next })
}

fn part(element: &Element) -> Option<Part> {
    let checksums = element.children.iter().filter_map(|child| {
        // The type stands beside the checksums, under a name that looks like one.
        let algorithm = child.name.strip_prefix("Checksum").filter(|name| *name != "Type")?;
        Some((algorithm.to_owned(), child.text.clone()))
    });
    Some(Part {
        number: element.text_of("PartNumber")?.trim().parse().ok()?,
        size: element.text_of("Size")?.trim().parse().ok()?,
        etag: element.text_of("ETag").unwrap_or_default().to_owned(),
        last_modified: element.text_of("LastModified").and_then(|text| text.trim().parse().ok()),
        checksums: checksums.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_whatever_its_root_is_called() {
        let body = r#"<?xml version="1.0"?><Anything xmlns="http://s3.amazonaws.com/doc/2006-03-01/" xmlns:d="urn:drystone:s3">
            <Bucket>b</Bucket><d:Parts>7</d:Parts><ChecksumAlgorithm>CRC32</ChecksumAlgorithm><IsTruncated>true</IsTruncated>
            <NextPartNumberMarker>7</NextPartNumberMarker>
            <Part><PartNumber>7</PartNumber><LastModified>2026-11-23T15:00:00.000Z</LastModified><ETag>&quot;abc&#34;</ETag>
              <Size>5</Size><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part></Anything>"#;
        let part = Part {
            number: 7,
            size: 5,
            etag: "\"abc\"".into(),
            last_modified: Some("2026-11-23T15:00:00Z".parse().unwrap()),
            checksums: vec![("CRC32".into(), "AAAAAA==".into())],
        };
        let page = Page { parts: vec![part], algorithm: Some("CRC32".into()), next: Some(7) };
        assert_eq!(read(body.as_bytes()), Some(page));
    }

    #[test]
    fn what_is_no_page_is_not_guessed_at() {
        for body in ["", "no xml", "<A><B></A>", "<A>", "<A><Part><Size>x</Size></Part></A>"] {
            let read = read(body.as_bytes());
            assert!(
                read.is_none() || read.as_ref().is_some_and(|page| page.parts.is_empty()),
                "{body}: {read:?}"
            );
        }
    }
}
