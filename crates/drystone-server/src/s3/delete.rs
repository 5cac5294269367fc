//! DeleteObject and DeleteObjects.

use std::error::Error as StdError;

use bytes::Bytes;
use drystone_core::names::ObjectKey;
use drystone_core::objects::conditions::ETagMatch;
use drystone_core::objects::delete::{DeleteObject, DeleteObjects, DeleteTarget};
use http::StatusCode;

use crate::s3::call::{Answer, Call, Sent, document, empty};
use crate::s3::conditions::{of_delete, parse_tags};
use crate::s3::error::S3Error;
use crate::s3::get::{Version, check_version_id, no_such_version};
use crate::s3::xml::reader::{Document, malformed};
use crate::s3::xml::writer::Writer;

/// Most keys in one request.
const KEYS_MAX: usize = 1_000;
/// Largest document: 1,000 keys of 1,024 bytes, each byte a reference of six characters, plus markup.
const DOCUMENT_BYTES_MAX: usize = KEYS_MAX * (1_024 * 6 + 512);

/// DeleteObject: 204 whether there was an object or not.
pub(crate) async fn delete_object(call: &Call<'_>) -> Answer {
    let if_match = of_delete(call.headers())?;
    let (bucket, key) = (call.bucket()?, call.key()?);
    // A version that was never given out is not there to be deleted.
    if let Some(version) = call.query.get("versionId")
        && check_version_id(version)? == Version::Unknown
    {
        call.store.head_bucket(&call.caller, &bucket)?;
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    let target = DeleteTarget { key, if_match };
    call.store.delete_object(&call.caller, DeleteObject { bucket, target }).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// DeleteObjects.
pub(crate) async fn delete_objects<B>(call: &Call<'_>, sent: Sent<B>) -> Answer
where
    B: http_body::Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: StdError + Send + Sync + 'static,
{
    let bucket = call.bucket()?;
    check_integrity_is_asked_for(call)?;
    let body = sent.document(call.head, DOCUMENT_BYTES_MAX).await?;
    let request = Request::read(&body)?;
    let (wishes, objects): (Vec<Wish>, Vec<Option<DeleteTarget>>) =
        request.wishes.into_iter().map(judge).unzip();
    let objects = objects.into_iter().flatten().collect();
    let mut outcomes =
        call.store.delete_objects(&call.caller, DeleteObjects { bucket, objects }).await?.into_iter();

    let mut xml = Writer::new("DeleteResult");
    for wish in wishes {
        let outcome = match wish.verdict {
            Verdict::Refused(refusal) => Err(refusal),
            Verdict::Nothing => Ok(()),
            Verdict::Asked => match outcomes.next() {
                Some(outcome) => outcome.map_err(S3Error::from),
                None => Err(S3Error::new(&crate::s3::error::INTERNAL_ERROR)),
            },
        };
        match outcome {
            Ok(()) if request.quiet => {}
            Ok(()) => xml.within("Deleted", |xml| write_name(xml, &wish.key, wish.version.as_deref())),
            Err(refusal) => xml.within("Error", |xml| {
                write_name(xml, &wish.key, wish.version.as_deref());
                xml.text("Code", refusal.code());
                xml.text("Message", refusal.message());
            }),
        }
    }
    Ok(document(xml))
}

fn write_name(xml: &mut Writer, key: &str, version: Option<&str>) {
    xml.text("Key", key);
    if let Some(version) = version {
        xml.text("VersionId", version);
    }
}

/// Deleting by a list that was damaged on the way deletes the wrong objects, so S3 demands a digest.
fn check_integrity_is_asked_for(call: &Call<'_>) -> Result<(), S3Error> {
    let asked = call.headers().keys().map(http::HeaderName::as_str).any(|name| {
        matches!(name, "content-md5" | "x-amz-trailer")
            || name
                .strip_prefix("x-amz-checksum-")
                .is_some_and(|rest| !matches!(rest, "algorithm" | "type" | "mode"))
    });
    if asked {
        return Ok(());
    }
    Err(S3Error::request("Missing required header for this request: Content-MD5 OR x-amz-checksum-*"))
}

/// The `Delete` document.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) quiet: bool,
    pub(crate) wishes: Vec<Item>,
}

/// One `Object` of the document.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) key: String,
    pub(crate) version: Option<String>,
    pub(crate) etag: Option<String>,
    pub(crate) unbuilt: Option<&'static str>,
}

/// One object to answer for.
struct Wish {
    key: String,
    version: Option<String>,
    verdict: Verdict,
}

/// What is to be done about it.
enum Verdict {
    /// The core decides; the next of its outcomes is this one's.
    Asked,
    /// There is nothing to delete.
    Nothing,
    /// It cannot be deleted.
    Refused(S3Error),
}

impl Request {
    pub(crate) fn read(body: &[u8]) -> Result<Self, S3Error> {
        let mut delete = Document::open(body, "Delete")?;
        let mut request = Self { quiet: false, wishes: Vec::new() };
        while let Some(name) = delete.child()? {
            match name.as_str() {
                "Quiet" => {
                    request.quiet = match delete.text()?.trim() {
                        "true" => true,
                        "false" | "" => false,
                        _ => return Err(malformed()),
                    }
                }
                "Object" if request.wishes.len() >= KEYS_MAX => return Err(malformed()),
                "Object" => request.wishes.push(Item::read(&mut delete)?),
                _ => delete.skip()?,
            }
        }
        delete.end()?;
        if request.wishes.is_empty() { Err(malformed()) } else { Ok(request) }
    }
}

impl Item {
    fn read(delete: &mut Document<'_>) -> Result<Self, S3Error> {
        let mut item = Self::default();
        while let Some(name) = delete.child()? {
            match name.as_str() {
                "Key" => item.key = delete.text()?,
                "VersionId" => {
                    item.version = Some(delete.text()?.trim().to_owned()).filter(|text| !text.is_empty());
                }
                "ETag" => item.etag = Some(delete.text()?),
                "LastModifiedTime" => {
                    delete.skip()?;
                    item.unbuilt = Some("LastModifiedTime");
                }
                "Size" => {
                    delete.skip()?;
                    item.unbuilt = Some("Size");
                }
                _ => delete.skip()?,
            }
        }
        if item.key.is_empty() { Err(malformed()) } else { Ok(item) }
    }

    fn target(&self) -> Result<Option<DeleteTarget>, S3Error> {
        if let Some(name) = self.unbuilt {
            return Err(S3Error::header_not_built(name));
        }
        let key = ObjectKey::parse(&self.key)?;
        match self.version.as_deref().map(|version| (version, check_version_id(version))) {
            Some((version, Err(_))) => return Err(no_such_version(&key, version)),
            Some((_, Ok(Version::Unknown))) => return Ok(None),
            Some((_, Ok(Version::Null))) | None => {}
        }
        let if_match = self.etag.as_deref().filter(|tag| !tag.is_empty()).map(parse_tags);
        Ok(Some(DeleteTarget {
            key,
            if_match: if_match.filter(|tags| *tags != ETagMatch::OneOf(Vec::new())),
        }))
    }
}

fn judge(item: Item) -> (Wish, Option<DeleteTarget>) {
    let (verdict, target) = match item.target() {
        Ok(Some(target)) => (Verdict::Asked, Some(target)),
        Ok(None) => (Verdict::Nothing, None),
        Err(refusal) => (Verdict::Refused(refusal), None),
    };
    (Wish { key: item.key, version: item.version, verdict }, target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(bool, Vec<String>), &'static str> {
        let request = Request::read(text.as_bytes()).map_err(|refusal| refusal.code())?;
        Ok((request.quiet, request.wishes.into_iter().map(|item| item.key).collect()))
    }

    #[test]
    fn documents_are_read_exactly() {
        assert_eq!(
            read(
                "<Delete><Object><Key> a&amp;b\n</Key></Object><Quiet>true</Quiet><Object><Key>&#x1;</Key></Object></Delete>"
            ),
            Ok((true, vec![" a&b\n".into(), "\u{1}".into()]))
        );
        for bad in [
            "",
            "<Delete/>",
            "<Delete><Object/></Delete>",
            "<Delete><Object><Key/></Object></Delete>",
            "<Delete><Object><Key>a</Key></Object><Quiet>perhaps</Quiet></Delete>",
            "<Delete><Object>a</Object></Delete>",
            "<Remove><Object><Key>a</Key></Object></Remove>",
        ] {
            assert_eq!(read(bad), Err("MalformedXML"), "{bad}");
        }
    }

    #[test]
    fn a_thousand_keys_are_enough() {
        let of = |count| read(&format!("<Delete>{}</Delete>", "<Object><Key>k</Key></Object>".repeat(count)));
        assert_eq!(of(1_000).map(|(_, keys)| keys.len()), Ok(1_000));
        assert_eq!(of(1_001), Err("MalformedXML"));
    }

    #[test]
    fn each_item_is_judged_alone() {
        let code =
            |item: Item| item.target().map(|target| target.is_some()).map_err(|refusal| refusal.code());
        let item = |key: &str| Item { key: key.into(), ..Item::default() };
        assert_eq!(code(item("k")), Ok(true));
        assert_eq!(code(Item { version: Some("null".into()), ..item("k") }), Ok(true));
        assert_eq!(code(Item { version: Some("a".repeat(32)), ..item("k") }), Ok(false));
        assert_eq!(code(Item { version: Some("bad".into()), ..item("k") }), Err("NoSuchVersion"));
        assert_eq!(code(Item { unbuilt: Some("Size"), ..item("k") }), Err("NotImplemented"));
        assert_eq!(code(item(&"k".repeat(1_025))), Err("KeyTooLongError"));
        let tagged = Item { etag: Some("\"x\"".into()), ..item("k") }.target().unwrap().unwrap();
        assert_eq!(tagged.if_match, Some(ETagMatch::OneOf(vec!["x".into()])));
    }
}
