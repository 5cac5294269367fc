"""rclone: copies and checks, and its own abort of everything older than an age."""

import json

import pytest

from drystone import ACCESS_KEY, MIB, REGION, SECRET_KEY
from multipart import create, put_part, uploads
from programs import digest, leave_unfinished


@pytest.fixture
def rclone(program, server):
    """The command with a remote called `wall`."""
    settings = {
        "TYPE": "s3",
        "PROVIDER": "Other",
        "ENDPOINT": server.endpoint,
        "ACCESS_KEY_ID": ACCESS_KEY,
        "SECRET_ACCESS_KEY": SECRET_KEY,
        "REGION": REGION,
        "FORCE_PATH_STYLE": "true",
        "UPLOAD_CUTOFF": "16M",
        "CHUNK_SIZE": "8M",
    }
    environment = {f"RCLONE_CONFIG_WALL_{name}": value for name, value in settings.items()}
    return program("rclone", "--config", "/dev/null", "--retries", "1", "--low-level-retries", "1", **environment)


def test_files_of_every_size_go_and_come_back(rclone, big_file, tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    big_file(400).rename(source / "big")
    (source / "empty").write_bytes(b"")
    (source / "small ü").write_bytes(b"stone")
    rclone("mkdir", "wall:bucket")
    rclone("copy", source, "wall:bucket/tree")
    rclone("check", "--download", source, "wall:bucket/tree")
    rclone("copy", "wall:bucket/tree", target)
    assert {path.name: digest(path) for path in target.iterdir()} == {path.name: digest(path) for path in source.iterdir()}
    sizes = {row["Path"]: row["Size"] for row in json.loads(rclone("lsjson", "wall:bucket/tree"))}
    assert sizes == {"big": 400 * MIB, "empty": 0, "small ü": 5}
    rclone("moveto", "wall:bucket/tree/big", "wall:bucket/moved")
    rclone("purge", "wall:bucket")
    assert rclone("lsd", "wall:") == ""


def test_an_upload_that_was_left_is_listed_and_cleaned_up(rclone, server, s3, big_file):
    rclone("mkdir", "wall:bucket")
    baseline = server.disk_use()
    path = big_file(400)
    row = leave_unfinished(rclone, ["copyto", "--bwlimit", "80M", path, "wall:bucket/big"], s3, "bucket", parts=4)
    listed = json.loads(rclone("backend", "list-multipart-uploads", "wall:bucket"))
    assert [upload["UploadId"] for upload in listed["bucket"]] == [row["UploadId"]]
    rclone("backend", "cleanup", "wall:bucket", "-o", "max-age=1h")
    assert uploads(s3, "bucket") == [("big", row["UploadId"])], "an upload of seconds ago is no hour old"
    rclone("backend", "cleanup", "wall:bucket", "-o", "max-age=1ms")
    assert uploads(s3, "bucket") == []
    server.assert_space_returned(baseline)


def test_a_clean_up_of_more_than_one_page(rclone, s3):
    rclone("mkdir", "wall:bucket")
    for number in range(1005):
        upload = create(s3, "bucket", f"key-{number}")
    put_part(s3, "bucket", upload, 1, b"x", key="key-1004")
    rclone("backend", "cleanup", "wall:bucket", "-o", "max-age=1ms")
    assert uploads(s3, "bucket") == []
