//! CopyObject, and the source that it shares with UploadPartCopy.

use drystone_core::names::{BucketName, NameError, ObjectKey};
use drystone_core::objects::copy::{CopyObject, CopySource, MetadataDirective};

use crate::s3::call::{Answer, Call, document};
use crate::s3::error::{ACCESS_DENIED, S3Error};
use crate::s3::get::{Version, check_version_id, no_such_version};
use crate::s3::headers::{self, filled};
use crate::s3::query::{Plus, decode};
use crate::s3::xml::writer::Writer;
use crate::s3::{checksums, conditions};

const COPY_SOURCE: &str = "x-amz-copy-source";
const VERSION: &str = "?versionId=";

/// CopyObject.
pub(crate) async fn copy_object(call: &Call<'_>) -> Answer {
    let (bucket, key) = (call.bucket()?, call.key()?);
    let source = source(call)?;
    headers::refuse_unbuilt(call.headers())?;
    check_directive(call, "x-amz-tagging-directive", "Unknown tagging directive.")?;
    let directive = directive(call)?;
    let checksum = checksums::named(call.headers(), "x-amz-checksum-algorithm")?;
    let condition = conditions::of_write(call.headers())?;
    let request = CopyObject { source, bucket, key, directive, checksum, condition };
    let outcome = call.store.copy_object(&call.caller, request).await?;

    let mut xml = Writer::new("CopyObjectResult");
    xml.time("LastModified", outcome.modified);
    xml.etag(&outcome.etag);
    checksums::write_elements(&mut xml, &outcome.checksum);
    Ok(document(xml))
}

/// Where a copy comes from, and under which conditions.
///
/// # Errors
/// `InvalidArgument` for a source that cannot be read, `NoSuchVersion` for any version but `null`,
/// `AccessDenied` for a source whose owner is not the expected one.
pub(crate) fn source(call: &Call<'_>) -> Result<CopySource, S3Error> {
    let raw = filled(call.headers(), COPY_SOURCE).unwrap_or_default();
    let (bucket, key, version) = parse_source(&raw)?;
    if let Some(version) = version
        && check_version_id(&version)? == Version::Unknown
    {
        return Err(no_such_version(&key, &version));
    }
    let owner = filled(call.headers(), "x-amz-source-expected-bucket-owner");
    if owner.is_some_and(|owner| *owner != *call.account.id) {
        return Err(S3Error::new(&ACCESS_DENIED));
    }
    Ok(CopySource { bucket, key, conditions: conditions::of_copy_source(call.headers(), call.now) })
}

pub(crate) fn parse_source(raw: &str) -> Result<(BucketName, ObjectKey, Option<String>), S3Error> {
    let refuse = |why: &'static str| S3Error::argument(COPY_SOURCE, raw, why);
    let (path, version) = match raw.split_once(VERSION) {
        Some((path, version)) => (path, Some(version.to_owned())),
        None => (raw, None),
    };
    let path = decode(path, Plus::IsPlus).ok_or_else(|| refuse("Invalid copy source encoding"))?;
    let path = path.strip_prefix('/').unwrap_or(&path);
    let (bucket, key) = path.split_once('/').ok_or_else(|| refuse("Invalid copy source object key"))?;
    let bucket = BucketName::parse(bucket).map_err(|_| refuse("Invalid copy source bucket name"))?;
    let key = ObjectKey::parse(key).map_err(|error| match error {
        NameError::KeyTooLong { .. } => S3Error::from(error),
        _ => refuse("Invalid copy source object key"),
    })?;
    Ok((bucket, key, version))
}

/// Whether a directive header says COPY (or nothing) or REPLACE.
fn check_directive(call: &Call<'_>, name: &'static str, unknown: &'static str) -> Result<Replace, S3Error> {
    match filled(call.headers(), name).as_deref() {
        None | Some("COPY") => Ok(Replace::No),
        Some("REPLACE") => Ok(Replace::Yes),
        Some(other) => Err(S3Error::argument(name, other, unknown)),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Replace {
    Yes,
    No,
}

/// What the copy keeps. A storage class and a redirect are never copied: they are the request's, or none.
fn directive(call: &Call<'_>) -> Result<MetadataDirective, S3Error> {
    if check_directive(call, "x-amz-metadata-directive", "Unknown metadata directive.")? == Replace::Yes {
        return Ok(MetadataDirective::Replace(headers::attributes(call.headers())?));
    }
    Ok(MetadataDirective::Copy { but: &headers::NEVER_COPIED, own: headers::never_copied(call.headers())? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_in_every_form() {
        let of =
            |raw| parse_source(raw).map(|(b, k, v)| (b.to_string(), k.to_string(), v)).map_err(|r| r.code());
        let is = |key: &str, version: Option<&str>| {
            Ok(("bucket".to_owned(), key.to_owned(), version.map(str::to_owned)))
        };
        assert_eq!(of("bucket/key"), is("key", None));
        assert_eq!(of("/bucket/key"), is("key", None));
        assert_eq!(of("bucket/a%20b%2Fc+d"), is("a b/c+d", None));
        assert_eq!(of("bucket%2Fkey"), is("key", None));
        assert_eq!(of("%2Fbucket%2Fa%2Fb"), is("a/b", None));
        assert_eq!(of("bucket//x/../y"), is("/x/../y", None));
        assert_eq!(of("bucket/k?versionId=null"), is("k", Some("null")));
        assert_eq!(of("bucket/k?x=1"), is("k?x=1", None));
        assert_eq!(of("bucket/k%3FversionId=3"), is("k?versionId=3", None));
        for bad in ["", "/", "bucket", "bucket/", "B/k", "192.168.1.1/k", "bucket/%ZZ", "bucket/%C3%", "%"] {
            assert_eq!(of(bad), Err("InvalidArgument"), "{bad}");
        }
        assert_eq!(of(&format!("bucket/{}", "k".repeat(1_025))), Err("KeyTooLongError"));
    }
}
