//! What is read of a CompleteMultipartUpload request, and the slow answer.

use std::time::Duration;

use drystone_core::checksum::{Checksum, ChecksumType};
use drystone_core::names::{ETag, Timestamp};
use drystone_core::objects::object::ObjectChecksum;
use http_body_util::BodyExt;

use super::*;

fn read(text: &str) -> Result<Vec<(u16, String)>, &'static str> {
    let parts = read_parts(text.as_bytes()).map_err(|refusal| refusal.code())?;
    Ok(parts.into_iter().map(|part| (part.part.get(), part.etag)).collect())
}

fn complete(content: &str) -> String {
    format!("<CompleteMultipartUpload>{content}</CompleteMultipartUpload>")
}

#[test]
fn lists_of_parts_are_read() {
    let part = "<Part><ETag>\"abc\"</ETag><PartNumber>7</PartNumber></Part>";
    assert_eq!(read(&complete(part)), Ok(vec![(7, "\"abc\"".into())]));
    assert_eq!(
        read(&complete("<Part><PartNumber> 10000 </PartNumber><ETag>&quot;a&#34;</ETag></Part>")),
        Ok(vec![(10_000, "\"a\"".into())])
    );
    assert_eq!(
        read(&complete(
            "<Part><PartNumber>1</PartNumber><ETag>a</ETag><ChecksumCRC32>y/Q5Jg==</ChecksumCRC32><New>x</New></Part>"
        )),
        Ok(vec![(1, "a".into())])
    );
    assert_eq!(read(""), Ok(vec![]));
    assert_eq!(read(&complete(&part.repeat(10_000))).map(|parts| parts.len()), Ok(10_000));
}

#[test]
fn everything_else_is_refused() {
    let cases = [
        ("not xml".to_owned(), "MalformedXML"),
        ("<CompleteMultipartUpload/>".to_owned(), "MalformedXML"),
        (complete("<New>x</New>"), "MalformedXML"),
        (complete("<Part/>"), "MalformedXML"),
        (complete("<Part><PartNumber>1</PartNumber></Part>"), "MalformedXML"),
        (complete("<Part><ETag>a</ETag></Part>"), "MalformedXML"),
        (complete("<Part><ETag>a</ETag><PartNumber>one</PartNumber></Part>"), "MalformedXML"),
        (complete("<Part><ETag>a</ETag><PartNumber>1.5</PartNumber></Part>"), "MalformedXML"),
        (complete("<Part><ETag>a</ETag><PartNumber>0</PartNumber></Part>"), "InvalidArgument"),
        (complete("<Part><ETag>a</ETag><PartNumber>-4</PartNumber></Part>"), "InvalidArgument"),
        (complete("<Part><ETag>a</ETag><PartNumber>10001</PartNumber></Part>"), "InvalidArgument"),
        (
            complete("<Part><ETag>a</ETag><PartNumber>1</PartNumber><ChecksumCRC32>?</ChecksumCRC32></Part>"),
            "InvalidArgument",
        ),
        (
            complete("<Part><ETag>a</ETag><PartNumber>1</PartNumber><ChecksumNew>x</ChecksumNew></Part>"),
            "InvalidRequest",
        ),
        (complete(&"<Part><ETag>a</ETag><PartNumber>1</PartNumber></Part>".repeat(10_001)), "MalformedXML"),
    ];
    for (text, want) in cases {
        assert_eq!(read(&text), Err(want), "{}", &text[..text.len().min(120)]);
    }
}

#[test]
fn headers_are_read() {
    let of = |name: &'static str, value: &'static str| {
        HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::from_static(value))])
    };
    let size = |value| read_object_size(&of("x-amz-mp-object-size", value)).map_err(|refusal| refusal.code());
    assert_eq!(size("53633613824"), Ok(Some(53_633_613_824)));
    assert_eq!(read_object_size(&HeaderMap::new()).unwrap(), None);
    assert_eq!(size("-1"), Err("InvalidRequest"));
    assert_eq!(size("many"), Err("InvalidRequest"));
    assert!(refuse_forms(&of("content-type", "application/x-www-form-urlencoded; charset=utf-8")).is_err());
    assert!(refuse_forms(&of("content-type", "application/xml")).is_ok());
    assert!(
        check_count(Some(2), 2).is_ok() && check_count(None, 9).is_ok() && check_count(Some(2), 3).is_err()
    );
}

fn result() -> Completed {
    Completed { location: "http://h/b/k".into(), bucket: "b".into(), key: "k".into() }
}

async fn slow(outcome: Result<PutOutcome, Error>) -> String {
    let completing: Completing = Box::pin(async move {
        deadline::pause(BLANK_EVERY * 2 + Duration::from_secs(1)).await;
        outcome
    });
    let body = keep_alive(completing, result()).into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_keeps_the_connection_and_ends_with_the_outcome() {
    let outcome = PutOutcome {
        etag: ETag { md5: [0; 16], parts: 1 },
        size: 1,
        modified: Timestamp(0),
        checksum: ObjectChecksum { value: Checksum::crc64(0), kind: ChecksumType::FullObject, parts: 0 },
        crc64: 0,
    };
    let good = slow(Ok(outcome)).await;
    assert!(
        good.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n  <CompleteMultipartUploadResult "),
        "{good}"
    );
    assert!(
        good.contains("<Location>http://h/b/k</Location>") && good.contains("<ChecksumType>FULL_OBJECT"),
        "{good}"
    );
    let bad = slow(Err(Error::NoSuchUpload { upload_id: "u".into() })).await;
    assert!(
        bad.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n  <Error><Code>NoSuchUpload</Code>"),
        "{bad}"
    );
}
