//! ListMultipartUploads.
//!
//! Markers are positions: an upload that was aborted since it was listed still marks its place,
//! because clients delete while they page. Order is by key and then by initiation, which is the
//! order of the upload ids.
//!
//! Each upload also shows, in a namespace of ours, what S3 leaves to one ListParts per upload: its parts, its
//! bytes, when it was last active, and when which rule will abort it.

use drystone_core::names::UploadId;
use drystone_core::uploads::list::{ListUploads, UploadEntry, UploadPage, UploadsFrom};
use drystone_core::uploads::upload::UploadInfo;

use crate::s3::call::{Answer, Call, document};
use crate::s3::error::S3Error;
use crate::s3::headers::{STANDARD, STORAGE_CLASS};
use crate::s3::list::{PAGE_MAX, rolled_up};
use crate::s3::query::Query;
use crate::s3::uploads::extensions;
use crate::s3::xml::url::Encoding;
use crate::s3::xml::writer::Writer;

/// What an entry takes in the document, in bytes, with a key and account names of usual length.
const ENTRY_BYTES: usize = 640;

/// What is asked.
struct Asked<'q> {
    prefix: &'q str,
    delimiter: Option<&'q str>,
    key_marker: &'q str,
    upload_marker: &'q str,
    max: usize,
    encoding: Encoding,
}

/// ListMultipartUploads.
pub(crate) fn list_multipart_uploads(call: &Call<'_>) -> Answer {
    let asked = Asked::read(call.query)?;
    let request = ListUploads {
        bucket: call.bucket()?,
        prefix: asked.prefix.to_owned(),
        delimiter: asked.delimiter.map(str::to_owned),
        from: asked.from()?,
        max: asked.max,
    };
    let page = call.store.list_uploads(&call.caller, &request)?;
    Ok(document(asked.write(call, &page)))
}

impl<'q> Asked<'q> {
    fn read(query: &'q Query<'_>) -> Result<Self, S3Error> {
        let key_marker = query.get("key-marker").unwrap_or_default();
        Ok(Self {
            prefix: query.filled("prefix").unwrap_or_default(),
            delimiter: query.filled("delimiter"),
            key_marker,
            // Without a key it marks nothing; S3 ignores it then, whatever it is.
            upload_marker: query
                .get("upload-id-marker")
                .filter(|_| !key_marker.is_empty())
                .unwrap_or_default(),
            max: read_max(query)?,
            encoding: Encoding::of(query)?,
        })
    }

    fn from(&self) -> Result<UploadsFrom, S3Error> {
        let rolled_up = rolled_up(self.key_marker, self.prefix, self.delimiter);
        if self.key_marker.is_empty() {
            return Ok(UploadsFrom::Start);
        }
        if self.upload_marker.is_empty() {
            return Ok(match rolled_up {
                Some(prefix) => UploadsFrom::AfterPrefix(prefix.to_owned()),
                None => UploadsFrom::AfterKey(self.key_marker.to_owned()),
            });
        }
        let upload_id = UploadId::parse(self.upload_marker).ok_or_else(|| {
            S3Error::argument("upload-id-marker", self.upload_marker, "Invalid uploadId marker")
        })?;
        Ok(match rolled_up {
            Some(prefix) => UploadsFrom::AfterPrefix(prefix.to_owned()),
            None => UploadsFrom::AfterUpload { key: self.key_marker.to_owned(), upload_id },
        })
    }

    fn write(&self, call: &Call<'_>, page: &UploadPage) -> Writer {
        let mut xml = Writer::extended("ListMultipartUploadsResult");
        xml.reserve(page.entries.len() * ENTRY_BYTES);
        let name =
            |xml: &mut Writer, element: &str, name: &str| xml.text(element, &self.encoding.apply(name));
        let (next_key, next_upload) = match page.entries.last() {
            Some(UploadEntry::Upload(upload)) => (upload.key.as_str(), upload.upload_id.to_string()),
            Some(UploadEntry::Prefix(prefix)) => (prefix.as_str(), String::new()),
            None => ("", String::new()),
        };
        xml.text("Bucket", call.target.bucket.as_deref().unwrap_or_default());
        name(&mut xml, "KeyMarker", self.key_marker);
        xml.text("UploadIdMarker", self.upload_marker);
        // S3 gives them also on the last page, and clients rely on either.
        name(&mut xml, "NextKeyMarker", next_key);
        xml.text("NextUploadIdMarker", &next_upload);
        if let Some(delimiter) = self.delimiter {
            name(&mut xml, "Delimiter", delimiter);
        }
        name(&mut xml, "Prefix", self.prefix);
        xml.value("MaxUploads", self.max);
        if self.encoding == Encoding::Url {
            xml.value("EncodingType", "url");
        }
        xml.value("IsTruncated", page.truncated);
        for entry in &page.entries {
            if let UploadEntry::Upload(upload) = entry {
                xml.within("Upload", |xml| {
                    name(xml, "Key", upload.key.as_str());
                    write_upload(call, xml, upload);
                });
            }
        }
        for entry in &page.entries {
            if let UploadEntry::Prefix(prefix) = entry {
                xml.within("CommonPrefixes", |xml| name(xml, "Prefix", prefix));
            }
        }
        xml
    }
}

fn write_upload(call: &Call<'_>, xml: &mut Writer, upload: &UploadInfo) {
    xml.value("UploadId", upload.upload_id);
    call.write_account(xml, "Initiator");
    call.write_account(xml, "Owner");
    xml.text("StorageClass", upload.attributes.get(STORAGE_CLASS).unwrap_or(STANDARD));
    xml.time("Initiated", upload.initiated);
    if let Some(algorithm) = upload.checksum.algorithm {
        xml.value("ChecksumAlgorithm", algorithm.name());
        xml.value("ChecksumType", upload.checksum.kind.name());
    }
    extensions::write_held(xml, &upload.held);
    extensions::write_plan(xml, upload.abort.as_ref());
}

/// Reads `max-uploads`: 1 or more, of which at most 1,000 are shown at a time.
fn read_max(query: &Query<'_>) -> Result<usize, S3Error> {
    let Some(text) = query.filled("max-uploads") else { return Ok(PAGE_MAX) };
    let max = text.parse::<i32>().ok().and_then(|max| usize::try_from(max).ok()).filter(|max| *max > 0);
    max.map(|max| max.min(PAGE_MAX)).ok_or_else(|| {
        let why = "Argument max-uploads must be an integer between 1 and 2147483647";
        S3Error::argument("max-uploads", text, why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(raw: &str) -> Result<UploadsFrom, &'static str> {
        let query = Query::parse(Some(raw)).unwrap();
        Asked::read(&query).and_then(|asked| asked.from()).map_err(|refusal| refusal.code())
    }

    #[test]
    fn markers_are_positions() {
        let id = UploadId::new(drystone_core::names::Timestamp(1), 2, 3);
        assert_eq!(from(""), Ok(UploadsFrom::Start));
        assert_eq!(from("upload-id-marker=nonsense"), Ok(UploadsFrom::Start));
        assert_eq!(from("key-marker=a"), Ok(UploadsFrom::AfterKey("a".into())));
        assert_eq!(
            from(&format!("key-marker=a&upload-id-marker={id}")),
            Ok(UploadsFrom::AfterUpload { key: "a".into(), upload_id: id })
        );
        assert_eq!(from("key-marker=a&upload-id-marker=nonsense"), Err("InvalidArgument"));
        assert_eq!(from("key-marker=a/b&delimiter=/"), Ok(UploadsFrom::AfterPrefix("a/".into())));
        assert_eq!(
            from("key-marker=a/&delimiter=/&upload-id-marker="),
            Ok(UploadsFrom::AfterPrefix("a/".into()))
        );
        assert_eq!(
            from(&format!("key-marker=a/b&delimiter=/&upload-id-marker={id}")),
            Ok(UploadsFrom::AfterPrefix("a/".into()))
        );
    }

    #[test]
    fn limits_begin_at_one() {
        let of = |raw: &str| read_max(&Query::parse(Some(raw)).unwrap()).map_err(|refusal| refusal.code());
        assert_eq!(of(""), Ok(1_000));
        assert_eq!(of("max-uploads=1"), Ok(1));
        assert_eq!(of("max-uploads=5000"), Ok(1_000));
        for bad in ["0", "-1", "x", "2147483648"] {
            assert_eq!(of(&format!("max-uploads={bad}")), Err("InvalidArgument"), "{bad}");
        }
    }
}
