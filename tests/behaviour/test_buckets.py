"""Buckets: create, head, list, locate, delete."""

import pytest

from drystone import MIB
from multipart import abort, create, pattern, put_part, read, refused, uploads
from signed import read_answer


def names(s3, **options):
    return [bucket["Name"] for bucket in s3.list_buckets(**options)["Buckets"]]


def test_buckets_are_listed_by_name_with_their_owner(s3):
    for name in ("b-bucket", "a-bucket", "c.bucket"):
        s3.create_bucket(Bucket=name)
    listing = s3.list_buckets()
    assert [bucket["Name"] for bucket in listing["Buckets"]] == ["a-bucket", "b-bucket", "c.bucket"]
    assert listing["Owner"]["ID"]
    s3.delete_bucket(Bucket="b-bucket")
    assert names(s3) == ["a-bucket", "c.bucket"]


def test_a_new_bucket_is_there_at_once_and_gone_at_once(s3):
    assert s3.create_bucket(Bucket="bucket")["Location"] == "/bucket"
    assert s3.head_bucket(Bucket="bucket")["BucketRegion"] == "us-east-1"
    s3.delete_bucket(Bucket="bucket")
    with refused(404, "404"):
        s3.head_bucket(Bucket="bucket")
    with refused(404, "NoSuchBucket") as refusal:
        s3.delete_bucket(Bucket="bucket")
    assert refusal.error["BucketName"] == "bucket"


@pytest.mark.parametrize(
    "name", ["ab", "a" * 64, "Bucket", "under_score", "-bucket", "bucket-", "a..b", "192.168.5.4", "xn--bucket", "bucket-s3alias"]
)
def test_a_name_that_s3_does_not_allow_is_refused(signer, name):
    signer.request("PUT", f"/{name}").refused(400, "InvalidBucketName")


def test_making_it_again_changes_nothing(s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"x")
    # us-east-1 answers 200 to the owner, as it always has.
    s3.create_bucket(Bucket=bucket)
    assert read(s3, bucket) == b"x"


def test_any_location_is_kept_as_the_buckets_region(s3):
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-north-1"})
    assert s3.get_bucket_location(Bucket="bucket")["LocationConstraint"] == "eu-north-1"
    s3.create_bucket(Bucket="at-home")
    assert s3.get_bucket_location(Bucket="at-home").get("LocationConstraint") is None


def test_a_document_that_is_not_one_is_refused(s3, signer):
    signer.request("PUT", "/bucket", body=b"<CreateBucketConfiguration>").refused(400, "MalformedXML")
    assert names(s3) == []


def test_a_bucket_with_objects_is_not_deleted(s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"x")
    with refused(409, "BucketNotEmpty"):
        s3.delete_bucket(Bucket=bucket)
    s3.delete_object(Bucket=bucket, Key="key")
    s3.delete_bucket(Bucket=bucket)


def test_uploads_in_progress_do_not_keep_a_bucket_and_their_bytes_are_freed(server, s3, bucket):
    baseline = server.disk_use()
    ids = [create(s3, bucket, f"key-{number}") for number in range(3)]
    for number, upload in enumerate(ids):
        put_part(s3, bucket, upload, 1, pattern(16 * MIB), key=f"key-{number}")
    s3.delete_bucket(Bucket=bucket)
    server.assert_space_returned(baseline)
    s3.create_bucket(Bucket=bucket)
    assert uploads(s3, bucket) == []
    with refused(404, "NoSuchUpload"):
        put_part(s3, bucket, ids[0], 1, b"x", key="key-0")
    with refused(404, "NoSuchUpload"):
        abort(s3, bucket, ids[1], key="key-1")


def test_a_part_in_flight_while_its_bucket_goes_leaves_no_byte(server, s3, signer, bucket):
    baseline = server.disk_use()
    query = [("partNumber", "1"), ("uploadId", create(s3, bucket))]
    body = pattern(8 * MIB)
    with signer.open("PUT", "/bucket/key", query=query, headers={"content-length": str(len(body))}) as connection:
        connection.sendall(body[: 4 * MIB])
        s3.delete_bucket(Bucket=bucket)
        s3.create_bucket(Bucket=bucket)
        connection.sendall(body[4 * MIB :])
        answer = read_answer(connection)
    assert (answer.status, answer.code) == (404, "NoSuchUpload"), answer.body
    server.assert_space_returned(baseline)


def test_an_object_in_flight_while_its_bucket_goes_is_refused(server, s3, signer, bucket):
    baseline = server.disk_use()
    body = pattern(8 * MIB)
    with signer.open("PUT", "/bucket/key", headers={"content-length": str(len(body))}) as connection:
        connection.sendall(body[: 4 * MIB])
        s3.delete_bucket(Bucket=bucket)
        connection.sendall(body[4 * MIB :])
        read_answer(connection).refused(404, "NoSuchBucket")
    server.assert_space_returned(baseline)


def test_a_bucket_answers_with_and_without_a_slash_at_the_end(signer, bucket):
    assert signer.request("HEAD", "/bucket/").status == 200
    assert signer.request("HEAD", "/bucket").status == 200
    assert signer.request("GET", "/bucket/").xml.tag == "ListBucketResult"
