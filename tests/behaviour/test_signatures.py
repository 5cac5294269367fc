"""Signature Version 4 in every form, and what is refused."""

import base64
import datetime
import zlib

import pytest

from drystone import REGION
from multipart import pattern, read, refused
from signed import Signer, md5_base64


def get(server, signer, target, headers=None):
    return signer.send("GET", target, {"host": signer.host} | (headers or {}))


@pytest.fixture
def stored(s3, bucket):
    """An object called `key` that holds b"stone"."""
    s3.put_object(Bucket=bucket, Key="key", Body=b"stone")


def test_an_unknown_key_and_a_bad_signature_look_alike(server, signer, stored):
    answers = [
        Signer(server, signer.access_key, "another secret").request("GET", "/bucket/key"),
        Signer(server, "UNKNOWNACCESSKEY", "another secret").request("GET", "/bucket/key"),
    ]
    assert [answer.status for answer in answers] == [403, 403]
    assert answers[0].code == answers[1].code
    assert answers[0].text("Message") == answers[1].text("Message")


def test_nobody_may_read_without_a_signature(server, signer, stored):
    get(server, signer, "/bucket/key").refused(403, "AccessDenied")
    get(server, signer, "/").refused(403, "AccessDenied")


def test_a_header_of_amazon_that_is_not_signed_is_refused(s3, signer, stored):
    answer = signer.request("PUT", "/bucket/key", headers={"x-amz-meta-moss": "green"}, body=b"x", unsigned=["x-amz-meta-moss"])
    answer.refused(403, "AccessDenied")
    assert read(s3, "bucket") == b"stone"


def test_a_host_that_is_not_signed_is_refused(signer, stored):
    assert signer.request("GET", "/bucket/key", unsigned=["host"]).status in (400, 403)


@pytest.mark.parametrize("name", ["host", "x-amz-date", "x-amz-content-sha256", "x-amz-meta-a"])
def test_a_signed_header_that_was_changed_is_refused(signer, stored, name):
    def alter(headers):
        headers[name] = {
            "host": "example.test",
            "x-amz-date": signer.stamp()[:-3] + "00Z",
            "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
        }.get(name, "b")

    # The date must really differ from what was signed.
    signer.now = datetime.datetime.now(datetime.UTC).replace(second=30)
    answer = signer.request("PUT", "/bucket/key", headers={"x-amz-meta-a": "a"}, body=b"x", alter=alter)
    assert answer.status == 403, answer.body


def test_a_changed_path_query_or_method_is_refused(signer, stored):
    sent, target = signer.prepare("GET", "/bucket/key", [("partNumber", "1")])
    for method, changed in (
        ("GET", "/bucket/other?partNumber=1"),
        ("GET", "/bucket/key?partNumber=2"),
        ("GET", "/bucket/key"),
        ("DELETE", target),
    ):
        signer.send(method, changed, sent).refused(403, "SignatureDoesNotMatch")


def test_a_clock_that_is_a_quarter_of_an_hour_off_is_refused(signer, stored):
    now = datetime.datetime.now(datetime.UTC)
    for minutes in (-16, 16):
        signer.now = now + datetime.timedelta(minutes=minutes)
        signer.request("GET", "/bucket/key").refused(403, "RequestTimeTooSkewed")
    signer.now = now + datetime.timedelta(minutes=14)
    assert signer.request("GET", "/bucket/key").status == 200


@pytest.mark.parametrize(
    "value",
    [
        "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=b",
        "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, Signature=b",
        "AWS4-HMAC-SHA256 SignedHeaders=host, Signature=b",
    ],
)
def test_an_authorization_that_is_malformed_says_so(signer, stored, value):
    answer = signer.request("GET", "/bucket/key", alter=lambda headers: headers.update(authorization=value))
    assert (answer.status, answer.code) in ((400, "AuthorizationHeaderMalformed"), (403, "AccessDenied")), answer.body


def test_an_authorization_of_one_word_says_so(signer, stored):
    answer = signer.request("GET", "/bucket/key", alter=lambda headers: headers.update(authorization="AWS4-HMAC-SHA256"))
    assert answer.refused(400, "InvalidArgument").text("ArgumentName") == "Authorization"


def test_other_mechanisms_are_refused(signer, stored):
    for value in ("AWS key:c2lnbmF0dXJl", "Basic dXNlcjpwYXNz", "Bearer token"):
        answer = signer.request("GET", "/bucket/key", alter=lambda headers, value=value: headers.update(authorization=value))
        assert answer.status in (400, 403) and answer.code in ("InvalidRequest", "InvalidArgument", "AccessDenied"), answer.body


def test_a_scope_of_another_region_names_ours(signer, stored):
    def elsewhere(headers):
        headers["authorization"] = headers["authorization"].replace(f"/{REGION}/", "/eu-north-1/")

    answer = signer.request("GET", "/bucket/key", alter=elsewhere)
    assert answer.refused(400, "AuthorizationHeaderMalformed").text("Region") == REGION


def test_a_body_that_does_not_have_its_digest_is_refused(s3, signer, stored):
    sent, target = signer.prepare("PUT", "/bucket/key", body=b"announced")
    signer.send("PUT", target, sent, b"different").refused(400, "XAmzContentSHA256Mismatch")
    assert read(s3, "bucket") == b"stone"


def test_a_request_without_a_payload_digest_is_refused(signer, stored):
    answer = signer.request("GET", "/bucket/key", alter=lambda headers: headers.pop("x-amz-content-sha256"))
    assert answer.status in (400, 403), answer.body


# Presigned requests


def test_a_presigned_get_and_put_work_without_headers(server, signer, s3, stored):
    assert get(server, signer, signer.presign("GET", "/bucket/key")).body == b"stone"
    put = signer.send("PUT", signer.presign("PUT", "/bucket/put"), {"host": signer.host}, b"by hand")
    assert (put.status, read(s3, "bucket", "put")) == (200, b"by hand")


def test_a_presigned_request_ends(server, signer, stored):
    signer.now = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=61)
    answer = get(server, signer, signer.presign("GET", "/bucket/key", expires=60))
    assert "expired" in answer.refused(403, "AccessDenied").text("Message").lower()
    assert get(server, signer, signer.presign("GET", "/bucket/key", expires=600)).status == 200


def test_a_presigned_request_lives_at_most_seven_days(server, signer, stored):
    for wrong in (604_801, 0, -1):
        answer = get(server, signer, signer.presign("GET", "/bucket/key", expires=wrong))
        assert answer.status in (400, 403), answer.body
    assert get(server, signer, signer.presign("GET", "/bucket/key", expires=604_800)).status == 200


def test_a_presigned_request_that_was_changed_is_refused(server, signer, stored):
    target = signer.presign("GET", "/bucket/key", expires=60, query=[("response-content-type", "text/plain")])
    for old, new in (("Expires=60", "Expires=61"), ("text%2Fplain", "text%2Fhtml"), ("/bucket/key", "/bucket/put")):
        get(server, signer, target.replace(old, new)).refused(403, "SignatureDoesNotMatch")
    assert get(server, signer, target).headers["content-type"] == "text/plain"


def test_a_presigned_request_without_one_of_its_parts_is_refused(server, signer, stored):
    target = signer.presign("GET", "/bucket/key")
    path, _, query = target.partition("?")
    for missing in ("X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"):
        rest = "&".join(pair for pair in query.split("&") if not pair.startswith(missing + "="))
        assert get(server, signer, f"{path}?{rest}").status in (400, 403)


def test_a_presigned_put_binds_the_headers_it_signed(signer, stored):
    target = signer.presign("PUT", "/bucket/put", headers={"content-type": "text/plain"})
    sent = {"host": signer.host, "content-type": "text/html"}
    signer.send("PUT", target, sent, b"x").refused(403, "SignatureDoesNotMatch")
    assert signer.send("PUT", target, sent | {"content-type": "text/plain"}, b"x").status == 200


def test_two_mechanisms_at_once_are_refused(signer, stored):
    sent, _ = signer.prepare("GET", "/bucket/key")
    assert signer.send("GET", signer.presign("GET", "/bucket/key"), sent).status in (400, 403)


# Bodies in chunks


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 1_000_000])
def test_chunks_that_are_signed_are_put_together(s3, signer, bucket, size):
    assert signer.chunked("PUT", "/bucket/key", pattern(size)).status == 200
    assert read(s3, bucket) == pattern(size)
    # aws-chunked is how the body came, not how it is stored.
    assert "ContentEncoding" not in s3.head_object(Bucket=bucket, Key="key")


def test_a_chunk_with_a_wrong_signature_is_refused(server, s3, signer, stored):
    baseline = server.disk_use()
    answer = signer.chunked("PUT", "/bucket/key", pattern(1_000_000), alter_chunk=lambda signature: signature[::-1])
    answer.refused(403, "SignatureDoesNotMatch")
    assert read(s3, "bucket") == b"stone"
    server.assert_space_returned(baseline)


def test_chunks_must_have_the_length_they_announce(s3, signer, stored):
    for length in (999_999, 1_000_001):
        body = pattern(1_000_000)
        answer = signer.trailing("PUT", "/bucket/key", body, {"x-amz-checksum-crc32": crc32(body)}, length=length)
        answer.refused(400, "IncompleteBody")
    assert read(s3, "bucket") == b"stone"


def crc32(body):
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def test_a_checksum_after_the_body_is_checked_and_kept(s3, signer, bucket):
    body = pattern(300_000)
    assert signer.trailing("PUT", "/bucket/key", body, {"x-amz-checksum-crc32": crc32(body)}).status == 200
    assert read(s3, bucket) == body
    assert s3.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")["ChecksumCRC32"] == crc32(body)


def test_a_wrong_checksum_after_the_body_is_refused(server, s3, signer, stored):
    baseline = server.disk_use()
    body = pattern(300_000)
    signer.trailing("PUT", "/bucket/key", body, {"x-amz-checksum-crc32": crc32(b"other")}).refused(400, "BadDigest")
    assert read(s3, "bucket") == b"stone"
    server.assert_space_returned(baseline)


def test_a_trailer_that_was_announced_must_come(signer, stored):
    headers = {"x-amz-decoded-content-length": "5", "content-encoding": "aws-chunked", "x-amz-trailer": "x-amz-checksum-crc32"}
    sent, target = signer.prepare("PUT", "/bucket/key", headers=headers, payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER")
    assert signer.send("PUT", target, sent, b"5\r\nmossy\r\n0\r\n\r\n").status == 400


@pytest.mark.parametrize(
    "framed", [b"zz\r\nmossy\r\n0\r\n\r\n", b"5\r\nmossy0\r\n\r\n", b"ffffffffffffffff\r\nmossy\r\n", b"5;" + b"a" * 100_000]
)
def test_chunks_that_are_none_are_refused(s3, signer, stored, framed):
    headers = {"x-amz-decoded-content-length": "5", "content-encoding": "aws-chunked", "x-amz-trailer": "x-amz-checksum-crc32"}
    sent, target = signer.prepare("PUT", "/bucket/key", headers=headers, payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER")
    answer = signer.send("PUT", target, sent, framed)
    answer.refused(400, "IncompleteBody")
    assert read(s3, "bucket") == b"stone"


@pytest.mark.parametrize("key", ["a b", "a+b", "ü", "a%20b", "a=b&c", "~tilde", "(round)*!'", "日本", "a;b,c:d@e"])
def test_keys_of_every_kind_sign_alike_on_both_sides(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert read(s3, bucket, key) == key.encode()
    assert [row["Key"] for row in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    s3.delete_object(Bucket=bucket, Key=key)


def test_two_identities_own_their_own_buckets(servers, tmp_path):
    settings = tmp_path / "drystone.toml"
    settings.write_text(
        '[[keys]]\naccess_key_id = "FIRSTACCESSKEY"\nsecret_access_key = "first-secret-of-the-tests"\n'
        '[[keys]]\naccess_key_id = "SECONDACCESSKEY"\nsecret_access_key = "second-secret-of-the-tests"\n'
    )
    first, second = ("FIRSTACCESSKEY", "first-secret-of-the-tests"), ("SECONDACCESSKEY", "second-secret-of-the-tests")
    server = servers(credentials=None, arguments=["--config", str(settings)]).start()
    one, two = server.s3(credentials=first), server.s3(credentials=second)
    one.create_bucket(Bucket="first-bucket")
    two.create_bucket(Bucket="second-bucket")
    assert [bucket["Name"] for bucket in one.list_buckets()["Buckets"]] == ["first-bucket"]
    one.put_object(Bucket="first-bucket", Key="key", Body=b"x")
    for work in (
        lambda: read(two, "first-bucket"),
        lambda: two.put_object(Bucket="first-bucket", Key="key", Body=b"y"),
        lambda: two.delete_bucket(Bucket="first-bucket"),
        lambda: two.list_multipart_uploads(Bucket="first-bucket"),
    ):
        with refused(403, "AccessDenied"):
            work()
    with refused(409, "BucketAlreadyExists"):
        two.create_bucket(Bucket="first-bucket")


def test_content_md5_may_come_with_any_form(s3, signer, bucket):
    body = pattern(1000)
    assert signer.request("PUT", "/bucket/key", headers={"content-md5": md5_base64(body)}, body=body).status == 200
    assert signer.chunked("PUT", "/bucket/key", body, headers={"content-md5": md5_base64(body)}).status == 200
    signer.chunked("PUT", "/bucket/key", body, headers={"content-md5": md5_base64(b"other")}).refused(400, "BadDigest")
