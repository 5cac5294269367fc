"""s3cmd: files, its own list of unfinished uploads, and its own abort."""

import pytest

from drystone import ACCESS_KEY, REGION, SECRET_KEY
from programs import digest, leave_unfinished


@pytest.fixture
def s3cmd(program, server, tmp_path):
    """The command with a configuration file of its own."""
    config = tmp_path / "s3cfg"
    host = f"127.0.0.1:{server.port}"
    config.write_text(
        f"[default]\naccess_key = {ACCESS_KEY}\nsecret_key = {SECRET_KEY}\nhost_base = {host}\nhost_bucket = {host}\n"
        f"bucket_location = {REGION}\nuse_https = False\nmultipart_chunk_size_mb = 15\nmax_retries = 1\n"
    )
    return program("s3cmd", "--config", str(config), "--no-progress")


def test_a_file_of_300_mib_goes_and_comes_back(s3cmd, server, big_file, tmp_path):
    s3cmd("mb", "s3://bucket")
    path = big_file(300)
    s3cmd("put", path, "s3://bucket/big")
    assert "s3://bucket/big" in s3cmd("ls", "s3://bucket/")
    assert "314572800" in s3cmd("info", "s3://bucket/big")
    s3cmd("get", "s3://bucket/big", tmp_path / "back")
    assert digest(tmp_path / "back") == digest(path)
    s3cmd("del", "s3://bucket/big")
    s3cmd("rb", "s3://bucket")


def test_small_files_metadata_and_moves(s3cmd, tmp_path):
    s3cmd("mb", "s3://bucket")
    (tmp_path / "small").write_bytes(b"stone")
    s3cmd("put", "--add-header=x-amz-meta-moss: green", tmp_path / "small", "s3://bucket/dir/small")
    assert "green" in s3cmd("info", "s3://bucket/dir/small")
    s3cmd("mv", "s3://bucket/dir/small", "s3://bucket/moved")
    s3cmd("get", "s3://bucket/moved", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"stone"
    assert "5" in s3cmd("du", "s3://bucket/")
    s3cmd("del", "--recursive", "--force", "s3://bucket/")


def test_an_upload_that_was_left_is_listed_and_aborted(s3cmd, server, s3, big_file):
    s3cmd("mb", "s3://bucket")
    baseline = server.disk_use()
    path = big_file(400)
    row = leave_unfinished(s3cmd, ["put", "--limit-rate=60m", path, "s3://bucket/big"], s3, "bucket", parts=3)
    assert row["UploadId"] in s3cmd("multipart", "s3://bucket")
    assert len([line for line in s3cmd("listmp", "s3://bucket/big", row["UploadId"]).splitlines() if "15728640" in line]) >= 3
    s3cmd("abortmp", "s3://bucket/big", row["UploadId"])
    server.assert_space_returned(baseline)
    assert row["UploadId"] not in s3cmd("multipart", "s3://bucket")
