"""Quotas: what a bucket may hold, unfinished uploads included, and how many it may have open."""

import pytest

from drystone import MIB
from multipart import PART, abort, complete, create, pattern, put_part, read, refused, uploads

BYTES = 12 * MIB
QUOTAS = """
[[quotas]]
bucket = "bucket"
bytes = "12MiB"
uploads = 3

[[quotas]]
bytes = "1MiB"
"""


@pytest.fixture
def server(servers, tmp_path):
    """A running server that holds its buckets to QUOTAS."""
    (tmp_path / "quotas.toml").write_text(QUOTAS)
    return servers(arguments=["--config", str(tmp_path / "quotas.toml")]).start()


def test_a_part_over_quota_is_refused_and_leaves_its_upload_open(s3, bucket):
    upload = create(s3, bucket)
    first = put_part(s3, bucket, upload, 1, pattern(PART, 1))
    second = put_part(s3, bucket, upload, 2, pattern(PART, 2))
    with refused(403, "QuotaExceeded") as refusal:
        put_part(s3, bucket, upload, 3, pattern(PART, 3))
    assert bucket in refusal.error["Message"] and str(BYTES) in refusal.error["Message"]
    assert uploads(s3, bucket) == [("key", upload)]
    assert [part["Size"] for part in s3.list_parts(Bucket=bucket, Key="key", UploadId=upload)["Parts"]] == [PART, PART]
    # Completing moves bytes and adds none, so it is never refused; then there is room for what is left only.
    complete(s3, bucket, upload, [first, second])
    assert read(s3, bucket) == pattern(PART, 1) + pattern(PART, 2)
    s3.put_object(Bucket=bucket, Key="rest", Body=b"x" * (BYTES - 2 * PART))
    with refused(403, "QuotaExceeded"):
        s3.put_object(Bucket=bucket, Key="more", Body=b"x")


def test_room_that_is_made_can_be_used_again(s3, bucket):
    left = create(s3, bucket, "left")
    put_part(s3, bucket, left, 1, pattern(BYTES), key="left")
    upload = create(s3, bucket)
    with refused(403, "QuotaExceeded"):
        put_part(s3, bucket, upload, 1, b"x")
    abort(s3, bucket, left, key="left")
    part = put_part(s3, bucket, upload, 1, pattern(BYTES))
    complete(s3, bucket, upload, [part])


def test_what_takes_the_place_of_as_much_always_fits(s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=pattern(BYTES, 1))
    s3.put_object(Bucket=bucket, Key="key", Body=pattern(BYTES, 2))
    with refused(403, "QuotaExceeded"):
        s3.put_object(Bucket=bucket, Key="key", Body=pattern(BYTES + 1, 3))
    assert read(s3, bucket) == pattern(BYTES, 2), "as it was"
    s3.delete_object(Bucket=bucket, Key="key")
    upload = create(s3, bucket)
    put_part(s3, bucket, upload, 1, pattern(BYTES, 1))
    put_part(s3, bucket, upload, 1, pattern(BYTES, 2))
    with refused(403, "QuotaExceeded"):
        put_part(s3, bucket, upload, 1, pattern(BYTES + 1, 3))


def test_copies_count_like_what_they_show(s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=pattern(7 * MIB))
    with refused(403, "QuotaExceeded"):
        s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "key"})
    upload = create(s3, bucket, "copy")
    with refused(403, "QuotaExceeded"):
        s3.upload_part_copy(Bucket=bucket, Key="copy", UploadId=upload, PartNumber=1, CopySource={"Bucket": bucket, "Key": "key"})
    assert uploads(s3, bucket) == [("copy", upload)]


def test_a_bucket_has_no_more_uploads_open_than_it_may(s3, bucket):
    ids = [create(s3, bucket, f"key-{number}") for number in range(3)]
    with refused(403, "QuotaExceeded") as refusal:
        create(s3, bucket, "one more")
    assert "3 uploads in progress" in refusal.error["Message"]
    assert len(uploads(s3, bucket)) == 3
    abort(s3, bucket, ids[1], key="key-1")
    create(s3, bucket, "one more")


def test_every_bucket_without_a_quota_of_its_own_has_that_of_all_others(s3, bucket):
    s3.create_bucket(Bucket="other")
    s3.put_object(Bucket="other", Key="key", Body=pattern(MIB))
    with refused(403, "QuotaExceeded"):
        s3.put_object(Bucket="other", Key="more", Body=b"x")
    for number in range(5):
        create(s3, "other", f"key-{number}")


def test_a_quota_that_cannot_be_read_is_explained(servers, tmp_path):
    (tmp_path / "bad.toml").write_text('[[quotas]]\nbucket = "builds"\nbytes = "lots"\n')
    said = servers("bad", arguments=["--config", str(tmp_path / "bad.toml")]).run_to_its_end()
    assert "`lots` is no size" in said and "100GiB" in said and "builds" in said
