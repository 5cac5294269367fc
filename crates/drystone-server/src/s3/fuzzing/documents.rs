//! Every XML document that a request can carry.
//!
//! Promises: what is refused is refused as XML and for nothing else; what was read from a document,
//! written again by a naive writer, reads as the same; and what our own writer writes our reader
//! reads, whatever characters a key has.

use std::fmt::Write as _;

use drystone_core::uploads::complete::ListedPart;

use super::input::Input;
use crate::s3::buckets::read_configuration;
use crate::s3::checksums::{element_name, encode};
use crate::s3::delete;
use crate::s3::error::S3Error;
use crate::s3::subresources::gives_all_to;
use crate::s3::uploads::complete::read_parts;
use crate::s3::xml::reader::Document;
use crate::s3::xml::writer::Writer;

/// Which root, then the document.
///
/// # Panics
/// When a promise of documents does not hold.
pub fn documents(data: &[u8]) {
    let mut input = Input::new(data);
    let root = input.byte();
    let body = input.rest();
    match root % 5 {
        0 => check_again(body, read_parts, |parts| write_parts(parts)),
        1 => check_again(body, delete::Request::read, write_delete),
        2 => check_again(body, read_configuration, |region| write_configuration(region.as_deref())),
        3 => drop(gives_all_to("main", body).map_err(|refusal| check_refusal(&refusal))),
        _ => check_writer(body),
    }
}

/// What `read` makes of a document, it also makes of what `write` makes of that.
fn check_again<T: PartialEq + std::fmt::Debug>(
    body: &[u8],
    read: fn(&[u8]) -> Result<T, S3Error>,
    write: fn(&T) -> String,
) {
    match read(body) {
        Ok(value) => {
            let text = write(&value);
            let again = read(text.as_bytes());
            assert_eq!(again.ok().as_ref(), Some(&value), "{text}");
        }
        Err(refusal) => check_refusal(&refusal),
    }
}

fn check_refusal(refusal: &S3Error) {
    let code = refusal.code();
    assert!(
        matches!(code, "MalformedXML" | "NotImplemented" | "InvalidArgument" | "InvalidRequest"),
        "{code}"
    );
}

fn write_parts(parts: &[ListedPart]) -> String {
    if parts.is_empty() {
        return String::new();
    }
    let mut text = String::from("<CompleteMultipartUpload>");
    for part in parts {
        let (number, etag) = (part.part.get(), escaped(&part.etag));
        put(&mut text, &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>"));
        if let Some(sum) = &part.checksum {
            let element = element_name(sum.algorithm());
            put(&mut text, &format!("<{element}>{}</{element}>", encode(sum)));
        }
        text.push_str("</Part>");
    }
    text + "</CompleteMultipartUpload>"
}

fn write_delete(request: &delete::Request) -> String {
    let mut text = format!("<Delete><Quiet>{}</Quiet>", request.quiet);
    for item in &request.wishes {
        put(&mut text, &format!("<Object><Key>{}</Key>", escaped(&item.key)));
        for (element, value) in [("VersionId", &item.version), ("ETag", &item.etag)] {
            if let Some(value) = value {
                put(&mut text, &format!("<{element}>{}</{element}>", escaped(value)));
            }
        }
        if let Some(element) = item.unbuilt {
            put(&mut text, &format!("<{element}/>"));
        }
        text.push_str("</Object>");
    }
    text + "</Delete>"
}

fn write_configuration(region: Option<&str>) -> String {
    let region = region.map(escaped).unwrap_or_default();
    format!(
        "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
    )
}

/// Our reader reads what our writer writes.
fn check_writer(body: &[u8]) {
    let texts: Vec<String> =
        body.split(|byte| *byte == 0xFF).map(|text| String::from_utf8_lossy(text).into_owned()).collect();
    let mut xml = Writer::new("Root");
    texts.iter().for_each(|text| xml.text("Item", text));
    let written = xml.finish();
    let read = || -> Result<Vec<String>, S3Error> {
        let mut document = Document::open(&written, "Root")?;
        let mut read = Vec::new();
        while document.child()?.is_some() {
            read.push(document.text()?);
        }
        document.end()?;
        Ok(read)
    };
    assert_eq!(read().ok(), Some(texts));
}

/// Every character as a reference, so that nothing depends on what a writer escapes.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        write!(out, "&#{};", u32::from(c)).expect("a string takes all");
        out
    })
}

fn put(text: &mut String, more: &str) {
    text.push_str(more);
}
