"""PutObject: bytes, headers, integrity and conditions."""

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from drystone import MIB
from multipart import pattern, read, refused
from signed import md5_base64, read_answer


@pytest.mark.parametrize("size", [0, 1, 4096, 65_535, 65_536, 65_537, MIB, 5 * MIB + 3, 40 * MIB])
def test_every_size_comes_back_as_it_went(s3, bucket, size):
    body = pattern(size)
    answer = s3.put_object(Bucket=bucket, Key="key", Body=body)
    assert answer["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="key")
    assert (got["ContentLength"], got["ETag"], got["Body"].read()) == (size, answer["ETag"], body)


def test_a_replaced_object_gives_back_its_bytes(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=pattern(16 * MIB))
    baseline = server.disk_use()
    for seed in range(1, 6):
        s3.put_object(Bucket=bucket, Key="key", Body=pattern(16 * MIB, seed))
    server.assert_space_returned(baseline)
    assert read(s3, bucket) == pattern(16 * MIB, 5)


def test_headers_and_metadata_are_kept(s3, bucket):
    s3.put_object(
        Bucket=bucket,
        Key="key",
        Body=b"x",
        ContentType="text/x-wall",
        CacheControl="max-age=5",
        ContentDisposition="inline",
        ContentEncoding="gzip",
        ContentLanguage="de",
        Expires="Wed, 21 Oct 2026 07:28:00 GMT",
        Metadata={"stone": "granite", "two-words": "a, b"},
    )
    for head in (s3.head_object(Bucket=bucket, Key="key"), s3.get_object(Bucket=bucket, Key="key")):
        assert head["ContentType"] == "text/x-wall"
        assert head["CacheControl"] == "max-age=5"
        assert head["ContentDisposition"] == "inline"
        assert head["ContentEncoding"] == "gzip"
        assert head["ContentLanguage"] == "de"
        assert head["ExpiresString"] == "Wed, 21 Oct 2026 07:28:00 GMT"
        assert head["Metadata"] == {"stone": "granite", "two-words": "a, b"}


def test_an_object_without_a_type_is_an_octet_stream(signer, s3, bucket):
    signer.request("PUT", "/bucket/key", body=b"x")
    assert s3.head_object(Bucket=bucket, Key="key")["ContentType"] == "binary/octet-stream"


def test_more_metadata_than_2_kib_is_refused(s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"x", Metadata={"a": "b" * 2047})
    with refused(400, "MetadataTooLarge"):
        s3.put_object(Bucket=bucket, Key="key", Body=b"x", Metadata={"a": "b" * 2048})


def test_a_wrong_digest_is_refused_and_the_old_object_stays(server, s3, signer, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"old")
    baseline = server.disk_use()
    body = pattern(4 * MIB)
    for headers, code in (
        ({"content-md5": md5_base64(b"other")}, "BadDigest"),
        ({"content-md5": "short"}, "InvalidDigest"),
        ({"x-amz-checksum-sha256": base64.b64encode(bytes(32)).decode()}, "BadDigest"),
        ({"x-amz-checksum-sha256": "AAAA"}, "InvalidRequest"),
        ({"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-crc32c": "AAAAAA=="}, "InvalidRequest"),
    ):
        signer.request("PUT", "/bucket/key", headers=headers, body=body).refused(400, code)
    answer = signer.request("PUT", "/bucket/key", body=body, payload=hashlib.sha256(b"other").hexdigest())
    answer.refused(400, "XAmzContentSHA256Mismatch")
    assert read(s3, bucket) == b"old"
    server.assert_space_returned(baseline)


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
@pytest.mark.parametrize("size", [0, 5, 3 * MIB + 1])
def test_every_checksum_is_checked_kept_and_returned(s3, bucket, algorithm, size):
    answer = s3.put_object(Bucket=bucket, Key="key", Body=pattern(size), ChecksumAlgorithm=algorithm)
    name = f"Checksum{algorithm}"
    head = s3.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert (answer[name], answer["ChecksumType"]) == (head[name], "FULL_OBJECT")
    got = s3.get_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert got[name] == answer[name]
    assert got["Body"].read() == pattern(size)
    assert name not in s3.head_object(Bucket=bucket, Key="key")


def test_an_object_without_a_checksum_keeps_crc64nvme(server, bucket):
    plain = server.s3(request_checksum_calculation="when_required")
    plain.put_object(Bucket=bucket, Key="key", Body=b"123456789")
    head = plain.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    # The check value of CRC-64/NVME over "123456789".
    expected = base64.b64encode(0xAE8B14860A799888.to_bytes(8, "big")).decode()
    assert (head["ChecksumCRC64NVME"], head["ChecksumType"]) == (expected, "FULL_OBJECT")


def test_if_none_match_stores_only_where_there_is_nothing(s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"first", IfNoneMatch="*")
    with refused(412, "PreconditionFailed") as refusal:
        s3.put_object(Bucket=bucket, Key="key", Body=b"second", IfNoneMatch="*")
    assert refusal.error["Condition"] == "If-None-Match"
    assert read(s3, bucket) == b"first"


def test_if_match_stores_only_over_the_object_that_is_meant(s3, bucket):
    with refused(404, "NoSuchKey"):
        s3.put_object(Bucket=bucket, Key="key", Body=b"x", IfMatch='"0123"')
    first = s3.put_object(Bucket=bucket, Key="key", Body=b"first")["ETag"]
    s3.put_object(Bucket=bucket, Key="key", Body=b"second", IfMatch=first)
    with refused(412, "PreconditionFailed"):
        s3.put_object(Bucket=bucket, Key="key", Body=b"third", IfMatch=first)
    assert read(s3, bucket) == b"second"


@pytest.mark.parametrize("condition", [{"IfNoneMatch": '"0123"'}, {"IfMatch": "*"}, {"IfMatch": '"0123"', "IfNoneMatch": "*"}])
def test_conditions_that_s3_does_not_know_are_not_implemented(s3, bucket, condition):
    s3.put_object(Bucket=bucket, Key="key", Body=b"old")
    with refused(501, "NotImplemented"):
        s3.put_object(Bucket=bucket, Key="key", Body=b"x", **condition)
    assert read(s3, bucket) == b"old"


@pytest.mark.parametrize("size", [10, MIB])
def test_exactly_one_of_many_writers_creates(server, s3, bucket, size):
    baseline = server.disk_use()

    def attempt(seed):
        try:
            s3.put_object(Bucket=bucket, Key="key", Body=pattern(size, seed), IfNoneMatch="*")
            return 200
        except s3.exceptions.ClientError as error:
            return error.response["ResponseMetadata"]["HTTPStatusCode"]

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(attempt, range(16)))
    assert answers.count(200) == 1 and set(answers) <= {200, 409, 412}, answers
    assert read(s3, bucket) == pattern(size, answers.index(200))
    server.assert_space_returned(baseline + size)


def test_if_match_counts_without_losing_a_step(s3, bucket):
    s3.put_object(Bucket=bucket, Key="counter", Body=b"0")

    def add_one(_):
        for _ in range(200):
            got = s3.get_object(Bucket=bucket, Key="counter")
            value = int(got["Body"].read()) + 1
            try:
                s3.put_object(Bucket=bucket, Key="counter", Body=str(value).encode(), IfMatch=got["ETag"])
                return True
            except s3.exceptions.ClientError as error:
                assert error.response["ResponseMetadata"]["HTTPStatusCode"] in (409, 412), error
        return False

    with ThreadPoolExecutor(6) as threads:
        assert all(threads.map(add_one, range(24)))
    assert read(s3, bucket, "counter") == b"24"


def test_an_object_over_5_gib_is_refused_before_its_body(signer, bucket):
    headers = {"content-length": str(5 * 1024 * MIB + 1), "expect": "100-continue"}
    with signer.open("PUT", "/bucket/key", headers=headers) as connection:
        read_answer(connection).refused(400, "EntityTooLarge")


def test_a_storage_class_that_does_not_exist_is_refused(signer, bucket):
    signer.request("PUT", "/bucket/key", headers={"x-amz-storage-class": "MARBLE"}, body=b"x").refused(400, "InvalidStorageClass")


def test_a_missing_bucket_is_named_before_the_body(signer):
    headers = {"content-length": str(MIB), "expect": "100-continue"}
    with signer.open("PUT", "/no-such-bucket/key", headers=headers) as connection:
        read_answer(connection).refused(404, "NoSuchBucket")


def test_an_empty_body_that_was_expected_ends_its_connection(signer, bucket):
    # The AWS CLI's reader keeps the status line of an answer that came without `100 Continue`, and takes it for the next
    # answer on the same connection: `aws s3 sync` of a folder with one empty file hung until its time was up.
    with signer.open("PUT", "/bucket/key", headers={"content-length": "0", "expect": "100-continue"}) as connection:
        answer = read_answer(connection)
    assert (answer.status, answer.headers["connection"]) == (200, "close")
