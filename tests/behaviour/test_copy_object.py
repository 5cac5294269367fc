"""CopyObject: the same bytes under another name, moved by nobody."""

import datetime

import pytest

from drystone import MIB
from multipart import PART, complete, create, multipart_etag, pattern, put_part, read, refused


@pytest.fixture
def source(s3, bucket):
    """An object of 16 MiB called `source`; its HEAD answer."""
    s3.put_object(Bucket=bucket, Key="source", Body=pattern(16 * MIB), ContentType="text/x-wall", Metadata={"stone": "granite"})
    return s3.head_object(Bucket=bucket, Key="source")


def copy(s3, bucket, source="source", key="copy", **options):
    return s3.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": source}, **options)


def test_a_copy_has_the_bytes_and_headers_and_moves_nothing(server, s3, bucket, source):
    baseline = server.disk_use()
    answer = copy(s3, bucket)
    assert answer["CopyObjectResult"]["ETag"] == source["ETag"]
    server.assert_space_returned(baseline)
    head = s3.head_object(Bucket=bucket, Key="copy")
    assert (head["ContentType"], head["Metadata"]) == ("text/x-wall", {"stone": "granite"})
    assert read(s3, bucket, "copy") == pattern(16 * MIB)


def test_bytes_live_until_the_last_copy_is_gone(server, s3, bucket):
    baseline = server.disk_use()
    s3.put_object(Bucket=bucket, Key="source", Body=pattern(16 * MIB))
    copy(s3, bucket, key="one")
    copy(s3, bucket, source="one", key="two")
    s3.delete_object(Bucket=bucket, Key="source")
    s3.put_object(Bucket=bucket, Key="one", Body=b"something else")
    assert read(s3, bucket, "two") == pattern(16 * MIB)
    s3.delete_object(Bucket=bucket, Key="two")
    server.assert_space_returned(baseline)


def test_metadata_may_be_replaced(s3, bucket, source):
    copy(s3, bucket, MetadataDirective="REPLACE", Metadata={"moss": "green"}, ContentType="text/plain")
    head = s3.head_object(Bucket=bucket, Key="copy")
    assert (head["ContentType"], head["Metadata"]) == ("text/plain", {"moss": "green"})


def test_a_copy_onto_itself_must_change_something(s3, bucket, source):
    with refused(400, "InvalidRequest"):
        copy(s3, bucket, key="source")
    copy(s3, bucket, key="source", MetadataDirective="REPLACE", Metadata={"moss": "green"})
    assert s3.head_object(Bucket=bucket, Key="source")["Metadata"] == {"moss": "green"}
    assert read(s3, bucket, "source") == pattern(16 * MIB)


def test_a_copy_of_a_completed_upload_is_one_object(s3, bucket):
    upload = create(s3, bucket)
    bodies = [pattern(PART, 1), b"end"]
    complete(s3, bucket, upload, [put_part(s3, bucket, upload, number, body) for number, body in enumerate(bodies, 1)])
    assert s3.head_object(Bucket=bucket, Key="key")["ETag"] == multipart_etag(*bodies)
    copy(s3, bucket, source="key")
    assert read(s3, bucket, "copy") == b"".join(bodies)
    assert read(s3, bucket, "copy", Range=f"bytes={PART - 2}-{PART}") == bodies[0][-2:] + b"e"


def test_small_objects_copy_too(s3, bucket):
    s3.put_object(Bucket=bucket, Key="source", Body=b"small")
    copy(s3, bucket)
    s3.delete_object(Bucket=bucket, Key="source")
    assert read(s3, bucket, "copy") == b"small"


def test_each_condition_on_the_source_holds(s3, bucket, source):
    etag, modified = source["ETag"], source["LastModified"]
    past = modified - datetime.timedelta(days=1)
    for holds in ({"CopySourceIfMatch": etag}, {"CopySourceIfNoneMatch": '"0123"'}, {"CopySourceIfModifiedSince": past}):
        copy(s3, bucket, **holds)
    for fails in (
        {"CopySourceIfMatch": '"0123"'},
        {"CopySourceIfNoneMatch": etag},
        {"CopySourceIfModifiedSince": modified},
        {"CopySourceIfUnmodifiedSince": past},
    ):
        with refused(412, "PreconditionFailed"):
            copy(s3, bucket, **fails)


def test_a_source_that_is_not_there_is_named(s3, bucket):
    with refused(404, "NoSuchKey") as refusal:
        copy(s3, bucket, source="nowhere")
    assert refusal.error["Key"] == "nowhere"


@pytest.mark.parametrize("key", ["a b", "ü/ö", "a+b", "100%", "a&b?c=d", "//", "a/../b"])
def test_a_source_is_named_by_its_encoded_key(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    copy(s3, bucket, source=key)
    assert read(s3, bucket, "copy") == key.encode()


@pytest.mark.parametrize("wrong", ["nothing", "/", "bucket/", "bucket/a%zz"])
def test_a_source_that_is_no_bucket_and_key_is_refused(signer, bucket, wrong):
    answer = signer.request("PUT", "/bucket/copy", headers={"x-amz-copy-source": wrong})
    assert (answer.status, answer.code) in ((400, "InvalidArgument"), (404, "NoSuchKey")), answer.body


def test_a_directive_that_does_not_exist_is_refused(signer, bucket, source):
    headers = {"x-amz-copy-source": "/bucket/source", "x-amz-metadata-directive": "MAYBE"}
    signer.request("PUT", "/bucket/copy", headers=headers).refused(400, "InvalidArgument")
