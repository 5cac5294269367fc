"""`drystone ls`: buckets and objects, as the AWS CLI shows them, on every server."""

import os
import pty
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from drystone import BINARY

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"


def put(endpoint, *keys, body=b"x"):
    s3 = endpoint.s3
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: s3.put_object(Bucket=endpoint.bucket, Key=key, Body=body), keys))


def test_buckets_are_listed(endpoint, run):
    assert endpoint.bucket in {line["name"] for line in run("ls", "--json").of("bucket")}
    rows = [line.split("\t") for line in run("ls").out.splitlines()]
    [row] = [row for row in rows if row[1] == endpoint.bucket]
    assert re.fullmatch(TIME, row[0])


def test_folders_and_objects_are_shown_as_typed(endpoint, run):
    put(endpoint, "a", "logs/1", "logs/2026/x", "logs/2026/y", "logs-old/1", body=b"four")
    seen = run("ls", f"s3://{endpoint.bucket}")
    assert [line.split("\t")[1:] for line in seen.out.splitlines()] == [["PRE", "logs-old/"], ["PRE", "logs/"], ["4", "a"]]
    seen = run("ls", f"{endpoint.bucket}/logs/")
    assert [line.split("\t")[1:] for line in seen.out.splitlines()] == [["PRE", "2026/"], ["4", "1"]]
    # A prefix need not end at a slash.
    seen = run("ls", f"s3://{endpoint.bucket}/logs")
    assert [line.split("\t")[2] for line in seen.out.splitlines()] == ["logs-old/", "logs/"]
    seen = run("ls", f"s3://{endpoint.bucket}/logs/", "--recursive")
    rows = [line.split("\t") for line in seen.out.splitlines()]
    assert [row[2] for row in rows] == ["logs/1", "logs/2026/x", "logs/2026/y"]
    assert all(re.fullmatch(TIME, row[0]) for row in rows) and seen.err == ""


def test_sizes_and_sums(endpoint, run):
    put(endpoint, "a", "d/b", body=bytes(1536))
    seen = run("ls", endpoint.bucket, "--recursive", "--human-readable", "--summarize")
    assert seen.out.endswith("\td/b\n\nTotal Objects: 2\n   Total Size: 3.0 KiB\n")
    assert "\t1.5 KiB\ta\n" in seen.out
    seen = run("ls", endpoint.bucket, "--summarize", "--json")
    assert seen.of("folder") == [{"kind": "folder", "prefix": "d/"}]
    assert seen.of("total") == [{"kind": "total", "objects": 1, "folders": 1, "bytes": 1536}]
    [shown] = seen.of("object")
    assert set(shown) == {"kind", "key", "bytes", "last_modified", "etag", "storage_class"}


@pytest.mark.timeout(300)
def test_2500_keys_and_folders_are_each_shown_once(endpoint, run):
    keys = [f"{number:04}/a b" if number % 2 else f"{number:04}" for number in range(2_500)]
    put(endpoint, *keys)
    seen = run("ls", endpoint.bucket, "--json")
    folders = [line["prefix"] for line in seen.of("folder")]
    objects = [line["key"] for line in seen.of("object")]
    assert folders == [f"{number:04}/" for number in range(1, 2_500, 2)]
    assert objects == [f"{number:04}" for number in range(0, 2_500, 2)]
    assert [line["key"] for line in run("ls", endpoint.bucket, "--recursive", "--json").of("object")] == sorted(keys)


def test_names_cannot_forge_a_line_and_json_is_exact(ours, run_ours):
    key = "a\tb\nc\x1b[2J\r\x01d"
    put(ours, key)
    assert run_ours("ls", ours.bucket).out.split("\t", 2)[2] == "a\\tb\\nc\\u{1b}[2J\\r\\u{1}d\n"
    [shown] = run_ours("ls", ours.bucket, "--json").of("object")
    assert shown["key"] == key


def test_a_terminal_gets_a_table(ours, run_ours):
    put(ours, "a", "d/石垣", body=b"1234")
    primary, secondary = pty.openpty()
    command = [BINARY, "ls", f"s3://{ours.bucket}"]
    environment = run_ours.environment | {"NO_COLOR": "1"}
    process = subprocess.Popen(command, stdin=secondary, stdout=secondary, stderr=subprocess.DEVNULL, env=environment)
    os.close(secondary)
    text = b""
    # The kernel tells the end of a terminal as an error.
    try:
        while data := os.read(primary, 4096):
            text += data
    except OSError:
        pass
    os.close(primary)
    assert process.wait(60) == 0
    lines = text.decode().splitlines()
    assert lines[0].split() == ["LAST", "MODIFIED", "BYTES", "KEY"]
    assert lines[1].split() == ["PRE", "d/"] and lines[2].endswith("      4  a")
    assert "\x1b" not in text.decode()


def test_what_is_not_there_is_told(endpoint, run):
    assert run("ls", endpoint.bucket).out == ""
    seen = run("ls", f"s3://{endpoint.bucket}/none", code=4)
    assert (seen.out, seen.err) == ("", f"Nothing begins with s3://{endpoint.bucket}/none.\n")
    seen = run("ls", "s3://no-such-bucket-anywhere", code=1)
    assert "NoSuchBucket" in seen.err and seen.out == ""
