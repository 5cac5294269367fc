//! Every refusal of the core has a row, and says nothing that must stay inside.

use drystone_core::checksum::{Algorithm, ChecksumType};
use drystone_core::data::door::DataError;
use drystone_core::error::Condition;
use drystone_core::names::{BucketName, ETag, PartNumber, Timestamp};

use super::*;

fn shown(error: S3Error, method: &Method) -> (StatusCode, String) {
    let asked = Asked { method, resource: "/b/k", request_id: "ID", host_id: "HOST" };
    let response = error.into_response(&asked);
    let status = response.status();
    let body = match response.into_body() {
        ResponseBody::Full(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        _ => String::new(),
    };
    (status, body)
}

#[test]
fn every_refusal_of_the_core_has_its_row() {
    let bucket = || BucketName::parse("bucket").unwrap();
    let key = || ObjectKey::parse("a&b").unwrap();
    let etag = ETag { md5: [1; 16], parts: 0 };
    let part = PartNumber::MIN;
    let io = || DataError::Io { volume: 7, action: "writing", why: "secret path /var/x".into() };
    let cases: Vec<(Error, u16, &str, &[&str])> = vec![
        (
            Error::Name(NameError::Bucket { name: "X".into(), why: "" }),
            400,
            "InvalidBucketName",
            &["BucketName"],
        ),
        (Error::Name(NameError::KeyEmpty), 400, "InvalidRequest", &[]),
        (
            Error::Name(NameError::KeyTooLong { bytes: 1025 }),
            400,
            "KeyTooLongError",
            &["Size", "MaxSizeAllowed"],
        ),
        (Error::Name(NameError::PartNumber), 400, "InvalidArgument", &["ArgumentName"]),
        (Error::NoSuchBucket(bucket()), 404, "NoSuchBucket", &["BucketName"]),
        (Error::BucketAlreadyOwnedByYou(bucket()), 409, "BucketAlreadyOwnedByYou", &["BucketName"]),
        (Error::BucketAlreadyExists(bucket()), 409, "BucketAlreadyExists", &["BucketName"]),
        (Error::BucketNotEmpty(bucket()), 409, "BucketNotEmpty", &["BucketName"]),
        (Error::AccessDenied, 403, "AccessDenied", &[]),
        (Error::NoSuchKey(key()), 404, "NoSuchKey", &["Key"]),
        (Error::NoSuchUpload { upload_id: "u".into() }, 404, "NoSuchUpload", &["UploadId"]),
        (Error::PreconditionFailed(Condition::IfMatch), 412, "PreconditionFailed", &["Condition"]),
        (Error::NotModified { etag, modified: Timestamp(0) }, 304, "NotModified", &[]),
        (Error::ConditionalRequestConflict, 409, "ConditionalRequestConflict", &[]),
        (
            Error::EntityTooSmall { part, etag, size: 1, min: 5 },
            400,
            "EntityTooSmall",
            &["ETag", "MinSizeAllowed", "ProposedSize", "PartNumber"],
        ),
        (
            Error::EntityTooLarge { size: 9, max: 8 },
            400,
            "EntityTooLarge",
            &["ProposedSize", "MaxSizeAllowed"],
        ),
        (
            Error::InvalidPart { upload_id: "u".into(), part, etag: "e".into() },
            400,
            "InvalidPart",
            &["UploadId", "PartNumber", "ETag"],
        ),
        (Error::InvalidPartOrder { upload_id: "u".into(), part }, 400, "InvalidPartOrder", &["UploadId"]),
        (Error::InvalidRange { size: 9 }, 416, "InvalidRange", &["ActualObjectSize"]),
        (
            Error::InvalidPartNumber { asked: part, parts: 3 },
            416,
            "InvalidPartNumber",
            &["ActualPartCount", "PartNumberRequested"],
        ),
        (
            Error::BadContentMd5 { expected: [1; 16], computed: [2; 16] },
            400,
            "BadDigest",
            &["ExpectedDigest", "CalculatedDigest"],
        ),
        (
            Error::ContentSha256Mismatch { expected: [1; 32], computed: [2; 32] },
            400,
            "XAmzContentSHA256Mismatch",
            &["ClientComputedContentSHA256", "S3ComputedContentSHA256"],
        ),
        (Error::ChecksumMismatch(Algorithm::Sha1), 400, "BadDigest", &[]),
        (Error::PartChecksumMismatch { part, algorithm: Algorithm::Sha1 }, 400, "BadDigest", &[]),
        (Error::ChecksumTypeMismatch(Some(ChecksumType::Composite)), 400, "InvalidRequest", &[]),
        (Error::ChecksumTypeMismatch(None), 400, "InvalidRequest", &[]),
        (
            Error::InvalidArgument { name: "n", value: "v".into(), why: "w".into() },
            400,
            "InvalidArgument",
            &["ArgumentName", "ArgumentValue"],
        ),
        (Error::InvalidRequest("why".into()), 400, "InvalidRequest", &[]),
        (Error::NotImplemented("Thing".into()), 501, "NotImplemented", &[]),
        (Error::NoSpace { needed: 10, available: 1 }, 507, "InsufficientStorage", &[]),
        (
            Error::Body(BodyError::Incomplete { received: 1, announced: 2 }),
            400,
            "IncompleteBody",
            &["NumberBytesExpected", "NumberBytesProvided"],
        ),
        (Error::Body(BodyError::TooLong { announced: 2 }), 400, "IncompleteBody", &[]),
        (Error::Body(BodyError::Signature), 403, "SignatureDoesNotMatch", &[]),
        (Error::Body(BodyError::Framing("x")), 400, "IncompleteBody", &[]),
        (Error::Body(BodyError::TrailerValue(Algorithm::Crc32)), 400, "InvalidRequest", &[]),
        (Error::Body(BodyError::Trailer("x")), 400, "MalformedTrailerError", &[]),
        (Error::Body(BodyError::TimedOut), 400, "RequestTimeout", &[]),
        (Error::Body(BodyError::Connection("gone".into())), 400, "RequestTimeout", &[]),
        (Error::Data(io()), 500, "InternalError", &[]),
        (Error::Meta(MetaError::Engine("/var/x".into())), 500, "InternalError", &[]),
        (Error::Meta(MetaError::Poisoned("/var/x".into())), 500, "InternalError", &[]),
        (Error::Meta(MetaError::Corrupt { key: "secret".into(), why: "x" }), 500, "InternalError", &[]),
        (MetaError::Full { needed: 10, available: 1 }.into(), 507, "InsufficientStorage", &[]),
        (Error::Meta(MetaError::Busy), 503, "SlowDown", &[]),
    ];
    for (error, status, code, elements) in cases {
        let said = format!("{error:?}");
        let error = S3Error::from(error);
        assert_eq!((error.status().as_u16(), error.code()), (status, code), "{said}");
        for name in elements {
            assert!(error.element(name).is_some_and(|text| !text.is_empty()), "{said} shows {name}");
        }
        let internal = status == 500;
        assert_eq!(
            error.cause().is_some(),
            internal,
            "{said} is logged exactly when it is the server's fault"
        );
        let (_, body) = shown(error, &Method::GET);
        assert!(!body.contains("secret") && !body.contains("/var"), "{said} leaks: {body}");
    }
}

#[test]
fn an_answer_names_the_request_and_escapes_the_key() {
    let key = ObjectKey::parse("<a>&\u{1}").unwrap();
    let (status, body) = shown(Error::NoSuchKey(key).into(), &Method::GET);
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(
        body,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code><Message>The specified key does \
         not exist.</Message><Key>&lt;a&gt;&amp;\u{fffd}</Key><Resource>/b/k</Resource><RequestId>ID</RequestId>\
         <HostId>HOST</HostId></Error>"
    );
}

#[test]
fn a_refused_head_has_no_body() {
    assert_eq!(shown(S3Error::new(&NO_SUCH_BUCKET), &Method::HEAD), (StatusCode::NOT_FOUND, String::new()));
    let unchanged = Error::NotModified { etag: ETag { md5: [0; 16], parts: 0 }, modified: Timestamp(0) };
    assert_eq!(shown(unchanged.into(), &Method::GET).1, "");
}

#[test]
fn codes_are_unique_and_say_something() {
    for (place, code) in ALL.iter().enumerate() {
        assert!(!code.message.is_empty() && !code.message.contains('\n'), "{}", code.name);
        assert!(
            ALL.iter().skip(place + 1).all(|other| other.name != code.name),
            "{} stands twice",
            code.name
        );
    }
}
