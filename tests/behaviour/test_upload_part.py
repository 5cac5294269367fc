"""UploadPart: numbers, sizes, replacement, integrity, and the fence of an upload that is over."""

import base64
import hashlib
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from drystone import MIB
from multipart import PART, abort, complete, create, multipart_etag, pattern, put_part, read, refused
from signed import md5_base64, read_answer


def test_numbers_run_from_1_to_10000_with_gaps(s3, bucket):
    upload = create(s3, bucket)
    first, last = pattern(PART, 1), b"last"
    parts = [put_part(s3, bucket, upload, 1, first), put_part(s3, bucket, upload, 10_000, last)]
    answer = complete(s3, bucket, upload, parts)
    assert answer["ETag"] == multipart_etag(first, last)
    assert read(s3, bucket) == first + last


@pytest.mark.parametrize("number", ["0", "10001", "-1", "one", "", "1.5", "99999999999999999999"])
def test_a_number_out_of_range_is_refused(s3, signer, bucket, number):
    query = [("partNumber", number), ("uploadId", create(s3, bucket))]
    signer.request("PUT", "/bucket/key", query=query, body=b"x").refused(400, "InvalidArgument")


def test_the_etag_is_the_quoted_md5_of_the_part(s3, bucket):
    body = pattern(100_000)
    upload = create(s3, bucket)
    assert put_part(s3, bucket, upload, 1, body)["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'


def test_the_same_number_replaces_the_part_and_gives_back_its_bytes(server, s3, bucket):
    upload = create(s3, bucket)
    put_part(s3, bucket, upload, 1, pattern(16 * MIB, 0))
    baseline = server.disk_use()
    for seed in range(1, 6):
        part = put_part(s3, bucket, upload, 1, pattern(16 * MIB, seed))
    server.assert_space_returned(baseline)
    listed = s3.list_parts(Bucket=bucket, Key="key", UploadId=upload)["Parts"]
    assert [(p["PartNumber"], p["ETag"]) for p in listed] == [(1, part["ETag"])]
    complete(s3, bucket, upload, [part])
    assert read(s3, bucket) == pattern(16 * MIB, 5)


def test_a_replacement_that_fails_leaves_the_old_part(s3, signer, bucket):
    upload = create(s3, bucket)
    part = put_part(s3, bucket, upload, 1, b"old")
    query = [("partNumber", "1"), ("uploadId", upload)]
    headers = {"content-md5": md5_base64(b"something else")}
    signer.request("PUT", "/bucket/key", query=query, headers=headers, body=b"new").refused(400, "BadDigest")
    complete(s3, bucket, upload, [part])
    assert read(s3, bucket) == b"old"


def test_writers_of_one_number_leave_exactly_one_of_their_parts(server, s3, bucket):
    upload = create(s3, bucket)
    bodies = [pattern(2 * MIB, seed) for seed in range(8)]
    with ThreadPoolExecutor(8) as threads:
        parts = list(threads.map(lambda body: put_part(s3, bucket, upload, 1, body), bodies))
    [listed] = s3.list_parts(Bucket=bucket, Key="key", UploadId=upload)["Parts"]
    [winner] = [body for body, part in zip(bodies, parts, strict=True) if part["ETag"] == listed["ETag"]]
    complete(s3, bucket, upload, [{"PartNumber": 1, "ETag": listed["ETag"]}])
    assert read(s3, bucket) == winner


def test_an_empty_part_makes_an_empty_object(s3, bucket):
    upload = create(s3, bucket)
    complete(s3, bucket, upload, [put_part(s3, bucket, upload, 1, b"")])
    assert s3.head_object(Bucket=bucket, Key="key")["ContentLength"] == 0


def test_a_part_after_an_abort_is_refused_with_the_id(s3, bucket):
    upload = create(s3, bucket)
    abort(s3, bucket, upload)
    with refused(404, "NoSuchUpload") as refusal:
        put_part(s3, bucket, upload, 1, b"x")
    assert refusal.error["UploadId"] == upload


def test_a_part_after_the_completion_is_refused(s3, bucket):
    upload = create(s3, bucket)
    complete(s3, bucket, upload, [put_part(s3, bucket, upload, 1, b"x")])
    with refused(404, "NoSuchUpload"):
        put_part(s3, bucket, upload, 1, b"y")
    assert read(s3, bucket) == b"x"


def test_a_client_that_expects_to_continue_is_refused_before_it_sends_the_body(s3, signer, bucket):
    upload = create(s3, bucket)
    abort(s3, bucket, upload)
    headers = {"expect": "100-continue", "content-length": str(100 * MIB)}
    query = [("partNumber", "1"), ("uploadId", upload)]
    with signer.open("PUT", "/bucket/key", query=query, headers=headers) as connection:
        read_answer(connection).refused(404, "NoSuchUpload")


def test_a_refused_part_does_not_break_its_connection(s3, signer, bucket):
    upload = create(s3, bucket)
    abort(s3, bucket, upload)
    body = pattern(256 * 1024)
    query = [("partNumber", "1"), ("uploadId", upload)]
    with signer.open("PUT", "/bucket/key", query=query, headers={"content-length": str(len(body))}) as connection:
        connection.sendall(body)
        read_answer(connection).refused(404, "NoSuchUpload")
        sent, target = signer.prepare("GET", "/bucket", [("uploads", "")])
        head = f"GET {target} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in sent.items()) + "\r\n"
        connection.sendall(head.encode())
        assert read_answer(connection).status == 200


@pytest.mark.parametrize("upload", ["", "x", "not an id", "a" * 3000, "../../etc/passwd", "\x00"])
def test_an_id_that_no_server_gave_is_unknown(signer, bucket, upload):
    query = [("partNumber", "1"), ("uploadId", upload)]
    signer.request("PUT", "/bucket/key", query=query, body=b"x").refused(404, "NoSuchUpload")


def test_the_id_belongs_to_its_key_and_its_bucket(s3, bucket):
    upload = create(s3, bucket, "key")
    s3.create_bucket(Bucket="other-bucket")
    with refused(404, "NoSuchUpload"):
        put_part(s3, bucket, upload, 1, b"x", key="other-key")
    with refused(404, "NoSuchUpload"):
        put_part(s3, "other-bucket", upload, 1, b"x")
    with refused(404, "NoSuchBucket"):
        put_part(s3, "no-such-bucket", upload, 1, b"x")


def test_a_wrong_digest_is_refused_and_nothing_is_stored(server, s3, signer, bucket):
    upload = create(s3, bucket)
    baseline = server.disk_use()
    body, query = pattern(4 * MIB), [("partNumber", "1"), ("uploadId", upload)]

    def put(**headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return signer.request("PUT", "/bucket/key", query=query, headers=named, body=body)

    put(content_md5=md5_base64(b"other")).refused(400, "BadDigest")
    put(content_md5="not base64!").refused(400, "InvalidDigest")
    put(x_amz_checksum_crc32=base64.b64encode(b"\0\0\0\1").decode()).refused(400, "BadDigest")
    put(x_amz_checksum_crc32="AAAA").refused(400, "InvalidRequest")
    answer = signer.request("PUT", "/bucket/key", query=query, body=body, payload=hashlib.sha256(b"other").hexdigest())
    answer.refused(400, "XAmzContentSHA256Mismatch")
    assert "Parts" not in s3.list_parts(Bucket=bucket, Key="key", UploadId=upload)
    server.assert_space_returned(baseline)


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_every_checksum_algorithm_is_checked_echoed_and_listed(s3, bucket, algorithm):
    upload = create(s3, bucket, ChecksumAlgorithm=algorithm)
    answer = s3.upload_part(Bucket=bucket, Key="key", UploadId=upload, PartNumber=1, Body=b"stone", ChecksumAlgorithm=algorithm)
    checksum = answer[f"Checksum{algorithm}"]
    listing = s3.list_parts(Bucket=bucket, Key="key", UploadId=upload)
    assert listing["ChecksumAlgorithm"] == algorithm
    assert listing["Parts"][0][f"Checksum{algorithm}"] == checksum


def test_a_part_with_another_algorithm_than_its_upload_is_refused(s3, signer, bucket):
    upload = create(s3, bucket, ChecksumAlgorithm="SHA256")
    checksum = base64.b64encode(zlib.crc32(b"x").to_bytes(4, "big")).decode()
    query = [("partNumber", "1"), ("uploadId", upload)]
    headers = {"x-amz-checksum-crc32": checksum}
    signer.request("PUT", "/bucket/key", query=query, headers=headers, body=b"x").refused(400, "InvalidRequest")


def test_a_part_over_5_gib_is_refused_before_its_body(s3, signer, bucket):
    query = [("partNumber", "1"), ("uploadId", create(s3, bucket))]
    headers = {"content-length": str(5 * 1024 * MIB + 1), "expect": "100-continue"}
    with signer.open("PUT", "/bucket/key", query=query, headers=headers) as connection:
        read_answer(connection).refused(400, "EntityTooLarge")


def test_a_part_without_a_length_is_refused(s3, signer, bucket):
    query = [("partNumber", "1"), ("uploadId", create(s3, bucket))]
    with signer.open("PUT", "/bucket/key", query=query) as connection:
        read_answer(connection).refused(411, "MissingContentLength")


def test_a_part_whose_client_goes_away_leaves_no_byte(server, s3, signer, bucket):
    upload = create(s3, bucket)
    baseline = server.disk_use()
    query = [("partNumber", "1"), ("uploadId", upload)]
    for _ in range(5):
        with signer.open("PUT", "/bucket/key", query=query, headers={"content-length": str(32 * MIB)}) as connection:
            connection.sendall(pattern(16 * MIB))
    server.assert_space_returned(baseline, seconds=5)
    assert "Parts" not in s3.list_parts(Bucket=bucket, Key="key", UploadId=upload)
    abort(s3, bucket, upload)
