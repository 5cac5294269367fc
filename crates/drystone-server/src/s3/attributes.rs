//! GetObjectAttributes: size, tag, checksum and parts of an object in one document.
//!
//! Source: Amazon S3 API Reference, "GetObjectAttributes". Parts are listed one by one only where the
//! upload kept a checksum for each; of other multipart objects S3 tells their number.

use drystone_core::meta::records::StoredPart;
use drystone_core::objects::attributes::ObjectAttributes;
use drystone_core::objects::get::{GetObject, Span};
use http::header::LAST_MODIFIED;

use crate::s3::call::{Answer, Call, document, set};
use crate::s3::dates::HttpDate;
use crate::s3::error::S3Error;
use crate::s3::get::check_version;
use crate::s3::headers::{STANDARD, STORAGE_CLASS, filled};
use crate::s3::xml::reader::parse_number;
use crate::s3::xml::writer::Writer;
use crate::s3::{checksums, conditions};

/// Most parts of one answer.
const PARTS_MAX: usize = 1000;

/// What a client can ask for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attribute {
    ETag,
    Checksum,
    ObjectParts,
    StorageClass,
    ObjectSize,
}

impl Attribute {
    const ALL: [(&'static str, Self); 5] = [
        ("ETag", Self::ETag),
        ("Checksum", Self::Checksum),
        ("ObjectParts", Self::ObjectParts),
        ("StorageClass", Self::StorageClass),
        ("ObjectSize", Self::ObjectSize),
    ];

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, attribute)| *attribute)
    }
}

/// GetObjectAttributes.
pub(crate) fn get_object_attributes(call: &Call<'_>) -> Answer {
    check_version(call)?;
    let asked = read_asked(call)?;
    let max = read_number(call, "x-amz-max-parts", PARTS_MAX)?.min(PARTS_MAX);
    let marker = read_number(call, "x-amz-part-number-marker", 0)?;
    let request = GetObject {
        bucket: call.bucket()?,
        key: call.key()?,
        conditions: conditions::of_read(call.headers(), call.now),
        span: Span::Whole,
    };
    let found = call.store.object_attributes(&call.caller, &request)?;
    let mut xml = Writer::new("GetObjectAttributesResponse");
    if asked.contains(&Attribute::ETag) {
        xml.value("ETag", found.info.etag);
    }
    if asked.contains(&Attribute::Checksum) {
        xml.within("Checksum", |xml| checksums::write_elements(xml, &found.info.checksum));
    }
    if asked.contains(&Attribute::ObjectParts) && found.info.parts > 0 {
        xml.within("ObjectParts", |xml| write_parts(xml, &found, marker, max));
    }
    if asked.contains(&Attribute::StorageClass) {
        xml.text("StorageClass", found.info.attributes.get(STORAGE_CLASS).unwrap_or(STANDARD));
    }
    if asked.contains(&Attribute::ObjectSize) {
        xml.value("ObjectSize", found.info.size);
    }
    let mut response = document(xml);
    set(response.headers_mut(), LAST_MODIFIED, HttpDate(found.info.modified).to_string());
    Ok(response)
}

fn read_asked(call: &Call<'_>) -> Result<Vec<Attribute>, S3Error> {
    const HEADER: &str = "x-amz-object-attributes";
    let mut asked = Vec::new();
    for value in call.headers().get_all(HEADER) {
        let names = value.to_str().unwrap_or_default().split(',').map(str::trim);
        for name in names.filter(|name| !name.is_empty()) {
            asked.push(
                Attribute::from_name(name)
                    .ok_or_else(|| S3Error::argument(HEADER, name, "Invalid attribute name specified."))?,
            );
        }
    }
    if asked.is_empty() {
        return Err(S3Error::request(format!(
            "The {HEADER} header must name at least one of ETag, Checksum, ObjectParts, StorageClass and ObjectSize"
        )));
    }
    Ok(asked)
}

fn read_number(call: &Call<'_>, name: &'static str, missing: usize) -> Result<usize, S3Error> {
    let Some(text) = filled(call.headers(), name) else { return Ok(missing) };
    let number = parse_number(text.trim()).and_then(|number| usize::try_from(number).ok());
    number.ok_or_else(|| S3Error::argument(name, &text, "it must be an integer that is not negative"))
}

fn write_parts(xml: &mut Writer, found: &ObjectAttributes, marker: usize, max: usize) {
    xml.value("PartsCount", found.info.parts);
    if found.parts.iter().any(|part| part.checksum.is_none()) {
        return;
    }
    let mut rest = found.parts.iter().filter(|part| usize::from(part.part.get()) > marker);
    let page: Vec<&StoredPart> = rest.by_ref().take(max).collect();
    xml.value("PartNumberMarker", marker);
    xml.value("NextPartNumberMarker", page.last().map_or(0, |part| part.part.get()));
    xml.value("MaxParts", max);
    xml.value("IsTruncated", rest.next().is_some());
    for part in page {
        xml.within("Part", |xml| {
            xml.value("PartNumber", part.part);
            xml.value("Size", part.size);
            if let Some(checksum) = &part.checksum {
                checksums::write_part_element(xml, checksum);
            }
        });
    }
}
