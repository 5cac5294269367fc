"""`drystone mb`, `rb` and `cat` on every server, and what all commands for objects refuse."""

import os
import uuid

import pytest

from drystone import MIB


def test_a_bucket_is_made_and_removed(endpoint, run):
    name = f"new-{uuid.uuid4().hex[:12]}"
    assert run("mb", f"s3://{name}").out == f"make_bucket: {name}\n"
    assert name in [bucket["Name"] for bucket in endpoint.s3.list_buckets()["Buckets"]]
    shape = {"kind": "remove_bucket", "bucket": name, "deleted_objects": 0, "aborted_uploads": 0}
    assert run("rb", f"s3://{name}", "--json").lines == [shape]
    assert name not in [bucket["Name"] for bucket in endpoint.s3.list_buckets()["Buckets"]]


def test_a_bucket_with_objects_is_only_removed_by_force(endpoint, run):
    for number in range(3):
        endpoint.s3.put_object(Bucket=endpoint.bucket, Key=f"d/{number}", Body=b"x")
    seen = run("rb", endpoint.bucket, code=1)
    assert "BucketNotEmpty" in seen.err and "--force" in seen.err
    seen = run("rb", f"s3://{endpoint.bucket}", "--force")
    assert seen.out == f"remove_bucket: {endpoint.bucket}\n"
    assert "3 objects deleted" in seen.err
    assert endpoint.bucket not in [bucket["Name"] for bucket in endpoint.s3.list_buckets()["Buckets"]]


def test_uploads_do_not_keep_a_bucket_from_being_removed_by_force(endpoint, run):
    endpoint.start_uploads(["a", "b"], parts=1, size=10)
    seen = run("rb", endpoint.bucket, "--force", "--json")
    [line] = seen.of("remove_bucket")
    # Only where the server counts uploads as content is anything aborted, and then it is said.
    assert line["aborted_uploads"] in (0, 2)
    assert (line["aborted_uploads"] == 2) == ("2 uploads aborted" in seen.err)
    assert endpoint.bucket not in [bucket["Name"] for bucket in endpoint.s3.list_buckets()["Buckets"]]


def test_a_range_of_an_object_is_written(endpoint, run):
    data = os.urandom(20 * MIB)
    endpoint.s3.put_object(Bucket=endpoint.bucket, Key="k", Body=data)
    key = f"s3://{endpoint.bucket}/k"
    assert run.pipe("cat", key, "--range", "0-9") == data[:10]
    assert run.pipe("cat", key, "--range", "-5") == data[-5:]
    assert run.pipe("cat", key, "--range", f"{MIB}-{18 * MIB}") == data[MIB : 18 * MIB + 1]
    assert run.pipe("cat", key, "--range", f"bytes={20 * MIB - 1}-") == data[-1:]
    assert run.pipe("cat", key, "--range", f"{20 * MIB}-", code=2) == b""
    assert run.pipe("cat", f"s3://{endpoint.bucket}/none", code=1) == b""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["cp", "a", "b"], "must begin with s3://"),
        (["cp", "-", "-"], "must begin with s3://"),
        (["cp", "a"], "<TO>"),
        (["cp", "", "s3://photos"], "an argument is empty"),
        (["cp", "a", "s3://"], "names no bucket"),
        (["cp", "a", "s3:///k"], "names no bucket"),
        (["cp", "a", "s3://a*b/k"], "cannot be a bucket"),
        (["cp", "-", "s3://photos"], "name an object"),
        (["cp", "-", "s3://photos/d/"], "name an object"),
        (["cp", "-", "s3://photos/k", "--recursive"], "one stream"),
        (["cp", "s3://photos/d/", "x"], "add --recursive"),
        (["cp", "s3://photos", "-"], "add --recursive"),
        (["cp", "s3://photos/k", "s3://photos/k"], "onto itself"),
        (["cp", "s3://photos/d/k", "s3://photos/d/"], "onto itself"),
        (["cp", "s3://photos/d", "s3://photos/d/e", "--recursive"], "name another folder"),
        (["cp", "..", "s3://photos/"], "has no name"),
        (["cp", "a", "s3://photos/k", "--exclude", "*"], "--recursive"),
        (["cp", "a", "s3://photos/k", "--recursive", "--exclude", "[a"], "*.jpg"),
        (["cp", "a", "s3://photos/k", "--expected-size", "1GiB"], "standard input"),
        (["cp", "-", "s3://photos/k", "--expected-size", "1G"], "as in 1GiB"),
        (["cp", "-", "s3://photos/k", "--expected-size", "100TiB"], "48.8 TiB"),
        (["ls", ""], "names no bucket"),
        (["ls", "a*b"], "cannot be a bucket"),
        (["mb", "s3://photos/x"], "more than a bucket"),
        (["mb", "x"], "cannot be a bucket"),
        (["mb"], "BUCKET"),
        (["rb", "photos/x", "--force"], "more than a bucket"),
        (["rm", ""], "names no bucket"),
        (["rm", "photos"], "add --recursive"),
        (["rm", "photos/"], "add --recursive"),
        (["rm", "/", "--recursive"], "names no bucket"),
        (["cat", "photos"], "names a bucket"),
        (["cat", "photos/k", "--range", "5-4"], "ends before it begins"),
        (["cat", "photos/k", "--range", "abc"], "0-1023"),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_request(run_nowhere, arguments, says):
    seen = run_nowhere(*arguments, code=2)
    assert says in seen.err, seen.err
    assert seen.out == ""


def test_a_missing_file_or_folder_is_named(ours, run_ours):
    seen = run_ours("cp", "no-such-file", f"s3://{ours.bucket}/k", code=1)
    assert "no-such-file" in seen.err and "No such file" in seen.err
    seen = run_ours("cp", "no-such-folder", f"s3://{ours.bucket}/k", "--recursive", code=1)
    assert "no-such-folder" in seen.err
    (run_ours.folder / "d").mkdir()
    assert "--recursive" in run_ours("cp", "d", f"s3://{ours.bucket}/k", code=1).err
    assert "there is no such object" in run_ours("cp", f"s3://{ours.bucket}/none", "x", code=1).err


def test_a_server_that_is_not_there_is_named(run_nowhere):
    seen = run_nowhere("ls", "s3://photos", code=1)
    assert "s3://photos" in seen.err and "is the server running" in seen.err
