"""UploadPartCopy: parts made from objects that are already there, by reference."""

import pytest

from drystone import MIB
from multipart import PART, abort, complete, create, pattern, read, refused


@pytest.fixture
def source(s3, bucket):
    """An object of 12 MiB called `source`."""
    body = pattern(12 * MIB)
    s3.put_object(Bucket=bucket, Key="source", Body=body)
    return body


def copy_part(s3, bucket, upload, number, source="source", **options):
    answer = s3.upload_part_copy(
        Bucket=bucket, Key="key", UploadId=upload, PartNumber=number, CopySource={"Bucket": bucket, "Key": source}, **options
    )
    return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}


def test_ranges_of_an_object_become_parts(s3, bucket, source):
    upload = create(s3, bucket)
    parts = [
        copy_part(s3, bucket, upload, 1, CopySourceRange=f"bytes=1000000-{1_000_000 + PART - 1}"),
        copy_part(s3, bucket, upload, 2),
        copy_part(s3, bucket, upload, 3, CopySourceRange="bytes=7-7"),
    ]
    complete(s3, bucket, upload, parts)
    assert read(s3, bucket) == source[1_000_000 : 1_000_000 + PART] + source + source[7:8]


def test_no_byte_is_moved(server, s3, bucket, source):
    upload = create(s3, bucket)
    baseline = server.disk_use()
    parts = [copy_part(s3, bucket, upload, number) for number in range(1, 21)]
    complete(s3, bucket, upload, parts)
    server.assert_space_returned(baseline)
    assert s3.head_object(Bucket=bucket, Key="key")["ContentLength"] == 20 * len(source)
    assert read(s3, bucket, Range=f"bytes={19 * len(source)}-") == source


def test_an_abort_leaves_the_source_alone(s3, bucket, source):
    upload = create(s3, bucket)
    copy_part(s3, bucket, upload, 1)
    abort(s3, bucket, upload)
    assert read(s3, bucket, "source") == source


def test_shared_bytes_live_until_the_last_that_names_them(server, s3, bucket):
    baseline = server.disk_use()
    body = pattern(12 * MIB)
    s3.put_object(Bucket=bucket, Key="source", Body=body)
    upload = create(s3, bucket)
    part = copy_part(s3, bucket, upload, 1)
    s3.delete_object(Bucket=bucket, Key="source")
    complete(s3, bucket, upload, [part])
    assert read(s3, bucket) == body
    s3.delete_object(Bucket=bucket, Key="key")
    server.assert_space_returned(baseline)


@pytest.mark.parametrize("wrong", ["bytes=0", "bytes=5-1", "bytes=-5", "bytes=0-", "0-5", "bytes=a-b", f"bytes=0-{12 * MIB}"])
def test_a_range_that_is_wrong_or_ends_past_the_object_is_refused(s3, bucket, source, wrong):
    upload = create(s3, bucket)
    with refused(400, "InvalidArgument"):
        copy_part(s3, bucket, upload, 1, CopySourceRange=wrong)


def test_a_range_wholly_past_the_object_is_refused(s3, bucket, source):
    upload = create(s3, bucket)
    with refused(400, "InvalidRequest"):
        copy_part(s3, bucket, upload, 1, CopySourceRange=f"bytes={12 * MIB}-{13 * MIB}")


def test_a_source_that_is_not_there_is_named(s3, bucket):
    upload = create(s3, bucket)
    with refused(404, "NoSuchKey") as refusal:
        copy_part(s3, bucket, upload, 1, source="nowhere")
    assert refusal.error["Key"] == "nowhere"
    with refused(404, "NoSuchBucket"):
        s3.upload_part_copy(Bucket=bucket, Key="key", UploadId=upload, PartNumber=1, CopySource="no-such-bucket/source")


def test_a_source_that_is_no_bucket_and_key_is_refused(s3, signer, bucket):
    upload = create(s3, bucket)
    for wrong in ("nothing", "/", "", "bucket/"):
        query = [("partNumber", "1"), ("uploadId", upload)]
        answer = signer.request("PUT", "/bucket/key", query=query, headers={"x-amz-copy-source": wrong})
        answer.refused(400, "InvalidArgument")


def test_each_condition_on_the_source_holds(s3, bucket, source):
    upload = create(s3, bucket)
    head = s3.head_object(Bucket=bucket, Key="source")
    etag, modified = head["ETag"], head["LastModified"]
    past = modified.replace(year=modified.year - 1)
    copy_part(s3, bucket, upload, 1, CopySourceIfMatch=etag)
    copy_part(s3, bucket, upload, 1, CopySourceIfNoneMatch='"0123"')
    copy_part(s3, bucket, upload, 1, CopySourceIfModifiedSince=past)
    copy_part(s3, bucket, upload, 1, CopySourceIfUnmodifiedSince=modified)
    for condition in (
        {"CopySourceIfMatch": '"0123"'},
        {"CopySourceIfNoneMatch": etag},
        {"CopySourceIfModifiedSince": modified},
        {"CopySourceIfUnmodifiedSince": past},
    ):
        with refused(412, "PreconditionFailed"):
            copy_part(s3, bucket, upload, 1, **condition)


def test_a_copy_into_an_upload_that_is_over_is_refused(s3, bucket, source):
    upload = create(s3, bucket)
    abort(s3, bucket, upload)
    with refused(404, "NoSuchUpload") as refusal:
        copy_part(s3, bucket, upload, 1)
    assert refusal.error["UploadId"] == upload
