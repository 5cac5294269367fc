//! ListParts.

use drystone_core::names::PartNumber;
use drystone_core::uploads::list_parts::{ListParts, PartPage};

use crate::s3::call::{Answer, Call, document};
use crate::s3::error::S3Error;
use crate::s3::headers::{STANDARD, STORAGE_CLASS};
use crate::s3::list::read_max;
use crate::s3::query::Query;
use crate::s3::uploads::extensions;
use crate::s3::xml::url::Encoding;
use crate::s3::xml::writer::Writer;
use crate::s3::{checksums, lifecycle};

/// ListParts.
pub(crate) fn list_parts(call: &Call<'_>) -> Answer {
    let max = read_max(call.query, "max-parts", "max-parts")?;
    let after = read_marker(call.query)?;
    let encoding = Encoding::of(call.query)?;
    let (bucket, key, upload_id) = (call.bucket()?, call.key()?, call.upload_id());
    // A page of no parts still finds the upload; it must not look as if there were more.
    let request = ListParts { bucket, key, upload_id, after, max: max.max(1) };
    let mut page = call.store.list_parts(&call.caller, &request)?;
    if max == 0 {
        page.parts.clear();
        page.truncated = false;
    }
    let mut response = document(write(call, &page, after, max, encoding));
    lifecycle::write_plan(response.headers_mut(), page.upload.abort.as_ref());
    Ok(response)
}

/// Reads `part-number-marker`; no part has a number above 10,000, so larger markers are cut to that.
fn read_marker(query: &Query<'_>) -> Result<u16, S3Error> {
    let Some(text) = query.filled("part-number-marker") else { return Ok(0) };
    let refuse = |why| S3Error::argument("part-number-marker", text, why);
    let marker: i32 = text
        .parse()
        .map_err(|_| refuse("Provided part-number-marker not an integer or within integer range"))?;
    let marker = u32::try_from(marker)
        .map_err(|_| refuse("Argument part-number-marker must be an integer between 0 and 2147483647"))?;
    Ok(u16::try_from(marker).unwrap_or(u16::MAX).min(PartNumber::MAX.get()))
}

fn write(call: &Call<'_>, page: &PartPage, after: u16, max: usize, encoding: Encoding) -> Writer {
    let PartPage { upload, parts, truncated } = page;
    let mut xml = Writer::extended("ListPartsResult");
    xml.text("Bucket", call.target.bucket.as_deref().unwrap_or_default());
    xml.echo("Key", &encoding.apply(upload.key.as_str()));
    xml.value("UploadId", upload.upload_id);
    call.write_account(&mut xml, "Initiator");
    call.write_account(&mut xml, "Owner");
    xml.text("StorageClass", upload.attributes.get(STORAGE_CLASS).unwrap_or(STANDARD));
    xml.value("PartNumberMarker", after);
    xml.value("NextPartNumberMarker", parts.last().map_or(0, |part| part.part.get()));
    xml.value("MaxParts", max);
    if encoding == Encoding::Url {
        xml.value("EncodingType", "url");
    }
    xml.value("IsTruncated", truncated);
    if let Some(algorithm) = upload.checksum.algorithm {
        xml.value("ChecksumAlgorithm", algorithm.name());
        xml.value("ChecksumType", upload.checksum.kind.name());
    }
    extensions::write_held(&mut xml, &upload.held);
    for part in parts {
        xml.within("Part", |xml| {
            xml.value("PartNumber", part.part);
            xml.time("LastModified", part.modified);
            xml.etag(&part.etag);
            xml.value("Size", part.size);
            checksums::write_part_element(xml, &part.checksum);
        });
    }
    xml
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_numbers() {
        let of = |raw: &str| read_marker(&Query::parse(Some(raw)).unwrap()).map_err(|refusal| refusal.code());
        assert_eq!(of(""), Ok(0));
        assert_eq!(of("part-number-marker=0"), Ok(0));
        assert_eq!(of("part-number-marker=9999"), Ok(9_999));
        assert_eq!(of("part-number-marker=2147483647"), Ok(10_000));
        for bad in ["-1", "x", "2147483648"] {
            assert_eq!(of(&format!("part-number-marker={bad}")), Err("InvalidArgument"), "{bad}");
        }
    }
}
