"""The AWS CLI: `aws s3` for files of any size, `aws s3api` for each call, presigned addresses."""

import json
import os
import time
import urllib.request

import pytest

from drystone import MIB
from programs import digest, leave_unfinished

# How the command ends when the server refuses.
SERVICE_ERROR = 255


@pytest.fixture
def aws(program, credentials, server, tmp_path):
    """The command, with path-style addressing and without retries, which would hide a broken connection."""
    config = tmp_path / "aws-config"
    # Without the version, `presign` would still sign as S3 did before 2014.
    s3 = "addressing_style = path\n    signature_version = s3v4\n    multipart_chunksize = 16MB"
    config.write_text(f"[default]\ns3 =\n    {s3}\nretry_mode = standard\nmax_attempts = 1\n")
    settings = {"AWS_CONFIG_FILE": str(config), "AWS_ENDPOINT_URL": server.endpoint, "AWS_PAGER": ""}
    return program("aws", **credentials, **settings)


@pytest.mark.timeout(600)
def test_a_file_of_3_gib_goes_and_comes_back(aws, server, big_file, tmp_path):
    aws("s3", "mb", "s3://bucket")
    path = big_file(3 * 1024)
    expected = digest(path)
    aws("s3", "cp", "--no-progress", path, "s3://bucket/big")
    path.unlink()
    assert "3221225472" in aws("s3", "ls", "s3://bucket/")
    aws("s3", "cp", "--no-progress", "s3://bucket/big", tmp_path / "back")
    assert digest(tmp_path / "back") == expected
    baseline = server.disk_use() - 3 * 1024 * MIB
    aws("s3", "rm", "s3://bucket/big")
    # A file system that is still writing 3 GiB back takes longer to free them than an idle one.
    server.assert_space_returned(baseline, seconds=20, tolerance=64 * MIB)
    aws("s3", "rb", "s3://bucket")


def test_folders_are_synchronised(aws, tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    for number in range(60):
        path = source / f"dir-{number % 3}" / f"file {number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"stone {number}\n" * number)
        # S3 tells times in whole seconds, so a file of this very second would look newer than its copy.
        os.utime(path, (time.time() - 60, time.time() - 60))
    aws("s3", "mb", "s3://bucket")
    aws("s3", "sync", "--no-progress", source, "s3://bucket/tree/")
    assert aws("s3", "sync", "--no-progress", source, "s3://bucket/tree/") == ""
    aws("s3", "sync", "--no-progress", "s3://bucket/tree/", target)
    for path in source.rglob("*.txt"):
        assert (target / path.relative_to(source)).read_bytes() == path.read_bytes()
    aws("s3", "mv", "s3://bucket/tree/dir-0/file 0.txt", "s3://bucket/moved")
    listed = aws("s3", "ls", "--recursive", "s3://bucket/").splitlines()
    assert len(listed) == 60 and any(line.endswith(" moved") for line in listed)
    aws("s3", "rb", "--force", "s3://bucket")
    assert aws("s3", "ls") == ""


def test_an_upload_that_was_left_is_listed_and_aborted(aws, server, s3, big_file):
    aws("s3", "mb", "s3://bucket")
    baseline = server.disk_use()
    path = big_file(600)
    row = leave_unfinished(aws, ["s3", "cp", "--no-progress", path, "s3://bucket/big"], s3, "bucket", parts=4)
    listed = json.loads(aws("s3api", "list-multipart-uploads", "--bucket", "bucket"))["Uploads"]
    assert [(upload["Key"], upload["UploadId"]) for upload in listed] == [("big", row["UploadId"])]
    name = ["--bucket", "bucket", "--key", "big", "--upload-id", row["UploadId"]]
    parts = json.loads(aws("s3api", "list-parts", *name))["Parts"]
    assert len(parts) >= 4 and {part["Size"] for part in parts} == {16 * MIB}
    assert aws("s3api", "abort-multipart-upload", *name) == ""
    server.assert_space_returned(baseline)
    assert "Uploads" not in json.loads(aws("s3api", "list-multipart-uploads", "--bucket", "bucket") or "{}")
    aws("s3api", "abort-multipart-upload", *name, code=SERVICE_ERROR)


def test_a_multipart_upload_by_hand(aws, tmp_path):
    aws("s3api", "create-bucket", "--bucket", "bucket")
    for number, size in ((1, 5 * MIB), (2, 1000)):
        (tmp_path / f"part-{number}").write_bytes(bytes([number]) * size)
    upload = json.loads(aws("s3api", "create-multipart-upload", "--bucket", "bucket", "--key", "key"))["UploadId"]
    name = ["--bucket", "bucket", "--key", "key", "--upload-id", upload]
    parts = []
    for number in (1, 2):
        answer = json.loads(aws("s3api", "upload-part", *name, "--part-number", number, "--body", tmp_path / f"part-{number}"))
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    answer = json.loads(aws("s3api", "complete-multipart-upload", *name, "--multipart-upload", json.dumps({"Parts": parts})))
    assert answer["ETag"].endswith('-2"') and answer["ChecksumType"] == "FULL_OBJECT"
    aws("s3api", "get-object", "--bucket", "bucket", "--key", "key", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "part-1").read_bytes() + (tmp_path / "part-2").read_bytes()


def test_what_tools_ask_of_every_bucket_is_answered(aws):
    aws("s3api", "create-bucket", "--bucket", "bucket", "--create-bucket-configuration", "LocationConstraint=eu-north-1")
    assert json.loads(aws("s3api", "get-bucket-location", "--bucket", "bucket"))["LocationConstraint"] == "eu-north-1"
    aws("s3api", "get-bucket-versioning", "--bucket", "bucket")
    aws("s3api", "get-bucket-acl", "--bucket", "bucket")
    assert json.loads(aws("s3api", "get-bucket-request-payment", "--bucket", "bucket"))["Payer"] == "BucketOwner"
    for missing in ("get-bucket-tagging", "get-bucket-policy", "get-bucket-cors", "get-bucket-lifecycle-configuration"):
        aws("s3api", missing, "--bucket", "bucket", code=SERVICE_ERROR)


def test_a_presigned_address_works_in_any_client(aws, tmp_path):
    aws("s3", "mb", "s3://bucket")
    (tmp_path / "file").write_bytes(b"stone")
    aws("s3", "cp", "--no-progress", tmp_path / "file", "s3://bucket/a key")
    address = aws("s3", "presign", "s3://bucket/a key", "--expires-in", "60").strip()
    with urllib.request.urlopen(address, timeout=30) as answer:
        assert answer.read() == b"stone"
