//! AWS's published examples, then every way to change a signed request.

use drystone_core::names::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use zeroize::Zeroizing;

use super::signer::{DATE, DAY, KEY, NOW_MS, SCOPE, SECRET, Signing, sha256};
use super::*;

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const NOW: Timestamp = Timestamp(NOW_MS);

pub(crate) fn authenticator() -> Authenticator {
    let account = |id: &str| Arc::new(Account { id: id.to_owned(), display_name: id.to_owned() });
    let pair = |id, secret: &str, owner| {
        Credential::new(id, Zeroizing::new(secret.to_owned()), account(owner)).expect("a usable pair")
    };
    let pairs = [pair(KEY, SECRET, "main"), pair("OTHERKEY", "another secret", "other")];
    let store = CredentialStore::new(pairs, Zeroizing::new("a decoy's secret".into())).expect("two pairs");
    Authenticator::new(store, "us-east-1")
}

fn parts(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a request").into_parts().0
}

fn authenticate(request: &Parts) -> Result<Caller, AuthError> {
    authenticator().authenticate(request, NOW)
}

fn check(request: &Parts, code: &str) {
    let refusal = authenticate(request).expect_err(code);
    assert_eq!(refusal.code(), code, "{refusal}: {request:?}");
}

fn authorization(signed_headers: &str, signature: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential={KEY}/{SCOPE},SignedHeaders={signed_headers},Signature={signature}")
}

fn set(request: &mut Parts, name: &'static str, value: &str) {
    request.headers.insert(name, HeaderValue::from_str(value).expect("a header value"));
}

/// AWS, "Signature Calculations for the Authorization Header: Transferring Payload in a Single Chunk".
#[test]
fn the_published_header_examples_are_accepted() {
    let host = ("host", "examplebucket.s3.amazonaws.com");
    let date = ("x-amz-date", DATE);
    let empty = ("x-amz-content-sha256", EMPTY);
    let plain = "host;x-amz-content-sha256;x-amz-date";
    let examples = [
        (
            "GET",
            "/test.txt",
            vec![host, ("range", "bytes=0-9"), empty, date],
            "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT",
            "/test$file.text",
            vec![
                host,
                ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                date,
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                ("x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
            ],
            "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            "GET",
            "/?lifecycle",
            vec![host, empty, date],
            plain,
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            "GET",
            "/?max-keys=2&prefix=J",
            vec![host, empty, date],
            plain,
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ];
    for (method, target, mut headers, signed_headers, signature) in examples {
        let authorization = authorization(signed_headers, signature);
        headers.push(("authorization", &authorization));
        let caller = authenticate(&parts(method, target, &headers)).expect(target);
        assert_eq!((&*caller.access_key_id, caller.account.id.as_str()), (KEY, "main"));
        assert!(matches!(caller.payload, Payload::Sha256(_)));
    }
}

/// AWS, "Authenticating Requests: Using Query Parameters".
#[test]
fn the_published_presigned_example_is_accepted() {
    let target = format!(
        "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={KEY}%2F{DAY}%2Fus-east-1%2Fs3%2Faws4_request\
         &X-Amz-Date={DATE}&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
         &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    );
    let request = parts("GET", &target, &[("host", "examplebucket.s3.amazonaws.com")]);
    assert!(matches!(authenticate(&request).expect("the published example").payload, Payload::Unsigned));
}

/// AWS, "Transferring Payload in Multiple Chunks" and "Including Trailing Headers": the seeds. The
/// chunks are checked where they are read, in `s3::body`.
#[test]
fn the_published_seed_signatures_are_accepted() {
    for (payload, extra, signed_headers, signature) in [
        (
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            ("content-length", "66824"),
            "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
             x-amz-storage-class",
            "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        ),
        (
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            ("x-amz-trailer", "x-amz-checksum-crc32c"),
            "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
             x-amz-storage-class;x-amz-trailer",
            "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
        ),
    ] {
        let request = parts(
            "PUT",
            "/examplebucket/chunkObject.txt",
            &[
                ("host", "s3.amazonaws.com"),
                ("x-amz-date", DATE),
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                ("x-amz-content-sha256", payload),
                ("content-encoding", "aws-chunked"),
                ("x-amz-decoded-content-length", "66560"),
                extra,
                ("authorization", &authorization(signed_headers, signature)),
            ],
        );
        let caller = authenticate(&request).expect(payload);
        assert!(matches!(caller.payload, Payload::Chunked { signer: Some(_), .. }));
    }
}

fn put<'a>() -> Signing<'a> {
    Signing {
        method: "PUT",
        target: "/bucket/a%20key/%C3%A4//./..?partNumber=7&uploadId=abc&x=",
        headers: &[("content-type", "text/plain"), ("x-amz-meta-a", "b c")],
        payload: EMPTY,
        ..Signing::default()
    }
}

#[test]
fn the_naive_signer_is_accepted_in_both_places() {
    authenticate(&put().header()).expect("signed in the header");
    authenticate(&Signing { payload: "UNSIGNED-PAYLOAD", ..put() }.query()).expect("signed in the query");
}

#[test]
fn changing_any_signed_thing_breaks_the_signature() {
    let good = put().header();
    let target = good.uri.to_string();
    for method in ["GET", "POST", "HEAD", "DELETE", "put"] {
        let mut request = put().header();
        request.method = method.parse().expect("a method");
        check(&request, "SignatureDoesNotMatch");
    }
    for at in 1..target.len() {
        let mut bytes = target.clone().into_bytes();
        bytes[at] = if bytes[at] == b'Z' { b'Y' } else { b'Z' };
        let Ok(uri) = String::from_utf8(bytes).expect("ASCII").parse() else { continue };
        let mut request = put().header();
        request.uri = uri;
        let refusal = authenticate(&request).expect_err("a changed target");
        assert!(
            matches!(refusal.code(), "SignatureDoesNotMatch" | "InvalidURI"),
            "{}: {refusal}",
            request.uri
        );
    }
    for name in ["content-type", "host", "x-amz-meta-a"] {
        let value = good.headers[name].to_str().expect("ASCII").to_owned();
        for at in 0..value.len() {
            let mut bytes = value.clone().into_bytes();
            bytes[at] = if bytes[at] == b'~' { b'}' } else { b'~' };
            let mut request = put().header();
            request.headers.insert(name, HeaderValue::from_bytes(&bytes).expect("a value"));
            check(&request, "SignatureDoesNotMatch");
        }
        let mut request = put().header();
        request.headers.remove(name);
        check(&request, "SignatureDoesNotMatch");
        let mut request = put().header();
        request.headers.append(name, HeaderValue::from_static("more"));
        check(&request, "SignatureDoesNotMatch");
    }
}

#[test]
fn changing_any_character_of_the_authorization_is_refused() {
    let good = put().header();
    let value = good.headers["authorization"].to_str().expect("ASCII").to_owned();
    for at in 0..value.len() {
        for with in *b"0zA ,=/;" {
            let mut bytes = value.clone().into_bytes();
            // A blank more or less after a comma is no change.
            if bytes[at] == with || (with == b' ' && at > 0 && bytes[at - 1] == b' ') {
                continue;
            }
            bytes[at] = with;
            let mut request = put().header();
            request.headers.insert("authorization", HeaderValue::from_bytes(&bytes).expect("a value"));
            assert!(authenticate(&request).is_err(), "{}", String::from_utf8_lossy(&bytes));
        }
    }
    for length in 0..value.len() {
        let mut request = put().header();
        set(&mut request, "authorization", &value[..length]);
        assert!(authenticate(&request).is_err(), "{}", &value[..length]);
    }
}

#[test]
fn changing_any_character_of_a_presigned_url_is_refused() {
    let signing = Signing { payload: "UNSIGNED-PAYLOAD", ..put() };
    let target = signing.query().uri.to_string();
    for at in 1..target.len() {
        for with in *b"0zA&=/;" {
            let mut bytes = target.clone().into_bytes();
            if bytes[at] == with {
                continue;
            }
            bytes[at] = with;
            let Ok(uri) = String::from_utf8(bytes).expect("ASCII").parse::<http::Uri>() else { continue };
            // An empty piece between two '&' is nothing, and "x" is "x=".
            let same = |query: &str| query.replace("&&", "&").replace("&x=&", "&x&");
            if same(uri.query().unwrap_or_default()) == same(signing.query().uri.query().unwrap_or_default())
                && uri.path() == signing.query().uri.path()
            {
                continue;
            }
            let mut request = signing.query();
            request.uri = uri;
            assert!(authenticate(&request).is_err(), "{}", request.uri);
        }
    }
}

#[test]
fn other_spellings_of_the_same_request_are_accepted() {
    let cases = [
        ("/a%20b", "/a%20b"),
        ("/a(b)", "/a%28b%29"),
        ("/a%7Eb", "/a~b"),
        ("/%e4%bd%a0", "/%E4%BD%A0"),
        ("/a?prefix=a/b&delimiter=%2F", "/a?delimiter=%2F&prefix=a%2Fb"),
        ("/a?x=a+b", "/a?x=a%20b"),
        ("/a?uploads", "/a?uploads="),
        ("/a?b=1&a-=2&a=3", "/a?a=3&a-=2&b=1"),
        ("/a?x=2&x=1&x=10", "/a?x=1&x=10&x=2"),
        ("/a?x=b=c", "/a?x=b%3Dc"),
    ];
    for (sent, signed) in cases {
        let mut request = Signing { target: signed, ..Signing::default() }.header();
        request.uri = sent.parse().expect(sent);
        authenticate(&request).unwrap_or_else(|refusal| panic!("{sent}: {refusal:?}"));
    }
}

#[test]
fn header_values_are_trimmed_and_their_spaces_collapsed() {
    let mut request = Signing { headers: &[("x-amz-meta-a", "b c d")], ..Signing::default() }.header();
    request.headers.insert("x-amz-meta-a", HeaderValue::from_static("  b   c\td "));
    authenticate(&request).expect("the same words");
    let mut request = Signing { headers: &[("x-amz-meta-a", "b,c")], ..Signing::default() }.header();
    request.headers.insert("x-amz-meta-a", HeaderValue::from_static("b"));
    request.headers.append("x-amz-meta-a", HeaderValue::from_static("c "));
    authenticate(&request).expect("two values are one with a comma");
}

#[test]
fn where_only_the_target_names_the_host_it_is_signed_as_one() {
    let mut request = Signing::default().header();
    request.headers.remove("host");
    check(&request, "SignatureDoesNotMatch");
    request.uri = "https://localhost/bucket/key".parse().expect("a URI");
    authenticate(&request).expect("the authority is the host");
}

#[test]
fn unsigned_headers_that_s3_obeys_are_refused() {
    for name in ["x-amz-copy-source", "x-amz-acl", "x-amz-meta-a", "x-amz-security-token", "x-amz-tagging"] {
        for mut request in [Signing::default().header(), Signing::default().query()] {
            request.headers.insert(HeaderName::from_static(name), HeaderValue::from_static("/other/secret"));
            let refusal = authenticate(&request).expect_err(name);
            assert_eq!(refusal.elements(), [("HeadersNotSigned", name.to_owned())]);
            assert_eq!((refusal.code(), refusal.status().as_u16()), ("AccessDenied", 403));
        }
    }
    let mut request = Signing::default().query();
    set(&mut request, "content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==");
    set(&mut request, "x-amz-acl", "private");
    let AuthError::HeadersNotSigned(names) = authenticate(&request).expect_err("two headers") else {
        panic!("another refusal")
    };
    let mut names: Vec<&str> = names.split(", ").collect();
    names.sort_unstable();
    assert_eq!(names, ["content-md5", "x-amz-acl"]);

    let mut request = Signing { headers: &[("range", "bytes=0-1")], ..Signing::default() }.query();
    set(&mut request, "if-range", "\"etag\"");
    assert_eq!(
        authenticate(&request).expect_err("if-range").elements(),
        [("HeadersNotSigned", "if-range".into())]
    );
}

#[test]
fn headers_that_mean_nothing_to_a_signature_may_come_unsigned() {
    for mut request in [Signing::default().header(), Signing::default().query()] {
        set(&mut request, "user-agent", "x");
        set(&mut request, "expect", "100-continue");
        set(&mut request, "if-match", "\"a\"");
        set(&mut request, "x-amzn-trace-id", "Root=1");
        set(&mut request, "amz-sdk-request", "attempt=1");
        authenticate(&request).expect("unsigned headers without a meaning here");
    }
}

#[test]
fn the_host_must_be_signed() {
    let host = "host;x-amz-content-sha256;x-amz-date";
    let mut request = Signing::default().header();
    let value = request.headers["authorization"].to_str().expect("ASCII").replace(host, &host[5..]);
    set(&mut request, "authorization", &value);
    assert_eq!(authenticate(&request).expect_err("host").elements(), [("HeadersNotSigned", "host".into())]);
}

/// What AWS does: the value counts, wherever it comes from.
#[test]
fn a_presigned_url_may_bring_the_payload_it_was_signed_for() {
    let mut request = Signing::default().query();
    set(&mut request, "x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    authenticate(&request).expect("the payload it was signed for");
    for other in [EMPTY, "STREAMING-UNSIGNED-PAYLOAD-TRAILER"] {
        set(&mut request, "x-amz-content-sha256", other);
        check(&request, "SignatureDoesNotMatch");
    }
    let mut request = Signing { payload: EMPTY, ..Signing::default() }.query();
    check(&request, "SignatureDoesNotMatch");
    set(&mut request, "x-amz-content-sha256", EMPTY);
    assert!(matches!(authenticate(&request).expect("as signed").payload, Payload::Sha256(_)));
}

/// Some SDKs put the payload's hash into the URL instead of a header.
#[test]
fn a_presigned_url_may_name_its_payload_itself() {
    let target = format!("/bucket/key?X-Amz-Content-Sha256={EMPTY}");
    let signing = Signing { target: &target, payload: EMPTY, ..Signing::default() };
    let mut request = signing.query();
    assert!(matches!(authenticate(&request).expect("as signed").payload, Payload::Sha256(_)));
    set(&mut request, "x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    check(&request, "SignatureDoesNotMatch");
    let twice = format!("{target}&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD");
    check(
        &Signing { target: &twice, payload: EMPTY, ..Signing::default() }.query(),
        "AuthorizationQueryParametersError",
    );
}

#[test]
fn an_unknown_key_and_a_wrong_secret_look_alike() {
    for place in [Signing::header, Signing::query] {
        let unknown = authenticate(&place(&Signing { key: "NOSUCHKEY", ..Signing::default() }));
        let wrong = authenticate(&place(&Signing { secret: "not the secret", ..Signing::default() }));
        let others = authenticate(&place(&Signing { secret: "another secret", ..Signing::default() }));
        let (unknown, wrong, others) =
            (unknown.expect_err("unknown"), wrong.expect_err("wrong"), others.expect_err("another's"));
        for refusal in [&unknown, &wrong, &others] {
            assert_eq!((refusal.code(), refusal.status().as_u16()), ("SignatureDoesNotMatch", 403));
            assert_eq!(refusal.to_string(), wrong.to_string());
            let names: Vec<&str> = refusal.elements().into_iter().map(|(name, _)| name).collect();
            assert_eq!(names, ["AWSAccessKeyId", "StringToSign", "SignatureProvided", "CanonicalRequest"]);
            for (_, text) in refusal.elements() {
                assert!(!text.contains(SECRET) && !text.contains("decoy"), "{text}");
            }
        }
    }
}

#[test]
fn nobody_can_sign_as_the_decoy() {
    for key in ["decoy", ""] {
        let request = Signing { key, secret: "a decoy's secret", ..Signing::default() }.header();
        assert!(authenticate(&request).is_err(), "{key}");
    }
}

#[test]
fn each_pair_acts_for_its_own_account() {
    let request = Signing { key: "OTHERKEY", secret: "another secret", ..Signing::default() }.header();
    assert_eq!(authenticate(&request).expect("the second pair").account.id, "other");
}

#[test]
fn signed_headers_live_for_fifteen_minutes_each_way() {
    let request = Signing::default().header();
    for (offset_s, fresh) in
        [(0_i64, true), (900, true), (-900, true), (901, false), (-901, false), (86_400, false)]
    {
        let now = Timestamp(NOW_MS.saturating_add_signed(offset_s * 1000));
        match authenticator().authenticate(&request, now) {
            Ok(_) => assert!(fresh, "{offset_s}"),
            Err(refusal) => {
                assert!(!fresh, "{offset_s}: {refusal}");
                assert_eq!((refusal.code(), refusal.status().as_u16()), ("RequestTimeTooSkewed", 403));
                let names: Vec<&str> = refusal.elements().into_iter().map(|(name, _)| name).collect();
                assert_eq!(names, ["RequestTime", "ServerTime", "MaxAllowedSkewMilliseconds"]);
            }
        }
    }
}

#[test]
fn presigned_urls_live_as_long_as_they_say() {
    let request = Signing::default().query();
    for (offset_s, message) in [
        (-901, "Request is not yet valid"),
        (-900, ""),
        (0, ""),
        (86_399, ""),
        (86_400, "Request has expired"),
        (1 << 33, "Request has expired"),
    ] {
        let now = Timestamp(NOW_MS.saturating_add_signed(offset_s * 1000));
        match authenticator().authenticate(&request, now) {
            Ok(_) => assert_eq!(message, "", "{offset_s}"),
            Err(refusal) => {
                assert_eq!(
                    (refusal.to_string().as_str(), refusal.code()),
                    (message, "AccessDenied"),
                    "{offset_s}"
                );
            }
        }
    }
    let refusal = authenticator().authenticate(&request, Timestamp(u64::MAX)).expect_err("the end of time");
    assert_eq!(refusal.code(), "AccessDenied");
}

#[test]
fn refusals_have_the_codes_of_aws() {
    let signed = || Signing::default().header();
    let with = |name: &'static str, value: &str| {
        let mut request = signed();
        set(&mut request, name, value);
        request
    };
    let without = |name: &str| {
        let mut request = signed();
        request.headers.remove(name);
        request
    };
    let again = |name: &'static str| {
        let mut request = signed();
        let value = request.headers[name].clone();
        request.headers.append(name, value);
        request
    };
    let scope = |scope: &str| {
        let value = signed().headers["authorization"].to_str().expect("ASCII").replace(SCOPE, scope);
        with("authorization", &value)
    };
    for (what, request, code) in [
        ("anonymous", without("authorization"), "AccessDenied"),
        ("empty", with("authorization", ""), "AccessDenied"),
        ("blank", with("authorization", "  "), "AccessDenied"),
        ("basic", with("authorization", "Basic YTpi"), "InvalidArgument"),
        ("one word", with("authorization", "AWS4-HMAC-SHA256"), "InvalidArgument"),
        ("one part", with("authorization", "AWS4-HMAC-SHA256 Credential=a"), "AuthorizationHeaderMalformed"),
        ("version 2", with("authorization", "AWS AKID:c2lnbmF0dXJl"), "InvalidRequest"),
        ("version 4a", with("authorization", "AWS4-ECDSA-P256-SHA256 Credential=a"), "NotImplemented"),
        ("two", again("authorization"), "InvalidRequest"),
        ("two dates", again("x-amz-date"), "InvalidRequest"),
        ("two hashes", again("x-amz-content-sha256"), "InvalidRequest"),
        ("no date", without("x-amz-date"), "AccessDenied"),
        ("bad date", with("x-amz-date", "yesterday"), "AccessDenied"),
        ("old date", with("x-amz-date", "20130523T000000Z"), "AuthorizationHeaderMalformed"),
        ("no hash", without("x-amz-content-sha256"), "InvalidRequest"),
        ("bad hash", with("x-amz-content-sha256", "abc"), "InvalidArgument"),
        ("ecdsa", with("x-amz-content-sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"), "NotImplemented"),
        ("region", scope("20130524/eu-west-1/s3/aws4_request"), "AuthorizationHeaderMalformed"),
        ("service", scope("20130524/us-east-1/iam/aws4_request"), "AuthorizationHeaderMalformed"),
        (
            "upper case",
            {
                let value = signed().headers["authorization"]
                    .to_str()
                    .expect("ASCII")
                    .replace(";x-amz-date", ";x-amz-date;Range");
                with("authorization", &value)
            },
            "AuthorizationHeaderMalformed",
        ),
        (
            "no names",
            {
                let value = signed().headers["authorization"]
                    .to_str()
                    .expect("ASCII")
                    .replace(";x-amz-date", ";x-amz-date;;");
                with("authorization", &value)
            },
            "AuthorizationHeaderMalformed",
        ),
        ("huge", with("cookie", &"a".repeat(17_000)), "RequestHeaderSectionTooLarge"),
        (
            "both",
            parts("GET", "/?X-Amz-Signature=a", &[("authorization", "AWS4-HMAC-SHA256 x")]),
            "InvalidArgument",
        ),
        ("query v2", parts("GET", "/?AWSAccessKeyId=a&Signature=b&Expires=1", &[]), "InvalidRequest"),
        ("query part", parts("GET", "/?X-Amz-Credential=a", &[]), "AuthorizationQueryParametersError"),
        (
            "token",
            Signing { headers: &[("x-amz-security-token", "t")], ..Signing::default() }.header(),
            "InvalidToken",
        ),
        (
            "query token",
            Signing { target: "/a?X-Amz-Security-Token=t", ..Signing::default() }.query(),
            "InvalidToken",
        ),
    ] {
        let refusal = authenticate(&request).expect_err(what);
        assert_eq!(refusal.code(), code, "{what}: {refusal}");
    }
    let refusal = authenticate(&scope("20130524/eu-west-1/s3/aws4_request")).expect_err("region");
    assert_eq!(refusal.elements(), [("Region", "us-east-1".to_owned())]);
}

#[test]
fn broken_escapes_in_the_target_are_an_invalid_uri() {
    for target in ["/a%", "/a%2", "/a%zz", "/a?x=%", "/a?%g0=1"] {
        let mut request = Signing::default().header();
        request.uri = target.parse().expect(target);
        check(&request, "InvalidURI");
    }
}

#[test]
fn a_changed_payload_word_breaks_the_signature() {
    let modes = [
        "UNSIGNED-PAYLOAD",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        EMPTY,
    ];
    for signed in modes {
        for sent in modes.into_iter().chain([sha256(b"x").as_str()]) {
            let mut request = Signing { payload: signed, ..Signing::default() }.header();
            set(&mut request, "x-amz-content-sha256", sent);
            assert_eq!(authenticate(&request).is_ok(), signed == sent, "{signed} {sent}");
        }
        // CVE-2025-31489 in MinIO: a streaming mode that accepted any secret.
        let forged = Signing { payload: signed, secret: "not the secret", ..Signing::default() };
        check(&forged.header(), "SignatureDoesNotMatch");
    }
}

#[test]
fn the_http_date_may_stand_for_the_missing_amz_date() {
    // Signed over `date`, with the ISO form of the same instant in the string to sign.
    let headers =
        [("date", "Fri, 24 May 2013 00:00:00 GMT"), ("host", "localhost"), ("x-amz-content-sha256", EMPTY)];
    let names = "date;host;x-amz-content-sha256";
    let mut canonical = String::from("GET\n/a\n\n");
    for (name, value) in headers {
        canonical = format!("{canonical}{name}:{value}\n");
    }
    canonical = format!("{canonical}\n{names}\n{EMPTY}");
    let signature =
        signer::sign(SECRET, &format!("AWS4-HMAC-SHA256\n{DATE}\n{SCOPE}\n{}", sha256(canonical.as_bytes())));
    let mut request = parts("GET", "/a", &headers);
    set(&mut request, "authorization", &authorization(names, &signature));
    authenticate(&request).expect("dated by the HTTP date");
}

proptest::proptest! {
    /// No request, however odd, makes the door panic or let somebody in.
    #[test]
    fn arbitrary_credentials_never_pass(
        authorization in "AWS4-HMAC-SHA256 [ -~]{0,200}",
        query in "[!-~]{0,100}",
        date in "[0-9TZ]{0,17}",
    ) {
        let query: String = query.chars().filter(|c| !"#<>\"`{}|\\^[]".contains(*c)).collect();
        if let Ok(uri) = format!("/a?{query}").parse::<http::Uri>() {
            let mut request = parts("GET", "/", &[("host", "localhost"), ("x-amz-content-sha256", EMPTY)]);
            request.uri = uri;
            let mut headers = HeaderMap::new();
            std::mem::swap(&mut headers, &mut request.headers);
            headers.insert("authorization", HeaderValue::from_str(&authorization).expect("printable"));
            headers.insert("x-amz-date", HeaderValue::from_str(&date).expect("printable"));
            request.headers = headers;
            proptest::prop_assert!(authenticate(&request).is_err());
        }
    }
}
