//! UploadPartCopy.

use drystone_core::uploads::part_copy::UploadPartCopy;

use crate::s3::call::{Answer, Call, document};
use crate::s3::get::part_number;
use crate::s3::headers::{filled, refuse_unbuilt};
use crate::s3::xml::writer::Writer;
use crate::s3::{checksums, copy, ranges};

/// UploadPartCopy. No bytes are moved, so its status is always the true one.
pub(crate) async fn upload_part_copy(call: &Call<'_>) -> Answer {
    refuse_unbuilt(call.headers())?;
    let request = UploadPartCopy {
        bucket: call.bucket()?,
        key: call.key()?,
        part: part_number(call.query.get("partNumber").unwrap_or_default())?,
        upload_id: call.upload_id(),
        source: copy::source(call)?,
        range: filled(call.headers(), "x-amz-copy-source-range")
            .map(|range| ranges::parse_copy(&range))
            .transpose()?,
    };
    let outcome = call.store.upload_part_copy(&call.caller, request).await?;
    let mut xml = Writer::new("CopyPartResult");
    xml.time("LastModified", outcome.modified);
    xml.etag(&outcome.etag);
    checksums::write_part_element(&mut xml, &outcome.checksum);
    Ok(document(xml))
}
