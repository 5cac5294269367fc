//! CreateBucket, HeadBucket, DeleteBucket, ListBuckets, GetBucketLocation.

use std::error::Error as StdError;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use bytes::Bytes;
use drystone_core::buckets::create::CreateBucket;
use drystone_core::buckets::head::BucketInfo;
use drystone_core::buckets::list::ListBuckets;
use drystone_core::error::Error;
use drystone_core::names::BucketName;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};

use crate::s3::call::{Answer, Call, Sent, document, empty, set};
use crate::s3::error::{ACL_NOT_SUPPORTED, INVALID_BUCKET_ACL, S3Error};
use crate::s3::headers::{check_acl, filled};
use crate::s3::xml::reader::{Document, malformed, parse_number};
use crate::s3::xml::writer::Writer;

/// Largest CreateBucketConfiguration.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024;
/// Buckets on a page of ListBuckets: S3's default and maximum.
const PAGE_MAX: usize = 10_000;
/// The region that S3 shows as no region at all.
const REGION_DEFAULT: &str = "us-east-1";
/// The header that tells a client which region a bucket is in.
pub(crate) const BUCKET_REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");

/// The header with the bucket's Amazon Resource Name.
const BUCKET_ARN: HeaderName = HeaderName::from_static("x-amz-bucket-arn");

/// CreateBucket. Creating one's own bucket again succeeds in us-east-1 only, as it does at AWS.
pub(crate) async fn create_bucket<B>(call: &Call<'_>, sent: Sent<B>) -> Answer
where
    B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: StdError + Send + Sync + 'static,
{
    let name = call.bucket()?;
    refuse_unbuilt(call)?;
    let body = sent.document(call.head, DOCUMENT_BYTES_MAX).await?;
    let region = read_configuration(&body)?;
    match call.store.create_bucket(&call.caller, CreateBucket { name: name.clone(), region }).await {
        Err(Error::BucketAlreadyOwnedByYou(_)) if call.region == REGION_DEFAULT => {}
        other => other?,
    }
    let mut response = empty(StatusCode::OK);
    set(response.headers_mut(), LOCATION, format!("/{name}"));
    set(response.headers_mut(), BUCKET_ARN, arn(&name));
    Ok(response)
}

/// The name that policies know a bucket by.
fn arn(name: &BucketName) -> String {
    format!("arn:aws:s3:::{name}")
}

fn refuse_unbuilt(call: &Call<'_>) -> Result<(), S3Error> {
    let headers = call.headers();
    if let Err(refusal) = check_acl(headers) {
        let unsupported = refusal.code() == S3Error::new(&ACL_NOT_SUPPORTED).code();
        return Err(if unsupported { S3Error::new(&INVALID_BUCKET_ACL) } else { refusal });
    }
    if filled(headers, "x-amz-bucket-object-lock-enabled").is_some_and(|on| on.eq_ignore_ascii_case("true")) {
        return Err(S3Error::header_not_built("x-amz-bucket-object-lock-enabled"));
    }
    match filled(headers, "x-amz-object-ownership").as_deref() {
        None | Some("BucketOwnerEnforced") => Ok(()),
        Some("BucketOwnerPreferred" | "ObjectWriter") => {
            Err(S3Error::header_not_built("x-amz-object-ownership"))
        }
        Some(other) => Err(S3Error::argument(
            "x-amz-object-ownership",
            other,
            format!("Invalid x-amz-object-ownership header: {other}"),
        )),
    }
}

/// The `LocationConstraint` of a CreateBucketConfiguration; an empty body has none.
pub(crate) fn read_configuration(body: &[u8]) -> Result<Option<String>, S3Error> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let mut configuration = Document::open(body, "CreateBucketConfiguration")?;
    let mut region = None;
    while let Some(name) = configuration.child()? {
        match name.as_str() {
            "LocationConstraint" if region.is_some() => return Err(malformed()),
            "LocationConstraint" => region = Some(configuration.text()?),
            "Location" | "Bucket" => return Err(S3Error::not_built("A directory bucket")),
            "Tags" => {
                if configuration.child()?.is_some() {
                    return Err(S3Error::not_built("Tags in CreateBucketConfiguration"));
                }
            }
            _ => configuration.skip()?,
        }
    }
    configuration.end()?;
    Ok(region.map(|region| region.trim().to_owned()).filter(|region| !region.is_empty()))
}

/// HeadBucket.
pub(crate) fn head_bucket(call: &Call<'_>) -> Answer {
    let info = call.store.head_bucket(&call.caller, &call.bucket()?)?;
    let mut response = empty(StatusCode::OK);
    let headers = response.headers_mut();
    set(headers, BUCKET_ARN, arn(&info.name));
    set(headers, BUCKET_REGION, region_of(&info, call.region));
    headers.insert("x-amz-access-point-alias", HeaderValue::from_static("false"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    Ok(response)
}

/// DeleteBucket.
pub(crate) async fn delete_bucket(call: &Call<'_>) -> Answer {
    call.store.delete_bucket(&call.caller, &call.bucket()?).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// GetBucketLocation: us-east-1 is shown as an empty constraint.
pub(crate) fn get_bucket_location(call: &Call<'_>) -> Answer {
    let info = call.store.head_bucket(&call.caller, &call.bucket()?)?;
    let mut xml = Writer::new("LocationConstraint");
    xml.bare_text(
        Some(region_of(&info, call.region)).filter(|region| *region != REGION_DEFAULT).unwrap_or_default(),
    );
    Ok(document(xml))
}

fn region_of<'b>(info: &'b BucketInfo, server: &'b str) -> &'b str {
    info.region.as_deref().unwrap_or(server)
}

/// ListBuckets.
pub(crate) fn list_buckets(call: &Call<'_>) -> Answer {
    let query = call.query;
    let max = read_max(query.get("max-buckets"))?;
    let after = query.filled("continuation-token").map(read_token).transpose()?;
    let prefix = query.filled("prefix").unwrap_or_default();
    let region = query.filled("bucket-region");
    let (buckets, next) = page(call, prefix, after, region, max)?;

    // S3 shows each bucket's region only to clients that use a parameter of the paginated form.
    let paginated = query.has("max-buckets")
        || query.has("continuation-token")
        || query.has("prefix")
        || region.is_some();
    let mut xml = Writer::new("ListAllMyBucketsResult");
    call.write_account(&mut xml, "Owner");
    xml.within("Buckets", |xml| {
        for bucket in &buckets {
            xml.within("Bucket", |xml| {
                xml.text("Name", bucket.name.as_str());
                xml.time("CreationDate", bucket.created);
                if paginated {
                    xml.text("BucketRegion", region_of(bucket, call.region));
                }
            });
        }
    });
    if let Some(name) = next {
        xml.text("ContinuationToken", &BASE64.encode(name));
    }
    if query.has("prefix") {
        xml.text("Prefix", prefix);
    }
    Ok(document(xml))
}

/// A page of buckets, of one region if `region` is given, and where the next page begins.
fn page(
    call: &Call<'_>,
    prefix: &str,
    mut after: Option<String>,
    region: Option<&str>,
    max: usize,
) -> Result<(Vec<BucketInfo>, Option<String>), S3Error> {
    let mut buckets = Vec::new();
    // Each turn moves `after` forward over `max` buckets, so there are no more turns than pages.
    loop {
        let request = ListBuckets { prefix: prefix.to_owned(), after, max: max - buckets.len() };
        let found = call.store.list_buckets(&call.caller, &request)?;
        buckets.extend(
            found
                .buckets
                .into_iter()
                .filter(|info| region.is_none_or(|region| region_of(info, call.region) == region)),
        );
        if found.next.is_none() || buckets.len() >= max {
            return Ok((buckets, found.next));
        }
        after = found.next;
    }
}

fn read_max(given: Option<&str>) -> Result<usize, S3Error> {
    let Some(text) = given.filter(|text| !text.is_empty()) else { return Ok(PAGE_MAX) };
    let max = parse_number(text).and_then(|max| usize::try_from(max).ok());
    max.filter(|max| (1..=PAGE_MAX).contains(max)).ok_or_else(|| {
        S3Error::argument("max-buckets", text, "Argument max-buckets must be an integer between 1 and 10000")
    })
}

fn read_token(token: &str) -> Result<String, S3Error> {
    let name = BASE64.decode(token).ok().and_then(|name| String::from_utf8(name).ok());
    let name = name.filter(|name| drystone_core::names::BucketName::parse(name).is_ok());
    name.ok_or_else(|| {
        S3Error::argument("continuation-token", token, "The continuation token provided is incorrect")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_are_read() {
        let of = |text: &str| read_configuration(text.as_bytes()).map_err(|refusal| refusal.code());
        let constraint = |region| {
            format!(
                "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
            )
        };
        assert_eq!(of(""), Ok(None));
        assert_eq!(of(" \n"), Ok(None));
        assert_eq!(of(&constraint("eu-west-1")), Ok(Some("eu-west-1".into())));
        assert_eq!(of(&constraint("anywhere at all")), Ok(Some("anywhere at all".into())));
        assert_eq!(of(&constraint("")), Ok(None));
        assert_eq!(of("<CreateBucketConfiguration/>"), Ok(None));
        assert_eq!(of("<Other/>"), Err("MalformedXML"));
        assert_eq!(of("not xml"), Err("MalformedXML"));
        let directory =
            "<CreateBucketConfiguration><Bucket><Type>Directory</Type></Bucket></CreateBucketConfiguration>";
        assert_eq!(of(directory), Err("NotImplemented"));
    }

    #[test]
    fn pages_of_buckets_have_limits() {
        assert_eq!(read_max(None).unwrap(), 10_000);
        assert_eq!(read_max(Some("7")).unwrap(), 7);
        for bad in ["0", "-1", "10001", "x"] {
            assert_eq!(read_max(Some(bad)).unwrap_err().code(), "InvalidArgument", "{bad}");
        }
        assert_eq!(read_token(&BASE64.encode("my-bucket")).unwrap(), "my-bucket");
        for bad in ["my-bucket", "", "////", "QQ"] {
            assert_eq!(read_token(bad).unwrap_err().code(), "InvalidArgument", "{bad}");
        }
    }
}
