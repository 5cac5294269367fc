"""CreateMultipartUpload: what is promised when an upload begins."""

import re

import pytest

from multipart import complete, create, put_part, read, refused, uploads


def test_ids_are_url_safe_and_in_the_order_of_initiation(s3, bucket):
    ids = [create(s3, bucket, "same-key") for _ in range(30)]
    assert all(re.fullmatch(r"[A-Za-z0-9._~-]{16,256}", upload) for upload in ids), ids
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_the_answer_names_bucket_key_and_id(signer, bucket):
    answer = signer.request("POST", "/bucket/a%20key", query=[("uploads", "")])
    assert answer.status == 200
    assert answer.body.startswith(b"<?xml")
    assert b'<InitiateMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' in answer.body
    assert (answer.text("Bucket"), answer.text("Key")) == ("bucket", "a key")
    assert answer.text("UploadId")


def test_an_upload_is_no_object_before_it_is_completed(s3, bucket):
    upload = create(s3, bucket)
    put_part(s3, bucket, upload, 1, b"x")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    with refused(404, "404"):
        s3.head_object(Bucket=bucket, Key="key")


def test_many_uploads_of_one_key_run_beside_its_object(s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"old")
    first, second = create(s3, bucket), create(s3, bucket)
    part = put_part(s3, bucket, second, 1, b"new")
    assert read(s3, bucket) == b"old"
    complete(s3, bucket, second, [part])
    assert read(s3, bucket) == b"new"
    assert uploads(s3, bucket) == [("key", first)]


def test_headers_of_the_object_are_set_at_the_beginning(s3, bucket):
    upload = create(
        s3,
        bucket,
        ContentType="text/x-wall",
        CacheControl="max-age=5",
        ContentDisposition="inline",
        ContentEncoding="gzip",
        ContentLanguage="de",
        Metadata={"stone": "granite"},
    )
    complete(s3, bucket, upload, [put_part(s3, bucket, upload, 1, b"x")])
    head = s3.head_object(Bucket=bucket, Key="key")
    assert head["ContentType"] == "text/x-wall"
    assert head["CacheControl"] == "max-age=5"
    assert head["ContentDisposition"] == "inline"
    assert head["ContentEncoding"] == "gzip"
    assert head["ContentLanguage"] == "de"
    assert head["Metadata"] == {"stone": "granite"}


def test_a_missing_bucket_is_named(s3):
    with refused(404, "NoSuchBucket") as refusal:
        create(s3, "no-such-bucket")
    assert refusal.error["BucketName"] == "no-such-bucket"


@pytest.mark.parametrize(("algorithm", "kind"), [("CRC64NVME", "COMPOSITE"), ("SHA256", "FULL_OBJECT"), ("SHA1", "FULL_OBJECT")])
def test_a_checksum_that_cannot_be_of_that_type_is_refused(s3, bucket, algorithm, kind):
    with refused(400, "InvalidRequest"):
        create(s3, bucket, ChecksumAlgorithm=algorithm, ChecksumType=kind)
    assert uploads(s3, bucket) == []


def test_an_unknown_checksum_algorithm_is_refused(signer, bucket):
    headers = {"x-amz-checksum-algorithm": "MD4"}
    signer.request("POST", "/bucket/key", query=[("uploads", "")], headers=headers).refused(400, "InvalidRequest")


def test_the_upload_answers_the_checksum_it_will_keep(s3, bucket):
    answer = s3.create_multipart_upload(Bucket=bucket, Key="key", ChecksumAlgorithm="SHA256")
    assert (answer["ChecksumAlgorithm"], answer["ChecksumType"]) == ("SHA256", "COMPOSITE")
    answer = s3.create_multipart_upload(Bucket=bucket, Key="key", ChecksumAlgorithm="CRC32C", ChecksumType="FULL_OBJECT")
    assert (answer["ChecksumAlgorithm"], answer["ChecksumType"]) == ("CRC32C", "FULL_OBJECT")


def test_a_storage_class_that_does_not_exist_is_refused(signer, bucket):
    headers = {"x-amz-storage-class": "MARBLE"}
    signer.request("POST", "/bucket/key", query=[("uploads", "")], headers=headers).refused(400, "InvalidStorageClass")
